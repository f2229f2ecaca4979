package faketencent

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cbs "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cbs/v20170312"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"
	cvm "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cvm/v20170312"
)

// TestSnapshotRules: states, what may be deleted, quotas, and what the cloud deletes by itself.
func TestSnapshotRules(t *testing.T) {
	fates := map[string]Fate{}
	r := newRig(t, Options{SnapshotTime: time.Minute, MaxPerDisk: 3, OneAtATime: true, Fate: func(_, source string) Fate { return fates[source] }})
	disk := r.AddDisk(here, NewDisk{})
	make1 := func() (string, error) {
		req := cbs.NewCreateSnapshotRequest()
		req.DiskId = &disk
		got, err := r.cbs.CreateSnapshot(req)
		if err != nil {
			return "", err
		}
		return *got.Response.SnapshotId, nil
	}
	remove := func(ids ...string) error {
		req := cbs.NewDeleteSnapshotsRequest()
		req.SnapshotIds = common.StringPtrs(ids)
		_, err := r.cbs.DeleteSnapshots(req)
		return err
	}
	first := must[string](t, "CreateSnapshot")(make1())
	if got := r.Snapshots(here)[0]; got.State(r.at) != "CREATING" || got.Name != unnamed {
		t.Errorf("a fresh snapshot is %s and called %q, want CREATING and unnamed", got.State(r.at), got.Name)
	}
	_, err := make1()
	wantCode(t, "a second one meanwhile", err, "InvalidDisk.SnapshotCreating")
	wantCode(t, "deleting it meanwhile", remove(first), "ResourceUnavailable.SnapshotCreating")
	r.at = r.at.Add(time.Minute)
	fates[disk] = Fails
	bad := must[string](t, "CreateSnapshot")(make1())
	if got := r.Snapshots(here); len(got) != 2 {
		t.Errorf("one that will fail: got %d snapshots, want it there", len(got))
	}
	r.at = r.at.Add(time.Minute)
	if got := r.Snapshots(here); len(got) != 1 {
		t.Errorf("one that failed: got %d snapshots, want it gone", len(got))
	}
	wantCode(t, "all or nothing", remove(first, bad), "InvalidSnapshotId.NotFound")
	fates[disk] = Completes
	for range 2 {
		must[string](t, "CreateSnapshot")(make1())
		r.at = r.at.Add(time.Minute)
	}
	_, err = make1()
	wantCode(t, "one too many of a disk", err, "InsufficientSnapshotQuota")
	r.EditSnapshot(here, first, func(s *Snapshot) { s.Locked = true })
	wantCode(t, "deleting what is locked", remove(first), "InvalidSnapshot.NotSupported")
	r.EditSnapshot(here, first, func(s *Snapshot) { s.Locked, s.SharedTo = false, 1 })
	wantCode(t, "deleting what is shared", remove(first), "UnsupportedOperation.SnapHasShared")
	r.EditSnapshot(here, first, func(s *Snapshot) { s.SharedTo, s.Deadline = 0, r.at.Add(time.Hour) })
	r.at = r.at.Add(time.Hour)
	if got := r.Snapshots(here); len(got) != 2 {
		t.Errorf("past its deadline: got %d snapshots, want two", len(got))
	}
	if got := r.Failures()["InvalidDisk.SnapshotCreating"]; got != 1 || r.Count("CreateSnapshot") != 6 {
		t.Errorf("counted %d refusals and %d calls of CreateSnapshot, want 1 and 6", got, r.Count("CreateSnapshot"))
	}
}

