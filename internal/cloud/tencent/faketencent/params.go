package faketencent

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

// decode reads the parameters. One that T does not have, at any depth, is refused by its exact name.
func decode[T any](body []byte) (T, error) {
	var in T
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(body, &top); err != nil || top == nil {
		return in, fail("InvalidRequest", "The request body is not a JSON object.")
	}
	known := map[string]bool{}
	for field := range reflect.TypeFor[T]().Fields() {
		known[field.Name] = true
	}
	for name := range top {
		if !known[name] {
			return in, fail("UnknownParameter", "The parameter `%s` is not recognized.", name)
		}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		if _, name, ok := strings.Cut(err.Error(), "unknown field "); ok {
			return in, fail("UnknownParameter", "The parameter %s is not recognized.", name)
		}
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return in, fail("InvalidParameter", "The value type of parameter `%s` is not valid.", wrong.Field)
		}
		return in, fail("InvalidParameter", "The parameters cannot be read.")
	}
	return in, nil
}

func missing(name string) error {
	return fail("MissingParameter", "The request is missing a required parameter: %s.", name)
}

// Tag is a tag as CVM and CBS write it.
type Tag struct{ Key, Value string }

// TagSpecification is how CVM takes tags at creation.
type TagSpecification struct {
	ResourceType string
	Tags         []Tag
}

const (
	maxTags     = 50
	maxTagKey   = 127
	maxTagValue = 255
)

// tagCodes are a service's words for what is wrong with tags.
type tagCodes struct{ key, value, reserved, twice, quota string }

var (
	cvmTags = tagCodes{"FailedOperation.IllegalTagKey", "FailedOperation.IllegalTagValue", "FailedOperation.TagKeyReserved", "InvalidParameterValue.DuplicateTags", "InvalidParameterValue.TagQuotaLimitExceeded"}
	cbsTags = tagCodes{"InvalidParameterValue", "InvalidParameterValue", "InvalidParameterValue", "InvalidParameterValue", "LimitExceeded.TagQuotaLimitExceeded"}
	tagTags = tagCodes{"InvalidParameterValue.TagKeyLengthExceeded", "InvalidParameterValue.TagValueLengthExceeded", "InvalidParameter.ReservedTagKey", "InvalidParameterValue.TagKeyDuplicate", "LimitExceeded.ResourceAttachedTags"}
)

// check holds tags to the cloud's limits.
func (codes tagCodes) check(list []Tag) (map[string]string, error) {
	tags := make(map[string]string, len(list))
	for _, t := range list {
		if _, twice := tags[t.Key]; twice {
			return nil, fail(codes.twice, "The tag key %q is given twice.", t.Key)
		}
		switch {
		case t.Key == "" || len([]rune(t.Key)) > maxTagKey || strings.ContainsFunc(t.Key, control):
			return nil, fail(codes.key, "The tag key %q is not legal.", t.Key)
		case len([]rune(t.Value)) > maxTagValue || strings.ContainsFunc(t.Value, control):
			return nil, fail(codes.value, "The value of the tag %q is not legal.", t.Key)
		case reservedKey(t.Key):
			return nil, fail(codes.reserved, "The tag key %q is reserved by the system.", t.Key)
		}
		tags[t.Key] = t.Value
	}
	if len(tags) > maxTags {
		return nil, fail(codes.quota, "A resource has at most %d tags.", maxTags)
	}
	return tags, nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

func reservedKey(key string) bool {
	for _, p := range []string{"qcloud", "tencent", "project"} {
		if len(key) >= len(p) && strings.EqualFold(key[:len(p)], p) {
			return true
		}
	}
	return false
}

// specified are the tags for one resource type; any other type is refused.
func specified(specs []TagSpecification, kind string) (map[string]string, error) {
	var all []Tag
	for _, s := range specs {
		if s.ResourceType != kind {
			return nil, fail("InvalidParameterValue", "The resource type %q cannot be tagged here.", s.ResourceType)
		}
		all = append(all, s.Tags...)
	}
	return cvmTags.check(all)
}
