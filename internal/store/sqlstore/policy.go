package sqlstore

import (
	"context"
	"database/sql"

	"github.com/stint-cloud/stint/internal/store"
)

const policyColumns = `name, version, next_at, planned_at, hash, problem, findings`

func scanPolicy(row scanner) (store.PolicyState, error) {
	var v store.PolicyState
	err := row.Scan(&v.Name, &v.Version, instant{&v.NextAt}, instant{&v.PlannedAt}, &v.Hash, &v.Problem, fromJSON{&v.Findings})
	return v, err
}

// PolicyStates lists them by name.
func (s *Store) PolicyStates(ctx context.Context) ([]store.PolicyState, error) {
	out, err := collect(ctx, s.db.Read, `SELECT `+policyColumns+` FROM policy_state ORDER BY name`, nil, scanPolicy)
	if err != nil {
		return nil, s.explain("list policies", err)
	}
	return out, nil
}

// PolicyState gives one, or ErrNotFound.
func (s *Store) PolicyState(ctx context.Context, name string) (store.PolicyState, error) {
	v, err := scanPolicy(s.db.Read.QueryRowContext(ctx, `SELECT `+policyColumns+` FROM policy_state WHERE name = $1`, name))
	if err != nil {
		return store.PolicyState{}, s.explain("policy "+name, err)
	}
	return v, nil
}

// SavePolicyState inserts or updates by compare-and-swap.
func (s *Store) SavePolicyState(ctx context.Context, row store.PolicyState) (store.PolicyState, error) {
	findings, err := text(row.Findings)
	if err != nil {
		return store.PolicyState{}, err
	}
	values := []any{row.Name, row.Version + 1, micros(row.NextAt), micros(row.PlannedAt), row.Hash, row.Problem, findings}
	err = s.write(ctx, "save policy "+row.Name, func(tx *sql.Tx) error {
		if row.Version == 0 {
			return execOne(ctx, tx, `INSERT INTO policy_state (`+policyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT (name) DO NOTHING`, values...)
		}
		return execOne(ctx, tx, `UPDATE policy_state SET version = $2, next_at = $3, planned_at = $4, hash = $5, problem = $6,
			findings = $7 WHERE name = $1 AND version = $8`, append(values, row.Version)...)
	})
	if err != nil {
		return store.PolicyState{}, err
	}
	row.Version++
	return row, nil
}

// DropPolicyStates forgets policies.
func (s *Store) DropPolicyStates(ctx context.Context, names []string) error {
	return s.write(ctx, "drop policies", func(tx *sql.Tx) error {
		for _, name := range names {
			if _, err := tx.ExecContext(ctx, `DELETE FROM policy_state WHERE name = $1`, name); err != nil {
				return err
			}
		}
		return nil
	})
}
