package alibaba

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/alibaba/fakealibaba"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
)

// every lists all of a kind through a client.
func every[T any](t *testing.T, seq func(func(T, error) bool)) []T {
	t.Helper()
	var out []T
	for v, err := range seq {
		if err != nil {
			t.Fatalf("listing: got %v after %d items, want no error", err, len(out))
		}
		out = append(out, v)
	}
	return out
}

// TestTraitsAreMemcloudsToo: what is simulated is what is said here.
func TestTraitsAreMemcloudsToo(t *testing.T) {
	want, _ := memcloud.TraitsOf("alibaba")
	got := open(t, fakealibaba.New(fakealibaba.Options{})).Traits()
	got.Lag = want.Lag // memcloud's is an option
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("Traits() = %+v, memcloud says %+v: want the same but for the lag", got, want)
	}
}

// TestInstancesAreListedWithTheirDisks over many pages, of which the first bring none; one made between the disks and the
// instances has its disks too.
func TestInstancesAreListedWithTheirDisks(t *testing.T) {
	for _, o := range []fakealibaba.Options{{PageSize: 3}, {}, {PageSize: 3, EmptyPages: true}} {
		f := fakealibaba.New(o)
		ids := f.AddInstances(region, 13, 3, nil)
		late := ""
		p := open(t, f)
		cursor, pages := "", 0
		var got []cloud.Instance
		for {
			page, err := p.Instances(t.Context(), cloud.Query{Region: region}, cursor)
			if err != nil {
				t.Fatalf("Instances(%q): got %v, want no error", cursor, err)
			}
			if strings.HasPrefix(page.Next, "instances ") && late == "" {
				late = f.AddInstance(region, fakealibaba.NewInstance{Disks: make([]fakealibaba.NewDisk, 2)})
			}
			got = append(got, page.Items...)
			if again, err := p.Instances(t.Context(), cloud.Query{Region: region}, cursor); cursor != "" && (err != nil || len(again.Items) != len(page.Items)) {
				t.Errorf("Instances(%q) again: got %d items and %v, want %d as before", cursor, len(again.Items), err, len(page.Items))
			}
			pages++
			if page.Next == "" {
				break
			}
			cursor = page.Next
		}
		if len(got) != len(ids)+1 || pages < 2 {
			t.Fatalf("%+v: got %d instances on %d pages, want %d on several", o, len(got), pages, len(ids)+1)
		}
		for _, in := range got {
			want := 3
			if in.Ref.ID == late {
				want = 2
			}
			if len(in.Disks) != want || !in.Disks[0].Root || in.Disks[1].Root || in.Disks[1].Device != "/dev/xvdb" || in.LocalRoot {
				t.Errorf("%s: disks are %+v, want %d, root first", in.Ref, in.Disks, want)
			}
			if in.Network != "vsw-"+region+"-a/sg-"+region {
				t.Errorf("%s: network is %q, want the vSwitch with its security group", in.Ref, in.Network)
			}
		}
	}
}

// TestInstancesByManyIDs: a few are asked about one by one, many by way of the region's disks.
func TestInstancesByManyIDs(t *testing.T) {
	f := fakealibaba.New(fakealibaba.Options{})
	ids := f.AddInstances(region, 40, 2, nil)
	c := cloud.NewClient(account, open(t, f))
	for _, n := range []int{1, few, few + 1, 40} {
		f.ResetCounts()
		got := every(t, c.Instances(t.Context(), cloud.Query{Region: region, IDs: ids[:n]}))
		if len(got) != n || slices.ContainsFunc(got, func(in cloud.Instance) bool { return len(in.Disks) != 2 }) {
			t.Errorf("listing %d ids: got %d instances, want each with two disks", n, len(got))
		}
		if calls := f.Calls(); calls > n+1 || n > few && calls > 3 {
			t.Errorf("listing %d ids made %d calls (%v), want few", n, calls, f.Counts())
		}
	}
}

