package notice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stint-cloud/stint/internal/store"
)

// Defaults of Options.
const (
	DefaultSettle    = time.Minute
	DefaultInterval  = time.Hour
	DefaultTimeout   = 30 * time.Second
	DefaultReminders = 5

	// AtOnce as Settle tells without waiting for more: for a program that ends when it has told.
	AtOnce = time.Duration(-1)
	// NoReminders as Reminders tells of every incident once.
	NoReminders = -1
)

const (
	keyPrefix  = "notice/"
	keyPartly  = "/partly"
	claimTries = 3    // how often a row that changed under our hands is looked at again
	lookBack   = 1000 // how many incidents a channel that was out of order is told of at most
	retryFirst = time.Minute
	retryMost  = time.Hour
)

// Options say how a Teller behaves. The zero value is what a server wants.
type Options struct {
	Log       *slog.Logger  // nil: nowhere
	Settle    time.Duration // how long the first incident waits for the rest of the outage; AtOnce for not at all
	Interval  time.Duration // least time between two messages about one incident that comes and goes
	Timeout   time.Duration // of one channel's sending
	Reminders int           // most reminders of one incident; NoReminders for none
	Link      string        // where readers find more: the address of the status page
}

// Teller tells people about incidents. It is safe for concurrent use, also by several processes on one store.
type Teller struct {
	in       store.Incidents
	channels []Channel
	o        Options
	timing   timing
	mute     atomic.Bool // that there is no channel was said

	mu     sync.Mutex
	lately map[string]time.Time // when people were last told of an incident, for those told within the interval
}

// New makes a Teller. Without channels it says once in the log that nobody is told; the incidents stay in status.
func New(in store.Incidents, channels []Channel, o Options) *Teller {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Settle = withDefault(o.Settle, DefaultSettle)
	o.Interval = withDefault(o.Interval, DefaultInterval)
	o.Timeout = withDefault(o.Timeout, DefaultTimeout)
	o.Reminders = withDefault(o.Reminders, DefaultReminders)
	return &Teller{in: in, channels: slices.Clone(channels), o: o, lately: map[string]time.Time{}, timing: timing{
		settle: o.Settle, interval: o.Interval, lease: Lease(o.Timeout), reminders: o.Reminders,
	}}
}

// withDefault turns the zero value into the default, and what is below zero into none.
func withDefault[T ~int | ~int64](v, def T) T {
	if v == 0 {
		return def
	}
	return max(v, 0)
}

// Lease is how long after a crash a notice that was being sent waits before it is sent again.
func Lease(timeout time.Duration) time.Duration { return 2*timeout + time.Minute }

// ChannelKey is the key of the incident that is open while a channel cannot deliver.
func ChannelKey(channel string) string { return keyPrefix + channel }

// Tell sends what is due at now, at most one message per channel, and says when it is to be called again: zero when
// nothing is due before another incident opens or closes. Its error says which channels failed and why; the others
// were told, and those that failed are tried again.
//
// Two tellers never send the same telling: each claims an incident's row by compare-and-swap before it sends. When all
// channels fail, the claim is given back. A teller that dies between claim and send leaves a claim that ends with its
// lease, after which the notice is sent, perhaps for the second time.
func (t *Teller) Tell(ctx context.Context, now time.Time) (next time.Time, err error) {
	now = now.UTC().Truncate(time.Microsecond)
	t.forget(now)
	rows, err := t.untold(ctx)
	if err != nil {
		return now.Add(retryFirst), fmt.Errorf("notices: what is to be told: %w", err)
	}
	rows, err = t.dropStrays(ctx, rows, now)
	if err != nil {
		return now.Add(retryFirst), err
	}
	if len(t.channels) == 0 {
		if len(rows) > 0 && t.mute.CompareAndSwap(false, true) {
			t.o.Log.WarnContext(ctx, "nobody is told of incidents: no channel is configured under notify; see stint status")
		}
		return time.Time{}, nil
	}

	sends, err := t.prepare(ctx, rows, now)
	if err != nil {
		return now.Add(retryFirst), err
	}
	claims, claimErr := t.claim(ctx, sends, now)
	if claimErr == nil {
		t.deliver(ctx, sends, claims, now)
	}
	// What was sent is recorded even when the caller gives up meanwhile.
	record := context.WithoutCancel(ctx)
	errs := []error{claimErr, t.settle(record, sends, claims), t.judge(record, claimErr != nil || ctx.Err() != nil, sends, now)}
	next, err = t.next(record, now)
	return next, errors.Join(append(errs, err)...)
}

