package sim

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
)

// thing is a snapshot, an image, a disk or an instance as it truly is, with its history.
type thing struct {
	ref     cloud.Ref
	name    string
	tags    cloud.Tags
	born    cloud.Tags // as it was made
	before  cloud.Tags // until they were last changed
	state   cloud.State
	power   cloud.Power
	disk    string
	under   []string // of an image: the snapshots that it stands on
	disks   []string // of an instance
	madeAt  time.Time
	ours    bool // made by the program
	image   *thing
	locked  bool
	held    time.Time   // since when it is held; zero when it is not
	ready   bool        // it was ready at some time
	goneAt  time.Time   // zero while it is there
	goneBy  string      // "people" or a process
	worked  time.Time   // when it was last seen to be in the making
	history []tagsSince // of an instance
	seen    int
}

type tagsSince struct {
	tags cloud.Tags
	at   time.Time
}

// stalled says whether it is still in the making.
func (t *thing) stalled() bool { return t.goneAt.IsZero() && t.state == cloud.StateWorking }

// backup is what the program made for one policy, source and slot in one place.
type backup struct {
	policy, source, slot string
	place                cloud.Place
	parts                []*thing
	wanted               int         // snapshots; zero: an image
	first                time.Time   // when its first part was made
	complete             time.Time   // when it was first seen to be complete; zero: never
	whole                []timeRange // when it was complete and nobody held it
	going                bool        // the program has rightly begun to delete it
	readUntil            time.Time   // it is being restored from
	unmade               bool        // the program has deleted its image
}

type timeRange struct{ from, to time.Time } // to is zero while it goes on

// model knows what is truly there.
type model struct {
	s       *Sim
	there   map[cloud.Ref]*thing
	lately  map[string]*thing  // instances that are gone, by what backups call their source
	backups map[string]*backup // by id and place
	order   []string           // of backups, as they came
	strange map[cloud.Ref]cloud.Tags
	leaving map[cloud.Ref]bool // what was deleted and is not gone yet
	edits   []time.Time
	lost    time.Time // when the database was last lost
	gen     int
	runs    map[string]*deletions
}

// deletions are what one run deleted.
type deletions struct {
	backups map[string]bool
	total   int
}

func newModel(s *Sim) *model {
	return &model{
		s: s, there: map[cloud.Ref]*thing{}, lately: map[string]*thing{}, backups: map[string]*backup{}, strange: map[cloud.Ref]cloud.Tags{}, runs: map[string]*deletions{},
		leaving: map[cloud.Ref]bool{},
	}
}

// changes are what differs from the last look.
type changes struct {
	made, gone, retagged []*thing
}

// see looks at what is truly there. What changed since the last look was done by who; by the program when ours.
func (m *model) see(now time.Time, who string, ours bool) changes {
	var out changes
	m.gen++
	for _, a := range m.s.spec.Accounts {
		truth := m.s.clouds[a.name].Truth()
		for i := range truth.Instances {
			v := &truth.Instances[i]
			t := m.meet(&out, v.Ref, v.Tags, now, ours)
			if t.power = v.Power; len(t.history) == 0 || !t.history[len(t.history)-1].tags.Equal(v.Tags) {
				t.history = append(t.history, tagsSince{v.Tags, now})
			}
			t.disks = t.disks[:0]
			for _, d := range v.Disks {
				t.disks = append(t.disks, d.Disk)
			}
			t.madeAt = v.CreatedAt
		}
		for i := range truth.Disks {
			v := &truth.Disks[i]
			m.meet(&out, v.Ref, v.Tags, now, ours).state = v.State
		}
		for i := range truth.Snapshots {
			v := &truth.Snapshots[i]
			t := m.meet(&out, v.Ref, v.Tags, now, ours)
			t.state, t.disk, t.locked, t.madeAt, t.name = v.State, v.Disk, v.Locked, v.CreatedAt, v.Name
			t.ready = t.ready || v.State == cloud.StateReady
		}
		for i := range truth.Images {
			v := &truth.Images[i]
			t := m.meet(&out, v.Ref, v.Tags, now, ours)
			t.state, t.under, t.locked, t.madeAt = v.State, v.Snapshots, v.Locked, v.CreatedAt
			t.ready = t.ready || v.State == cloud.StateReady
		}
	}
	for _, a := range m.s.spec.Accounts {
		for _, ref := range m.s.clouds[a.name].Leaving() {
			if t, ok := m.there[ref]; ok { // its end was asked for, and that is what is judged
				t.seen = 0
			}
			m.leaving[ref] = true
		}
	}
	for ref, t := range m.there {
		if t.state == cloud.StateWorking {
			t.worked = now
		}
		if t.seen != m.gen {
			t.goneAt, t.goneBy = now, who
			delete(m.there, ref)
			if ref.Kind == cloud.KindInstance {
				m.lately[ref.Source()] = t
			}
			out.gone = append(out.gone, t)
		}
	}
	for _, list := range [][]*thing{out.made, out.gone, out.retagged} {
		slices.SortFunc(list, func(a, b *thing) int { return a.ref.Compare(b.ref) })
	}
	for _, t := range out.made {
		m.place(t, out.made)
	}
	m.judgeHolds(now)
	m.judgeBackups(now)
	return out
}

