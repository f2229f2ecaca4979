package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/store"
)

const incidentColumns = `id, version, policy, account, title, detail, opened_at, last_at, closed_at, seen, told_at, told, told_end`

func scanIncident(row scanner) (store.Incident, error) {
	var v store.Incident
	err := row.Scan(&v.Key, &v.Version, &v.Policy, &v.Account, &v.Title, &v.Detail, instant{&v.OpenedAt}, instant{&v.LastAt},
		instant{&v.ClosedAt}, &v.Count, instant{&v.ToldAt}, &v.Told, &v.ToldEnd)
	return v, err
}

// OpenIncident opens one, or counts it again. One that was closed begins anew, and people are told anew, unless they
// were told that it is open and not yet that it was over: for them it never was.
func (s *Store) OpenIncident(ctx context.Context, in store.Incident, now time.Time, entries ...store.AuditEntry) error {
	return s.write(ctx, "open incident "+in.Key, func(tx *sql.Tx) error {
		var count int
		err := tx.QueryRowContext(ctx, `INSERT INTO incident (`+incidentColumns+`) VALUES ($1, 1, $2, $3, $4, $5, $6, $6, 0, 1, 0, 0, 0)
			ON CONFLICT (id) DO UPDATE SET version = incident.version + 1, policy = excluded.policy, account = excluded.account,
				title = excluded.title, detail = excluded.detail, last_at = excluded.last_at, closed_at = 0, told_end = 0,
				opened_at = CASE WHEN incident.closed_at = 0 THEN incident.opened_at ELSE excluded.opened_at END,
				seen = CASE WHEN incident.closed_at = 0 THEN incident.seen + 1 ELSE 1 END,
				told_at = CASE WHEN incident.closed_at = 0 OR incident.told_end = 0 THEN incident.told_at ELSE 0 END,
				told = CASE WHEN incident.closed_at = 0 OR incident.told_end = 0 THEN incident.told ELSE 0 END
			RETURNING seen`,
			in.Key, in.Policy, in.Account, in.Title, in.Detail, micros(now)).Scan(&count)
		if err != nil || count > 1 {
			return err
		}
		return chain(ctx, tx, entries)
	})
}

// CloseIncidents closes those open ones whose keys are given.
func (s *Store) CloseIncidents(ctx context.Context, keys []string, now time.Time) error {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	return s.write(ctx, "close incidents", func(tx *sql.Tx) error {
		for batch := range slices.Chunk(keys, most) {
			a := args{micros(now)}
			_, err := tx.ExecContext(ctx, `UPDATE incident SET version = version + 1, closed_at = $1
				WHERE closed_at = 0 AND id IN `+list(&a, batch), a...)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Incidents lists the newest first.
func (s *Store) Incidents(ctx context.Context, ended bool, limit int) ([]store.Incident, error) {
	where := `WHERE closed_at = 0`
	if ended {
		where = ``
	}
	out, err := collect(ctx, s.db.Read, `SELECT `+incidentColumns+` FROM incident `+where+` ORDER BY opened_at DESC, id LIMIT $1`,
		[]any{limit}, scanIncident)
	if err != nil {
		return nil, s.explain("list incidents", err)
	}
	return out, nil
}

// UntoldIncidents lists what somebody may have to be told about, the oldest first.
func (s *Store) UntoldIncidents(ctx context.Context) ([]store.Incident, error) {
	out, err := collect(ctx, s.db.Read, `SELECT `+incidentColumns+` FROM incident WHERE closed_at = 0 OR (told > 0 AND told_end = 0)
		ORDER BY opened_at, id`, nil, scanIncident)
	if err != nil {
		return nil, s.explain("list untold incidents", err)
	}
	return out, nil
}

// SaveIncident updates one by compare-and-swap.
func (s *Store) SaveIncident(ctx context.Context, in store.Incident) (store.Incident, error) {
	err := s.write(ctx, "save incident "+in.Key, func(tx *sql.Tx) error {
		return execOne(ctx, tx, `UPDATE incident SET version = $2, policy = $3, account = $4, title = $5, detail = $6, opened_at = $7,
			last_at = $8, closed_at = $9, seen = $10, told_at = $11, told = $12, told_end = $13 WHERE id = $1 AND version = $14`,
			in.Key, in.Version+1, in.Policy, in.Account, in.Title, in.Detail, micros(in.OpenedAt), micros(in.LastAt),
			micros(in.ClosedAt), in.Count, micros(in.ToldAt), in.Told, flag(in.ToldEnd), in.Version)
	})
	if err != nil {
		return store.Incident{}, err
	}
	in.Version++
	return in, nil
}
