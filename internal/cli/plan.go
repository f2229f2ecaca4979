package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/policy"
)

type planFlags struct {
	policies     []string
	out          string
	verbose      bool
	allowDeletes int
}

func (s *shell) planCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Look at the clouds and say what would be done now, and why",
		Long: `Plan looks at every account that the policies reach and says what would be done now: each action with its reason,
what follows from it, what is left alone and why, and what is wrong that no action repairs. It changes nothing.

Exit codes: 0 nothing to do; 4 changes pending; 3 nothing that could be done, but something could not be seen or is
not protected; 2 bad usage or policies; 1 the plan could not be made.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.plan(cmd.Context(), f) },
	}
	cmd.Flags().StringArrayVar(&f.policies, "policy", nil, "plan this `POLICY` only (repeatable)")
	cmd.Flags().StringVar(&f.out, "out", "", "write the plan to `FILE`, for `stint apply FILE`")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "show every action and everything that is left alone")
	cmd.Flags().IntVar(&f.allowDeletes, "allow-deletes", 0, "let each policy delete up to `N` backups, whatever its limits say")
	return cmd
}

// planView is a plan in JSON with what stood in its way.
type planView struct {
	plan.Plan
	Problems []string `json:"problems,omitempty"` // accounts that could not be reached
}

func (s *shell) plan(ctx context.Context, f planFlags) error {
	rules, files, err := s.rules()
	if err != nil {
		return err
	}
	names, err := policyNames(rules, f.policies)
	if err != nil {
		return err
	}
	m, err := s.openStore(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := keepRules(ctx, m, files); err != nil {
		return err
	}
	show := s.watch()
	w, err := s.session(ctx, m, sessionOptions{rules: rules, observe: show.event})
	if err != nil {
		return err
	}
	defer w.close()
	p, problems, err := w.Plan(ctx, names, app.PlanOptions{AllowDeletes: f.allowDeletes})
	show.stop()
	if err != nil {
		return err
	}
	if f.out != "" {
		if err := writePlan(f.out, p); err != nil {
			return err
		}
	}
	if s.json() {
		if err := s.printJSON(planView{p, texts(problems)}); err != nil {
			return err
		}
		return code(planExit(p, len(problems)))
	}
	out := s.page()
	out.showProblems(problems)
	out.showPlan(p, f.verbose)
	if f.out != "" {
		out.line("%s %s", out.dim("Written to "+f.out+". Do exactly this with:"), "stint apply "+f.out)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return code(planExit(p, len(problems)))
}

// policyNames checks the names of --policy; nil is all.
func policyNames(rules policy.Rules, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var all []string
	for _, p := range rules.Policies {
		all = append(all, p.Name)
	}
	var unknown []string
	for _, n := range names {
		if !slices.Contains(all, n) {
			unknown = append(unknown, n)
		}
	}
	if len(unknown) > 0 {
		return nil, usage("no policy is called %s: there are %s", strings.Join(unknown, ", "), strings.Join(all, ", "))
	}
	return names, nil
}

func texts(errs []error) []string {
	var out []string
	for _, e := range errs {
		out = append(out, e.Error())
	}
	return out
}

func (p *page) showProblems(problems []error) {
	for _, e := range problems {
		p.wrap(p.red("✗ "), "  ", fmt.Sprintf("%v", e))
	}
	if len(problems) > 0 {
		p.line("")
	}
}
