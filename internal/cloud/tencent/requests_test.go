package tencent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/tencent/faketencent"
)

// sent is one request as it went over the wire.
type sent struct {
	action, version, region, service, language string
	body                                       string
}

// recorder carries requests and keeps them.
type recorder struct {
	next http.RoundTripper
	mu   sync.Mutex
	list []sent
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	s := sent{
		action: req.Header.Get("X-TC-Action"), version: req.Header.Get("X-TC-Version"), region: req.Header.Get("X-TC-Region"),
		language: req.Header.Get("X-TC-Language"), body: string(body),
	}
	if scope := strings.Split(req.Header.Get("Authorization"), "/"); len(scope) > 2 {
		s.service = scope[2]
	}
	r.mu.Lock()
	r.list = append(r.list, s)
	r.mu.Unlock()
	return r.next.RoundTrip(req)
}

func (r *recorder) take() []sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.list
	r.list = nil
	return out
}

// recorded gives a provider whose requests are kept.
func recorded(t *testing.T, f *faketencent.Fake) (*Provider, *recorder) {
	t.Helper()
	r := &recorder{next: f.RoundTripper()}
	return openWith(t, Config{SecretID: faketencent.SecretID, SecretKey: faketencent.SecretKey, Transport: r}), r
}

// TestRequests compares what is sent with the names that Tencent Cloud documents.
func TestRequests(t *testing.T) {
	f := faketencent.New(faketencent.Options{})
	p, rec := recorded(t, f)
	ctx := t.Context()
	id := f.AddInstance(region, faketencent.NewInstance{Name: "web", Disks: make([]faketencent.NewDisk, 3)})
	disks := f.Instances(region)[0].Disks
	snap := f.AddSnapshot(region, faketencent.Snapshot{DiskID: disks[1]})
	sys := f.AddSnapshot(region, faketencent.Snapshot{DiskID: disks[0], Usage: "SYSTEM_DISK", GiB: 50})
	img := f.AddImage(region, faketencent.Image{Name: "img", Snapshots: []faketencent.ImageDisk{{SnapshotID: sys, Usage: "SYSTEM_DISK", GiB: 50}, {SnapshotID: snap, Usage: "DATA_DISK", GiB: 50}}})
	q := cloud.Query{Region: region}
	tags := cloud.TagsOf(map[string]string{"stint:policy": "nightly", "empty": ""})
	type step struct {
		name string
		call func() error
		want []sent
	}
	ref := func(kind cloud.Kind, id string) cloud.Ref { return p.ref(region, kind, id) }
	for _, s := range []step{
		{"Regions", func() error { _, err := p.Regions(ctx); return err }, []sent{{action: "DescribeRegions", service: "cvm", body: `{}`}}},
		{"Instances", func() error { _, err := p.Instances(ctx, q, ""); return err }, []sent{{action: "DescribeInstances", service: "cvm", body: `{"Limit":100,"Offset":0}`}}},
		{"Instances by id", func() error {
			_, err := p.Instances(ctx, cloud.Query{Region: region, IDs: []string{id, "i-0123", "ins-"}}, "")
			return err
		}, []sent{{action: "DescribeInstances", service: "cvm", body: `{"InstanceIds":["` + id + `"],"Limit":100}`}}},
		{"Instances by no id of theirs", func() error {
			_, err := p.Instances(ctx, cloud.Query{Region: region, IDs: []string{"i-0123"}}, "")
			return err
		}, nil},
		{"Disks", func() error { _, err := p.Disks(ctx, q, ""); return err }, []sent{{action: "DescribeDisks", service: "cbs", body: `{"Limit":100,"Offset":0,"Order":"ASC","OrderField":"CREATE_TIME"}`}}},
		{"Snapshots", func() error { _, err := p.Snapshots(ctx, q, ""); return err }, []sent{{action: "DescribeSnapshots", service: "cbs", body: `{"Filters":[{"Name":"snapshot-type","Values":["PRIVATE_SNAPSHOT"]}],"Limit":100,"Offset":0,"Order":"ASC","OrderField":"CREATE_TIME"}`}}},
		{"Images", func() error { _, err := p.Images(ctx, q, ""); return err }, []sent{{action: "DescribeImages", service: "cvm", body: `{"Filters":[{"Name":"image-type","Values":["PRIVATE_IMAGE"]}],"Limit":100,"Offset":0}`}}},
		{"CreateSnapshot of a system disk", func() error {
			_, err := p.CreateSnapshot(ctx, cloud.NewSnapshot{Region: region, Disk: disks[0], Name: "n", Description: "d", Tags: tags, Token: "t"})
			return err
		}, []sent{
			{action: "DescribeDisks", service: "cbs", body: `{"DiskIds":["` + disks[0] + `"],"Limit":1}`},
			{action: "CreateSnapshot", service: "cbs", body: `{"DiskId":"` + disks[0] + `","DiskUsage":"DATA_DISK","SnapshotName":"n","Tags":[{"Key":"empty","Value":""},{"Key":"stint:policy","Value":"nightly"}]}`},
		}},
		{"CreateSnapshot of a data disk", func() error {
			_, err := p.CreateSnapshot(ctx, cloud.NewSnapshot{Region: region, Disk: disks[1], Name: "n"})
			return err
		}, []sent{
			{action: "DescribeDisks", service: "cbs", body: `{"DiskIds":["` + disks[1] + `"],"Limit":1}`},
			{action: "CreateSnapshot", service: "cbs", body: `{"DiskId":"` + disks[1] + `","SnapshotName":"n"}`},
		}},
		{"CreateImage", func() error {
			_, err := p.CreateImage(ctx, cloud.NewImage{Region: region, Instance: id, Name: "web-1", Description: "d", Tags: tags, Token: "t"})
			return err
		}, []sent{
			{action: "DescribeInstances", service: "cvm", body: `{"InstanceIds":["` + id + `"],"Limit":1}`},
			{action: "CreateImage", service: "cvm", body: `{"DataDiskIds":["` + disks[1] + `","` + disks[2] + `"],"ForcePoweroff":"false","ImageDescription":"d","ImageName":"web-1","InstanceId":"` + id + `","TagSpecification":[{"ResourceType":"image","Tags":[{"Key":"empty","Value":""},{"Key":"stint:policy","Value":"nightly"}]}]}`},
		}},
		{"CreateDisk", func() error {
			_, err := p.CreateDisk(ctx, cloud.NewDisk{Region: region, Zone: region + "-1", Snapshot: snap, Name: "n", Size: 60*gib + 1, Tags: tags[:1], Token: "tok"})
			return err
		}, []sent{{action: "CreateDisks", service: "cbs", body: `{"ClientToken":"tok","DiskChargeType":"POSTPAID_BY_HOUR","DiskCount":1,"DiskName":"n","DiskSize":61,"DiskType":"CLOUD_PREMIUM","Placement":{"Zone":"` + region + `-1"},"SnapshotId":"` + snap + `","Tags":[{"Key":"empty","Value":""}]}`}}},
		{"RunInstance", func() error {
			_, err := p.RunInstance(ctx, cloud.NewInstance{Region: region, Zone: region + "-1", Image: img, Name: "n{R:3}", Type: "S5.MEDIUM4", Network: "vpc-1/subnet-2", Tags: tags[:1], Token: "tok"})
			return err
		}, []sent{
			{action: "DescribeImages", service: "cvm", body: `{"ImageIds":["` + img + `"],"Limit":1}`},
			{action: "RunInstances", service: "cvm", body: `{"ClientToken":"tok","DataDisks":[{"DeleteWithInstance":false,"DiskSize":50,"DiskType":"CLOUD_PREMIUM","SnapshotId":"` + snap + `"}],"ImageId":"` + img + `","InstanceChargeType":"POSTPAID_BY_HOUR","InstanceCount":1,"InstanceName":"n(R:3)","InstanceType":"S5.MEDIUM4","LoginSettings":{"KeepImageLogin":"TRUE"},"Placement":{"Zone":"` + region + `-1"},"SystemDisk":{"DiskSize":50},"TagSpecification":[{"ResourceType":"instance","Tags":[{"Key":"empty","Value":""}]}],"VirtualPrivateCloud":{"SubnetId":"subnet-2","VpcId":"vpc-1"}}`},
		}},
		{"RunInstance with a key", func() error {
			_, err := p.RunInstance(ctx, cloud.NewInstance{Region: region, Zone: region + "-1", Image: faketencent.BaseImage, Name: "n", Type: "S5.MEDIUM4", KeyName: "skey-1"})
			return err
		}, []sent{
			{action: "DescribeImages", service: "cvm", body: `{"ImageIds":["` + faketencent.BaseImage + `"],"Limit":1}`},
			{action: "RunInstances", service: "cvm", body: `{"ImageId":"` + faketencent.BaseImage + `","InstanceChargeType":"POSTPAID_BY_HOUR","InstanceCount":1,"InstanceName":"n","InstanceType":"S5.MEDIUM4","LoginSettings":{"KeyIds":["skey-1"]},"Placement":{"Zone":"` + region + `-1"}}`},
		}},
		{"SetTags", func() error { return p.SetTags(ctx, ref(cloud.KindDisk, disks[1]), tags) }, []sent{
			{action: "DescribeDisks", service: "cbs", body: `{"DiskIds":["` + disks[1] + `"],"Limit":100}`},
			{action: "TagResources", service: "tag", version: "2018-08-13", body: `{"ResourceList":["qcs::cvm:` + region + `:uin/:volume/` + disks[1] + `"],"Tags":[{"TagKey":"empty","TagValue":""},{"TagKey":"stint:policy","TagValue":"nightly"}]}`},
		}},
		{"RemoveTags", func() error {
			return p.RemoveTags(ctx, ref(cloud.KindDisk, disks[1]), []string{"stint:policy", "never-there", "stint:policy"})
		}, []sent{
			{action: "DescribeDisks", service: "cbs", body: `{"DiskIds":["` + disks[1] + `"],"Limit":100}`},
			{action: "UnTagResources", service: "tag", version: "2018-08-13", body: `{"ResourceList":["qcs::cvm:` + region + `:uin/:volume/` + disks[1] + `"],"TagKeys":["stint:policy"]}`},
		}},
		{"RemoveTags that are not there", func() error { return p.RemoveTags(ctx, ref(cloud.KindImage, img), []string{"x"}) }, []sent{
			{action: "DescribeImages", service: "cvm", body: `{"ImageIds":["` + img + `"],"Limit":100}`},
		}},
		{"DeleteImage", func() error { return p.DeleteImage(ctx, ref(cloud.KindImage, img)) }, []sent{{action: "DeleteImages", service: "cvm", body: `{"ImageIds":["` + img + `"]}`}}},
		{"DeleteSnapshot", func() error { return p.DeleteSnapshot(ctx, ref(cloud.KindSnapshot, snap)) }, []sent{{action: "DeleteSnapshots", service: "cbs", body: `{"SnapshotIds":["` + snap + `"]}`}}},
	} {
		rec.take()
		if err := s.call(); err != nil {
			t.Errorf("%s: got %v, want no error", s.name, err)
		}
		got := rec.take()
		if len(got) != len(s.want) {
			t.Errorf("%s: got %d requests %v, want %d", s.name, len(got), got, len(s.want))
			continue
		}
		for i, want := range s.want {
			if want.version == "" {
				want.version = "2017-03-12"
			}
			want.region, want.language = region, "en-US"
			got[i].body = ordered(t, got[i].body)
			if got[i] != want {
				t.Errorf("%s, request %d:\n got %+v\nwant %+v", s.name, i+1, got[i], want)
			}
		}
	}
}

