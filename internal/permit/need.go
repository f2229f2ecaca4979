package permit

import (
	"cmp"
	"slices"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/policy"
)

// anywhere stands for the regions of an account that names none: nobody knows them without asking the cloud.
const anywhere = "*"

// need is one operation that the policies come to, where, and on which kinds of thing.
type need struct {
	role    Role
	op      string
	regions []string // sorted; anywhere alone when they are not known
	kinds   []string // of what is tagged; nil: all that the table names
}

// needs are what the policies come to in one account, each operation of a role once.
func needs(rules policy.Rules, a policy.Account, t Table, restore bool) []need {
	var out []need
	add := func(role Role, op string, regions []string, kinds ...string) {
		if _, known := t.Ops[op]; !known || len(regions) == 0 {
			return
		}
		i := slices.IndexFunc(out, func(n need) bool { return n.role == role && n.op == op })
		if i < 0 {
			out = append(out, need{role: role, op: op})
			i = len(out) - 1
		}
		out[i].regions = union(out[i].regions, regions)
		out[i].kinds = union(out[i].kinds, kinds)
	}
	for _, pol := range rules.Policies {
		if pol.Backup == nil {
			continue
		}
		made, kept, looks := reach(rules, pol, a)
		if len(kept) == 0 {
			continue
		}
		if len(a.Regions) == 0 {
			add(Look, "region.list", []string{anywhere})
		}
		for _, kind := range []cloud.Kind{cloud.KindInstance, cloud.KindSnapshot, cloud.KindImage} {
			add(Look, kind.String()+".list", looks[kind])
		}
		image := pol.Backup.Method == policy.MethodImage
		kinds := []string{cloud.KindSnapshot.String()}
		if image {
			kinds = append(kinds, cloud.KindImage.String())
		}
		if !pol.Disabled { // a policy that is disabled neither makes nor lets go; hands still may
			add(Create, making(t, image), made)
			for _, c := range pol.Backup.Copies {
				if c.To.Account == a.Name && image {
					add(Create, "image.copy", union(made, []string{c.To.Region}))
				} else if c.To.Account == a.Name {
					add(Create, "snapshot.copy", union(made, []string{c.To.Region}))
				}
			}
		}
		add(Create, "tag.set", kept, kinds...)
		add(Delete, "snapshot.delete", kept)
		if image {
			add(Delete, "image.delete", kept)
		}
		add(Delete, "tag.remove", kept, kinds...)
		if restore && image {
			add(Look, "instance.list", kept)
			add(Create, "instance.run", kept)
		} else if restore {
			add(Look, "disk.list", kept)
			add(Create, "disk.create", kept)
		}
	}
	slices.SortFunc(out, func(x, y need) int { return cmp.Or(cmp.Compare(x.role, y.role), cmp.Compare(x.op, y.op)) })
	return out
}

// making is the operation that makes a backup.
func making(t Table, image bool) string {
	if image {
		return "image.create"
	}
	if _, sets := t.Ops["snapshotset.create"]; sets {
		return "snapshotset.create"
	}
	return "snapshot.create"
}

// reach says in which regions of the account a policy makes backups, in which it keeps any, copies included, and in which
// it looks for things of each kind. It is the planner's own answer.
func reach(rules policy.Rules, pol policy.Policy, a policy.Account) (made, kept []string, looks map[cloud.Kind][]string) {
	looks = map[cloud.Kind][]string{}
	unknown := func(string) []string {
		if len(pol.Backup.Select.Regions) > 0 {
			return pol.Backup.Select.Regions
		}
		return []string{anywhere}
	}
	for _, p := range plan.Places(rules, pol, unknown) {
		if p.Account == a.Name {
			made = union(made, []string{p.Region})
		}
	}
	for _, s := range plan.Scopes(rules, pol, unknown) {
		if s.Account == a.Name {
			looks[s.Kind] = union(looks[s.Kind], []string{s.Region})
			kept = union(kept, []string{s.Region})
		}
	}
	return made, kept, looks
}

// union is both, sorted, each once. Anywhere holds every region.
func union(a, b []string) []string {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	out = slices.Compact(out)
	if slices.Contains(out, anywhere) {
		return []string{anywhere}
	}
	return out
}
