package cloud_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

// looker gives prepared pages and can do nothing else.
type looker struct {
	pages   map[string]cloud.Page[cloud.Snapshot]
	errs    map[string]error // once, by cursor
	cursors []string
}

func (l *looker) Traits() cloud.Traits { return cloud.Traits{Cloud: "nowhere", CreateTokens: true} }
func (l *looker) Regions(context.Context) ([]cloud.Region, error) {
	return []cloud.Region{{ID: "r-1"}}, nil
}

func (l *looker) Instances(context.Context, cloud.Query, string) (cloud.Page[cloud.Instance], error) {
	return cloud.Page[cloud.Instance]{}, nil
}

func (l *looker) Disks(context.Context, cloud.Query, string) (cloud.Page[cloud.Disk], error) {
	return cloud.Page[cloud.Disk]{}, nil
}

func (l *looker) Snapshots(_ context.Context, _ cloud.Query, cursor string) (cloud.Page[cloud.Snapshot], error) {
	l.cursors = append(l.cursors, cursor)
	if err := l.errs[cursor]; err != nil {
		delete(l.errs, cursor)
		return cloud.Page[cloud.Snapshot]{}, err
	}
	return l.pages[cursor], nil
}

func (l *looker) Images(context.Context, cloud.Query, string) (cloud.Page[cloud.Image], error) {
	return cloud.Page[cloud.Image]{}, nil
}

func pageOf(next string, ids ...string) cloud.Page[cloud.Snapshot] {
	p := cloud.Page[cloud.Snapshot]{Next: next}
	for _, id := range ids {
		p.Items = append(p.Items, cloud.Snapshot{Ref: cloud.Ref{ID: id}})
	}
	return p
}

func ids(t *testing.T, c *cloud.Client, most int) (out []string, last error) {
	t.Helper()
	for s, err := range c.Snapshots(t.Context(), cloud.Query{Region: "r-1"}) {
		if err != nil {
			if last != nil {
				t.Errorf("a second error %v after %v, want one only, and last", err, last)
			}
			last = err
			continue
		}
		if out = append(out, s.Ref.ID); len(out) == most {
			break
		}
	}
	return out, last
}

func TestListingFoldsPages(t *testing.T) {
	// An empty page with a cursor is not the end.
	l := &looker{pages: map[string]cloud.Page[cloud.Snapshot]{"": pageOf("p2", "a", "b"), "p2": pageOf("p3"), "p3": pageOf("", "c")}}
	got, err := ids(t, cloud.NewClient("shop", l), 0)
	if want := []string{"a", "b", "c"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Snapshots: got %v and %v, want %v", got, err, want)
	}
	l.cursors = nil
	got, err = ids(t, cloud.NewClient("shop", l), 2)
	if want := []string{""}; err != nil || len(got) != 2 || !slices.Equal(l.cursors, want) {
		t.Errorf("Snapshots broken off after two: got %v, %v and cursors %q, want the first page only", got, err, l.cursors)
	}
}

// TestListingRepeatsThePageOnly: an interceptor that calls twice makes no item come twice.
func TestListingRepeatsThePageOnly(t *testing.T) {
	broken := errors.New("broken")
	l := &looker{
		pages: map[string]cloud.Page[cloud.Snapshot]{"": pageOf("p2", "a", "b"), "p2": pageOf("", "c")},
		errs:  map[string]error{"p2": broken},
	}
	again := func(next cloud.Invoke) cloud.Invoke {
		return func(ctx context.Context, call cloud.Call) error {
			if err := next(ctx, call); err == nil {
				return nil
			}
			return next(ctx, call)
		}
	}
	got, err := ids(t, cloud.NewClient("shop", l, again), 0)
	if want := []string{"a", "b", "c"}; err != nil || !slices.Equal(got, want) || !slices.Equal(l.cursors, []string{"", "p2", "p2"}) {
		t.Errorf("Snapshots: got %v, %v and cursors %q, want %v with the second page alone asked for twice", got, err, l.cursors, want)
	}
	l.errs = map[string]error{"p2": broken}
	got, err = ids(t, cloud.NewClient("shop", l), 0)
	if want := []string{"a", "b"}; !errors.Is(err, broken) || !slices.Equal(got, want) {
		t.Errorf("Snapshots without a retry: got %v and %v, want %v and the error last", got, err, want)
	}
}

