package job

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// The pauses after errors: from Shortest, doubling, up to Longest.
const (
	Shortest = time.Second
	Longest  = 5 * time.Minute
)

// Pause is how long to wait after so many failures in a row. luck, from 0 to 1, spreads those that failed together over
// the whole span; 1 gives the span's end.
func Pause(failures int, luck float64) time.Duration {
	ceiling := Longest
	if failures < 9 { // 2^9 seconds are beyond Longest, and a larger shift would overflow
		ceiling = min(Longest, Shortest<<max(1, failures))
	}
	return Shortest + time.Duration(luck*float64(ceiling-Shortest))
}

// CheckQueue refuses a queue that no engine has.
func CheckQueue(q Queue) error {
	if !slices.Contains(Queues(), q) {
		return fmt.Errorf("unknown queue %q: want one of %v", q, Queues())
	}
	return nil
}

// PanicError is a panic of a handler.
type PanicError struct {
	Value any
	Stack string
}

func (e *PanicError) Error() string { return fmt.Sprintf("the handler panicked: %v", e.Value) }

// Protect makes a panic of the handler an error, a *PanicError.
func Protect(h Handler) Handler {
	return func(ctx context.Context, now time.Time, key string) (answer Answer, err error) {
		defer func() {
			if v := recover(); v != nil {
				answer, err = Done(), &PanicError{Value: v, Stack: string(debug.Stack())}
			}
		}()
		return h(ctx, now, key)
	}
}
