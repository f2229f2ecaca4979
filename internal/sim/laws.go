package sim

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/store"
)

// What the program is allowed, since it acts on what it saw and not on what is: docs/reference/guarantees.md tells of
// each.
const (
	// A deletion looks at its target at most 30 s before the call, the call itself is given up after 45 s, and a listing
	// may lag.
	glance = 30*time.Second + 45*time.Second + 15*time.Second
	// A plan stands on listings that are at most 15 minutes old, and a deletion is not begun an hour after it was planned.
	thought = 15*time.Minute + time.Hour + 15*time.Minute
)

// window is how old what the program knows of a thing may be when it acts on a fresh look.
func (s *Sim) window() time.Duration { return glance + s.spec.Lag }

// memoryOf is how old what a plan knew may be when its last action is carried out.
func (s *Sim) memoryOf() time.Duration { return thought + s.spec.Lag }

// change makes a call that changes a cloud, and checks what it truly changed.
func (s *Sim) change(ctx context.Context, t *task, call cloud.Call, next cloud.Invoke) error {
	m := s.model
	m.see(s.now(), "time", false)
	s.drawFate(call)
	err := next(ctx, call)
	now := s.now()
	c := m.see(now, t.p.name(), true)
	s.counts[call.Op]++
	row, found := s.intent(call.Action)
	if !found && len(c.made)+len(c.gone)+len(c.retagged) > 0 {
		s.fail("the intent is written first", fmt.Sprintf("%s made %s for the action %q, which the store does not know", t.p.name(), call.Op, call.Action))
		return err
	}
	if found && row.State != store.ActionCalling && row.Deadline.IsZero() {
		s.fail("the intent is written first", fmt.Sprintf("%s made %s while the action %s was %s", t.p.name(), call.Op, row.ID, row.State))
	}
	for _, x := range c.made {
		s.judgeMade(t.p, row, x, c.made)
	}
	for _, x := range c.gone {
		s.judgeGone(t.p, row, x)
	}
	for _, x := range c.retagged {
		s.judgeRetagged(t.p, row, x)
	}
	return err
}

// drawFate decides what becomes of what is about to be made.
func (s *Sim) drawFate(call cloud.Call) {
	if call.Op != "snapshot.create" && call.Op != "snapshotset.create" && call.Op != "image.create" {
		return
	}
	c := s.clouds[call.Account]
	switch {
	case s.chance(s.luck.life, s.spec.Faults.fail):
		c.NextFate("", failing)
		s.note("fate", "what is made next in "+call.Account, "will fail")
		s.counts["made to fail"]++
	case s.chance(s.luck.life, s.spec.Faults.stall):
		c.NextFate("", stalling)
		s.note("fate", "what is made next in "+call.Account, "will never end")
		s.counts["made to stall"]++
	}
}

// intent reads the action from the store itself.
func (s *Sim) intent(id string) (store.ActionRow, bool) {
	row, err := s.store.Action(s.ctx, id)
	return row, err == nil
}

// broken says which law was broken, and by what.
func (s *Sim) broken(law string, p *process, row store.ActionRow, x *thing, format string, args ...any) {
	text := fmt.Sprintf("%s, %s of %s (%s): %s", p.name(), row.Verb, x.ref, row.ID, fmt.Sprintf(format, args...))
	s.note("LAW", law, text)
	s.fail(law, text, x.ref.ID, row.ID)
}

