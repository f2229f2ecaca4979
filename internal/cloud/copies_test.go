package cloud_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

// copier copies, shares and operates, unless it says that it does not.
type copier struct {
	looker
	lacks []cloud.Capability
	got   []string
}

func (c *copier) Lacks() []cloud.Capability { return c.lacks }

func (c *copier) Traits() cloud.Traits {
	return cloud.Traits{Cloud: "nowhere", ImageCopies: cloud.CopyTraits{Tokens: true, Max: 3}}
}

func (c *copier) CopyImage(context.Context, cloud.NewCopy) (cloud.Image, error) {
	return cloud.Image{Name: "copied"}, nil
}

func (c *copier) CopySnapshot(context.Context, cloud.NewCopy) (cloud.Snapshot, error) {
	return cloud.Snapshot{Name: "copied"}, nil
}

func (c *copier) Share(_ context.Context, ref cloud.Ref, with string, on bool) error {
	word := "unshare "
	if on {
		word = "share "
	}
	c.got = append(c.got, word+ref.ID+" "+with)
	return nil
}

func (c *copier) SharedWith(context.Context, cloud.Ref) ([]string, error) {
	return []string{"444455556666"}, nil
}
func (c *copier) Identity(context.Context) (string, error)            { return "111122223333", nil }
func (c *copier) StartInstance(_ context.Context, r cloud.Ref) error  { return c.note("start", r) }
func (c *copier) StopInstance(_ context.Context, r cloud.Ref) error   { return c.note("stop", r) }
func (c *copier) DeleteInstance(_ context.Context, r cloud.Ref) error { return c.note("delete", r) }

func (c *copier) note(word string, ref cloud.Ref) error {
	c.got = append(c.got, word+" "+ref.ID)
	return nil
}

func TestCopiesAsInterceptorsSeeThem(t *testing.T) {
	var seen []cloud.Call
	note := func(next cloud.Invoke) cloud.Invoke {
		return func(ctx context.Context, call cloud.Call) error {
			seen = append(seen, call)
			return next(ctx, call)
		}
	}
	p := &copier{}
	c := cloud.NewClient("shop", p, note)
	if want := []cloud.Capability{cloud.ImageCopies, cloud.SnapshotCopies, cloud.Sharing, cloud.Operating, cloud.Identifying}; !slices.Equal(c.Capabilities(), want) {
		t.Errorf("Capabilities() = %v, want %v", c.Capabilities(), want)
	}
	image := cloud.Ref{Account: "other", Region: "r-1", Kind: cloud.KindImage, ID: "img-1"}
	snapshot := cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindSnapshot, ID: "s-1"}
	instance := cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindInstance, ID: "i-1"}
	ctx := t.Context()
	if got, err := c.CopyImage(ctx, cloud.NewCopy{From: image, Region: "r-2", Token: "tok"}); err != nil || got.Name != "copied" {
		t.Errorf("CopyImage: got %+v and %v, want the copy", got, err)
	}
	if got, err := c.CopySnapshot(ctx, cloud.NewCopy{From: snapshot, Region: "r-2", Token: "tok"}); err != nil || got.Name != "copied" {
		t.Errorf("CopySnapshot: got %+v and %v, want the copy", got, err)
	}
	who, err := c.SharedWith(ctx, snapshot)
	id, wrong := c.Identity(ctx)
	for _, err := range []error{err, wrong, c.Share(ctx, snapshot, "444455556666", true), c.Share(ctx, snapshot, "444455556666", false), c.StartInstance(ctx, instance), c.StopInstance(ctx, instance), c.DeleteInstance(ctx, instance)} {
		if err != nil {
			t.Errorf("a call: got %v, want no error", err)
		}
	}
	if !slices.Equal(who, []string{"444455556666"}) || id != "111122223333" {
		t.Errorf("SharedWith and Identity = %v, %q; want the provider's answers", who, id)
	}
	if want := []string{"share s-1 444455556666", "unshare s-1 444455556666", "start i-1", "stop i-1", "delete i-1"}; !slices.Equal(p.got, want) {
		t.Errorf("the provider was asked %q, want %q", p.got, want)
	}
	want := []cloud.Call{
		{Op: "image.copy", Class: cloud.Write, Account: "shop", Region: "r-2", Ref: image, Token: "tok", Repeatable: true},
		{Op: "snapshot.copy", Class: cloud.Write, Account: "shop", Region: "r-2", Ref: snapshot, Token: "tok"}, // whose token the cloud does not take
		{Op: "snapshot.shares", Class: cloud.Read, Account: "shop", Region: "r-1", Ref: snapshot},
		{Op: "account.identity", Class: cloud.Read, Account: "shop", Ref: cloud.Ref{Account: "shop"}},
		{Op: "snapshot.share", Class: cloud.Write, Account: "shop", Region: "r-1", Ref: snapshot, With: "444455556666", Repeatable: true},
		{Op: "snapshot.unshare", Class: cloud.Write, Account: "shop", Region: "r-1", Ref: snapshot, With: "444455556666", Repeatable: true},
		{Op: "instance.start", Class: cloud.Write, Account: "shop", Region: "r-1", Ref: instance, Repeatable: true},
		{Op: "instance.stop", Class: cloud.Write, Account: "shop", Region: "r-1", Ref: instance, Repeatable: true},
		{Op: "instance.delete", Class: cloud.Write, Account: "shop", Region: "r-1", Ref: instance, Repeatable: true},
	}
	if !slices.Equal(seen, want) {
		t.Errorf("calls = %+v, want %+v", seen, want)
	}
}

