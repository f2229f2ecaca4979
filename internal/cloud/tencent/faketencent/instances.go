package faketencent

import (
	"cmp"
	"encoding/base64"
	"slices"
	"time"
)

// Instance is a CVM instance.
type Instance struct {
	Meta
	Name       string    `json:"name"`
	Type       string    `json:"type"`
	Image      string    `json:"image"`
	Zone       string    `json:"zone"`
	Vpc        string    `json:"vpc"`
	Subnet     string    `json:"subnet"`
	Keys       []string  `json:"keys,omitempty"`
	Login      string    `json:"login,omitempty"` // image, key or password
	Charge     string    `json:"charge"`          // POSTPAID_BY_HOUR or PREPAID
	LocalRoot  bool      `json:"local-root,omitempty"`
	Disks      []string  `json:"disks"` // the system disk first, unless it is local
	From       string    `json:"from"`  // the state until ChangeAt
	To         string    `json:"to"`    // the state from ChangeAt on
	ChangeAt   time.Time `json:"change-at"`
	Operation  string    `json:"operation"`            // the latest
	StopMode   string    `json:"stop-mode,omitempty"`  // STOP_CHARGING or KEEP_CHARGING while it is stopped
	Protected  bool      `json:"protected,omitempty"`  // DisableApiTermination
	Restricted string    `json:"restricted,omitempty"` // NORMAL when empty
}

// State is the instance's state at a time.
func (i *Instance) State(now time.Time) string {
	if now.Before(i.ChangeAt) {
		return i.From
	}
	return i.To
}

func (i *Instance) change(now time.Time, operation, from, to string, takes time.Duration) {
	i.Operation, i.From, i.To, i.ChangeAt = operation, from, to, now.Add(takes).UTC()
}

func describeRegions(c *call, _ empty) (obj, error) {
	set := []obj{}
	for _, name := range c.f.opt.Regions {
		set = append(set, obj{"Region": name, "RegionName": name, "RegionState": "AVAILABLE"})
	}
	return obj{"TotalCount": len(set), "RegionSet": set}, nil
}

type describeInstancesIn struct {
	InstanceIds   []string
	Filters       []Filter
	Offset, Limit *int
}

func describeInstances(c *call, in describeInstancesIn) (obj, error) {
	l := listing{kind: "ins", ids: in.InstanceIds, filters: in.Filters, offset: in.Offset, limit: in.Limit}
	rows, total, err := page(c, c.region.Instances.Rows, l, func(i *Instance, name string) ([]string, bool) {
		switch name {
		case "instance-id":
			return []string{i.ID}, true
		case "instance-name":
			return []string{i.Name}, true
		case "instance-state":
			return []string{i.State(c.now)}, true
		case "instance-charge-type":
			return []string{i.Charge}, true
		case "zone":
			return []string{i.Zone}, true
		case "vpc-id":
			return []string{i.Vpc}, true
		case "subnet-id":
			return []string{i.Subnet}, true
		}
		return nil, false
	}, func(*Instance) bool { return true })
	if err != nil {
		return nil, err
	}
	set := []obj{}
	for _, i := range rows {
		set = append(set, c.instance(i))
	}
	return obj{"TotalCount": total, "InstanceSet": set}, nil
}

