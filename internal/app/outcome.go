package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/job"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/run"
	"github.com/stint-cloud/stint/internal/store"
)

// act is the act job.
func (a *App) act(ctx context.Context, now time.Time, key string) (job.Answer, error) {
	id, _ := rowOf(key)
	began := time.Now()
	result, err := a.executor.Step(ctx, now, id)
	if errors.Is(err, store.ErrNotFound) {
		return job.Done(), nil // pruned with its run
	}
	if err != nil {
		return job.Done(), err
	}
	row := result.Row
	if !row.State.Ended() {
		return job.Again(result.Next), nil
	}
	if !result.Over { // another wake-up came later, or a process died before it could say so
		_, err := a.settleRun(ctx, now, row.Run)
		return job.Done(), err
	}
	// Whole seconds: a call that did not wait counts for nothing, so that a simulation comes out the same each time.
	return job.Done(), a.ended(ctx, now, row, time.Since(began).Truncate(time.Second))
}

// ended is what follows the end of an action, whose last step began now and took so long: it may have waited for its
// place in the pace.
func (a *App) ended(ctx context.Context, now time.Time, row store.ActionRow, took time.Duration) error {
	switch row.State {
	case store.ActionFailed:
		if err := a.opt.Store.OpenIncident(ctx, run.Incident(row), now); err != nil {
			return err
		}
	case store.ActionDone:
		if err := a.recovered(ctx, now, row); err != nil {
			return err
		}
	}
	if err := a.stopAfterFailures(ctx, now, row); err != nil {
		return err
	}
	if err := a.lookLater(ctx, row, now.Add(took)); err != nil {
		return err
	}
	a.observe(Event{At: now, What: string(row.State), Policy: row.Policy, Run: row.Run, Action: &row, Text: row.Problem})
	over, err := a.settleRun(ctx, now, row.Run)
	if err != nil || !over {
		return err
	}
	for _, scope := range a.takeMaking() {
		if err := a.wake(ctx, scopeKey(scope), job.Scan, now.Add(took+a.firstPoll())); err != nil {
			return err
		}
	}
	return nil
}

// busyPoll is how long what was made waits for a poll at least while more is being made there: nothing that follows is
// due before the run is over, and a poll for each of a thousand actions would cost more calls than the actions do.
const (
	busyPoll    = 30 * time.Second
	longestPoll = 5 * time.Minute
)

// spell is a time in which this process makes things in a scope.
type spell struct{ since, last time.Time }

// pause is the wait for a poll: it grows with the spell, so that the polls of a long run do not add up.
func (s spell) pause() time.Duration { return min(max(busyPoll, s.last.Sub(s.since)/2), longestPoll) }

// lookLater has the scopes of what an action made looked at, when nothing wakes them earlier.
func (a *App) lookLater(ctx context.Context, row store.ActionRow, now time.Time) error {
	for _, ref := range row.Made {
		scope := cloud.Scope{Account: ref.Account, Region: ref.Region, Kind: ref.Kind}
		a.mu.Lock()
		s := a.making[scope]
		if now.Sub(s.last).Abs() >= longestPoll {
			s.since = now // another spell
		}
		s.last = now
		a.making[scope] = s
		a.mu.Unlock()
		if err := a.wake(ctx, scopeKey(scope), job.Scan, now.Add(s.pause())); err != nil {
			return err
		}
	}
	return nil
}

// stillMaking says for how long a look can wait: this process has just made something in the scope, and a run goes on, so
// there may be more of it. Zero says that it cannot.
func (a *App) stillMaking(ctx context.Context, now time.Time, scope cloud.Scope) (time.Duration, error) {
	a.mu.Lock()
	s, ok := a.making[scope]
	a.mu.Unlock()
	if !ok || now.Sub(s.last).Abs() >= busyPoll {
		return 0, nil
	}
	active, err := a.opt.Store.ActiveRuns(ctx)
	if err != nil || len(active) == 0 {
		return 0, err
	}
	return s.pause(), nil
}

// takeMaking lists the scopes in which this process has made something, and forgets them: the run is over. Where another
// run goes on, its next action says so.
func (a *App) takeMaking() []cloud.Scope {
	a.mu.Lock()
	defer a.mu.Unlock()
	scopes := slices.SortedFunc(maps.Keys(a.making), cloud.Scope.Compare)
	clear(a.making)
	return scopes
}

