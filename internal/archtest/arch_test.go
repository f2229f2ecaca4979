// Package archtest fails the build when a package imports what its ring may not.
package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/stint-cloud/stint/"

// rings lists which packages belong to which ring; a path ending in "/" means everything below it. The longest match
// wins. Kits are tests' own, and what the demo, the fake command and the simulation link.
var rings = []struct {
	ring  int
	paths []string
}{
	{0, []string{"internal/cloud"}},
	{1, []string{"internal/inventory", "internal/policy", "internal/schedule", "internal/retain", "internal/lease", "internal/permit", "internal/plan", "internal/forecast", "internal/store", "internal/diskimage"}},
	{2, []string{"internal/survey", "internal/action", "internal/run", "internal/job", "internal/transfer", "internal/bucket", "internal/drill", "internal/event", "internal/notice", "internal/audit", "internal/access"}},
	{3, []string{"internal/cloud/", "internal/store/", "internal/job/", "internal/notice/", "internal/bucket/"}},
	{4, []string{"internal/httpapi", "internal/httpapi/", "internal/config"}},
	{5, []string{"internal/clouds", "internal/app", "internal/cli", "internal/cli/", "internal/sim", "internal/sim/", "cmd/", "test/", "internal/archtest"}},
}

// kits may be imported by tests, the simulation, and the commands demo and fake alone.
var kits = []string{"internal/cloud/cloudtest", "internal/cloud/memcloud", "internal/cloud/aws/fakeaws", "internal/cloud/tencent/faketencent", "internal/cloud/alibaba/fakealibaba", "internal/store/storetest", "internal/store/pgtest", "internal/job/jobtest", "internal/job/step"}

// kitUsers are the packages outside tests that may import kits.
var kitUsers = []string{"internal/cli", "internal/sim"}

// seams are the ring 2 packages (and seams of ring 0 and 1) that what stands below their folder implements.
func seam(pkg string) string {
	for _, s := range []string{"internal/cloud", "internal/store", "internal/job", "internal/notice", "internal/bucket"} {
		if strings.HasPrefix(pkg, s+"/") {
			return s
		}
	}
	return ""
}

func ringOf(pkg string) int {
	best, ring := -1, -1
	for _, r := range rings {
		for _, p := range r.paths {
			if (pkg == p || strings.HasSuffix(p, "/") && strings.HasPrefix(pkg, p)) && len(p) > best {
				best, ring = len(p), r.ring
			}
		}
	}
	return ring
}

// sdks says which package alone may import each cloud's SDK.
var sdks = map[string][]string{
	"github.com/aws/":                     {"internal/cloud/aws", "internal/notice/sns", "internal/bucket/s3"},
	"github.com/gophercloud/":             {"internal/cloud/openstack", "test/openstack"},
	"github.com/alibabacloud-go/":         {"internal/cloud/alibaba"},
	"github.com/tencentcloud/":            {"internal/cloud/tencent"},
	"modernc.org/sqlite":                  {"internal/store/sqlite"},
	"github.com/jackc/pgx":                {"internal/store/postgres", "internal/job/river", "internal/store/pgtest", "internal/store/storetest", "test/bench"},
	"github.com/riverqueue/":              {"internal/job/river"},
	"github.com/wneessen/go-mail":         {"internal/notice/smtp"},
	"github.com/pressly/goose":            {"internal/store/sqlite", "internal/store/postgres", "internal/store/sqlstore"},
	"github.com/spf13/cobra":              {"internal/cli"},
	"cel.dev/cel-go":                      {"internal/policy"},
	"github.com/goccy/go-yaml":            {"internal/policy", "internal/config"},
	"github.com/prometheus/client_golang": {"internal/httpapi", "internal/cli", "internal/app", "internal/config"},
}

// impure are what thinking may not touch.
var impure = []string{"net", "net/http", "os", "os/exec", "log", "log/slog", "io/ioutil", "database/sql"}

type file struct {
	pkg, name string
	test      bool
	imports   []string
	source    string
}

