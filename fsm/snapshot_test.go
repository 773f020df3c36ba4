package fsm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/holdfast-registry/holdfast/registry"
)

// goldenSnapshots are the states in testdata/golden, with their hashes.
var goldenSnapshots = []struct {
	name string
	make func(testing.TB) *rig
	hash string
}{
	{"snapshot-v1", goldenState, "40beea2bca3e83ecab4bd40ada3a6160ab9ce157f27e7db62256c792a5898151"},
	{"snapshot-v1-acks", ackedState, "df8acc5201689f6ce56cbc382ebdcd5d998979ebd7ed44c265dd6e8584e1bf20"},
	{"snapshot-v1-grants", grantedState, "46edd9d5650a7a3db49ddb84fcea467f13b26cacdedd77e954d171e115225cc9"},
	{"snapshot-v1-epoch", restoredState, "4f58e576e088c14adce39e889208ca00a75d077e9e430fb4555d217914a55dad"},
}

// ackedState is the golden state with acks of wakes, of other events and of
// what is still to come.
func ackedState(t testing.TB) *rig {
	r := goldenState(t)
	r.must(r.do(waking("fresh", "1", "")))
	for _, sequence := range []uint64{registry.MaxEventSequence, 3, 2} {
		r.must(r.do(&AckWake{"fresh", sequence}))
	}
	r.must(r.do(&AckWake{"p", 3}))
	return r
}

// restoredState is the golden state of a cluster that backups were restored
// into.
func restoredState(t testing.TB) *rig {
	r := goldenState(t)
	r.m.state.RestoreEpoch = 3
	return r
}

// grantedState is the golden state with every sort of grant and fact in it.
func grantedState(t testing.TB) *rig {
	r := goldenState(t)
	r.must(r.do(externalRefOf("fresh", registry.ProcessExternalRef{Backend: "b", ID: "x", Metadata: registry.JSON(`{"m": 1}`)})))
	r.must(r.do(NewRequestProcessAbandon("fresh", registry.AbandonRequest{RequestedBy: "r", RequestedAtMs: 6, Reason: ptr("why")})))
	r.must(r.do(NewSetProcessWait("fresh", signalWait("go", 7))))
	r.must(r.do(NewGrantHandle(scope("a/frame:b", ""), "p", registry.ProcessHandleDescriptor{})))
	r.must(r.do(NewGrantHandle(scope("a", "b"), "p", registry.ProcessHandleDescriptor{Kind: ptr("job"), Label: ptr("label")})))
	r.must(r.do(NewGrantHandle(scope("a", "b"), "abandoned", registry.ProcessHandleDescriptor{Kind: ptr("")})))
	r.must(r.do(NewGrantHandle(scope("a", ""), "fresh", registry.ProcessHandleDescriptor{Label: ptr("later")})))
	return r
}

// goldenState has a row of every sort in it.
func goldenState(t testing.TB) *rig {
	r := newRig(t)
	r.do(&RecordMember{Member: Member{"n2", "i2"}})
	r.do(&RecordMember{Member: Member{"n1", "i1"}})
	r.must(r.do(NewRegisterProcess(fullRegistration(), bytes.Repeat([]byte{0xab}, 32))))
	lease := r.must(r.do(NewClaimProcessLease("p", localOwner(), 30_000, "token"))).Lease
	r.must(r.fenced(NewRecordFirstStarted("p", registry.ProcessStarted{Owner: localOwner(), StartedAtMs: 99}), lease.Fence()))
	r.pass(1500)
	r.must(r.do(note("p", `{"n": 1}`, "")))
	r.must(r.do(note("p", `{"n": 2}`, "note key")))
	r.pass(1)
	r.must(r.fenced(fullEvent(), lease.Fence()))
	r.must(r.do(note("p", `"late"`, "")))
	r.register("released", registry.FencingRequired)
	r.must(r.do(claim("released", 5000, "gone")))
	r.must(r.do(&CompleteProcessLease{ProcessID: "released", LeaseToken: "gone"}))
	r.register("abandoned", "")
	r.must(r.do(completion("abandoned", registry.ProcessAwaitOutput{
		Kind: registry.OutputAbandoned, Evidence: &registry.AbandonEvidence{Writer: registry.WriterSweep, Owner: ptr(localOwner()), EpochMs: 99},
	})))
	r.register("fresh", "")
	r.m.Skip(r.index + 1)
	return r
}

