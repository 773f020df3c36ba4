package wire

import (
	"reflect"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire/wiretest"
)

// someOperations are one of each sort, every field set.
func someOperations() []registry.Operation {
	return []registry.Operation{
		wiretest.Full[registry.RegisterProcessOperation](1), wiretest.Full[registry.SetExternalRefOperation](2),
		wiretest.Full[registry.CompleteProcessOperation](3), wiretest.Full[registry.RecordFirstStartedOperation](4),
		wiretest.Full[registry.RequestProcessAbandonOperation](5), wiretest.Full[registry.SetProcessWaitOperation](6),
		wiretest.Full[registry.ClearProcessWaitOperation](7), wiretest.Full[registry.AppendEventOperation](8),
		wiretest.Full[registry.AckWakeOperation](9), wiretest.Full[registry.GrantHandleOperation](10),
		wiretest.Full[registry.RevokeHandleOperation](11), wiretest.Full[registry.TransferHandleGrantsOperation](12),
		wiretest.Full[registry.DeleteSessionProcessStateOperation](13), wiretest.Full[registry.ClaimProcessLeaseOperation](14),
		wiretest.Full[registry.ReclaimProcessLeaseOperation](15), wiretest.Full[registry.RenewProcessLeaseOperation](16),
		wiretest.Full[registry.CompleteProcessLeaseOperation](17), wiretest.Full[registry.ReleaseForRetryOperation](18),
	}
}

func TestEveryOperationOfABatchCrossesTheWire(t *testing.T) {
	operations := someOperations()
	fields := (&pb.BatchOperation{}).ProtoReflect().Descriptor().Oneofs().ByName("operation").Fields()
	if len(operations) != fields.Len() {
		t.Errorf("%d operations here, the .proto file has %d", len(operations), fields.Len())
	}
	encoded, err := OperationsToPB(operations)
	if err != nil {
		t.Fatal(err)
	}
	crossed := cross(t, &pb.BatchRequest{Operations: encoded}).(*pb.BatchRequest)
	got, err := OperationsFromPB(crossed.GetOperations())
	if err != nil {
		t.Fatal(err)
	}
	for i, operation := range operations {
		if !reflect.DeepEqual(got[i], operation) {
			t.Errorf("sent    %+v\narrived %+v", operation, got[i])
		}
	}
}

type strange struct{ registry.Operation }

func TestOperationsThatAreNoneAreRefusedByNumber(t *testing.T) {
	_, err := OperationsToPB([]registry.Operation{registry.AckWakeOperation{}, strange{}})
	if e, ok := err.(*registry.Error); !ok || e.Code != registry.CodeInvalidArgument || *e.Fields.Operation != 1 {
		t.Errorf("%v", err)
	}
	ack := &pb.BatchOperation{Operation: &pb.BatchOperation_AckWake{AckWake: &pb.AckWakeRequest{}}}
	for name, spoilt := range map[string]*pb.BatchOperation{
		"missing":          {},
		"without contents": {Operation: &pb.BatchOperation_GrantHandle{GrantHandle: &pb.GrantHandleRequest{}}},
	} {
		_, err := OperationsFromPB([]*pb.BatchOperation{ack, spoilt})
		if e, ok := err.(*registry.Error); !ok || e.Code != registry.CodeInvalidArgument || *e.Fields.Operation != 1 || e.Fields.OperationCode != "InvalidArgument" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryAnswerOfABatchCrossesTheWire(t *testing.T) {
	answers := []registry.OperationAnswer{{}, wiretest.Full[registry.OperationAnswer](1), wiretest.Full[registry.OperationAnswer](2)}
	crossed := cross(t, &pb.BatchResponse{Answers: OperationAnswersToPB(answers)}).(*pb.BatchResponse)
	got, err := OperationAnswersFromPB(crossed.GetAnswers())
	if err != nil || !reflect.DeepEqual(got, answers) {
		t.Errorf("sent    %+v\narrived %+v (%v)", answers, got, err)
	}
	if _, err := OperationAnswersFromPB([]*pb.BatchAnswer{{Grant: &pb.ProcessHandleGrant{}, Record: &pb.ProcessRecord{}}}); err == nil {
		t.Error("an answer with half a record was taken")
	}
}
