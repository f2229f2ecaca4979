package alibaba

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

const maxGroup = 16 // disks in a snapshot-consistent group

// CreateSnapshotSet starts the snapshots of the instance's disks at one moment, consistent as after a crash.
//
// One disk is a snapshot. Several are a snapshot-consistent group, whose members ECS gives neither its name nor its tags:
// both are written here, names first, so that whatever carries our tags is whole. Cut off in between, the same token finds
// the same group, and what is written already is not written again.
func (p *Provider) CreateSnapshotSet(ctx context.Context, req cloud.NewSnapshotSet) ([]cloud.Snapshot, error) {
	q := question{op: "snapshotset.create", ref: p.ref(req.Region, cloud.KindInstance, req.Instance)}
	switch {
	case len(req.Disks) == 0:
		return nil, &cloud.Error{Op: q.op, Ref: q.ref, Class: cloud.ErrUnsupported, Err: errors.New("no disks are named")}
	case len(req.Disks) == 1:
		s, err := p.createSnapshot(ctx, q, cloud.NewSnapshot{
			Region: req.Region, Disk: req.Disks[0], Name: req.Name, Description: req.Description, Tags: req.Tags, Token: req.Token,
		})
		if err != nil {
			return nil, err
		}
		return []cloud.Snapshot{s}, nil
	case len(req.Disks) > maxGroup:
		return nil, &cloud.Error{Op: q.op, Ref: q.ref, Class: cloud.ErrUnsupported, Err: fmt.Errorf("it has %d disks, and a snapshot-consistent group takes %d: use method: image", len(req.Disks), maxGroup)}
	}
	q.action = "CreateSnapshotGroup"
	q.params = params{"InstanceId": req.Instance}.list("DiskId", req.Disks).set("Name", nameFor(req.Name)).
		set("Description", descriptionFor(req.Description)).set("ClientToken", req.Token).tags(req.Tags)
	var out struct{ SnapshotGroupID string }
	if err := p.create(ctx, q, "snapshot group", func() string { return out.SnapshotGroupID }, &out); err != nil {
		return nil, hintGroup(err)
	}
	made, err := p.dressGroup(ctx, q, req, out.SnapshotGroupID)
	if err != nil {
		return nil, begun(err, out.SnapshotGroupID, req.Token)
	}
	return made, nil
}

// hintGroup tells what else can be done for disks of which there are no groups.
func hintGroup(err error) error {
	if e, ok := errors.AsType[*cloud.Error](err); ok && strings.Contains(e.Code, "DiskCategory") {
		e.Err = &said{text: e.Err.Error(), remedy: "snapshot-consistent groups take ESSD disks only: use method: image for this instance", cause: e.Err}
	}
	return err
}

// begun says that the group is there although the call failed. Without a token a repetition would make another one, so that
// not even a call that was asked too often may simply be repeated.
func begun(err error, group, token string) error {
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		if token == "" && e.Class == cloud.ErrThrottled {
			e.Class = cloud.ErrTransient
		}
		e.Err = &said{text: fmt.Sprintf("the snapshot group %s is made, but its snapshots do not carry all names and tags yet: %v", group, e.Err), cause: e.Err}
	}
	return err
}

// dressGroup gives the members of a group their names and tags, and lists them in the order of the disks.
func (p *Provider) dressGroup(ctx context.Context, q question, req cloud.NewSnapshotSet, group string) ([]cloud.Snapshot, error) {
	var out struct {
		SnapshotGroups *struct {
			SnapshotGroup []struct {
				Snapshots struct{ Snapshot []struct{ SnapshotID string } }
			}
		}
	}
	q.action, q.params = "DescribeSnapshotGroups", params{"SnapshotGroupId.1": group}
	if err := p.ask(ctx, q, &out); err != nil {
		return nil, err
	}
	var ids []string
	if out.SnapshotGroups != nil && len(out.SnapshotGroups.SnapshotGroup) == 1 {
		for _, s := range out.SnapshotGroups.SnapshotGroup[0].Snapshots.Snapshot {
			ids = append(ids, s.SnapshotID)
		}
	}
	if len(ids) < len(req.Disks) {
		return nil, p.unclear(q, "snapshots of the group, or not all")
	}
	members, err := p.snapshotsByID(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	if len(members) != len(ids) {
		return nil, p.unclear(q, "snapshots of the group, or not all")
	}
	var bare []string
	for i := range members {
		m := &members[i]
		if name := nameFor(req.Name); name != "" && m.SnapshotName != name {
			q.action, q.params = "ModifySnapshotAttribute", params{"SnapshotId": m.SnapshotID, "SnapshotName": name}
			if err := p.ask(ctx, q, nil); err != nil {
				return nil, err
			}
			m.SnapshotName = name
		}
		if !m.Tags.tags().Contains(req.Tags) {
			bare = append(bare, m.SnapshotID)
		}
	}
	if len(bare) > 0 && len(req.Tags) > 0 {
		q.action = "TagResources"
		q.params = params{"ResourceType": cloud.KindSnapshot.String()}.list("ResourceId", bare).tags(req.Tags)
		if err := p.ask(ctx, q, nil); err != nil {
			return nil, err
		}
	}
	made := make([]cloud.Snapshot, len(members))
	for i := range members {
		made[i] = p.snapshot(req.Region, &members[i])
		made[i].Tags = made[i].Tags.Merge(req.Tags)
	}
	slices.SortStableFunc(made, func(a, b cloud.Snapshot) int {
		return slices.Index(req.Disks, a.Disk) - slices.Index(req.Disks, b.Disk)
	})
	return made, nil
}
