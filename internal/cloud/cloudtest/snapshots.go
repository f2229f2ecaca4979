package cloudtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func snapshotCases() []testCase {
	snaps := []cloud.Capability{cloud.Snapshots}
	return []testCase{
		{"SnapshotBecomesReady", snaps, snapshotBecomesReady},
		{"SnapshotKeepsEveryTag", snaps, snapshotKeepsEveryTag},
		{"SnapshotTokenThrice", snaps, snapshotTokenThrice},
		{"SnapshotFoundByAction", snaps, snapshotFoundByAction},
		{"SnapshotDeletedTwice", snaps, snapshotDeletedTwice},
		{"SnapshotLocked", snaps, snapshotLocked},
		{"SnapshotOfUnknownDisk", snaps, snapshotOfUnknownDisk},
	}
}

func setCases() []testCase {
	sets := []cloud.Capability{cloud.SnapshotSets}
	return []testCase{
		{"SetCoversAllDisks", sets, setCoversAllDisks},
		{"SetTokenThrice", sets, setTokenThrice},
		{"SetOfUnknownInstance", sets, setOfUnknownInstance},
	}
}

// snapshotBecomesReady: never good before it is complete, and never worse afterwards.
func snapshotBecomesReady(t *testing.T, e *exam) {
	disk := e.firstDisk(t)
	d, _ := e.disk(t, disk)
	made := e.makeSnapshot(t, disk, "a")
	if made.Ref.ID == "" || made.Ref != e.ref(cloud.KindSnapshot, made.Ref.ID) {
		t.Fatalf("CreateSnapshot: ref = %v, want a snapshot in %s/%s", made.Ref, e.Account, e.Region)
	}
	e.checkFresh(t, made.Ref, made.State)
	listed, ok := e.snapshot(t, made.Ref.ID)
	if !ok {
		t.Fatalf("listing %s right after CreateSnapshot: got nothing, want it", made.Ref)
	}
	e.checkFresh(t, made.Ref, listed.State)
	e.Settle(t, made.Ref)
	for range 2 {
		got, ok := e.snapshot(t, made.Ref.ID)
		if !ok || got.State != cloud.StateReady || got.Ref != made.Ref || got.Disk != disk || got.Size != d.Size || got.Locked || got.Managed != "" {
			t.Errorf("snapshot after Settle = %+v (found %v), want it ready, of disk %s, %d bytes, free to delete", got, ok, disk, d.Size)
		}
		if got.CreatedAt.IsZero() || got.CreatedAt.Location().String() != "UTC" {
			t.Errorf("snapshot CreatedAt = %v, want an instant in UTC", got.CreatedAt)
		}
		if got.Name != e.name("a") && got.Tags.Value("Name") != e.name("a") {
			t.Errorf("snapshot name = %q, tags %v; want %q in either", got.Name, got.Tags, e.name("a"))
		}
	}
}

// checkFresh judges the state of what was just created.
func (e *exam) checkFresh(t *testing.T, ref cloud.Ref, got cloud.State) {
	t.Helper()
	if got == cloud.StateReady && e.Slow {
		t.Errorf("%s right after its creation is ready, want working: it cannot be complete yet", ref)
	}
	if got != cloud.StateReady && got != cloud.StateWorking {
		t.Errorf("%s right after its creation is %v, want working", ref, got)
	}
}

// hardTags are as many and as strange as every cloud must take: the traits bound them.
func (e *exam) hardTags(action string) cloud.Tags {
	tr := e.c.Traits()
	tags := e.stint(action).
		With("team/ops: a.b_c-d=1+2@example.com", "x").
		With("empty", "").
		With("Größe 大小", "naïve café, 東京 — ok").
		With("long", strings.Repeat("0123456789", 12)).
		With("case", "lower").With("CaseOfKey", "Upper").
		With(strings.Repeat("k", 60), "key of sixty characters")
	for n := 0; len(tags) < min(tr.MaxTags, 20); n++ { // twenty is what the poorest cloud has room for
		tags = tags.With(fmt.Sprintf("many-%02d", n), fmt.Sprintf("value %d", n))
	}
	return tags
}

// snapshotKeepsEveryTag: each is on it from the creating call on, letter for letter.
func snapshotKeepsEveryTag(t *testing.T, e *exam) {
	want := e.hardTags("a")
	got, err := e.c.CreateSnapshot(t.Context(), cloud.NewSnapshot{Region: e.Region, Disk: e.firstDisk(t), Name: e.name("a"), Tags: want, Token: e.token("a")})
	if err != nil {
		t.Fatalf("CreateSnapshot with %d tags: got %v, want no error", len(want), err)
	}
	e.cleanSnapshot(t, got.Ref)
	listed, _ := e.snapshot(t, got.Ref.ID)
	checkTags(t, "right after CreateSnapshot", listed.Tags, want)
	checkTags(t, "in the answer of CreateSnapshot", got.Tags, want)
	e.Settle(t, got.Ref)
	listed, _ = e.snapshot(t, got.Ref.ID)
	checkTags(t, "once the snapshot is ready", listed.Tags, want)
}