func TestListingThatDoesNotAdvance(t *testing.T) {
	l := &looker{pages: map[string]cloud.Page[cloud.Snapshot]{"": pageOf("p2", "a"), "p2": pageOf("p2", "b")}}
	if _, err := ids(t, cloud.NewClient("shop", l), 0); cloud.ClassOf(err) != cloud.ErrTransient {
		t.Errorf("the same cursor twice: got %v, want a transient error", err)
	}
}

// TestMissingAbilityReachesNobody: neither the provider nor an interceptor hears of it.
func TestMissingAbilityReachesNobody(t *testing.T) {
	calls := 0
	count := func(next cloud.Invoke) cloud.Invoke {
		return func(ctx context.Context, call cloud.Call) error { calls++; return next(ctx, call) }
	}
	c := cloud.NewClient("shop", &looker{}, count)
	if got := c.Capabilities(); len(got) != 0 {
		t.Errorf("Capabilities() = %v, want none", got)
	}
	ref := cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindSnapshot, ID: "s-1"}
	_, create := c.CreateSnapshot(t.Context(), cloud.NewSnapshot{Region: "r-1", Disk: "d-1"})
	for op, err := range map[string]error{"snapshot.create": create, "snapshot.delete": c.DeleteSnapshot(t.Context(), ref), "tag.set": c.SetTags(t.Context(), ref, nil)} {
		if e, ok := errors.AsType[*cloud.Error](err); !ok || e.Op != op || !errors.Is(err, cloud.ErrUnsupported) {
			t.Errorf("%s without the ability: got %v, want ErrUnsupported", op, err)
		}
	}
	if calls != 0 {
		t.Errorf("missing abilities made %d calls, want none", calls)
	}
}

// snapshotter can also take snapshots.
type snapshotter struct{ looker }

func (*snapshotter) CreateSnapshot(context.Context, cloud.NewSnapshot) (cloud.Snapshot, error) {
	return cloud.Snapshot{Name: "made"}, nil
}
func (*snapshotter) DeleteSnapshot(context.Context, cloud.Ref) error { return nil }

func TestCallAsInterceptorsSeeIt(t *testing.T) {
	var seen []cloud.Call
	var order []string
	note := func(name string) cloud.Interceptor {
		return func(next cloud.Invoke) cloud.Invoke {
			return func(ctx context.Context, call cloud.Call) error {
				order = append(order, name)
				if name == "outer" {
					seen = append(seen, call)
				}
				return next(ctx, call)
			}
		}
	}
	c := cloud.NewClient("shop", &snapshotter{}, note("outer"), note("inner"))
	ctx := cloud.ForAction(t.Context(), "act-1")
	if _, err := c.CreateSnapshot(ctx, cloud.NewSnapshot{Region: "r-1", Disk: "d-1", Token: "tok"}); err != nil {
		t.Fatalf("CreateSnapshot: got %v, want no error", err)
	}
	ref := cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindSnapshot, ID: "s-1"}
	if err := c.DeleteSnapshot(ctx, ref); err != nil {
		t.Fatalf("DeleteSnapshot: got %v, want no error", err)
	}
	want := []cloud.Call{
		{
			Op: "snapshot.create", Class: cloud.Write, Account: "shop", Region: "r-1", Action: "act-1", Token: "tok", Repeatable: true,
			Ref: cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindDisk, ID: "d-1"},
		},
		{Op: "snapshot.delete", Class: cloud.Write, Account: "shop", Region: "r-1", Action: "act-1", Repeatable: true, Ref: ref},
	}
	if !slices.Equal(seen, want) {
		t.Errorf("calls = %+v, want %+v", seen, want)
	}
	if want := []string{"outer", "inner", "outer", "inner"}; !slices.Equal(order, want) {
		t.Errorf("order = %v, want %v: the first given is the outermost", order, want)
	}
}

// TestLostAnswerGivesNothing: when an interceptor turns a success into an error, nothing of the answer comes through.
func TestLostAnswerGivesNothing(t *testing.T) {
	lose := func(next cloud.Invoke) cloud.Invoke {
		return func(ctx context.Context, call cloud.Call) error {
			if err := next(ctx, call); err != nil {
				return err
			}
			return cloud.ErrTransient
		}
	}
	got, err := cloud.NewClient("shop", &snapshotter{}, lose).CreateSnapshot(t.Context(), cloud.NewSnapshot{})
	if !errors.Is(err, cloud.ErrTransient) || got.Name != "" {
		t.Errorf("CreateSnapshot whose answer is lost: got %+v and %v, want nothing and the error", got, err)
	}
}
