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
}

// longestWait is how long a call waits for its place; beyond that the job comes back later.
const longestWait = 20 * time.Second

// burst is how many calls may come at once after a silence: two seconds' worth.
func burst(rate float64) int { return max(int(2*rate), 1) }

// Pace is how fast an account is asked: as its rule says, else by the cloud's default.
func paceOf(a policy.Account) paces {
	p := paces{reads: 10, writes: 5}
	if e, ok := find(a.Cloud); ok {
		p = e.pace
	}
	if a.Pace.Reads > 0 {
		p.reads = a.Pace.Reads
	}
	if a.Pace.Writes > 0 {
		p.writes = a.Pace.Writes
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
		return intercept.Limit{Ceiling: p.of(key), Burst: burst(p.of(key)), Most: longestWait}
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
	wait, ok, err := s.store.TakePace(ctx, key, now.UTC(), rate, burst(rate), longestWait)
	if err == nil && !ok {
		err = fmt.Errorf("the next place is in %s: %w", wait.Round(time.Millisecond), cloud.ErrThrottled)
	}
	return wait, err
}

// Push makes everybody stay away.
func (s sharedPace) Push(ctx context.Context, key string, now time.Time, by time.Duration) error {
	return s.store.PushPace(ctx, key, now.UTC().Add(max(by, time.Second)))
}
