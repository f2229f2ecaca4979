package local_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stint-cloud/stint/internal/job"
	"github.com/stint-cloud/stint/internal/job/jobtest"
	"github.com/stint-cloud/stint/internal/job/local"
)

// TestConformance sits the exam in a bubble: no waiting, and a goroutine that is left over fails the case.
func TestConformance(t *testing.T) {
	jobtest.Run(t, jobtest.Harness{
		Open: func(_ *testing.T, s jobtest.Settings) job.Engine {
			return local.New(local.Options{Slots: s.Slots, Drain: s.Drain})
		},
		In:     synctest.Test,
		Starts: 1000,
		Late:   10 * time.Millisecond,
	})
}

func TestRunIsForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := local.New(local.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Run(ctx, nil) }()
		synctest.Wait()
		if err := e.Run(ctx, nil); err == nil {
			t.Error("Run while it runs: got no error, want one")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: got error %v, want none", err)
		}
	})
}

// TestPausesGrow follows a key that never succeeds for a virtual day: the pauses grow to five minutes and no further.
func TestPausesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		e := local.New(local.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		if err := e.Wake(ctx, "k", job.Act, time.Now()); err != nil {
			t.Fatal(err)
		}
		var at []time.Time
		err := e.Run(ctx, map[job.Queue]job.Handler{job.Act: func(_ context.Context, now time.Time, _ string) (job.Answer, error) {
			at = append(at, now)
			if len(at) == 1 {
				panic("at the disco")
			}
			return job.Answer{}, errors.New("never")
		}})
		if err != nil {
			t.Fatalf("Run: got error %v, want none", err)
		}
		longest := time.Duration(0)
		for i := 1; i < len(at); i++ {
			gap := at[i].Sub(at[i-1])
			longest = max(longest, gap)
			if gap < job.Shortest || gap > job.Longest {
				t.Fatalf("pause %d: got %v, want %v to %v", i, gap, job.Shortest, job.Longest)
			}
		}
		if longest < job.Longest*3/4 || len(at) > 2000 {
			t.Fatalf("a day of errors: got %d calls, the longest pause %v, want pauses that grow", len(at), longest)
		}
		if !strings.Contains(log.String(), "local_test.go") || !strings.Contains(log.String(), "job=k") {
			t.Fatalf("the log: got %.300q, want the key and the stack of the panic", log.String())
		}
	})
}

func TestHandlerIsGivenUpAfterTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := local.New(local.Options{Timeout: time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		if err := e.Wake(ctx, "k", job.Act, time.Now()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err := e.Run(ctx, map[job.Queue]job.Handler{job.Act: func(ctx context.Context, _ time.Time, _ string) (job.Answer, error) {
			<-ctx.Done()
			cancel()
			return job.Done(), nil
		}})
		if took := time.Since(began); err != nil || took != time.Minute {
			t.Fatalf("a handler that waits for its context: got %v %v, want it ended after a minute", took, err)
		}
	})
}
