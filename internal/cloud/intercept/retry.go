package intercept

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// RetryOptions bound what Retry does. Zero fields take the defaults.
type RetryOptions struct {
	Attempts int           // calls in all, the first included; 5
	Base     time.Duration // the first wait is between zero and this; 200 ms
	Cap      time.Duration // and grows twofold up to this; 10 s
	// Most is how long all waits together may take; 30 s. Where a cloud asks for more, the error goes back at once, and
	// the job that wanted the call comes back later: nothing waits inside a call.
	Most time.Duration
	// Jitter picks a wait between zero and most; random when nil.
	Jitter func(most time.Duration) time.Duration
}

func (o RetryOptions) withDefaults() RetryOptions {
	if o.Attempts <= 0 {
		o.Attempts = 5
	}
	if o.Base <= 0 {
		o.Base = 200 * time.Millisecond
	}
	if o.Cap <= 0 {
		o.Cap = 10 * time.Second
	}
	if o.Most <= 0 {
		o.Most = 30 * time.Second
	}
	if o.Jitter == nil {
		o.Jitter = func(most time.Duration) time.Duration { return rand.N(most + 1) }
	}
	return o
}

// Retry makes a call again that was asked too often or may pass, with full jitter, and never earlier than the cloud asked
// for. A throttled call had no effect, so any may be repeated, but for one of which enough are under way (cloud.ErrBusy):
// that lasts longer than a call may. One that may pass may have happened, so only reads and what is Repeatable are: for the
// rest the caller must look first.
func Retry(options RetryOptions) cloud.Interceptor {
	o := options.withDefaults()
	return func(next cloud.Invoke) cloud.Invoke {
		return func(ctx context.Context, call cloud.Call) error {
			left := o.Most
			for attempt := 1; ; attempt++ {
				err := next(ctx, call)
				if err == nil || attempt >= o.Attempts || !again(call, err) || ctx.Err() != nil {
					return err
				}
				asked, most := after(err), ceiling(o.Base, o.Cap, attempt)
				if asked > 0 {
					most = o.Base // just so that not all who were told the same come back in the same moment
				}
				wait := asked + o.Jitter(most)
				if wait > left || late(ctx, wait) {
					return err
				}
				left -= wait
				if stop := sleep(ctx, wait); stop != nil {
					return fmt.Errorf("%w (no further attempt: %w)", err, stop)
				}
			}
		}
	}
}

// again says whether the call may be made once more after this error.
func again(call cloud.Call, err error) bool {
	switch cloud.ClassOf(err) {
	case cloud.ErrThrottled:
		return !errors.Is(err, cloud.ErrBusy)
	case cloud.ErrTransient:
		return call.Class == cloud.Read || call.Repeatable
	}
	return false
}

// after is how long the cloud asked us to stay away.
func after(err error) time.Duration {
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		return e.After
	}
	return 0
}

// ceiling is the longest wait after the n-th attempt.
func ceiling(base, most time.Duration, attempt int) time.Duration {
	for range attempt - 1 {
		if base >= most/2 {
			return most
		}
		base *= 2
	}
	return min(base, most)
}

// late says whether the context will be over before the wait is.
func late(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Now().Add(wait).After(deadline)
}

// sleep waits, or ends with the context and its error.
func sleep(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
