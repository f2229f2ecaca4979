package aws

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
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// Every class is reached from EC2's words, over the wire and through the SDK.
func TestErrorClasses(t *testing.T) {
	for _, c := range []struct {
		code   string
		status int
		want   error
		after  time.Duration
	}{
		{"InvalidSnapshot.NotFound", 400, cloud.ErrNotFound, 0},
		{"InvalidSnapshotID.Malformed", 400, cloud.ErrNotFound, 0},
		{"InvalidAMIID.NotFound", 400, cloud.ErrNotFound, 0},
		{"InvalidInstanceID.NotFound", 400, cloud.ErrNotFound, 0},
		{"InvalidVolume.NotFound", 400, cloud.ErrNotFound, 0},
		{"RequestLimitExceeded", 503, cloud.ErrThrottled, 0},
		{"Throttling", 400, cloud.ErrThrottled, 0},
		{"SlowDown", 503, cloud.ErrThrottled, 0},
		{"SnapshotCreationPerVolumeRateExceeded", 400, cloud.ErrThrottled, 15 * time.Second},
		{"ConcurrentSnapshotLimitExceeded", 400, cloud.ErrBusy, time.Minute},
		{"InternalError", 500, cloud.ErrTransient, 0},
		{"Unavailable", 503, cloud.ErrTransient, 0},
		{"NeverSeenBefore", 500, cloud.ErrTransient, 0},
		{"InvalidSnapshot.InUse", 400, cloud.ErrInUse, 0},
		{"VolumeInUse", 400, cloud.ErrInUse, 0},
		{"DependencyViolation", 400, cloud.ErrInUse, 0},
		{"InvalidAMIName.Duplicate", 400, cloud.ErrConflict, 0},
		{"IncorrectState", 400, cloud.ErrConflict, 0},
		{"IncorrectInstanceState", 400, cloud.ErrConflict, 0},
		{"InvalidAMIID.Unavailable", 400, cloud.ErrConflict, 0},
		{"IdempotentParameterMismatch", 400, cloud.ErrConflict, 0},
		{"SnapshotLimitExceeded", 400, cloud.ErrQuota, 0},
		{"InstanceLimitExceeded", 400, cloud.ErrQuota, 0},
		{"VcpuLimitExceeded", 400, cloud.ErrQuota, 0},
		{"ResourceLimitExceeded", 400, cloud.ErrQuota, 0},
		{"TagLimitExceeded", 400, cloud.ErrQuota, 0},
		{"UnauthorizedOperation", 403, cloud.ErrDenied, 0},
		{"AuthFailure", 401, cloud.ErrDenied, 0},
		{"RequestExpired", 400, cloud.ErrDenied, 0},
		{"SignatureDoesNotMatch", 403, cloud.ErrDenied, 0},
		{"ExpiredToken", 400, cloud.ErrDenied, 0},
		{"OperationNotPermitted", 400, cloud.ErrDenied, 0},
		{"UnsupportedOperation", 400, cloud.ErrUnsupported, 0},
		{"InvalidParameterValue", 400, cloud.ErrUnsupported, 0},
		{"DryRunOperation", 412, cloud.ErrUnsupported, 0},
		{"NeverSeenBefore", 400, nil, 0},
	} {
		f := fakeaws.New(fakeaws.Options{Fault: func(string, int) *fakeaws.Fault {
			return &fakeaws.Fault{Code: c.code, HTTPStatus: c.status, Message: "it says\nso. Encoded authorization failure message: Xk3dj2"}
		}})
		ref := cloud.Ref{Account: account, Region: region, Kind: cloud.KindSnapshot, ID: "snap-1"}
		err := open(t, f).DeleteSnapshot(t.Context(), ref)
		var e *cloud.Error
		if !errors.As(err, &e) {
			t.Fatalf("%s: got %T %v, want a *cloud.Error", c.code, err, err)
		}
		if e.Class != c.want || e.Code != c.code || e.RequestID == "" || e.After != c.after || e.Ref != ref || e.Op != "snapshot.delete" {
			t.Errorf("%s (HTTP %d): got class %v, code %q, request %q, after %v of %s %v; want class %v, after %v",
				c.code, c.status, e.Class, e.Code, e.RequestID, e.After, e.Op, e.Ref, c.want, c.after)
		}
		if text := err.Error(); strings.ContainsAny(text, "\n") || strings.Contains(text, "Xk3dj2") || !strings.Contains(text, "it says so") {
			t.Errorf("%s: text is %q, want one line that ends where the encoded part begins", c.code, text)
		}
	}
}

// TestRequestIsNoted: each good answer and each refusal has an id of its own; a lost answer has none, and the earlier one is
// not taken for it.
func TestRequestIsNoted(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{})
	p := open(t, f)
	ref := cloud.Ref{Account: account, Region: region, Kind: cloud.KindImage, ID: unknown(cloud.KindImage, 1)}
	ctx, id := cloud.WatchRequest(t.Context())
	seen := map[string]bool{"": true}
	for range 3 {
		err := p.DeleteImage(ctx, ref)
		if e, ok := errors.AsType[*cloud.Error](err); !ok || seen[id.Get()] || e.RequestID != id.Get() {
			t.Errorf("DeleteImage: got request id %q and %#v, want a new one, the error's", id.Get(), err)
		}
		seen[id.Get()] = true
		if _, err := p.Regions(ctx); err != nil || seen[id.Get()] {
			t.Errorf("Regions: got request id %q (and earlier %v) and %v, want a new one", id.Get(), seen, err)
		}
		seen[id.Get()] = true
	}
	f.SetFault(once("DeregisterImage", &fakeaws.Fault{Cut: true}))
	if err := p.DeleteImage(ctx, ref); !errors.Is(err, cloud.ErrTransient) || id.Get() != "" {
		t.Errorf("DeleteImage whose answer is lost: got request id %q and %v, want none and ErrTransient", id.Get(), err)
	}
}

