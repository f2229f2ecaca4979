package intercept_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/intercept"
	"github.com/stint-cloud/stint/internal/store"
)

// lines is a record in memory.
type lines struct {
	store.Memory
	mu      sync.Mutex
	batches [][]store.AuditEntry
	gate    chan error // not nil: Append waits for its answer
}

func (m *lines) Append(ctx context.Context, entries ...store.AuditEntry) error {
	if m.gate != nil {
		select {
		case err := <-m.gate:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches = append(m.batches, slices.Clone(entries))
	return nil
}

func wrote(action string) intercept.Record {
	return intercept.Record{Call: cloud.Call{Op: "snapshot.create", Class: cloud.Write, Action: action, Ref: cloud.Ref{Account: "web", Region: "r", Kind: cloud.KindDisk, ID: "vol-1"}}}
}

// noted is the call as it is when the cloud numbered its request.
func noted(rec intercept.Record, err error) intercept.Record {
	rec.RequestID, rec.Err = "req-2", err
	return rec
}

func TestRecordKeepsWritesAndFailedLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &lines{}
		r := intercept.StartRecorder(t.Context(), m, "ann", slog.New(slog.DiscardHandler))
		denied := &cloud.Error{Op: "snapshot.list", Class: cloud.ErrDenied, Code: "UnauthorizedOperation", RequestID: "req-1"}
		listing := cloud.Call{Op: "snapshot.list", Class: cloud.Read, Account: "web", Ref: cloud.Ref{Account: "web", Region: "r", Kind: cloud.KindSnapshot}}
		for _, rec := range []intercept.Record{
			{Call: listing},
			{Call: listing, Err: denied},
			{Call: listing, Err: context.Canceled},
			{Call: cloud.Call{Op: "region.list", Class: cloud.Read, Account: "web"}, Err: denied},
			noted(wrote("a-1"), nil),
			noted(wrote("a-2"), denied), // whose own id is that of the refusal
			noted(wrote("a-3"), context.Canceled),
			{Call: cloud.Call{Op: "snapshot.delete", Class: cloud.Write}, Err: context.Canceled},
			{Call: cloud.Call{Op: "image.share", Class: cloud.Write, With: "444455556666"}},
			{Call: cloud.Call{Op: "image.unshare", Class: cloud.Write, With: "444455556666"}, Err: denied},
		} {
			r.Sink(t.Context(), rec)
		}
		r.Stop()
		var got []string
		for _, e := range slices.Concat(m.batches...) {
			detail, _, _ := strings.Cut(e.Detail, ":")
			if !strings.HasPrefix(detail, "with ") {
				detail = ""
			}
			got = append(got, strings.Join([]string{e.Who, e.What, e.Ref, e.Outcome, e.Code, e.Request, e.Action + detail}, " "))
		}
		want := []string{
			"ann snapshot.list web/r/snapshot denied UnauthorizedOperation req-1 ", "ann region.list web denied UnauthorizedOperation req-1 ",
			"ann snapshot.create web/r/disk/vol-1 ok  req-2 a-1",
			"ann snapshot.create web/r/disk/vol-1 denied UnauthorizedOperation req-1 a-2", "ann snapshot.create web/r/disk/vol-1 canceled  req-2 a-3", "ann snapshot.delete  canceled   ",
			"ann image.share  ok   with 444455556666", "ann image.unshare  denied UnauthorizedOperation req-1 with 444455556666",
		}
		if !slices.Equal(got, want) {
			t.Errorf("the record holds\n%q, want\n%q", got, want)
		}
	})
}

// TestWriteReturnsWhenItsLineIsCommitted: a process that is killed after a call has returned has lost no line. Those who
// wait share a transaction, a failed look waits for nobody, and a caller that is told to stop waits all the same.
func TestWriteReturnsWhenItsLineIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &lines{gate: make(chan error)}
		r := intercept.StartRecorder(t.Context(), m, "ann", slog.New(slog.DiscardHandler))
		over, cancel := context.WithCancel(t.Context())
		cancel()
		returned := make(chan string, 10)
		sink := func(ctx context.Context, rec intercept.Record) {
			go func() {
				r.Sink(ctx, rec)
				returned <- rec.Call.Action
			}()
			synctest.Wait()
		}
		sink(over, wrote("first"))
		for i := range 5 {
			sink(t.Context(), wrote(fmt.Sprint(i)))
		}
		r.Sink(t.Context(), intercept.Record{Call: cloud.Call{Class: cloud.Read}, Err: cloud.ErrDenied})
		if len(returned) > 0 {
			t.Fatalf("a call returned before its line was committed: %s", <-returned)
		}
		m.gate <- nil
		synctest.Wait()
		if len(returned) != 1 || <-returned != "first" {
			t.Fatalf("after the first commit: got %d more calls returned, want the first alone", len(returned))
		}
		m.gate <- nil
		synctest.Wait()
		if len(returned) != 5 || len(m.batches) != 2 || len(m.batches[1]) != 6 {
			t.Fatalf("after the second commit: got %d calls returned and %d transactions, want the five, in one transaction with the look", len(returned), len(m.batches))
		}
		r.Stop()
	})
}

// TestRecordRestsWhileNothingIsCalled: years of virtual time pass in no time, since no ticker has to tick through them.
func TestRecordRestsWhileNothingIsCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := intercept.StartRecorder(t.Context(), &lines{}, "ann", slog.New(slog.DiscardHandler))
		time.Sleep(100 * 365 * 24 * time.Hour)
		r.Stop()
	})
}

// TestLineThatCannotBeWritten goes to the log with all that it would have said, and the next one is tried again.
func TestLineThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &lines{gate: make(chan error)}
		var log bytes.Buffer
		r := intercept.StartRecorder(t.Context(), m, "ann", slog.New(slog.NewTextHandler(&log, nil)))
		rec := wrote("a-1")
		rec.Err = &cloud.Error{Op: "snapshot.create", Class: cloud.ErrQuota, Code: "SnapshotLimitExceeded", RequestID: "req-9"}
		go func() { m.gate <- errors.New("disk full") }()
		r.Sink(t.Context(), rec)
		for _, want := range []string{"could not be written into the record", "snapshot.create", "web/r/disk/vol-1", "a-1", "quota", "SnapshotLimitExceeded", "req-9", "disk full"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log says %q, want it to say %q", log.String(), want)
			}
		}
		began := time.Now()
		r.Sink(t.Context(), wrote("a-2")) // the store does not answer at all
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("Sink waited %s for a store that does not answer, want %s", took, 10*time.Second)
		}
		go func() { m.gate <- nil }()
		r.Sink(t.Context(), wrote("a-3"))
		r.Stop()
		if len(m.batches) != 1 || m.batches[0][0].Action != "a-3" {
			t.Errorf("the record holds %+v, want the third call", m.batches)
		}
	})
}
