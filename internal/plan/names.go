package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
)

// slug turns a person's name into at most max characters that every cloud takes in a name: letters, digits, '-', '_'
// and '.', beginning with a letter. What has no such character gives the fallback.
func slug(name, fallback string, max int) string {
	var b strings.Builder
	dash := false
	for _, r := range name {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.'
		switch {
		case plain && b.Len() == 0 && !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'):
			continue
		case plain:
			if dash {
				b.WriteByte('-')
			}
			b.WriteRune(r)
			dash = false
		default:
			dash = b.Len() > 0
		}
		if b.Len() >= max {
			break
		}
	}
	s := strings.TrimRight(b.String(), "-._")
	if len(s) > max {
		s = strings.TrimRight(s[:max], "-._")
	}
	if s == "" && fallback != "" {
		return slug("i-"+fallback, "", max)
	}
	return s
}

// backupName is the readable, deterministic name of a backup: the instance, the slot, and enough of the backup's id to
// be unique in the account. At most 60 characters.
func backupName(inst *cloud.Instance, slot time.Time, backup string, try int) string {
	name := slug(inst.Name, inst.Ref.ID, 28) + "-" + slot.UTC().Format("20060102T150405Z") + "-" + inventory.NameMark(backup)
	if try > 0 {
		name += "-" + strconv.Itoa(try+1)
	}
	return name
}

// backupTags are the tags that a backup carries: the source's own as far as the cloud lets them be set and has room, and
// ours. by are the tags that selected the source. dropped lists the keys that had to be left out.
func backupTags(t cloud.Traits, inst *cloud.Instance, by cloud.Tags, ours cloud.Tags) (tags cloud.Tags, kept cloud.Tags, dropped []string) {
	room := t.MaxTags - len(ours) - 3 // TagBy, TagAction and the name are still to come
	fits := func(tag cloud.Tag) bool {
		return !strings.HasPrefix(tag.Key, cloud.TagPrefix) && !reserved(t.ReservedTags, tag.Key) &&
			len([]rune(tag.Key)) <= t.MaxTagKey && len([]rune(tag.Value)) <= t.MaxTagValue
	}
	inherited := make(cloud.Tags, 0, len(by)+len(inst.Tags)) // kept sorted
	take := func(tag cloud.Tag, quiet bool) {
		switch {
		case inherited.Has(tag.Key):
		case !fits(tag) || len(inherited) >= room:
			if !quiet {
				dropped = append(dropped, tag.Key)
			}
		default:
			at, _ := slices.BinarySearchFunc(inherited, tag.Key, func(t cloud.Tag, key string) int { return strings.Compare(t.Key, key) })
			inherited = slices.Insert(inherited, at, tag)
		}
	}
	for _, tag := range by {
		take(tag, false)
	}
	for _, tag := range inst.Tags {
		if tag.Key == t.NameTag && !by.Has(tag.Key) {
			continue // the backup has a name of its own
		}
		ownedByOthers := strings.HasPrefix(tag.Key, cloud.TagPrefix) || reserved(t.ReservedTags, tag.Key)
		take(tag, ownedByOthers || by.Has(tag.Key))
	}
	kept = by.Keep(func(tag cloud.Tag) bool { return inherited.Has(tag.Key) })
	tags = inherited.Merge(ours).With(cloud.TagBy, inventory.FormatBy(kept, min(t.MaxTagValue, 250)))
	return tags, kept, dropped
}

// reserved says whether users may not set the key: it begins with one of the prefixes, or is one of the words that end
// with "=".
func reserved(list []string, key string) bool {
	return slices.ContainsFunc(list, func(p string) bool {
		if word, ok := strings.CutSuffix(p, "="); ok {
			return key == word
		}
		return strings.HasPrefix(strings.ToLower(key), strings.ToLower(p))
	})
}

// SlotText is a slot as tags and plans write it.
func SlotText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// ofBackups is "the backup", or how many there are.
func ofBackups(n int) string {
	if n == 1 {
		return "the backup"
	}
	return fmt.Sprintf("each of the %d backups", n)
}

// count writes a number with its noun.
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if stem, ok := strings.CutSuffix(one, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, one)
}
