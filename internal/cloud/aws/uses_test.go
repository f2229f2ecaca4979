package aws

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// used is an account in which an image, and the snapshot under it, have users.
type used struct {
	*fakeaws.Fake
	c                        *cloud.Client
	image, snapshot          cloud.Ref
	instance, disk, template string
}

func newUsed(t *testing.T) *used {
	t.Helper()
	f := fakeaws.New(fakeaws.Options{PageSize: 2})
	u := &used{Fake: f, c: cloud.NewClient(account, open(t, f))}
	source := f.AddInstance(region, fakeaws.NewInstance{})
	img, err := u.c.CreateImage(t.Context(), cloud.NewImage{Region: region, Instance: source, Name: "nightly"})
	if err != nil {
		t.Fatalf("CreateImage(%s): got %v, want no error", source, err)
	}
	u.image = img.Ref
	run, err := u.c.RunInstance(t.Context(), cloud.NewInstance{Region: region, Image: img.Ref.ID, Name: "again", Type: "t3.micro"})
	if err != nil {
		t.Fatalf("RunInstance(%s): got %v, want no error", img.Ref, err)
	}
	u.instance = run.Ref.ID
	for _, v := range f.Volumes(region) {
		if v.Instance == u.instance {
			u.disk, u.snapshot = v.ID, cloud.Ref{Account: account, Region: region, Kind: cloud.KindSnapshot, ID: v.SnapshotID}
		}
	}
	for range 3 {
		f.AddLaunchTemplate(region, fakeaws.BaseImage)
	}
	u.template = f.AddLaunchTemplate(region, u.image.ID, fakeaws.BaseImage)
	f.ResetCounts()
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
	for ref, want := range map[cloud.Ref][]string{
		u.image:    {"instance " + u.instance + " (" + runsOn + ") blocks=false", "launch-template " + u.template + " blocks=true"},
		u.snapshot: {"disk " + u.disk + " (" + staysOn + ") blocks=false", "image " + u.image.ID + " blocks=true"},
	} {
		got, err := u.c.Uses(t.Context(), []cloud.Ref{ref})
		if err != nil || !slices.Equal(words(got), want) {
			t.Errorf("Uses(%s) = %q, %v; want %q", ref, words(got), err, want)
		}
	}
}

// TestUsesTogether: EC2 looks for ten images at once, and for any number of snapshots.
func TestUsesTogether(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	c := cloud.NewClient(account, open(t, f))
	source := f.AddInstance(region, fakeaws.NewInstance{})
	var images, snapshots []cloud.Ref
	for n := range 25 {
		img, err := c.CreateImage(t.Context(), cloud.NewImage{Region: region, Instance: source, Name: fmt.Sprintf("nightly-%d", n)})
		if err != nil {
			t.Fatalf("CreateImage: got %v, want no error", err)
		}
		images = append(images, img.Ref)
	}
	for _, s := range f.Snapshots(region) {
		snapshots = append(snapshots, cloud.Ref{Account: account, Region: region, Kind: cloud.KindSnapshot, ID: s.ID})
	}
	last := f.AddLaunchTemplate(region, images[24].ID)
	f.ResetCounts()
	got, err := c.Uses(t.Context(), images)
	if err != nil || len(got) != 1 || got[0].Of != images[24] || got[0].By != last || f.Calls() != 4 || f.Count("DescribeImageReferences") != 3 {
		t.Errorf("Uses of %d images = %v, %v in %v; want the template alone, in three questions and the look before", len(images), got, err, f.Counts())
	}
	f.ResetCounts()
	if got, err = c.Uses(t.Context(), snapshots); err != nil || len(got) != 25 || f.Calls() != 2 {
		t.Errorf("Uses of %d snapshots = %d of them, %v in %v; want each used by its image, in two requests", len(snapshots), len(got), err, f.Counts())
	}
}

