package openstack

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/cloudtest"
)

// TestOnRig sits the exam against a real OpenStack, in a project that it makes and removes again. It runs when
// STINT_OPENSTACK_CLOUDS names a clouds.yaml that has an administrator called admin; test/openstack brings one up.
func TestOnRig(t *testing.T) {
	rig := openRig(t)
	can := []cloud.Capability{
		cloud.Snapshots, cloud.ImageMaking, cloud.DiskMaking, cloud.Launching, cloud.Tagging, cloud.Sharing, cloud.Operating, cloud.Identifying, cloud.Referring,
	}
	t.Run("ImageBacked", func(t *testing.T) {
		cloudtest.Run(t, cloudtest.Harness{Can: can, Open: func(t *testing.T) cloudtest.Subject { return rig.subject(t, false) }})
	})
	t.Run("VolumeBacked", func(t *testing.T) {
		cloudtest.Run(t, cloudtest.Harness{Can: can, Open: func(t *testing.T) cloudtest.Subject { return rig.subject(t, true) }})
	})
}

// TestOnRigInheritedTags proves what TestInheritedTagsAreNotBelieved assumes: nova hands the properties of the image that a
// server was made from down to the images of that server.
func TestOnRigInheritedTags(t *testing.T) {
	rig := openRig(t)
	p, ctx := rig.hands, t.Context()
	imageOf := func(instance, name string, tags cloud.Tags) cloud.Image {
		t.Helper()
		made, err := p.CreateImage(ctx, cloud.NewImage{Region: rig.where.id, Instance: instance, Name: name, Tags: tags})
		if err != nil {
			t.Fatalf("CreateImage(%s): got %v, want no error", name, err)
		}
		t.Cleanup(func() { _ = p.DeleteImage(context.Background(), made.Ref) })
		rig.settle(t, made.Ref)
		return made
	}
	listed := func(id string) cloud.Image {
		t.Helper()
		page, err := p.Images(ctx, cloud.Query{Region: rig.where.id, IDs: []string{id}}, "")
		if err != nil || len(page.Items) != 1 || page.Items[0].State != cloud.StateReady {
			t.Fatalf("Images(%s): got %+v and %v, want it ready", id, page.Items, err)
		}
		return page.Items[0]
	}
	source := rig.launch(t, false, "source", 0, nil)
	backup := imageOf(source.Ref.ID, "nightly-1", cloud.TagsOf(map[string]string{cloud.TagPolicy: "nightly", cloud.TagBackup: "b1", "owner": "alice"}))
	if err := p.SetTags(ctx, backup.Ref, cloud.Tags{{Key: cloud.TagHold, Value: "the auditor"}}); err != nil {
		t.Fatalf("SetTags: got %v, want no error", err)
	}
	restored, err := p.RunInstance(ctx, cloud.NewInstance{Region: rig.where.id, Image: backup.Ref.ID, Name: "restored", Type: rigFlavor, Network: "none", Tags: cloud.Tags{{Key: cloud.TagRestored, Value: "b1"}}})
	if err != nil {
		t.Fatalf("RunInstance: got %v, want no error", err)
	}
	t.Cleanup(func() { rig.remove(t, restored.Ref) })
	rig.settle(t, restored.Ref)

	var made struct {
		ID string `json:"image_id"`
	}
	rig.must(t, "POST", rig.where.compute, map[string]any{"createImage": map[string]any{"name": "by hand"}}, &made, "servers", restored.Ref.ID, "action")
	manual := p.ref(rig.where, cloud.KindImage, made.ID)
	t.Cleanup(func() { _ = p.DeleteImage(context.Background(), manual) })
	rig.settle(t, manual)
	raw, err := p.image(ctx, "rig", rig.where, made.ID)
	if err != nil || raw.properties[cloud.TagPolicy] != "nightly" {
		t.Fatalf("properties of an image by hand of a restored server: got %v and %v, want the backup's handed down", raw.properties, err)
	}
	if got := listed(made.ID).Tags; got.Has(cloud.TagPolicy) || got.Has(cloud.TagBackup) || got.Has(cloud.TagHold) || got.Value("owner") != "alice" {
		t.Errorf("tags of an image by hand of a restored server: got %v, want none of ours, and the owner", got)
	}
	second := imageOf(restored.Ref.ID, "nightly-2", cloud.TagsOf(map[string]string{cloud.TagPolicy: "nightly", cloud.TagBackup: "b2"}))
	if got := listed(second.Ref.ID).Tags; got.Value(cloud.TagBackup) != "b2" || got.Has(cloud.TagHold) {
		t.Errorf("tags of a backup of a restored server: got %v, want its own and no hold", got)
	}
}

