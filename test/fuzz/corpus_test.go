package fuzz

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	root = "../.."
	// What is kept is read in every run of the tests.
	mostEntries = 60
	mostBytes   = 4 << 10
)

// target is the head of a fuzz target. Another name than f would hide one from the script.
var target = regexp.MustCompile(`(?m)^func (Fuzz\w*)\((\w+) \*testing\.F\)`)

// targets finds every fuzz target: its folder for kept entries, and the file that it stands in; and every folder that there
// is.
func targets(t *testing.T) (all map[string]string, kept []string) {
	t.Helper()
	all = map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "testdata" {
			folders, err := filepath.Glob(filepath.Join(path, "fuzz", "*"))
			if err != nil {
				return err
			}
			kept = append(kept, folders...)
			return filepath.SkipDir
		}
		if d.IsDir() && (d.Name() == "bin" || strings.HasPrefix(d.Name(), ".") && path != root) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range target.FindAllStringSubmatch(string(text), -1) {
			if m[2] != "f" {
				t.Errorf("%s: %s(%s *testing.F): call it f, or test/fuzz/run does not find it", path, m[1], m[2])
			}
			all[filepath.Join(filepath.Dir(path), "testdata", "fuzz", m[1])] = path
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, kept
}

// TestEveryTargetKeepsItsCorpus: a target that was never run for long, or whose finds were thrown away, starts from nothing
// each time.
func TestEveryTargetKeepsItsCorpus(t *testing.T) {
	all, kept := targets(t)
	if len(all) < 20 {
		t.Fatalf("found %d fuzz targets, want them all: %v", len(all), all)
	}
	for folder, file := range all {
		entries, err := os.ReadDir(folder)
		if err != nil || len(entries) == 0 {
			t.Errorf("%s: nothing is kept in %s: fuzz it with `test/fuzz/run 2m`, then `test/fuzz/run -keep`", file, folder)
			continue
		}
		if len(entries) > mostEntries {
			t.Errorf("%s: %d entries, want at most %d: keep the small ones", folder, len(entries), mostEntries)
		}
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(folder, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if len(text) > mostBytes || !strings.HasPrefix(string(text), "go test fuzz v1\n") {
				t.Errorf("%s: %d bytes, want an entry of at most %d", filepath.Join(folder, e.Name()), len(text), mostBytes)
			}
		}
	}
	for _, folder := range kept {
		if all[folder] == "" {
			t.Errorf("%s: no target of that name reads it", folder)
		}
	}
}
