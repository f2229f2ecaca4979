package schedule

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatalf("LoadLocation(%q): %v", name, err)
	}
	return loc
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatalf("time.Parse(%q): %v", text, err)
	}
	return at
}

func mustCron(t testing.TB, expr, zoneName string) Schedule {
	t.Helper()
	s, err := ParseCron(expr, zone(t, zoneName))
	if err != nil {
		t.Fatalf("ParseCron(%q, %s): %v", expr, zoneName, err)
	}
	return s
}

func mustEvery(t testing.TB, text string) Schedule {
	t.Helper()
	s, err := ParseEvery(text)
	if err != nil {
		t.Fatalf("ParseEvery(%q): %v", text, err)
	}
	return s
}

// The wanted slots are written in local time with its offset, so that a reader can check them against a calendar.
func TestSlotsOfRealSchedules(t *testing.T) {
	for _, c := range []struct {
		name, expr, zone, after string
		want                    []string
	}{
		{
			"every night in Shanghai", "0 2 * * *", "Asia/Shanghai", "2026-11-20T12:00:00+08:00",
			[]string{"2026-11-21T02:00:00+08:00", "2026-11-22T02:00:00+08:00"},
		},
		{
			"New York springs forward: 02:30 is made up at 03:00", "30 2 * * *", "America/New_York", "2026-03-07T00:00:00-05:00",
			[]string{"2026-03-07T02:30:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"},
		},
		{
			"New York springs forward: the skipped slots are one, and 03:00 itself is that one too", "*/20 2,3 * * *", "America/New_York", "2026-03-08T00:00:00-05:00",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-08T03:20:00-04:00", "2026-03-08T03:40:00-04:00", "2026-03-09T02:00:00-04:00"},
		},
		{
			"New York falls back: 01:30 happens once, the first", "30 1 * * *", "America/New_York", "2026-10-31T12:00:00-04:00",
			[]string{"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"},
		},
		{
			"New York falls back: the hour that is shown twice has each of its times once", "*/30 * * * *", "America/New_York", "2026-11-01T00:45:00-04:00",
			[]string{"2026-11-01T01:00:00-04:00", "2026-11-01T01:30:00-04:00", "2026-11-01T02:00:00-05:00", "2026-11-01T02:30:00-05:00"},
		},
		{
			"asked within the second showing", "*/30 * * * *", "America/New_York", "2026-11-01T01:10:00-05:00",
			[]string{"2026-11-01T02:00:00-05:00", "2026-11-01T02:30:00-05:00"},
		},
		{
			"Berlin springs forward", "0,15,59 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00+01:00",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"},
		},
		{
			"Berlin falls back", "0 2,3 * * *", "Europe/Berlin", "2026-10-25T00:00:00+02:00",
			[]string{"2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00", "2026-10-26T02:00:00+01:00"},
		},
		{
			"Lord Howe springs forward by half an hour: 02:00 to 02:30", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30",
			[]string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"},
		},
		{
			"Lord Howe springs forward: what is not skipped stays", "45 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30",
			[]string{"2026-10-04T02:45:00+11:00"},
		},
		{
			"Lord Howe falls back by half an hour: 02:00 to 01:30", "*/15 1,2 * * *", "Australia/Lord_Howe", "2026-04-05T01:20:00+11:00",
			[]string{"2026-04-05T01:30:00+11:00", "2026-04-05T01:45:00+11:00", "2026-04-05T02:00:00+10:30", "2026-04-05T02:15:00+10:30"},
		},
		{
			"Casablanca goes back for Ramadan and forward after it", "30 2 * * *", "Africa/Casablanca", "2026-02-14T12:00:00+01:00",
			[]string{"2026-02-15T02:30:00+01:00", "2026-02-16T02:30:00Z"},
		},
		{
			"Casablanca after Ramadan: 02:30 is made up at 03:00", "30 2 * * *", "Africa/Casablanca", "2026-03-21T12:00:00Z",
			[]string{"2026-03-22T03:00:00+01:00", "2026-03-23T02:30:00+01:00"},
		},
		{
			"Apia skips a day: its slots are one, at the midnight after", "0 6,18 * * *", "Pacific/Apia", "2011-12-29T12:00:00-10:00",
			[]string{"2011-12-29T18:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T06:00:00+14:00"},
		},
		{
			"Apia: a schedule of the skipped day alone", "0 12 30 12 ? 2011", "Pacific/Apia", "2011-01-01T00:00:00Z",
			[]string{"2011-12-31T00:00:00+14:00"},
		},
		{
			"Sao Paulo changed at midnight", "0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00-03:00",
			[]string{"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"},
		},
		{
			"the last Friday, as AWS counts, over when its years are", "15 10 ? * 6L 2002-2005", "UTC", "2005-10-01T00:00:00Z",
			[]string{"2005-10-28T10:15:00Z", "2005-11-25T10:15:00Z", "2005-12-30T10:15:00Z"},
		},
		{
			"the third Friday", "0 8 ? * FRI#3 *", "UTC", "2026-11-01T00:00:00Z",
			[]string{"2026-11-20T08:00:00Z", "2026-12-18T08:00:00Z"},
		},
		{
			"a fifth Monday is rare", "0 8 ? * 2#5 *", "UTC", "2026-01-01T00:00:00Z",
			[]string{"2026-03-30T08:00:00Z", "2026-06-29T08:00:00Z", "2026-08-31T08:00:00Z", "2026-11-30T08:00:00Z"},
		},
		{
			"the last day of the month", "0 0 L 1-4 ? *", "UTC", "2024-01-01T00:00:00Z",
			[]string{"2024-01-31T00:00:00Z", "2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z", "2024-04-30T00:00:00Z"},
		},
		{
			"three days before the last", "0 0 L-3 2 ? *", "UTC", "2023-01-01T00:00:00Z",
			[]string{"2023-02-25T00:00:00Z", "2024-02-26T00:00:00Z"},
		},
		{
			"the last working day", "0 0 LW 5,10 ? *", "UTC", "2026-01-01T00:00:00Z",
			[]string{"2026-05-29T00:00:00Z", "2026-10-30T00:00:00Z"},
		},
		{
			"the working day nearest to the 1st never leaves the month", "0 0 1W * ? 2026", "UTC", "2026-07-15T00:00:00Z",
			[]string{"2026-08-03T00:00:00Z", "2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z", "2026-11-02T00:00:00Z"},
		},
		{
			"the working day nearest to the 31st: Sunday goes back to Friday", "0 0 31W 5 ? *", "UTC", "2026-01-01T00:00:00Z",
			[]string{"2026-05-29T00:00:00Z"},
		},
		{
			"six fields count Sunday as 1", "0 0 ? * 1 *", "UTC", "2026-11-20T00:00:00Z",
			[]string{"2026-11-22T00:00:00Z"},
		},
		{
			"six fields count Saturday as 7, as does L", "0 0 ? * L *", "UTC", "2026-11-20T00:00:00Z",
			[]string{"2026-11-21T00:00:00Z"},
		},
		{
			"five fields count Sunday as 0", "0 0 * * 0", "UTC", "2026-11-20T00:00:00Z",
			[]string{"2026-11-22T00:00:00Z"},
		},
		{
			"five fields count Sunday as 7 as well", "0 0 * * 5-7", "UTC", "2026-11-19T12:00:00Z",
			[]string{"2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z", "2026-11-27T00:00:00Z"},
		},
		{
			"days of the week go round", "0 0 * * FRI-MON", "UTC", "2026-11-21T12:00:00Z",
			[]string{"2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-27T00:00:00Z"},
		},
		{
			"both day fields: either", "0 0 13 * FRI", "UTC", "2026-11-05T00:00:00Z",
			[]string{"2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"},
		},
		{
			"leap day", "0 0 29 2 *", "UTC", "2088-03-01T00:00:00Z",
			[]string{"2092-02-29T00:00:00Z", "2096-02-29T00:00:00Z"},
		},
		{
			"weekdays in working hours", "0 9-17/4 * * MON-FRI", "Europe/Berlin", "2026-11-20T10:00:00+01:00",
			[]string{"2026-11-20T13:00:00+01:00", "2026-11-20T17:00:00+01:00", "2026-11-23T09:00:00+01:00"},
		},
		{"@hourly", "@hourly", "UTC", "2026-11-20T10:00:00Z", []string{"2026-11-20T11:00:00Z"}},
		{"@daily", "@daily", "UTC", "2026-11-20T10:00:00Z", []string{"2026-11-21T00:00:00Z"}},
		{"@Weekly", "@Weekly", "UTC", "2026-11-20T10:00:00Z", []string{"2026-11-22T00:00:00Z"}},
		{"@monthly", "@monthly", "UTC", "2026-11-20T10:00:00Z", []string{"2026-12-01T00:00:00Z"}},
		{"@yearly", "@yearly", "UTC", "2026-11-20T10:00:00Z", []string{"2027-01-01T00:00:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := mustCron(t, c.expr, c.zone)
			after := instant(t, c.after)
			var want []time.Time
			for _, w := range c.want {
				want = append(want, instant(t, w).UTC())
			}
			var got []time.Time
			for at, ok := s.Next(after); ok && len(got) < len(want); at, ok = s.Next(at) {
				got = append(got, at)
			}
			if !slices.Equal(got, want) {
				t.Errorf("Next of %s after %s:\n got %v\nwant %v", s, c.after, got, want)
			}
			if got := slices.Collect(s.Slots(after, want[len(want)-1])); !slices.Equal(got, want) {
				t.Errorf("Slots of %s from %s:\n got %v\nwant %v", s, c.after, got, want)
			}
			for i, w := range want {
				if got, ok := s.Newest(w, time.Second); !ok || got != w {
					t.Errorf("Newest of %s at its own slot %s: got %v %v, want it", s, w, got, ok)
				}
				if i == 0 {
					continue
				}
				before := w.Add(-time.Nanosecond)
				if got, ok := s.Newest(before, before.Sub(want[i-1])+1); !ok || got != want[i-1] {
					t.Errorf("Newest of %s just before %s: got %v %v, want %v", s, w, got, ok, want[i-1])
				}
				if got, ok := s.Newest(before, before.Sub(want[i-1])); ok {
					t.Errorf("Newest of %s at %s within %s: got %v, want none: the window is open at its old end", s, before, before.Sub(want[i-1]), got)
				}
			}
		})
	}
}

