// Package action carries out one action against one cloud, a step at a time: look, check the guard, write the intent,
// make one call, record the answer.
//
// It promises that the intent stands in the store before the call is made; that an answer which was lost is settled by
// looking for our own tags before anything is tried again; that a deletion happens only after a fresh look has shown
// its guard to hold; and that a worker which was frozen past its deadline does not call. It refuses to wait: each Step
// returns when the next one is due.
package action

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

// How long things take. A call that has not answered after callTime is given up as unclear; nobody else touches the
// action before lease is over, so that a thawed worker finds its own deadline past before it could call.
const (
	callTime    = 45 * time.Second
	lease       = 60 * time.Second
	maxAttempts = 5
	stale       = time.Hour        // what was planned longer ago and not begun is planned anew, from what is seen now
	begun       = 15 * time.Minute // by so much longer than its slot is caught up with, a create is repeated that was begun in time
	busy        = time.Minute      // as many of the kind are under way as the cloud allows, and one of them takes minutes
	longest     = time.Hour        // no action rests longer: one that seems to was written before the clock was set back
)

// Executor carries out actions. It is safe for concurrent use.
type Executor struct {
	actions store.Actions
	surveys store.Surveys
	clients func(account string) (*cloud.Client, error)
	watch   func(scope cloud.Scope, ids ...string)
	rule    func(policy string) string
	log     *slog.Logger
	looks   *looks
}

// Options are what an Executor needs to know of the rest of the program.
type Options struct {
	Clients func(account string) (*cloud.Client, error)
	Made    func(scope cloud.Scope, ids ...string) // is told of what was just created, so that it can be watched; may be nil
	Rule    func(policy string) string             // digest of the policy as it is now; empty when there is none or it is disabled
	Log     *slog.Logger
}

// New makes an Executor.
func New(actions store.Actions, surveys store.Surveys, opt Options) *Executor {
	if opt.Made == nil {
		opt.Made = func(cloud.Scope, ...string) {}
	}
	return &Executor{actions: actions, surveys: surveys, clients: opt.Clients, watch: opt.Made, rule: opt.Rule, log: opt.Log, looks: newLooks()}
}

// Result is where an action stands after a step.
type Result struct {
	Row  store.ActionRow
	Over bool      // it ended in this step, and not before
	Next time.Time // when the next step is due; zero when it has ended
}

// Step advances the action by one step. The error is the store's or the context's; what the cloud says is in the row.
func (e *Executor) Step(ctx context.Context, now time.Time, id string) (Result, error) {
	row, err := e.actions.Action(ctx, id)
	if err != nil {
		return Result{}, err
	}
	if row.State.Ended() {
		return Result{Row: row}, nil
	}
	if row.NextAt.After(now) && row.NextAt.Sub(now) <= longest {
		return Result{Row: row, Next: row.NextAt}, nil
	}
	switch row.State {
	case store.ActionCalling:
		if row.Deadline.Sub(now) > lease { // the clock was set back: count the lease anew
			row.Deadline, row.NextAt = now.Add(lease), now.Add(lease)
			return e.save(ctx, now, row)
		}
		if now.Before(row.Deadline) {
			return Result{Row: row, Next: row.Deadline}, nil
		}
		lost := line(now, row, "unclear", "unclear", "what came of the call was not written down until its lease was over: whether it took effect is found by looking")
		row.State = store.ActionUnclear
		return e.settle(ctx, now, row, lost)
	case store.ActionUnclear:
		return e.settle(ctx, now, row)
	}
	return e.begin(ctx, now, row)
}

