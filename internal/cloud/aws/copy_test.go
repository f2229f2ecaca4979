package aws

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// imageIn puts an image there as a person has it, and gives its ref.
func imageIn(f *fakeaws.Fake, m fakeaws.Image) cloud.Ref {
	return cloud.Ref{Account: account, Region: region, Kind: cloud.KindImage, ID: f.AddImage(region, m)}
}

func copyOf(from cloud.Ref) cloud.NewCopy {
	return cloud.NewCopy{From: from, Region: elsewhere, Name: "copy", Tags: cloud.Tags{{Key: cloud.TagAction, Value: "a-1"}}, Token: "t-1"}
}

// TestCodesByCall: what a code means to one call and not to others, with what a person can do.
func TestCodesByCall(t *testing.T) {
	p := &Provider{codes: codes()}
	for _, c := range []struct {
		op, code string
		want     error
		after    time.Duration
		remedy   string
	}{
		{"image.copy", "ResourceLimitExceeded", cloud.ErrBusy, 2 * time.Minute, ""},
		{"snapshot.copy", "ResourceLimitExceeded", cloud.ErrBusy, 2 * time.Minute, ""},
		{"image.create", "ResourceLimitExceeded", cloud.ErrQuota, 0, ""},
		{"image.copy", "InvalidRequest", cloud.ErrDenied, 0, "must share its snapshots"},
		{"image.create", "InvalidRequest", nil, 0, ""},
		{"image.share", "InvalidParameter", cloud.ErrDenied, 0, "with a key of your own"},
		{"image.unshare", "InvalidParameter", cloud.ErrUnsupported, 0, ""},
		{"image.share", "OperationNotPermitted", cloud.ErrDenied, 0, "with a key of your own"},
		{"snapshot.share", "OperationNotPermitted", cloud.ErrDenied, 0, "with a key of your own"},
		{"instance.delete", "OperationNotPermitted", cloud.ErrDenied, 0, ""},
		{"image.share", "InvalidAMIAttributeItemValue", cloud.ErrUnsupported, 0, ""},
		{"snapshot.share", "InvalidUserID.Malformed", cloud.ErrUnsupported, 0, ""},
		{"snapshot.copy", "InvalidParameterDependency", cloud.ErrUnsupported, 0, ""},
		{"image.copy", "InvalidAMIID.Unavailable", cloud.ErrConflict, 0, ""},
	} {
		got := p.meaningOf(c.op, c.code)
		if got.class != c.want || got.after != c.after || !strings.Contains(got.remedy, c.remedy) || (c.remedy == "") != (got.remedy == "") {
			t.Errorf("%s, %s: got %+v, want class %v, after %v, remedy with %q", c.op, c.code, got, c.want, c.after, c.remedy)
		}
	}
}

// TestKeyOfAnotherRegion: an ARN tells at once, before anything is asked; of a mere id EC2 says nothing, and the copy fails.
func TestKeyOfAnotherRegion(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{KMSKeys: map[string][]string{elsewhere: {keyThere}}})
	p := open(t, f)
	img := imageIn(f, fakeaws.Image{})
	snap := cloud.Ref{Account: account, Region: region, Kind: cloud.KindSnapshot, ID: f.Images(region)[0].Mappings[0].SnapshotID}
	req := copyOf(img)
	req.Key = "arn:aws:kms:" + region + ":111122223333:alias/backup"
	_, ofImage := p.CopyImage(t.Context(), req)
	req.From = snap
	_, ofSnapshot := p.CopySnapshot(t.Context(), req)
	for _, err := range []error{ofImage, ofSnapshot} {
		if !errors.Is(err, cloud.ErrDenied) || !strings.Contains(err.Error(), region) || !strings.Contains(err.Error(), "name a key of the region that is copied to") {
			t.Errorf("a copy with the key of another region: got %v, want it denied with what to do", err)
		}
	}
	if f.Calls() != 0 {
		t.Errorf("keys of another region made %d calls, want none", f.Calls())
	}
	req.Key = keyHere
	made, err := p.CopySnapshot(t.Context(), req)
	if err != nil {
		t.Fatalf("CopySnapshot with an id that is no key's: got %v, want EC2 to say yes", err)
	}
	page, err := p.Snapshots(t.Context(), cloud.Query{Region: elsewhere, IDs: []string{made.Ref.ID}}, "")
	if err != nil || len(page.Items) != 1 || page.Items[0].State != cloud.StateFailed || !strings.Contains(page.Items[0].Detail, "key ID is not accessible") {
		t.Errorf("the copy: got %+v and %v, want it failed, with why", page.Items, err)
	}
	req.From, req.Key, req.Token = img, "arn:aws:kms:"+elsewhere+":111122223333:key/"+keyThere, "t-2"
	if _, err := p.CopyImage(t.Context(), req); err != nil {
		t.Errorf("CopyImage with a key of the region: got %v, want no error", err)
	}
	if got := f.Images(elsewhere)[0]; got.State(time.Now()) != "available" || !got.Mappings[0].Encrypted {
		t.Errorf("the copied image = %+v, want it available and encrypted", got)
	}
}

