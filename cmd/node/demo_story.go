//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

// The size of the demo.
const (
	demoNodes   = 3
	demoEmails  = 18
	demoWorkers = 3
	// demoBefore is how many emails are sent before the leader is killed.
	demoBefore = 3
)

// story is the demo from a cluster that serves to the last check.
func (d *demo) story(ctx context.Context) error {
	ids, err := d.register(ctx)
	if err != nil {
		return err
	}
	for i := range demoWorkers {
		if err := d.team.start(fmt.Sprintf("worker-%d", i+1)); err != nil {
			return err
		}
	}
	ended := make(map[string]bool)
	if err := d.follow(ctx, func(line demoLine) bool {
		if line.Did == demoEnded {
			ended[line.ID] = true
		}
		return len(ended) == demoBefore
	}); err != nil {
		return err
	}
	if err := d.killLeader(ctx, ended); err != nil {
		return err
	}
	if err := d.killWorker(ctx); err != nil {
		return err
	}
	if err := d.awaitAll(ctx, ids); err != nil {
		return err
	}
	d.check(d.eachOnce(ctx, ids), "all %d emails were sent and completed, each once, though their workers were interrupted", len(ids))
	return d.restartKilled(ctx)
}

// register registers the work, and says who leads.
func (d *demo) register(ctx context.Context) (ids []string, err error) {
	leader, err := d.cluster.Leader(ctx)
	if err != nil {
		return nil, err
	}
	d.report.KilledLeader = d.cluster.Node(leader).ID
	d.say("%s leads; every write is on a majority before it is acked", d.report.KilledLeader)
	for i := range demoEmails {
		id := fmt.Sprintf("email-%d", i+1)
		if _, err := client.RegisterWork(ctx, d.client, demoEmail(id)); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	d.say("registered %d emails to send; starts %d workers, each a process of its own", demoEmails, demoWorkers)
	return ids, nil
}

func demoEmail(id string) registry.ProcessRegistration {
	return registry.ProcessRegistration{
		ID: id, Identity: registry.ProcessIdentity{Kind: demoKind}, Disposition: registry.Rerunnable,
		Input:      registry.ProcessInput{Kind: registry.InputExternal},
		EventTypes: []registry.ProcessEventType{{Name: demoSent, PayloadSchema: registry.JSON("{}")}},
	}
}

// follow tells what the workers do, until enough was seen.
func (d *demo) follow(ctx context.Context, enough func(demoLine) bool) error {
	for {
		line, err := d.team.next(ctx)
		if err != nil {
			return err
		}
		if line.Did == demoEnded {
			d.say("  %s sent %s", line.Worker, line.ID)
		}
		if enough(line) {
			return nil
		}
	}
}

// killLeader kills the leader, waits for the next, and looks whether what was
// acked by the old one is there.
func (d *demo) killLeader(ctx context.Context, ended map[string]bool) error {
	// A lease that nobody renews, to find again.
	const witness = "witness"
	if _, err := client.RegisterWork(ctx, d.client, registry.ProcessRegistration{
		ID: witness, Disposition: registry.Rerunnable, Input: registry.ProcessInput{Kind: registry.InputExternal},
	}); err != nil {
		return err
	}
	claim, err := d.client.ClaimProcessLease(ctx, witness, client.LocalOwner("demo"), uint64(demoLimit.Milliseconds()))
	if err != nil {
		return err
	}
	leader, err := d.cluster.Leader(ctx)
	if err != nil {
		return err
	}
	d.report.KilledLeader = d.cluster.Node(leader).ID
	if err := d.cluster.Node(leader).Kill(); err != nil {
		return err
	}
	killed := time.Now()
	d.say("KILLED %s, the leader (SIGKILL)", d.report.KilledLeader)
	lease, err := d.client.GetProcessLease(ctx, witness)
	if err != nil {
		return err
	}
	d.say("the cluster answers again, %.1f s later", time.Since(killed).Seconds())
	if leader, err = d.cluster.Leader(ctx); err != nil {
		return err
	}
	d.report.NextLeader = d.cluster.Node(leader).ID
	d.say("%s leads", d.report.NextLeader)
	d.check(sameLease(claim.Acquired, lease), "a lease outlives its leader, with the same tokens and the same end or a later one")
	d.check(d.stillEnded(ctx, ended), "what was acked before the leader died is there: %d emails completed", len(ended))
	_, err = d.client.CompleteProcess(ctx, witness, registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("1")}, lease.Fence())
	return err
}

// killWorker kills a worker in the middle of an email, and looks what becomes of
// that and of what the worker might still write.
func (d *demo) killWorker(ctx context.Context) error {
	var interrupted demoLine
	err := d.follow(ctx, func(line demoLine) bool {
		interrupted = line
		// Begun just now, so that it goes on for a while.
		return line.Did == demoBegan && d.underWay(ctx, line) && line.age() < demoWork/2
	})
	if err != nil {
		return err
	}
	lease, err := d.client.GetProcessLease(ctx, interrupted.ID)
	if err != nil {
		return err
	}
	if err := d.team.kill(interrupted.Worker); err != nil {
		return err
	}
	d.report.KilledWorker = interrupted.Worker
	d.say("KILLED %s (SIGKILL) while it sent %s under fencing token %d", interrupted.Worker, interrupted.ID, interrupted.Token)
	if record, err := d.client.GetProcess(ctx, interrupted.ID); err != nil {
		return err
	} else if record.Status.State.Terminal() {
		return fmt.Errorf("%s had sent %s before it was killed: is this machine busy? Try again", interrupted.Worker, interrupted.ID)
	}
	var next demoLine
	if err := d.follow(ctx, func(line demoLine) bool {
		next = line
		return line.Did == demoBegan && line.ID == interrupted.ID && line.Token != interrupted.Token
	}); err != nil {
		return fmt.Errorf("nobody took %s over: %w", interrupted.ID, err)
	}
	d.say("%s took %s over, under fencing token %d", next.Worker, next.ID, next.Token)
	d.check(movedOn(interrupted, next), "the work of a dead worker moves on to another one, under a greater fencing token")
	d.check(d.lateWrite(ctx, lease), "a late write of the dead worker is refused by the store, and changes nothing")
	return nil
}

// restartKilled starts the node again that was killed, and compares all nodes.
func (d *demo) restartKilled(ctx context.Context) error {
	for _, n := range d.cluster.Nodes() {
		if n.ID != d.report.KilledLeader {
			continue
		}
		if err := errors.Join(n.Start(), n.AwaitReady(ctx)); err != nil {
			return err
		}
	}
	d.say("started %s again, on the folder that it had", d.report.KilledLeader)
	d.check(d.sameEverywhere(ctx), "all %d nodes hold the same state, the one that was killed too", demoNodes)
	return nil
}
