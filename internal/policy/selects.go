package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/schedule"
)

// IsEmpty says that no part is set, except perhaps what takes instances out: such a selector selects nothing.
func (s Select) IsEmpty() bool {
	return len(s.Accounts) == 0 && len(s.Regions) == 0 && len(s.Tags) == 0 && len(s.IDs) == 0
}

// Match says whether the selector covers the instance. What Stint itself made to be used by it, and what is gone, is never
// covered, whatever tags it has.
func (s Select) Match(i *cloud.Instance) bool {
	switch {
	case i == nil, s.IsEmpty(), i.Power == cloud.PowerGone, i.Tags.Has(cloud.TagRole):
		return false
	case len(s.Accounts) > 0 && !slices.Contains(s.Accounts, i.Ref.Account):
		return false
	case len(s.Regions) > 0 && !slices.Contains(s.Regions, i.Ref.Region):
		return false
	case len(s.IDs) > 0 && !slices.Contains(s.IDs, i.Ref.ID):
		return false
	case slices.Contains(s.Except.IDs, i.Ref.ID):
		return false
	}
	for _, t := range s.Tags {
		if !t.Match(i.Tags) {
			return false
		}
	}
	for _, t := range s.Except.Tags {
		if t.Match(i.Tags) {
			return false
		}
	}
	return true
}

// By are those of the tags that the selector asks for: a person who changes one of them on a backup holds the backup.
func (s Select) By(tags cloud.Tags) cloud.Tags {
	return tags.Keep(func(tag cloud.Tag) bool {
		return slices.ContainsFunc(s.Tags, func(m TagMatch) bool { return m.Key == tag.Key })
	})
}

// Match says whether the tags have the key, with one of the values if there are any.
func (m TagMatch) Match(tags cloud.Tags) bool {
	value, ok := tags.Find(m.Key)
	return ok && (len(m.Values) == 0 || slices.Contains(m.Values, value))
}

// value is the number for an instance with these tags. A tag that is not there means the default; one that is no number
// does too, and is a problem to tell, since somebody meant something by it.
func (c Count) value(tags cloud.Tags) (n int, problem string) {
	if c.FromTag == "" {
		return c.N, ""
	}
	text, ok := tags.Find(c.FromTag)
	if !ok {
		return c.N, ""
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 || n > MaxCount {
		return c.N, "tag " + c.FromTag + "=" + quote(text) + " is no whole number from 1 to " + strconv.Itoa(MaxCount) + ", so " + strconv.Itoa(c.N) + " is used"
	}
	return n, ""
}

// IsZero says that the count keeps nothing.
func (c Count) IsZero() bool { return c == Count{} }

// String is the number, or the tag and its default.
func (c Count) String() string {
	if c.FromTag == "" {
		return strconv.Itoa(c.N)
	}
	return "tag " + c.FromTag + ", else " + strconv.Itoa(c.N)
}

// String says the rule as it stands in policies: "last 7, daily 14, within 30d".
func (k Keep) String() string {
	var parts []string
	for _, p := range []struct {
		word  string
		count Count
	}{{"last", k.Last}, {"hourly", k.Hourly}, {"daily", k.Daily}, {"weekly", k.Weekly}, {"monthly", k.Monthly}, {"yearly", k.Yearly}} {
		switch {
		case p.count.FromTag != "":
			parts = append(parts, p.word+" ("+p.count.String()+")")
		case p.count.N != 0:
			parts = append(parts, p.word+" "+p.count.String())
		}
	}
	if k.Within != 0 {
		parts = append(parts, "within "+schedule.FormatDuration(k.Within))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
