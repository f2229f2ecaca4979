package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

const runColumns = `id, version, policy, cause, who, plan_hash, state, cancel, started_at, ended_at`

func scanRun(row scanner) (store.Run, error) {
	var v store.Run
	err := row.Scan(&v.ID, &v.Version, &v.Policy, &v.Trigger, &v.By, &v.PlanHash, &v.State, &v.Cancel, instant{&v.StartedAt}, instant{&v.EndedAt})
	return v, err
}

// errNothing ends a transaction that turned out to be about nothing.
var errNothing = errors.New("nothing to start")

// StartRun commits a run and its actions together. One upsert decides for each action who gets it, so of two workers
// that start the same action at the same time the second finds nothing to start.
func (s *Store) StartRun(ctx context.Context, run store.Run, actions []plan.Action, now time.Time, entries ...store.AuditEntry) ([]string, error) {
	sorted := slices.Clone(actions) // in one order everywhere, so that two workers never wait for each other
	slices.SortStableFunc(sorted, func(a, b plan.Action) int { return strings.Compare(a.ID, b.ID) })
	sorted = slices.CompactFunc(sorted, func(a, b plan.Action) bool { return a.ID == b.ID })
	bodies := make(map[string]string, len(sorted))
	for _, a := range sorted {
		body, err := text(a)
		if err != nil {
			return nil, err
		}
		bodies[a.ID] = body
	}
	var got map[string]bool
	err := s.write(ctx, "start run "+run.ID, func(tx *sql.Tx) error {
		got = map[string]bool{}
		for batch := range slices.Chunk(sorted, rows(19)) {
			ids, err := arm(ctx, tx, run.ID, batch, bodies, micros(now))
			if err != nil {
				return err
			}
			for _, id := range ids {
				got[id] = true
			}
		}
		if len(got) == 0 {
			return errNothing
		}
		err := execOne(ctx, tx, `INSERT INTO run (`+runColumns+`) VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (id) DO NOTHING`, run.ID, run.Policy, run.Trigger, run.By, run.PlanHash, string(run.State), flag(run.Cancel),
			micros(run.StartedAt), micros(run.EndedAt))
		if err != nil {
			return err
		}
		return chain(ctx, tx, store.EntriesOf(entries, func(id string) bool { return got[id] }))
	})
	if errors.Is(err, errNothing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, a := range actions {
		if got[a.ID] {
			out = append(out, a.ID)
			delete(got, a.ID)
		}
	}
	return out, nil
}

// arm inserts actions, and takes over those that ended without effect. It gives the ids that are now the run's.
func arm(ctx context.Context, tx *sql.Tx, run string, actions []plan.Action, bodies map[string]string, now int64) ([]string, error) {
	var a args
	values := a.tuples(func(yield func([]any) bool) {
		for _, v := range actions {
			if !yield([]any{v.ID, run, int64(1), string(store.ActionPlanned), int64(0), now, int64(0), now, v.Policy, v.Backup, "", "", "", "[]", now, int64(0), int64(0), int64(0), bodies[v.ID]}) {
				return
			}
		}
	})
	return collect(ctx, tx, `INSERT INTO action (`+actionColumns+`) VALUES `+values+`
		ON CONFLICT (id) DO UPDATE SET run = excluded.run, version = action.version + 1, state = excluded.state,
			attempts = excluded.attempts, next_at = excluded.next_at, deadline = excluded.deadline, due_at = excluded.due_at,
			policy = excluded.policy, backup = excluded.backup, class = excluded.class, code = excluded.code,
			problem = excluded.problem, made = excluded.made, created_at = excluded.created_at, started_at = excluded.started_at,
			ended_at = excluded.ended_at, body = excluded.body,
			armed = action.armed + CASE WHEN action.state = 'failed' THEN 1 ELSE 0 END
		WHERE action.state IN ('failed', 'skipped', 'cancelled')
		RETURNING id`, a, func(row scanner) (id string, err error) { return id, row.Scan(&id) })
}

// Run gives one, with its counts, or ErrNotFound.
func (s *Store) Run(ctx context.Context, id string) (store.Run, error) {
	runs, err := s.runs(ctx, "run "+id, `WHERE id = $1`, id)
	if err != nil {
		return store.Run{}, err
	}
	if len(runs) == 0 {
		return store.Run{}, s.explain("run "+id, store.ErrNotFound)
	}
	return runs[0], nil
}

// Working gives a run without its counts, and whether one of its actions has not ended: an index answers that at once.
func (s *Store) Working(ctx context.Context, id string) (run store.Run, open bool, err error) {
	what := "run " + id
	err = s.read(ctx, what, func(tx *sql.Tx) error {
		var err error
		if run, err = scanRun(tx.QueryRowContext(ctx, `SELECT `+runColumns+` FROM run WHERE id = $1`, id)); err != nil {
			return err
		}
		var one int
		err = tx.QueryRowContext(ctx, `SELECT 1 FROM action WHERE run = $1 AND state IN ('planned', 'calling', 'unclear') LIMIT 1`, id).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			open = false
			return nil
		}
		open = err == nil
		return err
	})
	if err != nil {
		return store.Run{}, false, err
	}
	return run, open, nil
}

