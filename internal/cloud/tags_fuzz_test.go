package cloud_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

// FuzzTags: what JSON gives is sorted, each key once, and finds itself again; and two sets of tags from one text obey the
// laws of With, Without and Merge, as a map does.
func FuzzTags(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":"1","b":"x=y,z"}`, `{"b":"","a":"","a":"2"}`, `null`, `{"stint:by":"a=1 b=2"}`, `{"\u0000":"\ud800"}`, `[]`, `{"a":1}`} {
		f.Add(s, "a", "v")
	}
	f.Fuzz(func(t *testing.T, text, key, value string) {
		var tags cloud.Tags
		if err := json.Unmarshal([]byte(text), &tags); err != nil {
			if len(tags) > 0 {
				t.Errorf("Unmarshal(%q): got %v with error %v, want none", text, tags, err)
			}
			return
		}
		if !slices.IsSortedFunc(tags, func(a, b cloud.Tag) int { return strings.Compare(a.Key, b.Key) }) {
			t.Errorf("Unmarshal(%q): got %v, want them sorted", text, tags)
		}
		m := tags.Map()
		if len(m) != len(tags) {
			t.Errorf("Unmarshal(%q): got %v, want each key once", text, tags)
		}
		for k, v := range m {
			if got, ok := tags.Find(k); !ok || got != v {
				t.Errorf("%v.Find(%q) = %q, %v; want %q", tags, k, got, ok, v)
			}
		}
		b, err := json.Marshal(tags)
		var again cloud.Tags
		if err != nil || json.Unmarshal(b, &again) != nil || !again.Equal(tags) {
			t.Errorf("%v written (%v) and read again = %v, want the same", tags, err, again)
		}
		with := tags.With(key, value)
		m[key] = value
		if !with.Equal(cloud.TagsOf(m)) || !tags.Merge(cloud.Tags{{Key: key, Value: value}}).Equal(with) {
			t.Errorf("%v.With(%q, %q) = %v, and Merge says %v; want %v", tags, key, value, with, tags.Merge(cloud.Tags{{Key: key, Value: value}}), cloud.TagsOf(m))
		}
		if !with.Merge(tags).Contains(tags) || !with.Contains(cloud.Tags{{Key: key, Value: value}}) {
			t.Errorf("%v does not contain what it was made of", with)
		}
		delete(m, key)
		if got := with.Without(key); !got.Equal(cloud.TagsOf(m)) {
			t.Errorf("%v.Without(%q) = %v, want %v", with, key, got, cloud.TagsOf(m))
		}
	})
}
