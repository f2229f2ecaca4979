package forecast

import (
	"fmt"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/policy"
)

const daily = `
accounts:
  web: { cloud: aws, regions: [us-east-1, eu-west-1] }
policies:
  daily:
    backup:
      select:   { accounts: [web] }
      schedule: { cron: "0 6 * * *", catch-up: 1m }
      method:   snapshots
      keep:     { last: 3 }
`

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// add puts an instance with one disk there, with backups of so many days.
func add(w *inventory.World, region, name string, disk, backup int64, days int) {
	ref := cloud.Ref{Account: "web", Region: region, Kind: cloud.KindInstance, ID: "i-" + name}
	w.Instances = append(w.Instances, cloud.Instance{
		Ref: ref, Name: name, Power: cloud.PowerRunning, Disks: []cloud.Attachment{{Disk: "vol-" + name, Root: true}}, CreatedAt: noon.AddDate(-1, 0, 0),
	})
	if disk > 0 {
		w.Disks = append(w.Disks, cloud.Disk{Ref: cloud.Ref{Account: "web", Region: region, Kind: cloud.KindDisk, ID: "vol-" + name}, Size: disk, State: cloud.StateReady})
	}
	for d := range days {
		slot := time.Date(2026, 11, 21-d, 6, 0, 0, 0, time.UTC)
		id := plan.BackupID("daily", ref, plan.SlotText(slot))
		w.Snapshots = append(w.Snapshots, cloud.Snapshot{
			Ref: cloud.Ref{Account: "web", Region: region, Kind: cloud.KindSnapshot, ID: fmt.Sprintf("snap-%s-%d", name, d)}, Name: fmt.Sprintf("%s-%d-%s", name, d, id),
			Disk: "vol-" + name, Size: backup, State: cloud.StateReady, CreatedAt: slot.Add(5 * time.Second),
			Tags: cloud.TagsOf(map[string]string{
				cloud.TagPolicy: "daily", cloud.TagSource: ref.Source(), cloud.TagSlot: plan.SlotText(slot), cloud.TagBackup: id, cloud.TagParts: "1", cloud.TagBy: "-",
			}),
		})
	}
	w.Sort()
}

func TestSizesCostsAndPeaks(t *testing.T) {
	w := emptyWorld()
	add(w, "us-east-1", "old", 50<<30, 40<<30, 2) // its newest backup says 40 GiB, whatever the disk is now
	add(w, "us-east-1", "new", 10<<30, 0, 0)      // its disk says 10 GiB
	add(w, "eu-west-1", "dark", 0, 0, 0)          // nothing says how large
	prices := []policy.Price{{Cloud: "aws", Region: "us-east-1", PerGiB: 0.1, Currency: "USD"}}
	in := Input{Now: noon, Rules: rulesOf(t, daily), World: w, Days: 10, Prices: prices}
	if got := Unsized(in); len(got) != 1 || got[0].ID != "i-dark" {
		t.Errorf("Unsized: got %v, want i-dark alone", got)
	}
	f := agrees(t, in)
	if got := f.Total.Now; got.Backups != 2 || got.Bytes != 80<<30 || got.Unknown != 0 {
		t.Errorf("now: got %+v, want 2 backups of 80 GiB", got)
	}
	if got := f.Total.End; got.Backups != 9 || got.Bytes != 3*50<<30 || got.Unknown != 3 {
		t.Errorf("at the end: got %+v, want 9 backups, 3 of unknown size, and 150 GiB", got)
	}
	if got := f.Total.End.PerMonth; len(got) != 1 || got[0].Currency != "USD" || got[0].Amount < 14.999 || got[0].Amount > 15.001 {
		t.Errorf("at the end: got %v a month, want 15 USD", got)
	}
	// Before the old ones go there are four of each; they are made at six.
	if f.Total.Peak.Backups != 12 || !f.Total.PeakAt.Equal(time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC)) {
		t.Errorf("peak: got %d at %s, want 12 on 25 November at 06:00", f.Total.Peak.Backups, f.Total.PeakAt)
	}
	if len(f.Unpriced) != 1 || f.Unpriced[0] != "aws eu-west-1 snapshot" {
		t.Errorf("unpriced: got %v", f.Unpriced)
	}
	// A month's money is spread over the days of its month.
	var sum float64
	for _, d := range f.Days {
		for _, m := range d.Cost {
			sum += m.Amount
		}
	}
	if got := f.Total.Cost; len(got) != 1 || got[0].Amount < sum-1e-9 || got[0].Amount > sum+1e-9 || sum < 3 || sum > 5.6 {
		t.Errorf("cost in all: got %v, want the sum of the days %f, about a third of a month", got, sum)
	}
	if len(f.Days) != 11 || f.Days[0].Date != "2026-11-21" || f.Days[0].Created != 0 || f.Policies[0].Slots != 10 {
		t.Errorf("days: got %d from %s with %d slots, want today and ten more", len(f.Days), f.Days[0].Date, f.Policies[0].Slots)
	}
}

