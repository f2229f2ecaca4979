package sqlite_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

const (
	crashFile  = "STINT_TEST_CRASH_FILE"
	crashItems = 300
	crashSteps = 7
)

func crashScope() cloud.Scope {
	return cloud.Scope{Account: "web", Region: "us-east-1", Kind: cloud.KindDisk}
}

// TestCrashChild is no test of its own: it writes without end, in the process that TestCrash kills.
func TestCrashChild(t *testing.T) {
	path := os.Getenv(crashFile)
	if path == "" {
		t.Skip("runs only as the child of TestCrash")
	}
	s := open(t, path)
	row, err := s.Survey(t.Context(), crashScope())
	if errors.Is(err, store.ErrNotFound) {
		row, err = store.Survey{Scope: crashScope()}, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	for n := row.Version + 1; ; n++ {
		seen := store.Seen{Scope: crashScope(), Whole: true}
		for i := range crashItems {
			seen.Items = append(seen.Items, store.Resource{ID: fmt.Sprint(i), Body: fmt.Appendf(nil, `{"name":"%d","size":%d,"state":"ready"}`, n, n)})
		}
		if row, _, err = s.SaveSurvey(t.Context(), row, &seen); err != nil {
			t.Fatal(err)
		}
		var actions []plan.Action
		for i := range crashSteps {
			actions = append(actions, plan.Action{ID: fmt.Sprintf("a-%d-%d", n, i), Verb: plan.TakeImage})
		}
		if _, err := s.StartRun(t.Context(), store.Run{ID: fmt.Sprintf("r-%d", n), State: store.RunActive, StartedAt: time.Now()}, actions, time.Now()); err != nil {
			t.Fatal(err)
		}
		fmt.Println("wrote", n) // what was said to be written must be there
	}
}

// TestCrash kills a process that writes, at many moments, and looks whether what it left is whole.
func TestCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stint.db")
	for round := range 12 {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashChild$", "-test.count=1")
		child.Env = append(os.Environ(), crashFile+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		var said int64
		for seen := 0; seen < 1+round%3 && lines.Scan(); {
			if n, _ := fmt.Sscanf(lines.Text(), "wrote %d", &said); n == 1 {
				seen++
			}
		}
		select { // any moment will do: within a write, most likely
		case <-time.After(time.Duration(round*731%9000) * time.Microsecond):
		case <-t.Context().Done():
		}
		child.Process.Kill()
		for lines.Scan() {
			fmt.Sscanf(lines.Text(), "wrote %d", &said)
		}
		child.Wait()
		if said == 0 {
			t.Fatalf("round %d: the child wrote nothing", round)
		}
		checkWhole(t, path, said)
	}
}

func checkWhole(t *testing.T, path string, said int64) {
	t.Helper()
	s := open(t, path)
	row, err := s.Survey(t.Context(), crashScope())
	if err != nil || row.Version < said {
		t.Fatalf("Survey after a crash: got version %d %v, want %d at least", row.Version, err, said)
	}
	w, err := s.World(t.Context(), nil)
	if err != nil || len(w.Disks) != crashItems || row.Items != crashItems {
		t.Fatalf("World after a crash: got %d disks, %d items, %v, want %d", len(w.Disks), row.Items, err, crashItems)
	}
	for _, d := range w.Disks {
		if d.Size != row.Version {
			t.Fatalf("World after a crash: got a disk of look %d, want all of look %d", d.Size, row.Version)
		}
	}
	runs, err := s.Runs(t.Context(), "", 1<<20)
	if err != nil {
		t.Fatalf("Runs after a crash: got error %v, want none", err)
	}
	if _, err := s.Run(t.Context(), fmt.Sprintf("r-%d", said)); err != nil {
		t.Fatalf("Run that was said to be written: got error %v, want it there", err)
	}
	for _, r := range runs {
		if r.Counts[store.ActionPlanned] != crashSteps {
			t.Fatalf("Run %s after a crash: got %d actions, want %d", r.ID, r.Counts[store.ActionPlanned], crashSteps)
		}
	}
	rows, err := s.Actions(t.Context(), store.ActionFilter{})
	if err != nil || len(rows) != len(runs)*crashSteps {
		t.Fatalf("Actions after a crash: got %d %v, want those of %d runs, %d each", len(rows), err, len(runs), crashSteps)
	}
}
