package memcloud

import (
	"context"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// imager makes and deletes images.
type imager struct{ c *Cloud }

// CreateImage starts one, and the snapshots that it stands on.
func (m imager) CreateImage(ctx context.Context, req cloud.NewImage) (cloud.Image, error) {
	c := m.c
	ref := cloud.Ref{Account: c.o.Account, Region: req.Region, Kind: cloud.KindInstance, ID: req.Instance}
	return call(ctx, c, "image.create", ref, func(now time.Time) (cloud.Image, error) {
		r, err := c.region(req.Region)
		if err != nil {
			return cloud.Image{}, err
		}
		token := req.Token
		if !c.traits.CreateTokens {
			token = ""
		}
		exists := func(id string) bool { _, ok := r.images.find(id, now); return ok }
		ids, err := once(r, "image.create", token, req, exists, func() ([]string, error) { return c.takeImage(r, now, req) })
		if err != nil {
			return cloud.Image{}, err
		}
		v, _ := seeImage(r.images.byID[ids[0]], now)
		return v, nil
	})
}

func (c *Cloud) takeImage(r *region, now time.Time, req cloud.NewImage) ([]string, error) {
	if req.Name == "" {
		return nil, refuse(nil, "MissingParameter", "an image needs a name")
	}
	if err := c.checkTags(req.Tags); err != nil {
		return nil, err
	}
	i, ok := r.instances.find(req.Instance, now)
	if !ok {
		return nil, notFound(cloud.KindInstance, req.Instance)
	}
	if v, _ := c.seeInstance(i, now); v.Power != cloud.PowerRunning && v.Power != cloud.PowerStopped {
		return nil, refuse(cloud.ErrConflict, "IncorrectInstanceState", "instance %s is %s", i.id, v.Power)
	}
	if other, ok := r.named[req.Name]; ok && c.o.UniqueImageNames {
		return nil, refuse(cloud.ErrConflict, "InvalidImageName.Duplicate", "image %s has the name %q already", other, req.Name)
	}
	if err := room(r.images.live, 1, c.o.Quotas.Images, "images"); err != nil {
		return nil, err
	}
	var disks []string
	var size int64
	for _, a := range i.val.Disks {
		if a.Root || c.traits.ImageHasDisks {
			disks = append(disks, a.Disk)
			size += r.disks.byID[a.Disk].val.Size
		}
	}
	var under []string
	if len(disks) > 0 {
		tags := req.Tags
		if c.o.BareImageSnapshots {
			tags = nil
		}
		var err error
		if under, err = c.takeSnapshots(r, now, disks, req.Name, tags); err != nil {
			return nil, err
		}
	}
	id := c.newID("img")
	r.images.add(&thing[cloud.Image]{id: id, life: c.birth(now, c.o.Delays.Image, i.id), val: cloud.Image{
		Ref: c.ref(r, cloud.KindImage, id), Name: req.Name, Size: size, Snapshots: under,
		User: c.o.User, Project: i.val.Project, Tags: req.Tags, CreatedAt: stamp(now),
	}})
	r.named[req.Name] = id
	for _, s := range under {
		r.standing[s]++
	}
	if req.Reboot {
		i.readyAt = now.Add(c.o.Delays.Reboot)
	}
	return []string{id}, nil
}

// DeleteImage deletes the image alone.
func (m imager) DeleteImage(ctx context.Context, ref cloud.Ref) error {
	_, err := call(ctx, m.c, "image.delete", ref, func(now time.Time) (struct{}, error) {
		r, err := m.c.place(ref, cloud.KindImage)
		if err != nil {
			return struct{}{}, err
		}
		t, ok := r.images.find(ref.ID, now)
		switch {
		case !ok:
			return struct{}{}, notFound(cloud.KindImage, ref.ID)
		case t.val.Locked:
			return struct{}{}, refuse(cloud.ErrDenied, "ImageLocked", "image %s is protected", ref.ID)
		case t.val.Managed != "":
			return struct{}{}, refuse(cloud.ErrDenied, "OperationNotPermitted", "image %s belongs to %s", ref.ID, t.val.Managed)
		}
		if err := firm(m.c, t, ref, now); err != nil {
			return struct{}{}, err
		}
		m.c.dropImage(r, t, now)
		return struct{}{}, nil
	})
	return err
}

func (c *Cloud) dropImage(r *region, t *thing[cloud.Image], now time.Time) {
	if t.deleted() {
		return // under way already
	}
	goneAt, hiddenAt := c.end(now)
	r.images.end(t, goneAt, hiddenAt)
	c.among.lost(t.val.Ref, now)
	if r.named[t.val.Name] == t.id {
		delete(r.named, t.val.Name)
	}
	for _, s := range t.val.Snapshots {
		if r.standing[s]--; r.standing[s] <= 0 {
			delete(r.standing, s)
		}
	}
}
