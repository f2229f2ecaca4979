package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/store/pgtest"
)

// What the crews work on: a slot takes some seconds of every minute, and something goes with each.
const (
	crewInstances = 300 // more than the crew calls for at once, so that some of a slot is still only planned
	crewKeep      = 2
	crewSize      = 3
)

func crewPolicy(f *front, schedule string) string {
	return fmt.Sprintf(`
accounts:
  web: { cloud: aws, regions: [us-east-1], endpoint: %q, pace: { reads: 1000, writes: 1000 } }
policies:
  minutely:
    backup:
      select: { tags: { backup: "yes" } }
      schedule: { %s }
      method: snapshots
      keep: { last: %d }
      limits: { delete-share: 100%% }
`, f.url, schedule, crewKeep)
}

// next is the first change after a time that somebody else than the one named made.
func (f *front) next(at time.Time, but string) (time.Time, bool) {
	for _, c := range f.history() {
		if c.began.After(at) && c.who != but {
			return c.began, true
		}
	}
	return time.Time{}, false
}

// planned is how many actions wait that nobody has announced a call of.
func (c *crew) planned() (n int) {
	c.t.Helper()
	var runs []struct{ Actions map[string]int }
	c.run("runs", "list", "-o", "json").want(0).read(&runs)
	for _, r := range runs {
		n += r.Actions["planned"]
	}
	return n
}

// known is what stint says of an action.
type known struct {
	ID, State string
	Target    struct{ ID string }
	StartedAt time.Time `json:"started-at"` // when its first call was announced
}

// actions are all that stint knows: by id, and deletions by what they were about.
func (c *crew) actions() map[string]known {
	c.t.Helper()
	var runs []struct{ ID string }
	c.run("runs", "list", "--limit", "1000", "-o", "json").want(0).read(&runs)
	out := map[string]known{}
	for _, r := range runs {
		var detail struct{ List []known }
		c.run("runs", "show", r.ID, "-o", "json").want(0).read(&detail)
		for _, a := range detail.List {
			out[a.ID] = a
			if a.Target.ID != "" {
				out[a.Target.ID] = a
			}
		}
	}
	return out
}

// inSlot is how many disks have a snapshot of the newest slot.
func (f *front) inSlot() int {
	newest, n := "", 0
	for slot, made := range f.served() {
		if slot > newest {
			newest, n = slot, len(made)
		}
	}
	return n
}

