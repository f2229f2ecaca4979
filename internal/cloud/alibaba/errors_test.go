package alibaba

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/alibaba/fakealibaba"
)

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

// Every class is reached from ECS's words, over the wire and through the SDK.
func TestErrorClasses(t *testing.T) {
	for _, c := range []struct {
		code   string
		status int
		want   error
		says   string
	}{
		{"InvalidImageId.NotFound", 404, cloud.ErrNotFound, ""},
		{"InvalidSnapshotId.NotFound", 404, cloud.ErrNotFound, ""},
		{"InvalidInstanceId.NotFound", 404, cloud.ErrNotFound, ""},
		{"InvalidDiskId.NotFound", 404, cloud.ErrNotFound, ""},
		{"InvalidResourceId.NotFound", 404, cloud.ErrNotFound, ""},
		{"Throttling", 400, cloud.ErrThrottled, ""},
		{"Throttling.User", 400, cloud.ErrThrottled, ""},
		{"Throttling.Api", 400, cloud.ErrThrottled, ""},
		{"Throttling.ConcurrentLimitExceeded", 400, cloud.ErrThrottled, ""},
		{"Throttling.NeverSeen", 400, cloud.ErrThrottled, ""},
		{"Rejected.Throttling", 400, cloud.ErrThrottled, ""},
		{"TooManySnapshot.Unfinished", 403, cloud.ErrBusy, ""},
		{"IncorrectDiskStatus.CreatingSnapshot", 403, cloud.ErrBusy, ""},
		{"Operation.Conflict", 403, cloud.ErrBusy, ""},
		{"OperationConflict", 403, cloud.ErrBusy, ""},
		{"LastTokenProcessing", 403, cloud.ErrBusy, ""},
		{"ServiceUnavailable", 503, cloud.ErrTransient, ""},
		{"InternalError", 500, cloud.ErrTransient, ""},
		{"OperationDenied.NoStock", 403, cloud.ErrTransient, ""},
		{"NeverSeenBefore", 500, cloud.ErrTransient, ""},
		{"SnapshotCreatedImage", 403, cloud.ErrInUse, ""},
		{"SnapshotCreatedDisk", 403, cloud.ErrInUse, "once the disk"},
		{"ImageUsingByInstance", 403, cloud.ErrInUse, "instance"},
		{"ImageUseShared", 403, cloud.ErrInUse, "shared"},
		{"OperationDenied.ImageCopying", 403, cloud.ErrConflict, ""},
		{"InvalidParameter.KMSKeyId.CMKNotEnabled", 403, cloud.ErrDenied, "key"},
		{"InvalidImageName.Duplicated", 400, cloud.ErrConflict, ""},
		{"IncorrectInstanceStatus", 403, cloud.ErrConflict, ""},
		{"IncorrectDiskStatus.NeverAttached", 403, cloud.ErrConflict, ""},
		{"IdempotentParameterMismatch", 400, cloud.ErrConflict, ""},
		{"IdempotenceParamNotMatch", 400, cloud.ErrConflict, ""},
		{"InvalidParamter.Conflict", 403, cloud.ErrConflict, ""},
		{"QuotaExceed.Image", 400, cloud.ErrQuota, ""},
		{"QuotaExceed.Snapshot", 403, cloud.ErrQuota, ""},
		{"QuotaExceed.Tags", 400, cloud.ErrQuota, ""},
		{"QuotaExceed.SomethingNew", 400, cloud.ErrQuota, ""},
		{"Forbidden.RAM", 403, cloud.ErrDenied, "stint permissions"},
		{"NoPermission", 403, cloud.ErrDenied, "stint permissions"},
		{"InvalidAccessKeyId.NotFound", 404, cloud.ErrDenied, "access key"},
		{"InvalidAccessKeyId.Inactive", 400, cloud.ErrDenied, "active"},
		{"SignatureDoesNotMatch", 400, cloud.ErrDenied, "secret key"},
		{"InvalidTimeStamp.Expired", 400, cloud.ErrDenied, "clock"},
		{"InvalidSecurityToken.Expired", 400, cloud.ErrDenied, "renew"},
		{"InvalidRegionId.NotFound", 404, cloud.ErrDenied, "regions:"},
		{"InvalidAccountStatus.NotEnoughBalance", 400, cloud.ErrDenied, "bill"},
		{"InvalidOperation.DeletionProtection", 403, cloud.ErrDenied, ""},
		{"InvalidOperation.ResourceManagedByCloudProduct", 403, cloud.ErrDenied, ""},
		{"UnsupportedParameter", 400, cloud.ErrUnsupported, ""},
		{"MissingParameter", 400, cloud.ErrUnsupported, ""},
		{"MissingParameter.TagKey", 400, cloud.ErrUnsupported, ""},
		{"InvalidApi.NotFound", 404, cloud.ErrUnsupported, ""},
		{"DryRunOperation", 400, cloud.ErrUnsupported, ""},
		{"NeverSeenBefore", 404, nil, ""},
		{"NeverSeenBefore", 400, nil, ""},
	} {
		f := fakealibaba.New(fakealibaba.Options{Fault: func(string, int) *fakealibaba.Fault {
			return &fakealibaba.Fault{Code: c.code, HTTPStatus: c.status, Message: "it says\nso."}
		}})
		ref := cloud.Ref{Account: account, Region: region, Kind: cloud.KindImage, ID: "m-1"}
		err := open(t, f).DeleteImage(t.Context(), ref)
		e, ok := errors.AsType[*cloud.Error](err)
		if !ok {
			t.Fatalf("%s: got %T %v, want a *cloud.Error", c.code, err, err)
		}
		if e.Class != c.want || e.Code != c.code || e.RequestID == "" || e.Ref != ref || e.Op != "image.delete" {
			t.Errorf("%s (HTTP %d): got class %v, code %q, request %q of %s %v; want class %v", c.code, c.status, e.Class, e.Code, e.RequestID, e.Op, e.Ref, c.want)
		}
		if minute := strings.HasPrefix(c.code, "Throttling") || c.want == cloud.ErrBusy; minute && (e.After <= 0 || e.After > time.Minute+time.Second) {
			t.Errorf("%s: stay away for %v, want a while, a minute at most", c.code, e.After)
		}
		if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, "it says so") || !strings.Contains(text, c.says) || strings.Contains(text, fakealibaba.SecretKey) {
			t.Errorf("%s: text is %q, want one line with what was said and %q", c.code, text, c.says)
		}
		if n := f.Calls(); n != 1 {
			t.Errorf("%s: %d requests were made, want one: the caller retries", c.code, n)
		}
	}
}

