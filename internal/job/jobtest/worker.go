package jobtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/job"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

// lease is how long a step may be at work before another worker takes it over; short, as tests wait for it.
const lease = time.Second

// ActionID is the id of the i-th row that Fill makes.
func ActionID(i int) string { return fmt.Sprintf("a-%04d", i) }

// Fill starts a run with n actions, of which nobody is woken.
func Fill(t *testing.T, s store.Store, n int) {
	t.Helper()
	var actions []plan.Action
	for i := range n {
		actions = append(actions, plan.Action{ID: ActionID(i), Verb: plan.TakeImage})
	}
	got, err := s.StartRun(t.Context(), store.Run{ID: "r", State: store.RunActive, StartedAt: time.Now()}, actions, time.Now())
	if err != nil || len(got) != n {
		t.Fatalf("StartRun: got %d actions, error %v, want %d", len(got), err, n)
	}
}

// Step is a handler as the program's own are: it reads the row, writes down the intent, makes the call, and ends in a
// compare-and-swap. What loses that says so in the record and leaves the row alone.
func Step(s store.Store, who string) job.Handler {
	note := func(ctx context.Context, what, id string) error {
		return s.Append(ctx, store.AuditEntry{At: time.Now(), Who: who, What: what, Action: id})
	}
	return func(ctx context.Context, now time.Time, id string) (job.Answer, error) {
		row, err := s.Action(ctx, id)
		if err != nil {
			return job.Answer{}, err
		}
		switch {
		case row.State.Ended():
			return job.Done(), nil
		case row.State == store.ActionCalling && now.Before(row.Deadline):
			return job.Again(row.Deadline), nil // another worker may still be at it
		case row.State == store.ActionPlanned && row.NextAt.After(now):
			return job.Again(row.NextAt), nil
		}
		row.State, row.Deadline, row.Attempts = store.ActionCalling, now.Add(lease), row.Attempts+1
		if row, err = s.SaveAction(ctx, row); errors.Is(err, store.ErrStale) {
			return job.Again(now.Add(lease)), nil
		} else if err != nil {
			return job.Answer{}, err
		}
		fmt.Println("calling", id)
		if err := note(ctx, "call", id); err != nil { // the call: it may be made twice, with one token
			return job.Answer{}, err
		}
		row.State, row.EndedAt, row.Problem = store.ActionDone, time.Now(), who
		switch _, err = s.SaveAction(ctx, row); {
		case errors.Is(err, store.ErrStale):
			return job.Again(now.Add(lease)), note(ctx, "stale", id)
		case err != nil:
			return job.Answer{}, err
		}
		fmt.Println("done", id)
		return job.Done(), note(ctx, "done", id)
	}
}

// EndWithParent makes a child process end when the test that started it is gone, however that ended: its end of the
// child's standard input closes then.
func EndWithParent() {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}

// Work is a worker without end: the engine, and the sweep that finds what nobody was woken for.
func Work(t *testing.T, s store.Store, e job.Engine, who string) {
	t.Helper()
	sweep := &job.Sweep{Engine: e, Every: 200 * time.Millisecond, Due: func(ctx context.Context, now time.Time) ([]job.Wakeup, error) {
		due, err := s.Due(ctx, now, 1000)
		var out []job.Wakeup
		for _, d := range due {
			out = append(out, job.Wakeup{Key: d.Key, Queue: job.Act, At: d.At})
		}
		fmt.Println("swept", now.UnixMilli())
		return out, err
	}}
	swept := make(chan error, 1)
	go func() { swept <- sweep.Run(t.Context()) }()
	fmt.Println("working")
	if err := e.Run(t.Context(), map[job.Queue]job.Handler{job.Act: Step(s, who)}); err != nil {
		t.Errorf("Run: got error %v, want none", err)
	}
	<-swept
}

// Settle waits until all n rows are done, and looks whether each took effect once.
func Settle(t *testing.T, s store.Store, n int) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	give := time.After(2 * patience)
	for {
		rows, err := s.Actions(t.Context(), store.ActionFilter{States: []store.ActionState{store.ActionDone}})
		if err != nil {
			t.Fatalf("Actions: got error %v, want none", err)
		}
		if len(rows) == n {
			break
		}
		select {
		case <-tick.C:
		case <-give:
			t.Fatalf("rows that are done: got %d in %v, want all %d", len(rows), 2*patience, n)
		}
	}
	Effects(t, s, n)
}

// Effects looks at the record: each row was called for, and no row was finished by two.
func Effects(t *testing.T, s store.Store, n int) {
	t.Helper()
	record, err := s.Audit(t.Context(), store.AuditFilter{})
	if err != nil {
		t.Fatalf("Audit: got error %v, want none", err)
	}
	calls, done := map[string]int{}, map[string]int{}
	for _, entry := range record {
		switch entry.What {
		case "call":
			calls[entry.Action]++
		case "done":
			done[entry.Action]++
		}
	}
	for i := range n {
		id := ActionID(i)
		row, err := s.Action(t.Context(), id)
		if err != nil {
			t.Fatalf("Action(%s): got error %v, want none", id, err)
		}
		// A worker that died between its last write and its note left none: done may be missing, never doubled.
		if calls[id] == 0 || calls[id] > row.Attempts || done[id] > 1 {
			t.Fatalf("action %s: got %d calls, %d attempts, finished %d times, want at least one call, as many attempts, one end", id, calls[id], row.Attempts, done[id])
		}
	}
}
