package intercept_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/intercept"
)

func read() cloud.Call {
	return cloud.Call{Op: "snapshot.list", Class: cloud.Read, Account: "shop", Region: "r-1", Ref: cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindSnapshot}}
}

func write(repeatable bool) cloud.Call {
	return cloud.Call{
		Op: "snapshot.create", Class: cloud.Write, Account: "shop", Region: "r-1", Repeatable: repeatable,
		Ref: cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindDisk, ID: "disk-1"}, Token: "t",
	}
}

func broken(class error, after time.Duration) error {
	return &cloud.Error{Op: "snapshot.create", Class: class, Code: "Broken", After: after}
}

// script ends call after call as written, and notes when each was made.
type script struct {
	ends []error
	at   []time.Time
}

func (s *script) invoke(context.Context, cloud.Call) error {
	s.at = append(s.at, time.Now())
	if n := len(s.at); n <= len(s.ends) {
		return s.ends[n-1]
	}
	return nil
}

// chain surrounds next as a client does: the first is the outermost.
func chain(next cloud.Invoke, around ...cloud.Interceptor) cloud.Invoke {
	for _, i := range slices.Backward(around) {
		next = i(next)
	}
	return next
}

// TestAuditTellsTheRequest: of all tries the last one's id, through whatever is in between, and to each of several sinks.
func TestAuditTellsTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		sink := func(_ context.Context, r intercept.Record) { got = append(got, r.RequestID) }
		ids, n := []string{"req-1", "req-2", ""}, 0
		invoke := chain(func(ctx context.Context, _ cloud.Call) error {
			cloud.NoteRequest(ctx, ids[n])
			if n++; n == 1 {
				return broken(cloud.ErrThrottled, 0)
			}
			return nil
		}, intercept.Audit(sink), intercept.Audit(sink), intercept.Retry(intercept.RetryOptions{}), intercept.Pace(limited(intercept.Limit{Ceiling: 100})))
		for range 2 {
			if err := invoke(t.Context(), write(true)); err != nil {
				t.Fatalf("the call: got %v, want no error", err)
			}
		}
		if want := []string{"req-2", "req-2", "", ""}; !slices.Equal(got, want) {
			t.Errorf("the sinks were told %q, want %q: the second try's, and none where the answer names none", got, want)
		}
	})
}

func TestRetryRepeatsOnlyWhatMayBeRepeated(t *testing.T) {
	transient, throttled := broken(cloud.ErrTransient, 0), broken(cloud.ErrThrottled, 0)
	unknown := &cloud.Error{Op: "x", Code: "NeverHeard"}
	for _, c := range []struct {
		name  string
		call  cloud.Call
		ends  []error
		calls int
		class error
	}{
		{"read, transient", read(), []error{transient, transient}, 3, nil},
		{"read, throttled", read(), []error{throttled}, 2, nil},
		{"read, denied", read(), []error{broken(cloud.ErrDenied, 0)}, 1, cloud.ErrDenied},
		{"read, always transient", read(), []error{transient, transient, transient, transient, transient, transient}, 4, cloud.ErrTransient},
		{"repeatable write, transient", write(true), []error{transient}, 2, nil},
		{"other write, transient", write(false), []error{transient}, 1, cloud.ErrTransient},
		{"other write, throttled", write(false), []error{throttled, throttled}, 3, nil},
		{"other write, always throttled", write(false), []error{throttled, throttled, throttled, throttled, throttled}, 4, cloud.ErrThrottled},
		{"other write, throttled then transient", write(false), []error{throttled, transient}, 2, cloud.ErrTransient},
		{"write, code unknown", write(true), []error{unknown}, 1, nil},
		{"repeatable write, enough under way", write(true), []error{broken(cloud.ErrBusy, 0)}, 1, cloud.ErrThrottled},
		{"write, in use", write(true), []error{broken(cloud.ErrInUse, 0)}, 1, cloud.ErrInUse},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{ends: c.ends}
				err := chain(s.invoke, intercept.Retry(intercept.RetryOptions{Attempts: 4}))(t.Context(), c.call)
				if len(s.at) != c.calls || cloud.ClassOf(err) != c.class {
					t.Errorf("Retry of %s: got %d calls and %v, want %d and %v", c.name, len(s.at), err, c.calls, c.class)
				}
			})
		})
	}
}

func TestRetryWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transient := broken(cloud.ErrTransient, 0)
		var mosts []time.Duration
		o := intercept.RetryOptions{Attempts: 6, Base: time.Second, Cap: 5 * time.Second, Most: time.Minute, Jitter: func(most time.Duration) time.Duration {
			mosts = append(mosts, most)
			return most / 2
		}}
		s := &script{ends: []error{transient, transient, transient, transient, broken(cloud.ErrThrottled, 7*time.Second)}}
		if err := chain(s.invoke, intercept.Retry(o))(t.Context(), read()); err != nil {
			t.Fatalf("Retry: got %v, want no error", err)
		}
		if want := []time.Duration{1e9, 2e9, 4e9, 5e9, 1e9}; !slices.Equal(mosts, want) {
			t.Errorf("longest jitters = %v, want %v: twofold up to the cap, and the base when the cloud says how long", mosts, want)
		}
		var waits []time.Duration
		for i := range s.at[1:] {
			waits = append(waits, s.at[i+1].Sub(s.at[i]))
		}
		if want := []time.Duration{5e8, 1e9, 2e9, 25e8, 75e8}; !slices.Equal(waits, want) {
			t.Errorf("waits = %v, want %v: as jittered, and never shorter than the cloud asked for", waits, want)
		}
	})
}

func TestRetryJittersOverTheWholeRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var low, high int
		for range 200 {
			s := &script{ends: []error{broken(cloud.ErrTransient, 0)}}
			if err := chain(s.invoke, intercept.Retry(intercept.RetryOptions{Base: time.Second}))(t.Context(), read()); err != nil {
				t.Fatalf("Retry: got %v, want no error", err)
			}
			switch wait := s.at[1].Sub(s.at[0]); {
			case wait > time.Second:
				t.Fatalf("first wait = %v, want one second at most", wait)
			case wait < 500*time.Millisecond:
				low++
			default:
				high++
			}
		}
		if low < 50 || high < 50 {
			t.Errorf("of 200 first waits %d are in the lower half and %d in the upper, want about as many", low, high)
		}
	})
}

func TestRetryGivesUpWhatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &script{ends: []error{broken(cloud.ErrThrottled, time.Hour)}}
		err := chain(s.invoke, intercept.Retry(intercept.RetryOptions{}))(t.Context(), read())
		if cloud.ClassOf(err) != cloud.ErrThrottled || len(s.at) != 1 || time.Since(start) != 0 {
			t.Errorf("a cloud that asks for an hour: got %v after %d calls and %v, want throttled at once", err, len(s.at), time.Since(start))
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start, s = time.Now(), &script{ends: []error{broken(cloud.ErrThrottled, 2*time.Second)}}
		err = chain(s.invoke, intercept.Retry(intercept.RetryOptions{}))(ctx, read())
		if cloud.ClassOf(err) != cloud.ErrThrottled || len(s.at) != 1 || time.Since(start) != 0 {
			t.Errorf("a wait beyond the context's deadline: got %v after %d calls and %v, want throttled at once", err, len(s.at), time.Since(start))
		}
	})
}

func TestRetryEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		s := &script{ends: []error{broken(cloud.ErrThrottled, 10*time.Second)}}
		err := chain(s.invoke, intercept.Retry(intercept.RetryOptions{}))(ctx, read())
		if !errors.Is(err, context.Canceled) || cloud.ClassOf(err) != cloud.ErrThrottled || time.Since(start) != time.Second || len(s.at) != 1 {
			t.Errorf("cancelled while waiting: got %v after %v and %d calls, want the context's and the cloud's error after a second and one", err, time.Since(start), len(s.at))
		}
	})
}

func TestAuditTellsOfEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []intercept.Record
		sink := func(_ context.Context, r intercept.Record) { got = append(got, r) }
		s := &script{ends: []error{broken(cloud.ErrTransient, 0)}}
		slow := func(ctx context.Context, call cloud.Call) error {
			<-time.After(3 * time.Second)
			return s.invoke(ctx, call)
		}
		start := time.Now()
		if err := chain(slow, intercept.Retry(intercept.RetryOptions{}), intercept.Audit(sink))(t.Context(), read()); err != nil {
			t.Fatalf("got %v, want no error", err)
		}
		if len(got) != 2 {
			t.Fatalf("Audit: got %d records, want one for each attempt, 2", len(got))
		}
		for i, r := range got {
			if r.Call != read() || r.Took != 3*time.Second || r.Start.Location() != time.UTC || (r.Err != nil) != (i == 0) {
				t.Errorf("record %d = %+v, want the call, three seconds, UTC, an error with the first only", i, r)
			}
		}
		if !got[0].Start.Equal(start) || !got[1].Start.After(got[0].Start) {
			t.Errorf("starts = %v, %v; want %v and later", got[0].Start, got[1].Start, start)
		}
	})
}

func TestCountByResult(t *testing.T) {
	var c intercept.Counter
	s := &script{ends: []error{broken(cloud.ErrThrottled, 0), errors.New("odd"), nil, context.Canceled}}
	invoke := chain(s.invoke, intercept.Count(&c))
	for range 5 {
		_ = invoke(t.Context(), read()) // the results are what is counted
	}
	_ = invoke(t.Context(), write(false))
	got := c.Counts()
	for key, want := range map[intercept.Key]int{
		{Account: "shop", Op: "snapshot.list", Result: ""}:          2,
		{Account: "shop", Op: "snapshot.list", Result: "throttled"}: 1,
		{Account: "shop", Op: "snapshot.list", Result: "unknown"}:   1,
		{Account: "shop", Op: "snapshot.list", Result: "canceled"}:  1,
		{Account: "shop", Op: "snapshot.create", Result: ""}:        1,
	} {
		if got[key] != want {
			t.Errorf("Counts()[%+v] = %d, want %d", key, got[key], want)
		}
	}
	if n := c.Of("snapshot.list"); n != 5 {
		t.Errorf("Of(snapshot.list) = %d, want 5", n)
	}
}

func TestFaultBeforeAndAfter(t *testing.T) {
	lost := broken(cloud.ErrTransient, 0)
	for _, c := range []struct {
		name    string
		verdict intercept.Verdict
		own     error
		calls   int
		want    error
	}{
		{"nothing", intercept.Verdict{}, nil, 1, nil},
		{"before", intercept.Verdict{Before: lost}, nil, 0, lost},
		{"after", intercept.Verdict{After: lost}, nil, 1, lost},
		{"after a call that fails by itself", intercept.Verdict{After: lost}, context.Canceled, 1, context.Canceled},
	} {
		s := &script{ends: []error{c.own}}
		err := chain(s.invoke, intercept.Fault(func(context.Context, cloud.Call) intercept.Verdict { return c.verdict }))(t.Context(), write(false))
		if err != c.want || len(s.at) != c.calls {
			t.Errorf("Fault %s: got %v and %d calls, want %v and %d", c.name, err, len(s.at), c.want, c.calls)
		}
	}
	if err := intercept.Broken(write(false), cloud.ErrQuota); cloud.ClassOf(err) != cloud.ErrQuota {
		t.Errorf("Broken(ErrQuota) = %v, want that class", err)
	}
}

func TestDryRunMakesNoWrite(t *testing.T) {
	var got []cloud.Call
	s := &script{}
	invoke := chain(s.invoke, intercept.DryRun(func(_ context.Context, c cloud.Call) { got = append(got, c) }))
	if err := invoke(t.Context(), read()); err != nil || len(s.at) != 1 {
		t.Errorf("a read in a dry run: got %v and %d calls, want it made", err, len(s.at))
	}
	err := invoke(t.Context(), write(true))
	if !errors.Is(err, intercept.ErrDryRun) || cloud.ClassOf(err) != nil || len(s.at) != 1 || !slices.Equal(got, []cloud.Call{write(true)}) {
		t.Errorf("a write in a dry run: got %v, %d calls, records %v; want ErrDryRun, no further call, the write on record", err, len(s.at), got)
	}
}
