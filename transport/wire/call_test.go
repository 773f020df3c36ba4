package wire

import (
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/wire/wiretest"
)

func TestAnswerInfoTravelsInTheTrailer(t *testing.T) {
	sent := wiretest.Full[registry.AnswerInfo](7)
	arrived, ok := AnswerFromTrailer(AnswerTrailer(sent))
	if !ok || arrived != sent {
		t.Errorf("sent %+v, arrived %+v, %v", sent, arrived, ok)
	}
	if arrived, ok := AnswerFromTrailer(AnswerTrailer(registry.AnswerInfo{})); !ok || arrived != (registry.AnswerInfo{}) {
		t.Errorf("an empty info arrived as %+v, %v", arrived, ok)
	}
}

func TestTrailersWithoutAnswerInfo(t *testing.T) {
	for name, trailer := range map[string]metadata.MD{
		"none":    nil,
		"other":   metadata.Pairs("other-bin", "x"),
		"garbage": metadata.Pairs(AnswerKey, "\xff\xff\xff"),
	} {
		if info, ok := AnswerFromTrailer(trailer); ok || info != (registry.AnswerInfo{}) {
			t.Errorf("%s reads as %+v, %v", name, info, ok)
		}
	}
}
