package openstack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func many(n int, make func(string, map[string]any) map[string]any) []map[string]any {
	var out []map[string]any
	for i := range n {
		out = append(out, make(fmt.Sprintf("x%d", i), nil))
	}
	return out
}

// Pages go on behind the last thing seen; when that is gone by now, behind the one before. Nothing comes twice or never.
func TestPagesOutliveTheirMarker(t *testing.T) {
	type listing struct {
		list func(string) (cloud.Page[cloud.Ref], error)
		of   *things
	}
	servers := &things{kind: "servers", gone: 400, items: many(7, serverJSON)}
	snapshots := &things{kind: "snapshots", gone: 404, items: many(7, snapshotJSON)}
	images := &things{kind: "images", gone: 400, items: many(7, imageJSON), fetch: func(r *http.Request, _ map[string]any) bool {
		return r.URL.Query().Get("os_hidden") == ""
	}}
	s := newStub(t, map[string]http.HandlerFunc{
		"GET " + serversPath + "/detail": servers.ServeHTTP, "GET " + snapshotsPath + "/detail": snapshots.ServeHTTP, "GET " + imagesPath: images.ServeHTTP,
	})
	p := s.open(t, nil)
	for name, l := range map[string]listing{
		"instances": {func(c string) (cloud.Page[cloud.Ref], error) {
			page, err := p.Instances(t.Context(), north, c)
			return refsOf(page, func(v cloud.Instance) cloud.Ref { return v.Ref }), err
		}, servers},
		"snapshots": {func(c string) (cloud.Page[cloud.Ref], error) {
			page, err := p.Snapshots(t.Context(), north, c)
			return refsOf(page, func(v cloud.Snapshot) cloud.Ref { return v.Ref }), err
		}, snapshots},
		"images": {func(c string) (cloud.Page[cloud.Ref], error) {
			page, err := p.Images(t.Context(), north, c)
			return refsOf(page, func(v cloud.Image) cloud.Ref { return v.Ref }), err
		}, images},
	} {
		got := allPages(t, l.list, func(r cloud.Ref) cloud.Ref { return r }, func(page int) {
			if page == 1 {
				l.of.remove("x1") // the last of the first page
			}
		})
		if want := []string{"x0", "x1", "x2", "x3", "x4", "x5", "x6"}; !slices.Equal(got, want) {
			t.Errorf("%s, the marker of the second page deleted: got %v, want %v", name, got, want)
		}
	}
}

func refsOf[T any](page cloud.Page[T], ref func(T) cloud.Ref) cloud.Page[cloud.Ref] {
	out := cloud.Page[cloud.Ref]{Next: page.Next}
	for _, item := range page.Items {
		out.Items = append(out.Items, ref(item))
	}
	return out
}

// When the whole end of a page is gone, the listing says that it failed: cut short, it would read as absence.
func TestPagesWithoutAnyMarkerFail(t *testing.T) {
	snapshots := &things{kind: "snapshots", gone: 404, items: many(5, snapshotJSON)}
	s := newStub(t, map[string]http.HandlerFunc{"GET " + snapshotsPath + "/detail": snapshots.ServeHTTP})
	p := s.open(t, nil)
	first, err := p.Snapshots(t.Context(), north, "")
	if err != nil {
		t.Fatal(err)
	}
	snapshots.remove("x0")
	snapshots.remove("x1")
	if got, err := p.Snapshots(t.Context(), north, first.Next); !errors.Is(err, cloud.ErrTransient) || len(got.Items) != 0 {
		t.Errorf("second page behind nothing: got %v and %v, want ErrTransient and no items", got.Items, err)
	}
}

