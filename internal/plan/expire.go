package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/retain"
)

// going is one backup, or what is left of one, that a policy wants to delete.
type going struct {
	backup *inventory.Backup
	parts  []cloud.Ref // what goes: the whole backup, or the leavings of failed tries
	keeper []cloud.Ref // the newer complete backup whose being there lets it go
	why    string
}

// expire plans what retention lets go in each place, and says of the rest why it stays. It tells what goes.
func (m *maker) expire(pol policy.Policy, w covered, bySource map[sourceKey][]*inventory.Backup, order []sourceKey) map[Spot]bool {
	var all []going
	ids := map[Spot]bool{}
	total := 0
	for _, key := range order {
		list := bySource[key]
		seen, reached := w.places[key.place]
		if !reached || !m.belongs(pol, key, list) {
			m.stranded(pol, list)
			continue
		}
		if !seen {
			continue // its findings are made: unknown is never absent
		}
		total += len(list)
		all = append(all, m.sort(pol, w, key, list)...)
	}
	for _, g := range all {
		ids[spot(g.backup)] = true
	}
	if m.tripped(pol, len(all), total) {
		return ids
	}
	for _, g := range all {
		m.remove(pol, g)
	}
	return ids
}

// sort judges the backups of one source in one place.
func (m *maker) sort(pol policy.Policy, w covered, key sourceKey, list []*inventory.Backup) []going {
	ref := refOfSource(key.source)
	leave := func(b *inventory.Backup, kind LeftKind, why string) {
		m.left(Left{Policy: pol.Name, Backup: b.ID, Ref: ref, Place: copiedTo(b), Kind: kind, Why: why})
	}
	items := m.items[:0]
	var newest, counted *inventory.Backup // complete, held or not; and the newest that nobody holds
	for _, b := range list {
		if b.Standing != inventory.Complete {
			continue
		}
		if newest == nil || b.Time.After(newest.Time) {
			newest = b
		}
		if b.Hold != "" {
			leave(b, LeftHeld, b.Hold)
			continue
		}
		if counted == nil || b.Time.After(counted.Time) {
			counted = b
		}
		items = append(items, retain.Item{ID: b.ID, Time: b.Time})
	}
	m.items = items
	byID := finder(list)
	var refs []cloud.Ref
	keeper := func() []cloud.Ref { // only where something goes, which is seldom
		if refs == nil && counted != nil {
			refs = counted.Ready()
		}
		return refs
	}
	var out []going
	oldestKept := time.Time{}
	for _, v := range m.judge.Apply(m.rule(pol, w, key, newest), items) {
		b := byID(v.Item.ID)
		switch {
		case (v.Keep || b == newest) && w.gone(key.source):
			leave(b, LeftOrphan, "its source is gone; "+orphanReason(pol, v.Reasons))
			oldestKept = b.Time
		case v.Keep || b == newest:
			leave(b, LeftKept, strings.Join(v.Reasons, ", "))
			oldestKept = b.Time
		case m.busy[spot(b)] != "":
			leave(b, LeftKept, m.busy[spot(b)])
		case m.stays[spot(b)] != "":
			leave(b, LeftKept, m.stays[spot(b)])
		default:
			out = append(out, going{b, m.ours(b), keeper(), strings.Join(v.Reasons, ", ")})
		}
	}
	for _, b := range list {
		if g, ok := m.broken(pol, b, newest, counted, oldestKept, keeper); ok {
			out = append(out, g)
		}
	}
	return out
}

