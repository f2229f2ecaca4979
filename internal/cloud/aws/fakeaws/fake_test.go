package fakeaws

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const here = "us-east-1"

// ask sends one request without a real signature, and gives status, error code and body.
func ask(t *testing.T, f *Fake, region, action string, kv ...string) (status int, code, body string) {
	t.Helper()
	form := url.Values{"Action": {action}, "Version": {ec2Version}}
	for i := 0; i < len(kv); i += 2 {
		form.Set(kv[i], kv[i+1])
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ec2.example.com/", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", algorithm+" Credential=ANY/20260102/"+region+"/ec2/aws4_request, SignedHeaders=host, Signature=00")
	resp, err := f.RoundTripper().RoundTrip(r)
	if err != nil {
		t.Fatalf("%s: got %v, want an answer", action, err)
	}
	var b bytes.Buffer
	_, _ = b.ReadFrom(resp.Body)
	var e struct {
		Code string `xml:"Errors>Error>Code"`
	}
	if resp.StatusCode != http.StatusOK {
		if err := xml.Unmarshal(b.Bytes(), &e); err != nil || e.Code == "" {
			t.Fatalf("%s: error answer is %s, want EC2's form", action, b.String())
		}
	}
	return resp.StatusCode, e.Code, b.String()
}

// refused asks for something that must be refused with a code.
func refused(t *testing.T, f *Fake, want, action string, kv ...string) {
	t.Helper()
	if status, code, body := ask(t, f, here, action, kv...); code != want {
		t.Errorf("%s %q: got HTTP %d %s %s, want %s", action, kv, status, code, body, want)
	}
}

// done asks for something that must work, and gives what stands in the first such element.
func done(t *testing.T, f *Fake, element, action string, kv ...string) string {
	t.Helper()
	status, code, body := ask(t, f, here, action, kv...)
	if status != http.StatusOK {
		t.Fatalf("%s %q: got HTTP %d %s, want it done: %s", action, kv, status, code, body)
	}
	_, rest, _ := strings.Cut(body, "<"+element+">")
	value, _, _ := strings.Cut(rest, "</"+element+">")
	return value
}

func anyKey(o Options) *Fake {
	o.AnyKey = true
	return New(o)
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"*", "", true},
		{"*", "anything", true},
		{"a*c", "abbc", true},
		{"a*c", "abbd", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{`a\*c`, "a*c", true},
		{`a\*c`, "abc", false},
		{`a\?`, "a?", true},
		{`a\\b`, `a\b`, true},
		{`a\\*`, `a\bc`, true},
		{"*a*b", "xaxxb", true},
		{"备?", "备份", true},
		{"", "", true},
		{"", "a", false},
		{"**a", "ba", true},
	} {
		if got := glob(c.pattern, c.s); got != c.want {
			t.Errorf("glob(%q, %q) = %v, want %v", c.pattern, c.s, got, c.want)
		}
	}
}

// A parameter that EC2 does not have, or has not for this action, is refused before anything changes.
func TestWrongParameters(t *testing.T) {
	f := anyKey(Options{})
	in := f.AddInstance(here, NewInstance{})
	refused(t, f, "UnknownParameter", "CreateImage", "InstanceId", in, "Name", "image-1", "NoRebot", "true")
	refused(t, f, "UnknownParameter", "CreateSnapshots", "InstanceId", in)
	refused(t, f, "MissingParameter", "CreateImage", "InstanceId", in)
	refused(t, f, "InvalidParameterValue", "CreateImage", "InstanceId", in, "Name", "image-1", "NoReboot", "yes")
	refused(t, f, "InvalidAMIName.Malformed", "CreateImage", "InstanceId", in, "Name", "no:colons")
	refused(t, f, "InvalidAction", "CreateImages")
	refused(t, f, "InvalidParameterValue", "DescribeVolumes", "Filter.1.Name", "no-such", "Filter.1.Value.1", "x")
	refused(t, f, "InvalidParameterCombination", "DescribeInstances", "InstanceId.1", in, "MaxResults", "5")
	refused(t, f, "InvalidParameterValue", "DescribeInstances", "MaxResults", "4")
	refused(t, f, "InvalidNextToken", "DescribeInstances", "NextToken", "made-up")
	refused(t, f, "InvalidInstanceID.Malformed", "DescribeInstances", "InstanceId.1", "vol-1")
	values := []string{"Filter.1.Name", "instance-id"}
	for i := range 201 {
		values = append(values, fmt.Sprintf("Filter.1.Value.%d", i+1), "i-1")
	}
	refused(t, f, "FilterLimitExceeded", "DescribeInstances", values...)
	if n := len(f.Images(here)); n != 0 {
		t.Errorf("refused requests made %d images, want none", n)
	}
}

