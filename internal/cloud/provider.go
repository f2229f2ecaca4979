package cloud

import (
	"context"
	"time"
)

// Query narrows a listing. Every listing is of the account's own things only, whatever else the cloud would show.
type Query struct {
	Region string

	// IDs asks for just these, in any order. One that does not exist is simply absent from the answer; it never makes
	// the listing fail. Nil asks for all. At most MaxIDs.
	IDs []string

	// Tags asks for things that carry all of these with the same value. A provider may let the cloud filter, and the
	// answer holds to it in any case.
	Tags Tags
}

// MaxIDs is how many IDs one Query may carry.
const MaxIDs = 100

// Page is one page of a listing. Next is the opaque cursor for the page after it, empty on the last.
type Page[T any] struct {
	Items []T
	Next  string
}

// Provider is one account at one cloud. Its methods only look and never wait. They may be called at the same time, and
// called again after any error. Whatever they return besides the context's own errors is an *Error.
type Provider interface {
	// Traits are facts about the cloud that a plan needs. They cost no call and never change.
	Traits() Traits
	// Regions lists the regions that the account may use.
	Regions(ctx context.Context) ([]Region, error)
	// Instances, Disks, Snapshots and Images list one page; an empty cursor asks for the first.
	Instances(ctx context.Context, q Query, cursor string) (Page[Instance], error)
	Disks(ctx context.Context, q Query, cursor string) (Page[Disk], error)
	Snapshots(ctx context.Context, q Query, cursor string) (Page[Snapshot], error)
	Images(ctx context.Context, q Query, cursor string) (Page[Image], error)
}

// Traits are facts about a cloud that a plan needs beforehand.
type Traits struct {
	Cloud          string        `json:"cloud"`              // aws, openstack, …
	MaxTags        int           `json:"max-tags"`           // per resource
	MaxTagKey      int           `json:"max-tag-key"`        // characters
	MaxTagValue    int           `json:"max-tag-value"`      // characters
	ReservedTags   []string      `json:"reserved-tags"`      // prefixes that users may not set; a whole word ends with "=" (then only that key)
	CreateTokens   bool          `json:"create-tokens"`      // snapshots and images take an idempotency token
	ConsistentSets bool          `json:"consistent-sets"`    // CreateSnapshotSet takes all disks at one moment
	ImageHasDisks  bool          `json:"image-has-disks"`    // an image holds the data disks as well, not the root alone
	RefusesInUse   bool          `json:"refuses-in-use"`     // the cloud itself refuses to delete a snapshot that an image stands on
	NameTag        string        `json:"name-tag,omitempty"` // the tag that consoles show as the name, where names are tags
	Lag            time.Duration `json:"lag"`                // how long a new thing may be missing from listings
}

// Snapshotter is a provider that can take and delete snapshots.
type Snapshotter interface {
	// CreateSnapshot starts a snapshot of one disk and returns at once; the tags are on it from the start.
	// The same Token gives the same snapshot only where Traits.CreateTokens says so.
	CreateSnapshot(ctx context.Context, req NewSnapshot) (Snapshot, error)
	// DeleteSnapshot deletes one; ErrNotFound when it is gone already, ErrInUse when an image stands on it.
	DeleteSnapshot(ctx context.Context, ref Ref) error
}

// SetSnapshotter is a provider that can take the snapshots of all disks of an instance in one call.
type SetSnapshotter interface {
	// CreateSnapshotSet starts the snapshots of the instance's disks at one moment. The tags are on each from the start.
	CreateSnapshotSet(ctx context.Context, req NewSnapshotSet) ([]Snapshot, error)
}

// Imager is a provider that can make and delete images.
type Imager interface {
	// CreateImage starts an image of an instance and returns at once. Unless Reboot is set the instance keeps running.
	CreateImage(ctx context.Context, req NewImage) (Image, error)
	// DeleteImage deletes the image alone; the snapshots that it stands on stay and are the caller's to delete.
	DeleteImage(ctx context.Context, ref Ref) error
}

// DiskMaker is a provider that can make a disk from a snapshot.
type DiskMaker interface {
	// CreateDisk starts a disk and returns at once. The same Token gives the same disk where the cloud takes tokens;
	// elsewhere the caller looks for TagAction before it tries again.
	CreateDisk(ctx context.Context, req NewDisk) (Disk, error)
}

// Launcher is a provider that can make an instance from an image.
type Launcher interface {
	// RunInstance starts a new instance and returns at once. For Token see CreateDisk.
	RunInstance(ctx context.Context, req NewInstance) (Instance, error)
}

// Tagger is a provider that can change tags later.
type Tagger interface {
	// SetTags adds or overwrites; tags that are not named stay.
	SetTags(ctx context.Context, ref Ref, tags Tags) error
	// RemoveTags takes keys off; a key that is not there is no error.
	RemoveTags(ctx context.Context, ref Ref, keys []string) error
}

// NewSnapshot asks for a snapshot of one disk.
type NewSnapshot struct {
	Region      string `json:"region"`
	Disk        string `json:"disk"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Tags        Tags   `json:"tags"`
	Token       string `json:"token"` // at most 64 ASCII characters
}

// NewSnapshotSet asks for snapshots of all disks of an instance, taken at one moment.
type NewSnapshotSet struct {
	Region      string   `json:"region"`
	Instance    string   `json:"instance"`
	Disks       []string `json:"disks"` // what the plan expects to be attached; the cloud may take others too
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Tags        Tags     `json:"tags"`
	Token       string   `json:"token"`
}

// NewImage asks for an image of an instance.
type NewImage struct {
	Region      string `json:"region"`
	Instance    string `json:"instance"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Tags        Tags   `json:"tags"` // also on the snapshots that the image stands on, where the cloud can
	Reboot      bool   `json:"reboot,omitempty"`
	Token       string `json:"token"`
}

// NewDisk asks for a disk made from a snapshot.
type NewDisk struct {
	Region   string `json:"region"`
	Zone     string `json:"zone,omitempty"` // needed where disks belong to a zone
	Snapshot string `json:"snapshot"`
	Name     string `json:"name"`
	Type     string `json:"type,omitempty"` // the cloud's default when empty
	Size     int64  `json:"size,omitempty"` // bytes; that of the snapshot when zero
	Tags     Tags   `json:"tags"`
	Token    string `json:"token"`
}

// NewInstance asks for an instance made from an image.
type NewInstance struct {
	Region  string `json:"region"`
	Zone    string `json:"zone,omitempty"`
	Image   string `json:"image"`
	Name    string `json:"name"`
	Type    string `json:"type"`              // instance type or flavor (name or id)
	Network string `json:"network,omitempty"` // subnet or network id; "none" for no network where the cloud can
	KeyName string `json:"key-name,omitempty"`
	Tags    Tags   `json:"tags"`
	Token   string `json:"token"`
}