func (c *call) instance(i *Instance) obj {
	system := obj{"DiskType": "LOCAL_BASIC", "DiskId": nil, "DiskSize": 50}
	data := []obj{}
	for n, id := range i.Disks {
		d, ok := c.region.Disks.find(id)
		if !ok {
			continue
		}
		one := obj{"DiskType": d.Type, "DiskId": d.ID, "DiskSize": d.GiB, "DiskName": d.Name}
		if n == 0 && !i.LocalRoot {
			system = one
		} else {
			one["DeleteWithInstance"] = !d.Keep
			data = append(data, one)
		}
	}
	state := "SUCCESS"
	switch {
	case c.now.Before(i.ChangeAt):
		state = "OPERATING"
	case i.To == "LAUNCH_FAILED":
		state = "FAILED"
	}
	return obj{
		"InstanceId": i.ID, "InstanceName": i.Name, "InstanceType": i.Type, "InstanceState": i.State(c.now), "ImageId": i.Image,
		"InstanceChargeType": i.Charge, "Placement": obj{"Zone": i.Zone, "ProjectId": 0}, "SystemDisk": system, "DataDisks": data,
		"VirtualPrivateCloud": obj{"VpcId": i.Vpc, "SubnetId": i.Subnet, "AsVpcGateway": false}, "LoginSettings": obj{"KeyIds": i.Keys},
		"CreatedTime": i.Created.UTC().Format(time.RFC3339), "ExpiredTime": nil, "Tags": tagList(i.Tags), "DisableApiTermination": i.Protected,
		"LatestOperation": i.Operation, "LatestOperationState": state, "RestrictState": cmp.Or(i.Restricted, "NORMAL"),
		"StopChargingMode": cmp.Or(i.StopMode, "NOT_APPLICABLE"), "PublicIpAddresses": nil,
	}
}

type diskIn struct {
	DiskType, SnapshotId string
	DiskSize             int
	DeleteWithInstance   *bool
}

type runInstancesIn struct {
	Placement                                                                      Placement
	InstanceChargeType, InstanceType, ImageId, InstanceName, ClientToken, UserData string
	HostName, CamRoleName                                                          string
	SystemDisk                                                                     *diskIn
	DataDisks                                                                      []diskIn
	VirtualPrivateCloud                                                            *struct{ VpcId, SubnetId string }
	LoginSettings                                                                  *struct {
		Password, KeepImageLogin string
		KeyIds                   []string
	}
	InstanceCount, MinCount       int
	TagSpecification              []TagSpecification
	DisableApiTermination, DryRun bool
	SecurityGroupIds              []string
}

func (in *runInstancesIn) check() error {
	for _, p := range [][2]string{{"Placement.Zone", in.Placement.Zone}, {"ImageId", in.ImageId}} {
		if p[1] == "" {
			return missing(p[0])
		}
	}
	if _, err := base64.StdEncoding.DecodeString(in.UserData); err != nil || len(in.UserData) > 16<<10 {
		return fail("InvalidParameterValue.InvalidUserDataFormat", "The UserData is not base64 of at most 16 KB.")
	}
	if len([]rune(in.InstanceName)) > 128 {
		return fail("InvalidInstanceName.TooLong", "The name of the instance is longer than 128 characters.")
	}
	if c := cmp.Or(in.InstanceCount, 1); c < 1 || c > 500 || in.MinCount > c {
		return fail("InvalidParameterValue.Range", "The count of instances is not in 1 to 500.")
	}
	if !slices.Contains([]string{"", "POSTPAID_BY_HOUR", "PREPAID"}, in.InstanceChargeType) {
		return fail("InvalidParameterValue", "The value %q of InstanceChargeType is not sold here.", in.InstanceChargeType)
	}
	if v := in.VirtualPrivateCloud; v != nil && (v.VpcId == "" || v.SubnetId == "") {
		return missing("VirtualPrivateCloud.VpcId and SubnetId")
	}
	if l := in.LoginSettings; l != nil {
		ways := 0
		for _, given := range []bool{l.Password != "", l.KeepImageLogin == "TRUE" || l.KeepImageLogin == "true", len(l.KeyIds) > 0} {
			if given {
				ways++
			}
		}
		if ways > 1 {
			return fail("InvalidParameter.ParameterConflict", "Password, KeyIds and KeepImageLogin exclude each other.")
		}
	}
	return nil
}

