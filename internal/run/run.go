// Package run carries one plan through: it commits the plan's actions together as a run, says when the run has ended and
// how, and turns what failed into incidents.
//
// It promises that an action which an earlier run has done or is doing is not begun again, and that a failure is
// visible: in the run, in its incidents, and in what the plan after it decides. It refuses to call a cloud; package
// action does.
package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

// ID makes a run's id: ordered by time, the same for the same plan of the same policy at the same moment.
func ID(now time.Time, policy, hash string) string {
	sum := sha256.Sum256([]byte(policy + "\x00" + hash + now.UTC().Format(time.RFC3339Nano)))
	return now.UTC().Format("20060102T150405") + "-" + hex.EncodeToString(sum[:3])
}

// Request is what a run is to carry out, and for whom.
type Request struct {
	Policy  string // empty for what a person asked for
	Trigger string
	By      string
	Actions []plan.Action
	Hash    string
	Note    string // what else the record is to say of it
}

// Start commits the run, and with it the record of who wants it and why each of its actions is wanted. ids are the
// actions that are now due; when none is, there is nothing to run and the Run is zero.
func Start(ctx context.Context, s store.Actions, now time.Time, req Request) (run store.Run, ids []string, err error) {
	if len(req.Actions) == 0 {
		return store.Run{}, nil, nil
	}
	run = store.Run{
		ID: ID(now, req.Policy, req.Hash), Policy: req.Policy, Trigger: req.Trigger, By: req.By, PlanHash: req.Hash,
		State: store.RunActive, StartedAt: now,
	}
	ids, err = s.StartRun(ctx, run, req.Actions, now, decisions(run, req)...)
	if err != nil || len(ids) == 0 {
		return store.Run{}, nil, err
	}
	return run, ids, nil
}

// decisions are the lines of the record about a run that begins: one for the run, one for each of its actions.
func decisions(r store.Run, req Request) []store.AuditEntry {
	because := req.Trigger
	if req.Note != "" {
		because += ", " + req.Note
	}
	out := []store.AuditEntry{{At: r.StartedAt, Who: r.By, What: "run.start", Ref: "run/" + r.ID, Run: r.ID, Outcome: "ok", Detail: forPolicy(r.Policy, because)}}
	for _, a := range req.Actions {
		out = append(out, store.AuditEntry{
			At: r.StartedAt, Who: r.By, What: "decided " + a.Verb.String(), Ref: a.Target.String(), Action: a.ID, Run: r.ID, Outcome: "ok",
			Detail: forPolicy(a.Policy, a.Reason) + "; backup " + a.Backup,
		})
	}
	return out
}

func forPolicy(policy, text string) string {
	if policy == "" {
		return text
	}
	return "policy " + policy + ": " + text
}

// Settle ends the run when all of its actions have ended, and says whether this call has ended it: of several that come
// at the same time one does.
func Settle(ctx context.Context, s store.Actions, id string, now time.Time) (store.Run, bool, error) {
	for {
		r, err := s.Run(ctx, id)
		if err != nil || r.State != store.RunActive {
			return r, false, err
		}
		for state, n := range r.Counts {
			if n > 0 && !state.Ended() {
				return r, false, nil
			}
		}
		r.State, r.EndedAt = verdict(r), now
		saved, err := s.SaveRun(ctx, r)
		if errors.Is(err, store.ErrStale) {
			continue
		}
		saved.Counts = r.Counts
		return saved, err == nil, err
	}
}

func verdict(r store.Run) store.RunState {
	failed, done := r.Counts[store.ActionFailed], r.Counts[store.ActionDone]
	switch {
	case r.Counts[store.ActionCancelled] > 0:
		return store.RunCancelled
	case failed == 0:
		return store.RunDone
	case done > 0:
		return store.RunPartly
	}
	return store.RunFailed
}

// Cancel asks the run to stop: what has not begun will not begin; what has begun is finished. who asks, and why, goes
// into the record.
func Cancel(ctx context.Context, s store.Actions, id string, now time.Time, who, why string) (store.Run, error) {
	for {
		r, err := s.Run(ctx, id)
		if err != nil {
			return r, err
		}
		if r.State != store.RunActive {
			return r, fmt.Errorf("the run %s has ended already: %s", id, r.State)
		}
		r.Cancel = true
		saved, err := s.SaveRun(ctx, r, store.AuditEntry{At: now, Who: who, What: "run.cancel", Ref: "run/" + r.ID, Run: r.ID, Outcome: "ok", Detail: forPolicy(r.Policy, why)})
		if !errors.Is(err, store.ErrStale) {
			return saved, err
		}
	}
}

