package cloudtest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func listingCases() []testCase {
	snaps := []cloud.Capability{cloud.Snapshots}
	return []testCase{
		{"ListingOfNothing", nil, listingOfNothing},
		{"ListingRegions", nil, listingRegions},
		{"ListingInstanceWithDisks", nil, listingInstanceWithDisks},
		{"ListingByIDs", nil, listingByIDs},
		{"ListingByMaxIDs", snaps, listingByMaxIDs},
		{"ListingByTags", nil, listingByTags},
		{"ListingTwiceIsTheSame", snaps, listingTwice},
		{"ListingUnderCancelledContext", nil, listingCancelledBefore},
	}
}

// listingOfNothing: what is not there is absent, and no listing by an unknown id fails.
func listingOfNothing(t *testing.T, e *exam) {
	ctx := t.Context()
	for _, kind := range cloud.Kinds() {
		q := e.query(e.Unknown(kind, 1), e.Unknown(kind, 2))
		if got := e.refs(t, ctx, kind, q); len(got) != 0 {
			t.Errorf("listing two unknown ids of kind %s: got %v, want nothing", kind, got)
		}
	}
}

func listingRegions(t *testing.T, e *exam) {
	got, err := e.c.Regions(t.Context())
	if err != nil {
		t.Fatalf("Regions(): got %v, want no error", err)
	}
	ids := make([]string, len(got))
	for i, r := range got {
		ids[i] = r.ID
	}
	if !slices.Contains(ids, e.Region) {
		t.Errorf("Regions() = %v, want %s among them", ids, e.Region)
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != len(got) {
		t.Errorf("Regions() names %d regions, %d of them different: want each once", len(got), n)
	}
}

// listingInstanceWithDisks: the instance and its disks tell the same story, root first.
func listingInstanceWithDisks(t *testing.T, e *exam) {
	tags := cloud.TagsOf(map[string]string{"backup": "nightly", "SnapshotDaily": "3"})
	launched := e.Launch(t, e.name("web"), 2, tags)
	got, ok := e.instance(t, launched.Ref.ID)
	if !ok {
		t.Fatalf("listing instance %s: got nothing, want it", launched.Ref)
	}
	if want := e.ref(cloud.KindInstance, launched.Ref.ID); got.Ref != want {
		t.Errorf("instance ref = %v, want %v", got.Ref, want)
	}
	if got.Name != e.name("web") || got.Power != cloud.PowerRunning || !got.Tags.Contains(tags) || got.CreatedAt.IsZero() || got.CreatedAt.Location().String() != "UTC" {
		t.Errorf("instance = %+v, want its name, running, tags %v and when it was made in UTC", got, tags)
	}
	if got.LocalRoot {
		if len(got.Disks) != 2 || got.Disks[0].Root {
			t.Fatalf("instance with a local root: disks = %+v, want the two data disks", got.Disks)
		}
	} else if len(got.Disks) != 3 || !got.Disks[0].Root || got.Disks[1].Root || got.Disks[2].Root {
		t.Fatalf("instance disks = %+v, want three, the root first and only one", got.Disks)
	}
	for _, a := range got.Disks {
		d, ok := e.disk(t, a.Disk)
		if !ok || d.Ref != e.ref(cloud.KindDisk, a.Disk) || d.Instance != got.Ref.ID || d.State != cloud.StateReady || d.Size <= 0 || d.CreatedAt.IsZero() {
			t.Errorf("disk %s = %+v (found %v), want it ready, of some size, attached to %s", a.Disk, d, ok, got.Ref.ID)
		}
	}
}

// listingByIDs: just these, each once, the missing ones silently absent.
func listingByIDs(t *testing.T, e *exam) {
	one, two := e.Launch(t, e.name("one"), 0, nil), e.Launch(t, e.name("two"), 0, nil)
	e.Launch(t, e.name("three"), 0, nil)
	for _, kind := range []cloud.Kind{cloud.KindInstance, cloud.KindDisk} {
		a, b := one.Ref.ID, two.Ref.ID
		if kind == cloud.KindDisk {
			if len(one.Disks) == 0 || len(two.Disks) == 0 {
				continue // the roots are local
			}
			a, b = one.Disks[0].Disk, two.Disks[0].Disk
		}
		want := sorted(e.ref(kind, a), e.ref(kind, b))
		if got := e.refs(t, t.Context(), kind, e.query(b, e.Unknown(kind, 1), a)); !slices.Equal(sorted(got...), want) {
			t.Errorf("listing %s by ids %s, %s and an unknown one: got %v, want %v", kind, a, b, got, want)
		}
	}
}

// listingByMaxIDs: as many ids as a query may carry, of which one exists.
func listingByMaxIDs(t *testing.T, e *exam) {
	snap := e.makeSnapshot(t, e.firstDisk(t), "a")
	ids := []string{snap.Ref.ID}
	for n := 1; len(ids) < cloud.MaxIDs; n++ {
		ids = append(ids, e.Unknown(cloud.KindSnapshot, n))
	}
	slices.Reverse(ids)
	if got := e.refs(t, t.Context(), cloud.KindSnapshot, e.query(ids...)); !slices.Equal(got, []cloud.Ref{snap.Ref}) {
		t.Errorf("listing %d ids of which one exists: got %v, want %v", len(ids), got, snap.Ref)
	}
}

// listingByTags: the answer holds to all of the tags, whether the cloud filters or the provider.
func listingByTags(t *testing.T, e *exam) {
	mark := e.name("mark")
	both := e.Launch(t, e.name("both"), 0, cloud.TagsOf(map[string]string{"exam": mark, "role": "db"}))
	other := e.Launch(t, e.name("other"), 0, cloud.TagsOf(map[string]string{"exam": mark, "role": "web"}))
	e.Launch(t, e.name("none"), 0, cloud.TagsOf(map[string]string{"role": "db"}))
	for _, c := range []struct {
		tags map[string]string
		want []cloud.Ref
	}{
		{map[string]string{"exam": mark}, sorted(both.Ref, other.Ref)},
		{map[string]string{"exam": mark, "role": "db"}, sorted(both.Ref)},
		{map[string]string{"exam": mark, "role": "no such role"}, nil},
		{map[string]string{"exam": mark, "no-such-key": ""}, nil},
	} {
		q := cloud.Query{Region: e.Region, Tags: cloud.TagsOf(c.tags)}
		if got := sorted(e.refs(t, t.Context(), cloud.KindInstance, q)...); !slices.Equal(got, c.want) {
			t.Errorf("listing instances tagged %v: got %v, want %v", q.Tags, got, c.want)
		}
	}
}

// listingTwice: a listing changes nothing, and asking again gives the same.
func listingTwice(t *testing.T, e *exam) {
	disk := e.firstDisk(t)
	snap := e.makeSnapshot(t, disk, "a")
	e.Settle(t, snap.Ref)
	for _, kind := range cloud.Kinds() {
		q := cloud.Query{Region: e.Region}
		first := sorted(e.refs(t, t.Context(), kind, q)...)
		if again := sorted(e.refs(t, t.Context(), kind, q)...); !slices.Equal(first, again) {
			t.Errorf("listing %s again: got %v, want %v as before", kind, again, first)
		}
	}
}

// listingCancelledBefore: nothing is asked, and the context's own error comes back.
func listingCancelledBefore(t *testing.T, e *exam) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, kind := range cloud.Kinds() {
		n := 0
		err := e.each(ctx, kind, cloud.Query{Region: e.Region}, func(cloud.Ref) bool { n++; return true })
		if !errors.Is(err, context.Canceled) || n != 0 {
			t.Errorf("listing %s under a cancelled context: got %d items and %v, want none and context.Canceled", kind, n, err)
		}
	}
	if _, err := e.c.Regions(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Regions() under a cancelled context: got %v, want context.Canceled", err)
	}
}

