// Package inventory holds the World: the frozen picture of the clouds that a plan reads, its queries, and the backups
// that it shows.
//
// It promises to be pure: same things in, same World out, in one order. What could not be seen is unknown in it, never
// absent: every scope says when it was last seen whole. It refuses to guess; it never looks anywhere itself.
package inventory

import (
	"slices"
	"sort"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Look is what is known of one scope's listing.
type Look struct {
	SeenAt   time.Time `json:"seen-at"`           // when it was last listed to the end; zero: never
	LookedAt time.Time `json:"looked-at"`         // when it was last tried
	Problem  string    `json:"problem,omitempty"` // why the last try failed; empty when it did not
	Class    string    `json:"class,omitempty"`   // the error's class, as cloud.ClassName gives it
}

// Whole says whether the last try listed the scope to the end. Nothing may be planned to be deleted or created for what
// a scope that is not whole covers.
func (l Look) Whole() bool { return !l.SeenAt.IsZero() && l.Problem == "" }

// Account is what a plan must know of an account beforehand.
type Account struct {
	Name         string             `json:"name"`
	Traits       cloud.Traits       `json:"traits"`
	Capabilities []cloud.Capability `json:"capabilities"`
}

// Can says whether the account has the capability.
func (a Account) Can(c cloud.Capability) bool { return slices.Contains(a.Capabilities, c) }

// World is what was seen, each list sorted by Ref. Treat it as frozen once Sort was called.
type World struct {
	Accounts  map[string]Account
	Looks     map[cloud.Scope]Look
	Instances []cloud.Instance
	Disks     []cloud.Disk
	Snapshots []cloud.Snapshot
	Images    []cloud.Image
}

// Sort puts every list into the order of Ref. Whoever builds a World calls it once.
func (w *World) Sort() {
	sortBy(w.Instances, func(i *cloud.Instance) cloud.Ref { return i.Ref })
	sortBy(w.Disks, func(d *cloud.Disk) cloud.Ref { return d.Ref })
	sortBy(w.Snapshots, func(s *cloud.Snapshot) cloud.Ref { return s.Ref })
	sortBy(w.Images, func(i *cloud.Image) cloud.Ref { return i.Ref })
}

func sortBy[T any](list []T, ref func(*T) cloud.Ref) {
	less := func(i, j int) bool { return ref(&list[i]).Compare(ref(&list[j])) < 0 }
	if !sort.SliceIsSorted(list, less) {
		sort.Slice(list, less)
	}
}

// Instance finds an instance by its ref.
func (w *World) Instance(ref cloud.Ref) (*cloud.Instance, bool) {
	return find(w.Instances, ref, func(i *cloud.Instance) cloud.Ref { return i.Ref })
}

// Snapshot finds a snapshot by its ref.
func (w *World) Snapshot(ref cloud.Ref) (*cloud.Snapshot, bool) {
	return find(w.Snapshots, ref, func(s *cloud.Snapshot) cloud.Ref { return s.Ref })
}

// Image finds an image by its ref.
func (w *World) Image(ref cloud.Ref) (*cloud.Image, bool) {
	return find(w.Images, ref, func(i *cloud.Image) cloud.Ref { return i.Ref })
}

func find[T any](list []T, ref cloud.Ref, of func(*T) cloud.Ref) (*T, bool) {
	i := sort.Search(len(list), func(i int) bool { return of(&list[i]).Compare(ref) >= 0 })
	if i < len(list) && of(&list[i]) == ref {
		return &list[i], true
	}
	return nil, false
}

// Whole says whether the scope was seen to the end at the last try.
func (w *World) Whole(s cloud.Scope) bool { return w.Looks[s].Whole() }
