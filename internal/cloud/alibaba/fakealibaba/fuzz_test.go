package fakealibaba

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// FuzzForm: whatever form comes in, the answer is one JSON object, a mistake of the client is never one of ours, and what was
// refused has changed nothing.
func FuzzForm(f *testing.F) {
	for _, seed := range [][2]string{
		{"DescribeInstances", "RegionId=cn-hangzhou&MaxResults=10"},
		{"DescribeSnapshots", "RegionId=cn-hangzhou&SnapshotIds=%5B%22SNAP%22%5D&Tag.1.Key=a&Tag.1.Value=b"},
		{"DescribeImages", "RegionId=cn-hangzhou&PageNumber=9223372036854775807&PageSize=100&Status=Available,Waiting"},
		{"DescribeImages", "RegionId=cn-hangzhou&PageNumber=1073741824&ImageId=" + BaseImage},
		{"DescribeDisks", "RegionId=cn-hangzhou&NextToken=YWZ0ZXI6OTk5&DiskIds=null"},
		{"CreateSnapshot", "DiskId=DISK&SnapshotName=x%C3%A9&Tag.1.Key=a&Tag.1.Value=%00&ClientToken=t"},
		{"CreateSnapshotGroup", "RegionId=cn-hangzhou&InstanceId=INST&DiskId.1=DISK&Tag.2.Key=b"},
		{"CreateImage", "RegionId=cn-hangzhou&InstanceId=INST&ImageName=nn"},
		{"CreateImage", "RegionId=cn-hangzhou&DiskDeviceMapping.1.SnapshotId=SNAP&DiskDeviceMapping.1.Size=1"},
		{"CreateDisk", "RegionId=cn-hangzhou&ZoneId=cn-hangzhou-a&SnapshotId=SNAP&Size=50"},
		{"RunInstances", "RegionId=cn-hangzhou&ImageId=" + BaseImage + "&InstanceType=ecs.x&VSwitchId=vsw-1&SecurityGroupIds.1=sg-1&Amount=100&InstanceName=nn"},
		{"CopyImage", "RegionId=cn-hangzhou&ImageId=IMG&DestinationRegionId=cn-shanghai"},
		{"CopySnapshot", "RegionId=cn-hangzhou&SnapshotId=SNAP&DestinationRegionId=cn-shanghai&DestinationSnapshotName=nn&DestinationSnapshotDescription=dd"},
		{"ModifyImageSharePermission", "RegionId=cn-hangzhou&ImageId=IMG&AddAccount.1=5555666677778888"},
		{"LockSnapshot", "RegionId=cn-hangzhou&SnapshotId=SNAP&LockMode=compliance&LockDuration=36500&CoolOffPeriod=72"},
		{"TagResources", "RegionId=cn-hangzhou&ResourceType=image&ResourceId.1=IMG&Tag.1.Key=a"},
		{"UntagResources", "RegionId=cn-hangzhou&ResourceType=disk&ResourceId.1=DISK&All=true"},
		{"StopInstance", "InstanceId=INST"},
		{"DeleteInstance", "InstanceId=INST&Force=true"},
		{"DeleteSnapshot", "SnapshotId=SNAP"},
		{"AssumeRole", "RoleArn=acs:ram::1111222233334444:role/x&RoleSessionName=me&DurationSeconds=900"},
		{"AssumeRoleWithOIDC", "RoleArn=a&RoleSessionName=%3C&OIDCProviderArn=p&OIDCToken=t"},
		{"Nothing", "%zz=1"},
		{"", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, action, form string) {
		at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
		fake := New(Options{AnyKey: true, Now: func() time.Time { return at }})
		instance := fake.AddInstance(here, NewInstance{Disks: make([]NewDisk, 2)})
		snap, image := fake.AddSnapshot(here, Snapshot{}), fake.AddImage(here, Image{})
		form = strings.NewReplacer("INST", instance, "DISK", fake.Disks(here)[0].ID, "SNAP", snap, "IMG", image).Replace(form)
		before := fake.Version()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ecs.example.com/", strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		version := ecsVersion
		if strings.HasPrefix(action, "AssumeRole") || action == "GetCallerIdentity" {
			version = stsVersion
		}
		for k, v := range map[string]string{"X-Acs-Action": action, "X-Acs-Version": version, "Authorization": algorithm + " Credential=ANY,SignedHeaders=host,Signature=00"} {
			r.Header.Set(k, v)
		}
		began := time.Now()
		resp, err := fake.RoundTripper().RoundTrip(r)
		if err != nil {
			t.Fatalf("%s %q: got %v, want an answer", action, form, err)
		}
		body, _ := io.ReadAll(resp.Body)
		if took := time.Since(began); took > 2*time.Second || len(body) > 4<<20 {
			t.Errorf("%s %q took %v and gave %d bytes", action, form, took, len(body))
		}
		var out map[string]any
		if err := json.Unmarshal(body, &out); err != nil || out["RequestId"] == nil || (out["Code"] != nil) != (resp.StatusCode != 200) {
			t.Errorf("%s %q: the answer is HTTP %d with %q, want JSON with a request id, and a code when it is refused", action, form, resp.StatusCode, body)
		}
		if resp.StatusCode >= 500 {
			t.Errorf("%s %q: got HTTP %d: %s", action, form, resp.StatusCode, body)
		}
		if resp.StatusCode != http.StatusOK && fake.Version() != before {
			t.Errorf("%s %q: was refused (%s), and changed something", action, form, body)
		}
		var kept bytes.Buffer
		if err := fake.Save(&kept); err != nil {
			t.Fatalf("%s %q: the state cannot be saved: %v", action, form, err)
		}
		if err := New(Options{}).Load(&kept); err != nil {
			t.Errorf("%s %q: the state cannot be loaded: %v", action, form, err)
		}
	})
}
