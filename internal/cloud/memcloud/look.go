package memcloud

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// look is the provider that only looks.
type look struct{ c *Cloud }

// Traits are the account's.
func (l look) Traits() cloud.Traits {
	t := l.c.traits
	t.ReservedTags, t.Uses = slices.Clone(t.ReservedTags), t.Uses.Clone()
	return t
}

// Regions lists the account's regions.
func (l look) Regions(ctx context.Context) ([]cloud.Region, error) {
	return call(ctx, l.c, "region.list", cloud.Ref{Account: l.c.o.Account}, func(time.Time) ([]cloud.Region, error) {
		out := make([]cloud.Region, len(l.c.regionIDs))
		for i, id := range l.c.regionIDs {
			out[i] = cloud.Region{ID: id, Name: id}
		}
		return out, nil
	})
}

// Instances lists one page.
func (l look) Instances(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Instance], error) {
	return list(ctx, l.c, cloud.KindInstance, q, cursor, func(r *region) *shelf[cloud.Instance] { return r.instances }, l.c.seeInstance)
}

// Disks lists one page.
func (l look) Disks(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Disk], error) {
	return list(ctx, l.c, cloud.KindDisk, q, cursor, func(r *region) *shelf[cloud.Disk] { return r.disks }, seeDisk)
}

// Snapshots lists one page.
func (l look) Snapshots(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Snapshot], error) {
	return list(ctx, l.c, cloud.KindSnapshot, q, cursor, func(r *region) *shelf[cloud.Snapshot] { return r.snapshots }, seeSnapshot)
}

// Images lists one page.
func (l look) Images(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Image], error) {
	return list(ctx, l.c, cloud.KindImage, q, cursor, func(r *region) *shelf[cloud.Image] { return r.images }, seeImage)
}

// cursorMark begins every cursor; after it comes the last id of the page before, so that nothing that comes or goes
// between two pages moves the rest.
const cursorMark = "after:"

// list gives one page in the order of the ids.
func list[T any](ctx context.Context, c *Cloud, kind cloud.Kind, q cloud.Query, cursor string, pick func(*region) *shelf[T], see func(*thing[T], time.Time) (T, cloud.Tags)) (cloud.Page[T], error) {
	ref := cloud.Ref{Account: c.o.Account, Region: q.Region, Kind: kind}
	return call(ctx, c, kind.String()+".list", ref, func(now time.Time) (page cloud.Page[T], err error) {
		r, err := c.region(q.Region)
		if err != nil {
			return page, err
		}
		last, ok := strings.CutPrefix(cursor, cursorMark)
		if cursor != "" && !ok {
			return page, refuse(nil, "InvalidCursor", "%q is no cursor of this cloud", cursor)
		}
		if len(q.IDs) > cloud.MaxIDs {
			return page, refuse(nil, "TooManyIDs", "%d ids are asked for, %d at most", len(q.IDs), cloud.MaxIDs)
		}
		if c.o.Behind != nil {
			now = now.Add(-c.o.Behind())
		}
		s := pick(r)
		s.sweep(now)
		shown := last
		yes := func(t *thing[T]) bool {
			if !t.listed(now) {
				return true
			}
			item, tags := see(t, now)
			if !tags.Contains(q.Tags) {
				return true
			}
			if len(page.Items) == c.o.PageSize {
				page.Next = cursorMark + shown
				return false
			}
			page.Items = append(page.Items, item)
			shown = t.id
			return true
		}
		if q.IDs == nil {
			s.after(last, yes)
			return page, nil
		}
		ids := slices.Clone(q.IDs)
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			if t, ok := s.byID[id]; ok && id > last && !yes(t) {
				break
			}
		}
		return page, nil
	})
}

func (c *Cloud) seeInstance(t *thing[cloud.Instance], now time.Time) (cloud.Instance, cloud.Tags) {
	v := t.val
	v.Tags = t.tagsAt(now, v.Tags)
	v.Disks = slices.Clone(v.Disks)
	switch {
	case t.deleted() && !now.Before(t.goneAt) && c.o.Terminated > 0:
		v.Power = cloud.PowerGone
	case t.deleted() && now.Before(t.goneAt):
		v.Power = cloud.PowerStopping
	case t.fate != FateStall && now.Before(t.readyAt) && v.Power == cloud.PowerStopped:
		v.Power = cloud.PowerStopping
	case t.fate == FateStall || now.Before(t.readyAt):
		v.Power = cloud.PowerStarting
	case t.fate == FateFail:
		v.Power = cloud.PowerFailed
	}
	return v, v.Tags
}

func seeDisk(t *thing[cloud.Disk], now time.Time) (cloud.Disk, cloud.Tags) {
	v := t.val
	v.Tags = t.tagsAt(now, v.Tags)
	v.State = t.state(now)
	return v, v.Tags
}

func seeSnapshot(t *thing[cloud.Snapshot], now time.Time) (cloud.Snapshot, cloud.Tags) {
	v := t.val
	v.Tags = t.tagsAt(now, v.Tags)
	v.State, v.Progress = t.state(now), t.progress(now)
	v.Detail = detail(v.State)
	return v, v.Tags
}

func seeImage(t *thing[cloud.Image], now time.Time) (cloud.Image, cloud.Tags) {
	v := t.val
	v.Tags = t.tagsAt(now, v.Tags)
	v.State = t.state(now)
	v.Detail = detail(v.State)
	v.Snapshots = slices.Clone(v.Snapshots)
	return v, v.Tags
}

// detail is the cloud's own word for the state.
func detail(s cloud.State) string {
	switch s {
	case cloud.StateWorking:
		return "pending"
	case cloud.StateFailed:
		return "error: the storage did not answer"
	}
	return "available"
}
