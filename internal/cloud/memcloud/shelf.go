package memcloud

import (
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// life is what time does to a thing.
type life struct {
	madeAt   time.Time
	readyAt  time.Time
	fate     Fate
	shownAt  time.Time // listings have it from here on
	goneAt   time.Time // zero while nobody deleted it; from here on no call knows it
	hiddenAt time.Time // with goneAt: listings have it up to here

	retagged time.Time  // when its tags were last changed
	before   cloud.Tags // what they were until then
}

// tagsAt gives the tags as a listing shows them that is as of that time.
func (l *life) tagsAt(at time.Time, now cloud.Tags) cloud.Tags {
	if at.Before(l.retagged) {
		return l.before
	}
	return now
}

// deleted says whether somebody asked for its end, which may still be under way.
func (l *life) deleted() bool { return !l.goneAt.IsZero() }

// exists says whether calls know it.
func (l *life) exists(now time.Time) bool { return !l.deleted() || now.Before(l.goneAt) }

// listed says whether listings have it.
func (l *life) listed(now time.Time) bool {
	return !now.Before(l.shownAt) && (!l.deleted() || now.Before(l.hiddenAt))
}

// state is where it stands. A listing that lags shows a thing that is gone as it last was.
func (l *life) state(now time.Time) cloud.State {
	switch {
	case l.deleted() && now.Before(l.goneAt), l.fate == FateStall, now.Before(l.readyAt):
		return cloud.StateWorking
	case l.fate == FateFail:
		return cloud.StateFailed
	}
	return cloud.StateReady
}

// progress is in percent.
func (l *life) progress(now time.Time) int {
	whole := l.readyAt.Sub(l.madeAt)
	if l.state(now) == cloud.StateReady || whole <= 0 {
		return 100
	}
	return int(min(99, max(0, 100*now.Sub(l.madeAt)/whole)))
}

// thing is one resource as it lies on a shelf.
type thing[T any] struct {
	id  string
	val T
	life
	removed bool
	copied  bool     // made by copying
	from    string   // the snapshot that a disk was made from
	stays   bool     // a disk that is left behind when its instance is deleted
	key     string   // a snapshot's, of the account's own; empty is the cloud's default, if it is encrypted at all
	shared  []string // ids of the accounts that may copy it, sorted
}

// shelf holds the things of one kind in one region. Ids only grow, so appending keeps them in order.
type shelf[T any] struct {
	byID    map[string]*thing[T]
	order   []*thing[T]
	live    int // not deleted
	dead    int // in order, but removed
	leaving []*thing[T]
	next    time.Time // when the first of leaving is to be removed
}

func newShelf[T any]() *shelf[T] { return &shelf[T]{byID: map[string]*thing[T]{}} }

func (s *shelf[T]) add(t *thing[T]) *thing[T] {
	s.byID[t.id] = t
	s.order = append(s.order, t)
	s.live++
	return t
}

// find gives what calls know by the id.
func (s *shelf[T]) find(id string, now time.Time) (*thing[T], bool) {
	t, ok := s.byID[id]
	return t, ok && t.exists(now)
}

// end marks the thing as deleted; it is removed for good once no listing shows it any more.
func (s *shelf[T]) end(t *thing[T], goneAt, hiddenAt time.Time) {
	t.goneAt, t.hiddenAt = goneAt, hiddenAt
	s.live--
	if len(s.leaving) == 0 || hiddenAt.Before(s.next) {
		s.next = hiddenAt
	}
	s.leaving = append(s.leaving, t)
}

// sweep removes what nobody can see any more.
func (s *shelf[T]) sweep(now time.Time) {
	if len(s.leaving) == 0 || now.Before(s.next) {
		return
	}
	stay := s.leaving[:0]
	for _, t := range s.leaving {
		if now.Before(t.hiddenAt) {
			if len(stay) == 0 || t.hiddenAt.Before(s.next) {
				s.next = t.hiddenAt
			}
			stay = append(stay, t)
			continue
		}
		delete(s.byID, t.id)
		t.removed = true
		s.dead++
	}
	clear(s.leaving[len(stay):])
	s.leaving = stay
	if s.dead > 64 && s.dead > len(s.order)/2 {
		s.order = slices.DeleteFunc(s.order, func(t *thing[T]) bool { return t.removed })
		s.dead = 0
	}
}

// after gives the things whose ids come after the cursor, in order, until yes says no.
func (s *shelf[T]) after(cursor string, yes func(*thing[T]) bool) {
	from, found := slices.BinarySearchFunc(s.order, cursor, func(t *thing[T], id string) int { return strings.Compare(t.id, id) })
	if found {
		from++
	}
	for _, t := range s.order[from:] {
		if !t.removed && !yes(t) {
			return
		}
	}
}
