package action_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/action"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/run"
	"github.com/stint-cloud/stint/internal/store"
	"github.com/stint-cloud/stint/internal/store/sqlite"
)

// bench is a store, a cloud in memory and a clock that the test turns.
type bench struct {
	t     *testing.T
	now   time.Time
	store store.Store
	cloud *memcloud.Cloud
	exec  *action.Executor
	inst  cloud.Instance
	rule  string // digest of the policy as the executor finds it
}

func newBench(t *testing.T, opt memcloud.Options) *bench {
	t.Helper()
	b := &bench{t: t, now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}
	opt.Account, opt.Regions, opt.Now = "web", append([]string{"us-east-1"}, opt.Regions...), func() time.Time { return b.now }
	if opt.Cloud == "" {
		opt.Cloud = "aws"
	}
	b.cloud = memcloud.New(opt)
	var err error
	if b.store, err = sqlite.Open(t.Context(), ":memory:"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.store.Close() })
	b.exec = b.worker()
	b.inst = b.cloud.AddInstance(memcloud.InstanceSpec{Name: "web-1", Tags: cloud.TagsOf(map[string]string{"daily": "2"})})
	return b
}

// worker is one process: it shares the store and the cloud with others, and no memory.
func (b *bench) worker() *action.Executor {
	client := cloud.NewClient("web", b.cloud.Provider())
	return action.New(b.store, b.store, action.Options{
		Clients: func(string) (*cloud.Client, error) { return client, nil }, Rule: func(string) string { return b.rule }, Log: slog.New(slog.DiscardHandler),
	})
}

func (b *bench) take(slot string) plan.Action {
	a := plan.Action{
		Verb: plan.TakeSnapshotSet, Policy: "daily", Place: b.inst.Ref.Place(), Source: b.inst.Ref, Slot: slot, Target: b.inst.Ref, Reason: "test",
		Backup: plan.BackupID("daily", b.inst.Ref, slot),
	}
	a.ID = plan.ActionID(a)
	tags := cloud.TagsOf(map[string]string{
		"daily": "2", cloud.TagPolicy: "daily", cloud.TagBackup: a.Backup, cloud.TagBy: "daily=2", cloud.TagParts: "1", cloud.TagAction: a.ID,
		cloud.TagSlot: slot, cloud.TagSource: b.inst.Ref.Source(),
	})
	a.Set = &cloud.NewSnapshotSet{Region: "us-east-1", Instance: b.inst.Ref.ID, Disks: []string{b.inst.Disks[0].Disk}, Name: "web-1-" + slot, Tags: tags, Token: a.ID}
	return a
}

func (b *bench) drop(s, keeper cloud.Ref) plan.Action {
	a := plan.Action{Verb: plan.DeleteSnapshot, Policy: "daily", Place: s.Place(), Source: b.inst.Ref, Target: s, Reason: "test"}
	a.Guard = plan.Guard{Tags: cloud.TagsOf(map[string]string{"daily": "2", cloud.TagPolicy: "daily"}), Lacks: []string{cloud.TagHold}, Unused: true}
	if !keeper.IsZero() {
		a.Guard.Keepers = []cloud.Ref{keeper}
	}
	a.ID = plan.ActionID(a)
	return a
}

func (b *bench) start(actions ...plan.Action) string {
	b.t.Helper()
	r, ids, err := run.Start(b.t.Context(), b.store, b.now, run.Request{Policy: "daily", Trigger: "test", By: "test", Actions: actions, Hash: fmt.Sprint(len(actions), actions[0].ID)})
	if err != nil || len(ids) != len(actions) {
		b.t.Fatalf("Start: got %d actions (%v), want %d", len(ids), err, len(actions))
	}
	return r.ID
}

// settle steps the action until it has ended, turning the clock to each next step.
func (b *bench) settle(e *action.Executor, id string) store.ActionRow {
	b.t.Helper()
	for range 200 {
		r, err := e.Step(b.t.Context(), b.now, id)
		if err != nil {
			b.t.Fatal(err)
		}
		if r.Row.State.Ended() {
			return r.Row
		}
		if r.Next.After(b.now) {
			b.now = r.Next
		}
	}
	b.t.Fatalf("the action %s never ends", id)
	return store.ActionRow{}
}

