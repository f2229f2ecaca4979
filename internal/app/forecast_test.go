package app_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
	"github.com/stint-cloud/stint/internal/forecast"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/survey"
)

const forecastPolicies = `
accounts:
  web: { cloud: aws, regions: [us-east-1] }
policies:
  daily:
    backup:
      select:   { accounts: [web], tags: { SnapshotDaily: "*" } }
      schedule: { cron: "0 2 * * *", time-zone: Europe/Berlin, catch-up: 6h }
      method:   snapshots
      keep:     { last: { from-tag: SnapshotDaily, default: 2 } }
  calendar:
    backup:
      select:   { accounts: [web], tags: { calendar: "*" } }
      schedule: { cron: "30 */12 * * *", time-zone: America/New_York, catch-up: 2h }
      method:   image
      keep:     { last: 2, daily: 5, weekly: 2 }
      orphans:  { within: 9d }
  often:
    backup:
      select:   { accounts: [web], tags: { often: "*" } }
      schedule: { every: 8h }
      method:   snapshots
      keep:     { within: 44h }
      limits:   { deletes: 9 }
`

// TestForecastIsWhatHappens runs the whole program for thirty virtual days after policies were changed over a world that
// has a past, with holds and a machine that is gone, and compares each day's backups and deletions with what was
// forecast.
func TestForecastIsWhatHappens(t *testing.T) {
	for name, edit := range map[string][]string{
		"keeps less, elsewhen, breaker": {
			"daily: 5, weekly: 2", "daily: 3", `"0 2 * * *", time-zone: Europe/Berlin`, `"0 12 */2 * *", time-zone: Asia/Kolkata`,
			"within: 44h", "last: 2", // three machines have four to let go at once, and nine is its limit
		},
		"renamed, disabled": {"  calendar:", "  by-calendar:", "  often:\n", "  often:\n    disabled: true\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, forecastPolicies, fakeaws.Options{SnapshotTime: 3 * time.Minute, ImageTime: 3 * time.Minute})
			w.paces = survey.Options{MinPoll: 4 * time.Minute, MaxPoll: 8 * time.Minute, Every: 12 * time.Hour} // a month need not be polled by the second
			w.start()
			tags := []map[string]string{
				{"SnapshotDaily": "3", "often": "yes"},
				{"SnapshotDaily": "6", "calendar": "yes"},
				{"calendar": "yes", "often": "yes"},
				{"SnapshotDaily": "many", "often": "yes"},
				{"often": "yes"},
				{},
			}
			ids := w.fake.AddInstances("us-east-1", len(tags), 1, func(i int) map[string]string { return tags[i] })
			w.until(epoch.AddDate(0, 0, 4).Add(11*time.Hour + 17*time.Minute))
			w.fake.Tag("us-east-1", w.fake.Snapshots("us-east-1")[0].ID, map[string]string{cloud.TagHold: "ann: audit"})
			w.fake.SetState("us-east-1", ids[2], "terminated")
			w.until(epoch.AddDate(0, 0, 4).Add(14*time.Hour + 40*time.Minute))

			w.rules = rulesOf(t, strings.NewReplacer(edit...).Replace(forecastPolicies))
			now := w.engine.Now()
			was := w.look()
			want := forecast.Make(forecast.Input{Now: now, Rules: w.rules, World: was, Days: 30})
			w.start()
			deletes := map[string][]string{}
			for _, d := range want.Deletes {
				day := d.At.Format(time.DateOnly)
				deletes[day] = append(deletes[day], d.Backup)
			}
			before := backupsOf(was)
			today := now.Truncate(24 * time.Hour)
			total := 0
			for i, d := range want.Days {
				w.until(today.AddDate(0, 0, i+1).Add(-time.Minute))
				after := backupsOf(w.look())
				got, foreseen := tally(after), map[string]int{}
				for _, r := range d.Rows {
					if r.Backups > 0 {
						foreseen[r.Policy] += r.Backups
					}
				}
				if !maps.Equal(got, foreseen) {
					t.Fatalf("%s: there are %v, and %v were forecast", d.Date, got, foreseen)
				}
				var gone []string
				for id := range before {
					if _, still := after[id]; !still {
						gone = append(gone, id)
						delete(before, id)
					}
				}
				slices.Sort(gone)
				slices.Sort(deletes[d.Date])
				if !slices.Equal(gone, deletes[d.Date]) {
					t.Fatalf("%s: %v were deleted, and %v were forecast", d.Date, gone, deletes[d.Date])
				}
				total += len(gone)
			}
			if strings.Contains(name, "breaker") != (len(want.Breakers) > 0) {
				t.Errorf("the forecast has %d breakers", len(want.Breakers))
			}
			if total == 0 {
				t.Error("nothing of the past was deleted: the test tells nothing")
			}
		})
	}
}

// look lists everything anew, and gives what the program would plan with.
func (w *world) look() *inventory.World {
	w.t.Helper()
	scopes, err := w.app.Scopes(w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := w.store.World(w.t.Context(), scopes)
	if err != nil {
		w.t.Fatal(err)
	}
	return &out
}

func backupsOf(w *inventory.World) map[string]*inventory.Backup {
	out := map[string]*inventory.Backup{}
	for _, b := range w.Backups() {
		out[b.ID] = b
	}
	return out
}

func tally(list map[string]*inventory.Backup) map[string]int {
	out := map[string]int{}
	for _, b := range list {
		out[b.Policy]++
	}
	return out
}

func rulesOf(t *testing.T, text string) policy.Rules {
	t.Helper()
	rules, complaints := policy.Parse([]policy.File{{Name: "stint.yaml", Data: []byte(text)}})
	if policy.Refused(complaints) {
		t.Fatal(complaints)
	}
	return rules
}
