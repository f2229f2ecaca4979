package cloud

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
)

// Capability is one thing that a cloud can do besides being looked at.
type Capability int

// The capabilities, one for each ability interface.
const (
	Snapshots Capability = iota + 1 // Snapshotter
	SnapshotSets
	ImageMaking
	DiskMaking
	Launching
	Tagging
	ImageCopies
	SnapshotCopies
	Sharing
	Operating
	Identifying
	Referring
)

var capabilityNames = [...]string{
	Snapshots: "snapshots", SnapshotSets: "snapshot-sets", ImageMaking: "images", DiskMaking: "disks",
	Launching: "launch", Tagging: "tags", ImageCopies: "image-copies", SnapshotCopies: "snapshot-copies", Sharing: "sharing",
	Operating: "operate", Identifying: "identity", Referring: "uses",
}

// String is the capability's word.
func (c Capability) String() string { return nameOf(capabilityNames[:], int(c), "capability") }

// MarshalText writes the capability's word.
func (c Capability) MarshalText() ([]byte, error) {
	return marshalName(capabilityNames[:], int(c), "capability")
}

// UnmarshalText reads the capability's word.
func (c *Capability) UnmarshalText(b []byte) error {
	v, err := parseName(capabilityNames[:], string(b), "capability")
	*c = Capability(v)
	return err
}

// Class is the kind of call that a pace and a retry distinguish.
type Class int

// The classes of call.
const (
	Read  Class = iota + 1 // changes nothing: may be repeated at will
	Write                  // changes the world: repeated only where Call.Repeatable says so
)

// String is read or write.
func (c Class) String() string {
	if c == Write {
		return "write"
	}
	return "read"
}

// Call is one call to a cloud, as interceptors see it.
type Call struct {
	Op         string // instance.list, snapshot.create, …
	Class      Class
	Account    string
	Region     string
	Ref        Ref    // about what; its ID is empty for a listing
	Token      string // of a create
	With       string // the other account's cloud id, when something is shared with it
	Action     string // id of the action on whose behalf it is made, when there is one
	Repeatable bool   // a Write that has the same effect made twice as made once
}

// Place is the account and region of the call.
func (c Call) Place() Place { return Place{Account: c.Account, Region: c.Region} }

// Invoke makes one call.
type Invoke func(ctx context.Context, call Call) error

// Interceptor surrounds every call: audit, pace, retry, fault … The first given to NewClient is the outermost.
// An interceptor may call next more than once (retry), or not at all (fault, dry run).
type Interceptor func(next Invoke) Invoke

// Client is how everything but the wiring reaches one account. It is safe for concurrent use.
// A call that the provider cannot make answers ErrUnsupported without reaching any interceptor.
type Client struct {
	account      string
	provider     Provider
	interceptors []Interceptor

	can []Capability

	snapshotter    Snapshotter
	sets           SetSnapshotter
	imager         Imager
	disks          DiskMaker
	launcher       Launcher
	tagger         Tagger
	imageCopier    ImageCopier
	snapshotCopier SnapshotCopier
	sharer         Sharer
	operator       Operator
	identifier     Identifier
	referrer       Referrer
}

// NewClient finds out once what the provider can do, and puts the interceptors around each of its calls.
func NewClient(account string, p Provider, interceptors ...Interceptor) *Client {
	c := &Client{account: account, provider: p, interceptors: slices.Clone(interceptors)}
	var lacks []Capability
	if l, ok := p.(Limited); ok {
		lacks = l.Lacks()
	}
	find(c, &c.snapshotter, Snapshots, lacks)
	find(c, &c.sets, SnapshotSets, lacks)
	find(c, &c.imager, ImageMaking, lacks)
	find(c, &c.disks, DiskMaking, lacks)
	find(c, &c.launcher, Launching, lacks)
	find(c, &c.tagger, Tagging, lacks)
	find(c, &c.imageCopier, ImageCopies, lacks)
	find(c, &c.snapshotCopier, SnapshotCopies, lacks)
	find(c, &c.sharer, Sharing, lacks)
	find(c, &c.operator, Operating, lacks)
	find(c, &c.identifier, Identifying, lacks)
	find(c, &c.referrer, Referring, lacks)
	return c
}

// find notes an ability that the provider has.
func find[T any](c *Client, to *T, ability Capability, lacks []Capability) {
	if v, ok := c.provider.(T); ok && !slices.Contains(lacks, ability) {
		*to = v
		c.can = append(c.can, ability)
	}
}

// Account is the account's name in the policies.
func (c *Client) Account() string { return c.account }

