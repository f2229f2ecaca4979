package fakealibaba

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	maxTags     = 20
	maxTagKey   = 128
	maxTagValue = 128
	maxIDs      = 100
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
			p.bad("InvalidParameter", "The parameter %s is given more than once.", k)
		}
		p.values[k] = v[0]
	}
	return p
}

// bad notes what is wrong with the parameters.
func (p *params) bad(code, format string, args ...any) {
	if p.err == nil {
		p.err = fail(http.StatusBadRequest, code, format, args...)
	}
}

// check gives what is wrong: a parameter that nobody read, since it is mostly why another is missing, or else the first
// complaint.
func (p *params) check() error {
	var unknown []string
	for k := range p.values {
		if !p.read[k] {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fail(http.StatusBadRequest, "UnsupportedParameter", "The parameter %q is not supported.", unknown[0])
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

// ignore reads parameters that have no meaning here but are right in ECS.
func (p *params) ignore(keys ...string) {
	for _, k := range keys {
		p.read[k] = true
	}
}

// must is a parameter that has to be there.
func (p *params) must(k string) string {
	v := p.get(k)
	if v == "" {
		p.bad("MissingParameter", "The input parameter %q that is mandatory for processing this request is not supplied.", k)
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
		p.bad("InvalidParameter", "Specified parameter %s is not valid: %q.", k, v)
		return false
	}
}

func (p *params) int(k string, without, least, most int) int {
	v := p.get(k)
	if v == "" {
		return without
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		p.bad("InvalidParameter", "Specified parameter %s is not valid: %q is not a number from %d to %d.", k, v, least, most)
		return without
	}
	return n
}

// list reads Prefix.1, Prefix.2 …
func (p *params) list(prefix string, most int) []string {
	var out []string
	for i := 1; ; i++ {
		k := prefix + "." + strconv.Itoa(i)
		if !p.has(k) {
			break
		}
		out = append(out, p.get(k))
	}
	if len(out) > most {
		p.bad("NumberExceed."+prefix, "The maximum number of %s is exceeded: %d, %d at most.", prefix, len(out), most)
	}
	return out
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

// ids reads an array of ids in one text.
func (p *params) ids(k string) []string {
	v := p.get(k)
	if v == "" {
		return nil
	}
	var out []string
	if json.Unmarshal([]byte(v), &out) != nil || out == nil {
		p.bad("InvalidParameter", "Specified parameter %s is not valid: it is no JSON array of texts.", k)
	}
	if len(out) > maxIDs {
		p.bad("InvalidParameter", "Specified parameter %s is not valid: it has more than %d ids.", k, maxIDs)
	}
	return out
}

// tagPair is one tag to look for; without a value any will do.
type tagPair struct{ key, value string }

// tagFilter reads Tag.N of a listing.
func (p *params) tagFilter() []tagPair {
	var out []tagPair
	for _, g := range p.groups("Tag") {
		out = append(out, tagPair{p.must(g + ".Key"), p.get(g + ".Value")})
	}
	if len(out) > maxTags {
		p.bad("NumberExceed.Tags", "The Tags parameter's number is exceed.")
	}
	return out
}

func matches(filter []tagPair, tags map[string]string) bool {
	for _, f := range filter {
		if v, ok := tags[f.key]; !ok || f.value != "" && v != f.value {
			return false
		}
	}
	return true
}

// tags reads the tags of something that is made or tagged, and holds them to the limits.
func (p *params) tags() map[string]string {
	out, folded := map[string]string{}, map[string]bool{}
	for _, g := range p.groups("Tag") {
		k, v := p.get(g+".Key"), p.get(g+".Value")
		if low := strings.ToLower(k); folded[low] {
			p.bad("TagKey.Duplication", "The specified tag key %q is duplicated; keys are not case-sensitive.", k)
		} else {
			folded[low] = true
		}
		p.checkTag(k, v)
		out[k] = v
	}
	if len(out) > maxTags {
		p.err = errTags
	}
	return out
}

var errTags = fail(http.StatusBadRequest, "QuotaExceed.Tags", "The maximum number of tags for each resource is %d.", maxTags)

func (p *params) checkTag(k, v string) {
	low := strings.ToLower(k)
	link := func(s string) bool { return strings.Contains(s, "http://") || strings.Contains(s, "https://") }
	switch {
	case k == "":
		p.bad("MissingParameter.TagKey", "You must specify a tag key.")
	case len([]rune(k)) > maxTagKey || strings.HasPrefix(low, "aliyun") || strings.HasPrefix(low, "acs:") || link(low):
		p.bad("InvalidTagKey.Malformed", "The specified Tag.n.Key %q is not valid.", k)
	case len([]rune(v)) > maxTagValue || strings.HasPrefix(strings.ToLower(v), "acs:") || link(strings.ToLower(v)):
		p.bad("InvalidTagValue.Malformed", "The specified Tag.n.Value %q is not valid.", v)
	}
}

var nameForm = regexp.MustCompile(`^[\p{L}][\p{L}\p{N}.:_-]{1,127}$`)

// name reads a name, which what names: Image, Snapshot …
func (p *params) name(k, what string, not ...string) string {
	v := p.get(k)
	if v == "" {
		return ""
	}
	low := strings.ToLower(v)
	bad := !nameForm.MatchString(v) || strings.Contains(low, "http://") || strings.Contains(low, "https://")
	for _, begin := range not {
		bad = bad || strings.HasPrefix(low, begin)
	}
	if bad {
		p.bad("Invalid"+what+"Name.Malformed", "The specified %sName %q is wrongly formed.", what, v)
	}
	return v
}

func (p *params) description(k string) string {
	v := p.get(k)
	low := strings.ToLower(v)
	if n := len([]rune(v)); v != "" && (n < 2 || n > 256 || strings.HasPrefix(low, "http://") || strings.HasPrefix(low, "https://")) {
		p.bad("InvalidDescription.Malformed", "The specified %s is wrongly formed.", k)
	}
	return v
}

// token is a request's client token with a hash of the request that it came with.
type token struct{ value, params string }

func (p *params) token() token {
	t := token{value: p.get("ClientToken")}
	if len(t.value) > 64 || strings.ContainsFunc(t.value, func(r rune) bool { return r > unicode.MaxASCII }) {
		p.bad("InvalidParameter", "Specified parameter ClientToken is not valid: at most 64 ASCII characters.")
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(p.values)) {
		if k != "ClientToken" && k != "DryRun" {
			b.WriteString(strconv.Quote(k) + "=" + strconv.Quote(p.values[k]) + "\n")
		}
	}
	t.params = hex.EncodeToString([]byte(hexSHA(b.String())[:16]))
	return t
}

// used gives what a token already stands for, or nothing.
func (c *call) used(action string, t token) ([]string, error) {
	u, ok := c.region.Tokens[action+"/"+t.value]
	if t.value == "" || !ok {
		return nil, nil
	}
	if u.Params != t.params {
		code := "IdempotentParameterMismatch"
		if action == "CreateImage" {
			code = "IdempotenceParamNotMatch"
		}
		return nil, fail(http.StatusBadRequest, code, "The request uses the same client token as a previous, but non-identical request.")
	}
	return u.IDs, nil
}

func (c *call) remember(action string, t token, ids ...string) {
	if t.value != "" {
		c.region.Tokens[action+"/"+t.value] = used{Params: t.params, IDs: ids}
	}
}

// paging is how a listing is asked for.
type paging struct {
	byNumber bool
	number   int // from 1
	size     int
	after    uint64
	first    bool
}

// pages reads PageNumber and PageSize, or MaxResults and NextToken, where the action knows them; most is the longest page.
func (p *params) pages(tokens bool, most int) paging {
	out := paging{byNumber: true, number: 1, size: 10, first: true}
	if tokens && (p.has("MaxResults") || p.has("NextToken")) {
		out.byNumber = false
		out.size = min(max(p.int("MaxResults", 10, 1, 1<<30), 10), most)
		if t := p.get("NextToken"); t != "" {
			n, err := readToken(t)
			if err != nil {
				p.bad("InvalidParameter", "Specified parameter NextToken is not valid.")
			}
			out.after, out.first = n, false
		}
		return out
	}
	out.number = p.int("PageNumber", 1, 1, 1<<30)
	out.size = p.int("PageSize", 10, 1, 100)
	return out
}
