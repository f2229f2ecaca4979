package tencent

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/tencent/faketencent"
)

// TestErrorClasses: the codes that Tencent Cloud documents, each with its class; one that is new to us keeps its word.
func TestErrorClasses(t *testing.T) {
	for class, list := range map[error][]string{
		cloud.ErrNotFound: {
			"InvalidImageId.NotFound", "InvalidSnapshotId.NotFound", "InvalidInstanceId.NotFound", "InvalidDiskId.NotFound", "ResourceNotFound.NotFound",
			"InvalidAccountId.NotFound", "InvalidImageId.Malformed", "InvalidInstanceId.Malformed",
		},
		cloud.ErrThrottled: {"RequestLimitExceeded", "RequestLimitExceeded.UinLimitExceeded", "RequestLimitExceeded.GlobalRegionUinLimitExceeded", "ResourceUnavailable.TooManyCreatingSnapshot", "InvalidDisk.SnapshotCreating"},
		cloud.ErrTransient: {
			"InternalError", "InternalServerError", "InternalError.TradeUnknownError", "InternalError.ComponentError", "ResourceInsufficient.CloudDiskUnavailable",
			"ResourceInsufficient", "ResourcesSoldOut.SpecifiedInstanceType",
		},
		cloud.ErrInUse: {
			"UnsupportedOperation.SnapshotHasBindedImage", "UnsupportedOperation.SnapHasShared", "InvalidImageId.InShared", "MutexOperation.TaskRunning",
			"OperationDenied.InstanceOperationInProgress", "ResourceBusy", "ResourceInUse", "ResourceInUse.DiskMigrating",
			"ResourceInUse.DiskRollbacking", "ResourceUnavailable.SnapshotCreating",
		},
		cloud.ErrConflict: {
			"InvalidImageName.Duplicate", "InvalidImageId.IncorrectState", "InvalidParameterValue.InvalidImageState", "FailedOperation.InvalidImageState", "ResourceInUse.CopySnapshotConflict",
			"UnsupportedOperation.InstanceStateStopping", "UnsupportedOperation.InstanceStateRescueMode",
		},
		cloud.ErrQuota: {
			"ImageQuotaLimitExceeded", "InsufficientSnapshotQuota", "InstancesQuotaLimitExceeded", "ResourceInsufficient.OverQuota", "OverQuota",
			"LimitExceeded.InstanceQuota", "LimitExceeded.ExportImageTaskLimitExceeded", "InvalidParameterValue.TagQuotaLimitExceeded", "LimitExceeded.ResourceAttachedTags",
		},
		cloud.ErrDenied: {
			"AuthFailure.SecretIdNotFound", "AuthFailure.SignatureFailure", "AuthFailure.SignatureExpire", "AuthFailure.TokenFailure", "AuthFailure.UnauthorizedOperation",
			"UnauthorizedOperation", "UnauthorizedOperation.PermissionDenied", "UnauthorizedOperation.MFAExpired", "AuthFailure.CamRoleNameAuthenticateFailed",
			"InvalidAccount.InsufficientBalance", "InvalidAccount.UnpaidOrder", "UnsupportedOperation.InstancesProtected",
		},
		cloud.ErrUnsupported: {
			"UnsupportedOperation", "UnsupportedOperation.DiskEncrypt", "UnsupportedOperation.StoppedModeStopCharging", "UnsupportedRegion", "InvalidRegion.Unavailable",
			"InvalidAction", "UnknownParameter", "MissingParameter", "InvalidParameterValue.LimitExceeded", "InvalidParameter.ValueTooLarge", "InvalidDisk.NotSupportSnapshot",
		},
		nil: {"FailedOperation", "SomethingNew.NeverSeen"},
	} {
		for _, code := range list {
			f := faketencent.New(faketencent.Options{})
			p := open(t, f)
			ref := p.ref(region, cloud.KindSnapshot, "snap-00000000")
			f.SetFault(func(string, int) *faketencent.Fault {
				return &faketencent.Fault{Code: code, Message: "in its own words."}
			})
			err := p.DeleteSnapshot(t.Context(), ref)
			ce, ok := errors.AsType[*cloud.Error](err)
			if !ok || cloud.ClassOf(err) != class || ce.Code != code || ce.Ref != ref || ce.Op != "snapshot.delete" || ce.RequestID == "" || !strings.Contains(err.Error(), "in its own words") {
				t.Errorf("%s: got %#v (%v), want class %v, about %s, with the code, the words and the request's id", code, ce, err, class, ref)
			}
		}
	}
}

// TestRemedies: what a person can do about it stands in the one line.
func TestRemedies(t *testing.T) {
	for code, want := range map[string]string{
		"UnauthorizedOperation": "docs/guide/tencent.md", "AuthFailure.SignatureExpire": "clock", "AuthFailure.SecretIdNotFound": "secret id",
		"InsufficientSnapshotQuota": "quota", "UnsupportedRegion": "ap-guangzhou", "InvalidAccount.InsufficientBalance": "top up",
		"InvalidImageId.InShared": "sharing", "UnauthorizedOperation.MFAExpired": "second factor",
	} {
		f := faketencent.New(faketencent.Options{})
		p := open(t, f)
		f.SetFault(func(string, int) *faketencent.Fault {
			return &faketencent.Fault{Code: code, Message: "you are not\n  authorized.  "}
		})
		_, err := p.Images(t.Context(), cloud.Query{Region: region}, "")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line that says %q", code, err, want)
		}
	}
}

