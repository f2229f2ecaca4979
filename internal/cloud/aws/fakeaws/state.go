package fakeaws

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// state is everything that outlives a restart.
type state struct {
	Account  string             `json:"account"`
	Seed     uint64             `json:"seed"`
	Seq      uint64             `json:"seq"`
	Regions  map[string]*region `json:"regions"`
	Sessions map[string]session `json:"sessions"`
}

// next is a number that was never given out before.
func (s *state) next() uint64 {
	s.Seq++
	return s.Seq
}

// region is one region's things.
type region struct {
	Name      string              `json:"name"`
	Instances table[*Instance]    `json:"instances"`
	Volumes   table[*Volume]      `json:"volumes"`
	Snapshots table[*Snapshot]    `json:"snapshots"`
	Images    table[*Image]       `json:"images"`
	Templates table[*Template]    `json:"templates,omitzero"`
	Gone      map[string]bool     `json:"gone"`   // images that once were
	Tokens    map[string]used     `json:"tokens"` // client tokens by action
	Due       []due               `json:"due"`    // what happens once its time has come
	Making    map[string][]string `json:"making"` // volume → snapshots that were pending when last looked at
}

// used is what a client token stands for.
type used struct {
	Params string   `json:"params"` // a hash of the request that came with it first
	IDs    []string `json:"ids"`    // what that request made
}

// due is something that is removed at a time.
type due struct {
	At time.Time `json:"at"`
	ID string    `json:"id"`
}

// Meta is what everything has.
type Meta struct {
	ID      string            `json:"id"`
	Seq     uint64            `json:"seq"`
	Created time.Time         `json:"created"`
	Visible time.Time         `json:"visible"` // found from then on
	Owner   string            `json:"owner"`
	Tags    map[string]string `json:"tags,omitempty"`
}

func (m *Meta) meta() *Meta { return m }

type record interface{ meta() *Meta }

// table keeps rows in the order in which they were made, so that a page's token can say where the next one begins
// whatever was added or removed meanwhile.
type table[T record] struct {
	Rows []T `json:"rows"`
	byID map[string]T
}

// IsZero leaves out of a saved state what was never there.
func (t table[T]) IsZero() bool { return len(t.Rows) == 0 }

func (t *table[T]) add(v T) {
	if t.byID == nil {
		t.byID = map[string]T{}
	}
	t.Rows = append(t.Rows, v)
	t.byID[v.meta().ID] = v
}

func (t *table[T]) find(id string) (T, bool) {
	v, ok := t.byID[id]
	return v, ok
}

func (t *table[T]) remove(id string) {
	v, ok := t.byID[id]
	if !ok {
		return
	}
	delete(t.byID, id)
	i, found := t.after(v.meta().Seq - 1)
	if found {
		t.Rows = slices.Delete(t.Rows, i, i+1)
	}
}

// after is the index of the first row whose number is above seq.
func (t *table[T]) after(seq uint64) (int, bool) {
	i, _ := slices.BinarySearchFunc(t.Rows, seq, func(v T, seq uint64) int {
		if v.meta().Seq <= seq {
			return -1
		}
		return 1
	})
	return i, i < len(t.Rows)
}

// index makes byID of rows that were loaded, and refuses those that were never saved so.
func (t *table[T]) index(prefix string) error {
	t.byID = make(map[string]T, len(t.Rows))
	var none T
	var last uint64
	for _, v := range t.Rows {
		if any(v) == any(none) {
			return errors.New("an entry is empty")
		}
		m := v.meta()
		if !strings.HasPrefix(m.ID, prefix+"-") || !idForm.MatchString(m.ID) {
			return fmt.Errorf("the entry %q has no id that begins with %s", m.ID, prefix)
		}
		if _, twice := t.byID[m.ID]; twice || m.Seq <= last {
			return fmt.Errorf("the entry %q is twice there or out of order", m.ID)
		}
		last = m.Seq
		t.byID[m.ID] = v
	}
	return nil
}

// Snapshot is an EBS snapshot.
type Snapshot struct {
	Meta
	VolumeID    string    `json:"volume"`
	Description string    `json:"description,omitempty"`
	GiB         int       `json:"gib"`
	Encrypted   bool      `json:"encrypted,omitempty"`
	DoneAt      time.Time `json:"done-at"` // zero: never
	End         string    `json:"end"`     // completed or error
	Message     string    `json:"message,omitempty"`
	Tier        string    `json:"tier,omitempty"`   // standard when empty
	Copied      bool      `json:"copied,omitempty"` // made by CopySnapshot or CopyImage
	Key         string    `json:"key,omitempty"`    // a customer's key; EBS's own when empty, if it is encrypted at all
	Doomed      bool      `json:"doomed,omitempty"` // it fails, whatever Settle says

	VolumePermission []string `json:"volume-permission,omitempty"` // accounts that it is shared with, sorted
}

