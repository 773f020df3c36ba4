package wire

import (
	"context"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire/wiretest"
)

// trip is one registry type with its way over the wire.
type trip struct {
	registryType reflect.Type
	make         func(wiretest.Filler) any
	encode       func(any) proto.Message
	decode       func(proto.Message) (any, error)
	empty        proto.Message
}

// newTrip names the two conversions of a type.
func newTrip[G any, P any, M interface {
	*P
	proto.Message
}](encode func(G) M, decode func(M) (G, error)) trip {
	return trip{
		registryType: reflect.TypeFor[G](),
		make:         func(f wiretest.Filler) any { return wiretest.Make[G](f) },
		encode:       func(value any) proto.Message { return encode(value.(G)) },
		decode: func(m proto.Message) (any, error) {
			value, err := decode(m.(M))
			return value, err
		},
		empty: M(new(P)),
	}
}

// sure makes a conversion that cannot fail look like the others.
func sure[M, G any](decode func(M) G) func(M) (G, error) {
	return func(m M) (G, error) { return decode(m), nil }
}

// trips are all types that calls take or return.
var trips = []trip{
	newTrip(RegistrationToPB, RegistrationFromPB),
	newTrip(RecordToPB, RecordFromPB),
	newTrip(ExternalRefToPB, ExternalRefFromPB),
	newTrip(FilterToPB, FilterFromPB),
	newTrip(OutputToPB, OutputFromPB),
	newTrip(StartedToPB, StartedFromPB),
	newTrip(AbandonRequestToPB, AbandonRequestFromPB),
	newTrip(WaitToPB, WaitFromPB),
	newTrip(AppendRequestToPB, AppendRequestFromPB),
	newTrip(AppendResultToPB, AppendResultFromPB),
	newTrip(
		func(event registry.ProcessEvent) *pb.ProcessEvent {
			return EventsToPB([]registry.ProcessEvent{event})[0]
		},
		func(m *pb.ProcessEvent) (registry.ProcessEvent, error) {
			page, err := EventPageFromPB([]*pb.ProcessEvent{m}, "")
			return first(page.Items), err
		}),
	newTrip(
		func(entry registry.ProcessHandleGrantEntry) *pb.ProcessHandleGrantEntry {
			return EntriesToPB([]registry.ProcessHandleGrantEntry{entry})[0]
		},
		func(m *pb.ProcessHandleGrantEntry) (registry.ProcessHandleGrantEntry, error) {
			page, err := EntryPageFromPB([]*pb.ProcessHandleGrantEntry{m}, "")
			return first(page.Items), err
		}),
	newTrip(func(scope registry.SessionScope) *pb.SessionScope { return ScopeToPB(scope) },
		func(m *pb.SessionScope) (registry.SessionScope, error) { return ScopeFromPB(m, "scope") }),
	newTrip(DescriptorToPB, sure(DescriptorFromPB)),
	newTrip(GrantToPB, GrantFromPB),
	newTrip(DeleteReportToPB, DeleteReportFromPB),
	newTrip(PruneReportToPB, PruneReportFromPB),
	newTrip(FenceStatusToPB, FenceStatusFromPB),
	newTrip(OwnerToPB, func(m *pb.LeaseOwnerIdentity) (registry.LeaseOwnerIdentity, error) { return OwnerFromPB(m, "owner") }),
	newTrip(LeaseToPB, func(m *pb.ProcessLease) (registry.ProcessLease, error) { return LeaseFromPB(m, "lease") }),
	newTrip(
		func(fence registry.Fence) *pb.Fence { return FenceToPB(&fence) },
		func(m *pb.Fence) (registry.Fence, error) { return *FenceFromPB(m), nil }),
	newTrip(OutcomeToPB, OutcomeFromPB),
	newTrip(CompletionToPB, CompletionFromPB),
	newTrip(
		func(page registry.PageRequest) *pb.PageRequest {
			if m := PageToPB(page); m != nil {
				return m
			}
			return &pb.PageRequest{}
		},
		sure(PageFromPB)),
	newTrip(
		func(stamp registry.SessionStamp) *pb.SessionStamp { return SessionToPB(&stamp) },
		func(m *pb.SessionStamp) (registry.SessionStamp, error) { return *SessionFromPB(m), nil }),
	newTrip(AnswerToPB, sure(AnswerFromPB)),
	newTrip(ClusterStatusToPB, ClusterStatusFromPB),
	newTrip(NodeStatusToPB, sure(NodeStatusFromPB)),
	newTrip(StateReportToPB, StateReportFromPB),
}

func first[T any](items []T) T {
	if len(items) == 0 {
		var zero T
		return zero
	}
	return items[0]
}

// cross sends a message through its bytes.
func cross(t interface{ Fatalf(string, ...any) }, m proto.Message) proto.Message {
	bytes, err := proto.Marshal(m)
	if err != nil {
		t.Fatalf("marshal %T: %v", m, err)
	}
	arrived := m.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(bytes, arrived); err != nil {
		t.Fatalf("unmarshal %T: %v", m, err)
	}
	return arrived
}

