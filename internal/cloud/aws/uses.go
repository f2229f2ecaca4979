package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/stint-cloud/stint/internal/cloud"
)

// usesSeen are the kinds of user that Uses tells. A scaling group is seen through its launch template, and not through a
// launch configuration. Parameters and recipes EC2 would tell of as well, to who may read those services; Stint asks for
// no rights there. Accounts are told one image at a time, by SharedWith, and what they made of it by nobody.
func usesSeen() cloud.UseTraits {
	return cloud.UseTraits{
		Images:    []cloud.UserKind{cloud.UserInstance, cloud.UserTemplate},
		Snapshots: []cloud.UserKind{cloud.UserDisk, cloud.UserImage},
		Unseen:    []cloud.UserKind{cloud.UserGroup, cloud.UserService, cloud.UserAccount},
	}
}

const (
	referencesAtOnce = 10      // the most images that EC2 looks for at once
	everyVersion     = "10000" // of a launch template; a group may make instances of an old one

	runsOn  = "it runs on without the image"
	staysOn = "it stays as it is without the snapshot"
)

// Uses lists who uses the images or snapshots. What is not there is left out of the question, which would fail for it.
func (p *Provider) Uses(ctx context.Context, refs []cloud.Ref) ([]cloud.Use, error) {
	if len(refs) == 0 {
		return nil, ctx.Err()
	}
	place := cloud.Ref{Account: p.account, Region: refs[0].Region, Kind: refs[0].Kind}
	op := place.Kind.String() + ".uses"
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s %s: %w", op, place.Place(), err)
	}
	ids := make([]string, len(refs))
	for i, ref := range refs {
		ids[i] = ref.ID
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) > cloud.MaxIDs {
		return nil, &cloud.Error{Op: op, Ref: place, Class: cloud.ErrUnsupported, Err: fmt.Errorf("%d ids at once, %d at most", len(ids), cloud.MaxIDs)}
	}
	look := p.usesOfImages
	if place.Kind == cloud.KindSnapshot {
		look = p.usesOfSnapshots
	}
	uses, err := look(ctx, place.Region, ids)
	if err != nil {
		return nil, p.problem(ctx, op, place, err)
	}
	return uses, nil
}

func (p *Provider) usesOfImages(ctx context.Context, region string, ids []string) ([]cloud.Use, error) {
	there, err := p.imagesWith(ctx, region, "image-id", ids)
	if err != nil {
		return nil, err
	}
	var out []cloud.Use
	for some := range slices.Chunk(there, referencesAtOnce) {
		asked := make([]string, len(some))
		for i := range some {
			asked[i] = sdk.ToString(some[i].ImageId)
		}
		uses, err := p.references(ctx, region, asked)
		if err != nil {
			return nil, err
		}
		out = append(out, uses...)
	}
	return out, nil
}

