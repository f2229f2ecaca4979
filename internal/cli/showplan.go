package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
)

// How much of a long plan is shown without --verbose.
const (
	shownGroups = 8 // of one policy in one place
	shownNames  = 8 // of one group
	shownLeft   = 5 // of one kind that is left alone
	shownFollow = 4
)

// group is what happens for the same reason in one place.
type group struct {
	verb   plan.Verb
	reason string
	what   []plan.Action
}

// showPlan writes a plan for people: what is to be done, why, what follows, and what is left alone.
func (p *page) showPlan(pl plan.Plan, verbose bool) {
	for _, part := range parts(pl) {
		p.line("%s  %s", p.bold(part.policy), p.dim(part.place.String()))
		groups := grouped(part.actions)
		shown, hidden := groups, 0
		if !verbose && len(groups) > shownGroups {
			shown = groups[:shownGroups]
			for _, g := range groups[shownGroups:] {
				hidden += len(g.what)
			}
		}
		for _, g := range shown {
			p.showGroup(g, verbose)
		}
		if hidden > 0 {
			p.line("  %s", p.dim("… and "+count(hidden, "more action", "more actions")+" (--verbose shows all)"))
		}
		p.line("")
	}
	p.showFollow(pl.Follow, verbose)
	p.showLeft(pl.Left, verbose)
	p.showFindings(pl.Findings)
	p.line("%s", p.sum(pl))
	if !pl.Next.IsZero() {
		p.line("%s %s (%s)", p.dim("The next slot is"), p.time(pl.Next), ago(p.now, pl.Next))
	}
	if !pl.Again.IsZero() {
		p.line("%s %s", p.dim("What failed is tried again by itself after"), p.time(pl.Again))
	}
}

// part is what one policy does in one place.
type planPart struct {
	policy  string
	place   cloud.Place
	actions []plan.Action
}

func parts(pl plan.Plan) []planPart {
	var out []planPart
	for _, a := range pl.Actions {
		name := a.Policy
		if name == "" {
			name = "by hand"
		}
		i := slices.IndexFunc(out, func(x planPart) bool { return x.policy == name && x.place == a.Place })
		if i < 0 {
			out = append(out, planPart{policy: name, place: a.Place})
			i = len(out) - 1
		}
		out[i].actions = append(out[i].actions, a)
	}
	slices.SortStableFunc(out, func(a, b planPart) int {
		if c := strings.Compare(a.policy, b.policy); c != 0 {
			return c
		}
		return a.place.Compare(b.place)
	})
	return out
}

func grouped(actions []plan.Action) []group {
	var out []group
	index := map[string]int{}
	for _, a := range actions {
		key := a.Verb.String() + "\x00" + a.Reason
		i, ok := index[key]
		if !ok {
			i = len(out)
			index[key] = i
			out = append(out, group{verb: a.Verb, reason: a.Reason})
		}
		out[i].what = append(out[i].what, a)
	}
	return out
}

func (p *page) showGroup(g group, verbose bool) {
	if len(g.what) == 1 {
		a := g.what[0]
		p.wrap(fmt.Sprintf("  %s ", p.sign(g.verb)), "      ", fmt.Sprintf("%s %s", deed(g.verb), p.bold(subject(a))))
		p.wrap("      ", "      ", p.dim(g.reason))
		if verbose {
			p.line("      %s", p.dim(a.ID))
		}
		return
	}
	p.wrap(fmt.Sprintf("  %s ", p.sign(g.verb)), "      ", fmt.Sprintf("%s %s", deeds(g.verb), p.bold(plural(g.verb, len(g.what)))))
	p.wrap("      ", "      ", p.dim(g.reason))
	if verbose {
		for _, a := range g.what {
			p.line("      %s  %s", subject(a), p.dim(a.ID))
		}
		return
	}
	names := make([]string, len(g.what))
	for i, a := range g.what {
		names[i] = cmp.Or(a.Label, a.Target.ID)
	}
	slices.SortFunc(names, byNumber)
	names = names[:min(len(names), shownNames)]
	text := strings.Join(names, ", ")
	if more := len(g.what) - len(names); more > 0 {
		text += " and " + thousands(more) + " more"
	}
	p.wrap("      ", "      ", text)
}

