package fakealibaba

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

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

// page gives the rows of one page and writes how the listing goes on. Page numbers count from the newest; whatever was made
// or removed meanwhile shifts them, where tokens stand still.
func page[T record](c *call, t *table[T], l paging, want func(T) bool) []T {
	size := l.size
	if limit := c.f.opt.PageSize; limit > 0 {
		size = min(size, limit)
	}
	seen := func(v T) bool { return !c.now.Before(v.meta().Visible) && want(v) }
	if l.byNumber {
		var all []T
		for _, v := range slices.Backward(t.Rows) {
			if seen(v) {
				all = append(all, v)
			}
		}
		c.out["TotalCount"], c.out["PageNumber"], c.out["PageSize"] = len(all), l.number, size
		from := len(all)
		if l.number-1 < len(all)/size+1 { // beyond that it is no number any more
			from = min((l.number-1)*size, len(all))
		}
		return all[from:min(from+size, len(all))]
	}
	var out []T
	start := t.after(l.after)
	for _, v := range t.Rows[start:] {
		if !seen(v) {
			continue
		}
		if len(out) == size {
			if c.f.opt.EmptyPages && l.first {
				c.out["NextToken"] = writeToken(out[0].meta().Seq - 1)
				return nil
			}
			c.out["NextToken"] = writeToken(out[size-1].meta().Seq)
			return out
		}
		out = append(out, v)
	}
	c.out["NextToken"] = ""
	return out
}

// among says whether an id is one of those asked for; without any, every one is.
func among(ids []string, id string) bool { return len(ids) == 0 || slices.Contains(ids, id) }

// tagFields writes tags as things have them; groups name the parts Key and Value.
func tagFields(tags map[string]string, key, value string) fields {
	out := []fields{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, fields{key: k, value: tags[k]})
	}
	return fields{"Tag": out}
}

// wrap puts a list into the field of its kind, as Images.Image[].
func wrap(of string, list []fields) fields {
	if list == nil {
		list = []fields{}
	}
	return fields{of: list}
}
