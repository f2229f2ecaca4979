package fakealibaba

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// NewInstance describes an instance that is there without having been run.
type NewInstance struct {
	Name   string // its id when empty
	Tags   map[string]string
	Type   string    // ecs.g7.large when empty
	Zone   string    // the region's first when empty
	Status string    // Running when empty
	Disks  []NewDisk // one of 40 GiB when nil; the first is the system disk
}

// NewDisk describes a disk of such an instance.
type NewDisk struct {
	GiB      int    // 40 when zero
	Category string // cloud_essd when empty
	Tags     map[string]string
}

// AddInstance puts an instance there, found at once, and gives its id.
func (f *Fake) AddInstance(where string, in NewInstance) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addInstance(f.region(where), in)
}

// AddInstances puts n instances of some disks each there; of says what the i-th one is.
func (f *Fake) AddInstances(where string, n, disks int, of func(i int) NewInstance) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.region(where)
	out := make([]string, n)
	for i := range n {
		var in NewInstance
		if of != nil {
			in = of(i)
		}
		if in.Disks == nil {
			in.Disks = make([]NewDisk, disks)
		}
		out[i] = f.addInstance(r, in)
	}
	return out
}

// region is one that has to exist; the lock is held.
func (f *Fake) region(name string) *region {
	r := f.state.Regions[name]
	if r == nil {
		panic(fmt.Sprintf("fakealibaba: no region %q", name)) // a mistake in the test
	}
	r.settle(f.opt.Now())
	f.version++
	return r
}

func (f *Fake) regionNames() []string { return slices.Sorted(maps.Keys(f.state.Regions)) }

func (f *Fake) addInstance(r *region, n NewInstance) string {
	now := f.opt.Now().UTC()
	in := &Instance{
		Meta: f.fresh("i", now, n.Tags), Type: cmp.Or(n.Type, "ecs.g7.large"), Image: BaseImage, Zone: cmp.Or(n.Zone, r.Name+"-a"),
		VSwitch: "vsw-" + r.Name + "-a", SecurityGroups: []string{"sg-" + r.Name},
	}
	in.Name = cmp.Or(n.Name, in.ID)
	in.pass(now, 0, cmp.Or(n.Status, "Running"))
	r.Instances.add(in)
	if n.Disks == nil {
		n.Disks = []NewDisk{{}}
	}
	for i, d := range n.Disks {
		disk := &Disk{
			Meta: f.fresh("d", now, d.Tags), GiB: cmp.Or(d.GiB, 40), Category: cmp.Or(d.Category, "cloud_essd"), Type: "data", Zone: in.Zone, ReadyAt: now,
		}
		if i == 0 {
			disk.Type = "system"
		}
		r.Disks.add(disk)
		attach(disk, in, i)
	}
	return in.ID
}

// AddSnapshot puts a snapshot there as it is given, except for its id, which is new and returned; without a Created it is of
// now, without an End it is accomplished.
func (f *Fake) AddSnapshot(where string, s Snapshot) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.region(where)
	s.Meta = f.adopt("s", s.Meta)
	if s.End == "" {
		s.End, s.DoneAt = "accomplished", s.Created
	}
	s.GiB, s.Type, s.DiskType = cmp.Or(s.GiB, 40), cmp.Or(s.Type, "user"), cmp.Or(s.DiskType, "system")
	r.Snapshots.add(&s)
	return s.ID
}

// AddImage puts an image there as it is given; for what is left out see AddSnapshot. Without Mappings it gets a snapshot of
// its own.
func (f *Fake) AddImage(where string, m Image) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.region(where)
	m.Meta = f.adopt("m", m.Meta)
	if m.End == "" {
		m.End, m.DoneAt = "Available", m.Created
	}
	m.Name, m.Alias = cmp.Or(m.Name, m.ID), cmp.Or(m.Alias, "self")
	if m.Mappings == nil {
		s := &Snapshot{Meta: f.adopt("s", Meta{Created: m.Created}), DiskType: "system", Type: "user", GiB: 40, DoneAt: m.DoneAt, End: "accomplished"}
		r.Snapshots.add(s)
		m.Mappings = []Mapping{{Device: "/dev/xvda", Type: "system", SnapshotID: s.ID, GiB: 40}}
	}
	r.Images.add(&m)
	return m.ID
}

func (f *Fake) adopt(prefix string, m Meta) Meta {
	fresh := f.fresh(prefix, f.opt.Now(), m.Tags)
	fresh.Name, fresh.Description = m.Name, m.Description
	if !m.Created.IsZero() {
		fresh.Created = m.Created.UTC()
	}
	return fresh
}

// Tag sets tags on anything, the cloud's own ones too; Untag takes keys off.
func (f *Fake) Tag(where, id string, tags map[string]string) {
	f.edit(where, id, func(m *Meta) {
		if m.Tags == nil {
			m.Tags = map[string]string{}
		}
		maps.Copy(m.Tags, tags)
	})
}

