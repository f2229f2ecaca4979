package openstack

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

// FuzzCursor: a cursor that is read is written the same; what no listing wrote is refused or harmless.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{"", ";", "hidden;a,b", "a,b", ";a", "x;y;z", ";,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := parseCursor(text)
		if !ok {
			return
		}
		again, ok := parseCursor(c.String())
		if !ok || again.part != c.part || !slices.Equal(again.markers, c.markers) {
			t.Errorf("parseCursor(%q) = %+v; written as %q it reads %+v, %v", text, c, c.String(), again, ok)
		}
	})
}

// FuzzImageJSON: whatever glance answers, it is refused or read, and only texts become properties.
func FuzzImageJSON(f *testing.F) {
	for _, s := range []string{
		`{"id":"1","name":"n","status":"active","size":5,"tags":["a=b"],"created_at":"2026-11-20T00:00:00Z","stint:policy":"daily"}`,
		`{"id":null,"size":-1,"tags":null,"x":1,"y":{"z":[]},"w":"\u0000"}`, `{"size":1e99}`, `[]`, `{"ID":"1","id":"2"}`, `{"created_at":"2026-11-20T00:00:00.123456"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var i image
		if err := json.Unmarshal(data, &i); err != nil {
			return
		}
		var raw map[string]any
		if err := json.Unmarshal(data, &raw); err != nil {
			t.Fatalf("Unmarshal(%q): accepted, and is no object: %v", data, err)
		}
		for k, v := range i.properties {
			if raw[k] != v {
				t.Errorf("Unmarshal(%q): the property %q is %q, want %v", data, k, v, raw[k])
			}
		}
		if at := instant(i.Created); !at.IsZero() && at.Location() != time.UTC {
			t.Errorf("instant(%q) = %v, want UTC", i.Created, at)
		}
	})
}

// FuzzReference: an id inside of an object, or nothing at all, and never an error.
func FuzzReference(f *testing.F) {
	for _, s := range []string{`{"id":"1"}`, `""`, `null`, `[]`, `{"id":5}`, `1e999`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r reference
		err := json.Unmarshal(data, &r)
		if json.Valid(data) != (err == nil) {
			t.Errorf("Unmarshal(%q): got %v, want an error only for what is no JSON", data, err)
		}
	})
}
