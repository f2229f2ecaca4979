package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/store"
)

// Cover says how well one policy protects one instance in one place.
type Cover string

// The covers, worst last.
const (
	CoverGood    Cover = "protected"   // the newest complete backup is as young as the schedule promises
	CoverWaiting Cover = "waiting"     // too new to have had a slot
	CoverLate    Cover = "late"        // the newest complete backup is older than the schedule promises
	CoverNone    Cover = "unprotected" // no complete backup, or no policy
	CoverUnknown Cover = "unknown"     // the scope could not be seen
)

// Protection is one instance with what one policy does for it.
type Protection struct {
	Instance cloud.Ref   `json:"instance"`
	Name     string      `json:"name,omitempty"`
	Policy   string      `json:"policy,omitempty"` // empty: no policy selects it
	Place    cloud.Place `json:"place"`
	Cover    Cover       `json:"cover"`
	Newest   time.Time   `json:"newest,omitzero"` // of the newest complete backup
	Backup   string      `json:"backup,omitempty"`
	Backups  int         `json:"backups"` // complete ones
	Held     int         `json:"held,omitempty"`
	Pending  int         `json:"pending,omitempty"`
	Why      string      `json:"why,omitempty"`
	Copies   []CopyCover `json:"copies,omitempty"` // in each place that the policy copies to
}

// Status is what there is to know at a glance.
type Status struct {
	At        time.Time        `json:"at"`
	Protected []Protection     `json:"instances"`
	Counts    map[Cover]int    `json:"counts"`
	Incidents []store.Incident `json:"incidents,omitempty"`
	Policies  []PolicyStatus   `json:"policies"`
	Surveys   []store.Survey   `json:"surveys"`
	Active    []store.Run      `json:"active-runs,omitempty"`
}

// PolicyStatus is one policy with its next slot.
type PolicyStatus struct {
	Name      string    `json:"name"`
	Schedule  string    `json:"schedule"`
	Next      time.Time `json:"next,omitzero"`
	Disabled  bool      `json:"disabled,omitempty"`
	Instances int       `json:"instances"`
	Backups   int       `json:"backups"` // complete, in all places
	PlannedAt time.Time `json:"planned-at,omitzero"`
}

// Status reads the store alone and calls no cloud.
func (a *App) Status(ctx context.Context, now time.Time) (Status, error) {
	st := Status{At: now, Counts: map[Cover]int{}}
	scopes, err := a.Scopes(ctx, nil)
	if err != nil {
		return st, err
	}
	world, err := a.opt.Store.World(ctx, scopes)
	if err != nil {
		return st, err
	}
	if st.Incidents, err = a.opt.Store.Incidents(ctx, false, 1000); err != nil {
		return st, err
	}
	if st.Surveys, err = a.opt.Store.Surveys(ctx); err != nil {
		return st, err
	}
	if st.Active, err = a.opt.Store.ActiveRuns(ctx); err != nil {
		return st, err
	}
	states, err := a.opt.Store.PolicyStates(ctx)
	if err != nil {
		return st, err
	}
	c := coverage{now: now, rules: a.opt.Rules, world: &world, backups: map[coverKey][]*inventory.Backup{}}
	list := world.Backups()
	perPolicy := map[string]int{}
	for _, b := range list {
		key := coverKey{b.Policy, b.Source, b.Place}
		c.backups[key] = append(c.backups[key], b)
		if b.Standing == inventory.Complete {
			perPolicy[b.Policy]++
		}
	}
	for i := range world.Instances {
		if world.Instances[i].Power != cloud.PowerGone {
			st.Protected = append(st.Protected, c.of(&world.Instances[i])...)
		}
	}
	instances := map[string]int{}
	for _, p := range st.Protected {
		st.Counts[p.Cover]++
		instances[p.Policy]++
	}
	for _, pol := range a.opt.Rules.Policies {
		ps := PolicyStatus{Name: pol.Name, Disabled: pol.Disabled, Instances: instances[pol.Name], Backups: perPolicy[pol.Name]}
		if pol.Backup != nil {
			ps.Schedule = pol.Backup.When.String()
			if next, ok := pol.Backup.When.Next(now); ok && !pol.Disabled {
				ps.Next = next
			}
		}
		for _, s := range states {
			if s.Name == pol.Name {
				ps.PlannedAt = s.PlannedAt
			}
		}
		st.Policies = append(st.Policies, ps)
	}
	return st, nil
}

// CopyCover is how the copies of one instance's backups stand in one place.
type CopyCover struct {
	Place   cloud.Place `json:"place"`
	Cover   Cover       `json:"cover"`
	Newest  time.Time   `json:"newest,omitzero"` // of the newest complete copy: when its slot was
	Backup  string      `json:"backup,omitempty"`
	Backups int         `json:"backups"` // complete ones
	Held    int         `json:"held,omitempty"`
	Pending int         `json:"pending,omitempty"`
	Why     string      `json:"why,omitempty"`
}

type coverKey struct {
	policy, source string
	place          cloud.Place
}

type coverage struct {
	now     time.Time
	rules   policy.Rules
	world   *inventory.World
	backups map[coverKey][]*inventory.Backup
}

