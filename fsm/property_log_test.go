package fsm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"pgregory.net/rapid"

	"github.com/holdfast-registry/holdfast/decide"
	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// call is one method call that goes through the log, made once by the real
// registry and once by the model.
type call struct {
	op model.Op
	// processID is what the call is about.
	processID string
	run       func(context.Context, registry.Registry) model.Answer

	posted   *proposal
	finished bool
	answer   model.Answer
	want     model.Answer
}

// proposal is a command that waits in a batch.
type proposal struct {
	command fsm.Command
	outcome chan outcome
}

type outcome struct {
	result fsm.Result
	err    error
}

// batchLog is a decide.Log under the test's control: every call runs in a
// goroutine of its own but only one at a time, and a batch becomes one entry.
type batchLog struct {
	machine *fsm.Machine
	events  chan func(*call)
}

func (l *batchLog) Propose(_ context.Context, decide decide.Decision) (fsm.Result, error) {
	p := &proposal{outcome: make(chan outcome)}
	var err error
	p.command, err = decide(l.machine)
	if err != nil {
		return fsm.Result{}, err
	}
	l.events <- func(c *call) { c.posted = p }
	out := <-p.outcome
	return out.result, out.err
}

func (l *batchLog) Read(_ context.Context, read func(fsm.View)) error {
	l.machine.Read(read)
	return nil
}

func (l *batchLog) AwaitReady(context.Context, []string, uint64, func(fsm.View) bool) error {
	return nil
}

// resume lets a call run until it posts a command or returns.
func (l *batchLog) resume(c *call, start func()) {
	c.posted = nil
	start()
	(<-l.events)(c)
}

// start makes the call up to its first command.
func (h *harness) start(c *call) {
	h.log.resume(c, func() {
		go func() {
			answer := c.run(context.Background(), h.registry)
			h.log.events <- func(c *call) { c.answer, c.finished = answer, true }
		}()
	})
}

// record is one entry of the log as it was committed.
type record struct {
	index, term uint64
	data        []byte
	// skipped entries are raft's own.
	skipped bool
}

func (r record) apply(m *fsm.Machine) (fsm.EntryResult, error) {
	if r.skipped {
		m.Skip(r.index)
		return fsm.EntryResult{}, nil
	}
	return m.Apply(r.index, r.term, r.data)
}

// commit applies an entry on all replicas and compares what they answer. The
// quiet one is spared what was refused.
func (h *harness) commit(t *rapid.T, decidedIn, committedIn uint64, commands ...fsm.Command) fsm.EntryResult {
	data, err := fsm.EncodeEntry(fsm.Entry{Term: decidedIn, StampMs: h.stamp, Commands: commands})
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	h.index++
	r := record{index: h.index, term: committedIn, data: data}
	h.records = append(h.records, r)
	before := h.position().Revision
	result, err := r.apply(h.log.machine)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	if err := fsm.CheckChanges(before, result); err != nil {
		t.Fatal(err)
	}
	other, err := r.apply(h.follower)
	if err != nil {
		t.Fatalf("apply on the follower: %v", err)
	}
	h.commitQuiet(t, r, fsm.Entry{Term: decidedIn, StampMs: h.stamp, Commands: commands}, result)
	result.Checkpoint, other.Checkpoint = nil, nil
	if a, b := dump(result), dump(other); a != b {
		t.Fatalf("the replicas answer differently\n%s\n%s", a, b)
	}
	// What was applied must not live in the buffer that raft may use again.
	clear(data)
	h.records[len(h.records)-1].data = mustEncode(t, fsm.Entry{Term: decidedIn, StampMs: h.stamp, Commands: commands})
	return result
}

// commitQuiet applies an entry on the quiet replica, with refused commands
// left out: that the replicas stay equal says that a refusal changes nothing,
// be it of a whole batch. Those of sessions stay, since they are kept.
func (h *harness) commitQuiet(t *rapid.T, r record, e fsm.Entry, result fsm.EntryResult) {
	if !result.Refused {
		var applied []fsm.Command
		for i, c := range e.Commands {
			if got := result.Results[i]; c.Session != nil || got.Refusal == nil && !got.LifeMismatch {
				applied = append(applied, c)
			}
		}
		if len(applied) == 0 {
			applied = []fsm.Command{{Body: &fsm.Tick{}}}
		}
		e.Commands = applied
		r.data = mustEncode(t, e)
	}
	if _, err := r.apply(h.quiet); err != nil {
		t.Fatalf("apply on the quiet replica: %v", err)
	}
}

func mustEncode(t *rapid.T, e fsm.Entry) []byte {
	data, err := fsm.EncodeEntry(e)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	return data
}

