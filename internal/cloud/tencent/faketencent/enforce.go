package faketencent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// allowance is one statement of a CAM policy that allows something.
type allowance struct {
	Effect    string                         `json:"effect"`
	Action    []string                       `json:"action"`
	Resource  []string                       `json:"resource"`
	Condition map[string]map[string][]string `json:"condition"`
}

const (
	tagOperator  = "for_any_value:string_equal"
	tagCondition = "qcs:resource_tag"
)

// Enforce holds every call of every account from now on to CAM policies, taken together: what no statement of theirs
// allows is refused with UnauthorizedOperation. Without any everything is allowed again. It refuses what it does not know
// how to judge: other effects than allow, resources other than *, and conditions on anything but tags of the resource.
func (f *Fake) Enforce(documents ...[]byte) error {
	var all []allowance
	for _, text := range documents {
		var doc struct {
			Version   string      `json:"version"`
			Statement []allowance `json:"statement"`
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&doc); err != nil {
			return fmt.Errorf("the policy cannot be read: %w", err)
		}
		if doc.Version != "2.0" || len(doc.Statement) == 0 {
			return fmt.Errorf("the policy has the version %q and %d statements, want 2.0 and at least one", doc.Version, len(doc.Statement))
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
	if s.Effect != "allow" || len(s.Action) == 0 || !slices.Equal(s.Resource, []string{"*"}) {
		return fmt.Errorf("the statement on %v: want the effect allow, actions, and the resource *", s.Action)
	}
	for op, keys := range s.Condition {
		for key, values := range keys {
			if op != tagOperator || key != tagCondition || slices.ContainsFunc(values, func(v string) bool { return !strings.Contains(v, "&") }) {
				return fmt.Errorf("the statement on %v: the condition %s of %q is not known here", s.Action, op, key)
			}
		}
	}
	return nil
}

// allows says whether the statement allows an action on something with these tags.
func (s allowance) allows(action string, tags map[string]string) bool {
	if !slices.Contains(s.Action, action) {
		return false
	}
	for _, keys := range s.Condition {
		for _, values := range keys {
			if !slices.ContainsFunc(values, func(v string) bool {
				key, want, _ := strings.Cut(v, "&")
				got, there := tags[key]
				return there && got == want
			}) {
				return false
			}
		}
	}
	return true
}

// authorize refuses a call unless it is allowed on everything that it names. What is sold takes the right to pay besides.
// The lock is held.
func (f *Fake) authorize(name string, act action, where, uin string, reg *region, body []byte) error {
	if !f.enforced || act.unsigned || name == "GetCallerIdentity" {
		return nil
	}
	may := func(action, id string, tags map[string]string) error {
		if slices.ContainsFunc(f.allowed, func(s allowance) bool { return s.allows(action, tags) }) {
			return nil
		}
		return fail("UnauthorizedOperation", "you are not authorized to perform operation (%s)\nresource (qcs::%s:%s:uin/%s:%s) has no permission", action, act.service, where, uin, id)
	}
	action := act.service + ":" + name
	named := 0
	for _, id := range idsIn(body) {
		if reg == nil {
			break
		}
		if v, ok := reg.find(id); ok {
			named++
			if err := may(action, id, v.meta().Tags); err != nil {
				return err
			}
		}
	}
	if named == 0 && !slices.ContainsFunc(f.allowed, func(s allowance) bool { return slices.Contains(s.Action, action) }) {
		return may(action, "*", nil)
	}
	if name == "RunInstances" || name == "CreateDisks" {
		return may("finance:trade", "*", nil)
	}
	return nil
}

// idsIn are the ids that the parameters of a request name, at their top.
func idsIn(body []byte) []string {
	var in map[string]json.RawMessage
	if json.Unmarshal(body, &in) != nil {
		return nil
	}
	var out []string
	for _, key := range []string{"InstanceId", "ImageId", "SnapshotId", "DiskId"} {
		var one string
		if json.Unmarshal(in[key], &one) == nil && one != "" {
			out = append(out, one)
		}
		var many []string
		if json.Unmarshal(in[key+"s"], &many) == nil {
			out = append(out, many...)
		}
	}
	return out
}
