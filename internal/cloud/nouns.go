package cloud

import (
	"fmt"
	"time"
)

// State is where a disk, a snapshot or an image stands, in words that all clouds share.
// A state that a provider does not know is StateUnknown, never StateFailed.
type State int

// The states. Only StateReady is ever good.
const (
	StateUnknown State = iota + 1 // the cloud's word is new to us, or says nothing about use
	StateWorking                  // being made, copied, imported, deleted
	StateReady                    // complete and usable
	StateFailed                   // ended in failure, for good
	StateRetired                  // disabled, deprecated, deactivated, in the recycle bin
)

var stateNames = [...]string{StateUnknown: "unknown", StateWorking: "working", StateReady: "ready", StateFailed: "failed", StateRetired: "retired"}

// String is the state's word.
func (s State) String() string { return nameOf(stateNames[:], int(s), "state") }

// MarshalText writes the state's word.
func (s State) MarshalText() ([]byte, error) { return marshalName(stateNames[:], int(s), "state") }

// UnmarshalText reads the state's word.
func (s *State) UnmarshalText(b []byte) error {
	v, err := parseName(stateNames[:], string(b), "state")
	*s = State(v)
	return err
}

// Power is what an instance is doing.
type Power int

// The powers. PowerGone is an instance that is still listed after its end.
const (
	PowerUnknown  Power = iota + 1
	PowerStarting       // being made, starting, rebooting
	PowerRunning
	PowerStopping
	PowerStopped
	PowerFailed
	PowerGone
)

var powerNames = [...]string{
	PowerUnknown: "unknown", PowerStarting: "starting", PowerRunning: "running", PowerStopping: "stopping",
	PowerStopped: "stopped", PowerFailed: "failed", PowerGone: "gone",
}

// String is the power's word.
func (p Power) String() string { return nameOf(powerNames[:], int(p), "power") }

// MarshalText writes the power's word.
func (p Power) MarshalText() ([]byte, error) { return marshalName(powerNames[:], int(p), "power") }

// UnmarshalText reads the power's word.
func (p *Power) UnmarshalText(b []byte) error {
	v, err := parseName(powerNames[:], string(b), "power")
	*p = Power(v)
	return err
}

// Region is one region that the account may use.
type Region struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"` // for people
}

// Instance is a virtual machine.
type Instance struct {
	Ref       Ref          `json:"ref"`
	Name      string       `json:"name,omitempty"`
	Zone      string       `json:"zone,omitempty"`
	Type      string       `json:"type,omitempty"` // instance type or flavor
	Power     Power        `json:"power"`
	Image     string       `json:"image,omitempty"`      // id of the image that it was made from
	Disks     []Attachment `json:"disks,omitempty"`      // in device order, root first
	LocalRoot bool         `json:"local-root,omitempty"` // its root disk lives on the host: snapshots cannot reach it, an image can
	Network   string       `json:"network,omitempty"`    // subnet or network of its first interface
	User      string       `json:"user,omitempty"`       // the cloud's id of who made it, where the cloud knows
	Project   string       `json:"project,omitempty"`
	Tags      Tags         `json:"tags,omitempty"`
	CreatedAt time.Time    `json:"created-at"` // UTC
}

// Attachment is a disk as its instance sees it.
type Attachment struct {
	Disk   string `json:"disk"` // disk id
	Device string `json:"device,omitempty"`
	Root   bool   `json:"root,omitempty"`
}

// Disk is block storage that can be attached.
type Disk struct {
	Ref       Ref       `json:"ref"`
	Name      string    `json:"name,omitempty"`
	Zone      string    `json:"zone,omitempty"`
	Type      string    `json:"type,omitempty"`
	Size      int64     `json:"size"` // bytes
	State     State     `json:"state"`
	Instance  string    `json:"instance,omitempty"` // id of the instance that it is attached to
	Encrypted bool      `json:"encrypted,omitempty"`
	User      string    `json:"user,omitempty"`
	Project   string    `json:"project,omitempty"`
	Tags      Tags      `json:"tags,omitempty"`
	CreatedAt time.Time `json:"created-at"` // UTC
}

// Snapshot is one disk at one moment, kept by the cloud.
type Snapshot struct {
	Ref       Ref       `json:"ref"`
	Name      string    `json:"name,omitempty"`
	Disk      string    `json:"disk,omitempty"` // id of the disk; on a copy it means nothing on some clouds
	Size      int64     `json:"size"`           // bytes of the disk, not of what is stored
	State     State     `json:"state"`
	Detail    string    `json:"detail,omitempty"` // the cloud's own word for the state, and why it failed
	Progress  int       `json:"progress,omitempty"`
	Locked    bool      `json:"locked,omitempty"`  // the cloud itself refuses to delete it: a hold
	Managed   string    `json:"managed,omitempty"` // another service that owns it: aws-backup, dlm …: never ours to touch
	Encrypted bool      `json:"encrypted,omitempty"`
	User      string    `json:"user,omitempty"`
	Project   string    `json:"project,omitempty"`
	Tags      Tags      `json:"tags,omitempty"`
	CreatedAt time.Time `json:"created-at"` // UTC, by the cloud's clock
}

// Image is something that an instance boots from.
type Image struct {
	Ref       Ref       `json:"ref"`
	Name      string    `json:"name,omitempty"`
	Size      int64     `json:"size"` // bytes; 0 when the cloud does not tell
	State     State     `json:"state"`
	Detail    string    `json:"detail,omitempty"`    // the cloud's own word for the state, and why it failed
	Snapshots []string  `json:"snapshots,omitempty"` // ids of the snapshots that it stands on, root first
	Locked    bool      `json:"locked,omitempty"`    // the cloud itself refuses to delete it: a hold
	Managed   string    `json:"managed,omitempty"`   // another service that owns it
	User      string    `json:"user,omitempty"`
	Project   string    `json:"project,omitempty"`
	Tags      Tags      `json:"tags,omitempty"`
	CreatedAt time.Time `json:"created-at"` // UTC, by the cloud's clock
}

func nameOf(names []string, v int, what string) string {
	if v < 1 || v >= len(names) {
		return fmt.Sprintf("%s(%d)", what, v)
	}
	return names[v]
}

func marshalName(names []string, v int, what string) ([]byte, error) {
	if v < 1 || v >= len(names) {
		return nil, fmt.Errorf("%s(%d) has no name", what, v)
	}
	return []byte(names[v]), nil
}

func parseName(names []string, s, what string) (int, error) {
	for i := 1; i < len(names); i++ {
		if names[i] == s {
			return i, nil
		}
	}
	return 0, fmt.Errorf("unknown %s %q", what, s)
}
