package river_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stint-cloud/stint/internal/job"
	"github.com/stint-cloud/stint/internal/job/jobtest"
	"github.com/stint-cloud/stint/internal/job/river"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/pgtest"
	"github.com/stint-cloud/stint/internal/store/postgres"
)

// TestMain lets all cases of the exam run at once: they wait far more than they work.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "25"); err != nil {
		panic(err)
	}
	m.Run()
}

func open(t *testing.T, address string, opts river.Options) *river.Engine {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if opts.Log == nil {
		opts.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	e, err := river.New(t.Context(), pool, opts)
	if err != nil {
		t.Fatalf("New: got error %v, want none", err)
	}
	return e
}

func TestConformance(t *testing.T) {
	server := pgtest.Start(t)
	jobtest.Run(t, jobtest.Harness{
		Twice: true,
		Open: func(t *testing.T, s jobtest.Settings) job.Engine {
			return open(t, server.Database(t), river.Options{Slots: s.Slots, Drain: s.Drain})
		},
		In: func(t *testing.T, run func(t *testing.T)) {
			t.Parallel() // the cases wait more than they work
			run(t)
		},
		Starts: 5,
		Late:   6 * time.Second, // River looks every five seconds for what comes due soon
	})
}

// TestNothingIsLeft starts and stops and counts goroutines, which a bubble cannot do for us here.
func TestNothingIsLeft(t *testing.T) {
	e := open(t, pgtest.Start(t).Database(t), river.Options{})
	round := func() {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		handled := make(chan struct{}, 1)
		go func() {
			ended <- e.Run(ctx, map[job.Queue]job.Handler{job.Scan: func(context.Context, time.Time, string) (job.Answer, error) {
				handled <- struct{}{}
				return job.Done(), nil
			}})
		}()
		if err := e.Wake(ctx, "k", job.Scan, time.Now()); err != nil {
			t.Fatal(err)
		}
		<-handled
		cancel()
		if err := <-ended; err != nil {
			t.Fatalf("Run: got error %v, want none", err)
		}
	}
	round()
	before := runtime.NumGoroutine()
	for range 10 {
		round()
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+5; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("goroutines after 10 starts and stops: got %d, want about %d", runtime.NumGoroutine(), before)
		}
	}
}

func TestMadeByManyAtOnce(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			pool, err := pgxpool.New(t.Context(), address+"&pool_max_conns=1")
			if err != nil {
				t.Error(err)
				return
			}
			defer pool.Close()
			if _, err := river.New(t.Context(), pool, river.Options{}); err != nil {
				t.Errorf("New by four at once, with one connection each: got error %v, want none", err)
			}
		})
	}
	wg.Wait()
}

const workerAddress = "STINT_TEST_WORKER_ADDRESS"

// TestWorkerChild is no test of its own: it is a worker on a database, which others kill and freeze.
func TestWorkerChild(t *testing.T) {
	address := os.Getenv(workerAddress)
	if address == "" {
		t.Skip("runs only as the child of another test")
	}
	jobtest.EndWithParent()
	work(t, address, "child")
}

func work(t *testing.T, address, who string) {
	s, err := postgres.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e, err := river.New(t.Context(), s.Pool(), river.Options{})
	if err != nil {
		t.Fatal(err)
	}
	jobtest.Work(t, s, e, who)
}

