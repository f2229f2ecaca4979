package openstack

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Whatever the tags, what is written can be written, and is read back as it was.
func TestTagsSurvive(t *testing.T) {
	key := rapid.OneOf(
		rapid.SampledFrom([]string{"name", "Name", "owner", "status", "env", "Env", "ENV", "os_type", "hw_disk_bus", "stint:policy", "stint.tag.x", "stint.b64.x", "stint.b64.", "a/b~c", "café", "大小", " ", "block_device_mapping", "KERNEL_ID"}),
		rapid.StringN(1, 60, 180),
	)
	kinds := []cloud.Kind{cloud.KindInstance, cloud.KindDisk, cloud.KindSnapshot, cloud.KindImage}
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		tags := cloud.TagsOf(rapid.MapOfN(key, rapid.StringN(0, 20, 255), 0, 12).Draw(t, "tags"))
		written := metadata(kind, tags)
		if len(written) != len(tags) {
			t.Fatalf("metadata(%v, %q): got %d entries %q, want %d", kind, tags, len(written), written, len(tags))
		}
		folded := map[string]string{}
		for name := range written {
			if !writable.MatchString(name) {
				t.Errorf("metadata(%v, %q): got the name %q, want one that nova takes", kind, tags, name)
			}
			if kind == cloud.KindImage && (housekeeping(strings.ToLower(name)) || begins(name, meaningfulPrefixes)) {
				t.Errorf("metadata(%v, %q): got the name %q, want none that means something to glance or nova", kind, tags, name)
			}
			if other, ok := folded[strings.ToLower(name)]; ok {
				t.Errorf("metadata(%v, %q): got %q and %q, want no two that differ in case alone", kind, tags, name, other)
			}
			folded[strings.ToLower(name)] = name
		}
		got := tagsOf(written, nil)
		if kind == cloud.KindImage {
			got = imageTags("n", imageMetadata("n", tags), nil)
			want := tags.Keep(func(t cloud.Tag) bool { return !strings.HasPrefix(t.Key, cloud.TagPrefix) || t.Value != void })
			if !got.Equal(want) {
				t.Errorf("image tags: got %q, want %q", got, want)
			}
			return
		}
		if !got.Equal(tags) {
			t.Errorf("tags of %v: got %q, want %q", kind, got, tags)
		}
	})
}

// The names of ours stay as they are, so that people and filters find them.
func TestOurTagsKeepTheirNames(t *testing.T) {
	for _, key := range []string{
		cloud.TagPolicy, cloud.TagSource, cloud.TagSlot, cloud.TagBy, cloud.TagBackup, cloud.TagParts,
		cloud.TagHold, cloud.TagRole, cloud.TagAction, cloud.TagRestored, "env", "SnapshotDaily",
	} {
		for _, kind := range cloud.Kinds() {
			if got := written(kind, key); got != key {
				t.Errorf("written(%v, %q): got %q, want the key itself", kind, key, got)
			}
		}
	}
	for key, want := range map[string]string{"owner": "stint.tag.owner", "os_type": "stint.tag.os_type", "café": "stint.b64.Y2Fmw6k"} {
		if got := written(cloud.KindImage, key); got != want {
			t.Errorf("written(image, %q): got %q, want %q", key, got, want)
		}
	}
	if got := written(cloud.KindSnapshot, "owner"); got != "owner" {
		t.Errorf("written(snapshot, owner): got %q, want the key itself", got)
	}
}

// An image that somebody takes of a server which was restored from our backup inherits that backup's properties. It is
// not ours: believed, retention would delete it.
func TestInheritedTagsAreNotBelieved(t *testing.T) {
	backup := imageMetadata("nightly-1", cloud.TagsOf(map[string]string{cloud.TagPolicy: "nightly", cloud.TagBackup: "b1", "env": "prod"}))
	backup[cloud.TagHold] = "the auditor"
	if got := imageTags("nightly-1", backup, nil); got.Value(cloud.TagPolicy) != "nightly" || got.Value(cloud.TagHold) != "the auditor" || got.Has(sign) || got.Has(cloud.TagRole) {
		t.Errorf("tags of the backup itself: got %v, want policy and hold, neither the signature nor what is void", got)
	}
	manual := backup
	if got := imageTags("before the upgrade", manual, nil); !got.Equal(cloud.Tags{{Key: "env", Value: "prod"}}) {
		t.Errorf("tags of a copy by hand: got %v, want env alone", got)
	}
	// A backup of ours of that server: what it does not set itself must not come from the first one.
	second := map[string]string{}
	for k, v := range backup {
		second[k] = v
	}
	for k, v := range imageMetadata("nightly-2", cloud.TagsOf(map[string]string{cloud.TagPolicy: "nightly", cloud.TagBackup: "b2"})) {
		second[k] = v
	}
	if got := imageTags("nightly-2", second, nil); got.Value(cloud.TagBackup) != "b2" || got.Has(cloud.TagHold) {
		t.Errorf("tags of the second backup: got %v, want its own, and no hold from the first", got)
	}
	if got := imageTags("uploaded", map[string]string{cloud.TagPolicy: "nightly"}, nil); got.Value(cloud.TagPolicy) != "nightly" {
		t.Errorf("tags of an unsigned image: got %v, want them believed", got)
	}
}

