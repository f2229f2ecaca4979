package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Identity is the account's number.
func (p *Provider) Identity(ctx context.Context) (string, error) {
	out, err := sts.NewFromConfig(p.base, onceSTS).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err == nil && sdk.ToString(out.Account) == "" {
		err = fmt.Errorf("the answer names no account: %w", cloud.ErrTransient)
	}
	if err != nil {
		return "", p.problem(ctx, "account.identity", cloud.Ref{Account: p.account}, err)
	}
	return *out.Account, nil
}

// Share lets another account use the image or snapshot, or no longer. Who may copy an image must be able to read its
// snapshots: they are shared before it, and taken back after it.
func (p *Provider) Share(ctx context.Context, ref cloud.Ref, with string, on bool) error {
	op := ref.Kind.String() + ".share"
	if !on {
		op = ref.Kind.String() + ".unshare"
	}
	return p.problem(ctx, op, ref, p.share(ctx, ref, with, on))
}

func (p *Provider) share(ctx context.Context, ref cloud.Ref, with string, on bool) error {
	if ref.Kind == cloud.KindSnapshot {
		return p.shareSnapshot(ctx, ref.Region, ref.ID, with, on)
	}
	img, err := p.findImage(ctx, ref.Region, ref.ID)
	if err != nil {
		return err
	}
	if !on {
		if err := p.shareImage(ctx, ref, with, on); err != nil {
			return err
		}
	}
	for _, b := range img.BlockDeviceMappings {
		if b.Ebs == nil || sdk.ToString(b.Ebs.SnapshotId) == "" {
			continue
		}
		err := p.shareSnapshot(ctx, ref.Region, *b.Ebs.SnapshotId, with, on)
		if err != nil && (on || !gone(err)) {
			return err
		}
	}
	if on {
		return p.shareImage(ctx, ref, with, on)
	}
	return nil
}

// gone says whether EC2 does not know the snapshot any more: nobody can copy it then.
func gone(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "InvalidSnapshot.NotFound"
}

func (p *Provider) shareImage(ctx context.Context, ref cloud.Ref, with string, on bool) error {
	in := &ec2.ModifyImageAttributeInput{ImageId: &ref.ID, LaunchPermission: &types.LaunchPermissionModifications{}}
	list := &in.LaunchPermission.Remove
	if on {
		list = &in.LaunchPermission.Add
	}
	*list = []types.LaunchPermission{{UserId: &with}}
	_, err := p.client(ref.Region).ModifyImageAttribute(ctx, in)
	return err
}

func (p *Provider) shareSnapshot(ctx context.Context, region, id, with string, on bool) error {
	in := &ec2.ModifySnapshotAttributeInput{SnapshotId: &id, CreateVolumePermission: &types.CreateVolumePermissionModifications{}}
	list := &in.CreateVolumePermission.Remove
	if on {
		list = &in.CreateVolumePermission.Add
	}
	*list = []types.CreateVolumePermission{{UserId: &with}}
	_, err := p.client(region).ModifySnapshotAttribute(ctx, in)
	return err
}

// SharedWith lists account numbers, the ARNs of organizations and their units, and "all" for what is public.
func (p *Provider) SharedWith(ctx context.Context, ref cloud.Ref) ([]string, error) {
	var out []string
	add := func(ids ...*string) {
		for _, id := range ids {
			if id != nil {
				out = append(out, *id)
			}
		}
	}
	var err error
	if ref.Kind == cloud.KindImage {
		var got *ec2.DescribeImageAttributeOutput
		got, err = p.client(ref.Region).DescribeImageAttribute(ctx, &ec2.DescribeImageAttributeInput{
			ImageId: &ref.ID, Attribute: types.ImageAttributeNameLaunchPermission,
		})
		if err == nil {
			for _, l := range got.LaunchPermissions {
				add(l.UserId, l.OrganizationArn, l.OrganizationalUnitArn, optional(string(l.Group)))
			}
		}
	} else {
		var got *ec2.DescribeSnapshotAttributeOutput
		got, err = p.client(ref.Region).DescribeSnapshotAttribute(ctx, &ec2.DescribeSnapshotAttributeInput{
			SnapshotId: &ref.ID, Attribute: types.SnapshotAttributeNameCreateVolumePermission,
		})
		if err == nil {
			for _, l := range got.CreateVolumePermissions {
				add(l.UserId, optional(string(l.Group)))
			}
		}
	}
	if err != nil {
		return nil, p.problem(ctx, ref.Kind.String()+".shares", ref, err)
	}
	slices.Sort(out)
	return out, nil
}
