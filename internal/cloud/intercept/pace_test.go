package intercept_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/intercept"
	"pgregory.net/rapid"
)

func limited(l intercept.Limit) *intercept.Memory {
	return intercept.NewMemory(func(string) intercept.Limit { return l })
}

// TestPaceIsUsed: 50 calls a second are allowed, and concurrent callers make 95 % of them at least, and never more.
func TestPaceIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, seconds, callers = 50, 60, 40
		var made, running atomic.Int64
		invoke := chain(func(context.Context, cloud.Call) error {
			made.Add(1)
			running.Add(1)
			defer running.Add(-1)
			<-time.After(300 * time.Millisecond) // a slow cloud
			return nil
		}, intercept.Pace(limited(intercept.Limit{Ceiling: rate})))
		ctx, cancel := context.WithTimeout(t.Context(), seconds*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for ctx.Err() == nil {
					if err := invoke(ctx, read()); err != nil {
						<-time.After(100 * time.Millisecond) // the job comes back later
					}
				}
			})
		}
		wg.Wait()
		if got := made.Load(); got < rate*seconds*95/100 || got > rate*seconds+1 {
			t.Errorf("%d callers made %d calls in %d s, want between 95%% and all of %d", callers, got, seconds, rate*seconds)
		}
	})
}

// TestPaceNeverExceeded: whatever the moments of asking, no window holds more calls than rate and burst allow.
func TestPaceNeverExceeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.5, 200).Draw(t, "rate")
		burst := rapid.IntRange(1, 20).Draw(t, "burst")
		m := limited(intercept.Limit{Ceiling: rate, Burst: burst, Most: time.Hour})
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		var at []time.Time
		for range rapid.IntRange(1, 80).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "gap")) * time.Millisecond)
			wait, err := m.Take(context.Background(), "k", now)
			if err != nil || wait < 0 {
				t.Fatalf("Take = %v, %v; want a wait and no error", wait, err)
			}
			at = append(at, now.Add(wait))
		}
		for i := range at {
			for j := i; j < len(at); j++ {
				most := float64(burst) + at[j].Sub(at[i]).Seconds()*rate + 1e-3 // steps are rounded to nanoseconds
				if n := float64(j - i + 1); n > most {
					t.Fatalf("%v calls in %v, want %.2f at most at %.2f/s and a burst of %d", n, at[j].Sub(at[i]), most, rate, burst)
				}
			}
		}
	})
}

func TestPaceByPlaceAndClass(t *testing.T) {
	m := limited(intercept.Limit{Ceiling: 1})
	now := time.Now()
	other := read()
	other.Region = "r-2"
	for _, call := range []cloud.Call{read(), write(true), other} {
		if wait, err := m.Take(t.Context(), intercept.PaceKey(call), now); wait != 0 || err != nil {
			t.Errorf("first Take for %s = %v, %v; want no wait: each place and class has a pace of its own", intercept.PaceKey(call), wait, err)
		}
		if wait, err := m.Take(t.Context(), intercept.PaceKey(call), now); wait != time.Second || err != nil {
			t.Errorf("second Take for %s = %v, %v; want a second", intercept.PaceKey(call), wait, err)
		}
	}
}

// TestPaceAdapts: it halves at a complaint, once for many at the same time, keeps away as long as it was asked to, does
// not fall below the floor, and rises again to the ceiling and no higher.
func TestPaceAdapts(t *testing.T) {
	ctx := t.Context()
	m := limited(intercept.Limit{Ceiling: 40, Floor: 4, Rise: 2, Burst: 10})
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rate := func(want float64, when string) {
		t.Helper()
		if got := m.Rate("k", now); math.Abs(got-want) > 1e-9 {
			t.Errorf("Rate %s = %v, want %v", when, got, want)
		}
	}
	push := func(by time.Duration) {
		t.Helper()
		if err := m.Push(ctx, "k", now, by); err != nil {
			t.Fatalf("Push: got %v, want no error", err)
		}
	}
	rate(40, "at first")
	for range 30 {
		push(3 * time.Second)
	}
	rate(20, "after thirty complaints at once")
	var waits []time.Duration
	for range 3 {
		wait, err := m.Take(ctx, "k", now)
		if err != nil {
			t.Fatalf("Take: got %v, want no error", err)
		}
		waits = append(waits, wait)
	}
	if waits[0] != 3*time.Second || waits[1]-waits[0] != 50*time.Millisecond || waits[2]-waits[1] != 50*time.Millisecond {
		t.Errorf("waits after a complaint that asks for 3s = %v, want 3s and from there on an even pace of 20/s without a burst", waits)
	}
	now = now.Add(5 * time.Second)
	rate(30, "five seconds later")
	now = now.Add(time.Minute)
	rate(40, "a minute later")
	for range 10 {
		push(0)
		now = now.Add(time.Second)
	}
	push(0)
	rate(4, "after complaint upon complaint")
}

func TestPaceRefusesToWaitTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := limited(intercept.Limit{Ceiling: 1, Most: 2 * time.Second})
		s := &script{}
		invoke := chain(s.invoke, intercept.Pace(m))
		if err := m.Push(t.Context(), intercept.PaceKey(write(false)), time.Now(), time.Minute); err != nil {
			t.Fatalf("Push: got %v, want no error", err)
		}
		start := time.Now()
		for range 3 {
			err := invoke(t.Context(), write(false))
			e, ok := errors.AsType[*cloud.Error](err)
			if !ok || e.Class != cloud.ErrThrottled || e.After != time.Minute || e.Ref != write(false).Ref || len(s.at) != 0 || time.Since(start) != 0 {
				t.Errorf("a call that would wait a minute: got %v, %d calls, after %v; want throttled at once with After = 1m", err, len(s.at), time.Since(start))
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := invoke(ctx, read()); err != nil {
			t.Errorf("the first call: got %v, want no error", err)
		}
		if err := invoke(ctx, read()); cloud.ClassOf(err) != cloud.ErrThrottled || time.Since(start) != 0 {
			t.Errorf("a call whose place is after its deadline: got %v after %v, want throttled at once", err, time.Since(start))
		}
	})
}

func TestPaceEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		invoke := chain(s.invoke, intercept.Pace(limited(intercept.Limit{Ceiling: 0.1})))
		ctx, cancel := context.WithCancel(t.Context())
		if err := invoke(ctx, read()); err != nil {
			t.Fatalf("the first call: got %v, want no error", err)
		}
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		for range 2 {
			if err := invoke(ctx, read()); !errors.Is(err, context.Canceled) || time.Since(start) != time.Second || len(s.at) != 1 {
				t.Errorf("cancelled while waiting for a place: got %v after %v and %d calls, want context.Canceled after a second and one", err, time.Since(start), len(s.at))
			}
		}
	})
}

// failing is a pacer that has lost its memory.
type failing struct{ pushed []time.Duration }

func (f *failing) Take(context.Context, string, time.Time) (time.Duration, error) {
	if f.pushed == nil {
		return 0, nil
	}
	return 0, errors.New("no database")
}

func (f *failing) Push(_ context.Context, _ string, _ time.Time, by time.Duration) error {
	f.pushed = append(f.pushed, by)
	return errors.New("no database")
}

// TestPaceUnknown: without a pace no call is made, and that has no effect, so it may be repeated.
func TestPaceUnknown(t *testing.T) {
	f := &failing{}
	s := &script{ends: []error{broken(cloud.ErrThrottled, 4*time.Second)}}
	invoke := chain(s.invoke, intercept.Pace(f))
	if err := invoke(t.Context(), read()); cloud.ClassOf(err) != cloud.ErrThrottled || len(f.pushed) != 1 || f.pushed[0] != 4*time.Second {
		t.Errorf("a throttled call: got %v and pushes %v, want throttled and one of 4s", err, f.pushed)
	}
	if err := invoke(t.Context(), write(false)); cloud.ClassOf(err) != cloud.ErrThrottled || len(s.at) != 1 {
		t.Errorf("a call whose pace is not known: got %v and %d calls, want throttled and no further call", err, len(s.at))
	}
}

// TestPaceIsNotSlowedByWhatIsUnderWay: too many copies at once say nothing about how often one may ask.
func TestPaceIsNotSlowedByWhatIsUnderWay(t *testing.T) {
	f := &failing{}
	s := &script{ends: []error{broken(cloud.ErrBusy, time.Minute)}}
	if err := chain(s.invoke, intercept.Pace(f))(t.Context(), write(true)); !errors.Is(err, cloud.ErrBusy) || len(f.pushed) != 0 {
		t.Errorf("a call of which enough are under way: got %v and pushes %v, want busy and none", err, f.pushed)
	}
}

// TestPaceAgainstThrottlingCloud: the cloud allows 10 a second, we believe in 100; the pace finds down to what it allows.
func TestComplaintEndsTheBurst(t *testing.T) {
	ctx := t.Context()
	m := limited(intercept.Limit{Ceiling: 40, Burst: 80})
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	take := func() time.Duration {
		t.Helper()
		wait, err := m.Take(ctx, "k", now)
		if err != nil {
			t.Fatalf("Take: got %v, want no error", err)
		}
		return wait
	}
	for range 20 {
		if got := take(); got != 0 {
			t.Fatalf("Take within the burst: got a wait of %v, want none", got)
		}
	}
	if err := m.Push(ctx, "k", now, 0); err != nil {
		t.Fatalf("Push: got %v, want no error", err)
	}
	now = now.Add(10 * time.Millisecond)
	for i, want := range []time.Duration{40 * time.Millisecond, 90 * time.Millisecond, 140 * time.Millisecond} {
		if got := take(); (got - want).Abs() > time.Millisecond {
			t.Errorf("Take %d after a complaint that asks for nothing: got a wait of %v, want %v: an even pace of 20/s without what was left of the burst", i+1, got, want)
		}
	}
}

func TestPaceAgainstThrottlingCloud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var second int64
		var inSecond, good, bad int
		invoke := chain(func(context.Context, cloud.Call) error {
			mu.Lock()
			defer mu.Unlock()
			if now := time.Now().Unix(); now != second {
				second, inSecond = now, 0
			}
			if inSecond++; inSecond > 10 {
				bad++
				return broken(cloud.ErrThrottled, 0)
			}
			good++
			return nil
		}, intercept.Retry(intercept.RetryOptions{Attempts: 3}), intercept.Pace(limited(intercept.Limit{Ceiling: 100})))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for ctx.Err() == nil {
					if err := invoke(ctx, read()); err != nil {
						<-time.After(100 * time.Millisecond) // the job comes back later
					}
				}
			})
		}
		wg.Wait()
		if good < 300*10*60/100 || bad > good/5 {
			t.Errorf("in five minutes %d calls went well and %d were throttled; want 60%% of 3000 at least, and a fifth refused at most", good, bad)
		}
	})
}
