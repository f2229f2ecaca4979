package river

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	driver "github.com/riverqueue/river"

	"github.com/stint-cloud/stint/internal/job"
)

// worker turns a River job into a call of a handler, and the handler's answer into what River understands.
type worker struct {
	driver.WorkerDefaults[wakeup]
	engine   *Engine
	handlers map[job.Queue]job.Handler
}

// NextRetry is when a job that failed is tried again: our own pauses, not River's, which grow to weeks.
func (w *worker) NextRetry(j *driver.Job[wakeup]) time.Time {
	return time.Now().Add(job.Pause(j.Attempt, rand.Float64()))
}

// Work handles one wake-up.
func (w *worker) Work(ctx context.Context, j *driver.Job[wakeup]) error {
	e, key, queue := w.engine, j.Args.Key, job.Queue(j.Queue)
	if !e.enter(key) {
		return driver.JobSnooze(100 * time.Millisecond) // handled in this process right now: one at a time
	}
	defer e.leave(key)
	answer, err := job.Protect(w.handlers[queue])(ctx, time.Now().UTC(), key)
	if err != nil {
		attrs := []any{"job", key, "queue", string(queue), "err", err}
		var p *job.PanicError
		if errors.As(err, &p) {
			attrs = append(attrs, "stack", p.Stack)
		}
		e.log.WarnContext(ctx, "job failed", attrs...)
		return err
	}
	at, again := answer.At()
	if !again {
		return nil
	}
	if !j.Args.Echo && j.Attempt <= 1 {
		return driver.JobSnooze(max(0, time.Until(at)))
	}
	// An echo goes home to the first seat, so that a key has one job in the long run; and a job that failed before moves
	// to the other seat, so that its failures are forgotten now that it succeeded. When that seat is at work, maybe in a
	// worker that is dead, this one stays where it is.
	seated, err := e.seat(ctx, wakeup{Key: key, Echo: !j.Args.Echo}, queue, at)
	if err == nil && !seated {
		return driver.JobSnooze(max(0, time.Until(at)))
	}
	return err
}

// enter says that key is handled in this process, unless it is already.
func (e *Engine) enter(key string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy[key] {
		return false
	}
	e.busy[key] = true
	return true
}

func (e *Engine) leave(key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.busy, key)
}

// metadata is how Cancel finds a key's jobs.
func metadata(key string) []byte {
	b, err := json.Marshal(map[string]string{"stint_key": key})
	if err != nil {
		panic(err) // a map of strings always encodes
	}
	return b
}

// atLeast passes on what is of the level or graver.
type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(attrs), h.level}
}

func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}
