package openstack

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// What each service says, and what it means: see cloud-apis, and the words are those of the services.
func TestErrorClasses(t *testing.T) {
	for _, c := range []struct {
		service string
		status  int
		message string
		after   time.Duration
		want    error
	}{
		{"nova", 404, "Instance x could not be found.", 0, cloud.ErrNotFound},
		{"nova", 403, "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances", 0, cloud.ErrQuota},
		{"nova", 403, "Maximum number of metadata items exceeds 128", 0, cloud.ErrQuota},
		{"nova", 403, "VolumeSnapshotLimit", 0, cloud.ErrQuota},
		{"nova", 403, "Policy doesn't allow os_compute_api:servers:create_image to be performed.", 0, cloud.ErrDenied},
		{"nova", 409, "Cannot 'createImage' instance x while it is in task_state image_uploading", 0, cloud.ErrInUse},
		{"nova", 409, "Cannot 'createImage' instance x while it is in vm_state error", 0, cloud.ErrConflict},
		{"nova", 409, "Instance x is locked", 0, cloud.ErrConflict},
		{"nova", 400, "Can not find requested image", 0, cloud.ErrNotFound},
		{"nova", 400, "Flavor nope could not be found.", 0, cloud.ErrNotFound},
		{"nova", 400, "Invalid input for field/attribute metadata.", 0, nil},
		{"nova", 500, "Unexpected API Error. <class 'glanceclient.exc.HTTPOverLimit'>", 0, cloud.ErrQuota},
		{"nova", 500, "Unexpected API Error.", 0, cloud.ErrTransient},
		{"nova", 413, "Too many requests", 5 * time.Second, cloud.ErrThrottled},
		{"nova", 406, "Version 2.200 is not supported by the API.", 0, cloud.ErrUnsupported},
		{"cinder", 413, "SnapshotLimitExceeded: Maximum number of snapshots allowed (10) exceeded", 0, cloud.ErrQuota},
		{"cinder", 400, "Invalid snapshot: Snapshot status must be available or error and must not be part of a group.", 0, cloud.ErrConflict},
		{"cinder", 400, "Invalid volume: Volume x status must be available, but current status is: in-use.", 0, cloud.ErrConflict},
		{"cinder", 400, "Snapshot has dependent volumes.", 0, cloud.ErrInUse},
		{"cinder", 400, "Invalid input received", 0, nil},
		{"glance", 403, "Image x is protected and cannot be deleted.", 0, cloud.ErrConflict},
		{"glance", 403, "You are not permitted to delete this image.", 0, cloud.ErrDenied},
		{"glance", 409, "Image x could not be deleted because it is in use: ceph", 0, cloud.ErrInUse},
		{"glance", 410, "Gone", 0, cloud.ErrNotFound},
		{"glance", 413, "The limit has been exceeded on the number of allowed image properties.", 0, cloud.ErrQuota},
		{"glance", 429, "", time.Second, cloud.ErrThrottled},
		{"glance", 418, "I'm a teapot", 0, nil},
		{"", 401, "", 0, cloud.ErrDenied},
		{"", 501, "", 0, cloud.ErrUnsupported},
		{"", 502, "", 0, cloud.ErrTransient},
		{"", 503, "", 0, cloud.ErrTransient},
		{"", 504, "", 0, cloud.ErrTransient},
	} {
		if got := classOf(c.service, c.status, c.message, c.after); got != c.want {
			t.Errorf("classOf(%s, %d, %q, %v): got %v, want %v", c.service, c.status, c.message, c.after, got, c.want)
		}
	}
}

func TestErrorsCarryWhatTheServiceSaid(t *testing.T) {
	ref := cloud.Ref{Account: "lab", Region: "north", Kind: cloud.KindImage, ID: "i1"}
	for _, c := range []struct {
		what   string
		answer http.HandlerFunc
		class  error
		code   string
		after  time.Duration
		text   string // the whole of it
	}{
		{
			"HTML of glance", says(403, map[string]string{"Content-Type": "text/html"}, "<html>\n <head>\n  <title>403 Forbidden</title>\n </head>\n <body>\n  <h1>403 Forbidden</h1>\n  Image i1 is protected and cannot be deleted.<br /><br />\n\n </body>\n</html>"),
			cloud.ErrConflict, "403", 0, "Image i1 is protected and cannot be deleted.",
		},
		{"JSON", says(409, nil, `{"conflict": {"code": 409, "message": "it is in use"}}`), cloud.ErrInUse, "409 conflict", 0, "it is in use"},
		{"a throttle", says(429, map[string]string{"Retry-After": "7"}, ""), cloud.ErrThrottled, "429", 7 * time.Second, "Too Many Requests"},
		{
			"a proxy that is down", says(503, map[string]string{"Retry-After": "3"}, "<html><body><h1>503 Service Unavailable</h1>\nNo server is available.\n</body></html>"),
			cloud.ErrTransient, "503", 3 * time.Second, "No server is available.",
		},
		{"a long story", says(400, nil, strings.Repeat("<p>blah", 1000)), nil, "400", 0, strings.Repeat("blah ", 48)[:239] + "…"},
		{"an echo of secrets", says(400, nil, `{"badRequest": {"message": "what is token-1 with correct-horse-battery?"}}`), nil, "400 badRequest", 0, "what is *** with ***?"},
	} {
		s := newStub(t, map[string]http.HandlerFunc{"DELETE " + imagesPath + "/i1": c.answer})
		err := s.open(t, nil).DeleteImage(t.Context(), ref)
		var e *cloud.Error
		if !errors.As(err, &e) {
			t.Fatalf("%s: got %T %v, want *cloud.Error", c.what, err, err)
		}
		if e.Op != "image.delete" || e.Ref != ref || e.Class != c.class || e.Code != c.code || e.After != c.after || e.RequestID != "req-stub" || e.Err.Error() != c.text {
			t.Errorf("%s: got class %v, code %q, after %v, request %q, text %q; want %v, %q, %v, req-stub, %q",
				c.what, e.Class, e.Code, e.After, e.RequestID, e.Err, c.class, c.code, c.after, c.text)
		}
		if n := len(s.requests()); n != 1 {
			t.Errorf("%s: got %d attempts, want one", c.what, n)
		}
	}
}

