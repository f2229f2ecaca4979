package faketencent

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Disk is a CBS disk.
type Disk struct {
	Meta
	Name        string    `json:"name,omitempty"`
	GiB         int       `json:"gib"`
	Type        string    `json:"type"`
	Zone        string    `json:"zone"`
	Usage       string    `json:"usage"`
	SnapshotID  string    `json:"snapshot,omitempty"`
	Encrypted   bool      `json:"encrypted,omitempty"`
	NoSnapshots bool      `json:"no-snapshots,omitempty"` // SnapshotAbility is false
	ReadyAt     time.Time `json:"ready-at"`
	Instance    string    `json:"instance,omitempty"`
	Keep        bool      `json:"keep,omitempty"` // outlives its instance
	End         string    `json:"end,omitempty"`  // a state besides attached and not, for hands
}

// State is the disk's state at a time.
func (d *Disk) State(now time.Time) string {
	switch {
	case now.Before(d.ReadyAt):
		return "DUMPING"
	case d.End != "":
		return d.End
	case d.Instance != "":
		return "ATTACHED"
	}
	return "UNATTACHED"
}

// smallest and the step are CBS's sizes in GiB.
const smallest = 10

var diskTypes = []string{"CLOUD_BASIC", "CLOUD_PREMIUM", "CLOUD_SSD", "CLOUD_BSSD", "CLOUD_HSSD", "CLOUD_TSSD"}

type describeDisksIn struct {
	DiskIds                      []string
	Filters                      []Filter
	Offset, Limit                *int
	Order, OrderField            string
	ReturnBindAutoSnapshotPolicy *bool
}

func describeDisks(c *call, in describeDisksIn) (obj, error) {
	l := listing{kind: "disk", ids: in.DiskIds, filters: in.Filters, offset: in.Offset, limit: in.Limit, order: in.Order}
	if in.OrderField != "" && in.OrderField != "CREATE_TIME" && in.OrderField != "DEADLINE" {
		return nil, fail("InvalidParameterValue", "The value %q of OrderField is invalid.", in.OrderField)
	}
	rows, total, err := page(c, c.region.Disks.Rows, l, func(d *Disk, name string) ([]string, bool) {
		switch name {
		case "disk-id":
			return []string{d.ID}, true
		case "disk-name":
			return []string{d.Name}, true
		case "disk-usage":
			return []string{d.Usage}, true
		case "disk-type":
			return []string{d.Type}, true
		case "disk-state":
			return []string{d.State(c.now)}, true
		case "instance-id":
			return []string{d.Instance}, true
		case "zone":
			return []string{d.Zone}, true
		}
		return nil, false
	}, func(*Disk) bool { return true })
	if err != nil {
		return nil, err
	}
	set := []obj{}
	for _, d := range rows {
		set = append(set, obj{
			"DiskId": d.ID, "DiskName": d.Name, "DiskSize": d.GiB, "DiskType": d.Type, "DiskUsage": d.Usage, "DiskState": d.State(c.now),
			"Attached": d.Instance != "", "InstanceId": d.Instance, "Encrypt": d.Encrypted, "SnapshotAbility": !d.NoSnapshots, "Portable": d.Usage == dataDisk,
			"DiskChargeType": "POSTPAID_BY_HOUR", "DeleteWithInstance": !d.Keep, "CreateTime": china(d.Created), "Placement": obj{"Zone": d.Zone, "ProjectId": 0},
			"Tags": tagList(d.Tags), "InstanceIdList": []string{}, "DeadlineTime": nil,
		})
	}
	return obj{"TotalCount": total, "DiskSet": set}, nil
}

// Placement is where something is to be.
type Placement struct {
	Zone      string
	ProjectId int
}

type createDisksIn struct {
	Placement                                                            Placement
	DiskChargeType, DiskType, DiskName, SnapshotId, ClientToken, Encrypt string
	DiskCount, DiskSize                                                  int
	Tags                                                                 []Tag
}

