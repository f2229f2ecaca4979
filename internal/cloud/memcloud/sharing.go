package memcloud

import (
	"context"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// sharer shares images and snapshots with the accounts that Options.Among joins.
type sharer struct{ c *Cloud }

// Identity is the account's id.
func (s sharer) Identity(ctx context.Context) (string, error) {
	return call(ctx, s.c, "account.identity", cloud.Ref{Account: s.c.o.Account}, func(time.Time) (string, error) { return s.c.o.ID, nil })
}

// Share lets another account copy the thing, or no longer.
func (s sharer) Share(ctx context.Context, ref cloud.Ref, with string, on bool) error {
	op := ref.Kind.String() + ".share"
	if !on {
		op = ref.Kind.String() + ".unshare"
	}
	_, err := call(ctx, s.c, op, ref, func(now time.Time) (struct{}, error) { return struct{}{}, s.c.share(ref, now, with, on) })
	return err
}

// SharedWith lists with whom it is shared.
func (s sharer) SharedWith(ctx context.Context, ref cloud.Ref) ([]string, error) {
	return call(ctx, s.c, ref.Kind.String()+".shares", ref, func(now time.Time) ([]string, error) {
		r, err := s.c.place(ref, cloud.KindImage, cloud.KindSnapshot)
		if err != nil {
			return nil, err
		}
		if ref.Kind == cloud.KindImage {
			return shares(r.images, ref, now)
		}
		return shares(r.snapshots, ref, now)
	})
}

func shares[T any](on *shelf[T], ref cloud.Ref, now time.Time) ([]string, error) {
	t, ok := on.find(ref.ID, now)
	if !ok {
		return nil, notFound(ref.Kind, ref.ID)
	}
	return slices.Clone(t.shared), nil
}

func (c *Cloud) share(ref cloud.Ref, now time.Time, with string, on bool) error {
	r, err := c.place(ref, cloud.KindImage, cloud.KindSnapshot)
	if err != nil {
		return err
	}
	var image *thing[cloud.Image]
	under := []string{ref.ID}
	if ref.Kind == cloud.KindImage {
		t, ok := r.images.find(ref.ID, now)
		if !ok {
			return notFound(ref.Kind, ref.ID)
		}
		if s := t.state(now); on && s != cloud.StateReady {
			return refuse(cloud.ErrConflict, "IncorrectImageState", "image %s is %s", t.id, s)
		}
		image, under = t, t.val.Snapshots
	} else if c.o.SharesImagesOnly {
		return refuse(cloud.ErrUnsupported, "UnsupportedOperation.ShareSnapshot", "this cloud shares images only")
	}
	var snapshots []*thing[cloud.Snapshot]
	for _, id := range under {
		s, ok := r.snapshots.find(id, now)
		switch {
		case !ok && image == nil:
			return notFound(ref.Kind, id)
		case !ok: // a person removed it from under the image
		case on && s.val.Encrypted && s.key == "":
			return refuse(cloud.ErrDenied, "DefaultKeyNotShared", "snapshot %s is encrypted with the cloud's default key, which no other account can use: copy it with a key of your own, and share that copy", id)
		default:
			snapshots = append(snapshots, s)
		}
	}
	if other := c.among.byID[with]; on && (other == nil || other == c) {
		return refuse(cloud.ErrUnsupported, "InvalidUserID", "no other account has the id %q", with)
	}
	if image != nil {
		image.share(with, on)
	}
	for _, s := range snapshots {
		if image == nil || !c.o.SharesImagesOnly {
			s.share(with, on)
		}
	}
	return nil
}

func (t *thing[T]) share(with string, on bool) {
	i, found := slices.BinarySearch(t.shared, with)
	switch {
	case on && !found:
		t.shared = slices.Insert(slices.Clone(t.shared), i, with)
	case !on && found:
		t.shared = slices.Delete(slices.Clone(t.shared), i, i+1)
	}
}
