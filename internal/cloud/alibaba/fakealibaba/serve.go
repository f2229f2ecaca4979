package fakealibaba

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	ecsVersion = "2014-05-26"
	stsVersion = "2015-04-01"
	maxBody    = 1 << 20
)

// action reads its parameters and returns what to do. The two are apart because whatever is wrong with the parameters,
// and every parameter that nobody read, must be found before anything changes.
type action struct {
	parse    func(p *params) func(c *call) error
	read     bool // changes nothing: counts against the limit for reads
	sts      bool
	open     bool // needs no signature
	anywhere bool // needs no region
	shared   bool // may speak of images that other accounts share
}

// fields is an answer, or a part of one.
type fields map[string]any

// call is one request while it is being carried out, with the lock held.
type call struct {
	f      *Fake
	region *region
	now    time.Time
	id     identity
	out    fields
	shared map[string]*Image // images of other accounts that are shared with this one, by id
}

// apiError is an answer in the API's error form.
type apiError struct {
	status  int
	code    string
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func fail(status int, code, format string, args ...any) error {
	return &apiError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// answer is what goes back; cut closes the connection instead.
type answer struct {
	status     int
	body       []byte
	requestID  string
	retryAfter string
	html       bool
	cut        bool
	at         time.Time
}

// ServeHTTP answers one request.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := f.handle(r.Context(), r)
	if err != nil || a.cut {
		panic(http.ErrAbortHandler) // the documented way to cut the connection without an answer
	}
	a.header(w.Header())
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may be gone
}

// RoundTripper answers without a network, and so inside a testing/synctest bubble as well.
func (f *Fake) RoundTripper() http.RoundTripper { return roundTripper{f} }

type roundTripper struct{ f *Fake }

// RoundTrip answers one request.
func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	a, err := t.f.handle(r.Context(), asReceived(r))
	if err != nil {
		return nil, err
	}
	if a.cut {
		return nil, fmt.Errorf("read: connection cut: %w", io.ErrUnexpectedEOF)
	}
	h := http.Header{}
	a.header(h)
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}, nil
}

// asReceived has its headers named as a server finds them: the SDK writes them in lower case.
func asReceived(r *http.Request) *http.Request {
	out := r.Clone(r.Context())
	out.Header = http.Header{}
	for k, v := range r.Header {
		out.Header[http.CanonicalHeaderKey(k)] = v
	}
	return out
}

func (a *answer) header(h http.Header) {
	h.Set("Content-Type", "application/json;charset=utf-8")
	if a.html {
		h.Set("Content-Type", "text/html")
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	h.Set("Date", a.at.UTC().Format(http.TimeFormat))
	h.Set("X-Acs-Request-Id", a.requestID)
	if a.retryAfter != "" {
		h.Set("X-Acs-Retry-After", a.retryAfter)
	}
}

// formOf reads the parameters, of which those in the body and those in the address are alike.
func formOf(r *http.Request, body []byte) (url.Values, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	for k, v := range query {
		form[k] = append(form[k], v...)
	}
	return form, err
}

// handle reads, checks and carries out one request.
func (f *Fake) handle(ctx context.Context, r *http.Request) (*answer, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, maxBody)); err != nil {
			return nil, err
		}
	}
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	form, formErr := formOf(r, body)
	name := r.Header.Get("X-Acs-Action")
	act, known := f.actions[name]
	var shared map[string]*Image
	if act.shared {
		shared = f.sharedWithUs(form.Get("RegionId"))
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.opt.Now()
	f.requests++
	a := &answer{status: http.StatusOK, requestID: requestID(f.opt.Seed, f.requests), at: now}
	f.counts[name]++
	var fault *Fault
	if f.fault != nil {
		fault = f.fault(name, f.counts[name])
	}
	if fault != nil && !fault.After {
		a.cut = fault.Cut
		a.spoil(fault)
		if fault.Code != "" {
			f.failed[fault.Code]++
		}
		f.told(name, form.Get("RegionId"), fault.Code)
		return a, nil
	}
	var err error
	switch {
	case formErr != nil:
		err = fail(http.StatusBadRequest, "InvalidParameter", "The form cannot be read.")
	case name == "":
		err = fail(http.StatusBadRequest, "MissingParameter", "Action is mandatory for this action.")
	case !known:
		err = fail(http.StatusNotFound, "InvalidApi.NotFound", "Specified api is not found, please check your url and method.")
	default:
		a.body, err = f.run(r, body, name, act, form, now, a.requestID, shared)
	}
	code := ""
	if err != nil {
		var e *apiError
		if !errors.As(err, &e) {
			e = &apiError{status: http.StatusInternalServerError, code: "InternalError", message: err.Error()}
		}
		code = e.code
		a.status, a.body = e.status, errorBody(e.code, e.message, a.requestID)
		f.failed[code]++
	}
	f.told(name, form.Get("RegionId"), code)
	if fault != nil { // it took effect, and then …
		a.cut = fault.Cut || fault.Code == "" && fault.Body == ""
		a.spoil(fault)
	}
	return a, nil
}

