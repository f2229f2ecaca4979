package aws

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
	"github.com/stint-cloud/stint/internal/cloud/cloudtest"
)

const (
	account = "web"
	region  = "us-east-1"

	elsewhere = "eu-west-1"
	keyHere   = "11111111-2222-3333-4444-555555555555"
	keyThere  = "66666666-7777-8888-9999-000000000000"
)

// open gives a provider that talks to the fake in process.
func open(t *testing.T, f *fakeaws.Fake) *Provider {
	t.Helper()
	p, err := Open(t.Context(), Config{
		Account: account, Endpoint: "http://ec2.example.com", AccessKey: fakeaws.AccessKey, SecretKey: fakeaws.SecretKey,
		DefaultRegion: region, HTTPClient: &http.Client{Transport: f.RoundTripper()},
	})
	if err != nil {
		t.Fatalf("Open: got %v, want no error", err)
	}
	return p
}

// actionOf is the request that carries out an op.
var actionOf = map[string]string{
	"region.list": "DescribeRegions", "instance.list": "DescribeInstances", "disk.list": "DescribeVolumes",
	"snapshot.list": "DescribeSnapshots", "image.list": "DescribeImages", "snapshot.create": "CreateSnapshot",
	"snapshotset.create": "CreateSnapshots", "snapshot.delete": "DeleteSnapshot", "image.create": "CreateImage",
	"image.delete": "DeregisterImage", "disk.create": "CreateVolume", "instance.run": "RunInstances",
	"tag.set": "CreateTags", "tag.remove": "DeleteTags",
	"image.copy": "CopyImage", "snapshot.copy": "CopySnapshot", "image.share": "DescribeImages", "image.unshare": "DescribeImages",
	"image.shares": "DescribeImageAttribute", "instance.start": "StartInstances", "instance.stop": "StopInstances",
	"instance.delete": "TerminateInstances", "image.uses": "DescribeImages", "snapshot.uses": "DescribeImages",
}

// codeOf is a code of EC2's for each class.
var codeOf = map[error]string{
	cloud.ErrNotFound: "InvalidSnapshot.NotFound", cloud.ErrThrottled: "RequestLimitExceeded", cloud.ErrTransient: "InternalError",
	cloud.ErrInUse: "InvalidSnapshot.InUse", cloud.ErrConflict: "IncorrectState", cloud.ErrQuota: "SnapshotLimitExceeded",
	cloud.ErrDenied: "UnauthorizedOperation", cloud.ErrUnsupported: "UnsupportedOperation",
}

func TestConformance(t *testing.T) {
	cloudtest.Run(t, cloudtest.Harness{
		Can: []cloud.Capability{
			cloud.Snapshots, cloud.SnapshotSets, cloud.ImageMaking, cloud.DiskMaking, cloud.Launching, cloud.Tagging,
			cloud.ImageCopies, cloud.SnapshotCopies, cloud.Sharing, cloud.Operating, cloud.Identifying, cloud.Referring,
		},
		Open: subject,
	})
}

func subject(t *testing.T) cloudtest.Subject {
	opt := fakeaws.Options{
		PageSize: 2, SnapshotTime: time.Hour, ImageTime: time.Hour, VolumeTime: time.Hour, InstanceTime: time.Hour,
		Sharing: &fakeaws.Sharing{}, KMSKeys: map[string][]string{region: {keyHere}, elsewhere: {keyThere}},
	}
	f := fakeaws.New(opt)
	opt.Account, opt.Seed = "444455556666", 1
	partner := fakeaws.New(opt)
	p, other := open(t, f), open(t, partner)
	other.account = "partner"
	return cloudtest.Subject{
		Provider: p, Account: account, Region: region, Zone: region + "a", Slow: true, PageSize: 2,
		Launch: func(t *testing.T, name string, dataDisks int, tags cloud.Tags) cloud.Instance {
			t.Helper()
			id := f.AddInstance(region, fakeaws.NewInstance{Tags: tags.With("Name", name).Map(), Disks: make([]fakeaws.NewDisk, 1+dataDisks)})
			page, err := p.Instances(t.Context(), cloud.Query{Region: region, IDs: []string{id}}, "")
			if err != nil || len(page.Items) != 1 {
				t.Fatalf("Instances(%s): got %d items and %v, want one", id, len(page.Items), err)
			}
			return page.Items[0]
		},
		Settle: func(_ *testing.T, ref cloud.Ref) {
			of := f
			if ref.Account == "partner" {
				of = partner
			}
			of.Settle(ref.Region, ref.ID, fakeaws.Completes)
		},
		Unknown: unknown,
		Provoke: func(_ *testing.T, op string, class error, after bool) {
			fault := &fakeaws.Fault{Code: codeOf[class], After: after}
			if class == cloud.ErrTransient || class == cloud.ErrThrottled {
				fault.HTTPStatus = http.StatusServiceUnavailable
			}
			f.SetFault(once(actionOf[op], fault))
		},
		Requests: f.Calls,
		Lock: func(t *testing.T, ref cloud.Ref) {
			if ref.Kind != cloud.KindImage {
				t.Skip("a listing of snapshots does not tell that one is locked")
			}
			f.EditImage(ref.Region, ref.ID, func(m *fakeaws.Image) { m.Protection = "enabled-without-cooldown" })
			t.Cleanup(func() { f.EditImage(ref.Region, ref.ID, func(m *fakeaws.Image) { m.Protection = "" }) })
		},
		InstanceType: "t3.micro", Network: "subnet-0123456789abcdef0", LaunchTokens: true, DiskTokens: true, RequestIDs: true,
		ImagesStand: true, ImageTagsSnapshots: true,
		Elsewhere: elsewhere, Key: keyThere, WrongKey: "arn:aws:kms:" + region + ":111122223333:key/" + keyHere,
		Template: func(_ *testing.T, image cloud.Ref) (string, func()) {
			images := append([]string{image.ID}, slices.Repeat([]string{fakeaws.BaseImage}, 30)...)
			id := f.AddLaunchTemplate(image.Region, images...)
			return id, func() { f.RemoveLaunchTemplate(image.Region, id) }
		},
		Partner: "444455556666", Other: other, OtherAccount: "partner", SharesSnapshots: true,
		EncryptedDisk: func(t *testing.T) string {
			f.AddInstance(region, fakeaws.NewInstance{Disks: []fakeaws.NewDisk{{Encrypted: true}}})
			volumes := f.Volumes(region)
			return volumes[len(volumes)-1].ID
		},
	}
}

// once is a fault of the next call of an action.
func once(action string, fault *fakeaws.Fault) func(string, int) *fakeaws.Fault {
	done := false
	return func(a string, _ int) *fakeaws.Fault {
		if done || a != action {
			return nil
		}
		done = true
		return fault
	}
}

func unknown(kind cloud.Kind, n int) string {
	prefix := map[cloud.Kind]string{cloud.KindInstance: "i", cloud.KindDisk: "vol", cloud.KindSnapshot: "snap", cloud.KindImage: "ami"}[kind]
	return fmt.Sprintf("%s-0%016x", prefix, 0xdead0000+n)
}