// backups takes n backups, one after the other, and gives their snapshots, oldest first.
func (b *bench) backups(n int) []cloud.Ref {
	b.t.Helper()
	var out []cloud.Ref
	for i := range n {
		a := b.take(plan.SlotText(b.now.Add(time.Duration(i) * time.Hour)))
		b.start(a)
		row := b.settle(b.exec, a.ID)
		if row.State != store.ActionDone || len(row.Made) != 1 {
			b.t.Fatalf("take: got %s %v (%s), want done with one snapshot", row.State, row.Made, row.Problem)
		}
		out = append(out, row.Made[0])
		b.now = b.now.Add(time.Minute)
	}
	return out
}

func (b *bench) snapshots() int { return len(b.cloud.Truth().Snapshots) }

func (b *bench) want(row store.ActionRow, state store.ActionState, words string) {
	b.t.Helper()
	if row.State != state || !strings.Contains(row.Problem, words) {
		b.t.Errorf("%s: got %s %q, want %s with %q", row.Verb, row.State, row.Problem, state, words)
	}
}

func TestDeletionLooksAgain(t *testing.T) {
	cases := []struct {
		name   string
		change func(b *bench, old, kept cloud.Ref)
		words  string
	}{
		{"held in the meantime", func(b *bench, old, _ cloud.Ref) {
			b.retag(old, func(t cloud.Tags) cloud.Tags { return t.With(cloud.TagHold, "audit") })
		}, "it is held"},
		{"policy tag taken off", func(b *bench, old, _ cloud.Ref) {
			b.retag(old, func(t cloud.Tags) cloud.Tags { return t.Without(cloud.TagPolicy) })
		}, "stint:policy was taken off"},
		{"selecting tag changed", func(b *bench, old, _ cloud.Ref) {
			b.retag(old, func(t cloud.Tags) cloud.Tags { return t.With("daily", "9") })
		}, `was changed from "2" to "9"`},
		{"locked in the cloud", func(b *bench, old, _ cloud.Ref) { b.cloud.Lock(old) }, "locks it"},
		{"the newer backup was deleted by hand", func(b *bench, _, kept cloud.Ref) { b.cloud.Remove(kept) }, "not complete any more"},
		{"the newer backup was disowned by hand", func(b *bench, _, kept cloud.Ref) {
			b.retag(kept, func(t cloud.Tags) cloud.Tags { return t.Without(cloud.TagPolicy) })
		}, "does not count any more"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, memcloud.Options{})
			refs := b.backups(2)
			a := b.drop(refs[0], refs[1])
			b.start(a)
			c.change(b, refs[0], refs[1])
			before := b.snapshots()
			b.want(b.settle(b.exec, a.ID), store.ActionSkipped, c.words)
			if got := b.snapshots(); got != before {
				t.Errorf("snapshots: got %d, want the %d that were there", got, before)
			}
		})
	}
}

func (b *bench) retag(ref cloud.Ref, change func(cloud.Tags) cloud.Tags) {
	for _, s := range b.cloud.Truth().Snapshots {
		if s.Ref == ref {
			b.cloud.Retag(ref, change(s.Tags))
		}
	}
}

func TestDeletionOfWhatIsGoneIsDone(t *testing.T) {
	b := newBench(t, memcloud.Options{})
	refs := b.backups(2)
	a := b.drop(refs[0], refs[1])
	b.start(a)
	b.cloud.Remove(refs[0])
	b.want(b.settle(b.exec, a.ID), store.ActionDone, "")
}

