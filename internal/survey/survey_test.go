package survey_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/intercept"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlite"
	"github.com/stint-cloud/stint/internal/survey"
)

type bench struct {
	t        *testing.T
	now      time.Time
	cloud    *memcloud.Cloud
	store    store.Store
	surveyor *survey.Surveyor
	client   *cloud.Client
	cut      int // the how manyth listing call from now fails; 0: none
}

var snapshots = cloud.Scope{Account: "web", Region: "us-east-1", Kind: cloud.KindSnapshot}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}
	b.cloud = memcloud.New(memcloud.Options{
		Account: "web", Regions: []string{"us-east-1"}, Cloud: "aws", PageSize: 5, Now: func() time.Time { return b.now },
		Delays: memcloud.Delays{Snapshot: 10 * time.Minute},
	})
	var err error
	if b.store, err = sqlite.Open(t.Context(), ":memory:"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.store.Close() })
	fault := intercept.Fault(func(_ context.Context, call cloud.Call) intercept.Verdict {
		if call.Class != cloud.Read || b.cut == 0 {
			return intercept.Verdict{}
		}
		if b.cut--; b.cut == 0 {
			return intercept.Verdict{Before: intercept.Broken(call, cloud.ErrTransient)}
		}
		return intercept.Verdict{}
	})
	b.client = cloud.NewClient("web", b.cloud.Provider(), fault)
	b.surveyor = survey.New(b.store, func(string) (*cloud.Client, error) { return b.client, nil }, survey.Options{})
	return b
}

func (b *bench) snapshot(disk cloud.Attachment, name string) cloud.Snapshot {
	b.t.Helper()
	s, err := b.client.CreateSnapshot(b.t.Context(), cloud.NewSnapshot{Region: "us-east-1", Disk: disk.Disk, Name: name, Tags: cloud.Tags{{Key: cloud.TagAction, Value: "a-" + name}}, Token: name})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) look(whole bool) survey.Outcome {
	b.t.Helper()
	out, err := b.surveyor.Look(b.t.Context(), b.now, snapshots, whole)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *bench) known() int {
	b.t.Helper()
	w, err := b.store.World(b.t.Context(), []cloud.Scope{snapshots})
	if err != nil {
		b.t.Fatal(err)
	}
	return len(w.Snapshots)
}

// TestListingCutShort takes nothing for absent that a listing did not come to (law 6).
func TestListingCutShort(t *testing.T) {
	b := newBench(t)
	disk := b.cloud.AddInstance(memcloud.InstanceSpec{Name: "web-1"}).Disks[0]
	for i := range 12 {
		b.snapshot(disk, string(rune('a'+i)))
	}
	if out := b.look(true); out.Err != nil || out.Diff.Added != 12 {
		t.Fatalf("Look: got %+v, want 12 added", out)
	}
	b.cut = 2 // the second of three pages
	b.now = b.now.Add(time.Minute)
	out := b.look(true)
	if !errors.Is(out.Err, cloud.ErrTransient) || out.Diff != (store.Diff{}) || !out.Changed() {
		t.Errorf("Look cut short: got %+v, want its error and no difference", out)
	}
	w, err := b.store.World(t.Context(), []cloud.Scope{snapshots})
	if err != nil || len(w.Snapshots) != 12 || w.Whole(snapshots) {
		t.Errorf("World after a listing was cut short: got %d snapshots, whole %v (%v), want 12, not whole", len(w.Snapshots), w.Whole(snapshots), err)
	}
	b.now = b.now.Add(time.Minute)
	if out = b.look(false); !out.Back || !out.Whole || !out.Changed() {
		t.Errorf("Look after that: got %+v, want a whole listing that is back and wakes plans", out)
	}
}

// TestPollsOnlyWhatIsPending asks for the unsettled ones by id, and stops when they are settled.
func TestPollsOnlyWhatIsPending(t *testing.T) {
	b := newBench(t)
	disk := b.cloud.AddInstance(memcloud.InstanceSpec{Name: "web-1"}).Disks[0]
	for i := range 11 {
		b.snapshot(disk, string(rune('a'+i)))
	}
	b.now = b.now.Add(time.Hour)
	last := b.snapshot(disk, "last")
	if out := b.look(true); out.Pending != 1 {
		t.Fatalf("Look: got %+v, want 1 pending", out)
	}
	calls := b.cloud.Calls()["snapshot.list"]
	b.now = b.now.Add(time.Minute)
	if out := b.look(false); out.Whole || out.Pending != 1 || out.Changed() {
		t.Errorf("poll: got %+v, want one that is still pending and changes nothing", out)
	}
	if got := b.cloud.Calls()["snapshot.list"] - calls; got != 1 {
		t.Errorf("calls of a poll: got %d, want 1 and not the pages of a listing", got)
	}
	b.now = b.now.Add(9 * time.Minute)
	out := b.look(false)
	if out.Settled != 1 || out.Pending != 0 || !out.Changed() {
		t.Errorf("poll once it is complete: got %+v, want 1 settled", out)
	}
	w, _ := b.store.World(t.Context(), []cloud.Scope{snapshots})
	if s, ok := w.Snapshot(last.Ref); !ok || s.State != cloud.StateReady {
		t.Errorf("World: got %v %v, want it ready", s, ok)
	}
}

