package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/config"
	"github.com/stint-cloud/stint/internal/policy"
)

// nextSlots is how many slots of each policy check prints.
const nextSlots = 3

func (s *shell) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [PATH…]",
		Short: "Read policies and settings, and say all that is wrong at once",
		Long: `Check reads the policy files (those named, those of -f, else stint.yaml or policies/) and the secrets that
they refer to, and says everything that is wrong at once, each as file:line:column. It calls no cloud.
Exit code 2 when something is wrong. Warnings do not fail.`,
		RunE: func(_ *cobra.Command, args []string) error {
			return s.check(append(slices.Clone(s.files), args...))
		},
	}
}

// slotView is one policy with its next slots, as check prints it in JSON.
type slotView struct {
	Policy   string      `json:"policy"`
	Disabled bool        `json:"disabled,omitempty"`
	Schedule string      `json:"schedule"`
	Next     []time.Time `json:"next"`
}

type checkView struct {
	OK         bool               `json:"ok"`
	Files      []string           `json:"files"`
	Accounts   int                `json:"accounts"`
	Complaints []policy.Complaint `json:"complaints"`
	Settings   []string           `json:"settings,omitempty"` // what is wrong outside the files
	Policies   []slotView         `json:"policies"`
}

func (s *shell) check(named []string) error {
	files, err := s.policyFiles(named)
	if err != nil {
		return err
	}
	rules, complaints := policy.Parse(files)
	view := checkView{Accounts: len(rules.Accounts), Complaints: complaints, Policies: []slotView{}}
	if complaints == nil {
		view.Complaints = []policy.Complaint{}
	}
	for _, f := range files {
		view.Files = append(view.Files, f.Name)
	}
	view.Settings = s.checkSecrets(rules)
	view.OK = !policy.Refused(complaints) && len(view.Settings) == 0
	for _, p := range rules.Policies {
		view.Policies = append(view.Policies, slots(p, now()))
	}
	if s.json() {
		if err := s.printJSON(view); err != nil {
			return err
		}
	} else if err := s.showCheck(files, rules, view); err != nil {
		return err
	}
	if !view.OK {
		return code(exitUsage)
	}
	return nil
}

func slots(p policy.Policy, from time.Time) slotView {
	v := slotView{Policy: p.Name, Disabled: p.Disabled, Next: []time.Time{}}
	if p.Backup == nil {
		return v
	}
	v.Schedule = p.Backup.When.String()
	at := from
	for range nextSlots {
		next, ok := p.Backup.When.Next(at)
		if !ok {
			break
		}
		v.Next = append(v.Next, next.UTC())
		at = next
	}
	return v
}

// checkSecrets resolves every reference once, so that a missing one is found now and not at two in the morning.
func (s *shell) checkSecrets(rules policy.Rules) []string {
	var wrong []string
	look := func(where string, ref policy.SecretRef) {
		if _, err := config.Resolve(string(ref), s.system()); err != nil {
			wrong = append(wrong, where+": "+err.Error())
		}
	}
	for _, a := range rules.Accounts {
		look("account "+a.Name+", access-key", a.Credentials.AccessKey)
		look("account "+a.Name+", secret-key", a.Credentials.SecretKey)
		look("account "+a.Name+", token", a.Credentials.Token)
	}
	for _, n := range rules.Notify {
		if n.SMTP != nil {
			look("notify "+n.Name+", password", n.SMTP.Password)
		}
		if n.Webhook != nil {
			look("notify "+n.Name+", secret", n.Webhook.Secret)
		}
	}
	return wrong
}

