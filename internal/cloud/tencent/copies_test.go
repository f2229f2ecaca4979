package tencent

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/tencent/faketencent"
)

// TestRequestsOfCopies: what goes over the wire for copies, sharing, and instances that start, stop and end.
func TestRequestsOfCopies(t *testing.T) {
	f := faketencent.New(faketencent.Options{Accounts: lender("")})
	p, rec := recorded(t, f)
	ctx := t.Context()
	img, snap := f.AddImage(region, faketencent.Image{Name: "img"}), f.AddSnapshot(region, faketencent.Snapshot{})
	theirs := f.In(partner).AddImage(region, faketencent.Image{Name: "theirs", Shared: map[string]time.Time{faketencent.UIN: time.Now()}})
	id := f.AddInstance(region, faketencent.NewInstance{})
	ref := func(kind cloud.Kind, id string) cloud.Ref { return p.ref(region, kind, id) }
	far := cloud.NewCopy{Region: "ap-guangzhou", Name: "copy", Description: "d", Tags: cloud.Tags{{Key: "a", Value: "b"}}, Token: "t"}
	of := func(c cloud.NewCopy, from cloud.Ref) cloud.NewCopy { c.From = from; return c }
	for _, s := range []struct {
		name string
		call func() error
		want []string
	}{
		{"CopyImage", func() error { _, err := p.CopyImage(ctx, of(far, ref(cloud.KindImage, img))); return err }, []string{
			`SyncImages {"DestinationRegions":["ap-guangzhou"],"ImageIds":["` + img + `"],"ImageName":"copy","ImageSetRequired":true}`,
		}},
		{"CopyImage with a key", func() error {
			_, err := p.CopyImage(ctx, cloud.NewCopy{From: ref(cloud.KindImage, img), Region: region, Name: "locked", Key: "kms-1"})
			return err
		}, []string{`SyncImages {"DestinationRegions":["` + region + `"],"Encrypt":true,"ImageIds":["` + img + `"],"ImageName":"locked","ImageSetRequired":true,"KmsKeyId":"kms-1"}`}},
		{"CopyImage of another's", func() error {
			_, err := p.CopyImage(ctx, cloud.NewCopy{From: cloud.Ref{Account: "other", Region: region, Kind: cloud.KindImage, ID: theirs}, Region: region, Name: "mine"})
			return err
		}, []string{`SyncImages {"DestinationRegions":["` + region + `"],"ImageIds":["` + theirs + `"],"ImageName":"mine","ImageSetRequired":true}`}},
		{"CopySnapshot", func() error { _, err := p.CopySnapshot(ctx, of(far, ref(cloud.KindSnapshot, snap))); return err }, []string{
			`CopySnapshotCrossRegions {"DestinationRegions":["ap-guangzhou"],"SnapshotId":"` + snap + `","SnapshotName":"copy"}`,
		}},
		{"Share", func() error { return p.Share(ctx, ref(cloud.KindImage, img), partner, true) }, []string{
			`ModifyImageSharePermission {"AccountIds":["` + partner + `"],"ImageId":"` + img + `","Permission":"SHARE"}`,
		}},
		{"SharedWith", func() error { _, err := p.SharedWith(ctx, ref(cloud.KindImage, img)); return err }, []string{`DescribeImageSharePermission {"ImageId":"` + img + `"}`}},
		{"no longer", func() error { return p.Share(ctx, ref(cloud.KindImage, img), partner, false) }, []string{
			`ModifyImageSharePermission {"AccountIds":["` + partner + `"],"ImageId":"` + img + `","Permission":"CANCEL"}`,
		}},
		{"Identity", func() error { _, err := p.Identity(ctx); return err }, []string{`GetCallerIdentity {}`}},
		{"StopInstance", func() error { return p.StopInstance(ctx, ref(cloud.KindInstance, id)) }, []string{
			`StopInstances {"InstanceIds":["` + id + `"],"StopType":"SOFT","StoppedMode":"STOP_CHARGING"}`,
		}},
		{"StartInstance", func() error { return p.StartInstance(ctx, ref(cloud.KindInstance, id)) }, []string{`StartInstances {"InstanceIds":["` + id + `"]}`}},
		{"DeleteInstance", func() error { return p.DeleteInstance(ctx, ref(cloud.KindInstance, id)) }, []string{
			`DescribeInstances {"InstanceIds":["` + id + `"],"Limit":1}`, `TerminateInstances {"InstanceIds":["` + id + `"]}`,
		}},
	} {
		rec.take()
		if err := s.call(); err != nil {
			t.Errorf("%s: got %v, want no error", s.name, err)
		}
		var got []string
		for _, r := range rec.take() {
			got = append(got, r.action+" "+ordered(t, r.body))
		}
		if !slices.Equal(got, s.want) {
			t.Errorf("%s:\n got %q\nwant %q", s.name, got, s.want)
		}
	}
}

