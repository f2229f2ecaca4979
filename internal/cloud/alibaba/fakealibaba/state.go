package fakealibaba

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
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
	Sessions map[string]session `json:"sessions,omitempty"`
}

// next is a number that was never given out before.
func (s *state) next() uint64 {
	s.Seq++
	return s.Seq
}

// region is one region's things.
type region struct {
	Name      string           `json:"name"`
	Instances table[*Instance] `json:"instances"`
	Disks     table[*Disk]     `json:"disks"`
	Snapshots table[*Snapshot] `json:"snapshots"`
	Images    table[*Image]    `json:"images"`
	Groups    table[*Group]    `json:"groups"`
	Templates table[*Template] `json:"templates,omitzero"`
	Tokens    map[string]used  `json:"tokens"` // client tokens by action
}

// used is what a client token stands for.
type used struct {
	Params string   `json:"params"` // a hash of the request that came with it first
	IDs    []string `json:"ids"`    // what that request made
}

// Meta is what everything has.
type Meta struct {
	ID          string            `json:"id"`
	Seq         uint64            `json:"seq"`
	Name        string            `json:"name,omitempty"`
	Description string            `json:"description,omitempty"`
	Created     time.Time         `json:"created"`
	Visible     time.Time         `json:"visible"` // found from then on
	Tags        map[string]string `json:"tags,omitempty"`
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
	i := t.after(v.meta().Seq - 1)
	t.Rows = slices.Delete(t.Rows, i, i+1)
}

// after is the index of the first row whose number is above seq.
func (t *table[T]) after(seq uint64) int {
	i, _ := slices.BinarySearchFunc(t.Rows, seq, func(v T, seq uint64) int {
		if v.meta().Seq <= seq {
			return -1
		}
		return 1
	})
	return i
}

// index makes byID of rows that were loaded, and refuses those that were never saved so.
func (t *table[T]) index(form *regexp.Regexp) error {
	t.byID = make(map[string]T, len(t.Rows))
	var none T
	var last uint64
	for _, v := range t.Rows {
		if any(v) == any(none) {
			return errors.New("an entry is empty")
		}
		m := v.meta()
		if !form.MatchString(m.ID) {
			return fmt.Errorf("the entry %q has no id of its kind", m.ID)
		}
		if _, twice := t.byID[m.ID]; twice || m.Seq <= last {
			return fmt.Errorf("the entry %q is twice there or out of order", m.ID)
		}
		last = m.Seq
		t.byID[m.ID] = v
	}
	return nil
}

// Snapshot is a snapshot of a disk.
type Snapshot struct {
	Meta
	DiskID         string    `json:"disk"`
	DiskType       string    `json:"disk-type"` // system or data
	GiB            int       `json:"gib"`
	Encrypted      bool      `json:"encrypted,omitempty"`
	DoneAt         time.Time `json:"done-at"` // zero: never
	End            string    `json:"end"`     // accomplished or failed
	Type           string    `json:"type"`    // user, or timer for one of a snapshot policy
	Expires        time.Time `json:"expires,omitzero"`
	SourceSnapshot string    `json:"source-snapshot,omitempty"`
	SourceRegion   string    `json:"source-region,omitempty"`
	LockEnds       time.Time `json:"lock-ends,omitzero"`
	CoolOffEnds    time.Time `json:"cool-off-ends,omitzero"`
	Managed        bool      `json:"managed,omitempty"` // another service of the cloud's made it and keeps it
}

// State is the snapshot's state at a time.
func (s *Snapshot) State(now time.Time) string {
	if s.DoneAt.IsZero() || now.Before(s.DoneAt) {
		return "progressing"
	}
	return s.End
}

