package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud/intercept"
	"github.com/stint-cloud/stint/internal/clouds"
	"github.com/stint-cloud/stint/internal/notice"
	"github.com/stint-cloud/stint/internal/policy"
)

func (s *shell) serveCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Do it on schedule, until stopped",
		Long: `Serve plans every policy at its slots and whenever something changed, carries the plans out, and tells people what is
wrong. It runs until it is stopped (SIGINT, SIGTERM): calls that are under way are finished.

On SIGHUP the policy files are read again; when something is wrong in them, the rules stay as they were, loudly.
On a PostgreSQL database any number may serve at once; on a file only one does.

  /healthz   the process is alive         /readyz   it reaches its database and is at work
  /metrics   for Prometheus`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.serve(cmd.Context(), listen) },
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8642", "`ADDRESS` for health and metrics; empty for none")
	return cmd
}

// server is one serve: it outlives the rules that it works by.
type server struct {
	shell   *shell
	log     *slog.Logger
	store   *memory
	metrics *metrics
	app     atomic.Pointer[app.App] // of the rules in force; nil before the first
	working atomic.Bool
}

func (s *shell) serve(ctx context.Context, listen string) error {
	rules, files, err := s.rules()
	if err != nil {
		return err
	}
	m, err := s.openStore(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	release, err := m.lock()
	if err != nil {
		return usage("%v", err)
	}
	defer release()
	srv := &server{shell: s, log: s.log("info"), store: m, metrics: newMetrics()}
	srv.metrics.registry.MustRegister(newState(ctx, m, srv.status, srv.log))
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	if listen != "" {
		ln, err := net.Listen("tcp", listen)
		if err != nil {
			return usage("nobody can listen on %s: %v", listen, err)
		}
		srv.log.Info("listening", "address", ln.Addr().String())
		wg.Go(func() { srv.http(ctx, ln) })
	}
	wg.Go(func() { srv.witness(ctx) })
	defer srv.logHead(ctx) // after all that was at work has ended
	return srv.loop(ctx, rules, files)
}

// loop works by one set of rules after another, until ctx ends.
func (srv *server) loop(ctx context.Context, rules policy.Rules, files []policy.File) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	srv.metrics.reloads.WithLabelValues("ok").Inc()
	srv.metrics.reloads.WithLabelValues("refused").Add(0)
	for {
		if err := keepRules(ctx, srv.store, files); err != nil {
			return err
		}
		next, nextFiles, err := srv.generation(ctx, rules, hup)
		if err != nil || ctx.Err() != nil {
			srv.log.Info("stopped")
			return err
		}
		rules, files = next, nextFiles
	}
}

// generation works by one set of rules until ctx ends or better rules have come.
func (srv *server) generation(ctx context.Context, rules policy.Rules, hup <-chan os.Signal) (policy.Rules, []policy.File, error) {
	s := srv.shell
	channels, err := clouds.Channels(ctx, rules, s.system())
	if err != nil {
		srv.log.Error("not everybody can be told", "err", err)
	}
	teller := notice.New(srv.store, channels, notice.Options{Log: srv.log})
	w, err := s.session(ctx, srv.store, sessionOptions{
		rules: rules, auto: true, by: "schedule", teller: teller, observe: srv.observe, sinks: []intercept.Sink{srv.metrics.sink},
	})
	if err != nil {
		return rules, nil, err
	}
	defer w.close()
	problems, err := w.Prepare(ctx, now())
	if err != nil {
		if ctx.Err() != nil {
			return rules, nil, nil
		}
		return rules, nil, err
	}
	for _, p := range problems {
		srv.log.Error("an account cannot be reached; the others go on", "err", p)
	}
	srv.app.Store(w.App)
	srv.log.Info("serving", "database", srv.store.at.String(), "accounts", len(rules.Accounts), "policies", len(rules.Policies), "channels", len(channels))
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	srv.working.Store(true)
	go func() { done <- w.alone(work) }()
	defer srv.working.Store(false)
	for {
		select {
		case err := <-done:
			return rules, nil, err
		case <-hup:
			next, files, ok := srv.reload()
			if !ok {
				continue
			}
			cancel()
			if err := <-done; err != nil {
				srv.log.Warn("work was cut off for the new policies; it goes on with them", "err", err)
			}
			return next, files, nil
		}
	}
}

// reload reads the files again.
func (srv *server) reload() (policy.Rules, []policy.File, bool) {
	files, err := srv.shell.policyFiles(srv.shell.files)
	if err == nil {
		rules, complaints := policy.Parse(files)
		if !policy.Refused(complaints) {
			srv.log.Info("the policies are read again")
			srv.metrics.reloads.WithLabelValues("ok").Inc()
			return rules, files, true
		}
		err = errors.New(joined(complaints))
	}
	srv.metrics.reloads.WithLabelValues("refused").Inc()
	srv.log.Error("THE POLICIES ARE REFUSED, THE OLD ONES STAY IN FORCE", "err", err)
	return policy.Rules{}, nil, false
}

func (srv *server) status(ctx context.Context) (app.Status, error) {
	a := srv.app.Load()
	if a == nil {
		return app.Status{At: now()}, nil
	}
	return a.Status(ctx, now())
}

// observe logs and counts what happens.
func (srv *server) observe(e app.Event) {
	srv.metrics.event(e)
	log := srv.log
	switch {
	case e.What == "surveyed" && e.Err != nil:
		log.Warn("a scope could not be seen", "account", e.Scope.Account, "region", e.Scope.Region, "kind", e.Scope.Kind.String(), "err", e.Err)
	case e.What == "surveyed":
		log.Debug("surveyed", "account", e.Scope.Account, "region", e.Scope.Region, "kind", e.Scope.Kind.String(), "added", e.Diff.Added, "changed", e.Diff.Changed, "removed", e.Diff.Removed)
	case e.What == "planned" && e.N == 0:
		log.Debug("planned", "policy", e.Policy, "actions", 0)
	case e.What == "planned":
		log.Info("planned", "policy", e.Policy, "actions", e.N, "took", e.Took.Round(time.Millisecond).String())
	case e.Action != nil:
		args := []any{"account", e.Action.Place.Account, "region", e.Action.Place.Region, "ref", e.Action.Target.String(), "policy", e.Policy, "run", e.Run, "action", e.Action.ID}
		if e.Action.Problem != "" {
			log.Warn(e.Action.Verb.String()+" "+e.What, append(args, "err", e.Action.Problem)...)
			return
		}
		log.Info(e.Action.Verb.String()+" "+e.What, args...)
	default:
		log.Info("run "+e.What, "policy", e.Policy, "run", e.Run, "detail", e.Text)
	}
}

// http answers health and metrics until ctx ends.
func (srv *server) http(ctx context.Context, ln net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		if _, err := srv.store.Fact(ctx, factRules); err != nil {
			srv.log.Warn("not ready: the database cannot be reached", "err", err)
			http.Error(w, "the database cannot be reached", http.StatusServiceUnavailable)
			return
		}
		if !srv.working.Load() {
			http.Error(w, "not at work yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(srv.metrics.registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(srv.log.Handler(), slog.LevelWarn)}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(end) != nil {
			_ = server.Close()
		}
	}()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		srv.log.Error("health and metrics are not answered any more", "err", err)
	}
	<-stopped
}
