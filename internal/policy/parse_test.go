package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/retain"
)

// parse reads text that must be right.
func parse(t testing.TB, text string) Rules {
	t.Helper()
	rules, complaints := Parse([]File{{Name: "policy.yaml", Data: []byte(text)}})
	for _, c := range complaints {
		t.Fatalf("Parse: %s\nin\n%s", c, text)
	}
	return rules
}

const whole = `
accounts:
  web: { cloud: aws, regions: [us-east-1, eu-west-1], endpoint: "https://cloud.example.com", pace: { reads: 20, writes: 0.5 },
         credentials: { assume-role: "arn:aws:iam::111122223333:role/stint", external-id: x } }
  keys: { cloud: aws, credentials: { access-key: env:KEY, secret-key: "file:/run/secrets/key", token: env:TOKEN } }
policies:
  nightly:
    disabled: true
    backup:
      select: { accounts: [web], regions: [us-east-1], tags: { b: [y, x], a: "*", c: 3 }, ids: [i-1], except: { tags: { keep: "no" }, ids: [i-2] } }
      where: resource.power == "running"
      schedule: { cron: "0 2 * * *", time-zone: Asia/Shanghai, catch-up: 6h }
      method: image
      reboot: true
      keep: { last: 7, hourly: 1, daily: { from-tag: D }, weekly: { from-tag: W, default: 3 }, monthly: 4, yearly: 5, within: 30d }
      orphans: { within: 90d }
      limits: { at-once: 2, stop-after-failures: 3, deletes: 4, delete-share: 30% }
      stuck-after: 6h
  hourly:
    backup:
      select: { accounts: [keys] }
      schedule: { every: 1h, time-zone: Europe/Berlin }
      method: snapshots
      keep: { within: 2d }
      orphans: keep
notify:
  mail: { smtp: { server: "mail.example.com:587", from: stint@example.com, to: [ops@example.com] } }
`

