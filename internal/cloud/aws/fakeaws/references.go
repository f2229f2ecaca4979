package fakeaws

import (
	"fmt"
	"slices"
	"strconv"
)

// Template is a launch template, of which no more is kept than the image that each version names, the first version first.
type Template struct {
	Meta
	Images []string `json:"images"`
}

// AddLaunchTemplate puts a launch template there whose versions name these images, and gives its id.
func (f *Fake) AddLaunchTemplate(region string, images ...string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &Template{Meta: f.fresh("lt", f.opt.Now(), nil), Images: images}
	f.region(region).Templates.add(t)
	return t.ID
}

// RemoveLaunchTemplate takes it away.
func (f *Fake) RemoveLaunchTemplate(region, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.region(region).Templates.remove(id)
}

const (
	maxReferences = 10 // images in one question
	someVersions  = 10 // of a launch template, unless more are asked for
)

// reference is something that names an image.
type reference struct{ image, kind, arn string }

// searched is which things are looked at.
type searched struct {
	instances, templates bool
	states               []string // of instances; empty is all
	depth                int      // of templates: how many versions, the newest first
}

func (p *params) searched() searched {
	w := searched{depth: someVersions}
	if p.bool("IncludeAllResourceTypes") {
		w.instances, w.templates = true, true
	}
	kinds := p.groups("ResourceType")
	for _, g := range kinds {
		kind := p.must(g + ".ResourceType")
		switch kind {
		case "ec2:Instance":
			w.instances = true
		case "ec2:LaunchTemplate":
			w.templates = true
		case "ssm:Parameter", "imagebuilder:ImageRecipe", "imagebuilder:ContainerRecipe": // of which this account has none
		default:
			p.fail(fail("InvalidParameterValue", "Value (%s) for parameter resourceType is invalid", kind))
		}
		for _, o := range p.groups(g + ".ResourceTypeOption") {
			name, values := p.must(o+".OptionName"), p.list(o+".OptionValue")
			switch {
			case kind == "ec2:Instance" && name == "state-name":
				w.states = values
			case kind == "ec2:LaunchTemplate" && name == "version-depth" && len(values) == 1:
				n, err := strconv.Atoi(values[0])
				if err != nil || n < 1 || n > 10000 {
					p.fail(fail("InvalidParameterValue", "Value (%s) for version-depth is invalid. Expecting a value between 1 and 10000.", values[0]))
				}
				w.depth = n
			default:
				p.fail(fail("InvalidParameterValue", "The option %s is not valid for %s", name, kind))
			}
		}
	}
	if !p.has("IncludeAllResourceTypes") && len(kinds) == 0 {
		p.fail(fail("MissingParameter", "Either IncludeAllResourceTypes or ResourceTypes must be specified"))
	}
	return w
}

func describeImageReferences(p *params) func(*call) error {
	l := p.lists("")
	ids, w := p.list("ImageId"), p.searched()
	if len(ids) == 0 || len(ids) > maxReferences {
		p.fail(fail("InvalidParameterValue", "%d image ids are given; expecting 1 to %d", len(ids), maxReferences))
	}
	return func(c *call) error {
		for _, id := range ids {
			if _, err := lookup(c, &c.region.Images, "ami", id); err != nil {
				return err
			}
		}
		all := c.references(ids, w)
		from := min(int(min(l.after, 1<<30)), len(all))
		size := l.size
		if limit := c.f.opt.PageSize; limit > 0 && (size == 0 || size > limit) {
			size = limit
		}
		to := len(all)
		if size > 0 {
			to = min(from+size, len(all))
		}
		c.out.open("imageReferenceSet")
		for _, r := range all[from:to] {
			c.out.open("item")
			c.out.str("imageId", r.image)
			c.out.str("resourceType", r.kind)
			c.out.str("arn", r.arn)
			c.out.close("item")
		}
		c.out.close("imageReferenceSet")
		if to < len(all) {
			c.out.str("nextToken", writeToken(uint64(to)))
		}
		return nil
	}
}

// references finds what names the images: instances as they were made, then launch templates.
func (c *call) references(ids []string, w searched) []reference {
	arn := func(kind, id string) string {
		return fmt.Sprintf("arn:aws:ec2:%s:%s:%s/%s", c.region.Name, c.f.opt.Account, kind, id)
	}
	var out []reference
	for _, in := range c.region.Instances.Rows {
		if w.instances && slices.Contains(ids, in.Image) && (len(w.states) == 0 || slices.Contains(w.states, in.State(c.now))) {
			out = append(out, reference{in.Image, "ec2:Instance", arn("instance", in.ID)})
		}
	}
	for _, t := range c.region.Templates.Rows {
		if !w.templates {
			break
		}
		seen := t.Images[max(0, len(t.Images)-w.depth):]
		for _, id := range ids {
			if slices.Contains(seen, id) {
				out = append(out, reference{id, "ec2:LaunchTemplate", arn("launch-template", t.ID)})
			}
		}
	}
	return out
}
