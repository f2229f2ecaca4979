package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"
)

// TakePace is one generic cell rate step. tat, the theoretical arrival time, is when the bucket would be full again; a
// call may come up to slack (the burst as a time) before it. One upsert reads, decides and writes, so all workers share
// the rate exactly.
func (s *Store) TakePace(ctx context.Context, key string, now time.Time, rate float64, burst int, longest time.Duration) (time.Duration, bool, error) {
	if !(rate > 0) || math.IsInf(rate, 1) {
		return 0, false, fmt.Errorf("pace of %s: a rate of %v calls a second cannot be kept", key, rate)
	}
	var (
		at    = now.UnixMicro()
		step  = max(1, int64(math.Round(1e6/rate)))
		slack = step * int64(max(0, burst-1))
		wait  int64
		ok    bool
	)
	err := s.write(ctx, "pace of "+key, func(tx *sql.Tx) error {
		got, err := collect(ctx, tx, `INSERT INTO pace (id, tat, not_before, slack)
			VALUES ($1, CAST($2 AS BIGINT) + CAST($3 AS BIGINT), 0, CAST($4 AS BIGINT))
			ON CONFLICT (id) DO UPDATE SET slack = excluded.slack,
				tat = CAST($3 AS BIGINT) + CASE WHEN pace.tat >= pace.not_before AND pace.tat >= CAST($2 AS BIGINT) THEN pace.tat
					WHEN pace.not_before >= CAST($2 AS BIGINT) THEN pace.not_before ELSE CAST($2 AS BIGINT) END
			WHERE pace.tat <= CAST($2 AS BIGINT) + CAST($4 AS BIGINT) + CAST($5 AS BIGINT)
				AND pace.not_before <= CAST($2 AS BIGINT) + CAST($5 AS BIGINT)
			RETURNING tat, not_before`, []any{key, at, step, slack, longest.Microseconds()}, scanPace)
		if err != nil {
			return err
		}
		ok = len(got) == 1
		if ok {
			wait = max(0, got[0].tat-step-slack-at, got[0].notBefore-at)
			return nil
		}
		got, err = collect(ctx, tx, `SELECT tat, not_before FROM pace WHERE id = $1`, []any{key}, scanPace)
		if err == nil && len(got) == 1 {
			wait = max(0, got[0].tat-slack-at, got[0].notBefore-at)
		}
		return err
	})
	if err != nil {
		return 0, false, err
	}
	return time.Duration(wait) * time.Microsecond, ok, nil
}

type paceRow struct{ tat, notBefore int64 }

func scanPace(row scanner) (p paceRow, err error) { return p, row.Scan(&p.tat, &p.notBefore) }

// PushPace makes everybody stay away from the key until at least the time. The burst is used up then, so that the
// calls that waited do not all come at once.
func (s *Store) PushPace(ctx context.Context, key string, until time.Time) error {
	return s.write(ctx, "push pace of "+key, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO pace (id, tat, not_before, slack) VALUES ($1, CAST($2 AS BIGINT), CAST($2 AS BIGINT), 0)
			ON CONFLICT (id) DO UPDATE SET
				not_before = CASE WHEN pace.not_before > excluded.not_before THEN pace.not_before ELSE excluded.not_before END,
				tat = CASE WHEN pace.tat > excluded.tat + pace.slack THEN pace.tat ELSE excluded.tat + pace.slack END`, key, until.UnixMicro())
		return err
	})
}
