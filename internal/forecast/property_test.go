package forecast

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/policy"
)

func rulesOf(t rapid.TB, text string) policy.Rules {
	t.Helper()
	rules, complaints := policy.Parse([]policy.File{{Name: "stint.yaml", Data: []byte(text)}})
	if policy.Refused(complaints) {
		t.Fatalf("Parse: %v in\n%s", complaints, text)
	}
	return rules
}

// drawRules draws one to three policies.
func drawRules(t *rapid.T) policy.Rules {
	var b strings.Builder
	b.WriteString("accounts:\n  web: { cloud: aws, regions: [us-east-1, eu-west-1, ap-south-1] }\n  lab: { cloud: openstack, regions: [one] }\npolicies:\n")
	pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	for i := range rapid.IntRange(1, 3).Draw(t, "policies") {
		fmt.Fprintf(&b, "  p%d:\n    backup:\n", i)
		sel := pick("select", `{ accounts: [web, lab] }`, `{ tags: { daily: "*" } }`, `{ accounts: [web], except: { tags: { role: scratch } } }`, `{ accounts: [web, lab], regions: [eu-west-1, one] }`,
			`{ accounts: [web], regions: [us-east-1] }`)
		fmt.Fprintf(&b, "      select:   %s\n", sel)
		if strings.Contains(sel, "[web]") {
			b.WriteString(pick("copies", "", "      copies:   [{ to: web/eu-west-1, keep: { last: 2 } }]\n", "      copies:   [{ to: web/eu-west-1, keep: { daily: 2, last: { from-tag: daily, default: 3 } } }, { to: web/ap-south-1, keep: { within: 50h } }]\n"))
		}
		fmt.Fprintf(&b, "      schedule: %s\n", pick("schedule",
			`{ cron: "0 2 * * *", time-zone: Europe/Berlin, catch-up: 6h }`, `{ cron: "30 2 * * *", time-zone: America/New_York }`, `{ cron: "0 0 * * *" }`,
			`{ cron: "0 */6 * * *", catch-up: 20h }`, `{ every: 5h }`, `{ every: 3630s, catch-up: 1m }`, `{ cron: "15 3 * * 1" , time-zone: Australia/Lord_Howe}`, `{ cron: "0 * * * *", time-zone: Asia/Kolkata }`))
		fmt.Fprintf(&b, "      method:   %s\n", pick("method", "snapshots", "image"))
		fmt.Fprintf(&b, "      keep:     %s\n", pick("keep",
			"{ last: 1 }", "{ last: 4 }", "{ daily: 3 }", "{ hourly: 5, daily: 2 }", "{ within: 30h }", "{ last: 2, weekly: 2, within: 90m }", "{ last: { from-tag: daily, default: 2 } }",
			"{ daily: { from-tag: daily, default: 3 }, monthly: 2 }", "{ yearly: 1, hourly: 3 }", "{ within: 100s }"))
		if rapid.Bool().Draw(t, "orphans") {
			b.WriteString("      orphans:  { within: 40h }\n")
		}
		if limits := pick("limits", "", "", "{ at-once: 1 }", "{ at-once: 2, delete-share: 20% }", "{ deletes: 2 }", "{ delete-share: 10% }", "{ delete-share: 34%, at-once: 3 }"); limits != "" {
			fmt.Fprintf(&b, "      limits:   %s\n", limits)
		}
	}
	return rulesOf(t, b.String())
}

func places() []cloud.Place {
	return []cloud.Place{place("web", "us-east-1"), place("web", "eu-west-1"), place("lab", "one"), place("web", "ap-south-1")}
}

func place(account, region string) cloud.Place { return cloud.Place{Account: account, Region: region} }

// emptyWorld has seen everything but what is said.
func emptyWorld(unseen ...cloud.Scope) *inventory.World {
	w := &inventory.World{
		Accounts: map[string]inventory.Account{
			"web": {Name: "web", Capabilities: []cloud.Capability{cloud.Snapshots, cloud.SnapshotSets, cloud.ImageMaking, cloud.Tagging, cloud.ImageCopies, cloud.SnapshotCopies}, Traits: cloud.Traits{
				Cloud: "aws", MaxTags: 50, MaxTagKey: 128, MaxTagValue: 256, ImageHasDisks: true, ImageCopies: cloud.CopyTraits{Tags: true}, SnapshotCopies: cloud.CopyTraits{Tags: true},
			}},
			"lab": {Name: "lab", Capabilities: []cloud.Capability{cloud.Snapshots, cloud.ImageMaking, cloud.Tagging}, Traits: cloud.Traits{Cloud: "openstack", MaxTags: 50, MaxTagKey: 128, MaxTagValue: 256, ImageHasDisks: true}},
		},
		Looks: map[cloud.Scope]inventory.Look{},
	}
	for _, p := range places() {
		for _, k := range cloud.Kinds() {
			w.Looks[cloud.Scope{Account: p.Account, Region: p.Region, Kind: k}] = inventory.Look{SeenAt: time.Unix(1, 0)}
		}
	}
	for _, s := range unseen {
		w.Looks[s] = inventory.Look{Problem: "asked too often"}
	}
	return w
}