// save writes the row, and with it lines of the record; that it has ended otherwise than well is one. A row that has
// changed meanwhile is another worker's: its state stands.
func (e *Executor) save(ctx context.Context, now time.Time, row store.ActionRow, lines ...store.AuditEntry) (Result, error) {
	if row.State.Ended() {
		row.EndedAt, row.NextAt, row.Deadline = now, time.Time{}, time.Time{}
		if row.State != store.ActionDone {
			lines = append(lines, line(now, row, string(row.State), cmp.Or(row.Class, string(row.State)), row.Problem))
		}
	}
	saved, err := e.actions.SaveAction(ctx, row, lines...)
	if errors.Is(err, store.ErrStale) {
		return Result{Row: row, Next: now.Add(time.Second)}, nil
	}
	if err != nil {
		return Result{}, err
	}
	return Result{Row: saved, Over: saved.State.Ended(), Next: saved.NextAt}, nil
}

// begin takes a planned action up to and through its call.
func (e *Executor) begin(ctx context.Context, now time.Time, row store.ActionRow) (Result, error) {
	began := time.Now()
	if done, result, err := e.before(ctx, now, row); done || err != nil {
		return result, err
	}
	client, err := e.clients(row.Place.Account)
	if err != nil {
		row.State, row.Class, row.Problem = store.ActionFailed, cloud.ClassName(err), err.Error()
		return e.save(ctx, now, row)
	}
	if row.Verb.Creates() && row.Attempts > 0 && row.Class != cloud.ClassName(cloud.ErrThrottled) {
		made, err := e.find(ctx, client, row)
		if err != nil {
			return e.refused(ctx, now, row, err)
		}
		if len(made) > 0 {
			return e.adopt(ctx, now, row, made)
		}
	}
	if why := e.outdated(now, row); why != "" {
		row.State, row.Class, row.Code, row.Problem = store.ActionSkipped, store.ClassOutdated, "", why
		return e.save(ctx, now, row)
	}
	ok, why, err := e.guard(ctx, now, client, row)
	if err != nil {
		return e.refused(ctx, now, row, err)
	}
	if !ok {
		row.State, row.Class, row.Problem = store.ActionSkipped, "", why
		return e.save(ctx, now, row)
	}
	if ok, why, err = e.made(ctx, now, row); err == nil && ok {
		ok, why, err = e.copied(ctx, row)
	}
	if err != nil {
		return Result{}, err
	}
	if !ok {
		row.State, row.Class, row.Problem = store.ActionSkipped, "", why
		return e.save(ctx, now, row)
	}
	callCtx, cancel := context.WithTimeout(cloud.ForAction(ctx, row.ID), callTime)
	defer cancel()
	// The intent is written when the call's turn has come: a process that ends in the queue leaves nothing unclear.
	var unsent error
	callCtx = cloud.BeforeSending(callCtx, func() error {
		now, began = onward(now, began) // looks and queues may have taken their time, and the lease counts from the call
		row, unsent = e.announce(callCtx, now, row)
		if unsent == nil && (callCtx.Err() != nil || time.Since(began) > callTime) {
			unsent = errFrozen
		}
		return unsent
	})
	items, err := call(callCtx, client, row.Action)
	switch {
	case errors.Is(unsent, store.ErrStale):
		return Result{Row: row, Next: now.Add(time.Second)}, nil
	case errors.Is(unsent, errFrozen):
		return Result{Row: row, Next: row.Deadline}, ctx.Err()
	case unsent != nil:
		return Result{}, unsent
	}
	now, _ = onward(now, began) // what follows counts from the answer: a listing may lag behind the call's end, not its beginning
	// The answer must be written down even when the process is asked to stop right now.
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	if err != nil {
		return e.refused(ctx, now, row, err)
	}
	return e.took(ctx, now, row, items, madeLines(now, row, items, "the answer names it")...)
}

// errFrozen is why a call is not made that was announced: its worker stood still meanwhile, and its lease may be another's.
var errFrozen = errors.New("the worker stood still between the intent and the call")