// judgeMade checks something that the program has just made: laws 5 and 8.
func (s *Sim) judgeMade(p *process, row store.ActionRow, x *thing, together []*thing) {
	m, now := s.model, s.now()
	if row.Policy == "" { // by hand: a restore
		if x.ref.Kind != cloud.KindInstance && x.ref.Kind != cloud.KindDisk {
			s.broken("only what is asked for is made", p, row, x, "a restore made this")
		}
		return
	}
	b := m.backupOf(x)
	if b == nil || b.policy == "" || b.source == "" || b.slot == "" {
		s.broken("nothing we made is forgotten", p, row, x, "it lacks our tags: %s", x.tags)
		return
	}
	if x.image != nil {
		return // it is judged with its image
	}
	slot, err := time.Parse(time.RFC3339, b.slot)
	if err != nil {
		s.broken("law 5", p, row, x, "its slot is %q", b.slot)
		return
	}
	if !s.wasSlot(p, b.policy, slot, row.StartedAt) {
		s.broken("law 5", p, row, x, "%s is no slot of %s within its catch-up time, at %s by the process's clock", b.slot, b.policy, p.clock())
	}
	src := m.source(b.source)
	if src == nil {
		s.broken("law 8", p, row, x, "its source %s is not there", b.source)
		return
	}
	selected, role := false, true
	for i, h := range src.history {
		if i+1 < len(src.history) && now.Sub(src.history[i+1].at) > s.memoryOf() {
			continue
		}
		selected = selected || h.tags.Has("keep-"+b.policy)
		role = role && h.tags.Has(cloud.TagRole)
	}
	if !selected || role {
		s.broken("law 8", p, row, x, "the policy %s does not select %s: %s", b.policy, b.source, src.tags)
	}
	s.judgeOnce(p, row, x, b)
}

// judgeOnce is law 5: one slot, one source, one place: one backup.
func (s *Sim) judgeOnce(p *process, row store.ActionRow, x *thing, b *backup) {
	slot, _ := time.Parse(time.RFC3339, b.slot)
	if b.first.Before(slot.Add(-time.Minute)) {
		return // by a clock that was ahead, and it is long expired now that the slot has truly come
	}
	if !b.complete.IsZero() && !s.model.lost.After(b.complete) {
		s.broken("law 5", p, row, x, "the slot %s of %s had a complete backup since %s", b.slot, b.source, b.complete.Format(time.DateTime))
		return
	}
	tries := 0
	for _, o := range b.parts {
		if o == x || o.ref.Kind != x.ref.Kind || o.disk != x.disk || o.image != nil || o.madeAt.Equal(x.madeAt) && o.born.Equal(x.born) && o.disk != x.disk {
			continue
		}
		tries++
		if o.goneAt.IsZero() && o.state == cloud.StateWorking && !s.anyFailed(b) {
			s.broken("law 5", p, row, x, "%s is being made already for the slot %s", o.ref, b.slot)
			return
		}
	}
	if tries > 2 {
		s.broken("law 5", p, row, x, "this is try %d of the slot %s", tries+1, b.slot)
	}
}

// anyFailed says whether something went wrong with an earlier try, so that a new one may be due.
func (s *Sim) anyFailed(b *backup) bool {
	return slices.ContainsFunc(b.parts, func(t *thing) bool { return t.state == cloud.StateFailed || !t.goneAt.IsZero() })
}

// wasSlot says whether the process goes by the policy, and may still serve the slot, which is one of the policy's as it is
// or was: what had been planned before an edit is still made, and what was begun in time is repeated a little longer.
func (s *Sim) wasSlot(p *process, policy string, slot, begun time.Time) bool {
	if slot.After(p.clock()) && slot.After(s.now()) {
		return false
	}
	if !slices.ContainsFunc(p.rules, func(r rule) bool { return r.name == policy && !r.disabled }) {
		return false
	}
	return slices.ContainsFunc(slices.Concat(append(slices.Clone(s.versions), s.rules, p.rules)...), func(r rule) bool {
		late := p.clock().Sub(slot) - s.memoryOf()
		inTime := late < r.catchUp || begun.Sub(slot) < r.catchUp+s.memoryOf() && late < r.catchUp+15*time.Minute // a lost call is repeated
		return r.name == policy && inTime && slices.ContainsFunc(r.slots(slot.Add(-time.Second), slot), slot.Equal)
	})
}

