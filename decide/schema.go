package decide

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/holdfast-registry/holdfast/registry"
)

// The bounds of the compiled schemas that are kept, by number and by the bytes
// of their texts. Programs declare a handful; one that makes up new ones for
// every process compiles them anew.
const (
	maxCachedSchemas     = 1024
	maxCachedSchemaBytes = 8 << 20
)

// schemaCache compiles payload schemas and keeps them by their text.
type schemaCache struct {
	mu       sync.RWMutex
	compiled map[string]*meteredSchema
	// bytes is the length of all texts in compiled.
	bytes int
}

func newSchemaCache() *schemaCache {
	return &schemaCache{compiled: make(map[string]*meteredSchema)}
}

// acceptsAll tells the any-schema, which needs no compiler.
func acceptsAll(schema registry.JSON) bool { return len(schema) == 0 || string(schema) == "{}" }

// noReferences is the loader of a compiler that loads nothing: a schema that
// reaches outside itself could change after it was registered.
type noReferences struct{}

func (noReferences) Load(url string) (any, error) {
	return nil, fmt.Errorf("reference to %q: only references inside the schema are allowed", url)
}

// compile returns the compiled schema, nil for the any-schema.
func (c *schemaCache) compile(schema registry.JSON) (*meteredSchema, error) {
	if acceptsAll(schema) {
		return nil, nil
	}
	c.mu.RLock()
	compiled := c.compiled[string(schema)]
	c.mu.RUnlock()
	if compiled != nil {
		return compiled, nil
	}
	document, err := schemaValue(schema)
	if err != nil {
		return nil, err
	}
	if err := checkDialect(document); err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.UseLoader(noReferences{})
	m := new(meter)
	compiler.RegisterVocabulary(m.vocabulary())
	compiler.AssertVocabs()
	const location = "holdfast:///payload_schema"
	if err := compiler.AddResource(location, document); err != nil {
		return nil, err
	}
	schemaRoot, err := compiler.Compile(location)
	if err != nil {
		return nil, err
	}
	compiled = &meteredSchema{Schema: schemaRoot, meter: m}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.compiled) >= maxCachedSchemas || c.bytes+len(schema) > maxCachedSchemaBytes {
		clear(c.compiled)
		c.bytes = 0
	}
	if c.compiled[string(schema)] == nil {
		c.bytes += len(schema)
	}
	c.compiled[string(schema)] = compiled
	return compiled, nil
}

// dialect is the only one that schemas may be written in. Spec A11.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// checkDialect refuses a schema that names another dialect, in which the same
// words would mean something else.
func checkDialect(document any) error {
	object, _ := document.(map[string]any)
	named, ok := object["$schema"]
	if !ok || named == dialect || named == dialect+"#" {
		return nil
	}
	return fmt.Errorf("$schema is %v, not %s", named, dialect)
}

// check tells why a payload does not fit a schema.
func (c *schemaCache) check(schema, payload registry.JSON) error {
	compiled, err := c.compile(schema)
	if err != nil || compiled == nil {
		return err
	}
	value, err := schemaValue(payload)
	if err != nil {
		return err
	}
	err = compiled.validate(value, len(payload))
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		return errors.New(validationText(invalid))
	}
	return err
}

// schemaValue gives a JSON text the form that the library works on. It goes by
// way of the canonical text, whose numbers have short exponents: the library
// computes with exact rationals, which a sender's 1e-999999999 would blow up.
func schemaValue(raw registry.JSON) (any, error) {
	canonical, err := registry.CanonicalJSON(raw)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(canonical))
}

// printer words the library's messages.
var printer = message.NewPrinter(language.English)

// validationText says what is wrong with the first value that is.
func validationText(e *jsonschema.ValidationError) string {
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	where := "payload"
	for _, token := range e.InstanceLocation {
		where += "." + token
	}
	return fmt.Sprintf("%s: %s", where, e.ErrorKind.LocalizedString(printer))
}
