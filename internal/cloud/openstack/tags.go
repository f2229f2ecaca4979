package openstack

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

// A tag becomes an entry of metadata (servers, volumes, snapshots) or a property (images) of the same name, unless the
// name will not do; then it becomes one of these, and is read back as what it was:
//
//	stint.tag.owner      glance takes owner, name, status … for its own, and os_type or hw_… change how a server boots;
//	                     it also keeps but one of env and Env
//	stint.b64.Y2Fmw6k    metadata takes letters, digits, blanks and -_:. alone, while bare tags may be anything
const (
	plainPrefix  = "stint.tag."
	base64Prefix = "stint.b64."
)

// writable is what nova lets a key of metadata be; cinder allows a slash besides, but no way to take such a key off.
var writable = regexp.MustCompile(`^[a-zA-Z0-9\-_:. ]{1,255}$`)

// sign is the property that an image of ours carries: the name that it was given. Another name means that the image
// inherited our tags, and is not ours.
const sign = "stint.image"

// description is the property that consoles show as such.
const description = "description"

// void is the value of our tags on an image that are not meant: nova would hand down the source's own.
const void = "(none)"

// handedDown are our tags that a backup need not have, and which its source's image may have had.
var handedDown = []string{cloud.TagHold, cloud.TagRole, cloud.TagParts, cloud.TagRestored}

// attribute are the names that an image has for itself, or that a service writes and reads: not shown as tags.
var attribute = set(`
	id name owner status visibility size virtual_size checksum os_hash_algo os_hash_value os_hidden protected min_disk min_ram
	disk_format container_format created_at updated_at deleted deleted_at tags self file schema stores location locations
	direct_url properties is_public members
	user_id instance_uuid base_image_ref image_type image_location image_state owner_id owner_user_name owner_project_name
	boot_roles kernel_id ramdisk_id root_device_name block_device_mapping bdm_v2 mappings backup_type signature_verified
	cinder_encryption_key_id cinder_encryption_key_deletion_policy ` + description + " " + sign)

// attributePrefixes begin more of these.
var attributePrefixes = []string{"os_glance_", "os_hash_", "owner_specified."}

// meaningful are the names that change what becomes of a server made from the image: shown, but never written.
var meaningful = set("architecture hypervisor_type vm_mode auto_disk_config cache_in_nova")

// meaningfulPrefixes begin more of these.
var meaningfulPrefixes = []string{"os_", "hw_", "img_", "trait:", "cinder_"}

func set(names string) map[string]bool {
	m := map[string]bool{}
	for _, n := range strings.Fields(names) {
		m[n] = true
	}
	return m
}

func begins(key string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// housekeeping says whether a property of an image is no tag.
func housekeeping(name string) bool { return attribute[name] || begins(name, attributePrefixes) }

// written is the name under which a key is stored, and decoded gives the key back.
func written(kind cloud.Kind, key string) string {
	switch {
	case !writable.MatchString(key):
		return base64Prefix + base64.RawURLEncoding.EncodeToString([]byte(key))
	case strings.HasPrefix(key, plainPrefix), strings.HasPrefix(key, base64Prefix):
		return plainPrefix + key
	case kind == cloud.KindImage && (housekeeping(strings.ToLower(key)) || meaningful[key] || begins(key, meaningfulPrefixes)):
		return plainPrefix + key
	}
	return key
}

// decoded gives the key that a name stands for, and whether the name is one of our making.
func decoded(name string) (string, bool) {
	if key, ok := strings.CutPrefix(name, plainPrefix); ok && key != "" {
		return key, true
	}
	if text, ok := strings.CutPrefix(name, base64Prefix); ok {
		if key, err := base64.RawURLEncoding.DecodeString(text); err == nil && len(key) > 0 {
			return string(key), true
		}
	}
	return name, false
}

// metadata is the tags as they are written to a thing that already has the names. A name that differs from another in
// nothing but its case gives way, since glance's database takes them for the same.
func metadata(kind cloud.Kind, tags cloud.Tags, names ...string) map[string]string {
	taken := map[string]string{}
	for _, n := range names {
		taken[strings.ToLower(n)] = n
	}
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		name := written(kind, t.Key)
		if other, ok := taken[strings.ToLower(name)]; ok && other != name {
			name = base64Prefix + base64.RawURLEncoding.EncodeToString([]byte(t.Key))
		}
		taken[strings.ToLower(name)] = name
		out[name] = t.Value
	}
	return out
}

// tagsOf reads metadata, over bare tags with empty values. What is written under a name of our making wins.
func tagsOf(meta map[string]string, bare []string) cloud.Tags {
	m := make(map[string]string, len(meta)+len(bare))
	for _, b := range bare {
		m[b] = ""
	}
	var ours [][2]string
	for name, value := range meta {
		if key, made := decoded(name); made {
			ours = append(ours, [2]string{key, value})
		} else {
			m[key] = value
		}
	}
	for _, kv := range ours {
		m[kv[0]] = kv[1]
	}
	return cloud.TagsOf(m)
}

// imageTags reads the tags of an image from its properties. See sign for what is not believed.
func imageTags(name string, properties map[string]string, bare []string) cloud.Tags {
	shown := make(map[string]string, len(properties))
	signed, has := properties[sign]
	inherited := has && signed != name
	for k, v := range properties {
		if housekeeping(k) || strings.HasPrefix(k, cloud.TagPrefix) && (v == void || inherited) {
			continue
		}
		shown[k] = v
	}
	return tagsOf(shown, bare)
}

// imageMetadata is what an image of ours carries from the creating call on.
func imageMetadata(name string, tags cloud.Tags) map[string]string {
	m := metadata(cloud.KindImage, tags)
	m[sign] = name
	for _, key := range handedDown {
		if _, ok := m[key]; !ok {
			m[key] = void
		}
	}
	return m
}

// texts are the properties of an image that are texts; glance gives them beside its own attributes.
func texts(raw map[string]json.RawMessage) map[string]string {
	out := map[string]string{}
	for k, v := range raw {
		var s string
		if len(v) > 0 && v[0] == '"' && json.Unmarshal(v, &s) == nil {
			out[k] = s
		}
	}
	return out
}
