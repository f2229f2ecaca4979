package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/job"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/run"
	"github.com/stint-cloud/stint/internal/store"
)

// looksAtOnce is how many scopes are listed at the same time when a person waits for it.
const looksAtOnce = 16

// Survey lists these scopes to the end, many at once. What a scope's listing came to stands in the store; the error is
// the store's or the context's.
func (a *App) Survey(ctx context.Context, scopes []cloud.Scope) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(looksAtOnce)
	for _, s := range scopes {
		g.Go(func() error {
			now := time.Now().UTC()
			out, err := a.surveyor.Look(ctx, now, s, true)
			if err != nil {
				return err
			}
			a.observe(Event{At: now, What: "surveyed", Scope: s, Diff: out.Diff, Err: out.Err})
			if out.Pending == 0 {
				return nil
			}
			return a.wake(ctx, scopeKey(s), job.Scan, out.Next)
		})
	}
	return g.Wait()
}

// Plan surveys what the policies reach and plans them; all policies when names is nil. It changes nothing in any cloud.
func (a *App) Plan(ctx context.Context, names []string, opt PlanOptions) (plan.Plan, []error, error) {
	problems, err := a.Prepare(ctx, time.Now().UTC())
	if err != nil {
		return plan.Plan{}, problems, err
	}
	scopes, err := a.Scopes(ctx, names)
	if err != nil {
		return plan.Plan{}, problems, err
	}
	if err := a.Survey(ctx, scopes); err != nil {
		return plan.Plan{}, problems, err
	}
	p, err := a.makePlan(ctx, time.Now().UTC(), names, opt)
	return p, problems, err
}

// ApplyOptions say what Apply is to do.
type ApplyOptions struct {
	Policies     []string // nil: all
	AllowDeletes int
	// Only limits it to these actions, the ones of a plan that a person has read; nil: whatever is wanted, follow-ups
	// included.
	Only []plan.Action
	// Confirm is asked once, before anything is done; nil means yes.
	Confirm func(p plan.Plan) (bool, error)
	NoWait  bool // return when all calls are made, though backups are still being made in the cloud
}

// Summary is what Apply came to.
type Summary struct {
	First    plan.Plan     // the plan that was confirmed
	Last     plan.Plan     // the plan when nothing was left to do
	Declined bool          // Confirm said no
	Dropped  []plan.Action // of Only: no longer wanted, or no longer allowed
	Runs     []store.Run
	Problems []error // accounts that could not be reached
}

// Apply plans, asks, runs, and waits until what it began is settled. It needs the engine to be running with Handlers.
// Runs that an earlier process left open are finished first.
func (a *App) Apply(ctx context.Context, opt ApplyOptions) (Summary, error) {
	began := time.Now().UTC()
	var sum Summary
	if err := a.finishOpen(ctx); err != nil {
		return sum, err
	}
	p, problems, err := a.Plan(ctx, opt.Policies, PlanOptions{RetryBefore: began, AllowDeletes: opt.AllowDeletes})
	sum.Problems = problems
	if err != nil {
		return sum, err
	}
	if opt.Only != nil {
		p, sum.Dropped = only(p, opt.Only)
	}
	sum.First, sum.Last = p, p
	if len(p.Actions) > 0 && opt.Confirm != nil {
		ok, err := opt.Confirm(p)
		if err != nil || !ok {
			sum.Declined = err == nil
			return sum, err
		}
	}
	var (
		ids  []string
		made = time.Now()  // when p was made
		took time.Duration // and how long that took
	)
	working := false // one of these runs was open when p was made, so p may not show yet what came of it
	for {
		moved := a.moved()
		started, err := a.startAll(ctx, p, opt)
		if err != nil {
			return sum, err
		}
		ids = append(ids, started...)
		waiting, err := a.waiting(ctx, ids, p, opt)
		if err != nil {
			return sum, err
		}
		if waiting || len(started) > 0 {
			if err := a.lull(ctx, moved, ids, made, took); err != nil {
				return sum, err
			}
		} else if !working {
			break
		}
		if working, err = a.working(ctx, ids); err != nil {
			return sum, err
		}
		made = time.Now()
		next, err := a.makePlan(ctx, made.UTC(), opt.Policies, PlanOptions{RetryBefore: began, AllowDeletes: opt.AllowDeletes})
		if err != nil {
			return sum, err
		}
		sum.Last = next
		if opt.Only != nil {
			next.Actions = nil // the follow-ups are the next plan's: this one was promised to do no more
		}
		next.Actions = slices.DeleteFunc(next.Actions, func(x plan.Action) bool { return time.Since(began) > 0 && a.triedSince(ctx, x.ID, began) })
		p = next
		if took = time.Since(made); took > 100*time.Millisecond { // a plan over a large world is not made at every move
			if err := sleep(ctx, 5*took); err != nil {
				return sum, err
			}
		}
	}
	for _, id := range ids {
		r, err := a.opt.Store.Run(ctx, id)
		if err != nil {
			return sum, err
		}
		sum.Runs = append(sum.Runs, r)
	}
	return sum, a.incidents(ctx, time.Now().UTC(), "", sum.First.Findings, sum.Last.Findings)
}

