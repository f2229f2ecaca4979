package intercept

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/store"
)

const (
	groupSize = 200              // how many calls go into one transaction at most
	groupWait = 10 * time.Second // for the store
)

// Recorder writes every mutating call and every failed look into the store's record. A mutating call returns only when
// its line is committed; those that wait at the same time share one transaction, and nothing wakes up while no call is
// made. A line that cannot be written goes to the log: the call was made, whatever the database says.
type Recorder struct {
	store store.Memory
	log   *slog.Logger
	who   string
	ch    chan called
	done  chan struct{}
	once  sync.Once
}

// called is one call that went out, and who waits for its line; nil when nobody does.
type called struct {
	entry   store.AuditEntry
	written chan struct{}
}

// StartRecorder begins to write; Stop ends it after everything was written. who is in whose name the calls are made.
func StartRecorder(ctx context.Context, s store.Memory, who string, log *slog.Logger) *Recorder {
	r := &Recorder{store: s, log: log, who: who, ch: make(chan called, groupSize), done: make(chan struct{})}
	go r.write(context.WithoutCancel(ctx)) // what was called is written down though the process is asked to stop
	return r
}

// Stop writes what is left. No call may be made afterwards.
func (r *Recorder) Stop() {
	r.once.Do(func() { close(r.ch) })
	<-r.done
}

// Sink takes one call. For a mutating one it returns when the line is written, or could not be; the caller's context
// does not matter, since the call was made.
func (r *Recorder) Sink(_ context.Context, rec Record) {
	looked := rec.Call.Class == cloud.Read
	if looked && (rec.Err == nil || errors.Is(rec.Err, context.Canceled)) {
		return
	}
	c := called{entry: r.entry(rec)}
	if looked {
		r.ch <- c
		return
	}
	c.written = make(chan struct{})
	r.ch <- c
	<-c.written
}

func (r *Recorder) entry(rec Record) store.AuditEntry {
	e := store.AuditEntry{At: rec.Start, Who: r.who, What: rec.Call.Op, Ref: refText(rec.Call), Action: rec.Call.Action, Outcome: "ok", Request: rec.RequestID}
	if rec.Err != nil {
		e.Outcome, e.Detail = cloud.ClassName(rec.Err), rec.Err.Error()
		if ce, ok := errors.AsType[*cloud.Error](rec.Err); ok {
			e.Code, e.Request = ce.Code, cmp.Or(ce.RequestID, rec.RequestID)
		}
	}
	if rec.Call.With != "" { // that something was shared is of no use without with whom
		e.Detail = strings.TrimSuffix("with "+rec.Call.With+": "+e.Detail, ": ")
	}
	return e
}

// refText says what the call was about; a listing is about a scope.
func refText(c cloud.Call) string {
	if c.Ref.IsZero() {
		return c.Account
	}
	return strings.TrimSuffix(c.Ref.String(), "/")
}

func (r *Recorder) write(ctx context.Context) {
	defer close(r.done)
	for c := range r.ch {
		group := []called{c}
		for more := true; more && len(group) < groupSize; {
			select {
			case c, ok := <-r.ch:
				if more = ok; ok {
					group = append(group, c)
				}
			default:
				more = false
			}
		}
		r.commit(ctx, group)
	}
}

func (r *Recorder) commit(ctx context.Context, group []called) {
	entries := make([]store.AuditEntry, len(group))
	for i, c := range group {
		entries[i] = c.entry
	}
	ctx, cancel := context.WithTimeout(ctx, groupWait)
	defer cancel()
	if err := r.store.Append(ctx, entries...); err != nil {
		for _, e := range entries {
			r.log.Error("a call could not be written into the record", "op", e.What, "ref", e.Ref, "action", e.Action, "outcome", e.Outcome, "code", e.Code, "request", e.Request, "err", err)
		}
	}
	for _, c := range group {
		if c.written != nil {
			close(c.written)
		}
	}
}
