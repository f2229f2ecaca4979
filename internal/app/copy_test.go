package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/job/step"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlite"
	"github.com/stint-cloud/stint/internal/survey"
)

const copying = `
accounts:
  web: { cloud: CLOUD, regions: [home, away] }
policies:
  daily:
    backup:
      select:   { accounts: [web], regions: [home], tags: { backup: daily } }
      schedule: { cron: "0 0 * * *", catch-up: 6h }
      method:   METHOD
      keep:     { last: 2 }
      copies:   [{ to: web/away, keep: { last: 3 } }]
`

// pair is the whole program over one account with two regions in virtual time.
type pair struct {
	t      *testing.T
	engine *step.Engine
	cloud  *memcloud.Cloud
	store  store.Store
	app    *app.App
	rules  policy.Rules
}

func newPair(t *testing.T, text, name, method string, change func(*memcloud.Options)) *pair {
	t.Helper()
	text = strings.NewReplacer("CLOUD", name, "METHOD", method).Replace(text)
	rules, complaints := policy.ParseWith(policy.Options{Clouds: []string{name}}, []policy.File{{Name: "stint.yaml", Data: []byte(text)}})
	if policy.Refused(complaints) {
		t.Fatal(complaints)
	}
	p := &pair{t: t, engine: step.New(epoch.Add(-10 * time.Minute)), rules: rules}
	p.engine.OnError = func(now time.Time, key string, err error) { t.Errorf("%s %s: %v", now, key, err) }
	o := memcloud.Options{
		Account: "web", Regions: []string{"home", "away"}, Cloud: name, Now: p.engine.Now,
		Delays: memcloud.Delays{Snapshot: 5 * time.Minute, Image: 10 * time.Minute, Copy: 35 * time.Minute},
	}
	if change != nil {
		change(&o)
	}
	p.cloud = memcloud.New(o)
	p.remember()
	p.start()
	return p
}

// remember opens a new database: what was known is lost.
func (p *pair) remember() {
	p.t.Helper()
	st, err := sqlite.Open(p.t.Context(), ":memory:")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { st.Close() })
	p.store = st
}

func (p *pair) start() {
	p.t.Helper()
	p.app = app.New(app.Options{
		Rules: p.rules, Store: p.store, Engine: p.engine, Auto: true, Survey: survey.Options{MinPoll: 2 * time.Minute, MaxPoll: 4 * time.Minute, Every: 2 * time.Hour},
		Open: func(policy.Account) (cloud.Provider, error) { return p.cloud.Provider(), nil },
	})
	if problems, err := p.app.Prepare(p.t.Context(), p.engine.Now()); err != nil || len(problems) > 0 {
		p.t.Fatalf("Prepare: %v %v", problems, err)
	}
}

func (p *pair) until(at time.Time) {
	p.t.Helper()
	if err := p.engine.RunUntil(p.t.Context(), p.app.Handlers(), at); err != nil {
		p.t.Fatal(err)
	}
}

// machines adds so many instances with two disks.
func (p *pair) machines(n int) {
	for i := range n {
		p.cloud.AddInstance(memcloud.InstanceSpec{
			Region: "home", Name: fmt.Sprintf("web-%d", i), DiskSizes: []int64{memcloud.GiB, memcloud.GiB},
			Tags: cloud.TagsOf(map[string]string{"backup": "daily", "team": "shop"}),
		})
	}
}

// backups are those that the cloud's own books show in the region, by standing.
func (p *pair) backups(region string) (complete, other []*inventory.Backup) {
	truth := p.cloud.Truth()
	w := &inventory.World{Images: truth.Images, Snapshots: truth.Snapshots, Accounts: map[string]inventory.Account{"web": {Traits: p.cloud.Provider().Traits()}}}
	w.Sort()
	for _, b := range w.Backups() {
		switch {
		case b.Place.Region != region:
		case b.Standing == inventory.Complete:
			complete = append(complete, b)
		default:
			other = append(other, b)
		}
	}
	return complete, other
}

// want compares how many backups are complete in both regions, and wants nothing else to be there.
func (p *pair) want(home, away int) {
	p.t.Helper()
	for region, want := range map[string]int{"home": home, "away": away} {
		got, other := p.backups(region)
		if len(got) != want || len(other) != 0 {
			p.t.Errorf("%s: %s has %d complete backups and %d others, want %d and none: %s", p.engine.Now().Format(time.RFC3339), region, len(got), len(other), want, standings(append(got, other...)))
		}
	}
}

func standings(list []*inventory.Backup) string {
	var out []string
	for _, b := range list {
		out = append(out, fmt.Sprintf("%s %s %s", b.Slot, b.Standing, b.Hold))
	}
	return strings.Join(out, "; ")
}

