package fakeaws

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// params are a request's parameters. It remembers which were read, so that one that nobody knows can be refused.
type params struct {
	values map[string]string
	read   map[string]bool
	err    error
}

func newParams(form url.Values) *params {
	p := &params{values: make(map[string]string, len(form)), read: make(map[string]bool, len(form))}
	for k, v := range form {
		if len(v) > 1 {
			p.fail(fail("InvalidParameterCombination", "The parameter %s is given more than once", k))
		}
		p.values[k] = v[0]
	}
	return p
}

func (p *params) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// check gives what is wrong with the parameters: one that nobody read, since it is mostly why another is missing, or
// else the first complaint.
func (p *params) check() error {
	var unknown []string
	for k := range p.values {
		if !p.read[k] {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fail("UnknownParameter", "The parameter %s is not recognized", unknown[0])
	}
	return p.err
}

func (p *params) has(k string) bool {
	_, ok := p.values[k]
	return ok
}

func (p *params) get(k string) string {
	p.read[k] = true
	return p.values[k]
}

// ignore reads parameters that have no meaning here but are right in EC2.
func (p *params) ignore(keys ...string) {
	for _, k := range keys {
		p.read[k] = true
	}
}

// must is a parameter that has to be there.
func (p *params) must(k string) string {
	v := p.get(k)
	if v == "" {
		p.fail(fail("MissingParameter", "The request must contain the parameter %s", k))
	}
	return v
}

func (p *params) bool(k string) bool {
	switch v := p.get(k); v {
	case "true":
		return true
	case "", "false":
		return false
	default:
		p.fail(fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid. Expected a Boolean.", v, k))
		return false
	}
}

func (p *params) int(k string, without int) int {
	v := p.get(k)
	if v == "" {
		return without
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		p.fail(fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid. Expected an Integer.", v, k))
	}
	return n
}

// list reads Prefix.1, Prefix.2 …
func (p *params) list(prefix string) []string {
	var out []string
	for i := 1; ; i++ {
		k := prefix + "." + strconv.Itoa(i)
		if !p.has(k) {
			return out
		}
		out = append(out, p.get(k))
	}
}

// groups gives Prefix.1, Prefix.2 … for as long as something begins so.
func (p *params) groups(prefix string) []string {
	var out []string
	for i := 1; ; i++ {
		g := prefix + "." + strconv.Itoa(i)
		found := false
		for k := range p.values {
			if strings.HasPrefix(k, g+".") {
				found = true
				break
			}
		}
		if !found {
			return out
		}
		out = append(out, g)
	}
}

// tagList reads a list of tags and holds them to EC2's limits.
func (p *params) tagList(prefix string) map[string]string {
	tags := map[string]string{}
	for _, g := range p.groups(prefix) {
		k, v := p.get(g+".Key"), p.get(g+".Value")
		if _, twice := tags[k]; twice {
			p.fail(fail("InvalidParameterValue", "Duplicate tag key '%s' specified.", k))
		}
		if err := checkTag(k, v); err != nil {
			p.fail(err)
		}
		tags[k] = v
	}
	if len(tags) > maxTags {
		p.fail(tooManyTags())
	}
	return tags
}

// tagSpecs reads tags at creation for the resource types that the action allows.
func (p *params) tagSpecs(allowed ...string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, g := range p.groups("TagSpecification") {
		kind := p.get(g + ".ResourceType")
		if !slices.Contains(allowed, kind) {
			p.fail(fail("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", kind))
		}
		if _, twice := out[kind]; twice {
			p.fail(fail("InvalidParameterValue", "Duplicate resource type '%s' in the tag specifications.", kind))
		}
		tags := p.tagList(g + ".Tag")
		if len(tags) == 0 {
			p.fail(fail("InvalidParameterValue", "Tag specification must have at least one tag"))
		}
		out[kind] = tags
	}
	return out
}

const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

func tooManyTags() error {
	return fail("TagLimitExceeded", "Resource exceeded the limit of %d tags", maxTags)
}

func checkTag(k, v string) error {
	switch {
	case k == "":
		return fail("InvalidParameterValue", "Tag key cannot be empty")
	case hasPrefixFold(k, "aws:"):
		return fail("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
	case len([]rune(k)) > maxTagKey:
		return fail("InvalidParameterValue", "Tag key exceeds the maximum length of %d characters", maxTagKey)
	case len([]rune(v)) > maxTagValue:
		return fail("InvalidParameterValue", "Tag value exceeds the maximum length of %d characters", maxTagValue)
	}
	return nil
}
