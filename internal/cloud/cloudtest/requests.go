package cloudtest

import (
	"context"
	"errors"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func requestCases() []testCase {
	return []testCase{
		{"RequestIDsOfSnapshots", []cloud.Capability{cloud.Snapshots}, requestIDsOfSnapshots},
		{"RequestIDsOfTags", []cloud.Capability{cloud.Snapshots, cloud.Tagging}, requestIDsOfTags},
	}
}

// noted makes a call and gives the request's id that was noted, which must be new.
func (e *exam) noted(t *testing.T, seen map[string]bool, what string, call func(ctx context.Context) error) (string, error) {
	t.Helper()
	ctx, id := cloud.WatchRequest(t.Context())
	err := call(ctx)
	if got := id.Get(); got == "" || seen[got] {
		t.Errorf("request id of %s: got %q (and earlier %v), want one of its own", what, got, seen)
	}
	seen[id.Get()] = true
	return id.Get(), err
}

// requestIDsOfSnapshots: a create, a delete, and a delete that fails each note an id, and an error has the same.
func requestIDsOfSnapshots(t *testing.T, e *exam) {
	if !e.RequestIDs {
		t.Skip("Subject.RequestIDs is false: the cloud does not number its requests")
	}
	seen := map[string]bool{}
	disk := e.firstDisk(t)
	var made cloud.Snapshot
	_, err := e.noted(t, seen, "CreateSnapshot", func(ctx context.Context) (err error) {
		made, err = e.c.CreateSnapshot(ctx, cloud.NewSnapshot{Region: e.Region, Disk: disk, Name: e.name("a"), Tags: e.stint("a"), Token: e.token("a")})
		return err
	})
	if err != nil {
		t.Fatalf("CreateSnapshot(%s): got %v, want no error", disk, err)
	}
	e.cleanSnapshot(t, made.Ref)
	e.Settle(t, made.Ref)
	remove := func(ctx context.Context) error { return e.c.DeleteSnapshot(ctx, made.Ref) }
	if _, err := e.noted(t, seen, "DeleteSnapshot", remove); err != nil {
		t.Fatalf("DeleteSnapshot(%s): got %v, want no error", made.Ref, err)
	}
	e.Settle(t, made.Ref)
	id, err := e.noted(t, seen, "DeleteSnapshot of what is gone", remove)
	if ce, ok := errors.AsType[*cloud.Error](err); !ok || ce.RequestID != id {
		t.Errorf("DeleteSnapshot(%s) again: got %#v, want an error with the request id %q that was noted", made.Ref, err, id)
	}
}

// requestIDsOfTags: what may take several requests notes an id too.
func requestIDsOfTags(t *testing.T, e *exam) {
	if !e.RequestIDs {
		t.Skip("Subject.RequestIDs is false: the cloud does not number its requests")
	}
	seen := map[string]bool{}
	snap := e.makeSnapshot(t, e.firstDisk(t), "a")
	e.Settle(t, snap.Ref)
	if _, err := e.noted(t, seen, "SetTags", func(ctx context.Context) error { return e.c.SetTags(ctx, snap.Ref, cloud.Tags{{Key: "a", Value: "b"}}) }); err != nil {
		t.Errorf("SetTags(%s): got %v, want no error", snap.Ref, err)
	}
	if _, err := e.noted(t, seen, "RemoveTags", func(ctx context.Context) error { return e.c.RemoveTags(ctx, snap.Ref, []string{"a"}) }); err != nil {
		t.Errorf("RemoveTags(%s): got %v, want no error", snap.Ref, err)
	}
}
