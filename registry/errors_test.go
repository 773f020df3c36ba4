package registry_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// sentinels repeats every sentinel with the number that it must keep for ever.
var sentinels = []struct {
	number registry.Code
	err    error
}{
	{1, registry.ErrInvalidArgument}, {2, registry.ErrNotFound}, {3, registry.ErrAlreadyExists},
	{4, registry.ErrTerminal}, {5, registry.ErrUndeclaredEvent}, {6, registry.ErrMissingReplayKey},
	{7, registry.ErrReplayConflict}, {8, registry.ErrPayloadRejected}, {9, registry.ErrNotGranted},
	{10, registry.ErrLeaseExpired}, {11, registry.ErrFenced}, {12, registry.ErrTooLarge},
	{13, registry.ErrOverloaded}, {14, registry.ErrSessionExpired}, {15, registry.ErrLifeEnded},
	{16, registry.ErrCompacted}, {17, registry.ErrBatchRefused}, {18, registry.ErrNotLeader},
	{19, registry.ErrNoLeader}, {20, registry.ErrOutcomeUnknown}, {21, registry.ErrUnauthenticated},
	{22, registry.ErrPermissionDenied}, {23, registry.ErrUnsupported}, {24, registry.ErrCorrupt},
	{25, registry.ErrInternal},
}

// fieldNames are the JSON names of all fields.
func fieldNames() map[string]bool {
	names := map[string]bool{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[registry.Fields]()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}

func TestCatalogue(t *testing.T) {
	codes := registry.Codes()
	t.Run("every code has its sentinel", func(t *testing.T) {
		if len(codes) != len(sentinels) {
			t.Fatalf("%d codes, %d sentinels", len(codes), len(sentinels))
		}
	})
	names := map[string]bool{}
	for i, info := range codes {
		t.Run(info.Name+" keeps its number, name, meaning and sentinel", func(t *testing.T) {
			if int(info.Code) != i+1 || info.Code != sentinels[i].number {
				t.Errorf("the number is %d", info.Code)
			}
			if info.Name == "" || names[info.Name] {
				t.Errorf("the name %q is taken", info.Name)
			}
			names[info.Name] = true
			if !strings.HasPrefix(info.Meaning, "is returned ") || !strings.HasSuffix(info.Meaning, ".") {
				t.Errorf("the meaning is %q", info.Meaning)
			}
			if !strings.HasSuffix(info.Remedy, ".") {
				t.Errorf("what to do is %q", info.Remedy)
			}
			for _, field := range strings.Split(info.Fields, ", ") {
				if info.Fields != "" && !fieldNames()[field] {
					t.Errorf("there is no field %q", field)
				}
			}
			if registry.CodeByName(info.Name) != info.Code || info.Code.String() != info.Name || info.Code.Info() != info {
				t.Error("name and number do not lead to each other")
			}
			err := fmt.Errorf("around: %w", registry.Errorf(info.Code, registry.Fields{}, "text"))
			for j, other := range sentinels {
				if errors.Is(err, other.err) != (i == j) {
					t.Errorf("errors.Is with %v is wrong", other.err)
				}
			}
			if registry.CodeOf(err) != info.Code || registry.IsDefinite(err) != info.Definite {
				t.Error("code or definiteness is lost in wrapping")
			}
			if sentinels[i].err.Error() != info.Name {
				t.Errorf("the sentinel prints %q", sentinels[i].err)
			}
		})
	}
}

func TestErrorsOutsideTheCatalogue(t *testing.T) {
	t.Run("no error has no code", func(t *testing.T) {
		if registry.CodeOf(nil) != 0 {
			t.Fail()
		}
	})
	t.Run("a foreign error is internal and indefinite", func(t *testing.T) {
		if registry.CodeOf(context.Canceled) != registry.CodeInternal || registry.IsDefinite(context.Canceled) {
			t.Fail()
		}
	})
	t.Run("an unknown code is indefinite and has a name to print", func(t *testing.T) {
		if info := registry.Code(999).Info(); info.Definite || info.Name != "Code999" {
			t.Errorf("%+v", info)
		}
		if registry.Code(0).Info().Definite || registry.CodeByName("") != 0 {
			t.Error("zero is a code")
		}
	})
	t.Run("a definite code marked unknown is indefinite", func(t *testing.T) {
		err := registry.Errorf(registry.CodeNotFound, registry.Fields{}, "text")
		err.Unknown = true
		if registry.IsDefinite(err) {
			t.Fail()
		}
	})
}
