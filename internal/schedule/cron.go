package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/cronexpr"
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
// L, L-3, LW, 15W for days of the month and 6L, FRI#3 for days of the week. Years are 1970 to 2099; in either form there
// is no slot outside them.
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
	canonical, asked, err := translate(fields)
	if err != nil {
		return Schedule{}, err
	}
	c := &calendar{everyYear: asked[5] == "*"}
	for _, line := range lines(asked) {
		e, refused := cronexpr.Parse(line)
		if refused != nil {
			return Schedule{}, &Error{Problem: quote(strings.Join(canonical, " ")) + " is not cron: " + refused.Error()}
		}
		c.exprs = append(c.exprs, *e)
	}
	if _, ok := c.after(beforeFirstYear); !ok {
		return Schedule{}, &Error{Field: "day-of-month", Problem: fmt.Sprintf("%s never happens: %s", quote(strings.Join(canonical, " ")), whyNever(canonical, asked))}
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

// macro gives the five fields of @daily and the like, since the library does not know all of them.
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
