package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/job"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/run"
	"github.com/stint-cloud/stint/internal/store"
)

// freshness is how old a whole listing may be for a plan that has no new slot to serve. Deletions look again anyway.
const freshness = 15 * time.Minute

// sweepLimit is how many due rows one sweep wakes at most; the next takes the rest.
const sweepLimit = 5000

// Handlers are the three kinds of job, and the notices. Without Auto there are no plans and notices among them, so that
// a process which came for one errand takes no such job away from those that serve.
func (a *App) Handlers() map[job.Queue]job.Handler {
	handlers := map[job.Queue]job.Handler{job.Scan: a.scan, job.Act: a.act}
	if a.opt.Auto {
		handlers[job.Plan], handlers[job.Notice] = a.planJob, a.tell
	}
	return handlers
}

// Due lists what the sweep wakes, and ends runs that a process which died left without an end.
func (a *App) Due(ctx context.Context, now time.Time) ([]job.Wakeup, error) {
	if err := a.endRuns(ctx, now); err != nil {
		return nil, err
	}
	if a.wentBack(now) {
		return a.everything(ctx, now)
	}
	rows, err := a.opt.Store.Due(ctx, now, sweepLimit)
	if err != nil {
		return nil, err
	}
	var out []job.Wakeup
	for _, r := range rows {
		switch {
		case r.Kind == "action":
			out = append(out, job.Wakeup{Key: actionKey(r.Key), Queue: job.Act, At: r.At})
		case r.Kind == "survey" && a.opt.Auto:
			out = append(out, job.Wakeup{Key: "survey:" + r.Key, Queue: job.Scan, At: r.At})
		case r.Kind == "policy" && a.opt.Auto:
			out = append(out, job.Wakeup{Key: policyKey(r.Key), Queue: job.Plan, At: r.At})
		}
	}
	if a.opt.Auto {
		out = append(out, job.Wakeup{Key: "tell", Queue: job.Notice, At: now})
	}
	return out, nil
}

// scan is the survey job.
func (a *App) scan(ctx context.Context, now time.Time, key string) (job.Answer, error) {
	text, _ := rowOf(key)
	scope, err := cloud.ParseScope(text)
	if err != nil {
		return job.Done(), err
	}
	wanted, err := a.Scopes(ctx, nil)
	if err != nil {
		return job.Done(), err
	}
	if !slices.Contains(wanted, scope) {
		return job.Done(), nil
	}
	out, err := a.surveyor.Look(ctx, now, scope, false)
	if err != nil {
		return job.Done(), err
	}
	a.observe(Event{At: now, What: "surveyed", Scope: scope, Diff: out.Diff, Err: out.Err})
	if a.opt.Auto && out.Changed() {
		if err := a.wakePlans(ctx, scope.Place(), now); err != nil {
			return job.Done(), err
		}
	}
	if !a.opt.Auto && out.Pending == 0 && out.Err == nil {
		return job.Done(), nil
	}
	if out.Pending > 0 {
		pause, err := a.stillMaking(ctx, now, scope)
		if err != nil {
			return job.Done(), err
		}
		if next := now.Add(pause); out.Next.Before(next) {
			return job.Again(next), nil // the end of the run wakes it earlier
		}
	}
	return job.Again(out.Next), nil
}

// wakePlans wakes the policies that reach a place.
func (a *App) wakePlans(ctx context.Context, place cloud.Place, now time.Time) error {
	for _, pol := range a.opt.Rules.Policies {
		scopes, err := a.Scopes(ctx, []string{pol.Name})
		if err != nil {
			return err
		}
		if slices.ContainsFunc(scopes, func(s cloud.Scope) bool { return s.Place() == place }) {
			if err := a.wake(ctx, policyKey(pol.Name), job.Plan, now.Add(time.Second)); err != nil {
				return err
			}
		}
	}
	return nil
}

// planJob is the plan job: it plans one policy, starts what the plan wants, and sets when to plan next.
func (a *App) planJob(ctx context.Context, now time.Time, key string) (job.Answer, error) {
	name, _ := rowOf(key)
	pol, ok := a.opt.Rules.FindPolicy(name)
	if !ok || !a.opt.Auto {
		return job.Done(), nil
	}
	state, err := a.opt.Store.PolicyState(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return job.Done(), err
	}
	state.Name = name
	ready, wait, err := a.freshen(ctx, now, pol)
	if err != nil {
		return job.Done(), err
	}
	if !ready {
		return job.Again(now.Add(wait)), nil
	}
	began := time.Now()
	p, err := a.makePlan(ctx, now, []string{name}, PlanOptions{})
	if err != nil {
		return job.Done(), err
	}
	a.observe(Event{At: now, What: "planned", Policy: name, Text: fmt.Sprintf("%d actions", len(p.Actions)), N: len(p.Actions), Took: time.Since(began)})
	if _, err := a.Start(ctx, now, p, run.Request{Policy: name, Trigger: "schedule", By: a.opt.By, Actions: p.Actions, Hash: p.Hash()}); err != nil {
		return job.Done(), err
	}
	if err := a.incidents(ctx, now, name, state.Findings, p.Findings); err != nil {
		return job.Done(), err
	}
	state.PlannedAt, state.Hash, state.Findings, state.Problem = now, p.Hash(), p.Findings, ""
	state.NextAt = nextPlan(now, p, cmp.Or(a.opt.Idle, time.Hour))
	if _, err := a.opt.Store.SavePolicyState(ctx, state); err != nil && !errors.Is(err, store.ErrStale) {
		return job.Done(), err
	}
	return job.Again(state.NextAt), nil
}

