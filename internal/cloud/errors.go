package cloud

import (
	"context"
	"errors"
	"strings"
	"time"
)

// The eight classes of error. A provider maps its cloud's codes to them in one table; compare with errors.Is.
var (
	ErrNotFound    = errors.New("not found")               // deleting: done; otherwise look again and plan anew
	ErrThrottled   = errors.New("asked too often")         // slow that account and region; costs no attempt
	ErrTransient   = errors.New("may pass")                // a write may have happened: look, then retry with back-off
	ErrInUse       = errors.New("in use")                  // name the dependant and plan anew; never force
	ErrConflict    = errors.New("not as the plan saw it")  // drop the action, look again, plan anew
	ErrQuota       = errors.New("a limit is reached")      // stop creating there and tell the operator
	ErrDenied      = errors.New("not permitted")           // fail the action and tell the operator
	ErrUnsupported = errors.New("this cloud cannot do it") // a finding at plan time; at run time our bug
)

// Classes lists the eight classes in order.
func Classes() []error {
	return []error{ErrNotFound, ErrThrottled, ErrTransient, ErrInUse, ErrConflict, ErrQuota, ErrDenied, ErrUnsupported}
}

// ErrBusy is a throttling of a narrower kind, for Error.Class: as many of this operation run at once as the cloud allows, such
// as copies into one region. The call had no effect and is made again later, as after any ErrThrottled (which errors.Is
// finds in it as well, so ClassOf and ClassName know no ninth class); but the cloud minds neither other calls nor their
// pace, and asking again at once is no use: a place comes free when one of those that run ends. A place that no waiting
// frees is ErrQuota.
var ErrBusy error = busy{}

type busy struct{}

func (busy) Error() string        { return "as many at once as the cloud allows" }
func (busy) Is(target error) bool { return target == ErrThrottled }

var classNames = []string{"not-found", "throttled", "transient", "in-use", "conflict", "quota", "denied", "unsupported"}

// ClassOf gives the class of an error, or nil when it has none of the eight.
func ClassOf(err error) error {
	for _, c := range Classes() {
		if errors.Is(err, c) {
			return c
		}
	}
	return nil
}

// ClassName is the class's word in rows, JSON and metrics: not-found, throttled, …; "canceled" for the context's own
// errors, "unknown" for anything else, and empty for no error.
func ClassName(err error) string {
	if err == nil {
		return ""
	}
	for i, c := range Classes() {
		if errors.Is(err, c) {
			return classNames[i]
		}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "canceled"
	}
	return "unknown"
}

// Error is the only error type that a provider returns, apart from the context's own.
type Error struct {
	Op        string        // "snapshot.delete"
	Ref       Ref           // about what; only account and region when it is about a listing
	Class     error         // one of the eight; nil when the code is new to us
	Code      string        // the cloud's word, verbatim, for the log and the support ticket
	RequestID string        // the cloud's number of the request, for the support ticket
	After     time.Duration // how long the cloud asked us to stay away
	Err       error         // what the SDK said
}

// Error is one line: what was done, to what, what came of it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	switch {
	case e.Ref.ID != "":
		b.WriteString(" " + e.Ref.String())
	case e.Ref.Account != "":
		b.WriteString(" " + e.Ref.Place().String())
	}
	if e.Class != nil {
		b.WriteString(": " + e.Class.Error())
	}
	if e.Code != "" {
		b.WriteString(" (" + e.Code + ")")
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap lets errors.Is find the class and errors.As find the cause.
func (e *Error) Unwrap() []error {
	var out []error
	if e.Class != nil {
		out = append(out, e.Class)
	}
	if e.Err != nil {
		out = append(out, e.Err)
	}
	return out
}
