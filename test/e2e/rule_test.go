package e2e

import (
	"strconv"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// TestMustStay holds the judge of the stories to cases that a person can check: a judge that lets everything pass would
// make them worthless.
func TestMustStay(t *testing.T) {
	now := time.Now()
	made := func(n int, change func(*fakeaws.Snapshot)) fakeaws.Snapshot {
		at := now.Add(time.Duration(n-10) * time.Hour)
		s := fakeaws.Snapshot{
			Meta: fakeaws.Meta{ID: "snap-" + strconv.Itoa(n), Created: at, Tags: map[string]string{
				"stint:backup": "b" + strconv.Itoa(n), "stint:source": "web/us-east-1/i-1", "stint:policy": "steady", "stint:parts": "1",
			}}, VolumeID: "vol-1", DoneAt: at.Add(time.Second), End: "completed",
		}
		if change != nil {
			change(&s)
		}
		return s
	}
	tag := func(key, value string) func(*fakeaws.Snapshot) {
		return func(s *fakeaws.Snapshot) {
			s.Tags[key] = value
			if value == "" {
				delete(s.Tags, key)
			}
		}
	}
	for _, c := range []struct {
		name   string
		first  func(*fakeaws.Snapshot) // how the one that goes is
		third  func(*fakeaws.Snapshot) // how the newest of three is
		mayGo  bool
		keeper int
	}{
		{"two newer ones are whole, two are kept", nil, nil, true, 2},
		{"two newer ones are whole, three are kept", nil, nil, false, 3},
		{"the newest is not complete", nil, func(s *fakeaws.Snapshot) { s.DoneAt = now.Add(time.Hour) }, false, 2},
		{"the newest failed", nil, func(s *fakeaws.Snapshot) { s.End = "error" }, false, 2},
		{"the newest lacks a part", nil, tag("stint:parts", "2"), false, 2},
		{"the newest is held and does not count", nil, tag("stint:hold", "auditors"), false, 2},
		{"the newest is of another instance", nil, tag("stint:source", "web/us-east-1/i-2"), false, 2},
		{"it is held", tag("stint:hold", "auditors"), nil, false, 2},
		{"its policy's tag was taken off", tag("stint:policy", ""), nil, false, 2},
		{"it was never ours", tag("stint:backup", ""), nil, false, 2},
	} {
		all := map[string]fakeaws.Snapshot{}
		for n, change := range []func(*fakeaws.Snapshot){c.first, nil, c.third} {
			s := made(n, change)
			all[s.ID] = s
		}
		if why := mustStay(all["snap-0"], all, c.keeper, now); (why == "") != c.mayGo {
			t.Errorf("%s: got %q, want that it may go: %v", c.name, why, c.mayGo)
		}
	}
}
