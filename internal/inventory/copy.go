package inventory

import (
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// CopyMark is the value of TagCopy on what was copied to a place: the place and, for a snapshot that is a part of a
// backup, the disk that the original is of.
func CopyMark(to cloud.Place, disk string) string {
	if disk == "" {
		return to.String()
	}
	return to.String() + "/" + disk
}

// ParseCopyMark reads what CopyMark wrote.
func ParseCopyMark(text string) (to cloud.Place, disk string, ok bool) {
	parts := strings.SplitN(text, "/", 3)
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return cloud.Place{}, "", false
	}
	if len(parts) == 3 {
		disk = parts[2]
	}
	return cloud.Place{Account: parts[0], Region: parts[1]}, disk, true
}

// elsewhere says whether a thing with the tags of a backup is none of its parts since it is in the wrong place: a copy
// that was made for another place, or what is neither where its source is nor a copy of ours. A person copied it.
func elsewhere(tags cloud.Tags, ref cloud.Ref) bool {
	if text, ok := tags.Find(cloud.TagCopy); ok {
		to, _, ok := ParseCopyMark(text)
		return !ok || to != ref.Place()
	}
	_, rest, ok := strings.Cut(tags.Value(cloud.TagSource), "/")
	if !ok {
		return false // a person garbled it
	}
	region, _, ok := strings.Cut(rest, "/")
	return ok && region != "" && region != ref.Region
}

// DiskOf is the disk that a snapshot of a backup is of. A copy's own word for it means nothing, so its tag counts.
func DiskOf(s *cloud.Snapshot) string {
	if text, ok := s.Tags.Find(cloud.TagCopy); ok {
		_, disk, _ := ParseCopyMark(text)
		return disk
	}
	return s.Disk
}

// disk is DiskOf, without a look at the tags where no copy is.
func (b *Backup) disk(s *cloud.Snapshot) string {
	if !b.Copied {
		return s.Disk
	}
	return DiskOf(s)
}

// ahead is how far a slot may be later than the making of its backup, by the clock of the cloud.
const ahead = 10 * time.Minute

// At is when the slot of the backup was, or otherwise the moment that it holds. It is the same for a backup and its
// copies, which are made at any time later. A slot that was still to come when it was made, by a clock that was ahead, is
// no word to go by: all that is there would be old against it.
func (b *Backup) At() time.Time {
	at, err := time.Parse(time.RFC3339, b.Slot)
	if err != nil {
		return b.Time
	}
	made := b.Begun()
	if !made.IsZero() && at.Sub(made) > ahead {
		if ready := b.oldestReady(); !ready.IsZero() {
			made = ready // and not a try that failed before
		}
	}
	if !made.IsZero() && at.Sub(made) > ahead {
		return made.UTC()
	}
	return at.UTC()
}

// Begun is when the first of its parts was made, by the cloud's clock.
func (b *Backup) Begun() time.Time {
	var out time.Time
	see := func(made time.Time) {
		if out.IsZero() || made.Before(out) {
			out = made
		}
	}
	for _, img := range b.Images {
		see(img.CreatedAt)
	}
	for _, s := range b.Snapshots {
		see(s.CreatedAt)
	}
	for _, s := range b.Backing {
		if !b.isBeside(s) {
			see(s.CreatedAt)
		}
	}
	return out
}

// doubled says of what there are two in a copied backup. Which of the two a person made cannot be told.
func (b *Backup) doubled() string {
	ready := 0
	for _, img := range b.Images {
		if img.State == cloud.StateReady {
			ready++
		}
	}
	if ready > 1 {
		return "it is there twice"
	}
	for i, s := range b.Snapshots {
		if s.State == cloud.StateReady && slices.ContainsFunc(b.Snapshots[:i], func(o *cloud.Snapshot) bool {
			return o.State == cloud.StateReady && b.disk(o) == b.disk(s)
		}) {
			return "there are two of the disk " + b.disk(s)
		}
	}
	return ""
}
