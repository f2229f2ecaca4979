// Package job is the port that wakes work. A job says no more than "advance the row of this key one step"; the row, not
// the engine, holds the state.
//
// It promises that a key that was woken is handled at or after its time, at least once, and by one handler at a time
// within one process; that a handler which fails is called again with growing pauses; and that Run returns only after
// every handler has returned. It refuses to promise more: a wake-up may be lost (a process dies, an engine is changed)
// or given twice, so every handler ends in a compare-and-swap on its row, and Sweep wakes again whatever is due.
package job

import (
	"context"
	"time"
)

// Queue is a class of work with slots of its own, so that slow work of one class never holds up another.
type Queue string

// The queues.
const (
	Scan   Queue = "scan"   // surveys
	Plan   Queue = "plan"   // plans
	Act    Queue = "act"    // actions
	Notice Queue = "notice" // notices
)

// Queues lists the queues in order.
func Queues() []Queue { return []Queue{Scan, Plan, Act, Notice} }

// Answer is what a handler says when it did not fail: done, or again at a time.
type Answer struct {
	again time.Time
}

// Done says that nothing more is due for the key until somebody wakes it.
func Done() Answer { return Answer{} }

// Again asks to be called at t. It costs no attempt.
func Again(t time.Time) Answer { return Answer{again: t} }

// At gives the time of Again, and false for Done.
func (a Answer) At() (time.Time, bool) { return a.again, !a.again.IsZero() }

// Handler advances the row of key one step. It returns within a minute, or gives up when ctx ends. An error is logged
// and the key is called again after a pause; a panic counts as an error.
type Handler func(ctx context.Context, now time.Time, key string) (Answer, error)

// Engine wakes work. It is safe for concurrent use.
type Engine interface {
	// Wake asks for key to be handled in its queue at or after at (a time in the past: now). A key has one wake-up at
	// most: the earlier time wins. Waking a key that is being handled makes it be handled once more, or is lost where
	// the engine cannot; the sweep finds it then.
	Wake(ctx context.Context, key string, queue Queue, at time.Time) error
	// Cancel takes back the wake-up of key, if there is one. A handler that is at work goes on.
	Cancel(ctx context.Context, key string) error
	// Run handles wake-ups until ctx is cancelled, then waits for the handlers at work, at most for the drain time
	// that the engine was made with, and cancels what has not returned by then. It returns nil after a clean drain.
	Run(ctx context.Context, handlers map[Queue]Handler) error
}
