package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/retain"
)

// lane is where copies of one kind go: the cloud bounds how many are on their way there at once.
type lane struct {
	place cloud.Place
	kind  cloud.Kind
}

// copier plans the copies of one policy.
type copier struct {
	*maker
	pol   policy.Policy
	cover covered
	wants []Action // those that may begin, if there is room
}

// copies plans what is still to be copied, and notes what stays for that (maker.stays) and what is on its way
// (maker.arriving).
func (m *maker) copies(pol policy.Policy, w covered, bySource map[sourceKey][]*inventory.Backup, order []sourceKey) {
	m.stays, m.arriving = map[Spot]string{}, map[Spot]bool{}
	for _, key := range order {
		for _, b := range bySource[key] {
			if b.Copied && b.Standing == inventory.Pending { // wherever it goes, and whether it is wanted there or not (any more)
				m.stays[Spot{b.ID, refOfSource(b.Source).Place()}] = "it is being copied to " + b.Place.String()
			}
		}
	}
	if len(pol.Backup.Copies) == 0 {
		return
	}
	c := &copier{maker: m, pol: pol, cover: w}
	for _, key := range order {
		if !w.places[key.place] || key.place != refOfSource(key.source).Place() {
			continue
		}
		for _, to := range pol.Backup.Copies {
			if to.To != key.place {
				c.source(to, key, bySource[key], m.at(to.To, bySource[key], bySource[sourceKey{key.source, to.To}]))
			}
		}
	}
	c.begin()
}

// at adds to the backups in a place those copies whose policy tag a person took off: they are there all the same.
func (m *maker) at(place cloud.Place, here, there []*inventory.Backup) []*inventory.Backup {
	if m.loose == nil {
		m.loose = map[Spot]*inventory.Backup{}
		for _, b := range m.byPolicy[""] {
			m.loose[spot(b)] = b
		}
	}
	for _, b := range here {
		if l := m.loose[Spot{b.ID, place}]; l != nil {
			there = append(slices.Clip(there), l)
		}
	}
	return there
}

// source plans the copies of one source's backups to one place. here are its backups, there those of them and of others
// that are at the target already.
func (c *copier) source(to policy.Copy, key sourceKey, here, there []*inventory.Backup) {
	if !c.cover.places[to.To] {
		for _, b := range here {
			if b.Standing == inventory.Complete {
				c.stays[spot(b)] = fmt.Sprintf("%s could not be seen, so whether it is copied there is not known", to.To)
			}
		}
		return
	}
	for _, b := range c.wanted(to, key, here, there) {
		if !c.backup(to, b, finder(there)(b.ID)) {
			continue
		}
		c.arriving[Spot{b.ID, to.To}] = true
		if c.stays[spot(b)] == "" {
			c.stays[spot(b)] = fmt.Sprintf("it stays until it is copied to %s", to.To)
		}
	}
}

