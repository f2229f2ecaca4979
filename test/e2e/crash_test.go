package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
	"github.com/stint-cloud/stint/internal/store/pgtest"
)

// What a world of the kill loop is like.
const (
	crashInstances = 5
	crashDisks     = 2
	crashKeep      = 2
	worldsAtOnce   = 24 // are killed; the others wait, for their turn or for the end
)

// seedOf is where chance begins: what STINT_E2E_SEED says, else something new. Kills come when they come: a seed repeats
// what was chosen, and not what the machine made of it.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("STINT_E2E_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("STINT_E2E_SEED: %v", err)
		}
	}
	t.Logf("STINT_E2E_SEED=%d repeats the choices of this run", seed)
	return seed
}

// crashWorld is a cloud and a stint that is killed again and again.
type crashWorld struct {
	*home
	t      *testing.T
	front  *front
	random *rand.Rand
	first  time.Time // the slot of the first backups; each one after it is a minute later
	slot   int
	kept   []string // snapshots that nobody may ever delete
}

// tally counts over all worlds what the kills met.
type tally struct {
	kills, midCall, serving atomic.Int64
	lost, made, gone        atomic.Int64
}

// TestKillLoop kills apply and serve two hundred times and more on a file and as often on PostgreSQL, at random moments,
// while backups are made and while others go, with answers that are lost on the way; then each world may come to its
// end. Every backup that had to be made is there once, what the rule keeps is there, and nothing else was touched.
func TestKillLoop(t *testing.T) {
	demand(t)
	seed := seedOf(t)
	room := make(chan struct{}, worldsAtOnce)
	for _, db := range []struct {
		name          string
		worlds, kills int
		inSlot        int           // after so many kills the next slot has come, whatever became of this one
		serves        int           // in a hundred
		within        time.Duration // the longest that a process lives
		server        func(t *testing.T) *pgtest.Server
	}{
		{"SQLite", 10, 21, 2, 70, 4 * time.Second, func(*testing.T) *pgtest.Server { return nil }},
		// Here a call that was cut off keeps its action for a minute, and apply waits for that; serve goes on with the next slot.
		{"PostgreSQL", 14, 15, 1, 85, 5 * time.Second, pgtest.Start},
	} {
		t.Run(db.name, func(t *testing.T) {
			t.Parallel()
			server, began := db.server(t), time.Now()
			var sum tally
			t.Cleanup(func() {
				t.Logf("%d kills in %s, %d of them with a call under way, %d of serve; %d backups' snapshots were made, %d deleted, %d answers lost",
					sum.kills.Load(), time.Since(began).Round(time.Second), sum.midCall.Load(), sum.serving.Load(), sum.made.Load(), sum.gone.Load(), sum.lost.Load())
				if n := sum.kills.Load(); n < 200 {
					t.Errorf("got %d kills, want 200 at least", n)
				}
				for what, n := range map[string]int64{
					"kills with a call under way": sum.midCall.Load(), "kills of serve": sum.serving.Load(), "snapshots deleted": sum.gone.Load(), "answers lost": sum.lost.Load(),
				} {
					if n < 10 { // on a machine that does much else; else it is a multiple
						t.Errorf("%s: got %d, want 10 at least: the test kills too early or too late", what, n)
					}
				}
			})
			for i := range db.worlds {
				t.Run(strconv.Itoa(i), func(t *testing.T) {
					t.Parallel()
					w := newCrashWorld(t, seed+uint64(i)<<8+uint64(len(db.name)))
					if server != nil {
						w.database = server.Database(t)
					}
					room <- struct{}{}
					func() {
						defer func() { <-room }()
						w.begin()
						for n := range db.kills {
							if n%db.inSlot == 0 {
								w.next()
							}
							w.kill(db.serves, db.within, &sum)
						}
					}()
					w.finish()
					w.judge(&sum)
				})
			}
		})
	}
}

