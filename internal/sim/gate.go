package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// errKilled is what every call of a process comes to that was killed. It has no effect any more, so for all others the
// process has ceased where it stood; the error only lets its goroutines end.
var errKilled = errors.New("the process was killed")

// errDatabase is what the store answers when it is out of reach.
var errDatabase = errors.New("the database is out of reach")

// parked is a call that waits until the scheduler lets it go.
type parked struct {
	t     *task
	n     int    // the how-manieth call of its task
	what  string // "store.SaveAction", "snapshot.create acc1/r1/…"
	call  cloud.Call
	write bool // changes a cloud
	store bool
	ctx   context.Context
	gone  chan verdict

	drawn   bool
	from    time.Time // when it arrived
	until   time.Time // it takes so long
	timeout bool      // longer than the caller waits
}

// verdict is what becomes of a call.
type verdict struct {
	before error // it has no effect and ends so
	after  error // it has its effect and ends so all the same
	note   string
}

type taskKey struct{}

// pass parks the call, and makes it when and as the scheduler says.
func (s *Sim) pass(ctx context.Context, p *parked, do func() error) error {
	p.t, _ = ctx.Value(taskKey{}).(*task)
	if p.t == nil {
		panic("sim: a call of nobody: " + p.what)
	}
	p.t.calls++
	p.n, p.ctx, p.gone = p.t.calls, ctx, make(chan verdict, 1)
	s.mu.Lock()
	if p.t.p.dead {
		s.mu.Unlock()
		return errKilled
	}
	s.waiting = append(s.waiting, p)
	s.mu.Unlock()
	select {
	case s.arrived <- struct{}{}:
	default:
	}
	var v verdict
	select {
	case v = <-p.gone:
	case <-ctx.Done():
		s.mu.Lock()
		s.waiting = slices.DeleteFunc(s.waiting, func(o *parked) bool { return o == p })
		s.mu.Unlock()
		if p.t.p.dead {
			return errKilled
		}
		return ctx.Err()
	}
	if v.before != nil {
		return v.before
	}
	if err := do(); err != nil {
		return err
	}
	return v.after
}

// cloudGate is the innermost interceptor: each try of each page of each call passes it.
func (p *process) cloudGate(next cloud.Invoke) cloud.Invoke {
	return func(ctx context.Context, call cloud.Call) error {
		what := call.Op + " " + call.Region
		if call.Ref.ID != "" {
			what = call.Op + " " + call.Ref.String()
		}
		k := &parked{what: what, call: call, write: call.Class == cloud.Write}
		return p.s.pass(ctx, k, func() error {
			if !k.write {
				return next(ctx, call)
			}
			return p.s.change(ctx, k.t, call, next)
		})
	}
}

// draw decides how long a call takes that has just arrived.
func (s *Sim) draw(p *parked) {
	p.drawn, p.from, p.until = true, s.now(), s.now()
	if p.store || !s.chance(s.luck.faults, s.spec.Faults.slow) {
		return
	}
	p.until = p.from.Add(time.Duration(s.luck.faults.Int64N(int64(50 * time.Second))))
	if deadline, ok := p.ctx.Deadline(); ok && !p.until.Before(deadline) {
		p.until, p.timeout = deadline.Add(-time.Millisecond), true
		if p.until.Before(p.from) {
			p.until = p.from
		}
	}
}

// collect draws for what has arrived, in one order whoever came first, and gives what may go on now.
func (s *Sim) collect() []*parked {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.waiting, func(a, b *parked) int { return cmp.Or(cmp.Compare(a.t.id, b.t.id), cmp.Compare(a.n, b.n)) })
	var ready []*parked
	for _, p := range s.waiting {
		if !p.drawn {
			s.draw(p)
		}
		if !p.until.After(s.now()) {
			ready = append(ready, p)
		}
	}
	return ready
}

