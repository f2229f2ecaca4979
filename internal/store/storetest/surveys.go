package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/store"
)

func resource(id, body string) store.Resource {
	return store.Resource{ID: id, Body: []byte(`{"ref":{"account":"web","region":"us-east-1","kind":"snapshot","id":"` + id + `"},"name":"` + body + `","size":1,"state":"ready","created-at":"2026-11-21T02:00:00Z"}`)}
}

// names gives id=name of every snapshot that the store knows.
func names(t *testing.T, s store.Store) string {
	t.Helper()
	w, err := s.World(t.Context(), nil)
	ok(t, "World", err)
	out := ""
	for _, v := range w.Snapshots {
		out += v.Ref.ID + "=" + v.Name + " "
	}
	return out
}

func web() cloud.Scope { return scopeOf("web", "us-east-1", cloud.KindSnapshot) }

func testSurveys(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, err := s.Survey(ctx, web())
	wants(t, "Survey of a scope that is not there", err, store.ErrNotFound)
	row := store.Survey{
		Scope: web(), NextAt: after(time.Hour), Watching: []string{"snap-2", "snap-1"}, SweepAt: after(2 * time.Hour), Items: 7,
		Look: inventory.Look{SeenAt: start(), LookedAt: after(time.Minute), Problem: "the cloud said: no", Class: "denied"},
	}
	saved, diff, err := s.SaveSurvey(ctx, row, nil)
	ok(t, "SaveSurvey", err)
	same(t, "SaveSurvey without a look: diff", diff, store.Diff{})
	row.Version = 1
	same(t, "SaveSurvey", saved, row)
	got, err := s.Survey(ctx, web())
	ok(t, "Survey", err)
	same(t, "Survey", got, row)

	got.Watching, got.NextAt, got.Look = nil, time.Time{}, inventory.Look{}
	got, _, err = s.SaveSurvey(ctx, got, nil)
	ok(t, "SaveSurvey again", err)
	again, err := s.Survey(ctx, web())
	ok(t, "Survey again", err)
	same(t, "Survey with nothing in it", again, got)

	var order []cloud.Scope
	for _, scope := range []cloud.Scope{scopeOf("web", "us-east-1", cloud.KindImage), scopeOf("web", "us-east-1", cloud.KindInstance), scopeOf("Shop", "z", cloud.KindDisk), scopeOf("shop", "a", cloud.KindDisk)} {
		_, _, err := s.SaveSurvey(ctx, store.Survey{Scope: scope}, nil)
		ok(t, "SaveSurvey of "+scope.String(), err)
	}
	all, err := s.Surveys(ctx)
	ok(t, "Surveys", err)
	for _, row := range all {
		order = append(order, row.Scope)
	}
	same(t, "order of Surveys", order, []cloud.Scope{
		scopeOf("Shop", "z", cloud.KindDisk), scopeOf("shop", "a", cloud.KindDisk),
		scopeOf("web", "us-east-1", cloud.KindInstance), web(), scopeOf("web", "us-east-1", cloud.KindImage),
	})
}

func testSurveyStale(t *testing.T, s store.Store) {
	ctx := t.Context()
	row, _, err := s.SaveSurvey(ctx, store.Survey{Scope: web()}, &store.Seen{Scope: web(), At: start(), Whole: true, Items: []store.Resource{resource("a", "1")}})
	ok(t, "SaveSurvey", err)
	look := &store.Seen{Scope: web(), At: after(time.Minute), Whole: true}
	_, _, err = s.SaveSurvey(ctx, store.Survey{Scope: web()}, look)
	wants(t, "SaveSurvey of version 0 over a row", err, store.ErrStale)
	old := row
	row, _, err = s.SaveSurvey(ctx, row, nil)
	ok(t, "SaveSurvey of the newest version", err)
	_, _, err = s.SaveSurvey(ctx, old, look)
	wants(t, "SaveSurvey of an old version", err, store.ErrStale)
	same(t, "what a refused look changed", names(t, s), "a=1 ")
	ok(t, "DropScopes", s.DropScopes(ctx, []cloud.Scope{web()}))
	_, _, err = s.SaveSurvey(ctx, row, look)
	wants(t, "SaveSurvey of a dropped scope", err, store.ErrStale)
}

// look saves a look and compares its differences.
func look(t *testing.T, s store.Store, seen store.Seen, want store.Diff) {
	t.Helper()
	row, err := s.Survey(t.Context(), seen.Scope)
	if err != nil {
		row = store.Survey{Scope: seen.Scope}
	}
	row, diff, err := s.SaveSurvey(t.Context(), row, &seen)
	ok(t, "SaveSurvey", err)
	same(t, "SaveSurvey: diff", diff, want)
	w, err := s.World(t.Context(), []cloud.Scope{seen.Scope})
	ok(t, "World", err)
	if n := len(w.Instances) + len(w.Disks) + len(w.Snapshots) + len(w.Images); row.Items != n {
		t.Fatalf("SaveSurvey: got %d items, want %d, as many as the world has", row.Items, n)
	}
}

