package model

import (
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func TestAStampedWriteHappensOnce(t *testing.T) {
	s := begun(t)
	s.Do(OpenSession{"s"})
	register := Stamped{Session: "s", Sequence: 1, Floor: 1, Op: job("p")}
	first, again := s.Do(register), s.Do(register)
	if first.Again || !again.Again || s.Revision != 1 || again.Revision != 1 || again.Record == nil {
		t.Errorf("%+v, then %+v", first, again)
	}
	if a := s.Do(Stamped{Session: "s", Sequence: 1, Floor: 1, Op: ClearProcessWait{ProcessID: "p"}}); a.Code != registry.CodeInvalidArgument {
		t.Errorf("another kind: %+v", a)
	}
	settle := Stamped{Session: "s", Sequence: 3, Floor: 2, Op: SettleWrite{}}
	if a := s.Do(settle); a.Outcome == nil || a.Outcome.Done {
		t.Errorf("settled: %+v", a)
	}
	if a := s.Do(Stamped{Session: "s", Sequence: 3, Floor: 1, Op: job("q")}); a.Code != registry.CodeSessionExpired || len(s.Processes) != 1 {
		t.Errorf("after it was settled: %+v", a)
	}
	if a := s.Do(register); a.Code != registry.CodeSessionExpired {
		t.Errorf("below the floor: %+v", a)
	}
}

func TestARefusedBatchIsThrownAway(t *testing.T) {
	s := begun(t)
	claim := ClaimProcessLease{ProcessID: "p", Owner: registry.LeaseOwnerIdentity{OwnerID: "w", IncarnationID: "1"}, TTLMs: 1000, Token: "a"}
	a := s.Do(Batch{[]Op{job("p"), claim, AckWake{"none", 1}}})
	if a.Code != registry.CodeBatchRefused || *a.Fields.Operation != 2 || a.Fields.OperationCode != "NotFound" {
		t.Errorf("%+v", a)
	}
	if len(s.Processes) != 0 || s.Revision != 0 || s.Fencing != 0 {
		t.Errorf("%+v", s)
	}
	a = s.Do(Batch{[]Op{job("p"), claim}})
	if a.Code != 0 || a.Batch[0].Revision != 1 || a.Batch[1].Revision != 2 || s.Fencing != 1 {
		t.Errorf("%+v", a)
	}
}

func TestWorkIsHandedOutOldestFirst(t *testing.T) {
	s := begun(t)
	for _, id := range []string{"b", "a"} {
		op := job(id)
		op.Registration.Disposition = registry.Rerunnable
		s.Do(op)
	}
	next := ClaimNext{Owner: registry.LeaseOwnerIdentity{OwnerID: "w", IncarnationID: "1"}, TTLMs: 1000, Limit: 1, Tokens: []string{"t"}}
	a := s.Do(next)
	if len(a.Claims) != 1 || a.Claims[0].Record.ID != "b" || a.Claims[0].Attempt != 1 || s.Revision != 3 {
		t.Fatalf("%+v", a.Claims)
	}
	s.Do(ReleaseForRetry{registry.ProcessLeaseCompletion{ProcessID: "b", LeaseToken: "t"}, 500})
	if ready := s.Ready(nil); len(ready) != 1 || ready[0].Registration.ID != "a" {
		t.Errorf("%d are ready", len(ready))
	}
	s.Apply(Entry{Term: 1, CommitTerm: 1, StampMs: 1500})
	if a := s.Do(next); len(a.Claims) != 1 || a.Claims[0].Record.ID != "b" || a.Claims[0].Attempt != 2 {
		t.Errorf("%+v", a.Claims)
	}
}
