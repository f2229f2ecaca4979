package fakeaws

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// NewInstance describes an instance that is there without having been run.
type NewInstance struct {
	Tags      map[string]string
	Type      string    // t3.micro when empty
	Zone      string    // the region's first when empty
	State     string    // running when empty
	Disks     []NewDisk // one of 8 GiB when nil; the first is the root
	LocalRoot bool      // its root is on the host; Disks are all data disks
}

// NewDisk describes a disk of such an instance.
type NewDisk struct {
	GiB  int    // 8 when zero
	Type string // gp3 when empty
	Tags map[string]string
	// Encrypted is with EBS's own key.
	Encrypted bool
}

// AddInstance puts an instance there, found at once, and gives its id.
func (f *Fake) AddInstance(region string, in NewInstance) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addInstance(f.region(region), in)
}

// AddInstances puts n instances of some disks each there; tags says what the i-th one carries.
func (f *Fake) AddInstances(region string, n, disks int, tags func(i int) map[string]string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.region(region)
	out := make([]string, n)
	for i := range n {
		in := NewInstance{Disks: make([]NewDisk, disks)}
		if tags != nil {
			in.Tags = tags(i)
		}
		out[i] = f.addInstance(r, in)
	}
	return out
}

// region is one that has to exist; the lock is held.
func (f *Fake) region(name string) *region {
	r := f.state.Regions[name]
	if r == nil {
		panic(fmt.Sprintf("fakeaws: no region %q", name)) // a mistake in the test
	}
	r.settle(f.opt.Now())
	f.version++
	return r
}

func (f *Fake) addInstance(r *region, n NewInstance) string {
	now := f.opt.Now().UTC()
	in := &Instance{
		Meta: f.fresh("i", now, n.Tags), Type: cmp.Or(n.Type, "t3.micro"), Image: BaseImage, Zone: cmp.Or(n.Zone, r.Name+"a"),
		Launched: now, LocalRoot: n.LocalRoot,
	}
	if !n.LocalRoot {
		in.RootDevice = "/dev/xvda"
	}
	in.Subnet = defaultSubnet(in.Zone)
	in.change(now, cmp.Or(n.State, "running"), cmp.Or(n.State, "running"), 0)
	r.Instances.add(in)
	if n.Disks == nil && !n.LocalRoot {
		n.Disks = []NewDisk{{}}
	}
	for i, d := range n.Disks {
		device := "/dev/xvda"
		if i > 0 || n.LocalRoot {
			device = "/dev/sd" + string(rune('f'+i))
		}
		v := &Volume{
			Meta: f.fresh("vol", now, d.Tags), GiB: cmp.Or(d.GiB, 8), Type: cmp.Or(d.Type, "gp3"), Zone: in.Zone, ReadyAt: now,
			Keep: i > 0, Encrypted: d.Encrypted,
		}
		r.Volumes.add(v)
		r.attach(v, in, device, now)
	}
	return in.ID
}

// AddVolume puts a disk there that is attached to nothing.
func (f *Fake) AddVolume(region string, d NewDisk) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.region(region)
	now := f.opt.Now().UTC()
	v := &Volume{
		Meta: f.fresh("vol", now, d.Tags), GiB: cmp.Or(d.GiB, 8), Type: cmp.Or(d.Type, "gp3"), Zone: r.Name + "a", ReadyAt: now, Keep: true,
	}
	r.Volumes.add(v)
	return v.ID
}

// AddSnapshot puts a snapshot there as it is given, except for its id, which is new and returned; without an Owner it is
// the account's, without a Created it is of now, without an End it is completed.
func (f *Fake) AddSnapshot(region string, s Snapshot) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.region(region)
	s.Meta = f.adopt("snap", s.Meta)
	if s.End == "" {
		s.End, s.DoneAt = "completed", s.Created
	}
	s.GiB, s.VolumeID = cmp.Or(s.GiB, 8), cmp.Or(s.VolumeID, "vol-ffffffff")
	r.Snapshots.add(&s)
	return s.ID
}