// nextPlan is when a policy is due again whatever happens: its next slot, when something that failed may be tried
// again, and after idle at the latest, so that what is stuck is noticed.
func nextPlan(now time.Time, p plan.Plan, idle time.Duration) time.Time {
	next := now.Add(idle)
	for _, t := range []time.Time{p.Next, p.Again} {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	return next
}

// freshen says whether the policy's scopes were looked at recently enough to plan from; those that were not are woken,
// and wait is when it is worth asking again. A slot that has come since the last look needs a new one.
func (a *App) freshen(ctx context.Context, now time.Time, pol policy.Policy) (ready bool, wait time.Duration, err error) {
	scopes, err := a.Scopes(ctx, []string{pol.Name})
	if err != nil {
		return false, 0, err
	}
	list, err := a.opt.Store.Surveys(ctx)
	if err != nil {
		return false, 0, err
	}
	rows := make(map[cloud.Scope]store.Survey, len(list))
	for _, row := range list {
		rows[row.Scope] = row
	}
	oldest := now.Add(-freshness)
	if pol.Backup != nil {
		if slot, ok := pol.Backup.When.Newest(now, freshness); ok && slot.After(oldest) {
			oldest = slot
		}
	}
	since := now // the demand that waits for the longest
	ready = true
	for _, s := range scopes {
		row := rows[s]
		seen := row.Look.SeenAt
		if row.Look.Problem != "" {
			seen = row.Look.LookedAt // it was tried: the plan says what it could not see
		}
		if !seen.Before(oldest) && !seen.After(now.Add(time.Minute)) { // seen in the future: by a clock that was set back since
			continue
		}
		ready = false
		switch {
		case row.SweepAt.After(now):
			row.SweepAt, row.NextAt = now, now
			if _, _, err := a.opt.Store.SaveSurvey(ctx, row, nil); err != nil && !errors.Is(err, store.ErrStale) {
				return false, 0, err
			}
		case !row.SweepAt.IsZero() && row.SweepAt.Before(since):
			since = row.SweepAt
		}
		if err := a.wake(ctx, scopeKey(s), job.Scan, now); err != nil {
			return false, 0, err
		}
	}
	return ready, min(max(now.Sub(since)/4, time.Second), maxFreshen), nil
}

// maxFreshen is how long a plan waits at most until it asks again whether a listing that takes its time is there.
const maxFreshen = 15 * time.Second

// PlanOptions are what a person may ask of a plan.
type PlanOptions struct {
	RetryBefore  time.Time // what failed before this time may be tried again at once
	AllowDeletes int
}

// makePlan plans these policies from what the store knows.
func (a *App) makePlan(ctx context.Context, now time.Time, names []string, opt PlanOptions) (plan.Plan, error) {
	scopes, err := a.Scopes(ctx, names)
	if err != nil {
		return plan.Plan{}, err
	}
	world, err := a.opt.Store.World(ctx, scopes)
	if err != nil {
		return plan.Plan{}, err
	}
	for _, s := range scopes { // a scope without a row is one that was never looked at
		if _, ok := world.Looks[s]; !ok {
			world.Looks[s] = inventory.Look{}
		}
	}
	memory, err := a.remember(ctx, now, names, world.Leftovers())
	if err != nil {
		return plan.Plan{}, err
	}
	for {
		p := plan.Make(plan.Input{
			Now: now, Rules: a.opt.Rules, Policies: names, World: &world, Memory: memory,
			RetryBefore: opt.RetryBefore, AllowDeletes: opt.AllowDeletes,
		})
		more, err := run.Recall(ctx, a.opt.Store, memory, copies(p))
		if err != nil || !more {
			return p, err
		}
	}
}

// copies are the ids of the plan's copies: whether they were made before, however long ago, is looked up before a plan
// stands.
func copies(p plan.Plan) []string {
	var out []string
	for _, x := range p.Actions {
		if x.Verb.Copies() {
			out = append(out, x.ID)
		}
	}
	return out
}

// remembered is how far back a plan looks at least: longer than anything that failed rests, and than listings lag.
const remembered = 3 * time.Hour

// remember gathers what the store knows of earlier decisions of these policies.
func (a *App) remember(ctx context.Context, now time.Time, names, leftovers []string) (plan.Memory, error) {
	all := plan.Memory{Actions: map[string]plan.Past{}, Busy: map[plan.Spot]string{}, Unmade: map[plan.Spot][]string{}}
	for _, pol := range a.opt.Rules.Policies {
		if names != nil && !slices.Contains(names, pol.Name) {
			continue
		}
		back := remembered
		if pol.Backup != nil {
			back = max(back, pol.Backup.CatchUp+time.Hour)
		}
		m, err := run.Remember(ctx, a.opt.Store, pol.Name, now, now.Add(-back), leftovers)
		if err != nil {
			return all, err
		}
		maps.Copy(all.Actions, m.Actions)
		maps.Copy(all.Busy, m.Busy)
		maps.Copy(all.Unmade, m.Unmade)
	}
	return all, nil
}

// Start commits a run and wakes its actions.
func (a *App) Start(ctx context.Context, now time.Time, p plan.Plan, req run.Request) (store.Run, error) {
	r, ids, err := run.Start(ctx, a.opt.Store, now, req)
	if err != nil || len(ids) == 0 {
		return r, err
	}
	a.observe(Event{At: now, What: "started", Policy: req.Policy, Run: r.ID, Text: fmt.Sprintf("%d actions", len(ids)), N: len(ids)})
	slices.Sort(ids) // they are hashes: so the places come in turns, and none has all slots to itself
	for _, id := range ids {
		if err := a.wake(ctx, actionKey(id), job.Act, now); err != nil {
			return r, err
		}
	}
	return r, nil
}
