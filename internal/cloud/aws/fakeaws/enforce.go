package fakeaws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// allowance is one statement of an IAM policy that allows something.
type allowance struct {
	Sid       string
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

// Enforce holds every call from now on to IAM policies, taken together: what no statement of theirs allows is refused
// with UnauthorizedOperation. Without any everything is allowed again. It refuses what it does not know how to judge:
// other effects than Allow, elements and conditions besides those that it knows.
func (f *Fake) Enforce(documents ...[]byte) error {
	var all []allowance
	for _, text := range documents {
		var doc struct {
			Version   string
			ID        string `json:"Id"`
			Statement []allowance
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&doc); err != nil {
			return fmt.Errorf("the policy cannot be read: %w", err)
		}
		if doc.Version != "2012-10-17" || len(doc.Statement) == 0 {
			return fmt.Errorf("the policy has the version %q and %d statements, want 2012-10-17 and at least one", doc.Version, len(doc.Statement))
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
		return fmt.Errorf("statement %q: want the effect Allow, actions and resources", s.Sid)
	}
	if strings.ContainsFunc(s.Sid, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", r)
	}) {
		return fmt.Errorf("statement %q: a Sid has letters and digits alone", s.Sid)
	}
	for _, r := range s.Resource {
		if r != "*" && (!strings.HasPrefix(r, "arn:") || strings.Count(r, ":") < 5) {
			return fmt.Errorf("statement %q: %q is no ARN", s.Sid, r)
		}
	}
	for op, keys := range s.Condition {
		for key, values := range keys {
			if op == "Null" && (len(values) != 1 || values[0] != "true" && values[0] != "false") {
				return fmt.Errorf("statement %q: Null wants true or false", s.Sid)
			}
			known := key == "aws:RequestedRegion" || key == "ec2:CreateAction" || tagKey(key) != ""
			if !known && slices.ContainsFunc(s.Action, func(a string) bool { return strings.HasPrefix(a, "ec2:") }) {
				return fmt.Errorf("statement %q: the condition key %q is not known here", s.Sid, key)
			}
			if known && op != "Null" && op != "StringEquals" && op != "StringLike" {
				return fmt.Errorf("statement %q: the condition operator %q is not known here", s.Sid, op)
			}
		}
	}
	return nil
}

func tagKey(key string) string {
	for _, begin := range []string{"aws:ResourceTag/", "ec2:ResourceTag/"} {
		if k, ok := strings.CutPrefix(key, begin); ok {
			return k
		}
	}
	return ""
}

// wish is one thing that a call must be allowed: an action on a resource.
type wish struct {
	action, arn string
	region      string // that is asked
	while       string // the action in whose course something is tagged
	tags        map[string]string
	missing     bool // what it is about is not there: the action says so itself
}

// allows says whether the statement allows the wish.
func (s allowance) allows(w wish) bool {
	if !slices.ContainsFunc(s.Action, func(a string) bool { return wild(strings.ToLower(a), strings.ToLower(w.action)) }) {
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
			got, there := w.region, true
			if key == "ec2:CreateAction" {
				got, there = w.while, w.while != ""
			} else if k := tagKey(key); k != "" {
				got, there = w.tags[k], hasKey(w.tags, k)
			}
			switch {
			case op == "Null" && there == (values[0] == "true"):
				return false
			case op == "StringEquals" && !(there && slices.Contains(values, got)):
				return false
			case op == "StringLike" && !(there && slices.ContainsFunc(values, func(v string) bool { return wild(v, got) })):
				return false
			}
		}
	}
	return true
}

