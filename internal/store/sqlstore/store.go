// Package sqlstore holds all the SQL of Stint, in one text for SQLite and PostgreSQL alike.
//
// It promises that every method is one transaction, that an error leaves nothing half-written, and that the two
// dialects answer alike: ids are texts, times are microseconds from Go, JSON is text, lists are spelled out in Go.
// It refuses to open, migrate or lock a database: sqlite and postgres do, and hand over what truly differs.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/stint-cloud/stint/internal/store"
)

// Database is an open and migrated database, and what differs between the dialects.
type Database struct {
	Write *sql.DB // SQLite: exactly one connection
	Read  *sql.DB // may be the same as Write

	// ReadTx are the options under which several reads see one moment.
	ReadTx *sql.TxOptions
	// Again says whether the transaction was refused for the sake of another one and may simply be run again.
	Again func(error) bool
	// Explain turns a driver's error into one that says where it happened and what to do.
	Explain func(error) error
}

// Store is a store.Store on SQL.
type Store struct {
	db Database
}

var _ store.Store = (*Store)(nil)

// New is a Store on the database. Close closes it.
func New(db Database) *Store { return &Store{db: db} }

// Close closes the database.
func (s *Store) Close() error {
	if s.db.Read == s.db.Write {
		return s.db.Write.Close()
	}
	return errors.Join(s.db.Read.Close(), s.db.Write.Close())
}

// tries is how often a transaction is run that loses against another one. PostgreSQL refuses one of two that wait for
// each other; more than a few in a row means that something else is wrong.
const tries = 5

// write runs f in one transaction. f may run several times and must not keep anything of a run that failed.
func (s *Store) write(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	for try := 1; ; try++ {
		err := inTx(ctx, s.db.Write, nil, f)
		if err == nil {
			return nil
		}
		if try < tries && ctx.Err() == nil && s.db.Again(err) {
			continue
		}
		return s.explain(what, err)
	}
}

// read runs f in one transaction that sees one moment.
func (s *Store) read(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	if err := inTx(ctx, s.db.Read, s.db.ReadTx, f); err != nil {
		return s.explain(what, err)
	}
	return nil
}

func inTx(ctx context.Context, db *sql.DB, opts *sql.TxOptions, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		tx.Rollback() // the error of f is what matters; a failed rollback ends with the connection
		return err
	}
	return tx.Commit()
}

// explain names what was done. ErrNotFound and ErrStale stay recognizable and gain the row that they are about.
func (s *Store) explain(what string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrStale) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, s.db.Explain(err))
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// collect reads every row of a query with scan.
func collect[T any](ctx context.Context, q querier, query string, args []any, scan func(row scanner) (T, error)) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// scanner is *sql.Row or *sql.Rows.
type scanner interface {
	Scan(dest ...any) error
}

// execOne runs a statement that must change exactly one row; ErrStale when it changed none.
func execOne(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return store.ErrStale
	}
	return nil
}
