package aws

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Config says which account it is and how to sign in. Without keys, profile or role the SDK's default chain finds the
// credentials, at the first call: environment, shared files, web identity, container, instance metadata.
type Config struct {
	Account  string // our name for it
	Endpoint string // instead of Amazon's own, for every region; plain http is allowed
	Profile  string // of the shared config and credentials files

	AssumeRole string // ARN of the role to work in, assumed with whatever credentials there are
	ExternalID string // that the role demands

	AccessKey, SecretKey, SessionToken string // by value, resolved by the caller

	// DefaultRegion is for calls that belong to no region; the profile's when empty, and us-east-1 without one.
	DefaultRegion string

	// HTTPClient carries the requests to EC2 and STS when it is set.
	HTTPClient *http.Client
}

// String leaves the keys out.
func (c Config) String() string {
	return fmt.Sprintf("aws account %s (profile %q, role %q, endpoint %q)", c.Account, c.Profile, c.AssumeRole, c.Endpoint)
}

// GoString is String: no verb prints a key.
func (c Config) GoString() string { return c.String() }

// Provider is one AWS account. It is safe for concurrent use.
type Provider struct {
	account string
	region  string // the default
	base    sdk.Config
	options []func(*ec2.Options)
	codes   map[string]meaning

	mu      sync.Mutex
	clients map[string]*ec2.Client
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
	fallbackRegion = "us-east-1"
	atOnce         = 64               // connections that are kept to one endpoint: twice the calls that we make at a time
	answerWithin   = 60 * time.Second // once the request is written; a caller's context may be shorter
	renewBefore    = 5 * time.Minute  // so that no request is signed with credentials that end on the way
)

// Open prepares the account. It reads the shared files and calls nobody.
func Open(ctx context.Context, c Config) (*Provider, error) {
	if (c.AccessKey == "") != (c.SecretKey == "") {
		return nil, fmt.Errorf("aws account %s: an access key needs its secret key, and the other way round", c.Account)
	}
	if c.Endpoint != "" {
		if u, err := url.Parse(c.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			return nil, fmt.Errorf("aws account %s: the endpoint is not http(s)://host[:port]", c.Account)
		}
	}
	load := []func(*config.LoadOptions) error{
		config.WithRetryer(func() sdk.Retryer { return sdk.NopRetryer{} }),
		config.WithRetryMaxAttempts(1),
		config.WithHTTPClient(httpClient()),
		config.WithLogger(logging.Nop{}), // what matters comes back as an error; standard error is not the SDK's
	}
	if c.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(c.Profile))
	}
	if c.AccessKey != "" {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, c.SessionToken)))
	}
	if c.DefaultRegion != "" {
		load = append(load, config.WithRegion(c.DefaultRegion))
	}
	base, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("aws account %s: %w", c.Account, err)
	}
	if base.Region == "" {
		base.Region = fallbackRegion
	}
	if c.HTTPClient != nil {
		base.HTTPClient = c.HTTPClient // only now: with AWS_CA_BUNDLE set, loading demands a client that it can change
	}
	if c.Endpoint != "" {
		base.BaseEndpoint = &c.Endpoint
	}
	base.Credentials = named{base.Credentials}
	if c.AssumeRole != "" {
		role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(base, onceSTS), c.AssumeRole, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "stint"
			if c.ExternalID != "" {
				o.ExternalID = &c.ExternalID
			}
		})
		base.Credentials = named{sdk.NewCredentialsCache(role, func(o *sdk.CredentialsCacheOptions) { o.ExpiryWindow = renewBefore })}
	}
	return &Provider{
		account: c.Account, region: base.Region, base: base,
		options: []func(*ec2.Options){onceEC2}, clients: map[string]*ec2.Client{}, codes: codes(),
	}, nil
}

// onceEC2 makes every call one request, whatever the environment says of retries, tells its id, and holds answers to
// EC2's form.
func onceEC2(o *ec2.Options) {
	o.Retryer = sdk.NopRetryer{}
	o.RetryMaxAttempts = 1
	o.APIOptions = append(o.APIOptions, onlyOwnAnswers, noteRequests)
}

func onceSTS(o *sts.Options) {
	o.Retryer = sdk.NopRetryer{}
	o.RetryMaxAttempts = 1
	o.APIOptions = append(o.APIOptions, onlyOwnAnswers, noteRequests)
}

func httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = 4 * atOnce
		t.MaxIdleConnsPerHost = atOnce
		t.IdleConnTimeout = 90 * time.Second
		t.ResponseHeaderTimeout = answerWithin
	})
}

// client is the region's, made when it is first asked for; all share one HTTP client and one cache of credentials.
func (p *Provider) client(region string) *ec2.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.clients[region]
	if c == nil {
		cfg := p.base.Copy()
		cfg.Region = region
		c = ec2.NewFromConfig(cfg, p.options...)
		p.clients[region] = c
	}
	return c
}

// Traits are EC2's.
func (p *Provider) Traits() cloud.Traits {
	return cloud.Traits{
		Cloud: "aws", MaxTags: 50, MaxTagKey: 128, MaxTagValue: 256, ReservedTags: []string{"aws:"},
		ConsistentSets: true, ImageHasDisks: true, RefusesInUse: true, NameTag: nameTag,
		Lag:            5 * time.Minute, // "up to some minutes", says the reference on eventual consistency
		ImageCopies:    cloud.CopyTraits{Tags: true, Tokens: true, Max: 100, SharedAcross: true},
		SnapshotCopies: cloud.CopyTraits{Tags: true, Max: 20, SharedAcross: true},
		Uses:           usesSeen(),
	}
}

// Regions lists the regions that are switched on for the account.
func (p *Provider) Regions(ctx context.Context) ([]cloud.Region, error) {
	out, err := p.client(p.region).DescribeRegions(ctx, &ec2.DescribeRegionsInput{})
	if err != nil {
		return nil, p.problem(ctx, "region.list", cloud.Ref{Account: p.account, Region: p.region}, err)
	}
	var regions []cloud.Region
	for _, r := range out.Regions {
		if id := sdk.ToString(r.RegionName); id != "" && !strings.EqualFold(sdk.ToString(r.OptInStatus), "not-opted-in") {
			regions = append(regions, cloud.Region{ID: id})
		}
	}
	return regions, nil
}

// named marks what goes wrong in finding credentials, which otherwise looks like any network error.
type named struct{ sdk.CredentialsProvider }

// Retrieve gives the credentials, or an error that says that it is about them.
func (n named) Retrieve(ctx context.Context) (sdk.Credentials, error) {
	if n.CredentialsProvider == nil {
		return sdk.Credentials{}, &signInError{fmt.Errorf("none are configured")}
	}
	c, err := n.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return c, &signInError{err}
	}
	return c, nil
}

// signInError is a failure to get credentials.
type signInError struct{ err error }

func (e *signInError) Error() string { return "credentials: " + e.err.Error() }
func (e *signInError) Unwrap() error { return e.err }
