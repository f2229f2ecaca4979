package job

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Wakeup is one key that is due.
type Wakeup struct {
	Key   string
	Queue Queue
	At    time.Time
}

// Sweep wakes whatever is due, over and over. It makes up for every wake-up that was lost: a process that died between
// a commit and its wake-up, an engine that was changed, a database that was restored. A key that fails is tried again
// by it before its pause is over, so no pause is longer than Every in effect.
type Sweep struct {
	Due    func(ctx context.Context, now time.Time) ([]Wakeup, error)
	Engine Engine
	Every  time.Duration // a minute when zero
	Log    *slog.Logger  // nil: silent
}

// Run sweeps at once and then every so often, until ctx ends. A sweep that fails is logged, and the next one tries
// again.
func (s *Sweep) Run(ctx context.Context) error {
	log := s.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	every := s.Every
	if every <= 0 {
		every = time.Minute
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if _, err := s.Once(ctx, time.Now().UTC()); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "sweep failed", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Once wakes what is due now, and says how many keys that were.
func (s *Sweep) Once(ctx context.Context, now time.Time) (int, error) {
	due, err := s.Due(ctx, now)
	if err != nil {
		return 0, fmt.Errorf("what is due: %w", err)
	}
	for i, w := range due {
		if err := s.Engine.Wake(ctx, w.Key, w.Queue, w.At); err != nil {
			return i, fmt.Errorf("wake %s: %w", w.Key, err)
		}
	}
	return len(due), nil
}
