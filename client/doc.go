// Package client talks to a Holdfast cluster. A Client is a registry.Registry
// and a registry.Admin, so whatever is written against those interfaces runs on
// a cluster as it does on the in-memory registry.
//
//	c, err := client.Dial([]string{"n1:7400", "n2:7400", "n3:7400"})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	record, err := c.GetProcess(ctx, "job-1")
//	if errors.Is(err, registry.ErrNotFound) {
//		…
//	}
//
// # Where calls go
//
// Any node takes any call, and every answer names the leader. Once a connection
// to the leader stands, writes and linearizable reads go there directly; until
// then, and for as long as it cannot be reached from here (behind NAT, say),
// they go to one of the addresses given to Dial, whose node hands them on.
// When that node fails to answer, the next address takes its place. Stale reads
// and DurabilityTier, ClusterStatus and TakeSnapshot are answered by the node
// at that address itself.
//
// # What is tried again
//
// The client opens a session and stamps its writes with it, so that a write
// happens once however often it is sent: one whose answer was lost, to a cut
// connection, a new leader or an attempt timeout, is sent again under its stamp
// and gets the answer of the first time. It ends with OutcomeUnknown only when
// no try is answered before the context ends or the retry timeout is over.
//
// A session ends after a quarter of an hour without a write; the client then
// opens another one. WithoutSessions does without: a write is sent again only
// after a definite refusal that may pass (NotLeader, NoLeader, Overloaded, or a
// connection on which nothing was sent), and ends with OutcomeUnknown when it
// was sent and no answer came. PruneTerminalProcesses and the methods of
// registry.Admin are always like that.
//
// A program that must know after a crash what became of a write opens a session
// itself (OpenSession), remembers it, stamps the write (registry.WithSession),
// and asks with SettleWrite.
//
// Reads are tried again after any failure of a connection too. Tries are spaced
// out, with jitter.
//
// # Whose lease it is
//
// LocalOwner makes an identity that others on the same host can judge: whether
// the process behind it has died. ClaimOrReclaim uses that, so that work whose
// owner crashed is taken over at once where its death can be seen, and with the
// end of the lease elsewhere.
//
// # Leases that keep themselves
//
// Claim takes the lease of a process and returns a handle that renews it, at a
// third of its ttl unless told otherwise:
//
//	lease, err := c.Claim(ctx, "job-1", client.LocalOwner("worker-1"), 30*time.Second)
//	if err != nil {
//		return err // a *client.BusyError names the holder
//	}
//	defer lease.Release(ctx)
//	… work under lease.Context(), and write through lease …
//
// The lease is trusted for a time that counts from before the request that got
// it was first sent, because the cluster counts from some moment after that:
//
//	sent     answered                   cancelled   trust ends   others may claim
//	 ├──────────┼───────────────────────────┼────────────┼────────────┤
//	 │                                      │ stop time  │   margin   │
//	 ├─────────────────────────── ttl ────────────────────────────────┤
//
// Every renewal that is answered starts it anew, from its own sending. One that
// fails does not end it: the next follows after a short pause, as a request of
// its own, until the handle's context is cancelled. Then the stop time is left
// to end the work in, and last words may still be written. When trust ends, the
// handle refuses to write without asking anybody. An answer that says that the
// lease is another's, or has expired, ends all of it at once.
//
// The time is that of the boot clock (CLOCK_BOOTTIME on Linux): it goes on while
// the process or the machine is stopped, and nobody sets it. So a pause ends
// trust and never extends it, and the first write after one, or Err, notices.
// Timers do not run during a suspend of the machine; the context follows within
// a second of waking. The margin makes up for clocks that run at different
// speeds, up to a twentieth. Where there is no such clock (systems other than
// Linux, or a virtual machine that was stopped from outside and was not told),
// trust can last too long by what the clock missed. Then, and between a look at
// the clock and what is done after it, only the fence is between a late owner and
// the process; it is checked by the cluster with every write. A resource outside
// the registry needs it too: CheckFence.
//
// A handle ends by Release, which gives the lease back, by Close, which leaves
// it to run out, when its client is closed, or by its loss; then to go on means
// to claim again. The same owner and incarnation get a live lease back with the
// same tokens, also in a program that was started again.
//
// # A worker
//
// A Worker does the rest: it asks for processes of the kinds that it has
// handlers for, and waits where there are none, so that new work starts at once
// without polling. Each runs under a lease of its own:
//
//	w, err := client.NewWorker(c, client.Handlers{
//		"email": func(ctx context.Context, run *client.Run) (any, error) {
//			return send(ctx, run.Input()) // the value is what the process ends with
//		},
//	})
//	if err != nil {
//		return err
//	}
//	return w.Run(ctx) // until ctx ends, and then drains
//
// Whoever has work for it registers a process by RegisterWork, which requires
// the fence, so that no worker that is late can end it. Rerunnable work may run
// more than once, but ends once; owner_bound work is begun once, and ends as
// abandoned if that run does not come to an end.
//
// A handler's context ends when the work has to stop, and its cause tells why:
// the lease was lost, somebody asked to cancel or abandon the process, or the
// worker drains. A handler that goes on nevertheless keeps its slot, and what it
// writes through run is refused once the lease is not its own.
//
// Every worker also sweeps, for all kinds: it ends what somebody asked to
// abandon, frees work from neighbours that it can see to have died, and abandons
// owner_bound work that such a neighbour had begun. Spec 7.2 to 7.4 has all of it.
//
// # Waiting and following
//
// AwaitTerminal waits for the end of a process, AwaitEvent for an event,
// WatchEvents follows the events of a process from a cursor, and WatchChanges
// tells which processes changed. None has a timeout but its context's. Any node
// serves them, the one at the address in use; when it goes down, is cut off from
// the leader or falls silent, they go on at another one from their cursors, so
// that nothing is lost, repeated or out of order. All watches of events share one
// stream and two goroutines: ten thousand waits cost their callers' goroutines
// and little else. What is not read is not fetched: a watch holds two pages of
// events at most, and the cluster nothing at all.
//
// # Errors
//
// Every error but BusyError is a *registry.Error; match it with errors.Is and the sentinels
// of package registry. If it is the end of the context that kept a call from
// being answered, the error also matches context.Canceled or
// context.DeadlineExceeded, and is read with errors.As. What a Lease refuses
// by itself also matches ErrLeaseLost or ErrLeaseClosed. What waits or follows ends
// with the context's own error when the context ends first.
package client
