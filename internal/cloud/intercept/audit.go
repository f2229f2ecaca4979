package intercept

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Record is one call as it went.
type Record struct {
	Call  cloud.Call
	Start time.Time // UTC
	Took  time.Duration
	Err   error // nil when it went well

	// RequestID is the number that the cloud gave to the last request of the call; empty when it gave none, no answer
	// came, or the provider tells none.
	RequestID string
}

// Sink takes what Audit sees. It is called once for each call, after it, at the same time by many callers, under the
// caller's context, which may be over by then: a call that was made is written down all the same.
type Sink func(ctx context.Context, r Record)

// Audit tells the sink of every call that passes.
func Audit(sink Sink) cloud.Interceptor {
	return func(next cloud.Invoke) cloud.Invoke {
		return func(ctx context.Context, call cloud.Call) error {
			start := time.Now()
			watched, id := cloud.WatchRequest(ctx)
			err := next(watched, call)
			sink(ctx, Record{Call: call, Start: start.UTC(), Took: time.Since(start), Err: err, RequestID: id.Get()})
			return err
		}
	}
}

// Counter counts calls. The zero Counter is ready for use, by many at the same time.
type Counter struct {
	mu     sync.Mutex
	counts map[Key]int
}

// Key is what a Counter tells apart.
type Key struct {
	Account string
	Op      string
	Result  string // cloud.ClassName of the error; empty when it went well
}

// Count counts every call that passes, by its result.
func Count(c *Counter) cloud.Interceptor {
	return func(next cloud.Invoke) cloud.Invoke {
		return func(ctx context.Context, call cloud.Call) error {
			err := next(ctx, call)
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.counts == nil {
				c.counts = map[Key]int{}
			}
			c.counts[Key{Account: call.Account, Op: call.Op, Result: cloud.ClassName(err)}]++
			return err
		}
	}
}

// Counts is how many calls ended how, so far.
func (c *Counter) Counts() map[Key]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := maps.Clone(c.counts)
	if out == nil {
		out = map[Key]int{}
	}
	return out
}

// Of is how many calls of the operation there were, whatever their result.
func (c *Counter) Of(op string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for k, v := range c.counts {
		if k.Op == op {
			n += v
		}
	}
	return n
}
