package local_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/job"
	"github.com/stint-cloud/stint/internal/job/jobtest"
	"github.com/stint-cloud/stint/internal/job/local"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlite"
)

const workerFile = "STINT_TEST_WORKER_FILE"

// TestWorkerChild is no test of its own: it is a worker on a file, which others kill.
func TestWorkerChild(t *testing.T) {
	path := os.Getenv(workerFile)
	if path == "" {
		t.Skip("runs only as the child of another test")
	}
	jobtest.EndWithParent()
	release, err := local.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	jobtest.Work(t, s, local.New(local.Options{}), "child")
}

func child(t *testing.T, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWorkerChild$", "-test.count=1")
	cmd.Env = append(os.Environ(), workerFile+"="+path)
	if _, err := cmd.StdinPipe(); err != nil { // ours to hold: see EndWithParent
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// TestKilledAgainAndAgain kills the worker over and over; each next one finds by its sweep what the last one left.
func TestKilledAgainAndAgain(t *testing.T) {
	const actions, kills = 60, 4
	path := filepath.Join(t.TempDir(), "stint.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	jobtest.Fill(t, s, actions)
	for range kills {
		cmd, lines := child(t, path)
		for n := 0; n < actions/10 && lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "done ") {
				n++
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
	cmd, _ := child(t, path)
	jobtest.Settle(t, s, actions)
	cmd.Process.Kill()
	cmd.Wait()
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "stint.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cmd, lines := child(t, path)
	for lines.Scan() && lines.Text() != "working" {
	}
	_, err = local.Lock(path)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", cmd.Process.Pid)) || !strings.Contains(err.Error(), path) {
		t.Fatalf("Lock of a database in use: got error %v, want one that names the file and process %d", err, cmd.Process.Pid)
	}
	cmd.Process.Kill()
	cmd.Wait()
	release, err := local.Lock(path)
	if err != nil {
		t.Fatalf("Lock after its holder was killed: got error %v, want none", err)
	}
	if _, err := local.Lock(path); err == nil {
		t.Fatal("Lock twice in one process: got no error, want one")
	}
	release()
	release2, err := local.Lock(path)
	if err != nil {
		t.Fatalf("Lock after release: got error %v, want none", err)
	}
	release2()
}

// TestFrozen keeps a worker between its reading and its writing while another one finishes the row: only one of them
// takes effect.
func TestFrozen(t *testing.T) {
	s, err := sqlite.Open(t.Context(), sqlite.Memory)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	jobtest.Fill(t, s, 1)
	frozen, err := s.Action(t.Context(), jobtest.ActionID(0))
	if err != nil {
		t.Fatal(err)
	}
	e := local.New(local.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	if err := e.Wake(ctx, frozen.ID, job.Act, time.Now()); err != nil {
		t.Fatal(err)
	}
	step := jobtest.Step(s, "other")
	err = e.Run(ctx, map[job.Queue]job.Handler{job.Act: func(ctx context.Context, now time.Time, key string) (job.Answer, error) {
		answer, err := step(ctx, now, key)
		if row, _ := s.Action(ctx, key); row.State.Ended() {
			cancel()
		}
		return answer, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	frozen.State, frozen.Problem = store.ActionDone, "frozen"
	if _, err := s.SaveAction(t.Context(), frozen); !errors.Is(err, store.ErrStale) {
		t.Fatalf("SaveAction by the worker that was frozen: got error %v, want ErrStale", err)
	}
	jobtest.Settle(t, s, 1)
}
