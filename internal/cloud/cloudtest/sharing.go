package cloudtest

import (
	"errors"
	"slices"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func sharingCases() []testCase {
	images := []cloud.Capability{cloud.Sharing, cloud.ImageMaking}
	snaps := []cloud.Capability{cloud.Sharing, cloud.Snapshots}
	return []testCase{
		{"Identity", []cloud.Capability{cloud.Identifying}, identity},
		{"SharedTwice/image", images, func(t *testing.T, e *exam) { sharedTwice(t, e.shares(t, cloud.KindImage), cloud.KindImage) }},
		{"SharedTwice/snapshot", snaps, func(t *testing.T, e *exam) { sharedTwice(t, e.shares(t, cloud.KindSnapshot), cloud.KindSnapshot) }},
		{"SharedIsCopied/image", append(images, cloud.ImageCopies), func(t *testing.T, e *exam) { sharedIsCopied(t, e.shares(t, cloud.KindImage), cloud.KindImage) }},
		{"SharedIsCopied/snapshot", append(snaps, cloud.SnapshotCopies), func(t *testing.T, e *exam) { sharedIsCopied(t, e.shares(t, cloud.KindSnapshot), cloud.KindSnapshot) }},
		{"SharedWithNobody", images, sharedWithNobody},
		{"SharedDefaultKey", snaps, sharedDefaultKey},
	}
}

// identity: the account's own id, always the same.
func identity(t *testing.T, e *exam) {
	first, err := e.c.Identity(t.Context())
	if err != nil || first == "" || first == e.Partner {
		t.Errorf("Identity() = %q, %v; want an id of the account's own", first, err)
	}
	if again, err := e.c.Identity(t.Context()); err != nil || again != first {
		t.Errorf("Identity() again = %q, %v; want %q", again, err, first)
	}
	if e.Other == nil {
		return
	}
	c := cloud.NewClient(e.OtherAccount, e.Other)
	if !slices.Contains(c.Capabilities(), cloud.Identifying) {
		return
	}
	if got, err := c.Identity(t.Context()); err != nil || got != e.Partner {
		t.Errorf("Identity() of the other account = %q, %v; want %q", got, err, e.Partner)
	}
}

// shares skips a case for which the subject has nobody to share with.
func (e *exam) shares(t *testing.T, kind cloud.Kind) *exam {
	t.Helper()
	if e.Partner == "" {
		t.Skip("Subject.Partner is empty: there is nobody to share with")
	}
	if kind == cloud.KindSnapshot && !e.SharesSnapshots {
		t.Skip("Subject.SharesSnapshots is false: the cloud shares images only")
	}
	return e
}

func (e *exam) share(t *testing.T, ref cloud.Ref, on bool) {
	t.Helper()
	if err := e.c.Share(t.Context(), ref, e.Partner, on); err != nil {
		t.Fatalf("Share(%s, %s, %v): got %v, want no error", ref, e.Partner, on, err)
	}
}

func (e *exam) wantShared(t *testing.T, ref cloud.Ref, want ...string) {
	t.Helper()
	got, err := e.c.SharedWith(t.Context(), ref)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("SharedWith(%s) = %v, %v; want %v", ref, got, err, want)
	}
}

// sharedTwice: repeating changes nothing, and ending takes all of it back.
func sharedTwice(t *testing.T, e *exam, kind cloud.Kind) {
	src := e.source(t, kind)
	e.wantShared(t, src.ref)
	for range 2 {
		e.share(t, src.ref, true)
		e.wantShared(t, src.ref, e.Partner)
	}
	if got, ok := e.look(t, src.ref); !ok || got.state != cloud.StateReady || !got.tags.Equal(src.tags) {
		t.Errorf("what is shared: %+v (found %v), want it as it was", got, ok)
	}
	for range 2 {
		e.share(t, src.ref, false)
		e.wantShared(t, src.ref)
	}
	for _, id := range src.snapshots {
		if e.SharesSnapshots {
			e.wantShared(t, e.ref(cloud.KindSnapshot, id))
		}
	}
}