// wanted are the complete backups that the target lacks and that its rule would keep there, the oldest first: those newer
// than its newest, and those that are on their way already. A target that has none yet wants the newest alone.
func (c *copier) wanted(to policy.Copy, key sourceKey, here, there []*inventory.Backup) []*inventory.Backup {
	var newest time.Time
	var last *inventory.Backup // the newest complete one there
	var items []retain.Item
	whole := map[string]bool{}
	for _, b := range there {
		if b.Standing != inventory.Complete {
			continue
		}
		whole[b.ID] = true
		if last == nil || b.Time.After(last.Time) {
			last = b
		}
		if b.Hold == "" {
			items = append(items, retain.Item{ID: b.ID, Time: b.At()})
		}
		newest = later(newest, b.At())
	}
	byID := finder(there)
	var list []*inventory.Backup
	for _, b := range here {
		if b.Standing != inventory.Complete || whole[b.ID] {
			continue
		}
		if c.underWay(to, b, byID(b.ID)) {
			newest = later(newest, b.At())
			list = append(list, b)
		}
	}
	under := slices.Clone(list)
	for _, b := range here {
		if b.Standing == inventory.Complete && !whole[b.ID] && b.At().After(newest) {
			list = append(list, b)
		}
	}
	byAge := func(a, b *inventory.Backup) int { return cmp.Or(a.At().Compare(b.At()), cmp.Compare(a.ID, b.ID)) }
	slices.SortFunc(list[len(under):], byAge)
	if newest.IsZero() && len(list) > 1 {
		list = list[len(list)-1:]
	}
	for _, b := range list {
		items = append(items, retain.Item{ID: b.ID, Time: b.At()})
	}
	keeps := map[string]bool{}
	for _, v := range c.judge.Apply(c.rule(c.pol, c.cover, sourceKey{key.source, to.To}, cmp.Or(last, newestOf(list))), items) {
		keeps[v.Item.ID] = v.Keep
	}
	// What was begun is brought to its end: half a copy, and one without tags, would be forgotten.
	list = slices.DeleteFunc(list, func(b *inventory.Backup) bool { return !keeps[b.ID] && !slices.Contains(under, b) })
	slices.SortFunc(list, byAge)
	return list
}

// underWay says whether a copy has been begun: an action is open, or some of it is there and alive.
func (c *copier) underWay(to policy.Copy, b, there *inventory.Backup) bool {
	if c.in.Memory.Busy[Spot{b.ID, to.To}] != "" {
		return true
	}
	for _, p := range copyParts(b) {
		if p.alive(there) {
			return true
		}
		for try := range maxTries {
			if t, ok := c.untagged(to.To, p, b, try); ok && t.state != cloud.StateFailed {
				return true
			}
		}
	}
	return false
}

// backup plans what is missing of one copy, and says whether the original must wait for it.
func (c *copier) backup(to policy.Copy, b, there *inventory.Backup) (waits bool) {
	before := len(c.wants)
	for _, p := range copyParts(b) {
		if !c.can(to, p.ref.Kind) {
			continue
		}
		waits = true
		if p.alive(there) {
			continue
		}
		if !c.part(to, b, there, p) {
			c.wants = c.wants[:before] // it was given up, or a person deleted it: the other parts are of no use
			return false
		}
	}
	return waits
}

// part plans the copy of one part that is not there, and says whether it is still wanted.
func (c *copier) part(to policy.Copy, b, there *inventory.Backup, p copyPart) bool {
	acc := c.in.World.Accounts[to.To.Account]
	a := Action{
		Verb: CopySnapshot, Policy: c.pol.Name, Place: to.To, Source: refOfSource(b.Source), Slot: b.Slot, Backup: b.ID, Target: p.ref, Label: p.name,
		Guard: Guard{Exists: true}, Reason: fmt.Sprintf("slot %s of %s has no copy in %s yet", b.Slot, c.pol.Name, to.To),
		Copy: &cloud.NewCopy{From: p.ref, Region: to.To.Region, Key: to.Key, Description: fmt.Sprintf("Stint copy of %s by %s, slot %s", p.ref.ID, c.pol.Name, b.Slot)},
	}
	if p.ref.Kind == cloud.KindImage {
		a.Verb = CopyImage
	}
	failures := p.failures(there)
	for ; failures < maxTries; failures++ {
		t, found := c.untagged(to.To, p, b, failures)
		if !found {
			break
		}
		a.Try = failures
		c.tag(acc, a, p, t)
		if t.state != cloud.StateFailed {
			return true
		}
	}
	due, wanted := c.tryCopy(&a, failures)
	if due {
		a.Copy.Name = copyName(p, b.ID, a.Try)
		a.Copy.Tags, a.Copy.Token = copyTags(acc.Traits, p.tags, to.To, p.disk).With(cloud.TagAction, a.ID), a.ID
		c.wants = append(c.wants, a)
	}
	return wanted
}

