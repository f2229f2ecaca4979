package retain

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// oracle says which of the items stay, by their IDs, told as plainly as possible.
func oracle(r Rule, in []Item) map[string]bool {
	loc := r.Location
	if loc == nil {
		loc = time.UTC
	}
	sorted := slices.Clone(in)
	slices.SortFunc(sorted, func(a, b Item) int {
		if a.Time.Equal(b.Time) {
			if a.ID < b.ID {
				return -1
			}
			return 1
		}
		return b.Time.Compare(a.Time)
	})
	keep := map[string]bool{}
	any := r.Within > 0
	for n, item := range sorted {
		if n == 0 || n < r.Last || r.Within > 0 && sorted[0].Time.Sub(item.Time) < r.Within {
			keep[item.ID] = true
		}
	}
	for _, c := range []struct {
		n      int
		bucket func(time.Time) string
	}{
		{r.Last, func(time.Time) string { return "" }},
		{r.Hourly, func(at time.Time) string { return at.Format("2006-01-02 15") }},
		{r.Daily, func(at time.Time) string { return at.Format("2006-01-02") }},
		{r.Weekly, func(at time.Time) string { // a week is named by its Monday, found by going back day by day
			day := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
			for day.Weekday() != time.Monday {
				day = day.AddDate(0, 0, -1)
			}
			return day.Format("2006-01-02")
		}},
		{r.Monthly, func(at time.Time) string { return at.Format("2006-01") }},
		{r.Yearly, func(at time.Time) string { return at.Format("2006") }},
	} {
		any = any || c.n > 0
		var buckets []string
		for _, item := range sorted {
			b := c.bucket(item.Time.In(loc))
			if !slices.Contains(buckets, b) && len(buckets) < c.n {
				buckets = append(buckets, b)
				keep[item.ID] = true
			}
		}
	}
	if !any {
		for _, item := range in {
			keep[item.ID] = true
		}
	}
	return keep
}

func drawRule(t *rapid.T) Rule {
	n := func(label string) int {
		if rapid.Bool().Draw(t, "no "+label) {
			return 0
		}
		return rapid.IntRange(-1, 6).Draw(t, label)
	}
	r := Rule{Last: n("last"), Hourly: n("hourly"), Daily: n("daily"), Weekly: n("weekly"), Monthly: n("monthly"), Yearly: n("yearly")}
	if rapid.Bool().Draw(t, "any within") {
		r.Within = time.Duration(rapid.IntRange(-1, 90*24).Draw(t, "within")) * time.Hour
	}
	name := rapid.SampledFrom([]string{"", "Asia/Shanghai", "America/St_Johns", "Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe"}).Draw(t, "zone")
	if name != "" {
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatalf("LoadLocation(%q): %v", name, err)
		}
		r.Location = loc
	}
	return r
}

// drawItems draws backups that lie close together, far apart, and now and then at the same instant or within a second of
// each other; a third of the time around the end of a year, where the ISO week belongs to another one, and a third around
// the days on which clocks are changed.
func drawItems(t *rapid.T) []Item {
	year := rapid.IntRange(2005, 2030).Draw(t, "base year")
	base := time.Date(year, time.Month(rapid.IntRange(1, 12).Draw(t, "base month")), 1, 0, 0, 0, 0, time.UTC)
	switch rapid.IntRange(0, 2).Draw(t, "where") {
	case 1:
		base = time.Date(year, 12, rapid.IntRange(25, 31).Draw(t, "december"), 12, 0, 0, 0, time.UTC)
	case 2:
		day := rapid.SampledFrom([]time.Time{
			time.Date(year, 3, 7, 0, 0, 0, 0, time.UTC), time.Date(year, 3, 25, 0, 0, 0, 0, time.UTC), time.Date(year, 4, 1, 0, 0, 0, 0, time.UTC),
			time.Date(year, 9, 28, 0, 0, 0, 0, time.UTC), time.Date(year, 10, 25, 0, 0, 0, 0, time.UTC), time.Date(year, 11, 1, 0, 0, 0, 0, time.UTC),
			time.Date(2011, 12, 29, 0, 0, 0, 0, time.UTC), // a day that Apia skipped
		}).Draw(t, "change")
		base = day.AddDate(0, 0, rapid.IntRange(0, 6).Draw(t, "day of change"))
	}
	scale := rapid.SampledFrom([]time.Duration{time.Nanosecond, time.Second, 10 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 9 * 24 * time.Hour}).Draw(t, "scale")
	var out []Item
	for n := range rapid.IntRange(1, 30).Draw(t, "items") {
		out = append(out, Item{ID: fmt.Sprintf("b%02d", n), Time: base.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "at")) * scale)})
	}
	return out
}

