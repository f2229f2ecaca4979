// Package sqlite opens Stint's memory in one file on this machine's disk.
//
// It promises that a commit has reached the disk when a method returns, that a file which is not Stint's, or is newer
// than this program, is left alone with a clear complaint, and that an error of the disk names the file and what to
// do. It refuses to be shared between machines: use postgres for that.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Memory is the path of a database that lives only as long as it is open.
const Memory = ":memory:"

const (
	applicationID = 0x53746e74 // "Stnt": written into the file, so that a database of another program is never touched
	versionTable  = "stint_version"
	readers       = 8
	readCache     = "-512" // KiB of pages that each of them keeps: the system keeps the file anyway
)

// Options are for special uses; the zero value is right for every real one.
type Options struct {
	// NoSync gives up on surviving a power loss, for simulations that write a thousand times a second.
	NoSync bool
	// MaxPages keeps the file from growing beyond so many pages of 4 KiB; 0 is no bound.
	MaxPages int
}

// Open opens or makes the database at path. The directory is made when missing; the file is for its owner alone.
func Open(ctx context.Context, path string) (store.Store, error) {
	return OpenWith(ctx, path, Options{})
}

// OpenWith is Open with options.
func OpenWith(ctx context.Context, path string, opts Options) (store.Store, error) {
	if path != Memory {
		if err := prepare(path); err != nil {
			return nil, err
		}
	}
	db := connect(path, opts)
	if err := migrate(ctx, db.Write, path); err != nil {
		sqlstore.New(db).Close()
		return nil, err
	}
	return sqlstore.New(db), nil
}

// prepare makes the directory and the file, and finds out early what would otherwise be told in riddles.
func prepare(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("the directory of database %s cannot be made: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		var why *fs.PathError
		if errors.As(err, &why) {
			err = why.Err
		}
		return fmt.Errorf("database %s cannot be opened for writing: %w: name another file with --database, or make this one writable", path, err)
	}
	defer f.Close()
	head := make([]byte, 16)
	n, err := io.ReadFull(f, head)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return nil // new
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("database %s cannot be read: %w", path, err)
	case string(head[:n]) != "SQLite format 3\x00":
		return foreign(path, "it is not a database at all")
	}
	return nil
}

func foreign(path, why string) error {
	return fmt.Errorf("%s is not a Stint database: %s: name another file with --database", path, why)
}

// connect opens one connection that writes and a pool that reads. A second writer would only ever wait for the first.
func connect(path string, opts Options) sqlstore.Database {
	sync := "FULL"
	if opts.NoSync {
		sync = "OFF"
	}
	write := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "synchronous(" + sync + ")"}}
	name := "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
	if path == Memory {
		name = "file::memory:"
	} else {
		write["_pragma"] = append(write["_pragma"], "journal_mode(WAL)")
	}
	if opts.MaxPages > 0 {
		write["_pragma"] = append(write["_pragma"], fmt.Sprintf("max_page_count(%d)", opts.MaxPages))
	}
	db := sqlstore.Database{
		ReadTx:  &sql.TxOptions{ReadOnly: true},
		Again:   func(error) bool { return false }, // writers queue for the one connection; other processes wait in busy_timeout
		Explain: func(err error) error { return explain(path, err) },
	}
	db.Write = sql.OpenDB(&connector{name: name + "?" + write.Encode()})
	db.Write.SetMaxOpenConns(1)
	db.Write.SetMaxIdleConns(1)
	if db.Read = db.Write; path == Memory {
		return db
	}
	read := url.Values{"_txlock": {"deferred"}, "_pragma": {"busy_timeout(10000)", "query_only(1)", "cache_size(" + readCache + ")"}}
	db.Read = sql.OpenDB(&connector{name: name + "?" + read.Encode()})
	db.Read.SetMaxOpenConns(readers)
	db.Read.SetMaxIdleConns(readers)
	return db
}

// migrate brings the schema up to date. Two processes may do it at once: the one that loses looks again.
func migrate(ctx context.Context, db *sql.DB, path string) error {
	if err := claim(ctx, db, path); err != nil {
		return err
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir, goose.WithTableName(versionTable),
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("migrations of %s: %w", path, err)
	}
	for try := 1; ; try++ {
		applied, err := p.Up(ctx)
		if err == nil {
			if len(applied) > 0 {
				forgetMigrations()
			}
			break
		}
		if try == 10 || isDisk(err) {
			return fmt.Errorf("bring the database up to date: %w", explain(path, err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return explain(path, err)
	}
	if have > want {
		return fmt.Errorf("database %s is newer than this program (schema %d, this program knows %d): use the newer stint", path, have, want)
	}
	return nil
}

// forgetMigrations gives back what goose holds after reading migrations: 4 MB for each, in a pool that only the second
// collection empties. Left there, they would double the memory of a short run on a new database.
func forgetMigrations() {
	runtime.GC()
	runtime.GC()
}

// claim writes our mark into a new file, and refuses a file with another mark.
func claim(ctx context.Context, db *sql.DB, path string) error {
	var id, tables int64
	if err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
		return explain(path, err)
	}
	if id == applicationID {
		return nil
	}
	if err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_master`).Scan(&tables); err != nil {
		return explain(path, err)
	}
	if id != 0 || tables > 0 {
		return foreign(path, "it belongs to another program")
	}
	if _, err := db.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d`, applicationID)); err != nil {
		return explain(path, err)
	}
	return nil
}

// codeOf gives SQLite's primary result code, 0 when the error is none of SQLite's.
func codeOf(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// noRoomToShare says whether the file beside the database that its readers share could not grow, which is how a disk
// that is full to the last byte shows when a database is opened.
func noRoomToShare(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE
}

func isDisk(err error) bool {
	switch codeOf(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	}
	return false
}

// explain says which file, and what to do.
func explain(path string, err error) error {
	advice := ""
	switch code := codeOf(err); {
	case code == sqlite3.SQLITE_FULL, noRoomToShare(err):
		advice = "the disk is full: nothing was written; make room and it goes on"
	case code == sqlite3.SQLITE_IOERR:
		advice = "the disk failed: nothing was written; look at the disk and the system's log"
	case code == sqlite3.SQLITE_READONLY:
		advice = "the file or its disk is read-only: make it writable"
	case code == sqlite3.SQLITE_CANTOPEN:
		advice = "the file or its directory cannot be opened: look at its permissions"
	case code == sqlite3.SQLITE_CORRUPT, code == sqlite3.SQLITE_NOTADB:
		advice = "the file is damaged: move it away and start again; one survey finds every backup, only history is lost"
	case code == sqlite3.SQLITE_BUSY:
		advice = "another process has kept it locked for ten seconds: stop that one, or ask it through its API"
	default:
		return fmt.Errorf("database %s: %w", path, err)
	}
	return fmt.Errorf("database %s: %s: %w", path, advice, err)
}
