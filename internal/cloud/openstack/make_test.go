package openstack

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

// capture answers with a text and keeps the request's body.
func capture(status int, header map[string]string, body string, into *map[string]any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*into = nil
		_ = json.NewDecoder(r.Body).Decode(into)
		says(status, header, body)(w, r)
	}
}

func field(body map[string]any, path ...string) any {
	var v any = body
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

var ourTags = cloud.TagsOf(map[string]string{cloud.TagPolicy: "nightly", cloud.TagAction: "act1", "owner": "alice"})

// Below 3.66 cinder wants force for a volume in use; from then on the word is refused by some releases.
func TestCreateSnapshotForcesWhereItMust(t *testing.T) {
	for newest, want := range map[string]any{"3.70": nil, "3.66": nil, "3.65": true, "3.0": true} {
		var body map[string]any
		s := newStub(t, map[string]http.HandlerFunc{"POST " + snapshotsPath: capture(202, nil, `{"snapshot": {"id": "sn1", "status": "creating", "size": 1, "volume_id": "v1", "metadata": {"stint:policy": "nightly"}}}`, &body)})
		s.volume = newest
		got, err := s.open(t, nil).CreateSnapshot(t.Context(), cloud.NewSnapshot{Region: "north", Disk: "v1", Name: "n", Tags: ourTags, Token: "t"})
		if err != nil || got.State != cloud.StateWorking || got.Ref.ID != "sn1" || got.Project != stubProject {
			t.Errorf("CreateSnapshot at %s: got %+v and %v, want sn1 working", newest, got, err)
		}
		if f := field(body, "snapshot", "force"); f != want {
			t.Errorf("CreateSnapshot at %s: got force %v, want %v", newest, f, want)
		}
		if m := field(body, "snapshot", "metadata", cloud.TagPolicy); m != "nightly" {
			t.Errorf("CreateSnapshot: got metadata %v, want the tags in the creating call", field(body, "snapshot", "metadata"))
		}
	}
}

// The image's id stands in the body from 2.45 on, and before in a header alone, with no body at all.
func TestCreateImageFindsItsID(t *testing.T) {
	for newest, answer := range map[string]struct {
		header map[string]string
		body   string
	}{
		"2.93": {nil, `{"image_id": "i1"}`},
		"2.42": {map[string]string{"Location": "http://images.example.com/images/i1"}, ""},
	} {
		var body map[string]any
		s := newStub(t, map[string]http.HandlerFunc{"POST " + serversPath + "/s1/action": capture(202, answer.header, answer.body, &body)})
		s.compute = newest
		got, err := s.open(t, nil).CreateImage(t.Context(), cloud.NewImage{Region: "north", Instance: "s1", Name: "n1", Description: strings.Repeat("é", 300), Tags: ourTags, Token: "t"})
		if err != nil || got.Ref != (cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindImage, ID: "i1"}) || got.State != cloud.StateWorking || !got.Tags.Equal(ourTags) {
			t.Errorf("CreateImage at %s: got %+v and %v, want i1 working with its tags", newest, got, err)
		}
		want := map[string]any{
			cloud.TagPolicy: "nightly", cloud.TagAction: "act1", "stint.tag.owner": "alice", sign: "n1", "description": strings.Repeat("é", 255),
			cloud.TagHold: void, cloud.TagRole: void, cloud.TagParts: void, cloud.TagRestored: void,
		}
		if m := field(body, "createImage", "metadata"); !reflect.DeepEqual(m, want) {
			t.Errorf("CreateImage at %s: got metadata %v, want %v", newest, m, want)
		}
		if n := len(s.requests()); n != 1 {
			t.Errorf("CreateImage at %s: got %d requests, want one", newest, n)
		}
	}
}

