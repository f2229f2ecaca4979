package cli

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/job/step"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlite"
	"github.com/stint-cloud/stint/internal/survey"
)

//go:embed demo.yaml
var demoPolicies []byte

const (
	demoFile  = "stint-demo.db"
	demoSpeed = 8 // hours a second on a terminal: a week in about twenty seconds
)

// demoClouds are what the demo's accounts call themselves.
func demoClouds() []string { return []string{"alibaba", "aws", "openstack", "tencent"} }

type demoFlags struct {
	days  int
	speed float64
	until string
}

func (s *shell) demoCommand() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Four clouds in memory, a week in seconds: no account, no network",
		Long: `Demo plays a week of four accounts at four clouds, in memory and with time sped up: backups are made, completed and
let go; one fails and is made again; one account refuses for a day; a person holds a backup by taking a tag off. What
is remembered of it stays in stint-demo.db (or --database), for status, backups list and runs show to look at.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("speed") && !s.terminal(s.Out).live {
				f.speed = 0
			}
			return s.demo(cmd.Context(), f)
		},
	}
	cmd.Flags().IntVar(&f.days, "days", 7, "how many `DAYS` to play")
	cmd.Flags().Float64Var(&f.speed, "speed", demoSpeed, "`HOURS` of the demo in a second; 0: at once (the default without a terminal)")
	cmd.Flags().StringVar(&f.until, "until", "", "when the demo ends (RFC 3339; default now)")
	_ = cmd.Flags().MarkHidden("until") // for tests; it is defined right above
	return cmd
}

// stage is the demo: four clouds, a database, and an app on virtual time.
type stage struct {
	*app.App
	shell   *shell
	out     *page
	store   store.Store
	engine  *step.Engine
	clouds  map[string]*memcloud.Cloud
	script  []scene
	denied  func(now time.Time) bool
	making  map[cloud.Ref]string // what is in the making, and by which policy
	names   map[string]string
	refused map[string]int // tries of a policy in a row
	day     string         // the heading that was written last
	quiet   bool
}

func (s *shell) demo(ctx context.Context, f demoFlags) error {
	if f.days < 1 || f.days > 366 {
		return usage("--days %d: want 1 to 366", f.days)
	}
	end := now().Truncate(time.Minute)
	if f.until != "" {
		var err error
		if end, err = time.Parse(time.RFC3339, f.until); err != nil {
			return usage("--until: %v", err)
		}
	}
	path := s.database
	if path == "" {
		path = demoFile
	}
	if err := clearDemo(ctx, path); err != nil {
		return err
	}
	st, err := sqlite.OpenWith(ctx, path, sqlite.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer st.Close()
	d, err := s.newStage(ctx, st, end.Add(-time.Duration(f.days)*24*time.Hour))
	if err != nil {
		return err
	}
	d.quiet = s.json()
	if !d.quiet {
		d.prologue(f.days)
	}
	if err := d.play(ctx, end, f.speed); err != nil {
		return err
	}
	return d.epilogue(ctx, path)
}

// clearDemo takes away the database of an earlier demo, and refuses to touch any other.
func clearDemo(ctx context.Context, path string) error {
	if strings.Contains(path, "://") {
		return usage("the demo remembers in a file: --database FILE")
	}
	if !exists(path) {
		return nil
	}
	st, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	mark, err := st.Fact(ctx, factDemo)
	if err := errors.Join(err, st.Close()); err != nil {
		return err
	}
	if mark == "" {
		return usage("%s is not a demo's database, so the demo does not write over it: name another file with --database", path)
	}
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			return short(err)
		}
	}
	return nil
}

func (s *shell) newStage(ctx context.Context, st store.Store, start time.Time) (*stage, error) {
	files := []policy.File{{Name: "demo.yaml", Data: demoPolicies}}
	rules, complaints := policy.ParseWith(policy.Options{Clouds: demoClouds()}, files)
	if policy.Refused(complaints) {
		return nil, fmt.Errorf("the demo's own policies are refused: %s", joined(complaints))
	}
	if err := errors.Join(st.SetFact(ctx, factDemo, start.Format(time.RFC3339)), keepRules(ctx, st, files)); err != nil {
		return nil, err
	}
	d := &stage{
		shell: s, out: s.page(), store: st, engine: step.New(start), clouds: map[string]*memcloud.Cloud{}, making: map[cloud.Ref]string{},
		names: map[string]string{}, refused: map[string]int{},
	}
	d.build(rules, start)
	d.App = app.New(app.Options{
		Rules: rules, Store: st, Engine: d.engine, Auto: true, Observe: func(e app.Event) { d.tell(ctx, e) },
		Open: func(a policy.Account) (cloud.Provider, error) { return d.clouds[a.Name].Provider(), nil },
		Around: func(a policy.Account) []cloud.Interceptor {
			if a.Name != "games" {
				return nil
			}
			return []cloud.Interceptor{d.deny}
		},
		// Virtual time is cheap, and the story needs no listing every ten minutes.
		Survey: survey.Options{Every: time.Hour, MinPoll: time.Minute, MaxPoll: 10 * time.Minute},
	})
	problems, err := d.Prepare(ctx, start)
	return d, errors.Join(append(problems, err)...)
}

// play lets time go on, scene by scene. speed is in hours a second.
func (d *stage) play(ctx context.Context, end time.Time, speed float64) error {
	const stride = 15 * time.Minute
	handlers := d.Handlers()
	for at := d.engine.Now(); at.Before(end); {
		next := at.Add(stride)
		if next.After(end) {
			next = end
		}
		for len(d.script) > 0 && !d.script[0].at.After(next) {
			sc := d.script[0]
			d.script = d.script[1:]
			if err := d.engine.RunUntil(ctx, handlers, sc.at); err != nil {
				return err
			}
			sc.do()
		}
		if err := d.engine.RunUntil(ctx, handlers, next); err != nil {
			return err
		}
		at = next
		if speed <= 0 {
			continue
		}
		d.clock(at)
		if err := d.out.Flush(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			d.unclock()
			return errors.Join(ctx.Err(), d.out.Flush())
		case <-time.After(time.Duration(float64(stride) / speed / 3600)):
		}
	}
	d.unclock()
	return d.out.Flush()
}

// deny refuses every mutating call while the story says so.
func (d *stage) deny(next cloud.Invoke) cloud.Invoke {
	return func(ctx context.Context, call cloud.Call) error {
		if call.Class == cloud.Write && d.denied(d.engine.Now()) {
			return &cloud.Error{Op: call.Op, Ref: call.Ref, Class: cloud.ErrDenied, Code: "UnauthorizedOperation", Err: errors.New("the role may not do this any more")}
		}
		return next(ctx, call)
	}
}