// Untag takes keys off anything.
func (f *Fake) Untag(where, id string, keys ...string) {
	f.edit(where, id, func(m *Meta) {
		for _, k := range keys {
			delete(m.Tags, k)
		}
	})
}

func (f *Fake) edit(where, id string, change func(*Meta)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.region(where).any(id)
	if v == nil {
		panic(fmt.Sprintf("fakealibaba: nothing is called %q", id)) // a mistake in the test
	}
	change(v.meta())
}

// any finds what an id names, whatever its kind.
func (r *region) any(id string) record {
	if v, ok := r.Instances.find(id); ok {
		return v
	}
	if v, ok := r.Disks.find(id); ok {
		return v
	}
	if v, ok := r.Snapshots.find(id); ok {
		return v
	}
	if v, ok := r.Images.find(id); ok {
		return v
	}
	if v, ok := r.Groups.find(id); ok {
		return v
	}
	if v, ok := r.Templates.find(id); ok {
		return v
	}
	return nil
}

// Remove takes anything away, as a person may do in the console; an instance with its disks.
func (f *Fake) Remove(where, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.region(where)
	if in, ok := r.Instances.find(id); ok {
		r.drop(in)
	}
	r.Disks.remove(id)
	r.Snapshots.remove(id)
	r.Images.remove(id)
	r.Groups.remove(id)
	r.Templates.remove(id)
}

// Settle lets what is under way on a thing end now: a snapshot or an image well, badly or (Hangs) never, with an image its
// snapshots too; a disk or an instance in the state that it was going to. It says whether there is such a thing.
func (f *Fake) Settle(where, id string, fate Fate) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.region(where)
	now := f.opt.Now().UTC()
	switch v := r.any(id).(type) {
	case *Snapshot:
		v.endNow(fate, now)
	case *Image:
		v.End, v.StartAt, v.DoneAt, v.UsableAt = "Available", time.Time{}, now, now
		switch fate {
		case Fails:
			v.End = "CreateFailed"
		case Hangs:
			v.DoneAt = time.Time{}
		}
		for _, d := range v.Mappings {
			if s, ok := r.Snapshots.find(d.SnapshotID); ok {
				s.endNow(fate, now)
			}
		}
	case *Disk:
		v.ReadyAt = now
	case *Instance:
		for i := range v.Steps {
			v.Steps[i].At = now
		}
	default:
		return false
	}
	return true
}

func (s *Snapshot) endNow(fate Fate, now time.Time) {
	s.End, s.DoneAt = "accomplished", now
	s.fate(fate)
}

// EditImage changes an image by hand.
func (f *Fake) EditImage(where, id string, change func(*Image)) { edit(f, where, id, change) }

// EditSnapshot changes a snapshot by hand: LockEnds, Managed …
func (f *Fake) EditSnapshot(where, id string, change func(*Snapshot)) { edit(f, where, id, change) }

// EditInstance changes an instance by hand; for its state use SetState.
func (f *Fake) EditInstance(where, id string, change func(*Instance)) { edit(f, where, id, change) }

// EditDisk changes a disk by hand.
func (f *Fake) EditDisk(where, id string, change func(*Disk)) { edit(f, where, id, change) }

// SetState puts an instance into a state at once.
func (f *Fake) SetState(where, id, state string) {
	edit(f, where, id, func(in *Instance) { in.Steps = []Step{{State: state}} })
}

func edit[T any](f *Fake, where, id string, change func(*T)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := any(f.region(where).any(id)).(*T)
	if !ok {
		panic(fmt.Sprintf("fakealibaba: nothing of that kind is called %q", id)) // a mistake in the test
	}
	change(v)
}

// Instances gives copies of a region's instances, oldest first.
func (f *Fake) Instances(where string) []Instance {
	return rows(f, where, func(r *region) []*Instance { return r.Instances.Rows })
}

// Disks gives copies of a region's disks, oldest first.
func (f *Fake) Disks(where string) []Disk {
	return rows(f, where, func(r *region) []*Disk { return r.Disks.Rows })
}

// Snapshots gives copies of the snapshots in a region, oldest first.
func (f *Fake) Snapshots(where string) []Snapshot {
	return rows(f, where, func(r *region) []*Snapshot { return r.Snapshots.Rows })
}

// Images gives copies of the account's images in a region, oldest first.
func (f *Fake) Images(where string) []Image {
	return slices.DeleteFunc(rows(f, where, func(r *region) []*Image { return r.Images.Rows }), func(m Image) bool { return m.Alias != "self" })
}

func rows[T any](f *Fake, where string, of func(*region) []*T) []T {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []T
	for _, v := range of(f.region(where)) {
		out = append(out, *v)
		m := any(&out[len(out)-1]).(record).meta()
		m.Tags = maps.Clone(m.Tags)
	}
	return out
}