func runInstances(c *call, in runInstancesIn) (obj, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	tags, err := specified(in.TagSpecification, "instance")
	if err != nil {
		return nil, err
	}
	if ids, err := c.tokenUsed("RunInstances", in.ClientToken); err != nil || ids != nil {
		return obj{"InstanceIdSet": ids}, err
	}
	if !c.zone(in.Placement.Zone) {
		return nil, fail("InvalidZone.MismatchRegion", "The zone %q is not in this region.", in.Placement.Zone)
	}
	m, err := c.usable(in.ImageId)
	if err != nil {
		return nil, err
	}
	if err := c.maySell(in, m); err != nil {
		return nil, err
	}
	if most := c.f.opt.MaxInstances; most > 0 && len(c.region.Instances.Rows)+cmp.Or(in.InstanceCount, 1) > most {
		return nil, fail("LimitExceeded.InstanceQuota", "The quota of %d instances is reached.", most)
	}
	if in.DryRun {
		return nil, nil
	}
	ids := []string{}
	for range cmp.Or(in.InstanceCount, 1) {
		ids = append(ids, c.run(in, m, tags).ID)
	}
	c.remember("RunInstances", in.ClientToken, ids...)
	return obj{"InstanceIdSet": ids}, nil
}

// maySell checks the disks that are asked for.
func (c *call) maySell(in runInstancesIn, m *Image) error {
	if in.SystemDisk != nil && in.SystemDisk.DiskSize != 0 && in.SystemDisk.DiskSize < m.GiB {
		return fail("InvalidParameterValue", "The system disk is smaller than the image.")
	}
	for _, d := range in.DataDisks {
		if d.SnapshotId == "" {
			continue
		}
		s, err := lookup(c, &c.region.Snapshots, "snap", d.SnapshotId)
		if err != nil || s.Usage != dataDisk {
			return fail("InvalidParameter.SnapshotNotFound", "The snapshot %s of a data disk does not exist.", d.SnapshotId)
		}
		if d.DiskSize < s.GiB {
			return fail("FailedOperation.SnapshotSizeLargerThanDataSize", "The data disk is smaller than its snapshot.")
		}
	}
	return nil
}

// run makes one instance with its disks. The tags are on the instance and on its disks.
func (c *call) run(in runInstancesIn, m *Image, tags map[string]string) *Instance {
	i := &Instance{
		Meta: c.new("ins", tags), Name: cmp.Or(in.InstanceName, unnamed), Type: cmp.Or(in.InstanceType, "S5.SMALL1"), Image: m.ID, Zone: in.Placement.Zone,
		Vpc: "vpc-default1", Subnet: "subnet-default1", Charge: cmp.Or(in.InstanceChargeType, "POSTPAID_BY_HOUR"), Protected: in.DisableApiTermination, Login: "password",
	}
	if v := in.VirtualPrivateCloud; v != nil {
		i.Vpc, i.Subnet = v.VpcId, v.SubnetId
	}
	if l := in.LoginSettings; l != nil && len(l.KeyIds) > 0 {
		i.Keys, i.Login = l.KeyIds, "key"
	} else if l != nil && l.KeepImageLogin != "" {
		i.Login = "image"
	}
	to := "RUNNING"
	switch c.fate("instance", m.ID) {
	case Fails:
		to = "LAUNCH_FAILED"
	case Hangs:
		to = "PENDING"
	}
	i.change(c.now, "RunInstances", "PENDING", to, c.f.opt.InstanceTime)
	system := &Disk{Meta: c.new("disk", tags), Name: unnamed, GiB: max(m.GiB, 20), Type: "CLOUD_PREMIUM", Zone: i.Zone, Usage: systemDisk, ReadyAt: c.now.UTC(), Instance: i.ID}
	if s := in.SystemDisk; s != nil {
		system.GiB, system.Type = max(s.DiskSize, system.GiB), cmp.Or(s.DiskType, system.Type)
	}
	c.region.Disks.add(system)
	i.Disks = append(i.Disks, system.ID)
	for _, d := range in.DataDisks {
		data := &Disk{
			Meta: c.new("disk", tags), Name: unnamed, GiB: max(d.DiskSize, smallest), Type: cmp.Or(d.DiskType, "LOCAL_BASIC"), Zone: i.Zone, Usage: dataDisk,
			SnapshotID: d.SnapshotId, ReadyAt: c.now.UTC(), Instance: i.ID, Keep: d.DeleteWithInstance != nil && !*d.DeleteWithInstance,
		}
		c.region.Disks.add(data)
		i.Disks = append(i.Disks, data.ID)
	}
	c.region.Instances.add(i)
	return i
}

