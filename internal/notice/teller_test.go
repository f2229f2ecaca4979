package notice_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/notice"
)

const day = 24 * time.Hour

type events = map[time.Duration]func(*story, time.Time)

func opens(keys ...string) func(*story, time.Time) {
	return func(s *story, now time.Time) {
		for _, key := range keys {
			open(s.t, s.in, key, now)
		}
	}
}

func closes(keys ...string) func(*story, time.Time) {
	return func(s *story, now time.Time) { closeAll(s.t, s.in, now, keys...) }
}

func breaks(name string) func(*story, time.Time) {
	return func(s *story, _ time.Time) { s.channel(name).fail(errors.New("no route")) }
}

func mends(name string) func(*story, time.Time) {
	return func(s *story, _ time.Time) { s.channel(name).fail(nil) }
}

func both(a, b func(*story, time.Time)) func(*story, time.Time) {
	return func(s *story, now time.Time) { a(s, now); b(s, now) }
}

// flaps opens and closes a key every five minutes for six hours.
func flaps(key string) events {
	e := events{}
	for at := time.Duration(0); at < 6*time.Hour; at += 5 * time.Minute {
		e[at] = opens(key)
		e[at+2*time.Minute] = closes(key)
	}
	return e
}

func TestTimelines(t *testing.T) {
	for _, c := range []struct {
		name     string
		channels []string
		options  notice.Options
		events   events
		blank    bool
		until    time.Duration
		want     []string
	}{
		{
			name:   "one outage is one digest",
			events: events{0: opens("a"), 10 * time.Second: opens("b"), 59 * time.Second: opens("c"), 10 * time.Minute: closes("a", "b"), 10*time.Minute + 30*time.Second: closes("c")},
			until:  90 * day,
			want:   []string{"+1m0s mail: 3 failing: a, b, c", "+11m0s mail: 3 recovered: a, b, c"},
		},
		{
			name:    "at once",
			options: notice.Options{Settle: notice.AtOnce},
			events:  events{0: opens("a"), time.Minute: closes("a")},
			until:   90 * day,
			want:    []string{"+0s mail: 1 failing: a", "+1m0s mail: 1 recovered: a"},
		},
		{
			name:   "over before anybody was told",
			events: events{0: opens("a"), 30 * time.Second: closes("a")},
			until:  90 * day,
		},
		{
			name:   "reminders grow apart and end",
			events: events{0: opens("a"), 60 * day: closes("a")},
			until:  90 * day,
			want: []string{
				"+1m0s mail: 1 failing: a", "+24h1m0s mail: 1 still failing: a", "+72h1m0s mail: 1 still failing: a",
				"+168h1m0s mail: 1 still failing: a", "+336h1m0s mail: 1 still failing: a", "+504h1m0s mail: 1 still failing: a",
				"+1440h1m0s mail: 1 recovered: a",
			},
		},
		{
			name:    "no reminders",
			options: notice.Options{Reminders: notice.NoReminders},
			events:  events{0: opens("a"), 60 * day: closes("a")},
			until:   90 * day,
			want:    []string{"+1m0s mail: 1 failing: a", "+1440h1m0s mail: 1 recovered: a"},
		},
		{
			name:   "seen again and again while open",
			events: events{0: opens("a"), time.Minute: opens("a"), 2 * time.Minute: opens("a"), time.Hour: opens("a")},
			until:  2 * time.Hour,
			want:   []string{"+1m0s mail: 1 failing: a"},
		},
		{
			name:   "new, reminded and recovered in one",
			events: events{0: opens("a", "b"), day - time.Minute: both(opens("c"), closes("b"))},
			until:  day + time.Hour,
			want:   []string{"+1m0s mail: 2 failing: a, b", "+24h0m0s mail: 1 failing, 1 still failing, 1 recovered: c, a, b"},
		},
		{
			name:   "what comes and goes is told once an hour",
			events: flaps("a"),
			until:  9 * time.Hour,
			want: []string{
				"+1m0s mail: 1 failing: a", "+3m0s mail: 1 recovered: a",
				"+1h4m0s mail: 1 recovered: a",
				"+2h6m0s mail: 1 failing: a", "+2h8m0s mail: 1 recovered: a",
				"+3h9m0s mail: 1 recovered: a",
				"+4h11m0s mail: 1 failing: a", "+4h13m0s mail: 1 recovered: a",
				"+5h14m0s mail: 1 recovered: a", "+6h15m0s mail: 1 recovered: a",
			},
		},
		{
			name:   "what comes and goes in a store that forgets what was told",
			events: flaps("a"),
			blank:  true,
			until:  9 * time.Hour,
			want: []string{
				"+1m0s mail: 1 failing: a", "+3m0s mail: 1 recovered: a",
				"+1h6m0s mail: 1 failing: a", "+1h8m0s mail: 1 recovered: a",
				"+2h11m0s mail: 1 failing: a", "+2h13m0s mail: 1 recovered: a",
				"+3h16m0s mail: 1 failing: a", "+3h18m0s mail: 1 recovered: a",
				"+4h21m0s mail: 1 failing: a", "+4h23m0s mail: 1 recovered: a",
				"+5h26m0s mail: 1 failing: a", "+5h28m0s mail: 1 recovered: a",
			},
		},
		{
			name:     "a failing channel keeps nothing from the others and gets what it missed",
			channels: []string{"hook", "mail"},
			events: events{
				0: both(breaks("mail"), opens("a")), 5 * time.Minute: opens("b"), 9 * time.Minute: closes("a"), 20 * time.Minute: mends("mail"),
			},
			until: 10 * time.Hour,
			want: []string{
				"+1m0s hook: 1 failing: a",
				"+2m0s hook: 1 failing: channel mail: notices cannot be delivered",
				"+6m0s hook: 1 failing: b",
				"+10m0s hook: 1 recovered: a",
				"+33m0s mail: 1 failing, 1 recovered: b, a",
				"+34m0s hook: 1 recovered: channel mail: notices cannot be delivered",
			},
		},
		{
			name:   "the only channel fails for a while",
			events: events{0: both(breaks("mail"), opens("a")), 2 * time.Minute: mends("mail"), 30 * time.Second: opens("b")},
			until:  10 * time.Hour,
			want:   []string{"+2m0s mail: 2 failing: a, b"},
		},
		{
			name:   "the only channel fails for days",
			events: events{0: both(breaks("mail"), opens("a", "b")), 12 * time.Hour: closes("b"), 3 * day: mends("mail")},
			until:  4 * day,
			want:   []string{"+72h5m0s mail: 1 failing: a"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &story{t: t, in: newMemory(), options: c.options, events: c.events}
			s.in.blank = c.blank
			if len(c.channels) == 0 {
				c.channels = []string{"mail"}
			}
			for _, name := range c.channels {
				s.channels = append(s.channels, &channel{name: name})
			}
			got := s.run(c.until)
			if !slices.Equal(got, c.want) {
				t.Errorf("told\n  %s\nwant\n  %s\nerrors\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "), strings.Join(s.errs, "\n  "))
			}
		})
	}
}
