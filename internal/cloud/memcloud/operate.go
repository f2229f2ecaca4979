package memcloud

import (
	"context"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// operator starts, stops and deletes instances.
type operator struct{ c *Cloud }

// StartInstance starts one that is stopped.
func (o operator) StartInstance(ctx context.Context, ref cloud.Ref) error {
	return o.turn(ctx, "instance.start", ref, cloud.PowerRunning, cloud.PowerStarting, cloud.PowerStopped)
}

// StopInstance stops one that runs.
func (o operator) StopInstance(ctx context.Context, ref cloud.Ref) error {
	return o.turn(ctx, "instance.stop", ref, cloud.PowerStopped, cloud.PowerStopping, cloud.PowerRunning)
}

// turn gives an instance another power, which takes a while; from is the only one that it is turned from.
func (o operator) turn(ctx context.Context, op string, ref cloud.Ref, to, way, from cloud.Power) error {
	c := o.c
	_, err := call(ctx, c, op, ref, func(now time.Time) (struct{}, error) {
		_, t, err := c.anInstance(ref, now)
		if err != nil {
			return struct{}{}, err
		}
		switch v, _ := c.seeInstance(t, now); {
		case t.deleted():
			return struct{}{}, refuse(cloud.ErrConflict, "IncorrectInstanceState", "instance %s is being deleted", t.id)
		case v.Power == to, v.Power == way:
		case v.Power == from:
			t.val.Power, t.readyAt = to, now.Add(c.o.Delays.Power)
		default:
			return struct{}{}, refuse(cloud.ErrConflict, "IncorrectInstanceState", "instance %s is %s", t.id, v.Power)
		}
		return struct{}{}, nil
	})
	return err
}

// DeleteInstance ends one, with the disks that go with it.
func (o operator) DeleteInstance(ctx context.Context, ref cloud.Ref) error {
	c := o.c
	_, err := call(ctx, c, "instance.delete", ref, func(now time.Time) (struct{}, error) {
		r, t, err := c.anInstance(ref, now)
		if err != nil || t.deleted() {
			return struct{}{}, err // what is on its way out is not asked twice
		}
		for _, a := range t.val.Disks {
			if d, ok := r.disks.find(a.Disk, now); ok && d.stays {
				r.detach(d)
			}
		}
		c.dropInstance(r, t, now)
		return struct{}{}, nil
	})
	return err
}

func (c *Cloud) anInstance(ref cloud.Ref, now time.Time) (*region, *thing[cloud.Instance], error) {
	r, err := c.place(ref, cloud.KindInstance)
	if err != nil {
		return nil, nil, err
	}
	t, ok := r.instances.find(ref.ID, now)
	if !ok {
		return nil, nil, notFound(ref.Kind, ref.ID)
	}
	return r, t, nil
}
