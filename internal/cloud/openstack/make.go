package openstack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// CreateSnapshot starts a snapshot of a volume, in use or not. See cloud.Snapshotter.
func (p *Provider) CreateSnapshot(ctx context.Context, req cloud.NewSnapshot) (cloud.Snapshot, error) {
	const op = "snapshot.create"
	ref := cloud.Ref{Account: p.account, Region: req.Region, Kind: cloud.KindDisk, ID: req.Disk}
	r, err := p.in(ctx, op, ref)
	if err != nil {
		return cloud.Snapshot{}, err
	}
	body := map[string]any{
		"volume_id": req.Disk, "name": req.Name, "description": cut(req.Description, 255), "metadata": metadata(cloud.KindSnapshot, req.Tags),
	}
	send := request{op: op, ref: ref, to: r.volume, method: http.MethodPost, path: []string{"snapshots"}, body: map[string]any{"snapshot": body}}
	implied, err := p.speaks(ctx, send, 3, 66)
	if err != nil {
		return cloud.Snapshot{}, err
	}
	if !implied {
		body["force"] = true
	}
	var answer struct {
		Snapshot snapshot `json:"snapshot"`
	}
	if _, err := p.send(ctx, send, &answer); err != nil {
		return cloud.Snapshot{}, err
	}
	return p.snapshotOf(r, answer.Snapshot), nil
}

// DeleteSnapshot deletes one. Cinder would delete it from under an image too, as Traits.RefusesInUse says. See
// cloud.Snapshotter.
func (p *Provider) DeleteSnapshot(ctx context.Context, ref cloud.Ref) error {
	return p.remove(ctx, "snapshot.delete", ref, "snapshots", func(r *region) *service { return r.volume })
}

// remove deletes one thing.
func (p *Provider) remove(ctx context.Context, op string, ref cloud.Ref, things string, to func(*region) *service) error {
	r, err := p.in(ctx, op, ref)
	if err != nil {
		return err
	}
	if !possible.MatchString(ref.ID) {
		return &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrNotFound, Err: errors.New("nothing has such an id")}
	}
	_, err = p.send(ctx, request{op: op, ref: ref, to: to(r), method: http.MethodDelete, path: []string{things, ref.ID}}, nil)
	return err
}

// CreateImage starts an image of a server, which keeps running: nova quiesces where the guest's agent can, and reboots
// never, whatever Reboot says. See cloud.Imager.
func (p *Provider) CreateImage(ctx context.Context, req cloud.NewImage) (cloud.Image, error) {
	const op = "image.create"
	ref := cloud.Ref{Account: p.account, Region: req.Region, Kind: cloud.KindInstance, ID: req.Instance}
	r, err := p.in(ctx, op, ref)
	if err != nil {
		return cloud.Image{}, err
	}
	meta := imageMetadata(req.Name, req.Tags)
	if req.Description != "" {
		meta[description] = cut(req.Description, 255)
	}
	var answer struct {
		ID string `json:"image_id"` // from 2.45 on, which is what told means
	}
	send := request{
		op: op, ref: ref, to: r.compute, method: http.MethodPost, path: []string{"servers", req.Instance, "action"},
		body: map[string]any{"createImage": map[string]any{"name": req.Name, "metadata": meta}},
	}
	told, err := p.speaks(ctx, send, 2, 45)
	if err != nil {
		return cloud.Image{}, err
	}
	var out any
	if told {
		out = &answer
	}
	header, err := p.send(ctx, send, out)
	if err != nil {
		return cloud.Image{}, err
	}
	id := answer.ID
	if id == "" {
		location := strings.TrimRight(header.Get("Location"), "/")
		id = location[strings.LastIndexByte(location, '/')+1:]
	}
	if !possible.MatchString(id) {
		return cloud.Image{}, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrTransient, Err: errors.New("nova began an image but did not tell its id")}
	}
	properties := map[string]string{}
	for k, v := range meta {
		properties[k] = v
	}
	return cloud.Image{
		Ref: p.ref(r, cloud.KindImage, id), Name: req.Name, State: cloud.StateWorking, Detail: "queued", Project: r.project,
		Tags: imageTags(req.Name, properties, nil), CreatedAt: time.Now().UTC().Truncate(time.Second),
	}, nil
}