// Deregistered before is gone: the delete is done. (To launch from it, it is not as the plan saw it.)
func TestUnavailableImageIsGoneForItsDelete(t *testing.T) {
	p := &Provider{codes: codes()}
	if got := p.meaningOf("image.delete", "InvalidAMIID.Unavailable").class; got != cloud.ErrNotFound {
		t.Errorf("image.delete, InvalidAMIID.Unavailable: got %v, want ErrNotFound", got)
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	f := fakeaws.New(fakeaws.Options{Fault: func(string, int) *fakeaws.Fault {
		return &fakeaws.Fault{Code: "RequestLimitExceeded", HTTPStatus: 503, RetryAfter: "7"}
	}})
	_, err := open(t, f).Regions(t.Context())
	var e *cloud.Error
	if !errors.As(err, &e) || e.After != 7*time.Second {
		t.Errorf("Regions, throttled with Retry-After 7: got %v, want After 7s", err)
	}
}

// What comes from in between, or does not come, tells nothing about the write.
func TestBrokenTransport(t *testing.T) {
	page := func(status int, body string) transport {
		return func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"text/html"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		}
	}
	broken := func(err error) transport {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	for name, c := range map[string]struct {
		rt   transport
		want error
	}{
		"proxy's 502":        {page(502, "<html><body><h1>502 Bad Gateway</h1></body></html>"), cloud.ErrTransient},
		"proxy's 503, empty": {page(503, ""), cloud.ErrTransient},
		"proxy's 429":        {page(429, "slow down"), cloud.ErrThrottled},
		"reset":              {broken(&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}), cloud.ErrTransient},
		"refused":            {broken(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), cloud.ErrTransient},
		"no such host":       {broken(&net.DNSError{Err: "no such host", Name: "ec2.example.com"}), cloud.ErrTransient},
		"end of file":        {broken(io.EOF), cloud.ErrTransient},
		"client's timeout":   {broken(fmt.Errorf("awaiting headers: %w", context.DeadlineExceeded)), cloud.ErrTransient},
	} {
		_, err := openOver(t, c.rt).CreateSnapshot(t.Context(), cloud.NewSnapshot{Region: region, Disk: "vol-1"})
		var e *cloud.Error
		if !errors.As(err, &e) || e.Class != c.want || strings.Contains(err.Error(), "\n") {
			t.Errorf("CreateSnapshot, %s: got %v, want one line of %v", name, err, c.want)
		}
	}
}

// Trouble with signing in is said in one line with what to do, and without a secret.
func TestSignInTrouble(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		t.Setenv(name, "")
	}
	nowhere := t.TempDir() + "/none"
	t.Setenv("AWS_CONFIG_FILE", nowhere)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
	late := func() time.Time { return time.Now().Add(10 * time.Minute) }
	early := func() time.Time { return time.Now().Add(-10 * time.Minute) }
	for name, c := range map[string]struct {
		key, secret string
		o           fakeaws.Options
		code, says  string
	}{
		"no credentials": {"", "", fakeaws.Options{}, "", "AWS_ACCESS_KEY_ID"},
		"unknown key":    {"AKIDUNKNOWN", "hush-hush", fakeaws.Options{}, "AuthFailure", "access key"},
		"wrong secret":   {fakeaws.AccessKey, "hush-hush", fakeaws.Options{}, "AuthFailure", "access key"},
		"clock behind":   {fakeaws.AccessKey, fakeaws.SecretKey, fakeaws.Options{Now: late}, "RequestExpired", "clock"},
		"clock ahead":    {fakeaws.AccessKey, fakeaws.SecretKey, fakeaws.Options{Now: early}, "AuthFailure", "access key"},
	} {
		f := fakeaws.New(c.o)
		p, err := Open(t.Context(), Config{
			Account: account, Endpoint: "http://ec2.example.com", AccessKey: c.key, SecretKey: c.secret, DefaultRegion: region,
			HTTPClient: &http.Client{Transport: f.RoundTripper()},
		})
		if err != nil {
			t.Fatalf("%s: Open: got %v, want no error", name, err)
		}
		_, err = p.Snapshots(t.Context(), cloud.Query{Region: region}, "")
		var e *cloud.Error
		if !errors.As(err, &e) || e.Class != cloud.ErrDenied || e.Code != c.code {
			t.Errorf("%s: got %v, want ErrDenied with code %q", name, err, c.code)
			continue
		}
		text := err.Error()
		if strings.Contains(text, "\n") || !strings.Contains(text, c.says) || strings.Contains(text, "hush") || strings.Contains(text, fakeaws.SecretKey) {
			t.Errorf("%s: text is %q, want one line that speaks of %q and holds no secret", name, text, c.says)
		}
	}
}

func TestConfigPrintsNoSecret(t *testing.T) {
	c := Config{Account: account, AccessKey: "AKIDX", SecretKey: "hush-hush", SessionToken: "hush-token"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, c); strings.Contains(got, "hush") {
			t.Errorf("Sprintf(%s, config) = %s, want no secret", verb, got)
		}
	}
}
