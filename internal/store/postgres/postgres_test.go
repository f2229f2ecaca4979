package postgres_test

import (
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/pgtest"
	"github.com/stint-cloud/stint/internal/store/postgres"
	"github.com/stint-cloud/stint/internal/store/sqlite"
	"github.com/stint-cloud/stint/internal/store/storetest"
)

func open(t *testing.T, address string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), address)
	if err != nil {
		t.Fatalf("Open: got error %v, want none", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: got error %v, want none", err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	server := pgtest.Start(t)
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, server.Database(t)) })
}

func TestPasswordStaysOut(t *testing.T) {
	server := pgtest.Start(t)
	address := server.Database(t)
	const secret = "s3cr%zt-word"
	for _, address := range []string{
		"postgres://stint:" + secret + "@127.0.0.1:1/x?connect_timeout=1",
		"postgres://stint:" + secret + "@[::1/x",
		"postgres://stint:" + secret + "@127.0.0.1:notaport/x",
		"host=127.0.0.1 port=1 connect_timeout=1 user=stint password=" + secret,
		"host=127.0.0.1 port=x user=stint password=" + secret,
		"postgres://stint:s3cr-word@127.0.0.1:1/x?connect_timeout=1",
		strings.Replace(address, "user=stint", "user=nobody&password="+url.QueryEscape(secret), 1),
	} {
		s, err := postgres.Open(t.Context(), address)
		if err == nil {
			s.Close()
			t.Fatalf("Open of an address that is wrong: got no error, want one")
		}
		for ; err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), "s3cr") {
				t.Fatalf("Open: got error %q, want one without the password", err)
			}
		}
	}
}

func TestOpenedByManyAtOnce(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, err := postgres.Open(t.Context(), address)
			if err != nil {
				t.Errorf("Open by six at once: got error %v, want none", err)
				return
			}
			defer s.Close()
			if err := s.SetFact(t.Context(), "k", "v"); err != nil {
				t.Errorf("SetFact: got error %v, want none", err)
			}
		})
	}
	wg.Wait()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `INSERT INTO stint_version (version_id, is_applied) VALUES (9999, true)`); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Open(t.Context(), address); err == nil || !strings.Contains(err.Error(), "newer than this program") {
		t.Fatalf("Open of a newer schema: got error %v, want it refused", err)
	}
}

// TestSchemasAgree compares what the two dialects' migrations make: tables, columns, their types, what may be null.
func TestSchemasAgree(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	open(t, address)
	path := filepath.Join(t.TempDir(), "stint.db")
	lite, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	lite.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	pg, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Close()
	const skip = ` NOT LIKE 'stint_version%'`
	got := shape(t, db, `SELECT m.name || '.' || c.name || ' ' || CASE WHEN c.type = 'INTEGER' THEN 'BIGINT' ELSE c.type END || ' ' ||
		CASE WHEN c."notnull" = 1 OR c.type = 'INTEGER' THEN 'NOT NULL' ELSE 'NULL' END || ' key ' || (c.pk > 0)
		FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name`+skip)
	want := shape(t, pg, `SELECT c.table_name || '.' || c.column_name || ' ' || upper(c.data_type) || ' ' ||
		CASE c.is_nullable WHEN 'NO' THEN 'NOT NULL' ELSE 'NULL' END || ' key ' || (SELECT COUNT(*) FROM information_schema.table_constraints k
			JOIN information_schema.key_column_usage u USING (constraint_name) WHERE k.constraint_type = 'PRIMARY KEY' AND u.table_name = c.table_name AND u.column_name = c.column_name)
		FROM information_schema.columns c WHERE c.table_schema = 'public' AND c.table_name`+skip)
	if !slices.Equal(got, want) {
		t.Fatalf("schemas:\nSQLite     %s\nPostgreSQL %s", strings.Join(got, "\n           "), strings.Join(want, "\n           "))
	}
	got = shape(t, db, `SELECT name FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite_%' AND name`+skip)
	want = shape(t, pg, `SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%_pkey' AND indexname`+skip)
	if !slices.Equal(got, want) {
		t.Fatalf("indexes: SQLite %q, PostgreSQL %q, want the same", got, want)
	}
	// What is ordered or compared by Stint must be so by bytes, whatever the database's language.
	loose := shape(t, pg, `SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'
		AND table_name`+skip+` AND column_name IN ('scope', 'id', 'name') AND collation_name IS DISTINCT FROM 'C'`)
	if len(loose) > 0 {
		t.Fatalf("keys that are not COLLATE \"C\": got %q, want none", loose)
	}
}

func shape(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		out = append(out, line)
	}
	if len(out) == 0 && !strings.Contains(query, "DISTINCT") {
		t.Fatalf("%s: got nothing, want some", query)
	}
	slices.Sort(out)
	return out
}

// TestCommitsOutliveTheServer wants commits that a crash of the server does not lose, whatever the server is set to,
// unless the address says otherwise.
func TestCommitsOutliveTheServer(t *testing.T) {
	server := pgtest.Start(t) // it runs with synchronous_commit=off, as it says
	address := server.Database(t)
	for _, c := range []struct{ address, want string }{
		{address, "on"},
		{address + "&synchronous_commit=local", "local"},
	} {
		var got string
		if err := open(t, c.address).Pool().QueryRow(t.Context(), `SHOW synchronous_commit`).Scan(&got); err != nil || got != c.want {
			t.Errorf("synchronous_commit of %s: got %q (%v), want %q", c.address, got, err, c.want)
		}
	}
}
