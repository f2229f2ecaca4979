package retain

import (
	"strconv"
	"time"
)

// span is a stretch of the calendar of which one backup is kept.
type span int

const (
	hour span = iota + 1
	day
	isoWeek
	month
	year
)

// word is the rule's word for the span, with a space after it.
func (s span) word() string {
	switch s {
	case hour:
		return "hourly "
	case day:
		return "daily "
	case isoWeek:
		return "weekly "
	case month:
		return "monthly "
	case year:
		return "yearly "
	}
	panic("retain: span " + strconv.Itoa(int(s)))
}

// calendar is one of the rule's calendar words while it is being applied.
type calendar struct {
	span   span
	left   int   // how many more buckets it may keep an item of
	oldest int64 // the smallest bucket it has seen
	seen   bool  // whether it has seen any
}

func (r Rule) calendars() [5]calendar {
	return [5]calendar{
		{span: hour, left: r.Hourly},
		{span: day, left: r.Daily},
		{span: isoWeek, left: r.Weekly},
		{span: month, left: r.Monthly},
		{span: year, left: r.Yearly},
	}
}

// byCalendar gives the i-th item the reasons that the rule's calendar words have for keeping it: it is the newest of a
// bucket, and the word has not kept its number of buckets yet.
func (j *Judge) byCalendar(i int) {
	var local clock
	for k := range j.calendars {
		c := &j.calendars[k]
		if c.left <= 0 {
			continue
		}
		if !local.read {
			local = readClock(j.verdicts[i].Item.Time, j.location)
		}
		bucket := local.bucket(c.span)
		if c.seen && bucket >= c.oldest {
			// Going back in time leads to smaller buckets, or stays. Only a clock that was once set back over the end of
			// a day leads to a larger one, which may or may not have been seen.
			if bucket == c.oldest || j.hasBucket(i, c.span, bucket) {
				continue
			}
		} else {
			c.oldest, c.seen = bucket, true
		}
		c.left--
		j.begin(c.span.word())
		j.text = local.appendBucket(j.text, c.span)
		j.end()
	}
}

// hasBucket says whether an item before the i-th is in that bucket.
func (j *Judge) hasBucket(i int, s span, bucket int64) bool {
	for _, v := range j.verdicts[:i] {
		if c := readClock(v.Item.Time, j.location); c.bucket(s) == bucket {
			return true
		}
	}
	return false
}

// clock is a moment as the wall clock and the calendar of a place show it.
type clock struct {
	read             bool
	at               time.Time
	year, month, day int
}

func readClock(at time.Time, loc *time.Location) clock {
	at = at.In(loc)
	y, m, d := at.Date()
	return clock{read: true, at: at, year: y, month: int(m), day: d}
}

// bucket is the number of the span that the moment is in; a later span has a larger one.
func (c *clock) bucket(s span) int64 {
	switch s {
	case year:
		return int64(c.year)
	case month:
		return int64(c.year)*12 + int64(c.month)
	case isoWeek:
		y, w := c.at.ISOWeek()
		return int64(y)*54 + int64(w)
	case day:
		return (int64(c.year)*12+int64(c.month))*32 + int64(c.day)
	}
	return ((int64(c.year)*12+int64(c.month))*32+int64(c.day))*24 + int64(c.at.Hour())
}

// appendBucket writes the span for people: 2026-11-20 14:00, 2026-11-20, 2026-W47, 2026-11, 2026.
func (c *clock) appendBucket(b []byte, s span) []byte {
	if s == isoWeek {
		y, w := c.at.ISOWeek()
		b = append(strconv.AppendInt(b, int64(y), 10), "-W"...)
		return appendTwo(b, w)
	}
	b = strconv.AppendInt(b, int64(c.year), 10)
	if s == year {
		return b
	}
	b = appendTwo(append(b, '-'), c.month)
	if s == month {
		return b
	}
	b = appendTwo(append(b, '-'), c.day)
	if s == day {
		return b
	}
	return append(appendTwo(append(b, ' '), c.at.Hour()), ":00"...)
}

func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }
