package wire

import (
	"reflect"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire/wiretest"
)

func TestTheOutcomeOfAWriteCrossesTheWire(t *testing.T) {
	for _, outcome := range []registry.WriteOutcome{
		{},
		{Done: true, Revision: 1 << 63},
		{Done: true, Revision: 7, Refusal: &registry.Error{Code: registry.CodeFenced, Message: "why", Fields: wiretest.Full[registry.Fields](3)}},
		{Done: true, Refusal: &registry.Error{Code: registry.CodeInternal, Message: "why"}},
	} {
		crossed := cross(t, WriteOutcomeToPB(outcome)).(*pb.SettleWriteResponse)
		if got, err := WriteOutcomeFromPB(crossed); err != nil || !reflect.DeepEqual(got, outcome) {
			t.Errorf("%+v became %+v (%v)", outcome, got, err)
		}
	}
	_, err := WriteOutcomeFromPB(&pb.SettleWriteResponse{Refusal: &pb.ErrorDetail{}})
	if registry.CodeOf(err) != registry.CodeInvalidArgument {
		t.Errorf("a refusal without a code: %v", err)
	}
}

func TestAStampIsRequiredWhereTheCallIsAboutOne(t *testing.T) {
	if _, err := RequiredStampFromPB(nil); registry.CodeOf(err) != registry.CodeInvalidArgument {
		t.Errorf("%v", err)
	}
	want := registry.SessionStamp{ID: "s", Sequence: 1 << 63, Floor: 3}
	if got, err := RequiredStampFromPB(SessionToPB(&want)); err != nil || got != want {
		t.Errorf("%+v (%v)", got, err)
	}
}
