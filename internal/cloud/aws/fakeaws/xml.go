package fakeaws

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// doc is an XML answer being written. It is written by hand because a page of a thousand instances has to cost a few
// milliseconds.
type doc struct{ b []byte }

const (
	ec2Space = "http://ec2.amazonaws.com/doc/2016-11-15/"
	stsSpace = "https://sts.amazonaws.com/doc/2011-06-15/"
)

func newDoc(action string, sts bool, requestID string) *doc {
	d := &doc{b: make([]byte, 0, 1024)}
	d.b = append(d.b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<"...)
	d.b = append(d.b, action...)
	if sts {
		d.b = append(d.b, `Response xmlns="`+stsSpace+`">`...)
		d.open(action + "Result")
		return d
	}
	d.b = append(d.b, `Response xmlns="`+ec2Space+`">`...)
	d.str("requestId", requestID)
	return d
}

func (d *doc) end(action string, sts bool, requestID string) []byte {
	if sts {
		d.close(action + "Result")
		d.open("ResponseMetadata")
		d.str("RequestId", requestID)
		d.close("ResponseMetadata")
	}
	d.close(action + "Response")
	return d.b
}

func errorBody(sts bool, code, message, requestID string) []byte {
	d := &doc{b: []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")}
	if sts {
		d.b = append(d.b, `<ErrorResponse xmlns="`+stsSpace+`">`...)
		d.open("Error")
		d.str("Type", "Sender")
		d.str("Code", code)
		d.str("Message", message)
		d.close("Error")
		d.str("RequestId", requestID)
		d.close("ErrorResponse")
		return d.b
	}
	d.open("Response")
	d.open("Errors")
	d.open("Error")
	d.str("Code", code)
	d.str("Message", message)
	d.close("Error")
	d.close("Errors")
	d.str("RequestID", requestID)
	d.close("Response")
	return d.b
}

func (d *doc) open(name string) {
	d.b = append(d.b, '<')
	d.b = append(d.b, name...)
	d.b = append(d.b, '>')
}

func (d *doc) close(name string) {
	d.b = append(d.b, '<', '/')
	d.b = append(d.b, name...)
	d.b = append(d.b, '>')
}

func (d *doc) str(name, v string) {
	d.open(name)
	d.text(v)
	d.close(name)
}

// opt leaves out what is empty.
func (d *doc) opt(name, v string) {
	if v != "" {
		d.str(name, v)
	}
}

func (d *doc) num(name string, v int) {
	d.open(name)
	d.b = strconv.AppendInt(d.b, int64(v), 10)
	d.close(name)
}

func (d *doc) bool(name string, v bool) {
	d.open(name)
	d.b = strconv.AppendBool(d.b, v)
	d.close(name)
}

const timeForm = "2006-01-02T15:04:05.000Z"

func (d *doc) time(name string, v time.Time) {
	d.open(name)
	d.b = v.UTC().AppendFormat(d.b, timeForm)
	d.close(name)
}

func (d *doc) tags(tags map[string]string) {
	if len(tags) == 0 {
		return
	}
	d.open("tagSet")
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		d.open("item")
		d.str("key", k)
		d.str("value", tags[k])
		d.close("item")
	}
	d.close("tagSet")
}

// text escapes what XML needs escaped, and writes characters that XML cannot hold as a question mark.
func (d *doc) text(s string) {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "?")
	}
	if strings.ContainsAny(s, "\uFFFE\uFFFF") {
		s = strings.NewReplacer("\uFFFE", "?", "\uFFFF", "?").Replace(s)
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '<':
			d.b = append(d.b, "&lt;"...)
		case '>':
			d.b = append(d.b, "&gt;"...)
		case '&':
			d.b = append(d.b, "&amp;"...)
		case '"':
			d.b = append(d.b, "&#34;"...)
		case '\t', '\n', '\r':
			d.b = append(d.b, "&#"...)
			d.b = strconv.AppendInt(d.b, int64(c), 10)
			d.b = append(d.b, ';')
		default:
			if c < ' ' {
				c = '?'
			}
			d.b = append(d.b, c)
		}
	}
}