func hasKey(m map[string]string, k string) bool {
	_, ok := m[k]
	return ok
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
func (f *Fake) authorize(id identity, r *region, name string, sts bool, p *params) error {
	if !f.enforced || name == "GetCallerIdentity" {
		return nil
	}
	for _, w := range f.wishes(r, name, sts, p) {
		if !slices.ContainsFunc(f.allowed, func(s allowance) bool { return s.allows(w) }) {
			code := "UnauthorizedOperation"
			if sts {
				code = "AccessDenied"
			}
			return failStatus(http.StatusForbidden, code,
				"You are not authorized to perform this operation. User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action. Encoded authorization failure message: 8dT0example",
				id.arn, w.action, w.arn, w.action)
		}
	}
	return nil
}

// about says what an action takes and makes: the parameters that name things, and the kinds that come to be. Describe
// actions are about no resource.
func about() map[string]struct{ takes, makes []string } {
	return map[string]struct{ takes, makes []string }{
		"CreateSnapshot":          {[]string{"VolumeId"}, []string{"snapshot"}},
		"CreateSnapshots":         {[]string{"InstanceSpecification.InstanceId"}, []string{"snapshot"}},
		"DeleteSnapshot":          {[]string{"SnapshotId"}, nil},
		"CopySnapshot":            {[]string{"SourceSnapshotId"}, []string{"snapshot"}},
		"CreateImage":             {[]string{"InstanceId"}, []string{"image", "snapshot"}},
		"RegisterImage":           {nil, []string{"image"}},
		"CopyImage":               {[]string{"SourceImageId"}, []string{"image"}},
		"DeregisterImage":         {[]string{"ImageId"}, nil},
		"CreateVolume":            {[]string{"SnapshotId"}, []string{"volume"}},
		"DeleteVolume":            {[]string{"VolumeId"}, nil},
		"AttachVolume":            {[]string{"VolumeId", "InstanceId"}, nil},
		"RunInstances":            {[]string{"ImageId"}, []string{"instance", "volume", "network-interface", "subnet", "security-group"}},
		"StartInstances":          {[]string{"InstanceId.*"}, nil},
		"StopInstances":           {[]string{"InstanceId.*"}, nil},
		"TerminateInstances":      {[]string{"InstanceId.*"}, nil},
		"ModifyImageAttribute":    {[]string{"ImageId"}, nil},
		"ModifySnapshotAttribute": {[]string{"SnapshotId"}, nil},
		"CreateTags":              {[]string{"ResourceId.*"}, nil},
		"DeleteTags":              {[]string{"ResourceId.*"}, nil},

		"DescribeImageAttribute":    {[]string{"ImageId"}, nil},
		"DescribeSnapshotAttribute": {[]string{"SnapshotId"}, nil},
	}
}

func (f *Fake) wishes(here *region, name string, sts bool, p *params) []wish {
	if sts {
		return []wish{{action: "sts:" + name, arn: p.values["RoleArn"]}}
	}
	base := wish{action: "ec2:" + name, arn: "*", region: here.Name}
	touched, known := about()[name]
	if !known {
		return []wish{base}
	}
	var out []wish
	for _, param := range touched.takes {
		ids := []string{p.values[param]}
		if list, many := strings.CutSuffix(param, ".*"); many {
			ids = p.list(list)
		}
		for _, id := range ids {
			if id != "" {
				out = append(out, f.wishesOf(base, here, id, p.values["SourceRegion"])...)
			}
		}
	}
	for _, kind := range touched.makes {
		w := base
		w.arn = f.arn(here.Name, kind, "new")
		out = append(out, w)
	}
	if p.values["KeyName"] != "" {
		w := base
		w.arn = f.arn(here.Name, "key-pair", p.values["KeyName"])
		out = append(out, w)
	}
	for _, g := range p.groups("TagSpecification") {
		w := base
		w.action, w.while, w.arn = "ec2:CreateTags", name, f.arn(here.Name, p.values[g+".ResourceType"], "new")
		out = append(out, w)
	}
	return out
}

// wishesOf are the things that an id names: the thing itself, and of CreateSnapshots' instance its volumes.
func (f *Fake) wishesOf(base wish, here *region, id, from string) []wish {
	if r := f.state.Regions[from]; r != nil {
		here = r
	}
	prefix, _, _ := strings.Cut(id, "-")
	kind := map[string]string{"i": "instance", "vol": "volume", "snap": "snapshot", "ami": "image"}[prefix]
	w := base
	w.arn, w.missing = f.arn(here.Name, kind, id), true
	var volumes []string
	if v, ok := here.Instances.find(id); ok {
		w.tags, w.missing, volumes = v.Tags, false, v.Volumes
	} else if v, ok := here.Volumes.find(id); ok {
		w.tags, w.missing = v.Tags, false
	} else if v, ok := here.Snapshots.find(id); ok {
		w.tags, w.missing = v.Tags, false
	} else if v, ok := here.Images.find(id); ok {
		w.tags, w.missing = v.Tags, false
	}
	out := []wish{w}
	if base.action == "ec2:CreateSnapshots" {
		for _, v := range volumes {
			w.arn = f.arn(here.Name, "volume", v)
			out = append(out, w)
		}
	}
	return out
}

// arn names a thing; images and snapshots have no number in theirs.
func (f *Fake) arn(region, kind, id string) string {
	number := f.opt.Account
	if kind == "image" || kind == "snapshot" {
		number = ""
	}
	return fmt.Sprintf("arn:aws:ec2:%s:%s:%s/%s", region, number, kind, id)
}
