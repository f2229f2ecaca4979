package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/clouds"
	"github.com/stint-cloud/stint/internal/notice"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/policy"
)

type applyFlags struct {
	planFlags
	yes    bool
	noWait bool
}

func (s *shell) applyCommand() *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply [plan.json]",
		Short: "Plan, ask, carry it out, and wait until it is settled",
		Long: `Apply makes a plan, shows it, asks, carries it out with all that follows from it, and waits until the clouds have
finished. With a plan file (stint plan --out) it does exactly what the file says and nothing more: what is not wanted
any more is left out and said. Runs that an earlier process left open are finished first.

Exit codes: 0 done, or nothing to do; 3 partly: some failed, or something could not be seen or is not protected;
1 failed, or declined; 2 bad usage, policies or plan file.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := ""
			if len(args) == 1 {
				file = args[0]
			}
			return s.apply(cmd.Context(), f, file)
		},
	}
	cmd.Flags().StringArrayVar(&f.policies, "policy", nil, "apply this `POLICY` only (repeatable)")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&f.noWait, "no-wait", false, "end when every call is made, though the clouds are still at work")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "show every action and everything that is left alone")
	cmd.Flags().IntVar(&f.allowDeletes, "allow-deletes", 0, "let each policy delete up to `N` backups, whatever its limits say")
	return cmd
}

func (s *shell) apply(ctx context.Context, f applyFlags, file string) error {
	opt := app.ApplyOptions{AllowDeletes: f.allowDeletes, NoWait: f.noWait}
	if file != "" {
		promised, err := readPlan(file)
		if err != nil {
			return err
		}
		if len(f.policies) > 0 {
			return usage("--policy and a plan file do not go together: the file says which policies it is of")
		}
		f.policies = promised.Policies
		opt.Only = append([]plan.Action{}, promised.Actions...)
	} else if !f.yes {
		if err := s.canAsk("apply"); err != nil {
			return err
		}
	}
	rules, files, err := s.rules()
	if err != nil {
		return err
	}
	if opt.Policies, err = policyNames(rules, f.policies); err != nil {
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
	return s.carryOut(ctx, m, rules, opt, f, file)
}

func (s *shell) carryOut(ctx context.Context, m *memory, rules policy.Rules, opt app.ApplyOptions, f applyFlags, file string) error {
	show := s.watch()
	w, err := s.session(ctx, m, sessionOptions{rules: rules, observe: show.event})
	if err != nil {
		return err
	}
	defer w.close()
	began := time.Now()
	// The plan is shown whether or not somebody is asked.
	opt.Confirm = func(p plan.Plan) (bool, error) {
		show.stop()
		if s.json() {
			return true, nil
		}
		out := s.page()
		if !s.quiet || !f.yes && file == "" {
			out.showPlan(p, f.verbose)
			out.line("")
		}
		if err := out.Flush(); err != nil {
			return false, err
		}
		if f.yes || file != "" {
			return true, nil
		}
		return s.ask(ctx, "Carry this out?")
	}
	stop := w.work(ctx)
	unfollow := show.follow(ctx, m)
	unhear := context.AfterFunc(ctx, func() {
		show.stop()
		s.say("Stopping: calls that are under way are finished. Once more stops at once.")
	})
	sum, err := w.Apply(ctx, opt)
	unhear()
	unfollow()
	show.stop()
	engineErr := stop()
	if err = errors.Join(err, engineErr); err != nil {
		if ctx.Err() != nil {
			return s.interrupted(ctx, m)
		}
		return err
	}
	return s.applied(ctx, w, sum, began)
}

// interrupted says what goes on without us.
func (s *shell) interrupted(ctx context.Context, m *memory) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	active, err := m.ActiveRuns(ctx)
	if err != nil || len(active) == 0 {
		return &exit{code: exitFailed, err: errors.New("stopped; nothing was left half done")}
	}
	open := 0
	for _, r := range active {
		for state, n := range r.Counts {
			if !state.Ended() {
				open += n
			}
		}
	}
	return &exit{code: exitPartly, err: fmt.Errorf("stopped with %s open in %s: what the clouds have begun goes on there, and the next `stint apply` or `stint serve` finishes the rest; `stint runs cancel %s` gives it up",
		count(open, "action", "actions"), count(len(active), "run", "runs"), active[0].ID)}
}

// tellNow tells people what went wrong, for a program that ends.
func (s *shell) tellNow(ctx context.Context, w *session) {
	channels, err := clouds.Channels(ctx, w.rules, s.system())
	if err != nil {
		s.complain(fmt.Errorf("not everybody can be told: %w", err))
	}
	if len(channels) == 0 {
		return
	}
	teller := notice.New(w.store, channels, notice.Options{Log: w.log, Settle: notice.AtOnce})
	if _, err := teller.Tell(ctx, now()); err != nil {
		s.complain(fmt.Errorf("not everybody was told: %w", err))
	}
}

// canAsk says whether there is somebody to ask.
func (s *shell) canAsk(command string) error {
	if s.json() {
		return usage("-o json cannot ask: give --yes, or look first with `stint plan -o json`")
	}
	if f, ok := s.In.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return usage("this is not a terminal, so nobody can be asked: give --yes to %s without asking", command)
	}
	return nil
}

// ask asks a person; anything but yes is no.
func (s *shell) ask(ctx context.Context, question string) (bool, error) {
	fmt.Fprintf(s.Err, "%s [y/N] ", question)
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() { // a read from a terminal cannot be taken back: when ctx ends, the process does too
		line, err := bufio.NewReader(s.In).ReadString('\n')
		got <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(s.Err)
		return false, nil
	case a := <-got:
		if a.err != nil && !errors.Is(a.err, io.EOF) {
			return false, a.err
		}
		word := strings.ToLower(strings.TrimSpace(a.text))
		return word == "y" || word == "yes", nil
	}
}