// Traits are the provider's.
func (c *Client) Traits() Traits { return c.provider.Traits() }

// Capabilities lists what the account can do, in order.
func (c *Client) Capabilities() []Capability { return slices.Clone(c.can) }

type actionKey struct{}

// ForAction marks the calls made under ctx as made on behalf of an action, for the audit.
func ForAction(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, actionKey{}, id)
}

type sendKey struct{}

// BeforeSending has f run once in front of the first request that is sent under ctx, after all waiting for a place is
// over. When f fails nothing is sent, and its error is the call's.
func BeforeSending(ctx context.Context, f func() error) context.Context {
	return context.WithValue(ctx, sendKey{}, sync.OnceValue(f))
}

// Sending says that a request goes out now, and runs what BeforeSending left, unless that has run. A Client says so itself;
// an interceptor does where what lies behind it may fail in a request's stead.
func Sending(ctx context.Context) error {
	if f, ok := ctx.Value(sendKey{}).(func() error); ok {
		return f()
	}
	return nil
}

func (c *Client) do(ctx context.Context, call Call, f func(ctx context.Context) error) error {
	call.Account = c.account
	call.Action, _ = ctx.Value(actionKey{}).(string)
	invoke := func(ctx context.Context, _ Call) error {
		if err := Sending(ctx); err != nil {
			return err
		}
		return f(ctx)
	}
	for i := len(c.interceptors) - 1; i >= 0; i-- {
		invoke = c.interceptors[i](invoke)
	}
	return invoke(ctx, call)
}

func (c *Client) unsupported(op string, ref Ref) error {
	return &Error{Op: op, Ref: ref, Class: ErrUnsupported, Err: fmt.Errorf("%s has no such ability", c.provider.Traits().Cloud)}
}

// Regions lists the regions that the account may use.
func (c *Client) Regions(ctx context.Context) ([]Region, error) {
	var out []Region
	err := c.do(ctx, Call{Op: "region.list", Class: Read}, func(ctx context.Context) error {
		var err error
		out, err = c.provider.Regions(ctx)
		return err
	})
	return out, err
}

// Instances yields every instance that q asks for; an error comes once, and last.
func (c *Client) Instances(ctx context.Context, q Query) iter.Seq2[Instance, error] {
	return list(ctx, c, KindInstance, q, c.provider.Instances)
}

// Disks yields every disk that q asks for; an error comes once, and last.
func (c *Client) Disks(ctx context.Context, q Query) iter.Seq2[Disk, error] {
	return list(ctx, c, KindDisk, q, c.provider.Disks)
}

// Snapshots yields every snapshot that q asks for; an error comes once, and last.
func (c *Client) Snapshots(ctx context.Context, q Query) iter.Seq2[Snapshot, error] {
	return list(ctx, c, KindSnapshot, q, c.provider.Snapshots)
}

// Images yields every image that q asks for; an error comes once, and last.
func (c *Client) Images(ctx context.Context, q Query) iter.Seq2[Image, error] {
	return list(ctx, c, KindImage, q, c.provider.Images)
}

// list turns pages into a sequence. Interceptors act on each page, so a retry never begins a listing again and no item
// is seen twice.
func list[T any](ctx context.Context, c *Client, kind Kind, q Query, page func(context.Context, Query, string) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		call := Call{Op: kind.String() + ".list", Class: Read, Region: q.Region, Ref: Ref{Account: c.account, Region: q.Region, Kind: kind}}
		cursor := ""
		for {
			var got Page[T]
			err := c.do(ctx, call, func(ctx context.Context) error {
				var err error
				got, err = page(ctx, q, cursor)
				return err
			})
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, item := range got.Items {
				if !yield(item, nil) {
					return
				}
			}
			if got.Next == "" {
				return
			}
			if got.Next == cursor {
				var zero T
				yield(zero, &Error{Op: call.Op, Ref: call.Ref, Class: ErrTransient, Err: fmt.Errorf("the listing does not advance: the same cursor came twice")})
				return
			}
			cursor = got.Next
		}
	}
}

// CreateSnapshot starts a snapshot; see Snapshotter.
func (c *Client) CreateSnapshot(ctx context.Context, req NewSnapshot) (Snapshot, error) {
	ref := Ref{Account: c.account, Region: req.Region, Kind: KindDisk, ID: req.Disk}
	if c.snapshotter == nil {
		return Snapshot{}, c.unsupported("snapshot.create", ref)
	}
	call := Call{Op: "snapshot.create", Class: Write, Region: req.Region, Ref: ref, Token: req.Token, Repeatable: c.Traits().CreateTokens}
	return create(ctx, c, call, req, c.snapshotter.CreateSnapshot)
}