// dump gives values with pointers in them a text to compare. Free JSON keeps
// every byte in it: that is why answers do not go through package json, which
// would take the white space out.
func dump(v any) string {
	switch v := v.(type) {
	case model.Answer:
		out := fmt.Sprintf("%v %s busy=%v", v.Code, dump(v.Fields), v.Busy)
		out += optional(" record=", v.Record) + optional(" event=", v.Event) + optional(" delivery=", v.Delivery) + optional(" lease=", v.Lease)
		out += fmt.Sprintf(" count=%d has=%v", v.Count, v.Has) + optional(" deleted=", v.Deleted)
		if v.Pruned != nil {
			out += fmt.Sprintf(" pruned=%+v", *v.Pruned)
		}
		if v.Fence != nil {
			out += fmt.Sprintf(" fence=%+v", *v.Fence)
		}
		if v.Outcome != nil {
			out += fmt.Sprintf(" outcome=%+v", *v.Outcome)
		}
		out += " session=" + v.Session
		for _, c := range v.Claims {
			out += fmt.Sprintf("\n  attempt=%d lease=%s record=%s", c.Attempt, dump(c.Lease), dump(c.Record))
		}
		for _, one := range v.Batch {
			out += "\n  " + dump(one)
		}
		return out + lines(v.Records) + lines(v.Events) + lines(v.Grants) + lines(v.Entries)
	case json.Marshaler:
		out, err := v.MarshalJSON()
		if err != nil {
			panic(err)
		}
		return string(out)
	}
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(out)
}

func lines[T json.Marshaler](items []T) (out string) {
	for _, item := range items {
		out += "\n  " + dump(item)
	}
	return out
}

func optional[T json.Marshaler](name string, v *T) string {
	if v == nil {
		return ""
	}
	return name + dump(*v)
}

// takeover begins a new term.
func (h *harness) takeover(t *rapid.T, term uint64) {
	h.term = term
	h.commit(t, term, term, fsm.Command{Body: &fsm.Takeover{Proposer: fmt.Sprintf("n%d", term%3+1), ClusterID: "test"}})
	if _, ok := h.model.Apply(model.Entry{Term: term, CommitTerm: term, StampMs: h.stamp, Takeover: true}); !ok {
		t.Fatalf("the model refuses the takeover of term %d", term)
	}
}

// runBatch makes the calls in one entry, and again those that met another life
// than they were decided for.
func (h *harness) runBatch(t *rapid.T, calls []*call) {
	var applied []*call
	for _, c := range calls {
		h.start(c)
	}
	for round := 0; ; round++ {
		pending, commands := posted(calls)
		if len(pending) == 0 {
			break
		}
		if round >= 3 {
			t.Fatal("a call was decided more than three times")
		}
		result := h.commit(t, h.term, h.term, commands...)
		if result.Refused {
			t.Fatal("the entry was refused in its own term")
		}
		if _, ok := h.model.Apply(model.Entry{Term: h.term, CommitTerm: h.term, StampMs: h.stamp}); !ok {
			t.Fatal("the model refuses the entry")
		}
		for i, c := range pending {
			if h.expect(t, c, commands[i], result.Results[i]) {
				applied = append(applied, c)
			}
		}
		for i, c := range pending {
			p := c.posted
			h.log.resume(c, func() { p.outcome <- outcome{result: result.Results[i]} })
		}
	}
	for _, c := range calls {
		h.compare(t, c)
	}
	for _, c := range applied {
		h.witness(t, c)
	}
}

func posted(calls []*call) (pending []*call, commands []fsm.Command) {
	for _, c := range calls {
		if c.posted != nil {
			pending, commands = append(pending, c), append(commands, c.posted.command)
		}
	}
	return pending, commands
}

// expect asks the model what the command should have done, and tells whether
// it was decided for the lives that it met.
func (h *harness) expect(t *rapid.T, c *call, command fsm.Command, result fsm.Result) bool {
	c.op = drawn(c.op, command)
	mismatch := h.mismatch(c.op, command)
	if result.LifeMismatch != mismatch {
		t.Fatalf("%s: life mismatch %v, want %v", describe(c.op), result.LifeMismatch, mismatch)
	}
	if mismatch {
		h.reach.seen("with another life than the decision's")
		if op, ok := c.op.(model.Stamped); ok {
			h.model.Admit(op) // its floor counts all the same
		}
		return false
	}
	before := h.model.Clone()
	c.want = h.model.Do(c.op)
	h.reach.count(before, h.model, c.op, c.want)
	revision := h.model.Revision
	if c.want.Again {
		revision = c.want.Revision
	}
	if result.Revision != revision {
		t.Fatalf("%s: revision %d after the command, the model has %d", describe(c.op), result.Revision, revision)
	}
	for i, one := range c.want.Batch {
		if result.Batch[i].Revision != one.Revision {
			t.Fatalf("%s: revision %d after operation %d, the model has %d", describe(c.op), result.Batch[i].Revision, i, one.Revision)
		}
	}
	return true
}

