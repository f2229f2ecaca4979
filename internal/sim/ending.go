package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/run"
	"github.com/stint-cloud/stint/internal/store"
)

// atTheEnd checks that, after days of calm, all is as it should be.
func (s *Sim) atTheEnd() {
	m, now := s.model, s.now()
	m.see(now, "time", false)
	s.nothingForgotten()
	s.strangersAreThere()
	s.nothingOpen(now)
	for _, r := range s.spec.Policies {
		for _, t := range m.list() {
			if t.ref.Kind == cloud.KindInstance && t.ref.Account != "" {
				s.isProtected(r, t, now)
			}
		}
	}
	s.nothingStaysTooLong(now)
	s.failuresAreVisible()
	s.missesAreVisible(now)
	s.samePlanTwice(now)
	s.recordIsWhole()
}

// nothingForgotten wants everything that the program made to be known to it.
func (s *Sim) nothingForgotten() {
	world, err := s.store.World(s.ctx, nil)
	if err != nil {
		s.fail("nothing we made is forgotten", err.Error())
		return
	}
	known := map[cloud.Ref]bool{}
	for _, x := range world.Snapshots {
		known[x.Ref] = true
	}
	for _, x := range world.Images {
		known[x.Ref] = true
	}
	for _, t := range s.model.list() {
		if t.ours && (t.ref.Kind == cloud.KindSnapshot || t.ref.Kind == cloud.KindImage) && !known[t.ref] && s.now().Sub(t.madeAt) > listEvery {
			s.fail("nothing we made is forgotten", fmt.Sprintf("%s of %s is there, and the store does not know it: %s", t.ref, t.madeAt.Format(time.DateTime), t.tags), t.ref.ID)
			return
		}
	}
}

// strangersAreThere wants what was never ours to be as it was.
func (s *Sim) strangersAreThere() {
	for ref, tags := range s.model.strange {
		t, ok := s.model.there[ref]
		if !ok || !t.tags.Equal(tags) {
			s.fail("law 1", fmt.Sprintf("%s was never ours, and it is there: %v, with tags %v", ref, ok, t), ref.ID)
		}
	}
}

// nothingOpen wants no action and no run to be under way for longer than they may.
func (s *Sim) nothingOpen(now time.Time) {
	open, err := s.store.Actions(s.ctx, store.ActionFilter{States: []store.ActionState{store.ActionPlanned, store.ActionCalling, store.ActionUnclear}})
	if err != nil {
		s.fail("the work settles", err.Error())
		return
	}
	for _, a := range open {
		if now.Sub(a.CreatedAt) > 3*time.Hour {
			s.fail("the work settles", fmt.Sprintf("%s of %s (%s) is %s since %s: next at %s, %s", a.Verb, a.Target, a.ID, a.State, a.CreatedAt.Format(time.DateTime), a.NextAt, a.Problem), a.ID)
			return
		}
	}
	runs, err := s.store.ActiveRuns(s.ctx)
	if err != nil {
		s.fail("the work settles", err.Error())
		return
	}
	for _, r := range runs {
		if now.Sub(r.StartedAt) > 3*time.Hour {
			s.fail("the work settles", fmt.Sprintf("the run %s of %s is active since %s", r.ID, r.Policy, r.StartedAt.Format(time.DateTime)), r.ID)
			return
		}
	}
}

// isProtected wants every slot of the last calm day to have its backup.
func (s *Sim) isProtected(r rule, t *thing, now time.Time) {
	calm := epoch.AddDate(0, 0, s.spec.Days).Add(24 * time.Hour)
	last := t.history[len(t.history)-1]
	if !last.tags.Has(r.tag) || last.tags.Has(cloud.TagRole) || last.at.After(calm) || !r.image && len(t.disks) == 0 {
		return
	}
	for _, slot := range r.slots(calm, now.Add(-2*s.spec.Making-time.Hour)) {
		found := slices.ContainsFunc(s.model.order, func(key string) bool {
			b := s.model.backups[key]
			return b.policy == r.name && b.source == t.ref.Source() && b.slot == slot.Format(time.RFC3339) && !b.complete.IsZero()
		})
		if !found {
			s.fail("what is selected is protected", fmt.Sprintf("%s has no backup by %s of the slot %s, days after all trouble ended", t.ref, r.name, slot.Format(time.DateTime)), t.ref.ID)
			return
		}
	}
}

