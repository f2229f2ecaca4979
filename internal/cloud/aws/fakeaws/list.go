package fakeaws

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const maxFilterValues = 200

// filter is one Filter.N: a name and the values of which one has to match.
type filter struct {
	name  string
	exact map[string]bool
	globs []string
}

func (p *params) filters() []filter {
	var out []filter
	for _, g := range p.groups("Filter") {
		f := filter{name: p.must(g + ".Name"), exact: map[string]bool{}}
		values := p.list(g + ".Value")
		if len(values) == 0 {
			p.fail(fail("InvalidParameterValue", "The filter '%s' has no values", f.name))
		}
		if len(values) > maxFilterValues {
			p.fail(fail("FilterLimitExceeded", "The maximum number of filter values specified on a single call is %d", maxFilterValues))
		}
		for _, v := range values {
			if strings.ContainsAny(v, `*?\`) {
				f.globs = append(f.globs, v)
			} else {
				f.exact[v] = true
			}
		}
		out = append(out, f)
	}
	return out
}

func (f filter) matches(v string) bool {
	if f.exact[v] {
		return true
	}
	for _, g := range f.globs {
		if glob(g, v) {
			return true
		}
	}
	return false
}

// glob matches with * for any run of characters, ? for any one, and \ before a character that stands for itself.
func glob(pattern, s string) bool {
	p, str := []rune(pattern), []rune(s)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(str) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
			continue
		case i < len(p) && p[i] == '?':
			i, j = i+1, j+1
			continue
		case i+1 < len(p) && p[i] == '\\' && p[i+1] == str[j]:
			i, j = i+2, j+1
			continue
		case i < len(p) && p[i] != '\\' && p[i] == str[j]:
			i, j = i+1, j+1
			continue
		}
		if star < 0 {
			return false
		}
		mark++
		i, j = star+1, mark
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// named says whether EC2 has the filters that are used; field is asked about a thing without content.
func named(filters []filter, field func(name string) ([]string, bool)) error {
	for _, f := range filters {
		if strings.HasPrefix(f.name, "tag:") || f.name == "tag-key" {
			continue
		}
		if _, known := field(f.name); !known {
			return fail("InvalidParameterValue", "The filter '%s' is invalid", f.name)
		}
	}
	return nil
}

// pass says whether a thing passes every filter.
func pass(filters []filter, tags map[string]string, field func(name string) ([]string, bool)) bool {
	for _, f := range filters {
		var values []string
		switch {
		case strings.HasPrefix(f.name, "tag:"):
			if v, ok := tags[f.name[len("tag:"):]]; ok {
				values = []string{v}
			}
		case f.name == "tag-key":
			values = slices.Collect(maps.Keys(tags))
		default:
			values, _ = field(f.name)
		}
		if !slices.ContainsFunc(values, f.matches) {
			return false
		}
	}
	return true
}

// listing is what the Describe actions have in common.
type listing struct {
	ids     []string
	filters []filter
	size    int
	after   uint64
	first   bool
	token   string
}

// lists reads ids, filters, MaxResults and NextToken.
func (p *params) lists(ids string) listing {
	l := listing{filters: p.filters()}
	if ids != "" {
		l.ids = p.list(ids)
	}
	if p.has("MaxResults") {
		l.size = p.int("MaxResults", 0)
		if l.size < 5 || l.size > 1000 {
			p.fail(fail("InvalidParameterValue", "Value (%d) for parameter maxResults is invalid. Expecting a value between 5 and 1000.", l.size))
		}
		if len(l.ids) > 0 {
			p.fail(fail("InvalidParameterCombination", "The parameter %s cannot be used with the parameter maxResults", ids))
		}
	}
	l.token = p.get("NextToken")
	l.first = l.token == ""
	if !l.first {
		n, err := readToken(l.token)
		if err != nil {
			p.fail(fail("InvalidNextToken", "The NextToken value is not valid"))
		}
		l.after = n
	}
	return l
}

func readToken(s string) (uint64, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return 0, err
	}
	rest, ok := strings.CutPrefix(string(b), "after:")
	if !ok {
		return 0, fmt.Errorf("not a token")
	}
	return strconv.ParseUint(rest, 10, 64)
}

func writeToken(seq uint64) string {
	return base64.RawURLEncoding.EncodeToString([]byte("after:" + strconv.FormatUint(seq, 10)))
}

// page gives the rows of one page and the token of the next. field gives a row's values for a filter; empty is a row
// without content; want says whether a row belongs to the listing at all.
func page[T record](c *call, t *table[T], prefix string, l listing, empty T, field func(T, string) ([]string, bool), want func(T) bool) ([]T, string, error) {
	if err := named(l.filters, func(name string) ([]string, bool) { return field(empty, name) }); err != nil {
		return nil, "", err
	}
	size := l.size
	if limit := c.f.opt.PageSize; limit > 0 && (size == 0 || size > limit) && len(l.ids) == 0 {
		size = limit
	}
	for _, id := range l.ids {
		if _, err := lookup(c, t, prefix, id); err != nil {
			return nil, "", err
		}
	}
	wanted := map[string]bool{}
	for _, id := range l.ids {
		wanted[id] = true
	}
	var out []T
	start, _ := t.after(l.after)
	for _, v := range t.Rows[start:] {
		m := v.meta()
		if c.now.Before(m.Visible) || len(wanted) > 0 && !wanted[m.ID] {
			continue
		}
		if !want(v) || !pass(l.filters, m.Tags, func(name string) ([]string, bool) { return field(v, name) }) {
			continue
		}
		if size > 0 && len(out) == size {
			if c.f.opt.EmptyPages && l.first {
				return nil, writeToken(out[0].meta().Seq - 1), nil
			}
			return out, writeToken(out[size-1].meta().Seq), nil
		}
		out = append(out, v)
	}
	return out, "", nil
}
