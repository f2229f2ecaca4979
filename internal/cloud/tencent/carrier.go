package tencent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// exchange is what was seen of a request on the wire. The SDK makes a text of every error and takes any JSON object for an
// answer, such as a proxy's, from which a plan would believe that every backup is gone.
type exchange struct {
	err     error  // nothing came back
	status  int    // of what came back
	foreign string // why that is not Tencent Cloud's answer
	id      string
	after   time.Duration
}

type exchangeKey struct{}

// watch gives a context under which the last exchange is noted. The calls under it are made one after the other.
func watch(ctx context.Context) (context.Context, *exchange) {
	ex := &exchange{}
	return context.WithValue(ctx, exchangeKey{}, ex), ex
}

// carrier carries requests and looks at what comes back.
type carrier struct{ next http.RoundTripper }

const (
	longest  = 64 << 20 // of an answer
	headSize = 40       // of a foreign one, as it is shown
)

// RoundTrip carries one request.
func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	ex, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		ex = &exchange{}
	}
	*ex = exchange{}
	defer func() { cloud.NoteRequest(ctx, ex.id) }()
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		ex.err = err
		return nil, err
	}
	ex.status, ex.after = resp.StatusCode, retryAfter(resp.Header)
	body, err := io.ReadAll(io.LimitReader(resp.Body, longest))
	_ = resp.Body.Close()
	if err != nil {
		ex.err = fmt.Errorf("the answer broke off: %w", err)
		return nil, ex.err
	}
	var envelope struct {
		Response *struct{ RequestId string }
	}
	if json.Unmarshal(body, &envelope) == nil && envelope.Response != nil && envelope.Response.RequestId != "" {
		ex.id = envelope.Response.RequestId
	} else {
		ex.foreign = fmt.Sprintf("the answer is not Tencent Cloud's: HTTP %d, it begins with %q; is the endpoint right, and is there a proxy between?", resp.StatusCode, head(body))
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// head is the beginning of an answer in one line.
func head(body []byte) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(body[:min(len(body), 4*headSize)]), "")), " ")
	if r := []rune(text); len(r) > headSize {
		text = string(r[:headSize]) + "…"
	}
	return text
}

func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Second
}
