package faketencent

import (
	"maps"
	"regexp"
)

// ServiceTag is a tag as the tag service writes it.
type ServiceTag struct{ TagKey, TagValue string }

const mostTagsAtOnce = 10 // of the tag service; as many resources

var resourceForm = regexp.MustCompile(`^qcs::(cvm|cbs):([a-z0-9-]+):uin/(\d*):(instance|image|snapshot|volume)/([a-z0-9-]+)$`)

// named finds what a resource's six segments name: the account may be left out, then it is the caller's.
func (c *call) named(resource string) (*Meta, error) {
	unknown := fail("InvalidParameterValue.ResourceIdInvalid", "The resource %s does not exist.", resource)
	m := resourceForm.FindStringSubmatch(resource)
	if m == nil {
		return nil, fail("InvalidParameterValue.ResourceDescriptionError", "The resource %s is not in six segments.", resource)
	}
	if m[3] != "" && m[3] != c.who.uin {
		return nil, fail("FailedOperation.ResourceAppIdNotSame", "The resource %s belongs to another account.", resource)
	}
	r := c.acct.Regions[m[2]]
	if r == nil {
		return nil, fail("InvalidParameterValue.RegionInvalid", "The region %s does not exist.", m[2])
	}
	var v record
	var err error
	switch m[4] {
	case "instance":
		v, err = lookup(c, &r.Instances, "ins", m[5])
	case "image":
		v, err = lookup(c, &r.Images, "img", m[5])
	case "snapshot":
		v, err = lookup(c, &r.Snapshots, "snap", m[5])
	default:
		v, err = lookup(c, &r.Disks, "disk", m[5])
	}
	if err != nil {
		return nil, unknown
	}
	if img, ok := v.(*Image); ok && img.Type != privateImage {
		return nil, unknown
	}
	return v.meta(), nil
}

// each carries something out for every resource; what goes wrong with one is told, and hinders no other.
func (c *call) each(resources []string, do func(*Meta) error) (obj, error) {
	if len(resources) == 0 {
		return nil, missing("ResourceList")
	}
	if len(resources) > mostTagsAtOnce {
		return nil, fail("LimitExceeded.ResourceNumPerRequest", "At most %d resources can be given at once.", mostTagsAtOnce)
	}
	failed := []obj{}
	for _, resource := range resources {
		m, err := c.named(resource)
		if err == nil {
			err = do(m)
		}
		if e, ok := asAPI(err); ok {
			failed = append(failed, obj{"Resource": resource, "Code": e.code, "Message": e.message})
		}
	}
	return obj{"FailedResources": failed}, nil
}

type tagResourcesIn struct {
	ResourceList []string
	Tags         []ServiceTag
}

func tagResources(c *call, in tagResourcesIn) (obj, error) {
	if len(in.Tags) == 0 {
		return nil, missing("Tags")
	}
	if len(in.Tags) > mostTagsAtOnce {
		return nil, fail("LimitExceeded.TagNumPerRequest", "At most %d tags can be given at once.", mostTagsAtOnce)
	}
	list := make([]Tag, len(in.Tags))
	for i, t := range in.Tags {
		list[i] = Tag{t.TagKey, t.TagValue}
	}
	tags, err := tagTags.check(list)
	if err != nil {
		return nil, err
	}
	return c.each(in.ResourceList, func(m *Meta) error {
		all := map[string]string{}
		maps.Copy(all, m.Tags)
		maps.Copy(all, tags)
		if len(all) > maxTags {
			return fail(tagTags.quota, "A resource has at most %d tags.", maxTags)
		}
		m.Tags = all
		return nil
	})
}

type untagResourcesIn struct{ ResourceList, TagKeys []string }

func untagResources(c *call, in untagResourcesIn) (obj, error) {
	if len(in.TagKeys) == 0 {
		return nil, missing("TagKeys")
	}
	if len(in.TagKeys) > mostTagsAtOnce {
		return nil, fail("LimitExceeded.TagNumPerRequest", "At most %d tags can be given at once.", mostTagsAtOnce)
	}
	return c.each(in.ResourceList, func(m *Meta) error {
		for _, key := range in.TagKeys {
			if _, ok := m.Tags[key]; !ok {
				return fail("ResourceNotFound.AttachedTagKeyNotFound", "The tag key %q is not attached.", key)
			}
		}
		for _, key := range in.TagKeys {
			delete(m.Tags, key)
		}
		return nil
	})
}