// An administrator's credentials see other projects' things; none of them may come.
func TestListingsAreOfTheOwnProject(t *testing.T) {
	other := "fedcba9876543210fedcba9876543210"
	server := serverJSON("s1", map[string]any{"tenant_id": other})
	snapshot := snapshotJSON("sn1", map[string]any{"os-extended-snapshot-attributes:project_id": other})
	vol := map[string]any{"id": "v1", "status": "available", "os-vol-tenant-attr:tenant_id": other}
	s := newStub(t, map[string]http.HandlerFunc{
		"GET " + serversPath + "/detail":        (&things{kind: "servers", items: []map[string]any{server}}).ServeHTTP,
		"GET " + serversPath + "/s1":            says(200, nil, `{"server": {"id": "s1", "tenant_id": "`+other+`"}}`),
		"GET " + snapshotsPath + "/detail":      (&things{kind: "snapshots", items: []map[string]any{snapshot}}).ServeHTTP,
		"GET " + volumePath + "/volumes/detail": (&things{kind: "volumes", items: []map[string]any{vol}}).ServeHTTP,
		"GET " + imagesPath:                     (&things{kind: "images", items: []map[string]any{imageJSON("i1", map[string]any{"owner": other, "visibility": "public"})}}).ServeHTTP,
	})
	p := s.open(t, nil)
	ctx := t.Context()
	a, err1 := p.Instances(ctx, north, "")
	b, err2 := p.Instances(ctx, cloud.Query{Region: "north", IDs: []string{"s1"}}, "")
	c, err3 := p.Snapshots(ctx, north, "")
	d, err4 := p.Disks(ctx, north, "")
	e, err5 := p.Images(ctx, north, "")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	if n := len(a.Items) + len(b.Items) + len(c.Items) + len(d.Items) + len(e.Items); n != 0 {
		t.Errorf("listings of another project's things: got %d, want none", n)
	}
	log := strings.Join(s.requests(), "\n")
	for _, want := range []string{"owner=" + stubProject, "visibility=all"} {
		if !strings.Contains(log, want) {
			t.Errorf("requests: got\n%s\nwant %s among them", log, want)
		}
	}
	if strings.Contains(log, "all_tenants") {
		t.Errorf("requests: got\n%s\nwant no all_tenants", log)
	}
}

// What somebody hid is not gone, in no listing.
func TestHiddenImagesAreListed(t *testing.T) {
	images := &things{
		kind: "images", items: []map[string]any{imageJSON("seen", nil), imageJSON("hidden", map[string]any{"os_hidden": true})},
		fetch: func(r *http.Request, item map[string]any) bool {
			ids := r.URL.Query().Get("id")
			return (item["os_hidden"] == true) == (r.URL.Query().Get("os_hidden") == "true") && (ids == "" || strings.Contains(ids, item["id"].(string)))
		},
	}
	s := newStub(t, map[string]http.HandlerFunc{"GET " + imagesPath: images.ServeHTTP})
	p := s.open(t, nil)
	for _, q := range []cloud.Query{north, {Region: "north", IDs: []string{"hidden", "seen", "absent", "not an id"}}} {
		got := allPages(t, func(c string) (cloud.Page[cloud.Image], error) { return p.Images(t.Context(), q, c) }, func(i cloud.Image) cloud.Ref { return i.Ref }, nil)
		if !slices.Equal(got, []string{"seen", "hidden"}) {
			t.Errorf("Images(%+v): got %v, want both", q, got)
		}
	}
}

// Ids are asked for one by one where there is no other way, in bounded bites, each once; those that cannot be are not asked for.
func TestListingByIDs(t *testing.T) {
	handlers := map[string]http.HandlerFunc{}
	var ids []string
	for i := range 50 {
		id := fmt.Sprintf("s%d", i)
		ids = append(ids, id)
		handlers["GET "+snapshotsPath+"/"+id] = says(404, nil, `{"itemNotFound": {"code": 404, "message": "Snapshot could not be found."}}`)
	}
	handlers["GET "+snapshotsPath+"/s7"] = says(200, nil, `{"snapshot": {"id": "s7", "status": "available"}}`)
	s := newStub(t, handlers)
	p := s.open(t, nil)
	q := cloud.Query{Region: "north", IDs: append(ids, "s7", "../servers", "", "a/b")}
	first, err := p.Snapshots(t.Context(), q, "")
	if n := len(s.requests()); err != nil || n != atOnce || first.Next == "" {
		t.Errorf("first page of %d ids: got %d requests, cursor %q and %v, want %d requests", len(q.IDs), n, first.Next, err, atOnce)
	}
	got := allPages(t, func(c string) (cloud.Page[cloud.Snapshot], error) { return p.Snapshots(t.Context(), q, c) }, func(v cloud.Snapshot) cloud.Ref { return v.Ref }, nil)
	if n := len(s.requests()); !slices.Equal(got, []string{"s7"}) || n != 50 {
		t.Errorf("Snapshots by %d ids: got %v by %d requests, want s7 by 50", len(q.IDs), got, n)
	}
	if page, err := p.Snapshots(t.Context(), cloud.Query{Region: "north", IDs: []string{}}, ""); err != nil || len(page.Items) != 0 || len(s.requests()) != 0 {
		t.Errorf("Snapshots by no ids: got %v and %v, want nothing, unasked", page.Items, err)
	}
}

