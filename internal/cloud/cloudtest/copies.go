package cloudtest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

func copyCases() []testCase {
	images := []cloud.Capability{cloud.ImageCopies, cloud.ImageMaking}
	snaps := []cloud.Capability{cloud.SnapshotCopies, cloud.Snapshots}
	var out []testCase
	for _, c := range []struct {
		name string
		run  func(t *testing.T, e *exam, kind cloud.Kind)
	}{
		{"CopyArrives", copyArrives},
		{"CopyOfCopy", copyOfCopy},
		{"CopyOfUnfinished", copyOfUnfinished},
		{"CopyTokenThrice", copyTokenThrice},
		{"CopyWhoseAnswerIsLost", copyWhoseAnswerIsLost},
		{"CopyWithKey", copyWithKey},
		{"CopiesAtOnce", copiesAtOnce},
	} {
		out = append(
			out,
			testCase{c.name + "/image", images, func(t *testing.T, e *exam) { c.run(t, e.far(t), cloud.KindImage) }},
			testCase{c.name + "/snapshot", snaps, func(t *testing.T, e *exam) { c.run(t, e.far(t), cloud.KindSnapshot) }},
		)
	}
	return append(out, testCase{"ImageCopyStandsAlone", images, func(t *testing.T, e *exam) { imageCopyStandsAlone(t, e.far(t)) }})
}

// far skips a case that needs a second region.
func (e *exam) far(t *testing.T) *exam {
	t.Helper()
	if e.Elsewhere == "" {
		t.Skip("Subject.Elsewhere is empty: there is no second region to copy to")
	}
	return e
}

// in is the exam's view of another region, and by its client of the account.
func (e *exam) in(account, region string, c *cloud.Client) *exam {
	other := *e
	other.Account, other.Region, other.c = account, region, c
	return &other
}

// elsewhere is the view of the region that copies are made into.
func (e *exam) elsewhere() *exam { return e.in(e.Account, e.Elsewhere, e.c) }

// kept is an image or a snapshot, as far as copies of both are judged alike.
type kept struct {
	ref       cloud.Ref
	name      string
	state     cloud.State
	disk      string
	snapshots []string
	encrypted bool
	tags      cloud.Tags
	madeAt    time.Time
}

func ofImage(v cloud.Image) kept {
	return kept{ref: v.Ref, name: v.Name, state: v.State, snapshots: v.Snapshots, tags: v.Tags, madeAt: v.CreatedAt}
}

func ofSnapshot(v cloud.Snapshot) kept {
	return kept{ref: v.Ref, name: v.Name, state: v.State, disk: v.Disk, encrypted: v.Encrypted, tags: v.Tags, madeAt: v.CreatedAt}
}

// look finds an image or a snapshot where e looks.
func (e *exam) look(t *testing.T, ref cloud.Ref) (kept, bool) {
	t.Helper()
	if ref.Kind == cloud.KindImage {
		v, ok := e.image(t, ref.ID)
		return ofImage(v), ok
	}
	v, ok := e.snapshot(t, ref.ID)
	return ofSnapshot(v), ok
}

// fresh is an image or a snapshot that was just begun.
func (e *exam) fresh(t *testing.T, kind cloud.Kind, action string) kept {
	t.Helper()
	if kind == cloud.KindImage {
		return ofImage(e.makeImage(t, e.Launch(t, e.name("source"), 1, nil).Ref.ID, action))
	}
	return ofSnapshot(e.makeSnapshot(t, e.firstDisk(t), action))
}

// source is an image or a snapshot that is ready to be copied, with a tag that no copy is given.
func (e *exam) source(t *testing.T, kind cloud.Kind) kept {
	t.Helper()
	made := e.fresh(t, kind, "a")
	e.Settle(t, made.ref)
	if slices.Contains(e.c.Capabilities(), cloud.Tagging) {
		if err := e.c.SetTags(t.Context(), made.ref, cloud.Tags{{Key: "only-here", Value: "yes"}}); err != nil {
			t.Fatalf("SetTags(%s): got %v, want no error", made.ref, err)
		}
	}
	got, ok := e.look(t, made.ref)
	if !ok || got.state != cloud.StateReady {
		t.Fatalf("%s after Settle: got %v (found %v), want ready", made.ref, got.state, ok)
	}
	return got
}