type startInstancesIn struct{ InstanceIds []string }

func startInstances(c *call, in startInstancesIn) (obj, error) {
	list, err := c.instancesIn(in.InstanceIds, "STOPPED")
	for _, i := range list {
		i.StopMode = ""
		i.change(c.now, "StartInstances", "STARTING", "RUNNING", c.f.opt.InstanceTime)
	}
	return nil, err
}

type stopInstancesIn struct {
	InstanceIds           []string
	ForceStop             *bool
	StopType, StoppedMode string
}

func stopInstances(c *call, in stopInstancesIn) (obj, error) {
	if !slices.Contains([]string{"", "SOFT", "HARD", "SOFT_FIRST"}, in.StopType) || !slices.Contains([]string{"", "KEEP_CHARGING", "STOP_CHARGING"}, in.StoppedMode) {
		return nil, fail("InvalidParameterValue", "The StopType or the StoppedMode is invalid.")
	}
	if in.ForceStop != nil && in.StopType != "" {
		return nil, fail("InvalidParameterCombination", "ForceStop and StopType exclude each other.")
	}
	list, err := c.instancesIn(in.InstanceIds, "RUNNING")
	for _, i := range list {
		i.StopMode = cmp.Or(in.StoppedMode, "KEEP_CHARGING")
		i.change(c.now, "StopInstances", "STOPPING", "STOPPED", c.f.opt.InstanceTime)
	}
	return nil, err
}

var stateWords = map[string]string{
	"PENDING": "Pending", "LAUNCH_FAILED": "LaunchFailed", "RUNNING": "Running", "STOPPED": "Stopped", "STARTING": "Starting", "STOPPING": "Stopping",
	"REBOOTING": "Rebooting", "SHUTDOWN": "Shutdown", "TERMINATING": "Terminating", "RESCUE_MODE": "RescueMode",
}

// instancesIn finds instances that must all be in a state. One that is not hinders them all.
func (c *call) instancesIn(ids []string, states ...string) ([]*Instance, error) {
	if len(ids) == 0 {
		return nil, missing("InstanceIds")
	}
	if len(ids) > mostIDs {
		return nil, fail("InvalidParameterValue.LimitExceeded", "At most %d ids can be specified.", mostIDs)
	}
	var out []*Instance
	for _, id := range ids {
		i, err := lookup(c, &c.region.Instances, "ins", id)
		if err != nil {
			return nil, err
		}
		if state := i.State(c.now); !slices.Contains(states, state) {
			return nil, fail("UnsupportedOperation.InstanceState"+cmp.Or(stateWords[state], "Unknown"), "The instance %s is in the state %s.", id, state)
		}
		out = append(out, i)
	}
	return out, nil
}

type terminateInstancesIn struct {
	InstanceIds                             []string
	ReleaseAddress, ReleasePrepaidDataDisks bool
}

// terminateInstances ends those that are paid by the hour; those that are paid in advance go to the recycle bin, and end
// when they are terminated there once more.
func terminateInstances(c *call, in terminateInstancesIn) (obj, error) {
	list, err := c.instancesIn(in.InstanceIds, "RUNNING", "STOPPED", "SHUTDOWN")
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if i.Protected {
			return nil, fail("UnsupportedOperation.InstancesProtected", "The instance %s is protected from termination.", i.ID)
		}
		if i.Charge != list[0].Charge {
			return nil, fail("UnsupportedOperation.InstanceMixedPricingModel", "The instances are not all paid in the same way.")
		}
	}
	for _, i := range list {
		if i.Charge == "PREPAID" && i.State(c.now) != "SHUTDOWN" {
			i.change(c.now, "TerminateInstances", "STOPPING", "SHUTDOWN", c.f.opt.InstanceTime)
			continue
		}
		i.change(c.now, "TerminateInstances", "TERMINATING", "TERMINATING", c.f.opt.InstanceTime)
		c.region.Due = append(c.region.Due, due{At: i.ChangeAt, ID: i.ID})
	}
	return nil, nil
}
