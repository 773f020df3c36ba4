package registry_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func TestChangeKindsKeepTheirNumbersAndWords(t *testing.T) {
	words := []string{
		1: "registered", 2: "appended", 3: "ended", 4: "started", 5: "external_ref", 6: "abandon_requested", 7: "wait",
		8: "lease", 9: "lease_extended", 10: "grant", 11: "ack", 12: "wake_target", 13: "pruned",
	}
	kinds := registry.ChangeKinds()
	if len(kinds) != len(words)-1 {
		t.Fatalf("%d kinds, the test knows %d", len(kinds), len(words)-1)
	}
	for i, kind := range kinds {
		if number := i + 1; int(kind) != number || kind.String() != words[number] {
			t.Errorf("kind %d is %d %q, want %q", i, kind, kind, words[number])
		}
	}
	if word := registry.ChangeKind(200).String(); word != "kind_200" {
		t.Errorf("a kind of a later version is %q", word)
	}
	var kind registry.ChangeKind
	if err := kind.UnmarshalText([]byte("kind_200")); err != nil || kind != 200 {
		t.Errorf("it came back as %d, %v", kind, err)
	}
	for _, text := range []string{"", "kind_", "kind_0", "kind_256", "kind_x", "other"} {
		if err := kind.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, kind)
		}
	}
}

func TestTheFormOfAChange(t *testing.T) {
	for want, change := range map[string]registry.ProcessChange{
		`{"revision":7,"process_id":"p","life":3,"kind":"ended","sequence":4}`: {Revision: 7, ProcessID: "p", Life: 3, Kind: registry.ChangeEnded, Sequence: 4},
		`{"revision":7,"process_id":"p","life":3,"kind":"lease"}`:              {Revision: 7, ProcessID: "p", Life: 3, Kind: registry.ChangeLease},
		`{"revision":7,"process_id":"p","life":3,"kind":"kind_99"}`:            {Revision: 7, ProcessID: "p", Life: 3, Kind: 99},
	} {
		got, err := json.Marshal(change)
		if err != nil || string(got) != want {
			t.Errorf("%s, %v\nwant %s", got, err, want)
		}
		var back registry.ProcessChange
		if err := json.Unmarshal(got, &back); err != nil || back != change {
			t.Errorf("%s came back as %+v, %v", got, back, err)
		}
	}
}

func TestChangeCursorsAreReadBack(t *testing.T) {
	for _, cursor := range []registry.ChangeCursor{
		{ClusterID: "c1", RestoreEpoch: 0, Revision: 9},
		{ClusterID: "a.b", RestoreEpoch: 3, Revision: ^uint64(0)},
	} {
		got, err := registry.ParseChangeCursor(cursor.String())
		if err != nil || got != cursor {
			t.Errorf("%v came back as %v, %v", cursor, got, err)
		}
	}
	if got, err := registry.ParseChangeCursor(""); err != nil || got != (registry.ChangeCursor{}) {
		t.Errorf("the empty text is %v, %v", got, err)
	}
	for _, text := range []string{"7", "1.7", ".1.7", "c.x.7", "c.1.x", "c.-1.7", "c.1.", "c..7", "c.1.18446744073709551616", "\x01.1.7"} {
		if got, err := registry.ParseChangeCursor(text); !errors.Is(err, registry.ErrInvalidArgument) {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
}
