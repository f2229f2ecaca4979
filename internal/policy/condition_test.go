package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

func condition(t testing.TB, text string) *Condition {
	t.Helper()
	c, err := ParseCondition(text)
	if err != nil {
		t.Fatalf("ParseCondition(%s): %v", text, err)
	}
	return c
}

func subject() Subject {
	return Subject{
		Instance: &cloud.Instance{
			Ref:  cloud.Ref{Account: "web", Region: "us-east-1", Kind: cloud.KindInstance, ID: "i-1"},
			Name: "db-1", Zone: "us-east-1a", Type: "m7.large", Power: cloud.PowerRunning, Image: "ami-1", Network: "subnet-1", User: "u-1", Project: "p-1",
			Disks:     []cloud.Attachment{{Disk: "vol-1", Root: true}, {Disk: "vol-2"}},
			Tags:      cloud.TagsOf(map[string]string{"env": "prod", "team": "ä"}),
			CreatedAt: time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC),
		},
		Account: Account{Name: "web", Cloud: "aws"},
	}
}

func TestConditionSeesEveryField(t *testing.T) {
	s := subject()
	for text, want := range map[string]bool{
		`resource.id == "i-1"`:                                       true,
		`instance.name.startsWith("db-")`:                            true,
		`resource.type == "m7.large"`:                                true,
		`resource.zone == "us-east-1a"`:                              true,
		`resource.region == "us-east-1"`:                             true,
		`resource.account == "web"`:                                  true,
		`resource.power == "running"`:                                true,
		`resource.network == "subnet-1"`:                             true,
		`resource.user == "u-1"`:                                     true,
		`resource.project == "p-1"`:                                  true,
		`resource.image == "ami-1"`:                                  true,
		`resource.tags.env == "prod"`:                                true,
		`resource.tags == tags`:                                      true,
		`resource == instance`:                                       true,
		`resource.created < timestamp("2025-06-01T00:00:00Z")`:       true,
		`resource.created.getFullYear() == 2025`:                     true,
		`resource.disks == 2`:                                        true,
		`account.name == "web" && account.cloud == "aws"`:            true,
		`tags["env"] == "prod"`:                                      true,
		`tags.env in ["prod", "test"]`:                               true,
		`"env" in tags && !("x" in tags)`:                            true,
		`has(tags.env) && !has(tags.x)`:                              true,
		`has(resource.name)`:                                         true,
		`size(tags) == 2`:                                            true,
		`tags.exists(k, k == "team" && tags[k] == "ä")`:              true,
		`tags.all(k, tags[k] != "")`:                                 true,
		`tags == {"env": "prod", "team": "ä"}`:                       true,
		`tags == {"env": "prod"}`:                                    false,
		`resource.name.matches("^db-[0-9]+$")`:                       true,
		`!has(tags.x) || tags.x == "y"`:                              true,
		`resource.disks > 2`:                                         false,
		`true`:                                                       true,
		`account.cloud == "aws" ? resource.disks == 2 : false`:       true,
		`type(tags) == map && string(resource.disks) == "2"`:         true,
		`[1, 2].exists(n, n == resource.disks)`:                      true,
		`resource.created + duration("24h") > resource.created`:      true,
		`tags.filter(k, k.startsWith("e")).map(k, tags[k])[0] != ""`: true,
	} {
		if got, err := condition(t, text).Match(s); err != nil || got != want {
			t.Errorf("Condition(%s).Match = %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestConditionThatCannotBeJudged(t *testing.T) {
	s := subject()
	got, err := condition(t, `tags["owner"] == "x"`).Match(s)
	if want := `there is no tag "owner" (ask first: "owner" in tags)`; err == nil || err.Error() != want || got {
		t.Errorf("Match(a tag that is not there) = %v, %v, want %s", got, err, want)
	}
	if _, err := condition(t, `int(resource.name) > 3`).Match(s); err == nil {
		t.Errorf("Match(int of a name) = no error, want one")
	}
	if ok, err := (*Condition)(nil).Match(s); !ok || err != nil {
		t.Errorf("Match(no condition) = %v, %v, want true", ok, err)
	}
}

// A condition that would take for ever on many tags is stopped.
func TestConditionCostIsLimited(t *testing.T) {
	m := map[string]string{}
	for i := range 60 {
		m[fmt.Sprintf("key-%d", i)] = strings.Repeat("v", 200)
	}
	s := subject()
	s.Instance.Tags = cloud.TagsOf(m)
	c := condition(t, `tags.all(a, tags.all(b, tags.all(c, tags.all(d, tags[a] + tags[b] + tags[c] != tags[d]))))`)
	start := time.Now()
	_, err := c.Match(s)
	if err == nil || !strings.Contains(err.Error(), "costs more than is allowed") {
		t.Errorf("Match(runaway) = %v, want it stopped for its cost", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Match(runaway) took %v", took)
	}
	if _, err := ParseCondition(strings.Repeat("(", 3000) + "true" + strings.Repeat(")", 3000)); err == nil {
		t.Errorf("ParseCondition(3000 brackets) = no error, want one")
	}
	if _, err := ParseCondition(`resource.name == "` + strings.Repeat("x", 5000) + `"`); err == nil {
		t.Errorf("ParseCondition(5000 characters) = no error, want one")
	}
}

func TestConditionIsSafeForConcurrentUse(t *testing.T) {
	c := condition(t, `tags.env == "prod" && resource.disks == 2 && tags.exists(k, k == "team")`)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for range 500 {
				s := subject()
				if n%2 == 1 {
					s.Instance.Tags = s.Instance.Tags.With("env", "test")
				}
				if got, err := c.Match(s); err != nil || got != (n%2 == 0) {
					t.Errorf("Match in goroutine %d = %v, %v, want %v", n, got, err, n%2 == 0)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestConditionAsJSON(t *testing.T) {
	c := condition(t, `tags.env == "prod"`)
	b, err := json.Marshal(c)
	if err != nil || string(b) != `"tags.env == \"prod\""` || c.String() != `tags.env == "prod"` {
		t.Errorf("json.Marshal(Condition) = %s, %v, String %s, want its text", b, err, c)
	}
}

func TestConditionIsQuick(t *testing.T) {
	c := condition(t, `resource.power == "running" && "env" in tags && tags["env"] == "prod" && !resource.name.startsWith("scratch")`)
	s := subject()
	if n := testing.AllocsPerRun(1000, func() { _, _ = c.Match(s) }); n > 20 && !raceEnabled {
		t.Errorf("Match makes %v allocations, want 20 at most", n)
	}
}

func BenchmarkConditionMatch(b *testing.B) {
	c := condition(b, `resource.power == "running" && "env" in tags && tags["env"] == "prod" && !resource.name.startsWith("scratch")`)
	s := subject()
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := c.Match(s); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkConditionMatchUnbounded(b *testing.B) {
	c := condition(b, `tags.exists(a, tags.exists(b, a == "env" && tags[b] == "ä" && tags.exists(d, tags[d] == "prod")))`)
	s := subject()
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := c.Match(s); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
