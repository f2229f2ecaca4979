package sim

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/intercept"
	"github.com/stint-cloud/stint/internal/job"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/survey"
)

// How often a process's loops come round. They are rarer than the program's own, which cost a simulated month too much:
// what they make up for is made up for later.
const (
	sweepEvery = 2 * time.Hour
	hintsEvery = 10 * time.Second
	idle       = 12 * time.Hour
	listEvery  = 6 * time.Hour
)

// process is one run of the program: from its start to its end, whichever end that is.
type process struct {
	s        *Sim
	n        int
	place    int
	app      *app.App
	handlers map[job.Queue]job.Handler
	rules    []rule
	queue    *queue
	ctx      context.Context
	cancel   context.CancelFunc
	offset   time.Duration // its clock is ahead of the true one by this
	busy     int           // tasks at work
	started  bool
	stopping bool
	dead     bool
	hinting  bool
	recorder *intercept.Recorder
	life     int // which of the simulation's lives
}

func (p *process) name() string { return fmt.Sprintf("p%d", p.n) }

// clock is the time as the process sees it.
func (p *process) clock() time.Time { return p.s.now().Add(p.offset) }

// launch starts a process at a place.
func (s *Sim) launch(place int) {
	parsed, err := s.spec.parse(s.rules)
	if err != nil {
		s.fail("the drawn policies are good", err.Error())
		return
	}
	s.born++
	p := &process{s: s, n: s.born, place: place, rules: s.rules, queue: s.shared, offset: s.offset}
	if !s.spec.Shared {
		p.queue = newQueue()
	}
	p.ctx, p.cancel = context.WithCancel(s.ctx)
	s.tasks++
	p.recorder = intercept.StartRecorder(context.WithValue(p.ctx, taskKey{}, &task{p: p, id: s.tasks, what: "record"}), memory{p}, p.name(), slog.New(slog.DiscardHandler))
	p.app = app.New(app.Options{
		Rules: parsed, Store: memory{p}, Engine: port{p}, Auto: true, Idle: idle, Log: slog.New(slog.DiscardHandler),
		Open: func(a policy.Account) (cloud.Provider, error) { return s.clouds[a.Name].Provider(), nil },
		Around: func(policy.Account) []cloud.Interceptor {
			jitter := func(most time.Duration) time.Duration { return time.Duration(s.luck.jitter.Int64N(int64(most) + 1)) }
			limit := func(key string) intercept.Limit {
				if strings.HasSuffix(key, "/"+cloud.Write.String()) {
					return intercept.Limit{Ceiling: s.spec.Writes, Burst: max(1, int(s.spec.Writes))}
				}
				return intercept.Limit{Ceiling: 20, Burst: 20}
			}
			return []cloud.Interceptor{
				intercept.Audit(p.recorder.Sink), p.isRecorded, intercept.Retry(intercept.RetryOptions{Jitter: jitter}), intercept.Pace(intercept.NewMemory(limit)), p.cloudGate,
			}
		},
		Survey: survey.Options{Every: listEvery, MinPoll: 90 * time.Second, MaxPoll: 30 * time.Minute},
	})
	p.handlers = p.app.Handlers()
	s.places[place] = p
	p.life = len(s.lives)
	s.lives = append(s.lives, timeRange{from: s.now()})
	s.counts["starts"]++
	s.note(p.name(), "starts", "")
	s.errand(p, "start", func(ctx context.Context) error {
		problems, err := p.app.Prepare(ctx, p.clock())
		for _, problem := range problems {
			s.note(p.name(), "start", problem.Error())
		}
		if err != nil || s.spec.Shared {
			return err
		}
		return p.app.TakeOver(ctx, p.clock())
	})
}

// isRecorded remembers that a call changed something, until its line in the record is seen.
func (p *process) isRecorded(next cloud.Invoke) cloud.Invoke {
	return func(ctx context.Context, call cloud.Call) error {
		err := next(ctx, call)
		if call.Class == cloud.Write && err == nil && !p.dead {
			t, _ := ctx.Value(taskKey{}).(*task)
			t.made = append(t.made, call)
		}
		return err
	}
}

// after is what a process does when one of its tasks is over.
func (p *process) after(t *task) {
	switch {
	case t.what == "start" && t.err != nil: // it exits, and whoever looks after it starts it again
		p.s.kill(p, "its start failed")
	case t.what == "start":
		p.started = true
		p.sweep()
		p.s.at(p.s.now().Add(24*time.Hour), "tidy", p.tidy)
	case t.wake.queue == job.Act && !p.hinting && p.s.spec.Shared:
		p.hinting = true
		p.hint(2)
	}
}

