package memcloud

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Among are the accounts of one cloud that know each other: each can share with the others, and copy what was shared with
// it. The zero Among is ready for use as Options.Among of several accounts. They have one lock.
type Among struct {
	mu     sync.Mutex
	byName map[string]*Cloud
	byID   map[string]*Cloud
	copies map[cloud.Ref][]*life // of those that are under way or were, by the source
}

// join adds an account. It panics when one has its name or its id already.
func (a *Among) join(c *Cloud) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byName == nil {
		a.byName, a.byID, a.copies = map[string]*Cloud{}, map[string]*Cloud{}, map[cloud.Ref][]*life{}
	}
	if a.byName[c.o.Account] != nil || a.byID[c.o.ID] != nil {
		panic(fmt.Sprintf("memcloud.New: account %s, or its id %s, is among these already", c.o.Account, c.o.ID))
	}
	a.byName[c.o.Account], a.byID[c.o.ID] = c, c
}

// began notes a copy into the region of what the refs name, the last of which was asked for.
func (a *Among) began(r *region, now time.Time, l *life, sources ...cloud.Ref) {
	kind := sources[len(sources)-1].Kind
	r.copies[kind] = append(r.copies[kind], l)
	for _, ref := range sources {
		a.copies[ref] = append(a.of(ref, now), l)
	}
}

// of lists the copies of the thing that are under way.
func (a *Among) of(ref cloud.Ref, now time.Time) []*life {
	left := slices.DeleteFunc(a.copies[ref], func(l *life) bool { return !l.working(now) })
	if len(left) == 0 {
		delete(a.copies, ref)
		return nil
	}
	a.copies[ref] = left
	return left
}

// lost fails the copies of a thing that is deleted before they are complete.
func (a *Among) lost(ref cloud.Ref, now time.Time) {
	for _, l := range a.of(ref, now) {
		l.fate, l.readyAt = FateFail, now
	}
	delete(a.copies, ref)
}
