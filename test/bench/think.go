package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	rules "github.com/stint-cloud/stint/internal/policy"
)

const (
	manyInstances = 100_000
	manyBackups   = 10 // of each
)

// thought is what one plan over a large world took.
type thought struct {
	CPU     float64 `json:"cpu"`  // s, of Make alone
	Wall    float64 `json:"wall"` // s
	RSS     float64 `json:"rss"`  // MB, the process's peak with the world in it
	World   float64 `json:"world"`
	Actions int     `json:"actions"`
}

// plan measures one plan over 100,000 instances with 1,000,000 backups.
func (b *bench) plan() error {
	var all []thought
	for range b.runs {
		_, out, err := spend(b.dir, nil, nil, b.self, "plan-once")
		if err != nil {
			return err
		}
		var t thought
		if err := json.Unmarshal(out, &t); err != nil {
			return err
		}
		all = append(all, t)
	}
	cpu := pick(all, func(t thought) float64 { return t.CPU })
	rss := pick(all, func(t thought) float64 { return t.RSS })
	of := fmt.Sprintf("of %d runs, each a process of its own", b.runs)
	b.atMost("plan over 100,000 instances, 1,000,000 backups: CPU", slices.Min(cpu), 3, "s", "least "+of+"; median "+number(median(cpu))+" s", "")
	b.atMost("the same: peak memory, the world included", median(rss), 1500, "MB", "median "+of, "")
	return nil
}

// planMain makes the plan once and says what it took.
func planMain([]string) error {
	parsed, complaints := rules.Parse([]rules.File{{Name: "p.yaml", Data: []byte(`
accounts:
  web: { cloud: aws, regions: [us-east-1] }
policies:
  daily:
    backup:
      select:   { accounts: [web], tags: { SnapshotDaily: "*" } }
      schedule: { cron: "0 0 * * *", catch-up: 6h }
      method:   snapshots
      keep:     { last: { from-tag: SnapshotDaily } }
`)}})
	if len(complaints) > 0 {
		return fmt.Errorf("%v", complaints)
	}
	newest := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	w := largeWorld(newest)
	world := peak()
	began, cpu := time.Now(), spentCPU()
	p := plan.Make(plan.Input{Now: newest.AddDate(0, 0, 1).Add(10 * time.Minute), Rules: parsed, World: w})
	t := thought{CPU: spentCPU() - cpu, Wall: time.Since(began).Seconds(), RSS: peak(), World: world, Actions: len(p.Actions)}
	if t.Actions != manyInstances || len(p.Left) != manyInstances*manyBackups {
		return fmt.Errorf("the plan has %d actions and leaves %d alone, want %d and %d", t.Actions, len(p.Left), manyInstances, manyInstances*manyBackups)
	}
	return json.NewEncoder(os.Stdout).Encode(t)
}

