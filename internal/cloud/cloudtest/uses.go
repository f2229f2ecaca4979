package cloudtest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func usesCases() []testCase {
	images := []cloud.Capability{cloud.Referring, cloud.ImageMaking}
	snaps := []cloud.Capability{cloud.Referring, cloud.Snapshots}
	return []testCase{
		{"UsesPromised", []cloud.Capability{cloud.Referring}, usesPromised},
		{"UsesByTemplate", images, usesByTemplate},
		{"UsesByInstance", append(images, cloud.Launching, cloud.Operating), usesByInstance},
		{"UsesByImage", images, usesByImage},
		{"UsesByDisk", append(snaps, cloud.DiskMaking), usesByDisk},
		{"UsesByAccount/image", append(images, cloud.Sharing), func(t *testing.T, e *exam) { usesByAccount(t, e.shares(t, cloud.KindImage), cloud.KindImage) }},
		{"UsesByAccount/snapshot", append(snaps, cloud.Sharing), func(t *testing.T, e *exam) { usesByAccount(t, e.shares(t, cloud.KindSnapshot), cloud.KindSnapshot) }},
		{"UsesOfNothing", []cloud.Capability{cloud.Referring}, usesOfNothing},
		{"UsesFail", []cloud.Capability{cloud.Referring}, usesFail},
	}
}

var usable = []cloud.Kind{cloud.KindSnapshot, cloud.KindImage}

// told skips a case about users that the provider says it does not tell of.
func (e *exam) told(t *testing.T, kind cloud.Kind, by cloud.UserKind) {
	t.Helper()
	if !slices.Contains(e.c.Traits().Uses.Of(kind), by) {
		t.Skipf("Traits().Uses: users of a %s that are a %s are not told", kind, by)
	}
}

// uses asks who uses the things, and checks that the answer is about them and of the kinds that are promised.
func (e *exam) uses(t *testing.T, refs ...cloud.Ref) []cloud.Use {
	t.Helper()
	got, err := e.c.Uses(t.Context(), refs)
	if err != nil {
		t.Fatalf("Uses(%v): got %v, want no error", refs, err)
	}
	for _, u := range got {
		if !slices.Contains(refs, u.Of) || !slices.Contains(e.c.Traits().Uses.Of(u.Of.Kind), u.Kind) {
			t.Errorf("Uses(%v): got %+v, want users of these, of the kinds that Traits() promises", refs, u)
		}
	}
	return got
}

// wantUse finds the one use of a thing by somebody.
func (e *exam) wantUse(t *testing.T, all []cloud.Use, of cloud.Ref, by cloud.UserKind, id string) cloud.Use {
	t.Helper()
	for _, u := range all {
		if u.Of == of && u.Kind == by && u.By == id {
			return u
		}
	}
	t.Errorf("uses = %+v, want %s %s of %s among them", all, by, id, of)
	return cloud.Use{}
}

// unused checks that nobody of the kind uses the things any more, or ever did.
func unused(t *testing.T, when string, all []cloud.Use, by cloud.UserKind) {
	t.Helper()
	for _, u := range all {
		if u.Kind == by {
			t.Errorf("%s: got %+v, want no %s", when, u, by)
		}
	}
}

// usesPromised: what is told and what is not is said in order, and nothing both ways.
func usesPromised(t *testing.T, e *exam) {
	tr := e.c.Traits().Uses
	if len(tr.Images)+len(tr.Snapshots) == 0 {
		t.Errorf("Traits().Uses = %+v, want some kind of user, or the ability not claimed", tr)
	}
	for _, list := range [][]cloud.UserKind{tr.Images, tr.Snapshots, tr.Unseen} {
		if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Errorf("Traits().Uses has %v, want each once and in order", list)
		}
	}
	for _, k := range tr.Unseen {
		if slices.Contains(tr.Images, k) {
			t.Errorf("Traits().Uses says that a %s is told of and is not", k)
		}
	}
}

