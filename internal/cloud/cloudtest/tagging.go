package cloudtest

import (
	"slices"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func taggingCases() []testCase {
	return []testCase{
		{"TagsOnInstance", []cloud.Capability{cloud.Tagging}, tagsOnInstance},
		{"TagsOnDisk", []cloud.Capability{cloud.Tagging}, tagsOnDisk},
		{"TagsOnSnapshot", []cloud.Capability{cloud.Tagging, cloud.Snapshots}, tagsOnSnapshot},
		{"TagsOnImage", []cloud.Capability{cloud.Tagging, cloud.ImageMaking}, tagsOnImage},
		{"TagsOnUnknown", []cloud.Capability{cloud.Tagging}, tagsOnUnknown},
	}
}

func tagsOnInstance(t *testing.T, e *exam) {
	i := e.Launch(t, e.name("web"), 0, cloud.TagsOf(map[string]string{"keep": "me", "mood": "old"}))
	e.retag(t, i.Ref, func() cloud.Tags { got, _ := e.instance(t, i.Ref.ID); return got.Tags })
}

func tagsOnDisk(t *testing.T, e *exam) {
	ref := e.ref(cloud.KindDisk, e.firstDisk(t))
	if err := e.c.SetTags(t.Context(), ref, cloud.TagsOf(map[string]string{"keep": "me", "mood": "old"})); err != nil {
		t.Fatalf("SetTags(%s): got %v, want no error", ref, err)
	}
	e.retag(t, ref, func() cloud.Tags { got, _ := e.disk(t, ref.ID); return got.Tags })
}

func tagsOnSnapshot(t *testing.T, e *exam) {
	snap := e.makeSnapshot(t, e.firstDisk(t), "a")
	e.Settle(t, snap.Ref)
	if err := e.c.SetTags(t.Context(), snap.Ref, cloud.TagsOf(map[string]string{"keep": "me", "mood": "old"})); err != nil {
		t.Fatalf("SetTags(%s): got %v, want no error", snap.Ref, err)
	}
	e.retag(t, snap.Ref, func() cloud.Tags { got, _ := e.snapshot(t, snap.Ref.ID); return got.Tags })
	got, _ := e.snapshot(t, snap.Ref.ID)
	checkTags(t, "after tags of others came and went", got.Tags, e.stint("a"))
}

func tagsOnImage(t *testing.T, e *exam) {
	source := e.Launch(t, e.name("source"), 0, nil)
	img := e.ready(t, e.makeImage(t, source.Ref.ID, "a"))
	if err := e.c.SetTags(t.Context(), img.Ref, cloud.TagsOf(map[string]string{"keep": "me", "mood": "old"})); err != nil {
		t.Fatalf("SetTags(%s): got %v, want no error", img.Ref, err)
	}
	e.retag(t, img.Ref, func() cloud.Tags { got, _ := e.image(t, img.Ref.ID); return got.Tags })
	checkTags(t, "after tags of others came and went", e.ready(t, img).Tags, e.stint("a"))
}

// retag adds, overwrites and takes off, each twice, on a thing that carries keep=me and mood=old.
func (e *exam) retag(t *testing.T, ref cloud.Ref, now func() cloud.Tags) {
	t.Helper()
	ctx := t.Context()
	before := now()
	set := cloud.TagsOf(map[string]string{"mood": "new", cloud.TagHold: "the auditor, until May", "empty": ""})
	for range 2 {
		if err := e.c.SetTags(ctx, ref, set); err != nil {
			t.Fatalf("SetTags(%s, %v): got %v, want no error", ref, set, err)
		}
		if got, want := now(), before.Merge(set); !got.Equal(want) {
			t.Errorf("tags of %s after SetTags(%v): got %v, want %v", ref, set, got, want)
		}
	}
	keys := []string{cloud.TagHold, "empty", "no-such-key"}
	for range 2 {
		if err := e.c.RemoveTags(ctx, ref, keys); err != nil {
			t.Fatalf("RemoveTags(%s, %q): got %v, want no error", ref, keys, err)
		}
		if got, want := now(), before.Merge(set).Without(keys...); !got.Equal(want) {
			t.Errorf("tags of %s after RemoveTags(%q): got %v, want %v", ref, keys, got, want)
		}
	}
	tag := cloud.Tag{Key: "exam", Value: e.nonce}
	if err := e.c.SetTags(ctx, ref, cloud.Tags{tag}); err != nil {
		t.Fatalf("SetTags(%s, %v): got %v, want no error", ref, tag, err)
	}
	q := cloud.Query{Region: e.Region, Tags: cloud.Tags{tag}}
	if got := e.refs(t, ctx, ref.Kind, q); !slices.Equal(got, []cloud.Ref{ref}) {
		t.Errorf("listing by a tag that was set later, %v: got %v, want %s", tag, got, ref)
	}
}

func tagsOnUnknown(t *testing.T, e *exam) {
	for _, kind := range cloud.Kinds() {
		ref := e.unknown(kind)
		e.wantClass(t, "tag.set", ref, cloud.ErrNotFound, e.c.SetTags(t.Context(), ref, cloud.Tags{{Key: "a", Value: "b"}}))
		e.wantClass(t, "tag.remove", ref, cloud.ErrNotFound, e.c.RemoveTags(t.Context(), ref, []string{"a"}))
	}
}
