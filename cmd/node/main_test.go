package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/node"
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/memory"
)

// desk runs commands in process against a registry in memory.
type desk struct {
	*memory.Registry
	fakeAdmin
	t     *testing.T
	nowMs uint64
	env   map[string]string
	// unattended commands have nobody to ask.
	unattended bool
	// dialed and timeout are what the last command asked the client for.
	dialed  []string
	timeout time.Duration
	closed  int
	opened  int
	// startNode replaces the real nodes of dev and serve when it is set.
	startNode func(ctx context.Context, config node.Config) (runningNode, error)
	// ctx is what commands run under, the test's own when nil.
	ctx context.Context
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, nowMs: 1_000_000, env: map[string]string{}}
	d.Registry = memory.New(memory.WithClock(func() uint64 { return d.nowMs }))
	return d
}

func (d *desk) Close() error {
	d.closed++
	return nil
}

// outcome is what a command left behind.
type outcome struct {
	code           int
	stdout, stderr string
}

func (d *desk) runWith(stdin string, args ...string) outcome {
	d.t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{
		program: "holdfast",
		stdin:   strings.NewReader(stdin),
		stdout:  &stdout,
		stderr:  &stderr,
		lookupEnv: func(name string) (string, bool) {
			value, ok := d.env[name]
			return value, ok
		},
		interactive: func() bool { return !d.unattended },
		dial: func(addrs []string, timeout time.Duration, _ ...client.Option) (server, error) {
			d.dialed, d.timeout, d.opened = addrs, timeout, d.opened+1
			return d, nil
		},
	}
	a.startNode = startNode
	if d.startNode != nil {
		a.startNode = d.startNode
	}
	ctx := d.ctx
	if ctx == nil {
		ctx = d.t.Context()
	}
	code := a.run(ctx, args)
	if d.opened != d.closed {
		d.t.Errorf("%v left its client open", args)
	}
	return outcome{code, stdout.String(), stderr.String()}
}

func (d *desk) run(args ...string) outcome {
	d.t.Helper()
	return d.runWith("", args...)
}

// must runs a command that has to succeed, and returns what it wrote.
func (d *desk) must(args ...string) string {
	d.t.Helper()
	got := d.run(args...)
	if got.code != exitOK {
		d.t.Fatalf("holdfast %v: exit code %d\n%s%s", args, got.code, got.stdout, got.stderr)
	}
	if got.stderr != "" {
		d.t.Errorf("holdfast %v wrote to stderr: %s", args, got.stderr)
	}
	return got.stdout
}

// register makes the process that most tests speak of.
func (d *desk) register(id string) {
	d.t.Helper()
	d.must("process", "register", "--id", id, "--disposition", "rerunnable", "--input", `{"type":"external"}`, "--event-type", "progress")
}

// claim takes the lease of a process under an incarnation of its own.
func (d *desk) claim(id, owner string) registry.ProcessLease {
	d.t.Helper()
	outcome := decode[registry.ProcessLeaseClaimOutcome](d.t, d.must("lease", "claim", id, "--owner", owner, "--ttl", "30s", "--output", "json"))
	if outcome.Acquired == nil {
		d.t.Fatalf("the lease of %s was not acquired", id)
	}
	return *outcome.Acquired
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("decode %q: %v", text, err)
	}
	return value
}

// fakeAdmin is a cluster of canned answers.
type fakeAdmin struct {
	registry.Admin
	status      registry.ClusterStatus
	state       registry.StateReport
	transferred []string
	// leaderless is how many status calls answer without a leader.
	leaderless int
}

func (f *fakeAdmin) ClusterStatus(context.Context) (registry.ClusterStatus, error) {
	status := f.status
	if f.leaderless > 0 {
		f.leaderless--
		status.Leader = ""
	}
	return status, nil
}

func (f *fakeAdmin) VerifyState(context.Context) (registry.StateReport, error) { return f.state, nil }

func (f *fakeAdmin) TransferLeadership(_ context.Context, to string) error {
	if to == "n9" {
		return registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "to"}, "n9 is no voter")
	}
	f.transferred = append(f.transferred, to)
	return nil
}
