package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlite"
)

// complaint opens a file that must be refused, and looks for the words in the error.
func complaint(t *testing.T, path string, words ...string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err == nil {
		s.Close()
		t.Fatalf("Open(%q): got no error, want one with %q", path, words)
	}
	for _, w := range append(words, path) {
		if !strings.Contains(err.Error(), w) {
			t.Fatalf("Open: got error %q, want it to say %q", err, w)
		}
	}
}

// raw runs statements on the file, not through a store.
func raw(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range statements {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: got error %v, want none", q, err)
		}
	}
}

func TestFileIsMadeForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a dir?", "sub%20", "stint #1.db")
	s := open(t, path)
	if err := s.SetFact(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatalf("Stat: got error %v, want the file there", err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Fatalf("mode of %s: got %o, want 600", filepath.Base(name), info.Mode().Perm())
		}
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("mode of the folder: got %v %v, want 700", info.Mode().Perm(), err)
	}
}

func TestWhatIsWrittenIsThereAfterOpeningAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stint.db")
	first, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(first.SetFact(t.Context(), "k", "v"), first.Close()); err != nil {
		t.Fatal(err)
	}
	if got, err := open(t, path).Fact(t.Context(), "k"); err != nil || got != "v" {
		t.Fatalf("Fact after opening again: got %q %v, want v", got, err)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	complaint(t, file("text", "dear diary, this is no database at all"), "is not a Stint database")
	complaint(t, file("short", "SQLite"), "is not a Stint database")
	complaint(t, file("torn", "SQLite format 3\x00"+strings.Repeat("x", 4096)), "torn")
	foreign := filepath.Join(dir, "foreign.db")
	raw(t, foreign, `CREATE TABLE recipes (name TEXT)`)
	complaint(t, foreign, "belongs to another program")
	marked := filepath.Join(dir, "marked.db")
	raw(t, marked, `PRAGMA application_id = 12345`)
	complaint(t, marked, "belongs to another program")
	newer := filepath.Join(dir, "newer.db")
	s, err := sqlite.Open(t.Context(), newer)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	raw(t, newer, `INSERT INTO stint_version (version_id, is_applied) VALUES (9999, 1)`)
	complaint(t, newer, "newer than this program", "9999")
	complaint(t, filepath.Join(file("afile", "x"), "stint.db"), "directory")
	complaint(t, dir, "cannot be opened for writing")
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 { // root may write anywhere
		complaint(t, filepath.Join(locked, "stint.db"), "cannot be opened for writing")
	}
}

func TestOpenedByManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stint.db")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := sqlite.Open(t.Context(), path)
			if err != nil {
				t.Errorf("Open by eight at once: got error %v, want none", err)
				return
			}
			defer s.Close()
			if err := s.SetFact(t.Context(), "k", "v"); err != nil {
				t.Errorf("SetFact by eight at once: got error %v, want none", err)
			}
		})
	}
	wg.Wait()
}

// TestFullDisk lets the file grow no further, which SQLite reports just as it does a full disk.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stint.db")
	s, err := sqlite.OpenWith(t.Context(), path, sqlite.Options{MaxPages: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	scope := cloud.Scope{Account: "web", Region: "us-east-1", Kind: cloud.KindDisk}
	first, _, err := s.SaveSurvey(t.Context(), store.Survey{Scope: scope}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var items []store.Resource
	for i := range 2_000 {
		items = append(items, store.Resource{ID: fmt.Sprint(i), Body: []byte(`{"size":1,"state":"ready","name":"` + strings.Repeat("x", 500) + `"}`)})
	}
	_, _, err = s.SaveSurvey(t.Context(), first, &store.Seen{Scope: scope, Whole: true, Items: items})
	if err == nil || !strings.Contains(err.Error(), "disk is full") || !strings.Contains(err.Error(), path) {
		t.Fatalf("SaveSurvey on a full disk: got error %v, want one that names the file and says that the disk is full", err)
	}
	row, err := s.Survey(t.Context(), scope)
	if err != nil || row.Version != first.Version {
		t.Fatalf("Survey after a refused write: got version %d %v, want %d", row.Version, err, first.Version)
	}
	w, err := s.World(t.Context(), nil)
	if err != nil || len(w.Disks) != 0 {
		t.Fatalf("World after a refused write: got %d disks %v, want none: nothing half-written", len(w.Disks), err)
	}
	if got, err := s.StartRun(t.Context(), store.Run{ID: "r", State: store.RunActive}, []plan.Action{{ID: "a", Verb: plan.TakeImage}}, row.NextAt); err != nil || len(got) != 1 {
		t.Fatalf("StartRun after room was made: got %v %v, want it started", got, err)
	}
}
