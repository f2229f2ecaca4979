package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
)

// shownStatus is how many instances status lists of each kind that needs no care, unless it is asked for all.
const shownStatus = 40

// shownFree is how many of those that no policy selects are named.
const shownFree = 8

func (s *shell) statusCommand() *cobra.Command {
	var wide bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "What is protected, what is not, what failed, what is next",
		Long: `Status says from memory, without calling a cloud, how well each instance is protected by each policy that selects
it, how old its newest good backup is, and what is wrong. It uses the policies of -f, else those that the database was
last used with.

  protected    the newest complete backup is as young as the schedule promises
  late         there is one, but it is older than the schedule promises
  waiting      the instance is too new to have had a slot
  unprotected  no complete backup, or no policy selects the instance
  unknown      it could not be seen

Exit code 3 when something is late or unprotected although a policy selects it, or an incident is open.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.status(cmd.Context(), wide) },
	}
	cmd.Flags().BoolVarP(&wide, "wide", "w", false, "list every instance, with ids and the reason")
	return cmd
}

type statusView struct {
	At        time.Time          `json:"at"`
	OK        bool               `json:"ok"`
	Counts    map[app.Cover]int  `json:"counts"`
	Free      int                `json:"without-policy"` // instances that no policy selects; they are among the unprotected
	Instances []app.Protection   `json:"instances"`
	Policies  []app.PolicyStatus `json:"policies"`
	Incidents []incidentView     `json:"incidents"`
	Surveys   []surveyView       `json:"surveys"`
	Active    []runView          `json:"active-runs"`
}

func (s *shell) status(ctx context.Context, wide bool) error {
	m, err := s.openExisting(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	rules, err := s.findRules(ctx, m)
	if err != nil {
		return err
	}
	a := app.New(app.Options{Rules: rules, Store: m})
	st, err := a.Status(ctx, now())
	if err != nil {
		return err
	}
	ok := statusOK(st)
	if s.json() {
		err = s.printJSON(viewStatus(st, ok))
	} else {
		out := s.page()
		out.showStatus(st, wide)
		err = out.Flush()
	}
	if err != nil {
		return err
	}
	if !ok {
		return code(exitPartly)
	}
	return nil
}

// statusOK says whether nothing needs care. Instances without any policy do not count: nobody said that they matter.
func statusOK(st app.Status) bool {
	uncovered := slices.ContainsFunc(st.Protected, func(p app.Protection) bool {
		return p.Policy != "" && (bad(p.Cover) || slices.ContainsFunc(p.Copies, func(c app.CopyCover) bool { return bad(c.Cover) }))
	})
	return !uncovered && len(st.Incidents) == 0
}

// bad says whether a cover needs care.
func bad(c app.Cover) bool {
	return c == app.CoverLate || c == app.CoverNone || c == app.CoverUnknown
}

func viewStatus(st app.Status, ok bool) statusView {
	v := statusView{
		At: st.At, OK: ok, Counts: st.Counts, Instances: st.Protected, Policies: st.Policies,
		Incidents: []incidentView{}, Surveys: []surveyView{}, Active: []runView{},
	}
	if v.Instances == nil {
		v.Instances = []app.Protection{}
	}
	if v.Policies == nil {
		v.Policies = []app.PolicyStatus{}
	}
	for _, p := range st.Protected {
		if p.Policy == "" {
			v.Free++
		}
	}
	for _, in := range st.Incidents {
		v.Incidents = append(v.Incidents, viewIncident(in))
	}
	for _, x := range st.Surveys {
		v.Surveys = append(v.Surveys, viewSurvey(x))
	}
	for _, r := range st.Active {
		v.Active = append(v.Active, viewRun(r))
	}
	return v
}

// coverOrder is worst first: what needs care is read first.
func coverOrder() []app.Cover {
	return []app.Cover{app.CoverNone, app.CoverLate, app.CoverUnknown, app.CoverWaiting, app.CoverGood}
}

func (t terminal) cover(c app.Cover) string {
	switch c {
	case app.CoverGood:
		return t.green(string(c))
	case app.CoverWaiting:
		return t.cyan(string(c))
	case app.CoverLate:
		return t.yellow(string(c))
	}
	return t.red(string(c))
}

func (p *page) showStatus(st app.Status, wide bool) {
	p.showCounts(st)
	p.showPolicies(st)
	p.showInstances(st, wide)
	if n := len(st.Active); n > 0 {
		p.line("")
		p.line("%s", p.bold("At work"))
		for _, r := range st.Active {
			p.line("  run %s  %s  %s", r.ID, cmp.Or(r.Policy, r.Trigger), p.dim("since "+p.time(r.StartedAt)))
		}
	}
	p.showLooks(st)
	p.line("")
	if len(st.Incidents) == 0 {
		p.line("%s", p.green("No incident is open."))
		return
	}
	p.line("%s", p.bold(count(len(st.Incidents), "incident is open", "incidents are open")))
	for _, in := range st.Incidents {
		p.wrap(p.red("✗ "), "  ", in.Title)
		p.line("  %s", p.dim(fmt.Sprintf("since %s (%s), seen %s", p.time(in.OpenedAt), ago(st.At, in.OpenedAt), times(in.Count))))
	}
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return thousands(n) + " times"
}

func (p *page) showCounts(st app.Status) {
	free := 0
	for _, x := range st.Protected {
		if x.Policy == "" {
			free++
		}
	}
	var parts []string
	for i := len(coverOrder()) - 1; i >= 0; i-- {
		c := coverOrder()[i]
		n := st.Counts[c]
		if c == app.CoverNone {
			n -= free
		}
		if n > 0 {
			parts = append(parts, thousands(n)+" "+p.cover(c))
		}
	}
	if free > 0 {
		parts = append(parts, thousands(free)+" "+p.dim("without a policy"))
	}
	if len(parts) == 0 {
		parts = append(parts, "No instance is known. `stint plan` looks for them.")
	}
	p.wrap("", "", strings.Join(parts, "  ·  "))
}

func (p *page) showPolicies(st app.Status) {
	if len(st.Policies) == 0 {
		p.line("%s", p.dim("No policies are known to this database: name them with -f."))
		return
	}
	p.line("")
	var rows [][]string
	for _, x := range st.Policies {
		next := "never"
		switch {
		case x.Disabled:
			next = p.yellow("disabled")
		case !x.Next.IsZero():
			next = p.time(x.Next) + p.dim("  "+ago(st.At, x.Next))
		}
		rows = append(rows, []string{p.bold(x.Name), thousands(x.Instances), thousands(x.Backups), next})
	}
	p.table([]string{"POLICY", "INSTANCES", "BACKUPS", "NEXT SLOT"}, rows)
}

func (p *page) showInstances(st app.Status, wide bool) {
	if len(st.Protected) == 0 {
		return
	}
	p.line("")
	head := []string{"INSTANCE", "PLACE", "POLICY", "STATE", "NEWEST", "BACKUPS"}
	if wide {
		head = append(head, "ID", "WHY")
	}
	var rows [][]string
	hidden := 0
	for _, c := range coverOrder() {
		n := 0
		for _, x := range st.Protected {
			if x.Cover != c || x.Policy == "" {
				continue
			}
			if n++; n > shownStatus && !wide {
				hidden++
				continue
			}
			rows = append(rows, p.instance(st, x, wide)...)
		}
	}
	if len(rows) > 0 {
		p.table(head, rows)
	}
	if hidden > 0 {
		p.line("%s", p.dim("… and "+count(hidden, "more line", "more lines")+" (--wide shows all)"))
	}
	p.showFree(st, wide)
}

// showFree names the instances that no policy selects.
func (p *page) showFree(st app.Status, wide bool) {
	var names []string
	for _, x := range st.Protected {
		if x.Policy == "" {
			names = append(names, fmt.Sprintf("%s (%s)", cmp.Or(x.Name, x.Instance.ID), x.Place))
		}
	}
	if len(names) == 0 {
		return
	}
	more := ""
	if !wide && len(names) > shownFree {
		more = " and " + thousands(len(names)-shownFree) + " more (--wide shows all)"
		names = names[:shownFree]
	}
	p.line("")
	p.wrap(p.dim("no policy selects "), "  ", strings.Join(names, ", ")+more)
}

// instance is a line for the instance, and one for each place that its backups are copied to.
func (p *page) instance(st app.Status, x app.Protection, wide bool) [][]string {
	line := func(name, place, policy string, c app.Cover, newest time.Time, backups, held, pending int, id, why string) []string {
		age := p.dim("–")
		if !newest.IsZero() {
			age = ago(st.At, newest)
		}
		text := thousands(backups)
		if held > 0 {
			text += fmt.Sprintf(", %d held", held)
		}
		if pending > 0 {
			text += fmt.Sprintf(", %d in the making", pending)
		}
		row := []string{name, place, policy, p.cover(c), age, text}
		if wide {
			row = append(row, id, why)
		}
		return row
	}
	rows := [][]string{line(cmp.Or(x.Name, x.Instance.ID), x.Place.String(), x.Policy, x.Cover, x.Newest, x.Backups, x.Held, x.Pending, x.Instance.ID, x.Why)}
	for _, c := range x.Copies {
		rows = append(rows, line(p.dim("  copies"), c.Place.String(), x.Policy, c.Cover, c.Newest, c.Backups, c.Held, c.Pending, "", c.Why))
	}
	return rows
}

// showLooks says what could not be seen.
func (p *page) showLooks(st app.Status) {
	byWhy := map[string][]cloud.Scope{}
	var order []string
	for _, x := range st.Surveys {
		if x.Look.Problem == "" {
			continue
		}
		if _, ok := byWhy[x.Look.Problem]; !ok {
			order = append(order, x.Look.Problem)
		}
		byWhy[x.Look.Problem] = append(byWhy[x.Look.Problem], x.Scope)
	}
	if len(order) == 0 {
		return
	}
	p.line("")
	p.line("%s", p.bold("Could not be seen"))
	for _, why := range order {
		names := make([]string, 0, len(byWhy[why]))
		for _, sc := range byWhy[why] {
			names = append(names, sc.String())
		}
		p.wrap(p.red("✗ "), "  ", strings.Join(names, ", ")+": "+why)
	}
}
