// Package decide turns a request and a view of the state into a command for
// the log, and the result of the command into the answer.
//
// Everything that a state machine must not do happens here, once, on the
// leader: payload schemas, hashes, selectors, random tokens. The command
// carries the outcomes, so that two replicas with different library versions
// can never disagree. What a decision took from the state is fixed for one life
// of a process; the command names that life, and if apply finds another one
// nothing changes and the request is decided again.
//
// Refusals that depend on the state are never given from here: they travel in
// the command and are the answer only if apply, which sees the newest state,
// comes to the point of the contract's order where they stand. So no refusal is
// ever staler than an acked write, and none needs a read barrier. Only
// InvalidArgument and TooLarge, which depend on the request alone, come at
// once.
//
// Registry implements all of this over a Log: package cluster gives it one that
// is replicated, package registry/memory one that is not.
package decide
