package check

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
)

// jsonText is the JSON of a value, in which equal values look alike.
func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%v (%v)", v, err)
	}
	return string(text)
}

// differs is difference for an answer that may be that of a repeat.
func differs(o *history.Op, want model.Answer) string {
	got := o.Answer
	if readAgain(o) && want.Record != nil {
		record := *got.Record
		got.Record = want.Record
		if record.ID != want.Record.ID || record.Life != want.Record.Life || record.RegistrationHash != want.Record.RegistrationHash {
			return fmt.Sprintf("answered again with the record %s\nthe model %s", jsonText(record), jsonText(want.Record))
		}
	}
	return difference(got, want)
}

// readAgain tells whether a write was answered as a repeat: where it stands is
// that of its first and only time, but the record was read again and may be
// newer. Spec A9.
func readAgain(o *history.Op) bool {
	r := o.Answer.Record
	return r != nil && !isRead(o.Call) && r.Revision > o.Info.Revision
}

// unseen are the fields of the model's answers that no caller gets.
var unseen = []string{"Code", "Fields", "Again", "Revision", "Life"}

// difference says in which field two answers differ, or nothing. Of a refusal
// only the facts that the model promises are compared.
func difference(got, want model.Answer) string {
	if got.Code != want.Code {
		return fmt.Sprintf("answered %s, the model %s", codeName(got), codeName(want))
	}
	if want.Code != 0 {
		return fieldsDifference(got, want)
	}
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range w.NumField() {
		name := w.Type().Field(i).Name
		if slices.Contains(unseen, name) || (isEmpty(g.Field(i)) && isEmpty(w.Field(i))) ||
			reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
			continue
		}
		// What differs in memory may still be the same, as written or left out.
		if gotText, wantText := jsonText(g.Field(i).Interface()), jsonText(w.Field(i).Interface()); gotText != wantText {
			return fmt.Sprintf("answered the %s %s\nthe model %s", strings.ToLower(name), gotText, wantText)
		}
	}
	return ""
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

func fieldsDifference(got, want model.Answer) string {
	g, w := reflect.ValueOf(got.Fields), reflect.ValueOf(want.Fields)
	for i := range w.NumField() {
		if w.Field(i).IsZero() {
			continue
		}
		if gotText, wantText := jsonText(g.Field(i).Interface()), jsonText(w.Field(i).Interface()); gotText != wantText {
			return fmt.Sprintf("refused with %s and %s %s, the model with %s", got.Code, w.Type().Field(i).Name, gotText, wantText)
		}
	}
	return ""
}

// asked is the call of a known operation as the model takes it: with what the
// implementation drew.
func asked(o *history.Op) model.Op {
	l := o.Answer.Lease
	switch call := o.Call.(type) {
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
