package openstack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

// TestPower: nova refuses what is so already, and a look tells that from what is in the way.
func TestPower(t *testing.T) {
	const busy, wrong, locked = "Cannot 'stop' instance s1 while it is in task_state powering-on", "Cannot 'start' instance s1 while it is in vm_state active", "Instance s1 is locked"
	for _, c := range []struct {
		what         string
		start        bool
		refusal      string // nova accepts it when empty
		status, task string
		want         error
	}{
		{"start of one that is shut off", true, "", "", "", nil},
		{"start of one that runs", true, wrong, "ACTIVE", "", nil},
		{"start of one that starts", true, busy, "SHUTOFF", "powering-on", nil},
		{"start of one that stops", true, busy, "ACTIVE", "powering-off", cloud.ErrConflict},
		{"start of one that is paused", true, wrong, "PAUSED", "", cloud.ErrConflict},
		{"start of one that is broken", true, wrong, "ERROR", "", cloud.ErrConflict},
		{"start of one that is locked", true, locked, "SHUTOFF", "", cloud.ErrDenied},
		{"stop of one that runs", false, "", "", "", nil},
		{"stop of one that is shut off", false, wrong, "SHUTOFF", "", nil},
		{"stop of one that is shelved", false, wrong, "SHELVED_OFFLOADED", "", nil},
		{"stop of one that stops", false, busy, "ACTIVE", "powering-off", nil},
		{"stop of one that starts", false, busy, "SHUTOFF", "powering-on", cloud.ErrConflict},
		{"stop of one that is being imaged", false, "Cannot 'stop' instance s1 while it is in task_state image_snapshot", "ACTIVE", "image_snapshot", cloud.ErrConflict},
	} {
		var body map[string]any
		act := capture(202, nil, "", &body)
		if c.refusal != "" {
			act = says(409, nil, fmt.Sprintf(`{"conflictingRequest": {"code": 409, "message": %q}}`, c.refusal))
		}
		server, _ := json.Marshal(map[string]any{"server": serverJSON("s1", map[string]any{"status": c.status, "OS-EXT-STS:task_state": c.task})})
		s := newStub(t, map[string]http.HandlerFunc{"POST " + serversPath + "/s1/action": act, "GET " + serversPath + "/s1": says(200, nil, string(server))})
		p, ref := s.open(t, nil), cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindInstance, ID: "s1"}
		call, op, action := p.StopInstance, "instance.stop", "os-stop"
		if c.start {
			call, op, action = p.StartInstance, "instance.start", "os-start"
		}
		err := call(t.Context(), ref)
		if e, ok := errors.AsType[*cloud.Error](err); c.want == nil && err != nil || c.want != nil && (!ok || e.Class != c.want || e.Op != op || e.Ref != ref || e.Code != "409 conflictingRequest") {
			t.Errorf("%s: got %v, want class %v", c.what, err, c.want)
		}
		if _, has := body[action]; c.refusal == "" && (!has || len(body) != 1 || len(s.requests()) != 1) {
			t.Errorf("%s: got request %v, want %s alone", c.what, body, action)
		}
	}
}

// TestPowerOfWhatIsGone: also when it goes between the refusal and the look.
func TestPowerOfWhatIsGone(t *testing.T) {
	missing := says(404, nil, `{"itemNotFound": {"code": 404, "message": "Instance s1 could not be found."}}`)
	refused := says(409, nil, `{"conflictingRequest": {"code": 409, "message": "Cannot 'stop' instance s1 while it is in task_state deleting"}}`)
	for _, act := range []http.HandlerFunc{missing, refused} {
		s := newStub(t, map[string]http.HandlerFunc{"POST " + serversPath + "/s1/action": act, "GET " + serversPath + "/s1": missing})
		ref := cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindInstance, ID: "s1"}
		if err := s.open(t, nil).StopInstance(t.Context(), ref); !errors.Is(err, cloud.ErrNotFound) || !strings.Contains(err.Error(), "instance.stop") {
			t.Errorf("StopInstance of what is gone: got %v, want ErrNotFound", err)
		}
	}
	s := newStub(t, nil)
	p := s.open(t, nil)
	ref := cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindInstance, ID: "../images/i1"}
	for _, err := range []error{p.StartInstance(t.Context(), ref), p.StopInstance(t.Context(), ref), p.DeleteInstance(t.Context(), ref)} {
		if !errors.Is(err, cloud.ErrNotFound) {
			t.Errorf("an id that cannot be: got %v, want ErrNotFound unasked", err)
		}
	}
}