// Image is a custom image, or a public one.
type Image struct {
	Meta
	Alias        string    `json:"alias"`     // self or system
	StartAt      time.Time `json:"start-at"`  // Waiting until then
	DoneAt       time.Time `json:"done-at"`   // zero: never
	UsableAt     time.Time `json:"usable-at"` // Available, but of no use before
	End          string    `json:"end"`       // Available or CreateFailed
	Deprecated   bool      `json:"deprecated,omitempty"`
	Mappings     []Mapping `json:"mappings"`
	SourceImage  string    `json:"source-image,omitempty"`
	SourceRegion string    `json:"source-region,omitempty"`
	SharedWith   []string  `json:"shared-with,omitempty"` // accounts
}

// State is the image's state at a time.
func (m *Image) State(now time.Time) string {
	switch {
	case now.Before(m.StartAt):
		return "Waiting"
	case m.DoneAt.IsZero() || now.Before(m.DoneAt):
		return "Creating"
	case m.Deprecated && m.End == "Available":
		return "Deprecated"
	}
	return m.End
}

// Mapping is a disk as an image has it.
type Mapping struct {
	Device     string `json:"device"`
	Type       string `json:"type"` // system or data
	SnapshotID string `json:"snapshot"`
	GiB        int    `json:"gib"`
}

// Group is a snapshot-consistent group.
type Group struct {
	Meta
	Instance  string   `json:"instance"`
	Snapshots []string `json:"snapshots"`
}

// Disk is a cloud disk or a local one.
type Disk struct {
	Meta
	GiB           int       `json:"gib"`
	Category      string    `json:"category"`
	Type          string    `json:"type"` // system or data
	Zone          string    `json:"zone"`
	Snapshot      string    `json:"snapshot,omitempty"`
	Encrypted     bool      `json:"encrypted,omitempty"`
	ReadyAt       time.Time `json:"ready-at"`
	Instance      string    `json:"instance,omitempty"`
	Device        string    `json:"device,omitempty"`
	Keep          bool      `json:"keep,omitempty"`           // outlives its instance
	NeverAttached bool      `json:"never-attached,omitempty"` // no snapshot can be taken of it yet
}

// State is the disk's state at a time.
func (d *Disk) State(now time.Time) string {
	switch {
	case now.Before(d.ReadyAt):
		return "Creating"
	case d.Instance != "":
		return "In_use"
	}
	return "Available"
}

// Instance is a virtual machine.
type Instance struct {
	Meta
	Type           string    `json:"type"`
	Image          string    `json:"image"`
	Zone           string    `json:"zone"`
	VSwitch        string    `json:"vswitch"`
	SecurityGroups []string  `json:"security-groups"`
	KeyPair        string    `json:"key-pair,omitempty"`
	Disks          []string  `json:"disks"` // system disk first
	Steps          []Step    `json:"steps"` // the states that it passes through
	Protected      bool      `json:"protected,omitempty"`
	StoppedMode    string    `json:"stopped-mode,omitempty"`
	GoneAt         time.Time `json:"gone-at,omitzero"`
}

// Step is a state from a moment on.
type Step struct {
	At    time.Time `json:"at"`
	State string    `json:"state"`
}

// State is the instance's state at a time.
func (i *Instance) State(now time.Time) string {
	state := "Pending"
	for _, s := range i.Steps {
		if !now.Before(s.At) {
			state = s.State
		}
	}
	return state
}

// pass makes the instance go through states, each for a while, and stay in the last.
func (i *Instance) pass(now time.Time, takes time.Duration, states ...string) {
	i.Steps = nil
	for n, s := range states {
		i.Steps = append(i.Steps, Step{At: now.Add(time.Duration(n) * takes).UTC(), State: s})
	}
}

// BaseImage is the public image that every region has.
const BaseImage = "aliyun_3_x64_20G_alibase_20260101.vhd"

