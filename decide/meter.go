package decide

import (
	"errors"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The work that one payload may make: every schema that is evaluated counts
// one, and the elements of a list or object that it is evaluated on count too.
// A payload needs about two a byte at most when each of its values meets one
// schema; a schema that doubles its references meets them a million times.
const (
	minEvaluations     = 50_000
	evaluationsPerByte = 2
)

// errTooMuchWork is returned for a payload that its schema makes too much work
// of.
var errTooMuchWork = errors.New("the schema evaluates the payload too often: use fewer references in one another, or a smaller payload")

// meteredSchema is a compiled schema whose evaluations are counted. The library
// has no bound of its own, so a vocabulary that is in every schema object does
// the counting.
type meteredSchema struct {
	*jsonschema.Schema
	meter *meter
}

// meter counts down the evaluations of one payload at a time.
type meter struct {
	mu   sync.Mutex
	left int
}

// vocabulary puts the meter into every schema object that is compiled.
func (m *meter) vocabulary() *jsonschema.Vocabulary {
	return &jsonschema.Vocabulary{
		URL:     "holdfast:///meter",
		Compile: func(*jsonschema.CompilerContext, map[string]any) (jsonschema.SchemaExt, error) { return m, nil },
	}
}

// Validate implements jsonschema.SchemaExt. It ends a validation that costs too
// much by a panic, since the library cannot be told to stop.
func (m *meter) Validate(_ *jsonschema.ValidatorContext, value any) {
	m.left--
	switch value := value.(type) {
	case []any:
		m.left -= len(value)
	case map[string]any:
		m.left -= len(value)
	}
	if m.left < 0 {
		panic(errTooMuchWork)
	}
}

// validate checks a value that was a text of so many bytes.
func (s meteredSchema) validate(value any, bytes int) (err error) {
	s.meter.mu.Lock()
	defer s.meter.mu.Unlock()
	s.meter.left = minEvaluations + evaluationsPerByte*bytes
	defer func() {
		if cause := recover(); cause != nil {
			if cause != errTooMuchWork {
				panic(cause)
			}
			err = errTooMuchWork
		}
	}()
	return s.Validate(value)
}
