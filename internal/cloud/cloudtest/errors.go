package cloudtest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func errorCases() []testCase {
	snaps := []cloud.Capability{cloud.Snapshots}
	return []testCase{
		{"ErrorsKeepTheirClass", snaps, errorsKeepTheirClass},
		{"ErrorsOfListingsKeepTheirClass", nil, errorsOfListings},
		{"ErrorsOfEveryVerb", nil, errorsOfEveryVerb},
		{"ErrorsAfterTakingEffect", snaps, errorsAfterTakingEffect},
		{"ErrorsOfUnknownIDs", nil, errorsOfUnknownIDs},
		{"ErrorsOfMissingAbilities", nil, errorsOfMissingAbilities},
		{"ErrorsUnderCancelledContext", nil, errorsUnderCancelledContext},
	}
}

func (e *exam) needProvoke(t *testing.T) {
	t.Helper()
	if e.Provoke == nil {
		t.Skip("Subject.Provoke is nil: a real cloud cannot be made to fail")
	}
}

// errorsKeepTheirClass: all eight, provoked at a deletion, each with the thing it is about and the cloud's word; and
// the deletion that failed has deleted nothing.
func errorsKeepTheirClass(t *testing.T, e *exam) {
	e.needProvoke(t)
	snap := e.makeSnapshot(t, e.firstDisk(t), "a")
	e.Settle(t, snap.Ref)
	for _, class := range cloud.Classes() {
		if slices.Contains(e.Unprovokable, class) {
			continue
		}
		e.Provoke(t, "snapshot.delete", class, false)
		err := e.c.DeleteSnapshot(t.Context(), snap.Ref)
		e.wantClass(t, "snapshot.delete", snap.Ref, class, err)
		if got, ok := e.snapshot(t, snap.Ref.ID); !ok || got.State != cloud.StateReady {
			t.Fatalf("snapshot after a deletion that failed with %v: got %v (found %v), want ready", class, got.State, ok)
		}
	}
	if err := e.c.DeleteSnapshot(t.Context(), snap.Ref); err != nil {
		t.Errorf("DeleteSnapshot(%s) once nothing is provoked any more: got %v, want no error", snap.Ref, err)
	}
}

// errorsOfListings: a listing that failed says so and gives nothing, which would read as "nothing is there".
func errorsOfListings(t *testing.T, e *exam) {
	e.needProvoke(t)
	e.Launch(t, e.name("web"), 1, nil)
	for _, kind := range cloud.Kinds() {
		for _, class := range []error{cloud.ErrThrottled, cloud.ErrTransient, cloud.ErrDenied} {
			op := kind.String() + ".list"
			e.Provoke(t, op, class, false)
			n := 0
			err := e.each(t.Context(), kind, cloud.Query{Region: e.Region}, func(cloud.Ref) bool { n++; return true })
			e.wantClass(t, op, e.ref(kind, ""), class, err)
			if n != 0 {
				t.Errorf("%s that fails with %v: got %d items, want none", op, class, n)
			}
		}
		e.refs(t, t.Context(), kind, cloud.Query{Region: e.Region}) // and then it is well again
	}
}

// verb is one call about things that do not exist, which changes the world or looks at one thing.
type verb struct {
	op    string
	ref   cloud.Ref
	needs cloud.Capability
	call  func(ctx context.Context) error
}

