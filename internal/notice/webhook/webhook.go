// Package webhook tells a program: it posts a digest as JSON (notice.Message) to an address.
//
// It promises that a 2xx answer alone counts as delivered, that redirects are not followed, and that with a secret
// every request is signed: X-Stint-Signature is "sha256=" and the hex HMAC-SHA256, keyed with the secret, of the value
// of X-Stint-Timestamp (seconds since 1970), a full stop, and the body. A receiver computes the same, compares in
// constant time, and refuses a timestamp that is more than five minutes away, so that nothing can be replayed. The
// same message that comes twice has the same X-Stint-Id. It refuses to show more of the address than its host in
// errors: with many services the path alone is a password.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/notice"
)

// The headers of a request.
const (
	HeaderSignature = "X-Stint-Signature"
	HeaderTimestamp = "X-Stint-Timestamp"
	HeaderID        = "X-Stint-Id"
)

// DefaultTimeout is how long an answer may take.
const DefaultTimeout = 10 * time.Second

const maxAnswer = 300 // bytes of an answer that an error repeats

// Config is what a webhook needs. Name and URL are required.
type Config struct {
	Name    string
	URL     string        // http or https; a user and password in it are sent as basic authentication
	Secret  notice.Secret // none: requests are not signed
	Timeout time.Duration // zero: DefaultTimeout
	// Transport makes the connection; nil for one of its own that honours the proxy settings of the environment.
	Transport http.RoundTripper
}

// Channel posts digests to one address.
type Channel struct {
	name   string
	url    *url.URL
	secret notice.Secret
	client *http.Client
}

var _ notice.Channel = (*Channel)(nil)

// New checks the configuration and makes the channel. It connects to nothing.
func New(c Config) (*Channel, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		// What url.Parse says repeats the address.
		return nil, fmt.Errorf("webhook %s: url is not a URL; write https://host/path", c.Name)
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return nil, fmt.Errorf("webhook %s: url must begin with https:// (or http://) and name a host", c.Name)
	}
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	transport := c.Transport
	if transport == nil {
		transport = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}
	}
	return &Channel{name: c.Name, url: u, secret: c.Secret, client: &http.Client{
		Timeout: timeout, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Name is the channel's name in the policies.
func (c *Channel) Name() string { return c.name }

// Send posts the digest once.
func (c *Channel) Send(ctx context.Context, d notice.Digest) error {
	body, err := d.JSON()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post to %s: %s", c.where(), c.scrub(err.Error()))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "stint")
	req.Header.Set(HeaderID, d.ID)
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set(HeaderTimestamp, stamp)
	if key := c.secret.Reveal(); key != "" {
		req.Header.Set(HeaderSignature, "sha256="+sign(key, stamp, body))
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return c.transportError(err)
	}
	defer resp.Body.Close()
	// The answer is read so that the connection can be used again; what it says matters only when it is a refusal.
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return fmt.Errorf("post to %s: answered %s%s; %s", c.where(), resp.Status, c.excerpt(answer), remedy(resp.StatusCode))
}

func sign(key, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(stamp))
	mac.Write([]byte("."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func remedy(status int) string {
	switch {
	case status/100 == 3:
		return "redirects are not followed: put the final address into url"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "check the secret, and the user and password in url"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusGone:
		return "check the path in url"
	case status == http.StatusTooManyRequests, status/100 == 5:
		return "it is tried again"
	}
	return "check that url takes a POST of this JSON"
}

// transportError says why there was no answer, without the address that net/http puts into its errors.
func (c *Channel) transportError(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		if outer.Timeout() {
			return fmt.Errorf("post to %s: no answer in time; check that the host can be reached from here: %w", c.where(), context.DeadlineExceeded)
		}
		err = outer.Err
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("post to %s: %w", c.where(), context.Canceled)
	}
	return fmt.Errorf("post to %s: %s; check host, port, proxy and certificate", c.where(), c.scrub(err.Error()))
}

// where is as much of the address as everybody may see.
func (c *Channel) where() string { return c.url.Scheme + "://" + c.url.Host }

func (c *Channel) excerpt(answer []byte) string {
	line := strings.Join(strings.Fields(strings.ToValidUTF8(string(answer), "?")), " ")
	// Scrub first, so that no half of a secret is left at the cut.
	line = c.scrub(line)
	if len(line) > maxAnswer {
		line = strings.ToValidUTF8(line[:maxAnswer], "") + "…"
	}
	if line == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", line)
}

// scrub takes what is secret in the address, and the secret itself, out of a line.
func (c *Channel) scrub(line string) string {
	secrets := []string{c.secret.Reveal(), c.url.RawQuery}
	if c.url.User != nil {
		password, _ := c.url.User.Password()
		secrets = append(secrets, c.url.User.String(), password, c.url.User.Username())
	}
	for _, values := range c.url.Query() {
		secrets = append(secrets, values...)
	}
	for _, path := range []string{c.url.EscapedPath(), c.url.Path} {
		if len(path) > 1 {
			secrets = append(secrets, path)
		}
	}
	return notice.Scrub(line, secrets...)
}