// largeWorld is instances with one disk and backups of it each, a slot a day, texts shared as the store shares them.
func largeWorld(newest time.Time) *inventory.World {
	w := &inventory.World{
		Accounts: map[string]inventory.Account{account: {
			Name: account, Capabilities: []cloud.Capability{cloud.Snapshots, cloud.SnapshotSets, cloud.Tagging},
			Traits: cloud.Traits{Cloud: "aws", MaxTags: 50, MaxTagKey: 128, MaxTagValue: 256, ConsistentSets: true},
		}},
		Looks:     map[cloud.Scope]inventory.Look{},
		Instances: make([]cloud.Instance, 0, manyInstances),
		Snapshots: make([]cloud.Snapshot, 0, manyInstances*manyBackups),
	}
	for _, k := range cloud.Kinds() {
		w.Looks[cloud.Scope{Account: account, Region: region, Kind: k}] = inventory.Look{SeenAt: newest}
	}
	var slots []string
	for n := range manyBackups {
		slots = append(slots, plan.SlotText(newest.AddDate(0, 0, -n)))
	}
	keep := strconv.Itoa(manyBackups)
	for i := range manyInstances {
		disk := fmt.Sprintf("vol-%08d", i)
		inst := cloud.Instance{
			Ref:  cloud.Ref{Account: account, Region: region, Kind: cloud.KindInstance, ID: fmt.Sprintf("i-%08d", i)},
			Name: "web-" + strconv.Itoa(i), Power: cloud.PowerRunning, Disks: []cloud.Attachment{{Disk: disk, Root: true}},
			Tags:      cloud.TagsOf(map[string]string{"SnapshotDaily": keep, "team": "shop", "env": "prod", "cost": "4711"}),
			CreatedAt: newest.AddDate(-1, 0, 0),
		}
		w.Instances = append(w.Instances, inst)
		source := inst.Ref.Source()
		for n, at := range slots {
			id := plan.BackupID(policy, inst.Ref, at)
			w.Snapshots = append(w.Snapshots, cloud.Snapshot{
				Ref:  cloud.Ref{Account: account, Region: region, Kind: cloud.KindSnapshot, ID: fmt.Sprintf("snap-%08d-%02d", i, n)},
				Disk: disk, State: cloud.StateReady, CreatedAt: newest.AddDate(0, 0, -n).Add(time.Minute),
				Tags: inst.Tags.Merge(cloud.TagsOf(map[string]string{
					cloud.TagPolicy: policy, cloud.TagSource: source, cloud.TagSlot: at, cloud.TagBackup: id,
					cloud.TagParts: "1", cloud.TagBy: "SnapshotDaily=10", cloud.TagAction: "a-" + id,
				})),
			})
		}
	}
	w.Sort()
	return w
}

func usage() (u syscall.Rusage) {
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails only for a wrong argument
	return u
}

func spentCPU() float64 {
	u := usage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func peak() float64 { u := usage(); return float64(u.Maxrss) / 1024 }

// check measures `stint check` on a folder of 200 policies.
func (b *bench) check() error {
	dir := filepath.Join(b.dir, "policies")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for i := range 200 {
		text := fmt.Sprintf(`accounts:
  web-%[1]d: { cloud: aws, regions: [us-east-1, eu-west-1] }
policies:
  nightly-%[1]d:
    backup:
      select:   { accounts: [web-%[1]d], regions: [us-east-1], tags: { team: team-%[1]d, SnapshotDaily: "*" } }
      where:    instance.power == "running" && !instance.name.startsWith("test-")
      schedule: { cron: "%[2]d 2 * * *", time-zone: Europe/Berlin, catch-up: 6h }
      method:   snapshots
      keep:     { last: 7, daily: 30, monthly: 12 }
`, i, i%60)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("team-%03d.yaml", i)), []byte(text), 0o600); err != nil {
			return err
		}
	}
	var all []used
	for range 5 * b.runs {
		u, _, err := spend(b.dir, nil, nil, b.stint, "check", "-o", "json", dir)
		if err != nil {
			return err
		}
		all = append(all, u)
	}
	wall := pick(all, used.Wall)
	b.atMost("check of a folder of 200 policies, each with a condition", 1000*slices.Min(wall), 100, "ms",
		fmt.Sprintf("least of %d runs of the whole program; median %s ms", len(all), number(1000*median(wall))), "")
	b.tell("the same: CPU", 1000*median(pick(all, used.CPU)), "ms", "median", "")
	return nil
}

// start measures how long it takes from the start of the program to its first call.
func (b *bench) start() error {
	var all []float64
	for range 5 * b.runs {
		u, s, err := b.client(world{instances: 10, disks: 1}, 100, "plan", "-q")
		if err != nil {
			return err
		}
		all = append(all, float64(s.First-u.began.UnixMicro())/1000)
	}
	b.atMost("start of `stint plan` to its first call, new database", slices.Min(all), 150, "ms",
		fmt.Sprintf("least of %d runs; median %s ms", len(all), number(median(all))), "")
	return nil
}
