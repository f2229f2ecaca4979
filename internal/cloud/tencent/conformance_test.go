package tencent

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/cloudtest"
	"github.com/stint-cloud/stint/internal/cloud/tencent/faketencent"
)

const (
	account = "games"
	region  = "ap-shanghai"
	partner = "200000000002"
)

// open gives a provider that talks to the fake in process.
func open(t *testing.T, f *faketencent.Fake) *Provider {
	t.Helper()
	return openWith(t, Config{SecretID: faketencent.SecretID, SecretKey: faketencent.SecretKey, Transport: f.RoundTripper()})
}

func openWith(t *testing.T, c Config) *Provider {
	t.Helper()
	c.Account, c.DefaultRegion, c.Endpoint = account, region, "http://tencent.example.com"
	if c.Getenv == nil {
		c.Getenv = func(string) string { return "" }
	}
	p, err := Open(t.Context(), c)
	if err != nil {
		t.Fatalf("Open: got %v, want no error", err)
	}
	return p
}

// actionsOf are the requests that carry out an op: of several it is the first that a look fails at.
var actionsOf = map[string][]string{
	"region.list": {"DescribeRegions"}, "instance.list": {"DescribeInstances"}, "disk.list": {"DescribeDisks"},
	"snapshot.list": {"DescribeSnapshots"}, "image.list": {"DescribeImages"}, "snapshot.create": {"DescribeDisks", "CreateSnapshot"},
	"snapshot.delete": {"DeleteSnapshots"}, "image.create": {"DescribeInstances", "CreateImage"}, "image.delete": {"DeleteImages"},
	"disk.create": {"CreateDisks"}, "instance.run": {"DescribeImages", "RunInstances"},
	"tag.set": {"DescribeSnapshots", "TagResources"}, "tag.remove": {"DescribeSnapshots", "UnTagResources"},
	"image.copy": {"SyncImages"}, "snapshot.copy": {"CopySnapshotCrossRegions"}, "image.share": {"ModifyImageSharePermission"},
	"image.unshare": {"ModifyImageSharePermission"}, "image.shares": {"DescribeImageSharePermission"},
	"instance.start": {"StartInstances"}, "instance.stop": {"StopInstances"}, "instance.delete": {"DescribeInstances", "TerminateInstances"},
}

// codeFor is a code of Tencent Cloud's for each class.
var codeFor = map[error]string{
	cloud.ErrNotFound: "InvalidSnapshotId.NotFound", cloud.ErrThrottled: "RequestLimitExceeded.UinLimitExceeded", cloud.ErrTransient: "InternalError",
	cloud.ErrInUse: "UnsupportedOperation.SnapshotHasBindedImage", cloud.ErrConflict: "InvalidSnapshot.NotSupported", cloud.ErrQuota: "InsufficientSnapshotQuota",
	cloud.ErrDenied: "UnauthorizedOperation", cloud.ErrUnsupported: "UnsupportedOperation",
}

func TestConformance(t *testing.T) {
	cloudtest.Run(t, cloudtest.Harness{
		Can: []cloud.Capability{
			cloud.Snapshots, cloud.ImageMaking, cloud.DiskMaking, cloud.Launching, cloud.Tagging,
			cloud.ImageCopies, cloud.SnapshotCopies, cloud.Sharing, cloud.Operating, cloud.Identifying,
		},
		Open: subject,
	})
}

func subject(t *testing.T) cloudtest.Subject {
	f := faketencent.New(faketencent.Options{
		Accounts: lender(""), SnapshotTime: time.Hour, ImageTime: time.Hour, DiskTime: time.Hour, InstanceTime: time.Hour,
	})
	p := open(t, f)
	p.page = 3
	other := openWith(t, Config{SecretID: "AKIDOTHER", SecretKey: "other", Transport: f.RoundTripper()})
	other.account = "partner"
	return cloudtest.Subject{
		Provider: p, Account: account, Region: region, Zone: region + "-1", Slow: true, PageSize: 3,
		Launch: func(t *testing.T, name string, dataDisks int, tags cloud.Tags) cloud.Instance {
			t.Helper()
			id := f.AddInstance(region, faketencent.NewInstance{Name: name, Tags: tags.Map(), Disks: make([]faketencent.NewDisk, 1+dataDisks)})
			page, err := p.Instances(t.Context(), cloud.Query{Region: region, IDs: []string{id}}, "")
			if err != nil || len(page.Items) != 1 {
				t.Fatalf("Instances(%s): got %d items and %v, want one", id, len(page.Items), err)
			}
			return page.Items[0]
		},
		Settle: func(_ *testing.T, ref cloud.Ref) {
			f.Settle(ref.Region, ref.ID, faketencent.Completes)
			f.In(partner).Settle(ref.Region, ref.ID, faketencent.Completes)
		},
		Unknown: unknown,
		Provoke: func(_ *testing.T, op string, class error, after bool) {
			actions := actionsOf[op]
			if after {
				actions = actions[len(actions)-1:] // a look has no effect
			}
			f.SetFault(once(&faketencent.Fault{Code: codeFor[class], After: after}, actions...))
		},
		Requests: f.Calls,
		Lock: func(t *testing.T, ref cloud.Ref) {
			if ref.Kind != cloud.KindSnapshot {
				t.Skip("Tencent Cloud locks no images")
			}
			f.EditSnapshot(ref.Region, ref.ID, func(s *faketencent.Snapshot) { s.Locked = true })
			t.Cleanup(func() { f.EditSnapshot(ref.Region, ref.ID, func(s *faketencent.Snapshot) { s.Locked = false }) })
		},
		InstanceType: "S5.MEDIUM4", Network: "vpc-1a2b3c4d/subnet-1a2b3c4d", LaunchTokens: true, DiskTokens: true, RequestIDs: true, ImagesStand: true,
		Elsewhere: "ap-guangzhou", Partner: partner, Other: other, OtherAccount: "partner",
	}
}

// once is a fault of the next call of any of the actions.
func once(fault *faketencent.Fault, actions ...string) func(string, int) *faketencent.Fault {
	done := false
	return func(a string, _ int) *faketencent.Fault {
		for _, action := range actions {
			if !done && a == action {
				done = true
				return fault
			}
		}
		return nil
	}
}

func unknown(kind cloud.Kind, n int) string {
	prefix := map[cloud.Kind]string{cloud.KindInstance: "ins", cloud.KindDisk: "disk", cloud.KindSnapshot: "snap", cloud.KindImage: "img"}[kind]
	return fmt.Sprintf("%s-%08d", prefix, 99000000+n)
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