func TestSnapshotUnderAnImageStays(t *testing.T) {
	for _, name := range []string{"aws", "openstack"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, memcloud.Options{Cloud: name})
			client := cloud.NewClient("web", b.cloud.Provider())
			img, err := client.CreateImage(t.Context(), cloud.NewImage{Region: "us-east-1", Instance: b.inst.Ref.ID, Name: "by-hand", Tags: cloud.TagsOf(map[string]string{"daily": "2", cloud.TagPolicy: "daily"})})
			if err != nil {
				t.Fatal(err)
			}
			under := b.cloud.Truth().Snapshots[0].Ref
			a := b.drop(under, cloud.Ref{})
			b.start(a)
			row := b.settle(b.exec, a.ID)
			if row.State != store.ActionSkipped || b.snapshots() != 1 {
				t.Errorf("delete of a snapshot under %s: got %s %q and %d snapshots, want skipped and 1", img.Ref, row.State, row.Problem, b.snapshots())
			}
		})
	}
}

func TestLostAnswerIsFoundNotRepeated(t *testing.T) {
	b := newBench(t, memcloud.Options{})
	b.cloud.Provoke("snapshotset.create", cloud.ErrTransient, true)
	a := b.take("2026-11-21T00:00:00Z")
	b.start(a)
	b.want(b.settle(b.exec, a.ID), store.ActionDone, "")
	if got := b.snapshots(); got != 1 {
		t.Errorf("snapshots after a lost answer: got %d, want 1", got)
	}
}

func TestLostAnswerBehindALaggingListing(t *testing.T) {
	b := newBench(t, memcloud.Options{Lag: time.Minute})
	b.cloud.Provoke("snapshotset.create", cloud.ErrTransient, true)
	a := b.take("2026-11-21T00:00:00Z")
	b.start(a)
	b.want(b.settle(b.exec, a.ID), store.ActionDone, "")
	if got := b.snapshots(); got != 1 {
		t.Errorf("snapshots after a lost answer and a lagging listing: got %d, want 1", got)
	}
}

func TestFailedCallWithoutEffectIsTriedAgain(t *testing.T) {
	b := newBench(t, memcloud.Options{})
	b.cloud.Provoke("snapshotset.create", cloud.ErrTransient, false)
	a := b.take("2026-11-21T00:00:00Z")
	b.start(a)
	row := b.settle(b.exec, a.ID)
	b.want(row, store.ActionDone, "")
	if got := b.snapshots(); got != 1 || row.Attempts != 2 {
		t.Errorf("snapshots: got %d after %d attempts, want 1 after 2", got, row.Attempts)
	}
}

func TestThrottlingCostsNoAttempt(t *testing.T) {
	b := newBench(t, memcloud.Options{})
	for range 20 {
		b.cloud.Provoke("snapshotset.create", cloud.ErrThrottled, false)
	}
	a := b.take("2026-11-21T00:00:00Z")
	b.start(a)
	row := b.settle(b.exec, a.ID)
	b.want(row, store.ActionDone, "")
	if row.Attempts != 1 {
		t.Errorf("attempts after 20 throttled calls: got %d, want 1", row.Attempts)
	}
}

func TestRefusalsEndTheAction(t *testing.T) {
	for _, class := range []error{cloud.ErrDenied, cloud.ErrQuota, cloud.ErrUnsupported} {
		t.Run(cloud.ClassName(class), func(t *testing.T) {
			b := newBench(t, memcloud.Options{})
			b.cloud.Provoke("snapshotset.create", class, false)
			a := b.take("2026-11-21T00:00:00Z")
			b.start(a)
			row := b.settle(b.exec, a.ID)
			if row.State != store.ActionFailed || row.Class != cloud.ClassName(class) || row.Attempts != 1 {
				t.Errorf("take: got %s %s after %d attempts, want failed %s after 1", row.State, row.Class, row.Attempts, cloud.ClassName(class))
			}
		})
	}
}

