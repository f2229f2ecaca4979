package clouds

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/intercept"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/store"
)

// paces are calls a second in one region of one account.
type paces struct {
	reads, writes float64
	burst         int // calls that may come at once after a silence; zero: two seconds' worth
}

// longestWait is how long a call waits for its place; beyond that the job comes back later.
const longestWait = 20 * time.Second

// burstOf is how many calls may come at once after a silence: what the cloud documents for its buckets (AWS: 100), or
// two seconds' worth. A complaint of the cloud ends a burst.
func (p paces) burstOf(key string) int {
	if p.burst > 0 {
		return p.burst
	}
	return max(int(2*p.of(key)), 1)
}

// paceOf is how fast an account is asked: as its rule says, else by the cloud's default.
func paceOf(a policy.Account) paces {
	p := paces{reads: 10, writes: 5}
	if e, ok := find(a.Cloud); ok {
		p = e.pace
	}
	if a.Pace.Reads > 0 {
		p.reads, p.burst = a.Pace.Reads, 0
	}
	if a.Pace.Writes > 0 {
		p.writes, p.burst = a.Pace.Writes, 0
	}
	return p
}

func (p paces) of(key string) float64 {
	if strings.HasSuffix(key, "/"+cloud.Write.String()) {
		return p.writes
	}
	return p.reads
}

// Surroundings are what surrounds the calls to accounts.
type Surroundings struct {
	Sinks  []intercept.Sink // each is told of every call
	Shared store.Pace       // not nil: the pace is shared with other processes through it
}

// Around gives an account's interceptors, outermost first: the record sees what came of a call after all tries, and
// each try takes its own place in the pace.
func (s Surroundings) Around(a policy.Account) []cloud.Interceptor {
	p := paceOf(a)
	var pacer intercept.Pacer = intercept.NewMemory(func(key string) intercept.Limit {
		return intercept.Limit{Ceiling: p.of(key), Burst: p.burstOf(key), Most: longestWait}
	})
	if s.Shared != nil {
		pacer = sharedPace{s.Shared, p}
	}
	var out []cloud.Interceptor
	for _, sink := range s.Sinks {
		out = append(out, intercept.Audit(sink))
	}
	return append(out, intercept.Retry(intercept.RetryOptions{}), intercept.Pace(pacer))
}

// sharedPace is a pacer whose places are rows of the store, so that all workers queue in one line.
type sharedPace struct {
	store store.Pace
	paces paces
}

// Take takes the next place.
func (s sharedPace) Take(ctx context.Context, key string, now time.Time) (time.Duration, error) {
	rate := s.paces.of(key)
	wait, ok, err := s.store.TakePace(ctx, key, now.UTC(), rate, s.paces.burstOf(key), longestWait)
	if err == nil && !ok {
		err = fmt.Errorf("the next place is in %s: %w", wait.Round(time.Millisecond), cloud.ErrThrottled)
	}
	return wait, err
}

// Push makes everybody stay away.
func (s sharedPace) Push(ctx context.Context, key string, now time.Time, by time.Duration) error {
	return s.store.PushPace(ctx, key, now.UTC().Add(max(by, time.Second)))
}
