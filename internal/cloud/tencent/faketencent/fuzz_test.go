package faketencent

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// FuzzRequest: whatever body comes in with an action, the answer is one JSON envelope, a mistake of the client is never one
// of ours, and what was refused has changed nothing.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][2]string{
		{"DescribeInstances", `{"Limit":100,"Offset":0}`},
		{"DescribeInstances", `{"InstanceIds":["ID"]}`},
		{"DescribeInstances", `{"Offset":9223372036854775807}`},
		{"DescribeSnapshots", `{"Filters":[{"Name":"snapshot-type","Values":["PRIVATE_SNAPSHOT"]}],"Order":"ASC","OrderField":"CREATE_TIME"}`},
		{"DescribeDisks", `{"DiskIds":["DISK"]}`},
		{"DescribeImages", `{"Filters":[{"Name":"tag:a","Values":["b"]}]}`},
		{"DescribeRegions", ``},
		{"CreateSnapshot", `{"DiskId":"DISK","SnapshotName":"n","Tags":[{"Key":"a","Value":"b"}],"DiskUsage":"DATA_DISK","Deadline":"9999-12-31T00:00:00+00:00"}`},
		{"DeleteSnapshots", `{"SnapshotIds":["SNAP","SNAP"],"DeleteBindImages":true}`},
		{"CopySnapshotCrossRegions", `{"SnapshotId":"SNAP","DestinationRegions":["ap-shanghai","x"]}`},
		{"ModifySnapshotAttribute", `{"SnapshotId":"SNAP","IsPermanent":true}`},
		{"CreateImage", `{"ImageName":"n","InstanceId":"ID","DataDiskIds":["DISK"]}`},
		{"CreateImage", `{"ImageName":"n","SnapshotIds":["SNAP"],"DryRun":true}`},
		{"SyncImages", `{"ImageIds":["IMG"],"DestinationRegions":["ap-shanghai"],"ImageSetRequired":true}`},
		{"DeleteImages", `{"ImageIds":["IMG","IMG"],"DeleteBindedSnap":true}`},
		{"ModifyImageSharePermission", `{"ImageId":"IMG","AccountIds":["1"],"Permission":"SHARE"}`},
		{"RunInstances", `{"ImageId":"` + BaseImage + `","Placement":{"Zone":"ap-guangzhou-1"},"InstanceCount":2,"ClientToken":"t","DataDisks":[{"DiskSize":10}]}`},
		{"StopInstances", `{"InstanceIds":["ID"],"StopType":"SOFT","StoppedMode":"STOP_CHARGING"}`},
		{"TerminateInstances", `{"InstanceIds":["ID","ID"]}`},
		{"CreateDisks", `{"Placement":{"Zone":"ap-guangzhou-1"},"DiskChargeType":"POSTPAID_BY_HOUR","DiskType":"CLOUD_SSD","SnapshotId":"SNAP"}`},
		{"TagResources", `{"ResourceList":["qcs::cvm:ap-guangzhou:uin/:instance/ID"],"Tags":[{"TagKey":"a","TagValue":"b"}]}`},
		{"UnTagResources", `{"ResourceList":["qcs::cvm:ap-guangzhou:uin/:instance/ID"],"TagKeys":["a"]}`},
		{"AssumeRole", `{"RoleArn":"qcs::cam::uin/1:roleName/x","RoleSessionName":"ab","DurationSeconds":1}`},
		{"Nothing", `{}`},
		{"", `[]`},
		{"CreateSnapshot", "{"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, body string) {
		at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
		fake := New(Options{AnyKey: true, Now: func() time.Time { return at }})
		id := fake.AddInstance(here, NewInstance{Disks: make([]NewDisk, 2)})
		disk := fake.Instances(here)[0].Disks[1]
		snap := fake.AddSnapshot(here, Snapshot{})
		img := fake.AddImage(here, Image{Name: "by-hand", Snapshots: []ImageDisk{{snap, dataDisk, 50}}})
		body = strings.NewReplacer(`"ID"`, `"`+id+`"`, `/ID"`, `/`+id+`"`, `"DISK"`, `"`+disk+`"`, `"SNAP"`, `"`+snap+`"`, `"IMG"`, `"`+img+`"`).Replace(body)
		before := fake.Version()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://tencent.example.com/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		act := fake.actions[name]
		r.Header.Set("X-TC-Action", name)
		r.Header.Set("X-TC-Version", act.version)
		r.Header.Set("X-TC-Region", here)
		r.Header.Set("Authorization", algorithm+" Credential=ANY/2026-11-20/"+act.service+"/tc3_request, SignedHeaders=content-type;host, Signature=00")
		began := time.Now()
		resp, err := fake.RoundTripper().RoundTrip(r)
		if err != nil {
			t.Fatalf("%s %q: got %v, want an answer", name, body, err)
		}
		answer, _ := io.ReadAll(resp.Body)
		if took := time.Since(began); took > 2*time.Second || len(answer) > 4<<20 {
			t.Errorf("%s %q took %v and gave %d bytes", name, body, took, len(answer))
		}
		var envelope struct {
			Response struct {
				Error     *struct{ Code, Message string }
				RequestId string
			}
		}
		if err := json.Unmarshal(answer, &envelope); err != nil || envelope.Response.RequestId == "" || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %q: the answer %d %q is no envelope: %v", name, body, resp.StatusCode, answer, err)
		}
		if e := envelope.Response.Error; e != nil && (e.Code == "InternalError" || fake.Version() != before) {
			t.Errorf("%s %q: was refused (%+v), and changed something or is our mistake", name, body, e)
		}
		var kept bytes.Buffer
		if err := fake.Save(&kept); err != nil {
			t.Fatalf("%s %q: the state cannot be saved: %v", name, body, err)
		}
		if err := New(Options{}).Load(&kept); err != nil {
			t.Errorf("%s %q: the state cannot be loaded: %v", name, body, err)
		}
	})
}
