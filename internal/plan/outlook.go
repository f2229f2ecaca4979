package plan

import (
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

	maker *maker
	cover covered
}

// Outlooks gives one for each policy of the input that backs up and is not disabled. It makes no plan. The input's
// memory counts for nothing in it.
func Outlooks(in Input, backups []*inventory.Backup) []*Outlook {
	m := &maker{in: in, byPolicy: groupByPolicy(backups), used: snapshotUsers(in.World)}
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
		o.cover.selected, o.Findings = able, m.plan.Findings
		out = append(out, o)
	}
	return out
}

// Sees says whether the policy reaches the place and everything that it needs there was seen to the end. Elsewhere it
// neither creates nor deletes.
func (o *Outlook) Sees(place cloud.Place) bool { return o.cover.places[place] }

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
			snapshots, tags = append(snapshots, s.Ref), adopted(img)
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