func TestScheduleThatIsOver(t *testing.T) {
	s := mustCron(t, "15 10 ? * 6L 2002-2005", "UTC")
	if got, ok := s.Next(instant(t, "2005-12-30T10:15:00Z")); ok {
		t.Errorf("Next after the last slot: got %v, want none", got)
	}
	want := instant(t, "2005-12-30T10:15:00Z")
	if got, ok := s.Newest(instant(t, "2026-11-20T00:00:00Z"), 30*365*24*time.Hour); !ok || got != want {
		t.Errorf("Newest long after: got %v %v, want %v", got, ok, want)
	}
	if got, ok := s.Newest(instant(t, "2001-01-01T00:00:00Z"), 100*365*24*time.Hour); ok {
		t.Errorf("Newest before the first slot: got %v, want none", got)
	}
}

func TestZeroScheduleHasNoSlot(t *testing.T) {
	var s Schedule
	at := instant(t, "2026-11-20T00:00:00Z")
	if got, ok := s.Next(at); ok {
		t.Errorf("Next: got %v, want none", got)
	}
	if got, ok := s.Newest(at, time.Hour); ok {
		t.Errorf("Newest: got %v, want none", got)
	}
	if got := slices.Collect(s.Slots(at.Add(-time.Hour), at)); len(got) > 0 {
		t.Errorf("Slots: got %v, want none", got)
	}
	if s.Period() != 0 || s.String() != "" {
		t.Errorf("Period %v, String %q; want 0 and nothing", s.Period(), s.String())
	}
}

