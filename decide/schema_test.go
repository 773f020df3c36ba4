package decide

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func TestSchemasThatAreRefusedAtRegistration(t *testing.T) {
	for _, c := range []struct{ name, schema string }{
		{"a reference to another host", `{"$ref":"http://example.com/schema"}`},
		{"a reference to a file", `{"$ref":"file:///etc/passwd"}`},
		{"a reference that an own id makes remote", `{"$id":"http://example.com/a","$ref":"b"}`},
		{"a dynamic reference to another host", `{"properties":{"a":{"$dynamicRef":"http://example.com/schema"}}}`},
		{"an older dialect", `{"$schema":"http://json-schema.org/draft-07/schema#"}`},
		{"a dialect from another host", `{"$schema":"http://example.com/dialect"}`},
		{"a reference to nothing", `{"$ref":"#/$defs/none"}`},
		{"an unknown type", `{"type":"text"}`},
		{"a keyword of the wrong type", `{"required":"n"}`},
		{"a pattern that is none", `{"pattern":"("}`},
		{"a divisor of zero", `{"multipleOf":0}`},
		{"a divisor that is zero to every computer", `{"multipleOf":1e-999999999}`},
		{"a number", `1`},
		{"null", `null`},
		{"a list", `[]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, log := newTestRegistry(t)
			_, err := r.RegisterProcess(t.Context(), job("p", c.schema, registry.EventSemanticsSpec{}))
			refusal := wantCode(t, err, registry.CodeInvalidArgument)
			if refusal.Fields.Field != "event_types[0].payload_schema.schema" || refusal.Fields.EventType != "note" {
				t.Errorf("fields %+v", refusal.Fields)
			}
			if len(log.commands) != 0 {
				t.Error("the registration reached the log")
			}
		})
	}
}

func TestPayloadsAgainstSchemas(t *testing.T) {
	for _, c := range []struct {
		name, schema, payload string
		fits                  bool
	}{
		{"the any-schema takes anything", `{}`, `[null]`, true},
		{"so does true", `true`, `1`, true},
		{"the dialect may be named", `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"string"}`, `"x"`, true},
		{"false takes nothing", `false`, `1`, false},
		{"a required property", `{"type":"object","required":["n"]}`, `{"n":null}`, true},
		{"a missing property", `{"type":"object","required":["n"]}`, `{"m":1}`, false},
		{"the last of equal keys counts", `{"properties":{"n":{"type":"string"}}}`, `{"n":1,"n":"x"}`, true},
		{"1.0 is an integer in JSON Schema", `{"type":"integer"}`, `1.0`, true},
		{"1.5 is none", `{"type":"integer"}`, `1.5`, false},
		{"large integers keep their last digit", `{"const":18446744073709551615}`, `18446744073709551614`, false},
		{"references inside the schema", `{"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}`, `"x"`, true},
		{"a reference to itself is an answer, not a crash", `{"$ref":"#"}`, `1`, false},
		{"not of itself is one too", `{"not":{"$ref":"#"}}`, `1`, true},
		{"recursion down the payload", `{"items":{"$ref":"#"},"type":["array","null"]}`, `[[null],[[1]]]`, false},
		{"a huge exponent is harmless", `{"multipleOf":3}`, `1e-999999999`, true},
		{"so is one inside", `{"items":{"minimum":1}}`, `[1e-999999999]`, false},
		{"far numbers are exact", `{"multipleOf":3e-300}`, `1e300`, false},
		{"a pattern runs in linear time", `{"pattern":"(a+)+$"}`, `"` + strings.Repeat("a", 50_000) + `!"`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := newTestRegistry(t)
			mustRegister(t, r, job("p", c.schema, registry.EventSemanticsSpec{}))
			result, err := r.AppendEvent(t.Context(), "p", appendNote(c.payload, ""), nil)
			if c.fits {
				if err != nil || string(result.Event.Payload) != c.payload {
					t.Errorf("%s (%v)", result.Event.Payload, err)
				}
				return
			}
			refusal := wantCode(t, err, registry.CodePayloadRejected)
			if !strings.HasPrefix(refusal.Message, "invalid `note` payload: payload") || refusal.Fields.EventType != "note" {
				t.Errorf("%q, %+v", refusal.Message, refusal.Fields)
			}
		})
	}
}

func TestARefusalNamesTheFirstValueThatIsWrong(t *testing.T) {
	err := newSchemaCache().check(registry.JSON(`{"properties":{"a":{"items":{"type":"string"}}}}`), registry.JSON(`{"a":["x",1]}`))
	if err == nil || !strings.HasPrefix(err.Error(), "payload.a.1: ") || !strings.Contains(err.Error(), "string") {
		t.Errorf("%v", err)
	}
}

func TestACompiledSchemaIsUsedAgain(t *testing.T) {
	c := newSchemaCache()
	schema := registry.JSON(`{"type":"object"}`)
	first, err := c.compile(schema)
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := c.compile(schema); second != first {
		t.Error("it was compiled again")
	}
	if any, err := c.compile(registry.JSON(`{}`)); any != nil || err != nil {
		t.Errorf("the any-schema needs no compiler: %v, %v", any, err)
	}
}

func TestTheCacheOfSchemasIsBounded(t *testing.T) {
	c := newSchemaCache()
	check := func() {
		t.Helper()
		bytes := 0
		for text := range c.compiled {
			bytes += len(text)
		}
		if len(c.compiled) > maxCachedSchemas || bytes > maxCachedSchemaBytes || bytes != c.bytes {
			t.Fatalf("%d schemas of %d bytes, counted %d", len(c.compiled), bytes, c.bytes)
		}
	}
	for i := range maxCachedSchemas + 10 {
		if _, err := c.compile(registry.JSON(fmt.Sprintf(`{"const":%d}`, i))); err != nil {
			t.Fatal(err)
		}
	}
	check()
	for i := range 12 {
		large := fmt.Sprintf(`{"const":%d,"$comment":"%s"}`, i, strings.Repeat("x", 1<<20-100))
		if _, err := c.compile(registry.JSON(large)); err != nil {
			t.Fatal(err)
		}
		check()
	}
	if _, err := c.compile(registry.JSON(`{"type":1}`)); err == nil {
		t.Error("a schema that does not compile was accepted")
	}
	check()
}

// doubling is a schema whose evaluation doubles with every level.
func doubling(levels int) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/l0","$defs":{`)
	for i := range levels {
		fmt.Fprintf(&b, `"l%d":{"allOf":[{"$ref":"#/$defs/l%d"},{"$ref":"#/$defs/l%d"}]},`, i, i+1, i+1)
	}
	fmt.Fprintf(&b, `"l%d":{"type":"string"}}}`, levels)
	return b.String()
}

func TestASchemaThatMakesTooMuchWorkRefusesThePayload(t *testing.T) {
	c := newSchemaCache()
	// Without a bound, sixty levels would take longer than anybody waits.
	if err := c.check(registry.JSON(doubling(60)), registry.JSON(`"x"`)); err != errTooMuchWork {
		t.Fatalf("%v, want a refusal because of the work", err)
	}
	if err := c.check(registry.JSON(doubling(5)), registry.JSON(`"x"`)); err != nil {
		t.Fatalf("a payload that makes little work: %v", err)
	}
	// The schema is usable again, and large payloads have their work allowed.
	large := "[" + strings.Repeat("1,", 400_000) + "1]"
	if err := c.check(registry.JSON(`{"items":{"type":"integer"}}`), registry.JSON(large)); err != nil {
		t.Fatalf("a large payload under a simple schema: %v", err)
	}
}
