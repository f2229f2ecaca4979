// Package pgtest gives tests a PostgreSQL of their own.
//
// It promises a private server on a unix socket in a temporary folder, stopped when the test ends, and a fresh database
// for whoever asks. It refuses to touch a server that runs already, unless STINT_TEST_POSTGRES_URL names one. Without
// the server's programs the test is skipped, unless STINT_POSTGRES=1 demands them.
package pgtest

import (
	"bytes"
	"context"
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
	var log bytes.Buffer
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=300", "-c", "shared_buffers=64MB")
	server.Dir, server.SysProcAttr, server.Stderr = dir, attributes(who), &log
	if err := server.Start(); err != nil {
		t.Fatalf("postgres: %v", err)
	}
	gone := make(chan error, 1)
	go func() { gone <- server.Wait() }()
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt) // fast shutdown
		select {
		case <-gone:
		case <-time.After(20 * time.Second):
			server.Process.Kill()
			<-gone
		}
	})
	s := &Server{base: &url.URL{Scheme: "postgres", Path: "/postgres", RawQuery: url.Values{"host": {dir}, "user": {"stint"}}.Encode()}}
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := pgx.Connect(t.Context(), s.base.String())
		if err == nil {
			conn.Close(t.Context())
			return s
		}
		select {
		case err := <-gone:
			gone <- err
			t.Fatalf("postgres ended: %v\n%s", err, log.String())
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
