package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

// referrer knows users, and counts how often it is asked.
type referrer struct {
	looker
	asked [][]cloud.Ref
	uses  []cloud.Use
	err   error
}

func (r *referrer) Uses(_ context.Context, refs []cloud.Ref) ([]cloud.Use, error) {
	r.asked = append(r.asked, refs)
	return r.uses, r.err
}

func imageRef(id string) cloud.Ref {
	return cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindImage, ID: id}
}

func TestUsesAsInterceptorsSeeThem(t *testing.T) {
	a, b := imageRef("img-1"), imageRef("img-2")
	byInstance := cloud.Use{Of: a, Kind: cloud.UserInstance, By: "i-1"}
	byTemplate := cloud.Use{Of: a, Kind: cloud.UserTemplate, By: "lt-1", Blocks: true}
	other := cloud.Use{Of: b, Kind: cloud.UserInstance, By: "i-0"}
	p := &referrer{uses: []cloud.Use{other, byTemplate, byInstance, byTemplate}}
	var seen []cloud.Call
	c := cloud.NewClient("shop", p, func(next cloud.Invoke) cloud.Invoke {
		return func(ctx context.Context, call cloud.Call) error {
			seen = append(seen, call)
			return next(ctx, call)
		}
	})
	if want := []cloud.Capability{cloud.Referring}; !slices.Equal(c.Capabilities(), want) {
		t.Errorf("Capabilities() = %v, want %v", c.Capabilities(), want)
	}
	asked := []cloud.Ref{b, a, b}
	got, err := c.Uses(t.Context(), asked)
	if want := []cloud.Use{byInstance, byTemplate, other}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Uses = %v, %v; want %v, in order and each once", got, err, want)
	}
	if len(p.asked) != 1 || !slices.Equal(p.asked[0], []cloud.Ref{a, b}) || !slices.Equal(asked, []cloud.Ref{b, a, b}) {
		t.Errorf("the provider was asked %v of %v, want once of each, and the caller's list untouched", p.asked, asked)
	}
	want := cloud.Call{Op: "image.uses", Class: cloud.Read, Account: "shop", Region: "r-1", Ref: cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindImage}}
	if !slices.Equal(seen, []cloud.Call{want}) {
		t.Errorf("calls = %+v, want %+v", seen, want)
	}
	p.err = errors.New("broken")
	if got, err := c.Uses(t.Context(), asked); !errors.Is(err, p.err) || got != nil {
		t.Errorf("Uses that failed = %v, %v; want its error and nothing", got, err)
	}
}

// TestUsesOfTheWrongThings: whoever asks about too much, or about what has no users, hears so, and nobody is asked.
func TestUsesOfTheWrongThings(t *testing.T) {
	p := &referrer{}
	c := cloud.NewClient("shop", p)
	var many []cloud.Ref
	for i := range cloud.MaxIDs + 1 {
		many = append(many, imageRef(fmt.Sprintf("img-%03d", i)))
	}
	far := imageRef("img-1")
	far.Region = "r-2"
	snap := imageRef("snap-1")
	snap.Kind = cloud.KindSnapshot
	theirs := imageRef("img-1")
	theirs.Account = "bank"
	for what, refs := range map[string][]cloud.Ref{
		"too many": many, "two regions": {imageRef("img-1"), far}, "two kinds": {imageRef("img-1"), snap}, "another account": {theirs},
		"a disk": {{Account: "shop", Region: "r-1", Kind: cloud.KindDisk, ID: "d-1"}},
	} {
		got, err := c.Uses(t.Context(), refs)
		if e, ok := errors.AsType[*cloud.Error](err); !ok || e.Class != cloud.ErrUnsupported || got != nil {
			t.Errorf("Uses of %s = %v, %v; want ErrUnsupported", what, got, err)
		}
	}
	if got, err := c.Uses(t.Context(), nil); err != nil || got != nil {
		t.Errorf("Uses of nothing = %v, %v; want nothing", got, err)
	}
	if len(p.asked) != 0 {
		t.Errorf("the provider was asked %v, want nothing", p.asked)
	}
	if _, err := c.Uses(t.Context(), many[:cloud.MaxIDs]); err != nil {
		t.Errorf("Uses of %d: got %v, want no error", cloud.MaxIDs, err)
	}
	if _, err := cloud.NewClient("shop", &looker{}).Uses(t.Context(), many[:1]); !errors.Is(err, cloud.ErrUnsupported) {
		t.Errorf("Uses of a provider that knows none: got %v, want ErrUnsupported", err)
	}
}

func TestUseInWords(t *testing.T) {
	for _, c := range []struct {
		use  cloud.Use
		text string
		ref  string
	}{
		{cloud.Use{Of: imageRef("img-1"), Kind: cloud.UserInstance, By: "i-1"}, "instance i-1", "shop/r-1/instance/i-1"},
		{cloud.Use{Of: imageRef("img-1"), Kind: cloud.UserTemplate, By: "lt-1", Detail: "version 3"}, "launch-template lt-1 (version 3)", ""},
		{cloud.Use{Of: imageRef("img-1"), Kind: cloud.UserDisk}, "disk that the cloud does not name", ""},
	} {
		if got := c.use.String(); got != c.text {
			t.Errorf("String() = %q, want %q", got, c.text)
		}
		if got := c.use.Ref(); c.ref == "" && !got.IsZero() || c.ref != "" && got.String() != c.ref {
			t.Errorf("%s: Ref() = %v, want %q", c.use, got, c.ref)
		}
	}
	for k := cloud.UserInstance; k <= cloud.UserAccount; k++ {
		b, err := k.MarshalText()
		var back cloud.UserKind
		if err != nil || back.UnmarshalText(b) != nil || back != k {
			t.Errorf("%v as text: got %q, %v and back %v", k, b, err, back)
		}
	}
}