// announce writes the intent: from now on the call may be on its way.
func (e *Executor) announce(ctx context.Context, now time.Time, row store.ActionRow) (store.ActionRow, error) {
	next := row
	next.State, next.Attempts, next.Deadline, next.NextAt = store.ActionCalling, row.Attempts+1, now.Add(lease), now.Add(lease)
	if next.StartedAt.IsZero() {
		next.StartedAt = now
	}
	saved, err := e.actions.SaveAction(ctx, next)
	if err != nil {
		return row, err
	}
	return saved, nil
}

// onward gives the time as it is now, when it was now at the moment began. A second counts for nothing, so that what
// comes of a step does not depend on how fast the machine is.
func onward(now, began time.Time) (time.Time, time.Time) {
	at := time.Now()
	if took := at.Sub(began); took >= time.Second {
		return now.Add(took), at
	}
	return now, began
}

// before settles what can be settled without the cloud: a cancelled run, and actions that must be done first.
func (e *Executor) before(ctx context.Context, now time.Time, row store.ActionRow) (bool, Result, error) {
	run, _, err := e.actions.Working(ctx, row.Run)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return true, Result{}, err
	}
	if run.Cancel {
		row.State, row.Class, row.Code, row.Problem = store.ActionCancelled, "", "", "its run was cancelled"
		r, err := e.save(ctx, now, row)
		return true, r, err
	}
	if len(row.After) == 0 {
		return false, Result{}, nil
	}
	first, err := e.actions.Actions(ctx, store.ActionFilter{IDs: row.After})
	if err != nil {
		return true, Result{}, err
	}
	for _, f := range first {
		switch {
		case f.State == store.ActionDone:
		case f.State.Ended():
			row.State, row.Problem = store.ActionSkipped, fmt.Sprintf("%s %s, which must come first, is %s: %s", f.Verb, f.Target.ID, f.State, f.Problem)
			r, err := e.save(ctx, now, row)
			return true, r, err
		default: // the longer it takes, the seldomer it is asked for
			row.NextAt = now.Add(min(max(now.Sub(row.CreatedAt)/8, time.Second), 30*time.Second))
			r, err := e.save(ctx, now, row)
			return true, r, err
		}
	}
	return false, Result{}, nil
}

// outdated says why what a policy decided is no longer begun: the policy is gone or disabled, for a deletion also when it
// is another one now, or the decision is old. A guard holds what it was decided by; this holds who decided, and when.
func (e *Executor) outdated(now time.Time, row store.ActionRow) string {
	switch {
	case !row.Verb.Deletes() && !row.Verb.Creates() || row.Policy == "":
		return ""
	case row.Verb.Creates() && e.rule(row.Policy) == "" && row.Rule != "":
		return "the policy " + row.Policy + " was disabled or removed after it was planned"
	case row.Verb.Deletes() && e.rule(row.Policy) != row.Rule:
		return "the policy " + row.Policy + " was changed, disabled or removed after it was planned"
	case row.Verb.Creates() && !row.Until.IsZero() && now.After(row.Until) && (row.StartedAt.IsZero() || now.Sub(row.Until) > begun):
		return "the time to catch up with its slot was over at " + row.Until.Format(time.RFC3339)
	case row.Verb.Creates():
		return ""
	case now.Sub(row.CreatedAt) > stale || row.CreatedAt.Sub(now) > stale:
		return "it was planned at " + row.CreatedAt.Format(time.RFC3339) + ", which is too long ago: it is decided anew"
	}
	return ""
}

// made says whether the target of a deletion that a policy decided is what its tags say that an action of ours made, as
// far as that action is remembered: a copy that a person makes takes the tags along, and is the person's.
func (e *Executor) made(ctx context.Context, now time.Time, row store.ActionRow) (bool, string, error) {
	seen, ok := e.looks.get(row.Target, now)
	maker := seen.tags.Value(cloud.TagAction)
	if !row.Verb.Deletes() || row.Policy == "" || !ok || maker == "" {
		return true, "", nil
	}
	by, err := e.actions.Action(ctx, maker)
	if errors.Is(err, store.ErrNotFound) || err == nil && (by.State != store.ActionDone || len(by.Made) == 0 || by.Made[0].Kind != row.Target.Kind) {
		return true, "", nil
	}
	if err != nil {
		return false, "", err
	}
	if !slices.Contains(by.Made, row.Target) {
		return false, "it carries the tags of a backup, but the action " + maker + " that they name made another thing: somebody copied it", nil
	}
	return true, "", nil
}

