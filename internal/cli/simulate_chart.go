package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/forecast"
)

// The size of a chart: it is no wider than the reader's terminal, and no wider than is pleasant.
const (
	chartHeight = 8
	chartWidth  = 76 // where the reader's width is not known
	chartWidest = 120
)

// eighths fill a character from below.
var eighths = []rune(" ▁▂▃▄▅▆▇█")

// chart draws the number of backups over the days: of several days that share a column, the most.
func (p *page) chart(days []forecast.Day, height, top int) {
	if len(days) == 0 || top == 0 {
		return
	}
	top = ceiling(top)
	label := max(len(thousands(top)), 6)
	room := chartWidth
	if p.width > 0 {
		room = min(p.width, chartWidest)
	}
	room = max(room-label-3, 10)
	columns, starts := chartColumns(days, room)
	for row := height - 1; row >= 0; row-- {
		text := ""
		switch {
		case row == height-1:
			text = thousands(top)
		case row == height/2-1 && height > 4:
			text = thousands(top / 2)
		}
		var bar strings.Builder
		for _, v := range columns {
			bar.WriteRune(eighths[filled(v, top, height, row)])
		}
		p.line("%s %s%s", p.dim(fmt.Sprintf("%*s", label, text)), p.dim("│"), strings.TrimRight(p.cyan(bar.String()), " "))
	}
	p.line("%s", p.dim(fmt.Sprintf("%*s └%s", label, "0", strings.Repeat("─", len(columns)))))
	p.line("%s", p.dim(strings.Repeat(" ", label+2)+chartDates(days, starts, len(columns))))
}

// chartColumns spreads the days over the columns. starts says which day each column begins with.
func chartColumns(days []forecast.Day, room int) (columns, starts []int) {
	n := min(len(days), room)
	wide := max(min(room/len(days), 6), 1)
	for c := range n {
		from, to := c*len(days)/n, (c+1)*len(days)/n
		most := 0
		for _, d := range days[from:to] {
			most = max(most, d.Backups)
		}
		for range wide {
			columns, starts = append(columns, most), append(starts, from)
		}
	}
	return columns, starts
}

// filled says how many eighths of a column's character in a row are full. What is there at all is seen.
func filled(v, top, height, row int) int {
	all := height * 8
	n := (v*all + top/2) / top
	if v > 0 && n == 0 {
		n = 1
	}
	return min(max(n-8*row, 0), 8)
}

// chartDates writes days under the columns that begin with them, as many as there is room for.
func chartDates(days []forecast.Day, starts []int, width int) string {
	line := []rune(strings.Repeat(" ", width+1))
	free := 0
	for c, d := range starts {
		if c > 0 && starts[c-1] == d || c < free {
			continue
		}
		text := days[d].Date[5:]
		if c == 0 {
			text = days[d].Date
		}
		if c+len(text) > width+1 {
			break
		}
		copy(line[c:], []rune(text))
		free = max(c+len(text)+3, c+width/5)
	}
	return strings.TrimRight(string(line), " ")
}

// dayOf writes the day of a moment.
func dayOf(at time.Time) string { return at.UTC().Format(time.DateOnly) }