// TestCopiesThatCannotBe: told without a request, since there is none for it.
func TestCopiesThatCannotBe(t *testing.T) {
	f := faketencent.New(faketencent.Options{})
	p := open(t, f)
	img, snap := p.ref(region, cloud.KindImage, "img-00000000"), p.ref(region, cloud.KindSnapshot, "snap-00000000")
	foreign := func(r cloud.Ref) cloud.Ref { r.Account = "other"; return r }
	for name, call := range map[string]func() error{
		"an image to where it is": func() error { _, err := p.CopyImage(t.Context(), cloud.NewCopy{From: img, Region: region}); return err },
		"an image, far, with a key": func() error {
			_, err := p.CopyImage(t.Context(), cloud.NewCopy{From: img, Region: "ap-guangzhou", Key: "k"})
			return err
		},
		"another's image with a key": func() error {
			_, err := p.CopyImage(t.Context(), cloud.NewCopy{From: foreign(img), Region: region, Key: "k"})
			return err
		},
		"a snapshot to where it is": func() error {
			_, err := p.CopySnapshot(t.Context(), cloud.NewCopy{From: snap, Region: region})
			return err
		},
		"a snapshot with a key": func() error {
			_, err := p.CopySnapshot(t.Context(), cloud.NewCopy{From: snap, Region: "ap-guangzhou", Key: "k"})
			return err
		},
		"another's snapshot": func() error {
			_, err := p.CopySnapshot(t.Context(), cloud.NewCopy{From: foreign(snap), Region: "ap-guangzhou"})
			return err
		},
		"sharing a snapshot":             func() error { return p.Share(t.Context(), snap, partner, true) },
		"whom a snapshot is shared with": func() error { _, err := p.SharedWith(t.Context(), snap); return err },
	} {
		if err := call(); cloud.ClassOf(err) != cloud.ErrUnsupported {
			t.Errorf("%s: got %v, want ErrUnsupported", name, err)
		}
	}
	if n := f.Calls(); n != 0 {
		t.Errorf("what cannot be made %d requests, want none", n)
	}
}

// TestSnapshotCopyRefusedForItsRegion: the answer has no error, the result of the one region has.
func TestSnapshotCopyRefusedForItsRegion(t *testing.T) {
	f := faketencent.New(faketencent.Options{MaxSnapshots: 1})
	p := open(t, f)
	snap := f.AddSnapshot(region, faketencent.Snapshot{})
	f.AddSnapshot("ap-guangzhou", faketencent.Snapshot{})
	_, err := p.CopySnapshot(t.Context(), cloud.NewCopy{From: p.ref(region, cloud.KindSnapshot, snap), Region: "ap-guangzhou", Name: "n"})
	ce, ok := errors.AsType[*cloud.Error](err)
	if !ok || cloud.ClassOf(err) != cloud.ErrQuota || ce.Code != "InsufficientSnapshotQuota" || ce.RequestID == "" {
		t.Errorf("a copy for which there is no room: got %#v (%v), want ErrQuota with its code and the request's id", ce, err)
	}
}

// TestSharingWhatIsEncrypted: denied, and said what to do; an account that is none is a mistake of ours.
func TestSharingWhatIsEncrypted(t *testing.T) {
	f := faketencent.New(faketencent.Options{Accounts: lender("")})
	p := open(t, f)
	img := p.ref(region, cloud.KindImage, f.AddImage(region, faketencent.Image{Encrypted: true}))
	plain := p.ref(region, cloud.KindImage, f.AddImage(region, faketencent.Image{}))
	if err := p.Share(t.Context(), img, partner, true); cloud.ClassOf(err) != cloud.ErrDenied || !strings.Contains(err.Error(), "not encrypted") {
		t.Errorf("Share of an encrypted image: got %v, want ErrDenied with what to do", err)
	}
	for _, with := range []string{"300000000003", faketencent.UIN, "", "example"} {
		if err := p.Share(t.Context(), plain, with, true); cloud.ClassOf(err) != cloud.ErrUnsupported {
			t.Errorf("Share with %q: got %v, want ErrUnsupported", with, err)
		}
	}
}

// TestPaidInAdvance: terminated once however often it is asked for, since the second time would destroy it.
func TestPaidInAdvance(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Hour} { // in the recycle bin, or still on its way there
		f := faketencent.New(faketencent.Options{InstanceTime: delay})
		p := open(t, f)
		id := f.AddInstance(region, faketencent.NewInstance{Charge: "PREPAID"})
		for range 3 {
			if err := p.DeleteInstance(t.Context(), p.ref(region, cloud.KindInstance, id)); err != nil {
				t.Errorf("DeleteInstance: got %v, want no error", err)
			}
		}
		if n := f.Count("TerminateInstances"); n != 1 || len(f.Instances(region)) != 1 {
			t.Errorf("deleting three times made %d requests and left %d instances, want one of each: it waits in the recycle bin", n, len(f.Instances(region)))
		}
	}
}