// rig is a real cloud, with a project of the test's own in it.
type rig struct {
	yaml    string    // of the project's user
	hands   *Provider // does by the APIs what the provider has no hands for
	image   string
	where   *region
	partner string // the id of another project
}

const rigFlavor = "m1.tiny"

func openRig(t *testing.T) *rig {
	t.Helper()
	path := os.Getenv("STINT_OPENSTACK_CLOUDS")
	if path == "" {
		t.Skip("STINT_OPENSTACK_CLOUDS is not set: give it the clouds.yaml of test/openstack")
	}
	ctx := t.Context()
	admin, err := Open(ctx, Config{Account: "admin", Cloud: "admin", CloudsYAML: path})
	if err != nil {
		t.Fatalf("Open(admin): got %v, want no error", err)
	}
	t.Cleanup(admin.Close)
	where, err := admin.in(ctx, "rig", cloud.Ref{})
	if err != nil {
		t.Fatalf("logging in as admin: got %v, want no error", err)
	}
	name := "stint-" + strings.ToLower(rand.Text()[:10])
	keystone := func(method string, path []string, body, out any) {
		t.Helper()
		to := &service{name: "keystone", client: where.compute.client, url: strings.TrimRight(admin.auth.IdentityEndpoint, "/") + "/"}
		// Cleaning up happens when the test's own context has ended.
		if _, err := admin.send(context.Background(), request{op: "rig", to: to, method: method, path: path, body: body}, out); err != nil {
			t.Fatalf("%s %s: got %v, want no error", method, strings.Join(path, "/"), err)
		}
	}
	type named struct {
		ID string `json:"id"`
	}
	var project struct{ Project named }
	var user struct{ User named }
	var roles struct {
		Roles []struct{ ID, Name string }
	}
	keystone("POST", []string{"projects"}, map[string]any{"project": map[string]any{"name": name}}, &project)
	t.Cleanup(func() { keystone("DELETE", []string{"projects", project.Project.ID}, nil, nil) })
	keystone("POST", []string{"users"}, map[string]any{"user": map[string]any{"name": name, "password": name}}, &user)
	t.Cleanup(func() { keystone("DELETE", []string{"users", user.User.ID}, nil, nil) })
	keystone("GET", []string{"roles"}, nil, &roles)
	for _, role := range roles.Roles {
		if role.Name == "member" {
			keystone("PUT", []string{"projects", project.Project.ID, "users", user.User.ID, "roles", role.ID}, nil, nil)
		}
	}
	yaml := filepath.Join(t.TempDir(), "clouds.yaml")
	text := fmt.Sprintf("clouds:\n  rig:\n    region_name: %s\n    auth:\n      auth_url: %s\n      username: %s\n      password: %s\n      project_id: %s\n      user_domain_name: Default\n",
		where.id, admin.auth.IdentityEndpoint, name, name, project.Project.ID)
	if err := os.WriteFile(yaml, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &rig{yaml: yaml, partner: where.project}
	r.hands = r.open(t, nil)
	if r.where, err = r.hands.in(ctx, "rig", cloud.Ref{}); err != nil {
		t.Fatalf("logging in as %s: got %v, want no error", name, err)
	}
	var images imagesPage
	r.call(t, "GET", r.where.image, nil, &images, "images")
	for _, i := range images.Images {
		if i.Name == "debian-12" {
			r.image = i.ID
		}
	}
	if r.image == "" {
		t.Fatal("the cloud has no image debian-12: run the rig's seed")
	}
	return r
}

func (r *rig) open(t *testing.T, transport http.RoundTripper) *Provider {
	t.Helper()
	cfg := Config{Account: "lab", Cloud: "rig", CloudsYAML: r.yaml, PageSize: 2}
	if transport != nil {
		cfg.HTTPClient = &http.Client{Transport: transport, Timeout: time.Minute}
	}
	p, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open(%+v): got %v, want no error", cfg, err)
	}
	t.Cleanup(p.Close)
	return p
}