// usesByTemplate: a launch template that names the image in an older version of its own would break. Nobody uses the other
// image, and what is not there spoils nothing, however much is asked at once.
func usesByTemplate(t *testing.T, e *exam) {
	e.told(t, cloud.KindImage, cloud.UserTemplate)
	if e.Template == nil {
		t.Skip("Subject.Template is nil: there is nobody to make a launch template")
	}
	source := e.Launch(t, e.name("source"), 0, nil)
	used, free := e.ready(t, e.makeImage(t, source.Ref.ID, "a")), e.ready(t, e.makeImage(t, source.Ref.ID, "b"))
	unused(t, "before there is a template", e.uses(t, used.Ref, free.Ref), cloud.UserTemplate)
	id, remove := e.Template(t, used.Ref)
	refs := []cloud.Ref{used.Ref, free.Ref}
	for n := 0; len(refs) < cloud.MaxIDs; n++ {
		refs = append(refs, e.ref(cloud.KindImage, e.Unknown(cloud.KindImage, n)))
	}
	for range 2 {
		got := e.uses(t, refs...)
		if u := e.wantUse(t, got, used.Ref, cloud.UserTemplate, id); !u.Blocks {
			t.Errorf("use %+v: want it to block: the template breaks without the image", u)
		}
		unused(t, "of the other image", slices.DeleteFunc(got, func(u cloud.Use) bool { return u.Of == used.Ref }), cloud.UserTemplate)
	}
	remove()
	unused(t, "once the template is gone", e.uses(t, refs...), cloud.UserTemplate)
}

// usesByInstance: until it is gone.
func usesByInstance(t *testing.T, e *exam) {
	e.told(t, cloud.KindImage, cloud.UserInstance)
	source := e.Launch(t, e.name("source"), 0, nil)
	img := e.ready(t, e.makeImage(t, source.Ref.ID, "a"))
	unused(t, "before there is one", e.uses(t, img.Ref), cloud.UserInstance)
	made, err := e.c.RunInstance(t.Context(), e.newInstance(img.Ref.ID, "b"))
	if err != nil {
		t.Fatalf("RunInstance(%s): got %v, want no error", img.Ref, err)
	}
	e.dispose(t, made.Ref)
	if got := e.wantPower(t, made.Ref, cloud.PowerRunning); got.Image != img.Ref.ID {
		t.Skipf("the cloud says that the instance was made from image %q", got.Image)
	}
	e.wantUse(t, e.uses(t, img.Ref), img.Ref, cloud.UserInstance, made.Ref.ID)
	e.turn(t, "DeleteInstance", e.c.DeleteInstance(t.Context(), made.Ref))
	e.Settle(t, made.Ref)
	unused(t, "once the instance is gone", e.uses(t, img.Ref), cloud.UserInstance)
}

// usesByImage: a snapshot under an image is in use, whether the cloud refuses to delete it or not.
func usesByImage(t *testing.T, e *exam) {
	e.told(t, cloud.KindSnapshot, cloud.UserImage)
	if !e.ImagesStand {
		t.Skip("Subject.ImagesStand is false: images stand on nothing that is listed")
	}
	source := e.Launch(t, e.name("source"), 1, nil)
	img := e.ready(t, e.makeImage(t, source.Ref.ID, "a"))
	refs := []cloud.Ref{e.unknown(cloud.KindSnapshot)}
	for _, id := range img.Snapshots {
		refs = append(refs, e.ref(cloud.KindSnapshot, id))
	}
	got := e.uses(t, refs...)
	for _, ref := range refs[1:] {
		if u := e.wantUse(t, got, ref, cloud.UserImage, img.Ref.ID); !u.Blocks {
			t.Errorf("use %+v: want it to block: the image breaks without the snapshot", u)
		}
	}
	if err := e.c.DeleteImage(t.Context(), img.Ref); err != nil {
		t.Fatalf("DeleteImage(%s): got %v, want no error", img.Ref, err)
	}
	e.Settle(t, img.Ref)
	for _, ref := range refs[1:] {
		if slices.Contains(e.c.Capabilities(), cloud.Snapshots) {
			e.cleanSnapshot(t, ref)
		}
	}
	unused(t, "once the image is gone", e.uses(t, refs...), cloud.UserImage)
}