func write(t testing.TB, s *Snapshot) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := s.Write(&file); err != nil {
		t.Fatal(err)
	}
	// A node starts from no snapshot that does not pass this.
	if err := VerifySnapshot(bytes.NewReader(file.Bytes())); err != nil {
		t.Fatalf("a snapshot that was just written: %v", err)
	}
	return file.Bytes()
}

func restored(t testing.TB, file []byte) *Machine {
	t.Helper()
	m := NewMachine()
	if err := m.Restore(bytes.NewReader(file)); err != nil {
		t.Fatal(err)
	}
	if err := m.CheckConsistency(); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTheGoldenSnapshotsRestoreForEver(t *testing.T) {
	for _, golden := range goldenSnapshots {
		t.Run(golden.name, func(t *testing.T) {
			r := golden.make(t)
			m := restored(t, goldenFile(t, golden.name, write(t, r.m.Snapshot())))
			hash, err := m.Snapshot().Hash()
			if err != nil || hash != golden.hash {
				t.Errorf("the restored state has the hash %s (%v), want %s", hash, err, golden.hash)
			}
			if r.hash() != golden.hash {
				t.Errorf("the same entries make a state with the hash %s, want %s", r.hash(), golden.hash)
			}
			checkGoldenState(t, r, m)
		})
	}
}

func checkGoldenState(t *testing.T, r *rig, m *Machine) {
	m.Read(func(v View) {
		if p := v.Position(); p.Fencing != 2 || p.ClusterID != "c1" || p.Index < r.index {
			t.Errorf("position %+v", p)
		}
		if lease := v.Lease("p"); lease == nil || lease.LeaseToken != "token" || lease.Owner != localOwner() {
			t.Errorf("lease %+v", lease)
		}
		if record := v.Process("p"); record.Status.State != registry.StateCancelled || record.Status.AwaitOutput.Message != "bye" {
			t.Errorf("status %+v", record.Status)
		}
		if instance, ok := v.Member("n2"); !ok || instance != "i2" || len(v.Members()) != 2 {
			t.Errorf("members %v", v.Members())
		}
	})
}

func TestGrantsComeBackFromASnapshot(t *testing.T) {
	r := grantedState(t)
	other := &rig{t: t, m: restored(t, write(t, r.m.Snapshot()))}
	for _, s := range []registry.SessionScope{scope("a", ""), scope("a", "b"), scope("a/frame:b", "")} {
		list := func(r *rig) (page registry.Page[registry.ProcessHandleGrantEntry]) {
			r.m.Read(func(v View) { page, _ = v.ListHandleGrants(s, registry.PageRequest{}) })
			return page
		}
		got, want := list(other), list(r)
		if len(got.Items) == 0 || len(got.Items) != len(want.Items) {
			t.Fatalf("%v holds %d of %d", s, len(got.Items), len(want.Items))
		}
		for i := range want.Items {
			if a, b := dumpJSON(got.Items[i]), dumpJSON(want.Items[i]); a != b {
				t.Errorf("%s\nwant %s", a, b)
			}
		}
	}
}

func TestTheRestoreEpochIsInSnapshots(t *testing.T) {
	r := restoredState(t)
	m := restored(t, write(t, r.m.Snapshot()))
	m.Read(func(v View) {
		if p := v.Position(); p != r.position() || p.RestoreEpoch != 3 {
			t.Errorf("restored at %+v, want %+v", p, r.position())
		}
	})
}

func TestARestoredMachineAnswersAsTheOther(t *testing.T) {
	r := grantedState(t)
	other := &rig{t: t, m: restored(t, write(t, r.m.Snapshot())), index: r.index, term: r.term, stamp: r.stamp}
	for i, body := range []Body{
		note("p", `{"n": 2}`, "note key"), note("p", `{"n": 3}`, "note key"), note("p", `{"n": 3}`, "other"), claim("p", 1, "x"), claim("fresh", 1, "x"),
		claim("released", 1, "y"), completion("abandoned", success("1")), registration("fresh", ""), registration("fresh", "required"),
		&RecordMember{Member: Member{"n2", "lost"}}, &RecordMember{Member: Member{"n2", "i2"}}, started("p", "someone"),
		externalRefOf("fresh", registry.ProcessExternalRef{Backend: "b", ID: "y"}), NewSetProcessWait("fresh", signalWait("go", 8)),
		NewTransferHandleGrants(scope("a", "b"), scope("c", ""), []string{"p", "abandoned"}), &DeleteSessionProcessState{SessionID: "a"},
		&DeleteSessionProcessState{SessionID: "s"}, &PruneTerminalProcesses{CutoffMs: 11_501}, &PruneTerminalProcesses{CutoffMs: ^uint64(0)},
		registration("p", ""),
	} {
		a, b := r.do(body), other.do(body)
		if got, want := dumpResult(a), dumpResult(b); got != want {
			t.Errorf("%d: %s\n%s", i, got, want)
		}
	}
	if r.hash() != other.hash() {
		t.Error("the states differ")
	}
}

func dumpResult(r Result) string {
	var out strings.Builder
	if r.Refusal != nil {
		out.WriteString(r.Refusal.Code.String() + " " + r.Refusal.Message)
	}
	if r.Process != nil {
		out.WriteString(dumpJSON(*r.Process))
	}
	if r.Event != nil {
		out.WriteString(dumpJSON(*r.Event))
	}
	if r.Lease != nil {
		out.WriteString(dumpJSON(*r.Lease))
	}
	if r.Pruned != nil {
		fmt.Fprintf(&out, "%+v", *r.Pruned)
	}
	if r.DeletedSession != nil {
		out.WriteString(dumpJSON(*r.DeletedSession))
	}
	return out.String()
}

func TestASnapshotStaysAsItWas(t *testing.T) {
	r := ackedState(t)
	snapshot := r.m.Snapshot()
	before, index := r.hash(), snapshot.Index()
	r.pass(5000)
	r.must(r.do(note("fresh", `1`, "")))
	r.must(r.do(note("p", `1`, "")))
	r.must(r.do(claim("released", 1, "x")))
	r.must(r.do(grantTo(scope("s", ""), "p", "x")))
	r.must(r.do(&AckWake{"p", 4}))
	r.register("new", "")
	if hash, err := snapshot.Hash(); err != nil || hash != before || snapshot.Index() != index {
		t.Errorf("the frozen state changed from %s to %s (%v)", before, hash, err)
	}
	if r.hash() == before {
		t.Error("the hash of a changed state is the same")
	}
}

// TestASnapshotIsWrittenWhileTheStateMovesOn is for the race detector: what was
// frozen shares nearly everything with the state.
func TestASnapshotIsWrittenWhileTheStateMovesOn(t *testing.T) {
	r := ackedState(t)
	r.fill(500, nil)
	snapshot, before := r.m.Snapshot(), r.hash()
	hash := make(chan string)
	go func() {
		text, err := snapshot.Hash()
		hash <- fmt.Sprint(text, err)
	}()
	for i := range uint64(100) {
		id := fmt.Sprintf("p%06d", i)
		for _, body := range []Body{
			&AckWake{"fresh", i + 4}, waking("fresh", "1", ""), grantTo(scope("s", ""), id, "x"), claim(id, 1000, id), completion(id, success("1")),
		} {
			r.must(r.do(body))
		}
	}
	if got := <-hash; got != before+"<nil>" {
		t.Errorf("the frozen state has the hash %s, want %s", got, before)
	}
}

func TestACheckpointFreezesTheStateAtItsPlaceInTheEntry(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	plain := r.entry(1, 1, Command{Body: note("p", "1", "")})
	if plain.Checkpoint != nil {
		t.Error("an entry without a checkpoint has one")
	}
	result := r.entry(1, 1, Command{Body: note("p", "2", "")}, Command{Body: &Checkpoint{}}, Command{Body: note("p", "3", "")})
	m := restored(t, write(t, result.Checkpoint))
	m.Read(func(v View) {
		page, err := v.EventsAfter("p", 0, registry.PageRequest{})
		if err != nil || len(page.Items) != 2 {
			t.Errorf("%d events at the checkpoint (%v), want 2", len(page.Items), err)
		}
	})
}

// framesOf returns the frames inside a snapshot.
func framesOf(t testing.TB, file []byte) []byte {
	decompressor, err := zstd.NewReader(bytes.NewReader(file[8:]))
	if err != nil {
		t.Fatal(err)
	}
	defer decompressor.Close()
	frames, err := io.ReadAll(decompressor)
	if err != nil {
		t.Fatal(err)
	}
	return frames
}

// fileOf makes a snapshot of frames.
func fileOf(t testing.TB, frames []byte) []byte {
	file := bytes.NewBuffer([]byte("HFSNAP\x00\x01"))
	compressor, err := zstd.NewWriter(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := compressor.Write(frames); err != nil {
		t.Fatal(err)
	}
	if err := compressor.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// sealed makes a snapshot of frames without their end.
func sealed(t testing.TB, frames ...[]byte) []byte {
	all := bytes.Join(frames, nil)
	w := new(bytes.Buffer)
	f := &frameWriter{w: w, crc: crc32.Checksum(all, castagnoli), count: uint64(len(frames))}
	if err := f.end(); err != nil {
		t.Fatal(err)
	}
	return fileOf(t, append(all, w.Bytes()...))
}

func frame(t testing.TB, kind byte, payload any) []byte {
	w := new(bytes.Buffer)
	if err := (&frameWriter{w: w}).write(kind, payload); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

func TestASpoiltSnapshotIsRefusedAndChangesNothing(t *testing.T) {
	r := goldenState(t)
	good := write(t, r.m.Snapshot())
	frames := framesOf(t, good)
	counters := frame(t, frameCounters, storedCounters{})
	process := func(id string, change func(*storedProcess)) []byte {
		p := storedProcess{Registration: registration(id, "").Registration, Hash: make([]byte, 32), Life: 1, Revision: 1}
		if change != nil {
			change(&p)
		}
		return frame(t, frameProcess, p)
	}
	acks := func(sequences ...uint32) []byte { return frame(t, frameAcks, storedAcks{sequences}) }
	held := func(session, in, id string) []byte {
		return frame(t, frameGrant, storedGrant{Scope: storedScope{SessionID: session, AgentFrameID: in}, ProcessID: id})
	}
	plain := frame(t, frameEvent, storedEvent{EventType: "note", Payload: []byte("1"), PayloadHash: make([]byte, 32)})
	for name, c := range map[string]struct {
		file   []byte
		reason string
	}{
		"no header":               {good[:7], "header"},
		"another magic":           {append([]byte("HFSNAQ"), good[6:]...), "not a snapshot"},
		"another version":         {append([]byte("HFSNAP\x00\x02"), good[8:]...), "version 2, this program reads 1"},
		"cut off":                 {good[:len(good)-20], "EOF"},
		"cut off frames":          {fileOf(t, frames[:len(frames)-3]), "EOF"},
		"cut off between frames":  {fileOf(t, frames[:len(frames)-frameHeaderBytes-endFrameBytes]), "EOF"},
		"bytes after the end":     {fileOf(t, append(frames[:len(frames):len(frames)], 0)), "bytes after the end"},
		"a flipped bit":           {fileOf(t, patch(bytes.Clone(frames), bytes.Index(frames, []byte("late")), 'L')), "checksum"},
		"another count":           {fileOf(t, patch(bytes.Clone(frames), len(frames)-5, 99)), "the end frame tells"},
		"nothing at all":          {sealed(t), "the counters are missing"},
		"no counters":             {sealed(t, frame(t, frameMember, Member{"n", "i"})), "the counters must come first"},
		"an epoch of zero":        {sealed(t, counters, frame(t, frameEpoch, storedEpoch{})), "a restore epoch of 0, as frame 2"},
		"epochs twice":            {sealed(t, counters, frame(t, frameEpoch, storedEpoch{1}), frame(t, frameEpoch, storedEpoch{1})), "a restore epoch of 1, as frame 3"},
		"counters twice":          {sealed(t, counters, counters), "the counters must come first"},
		"an unknown frame":        {sealed(t, counters, frame(t, 9, Member{"n", "i"})), "unknown frame type 9"},
		"a frame type of zero":    {sealed(t, counters, frame(t, 0, Member{"n", "i"})), "unknown frame type 0"},
		"a frame over the limit":  {fileOf(t, []byte{1, 0xff, 0xff, 0xff, 0xff}), "the limit is"},
		"a short end frame":       {fileOf(t, append(bytes.Clone(counters), frameEnd, 0, 0, 0, 1, 1)), "end frame of 1 bytes"},
		"a frame not canonical":   {sealed(t, frame(t, frameCounters, []uint64{1, 2})), "canonical"},
		"members twice":           {sealed(t, counters, frame(t, frameMember, Member{"n", "i"}), frame(t, frameMember, Member{"n", "i"})), "out of order"},
		"a process twice":         {sealed(t, counters, process("p", nil), process("p", nil)), "twice or out of order"},
		"processes out of order":  {sealed(t, counters, process("q", nil), process("p", nil)), "twice or out of order"},
		"an event too many":       {sealed(t, counters, process("p", nil), plain), "belongs to no process"},
		"an event of nobody":      {sealed(t, counters, plain), "belongs to no process"},
		"an event too few":        {sealed(t, counters, process("p", func(p *storedProcess) { p.EventCount = 2 }), plain), "lacks 1 events"},
		"an event too few inside": {sealed(t, counters, process("p", func(p *storedProcess) { p.EventCount = 1 }), process("q", nil)), "lacks 1 events"},
		"too many events":         {sealed(t, counters, process("p", func(p *storedProcess) { p.EventCount = 1 << 40 })), "process with 1099511627776 events"},
		"a terminal that is none": {sealed(t, counters, process("p", func(p *storedProcess) { p.EventCount, p.TerminalSequence = 1, 1 }), plain), "was not ended by its event 1"},
		"a terminal of the future": {sealed(t, counters, process("p", func(p *storedProcess) { p.EventCount, p.TerminalSequence = 1, 2 }), plain),
			"was not ended by its event 2"},
		"a holder without owner": {sealed(t, counters, process("p", func(p *storedProcess) { p.Lease.Held = true })), "has an owner"},
		"an owner without lease": {sealed(t, counters, process("p", func(p *storedProcess) { p.Lease.Owner = ptr(storeOwner(localOwner())) })), "has an owner"},
		"a short hash":           {sealed(t, counters, process("p", func(p *storedProcess) { p.Hash = nil })), "registration hash of 0 bytes"},
		"an event's short hash": {sealed(t, counters, process("p", func(p *storedProcess) { p.EventCount = 1 }),
			frame(t, frameEvent, storedEvent{EventType: "note"})), "payload hash of 0 bytes"},
		"an unknown wait": {sealed(t, counters, process("p", func(p *storedProcess) { p.Wait = &storedWait{Kind: 7} })), "WaitKind has no number 7"},
		"an external ref without its hash": {sealed(t, counters, process("p", func(p *storedProcess) { p.ExternalRef = &storedExternalRef{} })),
			"external ref hash of 0 bytes"},
		"acks of nobody":              {sealed(t, counters, acks(1)), "do not come behind"},
		"acks twice":                  {sealed(t, counters, process("p", nil), acks(1), acks(2)), "do not come behind"},
		"acks too early":              {sealed(t, counters, process("p", func(p *storedProcess) { p.EventCount = 1 }), acks(1), plain), "do not come behind"},
		"an event behind the acks":    {sealed(t, counters, process("p", nil), acks(1), plain), "belongs to no process"},
		"no acks":                     {sealed(t, counters, process("p", nil), acks()), "for no acks"},
		"an ack of nothing":           {sealed(t, counters, process("p", nil), acks(0)), "the ack of sequence 0"},
		"an ack twice":                {sealed(t, counters, process("p", nil), acks(3, 3)), "the ack of sequence 3"},
		"acks out of order":           {sealed(t, counters, process("p", nil), acks(3, 2)), "the ack of sequence 2"},
		"an ack out of range":         {sealed(t, counters, process("p", nil), acks(registry.MaxEventSequence+1)), "the ack of sequence 100005"},
		"a grant of nobody":           {sealed(t, counters, process("p", nil), held("s", "", "q")), "which there is not"},
		"a grant twice":               {sealed(t, counters, process("p", nil), held("s", "", "p"), held("s", "", "p")), "twice or out of order"},
		"grants out of order":         {sealed(t, counters, process("p", nil), held("s", "f", "p"), held("s", "", "p")), "twice or out of order"},
		"a process behind the grants": {sealed(t, counters, process("p", nil), held("s", "", "p"), process("q", nil)), "behind the grants"},
		"an event behind the grants":  {sealed(t, counters, process("p", nil), held("s", "", "p"), plain), "belongs to no process"},
		"a grant before the last event": {sealed(t, counters, process("p", func(p *storedProcess) { p.EventCount = 1 }), held("s", "", "p"), plain),
			"lacks 1 events"},
	} {
		t.Run(name, func(t *testing.T) {
			before := r.hash()
			err := r.m.Restore(bytes.NewReader(c.file))
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("%v, want %q", err, c.reason)
			}
			if r.hash() != before {
				t.Error("the state changed")
			}
		})
	}
}

func TestTheFactsOfAProcessComeBackFromASnapshot(t *testing.T) {
	facts := storedProcess{
		Registration: registration("p", "").Registration, Hash: make([]byte, 32), CreatedAtMs: 1, UpdatedAtMs: 2, Life: 3, Revision: 4,
		ExternalRef:    &storedExternalRef{Backend: "b", ID: "x", Metadata: []byte(`{"m": 1}`), Hash: make([]byte, 32)},
		FirstStarted:   &storedStarted{Owner: storeOwner(localOwner()), StartedAtMs: 5},
		AbandonRequest: &storedAbandonRequest{RequestedBy: "r", RequestedAtMs: 6, Reason: ptr("why")},
		Wait:           &storedWait{Kind: 1, Name: "n", EventType: "signal.n", Key: "k", Ordinal: 7, SinceMs: 8},
		Lease:          storedLease{Fencing: 9},
	}
	file := sealed(t, frame(t, frameCounters, storedCounters{Revision: 4, Fencing: 9, ClockMs: 10}), frame(t, frameProcess, facts))
	m := restored(t, file)
	if !bytes.Equal(framesOf(t, write(t, m.Snapshot())), framesOf(t, file)) {
		t.Error("what was restored is written otherwise")
	}
	m.Read(func(v View) {
		r := v.Process("p")
		if r.ExternalRef.ID != "x" || *r.AbandonRequest.Reason != "why" || r.Wait.Ordinal != 7 || r.FirstStarted.Owner != localOwner() || r.Wait.Kind != registry.WaitSignal {
			t.Errorf("%+v", r)
		}
	})
}

func TestTheHashIsThatOfTheFrames(t *testing.T) {
	r := grantedState(t)
	sum := sha256.Sum256(framesOf(t, write(t, r.m.Snapshot())))
	if r.hash() != hex.EncodeToString(sum[:]) {
		t.Error("the hash is of something else")
	}
}

// brokenWriter fails after so many bytes.
type brokenWriter struct{ left int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestASnapshotThatCannotBeWrittenIsAnError(t *testing.T) {
	r := grantedState(t)
	for left, size := 0, len(write(t, r.m.Snapshot())); left < size; left += 29 {
		if err := r.m.Snapshot().Write(&brokenWriter{left}); err == nil {
			t.Fatalf("no error with %d bytes of room", left)
		}
	}
}