// TestThrottledUntilTheNextMinute: a quota of calls in a minute is over when the minute is.
func TestThrottledUntilTheNextMinute(t *testing.T) {
	for at, want := range map[string]time.Duration{"10:00:00": 61 * time.Second, "10:00:30": 31 * time.Second, "10:00:59": 2 * time.Second} {
		now, _ := time.Parse(time.DateTime, "2026-11-20 "+at)
		if got := untilNextMinute(now); got != want {
			t.Errorf("untilNextMinute(%s) = %v, want %v", at, got, want)
		}
	}
	f := fakealibaba.New(fakealibaba.Options{Fault: func(string, int) *fakealibaba.Fault {
		return &fakealibaba.Fault{Code: "Throttling.User", RetryAfter: "1500"}
	}})
	_, err := open(t, f).Regions(t.Context())
	if e, ok := errors.AsType[*cloud.Error](err); !ok || e.After != 1500*time.Millisecond {
		t.Errorf("throttled with x-acs-retry-after 1500: got %v, want After 1.5s", err)
	}
}

// TestNotFoundOfListings: a listing is of no one thing that could be missing.
func TestNotFoundOfListings(t *testing.T) {
	f := fakealibaba.New(fakealibaba.Options{Fault: func(string, int) *fakealibaba.Fault {
		return &fakealibaba.Fault{Code: "InvalidSnapshotId.NotFound", HTTPStatus: 404}
	}})
	if _, err := open(t, f).Snapshots(t.Context(), cloud.Query{Region: region}, ""); err == nil || cloud.ClassOf(err) != nil {
		t.Errorf("a listing that is answered NotFound: got %v, want an error without a class", err)
	}
}

// What comes from in between, or does not come, tells nothing about the write.
func TestBrokenTransport(t *testing.T) {
	page := func(status int, body string) transport {
		return func(r *http.Request) (*http.Response, error) { return respond(r, status, body), nil }
	}
	broken := func(err error) transport {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	for name, c := range map[string]struct {
		rt   transport
		want error
		says string
	}{
		"proxy's 404":            {page(404, "<html><body>404 not found</body></html>"), cloud.ErrTransient, "proxy"},
		"proxy's 200":            {page(200, "<html><body>sign in to the network</body></html>"), cloud.ErrTransient, "proxy"},
		"proxy's 502":            {page(502, "<html><body><h1>502\nBad Gateway</h1></body></html>"), cloud.ErrTransient, "502"},
		"proxy's 503, empty":     {page(503, ""), cloud.ErrTransient, "503"},
		"proxy's 429":            {page(429, "slow down"), cloud.ErrThrottled, "429"},
		"gateway's own JSON":     {page(404, `{"message":"no Route matched"}`), cloud.ErrTransient, "proxy"},
		"another's redirect":     {page(302, ""), cloud.ErrTransient, "302"},
		"JSON of another form":   {page(400, `["no"]`), cloud.ErrTransient, "400"},
		"a code that is no text": {page(400, `{"Code":{"a":1},"RequestId":"R"}`), cloud.ErrTransient, "400"},
		"reset":                  {broken(&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}), cloud.ErrTransient, "reset"},
		"refused":                {broken(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), cloud.ErrTransient, "does not answer"},
		"no such host":           {broken(&net.DNSError{Err: "no such host", Name: "ecs.example.com"}), cloud.ErrTransient, "does not answer"},
		"end of file":            {broken(io.EOF), cloud.ErrTransient, "EOF"},
		"our own time-out":       {broken(fmt.Errorf("awaiting headers: %w", context.DeadlineExceeded)), cloud.ErrTransient, "no answer within"},
	} {
		p := openWith(t, Config{AccessKey: "LTAIX", SecretKey: "hush"}, c.rt)
		_, err := p.CreateImage(t.Context(), cloud.NewImage{Region: region, Instance: "i-1", Name: "n"})
		e, ok := errors.AsType[*cloud.Error](err)
		if !ok || e.Class != c.want || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hush") {
			t.Errorf("CreateImage, %s: got %v, want one line of %v with %q", name, err, c.want, c.says)
		}
	}
}

