package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const schemaPath = "../../docs/reference/policy.schema.json"

func TestSchemaIsFresh(t *testing.T) {
	got := Schema()
	if *update {
		if err := os.MkdirAll(filepath.Dir(schemaPath), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(schemaPath, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("Schema() is not what %s holds; go test ./internal/policy -run TestSchemaIsFresh -update rewrites it", schemaPath)
	}
	if again := Schema(); !bytes.Equal(got, again) {
		t.Errorf("Schema() twice gives two texts")
	}
}

func TestSchemaRefusesUnknownWordsEverywhere(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	seen := 0
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if props, ok := v["properties"].(map[string]any); ok {
				if extra, is := v["additionalProperties"].(bool); !is || extra {
					t.Errorf("Schema() %s: additionalProperties = %v, want false", path, v["additionalProperties"])
				}
				for word, p := range props {
					seen++
					if d, _ := p.(map[string]any)["description"].(string); d == "" {
						t.Errorf("Schema() %s.%s has no description", path, word)
					}
				}
			}
			for k, c := range v {
				walk(path+"/"+k, c)
			}
		case []any:
			for i, c := range v {
				walk(fmt.Sprint(path, "/", i), c)
			}
		}
	}
	walk("", root)
	if seen < 50 {
		t.Errorf("Schema() has %d words, want all of the policy language", seen)
	}
}

func TestExamplesSatisfyTheSchema(t *testing.T) {
	for _, f := range readExamples(t) {
		if err := conforms(t, f.Data); err != nil {
			t.Errorf("%s against the schema: %v", f.Name, err)
		}
	}
}

func TestSchemaRefusesWhatParseRefuses(t *testing.T) {
	good := `{accounts: {web: {cloud: aws}}, policies: {a: {backup: {select: {tags: {a: b}}, schedule: {every: 1h}, method: image, keep: {last: 1}}}}}`
	if err := conforms(t, []byte(good)); err != nil {
		t.Fatalf("%s against the schema: %v, want none", good, err)
	}
	for _, change := range [][2]string{
		{"cloud: aws", "cloud: azure"},
		{"web:", "Web:"},
		{"cloud: aws", "cloud: aws, credentials: {secret-key: value}"},
		{"cloud: aws", "regions: [x]"},
		{"tags: {a: b}", ""},
		{"tags: {a: b}", "tags: {}"},
		{"tags: {a: b}", "tags: {a: {b: c}}"},
		{"every: 1h", "every: 1h, cron: x"},
		{"every: 1h", "every: 1 hour"},
		{"method: image", "method: images"},
		{"last: 1", "last: 0"},
		{"last: 1", ""},
		{"last: 1", "last: {from: x}"},
		{"last: 1", "lust: 1"},
		{"method: image", "method: image, orphans: never"},
		{"method: image", "method: image, limits: {delete-share: 30}"},
		{"method: image", "method: image, copies: []"},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if err := conforms(t, []byte(bad)); err == nil {
			t.Errorf("%s against the schema: no error, want one", bad)
		}
		if _, complaints := Parse([]File{{Name: "bad.yaml", Data: []byte(bad)}}); !Refused(complaints) {
			t.Errorf("Parse(%s) = %v, want it refused", bad, complaints)
		}
	}
}

// conforms checks YAML against the schema, with as much of JSON Schema as ours uses.
func conforms(t *testing.T, data []byte) error {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(asJSON, &doc); err != nil {
		t.Fatal(err)
	}
	return validator{root}.check("", root, doc)
}

type validator struct{ root map[string]any }

func (v validator) check(path string, schema map[string]any, doc any) error {
	if ref, ok := schema["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/$defs/")
		return v.check(path, v.root["$defs"].(map[string]any)[name].(map[string]any), doc)
	}
	var kind any = "null"
	switch doc.(type) {
	case map[string]any:
		kind = "object"
	case []any:
		kind = "array"
	case string:
		kind = "string"
	case float64:
		kind = "number"
	case bool:
		kind = "boolean"
	}
	if want, ok := schema["type"]; ok && want != kind && !(want == "integer" && kind == "number" && doc == float64(int(doc.(float64)))) {
		return fmt.Errorf("%s is %v, want %v", path, kind, want)
	}
	if enum, ok := schema["enum"].([]any); ok {
		found := false
		for _, e := range enum {
			found = found || e == doc
		}
		if !found {
			return fmt.Errorf("%s is none of %v", path, enum)
		}
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		list, ok := schema[word].([]any)
		if !ok {
			continue
		}
		fits := 0
		for _, s := range list {
			if v.check(path, s.(map[string]any), doc) == nil {
				fits++
			}
		}
		if fits == 0 || word == "oneOf" && fits > 1 {
			return fmt.Errorf("%s fits %d of %s", path, fits, word)
		}
	}
	bound := func(word string) (float64, bool) { n, ok := schema[word].(float64); return n, ok }
	switch doc := doc.(type) {
	case string:
		if p, ok := schema["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(doc) {
			return fmt.Errorf("%s does not match %s", path, p)
		}
		if n, ok := bound("minLength"); ok && float64(len(doc)) < n {
			return fmt.Errorf("%s is too short", path)
		}
	case float64:
		if n, ok := bound("minimum"); ok && doc < n {
			return fmt.Errorf("%s is too small", path)
		}
		if n, ok := bound("exclusiveMinimum"); ok && doc <= n {
			return fmt.Errorf("%s is too small", path)
		}
		if n, ok := bound("maximum"); ok && doc > n {
			return fmt.Errorf("%s is too large", path)
		}
	case []any:
		if n, ok := bound("minItems"); ok && float64(len(doc)) < n {
			return fmt.Errorf("%s has too few", path)
		}
		if items, ok := schema["items"].(map[string]any); ok {
			for i, item := range doc {
				if err := v.check(fmt.Sprint(path, "[", i, "]"), items, item); err != nil {
					return err
				}
			}
		}
	case map[string]any:
		return v.object(path, schema, doc)
	}
	return nil
}

func (v validator) object(path string, schema, doc map[string]any) error {
	if n, ok := schema["minProperties"].(float64); ok && float64(len(doc)) < n {
		return fmt.Errorf("%s has too few", path)
	}
	if n, ok := schema["maxProperties"].(float64); ok && float64(len(doc)) > n {
		return fmt.Errorf("%s has too many", path)
	}
	required, _ := schema["required"].([]any)
	for _, r := range required {
		if _, there := doc[r.(string)]; !there {
			return fmt.Errorf("%s has no %v", path, r)
		}
	}
	props, _ := schema["properties"].(map[string]any)
	for key, value := range doc {
		if names, ok := schema["propertyNames"].(map[string]any); ok {
			if err := v.check(path+"."+key, names, key); err != nil {
				return err
			}
		}
		var s map[string]any
		if p, ok := props[key]; ok {
			s, _ = p.(map[string]any)
		} else {
			switch extra := schema["additionalProperties"].(type) {
			case bool:
				if !extra {
					return fmt.Errorf("%s.%s is unknown", path, key)
				}
			case map[string]any:
				s = extra
			}
		}
		if s != nil {
			if err := v.check(path+"."+key, s, value); err != nil {
				return err
			}
		}
	}
	return nil
}
