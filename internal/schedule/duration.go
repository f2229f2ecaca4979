package schedule

import (
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// unit is one letter of the duration language; units stand largest first.
type unit struct {
	letter byte
	length time.Duration
}

func units() [5]unit {
	return [5]unit{{'w', week}, {'d', day}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}
}

// ParseDuration reads a positive duration in whole numbers of w, d, h, m and s, largest first, each at most once: "90s",
// "15m", "1h30m", "30d", "2w". A day is 24 hours and a week seven days, whatever the clocks do: a retention that counts
// calendar days says so with its own words.
func ParseDuration(text string) (time.Duration, error) {
	fail := func(problem, hint string) (time.Duration, error) {
		return 0, &Error{Text: text, Problem: problem, Hint: hint}
	}
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return fail("a duration is missing", `write for example "30m", "6h" or "30d"`)
	}
	if trimmed[0] == '-' {
		return fail(quote(trimmed)+" is negative: a duration is more than nothing", durationHint(trimmed[1:]))
	}
	total, rest, order := time.Duration(0), trimmed, -1
	for rest != "" {
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		if digits == 0 || digits == len(rest) {
			return fail(quote(trimmed)+" is not a duration", durationHint(trimmed))
		}
		at := -1
		for i, u := range units() {
			if u.letter == rest[digits] {
				at = i
			}
		}
		if at < 0 || at <= order {
			return fail(quote(trimmed)+" is not a duration", durationHint(trimmed))
		}
		order = at
		length := units()[at].length
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil || n > int64((math.MaxInt64-total)/length) {
			return fail(quote(trimmed)+" is too long", "at most "+FormatDuration(math.MaxInt64/day*day))
		}
		total += time.Duration(n) * length
		rest = rest[digits+1:]
	}
	if total == 0 {
		return fail(quote(trimmed)+" is nothing: a duration is more than nothing", "")
	}
	return total, nil
}

// durationHint finds what somebody probably meant who wrote "30 days", "1.5h", "2H" or just "30".
func durationHint(text string) string {
	const rule = `write whole numbers with w, d, h, m or s, largest first: "30m", "1h30m", "30d"`
	compact := strings.Join(strings.Fields(text), "")
	if len(compact) > 40 {
		return rule
	}
	if strings.HasSuffix(compact, "M") {
		return `"m" is minutes; for months say days, as "30d"`
	}
	compact = strings.ToLower(compact)
	if compact != "" && strings.Trim(compact, "0123456789") == "" {
		n := strings.TrimLeft(compact, "0")
		if n == "" {
			return rule
		}
		return "say the unit: " + quote(n+"d") + " for days, " + quote(n+"h") + " for hours, " + quote(n+"m") + " for minutes"
	}
	end := strings.TrimLeft(compact, "0123456789.")
	number := compact[:len(compact)-len(end)]
	value, err := strconv.ParseFloat(number, 64)
	if err == nil && value > 0 && value < 1e6 {
		if length, ok := spelledUnit(end); ok {
			d := time.Duration(value * float64(length)).Round(time.Second)
			if d >= time.Second {
				return "did you mean " + quote(FormatDuration(d)) + "?"
			}
		}
	}
	if d, err := time.ParseDuration(compact); err == nil && d >= time.Second {
		return "did you mean " + quote(FormatDuration(d)) + "?"
	}
	return rule
}

func spelledUnit(word string) (time.Duration, bool) {
	switch word {
	case "s", "sec", "secs", "second", "seconds":
		return time.Second, true
	case "m", "min", "mins", "minute", "minutes":
		return time.Minute, true
	case "h", "hr", "hrs", "hour", "hours":
		return time.Hour, true
	case "d", "day", "days":
		return day, true
	case "w", "wk", "wks", "week", "weeks":
		return week, true
	case "mo", "mon", "month", "months":
		return 30 * day, true
	case "y", "yr", "yrs", "year", "years":
		return 365 * day, true
	}
	return 0, false
}

// FormatDuration is the shortest text that ParseDuration reads back as d, of those that count no hours, minutes or
// seconds beyond 99. Of texts equally short it takes the one with fewer units, then days rather than weeks, then the
// larger unit: "90m", "36h", "7d", "2w", "3h4m5s". What ParseDuration cannot say is still shown: fractions of a second
// are cut off, nothing is "0s", and a negative duration has a minus sign.
func FormatDuration(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -max(d, -math.MaxInt64)
	}
	d = d.Truncate(time.Second)
	if d == 0 {
		return "0s"
	}
	// Each subset of the units is one way to say it; a bit is a unit, days first so that they win over weeks.
	choices := [5]unit{{'d', day}, {'w', week}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}
	best, bestSize, bestUnits := 0, math.MaxInt, 0
	for subset := 1; subset < 1<<len(choices); subset++ {
		size, count, ok := measure(d, choices, subset)
		if ok && (size < bestSize || size == bestSize && count < bestUnits) {
			best, bestSize, bestUnits = subset, size, count
		}
	}
	out := make([]byte, 0, len(sign)+bestSize)
	out = append(out, sign...)
	for _, i := range largestFirst() {
		if best&(1<<i) != 0 {
			if n := d / choices[i].length; n > 0 {
				out = append(strconv.AppendInt(out, int64(n), 10), choices[i].letter)
				d %= choices[i].length
			}
		}
	}
	return string(out)
}

// largestFirst is the order of FormatDuration's choices by length: weeks stand second there, but are the largest.
func largestFirst() [5]int { return [5]int{1, 0, 2, 3, 4} }

// measure says how long the text would be with this subset of the units, and whether it would be exact.
func measure(d time.Duration, choices [5]unit, subset int) (size, count int, exact bool) {
	for _, i := range largestFirst() {
		if subset&(1<<i) == 0 {
			continue
		}
		n := d / choices[i].length
		if n == 0 {
			continue
		}
		if n > 99 && choices[i].length < day {
			return 0, 0, false
		}
		d %= choices[i].length
		count++
		for size++; n > 0; n /= 10 {
			size++
		}
	}
	return size, count, d == 0
}
