package cloud_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func TestLastRequestCounts(t *testing.T) {
	outside, outer := cloud.WatchRequest(t.Context())
	ctx, inner := cloud.WatchRequest(outside)
	for _, id := range []string{"req-1", "req-2", ""} {
		cloud.NoteRequest(ctx, id)
		if inner.Get() != id || outer.Get() != id {
			t.Errorf("after NoteRequest(%q): got %q, and %q around it, want it in both", id, inner.Get(), outer.Get())
		}
	}
	cloud.NoteRequest(outside, "req-3")
	if inner.Get() != "" || outer.Get() != "req-3" {
		t.Errorf("after a request outside: got %q, and %q around it, want it in the outer alone", inner.Get(), outer.Get())
	}
}

// TestRequestsAreNotedByMany: whoever is last, it is one of them.
func TestRequestsAreNotedByMany(t *testing.T) {
	ctx, got := cloud.WatchRequest(t.Context())
	noted := map[string]bool{}
	var wg sync.WaitGroup
	for i := range 20 {
		id := fmt.Sprint("req-", i)
		noted[id] = true
		wg.Go(func() { cloud.NoteRequest(ctx, id) })
	}
	wg.Wait()
	if !noted[got.Get()] {
		t.Errorf("Get() = %q, want one of those noted", got.Get())
	}
}

func TestUnwatchedRequestCostsNothing(t *testing.T) {
	ctx := cloud.ForAction(context.Background(), "a-1")
	if n := testing.AllocsPerRun(100, func() { cloud.NoteRequest(ctx, "req-1") }); n > 0 {
		t.Errorf("NoteRequest where nobody watches: got %v allocations, want none", n)
	}
}
