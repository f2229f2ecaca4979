package schedule

import (
	"fmt"
	"strconv"
	"strings"
)

// fieldKind says how one field of a cron expression is written.
type fieldKind struct {
	name     string
	place    int // in the expression
	min, max int
	names    []string // names[i] stands for min+i
	open     int      // where "*" and "3/2" end; max unless max is a second name for min
	six      bool     // in the six-field form
}

// fieldKinds are the fields of one form, in order. Days of the week count 0 to 7, both ends Sunday, in five fields; 1
// (Sunday) to 7 (Saturday) in six, as AWS and Quartz do.
func fieldKinds(six bool) []fieldKind {
	kinds := []fieldKind{
		{name: "minute", min: 0, max: 59, open: 59},
		{name: "hour", min: 0, max: 23, open: 23},
		{name: "day-of-month", min: 1, max: 31, open: 31},
		{name: "month", min: 1, max: 12, open: 12, names: []string{
			"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
		}},
		{name: "day-of-week", min: 0, max: 7, open: 6, names: weekDays()},
	}
	if six {
		kinds[weekDayPlace].min, kinds[weekDayPlace].open = 1, 7
		kinds = append(kinds, fieldKind{name: "year", min: firstYear, max: lastYear, open: lastYear})
	}
	for i := range kinds {
		kinds[i].place, kinds[i].six = i, six
	}
	return kinds
}

func weekDays() []string { return []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"} }

// allowed says what may stand in the field.
func (f fieldKind) allowed() string {
	out := fmt.Sprintf("%d-%d", f.min, f.max)
	if len(f.names) > 0 {
		out += " or " + f.names[0] + "-" + f.names[len(f.names)-1]
	}
	switch {
	case f.name == "day-of-week" && f.min == 0:
		out += ", 0 and 7 are Sunday"
	case f.name == "day-of-week":
		out += ", 1 is Sunday"
	}
	return out
}

func (f fieldKind) fail(problem, hint string) *Error {
	return &Error{Field: f.name, Problem: problem, Hint: hint}
}

// value reads a number or a name, and says what is wrong with any other text.
func (f fieldKind) value(text string) (int, *Error) {
	upper := strings.ToUpper(text)
	for i, name := range f.names {
		if upper == name {
			return f.min + i, nil
		}
	}
	if text == "" {
		return 0, f.fail("a value is missing; allowed are "+f.allowed(), "")
	}
	if strings.Trim(text, "0123456789") == "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || int(n) < f.min || int(n) > f.max {
			return 0, f.fail(quote(text)+" is not within "+f.allowed(), "")
		}
		return int(n), nil
	}
	hint := ""
	for _, name := range f.names {
		if len(upper) >= 2 && (strings.HasPrefix(upper, name) || strings.HasPrefix(name, upper)) {
			hint = "write " + name
		}
	}
	if hint == "" && f.name == "day-of-week" && strings.TrimRight(upper, "S") == "WEEKDAY" {
		hint = "write MON-FRI"
	}
	return 0, f.fail(quote(text)+" is not a value of this field: allowed are "+f.allowed(), hint)
}

// explain says what is wrong with an item that was refused.
func (f fieldKind) explain(item string) *Error {
	upper := strings.ToUpper(item)
	switch {
	case f.place == monthDayPlace && strings.ContainsAny(upper, "LW"):
		return f.explainMonthDay(upper)
	case f.place == weekDayPlace && strings.Contains(upper, "#"):
		base, _, _ := strings.Cut(upper, "#")
		if _, err := f.value(base); err != nil {
			return err
		}
		return f.fail(quote(upper)+" is not within #1-#5, the first to fifth such day of the month", "")
	}
	base, step, hasStep := strings.Cut(item, "/")
	if hasStep {
		if err := f.explainStep(item, step); err != nil {
			return err
		}
	} else if f.place == weekDayPlace && strings.HasSuffix(upper, "L") {
		base = upper[:len(upper)-1]
	}
	if base != "*" {
		low, high, isRange := strings.Cut(base, "-")
		if _, err := f.value(low); err != nil {
			return err
		}
		if _, err := f.value(high); isRange && err != nil {
			return err
		}
	}
	return f.fail(quote(item)+" is not a value of this field: allowed are "+f.allowed(), "")
}

// explainMonthDay is explain for what has an L or W in it.
func (f fieldKind) explainMonthDay(item string) *Error {
	if strings.HasPrefix(item, "L-") {
		return f.fail(quote(item)+" is not within L-0 to L-30, the days before the last of the month", "")
	}
	if n, ok := strings.CutSuffix(item, "W"); ok {
		if _, err := f.value(n); err != nil {
			return err
		}
	}
	return f.fail(quote(item)+" is not a day: L is the last, L-3 three days before it, LW the last working day, 15W the working day nearest to the 15th", "")
}

// explainStep says what is wrong with the step of an item; nil when nothing is.
func (f fieldKind) explainStep(item, step string) *Error {
	const mostYears = 59 // further the library does not step
	n, err := strconv.ParseUint(step, 10, 31)
	switch {
	case err != nil:
		return f.fail(quote(item)+" has no whole number after the slash", "")
	case n == 0:
		return f.fail(quote(item)+" has a step of 0, which never gets anywhere", "")
	case int(n) > f.open-f.min:
		return f.fail(fmt.Sprintf("%s has a step longer than the field's range %d-%d, so it would not step at all", quote(item), f.min, f.open), f.stepHint(int(n)))
	case f.name == "year" && n > mostYears:
		return f.fail(fmt.Sprintf("%s has a step of more than %d years", quote(item), mostYears), "write the years out, as 2030,2099")
	}
	return nil
}

// stepHint says what to write instead of a step that is too long for its field.
func (f fieldKind) stepHint(step int) string {
	switch f.name {
	case "minute":
		return fmt.Sprintf("write every: %dm instead of cron", step)
	case "hour":
		return fmt.Sprintf("write every: %dh instead of cron", step)
	case "day-of-month":
		return fmt.Sprintf("write every: %dd instead of cron", step)
	}
	return ""
}
