package alibaba

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

const gib = 1 << 30

// number is one that ECS writes as a number in one answer and as a text in another.
type number int64

func (n *number) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "" || text == "null" {
		*n = 0
		return nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	*n = number(v)
	return err
}

// instant is a time in UTC, which ECS writes with seconds or without.
type instant time.Time

func (t *instant) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	if text == "" {
		return nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04Z"} {
		if v, err := time.Parse(form, text); err == nil {
			*t = instant(v.UTC())
			return nil
		}
	}
	return fmt.Errorf("%q is no time", text)
}

// tagSet is Tags.Tag[], with TagKey and TagValue on things and Key and Value on groups.
type tagSet struct {
	Tag []struct{ TagKey, TagValue, Key, Value string }
}

func (s tagSet) tags() cloud.Tags {
	if len(s.Tag) == 0 {
		return nil
	}
	m := make(map[string]string, len(s.Tag))
	for _, t := range s.Tag {
		m[cmp.Or(t.TagKey, t.Key)] = cmp.Or(t.TagValue, t.Value)
	}
	return cloud.TagsOf(m)
}

// wireInstance is an instance as ECS writes it.
type wireInstance struct {
	InstanceID, InstanceName, ZoneID, InstanceType, Status, ImageID string
	CreationTime                                                    instant
	VpcAttributes                                                   struct{ VSwitchID string }
	SecurityGroupIDs                                                struct{ SecurityGroupID []string }
	Tags                                                            tagSet
}

func (p *Provider) ref(region string, kind cloud.Kind, id string) cloud.Ref {
	return cloud.Ref{Account: p.account, Region: region, Kind: kind, ID: id}
}

func (p *Provider) instance(region string, w *wireInstance, disks []wireDisk) cloud.Instance {
	out := cloud.Instance{
		Ref: p.ref(region, cloud.KindInstance, w.InstanceID), Name: w.InstanceName, Zone: w.ZoneID, Type: w.InstanceType,
		Power: powerOf(w.Status), Image: w.ImageID, Network: networkOf(w), Tags: w.Tags.tags(), CreatedAt: time.Time(w.CreationTime),
	}
	for i := range disks {
		d := &disks[i]
		root := d.Type == "system"
		if d.local() {
			out.LocalRoot = out.LocalRoot || root
			continue
		}
		out.Disks = append(out.Disks, cloud.Attachment{Disk: d.DiskID, Device: d.Device, Root: root})
	}
	slices.SortFunc(out.Disks, func(a, b cloud.Attachment) int {
		if a.Root != b.Root {
			if a.Root {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.Device, b.Device), strings.Compare(a.Disk, b.Disk))
	})
	return out
}

// networkOf is the vSwitch with the security groups behind it, as vsw-1/sg-1: ECS runs nothing without both, and an instance
// that is restored shall come up where its source was.
func networkOf(w *wireInstance) string {
	if w.VpcAttributes.VSwitchID == "" {
		return ""
	}
	return strings.Join(append([]string{w.VpcAttributes.VSwitchID}, w.SecurityGroupIDs.SecurityGroupID...), "/")
}

func powerOf(status string) cloud.Power {
	switch status {
	case "Pending", "Starting":
		return cloud.PowerStarting
	case "Running":
		return cloud.PowerRunning
	case "Stopping":
		return cloud.PowerStopping
	case "Stopped":
		return cloud.PowerStopped
	}
	return cloud.PowerUnknown
}

// wireDisk is a disk as ECS writes it.
type wireDisk struct {
	DiskID, DiskName, ZoneID, Category, Type, Status, InstanceID, Device, SourceSnapshotID string
	Size                                                                                   number
	Encrypted                                                                              bool
	CreationTime                                                                           instant
	Tags                                                                                   tagSet
}

// local says whether the disk is on the host, out of the reach of snapshots.
func (d *wireDisk) local() bool {
	return strings.HasPrefix(d.Category, "local_") || strings.HasPrefix(d.Category, "ephemeral") || strings.HasPrefix(d.Category, "elastic_ephemeral")
}

