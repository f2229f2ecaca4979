package fakeaws

import (
	"slices"
	"strconv"
	"time"
)

const (
	pendingPerVolume = 5  // of most volume types; 1 of st1 and sc1
	copiesAtOnce     = 20 // snapshot copies into one region
)

func describeSnapshots(p *params) func(*call) error {
	l := p.lists("SnapshotId")
	owners, restorable := p.list("Owner"), p.list("RestorableBy")
	return func(c *call) error {
		rows, next, err := page(c, &c.region.Snapshots, "snap", l, &Snapshot{},
			func(s *Snapshot, name string) ([]string, bool) { return s.field(c.now, name) },
			func(s *Snapshot) bool {
				return c.owned(owners, s.Owner) && (len(restorable) == 0 || s.Owner == c.f.opt.Account)
			})
		if err != nil {
			return err
		}
		c.out.open("snapshotSet")
		for _, s := range rows {
			c.out.open("item")
			c.out.snapshot(s, c.now)
			c.out.close("item")
		}
		c.out.close("snapshotSet")
		c.out.opt("nextToken", next)
		return nil
	}
}

// owned says whether a thing's owner is among those asked for; without any, everything that may be used is listed.
func (c *call) owned(asked []string, owner string) bool {
	if len(asked) == 0 {
		return true
	}
	return slices.ContainsFunc(asked, func(a string) bool {
		return a == owner || a == "self" && owner == c.f.opt.Account || a == "amazon" && owner == amazon
	})
}

func (s *Snapshot) field(now time.Time, name string) ([]string, bool) {
	switch name {
	case "snapshot-id":
		return []string{s.ID}, true
	case "volume-id":
		return []string{s.VolumeID}, true
	case "status":
		return []string{s.State(now)}, true
	case "owner-id":
		return []string{s.Owner}, true
	case "volume-size":
		return []string{strconv.Itoa(s.GiB)}, true
	case "description":
		return []string{s.Description}, true
	case "encrypted":
		return []string{strconv.FormatBool(s.Encrypted)}, true
	case "start-time":
		return []string{s.Created.Format(timeForm)}, true
	case "progress":
		return []string{strconv.Itoa(s.progress(now)) + "%"}, true
	case "storage-tier":
		return []string{s.tier()}, true
	}
	return nil, false
}

func (s *Snapshot) tier() string {
	if s.Tier == "" {
		return "standard"
	}
	return s.Tier
}

// snapshot writes what CreateSnapshot and DescribeSnapshots have in common, which is all of it.
func (d *doc) snapshot(s *Snapshot, now time.Time) {
	d.str("snapshotId", s.ID)
	d.str("volumeId", s.VolumeID)
	d.str("status", s.State(now))
	if s.State(now) == "error" {
		d.opt("statusMessage", s.Message)
	}
	d.time("startTime", s.Created)
	d.str("progress", strconv.Itoa(s.progress(now))+"%")
	d.str("ownerId", s.Owner)
	d.num("volumeSize", s.GiB)
	d.str("description", s.Description)
	d.bool("encrypted", s.Encrypted)
	d.str("storageTier", s.tier())
	if s.State(now) == "completed" {
		d.time("completionTime", s.DoneAt)
	}
	d.tags(s.Tags)
}

func createSnapshot(p *params) func(*call) error {
	id, description := p.must("VolumeId"), p.get("Description")
	tags := p.tagSpecs("snapshot")["snapshot"]
	return func(c *call) error {
		v, err := lookup(c, &c.region.Volumes, "vol", id)
		if err != nil {
			return err
		}
		if err := c.maySnapshot(v); err != nil {
			return err
		}
		s := c.snapshotOf(v, description, tags, c.fate("snapshot", v.ID), c.f.opt.SnapshotTime)
		c.out.snapshot(s, c.now)
		return nil
	}
}