// judgeGone checks something that the program has just deleted: laws 1 to 4 and 8.
func (s *Sim) judgeGone(p *process, row store.ActionRow, x *thing) {
	m, now := s.model, s.now()
	if !x.ours && row.Policy == "" && x.born.Has(cloud.TagBackup) {
		delete(m.strange, x.ref) // a person's copy, and a person's wish
		return
	}
	if !x.ours {
		s.broken("law 1", p, row, x, "the program did not make it: %s", x.tags)
		return
	}
	if !x.held.IsZero() && now.Sub(x.held) > s.window() {
		s.broken("law 4", p, row, x, "it is held since %s: %s", x.held.Format(time.DateTime), x.tags)
	}
	b := m.backupOf(x)
	if b == nil {
		s.broken("law 1", p, row, x, "it is no part of a backup: %s", x.tags)
		return
	}
	for _, o := range m.there {
		if o.ref.Kind == cloud.KindImage && o.ref.Place() == x.ref.Place() && slices.Contains(o.under, x.ref.ID) {
			s.broken("nothing in use is deleted", p, row, x, "the image %s stands on it", o.ref)
		}
	}
	if x.ref.Kind == cloud.KindImage {
		b.unmade = true
	}
	if row.Policy == "" || b.going {
		b.going = true
		return
	}
	if held := b.heldBy(); !held.IsZero() && now.Sub(held) > s.window() {
		s.broken("law 4", p, row, x, "another part of its backup is held since %s", held.Format(time.DateTime))
	}
	if now.Before(b.readUntil) && p.offset < time.Hour && (b.readUntil.Add(-reading).After(s.lost) || m.restoredFrom(row.Backup)) {
		s.broken("law 3", p, row, x, "the backup is being restored from until %s", b.readUntil.Format(time.DateTime))
	}
	s.judgeBreaker(p, row, x, b)
	i := slices.IndexFunc(p.rules, func(r rule) bool { return r.name == b.policy })
	if i < 0 || p.rules[i].disabled {
		s.broken("a policy that is gone or disabled deletes nothing", p, row, x, "policy %s", b.policy)
		return
	}
	s.judgeExpiry(p, row, x, b, p.rules[i])
}

// judgeExpiry is laws 2 and 3.
func (s *Sim) judgeExpiry(p *process, row store.ActionRow, x *thing, b *backup, r rule) {
	m, now := s.model, s.now()
	complete, still := b.isComplete(x), b.isComplete(nil)
	if complete && still {
		return // a double, or the leavings of a failed try
	}
	newer := false // and complete now, or until a moment ago
	for _, o := range m.siblings(b) {
		newer = newer || o != b && !o.at().Before(b.at()) && (o.isComplete(nil) || o.counted(now.Add(-s.window())))
	}
	if !newer && !(b.unmade && x.image != nil) {
		s.broken("law 2", p, row, x, "no complete backup of %s by %s is newer than this of %s, which is complete: %v", b.source, b.policy, b.at().Format(time.DateTime), complete)
		return
	}
	if !complete {
		return
	}
	if why := s.mustStay(b, r); why != "" {
		s.broken("law 3", p, row, x, "the backup of %s at %s must stay: %s", b.source, b.at().Format(time.DateTime), why)
	}
	b.going = true
}

// mustStay is retention in the model's own words: why the backup may not go by any rule that the program may have in mind;
// empty when it may.
func (s *Sim) mustStay(b *backup, r rule) string {
	// Parts that were made on both sides of midnight make it a backup of either day.
	why := s.staysBy(b, r, (*backup).latest)
	if why != "" {
		why = s.staysBy(b, r, (*backup).at)
	}
	return why
}

func (s *Sim) staysBy(b *backup, r rule, timeOf func(*backup) time.Time) string {
	m, since := s.model, s.now().Add(-s.memoryOf())
	var times []time.Time // of what counted lately, the newest first
	for _, o := range m.siblings(b) {
		if o != b && (o.counted(since) || o.isComplete(nil) && o.heldBy().After(since)) {
			times = append(times, timeOf(o))
		}
	}
	times = append(times, b.at())
	slices.SortFunc(times, func(a, b time.Time) int { return b.Compare(a) })
	src, why := m.source(b.source), ""
	if src == nil {
		switch {
		case r.orphans == 0:
			why = "its source is gone, and the policy keeps such"
		case times[0].Sub(b.at()) < r.orphans:
			why = "its source is gone, and it is within " + r.orphans.String()
		}
		src = m.lately[b.source]
		if why == "" || src == nil || src.goneAt.Before(since) { // a moment ago it was there
			return why
		}
	}
	for _, last := range s.counts4(b, r, src, since) {
		if why = kept(r, last, times, b.at()); why == "" {
			return ""
		}
	}
	return why
}