// compare holds the answer of a call against the model's.
func (h *harness) compare(t *rapid.T, c *call) {
	if !c.finished {
		t.Fatalf("%T never returned", c.op)
	}
	if got, want := dump(c.answer), dump(expected(c.want, c.answer)); got != want {
		t.Fatalf("%s\n got  %s\n want %s", describe(c.op), got, want)
	}
	h.remember(c)
}

// expected takes over those facts of a refusal that the contract leaves open.
func expected(want, got model.Answer) model.Answer {
	if want.Code == 0 {
		return want
	}
	fields := got.Fields
	fields.ProcessID, fields.EventType, fields.ReplayKey = want.Fields.ProcessID, want.Fields.EventType, want.Fields.ReplayKey
	fields.SessionID, fields.FencingToken = want.Fields.SessionID, want.Fields.FencingToken
	fields.ExistingHash, fields.NewHash = want.Fields.ExistingHash, want.Fields.NewHash
	fields.Existing, fields.New = want.Fields.Existing, want.Fields.New
	fields.Operation, fields.OperationCode = want.Fields.Operation, want.Fields.OperationCode
	if want.Code == registry.CodeTerminal || want.Fields.OperationCode == "Terminal" {
		fields.State = want.Fields.State
	}
	want.Fields = fields
	return want
}

// witness checks fencing tokens by what callers saw alone, without the model.
func (h *harness) witness(t *rapid.T, c *call) {
	for _, lease := range leasesOf(c.answer) {
		h.witnessLease(t, lease)
	}
}

func (h *harness) witnessLease(t *rapid.T, lease *registry.ProcessLease) {
	if known, ok := h.seen[lease.FencingToken]; ok {
		if known.LeaseToken != lease.LeaseToken || known.ProcessID != lease.ProcessID || known.Owner.OwnerID != lease.Owner.OwnerID {
			t.Fatalf("the fencing token %d was given twice: %+v and %+v", lease.FencingToken, known, *lease)
		}
		return
	}
	for token := range h.seen {
		if token >= lease.FencingToken {
			t.Fatalf("the fencing token %d was given after %d", lease.FencingToken, token)
		}
	}
	h.seen[lease.FencingToken] = *lease
	h.leases = append(h.leases, *lease)
}

// refuseBatch commits the calls in an entry that the term check must refuse,
// and answers them as a deposed leader does.
func (h *harness) refuseBatch(t *rapid.T, calls []*call, decidedIn, committedIn uint64) {
	for _, c := range calls {
		h.start(c)
	}
	pending, commands := posted(calls)
	if len(pending) > 0 {
		before := h.position()
		result := h.commit(t, decidedIn, committedIn, commands...)
		if !result.Refused || result.Results != nil {
			t.Fatalf("an entry of term %d was applied in term %d", decidedIn, committedIn)
		}
		after := h.position()
		after.Index, after.Term = before.Index, before.Term
		if after != before {
			t.Fatalf("a refused entry moved %+v to %+v", before, after)
		}
		if _, ok := h.model.Apply(model.Entry{Term: decidedIn, CommitTerm: committedIn, StampMs: h.stamp}); ok {
			t.Fatal("the model applies the entry")
		}
	}
	for _, c := range pending {
		p := c.posted
		h.log.resume(c, func() {
			p.outcome <- outcome{err: registry.Errorf(registry.CodeNotLeader, registry.Fields{}, "deposed")}
		})
		if c.answer.Code != registry.CodeNotLeader {
			t.Fatalf("%T answered %v", c.op, c.answer.Code)
		}
	}
}

func (h *harness) position() (p fsm.Position) {
	h.log.machine.Read(func(v fsm.View) { p = v.Position() })
	return p
}

func hashOf(t *rapid.T, m *fsm.Machine) string {
	hash, err := m.Snapshot().Hash()
	if err != nil {
		t.Fatalf("hash: %v", err)
	}
	return hash
}

// saved is a snapshot and how much of the log it holds.
type saved struct {
	snapshot *fsm.Snapshot
	records  int
}

// rebuild restores a snapshot and replays the rest of the log.
func (h *harness) rebuild(t *rapid.T, from saved) *fsm.Machine {
	var file bytes.Buffer
	if err := from.snapshot.Write(&file); err != nil {
		t.Fatalf("write snapshot: %v", err)
	}
	m := fsm.NewMachine()
	if err := m.Restore(&file); err != nil {
		t.Fatalf("restore: %v", err)
	}
	if a, err := from.snapshot.Hash(); err != nil || a != hashOf(t, m) {
		t.Fatalf("the restored state has another hash than its snapshot (%v)", err)
	}
	for _, r := range h.records[from.records:] {
		if _, err := r.apply(m); err != nil {
			t.Fatalf("replay %d: %v", r.index, err)
		}
	}
	if hashOf(t, m) != hashOf(t, h.log.machine) {
		t.Fatal("snapshot and rest of the log end in another state than the log")
	}
	return m
}
