package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/store/sqlite"
)

// plan fills the agenda: processes start, fate and people have their days, and calm comes at the end.
func (s *Sim) plan() {
	r, f := s.luck.people, s.spec.Faults
	for i := range s.places {
		s.at(epoch.Add(time.Duration(i)*time.Minute), "start", func() { s.launch(i) })
	}
	trouble := time.Duration(s.spec.Days) * 24 * time.Hour
	some := func() time.Time { return epoch.Add(time.Hour + time.Duration(r.Int64N(int64(trouble-2*time.Hour)))) }
	for range f.people {
		s.at(some(), "people", s.somebodyActs)
	}
	for range f.edits {
		s.at(some(), "edit", s.edit)
	}
	for range f.clock {
		s.at(some(), "clock", s.clockGoesWrong)
	}
	for range f.lose {
		s.at(some(), "lost", s.loseDatabase)
	}
	if f.denied > 0 {
		for range 1 + r.IntN(3) {
			s.at(some(), "denied", s.denyForAWhile)
		}
	}
	for day := range s.spec.Days {
		s.at(epoch.AddDate(0, 0, day).Add(5*time.Hour), "fate", s.newLife)
	}
	s.at(epoch.Add(trouble), "calm", s.calmDown)
}

// newLife changes how long work takes.
func (s *Sim) newLife() {
	for _, a := range s.spec.Accounts {
		s.clouds[a.name].SetDelays(s.spec.delays(s.luck.life))
	}
}

// denyForAWhile takes an account's right to change anything.
func (s *Sim) denyForAWhile() {
	a := pick(s.luck.people, s.spec.Accounts...)
	s.note("people", "deny every change in "+a.name, "")
	s.denied[a.name] = true
	s.at(s.now().Add(time.Duration(s.luck.people.Int64N(int64(20*time.Hour)))), "allowed", func() {
		s.note("people", "allow changes in "+a.name, "")
		s.denied[a.name] = false
	})
}

// alive picks a process that is at work.
func (s *Sim) alive() *process {
	var out []*process
	for _, p := range s.places {
		if p != nil && p.started && !p.stopping {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out[s.luck.people.IntN(len(out))]
}

// edit changes the policies, and has the processes read them again one after the other.
func (s *Sim) edit() {
	r := s.luck.people
	rules := slices.Clone(s.rules)
	what := "nothing"
	if len(rules) == 0 {
		rules, what = slices.Clone(s.spec.Policies), "put all policies back"
	} else {
		i := r.IntN(len(rules))
		switch r.IntN(6) {
		case 0:
			what = "remove the policy " + rules[i].name
			rules = slices.Delete(rules, i, i+1)
		case 1:
			rules[i].disabled = !rules[i].disabled
			what = fmt.Sprintf("set disabled: %v of %s", rules[i].disabled, rules[i].name)
		case 2, 3:
			drawKeep(r, &rules[i])
			what = "change what " + rules[i].name + " keeps"
		case 4:
			rules[i].minute = r.IntN(60)
			what = "change the schedule of " + rules[i].name
		default:
			rules, what = slices.Clone(s.spec.Policies), "put all policies back"
		}
	}
	s.note("people", what, "\n"+s.spec.yaml(rules))
	s.counts["edits"]++
	s.versions = append(s.versions, s.rules)
	s.rules = rules
	s.model.edited(s.now())
	for i, p := range s.places {
		if p == nil {
			continue
		}
		s.at(s.now().Add(time.Duration(i)*time.Minute), "reload", func() {
			if !p.dead && !p.stopping {
				s.stop(p, func() { s.launch(p.place) })
			}
		})
	}
}

// clockGoesWrong sets the clocks of all processes ahead or back, and right again later.
func (s *Sim) clockGoesWrong() {
	offset := pick(s.luck.people, -3*time.Hour, -20*time.Minute, -2*time.Minute, 2*time.Minute, 20*time.Minute, 26*time.Hour, 400*24*time.Hour)
	s.note("fate", "the clock steps by "+offset.String(), "")
	s.counts["clock steps"]++
	s.setClocks(offset)
	s.at(s.now().Add(time.Duration(s.luck.people.Int64N(int64(10*time.Hour)))), "clock", func() {
		s.note("fate", "the clock is right again", "")
		s.setClocks(0)
	})
}

func (s *Sim) setClocks(offset time.Duration) {
	s.offset = offset
	for _, p := range s.places {
		if p != nil {
			p.offset = offset
		}
	}
}

// loseDatabase takes everything that the program remembers. All its processes are killed first.
func (s *Sim) loseDatabase() {
	s.note("fate", "the database is lost", "")
	s.lost = s.now()
	s.counts["databases lost"]++
	for _, p := range s.places {
		if p != nil {
			s.kill(p, "its database is lost")
		}
	}
	*s.shared = *newQueue()
	st, err := sqlite.OpenWith(s.ctx, sqlite.Memory, sqlite.Options{NoSync: true})
	if err != nil {
		s.fail("a new database opens", err.Error())
		return
	}
	s.store.Close()
	s.store = st
	s.model.forgot(s.now())
}

// calmDown ends all trouble: from here on everything works, and after a few days all must be well.
func (s *Sim) calmDown() {
	s.note("fate", "calm", "")
	s.calm = true
	s.setClocks(0)
	s.denied = map[string]bool{}
	s.versions = append(s.versions, s.rules)
	s.rules = s.spec.Policies
	for i := range s.rules {
		s.rules[i].disabled = false
	}
	s.model.edited(s.now())
	for _, p := range s.places {
		if p != nil && !p.stopping {
			s.stop(p, func() { s.launch(p.place) })
		}
	}
	for _, t := range s.model.list() {
		if t.stalled() {
			s.clouds[t.ref.Account].SetFate(t.ref, memcloud.FateReady)
		}
	}
}
