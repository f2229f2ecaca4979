package fakealibaba

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

func describeSnapshots(p *params) func(*call) error {
	l := p.pages(true, 100)
	ids, disk, instance := p.ids("SnapshotIds"), p.get("DiskId"), p.get("InstanceId")
	status, kind, usage := p.get("Status"), p.get("SnapshotType"), p.get("Usage")
	filter := p.tagFilter()
	return func(c *call) error {
		rows := page(c, &c.region.Snapshots, l, func(s *Snapshot) bool {
			return among(ids, s.ID) && (disk == "" || s.DiskID == disk) && (status == "" || status == "all" || s.State(c.now) == status) &&
				(kind == "" || kind == "all" || (kind == "auto") == (s.Type == "timer")) && (usage == "" || c.usage(s) == usage) &&
				(instance == "" || c.ofInstance(s, instance)) && matches(filter, s.Tags)
		})
		var list []fields
		for _, s := range rows {
			list = append(list, c.snapshot(s))
		}
		c.out["Snapshots"] = wrap("Snapshot", list)
		return nil
	}
}

func (c *call) ofInstance(s *Snapshot, instance string) bool {
	d, ok := c.region.Disks.find(s.DiskID)
	return ok && d.Instance == instance
}

func (c *call) snapshot(s *Snapshot) fields {
	state := s.State(c.now)
	out := fields{
		"SnapshotId": s.ID, "Description": s.Description, "RegionId": c.region.Name, "SourceDiskId": s.DiskID, "SourceDiskType": s.DiskType,
		"SourceDiskSize": strconv.Itoa(s.GiB), "Status": state, "Progress": strconv.Itoa(progress(s.Created, s.DoneAt, c.now)) + "%",
		"SnapshotType": s.Type, "Usage": c.usage(s), "Encrypted": s.Encrypted, "CreationTime": s.Created.UTC().Format(timeForm),
		"Available": state == "accomplished", "Tags": tagFields(s.Tags, "TagKey", "TagValue"),
	}
	if s.Name != "" {
		out["SnapshotName"] = s.Name
	}
	if s.SourceSnapshot != "" {
		out["SourceSnapshotId"], out["SourceRegionId"] = s.SourceSnapshot, s.SourceRegion
	}
	return out
}

func progress(from, to, now time.Time) int {
	switch {
	case to.IsZero():
		return 42
	case !now.Before(to):
		return 100
	}
	return min(99, int(100*now.Sub(from)/max(1, to.Sub(from))))
}

// usage is what was made of the snapshot.
func (c *call) usage(s *Snapshot) string {
	image := slices.ContainsFunc(c.region.Images.Rows, func(m *Image) bool { return m.standsOn(s.ID) })
	disk := slices.ContainsFunc(c.region.Disks.Rows, func(d *Disk) bool { return d.Snapshot == s.ID })
	switch {
	case image && disk:
		return "image_disk"
	case image:
		return "image"
	case disk:
		return "disk"
	}
	return "none"
}

func (m *Image) standsOn(id string) bool {
	return slices.ContainsFunc(m.Mappings, func(d Mapping) bool { return d.SnapshotID == id })
}

// maySnapshot holds a disk to the rules for snapshots.
func (c *call) maySnapshot(d *Disk) error {
	if local(d.Category) {
		return fail(http.StatusForbidden, "DiskCategory.OperationNotSupported", "The operation is not supported to the specified disk due to its disk category %s.", d.Category)
	}
	if d.State(c.now) == "Creating" {
		return fail(http.StatusForbidden, "IncorrectDiskStatus", "The current disk status does not support this operation: Creating.")
	}
	if d.NeverAttached {
		return fail(http.StatusForbidden, "IncorrectDiskStatus.NeverAttached", "The specified disk has never been attached to any ECS instance.")
	}
	if in, ok := c.region.Instances.find(d.Instance); ok {
		if state := in.State(c.now); state != "Running" && state != "Stopped" {
			return fail(http.StatusForbidden, "IncorrectInstanceStatus", "The current status of the resource does not support this operation: %s.", state)
		}
	}
	all, making := 0, 0
	for _, s := range c.region.Snapshots.Rows {
		if s.DiskID == d.ID {
			all++
			if s.State(c.now) == "progressing" {
				making++
			}
		}
	}
	switch {
	case all >= c.f.opt.MaxSnapshots:
		return fail(http.StatusForbidden, "QuotaExceed.Snapshot", "The snapshot quota of the disk is exceeded: %d.", c.f.opt.MaxSnapshots)
	case making >= c.f.opt.MaxUnfinished:
		return fail(http.StatusForbidden, "TooManySnapshot.Unfinished", "There are %d unfinished snapshots of the disk.", making)
	}
	return nil
}

