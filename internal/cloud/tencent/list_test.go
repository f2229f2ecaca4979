package tencent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/cloud/tencent/faketencent"
)

// TestNouns: what the cloud says, in our words.
func TestNouns(t *testing.T) {
	at := time.Date(2026, 11, 20, 18, 30, 0, 0, time.UTC)
	f := faketencent.New(faketencent.Options{})
	p := open(t, f)
	q := func(id string) cloud.Query { return cloud.Query{Region: region, IDs: []string{id}} }
	snap := func(s faketencent.Snapshot) cloud.Snapshot {
		t.Helper()
		s.Created = at
		page, err := p.Snapshots(t.Context(), q(f.AddSnapshot(region, s)), "")
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("Snapshots: got %v and %v, want one", page.Items, err)
		}
		return page.Items[0]
	}
	if s := snap(faketencent.Snapshot{DiskID: "disk-00000001", GiB: 30, Encrypted: true}); s.State != cloud.StateReady || s.Name != "" || s.Size != 30<<30 || !s.Encrypted || s.Disk != "disk-00000001" || !s.CreatedAt.Equal(at) || s.CreatedAt.Location() != time.UTC {
		t.Errorf("snapshot = %+v, want it ready, without a name, of 30 GiB, encrypted, of %v though CBS writes China's time", s, at)
	}
	if s := snap(faketencent.Snapshot{DiskID: "disk-00000001", Policy: "asp-1"}); s.Managed != "auto-snapshot-policy" {
		t.Errorf("snapshot of an automatic policy: managed by %q, want auto-snapshot-policy", s.Managed)
	}
	if s := snap(faketencent.Snapshot{DiskID: "disk-00000001", Remote: true}); s.Disk != "" {
		t.Errorf("snapshot from another region: of disk %q, want none", s.Disk)
	}
	for state, want := range map[string]cloud.State{
		"NORMAL": cloud.StateReady, "ROLLBACKING": cloud.StateWorking, "CHECKING_COPIED": cloud.StateWorking, "TORECYCLE": cloud.StateRetired, "BRANDNEW": cloud.StateUnknown,
	} {
		if s := snap(faketencent.Snapshot{End: state}); s.State != want || s.Detail != state {
			t.Errorf("snapshot %s: got %v (%s), want %v", state, s.State, s.Detail, want)
		}
	}
	for state, want := range map[string]cloud.State{
		"NORMAL": cloud.StateReady, "SYNCING": cloud.StateWorking, "IMPORTING": cloud.StateWorking, "CREATEFAILED": cloud.StateFailed, "IMPORTFAILED": cloud.StateFailed, "BRANDNEW": cloud.StateUnknown,
	} {
		page, err := p.Images(t.Context(), q(f.AddImage(region, faketencent.Image{End: state})), "")
		if err != nil || len(page.Items) != 1 || page.Items[0].State != want {
			t.Errorf("image %s: got %v and %v, want %v", state, page.Items, err, want)
		}
	}
	page, err := p.Images(t.Context(), q(f.AddImage(region, faketencent.Image{Deprecated: true})), "")
	if err != nil || page.Items[0].State != cloud.StateRetired {
		t.Errorf("deprecated image: got %v and %v, want retired", page.Items, err)
	}
	for state, want := range map[string]cloud.Power{
		"PENDING": cloud.PowerStarting, "LAUNCH_FAILED": cloud.PowerFailed, "RUNNING": cloud.PowerRunning, "STOPPED": cloud.PowerStopped, "REBOOTING": cloud.PowerStarting,
		"SHUTDOWN": cloud.PowerStopped, "TERMINATING": cloud.PowerStopping, "RESCUE_MODE": cloud.PowerUnknown, "SERVICE_LIVE_MIGRATE": cloud.PowerRunning, "BRANDNEW": cloud.PowerUnknown,
	} {
		page, err := p.Instances(t.Context(), q(f.AddInstance(region, faketencent.NewInstance{State: state})), "")
		if err != nil || len(page.Items) != 1 || page.Items[0].Power != want {
			t.Errorf("instance %s: got %v and %v, want %v", state, page.Items, err, want)
		}
	}
	for state, want := range map[string]cloud.State{"ATTACHING": cloud.StateReady, "EXPANDING": cloud.StateWorking, "TORECYCLE": cloud.StateRetired, "BRANDNEW": cloud.StateUnknown} {
		id := f.AddDisk(region, faketencent.NewDisk{})
		f.EditDisk(region, id, func(d *faketencent.Disk) { d.End = state })
		page, err := p.Disks(t.Context(), q(id), "")
		if err != nil || len(page.Items) != 1 || page.Items[0].State != want {
			t.Errorf("disk %s: got %v and %v, want %v", state, page.Items, err, want)
		}
	}
}