// TestUsesFailWhole: whichever request fails, nothing is told.
func TestUsesFailWhole(t *testing.T) {
	for kind, actions := range map[cloud.Kind][]string{
		cloud.KindImage: {"DescribeImages", "DescribeImageReferences"}, cloud.KindSnapshot: {"DescribeImages", "DescribeVolumes"},
	} {
		for _, action := range actions {
			u := newUsed(t)
			ref := u.image
			if kind == cloud.KindSnapshot {
				ref = u.snapshot
			}
			u.SetFault(once(action, &fakeaws.Fault{Code: "UnauthorizedOperation", HTTPStatus: http.StatusForbidden}))
			got, err := u.c.Uses(t.Context(), []cloud.Ref{ref})
			e, ok := errors.AsType[*cloud.Error](err)
			if want := (cloud.Ref{Account: account, Region: region, Kind: kind}); !ok || e.Class != cloud.ErrDenied || e.Op != kind.String()+".uses" || e.Ref != want || got != nil {
				t.Errorf("Uses of a %s when %s is denied: got %v and %v, want ErrDenied about %s", kind, action, got, err, want)
			}
		}
	}
}

// TestUsesOfWhatGoesMeanwhile: one image that went after the look does not hide who uses the others.
func TestUsesOfWhatGoesMeanwhile(t *testing.T) {
	u := newUsed(t)
	other, err := u.c.CreateImage(t.Context(), cloud.NewImage{Region: region, Instance: u.instance, Name: "other"})
	if err != nil {
		t.Fatalf("CreateImage: got %v, want no error", err)
	}
	u.AddLaunchTemplate(region, other.Ref.ID)
	refs := []cloud.Ref{u.image, other.Ref}
	slices.SortFunc(refs, cloud.Ref.Compare)
	u.ResetCounts()
	u.SetFault(func(action string, n int) *fakeaws.Fault {
		if action != "DescribeImageReferences" || n > 2 { // of both, and of the first alone
			return nil
		}
		return &fakeaws.Fault{Code: "InvalidAMIID.NotFound"}
	})
	got, err := u.c.Uses(t.Context(), refs)
	if err != nil || len(got) == 0 || slices.ContainsFunc(got, func(use cloud.Use) bool { return use.Of != refs[1] }) {
		t.Errorf("Uses when the first of two is gone = %v, %v; want the uses of the second", got, err)
	}
}

// TestUsesOnManyPages: two items on each page of every listing.
func TestUsesOnManyPages(t *testing.T) {
	u := newUsed(t)
	images := []cloud.Ref{u.image}
	for n := range 4 {
		img, err := u.c.CreateImage(t.Context(), cloud.NewImage{Region: region, Instance: u.instance, Name: fmt.Sprintf("more-%d", n)})
		if err != nil {
			t.Fatalf("CreateImage: got %v, want no error", err)
		}
		images = append(images, img.Ref)
		u.AddLaunchTemplate(region, img.Ref.ID, u.image.ID)
		if _, err := u.c.CreateDisk(t.Context(), cloud.NewDisk{Region: region, Zone: region + "a", Snapshot: u.snapshot.ID, Name: "d"}); err != nil {
			t.Fatalf("CreateDisk: got %v, want no error", err)
		}
	}
	count := func(refs []cloud.Ref, kind cloud.UserKind) (n int) {
		t.Helper()
		got, err := u.c.Uses(t.Context(), refs)
		if err != nil {
			t.Fatalf("Uses(%v): got %v, want no error", refs, err)
		}
		for _, use := range got {
			if use.Kind == kind {
				n++
			}
		}
		return n
	}
	if got := count(images, cloud.UserTemplate); got != 9 {
		t.Errorf("Uses of five images: got %d by templates, want 9", got)
	}
	if got := count([]cloud.Ref{u.snapshot}, cloud.UserDisk); got != 5 {
		t.Errorf("Uses of the snapshot: got %d by disks, want 5", got)
	}
}
