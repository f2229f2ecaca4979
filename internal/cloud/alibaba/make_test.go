package alibaba

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/alibaba/fakealibaba"
)

// TestRequestParameters: what goes over the wire, by the names that the reference gives.
func TestRequestParameters(t *testing.T) {
	tags := cloud.TagsOf(map[string]string{"a": "b", "empty": ""})
	const spelt = " Tag.1.Key=a Tag.1.Value=b Tag.2.Key=empty"
	ref := func(kind cloud.Kind, id string) cloud.Ref {
		return cloud.Ref{Account: account, Region: region, Kind: kind, ID: id}
	}
	q := cloud.Query{Region: region}
	byID := cloud.Query{Region: region, IDs: []string{"x-1", "x-2"}}
	byAction := cloud.Query{Region: region, Tags: cloud.Tags{{Key: cloud.TagAction, Value: "act"}}}
	for _, c := range []struct {
		call func(p *Provider) error
		want string // of the first request
	}{
		{func(p *Provider) error { _, err := p.Regions(t.Context()); return err }, "DescribeRegions"},
		{func(p *Provider) error { _, err := p.Instances(t.Context(), q, ""); return err }, "DescribeDisks MaxResults=500"},
		{func(p *Provider) error { _, err := p.Instances(t.Context(), byID, ""); return err }, `DescribeInstances InstanceIds=["x-1","x-2"] MaxResults=100`},
		{func(p *Provider) error { _, err := p.Instances(t.Context(), byAction, ""); return err }, `DescribeInstances MaxResults=100 Tag.1.Key=stint:action Tag.1.Value=act`},
		{func(p *Provider) error { _, err := p.Disks(t.Context(), byID, "tok"); return err }, `DescribeDisks DiskIds=["x-1","x-2"] MaxResults=500 NextToken=tok`},
		{func(p *Provider) error { _, err := p.Snapshots(t.Context(), byID, ""); return err }, `DescribeSnapshots MaxResults=100 SnapshotIds=["x-1","x-2"]`},
		{func(p *Provider) error {
			_, err := p.Snapshots(t.Context(), cloud.Query{Region: region, Tags: tags}, "")
			return err
		}, `DescribeSnapshots MaxResults=100`},
		{
			func(p *Provider) error { _, err := p.Images(t.Context(), byID, ""); return err },
			"DescribeImages ImageId=x-1,x-2 ImageOwnerAlias=self PageNumber=1 PageSize=100 Status=Creating,Waiting,Available,UnAvailable,CreateFailed,Deprecated",
		},
		{func(p *Provider) error {
			_, err := p.CreateSnapshot(t.Context(), cloud.NewSnapshot{Region: region, Disk: "d-1", Name: "web-1", Description: "words", Tags: tags, Token: "tok"})
			return err
		}, "CreateSnapshot ClientToken=tok Description=words DiskId=d-1 SnapshotName=web-1" + spelt},
		{func(p *Provider) error {
			_, err := p.CreateSnapshotSet(t.Context(), cloud.NewSnapshotSet{Region: region, Instance: "i-1", Disks: []string{"d-1", "d-2"}, Name: "web-1", Tags: tags, Token: "tok"})
			return err
		}, "CreateSnapshotGroup ClientToken=tok DiskId.1=d-1 DiskId.2=d-2 InstanceId=i-1 Name=web-1" + spelt},
		{func(p *Provider) error { return p.DeleteSnapshot(t.Context(), ref(cloud.KindSnapshot, "s-1")) }, `DescribeSnapshots MaxResults=100 SnapshotIds=["s-1"]`},
		{func(p *Provider) error {
			_, err := p.CreateImage(t.Context(), cloud.NewImage{Region: region, Instance: "i-1", Name: "web-1", Tags: tags, Token: "tok", Reboot: true})
			return err
		}, "CreateImage ClientToken=tok ImageName=web-1 InstanceId=i-1" + spelt},
		{func(p *Provider) error { return p.DeleteImage(t.Context(), ref(cloud.KindImage, "m-1")) }, "DeleteImage ImageId=m-1"},
		{func(p *Provider) error {
			_, err := p.CreateDisk(t.Context(), cloud.NewDisk{Region: region, Zone: "z", Snapshot: "s-1", Name: "web-1", Size: 40*gib + 1, Tags: tags, Token: "tok"})
			return err
		}, "CreateDisk ClientToken=tok DiskCategory=cloud_essd DiskName=web-1 Size=41 SnapshotId=s-1" + spelt + " ZoneId=z"},
		{func(p *Provider) error {
			_, err := p.RunInstance(t.Context(), cloud.NewInstance{
				Region: region, Zone: "z", Image: "m-1", Name: "web-1", Type: "ecs.g7.large", Network: "vsw-1/sg-1/sg-2", KeyName: "k", Tags: tags, Token: "tok",
			})
			return err
		}, "RunInstances Amount=1 ClientToken=tok ImageId=m-1 InstanceName=web-1 InstanceType=ecs.g7.large KeyPairName=k " +
			"SecurityGroupIds.1=sg-1 SecurityGroupIds.2=sg-2 SystemDisk.Category=cloud_essd" + spelt + " VSwitchId=vsw-1 ZoneId=z"},
		{func(p *Provider) error { return p.SetTags(t.Context(), ref(cloud.KindSnapshot, "s-1"), tags) }, "TagResources ResourceId.1=s-1 ResourceType=snapshot" + spelt},
		{func(p *Provider) error {
			return p.RemoveTags(t.Context(), ref(cloud.KindInstance, "i-1"), []string{"a", "b"})
		}, "UntagResources ResourceId.1=i-1 ResourceType=instance TagKey.1=a TagKey.2=b"},
		{func(p *Provider) error {
			_, err := p.CopyImage(t.Context(), cloud.NewCopy{From: ref(cloud.KindImage, "m-1"), Region: elsewhere, Name: "web-1", Description: "words", Tags: tags, Key: "key", Token: "tok"})
			return err
		}, "CopyImage ClientToken=tok DestinationDescription=words DestinationImageName=web-1 DestinationRegionId=cn-shanghai Encrypted=true ImageId=m-1 KMSKeyId=key" + spelt},
		{func(p *Provider) error {
			_, err := p.CopySnapshot(t.Context(), cloud.NewCopy{From: ref(cloud.KindSnapshot, "s-1"), Region: elsewhere, Name: "web-1", Token: "tok"})
			return err
		}, "CopySnapshot ClientToken=tok DestinationRegionId=cn-shanghai DestinationSnapshotDescription=Copied by Stint DestinationSnapshotName=web-1 SnapshotId=s-1"},
		{func(p *Provider) error { return p.Share(t.Context(), ref(cloud.KindImage, "m-1"), partner, true) }, "ModifyImageSharePermission AddAccount.1=5555666677778888 ImageId=m-1"},
		{func(p *Provider) error { return p.Share(t.Context(), ref(cloud.KindImage, "m-1"), partner, false) }, "ModifyImageSharePermission ImageId=m-1 RemoveAccount.1=5555666677778888"},
		{func(p *Provider) error { _, err := p.SharedWith(t.Context(), ref(cloud.KindImage, "m-1")); return err }, "DescribeImageSharePermission ImageId=m-1 PageNumber=1 PageSize=100"},
		{func(p *Provider) error { return p.StartInstance(t.Context(), ref(cloud.KindInstance, "i-1")) }, "StartInstance InstanceId=i-1"},
		{func(p *Provider) error { return p.StopInstance(t.Context(), ref(cloud.KindInstance, "i-1")) }, "StopInstance InstanceId=i-1 StoppedMode=StopCharging"},
		{func(p *Provider) error { return p.DeleteInstance(t.Context(), ref(cloud.KindInstance, "i-1")) }, "DeleteInstance Force=true InstanceId=i-1"},
		{func(p *Provider) error { _, err := p.Identity(t.Context()); return err }, "GetCallerIdentity"},
	} {
		got := ""
		p := openWith(t, Config{AccessKey: "a", SecretKey: "b"}, transport(func(r *http.Request) (*http.Response, error) {
			if got == "" {
				got = spell(t, r)
			}
			return respond(r, 500, `{"RequestId":"R","Code":"InternalError","Message":"enough"}`), nil
		}))
		if err := c.call(p); err == nil {
			t.Errorf("%s: got no error, want that of the answer", c.want)
		}
		if got != c.want {
			t.Errorf("the request is\n  %s\nwant\n  %s", got, c.want)
		}
	}
}