func (e *exam) newCopy(from cloud.Ref, action string) cloud.NewCopy {
	return cloud.NewCopy{
		From: from, Region: e.Region, Name: e.name(action), Description: "made by the exam", Tags: e.stint(action), Token: e.token(action),
	}
}

// try asks for a copy into e, which is cleaned up at the end when it was made.
func (e *exam) try(t *testing.T, req cloud.NewCopy) (kept, error) {
	t.Helper()
	if req.From.Kind == cloud.KindImage {
		v, err := e.c.CopyImage(t.Context(), req)
		if err == nil {
			e.cleanImage(t, v.Ref)
		}
		return ofImage(v), err
	}
	v, err := e.c.CopySnapshot(t.Context(), req)
	if err == nil {
		e.cleanSnapshot(t, v.Ref)
	}
	return ofSnapshot(v), err
}

// copied is a copy that must be begun.
func (e *exam) copied(t *testing.T, req cloud.NewCopy) kept {
	t.Helper()
	got, err := e.try(t, req)
	if err != nil {
		t.Fatalf("copying %s to %s: got %v, want no error", req.From, req.Region, err)
	}
	if got.ref.ID == "" || got.ref == req.From || got.ref != e.ref(req.From.Kind, got.ref.ID) {
		t.Fatalf("copying %s: ref = %v, want another in %s/%s", req.From, got.ref, e.Account, e.Region)
	}
	return got
}

// arrived settles a copy and gives it as it is listed then.
func (e *exam) arrived(t *testing.T, made kept) kept {
	t.Helper()
	e.Settle(t, made.ref)
	got, ok := e.look(t, made.ref)
	if !ok || got.state != cloud.StateReady {
		t.Fatalf("copy %s after Settle: got %v (found %v), want ready", made.ref, got.state, ok)
	}
	return got
}

// copyArrives: complete in the other region, with its own tags, or without any where the traits say so, and never with
// those of its source.
func copyArrives(t *testing.T, e *exam, kind cloud.Kind) {
	src, there := e.source(t, kind), e.elsewhere()
	traits := e.c.Traits().Copies(kind)
	req := there.newCopy(src.ref, "b")
	req.Tags = there.hardTags("b")
	made := there.copied(t, req)
	there.checkFresh(t, made.ref, made.state)
	if made.disk != "" {
		t.Errorf("the answer about a copy names disk %q, want none: what it is a copy of is known by its tags", made.disk)
	}
	listed, ok := there.look(t, made.ref)
	if !ok {
		t.Fatalf("listing copy %s right after it was begun: got nothing, want it", made.ref)
	}
	there.checkFresh(t, made.ref, listed.state)
	got := there.arrived(t, made)
	for when, tags := range map[string]cloud.Tags{"in the answer about the copy": made.tags, "right after the copy was begun": listed.tags, "once the copy is ready": got.tags} {
		if traits.Tags {
			checkTags(t, when, tags, req.Tags)
		} else if tags.Has(cloud.TagAction) {
			t.Errorf("%s: tags are %v though CopyTraits.Tags is false, want none", when, tags)
		}
		if tags.Has("only-here") {
			t.Errorf("%s: tags are %v, want none of the source's", when, tags)
		}
	}
	if got.name != req.Name && got.tags.Value("Name") != req.Name && traits.Tags {
		t.Errorf("copy %s: name %q and tags %v, want %q in either", got.ref, got.name, got.tags, req.Name)
	}
	if kind == cloud.KindImage && got.name != req.Name {
		t.Errorf("copy %s: name %q, want %q", got.ref, got.name, req.Name)
	}
	if got.madeAt.IsZero() || got.madeAt.Location().String() != "UTC" {
		t.Errorf("copy %s: CreatedAt = %v, want when it was begun, in UTC", got.ref, got.madeAt)
	}
	if again, ok := e.look(t, src.ref); !ok || again.state != cloud.StateReady || !again.tags.Equal(src.tags) {
		t.Errorf("the source afterwards: %+v (found %v), want it as it was", again, ok)
	}
	if slices.Contains(e.c.Capabilities(), cloud.Tagging) {
		if err := e.c.SetTags(t.Context(), got.ref, there.stint("c")); err != nil {
			t.Fatalf("SetTags(%s): got %v, want no error", got.ref, err)
		}
		q := cloud.Query{Region: there.Region, Tags: cloud.Tags{{Key: cloud.TagAction, Value: "c" + e.nonce}}}
		if refs := there.refs(t, t.Context(), kind, q); !slices.Equal(refs, []cloud.Ref{got.ref}) {
			t.Errorf("listing by the tags that a copy was given later: got %v, want %s", refs, got.ref)
		}
	}
}