func usesByDisk(t *testing.T, e *exam) {
	e.told(t, cloud.KindSnapshot, cloud.UserDisk)
	disk := e.firstDisk(t)
	used, free := e.makeSnapshot(t, disk, "a"), e.makeSnapshot(t, disk, "b")
	e.Settle(t, used.Ref)
	e.Settle(t, free.Ref)
	unused(t, "before there is one", e.uses(t, used.Ref, free.Ref), cloud.UserDisk)
	made, err := e.c.CreateDisk(t.Context(), e.newDisk(used.Ref.ID, "c"))
	if err != nil {
		t.Fatalf("CreateDisk(%s): got %v, want no error", used.Ref, err)
	}
	e.dispose(t, made.Ref)
	e.Settle(t, made.Ref)
	got := e.uses(t, used.Ref, free.Ref)
	e.wantUse(t, got, used.Ref, cloud.UserDisk, made.Ref.ID)
	unused(t, "of the other snapshot", slices.DeleteFunc(got, func(u cloud.Use) bool { return u.Of == used.Ref }), cloud.UserDisk)
}

// usesByAccount: as long as it is shared.
func usesByAccount(t *testing.T, e *exam, kind cloud.Kind) {
	e.told(t, kind, cloud.UserAccount)
	src := e.source(t, kind)
	unused(t, "before it is shared", e.uses(t, src.ref), cloud.UserAccount)
	e.share(t, src.ref, true)
	e.wantUse(t, e.uses(t, src.ref), src.ref, cloud.UserAccount, e.Partner)
	e.share(t, src.ref, false)
	unused(t, "once it is shared no longer", e.uses(t, src.ref), cloud.UserAccount)
}

// usesOfNothing: what is not there is used by nobody, and of nothing nobody is asked.
func usesOfNothing(t *testing.T, e *exam) {
	for _, kind := range usable {
		if got := e.uses(t, e.unknown(kind), e.ref(kind, e.Unknown(kind, 1))); len(got) != 0 {
			t.Errorf("Uses of %ss that are not there: got %+v, want none", kind, got)
		}
	}
	before := 0
	if e.Requests != nil {
		before = e.Requests()
	}
	e.uses(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := e.c.Uses(ctx, []cloud.Ref{e.unknown(cloud.KindImage)}); !errors.Is(err, context.Canceled) || got != nil {
		t.Errorf("Uses under a cancelled context: got %+v and %v, want context.Canceled", got, err)
	}
	if e.Requests != nil && e.Requests() != before {
		t.Errorf("Uses of nothing, and under a cancelled context: got %d requests, want none", e.Requests()-before)
	}
}

// usesFail: a question that failed is no answer, and above all not that nobody uses the thing.
func usesFail(t *testing.T, e *exam) {
	e.needProvoke(t)
	for _, kind := range usable {
		if len(e.c.Traits().Uses.Of(kind)) == 0 {
			continue
		}
		ref := e.unknown(kind)
		for _, class := range []error{cloud.ErrThrottled, cloud.ErrTransient, cloud.ErrDenied} {
			op := kind.String() + ".uses"
			e.Provoke(t, op, class, false)
			got, err := e.c.Uses(t.Context(), []cloud.Ref{ref})
			e.wantClass(t, op, e.ref(kind, ""), class, err)
			if got != nil {
				t.Errorf("%s that fails with %v: got %+v, want nothing", op, class, got)
			}
		}
		e.uses(t, ref) // and then it is well again
	}
}