// settle looks whether a call whose answer is not known took effect. lines go into the record with what it finds.
func (e *Executor) settle(ctx context.Context, now time.Time, row store.ActionRow, lines ...store.AuditEntry) (Result, error) {
	client, err := e.clients(row.Place.Account)
	if err != nil {
		row.NextAt = now.Add(time.Minute)
		row.Problem = err.Error()
		return e.save(ctx, now, row, lines...)
	}
	if !row.Verb.Creates() {
		// Deleting and tagging have the same effect made twice as made once, and the guard is checked again.
		row.State, row.NextAt = store.ActionPlanned, now
		return e.save(ctx, now, row, append(lines, line(now, row, "settled", "ok", "made twice it has the same effect as made once: it is checked and tried again"))...)
	}
	made, err := e.find(ctx, client, row)
	if err != nil {
		if ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		row.NextAt, row.Class, row.Problem = now.Add(later(err, 30*time.Second)), cloud.ClassName(err), err.Error()
		return e.save(ctx, now, row, lines...)
	}
	if len(made) > 0 {
		return e.adopt(ctx, now, row, made, lines...)
	}
	// Not there. On a cloud whose listings lag it may still appear: wait that long since the call before a new try.
	if visible := row.Deadline.Add(client.Traits().Lag - lease); now.Before(visible) {
		row.NextAt = earlier(visible, now.Add(15*time.Second))
		return e.save(ctx, now, row, lines...)
	}
	if row.Attempts >= maxAttempts {
		row.State = store.ActionFailed
		return e.save(ctx, now, row, lines...)
	}
	row.State, row.NextAt = store.ActionPlanned, now
	return e.save(ctx, now, row, append(lines, line(now, row, "settled", "not-found", "nothing that the call could have made is there: it is tried again"))...)
}

// adopt ends an action whose effect was found by looking.
func (e *Executor) adopt(ctx context.Context, now time.Time, row store.ActionRow, made []item, lines ...store.AuditEntry) (Result, error) {
	e.log.Info("what an unclear answer left was found", "action", row.ID, "ref", made[0].ref.String())
	return e.took(ctx, now, row, made, append(lines, madeLines(now, row, made, "found by looking: an earlier call whose answer was lost has made it")...)...)
}

// line is one line of the record about a decision of the executor.
func line(now time.Time, row store.ActionRow, what, outcome, detail string) store.AuditEntry {
	return store.AuditEntry{
		At: now, Who: "stint", What: what + " " + row.Verb.String(), Ref: row.Target.String(), Action: row.ID, Run: row.Run,
		Outcome: outcome, Code: row.Code, Detail: detail,
	}
}

// madeLines are the lines of the record about what an action has made: the answer to its call names it.
func madeLines(now time.Time, row store.ActionRow, made []item, detail string) []store.AuditEntry {
	row.Code = "" // of an earlier try
	var out []store.AuditEntry
	for _, it := range made {
		l := line(now, row, "made", "ok", detail)
		l.Ref = it.ref.String()
		out = append(out, l)
	}
	return out
}