// TestWorkersDie has three serves work on one PostgreSQL and kills one of them after the other in the middle of its
// calls, with a new one in its place: no slot is missed, none doubled, and what the dead one was about is settled.
func TestWorkersDie(t *testing.T) {
	demand(t)
	const kills = 14
	seed := seedOf(t)
	random := rand.New(rand.NewPCG(seed, 3))
	f := newFront(t, seed, crewInstances, 1, crewKeep, 2*time.Second, keys()...)
	f.hold(time.Second, 2*time.Second)
	c := newCrew(t, f, crewPolicy(f, "every: 1m, catch-up: 10m"))
	c.database = pgtest.Start(t).Database(t)
	var mates []*mate
	for range crewSize {
		mates = append(mates, c.hire())
	}
	type death struct {
		at   time.Time
		open []int
	}
	var deaths []death
	var next spans
	for range kills {
		victim := mates[0]
		select {
		case <-f.after(1+random.IntN(12), victim.key):
		case <-time.After(3 * time.Minute):
			t.Fatalf("%s has made no call for three minutes", victim.name)
		}
		pause(t.Context(), time.Duration(random.Int64N(int64(300*time.Millisecond))))
		at := time.Now()
		victim.kill()
		deaths = append(deaths, death{at, f.underWay(victim.key, at)})
		left := c.planned()
		mates = append(mates[1:], c.hire())
		if began, ok := f.next(at, victim.key); ok && left > 0 {
			next = append(next, began.Sub(at))
		}
	}
	for _, m := range mates {
		if m.ended() {
			t.Errorf("%s has ended: %s", m.name, m.cmd.ProcessState)
		}
	}
	slots := f.whole(crewInstances, crewPatience)
	for _, m := range mates {
		m.leave()
	}
	f.judge(slots, crewInstances)
	minutes(t, slots, 1) // two that die within River's rescue time can both have held the plan: docs/reference/takeover.md

	said, history, actions := c.settled(), f.history(), c.actions()
	var settle, late spans
	for _, d := range deaths {
		for _, i := range d.open {
			call := history[i]
			if at, ok := said[call.what()]; ok {
				settle = append(settle, at.Sub(d.at))
			} else if a := actions[call.what()]; a.State != "done" { // who settled it may have died before it could say so
				t.Errorf("a call of a dead worker was never settled: %s of %s is %q", call.action, call.what(), a.State)
			}
		}
	}
	for _, x := range history {
		if a, ok := actions[x.what()]; ok && len(x.made) > 0 && x.began.Sub(a.StartedAt) > time.Minute {
			late = append(late, x.began.Sub(a.StartedAt))
		}
	}
	if len(settle) < kills || len(next) < 3 {
		t.Errorf("got %d calls that were cut off and %d times when others had work left, want more: the test kills too early or too late", len(settle), len(next))
	}
	t.Logf("%d kills in %d slots, %d calls cut off", kills, len(slots), len(settle))
	t.Logf("from the kill of a worker until its call is settled by another: %s", settle)
	t.Logf("from the kill of a worker until another makes the next call: %s", next)
	t.Logf("from the announcement of a call that was not made until it is made: %s", late)
}

// TestDatabaseGoesAway stops PostgreSQL under three serves in all its ways: they say that they are not ready, stay alive,
// and go on by themselves when it is back. No slot is missed, none doubled.
func TestDatabaseGoesAway(t *testing.T) {
	demand(t)
	seed := seedOf(t)
	random := rand.New(rand.NewPCG(seed, 4))
	f := newFront(t, seed, crewInstances, 1, crewKeep, 2*time.Second, keys()...)
	f.hold(time.Second, 2*time.Second)
	c := newCrew(t, f, crewPolicy(f, "every: 1m, catch-up: 10m"))
	server := pgtest.Start(t)
	c.database = server.Database(t)
	var mates []*mate
	for range crewSize {
		mates = append(mates, c.hire())
	}
	ways := []struct {
		name string
		how  os.Signal
		away time.Duration
	}{
		{"fast shutdown", os.Interrupt, time.Second},
		{"crash", syscall.SIGQUIT, time.Second},
		{"20 s of absence", os.Interrupt, 20 * time.Second},
	}
	measured := map[string]*struct{ ready, next spans }{}
	for _, way := range slices.Concat(ways, ways, ways) {
		until(t, 3*time.Minute, 50*time.Millisecond, "a slot has begun", func() (bool, string) {
			n := f.inSlot()
			return n > 0 && n < crewInstances/2, fmt.Sprintf("%d of the newest slot's disks are served", n)
		})
		pause(t.Context(), time.Duration(random.Int64N(int64(time.Second))))
		server.Stop(t, way.how)
		stopped := time.Now()
		for _, m := range mates {
			if ok, text := m.ready(); ok {
				t.Errorf("%s: %s says without its database: %s", way.name, m.name, text)
			}
		}
		pause(t.Context(), way.away-time.Since(stopped))
		server.Resume(t)
		back := time.Now()
		left := c.planned()
		for _, m := range mates {
			until(t, time.Minute, 50*time.Millisecond, m.name+" is ready again after "+way.name, m.ready)
			if m.ended() {
				t.Fatalf("%s has ended: %s\n%s", m.name, m.cmd.ProcessState, m.text())
			}
		}
		got := measured[way.name]
		if got == nil {
			got = &struct{ ready, next spans }{}
			measured[way.name] = got
		}
		got.ready = append(got.ready, time.Since(back))
		var began time.Time
		until(t, 3*time.Minute, 100*time.Millisecond, "the next call after "+way.name, func() (ok bool, _ string) {
			began, ok = f.next(back, "")
			return ok, fmt.Sprintf("%d actions were planned", left)
		})
		if left > 0 {
			got.next = append(got.next, began.Sub(back))
		}
		t.Logf("after %s, with %d actions planned, the next call came after %s", way.name, left, round(began.Sub(back)))
	}
	slots := f.whole(crewInstances, crewPatience)
	for _, m := range mates {
		m.leave()
	}
	f.judge(slots, crewInstances)
	minutes(t, slots, 0)
	t.Logf("%d slots", len(slots))
	for _, way := range ways {
		t.Logf("after %s: ready again: %s; next call: %s", way.name, measured[way.name].ready, measured[way.name].next)
	}
}

