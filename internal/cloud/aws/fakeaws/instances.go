package fakeaws

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

const terminatedFor = time.Hour // how long an instance is listed after its end

func describeInstances(p *params) func(*call) error {
	l := p.lists("InstanceId")
	p.ignore("IncludeManagedResources")
	return func(c *call) error {
		rows, next, err := page(c, &c.region.Instances, "i", l, &Instance{},
			func(in *Instance, name string) ([]string, bool) { return in.field(c.now, name) },
			func(*Instance) bool { return true })
		if err != nil {
			return err
		}
		c.out.open("reservationSet")
		for _, in := range rows {
			c.out.open("item")
			c.out.str("reservationId", "r-"+in.ID[2:])
			c.out.str("ownerId", in.Owner)
			c.out.open("instancesSet")
			c.instance(in)
			c.out.close("instancesSet")
			c.out.close("item")
		}
		c.out.close("reservationSet")
		c.out.opt("nextToken", next)
		return nil
	}
}

func (in *Instance) field(now time.Time, name string) ([]string, bool) {
	switch name {
	case "instance-id":
		return []string{in.ID}, true
	case "instance-state-name":
		return []string{in.State(now)}, true
	case "instance-state-code":
		return []string{strconv.Itoa(stateCode(in.State(now)))}, true
	case "instance-type":
		return []string{in.Type}, true
	case "image-id":
		return []string{in.Image}, true
	case "availability-zone":
		return []string{in.Zone}, true
	case "subnet-id":
		return []string{in.Subnet}, true
	case "vpc-id":
		return []string{vpc}, true
	case "key-name":
		return []string{in.KeyName}, true
	case "client-token":
		return []string{in.Token}, true
	case "root-device-name":
		return []string{in.RootDevice}, true
	case "root-device-type":
		return []string{in.rootType()}, true
	case "block-device-mapping.volume-id":
		return in.Volumes, true
	case "launch-time":
		return []string{in.Launched.Format(timeForm)}, true
	}
	return nil, false
}

const vpc = "vpc-0123456789abcdef0"

func (in *Instance) rootType() string {
	if in.LocalRoot {
		return "instance-store"
	}
	return "ebs"
}

func (c *call) instance(in *Instance) {
	d, state := c.out, in.State(c.now)
	d.open("item")
	d.str("instanceId", in.ID)
	d.str("imageId", in.Image)
	d.open("instanceState")
	d.num("code", stateCode(state))
	d.str("name", state)
	d.close("instanceState")
	d.str("instanceType", in.Type)
	d.opt("keyName", in.KeyName)
	d.num("amiLaunchIndex", 0)
	d.time("launchTime", in.Launched)
	d.open("placement")
	d.str("availabilityZone", in.Zone)
	d.str("tenancy", "default")
	d.close("placement")
	d.open("monitoring")
	d.str("state", "disabled")
	d.close("monitoring")
	if state != "terminated" {
		d.opt("subnetId", in.Subnet)
		d.str("vpcId", vpc)
	}
	d.str("architecture", "x86_64")
	d.str("rootDeviceType", in.rootType())
	d.opt("rootDeviceName", in.RootDevice)
	d.str("virtualizationType", "hvm")
	d.str("hypervisor", "xen")
	d.opt("clientToken", in.Token)
	d.open("blockDeviceMapping")
	for _, id := range in.Volumes {
		v, ok := c.region.Volumes.find(id)
		if !ok {
			continue
		}
		d.open("item")
		d.str("deviceName", v.Device)
		d.open("ebs")
		d.str("volumeId", v.ID)
		d.str("status", "attached")
		d.time("attachTime", v.AttachedAt)
		d.bool("deleteOnTermination", !v.Keep)
		d.close("ebs")
		d.close("item")
	}
	d.close("blockDeviceMapping")
	d.tags(in.Tags)
	d.close("item")
}

// wanted is a disk that a request for an instance or an image describes.
type wanted struct {
	Mapping
	keepGiven bool
	none      bool
}

func (p *params) mappings() []wanted {
	var out []wanted
	for _, g := range p.groups("BlockDeviceMapping") {
		w := wanted{none: p.has(g + ".NoDevice")}
		p.ignore(g+".NoDevice", g+".Ebs.Iops", g+".Ebs.Throughput", g+".Ebs.Encrypted")
		w.Device, w.SnapshotID = p.must(g+".DeviceName"), p.get(g+".Ebs.SnapshotId")
		w.GiB, w.Type = p.int(g+".Ebs.VolumeSize", 0), p.get(g+".Ebs.VolumeType")
		w.keepGiven = p.has(g + ".Ebs.DeleteOnTermination")
		w.Keep = w.keepGiven && !p.bool(g+".Ebs.DeleteOnTermination")
		out = append(out, w)
	}
	return out
}

