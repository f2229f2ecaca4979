package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

// TestErrorKeepsClassAndCause: both are found through any wrapping, and no other class is.
func TestErrorKeepsClassAndCause(t *testing.T) {
	names := map[string]bool{}
	for _, class := range cloud.Classes() {
		e := &cloud.Error{Op: "snapshot.delete", Class: class, Code: "Code", Err: io.ErrUnexpectedEOF}
		err := fmt.Errorf("outer: %w", e)
		if got := cloud.ClassOf(err); got != class {
			t.Errorf("ClassOf(%v) = %v, want %v", err, got, class)
		}
		if got, ok := errors.AsType[*cloud.Error](err); !ok || got != e || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v: the error (%v) or its cause is not found", err, ok)
		}
		for _, other := range cloud.Classes() {
			if errors.Is(err, other) != (other == class) {
				t.Errorf("errors.Is(%v, %v) = %v, want %v", err, other, other != class, other == class)
			}
		}
		names[cloud.ClassName(err)] = true
	}
	if len(names) != 8 {
		t.Errorf("ClassName gives %d words for eight classes: %v", len(names), names)
	}
}

func TestClassName(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{cloud.ErrInUse, "in-use"},
		{&cloud.Error{Code: "NeverHeard"}, "unknown"},
		{io.EOF, "unknown"},
		{context.Canceled, "canceled"},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), "canceled"},
		{&cloud.Error{Class: cloud.ErrTransient, Err: context.DeadlineExceeded}, "transient"},
	} {
		if got := cloud.ClassName(c.err); got != c.want {
			t.Errorf("ClassName(%v) = %q, want %q", c.err, got, c.want)
		}
	}
	if got := cloud.ClassOf(&cloud.Error{Code: "NeverHeard"}); got != nil {
		t.Errorf("ClassOf an error without a class = %v, want nil", got)
	}
}

func TestErrorText(t *testing.T) {
	ref := cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindSnapshot, ID: "s-1"}
	listing := ref
	listing.ID = ""
	for _, c := range []struct {
		err  *cloud.Error
		want string
	}{
		{&cloud.Error{Op: "snapshot.delete", Ref: ref, Class: cloud.ErrInUse, Code: "InUse", Err: errors.New("by img-1")}, "snapshot.delete shop/r-1/snapshot/s-1: in use (InUse): by img-1"},
		{&cloud.Error{Op: "snapshot.list", Ref: listing, Class: cloud.ErrThrottled}, "snapshot.list shop/r-1: asked too often"},
		{&cloud.Error{Op: "region.list", Code: "Odd"}, "region.list (Odd)"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("Error() = %q, want %q", got, c.want)
		}
	}
}

// TestBusyIsThrottled: whoever knows the eight classes only comes back later; whoever knows more can tell.
func TestBusyIsThrottled(t *testing.T) {
	err := fmt.Errorf("copying: %w", &cloud.Error{Op: "image.copy", Class: cloud.ErrBusy, Code: "ResourceLimitExceeded"})
	if !errors.Is(err, cloud.ErrBusy) || cloud.ClassOf(err) != cloud.ErrThrottled || cloud.ClassName(err) != "throttled" || errors.Is(err, cloud.ErrQuota) {
		t.Errorf("%v: got class %v, want busy, which is throttled and no quota", err, cloud.ClassOf(err))
	}
	if throttled := (&cloud.Error{Op: "image.copy", Class: cloud.ErrThrottled}); errors.Is(throttled, cloud.ErrBusy) {
		t.Errorf("%v is busy, want it asked too often", throttled)
	}
	if want := "copying: image.copy: as many at once as the cloud allows (ResourceLimitExceeded)"; err.Error() != want {
		t.Errorf("Error() = %q, want %q", err, want)
	}
}
