package policy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzParse: whatever the bytes, Parse comes back, says the same twice, and every complaint points into the file.
func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("testdata/complaints/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	examples, err := filepath.Glob("../../examples/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range examples {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("? a\n: b\n"))
	f.Add([]byte("%YAML 1.2\n---\na: !!str &x\n...\n"))
	f.Add([]byte("a: |2+\n\n x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, complaints := Parse([]File{{Name: "f.yaml", Data: data}})
		lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(string(data), "\xef\xbb\xbf")), "\n")
		for _, c := range complaints {
			if c.Problem == "" || c.Pos.File != "f.yaml" || c.Pos.Line < 1 || c.Pos.Line > len(lines) ||
				c.Pos.Column < 1 || c.Pos.Column > utf8.RuneCountInString(lines[c.Pos.Line-1])+1 {
				t.Errorf("Parse(%q) complains %+v, want a problem at a place inside the %d lines", data, c, len(lines))
			}
			if strings.ContainsAny(c.String(), "\n\r\x00") {
				t.Errorf("Parse(%q) complains %q, want one line", data, c.String())
			}
		}
		out, err := json.Marshal(rules)
		if err != nil {
			t.Errorf("json.Marshal(Parse(%q)): %v", data, err)
		}
		again, second := Parse([]File{{Name: "f.yaml", Data: data}})
		twice, _ := json.Marshal(again)
		if string(out) != string(twice) || len(complaints) != len(second) {
			t.Errorf("Parse(%q) twice = %s, %v and %s, %v, want the same", data, out, complaints, twice, second)
		}
	})
}