// tryCopy gives the action the identity of the try that is due, and says whether one is, and whether the copy is wanted
// at all.
func (c *copier) tryCopy(a *Action, failures int) (due, wanted bool) {
	leave := func(kind LeftKind, why string) {
		c.left(Left{Policy: a.Policy, Backup: a.Backup, Ref: a.Source, Place: &a.Place, Kind: kind, Why: why})
	}
	if failures >= maxTries {
		c.finding(Finding{
			Key: "gave-up/" + a.Place.String() + "/" + a.Backup, Policy: a.Policy, Ref: a.Source, Grave: true,
			Text: fmt.Sprintf("%s: %s to copy it to %s ended in failure in the cloud, so it is not there; the next backup is tried again", a.Label, count(maxTries, "try"), a.Place),
		})
		return false, false
	}
	a.Try = failures
	a.ID = ActionID(*a)
	past, known := c.in.Memory.Actions[a.ID]
	switch {
	case !known:
	case past.Open:
		c.running[lane{a.Place, a.Target.Kind}]++
		leave(LeftAtWork, "it is being copied to "+a.Place.String())
		return false, true
	case past.Done:
		leave(LeftOut, "it was copied to "+a.Place.String()+", and is not listed there (any more): a copy is made once")
		return false, c.in.Now.Sub(past.At) < time.Hour // a listing may lag behind; later than that, somebody deleted it
	case past.Stopped: // by a person, or since too much of its run had failed: as with a slot's backup, the next slot decides anew
		next, more := c.pol.Backup.When.Next(past.At)
		switch {
		case !more:
			leave(LeftOut, "its copy to "+a.Place.String()+" was cancelled")
			return false, false
		case c.in.Now.Before(next):
			c.againAt(next)
			leave(LeftOut, "its copy to "+a.Place.String()+" was cancelled, and is begun anew after "+SlotText(next))
			return false, true
		}
	default:
		if again, rests := c.rests(past); rests {
			c.againAt(again)
			leave(LeftOut, "its copy to "+a.Place.String()+" failed, and is tried again after "+SlotText(again)+": "+past.Problem)
			return false, true
		}
	}
	if a.Try > 0 {
		a.Reason += fmt.Sprintf("; try %d of %d, the one before failed in the cloud", a.Try+1, maxTries)
	}
	return true, true
}

// begin lets as many copies begin as there is room for, the oldest first; the rest waits.
func (c *copier) begin() {
	slices.SortStableFunc(c.wants, func(a, b Action) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), a.Source.Compare(b.Source), a.Target.Compare(b.Target), a.Place.Compare(b.Place))
	})
	told := map[Spot]bool{} // of several parts one line will do
	for _, a := range c.wants {
		l := lane{a.Place, a.Target.Kind}
		if most := c.in.World.Accounts[a.Place.Account].Traits.Copies(l.kind).Max; most > 0 && c.running[l] >= most {
			if at := (Spot{a.Backup, a.Place}); !told[at] {
				told[at] = true
				c.left(Left{
					Policy: a.Policy, Backup: a.Backup, Ref: a.Source, Place: &a.Place, Kind: LeftPending,
					Why: fmt.Sprintf("waits to be copied to %s: the cloud copies %d at once", a.Place, most),
				})
			}
			continue
		}
		c.running[l]++
		c.act(a)
	}
}

// can says whether the target's account can copy things of the kind, and makes a finding when it cannot.
func (c *copier) can(to policy.Copy, kind cloud.Kind) bool {
	acc := c.in.World.Accounts[to.To.Account]
	need := cloud.SnapshotCopies
	if kind == cloud.KindImage {
		need = cloud.ImageCopies
	}
	why := ""
	switch {
	case !acc.Can(need):
		why = need.String()
	case !acc.Traits.Copies(kind).Tags && !acc.Can(cloud.Tagging):
		why = cloud.Tagging.String()
	default:
		return true
	}
	c.finding(Finding{
		Key: "cannot-copy/" + c.pol.Name + "/" + to.To.Account + "/" + kind.String(), Policy: c.pol.Name, Grave: true,
		Text: fmt.Sprintf("the account %s (%s) cannot make %s, so nothing is copied to %s: leave the copy out, or use an account that may", to.To.Account, acc.Traits.Cloud, why, to.To),
	})
	return false
}

