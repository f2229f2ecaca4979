package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

// usableEvery is how often a restored instance or disk is looked at until it can be used.
const usableEvery = 2 * time.Second

// errand is one thing that a person asks to be done to one backup.
type errand struct {
	trigger string
	id      string
	place   string // where; empty: everywhere, or where it is clear
	one     bool   // it is to be one place that is said, or clear
	yes     bool   // do not ask; what does no harm never asks
	dry     bool
	ask     string // the question; empty: not asked
	// actions decides, from the backup as a fresh look shows it.
	actions func(ctx context.Context, w *session, b inventory.Backup) ([]plan.Action, error)
	nothing string // what to say when there is nothing to do
	wait    bool   // until what was made can be used
}

func (s *shell) holdCommand() *cobra.Command {
	var reason, place string
	cmd := &cobra.Command{
		Use:   "hold ID --reason TEXT",
		Short: "Keep a backup whatever the rules say, until it is released",
		Long: `Hold puts the tag stint:hold with your name and the reason on every part of the backup. While it is there, nothing
deletes the backup. Anyone may put the tag there in the cloud's own console, with the same effect. Where the backup was
copied, its copies are held too; --place holds it in one place alone.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" {
				return usage("say why with --reason: whoever finds the hold later wants to know")
			}
			return s.run(cmd.Context(), errand{trigger: "hold", id: args[0], place: place, actions: func(_ context.Context, _ *session, b inventory.Backup) ([]plan.Action, error) {
				return app.HoldActions(now(), b, s.userName(), reason), nil
			}})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why: kept with the hold")
	cmd.Flags().StringVar(&place, "place", "", "in this `ACCOUNT/REGION` only")
	return cmd
}

func (s *shell) releaseCommand() *cobra.Command {
	var place string
	cmd := &cobra.Command{
		Use:   "release ID",
		Short: "Undo a hold: the rules decide again",
		Long: `Release takes the tag stint:hold off, and puts back those tags whose removal or change holds the backup, in each
place where it is. A lock of the cloud's own stays; lift it in the cloud.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.run(cmd.Context(), errand{
				trigger: "release", id: args[0], place: place, nothing: "The backup is not held.",
				actions: func(_ context.Context, _ *session, b inventory.Backup) ([]plan.Action, error) {
					if b.Hold == "" {
						return nil, nil
					}
					acts := app.ReleaseActions(now(), b, b.Policy)
					if len(acts) == 0 {
						return nil, fmt.Errorf("backup %s is %s: that can only be undone in the cloud", b.ID, b.Hold)
					}
					return acts, nil
				},
			})
		},
	}
	cmd.Flags().StringVar(&place, "place", "", "in this `ACCOUNT/REGION` only")
	return cmd
}

