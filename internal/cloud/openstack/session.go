package openstack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gophercloud/gophercloud/v2"
	osclient "github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/stint-cloud/stint/internal/cloud"
)

// flight runs something once for everybody who asks at the same time, and remembers its success. The one who came first
// does it under his own context; when he gives up, the next takes over.
type flight[T any] struct {
	mu      sync.Mutex
	done    bool
	value   T
	ongoing *attempt
}

type attempt struct {
	over   chan struct{}
	err    error
	gaveUp bool // by who made it, so that the error says nothing
}

func (f *flight[T]) do(ctx context.Context, work func(context.Context) (T, error)) (T, error) {
	for {
		f.mu.Lock()
		if f.done {
			defer f.mu.Unlock()
			return f.value, nil
		}
		mine := f.ongoing
		leader := mine == nil
		if leader {
			mine = &attempt{over: make(chan struct{})}
			f.ongoing = mine
		}
		f.mu.Unlock()
		if leader {
			return f.lead(ctx, mine, work)
		}
		var zero T
		select {
		case <-ctx.Done():
			return zero, ctx.Err()
		case <-mine.over:
			if !mine.gaveUp && mine.err != nil {
				return zero, mine.err
			}
		}
	}
}

func (f *flight[T]) lead(ctx context.Context, mine *attempt, work func(context.Context) (T, error)) (T, error) {
	mine.gaveUp = true // unless we get to the end
	defer func() {
		f.mu.Lock()
		f.ongoing = nil
		f.mu.Unlock()
		close(mine.over)
	}()
	value, err := work(ctx)
	mine.err, mine.gaveUp = err, err != nil && ctx.Err() != nil
	if err == nil {
		f.mu.Lock()
		f.value, f.done = value, true
		f.mu.Unlock()
	}
	return value, err
}

// session is what a login tells: who we are, and where the services are.
type session struct {
	project string
	ids     []string // of the regions, sorted
	regions map[string]*region
}

// region is one region's services; one that the catalog lacks is nil.
type region struct {
	id      string
	project string
	compute *service
	volume  *service
	image   *service
	network *service
}

// service is one service of one region.
type service struct {
	name    string // nova, cinder, glance, neutron: how the people who run it call it
	client  *gophercloud.ServiceClient
	url     string // ends in /
	want    [2]int // the newest microversion that we have a use for; zero when the service has none
	version flight[[2]int]
}

// The microversions that we ask for. From compute 2.69 on servers of a cell that is down are listed, if only as
// UNKNOWN; before, they were left out without a word. From volume 3.66 on a volume in use needs no force.
var (
	wantCompute = [2]int{2, 69}
	wantVolume  = [2]int{3, 66}
)

// session logs in, once for all who ask.
func (p *Provider) session(ctx context.Context, op string, ref cloud.Ref) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := p.login.do(ctx, func(ctx context.Context) (*session, error) {
		if err := osclient.Authenticate(ctx, p.client, p.auth); err != nil {
			return nil, err
		}
		return p.read()
	})
	if err != nil {
		return nil, p.loginError(ctx, op, ref, err)
	}
	return s, nil
}

// read takes the project and the catalog from the answer to the login.
func (p *Provider) read() (*session, error) {
	result, ok := p.client.GetAuthResult().(interface {
		ExtractServiceCatalog() (*tokens.ServiceCatalog, error)
		ExtractProject() (*tokens.Project, error)
	})
	if !ok {
		return nil, errNoScope
	}
	project, err := result.ExtractProject()
	if err != nil || project == nil || project.ID == "" {
		return nil, errNoScope
	}
	catalog, err := result.ExtractServiceCatalog()
	if err != nil {
		return nil, fmt.Errorf("the catalog of services cannot be read")
	}
	s := &session{project: project.ID, regions: map[string]*region{}}
	for _, entry := range catalog.Entries {
		for _, e := range entry.Endpoints {
			if e.Interface != string(p.iface) {
				continue
			}
			id := cmp.Or(e.RegionID, e.Region)
			r := s.regions[id]
			if r == nil {
				r = &region{id: id, project: s.project}
				s.regions[id] = r
			}
			r.add(p.client, entry.Type, e.URL)
		}
	}
	for id, r := range s.regions {
		if r.compute != nil || r.volume != nil || r.image != nil {
			s.ids = append(s.ids, id)
		}
	}
	slices.Sort(s.ids)
	return s, nil
}

var errNoScope = errors.New("the credentials are not of a project: name one in clouds.yaml (project_name) or OS_PROJECT_NAME")

// add notes an endpoint. What version of the API a catalog's URL names differs from site to site.
func (r *region) add(client *gophercloud.ProviderClient, kind, base string) {
	base = strings.TrimRight(base, "/")
	fill := func(slot **service, name, kind string, want [2]int, url string) {
		if *slot == nil {
			c := &gophercloud.ServiceClient{ProviderClient: client, Endpoint: url + "/", Type: kind}
			*slot = &service{name: name, client: c, url: url + "/", want: want}
		}
	}
	switch kind {
	case "compute":
		if !strings.Contains(base, "/v2") {
			base += "/v2.1"
		}
		fill(&r.compute, "nova", "compute", wantCompute, base)
	case "volumev3", "block-storage", "block-store", "volume":
		if strings.Contains(base, "/v1/") || strings.Contains(base, "/v2/") {
			return
		}
		if !strings.Contains(base, "/v3") {
			base += "/v3"
		}
		if strings.HasSuffix(base, "/v3") {
			base += "/" + r.project
		}
		fill(&r.volume, "cinder", "volume", wantVolume, base)
	case "image":
		if !strings.HasSuffix(base, "/v2") {
			base = strings.TrimSuffix(base, "/v1") + "/v2"
		}
		fill(&r.image, "glance", "image", [2]int{}, base)
	case "network":
		if !strings.HasSuffix(base, "/v2.0") {
			base += "/v2.0"
		}
		fill(&r.network, "neutron", "network", [2]int{}, base)
	}
}

