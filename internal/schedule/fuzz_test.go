package schedule

import (
	"errors"
	"slices"
	"testing"
	"time"
	"unicode/utf8"
)

// refusal checks what every refusal owes its reader.
func refusal(t *testing.T, text string, err error) {
	var e *Error
	if !errors.As(err, &e) || e.Text != text || e.Problem == "" {
		t.Fatalf("%q: got %#v, want an *Error that holds the text and the problem", text, err)
	}
	if message := err.Error(); !utf8.ValidString(message) || len(message) > 800 {
		t.Fatalf("%q: the message is %d bytes, valid %v: %q", text, len(message), utf8.ValidString(message), message)
	}
}

func FuzzParseCron(f *testing.F) {
	for _, expr := range []string{
		"0 2 * * *", "15 10 ? * 6L 2002-2005", "@daily", "*/15 9-17 1,15 JAN-MAR MON-FRI", "0 0 L-3 2 ? *", "0 0 1W,LW * ? 2030/5",
		"0 0 ? * FRI#3 *", "0 0 29 2 *", "0 0 30 2 *", "0 25 * * *", "every day", "0 0 2 * * *", "0 15 10 ? * 6L 2002-2005",
		"cron(0 2 * * ? *)", "rate(1 hour)", "TZ=UTC 0 2 * * *", "02:30", "0 2 * * 5-7", "0 2 */2 * *", "0 2 * * FRI-MON/2", "? ? ? ? ? ?",
		"\xff * * * *", "0 0 31 4 *", "@every 1h",
	} {
		f.Add(expr)
	}
	at := time.Date(2026, 11, 20, 12, 34, 56, 789, time.UTC)
	f.Fuzz(func(t *testing.T, expr string) {
		loc, err := time.LoadLocation("America/New_York")
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseCron(expr, loc)
		if err != nil {
			refusal(t, expr, err)
			return
		}
		again, err := ParseCron(s.String()[:len(s.String())-len(" "+loc.String())], loc)
		if err != nil || again.String() != s.String() {
			t.Fatalf("ParseCron of the canonical text %q of %q: got %q, %v", s, expr, again, err)
		}
		next, ok := s.Next(at)
		other, otherOK := again.Next(at)
		if next != other || ok != otherOK {
			t.Fatalf("Next of %q and of its canonical text %q: %v %v and %v %v", expr, s, next, ok, other, otherOK)
		}
		if !ok {
			return
		}
		if !next.After(at) || next.Nanosecond() != 0 || next.Location() != time.UTC {
			t.Fatalf("Next(%v) of %q: got %v", at, expr, next)
		}
		if newest, ok := s.Newest(next, time.Second); !ok || newest != next {
			t.Fatalf("Newest of %q at its slot %v: got %v %v", expr, next, newest, ok)
		}
		if newest, ok := s.Newest(next.Add(-1), next.Sub(at)-1); ok {
			t.Fatalf("Newest of %q between %v and its next slot %v: got %v", expr, at, next, newest)
		}
		if got := slices.Collect(s.Slots(at, next)); len(got) != 1 || got[0] != next {
			t.Fatalf("Slots of %q between %v and its next slot %v: got %v", expr, at, next, got)
		}
		if s.Period() < 0 {
			t.Fatalf("Period of %q: got %v", expr, s.Period())
		}
	})
}

func FuzzParseEvery(f *testing.F) {
	for _, text := range []string{"1h", "1d", "366d", "59s", "1m30s", "2w", "hourly", "1 hour", "-1h", "99999999999d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseEvery(text)
		if err != nil {
			refusal(t, text, err)
			return
		}
		at := time.Date(2026, 11, 20, 12, 34, 56, 789, time.UTC)
		next, ok := s.Next(at)
		newest, newestOK := s.Newest(at, s.Period())
		if !ok || !newestOK || next.Sub(newest) != s.Period() || newest.After(at) || !next.After(at) {
			t.Fatalf("%s: Newest(%v) %v %v, Next %v %v; want one period apart around it", s, at, newest, newestOK, next, ok)
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, text := range []string{"90s", "15m", "6h", "30d", "2w", "1h30m", "30", "1.5h", "1M", "0s", "1w2d3h4m5s", "106752d", "30m1h", "\xffd"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			refusal(t, text, err)
			return
		}
		short := FormatDuration(d)
		again, err := ParseDuration(short)
		if d <= 0 || err != nil || again != d {
			t.Fatalf("ParseDuration(%q): got %d; its text %q reads back as %d, %v", text, d, short, again, err)
		}
	})
}
