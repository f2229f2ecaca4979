package memcloud

import (
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// InstanceSpec is an instance that a person makes.
type InstanceSpec struct {
	Region    string // the account's first when empty
	Zone      string
	Name      string
	Type      string
	Power     cloud.Power // running when zero
	Image     string
	Network   string
	LocalRoot bool    // the root is not among the disks
	DiskSizes []int64 // bytes, root first (unless LocalRoot); one root of 20 GiB when nil
	Encrypted bool
	User      string
	Project   string
	Tags      cloud.Tags
	DiskTags  cloud.Tags
	CreatedAt time.Time // now when zero

	throwaway bool
	from      []string // the snapshots that the disks are made from
}

// GiB is 2³⁰ bytes.
const GiB int64 = 1 << 30

// AddInstance makes an instance that runs at once. Quotas do not bind people.
func (c *Cloud) AddInstance(spec InstanceSpec) cloud.Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	if spec.Region == "" {
		spec.Region = c.o.Regions[0]
	}
	if spec.DiskSizes == nil && !spec.LocalRoot {
		spec.DiskSizes = []int64{20 * GiB}
	}
	if spec.Type == "" {
		spec.Type = "small"
	}
	now := c.Now()
	v, _ := c.seeInstance(c.putInstance(c.mustRegion(spec.Region), now, "", 0, spec), now)
	return v
}

// AddDisk makes a disk; attached when d.Instance says to what.
func (c *Cloud) AddDisk(region string, d cloud.Disk) cloud.Disk {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, r := c.Now(), c.mustRegion(region)
	to := d.Instance
	d.Instance, d.Zone = "", c.zone(r, d.Zone)
	if d.Size == 0 {
		d.Size = 20 * GiB
	}
	t := c.putDisk(r, now, "", 0, d)
	if i, ok := r.instances.find(to, now); ok {
		attach(i, t)
	}
	v, _ := seeDisk(t, now)
	return v
}

// AddSnapshot makes a snapshot as a person does: it is ready at once, and of a disk that need not be there.
func (c *Cloud) AddSnapshot(region string, s cloud.Snapshot) cloud.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, r := c.Now(), c.mustRegion(region)
	id := c.newID("snap")
	s.Ref, s.CreatedAt = c.ref(r, cloud.KindSnapshot, id), stamp(now)
	r.ofDisk[s.Disk]++
	v, _ := seeSnapshot(r.snapshots.add(&thing[cloud.Snapshot]{id: id, life: c.birth(now, 0, ""), val: s}), now)
	return v
}

// Attach puts a disk on an instance, and Detach takes it off. Either says whether both are there and it fits.
func (c *Cloud) Attach(disk, instance cloud.Ref) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, r := c.Now(), c.mustRegion(disk.Region)
	d, okDisk := r.disks.find(disk.ID, now)
	i, okInstance := r.instances.find(instance.ID, now)
	if !okDisk || !okInstance || d.val.Instance != "" || disk.Region != instance.Region {
		return false
	}
	attach(i, d)
	return true
}

// Detach takes a disk off its instance.
func (c *Cloud) Detach(disk cloud.Ref) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, r := c.Now(), c.mustRegion(disk.Region)
	d, ok := r.disks.find(disk.ID, now)
	if !ok || d.val.Instance == "" {
		return false
	}
	r.detach(d)
	return true
}

func (r *region) detach(d *thing[cloud.Disk]) {
	if i, ok := r.instances.byID[d.val.Instance]; ok {
		i.val.Disks = slices.DeleteFunc(slices.Clone(i.val.Disks), func(a cloud.Attachment) bool { return a.Disk == d.id })
	}
	d.val.Instance = ""
}

// SetPower starts or stops an instance as a person does, at once.
func (c *Cloud) SetPower(ref cloud.Ref, p cloud.Power) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	i, ok := c.mustRegion(ref.Region).instances.find(ref.ID, now)
	if ok {
		i.val.Power, i.readyAt = p, now
	}
	return ok
}

// Reboot makes an instance restart, as the cloud itself does when a host fails.
func (c *Cloud) Reboot(ref cloud.Ref) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	i, ok := c.mustRegion(ref.Region).instances.find(ref.ID, now)
	if ok {
		i.val.Power, i.readyAt = cloud.PowerRunning, now.Add(c.o.Delays.Reboot)
	}
	return ok
}

// Retag gives a thing exactly these tags, whatever the rules for tags are.
func (c *Cloud) Retag(ref cloud.Ref, tags cloud.Tags) bool {
	return c.change(ref, func(_ *region, t *cloud.Tags, l *life) {
		l.before, l.retagged = *t, c.Now()
		*t = tags
	})
}

// Lock makes the cloud itself refuse to delete a snapshot or an image; Unlock ends that.
func (c *Cloud) Lock(ref cloud.Ref) bool { return c.mark(ref, true) }

// Unlock lets a snapshot or an image be deleted again.
func (c *Cloud) Unlock(ref cloud.Ref) bool { return c.mark(ref, false) }

func (c *Cloud) mark(ref cloud.Ref, locked bool) bool {
	return c.change(ref, func(r *region, _ *cloud.Tags, _ *life) {
		switch ref.Kind {
		case cloud.KindSnapshot:
			r.snapshots.byID[ref.ID].val.Locked = locked
		case cloud.KindImage:
			r.images.byID[ref.ID].val.Locked = locked
		}
	})
}

