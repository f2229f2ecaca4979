package action_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

const away = "eu-west-1"

// copy is the action that copies a snapshot of a backup to the other region.
func (b *bench) copy(s cloud.Ref) plan.Action {
	b.t.Helper()
	to := cloud.Place{Account: "web", Region: away}
	for _, x := range b.cloud.Truth().Snapshots {
		if x.Ref != s {
			continue
		}
		a := plan.Action{
			Verb: plan.CopySnapshot, Policy: "daily", Place: to, Source: b.inst.Ref, Slot: x.Tags.Value(cloud.TagSlot), Backup: x.Tags.Value(cloud.TagBackup), Target: s, Reason: "test",
			Copy: &cloud.NewCopy{From: s, Region: away, Name: x.Name + "-copy"},
		}
		a.ID = plan.ActionID(a)
		a.Copy.Tags, a.Copy.Token = x.Tags.With(cloud.TagCopy, inventory.CopyMark(to, x.Disk)).With(cloud.TagAction, a.ID), a.ID
		return a
	}
	b.t.Fatalf("no snapshot %s", s)
	return plan.Action{}
}

// ready lets all that is being made become ready.
func (b *bench) ready() { b.now = b.now.Add(time.Hour) }

// copies are the snapshots that are in the other region.
func (b *bench) copies() []cloud.Snapshot {
	var out []cloud.Snapshot
	for _, s := range b.cloud.Truth().Snapshots {
		if s.Ref.Region == away {
			out = append(out, s)
		}
	}
	return out
}

// TestCopyWaitsForItsTurn has more copies than the cloud makes at once: those that wait cost no try and few calls.
func TestCopyWaitsForItsTurn(t *testing.T) {
	traits, _ := memcloud.TraitsOf("aws")
	traits.SnapshotCopies.Max = 1
	b := newBench(t, memcloud.Options{Regions: []string{away}, Traits: &traits, Delays: memcloud.Delays{Copy: 30 * time.Minute}})
	refs := b.backups(3)
	b.ready()
	var list []plan.Action
	for _, ref := range refs {
		list = append(list, b.copy(ref))
	}
	b.start(list...)
	for _, a := range list {
		if row := b.settle(b.exec, a.ID); row.State != store.ActionDone || row.Attempts != 1 {
			t.Errorf("%s: got %s after %d tries (%s), want done after one", a.Target.ID, row.State, row.Attempts, row.Problem)
		}
	}
	if n := b.cloud.Calls()["snapshot.copy"]; len(b.copies()) != 3 || n > 70 {
		t.Errorf("copies: got %d with %d calls in an hour, want 3, and one call a minute at most", len(b.copies()), n)
	}
}

// TestLostCopyIsFound loses the answer to a copy: it is found by its tag, or where copies have none by its name, and not
// made again; what a person named alike, or made of a copy of ours, is not taken for it.
func TestLostCopyIsFound(t *testing.T) {
	for _, name := range []string{"aws", "tencent"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, memcloud.Options{Regions: []string{away}, Cloud: name, Lag: 20 * time.Second})
			ref := b.backups(1)[0]
			b.ready()
			a := b.copy(ref)
			b.cloud.AddSnapshot(away, cloud.Snapshot{Name: a.Copy.Name, State: cloud.StateReady, Size: memcloud.GiB, Tags: cloud.TagsOf(map[string]string{cloud.TagBackup: "another"})})
			b.cloud.AddSnapshot(away, cloud.Snapshot{Name: a.Copy.Name + "-by-hand", State: cloud.StateReady, Size: memcloud.GiB})
			b.now = b.now.Add(time.Minute)
			b.cloud.Provoke("snapshot.copy", cloud.ErrTransient, true)
			b.start(a)
			row := b.settle(b.exec, a.ID)
			if row.State != store.ActionDone || len(row.Made) != 1 || len(b.copies()) != 3 || b.cloud.Calls()["snapshot.copy"] != 1 {
				t.Fatalf("got %s, made %v, %d snapshots with %d calls (%s); want done, one, three with those of people, one", row.State, row.Made, len(b.copies()), b.cloud.Calls()["snapshot.copy"], row.Problem)
			}
			for _, s := range b.copies() {
				if s.Ref == row.Made[0] && s.Name != a.Copy.Name {
					t.Errorf("found %s (%s), want the copy", s.Ref, s.Name)
				}
			}
		})
	}
}

// TestWhatIsBeingCopiedIsNotDeleted has a deletion meet a copy of the same backup that was planned meanwhile.
func TestWhatIsBeingCopiedIsNotDeleted(t *testing.T) {
	b := newBench(t, memcloud.Options{Regions: []string{away}})
	refs := b.backups(3)
	b.ready()
	begun := b.copy(refs[0])
	b.start(begun)
	gone := b.drop(refs[0], refs[2])
	gone.Backup = begun.Backup
	other := b.drop(refs[1], refs[2])
	other.Backup = "another"
	b.start(gone, other)
	if row := b.settle(b.exec, gone.ID); row.State != store.ActionSkipped || !strings.Contains(row.Problem, "is being copied to web/"+away) {
		t.Errorf("deleting the original: got %s (%s), want it skipped", row.State, row.Problem)
	}
	if row := b.settle(b.exec, other.ID); row.State != store.ActionDone {
		t.Errorf("deleting another backup: got %s (%s), want it done", row.State, row.Problem)
	}
	if row := b.settle(b.exec, begun.ID); row.State != store.ActionDone {
		t.Errorf("the copy: got %s (%s), want it done", row.State, row.Problem)
	}
	again := gone
	again.Try = 1
	again.ID = plan.ActionID(again)
	b.start(again)
	if row := b.settle(b.exec, again.ID); row.State != store.ActionDone {
		t.Errorf("deleting the original once it is copied: got %s (%s), want it done", row.State, row.Problem)
	}
}
