package schedule

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Every complaint names the field, its text, the range allowed, and the nearest right form where there is one.
func TestParseCronComplaints(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{"", `"" is empty: cron has five fields (minute hour day-of-month month day-of-week), or six with the year last`},
		{"every day", `"every day" has 2 fields: cron has five fields (minute hour day-of-month month day-of-week), or six with the year last (did you mean "0 0 * * *"? The fields are minute, hour, day-of-month, month, day-of-week)`},
		{"daily", `did you mean "0 0 * * *"?`},
		{"every monday", `did you mean "0 0 * * MON"?`},
		{"weekdays", `did you mean "0 0 * * MON-FRI"?`},
		{"02:30", `did you mean "30 2 * * *"?`},
		{"1h", `write every: 1h instead of cron`},
		{"every 2 hours", `write every: 2h instead of cron`},
		{"@every 30m", `write every: 30m instead of cron`},
		{"rate(12 hours)", `write every: 12h instead of cron`},
		{"cron(15 10 ? * 6L 2002-2005)", `did you mean "15 10 ? * 6L 2002-2005"?`},
		{"CRON_TZ=Asia/Shanghai 0 2 * * *", `write "0 2 * * *", and the zone apart from it: time-zone: "Asia/Shanghai"`},
		{"@reboot", `there is no schedule for the start of a process`},
		{"0 25 * * *", `hour: "25" is not within 0-23 (did you mean "25 0 * * *"? The minute comes first)`},
		{"60 2 * * *", `minute: "60" is not within 0-59`},
		{"0 2 0 * *", `day-of-month: "0" is not within 1-31`},
		{"0 2 32 * *", `day-of-month: "32" is not within 1-31`},
		{"0 2 * 13 *", `month: "13" is not within 1-12 or JAN-DEC`},
		{"0 2 * * 8", `day-of-week: "8" is not within 0-7 or SUN-SAT, 0 and 7 are Sunday`},
		{"0 2 * * MONDAY", `day-of-week: "MONDAY" is not a value of this field: allowed are 0-7 or SUN-SAT, 0 and 7 are Sunday (write MON)`},
		{"0 2 * * weekdays", `(write MON-FRI)`},
		{"0 2 * june *", `(write JUN)`},
		{"a b c d e", `minute: "a" is not a value of this field: allowed are 0-59`},
		{"99999999999999999999 * * * *", `minute: "99999999999999999999" is not within 0-59`},
		{"-5 * * * *", `minute: a value is missing; allowed are 0-59`},
		{"5- * * * *", `minute: a value is missing; allowed are 0-59`},
		{"1,,2 * * * *", `minute: "1,,2" has an empty place in its list`},
		{"*/0 * * * *", `minute: "*/0" has a step of 0, which never gets anywhere`},
		{"*/x * * * *", `minute: "*/x" has no whole number after the slash`},
		{"*/90 * * * *", `minute: "*/90" has a step longer than the field's range 0-59, so it would not step at all (write every: 90m instead of cron)`},
		{"0 22-4 * * *", `hour: "22-4" goes backwards (to go round the end write 22-23,0-4)`},
		{"0 0 30 2 *", `day-of-month: "0 0 30 2 *" never happens: month 2 has no day 30`},
		{"0 0 31 4,6,9,11 *", `never happens: month 4,6,9,11 has no day 31`},
		{"0 0 29 2 ? 2025-2027", `never happens: no such day comes in those months and years`},
		{"0 2 */2 * MON", `day-of-month: "*/2" beside "MON" in the other day field: some crons act when either matches, some when both do (for either, write 1-31/2)`},
		{"0 2 1 * */2", `day-of-week: "*/2" beside "1" in the other day field: some crons act when either matches, some when both do (for either, write 0-6/2)`},
		{"0 2 L * *", `day-of-month: "L" belongs to the six-field form with the year last (did you mean "0 2 L * ? *"?)`},
		{"0 2 * * 5L", `day-of-week: "5L" belongs to the six-field form with the year last (did you mean "0 2 ? * FRIL *"?)`},
		{"0 2 * * 5#3", `(did you mean "0 2 ? * FRI#3 *"?)`},
		{"0 2 ? * *", `(did you mean "0 2 * * *" or "0 2 * * ? *"?)`},
		{"0 2 * *", `has 4 fields: cron has five fields (minute hour day-of-month month day-of-week), or six with the year last (did you mean "0 0 2 * *"?)`},
		{"0 0 2 * * *", `day-of-week: day-of-month is "2" and day-of-week is "*": in the six-field form exactly one of the two is ? (did you mean "0 2 * * *" or "0 0 2 * *"? There are no seconds, and the sixth field is the year)`},
		{"0 15 10 * * ?", `(did you mean "15 10 * * *"?`},
		{"0 15 10 ? * 6L 2002-2005", `has 7 fields: cron has five fields (minute hour day-of-month month day-of-week), or six with the year last (did you mean "15 10 ? * 6L 2002-2005"?)`},
		{"0 0 2 * * * *", `(did you mean "0 2 * * *"?)`},
		{"0 2 * * MON *", `(did you mean "0 2 * * MON" or "0 2 ? * MON *"?`},
		{"0 2 ? * ? *", `day-of-month is "?" and day-of-week is "?": in the six-field form exactly one of the two is ?`},
		{"0 2 ? * 0 *", `day-of-week: "0" is not within 1-7 or SUN-SAT, 1 is Sunday`},
		{"0 2 ? * 6#6 *", `day-of-week: "6#6" is not within #1-#5, the first to fifth such day of the month`},
		{"0 2 L-31 * ? *", `day-of-month: "L-31" is not within L-0 to L-30`},
		{"0 2 32W * ? *", `day-of-month: "32" is not within 1-31`},
		{"0 2 XL * ? *", `day-of-month: "XL" is not a day: L is the last`},
		{"0 2 1,? * ? *", `stands alone in its field or not at all`},
		{"0 2 ? * MON 1969", `year: "1969" is not within 1970-2099`},
		{strings.Repeat("1,", 600) + "1 * * * *", `1209 characters are too long for a cron expression: at most 1000`},
	} {
		s, err := ParseCron(c.expr, nil)
		if err == nil {
			t.Errorf("ParseCron(%q): got %s, want a complaint with %q", c.expr, s, c.want)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseCron(%q):\n got %s\nwant %s", c.expr, err, c.want)
		}
		var e *Error
		if !errors.As(err, &e) || e.Text != c.expr || e.Problem == "" {
			t.Errorf("ParseCron(%q): got %#v, want an *Error that holds the text and the problem", c.expr, err)
		}
		if s.String() != "" {
			t.Errorf("ParseCron(%q): got %s beside the error, want the zero schedule", c.expr, s)
		}
	}
}

