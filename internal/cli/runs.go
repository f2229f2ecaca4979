package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/run"
	"github.com/stint-cloud/stint/internal/store"
)

// lookedAtRuns is how far back a shortened id is looked for.
const lookedAtRuns = 10_000

func (s *shell) runsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List, show and cancel runs: what was carried out, and what came of it",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var policyName string
	var limit int
	list := &cobra.Command{
		Use:   "list",
		Short: "List runs, the newest first",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return s.listRuns(cmd.Context(), policyName, limit) },
	}
	list.Flags().StringVar(&policyName, "policy", "", "of this `POLICY` only")
	list.Flags().IntVar(&limit, "limit", 30, "at most `N`")
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Show one run with every action: state, reason, answer, times",
		Long:  `Show shows a run. Its ID may be shortened as long as it is the only one that begins so; "last" is the newest run.`,
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return s.showRun(cmd.Context(), args[0]) },
	}
	cancel := &cobra.Command{
		Use:   "cancel ID",
		Short: "Stop a run: what has not begun will not begin; what has begun is finished",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return s.cancelRun(cmd.Context(), args[0]) },
	}
	cmd.AddCommand(list, show, cancel)
	return cmd
}

func (s *shell) listRuns(ctx context.Context, policyName string, limit int) error {
	m, err := s.openExisting(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	runs, err := m.Runs(ctx, policyName, limit)
	if err != nil {
		return err
	}
	if s.json() {
		out := make([]runView, 0, len(runs))
		for _, r := range runs {
			out = append(out, viewRun(r))
		}
		return s.printJSON(out)
	}
	out := s.page()
	if len(runs) == 0 {
		out.line("No run is known.")
		return out.Flush()
	}
	var rows [][]string
	for _, r := range runs {
		rows = append(rows, []string{r.ID, ago(out.now, r.StartedAt), cmp.Or(r.Policy, out.dim("–")), triggerText(r), out.runWord(r.State), countsText(r)})
	}
	out.table([]string{"RUN", "BEGAN", "POLICY", "FOR", "STATE", "ACTIONS"}, rows)
	return out.Flush()
}

// triggerText says why a run was begun, and by whom.
func triggerText(r store.Run) string {
	if r.By == "" || r.By == r.Trigger {
		return r.Trigger
	}
	return r.Trigger + " by " + r.By
}

// countsText says how many actions are in which state.
func countsText(r store.Run) string {
	var parts []string
	for _, st := range []store.ActionState{store.ActionDone, store.ActionFailed, store.ActionSkipped, store.ActionCancelled, store.ActionPlanned, store.ActionCalling, store.ActionUnclear} {
		if n := r.Counts[st]; n > 0 {
			parts = append(parts, thousands(n)+" "+string(st))
		}
	}
	return strings.Join(parts, ", ")
}

// findRun gives the run whose id begins as given.
func findRun(ctx context.Context, st store.Actions, id string) (store.Run, error) {
	if r, err := st.Run(ctx, id); err == nil || !errors.Is(err, store.ErrNotFound) {
		return r, err
	}
	runs, err := st.Runs(ctx, "", lookedAtRuns)
	if err != nil {
		return store.Run{}, err
	}
	var found []store.Run
	for i, r := range runs {
		if id == "last" && i == 0 || id != "" && strings.HasPrefix(r.ID, id) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return store.Run{}, fmt.Errorf("no run %q is known: `stint runs list` shows them", id)
	case 1:
		return found[0], nil
	}
	return store.Run{}, fmt.Errorf("%q is the beginning of %d runs: give more of it", id, len(found))
}

type runDetail struct {
	runView
	List []actionView `json:"list"`
}

func (s *shell) showRun(ctx context.Context, id string) error {
	m, err := s.openExisting(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	r, err := findRun(ctx, m, id)
	if err != nil {
		return err
	}
	rows, err := m.Actions(ctx, store.ActionFilter{Run: r.ID})
	if err != nil {
		return err
	}
	if s.json() {
		v := runDetail{runView: viewRun(r), List: []actionView{}}
		for _, row := range rows {
			v.List = append(v.List, viewAction(row))
		}
		return s.printJSON(v)
	}
	out := s.page()
	out.showRun(r, rows)
	return out.Flush()
}

func (p *page) showRun(r store.Run, rows []store.ActionRow) {
	p.line("%s  %s", p.bold("run "+r.ID), p.runWord(r.State))
	for _, x := range [][2]string{{"policy", r.Policy}, {"for", triggerText(r)}, {"began", p.time(r.StartedAt)}} {
		if x[1] != "" {
			p.line("  %s %s", p.dim(fmt.Sprintf("%-7s", x[0])), x[1])
		}
	}
	switch {
	case !r.EndedAt.IsZero():
		p.line("  %s %s%s", p.dim("ended  "), p.time(r.EndedAt), after(r.EndedAt.Sub(r.StartedAt)))
	case r.Cancel:
		p.line("  %s", p.yellow("it was asked to stop"))
	}
	for _, row := range rows {
		p.line("")
		p.wrap(fmt.Sprintf("  %s ", p.sign(row.Verb)), "      ", fmt.Sprintf("%s %s  %s", deed(row.Verb), p.bold(subject(row.Action)), p.stateWord(row.State)))
		p.wrap("      ", "      ", p.dim("because "+row.Reason))
		if row.Problem != "" {
			text := row.Problem
			if row.Class != "" {
				text = row.Class + ": " + text
			}
			p.wrap("      ", "      ", p.yellow(text))
		}
		for _, ref := range row.Made {
			p.line("      made %s %s", ref.Kind, p.bold(ref.ID))
		}
		when := "in " + row.Place.String()
		switch {
		case !row.EndedAt.IsZero() && !row.StartedAt.IsZero():
			when += ", called " + p.time(row.StartedAt) + after(row.EndedAt.Sub(row.StartedAt))
		case !row.EndedAt.IsZero():
			when += ", ended " + p.time(row.EndedAt)
		case !row.NextAt.IsZero():
			when += ", next step " + ago(p.now, row.NextAt)
		}
		if row.Attempts > 1 {
			when += fmt.Sprintf(", %d attempts", row.Attempts)
		}
		p.wrap("      ", "      ", p.dim(when+"  "+row.ID))
	}
}

// after says how long something took, unless it was over at once.
func after(d time.Duration) string {
	if d < time.Second {
		return ""
	}
	return ", over after " + span(d)
}

func (s *shell) cancelRun(ctx context.Context, id string) error {
	m, err := s.openExisting(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	r, err := findRun(ctx, m, id)
	if err != nil {
		return err
	}
	rules, err := s.findRules(ctx, m)
	if err != nil {
		return err
	}
	if r, err = run.Cancel(ctx, m, r.ID, now(), s.userName(), "asked for by hand"); err != nil {
		return err
	}
	show := s.watch()
	w, err := s.session(ctx, m, sessionOptions{rules: rules, observe: show.event})
	if err != nil {
		return err
	}
	defer w.close()
	stop := w.work(ctx)
	r, err = w.WaitRun(ctx, r.ID)
	show.stop()
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	if s.json() {
		return s.printJSON(viewRun(r))
	}
	s.say("Run %s has ended: %s (%s).", r.ID, r.State, countsText(r))
	return nil
}
