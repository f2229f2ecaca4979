package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

const auditPolicies = `
accounts:
  web: { cloud: aws, regions: [us-east-1], endpoint: "http://web" }
policies:
  daily:
    backup:
      select: { tags: { backup: daily } }
      schedule: { cron: "0 0 1 1 *", catch-up: 365d }
      method: snapshots
      keep: { last: 3 }
`

func (h *house) output(args ...string) string {
	h.t.Helper()
	var out bytes.Buffer
	if err := h.command(&out, args...).Run(); err != nil {
		h.t.Fatalf("stint %s: %v\n%s", strings.Join(args, " "), err, out.String())
	}
	return out.String()
}

// TestServeLogsTheHead: the log bears witness to what the record was when serve began, and when it ended.
func TestServeLogsTheHead(t *testing.T) {
	h := newHouse(t, auditPolicies)
	h.web.add("web-1", map[string]string{"backup": "daily"}, 1)
	cmd, out := h.start("serve", "--listen", "")
	until(t, "the backup is made", out, func() bool { return len(h.web.ours()) == 1 && strings.Contains(out.String(), "run ended") })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("serve: %v\n%s", err, out)
	}
	heads := regexp.MustCompile(`msg="head of the record" head=(\S+)`).FindAllStringSubmatch(out.String(), -1)
	if len(heads) != 2 || heads[0][1] == heads[1][1] {
		t.Fatalf("serve logged the heads %q, want one at the start and another at the end\n%s", heads, out)
	}
	if got := h.output("audit", "verify", "--head", heads[0][1], "--head", heads[1][1]); !strings.Contains(got, "head  "+heads[1][1]) {
		t.Errorf("audit verify: got %q, want the head that serve logged last", got)
	}
}

// TestAnybodyCanCheckAnExport: the program in the guide needs nothing of ours.
func TestAnybodyCanCheckAnExport(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	guide, err := os.ReadFile("../../docs/guide/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(guide), "```python\n")
	program, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the guide has no Python program")
	}
	h := newHouse(t, auditPolicies)
	h.web.add("長 web", map[string]string{"backup": "daily"}, 2)
	h.output("apply", "--yes")
	h.output("audit", "export", "--out", "record.jsonl")
	check := func(file string) (string, error) {
		cmd := exec.Command(python, "-c", program, filepath.Join(h.dir, file))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	head := regexp.MustCompile(`head  (\S+)`).FindStringSubmatch(h.output("audit", "verify"))[1]
	if out, err := check("record.jsonl"); err != nil || strings.TrimSpace(out) != head {
		t.Errorf("the guide's program: got %q, %v; want the head %s", out, err, head)
	}
	b, err := os.ReadFile(filepath.Join(h.dir, "record.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "forged.jsonl"), bytes.Replace(b, []byte(`"who":"ann"`), []byte(`"who":"eve"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := check("forged.jsonl"); err == nil {
		t.Errorf("the guide's program on a forged record: got %q, want it to fail", out)
	}
}