func TestParseCronRefusesTheMachinesZone(t *testing.T) {
	if _, err := ParseCron("0 2 * * *", time.Local); err == nil || !strings.Contains(err.Error(), "machine") {
		t.Errorf("ParseCron in time.Local: got %v, want a complaint: it means something else on every machine", err)
	}
}

func TestParseEveryComplaints(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"30s", `"30s" is not within 1m-366d (the shortest is "1m")`},
		{"367d", `"367d" is not within 1m-366d`},
		{"0h", `"0h" is nothing`},
		{"hourly", `"hourly" is not a duration`},
	} {
		if s, err := ParseEvery(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseEvery(%q): got %s, %v; want a complaint with %q", c.text, s, err, c.want)
		}
	}
	for _, text := range []string{"1m", "366d"} {
		if _, err := ParseEvery(text); err != nil {
			t.Errorf("ParseEvery(%q): got %v, want no error: it is within the range", text, err)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for _, c := range []struct {
		text  string
		want  time.Duration
		short string
	}{
		{"90s", 90 * time.Second, "90s"},
		{"15m", 15 * time.Minute, "15m"},
		{"6h", 6 * time.Hour, "6h"},
		{"30d", 30 * 24 * time.Hour, "30d"},
		{"2w", 14 * 24 * time.Hour, "2w"},
		{"7d", 7 * 24 * time.Hour, "7d"},
		{"1w", 7 * 24 * time.Hour, "7d"},
		{"1h30m", 90 * time.Minute, "90m"},
		{" 1h ", time.Hour, "1h"},
		{"60m", time.Hour, "1h"},
		{"1d12h", 36 * time.Hour, "36h"},
		{"1w2d3h4m5s", (9*24+3)*time.Hour + 4*time.Minute + 5*time.Second, "9d3h4m5s"},
		{"11045s", 3*time.Hour + 4*time.Minute + 5*time.Second, "3h4m5s"},
		{"100h", 100 * time.Hour, "4d4h"},
		{"007m", 7 * time.Minute, "7m"},
		{"106751d", 106751 * 24 * time.Hour, "106751d"},
	} {
		got, err := ParseDuration(c.text)
		if err != nil || got != c.want {
			t.Errorf("ParseDuration(%q): got %v, %v; want %v", c.text, got, err, c.want)
		}
		if short := FormatDuration(got); short != c.short {
			t.Errorf("FormatDuration(%v): got %q, want %q", got, short, c.short)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", time.Millisecond: "0s", 1500 * time.Millisecond: "1s", -time.Hour: "-1h", -1 << 63: "-15250w47h47m16s", 3*time.Hour + 4*time.Minute + 5*time.Second: "3h4m5s"} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%d): got %q, want %q", d, got, want)
		}
	}
}

func TestParseDurationComplaints(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", `a duration is missing (write for example "30m", "6h" or "30d")`},
		{"30", `"30" is not a duration (say the unit: "30d" for days, "30h" for hours, "30m" for minutes)`},
		{"30 days", `"30 days" is not a duration (did you mean "30d"?)`},
		{"1 month", `did you mean "30d"?`},
		{"1.5h", `did you mean "90m"?`},
		{"1y", `did you mean "365d"?`},
		{"3M", `"m" is minutes; for months say days, as "30d"`},
		{"30D", `did you mean "30d"?`},
		{"-1d", `"-1d" is negative: a duration is more than nothing (did you mean "1d"?)`},
		{"0s", `"0s" is nothing: a duration is more than nothing`},
		{"30m1h", `did you mean "90m"?`},
		{"1h1h", `is not a duration`},
		{"h", `"h" is not a duration (write whole numbers with w, d, h, m or s`},
		{"106752d", `"106752d" is too long (at most 106751d)`},
		{"99999999999999999999999s", `is too long (at most 106751d)`},
		{"100000d9999999h", `is too long`},
		{"1h\n", ""},
		{"\x00d", `"?d" is not a duration`},
	} {
		d, err := ParseDuration(c.text)
		if c.want == "" {
			if err != nil {
				t.Errorf("ParseDuration(%q): got %v, want no error: spaces around it are forgiven", c.text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseDuration(%q): got %v, %v; want a complaint with %q", c.text, d, err, c.want)
		}
	}
}
