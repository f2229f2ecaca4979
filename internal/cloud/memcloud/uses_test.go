package memcloud_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
)

// TestUsesShowWhatListingsShow: who was made a moment ago is not told yet, and who was deleted still is; one that is listed as
// gone uses nothing.
func TestUsesShowWhatListingsShow(t *testing.T) {
	clk := newClock()
	c := memcloud.New(memcloud.Options{Account: "acct", Regions: []string{"r-1"}, Now: clk.Now, Lag: time.Minute, Terminated: time.Hour})
	client := cloud.NewClient("acct", c.Provider())
	img := cloud.Ref{Account: "acct", Region: "r-1", Kind: cloud.KindImage, ID: "img-1"}
	want := func(when string, ids ...string) {
		t.Helper()
		uses, err := client.Uses(t.Context(), []cloud.Ref{img})
		var got []string
		for _, u := range uses {
			got = append(got, u.By)
		}
		if err != nil || !slices.Equal(got, ids) {
			t.Errorf("%s: Uses = %v, %v; want %v", when, got, err, ids)
		}
	}
	i := c.AddInstance(memcloud.InstanceSpec{Region: "r-1", Image: img.ID}).Ref
	want("right after it was made")
	clk.add(time.Minute)
	want("once it is listed", i.ID)
	c.Remove(i)
	want("right after its end")
	lt := c.AddTemplate("r-1", img.ID)
	want("a launch template is told at once", lt)
	if !c.RemoveTemplate("r-1", lt) || c.RemoveTemplate("r-1", lt) {
		t.Errorf("RemoveTemplate(%s) twice: want it there once", lt)
	}
	want("without the template")

	under := c.AddSnapshot("r-1", cloud.Snapshot{}).Ref
	d, err := client.CreateDisk(t.Context(), cloud.NewDisk{Region: "r-1", Snapshot: under.ID, Name: "d"})
	if err != nil {
		t.Fatalf("CreateDisk(%s): got %v, want no error", under, err)
	}
	clk.add(time.Minute)
	c.Remove(d.Ref)
	if got, err := client.Uses(t.Context(), []cloud.Ref{under}); err != nil || len(got) != 1 || got[0].By != d.Ref.ID {
		t.Errorf("Uses of a snapshot right after the end of its disk = %v, %v; want the disk while listings show it", got, err)
	}
	clk.add(time.Minute)
	if got, err := client.Uses(t.Context(), []cloud.Ref{under}); err != nil || len(got) != 0 {
		t.Errorf("Uses of the snapshot a minute later = %v, %v; want none", got, err)
	}
}

// TestUsesAsTheCloudSeesThem: an imitation tells no more than its cloud, and one without a word of what it tells lacks it.
func TestUsesAsTheCloudSeesThem(t *testing.T) {
	for name, want := range map[string][]cloud.UserKind{
		"memory": {cloud.UserInstance, cloud.UserTemplate, cloud.UserAccount}, "aws": {cloud.UserInstance, cloud.UserTemplate},
		"alibaba": {cloud.UserInstance, cloud.UserTemplate, cloud.UserAccount}, "openstack": {cloud.UserInstance, cloud.UserAccount}, "tencent": nil,
	} {
		p := newPair(memcloud.Options{Cloud: name})
		src := p.image(t, "web")
		id, err := p.they.Identity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := p.me.Share(t.Context(), src.Ref, id, true); err != nil {
			t.Fatalf("%s: Share: got %v, want no error", name, err)
		}
		p.mine.AddTemplate(src.Ref.Region, src.Ref.ID)
		p.mine.AddInstance(memcloud.InstanceSpec{Region: src.Ref.Region, Image: src.Ref.ID})
		uses, err := p.me.Uses(t.Context(), []cloud.Ref{src.Ref})
		var got []cloud.UserKind
		for _, u := range uses {
			got = append(got, u.Kind)
		}
		if !slices.Equal(got, want) || (want == nil) != errors.Is(err, cloud.ErrUnsupported) {
			t.Errorf("%s: Uses = %v, %v; want %v", name, got, err, want)
		}
		given := p.me.Traits().Uses.Images
		for i := range given {
			given[i] = cloud.UserService
		}
		if again := p.me.Traits().Uses.Images; !slices.Equal(again, want) {
			t.Errorf("%s: Traits().Uses.Images = %v after somebody wrote into what it gave, want %v", name, again, want)
		}
	}
}
