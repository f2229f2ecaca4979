package aws

import (
	"context"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/stint-cloud/stint/internal/cloud"
)

// specs puts tags on what a create makes, from the start. EC2 refuses a specification without tags.
func specs(tags cloud.Tags, kinds ...types.ResourceType) []types.TagSpecification {
	if len(tags) == 0 {
		return nil
	}
	list := sdkTags(tags)
	out := make([]types.TagSpecification, len(kinds))
	for i, k := range kinds {
		out[i] = types.TagSpecification{ResourceType: k, Tags: list}
	}
	return out
}

func sdkTags(tags cloud.Tags) []types.Tag {
	out := make([]types.Tag, len(tags))
	for i, t := range tags {
		out[i] = types.Tag{Key: sdk.String(t.Key), Value: sdk.String(t.Value)}
	}
	return out
}

// nameAs adds the tag that EC2 shows as the name, unless the tags have one (which may be what a policy selects by) or
// there is no room for it.
func (p *Provider) nameAs(name string, tags cloud.Tags) cloud.Tags {
	if name == "" || tags.Has(nameTag) || len(tags) >= p.Traits().MaxTags {
		return tags
	}
	return tags.With(nameTag, name)
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// unclear is an answer that says yes and names nothing: whether something was made is for a look to find out.
func unclear(what string) error {
	return fmt.Errorf("the answer names no %s: %w", what, cloud.ErrTransient)
}

// CreateSnapshot starts a snapshot. EC2 takes no token for it: an unclear answer is settled by looking for the tags.
func (p *Provider) CreateSnapshot(ctx context.Context, req cloud.NewSnapshot) (cloud.Snapshot, error) {
	ref := p.ref(req.Region, cloud.KindDisk, &req.Disk)
	out, err := p.client(req.Region).CreateSnapshot(ctx, &ec2.CreateSnapshotInput{
		VolumeId: &req.Disk, Description: optional(req.Description),
		TagSpecifications: specs(p.nameAs(req.Name, req.Tags), types.ResourceTypeSnapshot),
	})
	if err == nil && sdk.ToString(out.SnapshotId) == "" {
		err = unclear("snapshot")
	}
	if err != nil {
		return cloud.Snapshot{}, p.problem(ctx, "snapshot.create", ref, err)
	}
	return p.snapshot(req.Region, &types.Snapshot{
		SnapshotId: out.SnapshotId, VolumeId: out.VolumeId, VolumeSize: out.VolumeSize, State: out.State, StateMessage: out.StateMessage,
		Progress: out.Progress, Encrypted: out.Encrypted, StartTime: out.StartTime, Tags: out.Tags, StorageTier: out.StorageTier,
	}), nil
}

// CreateSnapshotSet starts snapshots of all disks that are attached, at one moment: they are consistent as after a crash.
func (p *Provider) CreateSnapshotSet(ctx context.Context, req cloud.NewSnapshotSet) ([]cloud.Snapshot, error) {
	ref := p.ref(req.Region, cloud.KindInstance, &req.Instance)
	out, err := p.client(req.Region).CreateSnapshots(ctx, &ec2.CreateSnapshotsInput{
		InstanceSpecification: &types.InstanceSpecification{InstanceId: &req.Instance}, Description: optional(req.Description),
		TagSpecifications: specs(p.nameAs(req.Name, req.Tags), types.ResourceTypeSnapshot),
	})
	if err == nil && len(out.Snapshots) == 0 {
		err = unclear("snapshots")
	}
	if err != nil {
		return nil, p.problem(ctx, "snapshotset.create", ref, err)
	}
	made := make([]cloud.Snapshot, len(out.Snapshots))
	for i, s := range out.Snapshots {
		made[i] = p.snapshot(req.Region, &types.Snapshot{
			SnapshotId: s.SnapshotId, VolumeId: s.VolumeId, VolumeSize: s.VolumeSize, State: s.State,
			Progress: s.Progress, Encrypted: s.Encrypted, StartTime: s.StartTime, Tags: s.Tags,
		})
	}
	return made, nil
}

// DeleteSnapshot deletes one; a snapshot that is still being made goes once it is complete.
func (p *Provider) DeleteSnapshot(ctx context.Context, ref cloud.Ref) error {
	_, err := p.client(ref.Region).DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: &ref.ID})
	return p.problem(ctx, "snapshot.delete", ref, err)
}

// CreateImage starts an image with all disks. EC2 would reboot the instance unless it is told not to.
func (p *Provider) CreateImage(ctx context.Context, req cloud.NewImage) (cloud.Image, error) {
	ref := p.ref(req.Region, cloud.KindInstance, &req.Instance)
	out, err := p.client(req.Region).CreateImage(ctx, &ec2.CreateImageInput{
		InstanceId: &req.Instance, Name: &req.Name, Description: optional(req.Description), NoReboot: sdk.Bool(!req.Reboot),
		TagSpecifications: specs(req.Tags, types.ResourceTypeImage, types.ResourceTypeSnapshot),
	})
	if err == nil && sdk.ToString(out.ImageId) == "" {
		err = unclear("image")
	}
	if err != nil {
		return cloud.Image{}, p.problem(ctx, "image.create", ref, err)
	}
	return cloud.Image{
		Ref: p.ref(req.Region, cloud.KindImage, out.ImageId), Name: req.Name, State: cloud.StateWorking,
		Detail: string(types.ImageStatePending), Tags: req.Tags,
	}, nil
}