func files(t *testing.T) []file {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var out []file
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		ast, err := parser.ParseFile(token.NewFileSet(), p, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := file{pkg: filepath.ToSlash(filepath.Dir(rel)), name: filepath.ToSlash(rel), test: strings.HasSuffix(p, "_test.go"), source: string(src)}
		for _, i := range ast.Imports {
			name, _ := strconv.Unquote(i.Path.Value)
			f.imports = append(f.imports, name)
		}
		out = append(out, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("only %d Go files were found below %s", len(out), root)
	}
	return out
}

func TestImportsPointInward(t *testing.T) {
	for _, f := range files(t) {
		if f.test {
			continue
		}
		ring := ringOf(f.pkg)
		if ring < 0 {
			t.Errorf("%s: the package %s is in no ring: add it to rings, or move it", f.name, f.pkg)
			continue
		}
		for _, imp := range f.imports {
			own, ok := strings.CutPrefix(imp, module)
			if !ok {
				continue
			}
			if why := forbidden(f.pkg, ring, own); why != "" {
				t.Errorf("%s: ring %d may not import %s: %s", f.name, ring, own, why)
			}
		}
	}
}

func forbidden(pkg string, ring int, imp string) string {
	to := ringOf(imp)
	switch {
	case slices.Contains(kits, imp):
		if slices.Contains(kitUsers, pkg) || slices.Contains(kits, pkg) || strings.HasPrefix(pkg, "test/") {
			return ""
		}
		return "it is a kit: for tests, the simulation, and the commands demo and fake"
	case ring == 5 || strings.HasPrefix(imp, pkg+"/") && ring == 3:
		return ""
	case ring == 3 && to == 3 && sameSeamHelper(pkg, imp):
		return ""
	case ring == 3 && to <= 1, ring == 3 && imp == seam(pkg):
		return ""
	case ring == 3:
		return "the rim knows rings 0 and 1 and the seam that it serves"
	case to > ring:
		return "arrows point inward"
	case ring == 4 && to == 3:
		return "faces reach the rim through what they are handed"
	}
	return ""
}

// sameSeamHelper lets the two SQL stores stand on the one package that contains SQL.
func sameSeamHelper(pkg, imp string) bool {
	return imp == "internal/store/sqlstore" && seam(pkg) == "internal/store" || path.Dir(imp) == pkg
}

func TestEachSDKHasOneHome(t *testing.T) {
	for _, f := range files(t) {
		if f.test {
			continue
		}
		for _, imp := range f.imports {
			for prefix, homes := range sdks {
				if strings.HasPrefix(imp, prefix) && !slices.ContainsFunc(homes, func(h string) bool { return f.pkg == h || strings.HasPrefix(f.pkg, h+"/") }) {
					t.Errorf("%s: imports %s, whose home is %s", f.name, imp, strings.Join(homes, ", "))
				}
			}
		}
	}
}

func TestThinkingIsPure(t *testing.T) {
	for _, f := range files(t) {
		if f.test || ringOf(f.pkg) > 1 || ringOf(f.pkg) < 0 {
			continue
		}
		for _, imp := range f.imports {
			if slices.Contains(impure, imp) {
				t.Errorf("%s: ring %d may not import %s", f.name, ringOf(f.pkg), imp)
			}
			if f.pkg == "internal/cloud" && strings.Contains(strings.Split(imp, "/")[0], ".") {
				t.Errorf("%s: the nouns stand on the standard library alone, not %s", f.name, imp)
			}
		}
		for _, word := range []string{"time.Now(", "time.Sleep(", "\tgo func", "time.After("} {
			if strings.Contains(f.source, word) {
				t.Errorf("%s: ring %d may not use %q", f.name, ringOf(f.pkg), strings.TrimSpace(word))
			}
		}
	}
}

func TestNoInitAndNoForbiddenName(t *testing.T) {
	for _, f := range files(t) {
		if strings.Contains(f.source, "\nfunc init(") {
			t.Errorf("%s: no init: clouds and commands are plain lists", f.name)
		}
		for _, word := range []string{"util", "common", "helper", "base", "manager", "service", "model", "types", "misc", "core"} {
			if path.Base(f.pkg) == word {
				t.Errorf("%s: %q is no package name here: say what it is", f.name, word)
			}
		}
		if !f.test && strings.Contains(f.source, "context.Background()") && !strings.HasPrefix(f.pkg, "cmd/") && !strings.HasPrefix(f.pkg, "test/") && !strings.HasSuffix(f.pkg, "test") {
			t.Errorf("%s: context.Background() belongs in cmd and in tests", f.name)
		}
		if !f.test && strings.Contains(f.source, "os.Exit(") && !strings.HasPrefix(f.pkg, "cmd/") && !strings.HasPrefix(f.pkg, "test/") && !strings.HasSuffix(f.pkg, "test") {
			t.Errorf("%s: os.Exit belongs in cmd", f.name)
		}
		if !f.test && slices.Contains(f.imports, "testing") && !strings.HasSuffix(f.pkg, "test") {
			t.Errorf("%s: links the testing package into the program", f.name)
		}
	}
}

func TestTheRuleBites(t *testing.T) {
	for _, c := range []struct{ pkg, imp string }{
		{"internal/plan", "internal/app"},
		{"internal/plan", "internal/survey"},
		{"internal/cloud", "internal/plan"},
		{"internal/cloud/aws", "internal/cloud/openstack"},
		{"internal/cloud/aws", "internal/job"},
		{"internal/job/local", "internal/run"},
		{"internal/run", "internal/store/sqlite"},
		{"internal/app", "internal/cloud/memcloud"},
		{"internal/httpapi", "internal/app"},
		{"internal/config", "internal/cloud/aws"},
	} {
		if forbidden(c.pkg, ringOf(c.pkg), c.imp) == "" {
			t.Errorf("forbidden(%s, %s): got nothing, want a reason", c.pkg, c.imp)
		}
	}
	for _, c := range []struct{ pkg, imp string }{
		{"internal/store/sqlite", "internal/store/sqlstore"},
		{"internal/cloud/aws", "internal/cloud"},
		{"internal/job/local", "internal/job"},
		{"internal/app", "internal/plan"},
		{"internal/cli", "internal/cloud/memcloud"},
		{"internal/plan", "internal/policy"},
	} {
		if why := forbidden(c.pkg, ringOf(c.pkg), c.imp); why != "" {
			t.Errorf("forbidden(%s, %s): got %q, want nothing", c.pkg, c.imp, why)
		}
	}
}
