package tencent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	sts "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/sts/v20180813"
)

const (
	sessionName = "stint"
	lentFor     = 7200 // seconds, which is what roles allow unless they say otherwise
)

// role is a role taken on with another key. The SDK's own provider cannot be cancelled, knows no endpoint, and gives a key
// that is over when the renewal fails.
type role struct {
	p               *Provider
	base            source
	arn, externalID string
}

func (r role) get(ctx context.Context) (key, error) {
	k, err := r.base.get(ctx)
	if err != nil {
		return key{}, err
	}
	req := sts.NewAssumeRoleRequest()
	req.RoleArn, req.RoleSessionName, req.DurationSeconds, req.ExternalId = &r.arn, common.StringPtr(sessionName), common.Uint64Ptr(lentFor), optional(r.externalID)
	return r.p.lent(ctx, k, func(ctx context.Context, c *sts.Client) (*sts.Credentials, int64, error) {
		got, err := c.AssumeRoleWithContext(ctx, req)
		if err != nil || got.Response == nil {
			return nil, 0, err
		}
		return got.Response.Credentials, int64(value(got.Response.ExpiredTime)), nil
	})
}

// pod is the role of a pod in TKE: the cluster leaves a token and names the role.
type pod struct {
	Config
	p *Provider
}

func (o pod) get(ctx context.Context) (key, error) {
	path := o.Getenv("TKE_WEB_IDENTITY_TOKEN_FILE")
	if path == "" {
		return key{}, errNone
	}
	provider, arn := o.Getenv("TKE_PROVIDER_ID"), o.Getenv("TKE_ROLE_ARN")
	if provider == "" || arn == "" {
		return key{}, fmt.Errorf("TKE_WEB_IDENTITY_TOKEN_FILE needs TKE_PROVIDER_ID and TKE_ROLE_ARN")
	}
	token, err := o.ReadFile(path)
	if err != nil {
		return key{}, err
	}
	req := sts.NewAssumeRoleWithWebIdentityRequest()
	req.ProviderId, req.RoleArn, req.RoleSessionName = &provider, &arn, common.StringPtr(sessionName)
	req.WebIdentityToken, req.DurationSeconds = common.StringPtr(strings.TrimSpace(string(token))), common.Int64Ptr(lentFor)
	return o.p.lent(ctx, key{}, func(ctx context.Context, c *sts.Client) (*sts.Credentials, int64, error) {
		got, err := c.AssumeRoleWithWebIdentityWithContext(ctx, req)
		if err != nil || got.Response == nil {
			return nil, 0, err
		}
		return got.Response.Credentials, int64(value(got.Response.ExpiredTime)), nil
	})
}

// lent asks STS for a key.
func (p *Provider) lent(ctx context.Context, with key, ask func(context.Context, *sts.Client) (*sts.Credentials, int64, error)) (key, error) {
	c := &sts.Client{}
	c.Init(p.region).WithProfile(p.profile).WithHttpTransport(p.carrier).
		WithCredential(&common.Credential{SecretId: with.id, SecretKey: with.secret, Token: with.token})
	watched, ex := watch(ctx)
	got, until, err := ask(watched, c)
	switch {
	case err == nil && ex.foreign != "":
		return key{}, &stsError{fmt.Errorf("%s", ex.foreign), ex}
	case err != nil:
		return key{}, &stsError{err, ex}
	case got == nil || text(got.TmpSecretId) == "" || text(got.TmpSecretKey) == "" || text(got.Token) == "":
		return key{}, &stsError{fmt.Errorf("STS lends no key in its answer"), ex}
	}
	k := key{id: text(got.TmpSecretId), secret: text(got.TmpSecretKey), token: text(got.Token), until: time.Unix(until, 0)}
	return k, nil
}

// stsError is what STS said, with what was seen of the exchange.
type stsError struct {
	err error
	ex  *exchange
}

func (e *stsError) Error() string { return e.err.Error() }
func (e *stsError) Unwrap() error { return e.err }

// signInError is a failure to get credentials.
type signInError struct{ err error }

func (e *signInError) Error() string { return "credentials: " + e.err.Error() }
func (e *signInError) Unwrap() error { return e.err }