// drawWorld draws instances, and backups in every standing and at odd times; of some backups the source is gone.
func drawWorld(t *rapid.T, rules policy.Rules, now time.Time) *inventory.World {
	places := places()
	w := emptyWorld()
	if rapid.IntRange(0, 5).Draw(t, "unseen") == 0 {
		p := rapid.SampledFrom(places).Draw(t, "unseen place")
		w = emptyWorld(cloud.Scope{Account: p.Account, Region: p.Region, Kind: rapid.SampledFrom([]cloud.Kind{cloud.KindInstance, cloud.KindSnapshot}).Draw(t, "unseen kind")})
	}
	seen := map[time.Time]bool{}
	for i := range rapid.IntRange(0, 6).Draw(t, "instances") {
		p := rapid.SampledFrom(places).Draw(t, "place")
		inst := cloud.Instance{
			Ref: cloud.Ref{Account: p.Account, Region: p.Region, Kind: cloud.KindInstance, ID: fmt.Sprintf("i-%d", i)}, Name: fmt.Sprintf("web-%d", i),
			Power: cloud.PowerRunning, CreatedAt: now.AddDate(-1, 0, 0),
		}
		tags := map[string]string{}
		if v := rapid.SampledFrom([]string{"", "1", "3", "5", "many"}).Draw(t, "daily"); v != "" {
			tags["daily"] = v
		}
		if rapid.IntRange(0, 4).Draw(t, "scratch") == 0 {
			tags["role"] = "scratch"
		}
		inst.Tags = cloud.TagsOf(tags)
		for d := range rapid.IntRange(1, 2).Draw(t, "disks") {
			inst.Disks = append(inst.Disks, cloud.Attachment{Disk: fmt.Sprintf("vol-%d-%d", i, d), Root: d == 0})
		}
		if rapid.IntRange(0, 9).Draw(t, "young") == 0 {
			inst.CreatedAt = now.Add(-time.Duration(rapid.IntRange(0, 3000).Draw(t, "age")) * time.Minute)
		}
		gone := rapid.IntRange(0, 4).Draw(t, "gone") == 0
		if !gone {
			w.Instances = append(w.Instances, inst)
		}
		for range rapid.IntRange(0, 4).Draw(t, "old policies") {
			name := rapid.SampledFrom([]string{"p0", "p1", "p2", "gone"}).Draw(t, "old policy")
			pol, _ := rules.FindPolicy(name)
			for range rapid.IntRange(0, 5).Draw(t, "backups") {
				// Never at a slot's own second: that the same backup is made twice is what the intent log prevents.
				at := now.Truncate(10 * time.Second).Add(-time.Duration(rapid.IntRange(-720, 6*60*24*20).Draw(t, "before"))*10*time.Second + 7777*time.Millisecond)
				if !seen[at] {
					drawBackup(t, w, pol, name, inst, at, rapid.IntRange(0, 2).Draw(t, "copied") == 0)
				}
				seen[at] = true
			}
		}
	}
	w.Sort()
	return w
}

