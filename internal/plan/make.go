package plan

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/retain"
)

// Input is all that a plan depends on.
type Input struct {
	Now      time.Time
	Rules    policy.Rules
	Policies []string         // which policies to plan; nil: all
	World    *inventory.World // must cover the scopes of these policies; see Scopes
	Memory   Memory

	// RetryBefore lets what failed before this time be tried again at once; what failed later waits its pause.
	RetryBefore time.Time
	// AllowDeletes lifts the breaker for up to this many backups of each policy: a person has looked.
	AllowDeletes int
}

// Memory is what is remembered beyond the world: the intent log.
type Memory struct {
	Actions map[string]Past   // by action id
	Busy    map[Spot]string   // what reads it now (a restore, a copy) or has not settled how it was made, so that it stays
	Unmade  map[Spot][]string // we deleted its image; these snapshots stood under it and may follow
}

// Spot is a backup in one of the places where it is: its copies bear the same id.
type Spot struct {
	Backup string
	Place  cloud.Place
}

func spot(b *inventory.Backup) Spot { return Spot{b.ID, b.Place} }

// Past is an earlier decision with the same identity.
type Past struct {
	Open     bool      // planned, under way or unclear
	Done     bool      // it took effect
	Stopped  bool      // a person cancelled it
	Outdated bool      // it was not begun, since its policy had changed or its plan was old
	Attempts int       // calls made since it was planned last, and how often it was planned anew after it had failed
	At       time.Time // when it ended, or last moved
	Problem  string
}

// Make decides. It never fails: what stands in the way is a finding.
func Make(in Input) Plan {
	p := Plan{Format: 1, MadeAt: in.Now.UTC()}
	backups := in.World.Backups()
	m := maker{in: in, plan: &p, byPolicy: groupByPolicy(backups), used: snapshotUsers(in.World), busy: in.busy(), judge: retain.NewJudge(), running: copiesUnderWay(in.World)}
	p.Left = make([]Left, 0, len(backups))
	for _, pol := range in.Rules.Policies {
		if !in.wants(pol.Name) {
			continue
		}
		p.Policies = append(p.Policies, pol.Name)
		if pol.Backup != nil {
			m.digest = pol.Digest()
			m.backup(pol)
		}
	}
	slices.SortStableFunc(p.Actions, func(a, b Action) int {
		return cmp.Or(cmp.Compare(rank(a.Verb), rank(b.Verb)), a.Place.Compare(b.Place), a.Source.Compare(b.Source),
			cmp.Compare(a.Slot, b.Slot), a.Target.Compare(b.Target), cmp.Compare(a.ID, b.ID))
	})
	slices.SortStableFunc(p.Findings, func(a, b Finding) int { return cmp.Compare(a.Key, b.Key) })
	p.Findings = slices.CompactFunc(p.Findings, func(a, b Finding) bool { return a.Key == b.Key })
	return p
}

// Restoring is how long a backup stays after it was restored from: some clouds still read the snapshot long after the new
// disk is there.
const Restoring = 24 * time.Hour

// busy adds to the memory what the instances tell that were restored lately: the memory may have been lost.
func (in Input) busy() map[Spot]string {
	out := in.Memory.Busy
	for i := range in.World.Instances {
		inst := &in.World.Instances[i]
		id := Spot{inst.Tags.Value(cloud.TagRestored), inst.Ref.Place()}
		if id.Backup == "" || in.Now.Sub(inst.CreatedAt) >= Restoring || out[id] != "" {
			continue
		}
		if len(out) == len(in.Memory.Busy) { // the caller's map stays as it is
			if out = maps.Clone(out); out == nil {
				out = map[Spot]string{}
			}
		}
		out[id] = inst.Ref.ID + " was restored from it, and it stays until that is surely over"
	}
	return out
}

func (in Input) wants(policy string) bool {
	return in.Policies == nil || slices.Contains(in.Policies, policy)
}

// rank orders verbs: first make, then copy, then tag, then delete images, then the snapshots that they stood on.
func rank(v Verb) int {
	switch {
	case v.Copies():
		return 1
	case v.Creates():
		return 0
	case v == SetTags || v == RemoveTags:
		return 2
	case v == DeleteImage:
		return 3
	}
	return 4
}

