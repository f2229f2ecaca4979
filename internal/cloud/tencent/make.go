package tencent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	cbs "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cbs/v20170312"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	cvm "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cvm/v20170312"

	"github.com/stint-cloud/stint/internal/cloud"
)

const (
	nameLimit     = 60 // of an image, a snapshot and a disk
	instanceLimit = 128
	byTheHour     = "POSTPAID_BY_HOUR"
	usualDisk     = "CLOUD_PREMIUM" // where CBS wants a type and none is given
)

// within cuts a name to what the cloud takes, between two characters.
func within(name string, limit int) string {
	for len(name) > limit {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name
}

// braceless is a name without the braces by which CVM would count instances.
var braceless = strings.NewReplacer("{", "(", "}", ")")

func forCBS(tags cloud.Tags) []*cbs.Tag {
	if len(tags) == 0 {
		return nil
	}
	out := make([]*cbs.Tag, len(tags))
	for i, t := range tags {
		out[i] = &cbs.Tag{Key: common.StringPtr(t.Key), Value: common.StringPtr(t.Value)}
	}
	return out
}

func forCVM(kind string, tags cloud.Tags) []*cvm.TagSpecification {
	if len(tags) == 0 {
		return nil
	}
	list := make([]*cvm.Tag, len(tags))
	for i, t := range tags {
		list[i] = &cvm.Tag{Key: common.StringPtr(t.Key), Value: common.StringPtr(t.Value)}
	}
	return []*cvm.TagSpecification{{ResourceType: &kind, Tags: list}}
}

// unclear is an answer that says yes and names nothing: whether something was made is for a look to find out.
func unclear(what string) error {
	return fmt.Errorf("the answer names no %s: %w", what, cloud.ErrTransient)
}

// missing is a thing that was looked for by its id and is not there, in the cloud's own word for it.
func missing(op string, ref cloud.Ref, code string) error {
	return &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrNotFound, Code: code, Err: fmt.Errorf("it is not listed")}
}

var notFound = map[cloud.Kind]string{
	cloud.KindInstance: "InvalidInstanceId.NotFound", cloud.KindDisk: "InvalidDiskId.NotFound",
	cloud.KindSnapshot: "InvalidSnapshotId.NotFound", cloud.KindImage: "InvalidImageId.NotFound",
}

// CreateSnapshot starts a snapshot, after a look at the disk. CBS takes no token for it: an unclear answer is settled by
// looking for the tags. That of a system disk is taken as one of data: CBS makes a disk of no other, and shares no other.
func (p *Provider) CreateSnapshot(ctx context.Context, req cloud.NewSnapshot) (cloud.Snapshot, error) {
	const op = "snapshot.create"
	ref := p.ref(req.Region, cloud.KindDisk, req.Disk)
	if !formed("disk", req.Disk) {
		return cloud.Snapshot{}, missing(op, ref, notFound[cloud.KindDisk])
	}
	var made cloud.Snapshot
	var gone bool
	err := p.call(ctx, op, ref, req.Region, func(ctx context.Context, c clients) error {
		list, _, err := disks(ctx, c, window{ids: []string{req.Disk}, limit: 1})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(d *cbs.Disk) bool { return d != nil && text(d.DiskId) == req.Disk })
		if gone = i < 0; gone {
			return nil
		}
		d := p.disk(req.Region, list[i])
		in := cbs.NewCreateSnapshotRequest()
		in.DiskId, in.SnapshotName, in.Tags = &req.Disk, optional(within(req.Name, nameLimit)), forCBS(req.Tags)
		if text(list[i].DiskUsage) == systemDisk {
			in.DiskUsage = common.StringPtr(dataDisk)
		}
		out, err := c.cbs.CreateSnapshotWithContext(ctx, in)
		if err != nil {
			return err
		}
		id := text(value(out.Response).SnapshotId)
		if id == "" {
			return unclear("snapshot")
		}
		made = cloud.Snapshot{
			Ref: p.ref(req.Region, cloud.KindSnapshot, id), Name: text(in.SnapshotName), Disk: req.Disk, Size: d.Size, State: cloud.StateWorking, Detail: "CREATING",
			Encrypted: d.Encrypted, Project: d.Project, Tags: req.Tags,
		}
		return nil
	})
	if err == nil && gone {
		err = missing(op, ref, notFound[cloud.KindDisk])
	}
	return made, err
}

