package cloudtest_test

import (
	"context"
	"errors"

	"github.com/stint-cloud/stint/internal/cloud"
)

func (b *buggy) CopyImage(ctx context.Context, req cloud.NewCopy) (cloud.Image, error) {
	switch b.bug {
	case "copy-ignores-token":
		req.Token = ""
	case "copy-with-all-tags":
		for _, v := range b.c.Truth().Images {
			if v.Ref == req.From {
				req.Tags = v.Tags.Merge(req.Tags)
			}
		}
	}
	v, err := b.hands.CopyImage(ctx, req)
	switch {
	case b.bug == "copy-repeated" && cloud.ClassOf(err) == cloud.ErrTransient:
		req.Token, req.Name = "another", req.Name+"-2"
		if _, again := b.hands.CopyImage(ctx, req); again != nil {
			return v, again
		}
	case b.bug == "copy-busy-is-quota" && errors.Is(err, cloud.ErrBusy):
		e, _ := errors.AsType[*cloud.Error](err)
		e.Class = cloud.ErrQuota
	case b.bug == "copy-shares-snapshots" && err == nil:
		if len(v.Snapshots) > 0 {
			b.c.Remove(cloud.Ref{Account: v.Ref.Account, Region: v.Ref.Region, Kind: cloud.KindSnapshot, ID: v.Snapshots[0]})
		}
	}
	return v, err
}

func (b *buggy) CopySnapshot(ctx context.Context, req cloud.NewCopy) (cloud.Snapshot, error) {
	switch b.bug {
	case "copy-without-tags":
		req.Tags = nil
	case "copy-ignores-key":
		req.Key = ""
	}
	v, err := b.hands.CopySnapshot(ctx, req)
	switch {
	case b.bug == "copy-names-a-disk":
		v.Disk = "disk-1"
	case b.bug == "copy-of-anything" && cloud.ClassOf(err) == cloud.ErrConflict:
		return b.c.AddSnapshot(req.Region, cloud.Snapshot{Name: req.Name}), nil
	}
	return v, err
}

func (b *buggy) Share(ctx context.Context, ref cloud.Ref, with string, on bool) error {
	switch {
	case b.bug == "share-is-kept" && !on, b.bug == "share-does-nothing" && on:
		return nil
	}
	err := b.hands.Share(ctx, ref, with, on)
	if b.bug == "share-with-nobody" && cloud.ClassOf(err) == cloud.ErrUnsupported {
		return nil
	}
	return err
}

func (b *buggy) Identity(ctx context.Context) (string, error) {
	if b.bug == "identity-of-other" {
		return "444455556666", nil
	}
	return b.hands.Identity(ctx)
}

func (b *buggy) power(ref cloud.Ref) cloud.Power {
	for _, v := range b.c.Truth().Instances {
		if v.Ref == ref {
			return v.Power
		}
	}
	return cloud.PowerGone
}

func (b *buggy) StartInstance(ctx context.Context, ref cloud.Ref) error {
	switch b.bug {
	case "start-at-any-time":
		b.c.SetPower(ref, cloud.PowerStopped)
	case "start-forgets-disks":
		for _, v := range b.c.Truth().Disks {
			if v.Instance == ref.ID {
				b.c.Detach(v.Ref)
			}
		}
	}
	return b.hands.StartInstance(ctx, ref)
}

func (b *buggy) StopInstance(ctx context.Context, ref cloud.Ref) error {
	switch {
	case b.bug == "stop-does-nothing":
		return nil
	case b.bug == "stop-twice-fails" && b.power(ref) == cloud.PowerStopped:
		return &cloud.Error{Op: "instance.stop", Ref: ref, Class: cloud.ErrConflict, Code: "IncorrectInstanceState"}
	}
	return b.hands.StopInstance(ctx, ref)
}

func (b *buggy) DeleteInstance(ctx context.Context, ref cloud.Ref) error {
	if b.bug == "delete-leaves-root" {
		for _, v := range b.c.Truth().Disks {
			if v.Instance == ref.ID {
				b.c.Detach(v.Ref)
			}
		}
	}
	err := b.hands.DeleteInstance(ctx, ref)
	if b.bug == "delete-missing-works" && cloud.ClassOf(err) == cloud.ErrNotFound {
		return nil
	}
	return err
}

func (b *buggy) RunInstance(ctx context.Context, req cloud.NewInstance) (cloud.Instance, error) {
	if b.bug == "throwaway-ignored" {
		req.Throwaway = false
	}
	return b.hands.RunInstance(ctx, req)
}
