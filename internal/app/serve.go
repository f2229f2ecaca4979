package app

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/job"
)

// sweepEvery is how often whatever is due is woken again, so that a lost wake-up does no harm.
const sweepEvery = time.Minute

// keepFor is how long ended runs, closed incidents and the record are kept.
const keepFor = 400 * 24 * time.Hour

// Run works until ctx is cancelled: the engine with its handlers, the sweep, and what keeps the store small. It returns
// after everything that it started has returned.
func (a *App) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.opt.Engine.Run(ctx, a.Handlers()) })
	g.Go(func() error {
		s := job.Sweep{Due: a.Due, Engine: a.opt.Engine, Every: cmp.Or(a.opt.Sweep, sweepEvery), Log: a.opt.Log}
		return s.Run(ctx)
	})
	g.Go(func() error { return a.tellHints(ctx) })
	if a.opt.Auto {
		g.Go(func() error { return a.tidy(ctx) })
	}
	return g.Wait()
}

// hintsEvery is how long what this process has made may wait for a look of this process.
const hintsEvery = 2 * time.Second

// stillMaking says whether more is being made in the scope by this process just now: the look can wait for that.
func (a *App) stillMaking(scope cloud.Scope) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.making[scope]) < hintsEvery
}

// tellHints looks at what this process has made when the survey's job has gone to another process, which does not know
// what to watch. Once looked at, it stands in the store, for all to see.
func (a *App) tellHints(ctx context.Context) error {
	var before []cloud.Scope
	for sleep(ctx, hintsEvery) == nil {
		hinted := a.surveyor.Hinted()
		for _, scope := range hinted {
			if !slices.Contains(before, scope) || a.stillMaking(scope) {
				continue // its job may be on its way
			}
			now := time.Now().UTC()
			out, err := a.surveyor.Look(ctx, now, scope, false)
			if err != nil {
				if ctx.Err() == nil {
					a.opt.Log.Error("what was made could not be looked at", "account", scope.Account, "region", scope.Region, "err", err)
				}
				continue
			}
			a.observe(Event{At: now, What: "surveyed", Scope: scope, Diff: out.Diff, Err: out.Err})
			if err := a.wake(ctx, scopeKey(scope), job.Scan, out.Next); err != nil && ctx.Err() == nil {
				a.opt.Log.Error("a survey could not be woken", "err", err)
			}
			if a.opt.Auto && (out.Changed() || out.Settled > 0) {
				if err := a.wakePlans(ctx, scope.Place(), now); err != nil && ctx.Err() == nil {
					a.opt.Log.Error("plans could not be woken", "err", err)
				}
			}
		}
		before = hinted
	}
	return nil
}

// tidy forgets, once a day, what is too old to be of use, and meets the accounts again: their regions may have changed.
// An account that could not be met is tried again every few minutes.
func (a *App) tidy(ctx context.Context) error {
	const day, soon = 24 * time.Hour, 10 * time.Minute
	wait := soon
	for {
		if sleep(ctx, wait) != nil {
			return nil
		}
		now := time.Now().UTC()
		if n, err := a.opt.Store.Prune(ctx, now.Add(-keepFor)); err != nil {
			a.opt.Log.Error("old rows could not be forgotten", "err", err)
		} else if n > 0 {
			a.opt.Log.Info("old rows are forgotten", "rows", n)
		}
		problems, err := a.Prepare(ctx, now)
		wait = day
		if err != nil || len(problems) > 0 {
			wait = soon
		}
		if err != nil && ctx.Err() == nil {
			a.opt.Log.Error("the accounts could not be met", "err", err)
		}
	}
}
