package tencent

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	cbs "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cbs/v20170312"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	cvm "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cvm/v20170312"

	"github.com/stint-cloud/stint/internal/cloud"
)

// window is one request of a listing: these ids, or what stands at these places.
type window struct {
	ids           []string
	offset, limit int
}

// kindOf says how things of one kind are listed.
type kindOf[T any] struct {
	kind   cloud.Kind
	prefix string // of an id
	ref    func(T) cloud.Ref
	tags   func(T) cloud.Tags
	ask    func(ctx context.Context, c clients, region string, w window) (answer[T], error)
}

// answer is what a window shows: the account's own things, how many there were with those of others, and on all pages.
type answer[T any] struct {
	items      []T
	raw, total int
}

// listing is one page of anything. Tags are compared here and not by the cloud: of snapshots it cannot, and for a key that
// nobody has used yet it answers with an error.
func listing[T any](ctx context.Context, p *Provider, k kindOf[T], q cloud.Query, cursor string) (cloud.Page[T], error) {
	ref := cloud.Ref{Account: p.account, Region: q.Region, Kind: k.kind}
	op := k.kind.String() + ".list"
	var page cloud.Page[T]
	if err := ctx.Err(); err != nil {
		return page, fmt.Errorf("%s %s: %w", op, ref.Place(), err)
	}
	if q.IDs != nil && len(q.IDs) == 0 {
		return page, nil // none are asked for
	}
	if len(q.IDs) > cloud.MaxIDs {
		return page, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrUnsupported, Err: fmt.Errorf("%d ids in one query, %d at most", len(q.IDs), cloud.MaxIDs)}
	}
	from, err := parseCursor(cursor)
	if err != nil {
		return page, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrUnsupported, Err: err}
	}
	// One id of another form would fail all of them; it names nothing anyhow.
	ids := slices.DeleteFunc(slices.Clone(q.IDs), func(id string) bool { return !formed(k.prefix, id) })
	if len(q.IDs) > 0 && len(ids) == 0 {
		return page, nil
	}
	err = p.call(ctx, op, ref, q.Region, func(ctx context.Context, c clients) error {
		if len(ids) > 0 {
			got, err := k.ask(ctx, c, q.Region, window{ids: ids, limit: longestPage})
			page.Items = slices.DeleteFunc(got.items, func(v T) bool { return !slices.Contains(ids, k.ref(v).ID) })
			return err
		}
		l := &look[T]{ask: func(w window) (answer[T], error) { return k.ask(ctx, c, q.Region, w) }, id: func(v T) string { return k.ref(v).ID }, size: p.page}
		items, next, err := l.after(from)
		page.Items, page.Next = items, next.String()
		return err
	})
	if err != nil {
		return cloud.Page[T]{}, err
	}
	if len(q.Tags) > 0 {
		page.Items = slices.DeleteFunc(page.Items, func(v T) bool { return !k.tags(v).Contains(q.Tags) })
	}
	return page, nil
}

func formed(prefix, id string) bool {
	rest, ok := strings.CutPrefix(id, prefix+"-")
	return ok && rest != "" && strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) < 0
}

// place is where a listing stands: how many things it has passed, and the last of them.
type place struct {
	offset int
	tail   []string
}

// String is the place as a cursor; at the end of a listing, and at its beginning, it is empty.
func (p place) String() string {
	if p.offset == 0 {
		return ""
	}
	return strconv.Itoa(p.offset) + ":" + strings.Join(p.tail, ",")
}

func parseCursor(s string) (place, error) {
	if s == "" {
		return place{}, nil
	}
	n, tail, ok := strings.Cut(s, ":")
	offset, err := strconv.Atoi(n)
	if !ok || err != nil || offset <= 0 || tail == "" {
		return place{}, fmt.Errorf("the cursor %.20q is not one of these listings", s)
	}
	return place{offset, strings.Split(tail, ",")}, nil
}

// look reads pages by their places. The things move up when one before them goes, and down when one comes before them, so
// each page is asked for a little earlier than the last one ended, and begins after what was seen: nothing is left out and
// nothing comes twice.
type look[T any] struct {
	ask  func(window) (answer[T], error)
	id   func(T) string
	size int
}

const mostLooks = 8 // for one page, when much has moved

