// Package fsm is the deterministic state machine of Holdfast: the commands and
// their bytes, the state, the one function that applies a log entry, and the
// snapshot.
//
// Apply sees nothing but the state, the entry and the command. There is no
// clock, no randomness, no input or output, no iteration over Go maps, no
// float and no goroutine in this package: whatever depends on those was
// decided on the leader before the log (package decide) and is recorded in the
// command. A refusal is an answer, not a failure; an entry that cannot be
// understood is a failure that stops the node, because a replica that guesses
// is worse than one that is down.
//
// A raft log entry is a batch of commands. Its header says in which term the
// batch was decided; Apply refuses the whole entry unless raft committed it in
// that very term and the term's takeover was applied before, so that nothing
// that a deposed leader decided can take effect later. docs/formats.md draws
// the bytes.
package fsm