func TestDeleteInstance(t *testing.T) {
	for _, c := range []struct {
		answer http.HandlerFunc
		want   error
	}{
		{says(204, nil, ""), nil},
		{says(404, nil, `{"itemNotFound": {"code": 404, "message": "Instance s1 could not be found."}}`), cloud.ErrNotFound},
		{says(409, nil, `{"conflictingRequest": {"code": 409, "message": "Instance s1 is locked"}}`), cloud.ErrDenied},
	} {
		s := newStub(t, map[string]http.HandlerFunc{"DELETE " + serversPath + "/s1": c.answer})
		err := s.open(t, nil).DeleteInstance(t.Context(), cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindInstance, ID: "s1"})
		if cloud.ClassOf(err) != c.want || c.want == nil && err != nil {
			t.Errorf("DeleteInstance: got %v, want class %v", err, c.want)
		}
	}
}

// TestThrowawayNamesItsSnapshots: nova lets no request say of an image's own volumes that they go with the server.
func TestThrowawayNamesItsSnapshots(t *testing.T) {
	volumeBacked, _ := json.Marshal(imageJSON("i1", map[string]any{"block_device_mapping": `[{"snapshot_id": "data", "boot_index": null, "volume_size": 2}, {"snapshot_id": "root", "boot_index": 0, "volume_size": 1}]`}))
	other, _ := json.Marshal(imageJSON("i2", nil))
	var body map[string]any
	s := newStub(t, map[string]http.HandlerFunc{
		"GET " + imagesPath + "/i1": says(200, nil, string(volumeBacked)), "GET " + imagesPath + "/i2": says(200, nil, string(other)),
		"GET " + imagesPath + "/i3":        says(404, nil, "<html><body><h1>404 Not Found</h1>No image found with ID i3</body></html>"),
		"GET /compute/v2.1/flavors":        says(200, nil, `{"flavors": [{"id": "1", "name": "m1.tiny"}]}`),
		"POST " + serversPath:              capture(202, nil, `{"server": {"id": "new"}}`, &body),
		"GET " + serversPath + "/detail":   says(200, nil, `{"servers": []}`),
		"GET " + snapshotsPath + "/detail": says(200, nil, `{"snapshots": []}`),
	})
	p := s.open(t, nil)
	req := cloud.NewInstance{Region: "north", Image: "i1", Name: "n", Type: "m1.tiny", Network: "none", Tags: ourTags, Throwaway: true}
	if got, err := p.RunInstance(t.Context(), req); err != nil || got.Ref.ID != "new" {
		t.Fatalf("RunInstance: got %+v and %v, want new", got, err)
	}
	disk := func(id string, index float64) map[string]any {
		return map[string]any{"uuid": id, "source_type": "snapshot", "destination_type": "volume", "boot_index": index, "delete_on_termination": true}
	}
	if got := field(body, "server", "block_device_mapping_v2"); !reflect.DeepEqual(got, []any{disk("root", 0), disk("data", -1)}) {
		t.Errorf("disks of what is thrown away: got %v, want both, root first, each going with it", got)
	}
	if got := field(body, "server", "imageRef"); got != nil {
		t.Errorf("image of what is thrown away: got %v beside its snapshots, want none", got)
	}
	req.Image = "i2"
	if _, err := p.RunInstance(t.Context(), req); err != nil || field(body, "server", "imageRef") != "i2" || field(body, "server", "block_device_mapping_v2") != nil {
		t.Errorf("RunInstance of an image with no volumes: got %v and request %v, want the image alone", err, body)
	}
	req.Image = "i3"
	_, err := p.RunInstance(t.Context(), req)
	if e, ok := errors.AsType[*cloud.Error](err); !ok || e.Class != cloud.ErrNotFound || e.Op != "instance.run" || e.Ref.ID != "i3" {
		t.Errorf("RunInstance of an image that is gone: got %v, want ErrNotFound about it", err)
	}
}

