package schedule

import "time"

// reach is further than any two readings of one time zone's clock have ever been apart, in seconds: what a zone's clock
// did longer ago than that has no bearing on what it shows now.
const reach = 36 * 60 * 60

// firstShowing is the first instant at which the clock in loc shows w or later. It grows with w and never shrinks, which
// is why slots stay in order across clock changes: a time shown twice maps to its first showing, a time that is skipped
// to the end of the gap.
func firstShowing(loc *time.Location, w int64) int64 {
	from := w - reach
	for {
		offset, end, ends := stretch(loc, from)
		at := max(from, w-offset)
		if !ends || at < end {
			return at
		}
		from = end
	}
}

// latestShown is the latest time that the clock in loc has shown until the instant at, which it includes. A slot has come
// exactly when its time is not later than this.
func latestShown(loc *time.Location, at int64) int64 {
	from := at - reach
	latest := int64(-1 << 63)
	for {
		offset, end, ends := stretch(loc, from)
		if !ends || end > at {
			return max(latest, at+offset)
		}
		latest = max(latest, end-1+offset)
		from = end
	}
}

// stretch gives the offset of the clock in loc at an instant, and an instant after it until which that offset surely
// holds; ends is false when it holds for ever.
//
// The standard library takes the years beyond a zone's table to have 365 days, so on the last day of a leap year there
// (from 2040 on) it answers an end that is not after the instant it was asked about. No zone's rule changes its clock on
// that day; hour by hour leads over it.
func stretch(loc *time.Location, from int64) (offset, end int64, ends bool) {
	t := time.Unix(from, 0).In(loc)
	_, seconds := t.Zone()
	_, bound := t.ZoneBounds()
	if bound.IsZero() {
		return int64(seconds), 0, false
	}
	end = bound.Unix()
	if end <= from {
		end = from + 60*60
	}
	return int64(seconds), end, true
}
