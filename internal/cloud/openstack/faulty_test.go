package openstack

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

// faulty stands between a client and the services, and fails one request on demand: before it takes effect or after.
type faulty struct {
	next http.RoundTripper

	mu    sync.Mutex
	count int
	armed bool
	class error
	after bool
}

// provoke makes the next request end in the class; with after the next one that changes something, once it has.
func (f *faulty) provoke(_ *testing.T, _ string, class error, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed, f.class, f.after = true, class, after
}

func (f *faulty) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// RoundTrip sends the request on, or not.
func (f *faulty) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.count++
	hit := f.armed && !strings.Contains(req.URL.Path, "/auth/tokens") && !isVersion(req.URL.Path) && (!f.after || req.Method != http.MethodGet)
	class, after := f.class, f.after
	if hit {
		f.armed = false
	}
	f.mu.Unlock()
	switch {
	case hit && after:
		resp, err := f.next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return nil, io.ErrUnexpectedEOF
	case hit:
		if req.Body != nil {
			_ = req.Body.Close()
		}
		status, header, body := answerOf(class, req)
		return answer(req, status, header, body), nil
	}
	return f.next.RoundTrip(req)
}

// CloseIdleConnections passes on.
func (f *faulty) CloseIdleConnections() {
	if c, ok := f.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func isVersion(path string) bool {
	return strings.HasSuffix(path, "/v2.1/") || strings.HasSuffix(path, "/v3/")
}

func answer(req *http.Request, status int, header map[string]string, body string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}, "X-Openstack-Request-Id": {"req-provoked"}}
	for k, v := range header {
		h.Set(k, v)
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)), Request: req,
	}
}

// answerOf is how the service that the request goes to says the class.
func answerOf(class error, req *http.Request) (int, map[string]string, string) {
	service := "nova"
	switch {
	case strings.Contains(req.URL.Path, "/v3/"):
		service = "cinder"
	case strings.Contains(req.URL.Path, "/v2/images"):
		service = "glance"
	}
	say := func(name string, status int, message string) (int, map[string]string, string) {
		if service == "glance" {
			return status, map[string]string{"Content-Type": "text/html"}, "<html><head><title>x</title></head><body><h1>x</h1>" + message + "<br /></body></html>"
		}
		return status, nil, fmt.Sprintf(`{%q: {"code": %d, "message": %q}}`, name, status, message)
	}
	switch class {
	case cloud.ErrNotFound:
		return say("itemNotFound", 404, "it could not be found.")
	case cloud.ErrThrottled:
		return 429, map[string]string{"Retry-After": "7"}, `{"overLimit": {"code": 429, "message": "This request was rate-limited."}}`
	case cloud.ErrDenied:
		return say("forbidden", 403, "Policy doesn't allow it to be performed.")
	case cloud.ErrInUse:
		switch service {
		case "cinder":
			return say("badRequest", 400, "Snapshot cannot be deleted while dependent volumes exist.")
		case "glance":
			return say("", 409, "Image could not be deleted because it is in use.")
		}
		return say("conflictingRequest", 409, "Cannot 'createImage' instance while it is in task_state image_uploading")
	case cloud.ErrConflict:
		if service == "cinder" {
			return say("badRequest", 400, "Invalid snapshot: Snapshot status must be available or error.")
		}
		return say("conflictingRequest", 409, "Cannot do it while it is in vm_state error")
	case cloud.ErrQuota:
		if service == "nova" {
			return say("forbidden", 403, "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances")
		}
		status, _, body := say("overLimit", 413, "SnapshotLimitExceeded: Maximum number of snapshots allowed (10) exceeded")
		return status, map[string]string{"Retry-After": "0"}, body
	}
	return 503, nil, `<html><body><h1>503 Service Unavailable</h1>No server is available to handle this request.</body></html>`
}
