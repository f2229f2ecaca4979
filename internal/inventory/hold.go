package inventory

import (
	"cmp"

	"github.com/stint-cloud/stint/internal/cloud"
)

// heldUnder are the snapshots without our tags that somebody holds, or the cloud locks: an image may stand on them, since
// not every cloud tags what it makes for an image.
func (w *World) heldUnder() map[cloud.Ref]string {
	var out map[cloud.Ref]string
	for i := range w.Snapshots {
		s := &w.Snapshots[i]
		if s.Tags.Has(cloud.TagBackup) || !s.Locked && !s.Tags.Has(cloud.TagHold) {
			continue
		}
		if out == nil {
			out = map[cloud.Ref]string{}
		}
		out[s.Ref] = cmp.Or(heldBy(s.Tags), "locked in the cloud")
	}
	return out
}

// holdUnder has a hold on what an image stands on hold the backup.
func (b *Backup) holdUnder(held map[cloud.Ref]string) {
	if len(held) == 0 || b.Hold != "" {
		return
	}
	for _, ref := range b.Under() {
		if why, ok := held[ref]; ok {
			b.Hold = why
			return
		}
	}
}

// Under are the snapshots that its images stand on, as far as the cloud says, tagged or not.
func (b *Backup) Under() []cloud.Ref {
	var out []cloud.Ref
	for _, img := range b.Images {
		for _, id := range img.Snapshots {
			out = append(out, cloud.Ref{Account: img.Ref.Account, Region: img.Ref.Region, Kind: cloud.KindSnapshot, ID: id})
		}
	}
	return out
}

// heldBy says who holds a thing by its hold tag, if anybody does.
func heldBy(tags cloud.Tags) string {
	v, ok := tags.Find(cloud.TagHold)
	switch {
	case !ok:
		return ""
	case v == "":
		return "held"
	}
	return "held: " + v
}

// holdOf says which of the ways of holding a thing is in force on it, if any: the hold tag, the policy's tag taken off,
// a tag that it was selected by taken off or changed, or a lock of the cloud's own.
func holdOf(tags cloud.Tags, locked bool, bys map[string]cloud.Tags) string {
	if why := heldBy(tags); why != "" {
		return why
	}
	if !tags.Has(cloud.TagPolicy) {
		return "held: its " + cloud.TagPolicy + " tag was taken off"
	}
	text, ok := tags.Find(cloud.TagBy)
	if !ok {
		return "held: its " + cloud.TagBy + " tag was taken off"
	}
	by, seen := bys[text]
	if !seen {
		by = ParseBy(text)
		bys[text] = by
	}
	for _, want := range by {
		got, ok := tags.Find(want.Key)
		if !ok {
			return "held: its tag " + want.Key + " was taken off"
		}
		if !sameValue(want.Value, got) {
			return "held: its tag " + want.Key + " was changed from " + want.Value + " to " + got
		}
	}
	if locked {
		return "locked in the cloud"
	}
	return ""
}
