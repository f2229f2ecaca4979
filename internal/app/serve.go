package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

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

// tellHints looks, every little while, at what this process has made and nobody looks at.
func (a *App) tellHints(ctx context.Context) error {
	for sleep(ctx, hintsEvery) == nil {
		if err := a.FollowHints(ctx, time.Now().UTC()); err != nil && ctx.Err() == nil {
			a.opt.Log.Error("what was made could not be looked at", "err", err)
		}
	}
	return nil
}

// FollowHints looks at what this process has made when the survey's job has gone to another process, which does not know
// what to watch. Once looked at, it stands in the store, for all to see. It is for one caller at a time, every few
// seconds.
func (a *App) FollowHints(ctx context.Context, now time.Time) error {
	before := a.hinted
	a.hinted = a.surveyor.Hinted()
	var failed []error
	for _, scope := range a.hinted {
		if !slices.Contains(before, scope) {
			continue // its job may be on its way
		}
		if pause, err := a.stillMaking(ctx, now, scope); err != nil || pause > 0 {
			failed = append(failed, err)
			continue
		}
		out, err := a.surveyor.Look(ctx, now, scope, false)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", scope, err))
			continue
		}
		a.observe(Event{At: now, What: "surveyed", Scope: scope, Diff: out.Diff, Err: out.Err})
		if err := a.wake(ctx, scopeKey(scope), job.Scan, out.Next); err != nil {
			failed = append(failed, err)
		}
		if a.opt.Auto && (out.Changed() || out.Settled > 0) {
			if err := a.wakePlans(ctx, scope.Place(), now); err != nil {
				failed = append(failed, err)
			}
		}
	}
	return errors.Join(failed...)
}

// How often old rows are forgotten and the accounts are met again; soon when one could not be met.
const (
	tidyEvery = 24 * time.Hour
	tidySoon  = 10 * time.Minute
)

// tidy forgets, once a day, what is too old to be of use, and meets the accounts again.
func (a *App) tidy(ctx context.Context) error {
	wait := tidySoon
	for sleep(ctx, wait) == nil {
		wait = a.Tidy(ctx, time.Now().UTC())
	}
	return nil
}

// Tidy forgets what is too old to be of use, and meets the accounts again: their regions may have changed. It says when
// it wants to be called next.
func (a *App) Tidy(ctx context.Context, now time.Time) (wait time.Duration) {
	if n, err := a.opt.Store.Prune(ctx, now.Add(-keepFor)); err != nil {
		a.opt.Log.Error("old rows could not be forgotten", "err", err)
	} else if n > 0 {
		a.opt.Log.Info("old rows are forgotten", "rows", n)
	}
	problems, err := a.Prepare(ctx, now)
	if err != nil && ctx.Err() == nil {
		a.opt.Log.Error("the accounts could not be met", "err", err)
	}
	if err != nil || len(problems) > 0 {
		return tidySoon
	}
	return tidyEvery
}
