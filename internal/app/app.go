// Package app puts the program together: it turns rules, a store, an engine and a way to open accounts into surveys,
// plans, runs and notices. The command line, the end-to-end tests and the simulation use it alike.
//
// It promises that everything it decides is decided again from what is seen, so that a process may die anywhere; and
// that one account's trouble stops no other. It refuses to read a clock of its own: handlers get their time from the
// engine, and every other call from its caller.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/action"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/job"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/survey"
)

// Teller tells people what is wrong; notice.Teller is one.
type Teller interface {
	// Tell sends what is due and says when it wants to be called again; zero when nothing is waiting.
	Tell(ctx context.Context, now time.Time) (next time.Time, err error)
}

// Options are what an App is made of.
type Options struct {
	Rules  policy.Rules
	Store  store.Store
	Engine job.Engine
	// Open reaches an account. It is called once for each account, when it is first needed, and makes no call itself.
	Open func(account policy.Account) (cloud.Provider, error)
	// Around gives what surrounds the calls to an account, outermost first; may be nil.
	Around func(account policy.Account) []cloud.Interceptor
	Teller Teller // may be nil
	Log    *slog.Logger
	// Observe hears what happens, as it happens; may be nil. It must not block.
	Observe func(Event)
	// Auto plans every policy at its slots and whenever something changed. Without it only what is asked for is done.
	Auto   bool
	By     string // who starts runs: a user's name, or "schedule"
	Survey survey.Options
	Sweep  time.Duration // how often whatever is due is woken again; a minute when zero
	Idle   time.Duration // how long a policy rests at most, so that what is stuck is noticed; an hour when zero
}

// App is the program. It is safe for concurrent use.
type App struct {
	opt      Options
	surveyor *survey.Surveyor
	executor *action.Executor

	mu      sync.Mutex
	clients map[string]*account
	changed chan struct{}         // closed and renewed whenever something moved
	swept   time.Time             // of the last sweep
	hinted  []cloud.Scope         // what the last FollowHints saw
	making  map[cloud.Scope]spell // in which this process makes things while a run goes on
}

type account struct {
	once   sync.Once
	client *cloud.Client
	err    error
}

// New puts an App together. It calls no cloud.
func New(opt Options) *App {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.By == "" {
		opt.By = "schedule"
	}
	a := &App{opt: opt, clients: map[string]*account{}, changed: make(chan struct{}), making: map[cloud.Scope]spell{}}
	a.surveyor = survey.New(opt.Store, a.Client, opt.Survey)
	digests := map[string]string{}
	for _, pol := range opt.Rules.Policies {
		if !pol.Disabled {
			digests[pol.Name] = pol.Digest()
		}
	}
	a.executor = action.New(opt.Store, opt.Store, action.Options{
		Clients: a.Client, Made: a.surveyor.Watch, Rule: func(policy string) string { return digests[policy] }, Log: opt.Log,
	})
	return a
}

// Client reaches an account of the rules. An account that cannot be opened answers the same error each time.
func (a *App) Client(name string) (*cloud.Client, error) {
	rule, ok := a.opt.Rules.FindAccount(name)
	if !ok {
		return nil, &cloud.Error{Op: "account.open", Ref: cloud.Ref{Account: name}, Class: cloud.ErrDenied, Err: errors.New("the policies name no such account")}
	}
	a.mu.Lock()
	acc, ok := a.clients[name]
	if !ok {
		acc = &account{}
		a.clients[name] = acc
	}
	a.mu.Unlock()
	acc.once.Do(func() {
		p, err := a.opt.Open(rule)
		if err != nil {
			acc.err = err
			return
		}
		var around []cloud.Interceptor
		if a.opt.Around != nil {
			around = a.opt.Around(rule)
		}
		acc.client = cloud.NewClient(name, p, around...)
	})
	return acc.client, acc.err
}

// regionsKey is the fact under which an account's regions are kept when its rule names none.
func regionsKey(account string) string { return "regions/" + account }

// Prepare finds the regions of accounts that name none, tells the store what each account can do, forgets scopes and
// policies that the rules no longer have, and in Auto makes every survey and policy due. An account that cannot be
// reached is an error in the result, and stops no other.
func (a *App) Prepare(ctx context.Context, now time.Time) ([]error, error) {
	var problems []error
	for _, rule := range a.opt.Rules.Accounts {
		problem, err := a.meet(ctx, rule)
		if err != nil {
			return problems, err
		}
		key := "account/" + rule.Name
		if problem == nil {
			if err := a.opt.Store.CloseIncidents(ctx, []string{key}, now); err != nil {
				return problems, err
			}
			continue
		}
		problem = fmt.Errorf("account %s: %w", rule.Name, problem)
		problems = append(problems, problem)
		in := store.Incident{Key: key, Account: rule.Name, Title: "the account " + rule.Name + " cannot be reached", Detail: problem.Error()}
		if err := a.opt.Store.OpenIncident(ctx, in, now); err != nil {
			return problems, err
		}
	}
	if err := a.dropStrangers(ctx); err != nil {
		return problems, err
	}
	if !a.opt.Auto {
		return problems, nil
	}
	// What a process before this one has just made is found by looking, not when the next listing is due anyway.
	scopes, err := a.Scopes(ctx, nil)
	if err != nil {
		return problems, err
	}
	for _, scope := range scopes {
		if err := a.wake(ctx, scopeKey(scope), job.Scan, now); err != nil {
			return problems, err
		}
	}
	for _, pol := range a.opt.Rules.Policies {
		if err := a.wake(ctx, policyKey(pol.Name), job.Plan, now); err != nil {
			return problems, err
		}
	}
	return problems, a.wake(ctx, "tell", job.Notice, now)
}