// TestImages: of an instance with the disks that are named, of snapshots, under a name that nobody has.
func TestImages(t *testing.T) {
	r := newRig(t, Options{ImageTime: time.Minute, MaxImages: 2})
	id := r.AddInstance(here, NewInstance{Disks: make([]NewDisk, 3)})
	disks := r.Instances(here)[0].Disks
	req := cvm.NewCreateImageRequest()
	req.InstanceId, req.ImageName, req.DataDiskIds = &id, s("a"), []*string{&disks[2]}
	img := *must[*cvm.CreateImageResponse](t, "CreateImage")(r.cvm.CreateImage(req)).Response.ImageId
	got := r.Images(here)[0]
	if len(got.Snapshots) != 2 || got.Snapshots[0].Usage != systemDisk || len(r.Snapshots(here)[0].Tags) != 0 {
		t.Errorf("image = %+v, want the system disk and one data disk, on snapshots without tags", got)
	}
	_, err := r.cvm.CreateImage(req)
	wantCode(t, "the same name", err, "InvalidImageName.Duplicate")
	req.ImageName, req.DataDiskIds = s("b"), []*string{&disks[0]}
	_, err = r.cvm.CreateImage(req)
	wantCode(t, "the system disk as a data disk", err, "InvalidParameter.DataDiskIdContainsRootDisk")
	del := cvm.NewDeleteImagesRequest()
	del.ImageIds = []*string{&img}
	_, err = r.cvm.DeleteImages(del)
	wantCode(t, "deleting what is being made", err, "InvalidImageId.IncorrectState")
	r.at = r.at.Add(time.Minute)
	dels := cbs.NewDeleteSnapshotsRequest()
	dels.SnapshotIds = []*string{&got.Snapshots[0].SnapshotID}
	_, err = r.cbs.DeleteSnapshots(dels)
	wantCode(t, "deleting a snapshot under it", err, "UnsupportedOperation.SnapshotHasBindedImage")
	of := cvm.NewCreateImageRequest()
	of.ImageName, of.SnapshotIds = s("of-snapshots"), []*string{&got.Snapshots[1].SnapshotID}
	_, err = r.cvm.CreateImage(of)
	wantCode(t, "an image without a system disk", err, "InvalidParameter.SystemSnapshotNotFound")
	of.SnapshotIds = append(of.SnapshotIds, &got.Snapshots[0].SnapshotID)
	must[*cvm.CreateImageResponse](t, "CreateImage of snapshots")(r.cvm.CreateImage(of))
	of.ImageName = s("third")
	_, err = r.cvm.CreateImage(of)
	wantCode(t, "one image too many", err, "ImageQuotaLimitExceeded")
	r.SetState(here, id, "STOPPED")
	r.EditInstance(here, id, func(i *Instance) { i.StopMode = "STOP_CHARGING" })
	must[*cvm.DeleteImagesResponse](t, "DeleteImages")(r.cvm.DeleteImages(del))
	req.DataDiskIds = nil
	_, err = r.cvm.CreateImage(req)
	wantCode(t, "of what is stopped without being charged for", err, "UnsupportedOperation.StoppedModeStopCharging")
	del.ImageIds, del.DeleteBindedSnap = []*string{s(r.Images(here)[0].ID)}, common.BoolPtr(true)
	r.at = r.at.Add(time.Minute)
	must[*cvm.DeleteImagesResponse](t, "DeleteImages")(r.cvm.DeleteImages(del))
	if n := len(r.Snapshots(here)); n != 0 {
		t.Errorf("an image deleted with its snapshots leaves %d, want none", n)
	}
}

