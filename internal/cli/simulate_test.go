package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/forecast"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/policy"
)

const simulated = `
accounts:
  web: { cloud: aws, regions: [us-east-1, eu-west-1] }
policies:
  nightly:
    backup:
      select:   { accounts: [web], tags: { backup: nightly } }
      schedule: { cron: "0 2 * * *", time-zone: Europe/Berlin, catch-up: 6h }
      method:   snapshots
      keep:     { daily: 14, weekly: 8, monthly: 6 }
  hourly:
    backup:
      select:   { accounts: [web], tags: { often: "*" } }
      schedule: { every: 6h }
      method:   snapshots
      keep:     { last: { from-tag: often } }
`

// simulatedStock is three machines with a fortnight of nightly backups, one of them held, and a new one in a region
// without a price.
func simulatedStock() stock {
	at := time.Date(2026, 11, 21, 13, 10, 0, 0, time.UTC)
	s := stock{at: at, world: inventory.World{
		Accounts: map[string]inventory.Account{"web": {
			Name: "web", Capabilities: []cloud.Capability{cloud.Snapshots, cloud.SnapshotSets, cloud.ImageMaking, cloud.Tagging},
			Traits: cloud.Traits{Cloud: "aws", MaxTags: 50, MaxTagKey: 128, MaxTagValue: 256, ConsistentSets: true, NameTag: "Name"},
		}},
		Looks: map[cloud.Scope]inventory.Look{},
	}}
	for _, region := range []string{"us-east-1", "eu-west-1"} {
		for _, k := range cloud.Kinds() {
			s.world.Looks[cloud.Scope{Account: "web", Region: region, Kind: k}] = inventory.Look{SeenAt: at, LookedAt: at}
		}
	}
	add := func(region, name string, tags map[string]string) cloud.Instance {
		inst := cloud.Instance{
			Ref: cloud.Ref{Account: "web", Region: region, Kind: cloud.KindInstance, ID: "i-" + name}, Name: name, Power: cloud.PowerRunning,
			Disks: []cloud.Attachment{{Disk: "vol-" + name, Root: true}}, Tags: cloud.TagsOf(tags), CreatedAt: at.AddDate(-1, 0, 0),
		}
		s.world.Instances = append(s.world.Instances, inst)
		return inst
	}
	for i, name := range []string{"web-1", "web-2", "db"} {
		tags := map[string]string{"backup": "nightly"}
		if name == "db" {
			tags["often"] = "8"
		}
		inst := add("us-east-1", name, tags)
		for d := range 14 {
			slot := time.Date(2026, 11, 21-d, 1, 0, 0, 0, time.UTC)
			id := plan.BackupID("nightly", inst.Ref, plan.SlotText(slot))
			on := cloud.TagsOf(map[string]string{
				"backup": "nightly", cloud.TagPolicy: "nightly", cloud.TagSource: inst.Ref.Source(), cloud.TagSlot: plan.SlotText(slot),
				cloud.TagBackup: id, cloud.TagParts: "1", cloud.TagBy: "backup=nightly",
			})
			if name == "db" && d == 10 {
				on = on.With(cloud.TagHold, "ann: audit")
			}
			s.world.Snapshots = append(s.world.Snapshots, cloud.Snapshot{
				Ref: cloud.Ref{Account: "web", Region: "us-east-1", Kind: cloud.KindSnapshot, ID: "snap-" + id}, Name: name + "-" + slot.Format("20060102"),
				Disk: inst.Disks[0].Disk, Size: int64(20*(i+1)) << 30, State: cloud.StateReady, Tags: on, CreatedAt: slot.Add(4 * time.Second),
			})
		}
	}
	add("eu-west-1", "shop", map[string]string{"backup": "nightly"})
	s.world.Sort()
	return s
}

func simulatedRules(t *testing.T, edit ...string) policy.Rules {
	t.Helper()
	text := strings.NewReplacer(edit...).Replace(simulated)
	rules, complaints := policy.Parse([]policy.File{{Name: "stint.yaml", Data: []byte(text)}})
	if policy.Refused(complaints) {
		t.Fatal(complaints)
	}
	return rules
}

func simulatedForecast(t *testing.T, edit ...string) forecast.Forecast {
	t.Helper()
	prices, complaints := policy.ParsePrices(policy.PriceTable())
	if len(complaints) > 0 {
		t.Fatal(complaints)
	}
	in := simulation{prices: prices, stock: simulatedStock()}
	return forecast.Make(in.input(simulatedRules(t, edit...), nil, 60))
}

// drawnAt is drawn, at the forecast's own time.
func drawnAt(width int, at time.Time, f func(p *page)) string {
	return drawn(width, func(p *page) {
		p.now, p.zone = at, time.UTC
		f(p)
	})
}

func TestGoldenSimulate(t *testing.T) {
	f := simulatedForecast(t)
	for _, width := range []int{80, 120} {
		got := drawnAt(width, f.From, func(p *page) { p.showForecast(f) })
		golden(t, fmt.Sprintf("simulate-%d.txt", width), got)
		for l := range strings.SplitSeq(got, "\n") {
			if n := len([]rune(l)); n > width {
				t.Errorf("a line has %d columns, want at most %d: %s", n, width, l)
			}
		}
	}
	golden(t, "simulate.svg", drawSVG(f))
	var b bytes.Buffer
	s := &shell{IO: IO{Out: &b}}
	short := f
	short.Days, short.Deletes = f.Days[:3], f.Deletes[:2]
	if err := s.printJSON(simulationView{short, nil}); err != nil {
		t.Fatal(err)
	}
	golden(t, "simulate.json", b.String())
}

