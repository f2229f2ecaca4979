package inventory

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Standing is where a backup stands as a whole. Only Complete ever counts.
type Standing int

// The standings.
const (
	Complete Standing = iota + 1 // every part is ready
	Pending                      // a part is still being made
	Failed                       // a part failed and none of its tries is ready or under way
	Damaged                      // parts that once were there are missing
	Leftover                     // the image is gone, the snapshots that it stood on are still there
)

var standingNames = [...]string{Complete: "complete", Pending: "pending", Failed: "failed", Damaged: "damaged", Leftover: "leftover"}

// String is the standing's word.
func (s Standing) String() string {
	if s < 1 || int(s) >= len(standingNames) {
		return "none"
	}
	return standingNames[s]
}

// MarshalText writes the standing's word.
func (s Standing) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Backup is one recovery point in one place: all that carries the same backup id there.
type Backup struct {
	ID       string
	Place    cloud.Place
	Policy   string    // who made it, by its tag; empty when a person took the tag off
	Source   string    // account/region/id of the instance
	Slot     string    // RFC 3339 in UTC, or an event's id
	Time     time.Time // the moment that it holds: when the first was made of the parts that make it whole, by the cloud's clock; of a copy, when its slot was
	Copied   bool      // made from the same backup in another place
	Standing Standing
	Hold     string // why it is held; empty when it is not
	Wanted   int    // how many parts make it whole; for an image 1
	Detail   string // why it is not complete

	Images    []*cloud.Image    // method image: normally one
	Snapshots []*cloud.Snapshot // method snapshots: its parts, every try
	Backing   []*cloud.Snapshot // method image: the snapshots that its images stand on and that carry its id
}

// ByImage says whether the backup is an image.
func (b *Backup) ByImage() bool { return len(b.Images) > 0 || len(b.Backing) > 0 }

// Ready lists the parts that make the backup whole: the image, or one ready snapshot of each disk, the oldest of each.
func (b *Backup) Ready() []cloud.Ref {
	if len(b.Images) > 0 {
		for _, img := range b.Images {
			if img.State == cloud.StateReady {
				return []cloud.Ref{img.Ref}
			}
		}
		return nil
	}
	var out []cloud.Ref
	for i, s := range b.Snapshots {
		if s.State == cloud.StateReady && !slices.ContainsFunc(b.Snapshots[:i], func(o *cloud.Snapshot) bool {
			return b.disk(o) == b.disk(s) && o.State == cloud.StateReady
		}) {
			out = append(out, s.Ref)
		}
	}
	return out
}

// Refs lists all that belongs to the backup.
func (b *Backup) Refs() []cloud.Ref {
	out := make([]cloud.Ref, 0, len(b.Images)+len(b.Snapshots)+len(b.Backing))
	for _, i := range b.Images {
		out = append(out, i.Ref)
	}
	for _, s := range b.Snapshots {
		out = append(out, s.Ref)
	}
	for _, s := range b.Backing {
		out = append(out, s.Ref)
	}
	return out
}

// Tags are those of the first part.
func (b *Backup) Tags() cloud.Tags {
	switch {
	case len(b.Images) > 0:
		return b.Images[0].Tags
	case len(b.Snapshots) > 0:
		return b.Snapshots[0].Tags
	case len(b.Backing) > 0:
		return b.Backing[0].Tags
	}
	return nil
}

// Name is that of the first part.
func (b *Backup) Name() string {
	switch {
	case len(b.Images) > 0:
		return b.Images[0].Name
	case len(b.Snapshots) > 0:
		return b.Snapshots[0].Name
	case len(b.Backing) > 0:
		return b.Backing[0].Name
	}
	return ""
}