// meet finds or adds the thing.
func (m *model) meet(out *changes, ref cloud.Ref, tags cloud.Tags, now time.Time, ours bool) *thing {
	if m.leaving[ref] {
		return &thing{ref: ref}
	}
	t, ok := m.there[ref]
	switch {
	case !ok:
		t = &thing{ref: ref, tags: tags, born: tags, ours: ours}
		m.there[ref] = t
		out.made = append(out.made, t)
	case !t.tags.Equal(tags):
		t.before, t.tags = t.tags, tags
		out.retagged = append(out.retagged, t)
	}
	t.seen = m.gen
	return t
}

// place puts something that the program made into its backup. What an image stands on belongs to the image's.
func (m *model) place(t *thing, together []*thing) {
	if !t.ours || t.ref.Kind != cloud.KindSnapshot && t.ref.Kind != cloud.KindImage {
		return
	}
	born := t.born
	for _, o := range together {
		if o.ref.Kind == cloud.KindImage && o.ref.Place() == t.ref.Place() && slices.Contains(o.under, t.ref.ID) {
			t.image, born = o, o.born
		}
	}
	id := born.Value(cloud.TagBackup)
	if id == "" {
		return
	}
	key := id + " " + t.ref.Place().String()
	b, ok := m.backups[key]
	if !ok {
		b = &backup{policy: born.Value(cloud.TagPolicy), source: born.Value(cloud.TagSource), slot: born.Value(cloud.TagSlot), place: t.ref.Place(), first: t.madeAt}
		b.wanted, _ = strconv.Atoi(born.Value(cloud.TagParts))
		m.backups[key] = b
		m.order = append(m.order, key)
	}
	b.parts = append(b.parts, t)
}

func (m *model) backupOf(t *thing) *backup {
	born := t.born
	if t.image != nil {
		born = t.image.born
	}
	return m.backups[born.Value(cloud.TagBackup)+" "+t.ref.Place().String()]
}

// isHeld is law 4, in the model's own words.
func isHeld(t *thing) bool {
	if t.locked || t.tags.Has(cloud.TagHold) {
		return true
	}
	if !t.born.Has(cloud.TagBackup) {
		return false // it never had our tags
	}
	if !t.tags.Has(cloud.TagPolicy) || !t.tags.Has(cloud.TagBy) {
		return true
	}
	for _, pair := range strings.Fields(t.born.Value(cloud.TagBy)) {
		key, value, _ := strings.Cut(pair, "=")
		if got, ok := t.tags.Find(key); !ok || got != value {
			return true
		}
	}
	return false
}

func (m *model) judgeHolds(now time.Time) {
	for _, t := range m.there {
		switch held := isHeld(t); {
		case held && t.held.IsZero():
			t.held = now
		case !held:
			t.held = time.Time{}
		}
	}
}

// isComplete counts what is there and ready.
func (b *backup) isComplete(also *thing) bool {
	disks := map[string]bool{}
	for _, t := range b.parts {
		if !t.goneAt.IsZero() && t != also || t.state != cloud.StateReady {
			continue
		}
		if t.ref.Kind == cloud.KindImage {
			return true
		}
		if t.image == nil {
			disks[t.disk] = true
		}
	}
	return b.wanted > 0 && len(disks) >= b.wanted
}

// gone says whether nothing of it is there any more.
func (b *backup) gone() bool {
	return !slices.ContainsFunc(b.parts, func(t *thing) bool { return t.goneAt.IsZero() })
}

