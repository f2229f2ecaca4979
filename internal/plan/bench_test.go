package plan

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/policy"
)

// bigWorld is instances with one disk and backups of it each, a slot a day.
func bigWorld(instances, backups int, newest time.Time) *inventory.World {
	w := &inventory.World{
		Accounts: map[string]inventory.Account{"web": {
			Name: "web", Capabilities: []cloud.Capability{cloud.Snapshots, cloud.SnapshotSets, cloud.Tagging},
			Traits: cloud.Traits{Cloud: "aws", MaxTags: 50, MaxTagKey: 128, MaxTagValue: 256, ConsistentSets: true},
		}},
		Looks:     map[cloud.Scope]inventory.Look{},
		Instances: make([]cloud.Instance, 0, instances),
		Snapshots: make([]cloud.Snapshot, 0, instances*backups),
	}
	for _, k := range cloud.Kinds() {
		w.Looks[cloud.Scope{Account: "web", Region: "us-east-1", Kind: k}] = inventory.Look{SeenAt: newest}
	}
	ref := func(k cloud.Kind, id string) cloud.Ref {
		return cloud.Ref{Account: "web", Region: "us-east-1", Kind: k, ID: id}
	}
	slots := make([]string, backups) // the store keeps one copy of equal texts, and so does this world
	for n := range slots {
		slots[n] = SlotText(newest.AddDate(0, 0, -n))
	}
	keep := strconv.Itoa(backups)
	by := "SnapshotDaily=" + keep
	for i := range instances {
		disk := fmt.Sprintf("vol-%08d", i)
		inst := cloud.Instance{
			Ref: ref(cloud.KindInstance, fmt.Sprintf("i-%08d", i)), Name: "web-" + strconv.Itoa(i), Power: cloud.PowerRunning,
			Disks:     []cloud.Attachment{{Disk: disk, Root: true}},
			Tags:      cloud.TagsOf(map[string]string{"SnapshotDaily": keep, "team": "shop", "env": "prod", "cost": "4711"}),
			CreatedAt: newest.AddDate(-1, 0, 0),
		}
		w.Instances = append(w.Instances, inst)
		source := inst.Ref.Source()
		for n := range backups {
			slot := newest.AddDate(0, 0, -n)
			id := BackupID("daily", inst.Ref, slots[n])
			w.Snapshots = append(w.Snapshots, cloud.Snapshot{
				Ref: ref(cloud.KindSnapshot, fmt.Sprintf("snap-%08d-%02d", i, n)), Disk: disk, State: cloud.StateReady, CreatedAt: slot.Add(time.Minute),
				Tags: inst.Tags.Merge(cloud.TagsOf(map[string]string{
					cloud.TagPolicy: "daily", cloud.TagSource: source, cloud.TagSlot: slots[n], cloud.TagBackup: id,
					cloud.TagParts: "1", cloud.TagBy: by, cloud.TagAction: "a-" + id,
				})),
			})
		}
	}
	w.Sort()
	return w
}

// BenchmarkMake plans 100,000 instances with 1,000,000 backups: one new backup for each instance, nothing to expire.
func BenchmarkMake(b *testing.B) {
	rules, complaints := policy.Parse([]policy.File{{Name: "p.yaml", Data: []byte(`
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
		b.Fatal(complaints)
	}
	now := time.Date(2026, 11, 21, 0, 10, 0, 0, time.UTC)
	w := bigWorld(100_000, 10, time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))
	b.ReportAllocs()
	for b.Loop() {
		p := Make(Input{Now: now, Rules: rules, World: w})
		if len(p.Actions) != 100_000 {
			b.Fatalf("Make: got %d actions, want 100000", len(p.Actions))
		}
	}
}