// cut shortens to n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// DeleteImage deletes the image alone. See cloud.Imager.
func (p *Provider) DeleteImage(ctx context.Context, ref cloud.Ref) error {
	return p.remove(ctx, "image.delete", ref, "images", func(r *region) *service { return r.image })
}

// CreateDisk starts a volume from a snapshot, unless there is one that carries the same TagAction. See cloud.DiskMaker.
func (p *Provider) CreateDisk(ctx context.Context, req cloud.NewDisk) (cloud.Disk, error) {
	const op = "disk.create"
	ref := cloud.Ref{Account: p.account, Region: req.Region, Kind: cloud.KindSnapshot, ID: req.Snapshot}
	r, err := p.in(ctx, op, ref)
	if err != nil {
		return cloud.Disk{}, err
	}
	if old, ok, err := before(ctx, req.Region, req.Tags, p.Disks, func(d cloud.Disk) bool { return d.State != cloud.StateFailed }); err != nil || ok {
		return old, about(err, op, ref)
	}
	body := map[string]any{"snapshot_id": req.Snapshot, "name": req.Name, "metadata": metadata(cloud.KindDisk, req.Tags)}
	if req.Size > 0 {
		body["size"] = (req.Size + gib - 1) / gib
	}
	if req.Type != "" {
		body["volume_type"] = req.Type
	}
	if req.Zone != "" {
		body["availability_zone"] = req.Zone
	}
	var answer struct {
		Volume volume `json:"volume"`
	}
	send := request{op: op, ref: ref, to: r.volume, method: http.MethodPost, path: []string{"volumes"}, body: map[string]any{"volume": body}}
	if _, err := p.send(ctx, send, &answer); err != nil {
		return cloud.Disk{}, err
	}
	return p.disk(r, answer.Volume), nil
}

// before finds what an earlier try of the same action has made.
func before[T any](ctx context.Context, region string, tags cloud.Tags, list func(context.Context, cloud.Query, string) (cloud.Page[T], error), good func(T) bool) (T, bool, error) {
	var none T
	action, ok := tags.Find(cloud.TagAction)
	if !ok {
		return none, false, nil
	}
	q := cloud.Query{Region: region, Tags: cloud.Tags{{Key: cloud.TagAction, Value: action}}}
	for at := ""; ; {
		page, err := list(ctx, q, at)
		if err != nil {
			return none, false, err
		}
		for _, item := range page.Items {
			if good(item) {
				return item, true, nil
			}
		}
		if at = page.Next; at == "" {
			return none, false, nil
		}
	}
}

// about gives the error of a look the name of the call that it was made for.
func about(err error, op string, ref cloud.Ref) error {
	var e *cloud.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	own := *e
	own.Op, own.Ref = op, ref
	return &own
}