// tag plans our tags onto a copy that the cloud made without them, once it is ready, or has failed and so must go.
func (c *copier) tag(acc inventory.Account, a Action, p copyPart, t thing) {
	if t.state != cloud.StateReady && t.state != cloud.StateFailed {
		c.running[lane{a.Place, a.Target.Kind}]++
		c.left(Left{Policy: a.Policy, Backup: a.Backup, Ref: a.Source, Place: &a.Place, Kind: LeftPending, Why: "it is being copied to " + a.Place.String()})
		return
	}
	maker := ActionID(a)
	set := Action{
		Verb: SetTags, Policy: a.Policy, Place: a.Place, Source: a.Source, Slot: a.Slot, Backup: a.Backup, Target: t.ref, Label: t.name, Guard: Guard{Exists: true},
		Tags: copyTags(acc.Traits, p.tags, a.Place, p.disk).With(cloud.TagAction, maker), Reason: "it is the copy of " + p.ref.ID + ", and the cloud does not tag copies",
	}
	c.again(set)
}

// thing is an image or a snapshot.
type thing struct {
	ref   cloud.Ref
	name  string
	state cloud.State
}

// untagged finds a copy of that try which the cloud made without tags: it has just its name, and nobody's tags of ours.
func (c *copier) untagged(place cloud.Place, p copyPart, b *inventory.Backup, try int) (thing, bool) {
	if c.in.World.Accounts[place.Account].Traits.Copies(p.ref.Kind).Tags {
		return thing{}, false
	}
	if c.bare == nil {
		c.bare = bareThings(c.in.World)
	}
	t, ok := c.bare[bareKey{lane{place, p.ref.Kind}, copyName(p, b.ID, try)}]
	return t, ok
}

type bareKey struct {
	lane
	name string
}

// bareThings are the images and snapshots without any tag of ours, by name.
func bareThings(w *inventory.World) map[bareKey]thing {
	out := map[bareKey]thing{}
	add := func(ref cloud.Ref, name string, state cloud.State, tags cloud.Tags) {
		key := bareKey{lane{ref.Place(), ref.Kind}, name}
		if _, twice := out[key]; twice || name == "" || marked(tags) {
			return
		}
		out[key] = thing{ref, name, state}
	}
	for i := range w.Images {
		add(w.Images[i].Ref, w.Images[i].Name, w.Images[i].State, w.Images[i].Tags)
	}
	for i := range w.Snapshots {
		add(w.Snapshots[i].Ref, w.Snapshots[i].Name, w.Snapshots[i].State, w.Snapshots[i].Tags)
	}
	return out
}

// copiesUnderWay counts the copies of ours that are on their way, of whatever policy.
func copiesUnderWay(w *inventory.World) map[lane]int {
	out := map[lane]int{}
	for i := range w.Images {
		if img := &w.Images[i]; img.State == cloud.StateWorking && img.Tags.Has(cloud.TagCopy) {
			out[lane{img.Ref.Place(), cloud.KindImage}]++
		}
	}
	for i := range w.Snapshots {
		if s := &w.Snapshots[i]; s.State == cloud.StateWorking && s.Tags.Has(cloud.TagCopy) && s.Tags.Has(cloud.TagParts) {
			out[lane{s.Ref.Place(), cloud.KindSnapshot}]++
		}
	}
	return out
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func newestOf(list []*inventory.Backup) *inventory.Backup {
	var out *inventory.Backup
	for _, b := range list {
		if out == nil || b.At().After(out.At()) {
			out = b
		}
	}
	return out
}