// TestWrongRegion: a region that is none, and none of another cloud's.
func TestWrongRegion(t *testing.T) {
	p := open(t, faketencent.New(faketencent.Options{}))
	_, err := p.Instances(t.Context(), cloud.Query{Region: "us-east-1"}, "")
	if cloud.ClassOf(err) != cloud.ErrUnsupported || !strings.Contains(err.Error(), fixRegion) {
		t.Errorf("Instances in us-east-1: got %v, want ErrUnsupported with what to do", err)
	}
}

// TestForeignAnswers: what is not Tencent Cloud's own is an error, and never an empty listing.
func TestForeignAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  faketencent.Fault
		class  error
		want   string
		status int
	}{
		{"a page", faketencent.Fault{Body: "<!DOCTYPE html>\n<title>Sign in</title>"}, cloud.ErrTransient, "HTTP 200, it begins with \"<!DOCTYPE html> <title>Sign in</title>\"", 200},
		{"a gateway", faketencent.Fault{Body: "<html>Bad Gateway</html>", HTTPStatus: http.StatusBadGateway}, cloud.ErrTransient, "HTTP 502", 502},
		{"an object", faketencent.Fault{Body: "{}"}, cloud.ErrTransient, "not Tencent Cloud's", 200},
		{"another's object", faketencent.Fault{Body: `{"message":"ok"}`}, cloud.ErrTransient, "not Tencent Cloud's", 200},
		{"an empty envelope", faketencent.Fault{Body: `{"Response":{}}`}, cloud.ErrTransient, "not Tencent Cloud's", 200},
		{"nothing", faketencent.Fault{Body: " "}, cloud.ErrTransient, "not Tencent Cloud's", 200},
		{"no count", faketencent.Fault{Body: `{"Response":{"RequestId":"r","SnapshotSet":[]}}`}, cloud.ErrTransient, "does not say how many", 200},
		{"fewer than counted", faketencent.Fault{Body: `{"Response":{"RequestId":"r","TotalCount":3,"SnapshotSet":[]}}`}, cloud.ErrTransient, "may pass: a page is empty, though there are 3 things", 200},
		{"a broken one", faketencent.Fault{Body: `{"Response":{"RequestId":"r","TotalCount":"three"}}`}, cloud.ErrTransient, "parse json", 200},
		{"too many requests", faketencent.Fault{Body: "slow down", HTTPStatus: http.StatusTooManyRequests, RetryAfter: "7"}, cloud.ErrThrottled, "HTTP 429", 429},
		{"cut", faketencent.Fault{Cut: true}, cloud.ErrTransient, "unexpected EOF", 0},
	} {
		f := faketencent.New(faketencent.Options{})
		p := open(t, f)
		f.SetFault(func(string, int) *faketencent.Fault { return &c.fault })
		page, err := p.Snapshots(t.Context(), cloud.Query{Region: region}, "")
		if cloud.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.want) || len(page.Items) != 0 || strings.ContainsAny(err.Error(), "\n") || strings.Count(err.Error(), "may pass") > 1 {
			t.Errorf("%s: got %d items and %v, want %v in one line with %q", c.name, len(page.Items), err, c.class, c.want)
		}
		if ce, ok := errors.AsType[*cloud.Error](err); ok && c.fault.RetryAfter != "" && ce.After != 7*time.Second {
			t.Errorf("%s: After = %v, want 7s", c.name, ce.After)
		}
	}
}

// TestEndpointThatDoesNotAnswer: over the network, with what to do.
func TestEndpointThatDoesNotAnswer(t *testing.T) {
	url := strings.TrimSuffix(closedServer(t), "/")
	p, err := Open(t.Context(), Config{Account: account, Endpoint: url, SecretID: "a", SecretKey: "b"})
	if err != nil {
		t.Fatalf("Open: got %v, want no error", err)
	}
	_, err = p.Regions(t.Context())
	if cloud.ClassOf(err) != cloud.ErrTransient || !strings.Contains(err.Error(), "connection refused; is the endpoint right") {
		t.Errorf("Regions of nobody: got %v, want a transient error in one line with what to do", err)
	}
}

// TestOverTheNetwork: the SDK's own way there and back, without the transport of the tests.
func TestOverTheNetwork(t *testing.T) {
	f := faketencent.New(faketencent.Options{})
	f.AddInstance(region, faketencent.NewInstance{Name: "web"})
	p, err := Open(t.Context(), Config{Account: account, Endpoint: f.Start(t), SecretID: faketencent.SecretID, SecretKey: faketencent.SecretKey})
	if err != nil {
		t.Fatalf("Open: got %v, want no error", err)
	}
	ctx, id := cloud.WatchRequest(t.Context())
	page, err := p.Instances(ctx, cloud.Query{Region: region}, "")
	if err != nil || len(page.Items) != 1 || page.Items[0].Name != "web" || id.Get() == "" {
		t.Errorf("Instances: got %v, %v and request id %q, want the one with an id", page.Items, err, id.Get())
	}
}
