package aws

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/stint-cloud/stint/internal/cloud"
)

const (
	pageSize = 1000
	nameTag  = "Name"
	gib      = 1 << 30
)

// escaper makes a value stand for itself in a filter, where * and ? are wild.
var escaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`)

// filters asks for ids by filter and not by id parameter: there a single missing id fails the whole call, and pages are
// refused.
func filters(q cloud.Query, idFilter string) []types.Filter {
	var out []types.Filter
	if len(q.IDs) > 0 {
		ids := make([]string, len(q.IDs))
		for i, id := range q.IDs {
			ids[i] = escaper.Replace(id)
		}
		out = append(out, types.Filter{Name: &idFilter, Values: ids})
	}
	for _, t := range q.Tags {
		if t.Value == "" {
			out = append(out, types.Filter{Name: sdk.String("tag-key"), Values: []string{escaper.Replace(t.Key)}})
			continue
		}
		out = append(out, types.Filter{Name: sdk.String("tag:" + t.Key), Values: []string{escaper.Replace(t.Value)}})
	}
	return out
}

// listing is one page of anything: it checks the query, makes the call, and keeps what carries the tags asked for.
func listing[In any](ctx context.Context, p *Provider, kind cloud.Kind, q cloud.Query, call func() ([]In, *string, error), tags func(In) cloud.Tags) (cloud.Page[In], error) {
	ref := cloud.Ref{Account: p.account, Region: q.Region, Kind: kind}
	op := kind.String() + ".list"
	if err := ctx.Err(); err != nil {
		return cloud.Page[In]{}, fmt.Errorf("%s %s: %w", op, ref.Place(), err)
	}
	if q.IDs != nil && len(q.IDs) == 0 {
		return cloud.Page[In]{}, nil // none are asked for
	}
	if len(q.IDs) > cloud.MaxIDs {
		return cloud.Page[In]{}, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrUnsupported, Err: fmt.Errorf("%d ids in one query, %d at most", len(q.IDs), cloud.MaxIDs)}
	}
	items, next, err := call()
	if err != nil {
		return cloud.Page[In]{}, p.problem(ctx, op, ref, err)
	}
	if len(q.Tags) > 0 {
		items = slices.DeleteFunc(items, func(v In) bool { return !tags(v).Contains(q.Tags) })
	}
	return cloud.Page[In]{Items: items, Next: sdk.ToString(next)}, nil
}

func cursorOf(cursor string) *string {
	if cursor == "" {
		return nil
	}
	return &cursor
}

// Instances lists one page, stopped and ended instances included.
func (p *Provider) Instances(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Instance], error) {
	return listing(ctx, p, cloud.KindInstance, q, func() ([]cloud.Instance, *string, error) {
		out, err := p.client(q.Region).DescribeInstances(ctx, &ec2.DescribeInstancesInput{
			Filters: filters(q, "instance-id"), MaxResults: sdk.Int32(pageSize), NextToken: cursorOf(cursor),
		})
		if err != nil {
			return nil, nil, err
		}
		var items []cloud.Instance
		for i := range out.Reservations {
			for j := range out.Reservations[i].Instances {
				items = append(items, p.instance(q.Region, &out.Reservations[i].Instances[j]))
			}
		}
		return items, out.NextToken, nil
	}, func(v cloud.Instance) cloud.Tags { return v.Tags })
}

// Disks lists one page.
func (p *Provider) Disks(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Disk], error) {
	return listing(ctx, p, cloud.KindDisk, q, func() ([]cloud.Disk, *string, error) {
		out, err := p.client(q.Region).DescribeVolumes(ctx, &ec2.DescribeVolumesInput{
			Filters: filters(q, "volume-id"), MaxResults: sdk.Int32(pageSize), NextToken: cursorOf(cursor),
		})
		if err != nil {
			return nil, nil, err
		}
		items := make([]cloud.Disk, len(out.Volumes))
		for i := range out.Volumes {
			items[i] = p.disk(q.Region, &out.Volumes[i])
		}
		return items, out.NextToken, nil
	}, func(v cloud.Disk) cloud.Tags { return v.Tags })
}

// Snapshots lists one page of the account's own; without an owner EC2 lists those that the world shares.
func (p *Provider) Snapshots(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Snapshot], error) {
	return listing(ctx, p, cloud.KindSnapshot, q, func() ([]cloud.Snapshot, *string, error) {
		out, err := p.client(q.Region).DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{
			OwnerIds: []string{"self"}, Filters: filters(q, "snapshot-id"), MaxResults: sdk.Int32(pageSize), NextToken: cursorOf(cursor),
		})
		if err != nil {
			return nil, nil, err
		}
		items := make([]cloud.Snapshot, len(out.Snapshots))
		for i := range out.Snapshots {
			items[i] = p.snapshot(q.Region, &out.Snapshots[i])
		}
		return items, out.NextToken, nil
	}, func(v cloud.Snapshot) cloud.Tags { return v.Tags })
}

// Images lists one page of the account's own, deprecated and disabled ones included.
func (p *Provider) Images(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Image], error) {
	return listing(ctx, p, cloud.KindImage, q, func() ([]cloud.Image, *string, error) {
		out, err := p.client(q.Region).DescribeImages(ctx, &ec2.DescribeImagesInput{
			Owners: []string{"self"}, Filters: filters(q, "image-id"), MaxResults: sdk.Int32(pageSize), NextToken: cursorOf(cursor),
			IncludeDeprecated: sdk.Bool(true), IncludeDisabled: sdk.Bool(true),
		})
		if err != nil {
			return nil, nil, err
		}
		items := make([]cloud.Image, len(out.Images))
		for i := range out.Images {
			items[i] = p.image(q.Region, &out.Images[i])
		}
		return items, out.NextToken, nil
	}, func(v cloud.Image) cloud.Tags { return v.Tags })
}

func (p *Provider) ref(region string, kind cloud.Kind, id *string) cloud.Ref {
	return cloud.Ref{Account: p.account, Region: region, Kind: kind, ID: sdk.ToString(id)}
}

func tagsOf(in []types.Tag) cloud.Tags {
	if len(in) == 0 {
		return nil
	}
	out := make(cloud.Tags, len(in))
	for i, t := range in {
		out[i] = cloud.Tag{Key: sdk.ToString(t.Key), Value: sdk.ToString(t.Value)}
	}
	slices.SortFunc(out, func(a, b cloud.Tag) int { return strings.Compare(a.Key, b.Key) })
	return out
}

func utc(t *time.Time) time.Time { return sdk.ToTime(t).UTC() }

func (p *Provider) instance(region string, in *types.Instance) cloud.Instance {
	tags := tagsOf(in.Tags)
	root := sdk.ToString(in.RootDeviceName)
	out := cloud.Instance{
		Ref: p.ref(region, cloud.KindInstance, in.InstanceId), Name: tags.Value(nameTag), Type: string(in.InstanceType),
		Power: powerOf(in.State), Image: sdk.ToString(in.ImageId), LocalRoot: in.RootDeviceType == types.DeviceTypeInstanceStore,
		Network: sdk.ToString(in.SubnetId), Tags: tags, CreatedAt: utc(in.LaunchTime),
	}
	if in.Placement != nil {
		out.Zone = sdk.ToString(in.Placement.AvailabilityZone)
	}
	// LaunchTime is that of the last start; the first attachments tell when the instance was made.
	earlier := func(t *time.Time) {
		if t != nil && t.Before(out.CreatedAt) {
			out.CreatedAt = t.UTC()
		}
	}
	for _, n := range in.NetworkInterfaces {
		if n.Attachment != nil {
			earlier(n.Attachment.AttachTime)
		}
	}
	for _, m := range in.BlockDeviceMappings {
		if m.Ebs == nil {
			continue
		}
		earlier(m.Ebs.AttachTime)
		device := sdk.ToString(m.DeviceName)
		out.Disks = append(out.Disks, cloud.Attachment{Disk: sdk.ToString(m.Ebs.VolumeId), Device: device, Root: device == root && !out.LocalRoot})
	}
	slices.SortFunc(out.Disks, func(a, b cloud.Attachment) int {
		if a.Root != b.Root {
			if a.Root {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.Device, b.Device), strings.Compare(a.Disk, b.Disk))
	})
	return out
}

func powerOf(s *types.InstanceState) cloud.Power {
	if s == nil {
		return cloud.PowerUnknown
	}
	switch s.Name {
	case types.InstanceStateNamePending:
		return cloud.PowerStarting
	case types.InstanceStateNameRunning:
		return cloud.PowerRunning
	case types.InstanceStateNameStopping, types.InstanceStateNameShuttingDown:
		return cloud.PowerStopping
	case types.InstanceStateNameStopped:
		return cloud.PowerStopped
	case types.InstanceStateNameTerminated:
		return cloud.PowerGone
	}
	return cloud.PowerUnknown
}

func (p *Provider) disk(region string, v *types.Volume) cloud.Disk {
	tags := tagsOf(v.Tags)
	out := cloud.Disk{
		Ref: p.ref(region, cloud.KindDisk, v.VolumeId), Name: tags.Value(nameTag), Zone: sdk.ToString(v.AvailabilityZone),
		Type: string(v.VolumeType), Size: int64(sdk.ToInt32(v.Size)) * gib, Encrypted: sdk.ToBool(v.Encrypted), Tags: tags,
		CreatedAt: utc(v.CreateTime), State: cloud.StateUnknown,
	}
	for _, a := range v.Attachments {
		if a.State != types.VolumeAttachmentStateDetached && out.Instance == "" {
			out.Instance = sdk.ToString(a.InstanceId)
		}
	}
	switch v.State {
	case types.VolumeStateCreating, types.VolumeStateDeleting:
		out.State = cloud.StateWorking
	case types.VolumeStateAvailable, types.VolumeStateInUse:
		out.State = cloud.StateReady
	case types.VolumeStateError:
		out.State = cloud.StateFailed
	case types.VolumeStateDeleted:
		out.State = cloud.StateRetired
	}
	return out
}

func (p *Provider) snapshot(region string, s *types.Snapshot) cloud.Snapshot {
	tags := tagsOf(s.Tags)
	out := cloud.Snapshot{
		Ref: p.ref(region, cloud.KindSnapshot, s.SnapshotId), Name: tags.Value(nameTag), Disk: diskOf(s),
		Size: int64(sdk.ToInt32(s.VolumeSize)) * gib, State: snapshotState(s.State), Detail: string(s.State),
		Managed: managed(tags), Encrypted: sdk.ToBool(s.Encrypted), Tags: tags, CreatedAt: utc(s.StartTime),
		Progress: progress(s.Progress),
	}
	if why := sdk.ToString(s.StateMessage); why != "" {
		out.Detail += ": " + why
	}
	if s.StorageTier == types.StorageTierArchive && out.State == cloud.StateReady {
		// Nothing can be made from it before it is brought back, which takes up to three days.
		out.State, out.Detail = cloud.StateRetired, "archived"
	}
	return out
}

func snapshotState(s types.SnapshotState) cloud.State {
	switch s {
	case types.SnapshotStatePending:
		return cloud.StateWorking
	case types.SnapshotStateCompleted:
		return cloud.StateReady
	case types.SnapshotStateError:
		return cloud.StateFailed
	case types.SnapshotStateRecoverable, types.SnapshotStateRecovering:
		return cloud.StateRetired
	}
	return cloud.StateUnknown
}

func progress(s *string) int {
	n, err := strconv.Atoi(strings.TrimSuffix(sdk.ToString(s), "%"))
	if err != nil {
		return 0
	}
	return n
}

// managed says which other service a snapshot or an image belongs to, by the tags that only AWS itself can set.
func managed(tags cloud.Tags) string {
	switch {
	case tags.Has("aws:backup:source-resource"):
		return "aws-backup"
	case tags.Has("aws:dlm:lifecycle-policy-id"):
		return "dlm"
	}
	return ""
}

func (p *Provider) image(region string, m *types.Image) cloud.Image {
	tags := tagsOf(m.Tags)
	out := cloud.Image{
		Ref: p.ref(region, cloud.KindImage, m.ImageId), Name: sdk.ToString(m.Name), State: imageState(m.State),
		Detail: string(m.State), Managed: managed(tags), Tags: tags,
	}
	if m.StateReason != nil && sdk.ToString(m.StateReason.Message) != "" {
		out.Detail += ": " + sdk.ToString(m.StateReason.Message)
	}
	if t, err := time.Parse(time.RFC3339, sdk.ToString(m.CreationDate)); err == nil {
		out.CreatedAt = t.UTC()
	}
	if v := sdk.ToString(m.DeregistrationProtection); v != "" && v != "disabled" {
		out.Locked = true
	}
	root := sdk.ToString(m.RootDeviceName)
	for _, b := range m.BlockDeviceMappings {
		if b.Ebs == nil || sdk.ToString(b.Ebs.SnapshotId) == "" {
			continue
		}
		out.Size += int64(sdk.ToInt32(b.Ebs.VolumeSize)) * gib
		if sdk.ToString(b.DeviceName) == root {
			out.Snapshots = slices.Insert(out.Snapshots, 0, *b.Ebs.SnapshotId)
		} else {
			out.Snapshots = append(out.Snapshots, *b.Ebs.SnapshotId)
		}
	}
	return out
}

func imageState(s types.ImageState) cloud.State {
	switch s {
	case types.ImageStatePending, types.ImageStateTransient:
		return cloud.StateWorking
	case types.ImageStateAvailable:
		return cloud.StateReady
	case types.ImageStateFailed, types.ImageStateError, types.ImageStateInvalid:
		return cloud.StateFailed
	case types.ImageStateDeregistered, types.ImageStateDisabled:
		return cloud.StateRetired
	}
	return cloud.StateUnknown
}

// noVolume is what EC2 gives as the volume of a snapshot that was copied: "an arbitrary volume ID that you should not use".
const noVolume = "vol-ffffffff"

// diskOf is the volume that a snapshot was taken of; empty for a copy.
func diskOf(s *types.Snapshot) string {
	if id := sdk.ToString(s.VolumeId); id != noVolume {
		return id
	}
	return ""
}
