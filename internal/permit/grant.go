package permit

import (
	"slices"
	"strings"
)

// grant is one line of a document: these actions on these resources, if the condition holds.
type grant struct {
	actions   []string
	resources []string
	ours      string   // the tag that the resources must carry
	while     []string // the actions within which it is allowed
	regions   []string // where it may be asked, when the resources do not say so
}

// grants are the lines that the needs come to, lines that differ in their actions alone merged. resources says how the
// cloud names kinds of things in regions.
func (d draft) grants(resources func(kinds, regions []string) []string) []grant {
	var out []grant
	for _, n := range d.needs {
		for _, ask := range d.table.Ops[n.op] {
			kinds := slices.DeleteFunc(slices.Clone(ask.On), func(k string) bool { return n.kinds != nil && !slices.Contains(n.kinds, k) })
			if len(kinds) == 0 && len(ask.On) > 0 {
				continue // of kinds that are not tagged here
			}
			g := grant{actions: []string{ask.Action}, ours: ask.Ours, resources: []string{"*"}}
			if ask.While != "" && d.account.Cloud == "aws" { // the others have no such condition
				g.while = []string{ask.While}
			}
			if len(kinds) > 0 {
				g.resources = resources(kinds, n.regions)
			} else if !slices.Contains(n.regions, anywhere) && d.account.Cloud == "aws" {
				g.regions = n.regions
			}
			out = merge(out, g)
		}
	}
	return prune(out)
}

// merge adds a line, or what it allows to one that is like it.
func merge(all []grant, g grant) []grant {
	for i := range all {
		o := &all[i]
		if o.ours != g.ours || !slices.Equal(o.resources, g.resources) || !slices.Equal(o.regions, g.regions) {
			continue
		}
		switch {
		case len(o.while) == 0 && len(g.while) == 0:
			o.actions = union(o.actions, g.actions)
			return all
		case len(o.while) > 0 && len(g.while) > 0 && slices.Equal(o.actions, g.actions):
			o.while = union(o.while, g.while)
			return all
		}
	}
	return append(all, g)
}

// prune takes out what other lines allow already, and lines of which nothing is left.
func prune(all []grant) []grant {
	for i := range all {
		all[i].actions = slices.DeleteFunc(slices.Clone(all[i].actions), func(action string) bool { return covered(all, i, action) })
	}
	return slices.DeleteFunc(all, func(g grant) bool { return len(g.actions) == 0 })
}

// covered says whether the other lines allow an action of one everywhere where that one does.
func covered(all []grant, i int, action string) bool {
	var elsewhere []string
	for j, o := range all {
		if j != i && o.ours == "" && len(o.while) == 0 && slices.Contains(o.actions, action) && slices.Equal(o.regions, all[i].regions) {
			elsewhere = append(elsewhere, o.resources...)
		}
	}
	for _, r := range all[i].resources {
		if !slices.ContainsFunc(elsewhere, func(o string) bool { return covers(o, r) }) {
			return false
		}
	}
	return true
}

// covers says whether one resource, which may end in *, holds another.
func covers(wide, narrow string) bool {
	begin, open := strings.CutSuffix(wide, "*")
	return wide == narrow || open && strings.HasPrefix(narrow, begin)
}
