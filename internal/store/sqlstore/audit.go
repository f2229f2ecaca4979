package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stint-cloud/stint/internal/store"
)

const auditColumns = `seq, noted_at, who, what, ref, action, run, outcome, code, request, detail, hash`

func scanEntry(row scanner) (e store.AuditEntry, err error) {
	return e, row.Scan(&e.Seq, instant{&e.At}, &e.Who, &e.What, &e.Ref, &e.Action, &e.Run, &e.Outcome, &e.Code, &e.Request, &e.Detail, &e.Hash)
}

func scanEnds(row scanner) (anchor, head store.Head, err error) {
	return anchor, head, row.Scan(&anchor.Seq, &anchor.Hash, &head.Seq, &head.Hash)
}

// chain appends entries to the record. It is the last thing that a transaction does: the head's row stays locked until
// the commit, and is always locked after any other row, so that no two transactions wait for each other.
func chain(ctx context.Context, tx *sql.Tx, entries []store.AuditEntry) error {
	if len(entries) == 0 {
		return nil
	}
	var head store.Head
	err := tx.QueryRowContext(ctx, `UPDATE audit_head SET seq = seq + $1 WHERE id = 'chain' RETURNING seq, hash`, len(entries)).Scan(&head.Seq, &head.Hash)
	if err != nil {
		return err
	}
	head.Seq -= int64(len(entries))
	linked, head := store.Chain(head, entries)
	for batch := range slices.Chunk(linked, rows(12)) {
		var a args
		values := a.tuples(func(yield func([]any) bool) {
			for _, e := range batch {
				if !yield([]any{e.Seq, micros(e.At), e.Who, e.What, e.Ref, e.Action, e.Run, e.Outcome, e.Code, e.Request, e.Detail, e.Hash}) {
					return
				}
			}
		})
		if _, err := tx.ExecContext(ctx, `INSERT INTO audit (`+auditColumns+`) VALUES `+values, a...); err != nil {
			return err
		}
	}
	return execOne(ctx, tx, `UPDATE audit_head SET hash = $1 WHERE id = 'chain'`, head.Hash)
}

// Append adds entries to the record, in the order given.
func (s *Store) Append(ctx context.Context, entries ...store.AuditEntry) error {
	if len(entries) == 0 {
		return nil
	}
	return s.write(ctx, "append to the record", func(tx *sql.Tx) error { return chain(ctx, tx, entries) })
}

// Audit lists the newest entries first.
func (s *Store) Audit(ctx context.Context, f store.AuditFilter) ([]store.AuditEntry, error) {
	var (
		a     args
		where []string
	)
	and := func(text string, v any) { where = append(where, strings.ReplaceAll(text, "?", a.add(v))) }
	if !f.Since.IsZero() {
		and(`noted_at >= ?`, micros(f.Since))
	}
	if !f.Until.IsZero() {
		and(`noted_at < ?`, micros(f.Until))
	}
	if f.Before > 0 {
		and(`seq < ?`, f.Before)
	}
	for _, c := range []struct{ column, want string }{{"who", f.Who}, {"action", f.Action}, {"outcome", f.Outcome}} {
		if c.want != "" {
			and(c.column+` = ?`, c.want)
		}
	}
	if f.Run != "" { // a call knows its action alone
		// Each half by an index of its own: the two joined by OR would be a scan of the whole record on PostgreSQL.
		and(`seq IN (SELECT seq FROM audit WHERE run = ? AND run <> '' UNION SELECT audit.seq FROM action JOIN audit ON audit.action = action.id WHERE action.run = ?)`, f.Run)
	}
	if f.What != "" {
		and(`substr(what, 1, `+strconv.Itoa(utf8.RuneCountInString(f.What))+`) = ?`, f.What)
	}
	if f.Ref != "" {
		and(`replace(ref, ?, '') <> ref`, f.Ref) // a search that both dialects have, and that minds the case in both
	}
	query := `SELECT ` + auditColumns + ` FROM audit`
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, ` AND `)
	}
	query += ` ORDER BY seq DESC`
	if f.Limit > 0 {
		query += ` LIMIT ` + strconv.Itoa(f.Limit)
	}
	out, err := collect(ctx, s.db.Read, query, a, scanEntry)
	if err != nil {
		return nil, s.explain("list the record", err)
	}
	return out, nil
}

