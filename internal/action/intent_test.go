package action_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stint-cloud/stint/internal/action"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

// around is an executor whose calls go through an interceptor.
func (b *bench) around(i cloud.Interceptor) *action.Executor {
	client := cloud.NewClient("web", b.cloud.Provider(), i)
	return action.New(b.store, b.store, action.Options{
		Clients: func(string) (*cloud.Client, error) { return client, nil }, Rule: func(string) string { return b.rule }, Log: slog.New(slog.DiscardHandler),
	})
}

// TestIntentIsWrittenWhenTheTurnHasCome: an action whose call waits for its place is only planned, so that a process that
// ends in the queue leaves nothing unclear; when the request goes out the intent stands.
func TestIntentIsWrittenWhenTheTurnHasCome(t *testing.T) {
	b := newBench(t, memcloud.Options{})
	a := b.take(plan.SlotText(b.now))
	b.start(a)
	state := func() store.ActionState {
		row, err := b.store.Action(t.Context(), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		return row.State
	}
	exec := b.around(func(next cloud.Invoke) cloud.Invoke {
		return func(ctx context.Context, call cloud.Call) error {
			if got := state(); call.Class == cloud.Write && got != store.ActionPlanned {
				t.Errorf("while the call waits for its place the action is %s, want planned", got)
			}
			if err := cloud.Sending(ctx); err != nil {
				return err
			}
			if got := state(); call.Class == cloud.Write && got != store.ActionCalling {
				t.Errorf("when the request goes out the action is %s, want calling", got)
			}
			return next(ctx, call)
		}
	})
	b.want(b.settle(exec, a.ID), store.ActionDone, "")
}

// TestNoCallWithoutIntent: when the row has become another worker's, or the worker has stood still, nothing is sent.
func TestNoCallWithoutIntent(t *testing.T) {
	b := newBench(t, memcloud.Options{})
	a := b.take(plan.SlotText(b.now))
	b.start(a)
	before := b.cloud.Calls()["snapshotset.create"]
	exec := b.around(func(next cloud.Invoke) cloud.Invoke {
		return func(ctx context.Context, call cloud.Call) error {
			if call.Class == cloud.Write { // another worker was faster
				b.settle(b.worker(), a.ID)
				before = b.cloud.Calls()["snapshotset.create"]
			}
			return next(ctx, call)
		}
	})
	b.want(b.settle(exec, a.ID), store.ActionDone, "")
	if n := b.cloud.Calls()["snapshotset.create"] - before; n != 0 || b.snapshots() != 1 {
		t.Errorf("after another worker's call: %d calls more, %d snapshots, want none and 1", n, b.snapshots())
	}
}

// TestBegunInTimeIsRepeated: a create that was begun within its slot's catch-up time and had no effect is repeated a little
// longer; one that was never begun is not.
func TestBegunInTimeIsRepeated(t *testing.T) {
	for _, c := range []struct {
		name  string
		begun bool
		wait  time.Duration
		want  store.ActionState
	}{
		{"begun, and lost", true, 6 * time.Minute, store.ActionDone},
		{"begun, and nobody was there for long", true, time.Hour, store.ActionSkipped},
		{"never begun", false, 6 * time.Minute, store.ActionSkipped},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, memcloud.Options{})
			a := b.take(plan.SlotText(b.now))
			a.Until = b.now.Add(5 * time.Minute)
			b.start(a)
			if c.begun {
				b.cloud.Provoke("snapshotset.create", cloud.ErrTransient, false)
				if r, err := b.exec.Step(t.Context(), b.now, a.ID); err != nil || r.Row.State != store.ActionUnclear {
					t.Fatalf("the lost call: %s, %v, want unclear", r.Row.State, err)
				}
			}
			b.now = b.now.Add(c.wait)
			b.want(b.settle(b.exec, a.ID), c.want, "")
		})
	}
}

// TestLagCountsFromTheEndOfTheCall: a create that takes effect late and whose answer is lost is not made again before the
// listing's lag has passed since then, however long the call took.
func TestLagCountsFromTheEndOfTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, memcloud.Options{Lag: 20 * time.Second, Cloud: "openstack"})
		slow := func(next cloud.Invoke) cloud.Invoke {
			return func(ctx context.Context, call cloud.Call) error {
				if call.Op != "snapshotset.create" {
					return next(ctx, call)
				}
				time.Sleep(44 * time.Second)
				b.now = b.now.Add(44 * time.Second)
				if err := next(ctx, call); err != nil {
					return err
				}
				return context.DeadlineExceeded
			}
		}
		client := cloud.NewClient("web", b.cloud.Provider(), slow)
		exec := action.New(b.store, b.store, action.Options{
			Clients: func(string) (*cloud.Client, error) { return client, nil }, Rule: func(string) string { return "" }, Log: slog.New(slog.DiscardHandler),
		})
		take := b.take("2026-11-21T00:00:00Z")
		b.start(take)
		row := b.settle(exec, take.ID)
		if n := b.snapshots(); n != 1 || row.State != store.ActionDone {
			t.Errorf("snapshots: got %d and the action %s, want 1 and done", n, row.State)
		}
	})
}
