// Package jobtest is the exam that every engine sits.
//
// It promises that two engines which pass it wake alike: once per key, not before the time, again after errors, never
// twice at once, and down to rest when told to. It refuses to look inside, and never sleeps: it waits for what must
// happen.
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

// Settings are what a case asks of its engine.
type Settings struct {
	Slots map[job.Queue]int
	Drain time.Duration
}

// Harness is how the exam gets at engines of one kind.
type Harness struct {
	// Open makes an engine without wake-ups.
	Open func(t *testing.T, s Settings) job.Engine
	// In runs a case: in a bubble where the engine can, as it is otherwise.
	In func(t *testing.T, run func(t *testing.T))
	// Starts is how often an engine is started and stopped to see whether anything is left.
	Starts int
	// Late is how late a wake-up may be.
	Late time.Duration
	// Twice says that a key which is brought forward in the very moment in which it is begun may be handled once more.
	Twice bool
}

// Run examines the engines that the harness opens.
func Run(t *testing.T, h Harness) {
	exam := []struct {
		name string
		run  func(t *testing.T, h Harness)
	}{
		{"Now", testNow},
		{"Past", testPast},
		{"UniqueWakeup", testUnique},
		{"EarlierTimeWins", testEarlier},
		{"LaterTimeLoses", testLater},
		{"NotBeforeItsTime", testDelay},
		{"AgainIsNoFailure", testAgain},
		{"PausesAfterErrors", testErrors},
		{"FailuresAreForgotten", testForgotten},
		{"Panic", testPanic},
		{"WokenWhileHandled", testWokenWhileHandled},
		{"OneAtATime", testOneAtATime},
		{"Cancel", testCancel},
		{"QueuesDoNotBlockEachOther", testQueues},
		{"Slots", testSlots},
		{"UnknownQueue", testUnknownQueue},
		{"DrainWaits", testDrainWaits},
		{"DrainEnds", testDrainEnds},
		{"WakeupsSurviveAStop", testSurvive},
		{"SweepFindsLostWakeups", testSweep},
		{"StartStop", testStartStop},
	}
	for _, e := range exam {
		t.Run(e.name, func(t *testing.T) { h.In(t, func(t *testing.T) { e.run(t, h) }) })
	}
}

const patience = 30 * time.Second

// call is one call of a handler.
type call struct {
	key string
	now time.Time
}

// start runs the engine; stop ends it and gives what Run returned.
func start(t *testing.T, e job.Engine, handlers map[job.Queue]job.Handler) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, handlers) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("Run did not return")
		}
	})
	t.Cleanup(func() { stop() })
	return stop
}

// ends stops the engine, which must come to rest cleanly.
func ends(t *testing.T, stop func() error) {
	t.Helper()
	if err := stop(); err != nil {
		t.Fatalf("Run: got error %v, want a clean end", err)
	}
}

func wake(t *testing.T, e job.Engine, key string, q job.Queue, at time.Time) {
	t.Helper()
	if err := e.Wake(t.Context(), key, q, at); err != nil {
		t.Fatalf("Wake(%s): got error %v, want none", key, err)
	}
}

// await takes the next value.
func await[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: got nothing in %v", what, patience)
		panic("unreachable")
	}
}

// record is a handler that tells of its calls and is done.
func record(calls chan<- call) job.Handler {
	return func(_ context.Context, now time.Time, key string) (job.Answer, error) {
		calls <- call{key, now}
		return job.Done(), nil
	}
}

// quiet waits until everything that was woken for the time up to then must have come, and gives what came.
func quiet(t *testing.T, h Harness, calls <-chan call, after time.Duration) []string {
	t.Helper()
	var keys []string
	for over := time.After(after + h.Late); ; {
		select {
		case c := <-calls:
			keys = append(keys, c.key)
		case <-over:
			return keys
		}
	}
}

func only(q job.Queue, h job.Handler) map[job.Queue]job.Handler {
	return map[job.Queue]job.Handler{q: h}
}