// spell writes a request as its action and its parameters, sorted, but for the region.
func spell(t *testing.T, r *http.Request) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		t.Fatal(err)
	}
	action := ""
	for k, v := range r.Header { // which the SDK writes in lower case
		if http.CanonicalHeaderKey(k) == "X-Acs-Action" {
			action = v[0]
		}
	}
	if where := form.Get("RegionId"); where != region && action != "GetCallerIdentity" || r.URL.RawQuery != "" || r.Method != http.MethodPost {
		t.Errorf("%s is a %s to %s about region %q, want a POST without a query about %s", action, r.Method, r.URL, where, region)
	}
	form.Del("RegionId")
	out := action
	for _, k := range slices.Sorted(maps.Keys(form)) {
		out += " " + k + "=" + strings.Join(form[k], "|")
	}
	return out
}

// TestNames within ECS's rules, still with the mark of the backup in them.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "web-1": "web-1", "automation-1": "stint-automation-1", "AUTO": "stint-AUTO", "aliyun-proxy": "stint-aliyun-proxy", "acs:x": "stint-acs:x",
		"http://x": "stint-http-x", "x": "stint-x", strings.Repeat("é", 200): strings.Repeat("é", 128),
	} {
		if got := nameFor(name); got != want {
			t.Errorf("nameFor(%q) = %q, want %q", name, got, want)
		}
	}
	for text, want := range map[string]string{"": "", "x": "", "https://example.com": "", "words": "words", strings.Repeat("é", 300): strings.Repeat("é", 256)} {
		if got := descriptionFor(text); got != want {
			t.Errorf("descriptionFor(%q) = %q, want %q", text, got, want)
		}
	}
	f := fakealibaba.New(fakealibaba.Options{})
	f.AddInstance(region, fakealibaba.NewInstance{})
	made, err := open(t, f).CreateSnapshot(t.Context(), cloud.NewSnapshot{Region: region, Disk: f.Disks(region)[0].ID, Name: "automation-1-20261121T000000Z-gdogmpfj", Token: "t"})
	if err != nil || made.Name != "stint-automation-1-20261121T000000Z-gdogmpfj" {
		t.Errorf("a snapshot of an instance called automation-1: got %q, %v; want it named", made.Name, err)
	}
}

