package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/policy"
)

// covered is what a policy reaches in the world.
type covered struct {
	places    map[cloud.Place]bool // where everything could be seen whole
	instances map[string]*cloud.Instance
	gone      func(source string) bool // seen whole, and not there
	selected  []*cloud.Instance
}

// covers finds what the policy reaches, and says what could not be seen.
func (m *maker) covers(pol policy.Policy) covered {
	w, b := m.in.World, pol.Backup
	out := covered{places: map[cloud.Place]bool{}, instances: map[string]*cloud.Instance{}}
	for _, place := range m.places(pol) {
		out.places[place] = m.sees(pol, place, cloud.KindInstance, cloud.KindSnapshot, cloud.KindImage)
	}
	for _, c := range b.Copies {
		if _, selected := out.places[c.To]; !selected {
			out.places[c.To] = m.sees(pol, c.To, copyKinds()...)
		}
	}
	for i := range w.Instances {
		inst := &w.Instances[i]
		if inst.Power == cloud.PowerGone {
			continue
		}
		out.instances[inst.Ref.Source()] = inst
		if !out.places[inst.Ref.Place()] {
			continue
		}
		if m.selects(pol, inst) {
			out.selected = append(out.selected, inst)
		}
	}
	out.gone = func(source string) bool {
		if out.instances[source] != nil {
			return false
		}
		parts := strings.SplitN(source, "/", 3)
		return len(parts) == 3 && w.Whole(cloud.Scope{Account: parts[0], Region: parts[1], Kind: cloud.KindInstance})
	}
	if len(out.selected) == 0 && b.Select.IsEmpty() {
		m.finding(Finding{Key: "selects-nothing/" + pol.Name, Policy: pol.Name, Grave: true, Text: "its selector is empty, so it selects nothing"})
	}
	return out
}

// places are those of the policy that the world knows of.
func (m *maker) places(pol policy.Policy) []cloud.Place {
	known := map[string][]string{}
	seen := map[cloud.Place]bool{}
	for s := range m.in.World.Looks {
		if !seen[s.Place()] {
			seen[s.Place()] = true
			known[s.Account] = append(known[s.Account], s.Region)
		}
	}
	for _, acc := range m.in.Rules.Accounts {
		selected := len(pol.Backup.Select.Accounts) == 0 || slices.Contains(pol.Backup.Select.Accounts, acc.Name)
		if selected && len(acc.Regions) == 0 && len(known[acc.Name]) == 0 {
			m.finding(Finding{
				Key: "unseen/" + acc.Name, Ref: cloud.Ref{Account: acc.Name}, Grave: true,
				Text: fmt.Sprintf("the regions of the account %s are not known, so nothing is created or deleted there: see why it could not be reached", acc.Name),
			})
		}
	}
	return Places(m.in.Rules, pol, func(account string) []string { return known[account] })
}

// sees says whether everything that the policy needs of a place was seen to the end, and makes a finding when it was not:
// one for each reason, however many kinds it struck.
func (m *maker) sees(pol policy.Policy, place cloud.Place, needed ...cloud.Kind) bool {
	var reasons []string
	kinds := map[string][]string{}
	for _, kind := range needed {
		look := m.in.World.Looks[cloud.Scope{Account: place.Account, Region: place.Region, Kind: kind}]
		if look.Whole() {
			continue
		}
		if kind == cloud.KindSnapshot && pol.Backup.Method == policy.MethodImage && look.Class == cloud.ClassName(cloud.ErrUnsupported) {
			continue // the place has no block storage at all: its images stand on no snapshots
		}
		why := look.Problem
		if why == "" {
			why = "it was not looked at yet"
		}
		if kinds[why] == nil {
			reasons = append(reasons, why)
		}
		kinds[why] = append(kinds[why], kind.String()+"s")
		m.left(Left{Policy: pol.Name, Kind: LeftUnknown, Ref: cloud.Ref{Account: place.Account, Region: place.Region, Kind: kind}, Why: why})
	}
	for _, why := range reasons {
		m.finding(Finding{
			Key: "unseen/" + place.String() + "/" + strings.Join(kinds[why], "+"), Ref: cloud.Ref{Account: place.Account, Region: place.Region}, Grave: true,
			Text: fmt.Sprintf("the %s of %s could not be seen, so nothing is created or deleted for them: %s", and(kinds[why]), place, why),
		})
	}
	return len(reasons) == 0
}

// copyKinds are the kinds of thing that must be seen where copies are.
func copyKinds() []cloud.Kind { return []cloud.Kind{cloud.KindSnapshot, cloud.KindImage} }

// and joins words as people do.
func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

func (m *maker) selects(pol policy.Policy, inst *cloud.Instance) bool {
	b := pol.Backup
	if !b.Select.Match(inst) {
		return false
	}
	if b.Where == nil {
		return true
	}
	account, _ := m.in.Rules.FindAccount(inst.Ref.Account)
	ok, err := b.Where.Match(policy.Subject{Instance: inst, Account: account})
	if err != nil {
		m.finding(Finding{
			Key: "where/" + pol.Name + "/" + inst.Ref.String(), Policy: pol.Name, Ref: inst.Ref, Grave: true,
			Text: fmt.Sprintf("its condition could not be judged for %s, so the instance is not covered: %v", label(inst), err),
		})
		return false
	}
	return ok
}
