package openstack

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

// town is a small cloud in which images and snapshots have users, on pages of two.
func town() map[string]http.HandlerFunc {
	servers := &things{kind: "servers", gone: 400, items: []map[string]any{
		serverJSON("s1", map[string]any{"image": map[string]any{"id": "other"}}),
		serverJSON("s2", map[string]any{"image": ""}), // boots from volumes
		serverJSON("s3", map[string]any{"image": map[string]any{"id": "i1"}, "status": "SHUTOFF"}),
		serverJSON("s4", map[string]any{"image": map[string]any{"id": "i1"}, "status": "SOFT_DELETED"}),
		serverJSON("s5", map[string]any{"image": map[string]any{"id": "i2"}}),
	}}
	bdm := func(ids ...string) string {
		var list []string
		for n, id := range ids {
			list = append(list, fmt.Sprintf(`{"snapshot_id": %q, "boot_index": %d, "volume_size": 1}`, id, n))
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	images := &things{kind: "images", gone: 400, items: []map[string]any{
		imageJSON("i1", map[string]any{"visibility": "shared"}), imageJSON("i2", map[string]any{"visibility": "private"}),
		imageJSON("i3", map[string]any{"visibility": "public"}), imageJSON("i4", map[string]any{"block_device_mapping": bdm("n1")}),
		imageJSON("i5", map[string]any{"block_device_mapping": bdm("n9", "n2"), "os_hidden": true}),
		imageJSON("i6", map[string]any{"block_device_mapping": bdm("n1"), "owner": "another"}),
	}, fetch: func(r *http.Request, item map[string]any) bool {
		ids := r.URL.Query().Get("id")
		return (item["os_hidden"] == true) == (r.URL.Query().Get("os_hidden") == "true") && (ids == "" || slices.Contains(strings.Split(strings.TrimPrefix(ids, "in:"), ","), item["id"].(string)))
	}}
	volume := func(id, from string) map[string]any {
		return map[string]any{"id": id, "status": "in-use", "size": 1, "snapshot_id": from, "created_at": "2026-01-02T03:04:05.000000"}
	}
	volumes := &things{kind: "volumes", gone: 404, items: []map[string]any{volume("v1", ""), volume("v2", "n9"), volume("v3", "n1")}}
	return map[string]http.HandlerFunc{
		"GET " + serversPath + "/detail": servers.ServeHTTP, "GET " + imagesPath: images.ServeHTTP,
		"GET " + volumePath + "/volumes/detail": volumes.ServeHTTP,
		"GET " + imagesPath + "/i1/members":     says(200, nil, `{"members": [{"member_id": "zoo", "status": "accepted"}, {"member_id": "bank", "status": "pending"}]}`),
	}
}

func asking(kind cloud.Kind, ids ...string) []cloud.Ref {
	var out []cloud.Ref
	for _, id := range ids {
		out = append(out, cloud.Ref{Account: "lab", Region: "north", Kind: kind, ID: id})
	}
	return out
}

func TestUses(t *testing.T) {
	p := newStub(t, town()).open(t, nil)
	for _, c := range []struct {
		refs []cloud.Ref
		want []string
	}{
		{asking(cloud.KindImage, "i1", "i2", "i3", "absent", "../images"), []string{
			"i1: instance s3 (" + rebuildLost + ")", "i1: account bank (" + mayUse + ")", "i1: account zoo (" + mayUse + ")",
			"i2: instance s5 (" + rebuildLost + ")", "i3: account all (" + mayUse + ")",
		}},
		{asking(cloud.KindImage, "i4", "absent"), nil},
		{asking(cloud.KindImage, "not an id"), nil},
		{asking(cloud.KindSnapshot, "n1", "n2", "n3"), []string{"n1: disk v3 (" + maybeClone + ")", "n1: image i4 !", "n2: image i5 !"}},
	} {
		uses, err := cloud.NewClient("lab", p).Uses(t.Context(), c.refs)
		var got []string
		for _, u := range uses {
			text := u.Of.ID + ": " + u.String()
			if u.Blocks {
				text += " !"
			}
			got = append(got, text)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("Uses(%v) = %q, %v; want %q", c.refs, got, err, c.want)
		}
	}
}

// TestUsesFailWhole: whichever request fails, nothing is told, and neither is it while nova does not see all servers.
func TestUsesFailWhole(t *testing.T) {
	forbidden := says(403, nil, `{"forbidden": {"code": 403, "message": "Policy doesn't allow it to be performed."}}`)
	down := says(200, nil, fmt.Sprintf(`{"servers": [{"id": "s9", "status": "UNKNOWN", "tenant_id": %q, "created": "2026-01-02T03:04:05Z"}]}`, stubProject))
	for _, c := range []struct {
		path   string
		answer http.HandlerFunc
		kind   cloud.Kind
		class  error
	}{
		{serversPath + "/detail", forbidden, cloud.KindImage, cloud.ErrDenied},
		{serversPath + "/detail", down, cloud.KindImage, cloud.ErrTransient},
		{imagesPath, forbidden, cloud.KindImage, cloud.ErrDenied},
		{imagesPath + "/i1/members", forbidden, cloud.KindImage, cloud.ErrDenied},
		{imagesPath, forbidden, cloud.KindSnapshot, cloud.ErrDenied},
		{volumePath + "/volumes/detail", forbidden, cloud.KindSnapshot, cloud.ErrDenied},
	} {
		handlers := town()
		handlers["GET "+c.path] = c.answer
		got, err := newStub(t, handlers).open(t, nil).Uses(t.Context(), asking(c.kind, "i1"))
		e, ok := errors.AsType[*cloud.Error](err)
		if want := (cloud.Ref{Account: "lab", Region: "north", Kind: c.kind}); !ok || e.Class != c.class || e.Op != c.kind.String()+".uses" || e.Ref != want || got != nil {
			t.Errorf("Uses of a %s when %s fails: got %v and %v, want class %v about %s", c.kind, c.path, got, err, c.class, want)
		}
	}
	handlers := town()
	handlers["GET "+imagesPath+"/i1/members"] = says(404, nil, "<html><body><h1>404 Not Found</h1>No image found with ID i1</body></html>")
	got, err := newStub(t, handlers).open(t, nil).Uses(t.Context(), asking(cloud.KindImage, "i1"))
	if err != nil || len(got) != 1 {
		t.Errorf("Uses of an image that goes meanwhile = %v, %v; want the server alone", got, err)
	}
}

// TestUsesTogether: fifty of either cost what one does.
func TestUsesTogether(t *testing.T) {
	s := newStub(t, town())
	p := s.open(t, func(c *Config) { c.PageSize = 100 })
	for kind, want := range map[cloud.Kind]int{cloud.KindImage: 3, cloud.KindSnapshot: 3} {
		var ids []string
		for n := range 50 {
			ids = append(ids, fmt.Sprintf("free-%d", n))
		}
		s.requests()
		if got, err := p.Uses(t.Context(), asking(kind, ids...)); err != nil || len(got) != 0 {
			t.Errorf("Uses of %d %ss that nobody uses = %v, %v; want none", len(ids), kind, got, err)
		}
		if got := s.requests(); len(got) != want {
			t.Errorf("Uses of %d %ss made %d requests, want %d: %q", len(ids), kind, len(got), want, got)
		}
	}
}
