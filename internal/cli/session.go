package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/intercept"
	"github.com/stint-cloud/stint/internal/clouds"
	"github.com/stint-cloud/stint/internal/config"
	"github.com/stint-cloud/stint/internal/job"
	"github.com/stint-cloud/stint/internal/job/local"
	"github.com/stint-cloud/stint/internal/job/river"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/postgres"
	"github.com/stint-cloud/stint/internal/store/sqlite"
)

// How many surveys and actions one process works on at once. Most of their time is the cloud's, and that of an action is
// mostly its wait for a place in the pace of its account and region: with fewer, the actions of a slow place keep those
// of all others waiting; with more, more are on their way when a cloud says that it is too much.
const (
	scansAtOnce   = 16
	actionsAtOnce = 32
)

// lockTry is how often a process whose database is worked on by another tries to take over.
const lockTry = time.Second

// fileSweep is how often a process that works on a file looks whether another has started something there.
const fileSweep = 3 * time.Second

// memory is an open database.
type memory struct {
	store.Store
	at config.Database
	pg *postgres.Store // nil on SQLite
}

// openStore opens the database that the flags name.
func (s *shell) openStore(ctx context.Context) (*memory, error) {
	at, err := s.databaseAt()
	if err != nil {
		return nil, &exit{code: exitUsage, err: err}
	}
	if address, ok := at.Postgres(); ok {
		pg, err := postgres.Open(ctx, address)
		if err != nil {
			return nil, err
		}
		return &memory{Store: pg, at: at, pg: pg}, nil
	}
	st, err := sqlite.Open(ctx, at.Path)
	if err != nil {
		return nil, err
	}
	return &memory{Store: st, at: at}, nil
}

// openExisting is openStore for commands that only look: a database that is not there is said, not made.
func (s *shell) openExisting(ctx context.Context) (*memory, error) {
	at, err := s.databaseAt()
	if err != nil {
		return nil, &exit{code: exitUsage, err: err}
	}
	if _, pg := at.Postgres(); !pg && !exists(at.Path) {
		return nil, usage("there is no database at %s yet: `stint plan` or `stint serve` makes it, --database names another", at.Path)
	}
	return s.openStore(ctx)
}

// lock makes this process the one that works on the database; several may on PostgreSQL.
func (m *memory) lock() (release func(), err error) {
	if m.pg != nil {
		return func() {}, nil
	}
	return local.Lock(m.at.Path)
}

func (m *memory) engine(ctx context.Context, log *slog.Logger) (job.Engine, error) {
	slots := map[job.Queue]int{job.Scan: scansAtOnce, job.Act: actionsAtOnce, job.Plan: 4, job.Notice: 1}
	if m.pg != nil {
		return river.New(ctx, m.pg.Pool(), river.Options{Slots: slots, Log: log})
	}
	return local.New(local.Options{Slots: slots, Log: log}), nil
}

// session is an app on a database, ready to work.
type session struct {
	*app.App
	shell  *shell
	store  *memory
	rules  policy.Rules
	log    *slog.Logger
	record *intercept.Recorder
}

// sessionOptions say what a session is for.
type sessionOptions struct {
	rules   policy.Rules
	auto    bool
	by      string
	observe func(app.Event)
	teller  app.Teller
	sinks   []intercept.Sink
}

// session puts an app together on an open database. Close ends it and the database.
func (s *shell) session(ctx context.Context, m *memory, opt sessionOptions) (*session, error) {
	log := s.log("warn")
	if opt.auto {
		log = s.log("info")
	}
	engine, err := m.engine(ctx, log)
	if err != nil {
		return nil, err
	}
	if opt.by == "" {
		opt.by = s.userName()
	}
	record := intercept.StartRecorder(ctx, m, opt.by, log)
	var sweep time.Duration
	if m.pg == nil {
		sweep = fileSweep
	}
	around := clouds.Surroundings{Sinks: append([]intercept.Sink{record.Sink}, opt.sinks...)}
	if m.pg != nil {
		around.Shared = m
	}
	a := app.New(app.Options{
		Rules: opt.rules, Store: m, Engine: engine, Open: s.opener(ctx, m), Around: around.Around,
		Teller: opt.teller, Log: log, Observe: opt.observe, Auto: opt.auto, By: opt.by, Sweep: sweep,
	})
	return &session{App: a, shell: s, store: m, rules: opt.rules, log: log, record: record}, nil
}

// opener reaches the accounts; those of a demo are gone with the demo.
func (s *shell) opener(ctx context.Context, m *memory) func(policy.Account) (cloud.Provider, error) {
	if kept, err := m.Fact(ctx, factDemo); err == nil && kept != "" {
		return func(a policy.Account) (cloud.Provider, error) {
			return nil, &cloud.Error{
				Op: "account.open", Ref: cloud.Ref{Account: a.Name}, Class: cloud.ErrUnsupported,
				Err: errors.New("this is a demo's database: its clouds were in memory and are gone; look at it with status, backups list and runs"),
			}
		}
	}
	if s.Open != nil {
		return s.Open
	}
	return clouds.Opener(ctx, s.system())
}

// close ends the session; the database is closed by whoever opened it.
func (w *session) close() { w.record.Stop() }

// work runs the engine until the function that it returns is called. While another process works on the database, that
// one carries out what is started here; when it ends, this one takes over.
func (w *session) work(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		for told := false; ; told = true {
			release, err := w.store.lock()
			if err == nil {
				failed = w.alone(ctx)
				release()
				return
			}
			if !told {
				w.shell.say("Another stint works on this database: it carries out what is started here, within seconds.")
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(lockTry):
			}
		}
	})
	return func() error {
		cancel()
		wg.Wait()
		return failed
	}
}

// alone runs the engine while this process holds the lock. On a file, whoever held it before is dead.
func (w *session) alone(ctx context.Context) error {
	if w.store.pg == nil {
		if err := w.TakeOver(ctx, now()); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return w.Run(ctx)
}

// findRules gives the policies for commands that look at what was done: the files that were named, else those that the
// database was last used with, else those at the usual places. Without any there are no rules.
func (s *shell) findRules(ctx context.Context, m *memory) (policy.Rules, error) {
	if len(s.files) > 0 {
		r, _, err := s.rules()
		return r, err
	}
	if r, ok, err := keptRules(ctx, m); err != nil || ok {
		return r, err
	}
	if exists(defaultFile) || exists(defaultFolder) {
		r, _, err := s.rules()
		return r, err
	}
	return policy.Rules{}, nil
}

func (s *shell) system() config.System { return config.System{Env: s.Env, ReadFile: os.ReadFile} }

// log writes to standard error, from a level on; JSON lines for programs.
func (s *shell) log(level string) *slog.Logger {
	if s.logLevel != "" {
		level = s.logLevel
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	opt := &slog.HandlerOptions{Level: l}
	if s.json() {
		return slog.New(slog.NewJSONHandler(s.Err, opt))
	}
	if s.Env("JOURNAL_STREAM") != "" { // systemd's journal writes the time itself
		opt.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(s.Err, opt))
}

// userName is in whose name things are done here.
func (s *shell) userName() string {
	for _, name := range []string{"STINT_USER", "SUDO_USER", "USER"} {
		if v := s.Env(name); v != "" {
			return v
		}
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}