const selectEnds = `SELECT anchor_seq, anchor_hash, seq, hash FROM audit_head WHERE id = 'chain'`

// AuditHead gives both ends of the chain.
func (s *Store) AuditHead(ctx context.Context) (anchor, head store.Head, err error) {
	anchor, head, err = scanEnds(s.db.Read.QueryRowContext(ctx, selectEnds))
	if err != nil {
		return store.Head{}, store.Head{}, s.explain("head of the record", err)
	}
	return anchor, head, nil
}

// page is how many entries a walk holds at a time.
const page = 500

// WalkAudit gives the ends of the chain and then every entry, the oldest first, as of one moment. It reads page by page:
// whoever takes the entries may be slow, and PostgreSQL does not like a query that is left half read.
func (s *Store) WalkAudit(ctx context.Context, begin func(anchor, head store.Head) error, each func(store.AuditEntry) error) error {
	var theirs error // of begin or each: given back as it is
	err := s.read(ctx, "read the record", func(tx *sql.Tx) error {
		anchor, head, err := scanEnds(tx.QueryRowContext(ctx, selectEnds))
		if err != nil {
			return err
		}
		if theirs = begin(anchor, head); theirs != nil {
			return theirs
		}
		where, params := ``, []any(nil)
		for {
			list, err := collect(ctx, tx, `SELECT `+auditColumns+` FROM audit `+where+` ORDER BY seq LIMIT `+strconv.Itoa(page), params, scanEntry)
			if err != nil {
				return err
			}
			for _, e := range list {
				if theirs = each(e); theirs != nil {
					return theirs
				}
			}
			if len(list) < page {
				return nil
			}
			where, params = `WHERE seq > $1`, []any{list[len(list)-1].Seq}
		}
	})
	if theirs != nil {
		return theirs
	}
	return err
}

// pruneAudit forgets the record from its beginning up to the first entry that is not older, moves the anchor there, and
// has the chain say so. An entry that is older but stands behind a younger one stays until that one goes: a chain can
// only be shortened from its end.
func pruneAudit(ctx context.Context, tx *sql.Tx, before time.Time) (int64, error) {
	// Locked first: what others append meanwhile must not get lost between the two ends.
	anchor, _, err := scanEnds(tx.QueryRowContext(ctx, `UPDATE audit_head SET id = id WHERE id = 'chain' RETURNING anchor_seq, anchor_hash, seq, hash`))
	if err != nil {
		return 0, err
	}
	var cut store.Head
	err = tx.QueryRowContext(ctx, `SELECT seq, hash FROM audit
		WHERE seq < COALESCE((SELECT seq FROM audit WHERE noted_at >= $1 ORDER BY seq LIMIT 1), (SELECT MAX(seq) + 1 FROM audit))
		ORDER BY seq DESC LIMIT 1`, micros(before)).Scan(&cut.Seq, &cut.Hash)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	res, err := tx.ExecContext(ctx, `DELETE FROM audit WHERE seq <= $1`, cut.Seq)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	if err != nil || cut.Seq <= anchor.Seq { // only entries from before there was a chain
		return n, err
	}
	if err := execOne(ctx, tx, `UPDATE audit_head SET anchor_seq = $1, anchor_hash = $2 WHERE id = 'chain'`, cut.Seq, cut.Hash); err != nil {
		return 0, err
	}
	return n, chain(ctx, tx, []store.AuditEntry{{
		At: time.Now(), Who: "stint", What: store.AuditPruned, Ref: cut.String(), Outcome: "ok",
		Detail: "entries from before " + before.UTC().Format(time.RFC3339) + " are forgotten, up to this one",
	}})
}
