package fakealibaba

import (
	"net/http"
	"strings"
)

func describeDisks(p *params) func(*call) error {
	l := p.pages(true, 500)
	ids, instance, status := p.ids("DiskIds"), p.get("InstanceId"), p.get("Status")
	filter := p.tagFilter()
	return func(c *call) error {
		rows := page(c, &c.region.Disks, l, func(d *Disk) bool {
			return among(ids, d.ID) && (instance == "" || d.Instance == instance) && (status == "" || status == "All" || d.State(c.now) == status) && matches(filter, d.Tags)
		})
		var list []fields
		for _, d := range rows {
			list = append(list, fields{
				"DiskId": d.ID, "DiskName": d.Name, "Description": d.Description, "RegionId": c.region.Name, "ZoneId": d.Zone, "Category": d.Category,
				"Type": d.Type, "Size": d.GiB, "Status": d.State(c.now), "InstanceId": d.Instance, "Device": d.Device, "Encrypted": d.Encrypted,
				"SourceSnapshotId": d.Snapshot, "DeleteWithInstance": !d.Keep, "Portable": d.Type == "data", "CreationTime": d.Created.UTC().Format(timeForm),
				"Tags": tagFields(d.Tags, "TagKey", "TagValue"),
			})
		}
		c.out["Disks"] = wrap("Disk", list)
		return nil
	}
}

func createDisk(p *params) func(*call) error {
	zone, from, size := p.must("ZoneId"), p.get("SnapshotId"), p.int("Size", 0, 1, 65536)
	name, description, category := p.name("DiskName", "Disk"), p.description("Description"), p.get("DiskCategory")
	encrypted := p.bool("Encrypted")
	t, tags := p.token(), p.tags()
	p.ignore("KMSKeyId", "PerformanceLevel", "ResourceGroupId")
	if from == "" && size == 0 {
		p.bad("MissingParameter", "The input parameter \"Size\" that is mandatory for processing this request is not supplied.")
	}
	return func(c *call) error {
		ids, err := c.used("CreateDisk", t)
		if err != nil {
			return err
		}
		if ids == nil {
			d := &Disk{Category: category, Type: "data", Zone: zone, Snapshot: from, Encrypted: encrypted, GiB: size, Keep: true, NeverAttached: true}
			if d.Category == "" {
				d.Category = "cloud"
			}
			if from != "" {
				s, err := lookup(c, &c.region.Snapshots, "s", from)
				if err != nil {
					return err
				}
				if s.State(c.now) != "accomplished" {
					return fail(http.StatusBadRequest, "InvalidSnapshotId.NotReady", "The specified snapshot has not completed yet.")
				}
				if size != 0 && size < s.GiB {
					return fail(http.StatusBadRequest, "InvalidSize.TooSmall", "Specified disk size is less than the size of snapshot.")
				}
				d.GiB, d.Encrypted = max(size, s.GiB), encrypted || s.Encrypted
			}
			if !strings.HasPrefix(zone, c.region.Name) {
				return fail(http.StatusNotFound, "InvalidZoneId.NotFound", "The specified ZoneId %q does not exist.", zone)
			}
			d.Meta = c.new("d", name, description, tags)
			d.ReadyAt = c.now.Add(c.f.opt.DiskTime).UTC()
			c.region.Disks.add(d)
			c.remember("CreateDisk", t, d.ID)
			ids = []string{d.ID}
		}
		c.out["DiskId"] = ids[0]
		return nil
	}
}

func deleteDisk(p *params) func(*call) error {
	id := p.must("DiskId")
	return func(c *call) error {
		c.somewhere(id)
		d, err := lookup(c, &c.region.Disks, "d", id)
		if err != nil {
			return err
		}
		if state := d.State(c.now); state != "Available" {
			return fail(http.StatusForbidden, "IncorrectDiskStatus", "The current disk status does not support this operation: %s.", state)
		}
		c.region.Disks.remove(id)
		return nil
	}
}
