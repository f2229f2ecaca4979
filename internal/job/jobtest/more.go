package jobtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/job"
)

// gate is a handler that waits inside until it is let go, and counts who is in.
type gate struct {
	in      chan call     // who came in
	open    chan struct{} // one value lets one out
	inside  atomic.Int64
	highest atomic.Int64
}

func newGate() *gate { return &gate{in: make(chan call, 100), open: make(chan struct{}, 100)} }

func (g *gate) handle(ctx context.Context, now time.Time, key string) (job.Answer, error) {
	n := g.inside.Add(1)
	defer g.inside.Add(-1)
	for old := g.highest.Load(); n > old && !g.highest.CompareAndSwap(old, n); old = g.highest.Load() {
	}
	g.in <- call{key, now}
	select {
	case <-g.open:
		return job.Done(), nil
	case <-ctx.Done():
		return job.Answer{}, ctx.Err()
	}
}

func testWokenWhileHandled(t *testing.T, h Harness) {
	e, g := h.Open(t, Settings{}), newGate()
	stop := start(t, e, only(job.Act, g.handle))
	wake(t, e, "k", job.Act, time.Now())
	await(t, "the first call", g.in)
	for range 3 {
		wake(t, e, "k", job.Act, time.Now())
	}
	if more := quiet(t, h, g.in, 0); len(more) > 0 {
		t.Fatalf("a key woken while it is handled: got it handled twice at once, want one after the other")
	}
	g.open <- struct{}{}
	await(t, "the call that was asked for meanwhile", g.in)
	g.open <- struct{}{}
	if more := quiet(t, h, g.in, 0); len(more) > 0 {
		t.Fatalf("a key woken three times while it is handled: got it handled twice more, want once")
	}
	ends(t, stop)
}

func testOneAtATime(t *testing.T, h Harness) {
	e := h.Open(t, Settings{})
	var inside, highest, total atomic.Int64
	handled := make(chan struct{}, 1000)
	stop := start(t, e, only(job.Act, func(context.Context, time.Time, string) (job.Answer, error) {
		highest.Store(max(highest.Load(), inside.Add(1)))
		total.Add(1)
		inside.Add(-1)
		handled <- struct{}{}
		return job.Done(), nil
	}))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				if err := e.Wake(t.Context(), "k", job.Act, time.Now()); err != nil {
					t.Errorf("Wake: got error %v, want none", err)
				}
			}
		})
	}
	wg.Wait()
	await(t, "a call", handled)
	ends(t, stop)
	if highest.Load() != 1 || total.Load() > 100 {
		t.Fatalf("a key woken by four at once: got %d calls, %d at a time, want one at a time", total.Load(), highest.Load())
	}
}

func testCancel(t *testing.T, h Harness) {
	e, calls := h.Open(t, Settings{}), make(chan call, 10)
	stop := start(t, e, only(job.Scan, record(calls)))
	wake(t, e, "k", job.Scan, time.Now().Add(500*time.Millisecond))
	wake(t, e, "other", job.Scan, time.Now().Add(500*time.Millisecond))
	for _, key := range []string{"k", "k", "nobody"} {
		if err := e.Cancel(t.Context(), key); err != nil {
			t.Fatalf("Cancel(%s): got error %v, want none", key, err)
		}
	}
	if keys := quiet(t, h, calls, 1200*time.Millisecond); len(keys) != 1 || keys[0] != "other" {
		t.Fatalf("after Cancel: got calls %v, want the other key alone", keys)
	}
	wake(t, e, "k", job.Scan, time.Now())
	await(t, "a key woken after Cancel", calls)
	ends(t, stop)
}

func testQueues(t *testing.T, h Harness) {
	e, g, calls := h.Open(t, Settings{Slots: map[job.Queue]int{job.Act: 2, job.Scan: 1}}), newGate(), make(chan call, 10)
	stop := start(t, e, map[job.Queue]job.Handler{job.Act: g.handle, job.Scan: record(calls)})
	for i := range 5 {
		wake(t, e, fmt.Sprint(i), job.Act, time.Now())
	}
	await(t, "the first in the full queue", g.in)
	await(t, "the second in the full queue", g.in)
	wake(t, e, "free", job.Scan, time.Now())
	await(t, "a key of a queue that is free", calls)
	for range 5 {
		g.open <- struct{}{}
	}
	for range 3 {
		await(t, "the rest of the full queue", g.in)
	}
	ends(t, stop)
}

func testSlots(t *testing.T, h Harness) {
	e, g := h.Open(t, Settings{Slots: map[job.Queue]int{job.Act: 3}}), newGate()
	stop := start(t, e, only(job.Act, g.handle))
	for i := range 12 {
		wake(t, e, fmt.Sprint(i), job.Act, time.Now())
	}
	seen := map[string]bool{}
	for range 12 {
		seen[await(t, "a call", g.in).key] = true
		g.open <- struct{}{}
	}
	ends(t, stop)
	if len(seen) != 12 || g.highest.Load() > 3 {
		t.Fatalf("12 keys in 3 slots: got %d keys, %d at once, want 12, 3 at most", len(seen), g.highest.Load())
	}
}