// rule is the retention of one source: by its tags as they are now, or as they were on its newest backup when it is
// gone; what the policy says of orphans when it is gone.
func (m *maker) rule(pol policy.Policy, w covered, key sourceKey, newest *inventory.Backup) retain.Rule {
	b := pol.Backup
	if w.gone(key.source) {
		if b.Orphans.Within == 0 {
			return retain.Rule{}
		}
		return retain.Rule{Within: b.Orphans.Within, Location: b.Zone}
	}
	var tags cloud.Tags
	if inst := w.instances[key.source]; inst != nil {
		tags = inst.Tags
	}
	if newest != nil {
		for _, was := range inventory.ParseBy(newest.Tags().Value(cloud.TagBy)) {
			if !tags.Has(was.Key) {
				tags = tags.With(was.Key, was.Value)
			}
		}
	}
	keep := b.Keep
	if c, ok := b.FindCopy(key.place); ok && key.place != refOfSource(key.source).Place() {
		keep = c.Keep
	}
	rule, _ := keep.RetainRule(tags, b.Zone)
	return rule
}

// belongs says whether the policy keeps the source's backups in the place: it is where the source is, or it copies there.
func (m *maker) belongs(pol policy.Policy, key sourceKey, list []*inventory.Backup) bool {
	if key.place == refOfSource(key.source).Place() {
		return true
	}
	if _, ok := pol.Backup.FindCopy(key.place); ok {
		return true
	}
	return !slices.ContainsFunc(list, func(b *inventory.Backup) bool { return b.Copied })
}

// stranded leaves copies alone that are where the policy does not copy to (any more).
func (m *maker) stranded(pol policy.Policy, list []*inventory.Backup) {
	for _, b := range list {
		if b.Copied {
			m.left(Left{
				Policy: pol.Name, Backup: b.ID, Ref: refOfSource(b.Source), Place: &b.Place, Kind: LeftKept,
				Why: b.Place.String() + " is no place that the policy copies to (any more), so nothing goes there",
			})
		}
	}
}

// copiedTo is where a copy is; nil for what is where its source is.
func copiedTo(b *inventory.Backup) *cloud.Place {
	if b.Copied {
		return &b.Place
	}
	return nil
}

// called names a backup for people.
func called(b *inventory.Backup) string {
	if b.Copied {
		return fmt.Sprintf("the copy in %s of backup %s of %s", b.Place, b.ID, b.Source)
	}
	return fmt.Sprintf("backup %s of %s", b.ID, b.Source)
}

// finder gives the backup of an id. A few are looked through faster than a map is made.
func finder(list []*inventory.Backup) func(id string) *inventory.Backup {
	if len(list) <= 32 {
		return func(id string) *inventory.Backup {
			for _, b := range list {
				if b.ID == id {
					return b
				}
			}
			return nil
		}
	}
	byID := make(map[string]*inventory.Backup, len(list))
	for _, b := range list {
		byID[b.ID] = b
	}
	return func(id string) *inventory.Backup { return byID[id] }
}

func orphanReason(pol policy.Policy, reasons []string) string {
	if pol.Backup.Orphans.Within == 0 {
		return "the policy keeps the backups of such"
	}
	return strings.Join(reasons, ", ")
}

