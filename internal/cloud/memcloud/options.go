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

	// ID is the account's own id at its cloud; twelve digits that follow from Account when empty.
	ID string
	// Among joins accounts that can share with each other. Nil is an account that knows no other.
	Among *Among
	// Keys are, by region, the keys of the account's own that copies may be encrypted with.
	Keys map[string][]string

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

	// Lacks takes abilities away: an account with read permissions only lacks them all. An openstack always lacks the copies,
	// and who has no Traits.Uses lacks telling them.
	Lacks []cloud.Capability
	// NoLaunchTokens makes RunInstance and CreateDisk forget tokens, as on a cloud that has none.
	NoLaunchTokens bool
	// UniqueImageNames refuses an image whose name another one of the region has.
	UniqueImageNames bool
	// BareImageSnapshots leaves the snapshots under an image without the image's tags.
	BareImageSnapshots bool
	// Firm refuses to delete what is shared, what is being copied, and a copy that is under way. Without it such a copy
	// fails when its source is deleted.
	Firm bool
	// SharesImagesOnly has no sharing of snapshots, and needs none to copy an image.
	SharesImagesOnly bool
	// DisksStay leaves every disk behind when its instance is deleted, but for the root and for those of an instance that
	// is thrown away.
	DisksStay bool
}

// Delays are how long work takes; zero is at once. Power is that of a start or a stop.
type Delays struct {
	Snapshot, Image, Disk, Instance, Reboot, Delete, Copy, Power time.Duration
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
		o.NoLaunchTokens, o.BareImageSnapshots, o.SharesImagesOnly, o.DisksStay = true, true, true, true
		o.Lacks = append(slices.Clone(o.Lacks), cloud.ImageCopies, cloud.SnapshotCopies)
	case "aws":
		o.UniqueImageNames, o.DisksStay = true, true
	case "alibaba", "tencent":
		o.UniqueImageNames, o.Firm, o.SharesImagesOnly = true, true, true
	}
	if len(traits.Uses.Images)+len(traits.Uses.Snapshots) == 0 {
		o.Lacks = append(slices.Clone(o.Lacks), cloud.Referring)
	}
	if o.ID == "" {
		o.ID = fmt.Sprintf("%012d", hash(o.Account)%1e12)
	}
	if o.PageSize <= 0 {
		o.PageSize = 100
	}
	if o.Among == nil {
		o.Among = &Among{}
	}
	c := &Cloud{o: o, traits: traits, among: o.Among, mu: &o.Among.mu, calls: map[string]int{}, faults: map[string][]fault{}, fates: map[string][]Fate{}, regions: map[string]*region{}}
	c.idSpace = hash(o.Account) & 0xfffff
	for _, id := range o.Regions {
		c.regions[id] = newRegion(id)
	}
	c.regionIDs = slices.Sorted(slices.Values(o.Regions))
	c.among.join(c)
	return c
}

// TraitsOf gives the traits by which a cloud is imitated.
func TraitsOf(name string) (cloud.Traits, bool) {
	t := cloud.Traits{Cloud: name, MaxTags: 50, MaxTagKey: 128, MaxTagValue: 256, ConsistentSets: true, ImageHasDisks: true, RefusesInUse: true}
	switch name {
	case "memory":
		t.CreateTokens = true
		t.ImageCopies = cloud.CopyTraits{Tags: true, Tokens: true, Max: 5, SharedAcross: true}
		t.SnapshotCopies = t.ImageCopies
		t.Uses = usesOf(cloud.UserTemplate, cloud.UserAccount)
		t.Uses.Snapshots = append(t.Uses.Snapshots, cloud.UserAccount)
	case "aws":
		t.ReservedTags, t.NameTag = []string{"aws:"}, "Name"
		t.ImageCopies = cloud.CopyTraits{Tags: true, Tokens: true, Max: 100, SharedAcross: true}
		t.SnapshotCopies = cloud.CopyTraits{Tags: true, Max: 20, SharedAcross: true}
		t.Uses = usesOf(cloud.UserTemplate)
		t.Uses.Unseen = []cloud.UserKind{cloud.UserGroup, cloud.UserService, cloud.UserAccount}
	case "alibaba": // whose copies wait in a queue of its own
		t.MaxTags, t.MaxTagValue, t.CreateTokens = 20, 128, true
		t.ReservedTags = []string{"aliyun", "acs:"}
		t.ImageCopies = cloud.CopyTraits{Tags: true, Tokens: true}
		t.SnapshotCopies = t.ImageCopies
		t.Uses = usesOf(cloud.UserTemplate, cloud.UserAccount)
		t.Uses.Unseen = []cloud.UserKind{cloud.UserGroup, cloud.UserService}
	case "tencent":
		t.MaxTagKey, t.MaxTagValue, t.ConsistentSets = 127, 255, false // a group is "not a consistent snapshot", it says
		t.ReservedTags = []string{"qcloud", "tencent", "project"}
	case "openstack":
		t.MaxTags, t.MaxTagKey, t.MaxTagValue, t.ConsistentSets = 128, 255, 255, false
		t.RefusesInUse = false // cinder knows nothing of the images that nova made of its snapshots
		t.Uses = usesOf(cloud.UserAccount)
		t.Uses.Unseen = []cloud.UserKind{cloud.UserGroup, cloud.UserService}
	default:
		return cloud.Traits{}, false
	}
	return t, true
}

// usesOf are what every cloud tells that tells uses at all, and more of images.
func usesOf(more ...cloud.UserKind) cloud.UseTraits {
	return cloud.UseTraits{Images: append([]cloud.UserKind{cloud.UserInstance}, more...), Snapshots: []cloud.UserKind{cloud.UserDisk, cloud.UserImage}}
}

// hash is FNV-1a.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(s) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}