func (c *call) snapshotOf(d *Disk, name, description string, tags map[string]string, fate Fate, takes time.Duration) *Snapshot {
	s := &Snapshot{
		Meta: c.new("s", name, description, tags), DiskID: d.ID, DiskType: d.Type, GiB: d.GiB, Encrypted: d.Encrypted, Type: "user",
		DoneAt: c.now.Add(takes).UTC(), End: "accomplished",
	}
	s.fate(fate)
	c.region.Snapshots.add(s)
	return s
}

func (s *Snapshot) fate(fate Fate) {
	switch fate {
	case Fails:
		s.End = "failed"
	case Hangs:
		s.DoneAt = time.Time{}
	}
}

func createSnapshot(p *params) func(*call) error {
	id, name, description := p.must("DiskId"), p.name("SnapshotName", "Snapshot", "auto"), p.description("Description")
	days := p.int("RetentionDays", 0, 1, 65536)
	t, tags := p.token(), p.tags()
	p.ignore("Category", "InstantAccess", "InstantAccessRetentionDays", "ResourceGroupId")
	return func(c *call) error {
		c.somewhere(id)
		ids, err := c.used("CreateSnapshot", t)
		if err != nil {
			return err
		}
		if ids == nil {
			d, err := lookup(c, &c.region.Disks, "d", id)
			if err != nil {
				return err
			}
			if err := c.maySnapshot(d); err != nil {
				return err
			}
			s := c.snapshotOf(d, name, description, tags, c.fate("snapshot", d.ID), c.f.opt.SnapshotTime)
			if days > 0 {
				s.Expires = c.now.AddDate(0, 0, days).UTC()
			}
			c.remember("CreateSnapshot", t, s.ID)
			ids = []string{s.ID}
		}
		c.out["SnapshotId"] = ids[0]
		return nil
	}
}

func modifySnapshotAttribute(p *params) func(*call) error {
	id, name, description := p.must("SnapshotId"), p.name("SnapshotName", "Snapshot", "auto"), p.description("Description")
	return func(c *call) error {
		c.somewhere(id)
		s, err := lookup(c, &c.region.Snapshots, "s", id)
		if err != nil {
			return err
		}
		if name != "" {
			s.Name = name
		}
		if description != "" {
			s.Description = description
		}
		return nil
	}
}

// deleteSnapshot overlooks an id that names nothing, as ECS does.
func deleteSnapshot(p *params) func(*call) error {
	id, force := p.must("SnapshotId"), p.bool("Force")
	return func(c *call) error {
		c.somewhere(id)
		s, err := lookup(c, &c.region.Snapshots, "s", id)
		if err != nil {
			return nil //nolint:nilerr // so it is documented
		}
		usage := c.usage(s)
		switch {
		case c.now.Before(s.LockEnds):
			return fail(http.StatusForbidden, "InvalidOperation.SnapshotLocked", "The specified snapshot is locked.")
		case s.Managed:
			return fail(http.StatusForbidden, "InvalidOperation.ResourceManagedByCloudProduct", "The resource is managed by a cloud product.")
		case usage == "image" || usage == "image_disk":
			return fail(http.StatusForbidden, "SnapshotCreatedImage", "The snapshot has been used to create an image.")
		case usage == "disk" && !force:
			return fail(http.StatusForbidden, "SnapshotCreatedDisk", "The snapshot has been used to create a disk.")
		}
		c.region.Snapshots.remove(id)
		return nil
	}
}

// complete finds a snapshot that is accomplished.
func (c *call) complete(id string) (*Snapshot, error) {
	s, err := lookup(c, &c.region.Snapshots, "s", id)
	if err == nil && s.State(c.now) != "accomplished" {
		err = fail(http.StatusBadRequest, "InvalidSnapshotId.NotReady", "The specified snapshot has not completed yet.")
	}
	return s, err
}

// elsewhere is another region of the account.
func (c *call) elsewhere(name string) (*region, error) {
	r := c.f.state.Regions[name]
	switch {
	case r == nil:
		return nil, fail(http.StatusNotFound, "InvalidDestinationRegionId", "The specified DestinationRegionId %q does not exist.", name)
	case r == c.region:
		return nil, fail(http.StatusBadRequest, "IncorrectDestinationRegion", "The destination region is that of the source.")
	}
	r.settle(c.now)
	return r, nil
}

