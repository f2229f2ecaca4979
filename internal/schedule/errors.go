package schedule

import "strings"

// Error is what every Parse function of this package returns for text that it refuses.
type Error struct {
	Text    string // all of the text that was read
	Field   string // the field at fault (minute, hour, day-of-month, month, day-of-week, year); empty when it is the whole
	Problem string // what is wrong, with the field's own text and the range allowed
	Hint    string // the nearest right form; empty when there is none near
}

// Error is the problem, with the hint in parentheses.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Field != "" {
		b.WriteString(e.Field)
		b.WriteString(": ")
	}
	b.WriteString(e.Problem)
	if e.Hint != "" {
		b.WriteString(" (")
		b.WriteString(e.Hint)
		b.WriteString(")")
	}
	return b.String()
}

// quote shows text from a policy file in a message: on one line, and cut when it is very long.
func quote(text string) string {
	const most = 60
	out := []rune(text)
	cut := len(out) > most
	if cut {
		out = out[:most]
	}
	for i, r := range out {
		if r < ' ' || r == '"' || r == 0x7f || r == '\uFFFD' {
			out[i] = '?'
		}
	}
	if cut {
		return `"` + string(out) + `…"`
	}
	return `"` + string(out) + `"`
}
