package alibaba

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/alibaba/fakealibaba"
)

// used is an account in which an image and the snapshot under it have every kind of user that ECS tells of.
type used struct {
	*fakealibaba.Fake
	c                              *cloud.Client
	image, snapshot                cloud.Ref
	instance, disk, template, with string
}

func newUsed(t *testing.T) *used {
	t.Helper()
	f := fakealibaba.New(fakealibaba.Options{PageSize: 2})
	u := &used{Fake: f, c: cloud.NewClient(account, open(t, f)), with: partner}
	u.image = cloud.Ref{Account: account, Region: region, Kind: cloud.KindImage, ID: f.AddImage(region, fakealibaba.Image{SharedWith: []string{partner}})}
	u.snapshot = cloud.Ref{Account: account, Region: region, Kind: cloud.KindSnapshot, ID: f.Images(region)[0].Mappings[0].SnapshotID}
	u.instance = f.AddInstance(region, fakealibaba.NewInstance{Disks: make([]fakealibaba.NewDisk, 1)})
	f.EditInstance(region, u.instance, func(in *fakealibaba.Instance) { in.Image = u.image.ID })
	u.disk = f.Disks(region)[0].ID
	f.EditDisk(region, u.disk, func(d *fakealibaba.Disk) { d.Snapshot = u.snapshot.ID })
	for range 3 { // on pages before and after the one
		f.AddLaunchTemplate(region, fakealibaba.BaseImage)
	}
	base, it := fakealibaba.BaseImage, u.image.ID
	u.template = f.AddLaunchTemplate(region, base, it, base, base, it, base, base, base, base, it, base)
	for range 3 {
		f.AddLaunchTemplate(region, base)
	}
	return u
}

func words(uses []cloud.Use) []string {
	var out []string
	for _, u := range uses {
		out = append(out, fmt.Sprintf("%s blocks=%v", u, u.Blocks))
	}
	return out
}

func TestUsesByEverybody(t *testing.T) {
	u := newUsed(t)
	got, err := u.c.Uses(t.Context(), []cloud.Ref{u.image})
	want := []string{
		"instance " + u.instance + " (" + resetLost + ") blocks=true", "launch-template " + u.template + " (version 2, 5, 10) blocks=true",
		"account " + u.with + " (" + unshare + ") blocks=true",
	}
	if err != nil || !slices.Equal(words(got), want) {
		t.Errorf("Uses(%s) = %q, %v; want %q", u.image, words(got), err, want)
	}
	got, err = u.c.Uses(t.Context(), []cloud.Ref{u.snapshot})
	want = []string{"disk " + u.disk + " (" + diskLost + ") blocks=true", "image " + u.image.ID + " blocks=true"}
	if err != nil || !slices.Equal(words(got), want) {
		t.Errorf("Uses(%s) = %q, %v; want %q", u.snapshot, words(got), err, want)
	}
}

// TestUsesAskLittle: what nobody uses costs one request for all of it, and one for the launch templates.
func TestUsesAskLittle(t *testing.T) {
	f := fakealibaba.New(fakealibaba.Options{})
	c := cloud.NewClient(account, open(t, f))
	var images, snapshots []cloud.Ref
	for range 20 {
		images = append(images, cloud.Ref{Account: account, Region: region, Kind: cloud.KindImage, ID: f.AddImage(region, fakealibaba.Image{})})
		snapshots = append(snapshots, cloud.Ref{Account: account, Region: region, Kind: cloud.KindSnapshot, ID: f.AddSnapshot(region, fakealibaba.Snapshot{})})
	}
	for refs, want := range map[*[]cloud.Ref]int{&images: 2, &snapshots: 1} {
		before := f.Calls()
		if got, err := c.Uses(t.Context(), *refs); err != nil || len(got) != 0 || f.Calls()-before != want {
			t.Errorf("Uses of %d %ss that nobody uses = %v, %v in %d requests; want none in %d", len(*refs), (*refs)[0].Kind, got, err, f.Calls()-before, want)
		}
	}
}

