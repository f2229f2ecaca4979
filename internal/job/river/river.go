// Package river wakes work through River on PostgreSQL, for as many workers as one likes.
//
// It promises that a wake-up survives every process, that a key which is woken while it is handled is handled once
// more, and that a worker which died is made up for: by River after RescueAfter, and before that by the next wake-up
// of the key, since one that is being handled can be woken too. It refuses to be exact about doubles: a worker that
// froze goes on where it was, and only the compare-and-swap on its row stops it.
package river

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	driver "github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/stint-cloud/stint/internal/job"
)

const (
	migrateLock = 0x5374696e74726976 // "Stintriv": the advisory lock that migrations hold
	maxAttempts = 100                // some hours of failing; then River gives up and the next sweep begins anew, so errors do not pile up in a row
	keepDone    = time.Hour          // of River's rows, for whoever looks at them; our own rows are the record
	nearby      = 50 * time.Millisecond
)

// Options are how an engine runs; the zero value is right for every real one.
type Options struct {
	Slots   map[job.Queue]int // how many handlers at once in this process; 8 where nothing is said
	Drain   time.Duration     // how long Run waits for handlers at work when it ends; 30 s when zero
	Timeout time.Duration     // after which a handler's context ends; 60 s when zero
	// RescueAfter is when a job of a worker that died is given to another. It must exceed Timeout; one and a half times
	// that when zero, 90 s.
	RescueAfter time.Duration
	Log         *slog.Logger // nil: silent
}

// Engine is a job.Engine on River.
type Engine struct {
	pool   *pgxpool.Pool
	opts   Options
	log    *slog.Logger
	client *driver.Client[pgx.Tx] // only inserts; Run makes one that works

	mu   sync.Mutex
	busy map[string]bool // keys that are handled in this process
}

var _ job.Engine = (*Engine)(nil)

// New is an engine on the database behind pool, whose River tables are brought up to date first.
func New(ctx context.Context, pool *pgxpool.Pool, opts Options) (*Engine, error) {
	if opts.Drain <= 0 {
		opts.Drain = 30 * time.Second
	}
	if opts.Timeout <= 0 {
		opts.Timeout = time.Minute
	}
	if opts.RescueAfter <= 0 {
		opts.RescueAfter = opts.Timeout * 3 / 2
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if err := migrate(ctx, pool); err != nil {
		return nil, fmt.Errorf("bring River's tables up to date: %w", err)
	}
	e := &Engine{pool: pool, opts: opts, log: opts.Log, busy: map[string]bool{}}
	client, err := driver.NewClient(riverpgxv5.New(pool), &driver.Config{Logger: e.quiet()})
	if err != nil {
		return nil, err
	}
	e.client = client
	return e, nil
}

// migrate runs River's own migrations, one process at a time. The lock has a connection of its own, so that a small
// pool cannot lock itself out.
func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig.Copy())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // which gives the lock back
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, int64(migrateLock)); err != nil {
		return err
	}
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// quiet lets only River's own troubles through; what becomes of jobs we log ourselves.
func (e *Engine) quiet() *slog.Logger {
	return slog.New(atLeast{e.log.Handler(), slog.LevelError})
}

// wakeup is River's job: a key, in one of two seats. Nobody sits in the second seat, Echo, unless the first is being
// handled: so waking a key that is being handled is not lost, and a key never has more than two jobs.
type wakeup struct {
	Key  string `json:"key"            river:"unique"`
	Echo bool   `json:"echo,omitempty" river:"unique"`
}

// Kind names the job's kind in River's tables.
func (wakeup) Kind() string { return "stint-wakeup" }

// live are the states in which a job holds its seat. River's default has "completed" too, which would swallow every
// wake-up for a day.
func live() []rivertype.JobState {
	return []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled}
}

func insertOpts(key string, queue job.Queue, at time.Time) *driver.InsertOpts {
	if !at.After(time.Now()) {
		at = time.Time{} // River takes up at once what has no time; what has one waits for its scheduler, up to five seconds
	}
	return &driver.InsertOpts{
		Queue: string(queue), ScheduledAt: at, MaxAttempts: maxAttempts, Metadata: metadata(key),
		UniqueOpts: driver.UniqueOpts{ByArgs: true, ByState: live()},
	}
}

// Wake asks for key to be handled at or after at.
func (e *Engine) Wake(ctx context.Context, key string, queue job.Queue, at time.Time) error {
	if err := job.CheckQueue(queue); err != nil {
		return fmt.Errorf("wake %s: %w", key, err)
	}
	seated, err := e.seat(ctx, wakeup{Key: key}, queue, at)
	if err == nil && !seated {
		_, err = e.seat(ctx, wakeup{Key: key, Echo: true}, queue, at) // both at work: the sweep finds the row if it must
	}
	if err != nil {
		return fmt.Errorf("wake %s: %w", key, err)
	}
	return nil
}

