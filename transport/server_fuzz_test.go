package transport

import (
	"context"
	"sort"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// fuzzTarget is one method of a service, called without a network.
type fuzzTarget struct {
	name   string
	handle func(ctx context.Context, decode func(any) error) (any, error)
}

func fuzzTargets(backend Backend) []fuzzTarget {
	var targets []fuzzTarget
	add := func(server any, service grpc.ServiceDesc) {
		for _, method := range service.Methods {
			targets = append(targets, fuzzTarget{service.ServiceName + "/" + method.MethodName, func(ctx context.Context, decode func(any) error) (any, error) {
				return method.Handler(server, ctx, decode, nil)
			}})
		}
	}
	add(&registryService{backend: backend}, pb.Registry_ServiceDesc)
	add(&adminService{backend: backend}, pb.Admin_ServiceDesc)
	sort.Slice(targets, func(i, j int) bool { return targets[i].name < targets[j].name })
	return targets
}

// FuzzRequests gives any bytes to any method: they are read or refused with an
// error that names a field, and nothing panics.
func FuzzRequests(f *testing.F) {
	backend := newFake("leader", true)
	targets := fuzzTargets(backend)
	for i, target := range targets {
		f.Add(byte(i), []byte{})
		for _, seed := range []proto.Message{
			&pb.RegisterProcessRequest{Registration: wire.RegistrationToPB(aRegistration)},
			&pb.SetExternalRefRequest{ProcessId: "p", Ref: wire.ExternalRefToPB(aRef), Fence: wire.FenceToPB(aFence)},
			&pb.CompleteProcessRequest{ProcessId: "p", Output: wire.OutputToPB(anOutput)},
			&pb.AppendEventRequest{ProcessId: "p", Request: wire.AppendRequestToPB(anAppend)},
			&pb.ReclaimProcessLeaseRequest{ProcessId: "p", Owner: wire.OwnerToPB(anOwner), Observed: wire.LeaseToPB(aLease)},
			&pb.TransferHandleGrantsRequest{From: wire.ScopeToPB(aScope), To: wire.ScopeToPB(otherScope)},
		} {
			bytes, err := proto.Marshal(seed)
			if err != nil {
				f.Fatal(target.name, err)
			}
			f.Add(byte(i), bytes)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, bytes []byte) {
		target := targets[int(which)%len(targets)]
		decoded := true
		_, err := target.handle(t.Context(), func(request any) error {
			err := proto.Unmarshal(bytes, request.(proto.Message))
			decoded = err == nil
			return err
		})
		backend.taken()
		if !decoded || err == nil {
			return
		}
		if e, ok := wire.ErrorFromStatus(err); !ok || e.Code != registry.CodeInvalidArgument || e.Fields.Field == "" {
			t.Errorf("%s: %v", target.name, err)
		}
	})
}
