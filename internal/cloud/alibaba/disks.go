package alibaba

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// ECS tells an instance's disks only in the listing of disks, and of one instance at a time or of the whole region. So a
// listing of instances that may be long goes through the region's disks first, one page with each call, which brings no
// instance, and keeps them until the pages of instances that follow. A look at a few goes instance by instance.
//
// Whoever is listed is listed with its disks: where the region's listing has none of an instance, which was then made
// after it, its disks are asked for.

// join is a listing of instances that is under way: what its pages of disks have brought.
type join struct {
	used  time.Time
	disks map[string][]wireDisk // by instance
}

const (
	few       = 10               // instances whose disks are asked for one by one
	maxJoins  = 64               // listings at a time
	joinStays = 15 * time.Minute // since its last page
)

var errSetAside = errors.New("the listing was set aside, because too many were begun or it stood still for long: begin again")

// newJoin makes room for a listing and gives its name.
func (p *Provider) newJoin(now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	oldest := ""
	for id, j := range p.joins {
		if now.Sub(j.used) > joinStays {
			delete(p.joins, id)
		} else if oldest == "" || j.used.Before(p.joins[oldest].used) {
			oldest = id
		}
	}
	if len(p.joins) >= maxJoins {
		delete(p.joins, oldest)
	}
	id := rand.Text()
	p.joins[id] = &join{used: now, disks: map[string][]wireDisk{}}
	return id
}

// add notes a page of disks; the same page twice does no harm.
func (p *Provider) add(id string, disks []wireDisk) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.joins[id]
	if j == nil {
		return false
	}
	j.used = time.Now()
	for _, d := range disks {
		have := j.disks[d.InstanceID]
		if d.InstanceID != "" && !slices.ContainsFunc(have, func(h wireDisk) bool { return h.DiskID == d.DiskID }) {
			j.disks[d.InstanceID] = append(have, d)
		}
	}
	return true
}

// joined are the disks of an instance in a listing.
func (p *Provider) joined(id, instance string) ([]wireDisk, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.joins[id]
	if j == nil {
		return nil, false
	}
	j.used = time.Now()
	return j.disks[instance], true
}

// Instances lists one page, stopped ones included.
func (p *Provider) Instances(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Instance], error) {
	ask, some, err := p.listed(ctx, cloud.KindInstance, q)
	if err != nil || !some {
		return cloud.Page[cloud.Instance]{}, err
	}
	if q.IDs != nil && len(q.IDs) <= few || narrow(q.Tags) {
		return p.instancePage(ctx, ask, q, "", cursor)
	}
	// The cursor says what is listed, for which join, and from where: disks NAME TOKEN, or instances NAME TOKEN.
	what, rest, _ := strings.Cut(cursor, " ")
	id, token, _ := strings.Cut(rest, " ")
	switch what {
	case "":
		what, id = "disks", p.newJoin(time.Now())
	case "disks", "instances":
	default:
		return cloud.Page[cloud.Instance]{}, &cloud.Error{Op: ask.op, Ref: ask.ref, Err: errors.New("the cursor is not one of ours")}
	}
	if what == "instances" {
		return p.instancePage(ctx, ask, q, id, token)
	}
	disks, next, err := p.diskPage(ctx, ask, token)
	if err != nil {
		return cloud.Page[cloud.Instance]{}, err
	}
	if !p.add(id, disks) {
		return cloud.Page[cloud.Instance]{}, &cloud.Error{Op: ask.op, Ref: ask.ref, Class: cloud.ErrConflict, Err: errSetAside}
	}
	if next != "" {
		return cloud.Page[cloud.Instance]{Next: "disks " + id + " " + next}, nil
	}
	return cloud.Page[cloud.Instance]{Next: "instances " + id + " "}, nil
}

// instancePage lists one page of instances, with their disks from the join, or asked for one by one.
func (p *Provider) instancePage(ctx context.Context, ask question, q cloud.Query, id, token string) (cloud.Page[cloud.Instance], error) {
	var out struct {
		Instances *struct{ Instance []wireInstance }
		NextToken string
	}
	ask.action = "DescribeInstances"
	ask.params = params{"MaxResults": strconv.Itoa(pageSize)}.set("NextToken", token).set("InstanceIds", jsonIDs(q.IDs))
	if narrow(q.Tags) {
		ask.params.tags(q.Tags)
	}
	if err := p.ask(ctx, ask, &out); err != nil {
		return cloud.Page[cloud.Instance]{}, err
	}
	if out.Instances == nil {
		return cloud.Page[cloud.Instance]{}, p.unclear(ask, "instances")
	}
	page := cloud.Page[cloud.Instance]{Next: out.NextToken}
	if page.Next != "" && id != "" {
		page.Next = "instances " + id + " " + page.Next
	}
	for i := range out.Instances.Instance {
		w := &out.Instances.Instance[i]
		if !w.Tags.tags().Contains(q.Tags) {
			continue
		}
		var disks []wireDisk
		if id != "" {
			have, ok := p.joined(id, w.InstanceID)
			if !ok {
				return cloud.Page[cloud.Instance]{}, &cloud.Error{Op: ask.op, Ref: ask.ref, Class: cloud.ErrConflict, Err: errSetAside}
			}
			disks = have
		}
		if len(disks) == 0 {
			var err error
			if disks, err = p.disksOf(ctx, ask, w.InstanceID); err != nil {
				return cloud.Page[cloud.Instance]{}, err
			}
		}
		page.Items = append(page.Items, p.instance(q.Region, w, disks))
	}
	return page, nil
}

// disksOf asks for the disks of one instance.
func (p *Provider) disksOf(ctx context.Context, ask question, instance string) ([]wireDisk, error) {
	var all []wireDisk
	for token := ""; ; {
		ask.params = params{"InstanceId": instance}
		disks, next, err := p.diskPage(ctx, ask, token)
		if err != nil {
			return nil, err
		}
		all = append(all, disks...)
		if next == "" || next == token {
			return all, nil
		}
		token = next
	}
}
