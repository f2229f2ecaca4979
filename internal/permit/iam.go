package permit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stint-cloud/stint/internal/policy"
)

// iamDocument is a policy of AWS IAM.
type iamDocument struct {
	Version   string
	Statement []iamStatement
}

type iamStatement struct {
	Sid       string
	Effect    string
	Action    texts
	Resource  texts
	Condition map[string]map[string]texts `json:",omitempty"`
}

// iamMost is how many characters a managed policy takes.
const iamMost = 6144

// iam writes a document for AWS.
func iam(d draft) (any, []string) {
	doc := iamDocument{Version: "2012-10-17"}
	say := func(g grant) {
		s := iamStatement{Effect: "Allow", Action: g.actions, Resource: g.resources, Condition: map[string]map[string]texts{}}
		if g.ours != "" {
			s.Condition["Null"] = map[string]texts{"aws:ResourceTag/" + g.ours: {"false"}}
		}
		if len(g.while) > 0 {
			s.Condition["StringEquals"] = map[string]texts{"ec2:CreateAction": g.while}
		}
		if len(g.regions) > 0 {
			s.Condition["StringEquals"] = map[string]texts{"aws:RequestedRegion": g.regions}
		}
		doc.Statement = append(doc.Statement, s)
	}
	for _, g := range d.grants(d.arns) {
		say(g)
	}
	notes := d.signIn()
	if d.has(Look) {
		for _, c := range d.rules.Notify {
			if c.SNS != nil && c.SNS.Account == d.account.Name {
				say(grant{actions: []string{"sns:Publish"}, resources: []string{c.SNS.Topic}})
			}
		}
		notes = append(notes, "EC2 cannot narrow Describe actions to resources or tags: they are narrowed to regions alone")
	}
	if d.has(Create) {
		doc.Statement = append(doc.Statement, d.keys()...)
		if slices.ContainsFunc(d.needs, func(n need) bool { return n.op == "instance.run" || n.op == "disk.create" }) {
			notes = append(notes, "restores of what is encrypted with a key of your own need rights on that key as well: see AWS on kms:CreateGrant and kms:Decrypt")
		}
	}
	for i := range doc.Statement {
		doc.Statement[i].Sid = fmt.Sprintf("Stint%s%d", title(d.role), i+1)
	}
	notes = append(notes, d.narrowing()...)
	return doc, append(notes, long(doc, iamMost)...)
}

// partition is the part of AWS that the account is in, as its role or its regions tell.
func (d draft) partition() string {
	if parts := strings.Split(d.account.Credentials.AssumeRole, ":"); len(parts) > 1 {
		return parts[1]
	}
	for _, r := range d.account.Regions {
		switch {
		case strings.HasPrefix(r, "cn-"):
			return "aws-cn"
		case strings.HasPrefix(r, "us-gov-"):
			return "aws-us-gov"
		}
	}
	return "aws"
}

// arns names the things of EC2. Those of images and snapshots have no number: an image may be anybody's. The * that
// stands for it covers both none and any.
func (d draft) arns(kinds, regions []string) []string {
	var out []string
	for _, kind := range kinds {
		number := d.number()
		if kind == "image" || kind == "snapshot" {
			number = "*"
		}
		for _, r := range regions {
			out = append(out, fmt.Sprintf("arn:%s:ec2:%s:%s:%s/*", d.partition(), r, number, kind))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// keys let EBS encrypt copies with a key that a policy names. EBS uses it on the account's behalf: no call of ours does.
func (d draft) keys() []iamStatement {
	var arns, aliases []string
	for _, pol := range d.rules.Policies {
		if pol.Backup == nil || pol.Disabled {
			continue
		}
		for _, c := range pol.Backup.Copies {
			if c.Key == "" || c.To.Account != d.account.Name {
				continue
			}
			arn, alias := d.key(c)
			arns = append(arns, arn)
			if alias != "" {
				aliases = append(aliases, alias)
			}
		}
	}
	if len(arns) == 0 {
		return nil
	}
	slices.Sort(arns)
	slices.Sort(aliases)
	arns, aliases = slices.Compact(arns), slices.Compact(aliases)
	use := iamStatement{
		Effect: "Allow", Resource: arns,
		Action:    texts{"kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"},
		Condition: map[string]map[string]texts{},
	}
	grant := iamStatement{
		Effect: "Allow", Resource: arns, Action: texts{"kms:CreateGrant"},
		Condition: map[string]map[string]texts{"Bool": {"kms:GrantIsForAWSResource": {"true"}}},
	}
	if len(aliases) > 0 {
		use.Condition["ForAnyValue:StringEquals"] = map[string]texts{"kms:ResourceAliases": aliases}
		grant.Condition["ForAnyValue:StringEquals"] = map[string]texts{"kms:ResourceAliases": aliases}
	}
	return []iamStatement{use, grant}
}

// key is the key as a resource; one that is named by its alias is any key that has it.
func (d draft) key(c policy.Copy) (arn, alias string) {
	switch {
	case strings.Contains(c.Key, ":alias/"):
		_, alias, _ = strings.Cut(c.Key, ":alias/")
		alias = "alias/" + alias
	case strings.HasPrefix(c.Key, "alias/"):
		alias = c.Key
	case strings.HasPrefix(c.Key, "arn:"):
		return c.Key, ""
	default:
		return fmt.Sprintf("arn:%s:kms:%s:%s:key/%s", d.partition(), c.To.Region, d.number(), c.Key), ""
	}
	return fmt.Sprintf("arn:%s:kms:%s:%s:key/*", d.partition(), c.To.Region, d.number()), alias
}