func (f *Fake) told(name, region, code string) {
	if f.opt.Log != nil {
		f.opt.Log(name, region, code)
	}
}

func errorBody(code, message, requestID string) []byte {
	return encode(fields{
		"RequestId": requestID, "HostId": "ecs.example.com", "Code": code, "Message": message,
		"Recommend": "https://api.example.com/troubleshoot?q=" + url.QueryEscape(code),
	})
}

func encode(out fields) []byte {
	b, err := json.Marshal(out)
	if err != nil {
		panic(err) // everything in an answer can be written
	}
	return b
}

// spoil makes the answer the fault's.
func (a *answer) spoil(fault *Fault) {
	switch {
	case fault.Body != "":
		a.status, a.body, a.html = http.StatusOK, []byte(fault.Body), true
	case fault.Code != "":
		a.status = http.StatusBadRequest
		message := fault.Message
		if message == "" {
			message = "as the fault hook asked"
		}
		a.body = errorBody(fault.Code, message, a.requestID)
	}
	if fault.HTTPStatus != 0 {
		a.status = fault.HTTPStatus
	}
	a.retryAfter = fault.RetryAfter
}

// run carries out one action whose name is known.
func (f *Fake) run(r *http.Request, body []byte, name string, act action, form url.Values, now time.Time, requestID string, shared map[string]*Image) ([]byte, error) {
	want := ecsVersion
	if act.sts {
		want = stsVersion
	}
	if v := r.Header.Get("X-Acs-Version"); v != want {
		return nil, fail(http.StatusBadRequest, "InvalidVersion", "Specified parameter Version is not valid: %q, it is %s.", v, want)
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return nil, fail(http.StatusBadRequest, "UnsupportedHTTPMethod", "This http method is not supported.")
	}
	var id identity
	if !act.open {
		var err error
		if id, err = f.authenticate(r, body, now); err != nil {
			return nil, err
		}
	}
	p := newParams(form)
	p.ignore("Format", "SignatureType")
	where := ""
	if !act.sts {
		where = p.get("RegionId")
		if where == "" && !act.anywhere {
			return nil, fail(http.StatusBadRequest, "MissingParameter", "The input parameter \"RegionId\" that is mandatory for processing this request is not supplied.")
		}
	}
	reg := f.state.Regions[where]
	if reg == nil && where != "" {
		return nil, fail(http.StatusNotFound, "InvalidRegionId.NotFound", "The specified RegionId %q does not exist.", where)
	}
	if f.throttled(where+"/"+name, act.read, now) {
		return nil, fail(http.StatusBadRequest, "Throttling.User", "Request was denied due to user flow control.")
	}
	dry := !act.sts && p.bool("DryRun")
	do := act.parse(p)
	if err := p.check(); err != nil {
		return nil, err
	}
	if f.denied[name] {
		return nil, fail(http.StatusForbidden, "Forbidden.RAM", "User not authorized to operate on the specified resource, or this API doesn't support RAM.")
	}
	if reg != nil {
		reg.settle(now)
	}
	if err := f.authorize(reg, name, act, p); err != nil {
		return nil, err
	}
	if dry {
		return nil, fail(http.StatusBadRequest, "DryRunOperation", "Request validation has been passed with DryRun flag set.")
	}
	c := &call{f: f, region: reg, now: now, id: id, out: fields{"RequestId": requestID}, shared: shared}
	if err := do(c); err != nil {
		return nil, err
	}
	if !act.read {
		f.version++
	}
	return encode(c.out), nil
}

