package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlite"
)

// epoch is where a bubble's clock stands when it begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// budget is how many steps one virtual day may take. One that takes more goes round in circles.
const budget = 40_000

// Sim is one world at play.
type Sim struct {
	spec   Spec
	luck   luck
	ctx    context.Context
	clouds map[string]*memcloud.Cloud
	store  store.Store
	model  *model
	trace  trace

	mu       sync.Mutex
	waiting  []*parked
	finished []*task
	arrived  chan struct{} // something came to the gate, or to its end

	places    []*process // one at each place; nil while none is there
	shared    *queue
	tasks     int
	born      int // processes so far
	agenda    []appointment
	rules     []rule        // in force for processes that start from now on
	versions  [][]rule      // of the rules, before they were edited
	offset    time.Duration // by which all clocks but the clouds' are ahead
	calm      bool
	kills     int             // left
	denied    map[string]bool // accounts that refuse every change just now
	failures  []string
	lastDay   int
	daySteps  int
	counts    map[string]int  // what happened how often
	lives     []timeRange     // of processes
	lost      time.Time       // when the database was lost last; zero: never
	unwritten map[string]bool // actions of which the database would not take a line
}

// luck is where chance comes from: one stream for each matter, so that one more draw here moves nothing there.
type luck struct {
	faults, people, order, wakeups, behind, life, jitter *rand.Rand
}

// appointment is something that happens at a time by itself.
type appointment struct {
	at   time.Time
	what string
	do   func()
}

// Report is what a seed came to.
type Report struct {
	Seed     uint64
	Failures []string // laws that were broken, with the trace that led there; empty when all held
	Digest   uint64   // of every step
	Steps    int
	Counts   map[string]int
	Story    func() string // every step, line by line
}

// Play plays a world to its end. It must be called inside a synctest bubble whose clock stands at its beginning.
func Play(ctx context.Context, spec Spec) (Report, error) {
	if !time.Now().UTC().Equal(epoch) {
		return Report{}, fmt.Errorf("the bubble's clock stands at %s, want %s: one bubble for each seed", time.Now().UTC(), epoch)
	}
	s := &Sim{
		spec: spec, ctx: ctx, clouds: map[string]*memcloud.Cloud{}, arrived: make(chan struct{}, 1), denied: map[string]bool{},
		kills: spec.Faults.kills, rules: spec.Policies, shared: newQueue(), places: make([]*process, spec.Processes), counts: map[string]int{}, unwritten: map[string]bool{},
	}
	stream := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(spec.Seed, n)) }
	s.luck = luck{stream(2), stream(3), stream(4), stream(5), stream(6), stream(7), stream(8)}
	s.model = newModel(s)
	s.build()
	st, err := sqlite.OpenWith(ctx, sqlite.Memory, sqlite.Options{NoSync: true})
	if err != nil {
		return Report{}, err
	}
	s.store = st
	defer func() { s.store.Close() }()
	s.plan()
	s.play(epoch.AddDate(0, 0, spec.Days+spec.Calm))
	if len(s.failures) == 0 {
		s.atTheEnd()
	}
	s.stopAll()
	return Report{Seed: spec.Seed, Failures: s.failures, Digest: s.trace.digest, Steps: s.trace.steps, Counts: s.counts, Story: s.trace.whole}, nil
}

func (s *Sim) now() time.Time { return time.Now().UTC() }

func (s *Sim) chance(r *rand.Rand, oneIn int) bool { return oneIn > 0 && !s.calm && r.IntN(oneIn) == 0 }

// note writes a line into the trace that a person would want to read.
func (s *Sim) note(who, what, note string) {
	s.trace.add(event{at: s.now(), who: who, what: what, note: note, loud: true})
}

