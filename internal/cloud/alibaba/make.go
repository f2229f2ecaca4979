package alibaba

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

const (
	maxTags      = 20
	diskCategory = "cloud_essd" // where none is asked for: ECS's own default is no longer sold for most instance types
)

// nameFor is the name within ECS's rules: 2 to 128 characters, and none of the beginnings that are reserved, which an
// instance called automation or aliyun-proxy hands down to its backups.
func nameFor(name string) string {
	if name == "" {
		return ""
	}
	lower := strings.ToLower(name)
	for _, begin := range []string{"auto", "aliyun", "acs:", "http://", "https://"} {
		if strings.HasPrefix(lower, begin) {
			name = "stint-" + strings.NewReplacer("://", "-").Replace(name)
			break
		}
	}
	r := []rune(name)
	switch {
	case len(r) > 128:
		return string(r[:128])
	case len(r) < 2:
		return "stint-" + name
	}
	return name
}

// descriptionFor is the description within ECS's rules; none where it cannot be.
func descriptionFor(text string) string {
	r := []rune(text)
	switch lower := strings.ToLower(text); {
	case len(r) < 2 || strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://"):
		return ""
	case len(r) > 256:
		return string(r[:256])
	}
	return text
}

// create makes a request that makes something and whose answer names it in the field.
func (p *Provider) create(ctx context.Context, q question, what string, id func() string, out any) error {
	if err := p.ask(ctx, q, out); err != nil {
		return err
	}
	if id() == "" {
		return p.unclear(q, what)
	}
	return nil
}

// CreateSnapshot starts a snapshot that stays until it is deleted; the same token gives the same snapshot.
func (p *Provider) CreateSnapshot(ctx context.Context, req cloud.NewSnapshot) (cloud.Snapshot, error) {
	q := question{op: "snapshot.create", ref: p.ref(req.Region, cloud.KindDisk, req.Disk), action: "CreateSnapshot"}
	return p.createSnapshot(ctx, q, req)
}

func (p *Provider) createSnapshot(ctx context.Context, q question, req cloud.NewSnapshot) (cloud.Snapshot, error) {
	q.action = "CreateSnapshot"
	q.params = params{"DiskId": req.Disk}.set("SnapshotName", nameFor(req.Name)).set("Description", descriptionFor(req.Description)).
		set("ClientToken", req.Token).tags(req.Tags)
	var out struct{ SnapshotID, RequestID string }
	if err := p.create(ctx, q, "snapshot", func() string { return out.SnapshotID }, &out); err != nil {
		return cloud.Snapshot{}, err
	}
	// The answer is the id alone. What a look does not bring is left out: the snapshot is made.
	if seen, err := p.snapshotsByID(ctx, q, []string{out.SnapshotID}); err == nil && len(seen) == 1 {
		cloud.NoteRequest(ctx, out.RequestID)
		return p.snapshot(req.Region, &seen[0]), nil
	}
	cloud.NoteRequest(ctx, out.RequestID)
	return cloud.Snapshot{
		Ref: p.ref(req.Region, cloud.KindSnapshot, out.SnapshotID), Name: nameFor(req.Name), Disk: req.Disk, State: cloud.StateWorking,
		Detail: "progressing", Tags: req.Tags,
	}, nil
}

// DeleteSnapshot deletes one, which ECS refuses while an image stands on it. It succeeds for an id that names nothing, and
// that would pass for a deletion, so it is looked at first.
func (p *Provider) DeleteSnapshot(ctx context.Context, ref cloud.Ref) error {
	q := question{op: "snapshot.delete", ref: ref}
	ctx, id := cloud.WatchRequest(ctx)
	there, err := p.snapshotsByID(ctx, q, []string{ref.ID})
	if err != nil {
		return err
	}
	if len(there) == 0 {
		return &cloud.Error{Op: q.op, Ref: ref, Class: cloud.ErrNotFound, Code: "InvalidSnapshotId.NotFound", RequestID: id.Get(), Err: fmt.Errorf("ECS lists no such snapshot")}
	}
	q.action, q.params = "DeleteSnapshot", params{"SnapshotId": ref.ID}
	return p.ask(ctx, q, nil)
}

// CreateImage starts an image with all disks, of the instance as it runs: ECS never reboots it, whatever Reboot says. The
// same token gives the same image.
func (p *Provider) CreateImage(ctx context.Context, req cloud.NewImage) (cloud.Image, error) {
	q := question{op: "image.create", ref: p.ref(req.Region, cloud.KindInstance, req.Instance), action: "CreateImage"}
	q.params = params{"InstanceId": req.Instance}.set("ImageName", nameFor(req.Name)).set("Description", descriptionFor(req.Description)).
		set("ClientToken", req.Token).tags(req.Tags)
	var out struct{ ImageID string }
	if err := p.create(ctx, q, "image", func() string { return out.ImageID }, &out); err != nil {
		return cloud.Image{}, err
	}
	return cloud.Image{
		Ref: p.ref(req.Region, cloud.KindImage, out.ImageID), Name: nameFor(req.Name), State: cloud.StateWorking, Detail: "Creating", Tags: req.Tags,
	}, nil
}

