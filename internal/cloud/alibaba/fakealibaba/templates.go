package fakealibaba

import "strconv"

// Template is a launch template, of which no more is kept than the image that each version names, the first version first.
type Template struct {
	Meta
	Images []string `json:"images"`
}

// AddLaunchTemplate puts a launch template there whose versions name these images, and gives its id. Remove takes it away.
func (f *Fake) AddLaunchTemplate(where string, images ...string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &Template{Meta: f.adopt("lt", Meta{}), Images: images}
	f.region(where).Templates.add(t)
	return t.ID
}

func describeLaunchTemplates(p *params) func(*call) error {
	l := p.templatePages()
	ids := p.list("LaunchTemplateId", maxIDs)
	return func(c *call) error {
		var list []fields
		for _, t := range page(c, &c.region.Templates, l, func(t *Template) bool { return among(ids, t.ID) }) {
			list = append(list, fields{
				"LaunchTemplateId": t.ID, "LaunchTemplateName": t.ID, "DefaultVersionNumber": 1, "LatestVersionNumber": len(t.Images),
				"CreateTime": t.Created.UTC().Format(timeForm),
			})
		}
		c.out["LaunchTemplateSets"] = wrap("LaunchTemplateSet", list)
		return nil
	}
}

func describeLaunchTemplateVersions(p *params) func(*call) error {
	l := p.templatePages()
	id, detail := p.must("LaunchTemplateId"), p.get("DetailFlag") != "false"
	return func(c *call) error {
		t, err := lookup(c, &c.region.Templates, "lt", id)
		if err != nil {
			return err
		}
		size := l.size
		if limit := c.f.opt.PageSize; limit > 0 {
			size = min(size, limit)
		}
		var list []fields
		newest := len(t.Images) - 1
		for i := newest - min(l.number-1, len(t.Images))*size; i >= 0 && len(list) < size; i-- {
			v := fields{"LaunchTemplateId": t.ID, "LaunchTemplateName": t.ID, "VersionNumber": i + 1, "DefaultVersion": i == 0}
			if detail {
				v["LaunchTemplateData"] = fields{"ImageId": t.Images[i]}
			}
			list = append(list, v)
		}
		c.out["LaunchTemplateVersionSets"] = wrap("LaunchTemplateVersionSet", list)
		c.out["TotalCount"], c.out["PageNumber"], c.out["PageSize"] = len(t.Images), l.number, size
		return nil
	}
}

// templatePages reads the page of a listing whose pages hold fifty at most.
func (p *params) templatePages() paging {
	l := p.pages(false, 50)
	if l.size > 50 {
		p.bad("InvalidParameter", "Specified parameter PageSize is not valid: %s is above 50.", strconv.Itoa(l.size))
	}
	return l
}