// sharedIsCopied: the other account can copy it from then on and until that ends, and its copy is its own.
func sharedIsCopied(t *testing.T, e *exam, kind cloud.Kind) {
	if e.Other == nil {
		t.Skip("Subject.Other is nil: nobody can try to copy")
	}
	c := cloud.NewClient(e.OtherAccount, e.Other)
	op := kind.String() + ".copy"
	src, other := e.source(t, kind), e.in(e.OtherAccount, e.Region, c)
	refused := func(when string, req cloud.NewCopy) {
		t.Helper()
		_, err := other.try(t, req)
		e.wantError(t, op, src.ref, err)
		if class := cloud.ClassOf(err); class != cloud.ErrNotFound && class != cloud.ErrDenied {
			t.Errorf("%s: copying %s got class %v (%v), want not found or denied", when, src.ref, class, err)
		}
	}
	refused("before it is shared", other.newCopy(src.ref, "b"))
	e.share(t, src.ref, true)
	if _, ok := other.look(t, src.ref); ok {
		t.Errorf("the other account lists %s, want its own things only", src.ref)
	}
	if e.Elsewhere != "" {
		far := e.in(e.OtherAccount, e.Elsewhere, c)
		if e.c.Traits().Copies(kind).SharedAcross {
			far.arrived(t, far.copied(t, far.newCopy(src.ref, "far")))
		} else {
			_, err := far.try(t, far.newCopy(src.ref, "far"))
			e.wantClass(t, op, src.ref, cloud.ErrUnsupported, err)
		}
	}
	got := other.arrived(t, other.copied(t, other.newCopy(src.ref, "c")))
	if got.ref.Account != e.OtherAccount {
		t.Errorf("copy %s is of account %s, want %s", got.ref, got.ref.Account, e.OtherAccount)
	}
	if _, ok := e.look(t, e.ref(kind, got.ref.ID)); ok {
		t.Errorf("our account lists the other's copy %s, want its own things only", got.ref)
	}
	e.share(t, src.ref, false)
	refused("once it is shared no longer", other.newCopy(src.ref, "d"))
	got = other.arrived(t, got)
	if e.Elsewhere != "" { // in two steps, wherever one would do
		far := e.in(e.OtherAccount, e.Elsewhere, c)
		far.arrived(t, far.copied(t, far.newCopy(got.ref, "e")))
	}
}

// sharedWithNobody: an id that is no account's is refused, and nothing is shared.
func sharedWithNobody(t *testing.T, e *exam) {
	src := e.source(t, cloud.KindImage)
	err := e.c.Share(t.Context(), src.ref, "no such account", true)
	if ce, ok := errors.AsType[*cloud.Error](err); !ok || ce.Op != "image.share" || ce.Ref != src.ref || ce.Class != cloud.ErrUnsupported {
		t.Errorf("Share(%s) with an id that is no account's: got %v, want ErrUnsupported about it", src.ref, err)
	}
	e.wantShared(t, src.ref)
	for _, id := range src.snapshots {
		if e.SharesSnapshots {
			e.wantShared(t, e.ref(cloud.KindSnapshot, id))
		}
	}
}

// sharedDefaultKey: what the cloud's default key encrypts is never shared.
func sharedDefaultKey(t *testing.T, e *exam) {
	if e.EncryptedDisk == nil {
		t.Skip("Subject.EncryptedDisk is nil: the cloud has no default key, or the exam should not use it")
	}
	e.shares(t, cloud.KindSnapshot)
	made := e.makeSnapshot(t, e.EncryptedDisk(t), "a")
	e.Settle(t, made.Ref)
	err := e.c.Share(t.Context(), made.Ref, e.Partner, true)
	e.wantClass(t, "snapshot.share", made.Ref, cloud.ErrDenied, err)
	e.wantShared(t, made.Ref)
}
