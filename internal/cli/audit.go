package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/schedule"
	"github.com/stint-cloud/stint/internal/store"
)

func (s *shell) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List, verify and export the record: who decided what, and what the cloud answered",
		Long: `The record holds every decision and every call that changes something, a line each, chained by hashes: a line that was
changed, taken out, doubled, moved or cut off afterwards is found by verify.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(s.auditListCommand(), s.auditVerifyCommand(), s.auditExportCommand())
	return cmd
}

func (s *shell) auditListCommand() *cobra.Command {
	var f store.AuditFilter
	var since, until string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the record, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.Since, err = moment("since", since); err != nil {
				return err
			}
			if f.Until, err = moment("until", until); err != nil {
				return err
			}
			return s.listAudit(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&since, "since", "", "from this `TIME` on: 2026-11-21, 2026-11-21T02:00:00Z, or how long ago: 90m, 7d")
	flags.StringVar(&until, "until", "", "before this `TIME`")
	flags.StringVar(&f.Who, "who", "", "by this `NAME` only: a user, schedule, or stint for what it settled by itself")
	flags.StringVar(&f.What, "what", "", "what begins with this `WORD` only: snapshot.delete, decided, failed")
	flags.StringVar(&f.Ref, "about", "", "about what has this `TEXT` in its account/region/kind/id only")
	flags.StringVar(&f.Action, "action", "", "of this action `ID` only")
	flags.StringVar(&f.Run, "run", "", "of this run `ID` only, with the calls of its actions")
	flags.StringVar(&f.Outcome, "answer", "", "with this `ANSWER` only: ok, denied, throttled …")
	flags.Int64Var(&f.Before, "before", 0, "entries before this `ENTRY`, to go on where an earlier list ended")
	flags.IntVar(&f.Limit, "limit", 50, "at most `N`; 0 for all")
	return cmd
}

// moment reads a time, or how long ago it was; empty is none.
func moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	if d, err := schedule.ParseDuration(text); err == nil {
		return now().Add(-d), nil
	}
	return time.Time{}, usage("--%s %q: want a time (2026-11-21, 2026-11-21T02:00:00Z) or how long ago (90m, 7d)", flag, text)
}

func (s *shell) listAudit(ctx context.Context, f store.AuditFilter) error {
	m, err := s.openExisting(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	list, err := m.Audit(ctx, f)
	if err != nil {
		return err
	}
	if s.json() {
		out := make([]auditView, 0, len(list))
		for _, e := range list {
			out = append(out, viewEntry(e))
		}
		return s.printJSON(out)
	}
	out := s.page()
	if len(list) == 0 {
		out.line("The record holds nothing of the kind.")
		return out.Flush()
	}
	var rows [][]string
	for _, e := range list {
		answer := e.Outcome
		switch {
		case answer == "ok":
			answer = out.green(answer)
		case answer != "":
			answer = out.yellow(answer)
		}
		var detail []string
		for _, d := range []string{e.Detail, e.Code, e.Request} {
			if d != "" && !strings.Contains(strings.Join(detail, " "), d) {
				detail = append(detail, d)
			}
		}
		rows = append(rows, []string{
			fmt.Sprint(e.Seq), out.second(e.At), cmp.Or(e.Who, out.dim("–")), e.What, cmp.Or(e.Ref, out.dim("–")), answer, strings.Join(strings.Fields(strings.Join(detail, "; ")), " "),
		})
	}
	out.table([]string{"ENTRY", "AT", "WHO", "WHAT", "ABOUT", "ANSWER", "WHY"}, rows)
	if last := list[len(list)-1].Seq; f.Limit > 0 && len(list) == f.Limit && last > 1 {
		out.line("%s", out.dim(fmt.Sprintf("There may be more: --before %d goes on.", last)))
	}
	return out.Flush()
}

// second writes an instant in the reader's zone, to the second.
func (t terminal) second(at time.Time) string {
	if at.IsZero() {
		return "–"
	}
	return at.In(t.zone).Format("2006-01-02 15:04:05")
}

func (s *shell) auditVerifyCommand() *cobra.Command {
	var noted []string
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Check that the record is whole and unchanged",
		Long: `Verify checks every entry's hash, and that none is missing, doubled, out of order or cut off. With FILE it checks what
export wrote, without any database; - is standard input. It ends with exit code 0 and the head of the record, or with 1
and the first entry that is wrong.

