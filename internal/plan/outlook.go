package plan

import (
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/retain"
)

// Outlook answers what a forecast must know of one policy, by the code that plans it: so that both judge alike.
type Outlook struct {
	Policy   policy.Policy
	Backups  []*inventory.Backup // those that carry its name, sorted by place, source, time and id
	Findings []Finding           // what stands in the way; those that belong to no policy are on the first that meets them

	maker    *maker
	cover    covered
	stranded map[sourceKey]bool // copies that are where the policy does not copy to
	copying  []Copying
	blind    []cloud.Place // targets that could not be seen
	targets  []cloud.Place // those that are copied to
	loose    map[sourceKey]time.Time
}

// Copying is a copy that the next plan begins, as far as the cloud copies as much at once.
type Copying struct {
	Original, There *inventory.Backup // There is what is at the target of it already; nil for nothing
	To              cloud.Place
}

// Outlooks gives one for each policy of the input that backs up and is not disabled. It makes no plan. The input's
// memory counts for nothing in it.
func Outlooks(in Input, backups []*inventory.Backup) []*Outlook {
	m := &maker{in: in, byPolicy: groupByPolicy(backups), used: snapshotUsers(in.World), judge: retain.NewJudge(), running: map[lane]int{}}
	var out []*Outlook
	for _, pol := range in.Rules.Policies {
		if pol.Backup == nil || pol.Disabled || !in.wants(pol.Name) {
			continue
		}
		m.plan = &Plan{}
		o := &Outlook{Policy: pol, Backups: m.byPolicy[pol.Name], maker: m, cover: m.covers(pol)}
		var able []*cloud.Instance
		for _, inst := range o.cover.selected {
			if m.able(pol, inst) {
				able = append(able, inst)
			}
		}
		o.copies()
		o.cover.selected, o.Findings = able, m.plan.Findings
		out = append(out, o)
	}
	return out
}

// Sees says whether the policy reaches the place and everything that it needs there was seen to the end. Elsewhere it
// neither creates nor deletes.
func (o *Outlook) Sees(place cloud.Place) bool { return o.cover.places[place] }

// Belongs says whether the policy works on the backup: it does not on copies that are where it does not copy to (any more).
func (o *Outlook) Belongs(b *inventory.Backup) bool { return !o.stranded[sourceKey{b.Source, b.Place}] }

// Copies are those that the next plan begins.
func (o *Outlook) Copies() []Copying { return o.copying }

// Targets are where a backup is copied to that is made in the place.
func (o *Outlook) Targets(from cloud.Place) []cloud.Place {
	return slices.DeleteFunc(slices.Clone(o.targets), func(to cloud.Place) bool { return to == from })
}

// Waits says whether the complete backups of the place all stay since it cannot be seen whether they were copied.
func (o *Outlook) Waits(from cloud.Place) bool {
	return slices.ContainsFunc(o.blind, func(to cloud.Place) bool { return to != from })
}

// Loose is the slot of the newest copy there whose policy tag a person took off; what is older is not copied.
func (o *Outlook) Loose(source string, to cloud.Place) time.Time {
	return o.loose[sourceKey{source, to}]
}

// copies finds what is copied, now and later.
func (o *Outlook) copies() {
	m, pol := o.maker, o.Policy
	m.stays, m.arriving, m.digest = map[Spot]string{}, map[Spot]bool{}, ""
	o.stranded, o.loose = map[sourceKey]bool{}, map[sourceKey]time.Time{}
	bySource := map[sourceKey][]*inventory.Backup{}
	var order []sourceKey
	for _, b := range o.Backups {
		key := sourceKey{b.Source, b.Place}
		if bySource[key] == nil {
			order = append(order, key)
		}
		bySource[key] = append(bySource[key], b)
	}
	for _, key := range order {
		if !m.belongs(pol, key, bySource[key]) {
			o.stranded[key] = true
		}
	}
	c := &copier{maker: m, pol: pol, cover: o.cover}
	kind := cloud.KindSnapshot
	if pol.Backup.Method == policy.MethodImage {
		kind = cloud.KindImage
	}
	for _, to := range pol.Backup.Copies {
		switch {
		case !o.cover.places[to.To]:
			o.blind = append(o.blind, to.To)
			continue
		case c.can(to, kind):
			o.targets = append(o.targets, to.To)
		}
		for _, key := range order {
			if !o.cover.places[key.place] || key.place != refOfSource(key.source).Place() || key.place == to.To {
				continue
			}
			there := m.at(to.To, bySource[key], bySource[sourceKey{key.source, to.To}])
			for _, b := range there {
				if at := (sourceKey{key.source, to.To}); b.Policy == "" && b.Standing == inventory.Complete {
					o.loose[at] = later(o.loose[at], b.At())
				}
			}
			for _, b := range c.wanted(to, key, bySource[key], there) {
				if c.backup(to, b, finder(there)(b.ID)) {
					o.copying = append(o.copying, Copying{b, finder(there)(b.ID), to.To})
				}
			}
		}
	}
}

// Gone says whether the source is known to be gone.
func (o *Outlook) Gone(source string) bool { return o.cover.gone(source) }

// Instances are those that the policy backs up, in order.
func (o *Outlook) Instances() []*cloud.Instance { return o.cover.selected }

// Rule is the retention of a source while this backup is its newest complete one; nil: one that is made from the
// instance as it is now.
func (o *Outlook) Rule(source string, place cloud.Place, newest *inventory.Backup) retain.Rule {
	return o.maker.rule(o.Policy, o.cover, sourceKey{source, place}, newest)
}

// Due says whether a plan makes the slot's backup of the instance, when have is what there is of it; nil for nothing.
func (o *Outlook) Due(inst *cloud.Instance, slot time.Time, have *inventory.Backup) bool {
	switch {
	case inst.CreatedAt.After(slot), have != nil && have.Standing != inventory.Failed:
		return false
	case o.Policy.Backup.Method == policy.MethodImage:
		return failedImages(have) < maxTries
	}
	failures := 0
	for _, d := range inst.Disks {
		failures = max(failures, failedSnapshots(have, d.Disk))
	}
	return failures < maxTries
}

// Leavings are the parts of a complete backup that it does not need and that go by themselves.
func (o *Outlook) Leavings(b *inventory.Backup) []cloud.Ref { return leavings(b) }

// Adopts lists the snapshots that the next plan tags as parts of the backup, with the tags that they get.
func (o *Outlook) Adopts(b *inventory.Backup) (snapshots []cloud.Ref, tags cloud.Tags) {
	if b.Standing != inventory.Complete || !o.Sees(b.Place) || !o.maker.in.World.Accounts[b.Place.Account].Can(cloud.Tagging) {
		return nil, nil
	}
	for _, img := range b.Images {
		for _, s := range o.maker.adoptable(img) {
			snapshots, tags = append(snapshots, s.Ref), Adopted(img)
		}
	}
	return snapshots, tags
}

// Remains lists the parts that stay when the backup is deleted: something else stands on them, or they are not surely ours.
func (o *Outlook) Remains(b *inventory.Backup) []cloud.Ref {
	going := map[cloud.Ref]bool{}
	for _, ref := range o.maker.ours(b) {
		going[ref] = true
	}
	if len(o.maker.untagged(b, going)) > 0 {
		return b.Refs()
	}
	var out []cloud.Ref
	for _, list := range [][]*cloud.Snapshot{b.Snapshots, b.Backing} {
		for _, s := range list {
			if !going[s.Ref] || len(o.maker.others(s.Ref, going)) > 0 {
				out = append(out, s.Ref)
			}
		}
	}
	return out
}
