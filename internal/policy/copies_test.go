package policy

import (
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

const withCopies = `
accounts:
  web: { cloud: aws, regions: [us-east-1, eu-west-1, ap-south-1] }
policies:
  daily:
    backup:
      select:   { accounts: [web], regions: [us-east-1] }
      schedule: { every: 1d }
      method:   image
      keep:     { last: 7 }
      copies:   [{ to: web/eu-west-1, keep: { last: 3, within: 2d }, key: alias/backup }, { to: web/ap-south-1, keep: { weekly: { from-tag: Weeks } } }]
`

func parsed(t *testing.T, text string) Policy {
	t.Helper()
	rules, complaints := Parse([]File{{Name: "stint.yaml", Data: []byte(text)}})
	if len(complaints) > 0 {
		t.Fatal(complaints)
	}
	return rules.Policies[0]
}

func TestCopies(t *testing.T) {
	b := parsed(t, withCopies).Backup
	if len(b.Copies) != 2 || b.Copies[0].To.Region != "ap-south-1" || b.Copies[0].Keep.Weekly != (Count{N: DefaultCount, FromTag: "Weeks"}) {
		t.Errorf("Parse: got %+v, want two copies, sorted by place, with a count from a tag", b.Copies)
	}
	c, ok := b.FindCopy(cloud.Place{Account: "web", Region: "eu-west-1"})
	if !ok || c.Key != "alias/backup" || c.Keep.String() != "last 3, within 2d" {
		t.Errorf("FindCopy: got %+v %v, want the key and the rule of eu-west-1", c, ok)
	}
	if c, ok := b.FindCopy(cloud.Place{Account: "web", Region: "us-east-1"}); ok {
		t.Errorf("FindCopy of where the instances are: got %+v, want none", c)
	}
}

// TestDigestKnowsCopies has an edit of any part of a copy make another policy, and an order that means nothing none.
func TestDigestKnowsCopies(t *testing.T) {
	first := parsed(t, withCopies).Digest()
	for _, edit := range [][2]string{
		{"to: web/eu-west-1", "to: web/us-east-1"},
		{"last: 3, ", ""},
		{"alias/backup", "alias/other"},
		{", key: alias/backup", ""},
		{"Weeks", "Months"},
		{", { to: web/ap-south-1, keep: { weekly: { from-tag: Weeks } } }", ""},
	} {
		text := strings.Replace(withCopies, edit[0], edit[1], 1)
		if edit[0] == "to: web/eu-west-1" {
			text = strings.Replace(text, "regions: [us-east-1] }\n      sch", "regions: [us-east-1, eu-west-1] }\n      sch", 1)
		}
		if parsed(t, text).Digest() == first {
			t.Errorf("Digest: the same although %q became %q", edit[0], edit[1])
		}
	}
	one, two := "{ to: web/eu-west-1, keep: { last: 3, within: 2d }, key: alias/backup }", "{ to: web/ap-south-1, keep: { weekly: { from-tag: Weeks } } }"
	if turned := strings.Replace(withCopies, one+", "+two, two+", "+one, 1); parsed(t, turned).Digest() != first {
		t.Errorf("Digest: another although only the order of the copies is")
	}
}
