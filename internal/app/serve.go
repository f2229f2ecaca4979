package app

import (
	"cmp"
	"context"
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
	if a.opt.Auto {
		g.Go(func() error { return a.tidy(ctx) })
	}
	return g.Wait()
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