// RunInstance starts a server from an image, unless there is one that carries the same TagAction. Type is a flavor's name
// or id; Network an id, a name, "none", or "auto", which is also what nothing means. See cloud.Launcher.
func (p *Provider) RunInstance(ctx context.Context, req cloud.NewInstance) (cloud.Instance, error) {
	const op = "instance.run"
	ref := cloud.Ref{Account: p.account, Region: req.Region, Kind: cloud.KindImage, ID: req.Image}
	r, err := p.in(ctx, op, ref)
	if err != nil {
		return cloud.Instance{}, err
	}
	old, ok, err := before(ctx, req.Region, req.Tags, p.Instances, func(i cloud.Instance) bool { return i.Power != cloud.PowerGone && i.Power != cloud.PowerFailed })
	if err != nil || ok {
		return old, about(err, op, ref)
	}
	flavor, err := p.flavor(ctx, op, ref, r, req.Type)
	if err != nil {
		return cloud.Instance{}, err
	}
	networks, err := p.networks(ctx, op, ref, r, req.Network)
	if err != nil {
		return cloud.Instance{}, err
	}
	body := map[string]any{
		"name": req.Name, "imageRef": req.Image, "flavorRef": flavor, "metadata": metadata(cloud.KindInstance, req.Tags),
	}
	if networks != nil {
		body["networks"] = networks
	}
	if req.Throwaway {
		disks, err := p.goingWith(ctx, op, ref, r, req.Image)
		if err != nil {
			return cloud.Instance{}, err
		}
		if disks != nil {
			delete(body, "imageRef") // they are what it would have stood for
			body["block_device_mapping_v2"] = disks
		}
	}
	if req.Zone != "" {
		body["availability_zone"] = req.Zone
	}
	if req.KeyName != "" {
		body["key_name"] = req.KeyName
	}
	var answer struct {
		Server struct {
			ID string `json:"id"`
		} `json:"server"`
	}
	send := request{op: op, ref: ref, to: r.compute, method: http.MethodPost, path: []string{"servers"}, body: map[string]any{"server": body}}
	if _, err := p.send(ctx, send, &answer); err != nil {
		return cloud.Instance{}, err
	}
	return cloud.Instance{
		Ref: p.ref(r, cloud.KindInstance, answer.Server.ID), Name: req.Name, Zone: req.Zone, Type: req.Type, Power: cloud.PowerStarting,
		Image: req.Image, Project: r.project, Tags: req.Tags, CreatedAt: time.Now().UTC().Truncate(time.Second),
	}, nil
}

// flavor finds a flavor's id by its id or name.
func (p *Provider) flavor(ctx context.Context, op string, ref cloud.Ref, r *region, want string) (string, error) {
	marker := ""
	for {
		query := url.Values{"limit": {"1000"}}
		if marker != "" {
			query.Set("marker", marker)
		}
		var answer struct {
			Flavors []struct {
				ID   string `json:"id"`
				Name string `json:"name"`
			} `json:"flavors"`
			Links []link `json:"flavors_links"`
		}
		if _, err := p.send(ctx, request{op: op, ref: ref, to: r.compute, method: http.MethodGet, path: []string{"flavors"}, query: query}, &answer); err != nil {
			return "", err
		}
		for _, f := range answer.Flavors {
			if f.ID == want || f.Name == want {
				return f.ID, nil
			}
			marker = f.ID
		}
		if !more(answer.Links) || len(answer.Flavors) == 0 {
			return "", &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrNotFound, Err: fmt.Errorf("there is no flavor %q", want)}
		}
	}
}

// uuid is what the id of a network looks like.
var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$`)

// networks is what a request for a server says about them.
func (p *Provider) networks(ctx context.Context, op string, ref cloud.Ref, r *region, want string) (any, error) {
	words, err := p.speaks(ctx, request{op: op, ref: ref, to: r.compute}, 2, 37)
	if err != nil {
		return nil, err
	}
	switch {
	case want == "" || want == "auto":
		if !words {
			return nil, nil // which means the same in those days
		}
		return "auto", nil
	case want == "none":
		return "none", nil
	case uuid.MatchString(want):
		return []map[string]string{{"uuid": want}}, nil
	}
	var answer struct {
		Networks []struct {
			ID string `json:"id"`
		} `json:"networks"`
	}
	send := request{op: op, ref: ref, to: r.network, method: http.MethodGet, path: []string{"networks"}, query: url.Values{"name": {want}, "fields": {"id"}}}
	if _, err := p.send(ctx, send, &answer); err != nil {
		return nil, err
	}
	if n := len(answer.Networks); n != 1 {
		return nil, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrNotFound, Err: fmt.Errorf("%d networks are called %q: give the id of one", n, want)}
	}
	return []map[string]string{{"uuid": answer.Networks[0].ID}}, nil
}
