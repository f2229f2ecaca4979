package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/stint-cloud/stint/internal/store"
)

// Fact gives what was kept under the key, empty when there is nothing.
func (s *Store) Fact(ctx context.Context, key string) (string, error) {
	var v string
	err := s.db.Read.QueryRowContext(ctx, `SELECT value FROM fact WHERE id = $1`, key).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", s.explain("fact "+key, err)
	}
	return v, nil
}

// SetFact keeps one.
func (s *Store) SetFact(ctx context.Context, key, value string) error {
	return s.write(ctx, "set fact "+key, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO fact (id, value) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET value = excluded.value`, key, value)
		return err
	})
}

// Due lists rows whose time has come, the most overdue first. A survey or policy without a time is never due.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]store.Due, error) {
	out, err := collect(ctx, s.db.Read, `
		SELECT 'survey' AS kind, scope AS id, next_at AS due_at FROM survey WHERE next_at > 0 AND next_at <= $1
		UNION ALL SELECT 'policy', name, next_at FROM policy_state WHERE next_at > 0 AND next_at <= $1
		UNION ALL SELECT 'action', id, due_at FROM action WHERE due_at > 0 AND due_at <= $1
		ORDER BY due_at, kind, id LIMIT $2`, []any{micros(now), limit}, func(row scanner) (d store.Due, err error) {
		return d, row.Scan(&d.Kind, &d.Key, instant{&d.At})
	})
	if err != nil {
		return nil, s.explain("list what is due", err)
	}
	return out, nil
}

// Prune forgets what ended before the time. A run stays while one of its actions has not ended, and an incident while
// somebody who was told of it waits to be told of its end.
func (s *Store) Prune(ctx context.Context, before time.Time) (int64, error) {
	const over = `ended_at > 0 AND ended_at < $1 AND NOT EXISTS (
		SELECT 1 FROM action WHERE action.run = run.id AND action.state NOT IN ('done', 'failed', 'skipped', 'cancelled'))`
	var total int64
	err := s.write(ctx, "prune", func(tx *sql.Tx) error {
		total = 0
		for _, query := range []string{
			`DELETE FROM action WHERE run IN (SELECT id FROM run WHERE ` + over + `)`,
			`DELETE FROM run WHERE ` + over,
			`DELETE FROM incident WHERE closed_at > 0 AND closed_at < $1 AND NOT (told > 0 AND told_end = 0)`,
		} {
			res, err := tx.ExecContext(ctx, query, micros(before))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			total += n
		}
		n, err := pruneAudit(ctx, tx, before)
		total += n
		return err
	})
	return total, err
}
