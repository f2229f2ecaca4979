package forecast

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
)

// oracle is the slow and obvious way: a world in memory, in which a plan is made at every slot and whatever it wants has
// taken effect at once, again and again until it wants nothing more.
type oracle struct {
	t     rapid.TB
	in    Input
	world inventory.World
	done  map[string]plan.Past
	made  int
	tells map[string]string // what is compared, by day
	gone  map[string]time.Time
	trips map[string][]time.Time
}

func newOracle(t rapid.TB, in Input) *oracle {
	o := &oracle{t: t, in: in, done: map[string]plan.Past{}, tells: map[string]string{}, gone: map[string]time.Time{}, trips: map[string][]time.Time{}}
	w := *in.World
	w.Snapshots, w.Images = slices.Clone(w.Snapshots), slices.Clone(w.Images)
	for i := range w.Snapshots {
		if s := &w.Snapshots[i]; s.State == cloud.StateWorking && s.Tags.Has(cloud.TagBackup) {
			s.State = cloud.StateReady
		}
	}
	for i := range w.Images {
		if s := &w.Images[i]; s.State == cloud.StateWorking && s.Tags.Has(cloud.TagBackup) {
			s.State = cloud.StateReady
		}
	}
	o.world = w
	return o
}

// run goes to the end and tells what there is at the end of each day.
func (o *oracle) run() {
	today := o.in.Now.Truncate(24 * time.Hour)
	until := today.AddDate(0, 0, o.in.Days+1)
	times := []time.Time{o.in.Now}
	for _, p := range o.in.Rules.Policies {
		times = slices.AppendSeq(times, p.Backup.When.Slots(o.in.Now, until.Add(-time.Nanosecond)))
	}
	for d := range o.in.Days + 1 {
		times = append(times, today.AddDate(0, 0, d+1).Add(-time.Nanosecond)) // the end of each day, when nothing is due
	}
	slices.SortFunc(times, time.Time.Compare)
	day := 0
	made, gone := map[string]int{}, map[string]int{}
	for _, at := range slices.CompactFunc(times, time.Time.Equal) {
		o.at(at, made, gone)
		if at.Equal(today.AddDate(0, 0, day+1).Add(-time.Nanosecond)) {
			o.tells[today.AddDate(0, 0, day).Format(time.DateOnly)] = o.tell(made, gone)
			made, gone = map[string]int{}, map[string]int{}
			day++
		}
	}
}

