package check

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// jsonText is the JSON of a value, in which equal values look alike.
func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%v (%v)", v, err)
	}
	return string(text)
}

// unlike is the first thing in which an answer is not the model's. Most are found
// in worlds that did not happen, so that the text is only written when somebody
// reads it.
type unlike struct {
	what      string
	got, want any
}

// String says what was answered and what the model answers.
func (u *unlike) String() string {
	if u.got == nil && u.want == nil {
		return u.what
	}
	return fmt.Sprintf("%s %s\nthe model %s", u.what, jsonText(u.got), jsonText(u.want))
}

// differs is difference for an answer that may be that of a repeat: where that
// stands is where the write was done the first and only time, but records were
// read again and may be newer. Spec A9.
func differs(o *history.Op, want model.Answer) *unlike {
	got := o.Answer
	if readAgain(o) && want.Record != nil {
		if !sameLife(got.Record, want.Record) {
			return &unlike{"answered again with the record", got.Record, want.Record}
		}
		got.Record = want.Record
	}
	for i := range got.Claims[:min(len(got.Claims), len(want.Claims))] {
		if record := got.Claims[i].Record; record.Revision > o.Info.Revision && sameLife(&record, &want.Claims[i].Record) {
			got.Claims = slices.Clone(got.Claims)
			got.Claims[i].Record = want.Claims[i].Record
		}
	}
	return difference(got, want)
}

func sameLife(a, b *registry.ProcessRecord) bool {
	return a.ID == b.ID && a.Life == b.Life && a.RegistrationHash == b.RegistrationHash
}

// readAgain tells whether a write was answered as a repeat, with a record that is
// newer than the write.
func readAgain(o *history.Op) bool {
	r := o.Answer.Record
	return r != nil && !isRead(o.Call) && r.Revision > o.Info.Revision
}

// unseen are the fields of the model's answers that no caller gets.
var unseen = []string{"Code", "Fields", "Again", "Revision", "Life"}

// difference is where two answers differ, nil if they do not. Of a refusal only
// the facts that the model promises are compared.
func difference(got, want model.Answer) *unlike {
	if got.Code != want.Code {
		return &unlike{what: fmt.Sprintf("answered %s, the model %s", codeName(got), codeName(want))}
	}
	if want.Code != 0 {
		return fieldsDifference(got, want)
	}
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range w.NumField() {
		name := w.Type().Field(i).Name
		if slices.Contains(unseen, name) || (isEmpty(g.Field(i)) && isEmpty(w.Field(i))) {
			continue
		}
		if gotValue, wantValue := g.Field(i).Interface(), w.Field(i).Interface(); !alike(gotValue, wantValue) {
			return &unlike{"answered the " + strings.ToLower(name), gotValue, wantValue}
		}
	}
	return nil
}

// alike compares two values. What differs in memory may still be the same, as
// written or left out: then their JSON decides, unless it is plain.
func alike(got, want any) bool {
	switch w := want.(type) {
	case *registry.ProcessLease:
		if g := got.(*registry.ProcessLease); g == nil || w == nil || g.FencingToken != w.FencingToken || g.ExpiresAtMs != w.ExpiresAtMs {
			return g == w
		}
	case *registry.ProcessRecord:
		if g := got.(*registry.ProcessRecord); g == nil || w == nil || plainlyDiffer(g, w) {
			return g == w
		}
	case []registry.ProcessRecord:
		g := got.([]registry.ProcessRecord)
		if len(g) != len(w) {
			return false
		}
		for i := range w {
			if plainlyDiffer(&g[i], &w[i]) {
				return false
			}
		}
	case []registry.ProcessEvent:
		if g := got.([]registry.ProcessEvent); len(g) != len(w) {
			return false
		}
	}
	return reflect.DeepEqual(got, want) || jsonText(got) == jsonText(want)
}

func plainlyDiffer(a, b *registry.ProcessRecord) bool {
	return a.ID != b.ID || a.Revision != b.Revision || a.Life != b.Life || a.UpdatedAtMs != b.UpdatedAtMs || a.Status.State != b.Status.State
}

// isEmpty treats no list and an empty one alike.
func isEmpty(v reflect.Value) bool {
	return v.IsZero() || (v.Kind() == reflect.Slice && v.Len() == 0)
}

func codeName(a model.Answer) string {
	if a.Code == 0 {
		return "without an error"
	}
	return a.Code.String()
}

func fieldsDifference(got, want model.Answer) *unlike {
	g, w := reflect.ValueOf(got.Fields), reflect.ValueOf(want.Fields)
	for i := range w.NumField() {
		if w.Field(i).IsZero() {
			continue
		}
		if gotValue, wantValue := g.Field(i).Interface(), w.Field(i).Interface(); !reflect.DeepEqual(gotValue, wantValue) {
			return &unlike{fmt.Sprintf("refused with %s and %s", got.Code, w.Type().Field(i).Name), gotValue, wantValue}
		}
	}
	return nil
}

// asked is the call of a known operation as the model takes it: with what the
// implementation drew.
func asked(o *history.Op) model.Op {
	l := o.Answer.Lease
	switch call := o.Call.(type) {
	case model.ClaimNext:
		// The model may grant more than was granted: then the answers differ.
		call.Tokens = slices.Repeat([]string{unknownToken}, call.Limit)
		for i := range o.Answer.Claims[:min(call.Limit, len(o.Answer.Claims))] {
			call.Tokens[i] = o.Answer.Claims[i].Lease.LeaseToken
		}
		return call
	case model.ClaimProcessLease:
		if l != nil {
			call.Token = l.LeaseToken
		}
		return call
	case model.ReclaimProcessLease:
		if l != nil {
			call.Token = l.LeaseToken
		}
		return call
	}
	return o.Call
}
