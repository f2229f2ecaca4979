package schedule

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the library would read otherwise than crons do, or not at all. The wanted days are of November and December 2026,
// of which the first is a Sunday and a Tuesday.
func TestWhatTheLibraryIsNotAsked(t *testing.T) {
	for _, c := range []struct {
		name, expr string
		want       []string
	}{
		{"a range that ends with Sunday as 7", "0 0 * 11 5-7", []string{"11-01", "11-06", "11-07", "11-08"}},
		{"a range that ends with Sunday by name", "0 0 * 11 SAT-SUN", []string{"11-01", "11-07", "11-08", "11-14"}},
		{"a range from Sunday to Sunday is every day", "0 0 * 11 0-7", []string{"11-01", "11-02", "11-03"}},
		{"a range of Sunday alone", "0 0 * 11 7-7", []string{"11-01", "11-08", "11-15"}},
		{"a range round the end of the week", "0 0 * 11 6-1", []string{"11-01", "11-02", "11-07", "11-08", "11-09"}},
		{"a range round the end of the week with a step", "0 0 * 11 5-2/2", []string{"11-01", "11-03", "11-06", "11-08"}},
		{"a leading zero", "0 0 * 11 05", []string{"11-06", "11-13"}},
		{"many leading zeros", "000 0000 * 0011 0005", []string{"11-06", "11-13"}},
		{"six fields: 1 is Sunday", "0 0 ? 11 1 2026", []string{"11-01", "11-08"}},
		{"six fields: 7 is Saturday", "0 0 ? 11 7 2026", []string{"11-07", "11-14"}},
		{"six fields: a range", "0 0 ? 11 6-7 2026", []string{"11-06", "11-07", "11-13"}},
		{"six fields: a range round the end of the week", "0 0 ? 11 7-2 2026", []string{"11-01", "11-02", "11-07", "11-08"}},
		{"six fields: steps over all days count from Sunday", "0 0 ? 11 */3 2026", []string{"11-01", "11-04", "11-07", "11-08"}},
		{"six fields: steps from a day", "0 0 ? 11 2/3 2026", []string{"11-02", "11-05", "11-09"}},
		{"six fields: the last Friday", "0 0 ? * 6L 2026", []string{"11-27", "12-25"}},
		{"six fields: the third Friday", "0 0 ? * 6#3 2026", []string{"11-20", "12-18"}},
		{"six fields: the last day of the week", "0 0 ? 11 L 2026", []string{"11-07", "11-14"}},
		{"six fields: a day before the last, beside others", "0 0 L-29,L-30,LW * ? 2026", []string{"11-01", "11-30", "12-01", "12-02", "12-31"}},
		{"a * in a list is all", "0 0 1,* 11 *", []string{"11-01", "11-02"}},
		{"a step of one is all, also beside the other day field", "0 0 */1 11 1", []string{"11-02", "11-09"}},
	} {
		s := mustCron(t, c.expr, "UTC")
		var got []string
		for at, ok := s.Next(instant(t, "2026-10-31T12:00:00Z")); ok && len(got) < len(c.want); at, ok = s.Next(at) {
			got = append(got, at.Format("01-02"))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: slots of %q:\n got %v\nwant %v", c.name, c.expr, got, c.want)
		}
	}
}

// What the library would take, and read as something else.
func TestWhatTheLibraryWouldTake(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{"? 0 * * *", `minute: "?" is not a value of this field`},
		{"*,x 0 * * *", `minute: "x" is not a value of this field`},
		{"1,,2 0 * * *", `minute: "1,,2" has an empty place in its list`},
		{", 0 * * *", `minute: "," has an empty place in its list`},
		{"@daily * * * *", `minute: "@daily" is not a value of this field`},
		{"0@hourly 0 * * *", `minute: "0@hourly" is not a value of this field`},
		{"50-10 0 * * *", `minute: "50-10" goes backwards (to go round the end write 50-59,0-10)`},
		{"0 0 20-10 * *", `day-of-month: "20-10" goes backwards`},
		{"0 0 * NOV-FEB *", `month: "NOV-FEB" goes backwards (to go round the end write NOV-12,1-FEB)`},
		{"0 0 ? * MON 2030-2026", `year: "2030-2026" goes backwards`},
		{"0 0 * * MONDAY-FRI", `day-of-week: "MONDAY" is not a value of this field`},
		{"0 0 ? * MONDAYL *", `day-of-week: "MONDAY" is not a value of this field`},
		{"0 0 * january *", `month: "january" is not a value of this field: allowed are 1-12 or JAN-DEC (write JAN)`},
		{"0 0 ? * 0L *", `day-of-week: "0" is not within 1-7`},
		{"0 0 ? * 0#2 *", `day-of-week: "0" is not within 1-7`},
		{"0 0 ? * 0-3 *", `day-of-week: "0" is not within 1-7`},
		{"0 0 */31 * *", `day-of-month: "*/31" has a step longer than the field's range 1-31`},
		{"0 0 ? * MON */1970", `year: "*/1970" has a step longer than the field's range 1970-2099`},
		{"0 0 ? * MON */60", `year: "*/60" has a step of more than 59 years`},
		{"0 0 ? * MON 2100", `year: "2100" is not within 1970-2099`},
		{"0 0 L-3/1 * ? *", `day-of-month: "L-3/1" is not within L-0 to L-30`},
		{"0 0 ? * 2-6#2 *", `day-of-week: "2-6"`},
		{"0 0 2 * * * * *", `has 8 fields`},
		{"0 0 L-29 2 ? 2026", `never happens: no such day comes in those months and years`},
		{"0 0 31W 2 ? *", `never happens: no such day comes in those months and years`},
	} {
		s, err := ParseCron(c.expr, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseCron(%q):\n got %s, %v\nwant a complaint with %s", c.expr, s, err, c.want)
		}
	}
}

