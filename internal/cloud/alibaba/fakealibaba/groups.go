package fakealibaba

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	groupDisks = 16
	groupGiB   = 32 << 10
)

// createSnapshotGroup gives its members neither its name nor its tags: they are the group's.
func createSnapshotGroup(p *params) func(*call) error {
	id, only, without := p.get("InstanceId"), p.list("DiskId", groupDisks), p.list("ExcludeDiskId", groupDisks)
	name, description := p.name("Name", "Group"), p.description("Description")
	t, tags := p.token(), p.tags()
	p.ignore("InstantAccess", "InstantAccessRetentionDays", "ResourceGroupId")
	if id == "" && len(only) == 0 {
		p.bad("MissingParameter", "The input parameter \"InstanceId\" that is mandatory for processing this request is not supplied.")
	}
	if len(only) > 0 && len(without) > 0 {
		p.bad("InvalidParameter", "DiskId.N and ExcludeDiskId.N exclude each other.")
	}
	return func(c *call) error {
		ids, err := c.used("CreateSnapshotGroup", t)
		if err != nil {
			return err
		}
		if ids == nil {
			disks, err := c.groupOf(id, only, without)
			if err != nil {
				return err
			}
			g := &Group{Meta: c.new("ssg", name, description, tags), Instance: id}
			fate := Completes // one bad member makes all of them fail
			for _, d := range disks {
				fate = max(fate, c.fate("snapshot", d.ID))
			}
			for _, d := range disks {
				g.Snapshots = append(g.Snapshots, c.snapshotOf(d, "", "", nil, fate, c.f.opt.SnapshotTime).ID)
			}
			c.region.Groups.add(g)
			c.remember("CreateSnapshotGroup", t, g.ID)
			ids = []string{g.ID}
		}
		c.out["SnapshotGroupId"] = ids[0]
		return nil
	}
}

// groupOf finds the disks of a group and holds them to its rules.
func (c *call) groupOf(id string, only, without []string) ([]*Disk, error) {
	want := only
	if id != "" {
		in, err := lookup(c, &c.region.Instances, "i", id)
		if err != nil {
			return nil, err
		}
		for _, d := range only {
			if !slices.Contains(in.Disks, d) {
				return nil, fail(http.StatusNotFound, "InvalidDiskId.NotFound", "The specified DiskId %q is not attached to the instance.", d)
			}
		}
		if len(only) == 0 {
			want = slices.DeleteFunc(slices.Clone(in.Disks), func(d string) bool { return slices.Contains(without, d) })
		}
	}
	var out []*Disk
	size := 0
	for _, diskID := range want {
		d, err := lookup(c, &c.region.Disks, "d", diskID)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(d.Category, "cloud_essd") && d.Category != "cloud_auto" {
			return nil, fail(http.StatusForbidden, "InvalidDiskCategory.NotSupported", "The specified disk category %s does not support this operation.", d.Category)
		}
		if err := c.maySnapshot(d); err != nil {
			return nil, err
		}
		size += d.GiB
		out = append(out, d)
	}
	if len(out) == 0 || len(out) > groupDisks || size > groupGiB {
		return nil, fail(http.StatusBadRequest, "InvalidParameter", "A snapshot-consistent group takes 1 to %d disks of %d GiB together.", groupDisks, groupGiB)
	}
	return out, nil
}

func describeSnapshotGroups(p *params) func(*call) error {
	l := p.pages(true, 100)
	l.byNumber, l.size = false, max(l.size, 10)
	ids, instance := p.list("SnapshotGroupId", 10), p.get("InstanceId")
	return func(c *call) error {
		rows := page(c, &c.region.Groups, l, func(g *Group) bool { return among(ids, g.ID) && (instance == "" || g.Instance == instance) })
		var list []fields
		for _, g := range rows {
			status := "accomplished"
			var members []fields
			for _, id := range g.Snapshots {
				s, ok := c.region.Snapshots.find(id)
				if !ok {
					continue
				}
				if state := s.State(c.now); state == "failed" || state == "progressing" && status != "failed" {
					status = state
				}
				members = append(members, fields{
					"SnapshotId": s.ID, "SourceDiskId": s.DiskID, "SourceDiskType": s.DiskType,
					"Progress": strconv.Itoa(progress(s.Created, s.DoneAt, c.now)) + "%", "Tags": tagFields(s.Tags, "Key", "Value"),
				})
			}
			list = append(list, fields{
				"SnapshotGroupId": g.ID, "Name": g.Name, "Description": g.Description, "InstanceId": g.Instance, "Status": status,
				"CreationTime": g.Created.UTC().Format(timeForm), "Snapshots": wrap("Snapshot", members), "Tags": tagFields(g.Tags, "Key", "Value"),
			})
		}
		c.out["SnapshotGroups"] = wrap("SnapshotGroup", list)
		return nil
	}
}

// deleteSnapshotGroup deletes the members too, but for those under images.
func deleteSnapshotGroup(p *params) func(*call) error {
	id := p.must("SnapshotGroupId")
	return func(c *call) error {
		g, err := lookup(c, &c.region.Groups, "ssg", id)
		if err != nil {
			return err
		}
		for _, member := range g.Snapshots {
			if s, ok := c.region.Snapshots.find(member); ok && !c.now.Before(s.LockEnds) {
				if usage := c.usage(s); usage != "image" && usage != "image_disk" {
					c.region.Snapshots.remove(member)
				}
			}
		}
		c.region.Groups.remove(id)
		return nil
	}
}
