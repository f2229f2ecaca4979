package cloudtest

import (
	"slices"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func imageCases() []testCase {
	images := []cloud.Capability{cloud.ImageMaking}
	both := []cloud.Capability{cloud.ImageMaking, cloud.Snapshots}
	return []testCase{
		{"ImageBecomesReady", images, imageBecomesReady},
		{"ImageLeavesInstanceRunning", images, imageLeavesInstanceRunning},
		{"ImageKeepsEveryTag", images, imageKeepsEveryTag},
		{"ImageListsItsSnapshots", images, imageListsItsSnapshots},
		{"ImageTokenThrice", images, imageTokenThrice},
		{"ImageHoldsItsSnapshots", both, imageHoldsItsSnapshots},
		{"ImageDeletedThenSnapshots", both, imageDeletedThenSnapshots},
		{"ImageDeletedTwice", images, imageDeletedTwice},
		{"ImageLocked", images, imageLocked},
		{"ImageOfUnknownInstance", images, imageOfUnknownInstance},
	}
}

func imageBecomesReady(t *testing.T, e *exam) {
	source := e.Launch(t, e.name("source"), 0, nil)
	made := e.makeImage(t, source.Ref.ID, "a")
	if made.Ref.ID == "" || made.Ref != e.ref(cloud.KindImage, made.Ref.ID) {
		t.Fatalf("CreateImage: ref = %v, want an image in %s/%s", made.Ref, e.Account, e.Region)
	}
	e.checkFresh(t, made.Ref, made.State)
	listed, ok := e.image(t, made.Ref.ID)
	if !ok {
		t.Fatalf("listing %s right after CreateImage: got nothing, want it whatever its state", made.Ref)
	}
	e.checkFresh(t, made.Ref, listed.State)
	for range 2 {
		got := e.ready(t, made)
		if got.Ref != made.Ref || got.Name != e.name("a") || got.Locked || got.Managed != "" || got.CreatedAt.IsZero() || got.CreatedAt.Location().String() != "UTC" {
			t.Errorf("image after Settle = %+v, want its name, when it was made in UTC, free to delete", got)
		}
	}
}

// imageLeavesInstanceRunning: without Reboot nobody notices.
func imageLeavesInstanceRunning(t *testing.T, e *exam) {
	source := e.Launch(t, e.name("source"), 1, nil)
	img := e.makeImage(t, source.Ref.ID, "a")
	for range 2 {
		if got, ok := e.instance(t, source.Ref.ID); !ok || got.Power != cloud.PowerRunning || len(got.Disks) != len(source.Disks) {
			t.Errorf("the instance of which an image is made: got %v with %d disks (found %v), want running with %d", got.Power, len(got.Disks), ok, len(source.Disks))
		}
		e.Settle(t, img.Ref)
	}
}

func imageKeepsEveryTag(t *testing.T, e *exam) {
	source := e.Launch(t, e.name("source"), 0, nil)
	want := e.hardTags("a")
	got, err := e.c.CreateImage(t.Context(), cloud.NewImage{Region: e.Region, Instance: source.Ref.ID, Name: e.name("a"), Tags: want, Token: e.token("a")})
	if err != nil {
		t.Fatalf("CreateImage with %d tags: got %v, want no error", len(want), err)
	}
	e.cleanImage(t, got.Ref)
	listed, _ := e.image(t, got.Ref.ID)
	checkTags(t, "right after CreateImage", listed.Tags, want)
	checkTags(t, "in the answer of CreateImage", got.Tags, want)
	ready := e.ready(t, got)
	checkTags(t, "once the image is ready", ready.Tags, want)
	if !e.ImageTagsSnapshots {
		return
	}
	for _, id := range ready.Snapshots {
		s, _ := e.snapshot(t, id)
		checkTags(t, "on snapshot "+id+" under the image", s.Tags, want)
	}
}

// imageListsItsSnapshots: root first, each of them a snapshot that is listed as such, ready once the image is.
func imageListsItsSnapshots(t *testing.T, e *exam) {
	if !e.ImagesStand {
		t.Skip("Subject.ImagesStand is false: images stand on nothing that is listed")
	}
	source := e.Launch(t, e.name("source"), 2, nil)
	img := e.ready(t, e.makeImage(t, source.Ref.ID, "a"))
	want := []string{source.Disks[0].Disk}
	if e.c.Traits().ImageHasDisks || e.ImageHoldsDisks {
		for _, a := range source.Disks[1:] {
			want = append(want, a.Disk)
		}
	}
	var got []string
	for _, id := range img.Snapshots {
		s, ok := e.snapshot(t, id)
		if !ok || s.State != cloud.StateReady {
			t.Errorf("snapshot %s under a ready image: got %v (found %v), want ready", id, s.State, ok)
		}
		got = append(got, s.Disk)
	}
	if !slices.Equal(got, want) {
		t.Errorf("image %s stands on snapshots %v of disks %v, want of %v, root first", img.Ref, img.Snapshots, got, want)
	}
}

func imageTokenThrice(t *testing.T, e *exam) {
	if !e.c.Traits().CreateTokens {
		t.Skip("the cloud's creates take no token")
	}
	source := e.Launch(t, e.name("source"), 0, nil)
	first := e.makeImage(t, source.Ref.ID, "a")
	for range 2 {
		if again := e.makeImage(t, source.Ref.ID, "a"); again.Ref != first.Ref {
			t.Errorf("CreateImage with the same token: got %v, want %v as before", again.Ref, first.Ref)
		}
	}
}

// imageHoldsItsSnapshots: a snapshot under an image is in use, and the refused deletion deletes nothing.
func imageHoldsItsSnapshots(t *testing.T, e *exam) {
	if !e.c.Traits().RefusesInUse {
		t.Skip("Traits.RefusesInUse is false: the cloud deletes a snapshot from under an image, and the plan takes care")
	}
	if !e.ImagesStand {
		t.Skip("Subject.ImagesStand is false: images stand on nothing that is listed")
	}
	source := e.Launch(t, e.name("source"), 1, nil)
	img := e.ready(t, e.makeImage(t, source.Ref.ID, "a"))
	for range 2 {
		for _, id := range img.Snapshots {
			ref := e.ref(cloud.KindSnapshot, id)
			e.wantClass(t, "snapshot.delete", ref, cloud.ErrInUse, e.c.DeleteSnapshot(t.Context(), ref))
		}
	}
	for _, id := range img.Snapshots {
		if s, ok := e.snapshot(t, id); !ok || s.State != cloud.StateReady {
			t.Errorf("snapshot %s after its refused deletion: got %v (found %v), want ready", id, s.State, ok)
		}
	}
	if again := e.ready(t, img); !slices.Equal(again.Snapshots, img.Snapshots) {
		t.Errorf("the image afterwards stands on %v, want %v as before", again.Snapshots, img.Snapshots)
	}
}

// imageDeletedThenSnapshots: the image goes alone, and then its snapshots can.
func imageDeletedThenSnapshots(t *testing.T, e *exam) {
	if !e.ImagesStand {
		t.Skip("Subject.ImagesStand is false: images stand on nothing that is listed")
	}
	source := e.Launch(t, e.name("source"), 1, nil)
	img := e.ready(t, e.makeImage(t, source.Ref.ID, "a"))
	if err := e.c.DeleteImage(t.Context(), img.Ref); err != nil {
		t.Fatalf("DeleteImage(%s): got %v, want no error", img.Ref, err)
	}
	e.Settle(t, img.Ref)
	for _, id := range img.Snapshots {
		ref := e.ref(cloud.KindSnapshot, id)
		e.cleanSnapshot(t, ref)
		if s, ok := e.snapshot(t, id); !ok || s.State != cloud.StateReady {
			t.Fatalf("snapshot %s after the deletion of its image: got %v (found %v), want ready", id, s.State, ok)
		}
		if err := e.c.DeleteSnapshot(t.Context(), ref); err != nil {
			t.Errorf("DeleteSnapshot(%s) after the deletion of its image: got %v, want no error", ref, err)
		}
		e.Settle(t, ref)
		if _, ok := e.snapshot(t, id); ok {
			t.Errorf("listing %s after its deletion: got it, want nothing", ref)
		}
	}
}

func imageDeletedTwice(t *testing.T, e *exam) {
	source := e.Launch(t, e.name("source"), 0, nil)
	img := e.ready(t, e.makeImage(t, source.Ref.ID, "a"))
	if slices.Contains(e.c.Capabilities(), cloud.Snapshots) {
		for _, id := range img.Snapshots {
			e.cleanSnapshot(t, e.ref(cloud.KindSnapshot, id))
		}
	}
	if err := e.c.DeleteImage(t.Context(), img.Ref); err != nil {
		t.Fatalf("DeleteImage(%s): got %v, want no error", img.Ref, err)
	}
	e.Settle(t, img.Ref)
	if got, ok := e.image(t, img.Ref.ID); ok {
		t.Errorf("listing %s after its deletion: got %+v, want nothing", img.Ref, got)
	}
	for range 2 {
		e.wantClass(t, "image.delete", img.Ref, cloud.ErrNotFound, e.c.DeleteImage(t.Context(), img.Ref))
	}
}

func imageLocked(t *testing.T, e *exam) {
	if e.Lock == nil {
		t.Skip("Subject.Lock is nil: the cloud has no locks")
	}
	source := e.Launch(t, e.name("source"), 0, nil)
	img := e.ready(t, e.makeImage(t, source.Ref.ID, "a"))
	e.Lock(t, img.Ref)
	if got := e.ready(t, img); !got.Locked {
		t.Skip("Subject.Lock does not lock images")
	}
	e.wantRefused(t, "image.delete", img.Ref, e.c.DeleteImage(t.Context(), img.Ref))
	if _, ok := e.image(t, img.Ref.ID); !ok {
		t.Errorf("listing %s after a refused deletion: got nothing, want it", img.Ref)
	}
}

func imageOfUnknownInstance(t *testing.T, e *exam) {
	ref := e.unknown(cloud.KindInstance)
	_, err := e.c.CreateImage(t.Context(), cloud.NewImage{Region: e.Region, Instance: ref.ID, Name: e.name("a"), Tags: e.stint("a"), Token: e.token("a")})
	e.wantClass(t, "image.create", ref, cloud.ErrNotFound, err)
}