func testUnknownQueue(t *testing.T, h Harness) {
	if err := h.Open(t, Settings{}).Wake(t.Context(), "k", "nonsense", time.Now()); err == nil {
		t.Fatal("Wake in a queue that is none: got no error, want one")
	}
}

func testDrainWaits(t *testing.T, h Harness) {
	e, g := h.Open(t, Settings{Drain: 10 * time.Second}), newGate()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, only(job.Act, g.handle)) }()
	wake(t, e, "k", job.Act, time.Now())
	await(t, "the call", g.in)
	cancel()
	select {
	case err := <-ended:
		t.Fatalf("Run: got %v while a handler was at work, want it to wait", err)
	case <-time.After(500 * time.Millisecond):
	}
	g.open <- struct{}{}
	if err := await(t, "Run", ended); err != nil {
		t.Fatalf("Run after a drain: got error %v, want none", err)
	}
}

func testDrainEnds(t *testing.T, h Harness) {
	e, g := h.Open(t, Settings{Drain: 300 * time.Millisecond}), newGate()
	var left atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- e.Run(ctx, only(job.Act, func(ctx context.Context, now time.Time, key string) (job.Answer, error) {
			defer left.Store(true)
			return g.handle(ctx, now, key)
		}))
	}()
	wake(t, e, "k", job.Act, time.Now())
	await(t, "the call", g.in)
	cancel()
	if err := await(t, "Run", ended); err == nil {
		t.Fatal("Run with a handler that does not end: got no error, want one that says so")
	}
	if !left.Load() {
		t.Fatal("Run returned while a handler was at work, want it to wait for the cancelled one")
	}
}

func testSurvive(t *testing.T, h Harness) {
	e, calls := h.Open(t, Settings{}), make(chan call, 10)
	wake(t, e, "before", job.Scan, time.Now()) // nobody handles it yet
	stop := start(t, e, only(job.Scan, record(calls)))
	await(t, "a key woken before the start", calls)
	ends(t, stop)
	wake(t, e, "between", job.Scan, time.Now())
	stop = start(t, e, only(job.Scan, record(calls)))
	if c := await(t, "a key woken between two runs", calls); c.key != "between" {
		t.Fatalf("the second run: got key %q, want the one woken between the two", c.key)
	}
	ends(t, stop)
}

// rows is a table with one column: when each row is due.
type rows struct {
	mu  sync.Mutex
	due map[string]time.Time
}

func (r *rows) list(_ context.Context, now time.Time) ([]job.Wakeup, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []job.Wakeup
	for key, at := range r.due {
		if !at.After(now) {
			out = append(out, job.Wakeup{Key: key, Queue: job.Act, At: at})
		}
	}
	return out, nil
}

func testSweep(t *testing.T, h Harness) {
	e, done := h.Open(t, Settings{}), make(chan string, 100)
	table := &rows{due: map[string]time.Time{}}
	for i := range 10 { // due, and nobody was ever woken for them
		table.due[fmt.Sprint(i)] = time.Now().Add(time.Duration(i) * 50 * time.Millisecond)
	}
	stop := start(t, e, only(job.Act, func(_ context.Context, _ time.Time, key string) (job.Answer, error) {
		table.mu.Lock()
		defer table.mu.Unlock()
		if _, due := table.due[key]; due {
			delete(table.due, key)
			done <- key
		}
		return job.Done(), nil
	}))
	ctx, cancel := context.WithCancel(t.Context())
	var broken atomic.Int64
	sweep := &job.Sweep{Engine: e, Every: 100 * time.Millisecond, Due: func(ctx context.Context, now time.Time) ([]job.Wakeup, error) {
		if broken.Add(1) == 2 {
			return nil, errors.New("the database is away for a moment")
		}
		return table.list(ctx, now)
	}}
	ended := make(chan error, 1)
	go func() { ended <- sweep.Run(ctx) }()
	seen := map[string]int{}
	for range 10 {
		seen[await(t, "a row that nobody was woken for", done)]++
	}
	cancel()
	if err := await(t, "Sweep.Run", ended); err != nil {
		t.Fatalf("Sweep.Run: got error %v, want none", err)
	}
	ends(t, stop)
	if len(seen) != 10 || len(done) > 0 {
		t.Fatalf("the sweep: got %v, want each row once", seen)
	}
}

func testStartStop(t *testing.T, h Harness) {
	e, calls := h.Open(t, Settings{}), make(chan call, 10)
	for i := range h.Starts {
		stop := start(t, e, only(job.Scan, record(calls)))
		if i%2 == 0 {
			wake(t, e, "k", job.Scan, time.Now())
			await(t, "a call between start and stop", calls)
		}
		ends(t, stop)
	}
}