func newCrashWorld(t *testing.T, seed uint64) *crashWorld {
	t.Helper()
	w := &crashWorld{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), slot: -1,
		front: newFront(t, seed, crashInstances, crashDisks, crashKeep, 300*time.Millisecond),
		first: time.Now().UTC().AddDate(0, 0, -10).Truncate(24 * time.Hour),
	}
	if w.first.Month() == time.February && w.first.Day() == 29 {
		w.first = w.first.AddDate(0, 0, 1) // the slots come every year
	}
	w.home = newHome(t, "", awsKeys()...)
	volumes := w.front.fake.Volumes(region)
	for _, v := range volumes[:3] { // somebody else's, of the same disks
		w.kept = append(w.kept, w.front.fake.AddSnapshot(region, fakeaws.Snapshot{
			Meta: fakeaws.Meta{Created: longAgo(), Tags: map[string]string{"Name": "before the migration", "backup": "yes"}}, VolumeID: v.ID,
		}))
	}
	return w
}

// slotText is how the n-th slot is written.
func (w *crashWorld) slotText(n int) string {
	return w.first.Add(time.Duration(n) * time.Minute).Format(time.RFC3339)
}

// next has the next slot come.
func (w *crashWorld) next() {
	w.t.Helper()
	w.slot++
	w.write(fmt.Sprintf(`
accounts:
  web: { cloud: aws, regions: [us-east-1], endpoint: %q, pace: { reads: 1000, writes: 1000 } }
policies:
  steady:
    backup:
      select: { tags: { backup: "yes" } }
      schedule: { cron: "%d 0 %d %d *", catch-up: 365d }
      method: snapshots
      keep: { last: %d }
      limits: { delete-share: 100%% }
`, w.front.url, w.slot, w.first.Day(), w.first.Month(), crashKeep))
}

// begin makes the first backups undisturbed, so that there is something to let go; of two a person then says that they stay.
func (w *crashWorld) begin() {
	w.t.Helper()
	for range crashKeep {
		w.next()
		w.run("apply", "--yes").want(0)
	}
	for n, b := range w.oldest(2) {
		for _, s := range w.front.fake.Snapshots(region) {
			if s.Tags["stint:backup"] != b.id {
				continue
			}
			if n == 0 {
				w.aws("create-tags", "--resources", s.ID, "--tags", "Key=stint:hold,Value=for the auditors")
			} else {
				w.aws("delete-tags", "--resources", s.ID, "--tags", "Key=stint:policy")
			}
			w.kept = append(w.kept, s.ID)
		}
	}
	w.front.hold(5*time.Millisecond, 80*time.Millisecond)
	w.front.feel(moods{lose: 25, cut: 1, throttle: 3})
}

// oldest are backups of the first slot, each of another instance.
func (w *crashWorld) oldest(n int) []*recovery {
	w.t.Helper()
	var out []*recovery
	for _, b := range w.backupsNow() {
		if b.slot == w.slotText(0) {
			out = append(out, b)
		}
	}
	if len(out) < n {
		w.t.Fatalf("slot %s: got %d backups, want %d", w.slotText(0), len(out), crashInstances)
	}
	slices.SortFunc(out, func(a, b *recovery) int { return strings.Compare(a.id, b.id) })
	return out[:n]
}

// aws has Amazon's command line do something.
func (w *crashWorld) aws(args ...string) string {
	w.t.Helper()
	return awscli(w.t, w.front.url, args...)
}

func (w *crashWorld) backupsNow() map[string]*recovery {
	all := map[string]fakeaws.Snapshot{}
	for _, s := range w.front.fake.Snapshots(region) {
		all[s.ID] = s
	}
	return backupsOf(all, time.Now())
}

// kill starts an apply or a serve and kills it as kill -9 does: some time after its start, or in the middle of a call.
func (w *crashWorld) kill(serves int, within time.Duration, sum *tally) {
	w.t.Helper()
	args := []string{"apply", "--yes"}
	if w.random.IntN(100) < serves {
		args = []string{"serve", "--listen", ""}
		sum.serving.Add(1)
	}
	limit := time.Duration(w.random.Int64N(int64(within / 2)))
	var called <-chan struct{}
	if w.random.IntN(3) > 0 {
		limit, called = within, w.front.after(1+w.random.IntN(6), "")
	}
	p := w.start(args[0], args...)
	select {
	case <-p.done:
	case <-called:
	case <-time.After(limit):
	}
	now := time.Now()
	p.kill()
	sum.kills.Add(1)
	if len(w.front.underWay("", now)) > 0 {
		sum.midCall.Add(1)
	}
}

