package registrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// scene is one check being played: the registry, and ids that nobody else has.
type scene struct {
	TB
	Harness
	ctx    context.Context
	prefix string
	codes  *codeLog
}

// id makes an id of this check out of a name.
func (s *scene) id(name string) string { return s.prefix + name }

// session is the scope of a session without a frame.
func (s *scene) session(name string) registry.SessionScope {
	return registry.SessionScope{SessionID: s.id(name)}
}

// frame is the scope of a frame in a session.
func (s *scene) frame(session, frame string) registry.SessionScope {
	return registry.SessionScope{SessionID: s.id(session), AgentFrameID: frame}
}

// failure is the error of a call whose answer is of no interest.
func failure[T any](_ T, err error) error { return err }

// refused wants a call to have failed with a code, and to say that it did
// nothing.
func (s *scene) refused(code registry.Code, err error) *registry.Error {
	s.Helper()
	var refusal *registry.Error
	if !errors.As(err, &refusal) {
		s.Fatalf("the answer is %v, want the error %v", err, code)
	}
	if refusal.Code != code {
		s.Fatalf("the error is %v (%v), want %v", refusal.Code, err, code)
	}
	if !refusal.Definite() {
		s.Errorf("the error %v says that the outcome is not definite", err)
	}
	s.codes.add(code)
	return refusal
}

// done wants a call to have succeeded.
func (s *scene) done(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("the call failed with %v: %v", registry.CodeOf(err), err)
	}
}

// form is the JSON form of a value.
func (s *scene) form(value any) string {
	s.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		s.Fatalf("%+v has no JSON form: %v", value, err)
	}
	return string(bytes.TrimSpace(text.Bytes()))
}

// same wants two values to have one JSON form.
func (s *scene) same(what string, got, want any) {
	s.Helper()
	if got, want := s.form(got), s.form(want); got != want {
		s.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// equal wants two values to be equal.
func equal[T comparable](s *scene, what string, got, want T) {
	s.Helper()
	if got != want {
		s.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// holds wants a condition.
func (s *scene) holds(condition bool, format string, args ...any) {
	s.Helper()
	if !condition {
		s.Errorf(format, args...)
	}
}

// patience bounds a wait for something that comes by itself.
const patience = 30 * time.Second

// eventually asks again and again until the answer is yes.
func (s *scene) eventually(what string, holds func() bool) {
	s.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			s.Fatalf("gave up waiting until %s", what)
		}
	}
}

// later lets the registry's clock pass a time, so that what is written from now
// on can be told from what was written at that time.
func (s *scene) later(than uint64) {
	s.Helper()
	if s.Advance != nil {
		s.Advance(5)
		return
	}
	probe := s.id("clock")
	if _, err := s.GetProcess(s.ctx, probe); err != nil {
		s.register(plain(probe))
	}
	s.eventually("the clock moves", func() bool { return s.note(probe, "null").OccurredAtMs > than })
}

// atOnce makes n calls at the same time, and returns when all are answered.
func atOnce(n int, call func(i int)) {
	var calls sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		calls.Go(func() {
			<-start
			call(i)
		})
	}
	close(start)
	calls.Wait()
}

// unchanged runs something and wants a record to be byte for byte what it was,
// although the clock moved on.
func (s *scene) unchanged(processID string, during func()) {
	s.Helper()
	before := s.get(processID)
	s.later(before.UpdatedAtMs)
	during()
	s.same("the record", s.get(processID), before)
}

// moved runs something and wants the record's updated_at to have moved on.
func (s *scene) moved(processID string, during func()) registry.ProcessRecord {
	s.Helper()
	before := s.get(processID)
	s.later(before.UpdatedAtMs)
	during()
	after := s.get(processID)
	s.holds(after.UpdatedAtMs > before.UpdatedAtMs, "updated_at_ms is %d, was %d, and must have moved on", after.UpdatedAtMs, before.UpdatedAtMs)
	equal(s, "created_at_ms", after.CreatedAtMs, before.CreatedAtMs)
	return after
}

// bytewiseIDs makes ids that other orders than the bytewise one would mix up,
// in another order than that, and returns them in that.
func (s *scene) bytewiseIDs(make func(id string)) []string {
	s.Helper()
	sorted := []string{" ", "-", "0", "10", "9", "A", "Z", "_", "a", "aa", "b", "~", "\u00e9", "\uff5e", "\U0001f600"}
	for i := range sorted {
		sorted[i] = s.id(sorted[i])
	}
	// 7 and 15 have no common factor, so every place comes up once.
	for i := range sorted {
		make(sorted[(7*i+3)%len(sorted)])
	}
	return sorted
}
