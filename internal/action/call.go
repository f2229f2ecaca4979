package action

import (
	"context"
	"fmt"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
)

// call makes the action's one call.
func call(ctx context.Context, c *cloud.Client, a plan.Action) ([]item, error) {
	switch {
	case a.Verb == plan.TakeSnapshot && a.Snapshot != nil:
		s, err := c.CreateSnapshot(ctx, *a.Snapshot)
		return one(s.Ref, s, err)
	case a.Verb == plan.TakeSnapshotSet && a.Set != nil:
		list, err := c.CreateSnapshotSet(ctx, *a.Set)
		items := make([]item, len(list))
		for i, s := range list {
			items[i] = item{s.Ref, s}
		}
		return items, err
	case a.Verb == plan.TakeImage && a.Image != nil:
		i, err := c.CreateImage(ctx, *a.Image)
		return one(i.Ref, i, err)
	case a.Verb == plan.RunInstance && a.Instance != nil:
		i, err := c.RunInstance(ctx, *a.Instance)
		return one(i.Ref, i, err)
	case a.Verb == plan.MakeDisk && a.Disk != nil:
		d, err := c.CreateDisk(ctx, *a.Disk)
		return one(d.Ref, d, err)
	case a.Verb == plan.CopyImage && a.Copy != nil:
		i, err := c.CopyImage(ctx, *a.Copy)
		return one(i.Ref, i, err)
	case a.Verb == plan.CopySnapshot && a.Copy != nil:
		s, err := c.CopySnapshot(ctx, *a.Copy)
		return one(s.Ref, s, err)
	case a.Verb == plan.DeleteSnapshot:
		return nil, c.DeleteSnapshot(ctx, a.Target)
	case a.Verb == plan.DeleteImage:
		return nil, c.DeleteImage(ctx, a.Target)
	case a.Verb == plan.SetTags:
		return nil, c.SetTags(ctx, a.Target, a.Tags)
	case a.Verb == plan.RemoveTags:
		return nil, c.RemoveTags(ctx, a.Target, a.Keys)
	}
	return nil, fmt.Errorf("the action %s (%s) lacks what it needs", a.ID, a.Verb)
}

// item is one thing that was made: its ref and its noun.
type item struct {
	ref  cloud.Ref
	noun any
}

func one(ref cloud.Ref, noun any, err error) ([]item, error) {
	if err != nil {
		return nil, err
	}
	return []item{{ref, noun}}, nil
}
