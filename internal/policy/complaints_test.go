package policy

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// The flag is read where tests are, so there is no state of the package itself.
var update = flag.Bool("update", false, "rewrite golden files")

func TestComplaints(t *testing.T) {
	paths, err := filepath.Glob("testdata/complaints/*.txtar")
	if err != nil || len(paths) < 60 {
		t.Fatalf("Glob(complaints) = %d files, %v, want at least 60", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var files []File
			var want string
			at := -1
			for i, f := range archive.Files {
				if f.Name == "complaints" {
					want, at = string(f.Data), i
					continue
				}
				files = append(files, File{Name: f.Name, Data: f.Data})
			}
			_, complaints := Parse(files)
			var b strings.Builder
			for _, c := range complaints {
				b.WriteString(c.String() + "\n")
			}
			got := b.String()
			if strings.Contains(got, "hunter2") || strings.Contains(got, "AKIA") || strings.Contains(got, "12345678") {
				t.Errorf("Parse(%s) shows a secret:\n%s", path, got)
			}
			if *update {
				archive.Files[at].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("Parse(%s) complains:\n%swant:\n%s", path, got, want)
			}
		})
	}
}
