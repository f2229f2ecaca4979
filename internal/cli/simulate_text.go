package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/forecast"
)

// How much of what goes is told one by one.
const (
	shownDeletes = 20
	shownWhys    = 6
)

// showForecast tells a forecast: what is wrong first, then the whole in a sentence, in a picture and in tables.
func (p *page) showForecast(f forecast.Forecast) {
	p.showTrips(f.Breakers)
	p.wrap("", "", p.headline(f))
	p.line("")
	p.chart(f.Days, chartHeight, f.Total.Peak.Backups)
	p.line("")
	p.showPlaces(f)
	p.showRules(f)
	p.showDeletions(f)
	p.showFindings(f.Findings)
	p.showCaveats(f)
}

// headline is the forecast in one sentence.
func (p *page) headline(f forecast.Forecast) string {
	days := len(f.Days) - 1
	t := f.Total
	if t.Now.Backups+t.Peak.Backups == 0 {
		return p.bold("There is no backup, and there will be none: no policy covers an instance.")
	}
	text := p.bold(fmt.Sprintf("In %s there will be %s", count(days, "day", "days"), amountOf(t.End)))
	text += fmt.Sprintf(" (now %s)", amountOf(t.Now))
	if len(t.End.PerMonth) > 0 {
		text += ", " + p.bold("up to "+monies(t.End.PerMonth)+" a month")
	}
	text += "."
	if t.Peak.Backups > max(t.End.Backups, t.Now.Backups) {
		text += fmt.Sprintf(" The most at one time is %s, on %s.", thousands(t.Peak.Backups), dayOf(t.PeakAt))
	}
	return text
}

// amountOf is a number of backups with their size.
func amountOf(l forecast.Level) string {
	out := count(l.Backups, "backup", "backups")
	if l.Bytes > 0 {
		out += " of " + bulk(l.Bytes)
	}
	return out
}

// bulk writes a large size with three digits that count.
func bulk(n int64) string {
	if n == 0 {
		return "–"
	}
	v := float64(n)
	for _, unit := range []string{"B", "KiB", "MiB", "GiB", "TiB"} {
		if v < 1000 {
			return digits(v) + " " + unit
		}
		v /= 1024
	}
	return digits(v) + " PiB"
}

func digits(v float64) string {
	prec := 0
	switch {
	case v < 9.995:
		prec = 2
	case v < 99.95:
		prec = 1
	}
	text := strconv.FormatFloat(v, 'f', prec, 64)
	if prec > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// monies writes amounts in several currencies.
func monies(list []forecast.Money) string {
	var out []string
	for _, m := range list {
		amount := strconv.FormatFloat(m.Amount, 'f', 2, 64)
		if m.Amount >= 100 {
			amount = thousands(int(m.Amount + 0.5))
		}
		out = append(out, amount+" "+m.Currency)
	}
	if len(out) == 0 {
		return "–"
	}
	return strings.Join(out, " + ")
}

func (p *page) showTrips(list []forecast.Trip) {
	for _, t := range list {
		until := ""
		if !t.Until.IsZero() {
			until = " until " + p.time(t.Until)
		}
		p.wrap(p.red("✗ "), "  ", fmt.Sprintf("%s: from %s%s the breaker stops it: it wants to delete %s of its %s, and %s. It deletes none until a person says `stint apply --policy %s --allow-deletes %d`.",
			p.bold(t.Policy), p.time(t.From), until, thousands(t.First), count(t.Total, "backup", "backups"), t.Why, t.Policy, t.First))
	}
	if len(list) > 0 {
		p.line("")
	}
}

func (p *page) showPlaces(f forecast.Forecast) {
	if len(f.Places) == 0 {
		return
	}
	row := func(name string, s forecast.Sum) []string {
		return []string{name, thousands(s.Now.Backups), thousands(s.Peak.Backups), dayOf(s.PeakAt), thousands(s.End.Backups), bulk(s.End.Bytes), monies(s.End.PerMonth), monies(s.Cost)}
	}
	var rows [][]string
	for _, s := range f.Places {
		rows = append(rows, row(s.Place.String(), s))
	}
	if len(f.Places) > 1 {
		rows = append(rows, row("all", f.Total))
	}
	p.table([]string{"PLACE", "NOW", "PEAK", "ON", "END", "SIZE", "UP TO A MONTH", "IN ALL"}, rows)
	p.line("")
}

func (p *page) showRules(f forecast.Forecast) {
	var rows [][]string
	for _, x := range f.Policies {
		name, keep := x.Name, "keeps "+x.Keep
		switch {
		case x.Name == "":
			name, keep = "(none)", "held: its policy's tag was taken off"
		case x.Unknown:
			keep = p.yellow("not in the files: its backups stay for ever")
		case x.Disabled:
			keep = p.yellow("disabled: it neither creates nor deletes")
		}
		rows = append(rows, []string{name, thousands(x.Instances), thousands(x.Slots), thousands(x.Now.Backups), "+" + thousands(x.Created), "-" + thousands(x.Deleted), thousands(x.End.Backups), keep})
	}
	if len(rows) == 0 {
		return
	}
	p.table([]string{"POLICY", "INSTANCES", "SLOTS", "NOW", "NEW", "GO", "END", ""}, rows)
	p.line("")
}

// showDeletions tells what of today's backups goes, one by one, and counts the rest.
func (p *page) showDeletions(f forecast.Forecast) {
	old := len(f.Deletes)
	if old > 0 {
		p.line("%s", p.bold("What goes of today's "+count(f.Total.Now.Backups, "backup", "backups")))
		list := make([]forecast.Changed, old)
		for i, d := range f.Deletes {
			list[i].Deletion = d
		}
		p.deletions(list, "")
	}
	whys := map[string]int{}
	for _, d := range f.Days {
		for _, r := range d.Rows {
			for why, n := range r.Why {
				whys[why] += n
			}
		}
	}
	for _, d := range f.Deletes {
		whys[d.Why]--
	}
	later := 0
	for _, n := range whys {
		later += n
	}
	if later > 0 {
		text := fmt.Sprintf("Of the %s made until %s, %s go again", count(f.Total.Created, "backup", "backups"), dayOf(f.Until.Add(-1)), thousands(later))
		p.wrap("", "  ", text+": "+reasonsText(whys)+".")
		p.line("")
	} else if old == 0 {
		p.line("Nothing goes until %s.", dayOf(f.Until.Add(-1)))
		p.line("")
	}
}

// reasonsText counts by reason, the most frequent first.
func reasonsText(whys map[string]int) string {
	keys := slices.Collect(maps.Keys(whys))
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(whys[b], whys[a]), strings.Compare(a, b)) })
	var out []string
	rest := 0
	for _, k := range keys {
		switch {
		case whys[k] <= 0:
		case len(out) < shownWhys:
			out = append(out, thousands(whys[k])+" "+k)
		default:
			rest += whys[k]
		}
	}
	if rest > 0 {
		out = append(out, thousands(rest)+" for other reasons")
	}
	return strings.Join(out, "; ")
}

