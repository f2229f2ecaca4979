package sqlite

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
)

// TestStatementsAreKept: a statement is compiled once, used again with other arguments, reads right while another reading
// of it goes on, survives a change of the schema, and gives way when there are too many.
func TestStatementsAreKept(t *testing.T) {
	db := sql.OpenDB(&connector{name: "file:" + filepath.Join(t.TempDir(), "x.db")})
	defer db.Close()
	db.SetMaxOpenConns(1)
	ctx := t.Context()
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(ctx, query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	exec(`CREATE TABLE n (v INTEGER); CREATE TABLE other (v TEXT)`) // a script runs to its end
	exec(`INSERT INTO other (v) VALUES ('x')`)
	for i := range 5 {
		exec(`INSERT INTO n (v) VALUES ($1)`, i)
	}
	sum := func(from int) (total int) {
		t.Helper()
		if err := db.QueryRowContext(ctx, `SELECT total(v) FROM n WHERE v >= $1`, from).Scan(&total); err != nil {
			t.Fatal(err)
		}
		return total
	}
	if a, b := sum(0), sum(3); a != 10 || b != 7 {
		t.Errorf("sums: got %d and %d, want 10 and 7", a, b)
	}

	one, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const list = `SELECT v FROM n WHERE v >= $1 ORDER BY v`
	pairs := ""
	outer, err := one.QueryContext(ctx, list, 3)
	if err != nil {
		t.Fatal(err)
	}
	for outer.Next() {
		var a, b int
		if err := outer.Scan(&a); err != nil {
			t.Fatal(err)
		}
		if err := one.QueryRowContext(ctx, list, a).Scan(&b); err != nil { // the same statement, while it is being read
			t.Fatal(err)
		}
		pairs += fmt.Sprint(a, b, " ")
	}
	if err := outer.Err(); err != nil || pairs != "3 3 4 4 " {
		t.Errorf("a statement within itself: got %q (%v), want %q", pairs, err, "3 3 4 4 ")
	}
	err = one.Raw(func(c any) error {
		kept := c.(*conn).kept
		if kept[list] == nil || kept[list].busy {
			t.Errorf("kept: got %v, want the list among them, and free again", kept)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}

	exec(`ALTER TABLE n ADD COLUMN w INTEGER NOT NULL DEFAULT 7`)
	if got := sum(4); got != 4 {
		t.Errorf("sum after the schema has changed: got %d, want 4", got)
	}
	for i := range 2 * keptStatements {
		exec(fmt.Sprintf(`UPDATE n SET w = $1 WHERE v = %d`, i), i)
	}
	if one, err = db.Conn(ctx); err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	_ = one.Raw(func(c any) error {
		if n := len(c.(*conn).kept); n != keptStatements {
			t.Errorf("kept statements: got %d, want %d", n, keptStatements)
		}
		return nil
	})
}