// TestCopies: images and snapshots go to other regions without their tags.
func TestCopies(t *testing.T) {
	r := newRig(t, Options{ImageTime: time.Minute, SnapshotTime: time.Minute})
	snap := r.AddSnapshot(here, Snapshot{Meta: Meta{Tags: map[string]string{"a": "b"}}, Usage: systemDisk})
	img := r.AddImage(here, Image{Name: "one", Meta: Meta{Tags: map[string]string{"a": "b"}}, Snapshots: []ImageDisk{{snap, systemDisk, 50}}})
	sync := cvm.NewSyncImagesRequest()
	sync.ImageIds, sync.DestinationRegions, sync.ImageSetRequired = []*string{&img}, []*string{s(there)}, common.BoolPtr(true)
	set := must[*cvm.SyncImagesResponse](t, "SyncImages")(r.cvm.SyncImages(sync)).Response.ImageSet
	dup := r.Images(there)[0]
	if len(set) != 1 || *set[0].ImageId != dup.ID || dup.State(r.at) != "SYNCING" || len(dup.Tags) != 0 || dup.Name != "one" || len(r.Snapshots(there)) != 1 {
		t.Errorf("the copy = %+v (answer %v), want it SYNCING under the same name, without tags, on a snapshot of its own", dup, set)
	}
	_, err := r.cvm.SyncImages(sync)
	wantCode(t, "a second copy of the name", err, "InvalidImageName.Duplicate")
	sync.DestinationRegions = []*string{s(here)}
	_, err = r.cvm.SyncImages(sync)
	wantCode(t, "a copy to where it is", err, "InvalidParameterValue.InvalidRegion")
	r.at = r.at.Add(time.Minute)
	if got := r.Images(there)[0].State(r.at); got != "NORMAL" {
		t.Errorf("the copy after its time is %s, want NORMAL", got)
	}
	cp := cbs.NewCopySnapshotCrossRegionsRequest()
	cp.SnapshotId, cp.DestinationRegions = &snap, common.StringPtrs([]string{there, "mars", "ap-singapore"})
	var codes []string
	for _, res := range must[*cbs.CopySnapshotCrossRegionsResponse](t, "CopySnapshotCrossRegions")(r.cbs.CopySnapshotCrossRegions(cp)).Response.SnapshotCopyResultSet {
		codes = append(codes, *res.Code)
	}
	if want := []string{"Success", "InvalidParameterValue", "Success"}; !slices.Equal(codes, want) {
		t.Errorf("copies to three regions: got %v, want %v", codes, want)
	}
	again := must[*cbs.CopySnapshotCrossRegionsResponse](t, "CopySnapshotCrossRegions")(r.cbs.CopySnapshotCrossRegions(cp)).Response.SnapshotCopyResultSet
	if *again[0].Code != "ResourceInUse.CopySnapshotConflict" {
		t.Errorf("a second copy meanwhile: got %s, want ResourceInUse.CopySnapshotConflict", *again[0].Code)
	}
	got := r.Snapshots("ap-singapore")[0]
	if got.State(r.at) != "COPYING_FROM_REMOTE" || got.Name != "Copied "+snap+" from "+here || len(got.Tags) != 0 {
		t.Errorf("the copied snapshot = %+v, want it being copied, with its usual name, without tags", got)
	}
}

// TestSharing: an image is seen by the other account, which copies it into its own, and cannot go while it is shared.
func TestSharing(t *testing.T) {
	r := newRig(t, Options{Accounts: []Login{{UIN: UIN, Keys: map[string]string{SecretID: SecretKey}}, {UIN: other, Keys: map[string]string{"AKIDOTHER": "other"}}}})
	img := r.AddImage(here, Image{Name: "one"})
	share := cvm.NewModifyImageSharePermissionRequest()
	share.ImageId, share.AccountIds, share.Permission = &img, []*string{s(other)}, s("SHARE")
	must[*cvm.ModifyImageSharePermissionResponse](t, "share")(r.cvm.ModifyImageSharePermission(share))
	_, err := r.cvm.ModifyImageSharePermission(share)
	wantCode(t, "sharing twice", err, "FailedOperation.AccountAlreadyExists")
	del := cvm.NewDeleteImagesRequest()
	del.ImageIds = []*string{&img}
	_, err = r.cvm.DeleteImages(del)
	wantCode(t, "deleting what is shared", err, "InvalidImageId.InShared")
	with := cvm.NewDescribeImageSharePermissionRequest()
	with.ImageId = &img
	if got := must[*cvm.DescribeImageSharePermissionResponse](t, "who")(r.cvm.DescribeImageSharePermission(with)).Response.SharePermissionSet; len(got) != 1 || *got[0].AccountId != other {
		t.Errorf("shared with %v, want %s", got, other)
	}
	r.as("AKIDOTHER", "other", "", here)
	list := cvm.NewDescribeImagesRequest()
	list.Filters = []*cvm.Filter{{Name: s("image-type"), Values: []*string{s("SHARED_IMAGE")}}}
	if got := must[*cvm.DescribeImagesResponse](t, "DescribeImages")(r.cvm.DescribeImages(list)).Response; *got.TotalCount != 1 || *got.ImageSet[0].ImageId != img {
		t.Errorf("the other account sees %d shared images, want the one", *got.TotalCount)
	}
	_, err = r.cvm.DeleteImages(del)
	wantCode(t, "deleting another's", err, "InvalidImageId.NotFound")
	sync := cvm.NewSyncImagesRequest()
	sync.ImageIds, sync.DestinationRegions = []*string{&img}, []*string{s(there)}
	_, err = r.cvm.SyncImages(sync)
	wantCode(t, "a shared image to another region", err, "InvalidParameterValue.InvalidRegion")
	sync.DestinationRegions = []*string{s(here)}
	must[*cvm.SyncImagesResponse](t, "SyncImages")(r.cvm.SyncImages(sync))
	if got := r.In(other).Images(here); len(got) != 1 || got[0].Name != "one" {
		t.Errorf("the other account's own images: %v, want the copy", got)
	}
	r.as(SecretID, SecretKey, "", here)
	share.Permission = s("CANCEL")
	must[*cvm.ModifyImageSharePermissionResponse](t, "take back")(r.cvm.ModifyImageSharePermission(share))
	must[*cvm.DeleteImagesResponse](t, "DeleteImages")(r.cvm.DeleteImages(del))
}

