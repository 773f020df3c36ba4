package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holdfast-registry/holdfast/registry"
)

// defaultAddrs are the nodes of a development cluster with its defaults.
var defaultAddrs = []string{"127.0.0.1:7400", "127.0.0.1:7401", "127.0.0.1:7402"}

// usageError is wrong usage: what was asked for was never tried.
type usageError struct{ err *registry.Error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func wrongUsage(field, format string, args ...any) *usageError {
	return &usageError{registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: field}, format, args...)}
}

// badFlag makes wrong usage of what a flag's value was refused with.
func badFlag(flag string, err error) *usageError {
	var refusal *registry.Error
	if !errors.As(err, &refusal) {
		return wrongUsage(flag, "%s: %v", flag, err)
	}
	renamed := *refusal
	if !strings.HasPrefix(renamed.Message, flag) {
		renamed.Message = flag + ": " + refusal.Message
	}
	if renamed.Fields.Field == "" {
		renamed.Fields.Field = flag
	}
	return &usageError{&renamed}
}

func (a *app) bindGlobalFlags(flags *pflag.FlagSet) {
	flags.StringSliceVar(&a.addrs, "addrs", defaultAddrs, "`addresses` of nodes of the cluster, with commas between them")
	flags.DurationVar(&a.timeout, "timeout", 10*time.Second, "how long a command that talks to the cluster may take")
	flags.StringVar(&a.output, "output", outputText, "`form` of what is written: text or json")
	flags.StringVar(&a.logLevel, "log-level", "", "least `level` of the log lines of dev and serve: debug, info, warn or error (default info for serve, warn for dev)")
	flags.StringVar(&a.logFormat, "log-format", logText, "`form` of the log lines of dev and serve: text or json")
	fromEnv(flags, "addrs", "timeout", "output", "log-level", "log-format")
	fromFile(flags, "log-level", "log-format")
}

func (a *app) checkGlobalFlags() error {
	a.addrs = slices.DeleteFunc(a.addrs, func(addr string) bool { return strings.TrimSpace(addr) == "" })
	switch {
	case a.output != outputText && a.output != outputJSON:
		return wrongUsage("--output", "--output %q is neither text nor json", a.output)
	case a.timeout <= 0:
		return wrongUsage("--timeout", "--timeout must be positive, for example 10s")
	case len(a.addrs) == 0:
		return wrongUsage("--addrs", "--addrs names no node, for example %s", strings.Join(defaultAddrs, ","))
	case a.logFormat != logText && a.logFormat != logJSON:
		return wrongUsage("--log-format", "--log-format %q is neither text nor json", a.logFormat)
	}
	_, err := a.level(slog.LevelInfo)
	return err
}

// level is the level of --log-level, or the command's own default.
func (a *app) level(byDefault slog.Level) (slog.Level, error) {
	levels := map[string]slog.Level{
		"": byDefault, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	level, ok := levels[a.logLevel]
	if !ok {
		return 0, wrongUsage("--log-level", "--log-level %q is none of debug, info, warn and error", a.logLevel)
	}
	return level, nil
}

// The forms of --log-format.
const (
	logText = "text"
	logJSON = "json"
)

// logger writes the log of a node, from the level of --log-level or the
// command's own default on.
func (a *app) logger(byDefault slog.Level) (*slog.Logger, error) {
	level, err := a.level(byDefault)
	if err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: level}
	if a.logFormat == logJSON {
		return slog.New(slog.NewJSONHandler(a.stderr, options)), nil
	}
	return slog.New(slog.NewTextHandler(a.stderr, options)), nil
}

// envAnnotation marks the flags that can come from the environment.
const envAnnotation = "holdfast_env"

// fromEnv lets flags be given as environment variables too, and says so in
// their help.
func fromEnv(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		variable := "HOLDFAST_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		flag := flags.Lookup(name)
		flag.Usage += " [$" + variable + "]"
		annotate(flag, envAnnotation, variable)
	}
}

func annotate(flag *pflag.Flag, name, value string) {
	if flag.Annotations == nil {
		flag.Annotations = make(map[string][]string)
	}
	flag.Annotations[name] = []string{value}
}