// TestImageIsSharedWithItsSnapshots, which go first and are taken back last, so that whoever may see it can copy it.
func TestImageIsSharedWithItsSnapshots(t *testing.T) {
	const partner = "444455556666"
	sharing := &fakeaws.Sharing{}
	f := fakeaws.New(fakeaws.Options{Sharing: sharing})
	theirs := fakeaws.New(fakeaws.Options{Sharing: sharing, Account: partner, Seed: 1})
	p, other := open(t, f), open(t, theirs)
	img := imageIn(f, fakeaws.Image{})
	snap := cloud.Ref{Account: account, Region: region, Kind: cloud.KindSnapshot, ID: f.Images(region)[0].Mappings[0].SnapshotID}
	shared := func(ref cloud.Ref) bool {
		got, err := p.SharedWith(t.Context(), ref)
		if err != nil {
			t.Fatalf("SharedWith(%s): got %v, want no error", ref, err)
		}
		return slices.Equal(got, []string{partner})
	}
	for _, on := range []bool{true, false} {
		if err := p.Share(t.Context(), img, partner, on); err != nil || shared(img) != on || shared(snap) != on {
			t.Errorf("Share(%v): got %v, and the image shared %v and its snapshot %v", on, err, shared(img), shared(snap))
		}
	}
	// Broken off between the two: the image is not shared yet, or its snapshots still are.
	f.SetFault(once("ModifyImageAttribute", &fakeaws.Fault{Code: "UnauthorizedOperation", HTTPStatus: 403}))
	if err := p.Share(t.Context(), img, partner, true); !errors.Is(err, cloud.ErrDenied) || shared(img) || !shared(snap) {
		t.Errorf("Share that is broken off: got %v, the image shared %v and its snapshot %v; want the snapshot alone", err, shared(img), shared(snap))
	}
	if err := p.Share(t.Context(), img, partner, true); err != nil {
		t.Fatalf("Share again: got %v, want no error", err)
	}
	f.SetFault(once("ModifySnapshotAttribute", &fakeaws.Fault{Code: "UnauthorizedOperation", HTTPStatus: 403}))
	if err := p.Share(t.Context(), img, partner, false); !errors.Is(err, cloud.ErrDenied) || shared(img) || !shared(snap) {
		t.Errorf("Share off that is broken off: got %v, the image shared %v and its snapshot %v; want the snapshot alone", err, shared(img), shared(snap))
	}

	// A person shares the image alone.
	f.EditSnapshot(region, snap.ID, func(s *fakeaws.Snapshot) { s.VolumePermission = nil })
	f.EditImage(region, img.ID, func(m *fakeaws.Image) { m.LaunchPermission = []string{partner} })
	if _, err := other.CopyImage(t.Context(), copyOf(img)); !errors.Is(err, cloud.ErrDenied) || !strings.Contains(err.Error(), "must share its snapshots") {
		t.Errorf("CopyImage of one whose snapshots are not shared: got %v, want it denied with what to do", err)
	}
}

func TestDefaultKeyIsNotShared(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	p := open(t, f)
	snapID := f.AddSnapshot(region, fakeaws.Snapshot{Encrypted: true})
	img := imageIn(f, fakeaws.Image{Mappings: []fakeaws.Mapping{{Device: "/dev/xvda", SnapshotID: snapID, GiB: 8, Encrypted: true}}})
	err := p.Share(t.Context(), img, "444455556666", true)
	if e, ok := errors.AsType[*cloud.Error](err); !ok || e.Class != cloud.ErrDenied || e.Op != "image.share" || e.Ref != img || !strings.Contains(err.Error(), "with a key of your own") {
		t.Errorf("Share of what the default key encrypts: got %v, want it denied with what to do", err)
	}
	f.EditSnapshot(region, snapID, func(s *fakeaws.Snapshot) { s.Key = keyHere })
	if err := p.Share(t.Context(), img, "444455556666", true); err != nil {
		t.Errorf("Share of what a key of the account's encrypts: got %v, want no error", err)
	}
}

