package faketencent

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

const (
	privateSnapshot = "PRIVATE_SNAPSHOT"
	systemDisk      = "SYSTEM_DISK"
	dataDisk        = "DATA_DISK"
	unnamed         = "未命名"
	nameLimit       = 60
)

// Snapshot is a CBS snapshot.
type Snapshot struct {
	Meta
	Name      string    `json:"name"`
	DiskID    string    `json:"disk"`
	GiB       int       `json:"gib"`
	Usage     string    `json:"usage"` // SYSTEM_DISK or DATA_DISK
	Zone      string    `json:"zone"`
	Encrypted bool      `json:"encrypted,omitempty"`
	DoneAt    time.Time `json:"done-at"`            // zero: never
	End       string    `json:"end,omitempty"`      // NORMAL when empty
	Deadline  time.Time `json:"deadline,omitzero"`  // when the cloud deletes it by itself
	Locked    bool      `json:"locked,omitempty"`   // IsLocked: it is not deleted
	Policy    string    `json:"policy,omitempty"`   // the automatic policy that made it
	Type      string    `json:"type,omitempty"`     // PRIVATE_SNAPSHOT when empty
	Remote    bool      `json:"remote,omitempty"`   // copied from another region
	SharedTo  int       `json:"shared,omitempty"`   // with how many accounts
	CopyingTo []copying `json:"copying,omitempty"`  // other regions
	Rollback  bool      `json:"rollback,omitempty"` // a disk is being set back to it
}

type copying struct {
	Region string    `json:"region"`
	Until  time.Time `json:"until"`
}

// State is the snapshot's state at a time.
func (s *Snapshot) State(now time.Time) string {
	switch {
	case (s.DoneAt.IsZero() || now.Before(s.DoneAt)) && s.Remote:
		return "COPYING_FROM_REMOTE"
	case s.DoneAt.IsZero() || now.Before(s.DoneAt):
		return "CREATING"
	case s.Rollback:
		return "ROLLBACKING"
	}
	return cmp.Or(s.End, "NORMAL")
}

func (s *Snapshot) percent(now time.Time) int {
	switch {
	case s.DoneAt.IsZero():
		return 42
	case !now.Before(s.DoneAt):
		return 100
	}
	return min(99, int(100*now.Sub(s.Created)/max(1, s.DoneAt.Sub(s.Created))))
}

type describeSnapshotsIn struct {
	SnapshotIds       []string
	Filters           []Filter
	Offset, Limit     *int
	Order, OrderField string
}

func describeSnapshots(c *call, in describeSnapshotsIn) (obj, error) {
	if in.OrderField != "" && in.OrderField != "CREATE_TIME" {
		return nil, fail("InvalidParameterValue", "The value %q of OrderField is invalid.", in.OrderField)
	}
	for _, f := range in.Filters {
		if f.Name == "tag-key" || f.Name == "tag-value" || strings.HasPrefix(f.Name, "tag:") {
			return nil, fail("InvalidFilter", "The specified filter %q is not supported.", f.Name)
		}
	}
	l := listing{kind: "snap", ids: in.SnapshotIds, filters: in.Filters, offset: in.Offset, limit: in.Limit, order: in.Order}
	rows, total, err := page(c, c.region.Snapshots.Rows, l, func(s *Snapshot, name string) ([]string, bool) {
		switch name {
		case "snapshot-id":
			return []string{s.ID}, true
		case "snapshot-name":
			return []string{s.Name}, true
		case "snapshot-state":
			return []string{s.State(c.now)}, true
		case "disk-usage":
			return []string{s.Usage}, true
		case "disk-id":
			return []string{s.DiskID}, true
		case "zone":
			return []string{s.Zone}, true
		case "snapshot-type":
			return []string{cmp.Or(s.Type, privateSnapshot)}, true
		}
		return nil, false
	}, func(*Snapshot) bool { return true })
	if err != nil {
		return nil, err
	}
	set := []obj{}
	for _, s := range rows {
		set = append(set, c.snapshot(s))
	}
	return obj{"TotalCount": total, "SnapshotSet": set}, nil
}

func (c *call) snapshot(s *Snapshot) obj {
	images, copies := []obj{}, []string{}
	for _, m := range c.region.standing(s.ID) {
		images = append(images, obj{"ImageId": m.ID, "ImageName": m.Name})
	}
	for _, to := range s.CopyingTo {
		if c.now.Before(to.Until) {
			copies = append(copies, to.Region)
		}
	}
	out := obj{
		"SnapshotId": s.ID, "SnapshotName": s.Name, "SnapshotState": s.State(c.now), "Percent": s.percent(c.now), "DiskId": s.DiskID,
		"DiskSize": s.GiB, "DiskUsage": s.Usage, "Encrypt": s.Encrypted, "IsPermanent": s.Deadline.IsZero(), "IsLocked": s.Locked,
		"SnapshotType": cmp.Or(s.Type, privateSnapshot), "CopyFromRemote": s.Remote, "CopyingToRegions": copies, "ShareReference": s.SharedTo,
		"Images": images, "ImageCount": len(images), "CreateTime": china(s.Created), "DeadlineTime": nil, "AutoSnapshotPolicyId": nil,
		"Placement": obj{"Zone": s.Zone, "ProjectId": 0}, "Tags": tagList(s.Tags), "LatestModifyTime": china(s.Created),
	}
	if !s.Deadline.IsZero() {
		out["DeadlineTime"] = china(s.Deadline)
	}
	if s.Policy != "" {
		out["AutoSnapshotPolicyId"] = s.Policy
	}
	return out
}

