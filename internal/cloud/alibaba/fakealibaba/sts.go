package fakealibaba

import (
	"fmt"
	"net/http"
	"regexp"
	"time"
)

var (
	accountForm = regexp.MustCompile(`^\d{6,20}$`)
	roleForm    = regexp.MustCompile(`^acs:ram::(\d{6,20}):role/([\w.@-]{1,64})$`)
	sessionForm = regexp.MustCompile(`^[\w.@-]{2,64}$`)
)

func getCallerIdentity(*params) func(*call) error {
	return func(c *call) error {
		c.out["Arn"], c.out["AccountId"], c.out["UserId"], c.out["IdentityType"] = c.id.arn, c.f.opt.Account, c.id.userID, "RAMUser"
		return nil
	}
}

// lending reads what both ways of assuming a role have in common.
func (p *params) lending() (role, name string, lasts time.Duration) {
	role, name = p.must("RoleArn"), p.must("RoleSessionName")
	lasts = time.Duration(p.int("DurationSeconds", 3600, 900, 43200)) * time.Second
	p.ignore("Policy")
	if role != "" && !roleForm.MatchString(role) {
		p.bad("InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed.")
	}
	if name != "" && !sessionForm.MatchString(name) {
		p.bad("InvalidParameter.RoleSessionName", "The parameter RoleSessionName is wrongly formed.")
	}
	return role, name, lasts
}

func assumeRole(p *params) func(*call) error {
	role, name, lasts := p.lending()
	external := p.get("ExternalId")
	return func(c *call) error { return c.lend(role, name, external, true, lasts) }
}

func assumeRoleWithOIDC(p *params) func(*call) error {
	role, name, lasts := p.lending()
	p.must("OIDCProviderArn")
	p.must("OIDCToken")
	return func(c *call) error { return c.lend(role, name, "", false, lasts) }
}

// lend gives keys for a role, of this account or another at the same address.
func (c *call) lend(role, name, external string, checked bool, lasts time.Duration) error {
	uid := roleForm.FindStringSubmatch(role)[1]
	owner := c.f
	if uid != owner.opt.Account {
		owner = nil
		for _, other := range c.f.others {
			if other.opt.Account == uid {
				owner = other
			}
		}
	}
	if owner == nil {
		return fail(http.StatusNotFound, "EntityNotExist.Role", "The role not exists: %s.", role)
	}
	if owner.opt.Roles != nil {
		want, known := owner.opt.Roles[role]
		switch {
		case !known:
			return fail(http.StatusNotFound, "EntityNotExist.Role", "The role not exists: %s.", role)
		case checked && want != external:
			return fail(http.StatusForbidden, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM.")
		}
	}
	n := c.f.state.next() ^ c.f.state.Seed<<32
	key := fmt.Sprintf("STS.EXAMPLE%016X", mix(n))
	s := session{
		Account: uid, Secret: fmt.Sprintf("secret-%016x", mix(n+1<<40)), Token: fmt.Sprintf("token-%016x", mix(n+1<<41)),
		ARN: role + "/" + name, Expires: c.now.Add(lasts).UTC().Truncate(time.Second),
	}
	c.f.vault.put(key, s)
	c.out["AssumedRoleUser"] = fields{"Arn": s.ARN, "AssumedRoleId": "300000000000000001:" + name}
	c.out["Credentials"] = fields{
		"AccessKeyId": key, "AccessKeySecret": s.Secret, "SecurityToken": s.Token, "Expiration": s.Expires.Format(timeForm),
	}
	return nil
}
