package tencent

import (
	"slices"
	"strconv"
	"strings"
	"time"

	cbs "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cbs/v20170312"
	cvm "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cvm/v20170312"

	"github.com/stint-cloud/stint/internal/cloud"
)

const (
	gib        = 1 << 30
	systemDisk = "SYSTEM_DISK"
	dataDisk   = "DATA_DISK"
)

func (p *Provider) ref(region string, kind cloud.Kind, id string) cloud.Ref {
	return cloud.Ref{Account: p.account, Region: region, Kind: kind, ID: id}
}

func sortedTags(n int, tag func(i int) (k, v string)) cloud.Tags {
	if n == 0 {
		return nil
	}
	out := make(cloud.Tags, n)
	for i := range out {
		out[i].Key, out[i].Value = tag(i)
	}
	slices.SortFunc(out, func(a, b cloud.Tag) int { return strings.Compare(a.Key, b.Key) })
	return out
}

func cvmTags(in []*cvm.Tag) cloud.Tags {
	return sortedTags(len(in), func(i int) (string, string) { return text(in[i].Key), text(in[i].Value) })
}

func cbsTags(in []*cbs.Tag) cloud.Tags {
	return sortedTags(len(in), func(i int) (string, string) { return text(in[i].Key), text(in[i].Value) })
}

// named is a name; what has none is called "unnamed" in Chinese, whatever the language.
func named(s *string) string {
	if text(s) == "未命名" {
		return ""
	}
	return text(s)
}

// china is the zone of CBS's times, which do not say so; CVM's are in UTC and do.
var china = time.FixedZone("UTC+8", 8*60*60)

func instant(s *string) time.Time {
	if t, err := time.Parse(time.RFC3339, text(s)); err == nil {
		return t.UTC()
	}
	if t, err := time.ParseInLocation(time.DateTime, text(s), china); err == nil {
		return t.UTC()
	}
	return time.Time{}
}

func (p *Provider) instance(region string, in *cvm.Instance) cloud.Instance {
	out := cloud.Instance{
		Ref: p.ref(region, cloud.KindInstance, text(in.InstanceId)), Name: named(in.InstanceName), Type: text(in.InstanceType), Power: powerOf(text(in.InstanceState)),
		Image: text(in.ImageId), Tags: cvmTags(in.Tags), CreatedAt: instant(in.CreatedTime),
	}
	if at := in.Placement; at != nil {
		out.Zone = text(at.Zone)
		if n := value(at.ProjectId); n != 0 {
			out.Project = strconv.FormatInt(n, 10)
		}
	}
	if v := in.VirtualPrivateCloud; v != nil && text(v.SubnetId) != "" {
		out.Network = text(v.VpcId) + "/" + text(v.SubnetId)
	}
	if d := in.SystemDisk; d != nil {
		out.LocalRoot = local(text(d.DiskType))
		if id := text(d.DiskId); id != "" && !out.LocalRoot {
			out.Disks = append(out.Disks, cloud.Attachment{Disk: id, Root: true})
		}
	}
	for _, d := range in.DataDisks {
		if d != nil && text(d.DiskId) != "" && !local(text(d.DiskType)) {
			out.Disks = append(out.Disks, cloud.Attachment{Disk: text(d.DiskId)})
		}
	}
	return out
}

// local says whether a disk is on the host, where snapshots do not reach it.
func local(diskType string) bool { return strings.HasPrefix(diskType, "LOCAL_") }

func powerOf(state string) cloud.Power {
	switch state {
	case "PENDING", "STARTING", "REBOOTING":
		return cloud.PowerStarting
	case "RUNNING", "ENTER_SERVICE_LIVE_MIGRATE", "SERVICE_LIVE_MIGRATE", "EXIT_SERVICE_LIVE_MIGRATE":
		return cloud.PowerRunning
	case "STOPPING", "TERMINATING":
		return cloud.PowerStopping
	case "STOPPED", "SHUTDOWN": // SHUTDOWN waits in the recycle bin
		return cloud.PowerStopped
	case "LAUNCH_FAILED":
		return cloud.PowerFailed
	}
	return cloud.PowerUnknown // rescue modes too: what runs is not the instance's own system
}