// State is the snapshot's state at a time.
func (s *Snapshot) State(now time.Time) string {
	if s.DoneAt.IsZero() || now.Before(s.DoneAt) {
		return "pending"
	}
	return s.End
}

func (s *Snapshot) progress(now time.Time) int {
	switch {
	case s.DoneAt.IsZero():
		return 42
	case !now.Before(s.DoneAt):
		return 100
	}
	return min(99, int(100*now.Sub(s.Created)/max(1, s.DoneAt.Sub(s.Created))))
}

// Image is an AMI.
type Image struct {
	Meta
	Name           string    `json:"name"`
	Description    string    `json:"description,omitempty"`
	DoneAt         time.Time `json:"done-at"` // zero: never
	End            string    `json:"end"`     // available or failed
	Message        string    `json:"message,omitempty"`
	RootDevice     string    `json:"root-device"`
	Mappings       []Mapping `json:"mappings"`
	Public         bool      `json:"public,omitempty"`
	Disabled       bool      `json:"disabled,omitempty"`
	Deprecated     time.Time `json:"deprecated,omitzero"`
	Protection     string    `json:"protection,omitempty"` // disabled when empty
	SourceInstance string    `json:"source-instance,omitempty"`
	SourceImage    string    `json:"source-image,omitempty"`
	SourceRegion   string    `json:"source-region,omitempty"`
	Rebooted       bool      `json:"rebooted,omitempty"` // its instance was rebooted for it
	Doomed         bool      `json:"doomed,omitempty"`   // it fails, whatever Settle says

	LaunchPermission []string `json:"launch-permission,omitempty"` // accounts that it is shared with, sorted
}

// State is the image's state at a time.
func (m *Image) State(now time.Time) string {
	switch {
	case m.DoneAt.IsZero() || now.Before(m.DoneAt):
		return "pending"
	case m.Disabled:
		return "disabled"
	}
	return m.End
}

// Mapping is a disk as an image has it.
type Mapping struct {
	Device     string `json:"device"`
	SnapshotID string `json:"snapshot"`
	GiB        int    `json:"gib"`
	Type       string `json:"type"`
	Keep       bool   `json:"keep,omitempty"` // the disk outlives its instance
	Encrypted  bool   `json:"encrypted,omitempty"`
}

// Volume is an EBS volume.
type Volume struct {
	Meta
	GiB        int       `json:"gib"`
	Type       string    `json:"type"`
	Zone       string    `json:"zone"`
	SnapshotID string    `json:"snapshot,omitempty"`
	Encrypted  bool      `json:"encrypted,omitempty"`
	ReadyAt    time.Time `json:"ready-at"`
	Instance   string    `json:"instance,omitempty"`
	Device     string    `json:"device,omitempty"`
	AttachedAt time.Time `json:"attached-at,omitzero"`
	Keep       bool      `json:"keep,omitempty"` // outlives its instance
	LastSnap   time.Time `json:"last-snap,omitzero"`
}

// State is the volume's state at a time.
func (v *Volume) State(now time.Time) string {
	switch {
	case v.Instance != "":
		return "in-use"
	case now.Before(v.ReadyAt):
		return "creating"
	}
	return "available"
}

// Instance is a virtual machine.
type Instance struct {
	Meta
	Type       string    `json:"type"`
	Image      string    `json:"image"`
	Zone       string    `json:"zone"`
	Subnet     string    `json:"subnet"`
	KeyName    string    `json:"key-name,omitempty"`
	RootDevice string    `json:"root-device"`
	LocalRoot  bool      `json:"local-root,omitempty"` // an instance-store root
	Launched   time.Time `json:"launched"`             // the last start
	Volumes    []string  `json:"volumes"`              // in device order
	From       string    `json:"from"`                 // the state until ChangeAt
	To         string    `json:"to"`                   // the state from ChangeAt on
	ChangeAt   time.Time `json:"change-at"`
	Token      string    `json:"token,omitempty"`
	Protected  bool      `json:"protected,omitempty"` // from termination
}

