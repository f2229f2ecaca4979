package openstack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/stint-cloud/stint/internal/cloud"
)

// server is what nova tells about one.
type server struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Status   string            `json:"status"`
	Task     string            `json:"OS-EXT-STS:task_state"`
	Project  string            `json:"tenant_id"`
	User     string            `json:"user_id"`
	Zone     string            `json:"OS-EXT-AZ:availability_zone"`
	Metadata map[string]string `json:"metadata"`
	Tags     []string          `json:"tags"`
	Image    reference         `json:"image"`
	Flavor   struct {
		ID   string `json:"id"`
		Name string `json:"original_name"`
	} `json:"flavor"`
	Created  string                     `json:"created"`
	Networks map[string]json.RawMessage `json:"addresses"` // by name
	Volumes  []struct {
		ID string `json:"id"`
	} `json:"os-extended-volumes:volumes_attached"`
}

// powers are the statuses of nova.
var powers = map[string]cloud.Power{
	"ACTIVE": cloud.PowerRunning, "PASSWORD": cloud.PowerRunning, "MIGRATING": cloud.PowerRunning,
	"RESCUE": cloud.PowerRunning, "VERIFY_RESIZE": cloud.PowerRunning,
	"BUILD": cloud.PowerStarting, "REBUILD": cloud.PowerStarting, "REBOOT": cloud.PowerStarting,
	"HARD_REBOOT": cloud.PowerStarting, "RESIZE": cloud.PowerStarting, "REVERT_RESIZE": cloud.PowerStarting,
	"SHUTOFF": cloud.PowerStopped, "PAUSED": cloud.PowerStopped, "SUSPENDED": cloud.PowerStopped,
	"SHELVED": cloud.PowerStopped, "SHELVED_OFFLOADED": cloud.PowerStopped,
	"ERROR":   cloud.PowerFailed,
	"DELETED": cloud.PowerGone, "SOFT_DELETED": cloud.PowerGone,
}

// powerOf maps a status, and what is being done about it.
func powerOf(status, task string) cloud.Power {
	p, ok := powers[status]
	switch {
	case !ok:
		return cloud.PowerUnknown
	case p == cloud.PowerRunning && (task == "powering-off" || task == "deleting" || task == "soft-deleting" || task == "shelving" || task == "suspending" || task == "pausing"):
		return cloud.PowerStopping
	case p == cloud.PowerStopped && (task == "powering-on" || task == "unshelving" || task == "resuming" || task == "unpausing" || task == "spawning"):
		return cloud.PowerStarting
	}
	return p
}

// Instances lists the servers of the project. See cloud.Provider.
func (p *Provider) Instances(ctx context.Context, q cloud.Query, at string) (cloud.Page[cloud.Instance], error) {
	const op = "instance.list"
	ref := p.place(q, cloud.KindInstance)
	r, err := p.in(ctx, op, ref)
	if err != nil {
		return cloud.Page[cloud.Instance]{}, err
	}
	var found []server
	next := ""
	if q.IDs != nil {
		page, err := byID(ctx, q, at, func(ctx context.Context, id string) (server, bool, error) {
			s, err := p.server(ctx, op, r, id)
			return s, true, err
		})
		if err != nil {
			return cloud.Page[cloud.Instance]{}, err
		}
		found, next = page.Items, page.Next
	} else {
		c, ok := parseCursor(at)
		if !ok {
			return cloud.Page[cloud.Instance]{}, badCursor(op, ref)
		}
		var answer struct {
			Servers []server `json:"servers"`
			Links   []link   `json:"servers_links"`
		}
		if err := p.list(ctx, request{op: op, ref: ref, to: r.compute, path: []string{"servers", "detail"}}, c, &answer); err != nil {
			return cloud.Page[cloud.Instance]{}, err
		}
		found = answer.Servers
		if more(answer.Links) && len(found) > 0 {
			next = c.after(idsOf(found, func(s server) string { return s.ID })).String()
		}
	}
	page := cloud.Page[cloud.Instance]{Next: next}
	for _, s := range found {
		if s.Status == "UNKNOWN" && s.Metadata == nil {
			// Its cell is down and nova tells little more than the id. Without its tags it must not pass for one that has none.
			text := "the cell of server " + s.ID + " is down, so that its tags are unknown"
			return cloud.Page[cloud.Instance]{}, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrTransient, Code: s.Status, Err: errors.New(text)}
		}
		if i := p.instance(r, s); s.Project == r.project && i.Tags.Contains(q.Tags) {
			page.Items = append(page.Items, i)
		}
	}
	if err := p.devices(ctx, op, ref, r, page.Items); err != nil {
		return cloud.Page[cloud.Instance]{}, err
	}
	return page, nil
}