// TestUnsharingBearsAMissingSnapshot: nobody can copy what is gone.
func TestUnsharingBearsAMissingSnapshot(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	p := open(t, f)
	img := imageIn(f, fakeaws.Image{Mappings: []fakeaws.Mapping{{Device: "/dev/xvda", SnapshotID: unknown(cloud.KindSnapshot, 1), GiB: 8}}})
	if err := p.Share(t.Context(), img, "444455556666", false); err != nil {
		t.Errorf("Share off where a snapshot is gone: got %v, want no error", err)
	}
	if err := p.Share(t.Context(), img, "444455556666", true); !errors.Is(err, cloud.ErrNotFound) {
		t.Errorf("Share where a snapshot is gone: got %v, want not found: it could not be copied", err)
	}
}

func TestIdentityIsTheAccountNumber(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	p := open(t, f)
	if got, err := p.Identity(t.Context()); err != nil || got != "111122223333" {
		t.Errorf("Identity() = %q, %v; want 111122223333", got, err)
	}
	f.SetFault(once("GetCallerIdentity", &fakeaws.Fault{Code: "ExpiredToken", HTTPStatus: 403}))
	_, err := p.Identity(t.Context())
	if e, ok := errors.AsType[*cloud.Error](err); !ok || e.Class != cloud.ErrDenied || e.Op != "account.identity" || e.RequestID == "" {
		t.Errorf("Identity() with an expired token: got %v, want it denied, with the request's id", err)
	}
}

// TestThrowawaySetsEveryDisk, the root too; without it the image decides.
func TestThrowawaySetsEveryDisk(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	p := open(t, f)
	keep := func(device string) fakeaws.Mapping {
		return fakeaws.Mapping{Device: device, SnapshotID: f.AddSnapshot(region, fakeaws.Snapshot{}), GiB: 8, Keep: true}
	}
	img := imageIn(f, fakeaws.Image{Mappings: []fakeaws.Mapping{keep("/dev/xvda"), keep("/dev/sdf")}})
	for _, throwaway := range []bool{true, false} {
		f.ResetCounts()
		req := cloud.NewInstance{Region: region, Image: img.ID, Type: "t3.micro", Throwaway: throwaway}
		made, err := p.RunInstance(t.Context(), req)
		if err != nil {
			t.Fatalf("RunInstance: got %v, want no error", err)
		}
		if looks := f.Count("DescribeImages"); (looks == 1) != throwaway {
			t.Errorf("RunInstance with Throwaway %v looked at %d images", throwaway, looks)
		}
		for _, v := range f.Volumes(region) {
			if v.Instance == made.Ref.ID && v.Keep == throwaway {
				t.Errorf("disk %s of an instance with Throwaway %v: stays %v", v.Device, throwaway, v.Keep)
			}
		}
	}
	_, err := p.RunInstance(t.Context(), cloud.NewInstance{Region: region, Image: unknown(cloud.KindImage, 1), Type: "t3.micro", Throwaway: true})
	if e, ok := errors.AsType[*cloud.Error](err); !ok || e.Class != cloud.ErrNotFound || e.Op != "instance.run" {
		t.Errorf("RunInstance of an unknown image with Throwaway: got %v, want not found", err)
	}
}

// TestProtectedInstanceIsLeftAlone: the cloud's own protection is a hold.
func TestProtectedInstanceIsLeftAlone(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	p := open(t, f)
	ref := cloud.Ref{Account: account, Region: region, Kind: cloud.KindInstance, ID: f.AddInstance(region, fakeaws.NewInstance{})}
	f.EditInstance(region, ref.ID, func(in *fakeaws.Instance) { in.Protected = true })
	if err := p.DeleteInstance(t.Context(), ref); !errors.Is(err, cloud.ErrDenied) {
		t.Errorf("DeleteInstance of one that is protected: got %v, want denied", err)
	}
	f.EditInstance(region, ref.ID, func(in *fakeaws.Instance) { in.Protected = false })
	if err := p.DeleteInstance(t.Context(), ref); err != nil {
		t.Errorf("DeleteInstance once it is not: got %v, want no error", err)
	}
}
