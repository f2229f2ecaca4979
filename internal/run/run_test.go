package run_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/run"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlite"
)

var now = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

func actions(n int) []plan.Action {
	var out []plan.Action
	for i := range n {
		a := plan.Action{Verb: plan.DeleteSnapshot, Policy: "daily", Target: cloud.Ref{Account: "web", Region: "us-east-1", Kind: cloud.KindSnapshot, ID: string(rune('a' + i))}}
		a.ID = plan.ActionID(a)
		out = append(out, a)
	}
	return out
}

func open(t *testing.T) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func end(t *testing.T, s store.Store, id string, state store.ActionState) {
	t.Helper()
	row, err := s.Action(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	row.State, row.EndedAt, row.NextAt = state, now, time.Time{}
	if _, err := s.SaveAction(t.Context(), row); err != nil {
		t.Fatal(err)
	}
}

// TestVerdict says how a run has ended by how its actions have (law 9).
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		ended []store.ActionState
		want  store.RunState
	}{
		{[]store.ActionState{store.ActionDone, store.ActionSkipped}, store.RunDone},
		{[]store.ActionState{store.ActionDone, store.ActionFailed}, store.RunPartly},
		{[]store.ActionState{store.ActionFailed, store.ActionSkipped}, store.RunFailed},
		{[]store.ActionState{store.ActionDone, store.ActionCancelled}, store.RunCancelled},
	} {
		s := open(t)
		list := actions(len(c.ended))
		r, ids, err := run.Start(t.Context(), s, now, run.Request{Policy: "daily", Actions: list, Hash: "h"})
		if err != nil || len(ids) != len(list) {
			t.Fatalf("Start: got %d ids (%v), want %d", len(ids), err, len(list))
		}
		for i, state := range c.ended {
			if _, over, err := run.Settle(t.Context(), s, r.ID, now); over || err != nil {
				t.Fatalf("Settle before all have ended: got over %v (%v)", over, err)
			}
			end(t, s, list[i].ID, state)
		}
		got, over, err := run.Settle(t.Context(), s, r.ID, now)
		if err != nil || !over || got.State != c.want {
			t.Errorf("Settle after %v: got %s, over %v (%v), want %s", c.ended, got.State, over, err, c.want)
		}
	}
}

// TestOneSettles lets many settle the same run: one of them ends it.
func TestOneSettles(t *testing.T) {
	s := open(t)
	list := actions(1)
	r, _, err := run.Start(t.Context(), s, now, run.Request{Policy: "daily", Actions: list, Hash: "h"})
	if err != nil {
		t.Fatal(err)
	}
	end(t, s, list[0].ID, store.ActionDone)
	var ended atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, over, err := run.Settle(t.Context(), s, r.ID, now)
			if err != nil {
				t.Errorf("Settle: %v", err)
			}
			if over {
				ended.Add(1)
			}
		})
	}
	wg.Wait()
	if got := ended.Load(); got != 1 {
		t.Errorf("Settle by sixteen: %d ended the run, want 1", got)
	}
}

// TestStartedOnce gives an action to one run only, and arms anew what had failed (law 5).
func TestStartedOnce(t *testing.T) {
	s := open(t)
	list := actions(2)
	if _, ids, err := run.Start(t.Context(), s, now, run.Request{Policy: "daily", Actions: list, Hash: "1"}); err != nil || len(ids) != 2 {
		t.Fatalf("Start: got %v (%v), want 2 ids", ids, err)
	}
	if r, ids, err := run.Start(t.Context(), s, now.Add(time.Second), run.Request{Policy: "daily", Actions: list, Hash: "2"}); err != nil || len(ids) != 0 || r.ID != "" {
		t.Errorf("Start of what is under way: got run %q with %v (%v), want none", r.ID, ids, err)
	}
	end(t, s, list[0].ID, store.ActionDone)
	end(t, s, list[1].ID, store.ActionFailed)
	if _, ids, err := run.Start(t.Context(), s, now.Add(time.Minute), run.Request{Policy: "daily", Actions: list, Hash: "3"}); err != nil || len(ids) != 1 || ids[0] != list[1].ID {
		t.Errorf("Start after one was done and one failed: got %v (%v), want the failed one", ids, err)
	}
}

// TestNothingGoesUnsettled keeps retention away from what an action may have made whose answer is not known: it would not
// be found there any more, and be made a second time (law 5).
func TestNothingGoesUnsettled(t *testing.T) {
	s := open(t)
	a := plan.Action{Verb: plan.TakeSnapshot, Policy: "daily", Backup: "b1", Source: cloud.Ref{Account: "web", Region: "us-east-1", Kind: cloud.KindInstance, ID: "i-1"}}
	a.ID = plan.ActionID(a)
	if _, _, err := run.Start(t.Context(), s, now, run.Request{Policy: "daily", Actions: append(actions(1), a), Hash: "h"}); err != nil {
		t.Fatal(err)
	}
	busy := func() map[plan.Spot]string {
		t.Helper()
		m, err := run.Remember(t.Context(), s, "daily", now, now.Add(-time.Hour), nil)
		if err != nil {
			t.Fatal(err)
		}
		return m.Busy
	}
	if got := busy(); len(got) != 1 || got[plan.Spot{Backup: "b1"}] == "" {
		t.Errorf("Remember while b1 is being made: got busy %v, want b1 alone", got)
	}
	end(t, s, a.ID, store.ActionDone)
	if got := busy(); len(got) != 0 {
		t.Errorf("Remember when b1 is made: got busy %v, want nothing", got)
	}
}
