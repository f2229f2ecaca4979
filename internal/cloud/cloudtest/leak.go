package cloudtest

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// goroutines notes which run now and gives a check that none has come since. Idle connections of an HTTP client and
// those of a fake's server may stay.
func goroutines(t *testing.T) (check func()) {
	t.Helper()
	before := map[string]bool{}
	for id := range running() {
		before[id] = true
	}
	return func() {
		t.Helper()
		deadline := time.Now().Add(2 * time.Second)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			var left []string
			for id, stack := range running() {
				if !before[id] {
					left = append(left, stack)
				}
			}
			if len(left) == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("%d goroutines are left behind, want none:\n%s", len(left), strings.Join(left, "\n\n"))
				return
			}
			<-tick.C
		}
	}
}

// running gives the stacks by goroutine id.
func running() map[string]string {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	out := map[string]string{}
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		idle := strings.Contains(stack, "net/http.(*persistConn)") || strings.Contains(stack, "net/http.(*conn)") ||
			strings.Contains(stack, "net/http.(*Server)") || strings.Contains(stack, "net/http.(*connReader)") ||
			strings.Contains(stack, "net/http.(*http2") || strings.Contains(stack, "testing.(*T)")
		id, _, ok := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
		if ok && !idle {
			out[id] = stack
		}
	}
	return out
}
