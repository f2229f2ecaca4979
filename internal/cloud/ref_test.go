package cloud_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
	"pgregory.net/rapid"
)

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"shop/cn-shanghai/instance/i-1", "a/b/image/arn:aws:x/y/z", "", "a/b/c/d", "///", "a/b/disk", "//snapshot/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := cloud.ParseRef(s)
		if err != nil {
			if !r.IsZero() {
				t.Errorf("ParseRef(%q) = %v with error %v, want the zero Ref", s, r, err)
			}
			return
		}
		if r.String() != s {
			t.Errorf("ParseRef(%q).String() = %q, want what was parsed", s, r)
		}
	})
}

func FuzzParseScope(f *testing.F) {
	for _, s := range []string{"shop/cn-shanghai/instance", "a/b/disk/c", "", "a/b/c", "//image"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		scope, err := cloud.ParseScope(s)
		if err != nil {
			if scope != (cloud.Scope{}) {
				t.Errorf("ParseScope(%q) = %v with error %v, want the zero Scope", s, scope, err)
			}
			return
		}
		if scope.String() != s {
			t.Errorf("ParseScope(%q).String() = %q, want what was parsed", s, scope)
		}
	})
}

func drawRef(t *rapid.T, label string) cloud.Ref {
	part := rapid.StringMatching(`[a-c]{0,2}`)
	return cloud.Ref{
		Account: part.Draw(t, label+" account"), Region: part.Draw(t, label+" region"),
		Kind: rapid.SampledFrom(cloud.Kinds()).Draw(t, label+" kind"), ID: rapid.StringMatching(`[a-c/]{0,3}`).Draw(t, label+" id"),
	}
}

// TestRefRoundTrip: what String and JSON write, ParseRef and JSON read, slashes in ids included.
func TestRefRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRef(t, "ref")
		if got, err := cloud.ParseRef(want.String()); err != nil || got != want {
			t.Fatalf("ParseRef(%q) = %+v, %v; want %+v", want, got, err, want)
		}
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatalf("Marshal(%+v): got %v, want no error", want, err)
		}
		var got cloud.Ref
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			t.Fatalf("Unmarshal(%s) = %+v, %v; want %+v", b, got, err, want)
		}
		if p := want.Place(); p.Account != want.Account || p.Region != want.Region || p.String() != want.Account+"/"+want.Region {
			t.Fatalf("Place() of %v = %v, want its account and region", want, p)
		}
		scope := cloud.Scope{Account: want.Account, Region: want.Region, Kind: want.Kind}
		if got, err := cloud.ParseScope(scope.String()); err != nil || got != scope || got.Place() != want.Place() {
			t.Fatalf("ParseScope(%q) = %+v, %v; want %+v", scope, got, err, scope)
		}
	})
}

// TestCompareIsAnOrder: antisymmetric, zero for equals only, transitive.
func TestCompareIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		refs := []cloud.Ref{drawRef(t, "a"), drawRef(t, "b"), drawRef(t, "c")}
		a, b := refs[0], refs[1]
		if (a.Compare(b) < 0) != (b.Compare(a) > 0) || (a.Compare(b) == 0) != (a == b) {
			t.Fatalf("Compare(%v, %v) = %d and %d the other way", a, b, a.Compare(b), b.Compare(a))
		}
		slices.SortFunc(refs, cloud.Ref.Compare)
		if refs[0].Compare(refs[2]) > 0 {
			t.Fatalf("sorted %v: the first is greater than the last", refs)
		}
		sa, sb := cloud.Scope{Account: a.Account, Region: a.Region, Kind: a.Kind}, cloud.Scope{Account: b.Account, Region: b.Region, Kind: b.Kind}
		if (sa.Compare(sb) < 0) != (sb.Compare(sa) > 0) || (sa.Compare(sb) == 0) != (sa == sb) {
			t.Fatalf("Compare(%v, %v) = %d and %d the other way", sa, sb, sa.Compare(sb), sb.Compare(sa))
		}
	})
}

func TestParseRefRefuses(t *testing.T) {
	for _, s := range []string{"", "a", "a/b", "a/b/disk", "a/b/volume/x", "a/b/Disk/x", "a/b//x"} {
		if got, err := cloud.ParseRef(s); err == nil {
			t.Errorf("ParseRef(%q) = %v, want an error", s, got)
		}
	}
	for _, s := range []string{"", "a/b", "a/b/volume", "a/b/disk/x"} {
		if got, err := cloud.ParseScope(s); err == nil {
			t.Errorf("ParseScope(%q) = %v, want an error", s, got)
		}
	}
}

// TestNames: every word of every enumeration is read back, and no other is.
func TestNames(t *testing.T) {
	words[cloud.State](t, cloud.StateUnknown, cloud.StateRetired, func(s string) (v cloud.State, err error) {
		err = v.UnmarshalText([]byte(s))
		return v, err
	})
	words[cloud.Power](t, cloud.PowerUnknown, cloud.PowerGone, func(s string) (v cloud.Power, err error) {
		err = v.UnmarshalText([]byte(s))
		return v, err
	})
	words[cloud.Capability](t, cloud.Snapshots, cloud.Identifying, func(s string) (v cloud.Capability, err error) {
		err = v.UnmarshalText([]byte(s))
		return v, err
	})
	words[cloud.Kind](t, cloud.KindInstance, cloud.KindImage, cloud.ParseKind)
}

func words[T interface {
	~int
	String() string
	MarshalText() ([]byte, error)
}](t *testing.T, first, last T, parse func(string) (T, error)) {
	t.Helper()
	seen := map[string]bool{}
	for v := first; v <= last; v++ {
		b, err := v.MarshalText()
		if err != nil || string(b) != v.String() || seen[v.String()] || strings.Contains(v.String(), "(") {
			t.Errorf("MarshalText of %d = %q, %v; want a word of its own, %q", int(v), b, err, v)
		}
		seen[v.String()] = true
	}
	for s := range seen {
		if got, err := parse(s); err != nil || got.String() != s {
			t.Errorf("parsing %q = %v, %v; want it back", s, got, err)
		}
	}
	if got, err := parse("no such word"); err == nil {
		t.Errorf("parsing %q = %v, want an error", "no such word", got)
	}
}
