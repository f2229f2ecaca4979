package aws

import (
	"errors"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// Only completed and available are good; a word that is new is unknown and never failed.
func TestStates(t *testing.T) {
	for s, want := range map[types.SnapshotState]cloud.State{
		"pending": cloud.StateWorking, "completed": cloud.StateReady, "error": cloud.StateFailed, "recoverable": cloud.StateRetired,
		"recovering": cloud.StateRetired, "": cloud.StateUnknown, "brand-new": cloud.StateUnknown,
	} {
		if got := snapshotState(s); got != want {
			t.Errorf("snapshotState(%q) = %v, want %v", s, got, want)
		}
	}
	for s, want := range map[types.ImageState]cloud.State{
		"pending": cloud.StateWorking, "transient": cloud.StateWorking, "available": cloud.StateReady, "failed": cloud.StateFailed,
		"error": cloud.StateFailed, "invalid": cloud.StateFailed, "deregistered": cloud.StateRetired, "disabled": cloud.StateRetired,
		"": cloud.StateUnknown, "brand-new": cloud.StateUnknown,
	} {
		if got := imageState(s); got != want {
			t.Errorf("imageState(%q) = %v, want %v", s, got, want)
		}
	}
	for s, want := range map[types.InstanceStateName]cloud.Power{
		"pending": cloud.PowerStarting, "running": cloud.PowerRunning, "shutting-down": cloud.PowerStopping, "stopping": cloud.PowerStopping,
		"stopped": cloud.PowerStopped, "terminated": cloud.PowerGone, "brand-new": cloud.PowerUnknown,
	} {
		if got := powerOf(&types.InstanceState{Name: s}); got != want {
			t.Errorf("powerOf(%q) = %v, want %v", s, got, want)
		}
	}
}

// What AWS Backup or DLM owns is marked, what is protected is locked, what is archived is not ready.
func TestOwnedByOthers(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	p := open(t, f)
	backup := f.AddSnapshot(region, fakeaws.Snapshot{Meta: fakeaws.Meta{Tags: map[string]string{"aws:backup:source-resource": "i-1"}}})
	dlm := f.AddSnapshot(region, fakeaws.Snapshot{Meta: fakeaws.Meta{Tags: map[string]string{"aws:dlm:lifecycle-policy-id": "policy-1"}}})
	cold := f.AddSnapshot(region, fakeaws.Snapshot{Tier: "archive"})
	bad := f.AddSnapshot(region, fakeaws.Snapshot{End: "error", DoneAt: time.Now(), Message: "key is gone"})
	got := map[string]cloud.Snapshot{}
	for _, s := range listAll(t, p.Snapshots, cloud.Query{Region: region}) {
		got[s.Ref.ID] = s
	}
	if got[backup].Managed != "aws-backup" || got[dlm].Managed != "dlm" || got[cold].Managed != "" {
		t.Errorf("Managed = %q, %q, %q; want aws-backup, dlm and none", got[backup].Managed, got[dlm].Managed, got[cold].Managed)
	}
	if got[cold].State != cloud.StateRetired || got[bad].State != cloud.StateFailed || got[bad].Detail != "error: key is gone" {
		t.Errorf("archived = %v, failed = %v %q; want retired, and failed with its reason", got[cold].State, got[bad].State, got[bad].Detail)
	}
	image := f.AddImage(region, fakeaws.Image{Protection: "enabled-with-cooldown", Meta: fakeaws.Meta{Tags: map[string]string{"aws:dlm:lifecycle-policy-id": "policy-1"}}})
	off := f.AddImage(region, fakeaws.Image{Disabled: true})
	images := map[string]cloud.Image{}
	for _, m := range listAll(t, p.Images, cloud.Query{Region: region}) {
		images[m.Ref.ID] = m
	}
	if m := images[image]; !m.Locked || m.Managed != "dlm" {
		t.Errorf("protected image = %+v, want locked and dlm's", m)
	}
	if m, ok := images[off]; !ok || m.State != cloud.StateRetired {
		t.Errorf("disabled image = %+v (listed %v), want it listed as retired", m, ok)
	}
	err := p.DeleteImage(t.Context(), images[image].Ref)
	if !errors.Is(err, cloud.ErrDenied) {
		t.Errorf("DeleteImage of a protected one: got %v, want ErrDenied", err)
	}
}

// The launch time moves with every start; a lifetime is counted from the making.
func TestCreatedIsNotLastStart(t *testing.T) {
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	started := made.AddDate(0, 6, 0)
	in := &types.Instance{
		InstanceId: sdk.String("i-1"), LaunchTime: &started, RootDeviceName: sdk.String("/dev/xvda"),
		BlockDeviceMappings: []types.InstanceBlockDeviceMapping{
			{DeviceName: sdk.String("/dev/sdf"), Ebs: &types.EbsInstanceBlockDevice{VolumeId: sdk.String("vol-2"), AttachTime: &started}},
			{DeviceName: sdk.String("/dev/xvda"), Ebs: &types.EbsInstanceBlockDevice{VolumeId: sdk.String("vol-1"), AttachTime: &made}},
		},
	}
	got := (&Provider{account: account}).instance(region, in)
	if got.CreatedAt != made || got.Disks[0].Disk != "vol-1" || !got.Disks[0].Root || got.Power != cloud.PowerUnknown {
		t.Errorf("instance = %+v, want it made at %v, the root first, its power unknown", got, made)
	}
}

func TestLocalRoot(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	f.AddInstance(region, fakeaws.NewInstance{LocalRoot: true, Disks: make([]fakeaws.NewDisk, 2)})
	got := listAll(t, open(t, f).Instances, cloud.Query{Region: region})[0]
	if !got.LocalRoot || len(got.Disks) != 2 || got.Disks[0].Root {
		t.Errorf("instance = %+v, want a local root and two data disks", got)
	}
}

// A disk and an instance are made once for one token, and another request with it is refused.
func TestTokens(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	p := open(t, f)
	snap := f.AddSnapshot(region, fakeaws.Snapshot{GiB: 8})
	req := cloud.NewDisk{Region: region, Zone: region + "a", Snapshot: snap, Name: "restored", Size: 9<<30 + 1, Token: "token-1", Tags: cloud.TagsOf(map[string]string{"a": "b"})}
	one, err := p.CreateDisk(t.Context(), req)
	if err != nil || one.Size != 10<<30 || one.Name != "restored" {
		t.Fatalf("CreateDisk: got %+v and %v, want 10 GiB with its name", one, err)
	}
	two, err := p.CreateDisk(t.Context(), req)
	if err != nil || two.Ref != one.Ref {
		t.Errorf("CreateDisk with the same token: got %v and %v, want %v", two.Ref, err, one.Ref)
	}
	req.Size = 20 << 30
	if _, err := p.CreateDisk(t.Context(), req); !errors.Is(err, cloud.ErrConflict) {
		t.Errorf("CreateDisk with the same token for something else: got %v, want ErrConflict", err)
	}
	run := cloud.NewInstance{Region: region, Image: fakeaws.BaseImage, Type: "t3.micro", Token: "token-1", Tags: cloud.TagsOf(map[string]string{cloud.TagRole: "drill"})}
	a, err := p.RunInstance(t.Context(), run)
	if err != nil {
		t.Fatalf("RunInstance: got %v, want no error", err)
	}
	b, err := p.RunInstance(t.Context(), run)
	if err != nil || a.Ref != b.Ref || len(f.Instances(region)) != 1 {
		t.Errorf("RunInstance with the same token: got %v and %v, want %v", b.Ref, err, a.Ref)
	}
	if tagged := listAll(t, p.Disks, cloud.Query{Region: region, Tags: run.Tags}); len(tagged) != 1 || tagged[0].Instance != a.Ref.ID {
		t.Errorf("disks with the instance's tags: got %+v, want its root", tagged)
	}
	run.Network = "none"
	if _, err := p.RunInstance(t.Context(), run); !errors.Is(err, cloud.ErrUnsupported) {
		t.Errorf("RunInstance without a network: got %v, want ErrUnsupported", err)
	}
}

// The name goes into the tag that EC2 shows, unless the tag is there already or there is no room.
func TestNames(t *testing.T) {
	p := &Provider{}
	full := map[string]string{}
	for i := range 50 {
		full["key-"+string(rune('A'+i))] = "v"
	}
	for name, c := range map[string]struct {
		tags cloud.Tags
		want string
	}{
		"no name yet": {cloud.TagsOf(map[string]string{"a": "b"}), "snap-1"},
		"selected by": {cloud.TagsOf(map[string]string{"Name": "web-1"}), "web-1"},
		"no room":     {cloud.TagsOf(full), ""},
	} {
		if got := p.nameAs("snap-1", c.tags); got.Value("Name") != c.want || len(got) > 50 {
			t.Errorf("%s: nameAs gives %q of %d tags, want %q of 50 at most", name, got.Value("Name"), len(got), c.want)
		}
	}
}

// Calls at the same time share what was opened once.
func TestConnectionsAreKept(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	p, err := Open(t.Context(), Config{Account: account, Endpoint: f.Start(t), AccessKey: fakeaws.AccessKey, SecretKey: fakeaws.SecretKey, DefaultRegion: region})
	if err != nil {
		t.Fatalf("Open: got %v, want no error", err)
	}
	tr := httpClient().GetTransport()
	if tr.MaxIdleConnsPerHost < 32 || tr.ResponseHeaderTimeout == 0 {
		t.Errorf("transport keeps %d connections and waits %v for an answer, want 32 at least and an end", tr.MaxIdleConnsPerHost, tr.ResponseHeaderTimeout)
	}
	errs := make(chan error)
	for range 32 {
		go func() {
			_, err := p.Regions(t.Context())
			errs <- err
		}()
	}
	for range 32 {
		if err := <-errs; err != nil {
			t.Errorf("Regions, 32 at a time: got %v, want no error", err)
		}
	}
	if first := p.client(region); first != p.client(region) || first == p.client("eu-west-1") {
		t.Errorf("client(region) is made anew or shared between regions, want one for each")
	}
}

// A filter means what the query says: nothing in it is wild, and ids go by filter so that a missing one is only absent.
func TestFilters(t *testing.T) {
	got := filters(cloud.Query{IDs: []string{"snap-*"}, Tags: cloud.TagsOf(map[string]string{"a": `1*?\`, "b": ""})}, "snapshot-id")
	want := []struct{ name, value string }{{"snapshot-id", `snap-\*`}, {"tag:a", `1\*\?\\`}, {"tag-key", "b"}}
	if len(got) != len(want) {
		t.Fatalf("filters: got %d, want %d", len(got), len(want))
	}
	for i, w := range want {
		if *got[i].Name != w.name || got[i].Values[0] != w.value {
			t.Errorf("filter %d = %s %q, want %s %q", i, *got[i].Name, got[i].Values, w.name, w.value)
		}
	}
}
