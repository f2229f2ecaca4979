package fakealibaba

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func describeImages(p *params) func(*call) error {
	l := p.pages(false, 100)
	alias, snapshot, name := p.get("ImageOwnerAlias"), p.get("SnapshotId"), p.get("ImageName")
	var ids []string
	if v := p.get("ImageId"); v != "" {
		if ids = strings.Split(v, ","); len(ids) > maxIDs {
			p.bad("InvalidParameter", "Specified parameter ImageId is not valid: it has more than %d ids.", maxIDs)
		}
	}
	states := []string{"Available"} // and no others, unless they are asked for
	if v := p.get("Status"); v != "" {
		states = strings.Split(v, ",")
	}
	filter := p.tagFilter()
	return func(c *call) error {
		all := c.region.Images
		if alias == "others" {
			all = table[*Image]{}
			for _, id := range slices.Sorted(maps.Keys(c.shared)) {
				all.Rows = append(all.Rows, c.shared[id])
			}
		}
		rows := page(c, &all, l, func(m *Image) bool {
			return (alias == "" || alias == "others" || m.Alias == alias) && among(ids, m.ID) && slices.Contains(states, m.State(c.now)) &&
				(snapshot == "" || m.standsOn(snapshot)) && strings.Contains(m.Name, name) && matches(filter, m.Tags)
		})
		var list []fields
		for _, m := range rows {
			owner := m.Alias
			if alias == "others" {
				owner = "others"
			}
			list = append(list, c.image(m, owner))
		}
		c.out["Images"] = wrap("Image", list)
		return nil
	}
}

func (c *call) image(m *Image, owner string) fields {
	state := m.State(c.now)
	size := 0
	var disks []fields
	for _, d := range m.Mappings {
		size = max(size, d.GiB)
		disks = append(disks, fields{"Device": d.Device, "Type": d.Type, "SnapshotId": d.SnapshotID, "Size": strconv.Itoa(d.GiB), "Progress": "100%"})
	}
	usage := "none"
	if c.instanceOf(m.ID) != "" {
		usage = "instance"
	}
	return fields{
		"ImageId": m.ID, "ImageName": m.Name, "Description": m.Description, "ImageOwnerAlias": owner, "Status": state, "Size": size,
		"Progress": strconv.Itoa(progress(m.Created, m.DoneAt, c.now)) + "%", "Usage": usage, "IsCopied": m.SourceImage != "", "IsPublic": m.Alias == "system",
		"IsSelfShared": strconv.FormatBool(len(m.SharedWith) > 0),
		"Usable":       state == "Available" && !c.now.Before(m.UsableAt), "Architecture": "x86_64", "OSType": "linux",
		"CreationTime": m.Created.UTC().Format(timeForm), "DiskDeviceMappings": wrap("DiskDeviceMapping", disks), "Tags": tagFields(m.Tags, "TagKey", "TagValue"),
	}
}

func (c *call) instanceOf(image string) string {
	for _, in := range c.region.Instances.Rows {
		if in.Image == image {
			return in.ID
		}
	}
	return ""
}

// mayName refuses a name that another image has, and one image too many.
func (c *call) mayName(r *region, name string) error {
	own := 0
	for _, m := range r.Images.Rows {
		if m.Alias != "self" {
			continue
		}
		if own++; name != "" && m.Name == name {
			return fail(http.StatusBadRequest, "InvalidImageName.Duplicated", "The specified ImageName %q already exists.", name)
		}
	}
	if own >= c.f.opt.MaxImages {
		return fail(http.StatusBadRequest, "QuotaExceed.Image", "The maximum number of images is exceeded: %d.", c.f.opt.MaxImages)
	}
	return nil
}

// begin sets when the image is done.
func (c *call) begin(m *Image, start time.Time, fateOf string) {
	m.Alias, m.StartAt, m.DoneAt, m.End = "self", start.UTC(), start.Add(c.f.opt.ImageTime).UTC(), "Available"
	m.UsableAt = m.DoneAt.Add(c.f.opt.UsableTime)
	switch c.fate("image", fateOf) {
	case Fails:
		m.End = "CreateFailed"
	case Hangs:
		m.DoneAt = time.Time{}
	}
}

