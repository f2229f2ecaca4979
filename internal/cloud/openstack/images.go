package openstack

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

// image is what glance tells about one: a flat object in which anybody's properties stand beside glance's own.
type image struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Status     string   `json:"status"`
	Size       int64    `json:"size"`
	Owner      string   `json:"owner"`
	Protected  bool     `json:"protected"`
	Visibility string   `json:"visibility"`
	Tags       []string `json:"tags"`
	Created    string   `json:"created_at"`
	properties map[string]string
}

// UnmarshalJSON reads the attributes and keeps the properties.
func (i *image) UnmarshalJSON(b []byte) error {
	type attributes image
	if err := json.Unmarshal(b, (*attributes)(i)); err != nil {
		return err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	i.properties = texts(raw)
	return nil
}

type imagesPage struct {
	Images []image `json:"images"`
	Next   string  `json:"next"`
}

// imageStates are the statuses of glance.
var imageStates = map[string]cloud.State{
	"queued": cloud.StateWorking, "saving": cloud.StateWorking, "uploading": cloud.StateWorking, "importing": cloud.StateWorking,
	"active": cloud.StateReady, "killed": cloud.StateFailed,
	"deactivated": cloud.StateRetired, "pending_delete": cloud.StateRetired, "deleted": cloud.StateRetired,
}

// failedImport is where glance notes the stores that an import did not reach; the image is queued again.
const failedImport = "os_glance_failed_import"

// hidden is the part of a listing of images that has what is hidden. Glance gives one part or the other, and an image
// that somebody hid is not gone.
const hidden = "hidden"

// Images lists the images that the project owns, whoever may see them. See cloud.Provider.
func (p *Provider) Images(ctx context.Context, q cloud.Query, at string) (cloud.Page[cloud.Image], error) {
	const op = "image.list"
	ref := p.place(q, cloud.KindImage)
	r, err := p.in(ctx, op, ref)
	if err != nil {
		return cloud.Page[cloud.Image]{}, err
	}
	c, ok := parseCursor(at)
	if !ok || c.part != "" && c.part != hidden {
		return cloud.Page[cloud.Image]{}, badCursor(op, ref)
	}
	query := url.Values{}
	if q.IDs != nil {
		ids := slices.DeleteFunc(slices.Clone(q.IDs), func(id string) bool { return !possible.MatchString(id) })
		if len(ids) == 0 {
			return cloud.Page[cloud.Image]{}, nil
		}
		query.Set("id", "in:"+strings.Join(ids, ","))
	}
	for _, t := range stintFilter(q.Tags) {
		query.Set(t.Key, t.Value)
	}
	found, next, err := p.imagesPage(ctx, op, ref, r, query, c)
	if err != nil {
		return cloud.Page[cloud.Image]{}, err
	}
	page := cloud.Page[cloud.Image]{Next: next}
	for _, i := range found {
		v := p.imageOf(r, i)
		if v.Project == r.project && v.Tags.Contains(q.Tags) && (q.IDs == nil || contains(q.IDs, v.Ref.ID)) {
			page.Items = append(page.Items, v)
		}
	}
	if err := p.standing(ctx, op, ref, r, page.Items); err != nil {
		return cloud.Page[cloud.Image]{}, err
	}
	return page, nil
}

// standing looks at the snapshots that ready images stand on. Glance calls such an image active while they are still
// being made, and for ever, even when they have failed or are gone.
func (p *Provider) standing(ctx context.Context, op string, ref cloud.Ref, r *region, images []cloud.Image) error {
	wanted := map[string]snapshot{}
	for _, i := range images {
		if i.State == cloud.StateReady {
			for _, id := range i.Snapshots {
				wanted[id] = snapshot{}
			}
		}
	}
	if len(wanted) == 0 || r.volume == nil {
		return nil
	}
	if err := p.lookUp(ctx, op, ref, r, wanted); err != nil {
		return err
	}
	for n := range images {
		i := &images[n]
		if i.State != cloud.StateReady {
			continue
		}
		for _, id := range i.Snapshots {
			s := wanted[id]
			switch state := stateOf(snapshotStates, s.Status); {
			case s.ID == "":
				i.State, i.Detail = cloud.StateFailed, "snapshot "+id+", on which it stands, is gone"
			case state == cloud.StateFailed || state == cloud.StateRetired:
				i.State, i.Detail = cloud.StateFailed, "snapshot "+id+", on which it stands, is "+s.Status
			case state != cloud.StateReady && i.State != cloud.StateFailed:
				i.State, i.Detail = state, "snapshot "+id+", on which it stands, is "+s.Status
			}
		}
	}
	return nil
}

// imagesPage asks for one page of the project's images, visible or hidden, and says where the next one is.
func (p *Provider) imagesPage(ctx context.Context, op string, ref cloud.Ref, r *region, query url.Values, c cursor) ([]image, string, error) {
	query.Set("owner", r.project)
	query.Set("visibility", "all") // else what is shared with everybody is left out
	if c.part == hidden {
		query.Set("os_hidden", "true")
	}
	var answer imagesPage
	if err := p.list(ctx, request{op: op, ref: ref, to: r.image, path: []string{"images"}, query: query}, c, &answer); err != nil {
		return nil, "", err
	}
	switch {
	case answer.Next != "" && len(answer.Images) > 0:
		return answer.Images, c.after(idsOf(answer.Images, func(i image) string { return i.ID })).String(), nil
	case c.part == "":
		return answer.Images, cursor{part: hidden}.String(), nil
	}
	return answer.Images, "", nil
}

// image gets one.
func (p *Provider) image(ctx context.Context, op string, r *region, id string) (image, error) {
	var i image
	_, err := p.send(ctx, request{op: op, ref: p.ref(r, cloud.KindImage, id), to: r.image, method: http.MethodGet, path: []string{"images", id}}, &i)
	return i, err
}

func (p *Provider) imageOf(r *region, i image) cloud.Image {
	v := cloud.Image{
		Ref: p.ref(r, cloud.KindImage, i.ID), Name: i.Name, Size: i.Size, State: stateOf(imageStates, i.Status), Detail: i.Status,
		Locked: i.Protected, User: i.properties["user_id"], Project: i.Owner, Tags: imageTags(i.Name, i.properties, i.Tags), CreatedAt: instant(i.Created),
	}
	if failed := i.properties[failedImport]; failed != "" && i.Status == "queued" {
		v.State, v.Detail = cloud.StateFailed, "the import into "+failed+" failed"
	}
	for _, d := range devicesOf(i) {
		v.Snapshots = append(v.Snapshots, d.Snapshot)
		if i.Size == 0 {
			v.Size += d.Size * gib
		}
	}
	return v
}

// device is one disk of an image of a volume-backed server.
type device struct {
	Snapshot string `json:"snapshot_id"`
	Size     int64  `json:"volume_size"`
	Boot     *int   `json:"boot_index"`
}

// devicesOf reads the snapshots that an image stands on, the root first.
func devicesOf(i image) []device {
	var all []device
	if json.Unmarshal([]byte(i.properties["block_device_mapping"]), &all) != nil {
		return nil
	}
	all = slices.DeleteFunc(all, func(d device) bool { return d.Snapshot == "" })
	slices.SortStableFunc(all, func(a, b device) int { return cmp.Compare(a.rank(), b.rank()) })
	return all
}

// rank puts the root, which has boot index 0, first.
func (d device) rank() int {
	if d.Boot != nil && *d.Boot == 0 {
		return 0
	}
	return 1
}