func (p *Provider) disk(region string, d *wireDisk) cloud.Disk {
	out := cloud.Disk{
		Ref: p.ref(region, cloud.KindDisk, d.DiskID), Name: d.DiskName, Zone: d.ZoneID, Type: d.Category, Size: int64(d.Size) * gib,
		State: cloud.StateUnknown, Instance: d.InstanceID, Encrypted: d.Encrypted, Tags: d.Tags.tags(), CreatedAt: time.Time(d.CreationTime),
	}
	switch d.Status {
	case "In_use", "Available":
		out.State = cloud.StateReady
	case "Creating", "Attaching", "Detaching", "ReIniting":
		out.State = cloud.StateWorking
	}
	return out
}

// wireSnapshot is a snapshot as ECS writes it.
type wireSnapshot struct {
	SnapshotID, SnapshotName, SourceDiskID, Status, Progress, SnapshotType, SourceSnapshotID, Usage string
	SourceDiskSize                                                                                  number
	Encrypted                                                                                       bool
	CreationTime                                                                                    instant
	Tags                                                                                            tagSet
}

func (p *Provider) snapshot(region string, s *wireSnapshot) cloud.Snapshot {
	out := cloud.Snapshot{
		Ref: p.ref(region, cloud.KindSnapshot, s.SnapshotID), Name: s.SnapshotName, Disk: s.SourceDiskID, Size: int64(s.SourceDiskSize) * gib,
		State: cloud.StateUnknown, Detail: s.Status, Progress: percent(s.Progress), Encrypted: s.Encrypted, Tags: s.Tags.tags(),
		CreatedAt: time.Time(s.CreationTime),
	}
	switch s.Status {
	case "progressing":
		out.State = cloud.StateWorking
	case "accomplished":
		out.State = cloud.StateReady
	case "failed":
		out.State = cloud.StateFailed
	}
	if s.SnapshotType == "auto" || s.SnapshotType == "timer" {
		out.Managed = "auto-snapshot-policy"
	}
	if s.SourceSnapshotID != "" {
		out.Disk = "" // a copy: its disk is elsewhere
	}
	return out
}

func percent(text string) int {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
	if err != nil {
		return 0
	}
	return n
}

// wireImage is an image as ECS writes it.
type wireImage struct {
	ImageID, ImageName, Status, Progress, ImageOwnerAlias, Usage string
	IsSelfShared                                                 flag
	Size                                                         number
	Usable                                                       *bool
	CreationTime                                                 instant
	DiskDeviceMappings                                           struct {
		DiskDeviceMapping []struct {
			SnapshotID, Device, Type string
			Size                     number
		}
	}
	Tags tagSet
}

func (p *Provider) image(region string, m *wireImage) cloud.Image {
	out := cloud.Image{
		Ref: p.ref(region, cloud.KindImage, m.ImageID), Name: m.ImageName, State: cloud.StateUnknown, Detail: m.Status, Tags: m.Tags.tags(),
		CreatedAt: time.Time(m.CreationTime),
	}
	switch m.Status {
	case "Creating", "Waiting":
		out.State = cloud.StateWorking
	case "Available":
		out.State = cloud.StateReady
		if m.Usable != nil && !*m.Usable {
			out.State, out.Detail = cloud.StateWorking, "Available, not yet usable"
		}
	case "UnAvailable", "CreateFailed":
		out.State = cloud.StateFailed
	case "Deprecated":
		out.State = cloud.StateRetired
	}
	for _, d := range m.DiskDeviceMappings.DiskDeviceMapping {
		out.Size += int64(d.Size) * gib
		switch {
		case d.SnapshotID == "":
		case d.Type == "system":
			out.Snapshots = slices.Insert(out.Snapshots, 0, d.SnapshotID)
		default:
			out.Snapshots = append(out.Snapshots, d.SnapshotID)
		}
	}
	if out.Size == 0 {
		out.Size = int64(m.Size) * gib
	}
	return out
}
