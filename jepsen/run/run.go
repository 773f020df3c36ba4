package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/jepsen/check"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/jepsen/nemesis"
	"github.com/holdfast-registry/holdfast/jepsen/network"
	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/jepsen/volume"
	"github.com/holdfast-registry/holdfast/jepsen/workload"
)

// The bounds of waiting.
const (
	// recoverTimeout bounds how long the cluster may take to serve again.
	recoverTimeout = 30 * time.Second
	// verifyTimeout bounds the comparison of the replicas, readTimeout reading
	// everything back.
	verifyTimeout = 30 * time.Second
	readTimeout   = 2 * time.Minute
	// drainTimeout bounds the work that is done when the load is over. It is longer
	// than work may lie ready.
	drainTimeout = 15 * time.Second
)

// readersPerNode is how many clients only read, and know one node at first.
const readersPerNode = 4

// lostAnswers is how many of a thousand answers are lost where a workload asks
// for that.
const lostAnswers = 50

// Result is what a run came to.
type Result struct {
	Config   Config
	History  *history.History
	Verdicts check.Verdicts
	// Ops are the operations that were called, Faults the faults that were done.
	Ops, Faults int
}

// run is a run under way.
type run struct {
	*setup
	cluster  *process.Cluster
	recorder *history.Recorder
	admin    *client.Client
	world    *nemesis.World
	// watchers follow streams from when there is load until everything was read
	// back.
	watchers *workload.Watchers
	random   *rand.Rand
	began    time.Time
	// faults counts them; stuck is set when the cluster did not come back.
	faults int
	stuck  bool
}

// Run makes a run and judges it. The error says why it could not be made;
// violations are in the result.
func Run(ctx context.Context, options Options) (result *Result, err error) {
	s, err := prepare(options)
	if err != nil {
		return nil, err
	}
	r := &run{setup: s, random: rand.New(rand.NewPCG(options.Seed, 0)), began: time.Now()}
	defer func() { err = errors.Join(err, r.network.Close()) }()
	if err := volume.CleanUp(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.takeDown()) }()
	if err := r.build(); err != nil {
		return nil, err
	}
	if r.recorder, err = history.NewRecorder(filepath.Join(options.Dir, history.File)); err != nil {
		return nil, err
	}
	config, failure := r.make(ctx)
	if r.watchers != nil {
		failure = errors.Join(failure, r.watchers.Close())
	}
	h, err := r.recorder.Close()
	if err = errors.Join(failure, err); err != nil {
		return nil, err
	}
	return Judge(options.Dir, config, h)
}

// takeDown ends what build has made, as far as it came.
func (r *run) takeDown() (err error) {
	if r.cluster != nil {
		err = r.cluster.Close()
	}
	if r.admin != nil {
		err = errors.Join(err, r.admin.Close())
	}
	if r.world != nil {
		err = errors.Join(err, r.world.CloseVolumes())
	}
	return err
}

// build makes the cluster and what asks it.
func (r *run) build() (err error) {
	options := process.Options{Binary: r.Binary, Dir: r.Dir, Nodes: r.Nodes}
	volumes := nemesis.NoVolume
	for _, n := range r.nemeses {
		options.Args = append(options.Args, n.Flags...)
		volumes = max(volumes, n.Volume)
	}
	r.world = &nemesis.World{Network: r.network, Dir: r.Dir}
	if volumes != nemesis.NoVolume {
		options.Volume = func(id, dir string) error { return r.world.AddVolume(volumes, id, dir) }
	}
	options.Env = func(id string) []string { return nemesis.Env(r.Dir, id) }
	switch n := r.network.(type) {
	case *network.Proxy:
		options.Front = n.Front
	case *network.Namespaces:
		options.Place = n.Place
	}
	if r.cluster, err = process.NewCluster(options); err != nil {
		return err
	}
	dial := func(addrs ...string) (*client.Client, error) {
		return client.Dial(addrs, client.WithAttemptTimeout(2*time.Second), client.WithRetryTimeout(4*time.Second))
	}
	if r.admin, err = dial(r.cluster.Addrs()...); err != nil {
		return err
	}
	r.world.Cluster, r.world.Admin = r.cluster, r.admin
	r.world.Dial = func(addr string) (nemesis.Admin, error) { return dial(addr) }
	return nil
}