func createSnapshots(p *params) func(*call) error {
	id, noRoot := p.must("InstanceSpecification.InstanceId"), p.bool("InstanceSpecification.ExcludeBootVolume")
	without := p.list("InstanceSpecification.ExcludeDataVolumeId")
	description, inherit := p.get("Description"), p.get("CopyTagsFromSource")
	tags := p.tagSpecs("snapshot")["snapshot"]
	if len(without) > 40 {
		p.fail(fail("InvalidParameterValue", "At most 40 data volumes can be excluded"))
	}
	if inherit != "" && inherit != "volume" {
		p.fail(fail("InvalidParameterValue", "Value (%s) for parameter copyTagsFromSource is invalid", inherit))
	}
	return func(c *call) error {
		in, err := lookup(c, &c.region.Instances, "i", id)
		if err != nil {
			return err
		}
		if state := in.State(c.now); state == "terminated" || state == "shutting-down" {
			return fail("IncorrectInstanceState", "The instance '%s' is %s", id, state)
		}
		var volumes []*Volume
		fate := Completes // one bad member makes every member of the set end in error
		for _, vid := range in.Volumes {
			v, ok := c.region.Volumes.find(vid)
			if !ok || noRoot && v.Device == in.RootDevice || slices.Contains(without, vid) {
				continue
			}
			if err := c.maySnapshot(v); err != nil {
				return err
			}
			volumes = append(volumes, v)
			fate = max(fate, c.fate("snapshot", vid))
		}
		if len(volumes) == 0 {
			return fail("InvalidParameterCombination", "The instance '%s' has no volumes to snapshot", id)
		}
		c.out.open("snapshotSet")
		for _, v := range volumes {
			all := map[string]string{}
			if inherit != "" {
				for k, val := range v.Tags {
					all[k] = val
				}
			}
			for k, val := range tags {
				all[k] = val
			}
			s := c.snapshotOf(v, description, all, fate, c.f.opt.SnapshotTime)
			c.out.open("item")
			c.out.str("snapshotId", s.ID)
			c.out.str("volumeId", s.VolumeID)
			c.out.str("state", s.State(c.now))
			c.out.time("startTime", s.Created)
			c.out.str("progress", "")
			c.out.str("ownerId", s.Owner)
			c.out.num("volumeSize", s.GiB)
			c.out.str("description", s.Description)
			c.out.bool("encrypted", s.Encrypted)
			c.out.tags(s.Tags)
			c.out.close("item")
		}
		c.out.close("snapshotSet")
		return nil
	}
}

// maySnapshot holds a volume to the limits on snapshots.
func (c *call) maySnapshot(v *Volume) error {
	if every := c.f.opt.SnapshotEvery; every > 0 && c.now.Sub(v.LastSnap) < every {
		return fail("SnapshotCreationPerVolumeRateExceeded", "The maximum per volume CreateSnapshot request rate has been exceeded. Use an increasing or variable sleep interval between requests.")
	}
	limit := pendingPerVolume
	if v.Type == "st1" || v.Type == "sc1" {
		limit = 1
	}
	making := slices.DeleteFunc(c.region.Making[v.ID], func(id string) bool {
		s, ok := c.region.Snapshots.find(id)
		return !ok || s.State(c.now) != "pending"
	})
	c.region.Making[v.ID] = making
	if len(making) >= limit {
		return fail("ConcurrentSnapshotLimitExceeded", "You have exceeded the maximum number of concurrent snapshots for volume %s", v.ID)
	}
	return c.roomForSnapshots(1)
}

func (c *call) roomForSnapshots(n int) error {
	own := len(c.region.Snapshots.Rows) - 1 // the base image's is not the account's
	if own+n > c.f.opt.MaxSnapshots {
		return fail("SnapshotLimitExceeded", "You have reached the limit of %d snapshots", c.f.opt.MaxSnapshots)
	}
	return nil
}

func (c *call) snapshotOf(v *Volume, description string, tags map[string]string, fate Fate, takes time.Duration) *Snapshot {
	s := &Snapshot{
		Meta: c.new("snap", tags), VolumeID: v.ID, Description: description, GiB: v.GiB, Encrypted: v.Encrypted,
		DoneAt: c.now.Add(takes).UTC(), End: "completed",
	}
	s.fate(fate)
	v.LastSnap = c.now
	c.region.Snapshots.add(s)
	c.region.Making[v.ID] = append(c.region.Making[v.ID], s.ID)
	return s
}

func (s *Snapshot) fate(fate Fate) {
	switch fate {
	case Fails:
		s.End, s.Message = "error", "An internal error occurred"
	case Hangs:
		s.DoneAt = time.Time{}
	}
}

func (c *call) fate(kind, source string) Fate {
	if c.f.opt.Fate == nil {
		return Completes
	}
	return c.f.opt.Fate(kind, source)
}