// AddImage puts an image there as it is given; for what is left out see AddSnapshot. Without Mappings it gets a snapshot
// of its own.
func (f *Fake) AddImage(region string, m Image) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.region(region)
	m.Meta = f.adopt("ami", m.Meta)
	if m.End == "" {
		m.End, m.DoneAt = "available", m.Created
	}
	m.Name, m.RootDevice = cmp.Or(m.Name, m.ID), cmp.Or(m.RootDevice, "/dev/xvda")
	if m.Mappings == nil {
		s := &Snapshot{Meta: f.adopt("snap", Meta{Created: m.Created, Owner: m.Owner}), VolumeID: "vol-ffffffff", GiB: 8, DoneAt: m.DoneAt, End: "completed"}
		r.Snapshots.add(s)
		m.Mappings = []Mapping{{Device: m.RootDevice, SnapshotID: s.ID, GiB: 8, Type: "gp3"}}
	}
	r.Images.add(&m)
	return m.ID
}

func (f *Fake) adopt(prefix string, m Meta) Meta {
	fresh := f.fresh(prefix, f.opt.Now(), m.Tags)
	fresh.Owner = cmp.Or(m.Owner, fresh.Owner)
	if !m.Created.IsZero() {
		fresh.Created = m.Created.UTC()
	}
	return fresh
}

// Tag sets tags on anything, AWS's own ones too; Untag takes keys off.
func (f *Fake) Tag(region, id string, tags map[string]string) {
	f.edit(region, id, func(m *Meta) {
		if m.Tags == nil {
			m.Tags = map[string]string{}
		}
		maps.Copy(m.Tags, tags)
	})
}

// Untag takes keys off anything.
func (f *Fake) Untag(region, id string, keys ...string) {
	f.edit(region, id, func(m *Meta) {
		for _, k := range keys {
			delete(m.Tags, k)
		}
	})
}

func (f *Fake) edit(region, id string, change func(*Meta)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.region(region)
	c := &call{f: f, region: r, now: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} // sees what is not visible yet
	m, err := c.tagged(id)
	if err != nil {
		panic("fakeaws: " + err.Error()) // a mistake in the test
	}
	change(m)
}

// Settle lets what is under way on a thing end now: a snapshot or an image well, badly or (Hangs) never, with an image its
// snapshots too; a volume or an instance in the state that it was going to. It says whether there is such a thing.
func (f *Fake) Settle(region, id string, fate Fate) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.region(region)
	now := f.opt.Now().UTC()
	defer r.settle(now)
	defer f.offer(region, id)
	for i := range r.Due {
		if r.Due[i].ID == id && now.Before(r.Due[i].At) && fate != Hangs {
			if _, ended := r.Instances.find(id); !ended { // one that has ended stays listed for its time
				r.Due[i].At = now
			}
		}
	}
	if s, ok := r.Snapshots.find(id); ok {
		s.endNow(fate, now)
		return true
	}
	if m, ok := r.Images.find(id); ok {
		if m.Doomed && fate == Completes {
			fate = Fails
		}
		m.End, m.DoneAt = "available", now
		switch fate {
		case Fails:
			m.End, m.Message = "failed", cmp.Or(m.Message, "Instance creation failed")
		case Hangs:
			m.DoneAt = time.Time{}
		}
		for _, d := range m.Mappings {
			if s, ok := r.Snapshots.find(d.SnapshotID); ok {
				s.endNow(fate, now)
			}
		}
		return true
	}
	if v, ok := r.Volumes.find(id); ok {
		v.ReadyAt = now
		return true
	}
	in, ok := r.Instances.find(id)
	if ok {
		in.ChangeAt = now
		for i := range r.Due { // the disks that end with it
			if slices.Contains(in.Volumes, r.Due[i].ID) {
				r.Due[i].At = now
			}
		}
	}
	return ok
}

func (s *Snapshot) endNow(fate Fate, now time.Time) {
	if s.DoneAt = now; s.Doomed && fate == Completes {
		return
	}
	s.End = "completed"
	s.fate(fate)
}

