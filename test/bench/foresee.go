package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
)

const foreseenInstances = 1000

// foresee measures a simulated year of 1,000 instances.
func (b *bench) foresee() error {
	rules, stock := filepath.Join(b.dir, "year.yaml"), filepath.Join(b.dir, "year.json")
	if err := os.WriteFile(rules, []byte(foreseenRules()), 0o600); err != nil {
		return err
	}
	if err := writeForeseen(stock); err != nil {
		return err
	}
	var all []used
	for range b.runs {
		u, out, err := spend(b.dir, nil, nil, b.stint, "simulate", "-f", rules, "--inventory", stock, "--days", "365", "-o", "json")
		if err != nil {
			return err
		}
		var f struct {
			Days     []json.RawMessage `json:"days"`
			Policies []struct {
				Instances int `json:"instances"`
				Created   int `json:"created"`
			} `json:"policies"`
		}
		if err := json.Unmarshal(out, &f); err != nil {
			return err
		}
		made := 0
		for _, p := range f.Policies {
			if p.Instances != foreseenInstances {
				return fmt.Errorf("a policy backs up %d instances, want %d", p.Instances, foreseenInstances)
			}
			made += p.Created
		}
		if want := 2 * 365 * 25 * foreseenInstances; len(f.Days) != 366 || made < want {
			return fmt.Errorf("the forecast has %d days and makes %d backups, want 366 and at least %d", len(f.Days), made, want)
		}
		all = append(all, u)
	}
	of := fmt.Sprintf("of %d runs of the whole program", b.runs)
	b.atMost("simulate a year of 1,000 instances, daily and hourly, with copies: wall", slices.Min(pick(all, used.Wall)), 60, "s",
		"least "+of+"; copies are stood in for by a second daily and hourly policy over the same instances, with keeps of their own", "")
	b.tell("the same: CPU", slices.Min(pick(all, used.CPU)), "s", "least "+of, "")
	b.tell("the same: peak memory, the inventory of 31,000 backups included", median(pick(all, used.RSS)), "MB", "median "+of, "")
	return nil
}

func foreseenRules() string {
	out := "accounts:\n  " + account + ": { cloud: aws, regions: [" + region + "] }\npolicies:\n"
	for _, p := range []struct{ name, schedule, keep string }{
		{"daily", `{ cron: "0 2 * * *", time-zone: Europe/Berlin }`, "{ daily: { from-tag: days, default: 14 }, weekly: 8, monthly: 12 }"},
		{"hourly", `{ cron: "0 * * * *" }`, "{ hourly: { from-tag: hours, default: 24 }, within: 2d }"},
		{"copied-daily", `{ cron: "30 2 * * *", time-zone: Europe/Berlin }`, "{ daily: 7, monthly: 6 }"},
		{"copied-hourly", `{ cron: "30 * * * *" }`, "{ last: 12 }"},
	} {
		out += fmt.Sprintf("  %s:\n    backup:\n      select: { accounts: [%s] }\n      schedule: %s\n      method: snapshots\n      keep: %s\n", p.name, account, p.schedule, p.keep)
	}
	return out
}

// writeForeseen writes an inventory in which each instance has a week of daily and a day of hourly backups, none made at
// quite the same second as another's.
func writeForeseen(path string) error {
	at := time.Date(2026, 11, 20, 12, 10, 0, 0, time.UTC)
	ref := func(k cloud.Kind, id string) cloud.Ref {
		return cloud.Ref{Account: account, Region: region, Kind: k, ID: id}
	}
	type look struct {
		Scope cloud.Scope    `json:"scope"`
		Look  inventory.Look `json:"look"`
	}
	var f struct {
		Format    int                 `json:"format"`
		TakenAt   time.Time           `json:"taken-at"`
		Accounts  []inventory.Account `json:"accounts"`
		Looks     []look              `json:"looks"`
		Instances []cloud.Instance    `json:"instances"`
		Snapshots []cloud.Snapshot    `json:"snapshots"`
	}
	f.Format, f.TakenAt = 1, at
	f.Accounts = []inventory.Account{{
		Name: account, Capabilities: []cloud.Capability{cloud.Snapshots, cloud.SnapshotSets, cloud.Tagging},
		Traits: cloud.Traits{Cloud: "aws", MaxTags: 50, MaxTagKey: 128, MaxTagValue: 256, ConsistentSets: true, NameTag: "Name"},
	}}
	for _, k := range cloud.Kinds() {
		f.Looks = append(f.Looks, look{cloud.Scope{Account: account, Region: region, Kind: k}, inventory.Look{SeenAt: at}})
	}
	for i := range foreseenInstances {
		inst := cloud.Instance{
			Ref: ref(cloud.KindInstance, fmt.Sprintf("i-%05d", i)), Name: "web-" + strconv.Itoa(i), Power: cloud.PowerRunning,
			Disks: []cloud.Attachment{{Disk: fmt.Sprintf("vol-%05d", i), Root: true}}, CreatedAt: at.AddDate(-1, 0, 0),
			Tags: cloud.TagsOf(map[string]string{"days": strconv.Itoa(7 + i%8), "hours": strconv.Itoa(12 + i%13)}),
		}
		f.Instances = append(f.Instances, inst)
		old := func(policy string, slot time.Time) {
			text := plan.SlotText(slot)
			id := plan.BackupID(policy, inst.Ref, text)
			f.Snapshots = append(f.Snapshots, cloud.Snapshot{
				Ref: ref(cloud.KindSnapshot, fmt.Sprintf("snap-%s-%s", id, text)), Disk: inst.Disks[0].Disk, Size: 20 << 30, State: cloud.StateReady,
				CreatedAt: slot.Add(time.Duration(i*7%600) * time.Second),
				Tags: cloud.TagsOf(map[string]string{
					cloud.TagPolicy: policy, cloud.TagSource: inst.Ref.Source(), cloud.TagSlot: text, cloud.TagBackup: id, cloud.TagParts: "1", cloud.TagBy: "-",
				}),
			})
		}
		for d := range 7 {
			old("daily", time.Date(2026, 11, 20-d, 1, 0, 0, 0, time.UTC))
		}
		for h := range 24 {
			old("hourly", time.Date(2026, 11, 20, 12-h, 0, 0, 0, time.UTC))
		}
	}
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}
