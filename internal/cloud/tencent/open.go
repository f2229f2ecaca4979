package tencent

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	cbs "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cbs/v20170312"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/profile"
	cvm "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cvm/v20170312"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Config says which account it is and how to sign in. Without keys, profile or role the cloud's usual places are searched
// at the first call: environment, credentials file, the identity of a TKE pod, the machine's role.
type Config struct {
	Account  string // our name for it
	Endpoint string // instead of Tencent Cloud's own, for every service and region; plain http is allowed
	Profile  string // section of the credentials file

	AssumeRole string // qcs::cam::uin/…:roleName/…, taken on with whatever credentials there are
	ExternalID string // that the role demands

	SecretID, SecretKey, Token string // by value, resolved by the caller

	// DefaultRegion is for calls that belong to no region; ap-guangzhou when empty.
	DefaultRegion string

	// Transport carries the requests when it is set.
	Transport http.RoundTripper

	Getenv   func(string) string          // os.Getenv when nil
	ReadFile func(string) ([]byte, error) // os.ReadFile when nil
	metadata string                       // of the machine; Tencent Cloud's when empty
}

// String leaves the keys out.
func (c Config) String() string {
	return fmt.Sprintf("tencent account %s (profile %q, role %q, endpoint %q)", c.Account, c.Profile, c.AssumeRole, c.Endpoint)
}

// GoString is String: no verb prints a key.
func (c Config) GoString() string { return c.String() }

// Provider is one Tencent Cloud account. It is safe for concurrent use.
type Provider struct {
	account string
	region  string // the default
	profile *profile.ClientProfile
	carrier http.RoundTripper
	keys    source
	codes   map[string]meaning
	page    int // how many items are asked for at once

	mu      sync.Mutex
	clients map[string]clients
}

var (
	_ cloud.Provider       = (*Provider)(nil)
	_ cloud.Snapshotter    = (*Provider)(nil)
	_ cloud.Imager         = (*Provider)(nil)
	_ cloud.DiskMaker      = (*Provider)(nil)
	_ cloud.Launcher       = (*Provider)(nil)
	_ cloud.Tagger         = (*Provider)(nil)
	_ cloud.ImageCopier    = (*Provider)(nil)
	_ cloud.SnapshotCopier = (*Provider)(nil)
	_ cloud.Sharer         = (*Provider)(nil)
	_ cloud.Operator       = (*Provider)(nil)
	_ cloud.Identifier     = (*Provider)(nil)
)

const (
	fallbackRegion = "ap-guangzhou"
	atOnce         = 64 // connections that are kept to one endpoint: twice the calls that we make at a time
	answerWithin   = 60 // seconds, with the whole answer; a caller's context may be shorter
	longestPage    = 100
)

// Open prepares the account and calls nobody.
func Open(_ context.Context, c Config) (*Provider, error) {
	if (c.SecretID == "") != (c.SecretKey == "") {
		return nil, fmt.Errorf("tencent account %s: a secret id needs its secret key, and the other way round", c.Account)
	}
	p := profile.NewClientProfile()
	p.Language = "en-US"
	p.DisableRegionBreaker = true
	p.NetworkFailureMaxRetries, p.RateLimitExceededMaxRetries = 0, 0
	p.HttpProfile.ReqTimeout = answerWithin
	if c.Endpoint != "" {
		u, err := url.Parse(c.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
			return nil, fmt.Errorf("tencent account %s: the endpoint is not http(s)://host[:port]", c.Account)
		}
		p.HttpProfile.Scheme, p.HttpProfile.Endpoint = u.Scheme, u.Host+strings.TrimSuffix(u.Path, "/")
	}
	if c.Transport == nil {
		c.Transport = transport()
	}
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	if c.ReadFile == nil {
		c.ReadFile = os.ReadFile
	}
	if c.DefaultRegion == "" {
		c.DefaultRegion = fallbackRegion
	}
	out := &Provider{
		account: c.Account, region: c.DefaultRegion, profile: p, carrier: carrier{c.Transport}, codes: codes(), page: longestPage, clients: map[string]clients{},
	}
	out.keys = out.sources(c)
	return out, nil
}

