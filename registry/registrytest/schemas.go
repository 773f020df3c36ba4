package registrytest

import (
	"github.com/holdfast-registry/holdfast/registry"
)

var schemaChecks = []Check{
	{
		Name: "a payload that does not fit its schema is rejected",
		Why:  "spec 4.2, 5.12 step 6; A8: PayloadRejected",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), schemaType("t", `{"type":"object","required":["a"]}`))).ID
			refusal := s.refused(registry.CodePayloadRejected, failure(s.AppendEvent(s.ctx, id, event("t", `{"b":1}`, ""), nil)))
			equal(s, "process_id", refusal.Fields.ProcessID, id)
			equal(s, "event_type", refusal.Fields.EventType, "t")
			s.append(id, event("t", `{"a":1}`, ""))
		},
	},
	{
		Name: "the any-schema takes everything, true too, and false nothing",
		Why:  "spec A11: JSON Schema 2020-12, in which false accepts nothing",
		check: func(s *scene) {
			fits(s, `{}`, []string{`null`, `0`, `"x"`, `[]`, `{"a":{}}`}, nil)
			fits(s, `true`, []string{`null`, `{}`}, nil)
			fits(s, `false`, nil, []string{`null`, `{}`, `1`})
		},
	},
	{
		Name: "types are those of JSON Schema",
		Why:  "spec A11: an integer is any number without a fraction",
		check: func(s *scene) {
			fits(s, `{"type":"integer"}`, []string{`1`, `-1`, `1.0`, `18446744073709551615`}, []string{`1.5`, `"1"`, `null`})
			fits(s, `{"type":["string","null"]}`, []string{`null`, `""`}, []string{`1`, `[]`, `{}`})
			fits(s, `{"type":"number"}`, []string{`1`, `1e300`}, []string{`true`})
		},
	},
	{
		Name: "bounds are inclusive and exclusive as they say",
		Why:  "spec A11",
		check: func(s *scene) {
			fits(s, `{"minimum":1,"exclusiveMaximum":3}`, []string{`1`, `2.9`, `"text"`}, []string{`0.9`, `3`})
			fits(s, `{"minLength":2,"maxLength":2}`, []string{`"éé"`, `"😀😀"`, `3`}, []string{`"é"`, `"abc"`})
			fits(s, `{"minItems":1,"maxItems":2,"uniqueItems":true}`, []string{`[1]`, `[1,2]`}, []string{`[]`, `[1,2,3]`, `[1,1.0]`})
		},
	},
	{
		Name: "constants and enumerations compare by mathematical value",
		Why:  "spec A11: the semantics of JSON Schema 2020-12",
		check: func(s *scene) {
			fits(s, `{"const":{"a":1}}`, []string{`{"a":1}`, `{"a":1.0}`}, []string{`{"a":2}`, `{}`})
			fits(s, `{"enum":["a",null,2]}`, []string{`"a"`, `null`, `2`}, []string{`"b"`, `false`})
		},
	},
	{
		Name: "objects are checked by properties, required and additionalProperties",
		Why:  "spec A11: additionalProperties is true where it is absent",
		check: func(s *scene) {
			fits(s, `{"properties":{"a":{"type":"string"}}}`, []string{`{}`, `{"a":"x","b":1}`, `1`}, []string{`{"a":1}`})
			fits(s, `{"properties":{"a":{}},"additionalProperties":false}`, []string{`{"a":1}`, `{}`}, []string{`{"b":1}`})
			fits(s, `{"patternProperties":{"^x":{"type":"integer"}},"propertyNames":{"maxLength":2}}`, []string{`{"x":1,"y":"z"}`}, []string{`{"x":"1"}`, `{"abc":1}`})
		},
	},
	{
		Name: "schemas combine by allOf, anyOf, oneOf and not",
		Why:  "spec A11: oneOf is exactly one",
		check: func(s *scene) {
			fits(s, `{"oneOf":[{"type":"integer"},{"minimum":2}]}`, []string{`1`, `2.5`}, []string{`3`, `1.5`})
			fits(s, `{"anyOf":[{"type":"integer"},{"minimum":2}]}`, []string{`3`}, []string{`1.5`})
			fits(s, `{"allOf":[{"type":"integer"},{"not":{"const":2}}]}`, []string{`1`}, []string{`2`, `1.5`})
		},
	},
	{
		Name: "arrays are checked by prefixItems and items",
		Why:  "spec A11",
		check: func(s *scene) {
			fits(s, `{"prefixItems":[{"type":"string"}],"items":{"type":"integer"}}`, []string{`["a",1,2]`, `[]`}, []string{`[1]`, `["a","b"]`})
		},
	},
	{
		Name: "references may lead inside the schema",
		Why:  "spec A11",
		check: func(s *scene) {
			fits(s, `{"$defs":{"node":{"type":"object","properties":{"next":{"$ref":"#/$defs/node"}}}},"$ref":"#/$defs/node"}`,
				[]string{`{"next":{"next":{}}}`}, []string{`{"next":{"next":1}}`})
		},
	},
	{
		Name: "references that lead outside are invalid",
		Why:  "spec A11: never loading a remote or file reference",
		check: func(s *scene) {
			for _, target := range []string{"https://example.com/schema.json", "http://127.0.0.1:1/x", "file:///etc/hostname", "other.json", "#/$defs/none"} {
				invalidSchema(s, `{"$ref":"`+target+`"}`)
			}
		},
	},
	{
		Name: "a schema that is none is invalid at registration",
		Why:  "spec A11: compiled at registration, InvalidArgument",
		check: func(s *scene) {
			for _, schema := range []string{`{"type":"strange"}`, `{"type":5}`, `{"minimum":"1"}`, `{"required":"a"}`, `{"pattern":"("}`, `"text"`, `[]`, `null`, `{"properties":{"a":{"maxLength":-1}}}`} {
				invalidSchema(s, schema)
			}
		},
	},
	{
		Name: "another dialect is invalid",
		Why:  "spec A11: payload schemas are JSON Schema 2020-12",
		check: func(s *scene) {
			invalidSchema(s, `{"$schema":"http://json-schema.org/draft-07/schema#"}`)
			fits(s, `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"string"}`, []string{`""`}, []string{`1`})
		},
	},
	{
		Name: "formats are annotations, and unknown words too",
		Why:  "spec A11: JSON Schema 2020-12",
		check: func(s *scene) {
			fits(s, `{"format":"email","x-hint":"any"}`, []string{`"not one"`, `1`}, nil)
		},
	},
	{
		Name: "large integers are compared exactly",
		Why:  "spec 2.2: free JSON is kept losslessly; A11",
		check: func(s *scene) {
			fits(s, `{"const":18446744073709551615}`, []string{`18446744073709551615`}, []string{`18446744073709551614`, `18446744073709551616`})
		},
	},
}

// fits registers a type with a schema and wants it to take some payloads and to
// reject others.
func fits(s *scene, schema string, accepted, rejected []string) {
	s.Helper()
	id := s.id("fits " + sha(schema)[:12])
	s.register(declaring(id, schemaType("t", schema)))
	for _, payload := range accepted {
		if _, err := s.AppendEvent(s.ctx, id, event("t", payload, ""), nil); err != nil {
			s.Errorf("%s rejects %s: %v", schema, payload, err)
		}
	}
	for _, payload := range rejected {
		_, err := s.AppendEvent(s.ctx, id, event("t", payload, ""), nil)
		if err == nil {
			s.Errorf("%s accepts %s", schema, payload)
			continue
		}
		s.refused(registry.CodePayloadRejected, err)
	}
}

func invalidSchema(s *scene, schema string) {
	s.Helper()
	_, err := s.RegisterProcess(s.ctx, declaring(s.id("p"), eventType("note"), schemaType("t", schema)))
	if err == nil {
		s.Fatalf("the schema %s is accepted", schema)
	}
	refusal := s.refused(registry.CodeInvalidArgument, err)
	equal(s, "event_type", refusal.Fields.EventType, "t")
}