// finish lets work come to its end, with nothing going wrong any more. The first apply ends the runs that were left open,
// and drops deletions that were planned before the slot changed the policy; the second plans those anew.
func (w *crashWorld) finish() {
	w.t.Helper()
	w.front.feel(moods{})
	began := time.Now()
	w.run("apply", "--yes").want(0)
	w.run("apply", "--yes").want(0)
	took := time.Since(began)
	w.run("plan").want(0, "Nothing to do")
	w.run("status").want(0, strconv.Itoa(crashInstances)+" protected")
	w.t.Logf("the last run took %s", took.Round(100*time.Millisecond))
}

// judge looks from outside at what is there, and at all that ever happened.
func (w *crashWorld) judge(sum *tally) {
	t := w.t
	t.Helper()
	for _, wrong := range w.front.mistakes() {
		t.Error(wrong)
	}
	sum.lost.Add(int64(w.front.lost))

	// Nothing is doubled: of each disk one snapshot was ever made for each slot. Every slot that was begun is served.
	type disk struct{ slot, volume string }
	made, slots := map[disk]int{}, map[string]bool{}
	for _, c := range w.front.history() {
		sum.gone.Add(int64(len(c.gone)))
		for _, s := range c.made {
			if slot := s.Tags["stint:slot"]; slot != "" {
				sum.made.Add(1)
				made[disk{slot, s.VolumeID}]++
				slots[slot] = true
			}
		}
	}
	for _, must := range []int{0, 1, w.slot} { // those before the kills, and the last one
		if !slots[w.slotText(must)] {
			t.Errorf("slot %s was not served", w.slotText(must))
		}
	}
	for slot := range slots {
		for _, v := range w.front.fake.Volumes(region) {
			if n := made[disk{slot, v.ID}]; n != 1 {
				t.Errorf("slot %s: %d snapshots of %s (%s) were ever made, want 1", slot, n, v.ID, v.Instance)
			}
		}
	}

	// What is there now is what the rule keeps: of each instance the newest, and what is held. Amazon's command line says so.
	seen := map[string]fakeaws.Snapshot{}
	for _, s := range w.front.fake.Snapshots(region) {
		seen[s.ID] = s
	}
	listed := map[string]taken{}
	for _, s := range awsSnapshots(t, w.front.url) {
		listed[s.ID] = s
		if _, ok := seen[s.ID]; !ok {
			t.Errorf("%s: Amazon's command line lists it, the books do not", s.ID)
		}
	}
	for _, id := range w.kept {
		if _, ok := listed[id]; !ok {
			t.Errorf("%s was nobody's to delete, and is gone", id)
		}
	}
	whole, counted := map[string]int{}, backupsOf(seen, time.Now())
	for _, b := range counted {
		if !b.whole || b.parts != crashDisks {
			t.Errorf("backup %s of %s for %s: got %d parts, want a whole one of %d", b.id, b.source, b.slot, b.parts, crashDisks)
		}
		if !b.held {
			whole[b.source]++
		}
	}
	if len(whole) != crashInstances {
		t.Errorf("%d instances have a backup, want %d", len(whole), crashInstances)
	}
	for source, n := range whole {
		if n != crashKeep {
			t.Errorf("%s: got %d backups that nobody holds, want the %d that the rule keeps", source, n, crashKeep)
		}
	}

	// Nothing of ours is forgotten: stint knows every backup that carries our tags. It may list one more for some minutes,
	// whose deletion was cut off and then dropped: what was made just now is expected to lag in listings.
	known := map[string]bool{}
	for _, b := range w.backups() {
		known[b.ID] = true
	}
	for _, s := range listed {
		if id := s.tag("stint:backup"); id != "" && !known[id] {
			t.Errorf("snapshot %s carries our tags, and stint does not list its backup %s", s.ID, id)
		}
	}
	var runs []struct{ ID, State string }
	w.run("runs", "list", "--limit", "1000", "-o", "json").want(0).read(&runs)
	for _, r := range runs {
		if r.State != "done" {
			t.Errorf("run %s is %s, want it done", r.ID, r.State)
		}
	}
	w.run("audit", "verify").want(0)
}