// TestLocalRoot: a system disk on the host is none that snapshots reach.
func TestLocalRoot(t *testing.T) {
	f := faketencent.New(faketencent.Options{})
	p := open(t, f)
	id := f.AddInstance(region, faketencent.NewInstance{LocalRoot: true, Disks: make([]faketencent.NewDisk, 2)})
	page, err := p.Instances(t.Context(), cloud.Query{Region: region, IDs: []string{id}}, "")
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("Instances: got %v and %v, want one", page.Items, err)
	}
	if got := page.Items[0]; !got.LocalRoot || len(got.Disks) != 2 || got.Disks[0].Root || got.Network != "vpc-default1/subnet-default1" {
		t.Errorf("instance = %+v, want a local root, two data disks, and its network with the subnet", got)
	}
}

// TestOthersThings: what is public or shared is none of the account's own, by listing and by id.
func TestOthersThings(t *testing.T) {
	f := faketencent.New(faketencent.Options{Accounts: lender("")})
	p := open(t, f)
	theirs := f.In("200000000002").AddImage(region, faketencent.Image{Name: "theirs", Shared: map[string]time.Time{faketencent.UIN: time.Now()}})
	shared := f.AddSnapshot(region, faketencent.Snapshot{Type: "SHARED_SNAPSHOT"})
	mine, snap := f.AddImage(region, faketencent.Image{Name: "mine"}), f.AddSnapshot(region, faketencent.Snapshot{})
	for _, ids := range [][]string{nil, {theirs, shared, faketencent.BaseImage, mine, snap}} {
		images, err := p.Images(t.Context(), cloud.Query{Region: region, IDs: ids}, "")
		if err != nil || len(images.Items) != 1 || images.Items[0].Ref.ID != mine {
			t.Errorf("Images(%v): got %v and %v, want %s alone", ids, images.Items, err, mine)
		}
		snaps, err := p.Snapshots(t.Context(), cloud.Query{Region: region, IDs: ids}, "")
		if err != nil || len(snaps.Items) != 1 || snaps.Items[0].Ref.ID != snap {
			t.Errorf("Snapshots(%v): got %v and %v, want %s alone", ids, snaps.Items, err, snap)
		}
	}
}

// TestTraits: the cloud in memory imitates this one.
func TestTraits(t *testing.T) {
	got := open(t, faketencent.New(faketencent.Options{})).Traits()
	want, _ := memcloud.TraitsOf("tencent")
	got.Lag = want.Lag // how far listings are behind is the world's, not the cloud's
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("Traits() = %+v, memcloud has %+v, want the same", got, want)
	}
}