// DeleteSnapshot deletes one, and never an image that stands on it.
func (p *Provider) DeleteSnapshot(ctx context.Context, ref cloud.Ref) error {
	if !formed("snap", ref.ID) {
		return missing("snapshot.delete", ref, notFound[cloud.KindSnapshot])
	}
	return p.call(ctx, "snapshot.delete", ref, ref.Region, func(ctx context.Context, c clients) error {
		in := cbs.NewDeleteSnapshotsRequest()
		in.SnapshotIds = []*string{&ref.ID}
		_, err := c.cbs.DeleteSnapshotsWithContext(ctx, in)
		return err
	})
}

// CreateImage starts an image with all cloud disks, which have to be named, so the instance is looked at first. It keeps
// running unless Reboot is set; then it is switched off for the image.
func (p *Provider) CreateImage(ctx context.Context, req cloud.NewImage) (cloud.Image, error) {
	const op = "image.create"
	ref := p.ref(req.Region, cloud.KindInstance, req.Instance)
	if !formed("ins", req.Instance) {
		return cloud.Image{}, missing(op, ref, notFound[cloud.KindInstance])
	}
	var made cloud.Image
	var gone bool
	err := p.call(ctx, op, ref, req.Region, func(ctx context.Context, c clients) error {
		look := cvm.NewDescribeInstancesRequest()
		look.InstanceIds, look.Limit = []*string{&req.Instance}, common.Int64Ptr(1)
		got, err := c.cvm.DescribeInstancesWithContext(ctx, look)
		if err != nil {
			return err
		}
		list := value(got.Response).InstanceSet
		i := slices.IndexFunc(list, func(v *cvm.Instance) bool { return v != nil && text(v.InstanceId) == req.Instance })
		if gone = i < 0; gone {
			return nil
		}
		in := cvm.NewCreateImageRequest()
		in.InstanceId, in.ImageName, in.TagSpecification = &req.Instance, common.StringPtr(within(req.Name, nameLimit)), forCVM("image", req.Tags)
		in.ImageDescription, in.ForcePoweroff = optional(within(req.Description, 256)), common.StringPtr(fmt.Sprint(req.Reboot))
		for _, a := range p.instance(req.Region, list[i]).Disks {
			if !a.Root {
				in.DataDiskIds = append(in.DataDiskIds, common.StringPtr(a.Disk))
			}
		}
		out, err := c.cvm.CreateImageWithContext(ctx, in)
		if err != nil {
			return err
		}
		id := text(value(out.Response).ImageId)
		if id == "" {
			return unclear("image")
		}
		made = cloud.Image{Ref: p.ref(req.Region, cloud.KindImage, id), Name: *in.ImageName, State: cloud.StateWorking, Detail: "CREATING", Tags: req.Tags}
		return nil
	})
	if err == nil && gone {
		err = missing(op, ref, notFound[cloud.KindInstance])
	}
	return made, err
}

// DeleteImage deletes the image and nothing else.
func (p *Provider) DeleteImage(ctx context.Context, ref cloud.Ref) error {
	return p.call(ctx, "image.delete", ref, ref.Region, func(ctx context.Context, c clients) error {
		in := cvm.NewDeleteImagesRequest()
		in.ImageIds = []*string{&ref.ID}
		_, err := c.cvm.DeleteImagesWithContext(ctx, in)
		return err
	})
}

// CreateDisk starts a disk from a snapshot, paid by the hour; the same token gives the same disk.
func (p *Provider) CreateDisk(ctx context.Context, req cloud.NewDisk) (cloud.Disk, error) {
	ref := p.ref(req.Region, cloud.KindSnapshot, req.Snapshot)
	var made cloud.Disk
	err := p.call(ctx, "disk.create", ref, req.Region, func(ctx context.Context, c clients) error {
		in := cbs.NewCreateDisksRequest()
		in.Placement, in.DiskChargeType, in.DiskCount = &cbs.Placement{Zone: optional(req.Zone)}, common.StringPtr(byTheHour), common.Uint64Ptr(1)
		in.DiskType, in.SnapshotId, in.DiskName = common.StringPtr(usualDisk), &req.Snapshot, optional(within(req.Name, nameLimit))
		in.Tags, in.ClientToken = forCBS(req.Tags), optional(req.Token)
		if req.Type != "" {
			in.DiskType = &req.Type
		}
		if req.Size > 0 {
			in.DiskSize = u64(int((req.Size + gib - 1) / gib))
		}
		out, err := c.cbs.CreateDisksWithContext(ctx, in)
		if err != nil {
			return err
		}
		ids := value(out.Response).DiskIdSet
		if len(ids) != 1 || text(ids[0]) == "" {
			return unclear("disk")
		}
		made = cloud.Disk{
			Ref: p.ref(req.Region, cloud.KindDisk, text(ids[0])), Name: text(in.DiskName), Zone: req.Zone, Type: *in.DiskType, Size: int64(value(in.DiskSize)) * gib,
			State: cloud.StateWorking, Tags: req.Tags,
		}
		return nil
	})
	return made, err
}

