package intercept

import (
	"context"
	"errors"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Verdict is what Fault does to a call. The zero Verdict lets it pass.
type Verdict struct {
	Before error // the call is not made and ends so
	After  error // the call is made, and if it goes well its answer is lost and it ends so
}

// Fault lets decide break calls, for tests and the simulation.
func Fault(decide func(ctx context.Context, call cloud.Call) Verdict) cloud.Interceptor {
	return func(next cloud.Invoke) cloud.Invoke {
		return func(ctx context.Context, call cloud.Call) error {
			v := decide(ctx, call)
			if v.Before != nil {
				return v.Before
			}
			if err := next(ctx, call); err != nil {
				return err
			}
			return v.After
		}
	}
}

// Broken is the error of a call that Fault breaks with the class.
func Broken(call cloud.Call, class error) error {
	return &cloud.Error{Op: call.Op, Ref: call.Ref, Class: class, Code: "Fault", Err: errors.New("broken on purpose")}
}

// ErrDryRun is how a write ends that DryRun did not make. It has no class: nothing is wrong, and nothing was done.
var ErrDryRun = errors.New("dry run: not made")

// DryRun lets reads pass and makes no write: record is told of it, and it ends in ErrDryRun, since an answer without
// the thing that was asked for would be taken for one.
func DryRun(record func(ctx context.Context, call cloud.Call)) cloud.Interceptor {
	return func(next cloud.Invoke) cloud.Invoke {
		return func(ctx context.Context, call cloud.Call) error {
			if call.Class == cloud.Read {
				return next(ctx, call)
			}
			record(ctx, call)
			return &cloud.Error{Op: call.Op, Ref: call.Ref, Err: ErrDryRun}
		}
	}
}
