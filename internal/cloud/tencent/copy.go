package tencent

import (
	"context"
	"fmt"

	cbs "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cbs/v20170312"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	sdkerrors "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/errors"
	cvm "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cvm/v20170312"

	"github.com/stint-cloud/stint/internal/cloud"
)

// CopyImage starts a copy of an image, asked for where the image is. It carries no tags, as Traits say, and CVM takes no
// token for it: an unclear answer is settled by its name, which is unique in the region.
func (p *Provider) CopyImage(ctx context.Context, req cloud.NewCopy) (cloud.Image, error) {
	const op = "image.copy"
	from, here := req.From, req.From.Region == req.Region
	cannot := func(format string, args ...any) error {
		return &cloud.Error{Op: op, Ref: from, Class: cloud.ErrUnsupported, Err: fmt.Errorf(format, args...)}
	}
	switch shared := from.Account != p.account; {
	case shared && req.Key != "":
		return cloud.Image{}, cannot("an image that another account shares cannot be encrypted while it is copied")
	case !shared && here && req.Key == "":
		return cloud.Image{}, cannot("a copy of an image in its own region is made with a key only")
	case !shared && !here && req.Key != "":
		return cloud.Image{}, cannot("an image is encrypted in its own region alone, and cannot be copied to another then")
	case !formed("img", from.ID):
		return cloud.Image{}, missing(op, from, notFound[cloud.KindImage])
	}
	var made cloud.Image
	err := p.call(ctx, op, from, from.Region, func(ctx context.Context, c clients) error {
		in := cvm.NewSyncImagesRequest()
		in.ImageIds, in.DestinationRegions, in.ImageSetRequired = []*string{&from.ID}, []*string{&req.Region}, common.BoolPtr(true)
		in.ImageName = optional(req.Name) // uncut, since it is all that the copy is known by
		if req.Key != "" {
			in.Encrypt, in.KmsKeyId = common.BoolPtr(true), &req.Key
		}
		out, err := c.cvm.SyncImagesWithContext(ctx, in)
		if err != nil {
			return err
		}
		set := value(out.Response).ImageSet
		if len(set) != 1 || set[0] == nil || text(set[0].ImageId) == "" {
			return unclear("image")
		}
		made = cloud.Image{Ref: p.ref(req.Region, cloud.KindImage, text(set[0].ImageId)), Name: text(in.ImageName), State: cloud.StateWorking, Detail: "SYNCING"}
		return nil
	})
	return made, err
}

// CopySnapshot starts a copy of a snapshot, asked for where the snapshot is. For tags and tokens see CopyImage; its name is
// not unique, but holds what tells it.
func (p *Provider) CopySnapshot(ctx context.Context, req cloud.NewCopy) (cloud.Snapshot, error) {
	const op = "snapshot.copy"
	from := req.From
	cannot := func(why string) error {
		return &cloud.Error{Op: op, Ref: from, Class: cloud.ErrUnsupported, Err: fmt.Errorf("%s", why)}
	}
	switch {
	case from.Account != p.account:
		return cloud.Snapshot{}, cannot("a snapshot that another account shares cannot be copied")
	case req.Key != "":
		return cloud.Snapshot{}, cannot("a snapshot cannot be encrypted while it is copied")
	case from.Region == req.Region:
		return cloud.Snapshot{}, cannot("a snapshot cannot be copied to where it is")
	case !formed("snap", from.ID):
		return cloud.Snapshot{}, missing(op, from, notFound[cloud.KindSnapshot])
	}
	var made cloud.Snapshot
	err := p.call(ctx, op, from, from.Region, func(ctx context.Context, c clients) error {
		in := cbs.NewCopySnapshotCrossRegionsRequest()
		in.SnapshotId, in.DestinationRegions, in.SnapshotName = &from.ID, []*string{&req.Region}, optional(req.Name)
		out, err := c.cbs.CopySnapshotCrossRegionsWithContext(ctx, in)
		if err != nil {
			return err
		}
		set := value(out.Response).SnapshotCopyResultSet
		if len(set) != 1 || set[0] == nil {
			return unclear("snapshot")
		}
		if code := text(set[0].Code); code != "" && code != "Success" { // told beside what went well for other regions
			return sdkerrors.NewTencentCloudSDKError(code, text(set[0].Message), text(out.Response.RequestId))
		}
		if text(set[0].SnapshotId) == "" {
			return unclear("snapshot")
		}
		made = cloud.Snapshot{
			Ref: p.ref(req.Region, cloud.KindSnapshot, text(set[0].SnapshotId)), Name: text(in.SnapshotName), State: cloud.StateWorking, Detail: "COPYING_FROM_REMOTE",
		}
		return nil
	})
	return made, err
}