// TestInstances: they start, stop and end; what is paid in advance ends when it is terminated twice.
func TestInstances(t *testing.T) {
	r := newRig(t, Options{InstanceTime: time.Minute, MaxInstances: 2})
	run := cvm.NewRunInstancesRequest()
	run.ImageId, run.Placement, run.ClientToken, run.InstanceChargeType = s(BaseImage), &cvm.Placement{Zone: s(here + "-1")}, s("tok"), s("PREPAID")
	run.TagSpecification = []*cvm.TagSpecification{{ResourceType: s("instance"), Tags: []*cvm.Tag{{Key: s("a"), Value: s("b")}}}}
	id := *must[*cvm.RunInstancesResponse](t, "RunInstances")(r.cvm.RunInstances(run)).Response.InstanceIdSet[0]
	if again := *must[*cvm.RunInstancesResponse](t, "RunInstances")(r.cvm.RunInstances(run)).Response.InstanceIdSet[0]; again != id || len(r.Instances(here)) != 1 {
		t.Errorf("the same token: got %s, want %s again", again, id)
	}
	run.InstanceCount = common.Int64Ptr(2)
	_, err := r.cvm.RunInstances(run)
	wantCode(t, "the same token with other parameters", err, "InvalidParameter.InvalidClientToken")
	run.ClientToken = s("other")
	_, err = r.cvm.RunInstances(run)
	wantCode(t, "one instance too many", err, "LimitExceeded.InstanceQuota")
	run.ClientToken = s(strings.Repeat("t", 65))
	_, err = r.cvm.RunInstances(run)
	wantCode(t, "a long token", err, "InvalidClientToken.TooLong")
	if got := r.Disks(here)[0]; got.Tags["a"] != "b" || r.Instances(here)[0].State(r.at) != "PENDING" {
		t.Errorf("its disk = %+v, want it tagged as the instance, which is PENDING", got)
	}
	ids := []*string{&id}
	stop, start, end := cvm.NewStopInstancesRequest(), cvm.NewStartInstancesRequest(), cvm.NewTerminateInstancesRequest()
	stop.InstanceIds, start.InstanceIds, end.InstanceIds = ids, ids, ids
	_, err = r.cvm.StopInstances(stop)
	wantCode(t, "stopping what is not up yet", err, "UnsupportedOperation.InstanceStatePending")
	pass := func(want string) {
		t.Helper()
		r.at = r.at.Add(time.Minute)
		if got := r.Instances(here); len(got) != 1 || got[0].State(r.at) != want {
			t.Fatalf("instances = %+v, want it %s", got, want)
		}
	}
	pass("RUNNING")
	must[*cvm.StopInstancesResponse](t, "StopInstances")(r.cvm.StopInstances(stop))
	pass("STOPPED")
	must[*cvm.StartInstancesResponse](t, "StartInstances")(r.cvm.StartInstances(start))
	pass("RUNNING")
	r.EditInstance(here, id, func(i *Instance) { i.Protected = true })
	_, err = r.cvm.TerminateInstances(end)
	wantCode(t, "ending what is protected", err, "UnsupportedOperation.InstancesProtected")
	r.EditInstance(here, id, func(i *Instance) { i.Protected = false })
	must[*cvm.TerminateInstancesResponse](t, "TerminateInstances")(r.cvm.TerminateInstances(end))
	pass("SHUTDOWN")
	must[*cvm.TerminateInstancesResponse](t, "TerminateInstances")(r.cvm.TerminateInstances(end))
	r.at = r.at.Add(time.Minute)
	if n, d := len(r.Instances(here)), len(r.Disks(here)); n != 0 || d != 0 {
		t.Errorf("after the second time there are %d instances and %d disks, want none", n, d)
	}
}

