package memcloud_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
)

// pair is two accounts that know each other, in which copies take an hour and all else no time.
type pair struct {
	clk          *clock
	mine, theirs *memcloud.Cloud
	me, they     *cloud.Client
}

func newPair(o memcloud.Options) *pair {
	p := &pair{clk: newClock()}
	o.Regions, o.Now, o.Among = []string{"r-1", "r-2"}, p.clk.Now, &memcloud.Among{}
	o.Delays.Copy = time.Hour
	o.Account = "mine"
	p.mine = memcloud.New(o)
	o.Account = "theirs"
	p.theirs = memcloud.New(o)
	p.me, p.they = cloud.NewClient("mine", p.mine.Provider()), cloud.NewClient("theirs", p.theirs.Provider())
	return p
}

func (p *pair) image(t *testing.T, name string) cloud.Image {
	t.Helper()
	i := p.mine.AddInstance(memcloud.InstanceSpec{Name: name})
	img, err := p.me.CreateImage(t.Context(), cloud.NewImage{Region: "r-1", Instance: i.Ref.ID, Name: name})
	if err != nil {
		t.Fatalf("CreateImage: got %v, want no error", err)
	}
	return img
}

func copyTo(t *testing.T, c *cloud.Client, from cloud.Ref, name string) (cloud.Image, error) {
	t.Helper()
	return c.CopyImage(t.Context(), cloud.NewCopy{From: from, Region: "r-2", Name: name, Token: name})
}

func (p *pair) copy(t *testing.T, from cloud.Ref, name string) cloud.Image {
	t.Helper()
	got, err := copyTo(t, p.me, from, name)
	if err != nil {
		t.Fatalf("CopyImage(%s): got %v, want no error", from, err)
	}
	return got
}

func (p *pair) state(t *testing.T, ref cloud.Ref) cloud.State {
	t.Helper()
	for v, err := range p.me.Images(t.Context(), cloud.Query{Region: ref.Region, IDs: []string{ref.ID}}) {
		if err != nil {
			t.Fatalf("Images: got %v, want no error", err)
		}
		return v.State
	}
	return 0
}

func TestCopyTakesItsTimeAndItsFate(t *testing.T) {
	p := newPair(memcloud.Options{})
	src := p.image(t, "web")
	p.mine.NextFate(src.Ref.ID, memcloud.FateFail)
	p.mine.NextFate(src.Ref.ID, memcloud.FateStall)
	fails, stalls, well := p.copy(t, src.Ref, "a"), p.copy(t, src.Ref, "b"), p.copy(t, src.Ref, "c")
	p.clk.add(59 * time.Minute)
	for _, img := range []cloud.Image{fails, stalls, well} {
		if got := p.state(t, img.Ref); got != cloud.StateWorking {
			t.Errorf("%s before its time: got %v, want working", img.Name, got)
		}
	}
	p.clk.add(time.Minute)
	got := []cloud.State{p.state(t, fails.Ref), p.state(t, stalls.Ref), p.state(t, well.Ref)}
	if want := []cloud.State{cloud.StateFailed, cloud.StateWorking, cloud.StateReady}; !slices.Equal(got, want) {
		t.Errorf("copies after an hour = %v, want %v", got, want)
	}
	p.mine.SetFate(stalls.Ref, memcloud.FateReady)
	if got := p.state(t, stalls.Ref); got != cloud.StateReady {
		t.Errorf("the stalled copy, once it goes on: got %v, want ready", got)
	}
}

// TestStalledCopyKeepsItsPlace: places come free as copies end, and one that never ends has its for good.
func TestStalledCopyKeepsItsPlace(t *testing.T) {
	traits, _ := memcloud.TraitsOf("memory")
	traits.ImageCopies.Max = 2
	p := newPair(memcloud.Options{Traits: &traits})
	src := p.image(t, "web")
	p.mine.NextFate(src.Ref.ID, memcloud.FateStall)
	stalled := p.copy(t, src.Ref, "a")
	for n := range 3 {
		p.copy(t, src.Ref, fmt.Sprint("b", n))
		if _, err := copyTo(t, p.me, src.Ref, "c"); !errors.Is(err, cloud.ErrBusy) {
			t.Errorf("a third copy at once: got %v, want ErrBusy", err)
		}
		p.clk.add(time.Hour)
	}
	p.mine.Remove(stalled.Ref)
	p.copy(t, src.Ref, "d")
	p.copy(t, src.Ref, "e")
}

