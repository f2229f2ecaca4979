// Package cli is the command line: it reads flags and files, puts an app together, and shows people what happens.
//
// It promises one exit code for one outcome (0 done, 1 failed, 2 bad usage or settings, 3 partly done, 4 changes
// pending), the same facts as text for people and as JSON with stable names for programs, and that what it says goes to
// standard output while what went wrong goes to standard error. It refuses to decide anything: package plan decides.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/config"
	"github.com/stint-cloud/stint/internal/policy"
)

// The exit codes.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2 // bad usage, settings or policies: nothing was tried
	exitPartly  = 3 // some of it failed, or something could not be seen or is not protected
	exitPending = 4 // plan: there are changes to make
)

// IO is the process as the command line sees it.
type IO struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	Env func(name string) string

	Open func(policy.Account) (cloud.Provider, error) // reaches accounts in place of package clouds; nil for real ones
}

// Main runs one command and gives the exit code of the process.
func Main(ctx context.Context, args []string, process IO) int {
	if process.Env == nil {
		process.Env = func(string) string { return "" }
	}
	s := &shell{IO: process}
	root := s.rootCommand()
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	code := exitFailed
	var ended *exit
	switch {
	case errors.As(err, &ended):
		code = ended.code
	case !s.began:
		code = exitUsage // cobra's own complaints: flags, arguments, unknown commands
	}
	switch {
	case ended == nil && ctx.Err() != nil && errors.Is(err, context.Canceled):
		s.complain(errors.New("stopped"))
	case ended == nil || ended.err != nil:
		s.complain(err)
	}
	return code
}

// exit ends a command with a code; without err everything was said already.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// code ends a command with a code and no word more; nil for 0.
func code(n int) error {
	if n == exitDone {
		return nil
	}
	return &exit{code: n}
}

// usage is an error of the one who called: exit code 2.
func usage(format string, args ...any) error {
	return &exit{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// shell is one run of the program: what it was given, and the flags that all commands have.
type shell struct {
	IO
	began bool // a command of ours was reached: errors are no longer cobra's

	files    []string
	database string
	output   string
	logLevel string
	color    string
	quiet    bool
}

// complain writes an error for the one who reads the output.
func (s *shell) complain(err error) {
	if s.output == "json" {
		_ = json.NewEncoder(s.Err).Encode(map[string]string{"error": err.Error()}) // nobody is left to tell
		return
	}
	t := s.terminal(s.Err)
	text := strings.TrimRight(err.Error(), "\n")
	fmt.Fprintf(s.Err, "%s %s\n", t.red("stint:"), strings.ReplaceAll(text, "\n", "\n  "))
}

func (s *shell) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "stint",
		Short: "Backups of cloud machines: made on time, kept by rule, proven, let go",
		Long: `Stint backs up cloud machines on a schedule, keeps what the rules keep, and lets the rest go.
It is told what to do by policy files, and remembers by tags on the backups themselves.

  stint demo      see it work: four clouds in memory, a week in seconds, no account needed
  stint check     are the policy files right?
  stint plan      what would be done now, and why
  stint apply     do it, once
  stint serve     do it on schedule, until stopped
  stint status    what is protected, what is not, what is next`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := root.PersistentFlags()
	f.StringArrayVarP(&s.files, "file", "f", nil, "policy `PATH`: a file, or a folder of *.yaml and *.yml (repeatable; default stint.yaml, else policies/)")
	f.StringVar(&s.database, "database", "", "where to remember: a `FILE`, postgres://…, or env:NAME or file:PATH that holds it (default $STINT_DATABASE, else stint.db in the user's state folder)")
	f.StringVarP(&s.output, "output", "o", "text", "`FORMAT` of what is printed: text or json")
	f.StringVar(&s.logLevel, "log-level", "", "least `LEVEL` of log lines: debug, info, warn, error (default warn; serve: info)")
	f.StringVar(&s.color, "color", "auto", "colours: auto, always or never (NO_COLOR is honoured)")
	f.BoolVarP(&s.quiet, "quiet", "q", false, "say only what was asked for and what went wrong")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return s.checkFlags() }
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveDefault)
	root.AddGroup(
		&cobra.Group{ID: "work", Title: "Work:"},
		&cobra.Group{ID: "look", Title: "Look:"},
		&cobra.Group{ID: "more", Title: "More:"},
	)
	for _, c := range []struct {
		group string
		cmd   *cobra.Command
	}{
		{"work", s.checkCommand()},
		{"work", s.planCommand()},
		{"work", s.applyCommand()},
		{"work", s.serveCommand()},
		{"look", s.statusCommand()},
		{"look", s.backupsCommand()},
		{"look", s.runsCommand()},
		{"look", s.simulateCommand()},
		{"look", s.auditCommand()},
		{"more", s.permissionsCommand()},
		{"more", s.demoCommand()},
		{"more", s.fakeCommand()},
		{"more", s.schemaCommand()},
		{"more", s.versionCommand()},
	} {
		c.cmd.GroupID = c.group
		root.AddCommand(c.cmd)
	}
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")
	return root
}

// checkFlags looks at the flags that all commands have, and says all that is wrong at once.
func (s *shell) checkFlags() error {
	s.began = true
	var wrong []error
	word := func(flag, got string, want ...string) {
		for _, w := range want {
			if got == w {
				return
			}
		}
		wrong = append(wrong, fmt.Errorf("--%s %q: want %s", flag, got, strings.Join(want, ", ")))
	}
	word("output", s.output, "text", "json")
	word("color", s.color, "auto", "always", "never")
	if s.logLevel != "" {
		word("log-level", s.logLevel, "debug", "info", "warn", "error")
	}
	if _, err := s.databaseAt(); err != nil {
		wrong = append(wrong, err)
	}
	if err := errors.Join(wrong...); err != nil {
		return &exit{code: exitUsage, err: err}
	}
	return nil
}

// databaseAt says where to remember.
func (s *shell) databaseAt() (config.Database, error) {
	return config.FindDatabase(s.database, config.System{Env: s.Env, ReadFile: os.ReadFile})
}

func (s *shell) json() bool { return s.output == "json" }

// printJSON writes a value for programs.
func (s *shell) printJSON(v any) error {
	enc := json.NewEncoder(s.Out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// say writes a line for people, on standard error so that output stays clean; nothing when quiet or for programs.
func (s *shell) say(format string, args ...any) {
	if !s.quiet && !s.json() {
		fmt.Fprintf(s.Err, format+"\n", args...)
	}
}

// now is the time for what is decided and shown.
func now() time.Time { return time.Now().UTC() }