// CreateSnapshotSet starts the snapshots of all disks of an instance; see SetSnapshotter.
func (c *Client) CreateSnapshotSet(ctx context.Context, req NewSnapshotSet) ([]Snapshot, error) {
	ref := Ref{Account: c.account, Region: req.Region, Kind: KindInstance, ID: req.Instance}
	if c.sets == nil {
		return nil, c.unsupported("snapshotset.create", ref)
	}
	call := Call{Op: "snapshotset.create", Class: Write, Region: req.Region, Ref: ref, Token: req.Token, Repeatable: c.Traits().CreateTokens}
	return create(ctx, c, call, req, c.sets.CreateSnapshotSet)
}

// DeleteSnapshot deletes a snapshot; see Snapshotter.
func (c *Client) DeleteSnapshot(ctx context.Context, ref Ref) error {
	if c.snapshotter == nil {
		return c.unsupported("snapshot.delete", ref)
	}
	return c.write(ctx, "snapshot.delete", ref, func(ctx context.Context) error { return c.snapshotter.DeleteSnapshot(ctx, ref) })
}

// CreateImage starts an image; see Imager.
func (c *Client) CreateImage(ctx context.Context, req NewImage) (Image, error) {
	ref := Ref{Account: c.account, Region: req.Region, Kind: KindInstance, ID: req.Instance}
	if c.imager == nil {
		return Image{}, c.unsupported("image.create", ref)
	}
	call := Call{Op: "image.create", Class: Write, Region: req.Region, Ref: ref, Token: req.Token, Repeatable: c.Traits().CreateTokens}
	return create(ctx, c, call, req, c.imager.CreateImage)
}

// DeleteImage deletes an image, not its snapshots; see Imager.
func (c *Client) DeleteImage(ctx context.Context, ref Ref) error {
	if c.imager == nil {
		return c.unsupported("image.delete", ref)
	}
	return c.write(ctx, "image.delete", ref, func(ctx context.Context) error { return c.imager.DeleteImage(ctx, ref) })
}

// CreateDisk starts a disk from a snapshot; see DiskMaker.
func (c *Client) CreateDisk(ctx context.Context, req NewDisk) (Disk, error) {
	ref := Ref{Account: c.account, Region: req.Region, Kind: KindSnapshot, ID: req.Snapshot}
	if c.disks == nil {
		return Disk{}, c.unsupported("disk.create", ref)
	}
	return create(ctx, c, Call{Op: "disk.create", Class: Write, Region: req.Region, Ref: ref, Token: req.Token}, req, c.disks.CreateDisk)
}

// RunInstance starts an instance from an image; see Launcher.
func (c *Client) RunInstance(ctx context.Context, req NewInstance) (Instance, error) {
	ref := Ref{Account: c.account, Region: req.Region, Kind: KindImage, ID: req.Image}
	if c.launcher == nil {
		return Instance{}, c.unsupported("instance.run", ref)
	}
	return create(ctx, c, Call{Op: "instance.run", Class: Write, Region: req.Region, Ref: ref, Token: req.Token}, req, c.launcher.RunInstance)
}

// SetTags adds or overwrites tags; see Tagger.
func (c *Client) SetTags(ctx context.Context, ref Ref, tags Tags) error {
	if c.tagger == nil {
		return c.unsupported("tag.set", ref)
	}
	return c.write(ctx, "tag.set", ref, func(ctx context.Context) error { return c.tagger.SetTags(ctx, ref, tags) })
}

// RemoveTags takes tags off; see Tagger.
func (c *Client) RemoveTags(ctx context.Context, ref Ref, keys []string) error {
	if c.tagger == nil {
		return c.unsupported("tag.remove", ref)
	}
	return c.write(ctx, "tag.remove", ref, func(ctx context.Context) error { return c.tagger.RemoveTags(ctx, ref, keys) })
}

// write makes a call that has the same effect made twice as made once.
func (c *Client) write(ctx context.Context, op string, ref Ref, f func(context.Context) error) error {
	return c.do(ctx, Call{Op: op, Class: Write, Region: ref.Region, Ref: ref, Repeatable: true}, f)
}

func create[Req, T any](ctx context.Context, c *Client, call Call, req Req, f func(context.Context, Req) (T, error)) (T, error) {
	var out T
	err := c.do(ctx, call, func(ctx context.Context) error {
		var err error
		out, err = f(ctx, req)
		return err
	})
	if err != nil {
		var zero T
		return zero, err // an interceptor may have lost the answer
	}
	return out, nil
}