// worker starts one in a process of its own, and gives what it says.
func worker(t *testing.T, address string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWorkerChild$", "-test.count=1", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), workerAddress+"="+address)
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
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

// until reads what a worker says up to the n-th line that begins so.
func until(t *testing.T, lines *bufio.Scanner, begin string, n int) {
	t.Helper()
	for n > 0 {
		if !lines.Scan() {
			t.Fatalf("a worker ended before it said %q", begin)
		}
		if strings.HasPrefix(lines.Text(), begin) {
			n--
		}
	}
}

// TestWorkerKilled kills one of two workers in the midst of its work: the other one does the rest.
func TestWorkerKilled(t *testing.T) {
	const actions = 300
	address := pgtest.Start(t).Database(t)
	s, err := postgres.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	jobtest.Fill(t, s, actions)
	first, lines := worker(t, address)
	_, other := worker(t, address)
	go func() {
		for other.Scan() { // so that it never waits for us to read
		}
	}()
	until(t, lines, "done ", 10)
	first.Process.Kill()
	jobtest.Settle(t, s, actions)
}

// TestWorkerFrozen stops a worker within its work and lets it go on after the other one has done everything.
func TestWorkerFrozen(t *testing.T) {
	const actions = 300
	address := pgtest.Start(t).Database(t) + "&idle_in_transaction_session_timeout=2s" // as it may be frozen within one
	s, err := postgres.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	jobtest.Fill(t, s, actions)
	first, lines := worker(t, address)
	until(t, lines, "calling ", 20)
	if err := first.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, other := worker(t, address)
	go func() {
		for other.Scan() {
		}
	}()
	jobtest.Settle(t, s, actions)
	if err := first.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	thawed := time.Now().Add(time.Second)
	for at := int64(0); at < thawed.UnixMilli(); { // it ends what it was at, and looks around again
		if !lines.Scan() {
			t.Fatal("the worker that was frozen ended, want it to go on")
		}
		fmt.Sscanf(lines.Text(), "swept %d", &at)
	}
	jobtest.Effects(t, s, actions)
}

// TestRescued is what happens when nobody sweeps: River itself finds the jobs of the dead. It takes minutes.
func TestRescued(t *testing.T) {
	if os.Getenv("STINT_LONG") != "1" {
		t.Skip("takes two minutes: STINT_LONG=1")
	}
	address := pgtest.Start(t).Database(t)
	s, err := postgres.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	short := river.Options{Timeout: 5 * time.Second, RescueAfter: 6 * time.Second}
	e, err := river.New(t.Context(), s.Pool(), short)
	if err != nil {
		t.Fatal(err)
	}
	// A worker that takes the job and never gives it back: its context's end cuts it off from the database, as a kill does.
	pool, err := pgxpool.New(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := river.New(t.Context(), pool, short)
	if err != nil {
		t.Fatal(err)
	}
	taken, hang := make(chan struct{}, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		gone <- dead.Run(ctx, map[job.Queue]job.Handler{job.Act: func(context.Context, time.Time, string) (job.Answer, error) {
			taken <- struct{}{}
			<-hang
			return job.Answer{}, errors.New("too late")
		}})
	}()
	if err := e.Wake(ctx, "k", job.Act, time.Now()); err != nil {
		t.Fatal(err)
	}
	<-taken
	handled := make(chan struct{}, 1)
	live, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- e.Run(live, map[job.Queue]job.Handler{job.Act: func(context.Context, time.Time, string) (job.Answer, error) {
			handled <- struct{}{}
			return job.Done(), nil
		}})
	}()
	select {
	case <-handled:
	case <-time.After(3 * time.Minute):
		t.Fatal("a job of a worker that hangs: got it not in three minutes, want it rescued")
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatalf("Run: got error %v, want none", err)
	}
	close(hang)
	cancel()
	<-gone
	pool.Close()
}

// TestEchoOfTheDead has a key be handled that a worker took which died: what its handler then asks for is not lost,
// though the dead worker's job holds the key's first seat until River rescues it.
func TestEchoOfTheDead(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	s, err := postgres.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	taken, hang := make(chan struct{}, 1), make(chan struct{})
	run := func(h job.Handler) (e *river.Engine, stop func()) {
		t.Helper()
		e, err := river.New(t.Context(), s.Pool(), river.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx, map[job.Queue]job.Handler{job.Act: h}) }()
		return e, func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: got error %v, want none", err)
			}
		}
	}
	dead, stopDead := run(func(context.Context, time.Time, string) (job.Answer, error) {
		taken <- struct{}{}
		<-hang
		return job.Done(), nil
	})
	if err := dead.Wake(t.Context(), "k", job.Act, time.Now()); err != nil {
		t.Fatal(err)
	}
	<-taken
	times := make(chan struct{}, 10)
	var n atomic.Int32
	live, stop := run(func(context.Context, time.Time, string) (job.Answer, error) {
		times <- struct{}{}
		if n.Add(1) < 3 {
			return job.Again(time.Now()), nil
		}
		return job.Done(), nil
	})
	if err := live.Wake(t.Context(), "k", job.Act, time.Now()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		select {
		case <-times:
		case <-time.After(30 * time.Second):
			t.Fatalf("a key whose first job hangs with the dead: handled %d times in half a minute, want 3, as its handler asks to come again", i)
		}
	}
	stop()
	close(hang)
	stopDead()
}

var _ store.Store = (*postgres.Store)(nil)