// meet tells the store what an account can do and which regions it has. problem is the account's, err is the store's.
func (a *App) meet(ctx context.Context, rule policy.Account) (problem, err error) {
	client, problem := a.Client(rule.Name)
	if problem != nil {
		return problem, nil
	}
	if err := a.opt.Store.SaveAccount(ctx, survey.Facts(client)); err != nil || len(rule.Regions) > 0 {
		return nil, err
	}
	list, problem := client.Regions(ctx)
	if problem != nil {
		return problem, ctx.Err()
	}
	names := make([]string, len(list))
	for i, r := range list {
		names[i] = r.ID
	}
	slices.Sort(names)
	return nil, a.opt.Store.SetFact(ctx, regionsKey(rule.Name), strings.Join(names, " "))
}

// dropStrangers forgets what the rules no longer cover.
func (a *App) dropStrangers(ctx context.Context) error {
	wanted, err := a.Scopes(ctx, nil)
	if err != nil {
		return err
	}
	rows, err := a.opt.Store.Surveys(ctx)
	if err != nil {
		return err
	}
	var strangers []cloud.Scope
	for _, r := range rows {
		_, known := a.opt.Rules.FindAccount(r.Scope.Account)
		if known && !slices.Contains(wanted, r.Scope) {
			strangers = append(strangers, r.Scope)
		}
	}
	if len(strangers) > 0 && a.opt.Auto {
		if err := a.opt.Store.DropScopes(ctx, strangers); err != nil {
			return err
		}
	}
	states, err := a.opt.Store.PolicyStates(ctx)
	if err != nil {
		return err
	}
	var gone []string
	for _, s := range states {
		if _, ok := a.opt.Rules.FindPolicy(s.Name); !ok {
			gone = append(gone, s.Name)
		}
	}
	if len(gone) == 0 || !a.opt.Auto {
		return nil
	}
	return a.opt.Store.DropPolicyStates(ctx, gone)
}

// Scopes lists what must be surveyed for these policies; for all when names is nil.
func (a *App) Scopes(ctx context.Context, names []string) ([]cloud.Scope, error) {
	var out []cloud.Scope
	var failed error
	regions := func(account string) []string {
		text, err := a.opt.Store.Fact(ctx, regionsKey(account))
		if err != nil {
			failed = err
		}
		return strings.Fields(text)
	}
	for _, pol := range a.opt.Rules.Policies {
		if names == nil || slices.Contains(names, pol.Name) {
			out = append(out, plan.Scopes(a.opt.Rules, pol, regions)...)
		}
	}
	slices.SortFunc(out, cloud.Scope.Compare)
	return slices.Compact(out), failed
}

// Event is something that happened.
type Event struct {
	At     time.Time
	What   string // "surveyed", "planned", "started", "done", "failed", "skipped", "settled", "ended"
	Scope  cloud.Scope
	Policy string
	Run    string
	Action *store.ActionRow
	Diff   store.Diff
	Text   string
	N      int           // of "planned", "started" and "resumed": how many actions
	Took   time.Duration // of "planned": how long the plan took to make
	Err    error
}

func (a *App) observe(e Event) {
	if a.opt.Observe != nil {
		a.opt.Observe(e)
	}
	a.mu.Lock()
	close(a.changed)
	a.changed = make(chan struct{})
	a.mu.Unlock()
}

// moved gives a channel that is closed when something moves next.
func (a *App) moved() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

func (a *App) wake(ctx context.Context, key string, queue job.Queue, at time.Time) error {
	if err := a.opt.Engine.Wake(ctx, key, queue, at); err != nil {
		return fmt.Errorf("wake %s: %w", key, err)
	}
	return nil
}

// The keys of jobs. The part after the colon names the row.
func scopeKey(s cloud.Scope) string   { return "survey:" + s.String() }
func policyKey(name string) string    { return "policy:" + name }
func actionKey(id string) string      { return "action:" + id }
func rowOf(key string) (string, bool) { _, row, ok := strings.Cut(key, ":"); return row, ok }