func (l *look[T]) after(from place) (items []T, next place, err error) {
	if from.offset == 0 {
		got, err := l.ask(window{limit: l.size})
		if err != nil {
			return nil, place{}, err
		}
		if got.raw == 0 && got.total > 0 {
			return nil, place{}, fmt.Errorf("a page is empty, though there are %d things: %w", got.total, cloud.ErrTransient)
		}
		return got.items, l.place(0, got, nil), nil
	}
	overlap := max(l.size/10, 1)
	step := max(l.size-overlap, 1)
	at := max(from.offset-overlap, 0)
	down := false // looking further down, since everything up to the beginning was looked at
	for range mostLooks {
		got, err := l.ask(window{offset: at, limit: l.size})
		if err != nil {
			return nil, place{}, err
		}
		if got.total == 0 {
			return nil, place{}, nil
		}
		var fresh []T // after the first that was seen, also among those: things of one second may change places
		seen := false
		for _, v := range got.items {
			if slices.Contains(from.tail, l.id(v)) {
				seen = true
			} else if seen {
				fresh = append(fresh, v)
			}
		}
		end := at + got.raw
		switch {
		case seen && (len(fresh) > 0 || end >= got.total):
			return fresh, l.place(at, got, from.tail), nil
		case seen: // all of these were seen: what follows comes after them
			at = end - overlap
		case !down && at > 0:
			at = max(min(at-step, got.total-l.size), 0)
		case !down:
			down, at = true, from.offset+step-overlap
		default:
			at += step
		}
		if down && at >= got.total {
			break
		}
	}
	return nil, place{}, fmt.Errorf("too much came and went while the listing was read; it is to be read again: %w", cloud.ErrTransient)
}

// place is where a listing stands after the things that were got at a place.
func (l *look[T]) place(at int, got answer[T], tail []string) place {
	end := at + got.raw
	if end >= got.total {
		return place{}
	}
	tail = slices.Clone(tail)
	for _, v := range got.items {
		if id := l.id(v); !slices.Contains(tail, id) {
			tail = append(tail, id)
		}
	}
	return place{end, tail[max(len(tail)-l.size, 0):]}
}

// whole refuses an answer that does not say how many things there are.
func whole[N int64 | uint64](total *N) (int, error) {
	if total == nil {
		return 0, fmt.Errorf("the answer does not say how many there are: %w", cloud.ErrTransient)
	}
	return int(*total), nil
}

func u64(n int) *uint64 { return common.Uint64Ptr(uint64(max(n, 0))) }

// Instances lists one page, in every state that Tencent Cloud lists.
func (p *Provider) Instances(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Instance], error) {
	return listing(ctx, p, kindOf[cloud.Instance]{
		kind: cloud.KindInstance, prefix: "ins", ref: func(v cloud.Instance) cloud.Ref { return v.Ref }, tags: func(v cloud.Instance) cloud.Tags { return v.Tags },
		ask: func(ctx context.Context, c clients, region string, w window) (answer[cloud.Instance], error) {
			req := cvm.NewDescribeInstancesRequest()
			req.Limit = common.Int64Ptr(int64(w.limit))
			if req.InstanceIds = pointers(w.ids); len(w.ids) == 0 {
				req.Offset = common.Int64Ptr(int64(w.offset))
			}
			out, err := c.cvm.DescribeInstancesWithContext(ctx, req)
			if err != nil {
				return answer[cloud.Instance]{}, err
			}
			list := value(out.Response).InstanceSet
			total, err := whole(value(out.Response).TotalCount)
			return answer[cloud.Instance]{each(list, func(v *cvm.Instance) cloud.Instance { return p.instance(region, v) }), len(list), total}, err
		},
	}, q, cursor)
}

// Disks lists one page, oldest first.
func (p *Provider) Disks(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Disk], error) {
	return listing(ctx, p, kindOf[cloud.Disk]{
		kind: cloud.KindDisk, prefix: "disk", ref: func(v cloud.Disk) cloud.Ref { return v.Ref }, tags: func(v cloud.Disk) cloud.Tags { return v.Tags },
		ask: func(ctx context.Context, c clients, region string, w window) (answer[cloud.Disk], error) {
			list, total, err := disks(ctx, c, w)
			return answer[cloud.Disk]{each(list, func(v *cbs.Disk) cloud.Disk { return p.disk(region, v) }), len(list), total}, err
		},
	}, q, cursor)
}

