package memcloud_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/cloudtest"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
)

// clock is the account's time, moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func allCapabilities() []cloud.Capability {
	return []cloud.Capability{
		cloud.Snapshots, cloud.SnapshotSets, cloud.ImageMaking, cloud.DiskMaking, cloud.Launching, cloud.Tagging,
		cloud.ImageCopies, cloud.SnapshotCopies, cloud.Sharing, cloud.Operating, cloud.Identifying, cloud.Referring,
	}
}

// capabilitiesOf are those of a cloud that is imitated.
func capabilitiesOf(name string) []cloud.Capability {
	return slices.DeleteFunc(allCapabilities(), func(c cloud.Capability) bool {
		return name == "openstack" && (c == cloud.ImageCopies || c == cloud.SnapshotCopies) || name == "tencent" && c == cloud.Referring
	})
}

// subject opens an account in which everything takes a minute, and another that it can share with.
func subject(o memcloud.Options) func(t *testing.T) cloudtest.Subject {
	return func(*testing.T) cloudtest.Subject {
		clk := newClock()
		o.Account, o.Regions, o.Now, o.PageSize = "acct", []string{"r-1", "r-2"}, clk.Now, 3
		m := time.Minute
		o.Delays = memcloud.Delays{Snapshot: m, Image: m, Disk: m, Instance: m, Reboot: m, Delete: m, Copy: m, Power: m}
		o.Among, o.Keys = &memcloud.Among{}, map[string][]string{"r-1": {"key-1"}, "r-2": {"key-2"}}
		c := memcloud.New(o)
		partner := o
		partner.Account, partner.ID = "other", "444455556666"
		other := memcloud.New(partner)
		imagesOnly := o.Cloud == "alibaba" || o.Cloud == "tencent" || o.Cloud == "openstack"
		return cloudtest.Subject{
			Provider: c.Provider(), Account: "acct", Region: "r-1", Zone: "r-1a",
			Launch: func(_ *testing.T, name string, dataDisks int, tags cloud.Tags) cloud.Instance {
				sizes := make([]int64, 1+dataDisks)
				for i := range sizes {
					sizes[i] = int64(10+i) * memcloud.GiB
				}
				i := c.AddInstance(memcloud.InstanceSpec{Region: "r-1", Name: name, DiskSizes: sizes, Tags: tags})
				clk.add(m)
				return i
			},
			Settle:   func(*testing.T, cloud.Ref) { clk.add(2 * m) },
			Unknown:  func(kind cloud.Kind, n int) string { return fmt.Sprintf("%s-%017x", kind, 1<<40+n) },
			Slow:     true,
			PageSize: 3,
			Provoke:  func(_ *testing.T, op string, class error, after bool) { c.Provoke(op, class, after) },
			Requests: func() int {
				n := 0
				for _, calls := range c.Calls() {
					n += calls
				}
				return n
			},
			Lock:         func(t *testing.T, ref cloud.Ref) { c.Lock(ref); t.Cleanup(func() { c.Unlock(ref) }) },
			Dispose:      func(_ *testing.T, ref cloud.Ref) { c.Remove(ref) },
			InstanceType: "small", Network: "net-1", RequestIDs: true,
			LaunchTokens: !o.NoLaunchTokens && o.Cloud != "openstack", DiskTokens: !o.NoLaunchTokens && o.Cloud != "openstack",
			ImagesStand: true, ImageTagsSnapshots: o.Cloud != "openstack",
			Template: func(_ *testing.T, image cloud.Ref) (string, func()) {
				id := c.AddTemplate(image.Region, image.ID)
				return id, func() { c.RemoveTemplate(image.Region, id) }
			},
			Elsewhere: "r-2", Key: "key-2", WrongKey: "key-1",
			Partner: "444455556666", Other: other.Provider(), OtherAccount: "other", SharesSnapshots: !imagesOnly,
			EncryptedDisk: func(*testing.T) string {
				return c.AddInstance(memcloud.InstanceSpec{Name: "secret", Encrypted: true}).Disks[0].Disk
			},
		}
	}
}

func TestConformance(t *testing.T) {
	for _, name := range []string{"memory", "aws", "alibaba", "tencent", "openstack"} {
		t.Run(name, func(t *testing.T) {
			cloudtest.Run(t, cloudtest.Harness{Open: subject(memcloud.Options{Cloud: name}), Can: capabilitiesOf(name)})
		})
	}
}

// TestConformanceOfLesserAccounts sits the exam without any hands, with a single one, and with all but one.
func TestConformanceOfLesserAccounts(t *testing.T) {
	all := allCapabilities()
	sit := func(name string, can []cloud.Capability) {
		t.Run(name, func(t *testing.T) {
			lacks := slices.DeleteFunc(allCapabilities(), func(c cloud.Capability) bool { return slices.Contains(can, c) })
			cloudtest.Run(t, cloudtest.Harness{Open: subject(memcloud.Options{Lacks: lacks}), Can: can})
		})
	}
	sit("none", nil)
	for i, ability := range all {
		sit("only "+ability.String(), []cloud.Capability{ability})
		sit("all but "+ability.String(), slices.Concat(all[:i], all[i+1:]))
	}
}
