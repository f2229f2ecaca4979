package memcloud_test

import (
	"fmt"
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
	return []cloud.Capability{cloud.Snapshots, cloud.SnapshotSets, cloud.ImageMaking, cloud.DiskMaking, cloud.Launching, cloud.Tagging}
}

// subject opens an account in which everything takes a minute.
func subject(o memcloud.Options) func(t *testing.T) cloudtest.Subject {
	return func(*testing.T) cloudtest.Subject {
		clk := newClock()
		o.Account, o.Regions, o.Now, o.PageSize = "acct", []string{"r-1", "r-2"}, clk.Now, 3
		m := time.Minute
		o.Delays = memcloud.Delays{Snapshot: m, Image: m, Disk: m, Instance: m, Reboot: m, Delete: m}
		c := memcloud.New(o)
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
		}
	}
}

func TestConformance(t *testing.T) {
	for _, name := range []string{"memory", "aws", "alibaba", "tencent", "openstack"} {
		t.Run(name, func(t *testing.T) {
			cloudtest.Run(t, cloudtest.Harness{Open: subject(memcloud.Options{Cloud: name}), Can: allCapabilities()})
		})
	}
}

// TestConformanceOfLesserAccounts sits the exam without some of the hands.
func TestConformanceOfLesserAccounts(t *testing.T) {
	all := allCapabilities()
	for mask := range 1 << len(all) {
		var can, lacks []cloud.Capability
		for i, ability := range all {
			if mask>>i&1 == 1 {
				can = append(can, ability)
			} else {
				lacks = append(lacks, ability)
			}
		}
		t.Run(fmt.Sprintf("%06b", mask), func(t *testing.T) {
			cloudtest.Run(t, cloudtest.Harness{Open: subject(memcloud.Options{Lacks: lacks}), Can: can})
		})
	}
}
