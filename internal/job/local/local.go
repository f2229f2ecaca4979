// Package local wakes work within this process: what a single machine needs, without a server.
//
// It promises the port's contract exactly: one wake-up per key, the earliest time wins, and a key that is woken while
// it is handled is handled once more. It holds wake-ups in memory alone: what a crash loses, the sweep finds. It
// refuses to share a database with another process: Lock sees to that.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/job"
)

// Options are how an engine runs; the zero value is right for one machine.
type Options struct {
	Slots   map[job.Queue]int // how many handlers at once; 4 where nothing is said
	Drain   time.Duration     // how long Run waits for handlers at work when it ends; 30 s when zero
	Timeout time.Duration     // after which a handler's context ends; 60 s when zero
	Log     *slog.Logger      // nil: silent
}

// Engine is a job.Engine in this process.
type Engine struct {
	opts Options
	news chan struct{} // something changed: look again what is next

	mu      sync.Mutex
	keys    map[string]*entry
	queues  map[job.Queue]*line
	running bool
}

var _ job.Engine = (*Engine)(nil)

// entry is what is known of one key.
type entry struct {
	key      string
	queue    job.Queue
	at       time.Time
	place    int // in its line; -1 while it is handled
	failures int
	again    *wake // it was woken while it is handled
}

type wake struct {
	queue job.Queue
	at    time.Time
}

// New is an engine without any wake-ups.
func New(opts Options) *Engine {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Drain <= 0 {
		opts.Drain = 30 * time.Second
	}
	if opts.Timeout <= 0 {
		opts.Timeout = time.Minute
	}
	e := &Engine{opts: opts, news: make(chan struct{}, 1), keys: map[string]*entry{}, queues: map[job.Queue]*line{}}
	for _, q := range job.Queues() {
		slots := opts.Slots[q]
		if slots <= 0 {
			slots = 4
		}
		e.queues[q] = &line{slots: slots}
	}
	return e
}

// Wake asks for key to be handled at or after at.
func (e *Engine) Wake(ctx context.Context, key string, queue job.Queue, at time.Time) error {
	if err := errors.Join(ctx.Err(), job.CheckQueue(queue)); err != nil {
		return fmt.Errorf("wake %s: %w", key, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	old, ok := e.keys[key]
	switch {
	case !ok:
		old = &entry{key: key}
		e.keys[key] = old
		e.put(old, queue, at)
	case old.place < 0:
		if old.again == nil || at.Before(old.again.at) {
			old.again = &wake{queue, at}
		}
	case at.Before(old.at):
		e.queues[old.queue].remove(old)
		e.put(old, queue, at)
	}
	return nil
}

// put lines an entry up and tells the loop.
func (e *Engine) put(v *entry, queue job.Queue, at time.Time) {
	v.queue, v.at = queue, at
	e.queues[queue].add(v)
	e.tell()
}

func (e *Engine) tell() {
	select {
	case e.news <- struct{}{}:
	default: // told already
	}
}

// Cancel takes back the wake-up of key.
func (e *Engine) Cancel(ctx context.Context, key string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	v, ok := e.keys[key]
	switch {
	case !ok:
	case v.place < 0:
		v.again = nil
	default:
		e.queues[v.queue].remove(v)
		delete(e.keys, key)
	}
	return ctx.Err()
}

// Run handles wake-ups until ctx is cancelled. Wake-ups for queues without a handler stay for another Run.
func (e *Engine) Run(ctx context.Context, handlers map[job.Queue]job.Handler) error {
	e.mu.Lock()
	if e.running {
		e.mu.Unlock()
		return errors.New("the engine is running already")
	}
	e.running = true
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		e.running = false
		e.mu.Unlock()
	}()

	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var wg sync.WaitGroup
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		ready, next := e.next(time.Now(), handlers)
		for _, v := range ready {
			wg.Go(func() { e.handle(work, v, handlers[v.queue]) })
		}
		var due <-chan time.Time // never, unless something waits for its time
		if !next.IsZero() {
			timer.Reset(time.Until(next))
			due = timer.C
		}
		select {
		case <-ctx.Done():
		case <-e.news:
		case <-due:
		}
	}
	return e.drain(cancel, &wg)
}

// next takes what is due and has a slot, and says when more will be due. A line without a free slot is looked at again
// when one of its handlers returns.
func (e *Engine) next(now time.Time, handlers map[job.Queue]job.Handler) (ready []*entry, next time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, q := range job.Queues() {
		if handlers[q] == nil {
			continue
		}
		l := e.queues[q]
		for l.busy < l.slots && len(l.waiting) > 0 {
			if first := l.waiting[0]; first.at.After(now) {
				if next.IsZero() || first.at.Before(next) {
					next = first.at
				}
				break
			}
			l.busy++
			ready = append(ready, l.first())
		}
	}
	return ready, next
}

// handle calls the handler once and lines the key up again when it must be.
func (e *Engine) handle(ctx context.Context, v *entry, h job.Handler) {
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	answer, err := job.Protect(h)(ctx, time.Now().UTC(), v.key)
	if err != nil {
		attrs := []any{"job", v.key, "queue", string(v.queue), "err", err}
		var p *job.PanicError
		if errors.As(err, &p) {
			attrs = append(attrs, "stack", p.Stack)
		}
		e.opts.Log.WarnContext(ctx, "job failed", attrs...)
	}

	e.mu.Lock()
	defer e.mu.Unlock()
	e.queues[v.queue].busy--
	e.tell() // a slot is free
	again := v.again
	v.again = nil
	at, more := answer.At()
	if v.failures++; err == nil {
		v.failures = 0
	} else {
		at, more = time.Now().Add(job.Pause(v.failures, rand.Float64())), true
	}
	switch {
	case again != nil && (!more || again.at.Before(at)):
		e.put(v, again.queue, again.at)
	case more:
		e.put(v, v.queue, at)
	default:
		delete(e.keys, v.key)
	}
}

// drain waits for the handlers at work; when they take too long it cancels them, and still waits.
func (e *Engine) drain(cancel context.CancelFunc, wg *sync.WaitGroup) error {
	idle := make(chan struct{})
	go func() {
		wg.Wait()
		close(idle)
	}()
	timer := time.NewTimer(e.opts.Drain)
	defer timer.Stop()
	select {
	case <-idle:
		return nil
	case <-timer.C:
	}
	cancel()
	<-idle
	return fmt.Errorf("jobs were still at work %v after the stop and were cancelled; they begin again at the next start", e.opts.Drain)
}