// RunInstance starts one instance, paid by the hour; the same token gives the same instance. Its disks carry its tags too.
// The image is looked at first: its data disks have to be named, and its login is kept unless a key is given.
func (p *Provider) RunInstance(ctx context.Context, req cloud.NewInstance) (cloud.Instance, error) {
	const op = "instance.run"
	ref := p.ref(req.Region, cloud.KindImage, req.Image)
	in := cvm.NewRunInstancesRequest()
	vpc, subnet, ok := strings.Cut(req.Network, "/")
	switch {
	case req.Network == "none":
		return cloud.Instance{}, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrUnsupported, Err: fmt.Errorf("CVM has no instance without a network")}
	case req.Network != "" && !ok:
		return cloud.Instance{}, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrUnsupported, Err: fmt.Errorf("CVM wants the network with its subnet, as vpc-1a2b3c4d/subnet-1a2b3c4d, not %q", req.Network)}
	case ok:
		in.VirtualPrivateCloud = &cvm.VirtualPrivateCloud{VpcId: &vpc, SubnetId: &subnet}
	}
	if !formed("img", req.Image) {
		return cloud.Instance{}, missing(op, ref, notFound[cloud.KindImage])
	}
	in.Placement, in.InstanceChargeType, in.InstanceCount = &cvm.Placement{Zone: optional(req.Zone)}, common.StringPtr(byTheHour), common.Int64Ptr(1)
	in.ImageId, in.InstanceType, in.InstanceName = &req.Image, optional(req.Type), optional(within(braceless.Replace(req.Name), instanceLimit))
	in.TagSpecification, in.ClientToken = forCVM("instance", req.Tags), optional(req.Token)
	in.LoginSettings = &cvm.LoginSettings{KeepImageLogin: common.StringPtr("TRUE")}
	if req.KeyName != "" {
		in.LoginSettings = &cvm.LoginSettings{KeyIds: []*string{&req.KeyName}}
	}
	var made cloud.Instance
	var gone bool
	err := p.call(ctx, op, ref, req.Region, func(ctx context.Context, c clients) error {
		list, _, err := images(ctx, c, window{ids: []string{req.Image}, limit: 1})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(m *cvm.Image) bool { return m != nil && text(m.ImageId) == req.Image })
		if gone = i < 0; gone {
			return nil
		}
		in.SystemDisk, in.DataDisks = drives(list[i], req.Throwaway)
		if text(list[i].ImageType) == "PUBLIC_IMAGE" && req.KeyName == "" {
			in.LoginSettings = nil // there is no login to keep: CVM makes a password and sends it as a message
		}
		out, err := c.cvm.RunInstancesWithContext(ctx, in)
		if err != nil {
			return err
		}
		ids := value(out.Response).InstanceIdSet
		if len(ids) != 1 || text(ids[0]) == "" {
			return unclear("instance")
		}
		made = cloud.Instance{
			Ref: p.ref(req.Region, cloud.KindInstance, text(ids[0])), Name: text(in.InstanceName), Zone: req.Zone, Type: req.Type, Power: cloud.PowerStarting,
			Image: req.Image, Network: req.Network, Tags: req.Tags,
		}
		return nil
	})
	if err == nil && gone {
		err = missing(op, ref, notFound[cloud.KindImage])
	}
	return made, err
}

// drives are the disks of an instance that is made of an image, as large as they were. Those of data stay when it ends,
// unless it is thrown away.
func drives(m *cvm.Image, throwaway bool) (*cvm.SystemDisk, []*cvm.DataDisk) {
	var system *cvm.SystemDisk
	var data []*cvm.DataDisk
	for _, s := range m.SnapshotSet {
		switch {
		case s == nil || text(s.SnapshotId) == "":
		case text(s.DiskUsage) == systemDisk:
			system = &cvm.SystemDisk{DiskSize: s.DiskSize} // of a type that the cloud has in stock
		default:
			data = append(data, &cvm.DataDisk{SnapshotId: s.SnapshotId, DiskSize: s.DiskSize, DiskType: common.StringPtr(usualDisk), DeleteWithInstance: &throwaway})
		}
	}
	return system, data
}
