// Command holdfast is the one binary of Holdfast: a development cluster in one
// process (dev), one production node (serve), and everything that a person does
// by hand with a running cluster (process, event, lease, grant, wake, session,
// cluster).
//
// Exit codes: 0 done; 1 an error; 2 wrong usage; 3 the lease is held by
// somebody else; 4 the lease, or the fencing token that was asked about, is not
// held any more. A command that lease hold ran to its end gives its own.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// gcPercent lets the heap grow to five times what lives before it is collected.
// A node's live heap is mostly state, so collecting at twice its size, as Go
// does by itself, took about a twelfth of the processor under load, for memory
// that is there anyway. GOGC and GOMEMLIMIT still have the last word.
const gcPercent = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	// The first signal asks for a clean end. After it the signals mean what they
	// mean by default, so that a second one ends the process at once.
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{
		program:   programName(),
		stdin:     stdin,
		stdout:    stdout,
		stderr:    stderr,
		lookupEnv: os.LookupEnv,
		interactive: func() bool {
			file, ok := stdin.(*os.File)
			return ok && isTerminal(file)
		},
		dial:      dialClient,
		startNode: startNode,
	}
	return a.run(ctx, args)
}