// sweep wakes what is due, over and over.
func (p *process) sweep() {
	if p.dead || p.stopping {
		return
	}
	sw := job.Sweep{Due: p.app.Due, Engine: port{p}}
	p.s.errand(p, "sweep", func(ctx context.Context) error {
		_, err := sw.Once(ctx, p.clock())
		return err
	})
	p.s.at(p.s.now().Add(sweepEvery), "sweep", p.sweep)
}

// hint looks twice at what was made here and is looked after nowhere.
func (p *process) hint(times int) {
	if p.hinting = times > 0; !p.hinting {
		return
	}
	p.s.at(p.s.now().Add(hintsEvery), "hints", func() {
		if p.dead || p.stopping {
			return
		}
		p.s.errand(p, "hints", func(ctx context.Context) error { return p.app.FollowHints(ctx, p.clock()) })
		p.hint(times - 1)
	})
}

func (p *process) tidy() {
	if p.dead || p.stopping {
		return
	}
	p.s.errand(p, "tidy", func(ctx context.Context) error { p.app.Tidy(ctx, p.clock()); return nil })
	p.s.at(p.s.now().Add(24*time.Hour), "tidy", p.tidy)
}

// errand has the process do something that no wake-up asked for.
func (s *Sim) errand(p *process, what string, do func(ctx context.Context) error) {
	s.tasks++
	t := &task{p: p, id: s.tasks, what: what}
	s.begin(t, func(ctx context.Context) (job.Answer, error) { return job.Done(), do(ctx) })
}

// handle has the process handle a wake-up.
func (s *Sim) handle(p *process, w wake) {
	q := p.queue
	delete(q.waiting, w.key)
	s.tasks++
	t := &task{p: p, id: s.tasks, what: w.key, wake: w}
	q.handled[w.key] = t
	if s.chance(s.luck.wakeups, s.spec.Faults.wakeups) { // given twice: the second comes when the first is at work
		s.note(p.name(), w.key, "is given twice")
		s.counts["wake-ups given twice"]++
		delete(q.handled, w.key)
		q.put(w)
	}
	now := p.clock()
	handler := job.Protect(p.handlers[w.queue])
	s.begin(t, func(ctx context.Context) (job.Answer, error) { return handler(ctx, now, w.key) })
}

// begin starts the task's goroutine. It stands still at its first call.
func (s *Sim) begin(t *task, do func(ctx context.Context) (job.Answer, error)) {
	t.p.busy++
	s.trace.add(event{at: s.now(), who: t.p.name(), what: t.what + " begins"})
	ctx, cancel := context.WithTimeout(context.WithValue(t.p.ctx, taskKey{}, t), time.Minute)
	go func() {
		defer cancel()
		answer, err := do(ctx)
		s.mu.Lock()
		t.answer, t.err, t.done = answer, err, true
		s.finished = append(s.finished, t)
		s.mu.Unlock()
		select {
		case s.arrived <- struct{}{}:
		default:
		}
	}()
}

// kill ends a process as kill -9 does, and has another start at its place later.
func (s *Sim) kill(p *process, why string) {
	if p.dead {
		return
	}
	s.note(p.name(), "killed", why)
	s.counts["kills"]++
	s.bury(p)
	pause := time.Duration(s.luck.people.Int64N(int64(10 * time.Minute)))
	if s.luck.people.IntN(5) == 0 && !s.calm {
		pause = time.Duration(s.luck.people.Int64N(int64(14 * time.Hour)))
	}
	s.at(s.now().Add(pause), "restart", func() { s.launch(p.place) })
}

// bury makes a process cease: nothing that it does from here on has an effect.
func (s *Sim) bury(p *process) {
	s.mu.Lock()
	p.dead = true
	s.lives[p.life].to = s.now()
	var left []*parked
	for _, k := range s.waiting {
		if k.t.p == p {
			k.gone <- verdict{before: errKilled}
			continue
		}
		left = append(left, k)
	}
	s.waiting = left
	s.mu.Unlock()
	p.cancel()
	if s.places[p.place] == p {
		s.places[p.place] = nil
	}
	if s.spec.Shared {
		s.abandon(p)
	}
	s.still()
	p.recorder.Stop() // it has nothing to say any more, and its goroutine ends
}

// stop ends a process as it should end: what it is at is finished, nothing new begins. then is done when it is over.
func (s *Sim) stop(p *process, then func()) {
	p.stopping = true
	s.note(p.name(), "is asked to stop", "")
	s.at(s.now().Add(30*time.Second), "stopped", func() {
		if !p.dead {
			s.note(p.name(), "has stopped", "")
			s.bury(p)
			then()
		}
	})
}

// stopAll ends everything, so that the bubble can end.
func (s *Sim) stopAll() {
	for _, p := range s.places {
		if p != nil {
			s.bury(p)
		}
	}
	s.still()
}
