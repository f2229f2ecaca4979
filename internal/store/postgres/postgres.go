// Package postgres opens Stint's memory in a PostgreSQL database, for as many workers as one likes.
//
// It promises that workers which start together migrate once, that two transactions which get in each other's way are
// run again, and that the password never shows in an error. It refuses a database whose schema is newer than this
// program.
package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	versionTable = "stint_version"
	migrateLock  = 0x5374696e74 // "Stint": the advisory lock that migrations hold
	connections  = 16           // of one process, unless the address says pool_max_conns
)

// Store is a store.Store on PostgreSQL.
type Store struct {
	*sqlstore.Store
	pool *pgxpool.Pool
}

var _ store.Store = (*Store)(nil)

// Open connects to the database at address (postgres://… or key=value words) and brings its schema up to date.
func Open(ctx context.Context, address string) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("the database address cannot be read: %s", hide(err.Error(), address))
	}
	if !strings.Contains(address, "pool_max_conns") {
		cfg.MaxConns = connections
	}
	for name, value := range map[string]string{
		"application_name": "stint",
		// A worker that froze within a transaction keeps its rows from everybody: the server lets go of it.
		"idle_in_transaction_session_timeout": "20s",
		// An intent that was written down and is lost when the server crashes is a call that nobody looks for.
		"synchronous_commit": "on",
	} {
		if _, ok := cfg.ConnConfig.RuntimeParams[name]; !ok {
			cfg.ConnConfig.RuntimeParams[name] = value
		}
	}
	secret := cfg.ConnConfig.Password
	where := fmt.Sprintf("%s on %s", cfg.ConnConfig.Database, cfg.ConnConfig.Host)
	explain := func(err error) error { return explain(where, secret, err) }
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, explain(err)
	}
	db := stdlib.OpenDBFromPool(pool)
	s := &Store{pool: pool, Store: sqlstore.New(sqlstore.Database{
		Write: db, Read: db,
		ReadTx:  &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead},
		Again:   again,
		Explain: explain,
	})}
	if err := migrate(ctx, db, where); err != nil {
		s.Close()
		return nil, explain(err)
	}
	return s, nil
}

// Pool is the connections, for an engine that wakes work on the same database. Stop the engine before Close.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Close closes every connection. It waits for those in use.
func (s *Store) Close() error {
	err := s.Store.Close()
	s.pool.Close()
	return err
}

func migrate(ctx context.Context, db *sql.DB, where string) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrateLock), lock.WithLockTimeout(1, 120), lock.WithUnlockTimeout(1, 10))
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir, goose.WithTableName(versionTable), goose.WithSessionLocker(locker),
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if have > want {
		return fmt.Errorf("database %s is newer than this program (schema %d, this program knows %d): use the newer stint", where, have, want)
	}
	return nil
}

// again says whether the transaction lost against another one.
func again(err error) bool {
	switch codeOf(err) {
	case "40001", "40P01": // serialization failure, deadlock
		return true
	}
	return false
}

func codeOf(err error) string {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code
}

// explained is an error whose text is ours, and whose cause can still be asked for.
type explained struct {
	text  string
	cause error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.cause }

// explain says which database, and what to do; the password is struck out wherever a driver may have put it.
func explain(where, secret string, err error) error {
	advice := ""
	switch codeOf(err) {
	case "53100":
		advice = "the server's disk is full: nothing was written; make room and it goes on: "
	case "53300":
		advice = "the server has no connection left: raise its max_connections, or lower pool_max_conns in the address: "
	case "28P01", "28000":
		advice = "the server refuses the user or the password: "
	case "3D000":
		advice = "there is no such database: make it with createdb: "
	case "42501":
		advice = "the user lacks a right: it must own the database or be granted CREATE on its schema: "
	}
	text := err.Error()
	if secret != "" {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return &explained{text: fmt.Sprintf("database %s: %s%s", where, advice, text), cause: err}
}

// hide drops the driver's words about an address that could not be parsed when they may quote a password.
func hide(text, address string) string {
	if strings.Contains(address, "@") || strings.Contains(address, "password") {
		return "want postgres://user:password@host:port/name (special characters as %XX), or key=value words"
	}
	return text
}
