package alibaba

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// assumed are the keys of a role, lent for an hour by STS. The SDK's own way to them knows no context and no other address.
type assumed struct {
	p              *Provider
	with           source // who asks
	role, external string
}

// stsError is a request for keys that STS refused or did not answer.
type stsError struct {
	ex  *exchange
	err error
}

func (e *stsError) Error() string { return e.err.Error() }
func (e *stsError) Unwrap() error { return e.err }

const (
	sessionName = "stint"
	lentFor     = "3600" // seconds
)

func (a *assumed) keys(ctx context.Context) (keys, error) {
	k, err := a.with.keys(ctx)
	if err != nil {
		return keys{}, err
	}
	form := params{"RoleArn": a.role, "RoleSessionName": sessionName, "DurationSeconds": lentFor}
	return a.p.lend(ctx, "AssumeRole", form.set("ExternalId", a.external), &k)
}

// federated are the keys of a role, lent against an OIDC token.
type federated struct {
	p              *Provider
	role, provider string
	token          func() (string, error) // read anew each time: it is replaced where it lies
}

func (f *federated) keys(ctx context.Context) (keys, error) {
	token, err := f.token()
	if err != nil {
		return keys{}, err
	}
	return f.p.lend(ctx, "AssumeRoleWithOIDC", params{
		"RoleArn": f.role, "OIDCProviderArn": f.provider, "OIDCToken": token, "RoleSessionName": sessionName, "DurationSeconds": lentFor,
	}, nil)
}

// lend asks STS.
func (p *Provider) lend(ctx context.Context, action string, form params, k *keys) (keys, error) {
	if !regionForm.MatchString(p.region) && p.host == "" {
		return keys{}, fmt.Errorf("%q is no region of Alibaba Cloud", p.region)
	}
	ex := p.send(ctx, p.stsHost(), action, stsVersion, form, k)
	var out struct {
		Credentials struct {
			AccessKeyID, AccessKeySecret, SecurityToken string
			Expiration                                  time.Time
		}
	}
	if err := ex.read(&out); err != nil {
		return keys{}, &stsError{ex, err}
	}
	c := out.Credentials
	if c.AccessKeyID == "" || c.AccessKeySecret == "" || c.SecurityToken == "" || c.Expiration.IsZero() {
		return keys{}, &stsError{ex, errors.New("the answer holds no credentials")}
	}
	return keys{id: c.AccessKeyID, secret: c.AccessKeySecret, token: c.SecurityToken, ends: c.Expiration}, nil
}