// untold lists the rows. A store may forget, when an incident opens anew, that people were told of it before; this
// teller remembers that while it matters, so that what comes and goes is still told of only once in the interval.
func (t *Teller) untold(ctx context.Context) ([]store.Incident, error) {
	rows, err := t.in.UntoldIncidents(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, in := range rows {
		if at, ok := t.lately[in.Key]; ok && in.ToldAt.IsZero() && at.Before(in.OpenedAt) {
			rows[i].ToldAt = at
		}
	}
	return rows, err
}

func (t *Teller) remember(key string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lately[key] = at
}

// forget drops what lies further back than the interval.
func (t *Teller) forget(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.lately, func(_ string, at time.Time) bool { return now.Sub(at) > t.o.Interval })
}

// sending is one channel in one Tell.
type sending struct {
	channel Channel
	ready   bool           // false: it failed lately and is not tried now
	failing store.Incident // its open incident; no key when it is well
	partly  bool           // its other incident is open: not everybody is reached
	retryAt time.Time      // zero when it is well
	digest  Digest
	tried   bool
	err     error
}

// claim is a row in our hands: as it was, and as we wrote it.
type claim struct {
	was, row store.Incident
}

// dropStrays closes the incidents of channels that are no longer configured, and gives the rows without them.
func (t *Teller) dropStrays(ctx context.Context, rows []store.Incident, now time.Time) ([]store.Incident, error) {
	var stray []string
	kept := slices.DeleteFunc(slices.Clone(rows), func(in store.Incident) bool {
		rest, ours := strings.CutPrefix(in.Key, keyPrefix)
		name := strings.TrimSuffix(rest, keyPartly)
		if !ours || slices.ContainsFunc(t.channels, func(c Channel) bool { return c.Name() == name }) {
			return false
		}
		if in.ClosedAt.IsZero() {
			stray = append(stray, in.Key)
		}
		return true
	})
	if len(stray) == 0 {
		return kept, nil
	}
	if err := t.in.CloseIncidents(ctx, stray, now); err != nil {
		return nil, fmt.Errorf("notices: closing the incidents of removed channels: %w", err)
	}
	return kept, nil
}

// states gives for each channel whether it is well, from the open incidents.
func (t *Teller) states(rows []store.Incident) []*sending {
	sends := make([]*sending, len(t.channels))
	for i, c := range t.channels {
		s := &sending{channel: c}
		for _, in := range rows {
			if !in.ClosedAt.IsZero() {
				continue
			}
			switch in.Key {
			case ChannelKey(c.Name()):
				s.failing, s.retryAt = in, in.LastAt.Add(backOff(in))
			case ChannelKey(c.Name()) + keyPartly:
				s.partly = true
			}
		}
		sends[i] = s
	}
	return sends
}

// backOff doubles the time for which a channel has been failing, from a minute up to an hour.
func backOff(in store.Incident) time.Duration {
	return min(max(in.LastAt.Sub(in.OpenedAt), retryFirst), retryMost)
}

// prepare finds the channels that can be tried now. One that was failing is claimed for this try, and gets what the
// others were told meanwhile.
func (t *Teller) prepare(ctx context.Context, rows []store.Incident, now time.Time) ([]*sending, error) {
	sends := t.states(rows)
	for _, s := range sends {
		s.ready = !s.retryAt.After(now)
		if !s.ready || s.failing.Key == "" {
			continue
		}
		row := s.failing
		row.LastAt = now
		row, err := t.in.SaveIncident(ctx, row)
		if errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNotFound) {
			s.ready = false // another worker tries it
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("notices: claiming channel %s: %w", s.channel.Name(), err)
		}
		s.failing = row
		s.digest.Trouble = fmt.Sprintf("Nothing could be delivered here since %s; this message has what was missed. Why: %s",
			clock(row.OpenedAt), row.Detail)
		if err := t.missed(ctx, s); err != nil {
			return nil, err
		}
	}
	return sends, nil
}

// missed puts into the channel's digest what people were told elsewhere since it began to fail.
func (t *Teller) missed(ctx context.Context, s *sending) error {
	all, err := t.in.Incidents(ctx, true, lookBack)
	if err != nil {
		return fmt.Errorf("notices: what channel %s missed: %w", s.channel.Name(), err)
	}
	for _, in := range all {
		if in.Key == s.failing.Key || in.ToldAt.Before(s.failing.OpenedAt) || told(in) == 0 {
			continue
		}
		t.timing.addTo(&s.digest, in, in.Told <= 1, false)
	}
	return nil
}

