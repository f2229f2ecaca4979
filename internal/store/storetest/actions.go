package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

func isStale(err error) bool { return errors.Is(err, store.ErrStale) }

// action is one with something in every corner.
func action(id string) plan.Action {
	source := ref(scopeOf("web", "us-east-1", cloud.KindInstance), "i-1")
	return plan.Action{
		ID: id, Verb: plan.TakeSnapshot, Policy: "nightly", Place: source.Place(), Source: source, Slot: "2026-11-21T02:00:00Z", Backup: "backup-of-" + id,
		Target: ref(scopeOf("web", "us-east-1", cloud.KindDisk), "vol-1"), Label: "data 🦀", Reason: "it is \"due\"", After: []string{"a-0"},
		Guard:    plan.Guard{Tags: cloud.TagsOf(map[string]string{"backup": "nightly"}), Lacks: []string{"stint:hold"}, Exists: true, Keepers: []cloud.Ref{source}},
		Snapshot: &cloud.NewSnapshot{Region: "us-east-1", Disk: "vol-1", Name: "n", Tags: cloud.TagsOf(map[string]string{"stint:action": id}), Token: id},
	}
}

func run(id string) store.Run {
	return store.Run{ID: id, Policy: "nightly", Trigger: "slot", By: "schedule", PlanHash: "0123", State: store.RunActive, StartedAt: start()}
}

func begin(t *testing.T, s store.Store, r store.Run, now time.Time, ids ...string) []string {
	t.Helper()
	var actions []plan.Action
	for _, id := range ids {
		actions = append(actions, action(id))
	}
	got, err := s.StartRun(t.Context(), r, actions, now)
	ok(t, "StartRun("+r.ID+")", err)
	return got
}

// move saves an action in another state.
func move(t *testing.T, s store.Store, id string, state store.ActionState) store.ActionRow {
	t.Helper()
	row, err := s.Action(t.Context(), id)
	ok(t, "Action("+id+")", err)
	row.State = state
	if state.Ended() {
		row.NextAt, row.EndedAt = time.Time{}, after(time.Minute)
	}
	row, err = s.SaveAction(t.Context(), row)
	ok(t, "SaveAction("+id+")", err)
	return row
}

func testStartRun(t *testing.T, s store.Store) {
	ctx := t.Context()
	same(t, "StartRun with new actions", begin(t, s, run("r1"), start(), "c", "a", "b", "d", "e", "f", "g", "a"), []string{"c", "a", "b", "d", "e", "f", "g"})
	got, err := s.Action(ctx, "a")
	ok(t, "Action", err)
	want := store.ActionRow{Action: action("a"), Run: "r1", Version: 1, State: store.ActionPlanned, NextAt: start(), CreatedAt: start()}
	same(t, "Action", got, want)

	move(t, s, "a", store.ActionDone)
	move(t, s, "b", store.ActionFailed)
	move(t, s, "c", store.ActionSkipped)
	move(t, s, "d", store.ActionCancelled)
	move(t, s, "e", store.ActionCalling)
	move(t, s, "f", store.ActionUnclear)
	same(t, "StartRun again", begin(t, s, run("r2"), after(time.Hour), "a", "b", "c", "d", "e", "f", "g", "new"), []string{"b", "c", "d", "new"})
	for id, want := range map[string]struct {
		run   string
		state store.ActionState
	}{
		"a": {"r1", store.ActionDone}, "b": {"r2", store.ActionPlanned}, "c": {"r2", store.ActionPlanned}, "d": {"r2", store.ActionPlanned},
		"e": {"r1", store.ActionCalling}, "f": {"r1", store.ActionUnclear}, "g": {"r1", store.ActionPlanned}, "new": {"r2", store.ActionPlanned},
	} {
		row, err := s.Action(ctx, id)
		ok(t, "Action("+id+")", err)
		if row.Run != want.run || row.State != want.state {
			t.Fatalf("Action(%s) after the second run: got %s in %s, want %s in %s", id, row.State, row.Run, want.state, want.run)
		}
	}
	row, err := s.Action(ctx, "b")
	ok(t, "Action", err)
	same(t, "an action armed anew", row, store.ActionRow{Action: action("b"), Run: "r2", Version: 3, State: store.ActionPlanned, Armed: 1, NextAt: after(time.Hour), CreatedAt: after(time.Hour)})
	row, err = s.Action(ctx, "c")
	ok(t, "Action", err)
	if row.Armed != 0 {
		t.Fatalf("an action armed anew that was skipped: it counts %d failures, want none", row.Armed)
	}

	same(t, "StartRun with nothing to start", begin(t, s, run("r3"), after(time.Hour), "a", "e", "g"), []string(nil))
	_, err = s.Run(ctx, "r3")
	wants(t, "Run of a run that started nothing", err, store.ErrNotFound)
	same(t, "StartRun without actions", begin(t, s, run("r4"), start()), []string(nil))

	_, err = s.StartRun(ctx, run("r1"), []plan.Action{action("fresh")}, start())
	wants(t, "StartRun under an id that is taken", err, store.ErrStale)
	_, err = s.Action(ctx, "fresh")
	wants(t, "Action of a run that was refused", err, store.ErrNotFound)

	var many []string
	for i := range 1_500 {
		many = append(many, fmt.Sprintf("many-%05d", i))
	}
	same(t, "StartRun with 1,500 actions", begin(t, s, run("r5"), start(), many...), many)
}

