package inventory

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// FuzzParseBy: no text gives an empty key or is lost on the way: what is read and written again reads the same, and a
// text that says anything at all never reads as "selected by nothing".
func FuzzParseBy(f *testing.F) {
	for _, s := range []string{"SnapshotDaily=3 a=b", "-", "", "a=%zz", "k=~0123456789ab", " ", "a=1 a=2", "=", "%3D=%3D", "a=b=c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tags := ParseBy(text)
		if (len(tags) == 0) != (text == "" || text == nothing) {
			t.Errorf("ParseBy(%q): got %v", text, tags)
		}
		for _, tag := range tags {
			if tag.Key == "" {
				t.Errorf("ParseBy(%q): got an empty key", text)
			}
		}
		again := FormatBy(tags, 1<<20)
		if got := ParseBy(again); !got.Equal(tags) {
			t.Errorf("ParseBy(%q) = %v; written as %q it reads %v, want the same", text, tags, again, got)
		}
	})
}

// FuzzFormatBy: whatever the tags and the limit, the text fits, is one that clouds take as a value, holds nothing by itself,
// and holds as soon as one of the tags that it tells of is changed.
func FuzzFormatBy(f *testing.F) {
	f.Add("SnapshotDaily", "3", "team", "shop", 250)
	f.Add("k", strings.Repeat("v", 300), "l", "~", 60)
	f.Add("-", "-", "~", "~0123456789ab", 20)
	f.Add(" ", "", "=", "%", 1)
	f.Add("\xff", "\x00", "ключ", "значение", 40)
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string, limit int) {
		if limit < 1 || limit > 1<<16 || strings.HasPrefix(k1, cloud.TagPrefix) || strings.HasPrefix(k2, cloud.TagPrefix) || k1 == "" || k2 == "" {
			t.Skip("no selector has such tags")
		}
		tags := cloud.TagsOf(map[string]string{k1: v1, k2: v2})
		text := FormatBy(tags, limit)
		if text == "" || len(text) > limit || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("FormatBy(%q, %d) = %q, want plain text of at most that length", tags, limit, text)
		}
		on := tags.With(cloud.TagPolicy, "p").With(cloud.TagBy, text)
		if hold := holdOf(on, false, map[string]cloud.Tags{}); hold != "" {
			t.Errorf("%q by %q: held (%s), want not", tags, text, hold)
		}
		for _, by := range ParseBy(text) {
			if !tags.Has(by.Key) {
				t.Errorf("FormatBy(%q, %d) = %q tells of %q, which is not there", tags, limit, text, by.Key)
			}
			if hold := holdOf(on.With(by.Key, tags.Value(by.Key)+"x"), false, map[string]cloud.Tags{}); hold == "" {
				t.Errorf("%q by %q, with %q changed: not held", tags, text, by.Key)
			}
		}
	})
}

// FuzzBackups: whatever stands in the tags of a cloud, its backups are gathered, each part of one counts in it alone, and
// the order of the listing does not matter.
func FuzzBackups(f *testing.F) {
	f.Add("daily", "web/us-east-1/i-1", "2026-11-20T00:00:00Z", "b-1", "2", "team=shop", byte(3))
	f.Add("", "", "", "b-1", "", "-", byte(0))
	f.Add("p", "//", "never", "b", "-1", "%", byte(0x55))
	f.Add("p", "a/b/c/d", "0001-01-01T00:00:00Z", "b", "99999999999999999999", "", byte(0xff))
	f.Fuzz(func(t *testing.T, policy, source, slot, backup, parts, by string, form byte) {
		tags := func(n int) cloud.Tags {
			m := map[string]string{cloud.TagPolicy: policy, cloud.TagSource: source, cloud.TagSlot: slot, cloud.TagBackup: backup, cloud.TagParts: parts, cloud.TagBy: by}
			if form>>n&1 == 1 {
				m[cloud.TagAction] = "a-1"
			}
			if form>>(n+4)&1 == 1 {
				m[cloud.TagBackup] = backup + "x"
			}
			return cloud.TagsOf(m)
		}
		at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
		ref := func(k cloud.Kind, n int) cloud.Ref {
			return cloud.Ref{Account: "web", Region: "us-east-1", Kind: k, ID: fmt.Sprintf("%s-%d", k, n)}
		}
		var w, back World
		for n := range 3 {
			w.Snapshots = append(w.Snapshots, cloud.Snapshot{Ref: ref(cloud.KindSnapshot, n), Disk: fmt.Sprintf("vol-%d", n), State: cloud.State(int(form)>>n%5 + 1), CreatedAt: at.Add(time.Duration(n) * time.Minute), Tags: tags(n)})
		}
		w.Images = append(w.Images, cloud.Image{Ref: ref(cloud.KindImage, 0), State: cloud.StateReady, CreatedAt: at, Tags: tags(3), Snapshots: []string{"snapshot-0"}})
		back.Snapshots, back.Images = slices.Clone(w.Snapshots), slices.Clone(w.Images)
		slices.Reverse(back.Snapshots)
		w.Sort()
		back.Sort()
		list := w.Backups()
		one, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		if two, _ := json.Marshal(back.Backups()); string(one) != string(two) {
			t.Errorf("Backups() depends on the order:\n%s\n%s", one, two)
		}
		seen := map[cloud.Ref]string{}
		for _, b := range list {
			if b.ID == "" {
				t.Errorf("a backup without an id: %+v", b)
			}
			for _, ref := range b.Refs() {
				if other, twice := seen[ref]; twice {
					t.Errorf("%s is part of %q and of %q", ref, other, b.ID)
				}
				seen[ref] = b.ID
			}
			for _, ref := range b.Ready() {
				if !slices.Contains(b.Refs(), ref) {
					t.Errorf("%s makes %q whole, and is no part of it", ref, b.ID)
				}
			}
		}
	})
}
