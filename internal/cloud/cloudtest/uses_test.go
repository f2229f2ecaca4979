package cloudtest_test

import (
	"context"
	"slices"

	"github.com/stint-cloud/stint/internal/cloud"
)

func (b *buggy) Traits() cloud.Traits {
	tr := b.hands.Traits()
	if b.bug == "uses-unpromised" {
		tr.Uses.Snapshots = slices.DeleteFunc(tr.Uses.Snapshots, func(k cloud.UserKind) bool { return k == cloud.UserDisk })
	}
	return tr
}

func (b *buggy) Uses(ctx context.Context, refs []cloud.Ref) ([]cloud.Use, error) {
	uses, err := b.hands.Uses(ctx, refs)
	lost := map[string]cloud.UserKind{
		"uses-lose-templates": cloud.UserTemplate, "uses-lose-instances": cloud.UserInstance, "uses-lose-images": cloud.UserImage,
		"uses-lose-disks": cloud.UserDisk, "uses-lose-accounts": cloud.UserAccount,
	}[b.bug]
	uses = slices.DeleteFunc(uses, func(u cloud.Use) bool { return u.Kind == lost })
	switch b.bug {
	case "uses-failed-are-none":
		return uses, nil
	case "uses-never-block":
		for i := range uses {
			uses[i].Blocks = false
		}
	case "uses-of-the-first":
		for i := range uses {
			uses[i].Of = refs[len(refs)-1]
		}
	case "uses-outlive-instance":
		for _, u := range uses {
			if u.Kind == cloud.UserInstance {
				b.remembered = append(b.remembered, u)
			}
		}
		return append(uses, b.remembered...), err
	case "uses-unpromised":
		for _, ref := range refs {
			if err == nil && ref.Kind == cloud.KindSnapshot {
				uses = append(uses, cloud.Use{Of: ref, Kind: cloud.UserDisk, By: "disk-1"})
			}
		}
	case "uses-of-missing-fail":
		for _, ref := range refs {
			if err == nil && !b.there(ref) {
				return nil, &cloud.Error{Op: ref.Kind.String() + ".uses", Ref: ref, Class: cloud.ErrNotFound, Code: "NotFound"}
			}
		}
	}
	return uses, err
}

// there says whether an image or a snapshot exists.
func (b *buggy) there(ref cloud.Ref) bool {
	truth := b.c.Truth()
	return slices.ContainsFunc(truth.Images, func(v cloud.Image) bool { return v.Ref == ref }) ||
		slices.ContainsFunc(truth.Snapshots, func(v cloud.Snapshot) bool { return v.Ref == ref })
}
