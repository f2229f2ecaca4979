package step_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/job"
	"github.com/stint-cloud/stint/internal/job/step"
)

func begin() time.Time { return time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC) }

// world is an engine whose handlers write down what they were called for, and answer as told.
type world struct {
	*step.Engine
	trace  []string
	answer func(now time.Time, key string) (job.Answer, error)
}

func open() *world {
	return &world{Engine: step.New(begin()), answer: func(time.Time, string) (job.Answer, error) { return job.Done(), nil }}
}

func (w *world) handlers() map[job.Queue]job.Handler {
	out := map[job.Queue]job.Handler{}
	for _, q := range job.Queues() {
		out[q] = func(_ context.Context, now time.Time, key string) (job.Answer, error) {
			w.trace = append(w.trace, fmt.Sprintf("%v %s %s", now.Sub(begin()), q, key))
			return w.answer(now, key)
		}
	}
	return out
}

func (w *world) wake(t *testing.T, key string, q job.Queue, after time.Duration) {
	t.Helper()
	if err := w.Wake(t.Context(), key, q, begin().Add(after)); err != nil {
		t.Fatalf("Wake(%s): got error %v, want none", key, err)
	}
}

func (w *world) until(t *testing.T, after time.Duration) {
	t.Helper()
	if err := w.RunUntil(t.Context(), w.handlers(), begin().Add(after)); err != nil {
		t.Fatalf("RunUntil(%v): got error %v, want none", after, err)
	}
	if got := w.Now().Sub(begin()); got != after {
		t.Fatalf("Now after RunUntil(%v): got %v", after, got)
	}
}

func (w *world) traced(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(w.trace, want) {
		t.Fatalf("calls: got %q, want %q", w.trace, want)
	}
}

func TestOrder(t *testing.T) {
	w := open()
	w.wake(t, "b", job.Act, time.Hour)
	w.wake(t, "a", job.Act, time.Hour)
	w.wake(t, "z", job.Scan, time.Hour)
	w.wake(t, "past", job.Notice, -time.Hour)
	w.wake(t, "late", job.Scan, 3*time.Hour)
	w.wake(t, "forward", job.Scan, 24*time.Hour)
	w.wake(t, "forward", job.Scan, 2*time.Hour)
	w.wake(t, "forward", job.Scan, 5*time.Hour)
	w.wake(t, "gone", job.Scan, time.Minute)
	if err := w.Cancel(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	w.until(t, 2*time.Hour)
	w.traced(t, "0s notice past", "1h0m0s scan z", "1h0m0s act a", "1h0m0s act b", "2h0m0s scan forward")
	if at, ok := w.Next(); !ok || at.Sub(begin()) != 3*time.Hour {
		t.Fatalf("Next: got %v %v, want in three hours", at, ok)
	}
	if err := w.Run(t.Context(), w.handlers()); err != nil || w.Now().Sub(begin()) != 3*time.Hour {
		t.Fatalf("Run: got error %v at %v, want nothing left after three hours", err, w.Now())
	}
	if _, ok := w.Next(); ok {
		t.Fatal("Next after Run: got one, want none")
	}
}

func TestAgainForMonths(t *testing.T) {
	w := open()
	w.answer = func(now time.Time, _ string) (job.Answer, error) { return job.Again(now.Add(time.Minute)), nil }
	w.wake(t, "k", job.Scan, 0)
	w.until(t, 30*24*time.Hour)
	if len(w.trace) != 30*24*60+1 {
		t.Fatalf("once a minute for 30 days: got %d calls, want %d", len(w.trace), 30*24*60+1)
	}
}

func TestPausesWithoutLuck(t *testing.T) {
	w := open()
	var told int
	w.OnError = func(_ time.Time, key string, err error) { told++ }
	left := 4
	w.answer = func(time.Time, string) (job.Answer, error) {
		if left--; left == 2 {
			panic("at the disco")
		} else if left > 0 {
			return job.Answer{}, errors.New("no")
		}
		return job.Done(), nil
	}
	w.wake(t, "k", job.Act, 0)
	w.until(t, time.Hour)
	w.traced(t, "0s act k", "2s act k", "6s act k", "14s act k")
	if told != 3 {
		t.Fatalf("OnError: got %d calls, want 3", told)
	}
}

func TestWokenWhileHandled(t *testing.T) {
	w := open()
	first := true
	w.answer = func(now time.Time, key string) (job.Answer, error) {
		if first {
			first = false
			w.wake(t, key, job.Act, time.Second)
			w.wake(t, "other", job.Scan, 0)
			return job.Again(begin().Add(time.Hour)), nil
		}
		return job.Done(), nil
	}
	w.wake(t, "k", job.Act, 0)
	w.until(t, 2*time.Hour)
	w.traced(t, "0s act k", "0s scan other", "1s act k")
}

func TestSpinning(t *testing.T) {
	for name, gap := range map[string]time.Duration{"still": 0, "back": -time.Hour, "creeping": time.Microsecond} {
		w := open()
		w.answer = func(now time.Time, key string) (job.Answer, error) {
			if key == "spinner" {
				return job.Again(now.Add(gap)), nil
			}
			return job.Done(), nil
		}
		w.wake(t, "spinner", job.Plan, 0)
		w.wake(t, "innocent", job.Plan, 0)
		err := w.RunUntil(t.Context(), w.handlers(), begin().Add(time.Hour))
		if err == nil || !strings.Contains(err.Error(), "spinner") {
			t.Fatalf("RunUntil with a key that spins (%s): got error %v, want one that names it", name, err)
		}
	}
}

func TestSameTwice(t *testing.T) {
	run := func() []string {
		w := open()
		n := 0
		w.answer = func(now time.Time, key string) (job.Answer, error) {
			if n++; n < 300 {
				w.wake(t, fmt.Sprint("k", n*7%23), job.Queues()[n%4], now.Sub(begin())+time.Duration(n*13%60)*time.Second)
			}
			if n%5 == 0 {
				return job.Answer{}, errors.New("no")
			}
			return job.Again(now.Add(time.Duration(n) * time.Second)), nil
		}
		w.wake(t, "k0", job.Scan, 0)
		w.until(t, time.Hour)
		return w.trace
	}
	if a, b := run(), run(); !slices.Equal(a, b) || len(a) < 300 {
		t.Fatalf("the same wake-ups twice: got %d and %d calls that differ, want the same", len(a), len(b))
	}
}

func TestRefusals(t *testing.T) {
	w := open()
	if err := w.Wake(t.Context(), "k", "nonsense", begin()); err == nil {
		t.Fatal("Wake in a queue that is none: got no error, want one")
	}
	w.wake(t, "k", job.Act, 0)
	if err := w.RunUntil(t.Context(), nil, begin()); err == nil || !strings.Contains(err.Error(), "act") {
		t.Fatalf("RunUntil without a handler: got error %v, want one that names the queue", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.RunUntil(ctx, w.handlers(), begin()); !errors.Is(err, context.Canceled) {
		t.Fatalf("RunUntil with a cancelled context: got error %v, want it", err)
	}
	if err := w.Run(ctx, w.handlers()); err != nil {
		t.Fatalf("Run with a cancelled context: got error %v, want none", err)
	}
}