// TestListingsThatAreSetAside end in an error, and never in instances without disks.
func TestListingsThatAreSetAside(t *testing.T) {
	f := fakealibaba.New(fakealibaba.Options{PageSize: 2})
	f.AddInstances(region, 5, 1, nil)
	p := open(t, f)
	q := cloud.Query{Region: region}
	first, err := p.Instances(t.Context(), q, "")
	if err != nil {
		t.Fatal(err)
	}
	for range maxJoins {
		if _, err := p.Instances(t.Context(), q, ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.joins) > maxJoins {
		t.Errorf("%d listings are kept, want %d at most", len(p.joins), maxJoins)
	}
	for _, cursor := range []string{first.Next, "instances gone ", "what is that"} {
		if page, err := p.Instances(t.Context(), q, cursor); err == nil || len(page.Items) != 0 {
			t.Errorf("Instances(%q): got %d items and %v, want an error", cursor, len(page.Items), err)
		}
	}
}

// TestLocalDisks are none of an instance's, and a local system disk is said.
func TestLocalDisks(t *testing.T) {
	f := fakealibaba.New(fakealibaba.Options{})
	part := f.AddInstance(region, fakealibaba.NewInstance{Disks: []fakealibaba.NewDisk{{}, {Category: "local_ssd_pro"}}})
	whole := f.AddInstance(region, fakealibaba.NewInstance{Disks: []fakealibaba.NewDisk{{Category: "ephemeral_ssd"}, {}}})
	got := every(t, cloud.NewClient(account, open(t, f)).Instances(t.Context(), cloud.Query{Region: region, IDs: []string{part, whole}}))
	if len(got) != 2 || len(got[0].Disks) != 1 || !got[0].Disks[0].Root || got[0].LocalRoot || len(got[1].Disks) != 1 || got[1].Disks[0].Root || !got[1].LocalRoot {
		t.Errorf("instances with local disks: got %+v, want one disk each, and the local system disk told", got)
	}
}

// TestImagesWhileSomeGo: page numbers shift, and no image that stays is missed or seen twice.
func TestImagesWhileSomeGo(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(f *fakealibaba.Fake, ids []string, page int)
		gone   []int
	}{
		{"nothing", func(*fakealibaba.Fake, []string, int) {}, nil},
		{"one that was seen", func(f *fakealibaba.Fake, ids []string, page int) { remove(f, page == 2, ids[8]) }, []int{8}},
		{"as many as a page", func(f *fakealibaba.Fake, ids []string, page int) { remove(f, page == 2, ids[8], ids[7], ids[6]) }, []int{8, 7, 6}},
		{"one on each page", func(f *fakealibaba.Fake, ids []string, page int) {
			remove(f, page == 2, ids[8])
			remove(f, page == 3, ids[5])
		}, []int{8, 5}},
		{"one that comes", func(f *fakealibaba.Fake, _ []string, page int) {
			if page == 2 {
				f.AddImage(region, fakealibaba.Image{})
			}
		}, nil},
	} {
		f := fakealibaba.New(fakealibaba.Options{PageSize: 3})
		var ids []string
		for range 9 {
			ids = append(ids, f.AddImage(region, fakealibaba.Image{}))
		}
		p := open(t, f)
		seen := map[string]int{}
		cursor := ""
		for page := 1; ; page++ {
			c.before(f, ids, page)
			got, err := p.Images(t.Context(), cloud.Query{Region: region}, cursor)
			if err != nil {
				t.Fatalf("%s: page %d: got %v, want no error", c.name, page, err)
			}
			for _, m := range got.Items {
				seen[m.Ref.ID]++
			}
			if cursor = got.Next; cursor == "" {
				break
			}
		}
		for i, id := range ids {
			if n := seen[id]; n != 1 && !(slices.Contains(c.gone, i) && n <= 1) {
				t.Errorf("%s: image %d was seen %d times, want once", c.name, i, n)
			}
		}
	}
	f := fakealibaba.New(fakealibaba.Options{PageSize: 2})
	var ids []string
	for range 7 {
		ids = append(ids, f.AddImage(region, fakealibaba.Image{}))
	}
	p := open(t, f)
	first, err := p.Images(t.Context(), cloud.Query{Region: region}, "")
	if err != nil {
		t.Fatal(err)
	}
	remove(f, true, ids[:3]...)
	if _, err := p.Images(t.Context(), cloud.Query{Region: region}, first.Next); !errors.Is(err, cloud.ErrConflict) {
		t.Errorf("more images than a page went meanwhile: got %v, want ErrConflict", err)
	}
}

