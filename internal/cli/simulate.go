package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/forecast"
	"github.com/stint-cloud/stint/internal/policy"
)

type simulateFlags struct {
	policies  []string
	days      int
	inventory string
	save      string
	diff      []string
	prices    string
	svg       string
}

func (s *shell) simulateCommand() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Say what will exist day by day, what goes when and why, and up to what it costs",
		Long: `Simulate looks at every account that the policies reach, or at an inventory that was saved, and says what will exist on
each of the coming days in each place, which backups will go when and why, when the breaker would trip, and up to what
it will cost. It changes nothing.

With --diff it answers whether a policy may be changed: it compares the policies of -f with those of --diff, and says
what the change would delete within a day that would stay otherwise.

Exit codes: 0 done; 4 with --diff: the change deletes something within a day that would stay otherwise, or the breaker
alone keeps it from that; 3 something could not be seen, so the forecast leaves it as it is; 2 bad usage, policies,
prices or inventory; 1 it could not be made.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.simulate(cmd.Context(), f) },
	}
	cmd.Flags().IntVar(&f.days, "days", 90, "look `N` days ahead, after today")
	cmd.Flags().StringArrayVar(&f.policies, "policy", nil, "look at this `POLICY` only (repeatable)")
	cmd.Flags().StringVar(&f.inventory, "inventory", "", "look at the inventory in `FILE` instead of the clouds: needs no credentials")
	cmd.Flags().StringVar(&f.save, "save", "", "write the inventory to `FILE`, for --inventory")
	cmd.Flags().StringArrayVar(&f.diff, "diff", nil, "compare with the policies at `PATH`, a file or a folder (repeatable)")
	cmd.Flags().StringVar(&f.prices, "prices", "", "take the prices in `FILE`; see `stint simulate prices`")
	cmd.Flags().StringVar(&f.svg, "svg", "", "draw the forecast into `FILE`; with --diff that of the changed policies")
	cmd.AddCommand(s.pricesCommand())
	return cmd
}

func (s *shell) pricesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "prices",
		Short: "Print the table of prices, to be edited",
		Long: `Prices prints the table of prices that simulate uses: each with where it comes from and of which day it is. Write it to
