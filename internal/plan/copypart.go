package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
)

// copyPart is one thing that must be copied for a backup to be whole elsewhere.
type copyPart struct {
	ref  cloud.Ref
	name string
	disk string // of a snapshot
	many bool   // it is not the only part
	tags cloud.Tags
}

// copyParts are what makes the backup whole: its image, or a snapshot of each of its disks. Each is the policy's, also
// where a person took the tag that says so off it alone.
func copyParts(b *inventory.Backup) []copyPart {
	ready := b.Ready()
	many := len(ready) > 1
	var out []copyPart
	for _, img := range b.Images {
		if slices.Contains(ready, img.Ref) {
			out = append(out, copyPart{ref: img.Ref, name: img.Name, tags: ofPolicy(img.Tags, b.Policy)})
		}
	}
	for _, s := range b.Snapshots {
		if slices.Contains(ready, s.Ref) {
			out = append(out, copyPart{ref: s.Ref, name: s.Name, disk: inventory.DiskOf(s), many: many, tags: ofPolicy(s.Tags, b.Policy)})
		}
	}
	return out
}

func ofPolicy(tags cloud.Tags, policy string) cloud.Tags {
	if tags.Value(cloud.TagPolicy) == policy {
		return tags
	}
	return tags.With(cloud.TagPolicy, policy)
}

// states are where the tries of the part stand that are at the target.
func (p copyPart) states(there *inventory.Backup) []cloud.State {
	var out []cloud.State
	if there == nil {
		return nil
	}
	if p.ref.Kind == cloud.KindImage {
		for _, img := range there.Images {
			out = append(out, img.State)
		}
		return out
	}
	for _, s := range there.Snapshots {
		if inventory.DiskOf(s) == p.disk {
			out = append(out, s.State)
		}
	}
	return out
}

// alive says whether the part is at the target, ready or on its way: neither failed nor put away by a person.
func (p copyPart) alive(there *inventory.Backup) bool {
	return slices.ContainsFunc(p.states(there), func(s cloud.State) bool { return s != cloud.StateFailed && s != cloud.StateRetired })
}

// failures counts the tries that ended in failure at the target.
func (p copyPart) failures(there *inventory.Backup) int {
	n := 0
	for _, s := range p.states(there) {
		if s == cloud.StateFailed {
			n++
		}
	}
	return n
}

// copyName is the name of a copy: that of the original, and that it is a copy, so that one which a person makes under
// the original's name is not taken for it. At most 60 characters, as every cloud takes: a copy that carries no tags is known
// by its name alone.
func copyName(p copyPart, backup string, try int) string {
	name := slug(p.name, p.ref.ID, 80)
	if mark := inventory.NameMark(backup); !strings.Contains(name, mark) {
		name += "-" + mark // a person renamed the original
	}
	name += "-copy"
	if p.many { // what was taken in one call has one name
		name += "-" + hash("disk", p.disk)[:4]
	}
	if try > 0 {
		name += "-" + strconv.Itoa(try+1)
	}
	if over := len(name) - 60; over > 0 { // what tells it from others stands at its end
		name = slug(name[over:], p.ref.ID, 60)
	}
	return name
}

// copyTags are the tags that the copy of a thing with these tags carries: the same, as far as there is room, and where it
// was copied to. What a person did to the original stays there: neither its hold nor a changed tag goes along.
func copyTags(t cloud.Traits, original cloud.Tags, to cloud.Place, disk string) cloud.Tags {
	by := inventory.ParseBy(original.Value(cloud.TagBy))
	out := original.Keep(func(tag cloud.Tag) bool {
		switch tag.Key {
		case cloud.TagHold, cloud.TagAction, cloud.TagCopy, cloud.TagRestored, cloud.TagRole:
			return false
		case t.NameTag:
			return by.Has(tag.Key) // the copy has a name of its own
		}
		return strings.HasPrefix(tag.Key, cloud.TagPrefix) || !reserved(t.ReservedTags, tag.Key)
	})
	for _, tag := range by {
		if !strings.HasPrefix(tag.Value, "~") && !reserved(t.ReservedTags, tag.Key) && !strings.HasPrefix(tag.Key, cloud.TagPrefix) {
			out = out.With(tag.Key, tag.Value)
		}
	}
	out = out.With(cloud.TagCopy, inventory.CopyMark(to, disk))
	for i := len(out) - 1; i >= 0 && len(out) > t.MaxTags-2; i-- { // TagAction and the name are still to come
		if key := out[i].Key; !strings.HasPrefix(key, cloud.TagPrefix) && !by.Has(key) {
			out = out.Without(key)
		}
	}
	return out
}

// marked says whether a thing has any tag of ours.
func marked(tags cloud.Tags) bool {
	return slices.ContainsFunc(tags, func(t cloud.Tag) bool { return strings.HasPrefix(t.Key, cloud.TagPrefix) })
}
