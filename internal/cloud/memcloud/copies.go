package memcloud

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// imageCopier copies images.
type imageCopier struct{ c *Cloud }

// snapshotCopier copies snapshots.
type snapshotCopier struct{ c *Cloud }

// CopyImage starts a copy, and those of the snapshots that it stands on.
func (m imageCopier) CopyImage(ctx context.Context, req cloud.NewCopy) (cloud.Image, error) {
	c := m.c
	return call(ctx, c, "image.copy", req.From, func(now time.Time) (cloud.Image, error) {
		r, err := c.region(req.Region)
		if err != nil {
			return cloud.Image{}, err
		}
		exists := func(id string) bool { _, ok := r.images.find(id, now); return ok }
		ids, err := once(r, "image.copy", c.copyToken(req), req, exists, func() ([]string, error) { return c.copyImage(r, now, req) })
		if err != nil {
			return cloud.Image{}, err
		}
		v, _ := seeImage(r.images.byID[ids[0]], now)
		return v, nil
	})
}

// CopySnapshot starts a copy.
func (m snapshotCopier) CopySnapshot(ctx context.Context, req cloud.NewCopy) (cloud.Snapshot, error) {
	c := m.c
	return call(ctx, c, "snapshot.copy", req.From, func(now time.Time) (cloud.Snapshot, error) {
		r, err := c.region(req.Region)
		if err != nil {
			return cloud.Snapshot{}, err
		}
		exists := func(id string) bool { _, ok := r.snapshots.find(id, now); return ok }
		ids, err := once(r, "snapshot.copy", c.copyToken(req), req, exists, func() ([]string, error) { return c.copySnapshot(r, now, req) })
		if err != nil {
			return cloud.Snapshot{}, err
		}
		v, _ := seeSnapshot(r.snapshots.byID[ids[0]], now)
		v.Disk = "" // in listings it is as arbitrary as real clouds have it
		return v, nil
	})
}

func (c *Cloud) copyToken(req cloud.NewCopy) string {
	if !c.traits.Copies(req.From.Kind).Tokens {
		return ""
	}
	return req.Token
}

func (c *Cloud) copyImage(r *region, now time.Time, req cloud.NewCopy) ([]string, error) {
	owner, home, err := c.owner(req.From, cloud.KindImage)
	if err != nil {
		return nil, err
	}
	src, ok := home.images.find(req.From.ID, now)
	if !ok || !src.visible(owner, c) {
		return nil, notFound(cloud.KindImage, req.From.ID)
	}
	if s := src.state(now); s != cloud.StateReady {
		return nil, refuse(cloud.ErrConflict, "IncorrectImageState", "image %s is %s", src.id, s)
	}
	if req.Name == "" {
		return nil, refuse(nil, "MissingParameter", "an image needs a name")
	}
	under := make([]*thing[cloud.Snapshot], len(src.val.Snapshots))
	for i, id := range src.val.Snapshots {
		if under[i], ok = home.snapshots.find(id, now); !ok { // a person removed it from under the image
			return nil, refuse(cloud.ErrConflict, "IncorrectImageState", "image %s stands on snapshot %s, which is gone", src.id, id)
		}
	}
	if err := c.mayCopy(r, now, owner, req); err != nil {
		return nil, err
	}
	if other, ok := r.named[req.Name]; ok && c.o.UniqueImageNames {
		return nil, refuse(cloud.ErrConflict, "InvalidImageName.Duplicate", "image %s has the name %q already", other, req.Name)
	}
	if err := room(r.images.live, 1, c.o.Quotas.Images, "images"); err != nil {
		return nil, err
	}
	if err := room(r.snapshots.live, len(under), c.o.Quotas.Snapshots, "snapshots"); err != nil {
		return nil, err
	}
	tags := c.copyTags(req)
	tagsUnder := tags
	if c.o.BareImageSnapshots {
		tagsUnder = nil
	}
	born := c.birth(now, c.o.Delays.Copy, src.id)
	v := cloud.Image{Name: req.Name, Size: src.val.Size, User: c.o.User, Tags: tags, CreatedAt: stamp(now)}
	for _, s := range under {
		l := born
		if l.fate == FateStall {
			l.fate = FateReady // what does not end is the image
		}
		v.Snapshots = append(v.Snapshots, c.putCopy(r, l, s, req, tagsUnder).id)
	}
	id := c.newID("img")
	v.Ref = c.ref(r, cloud.KindImage, id)
	t := r.images.add(&thing[cloud.Image]{id: id, life: born, val: v, copied: true})
	r.named[req.Name] = id
	for _, s := range v.Snapshots {
		r.standing[s]++
	}
	c.among.began(r, now, &t.life, append(refsOf(under), req.From)...)
	return []string{id}, nil
}