// verbs are all of them.
func (e *exam) verbs() []verb {
	instance, disk := e.unknown(cloud.KindInstance), e.unknown(cloud.KindDisk)
	snapshot, image := e.unknown(cloud.KindSnapshot), e.unknown(cloud.KindImage)
	partner := cmp.Or(e.Partner, "444455556666")
	return []verb{
		{"snapshot.create", disk, cloud.Snapshots, func(ctx context.Context) error {
			_, err := e.c.CreateSnapshot(ctx, cloud.NewSnapshot{Region: e.Region, Disk: disk.ID, Name: e.name("v"), Tags: e.stint("v"), Token: e.token("v1")})
			return err
		}},
		{"snapshotset.create", instance, cloud.SnapshotSets, func(ctx context.Context) error {
			_, err := e.c.CreateSnapshotSet(ctx, newSet(e, cloud.Instance{Ref: instance, Disks: []cloud.Attachment{{Disk: disk.ID}}}, "v2"))
			return err
		}},
		{"snapshot.delete", snapshot, cloud.Snapshots, func(ctx context.Context) error { return e.c.DeleteSnapshot(ctx, snapshot) }},
		{"image.create", instance, cloud.ImageMaking, func(ctx context.Context) error {
			_, err := e.c.CreateImage(ctx, cloud.NewImage{Region: e.Region, Instance: instance.ID, Name: e.name("v"), Tags: e.stint("v"), Token: e.token("v3")})
			return err
		}},
		{"image.delete", image, cloud.ImageMaking, func(ctx context.Context) error { return e.c.DeleteImage(ctx, image) }},
		{"disk.create", snapshot, cloud.DiskMaking, func(ctx context.Context) error {
			_, err := e.c.CreateDisk(ctx, e.newDisk(snapshot.ID, "v4"))
			return err
		}},
		{"instance.run", image, cloud.Launching, func(ctx context.Context) error {
			_, err := e.c.RunInstance(ctx, e.newInstance(image.ID, "v5"))
			return err
		}},
		{"tag.set", snapshot, cloud.Tagging, func(ctx context.Context) error {
			return e.c.SetTags(ctx, snapshot, cloud.Tags{{Key: "a", Value: "b"}})
		}},
		{"tag.remove", snapshot, cloud.Tagging, func(ctx context.Context) error { return e.c.RemoveTags(ctx, snapshot, []string{"a"}) }},
		{"image.copy", image, cloud.ImageCopies, func(ctx context.Context) error {
			_, err := e.c.CopyImage(ctx, e.in(e.Account, cmp.Or(e.Elsewhere, e.Region), e.c).newCopy(image, "v6"))
			return err
		}},
		{"snapshot.copy", snapshot, cloud.SnapshotCopies, func(ctx context.Context) error {
			_, err := e.c.CopySnapshot(ctx, e.in(e.Account, cmp.Or(e.Elsewhere, e.Region), e.c).newCopy(snapshot, "v7"))
			return err
		}},
		{"image.share", image, cloud.Sharing, func(ctx context.Context) error { return e.c.Share(ctx, image, partner, true) }},
		{"image.unshare", image, cloud.Sharing, func(ctx context.Context) error { return e.c.Share(ctx, image, partner, false) }},
		{"image.shares", image, cloud.Sharing, func(ctx context.Context) error {
			_, err := e.c.SharedWith(ctx, image)
			return err
		}},
		{"instance.start", instance, cloud.Operating, func(ctx context.Context) error { return e.c.StartInstance(ctx, instance) }},
		{"instance.stop", instance, cloud.Operating, func(ctx context.Context) error { return e.c.StopInstance(ctx, instance) }},
		{"instance.delete", instance, cloud.Operating, func(ctx context.Context) error { return e.c.DeleteInstance(ctx, instance) }},
	}
}

// errorsOfEveryVerb: what is provoked at any verb comes back about the thing that the verb is about.
func errorsOfEveryVerb(t *testing.T, e *exam) {
	e.needProvoke(t)
	for _, v := range e.verbs() {
		if !slices.Contains(e.c.Capabilities(), v.needs) {
			continue
		}
		for _, class := range []error{cloud.ErrThrottled, cloud.ErrDenied} {
			e.Provoke(t, v.op, class, false)
			e.wantClass(t, v.op, v.ref, class, v.call(t.Context()))
		}
	}
}

