package inventory

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

// nothing is the text of TagBy when no tag selected the source: some clouds refuse empty values.
const nothing = "-"

// hashed marks a value that was too long to be written out.
const hashed = "~"

// FormatBy writes the tags that a source was selected by into at most limit characters: key=value, joined by blanks,
// with what is not plain escaped as in URLs. When that is too long, values give way to hashes of themselves; when even
// that is too long, later tags are left out.
func FormatBy(tags cloud.Tags, limit int) string {
	if len(tags) == 0 {
		return nothing
	}
	write := func(value func(string) string) string {
		parts := make([]string, len(tags))
		for i, t := range tags {
			parts[i] = url.QueryEscape(t.Key) + "=" + value(t.Value)
		}
		return strings.Join(parts, " ")
	}
	if s := write(url.QueryEscape); len(s) <= limit {
		return s
	}
	s := write(func(v string) string { return hashed + shortHash(v) })
	for len(s) > limit {
		i := strings.LastIndexByte(s, ' ')
		if i < 0 {
			return nothing
		}
		s = s[:i]
	}
	return s
}

// ParseBy reads what FormatBy wrote. A value that gave way to a hash comes back as that hash; sameValue knows it. What
// a person has garbled reads as a tag that nothing carries, so that the backup is held.
func ParseBy(text string) cloud.Tags {
	if text == nothing || text == "" {
		return nil
	}
	m := map[string]string{}
	for part := range strings.SplitSeq(text, " ") {
		k, v, ok := strings.Cut(part, "=")
		key, err1 := url.QueryUnescape(k)
		value, err2 := url.QueryUnescape(v)
		if !ok || err1 != nil || err2 != nil || key == "" {
			m[cloud.TagBy+" "+part] = ""
			continue
		}
		m[key] = value
	}
	return cloud.TagsOf(m)
}

func sameValue(want, got string) bool {
	if want == got {
		return true
	}
	h, ok := strings.CutPrefix(want, hashed)
	return ok && h == shortHash(got)
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}
