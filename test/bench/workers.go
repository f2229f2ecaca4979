package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// few is the work that the workers share: the pace is generous and the cloud far away, so that neither the accounts nor
// this machine's processors are what they wait for, but the cloud's answers.
func few() load {
	return load{accounts: 4, regions: 5, instances: 40, least: 4800 * time.Millisecond, most: 5200 * time.Millisecond, seed: 1}
}

// mostWorkers is with how many workers the work is done at most.
const mostWorkers = 4

// workers measures how much more is done on one PostgreSQL when more processes serve.
func (b *bench) workers() error {
	address := os.Getenv(envPostgres)
	if address == "" {
		return nil
	}
	var rates []float64
	table := "| `stint serve` | snapshots begun each second | as often as by one |\n|---:|---:|---:|\n"
	for n := 1; n <= mostWorkers; n++ {
		rate, cpu, err := b.served(few(), n, address)
		if err != nil {
			return fmt.Errorf("%d workers: %w", n, err)
		}
		rates = append(rates, rate)
		ratio := rate / rates[0]
		table += fmt.Sprintf("| %d | %s | %s × |\n", n, number(rate), number(ratio))
		of := fmt.Sprintf("one run, %d instances, %s/s; all workers used %s s of CPU", few().all(), number(rate), number(cpu))
		if n == 1 {
			b.tell("load: PostgreSQL, one worker, 5 s away: snapshots begun", rate, "/s", of, "")
			continue
		}
		b.atLeast(fmt.Sprintf("load: the same, %d workers: as many as by one", n), ratio, 0.8*float64(n), "×", of)
	}
	b.notes = append(b.notes, fmt.Sprintf("Where neither the pace nor the processors are the limit, each further worker on one PostgreSQL adds its share: four began %s × as many snapshots "+
		"as one, of %d instances whose cloud takes 5 s to answer, with 32 calls of each worker at a time.\n\n%s", number(rates[mostWorkers-1]/rates[0]), few().all(), strings.TrimSuffix(table, "\n")))
	return nil
}

// served has the work done by n workers, and gives how many creates a second the fake saw, from the first to the last.
func (b *bench) served(w load, n int, address string) (rate, cpu float64, err error) {
	f, err := b.loadFake(w)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	database, drop, err := freshDatabase(address)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	rules := filepath.Join(b.dir, "workers.yaml")
	if err := os.WriteFile(rules, w.rules(f.url, "0 0 * * *", ", pace: { reads: 1000, writes: 1000 }"), 0o600); err != nil {
		return 0, 0, err
	}
	var workers []*exec.Cmd
	defer func() {
		for _, cmd := range workers {
			_ = cmd.Process.Signal(syscall.SIGTERM) // one that has ended already has nothing to stop
		}
		for _, cmd := range workers {
			err = errors.Join(err, cmd.Wait())
			cpu += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		}
	}()
	for range n {
		cmd := exec.Command(b.stint, "serve", "--listen", "", "-f", rules, "--database", "env:LOAD_DATABASE", "--log-level", "error")
		cmd.Env = append(append(os.Environ(), w.env()...), "LOAD_DATABASE="+database)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return 0, 0, err
		}
		workers = append(workers, cmd)
	}
	var at []int64
	for deadline := time.Now().Add(10 * time.Minute); len(at) < w.all(); {
		time.Sleep(time.Second)
		s, err := f.loadSeen()
		if err != nil {
			return 0, 0, err
		}
		at = append(at, s.Creates...)
		if len(s.Other) > 0 || s.Doubled > 0 || s.Strange > 0 {
			return 0, 0, fmt.Errorf("%d snapshots were doubled, %d are strange, calls were refused: %v", s.Doubled, s.Strange, s.Other)
		}
		if time.Now().After(deadline) {
			return 0, 0, fmt.Errorf("%d of %d snapshots were begun in ten minutes", len(at), w.all())
		}
	}
	if len(at) > w.all() {
		return 0, 0, fmt.Errorf("%d snapshot sets were made of %d instances", len(at), w.all())
	}
	return float64(len(at)-1) / (float64(at[len(at)-1]-at[0]) / 1e6), 0, nil
}

// freshDatabase makes an empty database on the server behind the address, until drop is called.
func freshDatabase(address string) (database string, drop func() error, err error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return "", nil, err
	}
	defer conn.Close(ctx)
	name := fmt.Sprintf("stint_bench_%d", time.Now().UnixNano())
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", nil, fmt.Errorf("%s: not an address (not shown, it may hold a password)", envPostgres)
	}
	u.Path = "/" + name
	return u.String(), func() error {
		conn, err := pgx.Connect(ctx, address)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
		return err
	}, nil
}
