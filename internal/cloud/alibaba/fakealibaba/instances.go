package fakealibaba

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func describeRegions(p *params) func(*call) error {
	p.ignore("InstanceChargeType", "ResourceType", "AcceptLanguage")
	return func(c *call) error {
		var list []fields
		for _, name := range c.f.regionNames() {
			list = append(list, fields{"RegionId": name, "LocalName": name, "RegionEndpoint": "ecs." + name + ".aliyuncs.com", "Status": "available"})
		}
		c.out["Regions"] = wrap("Region", list)
		return nil
	}
}

func describeInstances(p *params) func(*call) error {
	l := p.pages(true, 100)
	ids, status, image := p.ids("InstanceIds"), p.get("Status"), p.get("ImageId")
	filter := p.tagFilter()
	return func(c *call) error {
		rows := page(c, &c.region.Instances, l, func(in *Instance) bool {
			return among(ids, in.ID) && (status == "" || in.State(c.now) == status) && (image == "" || in.Image == image) && matches(filter, in.Tags)
		})
		var list []fields
		for _, in := range rows {
			list = append(list, c.instance(in))
		}
		c.out["Instances"] = wrap("Instance", list)
		return nil
	}
}

// instance writes one; of its disks ECS says nothing.
func (c *call) instance(in *Instance) fields {
	return fields{
		"InstanceId": in.ID, "InstanceName": in.Name, "Description": in.Description, "RegionId": c.region.Name, "ZoneId": in.Zone,
		"InstanceType": in.Type, "ImageId": in.Image, "Status": in.State(c.now), "CreationTime": in.Created.UTC().Format(minuteForm),
		"VpcAttributes": fields{"VSwitchId": in.VSwitch, "VpcId": "vpc-example"}, "SecurityGroupIds": fields{"SecurityGroupId": in.SecurityGroups},
		"KeyPairName": in.KeyPair, "DeletionProtection": in.Protected, "StoppedMode": stoppedMode(in, c.now),
		"Tags": tagFields(in.Tags, "TagKey", "TagValue"), "OperationLocks": fields{"LockReason": []fields{}},
	}
}

func stoppedMode(in *Instance, now time.Time) string {
	if in.State(now) != "Stopped" {
		return "Not-applicable"
	}
	return in.StoppedMode
}

// usable finds an image that an instance can be run from: one of the account's, a public one, or one that is shared.
func (c *call) usable(id string) (*Image, error) {
	m, ok := c.shared[id]
	if !ok {
		var err error
		if m, err = lookup(c, &c.region.Images, "m", id); err != nil {
			return nil, err
		}
	}
	if state := m.State(c.now); state != "Available" && state != "Deprecated" || c.now.Before(m.UsableAt) {
		return nil, fail(http.StatusForbidden, "IncorrectImageStatus", "The specified image is %s, or not usable yet.", state)
	}
	return m, nil
}

func runInstances(p *params) func(*call) error {
	image, kind, amount := p.must("ImageId"), p.must("InstanceType"), p.int("Amount", 1, 1, 100)
	vswitch, zone := p.must("VSwitchId"), p.get("ZoneId")
	groups := p.list("SecurityGroupIds", 16)
	if one := p.get("SecurityGroupId"); one != "" {
		groups = append(groups, one)
	}
	if len(groups) == 0 {
		p.bad("MissingParameter", "The input parameter \"SecurityGroupId\" that is mandatory for processing this request is not supplied.")
	}
	name, description := p.name("InstanceName", "Instance"), p.description("Description")
	category := p.get("SystemDisk.Category")
	if category == "" {
		category = "cloud_efficiency"
	}
	pair, protect := p.get("KeyPairName"), p.bool("DeletionProtection")
	t, tags := p.token(), p.tags()
	p.ignore("UserData", "RamRoleName", "MinAmount", "PasswordInherit", "SystemDisk.Size", "InternetMaxBandwidthOut", "InstanceChargeType")
	return func(c *call) error {
		ids, err := c.used("RunInstances", t)
		if err != nil {
			return err
		}
		if ids == nil {
			m, err := c.usable(image)
			if err != nil {
				return err
			}
			switch {
			case !strings.HasPrefix(kind, "ecs."):
				return fail(http.StatusNotFound, "InvalidInstanceType.NotFound", "The specified InstanceType %q does not exist.", kind)
			case !strings.HasPrefix(vswitch, "vsw-") || strings.HasSuffix(vswitch, "-missing"):
				return fail(http.StatusNotFound, "InvalidVSwitchId.NotFound", "The specified VSwitchId %q does not exist.", vswitch)
			case slices.ContainsFunc(groups, func(g string) bool { return !strings.HasPrefix(g, "sg-") }):
				return fail(http.StatusNotFound, "InvalidSecurityGroupId.NotFound", "The specified SecurityGroupId does not exist.")
			case zone != "" && !strings.HasPrefix(zone, c.region.Name):
				return fail(http.StatusBadRequest, "InvalidZoneId.NotFound", "The specified ZoneId %q does not exist.", zone)
			case c.f.opt.MaxInstances > 0 && len(c.region.Instances.Rows)+amount > c.f.opt.MaxInstances:
				return fail(http.StatusForbidden, "QuotaExceed.AfterpayInstance", "The maximum number of Pay-As-You-Go instances is exceeded.")
			}
			if zone == "" {
				zone = c.region.Name + "-a"
			}
			for n := range amount {
				label := name
				if amount > 1 && name != "" {
					label = fmt.Sprintf("%s-%03d", name, n+1)
				}
				in := &Instance{
					Meta: c.new("i", label, description, tags), Type: kind, Image: image, Zone: zone, VSwitch: vswitch, SecurityGroups: groups,
					KeyPair: pair, Protected: protect,
				}
				if in.Name == "" {
					in.Name = in.ID
				}
				in.pass(c.now, c.f.opt.InstanceTime, "Pending", "Starting", "Running")
				c.region.Instances.add(in)
				for i, d := range m.Mappings {
					disk := &Disk{
						Meta: c.new("d", "", "", tags), GiB: d.GiB, Category: category, Type: d.Type, Zone: zone, Snapshot: d.SnapshotID, ReadyAt: c.now.UTC(),
					}
					c.region.Disks.add(disk)
					attach(disk, in, i)
				}
				ids = append(ids, in.ID)
			}
			c.remember("RunInstances", t, ids...)
		}
		c.out["InstanceIdSets"] = fields{"InstanceIdSet": ids}
		return nil
	}
}