// triedSince says whether the action was called since then: one Apply tries nothing twice that has failed.
func (a *App) triedSince(ctx context.Context, id string, since time.Time) bool {
	row, err := a.opt.Store.Action(ctx, id)
	if err != nil || !row.State.Ended() || row.Class == store.ClassOutdated && row.CreatedAt.Before(since) {
		return false // what was decided before, and is no decision any more, is decided anew
	}
	return !row.EndedAt.Before(since)
}

// only keeps those actions that were promised and are still wanted, as they are wanted now; dropped are the others that
// were promised.
func only(p plan.Plan, promised []plan.Action) (plan.Plan, []plan.Action) {
	want := map[string]bool{}
	for _, x := range promised {
		want[x.ID] = true
	}
	kept := map[string]bool{}
	var actions []plan.Action
	for _, x := range p.Actions {
		if want[x.ID] {
			actions = append(actions, x)
			kept[x.ID] = true
		}
	}
	var dropped []plan.Action
	for _, x := range promised {
		if !kept[x.ID] {
			dropped = append(dropped, x)
		}
	}
	p.Actions = actions
	return p, dropped
}

// startAll starts one run for each policy of the plan.
func (a *App) startAll(ctx context.Context, p plan.Plan, opt ApplyOptions) ([]string, error) {
	var ids []string
	note := ""
	if opt.AllowDeletes > 0 {
		note = fmt.Sprintf("with up to %d deletions allowed by hand", opt.AllowDeletes)
	}
	for _, name := range p.Policies {
		part := plan.Plan{}
		for _, x := range p.Actions {
			if x.Policy == name {
				part.Actions = append(part.Actions, x)
			}
		}
		now := time.Now().UTC()
		r, err := a.Start(ctx, now, part, run.Request{Policy: name, Trigger: "apply", By: a.opt.By, Actions: part.Actions, Hash: part.Hash(), Note: note})
		if err != nil {
			return ids, err
		}
		if r.ID != "" {
			ids = append(ids, r.ID)
		}
	}
	return ids, nil
}

// waiting says whether something that was begun is not over.
func (a *App) waiting(ctx context.Context, runs []string, p plan.Plan, opt ApplyOptions) (bool, error) {
	if working, err := a.working(ctx, runs); err != nil || working {
		return working, err
	}
	if opt.NoWait || opt.Only != nil && len(runs) == 0 {
		return false, nil
	}
	return slices.ContainsFunc(p.Left, func(l plan.Left) bool { return l.Kind == plan.LeftPending }), nil
}

// working says whether one of these runs is open.
func (a *App) working(ctx context.Context, runs []string) (bool, error) {
	active, err := a.opt.Store.ActiveRuns(ctx)
	return slices.ContainsFunc(active, func(r store.Run) bool { return slices.Contains(runs, r.ID) }), err
}

// finishOpen waits for the runs that an earlier process left open: they were confirmed, and the engine goes on with them.
func (a *App) finishOpen(ctx context.Context) error {
	for told := false; ; told = true {
		moved := a.moved()
		active, err := a.opt.Store.ActiveRuns(ctx)
		if err != nil || len(active) == 0 {
			return err
		}
		for _, r := range active {
			if !told {
				a.observe(Event{At: time.Now().UTC(), What: "resumed", Policy: r.Policy, Run: r.ID, Text: "begun " + r.StartedAt.Format(time.RFC3339), N: open(r)})
				moved = a.moved()
			}
			if _, _, err := run.Settle(ctx, a.opt.Store, r.ID, time.Now().UTC()); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		if err := pauseUntil(ctx, moved); err != nil {
			return err
		}
	}
}

// open counts the run's actions that have not ended.
func open(r store.Run) int {
	n := 0
	for state, k := range r.Counts {
		if !state.Ended() {
			n += k
		}
	}
	return n
}

// WaitRun waits until the run has ended.
func (a *App) WaitRun(ctx context.Context, id string) (store.Run, error) {
	for {
		moved := a.moved()
		r, _, err := run.Settle(ctx, a.opt.Store, id, time.Now().UTC())
		if err != nil || r.State != store.RunActive {
			return r, err
		}
		if err := pauseUntil(ctx, moved); err != nil {
			return r, err
		}
	}
}

// How often Apply looks while its own runs are at work: what ends within a breath is looked at together, and a plan for
// what may follow already is made once in a while.
const (
	breath    = 20 * time.Millisecond
	planEvery = time.Second
)

// lull waits for a moment that is worth a plan: something has moved, and either nothing of these runs is open any more
// or the last plan is not so fresh. A plan after each of hundreds of actions would be most of the work.
func (a *App) lull(ctx context.Context, moved <-chan struct{}, runs []string, made time.Time, took time.Duration) error {
	for {
		if err := pauseUntil(ctx, moved); err != nil {
			return err
		}
		if err := sleep(ctx, breath); err != nil {
			return stopped(err)
		}
		moved = a.moved()
		working, err := a.working(ctx, runs)
		if err != nil || !working || time.Since(made) >= max(planEvery, 5*took) {
			return err
		}
	}
}

func stopped(err error) error {
	return fmt.Errorf("stopped before all was settled; what has begun goes on in the cloud, and the next apply finishes it: %w", err)
}

// pauseUntil waits until something moves here, or a second, as other workers' moves are not heard.
func pauseUntil(ctx context.Context, moved <-chan struct{}) error {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return stopped(ctx.Err())
	case <-moved:
		return nil
	case <-t.C:
		return nil
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
