package cli

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/forecast"
)

// The picture's measures.
const (
	svgWidth, svgHeight   = 960, 540
	svgLeft, svgRight     = 72, 216 // beside the areas: the axis, and the legend
	svgTop, svgBottom     = 96, 64
	svgAreas              = 8 // more policies than this share the last colour
	svgLegendStep         = 40
	plotWidth, plotHeight = svgWidth - svgLeft - svgRight, svgHeight - svgTop - svgBottom
)

// band is one area of the picture.
type band struct {
	name   string
	values []int // by day
	end    int
}

// drawSVG draws what will exist as areas that stand on each other, one for each policy, or for each place when there is
// one policy alone. It needs nothing beside itself, follows the reader's light or dark, and says what it shows in words.
func drawSVG(f forecast.Forecast) string {
	bands, by := bandsOf(f)
	top := ceiling(mostOf(bands, len(f.Days)))
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	title := fmt.Sprintf("Backups until %s", dayOf(f.Until.Add(-1)))
	write(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="t d">`, svgWidth, svgHeight, svgWidth, svgHeight)
	write(`<title id="t">%s</title>`, escaped(title))
	write(`<desc id="d">%s</desc>`, escaped(described(f, bands, by)))
	b.WriteString(svgStyle())
	write(`<rect class="paper" width="%d" height="%d"/>`, svgWidth, svgHeight)
	write(`<text class="title" x="%d" y="40">%s</text>`, svgLeft, escaped(title))
	write(`<text class="sub" x="%d" y="64">%s</text>`, svgLeft, escaped(subtitle(f)))
	y := func(v int) float64 { return svgTop + plotHeight*(1-float64(v)/float64(top)) }
	x := func(day int) float64 { return svgLeft + plotWidth*float64(day)/float64(max(len(f.Days)-1, 1)) }
	for i := range 5 {
		v := top * i / 4
		write(`<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, svgLeft, svgLeft+plotWidth, y(v), y(v))
		write(`<text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`, svgLeft-10, y(v)+4, thousands(v))
	}
	for _, d := range svgDays(f.Days) {
		write(`<line class="mark" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x(d), x(d), svgTop+plotHeight, svgTop+plotHeight+5)
		write(`<text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`, x(d), svgTop+plotHeight+22, shortDay(f.Days[d].Date, d == 0))
	}
	write(`<text class="axis" x="%d" y="%d">backups at the end of each day (UTC), by %s</text>`, svgLeft, svgTop-12, by)
	below := make([]int, len(f.Days))
	for i, s := range bands {
		var up, down []string
		for d := range f.Days {
			down = append(down, fmt.Sprintf("%.1f,%.1f", x(d), y(below[d])))
			below[d] += s.values[d]
			up = append(up, fmt.Sprintf("%.1f,%.1f", x(d), y(below[d])))
		}
		slices.Reverse(down)
		write(`<path class="area a%d" d="M%s L%s Z"><title>%s</title></path>`, i, strings.Join(up, " "), strings.Join(down, " "), escaped(s.name))
		write(`<polyline class="edge l%d" points="%s"/>`, i, strings.Join(up, " "))
	}
	write(`<line class="base" x1="%d" x2="%d" y1="%d" y2="%d"/>`, svgLeft, svgLeft+plotWidth, svgTop+plotHeight, svgTop+plotHeight)
	for i, s := range slices.Backward(bands) { // in the order in which they stand
		at := svgTop + 8 + (len(bands)-1-i)*svgLegendStep
		write(`<rect class="a%d" x="%d" y="%d" width="12" height="12" rx="2"/>`, i, svgLeft+plotWidth+24, at)
		write(`<text class="name" x="%d" y="%d">%s</text>`, svgLeft+plotWidth+44, at+11, escaped(clipped(s.name, 22)))
		write(`<text class="tick" x="%d" y="%d">%s → %s</text>`, svgLeft+plotWidth+44, at+27, thousands(first(s.values)), thousands(s.end))
	}
	write(`<text class="tick" x="%d" y="%d">%s</text>`, svgLeft, svgHeight-14, escaped(footnote(f)))
	b.WriteString("</svg>\n")
	return b.String()
}

// The colours of the areas, told apart by people who do not see all colours, on paper and in the dark.
var (
	onPaper = [svgAreas]string{"#2f6fde", "#e0922f", "#2f9e77", "#c2476d", "#7a5bd0", "#3aa3c4", "#8f7a2e", "#7d8590"}
	inDark  = [svgAreas]string{"#6ea1ff", "#f0b45f", "#58c79d", "#ee7f9f", "#a78bf0", "#6cc9e6", "#c4ad58", "#9aa5b1"}
)

// svgStyle says how the picture looks. It uses no variables, which not every reader of SVG knows.
func svgStyle() string {
	var b strings.Builder
	b.WriteString(`<style>
text { font-family: system-ui, -apple-system, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "DejaVu Sans", sans-serif }
.title { font-size: 22px; font-weight: 600 } .sub { font-size: 14px } .name { font-size: 13px } .tick, .axis { font-size: 12px }
.area { fill-opacity: .82 } .edge { fill: none; stroke-width: 1.5; stroke-linejoin: round }
`)
	look := func(paper, ink, soft, grid string, colours [svgAreas]string) {
		fmt.Fprintf(&b, ".paper { fill: %s } .title, .name { fill: %s } .sub, .tick, .axis { fill: %s } .grid { stroke: %s } .base, .mark { stroke: %s }\n", paper, ink, soft, grid, soft)
		for i, c := range colours {
			fmt.Fprintf(&b, ".a%d { fill: %s } .l%d { stroke: %s }\n", i, c, i, c)
		}
	}
	look("#ffffff", "#1b1f24", "#59636e", "#e3e6ea", onPaper)
	b.WriteString("@media (prefers-color-scheme: dark) {\n")
	look("#0f1419", "#e8ecf1", "#9aa5b1", "#262d36", inDark)
	b.WriteString("}\n</style>\n")
	return b.String()
}

// bandsOf adds the rows up by policy, or by place when there is one policy alone. The largest at the end is the lowest.
func bandsOf(f forecast.Forecast) ([]band, string) {
	by, name := "policy", func(r forecast.Row) string { return cmp.Or(r.Policy, "(no policy)") }
	policies := map[string]bool{}
	for _, d := range f.Days {
		for _, r := range d.Rows {
			policies[r.Policy] = true
		}
	}
	if len(policies) < 2 {
		by, name = "place", func(r forecast.Row) string { return r.Place.String() }
	}
	index := map[string]int{}
	var out []band
	for i, d := range f.Days {
		for _, r := range d.Rows {
			n, ok := index[name(r)]
			if !ok {
				n = len(out)
				index[name(r)] = n
				out = append(out, band{name: name(r), values: make([]int, len(f.Days))})
			}
			out[n].values[i] += r.Backups
		}
	}
	for i := range out {
		out[i].end = out[i].values[len(f.Days)-1]
	}
	slices.SortStableFunc(out, func(a, b band) int { return cmp.Or(cmp.Compare(b.end, a.end), strings.Compare(a.name, b.name)) })
	if len(out) > svgAreas {
		rest := band{name: fmt.Sprintf("%d others", len(out)-svgAreas+1), values: make([]int, len(f.Days))}
		for _, s := range out[svgAreas-1:] {
			for d, v := range s.values {
				rest.values[d] += v
			}
			rest.end += s.end
		}
		out = append(out[:svgAreas-1], rest)
	}
	return out, by
}

func mostOf(bands []band, days int) int {
	most := 0
	for d := range days {
		n := 0
		for _, s := range bands {
			n += s.values[d]
		}
		most = max(most, n)
	}
	return most
}

// ceiling is a round number that four steps of the axis divide.
func ceiling(v int) int {
	if v <= 4 {
		return 4
	}
	unit := math.Pow(10, math.Floor(math.Log10(float64(v)/4)))
	for _, m := range []float64{1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10} {
		if n := int(m*unit+0.5) * 4; n >= v && float64(int(m*unit)) == m*unit {
			return n
		}
	}
	return int(10*unit) * 4
}

// svgDays are the days that are written below the axis.
func svgDays(days []forecast.Day) []int {
	n := len(days) - 1
	if n < 1 {
		return []int{0}
	}
	parts := min(n, 6)
	var out []int
	for i := range parts + 1 {
		out = append(out, i*n/parts)
	}
	return out
}

func shortDay(date string, first bool) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	if first || t.YearDay() < 45 && t.Month() == time.January {
		return t.Format("2 Jan 2006")
	}
	return t.Format("2 Jan")
}

func subtitle(f forecast.Forecast) string {
	text := fmt.Sprintf("%s today, %s in the end", amountOf(f.Total.Now), amountOf(f.Total.End))
	if len(f.Total.End.PerMonth) > 0 {
		text += ", up to " + monies(f.Total.End.PerMonth) + " a month"
	}
	return text
}

func footnote(f forecast.Forecast) string {
	text := "Forecast of " + f.From.UTC().Format("2006-01-02 15:04") + " UTC. Sizes and costs are an upper bound: snapshots are stored incrementally."
	if n := len(f.Breakers); n > 0 {
		text = fmt.Sprintf("The breaker stops %s from deleting. ", count(n, "policy", "policies")) + text
	}
	return text
}

// described is the picture in words.
func described(f forecast.Forecast, bands []band, by string) string {
	parts := []string{"Stacked areas by " + by + ". " + subtitle(f) + ". The most at one time is " + thousands(f.Total.Peak.Backups) + ", on " + dayOf(f.Total.PeakAt) + "."}
	for _, s := range bands {
		parts = append(parts, fmt.Sprintf("%s: from %s to %s.", s.name, thousands(first(s.values)), thousands(s.end)))
	}
	return strings.Join(parts, " ")
}

func first(v []int) int {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

func clipped(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
