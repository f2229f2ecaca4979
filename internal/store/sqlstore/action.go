package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"

	"github.com/stint-cloud/stint/internal/store"
)

const actionColumns = `id, run, version, state, attempts, next_at, deadline, due_at, policy, backup, class, code, problem, made, created_at, started_at, ended_at, armed, body`

func scanAction(row scanner) (store.ActionRow, error) {
	var (
		v                  store.ActionRow
		id, policy, backup string
		due                int64
	)
	err := row.Scan(&id, &v.Run, &v.Version, &v.State, &v.Attempts, instant{&v.NextAt}, instant{&v.Deadline}, &due, &policy, &backup,
		&v.Class, &v.Code, &v.Problem, fromJSON{&v.Made}, instant{&v.CreatedAt}, instant{&v.StartedAt}, instant{&v.EndedAt}, &v.Armed, fromJSON{&v.Action})
	return v, err
}

// dueAt is when the sweep wakes the action: at its next step, or when a call that is under way is overdue. An action
// that has not ended is always due some time: one without a time is due at once, never forgotten.
func dueAt(row store.ActionRow) int64 {
	switch row.State {
	case store.ActionPlanned, store.ActionUnclear:
		return max(1, micros(row.NextAt))
	case store.ActionCalling:
		return max(1, micros(row.Deadline))
	}
	return 0
}

// Action gives one, or ErrNotFound.
func (s *Store) Action(ctx context.Context, id string) (store.ActionRow, error) {
	v, err := scanAction(s.db.Read.QueryRowContext(ctx, `SELECT `+actionColumns+` FROM action WHERE id = $1`, id))
	if err != nil {
		return store.ActionRow{}, s.explain("action "+id, err)
	}
	return v, nil
}

// Actions lists those that the filter asks for, by creation, then id.
func (s *Store) Actions(ctx context.Context, f store.ActionFilter) ([]store.ActionRow, error) {
	if len(f.IDs) <= most && len(f.Backups) <= most && len(f.Policies) <= most {
		return s.actions(ctx, s.db.Read, f)
	}
	var out []store.ActionRow
	err := s.read(ctx, "list actions", func(tx *sql.Tx) error {
		out = nil
		for _, part := range split(f) {
			rows, err := s.actions(ctx, tx, part)
			if err != nil {
				return err
			}
			out = append(out, rows...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b store.ActionRow) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	out = slices.CompactFunc(out, func(a, b store.ActionRow) bool { return a.ID == b.ID })
	if f.Limit > 0 && len(out) > f.Limit {
		out = out[:f.Limit]
	}
	return out, nil
}

// split makes filters whose lists fit into one statement, and that together ask for the same.
func split(f store.ActionFilter) []store.ActionFilter {
	var out []store.ActionFilter
	for _, ids := range chunks(f.IDs) {
		for _, backups := range chunks(f.Backups) {
			for _, policies := range chunks(f.Policies) {
				part := f
				part.IDs, part.Backups, part.Policies = ids, backups, policies
				out = append(out, part)
			}
		}
	}
	return out
}

func chunks(values []string) [][]string {
	if len(values) == 0 {
		return [][]string{nil}
	}
	return slices.Collect(slices.Chunk(values, most))
}

// actions makes one statement for each half of what Since asks for: with both in one, no index would serve.
func (s *Store) actions(ctx context.Context, q querier, f store.ActionFilter) ([]store.ActionRow, error) {
	var open []store.ActionRow
	if !f.Since.IsZero() {
		var err error
		if open, err = s.someActions(ctx, q, f, true); err != nil {
			return nil, err
		}
	}
	rows, err := s.someActions(ctx, q, f, false)
	if err != nil {
		return nil, err
	}
	rows = append(open, rows...)
	if f.Limit > 0 && len(rows) > f.Limit {
		rows = rows[:f.Limit]
	}
	return rows, nil
}

func (s *Store) someActions(ctx context.Context, q querier, f store.ActionFilter, older bool) ([]store.ActionRow, error) {
	var (
		a     args
		where []string
	)
	if f.Run != "" {
		where = append(where, `run = `+a.add(f.Run))
	}
	if len(f.Policies) > 0 {
		where = append(where, `policy IN `+list(&a, f.Policies))
	}
	if len(f.States) > 0 {
		states := make([]string, len(f.States))
		for i, state := range f.States {
			states[i] = string(state)
		}
		where = append(where, `state IN `+list(&a, states))
	}
	if len(f.IDs) > 0 {
		where = append(where, `id IN `+list(&a, f.IDs))
	}
	if len(f.Backups) > 0 {
		where = append(where, `backup IN `+list(&a, f.Backups))
	}
	switch {
	case f.Since.IsZero():
	case older: // what is open, however old: an index holds just these
		where = append(where, `created_at < `+a.add(micros(f.Since)), `ended_at = 0`)
	default:
		where = append(where, `created_at >= `+a.add(micros(f.Since)))
	}
	query := `SELECT ` + actionColumns + ` FROM action`
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, ` AND `)
	}
	query += ` ORDER BY created_at, id`
	if f.Limit > 0 {
		query += ` LIMIT ` + strconv.Itoa(f.Limit)
	}
	out, err := collect(ctx, q, query, a, scanAction)
	if err != nil {
		return nil, s.explain("list actions", err)
	}
	return out, nil
}

// SaveAction updates the state of one by compare-and-swap. What the action is about was settled when its run started
// and is not written again.
func (s *Store) SaveAction(ctx context.Context, row store.ActionRow, entries ...store.AuditEntry) (store.ActionRow, error) {
	made, err := text(row.Made)
	if err != nil {
		return store.ActionRow{}, err
	}
	err = s.write(ctx, "save action "+row.ID, func(tx *sql.Tx) error {
		err := execOne(ctx, tx, `UPDATE action SET version = $2, state = $3, attempts = $4, next_at = $5, deadline = $6, due_at = $7,
			class = $8, code = $9, problem = $10, made = $11, started_at = $12, ended_at = $13 WHERE id = $1 AND version = $14`,
			row.ID, row.Version+1, string(row.State), row.Attempts, micros(row.NextAt), micros(row.Deadline), dueAt(row),
			row.Class, row.Code, row.Problem, made, micros(row.StartedAt), micros(row.EndedAt), row.Version)
		if err != nil {
			return err
		}
		return chain(ctx, tx, entries)
	})
	if err != nil {
		return store.ActionRow{}, err
	}
	row.Version++
	return row, nil
}