// EditImage changes an image by hand: Protection, Disabled, Deprecated …
func (f *Fake) EditImage(region, id string, change func(*Image)) { edit(f, region, id, change) }

// EditSnapshot changes a snapshot by hand.
func (f *Fake) EditSnapshot(region, id string, change func(*Snapshot)) { edit(f, region, id, change) }

// EditInstance changes an instance by hand; for its state use SetState.
func (f *Fake) EditInstance(region, id string, change func(*Instance)) { edit(f, region, id, change) }

// SetState puts an instance into a state at once.
func (f *Fake) SetState(region, id, state string) {
	edit(f, region, id, func(in *Instance) { in.From, in.To = state, state })
}

func edit[T any](f *Fake, region, id string, change func(*T)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.region(region)
	var found any
	if v, ok := r.Images.find(id); ok {
		found = v
	} else if v, ok := r.Snapshots.find(id); ok {
		found = v
	} else if v, ok := r.Instances.find(id); ok {
		found = v
	}
	v, ok := found.(*T)
	if !ok {
		panic(fmt.Sprintf("fakeaws: nothing of that kind is called %q", id)) // a mistake in the test
	}
	change(v)
	f.offer(region, id)
}

// Instances gives copies of a region's instances, oldest first.
func (f *Fake) Instances(where string) []Instance {
	return rows(f, where, func(r *region) []*Instance { return r.Instances.Rows })
}

// Volumes gives copies of a region's volumes, oldest first.
func (f *Fake) Volumes(where string) []Volume {
	return rows(f, where, func(r *region) []*Volume { return r.Volumes.Rows })
}

// Snapshots gives copies of the account's snapshots in a region, oldest first.
func (f *Fake) Snapshots(where string) []Snapshot {
	return own(f, rows(f, where, func(r *region) []*Snapshot { return r.Snapshots.Rows }))
}

// Images gives copies of the account's images in a region, oldest first.
func (f *Fake) Images(where string) []Image {
	return own(f, rows(f, where, func(r *region) []*Image { return r.Images.Rows }))
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

func own[T any](f *Fake, all []T) []T {
	return slices.DeleteFunc(all, func(v T) bool { return any(&v).(record).meta().Owner != f.opt.Account })
}

// Save writes everything that is stored as JSON.
func (f *Fake) Save(w io.Writer) error {
	f.mu.Lock()
	b, err := json.Marshal(f.state)
	f.mu.Unlock()
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	_, err = w.Write(b)
	return err
}

// Load replaces everything that is stored by what Save wrote.
func (f *Fake) Load(r io.Reader) error {
	var s state
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if s.Account == "" || len(s.Regions) == 0 {
		return fmt.Errorf("state: not the state of an AWS account")
	}
	if s.Sessions == nil {
		s.Sessions = map[string]session{}
	}
	for name, r := range s.Regions {
		if r == nil {
			return fmt.Errorf("state: region %q is empty", name)
		}
		if err := errors.Join(r.Instances.index("i"), r.Volumes.index("vol"), r.Snapshots.index("snap"), r.Images.index("ami"), r.Templates.index("lt")); err != nil {
			return fmt.Errorf("state: region %q: %w", name, err)
		}
		if r.Gone == nil || r.Tokens == nil || r.Making == nil {
			return fmt.Errorf("state: region %q is not whole", name)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state, f.opt.Account = s, s.Account
	f.version++
	for name, r := range s.Regions {
		for _, m := range r.Images.Rows {
			f.offer(name, m.ID)
		}
		for _, s := range r.Snapshots.Rows {
			f.offer(name, s.ID)
		}
	}
	return nil
}

// SaveFile writes the state to a file, whole or not at all.
func (f *Fake) SaveFile(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails once it is renamed
	if err := f.Save(tmp); err != nil {
		_ = tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// LoadFile reads what SaveFile wrote; the error is fs.ErrNotExist when there is no such file.
func (f *Fake) LoadFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return f.Load(file)
}