// TestWrongRegions: a region that cannot be one is not asked for, and one that has no address is told as such.
func TestWrongRegions(t *testing.T) {
	hosts := map[string]bool{}
	p, err := Open(t.Context(), Config{Account: account, AccessKey: "a", SecretKey: "b", HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		hosts[r.URL.Scheme+"://"+r.URL.Host] = true
		return nil, &net.DNSError{Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true}
	})}})
	if err != nil {
		t.Fatal(err)
	}
	for where, says := range map[string]string{
		"cn-hangzhou": `is "cn-hangzhou" a region`, "us-east-1": "ecs.us-east-1.aliyuncs.com has no address", "cn-shenzhen-finance-1": "region",
		"evil.example.com/": "no region", "": "no region", "Cn-Beijing": "no region",
	} {
		if _, err := p.Disks(t.Context(), cloud.Query{Region: where}, ""); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Disks in %q: got %v, want an error with %q", where, err, says)
		}
	}
	for _, want := range []string{"https://ecs-cn-hangzhou.aliyuncs.com", "https://ecs.us-east-1.aliyuncs.com", "https://ecs.aliyuncs.com"} {
		if !hosts[want] {
			t.Errorf("asked %v, want %s among them", hosts, want)
		}
	}
	if len(hosts) != 3 {
		t.Errorf("asked %v, want three", hosts)
	}
	for _, bad := range []string{"ecs.example.com", "ftp://ecs.example.com", "http://user:pw@ecs.example.com", "http://ecs.example.com/v2", "http://"} {
		if _, err := Open(t.Context(), Config{Account: account, Endpoint: bad}); err == nil {
			t.Errorf("Open with the endpoint %q: got no error, want one", bad)
		}
	}
}

// TestRequestIsNoted: each good answer and each refusal has an id of its own; a lost answer has none.
func TestRequestIsNoted(t *testing.T) {
	f := fakealibaba.New(fakealibaba.Options{})
	p := open(t, f)
	ctx, id := cloud.WatchRequest(t.Context())
	ref := cloud.Ref{Account: account, Region: region, Kind: cloud.KindImage, ID: unknown(cloud.KindImage, 1)}
	err := p.DeleteImage(ctx, ref)
	if e, ok := errors.AsType[*cloud.Error](err); !ok || id.Get() == "" || e.RequestID != id.Get() {
		t.Errorf("DeleteImage: got request id %q and %#v, want the error's", id.Get(), err)
	}
	f.SetFault(once(&fakealibaba.Fault{Cut: true}, "DeleteImage"))
	if err := p.DeleteImage(ctx, ref); !errors.Is(err, cloud.ErrTransient) || id.Get() != "" {
		t.Errorf("DeleteImage whose answer is lost: got request id %q and %v, want none and ErrTransient", id.Get(), err)
	}
	instance := f.AddInstance(region, fakealibaba.NewInstance{})
	disk := f.Disks(region)[0].ID
	if _, err := p.CreateSnapshot(ctx, cloud.NewSnapshot{Region: region, Disk: disk, Token: "t"}); err != nil || id.Get() == "" {
		t.Errorf("CreateSnapshot of %s: got request id %q and %v, want that of the creation", instance, id.Get(), err)
	}
}

func TestConfigPrintsNoSecret(t *testing.T) {
	c := Config{Account: account, AccessKey: "LTAIX", SecretKey: "hush-hush", SecurityToken: "hush-token"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, c); strings.Contains(got, "hush") {
			t.Errorf("Sprintf(%s, config) = %s, want no secret", verb, got)
		}
	}
}
