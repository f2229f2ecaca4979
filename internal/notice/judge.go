package notice

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stint-cloud/stint/internal/store"
)

// judge opens and closes the incidents of the channels by how the sending went, logs each failure, and returns them
// together. When the caller gave up, what failed is nobody's fault and is not held against the channel.
func (t *Teller) judge(ctx context.Context, gaveUp bool, sends []*sending, now time.Time) error {
	var errs []error
	var well []string
	for _, s := range sends {
		name := s.channel.Name()
		if s.err != nil {
			errs = append(errs, fmt.Errorf("channel %s: %w", name, s.err))
			t.o.Log.WarnContext(ctx, "a notice was not delivered", "channel", name, "err", s.err)
		}
		partly := errors.Is(s.err, ErrPartly)
		switch {
		case s.out():
			t.o.Log.InfoContext(ctx, "told", "channel", name, "failing", len(s.digest.Failing), "still", len(s.digest.Still),
				"recovered", len(s.digest.Recovered))
			if s.failing.Key != "" {
				well = append(well, s.failing.Key)
			}
			if s.partly && !partly {
				well = append(well, ChannelKey(name)+keyPartly)
			}
		case s.ready && !s.tried && s.failing.Key != "" && s.digest.Empty() && !gaveUp:
			// It missed nothing after all: there is nothing to try it with, and nothing is owed.
			well = append(well, s.failing.Key)
		}
		var in store.Incident
		switch {
		case s.err == nil:
			continue
		case partly:
			in = store.Incident{Key: ChannelKey(name) + keyPartly, Title: "channel " + name + ": not everybody is reached"}
		case gaveUp:
			continue
		default:
			in = store.Incident{Key: ChannelKey(name), Title: "channel " + name + ": notices cannot be delivered"}
		}
		in.Detail = oneLine(s.err.Error())
		if err := t.in.OpenIncident(ctx, in, now); err != nil {
			errs = append(errs, fmt.Errorf("notices: recording that channel %s failed: %w", name, err))
		}
	}
	if len(well) > 0 {
		if err := t.in.CloseIncidents(ctx, well, now); err != nil {
			errs = append(errs, fmt.Errorf("notices: recording that channels work again: %w", err))
		}
	}
	return errors.Join(errs...)
}

// next says when something is due: an incident at a channel that can take it then, or a channel's next try.
func (t *Teller) next(ctx context.Context, now time.Time) (time.Time, error) {
	rows, err := t.untold(ctx)
	if err != nil {
		return now.Add(retryFirst), fmt.Errorf("notices: what is due next: %w", err)
	}
	sends := t.states(rows)
	var next time.Time
	for _, s := range sends {
		next = earliest(next, s.retryAt)
	}
	for _, in := range rows {
		_, due, ok := t.timing.due(in)
		if !ok {
			continue
		}
		var at time.Time
		for _, s := range sends {
			if s.takes(in) {
				at = earliest(at, later(due, s.retryAt))
			}
		}
		next = earliest(next, at)
	}
	if !next.IsZero() {
		next = later(next, now.Add(time.Second)) // what slipped from our hands is not asked for in a hot loop
	}
	return next, nil
}
