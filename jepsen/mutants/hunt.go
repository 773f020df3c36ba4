package mutants

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/check"
	"github.com/holdfast-registry/holdfast/jepsen/nemesis"
	"github.com/holdfast-registry/holdfast/jepsen/network"
	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/jepsen/run"
)

// Options say how mutants are hunted.
type Options struct {
	// Dir takes the binaries.
	Dir string
	// Time is for how long, over all runs, clients work before a mutant counts
	// as not caught.
	Time time.Duration
	// Seed is that of the first run; the next ones count up.
	Seed uint64
	// Control leaves the protections on: nothing must be found then.
	Control bool
}

// Finding is what became of a mutant.
type Finding struct {
	Mutant Mutant
	// Caught is by which promise or test it was noticed, "" when it was not.
	Caught string
	// Detail says what was seen.
	Detail string
	// Seed is that of the last run; Runs is how many there were.
	Seed uint64
	Runs int
	// Ops are the operations, and Took the time under load, until the promise
	// was broken, or all there were.
	Ops  int
	Took time.Duration
	// Control tells that all protections were on.
	Control bool
	// Cannot says why there can be no run here, or nothing.
	Cannot string
	// Failed is why the hunt came to nothing, which says nothing of the mutant.
	Failed error
}

// Missed tells that a mutant was not caught that has to be.
func (f Finding) Missed() bool {
	return f.Caught == "" && !f.Control && f.Cannot == "" && f.Failed == nil && (f.Mutant.Run != nil || f.Mutant.Test != "")
}

// String is the finding in one line.
func (f Finding) String() string {
	m, took := f.Mutant, f.Took.Round(100*time.Millisecond)
	switch {
	case f.Failed != nil:
		return fmt.Sprintf("failed      %-18s %v", m.Name, f.Failed)
	case f.Cannot != "":
		return fmt.Sprintf("not run     %-18s %s", m.Name, f.Cannot)
	case f.Control && m.Run == nil:
		return fmt.Sprintf("not run     %-18s without the mutant there is no run to make", m.Name)
	case m.Run == nil && m.Test == "":
		return fmt.Sprintf("not run     %-18s %s", m.Name, m.Hole)
	case m.Run == nil && f.Caught == "":
		return fmt.Sprintf("NOT CAUGHT  %-18s by %s of ./%s", m.Name, m.Test, m.Folder)
	case m.Run == nil:
		return fmt.Sprintf("caught      %-18s by %s of ./%s, in %v", m.Name, m.Test, m.Folder, took)
	}
	how := fmt.Sprintf("%d operations, %v, seed %d, run %d, workload %s, nemesis %s", f.Ops, took, f.Seed, f.Runs, m.Run.Workload, m.Run.Nemeses)
	switch {
	case f.Control && f.Caught == "":
		return fmt.Sprintf("sound       %-18s %s", m.Name, how)
	case f.Control:
		return fmt.Sprintf("VIOLATED    %-18s %s: %s", m.Name, how, f.Caught)
	case f.Caught == "":
		return fmt.Sprintf("NOT CAUGHT  %-18s %s", m.Name, how)
	}
	return fmt.Sprintf("caught      %-18s %s: %s", m.Name, how, f.Caught)
}

// Hunt looks for what a mutant breaks. An error is of runs that could not be made
// or judged; the others may have caught it all the same.
func (m Mutant) Hunt(ctx context.Context, options Options) (f Finding, err error) {
	switch {
	case m.Run != nil:
		f, err = m.hunt(ctx, options)
	case m.Test != "" && !options.Control:
		f, err = m.test(ctx)
	default:
		f = Finding{Mutant: m, Control: options.Control}
	}
	if f.Caught == "" {
		f.Failed = err
	}
	return f, err
}

