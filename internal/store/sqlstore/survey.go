package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/store"
)

const surveyColumns = `scope, version, next_at, sweep_at, watching, seen_at, looked_at, problem, class, items`

func scanSurvey(row scanner) (store.Survey, error) {
	var (
		v     store.Survey
		scope string
	)
	err := row.Scan(&scope, &v.Version, instant{&v.NextAt}, instant{&v.SweepAt}, fromJSON{&v.Watching},
		instant{&v.Look.SeenAt}, instant{&v.Look.LookedAt}, &v.Look.Problem, &v.Look.Class, &v.Items)
	if err != nil {
		return v, err
	}
	v.Scope, err = cloud.ParseScope(scope)
	return v, err
}

// Surveys lists the state of every scope, in order.
func (s *Store) Surveys(ctx context.Context) ([]store.Survey, error) {
	out, err := collect(ctx, s.db.Read, `SELECT `+surveyColumns+` FROM survey`, nil, scanSurvey)
	if err != nil {
		return nil, s.explain("list surveys", err)
	}
	slices.SortFunc(out, func(a, b store.Survey) int { return a.Scope.Compare(b.Scope) })
	return out, nil
}

// Survey gives one, or ErrNotFound.
func (s *Store) Survey(ctx context.Context, scope cloud.Scope) (store.Survey, error) {
	v, err := scanSurvey(s.db.Read.QueryRowContext(ctx, `SELECT `+surveyColumns+` FROM survey WHERE scope = $1`, scope.String()))
	if err != nil {
		return store.Survey{}, s.explain("survey of "+scope.String(), err)
	}
	return v, nil
}

