package memcloud

import (
	"context"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// diskMaker makes disks from snapshots.
type diskMaker struct{ c *Cloud }

// launcher makes instances from images.
type launcher struct{ c *Cloud }

// CreateDisk starts a disk from a snapshot that is ready.
func (m diskMaker) CreateDisk(ctx context.Context, req cloud.NewDisk) (cloud.Disk, error) {
	c := m.c
	ref := cloud.Ref{Account: c.o.Account, Region: req.Region, Kind: cloud.KindSnapshot, ID: req.Snapshot}
	return call(ctx, c, "disk.create", ref, func(now time.Time) (cloud.Disk, error) {
		r, err := c.region(req.Region)
		if err != nil {
			return cloud.Disk{}, err
		}
		exists := func(id string) bool { _, ok := r.disks.find(id, now); return ok }
		ids, err := once(r, "disk.create", c.launchToken(req.Token), req, exists, func() ([]string, error) {
			if err := c.checkTags(req.Tags); err != nil {
				return nil, err
			}
			s, err := r.readySnapshot(req.Snapshot, now)
			if err != nil {
				return nil, err
			}
			if err := room(r.disks.live, 1, c.o.Quotas.Disks, "disks"); err != nil {
				return nil, err
			}
			size := max(req.Size, s.val.Size)
			if req.Size != 0 && req.Size < s.val.Size {
				return nil, refuse(nil, "InvalidParameterValue", "a disk of %d bytes cannot hold snapshot %s of %d", req.Size, s.id, s.val.Size)
			}
			d := c.putDisk(r, now, s.id, c.o.Delays.Disk, cloud.Disk{
				Name: req.Name, Zone: c.zone(r, req.Zone), Type: req.Type, Size: size, Encrypted: s.val.Encrypted,
				User: c.o.User, Project: s.val.Project, Tags: req.Tags,
			})
			d.from = s.id
			return []string{d.id}, nil
		})
		if err != nil {
			return cloud.Disk{}, err
		}
		v, _ := seeDisk(r.disks.byID[ids[0]], now)
		return v, nil
	})
}

// RunInstance starts an instance from an image that is ready, with disks like those that the image was made of.
func (m launcher) RunInstance(ctx context.Context, req cloud.NewInstance) (cloud.Instance, error) {
	c := m.c
	ref := cloud.Ref{Account: c.o.Account, Region: req.Region, Kind: cloud.KindImage, ID: req.Image}
	return call(ctx, c, "instance.run", ref, func(now time.Time) (cloud.Instance, error) {
		r, err := c.region(req.Region)
		if err != nil {
			return cloud.Instance{}, err
		}
		exists := func(id string) bool { _, ok := r.instances.find(id, now); return ok }
		ids, err := once(r, "instance.run", c.launchToken(req.Token), req, exists, func() ([]string, error) { return c.launch(r, now, req) })
		if err != nil {
			return cloud.Instance{}, err
		}
		v, _ := c.seeInstance(r.instances.byID[ids[0]], now)
		return v, nil
	})
}

func (c *Cloud) launch(r *region, now time.Time, req cloud.NewInstance) ([]string, error) {
	if err := c.checkTags(req.Tags); err != nil {
		return nil, err
	}
	if req.Type == "" {
		return nil, refuse(nil, "MissingParameter", "an instance needs a type")
	}
	img, ok := r.images.find(req.Image, now)
	if !ok {
		return nil, notFound(cloud.KindImage, req.Image)
	}
	if s := img.state(now); s != cloud.StateReady {
		return nil, refuse(cloud.ErrConflict, "IncorrectImageState", "image %s is %s", img.id, s)
	}
	if err := room(r.instances.live, 1, c.o.Quotas.Instances, "instances"); err != nil {
		return nil, err
	}
	if err := room(r.disks.live, len(img.val.Snapshots), c.o.Quotas.Disks, "disks"); err != nil {
		return nil, err
	}
	spec := InstanceSpec{
		Region: r.id, Zone: req.Zone, Name: req.Name, Type: req.Type, Image: img.id, Network: req.Network,
		LocalRoot: len(img.val.Snapshots) == 0, Tags: req.Tags, DiskTags: req.Tags, User: c.o.User, Project: img.val.Project,
		throwaway: req.Throwaway,
	}
	if req.Network == "none" {
		spec.Network = ""
	}
	for _, id := range img.val.Snapshots {
		s, ok := r.snapshots.find(id, now)
		if !ok { // a person removed it from under the image
			return nil, refuse(cloud.ErrConflict, "IncorrectImageState", "image %s stands on snapshot %s, which is gone", img.id, id)
		}
		spec.DiskSizes, spec.from = append(spec.DiskSizes, s.val.Size), append(spec.from, s.id)
		spec.Encrypted = spec.Encrypted || s.val.Encrypted
	}
	return []string{c.putInstance(r, now, img.id, c.o.Delays.Instance, spec).id}, nil
}

func (c *Cloud) launchToken(token string) string {
	if c.o.NoLaunchTokens {
		return ""
	}
	return token
}

func (c *Cloud) zone(r *region, zone string) string {
	if zone == "" {
		return r.id + "a"
	}
	return zone
}

// readySnapshot finds one from which something can be made.
func (r *region) readySnapshot(id string, now time.Time) (*thing[cloud.Snapshot], error) {
	s, ok := r.snapshots.find(id, now)
	if !ok {
		return nil, notFound(cloud.KindSnapshot, id)
	}
	if state := s.state(now); state != cloud.StateReady {
		return nil, refuse(cloud.ErrConflict, "IncorrectSnapshotState", "snapshot %s is %s", id, state)
	}
	return s, nil
}

// putDisk lays a new disk on the shelf.
func (c *Cloud) putDisk(r *region, now time.Time, source string, takes time.Duration, v cloud.Disk) *thing[cloud.Disk] {
	id := c.newID("disk")
	v.Ref = c.ref(r, cloud.KindDisk, id)
	if v.CreatedAt.IsZero() {
		v.CreatedAt = stamp(now)
	}
	return r.disks.add(&thing[cloud.Disk]{id: id, life: c.birth(now, takes, source), val: v, stays: c.o.DisksStay})
}

// putInstance lays a new instance and its disks on the shelves.
func (c *Cloud) putInstance(r *region, now time.Time, source string, takes time.Duration, spec InstanceSpec) *thing[cloud.Instance] {
	id := c.newID("i")
	v := cloud.Instance{
		Ref: c.ref(r, cloud.KindInstance, id), Name: spec.Name, Zone: c.zone(r, spec.Zone), Type: spec.Type, Power: spec.Power,
		Image: spec.Image, LocalRoot: spec.LocalRoot, Network: spec.Network, User: spec.User, Project: spec.Project,
		Tags: spec.Tags, CreatedAt: stamp(spec.CreatedAt),
	}
	if v.Power == 0 {
		v.Power = cloud.PowerRunning
	}
	if spec.CreatedAt.IsZero() {
		v.CreatedAt = stamp(now)
	}
	for i, size := range spec.DiskSizes {
		d := c.putDisk(r, now, "", 0, cloud.Disk{
			Name: spec.Name, Zone: v.Zone, Type: "ssd", Size: size, Instance: id, Encrypted: spec.Encrypted,
			User: spec.User, Project: spec.Project, Tags: spec.DiskTags, CreatedAt: v.CreatedAt,
		})
		if i < len(spec.from) {
			d.from = spec.from[i]
		}
		root := i == 0 && !spec.LocalRoot
		d.stays = d.stays && !root && !spec.throwaway
		v.Disks = append(v.Disks, cloud.Attachment{Disk: d.id, Device: device(i, spec.LocalRoot), Root: root})
	}
	return r.instances.add(&thing[cloud.Instance]{id: id, life: c.birth(now, takes, source), val: v})
}

// device names the n-th disk of an instance; with a local root the first letter is taken.
func device(n int, localRoot bool) string {
	if localRoot {
		n++
	}
	if n < 26 {
		return "/dev/vd" + string(rune('a'+n))
	}
	return "/dev/vd" + string(rune('a'+n/26-1)) + string(rune('a'+n%26))
}

// attach puts the disk behind those that the instance has.
func attach(i *thing[cloud.Instance], d *thing[cloud.Disk]) {
	d.val.Instance = i.id
	i.val.Disks = append(slices.Clone(i.val.Disks), cloud.Attachment{Disk: d.id, Device: device(len(i.val.Disks), i.val.LocalRoot)})
}
