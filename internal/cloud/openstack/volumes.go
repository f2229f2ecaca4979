package openstack

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

// volume is what cinder tells about one.
type volume struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Status      string            `json:"status"`
	Size        int64             `json:"size"` // GiB
	Zone        string            `json:"availability_zone"`
	Type        string            `json:"volume_type"`
	Bootable    string            `json:"bootable"`
	Snapshot    string            `json:"snapshot_id"` // that it was made from
	Encrypted   bool              `json:"encrypted"`
	User        string            `json:"user_id"`
	Project     string            `json:"os-vol-tenant-attr:tenant_id"`
	Metadata    map[string]string `json:"metadata"`
	Created     string            `json:"created_at"`
	Attachments []struct {
		Server string `json:"server_id"`
		Device string `json:"device"`
	} `json:"attachments"`
}

type volumesPage struct {
	Volumes []volume `json:"volumes"`
	Links   []link   `json:"volumes_links"`
}

// volumeStates are the statuses of volumes. What is being attached or moved is not ready: cinder takes a snapshot only of
// what is available or in use.
var volumeStates = map[string]cloud.State{
	"available": cloud.StateReady, "in-use": cloud.StateReady,
	"creating": cloud.StateWorking, "managing": cloud.StateWorking, "downloading": cloud.StateWorking, "uploading": cloud.StateWorking,
	"reserved": cloud.StateWorking, "attaching": cloud.StateWorking, "detaching": cloud.StateWorking, "maintenance": cloud.StateWorking,
	"deleting": cloud.StateWorking, "awaiting-transfer": cloud.StateWorking, "backing-up": cloud.StateWorking,
	"restoring-backup": cloud.StateWorking, "retyping": cloud.StateWorking, "extending": cloud.StateWorking, "reverting": cloud.StateWorking,
	"error": cloud.StateFailed, "error_deleting": cloud.StateFailed, "error_backing-up": cloud.StateFailed,
	"error_restoring": cloud.StateFailed, "error_extending": cloud.StateFailed, "error_managing": cloud.StateFailed,
	"deleted": cloud.StateRetired,
}

// snapshotStates are the statuses of snapshots.
var snapshotStates = map[string]cloud.State{
	"available": cloud.StateReady,
	"creating":  cloud.StateWorking, "backing-up": cloud.StateWorking, "deleting": cloud.StateWorking,
	"restoring": cloud.StateWorking, "unmanaging": cloud.StateWorking,
	"error": cloud.StateFailed, "error_deleting": cloud.StateFailed, "error_unmanaging": cloud.StateFailed,
	"deleted": cloud.StateRetired,
}

func stateOf(states map[string]cloud.State, status string) cloud.State {
	if s, ok := states[status]; ok {
		return s
	}
	return cloud.StateUnknown
}

// Disks lists the volumes of the project. See cloud.Provider.
func (p *Provider) Disks(ctx context.Context, q cloud.Query, at string) (cloud.Page[cloud.Disk], error) {
	const op = "disk.list"
	r, err := p.in(ctx, op, p.place(q, cloud.KindDisk))
	if err != nil {
		return cloud.Page[cloud.Disk]{}, err
	}
	var page cloud.Page[cloud.Disk]
	keep := func(v volume) {
		if d := p.disk(r, v); d.Project == r.project && d.Tags.Contains(q.Tags) {
			page.Items = append(page.Items, d)
		}
	}
	if q.IDs != nil {
		got, err := byID(ctx, q, at, func(ctx context.Context, id string) (volume, bool, error) {
			v, err := p.volume(ctx, op, r, id)
			return v, true, err
		})
		if err != nil {
			return cloud.Page[cloud.Disk]{}, err
		}
		for _, v := range got.Items {
			keep(v)
		}
		page.Next = got.Next
		return page, nil
	}
	var answer volumesPage
	c, err := p.filtered(ctx, op, r, "volumes", q, at, &answer)
	if err != nil {
		return cloud.Page[cloud.Disk]{}, err
	}
	for _, v := range answer.Volumes {
		keep(v)
	}
	if more(answer.Links) && len(answer.Volumes) > 0 {
		page.Next = c.after(idsOf(answer.Volumes, func(v volume) string { return v.ID })).String()
	}
	return page, nil
}

// filtered lists volumes or snapshots, letting cinder filter by our tags. A site may have taken that filter away; then
// the cursor says so from the first page on, and we filter alone.
func (p *Provider) filtered(ctx context.Context, op string, r *region, what string, q cloud.Query, at string, out any) (cursor, error) {
	const plain = "plain"
	kind := cloud.KindDisk
	if what == "snapshots" {
		kind = cloud.KindSnapshot
	}
	ref := p.place(q, kind)
	c, ok := parseCursor(at)
	if !ok {
		return c, badCursor(op, ref)
	}
	req := request{op: op, ref: ref, to: r.volume, path: []string{what, "detail"}}
	if filter := stintFilter(q.Tags); len(filter) > 0 && c.part != plain {
		req.query = url.Values{"metadata": {compact(filter.Map())}}
		err := p.list(ctx, req, c, out)
		if err == nil || !gone(err) || len(c.markers) > 0 {
			return c, err
		}
		req.query, c.part = nil, plain
	}
	return c, p.list(ctx, req, c, out)
}

// volume gets one.
func (p *Provider) volume(ctx context.Context, op string, r *region, id string) (volume, error) {
	var answer struct {
		Volume volume `json:"volume"`
	}
	_, err := p.send(ctx, request{op: op, ref: p.ref(r, cloud.KindDisk, id), to: r.volume, method: http.MethodGet, path: []string{"volumes", id}}, &answer)
	return answer.Volume, err
}