// ordered is JSON with its keys in order.
func ordered(t *testing.T, body string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestImageOfPoweredOff: only an image that may interrupt is made with the instance switched off.
func TestImageOfPoweredOff(t *testing.T) {
	f := faketencent.New(faketencent.Options{})
	p := open(t, f)
	id := f.AddInstance(region, faketencent.NewInstance{})
	for _, reboot := range []bool{false, true} {
		name := map[bool]string{false: "runs", true: "is-off"}[reboot]
		if _, err := p.CreateImage(t.Context(), cloud.NewImage{Region: region, Instance: id, Name: name, Reboot: reboot}); err != nil {
			t.Fatalf("CreateImage(reboot %v): got %v, want no error", reboot, err)
		}
		if got := f.Images(region); got[len(got)-1].PoweredOff != reboot {
			t.Errorf("CreateImage(reboot %v): powered off %v, want the same", reboot, !reboot)
		}
	}
}

// TestManyTags: more tags than the tag service takes at once.
func TestManyTags(t *testing.T) {
	f := faketencent.New(faketencent.Options{})
	p := open(t, f)
	id := f.AddInstance(region, faketencent.NewInstance{})
	m := map[string]string{}
	var keys []string
	for i := range 23 {
		k := "k" + string(rune('a'+i))
		m[k] = "v"
		keys = append(keys, k)
	}
	ref := p.ref(region, cloud.KindInstance, id)
	if err := p.SetTags(t.Context(), ref, cloud.TagsOf(m)); err != nil {
		t.Fatalf("SetTags of 23: got %v, want no error", err)
	}
	if got := f.Instances(region)[0].Tags; len(got) != 23 || f.Count("TagResources") != 3 {
		t.Errorf("SetTags of 23: got %d tags by %d requests, want 23 by 3", len(got), f.Count("TagResources"))
	}
	if err := p.RemoveTags(t.Context(), ref, keys); err != nil || len(f.Instances(region)[0].Tags) != 0 {
		t.Errorf("RemoveTags of 23: got %v and %d tags, want none", err, len(f.Instances(region)[0].Tags))
	}
}

// TestTagsOfWhatGoes: the tag service tells in an answer without an error that a thing is not there.
func TestTagsOfWhatGoes(t *testing.T) {
	f := faketencent.New(faketencent.Options{})
	var id string
	p := openWith(t, Config{SecretID: faketencent.SecretID, SecretKey: faketencent.SecretKey, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("X-TC-Action") == "TagResources" {
			f.Remove(region, id)
		}
		return f.RoundTripper().RoundTrip(r)
	})})
	id = f.AddDisk(region, faketencent.NewDisk{})
	ref := p.ref(region, cloud.KindDisk, id)
	err := p.SetTags(t.Context(), ref, cloud.Tags{{Key: "a", Value: "b"}})
	ce, ok := errors.AsType[*cloud.Error](err)
	if !ok || cloud.ClassOf(err) != cloud.ErrNotFound || ce.Op != "tag.set" || ce.Ref != ref || ce.RequestID == "" {
		t.Errorf("SetTags of a disk that goes meanwhile: got %#v (%v), want ErrNotFound about it", ce, err)
	}
}