func requestID(seed, n uint64) string {
	a, b := mix(seed^n), mix(n+0x5151)
	return strings.ToUpper(fmt.Sprintf("%08x-%04x-5%03x-8%03x-%012x", uint32(a), uint16(a>>32), (a>>48)&0xfff, b&0xfff, (b>>12)&0xffffffffffff))
}

// mix is a bijection on 64 bits that leaves no visible order.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func actions() map[string]action {
	read := func(f func(*params) func(*call) error) action { return action{parse: f, read: true} }
	write := func(f func(*params) func(*call) error) action { return action{parse: f} }
	return map[string]action{
		"DescribeRegions":                {parse: describeRegions, read: true, anywhere: true},
		"DescribeInstances":              read(describeInstances),
		"DescribeDisks":                  read(describeDisks),
		"DescribeSnapshots":              read(describeSnapshots),
		"DescribeSnapshotGroups":         read(describeSnapshotGroups),
		"DescribeLockedSnapshots":        read(describeLockedSnapshots),
		"DescribeImages":                 {parse: describeImages, read: true, shared: true},
		"DescribeImageSharePermission":   read(describeImageSharePermission),
		"DescribeLaunchTemplates":        read(describeLaunchTemplates),
		"DescribeLaunchTemplateVersions": read(describeLaunchTemplateVersions),
		"ListTagResources":               read(listTagResources),
		"RunInstances":                   {parse: runInstances, shared: true},
		"StartInstance":                  {parse: startInstance, anywhere: true},
		"StopInstance":                   {parse: stopInstance, anywhere: true},
		"DeleteInstance":                 {parse: deleteInstance, anywhere: true},
		"ModifyInstanceAttribute":        {parse: modifyInstanceAttribute, anywhere: true},
		"CreateDisk":                     write(createDisk),
		"DeleteDisk":                     {parse: deleteDisk, anywhere: true},
		"CreateSnapshot":                 {parse: createSnapshot, anywhere: true},
		"ModifySnapshotAttribute":        {parse: modifySnapshotAttribute, anywhere: true},
		"DeleteSnapshot":                 {parse: deleteSnapshot, anywhere: true},
		"CopySnapshot":                   write(copySnapshot),
		"LockSnapshot":                   write(lockSnapshot),
		"UnlockSnapshot":                 write(unlockSnapshot),
		"CreateSnapshotGroup":            write(createSnapshotGroup),
		"DeleteSnapshotGroup":            write(deleteSnapshotGroup),
		"CreateImage":                    write(createImage),
		"CopyImage":                      {parse: copyImage, shared: true},
		"CancelCopyImage":                write(cancelCopyImage),
		"ModifyImageSharePermission":     write(modifyImageSharePermission),
		"DeleteImage":                    write(deleteImage),
		"TagResources":                   write(tagResources),
		"UntagResources":                 write(untagResources),
		"GetCallerIdentity":              {parse: getCallerIdentity, read: true, sts: true},
		"AssumeRole":                     {parse: assumeRole, sts: true},
		"AssumeRoleWithOIDC":             {parse: assumeRoleWithOIDC, sts: true, open: true},
	}
}
