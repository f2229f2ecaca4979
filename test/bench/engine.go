package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/stint-cloud/stint/internal/job"
	"github.com/stint-cloud/stint/internal/job/local"
	"github.com/stint-cloud/stint/internal/job/river"
	"github.com/stint-cloud/stint/internal/store/postgres"
)

// envPostgres names a database whose engine is measured too.
const envPostgres = "STINT_BENCH_POSTGRES"

// engine measures how many jobs a second the engines wake.
func (b *bench) engine() error {
	for _, e := range []struct {
		name, word string
		jobs       int
		least      float64
	}{{"in the process", "local", 200_000, 50_000}, {"River on PostgreSQL", "river", 5_000, 0}} {
		if e.word == "river" && os.Getenv(envPostgres) == "" {
			continue
		}
		_, out, err := spend(b.dir, nil, nil, b.self, "engine", e.word, fmt.Sprint(e.jobs))
		if err != nil {
			return err
		}
		var rate float64
		if err := json.Unmarshal(out, &rate); err != nil {
			return err
		}
		what, of := "jobs woken, engine "+e.name, fmt.Sprintf("one run of %d jobs, 16 at a time", e.jobs)
		if e.least > 0 {
			b.atLeast(what, rate, e.least, "jobs/s", of)
		} else {
			b.tell(what, rate, "jobs/s", of, "")
		}
	}
	return nil
}

// engineMain wakes that many keys and runs them all.
func engineMain(args []string) error {
	if len(args) != 2 {
		return errors.New("engine local|river JOBS")
	}
	var jobs int64
	if _, err := fmt.Sscan(args[1], &jobs); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	slots := map[job.Queue]int{job.Act: 16}
	var e job.Engine = local.New(local.Options{Slots: slots})
	if args[0] == "river" {
		pg, err := postgres.Open(ctx, os.Getenv(envPostgres))
		if err != nil {
			return err
		}
		defer pg.Close()
		if e, err = river.New(ctx, pg.Pool(), river.Options{Slots: slots}); err != nil {
			return err
		}
	}
	stop, halt := context.WithCancel(ctx)
	defer halt()
	var done atomic.Int64
	began := time.Now()
	for i := range jobs {
		if err := e.Wake(ctx, fmt.Sprintf("action:%d", i), job.Act, began); err != nil {
			return err
		}
	}
	err := e.Run(stop, map[job.Queue]job.Handler{job.Act: func(context.Context, time.Time, string) (job.Answer, error) {
		if done.Add(1) == jobs {
			halt()
		}
		return job.Done(), nil
	}})
	if err != nil || done.Load() != jobs {
		return fmt.Errorf("%d of %d jobs were done: %w", done.Load(), jobs, err)
	}
	return json.NewEncoder(os.Stdout).Encode(float64(jobs) / time.Since(began).Seconds())
}