// TestKilledBetweenIntentAndAnswer leaves the intent as a killed process does: the next one looks before it calls.
func TestKilledBetweenIntentAndAnswer(t *testing.T) {
	for _, took := range []bool{false, true} {
		t.Run(fmt.Sprint("took effect ", took), func(t *testing.T) {
			b := newBench(t, memcloud.Options{})
			a := b.take("2026-11-21T00:00:00Z")
			b.start(a)
			row, err := b.store.Action(t.Context(), a.ID)
			if err != nil {
				t.Fatal(err)
			}
			row.State, row.Attempts, row.Deadline, row.NextAt = store.ActionCalling, 1, b.now.Add(time.Minute), b.now.Add(time.Minute)
			if _, err := b.store.SaveAction(t.Context(), row); err != nil {
				t.Fatal(err)
			}
			if took {
				if _, err := cloud.NewClient("web", b.cloud.Provider()).CreateSnapshotSet(t.Context(), *a.Set); err != nil {
					t.Fatal(err)
				}
			}
			began := b.now
			b.want(b.settle(b.worker(), a.ID), store.ActionDone, "")
			if got := b.snapshots(); got != 1 {
				t.Errorf("snapshots: got %d, want 1", got)
			}
			if b.now.Before(began.Add(time.Minute)) {
				t.Errorf("taken over after %s: want not before the deadline of the worker that had it", b.now.Sub(began))
			}
		})
	}
}

// TestManyWorkersOneCall lets sixteen workers step the same action at the same time.
func TestManyWorkersOneCall(t *testing.T) {
	b := newBench(t, memcloud.Options{})
	a := b.take("2026-11-21T00:00:00Z")
	b.start(a)
	var wg sync.WaitGroup
	now := b.now
	for range 16 {
		e := b.worker()
		wg.Go(func() {
			if _, err := e.Step(context.WithoutCancel(t.Context()), now, a.ID); err != nil {
				t.Errorf("Step: %v", err)
			}
		})
	}
	wg.Wait()
	b.want(b.settle(b.exec, a.ID), store.ActionDone, "")
	if got := b.cloud.Calls()["snapshotset.create"]; got != 1 {
		t.Errorf("calls of snapshotset.create: got %d, want 1", got)
	}
}

func TestCancelledRunBeginsNothing(t *testing.T) {
	b := newBench(t, memcloud.Options{})
	a := b.take("2026-11-21T00:00:00Z")
	id := b.start(a)
	if _, err := run.Cancel(t.Context(), b.store, id, time.Now(), "ann", ""); err != nil {
		t.Fatal(err)
	}
	b.want(b.settle(b.exec, a.ID), store.ActionCancelled, "cancelled")
	if got := b.snapshots(); got != 0 {
		t.Errorf("snapshots: got %d, want none", got)
	}
}

