package memcloud_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"pgregory.net/rapid"
)

func openAccount(o memcloud.Options) (*memcloud.Cloud, *cloud.Client, *clock) {
	clk := newClock()
	o.Account, o.Regions, o.Now = "shop", []string{"r-1", "r-2"}, clk.Now
	c := memcloud.New(o)
	return c, cloud.NewClient("shop", c.Provider()), clk
}

func snap(disk, token string) cloud.NewSnapshot {
	return cloud.NewSnapshot{Region: "r-1", Disk: disk, Name: "n", Token: token}
}

func mustSnap(t *testing.T, client *cloud.Client, disk, token string) cloud.Snapshot {
	t.Helper()
	s, err := client.CreateSnapshot(t.Context(), snap(disk, token))
	if err != nil {
		t.Fatalf("CreateSnapshot(%s): got %v, want no error", disk, err)
	}
	return s
}

func listed(t *testing.T, client *cloud.Client, ids ...string) map[string]cloud.Snapshot {
	t.Helper()
	out := map[string]cloud.Snapshot{}
	for s, err := range client.Snapshots(t.Context(), cloud.Query{Region: "r-1", IDs: ids}) {
		if err != nil {
			t.Fatalf("Snapshots: got %v, want no error", err)
		}
		out[s.Ref.ID] = s
	}
	return out
}

func TestFate(t *testing.T) {
	c, client, clk := openAccount(memcloud.Options{Delays: memcloud.Delays{Snapshot: time.Hour}})
	disk, other := c.AddInstance(memcloud.InstanceSpec{}).Disks[0].Disk, c.AddInstance(memcloud.InstanceSpec{}).Disks[0].Disk
	c.NextFate(disk, memcloud.FateFail)
	c.NextFate(disk, memcloud.FateStall)
	spared := mustSnap(t, client, other, "0")
	failed, stalled, good := mustSnap(t, client, disk, "1"), mustSnap(t, client, disk, "2"), mustSnap(t, client, disk, "3")
	states := func(when string, want ...cloud.State) {
		t.Helper()
		got := listed(t, client)
		for i, s := range []cloud.Snapshot{spared, failed, stalled, good} {
			if got[s.Ref.ID].State != want[i] {
				t.Errorf("%s: snapshot %d is %v, want %v", when, i, got[s.Ref.ID].State, want[i])
			}
		}
	}
	w, r, f := cloud.StateWorking, cloud.StateReady, cloud.StateFailed
	clk.add(30 * time.Minute)
	states("half way", w, w, w, w)
	if p := listed(t, client)[good.Ref.ID].Progress; p != 50 {
		t.Errorf("progress half way = %d, want 50", p)
	}
	clk.add(time.Hour)
	states("after its time", r, f, w, r)
	if d := listed(t, client)[failed.Ref.ID].Detail; !strings.Contains(d, "error") {
		t.Errorf("detail of what failed = %q, want the cloud's word", d)
	}
	c.SetFate(stalled.Ref, memcloud.FateReady)
	states("once released", r, f, r, r)
}

// TestLag: listings lack what is new and have what is gone, for as long as they lag; every other call knows better.
func TestLag(t *testing.T) {
	c, client, clk := openAccount(memcloud.Options{Lag: time.Minute})
	disk := c.AddInstance(memcloud.InstanceSpec{}).Disks[0].Disk
	if client.Traits().Lag != time.Minute {
		t.Errorf("Traits().Lag = %v, want a minute, as the listings do", client.Traits().Lag)
	}
	s := mustSnap(t, client, disk, "1")
	if got := listed(t, client); len(got) != 0 {
		t.Errorf("listing right after the create: got %v, want nothing yet", got)
	}
	if got := listed(t, client, s.Ref.ID); len(got) != 0 {
		t.Errorf("listing by id right after the create: got %v, want nothing yet", got)
	}
	if n := len(c.Truth().Snapshots); n != 1 {
		t.Errorf("Truth has %d snapshots, want 1", n)
	}
	clk.add(time.Minute)
	if got := listed(t, client); len(got) != 1 {
		t.Errorf("listing a minute later: got %v, want it", got)
	}
	if err := client.DeleteSnapshot(t.Context(), s.Ref); err != nil {
		t.Fatalf("DeleteSnapshot: got %v, want no error", err)
	}
	if got := listed(t, client); got[s.Ref.ID].State != cloud.StateReady {
		t.Errorf("listing right after the deletion: got %v, want it as if nothing had happened", got)
	}
	if err := client.DeleteSnapshot(t.Context(), s.Ref); cloud.ClassOf(err) != cloud.ErrNotFound {
		t.Errorf("DeleteSnapshot of what is still listed: got %v, want ErrNotFound", err)
	}
	clk.add(time.Minute)
	if got := listed(t, client); len(got) != 0 {
		t.Errorf("listing a minute after the deletion: got %v, want nothing", got)
	}
}

