package memcloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Cloud is one account. Its methods are the hands of people and of fate; Provider is what Stint may use.
type Cloud struct {
	o         Options
	traits    cloud.Traits
	regionIDs []string
	idSpace   uint64

	among   *Among
	mu      *sync.Mutex // of all that are among these
	regions map[string]*region
	counter uint64
	request uint64 // how many there were
	calls   map[string]int
	faults  map[string][]fault
	fates   map[string][]Fate // by the id of the source, "" for any
}

type region struct {
	id        string
	instances *shelf[cloud.Instance]
	disks     *shelf[cloud.Disk]
	snapshots *shelf[cloud.Snapshot]
	images    *shelf[cloud.Image]
	standing  map[string]int    // images on a snapshot
	ofDisk    map[string]int    // snapshots of a disk
	named     map[string]string // images by name
	tokens    map[string]made   // by operation and token
	copies    map[cloud.Kind][]*life
	templates map[string]string // the image that a launch template names
	pruneAt   int               // how many tokens there may be before those of things that are gone are forgotten
}

func newRegion(id string) *region {
	return &region{
		id: id, instances: newShelf[cloud.Instance](), disks: newShelf[cloud.Disk](), snapshots: newShelf[cloud.Snapshot](),
		images: newShelf[cloud.Image](), standing: map[string]int{}, ofDisk: map[string]int{}, named: map[string]string{}, tokens: map[string]made{},
		copies: map[cloud.Kind][]*life{}, templates: map[string]string{},
	}
}

// made is what a token stands for.
type made struct {
	request uint64 // its hash
	ids     []string
}

// Account is the account's name.
func (c *Cloud) Account() string { return c.o.Account }

// Regions lists the account's regions in order.
func (c *Cloud) Regions() []string { return append([]string(nil), c.regionIDs...) }

// Now is the account's time.
func (c *Cloud) Now() time.Time { return c.o.Now().UTC() }

// Calls gives how many calls of each operation have reached the account, under whatever ability.
func (c *Cloud) Calls() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

// refusal is why a call fails, before it is known which call and about what.
type refusal struct {
	class error
	code  string
	text  string
}

func (r *refusal) Error() string { return r.text }

func refuse(class error, code, format string, args ...any) *refusal {
	return &refusal{class: class, code: code, text: fmt.Sprintf(format, args...)}
}

// call is the frame of every call: count it, number it, let fate have its say, take the lock, put the refusal into an Error.
func call[T any](ctx context.Context, c *Cloud, op string, ref cloud.Ref, f func(now time.Time) (T, error)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[op]++
	c.request++
	id := fmt.Sprintf("req-%06d", c.request)
	cloud.NoteRequest(ctx, id)
	fault, faulty := c.takeFault(op)
	if faulty && !fault.after {
		return zero, &cloud.Error{Op: op, Ref: ref, Class: fault.class, Code: fault.code, RequestID: id, After: fault.stay, Err: errors.New("provoked")}
	}
	out, err := f(c.Now())
	if err != nil {
		e := &cloud.Error{Op: op, Ref: ref, RequestID: id, Err: err}
		if r, ok := errors.AsType[*refusal](err); ok {
			e.Class, e.Code = r.class, r.code
		}
		return zero, e
	}
	if faulty {
		return zero, &cloud.Error{Op: op, Ref: ref, Class: fault.class, Code: fault.code, RequestID: id, After: fault.stay, Err: errors.New("provoked after taking effect")}
	}
	return out, nil
}

// region finds the one that a call is about. A wrong region or account is never "not found", which would tell a delete
// that it is done.
func (c *Cloud) region(id string) (*region, error) {
	r, ok := c.regions[id]
	if !ok {
		return nil, refuse(nil, "InvalidRegion", "the account has no region %q", id)
	}
	return r, nil
}

func (c *Cloud) place(ref cloud.Ref, kinds ...cloud.Kind) (*region, error) {
	if ref.Account != c.o.Account {
		return nil, refuse(nil, "InvalidAccount", "%s is not of account %s", ref, c.o.Account)
	}
	for _, k := range kinds {
		if ref.Kind == k {
			return c.region(ref.Region)
		}
	}
	return nil, refuse(nil, "InvalidKind", "%s is not of kind %v", ref, kinds)
}

func notFound(kind cloud.Kind, id string) *refusal {
	return refuse(cloud.ErrNotFound, "NotFound."+kind.String(), "no %s has the id %q", kind, id)
}

// newID makes the next id, which looks like a cloud's and is greater than all before.
func (c *Cloud) newID(prefix string) string {
	c.counter++
	return fmt.Sprintf("%s-%05x%012x", prefix, c.idSpace, c.counter)
}

func (c *Cloud) ref(r *region, kind cloud.Kind, id string) cloud.Ref {
	return cloud.Ref{Account: c.o.Account, Region: r.id, Kind: kind, ID: id}
}

// birth is the life of what is made now and takes a while. What a person puts there, of no source, has no fate.
func (c *Cloud) birth(now time.Time, takes time.Duration, source string) life {
	l := life{madeAt: now, readyAt: now.Add(takes), shownAt: now.Add(c.o.Lag)}
	if source != "" {
		l.fate = c.takeFate(source)
	}
	return l
}

// room refuses when a quota leaves none for more.
func room(have, more, quota int, what string) error {
	if quota > 0 && have+more > quota {
		return refuse(cloud.ErrQuota, "LimitExceeded."+what, "%d %s are there and %d more are asked for, of %d allowed", have, what, more, quota)
	}
	return nil
}

// again finds what an earlier create with the same token made. The same token with another request is refused.
func (r *region) again(token, op string, req any, exists func(id string) bool) (ids []string, request uint64, err error) {
	if token == "" {
		return nil, 0, nil
	}
	b, err := json.Marshal(req)
	if err != nil {
		return nil, 0, err
	}
	request = hash(string(b))
	m, ok := r.tokens[op+" "+token]
	if !ok {
		return nil, request, nil
	}
	if m.request != request {
		return nil, 0, refuse(cloud.ErrConflict, "IdempotentParameterMismatch", "the token %q came before with another request", token)
	}
	for _, id := range m.ids {
		if !exists(id) {
			delete(r.tokens, op+" "+token) // forgotten with what it made
			return nil, request, nil
		}
	}
	return m.ids, request, nil
}

// remember keeps what the token made.
func (r *region) remember(op, token string, request uint64, ids ...string) {
	if token == "" {
		return
	}
	if len(r.tokens) >= r.pruneAt {
		for t, m := range r.tokens {
			if !r.has(m.ids[0]) {
				delete(r.tokens, t)
			}
		}
		r.pruneAt = 2*len(r.tokens) + 1024
	}
	r.tokens[op+" "+token] = made{request: request, ids: ids}
}

// has says whether anything in the region has the id.
func (r *region) has(id string) bool {
	_, instance := r.instances.byID[id]
	_, disk := r.disks.byID[id]
	_, snapshot := r.snapshots.byID[id]
	_, image := r.images.byID[id]
	return instance || disk || snapshot || image
}
