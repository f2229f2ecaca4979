package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"
)

// keptStatements is how many compiled statements a connection keeps. The program has some eighty different ones; those
// with a list of values differ by its length, and the least used of them give way.
const keptStatements = 96

// connector opens connections that keep their compiled statements: compiling the same few over and over is a quarter of
// all the time that the store would need.
type connector struct {
	driver sqlite.Driver
	name   string
}

// Connect opens a connection.
func (c *connector) Connect(context.Context) (driver.Conn, error) {
	inner, err := c.driver.Open(c.name)
	if err != nil {
		return nil, err
	}
	full, ok := inner.(fullConn)
	if !ok {
		return nil, errors.Join(errors.New("the SQLite driver's connections lack an ability that is needed"), inner.Close())
	}
	return &conn{fullConn: full, kept: map[string]*statement{}}, nil
}

// Driver is the one beneath.
func (c *connector) Driver() driver.Driver { return &c.driver }

// fullConn is what the connection beneath must be able to do.
type fullConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// fullStmt is what a compiled statement must be able to do.
type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// conn is a connection with its compiled statements. As every driver.Conn it has one user at a time.
type conn struct {
	fullConn
	kept map[string]*statement
	uses uint64
}

// statement is a compiled statement; it is busy while rows of it are being read.
type statement struct {
	stmt fullStmt
	used uint64
	busy bool
}

// statement gives the compiled form of the query, or nil when it is in use or cannot be kept: the query then goes the
// usual way, whose error is the better one.
func (c *conn) statement(ctx context.Context, query string) *statement {
	c.uses++
	if s, ok := c.kept[query]; ok {
		if s.busy {
			return nil
		}
		s.used = c.uses
		return s
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil
	}
	stmt, ok := prepared.(fullStmt)
	if !ok {
		_ = prepared.Close()
		return nil
	}
	if len(c.kept) >= keptStatements {
		c.forget()
	}
	s := &statement{stmt: stmt, used: c.uses}
	c.kept[query] = s
	return s
}

// forget lets the statement go that was not used for the longest.
func (c *conn) forget() {
	var oldest string
	for query, s := range c.kept {
		if !s.busy && (oldest == "" || s.used < c.kept[oldest].used) {
			oldest = query
		}
	}
	if s, ok := c.kept[oldest]; ok {
		delete(c.kept, oldest)
		_ = s.stmt.Close() // nothing is lost by it
	}
}

// ExecContext runs a statement that gives no rows. One without arguments may be a whole script: it is not kept.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 {
		return c.fullConn.ExecContext(ctx, query, args)
	}
	if s := c.statement(ctx, query); s != nil {
		return s.stmt.ExecContext(ctx, args)
	}
	return c.fullConn.ExecContext(ctx, query, args)
}

// QueryContext runs a statement that gives rows.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s := c.statement(ctx, query)
	if s == nil {
		return c.fullConn.QueryContext(ctx, query, args)
	}
	rows, err := s.stmt.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &keptRows{Rows: rows, s: s}, nil
}

// Close closes the statements, and then the connection.
func (c *conn) Close() error {
	var wrong []error
	for _, s := range c.kept {
		wrong = append(wrong, s.stmt.Close())
	}
	clear(c.kept)
	return errors.Join(append(wrong, c.fullConn.Close())...)
}

// keptRows are rows of a statement that is kept.
type keptRows struct {
	driver.Rows
	s *statement
}

// Close ends the reading, and lets the statement be used again.
func (r *keptRows) Close() error {
	err := r.Rows.Close()
	r.s.busy = false
	return err
}
