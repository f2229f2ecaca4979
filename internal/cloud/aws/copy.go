package aws

import (
	"context"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/stint-cloud/stint/internal/cloud"
)

// CopyImage starts a copy; the same token gives the same copy. EC2 is asked in the region that is copied to.
func (p *Provider) CopyImage(ctx context.Context, req cloud.NewCopy) (cloud.Image, error) {
	const op = "image.copy"
	if err := checkKey(op, req); err != nil {
		return cloud.Image{}, err
	}
	in := &ec2.CopyImageInput{
		SourceRegion: &req.From.Region, SourceImageId: &req.From.ID, Name: &req.Name, Description: optional(req.Description),
		ClientToken: optional(req.Token), KmsKeyId: optional(req.Key),
		TagSpecifications: specs(req.Tags, types.ResourceTypeImage, types.ResourceTypeSnapshot),
	}
	if req.Key != "" {
		in.Encrypted = sdk.Bool(true)
	}
	out, err := p.client(req.Region).CopyImage(ctx, in)
	if err == nil && sdk.ToString(out.ImageId) == "" {
		err = unclear("image")
	}
	if err != nil {
		return cloud.Image{}, p.problem(ctx, op, req.From, err)
	}
	return cloud.Image{
		Ref: p.ref(req.Region, cloud.KindImage, out.ImageId), Name: req.Name, State: cloud.StateWorking,
		Detail: string(types.ImageStatePending), Tags: req.Tags,
	}, nil
}

// CopySnapshot starts a copy. EC2 takes no token for it: an unclear answer is settled by looking for the tags.
func (p *Provider) CopySnapshot(ctx context.Context, req cloud.NewCopy) (cloud.Snapshot, error) {
	const op = "snapshot.copy"
	if err := checkKey(op, req); err != nil {
		return cloud.Snapshot{}, err
	}
	in := &ec2.CopySnapshotInput{
		SourceRegion: &req.From.Region, SourceSnapshotId: &req.From.ID, Description: optional(req.Description), KmsKeyId: optional(req.Key),
		TagSpecifications: specs(p.nameAs(req.Name, req.Tags), types.ResourceTypeSnapshot),
	}
	if req.Key != "" {
		in.Encrypted = sdk.Bool(true)
	}
	out, err := p.client(req.Region).CopySnapshot(ctx, in)
	if err == nil && sdk.ToString(out.SnapshotId) == "" {
		err = unclear("snapshot")
	}
	if err != nil {
		return cloud.Snapshot{}, p.problem(ctx, op, req.From, err)
	}
	return p.snapshot(req.Region, &types.Snapshot{
		SnapshotId: out.SnapshotId, State: types.SnapshotStatePending, Encrypted: in.Encrypted, Tags: out.Tags,
	}), nil
}

// checkKey refuses a key whose ARN says that it is of another region. EC2 itself would say yes and let the copy fail.
func checkKey(op string, req cloud.NewCopy) error {
	parts := strings.Split(req.Key, ":")
	if len(parts) < 6 || parts[0] != "arn" || parts[3] == req.Region {
		return nil
	}
	return &cloud.Error{
		Op: op, Ref: req.From, Class: cloud.ErrDenied,
		Err: fmt.Errorf("the key %s is of region %q and the copy of %s; %s", req.Key, parts[3], req.Region, fixKeyRegion),
	}
}