// TestTakeOverOnAFile kills the one serve on a file in the middle of its calls and starts it again, over and over.
func TestTakeOverOnAFile(t *testing.T) {
	demand(t)
	const kills, instances = 15, 40
	seed := seedOf(t)
	random := rand.New(rand.NewPCG(seed, 5))
	f := newFront(t, seed, instances, 1, crewKeep, 300*time.Millisecond, keys()...)
	f.hold(300*time.Millisecond, 600*time.Millisecond)
	c := newCrew(t, f, "")
	day := time.Now().UTC().AddDate(0, 0, -10)
	if day.Month() == time.February && day.Day() == 29 {
		day = day.AddDate(0, 0, 1)
	}
	type death struct {
		at, again time.Time
		open      []int
	}
	var deaths []death
	var next spans
	var m *mate
	for n := range kills {
		c.write(crewPolicy(f, fmt.Sprintf(`cron: "%d 0 %d %d *", catch-up: 365d`, n, day.Day(), day.Month())))
		if m == nil {
			m = c.hireSoon()
		} else {
			m.signal(syscall.SIGHUP)
		}
		// Of this slot: killed before that, it would be replaced by the next one before it was planned.
		slot := time.Date(day.Year(), day.Month(), day.Day(), 0, n, 0, 0, time.UTC).Format(time.RFC3339)
		select {
		case <-f.afterOf(slot, 1+random.IntN(instances/2), m.key):
		case <-time.After(2 * time.Minute):
			t.Fatalf("slot %d: too few calls in two minutes", n)
		}
		pause(t.Context(), time.Duration(random.Int64N(int64(200*time.Millisecond))))
		at := time.Now()
		dead := m.key
		m.kill()
		open, again := f.underWay(dead, at), time.Now()
		m = c.hireSoon()
		deaths = append(deaths, death{at, again, open})
		until(t, time.Minute, 20*time.Millisecond, "the next call", func() (bool, string) {
			began, ok := f.next(again, dead)
			if ok {
				next = append(next, began.Sub(again))
			}
			return ok, m.text()
		})
		pause(t.Context(), 3*time.Second) // that much is given to what the dead one sent
	}
	slots := f.whole(instances, crewPatience)
	m.leave()
	f.judge(slots, instances)
	if len(slots) != kills {
		t.Errorf("got %d slots served, want %d", len(slots), kills)
	}
	said, history := c.settled(), f.history()
	var settle spans
	unsaid := 0 // by a process that was killed between settling and saying so: that all is there was judged above
	for _, d := range deaths {
		for _, i := range d.open {
			call := history[i]
			at, ok := said[call.what()]
			if !ok {
				unsaid++
				continue
			}
			settle = append(settle, at.Sub(d.again))
		}
	}
	if 10*unsaid > len(settle) {
		t.Errorf("of %d calls of dead processes nobody said that they were settled, of %d somebody did", unsaid, len(settle))
	}
	t.Logf("%d kills, %d calls cut off, %d settled without a word", kills, len(settle)+unsaid, unsaid)
	t.Logf("from the restart until the next call: %s", next)
	t.Logf("from the restart until a call that was cut off is settled: %s", settle)
}
