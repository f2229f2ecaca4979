package fakealibaba

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// allowance is one statement of a RAM policy that allows something.
type allowance struct {
	Effect    string
	Action    oneOrMore
	Resource  oneOrMore
	Condition map[string]map[string]oneOrMore
}

// oneOrMore is a text, or a list of texts.
type oneOrMore []string

// UnmarshalJSON reads either.
func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(o))
	}
	var one string
	err := json.Unmarshal(b, &one)
	*o = []string{one}
	return err
}

const tagCondition = "acs:ResourceTag/"

// Enforce holds every call from now on to RAM policies, taken together: what no statement of theirs allows is refused with
// Forbidden.RAM, which does not say what is missing. Without any everything is allowed again. It refuses what it does not
// know how to judge: other effects than Allow, and conditions on anything but tags of the resource.
func (f *Fake) Enforce(documents ...[]byte) error {
	var all []allowance
	for _, text := range documents {
		var doc struct {
			Version   string
			Statement []allowance
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&doc); err != nil {
			return fmt.Errorf("the policy cannot be read: %w", err)
		}
		if doc.Version != "1" || len(doc.Statement) == 0 {
			return fmt.Errorf("the policy has the version %q and %d statements, want 1 and at least one", doc.Version, len(doc.Statement))
		}
		for _, s := range doc.Statement {
			if err := s.check(); err != nil {
				return err
			}
		}
		all = append(all, doc.Statement...)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.allowed, f.enforced = all, len(documents) > 0
	return nil
}

func (s allowance) check() error {
	if s.Effect != "Allow" || len(s.Action) == 0 || len(s.Resource) == 0 {
		return fmt.Errorf("the statement on %v: want the effect Allow, actions and resources", s.Action)
	}
	for _, r := range s.Resource {
		if r != "*" && (!strings.HasPrefix(r, "acs:") || strings.Count(r, ":") != 4) {
			return fmt.Errorf("the statement on %v: %q is no ARN", s.Action, r)
		}
	}
	for op, keys := range s.Condition {
		for key := range keys {
			if op != "StringEquals" && op != "StringLike" || !strings.HasPrefix(key, tagCondition) {
				return fmt.Errorf("the statement on %v: the condition %s of %q is not known here", s.Action, op, key)
			}
		}
	}
	return nil
}

// wish is one thing that a call must be allowed: an action on a resource.
type wish struct {
	action, arn string
	tags        map[string]string
	missing     bool // what it is about is not there: the action says so itself
}

// allows says whether the statement allows the wish.
func (s allowance) allows(w wish) bool {
	if !slices.ContainsFunc(s.Action, func(a string) bool { return wild(a, w.action) }) {
		return false
	}
	if w.missing {
		return true
	}
	if !slices.ContainsFunc(s.Resource, func(r string) bool { return wild(r, w.arn) }) {
		return false
	}
	for op, keys := range s.Condition {
		for key, values := range keys {
			got, there := w.tags[strings.TrimPrefix(key, tagCondition)]
			if !there || !slices.ContainsFunc(values, func(v string) bool { return v == got || op == "StringLike" && wild(v, got) }) {
				return false
			}
		}
	}
	return true
}

// wild matches with * and ?.
func wild(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	if pattern[0] == '*' {
		for i := 0; i <= len(s); i++ {
			if wild(pattern[1:], s[i:]) {
				return true
			}
		}
		return false
	}
	return s != "" && (pattern[0] == '?' || pattern[0] == s[0]) && wild(pattern[1:], s[1:])
}

// authorize refuses the call unless everything that it wishes is allowed. The lock is held.
func (f *Fake) authorize(r *region, name string, act action, p *params) error {
	if !f.enforced || act.open || name == "GetCallerIdentity" {
		return nil
	}
	for _, w := range f.wishes(r, name, act, p) {
		if !slices.ContainsFunc(f.allowed, func(s allowance) bool { return s.allows(w) }) {
			return fail(http.StatusForbidden, "Forbidden.RAM", "User not authorized to operate on the specified resource, or this API doesn't support RAM.")
		}
	}
	return nil
}

// about says what an action takes and makes: the parameters that name things, and the kinds that come to be or are listed.
func about() map[string]struct{ takes, makes []string } {
	return map[string]struct{ takes, makes []string }{
		"DescribeInstances":            {nil, []string{"instance"}},
		"DescribeDisks":                {nil, []string{"disk"}},
		"DescribeSnapshots":            {nil, []string{"snapshot"}},
		"DescribeSnapshotGroups":       {nil, []string{"snapshotgroup"}},
		"DescribeLockedSnapshots":      {nil, []string{"snapshot"}},
		"DescribeImages":               {nil, []string{"image"}},
		"DescribeImageSharePermission": {[]string{"ImageId"}, nil},
		"RunInstances":                 {[]string{"ImageId"}, []string{"instance", "securitygroup"}},
		"StartInstance":                {[]string{"InstanceId"}, nil},
		"StopInstance":                 {[]string{"InstanceId"}, nil},
		"DeleteInstance":               {[]string{"InstanceId"}, nil},
		"ModifyInstanceAttribute":      {[]string{"InstanceId"}, nil},
		"CreateDisk":                   {[]string{"SnapshotId"}, []string{"disk"}},
		"DeleteDisk":                   {[]string{"DiskId"}, nil},
		"CreateSnapshot":               {[]string{"DiskId"}, []string{"snapshot"}},
		"ModifySnapshotAttribute":      {[]string{"SnapshotId"}, nil},
		"DeleteSnapshot":               {[]string{"SnapshotId"}, nil},
		"CopySnapshot":                 {[]string{"SnapshotId"}, []string{"snapshot"}},
		"LockSnapshot":                 {[]string{"SnapshotId"}, nil},
		"UnlockSnapshot":               {[]string{"SnapshotId"}, nil},
		"CreateSnapshotGroup":          {[]string{"InstanceId"}, []string{"snapshotgroup"}},
		"DeleteSnapshotGroup":          {[]string{"SnapshotGroupId"}, nil},
		"CreateImage":                  {[]string{"InstanceId"}, []string{"image"}},
		"CopyImage":                    {[]string{"ImageId"}, []string{"image"}},
		"CancelCopyImage":              {[]string{"ImageId"}, nil},
		"ModifyImageSharePermission":   {[]string{"ImageId"}, nil},
		"DeleteImage":                  {[]string{"ImageId"}, nil},
		"TagResources":                 {[]string{"ResourceId.*"}, nil},
		"UntagResources":               {[]string{"ResourceId.*"}, nil},
	}
}

func (f *Fake) wishes(here *region, name string, act action, p *params) []wish {
	touched, known := about()[name]
	if act.sts {
		return []wish{{action: "sts:" + name, arn: p.values["RoleArn"]}}
	}
	if !known || here == nil {
		return []wish{{action: "ecs:" + name, arn: "*"}}
	}
	var out []wish
	for _, param := range touched.takes {
		ids := []string{p.values[param]}
		if list, many := strings.CutSuffix(param, ".*"); many {
			ids = p.list(list, 50)
		}
		for _, id := range ids {
			if id != "" {
				out = append(out, f.wishOf("ecs:"+name, here, id))
			}
		}
	}
	where := here.Name
	if to := p.values["DestinationRegionId"]; to != "" {
		where = to
	}
	for _, kind := range touched.makes {
		out = append(out, wish{action: "ecs:" + name, arn: f.arn("ecs", where, kind, "*")})
		if act.read {
			continue
		}
		if p.values["Tag.1.Key"] != "" && kind != "securitygroup" {
			out = append(out, wish{action: "ecs:TagResources", arn: f.arn("ecs", where, kind, "*")})
		}
	}
	if id := p.values["VSwitchId"]; id != "" {
		out = append(out, wish{action: "ecs:" + name, arn: f.arn("vpc", where, "vswitch", id)})
	}
	return out
}

func (f *Fake) wishOf(action string, here *region, id string) wish {
	kind, tags, missing := "", map[string]string(nil), false
	switch v := here.any(id).(type) {
	case *Instance:
		kind, tags = "instance", v.Tags
	case *Disk:
		kind, tags = "disk", v.Tags
	case *Snapshot:
		kind, tags = "snapshot", v.Tags
	case *Image:
		kind, tags = "image", v.Tags
	case *Group:
		kind, tags = "snapshotgroup", v.Tags
	default:
		missing = true
	}
	return wish{action: action, arn: f.arn("ecs", here.Name, kind, id), tags: tags, missing: missing}
}

func (f *Fake) arn(service, region, kind, id string) string {
	return fmt.Sprintf("acs:%s:%s:%s:%s/%s", service, region, f.opt.Account, kind, id)
}
