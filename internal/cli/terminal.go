package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// terminal is how to write for the reader of one stream.
type terminal struct {
	live  bool // a person looks at it
	width int  // columns; 0: do not cut
	color bool
	zone  *time.Location
}

// terminal finds out about a stream.
func (s *shell) terminal(w io.Writer) terminal {
	t := terminal{zone: time.Local}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		t.live = s.Env("TERM") != "dumb"
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			t.width = width
		}
	}
	switch s.color {
	case "always":
		t.color = true
	case "auto", "":
		t.color = t.live && s.Env("NO_COLOR") == ""
	}
	if !t.live {
		if n, err := strconv.Atoi(s.Env("COLUMNS")); err == nil && n >= 40 {
			t.width = n
		}
	}
	return t
}

// page gathers a text before it is written, so that an answer comes whole.
type page struct {
	terminal
	*bufio.Writer
	now time.Time
}

func (s *shell) page() *page {
	return &page{terminal: s.terminal(s.Out), Writer: bufio.NewWriter(s.Out), now: now()}
}

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(p, format+"\n", args...) // a bufio.Writer keeps its error until Flush
}

func (t terminal) paint(code, s string) string {
	if !t.color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t terminal) bold(s string) string   { return t.paint("1", s) }
func (t terminal) dim(s string) string    { return t.paint("2", s) }
func (t terminal) red(s string) string    { return t.paint("31", s) }
func (t terminal) green(s string) string  { return t.paint("32", s) }
func (t terminal) yellow(s string) string { return t.paint("33", s) }
func (t terminal) cyan(s string) string   { return t.paint("36", s) }

// time writes an instant in the reader's zone, with the offset.
func (t terminal) time(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	at = at.In(t.zone)
	if _, offset := at.Zone(); offset == 0 {
		return at.Format("2006-01-02 15:04") + " UTC"
	}
	return at.Format("2006-01-02 15:04 -07:00")
}

// ago writes how long something is past or ahead, roughly.
func ago(now, at time.Time) string {
	d := now.Sub(at)
	switch {
	case d < -30*time.Second:
		return "in " + span(-d)
	case d < time.Second:
		return "now"
	}
	return span(d) + " ago"
}

// span writes a duration with the precision that people want: seconds for seconds, days and hours for days.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.Itoa(int(d.Milliseconds())) + " ms"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		h, m := int(d.Hours()), int(d.Minutes())%60
		if m == 0 || h >= 3 {
			return strconv.Itoa(h) + " h"
		}
		return fmt.Sprintf("%d h %d min", h, m)
	}
	days, h := int(d.Hours())/24, int(d.Hours())%24
	if h == 0 || days >= 10 {
		return strconv.Itoa(days) + " days"
	}
	return fmt.Sprintf("%d days %d h", days, h)
}

// count writes a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// thousands writes a number so that it can be read: 12,345.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// table prints rows in columns that line up, within the reader's width; the last column gives way first.
func (p *page) table(head []string, rows [][]string) {
	w := table.NewWriter()
	style := table.StyleDefault
	style.Box = table.BoxStyle{PaddingRight: "  ", MiddleVertical: " "}
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format = table.FormatOptions{Header: text.FormatDefault, Row: text.FormatDefault}
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	cells := func(in []string, paint func(string) string) table.Row {
		out := make(table.Row, len(in))
		for i, c := range in {
			out[i] = paint(c)
		}
		return out
	}
	w.AppendHeader(cells(head, p.dim))
	for _, r := range rows {
		w.AppendRow(cells(r, func(s string) string { return s }))
	}
	if last := p.room(head, rows); last > 0 {
		w.SetColumnConfigs([]table.ColumnConfig{{Number: len(head), WidthMax: last, WidthMaxEnforcer: text.WrapSoft}})
	}
	p.line("%s", w.Render())
}

// room is how wide the last column may be; 0: as wide as it likes.
func (p *page) room(head []string, rows [][]string) int {
	if p.width == 0 || len(head) < 2 {
		return 0
	}
	used := 0
	for i := range head[:len(head)-1] {
		widest := text.StringWidthWithoutEscSequences(head[i])
		for _, r := range rows {
			widest = max(widest, text.StringWidthWithoutEscSequences(r[i]))
		}
		used += widest + 2
	}
	return max(p.width-used-2, 12)
}

// wrap writes a text behind an indent, broken at blanks when the reader's width is known.
func (p *page) wrap(first, rest, s string) {
	width := p.width - text.StringWidthWithoutEscSequences(first)
	if p.width == 0 || width < 20 {
		p.line("%s%s", first, s)
		return
	}
	for i, l := range strings.Split(text.WrapSoft(s, width), "\n") {
		if i > 0 {
			first = rest
		}
		p.line("%s%s", first, strings.TrimRight(l, " "))
	}
}