// Cinder and glance filter by our tags; the answer holds to all tags whatever they do.
func TestListingByTags(t *testing.T) {
	snapshots := &things{kind: "snapshots", items: []map[string]any{
		snapshotJSON("a", map[string]any{"metadata": map[string]string{"stint:policy": "nightly", "env": "prod"}}),
		snapshotJSON("b", map[string]any{"metadata": map[string]string{"stint:policy": "nightly"}}),
		snapshotJSON("c", nil),
	}}
	images := &things{
		kind: "images", items: []map[string]any{imageJSON("a", map[string]any{"stint:policy": "nightly", "env": "prod"}), imageJSON("b", nil)},
		fetch: func(r *http.Request, _ map[string]any) bool { return r.URL.Query().Get("os_hidden") == "" },
	}
	s := newStub(t, map[string]http.HandlerFunc{"GET " + snapshotsPath + "/detail": snapshots.ServeHTTP, "GET " + imagesPath: images.ServeHTTP})
	p := s.open(t, func(c *Config) { c.PageSize = 10 })
	q := cloud.Query{Region: "north", Tags: cloud.TagsOf(map[string]string{"stint:policy": "nightly", "env": "prod"})}
	page, err := p.Snapshots(t.Context(), q, "")
	if err != nil || len(page.Items) != 1 || page.Items[0].Ref.ID != "a" {
		t.Errorf("Snapshots(%v): got %+v and %v, want a alone", q.Tags, page.Items, err)
	}
	if got := s.requests(); len(got) != 1 || !strings.Contains(got[0], "metadata=%7B%22stint%3Apolicy%22%3A%22nightly%22%7D") {
		t.Errorf("Snapshots(%v): got requests %v, want cinder to filter by the tag of ours", q.Tags, got)
	}
	got, err := p.Images(t.Context(), q, "")
	if err != nil || len(got.Items) != 1 || got.Items[0].Ref.ID != "a" {
		t.Errorf("Images(%v): got %+v and %v, want a alone", q.Tags, got.Items, err)
	}
	if got := s.requests(); len(got) != 1 || !strings.Contains(got[0], "stint%3Apolicy=nightly") || strings.Contains(got[0], "env=") {
		t.Errorf("Images(%v): got requests %v, want glance to filter by the tag of ours alone", q.Tags, got)
	}
}

// A site may not let people filter by metadata: then we filter, on every page.
func TestListingByTagsWhereTheSiteHasNoFilter(t *testing.T) {
	snapshots := &things{kind: "snapshots", gone: 404}
	for i := range 5 {
		snapshots.items = append(snapshots.items, snapshotJSON(fmt.Sprintf("x%d", i), map[string]any{"metadata": map[string]string{"stint:policy": []string{"a", "b"}[i%2]}}))
	}
	s := newStub(t, map[string]http.HandlerFunc{"GET " + snapshotsPath + "/detail": func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("metadata") {
			says(400, nil, `{"badRequest": {"code": 400, "message": "Invalid filters metadata are found in query options."}}`)(w, r)
			return
		}
		snapshots.ServeHTTP(w, r)
	}})
	p := s.open(t, nil)
	q := cloud.Query{Region: "north", Tags: cloud.Tags{{Key: cloud.TagPolicy, Value: "a"}}}
	got := allPages(t, func(c string) (cloud.Page[cloud.Snapshot], error) { return p.Snapshots(t.Context(), q, c) }, func(v cloud.Snapshot) cloud.Ref { return v.Ref }, nil)
	if !slices.Equal(got, []string{"x0", "x2", "x4"}) {
		t.Errorf("Snapshots(%v): got %v, want x0 x2 x4", q.Tags, got)
	}
	if n := len(s.requests()); n != 4 {
		t.Errorf("requests: got %d, want 4: three pages, and the filter tried once", n)
	}
}

