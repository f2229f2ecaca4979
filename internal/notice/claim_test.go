package notice_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/notice"
	"github.com/stint-cloud/stint/internal/store"
)

func tell(t *testing.T, teller *notice.Teller, now time.Time) (time.Time, error) {
	t.Helper()
	next, err := teller.Tell(t.Context(), now)
	return next, err
}

func TestTwoWorkersTellOnce(t *testing.T) {
	m, mail := newMemory(), &channel{name: "mail"}
	for i := range 40 {
		open(t, m, fmt.Sprintf("policy-%02d", i), start)
	}
	var wg sync.WaitGroup
	for range 8 {
		teller := notice.New(m, []notice.Channel{mail}, notice.Options{})
		wg.Go(func() {
			if _, err := teller.Tell(t.Context(), start.Add(time.Minute)); err != nil {
				t.Errorf("Tell: %v", err)
			}
		})
	}
	wg.Wait()
	seen := map[string]int{}
	for _, d := range mail.take() {
		for _, i := range d.Failing {
			seen[i.Key]++
		}
	}
	for i := range 40 {
		key := fmt.Sprintf("policy-%02d", i)
		if seen[key] != 1 {
			t.Errorf("8 tellers at the same time: %s was told %d times, want once", key, seen[key])
		}
		if in := m.get(t, key); in.Told != 1 {
			t.Errorf("%s after telling: Told is %d, want 1", key, in.Told)
		}
	}
}