func (c *Cloud) copySnapshot(r *region, now time.Time, req cloud.NewCopy) ([]string, error) {
	owner, home, err := c.owner(req.From, cloud.KindSnapshot)
	if err != nil {
		return nil, err
	}
	src, ok := home.snapshots.find(req.From.ID, now)
	if !ok || !src.visible(owner, c) {
		return nil, notFound(cloud.KindSnapshot, req.From.ID)
	}
	if s := src.state(now); s != cloud.StateReady {
		return nil, refuse(cloud.ErrConflict, "IncorrectSnapshotState", "snapshot %s is %s", src.id, s)
	}
	if err := c.mayCopy(r, now, owner, req); err != nil {
		return nil, err
	}
	if err := room(r.snapshots.live, 1, c.o.Quotas.Snapshots, "snapshots"); err != nil {
		return nil, err
	}
	t := c.putCopy(r, c.birth(now, c.o.Delays.Copy, src.id), src, req, c.copyTags(req))
	c.among.began(r, now, &t.life, req.From)
	return []string{t.id}, nil
}

// owner finds whose the source is and in which region it lies. What this account may not see is not there.
func (c *Cloud) owner(from cloud.Ref, kind cloud.Kind) (*Cloud, *region, error) {
	if from.Kind != kind {
		return nil, nil, refuse(nil, "InvalidKind", "%s is no %s", from, kind)
	}
	owner, ok := c.among.byName[from.Account]
	if !ok {
		return nil, nil, notFound(kind, from.ID)
	}
	home, err := owner.region(from.Region)
	return owner, home, err
}

// visible says whether the account may copy the thing.
func (t *thing[T]) visible(owner, to *Cloud) bool {
	return owner == to || slices.Contains(t.shared, to.o.ID)
}

// mayCopy refuses what is the same for images and snapshots.
func (c *Cloud) mayCopy(r *region, now time.Time, owner *Cloud, req cloud.NewCopy) error {
	traits := c.traits.Copies(req.From.Kind)
	if owner != c && req.From.Region != r.id && !traits.SharedAcross {
		return refuse(cloud.ErrUnsupported, "UnsupportedOperation.SharedAcross", "%s is shared and can be copied only inside %s: copy it there first, and then copy the copy", req.From, req.From.Region)
	}
	if err := c.checkTags(req.Tags); err != nil {
		return err
	}
	if req.Key != "" && !slices.Contains(c.o.Keys[r.id], req.Key) {
		return refuse(cloud.ErrDenied, "InvalidKeyId", "region %s has no key %q that this account may use: name a key of that region", r.id, req.Key)
	}
	running := r.under(req.From.Kind, now)
	if traits.Max > 0 && len(running) >= traits.Max {
		return refuse(cloud.ErrBusy, "LimitExceeded.Copies", "%d copies into %s are under way, of %d at once", len(running), r.id, traits.Max)
	}
	return nil
}

func (c *Cloud) copyTags(req cloud.NewCopy) cloud.Tags {
	if !c.traits.Copies(req.From.Kind).Tags {
		return nil
	}
	return req.Tags
}

// putCopy lays the copy of a snapshot on the shelf. Its disk is one that never was.
func (c *Cloud) putCopy(r *region, l life, src *thing[cloud.Snapshot], req cloud.NewCopy, tags cloud.Tags) *thing[cloud.Snapshot] {
	id := c.newID("snap")
	v := cloud.Snapshot{
		Ref: c.ref(r, cloud.KindSnapshot, id), Name: req.Name, Disk: fmt.Sprintf("disk-%017x", hash(id)), Size: src.val.Size,
		Encrypted: src.val.Encrypted || req.Key != "", User: c.o.User, Tags: tags, CreatedAt: stamp(l.madeAt),
	}
	r.ofDisk[v.Disk]++
	return r.snapshots.add(&thing[cloud.Snapshot]{id: id, life: l, val: v, copied: true, key: req.Key})
}

func refsOf(snapshots []*thing[cloud.Snapshot]) []cloud.Ref {
	out := make([]cloud.Ref, len(snapshots))
	for i, s := range snapshots {
		out[i] = s.val.Ref
	}
	return out
}

// copying says whether the thing is a copy that is under way.
func (t *thing[T]) copying(now time.Time) bool { return t.copied && t.working(now) }

// working says whether it is still being made, and has a place among those that may be made at once.
func (l *life) working(now time.Time) bool {
	return !l.deleted() && (l.fate == FateStall || now.Before(l.readyAt))
}

// under lists the copies of the kind that are under way into the region.
func (r *region) under(kind cloud.Kind, now time.Time) []*life {
	r.copies[kind] = slices.DeleteFunc(r.copies[kind], func(l *life) bool { return !l.working(now) })
	return r.copies[kind]
}

// firm refuses to delete what others depend on, on a cloud that does.
func firm[T any](c *Cloud, t *thing[T], ref cloud.Ref, now time.Time) error {
	switch {
	case !c.o.Firm:
		return nil
	case len(t.shared) > 0:
		return refuse(cloud.ErrInUse, "ResourceInUse.Shared", "%s %s is shared with %v: end that first", ref.Kind, ref.ID, t.shared)
	case len(c.among.of(ref, now)) > 0:
		return refuse(cloud.ErrInUse, "ResourceInUse.Copying", "%s %s is being copied", ref.Kind, ref.ID)
	case t.copying(now):
		return refuse(cloud.ErrConflict, "OperationDenied.Copying", "%s %s is a copy that is under way", ref.Kind, ref.ID)
	}
	return nil
}