// broken judges what is not complete, and the leavings of failed tries in what is.
func (m *maker) broken(pol policy.Policy, b, newest, counted *inventory.Backup, oldestKept time.Time, keeper func() []cloud.Ref) (going, bool) {
	leave := func(kind LeftKind, why string) (going, bool) {
		m.left(Left{Policy: pol.Name, Backup: b.ID, Ref: refOfSource(b.Source), Place: copiedTo(b), Kind: kind, Why: why})
		return going{}, false
	}
	switch b.Standing {
	case inventory.Complete:
		if extra := leavings(b); len(extra) > 0 && b.Hold == "" && m.busy[spot(b)] == "" {
			return going{b, extra, b.Ready(), "left over from a failed or doubled try; the backup is complete"}, true
		}
		return going{}, false
	case inventory.Pending:
		if age := m.in.Now.Sub(b.Begun()); age > pol.Backup.StuckAfter {
			m.finding(Finding{
				Key: "stuck/" + b.Place.String() + "/" + b.ID, Policy: pol.Name, Ref: refOfSource(b.Source), Grave: true,
				Text: fmt.Sprintf("%s has been in the making for %s: look at it in the cloud's console", called(b), age.Round(time.Minute)),
			})
		}
		return leave(LeftPending, "it is being made")
	case inventory.Damaged:
		if m.arriving[spot(b)] {
			return leave(LeftPending, "it is being copied: "+b.Detail)
		}
	}
	if b.Hold != "" {
		return leave(LeftHeld, b.Hold)
	}
	if why := m.busy[spot(b)]; why != "" {
		return leave(LeftKept, why)
	}
	switch b.Standing {
	case inventory.Failed:
		m.finding(Finding{
			Key: "failed/" + b.Place.String() + "/" + b.ID, Policy: pol.Name, Ref: refOfSource(b.Source), Grave: newest == nil || newest.Time.Before(b.Time),
			Text: fmt.Sprintf("%s failed in the cloud: %s", called(b), cmp.Or(b.Detail, "no reason was given")),
		})
		why, ok := Superseded(b.Standing, b.Time, timeOf(counted), oldestKept)
		if !ok {
			return leave(LeftBroken, "it failed, and nothing newer counts")
		}
		return going{b, m.ours(b), keeper(), why}, true
	case inventory.Damaged:
		m.finding(Finding{
			Key: "damaged/" + b.Place.String() + "/" + b.ID, Policy: pol.Name, Ref: refOfSource(b.Source),
			Text: fmt.Sprintf("%s is not whole any more: %s", called(b), b.Detail),
		})
		why, ok := Superseded(b.Standing, b.Time, timeOf(counted), oldestKept)
		if !ok {
			return leave(LeftBroken, b.Detail)
		}
		return going{b, m.ours(b), keeper(), why}, true
	}
	parts := m.ours(b) // Leftover
	if len(parts) == 0 {
		return leave(LeftBroken, "its image was not deleted by Stint: the snapshots stay until a person decides")
	}
	return going{b, parts, nil, "the image that stood on it was deleted"}, true
}

// ours lists what of a backup was surely made by us: all of it, but of the snapshots under an image those alone on which
// the image stands, or stood when we deleted it. Another one that carries the same tags is a copy that a person made.
func (m *maker) ours(b *inventory.Backup) []cloud.Ref {
	if !b.ByImage() {
		return b.Refs()
	}
	under := slices.Clone(m.in.Memory.Unmade[spot(b)])
	var out []cloud.Ref
	for _, img := range b.Images {
		out = append(out, img.Ref)
		under = append(under, img.Snapshots...)
	}
	for _, s := range b.Backing {
		if slices.Contains(under, s.Ref.ID) {
			out = append(out, s.Ref)
		}
	}
	return out
}

// leavings are the parts of a complete backup that it does not need: failed tries, and doubles of the same disk.
func leavings(b *inventory.Backup) []cloud.Ref {
	if len(b.Images)+len(b.Snapshots) == b.Wanted {
		return nil // it needs them all: it is complete
	}
	ready := b.Ready()
	var out []cloud.Ref
	for _, img := range b.Images {
		if !slices.Contains(ready, img.Ref) && img.State != cloud.StateWorking && img.State != cloud.StateUnknown {
			out = append(out, img.Ref)
		}
	}
	for _, s := range b.Snapshots {
		if !slices.Contains(ready, s.Ref) && s.State != cloud.StateWorking && s.State != cloud.StateUnknown {
			out = append(out, s.Ref)
		}
	}
	return out
}

// Superseded says whether and why a backup that is not complete may go: a failed one once a newer one is complete, a
// damaged one once it is older than all that the rule keeps. A time is zero where there is no such backup.
func Superseded(standing inventory.Standing, at, newest, oldestKept time.Time) (why string, ok bool) {
	switch {
	case newest.IsZero():
	case standing == inventory.Failed && !newest.Before(at):
		return "it failed, and a newer backup is complete", true
	case standing == inventory.Damaged && !oldestKept.IsZero() && at.Before(oldestKept):
		return "it is not whole, and older than all that the rule keeps", true
	}
	return "", false
}

func timeOf(b *inventory.Backup) time.Time {
	if b == nil {
		return time.Time{}
	}
	return b.Time
}