// settleRun ends the run if all of its actions have ended, and lets its policy be planned anew. It says whether the run has ended just now.
func (a *App) settleRun(ctx context.Context, now time.Time, id string) (over bool, err error) {
	before, open, err := a.opt.Store.Working(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (open || before.State != store.RunActive) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := a.sayFailures(ctx, now, id); err != nil {
		return false, err
	}
	r, over, err := run.Settle(ctx, a.opt.Store, id, now)
	if err != nil || !over {
		return false, err
	}
	a.observe(Event{At: now, What: "ended", Policy: r.Policy, Run: r.ID, Text: string(r.State)})
	if a.opt.Auto && r.Policy != "" {
		if err := a.wake(ctx, policyKey(r.Policy), job.Plan, now.Add(time.Second)); err != nil {
			return true, err
		}
		return true, a.wake(ctx, "tell", job.Notice, now)
	}
	return true, nil
}

// sayFailures opens the incidents of a run's failed actions that a process did not live to open (law 9).
func (a *App) sayFailures(ctx context.Context, now time.Time, id string) error {
	failed, err := a.opt.Store.Actions(ctx, store.ActionFilter{Run: id, States: []store.ActionState{store.ActionFailed}})
	if err != nil || len(failed) == 0 {
		return err
	}
	known, err := a.opt.Store.Incidents(ctx, true, manyIncidents)
	if err != nil {
		return err
	}
	last := map[string]time.Time{}
	for _, in := range known {
		last[in.Key] = in.LastAt
	}
	for _, row := range failed {
		in := run.Incident(row)
		if at, ok := last[in.Key]; ok && !at.Before(row.CreatedAt) {
			continue
		}
		last[in.Key] = now
		if err := a.opt.Store.OpenIncident(ctx, in, now); err != nil {
			return err
		}
	}
	return nil
}

// manyIncidents are more than a reader would ever want.
const manyIncidents = 10_000

func (a *App) firstPoll() time.Duration {
	if a.opt.Survey.MinPoll > 0 {
		return a.opt.Survey.MinPoll
	}
	return time.Second
}

// wentBack says whether the clock was set back since the last sweep, or may have been before the first. What was due "later" would else wait until the time
// comes a second time.
func (a *App) wentBack(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	back := a.swept.IsZero() || now.Before(a.swept.Add(-time.Minute)) // the process before may have had a clock that was ahead
	a.swept = now
	return back
}

// everything lists all that is not over, whenever it said that it is due.
func (a *App) everything(ctx context.Context, now time.Time) ([]job.Wakeup, error) {
	open, err := a.opt.Store.Actions(ctx, store.ActionFilter{States: []store.ActionState{store.ActionPlanned, store.ActionCalling, store.ActionUnclear}})
	if err != nil {
		return nil, err
	}
	var out []job.Wakeup
	for _, row := range open {
		out = append(out, job.Wakeup{Key: actionKey(row.ID), Queue: job.Act, At: now})
	}
	if !a.opt.Auto {
		return out, nil
	}
	for _, pol := range a.opt.Rules.Policies {
		out = append(out, job.Wakeup{Key: policyKey(pol.Name), Queue: job.Plan, At: now})
	}
	return append(out, job.Wakeup{Key: "tell", Queue: job.Notice, At: now}), nil
}

// endRuns ends the runs all of whose actions have ended, though nobody lived to say so.
func (a *App) endRuns(ctx context.Context, now time.Time) error {
	active, err := a.opt.Store.ActiveRuns(ctx)
	if err != nil {
		return err
	}
	for _, r := range active {
		r, err := a.opt.Store.Run(ctx, r.ID)
		if err != nil {
			return err
		}
		open := 0
		for state, n := range r.Counts {
			if !state.Ended() {
				open += n
			}
		}
		if open > 0 {
			continue
		}
		if _, err := a.settleRun(ctx, now, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// stopAfterFailures cancels the rest of a run whose policy allows no more failures.
func (a *App) stopAfterFailures(ctx context.Context, now time.Time, row store.ActionRow) error {
	pol, ok := a.opt.Rules.FindPolicy(row.Policy)
	if row.State != store.ActionFailed || !ok || pol.Backup == nil || pol.Backup.Limits.StopAfterFailures == 0 {
		return nil
	}
	r, err := a.opt.Store.Run(ctx, row.Run)
	if err != nil || r.State != store.RunActive || r.Cancel || r.Counts[store.ActionFailed] < pol.Backup.Limits.StopAfterFailures {
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	}
	_, err = run.Cancel(ctx, a.opt.Store, r.ID, now, "stint", fmt.Sprintf("%d actions have failed, and the policy allows no more", r.Counts[store.ActionFailed]))
	return err
}

// recovered closes the incidents that the success of an action disproves: the same verb works again in that place.
func (a *App) recovered(ctx context.Context, now time.Time, row store.ActionRow) error {
	var keys []string
	for _, class := range append(cloud.Classes(), errors.New("unknown"), context.Canceled) {
		keys = append(keys, run.IncidentKey(row, cloud.ClassName(class)))
	}
	return a.opt.Store.CloseIncidents(ctx, keys, now)
}

// incidents opens one for each grave finding, and closes those of the last plan that are gone.
func (a *App) incidents(ctx context.Context, now time.Time, policy string, before, after []plan.Finding) error {
	open := map[string]bool{}
	for _, f := range after {
		if !f.Grave {
			continue
		}
		open[f.Key] = true
		in := store.Incident{Key: f.Key, Policy: cmp.Or(f.Policy, policy), Account: f.Ref.Account, Title: f.Text, Detail: f.Text}
		kind, _, _ := strings.Cut(f.Key, "/")
		line := store.AuditEntry{At: now, Who: "stint", What: "finding " + kind, Outcome: "stopped", Detail: f.Text}
		if in.Policy != "" {
			line.Detail = "policy " + in.Policy + ": " + f.Text
		}
		switch {
		case f.Ref.Kind != 0:
			line.Ref = f.Ref.String()
		case f.Ref.Account != "":
			line.Ref = strings.TrimSuffix(f.Ref.Place().String(), "/")
		}
		if err := a.opt.Store.OpenIncident(ctx, in, now, line); err != nil {
			return err
		}
	}
	var over []string
	for _, f := range before {
		if f.Grave && !open[f.Key] {
			over = append(over, f.Key)
		}
	}
	if len(over) == 0 {
		return nil
	}
	return a.opt.Store.CloseIncidents(ctx, over, now)
}

// tell is the notice job.
func (a *App) tell(ctx context.Context, now time.Time, _ string) (job.Answer, error) {
	if a.opt.Teller == nil {
		return job.Done(), nil
	}
	next, err := a.opt.Teller.Tell(ctx, now)
	if err != nil { // it knows best when to try again
		a.opt.Log.Error("people could not be told", "err", err)
	}
	if next.IsZero() {
		return job.Done(), nil
	}
	return job.Again(next), nil
}
