package fsm

import (
	"reflect"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// TestEveryChangeIsToldOf makes one change of every kind and looks at what the
// entry told. That no change goes untold, whatever the command, is checked
// wherever a rig or the property test applies an entry.
func TestEveryChangeIsToldOf(t *testing.T) {
	r := newRig(t)
	told := map[registry.ChangeKind]bool{}
	tells := func(body Body, want ...registry.ProcessChange) {
		t.Helper()
		result := r.entry(r.term, r.term, Command{Body: body})
		for i := range want {
			want[i].Revision = result.Revision
			told[want[i].Kind] = true
		}
		if len(want) == 0 && len(result.Changes) == 0 {
			return
		}
		if !reflect.DeepEqual(result.Changes, want) {
			t.Errorf("%T told %+v\nwant %+v", body, result.Changes, want)
		}
	}
	of := func(id string, life uint64, kind registry.ChangeKind, sequence uint64) registry.ProcessChange {
		return registry.ProcessChange{ProcessID: id, Life: life, Kind: kind, Sequence: sequence}
	}
	a, b := scope("a", ""), scope("b", "f")
	tells(&Tick{})
	target := registration("p", "")
	target.Registration.WakeTarget = &storedScope{SessionID: "a"}
	if err := target.load(); err != nil {
		t.Fatal(err)
	}
	tells(target, of("p", 1, registry.ChangeRegistered, 0))
	tells(registration("q", ""), of("q", 2, registry.ChangeRegistered, 0))
	tells(registration("q", ""))
	tells(registration("q", registry.FencingRequired))
	tells(note("p", `1`, "k"), of("p", 1, registry.ChangeAppended, 1))
	tells(note("p", `1`, "k"))
	tells(note("p", `2`, "k"))
	tells(claim("p", 5_000, "x"), of("p", 1, registry.ChangeLease, 0))
	tells(claim("p", 6_000, "x"), of("p", 1, registry.ChangeLeaseExtended, 0))
	tells(claim("p", 6_000, "y"))
	tells(&CompleteProcessLease{ProcessID: "p", LeaseToken: "x"}, of("p", 1, registry.ChangeLease, 0))
	tells(started("p", "w"), of("p", 1, registry.ChangeStarted, 0))
	tells(started("p", "w"))
	tells(externalRefOf("p", registry.ProcessExternalRef{Backend: "b", ID: "x"}), of("p", 1, registry.ChangeExternalRef, 0))
	tells(NewRequestProcessAbandon("p", registry.AbandonRequest{RequestedBy: "r"}), of("p", 1, registry.ChangeAbandonRequested, 0))
	tells(NewSetProcessWait("p", signalWait("go", 7)), of("p", 1, registry.ChangeWait, 0))
	tells(&ClearProcessWait{ProcessID: "p"}, of("p", 1, registry.ChangeWait, 0))
	tells(&AckWake{"p", 9}, of("p", 1, registry.ChangeAck, 9))
	tells(&AckWake{"p", 9})
	tells(completion("q", success("1")), of("q", 2, registry.ChangeEnded, 1))
	tells(completion("q", success("1")))
	tells(NewGrantHandle(a, "p", registry.ProcessHandleDescriptor{}), of("p", 1, registry.ChangeGrant, 0))
	tells(NewGrantHandle(a, "q", registry.ProcessHandleDescriptor{}), of("q", 2, registry.ChangeGrant, 0))
	tells(NewTransferHandleGrants(a, b, []string{"q", "p"}), of("q", 2, registry.ChangeGrant, 0), of("p", 1, registry.ChangeGrant, 0))
	tells(NewRevokeHandle(a, "p"))
	tells(NewRevokeHandle(b, "p"), of("p", 1, registry.ChangeGrant, 0))
	tells(NewTransferHandleGrants(b, a, []string{"q"}), of("q", 2, registry.ChangeGrant, 0))
	tells(&DeleteSessionProcessState{SessionID: "a"}, of("q", 2, registry.ChangeGrant, 0), of("p", 1, registry.ChangeWakeTarget, 0))
	tells(&DeleteSessionProcessState{SessionID: "a"})
	r.pass(10)
	tells(completion("p", success("1")), of("p", 1, registry.ChangeEnded, 2))
	tells(&PruneTerminalProcesses{CutoffMs: r.stamp + 1}, of("q", 2, registry.ChangePruned, 0), of("p", 1, registry.ChangePruned, 0))
	tells(&PruneTerminalProcesses{CutoffMs: r.stamp + 1})
	for _, kind := range registry.ChangeKinds() {
		if !told[kind] {
			t.Errorf("no change of kind %v was told of", kind)
		}
	}
}

func TestARefusedEntryTellsOfNoChange(t *testing.T) {
	r := newRig(t)
	if result := r.entry(2, 1, Command{Body: registration("p", "")}); !result.Refused || len(result.Changes) != 0 {
		t.Errorf("the entry told of %v", result.Changes)
	}
}