// SaveSurvey writes the row by compare-and-swap, and what the look changed.
func (s *Store) SaveSurvey(ctx context.Context, row store.Survey, seen *store.Seen) (store.Survey, store.Diff, error) {
	var (
		diff  store.Diff
		items int
	)
	watching, err := text(row.Watching)
	if err != nil {
		return store.Survey{}, store.Diff{}, err
	}
	err = s.write(ctx, "save survey of "+row.Scope.String(), func(tx *sql.Tx) error {
		diff, items = store.Diff{}, row.Items
		// The row comes first: it locks the scope, so that nobody writes into it between our reading and writing.
		values := []any{
			row.Scope.String(), row.Version + 1, micros(row.NextAt), micros(row.SweepAt), watching, micros(row.Look.SeenAt),
			micros(row.Look.LookedAt), row.Look.Problem, row.Look.Class, row.Items,
		}
		var err error
		if row.Version == 0 {
			err = execOne(ctx, tx, `INSERT INTO survey (`+surveyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
				ON CONFLICT (scope) DO NOTHING`, values...)
		} else {
			err = execOne(ctx, tx, `UPDATE survey SET version = $2, next_at = $3, sweep_at = $4, watching = $5, seen_at = $6,
				looked_at = $7, problem = $8, class = $9, items = $10 WHERE scope = $1 AND version = $11`, append(values, row.Version)...)
		}
		if err != nil || seen == nil {
			return err
		}
		if diff, items, err = apply(ctx, tx, seen); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE survey SET items = $2 WHERE scope = $1`, row.Scope.String(), items)
		return err
	})
	if err != nil {
		return store.Survey{}, store.Diff{}, err
	}
	row.Version++
	row.Items = items
	return row, diff, nil
}

// known is what is stored of one thing, without its body.
type known struct {
	hash     int64
	expected int64
}

// longest is what no look takes.
const longest = time.Hour

// after says whether Expect wrote it after a look that began at the time, in microseconds.
func (k known) after(at int64) bool { return k.expected > at && k.expected-at < longest.Microseconds() }

// apply writes the differences between what is stored of the scope and what was seen, and counts what is there then.
//
// Two rules make up for looks that are older than what we know better: what Expect wrote after the look began is
// neither changed nor taken away by it, and what Expect wrote less than Grace before the look is not taken away. What it
// seems to have written long after the look was written before the clock was set back, and the look is believed.
func apply(ctx context.Context, tx *sql.Tx, seen *store.Seen) (store.Diff, int, error) {
	scope, at := seen.Scope.String(), micros(seen.At)
	before, err := knownOf(ctx, tx, scope)
	if err != nil {
		return store.Diff{}, 0, err
	}
	var (
		diff    store.Diff
		changed []store.Resource
		gone    []string
	)
	there := make(map[string]bool, len(seen.Items))
	for _, item := range seen.Items {
		there[item.ID] = true
		old, ok := before[item.ID]
		switch {
		case !ok:
			diff.Added++
		case old.hash == hash(item.Body), old.after(at):
			continue
		default:
			diff.Changed++
		}
		before[item.ID] = known{hash: hash(item.Body), expected: old.expected} // an id listed twice counts once
		changed = append(changed, item)
	}
	forget := make(map[string]bool, len(seen.Forget))
	for _, id := range seen.Forget {
		forget[id] = true
	}
	asked := make(map[string]bool, len(seen.Asked))
	for _, id := range seen.Asked {
		asked[id] = true
	}
	for id, old := range before {
		young := old.expected > 0 && at-old.expected < seen.Grace.Microseconds() && old.expected-at < longest.Microseconds()
		missing := !there[id] && (seen.Whole || asked[id]) && !old.after(at) && !young
		if missing || forget[id] {
			gone = append(gone, id)
		}
	}
	diff.Removed = len(gone)
	if err := putResources(ctx, tx, scope, changed, nil); err != nil {
		return diff, 0, err
	}
	if err := dropResources(ctx, tx, scope, gone); err != nil {
		return diff, 0, err
	}
	return diff, len(before) - len(gone), nil
}

// knownOf reads ids and hashes, never bodies.
func knownOf(ctx context.Context, tx *sql.Tx, scope string) (map[string]known, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, hash, expected_at FROM resource WHERE scope = $1`, scope)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]known{}
	for rows.Next() {
		var (
			id string
			k  known
		)
		if err := rows.Scan(&id, &k.hash, &k.expected); err != nil {
			return nil, err
		}
		out[id] = k
	}
	return out, rows.Err()
}

// hash tells bodies apart. 64 bits are enough: it is only ever compared with the one that was there before.
func hash(body []byte) int64 {
	sum := sha256.Sum256(body)
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// putResources writes bodies in batches. expected sets when they were expected; nil leaves that as it is.
func putResources(ctx context.Context, tx *sql.Tx, scope string, items []store.Resource, expected *int64) error {
	items = slices.Clone(items)
	slices.SortStableFunc(items, func(a, b store.Resource) int { return strings.Compare(a.ID, b.ID) })
	for i := 0; i < len(items); { // of an id that comes twice the last one counts; a statement may not carry both
		if i+1 < len(items) && items[i].ID == items[i+1].ID {
			items = slices.Delete(items, i, i+1)
			continue
		}
		i++
	}
	var at int64
	tail := ``
	if expected != nil {
		at, tail = *expected, `, expected_at = excluded.expected_at`
	}
	for batch := range slices.Chunk(items, rows(5)) {
		var a args
		values := a.tuples(func(yield func([]any) bool) {
			for _, r := range batch {
				if !yield([]any{scope, r.ID, hash(r.Body), at, string(r.Body)}) {
					return
				}
			}
		})
		_, err := tx.ExecContext(ctx, `INSERT INTO resource (scope, id, hash, expected_at, body) VALUES `+values+`
			ON CONFLICT (scope, id) DO UPDATE SET hash = excluded.hash, body = excluded.body`+tail, a...)
		if err != nil {
			return err
		}
	}
	return nil
}

func dropResources(ctx context.Context, tx *sql.Tx, scope string, ids []string) error {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	for batch := range slices.Chunk(ids, most) {
		a := args{scope}
		if _, err := tx.ExecContext(ctx, `DELETE FROM resource WHERE scope = $1 AND id IN `+list(&a, batch), a...); err != nil {
			return err
		}
	}
	return nil
}

// lockScope keeps a survey of the scope from being saved meanwhile. A scope that was never surveyed needs no lock.
func lockScope(ctx context.Context, tx *sql.Tx, scope string) error {
	_, err := tx.ExecContext(ctx, `UPDATE survey SET items = items WHERE scope = $1`, scope)
	return err
}

// Expect writes things that a create has just answered.
func (s *Store) Expect(ctx context.Context, scope cloud.Scope, at time.Time, items []store.Resource) error {
	return s.write(ctx, "expect in "+scope.String(), func(tx *sql.Tx) error {
		if err := lockScope(ctx, tx, scope.String()); err != nil {
			return err
		}
		us := micros(at)
		return putResources(ctx, tx, scope.String(), items, &us)
	})
}

// Forget takes out things that a delete has just removed.
func (s *Store) Forget(ctx context.Context, scope cloud.Scope, ids []string) error {
	return s.write(ctx, "forget in "+scope.String(), func(tx *sql.Tx) error {
		if err := lockScope(ctx, tx, scope.String()); err != nil {
			return err
		}
		return dropResources(ctx, tx, scope.String(), ids)
	})
}

// DropScopes forgets scopes with their resources, and accounts of which no scope is left.
func (s *Store) DropScopes(ctx context.Context, scopes []cloud.Scope) error {
	return s.write(ctx, "drop scopes", func(tx *sql.Tx) error {
		gone := map[string]bool{}
		for _, scope := range scopes {
			gone[scope.Account] = true
			if _, err := tx.ExecContext(ctx, `DELETE FROM survey WHERE scope = $1`, scope.String()); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM resource WHERE scope = $1`, scope.String()); err != nil {
				return err
			}
		}
		left, err := collect(ctx, tx, `SELECT `+surveyColumns+` FROM survey`, nil, scanSurvey)
		if err != nil {
			return err
		}
		for _, row := range left {
			delete(gone, row.Scope.Account)
		}
		for account := range gone {
			if _, err := tx.ExecContext(ctx, `DELETE FROM account WHERE name = $1`, account); err != nil {
				return err
			}
		}
		return nil
	})
}
