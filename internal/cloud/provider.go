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
	ImageCopies    CopyTraits    `json:"image-copies"`       // of ImageCopier
	SnapshotCopies CopyTraits    `json:"snapshot-copies"`    // of SnapshotCopier
	Uses           UseTraits     `json:"uses,omitzero"`      // of Referrer
}

// CopyTraits are what a plan needs to know before it has things of one kind copied.
type CopyTraits struct {
	// Tags says that a copy carries its tags from the creating call on. Elsewhere NewCopy.Tags are not given to it: the
	// caller knows the copy by its name, and sets them by SetTags once it sees it.
	Tags bool `json:"tags,omitempty"`
	// Tokens says that the same NewCopy.Token gives the same copy.
	Tokens bool `json:"tokens,omitempty"`
	// Max is how many copies may run at once into one region of the account: one more is ErrBusy. 0 when the cloud has no
	// such limit, keeps a queue of its own, or none is known.
	Max int `json:"max,omitempty"`
	// SharedAcross says that what another account has shared can be copied into any region. Elsewhere it can be copied
	// only inside the region where it is; the copy, which is the account's own, is then copied on.
	SharedAcross bool `json:"shared-across,omitempty"`
}

// Copies are the traits of copies of the kind; zero for a kind that is not copied.
func (t Traits) Copies(k Kind) CopyTraits {
	switch k {
	case KindImage:
		return t.ImageCopies
	case KindSnapshot:
		return t.SnapshotCopies
	}
	return CopyTraits{}
}

// Limited is a provider that lacks abilities which its methods seem to promise: its account may only look, or its cloud
// was installed without a service. NewClient asks once.
type Limited interface {
	// Lacks lists the abilities that must not be used. It costs no call and never changes.
	Lacks() []Capability
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

// ImageCopier is a provider that can copy an image to another region, and one that was shared with its account to itself.
type ImageCopier interface {
	// CopyImage starts a copy of an image that is ready and returns at once, with the copy as StateWorking. The copy and
	// the snapshots that it will stand on belong to this account; the snapshots are the cloud's to make, carry the copy's
	// tags where it can tag them, and stay when the copy is deleted, as those under any image. The source must stay until
	// the copy is ready: some clouds refuse to delete it until then (ErrInUse), with others the copy fails. A copy under way
	// may not be deleted on some (ErrConflict).
	//
	// Errors: ErrNotFound when the account knows no such source, which is also said of one that is not shared with it;
	// ErrConflict when the source is not ready, or the name is taken; ErrBusy when CopyTraits.Max are under way; ErrQuota
	// when there is no room for one more image; ErrDenied, with what can be done, when Key is none that the account may use
	// in Region, or the source's key may not be used, as far as that can be told at once: otherwise the copy fails, and its
	// Detail says why; ErrUnsupported when CopyTraits.SharedAcross forbids it.
	CopyImage(ctx context.Context, req NewCopy) (Image, error)
}

// SnapshotCopier is a provider that can copy a snapshot to another region, and one that was shared with its account to itself.
type SnapshotCopier interface {
	// CopySnapshot is to snapshots what CopyImage is to images. The disk of a copy means nothing, whatever a listing shows:
	// only its tags tell what it is a copy of.
	CopySnapshot(ctx context.Context, req NewCopy) (Snapshot, error)
}

// Sharer is a provider that can let another account of the same cloud use an image or a snapshot. Either call may be made
// again at will.
type Sharer interface {
	// Share lets the account whose id at the cloud is with (see Identifier) use the image or snapshot and copy it, or with
	// on false no longer. With an image its snapshots are shared where a copy needs them. What is made of it stays the
	// other's when the sharing ends; a copy under way may fail. Some clouds refuse to delete what is shared (ErrInUse).
	//
	// Errors: ErrNotFound when there is no such thing; ErrDenied, with what can be done, when it is encrypted with a key that
	// is never shared, such as the cloud's default; ErrConflict when an image is not ready; ErrUnsupported for a kind or an id
	// that the cloud cannot share with.
	Share(ctx context.Context, ref Ref, with string, on bool) error
	// SharedWith lists the cloud ids of the accounts that an image or a snapshot is shared with, sorted.
	SharedWith(ctx context.Context, ref Ref) ([]string, error)
}

// Identifier is a provider that knows its account's own id at the cloud.
type Identifier interface {
	// Identity is the id by which other accounts share with this one: an account number, a UID, a UIN, a project's id.
	Identity(ctx context.Context) (string, error)
}

// Operator is a provider that can start, stop and delete instances. Each call returns at once and may be made again at will:
// what is so already, or on its way there, is no error. All answer ErrNotFound when the instance is gone, and ErrConflict
// while it is doing something else, such as stopping when it is to start.
type Operator interface {
	// StartInstance starts one that is stopped. The cloud may be out of stock (ErrTransient).
	StartInstance(ctx context.Context, ref Ref) error
	// StopInstance shuts one down in good order, in the way that ends the cost of its computing where the cloud has one.
	// Its disks stay and go on costing; an address that is not its own for good may change.
	StopInstance(ctx context.Context, ref Ref) error
	// DeleteInstance ends one for good, running or not, with the disks that the cloud lets go with it; see
	// NewInstance.Throwaway. Afterwards it may be listed for a while, as PowerGone. ErrDenied when the cloud itself protects it.
	//
	// A second call must never do more than the first. Where the cloud does (Tencent puts a prepaid instance into its recycle
	// bin first, and destroys it when asked again), the provider looks before it asks, and leaves alone what is ended already.
	DeleteInstance(ctx context.Context, ref Ref) error
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

	// Throwaway makes every disk that comes with it go with it, also one whose like on the image's source would have
	// stayed: what is made for a while leaves nothing behind.
	Throwaway bool `json:"throwaway,omitempty"`
}

// NewCopy asks for a copy of an image or a snapshot.
type NewCopy struct {
	From        Ref    `json:"from"`   // of this account, or of another that has shared it with this one
	Region      string `json:"region"` // of the copy, which is this account's; where From is only with Key, or when another account's
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Tags        Tags   `json:"tags"`            // see CopyTraits.Tags
	Key         string `json:"key,omitempty"`   // the cloud's id of a key in Region that encrypts the copy; empty is as the cloud does by itself
	Token       string `json:"token,omitempty"` // see CopyTraits.Tokens
}
