package alibaba

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/stint-cloud/stint/internal/cloud"
)

const (
	pageSize     = 100 // the most for instances, snapshots and images
	diskPageSize = 500 // the most for disks
)

// listed is what a query comes to: the frame of every listing.
func (p *Provider) listed(ctx context.Context, kind cloud.Kind, q cloud.Query) (question, bool, error) {
	ask := question{op: kind.String() + ".list", ref: cloud.Ref{Account: p.account, Region: q.Region, Kind: kind}, params: params{}}
	if err := ctx.Err(); err != nil {
		return ask, false, fmt.Errorf("%s %s: %w", ask.op, ask.ref.Place(), err)
	}
	if len(q.IDs) > cloud.MaxIDs {
		return ask, false, &cloud.Error{Op: ask.op, Ref: ask.ref, Class: cloud.ErrUnsupported, Err: fmt.Errorf("%d ids in one query, %d at most", len(q.IDs), cloud.MaxIDs)}
	}
	return ask, q.IDs == nil || len(q.IDs) > 0, nil
}

// jsonIDs is the form of ids in most listings: an array in one text.
func jsonIDs(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	b, err := json.Marshal(ids)
	if err != nil {
		panic(err) // texts can always be written
	}
	return string(b)
}

// narrow says whether the tags name so few things that ECS may filter: a filter by tags ends at a thousand things, without
// a word. All other tags are looked for here.
func narrow(tags cloud.Tags) bool { return tags.Has(cloud.TagAction) || tags.Has(cloud.TagBackup) }

func (q params) tags(tags cloud.Tags) params {
	for i, t := range tags {
		n := strconv.Itoa(i + 1)
		q["Tag."+n+".Key"] = t.Key
		q.set("Tag."+n+".Value", t.Value)
	}
	return q
}

// Disks lists one page.
func (p *Provider) Disks(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Disk], error) {
	ask, some, err := p.listed(ctx, cloud.KindDisk, q)
	if err != nil || !some {
		return cloud.Page[cloud.Disk]{}, err
	}
	ask.params.set("DiskIds", jsonIDs(q.IDs))
	if narrow(q.Tags) {
		ask.params.tags(q.Tags)
	}
	disks, next, err := p.diskPage(ctx, ask, cursor)
	if err != nil {
		return cloud.Page[cloud.Disk]{}, err
	}
	out := cloud.Page[cloud.Disk]{Next: next}
	for i := range disks {
		if d := p.disk(q.Region, &disks[i]); d.Tags.Contains(q.Tags) {
			out.Items = append(out.Items, d)
		}
	}
	return out, nil
}

// diskPage reads a page of disks.
func (p *Provider) diskPage(ctx context.Context, ask question, cursor string) ([]wireDisk, string, error) {
	var out struct {
		Disks     *struct{ Disk []wireDisk }
		NextToken string
	}
	ask.action = "DescribeDisks"
	ask.params.set("NextToken", cursor)["MaxResults"] = strconv.Itoa(diskPageSize)
	if err := p.ask(ctx, ask, &out); err != nil {
		return nil, "", err
	}
	if out.Disks == nil {
		return nil, "", p.unclear(ask, "disks")
	}
	return out.Disks.Disk, out.NextToken, nil
}

// everyStatus has to be asked for: without it ECS lists the images that are Available and no others.
const everyStatus = "Creating,Waiting,Available,UnAvailable,CreateFailed,Deprecated"

// imageCursor is where a listing of images stands. ECS counts pages, so that a page begins elsewhere once an image of an
// earlier page is gone.
type imageCursor struct {
	Page  int      `json:"page"`
	Total int      `json:"total"` // as it was at the page before
	Seen  []string `json:"seen"`  // the ids on the page before
}

// Images lists one page of the account's own, whatever their state.
func (p *Provider) Images(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Image], error) {
	ask, some, err := p.listed(ctx, cloud.KindImage, q)
	if err != nil || !some {
		return cloud.Page[cloud.Image]{}, err
	}
	at := imageCursor{Page: 1}
	if cursor != "" {
		if err := json.Unmarshal([]byte(cursor), &at); err != nil || at.Page < 1 {
			return cloud.Page[cloud.Image]{}, &cloud.Error{Op: ask.op, Ref: ask.ref, Err: fmt.Errorf("the cursor %q is not one of ours", plain(cursor))}
		}
	}
	ids := ""
	for i, id := range q.IDs {
		if i > 0 {
			ids += ","
		}
		ids += id
	}
	ask.params.set("ImageId", ids)
	if narrow(q.Tags) {
		ask.params.tags(q.Tags)
	}
	images, total, size, err := p.imagePage(ctx, ask, at.Page)
	if err != nil {
		return cloud.Page[cloud.Image]{}, err
	}
	next := imageCursor{Page: at.Page + 1, Total: total}
	for i := range images {
		next.Seen = append(next.Seen, images[i].ImageID)
	}
	more := at.Page*size < total
	if gone := at.Total - total; at.Page > 1 && gone > 0 {
		// Some were deleted meanwhile, and what came after them moved up: as many may have gone by between the pages.
		if gone > size {
			return cloud.Page[cloud.Image]{}, &cloud.Error{Op: ask.op, Ref: ask.ref, Class: cloud.ErrConflict, Err: fmt.Errorf("%d images went while they were listed", gone)}
		}
		before, _, _, err := p.imagePage(ctx, ask, at.Page-1)
		if err != nil {
			return cloud.Page[cloud.Image]{}, err
		}
		before = slices.DeleteFunc(before, func(m wireImage) bool { return slices.Contains(next.Seen, m.ImageID) })
		for i := range before {
			next.Seen = append(next.Seen, before[i].ImageID)
		}
		images = append(before, images...)
	}
	out := cloud.Page[cloud.Image]{}
	for i := range images {
		m := p.image(q.Region, &images[i])
		if alias := images[i].ImageOwnerAlias; alias != "" && alias != "self" || slices.Contains(at.Seen, m.Ref.ID) || !m.Tags.Contains(q.Tags) {
			continue
		}
		out.Items = append(out.Items, m)
	}
	if more {
		b, err := json.Marshal(next)
		if err != nil {
			return cloud.Page[cloud.Image]{}, err
		}
		out.Next = string(b)
	}
	return out, nil
}

// imagePage reads a page of images, and says how many there are in all and on a page.
func (p *Provider) imagePage(ctx context.Context, ask question, page int) (images []wireImage, total, size int, err error) {
	var out struct {
		Images     *struct{ Image []wireImage }
		TotalCount *int
		PageSize   int
	}
	ask.action = "DescribeImages"
	ask.params["ImageOwnerAlias"], ask.params["Status"] = "self", everyStatus
	ask.params["PageNumber"], ask.params["PageSize"] = strconv.Itoa(page), strconv.Itoa(pageSize)
	if err := p.ask(ctx, ask, &out); err != nil {
		return nil, 0, 0, err
	}
	if out.Images == nil || out.TotalCount == nil || out.PageSize < 1 {
		return nil, 0, 0, p.unclear(ask, "images")
	}
	return out.Images.Image, *out.TotalCount, out.PageSize, nil
}