// Manage says that another service owns a snapshot or an image; an empty name that none does.
func (c *Cloud) Manage(ref cloud.Ref, service string) bool {
	return c.change(ref, func(r *region, _ *cloud.Tags, _ *life) {
		switch ref.Kind {
		case cloud.KindSnapshot:
			r.snapshots.byID[ref.ID].val.Managed = service
		case cloud.KindImage:
			r.images.byID[ref.ID].val.Managed = service
		}
	})
}

// change does something to a thing that is there, and says whether it was.
func (c *Cloud) change(ref cloud.Ref, f func(*region, *cloud.Tags, *life)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.mustRegion(ref.Region)
	tags, l, ok := r.lookup(ref, c.Now())
	if ok {
		f(r, tags, l)
	}
	return ok
}

// Remove makes a thing go away as if a person with every right had deleted it: locks, owners and images that stand on a
// snapshot do not stop it. An instance takes those disks with it that are attached: Detach what is to stay.
// It says whether the thing was there.
func (c *Cloud) Remove(ref cloud.Ref) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, r := c.Now(), c.mustRegion(ref.Region)
	_, l, ok := r.lookup(ref, now)
	if !ok || l.deleted() {
		return false
	}
	switch ref.Kind {
	case cloud.KindInstance:
		c.dropInstance(r, r.instances.byID[ref.ID], now)
	case cloud.KindDisk:
		c.dropDisk(r, r.disks.byID[ref.ID], now)
	case cloud.KindSnapshot:
		c.dropSnapshot(r, r.snapshots.byID[ref.ID], now)
	case cloud.KindImage:
		c.dropImage(r, r.images.byID[ref.ID], now)
	}
	return true
}

func (c *Cloud) dropInstance(r *region, t *thing[cloud.Instance], now time.Time) {
	goneAt, hiddenAt := c.end(now)
	if until := goneAt.Add(c.o.Terminated); until.After(hiddenAt) {
		hiddenAt = until
	}
	r.instances.end(t, goneAt, hiddenAt)
	for _, a := range t.val.Disks {
		if d, ok := r.disks.find(a.Disk, now); ok && !d.deleted() {
			goneAt, hiddenAt := c.end(now) // not detached: a listing that lags shows both as they were
			r.disks.end(d, goneAt, hiddenAt)
		}
	}
}

func (c *Cloud) dropDisk(r *region, t *thing[cloud.Disk], now time.Time) {
	if t.deleted() {
		return
	}
	r.detach(t)
	goneAt, hiddenAt := c.end(now)
	r.disks.end(t, goneAt, hiddenAt)
}

func (c *Cloud) mustRegion(id string) *region {
	r, ok := c.regions[id]
	if !ok {
		panic("memcloud: account " + c.o.Account + " has no region " + id)
	}
	return r
}

// Truth is what is there now, whatever listings show: sorted by region and id, without what is gone.
type Truth struct {
	Instances []cloud.Instance
	Disks     []cloud.Disk
	Snapshots []cloud.Snapshot
	Images    []cloud.Image
}

// Truth looks behind all lag, and costs no call.
func (c *Cloud) Truth() Truth {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	var out Truth
	for _, id := range c.regionIDs {
		r := c.regions[id]
		out.Instances = truth(out.Instances, r.instances, now, c.seeInstance)
		out.Disks = truth(out.Disks, r.disks, now, seeDisk)
		out.Snapshots = truth(out.Snapshots, r.snapshots, now, seeSnapshot)
		out.Images = truth(out.Images, r.images, now, seeImage)
	}
	return out
}

func truth[T any](out []T, s *shelf[T], now time.Time, see func(*thing[T], time.Time) (T, cloud.Tags)) []T {
	s.after("", func(t *thing[T]) bool {
		if t.exists(now) {
			v, _ := see(t, now)
			out = append(out, v)
		}
		return true
	})
	return out
}

// Leaving lists what somebody has deleted whose end is still under way. Truth has it until it is gone.
func (c *Cloud) Leaving() []cloud.Ref {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	var out []cloud.Ref
	for _, id := range c.regionIDs {
		r := c.regions[id]
		out = leaving(out, r.instances, now, func(v cloud.Instance) cloud.Ref { return v.Ref })
		out = leaving(out, r.disks, now, func(v cloud.Disk) cloud.Ref { return v.Ref })
		out = leaving(out, r.snapshots, now, func(v cloud.Snapshot) cloud.Ref { return v.Ref })
		out = leaving(out, r.images, now, func(v cloud.Image) cloud.Ref { return v.Ref })
	}
	return out
}

func leaving[T any](out []cloud.Ref, s *shelf[T], now time.Time, ref func(T) cloud.Ref) []cloud.Ref {
	for _, t := range s.leaving {
		if t.exists(now) {
			out = append(out, ref(t.val))
		}
	}
	return out
}

// Settled is when the thing has reached its end by itself: the zero time when it is not there or never will.
func (c *Cloud) Settled(ref cloud.Ref) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, l, ok := c.mustRegion(ref.Region).lookup(ref, c.Now())
	switch {
	case !ok || l.fate == FateStall && !l.deleted():
		return time.Time{}
	case l.deleted():
		return l.goneAt
	}
	return l.readyAt
}