func (o *oracle) tell(made, gone map[string]int) string {
	n := map[string]int{}
	for _, b := range o.world.Backups() {
		n[rowKey(b.Place, b.Policy, kindOf(b).String())]++
	}
	var lines []string
	for k, v := range n {
		lines = append(lines, fmt.Sprintf("%s: %d +%d -%d\n", k, v, made[k], gone[k]))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func rowKey(place cloud.Place, policy, kind string) string {
	return place.String() + " " + policy + " " + kind
}

// at plans until nothing is wanted any more.
func (o *oracle) at(now time.Time, made, gone map[string]int) {
	for round := 0; ; round++ {
		if round > 60 {
			o.t.Fatalf("at %s the plan never ends", now)
		}
		o.world.Sort()
		before := map[string]*inventory.Backup{}
		for _, b := range o.world.Backups() {
			before[b.ID+b.Place.String()] = b
		}
		p := plan.Make(plan.Input{Now: now, Rules: o.in.Rules, World: &o.world, Memory: plan.Memory{Actions: o.done}})
		if p.Empty() {
			for _, f := range p.Findings {
				if name, ok := strings.CutPrefix(f.Key, "breaker/"); ok {
					o.trips[name] = append(o.trips[name], now)
				}
			}
			return
		}
		for _, a := range p.Actions {
			o.do(now, a)
		}
		o.world.Sort()
		after := map[string]bool{}
		for _, b := range o.world.Backups() {
			after[b.ID+b.Place.String()] = true
			if before[b.ID+b.Place.String()] == nil {
				made[rowKey(b.Place, b.Policy, kindOf(b).String())]++
			}
		}
		for id, b := range before {
			if !after[id] {
				gone[rowKey(b.Place, b.Policy, kindOf(b).String())]++
				o.gone[id] = now
			}
		}
	}
}

// do lets an action take effect.
func (o *oracle) do(now time.Time, a plan.Action) {
	w := &o.world
	if a.Verb.Creates() {
		o.done[a.ID] = plan.Past{Done: true}
	}
	if a.Verb.Copies() { // by the clock of the cloud a copy is never older than its original
		for i := range w.Images {
			if w.Images[i].Ref == a.Target && w.Images[i].CreatedAt.After(now) {
				now = w.Images[i].CreatedAt
			}
		}
		for i := range w.Snapshots {
			if w.Snapshots[i].Ref == a.Target && w.Snapshots[i].CreatedAt.After(now) {
				now = w.Snapshots[i].CreatedAt
			}
		}
	}
	snapshot := func(name, disk string, tags cloud.Tags) string {
		o.made++
		ref := cloud.Ref{Account: a.Place.Account, Region: a.Place.Region, Kind: cloud.KindSnapshot, ID: fmt.Sprintf("snap-new-%06d", o.made)}
		w.Snapshots = append(w.Snapshots, cloud.Snapshot{Ref: ref, Name: name, Disk: disk, Size: 1 << 30, State: cloud.StateReady, Tags: tags, CreatedAt: now})
		return ref.ID
	}
	switch a.Verb {
	case plan.TakeSnapshotSet:
		for _, d := range a.Set.Disks {
			snapshot(a.Set.Name, d, a.Set.Tags)
		}
	case plan.TakeSnapshot:
		snapshot(a.Snapshot.Name, a.Snapshot.Disk, a.Snapshot.Tags)
	case plan.TakeImage:
		on := snapshot("", "", nil) // this cloud does not tag what an image stands on
		o.made++
		w.Images = append(w.Images, cloud.Image{
			Ref:  cloud.Ref{Account: a.Place.Account, Region: a.Place.Region, Kind: cloud.KindImage, ID: fmt.Sprintf("ami-new-%06d", o.made)},
			Name: a.Image.Name, Size: 1 << 30, State: cloud.StateReady, Snapshots: []string{on}, Tags: a.Image.Tags, CreatedAt: now,
		})
	case plan.CopySnapshot:
		snapshot(a.Copy.Name, "", a.Copy.Tags)
	case plan.CopyImage:
		on := snapshot("", "", nil)
		o.made++
		w.Images = append(w.Images, cloud.Image{
			Ref:  cloud.Ref{Account: a.Place.Account, Region: a.Place.Region, Kind: cloud.KindImage, ID: fmt.Sprintf("ami-new-%06d", o.made)},
			Name: a.Copy.Name, Size: 1 << 30, State: cloud.StateReady, Snapshots: []string{on}, Tags: a.Copy.Tags, CreatedAt: now,
		})
	case plan.DeleteSnapshot:
		w.Snapshots = slices.DeleteFunc(w.Snapshots, func(s cloud.Snapshot) bool { return s.Ref == a.Target })
	case plan.DeleteImage:
		w.Images = slices.DeleteFunc(w.Images, func(s cloud.Image) bool { return s.Ref == a.Target })
	case plan.SetTags:
		for i := range w.Snapshots {
			if w.Snapshots[i].Ref == a.Target {
				w.Snapshots[i].Tags = w.Snapshots[i].Tags.Merge(a.Tags)
			}
		}
	default:
		o.t.Fatalf("the oracle does not know %s", a.Verb)
	}
}

// agrees holds a forecast to the oracle.
func agrees(t rapid.TB, in Input) Forecast {
	t.Helper()
	o := newOracle(t, in)
	o.run()
	got := Make(in)
	for _, d := range got.Days {
		var lines []string
		for _, r := range d.Rows {
			if r.Backups > 0 {
				lines = append(lines, fmt.Sprintf("%s: %d +%d -%d\n", rowKey(r.Place, r.Policy, r.Kind), r.Backups, r.Created, r.Deleted))
			}
		}
		slices.Sort(lines)
		if text := strings.Join(lines, ""); text != o.tells[d.Date] {
			t.Fatalf("%s: got\n%s\nwant\n%s", d.Date, text, o.tells[d.Date])
		}
	}
	existed := map[string]bool{}
	for _, b := range in.World.Backups() {
		existed[b.ID+b.Place.String()] = true
	}
	want := map[string]string{}
	for id, at := range o.gone {
		if existed[id] {
			want[id] = at.Format(time.RFC3339)
		}
	}
	have := map[string]string{}
	for _, d := range got.Deletes {
		have[d.Backup+d.Place.String()] = d.At.Format(time.RFC3339)
		if d.Why == "" {
			t.Fatalf("%+v goes without a reason", d)
		}
	}
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Fatalf("deleted: got\n%v\nwant\n%v", have, want)
	}
	for _, p := range in.Rules.Policies {
		for _, at := range o.trips[p.Name] {
			if !tripped(got, p.Name, at) {
				t.Fatalf("%s: the breaker trips at %s; got %+v", p.Name, at, got.Breakers)
			}
		}
	}
	for _, trip := range got.Breakers {
		if !slices.ContainsFunc(o.trips[trip.Policy], trip.From.Equal) {
			t.Fatalf("%+v: the breaker does not trip then: %v", trip, o.trips[trip.Policy])
		}
	}
	return got
}

func tripped(f Forecast, policy string, at time.Time) bool {
	return slices.ContainsFunc(f.Breakers, func(t Trip) bool {
		return t.Policy == policy && !at.Before(t.From) && (t.Until.IsZero() || at.Before(t.Until))
	})
}