func TestParseReadsEveryWord(t *testing.T) {
	rules := parse(t, whole)
	got, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"accounts":[` +
		`{"name":"keys","cloud":"aws","credentials":{"access-key":"env:KEY","secret-key":"file:/run/secrets/key","token":"env:TOKEN"},"pace":{}},` +
		`{"name":"web","cloud":"aws","regions":["eu-west-1","us-east-1"],"endpoint":"https://cloud.example.com","credentials":{"assume-role":"arn:aws:iam::111122223333:role/stint","external-id":"x"},"pace":{"reads":20,"writes":0.5}}],` +
		`"policies":[` +
		`{"name":"hourly","backup":{"select":{"accounts":["keys"],"except":{}},"schedule":"every 1h Europe/Berlin","catch-up":3600000000000,"method":"snapshots",` +
		`"keep":{"last":{"n":0},"hourly":{"n":0},"daily":{"n":0},"weekly":{"n":0},"monthly":{"n":0},"yearly":{"n":0},"within":172800000000000},"orphans":{},"limits":{"delete-share":0.5},"stuck-after":86400000000000}},` +
		`{"name":"nightly","disabled":true,"backup":{"select":{"accounts":["web"],"regions":["us-east-1"],"tags":[{"key":"a"},{"key":"b","values":["x","y"]},{"key":"c","values":["3"]}],"ids":["i-1"],"except":{"tags":[{"key":"keep","values":["no"]}],"ids":["i-2"]}},` +
		`"where":"resource.power == \"running\"","schedule":"0 2 * * * Asia/Shanghai","catch-up":21600000000000,"method":"image","reboot":true,` +
		`"keep":{"last":{"n":7},"hourly":{"n":1},"daily":{"n":7,"from-tag":"D"},"weekly":{"n":3,"from-tag":"W"},"monthly":{"n":4},"yearly":{"n":5},"within":2592000000000000},"orphans":{"within":7776000000000000},` +
		`"limits":{"at-once":2,"stop-after-failures":3,"deletes":4,"delete-share":0.3},"stuck-after":21600000000000}}],` +
		`"notify":[{"name":"mail","smtp":{"server":"mail.example.com:587","security":"starttls","from":"stint@example.com","to":["ops@example.com"]}}]}`
	if string(got) != want {
		t.Errorf("json.Marshal(Parse(whole)) =\n%s\nwant\n%s", got, want)
	}
	p, ok := rules.FindPolicy("nightly")
	if !ok || p.Backup.Zone.String() != "Asia/Shanghai" || p.Pos != (Position{"policy.yaml", 7, 3}) || p.Backup.WhenPos != (Position{"policy.yaml", 12, 7}) {
		t.Errorf("FindPolicy(nightly) = %+v, %v, zone %v, want it at 7:3 with its schedule at 12:7", p.Pos, ok, p.Backup.Zone)
	}
	slot, _ := p.Backup.When.Next(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	if want := time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC); !slot.Equal(want) {
		t.Errorf("Next slot of nightly = %v, want %v", slot, want)
	}
}

func TestSameRulesWhateverTheOrder(t *testing.T) {
	a := File{Name: "a.yaml", Data: []byte("accounts:\n  web: { cloud: aws }\n  lab: { cloud: openstack }\n")}
	b := File{Name: "b.yaml", Data: []byte("policies:\n  x: { backup: { select: { accounts: [web, lab], tags: { b: c, a: [z, y] } }, schedule: { every: 1h }, method: image, keep: { last: 1 } } }\n")}
	c := File{Name: "c.yaml", Data: []byte("policies:\r\n  x: { backup: { keep: { last: 1 }, method: image, schedule: { every: 60m }, select: { tags: { a: [y, z], b: c }, accounts: [lab, web] } } }\r\n")}
	marshal := func(files ...File) string {
		rules, complaints := Parse(files)
		if len(complaints) > 0 {
			t.Fatalf("Parse(%s) complains: %v", files[0].Name, complaints)
		}
		out, err := json.Marshal(rules)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	first := marshal(a, b)
	for name, got := range map[string]string{"b, a": marshal(b, a), "a, c": marshal(a, c), "again": marshal(a, b)} {
		if got != first {
			t.Errorf("Parse(%s) = %s, want %s", name, got, first)
		}
	}
	_, one := Parse([]File{a, b, b})
	_, two := Parse([]File{b, a, b})
	if len(one) == 0 || !slices.Equal(one, two) {
		t.Errorf("complaints of files in another order: %v, want the same, and some: %v", two, one)
	}
}

// Rules that are wrong are left out, so that nobody can act on half a policy; what is right of the others stays.
func TestRulesHoldOnlyWhatIsRight(t *testing.T) {
	text := strings.Replace(whole, "within: 2d", "within: soon", 1)
	rules, complaints := Parse([]File{{Name: "p.yaml", Data: []byte(text)}})
	if len(rules.Policies) != 1 || rules.Policies[0].Name != "nightly" || !Refused(complaints) {
		t.Errorf("Parse(one wrong policy) = %d policies, %v, want nightly alone, refused", len(rules.Policies), complaints)
	}
}

func TestNoFileIsAComplaint(t *testing.T) {
	if _, complaints := Parse(nil); !Refused(complaints) || complaints[0].String() != "there is no policy file" {
		t.Errorf("Parse(nil) complains %v, want that there is no file", complaints)
	}
}

func TestBytesThatAreNoText(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"not UTF-8":   {[]byte("accounts:\n  w\xff: {}\n"), "f.yaml:2:4: is not UTF-8 text (save the file as UTF-8)"},
		"UTF-16":      {[]byte("\xff\xfea\x00:\x00"), "f.yaml:1:1: is not UTF-8 text (save the file as UTF-8)"},
		"control":     {[]byte("accounts:\n  web: { cloud: \"a\x00ws\" }\n"), "f.yaml:2:19: has a control character, which YAML does not allow (save the file as UTF-8)"},
		"huge":        {bytes.Repeat([]byte("# a comment\n"), 100_000), "f.yaml:1:1: is 1200000 bytes long, and 1048576 is the most (split it: several files add up)"},
		"deep flow":   {[]byte("accounts: " + strings.Repeat("[", 5000)), "f.yaml:1:51: lists and mappings stand in each other more than 40 deep"},
		"deep dashes": {[]byte(strings.Repeat("- ", 5000)), "f.yaml:1:81: lists and mappings stand in each other more than 40 deep"},
	} {
		_, complaints := Parse([]File{{Name: "f.yaml", Data: c.data}})
		if len(complaints) != 1 || complaints[0].String() != c.want {
			t.Errorf("Parse(%s) complains %.300v, want %s", name, complaints, c.want)
		}
	}
	_, complaints := Parse([]File{{Name: "f.yaml", Data: []byte("\xef\xbb\xbfacounts: {}\n")}})
	if len(complaints) != 1 || complaints[0].Pos.Column != 1 || complaints[0].Hint != `did you mean "accounts"?` {
		t.Errorf("Parse(with a byte-order mark) complains %v, want the unknown word in column 1", complaints)
	}
}

// A file that could not be read may hold the account that a policy names, so its absence is not held against the policy.
func TestUnreadFileBlamesNobodyElse(t *testing.T) {
	_, complaints := Parse([]File{
		{Name: "a.yaml", Data: []byte("accounts: { web: { cloud: aws, regions: [x }\n")},
		{Name: "b.yaml", Data: []byte("policies: { p: { backup: { select: { accounts: [web], regions: [x] }, schedule: { every: 1h }, method: image, keep: { last: 1 } } } }\n")},
	})
	if len(complaints) != 1 || complaints[0].Pos.File != "a.yaml" {
		t.Errorf("Parse(an unreadable file and a right one) complains %v, want about a.yaml alone", complaints)
	}
}

func TestAliasBombDoesNotExplode(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
	}
	b.WriteString("accounts: { web: *a29 }\n")
	start := time.Now()
	_, complaints := Parse([]File{{Name: "bomb.yaml", Data: []byte(b.String())}})
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("Parse(alias bomb) took %v", took)
	}
	if len(complaints) != 1 || !strings.Contains(complaints[0].Problem, "aliases unfold") {
		t.Errorf("Parse(alias bomb) complains %.300v, want about its aliases", complaints)
	}
}

func TestAliasesAndMerges(t *testing.T) {
	rules := parse(t, `
