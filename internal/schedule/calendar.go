package schedule

import (
	"math/bits"
	"slices"
	"time"
)

// The calendar reaches over the years that RFC 3339 can write.
const (
	minYear = 1
	maxYear = 9999
)

// calendar is a cron expression as sets: times on a wall clock, without any time zone. A wall-clock time is counted in
// seconds since 1970-01-01 00:00 on that clock, as if the clock ran in UTC.
type calendar struct {
	minutes uint64 // bit 0 to 59
	hours   uint32 // bit 0 to 23
	months  uint16 // bit 1 to 12
	days    days
	years   []int // ascending; nil is every year
}

// days are the two day fields. When both are set, a day that either names is in.
type days struct {
	monthSet, weekSet bool

	month       uint32 // bit 1 to 31
	beforeLast  uint32 // bit n: n days before the last of the month; bit 0 is L
	nearWorkday uint32 // bit 1 to 31: the working day nearest to it, nW
	lastWorkday bool   // LW

	week     uint8    // bit 0 (Sunday) to 6
	weekLast uint8    // the last such weekday of the month, as 6L
	weekNth  [6]uint8 // 1 to 5: the first to fifth such weekday of the month, as 6#3
}

// in gives the days of one month that are in, as a set of bits 1 to 31.
func (d *days) in(year int, month time.Month) uint32 {
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	all := uint32(1)<<(last+1) - 2
	if !d.monthSet && !d.weekSet {
		return all
	}
	first := int(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Weekday())
	var out uint32
	if d.monthSet {
		out |= d.month
		for set := d.beforeLast; set != 0; set &= set - 1 {
			if n := last - bits.TrailingZeros32(set); n >= 1 {
				out |= 1 << n
			}
		}
		for set := d.nearWorkday & all; set != 0; set &= set - 1 {
			out |= 1 << workdayNear(bits.TrailingZeros32(set), first, last)
		}
		if d.lastWorkday {
			out |= 1 << workdayNear(last, first, last)
		}
	}
	if d.weekSet {
		for weekday := range 7 {
			earliest := 1 + (weekday-first+7)%7
			if d.week&(1<<weekday) != 0 {
				out |= 0x10204081 << earliest // every seventh day
			}
			if d.weekLast&(1<<weekday) != 0 {
				out |= 1 << (earliest + (last-earliest)/7*7)
			}
			for nth := 1; nth <= 5; nth++ {
				if n := earliest + 7*(nth-1); n <= last && d.weekNth[nth]&(1<<weekday) != 0 {
					out |= 1 << n
				}
			}
		}
	}
	return out & all
}

// workdayNear is the day from Monday to Friday nearest to day n within the same month, which begins on weekday first.
func workdayNear(n, first, last int) int {
	switch (first + n - 1) % 7 {
	case 6: // Saturday: the Friday before it, or the Monday after it when that would be in the month before
		if n == 1 {
			return 3
		}
		return n - 1
	case 0: // Sunday: the Monday after it, or the Friday before it when that would be in the month after
		if n == last {
			return n - 2
		}
		return n + 1
	}
	return n
}

// daysOf gives the days of a month that are in, when its year and month are.
func (c *calendar) daysOf(year, month int) uint32 {
	if c.months&(1<<month) == 0 {
		return 0
	}
	if c.years != nil {
		if _, ok := slices.BinarySearch(c.years, year); !ok {
			return 0
		}
	}
	return c.days.in(year, time.Month(month))
}

// wall is the wall-clock time of a day and a minute of the day.
func wall(year, month, dayOfMonth, minute int) int64 {
	return time.Date(year, time.Month(month), dayOfMonth, 0, minute, 0, 0, time.UTC).Unix()
}