// set is a request for the snapshots of an instance of some disks.
func set(f *fakealibaba.Fake, disks int, category string) cloud.NewSnapshotSet {
	in := fakealibaba.NewInstance{Disks: make([]fakealibaba.NewDisk, disks)}
	for i := range in.Disks {
		in.Disks[i].Category = category
	}
	id := f.AddInstance(region, in)
	req := cloud.NewSnapshotSet{Region: region, Instance: id, Name: "web-1-mark", Tags: cloud.TagsOf(map[string]string{cloud.TagAction: "act", "a": "b"}), Token: "tok"}
	for _, d := range f.Disks(region) {
		if d.Instance == id {
			req.Disks = append(req.Disks, d.ID)
		}
	}
	return req
}

// TestSetCutOff at each of its requests, before and after it took effect: the same token goes on where it stopped, and in the
// end there is one snapshot of each disk, named and tagged.
func TestSetCutOff(t *testing.T) {
	for _, action := range []string{"CreateSnapshotGroup", "DescribeSnapshotGroups", "DescribeSnapshots", "ModifySnapshotAttribute", "TagResources"} {
		for _, after := range []bool{false, true} {
			f := fakealibaba.New(fakealibaba.Options{})
			p, req := open(t, f), set(f, 3, "")
			f.SetFault(once(&fakealibaba.Fault{Cut: true, After: after}, action))
			_, err := p.CreateSnapshotSet(t.Context(), req)
			if !errors.Is(err, cloud.ErrTransient) {
				t.Errorf("cut off at %s (after %v): got %v, want ErrTransient", action, after, err)
			}
			if action != "CreateSnapshotGroup" && !strings.Contains(err.Error(), "ssg-") {
				t.Errorf("cut off at %s: got %v, want it to name the group", action, err)
			}
			made, err := p.CreateSnapshotSet(t.Context(), req)
			if err != nil || len(made) != 3 {
				t.Fatalf("again after a cut at %s (after %v): got %d and %v, want 3", action, after, len(made), err)
			}
			all := f.Snapshots(region)
			for i, s := range all {
				if s.Name != req.Name || s.Tags["a"] != "b" || s.Tags[cloud.TagAction] != "act" || made[i].Disk != req.Disks[i] {
					t.Errorf("cut off at %s (after %v), then again: snapshot %+v, want it named and tagged, of %s", action, after, s, req.Disks[i])
				}
			}
			if len(all) != 3 {
				t.Errorf("cut off at %s (after %v), then again: %d snapshots, want 3", action, after, len(all))
			}
			f.ResetCounts()
			if _, err := p.CreateSnapshotSet(t.Context(), req); err != nil || f.Count("TagResources")+f.Count("ModifySnapshotAttribute") != 0 {
				t.Errorf("a third time: got %v and the calls %v, want nothing written", err, f.Counts())
			}
		}
	}
}