func testNow(t *testing.T, h Harness) {
	e, calls := h.Open(t, Settings{}), make(chan call, 10)
	stop := start(t, e, only(job.Scan, record(calls)))
	began := time.Now()
	const key = "web/us-east-1/snapshot \"🦀\" 中"
	wake(t, e, key, job.Scan, began)
	c := await(t, "a key that was woken", calls)
	if c.key != key {
		t.Fatalf("the handler's key: got %q, want %q", c.key, key)
	}
	if c.now.Location() != time.UTC || c.now.Before(began.Add(-time.Millisecond)) || time.Since(began) > 5*time.Second {
		t.Fatalf("the handler's now: got %v, want this moment, in UTC", c.now)
	}
	began = time.Now()
	wake(t, e, key, job.Scan, began) // done, it may be woken again
	await(t, "a key that was woken again", calls)
	if took := time.Since(began); took > 2*time.Second {
		t.Fatalf("a key woken for now: got it after %v, want it at once", took)
	}
	ends(t, stop)
}

func testPast(t *testing.T, h Harness) {
	e, calls := h.Open(t, Settings{}), make(chan call, 10)
	stop := start(t, e, only(job.Scan, record(calls)))
	wake(t, e, "long ago", job.Scan, time.Unix(1, 0))
	wake(t, e, "never", job.Scan, time.Time{})
	got := map[string]bool{await(t, "the first", calls).key: true, await(t, "the second", calls).key: true}
	if !got["long ago"] || !got["never"] {
		t.Fatalf("keys woken for the past: got %v, want both handled", got)
	}
	ends(t, stop)
}

func testUnique(t *testing.T, h Harness) {
	e, calls := h.Open(t, Settings{}), make(chan call, 300)
	at := time.Now().Add(time.Second)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if err := e.Wake(t.Context(), "k", job.Scan, at); err != nil {
				t.Errorf("Wake: got error %v, want none", err)
			}
		})
	}
	wg.Wait()
	stop := start(t, e, only(job.Scan, record(calls)))
	if keys := quiet(t, h, calls, time.Until(at)+500*time.Millisecond); len(keys) != 1 {
		t.Fatalf("a key that was woken 200 times: got %d calls, want 1", len(keys))
	}
	ends(t, stop)
}

func testEarlier(t *testing.T, h Harness) {
	e, calls := h.Open(t, Settings{}), make(chan call, 10)
	stop := start(t, e, only(job.Scan, record(calls)))
	for _, first := range []time.Duration{time.Hour, 3 * time.Second} {
		wake(t, e, "k", job.Scan, time.Now().Add(first))
		at := time.Now().Add(300 * time.Millisecond)
		wake(t, e, "k", job.Scan, at)
		c := await(t, "a key brought forward", calls)
		if c.now.Before(at.Add(-time.Millisecond)) || c.now.After(at.Add(h.Late+time.Millisecond)) {
			t.Fatalf("a key brought forward from %v: got it at %v, want it at %v", first, c.now, at)
		}
	}
	wake(t, e, "now", job.Scan, time.Now().Add(time.Hour))
	wake(t, e, "now", job.Scan, time.Now())
	await(t, "a key brought forward to now", calls)
	most := 0
	if h.Twice {
		most = 1
	}
	if keys := quiet(t, h, calls, 3500*time.Millisecond); len(keys) > most {
		t.Fatalf("after keys were brought forward: got %v handled once more, want nothing", keys)
	}
	ends(t, stop)
}

func testLater(t *testing.T, h Harness) {
	e, calls := h.Open(t, Settings{}), make(chan call, 10)
	stop := start(t, e, only(job.Scan, record(calls)))
	wake(t, e, "k", job.Scan, time.Now().Add(300*time.Millisecond))
	wake(t, e, "k", job.Scan, time.Now().Add(700*time.Millisecond))
	wake(t, e, "k", job.Scan, time.Now().Add(time.Hour))
	if keys := quiet(t, h, calls, 1500*time.Millisecond); len(keys) != 1 {
		t.Fatalf("a key woken for three times: got %d calls, want 1, at the earliest", len(keys))
	}
	ends(t, stop)
}

func testDelay(t *testing.T, h Harness) {
	e, calls := h.Open(t, Settings{}), make(chan call, 100)
	stop := start(t, e, only(job.Scan, record(calls)))
	at := map[string]time.Time{}
	for i := range 20 {
		key := fmt.Sprint(i)
		at[key] = time.Now().Add(time.Duration(i*37%20) * 60 * time.Millisecond)
		wake(t, e, key, job.Scan, at[key])
	}
	for range at {
		c := await(t, "a key with a delay", calls)
		if early := at[c.key].Sub(c.now); early > time.Millisecond {
			t.Fatalf("key %s: got it %v before its time, want it not before", c.key, early)
		}
		if late := c.now.Sub(at[c.key]); late > h.Late {
			t.Fatalf("key %s: got it %v late, want %v at most", c.key, late, h.Late)
		}
	}
	ends(t, stop)
}