// TestFreshThingsAreNotGone keeps what was just made while no listing shows it (pitfall 20).
func TestFreshThingsAreNotGone(t *testing.T) {
	b := newBench(t)
	disk := b.cloud.AddInstance(memcloud.InstanceSpec{Name: "web-1"}).Disks[0]
	b.look(true)
	b.cloud.SetLag(2 * time.Minute)
	s := b.snapshot(disk, "fresh")
	if err := b.store.Expect(t.Context(), snapshots, b.now, []store.Resource{{ID: s.Ref.ID, Body: []byte(`{"ref":{"account":"web","region":"us-east-1","kind":"snapshot","id":"` + s.Ref.ID + `"},"size":1,"state":"working","created-at":"2026-11-21T00:00:00Z"}`)}}); err != nil {
		t.Fatal(err)
	}
	b.surveyor.Watch(snapshots, s.Ref.ID)
	b.now = b.now.Add(time.Minute)
	b.look(false)
	b.look(true)
	if got := b.known(); got != 1 {
		t.Errorf("known while listings lag: got %d, want 1", got)
	}
	b.cloud.Remove(s.Ref)
	b.now = b.now.Add(10 * time.Minute)
	b.look(true)
	if got := b.known(); got != 0 {
		t.Errorf("known after it was deleted by hand: got %d, want 0", got)
	}
}

// TestKilledProcessForgetsNothing polls what a process had just made when it was killed: the one after it knows nothing
// of that, and other things are pending besides.
func TestKilledProcessForgetsNothing(t *testing.T) {
	b := newBench(t)
	disk := b.cloud.AddInstance(memcloud.InstanceSpec{Name: "web-1"}).Disks[0]
	b.snapshot(disk, "first")
	if out := b.look(true); out.Pending != 1 {
		t.Fatalf("Look: got %+v, want 1 pending", out)
	}
	b.now = b.now.Add(time.Second)
	made := b.snapshot(disk, "second")
	body, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.store.Expect(t.Context(), snapshots, b.now, []store.Resource{{ID: made.Ref.ID, Body: body}}); err != nil {
		t.Fatal(err)
	}
	// The hint goes with the process.
	b.surveyor = survey.New(b.store, func(string) (*cloud.Client, error) { return b.client, nil }, survey.Options{})
	b.now = b.now.Add(time.Second)
	if out := b.look(false); out.Pending != 2 {
		t.Errorf("the first look of the next process: got %+v, want 2 pending", out)
	}
	b.now = b.now.Add(time.Second)
	if out := b.look(false); out.Whole || out.Pending != 2 {
		t.Errorf("its second look: got %+v, want a poll of 2", out)
	}
}

// TestSnapshotsUnderImagesAreSeen looks at what a finished image stands on, which no listing has shown yet.
func TestSnapshotsUnderImagesAreSeen(t *testing.T) {
	b := newBench(t)
	instance := b.cloud.AddInstance(memcloud.InstanceSpec{Name: "web-1", DiskSizes: []int64{20 << 30, 20 << 30}})
	b.look(true)
	image, err := b.client.CreateImage(t.Context(), cloud.NewImage{Region: "us-east-1", Instance: instance.Ref.ID, Name: "a", Tags: cloud.Tags{{Key: cloud.TagAction, Value: "a-1"}}, Token: "a"})
	if err != nil {
		t.Fatal(err)
	}
	images := cloud.Scope{Account: "web", Region: "us-east-1", Kind: cloud.KindImage}
	b.surveyor.Watch(images, image.Ref.ID)
	b.now = b.now.Add(time.Hour)
	if out, err := b.surveyor.Look(t.Context(), b.now, images, false); err != nil || out.Err != nil || out.Pending != 0 {
		t.Fatalf("Look at images: got %+v %v, want none pending", out, err)
	}
	if got := b.surveyor.Hinted(); !slices.Contains(got, snapshots) {
		t.Errorf("Hinted once the image is ready: got %v, want %s", got, snapshots)
	}
	b.now = b.now.Add(-time.Hour + time.Minute) // long before the next listing is due
	if out := b.look(false); out.Whole || out.Diff.Added != 2 {
		t.Errorf("Look at snapshots after the image is ready: got %+v, want a poll that adds 2", out)
	}
}
