package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// term is one item of a field, drawn at random: its text, and what it means, told as plainly as possible.
type term struct {
	text string
	in   func(at time.Time) bool
}

type drawn struct {
	text string
	in   func(at time.Time) bool
}

// anyOf is a field: a list of terms.
func anyOf(terms []term) drawn {
	var texts []string
	for _, x := range terms {
		texts = append(texts, x.text)
	}
	return drawn{strings.Join(texts, ","), func(at time.Time) bool {
		return slices.ContainsFunc(terms, func(x term) bool { return x.in(at) })
	}}
}

func always(time.Time) bool { return true }

// numbers draws a term of plain numbers; of gives the field's value at a wall-clock time.
func numbers(t *rapid.T, low, high, open int, name func(int) string, of func(time.Time) int) term {
	v := rapid.IntRange(low, high).Draw(t, "v")
	last := rapid.IntRange(v, high).Draw(t, "last")
	step := rapid.IntRange(1, open-low).Draw(t, "step")
	stepped := func(first, last, step int) func(time.Time) bool {
		return func(at time.Time) bool {
			for x := first; x <= last; x += step {
				if x == of(at) || high == 7 && low == 0 && x == 7 && of(at) == 0 {
					return true
				}
			}
			return false
		}
	}
	switch rapid.IntRange(0, 4).Draw(t, "form") {
	case 0:
		return term{name(v), stepped(v, v, 1)}
	case 1:
		return term{name(v) + "-" + name(last), stepped(v, last, 1)}
	case 2:
		return term{fmt.Sprintf("%s-%s/%d", name(v), name(last), step), stepped(v, last, step)}
	case 3:
		if v > open {
			v = open
		}
		return term{fmt.Sprintf("%s/%d", name(v), step), stepped(v, open, step)}
	}
	if low == 1 && high == 31 || high == 7 {
		return term{name(v), stepped(v, v, 1)} // */n is for the other fields: crons disagree about it in the day fields
	}
	return term{fmt.Sprintf("*/%d", step), stepped(low, open, step)}
}

func plain(n int) string { return strconv.Itoa(n) }

func padded(n int) string { return fmt.Sprintf("%02d", n) }

func field(t *rapid.T, label string, one func() term) drawn {
	var terms []term
	for range rapid.IntRange(1, 3).Draw(t, label) {
		terms = append(terms, one())
	}
	return anyOf(terms)
}

func orStar(t *rapid.T, label string, one func() term) (drawn, bool) {
	if rapid.Bool().Draw(t, label+" is *") {
		return drawn{"*", always}, true
	}
	return field(t, label, one), false
}