// references asks what refers to the images. When one of them went a moment ago each is asked about alone.
func (p *Provider) references(ctx context.Context, region string, ids []string) ([]cloud.Use, error) {
	states := []string{"pending", "running", "shutting-down", "stopping", "stopped"} // whose end has come is listed for an hour more
	option := func(name types.ImageReferenceOptionName, values ...string) []types.ResourceTypeOption {
		return []types.ResourceTypeOption{{OptionName: name, OptionValues: values}}
	}
	in := &ec2.DescribeImageReferencesInput{ImageIds: ids, ResourceTypes: []types.ResourceTypeRequest{
		{ResourceType: types.ImageReferenceResourceTypeEc2Instance, ResourceTypeOptions: option(types.ImageReferenceOptionNameStateName, states...)},
		{ResourceType: types.ImageReferenceResourceTypeEc2LaunchTemplate, ResourceTypeOptions: option(types.ImageReferenceOptionNameVersionDepth, everyVersion)},
	}}
	var out []cloud.Use
	for {
		got, err := p.client(region).DescribeImageReferences(ctx, in)
		switch {
		case p.unknown(err) && len(ids) == 1:
			return nil, nil
		case p.unknown(err):
			out = nil
			for _, id := range ids {
				uses, err := p.references(ctx, region, []string{id})
				if err != nil {
					return nil, err
				}
				out = append(out, uses...)
			}
			return out, nil
		case err != nil:
			return nil, err
		}
		for _, r := range got.ImageReferences {
			use := cloud.Use{Of: p.ref(region, cloud.KindImage, r.ImageId), By: sdk.ToString(r.Arn), Kind: cloud.UserService, Blocks: true}
			switch r.ResourceType {
			case types.ImageReferenceResourceTypeEc2Instance:
				use.Kind, use.Blocks, use.Detail = cloud.UserInstance, false, runsOn
			case types.ImageReferenceResourceTypeEc2LaunchTemplate:
				use.Kind = cloud.UserTemplate
			default: // it was not asked about, and is told all the same
				use.Detail = string(r.ResourceType)
			}
			if use.Kind != cloud.UserService { // arn:aws:ec2:us-east-1:111122223333:instance/i-1
				use.By = use.By[strings.LastIndex(use.By, "/")+1:]
			}
			out = append(out, use)
		}
		if in.NextToken = got.NextToken; sdk.ToString(got.NextToken) == "" {
			return out, nil
		}
	}
}

// unknown says whether EC2 does not know one of the images.
func (p *Provider) unknown(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && p.codes[api.ErrorCode()].class == cloud.ErrNotFound
}

// usesOfSnapshots asks which images stand on them and which volumes were made from them.
func (p *Provider) usesOfSnapshots(ctx context.Context, region string, ids []string) ([]cloud.Use, error) {
	images, err := p.imagesWith(ctx, region, "block-device-mapping.snapshot-id", ids)
	if err != nil {
		return nil, err
	}
	var out []cloud.Use
	for i := range images {
		for _, b := range images[i].BlockDeviceMappings {
			if b.Ebs != nil && slices.Contains(ids, sdk.ToString(b.Ebs.SnapshotId)) {
				out = append(out, cloud.Use{
					Of: p.ref(region, cloud.KindSnapshot, b.Ebs.SnapshotId), Kind: cloud.UserImage, By: sdk.ToString(images[i].ImageId), Blocks: true,
				})
			}
		}
	}
	in := &ec2.DescribeVolumesInput{Filters: filters(cloud.Query{IDs: ids}, "snapshot-id"), MaxResults: sdk.Int32(pageSize)}
	for {
		got, err := p.client(region).DescribeVolumes(ctx, in)
		if err != nil {
			return nil, err
		}
		for i := range got.Volumes {
			v := &got.Volumes[i]
			out = append(out, cloud.Use{
				Of: p.ref(region, cloud.KindSnapshot, v.SnapshotId), Kind: cloud.UserDisk, By: sdk.ToString(v.VolumeId), Detail: staysOn,
			})
		}
		if in.NextToken = got.NextToken; sdk.ToString(got.NextToken) == "" {
			return out, nil
		}
	}
}

// imagesWith lists the account's own images for which a filter has one of the ids.
func (p *Provider) imagesWith(ctx context.Context, region, filter string, ids []string) ([]types.Image, error) {
	in := &ec2.DescribeImagesInput{
		Owners: []string{"self"}, Filters: filters(cloud.Query{IDs: ids}, filter), MaxResults: sdk.Int32(pageSize),
		IncludeDeprecated: sdk.Bool(true), IncludeDisabled: sdk.Bool(true),
	}
	var out []types.Image
	for {
		got, err := p.client(region).DescribeImages(ctx, in)
		if err != nil {
			return nil, err
		}
		out = append(out, got.Images...)
		if in.NextToken = got.NextToken; sdk.ToString(got.NextToken) == "" {
			return out, nil
		}
	}
}