// DeleteImage deregisters the image and nothing else.
func (p *Provider) DeleteImage(ctx context.Context, ref cloud.Ref) error {
	_, err := p.client(ref.Region).DeregisterImage(ctx, &ec2.DeregisterImageInput{ImageId: &ref.ID})
	return p.problem(ctx, "image.delete", ref, err)
}

// CreateDisk starts a disk from a snapshot; the same token gives the same disk.
func (p *Provider) CreateDisk(ctx context.Context, req cloud.NewDisk) (cloud.Disk, error) {
	ref := p.ref(req.Region, cloud.KindSnapshot, &req.Snapshot)
	in := &ec2.CreateVolumeInput{
		AvailabilityZone: optional(req.Zone), SnapshotId: &req.Snapshot, VolumeType: types.VolumeType(req.Type),
		ClientToken: optional(req.Token), TagSpecifications: specs(p.nameAs(req.Name, req.Tags), types.ResourceTypeVolume),
	}
	if req.Size > 0 {
		in.Size = sdk.Int32(int32((req.Size + gib - 1) / gib))
	}
	out, err := p.client(req.Region).CreateVolume(ctx, in)
	if err == nil && sdk.ToString(out.VolumeId) == "" {
		err = unclear("volume")
	}
	if err != nil {
		return cloud.Disk{}, p.problem(ctx, "disk.create", ref, err)
	}
	return p.disk(req.Region, &types.Volume{
		VolumeId: out.VolumeId, AvailabilityZone: out.AvailabilityZone, VolumeType: out.VolumeType, Size: out.Size, State: out.State,
		Encrypted: out.Encrypted, CreateTime: out.CreateTime, Tags: out.Tags, Attachments: out.Attachments,
	}), nil
}

// RunInstance starts one instance; the same token gives the same instance. Its disks carry its tags too.
func (p *Provider) RunInstance(ctx context.Context, req cloud.NewInstance) (cloud.Instance, error) {
	ref := p.ref(req.Region, cloud.KindImage, &req.Image)
	if req.Network == "none" {
		return cloud.Instance{}, &cloud.Error{Op: "instance.run", Ref: ref, Class: cloud.ErrUnsupported, Err: fmt.Errorf("EC2 has no instance without a network")}
	}
	in := &ec2.RunInstancesInput{
		ImageId: &req.Image, InstanceType: types.InstanceType(req.Type), MinCount: sdk.Int32(1), MaxCount: sdk.Int32(1),
		SubnetId: optional(req.Network), KeyName: optional(req.KeyName), ClientToken: optional(req.Token),
		TagSpecifications: specs(p.nameAs(req.Name, req.Tags), types.ResourceTypeInstance, types.ResourceTypeVolume),
	}
	if req.Zone != "" {
		in.Placement = &types.Placement{AvailabilityZone: &req.Zone}
	}
	if req.Throwaway {
		img, err := p.findImage(ctx, req.Region, req.Image)
		if err != nil {
			return cloud.Instance{}, p.problem(ctx, "instance.run", ref, err)
		}
		in.BlockDeviceMappings = goingWith(img)
	}
	out, err := p.client(req.Region).RunInstances(ctx, in)
	if err == nil && len(out.Instances) != 1 {
		err = unclear("instance")
	}
	if err != nil {
		return cloud.Instance{}, p.problem(ctx, "instance.run", ref, err)
	}
	return p.instance(req.Region, &out.Instances[0]), nil
}

// goingWith has every disk of the image end with its instance, whatever the image says of it.
func goingWith(img *types.Image) []types.BlockDeviceMapping {
	var out []types.BlockDeviceMapping
	for _, b := range img.BlockDeviceMappings {
		if b.Ebs != nil {
			out = append(out, types.BlockDeviceMapping{DeviceName: b.DeviceName, Ebs: &types.EbsBlockDevice{DeleteOnTermination: sdk.Bool(true)}})
		}
	}
	return out
}

// findImage looks at an image that the account may use. One that is not there is the same error as for any call.
func (p *Provider) findImage(ctx context.Context, region, id string) (*types.Image, error) {
	out, err := p.client(region).DescribeImages(ctx, &ec2.DescribeImagesInput{
		ImageIds: []string{id}, IncludeDeprecated: sdk.Bool(true), IncludeDisabled: sdk.Bool(true),
	})
	switch {
	case err != nil:
		return nil, err
	case len(out.Images) != 1 || out.Images[0].State == types.ImageStateDeregistered:
		return nil, &smithy.GenericAPIError{Code: "InvalidAMIID.NotFound", Message: "The image id '" + id + "' does not exist"}
	}
	return &out.Images[0], nil
}

// SetTags adds or overwrites.
func (p *Provider) SetTags(ctx context.Context, ref cloud.Ref, tags cloud.Tags) error {
	if len(tags) == 0 {
		return nil
	}
	_, err := p.client(ref.Region).CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{ref.ID}, Tags: sdkTags(tags)})
	return p.problem(ctx, "tag.set", ref, err)
}

// RemoveTags takes keys off. Without keys there is nothing to ask: EC2 would take every tag off.
func (p *Provider) RemoveTags(ctx context.Context, ref cloud.Ref, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	tags := make([]types.Tag, len(keys))
	for i := range keys {
		tags[i] = types.Tag{Key: &keys[i]}
	}
	_, err := p.client(ref.Region).DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{ref.ID}, Tags: tags})
	return p.problem(ctx, "tag.remove", ref, err)
}
