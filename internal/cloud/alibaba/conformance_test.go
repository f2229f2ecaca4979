package alibaba

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/alibaba/fakealibaba"
	"github.com/stint-cloud/stint/internal/cloud/cloudtest"
)

const (
	account   = "shop"
	region    = "cn-hangzhou"
	elsewhere = "cn-shanghai"
	partner   = "5555666677778888"
)

// open gives a provider that talks to the fake in process.
func open(t *testing.T, f *fakealibaba.Fake) *Provider {
	t.Helper()
	return openWith(t, Config{AccessKey: fakealibaba.AccessKey, SecretKey: fakealibaba.SecretKey}, f.RoundTripper())
}

// openWith gives a provider whose requests go over the transport, and which sees nothing of the machine that it runs on.
func openWith(t *testing.T, c Config, rt http.RoundTripper) *Provider {
	t.Helper()
	c.Account, c.Endpoint, c.DefaultRegion, c.HTTPClient = account, "http://ecs.example.com", region, &http.Client{Transport: rt}
	if c.Env == nil {
		c.Env = func(string) string { return "" }
	}
	p, err := Open(t.Context(), c)
	if err != nil {
		t.Fatalf("Open: got %v, want no error", err)
	}
	return p
}

// actionsOf are the requests that carry out an op, of which the first that comes is meant.
var actionsOf = map[string][]string{
	"region.list": {"DescribeRegions"}, "instance.list": {"DescribeInstances"}, "disk.list": {"DescribeDisks"},
	"snapshot.list": {"DescribeSnapshots"}, "image.list": {"DescribeImages"}, "snapshot.create": {"CreateSnapshot"},
	"snapshotset.create": {"CreateSnapshotGroup", "CreateSnapshot"}, "snapshot.delete": {"DeleteSnapshot"}, "image.create": {"CreateImage"},
	"image.delete": {"DeleteImage"}, "disk.create": {"CreateDisk"}, "instance.run": {"RunInstances"},
	"tag.set": {"TagResources"}, "tag.remove": {"UntagResources"},
	"image.copy": {"CopyImage"}, "snapshot.copy": {"CopySnapshot"}, "image.share": {"ModifyImageSharePermission"},
	"image.unshare": {"ModifyImageSharePermission"}, "image.shares": {"DescribeImageSharePermission"},
	"instance.start": {"StartInstance"}, "instance.stop": {"StopInstance"}, "instance.delete": {"DeleteInstance"},
	"account.identity": {"GetCallerIdentity"}, "image.uses": {"DescribeImages"}, "snapshot.uses": {"DescribeSnapshots"},
}