func daysInMonth(at time.Time) int {
	return time.Date(at.Year(), at.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// isNearestWorkday looks at the days around day n of at's month, nearest first and the earlier of two, for a working day.
func isNearestWorkday(at time.Time, n int) bool {
	for _, distance := range []int{0, -1, 1, -2, 2} {
		d := n + distance
		if n > daysInMonth(at) || d < 1 || d > daysInMonth(at) {
			continue
		}
		weekday := time.Date(at.Year(), at.Month(), d, 0, 0, 0, 0, time.UTC).Weekday()
		if weekday != time.Saturday && weekday != time.Sunday {
			return at.Day() == d
		}
	}
	return false
}

func monthDayTerm(t *rapid.T, six bool) term {
	if six {
		switch rapid.IntRange(0, 6).Draw(t, "day form") {
		case 0:
			return term{"L", func(at time.Time) bool { return at.AddDate(0, 0, 1).Day() == 1 }}
		case 1:
			n := rapid.IntRange(0, 30).Draw(t, "before last")
			return term{fmt.Sprintf("L-%d", n), func(at time.Time) bool { return at.Day() == daysInMonth(at)-n }}
		case 2:
			return term{"LW", func(at time.Time) bool { return isNearestWorkday(at, daysInMonth(at)) }}
		case 3:
			n := rapid.IntRange(1, 31).Draw(t, "near")
			return term{fmt.Sprintf("%dW", n), func(at time.Time) bool { return isNearestWorkday(at, n) }}
		}
	}
	return numbers(t, 1, 31, 31, padded, time.Time.Day)
}

func weekDayTerm(t *rapid.T, six bool) term {
	names := []string{"SUN", "mon", "TUE", "WED", "THU", "FRI", "Sat"}
	low, high, open, base := 0, 7, 6, 0
	if six {
		low, high, open, base = 1, 7, 7, 1
	}
	of := func(at time.Time) int { return int(at.Weekday()) + base }
	name := plain
	switch form := rapid.IntRange(0, 5).Draw(t, "weekday form"); {
	case form == 0:
		name = func(v int) string { return names[(v-base)%7] }
		v := rapid.IntRange(base, base+6).Draw(t, "from")
		last := rapid.IntRange(base, base+6).Draw(t, "to")
		return term{name(v) + "-" + name(last), func(at time.Time) bool {
			for x := v - base; ; x = (x + 1) % 7 { // round the week until the last day of the range
				if x == int(at.Weekday()) {
					return true
				}
				if x == last-base {
					return false
				}
			}
		}}
	case form == 1 && six:
		v := rapid.IntRange(1, 7).Draw(t, "last weekday")
		return term{plain(v) + "L", func(at time.Time) bool { return of(at) == v && at.AddDate(0, 0, 7).Month() != at.Month() }}
	case form == 2 && six:
		v := rapid.IntRange(1, 7).Draw(t, "nth weekday")
		nth := rapid.IntRange(1, 5).Draw(t, "nth")
		return term{fmt.Sprintf("%d#%d", v, nth), func(at time.Time) bool { return of(at) == v && (at.Day()-1)/7+1 == nth }}
	}
	if rapid.Bool().Draw(t, "leading zero") {
		name = padded
	}
	return numbers(t, low, high, open, name, of)
}

// drawCron draws an expression and its meaning. The year of six fields is around the given one.
func drawCron(t *rapid.T, year int) drawn {
	six := rapid.Bool().Draw(t, "six")
	minute := field(t, "minute", func() term { return numbers(t, 0, 59, 59, plain, time.Time.Minute) })
	hour, _ := orStar(t, "hour", func() term { return numbers(t, 0, 23, 23, padded, time.Time.Hour) })
	month, _ := orStar(t, "month", func() term {
		return numbers(t, 1, 12, 12, plain, func(at time.Time) int { return int(at.Month()) })
	})
	days, anyDay := orStar(t, "day", func() term { return monthDayTerm(t, six) })
	week, anyWeek := orStar(t, "weekday", func() term { return weekDayTerm(t, six) })
	years := drawn{"", always}
	if six {
		if rapid.Bool().Draw(t, "day rules") {
			week, anyWeek = drawn{"?", always}, true
		} else {
			days, anyDay = drawn{"?", always}, true
		}
		years, _ = orStar(t, "year", func() term {
			first := rapid.IntRange(year-2, year).Draw(t, "first year")
			last := rapid.IntRange(first, year+2).Draw(t, "last year")
			step := rapid.IntRange(1, 2).Draw(t, "year step")
			return term{fmt.Sprintf("%d-%d/%d", first, last, step), func(at time.Time) bool {
				return at.Year() >= first && at.Year() <= last && (at.Year()-first)%step == 0
			}}
		})
	}
	text := strings.TrimSpace(strings.Join([]string{minute.text, hour.text, days.text, month.text, week.text, years.text}, " "))
	return drawn{text, func(at time.Time) bool {
		day := days.in(at) && week.in(at)
		if !anyDay && !anyWeek {
			day = days.in(at) || week.in(at)
		}
		return minute.in(at) && hour.in(at) && day && month.in(at) && years.in(at)
	}}
}

// oracle lives through every minute from one instant to another and looks at the clock on the wall: whenever that shows
// what it never showed before, all times up to there have come, and if any of them is in, this minute is a slot. It is
// the judge of what cron means here, so it shares nothing with what it judges: not the library, nor what is around it.
func oracle(in func(time.Time) bool, loc *time.Location, from, to time.Time) []time.Time {
	reading := func(at time.Time) time.Time {
		local := at.In(loc)
		return time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), 0, 0, time.UTC)
	}
	start := from.Add(-50 * time.Hour)
	shown := reading(start)
	var out []time.Time
	for at := start.Add(time.Minute); !at.After(to); at = at.Add(time.Minute) {
		slot := false
		for now := reading(at); shown.Before(now); {
			shown = shown.Add(time.Minute)
			slot = slot || in(shown)
		}
		if slot && at.After(from) {
			out = append(out, at)
		}
	}
	return out
}

