package memcloud

import (
	"context"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// snap takes and deletes snapshots.
type snap struct{ c *Cloud }

// set takes the snapshots of an instance together.
type set struct{ c *Cloud }

// CreateSnapshot starts one.
func (s snap) CreateSnapshot(ctx context.Context, req cloud.NewSnapshot) (cloud.Snapshot, error) {
	c := s.c
	ref := cloud.Ref{Account: c.o.Account, Region: req.Region, Kind: cloud.KindDisk, ID: req.Disk}
	return call(ctx, c, "snapshot.create", ref, func(now time.Time) (cloud.Snapshot, error) {
		r, err := c.region(req.Region)
		if err != nil {
			return cloud.Snapshot{}, err
		}
		return c.onceSnapshots(r, now, "snapshot.create", req.Token, req, func() ([]string, error) {
			return c.takeSnapshots(r, now, []string{req.Disk}, req.Name, req.Tags)
		}).one()
	})
}

// CreateSnapshotSet starts those of all disks of an instance, root first: all of them or none.
func (s set) CreateSnapshotSet(ctx context.Context, req cloud.NewSnapshotSet) ([]cloud.Snapshot, error) {
	c := s.c
	ref := cloud.Ref{Account: c.o.Account, Region: req.Region, Kind: cloud.KindInstance, ID: req.Instance}
	return call(ctx, c, "snapshotset.create", ref, func(now time.Time) ([]cloud.Snapshot, error) {
		r, err := c.region(req.Region)
		if err != nil {
			return nil, err
		}
		made := c.onceSnapshots(r, now, "snapshotset.create", req.Token, req, func() ([]string, error) {
			i, ok := r.instances.find(req.Instance, now)
			if !ok {
				return nil, notFound(cloud.KindInstance, req.Instance)
			}
			var disks []string
			for _, a := range i.val.Disks {
				disks = append(disks, a.Disk)
			}
			if len(disks) == 0 {
				return nil, refuse(cloud.ErrUnsupported, "NoDisks", "instance %s has no disk that a snapshot could be taken of", req.Instance)
			}
			return c.takeSnapshots(r, now, disks, req.Name, req.Tags)
		})
		return made.snapshots, made.err
	})
}

// DeleteSnapshot deletes one on which no image stands, or any where Traits.RefusesInUse is false.
func (s snap) DeleteSnapshot(ctx context.Context, ref cloud.Ref) error {
	_, err := call(ctx, s.c, "snapshot.delete", ref, func(now time.Time) (struct{}, error) {
		r, err := s.c.place(ref, cloud.KindSnapshot)
		if err != nil {
			return struct{}{}, err
		}
		t, ok := r.snapshots.find(ref.ID, now)
		switch {
		case !ok:
			return struct{}{}, notFound(cloud.KindSnapshot, ref.ID)
		case t.val.Locked:
			return struct{}{}, refuse(cloud.ErrDenied, "SnapshotLocked", "snapshot %s is locked", ref.ID)
		case t.val.Managed != "":
			return struct{}{}, refuse(cloud.ErrDenied, "OperationNotPermitted", "snapshot %s belongs to %s", ref.ID, t.val.Managed)
		case r.standing[ref.ID] > 0 && s.c.traits.RefusesInUse:
			return struct{}{}, refuse(cloud.ErrInUse, "InvalidSnapshot.InUse", "snapshot %s carries image %s", ref.ID, r.imageOn(ref.ID))
		}
		if err := firm(s.c, t, ref, now); err != nil {
			return struct{}{}, err
		}
		s.c.dropSnapshot(r, t, now)
		return struct{}{}, nil
	})
	return err
}

// imageOn names an image that stands on the snapshot.
func (r *region) imageOn(snapshot string) string {
	for _, t := range r.images.order {
		if t.removed || t.deleted() {
			continue
		}
		for _, id := range t.val.Snapshots {
			if id == snapshot {
				return t.id
			}
		}
	}
	return "(deleted)"
}

// end is when what is deleted now is gone, and when listings cease to show it.
func (c *Cloud) end(now time.Time) (goneAt, hiddenAt time.Time) {
	goneAt = now.Add(c.o.Delays.Delete)
	return goneAt, goneAt.Add(c.o.Lag)
}

func (c *Cloud) dropSnapshot(r *region, t *thing[cloud.Snapshot], now time.Time) {
	if t.deleted() {
		return // under way already
	}
	goneAt, hiddenAt := c.end(now)
	r.snapshots.end(t, goneAt, hiddenAt)
	c.among.lost(t.val.Ref, now)
	if r.ofDisk[t.val.Disk]--; r.ofDisk[t.val.Disk] == 0 {
		delete(r.ofDisk, t.val.Disk)
	}
}

// takeSnapshots starts one of each disk: all or none.
func (c *Cloud) takeSnapshots(r *region, now time.Time, disks []string, name string, tags cloud.Tags) ([]string, error) {
	if err := c.checkTags(tags); err != nil {
		return nil, err
	}
	if err := room(r.snapshots.live, len(disks), c.o.Quotas.Snapshots, "snapshots"); err != nil {
		return nil, err
	}
	from := make([]*thing[cloud.Disk], len(disks))
	for i, id := range disks {
		d, ok := r.disks.find(id, now)
		if !ok {
			return nil, notFound(cloud.KindDisk, id)
		}
		if s := d.state(now); s != cloud.StateReady {
			return nil, refuse(cloud.ErrConflict, "IncorrectDiskStatus", "disk %s is %s", id, s)
		}
		if err := room(r.ofDisk[id], 1, c.o.Quotas.PerDisk, "snapshots of disk "+id); err != nil {
			return nil, err
		}
		from[i] = d
	}
	ids := make([]string, len(disks))
	for i, d := range from {
		ids[i] = c.newID("snap")
		r.snapshots.add(&thing[cloud.Snapshot]{id: ids[i], life: c.birth(now, c.o.Delays.Snapshot, d.id), val: cloud.Snapshot{
			Ref: c.ref(r, cloud.KindSnapshot, ids[i]), Name: name, Disk: d.id, Size: d.val.Size, Encrypted: d.val.Encrypted,
			User: c.o.User, Project: d.val.Project, Tags: tags, CreatedAt: stamp(now),
		}})
		r.ofDisk[d.id]++
	}
	return ids, nil
}

// stamp is a time at the resolution that clouds show.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// taken is what a create of snapshots answers.
type taken struct {
	snapshots []cloud.Snapshot
	err       error
}

func (t taken) one() (cloud.Snapshot, error) {
	if t.err != nil {
		return cloud.Snapshot{}, t.err
	}
	return t.snapshots[0], nil
}

// onceSnapshots makes them unless the token has made them already.
func (c *Cloud) onceSnapshots(r *region, now time.Time, op, token string, req any, take func() ([]string, error)) taken {
	if !c.traits.CreateTokens {
		token = ""
	}
	ids, err := once(r, op, token, req, func(id string) bool { _, ok := r.snapshots.find(id, now); return ok }, take)
	if err != nil {
		return taken{err: err}
	}
	out := make([]cloud.Snapshot, len(ids))
	for i, id := range ids {
		out[i], _ = seeSnapshot(r.snapshots.byID[id], now)
	}
	return taken{snapshots: out}
}

// once answers with what the token has made before, or makes it and remembers.
func once(r *region, op, token string, req any, exists func(string) bool, take func() ([]string, error)) ([]string, error) {
	ids, request, err := r.again(token, op, req, exists)
	if err != nil || ids != nil {
		return ids, err
	}
	if ids, err = take(); err != nil {
		return nil, err
	}
	r.remember(op, token, request, ids...)
	return ids, nil
}
