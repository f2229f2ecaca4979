package e2e

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud/alibaba/fakealibaba"
)

const alibabaPolicies = `
accounts:
  shop:
    cloud: alibaba
    regions: [cn-hangzhou, cn-shanghai]
    endpoint: %[1]s
    credentials: { access-key: env:ALI_KEY, secret-key: env:ALI_SECRET }
  games:
    cloud: alibaba
    regions: [cn-hangzhou]
    endpoint: %[1]s
    credentials: { access-key: env:ALI_KEY, secret-key: env:ALI_SECRET, assume-role: "acs:ram::5555666677778888:role/stint", external-id: us }

policies:
  disks:
    backup:
      select:   { tags: { backup: disks } }
      schedule: { every: 1d, catch-up: 1d }
      method:   snapshots
      keep:     { last: 1 }
  images:
    backup:
      select:   { tags: { backup: images } }
      schedule: { every: 1d, catch-up: 1d }
      method:   image
      keep:     { last: 1 }
  far:
    backup:
      select:   { accounts: [shop], tags: { backup: far } }
      schedule: { every: 1d, catch-up: 1d }
      method:   image
      keep:     { last: 1 }
      copies:
        - { to: shop/cn-shanghai, keep: { last: 1 } }
`

// TestAlibaba: two accounts at one address, of which the second is worked in by a role; answers are lost and calls refused
// for a while; and everything is there once, named, tagged, copied, held, restored and deleted.
func TestAlibaba(t *testing.T) {
	demand(t)
	const region = "cn-hangzhou"
	var begun atOnce
	o := fakealibaba.Options{SnapshotTime: time.Second, ImageTime: time.Second, DiskTime: time.Second, InstanceTime: time.Second}
	o.Fault = begun.fault
	shop := fakealibaba.New(o)
	o.Account, o.Seed, o.Keys = "5555666677778888", 1, map[string]string{"LTAIPARTNER": "s"}
	o.Roles = map[string]string{"acs:ram::5555666677778888:role/stint": "us"}
	games := fakealibaba.New(o)
	fakes := []*fakealibaba.Fake{shop, games}
	srv := httptest.NewServer(fakealibaba.Accounts(fakes...))
	t.Cleanup(srv.Close)
	for _, f := range fakes {
		for _, in := range []fakealibaba.NewInstance{
			{Name: "automation-1", Disks: make([]fakealibaba.NewDisk, 3), Tags: map[string]string{"backup": "disks"}},
			{Name: "web-1", Disks: []fakealibaba.NewDisk{{Category: "cloud_efficiency"}}, Tags: map[string]string{"backup": "disks"}},
			{Name: "db-1", Disks: make([]fakealibaba.NewDisk, 2), Tags: map[string]string{"backup": "images"}},
			{Name: "mine", Tags: map[string]string{"backup": "no"}},
		} {
			id := f.AddInstance(region, in)
			f.EditInstance(region, id, func(i *fakealibaba.Instance) { i.Created = longAgo() })
		}
	}
	far := shop.AddInstance(region, fakealibaba.NewInstance{Name: "far-1", Tags: map[string]string{"backup": "far"}})
	shop.EditInstance(region, far, func(i *fakealibaba.Instance) { i.Created = longAgo() })
	h := newHome(t, fmt.Sprintf(alibabaPolicies, srv.URL), "ALI_KEY="+fakealibaba.AccessKey, "ALI_SECRET="+fakealibaba.SecretKey)
	h.run("check").want(0, "2 accounts, 3 policies")
	h.run("plan").want(4, "to make")
	h.run("apply", "--yes").want(0, "12 made") // ten of the first two policies, an image, and its copy
	h.run("apply", "--yes").want(0)

	if dup := shop.Images("cn-shanghai"); len(dup) != 1 || dup[0].Tags["stint:policy"] != "far" || len(shop.Snapshots("cn-shanghai")) != 1 {
		t.Errorf("in the other region are the images %+v, want one copy with its tags, on one snapshot", dup)
	}
	for _, f := range fakes {
		parts, under := 0, 0
		for _, s := range f.Snapshots(region) {
			switch {
			case s.Tags["stint:policy"] == "far":
			case s.Tags["stint:backup"] == "":
				t.Errorf("snapshot %+v has no tags of ours, want them once the next plan was carried out", s)
			case s.Tags["stint:policy"] == "disks":
				parts++
				if strings.HasPrefix(s.Name, "auto") || !strings.Contains(s.Name, s.Tags["stint:backup"][:8]) {
					t.Errorf("snapshot %s is named %q, want the mark of its backup %s", s.ID, s.Name, s.Tags["stint:backup"])
				}
			default:
				under++
			}
		}
		images := 0
		for _, m := range f.Images(region) {
			if m.Tags["stint:policy"] == "images" {
				images++
			}
		}
		if parts != 4 || under != 2 || images != 1 {
			t.Errorf("there are %d snapshots of disks, %d under images, and %d images; want 4, 2 and 1, each once", parts, under, images)
		}
	}
	if lost := begun.what(); len(lost) < 5 {
		t.Errorf("only %v went wrong, want the lost answers and the refusal to have happened", lost)
	}

	list := h.backups()
	if len(list) != 8 || slices.ContainsFunc(list, func(b backup) bool { return b.Standing != "complete" }) {
		t.Fatalf("backups: got %+v, want eight that are complete", list)
	}
	of := func(account, policy, source string) backup {
		t.Helper()
		for _, b := range list {
			if b.Policy == policy && strings.HasPrefix(b.Source, account+"/") && strings.Contains(h.run("backups", "show", b.ID).want(0).out, source) {
				return b
			}
		}
		t.Fatalf("no backup of %s in %s by %s among %+v", source, account, policy, list)
		return backup{}
	}
	image, set := of("games", "images", "db-1"), of("games", "disks", "automation-1")
	h.run("backups", "hold", image.ID, "--reason", "the auditor").want(0)
	h.run("backups", "delete", image.ID, "--yes", "--newest-too").want(1, "held")
	h.run("backups", "restore", image.ID, "--yes").want(0, "can be used")
	h.run("backups", "restore", set.ID, "--yes").want(0, "can be used")
	h.run("backups", "release", image.ID).want(0)
	web := of("games", "disks", "web-1")
	h.run("backups", "delete", web.ID, "--yes", "--newest-too").want(0, "is deleted")
	if got := len(games.Instances(region)); got != 5 {
		t.Errorf("instances after a restore: %d, want one more than the four", got)
	}
	if got := len(games.Disks(region)); got != 7+2+3 {
		t.Errorf("disks after the restores: %d, want the seven, two of the instance and three", got)
	}
	for _, s := range games.Snapshots(region) {
		if s.Tags["stint:backup"] == web.ID {
			t.Errorf("%s is still there, and its backup was deleted", s.ID)
		}
	}
}

// atOnce lets the first call of some actions go wrong, of whichever account it is: the answer is lost after it took effect,
// or it is refused as asked too often.
type atOnce struct {
	mu   sync.Mutex
	gone []string
}

func (a *atOnce) fault(action string, _ int) *fakealibaba.Fault {
	faults := map[string]fakealibaba.Fault{
		"CreateSnapshotGroup": {After: true}, "CreateImage": {After: true}, "CreateSnapshot": {After: true},
		"CopyImage":         {After: true},
		"TagResources":      {Code: "Throttling.User", RetryAfter: "300"},
		"DescribeInstances": {Body: "<html>the proxy is being restarted</html>", HTTPStatus: 502},
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := faults[action]
	if !ok || slices.Contains(a.gone, action) {
		return nil
	}
	a.gone = append(a.gone, action)
	return &f
}

func (a *atOnce) what() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.gone)
}
