package policy

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

// FindCopy gives the copy that the backup wants in a place.
func (b *Backup) FindCopy(place cloud.Place) (Copy, bool) {
	for _, c := range b.Copies {
		if c.To == place {
			return c, true
		}
	}
	return Copy{}, false
}

// copies reads the places that backups are copied to. selected says which accounts and regions the policy covers.
func (r *reader) copies(s spot, sel fields) []Copy {
	const example = "as [{ to: web/eu-west-1, keep: { last: 3 } }]"
	if s.is(kindMap) {
		s.complain(s.what()+"wants a list, not a mapping", "put a dash before it: one for each place")
		return nil
	}
	if !s.wanted(kindList, example) {
		return nil
	}
	if len(s.n.items) == 0 {
		s.complain(s.what()+"is an empty list", "leave it out")
	}
	first := map[cloud.Place]Position{}
	var out []Copy
	for i, n := range s.n.items {
		item := spot{r: r, n: n, path: s.path + "[" + strconv.Itoa(i) + "]"}
		c, ok := r.copy(item, sel)
		if !ok {
			continue
		}
		if at, twice := first[c.To]; twice {
			item.complain("copies go to "+quote(c.To.String())+" twice", "first at "+at.String())
			continue
		}
		first[c.To] = c.Pos
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Copy) int { return a.To.Compare(b.To) })
	return out
}

func (r *reader) copy(s spot, sel fields) (Copy, bool) {
	c := Copy{Pos: s.n.pos}
	f, ok := s.fields(shapeCopy{}, "to and keep")
	if !ok {
		return c, false
	}
	to, known := f["to"]
	if !known {
		s.complain("the copy has no to, so it is not said where it goes", "as to: web/eu-west-1")
	} else {
		c.To, known = r.target(to, sel)
	}
	if v, ok := f["keep"]; ok {
		c.Keep = r.keep(v)
	} else {
		s.complain("the copy has no keep: each place has its own", "as keep: { last: 3 }")
	}
	if v, ok := f["key"]; ok {
		if text, ok := v.text("the cloud's id of a key in the region of the copy"); ok {
			c.Key = text
			v.keyOf(text, c.To.Region)
		}
	}
	return c, known
}

// keyOf complains about what cannot be a key in the region.
func (s spot) keyOf(text, region string) {
	parts := strings.Split(text, ":")
	switch {
	case strings.ContainsAny(text, " \t*"):
		s.complain(quote(text)+" is no id of a key", "")
	case len(parts) >= 6 && parts[0] == "arn" && parts[2] == "kms" && region != "" && parts[3] != region:
		s.complain("the key is in "+quote(parts[3])+", and the copy in "+quote(region), "a copy is encrypted with a key of its own region")
	}
}

// target reads ACCOUNT/REGION, and complains about a place that nothing can be copied to.
func (r *reader) target(s spot, sel fields) (cloud.Place, bool) {
	const example = "as web/eu-west-1"
	text, ok := s.text(example)
	if !ok {
		return cloud.Place{}, false
	}
	account, region, two := strings.Cut(text, "/")
	if !two || account == "" || region == "" || strings.ContainsAny(region, " \t/*") {
		s.complain(quote(text)+" is no place: it is an account, a slash and a region", example)
		return cloud.Place{}, false
	}
	place := cloud.Place{Account: account, Region: region}
	if r.unread || sel == nil {
		return place, true
	}
	known, there := r.accounts[account]
	if !there {
		s.complain("there is no account "+quote(account), meant(account, slices.Sorted(maps.Keys(r.accounts))))
		return place, true
	}
	if list := known.value.Regions; len(list) > 0 && !contains(list, region) {
		s.complain("account "+quote(account)+" has no region "+quote(region), meant(region, list))
		return place, true
	}
	r.reachable(s, place, sel)
	return place, true
}

// reachable complains about a target in an account that the selected instances are not in, and about one that is where
// they all are.
func (r *reader) reachable(s spot, to cloud.Place, sel fields) {
	accounts := slices.Sorted(maps.Keys(r.accounts))
	if v, said := sel["accounts"]; said {
		if accounts = texts(v); len(accounts) == 0 {
			return // what is wrong with them is said already
		}
	}
	var others []string
	for _, name := range accounts {
		if _, there := r.accounts[name]; there && name != to.Account {
			others = append(others, name)
		}
	}
	mine, target := slices.Contains(accounts, to.Account), r.accounts[to.Account].value
	switch {
	case !mine && len(others) > 0 && r.accounts[others[0]].value.Cloud != target.Cloud:
		s.complain("the copies would go from "+r.accounts[others[0]].value.Cloud+" to "+target.Cloud+", and this version does not copy to another cloud yet",
			"a place of "+strings.Join(others, " or "))
		return
	case len(others) > 0:
		hint := "a place of " + strings.Join(others, " or ")
		if mine {
			hint = "select: { accounts: [" + to.Account + "] }"
		}
		s.complain("instances of "+strings.Join(others, " and ")+" are selected, and this version does not copy to another account yet", hint)
		return
	}
	regions := target.Regions
	if v, said := sel["regions"]; said {
		regions = texts(v)
	}
	if len(regions) == 1 && regions[0] == to.Region {
		s.complain("all that is selected is in "+quote(to.String())+" itself, and a backup is not copied onto itself", "another region")
	}
}

// peek are the entries of a mapping, whatever is wrong with them; nil when it is none.
func (s spot) peek() fields {
	if s.n == nil || !s.is(kindMap) {
		return nil
	}
	out := fields{}
	for _, e := range s.n.entries {
		out[e.key.text] = s.child(e.key, e.value)
	}
	return out
}

// texts are the texts of a list, whatever else is wrong with it.
func texts(s spot) []string {
	var out []string
	for _, n := range s.n.items {
		if n.kind == kindText {
			out = append(out, n.text)
		}
	}
	return out
}
