package schedule

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

// longestCron is far more than any schedule that a person wrote.
const longestCron = 1000

// ParseCron reads a cron expression, whose times are those of the wall clock in loc; nil is UTC.
//
// Five fields are minute, hour, day-of-month, month, day-of-week as in cron: names, lists, ranges and steps; 0 and 7 are
// Sunday; a day that either day field names is in when both are set. The words @hourly, @daily, @midnight, @weekly,
// @monthly, @yearly and @annually stand for their five fields.
//
// Six fields are minute, hour, day-of-month, month, day-of-week, year as AWS EventBridge has them, and Quartz without its
// seconds: days of the week count from 1 (Sunday) to 7 (Saturday), exactly one of the two day fields is ?, and there are
// L, L-3, LW, 15W for days of the month and 6L, FRI#3 for days of the week.
//
// Where crons disagree it refuses rather than guesses: a step over all days, as */2, beside another day field; a seconds
// field; L, W, # and ? in five fields. The machine's own time zone is refused, since it differs from machine to machine.
func ParseCron(expr string, loc *time.Location) (Schedule, error) {
	s, err := parseCron(expr, loc)
	if err != nil {
		err.Text = expr
		if hint := hintFor(expr, err); hint != "" {
			err.Hint = hint
		}
		return Schedule{}, err
	}
	return s, nil
}

// parseCron is ParseCron without a look at what else might have been meant.
func parseCron(expr string, loc *time.Location) (Schedule, *Error) {
	if loc == nil {
		loc = time.UTC
	}
	if loc == time.Local {
		return Schedule{}, &Error{Problem: "the machine's own time zone differs from machine to machine", Hint: "name a zone, as Asia/Shanghai or UTC"}
	}
	if len(expr) > longestCron {
		return Schedule{}, &Error{Problem: fmt.Sprintf("%d characters are too long for a cron expression: at most %d", len(expr), longestCron)}
	}
	text := expr
	if five, ok := macro(strings.TrimSpace(expr)); ok {
		text = five
	}
	fields := strings.Fields(text)
	if len(fields) != 5 && len(fields) != 6 {
		return Schedule{}, &Error{Problem: quote(strings.TrimSpace(expr)) + fieldCount(len(fields))}
	}
	c, canonical, err := parseFields(fields)
	if err != nil {
		return Schedule{}, err
	}
	if !c.happens() {
		return Schedule{}, &Error{Field: "day-of-month", Problem: fmt.Sprintf("%s never happens: %s", quote(strings.Join(canonical, " ")), c.whyNever(canonical))}
	}
	return Schedule{cron: c, loc: loc, text: strings.Join(canonical, " ") + " " + loc.String()}, nil
}

func fieldCount(n int) string {
	const want = "cron has five fields (minute hour day-of-month month day-of-week), or six with the year last"
	switch n {
	case 0:
		return " is empty: " + want
	case 1:
		return " is one word: " + want
	}
	return fmt.Sprintf(" has %d fields: %s", n, want)
}

// macro gives the five fields of @daily and the like.
func macro(text string) (string, bool) {
	switch strings.ToLower(text) {
	case "@hourly":
		return "0 * * * *", true
	case "@daily", "@midnight":
		return "0 0 * * *", true
	case "@weekly":
		return "0 0 * * 0", true
	case "@monthly":
		return "0 0 1 * *", true
	case "@yearly", "@annually":
		return "0 0 1 1 *", true
	}
	return "", false
}