// Backups gathers what carries a backup id into backups, sorted by place, source, time and id. What another service
// manages is never among them. It is made for a million snapshots: the parts of all backups share one array.
func (w *World) Backups() []*Backup {
	g := gathering{index: map[cloud.Place]map[string]int32{}, list: make([]Backup, 0, len(w.Snapshots)+len(w.Images))}
	for _, list := range placesOf(w.Snapshots, func(s *cloud.Snapshot) cloud.Ref { return s.Ref }) {
		g.index[list.place] = make(map[string]int32, list.things)
	}
	images := make([]int32, len(w.Images))
	for i := range w.Images {
		img := &w.Images[i]
		if id := img.Tags.Value(cloud.TagBackup); id != "" && (!named(img.Name, id) || elsewhere(img.Tags, img.Ref)) {
			images[i] = -1 // somebody's copy, which took our tags along
			continue
		}
		images[i] = g.find(img.Tags.Value(cloud.TagBackup), img.Ref, img.Managed)
	}
	snapshots := make([]int32, len(w.Snapshots))
	for i := range w.Snapshots {
		s := &w.Snapshots[i]
		if w.isCopy(s) {
			snapshots[i] = -1
			continue
		}
		snapshots[i] = g.find(s.Tags.Value(cloud.TagBackup), s.Ref, s.Managed)
	}
	fill(images, w.Images, len(g.list), func(b int32, list []*cloud.Image) { g.list[b].Images = list })
	fill(snapshots, w.Snapshots, len(g.list), func(b int32, list []*cloud.Snapshot) { g.list[b].part(list) })

	bys, held := map[string]cloud.Tags{}, w.heldUnder()
	out := make([]*Backup, len(g.list))
	for i := range g.list {
		g.list[i].judge(bys)
		g.list[i].holdUnder(held)
		out[i] = &g.list[i]
	}
	slices.SortFunc(out, func(a, b *Backup) int {
		if c := cmp.Compare(a.Source, b.Source); c != 0 || a.Place != b.Place { // one after the other: there may be a million
			return cmp.Or(a.Place.Compare(b.Place), c)
		}
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Leftovers lists the ids of backups of which in some place only the snapshots are there that an image stood on.
func (w *World) Leftovers() []string {
	type spot struct {
		place cloud.Place
		id    string
	}
	images := map[spot]bool{}
	for i := range w.Images {
		if id := w.Images[i].Tags.Value(cloud.TagBackup); id != "" {
			images[spot{w.Images[i].Ref.Place(), id}] = true
		}
	}
	var out []string
	for i := range w.Snapshots {
		s := &w.Snapshots[i]
		if id := s.Tags.Value(cloud.TagBackup); id != "" && !s.Tags.Has(cloud.TagParts) && !images[spot{s.Ref.Place(), id}] {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// NameMark is the part of a backup's id that the names of its images and snapshots carry: it tells what we made from
// what a person copied together with its tags.
func NameMark(id string) string { return id[:min(8, len(id))] }

func named(name, id string) bool { return strings.Contains(name, NameMark(id)) }

// isCopy says whether a snapshot carries the tags of a backup without being a part that we made: it is in the wrong place,
// of no disk, or bears another name where a name is not itself a tag that copies take along. Snapshots under images are
// told from copies by the image that stands on them.
func (w *World) isCopy(s *cloud.Snapshot) bool {
	id := s.Tags.Value(cloud.TagBackup)
	if id == "" {
		return false
	}
	if elsewhere(s.Tags, s.Ref) {
		return true
	}
	if !s.Tags.Has(cloud.TagParts) {
		return false
	}
	return DiskOf(s) == "" || !named(s.Name, id) && w.Accounts[s.Ref.Account].Traits.NameTag == ""
}

// crowd is how many things stand together in one place.
type crowd struct {
	place  cloud.Place
	things int
}

// placesOf counts a list that is sorted by place.
func placesOf[T any](list []T, ref func(*T) cloud.Ref) []crowd {
	var out []crowd
	for i := range list {
		r := ref(&list[i])
		if n := len(out); n == 0 || out[n-1].place.Region != r.Region || out[n-1].place.Account != r.Account {
			out = append(out, crowd{place: r.Place()})
		}
		out[len(out)-1].things++
	}
	return out
}

// gathering gives each backup id in each place its number.
type gathering struct {
	index map[cloud.Place]map[string]int32
	place cloud.Place // of the last find: things come sorted by place
	ids   map[string]int32
	list  []Backup
}

func (g *gathering) find(id string, ref cloud.Ref, managed string) int32 {
	if id == "" || managed != "" {
		return -1
	}
	if place := ref.Place(); g.ids == nil || place != g.place {
		if g.index[place] == nil {
			g.index[place] = map[string]int32{}
		}
		g.place, g.ids = place, g.index[place]
	}
	i, ok := g.ids[id]
	if !ok {
		i = int32(len(g.list))
		g.ids[id] = i
		g.list = append(g.list, Backup{ID: id, Place: g.place})
	}
	return i
}

// fill hands each backup its things, as parts of one array. owner says to which backup each thing belongs, -1 to none.
func fill[T any](owner []int32, things []T, backups int, give func(backup int32, list []*T)) {
	ends := make([]int32, backups+1)
	for _, b := range owner {
		if b >= 0 {
			ends[b+1]++
		}
	}
	for b := range backups {
		ends[b+1] += ends[b]
	}
	all := make([]*T, ends[backups])
	next := slices.Clone(ends[:backups])
	for i, b := range owner {
		if b >= 0 {
			all[next[b]] = &things[i]
			next[b]++
		}
	}
	for b := range int32(backups) {
		if from, to := ends[b], ends[b+1]; to > from {
			give(b, all[from:to:to])
		}
	}
}

// part tells the snapshots that are the backup from those that its image stands on.
func (b *Backup) part(list []*cloud.Snapshot) {
	if !slices.ContainsFunc(list, func(s *cloud.Snapshot) bool { return !s.Tags.Has(cloud.TagParts) }) {
		b.Snapshots = list
		return
	}
	for _, s := range list {
		if s.Tags.Has(cloud.TagParts) {
			b.Snapshots = append(b.Snapshots, s)
		} else {
			b.Backing = append(b.Backing, s)
		}
	}
}

// judge fills in what follows from the parts. bys caches what TagBy's texts say.
func (b *Backup) judge(bys map[string]cloud.Tags) {
	if len(b.Snapshots) > 1 {
		slices.SortFunc(b.Snapshots, func(x, y *cloud.Snapshot) int {
			return cmp.Or(x.CreatedAt.Compare(y.CreatedAt), cmp.Compare(x.Ref.ID, y.Ref.ID))
		})
	}
	if len(b.Images) > 1 {
		slices.SortFunc(b.Images, func(x, y *cloud.Image) int {
			return cmp.Or(x.CreatedAt.Compare(y.CreatedAt), cmp.Compare(x.Ref.ID, y.Ref.ID))
		})
	}
	look := func(tags cloud.Tags, locked bool, made time.Time) {
		if v := tags.Value(cloud.TagPolicy); v != "" {
			b.Policy = v
		}
		if v := tags.Value(cloud.TagSource); v != "" {
			b.Source = v
		}
		if v := tags.Value(cloud.TagSlot); v != "" {
			b.Slot = v
		}
		if b.Time.IsZero() || made.Before(b.Time) {
			b.Time = made
		}
		b.Copied = b.Copied || tags.Has(cloud.TagCopy)
		if b.Hold == "" {
			b.Hold = holdOf(tags, locked, bys)
		}
	}
	for _, img := range b.Images {
		look(img.Tags, img.Locked, img.CreatedAt)
	}
	for _, s := range b.Snapshots {
		look(s.Tags, s.Locked, s.CreatedAt)
	}
	for _, s := range b.Backing {
		if !b.isBeside(s) {
			look(s.Tags, s.Locked, s.CreatedAt)
		}
	}
	if b.Copied {
		b.Time = b.At()
	}
	b.Standing, b.Detail = b.stand()
	if b.Standing == Complete && len(b.Images)+len(b.Snapshots) > b.Wanted && !b.Copied {
		b.Time = b.oldestReady() // and not that of a try that failed before
	}
	if b.Copied && b.Hold == "" {
		if what := b.doubled(); what != "" {
			b.Hold = "held: " + what + ", and which of them a person copied cannot be told"
		}
	}
}

// isBeside says whether a snapshot with the backup's tags is under none of its images though they say what they stand on:
// a copy that a person made, which neither holds nor dates the backup.
func (b *Backup) isBeside(s *cloud.Snapshot) bool {
	known := false
	for _, img := range b.Images {
		known = known || len(img.Snapshots) > 0
		if slices.Contains(img.Snapshots, s.Ref.ID) {
			return false
		}
	}
	return known
}

// oldestReady is when the first was made of the parts that make the backup whole.
func (b *Backup) oldestReady() time.Time {
	var out time.Time
	note := func(ref cloud.Ref, at time.Time) {
		if slices.Contains(b.Ready(), ref) && (out.IsZero() || at.Before(out)) {
			out = at
		}
	}
	for _, img := range b.Images {
		note(img.Ref, img.CreatedAt)
	}
	for _, s := range b.Snapshots {
		note(s.Ref, s.CreatedAt)
	}
	return out
}

func (b *Backup) stand() (Standing, string) {
	if len(b.Images) > 0 {
		b.Wanted = 1
		standing, detail := Failed, ""
		for _, img := range b.Images {
			switch img.State {
			case cloud.StateReady:
				return Complete, ""
			case cloud.StateWorking, cloud.StateUnknown:
				standing, detail = Pending, img.Detail
			default:
				if detail == "" {
					detail = img.Detail
				}
			}
		}
		return standing, detail
	}
	if len(b.Snapshots) == 0 {
		b.Wanted = 1
		return Leftover, "its image is gone"
	}
	for _, s := range b.Snapshots {
		if n, err := strconv.Atoi(s.Tags.Value(cloud.TagParts)); err == nil && n > b.Wanted {
			b.Wanted = n
		}
	}
	if b.Wanted < 1 {
		b.Wanted = 1 // a count that a person made unreadable
	}
	disks := map[string]bool{}
	for _, s := range b.Snapshots {
		disks[b.disk(s)] = true
	}
	if len(disks) > b.Wanted && b.Hold == "" {
		b.Hold = "held: it has parts of more disks than were planned: somebody copied one with its tags, or a disk was attached meanwhile"
	}
	ready, working, failed := 0, false, false
	detail := ""
	for i, s := range b.Snapshots {
		switch s.State {
		case cloud.StateReady:
			again := false
			for _, o := range b.Snapshots[:i] {
				again = again || o.State == cloud.StateReady && b.disk(o) == b.disk(s)
			}
			if !again {
				ready++
			}
		case cloud.StateWorking, cloud.StateUnknown:
			working = true
			if detail == "" {
				detail = s.Detail
			}
		default:
			failed = true
			detail = s.Detail
		}
	}
	switch {
	case ready >= b.Wanted:
		return Complete, ""
	case working:
		return Pending, detail
	case failed:
		return Failed, detail
	}
	return Damaged, strconv.Itoa(ready) + " of " + strconv.Itoa(b.Wanted) + " snapshots are there"
}
