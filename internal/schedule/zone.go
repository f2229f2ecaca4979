package schedule

import "time"

// reach is further than any time zone has ever been from UTC, twice: what happened that long ago to a zone's clock has no
// bearing on what the clock shows now.
const reach = 36 * 60 * 60

// firstShowing is the first instant at which the clock in loc shows w or later. It grows with w and never shrinks, which
// is why slots stay in order across clock changes: a time shown twice maps to its first showing, a time that is skipped
// to the end of the gap.
func firstShowing(loc *time.Location, w int64) int64 {
	t := time.Unix(w-reach, 0).In(loc)
	for {
		_, offset := t.Zone()
		_, end := t.ZoneBounds()
		at := max(t.Unix(), w-int64(offset))
		if end.IsZero() || at < end.Unix() {
			return at
		}
		t = end
	}
}

// latestShown is the latest time that the clock in loc has shown until the instant at, which it includes. A slot has come
// exactly when its time is not later than this.
func latestShown(loc *time.Location, at int64) int64 {
	t := time.Unix(at-reach, 0).In(loc)
	latest := int64(-1 << 63)
	for {
		_, offset := t.Zone()
		_, end := t.ZoneBounds()
		if end.IsZero() || end.Unix() > at {
			return max(latest, at+int64(offset))
		}
		latest = max(latest, end.Unix()-1+int64(offset))
		t = end
	}
}
