package aws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// transport is a RoundTripper that may do anything.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func openOver(t *testing.T, rt http.RoundTripper) *Provider {
	t.Helper()
	p, err := Open(t.Context(), Config{
		Account: account, Endpoint: "http://ec2.example.com", AccessKey: fakeaws.AccessKey, SecretKey: fakeaws.SecretKey,
		DefaultRegion: region, HTTPClient: &http.Client{Transport: rt},
	})
	if err != nil {
		t.Fatalf("Open: got %v, want no error", err)
	}
	return p
}

func listAll[T any](t *testing.T, list func(context.Context, cloud.Query, string) (cloud.Page[T], error), q cloud.Query) []T {
	t.Helper()
	var out []T
	cursor := ""
	for {
		page, err := list(t.Context(), q, cursor)
		if err != nil {
			t.Fatalf("list %+v: got %v, want no error", q, err)
		}
		out = append(out, page.Items...)
		if cursor = page.Next; cursor == "" {
			return out
		}
	}
}

// Opening must not wait for anything: a command that only prints must not depend on the network.
func TestOpenCallsNobody(t *testing.T) {
	calls := 0
	start := time.Now()
	for range 5 {
		p, err := Open(t.Context(), Config{
			Account: account, AssumeRole: "arn:aws:iam::111122223333:role/stint", DefaultRegion: region,
			HTTPClient: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
				calls++
				return nil, io.EOF
			})},
		})
		if err != nil {
			t.Fatalf("Open: got %v, want no error", err)
		}
		p.client(region)
	}
	if took := time.Since(start) / 5; calls != 0 || took > 150*time.Millisecond {
		t.Errorf("Open with a role: %d calls in %v each, want none, within 150ms", calls, took)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []Config{
		{Account: account, AccessKey: "AKIDEXAMPLE"},
		{Account: account, SecretKey: "s3cret"},
		{Account: account, Endpoint: "ec2.example.com"},
		{Account: account, Endpoint: "http://user:s3cret@ec2.example.com"},
	} {
		_, err := Open(t.Context(), c)
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Open(%v): got %v, want an error without the secret", c, err)
		}
	}
}

// Whatever happens to a request it is sent once: the SDK's own retries would repeat creates.
func TestEveryCallIsOneAttempt(t *testing.T) {
	t.Setenv("AWS_MAX_ATTEMPTS", "5")
	t.Setenv("AWS_RETRY_MODE", "adaptive")
	for name, fault := range map[string]*fakeaws.Fault{
		"throttled":   {Code: "RequestLimitExceeded", HTTPStatus: http.StatusServiceUnavailable},
		"broken":      {Code: "InternalError", HTTPStatus: http.StatusInternalServerError},
		"cut before":  {Cut: true},
		"lost answer": {After: true},
		"html":        {Body: "<html><body>Bad Gateway</body></html>", HTTPStatus: http.StatusBadGateway},
	} {
		f := fakeaws.New(fakeaws.Options{Fault: func(string, int) *fakeaws.Fault { return fault }})
		id := f.AddInstance(region, fakeaws.NewInstance{})
		p := open(t, f)
		ref := cloud.Ref{Account: account, Region: region, Kind: cloud.KindInstance, ID: id}
		tags := cloud.TagsOf(map[string]string{cloud.TagBackup: "b1"})
		calls := map[string]func() error{
			"CreateSnapshots": func() error {
				_, err := p.CreateSnapshotSet(t.Context(), cloud.NewSnapshotSet{Region: region, Instance: id, Tags: tags})
				return err
			},
			"CreateImage": func() error {
				_, err := p.CreateImage(t.Context(), cloud.NewImage{Region: region, Instance: id, Name: "image-1", Tags: tags})
				return err
			},
			"DescribeSnapshots": func() error {
				_, err := p.Snapshots(t.Context(), cloud.Query{Region: region}, "")
				return err
			},
			"CreateTags": func() error { return p.SetTags(t.Context(), ref, tags) },
		}
		for action, call := range calls {
			err := call()
			if f.Count(action) != 1 || err == nil {
				t.Errorf("%s, %s: got %d requests and %v, want one and an error", action, name, f.Count(action), err)
			}
		}
	}
}

