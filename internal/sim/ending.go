package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
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
		total := 0
		for _, key := range m.order {
			b := m.backups[key]
			if b.policy != r.name || b.gone() {
				continue
			}
			total++
			if b.isComplete(nil) && b.heldBy().IsZero() && !now.Before(b.readUntil) && s.mayGo(b, r, now) {
				late = append(late, b)
			}
		}
		if n := len(late); n > 0 && !(n > 3 && 2*n > total) {
			b := late[0]
			s.fail("retention goes on", fmt.Sprintf("%d of %d backups of %s should be gone, such as that of %s at %s", n, total, r.name, b.source, b.at().Format(time.DateTime)), b.parts[0].ref.ID)
		}
	}
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
	if src.tags.Has(cloud.TagRole) || now.Sub(src.history[len(src.history)-1].at) < 24*time.Hour {
		return false
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
