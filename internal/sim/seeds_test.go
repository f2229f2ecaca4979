package sim

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds = flag.Int("seeds", 200, "how many seeds are played")
	first = flag.Uint64("first", 1, "the first of them")
	seed  = flag.Uint64("seed", 0, "play this one alone, and print what happened")
	days  = flag.Int("days", 30, "how many virtual days a seed lasts")
)

// play plays one seed in a bubble of its own.
func play(t *testing.T, seed uint64, days int) Report {
	var report Report
	synctest.Test(t, func(t *testing.T) {
		var err error
		if report, err = Play(context.Background(), Draw(seed, days)); err != nil {
			t.Fatal(err)
		}
	})
	return report
}

// TestSeeds plays many worlds, and wants every law to hold in each.
func TestSeeds(t *testing.T) {
	if *seed != 0 {
		r := play(t, *seed, *days)
		t.Logf("seed %d: %d steps, digest %016x, %v", r.Seed, r.Steps, r.Digest, r.Counts)
		for _, f := range r.Failures {
			t.Error(f)
		}
		return
	}
	began := time.Now()
	var next, steps, failed atomic.Uint64
	var mu sync.Mutex
	counts := map[string]int{}
	t.Run("seeds", func(t *testing.T) {
		for w := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for failed.Load() < 3 {
					n := next.Add(1) - 1
					if n >= uint64(*seeds) {
						return
					}
					r := play(t, *first+n, *days)
					steps.Add(uint64(r.Steps))
					mu.Lock()
					for k, v := range r.Counts {
						counts[k] += v
					}
					mu.Unlock()
					if len(r.Failures) > 0 {
						failed.Add(1)
						t.Errorf("seed %d: %s", r.Seed, r.Failures[0])
					}
				}
			})
		}
	})
	t.Logf("%d seeds of %d days in %s: %d steps; %v", min(next.Load(), uint64(*seeds)), *days, time.Since(began).Round(time.Second), steps.Load(), counts)
}