type maker struct {
	in       Input
	plan     *Plan
	byPolicy map[string][]*inventory.Backup
	used     map[cloud.Ref][]cloud.Ref
	busy     map[Spot]string // Memory.Busy, and what is seen to have been restored lately
	running  map[lane]int    // copies on their way
	bare     map[bareKey]thing
	loose    map[Spot]*inventory.Backup // that belong to no policy any more

	judge *retain.Judge
	items []retain.Item // used again for each source

	digest   string          // of the policy that is being planned
	stays    map[Spot]string // and what of it stays for a copy
	arriving map[Spot]bool   // and what of it is being copied or is to be, where it will be
}

func groupByPolicy(backups []*inventory.Backup) map[string][]*inventory.Backup {
	counts := map[string]int{}
	for _, b := range backups {
		counts[b.Policy]++
	}
	out := make(map[string][]*inventory.Backup, len(counts))
	for name, n := range counts {
		out[name] = make([]*inventory.Backup, 0, n)
	}
	for _, b := range backups {
		out[b.Policy] = append(out[b.Policy], b)
	}
	return out
}

// snapshotUsers says which images stand on each snapshot.
func snapshotUsers(w *inventory.World) map[cloud.Ref][]cloud.Ref {
	out := map[cloud.Ref][]cloud.Ref{}
	for i := range w.Images {
		img := &w.Images[i]
		for _, id := range img.Snapshots {
			ref := cloud.Ref{Account: img.Ref.Account, Region: img.Ref.Region, Kind: cloud.KindSnapshot, ID: id}
			out[ref] = append(out[ref], img.Ref)
		}
	}
	return out
}

func (m *maker) finding(f Finding) { m.plan.Findings = append(m.plan.Findings, f) }

func (m *maker) left(l Left) { m.plan.Left = append(m.plan.Left, l) }

// againAt notes when something may be tried again.
func (m *maker) againAt(t time.Time) {
	if m.plan.Again.IsZero() || t.Before(m.plan.Again) {
		m.plan.Again = t
	}
}

func (m *maker) act(a Action) string {
	a.ID, a.Rule = ActionID(a), m.digest
	m.plan.Actions = append(m.plan.Actions, a)
	return a.ID
}

// Places lists where a policy reaches: each region of each account that it selects. regions gives an account's regions
// when its rule names none.
func Places(rules policy.Rules, pol policy.Policy, regions func(account string) []string) []cloud.Place {
	var out []cloud.Place
	if pol.Backup == nil || pol.Backup.Select.IsEmpty() {
		return nil
	}
	sel := pol.Backup.Select
	for _, a := range rules.Accounts {
		if len(sel.Accounts) > 0 && !slices.Contains(sel.Accounts, a.Name) {
			continue
		}
		list := a.Regions
		if len(list) == 0 {
			list = regions(a.Name)
		}
		for _, r := range list {
			if len(sel.Regions) == 0 || slices.Contains(sel.Regions, r) {
				out = append(out, cloud.Place{Account: a.Name, Region: r})
			}
		}
	}
	slices.SortFunc(out, cloud.Place.Compare)
	return slices.Compact(out)
}

// Scopes lists what must be surveyed to plan a policy. Where it only copies to, the instances do not matter.
func Scopes(rules policy.Rules, pol policy.Policy, regions func(account string) []string) []cloud.Scope {
	var out []cloud.Scope
	for _, p := range Places(rules, pol, regions) {
		for _, k := range []cloud.Kind{cloud.KindInstance, cloud.KindSnapshot, cloud.KindImage} {
			out = append(out, cloud.Scope{Account: p.Account, Region: p.Region, Kind: k})
		}
	}
	if len(out) == 0 {
		return nil
	}
	for _, c := range pol.Backup.Copies {
		for _, k := range copyKinds() {
			out = append(out, cloud.Scope{Account: c.To.Account, Region: c.To.Region, Kind: k})
		}
	}
	slices.SortFunc(out, cloud.Scope.Compare)
	return slices.Compact(out)
}