// build makes the clouds and what is in them.
func (s *Sim) build() {
	for _, a := range s.spec.Accounts {
		traits, _ := memcloud.TraitsOf(a.cloud)
		traits.Lag = max(traits.Lag, s.spec.Lag)
		if a.cloud == "aws" {
			traits.Lag = 5 * time.Minute
		}
		o := memcloud.Options{
			Account: a.name, Regions: a.regions, Cloud: a.cloud, Traits: &traits, Now: s.now, Delays: s.spec.delays(s.luck.life), PageSize: 3 + s.luck.life.IntN(8),
			Behind: func() time.Duration {
				if s.spec.Lag == 0 || s.luck.behind.IntN(3) > 0 {
					return 0
				}
				return time.Duration(s.luck.behind.Int64N(int64(s.spec.Lag)))
			},
		}
		if s.luck.life.IntN(3) == 0 {
			o.Lacks = []cloud.Capability{cloud.SnapshotSets}
		}
		c := memcloud.New(o)
		s.clouds[a.name] = c
		for i := range a.instances {
			s.addInstance(c, a.regions[i%len(a.regions)])
		}
		// What was never ours: it must be there untouched at the end.
		foreign := c.AddInstance(memcloud.InstanceSpec{Region: a.regions[0], Name: "foreign"})
		s.model.foreign(c, foreign)
	}
}

// addInstance makes an instance that some of the policies select.
func (s *Sim) addInstance(c *memcloud.Cloud, region string) cloud.Instance {
	tags := map[string]string{"owner": "ops"}
	for _, p := range s.spec.Policies {
		if s.luck.life.IntN(4) > 0 {
			tags[p.tag] = fmt.Sprint(1 + s.luck.life.IntN(4))
		}
	}
	spec := memcloud.InstanceSpec{Region: region, Name: fmt.Sprintf("vm-%d", s.luck.life.IntN(1000)), Tags: cloud.TagsOf(tags), DiskSizes: []int64{10 * memcloud.GiB}}
	if s.luck.life.IntN(3) == 0 {
		spec.DiskSizes = append(spec.DiskSizes, 5*memcloud.GiB)
	}
	return c.AddInstance(spec)
}

// still waits until nothing moves any more.
func (s *Sim) still() { synctest.Wait() }

// play goes on until then, or until a law is broken.
func (s *Sim) play(until time.Time) {
	for len(s.failures) == 0 {
		s.still()
		if s.reap() {
			continue // what has ended may have begun something, which is to stand still before anybody moves
		}
		now := s.now()
		if !now.Before(until) || s.overBudget(now) {
			return
		}
		if len(s.agenda) > 0 && !s.agenda[0].at.After(now) {
			next := s.agenda[0]
			s.agenda = s.agenda[1:]
			next.do()
			continue
		}
		if !s.move(s.collect(), now) {
			s.rest(until)
		}
	}
}

// move lets one of those go on who can, and says whether there was one.
func (s *Sim) move(ready []*parked, now time.Time) bool {
	type choice struct {
		call *parked
		p    *process
		wake wake
	}
	var choices []choice
	for _, k := range ready {
		choices = append(choices, choice{call: k})
	}
	for _, p := range s.places {
		if p == nil || p.stopping || p.busy >= slotsEach {
			continue
		}
		if !p.started {
			continue
		}
		for _, w := range p.queue.due(now) {
			choices = append(choices, choice{p: p, wake: w})
		}
	}
	if len(choices) == 0 {
		return false
	}
	c := choices[s.luck.order.IntN(len(choices))]
	if c.call != nil {
		s.release(c.call)
	} else {
		s.handle(c.p, c.wake)
	}
	return true
}

// rest lets time go on to whatever comes next.
func (s *Sim) rest(until time.Time) {
	next := until
	earlier := func(at time.Time) {
		if at.Before(next) {
			next = at
		}
	}
	if len(s.agenda) > 0 {
		earlier(s.agenda[0].at)
	}
	for _, p := range s.places {
		if p != nil && p.started && !p.stopping && p.busy < slotsEach {
			if at, ok := p.queue.next(); ok {
				earlier(at)
			}
		}
	}
	s.mu.Lock()
	for _, k := range s.waiting {
		earlier(k.until)
	}
	s.mu.Unlock()
	pause := time.NewTimer(next.Sub(s.now()))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-s.arrived: // somebody's own timer was earlier
	}
}

