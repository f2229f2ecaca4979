package tencent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	sdkerrors "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/errors"
	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"

	"github.com/stint-cloud/stint/internal/cloud"
)

const tagsAtOnce = 9 // of the tag service

// resource is a thing in the six segments that the tag service knows it by. The account may be left out: it is the key's.
func resource(ref cloud.Ref) string {
	word := map[cloud.Kind]string{cloud.KindInstance: "instance", cloud.KindDisk: "volume", cloud.KindSnapshot: "snapshot", cloud.KindImage: "image"}[ref.Kind]
	return fmt.Sprintf("qcs::cvm:%s:uin/:%s/%s", ref.Region, word, ref.ID)
}

// SetTags adds or overwrites, after a look at the thing: the tag service would tag what does not exist.
func (p *Provider) SetTags(ctx context.Context, ref cloud.Ref, tags cloud.Tags) error {
	const op = "tag.set"
	if len(tags) == 0 {
		return nil
	}
	if _, err := p.tagsOf(ctx, op, ref); err != nil {
		return err
	}
	for part := range slices.Chunk(tags, tagsAtOnce) {
		list := make([]any, len(part))
		for i, t := range part {
			list[i] = map[string]any{"TagKey": t.Key, "TagValue": t.Value}
		}
		if err := p.tag(ctx, op, ref, "TagResources", map[string]any{"Tags": list}); err != nil {
			return err
		}
	}
	return nil
}

// RemoveTags takes off those of the keys that are there; the tag service refuses one that is not.
func (p *Provider) RemoveTags(ctx context.Context, ref cloud.Ref, keys []string) error {
	const op = "tag.remove"
	if len(keys) == 0 {
		return nil
	}
	has, err := p.tagsOf(ctx, op, ref)
	if err != nil {
		return err
	}
	there := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return !has.Has(k) })
	slices.Sort(there)
	for part := range slices.Chunk(slices.Compact(there), tagsAtOnce) {
		err := p.tag(ctx, op, ref, "UnTagResources", map[string]any{"TagKeys": part})
		if ce, ok := errors.AsType[*cloud.Error](err); ok && ce.Code == "ResourceNotFound.AttachedTagKeyNotFound" {
			continue // gone meanwhile
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tag asks the tag service, which tells in an answer without an error what went wrong with the one resource.
func (p *Provider) tag(ctx context.Context, op string, ref cloud.Ref, action string, params map[string]any) error {
	return p.call(ctx, op, ref, ref.Region, func(ctx context.Context, c clients) error {
		req := tchttp.NewCommonRequest("tag", "2018-08-13", action)
		req.SetContext(ctx)
		params["ResourceList"] = []string{resource(ref)}
		if err := req.SetActionParameters(params); err != nil {
			return err
		}
		resp := tchttp.NewCommonResponse()
		if err := c.any.Send(req, resp); err != nil {
			return err
		}
		var out struct {
			Response struct {
				RequestId       string
				FailedResources []struct{ Code, Message string }
			}
		}
		if err := json.Unmarshal(resp.GetBody(), &out); err != nil {
			return fmt.Errorf("the answer of the tag service cannot be read (%w): %w", err, cloud.ErrTransient)
		}
		for _, f := range out.Response.FailedResources {
			return sdkerrors.NewTencentCloudSDKError(f.Code, f.Message, out.Response.RequestId)
		}
		return nil
	})
}

// tagsOf looks at a thing for the sake of another call, whose error it is when the look fails.
func (p *Provider) tagsOf(ctx context.Context, op string, ref cloud.Ref) (cloud.Tags, error) {
	q := cloud.Query{Region: ref.Region, IDs: []string{ref.ID}}
	var tags []cloud.Tags
	var err error
	switch ref.Kind {
	case cloud.KindInstance:
		tags, err = found(p.Instances(ctx, q, ""))(func(v cloud.Instance) cloud.Tags { return v.Tags })
	case cloud.KindDisk:
		tags, err = found(p.Disks(ctx, q, ""))(func(v cloud.Disk) cloud.Tags { return v.Tags })
	case cloud.KindSnapshot:
		tags, err = found(p.Snapshots(ctx, q, ""))(func(v cloud.Snapshot) cloud.Tags { return v.Tags })
	default:
		tags, err = found(p.Images(ctx, q, ""))(func(v cloud.Image) cloud.Tags { return v.Tags })
	}
	if ce, ok := errors.AsType[*cloud.Error](err); ok {
		own := *ce
		own.Op, own.Ref = op, ref
		return nil, &own
	}
	if err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		return nil, missing(op, ref, notFound[ref.Kind])
	}
	return tags[0], nil
}

func found[T any](page cloud.Page[T], err error) func(func(T) cloud.Tags) ([]cloud.Tags, error) {
	return func(of func(T) cloud.Tags) ([]cloud.Tags, error) {
		var out []cloud.Tags
		for _, v := range page.Items {
			out = append(out, of(v))
		}
		return out, err
	}
}