// call asks a service for something, as the project's user.
func (r *rig) call(t *testing.T, method string, to *service, body, out any, path ...string) error {
	_, err := r.hands.send(context.Background(), request{op: "rig", to: to, method: method, path: path, body: body}, out)
	if err != nil {
		t.Logf("%s %s: %v", method, strings.Join(path, "/"), err)
	}
	return err
}

func (r *rig) must(t *testing.T, method string, to *service, body, out any, path ...string) {
	t.Helper()
	if err := r.call(t, method, to, body, out, path...); err != nil {
		t.Fatal("the rig cannot be prepared")
	}
}

// subject is one case's view of the project.
func (r *rig) subject(t *testing.T, volumeBacked bool) cloudtest.Subject {
	faults := &faulty{next: http.DefaultTransport.(*http.Transport).Clone()}
	p := r.open(t, faults)
	if _, err := p.Regions(t.Context()); err != nil { // the login is no request of any op
		t.Fatalf("Regions(): got %v, want no error", err)
	}
	partner := r.partner
	if volumeBacked {
		partner = "" // what stands on snapshots is shared with nobody
	}
	return cloudtest.Subject{
		Provider: p, Account: "lab", Partner: partner, Region: r.where.id, PageSize: 2, InstanceType: rigFlavor, Network: "none",
		Launch: func(t *testing.T, name string, dataDisks int, tags cloud.Tags) cloud.Instance {
			return r.launch(t, volumeBacked, name, dataDisks, tags)
		},
		Settle: r.settle, Unknown: func(kind cloud.Kind, n int) string {
			return fmt.Sprintf("00000000-0000-4000-8000-%08d%04d", n, int(kind))
		},
		Provoke: faults.provoke, Requests: faults.requests,
		Unprovokable: []error{cloud.ErrUnsupported},
		Lock:         r.lock, Dispose: func(t *testing.T, ref cloud.Ref) { r.remove(t, ref) },
		LaunchTokens: true, DiskTokens: true, ImagesStand: volumeBacked, ImageHoldsDisks: volumeBacked,
		RequestIDs: true,
	}
}

func (r *rig) launch(t *testing.T, volumeBacked bool, name string, dataDisks int, tags cloud.Tags) cloud.Instance {
	t.Helper()
	var volumes []string
	make := func(body map[string]any) string {
		var made struct {
			Volume struct{ ID string }
		}
		body["size"], body["name"] = 1, name
		r.must(t, "POST", r.where.volume, map[string]any{"volume": body}, &made, "volumes")
		ref := r.hands.ref(r.where, cloud.KindDisk, made.Volume.ID)
		t.Cleanup(func() { r.remove(t, ref) })
		r.settle(t, ref)
		return made.Volume.ID
	}
	body := map[string]any{"name": name, "flavorRef": r.flavor(t), "networks": "none", "metadata": metadata(cloud.KindInstance, tags)}
	if volumeBacked {
		root := make(map[string]any{"imageRef": r.image})
		body["block_device_mapping_v2"] = []any{map[string]any{"boot_index": 0, "uuid": root, "source_type": "volume", "destination_type": "volume", "delete_on_termination": true}}
	} else {
		body["imageRef"] = r.image
	}
	for range dataDisks {
		volumes = append(volumes, make(map[string]any{}))
	}
	var made struct {
		Server struct{ ID string }
	}
	r.must(t, "POST", r.where.compute, map[string]any{"server": body}, &made, "servers")
	ref := r.hands.ref(r.where, cloud.KindInstance, made.Server.ID)
	t.Cleanup(func() { r.remove(t, ref) })
	r.settle(t, ref)
	for _, v := range volumes {
		r.must(t, "POST", r.where.compute, map[string]any{"volumeAttachment": map[string]any{"volumeId": v}}, nil, "servers", ref.ID, "os-volume_attachments")
		r.settle(t, r.hands.ref(r.where, cloud.KindDisk, v))
	}
	page, err := r.hands.Instances(t.Context(), cloud.Query{IDs: []string{ref.ID}}, "")
	if err != nil || len(page.Items) != 1 || page.Items[0].Power != cloud.PowerRunning {
		t.Fatalf("Launch: got %+v and %v, want one running instance", page.Items, err)
	}
	return page.Items[0]
}