// checkTags allows for further tags, such as a Name that a cloud keeps as one.
func checkTags(t *testing.T, when string, got, want cloud.Tags) {
	t.Helper()
	for _, w := range want {
		if v, ok := got.Find(w.Key); !ok || v != w.Value {
			t.Errorf("%s: tag %q = %q (found %v), want %q", when, w.Key, v, ok, w.Value)
		}
	}
	if !slices.IsSortedFunc(got, func(a, b cloud.Tag) int { return strings.Compare(a.Key, b.Key) }) {
		t.Errorf("%s: tags %v are not sorted by key", when, got)
	}
}

// snapshotTokenThrice: where the cloud takes tokens, the same request is the same snapshot; another token is another.
func snapshotTokenThrice(t *testing.T, e *exam) {
	if !e.c.Traits().CreateTokens {
		t.Skip("the cloud's creates take no token")
	}
	disk := e.firstDisk(t)
	first := e.makeSnapshot(t, disk, "a")
	for range 2 {
		if again := e.makeSnapshot(t, disk, "a"); again.Ref != first.Ref {
			t.Errorf("CreateSnapshot with the same token: got %v, want %v as before", again.Ref, first.Ref)
		}
	}
	if other := e.makeSnapshot(t, disk, "b"); other.Ref == first.Ref {
		t.Errorf("CreateSnapshot with another token: got %v as before, want another", other.Ref)
	}
}

// snapshotFoundByAction: what a create whose answer was lost has made is found by its action's tag.
func snapshotFoundByAction(t *testing.T, e *exam) {
	disk := e.firstDisk(t)
	made, _ := e.makeSnapshot(t, disk, "a"), e.makeSnapshot(t, disk, "b")
	q := cloud.Query{Region: e.Region, Tags: cloud.Tags{{Key: cloud.TagAction, Value: "a" + e.nonce}}}
	if got := e.refs(t, t.Context(), cloud.KindSnapshot, q); !slices.Equal(got, []cloud.Ref{made.Ref}) {
		t.Errorf("listing snapshots by %v: got %v, want %v", q.Tags, got, made.Ref)
	}
}

// snapshotDeletedTwice: gone after the first time, ErrNotFound and nothing else from then on.
func snapshotDeletedTwice(t *testing.T, e *exam) {
	disk := e.firstDisk(t)
	snap, other := e.makeSnapshot(t, disk, "a"), e.makeSnapshot(t, disk, "b")
	e.Settle(t, snap.Ref)
	e.Settle(t, other.Ref)
	if err := e.c.DeleteSnapshot(t.Context(), snap.Ref); err != nil {
		t.Fatalf("DeleteSnapshot(%s): got %v, want no error", snap.Ref, err)
	}
	e.Settle(t, snap.Ref)
	if got, ok := e.snapshot(t, snap.Ref.ID); ok {
		t.Errorf("listing %s after its deletion: got %+v, want nothing", snap.Ref, got)
	}
	for range 2 {
		e.wantClass(t, "snapshot.delete", snap.Ref, cloud.ErrNotFound, e.c.DeleteSnapshot(t.Context(), snap.Ref))
	}
	if got, ok := e.snapshot(t, other.Ref.ID); !ok || got.State != cloud.StateReady {
		t.Errorf("the other snapshot of the disk afterwards: got %v (found %v), want it ready", got.State, ok)
	}
}

// snapshotLocked: seen as locked, refused as such, and still there.
func snapshotLocked(t *testing.T, e *exam) {
	if e.Lock == nil {
		t.Skip("Subject.Lock is nil: the cloud has no locks")
	}
	snap := e.makeSnapshot(t, e.firstDisk(t), "a")
	e.Settle(t, snap.Ref)
	e.Lock(t, snap.Ref)
	got, ok := e.snapshot(t, snap.Ref.ID)
	if !ok {
		t.Fatalf("listing locked %s: got nothing, want it", snap.Ref)
	}
	if !got.Locked {
		t.Skip("Subject.Lock does not lock snapshots")
	}
	e.wantRefused(t, "snapshot.delete", snap.Ref, e.c.DeleteSnapshot(t.Context(), snap.Ref))
	if _, ok := e.snapshot(t, snap.Ref.ID); !ok {
		t.Errorf("listing %s after a refused deletion: got nothing, want it", snap.Ref)
	}
}

// wantRefused allows for the classes by which clouds refuse to delete what is locked.
func (e *exam) wantRefused(t *testing.T, op string, ref cloud.Ref, err error) {
	t.Helper()
	e.wantError(t, op, ref, err)
	if c := cloud.ClassOf(err); c != cloud.ErrDenied && c != cloud.ErrInUse && c != cloud.ErrConflict {
		t.Errorf("%s of locked %s: got class %v (%v), want denied, in use or conflict", op, ref, c, err)
	}
}

