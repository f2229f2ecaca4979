package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long something may take before it counts as stuck. A create whose answer was lost is not made again
// before the cloud's listings can be believed, which takes five minutes on AWS.
const patience = 7 * time.Minute

// home is a folder in which stint is run, with its policies and its environment.
type home struct {
	t        *testing.T
	dir      string
	env      []string
	database string
}

func newHome(t *testing.T, policies string, env ...string) *home {
	t.Helper()
	dir := t.TempDir()
	h := &home{t: t, dir: dir, database: filepath.Join(dir, "stint.db")}
	h.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir(), "USER=ann", "TZ=UTC", "NO_COLOR=1",
		"AWS_EC2_METADATA_DISABLED=true",
	}, env...)
	h.write(policies)
	return h
}

func (h *home) write(policies string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, "stint.yaml"), []byte(policies), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Getenv(binary), append(args, "--database", h.database)...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = h.dir, h.env, attributes()
	return cmd
}

// answer is what one command came to.
type answer struct {
	t        *testing.T
	what     string
	code     int
	out, err string
}

// run runs one command to its end.
func (h *home) run(args ...string) answer {
	h.t.Helper()
	a := h.try(args...)
	if a.code < 0 {
		h.t.Fatalf("%s: it did not come to its end\n%s%s", a.what, a.out, a.err)
	}
	return a
}

// try is run for any goroutine: a command that does not come to its end has a code below zero.
func (h *home) try(args ...string) answer {
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := h.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	a := answer{t: h.t, what: "stint " + strings.Join(args, " "), code: -1, out: out.String(), err: errs.String()}
	var ended *exec.ExitError
	switch {
	case err == nil, errors.As(err, &ended):
		a.code = cmd.ProcessState.ExitCode()
	default:
		a.err += err.Error()
	}
	return a
}

// want demands an exit code, and words on either output.
func (a answer) want(code int, words ...string) answer {
	a.t.Helper()
	if a.code != code {
		a.t.Fatalf("%s: got exit code %d, want %d\n%s%s", a.what, a.code, code, a.out, a.err)
	}
	for _, w := range words {
		if !strings.Contains(a.out+a.err, w) {
			a.t.Fatalf("%s: got no %q in\n%s%s", a.what, w, a.out, a.err)
		}
	}
	return a
}

// read decodes the output of a command that was run with -o json.
func (a answer) read(into any) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.out), into); err != nil {
		a.t.Fatalf("%s: %v in\n%s%s", a.what, err, a.out, a.err)
	}
}

// backup is what `stint backups list -o json` says of one.
type backup struct {
	ID       string `json:"id"`
	Policy   string `json:"policy"`
	Source   string `json:"source"`
	Slot     string `json:"slot"`
	Method   string `json:"method"`
	Standing string `json:"standing"`
	Hold     string `json:"hold"`
}

func (h *home) backups(args ...string) []backup {
	h.t.Helper()
	var list []backup
	h.run(append([]string{"backups", "list", "--all", "-o", "json"}, args...)...).want(0).read(&list)
	return list
}

// process is a stint that runs beside the test.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu  sync.Mutex
	log bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// start starts a stint that runs until it is stopped; the test ends it at the latest.
func (h *home) start(name string, args ...string) *process {
	h.t.Helper()
	p := &process{t: h.t, name: name, cmd: h.command(context.Background(), args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		h.t.Fatalf("stint %s: %v", strings.Join(args, " "), err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.done)
	}()
	h.t.Cleanup(func() {
		p.kill()
		if h.t.Failed() {
			h.t.Logf("what %s said:\n%s", name, p.text())
		}
	})
	return p
}

// serve starts a daemon and waits until it is at work.
func (h *home) serve(name string) *process {
	h.t.Helper()
	p := h.start(name, "serve", "--listen", "127.0.0.1:0")
	p.until(time.Minute, "serving")
	return p
}

// until waits for a word in what the process says.
func (p *process) until(limit time.Duration, word string) {
	p.t.Helper()
	p.untilCount(limit, regexp.MustCompile(regexp.QuoteMeta(word)), 1)
}

// untilCount waits until the process has said something so often.
func (p *process) untilCount(limit time.Duration, what *regexp.Regexp, n int) {
	p.t.Helper()
	until(p.t, limit, 20*time.Millisecond, p.name+" says "+what.String(), func() (bool, string) {
		text := p.text()
		got := len(what.FindAllStringIndex(text, -1))
		if p.ended() && got < n {
			p.t.Fatalf("%s has ended: %s\n%s", p.name, p.cmd.ProcessState, text)
		}
		return got >= n, text
	})
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process as kill -9 does, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended already
	<-p.done
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%s cannot be sent %s: %v", p.name, s, err)
	}
}

// stop asks the process to end, and wants it to do so well.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(90 * time.Second):
		p.t.Fatalf("%s does not stop when it is asked to", p.name)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("%s, asked to stop: got %s, want exit code 0", p.name, p.cmd.ProcessState)
	}
}