// in gives the region's services; an empty id is the account's default.
func (p *Provider) in(ctx context.Context, op string, ref cloud.Ref) (*region, error) {
	s, err := p.session(ctx, op, ref)
	if err != nil {
		return nil, err
	}
	id := cmp.Or(ref.Region, p.region)
	if id == "" && len(s.ids) == 1 {
		id = s.ids[0]
	}
	r := s.regions[id]
	if r == nil {
		text := fmt.Sprintf("there is no region %q: the catalog has %s", id, strings.Join(s.ids, ", "))
		return nil, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrUnsupported, Err: errors.New(text)}
	}
	return r, nil
}

// Regions lists the regions of the catalog.
func (p *Provider) Regions(ctx context.Context) ([]cloud.Region, error) {
	s, err := p.session(ctx, "region.list", cloud.Ref{Account: p.account})
	if err != nil {
		return nil, err
	}
	out := make([]cloud.Region, len(s.ids))
	for i, id := range s.ids {
		out[i] = cloud.Region{ID: id}
	}
	return out, nil
}

// request is one request to one service.
type request struct {
	op     string
	ref    cloud.Ref
	to     *service
	method string
	path   []string
	query  url.Values
	body   any
	header map[string]string
}

// send makes one request and reads the answer into out, unless that is nil.
func (p *Provider) send(ctx context.Context, r request, out any) (http.Header, error) {
	if r.to == nil {
		return nil, r.noService()
	}
	client := *r.to.client
	if r.to.want != ([2]int{}) {
		v, err := p.version(ctx, r)
		if err != nil {
			return nil, err
		}
		client.Microversion = fmt.Sprintf("%d.%d", v[0], v[1])
	}
	parts := make([]string, len(r.path))
	for i, part := range r.path {
		parts[i] = url.PathEscape(part)
	}
	address := r.to.url + strings.Join(parts, "/")
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	opts := &gophercloud.RequestOpts{JSONBody: r.body, JSONResponse: out, MoreHeaders: r.header, OkCodes: []int{200, 201, 202, 203, 204}}
	resp, err := client.Request(ctx, r.method, address, opts)
	if err != nil {
		return nil, p.fail(ctx, r, err)
	}
	return resp.Header, nil
}

// noting tells whoever watches a call the id of each of its requests, also of one whose answer breaks off.
type noting struct{ next http.RoundTripper }

// RoundTrip makes the request.
func (n noting) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := n.next.RoundTrip(r)
	id := ""
	if resp != nil {
		id = requestID(resp.Header)
	}
	cloud.NoteRequest(r.Context(), id)
	return resp, err
}

// version finds out once which microversion to speak: what we want, or the newest that the service has.
func (p *Provider) version(ctx context.Context, r request) ([2]int, error) {
	s := r.to
	v, err := s.version.do(ctx, func(ctx context.Context) ([2]int, error) {
		root := s.url
		if i := strings.LastIndex(root, "/v"); i >= 0 { // cinder's ends in the project
			if j := strings.IndexByte(root[i+1:], '/'); j >= 0 {
				root = root[:i+1+j+1]
			}
		}
		var doc struct {
			Version  versionDoc   `json:"version"`
			Versions []versionDoc `json:"versions"`
		}
		opts := &gophercloud.RequestOpts{JSONResponse: &doc, OkCodes: []int{200, 203, 300}}
		if _, err := s.client.Request(ctx, http.MethodGet, root, opts); err != nil {
			return [2]int{}, p.fail(ctx, request{op: r.op, ref: r.ref, to: s, method: http.MethodGet}, err)
		}
		best := doc.Version.max()
		for _, v := range doc.Versions {
			if m := v.max(); m[0] == s.want[0] {
				best = m
			}
		}
		if best[0] == 0 { // an answer that says nothing: the oldest that there can be
			best = [2]int{s.want[0], 0}
			if s.want[0] == 2 {
				best[1] = 1
			}
		}
		if slices.Compare(best[:], s.want[:]) > 0 {
			best = s.want
		}
		return best, nil
	})
	return v, about(err, r.op, r.ref) // another caller may have asked
}

// speaks says whether the service that the request goes to speaks the microversion.
func (p *Provider) speaks(ctx context.Context, r request, major, minor int) (bool, error) {
	if r.to == nil {
		return false, r.noService()
	}
	v, err := p.version(ctx, r)
	return err == nil && slices.Compare(v[:], []int{major, minor}) >= 0, err
}

// noService is the error of a request to a service that the catalog lacks.
func (r request) noService() error {
	return &cloud.Error{Op: r.op, Ref: r.ref, Class: cloud.ErrUnsupported, Err: errors.New("the catalog of the region has no such service")}
}

type versionDoc struct {
	Max string `json:"version"`
}

func (v versionDoc) max() (out [2]int) {
	major, minor, _ := strings.Cut(v.Max, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	if err1 != nil || err2 != nil {
		return out
	}
	return [2]int{a, b}
}

// compact writes a value for a query that takes JSON.
func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "{}"
	}
	return string(b)
}