// drawWindow draws a zone and a stretch of ten days, half of the time around a change of its clock.
func drawWindow(t *rapid.T) (*time.Location, time.Time, time.Time) {
	name := rapid.SampledFrom([]string{
		"UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca",
		"Pacific/Apia", "America/St_Johns", "Asia/Kathmandu", "America/Sao_Paulo", "Asia/Tehran", "Antarctica/Troll",
	}).Draw(t, "zone")
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatalf("LoadLocation(%q): %v", name, err)
	}
	from := time.Date(rapid.IntRange(1985, 2045).Draw(t, "year"), 1, 1, 0, 0, 0, 0, time.UTC).
		Add(time.Duration(rapid.IntRange(0, 366*24*60).Draw(t, "minute of the year")) * time.Minute)
	if name == "Pacific/Apia" && rapid.Bool().Draw(t, "skipped day") {
		from = time.Date(2011, 12, 25, 0, 0, 0, 0, time.UTC)
	}
	switch rapid.IntRange(0, 5).Draw(t, "around") {
	case 0: // the end of a year: on the wall it comes hours before or after that of UTC
		from = time.Date(from.Year(), 12, 24, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 4*24*60).Draw(t, "minutes into it")) * time.Minute)
	case 1: // the end of February, in leap years too
		from = time.Date(from.Year(), 2, 22, 0, 0, 0, 0, time.UTC)
	}
	if _, change := from.In(loc).ZoneBounds(); !change.IsZero() && rapid.Bool().Draw(t, "change") {
		from = change.UTC().Truncate(time.Minute).Add(-time.Duration(rapid.IntRange(0, 5*24*60).Draw(t, "minutes before")) * time.Minute)
	}
	return loc, from, from.Add(10 * 24 * time.Hour)
}

func TestCronAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc, from, to := drawWindow(t)
		c := drawCron(t, from.Year())
		s, err := ParseCron(c.text, loc)
		if err != nil {
			if strings.Contains(err.Error(), "never happens") {
				t.Skip()
			}
			t.Fatalf("ParseCron(%q): %v", c.text, err)
		}
		want := oracle(c.in, loc, from, to)
		got := slices.Collect(s.Slots(from, to))
		if !slices.Equal(got, want) {
			t.Fatalf("Slots(%v, %v) of %s:\n got %v\nwant %v", from, to, s, got, want)
		}
		agree(t, s, want, from, to)
		again, err := ParseCron(strings.TrimSuffix(s.String(), " "+loc.String()), loc)
		if err != nil || again.String() != s.String() || !slices.Equal(slices.Collect(again.Slots(from, to)), want) {
			t.Fatalf("the canonical text %q of %q reads back as %q, %v", s, c.text, again, err)
		}
	})
}