func newState(opt Options) state {
	s := state{Account: opt.Account, Seed: opt.Seed, Regions: map[string]*region{}}
	born := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range opt.Regions {
		r := &region{Name: name, Tokens: map[string]used{}}
		s.Regions[name] = r
		r.Images.add(&Image{
			Meta: Meta{ID: BaseImage, Seq: s.next(), Name: BaseImage, Created: born}, Alias: "system", DoneAt: born, End: "Available",
			Mappings: []Mapping{{Device: "/dev/xvda", Type: "system", GiB: 20}},
		})
	}
	return s
}

// settle removes what has come to its end.
func (r *region) settle(now time.Time) {
	for _, s := range slices.Clone(r.Snapshots.Rows) {
		if !s.Expires.IsZero() && !now.Before(s.Expires) && !now.Before(s.LockEnds) {
			r.Snapshots.remove(s.ID)
		}
	}
	for _, in := range slices.Clone(r.Instances.Rows) {
		if !in.GoneAt.IsZero() && !now.Before(in.GoneAt) {
			r.drop(in)
		}
	}
}

// drop removes an instance with the disks that go with it.
func (r *region) drop(in *Instance) {
	for _, id := range in.Disks {
		if d, ok := r.Disks.find(id); ok && d.Keep {
			d.Instance, d.Device = "", ""
		} else {
			r.Disks.remove(id)
		}
	}
	r.Instances.remove(in.ID)
}

// new gives a fresh thing its id.
func (c *call) new(prefix, name, description string, tags map[string]string) Meta {
	m := c.f.fresh(prefix, c.now, tags)
	m.Name, m.Description, m.Visible = name, description, c.now.Add(c.f.opt.Lag)
	return m
}

func (f *Fake) fresh(prefix string, now time.Time, tags map[string]string) Meta {
	n := f.state.next()
	return Meta{ID: fmt.Sprintf("%s-bp1%017x", prefix, mix(n^f.state.Seed<<32)), Seq: n, Created: now.UTC(), Tags: maps.Clone(tags)}
}

// idForm is how the ids of a kind look.
func idForm(prefix string) *regexp.Regexp {
	if prefix == "m" {
		return regexp.MustCompile(`^m-bp1[0-9a-f]{17}$|\.vhd$`)
	}
	return regexp.MustCompile(`^` + prefix + `-bp1[0-9a-f]{17}$`)
}

// kinds are the things that ids name: their prefixes, and the words of the errors about them.
var kindOf = map[string]string{"i": "Instance", "d": "Disk", "s": "Snapshot", "m": "Image", "ssg": "SnapshotGroup", "lt": "LaunchTemplate"}

// lookup finds what an id names.
func lookup[T record](c *call, t *table[T], prefix, id string) (T, error) {
	if v, ok := t.find(id); ok && !c.now.Before(v.meta().Visible) {
		return v, nil
	}
	var none T
	kind := kindOf[prefix]
	return none, fail(http.StatusNotFound, "Invalid"+kind+"Id.NotFound", "The specified %sId does not exist: %q.", kind, id)
}

// somewhere finds the region of a thing for actions that need not name it.
func (c *call) somewhere(id string) {
	if c.region != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.f.state.Regions)) {
		r := c.f.state.Regions[name]
		if c.region == nil {
			c.region = r // where it is not found either
		}
		r.settle(c.now)
		_, instance := r.Instances.find(id)
		_, disk := r.Disks.find(id)
		_, snapshot := r.Snapshots.find(id)
		if instance || disk || snapshot {
			c.region = r
			return
		}
	}
}

func (c *call) fate(kind, source string) Fate {
	if c.f.opt.Fate == nil {
		return Completes
	}
	return c.f.opt.Fate(kind, source)
}

func local(category string) bool {
	return strings.HasPrefix(category, "local_") || strings.HasPrefix(category, "ephemeral") || strings.HasPrefix(category, "elastic_ephemeral")
}

const timeForm = "2006-01-02T15:04:05Z"

// minuteForm is how instances, disks and images tell their time.
const minuteForm = "2006-01-02T15:04Z"
