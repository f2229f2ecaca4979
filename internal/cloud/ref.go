package cloud

import (
	"fmt"
	"strings"
)

// Kind is a kind of thing in a cloud. The zero Kind is no kind.
type Kind int

// The kinds, in the order in which they are listed everywhere.
const (
	KindInstance Kind = iota + 1
	KindDisk
	KindSnapshot
	KindImage
)

// Kinds lists every kind in order.
func Kinds() []Kind { return []Kind{KindInstance, KindDisk, KindSnapshot, KindImage} }

var kindNames = [...]string{KindInstance: "instance", KindDisk: "disk", KindSnapshot: "snapshot", KindImage: "image"}

// String is the kind's word in English, as in policies and JSON.
func (k Kind) String() string {
	if k < KindInstance || k > KindImage {
		return fmt.Sprintf("kind(%d)", int(k))
	}
	return kindNames[k]
}

// ParseKind reads a kind's word.
func ParseKind(s string) (Kind, error) {
	for _, k := range Kinds() {
		if k.String() == s {
			return k, nil
		}
	}
	return 0, fmt.Errorf("unknown kind %q: want instance, disk, snapshot or image", s)
}

// MarshalText writes the kind's word; the zero Kind is the empty text.
func (k Kind) MarshalText() ([]byte, error) {
	if k == 0 {
		return nil, nil
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads the kind's word; the empty text is the zero Kind.
func (k *Kind) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*k = 0
		return nil
	}
	v, err := ParseKind(string(b))
	if err != nil {
		return err
	}
	*k = v
	return nil
}

// Ref names one thing in one region of one account. It is comparable, so it is the map key.
type Ref struct {
	Account string `json:"account"` // the account's name in the policies, not the cloud's number
	Region  string `json:"region"`
	Kind    Kind   `json:"kind"`
	ID      string `json:"id"` // the cloud's own id
}

// String is account/region/kind/id.
func (r Ref) String() string {
	return r.Account + "/" + r.Region + "/" + r.Kind.String() + "/" + r.ID
}

// Source is account/region/id: the value of TagSource.
func (r Ref) Source() string { return r.Account + "/" + r.Region + "/" + r.ID }

// Place is the account and region of the ref.
func (r Ref) Place() Place { return Place{Account: r.Account, Region: r.Region} }

// IsZero says whether the ref names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// ParseRef reads what String wrote.
func ParseRef(s string) (Ref, error) {
	parts := strings.SplitN(s, "/", 4)
	if len(parts) != 4 {
		return Ref{}, fmt.Errorf("%q is not account/region/kind/id", s)
	}
	kind, err := ParseKind(parts[2])
	if err != nil {
		return Ref{}, err
	}
	return Ref{Account: parts[0], Region: parts[1], Kind: kind, ID: parts[3]}, nil
}

// Compare orders refs by account, region, kind and id.
func (r Ref) Compare(o Ref) int {
	if c := strings.Compare(r.Account, o.Account); c != 0 {
		return c
	}
	if c := strings.Compare(r.Region, o.Region); c != 0 {
		return c
	}
	if r.Kind != o.Kind {
		return int(r.Kind) - int(o.Kind)
	}
	return strings.Compare(r.ID, o.ID)
}

// Place is one region of one account: where backups are counted and where a pace holds.
type Place struct {
	Account string `json:"account"`
	Region  string `json:"region"`
}

// String is account/region.
func (p Place) String() string { return p.Account + "/" + p.Region }

// Compare orders places by account, then region.
func (p Place) Compare(o Place) int {
	if c := strings.Compare(p.Account, o.Account); c != 0 {
		return c
	}
	return strings.Compare(p.Region, o.Region)
}

// Scope is what one survey covers: one kind in one place.
type Scope struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Kind    Kind   `json:"kind"`
}

// String is account/region/kind.
func (s Scope) String() string { return s.Account + "/" + s.Region + "/" + s.Kind.String() }

// Place is the account and region of the scope.
func (s Scope) Place() Place { return Place{Account: s.Account, Region: s.Region} }

// ParseScope reads what String wrote.
func ParseScope(text string) (Scope, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return Scope{}, fmt.Errorf("%q is not account/region/kind", text)
	}
	kind, err := ParseKind(parts[2])
	if err != nil {
		return Scope{}, err
	}
	return Scope{Account: parts[0], Region: parts[1], Kind: kind}, nil
}

// Compare orders scopes by account, region and kind.
func (s Scope) Compare(o Scope) int {
	if c := s.Place().Compare(o.Place()); c != 0 {
		return c
	}
	return int(s.Kind) - int(o.Kind)
}
