package clouds

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/intercept"
	"github.com/stint-cloud/stint/internal/store"
)

// How calls are gathered before they are written: one transaction for many.
const (
	batchSize = 200
	batchTime = 500 * time.Millisecond
	batchWait = 10 * time.Second // for the store, when the process ends
)

// Record writes every mutating call and every failed look into the store's record, many at a time.
type Record struct {
	store store.Memory
	log   *slog.Logger
	who   string
	ch    chan store.AuditEntry
	done  chan struct{}
	once  sync.Once
}

// StartRecord begins to write; Stop ends it after everything was written. who is in whose name the calls are made.
func StartRecord(ctx context.Context, s store.Memory, who string, log *slog.Logger) *Record {
	r := &Record{store: s, log: log, who: who, ch: make(chan store.AuditEntry, 4*batchSize), done: make(chan struct{})}
	go r.write(context.WithoutCancel(ctx)) // what was called is written down though the process is asked to stop
	return r
}

// Stop writes what is left. No call may be made afterwards.
func (r *Record) Stop() {
	r.once.Do(func() { close(r.ch) })
	<-r.done
}

// Sink takes one call.
func (r *Record) Sink(_ context.Context, rec intercept.Record) {
	if rec.Call.Class == cloud.Read && (rec.Err == nil || errors.Is(rec.Err, context.Canceled)) {
		return
	}
	e := store.AuditEntry{At: rec.Start, Who: r.who, What: rec.Call.Op, Ref: rec.Call.Ref.String(), Action: rec.Call.Action, Outcome: "ok"}
	if rec.Err != nil {
		e.Outcome, e.Detail = cloud.ClassName(rec.Err), rec.Err.Error()
		if ce, ok := errors.AsType[*cloud.Error](rec.Err); ok {
			e.Code, e.Request = ce.Code, ce.RequestID
		}
	}
	r.ch <- e
}

func (r *Record) write(ctx context.Context) {
	defer close(r.done)
	tick := time.NewTicker(batchTime)
	defer tick.Stop()
	var batch []store.AuditEntry
	flush := func() {
		if len(batch) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, batchWait)
		defer cancel()
		if err := r.store.Append(ctx, batch...); err != nil {
			r.log.Error("calls could not be written into the record", "calls", len(batch), "err", err)
		}
		batch = nil
	}
	for {
		select {
		case e, ok := <-r.ch:
			if !ok {
				flush()
				return
			}
			if batch = append(batch, e); len(batch) >= batchSize {
				flush()
			}
		case <-tick.C:
			flush()
		}
	}
}