// TestWrongKindsAreNotAsked: a disk is neither copied nor shared, and an image is not copied as a snapshot.
func TestWrongKindsAreNotAsked(t *testing.T) {
	p := &copier{}
	c := cloud.NewClient("shop", p)
	disk := cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindDisk, ID: "d-1"}
	_, image := c.CopyImage(t.Context(), cloud.NewCopy{From: disk, Region: "r-2"})
	_, snapshot := c.CopySnapshot(t.Context(), cloud.NewCopy{From: cloud.Ref{Kind: cloud.KindImage, ID: "img-1"}, Region: "r-2"})
	for op, err := range map[string]error{"image.copy": image, "snapshot.copy": snapshot, "disk.share": c.Share(t.Context(), disk, "444455556666", true)} {
		if e, ok := errors.AsType[*cloud.Error](err); !ok || e.Op != op || !errors.Is(err, cloud.ErrUnsupported) {
			t.Errorf("%s of a wrong kind: got %v, want ErrUnsupported", op, err)
		}
	}
	if len(p.got) != 0 {
		t.Errorf("the provider was asked %q, want nothing", p.got)
	}
}

// TestLimitedProvider: what the account says it lacks is not used, whatever methods there are.
func TestLimitedProvider(t *testing.T) {
	p := &copier{lacks: []cloud.Capability{cloud.Operating, cloud.ImageCopies, cloud.Sharing}}
	c := cloud.NewClient("shop", p)
	if want := []cloud.Capability{cloud.SnapshotCopies, cloud.Identifying}; !slices.Equal(c.Capabilities(), want) {
		t.Errorf("Capabilities() = %v, want %v", c.Capabilities(), want)
	}
	ref := cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindInstance, ID: "i-1"}
	_, copying := c.CopyImage(t.Context(), cloud.NewCopy{From: cloud.Ref{Kind: cloud.KindImage, ID: "img-1"}, Region: "r-2"})
	for _, err := range []error{copying, c.StopInstance(t.Context(), ref), c.StartInstance(t.Context(), ref), c.DeleteInstance(t.Context(), ref)} {
		if !errors.Is(err, cloud.ErrUnsupported) {
			t.Errorf("an ability that the account lacks: got %v, want ErrUnsupported", err)
		}
	}
	if len(p.got) != 0 {
		t.Errorf("the provider was asked %q, want nothing", p.got)
	}
}

func TestCopyTraitsByKind(t *testing.T) {
	tr := cloud.Traits{ImageCopies: cloud.CopyTraits{Max: 5}, SnapshotCopies: cloud.CopyTraits{Max: 20}}
	if i, s, d := tr.Copies(cloud.KindImage).Max, tr.Copies(cloud.KindSnapshot).Max, tr.Copies(cloud.KindDisk); i != 5 || s != 20 || d != (cloud.CopyTraits{}) {
		t.Errorf("Copies = %d, %d and %+v; want 5 of images, 20 of snapshots, none of disks", i, s, d)
	}
}