func TestInstance(t *testing.T) {
	local := serverJSON("local", map[string]any{
		"image": map[string]any{"id": "i1"}, "flavor": map[string]any{"original_name": "m1.tiny"}, "OS-EXT-AZ:availability_zone": "az1", "user_id": "u7",
		"metadata": map[string]string{"env": "prod", "both": "metadata", "stint.b64.Y2Fmw6k": "x"}, "tags": []string{"bare", "both"},
		"addresses": map[string]any{"web-net": []any{}, "back-net": []any{}}, "os-extended-volumes:volumes_attached": []any{map[string]any{"id": "v2"}, map[string]any{"id": "v1"}},
	})
	onVolume := serverJSON("volume", map[string]any{
		"image": "", "flavor": map[string]any{"id": "42"}, "os-extended-volumes:volumes_attached": []any{map[string]any{"id": "v3"}, map[string]any{"id": "v4"}, map[string]any{"id": "v5"}},
	})
	at := func(server, device string) []any {
		return []any{map[string]any{"server_id": server, "device": device}}
	}
	vols := &things{kind: "volumes", items: []map[string]any{
		{"id": "v1", "attachments": at("local", "/dev/vdb"), "bootable": "true"},
		{"id": "v2", "attachments": at("local", "/dev/vdc")},
		{"id": "v3", "attachments": at("volume", "/dev/vdaa")},
		{"id": "v4", "attachments": at("volume", "/dev/vdb")},
		{"id": "v5", "attachments": at("volume", "/dev/vdc"), "bootable": "true"},
	}}
	s := newStub(t, map[string]http.HandlerFunc{
		"GET " + serversPath + "/detail":        (&things{kind: "servers", items: []map[string]any{local, onVolume}}).ServeHTTP,
		"GET " + volumePath + "/volumes/detail": vols.ServeHTTP,
	})
	page, err := s.open(t, func(c *Config) { c.PageSize = 10 }).Instances(t.Context(), north, "")
	if err != nil || len(page.Items) != 2 {
		t.Fatalf("Instances: got %+v and %v, want two", page.Items, err)
	}
	if got := s.requests(); len(got) != 2 {
		t.Errorf("Instances with five volumes: got requests %v, want one of servers and one of volumes", got)
	}
	want := cloud.Instance{
		Ref: cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindInstance, ID: "local"}, Name: "local", Zone: "az1", Type: "m1.tiny", Power: cloud.PowerRunning,
		Image: "i1", Disks: []cloud.Attachment{{Disk: "v1", Device: "/dev/vdb"}, {Disk: "v2", Device: "/dev/vdc"}}, LocalRoot: true, Network: "back-net",
		User: "u7", Project: stubProject, Tags: cloud.TagsOf(map[string]string{"env": "prod", "bare": "", "both": "metadata", "café": "x"}), CreatedAt: when,
	}
	if got := page.Items[0]; fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("image-backed server: got\n%+v\nwant\n%+v", got, want)
	}
	got := page.Items[1]
	if root := (cloud.Attachment{Disk: "v5", Device: "/dev/vdc", Root: true}); got.LocalRoot || got.Type != "42" || len(got.Disks) != 3 ||
		got.Disks[0] != root || got.Disks[1].Disk != "v4" || got.Disks[2].Disk != "v3" {
		t.Errorf("volume-backed server: got %+v, want the bootable volume first, as root, then vdb before vdaa", got)
	}
}

// Of a server whose cell is down nova tells the id alone. Taken for one without tags it would lose the tag that spares it.
func TestServerOfACellThatIsDownFailsTheListing(t *testing.T) {
	down := map[string]any{"id": "s2", "status": "UNKNOWN", "tenant_id": stubProject, "created": "2026-01-02T03:04:05Z"}
	s := newStub(t, map[string]http.HandlerFunc{"GET " + serversPath + "/detail": (&things{kind: "servers", items: []map[string]any{serverJSON("s1", nil), down}}).ServeHTTP})
	if page, err := s.open(t, nil).Instances(t.Context(), north, ""); !errors.Is(err, cloud.ErrTransient) || len(page.Items) != 0 {
		t.Errorf("Instances with a cell down: got %v and %v, want ErrTransient and no items", page.Items, err)
	}
}

func TestInstanceWithoutVolumesAsksNoVolumes(t *testing.T) {
	s := newStub(t, map[string]http.HandlerFunc{"GET " + serversPath + "/detail": (&things{kind: "servers", items: many(2, serverJSON)}).ServeHTTP})
	if _, err := s.open(t, nil).Instances(t.Context(), north, ""); err != nil {
		t.Fatal(err)
	}
	if got := s.requests(); len(got) != 1 {
		t.Errorf("requests: got %v, want one", got)
	}
}

