// Package docs holds the written pages to the program.
//
// It promises that every policy in README and docs parses without a complaint, that every relative link leads somewhere,
// that every command and flag in a console block exists, that every metric that is named is one that is told, and that
// both READMEs tell the same. It refuses to judge prose.
package docs

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cli"
	"github.com/stint-cloud/stint/internal/policy"
)

const root = "../.."

// pages are the files that people read, by their path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	read := func(path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(root, path)
		out[filepath.ToSlash(name)] = string(b)
	}
	top, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range top {
		read(path)
	}
	for _, dir := range []string{"docs", "changelog"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".md") {
				read(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 30 {
		t.Fatalf("pages: got %d, want README, guide, reference, decisions and runbook", len(out))
	}
	return out
}

// block is one fenced block of a page.
type block struct {
	page, kind, text string
	line             int
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

func blocks(t *testing.T) []block {
	t.Helper()
	var out []block
	for name, text := range pages(t) {
		out = append(out, fenced(name, text)...)
	}
	slices.SortFunc(out, func(a, b block) int { return strings.Compare(a.String(), b.String()) })
	return out
}

func fenced(name, text string) []block {
	var out []block
	var open *block
	indent := ""
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case open == nil && strings.HasPrefix(trimmed, "```"):
			indent = line[:len(line)-len(trimmed)]
			open = &block{page: name, kind: strings.TrimPrefix(trimmed, "```"), line: i + 1}
		case open != nil && strings.HasPrefix(trimmed, "```"):
			out = append(out, *open)
			open = nil
		case open != nil:
			open.text += strings.TrimPrefix(line, indent) + "\n"
		}
	}
	return out
}

var policyFile = regexp.MustCompile(`(?m)^(policies|notify|accounts):`)

// TestPoliciesParse reads every policy on every page as check would.
func TestPoliciesParse(t *testing.T) {
	seen := 0
	for _, b := range blocks(t) {
		if b.kind != "yaml" || !policyFile.MatchString(b.text) {
			continue
		}
		seen++
		_, complaints := policy.Parse([]policy.File{{Name: b.String(), Data: []byte(b.text)}})
		for _, c := range complaints {
			t.Errorf("%s: Parse: got %s, want no complaint", b, c)
		}
	}
	if seen < 12 {
		t.Errorf("pages hold %d policies, want at least 12: are the blocks marked as yaml?", seen)
	}
}

// TestPartsParse puts parts of a backup, which pages show alone, into a whole policy. Such blocks begin with a comment.
func TestPartsParse(t *testing.T) {
	const mark = "# part of a backup\n"
	seen := 0
	for _, b := range blocks(t) {
		if b.kind != "yaml" || !strings.HasPrefix(b.text, mark) {
			continue
		}
		seen++
		whole := map[string]string{
			"select": "select: { tags: { backup: daily } }", "schedule": `schedule: { cron: "0 2 * * *" }`, "method": "method: image", "keep": "keep: { last: 7 }",
		}
		var text strings.Builder
		text.WriteString("accounts:\n  web: { cloud: aws, regions: [us-east-1, eu-west-1] }\npolicies:\n  example:\n    backup:\n")
		for line := range strings.SplitSeq(b.text, "\n") {
			word, _, _ := strings.Cut(line, ":")
			delete(whole, word)
			text.WriteString("      " + line + "\n")
		}
		for _, word := range []string{"select", "schedule", "method", "keep"} {
			if line, missing := whole[word]; missing {
				text.WriteString("      " + line + "\n")
			}
		}
		_, complaints := policy.Parse([]policy.File{{Name: b.String(), Data: []byte(text.String())}})
		for _, c := range complaints {
			t.Errorf("%s: Parse: got %s, want no complaint of\n%s", b, c, text.String())
		}
	}
	if seen < 8 {
		t.Errorf("pages hold %d parts of policies, want at least 8", seen)
	}
}

