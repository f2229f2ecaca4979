package alibaba

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

	sdk "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/darabonba-openapi/v2/models"
	"github.com/alibabacloud-go/tea/dara"

	"github.com/stint-cloud/stint/internal/cloud"
)

const (
	ecsVersion = "2014-05-26"
	stsVersion = "2015-04-01"
	maxAnswer  = 64 << 20
)

// question is one request: for which of our calls, about what, and what is asked.
type question struct {
	op     string
	ref    cloud.Ref
	action string
	params params
	sts    bool // of STS, and of no region
}

// params are a request's parameters, lists already spelt out as Tag.1.Key.
type params map[string]string

// set leaves out what is empty: ECS takes an empty parameter for a wrong one.
func (p params) set(key, value string) params {
	if value != "" {
		p[key] = value
	}
	return p
}

// list spells out key.1, key.2 …
func (p params) list(key string, values []string) params {
	for i, v := range values {
		p[key+"."+strconv.Itoa(i+1)] = v
	}
	return p
}

// ask makes one request and reads the answer into out. The SDK signs and sends; the answer is read here, so that
// what comes from in between is never taken for one.
func (p *Provider) ask(ctx context.Context, q question, out any) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %s: %w", q.op, q.ref.Place(), err)
	}
	host, version, params := p.stsHost(), stsVersion, params{}
	if !q.sts {
		var err error
		if host, err = p.ecsHost(q.ref.Region); err != nil {
			return &cloud.Error{Op: q.op, Ref: q.ref, Class: cloud.ErrUnsupported, Err: err}
		}
		version, params["RegionId"] = ecsVersion, q.ref.Region
	}
	k, err := p.keys.keys(ctx)
	if err != nil {
		return p.problem(ctx, q, nil, &signInError{err})
	}
	for key, v := range q.params {
		params[key] = v
	}
	ex := p.send(ctx, host, q.action, version, params, &k)
	cloud.NoteRequest(ctx, ex.requestID())
	if err := ex.read(out); err != nil {
		return p.problem(ctx, q, ex, err)
	}
	return nil
}

// unclear is an answer that says yes and names nothing: whether something was made, or is there, is for a look to find out.
func (p *Provider) unclear(q question, what string) error {
	return &cloud.Error{Op: q.op, Ref: q.ref, Class: cloud.ErrTransient, Err: fmt.Errorf("the answer to %s names no %s", q.action, what)}
}

// send signs one request with the keys, or leaves it unsigned without any, and gives what came of it. The SDK's client is
// not safe for concurrent use, so each request has its own; the connections are shared.
func (p *Provider) send(ctx context.Context, host, action, version string, body params, k *keys) *exchange {
	ctx, cancel := context.WithTimeout(ctx, wholeWithin)
	defer cancel()
	ex := &exchange{http: p.http, action: action}
	conf := &sdk.Config{
		Endpoint: dara.String(host), Protocol: dara.String(strings.ToUpper(p.scheme)), UserAgent: dara.String("stint"), HttpClient: ex,
		ConnectTimeout: dara.Int(int(connectWithin.Milliseconds())), ReadTimeout: dara.Int(int(answerWithin.Milliseconds())),
	}
	auth := "Anonymous"
	if k != nil {
		auth = "AK"
		conf.AccessKeyId, conf.AccessKeySecret = dara.String(k.id), dara.String(k.secret)
		if k.token != "" {
			conf.SecurityToken = dara.String(k.token)
		}
	}
	client, err := sdk.NewClient(conf)
	if err != nil {
		ex.err = err
		return ex
	}
	form := make(map[string]any, len(body))
	for key, v := range body {
		form[key] = v
	}
	_, err = client.CallApiWithCtx(ctx, &models.Params{
		Action: dara.String(action), Version: dara.String(version), Protocol: dara.String(strings.ToUpper(p.scheme)), Pathname: dara.String("/"),
		Method: dara.String(http.MethodPost), AuthType: dara.String(auth), Style: dara.String("RPC"),
		ReqBodyType: dara.String("formData"), BodyType: dara.String("none"),
	}, &models.OpenApiRequest{Body: form}, &dara.RuntimeOptions{})
	if err != nil && ex.err == nil && ex.status == 0 {
		ex.err = err // it never came to sending
	}
	return ex
}

