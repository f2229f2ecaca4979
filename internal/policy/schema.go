package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
)

// Schema is the JSON Schema (draft 2020-12) of policy files, for editors. It knows the words, their types and their
// patterns; what words ask of each other, only Parse knows.
func Schema() []byte {
	reflector := jsonschema.Reflector{
		Anonymous: true,
		Namer:     func(t reflect.Type) string { return strings.TrimPrefix(t.Name(), "shape") },
	}
	s := reflector.Reflect(shapeFile{})
	s.Title = "Stint policies"
	s.Description = "Accounts, policies and channels of Stint. Several files, and several documents in one file, add up."
	plain, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("policy: the schema does not marshal: %v", err)) // the shapes are constant: only a programmer can break them
	}
	var out bytes.Buffer
	if err := json.Indent(&out, plain, "", "  "); err != nil {
		panic(fmt.Sprintf("policy: the schema does not indent: %v", err))
	}
	out.WriteByte('\n')
	return out.Bytes()
}

func number(n int) json.Number { return json.Number(fmt.Sprint(n)) }

func counted(n uint64) *uint64 { return &n }

// JSONSchemaExtend says what a name is.
func (shapeFile) JSONSchemaExtend(s *jsonschema.Schema) {
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		p.Value.PropertyNames = &jsonschema.Schema{Pattern: namePattern().String()}
	}
}

// JSONSchemaExtend says that there is one deed.
func (shapePolicy) JSONSchemaExtend(s *jsonschema.Schema) { s.Required = []string{"backup"} }

// JSONSchemaExtend says that a selector selects something.
func (shapeSelect) JSONSchemaExtend(s *jsonschema.Schema) {
	for _, word := range []string{"accounts", "regions", "tags", "ids"} {
		s.AnyOf = append(s.AnyOf, &jsonschema.Schema{Required: []string{word}})
	}
	notEmpty(s, "tags")
}

// JSONSchemaExtend says that tags name something.
func (shapeExcept) JSONSchemaExtend(s *jsonschema.Schema) { notEmpty(s, "tags") }

func notEmpty(s *jsonschema.Schema, word string) {
	if p, ok := s.Properties.Get(word); ok {
		p.MinProperties = counted(1)
	}
}

// JSONSchemaExtend says that a schedule is one of two kinds.
func (shapeSchedule) JSONSchemaExtend(s *jsonschema.Schema) {
	s.OneOf = []*jsonschema.Schema{{Required: []string{"cron"}}, {Required: []string{"every"}}}
}

// JSONSchemaExtend says that something is kept.
func (shapeKeep) JSONSchemaExtend(s *jsonschema.Schema) { s.MinProperties = counted(1) }

// JSONSchemaExtend says that a channel is exactly one way.
func (shapeChannel) JSONSchemaExtend(s *jsonschema.Schema) {
	s.MinProperties, s.MaxProperties = counted(1), counted(1)
}

// JSONSchema is a reference to a secret.
func (shapeSecret) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{
		Type: "string", Pattern: `^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$`,
		Description: "Where a secret is, never the secret itself: env:NAME or file:PATH.",
	}
}

// JSONSchema is a time span.
func (shapeDuration) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{
		Type: "string", Pattern: `^([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$`, MinLength: counted(2),
		Description: "Whole numbers with w, d, h, m or s, largest first: 30m, 1h30m, 30d.",
	}
}

// JSONSchema is a value, any of some, or * for any at all.
func (shapeTagValue) JSONSchema() *jsonschema.Schema {
	one := func() *jsonschema.Schema {
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
	}
	return &jsonschema.Schema{
		AnyOf:       []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}, {Type: "array", Items: one(), MinItems: counted(1)}},
		Description: `A value as its text stands in the file, a list of values any of which will do, or "*" for any value.`,
	}
}

// JSONSchema is a number or the tag that holds it.
func (shapeCount) JSONSchema() *jsonschema.Schema {
	tag := (&jsonschema.Reflector{Anonymous: true, DoNotReference: true}).Reflect(shapeFromTag{})
	tag.Version = ""
	return &jsonschema.Schema{
		OneOf:       []*jsonschema.Schema{{Type: "integer", Minimum: number(1), Maximum: number(MaxCount)}, tag},
		Description: "A number, or the tag of the instance that holds the number.",
	}
}

// JSONSchema is keep, or an age.
func (shapeOrphans) JSONSchema() *jsonschema.Schema {
	age := (&jsonschema.Reflector{Anonymous: true, DoNotReference: true}).Reflect(shapeOrphanAge{})
	age.Version = ""
	return &jsonschema.Schema{
		OneOf:       []*jsonschema.Schema{{Type: "string", Enum: []any{"keep"}}, age},
		Description: "What becomes of backups whose instance is gone: keep, or an age after which they go.",
	}
}

// JSONSchema is a share of a whole.
func (shapeShare) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{
		OneOf:       []*jsonschema.Schema{{Type: "number", ExclusiveMinimum: number(0), Maximum: number(1)}, {Type: "string", Pattern: `^[0-9]+(\.[0-9]+)?\s*%$`}},
		Description: "A share of the whole: 30% or 0.3.",
	}
}
