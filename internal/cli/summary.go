package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

// shownSkips is how many skipped actions, and how many of each kind of failure, a summary lists.
const shownSkips = 5

// applyView is what apply came to, in JSON.
type applyView struct {
	Plan     plan.Plan      `json:"plan"` // as it was carried out
	Runs     []runView      `json:"runs"`
	Actions  []actionView   `json:"actions"`
	Dropped  []plan.Action  `json:"dropped,omitempty"` // of the plan file: not wanted any more
	Findings []plan.Finding `json:"findings,omitempty"`
	Problems []string       `json:"problems,omitempty"`
	Declined bool           `json:"declined,omitempty"`
}

// applied shows what apply came to, tells people, and gives the exit code.
func (s *shell) applied(ctx context.Context, w *session, sum app.Summary, began time.Time) error {
	rows, err := rowsOf(ctx, w.store, sum.Runs)
	if err != nil {
		return err
	}
	s.tellNow(ctx, w)
	if s.json() {
		v := applyView{Plan: sum.First, Runs: []runView{}, Actions: []actionView{}, Dropped: sum.Dropped, Findings: sum.Last.Findings, Problems: texts(sum.Problems), Declined: sum.Declined}
		for _, r := range sum.Runs {
			v.Runs = append(v.Runs, viewRun(r))
		}
		for _, r := range rows {
			v.Actions = append(v.Actions, viewAction(r))
		}
		if err := s.printJSON(v); err != nil {
			return err
		}
	} else {
		out := s.page()
		out.showSummary(sum, rows, time.Since(began), s.quiet)
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return code(applyExit(sum, rows))
}

func rowsOf(ctx context.Context, st store.Actions, runs []store.Run) ([]store.ActionRow, error) {
	var out []store.ActionRow
	for _, r := range runs {
		rows, err := st.Actions(ctx, store.ActionFilter{Run: r.ID})
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

// applyExit is the exit code of apply.
func applyExit(sum app.Summary, rows []store.ActionRow) int {
	if sum.Declined {
		return exitFailed
	}
	n := map[store.ActionState]int{}
	for _, r := range rows {
		n[r.State]++
	}
	switch {
	case n[store.ActionFailed] > 0 && n[store.ActionDone] == 0:
		return exitFailed
	case n[store.ActionFailed] > 0, n[store.ActionCancelled] > 0, len(sum.Problems) > 0, grave(sum.Last.Findings) > 0:
		return exitPartly
	}
	return exitDone
}

func (p *page) showSummary(sum app.Summary, rows []store.ActionRow, took time.Duration, quiet bool) {
	p.showProblems(sum.Problems)
	if sum.Declined {
		p.line("Nothing was done.")
		return
	}
	if n := len(sum.Dropped); n > 0 {
		p.line("%s of the plan file %s not wanted any more, or not allowed any more:", count(n, "action", "actions"), word(n, "is", "are"))
		for i, a := range sum.Dropped {
			if i == shownSkips {
				p.line("  %s", p.dim("… and "+thousands(n-i)+" more"))
				break
			}
			p.line("  %s %s %s", p.dim("·"), deed(a.Verb), subject(a))
		}
		p.line("")
	}
	p.showRows(rows)
	if len(rows) > 0 || len(sum.Dropped) > 0 {
		p.showFindings(sum.Last.Findings)
	}
	if len(rows) == 0 {
		switch {
		case len(sum.Dropped) > 0:
			p.line("Nothing of the plan file was left to do.")
		case len(sum.First.Actions) == 0 && quiet, len(sum.First.Actions) > 0:
			p.line("Nothing was to be done.")
		case len(sum.First.Actions) == 0:
			p.showPlan(sum.Last, false)
		}
		return
	}
	p.line("%s %s", p.tallyRows(rows), p.dim("in "+span(took)))
	if !sum.Last.Next.IsZero() {
		p.line("%s %s (%s)", p.dim("The next slot is"), p.time(sum.Last.Next), ago(p.now, sum.Last.Next))
	}
}

func word(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// tallyRows is what happened in one line.
func (p *page) tallyRows(rows []store.ActionRow) string {
	var made, deleted, tagged, skipped, failed, cancelled, open int
	for _, r := range rows {
		switch {
		case r.State == store.ActionFailed:
			failed++
		case r.State == store.ActionSkipped:
			skipped++
		case r.State == store.ActionCancelled:
			cancelled++
		case !r.State.Ended():
			open++
		case r.Verb.Creates():
			made += max(len(r.Made), 1)
		case r.Verb.Deletes():
			deleted++
		default:
			tagged++
		}
	}
	var parts []string
	add := func(n int, w string, paint func(string) string) {
		if n > 0 {
			parts = append(parts, paint(thousands(n)+" "+w))
		}
	}
	add(made, "made", p.green)
	add(tagged, "tagged", p.green)
	add(deleted, "deleted", p.green)
	add(skipped, "skipped", p.yellow)
	add(cancelled, "cancelled", p.yellow)
	add(failed, "failed", p.red)
	add(open, "open", p.cyan)
	mark := p.green("✓")
	if failed > 0 {
		mark = p.red("✗")
	}
	return mark + " " + strings.Join(parts, ", ")
}

// showRows lists what was skipped and what failed, by reason, with what to do.
func (p *page) showRows(rows []store.ActionRow) {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b store.ActionRow) int { return cmp.Or(a.Place.Compare(b.Place), cmp.Compare(a.Label, b.Label)) })
	type key struct{ verb, class, code, account string }
	groups := map[key][]store.ActionRow{}
	var order []key
	var skipped []store.ActionRow
	for _, r := range rows {
		switch r.State {
		case store.ActionSkipped, store.ActionCancelled:
			skipped = append(skipped, r)
		case store.ActionFailed:
			k := key{r.Verb.String(), r.Class, r.Code, r.Place.Account}
			if _, ok := groups[k]; !ok {
				order = append(order, k)
			}
			groups[k] = append(groups[k], r)
		}
	}
	for i, r := range skipped {
		if i == shownSkips {
			p.line("%s", p.dim("· … and "+thousands(len(skipped)-i)+" more were skipped"))
			break
		}
		p.wrap(p.yellow("· "), "  ", fmt.Sprintf("%s: %s %s: %s", r.State, deed(r.Verb), subject(r.Action), r.Problem))
	}
	slices.SortStableFunc(order, func(a, b key) int { return cmp.Compare(len(groups[b]), len(groups[a])) })
	for _, k := range order {
		list := groups[k]
		first := list[0]
		if len(list) == 1 {
			p.wrap(p.red("✗ "), "  ", fmt.Sprintf("failed: %s %s: %s", deed(first.Verb), subject(first.Action), first.Problem))
		} else {
			var names []string
			for _, r := range list[:min(len(list), shownSkips)] {
				names = append(names, cmp.Or(r.Label, r.Target.ID))
			}
			more := ""
			if len(list) > len(names) {
				more = " and " + thousands(len(list)-len(names)) + " more"
			}
			p.wrap(p.red("✗ "), "  ", fmt.Sprintf("failed: %s %s in %s: %s%s", deeds(first.Verb), plural(first.Verb, len(list)), k.account, strings.Join(names, ", "), more))
			p.wrap("  ", "  ", first.Problem)
		}
		p.wrap("  → ", "    ", p.cyan(remedy(k.class)))
	}
	if len(skipped)+len(order) > 0 {
		p.line("")
	}
}