// There are no tokens: what an earlier try of the same action made is found by its tag, and nothing is made twice.
func TestCreatesLookForTheirActionFirst(t *testing.T) {
	tagged := map[string]any{"metadata": map[string]string{cloud.TagAction: "act1"}}
	servers := &things{kind: "servers", items: []map[string]any{serverJSON("other", nil), serverJSON("broken", merge(map[string]any{"status": "ERROR"}, tagged)), serverJSON("mine", tagged)}}
	volumes := &things{kind: "volumes", items: []map[string]any{
		{"id": "broken", "status": "error", "metadata": map[string]string{cloud.TagAction: "act1"}},
		{"id": "mine", "status": "creating", "metadata": map[string]string{cloud.TagAction: "act1"}},
	}}
	var made map[string]any
	s := newStub(t, map[string]http.HandlerFunc{
		"GET " + serversPath + "/detail":        servers.ServeHTTP,
		"GET " + volumePath + "/volumes/detail": volumes.ServeHTTP,
		"POST " + volumePath + "/volumes":       capture(202, nil, `{"volume": {"id": "new", "status": "creating", "size": 2}}`, &made),
		"POST " + serversPath:                   capture(202, nil, `{"server": {"id": "new"}}`, &made),
		"GET /compute/v2.1/flavors":             says(200, nil, `{"flavors": [{"id": "1", "name": "m1.tiny"}, {"id": "2", "name": "m1.small"}]}`),
	})
	p := s.open(t, nil)
	disk := cloud.NewDisk{Region: "north", Snapshot: "sn1", Name: "n", Size: gib + 1, Type: "fast", Zone: "az1", Tags: ourTags}
	server := cloud.NewInstance{Region: "north", Image: "i1", Name: "n", Type: "m1.small", Network: "none", KeyName: "k", Tags: ourTags}
	if got, err := p.CreateDisk(t.Context(), disk); err != nil || got.Ref.ID != "mine" {
		t.Errorf("CreateDisk after an unclear answer: got %v and %v, want the one that is there and not broken", got.Ref, err)
	}
	if got, err := p.RunInstance(t.Context(), server); err != nil || got.Ref.ID != "mine" {
		t.Errorf("RunInstance after an unclear answer: got %v and %v, want the one that is there and not broken", got.Ref, err)
	}
	if slices.ContainsFunc(s.requests(), func(r string) bool { return strings.HasPrefix(r, "POST") }) {
		t.Errorf("creates after an unclear answer: got a POST, want none")
	}
	servers.remove("mine")
	volumes.remove("mine")
	got, err := p.CreateDisk(t.Context(), disk)
	if err != nil || got.Ref.ID != "new" || got.State != cloud.StateWorking {
		t.Errorf("CreateDisk: got %+v and %v, want new, working", got, err)
	}
	want := map[string]any{"snapshot_id": "sn1", "name": "n", "size": 2.0, "volume_type": "fast", "availability_zone": "az1", "metadata": map[string]any{cloud.TagPolicy: "nightly", cloud.TagAction: "act1", "owner": "alice"}}
	if m := field(made, "volume"); !reflect.DeepEqual(m, want) {
		t.Errorf("CreateDisk: got request %v, want %v", m, want)
	}
	run, err := p.RunInstance(t.Context(), server)
	if err != nil || run.Ref.ID != "new" || run.Power != cloud.PowerStarting {
		t.Errorf("RunInstance: got %+v and %v, want new, starting", run, err)
	}
	if m, ok := field(made, "server").(map[string]any); !ok || m["flavorRef"] != "2" || m["networks"] != "none" || m["imageRef"] != "i1" || m["key_name"] != "k" {
		t.Errorf("RunInstance: got request %v, want the flavor's id, image, key and no network", m)
	}
	server.Type = "huge"
	if _, err := p.RunInstance(t.Context(), server); !errors.Is(err, cloud.ErrNotFound) || !strings.Contains(err.Error(), `"huge"`) {
		t.Errorf("RunInstance with an unknown flavor: got %v, want ErrNotFound that names it", err)
	}
}

// What deletes or sets tags twice has the effect of once; the look before a tag is taken off is a single one.
func TestRefsThatCannotBeAreNotFoundUnasked(t *testing.T) {
	s := newStub(t, nil)
	p := s.open(t, nil)
	for _, id := range []string{"", "../../servers/x", "a b", "x?force=true"} {
		image := cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindImage, ID: id}
		snapshot := cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindSnapshot, ID: id}
		for op, err := range map[string]error{
			"DeleteImage": p.DeleteImage(t.Context(), image), "DeleteSnapshot": p.DeleteSnapshot(t.Context(), snapshot),
			"SetTags": p.SetTags(t.Context(), image, ourTags), "RemoveTags": p.RemoveTags(t.Context(), snapshot, []string{"a"}),
		} {
			if !errors.Is(err, cloud.ErrNotFound) {
				t.Errorf("%s of id %q: got %v, want ErrNotFound", op, id, err)
			}
		}
	}
	if got := s.requests(); len(got) != 0 {
		t.Errorf("requests: got %v, want none", got)
	}
}

func TestMicroversions(t *testing.T) {
	for newest, want := range map[string]string{"2.93": "compute 2.69", "2.69": "compute 2.69", "2.53": "compute 2.53"} {
		var asked string
		s := newStub(t, map[string]http.HandlerFunc{"GET " + serversPath + "/detail": func(w http.ResponseWriter, r *http.Request) {
			asked = r.Header.Get("OpenStack-API-Version")
			says(200, nil, `{"servers": []}`)(w, r)
		}})
		s.compute = newest
		if _, err := s.open(t, nil).Instances(t.Context(), north, ""); err != nil || asked != want {
			t.Errorf("Instances of a nova that speaks %s: got %q and %v, want %q", newest, asked, err, want)
		}
	}
}

// TestRequestIsNoted: the deletion's own id, not that of the login before; also when the answer breaks off, and where only
// nova's older header is there; and none when no answer came.
func TestRequestIsNoted(t *testing.T) {
	for _, c := range []struct {
		what   string
		answer http.HandlerFunc
		want   string
	}{
		{"a good answer", says(204, map[string]string{"X-Openstack-Request-Id": "req-1"}, ""), "req-1"},
		{"the older header", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Del("X-Openstack-Request-Id")
			w.Header().Set("X-Compute-Request-Id", "req-2")
			w.WriteHeader(204)
		}, "req-2"},
		{"a refusal", says(409, map[string]string{"X-Openstack-Request-Id": "req-3"}, ""), "req-3"},
		{"an answer that breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Openstack-Request-Id", "req-4")
			w.Header().Set("Content-Length", "10")
			w.WriteHeader(500)
		}, "req-4"},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ""},
	} {
		s := newStub(t, map[string]http.HandlerFunc{"DELETE " + imagesPath + "/i1": c.answer})
		ctx, id := cloud.WatchRequest(t.Context())
		err := s.open(t, nil).DeleteImage(ctx, cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindImage, ID: "i1"})
		if id.Get() != c.want {
			t.Errorf("%s: got request id %q (and %v), want %q", c.what, id.Get(), err, c.want)
		}
	}
}