func TestQuotas(t *testing.T) {
	ctx := t.Context()
	c, client, _ := openAccount(memcloud.Options{Quotas: memcloud.Quotas{Snapshots: 5, PerDisk: 2, Images: 1, Instances: 3, Disks: 4}})
	i := c.AddInstance(memcloud.InstanceSpec{DiskSizes: []int64{1, 2}})
	quota := func(call string, err error) {
		t.Helper()
		if cloud.ClassOf(err) != cloud.ErrQuota {
			t.Errorf("%s beyond the quota: got %v, want ErrQuota", call, err)
		}
	}
	s := mustSnap(t, client, i.Disks[0].Disk, "1")
	img, err := client.CreateImage(ctx, cloud.NewImage{Region: "r-1", Instance: i.Ref.ID, Name: "golden"})
	if err != nil {
		t.Fatalf("CreateImage: got %v, want no error", err)
	}
	_, err = client.CreateSnapshot(ctx, snap(i.Disks[0].Disk, "2"))
	quota("CreateSnapshot of a disk that has two", err)
	before := len(c.Truth().Snapshots)
	_, err = client.CreateSnapshotSet(ctx, cloud.NewSnapshotSet{Region: "r-1", Instance: i.Ref.ID})
	quota("CreateSnapshotSet with a disk that has two", err)
	if n := len(c.Truth().Snapshots); n != before {
		t.Errorf("a refused set left %d snapshots, want none", n-before)
	}
	_, err = client.CreateImage(ctx, cloud.NewImage{Region: "r-1", Instance: i.Ref.ID, Name: "other"})
	quota("CreateImage", err)
	if err := client.DeleteSnapshot(ctx, s.Ref); err != nil {
		t.Fatalf("DeleteSnapshot: got %v, want no error", err)
	}
	mustSnap(t, client, i.Disks[0].Disk, "3")
	run := cloud.NewInstance{Region: "r-1", Image: img.Ref.ID, Type: "small"}
	if _, err := client.RunInstance(ctx, run); err != nil {
		t.Fatalf("RunInstance: got %v, want no error", err)
	}
	run.Token = "again"
	_, err = client.RunInstance(ctx, run)
	quota("RunInstance with two disks where four are", err)
	_, err = client.CreateDisk(ctx, cloud.NewDisk{Region: "r-1", Snapshot: img.Snapshots[0]})
	quota("CreateDisk", err)
}

// TestImageNames: unique where the cloud says so, and free again after the deletion.
func TestImageNames(t *testing.T) {
	ctx := t.Context()
	for name, want := range map[string]error{"aws": cloud.ErrConflict, "openstack": nil} {
		c, client, _ := openAccount(memcloud.Options{Cloud: name})
		req := cloud.NewImage{Region: "r-1", Instance: c.AddInstance(memcloud.InstanceSpec{}).Ref.ID, Name: "golden"}
		first, err := client.CreateImage(ctx, req)
		if err != nil {
			t.Fatalf("CreateImage on %s: got %v, want no error", name, err)
		}
		if _, err = client.CreateImage(ctx, req); cloud.ClassOf(err) != want {
			t.Errorf("CreateImage on %s with a name that is taken: got %v, want class %v", name, err, want)
		}
		if err := client.DeleteImage(ctx, first.Ref); err != nil {
			t.Fatalf("DeleteImage on %s: got %v, want no error", name, err)
		}
		if _, err = client.CreateImage(ctx, req); err != nil {
			t.Errorf("CreateImage on %s with a name that is free again: got %v, want no error", name, err)
		}
	}
}