func TestTagLimits(t *testing.T) {
	f := anyKey(Options{})
	id := f.AddSnapshot(here, Snapshot{})
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprintf("Tag.%d.Key", i+1), fmt.Sprint("k", i), fmt.Sprintf("Tag.%d.Value", i+1), "v")
	}
	refused(t, f, "TagLimitExceeded", "CreateTags", append(many, "ResourceId.1", id)...)
	done(t, f, "return", "CreateTags", append(many[:len(many)-8], "ResourceId.1", id)...)
	f.Tag(here, id, map[string]string{"aws:cloudformation:stack-name": "s"}) // AWS's own do not count
	done(t, f, "return", "CreateTags", "ResourceId.1", id, "Tag.1.Key", "k50", "Tag.1.Value", "v")
	refused(t, f, "TagLimitExceeded", "CreateTags", "ResourceId.1", id, "Tag.1.Key", "k51", "Tag.1.Value", "v")
	for _, kv := range [][2]string{{"AWS:mine", "x"}, {strings.Repeat("k", 129), "x"}, {"k", strings.Repeat("v", 257)}} {
		refused(t, f, "InvalidParameterValue", "CreateTags", "ResourceId.1", id, "Tag.1.Key", kv[0], "Tag.1.Value", kv[1])
	}
	// All resources are tagged, or none.
	other := f.AddSnapshot(here, Snapshot{})
	refused(t, f, "InvalidSnapshot.NotFound", "CreateTags", "ResourceId.1", other, "ResourceId.2", "snap-0123456789abcdef0", "Tag.1.Key", "k", "Tag.1.Value", "v")
	if got := f.Snapshots(here)[1].Tags; len(got) != 0 {
		t.Errorf("tags after a refused call = %v, want none", got)
	}
	done(t, f, "return", "DeleteTags", "ResourceId.1", id)
	if got := f.Snapshots(here)[0].Tags; len(got) != 1 {
		t.Errorf("DeleteTags without keys leaves %v, want only what is AWS's own", got)
	}
}

func TestSnapshotLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := anyKey(Options{SnapshotTime: time.Minute, SnapshotEvery: time.Second, MaxSnapshots: 8})
		f.AddInstance(here, NewInstance{Disks: []NewDisk{{}, {Type: "st1", GiB: 500}}})
		v := f.Volumes(here)
		fast, slow := v[0].ID, v[1].ID
		done(t, f, "snapshotId", "CreateSnapshot", "VolumeId", slow)
		time.Sleep(time.Second)
		refused(t, f, "ConcurrentSnapshotLimitExceeded", "CreateSnapshot", "VolumeId", slow)
		for range 5 {
			done(t, f, "snapshotId", "CreateSnapshot", "VolumeId", fast)
			refused(t, f, "SnapshotCreationPerVolumeRateExceeded", "CreateSnapshot", "VolumeId", fast)
			time.Sleep(time.Second)
		}
		refused(t, f, "ConcurrentSnapshotLimitExceeded", "CreateSnapshot", "VolumeId", fast)

		// One that is pending is deleted once it is complete, and counts until then.
		pending := f.Snapshots(here)[5].ID
		done(t, f, "return", "DeleteSnapshot", "SnapshotId", pending)
		refused(t, f, "ConcurrentSnapshotLimitExceeded", "CreateSnapshot", "VolumeId", fast)
		refused(t, f, "IncorrectState", "CopySnapshot", "SourceRegion", here, "SourceSnapshotId", pending)
		time.Sleep(time.Minute)
		refused(t, f, "InvalidSnapshot.NotFound", "DescribeSnapshots", "SnapshotId.1", pending)
		for range 3 {
			done(t, f, "snapshotId", "CreateSnapshot", "VolumeId", fast)
			time.Sleep(time.Second)
		}
		refused(t, f, "SnapshotLimitExceeded", "CreateSnapshot", "VolumeId", fast)
	})
}

