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
// # Errors
//
// Every error is a *registry.Error; match it with errors.Is and the sentinels
// of package registry. If it is the end of the context that kept a call from
// being answered, the error also matches context.Canceled or
// context.DeadlineExceeded, and is read with errors.As.
package client
