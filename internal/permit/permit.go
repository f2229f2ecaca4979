package permit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stint-cloud/stint/internal/policy"
)

// Options say which documents are wanted.
type Options struct {
	Role    Role // one of them; zero: look, create and delete, each by itself
	Restore bool // what restores come to as well
}

// Document is what one role of one account must be allowed.
type Document struct {
	Role  Role            `json:"role"`
	Body  json.RawMessage `json:"document"` // in the cloud's own form
	Notes []string        `json:"notes"`    // what the cloud's language could not say, and what to do with it
}

// language writes a cloud's documents: a whole one, with what a reader has to know of it.
type language func(d draft) (body any, notes []string)

// languages are those that can be written.
func languages() map[string]language {
	return map[string]language{"alibaba": ram, "aws": iam, "tencent": cam}
}

// Known says whether documents can be written for the cloud.
func Known(cloud string) bool { return languages()[cloud] != nil }

// draft is one document before it is written in a cloud's language.
type draft struct {
	rules   policy.Rules
	account policy.Account
	role    Role
	table   Table
	needs   []need
}

// Make gives the documents of one account, without those that would allow nothing. An account that no policy reaches has
// none.
func Make(rules policy.Rules, a policy.Account, t Table, opt Options) ([]Document, error) {
	write := languages()[a.Cloud]
	if write == nil || t.Cloud != a.Cloud {
		return nil, fmt.Errorf("account %s: this version writes no permissions for the cloud %q", a.Name, a.Cloud)
	}
	roles := []Role{opt.Role}
	if opt.Role == 0 {
		roles = []Role{Look, Create, Delete}
	}
	all := needs(rules, a, t, opt.Restore)
	var out []Document
	for _, role := range roles {
		d := draft{rules: rules, account: a, role: role, table: t, needs: slices.Clone(all)}
		if role != All {
			d.needs = slices.DeleteFunc(d.needs, func(n need) bool { return n.role != role })
		}
		if len(d.needs) == 0 {
			continue
		}
		body, notes := write(d)
		text, err := encode(body)
		if err != nil {
			return nil, fmt.Errorf("account %s, role %s: %w", a.Name, role, err)
		}
		if notes == nil {
			notes = []string{}
		}
		out = append(out, Document{Role: role, Body: text, Notes: notes})
	}
	return out, nil
}

// encode writes JSON for people: an & stays one.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// has says whether the document is for the role, by itself or among others.
func (d draft) has(role Role) bool { return d.role == role || d.role == All }

// texts is a list that is written as a single text when it has one element.
type texts []string

// MarshalJSON writes it.
func (t texts) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

var numberOf = regexp.MustCompile(`(?::iam::|:ram::|uin/)(\d+):`)

// number is the account's number as far as the policies tell it: by the role that is worked in. Otherwise any.
func (d draft) number() string {
	if m := numberOf.FindStringSubmatch(d.account.Credentials.AssumeRole); m != nil {
		return m[1]
	}
	return "*"
}

// signIn tells what the credentials that take on a role need, which is none of the role's own permissions.
func (d draft) signIn() []string {
	if role := d.account.Credentials.AssumeRole; role != "" {
		return []string{"attach it to the role " + role + "; the credentials that Stint starts with need sts:AssumeRole on that role, and nothing else"}
	}
	return nil
}

// narrowing tells what would make the document narrower.
func (d draft) narrowing() []string {
	var out []string
	if d.number() == "*" {
		out = append(out, "the policies do not say the account's number, so * stands for it: whatever the document is attached to is of one account anyway")
	}
	if len(d.account.Regions) == 0 {
		out = append(out, "account "+d.account.Name+" names no regions, so it is not narrowed to regions: add `regions:`")
	}
	return out
}

// long tells that a document is longer than the cloud takes.
func long(body any, most int) []string {
	text, err := encode(body)
	if err != nil || len(text) <= most {
		return nil // what cannot be written is said by whoever writes it
	}
	return []string{fmt.Sprintf("it has %d characters and the cloud takes %d: attach the roles look, create and delete apart, or name fewer regions", len(text), most)}
}

func title(r Role) string { return strings.ToUpper(r.String()[:1]) + r.String()[1:] }