func (s *Sim) overBudget(now time.Time) bool {
	if day := int(now.Sub(epoch) / (24 * time.Hour)); day != s.lastDay {
		s.lastDay, s.daySteps = day, s.trace.steps
	}
	if s.trace.steps-s.daySteps <= budget {
		return false
	}
	s.fail("the work settles", fmt.Sprintf("one day has taken more than %d steps; open are\n%s", budget, s.open()))
	return true
}

// open lists the actions that have not ended.
func (s *Sim) open() string {
	var b strings.Builder
	rows, _ := s.store.Actions(s.ctx, store.ActionFilter{States: []store.ActionState{store.ActionPlanned, store.ActionCalling, store.ActionUnclear}})
	for _, a := range rows {
		fmt.Fprintf(&b, "%s %s of %s: %s since %s, %d attempts, next at %s, after %v: %s\n", a.ID, a.Verb, a.Target, a.State,
			a.CreatedAt.Format(time.DateTime), a.Attempts, a.NextAt.Format(time.DateTime), a.After, a.Problem)
	}
	return b.String()
}

// reap takes back what has come to its end, and says whether anything has.
func (s *Sim) reap() bool {
	s.mu.Lock()
	done := s.finished
	s.finished = nil
	s.mu.Unlock()
	slices.SortFunc(done, func(a, b *task) int { return a.id - b.id })
	for _, t := range done {
		s.finish(t)
		note := ""
		if t.err != nil && !t.p.dead {
			note = "error: " + t.err.Error()
		}
		s.trace.add(event{at: s.now(), who: t.p.name(), what: t.what + " is over", note: note})
		if !t.p.dead {
			s.linesOf(t)
			t.p.after(t)
		}
	}
	return len(done) > 0
}

// linesOf wants every change that the task made to be a line of the record by the time that the task is over, unless the
// database was out of reach for it.
func (s *Sim) linesOf(t *task) {
	for _, call := range t.made {
		if s.unwritten[call.Action] {
			continue
		}
		list, err := s.store.Audit(s.ctx, store.AuditFilter{Action: call.Action, What: call.Op})
		if err != nil || len(list) == 0 {
			s.fail("every change is on record", fmt.Sprintf("%s made %s for %s, and the record has no line of it (%v)", t.p.name(), call.Op, call.Action, err), call.Action)
		}
	}
}

// at makes an appointment.
func (s *Sim) at(at time.Time, what string, do func()) {
	i, _ := slices.BinarySearchFunc(s.agenda, at, func(a appointment, at time.Time) int {
		if a.at.After(at) {
			return 1
		}
		return -1
	})
	s.agenda = slices.Insert(s.agenda, i, appointment{at, what, do})
}

// fail says that a law is broken.
func (s *Sim) fail(law, text string, about ...string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\nto play it again: make sim SEED=%d\n\n", law, text, s.spec.Seed)
	fmt.Fprintf(&b, "%s\n%s\n%s\n", s.describe(), s.model.siblingsOf(about), s.trace.short(90, about...))
	s.failures = append(s.failures, b.String())
}

// describe is the world in a few lines.
func (s *Sim) describe() string {
	var b strings.Builder
	shared := "SQLite"
	if s.spec.Shared {
		shared = "a shared database"
	}
	fmt.Fprintf(&b, "%d processes on %s, work takes up to %s, listings lag up to %s\n%s", s.spec.Processes, shared, s.spec.Making, s.spec.Lag, s.spec.yaml(s.spec.Policies))
	for _, a := range s.spec.Accounts {
		for _, i := range s.clouds[a.name].Truth().Instances {
			fmt.Fprintf(&b, "%s %s: %d disks, tags %s\n", i.Ref, i.Name, len(i.Disks), i.Tags)
		}
	}
	return strings.TrimRight(b.String(), "\n")
}