func createImage(p *params) func(*call) error {
	instance, snapshot := p.get("InstanceId"), p.get("SnapshotId")
	name, description := p.name("ImageName", "Image", "aliyun", "acs:"), p.description("Description")
	t, tags := p.token(), p.tags()
	p.ignore("ImageFamily", "Architecture", "Platform", "BootMode", "DetectionStrategy", "ResourceGroupId")
	var mappings []Mapping
	for _, g := range p.groups("DiskDeviceMapping") {
		mappings = append(mappings, Mapping{Device: p.get(g + ".Device"), Type: p.get(g + ".DiskType"), SnapshotID: p.must(g + ".SnapshotId"), GiB: p.int(g+".Size", 0, 1, 65536)})
	}
	if snapshot != "" {
		mappings = []Mapping{{Device: "/dev/xvda", Type: "system", SnapshotID: snapshot}}
	}
	if instance == "" && len(mappings) == 0 {
		p.bad("MissingParameter", "The input parameter \"InstanceId\" that is mandatory for processing this request is not supplied.")
	}
	return func(c *call) error {
		ids, err := c.used("CreateImage", t)
		if err != nil {
			return err
		}
		if ids == nil {
			m := &Image{}
			source := snapshot
			if instance != "" {
				source = instance
				err = c.imageOf(m, instance, name)
			} else {
				err = c.imageFrom(m, mappings, name)
			}
			if err != nil {
				return err
			}
			m.Meta = c.new("m", name, description, tags)
			if m.Name == "" {
				m.Name = m.ID
			}
			c.begin(m, c.now, source)
			if instance != "" {
				c.snapshotUnder(m)
			}
			c.region.Images.add(m)
			c.remember("CreateImage", t, m.ID)
			ids = []string{m.ID}
		}
		c.out["ImageId"] = ids[0]
		return nil
	}
}

// imageOf checks an instance and notes its disks, whose snapshots are still to come.
func (c *call) imageOf(m *Image, id, name string) error {
	in, err := c.inState(id, "Running", "Stopped")
	if err != nil {
		return err
	}
	if err := c.mayName(c.region, name); err != nil {
		return err
	}
	for _, diskID := range in.Disks {
		d, ok := c.region.Disks.find(diskID)
		if !ok || local(d.Category) {
			continue
		}
		if err := c.maySnapshot(d); err != nil {
			return err
		}
		m.Mappings = append(m.Mappings, Mapping{Device: d.Device, Type: d.Type, SnapshotID: d.ID, GiB: d.GiB})
	}
	return nil
}

// snapshotUnder makes the snapshots that an image of an instance stands on. They have none of its tags.
func (c *call) snapshotUnder(m *Image) {
	for i := range m.Mappings {
		d, _ := c.region.Disks.find(m.Mappings[i].SnapshotID)
		s := c.snapshotOf(d, "SnapshotForImage-"+m.ID, "", nil, c.fate("snapshot", d.ID), c.f.opt.ImageTime)
		m.Mappings[i].SnapshotID = s.ID
	}
}

func (c *call) imageFrom(m *Image, mappings []Mapping, name string) error {
	if err := c.mayName(c.region, name); err != nil {
		return err
	}
	for i, d := range mappings {
		s, err := c.complete(d.SnapshotID)
		if err != nil {
			return err
		}
		if d.Type == "" {
			d.Type = s.DiskType
		}
		if d.Device == "" {
			d.Device = "/dev/xvd" + string(rune('a'+i%26))
		}
		d.GiB = max(d.GiB, s.GiB)
		m.Mappings = append(m.Mappings, d)
	}
	if !slices.ContainsFunc(m.Mappings, func(d Mapping) bool { return d.Type == "system" }) {
		return fail(http.StatusBadRequest, "InvalidSnapshotId.NotSystemDisk", "An image needs the snapshot of a system disk.")
	}
	return nil
}

// own finds an image of the account's.
func (c *call) own(id string) (*Image, error) {
	m, err := lookup(c, &c.region.Images, "m", id)
	if err == nil && m.Alias != "self" {
		return nil, fail(http.StatusForbidden, "InvalidOperation.NotOwnImage", "The specified image is not the account's.")
	}
	return m, err
}

func deleteImage(p *params) func(*call) error {
	id, force := p.must("ImageId"), p.bool("Force")
	return func(c *call) error {
		m, err := c.own(id)
		if err != nil {
			return err
		}
		state := m.State(c.now)
		switch {
		case m.SourceImage != "" && (state == "Waiting" || state == "Creating"):
			return fail(http.StatusForbidden, "OperationDenied.ImageCopying", "The specified image is being copied.")
		case state == "Creating":
			return fail(http.StatusForbidden, "InvalidStatus.ImageIsCreating", "The specified image is being created.")
		case len(m.SharedWith) > 0:
			return fail(http.StatusForbidden, "ImageUseShared", "The specified image is shared with other accounts.")
		case !force && c.instanceOf(id) != "":
			return fail(http.StatusForbidden, "ImageUsingByInstance", "The specified image is used by the instance %s.", c.instanceOf(id))
		}
		c.region.Images.remove(id)
		return nil
	}
}
