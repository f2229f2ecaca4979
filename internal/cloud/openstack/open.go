package openstack

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	osclient "github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Config says which project of which OpenStack.
type Config struct {
	Account string // the account's name in the policies

	// Cloud is an entry of clouds.yaml. When it is empty, OS_CLOUD names one, and when that is empty too the other OS_*
	// variables hold the credentials.
	Cloud string
	// CloudsYAML is where that file is. When it is empty, OS_CLIENT_CONFIG_FILE and then the usual places are tried.
	CloudsYAML string

	Endpoint string // of the identity service, instead of the one in the credentials
	Region   string // for queries that name none; when empty the credentials' own, or the only one that there is

	// HTTPClient makes the requests, instead of one with time-outs and the credentials' TLS settings.
	HTTPClient *http.Client

	PageSize int // things asked for at once; 500 when zero. A site may give fewer
}

// Provider is one project of one OpenStack. It is safe for concurrent use.
type Provider struct {
	account  string
	region   string
	iface    gophercloud.Availability
	auth     gophercloud.AuthOptions
	http     *http.Client
	client   *gophercloud.ProviderClient
	secrets  []string // never to be shown
	pageSize int

	login flight[*session]
}

// It has these abilities.
var (
	_ cloud.Provider    = (*Provider)(nil)
	_ cloud.Snapshotter = (*Provider)(nil)
	_ cloud.Imager      = (*Provider)(nil)
	_ cloud.DiskMaker   = (*Provider)(nil)
	_ cloud.Launcher    = (*Provider)(nil)
	_ cloud.Tagger      = (*Provider)(nil)
	_ cloud.Sharer      = (*Provider)(nil)
	_ cloud.Identifier  = (*Provider)(nil)
	_ cloud.Operator    = (*Provider)(nil)
	_ cloud.Referrer    = (*Provider)(nil)
)

// Open reads the credentials and checks that they are whole. It asks nothing of the network: that the cloud accepts
// them is found out by the first call.
func Open(_ context.Context, cfg Config) (*Provider, error) {
	auth, eo, tlsConfig, err := credentials(cfg)
	if err != nil {
		return nil, fmt.Errorf("openstack account %s: %w", cfg.Account, err)
	}
	if err := whole(auth); err != nil {
		return nil, fmt.Errorf("openstack account %s: credentials: %w", cfg.Account, err)
	}
	auth.AllowReauth = auth.TokenID == ""
	client, err := osclient.NewClient(auth.IdentityEndpoint)
	if err != nil {
		return nil, fmt.Errorf("openstack account %s: the address of the identity service is not a URL", cfg.Account)
	}
	p := &Provider{
		account: cfg.Account, region: cmp.Or(cfg.Region, eo.Region), iface: interfaceOf(eo.Availability),
		auth: auth, http: cfg.HTTPClient, client: client, pageSize: cmp.Or(cfg.PageSize, 500),
	}
	if p.http == nil {
		p.http = newHTTPClient(tlsConfig)
	}
	client.HTTPClient = *p.http
	client.HTTPClient.Transport = noting{cmp.Or(p.http.Transport, http.DefaultTransport)}
	client.UserAgent.Prepend("stint")
	for _, s := range []string{auth.Password, auth.Passcode, auth.ApplicationCredentialSecret, auth.TokenID} {
		if s != "" {
			p.secrets = append(p.secrets, s)
		}
	}
	return p, nil
}

// interfaceOf is which of a service's endpoints to use: people write public, publicURL or nothing.
func interfaceOf(a gophercloud.Availability) gophercloud.Availability {
	return cmp.Or(gophercloud.Availability(strings.TrimSuffix(string(a), "URL")), gophercloud.AvailabilityPublic)
}

// Close lets idle connections go. The provider can be used again afterwards.
func (p *Provider) Close() { p.http.CloseIdleConnections() }

// Traits are facts about OpenStack. Of the 128 properties that glance allows an image, nova and the image that the server
// was made from take some two dozen. ImageHasDisks stays false, as it holds of volume-backed servers only: those are the
// ones without LocalRoot.
func (p *Provider) Traits() cloud.Traits {
	return cloud.Traits{Cloud: "openstack", MaxTags: 100, MaxTagKey: 255, MaxTagValue: 255, Uses: usesSeen()}
}

// newHTTPClient has time-outs, which neither gophercloud nor net/http set.
func newHTTPClient(tlsConfig *tls.Config) *http.Client {
	return &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:       tlsConfig,
			TLSHandshakeTimeout:   10 * time.Second,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   16,
			IdleConnTimeout:       90 * time.Second,
			ExpectContinueTimeout: time.Second,
		},
	}
}