func drawBackup(t *rapid.T, w *inventory.World, pol policy.Policy, name string, inst cloud.Instance, at time.Time, copied bool) {
	id := plan.BackupID(name, inst.Ref, plan.SlotText(at))
	by := inst.Tags.Keep(func(tag cloud.Tag) bool { return tag.Key == "daily" && rapid.IntRange(0, 6).Draw(t, "by") > 0 })
	if rapid.IntRange(0, 9).Draw(t, "by other") == 0 {
		by = cloud.TagsOf(map[string]string{"daily": "4"})
	}
	tags := by.Merge(cloud.TagsOf(map[string]string{
		cloud.TagPolicy: name, cloud.TagSource: inst.Ref.Source(), cloud.TagSlot: plan.SlotText(at), cloud.TagBackup: id, cloud.TagBy: inventory.FormatBy(by, 200),
	}))
	switch rapid.IntRange(0, 11).Draw(t, "hold") {
	case 0:
		tags = tags.With(cloud.TagHold, "ann: audit")
	case 1:
		tags = tags.Without(cloud.TagPolicy)
	}
	where := inst.Ref.Place()
	if copied && where.Account == "web" {
		where.Region = rapid.SampledFrom([]string{"eu-west-1", "ap-south-1"}).Draw(t, "copied to")
	}
	copied = where != inst.Ref.Place()
	ref := func(kind cloud.Kind, n int) cloud.Ref {
		return cloud.Ref{Account: where.Account, Region: where.Region, Kind: kind, ID: fmt.Sprintf("%s-%s-%s-%d", kind, id, at.Format("150405"), n)}
	}
	standing := rapid.SampledFrom([]string{"complete", "complete", "complete", "complete", "failed", "damaged", "working", "doubled", "foreign"}).Draw(t, "standing")
	state := map[string]cloud.State{"failed": cloud.StateFailed, "working": cloud.StateWorking}[standing]
	if state == 0 {
		state = cloud.StateReady
	}
	if copied {
		tags = tags.With(cloud.TagCopy, inventory.CopyMark(where, ""))
		if rapid.Bool().Draw(t, "original is there") {
			if standing == "failed" || standing == "damaged" { // these would be copied again
				return
			}
			drawBackup(t, w, pol, name, inst, at, false)
		}
	}
	if pol.Backup != nil && pol.Backup.Method == policy.MethodImage {
		s := cloud.Snapshot{Ref: ref(cloud.KindSnapshot, 0), State: state, Tags: tags, CreatedAt: at, Size: 5 << 30}
		if rapid.Bool().Draw(t, "bare") {
			s.Tags = nil
		}
		w.Snapshots = append(w.Snapshots, s)
		w.Images = append(w.Images, cloud.Image{Ref: ref(cloud.KindImage, 0), Name: "x-" + id, State: state, Tags: tags, CreatedAt: at, Snapshots: []string{s.Ref.ID}, Size: 5 << 30})
		if standing == "doubled" {
			w.Images = append(w.Images, cloud.Image{Ref: ref(cloud.KindImage, 1), Name: "x-" + id + "-2", State: cloud.StateFailed, Tags: tags, CreatedAt: at.Add(-time.Minute)})
		}
		return
	}
	parts := len(inst.Disks)
	tags = tags.With(cloud.TagParts, fmt.Sprint(parts))
	if standing == "damaged" {
		tags = tags.With(cloud.TagParts, fmt.Sprint(parts+1))
	}
	for d := range parts {
		if copied {
			tags = tags.With(cloud.TagCopy, inventory.CopyMark(where, inst.Disks[d].Disk))
		}
		w.Snapshots = append(w.Snapshots, cloud.Snapshot{Ref: ref(cloud.KindSnapshot, d), Name: "x-" + id, Disk: inst.Disks[d].Disk, State: state, Tags: tags, CreatedAt: at, Size: 3 << 30})
	}
	switch standing {
	case "doubled":
		w.Snapshots = append(w.Snapshots, cloud.Snapshot{Ref: ref(cloud.KindSnapshot, 9), Name: "x-" + id, Disk: inst.Disks[0].Disk, State: cloud.StateFailed, Tags: tags, CreatedAt: at.Add(-3 * time.Hour), Size: 3 << 30})
	case "foreign":
		if parts == 1 { // what a person's image stands on stays, whatever the rule says
			w.Images = append(w.Images, cloud.Image{Ref: ref(cloud.KindImage, 0), Name: "by-hand", State: cloud.StateReady, Snapshots: []string{ref(cloud.KindSnapshot, 0).ID}, CreatedAt: at})
		}
	}
}

// TestForecastIsWhatPlansDo compares the forecast with plans that are carried out one after the other.
func TestForecastIsWhatPlansDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		// Around the ends of summer time on both sides of the world, at odd moments.
		day := rapid.SampledFrom([]string{"2026-10-22", "2026-10-29", "2027-03-11", "2027-03-25", "2026-11-21", "2026-12-28"}).Draw(t, "today")
		now, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Duration(rapid.IntRange(0, 24*3600-1).Draw(t, "second")) * time.Second)
		days := rapid.IntRange(0, 9).Draw(t, "days")
		for _, p := range rules.Policies {
			days = min(days, int(25*p.Backup.When.Period()/(24*time.Hour))) // the oracle is slow
		}
		agrees(t, Input{Now: now, Rules: rules, World: drawWorld(t, rules, now), Days: days})
	})
}
