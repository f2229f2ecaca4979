package cloud_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
	"pgregory.net/rapid"
)

func drawMap(t *rapid.T, label string) map[string]string {
	return rapid.MapOf(rapid.StringMatching(`[a-dé:]{0,2}`), rapid.StringMatching(`[xyz]{0,2}`)).Draw(t, label)
}

// isTags checks that the tags are the map, sorted, each key once.
func isTags(t *rapid.T, call string, got cloud.Tags, want map[string]string) {
	t.Helper()
	if !maps.Equal(got.Map(), want) || len(got) != len(want) {
		t.Fatalf("%s = %v, want %v", call, got, want)
	}
	if !slices.IsSortedFunc(got, func(a, b cloud.Tag) int { return strings.Compare(a.Key, b.Key) }) {
		t.Fatalf("%s = %v, want it sorted by key", call, got)
	}
}

// TestTagsAreAMap: every method does what it would do to a map, and leaves the tags that it was called on as they were.
func TestTagsAreAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, o := drawMap(t, "m"), drawMap(t, "o")
		tags, other := cloud.TagsOf(m), cloud.TagsOf(o)
		isTags(t, "TagsOf", tags, m)
		before := slices.Clone(tags)

		key, value := rapid.StringMatching(`[a-dé:]{0,2}`).Draw(t, "key"), rapid.StringMatching(`[xyz]{0,2}`).Draw(t, "value")
		v, ok := m[key]
		if got, found := tags.Find(key); got != v || found != ok || tags.Has(key) != ok || tags.Value(key) != v {
			t.Fatalf("Find(%q) in %v = %q, %v; Has %v; Value %q; want %q, %v", key, tags, got, found, tags.Has(key), tags.Value(key), v, ok)
		}
		with := maps.Clone(m)
		with[key] = value
		isTags(t, "With", tags.With(key, value), with)

		merged := maps.Clone(m)
		maps.Copy(merged, o)
		isTags(t, "Merge", tags.Merge(other), merged)

		without := maps.Clone(m)
		for k := range o {
			delete(without, k)
		}
		isTags(t, "Without", tags.Without(slices.Collect(maps.Keys(o))...), without)

		kept := maps.Clone(m)
		maps.DeleteFunc(kept, func(k, v string) bool { return v == value })
		isTags(t, "Keep", tags.Keep(func(tag cloud.Tag) bool { return tag.Value != value }), kept)

		contains := true
		for k, v := range o {
			if got, ok := m[k]; !ok || got != v {
				contains = false
			}
		}
		if got := tags.Contains(other); got != contains {
			t.Fatalf("%v.Contains(%v) = %v, want %v", tags, other, got, contains)
		}
		if got := tags.Equal(other); got != maps.Equal(m, o) {
			t.Fatalf("%v.Equal(%v) = %v, want %v", tags, other, got, maps.Equal(m, o))
		}
		if !slices.Equal(tags, before) {
			t.Fatalf("the tags were changed to %v, want %v as before", tags, before)
		}

		b, err := json.Marshal(tags)
		if err != nil {
			t.Fatalf("Marshal(%v): got %v, want no error", tags, err)
		}
		var back cloud.Tags
		if err := json.Unmarshal(b, &back); err != nil || !back.Equal(tags) {
			t.Fatalf("Unmarshal(%s) = %v, %v; want %v", b, back, err, tags)
		}
	})
}

func TestTagsString(t *testing.T) {
	got := cloud.TagsOf(map[string]string{"b": "2", "a": "", "c": "x=y"}).String()
	if want := "a=,b=2,c=x=y"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

func TestTagsRefuseWhatIsNoObject(t *testing.T) {
	for _, s := range []string{`[]`, `"a"`, `{"a":1}`, `{`} {
		got := cloud.TagsOf(map[string]string{"old": "stays"})
		if err := got.UnmarshalJSON([]byte(s)); err == nil || got.Value("old") != "stays" {
			t.Errorf("UnmarshalJSON(%s): got %v and %v, want an error and the tags as before", s, got, err)
		}
	}
}
