// Package check judges a history.
//
// The main checker (replay.go) puts every answer in the order of its revision,
// replays that order in package internal/model and compares every answer with
// the model's. porcupine checks registers and leases once more without trusting
// revisions, and invariants that need no model are checked by themselves: what
// one of them misses is likely to be seen by another.
//
// Judging is apart from running, so that it can be tested on histories made by
// hand, and so that a saved history can be judged again.
package check