// TestHands: what people do is seen by the next look.
func TestHands(t *testing.T) {
	c, client, clk := openAccount(memcloud.Options{Terminated: time.Hour, Delays: memcloud.Delays{Reboot: time.Minute}})
	i := c.AddInstance(memcloud.InstanceSpec{Name: "web", DiskSizes: []int64{1, 2, 3}})
	look := func() (got cloud.Instance) {
		t.Helper()
		for v, err := range client.Instances(t.Context(), cloud.Query{Region: "r-1"}) {
			if err != nil {
				t.Fatalf("Instances: got %v, want no error", err)
			}
			got = v
		}
		return got
	}
	keep := cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindDisk, ID: i.Disks[2].Disk}
	if !c.Detach(keep) || c.Detach(keep) || len(look().Disks) != 2 {
		t.Errorf("Detach: got %d disks, want two, and no second time", len(look().Disks))
	}
	if !c.Attach(keep, i.Ref) || c.Attach(keep, i.Ref) || len(look().Disks) != 3 || !c.Detach(keep) {
		t.Errorf("Attach: got %d disks, want three, and no second time", len(look().Disks))
	}
	if !c.SetPower(i.Ref, cloud.PowerStopped) || look().Power != cloud.PowerStopped {
		t.Errorf("SetPower: got %v, want stopped", look().Power)
	}
	if !c.Reboot(i.Ref) || look().Power != cloud.PowerStarting {
		t.Errorf("Reboot: got %v, want starting", look().Power)
	}
	if clk.add(time.Minute); look().Power != cloud.PowerRunning {
		t.Errorf("a minute after Reboot: got %v, want running", look().Power)
	}
	if tags := cloud.TagsOf(map[string]string{"aws:own": "x"}); !c.Retag(i.Ref, tags) || !look().Tags.Equal(tags) {
		t.Errorf("Retag: got %v, want %v", look().Tags, tags)
	}
	if !c.Remove(i.Ref) || c.Remove(i.Ref) || look().Power != cloud.PowerGone {
		t.Errorf("Remove: got %v, want gone but listed, and no second time", look().Power)
	}
	truth := c.Truth()
	if len(truth.Instances) != 0 || len(truth.Disks) != 1 || truth.Disks[0].Ref != keep || truth.Disks[0].Instance != "" {
		t.Errorf("Truth after Remove = %+v, want the detached disk alone", truth)
	}
	if clk.add(time.Hour); look().Ref.ID != "" {
		t.Errorf("an hour after Remove: got %+v, want nothing", look())
	}
}

// TestManaged: what another service owns is not deleted, and a person's removal stops at nothing.
func TestManaged(t *testing.T) {
	c, client, _ := openAccount(memcloud.Options{})
	i := c.AddInstance(memcloud.InstanceSpec{})
	s := mustSnap(t, client, i.Disks[0].Disk, "1")
	img, err := client.CreateImage(t.Context(), cloud.NewImage{Region: "r-1", Instance: i.Ref.ID, Name: "golden"})
	if err != nil {
		t.Fatalf("CreateImage: got %v, want no error", err)
	}
	c.Manage(s.Ref, "aws-backup")
	c.Manage(img.Ref, "dlm")
	if got := listed(t, client, s.Ref.ID)[s.Ref.ID].Managed; got != "aws-backup" {
		t.Errorf("Managed = %q, want aws-backup", got)
	}
	for what, err := range map[string]error{"snapshot": client.DeleteSnapshot(t.Context(), s.Ref), "image": client.DeleteImage(t.Context(), img.Ref)} {
		if cloud.ClassOf(err) != cloud.ErrDenied {
			t.Errorf("deleting a managed %s: got %v, want ErrDenied", what, err)
		}
	}
	under := cloud.Ref{Account: "shop", Region: "r-1", Kind: cloud.KindSnapshot, ID: img.Snapshots[0]}
	if !c.Remove(s.Ref) || !c.Remove(under) {
		t.Errorf("Remove of a managed snapshot and of one under an image: got no, want yes")
	}
	_, err = client.RunInstance(t.Context(), cloud.NewInstance{Region: "r-1", Image: img.Ref.ID, Type: "small"})
	if cloud.ClassOf(err) != cloud.ErrConflict {
		t.Errorf("RunInstance from an image whose snapshot is gone: got %v, want ErrConflict", err)
	}
}

// TestWrongPlaceIsNotNotFound: a deletion sent to the wrong place must not look done.
func TestWrongPlaceIsNotNotFound(t *testing.T) {
	c, client, _ := openAccount(memcloud.Options{})
	s := mustSnap(t, client, c.AddInstance(memcloud.InstanceSpec{}).Disks[0].Disk, "1")
	for _, wrong := range []func(*cloud.Ref){
		func(r *cloud.Ref) { r.Region = "nowhere" }, func(r *cloud.Ref) { r.Account = "other" }, func(r *cloud.Ref) { r.Kind = cloud.KindImage },
	} {
		ref := s.Ref
		wrong(&ref)
		if err := client.DeleteSnapshot(t.Context(), ref); err == nil || cloud.ClassOf(err) != nil {
			t.Errorf("DeleteSnapshot(%s): got %v, want an error without a class", ref, err)
		}
	}
}

