package cloudtest

import (
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func makingCases() []testCase {
	disks := []cloud.Capability{cloud.DiskMaking, cloud.Snapshots}
	launch := []cloud.Capability{cloud.Launching, cloud.ImageMaking}
	return []testCase{
		{"DiskFromSnapshot", disks, diskFromSnapshot},
		{"DiskTokenThrice", disks, diskTokenThrice},
		{"DiskFromUnknownSnapshot", []cloud.Capability{cloud.DiskMaking}, diskFromUnknownSnapshot},
		{"InstanceFromImage", launch, instanceFromImage},
		{"InstanceTokenThrice", launch, instanceTokenThrice},
		{"InstanceFromUnknownImage", []cloud.Capability{cloud.Launching}, instanceFromUnknownImage},
	}
}

func (e *exam) newDisk(snapshot, action string) cloud.NewDisk {
	return cloud.NewDisk{
		Region: e.Region, Zone: e.Zone, Snapshot: snapshot, Name: e.name(action), Tags: e.stint(action).With(cloud.TagRestored, "backup-1"), Token: e.token(action),
	}
}

func (e *exam) newInstance(image, action string) cloud.NewInstance {
	return cloud.NewInstance{
		Region: e.Region, Zone: e.Zone, Image: image, Name: e.name(action), Type: e.InstanceType, Network: e.Network,
		Tags: e.stint(action).With(cloud.TagRole, "drill"), Token: e.token(action),
	}
}

// diskFromSnapshot: ends usable, of the snapshot's size, attached to nothing, with its tags from the start.
func diskFromSnapshot(t *testing.T, e *exam) {
	snap := e.makeSnapshot(t, e.firstDisk(t), "a")
	e.Settle(t, snap.Ref)
	req := e.newDisk(snap.Ref.ID, "b")
	made, err := e.c.CreateDisk(t.Context(), req)
	if err != nil {
		t.Fatalf("CreateDisk(%s): got %v, want no error", snap.Ref, err)
	}
	e.dispose(t, made.Ref)
	if made.Ref.ID == "" || made.Ref != e.ref(cloud.KindDisk, made.Ref.ID) {
		t.Fatalf("CreateDisk: ref = %v, want a disk in %s/%s", made.Ref, e.Account, e.Region)
	}
	e.checkFresh(t, made.Ref, made.State)
	listed, _ := e.disk(t, made.Ref.ID)
	checkTags(t, "right after CreateDisk", listed.Tags, req.Tags)
	e.Settle(t, made.Ref)
	got, ok := e.disk(t, made.Ref.ID)
	if !ok || got.State != cloud.StateReady || got.Size != snap.Size || got.Instance != "" {
		t.Errorf("disk after Settle = %+v (found %v), want it ready, of %d bytes, attached to nothing", got, ok, snap.Size)
	}
	checkTags(t, "once the disk is ready", got.Tags, req.Tags)
}

func diskTokenThrice(t *testing.T, e *exam) {
	if !e.DiskTokens {
		t.Skip("Subject.DiskTokens is false: CreateDisk takes no token")
	}
	snap := e.makeSnapshot(t, e.firstDisk(t), "a")
	e.Settle(t, snap.Ref)
	var first cloud.Ref
	for n := range 3 {
		made, err := e.c.CreateDisk(t.Context(), e.newDisk(snap.Ref.ID, "b"))
		if err != nil {
			t.Fatalf("CreateDisk, %d. time: got %v, want no error", n+1, err)
		}
		if n == 0 {
			first = made.Ref
			e.dispose(t, made.Ref)
		}
		if made.Ref != first {
			t.Errorf("CreateDisk with the same token, %d. time: got %v, want %v as before", n+1, made.Ref, first)
		}
	}
}

func diskFromUnknownSnapshot(t *testing.T, e *exam) {
	ref := e.unknown(cloud.KindSnapshot)
	_, err := e.c.CreateDisk(t.Context(), e.newDisk(ref.ID, "a"))
	e.wantClass(t, "disk.create", ref, cloud.ErrNotFound, err)
}

// instanceFromImage: ends running, made from the image, with its tags from the start.
func instanceFromImage(t *testing.T, e *exam) {
	source := e.Launch(t, e.name("source"), 0, nil)
	img := e.ready(t, e.makeImage(t, source.Ref.ID, "a"))
	req := e.newInstance(img.Ref.ID, "b")
	made, err := e.c.RunInstance(t.Context(), req)
	if err != nil {
		t.Fatalf("RunInstance(%s): got %v, want no error", img.Ref, err)
	}
	e.dispose(t, made.Ref)
	if made.Ref.ID == "" || made.Ref != e.ref(cloud.KindInstance, made.Ref.ID) {
		t.Fatalf("RunInstance: ref = %v, want an instance in %s/%s", made.Ref, e.Account, e.Region)
	}
	if made.Power == cloud.PowerRunning && e.Slow {
		t.Errorf("RunInstance: got an instance that runs already, want starting")
	}
	listed, _ := e.instance(t, made.Ref.ID)
	checkTags(t, "right after RunInstance", listed.Tags, req.Tags)
	e.Settle(t, made.Ref)
	got, ok := e.instance(t, made.Ref.ID)
	if !ok || got.Power != cloud.PowerRunning || got.Name != req.Name {
		t.Fatalf("instance after Settle = %+v (found %v), want %s running", got, ok, req.Name)
	}
	checkTags(t, "once the instance runs", got.Tags, req.Tags)
	if !got.LocalRoot && (len(got.Disks) == 0 || !got.Disks[0].Root) {
		t.Errorf("instance disks = %+v, want a root disk", got.Disks)
	}
	if !e.ImagesStand && got.Image != img.Ref.ID {
		t.Errorf("instance image = %q, want %s", got.Image, img.Ref.ID)
	}
}

func instanceTokenThrice(t *testing.T, e *exam) {
	if !e.LaunchTokens {
		t.Skip("Subject.LaunchTokens is false: RunInstance takes no token")
	}
	source := e.Launch(t, e.name("source"), 0, nil)
	img := e.ready(t, e.makeImage(t, source.Ref.ID, "a"))
	var first cloud.Ref
	for n := range 3 {
		made, err := e.c.RunInstance(t.Context(), e.newInstance(img.Ref.ID, "b"))
		if err != nil {
			t.Fatalf("RunInstance, %d. time: got %v, want no error", n+1, err)
		}
		if n == 0 {
			first = made.Ref
			e.dispose(t, made.Ref)
		}
		if made.Ref != first {
			t.Errorf("RunInstance with the same token, %d. time: got %v, want %v as before", n+1, made.Ref, first)
		}
	}
}

func instanceFromUnknownImage(t *testing.T, e *exam) {
	ref := e.unknown(cloud.KindImage)
	_, err := e.c.RunInstance(t.Context(), e.newInstance(ref.ID, "a"))
	e.wantClass(t, "instance.run", ref, cloud.ErrNotFound, err)
}
