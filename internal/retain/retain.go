package retain

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/schedule"
)

// Rule says which backups stay. A number that is zero or negative keeps nothing by itself.
type Rule struct {
	Last, Hourly, Daily, Weekly, Monthly, Yearly int

	Within   time.Duration
	Location *time.Location // whose calendar says what an hour, a day, an ISO week … is; nil is UTC
}

// Item is one complete backup that is not held.
type Item struct {
	ID   string
	Time time.Time
}

// Verdict is what becomes of one backup, and why: every reason for keeping it, or the one why it goes.
type Verdict struct {
	Item    Item
	Keep    bool
	Reasons []string
}

// IsZero says whether the rule has no positive number, and so keeps everything.
func (r Rule) IsZero() bool {
	return r.Last <= 0 && r.Hourly <= 0 && r.Daily <= 0 && r.Weekly <= 0 && r.Monthly <= 0 && r.Yearly <= 0 && r.Within <= 0
}

// String is the rule in the policy's words: "last 7, daily 30, within 30d"; "no rule" for one without a positive number.
func (r Rule) String() string {
	if r.IsZero() {
		return "no rule"
	}
	var parts []string
	if r.Last > 0 {
		parts = append(parts, "last "+strconv.Itoa(r.Last))
	}
	for _, c := range r.calendars() {
		if c.left > 0 {
			parts = append(parts, c.span.word()+strconv.Itoa(c.left))
		}
	}
	if r.Within > 0 {
		parts = append(parts, "within "+schedule.FormatDuration(r.Within))
	}
	return strings.Join(parts, ", ")
}

// Apply gives a verdict on every item, the newest first, and of items equally old the one with the smaller ID first. The
// order in which they are handed in does not matter. An item handed in twice counts once and has the same verdict twice.
func Apply(r Rule, items []Item) []Verdict {
	if len(items) == 0 {
		return nil
	}
	out := make([]Verdict, len(items))
	for i, item := range items {
		out[i].Item = item
	}
	slices.SortFunc(out, func(a, b Verdict) int {
		if c := b.Item.Time.Compare(a.Item.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Item.ID, b.Item.ID)
	})
	if r.IsZero() {
		reasons := []string{"no rule"}
		for i := range out {
			out[i].Keep, out[i].Reasons = true, reasons
		}
		return out
	}
	j := judge{rule: r, calendars: r.calendars(), location: r.Location, verdicts: out}
	if j.location == nil {
		j.location = time.UTC
	}
	j.run()
	return out
}

// judge is one Apply at work. Reasons are written into one text and cut out of it at the end, because a plan over a
// hundred thousand sources spends its time here.
type judge struct {
	rule      Rule
	calendars [5]calendar
	location  *time.Location
	verdicts  []Verdict

	text    []byte
	reasons []piece // in the order of the verdicts
	within  piece   // reasons that several items share are written once
	beyond  piece
}

// piece is where a reason stands in the text.
type piece struct{ from, to int }

func (j *judge) run() {
	newest := j.verdicts[0].Item.Time
	distinct := 0
	j.text = make([]byte, 0, 48*len(j.verdicts))
	j.reasons = make([]piece, 0, 3*len(j.verdicts))
	ends := make([]int, len(j.verdicts)) // where each verdict's reasons end
	for i := range j.verdicts {
		v := &j.verdicts[i]
		if i > 0 && v.Item.ID == j.verdicts[i-1].Item.ID && v.Item.Time.Equal(j.verdicts[i-1].Item.Time) {
			v.Keep, ends[i] = j.verdicts[i-1].Keep, len(j.reasons)
			continue
		}
		before := len(j.reasons)
		if i == 0 {
			j.begin("newest")
			j.end()
		}
		if distinct++; distinct <= j.rule.Last {
			j.begin("last ")
			j.text = strconv.AppendInt(j.text, int64(distinct), 10)
			j.text = append(j.text, " of "...)
			j.text = strconv.AppendInt(j.text, int64(j.rule.Last), 10)
			j.end()
		}
		j.byCalendar(i)
		if j.rule.Within > 0 && v.Item.Time.After(newest.Add(-j.rule.Within)) {
			j.share(&j.within, "within ", j.rule.Within)
		}
		v.Keep = len(j.reasons) > before
		if !v.Keep {
			j.share(&j.beyond, "beyond ", 0)
		}
		ends[i] = len(j.reasons)
	}
	j.cut(ends)
}

// cut hands every verdict its reasons.
func (j *judge) cut(ends []int) {
	text := string(j.text)
	reasons := make([]string, len(j.reasons))
	for i, p := range j.reasons {
		reasons[i] = text[p.from:p.to]
	}
	from := 0
	for i := range j.verdicts {
		if i > 0 && ends[i] == from { // the same item once more
			j.verdicts[i].Reasons = j.verdicts[i-1].Reasons
			continue
		}
		j.verdicts[i].Reasons = reasons[from:ends[i]:ends[i]]
		from = ends[i]
	}
}

func (j *judge) begin(word string) {
	j.reasons = append(j.reasons, piece{from: len(j.text)})
	j.text = append(j.text, word...)
}

func (j *judge) end() { j.reasons[len(j.reasons)-1].to = len(j.text) }

// share gives a reason that is written once for all: "within 30d of the newest", "beyond last 7, daily 30".
func (j *judge) share(p *piece, word string, within time.Duration) {
	if p.to == 0 {
		j.begin(word)
		if within > 0 {
			j.text = append(j.text, schedule.FormatDuration(within)...)
			j.text = append(j.text, " of the newest"...)
		} else {
			j.text = append(j.text, j.rule.String()...)
		}
		j.end()
		*p = j.reasons[len(j.reasons)-1]
		return
	}
	j.reasons = append(j.reasons, *p)
}
