package faketencent

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
	Name      string // "unnamed" in Chinese when empty, as the cloud has it
	Tags      map[string]string
	Type      string    // S5.SMALL1 when empty
	Zone      string    // the region's first when empty
	State     string    // RUNNING when empty
	Charge    string    // POSTPAID_BY_HOUR when empty
	Disks     []NewDisk // one of 50 GiB when nil; the first is the system disk
	LocalRoot bool      // its system disk is on the host; Disks are all data disks
}

// NewDisk describes a disk of such an instance.
type NewDisk struct {
	GiB  int    // 50 when zero
	Type string // CLOUD_PREMIUM when empty
	Tags map[string]string
}

// AddInstance puts an instance there, found at once, and gives its id.
func (a *Account) AddInstance(region string, n NewInstance) string {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	r := a.region(region)
	now := a.f.opt.Now().UTC()
	in := &Instance{
		Meta: a.f.fresh("ins", now, n.Tags), Name: cmp.Or(n.Name, unnamed), Type: cmp.Or(n.Type, "S5.SMALL1"), Image: BaseImage,
		Zone: cmp.Or(n.Zone, region+"-1"), Vpc: "vpc-default1", Subnet: "subnet-default1", Charge: cmp.Or(n.Charge, "POSTPAID_BY_HOUR"), LocalRoot: n.LocalRoot,
	}
	in.change(now, "RunInstances", cmp.Or(n.State, "RUNNING"), cmp.Or(n.State, "RUNNING"), 0)
	if n.Disks == nil && !n.LocalRoot {
		n.Disks = []NewDisk{{}}
	}
	for i, d := range n.Disks {
		usage := dataDisk
		if i == 0 && !n.LocalRoot {
			usage = systemDisk
		}
		v := &Disk{
			Meta: a.f.fresh("disk", now, d.Tags), Name: unnamed, GiB: cmp.Or(d.GiB, 50), Type: cmp.Or(d.Type, "CLOUD_PREMIUM"), Zone: in.Zone, Usage: usage,
			ReadyAt: now, Instance: in.ID, Keep: usage == dataDisk,
		}
		r.Disks.add(v)
		in.Disks = append(in.Disks, v.ID)
	}
	r.Instances.add(in)
	return in.ID
}

// region is one that has to exist; the lock is held.
func (a *Account) region(name string) *region {
	r := a.f.state.Accounts[a.uin].Regions[name]
	if r == nil {
		panic(fmt.Sprintf("faketencent: no region %q", name)) // a mistake in the test
	}
	r.settle(a.f.opt.Now())
	a.f.version++
	return r
}

// AddDisk puts a data disk there that is attached to nothing.
func (a *Account) AddDisk(region string, d NewDisk) string {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	r := a.region(region)
	now := a.f.opt.Now().UTC()
	v := &Disk{
		Meta: a.f.fresh("disk", now, d.Tags), Name: unnamed, GiB: cmp.Or(d.GiB, 50), Type: cmp.Or(d.Type, "CLOUD_PREMIUM"), Zone: region + "-1", Usage: dataDisk,
		ReadyAt: now, Keep: true,
	}
	r.Disks.add(v)
	return v.ID
}

// AddSnapshot puts a snapshot there as it is given, except for its id, which is new and returned. Without a Created it is
// of now, and it is complete.
func (a *Account) AddSnapshot(region string, s Snapshot) string {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	r := a.region(region)
	s.Meta = a.adopt("snap", s.Meta)
	s.DoneAt, s.GiB, s.Usage, s.Name = s.Created, cmp.Or(s.GiB, 50), cmp.Or(s.Usage, dataDisk), cmp.Or(s.Name, unnamed)
	r.Snapshots.add(&s)
	return s.ID
}

// AddImage puts an image there as it is given; for what is left out see AddSnapshot.
func (a *Account) AddImage(region string, m Image) string {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	r := a.region(region)
	m.Meta = a.adopt("img", m.Meta)
	m.Name, m.Type, m.GiB, m.DoneAt = cmp.Or(m.Name, m.ID), cmp.Or(m.Type, privateImage), cmp.Or(m.GiB, 50), m.Created
	r.Images.add(&m)
	return m.ID
}

func (a *Account) adopt(kind string, m Meta) Meta {
	fresh := a.f.fresh(kind, a.f.opt.Now(), m.Tags)
	if !m.Created.IsZero() {
		fresh.Created = m.Created.UTC()
	}
	return fresh
}

// Tag sets tags on anything, the cloud's own ones too; Untag takes keys off.
func (a *Account) Tag(region, id string, tags map[string]string) {
	a.edit(region, id, func(v record) {
		m := v.meta()
		if m.Tags == nil {
			m.Tags = map[string]string{}
		}
		maps.Copy(m.Tags, tags)
	})
}

// Untag takes keys off anything.
func (a *Account) Untag(region, id string, keys ...string) {
	a.edit(region, id, func(v record) {
		for _, k := range keys {
			delete(v.meta().Tags, k)
		}
	})
}

// EditImage changes an image by hand; EditSnapshot, EditDisk and EditInstance likewise.
func (a *Account) EditImage(region, id string, change func(*Image)) { editAs(a, region, id, change) }

// EditSnapshot changes a snapshot by hand.
func (a *Account) EditSnapshot(region, id string, change func(*Snapshot)) {
	editAs(a, region, id, change)
}

// EditDisk changes a disk by hand.
func (a *Account) EditDisk(region, id string, change func(*Disk)) { editAs(a, region, id, change) }

// EditInstance changes an instance by hand; for its state use SetState.
func (a *Account) EditInstance(region, id string, change func(*Instance)) {
	editAs(a, region, id, change)
}

// SetState puts an instance into a state at once.
func (a *Account) SetState(region, id, state string) {
	a.EditInstance(region, id, func(in *Instance) { in.From, in.To = state, state })
}

func editAs[T any](a *Account, region, id string, change func(*T)) {
	a.edit(region, id, func(v record) {
		t, ok := any(v).(*T)
		if !ok {
			panic(fmt.Sprintf("faketencent: %s is a %T", id, v)) // a mistake in the test
		}
		change(t)
	})
}

func (a *Account) edit(region, id string, change func(record)) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	v, ok := a.region(region).find(id)
	if !ok {
		panic(fmt.Sprintf("faketencent: nothing is called %q", id)) // a mistake in the test
	}
	change(v)
}

// find finds anything.
func (r *region) find(id string) (record, bool) {
	switch kindOf(id) {
	case "ins":
		v, ok := r.Instances.find(id)
		return v, ok
	case "disk":
		v, ok := r.Disks.find(id)
		return v, ok
	case "snap":
		v, ok := r.Snapshots.find(id)
		return v, ok
	}
	v, ok := r.Images.find(id)
	return v, ok
}

// Remove takes anything away, as a person does behind everybody's back.
func (a *Account) Remove(region, id string) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	r := a.region(region)
	r.Instances.remove(id)
	r.Disks.remove(id)
	r.Snapshots.remove(id)
	r.Images.remove(id)
}

// Settle lets what is under way on a thing end now: a snapshot or an image well, badly or (Hangs) never, with an image its
// snapshots too; a disk or an instance in the state that it was going to. It says whether there is such a thing.
func (a *Account) Settle(region, id string, fate Fate) bool {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	r := a.region(region)
	now := a.f.opt.Now().UTC()
	defer func() { r.settle(now) }()
	for i := range r.Due {
		if r.Due[i].ID == id && fate != Hangs {
			r.Due[i].At = now
		}
	}
	switch kindOf(id) {
	case "snap":
		s, ok := r.Snapshots.find(id)
		if ok {
			r.endSnapshot(s, fate, now)
		}
		return ok
	case "img":
		m, ok := r.Images.find(id)
		if !ok {
			return false
		}
		m.End, m.DoneAt = "", now
		switch fate {
		case Fails:
			m.End = "CREATEFAILED"
		case Hangs:
			m.DoneAt = time.Time{}
		}
		for _, d := range m.Snapshots {
			if s, ok := r.Snapshots.find(d.SnapshotID); ok {
				r.endSnapshot(s, fate, now)
			}
		}
		return true
	case "disk":
		d, ok := r.Disks.find(id)
		if ok {
			d.ReadyAt = now
		}
		return ok
	}
	in, ok := r.Instances.find(id)
	if ok {
		in.ChangeAt = now
	}
	return ok
}

func (r *region) endSnapshot(s *Snapshot, fate Fate, now time.Time) {
	s.DoneAt = now
	switch fate {
	case Fails:
		r.Due = append(r.Due, due{At: now, ID: s.ID})
	case Hangs:
		s.DoneAt = time.Time{}
	}
}

// EndSessions takes back every key that was lent to a role.
func (f *Fake) EndSessions() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, s := range f.state.Sessions {
		s.Expires = f.opt.Now().UTC()
		f.state.Sessions[id] = s
	}
	f.version++
}

// Instances gives copies of a region's instances, oldest first; Disks, Snapshots and Images likewise.
func (a *Account) Instances(where string) []Instance {
	return rows(a, where, func(r *region) []*Instance { return r.Instances.Rows })
}

// Disks gives copies of a region's disks, oldest first.
func (a *Account) Disks(where string) []Disk {
	return rows(a, where, func(r *region) []*Disk { return r.Disks.Rows })
}

// Snapshots gives copies of the snapshots in a region, oldest first.
func (a *Account) Snapshots(where string) []Snapshot {
	return rows(a, where, func(r *region) []*Snapshot { return r.Snapshots.Rows })
}

// Images gives copies of the account's own images in a region, oldest first.
func (a *Account) Images(where string) []Image {
	all := rows(a, where, func(r *region) []*Image { return r.Images.Rows })
	return slices.DeleteFunc(all, func(m Image) bool { return m.Type != privateImage })
}

func rows[T any](a *Account, where string, of func(*region) []*T) []T {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	var out []T
	for _, v := range of(a.region(where)) {
		out = append(out, *v)
		m := any(&out[len(out)-1]).(record).meta()
		m.Tags = maps.Clone(m.Tags)
	}
	return out
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

// Load replaces everything that is stored by what Save wrote. It must hold the accounts and regions that the Fake has.
func (f *Fake) Load(r io.Reader) error {
	var s state
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if s.Sessions == nil {
		s.Sessions = map[string]session{}
	}
	for _, l := range f.opt.Accounts {
		a := s.Accounts[l.UIN]
		if a == nil {
			return fmt.Errorf("state: it does not hold the account %s", l.UIN)
		}
		for _, name := range f.opt.Regions {
			r := a.Regions[name]
			if r == nil || r.Tokens == nil {
				return fmt.Errorf("state: the region %s of the account %s is not there or not whole", name, l.UIN)
			}
			if err := errors.Join(r.Instances.index("ins"), r.Disks.index("disk"), r.Snapshots.index("snap"), r.Images.index("img")); err != nil {
				return fmt.Errorf("state: region %s: %w", name, err)
			}
		}
	}
	for uin, a := range s.Accounts {
		if _, known := f.logins[uin]; !known || len(a.Regions) != len(f.opt.Regions) {
			return fmt.Errorf("state: it holds the account %s with other regions than this cloud", uin)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = s
	f.version++
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
