package openstack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Identity is the project's id.
func (p *Provider) Identity(ctx context.Context) (string, error) {
	s, err := p.session(ctx, "account.identity", cloud.Ref{Account: p.account})
	if err != nil {
		return "", err
	}
	return s.project, nil
}

// Share makes another project a member of an image, or no longer. Members can use it by its id at once; it is listed for
// them when they accept it, which is for them to do. See cloud.Sharer.
func (p *Provider) Share(ctx context.Context, ref cloud.Ref, with string, on bool) error {
	op := ref.Kind.String() + ".share"
	if !on {
		op = ref.Kind.String() + ".unshare"
	}
	r, i, err := p.shareable(ctx, op, ref)
	if err != nil {
		return err
	}
	if !on {
		_, err := p.send(ctx, request{op: op, ref: ref, to: r.image, method: http.MethodDelete, path: []string{"images", ref.ID, "members", with}}, nil)
		if cloud.ClassOf(err) == cloud.ErrNotFound || i.Visibility != shared && cloud.ClassOf(err) == cloud.ErrDenied {
			return nil // it is no member, as is nobody of an image that is not shared
		}
		return err
	}
	if why := unshareable(i, with); why != "" {
		return &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrUnsupported, Err: errors.New(why)}
	}
	if s := stateOf(imageStates, i.Status); s != cloud.StateReady {
		return &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrConflict, Code: i.Status, Err: fmt.Errorf("the image is %s", i.Status)}
	}
	if i.Visibility != shared { // nova makes images private, which can have no members
		if err := p.patch(ctx, op, ref, r, []change{put("visibility", shared)}); err != nil {
			return err
		}
	}
	_, err = p.send(ctx, request{
		op: op, ref: ref, to: r.image, method: http.MethodPost, path: []string{"images", ref.ID, "members"}, body: map[string]string{"member": with},
	}, nil)
	if cloud.ClassOf(err) == cloud.ErrConflict {
		return nil // it is a member already
	}
	return err
}

const shared = "shared" // the visibility of an image that can have members

// unshareable says why an image cannot be shared with the project; empty when it can.
func unshareable(i image, with string) string {
	switch {
	case !possible.MatchString(with):
		return fmt.Sprintf("%q is no project's id", with)
	case len(devicesOf(i)) > 0:
		return "the image stands on volume snapshots, which cinder shares with nobody"
	case i.Visibility != shared && i.Visibility != "private":
		return "the image is " + i.Visibility + ": everybody may use it"
	}
	return ""
}

// SharedWith lists the projects that are members, whatever they said to it: they can use the image by its id in any case.
// See cloud.Sharer.
func (p *Provider) SharedWith(ctx context.Context, ref cloud.Ref) ([]string, error) {
	op := ref.Kind.String() + ".shares"
	r, i, err := p.shareable(ctx, op, ref)
	if err != nil || i.Visibility != shared {
		return nil, err
	}
	return p.members(ctx, op, ref, r)
}

// members lists the projects that an image is shared with.
func (p *Provider) members(ctx context.Context, op string, ref cloud.Ref, r *region) ([]string, error) {
	var answer struct {
		Members []struct {
			ID string `json:"member_id"`
		} `json:"members"`
	}
	if _, err := p.send(ctx, request{op: op, ref: ref, to: r.image, method: http.MethodGet, path: []string{"images", ref.ID, "members"}}, &answer); err != nil {
		return nil, err
	}
	var out []string
	for _, m := range answer.Members {
		out = append(out, m.ID)
	}
	slices.Sort(out)
	return out, nil
}

// shareable finds the image that is to be shared.
func (p *Provider) shareable(ctx context.Context, op string, ref cloud.Ref) (*region, image, error) {
	r, err := p.in(ctx, op, ref)
	switch {
	case err != nil:
		return nil, image{}, err
	case ref.Kind != cloud.KindImage:
		return nil, image{}, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrUnsupported, Err: errors.New("cinder shares snapshots with nobody")}
	case !possible.MatchString(ref.ID):
		return nil, image{}, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrNotFound, Err: errors.New("nothing has such an id")}
	}
	i, err := p.image(ctx, op, r, ref.ID)
	return r, i, about(err, op, ref)
}