func TestGoldenSimulateChange(t *testing.T) {
	was := simulatedForecast(t)
	for name, edit := range map[string][]string{
		"deletes": {"daily: 14, weekly: 8", "daily: 10, weekly: 1"},
		"breaker": {"daily: 14, weekly: 8, monthly: 6", "last: 2"},
		"spares":  {"daily: 14", "daily: 30"},
		"renamed": {"nightly:", "each-night:"},
	} {
		will := simulatedForecast(t, edit...)
		golden(t, "simulate-change-"+name+".txt", drawnAt(110, was.From, func(p *page) { p.showChange(forecast.Diff(was, will), was, will) }))
	}
}

// TestPictureIsSafe draws names that would end an attribute or begin an element.
func TestPictureIsSafe(t *testing.T) {
	f := simulatedForecast(t)
	for i := range f.Days {
		for j := range f.Days[i].Rows {
			f.Days[i].Rows[j].Policy = `<script>"&'` + f.Days[i].Rows[j].Policy
		}
	}
	svg := drawSVG(f)
	dec := xml.NewDecoder(strings.NewReader(svg))
	words := map[string]int{}
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("drawSVG: not XML: %v", err)
		}
		if e, ok := tok.(xml.StartElement); ok {
			words[e.Name.Local]++
		}
	}
	if words["script"] > 0 || words["title"] < 3 || words["desc"] != 1 || words["path"] != 2 {
		t.Errorf("drawSVG: got the elements %v, want a title, a description, and an area with its title for each policy", words)
	}
	if strings.Contains(svg, "http://") && strings.Count(svg, "http") > 1 || strings.Contains(svg, "url(") {
		t.Error("drawSVG: the picture needs something beside itself")
	}
	if one := drawSVG(forecast.Make(forecast.Input{Now: f.From, World: &inventory.World{}, Days: 1})); !strings.Contains(one, "0 backups today") {
		t.Errorf("drawSVG of nothing: got %s", one)
	}
}

func TestCeiling(t *testing.T) {
	for v, want := range map[int]int{0: 4, 1: 4, 4: 4, 5: 8, 9: 12, 39: 40, 100: 100, 101: 120, 432: 500, 999: 1000, 1001: 1200, 48_000: 50_000} {
		if got := ceiling(v); got != want || got%4 != 0 || got < v {
			t.Errorf("ceiling(%d): got %d, want %d", v, got, want)
		}
	}
}

func TestBulkAndMonies(t *testing.T) {
	for n, want := range map[int64]string{0: "–", 5: "5 B", 1 << 30: "1 GiB", 1536 << 30: "1.5 TiB", 999 << 30: "999 GiB", 1000 << 30: "0.98 TiB", 1 << 60: "1024 PiB"} {
		if got := bulk(n); got != want {
			t.Errorf("bulk(%d): got %q, want %q", n, got, want)
		}
	}
	if got := monies([]forecast.Money{{Currency: "CNY", Amount: 1234.5}, {Currency: "USD", Amount: 0.126}}); got != "1,235 CNY + 0.13 USD" {
		t.Errorf("monies: got %q", got)
	}
}

// TestStockIsWholeAgain saves an inventory and reads it back: the forecast is the same. What is not understood is refused.
func TestStockIsWholeAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.json")
	was := simulatedStock()
	if err := writeStock(path, was); err != nil {
		t.Fatal(err)
	}
	got, err := readStock(path)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(forecast.Make(simulation{stock: was}.input(simulatedRules(t), nil, 30)))
	b, _ := json.Marshal(forecast.Make(simulation{stock: got}.input(simulatedRules(t), nil, 30)))
	if !bytes.Equal(a, b) {
		t.Errorf("the forecast of the saved inventory: got\n%s\nwant\n%s", b, a)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the saved inventory: got mode %v (%v), want that nobody else reads it", info.Mode(), err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string][2]string{
		"format 9":          {`"format": 1`, `"format": 9`},
		"unknown field":     {`"taken-at"`, `"taken-att"`},
		"something follows": {"\n}\n", "\n}\n{}"},
		"not an inventory":  {`{`, `[`},
		"when it was taken": {`"taken-at": "2026-11-21T13:10:00Z",`, ``},
	} {
		if err := os.WriteFile(path, bytes.Replace(whole, []byte(edit[0]), []byte(edit[1]), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readStock(path); err == nil || !strings.Contains(err.Error(), name) && !strings.Contains(err.Error(), "not an inventory") {
			t.Errorf("readStock of a file with %s: got %v, want that it is refused", name, err)
		}
	}
}

// TestSimulateIsReproducible runs the command twice over one inventory, without a database and without credentials.
func TestSimulateIsReproducible(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("stint.yaml", []byte(simulated), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeStock("inventory.json", simulatedStock()); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, int) {
		var out, errs bytes.Buffer
		code := Main(context.Background(), append([]string{"simulate", "--inventory", "inventory.json"}, args...), IO{
			In: strings.NewReader(""), Out: &out, Err: &errs, Env: func(name string) string { return map[string]string{"HOME": "/nowhere"}[name] },
		})
		return out.String() + errs.String(), code
	}
	a, code := run("-o", "json")
	if b, _ := run("-o", "json"); code != exitDone || a != b || !strings.Contains(a, `"format": 1`) {
		t.Errorf("simulate twice: got code %d and two answers, or none:\n%.400s\n%.400s", code, a, b)
	}
	if entries, _ := os.ReadDir("."); len(entries) != 2 {
		t.Errorf("simulate from an inventory left %d files, want the two that were there: it needs no database", len(entries))
	}
	if got, code := run("--days", "0"); code != exitUsage || !strings.Contains(got, "--days 0: want 1 to 3,660") {
		t.Errorf("simulate --days 0: got %d %s", code, got)
	}
}