// TestSetThatIsSeenLater: a group that is not listed yet is waited for by whoever asked, and its members are dressed then.
func TestSetThatIsSeenLater(t *testing.T) {
	var past time.Duration
	f := fakealibaba.New(fakealibaba.Options{Lag: time.Minute, Now: func() time.Time { return time.Now().Add(past) }})
	p, req := open(t, f), set(f, 2, "")
	if _, err := p.CreateSnapshotSet(t.Context(), req); !errors.Is(err, cloud.ErrTransient) {
		t.Errorf("a group that is not listed yet: got %v, want ErrTransient", err)
	}
	past = 2 * time.Minute
	made, err := p.CreateSnapshotSet(t.Context(), req)
	if err != nil || len(made) != 2 || !made[0].Tags.Contains(req.Tags) || made[0].Name != req.Name || len(f.Snapshots(region)) != 2 {
		t.Errorf("the same token two minutes later: got %+v, %v; want the two, dressed", made, err)
	}
}

// TestSetsThatCannotBe say what can be done instead.
func TestSetsThatCannotBe(t *testing.T) {
	f := fakealibaba.New(fakealibaba.Options{})
	p := open(t, f)
	for name, req := range map[string]cloud.NewSnapshotSet{
		"old disks": set(f, 2, "cloud_efficiency"), "too many": set(f, 17, ""), "none": {Region: region, Instance: "i-1"},
	} {
		_, err := p.CreateSnapshotSet(t.Context(), req)
		if !errors.Is(err, cloud.ErrUnsupported) || name != "none" && !strings.Contains(err.Error(), "method: image") {
			t.Errorf("%s: got %v, want ErrUnsupported that names method: image", name, err)
		}
	}
	if n := len(f.Snapshots(region)); n != 0 {
		t.Errorf("%d snapshots were made, want none", n)
	}
	if made, err := p.CreateSnapshotSet(t.Context(), set(f, 1, "cloud_efficiency")); err != nil || len(made) != 1 || made[0].Tags.Value("a") != "b" {
		t.Errorf("one disk of any category: got %+v, %v; want its snapshot", made, err)
	}
}

// TestSetWithoutToken: once the group is there, not even a throttled call may simply be repeated.
func TestSetWithoutToken(t *testing.T) {
	f := fakealibaba.New(fakealibaba.Options{})
	req := set(f, 2, "")
	req.Token = ""
	f.SetFault(once(&fakealibaba.Fault{Code: "Throttling.User"}, "TagResources"))
	if _, err := open(t, f).CreateSnapshotSet(t.Context(), req); !errors.Is(err, cloud.ErrTransient) || errors.Is(err, cloud.ErrThrottled) {
		t.Errorf("throttled after the group was made, without a token: got %v, want ErrTransient", err)
	}
}

// TestDeleteLooksFirst: ECS says yes to what is not there, and the deletion's own refusal comes through.
func TestDeleteLooksFirst(t *testing.T) {
	f := fakealibaba.New(fakealibaba.Options{})
	p := open(t, f)
	gone := cloud.Ref{Account: account, Region: region, Kind: cloud.KindSnapshot, ID: unknown(cloud.KindSnapshot, 1)}
	if err := p.DeleteSnapshot(t.Context(), gone); !errors.Is(err, cloud.ErrNotFound) || f.Count("DeleteSnapshot") != 0 {
		t.Errorf("DeleteSnapshot of one that is not there: got %v after %v, want ErrNotFound without asking for it", err, f.Counts())
	}
	there := gone
	there.ID = f.AddSnapshot(region, fakealibaba.Snapshot{})
	for code, class := range map[string]error{"InvalidOperation.ResourceManagedByCloudProduct": cloud.ErrDenied, "Throttling": cloud.ErrThrottled} {
		f.SetFault(once(&fakealibaba.Fault{Code: code}, "DeleteSnapshot"))
		if err := p.DeleteSnapshot(t.Context(), there); !errors.Is(err, class) {
			t.Errorf("DeleteSnapshot that is refused with %s: got %v, want %v", code, err, class)
		}
	}
	f.EditSnapshot(region, there.ID, func(s *fakealibaba.Snapshot) { s.LockEnds = s.Created.AddDate(1, 0, 0) })
	if err := p.DeleteSnapshot(t.Context(), there); !errors.Is(err, cloud.ErrDenied) {
		t.Errorf("DeleteSnapshot of a locked one: got %v, want ErrDenied", err)
	}
}

// TestNetworkWithoutSecurityGroup says how it is given.
func TestNetworkWithoutSecurityGroup(t *testing.T) {
	f := fakealibaba.New(fakealibaba.Options{})
	id := f.AddImage(region, fakealibaba.Image{})
	req := cloud.NewInstance{Region: region, Image: id, Name: "web-1", Type: "ecs.g7.large", Network: "vsw-1", Token: "t"}
	if _, err := open(t, f).RunInstance(t.Context(), req); !errors.Is(err, cloud.ErrUnsupported) || !strings.Contains(err.Error(), "vsw-…/sg-…") {
		t.Errorf("RunInstance without a security group: got %v, want it to say how it is given", err)
	}
	req.Network = "none"
	if _, err := open(t, f).RunInstance(t.Context(), req); !errors.Is(err, cloud.ErrUnsupported) {
		t.Errorf("RunInstance without a network: got %v, want ErrUnsupported", err)
	}
}

// TestUnclearAnswers: a yes that names nothing is settled by looking.
func TestUnclearAnswers(t *testing.T) {
	p := openWith(t, Config{AccessKey: "a", SecretKey: "b"}, answers(200, `{"RequestId":"R"}`))
	for name, call := range map[string]func() error{
		"snapshot": func() error {
			_, err := p.CreateSnapshot(t.Context(), cloud.NewSnapshot{Region: region, Disk: "d-1"})
			return err
		},
		"set": func() error {
			_, err := p.CreateSnapshotSet(t.Context(), cloud.NewSnapshotSet{Region: region, Instance: "i-1", Disks: []string{"d-1", "d-2"}})
			return err
		},
		"image": func() error {
			_, err := p.CreateImage(t.Context(), cloud.NewImage{Region: region, Instance: "i-1"})
			return err
		},
		"disk": func() error {
			_, err := p.CreateDisk(t.Context(), cloud.NewDisk{Region: region, Snapshot: "s-1"})
			return err
		},
		"instance": func() error {
			_, err := p.RunInstance(t.Context(), cloud.NewInstance{Region: region, Image: "m-1"})
			return err
		},
		"identity": func() error { _, err := p.Identity(t.Context()); return err },
	} {
		if err := call(); !errors.Is(err, cloud.ErrTransient) || !strings.Contains(fmt.Sprint(err), "names no") {
			t.Errorf("%s answered without an id: got %v, want ErrTransient", name, err)
		}
	}
}