// imageCopyStandsAlone: on snapshots of its own, which outlive it, and it outlives its source.
func imageCopyStandsAlone(t *testing.T, e *exam) {
	if !e.ImagesStand {
		t.Skip("Subject.ImagesStand is false: images stand on nothing that is listed")
	}
	src, there := e.source(t, cloud.KindImage), e.elsewhere()
	req := there.newCopy(src.ref, "b")
	got := there.arrived(t, there.copied(t, req))
	if len(got.snapshots) != len(src.snapshots) {
		t.Errorf("copy %s stands on %v, want as many as the source's %v", got.ref, got.snapshots, src.snapshots)
	}
	for _, id := range got.snapshots {
		s, ok := there.snapshot(t, id)
		if !ok || s.State != cloud.StateReady || slices.Contains(src.snapshots, id) {
			t.Errorf("snapshot %s under a ready copy: got %v (found %v), want one of its own, ready", id, s.State, ok)
		}
		if e.ImageTagsSnapshots && e.c.Traits().ImageCopies.Tags {
			checkTags(t, "on snapshot "+id+" under the copy", s.Tags, req.Tags)
		}
	}
	if err := e.c.DeleteImage(t.Context(), src.ref); err != nil {
		t.Fatalf("DeleteImage(%s), the source: got %v, want no error", src.ref, err)
	}
	e.Settle(t, src.ref)
	if again := there.arrived(t, got); !slices.Equal(again.snapshots, got.snapshots) {
		t.Errorf("the copy without its source stands on %v, want %v as before", again.snapshots, got.snapshots)
	}
	if err := e.c.DeleteImage(t.Context(), got.ref); err != nil {
		t.Fatalf("DeleteImage(%s), the copy: got %v, want no error", got.ref, err)
	}
	e.Settle(t, got.ref)
	for _, id := range got.snapshots {
		if _, ok := there.snapshot(t, id); !ok {
			t.Errorf("snapshot %s after the deletion of the copy: got nothing, want it, which is the caller's to delete", id)
		}
		if slices.Contains(e.c.Capabilities(), cloud.Snapshots) {
			there.cleanSnapshot(t, there.ref(cloud.KindSnapshot, id))
		}
	}
}

// copyOfCopy: a copy is as good a source as any.
func copyOfCopy(t *testing.T, e *exam, kind cloud.Kind) {
	there := e.elsewhere()
	first := there.arrived(t, there.copied(t, there.newCopy(e.source(t, kind).ref, "b")))
	e.arrived(t, e.copied(t, e.newCopy(first.ref, "c")))
}

// copyOfUnfinished: refused, and nothing is made.
func copyOfUnfinished(t *testing.T, e *exam, kind cloud.Kind) {
	if !e.Slow {
		t.Skip("Subject.Slow is false: what is made may be ready by the time it is copied")
	}
	src, there := e.fresh(t, kind, "a"), e.elsewhere()
	before := there.refs(t, t.Context(), kind, there.query())
	req := there.newCopy(src.ref, "b")
	_, err := there.try(t, req)
	e.wantClass(t, kind.String()+".copy", src.ref, cloud.ErrConflict, err)
	if after := there.refs(t, t.Context(), kind, there.query()); !slices.Equal(after, before) {
		t.Errorf("%ss in %s after a copy that was refused: %v, want %v as before", kind, there.Region, after, before)
	}
	e.Settle(t, src.ref)
	there.copied(t, req)
}

func copyTokenThrice(t *testing.T, e *exam, kind cloud.Kind) {
	if !e.c.Traits().Copies(kind).Tokens {
		t.Skip("copies take no token")
	}
	src, there := e.source(t, kind), e.elsewhere()
	first := there.copied(t, there.newCopy(src.ref, "b"))
	for range 2 {
		if again := there.copied(t, there.newCopy(src.ref, "b")); again.ref != first.ref {
			t.Errorf("a copy with the same token: got %v, want %v as before", again.ref, first.ref)
		}
	}
	if other := there.copied(t, there.newCopy(src.ref, "c")); other.ref == first.ref {
		t.Errorf("a copy with another token: got %v as before, want another", other.ref)
	}
}