// TestSourceThatGoesTakesItsCopyWithIt, unless the cloud keeps it until the copy is complete.
func TestSourceThatGoesTakesItsCopyWithIt(t *testing.T) {
	p := newPair(memcloud.Options{})
	src := p.image(t, "web")
	early := p.copy(t, src.Ref, "early")
	p.clk.add(time.Hour)
	late := p.copy(t, src.Ref, "late")
	if err := p.me.DeleteImage(t.Context(), src.Ref); err != nil {
		t.Fatalf("DeleteImage of what is being copied: got %v, want no error", err)
	}
	if got := []cloud.State{p.state(t, early.Ref), p.state(t, late.Ref)}; !slices.Equal(got, []cloud.State{cloud.StateReady, cloud.StateFailed}) {
		t.Errorf("copies whose source is gone: got %v, want the complete one ready and the other failed", got)
	}

	p = newPair(memcloud.Options{Firm: true})
	src = p.image(t, "web")
	made := p.copy(t, src.Ref, "copy")
	if err := p.me.DeleteImage(t.Context(), src.Ref); cloud.ClassOf(err) != cloud.ErrInUse {
		t.Errorf("DeleteImage of what is being copied on a firm cloud: got %v, want in use", err)
	}
	if err := p.me.DeleteImage(t.Context(), made.Ref); cloud.ClassOf(err) != cloud.ErrConflict {
		t.Errorf("DeleteImage of a copy under way on a firm cloud: got %v, want a conflict", err)
	}
	p.clk.add(time.Hour)
	for _, img := range []cloud.Image{src, made} {
		if err := p.me.DeleteImage(t.Context(), img.Ref); err != nil {
			t.Errorf("DeleteImage of %s once the copy is complete: got %v, want no error", img.Name, err)
		}
	}
}

func TestFirmCloudKeepsWhatIsShared(t *testing.T) {
	p := newPair(memcloud.Options{Firm: true, SharesImagesOnly: true})
	src := p.image(t, "web")
	id, err := p.they.Identity(t.Context())
	if err != nil || len(id) != 12 {
		t.Fatalf("Identity() = %q, %v; want twelve digits", id, err)
	}
	for _, on := range []bool{true, false} {
		if err := p.me.Share(t.Context(), src.Ref, id, on); err != nil {
			t.Fatalf("Share(%v): got %v, want no error", on, err)
		}
		err := p.me.DeleteImage(t.Context(), src.Ref)
		if on && cloud.ClassOf(err) != cloud.ErrInUse || !on && err != nil {
			t.Errorf("DeleteImage of what is shared %v: got %v, want in use while it is", on, err)
		}
	}
}

// TestCopyAcrossAccounts: the target's copy, by the target's quotas, of what it may see for as long as it may.
func TestCopyAcrossAccounts(t *testing.T) {
	p := newPair(memcloud.Options{Quotas: memcloud.Quotas{Images: 1}})
	src := p.image(t, "web")
	id, _ := p.they.Identity(t.Context())
	if _, err := copyTo(t, p.they, src.Ref, "copy"); cloud.ClassOf(err) != cloud.ErrNotFound {
		t.Errorf("copying what is not shared: got %v, want not found", err)
	}
	if err := p.me.Share(t.Context(), src.Ref, id, true); err != nil {
		t.Fatalf("Share: got %v, want no error", err)
	}
	got, err := copyTo(t, p.they, src.Ref, "copy")
	if err != nil || got.Ref.Account != "theirs" || len(p.theirs.Truth().Images) != 1 || len(p.mine.Truth().Images) != 1 {
		t.Errorf("copying what is shared: got %v and %v, want one image in either account", got.Ref, err)
	}
	if _, err := copyTo(t, p.they, src.Ref, "another"); cloud.ClassOf(err) != cloud.ErrQuota {
		t.Errorf("a second copy: got %v, want the target's quota reached", err)
	}
	if _, err := copyTo(t, p.me, cloud.Ref{Account: "strangers", Region: "r-1", Kind: cloud.KindImage, ID: src.Ref.ID}, "x"); cloud.ClassOf(err) != cloud.ErrNotFound {
		t.Errorf("copying from an account that nobody knows: got %v, want not found", err)
	}
}