// fate is what happens to some backups at one moment for one reason.
type fate struct {
	at, otherwise time.Time
	why           string
}

// deletions lists backups that go, those of one moment and reason together. word says what it means that they go at
// another time otherwise.
func (p *page) deletions(list []forecast.Changed, word string) {
	var order []fate
	names := map[fate][]string{}
	for _, d := range list[:min(len(list), shownDeletes)] {
		f := fate{d.At, d.Otherwise, d.Why}
		if names[f] == nil {
			order = append(order, f)
		}
		name := cmp.Or(d.Name, d.Backup)
		if of := cmp.Or(d.Label, d.Source); !strings.Contains(name, of) {
			name += " of " + of
		}
		names[f] = append(names[f], name)
	}
	for _, f := range order {
		at := "now"
		if f.at.After(p.now) {
			at = p.time(f.at)
		}
		text := p.bold(at) + "  " + f.why
		if !f.otherwise.IsZero() {
			text += fmt.Sprintf("; %s, %s", word, p.time(f.otherwise))
		}
		p.wrap("  "+p.red("- "), "    ", text)
		p.wrap("      ", "      ", strings.Join(names[f], ", "))
	}
	if more := len(list) - shownDeletes; more > 0 {
		p.line("  %s", p.dim(fmt.Sprintf("… and %s more until %s (-o json lists all)", thousands(more), p.time(list[len(list)-1].At))))
	}
	p.line("")
}

// showCaveats says what is not known, and what is taken for granted.
func (p *page) showCaveats(f forecast.Forecast) {
	if n := max(f.Total.End.Unknown, f.Total.Now.Unknown, f.Total.Peak.Unknown); n > 0 {
		p.wrap(p.yellow("! "), "  ", fmt.Sprintf("the size of up to %s is not known: they are counted, and are neither in the sizes nor in the costs", count(n, "backup", "backups")))
	}
	if len(f.Unpriced) > 0 {
		p.wrap(p.yellow("! "), "  ", fmt.Sprintf("no price for %s: what there is costs more than is said (`stint simulate prices` prints the table to fill in)", strings.Join(f.Unpriced, ", ")))
	}
	p.wrap("", "", p.dim("Taken for granted: "+strings.Join(f.Assumptions, "; ")+"."))
}
