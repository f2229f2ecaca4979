package fakeaws

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func describeVolumes(p *params) func(*call) error {
	l := p.lists("VolumeId")
	p.ignore("IncludeManagedResources")
	return func(c *call) error {
		rows, next, err := page(c, &c.region.Volumes, "vol", l, &Volume{},
			func(v *Volume, name string) ([]string, bool) { return v.field(c.now, name) },
			func(*Volume) bool { return true })
		if err != nil {
			return err
		}
		c.out.open("volumeSet")
		for _, v := range rows {
			c.out.open("item")
			c.out.volume(v, c.now)
			c.out.close("item")
		}
		c.out.close("volumeSet")
		c.out.opt("nextToken", next)
		return nil
	}
}

func (v *Volume) field(now time.Time, name string) ([]string, bool) {
	switch name {
	case "volume-id":
		return []string{v.ID}, true
	case "status":
		return []string{v.State(now)}, true
	case "availability-zone":
		return []string{v.Zone}, true
	case "attachment.instance-id":
		return []string{v.Instance}, true
	case "attachment.device":
		return []string{v.Device}, true
	case "attachment.status":
		if v.Instance == "" {
			return nil, true
		}
		return []string{"attached"}, true
	case "attachment.delete-on-termination":
		return []string{strconv.FormatBool(!v.Keep)}, true
	case "snapshot-id":
		return []string{v.SnapshotID}, true
	case "size":
		return []string{strconv.Itoa(v.GiB)}, true
	case "volume-type":
		return []string{v.Type}, true
	case "encrypted":
		return []string{strconv.FormatBool(v.Encrypted)}, true
	case "create-time":
		return []string{v.Created.Format(timeForm)}, true
	}
	return nil, false
}

func (d *doc) volume(v *Volume, now time.Time) {
	d.str("volumeId", v.ID)
	d.num("size", v.GiB)
	d.str("snapshotId", v.SnapshotID)
	d.str("availabilityZone", v.Zone)
	d.str("status", v.State(now))
	d.time("createTime", v.Created)
	d.str("volumeType", v.Type)
	d.bool("encrypted", v.Encrypted)
	d.open("attachmentSet")
	if v.Instance != "" {
		d.open("item")
		d.attachment(v)
		d.close("item")
	}
	d.close("attachmentSet")
	d.tags(v.Tags)
}

func (d *doc) attachment(v *Volume) {
	d.str("volumeId", v.ID)
	d.str("instanceId", v.Instance)
	d.str("device", v.Device)
	d.str("status", "attached")
	d.time("attachTime", v.AttachedAt)
	d.bool("deleteOnTermination", !v.Keep)
}

func createVolume(p *params) func(*call) error {
	zone, kind := p.get("AvailabilityZone"), cmp.Or(p.get("VolumeType"), "gp2")
	if zone == "" {
		p.fail(fail("MissingParameter", "The request must contain the parameter AvailabilityZone"))
	}
	size, from := p.int("Size", 0), p.get("SnapshotId")
	encrypted := p.bool("Encrypted") || p.get("KmsKeyId") != ""
	token := p.token()
	tags := p.tagSpecs("volume")["volume"]
	p.ignore("Iops", "Throughput", "VolumeInitializationRate", "MultiAttachEnabled")
	if size == 0 && from == "" {
		p.fail(fail("MissingParameter", "The request must contain the parameter size or snapshotId"))
	}
	if !slices.Contains([]string{"gp2", "gp3", "io1", "io2", "st1", "sc1", "standard"}, kind) {
		p.fail(fail("InvalidParameterValue", "Invalid volume type '%s'", kind))
	}
	return func(c *call) error {
		ids, err := c.tokenUsed("CreateVolume", token)
		if err != nil {
			return err
		}
		if ids != nil {
			v, ok := c.region.Volumes.find(ids[0])
			if !ok {
				return fail("InvalidVolume.NotFound", "The volume '%s' does not exist.", ids[0])
			}
			c.out.volume(v, c.now)
			return nil
		}
		if err := c.inZone(zone); err != nil {
			return err
		}
		if from != "" {
			s, err := c.sourceSnapshot(c.region.Name, from)
			if err != nil {
				return err
			}
			if size != 0 && size < s.GiB {
				return fail("InvalidParameterValue", "The volume size is smaller than the snapshot's, which is %d GiB", s.GiB)
			}
			size, encrypted = max(size, s.GiB), encrypted || s.Encrypted
		}
		v := &Volume{Meta: c.new("vol", tags), GiB: size, Type: kind, Zone: zone, SnapshotID: from, Encrypted: encrypted, Keep: true}
		v.ReadyAt = c.now.Add(c.f.opt.VolumeTime)
		c.region.Volumes.add(v)
		c.remember("CreateVolume", token, v.ID)
		c.out.volume(v, c.now)
		return nil
	}
}

func (c *call) inZone(zone string) error {
	if suffix, ok := strings.CutPrefix(zone, c.region.Name); !ok || !slices.Contains([]string{"a", "b", "c"}, suffix) {
		return fail("InvalidParameterValue", "Value (%s) for parameter availabilityZone is invalid.", zone)
	}
	return nil
}

func deleteVolume(p *params) func(*call) error {
	id := p.must("VolumeId")
	return func(c *call) error {
		v, err := lookup(c, &c.region.Volumes, "vol", id)
		if err != nil {
			return err
		}
		if v.Instance != "" {
			return fail("VolumeInUse", "Volume %s is currently attached to %s", id, v.Instance)
		}
		c.region.dropVolume(id)
		c.out.bool("return", true)
		return nil
	}
}

func attachVolume(p *params) func(*call) error {
	id, instance, device := p.must("VolumeId"), p.must("InstanceId"), p.must("Device")
	return func(c *call) error {
		v, err := lookup(c, &c.region.Volumes, "vol", id)
		if err != nil {
			return err
		}
		in, err := lookup(c, &c.region.Instances, "i", instance)
		if err != nil {
			return err
		}
		switch state := in.State(c.now); {
		case v.State(c.now) != "available":
			return fail("IncorrectState", "The volume '%s' is not 'available'.", id)
		case state != "running" && state != "stopped":
			return fail("IncorrectState", "Instance '%s' is not 'running' or 'stopped'.", instance)
		case v.Zone != in.Zone:
			return fail("InvalidVolume.ZoneMismatch", "The volume '%s' is not in the same availability zone as instance '%s'", id, instance)
		}
		for _, other := range in.Volumes {
			if o, ok := c.region.Volumes.find(other); ok && o.Device == device {
				return fail("InvalidParameterValue", "Invalid value '%s' for unixDevice. Attachment point %s is already in use", device, device)
			}
		}
		c.region.attach(v, in, device, c.now)
		c.out.attachment(v)
		return nil
	}
}

func (r *region) attach(v *Volume, in *Instance, device string, now time.Time) {
	v.Instance, v.Device, v.AttachedAt = in.ID, device, now.UTC()
	in.Volumes = append(in.Volumes, v.ID)
}