func TestFates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fates := map[string]Fate{}
		f := anyKey(Options{SnapshotTime: time.Minute, ImageTime: time.Minute, Fate: func(kind, source string) Fate { return fates[kind+source] }})
		in := f.AddInstance(here, NewInstance{Disks: make([]NewDisk, 2)})
		fates["snapshot"+f.Volumes(here)[1].ID] = Fails
		done(t, f, "snapshotSet", "CreateSnapshots", "InstanceSpecification.InstanceId", in)
		fates["image"+in] = Hangs
		done(t, f, "imageId", "CreateImage", "InstanceId", in, "Name", "image-1", "NoReboot", "true")
		time.Sleep(time.Hour)
		for _, s := range f.Snapshots(here)[:2] {
			if got := s.State(time.Now()); got != "error" {
				t.Errorf("snapshot of a set with one bad member is %s, want error", got)
			}
		}
		if got := f.Images(here)[0].State(time.Now()); got != "pending" {
			t.Errorf("an image that hangs is %s after an hour, want pending", got)
		}
		f.Settle(here, f.Images(here)[0].ID, Fails)
		if got := f.Images(here)[0].State(time.Now()); got != "failed" {
			t.Errorf("an image settled badly is %s, want failed", got)
		}
	})
}

func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := anyKey(Options{Lag: 3 * time.Second})
		f.AddInstance(here, NewInstance{})
		id := done(t, f, "snapshotId", "CreateSnapshot", "VolumeId", f.Volumes(here)[0].ID)
		refused(t, f, "InvalidSnapshot.NotFound", "DescribeSnapshots", "SnapshotId.1", id)
		refused(t, f, "InvalidSnapshot.NotFound", "CreateTags", "ResourceId.1", id, "Tag.1.Key", "k", "Tag.1.Value", "v")
		if got := done(t, f, "snapshotSet", "DescribeSnapshots", "Owner.1", "self"); got != "" {
			t.Errorf("listing at once: got %s, want nothing", got)
		}
		time.Sleep(3 * time.Second)
		if got := done(t, f, "snapshotId", "DescribeSnapshots", "Owner.1", "self"); got != id {
			t.Errorf("listing after the lag: got %s, want %s", got, id)
		}
	})
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := anyKey(Options{Throttle: &Throttle{Read: Bucket{Size: 3, Refill: 2}, Instances: Bucket{Size: 1, Refill: 0.1}}})
		for range 3 {
			done(t, f, "regionInfo", "DescribeRegions")
		}
		if status, code, _ := ask(t, f, here, "DescribeRegions"); status != 503 || code != "RequestLimitExceeded" {
			t.Errorf("fourth call at once: got HTTP %d %s, want 503 RequestLimitExceeded", status, code)
		}
		done(t, f, "volumeSet", "DescribeVolumes") // each action has its own bucket
		if _, code, _ := ask(t, f, "eu-west-1", "DescribeRegions"); code != "" {
			t.Errorf("the same action in another region: got %s, want no throttling", code)
		}
		time.Sleep(500 * time.Millisecond)
		done(t, f, "regionInfo", "DescribeRegions")
		refused(t, f, "RequestLimitExceeded", "DescribeRegions")
		run := []string{"ImageId", BaseImage, "MinCount", "1", "MaxCount", "1"}
		done(t, f, "instanceId", "RunInstances", run...)
		refused(t, f, "RequestLimitExceeded", "RunInstances", run...)
		if f.Count("DescribeRegions") != 7 || f.Failures()["RequestLimitExceeded"] != 3 {
			t.Errorf("counted %d calls and %v, want 7 and 3 throttled", f.Count("DescribeRegions"), f.Failures())
		}
	})
}

