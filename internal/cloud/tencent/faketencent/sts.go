package faketencent

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

var roleForm = regexp.MustCompile(`^qcs::cam::uin/(\d+):roleName/([\w+=,.@-]+)$`)

type empty struct{}

func getCallerIdentity(c *call, _ empty) (obj, error) {
	kind := "RootAccount"
	if c.who.role {
		kind = "CAMRole"
	}
	return obj{"Arn": c.who.arn, "AccountId": c.who.uin, "UserId": c.who.uin, "PrincipalId": c.who.uin, "Type": kind}, nil
}

// role finds the role that an ARN names.
func (c *call) role(arn string) (string, Role, error) {
	m := roleForm.FindStringSubmatch(arn)
	if m == nil {
		return "", Role{}, fail("InvalidParameter.ParamError", "The RoleArn %q is invalid.", arn)
	}
	role, ok := c.f.logins[m[1]].Roles[m[2]]
	if !ok {
		return "", Role{}, fail("ResourceNotFound.RoleNotFound", "The role %q does not exist.", arn)
	}
	return m[1], role, nil
}

type assumeRoleIn struct {
	RoleArn, RoleSessionName, ExternalId, Policy string
	DurationSeconds                              *int
}

func assumeRole(c *call, in assumeRoleIn) (obj, error) {
	uin, role, err := c.role(in.RoleArn)
	if err != nil {
		return nil, err
	}
	trusts := role.Trusts
	if len(trusts) == 0 {
		trusts = []string{uin}
	}
	if c.who.role || !slices.Contains(trusts, c.who.uin) || role.ExternalID != in.ExternalId || role.WebToken != "" {
		return nil, fail("UnauthorizedOperation", "%s is not authorized to perform operation (sts:AssumeRole) on %s.", c.who.arn, in.RoleArn)
	}
	return c.lend(uin, in.RoleArn, in.RoleSessionName, in.DurationSeconds)
}

type webIdentityIn struct {
	ProviderId, WebIdentityToken, RoleArn, RoleSessionName string
	DurationSeconds                                        *int
}

func assumeRoleWithWebIdentity(c *call, in webIdentityIn) (obj, error) {
	if in.ProviderId == "" || in.WebIdentityToken == "" {
		return nil, missing("WebIdentityToken")
	}
	uin, role, err := c.role(in.RoleArn)
	if err != nil {
		return nil, err
	}
	if role.WebToken == "" || role.WebToken != in.WebIdentityToken {
		return nil, fail("InvalidParameter.WebIdentityTokenError", "The token of the identity provider is not valid.")
	}
	return c.lend(uin, in.RoleArn, in.RoleSessionName, in.DurationSeconds)
}

// lend gives out a temporary key.
func (c *call) lend(uin, arn, name string, duration *int) (obj, error) {
	seconds := 7200
	if duration != nil {
		seconds = *duration
	}
	if n := len(name); n < 2 || n > 128 {
		return nil, fail("InvalidParameter.ParamError", "RoleSessionName has 2 to 128 characters.")
	}
	if seconds < 1 || seconds > 43200 {
		return nil, fail("InvalidParameter.OverTimeError", "DurationSeconds is not in 1 to 43200.")
	}
	n := c.f.state.next() ^ c.f.state.Seed<<32
	id := fmt.Sprintf("AKIDEXAMPLE-%016x", mix(n))
	s := session{
		UIN: uin, Secret: fmt.Sprintf("secret-%016x", mix(n+1<<40)), Token: fmt.Sprintf("token-%016x", mix(n+1<<41)),
		ARN: "qcs::sts::uin/" + uin + ":federated-user/" + strings.ReplaceAll(name, "/", "-"), Expires: c.now.Add(time.Duration(seconds) * time.Second).UTC(),
	}
	c.f.state.Sessions[id] = s
	return obj{
		"Credentials": obj{"TmpSecretId": id, "TmpSecretKey": s.Secret, "Token": s.Token}, "ExpiredTime": s.Expires.Unix(),
		"Expiration": s.Expires.Format(time.RFC3339),
	}, nil
}