// after finds the first time later than w.
func (c *calendar) after(w int64) (int64, bool) {
	if first := wall(minYear, 1, 1, 0); w < first {
		w = first - 1
	}
	t := time.Unix(w, 0).UTC().Truncate(time.Minute).Add(time.Minute)
	year, month, dayOfMonth := t.Year(), int(t.Month()), t.Day()
	if year > maxYear {
		return 0, false
	}
	set := c.daysOf(year, month)
	if set&(1<<dayOfMonth) != 0 {
		if minute, ok := c.minuteFrom(t.Hour(), t.Minute()); ok {
			return wall(year, month, dayOfMonth, minute), true
		}
	}
	set = set >> (dayOfMonth + 1) << (dayOfMonth + 1)
	for set == 0 {
		if month++; month > 12 {
			next, ok := c.yearFrom(year + 1)
			if !ok {
				return 0, false
			}
			year, month = next, 1
		}
		set = c.daysOf(year, month)
	}
	first, _ := c.minuteFrom(0, 0)
	return wall(year, month, bits.TrailingZeros32(set), first), true
}

// upTo finds the last time not later than w.
func (c *calendar) upTo(w int64) (int64, bool) {
	if last := wall(maxYear, 12, 31, 24*60-1); w > last {
		w = last
	}
	t := time.Unix(w, 0).UTC()
	year, month, dayOfMonth := t.Year(), int(t.Month()), t.Day()
	if year < minYear {
		return 0, false
	}
	set := c.daysOf(year, month)
	if set&(1<<dayOfMonth) != 0 {
		if minute, ok := c.minuteUpTo(t.Hour(), t.Minute()); ok {
			return wall(year, month, dayOfMonth, minute), true
		}
	}
	set &= 1<<dayOfMonth - 1
	for set == 0 {
		if month--; month < 1 {
			previous, ok := c.yearUpTo(year - 1)
			if !ok {
				return 0, false
			}
			year, month = previous, 12
		}
		set = c.daysOf(year, month)
	}
	latest, _ := c.minuteUpTo(23, 59)
	return wall(year, month, 31-bits.LeadingZeros32(set), latest), true
}

// minuteFrom finds the first minute of the day that is in and not before hour:minute.
func (c *calendar) minuteFrom(hour, minute int) (int, bool) {
	if c.hours&(1<<hour) != 0 {
		if set := c.minutes >> minute; set != 0 {
			return hour*60 + minute + bits.TrailingZeros64(set), true
		}
	}
	set := c.hours >> (hour + 1) << (hour + 1)
	if set == 0 {
		return 0, false
	}
	return bits.TrailingZeros32(set)*60 + bits.TrailingZeros64(c.minutes), true
}

// minuteUpTo finds the last minute of the day that is in and not after hour:minute.
func (c *calendar) minuteUpTo(hour, minute int) (int, bool) {
	if c.hours&(1<<hour) != 0 {
		if set := c.minutes & (1<<(minute+1) - 1); set != 0 {
			return hour*60 + 63 - bits.LeadingZeros64(set), true
		}
	}
	set := c.hours & (1<<hour - 1)
	if set == 0 {
		return 0, false
	}
	return (31-bits.LeadingZeros32(set))*60 + 63 - bits.LeadingZeros64(c.minutes), true
}

func (c *calendar) yearFrom(year int) (int, bool) {
	if c.years != nil {
		i, _ := slices.BinarySearch(c.years, year)
		if i == len(c.years) {
			return 0, false
		}
		year = c.years[i]
	}
	return year, year <= maxYear
}

func (c *calendar) yearUpTo(year int) (int, bool) {
	if c.years != nil {
		i, found := slices.BinarySearch(c.years, year)
		if !found {
			i--
		}
		if i < 0 {
			return 0, false
		}
		year = c.years[i]
	}
	return year, year >= minYear
}

// happens says whether any day is in at all. The calendar repeats after 400 years, so looking at that many is looking at
// all of them.
func (c *calendar) happens() bool {
	years := c.years
	if years == nil {
		for year := 2000; year < 2400; year++ {
			years = append(years, year)
		}
	}
	for _, year := range years {
		for month := 1; month <= 12; month++ {
			if c.daysOf(year, month) != 0 {
				return true
			}
		}
	}
	return false
}
