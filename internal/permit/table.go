// Package permit writes down what an account's credentials must be allowed to do for exactly the policies that there are:
// the least-privilege documents of each cloud, split by what they are for.
//
// It promises that a document allows every action that these policies come to, and none besides; that it is narrowed to
// the policies' regions, to the account, and to what carries our tags, as far as the cloud's language can say so; that it
// says where the language cannot; and that the same policies give the same bytes. It refuses to ask a cloud anything: which
// actions an operation comes to is a table beside each provider, which a test holds to what the provider really calls.
package permit

import (
	"fmt"
	"maps"
	"slices"
)

// Table says which actions the operations of one cloud come to.
type Table struct {
	Cloud string
	Ops   map[string][]Ask // by cloud.Call.Op
}

// Ask is one action that an operation asks the cloud for.
type Ask struct {
	Action string // as the cloud's policies write it: ec2:DeleteSnapshot

	// On are the kinds of resource that the action is about, all of which must be allowed. Without any the cloud's
	// policies know the action only as a whole.
	On []string

	// Ours is the tag that what the action is about must carry to be touched. Empty where nothing can be asked for: it is
	// not made yet, it is the user's own, or the cloud's policies have no such condition for the action.
	Ours string

	// While is the action that makes what is tagged in the same request: the tags are allowed there only.
	While string

	// Spared says that the operation goes on without the action, and knows less.
	Spared bool
}

// Role is what a document is for.
type Role int

// The roles.
const (
	Look   Role = iota + 1 // sees what there is
	Create                 // makes backups, copies and, if asked for, restores; tags and holds them
	Delete                 // lets backups go, and releases those that are held
	All                    // the three in one
)

var roleNames = [...]string{Look: "look", Create: "create", Delete: "delete", All: "all"}

// String is the role's word.
func (r Role) String() string {
	if r < Look || r > All {
		return fmt.Sprintf("role(%d)", int(r))
	}
	return roleNames[r]
}

// MarshalText writes the role's word.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// ParseRole reads a role's word.
func ParseRole(word string) (Role, bool) {
	i := slices.Index(roleNames[:], word)
	return Role(i), i >= int(Look)
}

// Actions lists every action of the table, each once.
func (t Table) Actions() []string {
	seen := map[string]bool{}
	for _, asks := range t.Ops {
		for _, a := range asks {
			seen[a.Action] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// Of lists the actions of one operation, each once.
func (t Table) Of(op string) []string {
	var out []string
	for _, a := range t.Ops[op] {
		out = append(out, a.Action)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Spared says whether no operation needs the action: those that ask for it go on without, and know less.
func (t Table) Spared(action string) bool {
	spared := false
	for _, asks := range t.Ops {
		for _, a := range asks {
			if a.Action == action && !a.Spared {
				return false
			}
			spared = spared || a.Action == action
		}
	}
	return spared
}