func TestDeniedAndDryRun(t *testing.T) {
	f := anyKey(Options{Denied: []string{"DeleteSnapshot"}})
	id := f.AddSnapshot(here, Snapshot{})
	refused(t, f, "UnauthorizedOperation", "DeleteSnapshot", "SnapshotId", id)
	refused(t, f, "UnauthorizedOperation", "DeleteSnapshot", "SnapshotId", id, "DryRun", "true")
	f.Allow("DeleteSnapshot")
	refused(t, f, "DryRunOperation", "DeleteSnapshot", "SnapshotId", id, "DryRun", "true")
	done(t, f, "return", "DeleteSnapshot", "SnapshotId", id)
}

// An instance that has ended is listed for an hour, its own disks go with it, the others stay.
func TestTerminate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := anyKey(Options{InstanceTime: time.Minute})
		id := f.AddInstance(here, NewInstance{Disks: make([]NewDisk, 2)})
		done(t, f, "instancesSet", "TerminateInstances", "InstanceId.1", id)
		if v := f.Volumes(here); len(v) != 2 || v[1].State(time.Now()) != "available" {
			t.Errorf("volumes while it shuts down = %+v, want both, the data disk free", v)
		}
		time.Sleep(2 * time.Minute)
		if got := done(t, f, "name", "DescribeInstances"); got != "terminated" || len(f.Volumes(here)) != 1 {
			t.Errorf("afterwards it is %s with %d volumes, want terminated and one", got, len(f.Volumes(here)))
		}
		refused(t, f, "IncorrectInstanceState", "StartInstances", "InstanceId.1", id)
		done(t, f, "instancesSet", "TerminateInstances", "InstanceId.1", id)
		time.Sleep(time.Hour)
		refused(t, f, "InvalidInstanceID.NotFound", "TerminateInstances", "InstanceId.1", id)
	})
}

// Copies are bounded, lose the tags and say nothing about the disk.
func TestCopies(t *testing.T) {
	f := anyKey(Options{SnapshotTime: time.Hour})
	id := f.AddSnapshot("eu-west-1", Snapshot{Meta: Meta{Tags: map[string]string{"k": "v"}}})
	for range copiesAtOnce {
		done(t, f, "snapshotId", "CopySnapshot", "SourceRegion", "eu-west-1", "SourceSnapshotId", id)
	}
	refused(t, f, "ResourceLimitExceeded", "CopySnapshot", "SourceRegion", "eu-west-1", "SourceSnapshotId", id)
	if s := f.Snapshots(here)[0]; len(s.Tags) != 0 || s.VolumeID != "vol-ffffffff" {
		t.Errorf("copy = %+v, want no tags and a volume id that means nothing", s)
	}
}

// A key is checked once the copy is under way, and goes with the word that says so.
func TestCopiesWithKeys(t *testing.T) {
	const key, other = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
	f := anyKey(Options{KMSKeys: map[string][]string{here: {key}, "eu-west-1": {other}}})
	id := f.AddSnapshot("eu-west-1", Snapshot{})
	ask := []string{"SourceRegion", "eu-west-1", "SourceSnapshotId", id}
	refused(t, f, "InvalidParameterDependency", "CopySnapshot", append(ask, "KmsKeyId", key)...)
	for _, c := range []struct{ key, want, kept string }{
		{"", "completed", ""},
		{key, "completed", key},
		{"arn:aws:kms:" + here + ":111122223333:key/" + key, "completed", "arn:aws:kms:" + here + ":111122223333:key/" + key},
		{other, "error", other},
		{"arn:aws:kms:eu-west-1:111122223333:key/" + key, "error", "arn:aws:kms:eu-west-1:111122223333:key/" + key},
	} {
		kv := append(slices.Clone(ask), "Encrypted", "true")
		if c.key != "" {
			kv = append(kv, "KmsKeyId", c.key)
		}
		made := done(t, f, "snapshotId", "CopySnapshot", kv...)
		f.Settle(here, made, Completes)
		if s := f.Snapshots(here)[len(f.Snapshots(here))-1]; s.State(time.Now()) != c.want || !s.Encrypted || s.Key != c.kept {
			t.Errorf("copy with the key %q = %+v, want it %s", c.key, s, c.want)
		}
	}
}

