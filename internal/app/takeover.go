package app

import (
	"context"
	"errors"
	"time"

	"github.com/stint-cloud/stint/internal/job"
	"github.com/stint-cloud/stint/internal/store"
)

// onItsWay is how long a request of a process that died is given to arrive before it is looked for.
const onItsWay = 2 * time.Second

// TakeOver goes on at once with what a process that is surely dead has left open, instead of waiting until its leases
// are over. Call it only when nobody else can be at work on the store, before Run.
func (a *App) TakeOver(ctx context.Context, now time.Time) error {
	rows, err := a.opt.Store.Actions(ctx, store.ActionFilter{States: []store.ActionState{store.ActionPlanned, store.ActionCalling, store.ActionUnclear}})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.State == store.ActionCalling {
			// The deadline stays: it says when the call was made, and so until when listings may not show its effect.
			row.State = store.ActionUnclear
			if soon := now.Add(onItsWay); soon.Before(row.NextAt) {
				row.NextAt = soon
			}
			saved, err := a.opt.Store.SaveAction(ctx, row, store.AuditEntry{
				At: now, Who: "stint", What: "unclear " + row.Verb.String(), Ref: row.Target.String(), Action: row.ID, Run: row.Run, Outcome: "unclear",
				Detail: "the process that made the call died before it wrote down what came of it: whether it took effect is found by looking",
			})
			if errors.Is(err, store.ErrStale) {
				continue // it has moved after all, so somebody is at work on it
			}
			if err != nil {
				return err
			}
			row = saved
		}
		if err := a.wake(ctx, actionKey(row.ID), job.Act, row.NextAt); err != nil {
			return err
		}
	}
	return nil
}
