package sqlite

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlstore"
)

// TestRecordIsListedByIndexes: the record of an action or a run is found without reading all of it, by the very query that
// the store makes.
func TestRecordIsListedByIndexes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stint.db")
	db := connect(path, Options{})
	defer sqlstore.New(db).Close()
	if err := migrate(t.Context(), db.Write, path); err != nil {
		t.Fatal(err)
	}
	db.Read.SetMaxOpenConns(1) // so that the query is kept where we look
	for what, f := range map[string]store.AuditFilter{"--action": {Action: "a", Limit: 50}, "--run": {Run: "r", Limit: 50}} {
		if _, err := sqlstore.New(db).Audit(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		plan := planOf(t, db, "FROM audit")
		if plan == "" || strings.Contains(plan, "SCAN") {
			t.Errorf("audit list %s: got the query plan\n%s, want indexes alone", what, plan)
		}
	}
}

// planOf is how SQLite carries out the query that was made last and holds the words.
func planOf(t *testing.T, db sqlstore.Database, words string) string {
	t.Helper()
	one, err := db.Read.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	last, used := "", uint64(0)
	err = one.Raw(func(c any) error {
		for query, s := range c.(*conn).kept {
			if strings.Contains(query, words) && s.used > used {
				last, used = query, s.used
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := one.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+last, "x")
	if err != nil {
		t.Fatalf("the plan of %q: %v", last, err)
	}
	defer rows.Close()
	plan := ""
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan += detail + "\n"
	}
	return plan
}