Who can write to the database can also make the whole record anew, so that it fits. Against that, note heads down where
they cannot reach, and give them with --head: serve logs the head when it starts, once a day, and when it stops.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var heads []store.Head
			for _, text := range noted {
				h, err := store.ParseHead(text)
				if err != nil {
					return usage("--head: %v", err)
				}
				heads = append(heads, h)
			}
			return s.verifyAudit(cmd.Context(), args, heads)
		},
	}
	cmd.Flags().StringArrayVar(&noted, "head", nil, "a head that was noted earlier, `SEQ:HASH` (repeatable): what came up to it must be as it was")
	return cmd
}

// verdictView is what verify tells programs.
type verdictView struct {
	OK      bool   `json:"ok"`
	Head    string `json:"head,omitempty"`
	Anchor  string `json:"anchor,omitempty"`
	Entries int64  `json:"entries"`
	Earlier int64  `json:"earlier,omitempty"` // from before there was a chain
	Entry   int64  `json:"entry,omitempty"`   // the first that is wrong
	Fault   string `json:"fault,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

func (s *shell) verifyAudit(ctx context.Context, args []string, noted []store.Head) error {
	v, err := s.verdict(ctx, args, noted)
	var fault *store.Fault
	if err != nil && !errors.As(err, &fault) {
		return err
	}
	if s.json() {
		view := verdictView{OK: fault == nil, Entries: v.Checked, Earlier: v.Earlier}
		if fault != nil {
			view.Entry, view.Fault, view.Detail = fault.Seq, string(fault.Kind), fault.Text
			return errors.Join(s.printJSON(view), code(exitFailed))
		}
		view.Head, view.Anchor = v.Head.String(), v.Anchor.String()
		return s.printJSON(view)
	}
	out := s.page()
	if fault != nil {
		out.line("%s The record is wrong at entry %d: %s.", out.red("✗"), fault.Seq, fault.Kind)
		out.wrap("  ", "  ", fault.Text)
		out.line("  What now: docs/runbook, \"The record is wrong\". Keep the database as it is.")
		return errors.Join(out.Flush(), code(exitFailed))
	}
	out.line("%s The record is whole: %s%s.", out.green("✓"), count(int(v.Checked), "entry", "entries"), beginsAfter(v))
	if v.Earlier > 0 {
		out.line("  %s from before there was a chain: nothing can be said of them.", count(int(v.Earlier), "entry is", "entries are"))
	}
	out.line("  head  %s", out.bold(v.Head.String()))
	switch len(noted) {
	case 0:
		out.line("  Note the head down where nobody who writes to the database can reach it: verify --head then tells")
		out.line("  whether anything up to it was changed, even if the whole record was made anew.")
	case 1:
		out.line("  It is the one of which the head was noted.")
	default:
		out.line("  It is the one of which the heads were noted.")
	}
	return out.Flush()
}

func beginsAfter(v store.Verdict) string {
	if v.Anchor.Seq == 0 {
		return ""
	}
	return fmt.Sprintf(", from %d on", v.Anchor.Seq+1)
}

// verdict checks the record of the database, or of a file.
func (s *shell) verdict(ctx context.Context, args []string, noted []store.Head) (store.Verdict, error) {
	if len(args) == 1 {
		return s.verifyFile(args[0], noted)
	}
	m, err := s.openExisting(ctx)
	if err != nil {
		return store.Verdict{}, err
	}
	defer m.Close()
	return store.VerifyAudit(ctx, m, noted...)
}

func (s *shell) auditExportCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the whole record as JSON lines, the oldest entry first",
		Long: `Export writes a line that names the format and where the record begins, a line for each entry with its hash, and a line
with the head. ` + "`stint audit verify FILE`" + ` checks it without a database; the guide says how anybody can.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.exportAudit(cmd.Context(), to) },
	}
	cmd.Flags().StringVar(&to, "out", "", "into this `FILE`, readable by its owner alone, not to standard output")
	return cmd
}

// witnessEvery is how often serve logs the head of the record.
const witnessEvery = 24 * time.Hour

// witness logs the head of the record now and once a day, until ctx ends: a log that is kept elsewhere then bears witness
// against somebody who makes the whole record anew.
func (srv *server) witness(ctx context.Context) {
	tick := time.NewTicker(witnessEvery)
	defer tick.Stop()
	for {
		srv.logHead(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (srv *server) logHead(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, head, err := srv.store.AuditHead(ctx)
	if err != nil {
		srv.log.Error("the head of the record could not be read", "err", err)
		return
	}
	srv.log.Info("head of the record", "head", head.String())
}