// TestCancelledAfterThrottling says why it ended, and not what an earlier try was told.
func TestCancelledAfterThrottling(t *testing.T) {
	b := newBench(t, memcloud.Options{})
	b.cloud.Provoke("snapshotset.create", cloud.ErrThrottled, false)
	a := b.take("2026-11-21T00:00:00Z")
	id := b.start(a)
	if _, err := b.exec.Step(t.Context(), b.now, a.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Cancel(t.Context(), b.store, id, time.Now(), "ann", ""); err != nil {
		t.Fatal(err)
	}
	row := b.settle(b.exec, a.ID)
	b.want(row, store.ActionCancelled, "cancelled")
	if row.Class != "" || row.Code != "" {
		t.Errorf("class and code of what was cancelled: got %q %q, want none", row.Class, row.Code)
	}
}

func TestWhatComesAfterWaits(t *testing.T) {
	b := newBench(t, memcloud.Options{})
	first, second := b.take("2026-11-21T00:00:00Z"), b.take("2026-11-21T01:00:00Z")
	second.After = []string{first.ID}
	b.start(first, second)
	r, err := b.exec.Step(t.Context(), b.now, second.ID)
	if err != nil || r.Row.State != store.ActionPlanned || b.snapshots() != 0 {
		t.Fatalf("Step of what comes after: got %s (%v) and %d snapshots, want it to wait", r.Row.State, err, b.snapshots())
	}
	b.cloud.Provoke("snapshotset.create", cloud.ErrDenied, false)
	b.want(b.settle(b.exec, first.ID), store.ActionFailed, "")
	b.want(b.settle(b.exec, second.ID), store.ActionSkipped, "must come first")
}

// TestOneLookServesAllDeletions counts the calls of ninety deletions: one delete each, and a look or two for all.
func TestOneLookServesAllDeletions(t *testing.T) {
	b := newBench(t, memcloud.Options{PageSize: 1000})
	refs := b.backups(91)
	var drops []plan.Action
	for _, ref := range refs[:90] {
		drops = append(drops, b.drop(ref, refs[90]))
	}
	b.start(drops...)
	before := b.cloud.Calls()["snapshot.list"]
	for _, a := range drops {
		b.want(b.settle(b.exec, a.ID), store.ActionDone, "")
	}
	if got := b.cloud.Calls()["snapshot.list"] - before; got > 2 {
		t.Errorf("listings for 90 deletions: got %d, want at most 2", got)
	}
	if got := b.snapshots(); got != 1 {
		t.Errorf("snapshots: got %d, want the newest alone", got)
	}
}

// counted counts how often the actions of a run were read.
type counted struct {
	store.Store
	lists int
}

func (c *counted) Actions(ctx context.Context, f store.ActionFilter) ([]store.ActionRow, error) {
	if f.Run != "" {
		c.lists++
	}
	return c.Store.Actions(ctx, f)
}

// TestOneReadingServesAllDeletions: jobs that began a moment apart share each other's looks, and the run is not read anew
// for each place and look.
func TestOneReadingServesAllDeletions(t *testing.T) {
	b := newBench(t, memcloud.Options{PageSize: 1000})
	refs := b.backups(121)
	memory := &counted{Store: b.store}
	b.store = memory
	b.exec = b.worker()
	var drops []plan.Action
	for _, ref := range refs[:120] {
		drops = append(drops, b.drop(ref, refs[120]))
	}
	b.start(drops...)
	before := b.cloud.Calls()["snapshot.list"]
	memory.lists = 0
	began := b.now.Add(10 * time.Second)
	for i, a := range drops {
		b.now = began.Add(-time.Duration(i%3) * time.Second)
		b.want(b.settle(b.exec, a.ID), store.ActionDone, "")
	}
	if got := b.cloud.Calls()["snapshot.list"] - before; got > 2 || memory.lists > 1 {
		t.Errorf("for 120 deletions: got %d listings and %d readings of the run, want at most 2 and 1", got, memory.lists)
	}
}

// TestOutdatedDeletions: what a policy decided is not deleted once the policy is another one, or the decision is old.
func TestOutdatedDeletions(t *testing.T) {
	b := newBench(t, memcloud.Options{})
	list := b.backups(3)
	b.rule = "changed"
	drop := b.drop(list[0], list[2])
	b.start(drop)
	b.want(b.settle(b.exec, drop.ID), store.ActionSkipped, "was changed, disabled or removed")
	b.rule = ""

	drop = b.drop(list[1], list[2])
	b.start(drop)
	b.now = b.now.Add(61 * time.Minute) // nobody was there to carry it out
	b.want(b.settle(b.exec, drop.ID), store.ActionSkipped, "too long ago")
	if n := b.snapshots(); n != 3 {
		t.Errorf("snapshots: got %d, want all 3", n)
	}
	b.start(drop) // decided anew
	b.want(b.settle(b.exec, drop.ID), store.ActionDone, "")
}

// TestHoldOnOnePartHoldsAll: a hold that a person puts on one part after the plan was made keeps the others as well.
func TestHoldOnOnePartHoldsAll(t *testing.T) {
	b := newBench(t, memcloud.Options{})
	list := b.backups(3)
	drop := b.drop(list[0], list[2])
	drop.Guard.Parts = []cloud.Ref{list[1]} // for the test: another part of the same backup
	b.start(drop)
	for _, s := range b.cloud.Truth().Snapshots {
		if s.Ref == list[1] {
			b.cloud.Retag(s.Ref, s.Tags.With(cloud.TagHold, "ann"))
		}
	}
	b.want(b.settle(b.exec, drop.ID), store.ActionSkipped, "another part of the backup")
	if n := b.snapshots(); n != 3 {
		t.Errorf("snapshots: got %d, want all 3", n)
	}
}