// china is an instant as CBS writes it: the local time of China, without saying so.
func china(t time.Time) string { return t.UTC().Add(8 * time.Hour).Format(time.DateTime) }

// standing are the images that stand on a snapshot.
func (r *region) standing(id string) []*Image {
	var out []*Image
	for _, m := range r.Images.Rows {
		if slices.ContainsFunc(m.Snapshots, func(d ImageDisk) bool { return d.SnapshotID == id }) {
			out = append(out, m)
		}
	}
	return out
}

type createSnapshotIn struct {
	DiskId, SnapshotName, Deadline, DiskBackupId, DiskUsage string
	Tags                                                    []Tag
}

func createSnapshot(c *call, in createSnapshotIn) (obj, error) {
	if in.DiskId == "" {
		return nil, missing("DiskId")
	}
	if len([]rune(in.SnapshotName)) > nameLimit {
		return nil, fail("InvalidParameterValue", "The name of the snapshot is longer than %d characters.", nameLimit)
	}
	if !slices.Contains([]string{"", systemDisk, dataDisk}, in.DiskUsage) {
		return nil, fail("InvalidParameterValue", "The value %q of DiskUsage is invalid.", in.DiskUsage)
	}
	tags, err := cbsTags.check(in.Tags)
	if err != nil {
		return nil, err
	}
	var deadline time.Time
	if in.Deadline != "" {
		if deadline, err = time.Parse(time.RFC3339, in.Deadline); err != nil || deadline.Before(c.now.Add(24*time.Hour)) {
			return nil, fail("InvalidParameterValue", "The Deadline is no time at least a day ahead.")
		}
	}
	d, err := lookup(c, &c.region.Disks, "disk", in.DiskId)
	if err != nil {
		return nil, err
	}
	if in.DiskUsage == systemDisk && d.Usage == dataDisk {
		return nil, fail("InvalidParameterValue", "A data disk gives no snapshot of a system disk.")
	}
	if err := c.maySnapshot(d); err != nil {
		return nil, err
	}
	s := c.snapshotOf(d, cmp.Or(in.SnapshotName, unnamed), cmp.Or(in.DiskUsage, d.Usage), tags, c.f.opt.SnapshotTime)
	s.Deadline = deadline
	return obj{"SnapshotId": s.ID}, nil
}

// maySnapshot holds a disk to the rules for snapshots.
func (c *call) maySnapshot(d *Disk) error {
	if d.NoSnapshots {
		return fail("InvalidDisk.NotSupportSnapshot", "The disk %s does not support snapshots.", d.ID)
	}
	of := 0
	for _, s := range c.region.Snapshots.Rows {
		if s.DiskID != d.ID || s.Remote {
			continue
		}
		if of++; c.f.opt.OneAtATime && s.State(c.now) == "CREATING" {
			return fail("InvalidDisk.SnapshotCreating", "A snapshot of the disk %s is being created. Please try again later.", d.ID)
		}
	}
	if of >= c.f.opt.MaxPerDisk {
		return fail("InsufficientSnapshotQuota", "The disk %s has %d snapshots, which is the quota.", d.ID, of)
	}
	return c.roomForSnapshots(1)
}

func (c *call) roomForSnapshots(n int) error { return roomIn(c, c.region, n) }

func roomIn(c *call, r *region, n int) error {
	if len(r.Snapshots.Rows)+n > c.f.opt.MaxSnapshots {
		return fail("InsufficientSnapshotQuota", "The quota of %d snapshots is reached.", c.f.opt.MaxSnapshots)
	}
	return nil
}

func (c *call) snapshotOf(d *Disk, name, usage string, tags map[string]string, takes time.Duration) *Snapshot {
	s := &Snapshot{
		Meta: c.new("snap", tags), Name: name, DiskID: d.ID, GiB: d.GiB, Usage: usage, Zone: d.Zone, Encrypted: d.Encrypted, DoneAt: c.now.Add(takes).UTC(),
	}
	c.end(c.region, s, c.fate("snapshot", d.ID))
	c.region.Snapshots.add(s)
	return s
}

// end decides how a snapshot ends: there is no state of failure, one that fails is gone when it should be complete.
func (c *call) end(r *region, s *Snapshot, fate Fate) {
	switch fate {
	case Fails:
		r.Due = append(r.Due, due{At: s.DoneAt, ID: s.ID})
		s.DoneAt = time.Time{}
	case Hangs:
		s.DoneAt = time.Time{}
	}
}

type deleteSnapshotsIn struct {
	SnapshotIds      []string
	DeleteBindImages bool
}

