package schedule

import (
	"fmt"
	"strconv"
	"strings"
)

// fieldKind says how one field of a cron expression is written.
type fieldKind struct {
	name     string
	min, max int
	names    []string // names[i] stands for min+i
	open     int      // where "*" and "3/2" end; max unless max is a second name for min
}

func minuteField() fieldKind { return fieldKind{name: "minute", min: 0, max: 59, open: 59} }
func hourField() fieldKind   { return fieldKind{name: "hour", min: 0, max: 23, open: 23} }
func monthDayField() fieldKind {
	return fieldKind{name: "day-of-month", min: 1, max: 31, open: 31}
}

func monthField() fieldKind {
	return fieldKind{name: "month", min: 1, max: 12, open: 12, names: []string{
		"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
	}}
}

// weekDayField counts as the form of the expression does: 0 to 7, both ends Sunday, in five fields; 1 (Sunday) to 7
// (Saturday) in six, as AWS and Quartz do.
func weekDayField(six bool) fieldKind {
	names := []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
	if six {
		return fieldKind{name: "day-of-week", min: 1, max: 7, open: 7, names: names}
	}
	return fieldKind{name: "day-of-week", min: 0, max: 7, open: 6, names: names}
}

func yearField() fieldKind { return fieldKind{name: "year", min: 1970, max: 2199, open: 2199} }

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

// value reads a number or a name, and gives its canonical text too.
func (f fieldKind) value(text string) (int, string, *Error) {
	upper := strings.ToUpper(text)
	for i, name := range f.names {
		if upper == name {
			return f.min + i, name, nil
		}
	}
	if n, err := strconv.ParseUint(text, 10, 16); err == nil {
		if int(n) < f.min || int(n) > f.max {
			return 0, "", f.fail(quote(text)+" is not within "+f.allowed(), "")
		}
		return int(n), strconv.Itoa(int(n)), nil
	}
	if text == "" {
		return 0, "", f.fail("a value is missing; allowed are "+f.allowed(), "")
	}
	if strings.Trim(text, "0123456789") == "" {
		return 0, "", f.fail(quote(text)+" is not within "+f.allowed(), "")
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
	return 0, "", f.fail(quote(text)+" is not a value of this field: allowed are "+f.allowed(), hint)
}

// span is one item of a list: every step-th value from first to last. When first is greater than last it goes round, which
// only days of the week may do.
type span struct {
	first, last, step int
	star              bool // all values
	text              string
}

// item reads one item of a list: *, 5, 5-20, */2, 5/2, 5-20/2.
func (f fieldKind) item(text string) (span, *Error) {
	base, stepText, hasStep := strings.Cut(text, "/")
	out := span{first: f.min, last: f.open, step: 1, text: "*"}
	if hasStep {
		n, err := strconv.ParseUint(stepText, 10, 31)
		switch {
		case err != nil:
			return span{}, f.fail(quote(text)+" has no whole number after the slash", "")
		case n == 0:
			return span{}, f.fail(quote(text)+" has a step of 0, which never gets anywhere", "")
		case int(n) > f.open-f.min:
			return span{}, f.fail(fmt.Sprintf("%s has a step longer than the field's range %d-%d, so it would not step at all", quote(text), f.min, f.open), f.stepHint(int(n)))
		}
		out.step = int(n)
	}
	low, high, isRange := strings.Cut(base, "-")
	var err *Error
	switch {
	case base == "*":
		if out.step == 1 {
			out.star = true
			return out, nil
		}
	case isRange:
		var lowText, highText string
		if out.first, lowText, err = f.value(low); err != nil {
			return span{}, err
		}
		if out.last, highText, err = f.value(high); err != nil {
			return span{}, err
		}
		if out.first > out.last && f.name != "day-of-week" {
			return span{}, f.fail(quote(text)+" goes backwards", fmt.Sprintf("to go round the end write %s-%d,%d-%s", lowText, f.open, f.min, highText))
		}
		out.text = lowText + "-" + highText
	default:
		if out.first, out.text, err = f.value(base); err != nil {
			return span{}, err
		}
		if !hasStep {
			out.last = out.first
		}
	}
	if hasStep && (out.step > 1 || !isRange) {
		out.text += "/" + strconv.Itoa(out.step)
	}
	return out, nil
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

// each calls add for every value of the span.
func (f fieldKind) each(s span, add func(int)) {
	last := s.last
	if s.first > last {
		last += 7
	}
	for v := s.first; v <= last; v += s.step {
		add(v)
	}
}

// list reads a whole field. special sees each item first, and says whether it has dealt with it and its canonical text.
// all is true for a field that leaves nothing out.
func (f fieldKind) list(text string, special func(item string) (bool, string, *Error), add func(int)) (canonical string, all bool, err *Error) {
	items := strings.Split(text, ",")
	for i, item := range items {
		if item == "" {
			return "", false, f.fail(quote(text)+" has an empty place in its list", "")
		}
		if special != nil {
			done, canonical, err := special(strings.ToUpper(item))
			if err != nil {
				return "", false, err
			}
			if done {
				items[i] = canonical
				continue
			}
		}
		s, err := f.item(item)
		if err != nil {
			return "", false, err
		}
		all = all || s.star
		f.each(s, add)
		items[i] = s.text
	}
	if all {
		return "*", true, nil
	}
	return strings.Join(items, ","), false, nil
}