// codeOf is a code of ECS's for each class, with its HTTP status.
var codeOf = map[error]struct {
	code   string
	status int
}{
	cloud.ErrNotFound: {"InvalidSnapshotId.NotFound", 404}, cloud.ErrThrottled: {"Throttling.User", 400}, cloud.ErrTransient: {"InternalError", 500},
	cloud.ErrInUse: {"SnapshotCreatedImage", 403}, cloud.ErrConflict: {"IncorrectDiskStatus", 403}, cloud.ErrQuota: {"QuotaExceed.Snapshot", 403},
	cloud.ErrDenied: {"Forbidden.RAM", 403}, cloud.ErrUnsupported: {"UnsupportedOperation", 400},
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
	o := fakealibaba.Options{
		PageSize: 2, MaxUnfinished: 16, SnapshotTime: time.Hour, ImageTime: time.Hour, UsableTime: time.Hour, DiskTime: time.Hour, InstanceTime: time.Hour,
		KMSKeys: map[string][]string{elsewhere: {"key-there"}, region: {"key-here"}},
	}
	f := fakealibaba.New(o)
	o.Account, o.Seed, o.Keys = partner, 1, map[string]string{"LTAIPARTNER": "partner-secret"}
	theirs := fakealibaba.New(o)
	fakealibaba.Accounts(f, theirs)
	other, err := Open(t.Context(), Config{
		Account: "partner", Endpoint: "http://ecs.example.com", AccessKey: "LTAIPARTNER", SecretKey: "partner-secret", DefaultRegion: region,
		HTTPClient: &http.Client{Transport: theirs.RoundTripper()},
	})
	if err != nil {
		t.Fatalf("Open: got %v, want no error", err)
	}
	p := open(t, f)
	return cloudtest.Subject{
		Provider: p, Account: account, Region: region, Zone: region + "-a", Slow: true, PageSize: 2,
		Launch: func(t *testing.T, name string, dataDisks int, tags cloud.Tags) cloud.Instance {
			t.Helper()
			id := f.AddInstance(region, fakealibaba.NewInstance{Name: name, Tags: tags.Map(), Disks: make([]fakealibaba.NewDisk, 1+dataDisks)})
			page, err := p.Instances(t.Context(), cloud.Query{Region: region, IDs: []string{id}}, "")
			if err != nil || len(page.Items) != 1 {
				t.Fatalf("Instances(%s): got %d items and %v, want one", id, len(page.Items), err)
			}
			return page.Items[0]
		},
		Settle: func(_ *testing.T, ref cloud.Ref) {
			f.Settle(ref.Region, ref.ID, fakealibaba.Completes)
			theirs.Settle(ref.Region, ref.ID, fakealibaba.Completes)
		},
		Unknown: unknown,
		Provoke: func(_ *testing.T, op string, class error, after bool) {
			code := codeOf[class]
			actions := actionsOf[op]
			if op == "snapshot.delete" && len(f.Snapshots(region)) == 0 {
				actions = []string{"DescribeSnapshots"} // the look before, which is all that comes for an unknown one
			}
			f.SetFault(once(&fakealibaba.Fault{Code: code.code, HTTPStatus: code.status, After: after}, actions...))
		},
		Requests: f.Calls,
		Lock: func(t *testing.T, ref cloud.Ref) {
			if ref.Kind != cloud.KindSnapshot {
				t.Skip("ECS locks snapshots only")
			}
			f.EditSnapshot(ref.Region, ref.ID, func(s *fakealibaba.Snapshot) { s.LockEnds = time.Now().Add(time.Hour) })
			t.Cleanup(func() { f.EditSnapshot(ref.Region, ref.ID, func(s *fakealibaba.Snapshot) { s.LockEnds = time.Time{} }) })
		},
		Dispose:      func(_ *testing.T, ref cloud.Ref) { f.Remove(ref.Region, ref.ID) },
		InstanceType: "ecs.g7.large", Network: "vsw-" + region + "-a/sg-" + region, LaunchTokens: true, DiskTokens: true, RequestIDs: true,
		ImagesStand: true, Elsewhere: elsewhere, Key: "key-there", WrongKey: "key-here",
		Partner: partner, Other: other, OtherAccount: "partner",
		Template: func(_ *testing.T, image cloud.Ref) (string, func()) {
			id := f.AddLaunchTemplate(image.Region, fakealibaba.BaseImage, image.ID, fakealibaba.BaseImage)
			return id, func() { f.Remove(image.Region, id) }
		},
	}
}

// once is a fault of the next call of one of the actions.
func once(fault *fakealibaba.Fault, actions ...string) func(string, int) *fakealibaba.Fault {
	done := false
	return func(a string, _ int) *fakealibaba.Fault {
		if done || !slices.Contains(actions, a) {
			return nil
		}
		done = true
		return fault
	}
}

func unknown(kind cloud.Kind, n int) string {
	prefix := map[cloud.Kind]string{cloud.KindInstance: "i", cloud.KindDisk: "d", cloud.KindSnapshot: "s", cloud.KindImage: "m"}[kind]
	return fmt.Sprintf("%s-bp1%017x", prefix, 0xdead0000+n)
}