// exchange is one request with its answer. To the SDK it is the HTTP client, which it hands an empty answer.
type exchange struct {
	http   *http.Client
	action string

	status int // zero without an answer
	header http.Header
	body   []byte
	err    error // of the connection
}

// Call sends the request over our own connections, not over the transport that the SDK has made.
func (ex *exchange) Call(r *http.Request, _ *http.Transport) (*http.Response, error) {
	resp, err := ex.http.Do(r)
	if err != nil {
		ex.err = err
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("it is longer than %d bytes", maxAnswer)
	}
	if err != nil {
		ex.err = fmt.Errorf("the answer broke off: %w", err)
		return nil, ex.err
	}
	ex.status, ex.header, ex.body = resp.StatusCode, resp.Header, body
	return &http.Response{
		Status: resp.Status, StatusCode: http.StatusOK, Proto: resp.Proto, ProtoMajor: resp.ProtoMajor, ProtoMinor: resp.ProtoMinor,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(nil)), Request: r,
	}, nil
}

// refusal is an error answer.
type refusal struct {
	RequestID string `json:"RequestId"`
	Code      string
	Message   string
}

// refusal is the error in the answer, if it is one of Alibaba Cloud's.
func (ex *exchange) refusal() (refusal, bool) {
	var r refusal
	if ex == nil || json.Unmarshal(ex.body, &r) != nil {
		return refusal{}, false
	}
	return r, r.Code != "" && r.RequestID != ""
}

func (ex *exchange) requestID() string {
	var r struct {
		RequestID string `json:"RequestId"`
	}
	if ex.status != 0 && json.Unmarshal(ex.body, &r) == nil && r.RequestID != "" {
		return r.RequestID
	}
	return ex.header.Get("X-Acs-Request-Id")
}

// read takes a good answer apart. Whatever is not one of Alibaba Cloud's own, with a request id in it, is an error.
func (ex *exchange) read(out any) error {
	if ex.err != nil {
		return ex.err
	}
	if ex.status < 200 || ex.status > 299 {
		return &answerError{ex}
	}
	var r struct {
		RequestID string `json:"RequestId"`
	}
	if err := json.Unmarshal(ex.body, &r); err != nil || r.RequestID == "" {
		return &answerError{ex}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(ex.body, out); err != nil {
		return fmt.Errorf("the answer to %s cannot be read: %w", ex.action, err)
	}
	return nil
}

// answerError is an answer that is not what was asked for.
type answerError struct{ ex *exchange }

func (e *answerError) Error() string {
	if r, ok := e.ex.refusal(); ok {
		return r.Code + ": " + plain(r.Message)
	}
	begins := strings.Join(strings.Fields(string(e.ex.body[:min(len(e.ex.body), 60)])), " ")
	return fmt.Sprintf("HTTP %d with an answer that is not Alibaba Cloud's: it begins with %q; is there a proxy between, or does endpoint: point elsewhere?", e.ex.status, begins)
}

// retryAfter is how long the answer asks to stay away.
func (ex *exchange) retryAfter() time.Duration {
	if ex == nil {
		return 0
	}
	if ms, err := strconv.ParseInt(ex.header.Get("X-Acs-Retry-After"), 10, 32); err == nil && ms > 0 {
		return time.Duration(ms) * time.Millisecond
	}
	if s, err := strconv.ParseInt(ex.header.Get("Retry-After"), 10, 32); err == nil && s > 0 {
		return time.Duration(s) * time.Second
	}
	return 0
}
