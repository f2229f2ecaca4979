package cloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Referrer is a provider that can tell who uses images and snapshots. A cloud that deletes what others depend on breaks
// them without a word, and one that refuses says so only when it is too late for a plan.
type Referrer interface {
	// Uses lists who uses these images, or these snapshots: at most MaxIDs of one kind in one region. It takes one request or
	// a few, not one for each. What is gone has no users and is no error. In any order; a use may come twice.
	//
	// It tells all users of the kinds that UseTraits lists; of others there may be more than it says. When one of its requests fails it
	// fails: that nobody uses something is never said by half. What a thing's own account did a moment ago may be missing
	// for as long as Traits.Lag.
	Uses(ctx context.Context, refs []Ref) ([]Use, error)
}

// UserKind is a kind of user of an image or a snapshot.
type UserKind int

// The kinds of user.
const (
	UserInstance UserKind = iota + 1 // was made from the image
	UserDisk                         // was made from the snapshot
	UserImage                        // stands on the snapshot
	UserTemplate                     // a launch template that names the image in any of its versions
	UserGroup                        // makes instances from the image by itself, without a launch template that says so
	UserService                      // a setting of another service that names the image: a parameter, a recipe
	UserAccount                      // another account that may use it, "all" for everybody: see Sharer
)

var userNames = [...]string{
	UserInstance: "instance", UserDisk: "disk", UserImage: "image", UserTemplate: "launch-template", UserGroup: "scaling-group",
	UserService: "service", UserAccount: "account",
}

// String is the kind's word.
func (k UserKind) String() string { return nameOf(userNames[:], int(k), "user") }

// MarshalText writes the kind's word.
func (k UserKind) MarshalText() ([]byte, error) { return marshalName(userNames[:], int(k), "user") }

// UnmarshalText reads the kind's word.
func (k *UserKind) UnmarshalText(b []byte) error {
	v, err := parseName(userNames[:], string(b), "user")
	*k = UserKind(v)
	return err
}

// Use is one user of an image or a snapshot.
type Use struct {
	Of   Ref      `json:"of"`
	Kind UserKind `json:"kind"`
	// By is the user's own id at the cloud; empty when the cloud tells that there is one, and not which.
	By string `json:"by,omitempty"`
	// Blocks says that the user would break if the thing went, or that the cloud refuses to delete it until the user is gone.
	// An instance or a disk that was made from a thing and lives on without it does not block.
	Blocks bool   `json:"blocks"`
	Detail string `json:"detail,omitempty"` // what becomes of the user, or what about it uses the thing
}

// String is the user as people are told of it: launch-template lt-1 (version 3).
func (u Use) String() string {
	by := u.By
	if by == "" {
		by = "that the cloud does not name"
	}
	if u.Detail != "" {
		by += " (" + u.Detail + ")"
	}
	return u.Kind.String() + " " + by
}

// Ref names the user where it is a thing that is listed: an instance, a disk or an image. Elsewhere it is zero.
func (u Use) Ref() Ref {
	kind := map[UserKind]Kind{UserInstance: KindInstance, UserDisk: KindDisk, UserImage: KindImage}[u.Kind]
	if kind == 0 || u.By == "" {
		return Ref{}
	}
	return Ref{Account: u.Of.Account, Region: u.Of.Region, Kind: kind, ID: u.By}
}

// Compare orders uses by what is used, the kind of user, and its id.
func (u Use) Compare(o Use) int {
	return cmp.Or(u.Of.Compare(o.Of), cmp.Compare(u.Kind, o.Kind), strings.Compare(u.By, o.By))
}

// UseTraits say how far a Referrer sees. All lists are in order.
type UseTraits struct {
	// Images and Snapshots are the kinds of user that it tells.
	Images    []UserKind `json:"images,omitempty"`
	Snapshots []UserKind `json:"snapshots,omitempty"`
	// Unseen are the kinds that the cloud has and that Uses does not tell of all: there may be such a user whatever it says.
	Unseen []UserKind `json:"unseen,omitempty"`
}

// Of are the kinds of user that are told of things of the kind.
func (t UseTraits) Of(k Kind) []UserKind {
	switch k {
	case KindImage:
		return t.Images
	case KindSnapshot:
		return t.Snapshots
	}
	return nil
}

// Clone is a copy that shares no list.
func (t UseTraits) Clone() UseTraits {
	return UseTraits{Images: slices.Clone(t.Images), Snapshots: slices.Clone(t.Snapshots), Unseen: slices.Clone(t.Unseen)}
}

// Uses lists who uses the images or the snapshots, in order and each once; see Referrer. Of nothing nobody is asked.
func (c *Client) Uses(ctx context.Context, refs []Ref) ([]Use, error) {
	if len(refs) == 0 {
		return nil, ctx.Err()
	}
	about := Ref{Account: c.account, Region: refs[0].Region, Kind: refs[0].Kind}
	op := about.Kind.String() + ".uses"
	if c.referrer == nil {
		return nil, c.unsupported(op, about)
	}
	refs = slices.Clone(refs)
	slices.SortFunc(refs, Ref.Compare)
	refs = slices.Compact(refs)
	if why := together(about, refs); why != "" {
		return nil, &Error{Op: op, Ref: about, Class: ErrUnsupported, Err: errors.New(why)}
	}
	uses, err := create(ctx, c, Call{Op: op, Class: Read, Region: about.Region, Ref: about}, refs, c.referrer.Uses)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(uses, Use.Compare)
	return slices.CompactFunc(uses, func(a, b Use) bool { return a.Compare(b) == 0 }), nil
}

// together says why nobody can be asked about all of these at once.
func together(about Ref, refs []Ref) string {
	switch {
	case about.Kind != KindImage && about.Kind != KindSnapshot:
		return "only users of images and of snapshots are known"
	case len(refs) > MaxIDs:
		return fmt.Sprintf("%d ids at once, %d at most", len(refs), MaxIDs)
	}
	for _, r := range refs {
		if r.Place() != about.Place() || r.Kind != about.Kind {
			return fmt.Sprintf("%s is not one of the %ss in %s", r, about.Kind, about.Place())
		}
	}
	return ""
}