// make starts the cluster, lets clients and nemeses loose, and reads everything
// back. What it returns as an error kept the run from being made.
func (r *run) make(ctx context.Context) (*Config, error) {
	config := &Config{Options: r.Options, Skipped: r.skipped, Began: r.began, Members: r.Nodes}
	if err := config.write(r.Dir); err != nil {
		return config, err
	}
	if err := r.cluster.Start(); err != nil {
		return config, err
	}
	if err := r.cluster.AwaitReady(ctx); err != nil {
		return config, fmt.Errorf("the cluster did not come up: %w", err)
	}
	if err := r.underLoad(ctx); err != nil {
		return config, err
	}
	if ctx.Err() != nil {
		fmt.Fprintln(r.Progress, "stopped early; what was done so far is judged")
	}
	if !r.stuck {
		r.drain(context.WithoutCancel(ctx))
		// An early end does not keep anybody from reading back.
		if err := r.readBack(context.WithoutCancel(ctx)); err != nil {
			return config, err
		}
		config.Complete = true
	}
	config.Members = r.cluster.Len()
	return config, config.write(r.Dir)
}

// underLoad lets the clients work while nemeses strike.
func (r *run) underLoad(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, r.Time)
	defer stop()
	var clients, readers []*workload.Client
	for i := range r.Clients {
		options := []client.Option{client.WithAttemptTimeout(time.Second), client.WithRetryTimeout(2 * time.Second)}
		if i%2 == 1 && !r.workload.LosesAnswers {
			// A session leaves few outcomes unknown.
			options = append(options, client.WithoutSessions())
		}
		c, err := client.Dial(r.cluster.Addrs(), options...)
		if err != nil {
			return err
		}
		defer c.Close()
		clients = append(clients, workload.NewClient(fmt.Sprintf("c%d", i+1), c, r.recorder))
	}
	for i := range readersPerNode * r.Nodes {
		// Readers wait for a node that is paused.
		c, err := client.Dial([]string{r.cluster.Node(i % r.Nodes).Addr}, client.WithAttemptTimeout(6*time.Second), client.WithRetryTimeout(0))
		if err != nil {
			return err
		}
		defer c.Close()
		readers = append(readers, workload.NewClient(fmt.Sprintf("r%d", i+1), c, r.recorder))
	}
	if p, ok := r.network.(*network.Proxy); ok && r.workload.LosesAnswers {
		p.LoseAnswers(lostAnswers)
		defer p.LoseAnswers(0)
	}
	if err := r.dialWatchers(); err != nil {
		return err
	}
	r.watchers.Start(ctx)
	var working sync.WaitGroup
	working.Go(func() { r.workload.Run(ctx, clients, r.Seed) })
	working.Go(func() { workload.RunReaders(ctx, readers, r.Seed) })
	err := r.strike(ctx)
	if err != nil || r.stuck {
		stop()
	}
	working.Wait()
	return err
}

// drain does the work that is left.
func (r *run) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	workload.Drain(ctx, workload.NewClient("worker", r.admin, r.recorder))
}

// readBack reads everything that was written, and compares the replicas.
func (r *run) readBack(ctx context.Context) error {
	reading, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	r.watchers.Retire(r.cluster.Addrs())
	if err := workload.ReadBack(reading, workload.NewClient("reader", r.admin, r.recorder), r.recorder.Processes()); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	r.watchers.CatchUp(ctx)
	return r.compare(ctx)
}

// compare has all members hash their state, until all of them answer: just
// after a restart their connections need not stand again.
func (r *run) compare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		report, err := r.admin.VerifyState(ctx)
		complete := err == nil
		for _, member := range report.Members {
			complete = complete && member.Hash != ""
		}
		if complete {
			r.recorder.State(report)
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			if err == nil {
				r.recorder.State(report)
				return nil
			}
			return fmt.Errorf("compare the replicas: %w", err)
		}
	}
}

// Clean removes the nodes' data from the folder of a run: logs, history and
// verdicts stay.
func Clean(dir string) error {
	nodes, err := filepath.Glob(filepath.Join(dir, "n*"))
	for _, path := range nodes {
		if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
			err = errors.Join(err, os.RemoveAll(path))
		}
	}
	return err
}
