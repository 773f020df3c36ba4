package wire

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire/wiretest"
)

// overStatus sends an error through the bytes of its status.
func overStatus(t *testing.T, err error) error {
	t.Helper()
	sent, ok := status.FromError(ErrorToStatus(err))
	if !ok {
		t.Fatalf("%v did not become a status", err)
	}
	arrived := sent.Proto()
	return status.FromProto(arrived).Err()
}

func TestEveryCodeHasAGRPCCodeAndAWireNumber(t *testing.T) {
	numbers := pb.ErrorCode(0).Descriptor().Values()
	if got, want := numbers.Len(), len(registry.Codes())+1; got != want {
		t.Errorf("the .proto file has %d codes, want %d", got, want)
	}
	if got, want := len(grpcCodes), len(registry.Codes()); got != want {
		t.Errorf("the table has %d codes, want %d", got, want)
	}
	for _, info := range registry.Codes() {
		code, ok := grpcCodes[info.Code]
		if !ok || code == codes.OK {
			t.Errorf("%s has the gRPC code %v", info.Name, code)
		}
		if !info.Definite && code == codes.Unavailable {
			t.Errorf("%s is indefinite, but %v is sent again by proxies", info.Name, code)
		}
		number := numbers.ByNumber(protoreflect.EnumNumber(info.Code))
		if number == nil || strings.ReplaceAll(strings.TrimPrefix(string(number.Name()), "ERROR_CODE_"), "_", "") != strings.ToUpper(info.Name) {
			t.Errorf("%s is %v in the .proto file", info.Name, number)
		}
	}
}

func TestEveryErrorSurvivesTheWireWithEveryField(t *testing.T) {
	for _, info := range registry.Codes() {
		for _, fields := range []registry.Fields{{}, wiretest.Full[registry.Fields](uint64(info.Code))} {
			for _, unknown := range []bool{false, info.Definite} {
				sent := &registry.Error{Code: info.Code, Message: "why " + info.Name, Fields: fields, Unknown: unknown}
				onWire := overStatus(t, fmt.Errorf("wrapped: %w", sent))
				if got := status.Code(onWire); got != grpcCodes[info.Code] {
					t.Errorf("%s has the status %v", info.Name, got)
				}
				arrived, ok := ErrorFromStatus(onWire)
				if !ok || !reflect.DeepEqual(arrived, sent) {
					t.Errorf("sent    %+v\narrived %+v (%v)", sent, arrived, ok)
				}
				if arrived.Definite() != sent.Definite() {
					t.Errorf("%s: definite %v became %v", info.Name, sent.Definite(), arrived.Definite())
				}
			}
		}
	}
}

func TestZeroIsNotAbsentInErrors(t *testing.T) {
	zero := uint64(0)
	sent := registry.Errorf(registry.CodeFenced, registry.Fields{FencingToken: &zero}, "fenced")
	arrived, ok := ErrorFromStatus(overStatus(t, sent))
	if !ok || arrived.Fields.FencingToken == nil || *arrived.Fields.FencingToken != 0 {
		t.Errorf("a fencing token of 0 arrived as %v", arrived.Fields.FencingToken)
	}
	if arrived.Fields.Limit != nil || arrived.Fields.Field != "" {
		t.Errorf("absent fields arrived as %+v", arrived.Fields)
	}
}

func TestErrorsFromOutsideTheCatalogueAreInternalAndIndefinite(t *testing.T) {
	arrived, ok := ErrorFromStatus(overStatus(t, context.Canceled))
	if !ok || arrived.Code != registry.CodeInternal || arrived.Definite() || arrived.Message != context.Canceled.Error() {
		t.Errorf("arrived %+v, %v", arrived, ok)
	}
	if ErrorToStatus(nil) != nil {
		t.Error("no error became one")
	}
}

func TestStatusErrorsStayAsTheyAre(t *testing.T) {
	sent := status.Error(codes.ResourceExhausted, "of gRPC itself")
	if got := ErrorToStatus(sent); !errors.Is(got, sent) {
		t.Errorf("became %v", got)
	}
}

func TestErrorsWithoutOurDetailAreNotOurs(t *testing.T) {
	unspecified, _ := status.New(codes.Internal, "zero").WithDetails(&pb.ErrorDetail{Message: "zero"})
	tooHigh, _ := status.New(codes.Internal, "high").WithDetails(&pb.ErrorDetail{Code: 1 << 16})
	negative, _ := status.New(codes.Internal, "low").WithDetails(&pb.ErrorDetail{Code: -1})
	other, _ := status.New(codes.Internal, "other").WithDetails(&pb.AckWakeRequest{})
	for _, err := range []error{
		nil, errors.New("plain"), context.Canceled, status.Error(codes.Unavailable, "connection refused"),
		unspecified.Err(), tooHigh.Err(), negative.Err(), other.Err(),
	} {
		if e, ok := ErrorFromStatus(err); ok || e != nil {
			t.Errorf("%v reads as %+v, %v", err, e, ok)
		}
	}
}

func TestErrorsOfTheRegistryAreReturnedAsTheyAre(t *testing.T) {
	sent := registry.Errorf(registry.CodeNotFound, registry.Fields{}, "gone")
	if got, ok := ErrorFromStatus(fmt.Errorf("call: %w", sent)); !ok || got != sent {
		t.Errorf("got %v, %v", got, ok)
	}
}

func TestCodesOfLaterVersionsKeepTheirNumberAndAreIndefinite(t *testing.T) {
	later, err := status.New(codes.Unknown, "later").WithDetails(&pb.ErrorDetail{Code: 999, Definite: true, Message: "later"})
	if err != nil {
		t.Fatal(err)
	}
	arrived, ok := ErrorFromStatus(later.Err())
	if !ok || arrived.Code != 999 || arrived.Definite() {
		t.Errorf("arrived %+v, %v", arrived, ok)
	}
}

func TestErrorsStaySmallEnoughForTrailers(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	sent := registry.Errorf(registry.CodeAlreadyExists, registry.Fields{Existing: long, New: long, ProcessID: "p"}, "%s", long)
	onWire := overStatus(t, sent)
	if size := len(status.Convert(onWire).Message()); size > maxErrorText {
		t.Errorf("the text has %d bytes", size)
	}
	arrived, ok := ErrorFromStatus(onWire)
	if !ok {
		t.Fatal("the detail was lost")
	}
	if !utf8.ValidString(arrived.Message) || !strings.HasSuffix(arrived.Message, "é…") || len(arrived.Message) < maxErrorText-8 {
		t.Errorf("the text became %d bytes ending in %q", len(arrived.Message), arrived.Message[len(arrived.Message)-8:])
	}
	if arrived.Fields.Existing != "" || arrived.Fields.New != "" || arrived.Fields.ProcessID != "p" {
		t.Errorf("the fields became %d and %d bytes, process %q", len(arrived.Fields.Existing), len(arrived.Fields.New), arrived.Fields.ProcessID)
	}
}

func TestTextThatIsNotUTF8IsRepaired(t *testing.T) {
	sent := registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "id", ProcessID: "a\xffb"}, "bad \xff")
	arrived, ok := ErrorFromStatus(overStatus(t, sent))
	if !ok || arrived.Message != "bad \uFFFD" || arrived.Fields.ProcessID != "a\uFFFDb" || arrived.Fields.Field != "id" {
		t.Errorf("arrived %+v, %v", arrived, ok)
	}
}
