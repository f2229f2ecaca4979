package alibaba

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Config says which account it is and how to sign in. Without keys or a profile the usual chain finds the credentials, at
// the first call: environment, OIDC, the CLI's file, the credentials file, the instance's role, a credentials URI.
type Config struct {
	Account  string // our name for it
	Endpoint string // instead of Alibaba Cloud's own, for every region, and for STS; plain http is allowed
	Profile  string // of the CLI's config.json, or of the credentials file

	AssumeRole string // ARN of the role to work in, assumed with whatever credentials there are
	ExternalID string // that the role demands

	AccessKey, SecretKey, SecurityToken string // by value, resolved by the caller

	// DefaultRegion is for calls that belong to no region; cn-hangzhou when empty.
	DefaultRegion string

	// HTTPClient carries all requests when it is set.
	HTTPClient *http.Client

	// Env and ReadFile are where the chain looks; the process's own when nil.
	Env      func(string) string
	ReadFile func(string) ([]byte, error)
}

// String leaves the keys out.
func (c Config) String() string {
	return fmt.Sprintf("alibaba account %s (profile %q, role %q, endpoint %q)", c.Account, c.Profile, c.AssumeRole, c.Endpoint)
}

// GoString is String: no verb prints a key.
func (c Config) GoString() string { return c.String() }

// Provider is one Alibaba Cloud account. It is safe for concurrent use.
type Provider struct {
	account string
	region  string // the default
	scheme  string
	host    string // instead of the region's own; empty for those
	http    *http.Client
	keys    source
	codes   map[string]meaning

	mu    sync.Mutex
	joins map[string]*join // listings of instances that are under way
}

var (
	_ cloud.Provider       = (*Provider)(nil)
	_ cloud.Snapshotter    = (*Provider)(nil)
	_ cloud.SetSnapshotter = (*Provider)(nil)
	_ cloud.Imager         = (*Provider)(nil)
	_ cloud.DiskMaker      = (*Provider)(nil)
	_ cloud.Launcher       = (*Provider)(nil)
	_ cloud.Tagger         = (*Provider)(nil)
	_ cloud.ImageCopier    = (*Provider)(nil)
	_ cloud.SnapshotCopier = (*Provider)(nil)
	_ cloud.Sharer         = (*Provider)(nil)
	_ cloud.Identifier     = (*Provider)(nil)
	_ cloud.Operator       = (*Provider)(nil)
	_ cloud.Referrer       = (*Provider)(nil)
)

const (
	fallbackRegion = "cn-hangzhou"
	atOnce         = 64               // connections that are kept to one endpoint: twice the calls that we make at a time
	connectWithin  = 10 * time.Second // to a server
	answerWithin   = 60 * time.Second // its headers, once the request is written
	wholeWithin    = 90 * time.Second // one request from beginning to end; a caller's context may be shorter
)

// regionForm is what may become a part of a host name.
var regionForm = regexp.MustCompile(`^[a-z]{2}[a-z0-9-]{2,60}$`)

// Open prepares the account. It calls nobody.
func Open(_ context.Context, c Config) (*Provider, error) {
	if (c.AccessKey == "") != (c.SecretKey == "") {
		return nil, fmt.Errorf("alibaba account %s: an access key needs its secret key, and the other way round", c.Account)
	}
	p := &Provider{
		account: c.Account, region: c.DefaultRegion, scheme: "https", http: c.HTTPClient, codes: codes(), joins: map[string]*join{},
	}
	if p.region == "" {
		p.region = fallbackRegion
	}
	if c.Endpoint != "" {
		u, err := url.Parse(c.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return nil, fmt.Errorf("alibaba account %s: the endpoint is not http(s)://host[:port]", c.Account)
		}
		p.scheme, p.host = u.Scheme, u.Host
	}
	if p.http == nil {
		p.http = httpClient()
	}
	p.keys = newChain(p, c)
	if c.AssumeRole != "" {
		p.keys = keep(&assumed{p: p, with: p.keys, role: c.AssumeRole, external: c.ExternalID})
	}
	return p, nil
}

func httpClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 proxy,
			DialContext:           (&net.Dialer{Timeout: connectWithin, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			TLSHandshakeTimeout:   connectWithin,
			ResponseHeaderTimeout: answerWithin,
			MaxIdleConns:          4 * atOnce,
			MaxIdleConnsPerHost:   atOnce,
			IdleConnTimeout:       90 * time.Second,
		},
		// A signed request is for the host that it was signed for.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// proxy is the environment's, but not for the instance's own metadata.
func proxy(r *http.Request) (*url.URL, error) {
	if strings.HasPrefix(r.URL.String(), metadata) {
		return nil, nil
	}
	return http.ProxyFromEnvironment(r)
}

// ecsHost is where a region's ECS answers.
func (p *Provider) ecsHost(region string) (string, error) {
	switch {
	case p.host != "":
		return p.host, nil
	case !regionForm.MatchString(region):
		return "", fmt.Errorf("%q is no region of Alibaba Cloud; one looks like cn-hangzhou", region)
	case region == "cn-hangzhou":
		return "ecs-cn-hangzhou.aliyuncs.com", nil
	case strings.Contains(region, "-finance") || strings.Contains(region, "-gov"):
		return "ecs.aliyuncs.com", nil
	}
	return "ecs." + region + ".aliyuncs.com", nil
}

// stsHost is where roles are lent.
func (p *Provider) stsHost() string {
	if p.host != "" {
		return p.host
	}
	return "sts." + p.region + ".aliyuncs.com"
}

// Traits are ECS's.
func (p *Provider) Traits() cloud.Traits {
	return cloud.Traits{
		Cloud: "alibaba", MaxTags: maxTags, MaxTagKey: 128, MaxTagValue: 128, ReservedTags: []string{"aliyun", "acs:"},
		CreateTokens: true, ConsistentSets: true, ImageHasDisks: true, RefusesInUse: true,
		ImageCopies:    cloud.CopyTraits{Tags: true, Tokens: true}, // more than five at once wait in a queue of ECS's own
		SnapshotCopies: cloud.CopyTraits{Tags: true, Tokens: true},
		Uses:           usesSeen(),
		Lag:            2 * time.Minute, // nothing is documented; others wait for what they made for about as long
	}
}

// Regions lists the regions that the account may use.
func (p *Provider) Regions(ctx context.Context) ([]cloud.Region, error) {
	var out struct {
		Regions *struct {
			Region []struct{ RegionID, LocalName string }
		}
	}
	q := question{op: "region.list", ref: cloud.Ref{Account: p.account, Region: p.region}, action: "DescribeRegions"}
	if err := p.ask(ctx, q, &out); err != nil {
		return nil, err
	}
	if out.Regions == nil {
		return nil, p.unclear(q, "regions")
	}
	var regions []cloud.Region
	for _, r := range out.Regions.Region {
		if r.RegionID != "" {
			regions = append(regions, cloud.Region{ID: r.RegionID, Name: r.LocalName})
		}
	}
	return regions, nil
}