func (s *shell) showCheck(files []policy.File, rules policy.Rules, view checkView) error {
	p := s.page()
	s.showComplaints(p, files, view.Complaints)
	for _, w := range view.Settings {
		p.wrap(p.red("✗ "), "  ", w)
	}
	if !view.OK {
		n := len(view.Settings)
		for _, c := range view.Complaints {
			if !c.Warning {
				n++
			}
		}
		p.line("%s", p.red(count(n, "thing is wrong", "things are wrong")+"."))
		return p.Flush()
	}
	p.line("%s  %s, %s, %s", p.green("✓ All is right."), count(len(files), "file", "files"),
		count(len(rules.Accounts), "account", "accounts"), count(len(rules.Policies), "policy", "policies"))
	for _, v := range view.Policies {
		pol, _ := rules.FindPolicy(v.Policy)
		p.line("")
		title := p.bold(v.Policy)
		if v.Disabled {
			title += p.yellow("  disabled: it neither creates nor deletes")
		}
		p.line("%s", title)
		if pol.Backup == nil {
			continue
		}
		b := pol.Backup
		p.line("  %s of %s, %s", b.Method, cmp.Or(selectText(b.Select), "nothing"), v.Schedule)
		p.line("  keeps %s", b.Keep)
		for _, c := range b.Copies {
			p.line("  copies to %s, which keeps %s", c.To, c.Keep)
		}
		for i, at := range v.Next {
			word := "next"
			if i > 0 {
				word = "then"
			}
			p.line("  %s  %s%s", p.dim(word), slotWords(at, b.Zone), p.dim("  "+ago(p.now, at)))
		}
		if len(v.Next) == 0 {
			p.line("  %s", p.yellow("has no further slot"))
		}
	}
	return p.Flush()
}

// slotWords writes a slot in the zone of its schedule: Sat 2026-11-21 02:00 Asia/Shanghai.
func slotWords(at time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	layout := "Mon 2006-01-02 15:04"
	if at.Second() != 0 {
		layout += ":05"
	}
	return at.In(zone).Format(layout) + " " + zone.String()
}

// selectText says whom a selector covers: "instances with tag backup=yes in account web".
func selectText(sel policy.Select) string {
	var with []string
	if len(sel.IDs) > 0 {
		with = append(with, "id "+strings.Join(sel.IDs, " or "))
	}
	for _, t := range sel.Tags {
		if len(t.Values) == 0 {
			with = append(with, "tag "+t.Key)
			continue
		}
		with = append(with, "tag "+t.Key+"="+strings.Join(t.Values, "|"))
	}
	out := ""
	if len(with) > 0 {
		out += " with " + strings.Join(with, " and ")
	}
	if len(sel.Accounts) > 0 {
		out += " in account " + strings.Join(sel.Accounts, ", ")
	}
	if len(sel.Regions) > 0 {
		out += " in region " + strings.Join(sel.Regions, ", ")
	}
	if out == "" {
		return ""
	}
	return "instances" + out
}

// showComplaints writes each complaint, and on a terminal the line with a mark under the place.
func (s *shell) showComplaints(w io.Writer, files []policy.File, complaints []policy.Complaint) {
	t := s.terminal(w)
	if p, ok := w.(*page); ok {
		t = p.terminal
	}
	for _, c := range complaints {
		mark := t.red("✗ ")
		if c.Warning {
			mark = t.yellow("! ")
		}
		line := c.String()
		if t.live && t.width > 20 {
			line = strings.ReplaceAll(text.WrapSoft(line, t.width-2), "\n", "\n  ")
		}
		fmt.Fprintf(w, "%s%s\n", mark, line)
		if !t.live {
			continue
		}
		if line, ok := lineOf(files, c.Pos); ok {
			before := []rune(line)
			col := min(max(c.Pos.Column-1, 0), len(before))
			pad := strings.Map(func(r rune) rune {
				if r == '\t' {
					return r
				}
				return ' '
			}, string(before[:col]))
			fmt.Fprintf(w, "%s\n%s\n", t.dim(fmt.Sprintf("%6d │ ", c.Pos.Line))+line, t.dim("       │ ")+pad+t.cyan("^"))
		}
	}
}

// lineOf gives the line that a position points at, when it can be shown.
func lineOf(files []policy.File, pos policy.Position) (string, bool) {
	i := slices.IndexFunc(files, func(f policy.File) bool { return f.Name == pos.File })
	if i < 0 || pos.Line < 1 {
		return "", false
	}
	lines := strings.Split(string(files[i].Data), "\n")
	if pos.Line > len(lines) {
		return "", false
	}
	line := strings.TrimRight(lines[pos.Line-1], "\r")
	return line, utf8.ValidString(line) && len(line) < 200
}