func testDifferences(t *testing.T, s store.Store) {
	items := []store.Resource{resource("b", "1"), resource("a", "1"), resource("c", "1")}
	look(t, s, store.Seen{Scope: web(), At: start(), Whole: true, Items: items}, store.Diff{Added: 3})
	look(t, s, store.Seen{Scope: web(), At: after(time.Minute), Whole: true, Items: items}, store.Diff{})
	look(t, s, store.Seen{Scope: web(), At: after(time.Minute), Whole: true, Items: []store.Resource{resource("a", "2"), resource("c", "1"), resource("d", "1")}},
		store.Diff{Added: 1, Changed: 1, Removed: 1})
	same(t, "after a change", names(t, s), "a=2 c=1 d=1 ")
	// An id that is listed twice (the pages shifted) is one thing, as it was listed last.
	look(t, s, store.Seen{Scope: web(), At: after(time.Minute), Whole: true, Items: []store.Resource{resource("e", "1"), resource("e", "2")}},
		store.Diff{Added: 1, Changed: 1, Removed: 3})
	same(t, "after a listing with a double", names(t, s), "e=2 ")
	look(t, s, store.Seen{Scope: web(), At: after(time.Minute), Whole: true}, store.Diff{Removed: 1})
	same(t, "after an empty listing", names(t, s), "")
}

func testAsked(t *testing.T, s store.Store) {
	look(t, s, store.Seen{Scope: web(), At: start(), Whole: true, Items: []store.Resource{resource("a", "1"), resource("b", "1"), resource("c", "1")}}, store.Diff{Added: 3})
	// Law 6: what was not asked for is not gone.
	look(t, s, store.Seen{Scope: web(), At: after(time.Minute), Asked: []string{"a", "b"}, Items: []store.Resource{resource("a", "2")}}, store.Diff{Changed: 1, Removed: 1})
	same(t, "after asking for a and b", names(t, s), "a=2 c=1 ")
	look(t, s, store.Seen{Scope: web(), At: after(time.Minute)}, store.Diff{})
	same(t, "after a look that asked for nothing", names(t, s), "a=2 c=1 ")
	look(t, s, store.Seen{Scope: web(), At: after(time.Minute), Forget: []string{"c", "nobody"}}, store.Diff{Removed: 1})
	same(t, "after forgetting c", names(t, s), "a=2 ")
	look(t, s, store.Seen{Scope: web(), At: after(time.Minute), Whole: true, Items: []store.Resource{resource("a", "3")}, Forget: []string{"a"}}, store.Diff{Changed: 1, Removed: 1})
	same(t, "after seeing and forgetting a", names(t, s), "")
}

func testGrace(t *testing.T, s store.Store) {
	ctx := t.Context()
	look(t, s, store.Seen{Scope: web(), At: start(), Whole: true, Items: []store.Resource{resource("a", "1")}}, store.Diff{Added: 1})
	ok(t, "Expect", s.Expect(ctx, web(), after(time.Minute), []store.Resource{resource("new", "1"), resource("a", "2")}))
	same(t, "after Expect", names(t, s), "a=2 new=1 ")
	empty := store.Seen{Scope: web(), Whole: true, Grace: 5 * time.Minute, At: after(5 * time.Minute)}
	look(t, s, empty, store.Diff{})
	same(t, "a listing without it, within the grace", names(t, s), "a=2 new=1 ")
	asked := store.Seen{Scope: web(), Asked: []string{"new"}, Grace: 5 * time.Minute, At: after(5 * time.Minute)}
	look(t, s, asked, store.Diff{})
	same(t, "asked for within the grace", names(t, s), "a=2 new=1 ")
	empty.At = after(6 * time.Minute)
	look(t, s, empty, store.Diff{Removed: 2})
	same(t, "a listing without it, after the grace", names(t, s), "")

	ok(t, "Expect", s.Expect(ctx, web(), after(10*time.Minute), []store.Resource{resource("new", "1")}))
	ok(t, "Forget", s.Forget(ctx, web(), []string{"new", "nobody"}))
	same(t, "after Forget, within the grace", names(t, s), "")

	// Written by a clock that was a year ahead, and since set back: the look is believed.
	ok(t, "Expect", s.Expect(ctx, web(), after(9000*time.Hour), []store.Resource{resource("a", "new"), resource("b", "new")}))
	look(t, s, store.Seen{Scope: web(), Whole: true, Grace: 5 * time.Minute, At: after(time.Hour), Items: []store.Resource{resource("a", "2")}}, store.Diff{Changed: 1, Removed: 1})
	same(t, "a listing after the clock was set back", names(t, s), "a=2 ")
}

