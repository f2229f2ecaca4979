package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

func goldenTime() time.Time { return time.Date(2026, 11, 21, 2, 0, 30, 0, time.UTC) }

// drawn gives what f draws on a page of a width.
func drawn(width int, f func(p *page)) string {
	var b bytes.Buffer
	p := &page{terminal: terminal{width: width, zone: time.FixedZone("", 8*3600)}, Writer: bufio.NewWriter(&b), now: goldenTime()}
	f(p)
	_ = p.Flush() // a bytes.Buffer takes everything
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

func ref(kind cloud.Kind, id string) cloud.Ref {
	return cloud.Ref{Account: "web", Region: "us-east-1", Kind: kind, ID: id}
}

// bigPlan is a plan with a thousand actions and everything that can be left alone.
func bigPlan() plan.Plan {
	p := plan.Plan{Format: 1, MadeAt: goldenTime(), Policies: []string{"hourly", "nightly"}, Next: goldenTime().Add(22 * time.Hour), Again: goldenTime().Add(14 * time.Minute)}
	add := func(a plan.Action) {
		a.Place = cloud.Place{Account: "web", Region: "us-east-1"}
		a.ID = plan.ActionID(a)
		p.Actions = append(p.Actions, a)
	}
	for i := range 700 {
		add(plan.Action{Verb: plan.TakeSnapshotSet, Policy: "nightly", Target: ref(cloud.KindInstance, fmt.Sprintf("i-%04d", i)), Label: fmt.Sprintf("web-%d", i), Reason: "slot 2026-11-21T02:00:00Z of nightly has no backup yet"})
	}
	add(plan.Action{Verb: plan.TakeImage, Policy: "hourly", Target: ref(cloud.KindInstance, "i-db"), Label: "db", Reason: "slot 2026-11-21T02:00:00Z of hourly has no backup yet; try 2 of 3, the one before failed in the cloud"})
	for i := range 290 {
		add(plan.Action{Verb: plan.DeleteSnapshot, Policy: "nightly", Target: ref(cloud.KindSnapshot, fmt.Sprintf("snap-%04d", i)), Reason: fmt.Sprintf("beyond last %d", 3+i%20)})
	}
	add(plan.Action{Verb: plan.SetTags, Policy: "hourly", Target: ref(cloud.KindSnapshot, "snap-bare"), Reason: "the image db-1 stands on it, and the cloud did not tag it"})
	left := func(kind plan.LeftKind, n int, why string) {
		for i := range n {
			p.Left = append(p.Left, plan.Left{Policy: "nightly", Kind: kind, Backup: fmt.Sprintf("b%d", i), Ref: ref(cloud.KindInstance, fmt.Sprintf("i-%04d", i)), Why: why})
		}
	}
	left(plan.LeftKept, 2100, "last 1 of 3")
	left(plan.LeftHeld, 2, "held: ann: audit")
	left(plan.LeftBroken, 9, "failed, and nothing newer is complete yet")
	left(plan.LeftOut, 1, "it was created after the slot 2026-11-21T02:00:00Z")
	for i := range 30 {
		p.Follow = append(p.Follow, plan.FollowUp{Policy: "nightly", Text: fmt.Sprintf("once the backup of web-%d is complete, that of 2026-11-14T02:00:00Z goes: beyond last 7", i)})
	}
	p.Findings = []plan.Finding{
		{Key: "a", Policy: "nightly", Grave: true, Text: "wiki has no disk that could be snapshotted, so it is not protected: use method: image"},
		{Key: "b", Policy: "hourly", Text: "on web (aws) the disks of an instance are snapshotted one after the other: the set is not crash-consistent"},
	}
	return p
}

func TestGoldenPlan(t *testing.T) {
	for _, width := range []int{80, 120} {
		got := drawn(width, func(p *page) { p.showPlan(bigPlan(), false) })
		golden(t, fmt.Sprintf("plan-%d.txt", width), got)
		if n := strings.Count(got, "\n"); n > 90 {
			t.Errorf("a plan of %d actions is drawn in %d lines, want at most 90", len(bigPlan().Actions), n)
		}
		for l := range strings.SplitSeq(got, "\n") {
			if n := len([]rune(l)); n > width {
				t.Errorf("a line of the plan has %d columns, want at most %d: %s", n, width, l)
			}
		}
	}
	if all := drawn(0, func(p *page) { p.showPlan(bigPlan(), true) }); !strings.Contains(all, "snap-0289") || !strings.Contains(all, "web-699") || !strings.Contains(all, "b2099") {
		t.Error("showPlan with verbose leaves something out, want everything")
	}
	golden(t, "plan-empty.txt", drawn(80, func(p *page) { p.showPlan(plan.Plan{Next: goldenTime().Add(time.Hour)}, false) }))
}

func TestGoldenSummary(t *testing.T) {
	row := func(state store.ActionState, verb plan.Verb, id, label, class, problem string, made ...cloud.Ref) store.ActionRow {
		return store.ActionRow{Action: plan.Action{Verb: verb, Target: ref(cloud.KindInstance, id), Label: label, Place: cloud.Place{Account: "web", Region: "us-east-1"}}, State: state, Class: class, Problem: problem, Made: made}
	}
	var rows []store.ActionRow
	for i := range 40 {
		rows = append(rows, row(store.ActionDone, plan.TakeSnapshotSet, fmt.Sprintf("i-%d", i), "", "", "", ref(cloud.KindSnapshot, "snap-a"), ref(cloud.KindSnapshot, "snap-b")))
	}
	for i := range 7 {
		rows = append(rows, row(store.ActionFailed, plan.TakeSnapshotSet, fmt.Sprintf("i-%d", 50+i), fmt.Sprintf("db-%d", i), "denied", "snapshotset.create web/us-east-1/instance/i-50: not permitted (UnauthorizedOperation): you are not authorized to perform ec2:CreateSnapshots"))
	}
	rows = append(rows, row(store.ActionFailed, plan.DeleteSnapshot, "snap-9", "", "quota", "snapshot.delete: limit reached"),
		row(store.ActionSkipped, plan.DeleteSnapshot, "snap-10", "web-old", "", "it is held: stint:hold=ann"), row(store.ActionDone, plan.DeleteSnapshot, "snap-11", "", "", ""))
	sum := app.Summary{
		Last:     plan.Plan{Next: goldenTime().Add(22 * time.Hour), Findings: []plan.Finding{{Policy: "nightly", Grave: true, Text: "the snapshots of shop/cn-shanghai could not be seen"}}},
		Problems: []error{errors.New("account shop: account.open shop/: not permitted (Credentials): access-key: the environment variable SHOP_KEY is not set, or is empty")},
		Dropped:  []plan.Action{{Verb: plan.DeleteImage, Target: ref(cloud.KindImage, "ami-1")}},
	}
	golden(t, "summary.txt", drawn(80, func(p *page) { p.showSummary(sum, rows, 83*time.Second, false) }))
	if got := applyExit(sum, rows); got != exitPartly {
		t.Errorf("applyExit: got %d, want %d", got, exitPartly)
	}
}

func TestGoldenStatus(t *testing.T) {
	at := goldenTime()
	place := cloud.Place{Account: "web", Region: "us-east-1"}
	line := func(name, policyName string, cover app.Cover, age time.Duration, why string) app.Protection {
		p := app.Protection{Instance: ref(cloud.KindInstance, "i-"+name), Name: name, Policy: policyName, Place: place, Cover: cover, Why: why, Backups: 3}
		if age > 0 {
			p.Newest = at.Add(-age)
		}
		return p
	}
	st := app.Status{
		At: at, Counts: map[app.Cover]int{app.CoverGood: 1, app.CoverLate: 1, app.CoverNone: 2, app.CoverWaiting: 1, app.CoverUnknown: 1},
		Protected: []app.Protection{
			line("web-1", "nightly", app.CoverGood, 30*time.Second, ""), line("web-2", "nightly", app.CoverLate, 50*time.Hour, "the newest is 50h0m0s old, the schedule promises 25h0m0s"),
			line("db", "nightly", app.CoverNone, 0, "no complete backup"), line("new", "nightly", app.CoverWaiting, 0, "it is newer than the schedule's promise"),
			line("dark", "nightly", app.CoverUnknown, 0, "its backups were not looked at yet"), line("wiki", "", app.CoverNone, 0, "no policy selects it"),
		},
		Policies:  []app.PolicyStatus{{Name: "nightly", Schedule: "0 2 * * *", Next: at.Add(24 * time.Hour), Instances: 5, Backups: 15}, {Name: "old", Disabled: true}},
		Incidents: []store.Incident{{Title: "web/us-east-1: snapshot-set fails: denied", OpenedAt: at.Add(-3 * time.Hour), Count: 12}},
		Surveys:   []store.Survey{{Scope: cloud.Scope{Account: "shop", Region: "cn-shanghai", Kind: cloud.KindSnapshot}, Look: inventory.Look{Problem: "snapshot.list shop/cn-shanghai: asked too often"}}},
		Active:    []store.Run{{ID: "20261121T020001-abcdef", Policy: "nightly", StartedAt: at.Add(-20 * time.Second)}},
	}
	golden(t, "status-80.txt", drawn(80, func(p *page) { p.showStatus(st, false) }))
	golden(t, "status-120-wide.txt", drawn(120, func(p *page) { p.showStatus(st, true) }))
	if statusOK(st) {
		t.Error("statusOK with something late: got true, want false")
	}
	calm := app.Status{Protected: []app.Protection{line("web-1", "nightly", app.CoverGood, time.Hour, ""), line("wiki", "", app.CoverNone, 0, "")}}
	if !statusOK(calm) {
		t.Error("statusOK with an instance that no policy selects: got false, want true")
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		300 * time.Millisecond: "300 ms", 59 * time.Second: "59 s", 61 * time.Second: "1 min", 2*time.Hour + 12*time.Minute: "2 h 12 min", 5*time.Hour + 12*time.Minute: "5 h",
		31*time.Hour + time.Minute: "31 h", 100 * time.Hour: "4 days 4 h", 30 * 24 * time.Hour: "30 days", 2 * time.Hour: "2 h",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%s): got %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d): got %q, want %q", n, got, want)
		}
	}
}

// TestReference keeps docs/reference/commands.md as the commands' own help says.
func TestReference(t *testing.T) {
	s := &shell{IO: IO{Env: func(string) string { return "" }}}
	var b strings.Builder
	b.WriteString("<!-- Generated by `make gen` from the commands themselves. -->\n\n# Commands\n")
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s", c.CommandPath(), strings.TrimSpace(firstOf(c.Long, c.Short)))
		fmt.Fprintf(&b, "\n\n%s```\n", c.UsageString())
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(s.rootCommand())
	path := filepath.Join("..", "..", "docs", "reference", "commands.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != b.String() {
		t.Errorf("%s is not what the commands say (%v): write it with `make gen`", path, err)
	}
}

func firstOf(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}