func TestTokenWithAnotherRequest(t *testing.T) {
	c, client, _ := openAccount(memcloud.Options{})
	i := c.AddInstance(memcloud.InstanceSpec{DiskSizes: []int64{1, 2}})
	mustSnap(t, client, i.Disks[0].Disk, "1")
	if _, err := client.CreateSnapshot(t.Context(), snap(i.Disks[1].Disk, "1")); cloud.ClassOf(err) != cloud.ErrConflict {
		t.Errorf("the same token for another disk: got %v, want ErrConflict", err)
	}
}

func TestTagRules(t *testing.T) {
	c, client, _ := openAccount(memcloud.Options{Cloud: "alibaba"})
	ref := c.AddInstance(memcloud.InstanceSpec{Tags: cloud.TagsOf(map[string]string{"a": "b"})}).Ref
	many := map[string]string{}
	for n := range 20 {
		many[fmt.Sprint(n)] = ""
	}
	for name, tags := range map[string]map[string]string{
		"too many": many, "reserved": {"acs:x": ""}, "long key": {strings.Repeat("k", 129): ""}, "long value": {"k": strings.Repeat("é", 129)}, "no key": {"": "x"},
	} {
		if err := client.SetTags(t.Context(), ref, cloud.TagsOf(tags)); err == nil {
			t.Errorf("SetTags, %s: got no error, want one", name)
		}
	}
	if err := client.SetTags(t.Context(), ref, cloud.TagsOf(map[string]string{"k": strings.Repeat("é", 128)})); err != nil {
		t.Errorf("SetTags with a value of 128 characters: got %v, want no error", err)
	}
}

// TestSameCallsSameAnswers: two accounts that live through the same are the same, ids included; accounts of other names
// have other ids.
func TestSameCallsSameAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 6), 1, 40).Draw(t, "steps")
		var traces [2]string
		for i := range traces {
			c, client, clk := openAccount(memcloud.Options{Delays: memcloud.Delays{Snapshot: 3 * time.Minute, Delete: time.Minute}, Lag: time.Minute})
			ctx := context.Background()
			var trace strings.Builder
			for n, step := range steps {
				truth := c.Truth()
				var err error
				switch {
				case step == 0 || len(truth.Instances) == 0:
					c.AddInstance(memcloud.InstanceSpec{Name: fmt.Sprint(n)})
				case step == 1:
					_, err = client.CreateSnapshotSet(ctx, cloud.NewSnapshotSet{Region: "r-1", Instance: truth.Instances[0].Ref.ID, Token: fmt.Sprint(n % 3)})
				case step == 2:
					_, err = client.CreateImage(ctx, cloud.NewImage{Region: "r-1", Instance: truth.Instances[0].Ref.ID, Name: fmt.Sprint(n)})
				case step == 3 && len(truth.Snapshots) > 0:
					err = client.DeleteSnapshot(ctx, truth.Snapshots[n%len(truth.Snapshots)].Ref)
				case step == 4 && len(truth.Images) > 0:
					err = client.DeleteImage(ctx, truth.Images[n%len(truth.Images)].Ref)
				case step == 5:
					c.Remove(truth.Instances[n%len(truth.Instances)].Ref)
				default:
					clk.add(time.Minute)
				}
				fmt.Fprintln(&trace, step, err)
				for s, err := range client.Snapshots(ctx, cloud.Query{Region: "r-1"}) {
					fmt.Fprintf(&trace, "%+v %v\n", s, err)
				}
				checkStanding(t, c.Truth())
			}
			fmt.Fprintf(&trace, "%+v %v", c.Truth(), c.Calls())
			traces[i] = trace.String()
		}
		if traces[0] != traces[1] {
			t.Fatalf("the same steps twice: got\n%s\nand then\n%s", traces[0], traces[1])
		}
	})
}

// checkStanding: no image ever stands on a snapshot that is gone.
func checkStanding(t *rapid.T, truth memcloud.Truth) {
	there := map[string]bool{}
	for _, s := range truth.Snapshots {
		there[s.Ref.ID] = true
	}
	for _, img := range truth.Images {
		for _, id := range img.Snapshots {
			if !there[id] && img.State != cloud.StateWorking {
				t.Fatalf("image %s stands on %s, which is gone", img.Ref, id)
			}
		}
	}
}

