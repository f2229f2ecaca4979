package policy

import (
	"os"
	"path/filepath"
	"testing"
)

func readExamples(t *testing.T) []File {
	t.Helper()
	paths, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(paths) < 4 {
		t.Fatalf("Glob(examples) = %v, %v, want four files or more", paths, err)
	}
	var out []File
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, File{Name: filepath.Base(p), Data: data})
	}
	return out
}

func TestExamplesParseWithoutComplaint(t *testing.T) {
	for _, f := range readExamples(t) {
		t.Run(f.Name, func(t *testing.T) {
			rules, complaints := Parse([]File{f})
			for _, c := range complaints {
				t.Errorf("Parse(%s): %s", f.Name, c)
			}
			if len(rules.Accounts) == 0 || len(rules.Policies) == 0 {
				t.Errorf("Parse(%s) = %d accounts, %d policies, want both", f.Name, len(rules.Accounts), len(rules.Policies))
			}
		})
	}
}
