package cloudtest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func pagingCases() []testCase {
	snaps := []cloud.Capability{cloud.Snapshots}
	return []testCase{
		{"PagesAreWhole", snaps, pagesAreWhole},
		{"PagesOfInstancesAreWhole", nil, pagesOfInstances},
		{"PagesOfImagesAreWhole", []cloud.Capability{cloud.ImageMaking}, pagesOfImages},
		{"PagesShiftedByDelete", snaps, pagesShiftedByDelete},
		{"PagesShiftedByDeleteOfLastSeen", snaps, pagesShiftedByDeleteOfLastSeen},
		{"PagesShiftedByCreate", snaps, pagesShiftedByCreate},
		{"PagesBrokenOff", snaps, pagesBrokenOff},
		{"PagesCancelled", snaps, pagesCancelled},
		{"PagesAskedAgain", snaps, pagesAskedAgain},
	}
}

// manySnapshots makes enough for three pages, all complete.
func (e *exam) manySnapshots(t *testing.T) (disk string, refs []cloud.Ref) {
	t.Helper()
	if e.PageSize == 0 {
		t.Skip("Subject.PageSize is 0: pages are too long to fill several")
	}
	disk = e.firstDisk(t)
	for i := range 2*e.PageSize + 1 {
		snap := e.makeSnapshot(t, disk, "page"+string(rune('a'+i%26))+string(rune('a'+i/26)))
		e.Settle(t, snap.Ref) // one after the other: some clouds bound how many may be pending
		refs = append(refs, snap.Ref)
	}
	return disk, refs
}

// pages reads all pages of snapshots by hand and calls between after each but the last.
func (e *exam) pages(t *testing.T, between func(page int, got []cloud.Ref)) []cloud.Ref {
	t.Helper()
	var out []cloud.Ref
	cursor := ""
	for n := 1; ; n++ {
		page, err := e.Provider.Snapshots(t.Context(), cloud.Query{Region: e.Region}, cursor)
		if err != nil {
			t.Fatalf("Snapshots(cursor %q), page %d: got %v, want no error", cursor, n, err)
		}
		if len(page.Items) > e.PageSize {
			t.Errorf("page %d has %d items, want %d at most, as Subject.PageSize says", n, len(page.Items), e.PageSize)
		}
		var got []cloud.Ref
		for _, s := range page.Items {
			got = append(got, s.Ref)
		}
		out = append(out, got...)
		if page.Next == "" {
			if n < 2 {
				t.Errorf("the listing has %d pages, want several", n)
			}
			return out
		}
		if n > 100 {
			t.Fatalf("the listing does not end: %d pages and still a cursor", n)
		}
		between(n, got)
		cursor = page.Next
	}
}

// eachOnce checks that the listing has every one of want, and nothing twice.
func eachOnce(t *testing.T, got, want []cloud.Ref) {
	t.Helper()
	seen := map[cloud.Ref]int{}
	for _, r := range got {
		seen[r]++
		if seen[r] == 2 {
			t.Errorf("the listing has %s twice, want once", r)
		}
	}
	for _, r := range want {
		if seen[r] == 0 {
			t.Errorf("the listing lacks %s, which was there all the time", r)
		}
	}
}

func pagesAreWhole(t *testing.T, e *exam) {
	_, want := e.manySnapshots(t)
	eachOnce(t, e.pages(t, func(int, []cloud.Ref) {}), want)
	eachOnce(t, e.refs(t, t.Context(), cloud.KindSnapshot, cloud.Query{Region: e.Region}), want)
}

func pagesOfInstances(t *testing.T, e *exam) {
	if e.PageSize == 0 {
		t.Skip("Subject.PageSize is 0: pages are too long to fill several")
	}
	var instances, disks []cloud.Ref
	for i := range 2*e.PageSize + 1 {
		got := e.Launch(t, e.name("page"+string(rune('a'+i%26))), 0, nil)
		instances = append(instances, got.Ref)
		for _, d := range got.Disks {
			disks = append(disks, e.ref(cloud.KindDisk, d.Disk))
		}
	}
	eachOnce(t, e.refs(t, t.Context(), cloud.KindInstance, cloud.Query{Region: e.Region}), instances)
	eachOnce(t, e.refs(t, t.Context(), cloud.KindDisk, cloud.Query{Region: e.Region}), disks)
}

func pagesOfImages(t *testing.T, e *exam) {
	if e.PageSize == 0 {
		t.Skip("Subject.PageSize is 0: pages are too long to fill several")
	}
	source := e.Launch(t, e.name("source"), 0, nil)
	var want []cloud.Ref
	for i := range 2*e.PageSize + 1 {
		img := e.makeImage(t, source.Ref.ID, "page"+string(rune('a'+i%26)))
		e.Settle(t, img.Ref)
		want = append(want, img.Ref)
	}
	eachOnce(t, e.refs(t, t.Context(), cloud.KindImage, cloud.Query{Region: e.Region}), want)
}