// Even the request for a role is made once.
func TestRoleIsAskedForOnce(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{Fault: func(action string, _ int) *fakeaws.Fault {
		if action == "AssumeRole" {
			return &fakeaws.Fault{Code: "ServiceUnavailable", HTTPStatus: http.StatusServiceUnavailable}
		}
		return nil
	}})
	_, err := openRole(t, f, "").Regions(t.Context())
	if f.Count("AssumeRole") != 1 || !errors.Is(err, cloud.ErrTransient) {
		t.Errorf("Regions when STS is down: got %d requests for the role and %v, want one and ErrTransient", f.Count("AssumeRole"), err)
	}
}

func openRole(t *testing.T, f *fakeaws.Fake, externalID string) *Provider {
	t.Helper()
	p, err := Open(t.Context(), Config{
		Account: account, Endpoint: "http://ec2.example.com", AccessKey: fakeaws.AccessKey, SecretKey: fakeaws.SecretKey, DefaultRegion: region,
		AssumeRole: "arn:aws:iam::111122223333:role/stint", ExternalID: externalID, HTTPClient: &http.Client{Transport: f.RoundTripper()},
	})
	if err != nil {
		t.Fatalf("Open: got %v, want no error", err)
	}
	return p
}

func TestRole(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{Roles: map[string]string{"arn:aws:iam::111122223333:role/stint": "stint-7"}})
	p := openRole(t, f, "stint-7")
	for range 3 {
		if got, err := p.Regions(t.Context()); err != nil || len(got) != 4 {
			t.Fatalf("Regions in the role: got %v and %v, want four regions", got, err)
		}
	}
	if n := f.Count("AssumeRole"); n != 1 {
		t.Errorf("three calls in a role asked for it %d times, want once", n)
	}
	_, err := openRole(t, f, "wrong").Regions(t.Context())
	if !errors.Is(err, cloud.ErrDenied) || !strings.Contains(err.Error(), "assuming the role") {
		t.Errorf("Regions with the wrong external id: got %v, want ErrDenied that speaks of the role", err)
	}
}

// The answer to a create is lost after it took effect: nobody may say that it failed for good, and the next look finds
// the set by its tags.
func TestLostAnswerIsFoundByTags(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	id := f.AddInstance(region, fakeaws.NewInstance{Disks: make([]fakeaws.NewDisk, 3)})
	f.SetFault(once("CreateSnapshots", &fakeaws.Fault{After: true}))
	p, err := Open(t.Context(), Config{
		Account: account, Endpoint: f.Start(t), AccessKey: fakeaws.AccessKey, SecretKey: fakeaws.SecretKey, DefaultRegion: region,
	}) // over a real connection, which is really cut
	if err != nil {
		t.Fatalf("Open: got %v, want no error", err)
	}
	tags := cloud.TagsOf(map[string]string{cloud.TagBackup: "b-1*?\\", cloud.TagPolicy: "nightly"})
	_, err = p.CreateSnapshotSet(t.Context(), cloud.NewSnapshotSet{Region: region, Instance: id, Name: "set", Tags: tags, Token: "t1"})
	if !errors.Is(err, cloud.ErrTransient) || f.Count("CreateSnapshots") != 1 {
		t.Errorf("CreateSnapshotSet with a lost answer: got %v after %d requests, want ErrTransient after one", err, f.Count("CreateSnapshots"))
	}
	f.AddSnapshot(region, fakeaws.Snapshot{Meta: fakeaws.Meta{Tags: map[string]string{cloud.TagBackup: "b-1xy\\"}}}) // what the value would match unescaped
	got := listAll(t, p.Snapshots, cloud.Query{Region: region, Tags: cloud.Tags{{Key: cloud.TagBackup, Value: "b-1*?\\"}}})
	if len(got) != 3 {
		t.Fatalf("Snapshots by %s: got %d, want the 3 of the set", cloud.TagBackup, len(got))
	}
	for _, s := range got {
		if !s.Tags.Contains(tags) || s.State != cloud.StateReady || s.Size != 8<<30 {
			t.Errorf("snapshot of the set = %+v, want its tags, ready, 8 GiB", s)
		}
	}
}