// TestDisks: of a snapshot of a data disk, as large at least, and none of a system disk's.
func TestDisks(t *testing.T) {
	r := newRig(t, Options{DiskTime: time.Minute})
	sys, data := r.AddSnapshot(here, Snapshot{Usage: systemDisk}), r.AddSnapshot(here, Snapshot{GiB: 70})
	req := cbs.NewCreateDisksRequest()
	req.Placement, req.DiskChargeType, req.DiskType, req.SnapshotId = &cbs.Placement{Zone: s(here + "-1")}, s("POSTPAID_BY_HOUR"), s("CLOUD_SSD"), &sys
	_, err := r.cbs.CreateDisks(req)
	wantCode(t, "a disk of a system disk's snapshot", err, "InvalidParameter.ShouldConvertSnapshotToImage")
	req.SnapshotId, req.DiskSize = &data, common.Uint64Ptr(60)
	_, err = r.cbs.CreateDisks(req)
	wantCode(t, "a disk that is too small", err, "InvalidParameter.DiskSizeNotMatch")
	req.DiskSize, req.Placement.Zone = nil, s(there+"-1")
	_, err = r.cbs.CreateDisks(req)
	wantCode(t, "a zone of another region", err, "InvalidParameterValue")
	req.Placement.Zone = s(here + "-1")
	id := *must[*cbs.CreateDisksResponse](t, "CreateDisks")(r.cbs.CreateDisks(req)).Response.DiskIdSet[0]
	if got := r.Disks(here)[0]; got.ID != id || got.GiB != 70 || got.State(r.at) != "DUMPING" || got.State(r.at.Add(time.Minute)) != "UNATTACHED" {
		t.Errorf("disk = %+v, want 70 GiB, DUMPING and then UNATTACHED", got)
	}
	end := cbs.NewTerminateDisksRequest()
	end.DiskIds = []*string{&id}
	must[*cbs.TerminateDisksResponse](t, "TerminateDisks")(r.cbs.TerminateDisks(end))
	if n := len(r.Disks(here)); n != 0 {
		t.Errorf("after its end there are %d disks, want none", n)
	}
}

// TestTrouble: throttling, denial, delay until found, and faults before and after the effect.
func TestTrouble(t *testing.T) {
	r := newRig(t, Options{Throttle: map[string]Bucket{"DescribeRegions": {2, 1}}, Lag: time.Minute, Denied: []string{"DescribeDisks"}})
	look := func() error {
		_, err := r.cvm.DescribeRegions(cvm.NewDescribeRegionsRequest())
		return err
	}
	wantCode(t, "first", look(), "")
	wantCode(t, "second", look(), "")
	wantCode(t, "third", look(), "RequestLimitExceeded")
	r.at = r.at.Add(time.Second)
	wantCode(t, "a second later", look(), "")
	_, err := r.cbs.DescribeDisks(cbs.NewDescribeDisksRequest())
	wantCode(t, "what is denied", err, "UnauthorizedOperation")
	r.Allow("DescribeDisks")
	_, err = r.cbs.DescribeDisks(cbs.NewDescribeDisksRequest())
	wantCode(t, "what is allowed again", err, "")
	disk := r.AddDisk(here, NewDisk{})
	req := cbs.NewCreateSnapshotRequest()
	req.DiskId = &disk
	for i, c := range []struct {
		fault Fault
		want  string
		made  int
	}{
		{Fault{Code: "InternalError"}, "InternalError", 0},
		{Fault{Code: "InternalError", After: true}, "InternalError", 1},
		{Fault{Cut: true}, "ClientError.NetworkError", 1},
		{Fault{After: true}, "ClientError.NetworkError", 2},
		{Fault{Body: "<html>", After: true}, "ClientError.ParseJsonError", 3},
	} {
		r.SetFault(func(action string, _ int) *Fault {
			if action == "CreateSnapshot" {
				return &c.fault
			}
			return nil
		})
		_, err := r.cbs.CreateSnapshot(req)
		wantCode(t, "fault", err, c.want)
		if n := len(r.Snapshots(here)); n != c.made {
			t.Errorf("fault %d (%+v): %d snapshots were made, want %d", i, c.fault, n, c.made)
		}
	}
	r.SetFault(nil)
	list := must[*cbs.DescribeSnapshotsResponse](t, "DescribeSnapshots")(r.cbs.DescribeSnapshots(cbs.NewDescribeSnapshotsRequest()))
	if *list.Response.TotalCount != 0 {
		t.Errorf("fresh snapshots are listed: %d, want none for a minute", *list.Response.TotalCount)
	}
	r.at = r.at.Add(time.Minute)
	list = must[*cbs.DescribeSnapshotsResponse](t, "DescribeSnapshots")(r.cbs.DescribeSnapshots(cbs.NewDescribeSnapshotsRequest()))
	if *list.Response.TotalCount != 3 {
		t.Errorf("a minute later %d are listed, want 3", *list.Response.TotalCount)
	}
}