// IncidentKey names what is wrong when actions of this kind fail in this place for this reason: all of them are one
// incident.
func IncidentKey(row store.ActionRow, class string) string {
	return "action/" + row.Place.String() + "/" + row.Verb.String() + "/" + class
}

// Incident is what people are told of a failed action.
func Incident(row store.ActionRow) store.Incident {
	return store.Incident{
		Key: IncidentKey(row, row.Class), Policy: row.Policy, Account: row.Place.Account,
		Title:  fmt.Sprintf("%s: %s fails: %s", row.Place, row.Verb, row.Class),
		Detail: fmt.Sprintf("%s of %s for %s: %s", row.Verb, row.Target.ID, row.Source.ID, row.Problem),
	}
}

// Recall adds to the memory those of these actions that the store knows and the memory does not, and says whether there
// are any. A copy is wanted for as long as its original is there, so it may have been made, or cancelled, long before what
// Remember reaches back to.
func Recall(ctx context.Context, s store.Actions, m plan.Memory, ids []string) (bool, error) {
	ids = slices.DeleteFunc(ids, func(id string) bool { _, known := m.Actions[id]; return known })
	if len(ids) == 0 {
		return false, nil
	}
	rows, err := s.Actions(ctx, store.ActionFilter{IDs: ids})
	for _, r := range rows {
		m.Actions[r.ID] = pastOf(r)
	}
	return len(rows) > 0, err
}

// pastOf is what a plan must know of an earlier decision.
func pastOf(r store.ActionRow) plan.Past {
	p := plan.Past{
		Open: !r.State.Ended(), Done: r.State == store.ActionDone, Stopped: r.State == store.ActionCancelled, Outdated: r.Class == store.ClassOutdated && r.State == store.ActionSkipped,
		Attempts: r.Attempts + r.Armed, At: r.EndedAt, Problem: r.Problem,
	}
	if p.At.IsZero() {
		p.At = r.CreatedAt
	}
	return p
}

// Remember gathers what a plan must know of earlier decisions of the policy: those that are open, and those made since.
// leftovers are backups of which only snapshots are left: whether we deleted their images is looked up however long ago
// that was.
func Remember(ctx context.Context, s store.Actions, policy string, now, since time.Time, leftovers []string) (plan.Memory, error) {
	m := plan.Memory{Actions: map[string]plan.Past{}, Busy: map[plan.Spot]string{}, Unmade: map[plan.Spot][]string{}}
	rows, err := s.Actions(ctx, store.ActionFilter{Policies: []string{policy}, Since: since})
	if err != nil {
		return m, err
	}
	for _, r := range rows {
		p := pastOf(r)
		m.Actions[r.ID] = p
		if p.Open && r.Verb.Creates() {
			// Deleted now, what an unclear call has made would not be found any more, and would be made a second time.
			m.Busy[plan.Spot{Backup: r.Backup, Place: r.Place}] = "the action that makes it is not settled yet"
		}
		if p.Open && r.Verb.Copies() {
			m.Busy[plan.Spot{Backup: r.Backup, Place: r.Target.Place()}] = "it is being copied to " + r.Place.String()
		}
	}
	byHand, err := s.Actions(ctx, store.ActionFilter{Policies: []string{""}, Since: now.Add(-plan.Restoring)})
	if err != nil {
		return m, err
	}
	for _, r := range byHand {
		if r.Verb == plan.RunInstance || r.Verb == plan.MakeDisk { // one that was refused is tried again once the reason is mended
			m.Busy[plan.Spot{Backup: r.Backup, Place: r.Place}] = "it was restored from by run " + r.Run + ", and stays until that is surely over"
		}
	}
	if len(leftovers) == 0 {
		return m, nil
	}
	gone, err := s.Actions(ctx, store.ActionFilter{Backups: leftovers, States: []store.ActionState{store.ActionDone}})
	for _, r := range gone {
		if r.Verb == plan.DeleteImage {
			spot := plan.Spot{Backup: r.Backup, Place: r.Place}
			m.Unmade[spot] = append(m.Unmade[spot], r.Under...)
		}
	}
	return m, err
}
