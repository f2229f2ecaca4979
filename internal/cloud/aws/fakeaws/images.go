package fakeaws

import (
	"cmp"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

const imageCopiesAtOnce = 100

var imageName = regexp.MustCompile(`^[A-Za-z0-9()\[\] ./'@_-]{3,128}$`)

func describeImages(p *params) func(*call) error {
	l := p.lists("ImageId")
	owners, deprecated, disabled := p.list("Owner"), p.bool("IncludeDeprecated"), p.bool("IncludeDisabled")
	if who := p.list("ExecutableBy"); len(who) > 0 {
		p.fail(fail("UnsupportedOperation", "launch permissions are not part of this account"))
	}
	return func(c *call) error {
		want := func(m *Image) bool {
			if !c.owned(owners, m.Owner) || m.Disabled && !disabled {
				return false
			}
			// An owner sees his own deprecated images in any case.
			return deprecated || m.Owner == c.f.opt.Account || m.Deprecated.IsZero() || c.now.Before(m.Deprecated)
		}
		rows, next, err := page(c, &c.region.Images, "ami", l, &Image{},
			func(m *Image, name string) ([]string, bool) { return m.field(c.now, name) }, want)
		if err != nil {
			return err
		}
		c.out.open("imagesSet")
		for _, m := range rows {
			c.out.open("item")
			c.out.image(m, c.now)
			c.out.close("item")
		}
		c.out.close("imagesSet")
		c.out.opt("nextToken", next)
		return nil
	}
}

func (m *Image) field(now time.Time, name string) ([]string, bool) {
	switch name {
	case "image-id":
		return []string{m.ID}, true
	case "name":
		return []string{m.Name}, true
	case "state":
		return []string{m.State(now)}, true
	case "owner-id":
		return []string{m.Owner}, true
	case "is-public":
		return []string{strconv.FormatBool(m.Public)}, true
	case "description":
		return []string{m.Description}, true
	case "root-device-name":
		return []string{m.RootDevice}, true
	case "root-device-type":
		return []string{"ebs"}, true
	case "architecture":
		return []string{"x86_64"}, true
	case "virtualization-type":
		return []string{"hvm"}, true
	case "creation-date":
		return []string{m.Created.Format(timeForm)}, true
	case "source-instance-id":
		return []string{m.SourceInstance}, true
	case "source-image-id":
		return []string{m.SourceImage}, true
	case "source-image-region":
		return []string{m.SourceRegion}, true
	case "block-device-mapping.snapshot-id":
		var out []string
		for _, d := range m.Mappings {
			out = append(out, d.SnapshotID)
		}
		return out, true
	}
	return nil, false
}

func (d *doc) image(m *Image, now time.Time) {
	d.str("imageId", m.ID)
	d.str("imageLocation", m.Owner+"/"+m.Name)
	d.str("imageState", m.State(now))
	d.str("imageOwnerId", m.Owner)
	d.str("creationDate", m.Created.UTC().Format(timeForm))
	d.bool("isPublic", m.Public)
	d.str("architecture", "x86_64")
	d.str("imageType", "machine")
	d.str("name", m.Name)
	d.str("description", m.Description)
	d.str("rootDeviceType", "ebs")
	d.str("rootDeviceName", m.RootDevice)
	d.str("virtualizationType", "hvm")
	d.str("hypervisor", "xen")
	d.str("platformDetails", "Linux/UNIX")
	if m.State(now) == "failed" {
		d.open("stateReason")
		d.str("code", "Client.InternalError")
		d.str("message", m.Message)
		d.close("stateReason")
	}
	if !m.Deprecated.IsZero() {
		d.str("deprecationTime", m.Deprecated.UTC().Format(timeForm))
	}
	d.str("deregistrationProtection", cmp.Or(m.Protection, "disabled"))
	d.opt("sourceInstanceId", m.SourceInstance)
	d.opt("sourceImageId", m.SourceImage)
	d.opt("sourceImageRegion", m.SourceRegion)
	d.open("blockDeviceMapping")
	for _, b := range m.Mappings {
		d.open("item")
		d.str("deviceName", b.Device)
		d.open("ebs")
		d.str("snapshotId", b.SnapshotID)
		d.num("volumeSize", b.GiB)
		d.str("volumeType", b.Type)
		d.bool("deleteOnTermination", !b.Keep)
		d.bool("encrypted", b.Encrypted)
		d.close("ebs")
		d.close("item")
	}
	d.close("blockDeviceMapping")
	d.tags(m.Tags)
}

// newImage checks name and quota, and adds the image.
func (c *call) newImage(m *Image, tags map[string]string, fateOf string) error {
	m.Meta = c.new("ami", tags)
	m.DoneAt, m.End = c.now.Add(c.f.opt.ImageTime).UTC(), "available"
	switch c.fate("image", fateOf) {
	case Fails:
		m.End, m.Message = "failed", "Instance creation failed"
	case Hangs:
		m.DoneAt = time.Time{}
	}
	c.region.Images.add(m)
	c.out.str("imageId", m.ID)
	return nil
}

// mayName refuses a name that another image has, and one image too many.
func (c *call) mayName(name string) error {
	own := 0
	for _, m := range c.region.Images.Rows {
		if m.Owner != c.f.opt.Account {
			continue
		}
		if own++; m.Name == name {
			return fail("InvalidAMIName.Duplicate", "AMI name %s is already in use by AMI %s", name, m.ID)
		}
	}
	if own >= c.f.opt.MaxImages {
		return fail("ImageLimitExceeded", "You have reached the quota of %d AMIs in this region", c.f.opt.MaxImages)
	}
	return nil
}

func (p *params) imageName() string {
	name := p.must("Name")
	if name != "" && !imageName.MatchString(name) {
		p.fail(fail("InvalidAMIName.Malformed", "AMI names must be between 3 and 128 characters long, and may contain letters, digits, '(', ')', '[', ']', ' ', '.', '/', '-', ''', '@' and '_'"))
	}
	return name
}

func createImage(p *params) func(*call) error {
	id, name, description := p.must("InstanceId"), p.imageName(), p.get("Description")
	noReboot := p.bool("NoReboot")
	specs := p.tagSpecs("image", "snapshot")
	return func(c *call) error {
		in, err := lookup(c, &c.region.Instances, "i", id)
		if err != nil {
			return err
		}
		state := in.State(c.now)
		if state != "running" && state != "stopped" && state != "stopping" {
			return fail("IncorrectInstanceState", "The instance '%s' is %s", id, state)
		}
		if err := c.mayName(name); err != nil {
			return err
		}
		if err := c.roomForSnapshots(len(in.Volumes)); err != nil {
			return err
		}
		m := &Image{Name: name, Description: description, RootDevice: in.RootDevice, SourceInstance: id}
		if !noReboot && state == "running" {
			m.Rebooted = true
			in.Launched = c.now.UTC()
		}
		if err := c.newImage(m, specs["image"], id); err != nil {
			return err
		}
		for _, vid := range in.Volumes {
			v, ok := c.region.Volumes.find(vid)
			if !ok {
				continue
			}
			s := c.snapshotOf(v, "Created by CreateImage("+id+") for "+m.ID, specs["snapshot"], c.fate("snapshot", vid), c.f.opt.ImageTime)
			m.Mappings = append(m.Mappings, Mapping{Device: v.Device, SnapshotID: s.ID, GiB: v.GiB, Type: v.Type, Keep: v.Keep, Encrypted: v.Encrypted})
		}
		return nil
	}
}

func registerImage(p *params) func(*call) error {
	name, description, root := p.imageName(), p.get("Description"), p.must("RootDeviceName")
	mappings := p.mappings()
	tags := p.tagSpecs("image")["image"]
	p.ignore("Architecture", "VirtualizationType", "EnaSupport", "BootMode", "SriovNetSupport", "ImdsSupport", "TpmSupport")
	return func(c *call) error {
		if err := c.mayName(name); err != nil {
			return err
		}
		m := &Image{Name: name, Description: description, RootDevice: root}
		for _, b := range mappings {
			s, err := c.sourceSnapshot(c.region.Name, b.SnapshotID)
			if err != nil {
				return err
			}
			b.GiB, b.Type, b.Encrypted = max(b.GiB, s.GiB), cmp.Or(b.Type, "gp3"), s.Encrypted
			m.Mappings = append(m.Mappings, b.Mapping)
		}
		if !slices.ContainsFunc(m.Mappings, func(b Mapping) bool { return b.Device == root }) {
			return fail("InvalidBlockDeviceMapping", "The root device %s has no snapshot", root)
		}
		return c.newImage(m, tags, name)
	}
}

func copyImage(p *params) func(*call) error {
	from, id := p.must("SourceRegion"), p.must("SourceImageId")
	name, description, withTags := p.imageName(), p.get("Description"), p.bool("CopyImageTags")
	encrypt := p.encryption()
	token := p.token()
	specs := p.tagSpecs("image", "snapshot")
	p.ignore("SnapshotCopyCompletionDurationMinutes")
	return func(c *call) error {
		if ids, err := c.tokenUsed("CopyImage", token); err != nil || ids != nil {
			if err == nil {
				c.out.str("imageId", ids[0])
			}
			return err
		}
		src, err := c.sourceImage(from, id)
		if err != nil {
			return err
		}
		if state := src.State(c.now); state != "available" {
			return fail("InvalidAMIID.Unavailable", "The image ID '%s' is not available, but %s", id, state)
		}
		under, err := c.storage(from, src)
		if err != nil {
			return err
		}
		copying := 0
		for _, m := range c.region.Images.Rows {
			if m.SourceImage != "" && m.State(c.now) == "pending" {
				copying++
			}
		}
		if copying >= imageCopiesAtOnce {
			return fail("ResourceLimitExceeded", "Too many AMI copies in progress. The limit is %d for this destination region.", imageCopiesAtOnce)
		}
		if err := c.mayName(name); err != nil {
			return err
		}
		if err := c.roomForSnapshots(len(src.Mappings)); err != nil {
			return err
		}
		tags := map[string]string{}
		if withTags && src.Owner == c.f.opt.Account {
			for k, v := range src.Tags {
				if !hasPrefixFold(k, "aws:") {
					tags[k] = v
				}
			}
		}
		maps.Copy(tags, specs["image"])
		m := &Image{
			Name: name, Description: cmp.Or(description, src.Description), RootDevice: src.RootDevice,
			SourceImage: src.ID, SourceRegion: from,
		}
		if err := c.newImage(m, tags, id); err != nil {
			return err
		}
		if c.unknown(encrypt.key) {
			m.End, m.Message, m.Doomed = "failed", badKey, true
		}
		for i, b := range src.Mappings {
			dup := c.copyOf(under[i], "Copied for DestinationAmi "+m.ID+" from SourceAmi "+src.ID, specs["snapshot"], encrypt)
			dup.DoneAt, dup.Copied = m.DoneAt, false // counted as an image's copy
			b.SnapshotID, b.Encrypted = dup.ID, dup.Encrypted
			m.Mappings = append(m.Mappings, b)
		}
		c.remember("CopyImage", token, m.ID)
		return nil
	}
}

func deregisterImage(p *params) func(*call) error {
	id, withSnapshots := p.must("ImageId"), p.bool("DeleteAssociatedSnapshots")
	return func(c *call) error {
		if c.region.Gone[id] {
			return fail("InvalidAMIID.Unavailable", "The image ID '%s' is no longer available", id)
		}
		m, err := lookup(c, &c.region.Images, "ami", id)
		if err != nil {
			return err
		}
		if m.Owner != c.f.opt.Account {
			return failStatus(http.StatusForbidden, "AuthFailure", "Not authorized for image:%s", id)
		}
		if m.Protection != "" && m.Protection != "disabled" {
			return fail("OperationNotPermitted", "The image '%s' has deregistration protection enabled", id)
		}
		if m.Tags["aws:backup:source-resource"] != "" {
			return fail("InvalidParameterValue", "This image is managed by AWS Backup and cannot be deleted via EC2 APIs.")
		}
		c.region.Images.remove(id)
		c.region.Gone[id] = true
		c.f.offer(c.region.Name, id)
		c.out.bool("return", true)
		if withSnapshots {
			c.out.open("deleteSnapshotResultSet")
			for _, b := range m.Mappings {
				code := "success"
				if c.dropSnapshot(b.SnapshotID) != nil {
					code = "skipped"
				}
				c.out.open("item")
				c.out.str("snapshotId", b.SnapshotID)
				c.out.str("returnCode", code)
				c.out.close("item")
			}
			c.out.close("deleteSnapshotResultSet")
		}
		return nil
	}
}