// Permissions are added and removed in either form, are the owner's to change, and outlive a restart.
func TestPermissions(t *testing.T) {
	const partner, third = "444455556666", "777788889999"
	sharing := &Sharing{}
	opt := Options{Sharing: sharing}
	f := anyKey(opt)
	opt.Account, opt.Seed = partner, 1
	theirs := anyKey(opt)
	id := f.AddImage(here, Image{Name: "web"})
	snap := f.Images(here)[0].Mappings[0].SnapshotID
	refused(t, f, "InvalidAMIAttributeItemValue", "ModifyImageAttribute", "ImageId", id, "LaunchPermission.Add.1.UserId", "me")
	refused(t, f, "InvalidUserID.Malformed", "ModifySnapshotAttribute", "SnapshotId", snap, "CreateVolumePermission.Add.1.UserId", "me")
	refused(t, f, "InvalidParameterCombination", "ModifyImageAttribute", "ImageId", id)
	refused(t, f, "InvalidParameterValue", "ModifyImageAttribute", "ImageId", id, "UserId.1", third)
	refused(t, f, "InvalidAMIID.NotFound", "ModifyImageAttribute", "ImageId", "ami-0123456789abcdef0", "LaunchPermission.Add.1.UserId", third)
	refused(t, f, "AuthFailure", "DescribeImageAttribute", "ImageId", BaseImage, "Attribute", "launchPermission")
	done(t, f, "return", "ModifyImageAttribute", "ImageId", id, "LaunchPermission.Add.1.UserId", third, "LaunchPermission.Add.2.UserId", partner)
	done(t, f, "return", "ModifyImageAttribute", "ImageId", id, "Attribute", "launchPermission", "OperationType", "remove", "UserId.1", third)
	if got := done(t, f, "userId", "DescribeImageAttribute", "ImageId", id, "Attribute", "launchPermission"); got != partner {
		t.Errorf("the image is shared with %s, want %s", got, partner)
	}
	copyIt := []string{"SourceRegion", here, "SourceImageId", id, "Name", "theirs"}
	refused(t, theirs, "InvalidRequest", "CopyImage", copyIt...) // its snapshot is not shared
	refused(t, theirs, "InvalidSnapshot.NotFound", "CopySnapshot", "SourceRegion", here, "SourceSnapshotId", snap)
	done(t, f, "return", "ModifySnapshotAttribute", "SnapshotId", snap, "OperationType", "add", "UserId.1", partner)

	var kept bytes.Buffer
	*sharing = Sharing{}
	refused(t, theirs, "InvalidAMIID.NotFound", "CopyImage", copyIt...)
	if err := errors.Join(f.Save(&kept), f.Load(&kept)); err != nil {
		t.Fatalf("Save and Load: got %v, want no error", err)
	}
	made := done(t, theirs, "imageId", "CopyImage", append(copyIt, "CopyImageTags", "true")...)
	if m := theirs.Images(here)[0]; m.ID != made || m.Owner != partner || m.SourceImage != id || len(m.Tags) != 0 || theirs.Snapshots(here)[0].ID == snap {
		t.Errorf("the copy = %+v, want the partner's own, without the owner's tags, on a snapshot of its own", m)
	}
	done(t, f, "return", "DeregisterImage", "ImageId", id)
	refused(t, theirs, "InvalidAMIID.NotFound", "CopyImage", copyIt...)
}