// copySnapshot is called in the region of the source; the token is that region's.
func copySnapshot(p *params) func(*call) error {
	id, to := p.must("SnapshotId"), p.must("DestinationRegionId")
	p.must("DestinationSnapshotName")
	name, description := p.name("DestinationSnapshotName", "Snapshot", "auto"), p.description("DestinationSnapshotDescription")
	days, encrypted, key := p.int("RetentionDays", 0, 1, 65536), p.bool("Encrypted"), p.get("KMSKeyId")
	p.must("DestinationSnapshotDescription")
	t, tags := p.token(), p.tags()
	return func(c *call) error {
		ids, err := c.used("CopySnapshot", t)
		if err != nil {
			return err
		}
		if ids == nil {
			s, err := c.complete(id)
			if err != nil {
				return err
			}
			there, err := c.elsewhere(to)
			if err != nil {
				return err
			}
			if err := c.mayUse(there, encrypted, key); err != nil {
				return err
			}
			dup := &Snapshot{
				Meta: c.new("s", name, description, tags), DiskID: s.DiskID, DiskType: s.DiskType, GiB: s.GiB, Encrypted: s.Encrypted || encrypted,
				Type: "user", DoneAt: c.now.Add(c.f.opt.SnapshotTime).UTC(), End: "accomplished", SourceSnapshot: s.ID, SourceRegion: c.region.Name,
			}
			dup.fate(c.fate("snapshot", s.ID))
			if days > 0 {
				dup.Expires = c.now.AddDate(0, 0, days).UTC()
			}
			there.Snapshots.add(dup)
			c.remember("CopySnapshot", t, dup.ID)
			ids = []string{dup.ID}
		}
		c.out["SnapshotId"] = ids[0]
		return nil
	}
}

func describeLockedSnapshots(p *params) func(*call) error {
	l := p.pages(true, 100)
	ids, status := p.list("SnapshotIds", maxIDs), p.get("LockStatus")
	return func(c *call) error {
		rows := page(c, &c.region.Snapshots, l, func(s *Snapshot) bool {
			return !s.LockEnds.IsZero() && among(ids, s.ID) && (status == "" || s.lockStatus(c.now) == status)
		})
		list := []fields{}
		for _, s := range rows {
			list = append(list, fields{"SnapshotId": s.ID, "LockMode": "compliance", "LockStatus": s.lockStatus(c.now), "LockExpiredTime": s.LockEnds.UTC().Format(timeForm)})
		}
		c.out["LockedSnapshotsInfo"] = list
		return nil
	}
}

func (s *Snapshot) lockStatus(now time.Time) string {
	switch {
	case !now.Before(s.LockEnds):
		return "expired"
	case now.Before(s.CoolOffEnds):
		return "compliance-cooloff"
	}
	return "compliance"
}

func lockSnapshot(p *params) func(*call) error {
	id, days, hours := p.must("SnapshotId"), p.int("LockDuration", 0, 1, 36500), p.int("CoolOffPeriod", 0, 0, 72)
	if p.must("LockMode") != "compliance" {
		p.bad("InvalidParameter", "Specified parameter LockMode is not valid.")
	}
	p.must("LockDuration")
	p.token()
	return func(c *call) error {
		s, err := lookup(c, &c.region.Snapshots, "s", id)
		if err != nil {
			return err
		}
		ends := c.now.AddDate(0, 0, days).UTC()
		if s.lockStatus(c.now) == "compliance" && (hours != 0 || ends.Before(s.LockEnds)) {
			return fail(http.StatusForbidden, "InvalidOperation.CoolOffPeriodExpired", "The snapshot is locked in compliance mode, and the cool-off period has expired.")
		}
		s.LockEnds, s.CoolOffEnds = ends, c.now.Add(time.Duration(hours)*time.Hour).UTC()
		c.out["SnapshotId"], c.out["LockStatus"] = s.ID, s.lockStatus(c.now)
		return nil
	}
}

func unlockSnapshot(p *params) func(*call) error {
	id := p.must("SnapshotId")
	p.token()
	return func(c *call) error {
		s, err := lookup(c, &c.region.Snapshots, "s", id)
		if err != nil {
			return err
		}
		if s.lockStatus(c.now) == "compliance" {
			return fail(http.StatusForbidden, "InvalidOperation.CoolOffPeriodExpired", "The snapshot is locked in compliance mode, and the cool-off period has expired.")
		}
		s.LockEnds, s.CoolOffEnds = time.Time{}, time.Time{}
		return nil
	}
}