// deleteSnapshots deletes all or nothing.
func deleteSnapshots(c *call, in deleteSnapshotsIn) (obj, error) {
	if len(in.SnapshotIds) == 0 {
		return nil, missing("SnapshotIds")
	}
	for _, id := range in.SnapshotIds {
		s, err := lookup(c, &c.region.Snapshots, "snap", id)
		if err != nil {
			return nil, err
		}
		switch images := c.region.standing(id); {
		case cmp.Or(s.Type, privateSnapshot) != privateSnapshot:
			return nil, fail("UnsupportedOperation", "The snapshot %s belongs to another account.", id)
		case s.State(c.now) == "CREATING":
			return nil, fail("ResourceUnavailable.SnapshotCreating", "The snapshot %s is being created.", id)
		case s.State(c.now) != "NORMAL":
			return nil, fail("InvalidSnapshot.NotSupported", "The snapshot %s is in the state %s.", id, s.State(c.now))
		case s.Locked:
			return nil, fail("InvalidSnapshot.NotSupported", "The snapshot %s is locked.", id)
		case s.SharedTo > 0:
			return nil, fail("UnsupportedOperation.SnapHasShared", "The snapshot %s is shared.", id)
		case len(images) > 0 && !in.DeleteBindImages:
			return nil, fail("UnsupportedOperation.SnapshotHasBindedImage", "The snapshot %s is bound to the image %s.", id, images[0].ID)
		}
	}
	for _, id := range in.SnapshotIds {
		for _, m := range c.region.standing(id) {
			c.region.Images.remove(m.ID)
		}
		c.region.Snapshots.remove(id)
	}
	return nil, nil
}

type modifySnapshotIn struct {
	SnapshotId, SnapshotName, Deadline string
	IsPermanent                        *bool
}

func modifySnapshotAttribute(c *call, in modifySnapshotIn) (obj, error) {
	s, err := lookup(c, &c.region.Snapshots, "snap", in.SnapshotId)
	if err != nil {
		return nil, err
	}
	deadline := s.Deadline
	if in.Deadline != "" {
		if deadline, err = time.Parse(time.RFC3339, in.Deadline); err != nil || deadline.Before(c.now) {
			return nil, fail("InvalidParameterValue", "The Deadline is no time to come.")
		}
	}
	if len([]rune(in.SnapshotName)) > nameLimit {
		return nil, fail("InvalidParameterValue", "The name of the snapshot is longer than %d characters.", nameLimit)
	}
	if in.IsPermanent != nil && *in.IsPermanent {
		deadline = time.Time{}
	}
	s.Name, s.Deadline = cmp.Or(in.SnapshotName, s.Name), deadline
	return nil, nil
}

type copySnapshotIn struct {
	DestinationRegions       []string
	SnapshotId, SnapshotName string
}

// copySnapshot copies to each region by itself: what goes wrong for one is told beside what was begun for the others.
func copySnapshot(c *call, in copySnapshotIn) (obj, error) {
	if len(in.DestinationRegions) == 0 {
		return nil, missing("DestinationRegions")
	}
	s, err := lookup(c, &c.region.Snapshots, "snap", in.SnapshotId)
	if err != nil {
		return nil, err
	}
	if s.State(c.now) != "NORMAL" {
		return nil, fail("InvalidSnapshot.NotSupported", "The snapshot %s is in the state %s.", s.ID, s.State(c.now))
	}
	if s.Encrypted {
		return nil, fail("UnsupportedOperation.SnapshotNotSupportCopy", "The snapshot %s is encrypted and cannot be copied.", s.ID)
	}
	set := []obj{}
	for _, to := range in.DestinationRegions {
		result := obj{"DestinationRegion": to, "SnapshotId": "", "Code": "Success", "Message": ""}
		set = append(set, result)
		r := c.acct.Regions[to]
		switch {
		case r == nil || r == c.region:
			result["Code"], result["Message"] = "InvalidParameterValue", "The destination region "+to+" is not one."
			continue
		case slices.ContainsFunc(s.CopyingTo, func(o copying) bool { return o.Region == to && c.now.Before(o.Until) }):
			result["Code"], result["Message"] = "ResourceInUse.CopySnapshotConflict", "The snapshot is being copied to "+to+"."
			continue
		case roomIn(c, r, 1) != nil:
			result["Code"], result["Message"] = "InsufficientSnapshotQuota", "The quota of snapshots in "+to+" is reached."
			continue
		}
		dup := &Snapshot{
			Meta: c.new("snap", nil), Name: cmp.Or(in.SnapshotName, "Copied "+s.ID+" from "+c.region.Name), DiskID: s.DiskID, GiB: s.GiB, Usage: s.Usage,
			Zone: to + "-1", DoneAt: c.now.Add(c.f.opt.SnapshotTime).UTC(), Remote: true,
		}
		s.CopyingTo = append(s.CopyingTo, copying{to, dup.DoneAt})
		c.end(r, dup, c.fate("snapshot", s.ID))
		r.Snapshots.add(dup)
		result["SnapshotId"] = dup.ID
	}
	return obj{"SnapshotCopyResultSet": set}, nil
}
