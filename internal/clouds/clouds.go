// Package clouds is the list of clouds: which word in a policy file stands for which provider, at what pace each is
// asked, and what surrounds every call.
//
// It promises that an account's secrets are resolved when it is opened and are never printed, and that whoever is to hear
// of calls hears of each as it ended after all tries. It refuses to know anything about what the calls are for.
package clouds

import (
	"context"
	"errors"
	"fmt"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/alibaba"
	"github.com/stint-cloud/stint/internal/cloud/aws"
	"github.com/stint-cloud/stint/internal/cloud/openstack"
	"github.com/stint-cloud/stint/internal/cloud/tencent"
	"github.com/stint-cloud/stint/internal/config"
	"github.com/stint-cloud/stint/internal/permit"
	"github.com/stint-cloud/stint/internal/policy"
)

// entry is one cloud.
type entry struct {
	name string
	open func(ctx context.Context, a policy.Account, sys config.System) (cloud.Provider, error)
	pace paces

	permissions func() permit.Table // nil when none are written down
}

// list names every cloud that this version speaks to.
func list() []entry {
	return []entry{
		{name: "alibaba", open: openAlibaba, pace: paces{reads: 10, writes: 3}, permissions: alibaba.Permissions},
		{name: "aws", open: openAWS, pace: paces{reads: 20, writes: 10, burst: 100}, permissions: aws.Permissions},
		{name: "openstack", open: openOpenStack, pace: paces{reads: 20, writes: 5}},
		{name: "tencent", open: openTencent, pace: paces{reads: 10, writes: 5}, permissions: tencent.Permissions},
	}
}

func find(name string) (entry, bool) {
	for _, e := range list() {
		if e.name == name {
			return e, true
		}
	}
	return entry{}, false
}

// Permissions are the actions that a cloud's operations come to; ok is false for a cloud whose are not written down.
func Permissions(name string) (t permit.Table, ok bool) {
	e, known := find(name)
	if !known || e.permissions == nil {
		return t, false
	}
	return e.permissions(), true
}

// Opener reaches accounts. It makes no call; what is wrong with an account's credentials comes with the account's name.
func Opener(ctx context.Context, sys config.System) func(policy.Account) (cloud.Provider, error) {
	return func(a policy.Account) (cloud.Provider, error) {
		e, ok := find(a.Cloud)
		if !ok {
			return nil, &cloud.Error{Op: "account.open", Class: cloud.ErrUnsupported, Err: fmt.Errorf("this version does not speak to the cloud %q", a.Cloud)}
		}
		p, err := e.open(ctx, a, sys)
		var known *cloud.Error
		if err != nil && !errors.As(err, &known) {
			err = &cloud.Error{Op: "account.open", Class: cloud.ErrDenied, Code: "Credentials", Err: err}
		}
		return p, err
	}
}

func openAWS(ctx context.Context, a policy.Account, sys config.System) (cloud.Provider, error) {
	c, err := AWSConfig(a, sys)
	if err != nil {
		return nil, err
	}
	return aws.Open(ctx, c)
}

// AWSConfig resolves an AWS account's credentials.
func AWSConfig(a policy.Account, sys config.System) (aws.Config, error) {
	c := aws.Config{
		Account: a.Name, Endpoint: a.Endpoint, Profile: a.Credentials.Profile,
		AssumeRole: a.Credentials.AssumeRole, ExternalID: a.Credentials.ExternalID,
	}
	if len(a.Regions) > 0 {
		c.DefaultRegion = a.Regions[0]
	}
	err := config.ResolveAll(sys, map[string]string{
		"access-key": string(a.Credentials.AccessKey), "secret-key": string(a.Credentials.SecretKey), "token": string(a.Credentials.Token),
	}, map[string]*string{"access-key": &c.AccessKey, "secret-key": &c.SecretKey, "token": &c.SessionToken})
	return c, err
}

func openAlibaba(ctx context.Context, a policy.Account, sys config.System) (cloud.Provider, error) {
	c := alibaba.Config{
		Account: a.Name, Endpoint: a.Endpoint, Profile: a.Credentials.Profile,
		AssumeRole: a.Credentials.AssumeRole, ExternalID: a.Credentials.ExternalID, Env: sys.Env, ReadFile: sys.ReadFile,
	}
	if len(a.Regions) > 0 {
		c.DefaultRegion = a.Regions[0]
	}
	err := config.ResolveAll(sys, map[string]string{
		"access-key": string(a.Credentials.AccessKey), "secret-key": string(a.Credentials.SecretKey), "token": string(a.Credentials.Token),
	}, map[string]*string{"access-key": &c.AccessKey, "secret-key": &c.SecretKey, "token": &c.SecurityToken})
	if err != nil {
		return nil, err
	}
	return alibaba.Open(ctx, c)
}

func openOpenStack(ctx context.Context, a policy.Account, _ config.System) (cloud.Provider, error) {
	c := openstack.Config{Account: a.Name, Cloud: a.Credentials.CloudsYAML, Endpoint: a.Endpoint}
	if len(a.Regions) > 0 {
		c.Region = a.Regions[0]
	}
	return openstack.Open(ctx, c)
}

func openTencent(ctx context.Context, a policy.Account, sys config.System) (cloud.Provider, error) {
	c := tencent.Config{
		Account: a.Name, Endpoint: a.Endpoint, Profile: a.Credentials.Profile,
		AssumeRole: a.Credentials.AssumeRole, ExternalID: a.Credentials.ExternalID, Getenv: sys.Env, ReadFile: sys.ReadFile,
	}
	if len(a.Regions) > 0 {
		c.DefaultRegion = a.Regions[0]
	}
	err := config.ResolveAll(sys, map[string]string{
		"access-key": string(a.Credentials.AccessKey), "secret-key": string(a.Credentials.SecretKey), "token": string(a.Credentials.Token),
	}, map[string]*string{"access-key": &c.SecretID, "secret-key": &c.SecretKey, "token": &c.Token})
	if err != nil {
		return nil, err
	}
	return tencent.Open(ctx, c)
}
