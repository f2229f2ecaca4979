package notice_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/notice"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlite"
)

// The store that people use agrees with the one of the other tests.
func TestOnSQLite(t *testing.T) {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "stint.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mail := &channel{name: "mail"}
	teller := notice.New(s, []notice.Channel{mail}, notice.Options{})
	for _, step := range []struct {
		at   time.Duration
		do   func(now time.Time) error
		want string
	}{
		{0, func(now time.Time) error {
			return s.OpenIncident(t.Context(), store.Incident{Key: "a", Policy: "nightly", Title: "denied"}, now)
		}, ""},
		{time.Minute, nil, "[stint] 1 failing: nightly"},
		{2 * time.Minute, nil, ""},
		{day + time.Minute, nil, "[stint] 1 still failing: nightly"},
		{day + time.Hour, func(now time.Time) error { return s.CloseIncidents(t.Context(), []string{"a"}, now) }, ""},
		{day + time.Hour + time.Minute, nil, "[stint] 1 recovered: nightly"},
		{40 * day, nil, ""},
	} {
		now := start.Add(step.at)
		if step.do != nil {
			if err := step.do(now); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := tell(t, teller, now); err != nil {
			t.Fatalf("Tell(+%s): %v", step.at, err)
		}
		got := ""
		for _, d := range mail.take() {
			got += d.Subject()
		}
		if got != step.want {
			t.Errorf("Tell(+%s) sent %q, want %q", step.at, got, step.want)
		}
	}
}