// TestTags: a resource that is not there is told in an answer without an error, and hinders no other.
func TestTags(t *testing.T) {
	r := newRig(t, Options{})
	id := r.AddInstance(here, NewInstance{})
	req := tchttp.NewCommonRequest("tag", "2018-08-13", "TagResources")
	if err := req.SetActionParameters(map[string]any{
		"ResourceList": []any{"qcs::cvm:" + here + ":uin/:instance/ins-00000000", "qcs::cvm:" + here + ":uin/" + UIN + ":instance/" + id, "qcs::cvm:" + here + ":uin/" + other + ":instance/" + id},
		"Tags":         []any{map[string]any{"TagKey": "a", "TagValue": "b"}},
	}); err != nil {
		t.Fatal(err)
	}
	resp := tchttp.NewCommonResponse()
	if err := r.any.Send(req, resp); err != nil {
		t.Fatalf("TagResources: got %v, want no error", err)
	}
	body := string(resp.GetBody())
	if r.Instances(here)[0].Tags["a"] != "b" || !strings.Contains(body, "InvalidParameterValue.ResourceIdInvalid") || !strings.Contains(body, "FailedOperation.ResourceAppIdNotSame") {
		t.Errorf("TagResources: got %s and tags %v, want the one tagged and the others told", body, r.Instances(here)[0].Tags)
	}
}

// TestSaved: what is saved comes back whole, and what is not a state is refused.
func TestSaved(t *testing.T) {
	r := newRig(t, Options{})
	id := r.AddInstance(here, NewInstance{Name: "web", Tags: map[string]string{"a": "b"}})
	r.AddSnapshot(there, Snapshot{Name: "kept"})
	path := filepath.Join(t.TempDir(), "state.json")
	if err := r.SaveFile(path); err != nil {
		t.Fatalf("SaveFile: got %v, want no error", err)
	}
	again := New(Options{})
	if err := again.LoadFile(path); err != nil {
		t.Fatalf("LoadFile: got %v, want no error", err)
	}
	if got := again.Instances(here); len(got) != 1 || got[0].ID != id || got[0].Tags["a"] != "b" || len(again.Disks(here)) != 1 || again.Snapshots(there)[0].Name != "kept" {
		t.Errorf("after LoadFile: instances %+v, want %s with its tag, its disk, and the snapshot", got, id)
	}
	if fresh := again.AddInstance(here, NewInstance{}); fresh == id {
		t.Errorf("after LoadFile an id is given out twice: %s", fresh)
	}
	if err := again.LoadFile(path + ".not"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("LoadFile of nothing: got %v, want fs.ErrNotExist", err)
	}
	for _, wrong := range []string{"", "{}", `{"accounts":{"` + UIN + `":{"uin":"` + UIN + `"}}}`, `{"accounts":null}`} {
		if err := again.Load(bytes.NewReader([]byte(wrong))); err == nil {
			t.Errorf("Load(%q): got no error, want one", wrong)
		}
	}
	var b bytes.Buffer
	if err := r.Save(&b); err != nil {
		t.Fatal(err)
	}
	if err := New(Options{Accounts: []Login{{UIN: other}}}).Load(&b); err == nil {
		t.Errorf("Load of another cloud's accounts: got no error, want one")
	}
}

// TestSameAccountTwice: accounts must be told apart.
func TestSameAccountTwice(t *testing.T) {
	for _, list := range [][]Login{{{UIN: "1"}, {UIN: "1"}}, {{UIN: "1", Keys: map[string]string{"a": "b"}}, {UIN: "2", Keys: map[string]string{"a": "c"}}}, {{}}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%+v): no panic, want one", list)
				}
			}()
			New(Options{Accounts: list})
		}()
	}
}
