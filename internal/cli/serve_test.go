package cli

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// lines is a buffer that a process writes and a test reads.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// house is a folder with policies, in which stint runs against a fake.
type house struct {
	t   *testing.T
	web *actor
	dir string
}

func newHouse(t *testing.T, policies string) *house {
	t.Helper()
	web, err := newActor("web")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(web.stop)
	h := &house{t: t, web: web, dir: t.TempDir()}
	h.write(policies)
	return h
}

func (h *house) write(policies string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, "stint.yaml"), []byte(strings.ReplaceAll(policies, "http://web", h.web.url)), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) command(out io.Writer, args ...string) *exec.Cmd {
	cmd := exec.Command("stint", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = h.dir, out, out
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+fakeaws.AccessKey, "AWS_SECRET_ACCESS_KEY="+fakeaws.SecretKey,
		"AWS_EC2_METADATA_DISABLED=true", "HOME="+h.dir, "STINT_DATABASE=memory.db", "USER=ann")
	return cmd
}

// start runs a command until the test ends.
func (h *house) start(args ...string) (*exec.Cmd, *lines) {
	h.t.Helper()
	out := &lines{}
	cmd := h.command(out, args...)
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill() // it may have ended already
			_ = cmd.Wait()
		}
	})
	return cmd, out
}

// until waits until the condition holds, for half a minute at most.
func until(t *testing.T, what string, out *lines, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: waited half a minute in vain\n%s", what, out)
}

const housePolicy = `
accounts:
  web: { cloud: aws, regions: [us-east-1], endpoint: "http://web" }
policies:
  daily:
    backup:
      select: { tags: { backup: daily } }
      schedule: { cron: "0 0 1 1 *", catch-up: 365d }
      method: snapshots
      keep: { last: 2 }
`

// TestServe follows one serve through its life: health, metrics, work, a second one refused, errands handed to it, new
// policies, bad policies, the end.
func TestServe(t *testing.T) {
	h := newHouse(t, housePolicy)
	h.web.add("web-1", map[string]string{"backup": "daily"}, 1)
	h.web.add("web-2", map[string]string{"backup": "weekly"}, 1)
	cmd, out := h.start("serve", "--listen", "127.0.0.1:0")
	address := regexp.MustCompile(`address=(\S+)`)
	until(t, "serve listens", out, func() bool { return address.MatchString(out.String()) })
	base := "http://" + address.FindStringSubmatch(out.String())[1]
	get := func(path string) (int, string) {
		resp, err := http.Get(base + path)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	until(t, "serve is ready", out, func() bool { n, _ := get("/readyz"); return n == http.StatusOK })
	if n, body := get("/healthz"); n != http.StatusOK {
		t.Errorf("GET /healthz: got %d %s, want 200", n, body)
	}
	until(t, "web-1 is backed up", out, func() bool { return len(h.web.ours()) == 1 })

	// Only one serves a file.
	second := &lines{}
	err := h.command(second, "serve", "--listen", "").Run()
	if code := exitCode(err); code != exitUsage || !strings.Contains(second.String(), "is in use by process") {
		t.Errorf("a second serve: exit code %d, output %q; want %d and who uses the database", code, second, exitUsage)
	}

	// An errand is handed to it.
	var id string
	until(t, "the backup is complete", out, func() bool {
		list := &lines{}
		_ = h.command(list, "backups", "list").Run() // what it prints is looked at
		f := strings.Fields(list.String())
		if strings.Contains(list.String(), "complete") && len(f) > 6 {
			id = f[6]
		}
		return id != ""
	})
	held := &lines{}
	if err := h.command(held, "backups", "hold", id, "--reason", "audit").Run(); err != nil || !strings.Contains(held.String(), "is held") {
		t.Errorf("backups hold while serve works: %v\n%swant it to be held", err, held)
	}

	// Policies that are wrong are refused, loudly, and the old ones stay.
	h.write("nonsense: true")
	hup(t, cmd)
	until(t, "bad policies are refused", out, func() bool { return strings.Contains(out.String(), "THE POLICIES ARE REFUSED") })
	if n, _ := get("/readyz"); n != http.StatusOK {
		t.Errorf("GET /readyz after bad policies: got %d, want 200\n%s", n, out)
	}
	h.write(strings.ReplaceAll(housePolicy, "backup: daily", "backup: weekly"))
	hup(t, cmd)
	until(t, "web-2 is backed up by the new policies", out, func() bool { return len(h.web.ours()) == 2 })

	body := ""
	until(t, "the new backup is complete", out, func() bool {
		_, body = get("/metrics")
		return strings.Contains(body, `stint_newest_backup_age_seconds{policy="daily"}`)
	})
	for _, want := range []string{
		`stint_actions_total{state="done",verb="snapshot-set"} 2`, `stint_actions_total{state="done",verb="set-tags"} 1`,
		`stint_cloud_calls_total{account="web",op="snapshotset.create",outcome="ok"} 2`, `stint_policy_loads_total{outcome="refused"} 1`,
		`stint_policy_loads_total{outcome="ok"} 2`, `stint_survey_age_seconds{account="web",kind="image",region="us-east-1"}`,
		`stint_newest_backup_age_seconds{policy="daily"}`, `stint_incidents_open 0`, `stint_queue_depth{kind="action"} 0`, `stint_plan_seconds_count{policy="daily"}`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("GET /metrics lacks %s\n%s", want, grepLines(body, "stint_"))
		}
	}

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("serve after SIGTERM: %v, want a clean end\n%s", err, out)
	}
}

func hup(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := err.(*exec.ExitError); ok {
		return e.ExitCode()
	}
	return -1
}

func grepLines(text, prefix string) string {
	var out []string
	for l := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(l, prefix) {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}

// TestApplyStopsGracefully interrupts an apply that waits for the cloud: it ends soon, says what goes on, and the next
// one finishes.
func TestApplyStopsGracefully(t *testing.T) {
	h := newHouse(t, housePolicy)
	h.web.add("web-1", map[string]string{"backup": "daily"}, 1)
	hang := fakeaws.Hangs
	h.web.fate.Store(&hang)
	cmd, out := h.start("apply", "--yes")
	until(t, "the snapshot is begun", out, func() bool { return len(h.web.ours()) == 1 })
	until(t, "apply waits for the cloud", out, func() bool { return strings.Contains(out.String(), "the clouds are making") })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if code := exitCode(err); code != exitFailed && code != exitPartly {
		t.Errorf("apply after an interrupt: exit code %d, want %d or %d\n%s", code, exitFailed, exitPartly, out)
	}
	if !strings.Contains(out.String(), "Stopping: calls that are under way are finished") {
		t.Errorf("apply after an interrupt does not say that it stops:\n%s", out)
	}
	h.web.fake.Settle(scriptRegion, h.web.ours()[0].ID, fakeaws.Completes)
	again := &lines{}
	if err := h.command(again, "apply", "--yes").Run(); err != nil {
		t.Errorf("apply again: %v\n%s", err, again)
	}
	if n := len(h.web.ours()); n != 1 {
		t.Errorf("after both there are %d snapshots, want 1\n%s", n, again)
	}
}
