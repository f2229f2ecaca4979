package faketencent

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
	Seed     uint64              `json:"seed"`
	Seq      uint64              `json:"seq"`
	Accounts map[string]*account `json:"accounts"`
	Sessions map[string]session  `json:"sessions"`
}

// next is a number that was never given out before.
func (s *state) next() uint64 {
	s.Seq++
	return s.Seq
}

// account is one account's things.
type account struct {
	UIN     string             `json:"uin"`
	Regions map[string]*region `json:"regions"`
}

// region is one region's things.
type region struct {
	Name      string           `json:"name"`
	Instances table[*Instance] `json:"instances"`
	Disks     table[*Disk]     `json:"disks"`
	Snapshots table[*Snapshot] `json:"snapshots"`
	Images    table[*Image]    `json:"images"`
	Tokens    map[string]used  `json:"tokens"` // client tokens by action
	Due       []due            `json:"due"`    // what is gone once its time has come
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
	Tags    map[string]string `json:"tags,omitempty"`
}

func (m *Meta) meta() *Meta { return m }

type record interface{ meta() *Meta }

// table keeps rows in the order in which they were made.
type table[T record] struct {
	Rows []T `json:"rows"`
	byID map[string]T
}

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
	if _, ok := t.byID[id]; !ok {
		return
	}
	delete(t.byID, id)
	t.Rows = slices.DeleteFunc(t.Rows, func(v T) bool { return v.meta().ID == id })
}

// index makes byID of rows that were loaded, and refuses those that were never saved so.
func (t *table[T]) index(kind string) error {
	t.byID = make(map[string]T, len(t.Rows))
	var none T
	var last uint64
	for _, v := range t.Rows {
		if any(v) == any(none) {
			return errors.New("an entry is empty")
		}
		m := v.meta()
		if !strings.HasPrefix(m.ID, kind+"-") || !idForm.MatchString(m.ID) {
			return fmt.Errorf("the entry %q has no id that begins with %s", m.ID, kind)
		}
		if _, twice := t.byID[m.ID]; twice || m.Seq <= last {
			return fmt.Errorf("the entry %q is twice there or out of order", m.ID)
		}
		last = m.Seq
		t.byID[m.ID] = v
	}
	return nil
}

// BaseImage is the public image that every region has.
const BaseImage = "img-ba5eba5e"

func newState(opt Options) state {
	s := state{Seed: opt.Seed, Accounts: map[string]*account{}, Sessions: map[string]session{}}
	born := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, l := range opt.Accounts {
		a := &account{UIN: l.UIN, Regions: map[string]*region{}}
		s.Accounts[l.UIN] = a
		for _, name := range opt.Regions {
			r := &region{Name: name, Tokens: map[string]used{}}
			a.Regions[name] = r
			r.Images.add(&Image{Meta: Meta{ID: BaseImage, Seq: s.next(), Created: born}, Name: "base-linux", Type: publicImage, DoneAt: born, GiB: 20})
		}
	}
	return s
}

// settle removes what has come to its end, snapshots past their deadline among it.
func (r *region) settle(now time.Time) {
	for _, s := range r.Snapshots.Rows {
		if !s.Deadline.IsZero() && !now.Before(s.Deadline) {
			r.Due = append(r.Due, due{At: s.Deadline, ID: s.ID})
		}
	}
	r.Due = slices.DeleteFunc(r.Due, func(d due) bool {
		if now.Before(d.At) {
			return false
		}
		switch kindOf(d.ID) {
		case "snap":
			r.Snapshots.remove(d.ID)
		case "disk":
			r.Disks.remove(d.ID)
		case "ins":
			r.endInstance(d.ID)
		case "img":
			r.Images.remove(d.ID)
		}
		return true
	})
}

// endInstance removes an instance with the disks that go with it.
func (r *region) endInstance(id string) {
	in, ok := r.Instances.find(id)
	if !ok {
		return
	}
	r.Instances.remove(id)
	for _, d := range in.Disks {
		v, ok := r.Disks.find(d)
		if !ok {
			continue
		}
		if v.Keep {
			v.Instance = ""
		} else {
			r.Disks.remove(d)
		}
	}
}

func kindOf(id string) string {
	kind, _, _ := strings.Cut(id, "-")
	return kind
}

// new gives a fresh thing its id.
func (c *call) new(kind string, tags map[string]string) Meta {
	m := c.f.fresh(kind, c.now, tags)
	m.Visible = c.now.Add(c.f.opt.Lag)
	return m
}

func (f *Fake) fresh(kind string, now time.Time, tags map[string]string) Meta {
	n := f.state.next()
	return Meta{ID: kind + "-" + suffix(mix(n^f.state.Seed<<32)), Seq: n, Created: now.UTC(), Tags: maps.Clone(tags)}
}

// suffix is eight letters and digits.
func suffix(n uint64) string {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyz"
	var b [8]byte
	for i := range b {
		b[i] = letters[n%36]
		n /= 36
	}
	return string(b[:])
}

var idForm = regexp.MustCompile(`^(ins|disk|snap|img)-[0-9a-z]{8}$`)

var (
	errNotFound = map[string]string{
		"ins": "InvalidInstanceId.NotFound", "disk": "InvalidDiskId.NotFound", "snap": "InvalidSnapshotId.NotFound", "img": "InvalidImageId.NotFound",
	}
	errMalformed = map[string]string{
		"ins": "InvalidInstanceId.Malformed", "disk": "InvalidParameterValue", "snap": "InvalidParameterValue", "img": "InvalidImageId.Malformed",
	}
)

func formed(kind, id string) error {
	if kindOf(id) != kind || !idForm.MatchString(id) {
		return fail(errMalformed[kind], "The ID %q is malformed.", id)
	}
	return nil
}

// lookup finds what an id names.
func lookup[T record](c *call, t *table[T], kind, id string) (T, error) {
	var none T
	if err := formed(kind, id); err != nil {
		return none, err
	}
	v, ok := t.find(id)
	if !ok || c.now.Before(v.meta().Visible) {
		return none, fail(errNotFound[kind], "The resource %q does not exist.", id)
	}
	return v, nil
}

// mine finds an image that is the account's own.
func (c *call) mine(id string) (*Image, error) {
	m, err := lookup(c, &c.region.Images, "img", id)
	if err == nil && m.Type != privateImage {
		return nil, fail("InvalidParameterValue.InvalidImageId", "The image %q is not a private image.", id)
	}
	return m, err
}

// tokenUsed gives what a client token already stands for, or nothing.
func (c *call) tokenUsed(action, token string) ([]string, error) {
	if len(token) > 64 {
		return nil, fail("InvalidClientToken.TooLong", "The specified ClientToken exceeds the maximum length of 64 bytes.")
	}
	u, ok := c.region.Tokens[action+"/"+token]
	if token == "" || !ok {
		return nil, nil
	}
	if u.Params != c.params {
		return nil, fail("InvalidParameter.InvalidClientToken", "The ClientToken was used with other parameters.")
	}
	return u.IDs, nil
}

func (c *call) remember(action, token string, ids ...string) {
	if token != "" {
		c.region.Tokens[action+"/"+token] = used{Params: c.params, IDs: ids}
	}
}

func (c *call) fate(kind, source string) Fate {
	if c.f.opt.Fate == nil {
		return Completes
	}
	return c.f.opt.Fate(kind, source)
}