func disks(ctx context.Context, c clients, w window) ([]*cbs.Disk, int, error) {
	req := cbs.NewDescribeDisksRequest()
	req.Limit = u64(w.limit)
	if req.DiskIds = pointers(w.ids); len(w.ids) == 0 {
		req.Offset, req.OrderField, req.Order = u64(w.offset), common.StringPtr("CREATE_TIME"), common.StringPtr("ASC")
	}
	out, err := c.cbs.DescribeDisksWithContext(ctx, req)
	if err != nil {
		return nil, 0, err
	}
	total, err := whole(value(out.Response).TotalCount)
	return value(out.Response).DiskSet, total, err
}

// Snapshots lists one page of the account's own, oldest first; without a filter CBS lists what others share as well.
func (p *Provider) Snapshots(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Snapshot], error) {
	return listing(ctx, p, kindOf[cloud.Snapshot]{
		kind: cloud.KindSnapshot, prefix: "snap", ref: func(v cloud.Snapshot) cloud.Ref { return v.Ref }, tags: func(v cloud.Snapshot) cloud.Tags { return v.Tags },
		ask: func(ctx context.Context, c clients, region string, w window) (answer[cloud.Snapshot], error) {
			req := cbs.NewDescribeSnapshotsRequest()
			req.Limit = u64(w.limit)
			if req.SnapshotIds = pointers(w.ids); len(w.ids) == 0 {
				req.Offset, req.OrderField, req.Order = u64(w.offset), common.StringPtr("CREATE_TIME"), common.StringPtr("ASC")
				req.Filters = []*cbs.Filter{{Name: common.StringPtr("snapshot-type"), Values: common.StringPtrs([]string{"PRIVATE_SNAPSHOT"})}}
			}
			out, err := c.cbs.DescribeSnapshotsWithContext(ctx, req)
			if err != nil {
				return answer[cloud.Snapshot]{}, err
			}
			list := value(out.Response).SnapshotSet
			total, err := whole(value(out.Response).TotalCount)
			own := slices.DeleteFunc(slices.Clone(list), func(v *cbs.Snapshot) bool { return v != nil && text(v.SnapshotType) == "SHARED_SNAPSHOT" })
			return answer[cloud.Snapshot]{each(own, func(v *cbs.Snapshot) cloud.Snapshot { return p.snapshot(region, v) }), len(list), total}, err
		},
	}, q, cursor)
}

// Images lists one page of the account's own; without a filter CVM lists the public ones as well.
func (p *Provider) Images(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Image], error) {
	return listing(ctx, p, kindOf[cloud.Image]{
		kind: cloud.KindImage, prefix: "img", ref: func(v cloud.Image) cloud.Ref { return v.Ref }, tags: func(v cloud.Image) cloud.Tags { return v.Tags },
		ask: func(ctx context.Context, c clients, region string, w window) (answer[cloud.Image], error) {
			list, total, err := images(ctx, c, w)
			own := slices.DeleteFunc(slices.Clone(list), func(v *cvm.Image) bool { return v != nil && text(v.ImageType) != "PRIVATE_IMAGE" })
			return answer[cloud.Image]{each(own, func(v *cvm.Image) cloud.Image { return p.image(region, v) }), len(list), total}, err
		},
	}, q, cursor)
}

func images(ctx context.Context, c clients, w window) ([]*cvm.Image, int, error) {
	req := cvm.NewDescribeImagesRequest()
	req.Limit = u64(w.limit)
	if req.ImageIds = pointers(w.ids); len(w.ids) == 0 {
		req.Offset = u64(w.offset)
		req.Filters = []*cvm.Filter{{Name: common.StringPtr("image-type"), Values: common.StringPtrs([]string{"PRIVATE_IMAGE"})}}
	}
	out, err := c.cvm.DescribeImagesWithContext(ctx, req)
	if err != nil {
		return nil, 0, err
	}
	total, err := whole(value(out.Response).TotalCount)
	return value(out.Response).ImageSet, total, err
}

// each makes ours of the SDK's.
func each[In, Out any](list []*In, f func(*In) Out) []Out {
	out := make([]Out, 0, len(list))
	for _, v := range list {
		if v != nil {
			out = append(out, f(v))
		}
	}
	return out
}