// TestRestoredInstance: an image with data disks comes back with them, as large as they were, and with its own login.
func TestRestoredInstance(t *testing.T) {
	f := faketencent.New(faketencent.Options{})
	p := open(t, f)
	id := f.AddInstance(region, faketencent.NewInstance{Disks: []faketencent.NewDisk{{GiB: 80}, {GiB: 120}, {GiB: 30}}})
	img, err := p.CreateImage(t.Context(), cloud.NewImage{Region: region, Instance: id, Name: "whole"})
	if err != nil {
		t.Fatalf("CreateImage: got %v, want no error", err)
	}
	made, err := p.RunInstance(t.Context(), cloud.NewInstance{Region: region, Zone: region + "-2", Image: img.Ref.ID, Name: "again", Type: "S5.SMALL1", Tags: cloud.Tags{{Key: "a", Value: "b"}}})
	if err != nil {
		t.Fatalf("RunInstance: got %v, want no error", err)
	}
	page, err := p.Disks(t.Context(), cloud.Query{Region: region, Tags: cloud.Tags{{Key: "a", Value: "b"}}}, "")
	if err != nil {
		t.Fatalf("Disks: got %v, want no error", err)
	}
	var sizes []int64
	for _, d := range page.Items {
		if d.Instance != made.Ref.ID || d.Zone != region+"-2" {
			t.Errorf("disk = %+v, want it attached to %s in zone 2", d, made.Ref)
		}
		sizes = append(sizes, d.Size/gib)
	}
	if !slices.Equal(sizes, []int64{80, 120, 30}) {
		t.Errorf("the restored instance has disks of %v GiB, want 80, 120 and 30", sizes)
	}
	if all := f.Instances(region); all[1].Login != "image" {
		t.Errorf("the restored instance has the login by %q, want the image's", all[1].Login)
	}
}