// TestClassesMergeOnlyWhatIsAlike holds many machines to the oracle whose backups were made at almost the same times.
func TestClassesMergeOnlyWhatIsAlike(t *testing.T) {
	for _, keep := range []string{"{ within: 50h }", "{ daily: 2, weekly: 2 }", "{ last: 4 }", "{ hourly: 3, within: 49h }"} {
		w := emptyWorld()
		for i := range 9 {
			add(w, "us-east-1", fmt.Sprint("web-", i), 0, 1<<30, i%4)
			for j := range w.Snapshots {
				if w.Snapshots[j].Disk == fmt.Sprint("vol-web-", i) { // some a second, some a minute, some an hour later
					w.Snapshots[j].CreatedAt = w.Snapshots[j].CreatedAt.Add([]time.Duration{0, time.Second, time.Minute, time.Hour, 2 * time.Hour}[i%5])
				}
			}
		}
		text := daily[:len(daily)-len("{ last: 3 }\n")] + keep + "\n"
		agrees(t, Input{Now: noon, Rules: rulesOf(t, text), World: w, Days: 6})
	}
}

func TestDiff(t *testing.T) {
	w := emptyWorld()
	add(w, "us-east-1", "a", 0, 1<<30, 3)
	add(w, "us-east-1", "b", 0, 1<<30, 3)
	make := func(text string) Forecast {
		return Make(Input{Now: noon, Rules: rulesOf(t, text), World: w, Days: 5})
	}
	with := func(keep string) string { return daily[:len(daily)-len("{ last: 3 }\n")] + keep + "\n" }
	was := make(daily)
	if c := Diff(was, was); len(c.Deletes)+len(c.Stops)+len(c.Spares)+c.Later.Deletes+c.Later.Spares != 0 {
		t.Errorf("Diff with itself: got %+v, want no change", c)
	}
	// The oldest of each goes at the next slot anyway, so the change adds one of each and brings the others forward.
	c := Diff(was, make(with("{ last: 2 }")))
	if len(c.Deletes) != 2 || c.Later.Deletes != 0 || len(c.Stops) != 0 {
		t.Errorf("Diff to last 2: got %d deletes, %d later, %d stops; want 2, 0, 0", len(c.Deletes), c.Later.Deletes, len(c.Stops))
	}
	for _, d := range c.Deletes {
		if !d.Otherwise.Equal(time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: would go otherwise at %s, want 23 November", d.Name, d.Otherwise)
		}
	}
	c = Diff(was, make(with("{ last: 5 }")))
	if len(c.Spares) != 2 || len(c.Deletes) != 0 {
		t.Errorf("Diff to last 5: got %d spares and %d deletes, want 2 and 0", len(c.Spares), len(c.Deletes))
	}
	c = Diff(was, make(with("{ last: 1 }\n      limits: { deletes: 1 }")))
	if len(c.Deletes) != 0 || len(c.Stops) != 4 || len(c.Breakers) != 1 || c.Breakers[0].Until != (time.Time{}) {
		t.Errorf("Diff to what the breaker stops: got %d deletes, %d stops, %+v; want 0, 4 and one to the end", len(c.Deletes), len(c.Stops), c.Breakers)
	}
}

// TestHoursTellClassesApart has two machines with as many backups, of one in the same hour and of the other in two: by
// and by one of the former goes, and none of the latter.
func TestHoursTellClassesApart(t *testing.T) {
	w := emptyWorld()
	for _, name := range []string{"same", "two"} {
		add(w, "us-east-1", name, 0, 1<<30, 2)
	}
	times := map[string]time.Duration{"vol-same 20": 10 * time.Minute, "vol-same 21": 50 * time.Minute, "vol-two 20": 50 * time.Minute, "vol-two 21": 70 * time.Minute}
	for i := range w.Snapshots {
		s := &w.Snapshots[i]
		s.CreatedAt = time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC).Add(times[fmt.Sprint(s.Disk, " ", s.CreatedAt.Day())])
	}
	text := daily[:len(daily)-len("{ last: 3 }\n")] + "{ last: 3, hourly: 4 }\n"
	f := agrees(t, Input{Now: noon, Rules: rulesOf(t, text), World: w, Days: 2})
	if len(f.Deletes) != 1 || f.Deletes[0].Label != "same" {
		t.Errorf("Make: got %+v to go, want one backup of the machine with two in one hour", f.Deletes)
	}
}
