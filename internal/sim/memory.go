package sim

import (
	"context"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

// memory is the store as one process reaches it: every method is a call that may be the process's last.
type memory struct {
	p *process
}

var _ store.Store = memory{}

// through makes one call to the store.
func through[T any](m memory, ctx context.Context, what string, do func(context.Context, store.Store) (T, error)) (T, error) {
	var out T
	err := m.p.s.pass(ctx, &parked{what: "store." + what, store: true}, func() error {
		var err error
		// Whether the caller gave up meanwhile is decided at the gate, not in the middle of a transaction.
		out, err = do(context.WithoutCancel(ctx), m.p.s.store)
		return err
	})
	if err != nil {
		var zero T
		return zero, err
	}
	return out, nil
}

// just is through for what answers with an error alone.
func just(m memory, ctx context.Context, what string, do func(context.Context, store.Store) error) error {
	_, err := through(m, ctx, what, func(ctx context.Context, s store.Store) (struct{}, error) { return struct{}{}, do(ctx, s) })
	return err
}

func (m memory) Due(ctx context.Context, now time.Time, limit int) ([]store.Due, error) {
	return through(m, ctx, "Due", func(ctx context.Context, s store.Store) ([]store.Due, error) { return s.Due(ctx, now, limit) })
}

func (m memory) Prune(ctx context.Context, before time.Time) (int64, error) {
	return through(m, ctx, "Prune", func(ctx context.Context, s store.Store) (int64, error) { return s.Prune(ctx, before) })
}

func (m memory) Close() error { return nil }

func (m memory) Surveys(ctx context.Context) ([]store.Survey, error) {
	return through(m, ctx, "Surveys", func(ctx context.Context, s store.Store) ([]store.Survey, error) { return s.Surveys(ctx) })
}

func (m memory) Survey(ctx context.Context, scope cloud.Scope) (store.Survey, error) {
	return through(m, ctx, "Survey", func(ctx context.Context, s store.Store) (store.Survey, error) { return s.Survey(ctx, scope) })
}

func (m memory) SaveSurvey(ctx context.Context, row store.Survey, seen *store.Seen) (store.Survey, store.Diff, error) {
	type saved struct {
		row  store.Survey
		diff store.Diff
	}
	out, err := through(m, ctx, "SaveSurvey", func(ctx context.Context, s store.Store) (saved, error) {
		row, diff, err := s.SaveSurvey(ctx, row, seen)
		return saved{row, diff}, err
	})
	return out.row, out.diff, err
}

func (m memory) Expect(ctx context.Context, scope cloud.Scope, at time.Time, items []store.Resource) error {
	return just(m, ctx, "Expect", func(ctx context.Context, s store.Store) error { return s.Expect(ctx, scope, at, items) })
}

func (m memory) Forget(ctx context.Context, scope cloud.Scope, ids []string) error {
	return just(m, ctx, "Forget", func(ctx context.Context, s store.Store) error { return s.Forget(ctx, scope, ids) })
}

func (m memory) DropScopes(ctx context.Context, scopes []cloud.Scope) error {
	return just(m, ctx, "DropScopes", func(ctx context.Context, s store.Store) error { return s.DropScopes(ctx, scopes) })
}

func (m memory) World(ctx context.Context, scopes []cloud.Scope) (inventory.World, error) {
	return through(m, ctx, "World", func(ctx context.Context, s store.Store) (inventory.World, error) { return s.World(ctx, scopes) })
}

func (m memory) SaveAccount(ctx context.Context, account inventory.Account) error {
	return just(m, ctx, "SaveAccount", func(ctx context.Context, s store.Store) error { return s.SaveAccount(ctx, account) })
}

func (m memory) PolicyStates(ctx context.Context) ([]store.PolicyState, error) {
	return through(m, ctx, "PolicyStates", func(ctx context.Context, s store.Store) ([]store.PolicyState, error) { return s.PolicyStates(ctx) })
}

func (m memory) PolicyState(ctx context.Context, name string) (store.PolicyState, error) {
	return through(m, ctx, "PolicyState", func(ctx context.Context, s store.Store) (store.PolicyState, error) { return s.PolicyState(ctx, name) })
}

func (m memory) SavePolicyState(ctx context.Context, row store.PolicyState) (store.PolicyState, error) {
	return through(m, ctx, "SavePolicyState", func(ctx context.Context, s store.Store) (store.PolicyState, error) {
		return s.SavePolicyState(ctx, row)
	})
}

func (m memory) DropPolicyStates(ctx context.Context, names []string) error {
	return just(m, ctx, "DropPolicyStates", func(ctx context.Context, s store.Store) error { return s.DropPolicyStates(ctx, names) })
}

func (m memory) StartRun(ctx context.Context, run store.Run, actions []plan.Action, now time.Time, entries ...store.AuditEntry) ([]string, error) {
	return through(m, ctx, "StartRun", func(ctx context.Context, s store.Store) ([]string, error) {
		ids, err := s.StartRun(ctx, run, actions, now, entries...)
		if err == nil && run.Policy != "" {
			m.p.s.somebodyMinds(actions)
		}
		return ids, err
	})
}

func (m memory) Run(ctx context.Context, id string) (store.Run, error) {
	return through(m, ctx, "Run", func(ctx context.Context, s store.Store) (store.Run, error) { return s.Run(ctx, id) })
}

func (m memory) Working(ctx context.Context, id string) (store.Run, bool, error) {
	type working struct {
		run  store.Run
		open bool
	}
	out, err := through(m, ctx, "Working", func(ctx context.Context, s store.Store) (working, error) {
		run, open, err := s.Working(ctx, id)
		return working{run, open}, err
	})
	return out.run, out.open, err
}

func (m memory) Runs(ctx context.Context, policy string, limit int) ([]store.Run, error) {
	return through(m, ctx, "Runs", func(ctx context.Context, s store.Store) ([]store.Run, error) { return s.Runs(ctx, policy, limit) })
}

func (m memory) ActiveRuns(ctx context.Context) ([]store.Run, error) {
	return through(m, ctx, "ActiveRuns", func(ctx context.Context, s store.Store) ([]store.Run, error) { return s.ActiveRuns(ctx) })
}

func (m memory) SaveRun(ctx context.Context, run store.Run, entries ...store.AuditEntry) (store.Run, error) {
	return through(m, ctx, "SaveRun", func(ctx context.Context, s store.Store) (store.Run, error) { return s.SaveRun(ctx, run, entries...) })
}

func (m memory) Action(ctx context.Context, id string) (store.ActionRow, error) {
	return through(m, ctx, "Action", func(ctx context.Context, s store.Store) (store.ActionRow, error) { return s.Action(ctx, id) })
}

func (m memory) Actions(ctx context.Context, f store.ActionFilter) ([]store.ActionRow, error) {
	return through(m, ctx, "Actions", func(ctx context.Context, s store.Store) ([]store.ActionRow, error) { return s.Actions(ctx, f) })
}

func (m memory) SaveAction(ctx context.Context, row store.ActionRow, entries ...store.AuditEntry) (store.ActionRow, error) {
	return through(m, ctx, "SaveAction", func(ctx context.Context, s store.Store) (store.ActionRow, error) {
		return s.SaveAction(ctx, row, entries...)
	})
}

func (m memory) OpenIncident(ctx context.Context, in store.Incident, now time.Time, entries ...store.AuditEntry) error {
	return just(m, ctx, "OpenIncident", func(ctx context.Context, s store.Store) error { return s.OpenIncident(ctx, in, now, entries...) })
}

func (m memory) CloseIncidents(ctx context.Context, keys []string, now time.Time) error {
	return just(m, ctx, "CloseIncidents", func(ctx context.Context, s store.Store) error { return s.CloseIncidents(ctx, keys, now) })
}

func (m memory) Incidents(ctx context.Context, ended bool, limit int) ([]store.Incident, error) {
	return through(m, ctx, "Incidents", func(ctx context.Context, s store.Store) ([]store.Incident, error) {
		return s.Incidents(ctx, ended, limit)
	})
}

func (m memory) UntoldIncidents(ctx context.Context) ([]store.Incident, error) {
	return through(m, ctx, "UntoldIncidents", func(ctx context.Context, s store.Store) ([]store.Incident, error) { return s.UntoldIncidents(ctx) })
}

func (m memory) SaveIncident(ctx context.Context, in store.Incident) (store.Incident, error) {
	return through(m, ctx, "SaveIncident", func(ctx context.Context, s store.Store) (store.Incident, error) { return s.SaveIncident(ctx, in) })
}

func (m memory) Append(ctx context.Context, entries ...store.AuditEntry) error {
	err := just(m, ctx, "Append", func(ctx context.Context, s store.Store) error { return s.Append(ctx, entries...) })
	if err != nil {
		for _, e := range entries {
			m.p.s.unwritten[e.Action] = true
		}
	}
	return err
}

func (m memory) Audit(ctx context.Context, f store.AuditFilter) ([]store.AuditEntry, error) {
	return through(m, ctx, "Audit", func(ctx context.Context, s store.Store) ([]store.AuditEntry, error) { return s.Audit(ctx, f) })
}

func (m memory) AuditHead(ctx context.Context) (anchor, head store.Head, err error) {
	type ends struct{ anchor, head store.Head }
	out, err := through(m, ctx, "AuditHead", func(ctx context.Context, s store.Store) (e ends, err error) {
		e.anchor, e.head, err = s.AuditHead(ctx)
		return e, err
	})
	return out.anchor, out.head, err
}

func (m memory) WalkAudit(ctx context.Context, begin func(anchor, head store.Head) error, each func(store.AuditEntry) error) error {
	return just(m, ctx, "WalkAudit", func(ctx context.Context, s store.Store) error { return s.WalkAudit(ctx, begin, each) })
}

func (m memory) Fact(ctx context.Context, key string) (string, error) {
	return through(m, ctx, "Fact", func(ctx context.Context, s store.Store) (string, error) { return s.Fact(ctx, key) })
}

func (m memory) SetFact(ctx context.Context, key, value string) error {
	return just(m, ctx, "SetFact", func(ctx context.Context, s store.Store) error { return s.SetFact(ctx, key, value) })
}

func (m memory) TakePace(ctx context.Context, key string, now time.Time, rate float64, burst int, most time.Duration) (time.Duration, bool, error) {
	type place struct {
		wait time.Duration
		ok   bool
	}
	out, err := through(m, ctx, "TakePace", func(ctx context.Context, s store.Store) (place, error) {
		wait, ok, err := s.TakePace(ctx, key, now, rate, burst, most)
		return place{wait, ok}, err
	})
	return out.wait, out.ok, err
}

func (m memory) PushPace(ctx context.Context, key string, until time.Time) error {
	return just(m, ctx, "PushPace", func(ctx context.Context, s store.Store) error { return s.PushPace(ctx, key, until) })
}