func runInstances(p *params) func(*call) error {
	image, kind := p.must("ImageId"), cmp.Or(p.get("InstanceType"), "m1.small")
	least, most := p.int("MinCount", 0), p.int("MaxCount", 0)
	subnet, key, zone := p.get("SubnetId"), p.get("KeyName"), p.get("Placement.AvailabilityZone")
	protect := p.bool("DisableApiTermination")
	token, extra := p.token(), p.mappings()
	specs := p.tagSpecs("instance", "volume", "network-interface")
	p.list("SecurityGroupId")
	p.list("SecurityGroup")
	p.ignore("UserData", "EbsOptimized", "Monitoring.Enabled", "InstanceInitiatedShutdownBehavior", "Placement.Tenancy")
	if least < 1 || most < least {
		p.fail(fail("InvalidParameterValue", "MinCount and MaxCount must be at least 1, and MaxCount not below MinCount"))
	}
	return func(c *call) error {
		ids, err := c.tokenUsed("RunInstances", token)
		if err != nil {
			return err
		}
		if ids == nil {
			if ids, err = c.run(image, kind, subnet, key, zone, most, protect, extra, specs, token.value); err != nil {
				return err
			}
			c.remember("RunInstances", token, ids...)
		}
		c.out.str("reservationId", "r-"+ids[0][2:])
		c.out.str("ownerId", c.f.opt.Account)
		c.out.open("instancesSet")
		for _, id := range ids {
			if in, ok := c.region.Instances.find(id); ok {
				c.instance(in)
			}
		}
		c.out.close("instancesSet")
		return nil
	}
}

func (c *call) run(image, kind, subnet, key, zone string, n int, protect bool, extra []wanted, specs map[string]map[string]string, token string) ([]string, error) {
	m, err := lookup(c, &c.region.Images, "ami", image)
	if err != nil {
		return nil, err
	}
	if state := m.State(c.now); state != "available" {
		return nil, fail("InvalidAMIID.Unavailable", "The image ID '%s' is not available, but %s", image, state)
	}
	if zone == "" {
		zone = c.region.Name + "a"
	}
	if err := c.inZone(zone); err != nil {
		return nil, err
	}
	if subnet == "subnet-missing" || subnet != "" && len(subnet) < 8 {
		return nil, fail("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", subnet)
	}
	if limit := c.f.opt.MaxInstances; limit > 0 && c.instances()+n > limit {
		return nil, fail("VcpuLimitExceeded", "You have requested more vCPU capacity than your current vCPU limit allows for the instance bucket that the specified instance type belongs to.")
	}
	if err := c.takeInstances(n); err != nil {
		return nil, err
	}
	disks, err := c.disksFor(m, extra)
	if err != nil {
		return nil, err
	}
	var ids []string
	for range n {
		in := &Instance{
			Meta: c.new("i", specs["instance"]), Type: kind, Image: image, Zone: zone, Subnet: cmp.Or(subnet, defaultSubnet(zone)),
			KeyName: key, RootDevice: m.RootDevice, Launched: c.now.UTC(), Token: token, Protected: protect,
		}
		in.change(c.now, "pending", "running", c.f.opt.InstanceTime)
		c.region.Instances.add(in)
		for _, d := range disks {
			v := &Volume{
				Meta: c.new("vol", specs["volume"]), GiB: d.GiB, Type: d.Type, Zone: zone, SnapshotID: d.SnapshotID,
				Encrypted: d.Encrypted, Keep: d.Keep, ReadyAt: c.now,
			}
			c.region.Volumes.add(v)
			c.region.attach(v, in, d.Device, c.now)
		}
		ids = append(ids, in.ID)
	}
	return ids, nil
}

func (c *call) instances() int {
	n := 0
	for _, in := range c.region.Instances.Rows {
		if in.State(c.now) != "terminated" {
			n++
		}
	}
	return n
}

// disksFor is the image's disks as the request changes them, and those that it adds, which outlive the instance unless
// it says otherwise.
func (c *call) disksFor(m *Image, extra []wanted) ([]Mapping, error) {
	out := slices.Clone(m.Mappings)
	for _, w := range extra {
		i := slices.IndexFunc(out, func(b Mapping) bool { return b.Device == w.Device })
		switch {
		case w.none:
			if i >= 0 {
				out = slices.Delete(out, i, i+1)
			}
			continue
		case i < 0:
			if !w.keepGiven {
				w.Keep = w.SnapshotID == ""
			}
			if w.SnapshotID != "" {
				s, err := c.sourceSnapshot(c.region.Name, w.SnapshotID)
				if err != nil {
					return nil, err
				}
				w.GiB, w.Encrypted = max(w.GiB, s.GiB), s.Encrypted
			}
			if w.GiB == 0 {
				return nil, fail("MissingParameter", "The request must contain the parameter size or snapshotId")
			}
			w.Type = cmp.Or(w.Type, "gp2")
			out = append(out, w.Mapping)
		default:
			b := &out[i]
			b.GiB, b.Type = max(b.GiB, w.GiB), cmp.Or(w.Type, b.Type)
			if w.keepGiven {
				b.Keep = w.Keep
			}
		}
	}
	return out, nil
}

