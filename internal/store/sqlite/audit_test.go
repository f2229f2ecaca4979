package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlite"
	"github.com/stint-cloud/stint/internal/store/storetest"
)

func TestTampered(t *testing.T) {
	storetest.Tampered(t, func(t *testing.T) (store.Store, func(...string)) {
		path := filepath.Join(t.TempDir(), "stint.db")
		return open(t, path), func(statements ...string) { raw(t, path, statements...) }
	})
}

// TestChainBeginsAfterWhatWasThere: a database from before there was a chain goes on, and its older entries are kept.
func TestChainBeginsAfterWhatWasThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stint.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, `ALTER TABLE action DROP COLUMN armed`, `DROP INDEX audit_action`, `DROP INDEX audit_run`, `DROP TABLE audit_head`, `ALTER TABLE audit DROP COLUMN hash`, `DELETE FROM stint_version WHERE version_id > 1`,
		`INSERT INTO audit VALUES (3, 1, 'ann', 'old', '', '', '', 'ok', '', '', '')`,
		`INSERT INTO audit VALUES (7, 2000000, 'ann', 'older', '', '', '', 'ok', '', '', '')`)
	reopened := open(t, path)
	if err := reopened.Append(t.Context(), store.AuditEntry{At: time.Unix(3, 0), What: "new"}); err != nil {
		t.Fatalf("Append: got error %v, want none", err)
	}
	got, err := store.VerifyAudit(t.Context(), reopened)
	if err != nil || got.Earlier != 2 || got.Checked != 1 || got.Anchor != (store.Head{Seq: 7}) || got.Head.Seq != 8 {
		t.Errorf("VerifyAudit: got %+v, %v; want two earlier entries, and one in the chain", got, err)
	}
	list, err := reopened.Audit(t.Context(), store.AuditFilter{})
	if err != nil || len(list) != 3 || list[2].What != "old" {
		t.Errorf("Audit: got %+v, %v; want all three", list, err)
	}
	if n, err := reopened.Prune(t.Context(), time.Unix(1, 0)); err != nil || n != 1 {
		t.Errorf("Prune: got %d, %v; want the oldest forgotten", n, err)
	}
	got, err = store.VerifyAudit(t.Context(), reopened)
	if err != nil || got.Earlier != 1 || got.Checked != 1 {
		t.Errorf("VerifyAudit after Prune: got %+v, %v; want one earlier entry, and one in the chain", got, err)
	}
}

// BenchmarkAppend appends a thousand entries at once, as a full group of calls does, and one by one.
func BenchmarkAppend(b *testing.B) {
	for _, group := range []int{1, 16, 1000} {
		b.Run(map[int]string{1: "1000x1", 16: "62x16", 1000: "1x1000"}[group], func(b *testing.B) {
			s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "stint.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			entries := make([]store.AuditEntry, group)
			for i := range entries {
				entries[i] = store.AuditEntry{
					At: time.Unix(int64(i), 0), Who: "schedule", What: "snapshot.create", Ref: "web/us-east-1/snapshot/snap-0123456789abcdef0",
					Action: "0123456789abcdef01234567", Outcome: "ok", Request: "2f7e3f0a-1111-4444-8888-0123456789ab",
				}
			}
			for b.Loop() {
				for range 1000 / group {
					if err := s.Append(b.Context(), entries...); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
