package cli

import (
	"fmt"
	"slices"

	"github.com/stint-cloud/stint/internal/forecast"
)

// showChange tells what a change of the policies does.
func (p *page) showChange(c forecast.Change, was, will forecast.Forecast) {
	p.showTrips(c.Breakers)
	p.wrap("", "", p.changeline(c))
	p.line("")
	top := max(was.Total.Peak.Backups, will.Total.Peak.Backups)
	p.line("%s", p.dim("as it is"))
	p.chart(was.Days, chartHeight/2, top)
	p.line("%s", p.dim("with the change"))
	p.chart(will.Days, chartHeight/2, top)
	p.line("")
	p.showShifts(c)
	p.changed("Would go within a day, and would stay otherwise", c.Deletes, "would go anyway")
	p.changed("Wanted to go within a day: the breaker alone keeps them", c.Stops, "would go anyway")
	p.changed("Would stay, and goes within a day otherwise", c.Spares, "goes later")
	if n := c.Later.Deletes; n > 0 {
		p.line("Until %s %s of today go that would stay otherwise.", dayOf(c.Until.Add(-1)), count(n, "backup", "backups"))
	}
	if n := c.Later.Spares; n > 0 {
		p.line("Until %s %s of today stay that would go otherwise.", dayOf(c.Until.Add(-1)), count(n, "backup", "backups"))
	}
	if c.Later.Deletes+c.Later.Spares > 0 {
		p.line("")
	}
	for _, x := range will.Policies {
		if x.Unknown && x.Name != "" && slices.ContainsFunc(was.Policies, func(o forecast.Policy) bool { return o.Name == x.Name && !o.Unknown }) {
			p.wrap(p.yellow("! "), "  ", fmt.Sprintf("the policy %s is not in the changed files: its %s stay for ever, and nothing new is made by it", x.Name, count(x.Now.Backups, "backup", "backups")))
		}
	}
	p.showFindings(will.Findings)
	p.showCaveats(will)
}

// changeline is the change in one sentence.
func (p *page) changeline(c forecast.Change) string {
	n, stops := len(c.Deletes), len(c.Stops)
	switch {
	case n > 0 && stops > 0:
		return p.red(p.bold(fmt.Sprintf("By tomorrow the change would delete %s that would stay otherwise, and the breaker alone keeps it from deleting %s more.", count(n, "backup", "backups"), thousands(stops))))
	case n > 0:
		return p.red(p.bold(fmt.Sprintf("By tomorrow the change would delete %s that would stay otherwise.", count(n, "backup", "backups"))))
	case stops > 0:
		return p.red(p.bold(fmt.Sprintf("By tomorrow the change would want to delete %s that would stay otherwise, and only the breaker keeps it from that.", count(stops, "backup", "backups"))))
	}
	text := p.green("By tomorrow the change would delete nothing that would stay otherwise.")
	if n := len(c.Spares); n > 0 {
		text += fmt.Sprintf(" It keeps %s that would go.", count(n, "backup", "backups"))
	}
	return text
}

func (p *page) showShifts(c forecast.Change) {
	row := func(name string, s forecast.Shift) []string {
		return []string{
			name, thousands(s.Now.Backups), thousands(s.PeakBefore.Backups) + " → " + thousands(s.PeakAfter.Backups),
			thousands(s.EndBefore.Backups) + " → " + thousands(s.EndAfter.Backups), bulk(s.EndBefore.Bytes) + " → " + bulk(s.EndAfter.Bytes),
			monies(s.EndBefore.PerMonth) + " → " + monies(s.EndAfter.PerMonth),
		}
	}
	var rows [][]string
	for _, s := range c.Places {
		rows = append(rows, row(s.Place.String(), s))
	}
	if len(c.Places) > 1 {
		rows = append(rows, row("all", c.Total))
	}
	if len(rows) == 0 {
		return
	}
	p.table([]string{"PLACE", "NOW", "PEAK", "END", "SIZE AT THE END", "UP TO A MONTH"}, rows)
	p.line("")
}

// changed lists backups whose fate changes.
func (p *page) changed(title string, list []forecast.Changed, otherwise string) {
	if len(list) == 0 {
		return
	}
	p.line("%s", p.bold(fmt.Sprintf("%s: %s", title, thousands(len(list)))))
	p.deletions(list, otherwise)
}
