package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

func (r *reader) selector(s spot) Select {
	var out Select
	f, ok := s.fields(shapeSelect{}, "as tags: { backup: daily }")
	if !ok {
		return out
	}
	var accounts []spot
	if v, ok := f["accounts"]; ok {
		if list, ok := v.texts("as [web]"); ok {
			accounts = r.knownAccounts(list)
			out.Accounts = words(list)
		}
	}
	if v, ok := f["regions"]; ok {
		if list, ok := v.texts("as [us-east-1]"); ok {
			r.knownRegions(list, accounts, f)
			out.Regions = words(list)
		}
	}
	if v, ok := f["tags"]; ok {
		out.Tags = r.tags(v)
	}
	if v, ok := f["ids"]; ok {
		out.IDs = r.ids(v)
	}
	if v, ok := f["except"]; ok {
		if ef, ok := v.fields(shapeExcept{}, "tags or ids"); ok {
			if t, ok := ef["tags"]; ok {
				out.Except.Tags = r.tags(t)
			}
			if t, ok := ef["ids"]; ok {
				out.Except.IDs = r.ids(t)
			}
			if len(ef) == 0 && len(v.n.entries) == 0 {
				v.warn("except is empty", "leave it out")
			}
		}
	}
	known := 0
	for word := range f {
		if word != "except" {
			known++
		}
	}
	if known == 0 {
		s.complain("select selects nothing", "say accounts, regions, tags or ids; all instances of an account are selected by its name")
	}
	return out
}

// knownAccounts complains about names that no file has.
func (r *reader) knownAccounts(list []spot) (known []spot) {
	names := make([]string, 0, len(r.accounts))
	for name := range r.accounts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, s := range list {
		if _, there := r.accounts[s.n.text]; there {
			known = append(known, s)
		} else if !r.unread {
			hint := meant(s.n.text, names)
			if len(names) == 0 {
				hint = "no file has an account"
			}
			s.complain("there is no account "+quote(s.n.text), hint)
		}
	}
	return known
}

// knownRegions complains about regions that no account in question lists, and about accounts that list none of them.
func (r *reader) knownRegions(list, accounts []spot, f fields) {
	if r.unread {
		return
	}
	var names []string
	if _, said := f["accounts"]; said {
		names = words(accounts)
	} else {
		for name := range r.accounts {
			names = append(names, name)
		}
	}
	var regions []string
	for _, name := range names {
		a := r.accounts[name]
		if len(a.value.Regions) == 0 {
			return // it may use any, or what it lists is wrong itself
		}
		regions = append(regions, a.value.Regions...)
	}
	if len(names) == 0 {
		return
	}
	regions = unique(regions)
	wrong := false
	for _, s := range list {
		if !contains(regions, s.n.text) {
			wrong = true
			s.complain("no account that is selected has region "+quote(s.n.text), meant(s.n.text, regions))
		}
	}
	wanted := words(list)
	for _, s := range accounts {
		has := slices.ContainsFunc(wanted, func(region string) bool { return contains(r.accounts[s.n.text].value.Regions, region) })
		if !wrong && !has {
			s.warn("account "+quote(s.n.text)+" has none of the regions that are selected, so nothing of it is", oneOf(r.accounts[s.n.text].value.Regions))
		}
	}
}

func (r *reader) ids(s spot) []string {
	list, ok := s.texts("as [i-0abc]")
	if !ok {
		return nil
	}
	for _, item := range list {
		if strings.ContainsAny(item.n.text, " \t*") || len(item.n.text) > 255 {
			item.complain(quote(item.n.text)+" is no id of an instance", "")
		}
	}
	return words(list)
}

// tags reads the tags of a selector. A value is the text as it stands in the file, whatever YAML would make of it.
func (r *reader) tags(s spot) []TagMatch {
	pairs, ok := s.pairs("as { backup: daily }")
	if !ok {
		return nil
	}
	if len(pairs) == 0 {
		s.complain("tags is empty, so it selects nothing", "as { backup: daily }")
	}
	out := make([]TagMatch, 0, len(pairs))
	for _, p := range pairs {
		key, ok := p.tagKey(p.key)
		if !ok {
			continue
		}
		m := TagMatch{Key: key}
		switch {
		case p.is(kindList):
			if len(p.n.items) == 0 {
				p.complain("tag "+quote(key)+" has an empty list of values", `write "*" for any value`)
			}
			for i, n := range p.n.items {
				item := spot{r: r, n: n, key: p.key, path: p.path + "[" + strconv.Itoa(i) + "]"}
				if v, ok := item.tagValue(); ok {
					if v == "*" {
						item.complain(`"*" stands among other values, and means any value`, `write "*" alone`)
						continue
					}
					m.Values = append(m.Values, v)
				}
			}
			m.Values = unique(m.Values)
		default:
			if v, ok := p.tagValue(); ok && v != "*" {
				m.Values = []string{v}
			}
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b TagMatch) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// tagValue reads one value; quoted empty text is a value too.
func (s spot) tagValue() (string, bool) {
	const hint = `write "*" for any value, "" for the empty one`
	switch {
	case s.is(kindNull):
		s.complain("tag "+quote(s.key.text)+" has no value", hint)
		return "", false
	case !s.is(kindText):
		s.complain("tag "+quote(s.key.text)+" wants a value or a list of values, not "+s.n.kind.String(), hint)
		return "", false
	case len(s.n.text) > 1024:
		s.complain(fmt.Sprintf("the value of tag %s is longer than any cloud allows", quote(s.key.text)), "")
		return "", false
	}
	if v := s.n.text; v != "*" && strings.HasSuffix(v, "*") {
		s.warn(quote(v)+" means just this text", `only "*" alone means any value; for more there is where: tags["`+s.key.text+`"].startsWith("`+strings.TrimSuffix(v, "*")+`")`)
	}
	return s.n.text, true
}

// tagKey reads a key that may be selected by.
func (s spot) tagKey(n *node) (string, bool) {
	key := n.text
	pos := n.pos
	switch {
	case n.kind != kindText:
		return s.text("the key of a tag")
	case strings.TrimSpace(key) == "" || len(key) > 255:
		s.r.complain(pos, s.path, "the key of a tag is empty, or longer than any cloud allows", "")
	case strings.HasPrefix(strings.ToLower(key), cloud.TagPrefix):
		s.r.complain(pos, s.path, "tag "+quote(key)+" is Stint's own, and cannot be chosen by", "choose another tag")
	default:
		return key, true
	}
	return "", false
}
