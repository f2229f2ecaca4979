package faketencent

import (
	"maps"
	"slices"
	"strings"
)

const (
	usualPage   = 20
	longestPage = 100
	mostFilters = 10
	mostValues  = 5
	mostIDs     = 100
)

// Filter is one filter: a name and the values of which one has to match.
type Filter struct {
	Name   string
	Values []string
}

// listing is what the Describe actions have in common.
type listing struct {
	kind          string
	ids           []string
	filters       []Filter
	offset, limit *int
	order         string // ASC or DESC, the default
}

// tooMany is the code for too many of something, which CVM and CBS have different ones for.
func (l listing) tooMany() string {
	if l.kind == "ins" || l.kind == "img" {
		return "InvalidParameterValue.LimitExceeded"
	}
	return "InvalidParameterValue"
}

func (l listing) check() error {
	if l.ids != nil && l.filters != nil { // though one of them be empty
		if l.kind == "img" {
			return fail("InvalidParameter.InvalidParameterCoexistImageIdsFilters", "ImageIds and Filters cannot be specified at the same time.")
		}
		return fail("InvalidParameterValue", "Ids and Filters cannot be specified at the same time.")
	}
	if len(l.ids) > mostIDs {
		return fail(l.tooMany(), "At most %d ids can be specified.", mostIDs)
	}
	if len(l.filters) > mostFilters {
		return fail("InvalidFilterValue.LimitExceeded", "At most %d filters can be specified.", mostFilters)
	}
	for _, f := range l.filters {
		if len(f.Values) > mostValues {
			return fail("InvalidFilterValue.LimitExceeded", "The filter %q has more than %d values.", f.Name, mostValues)
		}
		if len(f.Values) == 0 {
			return fail("InvalidFilter", "The filter %q has no values.", f.Name)
		}
	}
	if l.limit != nil && (*l.limit < 1 || *l.limit > longestPage) {
		return fail(l.tooMany(), "The value %d of Limit is not in 1 to %d.", *l.limit, longestPage)
	}
	if l.offset != nil && *l.offset < 0 {
		return fail("InvalidParameterValue", "The value %d of Offset is negative.", *l.offset)
	}
	if !slices.Contains([]string{"", "ASC", "DESC"}, l.order) {
		return fail("InvalidParameterValue", "The value %q of Order is neither ASC nor DESC.", l.order)
	}
	for _, id := range l.ids {
		if err := formed(l.kind, id); err != nil {
			return err
		}
	}
	return nil
}

// page gives the rows of one page and how many there are on all. field gives a row's values for a filter; want says
// whether a row belongs to the listing at all.
func page[T record](c *call, rows []T, l listing, field func(v T, name string) ([]string, bool), want func(T) bool) ([]T, int, error) {
	if err := l.check(); err != nil {
		return nil, 0, err
	}
	var found []T
	for _, v := range rows {
		m := v.meta()
		if c.now.Before(m.Visible) || len(l.ids) > 0 && !slices.Contains(l.ids, m.ID) || !want(v) {
			continue
		}
		ok, err := pass(l.filters, m, func(name string) ([]string, bool) { return field(v, name) })
		if err != nil {
			return nil, 0, err
		}
		if ok {
			found = append(found, v)
		}
	}
	if l.order != "ASC" {
		slices.Reverse(found) // newest first
	}
	total, offset, limit := len(found), 0, usualPage
	if l.offset != nil {
		offset = min(*l.offset, total)
	}
	if l.limit != nil {
		limit = *l.limit
	}
	return found[offset:min(total, offset+limit)], total, nil
}

// pass says whether a thing passes every filter.
func pass(filters []Filter, m *Meta, field func(name string) ([]string, bool)) (bool, error) {
	all := true
	for _, f := range filters {
		var values []string
		key, tagged := strings.CutPrefix(f.Name, "tag:")
		switch {
		case tagged:
			if v, ok := m.Tags[key]; ok {
				values = []string{v}
			}
		case f.Name == "tag-key":
			values = slices.Collect(maps.Keys(m.Tags))
		case f.Name == "tag-value":
			values = slices.Collect(maps.Values(m.Tags))
		default:
			var known bool
			if values, known = field(f.Name); !known {
				return false, fail("InvalidFilter", "The specified filter %q is not supported.", f.Name)
			}
		}
		all = all && slices.ContainsFunc(values, func(v string) bool { return slices.Contains(f.Values, v) })
	}
	return all, nil
}

// tagList is tags as CVM and CBS answer them, in no order that anybody should lean on.
func tagList(tags map[string]string) []Tag {
	out := []Tag{}
	for _, k := range slices.Backward(slices.Sorted(maps.Keys(tags))) {
		out = append(out, Tag{k, tags[k]})
	}
	return out
}
