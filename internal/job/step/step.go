// Package step wakes work one handler at a time, in virtual time: for the demo and for simulations of months.
//
// It promises the same order for the same wake-ups, every time: the earliest first, then by queue, then by key. Time
// stands still while a handler works and then jumps to the next wake-up. It refuses to spin: a key that comes again
// and again without time going on is an error.
package step

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/job"
)

// Budget is how often one key may be handled within one virtual second.
const Budget = 1000

// Engine is a job.Engine in virtual time.
type Engine struct {
	// OnError, when set before the first step, is told of every error of a handler.
	OnError func(now time.Time, key string, err error)

	mu       sync.Mutex
	now      time.Time
	waiting  map[string]wake // the truth: one wake-up a key
	line     line            // the same in order, with others that are no longer true
	failures map[string]int
	counts   map[string]int // how often each key was handled in this second
	running  bool
}

var _ job.Engine = (*Engine)(nil)

type wake struct {
	key   string
	queue job.Queue
	at    time.Time
}

// compare orders wake-ups by time, then queue, then key.
func (w wake) compare(o wake) int {
	return cmp.Or(w.at.Compare(o.at), cmp.Compare(slices.Index(job.Queues(), w.queue), slices.Index(job.Queues(), o.queue)), strings.Compare(w.key, o.key))
}

// New is an engine whose clock stands at start.
func New(start time.Time) *Engine {
	return &Engine{now: start.UTC(), waiting: map[string]wake{}, failures: map[string]int{}, counts: map[string]int{}}
}

// Now is the virtual time.
func (e *Engine) Now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

// Next is when the next wake-up is due, and false when there is none.
func (e *Engine) Next() (time.Time, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w, ok := e.earliest()
	return w.at, ok
}

// Wake asks for key to be handled at or after at. A time in the past is now.
func (e *Engine) Wake(ctx context.Context, key string, queue job.Queue, at time.Time) error {
	if err := errors.Join(ctx.Err(), job.CheckQueue(queue)); err != nil {
		return fmt.Errorf("wake %s: %w", key, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if at.Before(e.now) {
		at = e.now
	}
	e.earlier(wake{key, queue, at.UTC()})
	return nil
}

// earlier keeps the wake-up, unless the key has one that is not later.
func (e *Engine) earlier(w wake) {
	if old, ok := e.waiting[w.key]; !ok || w.at.Before(old.at) {
		e.waiting[w.key] = w
		heap.Push(&e.line, w)
	}
}

// Cancel takes back the wake-up of key.
func (e *Engine) Cancel(ctx context.Context, key string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.waiting, key)
	return ctx.Err()
}

// Run handles wake-ups until none is left or ctx ends.
func (e *Engine) Run(ctx context.Context, handlers map[job.Queue]job.Handler) error {
	for ctx.Err() == nil {
		at, ok := e.Next()
		if !ok {
			return nil
		}
		if err := e.RunUntil(ctx, handlers, at); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// RunUntil handles everything that is due up to and including until, and leaves the clock there.
func (e *Engine) RunUntil(ctx context.Context, handlers map[job.Queue]job.Handler, until time.Time) error {
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
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		w, ok, err := e.take(until.UTC())
		if err != nil || !ok {
			return err
		}
		h := handlers[w.queue]
		if h == nil {
			return fmt.Errorf("%s is due in queue %s, which has no handler", w.key, w.queue)
		}
		answer, err := job.Protect(h)(ctx, e.Now(), w.key)
		e.settle(w, answer, err)
	}
}

// take takes out the earliest wake-up up to until and moves the clock to it; with none left it moves the clock to until.
func (e *Engine) take(until time.Time) (wake, bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w, ok := e.earliest()
	if !ok || w.at.After(until) {
		e.forward(until)
		return wake{}, false, nil
	}
	e.forward(w.at)
	delete(e.waiting, w.key)
	if e.counts[w.key]++; e.counts[w.key] > Budget {
		return wake{}, false, fmt.Errorf("%s in queue %s was handled %d times at %s without time going on: it asks for itself again at once",
			w.key, w.queue, Budget, e.now.Format(time.RFC3339))
	}
	return w, true, nil
}

// forward moves the clock, never back.
func (e *Engine) forward(to time.Time) {
	if !to.After(e.now) {
		return
	}
	if to.Unix() != e.now.Unix() {
		clear(e.counts)
	}
	e.now = to
}

// earliest gives the first wake-up in order. What was taken, cancelled or brought forward meanwhile is dropped on the way.
func (e *Engine) earliest() (wake, bool) {
	for len(e.line) > 0 {
		first := e.line[0]
		if now, ok := e.waiting[first.key]; ok && now == first {
			return first, true
		}
		heap.Pop(&e.line)
	}
	return wake{}, false
}

// line is a heap in the order of compare.
type line []wake

func (l line) Len() int           { return len(l) }
func (l line) Less(i, j int) bool { return l[i].compare(l[j]) < 0 }
func (l line) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }

// Push is for container/heap alone.
func (l *line) Push(v any) { *l = append(*l, v.(wake)) }

// Pop is for container/heap alone.
func (l *line) Pop() any {
	last := len(*l) - 1
	w := (*l)[last]
	*l = (*l)[:last]
	return w
}

// settle keeps what the handler asked for. What it or others woke meanwhile stays when it is earlier.
func (e *Engine) settle(w wake, answer job.Answer, err error) {
	e.mu.Lock()
	now := e.now
	if err != nil {
		e.failures[w.key]++
		e.earlier(wake{w.key, w.queue, now.Add(job.Pause(e.failures[w.key], 1))})
	} else {
		delete(e.failures, w.key)
		if at, again := answer.At(); again {
			if at.Before(now) {
				at = now
			}
			e.earlier(wake{w.key, w.queue, at.UTC()})
		}
	}
	e.mu.Unlock()
	if err != nil && e.OnError != nil {
		e.OnError(now, w.key, err)
	}
}
