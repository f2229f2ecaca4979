package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	_ "time/tzdata" // as the program that is measured has it

	"github.com/stint-cloud/stint/internal/cli"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// used is what a process and its children took.
type used struct {
	began time.Time
	wall  float64 // s
	cpu   float64 // s, user and system
	rss   float64 // MB, the peak of the largest of them
	calls int
	lost  int
	twice int
}

func (u used) Wall() float64  { return u.wall }
func (u used) CPU() float64   { return u.cpu }
func (u used) RSS() float64   { return u.rss }
func (u used) Calls() float64 { return float64(u.calls) }

// spend runs a program to its end. codes are the exit codes that are right besides 0.
//
// Linux counts the memory that the parent had when it made the process towards the child's peak: this program stays
// small, and does what needs memory in processes of their own.
func spend(dir string, env []string, codes []int, name string, args ...string) (used, []byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	u := used{began: time.Now()}
	err := cmd.Run()
	u.wall = time.Since(u.began).Seconds()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		for _, c := range codes {
			if exit.ExitCode() == c {
				err = nil
			}
		}
	}
	if err != nil {
		return u, nil, fmt.Errorf("%s %v: %w\n%s%s", filepath.Base(name), args, err, tail(out.Bytes()), tail(wrong.Bytes()))
	}
	u.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.rss = float64(r.Maxrss) / 1024
	}
	return u, out.Bytes(), nil
}

func tail(b []byte) []byte {
	if len(b) > 2000 {
		return b[len(b)-2000:]
	}
	return b
}

// keys sign in to the fake.
func keys() []string {
	return []string{
		"BENCH_ACCESS=" + fakeaws.AccessKey, "BENCH_SECRET=" + fakeaws.SecretKey,
		"AWS_ACCESS_KEY_ID=" + fakeaws.AccessKey, "AWS_SECRET_ACCESS_KEY=" + fakeaws.SecretKey, "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	}
}

// rules writes a policy file for a fake.
func (b *bench) rules(url string, writes float64, keep string) (string, error) {
	path := filepath.Join(b.dir, "stint.yaml")
	return path, os.WriteFile(path, fmt.Appendf(nil, `accounts:
  %s:
    cloud: aws
    regions: [%s]
    endpoint: %s
    credentials: { access-key: "env:BENCH_ACCESS", secret-key: "env:BENCH_SECRET" }
    pace: { reads: 100, writes: %v }
policies:
  %s:
    backup:
      select:   { accounts: [%s], tags: { SnapshotDaily: "*" } }
      schedule: { cron: "0 0 * * *", catch-up: 24h }
      method:   snapshots
      keep:     { last: %s }
`, account, region, url, writes, policy, account, keep), 0o600)
}

// client runs stint once against a new fake and a new database.
func (b *bench) client(w world, writes float64, args ...string) (used, seen, error) {
	f, err := b.fake(w)
	if err != nil {
		return used{}, seen{}, err
	}
	u, s, err := b.against(f, writes, args...)
	return u, s, errors.Join(err, f.stop())
}

func (b *bench) against(f *fakeCloud, writes float64, args ...string) (used, seen, error) {
	rules, err := b.rules(f.url, writes, "{ from-tag: SnapshotDaily }")
	if err != nil {
		return used{}, seen{}, err
	}
	db, err := os.MkdirTemp(b.dir, "db-")
	if err != nil {
		return used{}, seen{}, err
	}
	defer os.RemoveAll(db)
	args = append(args, "-f", rules, "--database", filepath.Join(db, "stint.db"))
	u, _, err := spend(b.dir, keys(), []int{4}, b.stint, args...)
	if err != nil {
		return u, seen{}, err
	}
	s, err := f.seen()
	u.calls, u.lost, u.twice = s.total(), s.Lost, s.Doubled
	return u, s, err
}

// stintMain is stint with a profile of its CPU time and memory beside it, for whoever looks for what takes the time:
// bench stint DIR ARGS…
func stintMain(args []string) error {
	if len(args) < 1 {
		return errors.New("bench stint DIR ARGS…: writes DIR/cpu.pprof and DIR/heap.pprof")
	}
	f, err := os.Create(filepath.Join(args[0], "cpu.pprof"))
	if err != nil {
		return err
	}
	defer f.Close()
	runtime.MemProfileRate = 16 << 10
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	code := cli.Main(context.Background(), args[1:], cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv})
	pprof.StopCPUProfile()
	h, err := os.Create(filepath.Join(args[0], "heap.pprof"))
	if err != nil {
		return err
	}
	defer h.Close()
	fmt.Fprintln(os.Stderr, "exit code", code)
	return pprof.WriteHeapProfile(h)
}
