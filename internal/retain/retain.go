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
func Apply(r Rule, items []Item) []Verdict { return new(Judge).Apply(r, items) }

// NewJudge is a Judge that remembers reasons: what it says of one source is mostly what it says of the next.
func NewJudge() *Judge { return &Judge{known: map[string]string{}} }

// Judge applies rules to one source after another with one memory, because a plan over a hundred thousand sources spends
// its time here. It is for one at a time.
type Judge struct {
	rule      Rule
	calendars [5]calendar
	location  *time.Location
	verdicts  []Verdict

	text    []byte            // reasons are written into one text and cut out of it at the end
	reasons []piece           // in the order of the verdicts
	ends    []int             // where each verdict's reasons end
	words   []string          // the reasons, cut out
	known   map[string]string // one copy of each reason; nil: they are cut out of one copy of the text
	within  piece             // reasons that several items share are written once
	beyond  piece
}

// mostKnown bounds what a Judge remembers of reasons.
const mostKnown = 1 << 14

// Apply is the function Apply. The verdicts and their lists of reasons are valid until the next call.
func (j *Judge) Apply(r Rule, items []Item) []Verdict {
	if len(items) == 0 {
		return nil
	}
	j.verdicts = room(j.verdicts, len(items))
	for _, item := range items {
		j.verdicts = append(j.verdicts, Verdict{Item: item})
	}
	slices.SortFunc(j.verdicts, func(a, b Verdict) int {
		if c := b.Item.Time.Compare(a.Item.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Item.ID, b.Item.ID)
	})
	if r.IsZero() {
		reasons := []string{"no rule"}
		for i := range j.verdicts {
			j.verdicts[i].Keep, j.verdicts[i].Reasons = true, reasons
		}
		return j.verdicts
	}
	j.rule, j.calendars, j.location = r, r.calendars(), r.Location
	if j.location == nil {
		j.location = time.UTC
	}
	j.text, j.reasons = room(j.text, 48*len(items)), room(j.reasons, 3*len(items))
	j.ends, j.within, j.beyond = room(j.ends, len(items)), piece{}, piece{}
	j.run()
	return j.verdicts
}

// piece is where a reason stands in the text.
type piece struct{ from, to int }

func (j *Judge) run() {
	newest := j.verdicts[0].Item.Time
	distinct := 0
	for i := range j.verdicts {
		v := &j.verdicts[i]
		if i > 0 && v.Item.ID == j.verdicts[i-1].Item.ID && v.Item.Time.Equal(j.verdicts[i-1].Item.Time) {
			v.Keep, j.ends = j.verdicts[i-1].Keep, append(j.ends, len(j.reasons))
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
		j.ends = append(j.ends, len(j.reasons))
	}
	j.cut()
}

// room gives the list, emptied, with room for n.
func room[T any](list []T, n int) []T {
	if cap(list) >= n {
		return list[:0]
	}
	return make([]T, 0, n)
}

// cut hands every verdict its reasons.
func (j *Judge) cut() {
	j.words = room(j.words, len(j.reasons))
	text := ""
	if j.known == nil {
		text = string(j.text)
	}
	for _, p := range j.reasons {
		if j.known != nil {
			j.words = append(j.words, j.one(j.text[p.from:p.to]))
		} else {
			j.words = append(j.words, text[p.from:p.to])
		}
	}
	from := 0
	for i, end := range j.ends {
		if i > 0 && end == from { // the same item once more
			j.verdicts[i].Reasons = j.verdicts[i-1].Reasons
			continue
		}
		j.verdicts[i].Reasons = j.words[from:end:end]
		from = end
	}
}

// one gives the Judge's copy of a reason.
func (j *Judge) one(text []byte) string {
	if s, ok := j.known[string(text)]; ok {
		return s
	}
	if len(j.known) >= mostKnown {
		clear(j.known)
	}
	s := string(text)
	j.known[s] = s
	return s
}

func (j *Judge) begin(word string) {
	j.reasons = append(j.reasons, piece{from: len(j.text)})
	j.text = append(j.text, word...)
}

func (j *Judge) end() { j.reasons[len(j.reasons)-1].to = len(j.text) }

// share gives a reason that is written once for all: "within 30d of the newest", "beyond last 7, daily 30".
func (j *Judge) share(p *piece, word string, within time.Duration) {
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