func snapshotOfUnknownDisk(t *testing.T, e *exam) {
	ref := e.unknown(cloud.KindDisk)
	_, err := e.c.CreateSnapshot(t.Context(), cloud.NewSnapshot{Region: e.Region, Disk: ref.ID, Name: e.name("a"), Tags: e.stint("a"), Token: e.token("a")})
	e.wantClass(t, "snapshot.create", ref, cloud.ErrNotFound, err)
}

// setCoversAllDisks: one of each disk, root first, with the tags on every one.
func setCoversAllDisks(t *testing.T, e *exam) {
	source := e.Launch(t, e.name("source"), 2, nil)
	want := e.hardTags("a")
	req := newSet(e, source, "a")
	req.Tags = want
	made, err := e.c.CreateSnapshotSet(t.Context(), req)
	if err != nil {
		t.Fatalf("CreateSnapshotSet(%s): got %v, want no error", source.Ref, err)
	}
	var disks []string
	for _, s := range made {
		disks = append(disks, s.Disk)
		if slices.Contains(e.c.Capabilities(), cloud.Snapshots) {
			e.cleanSnapshot(t, s.Ref)
		}
		e.checkFresh(t, s.Ref, s.State)
		checkTags(t, "in the answer of CreateSnapshotSet", s.Tags, want)
		listed, ok := e.snapshot(t, s.Ref.ID)
		if !ok || listed.Disk != s.Disk {
			t.Errorf("listing member %s: got disk %q (found %v), want %s", s.Ref, listed.Disk, ok, s.Disk)
		}
		checkTags(t, "right after CreateSnapshotSet", listed.Tags, want)
	}
	if !slices.Equal(disks, req.Disks) {
		t.Errorf("CreateSnapshotSet: snapshots of disks %v, want %v in device order", disks, req.Disks)
	}
	for _, s := range made {
		e.Settle(t, s.Ref)
		if got, ok := e.snapshot(t, s.Ref.ID); !ok || got.State != cloud.StateReady {
			t.Errorf("member %s after Settle: got %v (found %v), want ready", s.Ref, got.State, ok)
		}
	}
}

func newSet(e *exam, source cloud.Instance, action string) cloud.NewSnapshotSet {
	req := cloud.NewSnapshotSet{
		Region: e.Region, Instance: source.Ref.ID, Name: e.name(action), Description: "made by the exam", Tags: e.stint(action), Token: e.token(action),
	}
	for _, a := range source.Disks {
		req.Disks = append(req.Disks, a.Disk)
	}
	return req
}

func setTokenThrice(t *testing.T, e *exam) {
	if !e.c.Traits().CreateTokens {
		t.Skip("the cloud's creates take no token")
	}
	source := e.Launch(t, e.name("source"), 1, nil)
	var first []cloud.Ref
	for n := range 3 {
		made, err := e.c.CreateSnapshotSet(t.Context(), newSet(e, source, "a"))
		if err != nil {
			t.Fatalf("CreateSnapshotSet, %d. time: got %v, want no error", n+1, err)
		}
		var refs []cloud.Ref
		for _, s := range made {
			refs = append(refs, s.Ref)
			if n == 0 && slices.Contains(e.c.Capabilities(), cloud.Snapshots) {
				e.cleanSnapshot(t, s.Ref)
			}
		}
		if n == 0 {
			first = refs
		} else if !slices.Equal(refs, first) {
			t.Errorf("CreateSnapshotSet with the same token, %d. time: got %v, want %v as before", n+1, refs, first)
		}
	}
}

func setOfUnknownInstance(t *testing.T, e *exam) {
	ref := e.unknown(cloud.KindInstance)
	_, err := e.c.CreateSnapshotSet(t.Context(), newSet(e, cloud.Instance{Ref: ref, Disks: []cloud.Attachment{{Disk: e.Unknown(cloud.KindDisk, 1)}}}, "a"))
	e.wantClass(t, "snapshotset.create", ref, cloud.ErrNotFound, err)
}

// wantClass checks that the error is of the class, about the right thing, and in the right form.
func (e *exam) wantClass(t *testing.T, op string, ref cloud.Ref, class, err error) {
	t.Helper()
	e.wantError(t, op, ref, err)
	if got := cloud.ClassOf(err); got != class {
		t.Errorf("%s of %s: got class %v (%v), want %v", op, ref, got, err, class)
	}
}

// wantError checks the form alone: an *Error of the operation and the thing, with the cloud's own word.
func (e *exam) wantError(t *testing.T, op string, ref cloud.Ref, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s of %s: got no error, want one", op, ref)
	}
	ce, ok := errors.AsType[*cloud.Error](err)
	if !ok {
		t.Fatalf("%s of %s: got %T %v, want a *cloud.Error", op, ref, err, err)
	}
	if ce.Op != op {
		t.Errorf("%s of %s: got Op %q, want %q", op, ref, ce.Op, op)
	}
	if ce.Ref != ref {
		t.Errorf("%s of %s: got Ref %s, want %s", op, ref, ce.Ref, ref)
	}
	if ce.Code == "" {
		t.Errorf("%s of %s: got %v without a Code, want the cloud's own word", op, ref, err)
	}
}