// each lists the refs of a kind until yes says no, and gives the error that ended it.
func (e *exam) each(ctx context.Context, kind cloud.Kind, q cloud.Query, yes func(cloud.Ref) bool) error {
	switch kind {
	case cloud.KindInstance:
		return walk(e.c.Instances(ctx, q), func(v cloud.Instance) bool { return yes(v.Ref) })
	case cloud.KindDisk:
		return walk(e.c.Disks(ctx, q), func(v cloud.Disk) bool { return yes(v.Ref) })
	case cloud.KindSnapshot:
		return walk(e.c.Snapshots(ctx, q), func(v cloud.Snapshot) bool { return yes(v.Ref) })
	}
	return walk(e.c.Images(ctx, q), func(v cloud.Image) bool { return yes(v.Ref) })
}

func walk[T any](seq func(func(T, error) bool), yes func(T) bool) error {
	for v, err := range seq {
		if err != nil {
			return err
		}
		if !yes(v) {
			return nil
		}
	}
	return nil
}

// refs lists the refs of a kind, in the order in which they come.
func (e *exam) refs(t *testing.T, ctx context.Context, kind cloud.Kind, q cloud.Query) []cloud.Ref {
	t.Helper()
	var out []cloud.Ref
	if err := e.each(ctx, kind, q, func(r cloud.Ref) bool { out = append(out, r); return true }); err != nil {
		t.Fatalf("listing %s %+v: got %v, want no error", kind, q, err)
	}
	return out
}

func sorted(refs ...cloud.Ref) []cloud.Ref {
	out := slices.Clone(refs)
	slices.SortFunc(out, cloud.Ref.Compare)
	return out
}

// firstDisk launches an instance with a data disk and gives the first disk that a snapshot can be taken of.
func (e *exam) firstDisk(t *testing.T) string {
	t.Helper()
	i := e.Launch(t, e.name("source"), 1, nil)
	if len(i.Disks) == 0 {
		t.Fatalf("Launch: got instance %+v without a disk, want one at least", i)
	}
	return i.Disks[0].Disk
}