// TestNoYAMLGoesUnread: a block of YAML is a policy, a part of one, or says that it is something else.
func TestNoYAMLGoesUnread(t *testing.T) {
	for _, b := range blocks(t) {
		if b.kind != "yaml" || strings.HasPrefix(b.text, "# part of a backup\n") || strings.HasPrefix(b.text, "# not a policy") {
			continue
		}
		if !policyFile.MatchString(b.text) {
			t.Errorf("%s: this YAML is read by no test: begin it with %q or %q", b, "# part of a backup", "# not a policy")
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinksResolve follows every relative link, to its heading where it names one.
func TestLinksResolve(t *testing.T) {
	all := pages(t)
	seen := 0
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(withoutFences(text), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			seen++
			target, anchor, _ := strings.Cut(m[1], "#")
			target, err := url.PathUnescape(target)
			if err != nil {
				t.Errorf("%s: link %s: %v", name, m[1], err)
				continue
			}
			path := name
			if target != "" {
				path = filepath.ToSlash(filepath.Join(filepath.Dir(name), target))
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s: link %s: there is no %s", name, m[1], path)
				continue
			}
			if page, ok := all[path]; ok && anchor != "" && !slices.Contains(anchors(page), anchor) {
				t.Errorf("%s: link %s: %s has no such heading; it has %s", name, m[1], path, strings.Join(anchors(page), " "))
			}
		}
	}
	if seen < 50 {
		t.Errorf("pages hold %d relative links, want at least 50", seen)
	}
}

func withoutFences(text string) string {
	var out strings.Builder
	inside := false
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(strings.TrimLeft(line, " "), "```") {
			inside = !inside
		} else if !inside {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

func headings(text string) []string {
	var out []string
	for line := range strings.SplitSeq(withoutFences(text), "\n") {
		if strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// anchors are the names that headings get on the web.
func anchors(text string) []string {
	var out []string
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, h := range headings(text) {
		h = strings.ToLower(strings.TrimSpace(strings.TrimLeft(h, "#")))
		out = append(out, strings.ReplaceAll(drop.ReplaceAllString(h, ""), " ", "-"))
	}
	return out
}

// help is what a command says of itself, and whether there is such a command.
func help(t *testing.T, path ...string) (string, bool) {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Main(t.Context(), append(slices.Clone(path), "--help"), cli.IO{In: strings.NewReader(""), Out: &out, Err: &errs})
	usage := "\n  " + strings.Join(append([]string{"stint"}, path...), " ")
	return out.String(), code == 0 && (strings.Contains(out.String(), usage+" ") || strings.Contains(out.String(), usage+"\n"))
}

var (
	word     = regexp.MustCompile(`^[a-z][a-z-]*$`)
	flagWord = regexp.MustCompile(`^--?[a-z][a-z-]*`)
	prompt   = regexp.MustCompile(`^[$#] `)
)

// commandLines are the lines of a block that run stint, each from the program's name on.
func commandLines(b block) []string {
	if b.kind != "console" && b.kind != "sh" && b.kind != "ini" && b.kind != "dockerfile" {
		return nil
	}
	var out []string
	text := strings.ReplaceAll(b.text, "\\\n", " ")
	for line := range strings.SplitSeq(text, "\n") {
		if b.kind == "console" {
			if !prompt.MatchString(line) {
				continue
			}
			line = line[2:]
		}
		line, _, _ = strings.Cut(line, " #")
		for part := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune("|&;()[],\"'", r) }) {
			fields := strings.Fields(part)
			for i, f := range fields {
				f = strings.TrimPrefix(f, "ExecStart=")
				if f == "stint" || strings.HasSuffix(f, "/stint") && i == 0 || strings.HasSuffix(f, "cmd/stint") {
					out = append(out, strings.Join(fields[i+1:], " "))
					break
				}
			}
		}
	}
	return out
}

// TestCommandsExist asks the program about every command and flag that pages show.
func TestCommandsExist(t *testing.T) {
	seen := 0
	check := func(where, line string) {
		fields := strings.Fields(line)
		var path []string
		for len(fields) > 0 && word.MatchString(fields[0]) {
			if _, ok := help(t, append(slices.Clone(path), fields[0])...); !ok {
				break
			}
			path, fields = append(path, fields[0]), fields[1:]
		}
		text, ok := help(t, path...)
		if !ok || len(path) == 0 && len(fields) > 0 && !strings.HasPrefix(fields[0], "-") {
			t.Errorf("%s: stint %s: there is no such command", where, line)
			return
		}
		if strings.Contains(text, "Available Commands:") && len(fields) > 0 && word.MatchString(fields[0]) {
			t.Errorf("%s: stint %s: stint %s has no command %s", where, line, strings.Join(path, " "), fields[0])
		}
		seen++
		for _, f := range fields {
			name := flagWord.FindString(f)
			if name == "" {
				continue
			}
			if !regexp.MustCompile(`(^|[ ,\n])` + regexp.QuoteMeta(name) + `([ ,=\n]|$)`).MatchString(text) {
				t.Errorf("%s: stint %s: the command has no flag %s", where, line, name)
			}
		}
	}
	for _, b := range blocks(t) {
		for _, line := range commandLines(b) {
			check(b.String(), line)
		}
	}
	inline := regexp.MustCompile("`stint ([^`]+)`")
	for name, text := range pages(t) {
		for _, m := range inline.FindAllStringSubmatch(withoutFences(text), -1) {
			check(name, m[1])
		}
	}
	if seen < 80 {
		t.Errorf("pages show %d command lines, want at least 80", seen)
	}
}

// TestChecksFindWhatIsWrong holds the checks above to a page that is wrong.
func TestChecksFindWhatIsWrong(t *testing.T) {
	if _, ok := help(t, "backup"); ok {
		t.Error("help of a command that is not there: got one")
	}
	if text, ok := help(t, "backups", "hold"); !ok || !strings.Contains(text, "--reason") {
		t.Errorf("help of backups hold: got %v %q, want it with --reason", ok, text)
	}
	b := block{kind: "console", text: "$ stint plan --out p.json && stint apply p.json\nstint is a word of output\n"}
	if got := commandLines(b); !slices.Equal(got, []string{"plan --out p.json", "apply p.json"}) {
		t.Errorf("commandLines: got %q, want the two that are typed", got)
	}
	if got := anchors("# A `b` c!\n```\n# no\n```\n## 中文 d\n"); !slices.Equal(got, []string{"a-b-c", "中文-d"}) {
		t.Errorf("anchors: got %q", got)
	}
}

// TestMetricsExist compares the metrics that pages name with those that the program's source declares.
func TestMetricsExist(t *testing.T) {
	src, err := os.ReadFile(filepath.Join(root, "internal/cli/metrics.go"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`\bstint_[a-z_]+[a-z]\b`)
	told := name.FindAllString(string(src), -1)
	for page, text := range pages(t) {
		for _, m := range name.FindAllString(text, -1) {
			if !slices.Contains(told, m) && !slices.Contains(told, strings.TrimSuffix(strings.TrimSuffix(m, "_bucket"), "_count")) {
				t.Errorf("%s: names the metric %s, which is not told", page, m)
			}
		}
	}
	running, err := os.ReadFile(filepath.Join(root, "docs/guide/running.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range told {
		if !strings.Contains(string(running), m) {
			t.Errorf("docs/guide/running.md does not name the metric %s", m)
		}
	}
}

// TestBothReadmesTellTheSame compares their shape: headings, blocks, tables and links.
func TestBothReadmesTellTheSame(t *testing.T) {
	all := pages(t)
	en, zh := all["README.md"], all["README.zh-CN.md"]
	a, b := headings(en), headings(zh)
	if len(a) < 8 || len(a) != len(b) {
		t.Fatalf("headings: README.md has %d and README.zh-CN.md %d, want as many", len(a), len(b))
	}
	for i := range a {
		if la, lb := strings.Count(strings.Fields(a[i])[0], "#"), strings.Count(strings.Fields(b[i])[0], "#"); la != lb {
			t.Errorf("heading %d: %q and %q are of different depth", i+1, a[i], b[i])
		}
		if !regexp.MustCompile(`\p{Han}`).MatchString(b[i]) && b[i] != a[i] {
			t.Errorf("heading %d of README.zh-CN.md is %q, want Chinese, or %q", i+1, b[i], a[i])
		}
	}
	x, y := fenced("README.md", en), fenced("README.zh-CN.md", zh)
	if len(x) != len(y) {
		t.Fatalf("blocks: README.md has %d, README.zh-CN.md %d", len(x), len(y))
	}
	for i := range x {
		if x[i].kind != y[i].kind || withoutComments(x[i].text) != withoutComments(y[i].text) {
			t.Errorf("block %d: %s and %s differ in more than comments", i+1, x[i], y[i])
		}
	}
	rows := func(text string) int { return strings.Count(withoutFences(text), "\n|") }
	if rows(en) != rows(zh) {
		t.Errorf("tables: README.md has %d rows, README.zh-CN.md %d", rows(en), rows(zh))
	}
	targets := func(text string) []string {
		var out []string
		for _, m := range link.FindAllStringSubmatch(withoutFences(text), -1) {
			if !strings.HasPrefix(m[1], "README") && !strings.HasPrefix(m[1], "#") {
				out = append(out, m[1])
			}
		}
		slices.Sort(out)
		return out
	}
	if p, q := targets(en), targets(zh); !slices.Equal(p, q) {
		t.Errorf("links: README.md has %q, README.zh-CN.md %q", p, q)
	}
}

func withoutComments(text string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		code, _, _ := strings.Cut(line, " #")
		if code = strings.TrimRight(code, " "); !strings.HasPrefix(strings.TrimSpace(line), "#") {
			out = append(out, code)
		}
	}
	return strings.Join(out, "\n")
}

// TestNamedTestsExist: a test that a page names as proof is one that runs.
func TestNamedTestsExist(t *testing.T) {
	declared := map[string]bool{}
	for _, dir := range []string{"internal", "test"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			b, err := os.ReadFile(path)
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+|Fuzz\w+|Benchmark\w+)\(`).FindAllSubmatch(b, -1) {
				declared[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	cases, err := filepath.Glob(filepath.Join(root, "internal/plan/testdata/*.txtar"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("Glob: got %d cases, %v", len(cases), err)
	}
	for _, c := range cases {
		declared["TestGolden/"+strings.TrimSuffix(filepath.Base(c), ".txtar")] = true
	}
	seen := 0
	for page, text := range pages(t) {
		for _, name := range regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*(?:/[a-z-]+)?)`").FindAllStringSubmatch(text, -1) {
			seen++
			if !declared[name[1]] {
				t.Errorf("%s: names %s, and there is no such test", page, name[1])
			}
		}
	}
	if seen < 15 {
		t.Errorf("pages name %d tests, want at least 15", seen)
	}
}

// TestEveryDependencyIsNamed compares the modules that go.mod requires directly with the decision that lists them.
func TestEveryDependencyIsNamed(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	page := pages(t)["docs/adr/0008-dependencies.md"]
	want := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(?:require )?\t?(\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) {
		want[m[1]] = true
		if !strings.Contains(page, "| `"+m[1]+"` |") {
			t.Errorf("docs/adr/0008-dependencies.md has no line for %s, which go.mod requires", m[1])
		}
	}
	if len(want) < 20 {
		t.Fatalf("go.mod: got %d direct modules, want at least 20", len(want))
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(page, -1) {
		if !want[m[1]] {
			t.Errorf("docs/adr/0008-dependencies.md has a line for %s, which go.mod does not require", m[1])
		}
	}
}
