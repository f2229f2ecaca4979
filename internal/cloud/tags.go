package cloud

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The tags that everything Stint makes carries, from the creating call on where the cloud allows it.
const (
	TagPrefix   = "stint:"         // every tag of ours begins so; none of these is inherited from a source
	TagPolicy   = "stint:policy"   // the policy's name; taken off by a person, it is a hold
	TagSource   = "stint:source"   // account/region/id of the instance that the backup is of
	TagSlot     = "stint:slot"     // the schedule slot, RFC 3339 in UTC, or the event's id
	TagBy       = "stint:by"       // the tags that the source was selected by, as they were
	TagBackup   = "stint:backup"   // the backup's id; all parts and copies of one backup share it
	TagParts    = "stint:parts"    // how many snapshots the backup is made of, when it is made of snapshots
	TagCopy     = "stint:copy"     // account/region that a copy was made for and, for a part of a backup, the disk that the original is of
	TagHold     = "stint:hold"     // a person's stop, with its reason
	TagRole     = "stint:role"     // standby, drill …: made by us to be used by us; no policy selects it
	TagAction   = "stint:action"   // the id of the action that made it
	TagRestored = "stint:restored" // the backup that an instance or disk was restored from
)

// Tag is one key with its value; on a cloud that has bare labels the value is empty.
type Tag struct {
	Key, Value string
}

// Tags are sorted by key, each key once. Make them with TagsOf or With; never change one in place, as they are shared.
type Tags []Tag

// TagsOf sorts a map into Tags.
func TagsOf(m map[string]string) Tags {
	if len(m) == 0 {
		return nil
	}
	t := make(Tags, 0, len(m))
	for k, v := range m {
		t = append(t, Tag{k, v})
	}
	slices.SortFunc(t, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
	return t
}

func (t Tags) search(key string) (int, bool) {
	lo, hi := 0, len(t)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if t[mid].Key < key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(t) && t[lo].Key == key
}

// Find gives the key's value, and whether the key is there.
func (t Tags) Find(key string) (string, bool) {
	if i, ok := t.search(key); ok {
		return t[i].Value, true
	}
	return "", false
}

// Value gives the key's value, empty when the key is not there.
func (t Tags) Value(key string) string {
	v, _ := t.Find(key)
	return v
}

// Has says whether the key is there.
func (t Tags) Has(key string) bool {
	_, ok := t.search(key)
	return ok
}

// With is a copy with the key set to the value.
func (t Tags) With(key, value string) Tags {
	i, ok := t.search(key)
	if ok {
		out := slices.Clone(t)
		out[i].Value = value
		return out
	}
	out := make(Tags, 0, len(t)+1)
	out = append(out, t[:i]...)
	out = append(out, Tag{key, value})
	return append(out, t[i:]...)
}

// Without is a copy that lacks the keys.
func (t Tags) Without(keys ...string) Tags {
	return t.Keep(func(tag Tag) bool { return !slices.Contains(keys, tag.Key) })
}

// Keep is a copy with those tags for which keep says yes.
func (t Tags) Keep(keep func(Tag) bool) Tags {
	var out Tags
	for _, tag := range t {
		if keep(tag) {
			out = append(out, tag)
		}
	}
	return out
}

// Merge is a copy in which the other's values win.
func (t Tags) Merge(other Tags) Tags {
	out := make(Tags, 0, len(t)+len(other))
	i, j := 0, 0
	for i < len(t) || j < len(other) {
		switch {
		case j == len(other) || i < len(t) && t[i].Key < other[j].Key:
			out = append(out, t[i])
			i++
		case i == len(t) || other[j].Key < t[i].Key:
			out = append(out, other[j])
			j++
		default:
			out = append(out, other[j])
			i, j = i+1, j+1
		}
	}
	return out
}

// Contains says whether every one of want is there with the same value.
func (t Tags) Contains(want Tags) bool {
	for _, w := range want {
		if v, ok := t.Find(w.Key); !ok || v != w.Value {
			return false
		}
	}
	return true
}

// Equal says whether both hold the same tags.
func (t Tags) Equal(o Tags) bool { return slices.Equal(t, o) }

// Map is the tags as a new map.
func (t Tags) Map() map[string]string {
	m := make(map[string]string, len(t))
	for _, tag := range t {
		m[tag.Key] = tag.Value
	}
	return m
}

// String is key=value, joined by commas, in order.
func (t Tags) String() string {
	parts := make([]string, len(t))
	for i, tag := range t {
		parts[i] = tag.Key + "=" + tag.Value
	}
	return strings.Join(parts, ",")
}

// MarshalJSON writes an object with sorted keys.
func (t Tags) MarshalJSON() ([]byte, error) { return json.Marshal(t.Map()) }

// UnmarshalJSON reads an object.
func (t *Tags) UnmarshalJSON(b []byte) error {
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("tags: %w", err)
	}
	*t = TagsOf(m)
	return nil
}