func (s *shell) deleteCommand() *cobra.Command {
	var yes, newest bool
	var place string
	cmd := &cobra.Command{
		Use:   "delete ID",
		Short: "Delete one backup",
		Long: `Delete deletes a backup: its image first, then its snapshots. One that is held is not deleted; release it first. The
newest complete backup of an instance in a place is deleted only with --newest-too. Where the backup was copied, --place
says which is meant; the others stay.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.run(cmd.Context(), errand{
				trigger: "delete", id: args[0], place: place, one: true, yes: yes, ask: "Delete this backup for good?",
				actions: func(ctx context.Context, w *session, b inventory.Backup) ([]plan.Action, error) {
					last, err := isNewest(ctx, w, b)
					if err != nil {
						return nil, err
					}
					if last && !newest {
						return nil, usage("%s is the newest complete backup of %s in %s: give --newest-too if you mean it", b.ID, b.Source, b.Place)
					}
					return app.DeleteActions(now(), b)
				},
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().StringVar(&place, "place", "", "in this `ACCOUNT/REGION`")
	cmd.Flags().BoolVar(&newest, "newest-too", false, "though it is the newest complete backup of its instance")
	return cmd
}

// isNewest says whether no complete backup of the same source in the same place is newer, or as new.
func isNewest(ctx context.Context, w *session, b inventory.Backup) (bool, error) {
	if b.Standing != inventory.Complete {
		return false, nil
	}
	list, err := w.Backups(ctx)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(list, func(o inventory.Backup) bool {
		return o.ID != b.ID && o.Source == b.Source && o.Place == b.Place && o.Standing == inventory.Complete && !o.Time.Before(b.Time)
	}), nil
}

func (s *shell) restoreCommand() *cobra.Command {
	var opt app.RestoreOptions
	var yes, dry bool
	var place string
	cmd := &cobra.Command{
		Use:   "restore ID",
		Short: "Bring a backup back, beside what is there",
		Long: `Restore makes a new instance from an image, or new disks from snapshots, beside what is there, and waits until they
can be used. What is not said is as it was at the source. Nothing is replaced and nothing is attached. Where the backup
was copied, it is restored from the original if that is there; --place restores from a copy, in the copy's place, where
neither the network nor the zone of the source is.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.run(cmd.Context(), errand{
				trigger: "restore", id: args[0], place: place, one: true, yes: yes, dry: dry, ask: "Restore this?", wait: true,
				actions: func(ctx context.Context, w *session, b inventory.Backup) ([]plan.Action, error) {
					source, err := w.Source(ctx, b)
					if err != nil {
						return nil, err
					}
					return app.RestoreActions(now(), b, source, opt)
				},
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&opt.Name, "name", "", "of the new instance or disks (default the source's name and -restored)")
	f.StringVar(&opt.Type, "type", "", "of the new instance, or of the disks")
	f.StringVar(&place, "place", "", "from the backup in this `ACCOUNT/REGION`")
	f.StringVar(&opt.Zone, "zone", "", "where in the region")
	f.StringVar(&opt.Network, "network", "", "the new instance's subnet or network")
	f.StringVar(&opt.KeyName, "key-name", "", "the key pair that may sign in")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.BoolVar(&dry, "dry-run", false, "only say what would be done")
	return cmd
}

// pick chooses of the places where a backup is those that the errand is about.
func (e errand) pick(list []inventory.Backup) ([]inventory.Backup, error) {
	if !e.one || len(list) == 1 {
		return list, nil
	}
	if e.trigger == "restore" && !list[0].Copied && list[0].Standing == inventory.Complete {
		return list[:1], nil
	}
	return nil, usage("backup %s is in %s: say which is meant with --place", list[0].ID, placesOf(list))
}

func placesOf(list []inventory.Backup) string {
	out := make([]string, len(list))
	for i, b := range list {
		out[i] = b.Place.String()
	}
	return strings.Join(out, " and ")
}

// run does an errand: it looks at the backup's places afresh, decides, asks, carries it out and waits.
func (s *shell) run(ctx context.Context, e errand) error {
	if e.ask != "" && !e.yes && !e.dry {
		if err := s.canAsk(e.trigger); err != nil {
			return err
		}
	}
	m, err := s.openExisting(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	rules, err := s.findRules(ctx, m)
	if err != nil {
		return err
	}
	show := s.watch()
	defer show.stop()
	w, err := s.session(ctx, m, sessionOptions{rules: rules, observe: show.event})
	if err != nil {
		return err
	}
	defer w.close()
	where, err := placeFlag(e.place)
	if err != nil {
		return err
	}
	list, err := w.FindBackup(ctx, e.id, where)
	if err == nil {
		list, err = e.pick(list)
	}
	if err != nil {
		return err
	}
	var actions []plan.Action
	for i, b := range list {
		if list[i], err = w.freshen(ctx, b); err != nil {
			return err
		}
		part, err := e.actions(ctx, w, list[i])
		if err != nil {
			return err
		}
		actions = append(actions, part...)
	}
	show.stop()
	if len(actions) == 0 {
		s.say("%s", e.nothing)
		return nil
	}
	p := plan.Plan{Format: planFormat, MadeAt: now(), Actions: actions}
	if e.dry && s.json() {
		return s.printJSON(p)
	}
	if !s.json() && (e.dry || e.ask != "" && !e.yes) {
		out := s.page()
		out.showPlan(p, false)
		if err := out.Flush(); err != nil || e.dry {
			return err
		}
		if ok, err := s.ask(ctx, e.ask); err != nil || !ok {
			s.say("Nothing was done.")
			return errors.Join(err, code(exitFailed))
		}
	}
	return w.errand(ctx, e, list, actions, show)
}

// freshen looks at the backup's place, and gives the backup as it is now.
func (w *session) freshen(ctx context.Context, b inventory.Backup) (inventory.Backup, error) {
	scopes := []cloud.Scope{
		{Account: b.Place.Account, Region: b.Place.Region, Kind: cloud.KindSnapshot},
		{Account: b.Place.Account, Region: b.Place.Region, Kind: cloud.KindImage},
	}
	if err := w.Survey(ctx, scopes); err != nil {
		return b, err
	}
	for _, sc := range scopes {
		row, err := w.store.Survey(ctx, sc)
		if err != nil {
			return b, err
		}
		if row.Look.Problem != "" {
			return b, fmt.Errorf("%s could not be seen, so nothing is done: %s", sc, row.Look.Problem)
		}
	}
	list, err := w.FindBackup(ctx, b.ID, b.Place)
	if err != nil {
		return b, err
	}
	return list[0], nil
}

// errand carries the actions out and shows what came of it.
func (w *session) errand(ctx context.Context, e errand, list []inventory.Backup, actions []plan.Action, show *watch) error {
	s := w.shell
	stop := w.work(ctx)
	r, err := w.Do(ctx, now(), e.trigger, actions)
	if err == nil {
		r, err = w.WaitRun(ctx, r.ID)
	}
	var rows []store.ActionRow
	if err == nil {
		rows, err = rowsOf(ctx, w.store, []store.Run{r})
	}
	if err == nil && e.wait {
		err = w.usable(ctx, rows)
	}
	show.stop()
	if err = errors.Join(err, stop()); err != nil {
		return err
	}
	for _, b := range list {
		if _, err := w.freshen(ctx, b); err != nil && e.trigger != "delete" { // a deleted backup is not found any more
			return err
		}
	}
	show.stop()
	sum := app.Summary{Runs: []store.Run{r}}
	if s.json() {
		v := applyView{Plan: plan.Plan{Format: planFormat, Actions: actions}, Runs: []runView{viewRun(r)}, Actions: []actionView{}}
		for _, row := range rows {
			v.Actions = append(v.Actions, viewAction(row))
		}
		if err := s.printJSON(v); err != nil {
			return err
		}
		return code(handExit(sum, rows))
	}
	out := s.page()
	out.showRows(rows)
	exit := handExit(sum, rows)
	if exit == exitDone {
		out.line("%s %s", out.green("✓"), e.done(list))
	}
	for _, row := range rows {
		for _, ref := range row.Made {
			out.line("  %s  %s", ref.Kind, out.bold(ref.ID))
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return code(exit)
}

// handExit is the exit code of what a person asked for: what was skipped was not done, whatever the reason.
func handExit(sum app.Summary, rows []store.ActionRow) int {
	skipped, done := 0, 0
	for _, r := range rows {
		switch r.State {
		case store.ActionSkipped:
			skipped++
		case store.ActionDone:
			done++
		}
	}
	switch exit := applyExit(sum, rows); {
	case exit != exitDone || skipped == 0:
		return exit
	case done == 0:
		return exitFailed
	}
	return exitPartly
}

func (e errand) done(list []inventory.Backup) string {
	what := "Backup " + list[0].ID
	if len(list) > 1 || list[0].Copied {
		what += " in " + placesOf(list)
	}
	switch e.trigger {
	case "hold":
		return what + " is held: nothing deletes it until it is released."
	case "release":
		return what + " is released: the rules decide again."
	case "delete":
		return what + " is deleted."
	}
	return what + " is restored, and can be used:"
}

// usable waits until what was made can be used.
func (w *session) usable(ctx context.Context, rows []store.ActionRow) error {
	for _, row := range rows {
		for _, ref := range row.Made {
			for {
				ready, err := w.ready(ctx, ref)
				if err != nil {
					return err
				}
				if ready {
					break
				}
				select {
				case <-ctx.Done():
					return fmt.Errorf("%s %s is being made; it was not waited for to the end: %w", ref.Kind, ref.ID, ctx.Err())
				case <-time.After(usableEvery):
				}
			}
		}
	}
	return nil
}

func (w *session) ready(ctx context.Context, ref cloud.Ref) (bool, error) {
	client, err := w.Client(ref.Account)
	if err != nil {
		return false, err
	}
	q := cloud.Query{Region: ref.Region, IDs: []string{ref.ID}}
	if ref.Kind == cloud.KindInstance {
		for i, err := range client.Instances(ctx, q) {
			switch {
			case err != nil:
				return false, err
			case i.Power == cloud.PowerFailed || i.Power == cloud.PowerGone:
				return false, fmt.Errorf("instance %s was made, and is %s: look at it in the cloud's console", ref.ID, i.Power)
			case i.Power == cloud.PowerRunning:
				return true, nil
			}
		}
		return false, nil
	}
	for d, err := range client.Disks(ctx, q) {
		switch {
		case err != nil:
			return false, err
		case d.State == cloud.StateFailed:
			return false, fmt.Errorf("disk %s was made, and has failed: look at it in the cloud's console", ref.ID)
		case d.State == cloud.StateReady:
			return true, nil
		}
	}
	return false, nil
}