func (p *Provider) disk(r *region, v volume) cloud.Disk {
	d := cloud.Disk{
		Ref: p.ref(r, cloud.KindDisk, v.ID), Name: v.Name, Zone: v.Zone, Type: v.Type, Size: v.Size * gib, State: stateOf(volumeStates, v.Status),
		Encrypted: v.Encrypted, User: v.User, Project: v.Project, Tags: tagsOf(v.Metadata, nil), CreatedAt: instant(v.Created),
	}
	if d.Project == "" { // some sites let administrators alone see it, and a plain listing is of the own project only
		d.Project = r.project
	}
	if len(v.Attachments) > 0 {
		d.Instance = v.Attachments[0].Server
	}
	return d
}

// snapshot is what cinder tells about one.
type snapshot struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Status   string            `json:"status"`
	Volume   string            `json:"volume_id"`
	Size     int64             `json:"size"` // GiB
	Group    string            `json:"group_snapshot_id"`
	User     string            `json:"user_id"`
	Project  string            `json:"os-extended-snapshot-attributes:project_id"`
	Progress string            `json:"os-extended-snapshot-attributes:progress"`
	Metadata map[string]string `json:"metadata"`
	Created  string            `json:"created_at"`
}

type snapshotsPage struct {
	Snapshots []snapshot `json:"snapshots"`
	Links     []link     `json:"snapshots_links"`
}

// Snapshots lists the volume snapshots of the project. See cloud.Provider.
func (p *Provider) Snapshots(ctx context.Context, q cloud.Query, at string) (cloud.Page[cloud.Snapshot], error) {
	const op = "snapshot.list"
	r, err := p.in(ctx, op, p.place(q, cloud.KindSnapshot))
	if err != nil {
		return cloud.Page[cloud.Snapshot]{}, err
	}
	var page cloud.Page[cloud.Snapshot]
	keep := func(s snapshot) {
		if v := p.snapshotOf(r, s); v.Project == r.project && v.Tags.Contains(q.Tags) {
			page.Items = append(page.Items, v)
		}
	}
	if q.IDs != nil {
		got, err := byID(ctx, q, at, func(ctx context.Context, id string) (snapshot, bool, error) {
			s, err := p.snapshot(ctx, op, r, id)
			return s, true, err
		})
		if err != nil {
			return cloud.Page[cloud.Snapshot]{}, err
		}
		for _, s := range got.Items {
			keep(s)
		}
		page.Next = got.Next
		return page, nil
	}
	var answer snapshotsPage
	c, err := p.filtered(ctx, op, r, "snapshots", q, at, &answer)
	if err != nil {
		return cloud.Page[cloud.Snapshot]{}, err
	}
	for _, s := range answer.Snapshots {
		keep(s)
	}
	if more(answer.Links) && len(answer.Snapshots) > 0 {
		page.Next = c.after(idsOf(answer.Snapshots, func(s snapshot) string { return s.ID })).String()
	}
	return page, nil
}

// snapshot gets one.
func (p *Provider) snapshot(ctx context.Context, op string, r *region, id string) (snapshot, error) {
	var answer struct {
		Snapshot snapshot `json:"snapshot"`
	}
	_, err := p.send(ctx, request{op: op, ref: p.ref(r, cloud.KindSnapshot, id), to: r.volume, method: http.MethodGet, path: []string{"snapshots", id}}, &answer)
	return answer.Snapshot, err
}

// lookUp fills in those of the wanted snapshots that exist: few are asked for one by one, for more all are listed.
func (p *Provider) lookUp(ctx context.Context, op string, ref cloud.Ref, r *region, wanted map[string]snapshot) error {
	if len(wanted) <= few {
		for id := range wanted {
			s, err := p.snapshot(ctx, op, r, id)
			if err != nil && cloud.ClassOf(err) != cloud.ErrNotFound {
				return about(err, op, ref)
			}
			wanted[id] = s
		}
		return nil
	}
	missing := len(wanted)
	var c cursor
	for {
		var answer snapshotsPage
		if err := p.list(ctx, request{op: op, ref: ref, to: r.volume, path: []string{"snapshots", "detail"}}, c, &answer); err != nil {
			return err
		}
		for _, s := range answer.Snapshots {
			if old, ok := wanted[s.ID]; ok && old.ID == "" {
				wanted[s.ID] = s
				missing--
			}
		}
		if missing == 0 || !more(answer.Links) || len(answer.Snapshots) == 0 {
			return nil
		}
		c = c.after(idsOf(answer.Snapshots, func(s snapshot) string { return s.ID }))
	}
}

func (p *Provider) snapshotOf(r *region, s snapshot) cloud.Snapshot {
	v := cloud.Snapshot{
		Ref: p.ref(r, cloud.KindSnapshot, s.ID), Name: s.Name, Disk: s.Volume, Size: s.Size * gib, State: stateOf(snapshotStates, s.Status), Detail: s.Status,
		User: s.User, Project: s.Project, Tags: tagsOf(s.Metadata, nil), CreatedAt: instant(s.Created),
	}
	if v.Project == "" {
		v.Project = r.project
	}
	if n, err := strconv.Atoi(strings.TrimSuffix(s.Progress, "%")); err == nil {
		v.Progress = n
	}
	if s.Group != "" {
		v.Managed = "cinder-group"
	}
	return v
}