// patched gives the changes that a call made to image i1, which has the properties.
func patched(t *testing.T, properties map[string]any, call func(*Provider, cloud.Ref) error) (changes []change, requests []string) {
	t.Helper()
	var media string
	img, err := json.Marshal(imageJSON("i1", properties))
	if err != nil {
		t.Fatal(err)
	}
	s := newStub(t, map[string]http.HandlerFunc{
		"GET " + imagesPath + "/i1": says(200, nil, string(img)),
		"PATCH " + imagesPath + "/i1": func(w http.ResponseWriter, r *http.Request) {
			media = r.Header.Get("Content-Type")
			_ = json.NewDecoder(r.Body).Decode(&changes)
			fmt.Fprint(w, `{}`)
		},
		"DELETE " + imagesPath + "/i1/tags/keep": says(404, nil, ""),
	})
	p := s.open(t, nil)
	if err := call(p, cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindImage, ID: "i1"}); err != nil {
		t.Fatalf("got %v, want no error", err)
	}
	if len(changes) > 0 && media != "application/openstack-images-v2.1-json-patch" {
		t.Errorf("PATCH: got content type %q, want glance's", media)
	}
	return changes, s.requests()
}

func show(changes []change) (out []string) {
	for _, c := range changes {
		s := c.Op + " " + c.Path
		if c.Value != nil {
			s += "=" + *c.Value
		}
		out = append(out, s)
	}
	return out
}

func TestSetTagsOfImage(t *testing.T) {
	for _, c := range []struct {
		what       string
		properties map[string]any
		tags       map[string]string
		want       []string
	}{
		{"plain", nil, map[string]string{"env": "prod", "a/b~c": "x", "e": ""}, []string{"add /e=", "add /env=prod", "add /stint.b64.YS9ifmM=x"}},
		{"case", map[string]any{"ENV": "x"}, map[string]string{"env": "y"}, []string{"add /stint.b64.ZW52=y"}},
		{"ours on an image that carries none", nil, map[string]string{cloud.TagHold: "x"}, []string{"add /stint.image=i1", "add /stint:hold=x"}},
		{"ours on one of ours", map[string]any{sign: "i1", cloud.TagPolicy: "p"}, map[string]string{cloud.TagHold: "x"}, []string{"add /stint:hold=x"}},
		{
			"ours on one that inherited",
			map[string]any{sign: "other", cloud.TagPolicy: "p", cloud.TagHold: "h"},
			map[string]string{cloud.TagHold: "x"},
			[]string{"remove /stint:policy", "add /stint.image=i1", "add /stint:hold=x"},
		},
	} {
		got, _ := patched(t, c.properties, func(p *Provider, ref cloud.Ref) error { return p.SetTags(t.Context(), ref, cloud.TagsOf(c.tags)) })
		if !slices.Equal(show(got), c.want) {
			t.Errorf("SetTags, %s: got %q, want %q", c.what, show(got), c.want)
		}
	}
}

func TestRemoveTagsOfImage(t *testing.T) {
	properties := map[string]any{"env": "prod", "stint.tag.owner": "alice", "owner_id": "x", "a/b~c": "raw", "stint.b64.YS9ifmM": "ours", "tags": []string{"keep"}}
	got, requests := patched(t, properties, func(p *Provider, ref cloud.Ref) error {
		return p.RemoveTags(t.Context(), ref, []string{"owner", "a/b~c", "owner_id", "no-such-key", "keep"})
	})
	if want := []string{"remove /a~1b~0c", "remove /stint.b64.YS9ifmM", "remove /stint.tag.owner"}; !slices.Equal(show(got), want) {
		t.Errorf("RemoveTags: got %q, want %q: glance refuses to remove what is not there", show(got), want)
	}
	if last := requests[len(requests)-1]; last != "DELETE "+imagesPath+"/i1/tags/keep" {
		t.Errorf("RemoveTags: got %v, want the bare tag off as well", requests)
	}
	got, requests = patched(t, nil, func(p *Provider, ref cloud.Ref) error { return p.RemoveTags(t.Context(), ref, []string{"no-such-key"}) })
	if len(got) != 0 || len(requests) != 1 {
		t.Errorf("RemoveTags of what is not there: got %v, want one look", requests)
	}
}

func TestRemoveTagsOfServerAndVolume(t *testing.T) {
	var body string
	s := newStub(t, map[string]http.HandlerFunc{
		"GET " + serversPath + "/s1":                 says(200, nil, `{"server": {"id": "s1", "metadata": {"a b": "x", "stay": "y"}, "tags": ["bare", "other"]}}`),
		"DELETE " + serversPath + "/s1/metadata/a b": says(204, nil, ""),
		"DELETE " + serversPath + "/s1/tags/bare":    says(204, nil, ""),
		"GET " + volumePath + "/volumes/v1":          says(200, nil, `{"volume": {"id": "v1", "metadata": {"team/ops": "x", "stay": "y"}}}`),
		"PUT " + volumePath + "/volumes/v1/metadata": func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			body = string(b)
			fmt.Fprint(w, `{"metadata": {}}`)
		},
	})
	p := s.open(t, nil)
	ref := cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindInstance, ID: "s1"}
	if err := p.RemoveTags(t.Context(), ref, []string{"a b", "bare", "nope"}); err != nil {
		t.Errorf("RemoveTags(server): got %v, want no error", err)
	}
	if got := s.requests(); len(got) != 3 {
		t.Errorf("RemoveTags(server): got %v, want a look and two deletions", got)
	}
	ref.Kind, ref.ID = cloud.KindDisk, "v1"
	if err := p.RemoveTags(t.Context(), ref, []string{"team/ops"}); err != nil || body != `{"metadata":{"stay":"y"}}` {
		t.Errorf("RemoveTags(volume) of a key with a slash: got %v and wrote %s, want the rest written anew", err, body)
	}
}