// Trips says whether the limits stop a plan that wants to delete n of a policy's backups, and which does.
func Trips(l policy.Limits, n, total int) (why string, trips bool) {
	switch {
	case l.Deletes > 0 && n > l.Deletes:
		return fmt.Sprintf("its limit is %d in one plan", l.Deletes), true
	case n > policy.AlwaysDeletes && float64(n) > l.DeleteShare*float64(total):
		return fmt.Sprintf("its limit is %.0f %% of its %d in one plan", l.DeleteShare*100, total), true
	}
	return "", false
}

// tripped is the breaker: it says whether the policy wants to delete more than it may, and makes the finding.
func (m *maker) tripped(pol policy.Policy, n, total int) bool {
	if n == 0 || n <= m.in.AllowDeletes {
		return false
	}
	why, trips := Trips(pol.Backup.Limits, n, total)
	if !trips {
		return false
	}
	text := fmt.Sprintf("the policy wants to delete %s; %s, so it deletes none: look at the plan, then run `stint apply --policy %s --allow-deletes %d`", count(n, "backup"), why, pol.Name, n)
	m.finding(Finding{Key: "breaker/" + pol.Name, Policy: pol.Name, Grave: true, Text: text})
	m.left(Left{Policy: pol.Name, Kind: LeftOut, Why: text})
	return true
}

// remove makes the actions that let a backup go: its images first, then the snapshots, each unless something else uses it.
func (m *maker) remove(pol policy.Policy, g going) {
	b := g.backup
	leave := func(kind LeftKind, why string) {
		m.left(Left{Policy: pol.Name, Backup: b.ID, Ref: refOfSource(b.Source), Place: copiedTo(b), Kind: kind, Why: why})
	}
	mine := map[cloud.Ref]bool{}
	for _, ref := range g.parts {
		mine[ref] = true
	}
	if untagged := m.untagged(b, mine); len(untagged) > 0 {
		leave(LeftAtWork, "it goes once the snapshots that its image stands on carry its tags: "+strings.Join(untagged, ", "))
		return
	}
	base := Action{Policy: pol.Name, Place: b.Place, Source: refOfSource(b.Source), Slot: b.Slot, Backup: b.ID, Reason: g.why}
	var after []string
	for _, img := range b.Images {
		if !mine[img.Ref] {
			continue
		}
		a := base
		a.Verb, a.Target, a.Label, a.Under, a.Guard = DeleteImage, img.Ref, img.Name, img.Snapshots, m.guard(b, img.Ref, img.Tags, g.keeper)
		after = append(after, m.again(a))
	}
	for _, s := range append(slices.Clone(b.Snapshots), b.Backing...) {
		if !mine[s.Ref] {
			continue
		}
		if by := m.others(s.Ref, mine); len(by) > 0 {
			leave(LeftKept, "the image "+by[0].ID+" stands on its snapshot "+s.Ref.ID)
			continue
		}
		a := base
		a.Verb, a.Target, a.Label, a.After = DeleteSnapshot, s.Ref, s.Name, after
		a.Guard = m.guard(b, s.Ref, s.Tags, g.keeper)
		a.Guard.Unused = true
		m.again(a)
	}
}

// untagged are the ids of the snapshots that those images of the backup which are to go stand on alone, and that do not
// carry its tags yet.
func (m *maker) untagged(b *inventory.Backup, going map[cloud.Ref]bool) []string {
	var out []string
	for _, img := range b.Images {
		for _, id := range img.Snapshots {
			ref := cloud.Ref{Account: img.Ref.Account, Region: img.Ref.Region, Kind: cloud.KindSnapshot, ID: id}
			if s, ok := m.in.World.Snapshot(ref); ok && going[img.Ref] && !s.Tags.Has(cloud.TagBackup) && len(m.used[ref]) == 1 && img.State == cloud.StateReady {
				out = append(out, id)
			}
		}
	}
	return out
}

