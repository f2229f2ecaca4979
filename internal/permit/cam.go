package permit

import (
	"slices"

	"github.com/stint-cloud/stint/internal/cloud"
)

// camDocument is a policy of Tencent Cloud CAM.
type camDocument struct {
	Version   string         `json:"version"`
	Statement []camStatement `json:"statement"`
}

type camStatement struct {
	Effect    string                         `json:"effect"`
	Action    []string                       `json:"action"`
	Resource  []string                       `json:"resource"`
	Condition map[string]map[string][]string `json:"condition,omitempty"`
}

// camMost is how many characters a policy takes.
const camMost = 6144

// cam writes a document for Tencent Cloud. Its references do not say alike what each action is about, and an action that
// knows no resources is refused to whoever names some: so all are allowed on *, and what deletes by tag alone. CAM compares
// a tag with its value, which is the policy's name.
func cam(d draft) (any, []string) {
	doc := camDocument{Version: "2.0"}
	byTag := false
	for _, g := range d.grants(func(_, _ []string) []string { return []string{"*"} }) {
		s := camStatement{Effect: "allow", Action: g.actions, Resource: g.resources}
		if g.ours != "" {
			byTag = true
			var values []string
			for _, name := range d.names() {
				values = append(values, g.ours+"&"+name)
			}
			s.Condition = map[string]map[string][]string{"for_any_value:string_equal": {"qcs:resource_tag": values}}
		}
		doc.Statement = append(doc.Statement, s)
	}
	notes := append(d.signIn(), "it is narrowed neither to regions nor to the account: not all of these actions know resources")
	if byTag {
		notes = append(notes, "what deletes asks for the tag "+cloud.TagPolicy+" with the name of one of these policies: backups of a policy that is gone are deleted with its name added")
	}
	if d.has(Create) {
		notes = append(notes, "tag:TagResources cannot be narrowed to what carries our tags: copies and the snapshots under images are made without any, and Stint tags them afterwards")
	}
	if d.has(Delete) {
		notes = append(notes, "tag:UnTagResources cannot be narrowed to what carries our tags")
	}
	return doc, append(notes, long(doc, camMost)...)
}

// names are those of the policies that keep backups in the account.
func (d draft) names() []string {
	var out []string
	for _, pol := range d.rules.Policies {
		if pol.Backup == nil {
			continue
		}
		if _, kept, _ := reach(d.rules, pol, d.account); len(kept) > 0 {
			out = append(out, pol.Name)
		}
	}
	slices.Sort(out)
	return out
}