// pagesShiftedByDelete: what was seen on the first page goes; with page numbers or offsets the rest moves up.
func pagesShiftedByDelete(t *testing.T, e *exam) {
	_, refs := e.manySnapshots(t)
	gone := map[cloud.Ref]bool{}
	got := e.pages(t, func(page int, got []cloud.Ref) {
		if page == 1 {
			e.deleteSeen(t, got[:1], refs, gone)
		}
	})
	eachOnce(t, got, slices.DeleteFunc(refs, func(r cloud.Ref) bool { return gone[r] }))
}

// pagesShiftedByDeleteOfLastSeen: the item that a marker stands on goes. A driver whose cloud refuses an unknown marker
// carries a few earlier ids in its cursor to fall back on.
func pagesShiftedByDeleteOfLastSeen(t *testing.T, e *exam) {
	_, refs := e.manySnapshots(t)
	gone := map[cloud.Ref]bool{}
	got := e.pages(t, func(page int, got []cloud.Ref) {
		if page == 1 && len(got) > 0 {
			e.deleteSeen(t, got[len(got)-1:], refs, gone)
		}
	})
	eachOnce(t, got, slices.DeleteFunc(refs, func(r cloud.Ref) bool { return gone[r] }))
}

// deleteSeen deletes those of seen that the exam made.
func (e *exam) deleteSeen(t *testing.T, seen, ours []cloud.Ref, gone map[cloud.Ref]bool) {
	t.Helper()
	for _, r := range seen {
		if !slices.Contains(ours, r) {
			t.Skipf("%s on the first page is not the exam's: the account holds other things", r)
		}
		if err := e.c.DeleteSnapshot(t.Context(), r); err != nil {
			t.Fatalf("DeleteSnapshot(%s): got %v, want no error", r, err)
		}
		e.Settle(t, r)
		gone[r] = true
	}
}

// pagesShiftedByCreate: new items may be seen or not, but nothing twice and nothing lost.
func pagesShiftedByCreate(t *testing.T, e *exam) {
	disk, refs := e.manySnapshots(t)
	got := e.pages(t, func(page int, _ []cloud.Ref) {
		if page <= 2 {
			snap := e.makeSnapshot(t, disk, "late"+string(rune('a'+page)))
			e.Settle(t, snap.Ref)
		}
	})
	eachOnce(t, got, refs)
}

// pagesBrokenOff: a caller who has seen enough costs no further page and leaves nothing running.
func pagesBrokenOff(t *testing.T, e *exam) {
	e.manySnapshots(t)
	check := goroutines(t)
	before := e.requests()
	n := 0
	for _, err := range e.c.Snapshots(t.Context(), cloud.Query{Region: e.Region}) {
		if err != nil {
			t.Fatalf("Snapshots: got %v, want no error", err)
		}
		n++
		break
	}
	broken := e.requests() - before
	before = e.requests()
	e.refs(t, t.Context(), cloud.KindSnapshot, cloud.Query{Region: e.Region})
	if whole := e.requests() - before; e.Requests != nil && broken >= whole {
		t.Errorf("a listing broken off after %d item made %d requests, the whole one %d: want fewer", n, broken, whole)
	}
	check()
}

// pagesCancelled: the context ends between two items; the rest of the page may come, then the context's error.
func pagesCancelled(t *testing.T, e *exam) {
	e.manySnapshots(t)
	check := goroutines(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n, last := 0, error(nil)
	for _, err := range e.c.Snapshots(ctx, cloud.Query{Region: e.Region}) {
		if last = err; err != nil {
			break
		}
		n++
		cancel()
	}
	if !errors.Is(last, context.Canceled) || n > e.PageSize {
		t.Errorf("a listing cancelled at its first item: got %d items, then %v; want the first page at most, then context.Canceled", n, last)
	}
	check()
}

// pagesAskedAgain: the same cursor again gives the same page, as a retry of a lost answer does.
func pagesAskedAgain(t *testing.T, e *exam) {
	e.manySnapshots(t)
	q := cloud.Query{Region: e.Region}
	first, err := e.Provider.Snapshots(t.Context(), q, "")
	if err != nil || first.Next == "" {
		t.Fatalf("first page: got next %q and %v, want a cursor and no error", first.Next, err)
	}
	var pages [2][]cloud.Ref
	for i := range pages {
		page, err := e.Provider.Snapshots(t.Context(), q, first.Next)
		if err != nil {
			t.Fatalf("second page, asked for the %d. time: got %v, want no error", i+1, err)
		}
		for _, s := range page.Items {
			pages[i] = append(pages[i], s.Ref)
		}
	}
	if !slices.Equal(pages[0], pages[1]) {
		t.Errorf("second page asked for again: got %v, want %v as before", pages[1], pages[0])
	}
}

func (e *exam) requests() int {
	if e.Requests == nil {
		return 0
	}
	return e.Requests()
}