// An answer that is not EC2's must never pass for an empty listing.
func TestForeignAnswerIsNoListing(t *testing.T) {
	for name, body := range map[string]string{
		"page":                "<!doctype html><html><head><title>Sign in</title></head><body>hello<br></body></html>",
		"well-formed page":    `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><p>Sign in</p></body></html>`,
		"another action":      `<DescribeVolumesResponse><requestId>1</requestId><volumeSet/></DescribeVolumesResponse>`,
		"nothing but a space": " ",
		"half an answer":      `<?xml version="1.0"?><DescribeSnapshotsResponse><requestId>1</requestId><snapshotSet><item>`,
		"no end":              `<?xml version="1.0"?><DescribeSnapshotsResponse><requestId>1</requestId><snapshotSet></snapshotSet>`,
		"json":                `{"ok":true}`,
	} {
		f := fakeaws.New(fakeaws.Options{Fault: func(string, int) *fakeaws.Fault { return &fakeaws.Fault{Body: body} }})
		page, err := open(t, f).Snapshots(t.Context(), cloud.Query{Region: region}, "")
		if !errors.Is(err, cloud.ErrTransient) {
			t.Errorf("Snapshots, answer %s: got %v and %v, want ErrTransient", name, page, err)
		}
	}
	empty := transport(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})
	if page, err := openOver(t, empty).Snapshots(t.Context(), cloud.Query{Region: region}, ""); !errors.Is(err, cloud.ErrTransient) {
		t.Errorf("Snapshots, empty answer: got %v and %v, want ErrTransient", page, err)
	}
}

// A large answer passes whole through the check of its beginning.
func TestLongListing(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	f.AddInstances(region, 1200, 2, func(int) map[string]string { return map[string]string{"backup": "nightly"} })
	p := open(t, f)
	instances, disks := listAll(t, p.Instances, cloud.Query{Region: region}), listAll(t, p.Disks, cloud.Query{Region: region})
	if len(instances) != 1200 || len(disks) != 2400 {
		t.Errorf("listing: got %d instances and %d disks, want 1200 and 2400", len(instances), len(disks))
	}
	if a, b := f.Count("DescribeInstances"), f.Count("DescribeVolumes"); a != 2 || b != 3 {
		t.Errorf("listing took %d and %d requests, want 2 and 3", a, b)
	}
}

// An empty page with a token is not the end.
func TestEmptyPage(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{PageSize: 2, EmptyPages: true})
	for range 5 {
		f.AddSnapshot(region, fakeaws.Snapshot{})
	}
	p := open(t, f)
	first, err := p.Snapshots(t.Context(), cloud.Query{Region: region}, "")
	if err != nil || len(first.Items) != 0 || first.Next == "" {
		t.Fatalf("first page: got %d items, next %q, %v; want an empty page with a cursor", len(first.Items), first.Next, err)
	}
	if got := listAll(t, p.Snapshots, cloud.Query{Region: region}); len(got) != 5 {
		t.Errorf("Snapshots: got %d, want 5", len(got))
	}
}

// Other people's public things, and AWS's own, are never listed.
func TestOnlyOwnThings(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	mine := f.AddImage(region, fakeaws.Image{})
	f.AddImage(region, fakeaws.Image{Meta: fakeaws.Meta{Owner: "444455556666"}, Public: true})
	p := open(t, f)
	images, snapshots := listAll(t, p.Images, cloud.Query{Region: region}), listAll(t, p.Snapshots, cloud.Query{Region: region})
	if len(images) != 1 || images[0].Ref.ID != mine || len(snapshots) != 1 {
		t.Errorf("listing: got images %v and %d snapshots, want only %s and its own", images, len(snapshots), mine)
	}
}

func TestRemoveTagsWithoutKeysAsksNothing(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	id := f.AddSnapshot(region, fakeaws.Snapshot{Meta: fakeaws.Meta{Tags: map[string]string{cloud.TagHold: "legal"}}})
	p := open(t, f)
	ref := cloud.Ref{Account: account, Region: region, Kind: cloud.KindSnapshot, ID: id}
	if err := p.RemoveTags(t.Context(), ref, nil); err != nil {
		t.Fatalf("RemoveTags(no keys): got %v, want no error", err)
	}
	if got := listAll(t, p.Snapshots, cloud.Query{Region: region}); !got[0].Tags.Has(cloud.TagHold) || f.Count("DeleteTags") != 0 {
		t.Errorf("RemoveTags(no keys): tags are %v after %d requests, want them untouched and no request", got[0].Tags, f.Count("DeleteTags"))
	}
}