// copyWhoseAnswerIsLost: it is there once, and is found by its action's tag, or where copies have none by its name.
func copyWhoseAnswerIsLost(t *testing.T, e *exam, kind cloud.Kind) {
	e.needProvoke(t)
	src, there := e.source(t, kind), e.elsewhere()
	req := there.newCopy(src.ref, "b")
	op := kind.String() + ".copy"
	e.Provoke(t, op, cloud.ErrTransient, true)
	_, err := there.try(t, req)
	e.wantLost(t, op, src.ref, err)
	var found []cloud.Ref
	q := cloud.Query{Region: there.Region}
	if e.c.Traits().Copies(kind).Tags {
		q.Tags = cloud.Tags{{Key: cloud.TagAction, Value: "b" + e.nonce}}
	}
	for _, ref := range there.refs(t, t.Context(), kind, q) {
		if got, _ := there.look(t, ref); q.Tags != nil || got.name == req.Name {
			found = append(found, ref)
		}
	}
	if len(found) != 1 {
		t.Fatalf("looking for a copy whose answer was lost: got %v, want the one", found)
	}
	if kind == cloud.KindImage {
		there.cleanImage(t, found[0])
	} else {
		there.cleanSnapshot(t, found[0])
	}
	if e.c.Traits().Copies(kind).Tokens {
		if again := there.copied(t, req); again.ref != found[0] {
			t.Errorf("the copy with the same token after its answer was lost: got %v, want %v", again.ref, found[0])
		}
	}
}

// copyWithKey: encrypted with a key of the region, and refused with another's, or failed.
func copyWithKey(t *testing.T, e *exam, kind cloud.Kind) {
	if e.Key == "" {
		t.Skip("Subject.Key is empty: there is no key to encrypt with")
	}
	src, there := e.source(t, kind), e.elsewhere()
	req := there.newCopy(src.ref, "b")
	req.Key = e.WrongKey
	before := there.refs(t, t.Context(), kind, there.query())
	if made, err := there.try(t, req); err == nil { // clouds may check a key only later
		e.Settle(t, made.ref)
		if got, ok := there.look(t, made.ref); !ok || got.state != cloud.StateFailed {
			t.Errorf("copy %s with a key of another region: got %v (found %v), want it refused or failed", made.ref, got.state, ok)
		}
	} else if class := cloud.ClassOf(err); class != cloud.ErrDenied {
		t.Errorf("copying %s with a key of another region: got class %v (%v), want denied", src.ref, class, err)
	} else if after := there.refs(t, t.Context(), kind, there.query()); !slices.Equal(after, before) {
		t.Errorf("%ss in %s after a copy that was refused: %v, want %v as before", kind, there.Region, after, before)
	}
	req = there.newCopy(src.ref, "c")
	req.Key = e.Key
	got := there.arrived(t, there.copied(t, req))
	if kind == cloud.KindSnapshot && !got.encrypted {
		t.Errorf("copy %s with a key is not encrypted, want it so", got.ref)
	}
	for _, id := range got.snapshots {
		if s, _ := there.snapshot(t, id); !s.Encrypted {
			t.Errorf("snapshot %s under a copy with a key is not encrypted, want it so", id)
		}
	}
}

// copiesAtOnce: one more than the traits allow has to wait for a place, and is told so; it is no quota.
func copiesAtOnce(t *testing.T, e *exam, kind cloud.Kind) {
	most := e.c.Traits().Copies(kind).Max
	if most == 0 || !e.Slow {
		t.Skip("CopyTraits.Max is zero, or Subject.Slow is false: there is no end of places")
	}
	src, there := e.source(t, kind), e.elsewhere()
	var made []kept
	for n := range most {
		made = append(made, there.copied(t, there.newCopy(src.ref, fmt.Sprint("n", n))))
	}
	req := there.newCopy(src.ref, "last")
	for range 2 {
		_, err := there.try(t, req)
		e.wantClass(t, kind.String()+".copy", src.ref, cloud.ErrThrottled, err)
		if !errors.Is(err, cloud.ErrBusy) {
			t.Errorf("copy %d at once: got %v, want ErrBusy: the caller waits for a place", most+1, err)
		}
	}
	there.arrived(t, made[0])
	there.copied(t, req)
}