func kept(verdicts []Verdict) map[string]bool {
	out := map[string]bool{}
	for _, v := range verdicts {
		if v.Keep {
			out[v.Item.ID] = true
		}
	}
	return out
}

func TestApplyAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, in := drawRule(t), drawItems(t)
		before := slices.Clone(in)
		got := Apply(r, in)
		if !slices.Equal(in, before) {
			t.Fatalf("Apply(%s) changed what it was handed", r)
		}
		want := oracle(r, in)
		if len(got) != len(in) {
			t.Fatalf("Apply(%s): got %d verdicts on %d items", r, len(got), len(in))
		}
		for i, v := range got {
			if v.Keep != want[v.Item.ID] {
				t.Fatalf("Apply(%s) on %v: got keep %v, want %v", r, v.Item, v.Keep, want[v.Item.ID])
			}
			if len(v.Reasons) == 0 || slices.Contains(v.Reasons, "") || !v.Keep && len(v.Reasons) != 1 {
				t.Fatalf("Apply(%s) on %v: reasons %q for keep %v", r, v.Item, v.Reasons, v.Keep)
			}
			if i > 0 && (got[i-1].Item.Time.Before(v.Item.Time) || got[i-1].Item.Time.Equal(v.Item.Time) && got[i-1].Item.ID > v.Item.ID) {
				t.Fatalf("Apply(%s): %v stands before %v", r, got[i-1].Item, v.Item)
			}
		}
		shuffled := rapid.Permutation(in).Draw(t, "shuffled")
		if again := Apply(r, shuffled); !slices.Equal(show(again), show(got)) {
			t.Fatalf("Apply(%s) depends on the order:\n%v\n%v", r, show(got), show(again))
		}
	})
}

// Law 2: the newest complete backup stays whatever the rule says.
func TestNewestIsAlwaysKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, in := drawRule(t), drawItems(t)
		newest := slices.MaxFunc(in, func(a, b Item) int { return a.Time.Compare(b.Time) })
		for _, v := range Apply(r, in) {
			if v.Keep && v.Item.Time.Equal(newest.Time) {
				return
			}
		}
		t.Fatalf("Apply(%s): none of the newest, at %v, is kept", r, newest.Time)
	})
}

// Law 3: what is judged depends on the backups alone, never on how long ago they were made.
func TestExpiryStopsWhenBackupsStop(t *testing.T) {
	in := items(t, "2001-01-03", "2001-01-02", "2000-12-31")
	check(t, Rule{Within: 48 * time.Hour}, in,
		"keep 2001-01-03: newest; within 2d of the newest",
		"keep 2001-01-02: within 2d of the newest",
		"go   2000-12-31: beyond within 2d")
}

func TestOlderItemNeverMakesNewerGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, in := drawRule(t), drawItems(t)
		oldest := slices.MinFunc(in, func(a, b Item) int { return a.Time.Compare(b.Time) })
		older := Item{ID: "older", Time: oldest.Time.Add(-time.Duration(rapid.IntRange(1, 1e6).Draw(t, "seconds older")) * time.Second)}
		after := kept(Apply(r, append(slices.Clone(in), older)))
		for id := range kept(Apply(r, in)) {
			if !after[id] {
				t.Fatalf("Apply(%s): %s is kept, but goes once %v is there", r, id, older)
			}
		}
	})
}

func TestRaisingNumberNeverExpiresMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, in := drawRule(t), drawItems(t)
		if r.IsZero() {
			t.Skip("from keeping everything there is no more")
		}
		more := r
		by := rapid.IntRange(1, 5).Draw(t, "by")
		switch rapid.IntRange(0, 6).Draw(t, "which") {
		case 0:
			more.Last += by
		case 1:
			more.Hourly += by
		case 2:
			more.Daily += by
		case 3:
			more.Weekly += by
		case 4:
			more.Monthly += by
		case 5:
			more.Yearly += by
		case 6:
			more.Within += time.Duration(by) * 7 * time.Hour
		}
		after := kept(Apply(more, in))
		for id := range kept(Apply(r, in)) {
			if !after[id] {
				t.Fatalf("%s is kept by %s, but not by %s", id, r, more)
			}
		}
	})
}

// TestWordsAddUp: several words together keep what each of them keeps by itself, and nothing else.
func TestWordsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, in := drawRule(t), drawItems(t)
		if r.IsZero() {
			t.Skip("a rule without a word keeps everything")
		}
		want := map[string]bool{}
		for _, one := range []Rule{{Last: r.Last}, {Hourly: r.Hourly}, {Daily: r.Daily}, {Weekly: r.Weekly}, {Monthly: r.Monthly}, {Yearly: r.Yearly}, {Within: r.Within}} {
			if one.Location = r.Location; !one.IsZero() {
				maps.Copy(want, kept(Apply(one, in)))
			}
		}
		if got := kept(Apply(r, in)); !maps.Equal(got, want) {
			t.Fatalf("%s keeps %v, and its words one by one keep %v", r, got, want)
		}
	})
}

// TestKeptStaysKept: what a rule has kept it keeps when it is asked again about that alone, so that expiring twice is
// expiring once.
func TestKeptStaysKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, in := drawRule(t), drawItems(t)
		first := kept(Apply(r, in))
		left := slices.DeleteFunc(slices.Clone(in), func(i Item) bool { return !first[i.ID] })
		if again := kept(Apply(r, left)); !maps.Equal(again, first) {
			t.Fatalf("%s keeps %v, and of these %v", r, first, again)
		}
	})
}

// TestNewerItemNeverBringsBack: a backup that is made lets others go, and never brings one back that was to go.
func TestNewerItemNeverBringsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, in := drawRule(t), drawItems(t)
		newest := slices.MaxFunc(in, func(a, b Item) int { return a.Time.Compare(b.Time) })
		before := kept(Apply(r, in))
		made := Item{ID: "newer", Time: newest.Time.Add(time.Duration(rapid.IntRange(1, 1e6).Draw(t, "seconds newer")) * time.Second)}
		after := kept(Apply(r, append(slices.Clone(in), made)))
		if !after[made.ID] {
			t.Fatalf("%s: the newest goes", r)
		}
		for id := range after {
			if id != made.ID && !before[id] {
				t.Fatalf("%s: %s was to go, and stays once a newer one is made", r, id)
			}
		}
	})
}

// TestWithinKeepsEqualTimesAlike: of items of one instant, within keeps all or none.
func TestWithinKeepsEqualTimesAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rule{Within: time.Duration(rapid.IntRange(1, 400).Draw(t, "hours")) * time.Hour}
		in := drawItems(t)
		byTime := map[time.Time]bool{}
		for _, v := range Apply(r, in) {
			if len(v.Reasons) > 0 && v.Reasons[0] == "newest" {
				continue // one of the newest is kept for that alone
			}
			if keep, ok := byTime[v.Item.Time]; ok && keep != v.Keep {
				t.Fatalf("%s: of two items at %v one is kept and one goes", r, v.Item.Time)
			}
			byTime[v.Item.Time] = v.Keep
		}
	})
}