// What is stored survives a restart, client tokens and pages that were begun included.
func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	one, two := anyKey(Options{PageSize: 5}), anyKey(Options{PageSize: 5})
	if err := two.LoadFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("LoadFile of nothing: got %v, want ErrNotExist", err)
	}
	ids := one.AddInstances(here, 7, 2, func(i int) map[string]string { return map[string]string{"n": fmt.Sprint(i)} })
	done(t, one, "imageId", "CreateImage", "InstanceId", ids[0], "Name", "image-1")
	volume := []string{"AvailabilityZone", here + "a", "Size", "1", "ClientToken", "t"}
	made := done(t, one, "volumeId", "CreateVolume", volume...)
	next := done(t, one, "nextToken", "DescribeInstances")
	version := one.Version()
	done(t, one, "regionInfo", "DescribeRegions")
	if one.Version() != version {
		t.Errorf("Version after a read = %d, want %d as before", one.Version(), version)
	}
	if err := one.SaveFile(path); err != nil {
		t.Fatalf("SaveFile: got %v, want no error", err)
	}
	if err := two.LoadFile(path); err != nil {
		t.Fatalf("LoadFile: got %v, want no error", err)
	}
	var before, after bytes.Buffer
	if err := errors.Join(one.Save(&before), two.Save(&after)); err != nil || before.String() != after.String() {
		t.Errorf("after a restart: got %s and %v, want %s", after.String(), err, before.String())
	}
	if got := done(t, two, "volumeId", "CreateVolume", volume...); got != made {
		t.Errorf("the same token after a restart: got %s, want %s", got, made)
	}
	if got := done(t, two, "instanceId", "DescribeInstances", "NextToken", next); got != ids[5] {
		t.Errorf("the next page after a restart begins with %s, want %s", got, ids[5])
	}
	if fresh := two.AddInstance(here, NewInstance{}); fresh == ids[0] || len(two.Instances(here)) != 8 {
		t.Errorf("a new instance after a restart is %s, want one more with an id of its own", fresh)
	}
	if err := two.Load(strings.NewReader("{}")); err == nil {
		t.Errorf("Load of something else: got no error, want one")
	}
}

// Faults that cut the connection, before or after the call takes effect, over a real connection.
func TestCut(t *testing.T) {
	f := anyKey(Options{Fault: func(action string, n int) *Fault {
		return map[int]*Fault{1: {Cut: true}, 2: {After: true}}[n]
	}})
	id := f.AddInstance(here, NewInstance{})
	url := f.Start(t)
	for n, want := range []int{0, 1} {
		form := strings.NewReader("Action=CreateSnapshots&Version=" + ec2Version + "&InstanceSpecification.InstanceId=" + id)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, form)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", algorithm+" Credential=ANY/20260102/"+here+"/ec2/aws4_request, SignedHeaders=host, Signature=00")
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
			t.Errorf("call %d: got HTTP %d, want the connection cut", n+1, resp.StatusCode)
		}
		if got := len(f.Snapshots(here)); got != want {
			t.Errorf("after call %d there are %d snapshots, want %d", n+1, got, want)
		}
	}
}

// full is a region of a thousand instances with two disks each, and two thousand snapshots.
func full() *Fake {
	f := anyKey(Options{})
	f.AddInstances(here, 1000, 2, func(i int) map[string]string {
		return map[string]string{"Name": fmt.Sprint("web-", i), "backup": "nightly"}
	})
	for range 2000 {
		f.AddSnapshot(here, Snapshot{Meta: Meta{Tags: map[string]string{"stint:policy": "nightly", "stint:backup": "b", "stint:slot": "s"}}})
	}
	return f
}

// Benchmarks of others run against this: it must not be what they measure. Counted and not timed, since the machine may
// be busy; BenchmarkListing has the times.
func TestListingIsLean(t *testing.T) {
	f := full()
	for action, items := range map[string]float64{"DescribeInstances": 1000, "DescribeSnapshots": 2000} {
		per := testing.AllocsPerRun(3, func() { listOnce(t, f, action) }) / items
		if per > 12 {
			t.Errorf("%s allocates %.1f times for each item, want 12 at most", action, per)
		}
	}
}

func BenchmarkListing(b *testing.B) {
	f := full()
	for _, action := range []string{"DescribeInstances", "DescribeSnapshots"} {
		b.Run(action, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				listOnce(b, f, action)
			}
		})
	}
}

func listOnce(t testing.TB, f *Fake, action string) {
	form := "Action=" + action + "&Version=" + ec2Version
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ec2.example.com/", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", algorithm+" Credential=ANY/20260102/"+here+"/ec2/aws4_request, SignedHeaders=host, Signature=00")
	resp, err := f.RoundTripper().RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %v, want an answer", action, err)
	}
}
