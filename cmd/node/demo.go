//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/jepsen/process"
)

// demoLimit bounds the whole demo. It takes a quarter of a minute where nothing else runs.
const demoLimit = 3 * time.Minute

func (a *app) demoCommand() *cobra.Command {
	worker := ""
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Kill a leader and a worker, and look at what was promised",
		Long: `Starts a cluster of three nodes and three workers, each a process of its own, in a
temporary folder and on free ports of loopback. While the workers work it kills the
leader, and then a worker. It says what happens, looks afterwards whether the
cluster kept what it promises, and says what it looked at. It takes about
twenty seconds, and ends everything that it started, also on Ctrl-C.

The exit code is 0 if all that was looked at held. With --output json one object
is written at the end.`,
		Example: "  holdfast demo\n  holdfast demo --output json",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&worker, "worker", "", "be a worker of the demo under this `name`")
	if err := cmd.Flags().MarkHidden("worker"); err != nil {
		panic(err)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		a.begun = true
		ctx, cancel := context.WithTimeout(cmd.Context(), demoLimit)
		defer cancel()
		if worker != "" {
			return a.demoWorker(ctx, worker)
		}
		return a.demo(ctx)
	}
	return cmd
}

// demo is one run of the demo.
type demo struct {
	*app
	begun   time.Time
	cluster *process.Cluster
	client  server
	team    *demoTeam
	report  demoReport
}

// demoReport is what the demo writes as JSON.
type demoReport struct {
	KilledLeader string        `json:"killed_leader"`
	NextLeader   string        `json:"next_leader"`
	KilledWorker string        `json:"killed_worker"`
	Checks       []demoPromise `json:"checks"`
	Seconds      float64       `json:"seconds"`
}

// demoPromise is a promise that was looked at. Broken is how it was not kept.
type demoPromise struct {
	Promise string `json:"promise"`
	Held    bool   `json:"held"`
	Broken  string `json:"broken,omitempty"`
}

// say writes a line of the story.
func (d *demo) say(format string, args ...any) {
	if d.output == outputText {
		fmt.Fprintf(d.stdout, "%5.1f s  %s\n", time.Since(d.begun).Seconds(), oneLine(fmt.Sprintf(format, args...)))
	}
}

// check notes whether a promise was kept. An error is why it was not.
func (d *demo) check(broken error, promise string, args ...any) {
	p := demoPromise{Promise: fmt.Sprintf(promise, args...), Held: broken == nil}
	if broken != nil {
		p.Broken = broken.Error()
	}
	d.report.Checks = append(d.report.Checks, p)
}

// demo starts everything, tells the story and ends everything.
func (a *app) demo(ctx context.Context) (err error) {
	d := &demo{app: a, begun: time.Now()}
	dir, err := os.MkdirTemp("", "holdfast-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := d.start(ctx, dir); err != nil {
		return errors.Join(d.interrupted(ctx, err), d.close())
	}
	err = d.story(ctx)
	if err = errors.Join(d.interrupted(ctx, err), d.close()); err != nil {
		return err
	}
	return d.conclude()
}

// interrupted makes one line of whatever failed because the demo was stopped.
func (d *demo) interrupted(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return errors.New("the demo was stopped before its end; nothing of it is left")
	}
	return err
}

// start starts the nodes, and prepares the workers.
func (d *demo) start(ctx context.Context, dir string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if d.cluster, err = process.NewCluster(process.Options{Binary: program, Dir: dir, Nodes: demoNodes}); err != nil {
		return err
	}
	addrs := strings.Join(d.cluster.Addrs(), ",")
	d.say("starts %d nodes, each a process of its own: %s", demoNodes, addrs)
	d.team = newDemoTeam(program, addrs)
	if d.client, err = client.Dial(d.cluster.Addrs(), client.WithAttemptTimeout(2*time.Second), client.WithRetryTimeout(readyTimeout)); err != nil {
		return err
	}
	if err := d.cluster.Start(); err != nil {
		return err
	}
	return d.cluster.AwaitReady(ctx)
}

// close ends whatever was started.
func (d *demo) close() error {
	var err error
	if d.team != nil {
		d.team.close()
	}
	if d.client != nil {
		err = d.client.Close()
	}
	if d.cluster != nil {
		err = errors.Join(err, d.cluster.Close())
	}
	return err
}

// conclude writes what was looked at, and fails if something was not kept.
func (d *demo) conclude() error {
	d.report.Seconds = time.Since(d.begun).Seconds()
	broken := 0
	for _, p := range d.report.Checks {
		if !p.Held {
			broken++
		}
	}
	err := d.emit(d.report, func(t *table) {
		t.line("\nLooked at, and found:")
		for _, p := range d.report.Checks {
			if p.Held {
				t.line("  held    " + oneLine(p.Promise))
			} else {
				t.line("  BROKEN  " + oneLine(p.Promise+": "+p.Broken))
			}
		}
	})
	if err == nil && broken > 0 {
		err = fmt.Errorf("%d of the %d promises that were looked at did not hold", broken, len(d.report.Checks))
	}
	return err
}
