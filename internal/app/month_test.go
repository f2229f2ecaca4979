package app_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/aws"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
	"github.com/stint-cloud/stint/internal/job/step"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlite"
	"github.com/stint-cloud/stint/internal/survey"
)

const byTag = `
accounts:
  web: { cloud: aws, regions: [us-east-1] }
policies:
  daily:
    backup:
      select:   { accounts: [web], tags: { SnapshotDaily: "*" } }
      schedule: { cron: "0 0 * * *", catch-up: 6h }
      method:   snapshots
      keep:     { last: { from-tag: SnapshotDaily, default: 2 } }
  hourly:
    backup:
      select:   { accounts: [web], tags: { SnapshotHourly: "*" } }
      schedule: { cron: "0 * * * *", catch-up: 30m }
      method:   snapshots
      keep:     { last: { from-tag: SnapshotHourly, default: 2 } }
`

// world is the whole program on fakeaws in virtual time.
type world struct {
	t      *testing.T
	engine *step.Engine
	fake   *fakeaws.Fake
	store  store.Store
	app    *app.App
	rules  policy.Rules
	paces  survey.Options
	ahead  time.Duration // how far our clock is ahead of the cloud's
}

var epoch = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func newWorld(t *testing.T, text string, opt fakeaws.Options) *world {
	t.Helper()
	rules, complaints := policy.Parse([]policy.File{{Name: "stint.yaml", Data: []byte(text)}})
	for _, c := range complaints {
		if !c.Warning {
			t.Fatal(c)
		}
	}
	w := &world{t: t, engine: step.New(epoch.Add(-10 * time.Minute)), rules: rules}
	w.engine.OnError = func(now time.Time, key string, err error) { t.Errorf("%s %s: %v", now, key, err) }
	opt.Now, opt.AnyKey = func() time.Time { return w.engine.Now().Add(-w.ahead) }, true
	w.fake = fakeaws.New(opt)
	var err error
	if w.store, err = sqlite.Open(t.Context(), ":memory:"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	w.start()
	return w
}

// start makes a new program over the same store and cloud, as a restart does.
func (w *world) start() {
	w.t.Helper()
	w.app = app.New(app.Options{
		Rules: w.rules, Store: w.store, Engine: w.engine, Auto: true, Survey: w.paces,
		Open: func(a policy.Account) (cloud.Provider, error) {
			return aws.Open(context.Background(), aws.Config{
				Account: a.Name, AccessKey: fakeaws.AccessKey, SecretKey: fakeaws.SecretKey, DefaultRegion: "us-east-1",
				HTTPClient: &http.Client{Transport: w.fake.RoundTripper()}, Endpoint: "http://ec2.example.com",
			})
		},
	})
	if problems, err := w.app.Prepare(w.t.Context(), w.engine.Now()); err != nil || len(problems) > 0 {
		w.t.Fatalf("Prepare: %v %v", problems, err)
	}
}

func (w *world) until(at time.Time) {
	w.t.Helper()
	if err := w.engine.RunUntil(w.t.Context(), w.app.Handlers(), at); err != nil {
		w.t.Fatal(err)
	}
}

// count says how many completed snapshots of each policy a disk has, by fakeaws's own books.
func (w *world) count(disk string) map[string]int {
	out := map[string]int{}
	for _, s := range w.fake.Snapshots("us-east-1") {
		if s.VolumeID == disk && s.State(w.engine.Now()) == "completed" {
			out[s.Tags[cloud.TagPolicy]]++
		}
	}
	return out
}

func (w *world) disks(instance string) []string {
	for _, i := range w.fake.Instances("us-east-1") {
		if i.ID == instance {
			return i.Volumes
		}
	}
	w.t.Fatalf("no instance %s", instance)
	return nil
}

// TestMonthByTag is thirty days of two schedules over the same instances: the tag picks the schedule, and its value says
// how many to keep.
func TestMonthByTag(t *testing.T) {
	w := newWorld(t, byTag, fakeaws.Options{SnapshotTime: 7 * time.Minute})
	w.paces = survey.Options{MinPoll: 2 * time.Minute, MaxPoll: 4 * time.Minute, Every: time.Hour} // a month need not be polled by the second
	w.start()
	tags := []map[string]string{
		{"SnapshotDaily": "3"},
		{"SnapshotDaily": "5", "SnapshotHourly": "4"},
		{"SnapshotHourly": "24"},
		{"SnapshotDaily": "many"},
		{},
	}
	ids := w.fake.AddInstances("us-east-1", len(tags), 2, func(i int) map[string]string { return tags[i] })
	want := []map[string]int{{"daily": 3}, {"daily": 5, "hourly": 4}, {"hourly": 24}, {"daily": 2}, {}}

	for day := range 30 {
		w.until(epoch.AddDate(0, 0, day).Add(30 * time.Minute))
		for i, id := range ids {
			for _, disk := range w.disks(id) {
				got := w.count(disk)
				for policy, n := range want[i] {
					slots := day + 1
					if policy == "hourly" {
						slots = day*24 + 1
					}
					if got[policy] != min(n, slots) {
						t.Fatalf("day %d, instance %d, disk %s: got %d complete %s snapshots, want %d", day, i, disk, got[policy], policy, min(n, slots))
					}
				}
				if len(got) != len(want[i]) {
					t.Fatalf("day %d, instance %d: got %v, want only %v", day, i, got, want[i])
				}
			}
		}
	}
	// One slot, one source, one place: one backup (law 5).
	calls := 30*3 + (30*24-23)*2
	if got := w.fake.Count("CreateSnapshots"); got < calls-4 || got > calls+4 {
		t.Errorf("CreateSnapshots: got %d calls, want about %d", got, calls)
	}
	in, err := w.store.Incidents(t.Context(), true, 100)
	if err != nil || len(in) > 0 {
		t.Errorf("Incidents: got %v (%v), want none", in, err)
	}
}

// TestOneTagTakenOffKeepsForEver is seed 3's promise: a snapshot whose tag a person takes off stays, and does not count.
func TestOneTagTakenOffKeepsForEver(t *testing.T) {
	w := newWorld(t, byTag, fakeaws.Options{SnapshotTime: time.Minute})
	id := w.fake.AddInstances("us-east-1", 1, 1, func(int) map[string]string { return map[string]string{"SnapshotDaily": "2"} })[0]
	disk := w.disks(id)[0]
	w.until(epoch.AddDate(0, 0, 2).Add(time.Hour))
	held := w.fake.Snapshots("us-east-1")[0].ID
	w.fake.Untag("us-east-1", held, "SnapshotDaily")
	w.until(epoch.AddDate(0, 0, 12).Add(time.Hour))
	ids := []string{}
	for _, s := range w.fake.Snapshots("us-east-1") {
		ids = append(ids, s.ID)
	}
	if !slices.Contains(ids, held) {
		t.Errorf("snapshots: got %v, want the held %s among them", ids, held)
	}
	if got := w.count(disk)["daily"]; got != 3 {
		t.Errorf("snapshots of %s: got %d, want the held one and 2 more", disk, got)
	}
}

// TestRestartsAndLostAnswers restarts the program at every hour, cuts answers after the call took effect, and lets the
// listing lag: no slot's backup is missing, and none is doubled (law 5, pitfalls 11 and 13).
func TestRestartsAndLostAnswers(t *testing.T) {
	n := 0
	w := newWorld(t, byTag, fakeaws.Options{
		SnapshotTime: 3 * time.Minute, Lag: 20 * time.Second,
		Fault: func(action string, _ int) *fakeaws.Fault {
			n++
			switch {
			case action == "CreateSnapshots" && n%3 == 0:
				return &fakeaws.Fault{After: true}
			case action == "CreateSnapshots" && n%7 == 0:
				return &fakeaws.Fault{Code: "InternalError", HTTPStatus: 500}
			case action == "DeleteSnapshot" && n%5 == 0:
				return &fakeaws.Fault{After: true}
			case n%11 == 0:
				return &fakeaws.Fault{Code: "RequestLimitExceeded", HTTPStatus: 503}
			}
			return nil
		},
	})
	w.fake.AddInstances("us-east-1", 3, 2, func(i int) map[string]string {
		return map[string]string{"SnapshotHourly": strconv.Itoa(i + 3)}
	})
	seen := map[string]bool{} // disk and slot of every snapshot that ever was
	made := map[string]string{}
	for hour := range 24 * 3 {
		w.until(epoch.Add(time.Duration(hour) * time.Hour).Add(29 * time.Minute))
		for _, s := range w.fake.Snapshots("us-east-1") {
			key := s.VolumeID + " " + s.Tags[cloud.TagSlot]
			if other, ok := made[key]; ok && other != s.ID {
				t.Fatalf("hour %d: %s has two snapshots, %s and %s", hour, key, other, s.ID)
			}
			made[key], seen[s.VolumeID] = s.ID, true
		}
		for _, i := range w.fake.Instances("us-east-1") {
			for _, disk := range i.Volumes {
				if key := disk + " " + epoch.Add(time.Duration(hour)*time.Hour).Format(time.RFC3339); made[key] == "" {
					rows, _ := w.store.Actions(t.Context(), store.ActionFilter{Since: epoch.Add(time.Duration(hour) * time.Hour)})
					for _, r := range rows {
						t.Logf("%s %s %s try %d: %s attempts %d next %s ended %s made %v: %s %s", r.ID, r.Verb, r.Slot, r.Try, r.State, r.Attempts, r.NextAt, r.EndedAt, r.Made, r.Class, r.Problem)
					}
					t.Fatalf("hour %d: %s has no snapshot for its slot", hour, disk)
				}
			}
		}
		w.start()
	}
}

// TestDatabaseLost forgets everything: one survey brings every backup back, and retention goes on as before.
func TestDatabaseLost(t *testing.T) {
	w := newWorld(t, byTag, fakeaws.Options{SnapshotTime: time.Minute})
	id := w.fake.AddInstances("us-east-1", 1, 2, func(int) map[string]string { return map[string]string{"SnapshotDaily": "3"} })[0]
	w.until(epoch.AddDate(0, 0, 5).Add(time.Hour))
	var err error
	if w.store, err = sqlite.Open(t.Context(), ":memory:"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	calls := w.fake.Count("CreateSnapshots")
	w.start()
	w.until(epoch.AddDate(0, 0, 5).Add(2 * time.Hour))
	if got := w.fake.Count("CreateSnapshots"); got != calls {
		t.Errorf("CreateSnapshots after the loss: got %d calls, want %d", got, calls)
	}
	w.until(epoch.AddDate(0, 0, 9).Add(time.Hour))
	for _, disk := range w.disks(id) {
		if got := fmt.Sprint(w.count(disk)); got != "map[daily:3]" {
			t.Errorf("snapshots of %s: got %s, want 3", disk, got)
		}
	}
}

// TestDeniedAccountStopsNoOther denies creating for a while: the failure is an incident, and it closes by itself.
func TestDeniedThenAllowed(t *testing.T) {
	w := newWorld(t, byTag, fakeaws.Options{SnapshotTime: time.Minute})
	w.fake.AddInstances("us-east-1", 2, 1, func(int) map[string]string { return map[string]string{"SnapshotHourly": "3"} })
	w.fake.Deny("CreateSnapshots")
	w.until(epoch.Add(10 * time.Minute))
	open, err := w.store.Incidents(t.Context(), false, 10)
	if err != nil || len(open) != 1 {
		t.Fatalf("Incidents while denied: got %v (%v), want one for both instances", open, err)
	}
	w.fake.Allow("CreateSnapshots")
	w.until(epoch.Add(29 * time.Minute))
	if open, _ = w.store.Incidents(t.Context(), false, 10); len(open) != 0 {
		t.Errorf("Incidents after it was allowed: got %v, want none", open)
	}
	if got := len(w.fake.Snapshots("us-east-1")); got != 2 {
		t.Errorf("snapshots after it was allowed: got %d, want 2: a failed call is tried again within the catch-up time", got)
	}
}

// TestClockJumps sets our clock a year ahead and back again, while the cloud's goes on rightly: nothing is expired for
// it, no slot is served twice, and the work goes on (law 5).
func TestClockJumps(t *testing.T) {
	w := newWorld(t, strings.Replace(byTag, "{ last: { from-tag: SnapshotHourly, default: 2 } }", "{ within: 6h }", 1), fakeaws.Options{SnapshotTime: time.Minute})
	id := w.fake.AddInstances("us-east-1", 1, 1, func(int) map[string]string { return map[string]string{"SnapshotHourly": "x"} })[0]
	disk := w.disks(id)[0]
	right := epoch.AddDate(0, 0, 1).Add(10 * time.Minute)
	w.until(right)
	if got := w.count(disk)["hourly"]; got != 6 {
		t.Fatalf("snapshots before the jump: got %d, want 6", got)
	}

	jump := 365 * 24 * time.Hour
	w.ahead = jump
	w.engine = w.restartAt(right.Add(jump))
	w.until(right.Add(jump + 5*time.Minute))
	if got := w.count(disk)["hourly"]; got < 6 || got > 8 {
		t.Errorf("snapshots after a jump of a year: got %d, want the 6 that were there and at most one or two more", got)
	}

	w.ahead = 0
	w.engine = w.restartAt(right.Add(5 * time.Minute))
	w.until(epoch.AddDate(0, 0, 1).Add(6*time.Hour + 10*time.Minute))
	slots := map[string]int{}
	for _, s := range w.fake.Snapshots("us-east-1") {
		slots[s.Tags[cloud.TagSlot]]++
	}
	for hour := 1; hour <= 6; hour++ {
		slot := epoch.AddDate(0, 0, 1).Add(time.Duration(hour) * time.Hour).Format(time.RFC3339)
		if slots[slot] != 1 {
			t.Errorf("slot %s after the clock was set right: got %d snapshots, want 1", slot, slots[slot])
		}
	}
}

// restartAt starts the program at another time, as a machine whose clock was set does.
func (w *world) restartAt(at time.Time) *step.Engine {
	w.engine = step.New(at)
	w.engine.OnError = func(now time.Time, key string, err error) { w.t.Errorf("%s %s: %v", now, key, err) }
	w.start()
	return w.engine
}