func remove(f *fakealibaba.Fake, now bool, ids ...string) {
	for _, id := range ids {
		if now {
			f.Remove(region, id)
		}
	}
}

// TestImagesOfEveryState are listed, those that ECS hides too; of other owners none.
func TestImagesOfEveryState(t *testing.T) {
	f := fakealibaba.New(fakealibaba.Options{})
	later := time.Now().Add(time.Hour)
	want := map[string]cloud.State{
		f.AddImage(region, fakealibaba.Image{}):                                                                       cloud.StateReady,
		f.AddImage(region, fakealibaba.Image{End: "Available", DoneAt: later}):                                        cloud.StateWorking,
		f.AddImage(region, fakealibaba.Image{End: "Available", StartAt: later, DoneAt: later}):                        cloud.StateWorking,
		f.AddImage(region, fakealibaba.Image{End: "Available", DoneAt: time.Now().Add(-time.Hour), UsableAt: later}):  cloud.StateWorking,
		f.AddImage(region, fakealibaba.Image{End: "CreateFailed", DoneAt: time.Now().Add(-time.Hour)}):                cloud.StateFailed,
		f.AddImage(region, fakealibaba.Image{End: "UnAvailable", DoneAt: time.Now().Add(-time.Hour)}):                 cloud.StateFailed,
		f.AddImage(region, fakealibaba.Image{End: "Available", DoneAt: time.Now().Add(-time.Hour), Deprecated: true}): cloud.StateRetired,
	}
	got := every(t, cloud.NewClient(account, open(t, f)).Images(t.Context(), cloud.Query{Region: region}))
	if len(got) != len(want) {
		t.Errorf("got %d images, want %d", len(got), len(want))
	}
	for _, m := range got {
		if m.State != want[m.Ref.ID] || len(m.Snapshots) != 1 || m.Size != 40*gib {
			t.Errorf("%s is %+v, want it %v, of 40 GiB, on one snapshot", m.Ref, m, want[m.Ref.ID])
		}
	}
}

// TestSnapshotNouns: what snapshot policies made is theirs, a copy is of no disk here, and sizes are bytes.
func TestSnapshotNouns(t *testing.T) {
	f := fakealibaba.New(fakealibaba.Options{})
	auto := f.AddSnapshot(region, fakealibaba.Snapshot{DiskID: "d-1", Type: "timer"})
	dup := f.AddSnapshot(region, fakealibaba.Snapshot{DiskID: "d-1", SourceSnapshot: "s-1", GiB: 20})
	bad := f.AddSnapshot(region, fakealibaba.Snapshot{DiskID: "d-1", End: "failed", DoneAt: time.Now().Add(-time.Hour)})
	for _, s := range every(t, cloud.NewClient(account, open(t, f)).Snapshots(t.Context(), cloud.Query{Region: region})) {
		switch s.Ref.ID {
		case auto:
			if s.Managed == "" || s.Disk != "d-1" {
				t.Errorf("a policy's snapshot is %+v, want it managed, of d-1", s)
			}
		case dup:
			if s.Disk != "" || s.Size != 20*gib || s.Managed != "" {
				t.Errorf("a copy is %+v, want it of no disk, of 20 GiB", s)
			}
		case bad:
			if s.State != cloud.StateFailed {
				t.Errorf("a failed snapshot is %v, want failed", s.State)
			}
		}
	}
}