// release lets a call go on as fate has it.
func (s *Sim) release(p *parked) {
	v, kill := s.fate(p)
	s.mu.Lock()
	s.waiting = slices.DeleteFunc(s.waiting, func(o *parked) bool { return o == p })
	s.mu.Unlock()
	loud := p.write || v.note != ""
	if kind, _, _ := strings.Cut(v.note, ":"); kind != "" {
		s.counts[kind]++
	}
	s.trace.add(event{at: s.now(), who: p.t.p.name(), what: fmt.Sprintf("%s: %s", p.t.what, p.what), note: v.note, loud: loud})
	if kill == killedBefore {
		s.kill(p.t.p, "before "+p.what)
		p.gone <- verdict{before: errKilled}
		return
	}
	p.gone <- v
	if kill == killedAfter {
		s.still() // until it is done
		s.kill(p.t.p, "after "+p.what)
	}
}

// When a process is killed.
const (
	notKilled = iota
	killedBefore
	killedAfter
)

// fate decides what becomes of a call.
func (s *Sim) fate(p *parked) (v verdict, kill int) {
	r, f := s.luck.faults, s.spec.Faults
	if p.timeout {
		v.note = "times out"
		if v.before = context.DeadlineExceeded; r.IntN(2) == 0 {
			v.before, v.after, v.note = nil, context.DeadlineExceeded, "times out, and takes effect"
		}
		return v, notKilled
	}
	if !s.calm && s.kills > 0 && s.chance(r, s.perKill(p)) {
		s.kills--
		return verdict{}, pick(r, killedBefore, killedAfter)
	}
	if s.calm {
		return v, notKilled
	}
	broken := func(class error, code, why string) error {
		e := &cloud.Error{Op: p.call.Op, Ref: p.call.Ref, Class: class, Code: code, RequestID: fmt.Sprintf("req-%d", s.trace.steps), Err: errors.New(why)}
		if class == cloud.ErrThrottled && r.IntN(2) == 0 {
			// Never twice the same: timers that end at one moment fire in any order, and a seed must play the same each time.
			e.After = time.Duration(1+r.IntN(20))*time.Second + time.Duration(r.IntN(1_000_000_000))
		}
		return e
	}
	switch {
	case p.store && s.chance(r, f.storeBefore):
		return verdict{before: errDatabase, note: "the database is out of reach"}, notKilled
	case p.store && s.chance(r, f.storeAfter):
		return verdict{after: errDatabase, note: "the database commits, and the answer is lost"}, notKilled
	case p.store:
	case s.chance(r, f.throttled):
		return verdict{before: broken(cloud.ErrThrottled, "RequestLimitExceeded", "slow down"), note: "throttled"}, notKilled
	case p.write && s.denied[p.call.Account]:
		return verdict{before: broken(cloud.ErrDenied, "UnauthorizedOperation", "the role may not"), note: "denied"}, notKilled
	case s.chance(r, f.before):
		return verdict{before: broken(cloud.ErrTransient, "InternalError", "try again"), note: "fails before it takes effect"}, notKilled
	case s.chance(r, f.after):
		return verdict{after: broken(cloud.ErrTransient, "InternalError", "try again"), note: "fails after it took effect"}, notKilled
	case s.chance(r, f.lost):
		return verdict{after: broken(cloud.ErrTransient, "", "connection reset by peer"), note: "its answer is lost"}, notKilled
	case p.write && s.chance(r, f.refused):
		class := pick(r, cloud.ErrQuota, cloud.ErrConflict, cloud.ErrInUse, cloud.ErrUnsupported, nil)
		return verdict{before: broken(class, "Refused", "the cloud has its reasons"), note: "refused: " + cloud.ClassName(broken(class, "", ""))}, notKilled
	}
	return verdict{}, notKilled
}

// perKill is how seldom a process is killed at a call: most kills are to hit where something is being changed.
func (s *Sim) perKill(p *parked) int {
	switch {
	case p.write:
		return 12
	case p.store && (p.what == "store.SaveAction" || p.what == "store.StartRun"):
		return 40
	}
	return 1500
}
