package inventory

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stint-cloud/stint/internal/cloud"
)

// TestByRoundTrip writes any tags and reads them back: the same tags hold nothing, and any change or loss holds.
func TestByRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.MapOfN(rapid.StringN(1, 30, 60), rapid.StringN(0, 200, 250), 0, 6).Draw(t, "tags")
		delete(m, "")
		tags := cloud.TagsOf(m)
		limit := rapid.IntRange(60, 400).Draw(t, "limit")
		text := FormatBy(tags, limit)
		if len(text) > limit {
			t.Fatalf("FormatBy(%v, %d): got %d characters", tags, limit, len(text))
		}
		on := tags.With(cloud.TagPolicy, "p").With(cloud.TagBy, text)
		if hold := holdOf(on, false, map[string]cloud.Tags{}); hold != "" {
			t.Fatalf("holdOf(unchanged %v by %q): got %q, want none", tags, text, hold)
		}
		for _, by := range ParseBy(text) {
			if hold := holdOf(on.Without(by.Key), false, map[string]cloud.Tags{}); hold == "" {
				t.Fatalf("holdOf without %q by %q: got none, want a hold", by.Key, text)
			}
			if hold := holdOf(on.With(by.Key, by.Value+"x"), false, map[string]cloud.Tags{}); hold == "" {
				t.Fatalf("holdOf with %q changed by %q: got none, want a hold", by.Key, text)
			}
		}
	})
}

func TestByIsReadable(t *testing.T) {
	for _, c := range []struct {
		tags map[string]string
		want string
	}{
		{nil, "-"},
		{map[string]string{"SnapshotDaily": "3"}, "SnapshotDaily=3"},
		{map[string]string{"a": "1", "b": "x y=z"}, "a=1 b=x+y%3Dz"},
	} {
		if got := FormatBy(cloud.TagsOf(c.tags), 250); got != c.want {
			t.Errorf("FormatBy(%v): got %q, want %q", c.tags, got, c.want)
		}
	}
	if got := FormatBy(cloud.Tags{{Key: "k", Value: strings.Repeat("v", 300)}}, 60); !strings.HasPrefix(got, "k=~") {
		t.Errorf("FormatBy of a long value: got %q, want a hash", got)
	}
}

// TestGarbledByHolds takes no chance with a text that a person has changed.
func TestGarbledByHolds(t *testing.T) {
	for _, text := range []string{"SnapshotDaily", "=3", "%zz=1", "SnapshotDaily=3 oops"} {
		tags := cloud.TagsOf(map[string]string{cloud.TagPolicy: "p", cloud.TagBy: text, "SnapshotDaily": "3"})
		if hold := holdOf(tags, false, map[string]cloud.Tags{}); hold == "" {
			t.Errorf("holdOf by %q: got none, want a hold", text)
		}
	}
}