// heldBy is since when any part of it is held.
func (b *backup) heldBy() time.Time {
	for _, t := range b.parts {
		if t.goneAt.IsZero() && !t.held.IsZero() {
			return t.held
		}
	}
	return time.Time{}
}

func (m *model) judgeBackups(now time.Time) {
	for _, key := range m.order {
		b := m.backups[key]
		open := len(b.whole) > 0 && b.whole[len(b.whole)-1].to.IsZero()
		if b.gone() {
			if open {
				b.whole[len(b.whole)-1].to = now
			}
			continue
		}
		complete := b.isComplete(nil)
		if complete && b.complete.IsZero() {
			b.complete = now
		}
		switch counts := complete && b.heldBy().IsZero(); {
		case counts && !open:
			b.whole = append(b.whole, timeRange{from: now})
		case !counts && open:
			b.whole[len(b.whole)-1].to = now
		}
	}
	// What is gone for good and was never of interest again costs time in every look.
	if len(m.order) > 400 {
		m.order = slices.DeleteFunc(m.order, func(key string) bool {
			b := m.backups[key]
			return b.gone() && b.whole != nil && now.Sub(b.whole[len(b.whole)-1].to) > 7*24*time.Hour
		})
	}
}

// at is the moment that it holds: when the first was made of the parts that are good, or were when it was whole.
func (b *backup) at() time.Time {
	out := b.first
	found := false
	for _, t := range b.parts {
		if t.ready && t.image == nil && (!found || t.madeAt.Before(out)) {
			out, found = t.madeAt, true
		}
	}
	return out
}

// latest is when the last of its parts was made: the newest that the program may take it for.
func (b *backup) latest() time.Time {
	out := b.first
	for _, t := range b.parts {
		if t.madeAt.After(out) {
			out = t.madeAt
		}
	}
	return out
}

// counted says whether the backup counted at some time since then.
func (b *backup) counted(since time.Time) bool {
	return slices.ContainsFunc(b.whole, func(r timeRange) bool { return r.to.IsZero() || r.to.After(since) })
}

// reading is how long what was restored from must stay: what the program promises, less what its clocks may be wrong.
const reading = 23 * time.Hour

// restoredFrom says whether an instance is there that was restored from the backup, and says so. Disks are not looked at.
func (m *model) restoredFrom(id string) bool {
	for _, t := range m.there {
		if t.ref.Kind == cloud.KindInstance && t.tags.Value(cloud.TagRestored) == id {
			return true
		}
	}
	return false
}

// siblings are the backups of the same policy and source in the same place, in the order in which they came.
func (m *model) siblings(b *backup) []*backup {
	var out []*backup
	for _, key := range m.order {
		if o := m.backups[key]; o.policy == b.policy && o.source == b.source && o.place == b.place {
			out = append(out, o)
		}
	}
	return out
}

// source finds the instance of a stint:source.
func (m *model) source(text string) *thing {
	parts := strings.SplitN(text, "/", 3)
	if len(parts) != 3 {
		return nil
	}
	return m.there[cloud.Ref{Account: parts[0], Region: parts[1], Kind: cloud.KindInstance, ID: parts[2]}]
}

// list gives what is there, in order.
func (m *model) list() []*thing {
	out := make([]*thing, 0, len(m.there))
	for _, t := range m.there {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *thing) int { return a.ref.Compare(b.ref) })
	return out
}

// foreign puts things into the cloud that are somebody else's.
func (m *model) foreign(c *memcloud.Cloud, inst cloud.Instance) {
	for i, tags := range []map[string]string{{"Name": "by-hand"}, {"stint:policy": "p1", "keep-p1": "2"}} {
		client := cloud.NewClient(c.Account(), c.Provider())
		snap, err := client.CreateSnapshot(m.s.ctx, cloud.NewSnapshot{Region: inst.Ref.Region, Disk: inst.Disks[0].Disk, Name: "foreign-" + strconv.Itoa(i), Tags: cloud.TagsOf(tags)})
		if err != nil {
			panic(err)
		}
		m.strange[snap.Ref] = snap.Tags
	}
}

// edited notes that the policies were changed.
func (m *model) edited(now time.Time) { m.edits = append(m.edits, now) }

// forgot notes that the database was lost.
func (m *model) forgot(now time.Time) { m.lost = now }
