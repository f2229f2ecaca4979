package schedule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// hintFor finds the nearest right form of an expression that was refused. Whatever it proposes as cron, parses.
func hintFor(expr string, cause *Error) string {
	text := strings.TrimSpace(expr)
	if len(text) > 200 {
		return ""
	}
	lower := strings.ToLower(text)
	if inner, ok := strings.CutPrefix(lower, "cron("); ok {
		return propose(strings.ToUpper(strings.TrimSuffix(inner, ")")))
	}
	if inner, ok := strings.CutPrefix(lower, "rate("); ok {
		return proposeEvery(strings.TrimSuffix(inner, ")"))
	}
	if zone, rest, ok := zonePrefix(text); ok {
		return fmt.Sprintf("write %s, and the zone apart from it: time-zone: %s", quote(rest), quote(zone))
	}
	fields := strings.Fields(text)
	var hint string
	switch len(fields) {
	case 7:
		hint = propose(strings.Join(fields[1:], " "), withoutSeconds(fields))
	case 6:
		hint = sixHint(fields)
	case 5:
		hint = fiveHint(fields, cause)
	case 4:
		hint = propose("0 " + strings.Join(fields, " "))
	}
	if hint == "" && cause.Hint == "" {
		hint = wordsHint(lower)
	}
	return hint
}

// propose names those of the expressions that are right, the first two at most.
func propose(candidates ...string) string {
	var good []string
	for _, c := range candidates {
		if c == "" || slices.Contains(good, quote(c)) || len(good) == 2 {
			continue
		}
		if _, err := parseCron(c, time.UTC); err == nil {
			good = append(good, quote(c))
		}
	}
	if len(good) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(good, " or ") + "?"
}

func proposeEvery(text string) string {
	compact := strings.Join(strings.Fields(text), "")
	if s, err := ParseEvery(compact); err == nil {
		return "write every: " + strings.TrimPrefix(s.String(), "every ") + " instead of cron"
	}
	number := strings.TrimRight(compact, "abcdefghijklmnopqrstuvwxyz")
	if number == "" {
		number = "1"
	}
	if length, ok := spelledUnit(strings.TrimLeft(compact, "0123456789")); ok {
		if d, err := ParseDuration(number + "s"); err == nil && d <= 1e6*time.Second {
			if s, err := ParseEvery(FormatDuration(d / time.Second * length)); err == nil {
				return "write every: " + strings.TrimPrefix(s.String(), "every ") + " instead of cron"
			}
		}
	}
	return ""
}

// zonePrefix finds the zone that some crons take before the fields.
func zonePrefix(text string) (zone, rest string, ok bool) {
	for _, prefix := range []string{"CRON_TZ=", "TZ="} {
		if after, found := strings.CutPrefix(text, prefix); found {
			zone, rest, ok = strings.Cut(after, " ")
			return zone, strings.TrimSpace(rest), ok
		}
	}
	return "", "", false
}

// withoutSeconds takes the seconds off an expression of six fields, or of seven that end with any year.
func withoutSeconds(fields []string) string {
	if len(fields) == 7 && fields[6] != "*" {
		return ""
	}
	five := slices.Clone(fields[1:6])
	for _, i := range []int{2, 4} {
		if five[i] == "?" {
			five[i] = "*"
		}
	}
	return strings.Join(five, " ")
}

// sixHint is for six fields that are wrong: the seconds of Quartz and others in front, a year too many behind, or a
// missing question mark.
func sixHint(fields []string) string {
	var candidates []string
	if fields[0] == "0" || fields[0] == "00" {
		candidates = append(candidates, withoutSeconds(fields))
	}
	if fields[5] == "*" {
		candidates = append(candidates, strings.Join(fields[:5], " "))
	}
	for _, i := range []int{4, 2} {
		marked := slices.Clone(fields)
		if marked[i] == "*" {
			marked[i] = "?"
			candidates = append(candidates, strings.Join(marked, " "))
			break
		}
	}
	hint := propose(candidates...)
	if hint != "" {
		hint += " There are no seconds, and the sixth field is the year"
	}
	return hint
}

// fiveHint is for five fields that are wrong: hour before minute, or words that only the six-field form has.
func fiveHint(fields []string, cause *Error) string {
	if slices.ContainsFunc(fields[2:], func(f string) bool { return strings.ContainsAny(f, "LlWw#?") }) {
		plain := slices.Clone(fields)
		for _, i := range []int{2, 4} {
			if plain[i] == "?" {
				plain[i] = "*"
			}
		}
		six := append(slices.Clone(plain), "*")
		six[4] = namedDays(six[4])
		switch {
		case six[4] == "*":
			six[4] = "?"
		case six[2] == "*":
			six[2] = "?"
		}
		return propose(strings.Join(plain, " "), strings.Join(six, " "))
	}
	if cause.Field == "minute" || cause.Field == "hour" {
		swapped := slices.Clone(fields)
		swapped[0], swapped[1] = swapped[1], swapped[0]
		if hint := propose(strings.Join(swapped, " ")); hint != "" && cause.Hint == "" {
			return hint + " The minute comes first"
		}
	}
	return ""
}

// namedDays turns 5L and 5#3, whose number counts from Sunday as 0 in five fields, into names that mean the same in six.
func namedDays(field string) string {
	names := weekDays()
	if len(field) >= 2 && field[0] >= '0' && field[0] <= '7' && (field[1] == 'L' || field[1] == 'l' || field[1] == '#') {
		return names[(field[0]-'0')%7] + field[1:]
	}
	return field
}

// wordsHint is for schedules in plain words, and times of day.
func wordsHint(lower string) string {
	if rest, ok := strings.CutPrefix(lower, "@every"); ok {
		return proposeEvery(rest)
	}
	words := strings.TrimPrefix(strings.TrimPrefix(lower, "@"), "every ")
	switch words {
	case "day", "night", "daily", "nightly", "midnight":
		return propose("0 0 * * *") + " The fields are minute, hour, day-of-month, month, day-of-week"
	case "week", "weekly":
		return propose("0 0 * * SUN")
	case "month", "monthly":
		return propose("0 0 1 * *")
	case "year", "yearly", "annually":
		return propose("0 0 1 1 *")
	case "weekday", "weekdays", "workday":
		return propose("0 0 * * MON-FRI")
	case "reboot":
		return "there is no schedule for the start of a process"
	}
	if m := regexp.MustCompile(`^(?:at )?([01]?\d|2[0-3])[:.]([0-5]\d)$`).FindStringSubmatch(words); m != nil {
		trim := func(s string) string { return strings.TrimPrefix(s[:len(s)-1], "0") + s[len(s)-1:] }
		return propose(trim(m[2]) + " " + trim(m[1]) + " * * *")
	}
	if len(words) > 3 {
		if prefix := strings.ToUpper(words[:3]); slices.Contains(weekDays(), prefix) && strings.Contains(words, "day") {
			return propose("0 0 * * " + prefix)
		}
	}
	return proposeEvery(words)
}