func credentials(cfg Config) (gophercloud.AuthOptions, gophercloud.EndpointOpts, *tls.Config, error) {
	name := cmp.Or(cfg.Cloud, os.Getenv("OS_CLOUD"))
	if name == "" {
		return fromEnvironment(cfg)
	}
	// The other OS_* variables belong to whichever cloud the caller's shell is set up for, not to this one.
	options := []clouds.ParseOption{clouds.WithCloudName(name), clouds.WithRegion(cfg.Region), clouds.WithEndpointType("")}
	if cfg.CloudsYAML != "" {
		if _, err := os.Stat(cfg.CloudsYAML); err != nil {
			return gophercloud.AuthOptions{}, gophercloud.EndpointOpts{}, nil, err
		}
		options = append(options, clouds.WithLocations(cfg.CloudsYAML))
	}
	if cfg.Endpoint != "" {
		options = append(options, clouds.WithIdentityEndpoint(cfg.Endpoint))
	}
	auth, eo, tlsConfig, err := clouds.Parse(options...)
	if err != nil {
		return auth, eo, nil, errors.New(quoted.ReplaceAllString(err.Error(), "`…`"))
	}
	return auth, eo, tlsConfig, nil
}

// quoted is how the YAML parser shows a value that it could not use: it may be the password.
var quoted = regexp.MustCompile("`[^`]*`")

// fromEnvironment reads what an openrc file sets. Gophercloud's own reader knows no OS_USER_DOMAIN_NAME and its like.
func fromEnvironment(cfg Config) (gophercloud.AuthOptions, gophercloud.EndpointOpts, *tls.Config, error) {
	env := func(names ...string) string {
		for _, n := range names {
			if v := os.Getenv(n); v != "" {
				return v
			}
		}
		return ""
	}
	auth := gophercloud.AuthOptions{
		IdentityEndpoint:            cmp.Or(cfg.Endpoint, env("OS_AUTH_URL")),
		Username:                    env("OS_USERNAME"),
		UserID:                      env("OS_USER_ID", "OS_USERID"),
		Password:                    env("OS_PASSWORD"),
		ApplicationCredentialID:     env("OS_APPLICATION_CREDENTIAL_ID"),
		ApplicationCredentialName:   env("OS_APPLICATION_CREDENTIAL_NAME"),
		ApplicationCredentialSecret: env("OS_APPLICATION_CREDENTIAL_SECRET"),
		TokenID:                     env("OS_TOKEN"),
	}
	none := gophercloud.EndpointOpts{}
	if auth.IdentityEndpoint == "" {
		return auth, none, nil, errors.New("no cloud is named and OS_AUTH_URL is not set: give credentials: { clouds-yaml: NAME }, or load an openrc file")
	}
	if auth.Username != "" && auth.UserID == "" {
		if auth.DomainID = env("OS_USER_DOMAIN_ID", "OS_DOMAIN_ID"); auth.DomainID == "" {
			auth.DomainName = cmp.Or(env("OS_USER_DOMAIN_NAME", "OS_DOMAIN_NAME"), "Default")
		}
	}
	if auth.ApplicationCredentialID == "" && auth.ApplicationCredentialName == "" {
		scope := &gophercloud.AuthScope{ProjectID: env("OS_PROJECT_ID", "OS_TENANT_ID")}
		if scope.ProjectID == "" {
			scope.ProjectName = env("OS_PROJECT_NAME", "OS_TENANT_NAME")
			if scope.ProjectName == "" {
				return auth, none, nil, errors.New("OS_PROJECT_NAME and OS_PROJECT_ID are not set: an account is one project")
			}
			if scope.DomainID = env("OS_PROJECT_DOMAIN_ID"); scope.DomainID == "" {
				scope.DomainName = cmp.Or(env("OS_PROJECT_DOMAIN_NAME", "OS_DOMAIN_NAME"), "Default")
			}
		}
		auth.Scope = scope
	}
	tlsConfig, err := tlsFromEnvironment(env)
	eo := gophercloud.EndpointOpts{Region: env("OS_REGION_NAME"), Availability: gophercloud.Availability(env("OS_INTERFACE", "OS_ENDPOINT_TYPE"))}
	return auth, eo, tlsConfig, err
}

func tlsFromEnvironment(env func(...string) string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if path := env("OS_CACERT"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("OS_CACERT: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("OS_CACERT: %s holds no certificate", path)
		}
	}
	if cert, key := env("OS_CERT"), env("OS_KEY"); cert != "" && key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("OS_CERT and OS_KEY: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if v := env("OS_INSECURE"); v != "" {
		c.InsecureSkipVerify, _ = strconv.ParseBool(v)
	}
	return c, nil
}

// whole builds the request for a token without sending it, which names what is missing.
func whole(auth gophercloud.AuthOptions) error {
	if auth.IdentityEndpoint == "" {
		return errors.New("auth_url is missing")
	}
	scope, err := auth.ToTokenV3ScopeMap()
	if err != nil {
		return err
	}
	_, err = auth.ToTokenV3CreateMap(scope)
	return err
}