func testAgain(t *testing.T, h Harness) {
	e, calls := h.Open(t, Settings{}), make(chan call, 10)
	left := 5
	stop := start(t, e, only(job.Scan, func(_ context.Context, now time.Time, key string) (job.Answer, error) {
		calls <- call{key, now}
		if left--; left == 0 {
			return job.Done(), nil
		}
		return job.Again(now.Add(200 * time.Millisecond)), nil
	}))
	wake(t, e, "k", job.Scan, time.Now())
	last := await(t, "the first call", calls).now
	for i := range 4 {
		c := await(t, "a call that was asked for", calls)
		if gap := c.now.Sub(last); gap < 199*time.Millisecond || gap > 200*time.Millisecond+h.Late {
			t.Fatalf("Again after 200 ms, call %d: got %v, want that and no pause on top", i+2, gap)
		}
		last = c.now
	}
	if keys := quiet(t, h, calls, 500*time.Millisecond); len(keys) != 0 {
		t.Fatalf("after Done: got %d more calls, want none", len(keys))
	}
	ends(t, stop)
}

// failing is a handler that fails n times and then is done.
func failing(calls chan<- call, n int, fail func() error) job.Handler {
	var count atomic.Int64
	return func(_ context.Context, now time.Time, key string) (job.Answer, error) {
		if key != "k" {
			calls <- call{key, now}
			return job.Done(), nil
		}
		calls <- call{key, now}
		if int(count.Add(1)) <= n {
			return job.Answer{}, fail()
		}
		return job.Done(), nil
	}
}

func testErrors(t *testing.T, h Harness) {
	e, calls := h.Open(t, Settings{}), make(chan call, 10)
	stop := start(t, e, only(job.Scan, failing(calls, 2, func() error { return errors.New("the cloud said \"no\"") })))
	wake(t, e, "k", job.Scan, time.Now())
	last := await(t, "the first call", calls).now
	for i, most := range []time.Duration{2 * time.Second, 4 * time.Second} {
		c := await(t, "a call after an error", calls)
		if gap := c.now.Sub(last); gap < job.Shortest-10*time.Millisecond || gap > most+h.Late {
			t.Fatalf("the pause after error %d: got %v, want %v to %v", i+1, gap, job.Shortest, most)
		}
		last = c.now
	}
	if keys := quiet(t, h, calls, 500*time.Millisecond); len(keys) != 0 {
		t.Fatalf("after it was done: got %d more calls, want none", len(keys))
	}
	ends(t, stop)
}

func testForgotten(t *testing.T, h Harness) {
	e, calls := h.Open(t, Settings{}), make(chan call, 100)
	var count atomic.Int64
	stop := start(t, e, only(job.Scan, func(_ context.Context, now time.Time, key string) (job.Answer, error) {
		if key != "k" {
			calls <- call{key, now}
			return job.Done(), nil
		}
		calls <- call{key, now}
		switch n := count.Add(1); {
		case n == 7:
			return job.Done(), nil
		case n%2 == 1: // every other call fails
			return job.Answer{}, errors.New("once in a while")
		}
		return job.Again(now.Add(50 * time.Millisecond)), nil
	}))
	wake(t, e, "k", job.Scan, time.Now())
	var last time.Time
	for i := range 7 {
		c := await(t, "a call", calls)
		if i%2 == 1 { // after an error that followed a success: the first in a row
			if gap := c.now.Sub(last); gap > 2*time.Second+h.Late {
				t.Fatalf("the pause before call %d: got %v, want the shortest: what went before was forgotten", i+1, gap)
			}
		}
		last = c.now
	}
	ends(t, stop)
}

func testPanic(t *testing.T, h Harness) {
	e, calls := h.Open(t, Settings{}), make(chan call, 10)
	stop := start(t, e, only(job.Scan, failing(calls, 1, func() error { panic("at the disco") })))
	wake(t, e, "k", job.Scan, time.Now())
	await(t, "the call that panics", calls)
	wake(t, e, "other", job.Scan, time.Now())
	if c := await(t, "another key after a panic", calls); c.key != "other" {
		t.Fatalf("after a panic: got key %q, want the other", c.key)
	}
	if c := await(t, "the key that panicked", calls); c.key != "k" {
		t.Fatalf("after a panic: got key %q, want it called again", c.key)
	}
	ends(t, stop)
}