// An image must not reboot its instance unless it is asked to, carries its tags on its snapshots, and leaves them behind
// when it goes.
func TestImage(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	id := f.AddInstance(region, fakeaws.NewInstance{Disks: []fakeaws.NewDisk{{GiB: 8}, {GiB: 20}}})
	p := open(t, f)
	tags := cloud.TagsOf(map[string]string{cloud.TagBackup: "b1"})
	got, err := p.CreateImage(t.Context(), cloud.NewImage{Region: region, Instance: id, Name: "web-1 (nightly)", Tags: tags})
	if err != nil {
		t.Fatalf("CreateImage: got %v, want no error", err)
	}
	if again, err := p.CreateImage(t.Context(), cloud.NewImage{Region: region, Instance: id, Name: "web-1 (nightly)", Tags: tags}); !errors.Is(err, cloud.ErrConflict) {
		t.Errorf("CreateImage with the same name: got %v and %v, want ErrConflict", again, err)
	}
	if f.Images(region)[0].Rebooted {
		t.Errorf("CreateImage rebooted the instance, want it left alone")
	}
	img := listAll(t, p.Images, cloud.Query{Region: region, IDs: []string{got.Ref.ID}})[0]
	if img.State != cloud.StateReady || img.Size != 28<<30 || len(img.Snapshots) != 2 || !img.Tags.Contains(tags) || img.Locked || img.CreatedAt.IsZero() {
		t.Errorf("image = %+v, want it ready, 28 GiB, on two snapshots, tagged", img)
	}
	under := listAll(t, p.Snapshots, cloud.Query{Region: region, Tags: tags})
	if len(under) != 2 || under[0].Ref.ID != img.Snapshots[0] || under[0].Size != 8<<30 {
		t.Errorf("snapshots of the image = %+v, want two with its tags, the root first", under)
	}
	if err := p.DeleteSnapshot(t.Context(), under[0].Ref); !errors.Is(err, cloud.ErrInUse) {
		t.Errorf("DeleteSnapshot under an image: got %v, want ErrInUse", err)
	}
	if err := p.DeleteImage(t.Context(), img.Ref); err != nil {
		t.Errorf("DeleteImage: got %v, want no error", err)
	}
	if err := p.DeleteImage(t.Context(), img.Ref); !errors.Is(err, cloud.ErrNotFound) {
		t.Errorf("DeleteImage again: got %v, want ErrNotFound", err)
	}
	if n := len(f.Snapshots(region)); n != 2 {
		t.Errorf("after DeleteImage there are %d snapshots, want both still", n)
	}
	if _, err := p.CreateImage(t.Context(), cloud.NewImage{Region: region, Instance: id, Name: "cold", Reboot: true}); err != nil || !f.Images(region)[0].Rebooted {
		t.Errorf("CreateImage with Reboot: got %v, rebooted %v; want it rebooted", err, f.Images(region)[0].Rebooted)
	}
}

// The whole provider works inside a bubble: no network, no time but the bubble's.
func TestInsideABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fakeaws.New(fakeaws.Options{SnapshotTime: 10 * time.Minute, Latency: 100 * time.Millisecond, Lag: 2 * time.Second})
		id := f.AddInstance(region, fakeaws.NewInstance{})
		p := open(t, f)
		start := time.Now()
		made, err := p.CreateSnapshotSet(t.Context(), cloud.NewSnapshotSet{Region: region, Instance: id})
		if err != nil || time.Since(start) != 100*time.Millisecond {
			t.Fatalf("CreateSnapshotSet: got %v after %v, want no error after 100ms", err, time.Since(start))
		}
		q := cloud.Query{Region: region, IDs: []string{made[0].Ref.ID}}
		if got := listAll(t, p.Snapshots, q); len(got) != 0 {
			t.Errorf("at once: got %v, want nothing yet", got)
		}
		time.Sleep(5 * time.Minute) // the bubble's
		if got := listAll(t, p.Snapshots, q); len(got) != 1 || got[0].State != cloud.StateWorking || got[0].Progress < 40 || got[0].Progress > 60 {
			t.Errorf("half way: got %+v, want one that is working, about half done", got)
		}
		time.Sleep(6 * time.Minute)
		if got := listAll(t, p.Snapshots, q); len(got) != 1 || got[0].State != cloud.StateReady {
			t.Errorf("afterwards: got %+v, want one that is ready", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		if _, err := p.Snapshots(ctx, q, ""); !errors.Is(err, context.DeadlineExceeded) || cloud.ClassOf(err) != nil {
			t.Errorf("Snapshots with a deadline before the answer: got %v, want the context's own error", err)
		}
	})
}