// claim takes the rows that are to be told now. It takes none unless one of them is due; then all that are ripe go
// with it.
func (t *Teller) claim(ctx context.Context, sends []*sending, now time.Time) (claims []claim, err error) {
	for range claimTries {
		rows, err := t.untold(ctx)
		if err != nil {
			return claims, fmt.Errorf("notices: what is to be told: %w", err)
		}
		var ripe []store.Incident
		due := len(claims) > 0
		for _, in := range rows {
			ripeAt, dueAt, ok := t.timing.due(in)
			if !ok || ripeAt.After(now) || !slices.ContainsFunc(sends, func(s *sending) bool { return s.ready && s.takes(in) }) {
				continue
			}
			ripe = append(ripe, in)
			due = due || !dueAt.After(now)
		}
		if !due {
			return claims, nil
		}
		stale := false
		for _, in := range ripe {
			row, err := t.in.SaveIncident(ctx, t.timing.claimed(in, now))
			switch {
			case errors.Is(err, store.ErrStale):
				stale = true
			case errors.Is(err, store.ErrNotFound):
			case err != nil:
				return claims, fmt.Errorf("notices: claiming %s: %w", in.Key, err)
			default:
				claims = append(claims, claim{was: in, row: row})
			}
		}
		if !stale {
			break
		}
	}
	return claims, nil
}

// takes says whether the channel is told of the incident: of every one but that it does not work itself.
func (s *sending) takes(in store.Incident) bool { return in.Key != ChannelKey(s.channel.Name()) }

// deliver sends each ready channel its digest, all at the same time.
func (t *Teller) deliver(ctx context.Context, sends []*sending, claims []claim, now time.Time) {
	var wg sync.WaitGroup
	for _, s := range sends {
		if !s.ready {
			continue
		}
		t.compose(s, claims, now)
		if s.digest.Empty() {
			continue
		}
		s.tried = true
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, t.o.Timeout)
			defer cancel()
			s.err = s.channel.Send(ctx, s.digest)
		})
	}
	wg.Wait()
}

// compose completes the channel's digest with the claimed rows.
func (t *Teller) compose(s *sending, claims []claim, now time.Time) {
	d := &s.digest
	d.At, d.Link = now, t.o.Link
	for _, c := range claims {
		if !s.takes(c.row) {
			continue
		}
		// What was missed and is told again now is told once.
		for _, list := range []*[]Item{&d.Failing, &d.Still, &d.Recovered} {
			*list = slices.DeleteFunc(*list, func(i Item) bool { return i.Key == c.row.Key })
		}
		back := c.was.ClosedAt.IsZero() && !c.was.ToldAt.IsZero() && c.was.ToldAt.Before(c.was.OpenedAt)
		t.timing.addTo(d, c.row, told(c.was) == 0, back)
	}
	for _, list := range [][]Item{d.Failing, d.Still, d.Recovered} {
		slices.SortFunc(list, func(a, b Item) int {
			if n := a.Opened.Compare(b.Opened); n != 0 {
				return n
			}
			return strings.Compare(a.Key, b.Key)
		})
	}
	d.identify()
}

// out says that the message is with its readers, with most of them at least.
func (s *sending) out() bool { return s.tried && (s.err == nil || errors.Is(s.err, ErrPartly)) }

// settle writes for every claimed row that it was told, or gives it back when no channel took it.
func (t *Teller) settle(ctx context.Context, sends []*sending, claims []claim) error {
	var errs []error
	for _, c := range claims {
		reached := slices.ContainsFunc(sends, func(s *sending) bool { return s.out() && s.takes(c.row) })
		if reached {
			t.remember(c.row.Key, c.row.ToldAt)
		}
		err := t.change(ctx, c.row, func(row store.Incident) store.Incident {
			switch {
			case reached:
				return t.timing.finished(row, c.row)
			case row.OpenedAt.Equal(c.row.OpenedAt):
				row.ToldAt, row.Told = c.was.ToldAt, c.was.Told
			}
			return row
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("notices: recording %s: %w", c.row.Key, err))
		}
	}
	return errors.Join(errs...)
}

// change writes a row by compare-and-swap, and again on what it finds when the row was seen or closed meanwhile.
func (t *Teller) change(ctx context.Context, row store.Incident, to func(store.Incident) store.Incident) error {
	for range claimTries {
		_, err := t.in.SaveIncident(ctx, to(row))
		if err == nil || errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if !errors.Is(err, store.ErrStale) {
			return err
		}
		all, err := t.in.Incidents(ctx, true, lookBack)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(in store.Incident) bool { return in.Key == row.Key })
		if i < 0 {
			return nil
		}
		row = all[i]
	}
	return fmt.Errorf("it keeps changing: %w", store.ErrStale)
}