// State is the instance's state at a time.
func (i *Instance) State(now time.Time) string {
	if now.Before(i.ChangeAt) {
		return i.From
	}
	return i.To
}

func (i *Instance) change(now time.Time, from, to string, takes time.Duration) {
	i.From, i.To, i.ChangeAt = from, to, now.Add(takes)
}

func stateCode(s string) int {
	return map[string]int{"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}[s]
}

const amazon = "137112412989" // who owns the public base images

// BaseImage is the public image that every region has.
const BaseImage = "ami-0ba5e0ba5e0ba5e00"

const baseSnapshot = "snap-0ba5e0ba5e0ba5e00"

func newState(opt Options) state {
	s := state{Account: opt.Account, Seed: opt.Seed, Regions: map[string]*region{}, Sessions: map[string]session{}}
	born := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range opt.Regions {
		r := &region{Name: name, Gone: map[string]bool{}, Tokens: map[string]used{}, Making: map[string][]string{}}
		s.Regions[name] = r
		r.Snapshots.add(&Snapshot{
			Meta:     Meta{ID: baseSnapshot, Seq: s.next(), Created: born, Owner: amazon},
			VolumeID: "vol-ffffffff", GiB: 8, DoneAt: born, End: "completed",
		})
		r.Images.add(&Image{
			Meta: Meta{ID: BaseImage, Seq: s.next(), Created: born, Owner: amazon}, Name: "base-linux", DoneAt: born,
			End: "available", RootDevice: "/dev/xvda", Public: true,
			Mappings: []Mapping{{Device: "/dev/xvda", SnapshotID: baseSnapshot, GiB: 8, Type: "gp3"}},
		})
	}
	return s
}

// settle removes what has come to its end.
func (r *region) settle(now time.Time) {
	r.Due = slices.DeleteFunc(r.Due, func(d due) bool {
		if now.Before(d.At) {
			return false
		}
		switch {
		case strings.HasPrefix(d.ID, "snap-"):
			r.Snapshots.remove(d.ID)
		case strings.HasPrefix(d.ID, "vol-"):
			r.dropVolume(d.ID)
		case strings.HasPrefix(d.ID, "i-"):
			r.Instances.remove(d.ID)
		}
		return true
	})
}

func (r *region) dropVolume(id string) {
	if v, ok := r.Volumes.find(id); ok && v.Instance != "" {
		if in, ok := r.Instances.find(v.Instance); ok {
			in.Volumes = slices.DeleteFunc(in.Volumes, func(x string) bool { return x == id })
		}
	}
	r.Volumes.remove(id)
	delete(r.Making, id)
}

// new gives a fresh thing its id.
func (c *call) new(prefix string, tags map[string]string) Meta {
	m := c.f.fresh(prefix, c.now, tags)
	m.Visible = c.now.Add(c.f.opt.Lag)
	return m
}

func (f *Fake) fresh(prefix string, now time.Time, tags map[string]string) Meta {
	n := f.state.next()
	return Meta{
		ID: fmt.Sprintf("%s-0%016x", prefix, mix(n^f.state.Seed<<32)), Seq: n, Created: now.UTC(), Owner: f.state.Account,
		Tags: maps.Clone(tags),
	}
}

var (
	errNotFound = map[string]string{
		"i": "InvalidInstanceID.NotFound", "vol": "InvalidVolume.NotFound", "snap": "InvalidSnapshot.NotFound", "ami": "InvalidAMIID.NotFound",
	}
	errMalformed = map[string]string{
		"i": "InvalidInstanceID.Malformed", "vol": "InvalidParameterValue", "snap": "InvalidSnapshotID.Malformed", "ami": "InvalidAMIID.Malformed",
	}
	idForm = regexp.MustCompile(`^(i|vol|snap|ami|lt)-([0-9a-f]{8}|[0-9a-f]{17})$`)
)

// lookup finds what an id names, as EC2 does for an id given outright: a wrong or unknown one is an error.
func lookup[T record](c *call, t *table[T], prefix, id string) (T, error) {
	v, ok := t.find(id)
	if ok && !c.now.Before(v.meta().Visible) {
		return v, nil
	}
	var none T
	if !idForm.MatchString(id) || !strings.HasPrefix(id, prefix+"-") {
		return none, fail(errMalformed[prefix], "Invalid id: %q", id)
	}
	return none, fail(errNotFound[prefix], "The %s ID '%s' does not exist", map[string]string{"i": "instance", "vol": "volume", "snap": "snapshot", "ami": "image"}[prefix], id)
}