// hunt makes one run after the other until a promise is broken or time is up.
// A run that could not be judged is followed by the next one, too.
func (m Mutant) hunt(ctx context.Context, options Options) (Finding, error) {
	f := Finding{Mutant: m, Seed: options.Seed, Control: options.Control, Cannot: m.Run.cannot()}
	if f.Cannot != "" {
		return f, nil
	}
	o := run.Options{
		Nodes: 3, Clients: 8, Workload: m.Run.Workload, Nemeses: m.Run.Nemeses, Net: run.NetProxy,
		Time: min(m.Run.Each, options.Time),
	}
	tags := o.Tags()
	if !options.Control {
		tags = append(tags, m.Tag())
	}
	var err error
	if o.Binary, err = process.Build(ctx, options.Dir, tags...); err != nil {
		return f, err
	}
	var failures error
	for f.Took+o.Time <= options.Time && ctx.Err() == nil {
		o.Seed = options.Seed + uint64(f.Runs)
		f.Runs, f.Seed = f.Runs+1, o.Seed
		result, err := once(ctx, o)
		if err != nil {
			failures = errors.Join(failures, fmt.Errorf("%s, seed %d: %w", m.Name, o.Seed, err))
			f.Took += o.Time
			continue
		}
		if m.judge(&f, result, options.Control) {
			return f, nil
		}
	}
	if ctx.Err() != nil {
		failures = errors.Join(failures, ctx.Err())
	}
	return f, failures
}

// cannot says why a nemesis of a run cannot be used here, or nothing.
func (r *Run) cannot() string {
	chosen, _ := nemesis.ByNames(r.Nemeses) // a test reads every name of the table
	for _, n := range chosen {
		if n.Cannot == nil {
			continue
		}
		if reason := n.Cannot(new(network.Proxy)); reason != "" {
			return reason
		}
	}
	return ""
}

// once makes a run whose folder nobody wants.
func once(ctx context.Context, o run.Options) (result *run.Result, err error) {
	if o.Dir, err = os.MkdirTemp("", "holdfast-mutant-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
	return run.Run(ctx, o)
}

// judge looks for the first broken promise of a run, among those that the mutant
// breaks; with all protections on, among all.
func (m Mutant) judge(f *Finding, result *run.Result, control bool) (found bool) {
	var began, ended int64
	for i, o := range result.History.Ops {
		if i == 0 {
			began = o.InvokeNs
		}
		ended = max(ended, o.InvokeNs, o.ReturnNs)
	}
	var first *check.Violation
	for _, v := range result.Verdicts.Violations() {
		if v.AtNs == 0 {
			v.AtNs = ended // it was noticed at the end
		}
		if (control || slices.Contains(m.Run.Broken, v.Sentence)) && (first == nil || v.AtNs < first.AtNs) {
			first = &v
		}
	}
	if first != nil {
		ended, f.Caught, f.Detail = first.AtNs, string(first.Sentence), first.Detail
	} else {
		f.Took += result.Config.Time
		f.Ops += len(result.History.Ops)
		return false
	}
	f.Took += time.Duration(ended - began)
	for _, o := range result.History.Ops {
		if o.InvokeNs <= ended {
			f.Ops++
		}
	}
	return true
}

// testTimeout bounds a test, which may wait for what the mutant never does.
const testTimeout = "60s"

// test runs the test that has to fail. Not to compile is not to fail.
func (m Mutant) test(ctx context.Context) (Finding, error) {
	f := Finding{Mutant: m}
	began := time.Now()
	var output bytes.Buffer
	command := exec.CommandContext(ctx, "go", "test", "-timeout", testTimeout, "-tags", m.Tag(), "-run", "^"+m.Test+"$", packageOf(m.Folder))
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	f.Took = time.Since(began)
	if strings.Contains(output.String(), "--- FAIL: "+m.Test) {
		f.Caught = m.Test
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("go test %s: %w\n%s", m.Folder, err, output.String())
	}
	return f, nil
}

// packageOf is the import path of a folder of this module.
func packageOf(folder string) string { return "github.com/holdfast-registry/holdfast/" + folder }
