package memcloud

import (
	"fmt"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Options describe one account. Account, Regions and Now are needed.
type Options struct {
	Account string
	Regions []string
	Now     func() time.Time // called with the account locked: it must not call back

	// Cloud is how the account calls itself: aws, alibaba, tencent, openstack, or memory when empty. It sets Traits,
	// whether creates of disks and instances take tokens, and whether image names are unique.
	Cloud  string
	Traits *cloud.Traits // instead of those that follow from Cloud
	User   string        // who makes what the provider makes

	Delays Delays
	Quotas Quotas

	// PageSize is how many items a page holds; 100 when zero.
	PageSize int

	// Lag is how long a listing goes on without what was made and with what was deleted.
	Lag time.Duration
	// Behind is asked at each listing how far behind that one is, as when replicas answer in turns: what it says may go back
	// and forth from one listing to the next. Nil is not at all. It is called with the account locked.
	Behind func() time.Duration
	// Terminated is how long an instance that is gone is still listed, as PowerGone.
	Terminated time.Duration

	// Lacks takes abilities away: an account with read permissions only lacks them all.
	Lacks []cloud.Capability
	// NoLaunchTokens makes RunInstance and CreateDisk forget tokens, as on a cloud that has none.
	NoLaunchTokens bool
	// UniqueImageNames refuses an image whose name another one of the region has.
	UniqueImageNames bool
	// BareImageSnapshots leaves the snapshots under an image without the image's tags.
	BareImageSnapshots bool
}

// Delays are how long work takes; zero is at once.
type Delays struct {
	Snapshot, Image, Disk, Instance, Reboot, Delete time.Duration
}

// Quotas bound what a region holds; zero is without bound. PerDisk bounds the snapshots of one disk.
type Quotas struct {
	Instances, Disks, Snapshots, Images, PerDisk int
}

// New opens an account with nothing in it. It panics when Account, Regions or Now is missing, or Cloud is unknown.
func New(o Options) *Cloud {
	if o.Account == "" || len(o.Regions) == 0 || o.Now == nil {
		panic("memcloud.New: Account, Regions and Now are needed")
	}
	if o.Cloud == "" {
		o.Cloud = "memory"
	}
	traits, ok := TraitsOf(o.Cloud)
	if !ok && o.Traits == nil {
		panic(fmt.Sprintf("memcloud.New: no cloud %q is known: give Traits", o.Cloud))
	}
	if o.Traits != nil {
		traits = *o.Traits
	}
	traits.Lag = max(traits.Lag, o.Lag)
	switch o.Cloud {
	case "openstack":
		o.NoLaunchTokens, o.BareImageSnapshots = true, true
	case "aws", "alibaba", "tencent":
		o.UniqueImageNames = true
	}
	if o.PageSize <= 0 {
		o.PageSize = 100
	}
	c := &Cloud{o: o, traits: traits, calls: map[string]int{}, faults: map[string][]fault{}, fates: map[string][]Fate{}, regions: map[string]*region{}}
	c.idSpace = hash(o.Account) & 0xfffff
	for _, id := range o.Regions {
		c.regions[id] = newRegion(id)
	}
	c.regionIDs = slices.Sorted(slices.Values(o.Regions))
	return c
}

// TraitsOf gives the traits by which a cloud is imitated.
func TraitsOf(name string) (cloud.Traits, bool) {
	t := cloud.Traits{Cloud: name, MaxTags: 50, MaxTagKey: 128, MaxTagValue: 256, ConsistentSets: true, ImageHasDisks: true, RefusesInUse: true}
	switch name {
	case "memory":
		t.CreateTokens = true
	case "aws":
		t.ReservedTags, t.NameTag = []string{"aws:"}, "Name"
	case "alibaba":
		t.MaxTags, t.MaxTagValue, t.CreateTokens = 20, 128, true
		t.ReservedTags = []string{"aliyun", "acs:"}
	case "tencent":
		t.MaxTagKey, t.MaxTagValue = 127, 255
		t.ReservedTags = []string{"qcloud", "tencent", "project"}
	case "openstack":
		t.MaxTags, t.MaxTagKey, t.MaxTagValue, t.ConsistentSets = 128, 255, 255, false
		t.RefusesInUse = false // cinder knows nothing of the images that nova made of its snapshots
	default:
		return cloud.Traits{}, false
	}
	return t, true
}

// hash is FNV-1a.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(s) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}