func TestEvery(t *testing.T) {
	for _, c := range []struct{ text, after, want, str string }{
		{"1h", "2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z", "every 1h"},
		{"60m", "2026-11-20T10:00:00.5Z", "2026-11-20T11:00:00Z", "every 1h"},
		{"30m", "2026-11-20T10:29:59Z", "2026-11-20T10:30:00Z", "every 30m"},
		{"1d", "2026-11-20T10:29:59+14:00", "2026-11-20T00:00:00Z", "every 1d"},
		{"24h", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", "every 1d"},
		{"1w", "1970-01-01T00:00:00Z", "1970-01-08T00:00:00Z", "every 7d"},
		{"7h", "1969-12-31T18:00:00Z", "1970-01-01T00:00:00Z", "every 7h"},
		{"7h", "1969-12-31T16:59:59Z", "1969-12-31T17:00:00Z", "every 7h"},
	} {
		s := mustEvery(t, c.text)
		if s.String() != c.str {
			t.Errorf("ParseEvery(%q).String(): got %q, want %q", c.text, s, c.str)
		}
		after, want := instant(t, c.after), instant(t, c.want).UTC()
		got, ok := s.Next(after)
		if !ok || got != want {
			t.Errorf("%s: Next(%s): got %v %v, want %v", s, c.after, got, ok, want)
		}
		if newest, ok := s.Newest(want, time.Second); !ok || newest != want {
			t.Errorf("%s: Newest at its own slot %s: got %v %v, want it", s, want, newest, ok)
		}
		if newest, ok := s.Newest(want.Add(-1), s.Period()); !ok || newest != want.Add(-s.Period()) {
			t.Errorf("%s: Newest just before %s: got %v %v, want one period earlier", s, want, newest, ok)
		}
	}
}

func TestPeriod(t *testing.T) {
	for _, c := range []struct {
		expr, zone string
		want       time.Duration
	}{
		{"* * * * *", "UTC", time.Minute},
		{"0 2 * * *", "Europe/Berlin", 24 * time.Hour},
		{"0 0 * * 0", "America/New_York", 7 * 24 * time.Hour},
		{"0 9-17 * * MON-FRI", "UTC", time.Hour},
		{"0 0 1 * *", "UTC", 31 * 24 * time.Hour},
		{"3 4 5 * *", "America/New_York", 31 * 24 * time.Hour},
		{"0 0 1 1 *", "UTC", 365 * 24 * time.Hour},
		{"0 0 29 2 *", "UTC", 1461 * 24 * time.Hour},
		{"15 10 ? * 6L 2002-2005", "UTC", 28 * 24 * time.Hour},
		{"0 0 1 1 ? 2030", "UTC", 0},
	} {
		if got := mustCron(t, c.expr, c.zone).Period(); got != c.want {
			t.Errorf("Period of %q in %s: got %v, want %v", c.expr, c.zone, got, c.want)
		}
	}
}

func TestCanonicalText(t *testing.T) {
	for _, c := range []struct{ expr, zone, want string }{
		{" 00  02 *\t* * ", "Asia/Shanghai", "0 2 * * * Asia/Shanghai"},
		{"@daily", "UTC", "0 0 * * * UTC"},
		{"*/1 0-23/2 1,15 jan-mar mon", "UTC", "* 0-23/2 1,15 JAN-MAR MON UTC"},
		{"1,* 0 1,*/1 * MON,*", "UTC", "* 0 * * * UTC"},
		{"5/15 * * * *", "UTC", "5/15 * * * * UTC"},
		{"15 10 ? * 6l 2002-2005", "UTC", "15 10 ? * 6L 2002-2005 UTC"},
		{"0 0 wl,015w * ? *", "UTC", "0 0 LW,15W * ? * UTC"},
	} {
		if got := mustCron(t, c.expr, c.zone).String(); got != c.want {
			t.Errorf("ParseCron(%q).String(): got %q, want %q", c.expr, got, c.want)
		}
	}
}

// Slots far from now, at the ends of the calendar and with absurd arguments end soon and say none.
func TestEndsOfTime(t *testing.T) {
	times := []time.Time{
		{},
		time.Unix(earliestSecond-5, 0), time.Unix(latestSecond, 0), time.Unix(latestSecond+1, 0),
		time.Unix(1<<62, 0), time.Unix(-1<<62, 0), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	for _, name := range []string{"UTC", "Asia/Shanghai", "America/New_York", "Pacific/Apia"} {
		for _, s := range []Schedule{mustCron(t, "* * * * *", name), mustCron(t, "0 0 29 2 *", name), mustEvery(t, "7h")} {
			for _, at := range times {
				if next, ok := s.Next(at); ok && (next.Year() < 1 || next.Year() > 9999 || !next.After(at)) {
					t.Errorf("%s: Next(%v): got %v", s, at, next)
				}
				if newest, ok := s.Newest(at, time.Hour); ok && (newest.Year() < 1 || newest.After(at)) {
					t.Errorf("%s: Newest(%v): got %v", s, at, newest)
				}
				if newest, ok := s.Newest(at, -time.Hour); ok {
					t.Errorf("%s: Newest(%v) within less than nothing: got %v, want none", s, at, newest)
				}
				for range s.Slots(at.Add(time.Hour), at) {
					t.Errorf("%s: Slots(%v) backwards: got one, want none", s, at)
				}
			}
		}
	}
}

func BenchmarkNext(b *testing.B) {
	s := mustCron(b, "30 2 * * *", "America/New_York")
	at := instant(b, "2026-11-01T00:00:00Z")
	for b.Loop() {
		s.Next(at)
	}
}

func BenchmarkNewestOfEveryMinuteIn30Days(b *testing.B) {
	s := mustCron(b, "* * * * *", "America/New_York")
	at := instant(b, "2026-11-01T06:10:00Z")
	for b.Loop() {
		s.Newest(at, 30*24*time.Hour)
	}
}

func BenchmarkNewestOfLeapDay(b *testing.B) {
	s := mustCron(b, "0 0 29 2 *", "America/New_York")
	at := instant(b, "2027-11-01T06:10:00Z")
	for b.Loop() {
		s.Newest(at, 30*365*24*time.Hour)
	}
}

// The standard library's zone bounds stand still on the last day of leap years beyond a zone's table; slots must not.
func TestLastDayOfFarLeapYears(t *testing.T) {
	for _, name := range []string{"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Antarctica/Troll"} {
		s := mustCron(t, "0 */6 * * *", name)
		for _, year := range []int{2040, 2044, 2096} {
			from := time.Date(year, 12, 29, 1, 0, 0, 0, zone(t, name))
			n, last := 0, from
			for at := range s.Slots(from, from.AddDate(0, 0, 5)) {
				if n++; n > 1 && at.Sub(last) != 6*time.Hour {
					t.Errorf("%s: slots %v and %v are not six hours apart", s, last, at)
				}
				if newest, ok := s.Newest(at, time.Hour); !ok || newest != at {
					t.Errorf("%s: Newest at its own slot %v: got %v %v", s, at, newest, ok)
				}
				last = at
			}
			if n != 20 {
				t.Errorf("%s: slots of five days from %v: got %d, want 20", s, from, n)
			}
		}
	}
}

func BenchmarkNewestOfEveryNight(b *testing.B) {
	s := mustCron(b, "0 2 * * *", "Asia/Shanghai")
	at := instant(b, "2026-11-01T06:10:00Z")
	for b.Loop() {
		s.Newest(at, 6*time.Hour)
	}
}

func BenchmarkParseCron(b *testing.B) {
	for b.Loop() {
		if _, err := ParseCron("15 10 ? * 6L 2002-2005", time.UTC); err != nil {
			b.Fatal(err)
		}
	}
}