// A worker dies while it sends: nothing it would have written afterwards is written.
func TestCrashBetweenClaimAndRecordTellsAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		until func(*testing.T, *memory, *notice.Teller) time.Time
	}{
		{"opening", func(t *testing.T, m *memory, _ *notice.Teller) time.Time {
			open(t, m, "a", start)
			return start.Add(time.Minute)
		}},
		{"reminder", func(t *testing.T, m *memory, teller *notice.Teller) time.Time {
			open(t, m, "a", start)
			if _, err := tell(t, teller, start.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			return start.Add(day + time.Minute)
		}},
		{"end", func(t *testing.T, m *memory, teller *notice.Teller) time.Time {
			open(t, m, "a", start)
			if _, err := tell(t, teller, start.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			closeAll(t, m, start.Add(time.Hour), "a")
			return start.Add(time.Hour + time.Minute)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, mail := newMemory(), &channel{name: "mail"}
			teller := notice.New(m, []notice.Channel{mail}, notice.Options{})
			now := c.until(t, m, teller)
			mail.take()

			dead := errors.New("the process is gone")
			mail.hook = func(context.Context, notice.Digest) error {
				m.onSave = func(store.Incident) error { return dead }
				return nil
			}
			if _, err := tell(t, teller, now); !errors.Is(err, dead) {
				t.Fatalf("Tell of a dying worker: %v, want %v", err, dead)
			}
			mail.hook, m.onSave = nil, nil
			if got := mail.take(); len(got) != 1 {
				t.Fatalf("the dying worker sent %d messages, want 1", len(got))
			}

			again := notice.New(m, []notice.Channel{mail}, notice.Options{})
			next, err := tell(t, again, now.Add(time.Second))
			if got := mail.take(); err != nil || len(got) != 0 {
				t.Fatalf("Tell during the dead worker's lease: sent %d messages, %v; want none", len(got), err)
			}
			if want := now.Add(notice.Lease(notice.DefaultTimeout)); !next.Equal(want) {
				t.Errorf("Tell during the lease: next %s, want %s", next, want)
			}
			if _, err := tell(t, again, next); err != nil {
				t.Fatal(err)
			}
			if got := mail.take(); len(got) != 1 || got[0].Empty() {
				t.Errorf("Tell after the lease sent %v, want the message again", got)
			}
			next, err = tell(t, again, next.Add(time.Second))
			if got := mail.take(); err != nil || len(got) != 0 {
				t.Errorf("Tell after that: sent %d messages, %v, next %s; want none", len(got), err, next)
			}
		})
	}
}

func TestSeenWhileSending(t *testing.T) {
	m, mail := newMemory(), &channel{name: "mail"}
	open(t, m, "a", start)
	open(t, m, "b", start)
	now := start.Add(time.Minute)
	mail.hook = func(context.Context, notice.Digest) error {
		open(t, m, "a", now)     // counted again
		closeAll(t, m, now, "b") // over before the mail is out
		return nil
	}
	teller := notice.New(m, []notice.Channel{mail}, notice.Options{})
	if _, err := tell(t, teller, now); err != nil {
		t.Fatal(err)
	}
	mail.hook = nil
	mail.take()
	if in := m.get(t, "a"); in.Told != 1 || in.Count != 2 {
		t.Errorf("a: Told %d, Count %d; want 1 and 2", in.Told, in.Count)
	}
	next, err := tell(t, teller, now.Add(notice.Lease(notice.DefaultTimeout)+time.Minute))
	if got := mail.take(); err != nil || len(got) != 1 || len(got[0].Recovered) != 1 || len(got[0].Failing) != 0 {
		t.Errorf("after b ended while it was told: sent %v, %v, next %s; want one message: b recovered", got, err, next)
	}
}

// A row that changes between look and claim is looked at again in the same call.
func TestClaimOfAChangedRow(t *testing.T) {
	m, mail := newMemory(), &channel{name: "mail"}
	open(t, m, "a", start)
	bumped := false
	m.onSave = func(in store.Incident) error {
		if !bumped {
			bumped = true
			open(t, m, "a", start.Add(30*time.Second))
		}
		return nil
	}
	if _, err := tell(t, notice.New(m, []notice.Channel{mail}, notice.Options{}), start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := mail.take(); len(got) != 1 {
		t.Errorf("Tell with a row that changed under it sent %d messages, want 1", len(got))
	}
}

func TestFailureIsVisible(t *testing.T) {
	m := newMemory()
	mail, hook := &channel{name: "mail"}, &channel{name: "hook"}
	mail.fail(errors.New("550 no such user; correct it"))
	open(t, m, "a", start)
	var log bytes.Buffer
	o := notice.Options{Settle: notice.AtOnce, Log: slog.New(slog.NewTextHandler(&log, nil)), Link: "https://stint.example.com/"}
	teller := notice.New(m, []notice.Channel{mail, hook}, o)
	next, err := tell(t, teller, start)
	if err == nil || !strings.Contains(err.Error(), "channel mail: 550 no such user") {
		t.Errorf("Tell with a failing channel: %v, want its error", err)
	}
	if !strings.Contains(log.String(), "channel=mail") || !strings.Contains(log.String(), "550 no such user") {
		t.Errorf("the log says %q, want that channel mail failed and why", log.String())
	}
	if got := hook.take(); len(got) != 1 {
		t.Errorf("the other channel got %d messages, want 1", len(got))
	}
	if in := m.get(t, notice.ChannelKey("mail")); !in.ClosedAt.IsZero() || !strings.Contains(in.Detail, "550") {
		t.Errorf("the channel's incident is %+v, want it open with the reason", in)
	}

	mail.fail(nil)
	if _, err := tell(t, teller, next); err != nil { // tells hook of the failing channel
		t.Fatal(err)
	}
	if got := hook.take(); len(got) != 1 || got[0].Failing[0].Key != notice.ChannelKey("mail") {
		t.Errorf("the other channel got %v, want the failing channel's incident", got)
	}
	if _, err := tell(t, teller, start.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	got := mail.take()
	if len(got) != 1 || !strings.Contains(got[0].Trouble, "550 no such user") || len(got[0].Failing) != 1 || got[0].Failing[0].Key != "a" {
		t.Errorf("the mended channel got %+v, want one message with a, and with what went wrong", got)
	}
	if in := m.get(t, notice.ChannelKey("mail")); in.ClosedAt.IsZero() {
		t.Error("the mended channel's incident is still open")
	}
}

func TestPartlyIsNotSentAgain(t *testing.T) {
	m, mail := newMemory(), &channel{name: "mail"}
	out := 0
	mail.hook = func(context.Context, notice.Digest) error {
		out++
		return fmt.Errorf("bob@example.com is refused: %w", notice.ErrPartly)
	}
	open(t, m, "a", start)
	teller := notice.New(m, []notice.Channel{mail}, notice.Options{Settle: notice.AtOnce})
	next, err := tell(t, teller, start)
	if !errors.Is(err, notice.ErrPartly) || !strings.Contains(err.Error(), "bob@example.com") {
		t.Errorf("Tell = %v, want ErrPartly with who was not told", err)
	}
	if in := m.get(t, "a"); in.Told != 1 {
		t.Errorf("after a message that is partly out: Told is %d, want 1", in.Told)
	}
	// Those who are reached hear that bob is not; then there is silence until the first reminder.
	mail.hook = nil
	if next, err = tell(t, teller, next); err != nil {
		t.Fatal(err)
	}
	got := mail.take()
	if len(got) != 1 || !strings.Contains(got[0].Text(), "not everybody is reached") || !strings.Contains(got[0].Text(), "bob@example.com") {
		t.Errorf("the next message is %v, want that not everybody is reached", got)
	}
	if out != 1 {
		t.Errorf("sent %d times, want once", out)
	}
	if _, err = tell(t, teller, next); err != nil {
		t.Fatal(err)
	}
	if got := mail.take(); len(got) != 1 || len(got[0].Recovered) != 1 {
		t.Errorf("after all were reached: %v, want that it recovered", got)
	}
}

func TestNobodyToTellIsSaidOnce(t *testing.T) {
	m := newMemory()
	var log bytes.Buffer
	teller := notice.New(m, nil, notice.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	for i := range 3 {
		open(t, m, "a", start)
		next, err := tell(t, teller, start.Add(time.Duration(i)*time.Hour))
		if err != nil || !next.IsZero() {
			t.Errorf("Tell without channels: %s, %v; want nothing due", next, err)
		}
	}
	if n := strings.Count(log.String(), "no channel is configured"); n != 1 {
		t.Errorf("the log says it %d times, want once:\n%s", n, log.String())
	}
	if in := m.get(t, "a"); in.Told != 0 || !in.ToldAt.IsZero() {
		t.Errorf("nobody was told, but the row says %+v", in)
	}
}

func TestRemovedChannelsIncidentIsClosed(t *testing.T) {
	m, mail := newMemory(), &channel{name: "mail"}
	for _, key := range []string{notice.ChannelKey("old"), notice.ChannelKey("mail"), notice.ChannelKey("old") + "/partly"} {
		if err := m.OpenIncident(t.Context(), store.Incident{Key: key, Title: key}, start); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tell(t, notice.New(m, []notice.Channel{mail}, notice.Options{}), start.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if m.get(t, notice.ChannelKey("old")).ClosedAt.IsZero() || m.get(t, notice.ChannelKey("old")+"/partly").ClosedAt.IsZero() {
		t.Error("the incidents of a channel that is gone are still open")
	}
	if !m.get(t, notice.ChannelKey("mail")).ClosedAt.IsZero() {
		t.Error("the incident of a configured channel was closed without a try")
	}
}

func TestGivingUpBlamesNobody(t *testing.T) {
	m, mail := newMemory(), &channel{name: "mail"}
	open(t, m, "a", start)
	ctx, cancel := context.WithCancel(t.Context())
	mail.hook = func(ctx context.Context, _ notice.Digest) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	teller := notice.New(m, []notice.Channel{mail}, notice.Options{})
	if _, err := teller.Tell(ctx, start.Add(time.Minute)); !errors.Is(err, context.Canceled) {
		t.Errorf("Tell of a cancelled context: %v, want context.Canceled", err)
	}
	if open, _ := m.Incidents(t.Context(), false, 10); len(open) != 1 {
		t.Errorf("open incidents after giving up: %v, want only a", open)
	}
	mail.hook = nil
	if _, err := tell(t, teller, start.Add(time.Minute+time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := mail.take(); len(got) != 1 {
		t.Errorf("the next Tell sent %d messages, want the one that was given up", len(got))
	}
}

func TestSlowChannelIsCutOff(t *testing.T) {
	m, mail, hook := newMemory(), &channel{name: "mail"}, &channel{name: "hook"}
	open(t, m, "a", start)
	mail.hook = func(ctx context.Context, _ notice.Digest) error { <-ctx.Done(); return ctx.Err() }
	o := notice.Options{Settle: notice.AtOnce, Timeout: 10 * time.Millisecond}
	_, err := tell(t, notice.New(m, []notice.Channel{mail, hook}, o), start)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Tell with a channel that hangs: %v, want context.DeadlineExceeded", err)
	}
	if len(hook.take()) != 1 || !m.get(t, notice.ChannelKey("mail")).ClosedAt.IsZero() {
		t.Error("the other channel was not told, or the hanging one has no open incident")
	}
}

func TestLastReminderSaysSo(t *testing.T) {
	m, mail := newMemory(), &channel{name: "mail"}
	open(t, m, "a", start)
	teller := notice.New(m, []notice.Channel{mail}, notice.Options{Settle: notice.AtOnce, Reminders: 2})
	for next, last := start, false; !next.IsZero(); {
		var err error
		if next, err = tell(t, teller, next); err != nil {
			t.Fatal(err)
		}
		for _, d := range mail.take() {
			if last {
				t.Fatalf("told after the last reminder: %s", d.Text())
			}
			last = strings.Contains(d.Text(), "this is the last reminder")
			if final := len(d.Still) > 0 && d.At.Equal(start.Add(3*day)); last != final {
				t.Errorf("the message at +%s says that it is the last: %v, want %v", d.At.Sub(start), last, final)
			}
		}
		if next.IsZero() && !last {
			t.Error("the reminders ended and nobody was told so")
		}
	}
}