// applyEnv sets the flags that were not given from their variables.
func (a *app) applyEnv(flags *pflag.FlagSet) error {
	var refusal error
	flags.VisitAll(func(flag *pflag.Flag) {
		variable := flag.Annotations[envAnnotation]
		if len(variable) == 0 || flag.Changed || refusal != nil {
			return
		}
		value, ok := a.lookupEnv(variable[0])
		if !ok || value == "" {
			return
		}
		if err := flags.Set(flag.Name, value); err != nil {
			refusal = wrongUsage(variable[0], "the variable %s: %v", variable[0], err)
			return
		}
		a.sources[flag.Name] = source{sourceEnv, variable[0]}
	})
	return refusal
}

// readJSON returns the JSON value of a flag: the text itself, @file, or - for
// stdin.
func (a *app) readJSON(flag, text string) (registry.JSON, error) {
	raw := []byte(text)
	var err error
	switch {
	case text == "-" && a.stdinUsed:
		return nil, wrongUsage(flag, "%s: only one flag can be read from stdin", flag)
	case text == "-":
		a.stdinUsed = true
		raw, err = readBounded(a.stdin)
	case strings.HasPrefix(text, "@"):
		raw, err = readFile(text[1:])
	}
	if err != nil {
		return nil, wrongUsage(flag, "%s: %v", flag, err)
	}
	// The newline at the end of a file is not part of the value.
	value := registry.JSON(bytes.TrimSpace(raw))
	if len(value) == 0 {
		return nil, wrongUsage(flag, "%s: the JSON value is empty", flag)
	}
	if err := registry.CheckJSON(flag, value); err != nil {
		return nil, badFlag(flag, err)
	}
	return value, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	raw, err := readBounded(f)
	return raw, errors.Join(err, f.Close())
}

// readBounded reads no more than any request could carry; longer values are
// refused by their length.
func readBounded(r io.Reader) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, registry.MaxRequestBytes+1))
}

// fenceFlags are the flags of commands whose write can be fenced.
type fenceFlags struct {
	leaseToken   string
	fencingToken uint64
}

const (
	leaseTokenFlag   = "lease-token"
	fencingTokenFlag = "fencing-token"
)

// bindFence adds the flags of an optional fence.
func bindFence(cmd *cobra.Command) *fenceFlags {
	f := &fenceFlags{}
	f.bind(cmd, "only while this lease is the current one: its `token`, as lease claim showed it")
	cmd.MarkFlagsRequiredTogether(leaseTokenFlag, fencingTokenFlag)
	return f
}

func (f *fenceFlags) bind(cmd *cobra.Command, usage string) {
	cmd.Flags().StringVar(&f.leaseToken, leaseTokenFlag, "", usage)
	cmd.Flags().Uint64Var(&f.fencingToken, fencingTokenFlag, 0, "the lease's fencing token, a `number`")
}

// fence is the fence that the flags give, or nil.
func (f *fenceFlags) fence(cmd *cobra.Command) *registry.Fence {
	if !cmd.Flags().Changed(leaseTokenFlag) {
		return nil
	}
	return &registry.Fence{LeaseToken: f.leaseToken, FencingToken: f.fencingToken}
}

// optional returns the value of a string flag, nil when it was not given.
func optional(cmd *cobra.Command, flag string, value string) *string {
	if !cmd.Flags().Changed(flag) {
		return nil
	}
	return &value
}

// require marks flags that a command cannot do without.
func require(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(fmt.Sprintf("%s has no flag %s", cmd.Name(), name))
		}
	}
}

// ttlMs is a lease's ttl in milliseconds.
func ttlMs(ttl time.Duration) (uint64, error) {
	if ttl < time.Millisecond || ttl > registry.MaxLeaseTTLMs*time.Millisecond {
		return 0, wrongUsage("--ttl", "--ttl %v is not between 1ms and %v, for example 30s", ttl, registry.MaxLeaseTTLMs*time.Millisecond)
	}
	return uint64(ttl.Milliseconds()), nil
}
