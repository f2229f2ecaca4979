package notice

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// How much a message holds.
const (
	MaxLines    = 50   // items of each list in text and HTML; the rest is a number
	MaxJSON     = 500  // items of each list in JSON
	maxTitle    = 200  // characters
	maxDetail   = 1000 // characters
	maxSubject  = 150  // characters
	namesInHead = 3
)

// Subject is the message's one line: "[stint] 3 failing, 1 recovered: nightly-shop, web".
func (d Digest) Subject() string {
	var parts []string
	for _, p := range []struct {
		n    int
		word string
	}{{len(d.Failing), "failing"}, {len(d.Still), "still failing"}, {len(d.Recovered), "recovered"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing to report"}
	}
	subject := "[stint] " + strings.Join(parts, ", ")
	if names := d.names(); len(names) > 0 {
		more := len(names) - namesInHead
		subject += ": " + strings.Join(names[:min(len(names), namesInHead)], ", ")
		if more > 0 {
			subject += fmt.Sprintf(" and %d more", more)
		}
	}
	return cut(oneLine(subject), maxSubject)
}

// names lists what the digest is about, each once: the policies, or the accounts or titles where there is no policy.
func (d Digest) names() []string {
	var names []string
	seen := map[string]bool{}
	for _, list := range [][]Item{d.Failing, d.Still, d.Recovered} {
		for _, i := range list {
			name := i.Policy
			if name == "" {
				name = i.Account
			}
			if name == "" {
				name = cut(oneLine(i.Title), 60)
			}
			if name != "" && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// section is one list as people read it.
type section struct {
	Head  string
	Lines []line
	More  int
}

type line struct {
	Title, Where, When, Detail string
}

func (d Digest) sections() []section {
	var out []section
	for _, s := range []struct {
		head  string
		items []Item
	}{{"Failing", d.Failing}, {"Still failing", d.Still}, {"Recovered", d.Recovered}} {
		if len(s.items) == 0 {
			continue
		}
		sec := section{Head: fmt.Sprintf("%s (%d)", s.head, len(s.items)), More: max(0, len(s.items)-MaxLines)}
		for _, i := range s.items[:min(len(s.items), MaxLines)] {
			sec.Lines = append(sec.Lines, i.line())
		}
		out = append(out, sec)
	}
	return out
}

func (i Item) line() line {
	var where []string
	if i.Policy != "" {
		where = append(where, "policy "+oneLine(i.Policy))
	}
	if i.Account != "" {
		where = append(where, "account "+oneLine(i.Account))
	}
	when := "since " + clock(i.Opened)
	if !i.Closed.IsZero() {
		when = "from " + clock(i.Opened) + " to " + clock(i.Closed)
	}
	if i.Count > 1 {
		when += fmt.Sprintf(", seen %d times, last %s", i.Count, clock(i.Last))
	}
	if i.Back {
		when += "; it had been right again in between"
	}
	if i.Final {
		when += "; this is the last reminder, stint status goes on showing it"
	}
	return line{
		Title: cut(oneLine(i.Title), maxTitle), Where: strings.Join(where, ", "), When: when,
		Detail: cut(clean(i.Detail), maxDetail),
	}
}

// Text is the message as plain text.
func (d Digest) Text() string {
	var b strings.Builder
	for _, s := range d.sections() {
		fmt.Fprintf(&b, "%s\n\n", s.Head)
		for _, l := range s.Lines {
			fmt.Fprintf(&b, "* %s\n", l.Title)
			if l.Where != "" {
				fmt.Fprintf(&b, "  %s\n", l.Where)
			}
			fmt.Fprintf(&b, "  %s\n", l.When)
			if l.Detail != "" {
				fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(l.Detail, "\n", "\n  "))
			}
		}
		if s.More > 0 {
			fmt.Fprintf(&b, "  … and %d more\n", s.More)
		}
		b.WriteString("\n")
	}
	if d.Trouble != "" {
		fmt.Fprintf(&b, "%s\n\n", oneLine(d.Trouble))
	}
	b.WriteString("Times are UTC. ")
	if d.Link != "" {
		fmt.Fprintf(&b, "More: %s\n", oneLine(d.Link))
	} else {
		b.WriteString("More: stint status\n")
	}
	return b.String()
}

const page = `<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{{.Subject}}</title></head>
<body style="font-family:sans-serif;line-height:1.4;max-width:50em">
{{range .Sections}}<h2 style="font-size:1.1em">{{.Head}}</h2>
<ul>
{{range .Lines}}<li style="margin-bottom:.6em"><b>{{.Title}}</b><br>{{if .Where}}{{.Where}}<br>{{end}}{{.When}}{{if .Detail}}<br><span style="white-space:pre-wrap">{{.Detail}}</span>{{end}}</li>
{{end}}{{if .More}}<li>… and {{.More}} more</li>
{{end}}</ul>
{{end}}{{if .Trouble}}<p>{{.Trouble}}</p>
{{end}}<p style="color:#666">Times are UTC. {{if .Link}}<a href="{{.Link}}">More</a>{{else}}More: <code>stint status</code>{{end}}</p>
</body></html>
`

// HTML is the message as a page that loads nothing from anywhere.
func (d Digest) HTML() (string, error) {
	t, err := template.New("digest").Parse(page)
	if err != nil {
		return "", fmt.Errorf("the digest's page: %w", err)
	}
	var b strings.Builder
	err = t.Execute(&b, struct {
		Subject, Trouble, Link string
		Sections               []section
	}{d.Subject(), oneLine(d.Trouble), d.Link, d.sections()})
	if err != nil {
		return "", fmt.Errorf("the digest's page: %w", err)
	}
	return b.String(), nil
}

// Schema names the form of the JSON message. Its fields keep their names and meanings; new ones may be added.
const Schema = "stint.notice/1"

// Message is a digest as programs read it.
type Message struct {
	Schema    string        `json:"schema"`            // always Schema
	ID        string        `json:"id"`                // the same when the same message comes twice
	At        time.Time     `json:"at"`                // when it was made
	Subject   string        `json:"subject"`           // one line for people
	Failing   []MessageItem `json:"failing"`           // told for the first time
	Still     []MessageItem `json:"still-failing"`     // reminders
	Recovered []MessageItem `json:"recovered"`         //
	More      MessageMore   `json:"more"`              // how many were left out of each list
	Trouble   string        `json:"trouble,omitempty"` // what went wrong with this channel before
	Link      string        `json:"link,omitempty"`    // the status page
}

// MessageItem is one incident of a Message.
type MessageItem struct {
	Key          string     `json:"key"` // the same for the same trouble: what to group by
	Policy       string     `json:"policy,omitempty"`
	Account      string     `json:"account,omitempty"`
	Title        string     `json:"title"`
	Detail       string     `json:"detail,omitempty"`
	OpenedAt     time.Time  `json:"opened-at"`
	LastAt       time.Time  `json:"last-at"`
	ClosedAt     *time.Time `json:"closed-at,omitempty"`
	Count        int        `json:"count"`
	Back         bool       `json:"back,omitempty"`          // told before, and it came again
	LastReminder bool       `json:"last-reminder,omitempty"` // nobody will be reminded of it any more
}

// MessageMore counts what a Message left out.
type MessageMore struct {
	Failing   int `json:"failing"`
	Still     int `json:"still-failing"`
	Recovered int `json:"recovered"`
}

// JSON is the message for programs, a Message.
func (d Digest) JSON() ([]byte, error) {
	m := Message{
		Schema: Schema, ID: d.ID, At: d.At, Subject: d.Subject(),
		Failing: messageItems(d.Failing), Still: messageItems(d.Still), Recovered: messageItems(d.Recovered),
		More: MessageMore{
			Failing: max(0, len(d.Failing)-MaxJSON), Still: max(0, len(d.Still)-MaxJSON), Recovered: max(0, len(d.Recovered)-MaxJSON),
		},
		Trouble: oneLine(d.Trouble), Link: d.Link,
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return nil, fmt.Errorf("the digest as JSON: %w", err)
	}
	return b.Bytes(), nil
}

func messageItems(items []Item) []MessageItem {
	out := make([]MessageItem, 0, min(len(items), MaxJSON))
	for _, i := range items[:min(len(items), MaxJSON)] {
		m := MessageItem{
			Key: i.Key, Policy: i.Policy, Account: i.Account, Title: cut(oneLine(i.Title), maxTitle), Detail: cut(clean(i.Detail), maxDetail),
			OpenedAt: i.Opened, LastAt: i.Last, Count: i.Count, Back: i.Back, LastReminder: i.Final,
		}
		if !i.Closed.IsZero() {
			m.ClosedAt = &i.Closed
		}
		out = append(out, m)
	}
	return out
}

// clock is an instant as people read it.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// clean takes out what is no text: control characters but the line feed, and bytes that are no UTF-8.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return ' '
		}
		return r
	}, s))
}

// oneLine is clean on one line.
func oneLine(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// cut shortens a text to at most n characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