// byNumber orders names as people do: web-2 before web-10.
func byNumber(a, b string) int {
	stem := func(s string) string { return strings.TrimRight(s, "0123456789") }
	x, y := stem(a), stem(b)
	return cmp.Or(strings.Compare(x, y), cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func plural(v plan.Verb, n int) string {
	switch v {
	case plan.TakeSnapshot:
		return count(n, "disk", "disks")
	case plan.TakeSnapshotSet, plan.TakeImage:
		return count(n, "instance", "instances")
	case plan.DeleteSnapshot, plan.CopySnapshot:
		return count(n, "snapshot", "snapshots")
	case plan.DeleteImage, plan.CopyImage:
		return count(n, "image", "images")
	}
	return count(n, "resource", "resources")
}

func (p *page) showFollow(list []plan.FollowUp, verbose bool) {
	if len(list) == 0 {
		return
	}
	p.line("%s", p.bold("Then follows"))
	for i, f := range list {
		if !verbose && i == shownFollow {
			p.line("  %s", p.dim("… and "+thousands(len(list)-i)+" more"))
			break
		}
		p.wrap("  › ", "    ", f.Policy+": "+f.Text)
	}
	p.line("")
}

// leftKinds is the order in which what is left alone is told, how each kind is called, and whether each is told by
// itself although the reader did not ask for all.
var leftKinds = []struct {
	kind       plan.LeftKind
	one, many  string
	listAlways bool
}{
	{plan.LeftUnknown, "kind of thing could not be seen", "kinds of things could not be seen", false}, // the findings say why
	{plan.LeftBroken, "failed or incomplete backup", "failed or incomplete backups", true},
	{plan.LeftHeld, "backup held by a person", "backups held by people", true},
	{plan.LeftOrphan, "backup whose source is gone", "backups whose source is gone", false},
	{plan.LeftAtWork, "action under way", "actions under way", false},
	{plan.LeftPending, "being made, or waiting for its turn", "being made, or waiting for their turn", false},
	{plan.LeftOut, "instance not due", "instances not due", true},
	{plan.LeftKept, "backup kept by rule", "backups kept by rule", false},
}

func (p *page) showLeft(list []plan.Left, verbose bool) {
	if len(list) == 0 {
		return
	}
	p.line("%s", p.bold("Left alone"))
	for _, k := range leftKinds {
		var of []plan.Left
		for _, l := range list {
			if l.Kind == k.kind {
				of = append(of, l)
			}
		}
		if len(of) == 0 {
			continue
		}
		p.line("  %s", count(len(of), k.one, k.many))
		if !verbose && !k.listAlways {
			continue
		}
		most := len(of)
		if !verbose {
			most = min(most, shownLeft)
		}
		for _, l := range of[:most] {
			p.wrap("    · ", "      ", leftText(l))
		}
		if most < len(of) {
			p.line("    %s", p.dim("… and "+thousands(len(of)-most)+" more"))
		}
	}
	p.line("")
}

func leftText(l plan.Left) string {
	what := l.Policy
	switch {
	case l.Ref.ID != "":
		what += ", " + l.Ref.Source()
	case !l.Ref.IsZero():
		what += ", " + l.Ref.Kind.String() + "s of " + l.Ref.Place().String()
	}
	if l.Backup != "" {
		what += ", backup " + l.Backup
	}
	if l.Place != nil {
		what += " in " + l.Place.String()
	}
	return what + ": " + l.Why
}

func (p *page) showFindings(list []plan.Finding) {
	for _, grave := range []bool{true, false} {
		for _, f := range list {
			if f.Grave != grave {
				continue
			}
			mark := p.yellow("! ")
			if f.Grave {
				mark = p.red("✗ ")
			}
			text := f.Text
			if f.Policy != "" {
				text = f.Policy + ": " + text
			}
			p.wrap(mark, "  ", text)
		}
	}
	if len(list) > 0 {
		p.line("")
	}
}

// sum is the plan in one line.
func (p *page) sum(pl plan.Plan) string {
	make, change, del := tally(pl.Actions)
	if make+change+del == 0 {
		if grave(pl.Findings) > 0 {
			return p.yellow("Nothing to do that could be done: see above.")
		}
		return p.green("Nothing to do.") + " " + "Everything is as the policies want it."
	}
	var parts []string
	if make > 0 {
		parts = append(parts, p.green(thousands(make)+" to make"))
	}
	if change > 0 {
		parts = append(parts, p.yellow(thousands(change)+" to tag"))
	}
	if del > 0 {
		parts = append(parts, p.red(thousands(del)+" to delete"))
	}
	return p.bold("Plan: ") + strings.Join(parts, ", ") + "."
}

func tally(actions []plan.Action) (make, change, del int) {
	for _, a := range actions {
		switch {
		case a.Verb.Creates():
			make++
		case a.Verb.Deletes():
			del++
		default:
			change++
		}
	}
	return make, change, del
}

func grave(list []plan.Finding) int {
	n := 0
	for _, f := range list {
		if f.Grave {
			n++
		}
	}
	return n
}
