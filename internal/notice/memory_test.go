package notice_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/notice"
	"github.com/stint-cloud/stint/internal/store"
)

var start = time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)

// memory is store.Incidents in a map.
type memory struct {
	mu     sync.Mutex
	rows   map[string]store.Incident
	onSave func(in store.Incident) error // may refuse a write
	blank  bool                          // an incident that opens anew begins with nothing told
}

func newMemory() *memory { return &memory{rows: map[string]store.Incident{}} }

func (m *memory) OpenIncident(_ context.Context, in store.Incident, now time.Time, _ ...store.AuditEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, known := m.rows[in.Key]
	in.OpenedAt, in.Count, in.Version = now, old.Count+1, old.Version+1
	if known && (!m.blank || old.ClosedAt.IsZero()) {
		in.ToldAt, in.Told = old.ToldAt, old.Told
	}
	if known && old.ClosedAt.IsZero() {
		in.OpenedAt = old.OpenedAt
	}
	in.LastAt = now
	m.rows[in.Key] = in
	return nil
}

func (m *memory) CloseIncidents(_ context.Context, keys []string, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		if in, ok := m.rows[key]; ok && in.ClosedAt.IsZero() {
			in.ClosedAt = now
			in.Version++
			m.rows[key] = in
		}
	}
	return nil
}

func (m *memory) list(keep func(store.Incident) bool) []store.Incident {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []store.Incident
	for _, in := range m.rows {
		if keep(in) {
			out = append(out, in)
		}
	}
	slices.SortFunc(out, func(a, b store.Incident) int { return b.OpenedAt.Compare(a.OpenedAt) })
	return out
}

func (m *memory) Incidents(_ context.Context, ended bool, limit int) ([]store.Incident, error) {
	out := m.list(func(in store.Incident) bool { return ended || in.ClosedAt.IsZero() })
	return out[:min(limit, len(out))], nil
}

func (m *memory) UntoldIncidents(context.Context) ([]store.Incident, error) {
	return m.list(func(in store.Incident) bool {
		return in.ClosedAt.IsZero() || (in.Told > 0 && !in.ToldEnd)
	}), nil
}

func (m *memory) SaveIncident(_ context.Context, in store.Incident) (store.Incident, error) {
	if m.onSave != nil {
		if err := m.onSave(in); err != nil {
			return in, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.rows[in.Key]
	if !ok {
		return in, store.ErrNotFound
	}
	if old.Version != in.Version {
		return in, store.ErrStale
	}
	in.Version++
	m.rows[in.Key] = in
	return in, nil
}

func (m *memory) get(t *testing.T, key string) store.Incident {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	in, ok := m.rows[key]
	if !ok {
		t.Fatalf("no incident %s", key)
	}
	return in
}

// channel is a notice.Channel that keeps what it was sent.
type channel struct {
	name string

	mu   sync.Mutex
	err  error
	got  []notice.Digest
	hook func(ctx context.Context, d notice.Digest) error
}

func (c *channel) Name() string { return c.name }

func (c *channel) Send(ctx context.Context, d notice.Digest) error {
	if c.hook != nil {
		if err := c.hook(ctx, d); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.got = append(c.got, d)
	}
	return c.err
}

func (c *channel) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *channel) take() []notice.Digest {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = nil
	return got
}

func open(t *testing.T, m *memory, key string, at time.Time) {
	t.Helper()
	in := store.Incident{Key: key, Policy: key, Account: "web", Title: key + " is wrong", Detail: "why"}
	if err := m.OpenIncident(t.Context(), in, at); err != nil {
		t.Fatal(err)
	}
}

func closeAll(t *testing.T, m *memory, at time.Time, keys ...string) {
	t.Helper()
	if err := m.CloseIncidents(t.Context(), keys, at); err != nil {
		t.Fatal(err)
	}
}

// story runs a timeline: what happens when, with Tell called whenever something happened and whenever it asked to be.
type story struct {
	t        *testing.T
	in       *memory
	channels []*channel
	options  notice.Options
	events   map[time.Duration]func(*story, time.Time)
	log      []string
	errs     []string
}

func (s *story) teller() *notice.Teller {
	var list []notice.Channel
	for _, c := range s.channels {
		list = append(list, c)
	}
	return notice.New(s.in, list, s.options)
}

func (s *story) channel(name string) *channel {
	s.t.Helper()
	for _, c := range s.channels {
		if c.name == name {
			return c
		}
	}
	s.t.Fatalf("no channel %s", name)
	return nil
}

func (s *story) run(until time.Duration) []string {
	s.t.Helper()
	teller := s.teller()
	var times []time.Duration
	for at := range s.events {
		times = append(times, at)
	}
	slices.Sort(times)
	var next time.Time
	for calls := 0; ; calls++ {
		if calls > 10_000 {
			s.t.Fatalf("Tell was asked for 10000 times by +%s: a loop", next.Sub(start))
		}
		now, event := next, false
		if len(times) > 0 && (now.IsZero() || !start.Add(times[0]).After(now)) {
			now, event = start.Add(times[0]), true
		}
		if now.IsZero() || now.Sub(start) > until {
			return s.log
		}
		if event {
			s.events[times[0]](s, now)
			times = times[1:]
		}
		var err error
		next, err = teller.Tell(s.t.Context(), now)
		if err != nil {
			s.errs = append(s.errs, fmt.Sprintf("+%s %v", now.Sub(start), err))
		}
		if !next.IsZero() && !next.After(now) {
			s.t.Fatalf("Tell(+%s) asks to be called again at +%s, which is not later", now.Sub(start), next.Sub(start))
		}
		for _, c := range s.channels {
			for _, d := range c.take() {
				s.log = append(s.log, fmt.Sprintf("+%s %s: %s", now.Sub(start), c.name, d.Subject()[len("[stint] "):]))
			}
		}
	}
}