func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns = 4 * atOnce
	t.MaxIdleConnsPerHost = atOnce
	t.IdleConnTimeout = 90 * time.Second
	return t
}

// clients are a region's, without credentials: each call gets a copy with those of the moment, which is what makes it safe
// for a renewal to fail.
type clients struct {
	cvm *cvm.Client
	cbs *cbs.Client
	any *common.Client
}

func (p *Provider) in(region string) clients {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.clients[region]
	if !ok {
		c = clients{cvm: &cvm.Client{}, cbs: &cbs.Client{}, any: &common.Client{}}
		for _, one := range []*common.Client{&c.cvm.Client, &c.cbs.Client, c.any} {
			one.Init(region).WithProfile(p.profile).WithHttpTransport(p.carrier)
		}
		p.clients[region] = c
	}
	return c
}

// signed are copies that sign with the key.
func (c clients) signed(k key) clients {
	cred := &common.Credential{SecretId: k.id, SecretKey: k.secret, Token: k.token}
	v, b, a := *c.cvm, *c.cbs, *c.any
	v.WithCredential(cred)
	b.WithCredential(cred)
	a.WithCredential(cred)
	return clients{&v, &b, &a}
}

// call makes requests with the credentials of the moment. What goes wrong comes back as ours.
func (p *Provider) call(ctx context.Context, op string, ref cloud.Ref, region string, do func(ctx context.Context, c clients) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %s: %w", op, ref.Place(), err)
	}
	k, err := p.keys.get(ctx)
	if err != nil {
		return p.problem(ctx, op, ref, &signInError{err}, nil)
	}
	watched, ex := watch(ctx)
	err = do(watched, p.in(region).signed(k))
	if c, ok := p.keys.(*cached); ok && codeOf(err) == "AuthFailure.TokenFailure" {
		c.drop(k)
	}
	if err == nil && ex.foreign != "" {
		err = fmt.Errorf("%s", ex.foreign)
	}
	return p.problem(ctx, op, ref, err, ex)
}

// Traits are CVM's and CBS's. Copies carry no tags and take no token; how many may run at once is not said.
func (p *Provider) Traits() cloud.Traits {
	return cloud.Traits{
		Cloud: "tencent", MaxTags: 50, MaxTagKey: 127, MaxTagValue: 255, ReservedTags: []string{"qcloud", "tencent", "project"},
		ImageHasDisks: true, RefusesInUse: true,
		Lag: 5 * time.Minute, // Tencent Cloud says nothing about it: what is usual elsewhere
	}
}

// Regions lists the regions that the account may use.
func (p *Provider) Regions(ctx context.Context) ([]cloud.Region, error) {
	var out []cloud.Region
	ref := cloud.Ref{Account: p.account, Region: p.region}
	err := p.call(ctx, "region.list", ref, p.region, func(ctx context.Context, c clients) error {
		got, err := c.cvm.DescribeRegionsWithContext(ctx, cvm.NewDescribeRegionsRequest())
		if err != nil || got.Response == nil {
			return err
		}
		for _, r := range got.Response.RegionSet {
			if id := text(r.Region); id != "" && text(r.RegionState) == "AVAILABLE" {
				out = append(out, cloud.Region{ID: id, Name: text(r.RegionName)})
			}
		}
		return nil
	})
	return out, err
}

// text is what a pointer of the SDK's points to.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func value[T any](v *T) T {
	if v == nil {
		var none T
		return none
	}
	return *v
}

// pointers is nil for none: the SDK would send an empty list, which is not the same as no list.
func pointers(list []string) []*string {
	if len(list) == 0 {
		return nil
	}
	out := make([]*string, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
