package fakeaws

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

func getCallerIdentity(*params) func(*call) error {
	return func(c *call) error {
		c.out.str("Arn", c.id.arn)
		c.out.str("UserId", c.id.userID)
		c.out.str("Account", c.f.opt.Account)
		return nil
	}
}

func assumeRole(p *params) func(*call) error {
	arn, name, external := p.must("RoleArn"), p.must("RoleSessionName"), p.get("ExternalId")
	seconds := p.int("DurationSeconds", 3600)
	if seconds < 900 || seconds > 43200 {
		p.fail(fail("ValidationError", "1 validation error detected: Value '%d' at 'durationSeconds' is outside 900 to 43200", seconds))
	}
	return func(c *call) error {
		if want, known := c.f.opt.Roles[arn]; c.f.opt.Roles != nil && (!known || want != external) {
			return failStatus(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.id.arn, arn)
		}
		n := c.f.state.next() ^ c.f.state.Seed<<32
		key := fmt.Sprintf("ASIAEXAMPLE%016X", mix(n))
		s := session{
			Secret:  fmt.Sprintf("secret-%016x", mix(n+1<<40)),
			Token:   fmt.Sprintf("token-%016x", mix(n+1<<41)),
			ARN:     strings.Replace(strings.Replace(arn, ":iam:", ":sts:", 1), ":role/", ":assumed-role/", 1) + "/" + name,
			Expires: c.now.Add(time.Duration(seconds) * time.Second).UTC(),
		}
		c.f.state.Sessions[key] = s
		c.out.open("AssumedRoleUser")
		c.out.str("Arn", s.ARN)
		c.out.str("AssumedRoleId", "AROAEXAMPLE:"+name)
		c.out.close("AssumedRoleUser")
		c.out.open("Credentials")
		c.out.str("AccessKeyId", key)
		c.out.str("SecretAccessKey", s.Secret)
		c.out.str("SessionToken", s.Token)
		c.out.time("Expiration", s.Expires)
		c.out.close("Credentials")
		return nil
	}
}
