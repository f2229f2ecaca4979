package fakeaws

import (
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// tagged finds what a tag call names, whatever its kind.
func (c *call) tagged(id string) (*Meta, error) {
	prefix, _, _ := strings.Cut(id, "-")
	var v record
	var err error
	switch prefix {
	case "i":
		v, err = lookup(c, &c.region.Instances, prefix, id)
	case "vol":
		v, err = lookup(c, &c.region.Volumes, prefix, id)
	case "snap":
		v, err = lookup(c, &c.region.Snapshots, prefix, id)
	case "ami":
		v, err = lookup(c, &c.region.Images, prefix, id)
	default:
		return nil, fail("InvalidID", "The ID '%s' is not valid", id)
	}
	if err != nil {
		return nil, err
	}
	return v.meta(), nil
}

func (c *call) allTagged(ids []string) ([]*Meta, error) {
	var out []*Meta
	for _, id := range ids {
		m, err := c.tagged(id)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func (p *params) resources() []string {
	ids := p.list("ResourceId")
	if len(ids) == 0 {
		p.fail(fail("MissingParameter", "The request must contain the parameter resourceIdSet"))
	}
	if len(ids) > 1000 {
		p.fail(fail("InvalidParameterValue", "At most 1000 resources can be tagged in one call"))
	}
	return ids
}

func createTags(p *params) func(*call) error {
	ids, tags := p.resources(), p.tagList("Tag")
	if len(tags) == 0 {
		p.fail(fail("MissingParameter", "The request must contain the parameter Tag"))
	}
	return func(c *call) error {
		all, err := c.allTagged(ids)
		if err != nil {
			return err
		}
		merged := make([]map[string]string, len(all))
		for i, m := range all {
			merged[i] = map[string]string{}
			maps.Copy(merged[i], m.Tags)
			maps.Copy(merged[i], tags)
			own := 0
			for k := range merged[i] {
				if !hasPrefixFold(k, "aws:") {
					own++
				}
			}
			if own > maxTags {
				return tooManyTags()
			}
		}
		for i, m := range all {
			m.Tags = merged[i]
		}
		c.out.bool("return", true)
		return nil
	}
}

// deleteTags removes the keys named, one with a value only where it has that value, and without any key every tag that
// is not AWS's own.
func deleteTags(p *params) func(*call) error {
	ids := p.resources()
	type tag struct {
		key, value string
		valued     bool
	}
	var tags []tag
	for _, g := range p.groups("Tag") {
		tags = append(tags, tag{p.must(g + ".Key"), p.get(g + ".Value"), p.has(g + ".Value")})
	}
	return func(c *call) error {
		all, err := c.allTagged(ids)
		if err != nil {
			return err
		}
		for _, m := range all {
			if len(tags) == 0 {
				maps.DeleteFunc(m.Tags, func(k, _ string) bool { return !hasPrefixFold(k, "aws:") })
			}
			for _, t := range tags {
				if !t.valued || m.Tags[t.key] == t.value {
					delete(m.Tags, t.key)
				}
			}
		}
		c.out.bool("return", true)
		return nil
	}
}

func describeTags(p *params) func(*call) error {
	filters := p.filters()
	p.ignore("MaxResults", "NextToken") // always one page
	return func(c *call) error {
		field := func(kind, id, key, value string) func(string) ([]string, bool) {
			return func(name string) ([]string, bool) {
				switch name {
				case "key":
					return []string{key}, true
				case "value":
					return []string{value}, true
				case "resource-id":
					return []string{id}, true
				case "resource-type":
					return []string{kind}, true
				}
				return nil, false
			}
		}
		if err := named(filters, field("", "", "", "")); err != nil {
			return err
		}
		c.out.open("tagSet")
		write := func(kind string, m *Meta) {
			for _, k := range slices.Sorted(maps.Keys(m.Tags)) {
				if c.now.Before(m.Visible) || !pass(filters, map[string]string{k: m.Tags[k]}, field(kind, m.ID, k, m.Tags[k])) {
					continue
				}
				c.out.open("item")
				c.out.str("resourceId", m.ID)
				c.out.str("resourceType", kind)
				c.out.str("key", k)
				c.out.str("value", m.Tags[k])
				c.out.close("item")
			}
		}
		for _, v := range c.region.Instances.Rows {
			write("instance", v.meta())
		}
		for _, v := range c.region.Volumes.Rows {
			write("volume", v.meta())
		}
		for _, v := range c.region.Snapshots.Rows {
			write("snapshot", v.meta())
		}
		for _, v := range c.region.Images.Rows {
			write("image", v.meta())
		}
		c.out.close("tagSet")
		return nil
	}
}

// token is a request's client token with a hash of the request that it came with.
type token struct{ value, params string }

func (p *params) token() token {
	t := token{value: p.get("ClientToken")}
	if len(t.value) > 64 {
		p.fail(fail("InvalidParameterValue", "ClientToken is longer than 64 characters"))
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(p.values)) {
		if k != "ClientToken" && k != "DryRun" {
			b.WriteString(k + "=" + p.values[k] + "\n")
		}
	}
	t.params = hex.EncodeToString([]byte(hexSHA(b.String())[:16]))
	return t
}

// tokenUsed gives what a token already stands for, or nothing.
func (c *call) tokenUsed(action string, t token) ([]string, error) {
	u, ok := c.region.Tokens[action+"/"+t.value]
	if t.value == "" || !ok {
		return nil, nil
	}
	if u.Params != t.params {
		return nil, fail("IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
	}
	return u.IDs, nil
}

func (c *call) remember(action string, t token, ids ...string) {
	if t.value != "" {
		c.region.Tokens[action+"/"+t.value] = used{Params: t.params, IDs: ids}
	}
}
