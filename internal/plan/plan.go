// Package plan decides: from the rules, the world, what is remembered and the time, which actions are wanted, why, and
// under which guard.
//
// It promises to be a pure function: the same input gives the same plan, byte for byte. Every decision carries its
// reason, for what stays as much as for what goes. It refuses to act on what was not seen whole, to delete what it did
// not make, what is held, or the newest complete backup of a source in a place, and to delete more than the policy's
// limits allow.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Plan is what is to be done, in order, and what is deliberately left alone.
type Plan struct {
	Format   int        `json:"format"` // of this document: 1
	MadeAt   time.Time  `json:"made-at"`
	Policies []string   `json:"policies"`
	Actions  []Action   `json:"actions"`
	Follow   []FollowUp `json:"follow-ups,omitempty"`
	Left     []Left     `json:"left,omitempty"`
	Findings []Finding  `json:"findings,omitempty"`
	Next     time.Time  `json:"next,omitzero"`  // the next slot of these policies; zero when there is none
	Again    time.Time  `json:"again,omitzero"` // when something that failed may be tried again; zero when nothing waits
}

// FollowUp is what the next plans will want once the actions of this one have taken effect.
type FollowUp struct {
	Policy string `json:"policy"`
	Backup string `json:"backup,omitempty"` // id of the backup that will go
	Text   string `json:"text"`
}

// Left is something that a plan leaves alone, with the reason.
type Left struct {
	Policy string       `json:"policy"`
	Backup string       `json:"backup,omitempty"`
	Ref    cloud.Ref    `json:"ref,omitzero"`    // the source
	Place  *cloud.Place `json:"place,omitempty"` // of a copy: where it is, or is to be
	Why    string       `json:"why"`
	Kind   LeftKind     `json:"kind"`
}

// LeftKind groups what is left alone.
type LeftKind string

// The kinds of what is left alone.
const (
	LeftKept    LeftKind = "kept"    // a rule keeps the backup
	LeftHeld    LeftKind = "held"    // a person's stop
	LeftPending LeftKind = "pending" // being made
	LeftUnknown LeftKind = "unknown" // could not be seen
	LeftOrphan  LeftKind = "orphan"  // the source is gone
	LeftBroken  LeftKind = "broken"  // failed or incomplete, and nothing newer is complete yet
	LeftAtWork  LeftKind = "at-work" // an action is under way
	LeftOut     LeftKind = "out"     // an instance that is not due or not selected, with why that may surprise
)

// Finding is something wrong that no action repairs.
type Finding struct {
	Key    string    `json:"key"` // stable while it lasts
	Policy string    `json:"policy,omitempty"`
	Ref    cloud.Ref `json:"ref,omitzero"`
	Grave  bool      `json:"grave,omitempty"` // something is not protected, or not carried out: exit code 3, and people are told
	Text   string    `json:"text"`
}

// Hash names what the plan wants to do, whenever it was made: two plans with the same actions have the same hash.
func (p Plan) Hash() string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, a := range p.Actions {
		enc.Encode(a) // a hash never fails to be written, and an Action always encodes
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Empty says whether there is nothing to do.
func (p Plan) Empty() bool { return len(p.Actions) == 0 }
