package openstack

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// cursor is where a listing goes on. All services page by the id of the last thing seen, and refuse one that is gone by
// now; the ids before it stand in for it.
type cursor struct {
	part    string   // which part of the listing: see each kind
	markers []string // the last ids seen, the very last first
}

// spares is how many ids a cursor holds: as many things may vanish at the seam of two pages.
const spares = 8

func (c cursor) String() string {
	if c.part == "" && len(c.markers) == 0 {
		return ""
	}
	return c.part + ";" + strings.Join(c.markers, ",")
}

func parseCursor(s string) (cursor, bool) {
	if s == "" {
		return cursor{}, true
	}
	part, rest, ok := strings.Cut(s, ";")
	c := cursor{part: part}
	if rest != "" {
		c.markers = strings.Split(rest, ",")
	}
	return c, ok
}

// after is the cursor behind the ids.
func (c cursor) after(ids []string) cursor {
	next := cursor{part: c.part}
	for i := len(ids) - 1; i >= 0 && len(next.markers) < spares; i-- {
		next.markers = append(next.markers, ids[i])
	}
	return next
}

// link is how nova and cinder say that there is more.
type link struct {
	Rel string `json:"rel"`
}

func more(links []link) bool {
	for _, l := range links {
		if l.Rel == "next" {
			return true
		}
	}
	return false
}

// list asks for one page, behind the newest marker that is still there.
func (p *Provider) list(ctx context.Context, r request, c cursor, out any) error {
	r.method = http.MethodGet
	query := url.Values{}
	for k, v := range r.query {
		query[k] = v
	}
	query.Set("limit", strconv.Itoa(p.pageSize))
	r.query = query
	if len(c.markers) == 0 {
		_, err := p.send(ctx, r, out)
		return err
	}
	for i, m := range c.markers {
		query.Set("marker", m)
		_, err := p.send(ctx, r, out)
		if err == nil || !gone(err) {
			return err
		}
		if i == len(c.markers)-1 {
			break
		}
	}
	return &cloud.Error{Op: r.op, Ref: r.ref, Class: cloud.ErrTransient, Err: errors.New("everything at the end of the last page is gone: the listing must begin anew")}
}

// gone says whether a page was refused because of its marker: nova and glance say 400, cinder 404.
func gone(err error) bool {
	var e *cloud.Error
	if !errors.As(err, &e) {
		return false
	}
	return strings.HasPrefix(e.Code, "400") || strings.HasPrefix(e.Code, "404")
}

// possible is what an id can look like. Anything else names nothing, and need not be asked for.
var possible = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_\-]{0,63}$`)

// atOnce is how many ids one page of a listing by ids asks for, where the service wants them one by one.
const atOnce = 20

// byID is a page of a listing by ids: its cursor counts those that have been asked for.
func byID[T any](ctx context.Context, q cloud.Query, at string, get func(context.Context, string) (T, bool, error)) (cloud.Page[T], error) {
	var page cloud.Page[T]
	start, _ := strconv.Atoi(at)
	start = min(max(start, 0), len(q.IDs))
	end := min(start+atOnce, len(q.IDs))
	for i := start; i < end; i++ {
		id := q.IDs[i]
		if !possible.MatchString(id) || contains(q.IDs[:i], id) {
			continue
		}
		item, ok, err := get(ctx, id)
		if cloud.ClassOf(err) == cloud.ErrNotFound {
			continue
		}
		if err != nil {
			return cloud.Page[T]{}, err
		}
		if ok {
			page.Items = append(page.Items, item)
		}
	}
	if end < len(q.IDs) {
		page.Next = strconv.Itoa(end)
	}
	return page, nil
}

func contains(ids []string, id string) bool {
	for _, other := range ids {
		if other == id {
			return true
		}
	}
	return false
}

// place is the ref that an error of a listing is about.
func (p *Provider) place(q cloud.Query, kind cloud.Kind) cloud.Ref {
	return cloud.Ref{Account: p.account, Region: q.Region, Kind: kind}
}

func (p *Provider) ref(r *region, kind cloud.Kind, id string) cloud.Ref {
	return cloud.Ref{Account: p.account, Region: r.id, Kind: kind, ID: id}
}

func badCursor(op string, ref cloud.Ref) error {
	return &cloud.Error{Op: op, Ref: ref, Err: errors.New("the cursor is not one of ours")}
}

// instant reads the times of all services: some end in Z, some have no zone, all are UTC.
func instant(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.999999", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// stintFilter picks the tags that a service may filter by: only ours are stored under their own names for sure.
func stintFilter(tags cloud.Tags) cloud.Tags {
	return tags.Keep(func(t cloud.Tag) bool { return strings.HasPrefix(t.Key, cloud.TagPrefix) && t.Value != "" })
}

// reference is an id inside an object, or nothing: the image of a volume-backed server is an empty text.
type reference struct{ ID string }

// UnmarshalJSON reads an object with an id; anything else is nothing.
func (r *reference) UnmarshalJSON(b []byte) error {
	var v struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(b, &v) == nil {
		r.ID = v.ID
	}
	return nil
}

const gib = int64(1) << 30
