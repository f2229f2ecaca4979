// Package pgtest gives tests a PostgreSQL of their own.
//
// It promises a private server on a unix socket in a temporary folder, stopped when the test ends, and a fresh database
// for whoever asks. It refuses to touch a server that runs already, unless STINT_TEST_POSTGRES_URL names one. Without
// the server's programs the test is skipped, unless STINT_POSTGRES=1 demands them.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a running server.
type Server struct {
	base  *url.URL
	count atomic.Int64
	own   *own // nil: it is somebody else's
}

// own is a server of the test's own.
type own struct {
	dir, bin string
	who      *ids
	process  *exec.Cmd
	gone     chan error // takes how the process ended
	log      bytes.Buffer
}

// Start starts a server for the test and its subtests.
func Start(t *testing.T) *Server {
	t.Helper()
	if address := os.Getenv("STINT_TEST_POSTGRES_URL"); address != "" {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatalf("STINT_TEST_POSTGRES_URL: not an address (not shown, it may hold a password)")
		}
		return &Server{base: u}
	}
	bin, err := programs()
	if err != nil {
		if os.Getenv("STINT_POSTGRES") == "1" {
			t.Fatalf("STINT_POSTGRES=1 demands PostgreSQL: %v: apt-get install postgresql", err)
		}
		t.Skipf("no PostgreSQL: %v: apt-get install postgresql, or set STINT_TEST_POSTGRES_URL", err)
	}
	dir, err := os.MkdirTemp("", "stint-pg-") // short: a socket's path may have 107 characters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	who := account(t)
	if who != nil {
		if err := os.Chown(dir, int(who.uid), int(who.gid)); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	// A collation that is not that of bytes shows where an ORDER BY forgot to ask for one.
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "stint", "-A", "trust", "--no-sync", "-E", "UTF8",
		"--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
	initdb.Dir, initdb.SysProcAttr = dir, attributes(who)
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s := &Server{
		base: &url.URL{Scheme: "postgres", Path: "/postgres", RawQuery: url.Values{"host": {dir}, "user": {"stint"}}.Encode()},
		own:  &own{dir: dir, bin: bin, who: who},
	}
	t.Cleanup(func() {
		if s.own.process != nil {
			_ = s.own.end(os.Interrupt) // how it ends is of no interest any more
		}
	})
	s.Resume(t)
	return s
}

// Stop stops a server of the test's own by a signal, and returns when it is gone: SIGTERM lets clients finish,
// os.Interrupt sends them away, SIGQUIT is as if it crashed. A commit outlives that for those
// who ask for synchronous_commit=on, as the program does.
func (s *Server) Stop(t *testing.T, how os.Signal) {
	t.Helper()
	if s.own == nil {
		t.Fatal("the server of STINT_TEST_POSTGRES_URL is not ours to stop")
	}
	if err := s.own.end(how); err != nil {
		t.Fatalf("postgres does not end by %s: %v\n%s", how, err, s.own.log.String())
	}
}

// end sends the signal and waits until the process is gone; one that does not go is killed, and that is an error.
func (o *own) end(how os.Signal) error {
	defer func() { o.process = nil }()
	if err := o.process.Process.Signal(how); err != nil {
		return err
	}
	select {
	case <-o.gone:
		return nil
	case <-time.After(20 * time.Second):
		_ = o.process.Process.Kill() // it may end just now
		<-o.gone
		return errors.New("it had to be killed")
	}
}

// Resume starts a server of the test's own after Stop, and returns when it answers.
func (s *Server) Resume(t *testing.T) {
	t.Helper()
	o := s.own
	if o == nil || o.process != nil {
		t.Fatal("only a server that was stopped can go on")
	}
	o.log.Reset()
	server := exec.Command(filepath.Join(o.bin, "postgres"), "-D", filepath.Join(o.dir, "data"), "-k", o.dir, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=300", "-c", "shared_buffers=64MB")
	server.Dir, server.SysProcAttr, server.Stderr = o.dir, attributes(o.who), &o.log
	if err := server.Start(); err != nil {
		t.Fatalf("postgres: %v", err)
	}
	gone := make(chan error, 1)
	go func() { gone <- server.Wait() }()
	o.process, o.gone = server, gone
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := pgx.Connect(t.Context(), s.base.String())
		if err == nil {
			conn.Close(t.Context())
			return
		}
		select {
		case err := <-gone:
			gone <- err
			t.Fatalf("postgres ended: %v\n%s", err, o.log.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("postgres does not answer: %v", err)
		}
	}
}

// Database makes a fresh database, and gives its address. It is dropped when the test ends.
func (s *Server) Database(t *testing.T) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.base.String())
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close(t.Context())
	name := fmt.Sprintf("stint_test_%d_%d", os.Getpid(), s.count.Add(1))
	if _, err := conn.Exec(t.Context(), `CREATE DATABASE `+name+` TEMPLATE template0`); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		conn, err := pgx.Connect(ctx, s.base.String())
		if err != nil {
			t.Errorf("connect to drop %s: %v", name, err)
			return
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	u := *s.base
	u.Path = "/" + name
	return u.String()
}

// programs finds the folder with the server's programs, the newest version first.
func programs() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 {
		return filepath.Dir(found[0]), nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", err
	}
	return filepath.Dir(path), nil
}

func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

type ids struct{ uid, gid uint32 }

// account is whom the server runs as when we are root, whom it refuses; nil otherwise.
func account(t *testing.T) *ids {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Skipf("PostgreSQL does not run as root, and there is no user postgres: %v", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &ids{uint32(uid), uint32(gid)}
}
