package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/pgtest"
	"github.com/stint-cloud/stint/internal/store/postgres"
	"github.com/stint-cloud/stint/internal/store/storetest"
)

// raw runs statements on the database, not through a store.
func raw(t *testing.T, address string, statements ...string) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	for _, q := range statements {
		if _, err := db.Exec(t.Context(), q); err != nil {
			t.Fatalf("%s: got error %v, want none", q, err)
		}
	}
}

func TestTampered(t *testing.T) {
	server := pgtest.Start(t)
	storetest.Tampered(t, func(t *testing.T) (store.Store, func(...string)) {
		address := server.Database(t)
		return open(t, address), func(statements ...string) { raw(t, address, statements...) }
	})
}

// TestChainBeginsAfterWhatWasThere: a database from before there was a chain goes on, and its older entries are kept.
func TestChainBeginsAfterWhatWasThere(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	s, err := postgres.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, address, `ALTER TABLE action DROP COLUMN armed`, `DROP INDEX audit_action, audit_run`, `DROP TABLE audit_head`, `ALTER TABLE audit DROP COLUMN hash`, `ALTER TABLE audit ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY`,
		`DELETE FROM stint_version WHERE version_id > 1`,
		`INSERT INTO audit (noted_at, who, what, ref, action, run, outcome, code, request, detail) SELECT n, 'ann', 'old', '', '', '', 'ok', '', '', '' FROM generate_series(1, 3) AS n`,
		`DELETE FROM audit WHERE seq = 2`)
	reopened := open(t, address)
	if err := reopened.Append(t.Context(), store.AuditEntry{At: time.Unix(3, 0), What: "new"}); err != nil {
		t.Fatalf("Append: got error %v, want none", err)
	}
	got, err := store.VerifyAudit(t.Context(), reopened)
	if err != nil || got.Earlier != 2 || got.Checked != 1 || got.Anchor != (store.Head{Seq: 3}) || got.Head.Seq != 4 {
		t.Errorf("VerifyAudit: got %+v, %v; want two earlier entries, and one in the chain", got, err)
	}
}

// TestWorkersMakeOneChain: two processes that append at the same time make one chain.
func TestWorkersMakeOneChain(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	const each = 100
	done := make(chan error, 2)
	for _, who := range []string{"a", "b"} {
		s := open(t, address)
		go func() {
			for range each {
				if err := s.Append(t.Context(), store.AuditEntry{Who: who}); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("Append: got error %v, want none", err)
		}
	}
	if got, err := store.VerifyAudit(t.Context(), open(t, address)); err != nil || got.Checked != 2*each {
		t.Errorf("VerifyAudit: got %+v, %v; want %d entries in one chain", got, err, 2*each)
	}
}
