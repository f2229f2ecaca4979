package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var mutate = flag.String("mutate", "", "break the program in the ways whose names match this, and want the simulation to catch each")

// root is the module's folder.
const root = "../.."

// mutation is one way of breaking the program: texts in files that give way to others.
type mutation struct {
	name, what string
	edits      []edit
}

type edit struct{ file, old, new string }

// readMutations reads testdata/mutations: a line that says what is broken, and for each edit `--- FILE`, then the old
// lines with a minus and the new ones with a plus before them.
func readMutations(t *testing.T) []mutation {
	t.Helper()
	files, err := filepath.Glob("testdata/mutations/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatalf("Glob: got %d mutations (%v), want at least 12", len(files), err)
	}
	var out []mutation
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m := mutation{name: strings.TrimSuffix(filepath.Base(name), ".txt")}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			last := len(m.edits) - 1
			switch {
			case strings.HasPrefix(line, "--- "):
				m.edits = append(m.edits, edit{file: line[4:]})
			case last < 0:
				m.what += line
			case strings.HasPrefix(line, "-"):
				m.edits[last].old += line[1:] + "\n"
			case strings.HasPrefix(line, "+"):
				m.edits[last].new += line[1:] + "\n"
			default:
				t.Fatalf("%s: a line is neither old nor new: %q", name, line)
			}
		}
		out = append(out, m)
	}
	return out
}

// files gives the changed files of the mutation. What is to give way must stand there just once.
func (m mutation) files() (map[string]string, error) {
	out := map[string]string{}
	for _, e := range m.edits {
		text, ok := out[e.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, err
			}
			text = string(b)
		}
		old, fresh := strings.TrimSuffix(e.old, "\n"), strings.TrimSuffix(e.new, "\n")
		if n := strings.Count(text, old); n != 1 {
			return nil, fmt.Errorf("%s: the text that is to change stands there %d times, want once:\n%s", e.file, n, e.old)
		}
		out[e.file] = strings.Replace(text, old, fresh, 1)
	}
	return out, nil
}

// TestMutationsFit wants every mutation to fit the program as it is.
func TestMutationsFit(t *testing.T) {
	for _, m := range readMutations(t) {
		if _, err := m.files(); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

// patience is how long the simulation may take to catch a mutation, with how many seeds.
const (
	patience     = 10 * time.Minute
	mutatedSeeds = 2000
)

// TestMutations breaks the program on purpose, in each way that the list has, and wants the simulation to catch each.
func TestMutations(t *testing.T) {
	if *mutate == "" {
		t.Skip("compiles the program once for each mutation: make mutate, or -args -mutate .")
	}
	want := regexp.MustCompile(*mutate)
	for _, m := range readMutations(t) {
		if want.MatchString(m.name) {
			t.Run(m.name, func(t *testing.T) { m.isCaught(t) })
		}
	}
}

func (m mutation) isCaught(t *testing.T) {
	changed, err := m.files()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := map[string]map[string]string{"Replace": {}}
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range changed {
		fresh := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(fresh, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay["Replace"][filepath.Join(abs, file)] = fresh
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "sim.test")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("the mutated program does not compile: %v\n%s", err, out)
	}
	began := time.Now()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, "-test.run", "^TestSeeds$", "-test.timeout", patience.String(), "-seeds", fmt.Sprint(mutatedSeeds))
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	if err == nil {
		t.Fatalf("%s: %d seeds did not catch it", m.what, mutatedSeeds)
	}
	found := regexp.MustCompile(`seed (\d+): ([^\n]*)`).FindStringSubmatch(out.String())
	if !errors.As(err, &exit) || found == nil {
		t.Fatalf("%s: the simulation did not end with a broken law: %v\n%.3000s", m.what, err, out.String())
	}
	t.Logf("%s: caught in %s by seed %s: %s", m.what, time.Since(began).Round(100*time.Millisecond), found[1], found[2])
}