// TestManyAtOnce is for the race detector: looking and changing at the same time.
func TestManyAtOnce(t *testing.T) {
	c, client, clk := openAccount(memcloud.Options{Delays: memcloud.Delays{Snapshot: time.Second}, PageSize: 5})
	i := c.AddInstance(memcloud.InstanceSpec{})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for k := range 30 {
				s, err := client.CreateSnapshot(t.Context(), snap(i.Disks[0].Disk, fmt.Sprint(n, "-", k)))
				if err != nil {
					t.Errorf("CreateSnapshot: got %v, want no error", err)
					return
				}
				clk.add(time.Millisecond)
				listed(t, client)
				if k%2 == 0 {
					if err := client.DeleteSnapshot(t.Context(), s.Ref); err != nil {
						t.Errorf("DeleteSnapshot: got %v, want no error", err)
					}
				}
			}
		})
	}
	wg.Wait()
	if got := len(c.Truth().Snapshots); got != 8*15 {
		t.Errorf("%d snapshots are left, want %d", got, 8*15)
	}
	if got := c.Calls()["snapshot.create"]; got != 8*30 {
		t.Errorf("Calls()[snapshot.create] = %d, want %d", got, 8*30)
	}
}

// TestLargeListing: a hundred thousand instances are listed whole, in order, in as few calls as the pages allow. That the
// time grows with their number only, BenchmarkListing shows.
func TestLargeListing(t *testing.T) {
	c, client, _ := openAccount(memcloud.Options{PageSize: 1000})
	const many = 100_000
	for range many {
		c.AddInstance(memcloud.InstanceSpec{})
	}
	var ids []string
	for i, err := range client.Instances(t.Context(), cloud.Query{Region: "r-1"}) {
		if err != nil {
			t.Fatalf("Instances: got %v, want no error", err)
		}
		ids = append(ids, i.Ref.ID)
	}
	if len(ids) != many || !slices.IsSorted(ids) || c.Calls()["instance.list"] != many/1000 {
		t.Errorf("listing: got %d instances in %d calls, want %d in %d", len(ids), c.Calls()["instance.list"], many, many/1000)
	}
}

func BenchmarkListing(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c, client, _ := openAccount(memcloud.Options{PageSize: 100})
			for range n {
				c.AddInstance(memcloud.InstanceSpec{})
			}
			for b.Loop() {
				for range client.Instances(b.Context(), cloud.Query{Region: "r-1"}) {
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/instance")
		})
	}
}

// TestListingsFromReplicas: a listing that is behind shows things, their states and their tags as they were, and the next
// one that is not shows them as they are.
func TestListingsFromReplicas(t *testing.T) {
	var behind time.Duration
	c, client, clk := openAccount(memcloud.Options{
		Behind: func() time.Duration { return behind }, Delays: memcloud.Delays{Snapshot: 30 * time.Second},
	})
	inst := c.AddInstance(memcloud.InstanceSpec{Region: "r-1"})
	clk.add(time.Hour)
	s := mustSnap(t, client, inst.Disks[0].Disk, "t")
	behind = time.Minute
	if got := listed(t, client); len(got) != 0 {
		t.Errorf("a listing that is a minute behind: got %v, want nothing of what was just made", got)
	}
	behind = 0
	if got := listed(t, client); got[s.Ref.ID].State != cloud.StateWorking {
		t.Errorf("a listing that is not behind: got %v, want it working", got)
	}
	clk.add(2 * time.Minute)
	c.Retag(s.Ref, cloud.TagsOf(map[string]string{cloud.TagHold: "please"}))
	behind = time.Minute
	if got := listed(t, client); got[s.Ref.ID].Tags.Has(cloud.TagHold) || got[s.Ref.ID].State != cloud.StateReady {
		t.Errorf("a listing that is a minute behind: got %v, want it ready and without the hold", got)
	}
	behind = 0
	if got := listed(t, client); !got[s.Ref.ID].Tags.Has(cloud.TagHold) {
		t.Errorf("a listing that is not behind: got %v, want the hold", got)
	}
	c.Remove(s.Ref)
	behind = time.Minute
	if got := listed(t, client, s.Ref.ID); len(got) != 1 {
		t.Errorf("a listing that is a minute behind: got %v, want what was just deleted", got)
	}
}
