package permit

import (
	"fmt"
	"slices"
	"strings"
)

// ramDocument is a policy of Alibaba Cloud RAM.
type ramDocument struct {
	Version   string
	Statement []ramStatement
}

type ramStatement struct {
	Effect    string
	Action    texts
	Resource  texts
	Condition map[string]map[string]texts `json:",omitempty"`
}

// ramMost is how many characters a policy of one's own takes.
const ramMost = 6144

// ram writes a document for Alibaba Cloud. RAM has no condition for what is tagged while it is made, and regions are told
// by the resources.
func ram(d draft) (any, []string) {
	doc := ramDocument{Version: "1"}
	bare := false
	for _, g := range d.grants(d.acs) {
		s := ramStatement{Effect: "Allow", Action: g.actions, Resource: g.resources}
		if g.ours != "" {
			s.Condition = map[string]map[string]texts{"StringLike": {"acs:ResourceTag/" + g.ours: {"*"}}}
		}
		bare = bare || g.ours == "" && slices.Contains(g.actions, "ecs:TagResources")
		doc.Statement = append(doc.Statement, s)
	}
	notes := d.signIn()
	if bare {
		notes = append(notes, "ecs:TagResources cannot be narrowed to what carries our tags: ECS makes the snapshots of groups and under images without any, and Stint tags them afterwards")
	}
	notes = append(notes, d.narrowing()...)
	return doc, append(notes, long(doc, ramMost)...)
}

// acs names the things of ECS; a kind of another service comes with its name before it, as vpc:vswitch, and * is every kind.
func (d draft) acs(kinds, regions []string) []string {
	var out []string
	for _, kind := range kinds {
		service, name := "ecs", kind
		if s, k, other := strings.Cut(kind, ":"); other {
			service, name = s, k
		}
		if name != "*" {
			name += "/*"
		}
		for _, r := range regions {
			out = append(out, fmt.Sprintf("acs:%s:%s:%s:%s", service, r, d.number(), name))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