func testStartRunAtOnce(t *testing.T, s store.Store) {
	const workers, actions, rounds = 12, 30, 3
	for round := range rounds {
		var ids []string
		for i := range actions {
			ids = append(ids, fmt.Sprintf("a-%d", i))
		}
		var (
			mu  sync.Mutex
			got = map[string][]string{}
			wg  sync.WaitGroup
		)
		for worker := range workers {
			mine := slices.Clone(ids)
			if worker%2 == 1 {
				slices.Reverse(mine) // another order must not make them wait for each other
			}
			wg.Go(func() {
				id := fmt.Sprintf("r-%d-%02d", round, worker)
				var list []plan.Action
				for _, a := range mine {
					list = append(list, action(a))
				}
				started, err := s.StartRun(t.Context(), run(id), list, start())
				if err != nil {
					t.Errorf("StartRun(%s): got error %v, want none", id, err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for _, a := range started {
					got[a] = append(got[a], id)
				}
			})
		}
		wg.Wait()
		for _, a := range ids {
			row, err := s.Action(t.Context(), a)
			ok(t, "Action", err)
			if len(got[a]) != 1 || row.Run != got[a][0] {
				t.Fatalf("action %s of round %d: got it started by %v and stored under %q, want one run", a, round, got[a], row.Run)
			}
		}
		runs, err := s.Runs(t.Context(), "", 1000)
		ok(t, "Runs", err)
		for _, r := range runs {
			if strings.HasPrefix(r.ID, fmt.Sprintf("r-%d-", round)) && r.Counts[store.ActionPlanned] == 0 {
				t.Fatalf("Runs: got %s without an action, want no such run stored", r.ID)
			}
		}
		for _, a := range ids { // the next round arms those anew that failed, again once each
			move(t, s, a, store.ActionFailed)
		}
	}
}

func testRuns(t *testing.T, s store.Store) {
	ctx := t.Context()
	for i, policy := range []string{"nightly", "weekly", "nightly"} {
		r := run(fmt.Sprintf("r%d", i))
		r.Policy, r.StartedAt = policy, after(time.Duration(i)*time.Minute)
		begin(t, s, r, start(), fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i))
	}
	move(t, s, "a1", store.ActionDone)
	got, err := s.Run(ctx, "r1")
	ok(t, "Run", err)
	want := run("r1")
	want.Version, want.Policy, want.StartedAt = 1, "weekly", after(time.Minute)
	want.Counts = map[store.ActionState]int{store.ActionDone: 1, store.ActionPlanned: 1}
	same(t, "Run", got, want)

	bare := want
	bare.Counts = nil
	for _, c := range []struct {
		state store.ActionState
		open  bool
	}{
		{store.ActionCalling, true},
		{store.ActionUnclear, true},
		{store.ActionFailed, false},
		{store.ActionSkipped, false},
		{store.ActionCancelled, false},
		{store.ActionDone, false},
		{store.ActionPlanned, true},
	} {
		move(t, s, "b1", c.state)
		r, open, err := s.Working(ctx, "r1")
		ok(t, "Working", err)
		same(t, "Working", r, bare)
		same(t, "Working: open, with one action done and one "+string(c.state), open, c.open)
	}
	_, _, err = s.Working(ctx, "nobody")
	wants(t, "Working of a run that is not there", err, store.ErrNotFound)

	got.State, got.EndedAt, got.Cancel = store.RunPartly, after(time.Hour), true
	saved, err := s.SaveRun(ctx, got)
	ok(t, "SaveRun", err)
	same(t, "SaveRun: version", saved.Version, int64(2))
	_, err = s.SaveRun(ctx, got)
	wants(t, "SaveRun of an old version", err, store.ErrStale)
	again, err := s.Run(ctx, "r1")
	ok(t, "Run", err)
	same(t, "Run after SaveRun", again, saved)

	ids := func(list []store.Run, err error) []string {
		t.Helper()
		ok(t, "list of runs", err)
		var out []string
		for _, r := range list {
			out = append(out, r.ID)
		}
		return out
	}
	same(t, "Runs", ids(s.Runs(ctx, "", 10)), []string{"r2", "r1", "r0"})
	same(t, "Runs, two at most", ids(s.Runs(ctx, "", 2)), []string{"r2", "r1"})
	same(t, "Runs of nightly", ids(s.Runs(ctx, "nightly", 10)), []string{"r2", "r0"})
	same(t, "ActiveRuns", ids(s.ActiveRuns(ctx)), []string{"r0", "r2"})
	_, err = s.Run(ctx, "nobody")
	wants(t, "Run of one that is not there", err, store.ErrNotFound)
	_, err = s.SaveRun(ctx, run("nobody"))
	wants(t, "SaveRun of one that is not there", err, store.ErrStale)
}

func testActions(t *testing.T, s store.Store) {
	ctx := t.Context()
	begin(t, s, run("r"), start(), "a")
	row, err := s.Action(ctx, "a")
	ok(t, "Action", err)
	old := row
	row.State, row.Attempts, row.Deadline, row.Class, row.Code, row.Problem = store.ActionCalling, 3, after(time.Minute), "transient", "RequestLimitExceeded", "it's \"slow\" 🐌"
	row.Made, row.StartedAt, row.NextAt = []cloud.Ref{ref(web(), "snap-1"), ref(web(), "snap-2")}, after(time.Second), after(time.Hour)
	row, err = s.SaveAction(ctx, row)
	ok(t, "SaveAction", err)
	same(t, "SaveAction: version", row.Version, int64(2))
	got, err := s.Action(ctx, "a")
	ok(t, "Action", err)
	same(t, "Action after SaveAction", got, row)
	old.State = store.ActionDone
	_, err = s.SaveAction(ctx, old)
	wants(t, "SaveAction of an old version", err, store.ErrStale)
	got, err = s.Action(ctx, "a")
	ok(t, "Action", err)
	same(t, "Action after a refused SaveAction", got, row)
	_, err = s.Action(ctx, "nobody")
	wants(t, "Action of one that is not there", err, store.ErrNotFound)
	_, err = s.SaveAction(ctx, store.ActionRow{Action: action("nobody"), Version: 1, State: store.ActionDone})
	wants(t, "SaveAction of one that is not there", err, store.ErrStale)
}

func testActionFilter(t *testing.T, s store.Store) {
	ctx := t.Context()
	begin(t, s, run("r1"), after(2*time.Minute), "a", "b")
	begin(t, s, run("r2"), start(), "d", "c", "e")
	move(t, s, "d", store.ActionDone)
	move(t, s, "a", store.ActionFailed)
	weekly := action("w")
	weekly.Policy = "weekly"
	_, err := s.StartRun(ctx, run("r3"), []plan.Action{weekly}, after(time.Minute))
	ok(t, "StartRun", err)
	many := []string{"a", "c", "a"}
	for i := range 1_200 {
		many = append(many, fmt.Sprintf("nobody-%d", i))
	}
	for _, c := range []struct {
		name   string
		filter store.ActionFilter
		want   []string
	}{
		{"all", store.ActionFilter{}, []string{"c", "d", "e", "w", "a", "b"}},
		{"limit", store.ActionFilter{Limit: 2}, []string{"c", "d"}},
		{"run", store.ActionFilter{Run: "r1"}, []string{"a", "b"}},
		{"policies", store.ActionFilter{Policies: []string{"weekly", "nobody"}}, []string{"w"}},
		{"states", store.ActionFilter{States: []store.ActionState{store.ActionDone, store.ActionFailed}}, []string{"d", "a"}},
		{"ids", store.ActionFilter{IDs: []string{"w", "a", "nobody"}}, []string{"w", "a"}},
		{"backups", store.ActionFilter{Backups: []string{"backup-of-e"}}, []string{"e"}},
		{"since", store.ActionFilter{Since: after(time.Second)}, []string{"c", "e", "w", "a", "b"}},
		{"both", store.ActionFilter{Run: "r2", States: []store.ActionState{store.ActionPlanned}, Limit: 1}, []string{"c"}},
		{"many ids", store.ActionFilter{IDs: many}, []string{"c", "a"}},
		{"many ids and a limit", store.ActionFilter{IDs: many, Limit: 1}, []string{"c"}},
	} {
		rows, err := s.Actions(ctx, c.filter)
		ok(t, "Actions, "+c.name, err)
		var got []string
		for _, row := range rows {
			got = append(got, row.ID)
		}
		same(t, "Actions, "+c.name, got, c.want)
	}
}