func idsOf[T any](items []T, id func(T) string) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = id(item)
	}
	return out
}

// server gets one.
func (p *Provider) server(ctx context.Context, op string, r *region, id string) (server, error) {
	var answer struct {
		Server server `json:"server"`
	}
	_, err := p.send(ctx, request{op: op, ref: p.ref(r, cloud.KindInstance, id), to: r.compute, method: http.MethodGet, path: []string{"servers", id}}, &answer)
	return answer.Server, err
}

// instance is the server as we speak of it; of its volumes neither device nor order are known yet.
func (p *Provider) instance(r *region, s server) cloud.Instance {
	i := cloud.Instance{
		Ref: p.ref(r, cloud.KindInstance, s.ID), Name: s.Name, Zone: s.Zone, Type: cmp.Or(s.Flavor.Name, s.Flavor.ID),
		Power: powerOf(s.Status, s.Task), Image: s.Image.ID, LocalRoot: s.Image.ID != "",
		User: s.User, Project: s.Project, Tags: tagsOf(s.Metadata, s.Tags), CreatedAt: instant(s.Created),
	}
	if names := slices.Sorted(maps.Keys(s.Networks)); len(names) > 0 {
		i.Network = names[0]
	}
	for _, v := range s.Volumes {
		i.Disks = append(i.Disks, cloud.Attachment{Disk: v.ID})
	}
	return i
}

// few is how many volumes or snapshots are asked for one by one; for more the listing of all is cheaper.
const few = 4

// devices asks cinder where the volumes of the servers are attached, and puts them in order. A server that was not made
// from an image has its root on the first volume that can be booted from.
func (p *Provider) devices(ctx context.Context, op string, ref cloud.Ref, r *region, instances []cloud.Instance) error {
	wanted := map[string]volume{}
	for _, i := range instances {
		for _, d := range i.Disks {
			wanted[d.Disk] = volume{}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	if len(wanted) <= few {
		for id := range wanted {
			v, err := p.volume(ctx, op, r, id)
			if err != nil && cloud.ClassOf(err) != cloud.ErrNotFound {
				return about(err, op, ref)
			}
			wanted[id] = v
		}
	} else if err := p.attached(ctx, op, ref, r, wanted); err != nil {
		return err
	}
	for n := range instances {
		i := &instances[n]
		bootable := map[string]bool{}
		for k := range i.Disks {
			v := wanted[i.Disks[k].Disk]
			bootable[v.ID] = v.Bootable == "true"
			for _, a := range v.Attachments {
				if a.Server == i.Ref.ID {
					i.Disks[k].Device = a.Device
				}
			}
		}
		order(i.Disks)
		if !i.LocalRoot && len(i.Disks) > 0 {
			root := max(0, slices.IndexFunc(i.Disks, func(a cloud.Attachment) bool { return bootable[a.Disk] }))
			d := i.Disks[root]
			d.Root = true
			i.Disks = append([]cloud.Attachment{d}, slices.Delete(i.Disks, root, root+1)...)
		}
	}
	return nil
}

// attached fills in those of the wanted volumes that the listing has, and stops once it has them all.
func (p *Provider) attached(ctx context.Context, op string, ref cloud.Ref, r *region, wanted map[string]volume) error {
	missing := len(wanted)
	var c cursor
	for {
		var answer volumesPage
		if err := p.list(ctx, request{op: op, ref: ref, to: r.volume, path: []string{"volumes", "detail"}}, c, &answer); err != nil {
			return err
		}
		for _, v := range answer.Volumes {
			if old, ok := wanted[v.ID]; ok && old.ID == "" {
				wanted[v.ID] = v
				missing--
			}
		}
		if missing == 0 || !more(answer.Links) || len(answer.Volumes) == 0 {
			return nil
		}
		c = c.after(idsOf(answer.Volumes, func(v volume) string { return v.ID }))
	}
}

// order sorts by device: /dev/vdb before /dev/vdaa, those without one last.
func order(disks []cloud.Attachment) {
	slices.SortStableFunc(disks, func(a, b cloud.Attachment) int {
		if (a.Device == "") != (b.Device == "") {
			return cmp.Compare(len(b.Device), len(a.Device))
		}
		if c := cmp.Compare(len(a.Device), len(b.Device)); c != 0 {
			return c
		}
		return cmp.Compare(a.Device, b.Device)
	})
}
