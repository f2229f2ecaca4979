package action_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/run"
	"github.com/stint-cloud/stint/internal/store"
)

// told gives what the record says of an action, the oldest first, without what was decided before it began.
func (b *bench) told(id string) []string {
	b.t.Helper()
	list, err := b.store.Audit(b.t.Context(), store.AuditFilter{Action: id})
	if err != nil {
		b.t.Fatal(err)
	}
	slices.Reverse(list)
	var out []string
	for _, e := range list {
		if !strings.HasPrefix(e.What, "decided ") {
			out = append(out, e.What+" "+e.Outcome+": "+e.Detail)
		}
	}
	return out
}

// says wants one line for each text, that holds it.
func (b *bench) says(id string, want ...string) {
	b.t.Helper()
	got := b.told(id)
	for i, w := range want {
		if len(got) != len(want) || !strings.Contains(got[i], w) {
			b.t.Fatalf("the record of the action says\n  %s\nwant lines with\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
	if _, err := store.VerifyAudit(b.t.Context(), b.store); err != nil {
		b.t.Errorf("VerifyAudit: %v", err)
	}
}

// frozen leaves the intent of a call as a worker does that never wakes again.
func (b *bench) frozen(a plan.Action) {
	b.t.Helper()
	b.start(a)
	row, err := b.store.Action(b.t.Context(), a.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	row.State, row.Attempts, row.Deadline, row.NextAt = store.ActionCalling, 1, b.now.Add(time.Minute), b.now.Add(time.Minute)
	if _, err := b.store.SaveAction(b.t.Context(), row); err != nil {
		b.t.Fatal(err)
	}
}

// TestRecordTellsWhatNoCallTells: whatever the executor decides without a call of its own is a line of the record, once.
func TestRecordTellsWhatNoCallTells(t *testing.T) {
	const slot = "2026-11-21T00:00:00Z"
	for _, c := range []struct {
		name string
		do   func(b *bench) plan.Action
		want []string
	}{
		{"made", func(b *bench) plan.Action {
			a := b.take(slot)
			b.start(a)
			return a
		}, []string{"made snapshot-set ok: the answer names it"}},
		{"lost and adopted", func(b *bench) plan.Action {
			b.cloud.Provoke("snapshotset.create", cloud.ErrTransient, true)
			a := b.take(slot)
			b.start(a)
			return a
		}, []string{"made snapshot-set ok: found by looking"}},
		{"lost and not found", func(b *bench) plan.Action {
			b.cloud.Provoke("snapshotset.create", cloud.ErrTransient, false)
			a := b.take(slot)
			b.start(a)
			return a
		}, []string{"settled snapshot-set not-found: nothing that the call could have made", "made snapshot-set ok: the answer names it"}},
		{"frozen", func(b *bench) plan.Action {
			a := b.take(slot)
			b.frozen(a)
			return a
		}, []string{"unclear snapshot-set unclear: ", "settled snapshot-set not-found", "made snapshot-set ok"}},
		{"a deletion frozen", func(b *bench) plan.Action {
			refs := b.backups(2)
			a := b.drop(refs[0], refs[1])
			b.frozen(a)
			return a
		}, []string{"unclear delete-snapshot unclear: ", "settled delete-snapshot ok: made twice"}},
		{"guarded", func(b *bench) plan.Action {
			refs := b.backups(2)
			a := b.drop(refs[0], refs[1])
			b.start(a)
			b.retag(refs[0], func(t cloud.Tags) cloud.Tags { return t.With(cloud.TagHold, "audit") })
			return a
		}, []string{"skipped delete-snapshot skipped: it is held: stint:hold=audit"}},
		{"gone", func(b *bench) plan.Action {
			refs := b.backups(2)
			a := b.drop(refs[0], refs[1])
			b.start(a)
			b.cloud.Remove(refs[0])
			return a
		}, []string{"done delete-snapshot ok: it was gone already"}},
		{"refused", func(b *bench) plan.Action {
			b.cloud.Provoke("snapshotset.create", cloud.ErrDenied, false)
			a := b.take(slot)
			b.start(a)
			return a
		}, []string{"failed snapshot-set denied: "}},
		{"cancelled", func(b *bench) plan.Action {
			a := b.take(slot)
			if _, err := run.Cancel(b.t.Context(), b.store, b.start(a), b.now, "ann", "asked for by hand"); err != nil {
				b.t.Fatal(err)
			}
			return a
		}, []string{"cancelled snapshot-set cancelled: its run was cancelled"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, memcloud.Options{})
			a := c.do(b)
			b.settle(b.exec, a.ID)
			b.says(a.ID, c.want...)
		})
	}
}

// TestRecordOfARun: why it began, each of its decisions, and who stopped it.
func TestRecordOfARun(t *testing.T) {
	b := newBench(t, memcloud.Options{})
	a := b.take("2026-11-21T00:00:00Z")
	id := b.start(a)
	b.start(b.take("2026-11-21T01:00:00Z"))
	if _, err := run.Cancel(t.Context(), b.store, id, b.now, "ann", "asked for by hand"); err != nil {
		t.Fatal(err)
	}
	list, err := b.store.Audit(t.Context(), store.AuditFilter{Run: id})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.Who+" "+e.What+" "+e.Ref+": "+e.Detail)
	}
	want := []string{
		"ann run.cancel run/" + id + ": policy daily: asked for by hand",
		"test decided snapshot-set " + b.inst.Ref.String() + ": policy daily: test; backup " + a.Backup,
		"test run.start run/" + id + ": policy daily: test",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the record of the run says\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
