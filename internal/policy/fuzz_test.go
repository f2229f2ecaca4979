package policy

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/stint-cloud/stint/internal/cloud"
)

// FuzzParse: whatever the bytes, Parse comes back, says the same twice, and every complaint points into the file.
func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("testdata/complaints/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	examples, err := filepath.Glob("../../examples/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range examples {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("? a\n: b\n"))
	f.Add([]byte("%YAML 1.2\n---\na: !!str &x\n...\n"))
	f.Add([]byte("a: |2+\n\n x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, complaints := Parse([]File{{Name: "f.yaml", Data: data}})
		inside(t, "f.yaml", data, complaints)
		out, err := json.Marshal(rules)
		if err != nil {
			t.Errorf("json.Marshal(Parse(%q)): %v", data, err)
		}
		again, second := Parse([]File{{Name: "f.yaml", Data: data}})
		twice, _ := json.Marshal(again)
		if string(out) != string(twice) || len(complaints) != len(second) {
			t.Errorf("Parse(%q) twice = %s, %v and %s, %v, want the same", data, out, complaints, twice, second)
		}
	})
}

// FuzzCondition: whatever the expression, it is refused in one line or judges: always the same, within its cost, and as
// its own text read again does.
func FuzzCondition(f *testing.F) {
	for _, s := range []string{
		`tags["env"] == "prod"`, `"env" in tags && tags["env"] != "test"`, `instance.name.startsWith("web-")`, `resource.power == "running" || true`,
		`account.name == 'web'`, `tags.all(k, k.size() < 3)`, `tags.exists(k, tags.exists(l, k + l == "ab"))`, `a =b`, `now() > 3`, `"a".matches("(a+)+$")`,
		`[1,2,3].exists(x, x == 2)`, `size(tags) > 0 ? true : false`, `instance.nosuch`, "true\n&& false", `1/0 == 1`, `instance.disks.size() > 1`, "\xff", `has(tags.env)`,
		`timestamp("2026-01-01T00:00:00Z") < timestamp("2027-01-01T00:00:00Z")`, `"%"`, `b"\xff" == b"\xff"`,
	} {
		f.Add(s, "env", "prod")
	}
	f.Fuzz(func(t *testing.T, text, key, value string) {
		c, err := ParseCondition(text)
		if err != nil {
			if c != nil || err.Error() == "" {
				t.Errorf("ParseCondition(%q) = %v with error %q", text, c, err)
			}
			return
		}
		if c.String() != text {
			t.Errorf("ParseCondition(%q).String() = %q, want what was parsed", text, c)
		}
		inst := &cloud.Instance{
			Ref: cloud.Ref{Account: "web", Region: "us-east-1", Kind: cloud.KindInstance, ID: "i-1"}, Name: value, Power: cloud.PowerRunning,
			Disks: []cloud.Attachment{{Disk: "vol-1", Root: true}}, Tags: cloud.TagsOf(map[string]string{key: value, "team": "shop"}),
		}
		s := Subject{Instance: inst, Account: Account{Name: "web", Cloud: "aws"}}
		began := time.Now()
		yes, err := c.Match(s)
		if took := time.Since(began); took > time.Second {
			t.Errorf("Match of %q took %v", text, took)
		}
		if err != nil && yes {
			t.Errorf("Match of %q = true with error %v", text, err)
		}
		again, err2 := ParseCondition(text)
		if err2 != nil {
			t.Fatalf("ParseCondition(%q): got %v the second time", text, err2)
		}
		for _, d := range []*Condition{c, again} {
			if got, err3 := d.Match(s); got != yes || (err3 == nil) != (err == nil) {
				t.Errorf("Match of %q = %v, %v and then %v, %v; want the same", text, yes, err, got, err3)
			}
		}
	})
}

// FuzzParsePrices: whatever the bytes, what is accepted makes sense, and every complaint is one line that points into the
// file.
func FuzzParsePrices(f *testing.F) {
	f.Add(PriceTable().Data)
	f.Add([]byte("prices: [ { cloud: aws, region: us-east-1, per-gib-month: 0.05, currency: USD } ]\n"))
	f.Add([]byte("prices: [ { cloud: aws, per-gib-month: -1, currency: usd }, { per-gib-month: .nan } ]\n"))
	f.Add([]byte("prices:\n- { cloud: aws, kind: disk, per-gib-month: 1e400, currency: USD, as-of: 2026-13-01 }\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		prices, complaints := ParsePrices(File{Name: "p.yaml", Data: data})
		inside(t, "p.yaml", data, complaints)
		if !Refused(complaints) && len(prices) == 0 {
			t.Errorf("ParsePrices(%q): got no price and no complaint", data)
		}
		if Refused(complaints) {
			return
		}
		seen := map[[3]string]bool{}
		for _, p := range prices {
			key := [3]string{p.Cloud, p.Region, p.Kind}
			if p.Cloud == "" || len(p.Currency) != 3 || !(p.PerGiB >= 0) || math.IsInf(p.PerGiB, 0) || seen[key] {
				t.Errorf("ParsePrices(%q): got %+v, want a cloud, a currency, a price, each once", data, p)
			}
			seen[key] = true
		}
	})
}

// inside checks that every complaint is one line about a place in the file.
func inside(t *testing.T, name string, data []byte, complaints []Complaint) {
	t.Helper()
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(string(data), "\xef\xbb\xbf")), "\n")
	for _, c := range complaints {
		if c.Problem == "" || c.Pos.File != name || c.Pos.Line < 1 || c.Pos.Line > len(lines) ||
			c.Pos.Column < 1 || c.Pos.Column > utf8.RuneCountInString(lines[c.Pos.Line-1])+1 {
			t.Errorf("%q: complains %+v, want a problem at a place inside the %d lines", data, c, len(lines))
		}
		if strings.ContainsAny(c.String(), "\n\r\x00") {
			t.Errorf("%q: complains %q, want one line", data, c.String())
		}
	}
}