// others are the images that stand on a snapshot and do not go with it.
func (m *maker) others(snapshot cloud.Ref, going map[cloud.Ref]bool) []cloud.Ref {
	return slices.DeleteFunc(slices.Clone(m.used[snapshot]), func(img cloud.Ref) bool { return going[img] })
}

// again adds an action unless the same one is under way, and gives its id either way.
func (m *maker) again(a Action) string {
	id := ActionID(a)
	past, known := m.in.Memory.Actions[id]
	switch {
	case known && past.Open:
		m.left(Left{Policy: a.Policy, Backup: a.Backup, Ref: a.Source, Kind: LeftAtWork, Why: a.Verb.String() + " of " + a.Target.ID + " is under way"})
		return id
	case known && past.Done:
		return id // it took effect, and a listing lags behind
	case known && past.Stopped:
		m.left(Left{Policy: a.Policy, Backup: a.Backup, Ref: a.Source, Kind: LeftOut, Why: "a person cancelled " + a.Verb.String() + " of " + a.Target.ID})
		return id
	}
	if until, rests := m.rests(past); known && rests {
		m.againAt(until)
		m.left(Left{Policy: a.Policy, Backup: a.Backup, Ref: a.Source, Kind: LeftOut, Why: a.Verb.String() + " of " + a.Target.ID + " did not work: " + past.Problem})
		return id
	}
	return m.act(a)
}

// AsSeen are the tags that make a part of a backup one that its policy knows, as they were seen on it: what of them is
// taken off or changed later holds it.
func AsSeen(b *inventory.Backup, tags cloud.Tags) cloud.Tags {
	want := cloud.TagsOf(map[string]string{cloud.TagBackup: b.ID, cloud.TagPolicy: b.Policy, cloud.TagBy: tags.Value(cloud.TagBy)})
	if mark, ok := tags.Find(cloud.TagCopy); ok {
		want = want.With(cloud.TagCopy, mark)
	}
	for _, by := range inventory.ParseBy(tags.Value(cloud.TagBy)) {
		want = want.With(by.Key, tags.Value(by.Key))
	}
	return want
}

// guard is what must still be so when a part is deleted: it is ours and unchanged, nobody holds it or any other part of
// the backup, and the newer complete backup that lets it go is there.
func (m *maker) guard(b *inventory.Backup, part cloud.Ref, tags cloud.Tags, keeper []cloud.Ref) Guard {
	want := AsSeen(b, tags)
	parts := b.Refs()
	for _, ref := range b.Under() {
		if !slices.Contains(parts, ref) {
			parts = append(parts, ref)
		}
	}
	parts = slices.DeleteFunc(parts, func(r cloud.Ref) bool { return r == part })
	return Guard{
		Tags: want, Lacks: []string{cloud.TagHold}, Keepers: keeper,
		Parts: parts,
	}
}

// foresee says what will go once the backup that is being planned is complete.
func (m *maker) foresee(pol policy.Policy, inst *cloud.Instance, slot time.Time, list []*inventory.Backup, going map[Spot]bool) {
	rule, _ := pol.Backup.Keep.RetainRule(inst.Tags, pol.Backup.Zone)
	items := append(m.items[:0], retain.Item{Time: m.in.Now})
	for _, b := range list {
		if b.Hold == "" && b.Standing == inventory.Complete {
			items = append(items, retain.Item{ID: b.ID, Time: b.Time})
		}
	}
	m.items = items
	byID := finder(list)
	for _, v := range m.judge.Apply(rule, items) {
		if v.Keep || v.Item.ID == "" || going[Spot{v.Item.ID, inst.Ref.Place()}] {
			continue
		}
		if b := byID(v.Item.ID); b != nil {
			m.plan.Follow = append(m.plan.Follow, FollowUp{
				Policy: pol.Name, Backup: b.ID,
				Text: fmt.Sprintf("once the backup of %s for %s is complete, that of %s goes: %s", label(inst), SlotText(slot), SlotText(b.Time), strings.Join(v.Reasons, ", ")),
			})
		}
	}
}