a file, make it yours, and use it with stint simulate --prices FILE.`,
		Args: cobra.NoArgs,
		RunE: func(_ *cobra.Command, _ []string) error {
			table := policy.PriceTable()
			if s.json() {
				prices, complaints := policy.ParsePrices(table)
				if policy.Refused(complaints) {
					return fmt.Errorf("the table of prices: %s", joined(complaints))
				}
				return s.printJSON(prices)
			}
			_, err := s.Out.Write(table.Data)
			return err
		},
	}
}

// simulation is what simulate works on.
type simulation struct {
	before, after policy.Rules // after: of --diff
	prices        []policy.Price
	stock         stock
	problems      []error
}

func (s *shell) simulate(ctx context.Context, f simulateFlags) error {
	switch {
	case f.days < 1 || f.days > forecast.MaxDays:
		return usage("--days %d: want 1 to %s", f.days, thousands(forecast.MaxDays))
	case f.save != "" && f.inventory != "":
		return usage("--save and --inventory do not go together: %s is saved already", f.inventory)
	}
	var in simulation
	var err error
	if in.before, _, err = s.rules(); err != nil {
		return err
	}
	all := in.before
	if len(f.diff) > 0 {
		if in.after, err = s.otherRules(f.diff); err != nil {
			return err
		}
		if all, err = bothRules(in.before, in.after); err != nil {
			return err
		}
	}
	named := policy.Rules{Policies: slices.CompactFunc(slices.Clone(all.Policies), func(a, b policy.Policy) bool { return a.Name == b.Name })}
	names, err := policyNames(named, f.policies)
	if err != nil {
		return err
	}
	if in.prices, err = s.readPrices(f.prices); err != nil {
		return err
	}
	if f.inventory != "" {
		in.stock, err = readStock(f.inventory)
	} else {
		in.stock, in.problems, err = s.lookAround(ctx, all, names)
	}
	if err != nil {
		return err
	}
	if f.save != "" {
		if err := writeStock(f.save, in.stock); err != nil {
			return err
		}
		s.say("The inventory is in %s.", f.save)
	}
	was := forecast.Make(in.input(in.before, names, f.days))
	if len(f.diff) == 0 {
		return s.showSimulation(f, in, was)
	}
	will := forecast.Make(in.input(in.after, names, f.days))
	return s.showDiff(f, in, was, will)
}

func (in simulation) input(rules policy.Rules, names []string, days int) forecast.Input {
	return forecast.Input{Now: in.stock.at, Rules: rules, Policies: names, World: &in.stock.world, Days: days, Prices: in.prices}
}

// otherRules reads the policies of --diff.
func (s *shell) otherRules(paths []string) (policy.Rules, error) {
	named := s.files
	defer func() { s.files = named }()
	s.files = paths
	r, _, err := s.rules()
	return r, err
}

// bothRules reach what either reaches. Their policies are the names and scopes of both, and are never planned.
func bothRules(a, b policy.Rules) (policy.Rules, error) {
	out := policy.Rules{Accounts: slices.Clone(a.Accounts), Policies: slices.Concat(a.Policies, b.Policies)}
	for _, acc := range b.Accounts {
		i := slices.IndexFunc(out.Accounts, func(o policy.Account) bool { return o.Name == acc.Name })
		if i < 0 {
			out.Accounts = append(out.Accounts, acc)
			continue
		}
		was := &out.Accounts[i]
		if was.Cloud != acc.Cloud || was.Endpoint != acc.Endpoint {
			return out, usage("the account %s is at %s in one set of policies and at %s in the other: a change can be compared within one account only", acc.Name, where(*was), where(acc))
		}
		if len(was.Regions) == 0 || len(acc.Regions) == 0 {
			was.Regions = nil // all that the account may use
			continue
		}
		was.Regions = slices.Concat(was.Regions, acc.Regions)
		slices.Sort(was.Regions)
		was.Regions = slices.Compact(was.Regions)
	}
	slices.SortFunc(out.Accounts, func(x, y policy.Account) int { return strings.Compare(x.Name, y.Name) })
	slices.SortStableFunc(out.Policies, func(x, y policy.Policy) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

func where(a policy.Account) string { return cmp.Or(a.Endpoint, a.Cloud) }

// readPrices reads the table of prices; without a name the one that comes with the program.
func (s *shell) readPrices(name string) ([]policy.Price, error) {
	table := policy.PriceTable()
	if name != "" {
		data, err := readPolicy(name)
		if err != nil {
			return nil, &exit{code: exitUsage, err: err}
		}
		table = policy.File{Name: name, Data: data}
	}
	prices, complaints := policy.ParsePrices(table)
	if policy.Refused(complaints) {
		if s.json() {
			return nil, usage("%s", joined(complaints))
		}
		s.showComplaints(s.Err, []policy.File{table}, complaints)
		return nil, usage("the prices are not used: see `stint simulate prices` for how a table looks")
	}
	return prices, nil
}

// simulationView is a forecast in JSON.
type simulationView struct {
	forecast.Forecast
	Problems []string `json:"problems,omitempty"` // accounts that could not be reached
}

// simulationExit is the exit code of a forecast.
func simulationExit(f forecast.Forecast, problems []error) int {
	if grave(f.Findings) > 0 || len(problems) > 0 {
		return exitPartly
	}
	return exitDone
}

func (s *shell) showSimulation(f simulateFlags, in simulation, was forecast.Forecast) error {
	if f.svg != "" {
		if err := writeWhole(f.svg, []byte(drawSVG(was)), 0o644); err != nil {
			return err
		}
		s.say("The picture is in %s.", f.svg)
	}
	if s.json() {
		if err := s.printJSON(simulationView{was, texts(in.problems)}); err != nil {
			return err
		}
		return code(simulationExit(was, in.problems))
	}
	p := s.page()
	p.now = was.From
	p.showProblems(in.problems)
	p.showForecast(was)
	if err := p.Flush(); err != nil {
		return err
	}
	return code(simulationExit(was, in.problems))
}

// diffView is a change in JSON, with both forecasts.
type diffView struct {
	forecast.Change
	Before   forecast.Forecast `json:"before"`
	After    forecast.Forecast `json:"after"`
	Problems []string          `json:"problems,omitempty"`
}

func (s *shell) showDiff(f simulateFlags, in simulation, was, will forecast.Forecast) error {
	change := forecast.Diff(was, will)
	exit := simulationExit(will, in.problems)
	if len(change.Deletes)+len(change.Stops) > 0 {
		exit = exitPending
	}
	if f.svg != "" {
		if err := writeWhole(f.svg, []byte(drawSVG(will)), 0o644); err != nil {
			return err
		}
		s.say("The picture is in %s.", f.svg)
	}
	if s.json() {
		if err := s.printJSON(diffView{change, was, will, texts(in.problems)}); err != nil {
			return err
		}
		return code(exit)
	}
	p := s.page()
	p.now = was.From
	p.showProblems(in.problems)
	p.showChange(change, was, will)
	if err := p.Flush(); err != nil {
		return err
	}
	return code(exit)
}

// writeWhole writes a file whole or not at all.
func writeWhole(path string, data []byte, mode os.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return short(err)
	}
	defer os.Remove(tmp.Name()) // fails once it is renamed
	_, err = tmp.Write(data)
	if err := errors.Join(err, tmp.Chmod(mode), tmp.Close()); err != nil {
		return short(err)
	}
	return short(os.Rename(tmp.Name(), path))
}
