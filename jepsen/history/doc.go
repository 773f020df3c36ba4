// Package history is what a run of the harness leaves behind: every operation
// of every client with its times, answer and metadata, every item of every stream
// that somebody followed, and every fault that was injected meanwhile. It is written while the run goes on, so that a harness
// that is killed leaves it too, and read again to be judged.
//
// An operation is an op of package internal/model, which is what checkers
// replay. Times are nanoseconds since the beginning of the run on the monotonic
// clock of the harness.
package history