// TestShare: nova's images are private, and only a shared one has members.
func TestShare(t *testing.T) {
	const partner = "fedcba9876543210fedcba9876543210"
	visibility, members := "private", []string{}
	glance := map[string]http.HandlerFunc{
		"GET " + imagesPath + "/i1": func(w http.ResponseWriter, r *http.Request) {
			b, _ := json.Marshal(imageJSON("i1", map[string]any{"visibility": visibility}))
			says(200, nil, string(b))(w, r)
		},
		"PATCH " + imagesPath + "/i1": func(w http.ResponseWriter, r *http.Request) {
			var changes []map[string]string
			_ = json.NewDecoder(r.Body).Decode(&changes)
			if len(changes) == 1 && changes[0]["path"] == "/visibility" {
				visibility = changes[0]["value"]
			}
			says(200, nil, "{}")(w, r)
		},
		"POST " + imagesPath + "/i1/members": func(w http.ResponseWriter, r *http.Request) {
			var body struct{ Member string }
			_ = json.NewDecoder(r.Body).Decode(&body)
			switch {
			case visibility != "shared":
				says(403, nil, "Only shared images have members.")(w, r)
			case slices.Contains(members, body.Member):
				says(409, nil, "Image member "+body.Member+" already associated with image i1.")(w, r)
			default:
				members = append(members, body.Member)
				says(200, nil, "{}")(w, r)
			}
		},
		"GET " + imagesPath + "/i1/members": func(w http.ResponseWriter, r *http.Request) {
			list := []map[string]string{}
			for _, m := range members {
				list = append(list, map[string]string{"member_id": m, "status": "pending"})
			}
			b, _ := json.Marshal(map[string]any{"members": list})
			says(200, nil, string(b))(w, r)
		},
		"DELETE " + imagesPath + "/i1/members/" + partner: func(w http.ResponseWriter, r *http.Request) {
			switch {
			case visibility != "shared":
				says(403, nil, "Only shared images have members.")(w, r)
			case len(members) == 0:
				says(404, nil, "Member not found.")(w, r)
			default:
				members = nil
				says(204, nil, "")(w, r)
			}
		},
	}
	p := newStub(t, glance).open(t, nil)
	ref := cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindImage, ID: "i1"}
	with := func(want ...string) {
		t.Helper()
		if got, err := p.SharedWith(t.Context(), ref); err != nil || !slices.Equal(got, want) {
			t.Errorf("SharedWith = %v, %v; want %v", got, err, want)
		}
	}
	with()
	if err := p.Share(t.Context(), ref, partner, false); err != nil {
		t.Errorf("Share off of what was never shared: got %v, want no error", err)
	}
	for range 2 {
		if err := p.Share(t.Context(), ref, partner, true); err != nil || visibility != "shared" {
			t.Errorf("Share: got %v and the image %s, want it shared", err, visibility)
		}
		with(partner)
	}
	for range 2 {
		if err := p.Share(t.Context(), ref, partner, false); err != nil {
			t.Errorf("Share off: got %v, want no error", err)
		}
		with()
	}
}

func TestWhatCannotBeShared(t *testing.T) {
	for _, c := range []struct {
		what  string
		image map[string]any
		with  string
		want  error
	}{
		{"with nobody", nil, "no such project", cloud.ErrUnsupported},
		{"what stands on snapshots", map[string]any{"block_device_mapping": `[{"snapshot_id": "s1", "boot_index": 0}]`}, stubProject, cloud.ErrUnsupported},
		{"what everybody may use", map[string]any{"visibility": "public"}, stubProject, cloud.ErrUnsupported},
		{"what is being made", map[string]any{"status": "saving"}, stubProject, cloud.ErrConflict},
	} {
		b, _ := json.Marshal(imageJSON("i1", merge(map[string]any{"visibility": "private"}, c.image)))
		s := newStub(t, map[string]http.HandlerFunc{"GET " + imagesPath + "/i1": says(200, nil, string(b))})
		err := s.open(t, nil).Share(t.Context(), cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindImage, ID: "i1"}, c.with, true)
		if e, ok := errors.AsType[*cloud.Error](err); !ok || e.Class != c.want || e.Op != "image.share" {
			t.Errorf("sharing %s: got %v, want class %v", c.what, err, c.want)
		}
	}
	s := newStub(t, nil)
	if err := s.open(t, nil).Share(t.Context(), cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindSnapshot, ID: "s1"}, stubProject, true); !errors.Is(err, cloud.ErrUnsupported) {
		t.Errorf("sharing a snapshot: got %v, want ErrUnsupported unasked", err)
	}
}

func TestIdentityIsTheProject(t *testing.T) {
	s := newStub(t, nil)
	if got, err := s.open(t, nil).Identity(t.Context()); err != nil || got != stubProject {
		t.Errorf("Identity() = %q, %v; want %s", got, err, stubProject)
	}
	s.refuse = true
	if _, err := s.open(t, nil).Identity(t.Context()); !errors.Is(err, cloud.ErrDenied) || !strings.Contains(err.Error(), "account.identity") {
		t.Errorf("Identity() of one who is not let in: got %v, want denied", err)
	}
}
