package sim

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds    = flag.Int("seeds", 200/fewer, "how many seeds are played")
	first    = flag.Uint64("first", 1, "the first of them")
	seed     = flag.Uint64("seed", 0, "play this one alone, and print what happened")
	story    = flag.String("story", "", "with -seed: write every step into this file")
	days     = flag.Int("days", 30, "how many virtual days a seed lasts")
	failures = flag.Uint64("failures", 3, "stop once so many seeds have failed")
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
		if *story != "" {
			if err := os.WriteFile(*story, []byte(r.Story()), 0o600); err != nil {
				t.Fatal(err)
			}
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
				for failed.Load() < *failures {
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

// TestReplay wants a seed to play the same twice, step for step: without that no failure could be looked into.
func TestReplay(t *testing.T) {
	for seed := range uint64(6) {
		a, b := play(t, *first+seed, 10), play(t, *first+seed, 10)
		if a.Digest != b.Digest || a.Steps != b.Steps {
			t.Errorf("seed %d: got %d steps with digest %016x, and then %d with %016x", *first+seed, a.Steps, a.Digest, b.Steps, b.Digest)
		}
	}
}

// TestTroubleHappens wants the worlds to be full of what they promise: a simulation in which nothing goes wrong shows
// nothing.
func TestTroubleHappens(t *testing.T) {
	counts := map[string]int{}
	for seed := range uint64(40) {
		for k, v := range play(t, 500+seed, 10).Counts {
			counts[k] += v
		}
	}
	for _, want := range []string{
		"kills", "acts", "edits", "clock steps", "throttled", "denied", "refused", "times out", "its answer is lost", "fails before it takes effect",
		"fails after it took effect", "the database is out of reach", "the database commits, and the answer is lost", "made to fail", "made to stall",
		"wake-ups lost", "wake-ups given twice", "snapshot.create", "snapshotset.create", "image.create", "snapshot.delete", "image.delete",
	} {
		if counts[want] == 0 {
			t.Errorf("%q has never happened in forty worlds: %v", want, counts)
		}
	}
}