// took records that the call took effect.
func (e *Executor) took(ctx context.Context, now time.Time, row store.ActionRow, items []item, lines ...store.AuditEntry) (Result, error) {
	row.Made = nil
	byScope := map[cloud.Scope][]store.Resource{}
	for _, it := range items {
		row.Made = append(row.Made, it.ref)
		scope := cloud.Scope{Account: it.ref.Account, Region: it.ref.Region, Kind: it.ref.Kind}
		body, err := json.Marshal(it.noun)
		if err != nil {
			return Result{}, fmt.Errorf("%s: %w", it.ref, err)
		}
		byScope[scope] = append(byScope[scope], store.Resource{ID: it.ref.ID, Body: body})
	}
	for scope, list := range byScope {
		if err := e.surveys.Expect(ctx, scope, now, list); err != nil {
			return Result{}, err
		}
	}
	if row.Verb.Deletes() {
		t := row.Target
		if err := e.surveys.Forget(ctx, cloud.Scope{Account: t.Account, Region: t.Region, Kind: t.Kind}, []string{t.ID}); err != nil {
			return Result{}, err
		}
	}
	if row.Verb == plan.SetTags || row.Verb == plan.RemoveTags {
		e.looks.forget(row.Target) // it is another than was seen
	}
	row.State, row.Class, row.Code, row.Problem = store.ActionDone, "", "", ""
	result, err := e.save(ctx, now, row, lines...)
	if err != nil {
		return result, err
	}
	for scope, list := range byScope {
		for _, r := range list {
			e.watch(scope, r.ID)
		}
	}
	return result, nil
}

// refused decides what a cloud's error means for the action.
func (e *Executor) refused(ctx context.Context, now time.Time, row store.ActionRow, err error) (Result, error) {
	called := row.State == store.ActionCalling
	row.Class, row.Problem, row.Code = cloud.ClassName(err), err.Error(), ""
	var ce *cloud.Error
	if errors.As(err, &ce) {
		row.Code = ce.Code
	}
	again := func(after time.Duration) (Result, error) {
		row.State, row.NextAt, row.Deadline = store.ActionPlanned, now.Add(after), time.Time{}
		if row.Attempts >= maxAttempts {
			row.State = store.ActionFailed
		}
		return e.save(ctx, now, row)
	}
	unclear := func(after time.Duration) (Result, error) {
		row.State, row.NextAt, row.Deadline = store.ActionUnclear, now.Add(after), now.Add(lease)
		return e.save(ctx, now, row)
	}
	end := func(s store.ActionState) (Result, error) {
		row.State = s
		return e.save(ctx, now, row)
	}
	creating := row.Verb.Creates() && called
	switch class := cloud.ClassOf(err); {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(class, cloud.ErrTransient):
		if creating {
			return unclear(time.Second)
		}
		return again(later(err, pause(row.Attempts)))
	case errors.Is(err, cloud.ErrBusy): // it waits for its turn, and that is no try
		if called {
			row.Attempts--
		}
		return again(later(err, busy))
	case errors.Is(class, cloud.ErrThrottled):
		if called {
			row.Attempts-- // asked too often is not a try
		}
		return again(later(err, 2*time.Second))
	case errors.Is(class, cloud.ErrNotFound) && row.Verb.Deletes():
		return e.took(ctx, now, row, nil, line(now, row, "done", "ok", "it was gone already, which is what was wanted"))
	case errors.Is(class, cloud.ErrNotFound):
		row.Problem = "what it is about is gone: " + row.Problem
		return end(store.ActionSkipped)
	case errors.Is(class, cloud.ErrConflict) && creating:
		return unclear(5 * time.Second) // the name may be taken by our own lost try; otherwise the instance is busy
	case errors.Is(class, cloud.ErrInUse) && creating:
		return again(later(err, 30*time.Second))
	case errors.Is(class, cloud.ErrConflict), errors.Is(class, cloud.ErrInUse):
		return end(store.ActionSkipped)
	}
	return end(store.ActionFailed)
}

func pause(attempts int) time.Duration {
	return min(5*time.Second<<min(max(attempts-1, 0), 6), 5*time.Minute)
}

// later is how long the cloud asked us to stay away, or otherwise the pause given.
func later(err error, otherwise time.Duration) time.Duration {
	var ce *cloud.Error
	if errors.As(err, &ce) && ce.After > 0 {
		return ce.After
	}
	return otherwise
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
