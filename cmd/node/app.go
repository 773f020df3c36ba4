package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/node"
	"github.com/holdfast-registry/holdfast/registry"
)

// The exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
	exitBusy  = 3
	exitLost  = 4
)

// server is the cluster as the user commands see it.
type server interface {
	registry.Registry
	registry.Admin
	registry.Fences
	registry.Queue
	Close() error
}

// runningNode is a node as dev and serve see it.
type runningNode interface {
	AwaitLeader(ctx context.Context) error
	Addr() string
	HTTPAddr() string
	Close(ctx context.Context) error
}

// app is one run of the program.
type app struct {
	// program is how the user calls this program, for the commands that it
	// proposes.
	program        string
	stdin          io.Reader
	stdout, stderr io.Writer
	lookupEnv      func(string) (string, bool)
	// interactive tells whether somebody can be asked on stdin.
	interactive func() bool
	// dial opens the client. It is a field so that tests can put a registry in
	// memory behind the commands.
	dial func(addrs []string, timeout time.Duration, options ...client.Option) (server, error)
	// startNode starts a node, for dev and serve.
	startNode func(ctx context.Context, config node.Config) (runningNode, error)

	// The global flags.
	addrs     []string
	timeout   time.Duration
	output    string
	logLevel  string
	logFormat string
	// sources tells of every flag that was not given itself where its value
	// came from; those that are not in it have their default.
	sources map[string]source

	// begun is set once a command runs: errors before that are wrong usage.
	begun     bool
	stdinUsed bool
}

// errBusy ends a claim that found the lease held. It is an answer, already
// written, and only sets the exit code.
var errBusy = errors.New("the lease is held by another owner")

// silentError is an error that was reported where it arose.
type silentError struct{ err error }

func (e silentError) Error() string { return e.err.Error() }

func (a *app) run(ctx context.Context, args []string) int {
	a.sources = make(map[string]source)
	root := a.rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	var silent silentError
	var ended commandEnded
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errBusy):
		return exitBusy
	case errors.Is(err, errNotHeld):
		return exitLost
	case errors.As(err, &ended):
		return ended.code
	case errors.As(err, &silent):
		return exitError
	case errors.As(err, &usage):
		a.report(usage.err, a.wantsJSON(args))
		return exitUsage
	case !a.begun:
		// cobra's own refusals: an unknown command or flag, a missing flag.
		a.report(wrongUsage("", "%s", strings.TrimSpace(err.Error())).err, a.wantsJSON(args))
		return exitUsage
	default:
		a.report(err, a.output == outputJSON)
		return exitError
	}
}

// wantsJSON tells whether errors are to be written as JSON. When the flags
// could not be parsed, --output may not have been reached, so it is looked for
// in the arguments as they are.
func (a *app) wantsJSON(args []string) bool {
	output := a.output
	if value, ok := a.lookupEnv("HOLDFAST_OUTPUT"); ok {
		output = value
	}
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if value, ok := strings.CutPrefix(arg, "--output="); ok {
			output = value
		} else if arg == "--output" && i+1 < len(args) {
			output = args[i+1]
		}
	}
	return output == outputJSON
}

const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND [flags]{{else}}{{.UseLine}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Global flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "holdfast",
		Short: "A replicated registry of durable background processes",
		Long: `Holdfast keeps durable background processes (agent runs, jobs, tool calls), their
event logs and the single-owner leases over them in one replicated state machine,
so that an owner who lost its lease is stopped by the store itself.

Start a cluster to try things on with "holdfast dev"; run one node in production
with "holdfast serve". The other commands talk to a running cluster.

Exit codes: 0 done, 1 an error, 2 wrong usage, 3 the lease is held by another owner,
4 the lease, or the fencing token that was asked about, is not held any more; of
process await: 5 failed, 6 cancelled, 7 abandoned. A command that lease hold ran to
its end gives its own.`,
		Example: `  holdfast dev
  holdfast process register --id hello --disposition rerunnable --input '{"type":"external"}'
  holdfast process get hello --output json
  holdfast cluster status`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: a.prepare,
	}
	root.SetUsageTemplate(usageTemplate)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	a.bindGlobalFlags(root.PersistentFlags())
	root.AddCommand(a.demoCommand(), a.devCommand(), a.serveCommand(), a.configCommand(), a.processCommand(), a.eventCommand(),
		a.leaseCommand(), a.grantCommand(), a.wakeCommand(), a.sessionCommand(), a.changesCommand(), a.clusterCommand(), a.benchCommand(), a.versionCommand())
	return root
}

// prepare runs before every command: it takes what the flags left open from the
// environment and the configuration file, and checks the global flags.
func (a *app) prepare(cmd *cobra.Command, _ []string) error {
	if err := a.applyEnv(cmd.Flags()); err != nil {
		return err
	}
	if err := a.applyFile(cmd.Flags()); err != nil {
		return err
	}
	return a.blame(a.checkGlobalFlags())
}

// noun makes a command that only groups others. It is runnable because cobra
// answers a group without a verb by its help and success.
func noun(name, short, long, example string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: name, Short: short, Long: long, Example: example,
		Args: func(cmd *cobra.Command, args []string) error {
			var names []string
			for _, verb := range verbs {
				names = append(names, verb.Name())
			}
			choice := strings.Join(names, ", ")
			if len(args) == 0 {
				return wrongUsage("", "%s needs a command: %s", cmd.CommandPath(), choice)
			}
			return wrongUsage("", "unknown command %q of %s: it has %s", args[0], cmd.CommandPath(), choice)
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	cmd.AddCommand(verbs...)
	return cmd
}

// calls makes the RunE of a command that talks to the cluster: it opens the
// client and bounds the whole command by --timeout.
func (a *app) calls(body func(ctx context.Context, s server, args []string) error) func(*cobra.Command, []string) error {
	// --timeout is not parsed yet.
	return func(cmd *cobra.Command, args []string) error { return a.callsWithin(a.timeout, body)(cmd, args) }
}

// callsWithin is calls for a command that may take another time.
func (a *app) callsWithin(limit time.Duration, body func(ctx context.Context, s server, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.begun = true
		ctx, cancel := context.WithTimeout(cmd.Context(), limit)
		defer cancel()
		s, err := a.dial(a.addrs, a.timeout, client.WithoutSessions())
		if err != nil {
			return fmt.Errorf("open the client: %w", err)
		}
		// Nothing is left to save when a one-shot client closes.
		defer func() { _ = s.Close() }()
		return body(ctx, s, args)
	}
}

// one takes exactly one argument, which is called name in the refusal.
func one(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return wrongUsage(name, "%s needs the %s: %s", cmd.CommandPath(), name, cmd.UseLine())
		case len(args) > 1:
			return wrongUsage(name, "%s takes one %s, but got %d arguments", cmd.CommandPath(), name, len(args))
		}
		return nil
	}
}

// atLeastOne takes one argument or more.
func atLeastOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return wrongUsage(name, "%s needs at least one %s: %s", cmd.CommandPath(), name, cmd.UseLine())
		}
		return nil
	}
}

// programName is how to call this program again from a shell.
func programName() string {
	path, err := os.Executable()
	if err != nil || strings.Contains(filepath.ToSlash(path), "/go-build") {
		// `go run` builds into a folder that is gone afterwards.
		return "go run ./cmd/node"
	}
	return os.Args[0]
}