// covered wants the status of every instance to tell each place by itself.
func (p *pair) covered(home, away int) {
	p.t.Helper()
	st, err := p.app.Status(p.t.Context(), p.engine.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, x := range st.Protected {
		if x.Cover != app.CoverGood || x.Backups != home || len(x.Copies) != 1 || x.Copies[0].Cover != app.CoverGood || x.Copies[0].Backups != away {
			p.t.Errorf("Status: got %+v, want %d backups and %d copies, both good", x, home, away)
		}
	}
	later, err := p.app.Status(p.t.Context(), p.engine.Now().AddDate(0, 0, 3))
	if err != nil || later.Protected[0].Copies[0].Cover != app.CoverLate {
		p.t.Errorf("Status three days later: got %+v (%v), want the copies late", later.Protected[0].Copies, err)
	}
}

// quiet wants no incident to be open.
func (p *pair) quiet() {
	p.t.Helper()
	list, err := p.store.Incidents(p.t.Context(), false, 10)
	if err != nil || len(list) > 0 {
		p.t.Errorf("Incidents: got %v (%v), want none", list, err)
	}
}

// TestCopies is ten days of a policy that copies, on clouds that tag copies and on one that does not, with a restart and
// with all memory lost on the way.
func TestCopies(t *testing.T) {
	for _, name := range []string{"aws", "alibaba", "tencent", "memory"} {
		for _, method := range []string{"image", "snapshots"} {
			t.Run(name+"/"+method, func(t *testing.T) {
				p := newPair(t, copying, name, method, nil)
				p.machines(3)
				for day := range 10 {
					noon := epoch.AddDate(0, 0, day).Add(12 * time.Hour)
					switch day {
					case 4:
						p.start()
					case 7:
						p.remember()
						p.start()
					}
					p.until(noon)
					p.want(3*min(day+1, 2), 3*min(day+1, 3))
				}
				p.quiet()
				for _, b := range func() []*inventory.Backup { list, _ := p.backups("away"); return list }() {
					tags := b.Tags()
					if !b.Copied || tags.Value("team") != "shop" || tags.Value(cloud.TagPolicy) != "daily" || !strings.HasPrefix(b.Source, "web/home/") || !strings.HasPrefix(tags.Value(cloud.TagCopy), "web/away") {
						t.Errorf("copy %s: got tags %s, want those of the original and where it is", b.ID, tags)
					}
				}
				p.covered(2, 3)
				truth := p.cloud.Truth()
				if method == "image" && len(truth.Images) != 15 || method == "snapshots" && len(truth.Snapshots) != 30 {
					t.Errorf("after ten days: got %d images and %d snapshots, want 15 images, or 30 snapshots", len(truth.Images), len(truth.Snapshots))
				}
			})
		}
	}
}

// TestCopiesWaitForTheirTurn has more to copy than the cloud copies at once: none fails, none is made twice.
func TestCopiesWaitForTheirTurn(t *testing.T) {
	p := newPair(t, copying, "memory", "snapshots", nil)
	p.machines(8) // sixteen snapshots, five at once
	for day := range 3 {
		p.until(epoch.AddDate(0, 0, day).Add(23 * time.Hour))
		p.want(8*min(day+1, 2), 8*(day+1))
	}
	p.quiet()
	if n := p.cloud.Calls()["snapshot.copy"]; n != 48 {
		t.Errorf("calls: got %d copies, want 48: who waits does not ask", n)
	}
}

// TestCopyTrouble has copies fail in the cloud, calls fail before and after they took effect, and answers get lost.
func TestCopyTrouble(t *testing.T) {
	for _, name := range []string{"aws", "tencent"} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, copying, name, "image", func(o *memcloud.Options) { o.Lag = 20 * time.Second })
			p.machines(2)
			p.until(epoch.Add(5 * time.Minute)) // the images are being made: what is made next are their copies
			p.cloud.NextFate("", memcloud.FateFail)
			p.cloud.Provoke("image.copy", cloud.ErrTransient, true)
			p.cloud.Provoke("image.copy", cloud.ErrTransient, false)
			p.until(epoch.Add(12 * time.Hour))
			for day := 1; day < 5; day++ {
				p.until(epoch.AddDate(0, 0, day).Add(12 * time.Hour))
			}
			p.want(4, 6)
			if n := len(p.cloud.Truth().Images); n != 10 {
				t.Errorf("images: got %d, want 10", n)
			}
		})
	}
}

// TestOriginalsStayWhileCopied has the copies take longer than the next slots: nothing that is still to be copied goes.
func TestOriginalsStayWhileCopied(t *testing.T) {
	p := newPair(t, strings.Replace(copying, "last: 2", "last: 1", 1), "aws", "image", func(o *memcloud.Options) { o.Delays.Copy = 30 * time.Hour })
	p.machines(1)
	for day := range 6 {
		p.until(epoch.AddDate(0, 0, day).Add(23 * time.Hour))
		_, under := p.backups("away")
		here, _ := p.backups("home")
		for _, b := range under {
			if b.Standing == inventory.Failed || !slices.ContainsFunc(here, func(o *inventory.Backup) bool { return o.ID == b.ID }) {
				t.Errorf("day %d: the copy of %s is %s, and its original is gone or it failed", day, b.Slot, b.Standing)
			}
		}
	}
	p.cloud.SetDelays(memcloud.Delays{Image: time.Minute, Copy: time.Minute})
	p.until(epoch.AddDate(0, 0, 9).Add(12 * time.Hour))
	p.want(1, 3)
	p.quiet()
}

// TestCopyIsMadeOnce has a person delete the newest copy, or a part of it: it is not made again, its original waits for
// nothing, and the next is copied.
func TestCopyIsMadeOnce(t *testing.T) {
	p := newPair(t, copying, "aws", "snapshots", nil)
	p.machines(1)
	p.until(epoch.AddDate(0, 0, 3).Add(12 * time.Hour))
	p.want(2, 3)
	away, _ := p.backups("away")
	p.cloud.Remove(away[2].Snapshots[0].Ref)
	for _, s := range away[1].Snapshots {
		p.cloud.Remove(s.Ref)
	}
	calls := p.cloud.Calls()["snapshot.copy"]
	p.until(epoch.AddDate(0, 0, 3).Add(20 * time.Hour))
	if n := p.cloud.Calls()["snapshot.copy"]; n != calls {
		t.Errorf("calls after a person deleted copies: got %d more, want none", n-calls)
	}
	p.until(epoch.AddDate(0, 0, 7).Add(12 * time.Hour))
	p.want(2, 3)
}