func testOlderLook(t *testing.T, s store.Store) {
	ctx := t.Context()
	ok(t, "Expect before any survey", s.Expect(ctx, web(), after(time.Minute), []store.Resource{resource("a", "new"), resource("b", "new")}))
	same(t, "after Expect", names(t, s), "a=new b=new ")
	w, err := s.World(ctx, nil)
	ok(t, "World", err)
	if w.Whole(web()) {
		t.Fatalf("World.Whole(%s) before its first survey: got true, want false", web())
	}
	// The listing began before the create answered: it knows an older state of a, and b not at all.
	look(t, s, store.Seen{Scope: web(), At: start(), Whole: true, Items: []store.Resource{resource("a", "old")}}, store.Diff{})
	same(t, "after an older listing", names(t, s), "a=new b=new ")
	look(t, s, store.Seen{Scope: web(), At: after(2 * time.Minute), Whole: true, Items: []store.Resource{resource("a", "newer")}}, store.Diff{Changed: 1, Removed: 1})
	same(t, "after a newer listing", names(t, s), "a=newer ")
}

func testManyItems(t *testing.T, s store.Store) {
	const n = Many
	items := make([]store.Resource, n)
	for i := range items {
		items[i] = resource(fmt.Sprintf("snap-%06d", (i*7919)%n), "1")
	}
	began := time.Now()
	look(t, s, store.Seen{Scope: web(), At: start(), Whole: true, Items: items}, store.Diff{Added: n})
	t.Logf("first look at %d items and the world: %v", n, time.Since(began))
	items[17] = resource(items[17].ID, "2")
	began = time.Now()
	row, err := s.Survey(t.Context(), web())
	ok(t, "Survey", err)
	_, diff, err := s.SaveSurvey(t.Context(), row, &store.Seen{Scope: web(), At: start(), Whole: true, Items: items[:n-1]})
	ok(t, "SaveSurvey", err)
	same(t, "SaveSurvey: diff", diff, store.Diff{Changed: 1, Removed: 1})
	t.Logf("second look: %v", time.Since(began))
	gone := make([]string, 0, n)
	for _, item := range items {
		gone = append(gone, item.ID)
	}
	ok(t, "Forget of everything", s.Forget(t.Context(), web(), gone))
	same(t, "after Forget of everything", names(t, s), "")
}

func testDropScopes(t *testing.T, s store.Store) {
	ctx := t.Context()
	other := scopeOf("web", "eu-west-1", cloud.KindSnapshot)
	look(t, s, store.Seen{Scope: web(), At: start(), Whole: true, Items: []store.Resource{resource("a", "1")}}, store.Diff{Added: 1})
	look(t, s, store.Seen{Scope: other, At: start(), Whole: true}, store.Diff{})
	ok(t, "SaveAccount", s.SaveAccount(ctx, inventory.Account{Name: "web"}))
	ok(t, "DropScopes", s.DropScopes(ctx, []cloud.Scope{web()}))
	w, err := s.World(ctx, nil)
	ok(t, "World", err)
	if _, there := w.Looks[web()]; there || len(w.Snapshots) > 0 || len(w.Accounts) != 1 {
		t.Fatalf("World after one of two scopes was dropped: got %d looks, %d snapshots, %d accounts, want 1, 0, 1", len(w.Looks), len(w.Snapshots), len(w.Accounts))
	}
	ok(t, "DropScopes", s.DropScopes(ctx, []cloud.Scope{other}))
	w, err = s.World(ctx, nil)
	ok(t, "World", err)
	if len(w.Looks)+len(w.Accounts) > 0 {
		t.Fatalf("World after every scope was dropped: got %d looks and %d accounts, want none", len(w.Looks), len(w.Accounts))
	}
}

func testSwapAtOnce(t *testing.T, s store.Store) {
	ctx := t.Context()
	const workers, rounds = 8, 10
	_, _, err := s.SaveSurvey(ctx, store.Survey{Scope: web()}, nil)
	ok(t, "SaveSurvey", err)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for done := 0; done < rounds; {
				row, err := s.Survey(ctx, web())
				if err != nil {
					t.Errorf("Survey: got error %v, want none", err)
					return
				}
				row.Watching = append(row.Watching, "x")
				if _, _, err = s.SaveSurvey(ctx, row, &store.Seen{Scope: web(), At: start()}); err == nil {
					done++
				} else if !isStale(err) {
					t.Errorf("SaveSurvey: got error %v, want none or ErrStale", err)
					return
				}
			}
		})
	}
	wg.Wait()
	row, err := s.Survey(ctx, web())
	ok(t, "Survey", err)
	if len(row.Watching) != workers*rounds || row.Version != workers*rounds+1 {
		t.Fatalf("after %d additions by compare-and-swap: got %d, version %d", workers*rounds, len(row.Watching), row.Version)
	}
}
