package cloudtest

import (
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

func operatingCases() []testCase {
	operate := []cloud.Capability{cloud.Operating}
	return []testCase{
		{"StoppedAndStartedTwice", operate, stoppedAndStartedTwice},
		{"StartedWhileStopping", operate, startedWhileStopping},
		{"InstanceDeletedTwice", operate, instanceDeletedTwice},
		{"InstanceDeletedWhenStopped", operate, instanceDeletedWhenStopped},
		{"ThrowawayLeavesNothing", []cloud.Capability{cloud.Operating, cloud.Launching, cloud.ImageMaking}, throwawayLeavesNothing},
	}
}

// wantPower settles the instance and checks what it does then.
func (e *exam) wantPower(t *testing.T, ref cloud.Ref, want cloud.Power) cloud.Instance {
	t.Helper()
	e.Settle(t, ref)
	got, ok := e.instance(t, ref.ID)
	if !ok || got.Power != want {
		t.Fatalf("%s after Settle: got %v (found %v), want %v", ref, got.Power, ok, want)
	}
	return got
}

func (e *exam) turn(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: got %v, want no error", what, err)
	}
}

// stoppedAndStartedTwice: repeating at any time is no error, and nothing of the instance is lost.
func stoppedAndStartedTwice(t *testing.T, e *exam) {
	source := e.Launch(t, e.name("web"), 1, cloud.TagsOf(map[string]string{"keep": "me"}))
	ctx, ref := t.Context(), source.Ref
	e.turn(t, "StartInstance of one that runs", e.c.StartInstance(ctx, ref))
	for range 2 {
		e.turn(t, "StopInstance", e.c.StopInstance(ctx, ref))
		if got, _ := e.instance(t, ref.ID); got.Power != cloud.PowerStopping && (e.Slow || got.Power != cloud.PowerStopped) {
			t.Errorf("instance that was told to stop is %v, want stopping", got.Power)
		}
	}
	for range 2 {
		got := e.wantPower(t, ref, cloud.PowerStopped)
		if len(got.Disks) != len(source.Disks) || !got.Tags.Equal(source.Tags) || !got.CreatedAt.Equal(source.CreatedAt) {
			t.Errorf("stopped instance = %+v, want the disks, the tags and the age of %+v", got, source)
		}
		e.turn(t, "StopInstance of one that is stopped", e.c.StopInstance(ctx, ref))
	}
	for range 2 {
		e.turn(t, "StartInstance", e.c.StartInstance(ctx, ref))
		if got, _ := e.instance(t, ref.ID); got.Power != cloud.PowerStarting && (e.Slow || got.Power != cloud.PowerRunning) {
			t.Errorf("instance that was told to start is %v, want starting", got.Power)
		}
	}
	got := e.wantPower(t, ref, cloud.PowerRunning)
	if len(got.Disks) != len(source.Disks) || !got.Tags.Equal(source.Tags) {
		t.Errorf("started instance = %+v, want the disks and the tags of %+v", got, source)
	}
}

// startedWhileStopping: on its way one way it is not sent the other.
func startedWhileStopping(t *testing.T, e *exam) {
	if !e.Slow {
		t.Skip("Subject.Slow is false: it may have stopped by then")
	}
	ref := e.Launch(t, e.name("web"), 0, nil).Ref
	e.turn(t, "StopInstance", e.c.StopInstance(t.Context(), ref))
	e.wantClass(t, "instance.start", ref, cloud.ErrConflict, e.c.StartInstance(t.Context(), ref))
	e.wantPower(t, ref, cloud.PowerStopped)
	e.turn(t, "StartInstance", e.c.StartInstance(t.Context(), ref))
	want := cloud.PowerStopped
	if err := e.c.StopInstance(t.Context(), ref); err != nil { // a cloud may stop what is just starting, or refuse it
		e.wantClass(t, "instance.stop", ref, cloud.ErrConflict, err)
		want = cloud.PowerRunning
	}
	e.wantPower(t, ref, want)
}