func defaultSubnet(zone string) string { return fmt.Sprintf("subnet-0%016x", mix(uint64(len(zone)))) }

func startInstances(p *params) func(*call) error {
	p.ignore("AdditionalInfo")
	return changeState(p, "started", []string{"pending", "running", "stopped"}, func(c *call, in *Instance, state string) {
		if state == "stopped" {
			in.Launched = c.now.UTC()
			in.change(c.now, "pending", "running", c.f.opt.InstanceTime)
		}
	})
}

func stopInstances(p *params) func(*call) error {
	p.ignore("Force", "Hibernate", "SkipOsShutdown")
	return changeState(p, "stopped", []string{"pending", "running", "stopping", "stopped"}, func(c *call, in *Instance, state string) {
		if state == "running" || state == "pending" {
			in.change(c.now, "stopping", "stopped", c.f.opt.InstanceTime)
		}
	})
}

func terminateInstances(p *params) func(*call) error {
	p.ignore("Force", "SkipOsShutdown")
	return changeState(p, "terminated", nil, func(c *call, in *Instance, state string) {
		if state != "terminated" && state != "shutting-down" {
			c.region.end(in, c.now, c.f.opt.InstanceTime)
		}
	})
}

// end shuts an instance down; its volumes go with it unless they are to be kept.
func (r *region) end(in *Instance, now time.Time, takes time.Duration) {
	in.change(now, "shutting-down", "terminated", takes)
	for _, id := range slices.Clone(in.Volumes) {
		v, ok := r.Volumes.find(id)
		switch {
		case !ok:
		case v.Keep:
			v.Instance, v.Device, v.AttachedAt = "", "", time.Time{}
			in.Volumes = slices.DeleteFunc(in.Volumes, func(x string) bool { return x == id })
		default:
			r.Due = append(r.Due, due{At: in.ChangeAt, ID: id})
		}
	}
	r.Due = append(r.Due, due{At: in.ChangeAt.Add(terminatedFor), ID: in.ID})
	r.settle(now)
}

// changeState changes all instances that a call names, or none. from lists the states in which it may; nil is any state
// of an instance that is not protected.
func changeState(p *params, what string, from []string, change func(c *call, in *Instance, state string)) func(*call) error {
	ids := p.list("InstanceId")
	if len(ids) == 0 {
		p.fail(fail("MissingParameter", "The request must contain the parameter InstanceId"))
	}
	return func(c *call) error {
		var all []*Instance
		var before []string
		for _, id := range ids {
			in, err := lookup(c, &c.region.Instances, "i", id)
			if err != nil {
				return err
			}
			state := in.State(c.now)
			if from == nil && in.Protected {
				return fail("OperationNotPermitted", "The instance '%s' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.", id)
			}
			if from != nil && !slices.Contains(from, state) {
				return fail("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be %s.", id, what)
			}
			all, before = append(all, in), append(before, state)
		}
		if err := c.takeInstances(len(all)); err != nil {
			return err
		}
		for i, in := range all {
			change(c, in, before[i])
		}
		c.out.open("instancesSet")
		for i, in := range all {
			c.out.open("item")
			c.out.str("instanceId", in.ID)
			for _, s := range []struct{ name, state string }{{"currentState", in.State(c.now)}, {"previousState", before[i]}} {
				c.out.open(s.name)
				c.out.num("code", stateCode(s.state))
				c.out.str("name", s.state)
				c.out.close(s.name)
			}
			c.out.close("item")
		}
		c.out.close("instancesSet")
		return nil
	}
}

func describeRegions(p *params) func(*call) error {
	l := listing{filters: p.filters()}
	names := p.list("RegionName")
	p.ignore("AllRegions")
	return func(c *call) error {
		field := func(region string) func(string) ([]string, bool) {
			return func(name string) ([]string, bool) {
				switch name {
				case "region-name":
					return []string{region}, true
				case "endpoint":
					return []string{"ec2." + region + ".amazonaws.com"}, true
				case "opt-in-status":
					return []string{"opt-in-not-required"}, true
				}
				return nil, false
			}
		}
		if err := named(l.filters, field("")); err != nil {
			return err
		}
		for _, n := range names {
			if c.f.state.Regions[n] == nil {
				return fail("InvalidParameterValue", "Invalid region: %s", n)
			}
		}
		c.out.open("regionInfo")
		for _, name := range slices.Sorted(maps.Keys(c.f.state.Regions)) {
			if len(names) > 0 && !slices.Contains(names, name) || !pass(l.filters, nil, field(name)) {
				continue
			}
			c.out.open("item")
			c.out.str("regionName", name)
			c.out.str("regionEndpoint", "ec2."+name+".amazonaws.com")
			c.out.str("optInStatus", "opt-in-not-required")
			c.out.close("item")
		}
		c.out.close("regionInfo")
		return nil
	}
}
