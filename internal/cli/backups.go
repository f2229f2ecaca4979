package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/store"
)

// shownBackups is how many backups list shows unless it is asked for all.
const shownBackups = 50

func (s *shell) backupsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backups",
		Short: "List, show, hold, release, delete and restore backups",
		Long: `Backups are shown from memory, as the last look saw them. An ID may be shortened as long as it is the only one that
begins so; the cloud's own id of an image or a snapshot does as well.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(s.backupsListCommand(), s.backupsShowCommand(), s.holdCommand(), s.releaseCommand(), s.deleteCommand(), s.restoreCommand())
	return cmd
}

type backupFilter struct {
	instance, policy, place string
	held, all               bool
}

func (f backupFilter) matches(b inventory.Backup, label string) bool {
	id := b.Source[strings.LastIndexByte(b.Source, '/')+1:]
	switch {
	case f.instance != "" && f.instance != id && f.instance != label && f.instance != b.Source,
		f.policy != "" && f.policy != b.Policy,
		f.place != "" && f.place != b.Place.String(),
		f.held && b.Hold == "":
		return false
	}
	return true
}

func (s *shell) backupsListCommand() *cobra.Command {
	var f backupFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List backups, the newest first",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return s.listBackups(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.instance, "instance", "", "of this `INSTANCE` only: its name or id")
	cmd.Flags().StringVar(&f.policy, "policy", "", "of this `POLICY` only")
	cmd.Flags().StringVar(&f.place, "place", "", "in this `ACCOUNT/REGION` only")
	cmd.Flags().BoolVar(&f.held, "held", false, "those that are held only")
	cmd.Flags().BoolVar(&f.all, "all", false, fmt.Sprintf("all of them, not the newest %d", shownBackups))
	return cmd
}

// reader is an app that only looks into the database.
type reader struct {
	*app.App
	store *memory
}

// look opens the database for looking.
func (s *shell) look(ctx context.Context) (*reader, error) {
	m, err := s.openExisting(ctx)
	if err != nil {
		return nil, err
	}
	rules, err := s.findRules(ctx, m)
	if err != nil {
		m.Close()
		return nil, err
	}
	return &reader{App: app.New(app.Options{Rules: rules, Store: m}), store: m}, nil
}

// labels gives the names of instances by their source.
func labels(ctx context.Context, st store.Surveys) (map[string]string, error) {
	rows, err := st.Surveys(ctx)
	if err != nil {
		return nil, err
	}
	var scopes []cloud.Scope
	for _, r := range rows {
		if r.Scope.Kind == cloud.KindInstance {
			scopes = append(scopes, r.Scope)
		}
	}
	out := map[string]string{}
	if len(scopes) == 0 {
		return out, nil
	}
	world, err := st.World(ctx, scopes)
	if err != nil {
		return nil, err
	}
	for i := range world.Instances {
		out[world.Instances[i].Ref.Source()] = world.Instances[i].Name
	}
	return out, nil
}

func (s *shell) listBackups(ctx context.Context, f backupFilter) error {
	r, err := s.look(ctx)
	if err != nil {
		return err
	}
	defer r.store.Close()
	list, err := r.Backups(ctx)
	if err != nil {
		return err
	}
	names, err := labels(ctx, r.store)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(b inventory.Backup) bool { return !f.matches(b, names[b.Source]) })
	if s.json() {
		out := make([]backupView, 0, len(list))
		for _, b := range list {
			v := viewBackup(b)
			v.Label = names[b.Source]
			out = append(out, v)
		}
		return s.printJSON(out)
	}
	out := s.page()
	out.showBackups(list, names, f)
	return out.Flush()
}

func (t terminal) standing(b inventory.Backup) string {
	switch b.Standing {
	case inventory.Complete:
		switch {
		case b.Hold != "":
			return t.cyan("held")
		case b.Copied:
			return t.green(b.Standing.String() + " copy")
		}
		return t.green(b.Standing.String())
	case inventory.Pending:
		return t.yellow("in the making")
	}
	return t.red(b.Standing.String())
}

func (p *page) showBackups(list []inventory.Backup, names map[string]string, f backupFilter) {
	if len(list) == 0 {
		p.line("No backup is known that fits. `stint plan` looks again.")
		return
	}
	shown := list
	if !f.all && len(shown) > shownBackups {
		shown = shown[:shownBackups]
	}
	head := []string{"ID", "INSTANCE", "PLACE", "POLICY", "MADE", "STATE"}
	var rows [][]string
	for _, b := range shown {
		rows = append(rows, []string{
			b.ID, cmp.Or(names[b.Source], b.Source[strings.LastIndexByte(b.Source, '/')+1:]), b.Place.String(), cmp.Or(b.Policy, p.dim("none")),
			ago(p.now, b.Time), p.standing(b),
		})
	}
	p.table(head, rows)
	if n := len(list) - len(shown); n > 0 {
		p.line("%s", p.dim("… and "+thousands(n)+" older (--all shows all)"))
	}
}

func (s *shell) backupsShowCommand() *cobra.Command {
	var place string
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one backup with its parts, in each place where it is",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			r, err := s.look(ctx)
			if err != nil {
				return err
			}
			defer r.store.Close()
			where, err := placeFlag(place)
			if err != nil {
				return err
			}
			list, err := r.FindBackup(ctx, args[0], where)
			if err != nil {
				return err
			}
			names, err := labels(ctx, r.store)
			if err != nil {
				return err
			}
			if s.json() {
				v := viewBackup(list[0])
				v.Label = names[v.Source]
				for _, b := range list[1:] {
					v.Copies = append(v.Copies, viewBackup(b))
				}
				return s.printJSON(v)
			}
			out := s.page()
			for i, b := range list {
				if i > 0 {
					out.line("")
				}
				out.showBackup(b, names[b.Source])
			}
			return out.Flush()
		},
	}
	cmd.Flags().StringVar(&place, "place", "", "in this `ACCOUNT/REGION` only")
	return cmd
}

// placeFlag reads ACCOUNT/REGION; zero when it was not given.
func placeFlag(text string) (cloud.Place, error) {
	account, region, ok := strings.Cut(text, "/")
	if text != "" && (!ok || account == "" || region == "") {
		return cloud.Place{}, usage("%q is no place: it is an account, a slash and a region", text)
	}
	return cloud.Place{Account: account, Region: region}, nil
}

func (p *page) showBackup(b inventory.Backup, label string) {
	v := viewBackup(b)
	source := b.Source
	if label != "" {
		source = label + "  " + p.dim(b.Source)
	}
	row := func(name, value string) {
		if value != "" {
			p.wrap(fmt.Sprintf("%s ", p.dim(fmt.Sprintf("%-9s", name))), "          ", value)
		}
	}
	row("backup", p.bold(b.ID))
	row("of", source)
	row("in", b.Place.String())
	row("by", cmp.Or(b.Policy, "no policy: its tag was taken off"))
	row("slot", b.Slot)
	if b.Copied {
		row("copied", fmt.Sprintf("%s (%s)", p.time(b.Begun()), ago(p.now, b.Begun())))
	} else {
		row("made", fmt.Sprintf("%s (%s)", p.time(b.Time), ago(p.now, b.Time)))
	}
	state := p.standing(b)
	if b.Detail != "" {
		state += ": " + b.Detail
	}
	row("state", state)
	row("hold", b.Hold)
	p.line("")
	var rows [][]string
	for _, part := range v.Parts {
		rows = append(rows, []string{part.Ref.Kind.String(), part.Ref.ID, part.State.String(), bytesText(part.Size), part.Name})
	}
	p.table([]string{"PART", "ID", "STATE", "SIZE", "NAME"}, rows)
}

// bytesText writes a size for people.
func bytesText(n int64) string {
	switch {
	case n == 0:
		return "–"
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 1<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}