// TestNetworks: one that CVM cannot use is refused before anything is asked.
func TestNetworks(t *testing.T) {
	f := faketencent.New(faketencent.Options{})
	p := open(t, f)
	for _, network := range []string{"none", "subnet-1a2b3c4d"} {
		_, err := p.RunInstance(t.Context(), cloud.NewInstance{Region: region, Zone: region + "-1", Image: faketencent.BaseImage, Name: "n", Network: network})
		if cloud.ClassOf(err) != cloud.ErrUnsupported || f.Calls() != 0 {
			t.Errorf("RunInstance(network %q): got %v after %d calls, want ErrUnsupported after none", network, err, f.Calls())
		}
	}
}

// TestThirtyAtOnce: one provider serves thirty goroutines. It says more under the race detector.
func TestThirtyAtOnce(t *testing.T) {
	f := faketencent.New(faketencent.Options{Accounts: lender("")})
	p := openWith(t, Config{SecretID: faketencent.SecretID, SecretKey: faketencent.SecretKey, AssumeRole: roleARN, Transport: f.RoundTripper()})
	id := f.In("200000000002").AddInstance(region, faketencent.NewInstance{Disks: make([]faketencent.NewDisk, 2)})
	disk := f.In("200000000002").Instances(region)[0].Disks[1]
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			ctx, done := cloud.WatchRequest(t.Context())
			if _, err := p.Instances(ctx, cloud.Query{Region: region, IDs: []string{id}}, ""); err != nil || done.Get() == "" {
				t.Errorf("Instances: got %v and request id %q, want no error and an id", err, done.Get())
			}
			where := []string{region, "ap-guangzhou", "ap-singapore"}[i%3]
			if _, err := p.Snapshots(ctx, cloud.Query{Region: where}, ""); err != nil {
				t.Errorf("Snapshots(%s): got %v, want no error", where, err)
			}
			if _, err := p.CreateSnapshot(ctx, cloud.NewSnapshot{Region: region, Disk: disk, Name: "n"}); err != nil {
				t.Errorf("CreateSnapshot: got %v, want no error", err)
			}
			if err := p.SetTags(ctx, p.ref(region, cloud.KindInstance, id), cloud.Tags{{Key: "k" + string(rune('a'+i)), Value: "v"}}); err != nil {
				t.Errorf("SetTags: got %v, want no error", err)
			}
		})
	}
	wg.Wait()
	if n := f.Count("AssumeRole"); n != 1 {
		t.Errorf("thirty goroutines took the role on %d times, want once", n)
	}
	if got := len(f.In("200000000002").Snapshots(region)); got != 30 {
		t.Errorf("thirty goroutines made %d snapshots, want 30", got)
	}
}

