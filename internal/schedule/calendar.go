package schedule

import (
	"time"

	"github.com/hashicorp/cronexpr"
)

// The years that the library knows, and the wall-clock time just before them.
const (
	firstYear, lastYear = 1970, 2099
	beforeFirstYear     = -1
)

// calendar is times on a wall clock, without any time zone. A wall-clock time is counted in seconds since 1970-01-01 00:00
// on that clock, as if the clock ran in UTC; so the library, asked in UTC, knows nothing of clock changes.
type calendar struct {
	exprs     []cronexpr.Expression // a time that any of them names is in
	everyYear bool                  // the expression does not limit the years
}

// after finds the first time later than w.
func (c *calendar) after(w int64) (int64, bool) {
	from := time.Unix(max(w, beforeFirstYear), 0).UTC()
	var first time.Time
	// Next writes into its expression, so that each call has a copy of its own: schedules are shared.
	for _, e := range c.exprs {
		if next := e.Next(from); first.IsZero() || !next.IsZero() && next.Before(first) {
			first = next
		}
	}
	return first.Unix(), !first.IsZero()
}

// newest finds the last time that is later than w and not later than until. The library only looks forward, so it is asked
// about the middle of what is left, which halves it, and about the time found so far, which mostly is the last already.
func (c *calendar) newest(w, until int64) (int64, bool) {
	found, ok := c.after(w)
	if !ok || found > until {
		return 0, false
	}
	for {
		next, ok := c.after(found)
		if !ok || next > until {
			return found, true
		}
		found = next
		middle := found + (until-found)/2
		if next, ok := c.after(middle); ok && next <= until {
			found = next
		} else {
			until = middle
		}
	}
}