// TestLockedSnapshots are told in listings long and short; a region without any costs one request more, and an account that
// may not ask is told of none.
func TestLockedSnapshots(t *testing.T) {
	for _, o := range []fakealibaba.Options{{}, {PageSize: 2}} {
		f := fakealibaba.New(o)
		var ids []string
		for range 7 {
			ids = append(ids, f.AddSnapshot(region, fakealibaba.Snapshot{}))
		}
		p := open(t, f)
		c := cloud.NewClient(account, p)
		locked := func(q cloud.Query) (out []string) {
			for _, s := range every(t, c.Snapshots(t.Context(), q)) {
				if s.Locked {
					out = append(out, s.Ref.ID)
				}
			}
			return out
		}
		if got, n := locked(cloud.Query{Region: region}), f.Count("DescribeLockedSnapshots"); len(got) != 0 || n != 1 {
			t.Errorf("without locks: got %v after asking %d times, want none after one", got, n)
		}
		f.EditSnapshot(region, ids[1], func(s *fakealibaba.Snapshot) { s.LockEnds = time.Now().Add(time.Hour) })
		f.EditSnapshot(region, ids[4], func(s *fakealibaba.Snapshot) { s.LockEnds = time.Now().Add(time.Hour) })
		f.EditSnapshot(region, ids[5], func(s *fakealibaba.Snapshot) { s.LockEnds = time.Now().Add(-time.Hour) })
		for _, q := range []cloud.Query{{Region: region}, {Region: region, IDs: ids}} {
			if got, want := locked(q), []string{ids[1], ids[4]}; !slices.Equal(got, want) {
				t.Errorf("locked of %+v: got %v, want %v", q, got, want)
			}
		}
		f.Deny("DescribeLockedSnapshots")
		if got := locked(cloud.Query{Region: region}); len(got) != 0 {
			t.Errorf("locked, without the right to ask: got %v, want none", got)
		}
		f.Allow("DescribeLockedSnapshots")
		f.SetFault(once(&fakealibaba.Fault{Code: "Throttling.User"}, "DescribeLockedSnapshots"))
		if page, err := p.Snapshots(t.Context(), cloud.Query{Region: region}, ""); !errors.Is(err, cloud.ErrThrottled) || len(page.Items) != 0 {
			t.Errorf("while the locks cannot be told: got %d items and %v, want ErrThrottled", len(page.Items), err)
		}
		if _, err := p.Snapshots(t.Context(), cloud.Query{Region: region}, "anything"); err == nil {
			t.Error("a cursor that is not one: got no error, want one")
		}
	}
}

// TestAnswersThatSayNothing are never a listing of nothing.
func TestAnswersThatSayNothing(t *testing.T) {
	for _, body := range []string{
		`{}`, `{"RequestId":"R"}`, `[]`, `"yes"`, `null`, ``, `<html>`,
		`{"RequestId":"R","Snapshots":{"Snapshot":[{"CreationTime":"yesterday"}]}}`, `{"RequestId":"R","Snapshots":null}`,
	} {
		p := openWith(t, Config{AccessKey: "a", SecretKey: "b"}, answers(200, body))
		for kind, list := range map[string]func() (int, error){
			"instances": func() (int, error) {
				v, err := p.Instances(t.Context(), cloud.Query{Region: region, IDs: []string{"i-1"}}, "")
				return len(v.Items), err
			},
			"disks": func() (int, error) {
				v, err := p.Disks(t.Context(), cloud.Query{Region: region}, "")
				return len(v.Items), err
			},
			"snapshots": func() (int, error) {
				v, err := p.Snapshots(t.Context(), cloud.Query{Region: region}, "")
				return len(v.Items), err
			},
			"images": func() (int, error) {
				v, err := p.Images(t.Context(), cloud.Query{Region: region}, "")
				return len(v.Items), err
			},
			"regions": func() (int, error) { v, err := p.Regions(t.Context()); return len(v), err },
		} {
			if n, err := list(); !errors.Is(err, cloud.ErrTransient) || n != 0 || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s answered with %q: got %d and %v, want one line of ErrTransient", kind, body, n, err)
			}
		}
		if err := p.SetTags(t.Context(), cloud.Ref{Account: account, Region: region, Kind: cloud.KindDisk, ID: "d-1"}, cloud.Tags{{Key: "a"}}); err == nil && !strings.Contains(body, "RequestId") {
			t.Errorf("SetTags answered with %q: got no error, want one", body)
		}
	}
}

// answers is a transport that always answers the same.
func answers(status int, body string) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) { return respond(r, status, body), nil })
}