func TestImage(t *testing.T) {
	bdm := `[{"snapshot_id": "data", "volume_size": 2, "boot_index": -1}, {"snapshot_id": "root", "volume_size": 5, "boot_index": 0}, {"source_type": "blank"}, {"snapshot_id": "more", "volume_size": 1, "boot_index": null}]`
	images := &things{kind: "images", fetch: func(r *http.Request, _ map[string]any) bool { return r.URL.Query().Get("os_hidden") == "" }, items: []map[string]any{
		imageJSON("full", map[string]any{"protected": true, "user_id": "u7", "os_distro": "debian", "base_image_ref": "b", "env": "prod", "tags": []string{"keep"}, "min_disk": 3}),
		imageJSON("stands", map[string]any{"size": 0, "block_device_mapping": bdm, "bdm_v2": "True"}),
		imageJSON("failed", map[string]any{"status": "queued", "size": nil, "os_glance_failed_import": "ceph"}),
		imageJSON("empty", map[string]any{"status": "queued", "size": nil, "os_glance_failed_import": ""}),
	}}
	s := newStub(t, map[string]http.HandlerFunc{
		"GET " + imagesPath:              images.ServeHTTP,
		"GET " + snapshotsPath + "/root": says(200, nil, `{"snapshot": {"id": "root", "status": "available"}}`),
		"GET " + snapshotsPath + "/data": says(200, nil, `{"snapshot": {"id": "data", "status": "available"}}`),
		"GET " + snapshotsPath + "/more": says(200, nil, `{"snapshot": {"id": "more", "status": "available"}}`),
	})
	page, err := s.open(t, func(c *Config) { c.PageSize = 10 }).Images(t.Context(), north, "")
	if err != nil || len(page.Items) != 4 {
		t.Fatalf("Images: got %+v and %v, want four", page.Items, err)
	}
	full, stands, failed, empty := page.Items[0], page.Items[1], page.Items[2], page.Items[3]
	if !full.Locked || full.User != "u7" || full.Size != 7 || full.State != cloud.StateReady || !full.CreatedAt.Equal(when) ||
		!full.Tags.Equal(cloud.TagsOf(map[string]string{"os_distro": "debian", "env": "prod", "keep": ""})) {
		t.Errorf("image: got %+v, want it locked, of u7, ready, with the tags that people gave it", full)
	}
	if stands.State != cloud.StateReady || !slices.Equal(stands.Snapshots, []string{"root", "data", "more"}) || stands.Size != 8*gib {
		t.Errorf("image of a volume-backed server: got %v, %d bytes, want it ready, root, data, more of 8 GiB", stands.Snapshots, stands.Size)
	}
	if failed.State != cloud.StateFailed || !strings.Contains(failed.Detail, "ceph") || empty.State != cloud.StateWorking {
		t.Errorf("queued images: got %v (%s) and %v, want the failed import failed and the other working", failed.State, failed.Detail, empty.State)
	}
}

