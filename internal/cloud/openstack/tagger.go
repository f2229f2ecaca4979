package openstack

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

// SetTags writes metadata or, on an image, properties. See cloud.Tagger.
func (p *Provider) SetTags(ctx context.Context, ref cloud.Ref, tags cloud.Tags) error {
	const op = "tag.set"
	r, err := p.taggable(ctx, op, ref)
	if err != nil || len(tags) == 0 {
		return err
	}
	var to *service
	path := []string{"", ref.ID, "metadata"}
	switch ref.Kind {
	case cloud.KindImage:
		return p.setProperties(ctx, op, ref, r, tags)
	case cloud.KindInstance:
		to, path[0] = r.compute, "servers"
	case cloud.KindDisk:
		to, path[0] = r.volume, "volumes"
	case cloud.KindSnapshot:
		to, path[0] = r.volume, "snapshots"
	}
	_, err = p.send(ctx, request{op: op, ref: ref, to: to, method: http.MethodPost, path: path, body: map[string]any{"metadata": metadata(ref.Kind, tags)}}, nil)
	return err
}

// RemoveTags takes keys off, in whatever form they are there. See cloud.Tagger.
func (p *Provider) RemoveTags(ctx context.Context, ref cloud.Ref, keys []string) error {
	const op = "tag.remove"
	r, err := p.taggable(ctx, op, ref)
	if err != nil || len(keys) == 0 {
		return err
	}
	switch ref.Kind {
	case cloud.KindImage:
		return p.removeProperties(ctx, op, ref, r, keys)
	case cloud.KindInstance:
		s, err := p.server(ctx, op, r, ref.ID)
		if err != nil {
			return err
		}
		if err := p.removeMetadata(ctx, op, ref, r.compute, "servers", s.Metadata, keys); err != nil {
			return err
		}
		return p.removeBare(ctx, op, ref, r.compute, "servers", s.Tags, keys)
	case cloud.KindDisk:
		v, err := p.volume(ctx, op, r, ref.ID)
		if err != nil {
			return err
		}
		return p.removeMetadata(ctx, op, ref, r.volume, "volumes", v.Metadata, keys)
	}
	s, err := p.snapshot(ctx, op, r, ref.ID)
	if err != nil {
		return err
	}
	return p.removeMetadata(ctx, op, ref, r.volume, "snapshots", s.Metadata, keys)
}

// taggable finds the region of a ref that can carry tags.
func (p *Provider) taggable(ctx context.Context, op string, ref cloud.Ref) (*region, error) {
	r, err := p.in(ctx, op, ref)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(cloud.Kinds(), ref.Kind) {
		return nil, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrUnsupported, Err: errors.New("no kind of thing")}
	}
	if !possible.MatchString(ref.ID) {
		return nil, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrNotFound, Err: errors.New("nothing has such an id")}
	}
	return r, nil
}

// removeMetadata takes off those names that stand for the keys. A key with a slash, which cinder allows, fits into no
// path: then all the rest is written anew.
func (p *Provider) removeMetadata(ctx context.Context, op string, ref cloud.Ref, to *service, things string, meta map[string]string, keys []string) error {
	rest, rewrite := map[string]string{}, false
	var names []string
	for name, value := range meta {
		if key, _ := decoded(name); slices.Contains(keys, key) {
			names = append(names, name)
			rewrite = rewrite || strings.Contains(name, "/")
			continue
		}
		rest[name] = value
	}
	if rewrite {
		_, err := p.send(ctx, request{op: op, ref: ref, to: to, method: http.MethodPut, path: []string{things, ref.ID, "metadata"}, body: map[string]any{"metadata": rest}}, nil)
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		_, err := p.send(ctx, request{op: op, ref: ref, to: to, method: http.MethodDelete, path: []string{things, ref.ID, "metadata", name}}, nil)
		if err != nil && cloud.ClassOf(err) != cloud.ErrNotFound {
			return err
		}
	}
	return nil
}

// removeBare takes bare tags off a server or an image.
func (p *Provider) removeBare(ctx context.Context, op string, ref cloud.Ref, to *service, things string, tags, keys []string) error {
	for _, tag := range tags {
		if !slices.Contains(keys, tag) {
			continue
		}
		_, err := p.send(ctx, request{op: op, ref: ref, to: to, method: http.MethodDelete, path: []string{things, ref.ID, "tags", tag}}, nil)
		if err != nil && cloud.ClassOf(err) != cloud.ErrNotFound {
			return err
		}
	}
	return nil
}

// change is one step of a JSON patch.
type change struct {
	Op    string  `json:"op"`
	Path  string  `json:"path"`
	Value *string `json:"value,omitempty"`
}

func put(name, value string) change { return change{Op: "add", Path: pointer(name), Value: &value} }
func drop(name string) change       { return change{Op: "remove", Path: pointer(name)} }

// pointer is the JSON pointer to a property.
func pointer(name string) string {
	return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func (p *Provider) patch(ctx context.Context, op string, ref cloud.Ref, r *region, changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	_, err := p.send(ctx, request{
		op: op, ref: ref, to: r.image, method: http.MethodPatch, path: []string{"images", ref.ID}, body: changes,
		header: map[string]string{"Content-Type": "application/openstack-images-v2.1-json-patch"},
	}, nil)
	return err
}

// setProperties writes tags on an image. With tags of ours the image becomes signed, and loses those that it inherited.
func (p *Provider) setProperties(ctx context.Context, op string, ref cloud.Ref, r *region, tags cloud.Tags) error {
	i, err := p.image(ctx, op, r, ref.ID)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(i.properties))
	for name := range i.properties {
		names = append(names, name)
	}
	slices.Sort(names)
	meta := metadata(cloud.KindImage, tags, names...)
	var changes []change
	ours := len(tags.Keep(func(t cloud.Tag) bool { return strings.HasPrefix(t.Key, cloud.TagPrefix) })) > 0
	if signed, has := i.properties[sign]; ours && signed != i.Name {
		for _, name := range names {
			if _, again := meta[name]; has && !again && strings.HasPrefix(name, cloud.TagPrefix) {
				changes = append(changes, drop(name))
			}
		}
		changes = append(changes, put(sign, i.Name))
	}
	for _, t := range cloud.TagsOf(meta) {
		changes = append(changes, put(t.Key, t.Value))
	}
	return p.patch(ctx, op, ref, r, changes)
}

// removeProperties takes tags off an image.
func (p *Provider) removeProperties(ctx context.Context, op string, ref cloud.Ref, r *region, keys []string) error {
	i, err := p.image(ctx, op, r, ref.ID)
	if err != nil {
		return err
	}
	var names []string
	for name := range i.properties {
		if key, _ := decoded(name); slices.Contains(keys, key) && !housekeeping(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var changes []change
	for _, name := range names {
		changes = append(changes, drop(name))
	}
	if err := p.patch(ctx, op, ref, r, changes); err != nil {
		return err
	}
	return p.removeBare(ctx, op, ref, r.image, "images", i.Tags, keys)
}
