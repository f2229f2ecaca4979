// Package intercept surrounds every call to a cloud with what all clouds need alike: Audit, Retry, Pace, Count, and for
// tests and rehearsals Fault and DryRun; a Recorder writes what Audit sees into the store's record.
//
// The usual order, outermost first, is Retry, Pace, Count, Audit, Fault: so that each attempt keeps the pace, is counted
// and written down. It promises that a write which may have happened is never made again unless Call.Repeatable says
// that twice is as good as once; that waiting ends with the context; and that what it cannot wait for is answered as
// ErrThrottled, which tells the caller when to come back. It refuses to know any cloud, and to decide what a call is for.
package intercept
