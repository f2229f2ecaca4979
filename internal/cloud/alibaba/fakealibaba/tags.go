package fakealibaba

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// tagged finds what a tag call names.
func (c *call) tagged(kind, id string) (*Meta, error) {
	var v record
	var err error
	switch kind {
	case "instance":
		v, err = lookup(c, &c.region.Instances, "i", id)
	case "disk":
		v, err = lookup(c, &c.region.Disks, "d", id)
	case "snapshot":
		v, err = lookup(c, &c.region.Snapshots, "s", id)
	case "image":
		v, err = c.own(id)
	default:
		return nil, fail(http.StatusNotFound, "InvalidResourceType.NotFound", "The ResourceType %q does not exist in our records.", kind)
	}
	if err != nil {
		return nil, fail(http.StatusNotFound, "InvalidResourceId.NotFound", "The specified ResourceIds are not found in our records.")
	}
	return v.meta(), nil
}

func (c *call) allTagged(kind string, ids []string) ([]*Meta, error) {
	var out []*Meta
	for _, id := range ids {
		m, err := c.tagged(kind, id)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func (p *params) resources() (kind string, ids []string) {
	kind, ids = p.must("ResourceType"), p.list("ResourceId", 50)
	if len(ids) == 0 {
		p.bad("MissingParameter.ResourceIds", "You must specify ResourceIds.")
	}
	return kind, ids
}

func tagResources(p *params) func(*call) error {
	kind, ids := p.resources()
	tags := p.tags()
	if len(tags) == 0 {
		p.bad("MissingParameter.Tags", "You must specify Tags.")
	}
	return func(c *call) error {
		all, err := c.allTagged(kind, ids)
		if err != nil {
			return err
		}
		merged := make([]map[string]string, len(all))
		for i, m := range all {
			merged[i] = map[string]string{}
			maps.Copy(merged[i], m.Tags)
			for k, v := range tags {
				for old := range m.Tags {
					if old != k && strings.EqualFold(old, k) {
						return fail(http.StatusBadRequest, "TagKey.Duplication", "The specified tag key %q is duplicated; keys are not case-sensitive.", k)
					}
				}
				merged[i][k] = v
			}
			if len(merged[i]) > maxTags {
				return errTags
			}
		}
		for i, m := range all {
			m.Tags = merged[i]
		}
		return nil
	}
}

func untagResources(p *params) func(*call) error {
	kind, ids := p.resources()
	keys, every := p.list("TagKey", maxTags), p.bool("All")
	if len(keys) == 0 && !every {
		p.bad("MissingParameter.TagKey", "You must specify a tag key.")
	}
	return func(c *call) error {
		all, err := c.allTagged(kind, ids)
		if err != nil {
			return err
		}
		for _, m := range all {
			if len(keys) == 0 {
				m.Tags = nil
			}
			maps.DeleteFunc(m.Tags, func(k, _ string) bool { return slices.Contains(keys, k) })
		}
		return nil
	}
}

func listTagResources(p *params) func(*call) error {
	kind, ids := p.must("ResourceType"), p.list("ResourceId", 50)
	filter := p.tagFilter()
	p.ignore("NextToken") // always one page
	if len(ids) == 0 && len(filter) == 0 {
		p.bad("MissingParameter", "You must specify ResourceIds or Tags.")
	}
	return func(c *call) error {
		var list []fields
		write := func(m *Meta) {
			if c.now.Before(m.Visible) || !among(ids, m.ID) || !matches(filter, m.Tags) {
				return
			}
			for _, k := range slices.Sorted(maps.Keys(m.Tags)) {
				list = append(list, fields{"ResourceType": kind, "ResourceId": m.ID, "TagKey": k, "TagValue": m.Tags[k]})
			}
		}
		switch kind {
		case "instance":
			each(c.region.Instances.Rows, write)
		case "disk":
			each(c.region.Disks.Rows, write)
		case "snapshot":
			each(c.region.Snapshots.Rows, write)
		case "image":
			each(c.region.Images.Rows, write)
		default:
			return fail(http.StatusNotFound, "InvalidResourceType.NotFound", "The ResourceType %q does not exist in our records.", kind)
		}
		c.out["TagResources"], c.out["NextToken"] = wrap("TagResource", list), ""
		return nil
	}
}

func each[T record](rows []T, f func(*Meta)) {
	for _, v := range rows {
		f(v.meta())
	}
}