// seat puts the wake-up into its seat, at the earlier of its times. It gives false when that is being handled.
func (e *Engine) seat(ctx context.Context, w wakeup, queue job.Queue, at time.Time) (bool, error) {
	if now := time.Now(); at.Before(now) {
		at = now
	}
	for { // each round ends well, or somebody else changed the seat meanwhile
		res, err := e.client.Insert(ctx, w, insertOpts(w.Key, queue, at))
		if err != nil {
			return false, err
		}
		switch old := res.Job; {
		case !res.UniqueSkippedAsDuplicate:
			return true, nil
		case old.State == rivertype.JobStateRunning:
			return false, nil
		case !at.Before(old.ScheduledAt):
			return true, nil
		default:
			err = e.forward(ctx, old, w, queue, at)
		}
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, rivertype.ErrNotFound) && !errors.Is(err, rivertype.ErrJobRunning) {
			return false, err
		}
	}
}

// forward brings a waiting job to an earlier time. One that waits after errors and is wanted now keeps its count of
// them, and so the growing of its pauses.
func (e *Engine) forward(ctx context.Context, old *rivertype.JobRow, w wakeup, queue job.Queue, at time.Time) error {
	if old.State == rivertype.JobStateRetryable && time.Until(at) < nearby {
		now, err := e.client.JobRetry(ctx, old.ID)
		if err == nil && now.State == rivertype.JobStateRunning {
			return rivertype.ErrJobRunning
		}
		return err
	}
	return pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error {
		if _, err := e.client.JobDeleteTx(ctx, tx, old.ID); err != nil {
			return err
		}
		res, err := e.client.InsertTx(ctx, tx, w, insertOpts(w.Key, queue, at))
		if err == nil && res.UniqueSkippedAsDuplicate {
			return rivertype.ErrNotFound // somebody else sat down between the two: look again, and delete nothing
		}
		return err
	})
}

// Cancel takes back the wake-up of key.
func (e *Engine) Cancel(ctx context.Context, key string) error {
	waiting := driver.NewJobListParams().Kinds(wakeup{}.Kind()).Metadata(string(metadata(key))).
		States(rivertype.JobStateAvailable, rivertype.JobStateScheduled, rivertype.JobStateRetryable, rivertype.JobStatePending)
	list, err := e.client.JobList(ctx, waiting)
	if err != nil {
		return fmt.Errorf("cancel %s: %w", key, err)
	}
	for _, j := range list.Jobs {
		_, err := e.client.JobDelete(ctx, j.ID)
		if err != nil && !errors.Is(err, rivertype.ErrNotFound) && !errors.Is(err, rivertype.ErrJobRunning) {
			return fmt.Errorf("cancel %s: %w", key, err)
		}
	}
	return nil
}

// Run handles wake-ups until ctx is cancelled.
func (e *Engine) Run(ctx context.Context, handlers map[job.Queue]job.Handler) error {
	if len(handlers) == 0 {
		<-ctx.Done()
		return nil
	}
	workers := driver.NewWorkers()
	if err := driver.AddWorkerSafely(workers, &worker{engine: e, handlers: handlers}); err != nil {
		return err
	}
	queues := map[string]driver.QueueConfig{}
	for q := range handlers {
		if err := job.CheckQueue(q); err != nil {
			return err
		}
		slots := e.opts.Slots[q]
		if slots <= 0 {
			slots = 8
		}
		queues[string(q)] = driver.QueueConfig{MaxWorkers: slots}
	}
	client, err := driver.NewClient(riverpgxv5.New(e.pool), &driver.Config{
		Logger: e.quiet(), Queues: queues, Workers: workers, MaxAttempts: maxAttempts,
		JobTimeout: e.opts.Timeout, RescueStuckJobsAfter: e.opts.RescueAfter,
		FetchCooldown: 10 * time.Millisecond, FetchPollInterval: 500 * time.Millisecond,
		CompletedJobRetentionPeriod: keepDone, CancelledJobRetentionPeriod: keepDone, DiscardedJobRetentionPeriod: 24 * time.Hour,
	})
	if err != nil {
		return err
	}
	beyond := context.WithoutCancel(ctx) // the end of ctx begins the drain; it does not cut handlers off
	if err := client.Start(beyond); err != nil {
		return fmt.Errorf("start River: %w", err)
	}
	<-ctx.Done()
	soft, cancel := context.WithTimeout(beyond, e.opts.Drain)
	defer cancel()
	if err := client.Stop(soft); err == nil {
		return nil
	}
	if err := client.StopAndCancel(beyond); err != nil {
		return fmt.Errorf("stop River: %w", err)
	}
	<-client.Stopped()
	return fmt.Errorf("jobs were still at work %v after the stop and were cancelled; they begin again at the next start", e.opts.Drain)
}
