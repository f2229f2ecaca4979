package openstack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

// usesSeen are the kinds of user that Uses tells. A server that boots from volumes is none of its image: its volumes are, of
// the snapshots. What heat and other services would make of an image is theirs to know.
func usesSeen() cloud.UseTraits {
	return cloud.UseTraits{
		Images:    []cloud.UserKind{cloud.UserInstance, cloud.UserAccount},
		Snapshots: []cloud.UserKind{cloud.UserDisk, cloud.UserImage},
		Unseen:    []cloud.UserKind{cloud.UserGroup, cloud.UserService},
	}
}

const (
	rebuildLost = "it runs on without the image, and cannot be rebuilt from it"
	maybeClone  = "some storage keeps the snapshot until the disk is gone"
	mayUse      = "it may use the image"
	everybody   = "all"
)

// Uses lists who uses the images or snapshots. Neither nova nor cinder nor glance keeps account of that, so it is found by
// listing what could: all servers of the project, or all its images and volumes. See cloud.Referrer.
func (p *Provider) Uses(ctx context.Context, refs []cloud.Ref) ([]cloud.Use, error) {
	if len(refs) == 0 {
		return nil, ctx.Err()
	}
	place := cloud.Ref{Account: p.account, Region: refs[0].Region, Kind: refs[0].Kind}
	op := place.Kind.String() + ".uses"
	asked := map[string]bool{}
	for _, ref := range refs {
		if possible.MatchString(ref.ID) {
			asked[ref.ID] = true
		}
	}
	if len(asked) > cloud.MaxIDs {
		return nil, &cloud.Error{Op: op, Ref: place, Class: cloud.ErrUnsupported, Err: fmt.Errorf("%d ids at once, %d at most", len(asked), cloud.MaxIDs)}
	}
	r, err := p.in(ctx, op, place)
	if err != nil || len(asked) == 0 {
		return nil, err
	}
	looks := []lookForUsers{p.serversOf, p.sharersOf}
	if place.Kind == cloud.KindSnapshot {
		looks = []lookForUsers{p.volumesOf, p.imagesOn}
	}
	var out []cloud.Use
	for _, look := range looks {
		uses, err := look(ctx, op, place, r, asked)
		if err != nil {
			return nil, about(err, op, place)
		}
		out = append(out, uses...)
	}
	return out, nil
}

// lookForUsers looks for users of one kind of the things that are asked about.
type lookForUsers func(ctx context.Context, op string, ref cloud.Ref, r *region, asked map[string]bool) ([]cloud.Use, error)

// serversOf lists all servers: when nova filters by an image it leaves out those of a cell that is down.
func (p *Provider) serversOf(ctx context.Context, op string, ref cloud.Ref, r *region, asked map[string]bool) ([]cloud.Use, error) {
	var out []cloud.Use
	for c := (cursor{}); ; {
		var answer struct {
			Servers []server `json:"servers"`
			Links   []link   `json:"servers_links"`
		}
		if err := p.list(ctx, request{op: op, ref: ref, to: r.compute, path: []string{"servers", "detail"}}, c, &answer); err != nil {
			return nil, err
		}
		for _, s := range answer.Servers {
			if s.Status == "UNKNOWN" && s.Metadata == nil {
				text := "the cell of server " + s.ID + " is down, so that its image is unknown"
				return nil, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrTransient, Code: s.Status, Err: errors.New(text)}
			}
			if asked[s.Image.ID] && powerOf(s.Status, s.Task) != cloud.PowerGone {
				out = append(out, cloud.Use{Of: p.ref(r, cloud.KindImage, s.Image.ID), Kind: cloud.UserInstance, By: s.ID, Detail: rebuildLost})
			}
		}
		if !more(answer.Links) || len(answer.Servers) == 0 {
			return out, nil
		}
		c = c.after(idsOf(answer.Servers, func(s server) string { return s.ID }))
	}
}

// sharersOf looks at the images, and asks for the members of those that can have any.
func (p *Provider) sharersOf(ctx context.Context, op string, ref cloud.Ref, r *region, asked map[string]bool) ([]cloud.Use, error) {
	ids := make([]string, 0, len(asked))
	for id := range asked {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var out []cloud.Use
	err := p.eachImage(ctx, op, ref, r, url.Values{"id": {"in:" + strings.Join(ids, ",")}}, func(i image) error {
		of := p.ref(r, cloud.KindImage, i.ID)
		var with []string
		switch i.Visibility {
		case shared:
			var err error
			if with, err = p.members(ctx, op, of, r); err != nil && cloud.ClassOf(err) != cloud.ErrNotFound {
				return err // and one that went meanwhile has none
			}
		case "public", "community":
			with = []string{everybody}
		}
		for _, id := range with {
			if asked[i.ID] {
				out = append(out, cloud.Use{Of: of, Kind: cloud.UserAccount, By: id, Detail: mayUse})
			}
		}
		return nil
	})
	return out, err
}

// imagesOn lists all images, hidden ones too, for those that stand on one of the snapshots.
func (p *Provider) imagesOn(ctx context.Context, op string, ref cloud.Ref, r *region, asked map[string]bool) ([]cloud.Use, error) {
	var out []cloud.Use
	err := p.eachImage(ctx, op, ref, r, url.Values{}, func(i image) error {
		for _, d := range devicesOf(i) {
			if asked[d.Snapshot] {
				out = append(out, cloud.Use{Of: p.ref(r, cloud.KindSnapshot, d.Snapshot), Kind: cloud.UserImage, By: i.ID, Blocks: true})
			}
		}
		return nil
	})
	return out, err
}

// eachImage goes through the project's images, visible ones first.
func (p *Provider) eachImage(ctx context.Context, op string, ref cloud.Ref, r *region, query url.Values, f func(image) error) error {
	for at := ""; ; {
		c, _ := parseCursor(at)
		found, next, err := p.imagesPage(ctx, op, ref, r, query, c)
		if err != nil {
			return err
		}
		for _, i := range found {
			if i.Owner == r.project {
				if err := f(i); err != nil {
					return err
				}
			}
		}
		if at = next; at == "" {
			return nil
		}
	}
}

// volumesOf lists all volumes for those that were made from one of the snapshots.
func (p *Provider) volumesOf(ctx context.Context, op string, ref cloud.Ref, r *region, asked map[string]bool) ([]cloud.Use, error) {
	var out []cloud.Use
	for c := (cursor{}); ; {
		var answer volumesPage
		if err := p.list(ctx, request{op: op, ref: ref, to: r.volume, path: []string{"volumes", "detail"}}, c, &answer); err != nil {
			return nil, err
		}
		for _, v := range answer.Volumes {
			if asked[v.Snapshot] {
				out = append(out, cloud.Use{Of: p.ref(r, cloud.KindSnapshot, v.Snapshot), Kind: cloud.UserDisk, By: v.ID, Detail: maybeClone})
			}
		}
		if !more(answer.Links) || len(answer.Volumes) == 0 {
			return out, nil
		}
		c = c.after(idsOf(answer.Volumes, func(v volume) string { return v.ID }))
	}
}