// TestCopiedSnapshotHasAnArbitraryDisk: nothing may be concluded from it.
func TestCopiedSnapshotHasAnArbitraryDisk(t *testing.T) {
	p := newPair(memcloud.Options{})
	src := p.image(t, "web")
	snap := p.mine.Truth().Snapshots[0]
	got, err := p.me.CopySnapshot(t.Context(), cloud.NewCopy{From: snap.Ref, Region: "r-2", Name: "copy"})
	if err != nil || got.Disk != "" || got.Size != snap.Size {
		t.Fatalf("CopySnapshot: got %+v and %v, want one of %d bytes and no disk", got, err, snap.Size)
	}
	for _, s := range p.mine.Truth().Snapshots {
		if s.Ref == got.Ref && (s.Disk == "" || s.Disk == snap.Disk) {
			t.Errorf("the copy of a snapshot of %s under %s: listed with disk %q, want an arbitrary one", snap.Disk, src.Ref, s.Disk)
		}
	}
}

// TestAccountsShareOneLock: both copy from each other at the same time.
func TestAccountsShareOneLock(t *testing.T) {
	p := newPair(memcloud.Options{Traits: &cloud.Traits{Cloud: "x", MaxTags: 9, ImageCopies: cloud.CopyTraits{SharedAcross: true}}})
	src := p.image(t, "web")
	id, _ := p.they.Identity(t.Context())
	if err := p.me.Share(t.Context(), src.Ref, id, true); err != nil {
		t.Fatalf("Share: got %v, want no error", err)
	}
	var wg sync.WaitGroup
	for n := range 20 {
		for _, c := range []*cloud.Client{p.me, p.they} {
			wg.Go(func() {
				if _, err := copyTo(t, c, src.Ref, fmt.Sprint("copy-", n)); err != nil {
					t.Errorf("CopyImage to %s: got %v, want no error", c.Account(), err)
				}
			})
		}
	}
	wg.Wait()
	if mine, theirs := len(p.mine.Truth().Images), len(p.theirs.Truth().Images); mine != 21 || theirs != 20 {
		t.Errorf("images: %d and %d, want 21 and 20", mine, theirs)
	}
}

func TestAmongAccountsNamesAreTold(t *testing.T) {
	o := memcloud.Options{Account: "web", Regions: []string{"r-1"}, Now: time.Now, Among: &memcloud.Among{}}
	memcloud.New(o)
	defer func() {
		if recover() == nil {
			t.Error("two accounts of one name among each other: got no panic, want one")
		}
	}()
	memcloud.New(o)
}

// TestDisksThatStay: what a person attached, and a data disk of what is not thrown away, outlive their instance.
func TestDisksThatStay(t *testing.T) {
	p := newPair(memcloud.Options{DisksStay: true})
	i := p.mine.AddInstance(memcloud.InstanceSpec{Name: "web", DiskSizes: []int64{memcloud.GiB, memcloud.GiB}})
	extra := p.mine.AddDisk("r-1", cloud.Disk{Name: "extra", Instance: i.Ref.ID})
	if err := p.me.DeleteInstance(t.Context(), i.Ref); err != nil {
		t.Fatalf("DeleteInstance: got %v, want no error", err)
	}
	var left []string
	for _, d := range p.mine.Truth().Disks {
		if d.Instance != "" {
			t.Errorf("disk %s of what is gone is attached to %s, want to nothing", d.Ref, d.Instance)
		}
		left = append(left, d.Ref.ID)
	}
	if want := []string{i.Disks[1].Disk, extra.Ref.ID}; !slices.Equal(left, want) {
		t.Errorf("disks left = %v, want %v", left, want)
	}
}