// TestShiftingPages: while instances (newest first) and snapshots (oldest first) come and go between two pages, what is
// there all the time is seen once, and nothing twice.
func TestShiftingPages(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		f := faketencent.New(faketencent.Options{Seed: seed})
		p := open(t, f)
		p.page = 20
		var ids []string
		newest := seed%2 == 0
		add := func() {
			if newest {
				ids = append(ids, f.AddInstance(region, faketencent.NewInstance{LocalRoot: true}))
			} else {
				ids = append(ids, f.AddSnapshot(region, faketencent.Snapshot{}))
			}
		}
		for range 150 {
			add()
		}
		always := slices.Clone(ids)
		seen := map[string]int{}
		for cursor, n := "", 0; ; n++ {
			next := ""
			if newest {
				page, err := p.Instances(t.Context(), cloud.Query{Region: region}, cursor)
				if err != nil {
					t.Fatalf("seed %d, page %d: got %v, want no error", seed, n, err)
				}
				for _, v := range page.Items {
					seen[v.Ref.ID]++
				}
				next = page.Next
			} else {
				page, err := p.Snapshots(t.Context(), cloud.Query{Region: region}, cursor)
				if err != nil {
					t.Fatalf("seed %d, page %d: got %v, want no error", seed, n, err)
				}
				for _, v := range page.Items {
					seen[v.Ref.ID]++
				}
				next = page.Next
			}
			if next == "" {
				break
			}
			cursor = next
			if r.IntN(3) == 0 {
				continue
			}
			for range r.IntN(8) {
				add()
			}
			for range r.IntN(12) {
				i := r.IntN(len(ids))
				f.Remove(region, ids[i])
				always = slices.DeleteFunc(always, func(id string) bool { return id == ids[i] })
				ids = slices.Delete(ids, i, i+1)
			}
		}
		for id, n := range seen {
			if n > 1 {
				t.Errorf("seed %d: %s was seen %d times, want once", seed, id, n)
			}
		}
		for _, id := range always {
			if seen[id] == 0 {
				t.Errorf("seed %d: %s was there all the time and was not seen", seed, id)
			}
		}
	}
}

// TestThingsOfOneSecond: the cloud orders things of one second as it likes, and not in the same way each time.
func TestThingsOfOneSecond(t *testing.T) {
	var all []string
	for i := range 50 {
		all = append(all, fmt.Sprintf("t%02d", i))
	}
	order := slices.Clone(all)
	l := &look[string]{size: 20, id: func(s string) string { return s }, ask: func(w window) (answer[string], error) {
		end := min(w.offset+w.limit, len(order))
		return answer[string]{slices.Clone(order[w.offset:end]), end - w.offset, len(order)}, nil
	}}
	seen, from, err := l.after(place{})
	if err != nil {
		t.Fatalf("first page: got %v, want no error", err)
	}
	order[19], order[20] = order[20], order[19] // the first of the next page comes before the last of this one from now on
	for from.offset != 0 {
		var more []string
		if more, from, err = l.after(from); err != nil {
			t.Fatalf("next page: got %v, want no error", err)
		}
		seen = append(seen, more...)
	}
	slices.Sort(seen)
	if !slices.Equal(seen, all) {
		t.Errorf("things that change places: got %v, want each of %v once", seen, all)
	}
}

// TestTooMuchGone: when nothing is left of what was seen, the listing says that it is not whole.
func TestTooMuchGone(t *testing.T) {
	f := faketencent.New(faketencent.Options{})
	p := open(t, f)
	p.page = 5
	var ids []string
	for range 40 {
		ids = append(ids, f.AddSnapshot(region, faketencent.Snapshot{}))
	}
	page, err := p.Snapshots(t.Context(), cloud.Query{Region: region}, "")
	if err != nil || page.Next == "" {
		t.Fatalf("first page: got %v, want a cursor", err)
	}
	for _, id := range ids[:5] {
		f.Remove(region, id)
	}
	if page, err := p.Snapshots(t.Context(), cloud.Query{Region: region}, page.Next); cloud.ClassOf(err) != cloud.ErrTransient {
		t.Errorf("second page when all of the first is gone: got %v and %v, want a transient error", page.Items, err)
	}
	for _, wrong := range []string{"x", "5", "5:", "-1:a", "0:a"} {
		if _, err := p.Snapshots(t.Context(), cloud.Query{Region: region}, wrong); cloud.ClassOf(err) != cloud.ErrUnsupported {
			t.Errorf("Snapshots(cursor %q): got %v, want ErrUnsupported", wrong, err)
		}
	}
}