func createDisks(c *call, in createDisksIn) (obj, error) {
	for name, v := range map[string]string{"Placement.Zone": in.Placement.Zone, "DiskChargeType": in.DiskChargeType, "DiskType": in.DiskType} {
		if v == "" {
			return nil, missing(name)
		}
	}
	if in.DiskChargeType != "POSTPAID_BY_HOUR" {
		return nil, fail("InvalidParameterValue", "Only disks that are paid by the hour are sold here.")
	}
	if !slices.Contains(diskTypes, in.DiskType) {
		return nil, fail("InvalidParameterValue", "The value %q of DiskType is invalid.", in.DiskType)
	}
	if len(in.DiskName) > nameLimit {
		return nil, fail("InvalidParameterValue", "The name of the disk is longer than %d bytes.", nameLimit)
	}
	if in.Encrypt != "" && in.Encrypt != "ENCRYPT" {
		return nil, fail("InvalidParameterValue", "The value %q of Encrypt is invalid.", in.Encrypt)
	}
	count := cmp.Or(in.DiskCount, 1)
	if count < 1 || count > 20 || in.DiskSize < 0 || in.DiskSize > 32000 {
		return nil, fail("InvalidParameterValue", "The count or the size of the disks is out of range.")
	}
	tags, err := cbsTags.check(in.Tags)
	if err != nil {
		return nil, err
	}
	if ids, err := c.tokenUsed("CreateDisks", in.ClientToken); err != nil || ids != nil {
		return obj{"DiskIdSet": ids}, err
	}
	if !c.zone(in.Placement.Zone) {
		return nil, fail("InvalidParameterValue", "The zone %q is not in this region.", in.Placement.Zone)
	}
	size, encrypted := max(in.DiskSize, smallest), in.Encrypt != ""
	if in.SnapshotId != "" {
		s, err := lookup(c, &c.region.Snapshots, "snap", in.SnapshotId)
		if err != nil {
			return nil, err
		}
		switch {
		case s.Usage != dataDisk:
			return nil, fail("InvalidParameter.ShouldConvertSnapshotToImage", "The snapshot %s is of a system disk: an image must be made of it.", s.ID)
		case s.State(c.now) != "NORMAL":
			return nil, fail("ResourceUnavailable.SnapshotCreating", "The snapshot %s is not complete and cannot be used yet.", s.ID)
		case in.DiskSize != 0 && in.DiskSize < s.GiB:
			return nil, fail("InvalidParameter.DiskSizeNotMatch", "The disk is smaller than the snapshot.")
		}
		size, encrypted = max(in.DiskSize, s.GiB), encrypted || s.Encrypted
	}
	var ids []string
	for range count {
		d := &Disk{
			Meta: c.new("disk", tags), Name: cmp.Or(in.DiskName, unnamed), GiB: size, Type: in.DiskType, Zone: in.Placement.Zone, Usage: dataDisk,
			SnapshotID: in.SnapshotId, Encrypted: encrypted, ReadyAt: c.now.Add(c.f.opt.DiskTime).UTC(), Keep: true,
		}
		c.region.Disks.add(d)
		ids = append(ids, d.ID)
	}
	c.remember("CreateDisks", in.ClientToken, ids...)
	return obj{"DiskIdSet": ids}, nil
}

// zone says whether a zone is one of the region.
func (c *call) zone(name string) bool {
	n, ok := strings.CutPrefix(name, c.region.Name+"-")
	return ok && slices.Contains([]string{"1", "2", "3"}, n)
}

type terminateDisksIn struct{ DiskIds []string }

func terminateDisks(c *call, in terminateDisksIn) (obj, error) {
	if len(in.DiskIds) == 0 {
		return nil, missing("DiskIds")
	}
	for _, id := range in.DiskIds {
		d, err := lookup(c, &c.region.Disks, "disk", id)
		if err != nil {
			return nil, err
		}
		if d.Instance != "" {
			return nil, fail("ResourceUnavailable.Attached", "The disk %s is attached to %s.", id, d.Instance)
		}
	}
	for _, id := range in.DiskIds {
		c.region.Disks.remove(id)
	}
	return nil, nil
}
