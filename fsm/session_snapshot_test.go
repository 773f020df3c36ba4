package fsm

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func TestSessionsAreInSnapshots(t *testing.T) {
	r := newSessionRig(t)
	first := r.must(r.command(in(sessionA, 1, 1, note("p", `{"n":1}`, ""))))
	r.must(r.do(&OpenSession{ID: sessionB}))
	frozen := r.m.Snapshot()
	hash := r.hash()
	r.must(r.command(in(sessionA, 2, 2, note("p", `{"n":2}`, ""))))
	if later := r.hash(); later == hash {
		t.Error("the hash of the state does not see its sessions")
	}
	restored := NewMachine()
	if err := restored.Restore(bytes.NewReader(write(t, frozen))); err != nil {
		t.Fatal(err)
	}
	r.m = restored
	if got := r.hash(); got != hash {
		t.Errorf("restored to %s, want %s", got, hash)
	}
	again := r.must(r.command(in(sessionA, 1, 1, note("p", `{"n":1}`, ""))))
	if !again.Again || again.Event.Sequence != first.Event.Sequence || again.Answered.Revision != first.Revision || r.eventCount("p") != 1 {
		t.Errorf("after a restore the repeat was answered with %+v", again)
	}
}

// goldenSessionHash is the hash of the state in
// testdata/golden/snapshot-sessions-v1.hex.
const goldenSessionHash = "16316c854ea1decf4e52a49130f818a3c3de498e87b4812a70691fdbe05147b3"

// goldenSessions has kept answers of every sort in it.
func goldenSessions(t testing.TB) *rig {
	r := newSessionRig(t)
	waking := registration("waking", "")
	waking.Registration.WakeTarget = &storedScope{SessionID: "s", AgentFrameID: "f"}
	r.must(r.do(&OpenSession{ID: sessionB}))
	for i, c := range []Command{
		{Body: waking},
		{Body: note("waking", `{}`, "key")},
		{Body: note("waking", `{"other":1}`, "key")},
		{Body: NewClaimProcessLease("waking", localOwner(), 5000, "token")},
		{Body: claim("waking", 5000, "token")},
		{Body: note("p", `{}`, ""), Fence: &registry.Fence{LeaseToken: "x", FencingToken: 7}},
		{Body: &CompleteProcessLease{ProcessID: "p", LeaseToken: "none"}},
		{Body: &SettleWrite{}},
		{Body: NewGrantHandle(registry.SessionScope{SessionID: "s"}, "p", registry.ProcessHandleDescriptor{})},
		{Body: &DeleteSessionProcessState{SessionID: "s"}},
		{Body: &PruneTerminalProcesses{CutoffMs: 1}},
		{Body: batchOf(Command{Body: note("p", `{}`, "")}, Command{Body: claim("p", 10, "token 2")})},
	} {
		c.Session = &SessionHeader{ID: sessionA, Sequence: uint64(i) + 3, Floor: 2}
		r.command(c)
	}
	return r
}

func TestTheGoldenSnapshotOfSessionsRestoresForEver(t *testing.T) {
	r := goldenSessions(t)
	r.m = restored(t, goldenFile(t, "snapshot-sessions-v1", write(t, r.m.Snapshot())))
	if got := r.hash(); got != goldenSessionHash {
		t.Errorf("the restored state has the hash %s, want %s", got, goldenSessionHash)
	}
	if got := goldenSessions(t).hash(); got != goldenSessionHash {
		t.Errorf("the same entries make a state with the hash %s, want %s", got, goldenSessionHash)
	}
	if busy := r.must(r.command(in(sessionA, 7, 2, &SettleWrite{}))); !busy.Busy || busy.Lease.Owner != localOwner() {
		t.Errorf("a kept answer says %+v", busy)
	}
}

func TestSpoiltSessionsAreRefused(t *testing.T) {
	data, err := appendMsgpack(nil, storedAnswer{})
	if err != nil {
		t.Fatal(err)
	}
	counters := frame(t, frameCounters, storedCounters{})
	sessionFrame := func(id SessionID, answers uint64) []byte {
		return frame(t, frameSession, storedSession{ID: id, Floor: 2, EndMs: 1, AnswerCount: answers})
	}
	answer := func(sequence uint64, data []byte) []byte {
		return frame(t, frameAnswer, storedKeptAnswer{Sequence: sequence, Answer: data})
	}
	process := frame(t, frameProcess, storedProcess{Registration: registration("p", "").Registration, Hash: make([]byte, 32), Life: 1, Revision: 1})
	for name, c := range map[string]struct {
		frames [][]byte
		reason string
	}{
		"a session twice":           {[][]byte{sessionFrame(sessionA, 0), sessionFrame(sessionA, 0)}, "twice or out of order"},
		"sessions out of order":     {[][]byte{sessionFrame(sessionB, 0), sessionFrame(sessionA, 0)}, "twice or out of order"},
		"an answer of nobody":       {[][]byte{answer(2, data)}, "belongs to no session"},
		"an answer too many":        {[][]byte{sessionFrame(sessionA, 1), answer(2, data), answer(3, data)}, "belongs to no session"},
		"an answer too few":         {[][]byte{sessionFrame(sessionA, 2), answer(2, data)}, "lacks 1 answers"},
		"an answer too few, inside": {[][]byte{sessionFrame(sessionA, 1), sessionFrame(sessionB, 0)}, "lacks 1 answers"},
		"answers out of order":      {[][]byte{sessionFrame(sessionA, 2), answer(3, data), answer(2, data)}, "out of order"},
		"an answer below the floor": {[][]byte{sessionFrame(sessionA, 1), answer(1, data)}, "out of order"},
		"an answer that is none":    {[][]byte{sessionFrame(sessionA, 1), answer(2, []byte{0x90})}, "canonical"},
		"a process behind sessions": {[][]byte{sessionFrame(sessionA, 0), process}, "behind the sessions"},
	} {
		t.Run(name, func(t *testing.T) {
			err := NewMachine().Restore(bytes.NewReader(sealed(t, append([][]byte{counters}, c.frames...)...)))
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("%v, want %q", err, c.reason)
			}
		})
	}
	if _, _, err := decodeAnswer(data); err != nil {
		t.Errorf("%s is no answer: %v", hex.EncodeToString(data), err)
	}
}
