package cli

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/clouds"
	"github.com/stint-cloud/stint/internal/permit"
	"github.com/stint-cloud/stint/internal/policy"
)

type permissionsFlags struct {
	accounts []string
	role     string
	restore  bool
}

func (s *shell) permissionsCommand() *cobra.Command {
	var f permissionsFlags
	cmd := &cobra.Command{
		Use:   "permissions",
		Short: "Print what the accounts' credentials must be allowed, and no more",
		Long: `Permissions prints, for exactly these policies, the least that each account's credentials must be allowed, in the cloud's
own form. There are three documents for an account, for those who give each to another role: look sees, create makes
and holds backups, delete lets them go and releases them. With --role all they are one. What restores need is left out
without --restore. It calls no cloud and needs no credentials.

Lines that begin with # say what the cloud's language cannot; --quiet leaves them out, so that what is left can be
handed to the cloud as it is:

  stint permissions --account web --role all --quiet > stint-web.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return s.permissions(f) },
	}
	cmd.Flags().StringArrayVar(&f.accounts, "account", nil, "of this `ACCOUNT` only (repeatable)")
	cmd.Flags().StringVar(&f.role, "role", "", "of this `ROLE` only: look, create, delete, or all in one document")
	cmd.Flags().BoolVar(&f.restore, "restore", false, "with what restores need")
	return cmd
}

// permissionsView is one account with its documents, as permissions prints it in JSON.
type permissionsView struct {
	Account   string            `json:"account"`
	Cloud     string            `json:"cloud"`
	Documents []permit.Document `json:"documents"`
	Note      string            `json:"note,omitempty"` // why there are none
}

func (s *shell) permissions(f permissionsFlags) error {
	var opt permit.Options
	if f.role != "" {
		role, ok := permit.ParseRole(f.role)
		if !ok {
			return usage("--role %q: want look, create, delete, all", f.role)
		}
		opt.Role = role
	}
	opt.Restore = f.restore
	rules, _, err := s.rules()
	if err != nil {
		return err
	}
	for _, name := range f.accounts {
		if _, ok := rules.FindAccount(name); !ok {
			return usage("--account %q: the policies have no account of that name", name)
		}
	}
	views := []permissionsView{}
	for _, a := range rules.Accounts {
		if len(f.accounts) > 0 && !slices.Contains(f.accounts, a.Name) {
			continue
		}
		v, err := permissionsOf(rules, a, opt)
		if err != nil {
			return err
		}
		views = append(views, v)
	}
	if s.json() {
		return s.printJSON(views)
	}
	return s.showPermissions(views)
}

func permissionsOf(rules policy.Rules, a policy.Account, opt permit.Options) (permissionsView, error) {
	v := permissionsView{Account: a.Name, Cloud: a.Cloud, Documents: []permit.Document{}}
	table, ok := clouds.Permissions(a.Cloud)
	if !ok {
		v.Note = "this version writes no documents for the cloud " + a.Cloud + ": docs/guide/" + a.Cloud + ".md lists what Stint calls there"
		return v, nil
	}
	docs, err := permit.Make(rules, a, table, opt)
	if err != nil {
		return v, err
	}
	if v.Documents = append(v.Documents, docs...); len(docs) == 0 {
		v.Note = "no policy reaches this account, so nothing needs to be allowed"
	}
	return v, nil
}

func (s *shell) showPermissions(views []permissionsView) error {
	p := s.page()
	comment := func(text string) {
		if !s.quiet {
			p.line("%s", p.dim("# "+text))
		}
	}
	for i, v := range views {
		if i > 0 && !s.quiet {
			p.line("")
		}
		if v.Note != "" {
			comment("account " + v.Account + " (" + v.Cloud + "): " + v.Note)
		}
		for j, d := range v.Documents {
			if j > 0 && !s.quiet {
				p.line("")
			}
			comment("account " + v.Account + " (" + v.Cloud + "), role " + d.Role.String())
			for _, n := range d.Notes {
				comment(n)
			}
			var text bytes.Buffer
			if err := json.Indent(&text, d.Body, "", "  "); err != nil {
				return err
			}
			p.line("%s", text.String())
		}
	}
	return p.Flush()
}