// TestSlotsKeepTheirOrder: a later instant never has an earlier next or newest slot, in whatever year; the newest slot of
// the next slot is itself, and nothing lies between a slot and the next.
func TestSlotsKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc, from, _ := drawWindow(t)
		c := drawCron(t, from.Year())
		s, err := ParseCron(c.text, loc)
		if err != nil {
			if strings.Contains(err.Error(), "never happens") {
				t.Skip()
			}
			t.Fatalf("ParseCron(%q): %v", c.text, err)
		}
		later := from.Add(time.Duration(rapid.Int64Range(0, int64(400*24*time.Hour)).Draw(t, "later")))
		const far = 5 * 366 * 24 * time.Hour
		a, okA := s.Next(from)
		b, okB := s.Next(later)
		if okB && (!okA || b.Before(a)) {
			t.Fatalf("Next of %s: %v %v after %v, and %v after the later %v", s, a, okA, from, b, later)
		}
		if okA && !a.After(from) || okB && !b.After(later) {
			t.Fatalf("Next of %s: %v after %v and %v after %v", s, a, from, b, later)
		}
		x, okX := s.Newest(from, far)
		y, okY := s.Newest(later, far)
		if okX && later.Sub(x) < far && (!okY || y.Before(x)) {
			t.Fatalf("Newest of %s: %v at %v, and %v %v at the later %v", s, x, from, y, okY, later)
		}
		if !okA {
			return
		}
		if got, ok := s.Newest(a, time.Second); !ok || !got.Equal(a) {
			t.Fatalf("Newest of %s at its slot %v: got %v %v", s, a, got, ok)
		}
		if got, ok := s.Next(a.Add(-1)); !ok || !got.Equal(a) {
			t.Fatalf("Next of %s right before its slot %v: got %v %v", s, a, got, ok)
		}
		if after, ok := s.Next(a); ok {
			between := a.Add(time.Duration(rapid.Int64Range(0, int64(min(after.Sub(a), far))-1).Draw(t, "between")))
			if got, ok := s.Next(between); !ok || !got.Equal(after) {
				t.Fatalf("Next of %s at %v, between %v and %v: got %v %v", s, between, a, after, got, ok)
			}
		}
	})
}

func TestEveryAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minutes := rapid.IntRange(1, 3*24*60).Draw(t, "minutes")
		s, err := ParseEvery(fmt.Sprintf("%dm", minutes))
		if err != nil {
			t.Fatalf("ParseEvery(%dm): %v", minutes, err)
		}
		from := time.Date(rapid.IntRange(1960, 2045).Draw(t, "year"), 1, 1, 0, 0, 0, 0, time.UTC)
		to := from.Add(10 * 24 * time.Hour)
		var want []time.Time
		for at := from.Add(time.Minute); !at.After(to); at = at.Add(time.Minute) {
			if at.Unix()%(int64(minutes)*60) == 0 {
				want = append(want, at)
			}
		}
		if got := slices.Collect(s.Slots(from, to)); !slices.Equal(got, want) {
			t.Fatalf("Slots(%v, %v) of %s:\n got %v\nwant %v", from, to, s, got, want)
		}
		agree(t, s, want, from, to)
	})
}

// agree checks that Next and Newest say at any instant what the list of all slots says.
func agree(t *rapid.T, s Schedule, slots []time.Time, from, to time.Time) {
	for range 5 {
		at := from.Add(time.Duration(rapid.Int64Range(0, int64(to.Sub(from))).Draw(t, "at")))
		if len(slots) > 0 && rapid.Bool().Draw(t, "near a slot") {
			at = rapid.SampledFrom(slots).Draw(t, "slot").Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "off")))
			if at.After(to) {
				at = to
			}
		}
		i, found := slices.BinarySearchFunc(slots, at, time.Time.Compare)
		if found {
			i++
		}
		next, ok := s.Next(at)
		if i < len(slots) && (!ok || next != slots[i]) {
			t.Fatalf("Next(%v) of %s: got %v %v, want %v", at, s, next, ok, slots[i])
		}
		if i == len(slots) && ok && !next.After(to) {
			t.Fatalf("Next(%v) of %s: got %v, want none until %v", at, s, next, to)
		}
		newest, ok := s.Newest(at, at.Sub(from))
		if i > 0 && (!ok || newest != slots[i-1]) {
			t.Fatalf("Newest(%v) of %s: got %v %v, want %v", at, s, newest, ok, slots[i-1])
		}
		if i == 0 && ok {
			t.Fatalf("Newest(%v, back to %v) of %s: got %v, want none", at, from, s, newest)
		}
	}
}
