package retain

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatalf("LoadLocation(%q): %v", name, err)
	}
	return loc
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	layout := time.RFC3339
	if len(text) == len(time.DateOnly) {
		layout = time.DateOnly
	}
	out, err := time.Parse(layout, text)
	if err != nil {
		t.Fatalf("time.Parse(%q): %v", text, err)
	}
	return out
}

// items are named by their times.
func items(t testing.TB, times ...string) []Item {
	t.Helper()
	var out []Item
	for _, text := range times {
		out = append(out, Item{ID: text, Time: at(t, text)})
	}
	return out
}

func show(verdicts []Verdict) []string {
	var out []string
	for _, v := range verdicts {
		word := "go  "
		if v.Keep {
			word = "keep"
		}
		out = append(out, word+" "+v.Item.ID+": "+strings.Join(v.Reasons, "; "))
	}
	return out
}

func check(t *testing.T, r Rule, in []Item, want ...string) {
	t.Helper()
	if got := show(Apply(r, in)); !slices.Equal(got, want) {
		t.Errorf("Apply(%s):\n got %s\nwant %s", r, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestApply(t *testing.T) {
	week := items(t, "2026-11-18", "2026-11-20", "2026-11-19", "2026-11-17")
	t.Run("last, from any order", func(t *testing.T) {
		check(t, Rule{Last: 2}, week,
			"keep 2026-11-20: newest; last 1 of 2",
			"keep 2026-11-19: last 2 of 2",
			"go   2026-11-18: beyond last 2",
			"go   2026-11-17: beyond last 2")
	})
	t.Run("no rule keeps everything", func(t *testing.T) {
		check(t, Rule{}, week[:2], "keep 2026-11-20: no rule", "keep 2026-11-18: no rule")
	})
	t.Run("negative numbers are no rule", func(t *testing.T) {
		check(t, Rule{Last: -1, Daily: -5, Within: -time.Hour}, week[:1], "keep 2026-11-18: no rule")
	})
	t.Run("negative numbers beside a positive one keep nothing", func(t *testing.T) {
		check(t, Rule{Last: 1, Hourly: -1, Yearly: -3}, week[:2], "keep 2026-11-20: newest; last 1 of 1", "go   2026-11-18: beyond last 1")
	})
	t.Run("within counts from the newest, and is open at its old end as restic's is", func(t *testing.T) {
		check(t, Rule{Within: 48 * time.Hour}, week,
			"keep 2026-11-20: newest; within 2d of the newest",
			"keep 2026-11-19: within 2d of the newest",
			"go   2026-11-18: beyond within 2d",
			"go   2026-11-17: beyond within 2d")
	})
	t.Run("any rule keeps", func(t *testing.T) {
		check(t, Rule{Last: 1, Monthly: 2, Yearly: 1}, items(t, "2026-11-20", "2026-11-02", "2026-10-31", "2026-10-30", "2025-12-31"),
			"keep 2026-11-20: newest; last 1 of 1; monthly 2026-11; yearly 2026",
			"go   2026-11-02: beyond last 1, monthly 2, yearly 1",
			"keep 2026-10-31: monthly 2026-10",
			"go   2026-10-30: beyond last 1, monthly 2, yearly 1",
			"go   2025-12-31: beyond last 1, monthly 2, yearly 1")
	})
	t.Run("ties go by ID", func(t *testing.T) {
		same := at(t, "2026-11-20")
		check(t, Rule{Last: 2}, []Item{{"c", same}, {"a", same}, {"b", same}},
			"keep a: newest; last 1 of 2", "keep b: last 2 of 2", "go   c: beyond last 2")
	})
	t.Run("handed in twice counts once", func(t *testing.T) {
		twice := append(items(t, "2026-11-20", "2026-11-19"), Item{ID: "2026-11-20", Time: at(t, "2026-11-20").In(zone(t, "Asia/Shanghai"))})
		check(t, Rule{Last: 2}, twice,
			"keep 2026-11-20: newest; last 1 of 2", "keep 2026-11-20: newest; last 1 of 2", "keep 2026-11-19: last 2 of 2")
	})
	t.Run("ISO weeks belong to the year of their Thursday", func(t *testing.T) {
		check(t, Rule{Weekly: 2}, items(t, "2027-01-04", "2027-01-03", "2026-12-31", "2026-12-28", "2026-12-27"),
			"keep 2027-01-04: newest; weekly 2027-W01",
			"keep 2027-01-03: weekly 2026-W53",
			"go   2026-12-31: beyond weekly 2",
			"go   2026-12-28: beyond weekly 2",
			"go   2026-12-27: beyond weekly 2")
	})
	t.Run("days are those of the rule's zone", func(t *testing.T) {
		in := items(t, "2026-11-20T15:59:00Z", "2026-11-20T16:01:00Z")
		check(t, Rule{Daily: 7}, in,
			"keep 2026-11-20T16:01:00Z: newest; daily 2026-11-20",
			"go   2026-11-20T15:59:00Z: beyond daily 7")
		check(t, Rule{Daily: 7, Location: zone(t, "Asia/Shanghai")}, in,
			"keep 2026-11-20T16:01:00Z: newest; daily 2026-11-21",
			"keep 2026-11-20T15:59:00Z: daily 2026-11-20")
	})
	t.Run("an hour that a clock change repeats is one hour", func(t *testing.T) {
		check(t, Rule{Hourly: 2, Location: zone(t, "Europe/Berlin")},
			items(t, "2026-10-25T03:10:00+01:00", "2026-10-25T02:10:00+01:00", "2026-10-25T02:50:00+02:00", "2026-10-25T01:50:00+02:00"),
			"keep 2026-10-25T03:10:00+01:00: newest; hourly 2026-10-25 03:00",
			"keep 2026-10-25T02:10:00+01:00: hourly 2026-10-25 02:00",
			"go   2026-10-25T02:50:00+02:00: beyond hourly 2",
			"go   2026-10-25T01:50:00+02:00: beyond hourly 2")
	})
	t.Run("a day that a clock set back over midnight comes to twice is one day", func(t *testing.T) {
		// St John's set its clock back at 00:01, to 23:01 of the day before.
		check(t, Rule{Daily: 3, Location: zone(t, "America/St_Johns")},
			items(t, "2010-11-07T12:00:00-03:30", "2010-11-06T23:30:00-03:30", "2010-11-07T00:00:30-02:30", "2010-11-06T22:00:00-02:30", "2010-11-05T12:00:00-02:30"),
			"keep 2010-11-07T12:00:00-03:30: newest; daily 2010-11-07",
			"keep 2010-11-06T23:30:00-03:30: daily 2010-11-06",
			"go   2010-11-07T00:00:30-02:30: beyond daily 3",
			"go   2010-11-06T22:00:00-02:30: beyond daily 3",
			"keep 2010-11-05T12:00:00-02:30: daily 2010-11-05")
	})
	t.Run("a later day that such a clock showed earlier is a day of its own", func(t *testing.T) {
		check(t, Rule{Daily: 2, Location: zone(t, "America/St_Johns")},
			items(t, "2010-11-06T23:30:00-03:30", "2010-11-07T00:00:30-02:30", "2010-11-06T22:00:00-02:30", "2010-11-05T12:00:00-02:30"),
			"keep 2010-11-06T23:30:00-03:30: newest; daily 2010-11-06",
			"keep 2010-11-07T00:00:30-02:30: daily 2010-11-07",
			"go   2010-11-06T22:00:00-02:30: beyond daily 2",
			"go   2010-11-05T12:00:00-02:30: beyond daily 2")
	})
	t.Run("days without a backup do not count", func(t *testing.T) {
		check(t, Rule{Daily: 3}, items(t, "2026-11-20", "2026-07-01", "2025-01-01", "2024-01-01"),
			"keep 2026-11-20: newest; daily 2026-11-20",
			"keep 2026-07-01: daily 2026-07-01",
			"keep 2025-01-01: daily 2025-01-01",
			"go   2024-01-01: beyond daily 3")
	})
	t.Run("nothing", func(t *testing.T) { check(t, Rule{Last: 3}, nil) })
}

// The example of restic's manual: a backup every day for a hundred years, and 7 daily, 5 weekly, 12 monthly, 75 yearly.
func TestResticManualHundredYears(t *testing.T) {
	newest := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC) // a Friday
	var in []Item
	for n := range 100 * 365 {
		in = append(in, Item{ID: fmt.Sprint(n), Time: newest.AddDate(0, 0, -n)})
	}
	want := map[time.Time]bool{}
	for n := range 7 { // the last seven days
		want[newest.AddDate(0, 0, -n)] = true
	}
	for n := range 5 { // this week's newest, then the four Sundays before it
		want[newest.AddDate(0, 0, min(0, 2-7*n))] = true
	}
	want[newest] = true
	for n := 1; n < 12; n++ { // the last days of the eleven months before
		want[time.Date(2026, 12-time.Month(n), 0, 3, 0, 0, 0, time.UTC)] = true
	}
	for n := 1; n < 75; n++ { // the last days of the 74 years before
		want[time.Date(2026-n, 12, 31, 3, 0, 0, 0, time.UTC)] = true
	}
	for _, v := range Apply(Rule{Daily: 7, Weekly: 5, Monthly: 12, Yearly: 75}, in) {
		if v.Keep != want[v.Item.Time] {
			t.Errorf("%s: got keep %v (%s), want %v", v.Item.Time.Format(time.DateOnly), v.Keep, strings.Join(v.Reasons, "; "), want[v.Item.Time])
		}
	}
}

func TestRuleText(t *testing.T) {
	for _, c := range []struct {
		r    Rule
		want string
		zero bool
	}{
		{Rule{}, "no rule", true},
		{Rule{Last: -1, Location: time.UTC}, "no rule", true},
		{Rule{Last: 7, Daily: 30, Within: 30 * 24 * time.Hour}, "last 7, daily 30, within 30d", false},
		{Rule{Hourly: 24, Weekly: 4, Monthly: 12, Yearly: 3}, "hourly 24, weekly 4, monthly 12, yearly 3", false},
		{Rule{Within: 90 * time.Minute}, "within 90m", false},
	} {
		if got := c.r.String(); got != c.want {
			t.Errorf("String of %#v: got %q, want %q", c.r, got, c.want)
		}
		if got := c.r.IsZero(); got != c.zero {
			t.Errorf("IsZero of %#v: got %v, want %v", c.r, got, c.zero)
		}
	}
}

// A plan judges a hundred thousand sources of ten backups each; one round here is one source.
func BenchmarkApply(b *testing.B) {
	newest := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	var in []Item
	for n := range 10 {
		in = append(in, Item{ID: fmt.Sprintf("backup-%d", n), Time: newest.AddDate(0, 0, -n)})
	}
	for _, c := range []struct {
		name string
		rule Rule
	}{
		{"last", Rule{Last: 7}},
		{"daily", Rule{Daily: 7, Location: zone(b, "America/New_York")}},
		{"all", Rule{Last: 3, Hourly: 3, Daily: 7, Weekly: 4, Monthly: 12, Yearly: 3, Within: 8 * 24 * time.Hour, Location: zone(b, "America/New_York")}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Apply(c.rule, in)
			}
		})
	}
}

// Apply must stay lean: a handful of allocations for a source, however many backups and reasons it has.
func TestApplyIsLean(t *testing.T) {
	newest := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	var in []Item
	for n := range 100 {
		in = append(in, Item{ID: fmt.Sprint(n), Time: newest.AddDate(0, 0, -n)})
	}
	if got := testing.AllocsPerRun(20, func() { Apply(Rule{Last: 90}, in) }); got > 12 {
		t.Errorf("allocations of Apply(last 90) on 100 backups: got %v, want at most 12", got)
	}
}
