package plan

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Verb is what an action does: one mutating call to one cloud.
type Verb int

// The verbs.
const (
	TakeSnapshot    Verb = iota + 1 // one disk
	TakeSnapshotSet                 // all disks of an instance at one moment
	TakeImage
	DeleteSnapshot
	DeleteImage
	SetTags
	RemoveTags
	RunInstance
	MakeDisk
	CopyImage
	CopySnapshot
)

var verbNames = [...]string{
	TakeSnapshot: "snapshot", TakeSnapshotSet: "snapshot-set", TakeImage: "image", DeleteSnapshot: "delete-snapshot",
	DeleteImage: "delete-image", SetTags: "set-tags", RemoveTags: "remove-tags", RunInstance: "run-instance", MakeDisk: "make-disk",
	CopyImage: "copy-image", CopySnapshot: "copy-snapshot",
}

// String is the verb's word in plans, rows and JSON.
func (v Verb) String() string {
	if v < 1 || int(v) >= len(verbNames) {
		return fmt.Sprintf("verb(%d)", int(v))
	}
	return verbNames[v]
}

// MarshalText writes the verb's word.
func (v Verb) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the verb's word.
func (v *Verb) UnmarshalText(b []byte) error {
	for i := 1; i < len(verbNames); i++ {
		if verbNames[i] == string(b) {
			*v = Verb(i)
			return nil
		}
	}
	return fmt.Errorf("unknown verb %q", b)
}

// Creates says whether the verb makes something new.
func (v Verb) Creates() bool {
	switch v {
	case TakeSnapshot, TakeSnapshotSet, TakeImage, RunInstance, MakeDisk, CopyImage, CopySnapshot:
		return true
	}
	return false
}

// Copies says whether the verb makes a copy of what is there.
func (v Verb) Copies() bool { return v == CopyImage || v == CopySnapshot }

// Deletes says whether the verb destroys something.
func (v Verb) Deletes() bool { return v == DeleteSnapshot || v == DeleteImage }

// Action is one decision: one mutating call, why, and what must still be true at the last moment. Its ID is a hash of
// what it is about, so the same decision made twice is the same action.
type Action struct {
	ID     string      `json:"id"`
	Verb   Verb        `json:"verb"`
	Policy string      `json:"policy,omitempty"` // empty when a person asked for it
	Place  cloud.Place `json:"place"`            // where it has its effect; of a copy, where that will be
	Source cloud.Ref   `json:"source"`           // the instance that the backup is of
	Slot   string      `json:"slot,omitempty"`   // RFC 3339 in UTC, or an event's id
	Backup string      `json:"backup,omitempty"` // the backup's id
	Target cloud.Ref   `json:"target"`           // what the call is about
	Label  string      `json:"label,omitempty"`  // the target's name, for people
	Try    int         `json:"try,omitempty"`    // which try at the same thing, from 0
	Rule   string      `json:"rule,omitempty"`   // digest of the policy as it was when it decided; see policy.Policy.Digest
	Until  time.Time   `json:"until,omitzero"`   // of a create: it is not begun after the slot's catch-up time; one that was begun is repeated a little longer
	Reason string      `json:"reason"`
	After  []string    `json:"after,omitempty"` // ids of actions that must be done before
	Guard  Guard       `json:"guard"`

	Snapshot *cloud.NewSnapshot    `json:"snapshot,omitempty"`
	Set      *cloud.NewSnapshotSet `json:"set,omitempty"`
	Image    *cloud.NewImage       `json:"image,omitempty"`
	Instance *cloud.NewInstance    `json:"instance,omitempty"`
	Disk     *cloud.NewDisk        `json:"disk,omitempty"`
	Copy     *cloud.NewCopy        `json:"copy,omitempty"`
	Tags     cloud.Tags            `json:"tags,omitempty"`  // of SetTags
	Keys     []string              `json:"keys,omitempty"`  // of RemoveTags
	Under    []string              `json:"under,omitempty"` // of DeleteImage: the snapshots that the image stands on, which may follow it
}

// Guard is what must be seen to be true, freshly, right before the call. An action whose guard fails is skipped, and
// the next plan decides anew.
type Guard struct {
	Tags    cloud.Tags  `json:"tags,omitempty"`    // the target still carries these
	Lacks   []string    `json:"lacks,omitempty"`   // and none of these
	Parts   []cloud.Ref `json:"parts,omitempty"`   // the other parts of the backup: where they are there, both is true of them as well
	Keepers []cloud.Ref `json:"keepers,omitempty"` // these are still ready: the newer complete backup that lets this one go
	Unused  bool        `json:"unused,omitempty"`  // no image of the account stands on the target, and the cloud does not lock it
	Exists  bool        `json:"exists,omitempty"`  // the target is still there (and an instance is not gone)
}

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// hash is 16 characters (80 bits) that the parts alone decide; a part cannot run into the next.
func hash(parts ...string) string {
	buf := make([]byte, 0, 256)
	for _, p := range parts {
		buf = strconv.AppendInt(buf, int64(len(p)), 10)
		buf = append(append(buf, ':'), p...)
	}
	sum := sha256.Sum256(buf)
	return base32Lower.EncodeToString(sum[:10])
}

// BackupID is the id that all parts and copies of one backup share.
func BackupID(policy string, source cloud.Ref, slot string) string {
	return hash("backup", policy, source.Source(), slot)
}

// ActionID is the identity of an action: its token, its key in the intent log.
func ActionID(a Action) string {
	parts := []string{
		a.Verb.String(), a.Policy, a.Source.String(), a.Slot, a.Backup, a.Target.String(), strconv.Itoa(a.Try), strings.Join(a.Keys, "\x00"), a.Tags.String(),
	}
	if a.Copy != nil {
		parts = append(parts, a.Place.String(), a.Copy.Key)
	}
	return "a-" + hash(parts...)
}
