package intercept

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Pacer shares one pace for each key among all who ask. Memory is the one within a process; one on a database shares it
// among many.
type Pacer interface {
	// Take takes the next place in the key's queue and says how long to wait before making the call. When that would be
	// longer than the pacer bears it takes nothing, and answers that wait with an error of class cloud.ErrThrottled. Any
	// other error means that the pace is not known, and the call is not made either.
	Take(ctx context.Context, key string, now time.Time) (wait time.Duration, err error)
	// Push says that the cloud was asked too often: calls slow down, and nobody calls for so long. Places that were
	// taken before stay valid.
	Push(ctx context.Context, key string, now time.Time, by time.Duration) error
}

// PaceKey is account/region/class: what clouds count calls by.
func PaceKey(call cloud.Call) string {
	return call.Account + "/" + call.Region + "/" + call.Class.String()
}

// Pace makes each call wait for its place, and slows all down once the cloud says that it was asked too often. An operation of
// which enough are under way (cloud.ErrBusy) slows nothing: the cloud minds no other call.
func Pace(p Pacer) cloud.Interceptor {
	return func(next cloud.Invoke) cloud.Invoke {
		return func(ctx context.Context, call cloud.Call) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			key := PaceKey(call)
			wait, err := p.Take(ctx, key, time.Now())
			if err != nil {
				return notNow(ctx, call, wait, err)
			}
			if late(ctx, wait) {
				return notNow(ctx, call, wait, fmt.Errorf("the next place is in %s, after the call's time is over", wait))
			}
			if err := sleep(ctx, wait); err != nil {
				return err
			}
			if err := cloud.Sending(ctx); err != nil {
				return err
			}
			err = next(ctx, call)
			if cloud.ClassOf(err) == cloud.ErrThrottled && !errors.Is(err, cloud.ErrBusy) {
				// The call is over, and that it was too much is worth telling even when its context is over too.
				if pushed := p.Push(context.WithoutCancel(ctx), key, time.Now(), after(err)); pushed != nil {
					return fmt.Errorf("%w (and the pace was not slowed: %w)", err, pushed)
				}
			}
			return err
		}
	}
}

// notNow is the answer to a call that was not made: throttled, so that everybody knows that it had no effect.
func notNow(ctx context.Context, call cloud.Call, wait time.Duration, err error) error {
	if stop := ctx.Err(); stop != nil {
		return stop
	}
	return &cloud.Error{Op: call.Op, Ref: call.Ref, Class: cloud.ErrThrottled, Code: "OwnPace", After: wait, Err: err}
}

// Limit is the pace of one key.
type Limit struct {
	Ceiling float64       // calls a second, as many as are ever made
	Burst   int           // how many may come at once after a silence; 1 when zero
	Floor   float64       // calls a second that are made however often the cloud complains; a fiftieth of Ceiling when zero
	Rise    float64       // by how much the pace grows in each second without complaint; a sixtieth of Ceiling when zero
	Most    time.Duration // the longest wait that a caller is made to bear; 20 s when zero
}

func (l Limit) withDefaults() Limit {
	if l.Burst <= 0 {
		l.Burst = 1
	}
	if l.Floor <= 0 {
		l.Floor = l.Ceiling / 50
	}
	if l.Rise <= 0 {
		l.Rise = l.Ceiling / 60
	}
	if l.Most <= 0 {
		l.Most = 20 * time.Second
	}
	return l
}

// Memory is a Pacer within one process: a generic cell rate algorithm for each key. Its pace halves when the cloud
// complains, at most once a second since one moment's complaints have one cause, and rises again second by second.
type Memory struct {
	of   func(key string) Limit
	mu   sync.Mutex
	keys map[string]*cell
}

// cell is one key's pace.
type cell struct {
	limit   Limit
	due     time.Time // when the next call is due at an even pace
	shut    time.Time // nobody calls before
	rate    float64   // calls a second, right after the last complaint
	eased   time.Time // when the pace was last slowed
	touched bool      // slowed at all
}

// NewMemory makes a pacer whose limits are asked for once for each key. It panics, at the first use of the key, when a
// ceiling is not positive.
func NewMemory(of func(key string) Limit) *Memory { return &Memory{of: of, keys: map[string]*cell{}} }

// Take takes the next place in the key's queue.
func (m *Memory) Take(_ context.Context, key string, now time.Time) (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cell(key)
	step := time.Duration(float64(time.Second) / c.pace(now))
	due, earliest := c.due, now.Add(-time.Duration(c.limit.Burst-1)*step)
	if c.shut.After(now) {
		earliest = c.shut // and after a complaint no burst
	}
	if due.Before(earliest) {
		due = earliest
	}
	at := due
	if at.Before(now) {
		at = now
	}
	if wait := at.Sub(now); wait > c.limit.Most {
		return wait, fmt.Errorf("the next place is in %s: %w", wait.Round(time.Millisecond), cloud.ErrThrottled)
	}
	c.due = due.Add(step)
	return at.Sub(now), nil
}

// Push halves the pace, shuts it for so long, at least for one call's time, and ends a burst.
func (m *Memory) Push(_ context.Context, key string, now time.Time, by time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cell(key)
	if !c.touched || now.Sub(c.eased) >= time.Second {
		c.rate = math.Max(c.limit.Floor, c.pace(now)/2)
		c.eased, c.touched = now, true
	}
	if until := now.Add(max(by, time.Duration(float64(time.Second)/c.pace(now)))); until.After(c.shut) {
		c.shut = until
	}
	if c.due.Before(c.shut) {
		c.due = c.shut // what was saved up in silence is lost: the cloud has just said that it is too much
	}
	return nil
}

// Rate is the key's pace now, in calls a second.
func (m *Memory) Rate(key string, now time.Time) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cell(key).pace(now)
}

func (m *Memory) cell(key string) *cell {
	c, ok := m.keys[key]
	if !ok {
		limit := m.of(key).withDefaults()
		if !(limit.Ceiling > 0) {
			panic(fmt.Sprintf("intercept.Memory: the ceiling of %s is %v, want more than zero", key, limit.Ceiling))
		}
		c = &cell{limit: limit}
		m.keys[key] = c
	}
	return c
}

// pace is how many calls a second there may be now: what it was after the last complaint and what has risen since.
func (c *cell) pace(now time.Time) float64 {
	if !c.touched {
		return c.limit.Ceiling
	}
	risen := max(0, now.Sub(c.eased).Seconds()) * c.limit.Rise
	return math.Min(c.limit.Ceiling, c.rate+risen)
}