// parseFields reads five or six fields, and gives the canonical text of each.
func parseFields(fields []string) (*calendar, []string, *Error) {
	c := &calendar{}
	canonical := make([]string, len(fields))
	six := len(fields) == 6
	monthDays, weekDays := fields[2], fields[4]
	if six {
		if (monthDays == "?") == (weekDays == "?") {
			return nil, nil, &Error{Field: "day-of-week", Problem: fmt.Sprintf("day-of-month is %s and day-of-week is %s: in the six-field form exactly one of the two is ?", quote(monthDays), quote(weekDays))}
		}
		// The field with the question mark says nothing: the other one rules.
		if monthDays == "?" {
			monthDays = "*"
		} else {
			weekDays = "*"
		}
	}
	var err *Error
	read := func(i int, f fieldKind, text string, special func(string) (bool, string, *Error), add func(int)) (all bool) {
		if err == nil {
			canonical[i], all, err = f.list(text, special, add)
		}
		return all
	}
	read(0, minuteField(), fields[0], nil, func(v int) { c.minutes |= 1 << v })
	read(1, hourField(), fields[1], nil, func(v int) { c.hours |= 1 << v })
	allMonthDays := read(2, monthDayField(), monthDays, c.days.monthSpecial(six), func(v int) { c.days.month |= 1 << v })
	read(3, monthField(), fields[3], nil, func(v int) { c.months |= 1 << v })
	first := weekDayField(six).min
	allWeekDays := read(4, weekDayField(six), weekDays, c.days.weekSpecial(six), func(v int) { c.days.week |= 1 << ((v - first) % 7) })
	if six {
		var years []int
		if !read(5, yearField(), fields[5], nil, func(v int) { years = append(years, v) }) {
			slices.Sort(years)
			c.years = slices.Compact(years)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	c.days.monthSet, c.days.weekSet = !allMonthDays, !allWeekDays
	for _, i := range []int{2, 4} {
		if six {
			if fields[i] == "?" {
				canonical[i] = "?"
			}
			continue
		}
		other := 6 - i
		if strings.Contains(canonical[i], "*/") && canonical[other] != "*" {
			f := monthDayField()
			if i == 4 {
				f = weekDayField(false)
			}
			return nil, nil, &Error{
				Field:   f.name,
				Problem: fmt.Sprintf("%s beside %s in the other day field: some crons act when either matches, some when both do", quote(canonical[i]), quote(canonical[other])),
				Hint:    fmt.Sprintf("for either, write %s", strings.ReplaceAll(canonical[i], "*/", fmt.Sprintf("%d-%d/", f.min, f.open))),
			}
		}
	}
	return c, canonical, nil
}

// monthSpecial reads L, L-3, LW and 15W.
func (d *days) monthSpecial(six bool) func(string) (bool, string, *Error) {
	f := monthDayField()
	return func(item string) (bool, string, *Error) {
		if !strings.ContainsAny(item, "LW?") {
			return false, "", nil
		}
		if !six || item == "?" {
			return false, "", f.fail(quote(item)+onlySix(item, six), "")
		}
		switch {
		case item == "L":
			d.beforeLast |= 1
			return true, item, nil
		case item == "LW" || item == "WL":
			d.lastWorkday = true
			return true, "LW", nil
		case strings.HasPrefix(item, "L-"):
			n, err := strconv.ParseUint(item[2:], 10, 8)
			if err != nil || n > 30 {
				return false, "", f.fail(quote(item)+" is not within L-0 to L-30, the days before the last of the month", "")
			}
			if n == 0 {
				d.beforeLast |= 1
				return true, "L", nil
			}
			d.beforeLast |= 1 << n
			return true, fmt.Sprintf("L-%d", n), nil
		case strings.HasSuffix(item, "W"):
			n, text, err := f.value(strings.TrimSuffix(item, "W"))
			if err != nil {
				return false, "", err
			}
			d.nearWorkday |= 1 << n
			return true, text + "W", nil
		}
		return false, "", f.fail(quote(item)+" is not a day: L is the last, L-3 three days before it, LW the last working day, 15W the working day nearest to the 15th", "")
	}
}

// weekSpecial reads L, 6L, FRIL, 6#3 and FRI#3.
func (d *days) weekSpecial(six bool) func(string) (bool, string, *Error) {
	f := weekDayField(six)
	return func(item string) (bool, string, *Error) {
		base, nth, isNth := strings.Cut(item, "#")
		isLast := strings.HasSuffix(item, "L")
		if !isNth && !isLast && item != "?" {
			return false, "", nil
		}
		if !six || item == "?" {
			return false, "", f.fail(quote(item)+onlySix(item, six), "")
		}
		if item == "L" {
			// AWS and Quartz: L alone is the last day of the week.
			d.week |= 1 << 6
			return true, "SAT", nil
		}
		if isLast {
			base = strings.TrimSuffix(item, "L")
		}
		v, text, err := f.value(base)
		if err != nil {
			return false, "", err
		}
		bit := uint8(1) << (v - f.min)
		if isLast {
			d.weekLast |= bit
			return true, text + "L", nil
		}
		if len(nth) != 1 || nth[0] < '1' || nth[0] > '5' {
			return false, "", f.fail(quote(item)+" is not within #1-#5, the first to fifth such day of the month", "")
		}
		d.weekNth[nth[0]-'0'] |= bit
		return true, text + "#" + nth, nil
	}
}

func onlySix(item string, six bool) string {
	if six {
		return " stands alone in its field or not at all"
	}
	return " belongs to the six-field form with the year last"
}

// whyNever explains a calendar that has no day.
func (c *calendar) whyNever(canonical []string) string {
	if c.days.monthSet && !c.days.weekSet && c.days.month != 0 {
		var longest int
		for month := 1; month <= 12; month++ {
			if c.months&(1<<month) != 0 {
				longest = max(longest, time.Date(2000, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day())
			}
		}
		if first := bits.TrailingZeros32(c.days.month); first > longest {
			return fmt.Sprintf("month %s has no day %d", canonical[3], first)
		}
	}
	return "no such day comes in those months and years"
}