func (p *Provider) disk(region string, d *cbs.Disk) cloud.Disk {
	out := cloud.Disk{
		Ref: p.ref(region, cloud.KindDisk, text(d.DiskId)), Name: named(d.DiskName), Type: text(d.DiskType), Size: int64(value(d.DiskSize)) * gib,
		State: diskState(text(d.DiskState)), Instance: text(d.InstanceId), Encrypted: value(d.Encrypt), Tags: cbsTags(d.Tags), CreatedAt: instant(d.CreateTime),
	}
	if at := d.Placement; at != nil {
		out.Zone = text(at.Zone)
		if n := value(at.ProjectId); n != 0 {
			out.Project = strconv.FormatUint(n, 10)
		}
	}
	return out
}

func diskState(s string) cloud.State {
	switch s {
	case "UNATTACHED", "ATTACHED", "ATTACHING", "DETACHING":
		return cloud.StateReady
	case "EXPANDING", "ROLLBACKING", "DUMPING":
		return cloud.StateWorking
	case "TORECYCLE":
		return cloud.StateRetired
	}
	return cloud.StateUnknown
}

func (p *Provider) snapshot(region string, s *cbs.Snapshot) cloud.Snapshot {
	out := cloud.Snapshot{
		Ref: p.ref(region, cloud.KindSnapshot, text(s.SnapshotId)), Name: named(s.SnapshotName), Disk: text(s.DiskId), Size: int64(value(s.DiskSize)) * gib,
		State: snapshotState(text(s.SnapshotState)), Detail: text(s.SnapshotState), Progress: int(value(s.Percent)), Locked: value(s.IsLocked),
		Encrypted: value(s.Encrypt), Tags: cbsTags(s.Tags), CreatedAt: instant(s.CreateTime),
	}
	if value(s.CopyFromRemote) {
		out.Disk = "" // it is of a disk in another region
	}
	if text(s.AutoSnapshotPolicyId) != "" {
		out.Managed = "auto-snapshot-policy"
	}
	if s.Placement != nil {
		if n := value(s.Placement.ProjectId); n != 0 {
			out.Project = strconv.FormatUint(n, 10)
		}
	}
	return out
}

// snapshotState has no failure: CBS knows none, a snapshot that fails goes away or stays as it is.
func snapshotState(s string) cloud.State {
	switch s {
	case "NORMAL":
		return cloud.StateReady
	case "CREATING", "ROLLBACKING", "COPYING_FROM_REMOTE", "CHECKING_COPIED":
		return cloud.StateWorking
	case "TORECYCLE":
		return cloud.StateRetired
	}
	return cloud.StateUnknown
}

func (p *Provider) image(region string, m *cvm.Image) cloud.Image {
	out := cloud.Image{
		Ref: p.ref(region, cloud.KindImage, text(m.ImageId)), Name: text(m.ImageName), Size: value(m.ImageSize) * gib, State: imageState(text(m.ImageState)),
		Detail: text(m.ImageState), User: text(m.ImageCreator), Tags: cvmTags(m.Tags), CreatedAt: instant(m.CreatedTime),
	}
	if out.State == cloud.StateReady && value(m.ImageDeprecated) {
		out.State, out.Detail = cloud.StateRetired, "deprecated"
	}
	for _, s := range m.SnapshotSet {
		id := text(s.SnapshotId)
		switch {
		case id == "":
		case text(s.DiskUsage) == systemDisk:
			out.Snapshots = slices.Insert(out.Snapshots, 0, id)
		default:
			out.Snapshots = append(out.Snapshots, id)
		}
	}
	return out
}

func imageState(s string) cloud.State {
	switch s {
	case "NORMAL":
		return cloud.StateReady
	case "CREATING", "SYNCING", "IMPORTING":
		return cloud.StateWorking
	case "CREATEFAILED", "IMPORTFAILED":
		return cloud.StateFailed
	}
	return cloud.StateUnknown
}
