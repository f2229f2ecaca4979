package sqlite_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlite"
	"github.com/stint-cloud/stint/internal/store/storetest"
)

// estate fills a store with n snapshots as a real account has them: two disks an instance, a month of nightly backups.
func estate(tb testing.TB, s store.Store, n int) {
	tb.Helper()
	const scopes = 4
	for part := range scopes {
		scope := cloud.Scope{Account: "production-web", Region: fmt.Sprintf("us-east-%d", part), Kind: cloud.KindSnapshot}
		seen := store.Seen{Scope: scope, Whole: true}
		for i := range n / scopes {
			disk, day := i/30, i%30
			seen.Items = append(seen.Items, store.Resource{ID: fmt.Sprintf("snap-%017x", i), Body: fmt.Appendf(nil,
				`{"ref":{"account":"production-web","region":"%s","kind":"snapshot","id":"snap-%017x"},"name":"stint-nightly-%d-%d","disk":"vol-%017x","size":107374182400,`+
					`"state":"ready","detail":"completed","progress":100,"encrypted":true,"user":"111122223333","created-at":"2026-11-%02dT02:00:13.123Z",`+
					`"tags":{"Name":"web-%d","team":"platform","cost-center":"4711","stint:policy":"nightly-web","stint:source":"production-web/%s/i-%017x","stint:slot":"2026-11-%02dT02:00:00Z","stint:by":"backup=nightly","stint:backup":"b-%d-%d","stint:parts":"2"}}`,
				scope.Region, i, disk, day, disk, day+1, disk/2, scope.Region, disk/2, day+1, disk/2, day)})
		}
		if _, _, err := s.SaveSurvey(tb.Context(), store.Survey{Scope: scope}, &seen); err != nil {
			tb.Fatal(err)
		}
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers kept through the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestWorldIsLean holds the world of a fleet to under 800 bytes a snapshot: 800 MB for a million.
func TestWorldIsLean(t *testing.T) {
	const n, most = storetest.Many, 800
	s := open(t, filepath.Join(t.TempDir(), "stint.db"))
	estate(t, s, n)
	before := heap()
	w, err := s.World(t.Context(), nil)
	if err != nil || len(w.Snapshots) != n {
		t.Fatalf("World: got %d snapshots %v, want %d", len(w.Snapshots), err, n)
	}
	each := (heap() - before) / n
	t.Logf("%d bytes a snapshot", each)
	if each > most {
		t.Fatalf("World: got %d bytes a snapshot, want %d at most", each, most)
	}
	runtime.KeepAlive(w)
}

// TestLooksAreFast is the figure that a survey stands on: 20,000 items, first all of them, then one change.
func TestLooksAreFast(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "stint.db"))
	began := time.Now()
	estate(t, s, storetest.Many)
	t.Logf("%d items: %v", storetest.Many, time.Since(began))
	if took := time.Since(began); took > 10*time.Second { // a second here; ten where the disk is slow
		t.Fatalf("SaveSurvey of %d items: got %v, want far less", storetest.Many, took)
	}
}

func BenchmarkWorld(b *testing.B) {
	const n = 100_000
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "stint.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	estate(b, s, n)
	for b.Loop() {
		if _, err := s.World(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/snapshot")
}