func deleteSnapshot(p *params) func(*call) error {
	id := p.must("SnapshotId")
	return func(c *call) error {
		if err := c.dropSnapshot(id); err != nil {
			return err
		}
		c.out.bool("return", true)
		return nil
	}
}

func (c *call) dropSnapshot(id string) error {
	s, err := lookup(c, &c.region.Snapshots, "snap", id)
	if err != nil {
		return err
	}
	if s.Owner != c.f.opt.Account {
		return failStatus(403, "UnauthorizedOperation", "You are not authorized to perform this operation.")
	}
	if s.Tags["aws:backup:source-resource"] != "" {
		return fail("InvalidParameterValue", "This snapshot is managed by the AWS Backup service and cannot be deleted via EC2 APIs. If you wish to delete this snapshot, please do so via the Backup console.")
	}
	for _, m := range c.region.Images.Rows {
		if slices.ContainsFunc(m.Mappings, func(d Mapping) bool { return d.SnapshotID == id }) {
			return fail("InvalidSnapshot.InUse", "The snapshot %s is currently in use by %s", id, m.ID)
		}
	}
	if s.State(c.now) == "pending" && !s.DoneAt.IsZero() {
		// Accepted, but it goes only once it is complete, and counts against the limits until then.
		if !slices.ContainsFunc(c.region.Due, func(d due) bool { return d.ID == id }) {
			c.region.Due = append(c.region.Due, due{At: s.DoneAt, ID: id})
		}
		s.VolumePermission = nil
		c.f.offer(c.region.Name, id)
		return nil
	}
	c.region.Snapshots.remove(id)
	c.f.offer(c.region.Name, id)
	return nil
}

func copySnapshot(p *params) func(*call) error {
	from, id, description := p.must("SourceRegion"), p.must("SourceSnapshotId"), p.get("Description")
	encrypt := p.encryption()
	tags := p.tagSpecs("snapshot")["snapshot"]
	p.ignore("PresignedUrl", "DestinationRegion", "CompletionDurationMinutes")
	return func(c *call) error {
		s, err := c.sourceSnapshot(from, id)
		if err != nil {
			return err
		}
		copying := 0
		for _, other := range c.region.Snapshots.Rows {
			if other.Copied && other.State(c.now) == "pending" {
				copying++
			}
		}
		if copying >= copiesAtOnce {
			return fail("ResourceLimitExceeded", "Too many snapshot copies in progress. The limit is %d for this destination region.", copiesAtOnce)
		}
		if err := c.roomForSnapshots(1); err != nil {
			return err
		}
		dup := c.copyOf(s, description, tags, encrypt)
		c.out.str("snapshotId", dup.ID)
		c.out.tags(dup.Tags)
		return nil
	}
}

func (c *call) sourceSnapshot(from, id string) (*Snapshot, error) {
	r := c.f.state.Regions[from]
	if r == nil {
		return nil, fail("InvalidParameterValue", "The source region %q does not exist", from)
	}
	r.settle(c.now)
	o, shared := c.f.opt.Sharing.find(from, id, c.f.opt.Account)
	s, err := o.snapshot, error(nil)
	if !shared || s == nil {
		s, err = lookup(c, &r.Snapshots, "snap", id)
	}
	if err != nil {
		return nil, err
	}
	if state := s.State(c.now); state != "completed" {
		return nil, fail("IncorrectState", "Snapshot %s is not 'completed' but '%s'", id, state)
	}
	return s, nil
}

// copyOf is a copy in this region. It carries the tags given and no others, and a volume id that means nothing.
func (c *call) copyOf(s *Snapshot, description string, tags map[string]string, encrypt encryption) *Snapshot {
	dup := &Snapshot{
		Meta: c.new("snap", tags), VolumeID: "vol-ffffffff", Description: description, GiB: s.GiB, Encrypted: s.Encrypted || encrypt.on,
		DoneAt: c.now.Add(c.f.opt.SnapshotTime).UTC(), End: "completed", Copied: true, Key: encrypt.key,
	}
	dup.fate(c.fate("snapshot", s.ID))
	if c.unknown(encrypt.key) {
		dup.End, dup.Message, dup.Doomed = "error", badKey, true
	}
	c.region.Snapshots.add(dup)
	return dup
}