func (trip trip) check(t interface{ Fatalf(string, ...any) }, value any) {
	arrived, err := trip.decode(cross(t, trip.encode(value)))
	if err != nil {
		t.Fatalf("decode %v: %v", trip.registryType, err)
	}
	if !reflect.DeepEqual(arrived, value) {
		t.Fatalf("%v changed on the wire\nsent    %+v\narrived %+v", trip.registryType, value, arrived)
	}
}

func TestEveryFieldSurvivesTheWire(t *testing.T) {
	for _, trip := range trips {
		t.Run(trip.registryType.Name(), func(t *testing.T) {
			// Several seeds, so that every leaf has more than one value.
			for seed := range uint64(16) {
				next := seed
				trip.check(t, trip.make(wiretest.Filler{
					Absent: func() bool { return false },
					Next:   func() uint64 { next++; return next },
				}))
			}
		})
	}
}

func TestZeroValuesSurviveTheWire(t *testing.T) {
	for _, trip := range trips {
		trip.check(t, reflect.Zero(trip.registryType).Interface())
	}
}

func TestAnyMixOfFieldsSurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trip := trips[rapid.IntRange(0, len(trips)-1).Draw(t, "type")]
		trip.check(t, trip.make(wiretest.Filler{
			Absent: func() bool { return rapid.Bool().Draw(t, "absent") },
			Next:   func() uint64 { return rapid.Uint64().Draw(t, "number") },
		}))
	})
}

// TestEveryTypeOfTheInterfaceHasATrip keeps the table above complete: each
// struct that a method takes or returns is in it.
func TestEveryTypeOfTheInterfaceHasATrip(t *testing.T) {
	known := make(map[reflect.Type]bool)
	for _, trip := range trips {
		known[trip.registryType] = true
	}
	for _, service := range []reflect.Type{reflect.TypeFor[registry.Registry](), reflect.TypeFor[registry.Admin]()} {
		for i := range service.NumMethod() {
			method := service.Method(i)
			for _, used := range signature(method.Type) {
				if used.Kind() == reflect.Struct && !known[used] {
					t.Errorf("%s uses %v, which no trip covers", method.Name, used)
				}
			}
		}
	}
	for _, carried := range []reflect.Type{reflect.TypeFor[registry.SessionStamp](), reflect.TypeFor[registry.AnswerInfo]()} {
		if !known[carried] {
			t.Errorf("no trip covers %v", carried)
		}
	}
}

// signature returns the types of a method, out of their pointers and pages.
func signature(method reflect.Type) []reflect.Type {
	var used []reflect.Type
	add := func(typ reflect.Type) {
		if typ == reflect.TypeFor[context.Context]() || typ == reflect.TypeFor[error]() {
			return
		}
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() == reflect.Struct {
			if items, ok := typ.FieldByName("Items"); ok {
				typ = items.Type.Elem()
			}
		}
		used = append(used, typ)
	}
	for i := range method.NumIn() {
		add(method.In(i))
	}
	for i := range method.NumOut() {
		add(method.Out(i))
	}
	return used
}

func TestPagesKeepOrderAndToken(t *testing.T) {
	records := []registry.ProcessRecord{wiretest.Full[registry.ProcessRecord](1), wiretest.Full[registry.ProcessRecord](500)}
	page, err := RecordPageFromPB(RecordsToPB(records), "next")
	if err != nil {
		t.Fatal(err)
	}
	if want := (registry.Page[registry.ProcessRecord]{Items: records, NextToken: "next"}); !reflect.DeepEqual(page, want) {
		t.Errorf("records: got %+v, want %+v", page, want)
	}
	grants := []registry.ProcessHandleGrant{wiretest.Full[registry.ProcessHandleGrant](1), wiretest.Full[registry.ProcessHandleGrant](500)}
	granted, err := GrantPageFromPB(GrantsToPB(grants), "next")
	if err != nil {
		t.Fatal(err)
	}
	if want := (registry.Page[registry.ProcessHandleGrant]{Items: grants, NextToken: "next"}); !reflect.DeepEqual(granted, want) {
		t.Errorf("grants: got %+v, want %+v", granted, want)
	}
	empty, err := RecordPageFromPB(RecordsToPB(nil), "")
	if err != nil || empty.Items != nil || empty.NextToken != "" {
		t.Errorf("empty page: got %+v, %v", empty, err)
	}
}

func TestAbsentIsNotPresent(t *testing.T) {
	if FenceToPB(nil) != nil || FenceFromPB(nil) != nil {
		t.Error("no fence became one")
	}
	if SessionToPB(nil) != nil || SessionFromPB(nil) != nil {
		t.Error("no session became one")
	}
	if lease, err := OptionalLeaseFromPB(OptionalLeaseToPB(nil)); lease != nil || err != nil {
		t.Errorf("no lease became %v, %v", lease, err)
	}
	lease := wiretest.Full[registry.ProcessLease](1)
	if arrived, err := OptionalLeaseFromPB(OptionalLeaseToPB(&lease)); err != nil || !reflect.DeepEqual(*arrived, lease) {
		t.Errorf("a lease became %v, %v", arrived, err)
	}
}