// counts4 lists what `last` may have been lately.
func (s *Sim) counts4(b *backup, r rule, src *thing, since time.Time) []int {
	if !r.fromTag {
		return []int{r.last}
	}
	count := func(text string, ok bool) int {
		if n, err := strconv.Atoi(text); ok && err == nil && n > 0 {
			return n
		}
		return 2
	}
	var out []int
	for i, h := range src.history {
		if i+1 < len(src.history) && src.history[i+1].at.Before(since) {
			continue
		}
		if v, ok := h.tags.Find(r.tag); ok {
			out = append(out, count(v, true))
			continue
		}
		// It was taken off the instance: what the newest backup carries counts.
		for _, o := range s.model.siblings(b) {
			if v, ok := o.parts[0].born.Find(r.tag); ok {
				out = append(out, count(v, true))
			}
		}
	}
	return out
}

// kept says which word of the rule keeps the backup of that time; empty when none does. times are those of all that
// count, the newest first.
func kept(r rule, last int, times []time.Time, at time.Time) string {
	newer := 0
	days := map[string]bool{}
	firstOfDay := true
	for _, t := range times {
		if !t.After(at) {
			break
		}
		newer++
		days[t.Format(time.DateOnly)] = true
		firstOfDay = firstOfDay && t.Format(time.DateOnly) != at.Format(time.DateOnly)
	}
	switch {
	case newer < last:
		return fmt.Sprintf("last %d, and %d are newer", last, newer)
	case r.daily > 0 && firstOfDay && len(days) < r.daily:
		return fmt.Sprintf("daily %d, and %d days are newer", r.daily, len(days))
	case r.within > 0 && times[0].Sub(at) < r.within:
		return fmt.Sprintf("within %s, and the newest is %s newer", r.within, times[0].Sub(at))
	case last == 0 && r.daily == 0 && r.within == 0:
		return "no rule lets anything go"
	}
	return ""
}

// judgeBreaker is law 8.
func (s *Sim) judgeBreaker(p *process, row store.ActionRow, x *thing, b *backup) {
	m := s.model
	d, ok := m.runs[row.Run]
	if !ok {
		d = &deletions{backups: map[string]bool{}}
		for _, key := range m.order {
			if o := m.backups[key]; o.policy == b.policy && (!o.gone() || o == b) {
				d.total++
			}
		}
		m.runs[row.Run] = d
	}
	d.backups[b.source+" "+b.slot] = true
	if n := len(d.backups); n > 3 && 2*n > d.total+1 {
		s.broken("law 8", p, row, x, "the run %s deletes %d of the %d backups of %s", row.Run, n, d.total, b.policy)
	}
}

// judgeRetagged checks tags that the program has just changed.
func (s *Sim) judgeRetagged(p *process, row store.ActionRow, x *thing) {
	if row.Policy == "" { // a person's wish, about a backup and whatever carries its tags
		if !x.born.Has(cloud.TagBackup) && x.image == nil {
			s.broken("law 1", p, row, x, "a person's wish changed the tags of what is no backup")
		}
		if _, ok := s.model.strange[x.ref]; ok {
			s.model.strange[x.ref] = x.tags
		}
		return
	}
	if x.image == nil || x.tags.Has(cloud.TagHold) && !x.before.Has(cloud.TagHold) || x.tags.Value(cloud.TagBackup) != x.image.born.Value(cloud.TagBackup) {
		s.broken("law 1", p, row, x, "its tags were changed to %s", x.tags)
		return
	}
	x.born = x.tags // the image's, which it carries from now on
}