// errorsAfterTakingEffect: the answer is lost but the snapshot is there, once, and is found by its action's tag.
func errorsAfterTakingEffect(t *testing.T, e *exam) {
	e.needProvoke(t)
	disk := e.firstDisk(t)
	req := cloud.NewSnapshot{Region: e.Region, Disk: disk, Name: e.name("a"), Tags: e.stint("a"), Token: e.token("a")}
	ref := e.ref(cloud.KindDisk, disk)
	e.Provoke(t, "snapshot.create", cloud.ErrTransient, true)
	_, err := e.c.CreateSnapshot(t.Context(), req)
	e.wantLost(t, "snapshot.create", ref, err)

	q := cloud.Query{Region: e.Region, Tags: cloud.Tags{{Key: cloud.TagAction, Value: "a" + e.nonce}}}
	got := e.refs(t, t.Context(), cloud.KindSnapshot, q)
	if len(got) != 1 {
		t.Fatalf("listing by %v after a create whose answer was lost: got %v, want the one: the driver must not repeat a create by itself", q.Tags, got)
	}
	e.cleanSnapshot(t, got[0])
	if e.c.Traits().CreateTokens {
		again, err := e.c.CreateSnapshot(t.Context(), req)
		if err != nil || again.Ref != got[0] {
			t.Errorf("CreateSnapshot with the same token after its answer was lost: got %v and %v, want %v", again.Ref, err, got[0])
		}
	}
	e.Settle(t, got[0])
	e.Provoke(t, "snapshot.delete", cloud.ErrTransient, true)
	e.wantLost(t, "snapshot.delete", got[0], e.c.DeleteSnapshot(t.Context(), got[0]))
	e.Settle(t, got[0])
	e.wantClass(t, "snapshot.delete", got[0], cloud.ErrNotFound, e.c.DeleteSnapshot(t.Context(), got[0]))
}

// wantLost checks the error of a call whose answer was lost, which has no word of the cloud's when nothing came at all.
func (e *exam) wantLost(t *testing.T, op string, ref cloud.Ref, err error) {
	t.Helper()
	ce, ok := errors.AsType[*cloud.Error](err)
	if !ok || ce.Op != op || ce.Ref != ref || !errors.Is(err, cloud.ErrTransient) {
		t.Errorf("%s of %s whose answer is lost: got %v, want a *cloud.Error about it that is transient", op, ref, err)
	}
}

func errorsOfUnknownIDs(t *testing.T, e *exam) {
	for _, v := range e.verbs() {
		if slices.Contains(e.c.Capabilities(), v.needs) {
			for range 2 {
				e.wantClass(t, v.op, v.ref, cloud.ErrNotFound, v.call(t.Context()))
			}
		}
	}
}

// errorsOfMissingAbilities: ErrUnsupported, and nobody is asked.
func errorsOfMissingAbilities(t *testing.T, e *exam) {
	before := e.requests()
	missing := 0
	for _, v := range e.verbs() {
		if slices.Contains(e.c.Capabilities(), v.needs) {
			continue
		}
		missing++
		err := v.call(t.Context())
		if ce, ok := errors.AsType[*cloud.Error](err); !ok || ce.Op != v.op || ce.Ref != v.ref || !errors.Is(err, cloud.ErrUnsupported) {
			t.Errorf("%s without the ability: got %v, want ErrUnsupported about %s", v.op, err, v.ref)
		}
	}
	if made := e.requests() - before; made != 0 {
		t.Errorf("%d verbs without the ability made %d requests, want none", missing, made)
	}
	if missing == 0 {
		t.Skip("the provider lacks no ability")
	}
}

// errorsUnderCancelledContext: every verb ends with the context's own error, and nobody is asked.
func errorsUnderCancelledContext(t *testing.T, e *exam) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	check := goroutines(t)
	before := e.requests()
	for _, v := range e.verbs() {
		if !slices.Contains(e.c.Capabilities(), v.needs) {
			continue
		}
		if err := v.call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s under a cancelled context: got %v, want context.Canceled", v.op, err)
		}
	}
	if made := e.requests() - before; made != 0 {
		t.Errorf("calls under a cancelled context made %d requests, want none", made)
	}
	check()
}