// TestOneRequestEach: nothing is tried twice by the SDK, whatever happens to it.
func TestOneRequestEach(t *testing.T) {
	for name, fault := range map[string]faketencent.Fault{
		"throttled": {Code: "RequestLimitExceeded"}, "internal": {Code: "InternalError"}, "cut": {Cut: true}, "HTTP 500": {Body: "oops", HTTPStatus: 500},
	} {
		f := faketencent.New(faketencent.Options{})
		p := open(t, f)
		f.SetFault(func(string, int) *faketencent.Fault { return &fault })
		_, err := p.CreateDisk(t.Context(), cloud.NewDisk{Region: region, Zone: region + "-1", Snapshot: "snap-00000000", Token: "t"})
		if err == nil || f.Calls() != 1 {
			t.Errorf("%s: got %v after %d requests, want an error after one", name, err, f.Calls())
		}
	}
}

// TestCancelled: a call that hangs ends with its context, and so does one that waits for another's sign-in.
func TestCancelled(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	p := openWith(t, Config{SecretID: "a", SecretKey: "b", AssumeRole: roleARN, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		select {
		case <-r.Context().Done():
		case <-hang:
		}
		return nil, r.Context().Err()
	})})
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error, 2)
	for range 2 {
		go func() { _, err := p.Regions(ctx); errs <- err }()
	}
	cancel()
	for range 2 {
		if err := <-errs; cloud.ClassName(err) != "canceled" {
			t.Errorf("Regions under a context that ends: got %v, want the context's error", err)
		}
	}
}