// Glance calls an image of a volume-backed server active whatever becomes of the snapshots under it. Only complete ones
// make it good.
func TestImageIsReadyWhenItsSnapshotsAre(t *testing.T) {
	states := map[string]cloud.State{"available": cloud.StateReady, "creating": cloud.StateWorking, "error": cloud.StateFailed, "deleting": cloud.StateWorking, "gone": cloud.StateFailed, "new-word": cloud.StateUnknown}
	for _, n := range []int{1, few + 1} { // asked for one by one, and listed
		images := &things{kind: "images", fetch: func(r *http.Request, _ map[string]any) bool { return r.URL.Query().Get("os_hidden") == "" }}
		snapshots := &things{kind: "snapshots"}
		handlers := map[string]http.HandlerFunc{}
		for status := range states {
			var bdm []map[string]any
			for i := range n {
				id, real := fmt.Sprintf("%s-%d", status, i), "available"
				if i == n-1 {
					real = status
				}
				bdm = append(bdm, map[string]any{"snapshot_id": id, "boot_index": i})
				handlers["GET "+snapshotsPath+"/"+id] = says(404, nil, `{"itemNotFound": {"code": 404, "message": "Snapshot could not be found."}}`)
				if real != "gone" {
					handlers["GET "+snapshotsPath+"/"+id] = says(200, nil, fmt.Sprintf(`{"snapshot": {"id": %q, "status": %q}}`, id, real))
					snapshots.items = append(snapshots.items, snapshotJSON(id, map[string]any{"status": real}))
				}
			}
			text, _ := json.Marshal(bdm)
			images.items = append(images.items, imageJSON(status, map[string]any{"size": 0, "block_device_mapping": string(text)}))
		}
		handlers["GET "+imagesPath], handlers["GET "+snapshotsPath+"/detail"] = images.ServeHTTP, snapshots.ServeHTTP
		s := newStub(t, handlers)
		got := 0
		for cursor, first := "", true; first || cursor != ""; first = false {
			page, err := s.open(t, nil).Images(t.Context(), north, cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range page.Items {
				got++
				if i.State != states[i.Name] || (i.State == cloud.StateReady) != (i.Detail == "active") {
					t.Errorf("image on %d snapshots of which one is %s: got %v (%s), want %v", n, i.Name, i.State, i.Detail, states[i.Name])
				}
			}
			cursor = page.Next
		}
		if got != len(states) {
			t.Errorf("Images: got %d, want %d", got, len(states))
		}
	}
}

func TestStates(t *testing.T) {
	for status, want := range map[string]cloud.State{
		"queued": cloud.StateWorking, "saving": cloud.StateWorking, "uploading": cloud.StateWorking, "importing": cloud.StateWorking, "active": cloud.StateReady,
		"killed": cloud.StateFailed, "deactivated": cloud.StateRetired, "pending_delete": cloud.StateRetired, "deleted": cloud.StateRetired, "new-word": cloud.StateUnknown, "": cloud.StateUnknown,
	} {
		if got := stateOf(imageStates, status); got != want {
			t.Errorf("image %q: got %v, want %v", status, got, want)
		}
	}
	for status, want := range map[string]cloud.State{
		"available": cloud.StateReady, "creating": cloud.StateWorking, "backing-up": cloud.StateWorking, "deleting": cloud.StateWorking, "restoring": cloud.StateWorking,
		"error": cloud.StateFailed, "error_deleting": cloud.StateFailed, "deleted": cloud.StateRetired, "new-word": cloud.StateUnknown,
	} {
		if got := stateOf(snapshotStates, status); got != want {
			t.Errorf("snapshot %q: got %v, want %v", status, got, want)
		}
	}
	for status, want := range map[string]cloud.State{
		"available": cloud.StateReady, "in-use": cloud.StateReady, "creating": cloud.StateWorking, "attaching": cloud.StateWorking, "error": cloud.StateFailed, "new-word": cloud.StateUnknown,
	} {
		if got := stateOf(volumeStates, status); got != want {
			t.Errorf("volume %q: got %v, want %v", status, got, want)
		}
	}
	for _, c := range []struct {
		status, task string
		want         cloud.Power
	}{
		{"ACTIVE", "", cloud.PowerRunning},
		{"ACTIVE", "image_uploading", cloud.PowerRunning},
		{"ACTIVE", "powering-off", cloud.PowerStopping},
		{"ACTIVE", "deleting", cloud.PowerStopping},
		{"SHUTOFF", "", cloud.PowerStopped},
		{"SHUTOFF", "powering-on", cloud.PowerStarting},
		{"SHELVED_OFFLOADED", "", cloud.PowerStopped},
		{"PAUSED", "", cloud.PowerStopped},
		{"BUILD", "spawning", cloud.PowerStarting},
		{"HARD_REBOOT", "", cloud.PowerStarting},
		{"ERROR", "", cloud.PowerFailed},
		{"DELETED", "", cloud.PowerGone},
		{"SOFT_DELETED", "", cloud.PowerGone},
		{"UNKNOWN", "", cloud.PowerUnknown},
		{"NEW_WORD", "", cloud.PowerUnknown},
	} {
		if got := powerOf(c.status, c.task); got != c.want {
			t.Errorf("power of %s, %q: got %v, want %v", c.status, c.task, got, c.want)
		}
	}
}

func TestSnapshotOfAGroupIsManaged(t *testing.T) {
	snapshots := &things{kind: "snapshots", items: []map[string]any{snapshotJSON("a", map[string]any{"group_snapshot_id": "g1"})}}
	s := newStub(t, map[string]http.HandlerFunc{"GET " + snapshotsPath + "/detail": snapshots.ServeHTTP})
	page, err := s.open(t, nil).Snapshots(t.Context(), north, "")
	if err != nil || len(page.Items) != 1 || page.Items[0].Managed == "" || page.Items[0].Size != 3*gib || page.Items[0].Progress != 100 || !page.Items[0].CreatedAt.Equal(when) {
		t.Errorf("Snapshots: got %+v and %v, want it managed by its group, 3 GiB, complete", page.Items, err)
	}
}