// The library ends with the year 2099, and so do the slots of a cron schedule: without a sound, and at once.
func TestAfterTheLibrarysYears(t *testing.T) {
	for _, expr := range []string{"* * * * *", "0 2 * * *", "0 0 29 2 *", "0 0 1 1 *", "0 0 ? 2 MON#5 *", "0 0 L-3 * ? *"} {
		s := mustCron(t, expr, "UTC")
		if newest, ok := s.Newest(instant(t, "2500-01-01T00:00:00Z"), 200*365*24*time.Hour); ok {
			t.Errorf("%s: Newest in 2500 within 200 years: got %v, want none after 2099", s, newest)
		}
		newest, ok := s.Newest(instant(t, "2200-01-01T00:00:00Z"), 150*365*24*time.Hour)
		if !ok || newest.Year() < 2064 || newest.Year() > 2099 {
			t.Errorf("%s: Newest in 2200: got %v %v, want the last one until 2099", s, newest, ok)
			continue
		}
		if next, ok := s.Next(newest); ok {
			t.Errorf("%s: Next after the last slot %v: got %v, want none", s, newest, next)
		}
		if next, ok := s.Next(instant(t, "2100-01-01T00:00:00Z")); ok {
			t.Errorf("%s: Next in 2100: got %v, want none", s, next)
		}
		for _, early := range []time.Time{{}, instant(t, "1815-06-18T00:00:00Z")} {
			if first, ok := s.Next(early); !ok || first.Year() < 1970 {
				t.Errorf("%s: Next(%v): got %v %v, want the first one from 1970 on", s, early, first, ok)
			}
		}
	}
	if next, ok := mustEvery(t, "366d").Next(instant(t, "2100-01-01T00:00:00Z")); !ok {
		t.Errorf("Next of a fixed step in 2100: got %v, want one: it has no last year", next)
	}
}

// The library's Next writes into its expression; a schedule is shared all the same.
func TestScheduleIsShared(t *testing.T) {
	s := mustCron(t, "0 0 L * ? *", "Europe/Berlin")
	var wg sync.WaitGroup
	for month := time.January; month <= time.December; month++ {
		wg.Go(func() {
			at := time.Date(2026, month, 1, 12, 0, 0, 0, time.UTC)
			want := time.Date(2026, month+1, 0, 0, 0, 0, 0, zone(t, "Europe/Berlin")).UTC()
			for range 500 {
				if got, ok := s.Next(at); !ok || got != want {
					t.Errorf("Next(%v) beside others: got %v %v, want %v", at, got, ok, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

// The newest of many and the newest of few are found alike, up to the minute.
func TestNewestOfFarApartBursts(t *testing.T) {
	s := mustCron(t, "10-19 9 1 1 ? 2000/13", "UTC")
	for _, c := range []struct{ at, want string }{
		{"2026-11-20T00:00:00Z", "2026-01-01T09:19:00Z"},
		{"2026-01-01T09:15:59Z", "2026-01-01T09:15:00Z"},
		{"2026-01-01T09:10:00Z", "2026-01-01T09:10:00Z"},
		{"2026-01-01T09:09:59Z", "2013-01-01T09:19:00Z"},
		{"2012-12-31T23:59:59Z", "2000-01-01T09:19:00Z"},
	} {
		if got, ok := s.Newest(instant(t, c.at), 100*365*24*time.Hour); !ok || got != instant(t, c.want) {
			t.Errorf("%s: Newest(%s): got %v %v, want %s", s, c.at, got, ok, c.want)
		}
	}
	if got, ok := s.Newest(instant(t, "1999-12-31T00:00:00Z"), 100*365*24*time.Hour); ok {
		t.Errorf("%s: Newest before the first slot: got %v, want none", s, got)
	}
}