// Runs lists the newest first.
func (s *Store) Runs(ctx context.Context, policy string, limit int) ([]store.Run, error) {
	if policy == "" {
		return s.runs(ctx, "list runs", `ORDER BY started_at DESC, id DESC LIMIT $1`, limit)
	}
	return s.runs(ctx, "list runs", `WHERE policy = $1 ORDER BY started_at DESC, id DESC LIMIT $2`, policy, limit)
}

// ActiveRuns lists the runs that have not ended, the oldest first.
func (s *Store) ActiveRuns(ctx context.Context) ([]store.Run, error) {
	return s.runs(ctx, "list active runs", `WHERE ended_at = 0 ORDER BY started_at, id`)
}

func (s *Store) runs(ctx context.Context, what, where string, params ...any) ([]store.Run, error) {
	var runs []store.Run
	err := s.read(ctx, what, func(tx *sql.Tx) error {
		var err error
		if runs, err = collect(ctx, tx, `SELECT `+runColumns+` FROM run `+where, params, scanRun); err != nil {
			return err
		}
		at := make(map[string]int, len(runs))
		ids := make([]string, len(runs))
		for i := range runs {
			runs[i].Counts = map[store.ActionState]int{}
			at[runs[i].ID], ids[i] = i, runs[i].ID
		}
		for batch := range slices.Chunk(ids, most) {
			var a args
			in := list(&a, batch)
			_, err := collect(ctx, tx, `SELECT run, state, COUNT(*) FROM action WHERE run IN `+in+` GROUP BY run, state`, a,
				func(row scanner) (struct{}, error) {
					var (
						id, state string
						n         int
					)
					err := row.Scan(&id, &state, &n)
					if err == nil {
						runs[at[id]].Counts[store.ActionState(state)] = n
					}
					return struct{}{}, err
				})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return runs, err
}

// SaveRun updates a run by compare-and-swap.
func (s *Store) SaveRun(ctx context.Context, run store.Run, entries ...store.AuditEntry) (store.Run, error) {
	err := s.write(ctx, "save run "+run.ID, func(tx *sql.Tx) error {
		err := execOne(ctx, tx, `UPDATE run SET version = $2, policy = $3, cause = $4, who = $5, plan_hash = $6, state = $7,
			cancel = $8, started_at = $9, ended_at = $10 WHERE id = $1 AND version = $11`,
			run.ID, run.Version+1, run.Policy, run.Trigger, run.By, run.PlanHash, string(run.State), flag(run.Cancel),
			micros(run.StartedAt), micros(run.EndedAt), run.Version)
		if err != nil {
			return err
		}
		return chain(ctx, tx, entries)
	})
	if err != nil {
		return store.Run{}, err
	}
	run.Version++
	return run, nil
}