func attach(d *Disk, in *Instance, n int) {
	d.Instance, d.Device, d.NeverAttached = in.ID, "/dev/xvd"+string(rune('a'+n%26)), false
	in.Disks = append(in.Disks, d.ID)
}

// inState finds an instance that has to be in one of the states.
func (c *call) inState(id string, states ...string) (*Instance, error) {
	c.somewhere(id)
	in, err := lookup(c, &c.region.Instances, "i", id)
	if err != nil {
		return nil, err
	}
	if state := in.State(c.now); !slices.Contains(states, state) {
		return nil, fail(http.StatusForbidden, "IncorrectInstanceStatus", "The current status of the resource does not support this operation: %s.", state)
	}
	return in, nil
}

func startInstance(p *params) func(*call) error {
	id := p.must("InstanceId")
	p.ignore("InitLocalDisk", "SourceRegionId")
	return func(c *call) error {
		in, err := c.inState(id, "Stopped")
		if err == nil {
			in.pass(c.now, c.f.opt.InstanceTime, "Starting", "Running")
		}
		return err
	}
}

func stopInstance(p *params) func(*call) error {
	id, mode := p.must("InstanceId"), p.get("StoppedMode")
	if mode != "" && mode != "StopCharging" && mode != "KeepCharging" {
		p.bad("InvalidParameter", "Specified parameter StoppedMode is not valid: %q.", mode)
	}
	p.bool("ForceStop")
	p.ignore("Hibernate", "ConfirmStop")
	return func(c *call) error {
		in, err := c.inState(id, "Running")
		if err == nil {
			in.pass(c.now, c.f.opt.InstanceTime, "Stopping", "Stopped")
			in.StoppedMode = mode
		}
		return err
	}
}

func deleteInstance(p *params) func(*call) error {
	id, force := p.must("InstanceId"), p.bool("Force")
	p.ignore("TerminateSubscription")
	return func(c *call) error {
		in, err := c.inState(id, "Stopped", "Running", "Starting", "Stopping", "Pending")
		switch {
		case err != nil:
			return err
		case in.Protected:
			return fail(http.StatusForbidden, "InvalidOperation.DeletionProtection", "The operation is not allowed due to deletion protection.")
		case !force && in.State(c.now) != "Stopped":
			return fail(http.StatusForbidden, "IncorrectInstanceStatus", "The current status of the resource does not support this operation: %s.", in.State(c.now))
		case in.State(c.now) == "Pending":
			return fail(http.StatusForbidden, "IncorrectInstanceStatus.Initializing", "The specified instance status does not support this operation.")
		}
		c.region.drop(in)
		return nil
	}
}

func modifyInstanceAttribute(p *params) func(*call) error {
	id, name := p.must("InstanceId"), p.name("InstanceName", "Instance")
	given, protect := p.has("DeletionProtection"), p.bool("DeletionProtection")
	return func(c *call) error {
		c.somewhere(id)
		in, err := lookup(c, &c.region.Instances, "i", id)
		if err != nil {
			return err
		}
		if name != "" {
			in.Name = name
		}
		if given {
			in.Protected = protect
		}
		return nil
	}
}