// nothingStaysTooLong wants retention to have let go what it should have: no more than the breaker may be holding back.
func (s *Sim) nothingStaysTooLong(now time.Time) {
	m := s.model
	for _, r := range s.spec.Policies {
		var late []*backup
		total, wanted := 0, 0 // wanted: what the program may want to delete, and its breaker hold back
		for _, key := range m.order {
			b := m.backups[key]
			if b.policy != r.name || b.gone() {
				continue
			}
			total++
			if !b.isComplete(nil) || !b.heldBy().IsZero() || now.Before(b.readUntil) || !s.mayGo(b, r, now) {
				continue
			}
			wanted++
			if src := m.source(b.source); src == nil || !src.tags.Has(cloud.TagRole) && now.Sub(src.history[len(src.history)-1].at) >= 24*time.Hour {
				late = append(late, b)
			}
		}
		if n := len(late); n > 0 && !(wanted+2 > 3 && 2*(wanted+2) > total && s.trips(r.name)) {
			b := late[0]
			s.fail("retention goes on", fmt.Sprintf("%d of %d backups of %s should be gone, such as that of %s at %s", n, total, r.name, b.source, b.at().Format(time.DateTime)), b.parts[0].ref.ID)
		}
	}
}

// trips says whether the program says that the policy's breaker holds it back. What has just become old, and the leavings
// of failed tries, count for the breaker too, so that its count is a little above the model's.
func (s *Sim) trips(policy string) bool {
	return slices.ContainsFunc(s.incidents(), func(in store.Incident) bool {
		return in.ClosedAt.IsZero() && strings.HasSuffix(in.Key, "breaker/"+policy)
	})
}

// mayGo says whether the rule lets it go, and has done so for some hours.
func (s *Sim) mayGo(b *backup, r rule, now time.Time) bool {
	before := now.Add(-4 * time.Hour)
	var times []time.Time
	for _, o := range s.model.siblings(b) {
		if o.isComplete(nil) && o.heldBy().IsZero() && o.complete.Before(before) {
			times = append(times, o.at())
		}
	}
	slices.SortFunc(times, func(a, b time.Time) int { return b.Compare(a) })
	if len(times) == 0 || !times[0].After(b.at()) {
		return false
	}
	src := s.model.source(b.source)
	if src == nil {
		return r.orphans > 0 && times[0].Sub(b.at()) > r.orphans
	}
	for _, last := range s.counts4(b, r, src, before) {
		if kept(r, last, times, b.at()) != "" {
			return false
		}
	}
	return true
}

// recordIsWhole wants the chain of the record to be unbroken.
func (s *Sim) recordIsWhole() {
	if _, err := store.VerifyAudit(s.ctx, s.store); err != nil {
		s.fail("the record is whole", err.Error())
	}
}

// failuresAreVisible is law 9: every action that failed has an incident that people are told of.
func (s *Sim) failuresAreVisible() {
	failed, err := s.store.Actions(s.ctx, store.ActionFilter{States: []store.ActionState{store.ActionFailed}})
	if err != nil {
		s.fail("law 9", err.Error())
		return
	}
	told := map[string]bool{}
	for _, in := range s.incidents() {
		told[in.Key] = true
	}
	for _, row := range failed {
		if key := run.IncidentKey(row, row.Class); !told[key] {
			s.fail("law 9", fmt.Sprintf("%s of %s (%s) failed at %s: %s, and there is no incident %q", row.Verb, row.Target, row.ID, row.EndedAt.Format(time.DateTime), row.Problem, key), row.ID)
			return
		}
	}
}