// of judges one instance under every policy that selects it.
func (c coverage) of(inst *cloud.Instance) []Protection {
	var out []Protection
	for _, pol := range c.rules.Policies {
		if pol.Backup == nil || pol.Disabled || !pol.Backup.Select.Match(inst) {
			continue
		}
		if pol.Backup.Where != nil {
			account, _ := c.rules.FindAccount(inst.Ref.Account)
			if ok, err := pol.Backup.Where.Match(policy.Subject{Instance: inst, Account: account}); err != nil || !ok {
				continue
			}
		}
		out = append(out, c.under(inst, pol))
	}
	if len(out) == 0 && !inst.Tags.Has(cloud.TagRole) {
		out = append(out, Protection{Instance: inst.Ref, Name: inst.Name, Place: inst.Ref.Place(), Cover: CoverNone, Why: "no policy selects it"})
	}
	return out
}

func (c coverage) under(inst *cloud.Instance, pol policy.Policy) Protection {
	p := Protection{Instance: inst.Ref, Name: inst.Name, Policy: pol.Name, Place: inst.Ref.Place(), Cover: CoverNone}
	for _, b := range c.backups[coverKey{pol.Name, inst.Ref.Source(), p.Place}] {
		switch b.Standing {
		case inventory.Complete:
			p.Backups++
			if b.Hold != "" {
				p.Held++
			}
			if b.Time.After(p.Newest) {
				p.Newest, p.Backup = b.Time, b.ID
			}
		case inventory.Pending:
			p.Pending++
		}
	}
	look := c.look(pol, p.Place)
	promise := pol.Backup.When.Period() + pol.Backup.CatchUp
	switch age := c.now.Sub(p.Newest); {
	case look.SeenAt.IsZero():
		p.Cover, p.Why = CoverUnknown, cmp.Or(look.Problem, "its backups were not looked at yet")
	case p.Backups == 0 && c.now.Sub(inst.CreatedAt) < promise:
		p.Cover, p.Why = CoverWaiting, "it is newer than the schedule's promise"
	case p.Backups == 0:
		p.Why = "no complete backup"
	case age > promise:
		p.Cover, p.Why = CoverLate, fmt.Sprintf("the newest is %s old, the schedule promises %s", age.Round(time.Minute), promise)
	default:
		p.Cover = CoverGood
	}
	for _, to := range pol.Backup.Copies {
		if to.To != p.Place {
			p.Copies = append(p.Copies, c.copied(inst, pol, to.To))
		}
	}
	return p
}

// look is how the place was seen in which the policy keeps backups.
func (c coverage) look(pol policy.Policy, place cloud.Place) inventory.Look {
	kind := cloud.KindSnapshot
	if pol.Backup.Method == policy.MethodImage {
		kind = cloud.KindImage
	}
	return c.world.Looks[cloud.Scope{Account: place.Account, Region: place.Region, Kind: kind}]
}

// copied judges the copies in one place. A copy takes its time, so it may be one slot behind its original.
func (c coverage) copied(inst *cloud.Instance, pol policy.Policy, to cloud.Place) CopyCover {
	v := CopyCover{Place: to, Cover: CoverNone}
	for _, b := range c.backups[coverKey{pol.Name, inst.Ref.Source(), to}] {
		switch b.Standing {
		case inventory.Complete:
			v.Backups++
			if b.Hold != "" {
				v.Held++
			}
			if b.Time.After(v.Newest) {
				v.Newest, v.Backup = b.Time, b.ID
			}
		case inventory.Pending:
			v.Pending++
		}
	}
	look := c.look(pol, to)
	promise := 2*pol.Backup.When.Period() + pol.Backup.CatchUp
	switch age := c.now.Sub(v.Newest); {
	case look.SeenAt.IsZero():
		v.Cover, v.Why = CoverUnknown, cmp.Or(look.Problem, "its copies were not looked at yet")
	case v.Backups == 0 && v.Pending > 0, v.Backups == 0 && c.now.Sub(inst.CreatedAt) < promise:
		v.Cover, v.Why = CoverWaiting, "the first copy is to come"
	case v.Backups == 0:
		v.Why = "no complete copy"
	case age > promise:
		v.Cover, v.Why = CoverLate, fmt.Sprintf("the newest is of %s ago, two slots are %s", age.Round(time.Minute), promise)
	default:
		v.Cover = CoverGood
	}
	return v
}

// originalFirst orders the places of one backup.
func originalFirst(x, y inventory.Backup) int {
	switch {
	case x.Copied == y.Copied:
		return x.Place.Compare(y.Place)
	case y.Copied:
		return -1
	}
	return 1
}

// Backups lists every backup that the store knows of in the rules' scopes, the newest first, and each before its copies.
func (a *App) Backups(ctx context.Context) ([]inventory.Backup, error) {
	scopes, err := a.Scopes(ctx, nil)
	if err != nil {
		return nil, err
	}
	world, err := a.opt.Store.World(ctx, scopes)
	if err != nil {
		return nil, err
	}
	var list []inventory.Backup
	for _, b := range world.Backups() {
		list = append(list, *b)
	}
	made := map[string]time.Time{} // of the originals: their copies stand with them
	for _, b := range list {
		if !b.Copied {
			made[b.ID] = b.Time
		}
	}
	when := func(b inventory.Backup) time.Time {
		if at, ok := made[b.ID]; ok {
			return at
		}
		return b.Time
	}
	slices.SortStableFunc(list, func(x, y inventory.Backup) int {
		return cmp.Or(when(y).Compare(when(x)), cmp.Compare(x.Source, y.Source), cmp.Compare(x.ID, y.ID), originalFirst(x, y))
	})
	return list, nil
}