// TestUsesFailWhole: whichever of the requests fails, or is answered with nothing in it, nothing is told.
func TestUsesFailWhole(t *testing.T) {
	for _, c := range []struct {
		of      func(*used) cloud.Ref
		actions []string
	}{
		{func(u *used) cloud.Ref { return u.image }, []string{"DescribeImages", "DescribeInstances", "DescribeImageSharePermission", "DescribeLaunchTemplates", "DescribeLaunchTemplateVersions"}},
		{func(u *used) cloud.Ref { return u.snapshot }, []string{"DescribeSnapshots", "DescribeImages", "DescribeDisks"}},
	} {
		for _, action := range c.actions {
			u := newUsed(t)
			ref := c.of(u)
			for fault, class := range map[*fakealibaba.Fault]error{
				{Code: "Forbidden.RAM", HTTPStatus: 403}:        cloud.ErrDenied,
				{Body: `{"RequestId": "R-1"}`, HTTPStatus: 200}: cloud.ErrTransient,
			} {
				u.SetFault(once(fault, action))
				got, err := u.c.Uses(t.Context(), []cloud.Ref{ref})
				e, ok := errors.AsType[*cloud.Error](err)
				if want := (cloud.Ref{Account: account, Region: region, Kind: ref.Kind}); !ok || e.Class != class || e.Op != ref.Kind.String()+".uses" || e.Ref != want || got != nil {
					t.Errorf("Uses of a %s when %s fails with %+v: got %v and %v, want an error of class %v about %s", ref.Kind, action, *fault, got, err, class, want)
				}
			}
		}
	}
}

// TestUsesThatAreNotNamed: ECS says that there is an instance, an image or a disk, and lists none.
func TestUsesThatAreNotNamed(t *testing.T) {
	u := newUsed(t)
	u.SetFault(once(&fakealibaba.Fault{Body: `{"RequestId": "R-1", "Instances": {"Instance": []}}`, HTTPStatus: 200}, "DescribeInstances"))
	got, err := u.c.Uses(t.Context(), []cloud.Ref{u.image})
	if err != nil || len(got) != 3 || got[0].Kind != cloud.UserInstance || got[0].By != "" || !strings.Contains(got[0].String(), "does not name") {
		t.Errorf("Uses = %q, %v; want an instance without a name first", words(got), err)
	}
	for action, body := range map[string]string{
		"DescribeImages": `{"RequestId": "R-1", "Images": {"Image": []}, "TotalCount": 0, "PageSize": 100}`, "DescribeDisks": `{"RequestId": "R-1", "Disks": {"Disk": []}}`,
	} {
		u.SetFault(once(&fakealibaba.Fault{Body: body, HTTPStatus: 200}, action))
		got, err := u.c.Uses(t.Context(), []cloud.Ref{u.snapshot})
		nameless := 0
		for _, use := range got {
			if use.By == "" && use.Blocks {
				nameless++
			}
		}
		if err != nil || len(got) != 2 || nameless != 1 {
			t.Errorf("Uses when %s lists none = %q, %v; want both users, one without a name", action, words(got), err)
		}
	}
}

// TestUsesInUnknownWords: what ECS might say some day of a snapshot is no word that nobody uses it.
func TestUsesInUnknownWords(t *testing.T) {
	u := newUsed(t)
	for _, usage := range []string{`"Usage": "image_disk_and_more",`, ``} {
		u.SetFault(once(&fakealibaba.Fault{Body: `{"RequestId": "R-1", "Snapshots": {"Snapshot": [{` + usage + `"SnapshotId": "` + u.snapshot.ID + `"}]}}`, HTTPStatus: 200}, "DescribeSnapshots"))
		if got, err := u.c.Uses(t.Context(), []cloud.Ref{u.snapshot}); err != nil || len(got) != 2 {
			t.Errorf("Uses with %s = %q, %v; want the image and the disk", usage, words(got), err)
		}
	}
	u.SetFault(once(&fakealibaba.Fault{Body: `{"RequestId": "R-1", "Images": {"Image": [{"ImageId": "` + u.image.ID + `"}]}, "TotalCount": 1, "PageSize": 100}`, HTTPStatus: 200}, "DescribeImages"))
	if got, err := u.c.Uses(t.Context(), []cloud.Ref{u.image}); err != nil || len(got) != 3 {
		t.Errorf("Uses of an image of which ECS says nothing = %q, %v; want all its users", words(got), err)
	}
}