// A 404 that the service did not write must not pass for "deleted already".
func TestNotFoundIsBelievedOfTheServiceAlone(t *testing.T) {
	page := "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1>nginx</body></html>"
	own := map[string]string{"X-Openstack-Request-Id": ""}
	for _, c := range []struct {
		what   string
		kind   cloud.Kind
		path   string
		answer http.HandlerFunc
		want   error
	}{
		{"cinder's own", cloud.KindSnapshot, snapshotsPath, says(404, nil, `{"itemNotFound": {"code": 404, "message": "Snapshot x could not be found."}}`), cloud.ErrNotFound},
		{"a proxy's before cinder", cloud.KindSnapshot, snapshotsPath, says(404, nil, page), nil},
		{"glance's own", cloud.KindImage, imagesPath, says(404, nil, page), cloud.ErrNotFound},
		{"a proxy's before glance", cloud.KindImage, imagesPath, says(404, own, page), nil},
	} {
		s := newStub(t, map[string]http.HandlerFunc{"DELETE " + c.path + "/x": c.answer})
		p := s.open(t, nil)
		ref := cloud.Ref{Account: "lab", Region: "north", Kind: c.kind, ID: "x"}
		del := p.DeleteImage
		if c.kind == cloud.KindSnapshot {
			del = p.DeleteSnapshot
		}
		if err := del(t.Context(), ref); err == nil || cloud.ClassOf(err) != c.want {
			t.Errorf("%s: got %v, want class %v", c.what, err, c.want)
		}
	}
	s := newStub(t, map[string]http.HandlerFunc{"GET " + imagesPath: says(404, nil, page)})
	if _, err := s.open(t, nil).Images(t.Context(), north, ""); err == nil || cloud.ClassOf(err) != nil {
		t.Errorf("a listing that is 404: got %v, want an error without class: nothing that could be missing was asked for", err)
	}
}

// Answers that cannot be read may have had their effect.
func TestUnreadableAnswersAreTransient(t *testing.T) {
	for what, answer := range map[string]http.HandlerFunc{
		"HTML with 200": says(200, nil, "<html>please log in</html>"),
		"nothing":       says(200, nil, ""),
		"half of it":    says(200, nil, `{"servers": [{"id": "a"`),
		"a cut line": func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		},
	} {
		s := newStub(t, map[string]http.HandlerFunc{"GET " + serversPath + "/detail": answer})
		p := s.open(t, func(c *Config) { c.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} })
		page, err := p.Instances(t.Context(), north, "")
		if !errors.Is(err, cloud.ErrTransient) || len(page.Items) != 0 {
			t.Errorf("%s: got %v and %v, want ErrTransient and no items", what, page.Items, err)
		}
		if n := len(s.requests()); n != 1 {
			t.Errorf("%s: got %d attempts, want one", what, n)
		}
	}
}

// The time-out of the client is not the caller's context: it is classed, and does not look like a cancellation.
func TestTimeoutIsTransient(t *testing.T) {
	release := make(chan struct{})
	s := newStub(t, map[string]http.HandlerFunc{"GET " + serversPath + "/detail": func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}})
	t.Cleanup(func() { close(release) })
	p := s.open(t, func(c *Config) { c.HTTPClient = &http.Client{Timeout: 200 * time.Millisecond} })
	_, err := p.Instances(t.Context(), north, "")
	if !errors.Is(err, cloud.ErrTransient) || cloud.ClassName(err) != "transient" {
		t.Errorf("Instances that hangs: got %v, want ErrTransient", err)
	}
}

func TestTheClientHasTimeouts(t *testing.T) {
	s := newStub(t, nil)
	p := s.open(t, nil)
	tr := p.http.Transport.(*http.Transport)
	if p.http.Timeout == 0 || tr.TLSHandshakeTimeout == 0 || tr.DialContext == nil {
		t.Errorf("HTTP client: got %+v with %+v, want time-outs", p.http, tr)
	}
}
