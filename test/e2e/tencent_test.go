package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud/tencent/faketencent"
)

const tencentPolicies = `
accounts:
  games:
    cloud: tencent
    regions: [ap-guangzhou, ap-shanghai]
    endpoint: %[1]s
    credentials: { access-key: env:TC_ID, secret-key: env:TC_KEY }
  arcade:
    cloud: tencent
    regions: [ap-guangzhou, ap-shanghai]
    endpoint: %[1]s
    credentials: { access-key: env:TC_ID, secret-key: env:TC_KEY, assume-role: "qcs::cam::uin/200000000002:roleName/stint", external-id: us }

policies:
  disks:
    backup:
      select:   { accounts: [games], tags: { backup: disks } }
      schedule: { every: 1d, catch-up: 1d }
      method:   snapshots
      keep:     { last: 1 }
      copies:   [ { to: games/ap-shanghai, keep: { last: 1 } } ]
  images:
    backup:
      select:   { accounts: [arcade], tags: { backup: images } }
      schedule: { every: 1d, catch-up: 1d }
      method:   image
      keep:     { last: 1 }
      copies:   [ { to: arcade/ap-shanghai, keep: { last: 1 } } ]
`

// TestTencent: two accounts at one address, of which the second is worked in by a role; every kind of create loses an
// answer; and everything is there once, copied to the other region, tagged, held, restored and deleted.
func TestTencent(t *testing.T) {
	demand(t)
	const region, far, arcade = "ap-guangzhou", "ap-shanghai", "200000000002"
	var begun tencentFaults
	f := faketencent.New(faketencent.Options{
		Accounts: []faketencent.Login{
			{UIN: faketencent.UIN, Keys: map[string]string{faketencent.SecretID: faketencent.SecretKey}},
			{UIN: arcade, Roles: map[string]faketencent.Role{"stint": {Trusts: []string{faketencent.UIN}, ExternalID: "us"}}},
		},
		SnapshotTime: time.Second, ImageTime: time.Second, DiskTime: time.Second, InstanceTime: time.Second, Fault: begun.fault,
	})
	for _, account := range []*faketencent.Account{f.In(faketencent.UIN), f.In(arcade)} {
		for _, in := range []faketencent.NewInstance{
			{Name: "a-game-server-with-a-long-name", Disks: make([]faketencent.NewDisk, 2), Tags: map[string]string{"backup": "disks"}},
			{Name: "db-1", Disks: make([]faketencent.NewDisk, 2), Tags: map[string]string{"backup": "images"}},
			{Name: "mine", Tags: map[string]string{"backup": "no"}},
		} {
			id := account.AddInstance(region, in)
			account.EditInstance(region, id, func(i *faketencent.Instance) { i.Created = longAgo() })
		}
	}
	h := newHome(t, fmt.Sprintf(tencentPolicies, f.Start(t)), "TC_ID="+faketencent.SecretID, "TC_KEY="+faketencent.SecretKey)
	h.run("check").want(0, "2 accounts, 2 policies")
	h.run("plan").want(4, "3 to make", "not crash-consistent")
	h.run("apply", "--yes").want(0)
	h.run("apply", "--yes").want(0) // the snapshots under images are tagged
	h.run("plan").want(0)

	if lost := begun.what(); len(lost) != 6 {
		t.Errorf("only %v went wrong, want each of the six once", lost)
	}
	for _, where := range []string{region, far} {
		disks, images := f.Snapshots(where), f.In(arcade).Images(where)
		if len(disks) != 2 || len(images) != 1 || len(f.In(arcade).Snapshots(where)) != 2 {
			t.Errorf("in %s there are %d snapshots of disks, %d images, and %d snapshots under them; want 2, 1 and 2, each once",
				where, len(disks), len(images), len(f.In(arcade).Snapshots(where)))
		}
		for _, s := range append(disks, f.In(arcade).Snapshots(where)...) {
			if s.Tags["stint:backup"] == "" || len(s.Name) > 60 {
				t.Errorf("snapshot %+v in %s: want it tagged, under a name of 60 characters at most", s, where)
			}
		}
	}

	list := h.backups()
	if len(list) != 4 || slices.ContainsFunc(list, func(b backup) bool { return b.Standing != "complete" }) {
		t.Fatalf("backups: got %+v, want two that are complete in two places", list)
	}
	of := func(policy string) backup {
		return list[slices.IndexFunc(list, func(b backup) bool { return b.Policy == policy })]
	}
	image, set := of("images"), of("disks")
	h.run("backups", "hold", image.ID, "--reason", "the auditor: until May, 审计").want(0)
	h.run("backups", "delete", image.ID, "--place", "arcade/ap-shanghai", "--yes", "--newest-too").want(1, "held")
	h.run("backups", "restore", image.ID, "--yes").want(0, "can be used")
	h.run("backups", "restore", set.ID, "--yes").want(0, "can be used")
	h.run("backups", "release", image.ID).want(0)
	if in := f.In(arcade).Instances(region); len(in) != 4 || len(in[3].Disks) != 2 || in[3].Login != "image" {
		t.Errorf("instances after the restore: %+v, want one more, with both disks and the login of its image", in)
	}
	if n := len(f.Disks(region)); n != 5+2 {
		t.Errorf("disks after the restore: %d, want the five and two more", n)
	}
	for _, where := range []string{region, far} {
		h.run("backups", "delete", set.ID, "--place", "games/"+where, "--yes", "--newest-too").want(0, "is deleted")
	}
	if n, m := len(f.Snapshots(region)), len(f.Snapshots(far)); n != 0 || m != 0 {
		t.Errorf("snapshots after the deletion: %d and %d, want none", n, m)
	}
}

// tencentFaults lets the first call of some actions go wrong, of whichever account it is.
type tencentFaults struct {
	mu   sync.Mutex
	gone []string
}

func (a *tencentFaults) fault(action string, _ int) *faketencent.Fault {
	faults := map[string]faketencent.Fault{
		"CreateSnapshot": {After: true}, "CreateImage": {After: true}, "SyncImages": {After: true}, "CopySnapshotCrossRegions": {After: true},
		"TagResources":      {Code: "RequestLimitExceeded"},
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

func (a *tencentFaults) what() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.SortFunc(a.gone, strings.Compare)
	return slices.Clone(a.gone)
}
