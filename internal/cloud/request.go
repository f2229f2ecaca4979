package cloud

import (
	"context"
	"sync/atomic"
)

// RequestID is the number that the cloud gave to a call's request; see WatchRequest.
type RequestID struct {
	id    atomic.Pointer[string]
	outer *RequestID // of who watches around this one
}

// Get is the number of the last request so far; empty when it was given none, or no answer came.
func (r *RequestID) Get() string {
	if id := r.id.Load(); id != nil {
		return *id
	}
	return ""
}

type requestKey struct{}

// WatchRequest gives a context under which the ids of requests are noted, and where the last of them is found, also while
// the call is still under way. Several may watch the same call, one around the other.
func WatchRequest(ctx context.Context) (context.Context, *RequestID) {
	outer, _ := ctx.Value(requestKey{}).(*RequestID)
	r := &RequestID{outer: outer}
	return context.WithValue(ctx, requestKey{}, r), r
}

// NoteRequest tells those who watch, if anybody does, which id the cloud gave to a request. A provider calls it after each
// request, whatever came of it, from any goroutine, and with an empty id when none is known: of several requests, such as
// the tries of a call, the last counts. Where a call must look before it changes something, the change comes last.
func NoteRequest(ctx context.Context, id string) {
	r, ok := ctx.Value(requestKey{}).(*RequestID)
	if !ok {
		return
	}
	kept := id // of its own, so that nothing is allocated where nobody watches
	for ; r != nil; r = r.outer {
		r.id.Store(&kept)
	}
}