// gone checks that the instance has ended, or ends.
func (e *exam) gone(t *testing.T, ref cloud.Ref) {
	t.Helper()
	e.Settle(t, ref)
	if got, ok := e.instance(t, ref.ID); ok && got.Power != cloud.PowerGone {
		t.Errorf("%s after its deletion is %v, want it gone", ref, got.Power)
	}
	for range 2 {
		err := e.c.DeleteInstance(t.Context(), ref)
		for range 8 { // a cloud that is still at it may leave it out of listings, and take a deletion once more
			if _, listed := e.instance(t, ref.ID); err != nil || listed {
				break
			}
			time.Sleep(250 * time.Millisecond)
			err = e.c.DeleteInstance(t.Context(), ref)
		}
		if err != nil {
			e.wantClass(t, "instance.delete", ref, cloud.ErrNotFound, err)
		} else if _, ok := e.instance(t, ref.ID); !ok {
			t.Errorf("DeleteInstance(%s) of one that no listing knows: got no error, want ErrNotFound", ref)
		}
	}
}

// instanceDeletedTwice: it ends, with its root disk, and asking again does no harm.
func instanceDeletedTwice(t *testing.T, e *exam) {
	source, other := e.Launch(t, e.name("web"), 0, nil), e.Launch(t, e.name("other"), 0, nil)
	ref := source.Ref
	e.turn(t, "DeleteInstance", e.c.DeleteInstance(t.Context(), ref))
	if got, ok := e.instance(t, ref.ID); ok && e.Slow && got.Power == cloud.PowerRunning {
		t.Errorf("instance that was deleted is %v, want stopping or gone", got.Power)
	}
	if err := e.c.DeleteInstance(t.Context(), ref); err != nil {
		e.wantClass(t, "instance.delete", ref, cloud.ErrNotFound, err)
	}
	e.gone(t, ref)
	for _, a := range source.Disks {
		if d, ok := e.disk(t, a.Disk); ok && d.State != cloud.StateRetired {
			t.Errorf("root disk %s of what was deleted is %+v, want it gone", a.Disk, d)
		}
	}
	for what, call := range map[string]func() error{
		"instance.start": func() error { return e.c.StartInstance(t.Context(), ref) },
		"instance.stop":  func() error { return e.c.StopInstance(t.Context(), ref) },
	} {
		err := call()
		e.wantError(t, what, ref, err)
		if class := cloud.ClassOf(err); class != cloud.ErrNotFound && class != cloud.ErrConflict {
			t.Errorf("%s of what was deleted: got class %v (%v), want not found or conflict", what, class, err)
		}
	}
	if got, ok := e.instance(t, other.Ref.ID); !ok || got.Power != cloud.PowerRunning {
		t.Errorf("the other instance: got %v (found %v), want it running", got.Power, ok)
	}
}

func instanceDeletedWhenStopped(t *testing.T, e *exam) {
	ref := e.Launch(t, e.name("web"), 0, nil).Ref
	e.turn(t, "StopInstance", e.c.StopInstance(t.Context(), ref))
	e.wantPower(t, ref, cloud.PowerStopped)
	e.turn(t, "DeleteInstance", e.c.DeleteInstance(t.Context(), ref))
	e.gone(t, ref)
}

// throwawayLeavesNothing: also those disks go whose like on the source would stay.
func throwawayLeavesNothing(t *testing.T, e *exam) {
	source := e.Launch(t, e.name("source"), 2, nil)
	img := e.ready(t, e.makeImage(t, source.Ref.ID, "a"))
	req := e.newInstance(img.Ref.ID, "b")
	req.Throwaway = true
	made, err := e.c.RunInstance(t.Context(), req)
	if err != nil {
		t.Fatalf("RunInstance(%s): got %v, want no error", img.Ref, err)
	}
	e.dispose(t, made.Ref)
	got := e.wantPower(t, made.Ref, cloud.PowerRunning)
	if e.c.Traits().ImageHasDisks && len(got.Disks) != len(source.Disks) {
		t.Errorf("instance made from %s has disks %+v, want as many as %+v", img.Ref, got.Disks, source.Disks)
	}
	e.turn(t, "DeleteInstance", e.c.DeleteInstance(t.Context(), made.Ref))
	e.gone(t, made.Ref)
	for _, a := range got.Disks {
		if d, ok := e.disk(t, a.Disk); ok && d.State != cloud.StateRetired {
			t.Errorf("disk %s of what was thrown away is %+v, want it gone", a.Disk, d)
		}
	}
	if _, ok := e.instance(t, source.Ref.ID); !ok {
		t.Errorf("the source %s is gone as well, want it there", source.Ref)
	}
}
