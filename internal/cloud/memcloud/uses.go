package memcloud

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// referrer tells who uses images and snapshots, as far as the cloud that is imitated sees.
type referrer struct{ c *Cloud }

// Uses lists the users that Traits.Uses promises, and which listings show by now.
func (u referrer) Uses(ctx context.Context, refs []cloud.Ref) ([]cloud.Use, error) {
	c := u.c
	if len(refs) == 0 {
		return nil, ctx.Err()
	}
	about := cloud.Ref{Account: c.o.Account, Region: refs[0].Region, Kind: refs[0].Kind}
	return call(ctx, c, about.Kind.String()+".uses", about, func(now time.Time) ([]cloud.Use, error) {
		asked := map[string]bool{}
		var r *region
		for _, ref := range refs {
			var err error
			if r, err = c.place(ref, about.Kind); err != nil {
				return nil, err
			}
			if ref.Region != about.Region {
				return nil, refuse(nil, "InvalidRegion", "%s is not in %s", ref, about.Region)
			}
			asked[ref.ID] = true
		}
		if len(asked) > cloud.MaxIDs {
			return nil, refuse(nil, "TooManyIDs", "%d ids are asked for, %d at most", len(asked), cloud.MaxIDs)
		}
		if c.o.Behind != nil {
			now = now.Add(-c.o.Behind())
		}
		told := c.traits.Uses.Of(about.Kind)
		var out []cloud.Use
		for _, use := range r.uses(c, about.Kind, asked, now) {
			if slices.Contains(told, use.Kind) {
				out = append(out, use)
			}
		}
		return out, nil
	})
}

// uses lists every user there is of the things.
func (r *region) uses(c *Cloud, kind cloud.Kind, asked map[string]bool, now time.Time) []cloud.Use {
	var out []cloud.Use
	add := func(of string, by cloud.UserKind, id string, blocks bool) {
		if asked[of] {
			out = append(out, cloud.Use{Of: c.ref(r, kind, of), Kind: by, By: id, Blocks: blocks})
		}
	}
	if kind == cloud.KindImage {
		shown(r.instances, now, func(t *thing[cloud.Instance]) {
			if v, _ := c.seeInstance(t, now); v.Power != cloud.PowerGone {
				add(v.Image, cloud.UserInstance, t.id, false)
			}
		})
		for _, id := range slices.Sorted(maps.Keys(r.templates)) {
			add(r.templates[id], cloud.UserTemplate, id, true)
		}
		shared(c, r.images, now, asked, add)
		return out
	}
	shown(r.images, now, func(t *thing[cloud.Image]) {
		for _, under := range t.val.Snapshots {
			add(under, cloud.UserImage, t.id, true)
		}
	})
	shown(r.disks, now, func(t *thing[cloud.Disk]) { add(t.from, cloud.UserDisk, t.id, false) })
	shared(c, r.snapshots, now, asked, add)
	return out
}

// shown goes through what a listing shows.
func shown[T any](s *shelf[T], now time.Time, f func(*thing[T])) {
	s.after("", func(t *thing[T]) bool {
		if t.listed(now) {
			f(t)
		}
		return true
	})
}

// shared adds the accounts that the things are shared with; where that stops a deletion, they block.
func shared[T any](c *Cloud, s *shelf[T], now time.Time, asked map[string]bool, add func(string, cloud.UserKind, string, bool)) {
	for id := range asked {
		if t, ok := s.find(id, now); ok {
			for _, with := range t.shared {
				add(id, cloud.UserAccount, with, c.o.Firm)
			}
		}
	}
}

// AddTemplate makes a launch template that names the image, as a person does, and gives its id. The image need not be there.
func (c *Cloud) AddTemplate(region, image string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.newID("lt")
	c.mustRegion(region).templates[id] = image
	return id
}

// RemoveTemplate deletes a launch template, and says whether it was there.
func (c *Cloud) RemoveTemplate(region, id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.mustRegion(region)
	_, ok := r.templates[id]
	delete(r.templates, id)
	return ok
}