func (r *rig) flavor(t *testing.T) string {
	t.Helper()
	id, err := r.hands.flavor(t.Context(), "rig", cloud.Ref{}, r.where, rigFlavor)
	if err != nil {
		t.Fatalf("flavor %s: %v", rigFlavor, err)
	}
	return id
}

// settle polls until the thing is neither being made nor being changed.
func (r *rig) settle(t *testing.T, ref cloud.Ref) {
	t.Helper()
	q, ctx := cloud.Query{Region: ref.Region, IDs: []string{ref.ID}}, context.Background()
	for tries := 0; tries < 600; tries++ {
		busy, err := false, error(nil)
		switch ref.Kind {
		case cloud.KindInstance:
			var s server
			if s, err = r.hands.server(ctx, "rig", r.where, ref.ID); err == nil {
				power := powerOf(s.Status, s.Task)
				busy = s.Task != "" || power == cloud.PowerStarting || power == cloud.PowerStopping
			} else if cloud.ClassOf(err) == cloud.ErrNotFound {
				err = nil
			}
		case cloud.KindDisk:
			var page cloud.Page[cloud.Disk]
			page, err = r.hands.Disks(ctx, q, "")
			busy = len(page.Items) > 0 && page.Items[0].State == cloud.StateWorking
		case cloud.KindSnapshot:
			var page cloud.Page[cloud.Snapshot]
			page, err = r.hands.Snapshots(ctx, q, "")
			busy = len(page.Items) > 0 && page.Items[0].State == cloud.StateWorking
		case cloud.KindImage:
			var page cloud.Page[cloud.Image]
			page, err = r.hands.Images(ctx, q, "")
			busy = len(page.Items) > 0 && page.Items[0].State == cloud.StateWorking || r.imaging(ctx)
		}
		if err != nil {
			t.Fatalf("settling %s: %v", ref, err)
		}
		if !busy {
			return
		}
		pause(ctx, 100*time.Millisecond)
	}
	t.Fatalf("%s does not settle", ref)
}

// pause waits for the rig, which is a real cloud and has no events.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// imaging says whether some server is still busy with an image of itself: it clears that after the image is active, and
// refuses the next one until then.
func (r *rig) imaging(ctx context.Context) bool {
	var all struct{ Servers []server }
	_, err := r.hands.send(ctx, request{op: "rig", to: r.where.compute, method: "GET", path: []string{"servers", "detail"}}, &all)
	for _, s := range all.Servers {
		if strings.HasPrefix(s.Task, "image_") {
			return true
		}
	}
	return err != nil
}

func (r *rig) lock(t *testing.T, ref cloud.Ref) {
	t.Helper()
	if ref.Kind != cloud.KindImage {
		return
	}
	set := func(v bool) error {
		_, err := r.hands.send(context.Background(), request{
			op: "rig", to: r.where.image, method: "PATCH", path: []string{"images", ref.ID},
			body:   []any{map[string]any{"op": "replace", "path": "/protected", "value": v}},
			header: map[string]string{"Content-Type": "application/openstack-images-v2.1-json-patch"},
		}, nil)
		return err
	}
	if err := set(true); err != nil {
		t.Fatalf("protecting %s: %v", ref, err)
	}
	t.Cleanup(func() { _ = set(false) })
}

// remove deletes an instance or a disk, with what was made from the disk, and waits until it is gone.
func (r *rig) remove(t *testing.T, ref cloud.Ref) {
	t.Helper()
	ctx := context.Background()
	to, path := r.where.compute, "servers"
	if ref.Kind == cloud.KindDisk {
		to, path = r.where.volume, "volumes"
		r.settle(t, ref)
	}
	if err := r.call(t, "DELETE", to, nil, nil, path, ref.ID); err != nil {
		return
	}
	for range 600 {
		_, err := r.hands.send(ctx, request{op: "rig", ref: ref, to: to, method: "GET", path: []string{path, ref.ID}}, nil)
		if err != nil {
			return
		}
		pause(ctx, 100*time.Millisecond)
	}
	t.Errorf("%s does not go away", ref)
}
