package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/notice"
	"github.com/stint-cloud/stint/internal/notice/webhook"
)

var digest = notice.Digest{
	ID: "0123abcd", At: time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC),
	Failing: []notice.Item{{Key: "k", Policy: "nightly", Title: "snapshot.create is denied", Opened: time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)}},
}

// serve starts a server, and gives its address and a channel to it whose address has path, user, password and query.
func serve(t *testing.T, h http.HandlerFunc, c webhook.Config) *webhook.Channel {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c.Name = "hook"
	c.URL = strings.Replace(server.URL, "http://", "http://ann:s3same@", 1) + "/services/T0P/x9y8?token=qu3ry"
	ch, err := webhook.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestRequest(t *testing.T) {
	const key = "signing-key"
	var got *http.Request
	var body []byte
	ch := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	}, webhook.Config{Secret: notice.NewSecret(key)})
	before := time.Now()
	if err := ch.Send(t.Context(), digest); err != nil {
		t.Fatalf("Send: %v", err)
	}
	user, password, _ := got.BasicAuth()
	if got.Method != "POST" || got.URL.RequestURI() != "/services/T0P/x9y8?token=qu3ry" || user != "ann" || password != "s3same" {
		t.Errorf("request %s %s by %s, want a POST to the address by ann", got.Method, got.URL, user)
	}
	if got.Header.Get("Content-Type") != "application/json" || got.Header.Get("X-Stint-Id") != digest.ID {
		t.Errorf("headers %v, want JSON and the digest's id", got.Header)
	}
	var m notice.Message
	if err := json.Unmarshal(body, &m); err != nil || m.Schema != notice.Schema || len(m.Failing) != 1 || m.Failing[0].Key != "k" {
		t.Errorf("body %s (%v), want the digest", body, err)
	}
	stamp := got.Header.Get("X-Stint-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if at := time.Unix(seconds, 0); err != nil || at.Before(before.Add(-2*time.Second)) || at.After(time.Now().Add(2*time.Second)) {
		t.Errorf("timestamp %q, want the time of sending", stamp)
	}
	mac := hmac.New(sha256.New, []byte(key))
	io.WriteString(mac, stamp+"."+string(body))
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); got.Header.Get("X-Stint-Signature") != want {
		t.Errorf("signature %q, want %q", got.Header.Get("X-Stint-Signature"), want)
	}
}

func TestUnsigned(t *testing.T) {
	ch := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if v, ok := r.Header["X-Stint-Signature"]; ok {
			t.Errorf("without a secret the request is signed: %s", v)
		}
	}, webhook.Config{})
	if err := ch.Send(t.Context(), digest); err != nil {
		t.Errorf("Send: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		want   string // in the error; empty for none
	}{
		{200, ""},
		{201, ""},
		{204, ""},
		{301, "redirects are not followed"},
		{307, "redirects are not followed"},
		{400, "check that url takes a POST"},
		{401, "check the secret"},
		{404, "check the path"},
		{429, "tried again"},
		{500, "tried again"},
		{503, "tried again"},
	} {
		calls := 0
		ch := serve(t, func(w http.ResponseWriter, r *http.Request) {
			calls++
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			if c.status != 204 {
				// A server that repeats everything it was sent.
				io.WriteString(w, "no:\n"+r.URL.RequestURI()+" ann:s3same "+r.Header.Get("Authorization")+" signing-key "+strings.Repeat("long ", 500))
			}
		}, webhook.Config{Secret: notice.NewSecret("signing-key")})
		err := ch.Send(t.Context(), digest)
		if calls != 1 {
			t.Errorf("answer %d: %d requests, want 1", c.status, calls)
		}
		if c.want == "" {
			if err != nil {
				t.Errorf("answer %d: %v, want delivered", c.status, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), strconv.Itoa(c.status)) {
			t.Errorf("answer %d: %v, want the status and %q", c.status, err, c.want)
			continue
		}
		clean(t, err)
	}
}

// clean checks that an error is one line of bearable length without anything secret.
func clean(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{"s3same", "qu3ry", "x9y8", "T0P", "signing-key", "\n"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds %q: %v", secret, err)
		}
	}
	if len(err.Error()) > 600 {
		t.Errorf("the error has %d bytes: %v", len(err.Error()), err)
	}
}

func TestNoAnswer(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done() // until the client hangs up
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	}

	err := serve(t, hang, webhook.Config{Timeout: 30 * time.Millisecond}).Send(t.Context(), digest)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("Send to a server that hangs: %v, want no answer in time", err)
	} else {
		clean(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := serve(t, hang, webhook.Config{}).Send(ctx, digest); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Send with a deadline to a server that hangs: %v, want context.DeadlineExceeded", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if err := serve(t, hang, webhook.Config{}).Send(ctx, digest); !errors.Is(err, context.Canceled) {
		t.Errorf("Send with a cancelled context: %v, want context.Canceled", err)
	}
	err = serve(t, cut, webhook.Config{}).Send(t.Context(), digest)
	if err == nil || !strings.Contains(err.Error(), "check host, port") {
		t.Errorf("Send to a server that hangs up: %v, want an error with a remedy", err)
	} else {
		clean(t, err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, u := range []string{"", "example.com/x9y8", "ftp://example.com/x9y8", "https:///x9y8", "https://ann:s3same@exa mple.com/%zz"} {
		_, err := webhook.New(webhook.Config{Name: "hook", URL: u})
		if err == nil || !strings.Contains(err.Error(), "https://") {
			t.Errorf("New with url %q: %v, want an error that says what to write", u, err)
			continue
		}
		clean(t, err)
	}
}