accounts:
  web: &aws { cloud: aws, regions: [us-east-1] }
  two: { <<: *aws, regions: [eu-west-1] }
policies:
  a: &a
    backup: &b { select: { tags: { x: "1" } }, schedule: { every: 1h }, method: image, keep: &k { last: 7 } }
  c:
    backup:
      <<: *b
      method: snapshots
  d: *a
`)
	c, _ := rules.FindPolicy("c")
	d, _ := rules.FindPolicy("d")
	two, _ := rules.FindAccount("two")
	if c.Backup.Method != MethodSnapshots || c.Backup.Keep.Last.N != 7 || d.Backup.Method != MethodImage || two.Cloud != "aws" || two.Regions[0] != "eu-west-1" {
		t.Errorf("Parse(merges) = %+v, %+v, %+v, want what is said to win over what is merged in", c.Backup, d.Backup, two)
	}
}

func TestOtherCloudsByOption(t *testing.T) {
	file := []File{{Name: "a.yaml", Data: []byte("accounts: { x: { cloud: memory } }")}}
	if _, complaints := Parse(file); !Refused(complaints) {
		t.Errorf("Parse(cloud: memory) = %v, want it refused", complaints)
	}
	rules, complaints := ParseWith(Options{Clouds: []string{"aws", "memory"}}, file)
	if len(complaints) > 0 || len(rules.Accounts) != 1 {
		t.Errorf("ParseWith(memory allowed) = %v, %v, want the account", rules, complaints)
	}
}

func TestScheduleThatIsOver(t *testing.T) {
	rules := parse(t, strings.Replace(whole, `every: 1h, time-zone: Europe/Berlin`, `cron: "0 2 1 1 ? 2024-2025"`, 1))
	if got := rules.Over(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)); len(got) != 0 {
		t.Errorf("Over(2024) = %v, want nothing", got)
	}
	got := rules.Over(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if len(got) != 1 || !got[0].Warning || got[0].Pos != (Position{"policy.yaml", 22, 7}) {
		t.Errorf("Over(2026) = %v, want a warning at 22:7", got)
	}
}

func TestKeepForOneInstance(t *testing.T) {
	rules := parse(t, whole)
	p, _ := rules.FindPolicy("nightly")
	tags := cloud.TagsOf(map[string]string{"D": " 14 ", "W": "often"})
	rule, problems := p.Backup.Keep.RetainRule(tags, p.Backup.Zone)
	want := retain.Rule{Last: 7, Hourly: 1, Daily: 14, Weekly: 3, Monthly: 4, Yearly: 5, Within: 30 * 24 * time.Hour, Location: p.Backup.Zone}
	if rule != want {
		t.Errorf("RetainRule(%v) = %+v, want %+v", tags, rule, want)
	}
	if wanted := []string{`tag W="often" is no whole number from 1 to 10000, so 3 is used`}; !slices.Equal(problems, wanted) {
		t.Errorf("RetainRule(%v) problems = %q, want %q", tags, problems, wanted)
	}
	if got, want := p.Backup.Keep.String(), "last 7, hourly 1, daily (tag D, else 7), weekly (tag W, else 3), monthly 4, yearly 5, within 30d"; got != want {
		t.Errorf("Keep.String() = %q, want %q", got, want)
	}
}

func TestCountFromTag(t *testing.T) {
	c := Count{N: 7, FromTag: "SnapshotDaily"}
	for _, test := range []struct {
		value   string
		want    int
		problem bool
	}{
		{"3", 3, false}, {"10000", 10000, false}, {" 5\t", 5, false}, {"0", 7, true}, {"-1", 7, true}, {"10001", 7, true}, {"3.5", 7, true}, {"", 7, true}, {"three", 7, true}, {"99999999999999999999", 7, true},
	} {
		n, problem := c.value(cloud.TagsOf(map[string]string{"SnapshotDaily": test.value}))
		if n != test.want || (problem != "") != test.problem {
			t.Errorf("Count.value(SnapshotDaily=%q) = %d, %q, want %d, problem %v", test.value, n, problem, test.want, test.problem)
		}
	}
	if n, problem := c.value(nil); n != 7 || problem != "" {
		t.Errorf("Count.value(no tag) = %d, %q, want the default without a problem", n, problem)
	}
}

// manyPolicies is a file of n policies, each with a condition of its own.
func manyPolicies(n int) []File {
	var b strings.Builder
	b.WriteString("accounts: { web: { cloud: aws, regions: [us-east-1] } }\npolicies:\n")
	for i := range n {
		fmt.Fprintf(&b, "  policy-%d:\n    backup:\n      select: { accounts: [web], tags: { backup: \"%d\" } }\n      where: resource.power == \"running\" && !resource.name.startsWith(\"x%d\")\n      schedule: { cron: \"0 2 * * *\", time-zone: Europe/Berlin }\n      method: snapshots\n      keep: { last: 7, daily: { from-tag: Days } }\n", i, i, i)
	}
	return []File{{Name: "many.yaml", Data: []byte(b.String())}}
}

func TestManyPoliciesAreReadFast(t *testing.T) {
	files := manyPolicies(200)
	limit := 100 * time.Millisecond
	if raceEnabled {
		limit *= 20
	}
	best := time.Hour
	for tries := 0; tries < 10 && best > limit; tries++ { // the best of some, since the machine has other things to do
		start := time.Now()
		rules, complaints := Parse(files)
		best = min(best, time.Since(start))
		if len(complaints) > 0 || len(rules.Policies) != 200 {
			t.Fatalf("Parse(200 policies) = %d policies, %v", len(rules.Policies), complaints)
		}
	}
	if best > limit {
		t.Errorf("Parse(200 policies) took %v, want under %v", best, limit)
	}
}

func BenchmarkParse200Policies(b *testing.B) {
	files := manyPolicies(200)
	b.ReportAllocs()
	for b.Loop() {
		Parse(files)
	}
}

// A hostile file costs a moment, not minutes: what lies under Parse is quadratic in places.
func TestHostileFilesAreReadSoon(t *testing.T) {
	for name, text := range map[string]string{
		"too many words": "policies:\n" + strings.Repeat("  a: {}\n", 100_000),
		"dashes":         strings.Repeat("- - - - -\n", 100_000),
		"one long line":  "accounts: {" + strings.Repeat("a,", 400_000) + "}",
		"anchors":        strings.Repeat("&a ", 300_000),
		"one word":       strings.Repeat("a", MaxFileSize),
	} {
		start := time.Now()
		_, complaints := Parse([]File{{Name: "f.yaml", Data: []byte(text)}})
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("Parse(%s) took %v", name, took)
		}
		if !Refused(complaints) {
			t.Errorf("Parse(%s) complains %v, want it refused", name, complaints)
		}
	}
}
