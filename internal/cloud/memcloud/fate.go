package memcloud

import (
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Fate is what becomes of a thing that is being made.
type Fate int

// The fates. The zero Fate is that it becomes ready in its time.
const (
	FateReady Fate = iota
	FateFail       // it ends in failure
	FateStall      // it never ends
)

// NextFate decides what becomes of the next thing that is made from the source: the snapshot of a disk, the image of an
// instance, the disk of a snapshot, the instance of an image. An empty source is any. Fates queue up.
func (c *Cloud) NextFate(source string, f Fate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fates[source] = append(c.fates[source], f)
}

// SetFate changes what becomes of a thing that is there already, such as to let a stalled one end.
func (c *Cloud) SetFate(ref cloud.Ref, f Fate) {
	c.change(ref, func(_ *region, _ *cloud.Tags, l *life) { l.fate = f })
}

func (c *Cloud) takeFate(source string) Fate {
	for _, id := range []string{source, ""} {
		if q := c.fates[id]; len(q) > 0 {
			f := q[0]
			if len(q) == 1 {
				delete(c.fates, id)
			} else {
				c.fates[id] = q[1:]
			}
			return f
		}
	}
	return FateReady
}

// SetDelays changes how long work takes that begins from now on.
func (c *Cloud) SetDelays(d Delays) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.o.Delays = d
}

// SetQuotas changes what a region may hold; what is there stays.
func (c *Cloud) SetQuotas(q Quotas) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.o.Quotas = q
}

// SetLag changes how long listings lag behind what happens from now on.
func (c *Cloud) SetLag(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.o.Lag = d
}

// fault is one call that will go wrong.
type fault struct {
	class error
	code  string
	stay  time.Duration
	after bool
}

// Provoke makes the next call of op ("snapshot.delete") end in the class: before anything happened, or with after once
// it has taken effect. A throttled call asks its caller to stay away for a second. Faults queue up.
func (c *Cloud) Provoke(op string, class error, after bool) {
	f := fault{class: class, code: codeOf(class), after: after}
	if class == cloud.ErrThrottled {
		f.stay = time.Second
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults[op] = append(c.faults[op], f)
}

func (c *Cloud) takeFault(op string) (fault, bool) {
	q := c.faults[op]
	if len(q) == 0 {
		return fault{}, false
	}
	if len(q) == 1 {
		delete(c.faults, op)
	} else {
		c.faults[op] = q[1:]
	}
	return q[0], true
}

// codeOf is this cloud's word for a class.
func codeOf(class error) string {
	switch class {
	case cloud.ErrNotFound:
		return "NotFound"
	case cloud.ErrThrottled:
		return "RequestLimitExceeded"
	case cloud.ErrTransient:
		return "InternalError"
	case cloud.ErrInUse:
		return "ResourceInUse"
	case cloud.ErrConflict:
		return "IncorrectState"
	case cloud.ErrQuota:
		return "LimitExceeded"
	case cloud.ErrDenied:
		return "UnauthorizedOperation"
	case cloud.ErrUnsupported:
		return "UnsupportedOperation"
	}
	return "Unheard"
}