func (s *Sim) incidents() []store.Incident {
	list, err := s.store.Incidents(s.ctx, true, 100_000)
	if err != nil {
		s.fail("law 9", err.Error())
	}
	return list
}

// missesAreVisible is law 9 for what was never made: where a slot of an instance was not served although a process was
// there to serve it, something about its account or its policy is on record as wrong.
func (s *Sim) missesAreVisible(now time.Time) {
	if s.counts["edits"]+s.counts["clock steps"]+s.counts["databases lost"] > 0 {
		return // then it may have been right to leave it out
	}
	for _, r := range s.spec.Policies {
		if r.atOnce > 0 {
			continue // its own limit may leave an instance waiting until the slot's time is over
		}
		for _, t := range s.model.list() {
			last := tagsSince{}
			if len(t.history) > 0 {
				last = t.history[len(t.history)-1]
			}
			if t.ref.Kind != cloud.KindInstance || !last.tags.Has(r.tag) || last.tags.Has(cloud.TagRole) || !r.image && len(t.disks) == 0 {
				continue
			}
			for _, slot := range r.slots(last.at.Add(24*time.Hour), now.Add(-2*r.catchUp)) {
				if s.served(r, t, slot) || s.aliveIn(slot, slot.Add(r.catchUp)) < time.Hour {
					continue
				}
				entries, err := s.store.Audit(s.ctx, store.AuditFilter{Since: slot.Add(-6 * time.Hour), Until: slot.Add(r.catchUp + 6*time.Hour)})
				if err != nil || !slices.ContainsFunc(entries, func(e store.AuditEntry) bool { return e.Outcome != "ok" }) {
					s.fail("law 9", fmt.Sprintf("%s has no backup by %s of the slot %s, and nothing on record says why", t.ref, r.name, slot.Format(time.DateTime)), s.around(slot)...)
					return
				}
			}
		}
	}
}

// around gives the words that find the hours after a slot in the trace.
func (s *Sim) around(slot time.Time) []string {
	var out []string
	for h := range 5 {
		out = append(out, dayAndHour(slot.Add(time.Duration(h)*time.Hour)))
	}
	return out
}

// served says whether the slot has, or had, something made for it that came to be complete, that a person removed, or that
// was in the making for longer than another try may begin: that one is a finding of its own.
func (s *Sim) served(r rule, t *thing, slot time.Time) bool {
	return slices.ContainsFunc(s.model.order, func(key string) bool {
		b := s.model.backups[key]
		if b.policy != r.name || b.source != t.ref.Source() || b.slot != slot.Format(time.RFC3339) {
			return false
		}
		return !b.complete.IsZero() || slices.ContainsFunc(b.parts, func(x *thing) bool { return x.goneBy == "people" || x.stalled() || x.worked.Sub(x.madeAt) > r.catchUp })
	})
}

// aliveIn is for how long a process was at work between the times.
func (s *Sim) aliveIn(from, to time.Time) time.Duration {
	var sum time.Duration
	for _, l := range s.lives {
		a, b := l.from, l.to
		if b.IsZero() {
			b = s.now()
		}
		if a.Before(from) {
			a = from
		}
		if b.After(to) {
			b = to
		}
		sum += max(0, b.Sub(a))
	}
	return sum
}

// samePlanTwice is law 11: the same world gives the same plan, byte for byte.
func (s *Sim) samePlanTwice(now time.Time) {
	rules, err := s.spec.parse(s.rules)
	if err != nil {
		s.fail("law 11", err.Error())
		return
	}
	var plans [2][]byte
	for i := range plans {
		world, err := s.store.World(s.ctx, nil)
		if err != nil {
			s.fail("law 11", err.Error())
			return
		}
		plans[i], err = json.Marshal(plan.Make(plan.Input{Now: now, Rules: rules, World: &world}))
		if err != nil {
			s.fail("law 11", err.Error())
			return
		}
	}
	if !bytes.Equal(plans[0], plans[1]) {
		s.fail("law 11", fmt.Sprintf("the same world gives two plans:\n%s\n%s", plans[0], plans[1]))
	}
}
