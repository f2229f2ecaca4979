package schedule

import (
	"iter"
	"slices"
	"time"
)

// Schedule is an endless or ended sequence of slots. The zero value has no slot at all. It is immutable, safe to share,
// and never walks through more slots than it is asked for.
type Schedule struct {
	cron *calendar
	loc  *time.Location // where the calendar's wall clock hangs; nil for a fixed step
	step int64          // seconds between slots, counted from the Unix epoch; zero for a calendar
	text string
}

// String is the canonical text: "0 2 * * * Asia/Shanghai", "every 1h"; empty for the zero value. Equal texts mean equal
// slots.
func (s Schedule) String() string { return s.text }

// Next gives the first slot after that instant; false when there is none, because the years are over: those that the
// expression names, or for cron without years those until 2099.
func (s Schedule) Next(after time.Time) (time.Time, bool) {
	from := clamp(after)
	switch {
	case s.cron != nil:
		w, ok := s.cron.after(latestShown(s.loc, from))
		if !ok {
			return time.Time{}, false
		}
		return utc(firstShowing(s.loc, w))
	case s.step > 0:
		return utc((floorDiv(from, s.step) + 1) * s.step)
	}
	return time.Time{}, false
}

// Newest gives the newest slot that is not after at, and less than within before it: the one that catch-up makes up.
func (s Schedule) Newest(at time.Time, within time.Duration) (time.Time, bool) {
	until := clamp(at)
	var slot time.Time
	var ok bool
	switch {
	case s.cron != nil:
		var w int64
		if w, ok = s.cron.newest(latestShown(s.loc, clamp(at.Add(-within))), latestShown(s.loc, until)); ok {
			slot, ok = utc(firstShowing(s.loc, w))
		}
	case s.step > 0:
		slot, ok = utc(floorDiv(until, s.step) * s.step)
	}
	if !ok || !slot.After(at.Add(-within)) {
		return time.Time{}, false
	}
	return slot, true
}

// Slots yields every slot after from and not after to, in order.
func (s Schedule) Slots(from, to time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		if s.cron == nil {
			for slot, ok := s.Next(from); ok && !slot.After(to); slot, ok = s.Next(slot) {
				if !yield(slot) {
					return
				}
			}
			return
		}
		// The wall clock is walked only forward, so that skipped times that share an instant are seen side by side.
		last := from
		w, ok := s.cron.after(latestShown(s.loc, clamp(from)))
		for ; ok; w, ok = s.cron.after(w) {
			slot, within := utc(firstShowing(s.loc, w))
			if !within || slot.After(to) {
				return
			}
			if !slot.Equal(last) && !yield(slot) {
				return
			}
			last = slot
		}
	}
}

// Period is the typical distance between two slots: the median over the first few of a fixed year, or of the first year
// that the expression names, so that a short month or a weekend does not show. It is measured on the wall clock, so that
// no clock change shows either. It is zero when there is no second slot.
func (s Schedule) Period() time.Duration {
	if s.step > 0 {
		return time.Duration(s.step) * time.Second
	}
	if s.cron == nil {
		return 0
	}
	var from int64 = beforeFirstYear
	if s.cron.everyYear {
		from = time.Date(2023, 12, 30, 0, 0, 0, 0, time.UTC).Unix()
	}
	const few = 31
	var gaps []int64
	previous, ok := s.cron.after(from)
	for ok && len(gaps) < few {
		var next int64
		if next, ok = s.cron.after(previous); ok {
			gaps = append(gaps, next-previous)
			previous = next
		}
	}
	if len(gaps) == 0 {
		return 0
	}
	slices.Sort(gaps)
	return time.Duration(gaps[(len(gaps)-1)/2]) * time.Second
}

// ParseEvery reads a fixed step: "1h", "30m", "1d". Its slots are the whole multiples of the step since the Unix epoch,
// 1970-01-01T00:00:00Z, so they do not depend on when the policy was written or the process started: "1h" is every full
// hour, "1d" every midnight in UTC, "2w" every second Thursday. At least one minute, at most 366 days.
func ParseEvery(text string) (Schedule, error) {
	const shortest, longest = time.Minute, 366 * day
	d, err := ParseDuration(text)
	if err != nil {
		return Schedule{}, err
	}
	if d < shortest || d > longest {
		e := &Error{Text: text, Problem: quote(text) + " is not within 1m-366d"}
		if d < shortest {
			e.Hint = `the shortest is "1m"`
		} else {
			e.Hint = "for rarer slots write cron with years, as 0 2 1 1 ? 2030-2099/2"
		}
		return Schedule{}, e
	}
	return Schedule{step: int64(d / time.Second), text: "every " + FormatDuration(d)}, nil
}

// The instants between which slots are looked for, in seconds since the Unix epoch: 0001-01-01 to 9999-12-31 in UTC.
const (
	earliestSecond = -62135596800
	latestSecond   = 253402300799
)

// clamp gives the whole second that t is in, kept within the years that have a calendar here.
func clamp(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(earliestSecond, 0)):
		return earliestSecond - 1
	case t.After(time.Unix(latestSecond, 0)):
		return latestSecond
	}
	return t.Unix()
}

// utc is the instant, and whether it is within the years that have a calendar here.
func utc(second int64) (time.Time, bool) {
	if second < earliestSecond || second > latestSecond {
		return time.Time{}, false
	}
	return time.Unix(second, 0).UTC(), true
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
