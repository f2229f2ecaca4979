package sim

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/job"
)

// rescued is after what time a shared queue gives a job to another process when the one that had it is silent.
const rescued = 90 * time.Second

// slotsEach is how many handlers a process has at work at once.
const slotsEach = 3

// wake is one wake-up.
type wake struct {
	key   string
	queue job.Queue
	at    time.Time // by the true clock
}

// queue holds wake-ups: of one process, or of several, which it then outlives.
type queue struct {
	waiting  map[string]wake
	handled  map[string]*task // by key: who is at work on it
	again    map[string]wake  // woken while it is handled
	failures map[string]int
}

func newQueue() *queue {
	return &queue{waiting: map[string]wake{}, handled: map[string]*task{}, again: map[string]wake{}, failures: map[string]int{}}
}

// put keeps the wake-up, unless the key has an earlier one.
func (q *queue) put(w wake) {
	to := q.waiting
	if q.handled[w.key] != nil {
		to = q.again
	}
	if old, ok := to[w.key]; !ok || w.at.Before(old.at) {
		to[w.key] = w
	}
}

// due lists what may be handled now, in one order.
func (q *queue) due(now time.Time) []wake {
	var out []wake
	for _, w := range q.waiting {
		if !w.at.After(now) && q.handled[w.key] == nil {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b wake) int { return cmp.Or(a.at.Compare(b.at), strings.Compare(a.key, b.key)) })
	return out
}

// next is when the next wake-up is due.
func (q *queue) next() (at time.Time, ok bool) {
	for _, w := range q.waiting {
		if q.handled[w.key] == nil && (!ok || w.at.Before(at)) {
			at, ok = w.at, true
		}
	}
	return at, ok
}

// port is a queue as one process sees it: its clock may be wrong, and when it is dead nothing that it says arrives.
type port struct {
	p *process
}

var _ job.Engine = port{}

// Wake asks for key to be handled.
func (e port) Wake(_ context.Context, key string, queue job.Queue, at time.Time) error {
	s := e.p.s
	if e.p.dead {
		return errKilled
	}
	at = at.Add(-e.p.offset) // by the true clock
	if now := s.now(); at.Before(now) {
		at = now
	}
	if s.chance(s.luck.wakeups, s.spec.Faults.wakeups) && key != "tell" {
		s.note(e.p.name(), "wake "+key, "is lost")
		s.counts["wake-ups lost"]++
		return nil
	}
	e.p.queue.put(wake{key, queue, at})
	return nil
}

// Cancel takes back the wake-up of key.
func (e port) Cancel(_ context.Context, key string) error {
	delete(e.p.queue.waiting, key)
	return nil
}

// Run is not how the simulation hands out work.
func (e port) Run(context.Context, map[job.Queue]job.Handler) error {
	return errors.New("the simulation runs the handlers itself")
}

// task is one handler at work, or another errand of a process.
type task struct {
	p     *process
	id    int
	what  string
	wake  wake         // zero for an errand
	calls int          // made so far
	made  []cloud.Call // that changed a cloud and were answered

	done   bool
	answer job.Answer
	err    error
}

// finish puts back what the handler asked for.
func (s *Sim) finish(t *task) {
	q := t.p.queue
	t.p.busy--
	if t.wake.key == "" || q.handled[t.wake.key] != t {
		return // an errand, or a job that was given to another meanwhile
	}
	delete(q.handled, t.wake.key)
	if w, ok := q.again[t.wake.key]; ok {
		delete(q.again, t.wake.key)
		q.put(w)
	}
	if t.p.dead {
		return
	}
	now := s.now()
	switch at, again := t.answer.At(); {
	case t.err != nil:
		q.failures[t.wake.key]++
		q.put(wake{t.wake.key, t.wake.queue, now.Add(job.Pause(q.failures[t.wake.key], 1))})
	case again:
		delete(q.failures, t.wake.key)
		if at = at.Add(-t.p.offset); at.Before(now) {
			at = now
		}
		q.put(wake{t.wake.key, t.wake.queue, at})
	default:
		delete(q.failures, t.wake.key)
	}
}

// abandon gives what a dead process had at work to the others, later.
func (s *Sim) abandon(p *process) {
	for key, t := range p.queue.handled {
		if t.p != p {
			continue
		}
		delete(p.queue.handled, key)
		w, ok := p.queue.again[key]
		delete(p.queue.again, key)
		if !ok || w.at.Before(s.now().Add(rescued)) {
			w = wake{key, t.wake.queue, s.now().Add(rescued)}
		}
		p.queue.put(w)
	}
}