// DeleteImage deletes the image and nothing else, which ECS refuses while instances stand on it or it is shared.
func (p *Provider) DeleteImage(ctx context.Context, ref cloud.Ref) error {
	return p.ask(ctx, question{op: "image.delete", ref: ref, action: "DeleteImage", params: params{"ImageId": ref.ID}}, nil)
}

// CreateDisk starts a disk; the same token gives the same disk.
func (p *Provider) CreateDisk(ctx context.Context, req cloud.NewDisk) (cloud.Disk, error) {
	q := question{op: "disk.create", ref: p.ref(req.Region, cloud.KindSnapshot, req.Snapshot), action: "CreateDisk"}
	q.params = params{"SnapshotId": req.Snapshot}.set("ZoneId", req.Zone).set("DiskName", nameFor(req.Name)).set("DiskCategory", cmp.Or(req.Type, diskCategory)).
		set("ClientToken", req.Token).tags(req.Tags)
	if req.Size > 0 {
		q.params["Size"] = strconv.FormatInt((req.Size+gib-1)/gib, 10)
	}
	var out struct{ DiskID string }
	if err := p.create(ctx, q, "disk", func() string { return out.DiskID }, &out); err != nil {
		return cloud.Disk{}, err
	}
	return cloud.Disk{
		Ref: p.ref(req.Region, cloud.KindDisk, out.DiskID), Name: nameFor(req.Name), Zone: req.Zone, Type: cmp.Or(req.Type, diskCategory), Size: req.Size,
		State: cloud.StateWorking, Tags: req.Tags,
	}, nil
}

// RunInstance starts one instance, whose disks carry its tags too; the same token gives the same instance.
func (p *Provider) RunInstance(ctx context.Context, req cloud.NewInstance) (cloud.Instance, error) {
	q := question{op: "instance.run", ref: p.ref(req.Region, cloud.KindImage, req.Image), action: "RunInstances"}
	if req.Network == "none" {
		return cloud.Instance{}, &cloud.Error{Op: q.op, Ref: q.ref, Class: cloud.ErrUnsupported, Err: fmt.Errorf("ECS has no instance without a network")}
	}
	network := strings.Split(req.Network, "/")
	q.params = params{"ImageId": req.Image, "Amount": "1", "SystemDisk.Category": diskCategory}.set("InstanceType", req.Type).
		set("VSwitchId", network[0]).list("SecurityGroupIds", network[1:]).set("ZoneId", req.Zone).
		set("KeyPairName", req.KeyName).set("InstanceName", nameFor(req.Name)).set("ClientToken", req.Token).tags(req.Tags)
	var out struct {
		InstanceIDSets struct{ InstanceIDSet []string }
	}
	if err := p.create(ctx, q, "instance", func() string { return strings.Join(out.InstanceIDSets.InstanceIDSet, " ") }, &out); err != nil {
		if e, ok := errors.AsType[*cloud.Error](err); ok && len(network) == 1 && strings.HasPrefix(e.Code, "MissingParameter") {
			e.Err = &said{text: e.Err.Error(), remedy: "give the network with its security group, as vsw-…/sg-…", cause: e.Err}
		}
		return cloud.Instance{}, err
	}
	return cloud.Instance{
		Ref: p.ref(req.Region, cloud.KindInstance, out.InstanceIDSets.InstanceIDSet[0]), Name: nameFor(req.Name), Zone: req.Zone, Type: req.Type,
		Power: cloud.PowerStarting, Image: req.Image, Network: req.Network, Tags: req.Tags,
	}, nil
}

// SetTags adds or overwrites.
func (p *Provider) SetTags(ctx context.Context, ref cloud.Ref, tags cloud.Tags) error {
	if len(tags) == 0 {
		return nil
	}
	q := question{op: "tag.set", ref: ref, action: "TagResources"}
	q.params = params{"ResourceType": ref.Kind.String(), "ResourceId.1": ref.ID}.tags(tags)
	return p.ask(ctx, q, nil)
}

// RemoveTags takes keys off. Without keys there is nothing to ask.
func (p *Provider) RemoveTags(ctx context.Context, ref cloud.Ref, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	q := question{op: "tag.remove", ref: ref, action: "UntagResources"}
	q.params = params{"ResourceType": ref.Kind.String(), "ResourceId.1": ref.ID}.list("TagKey", keys)
	return p.ask(ctx, q, nil)
}
