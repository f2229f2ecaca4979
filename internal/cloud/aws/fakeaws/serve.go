package fakeaws

import (
	"bytes"
	"context"
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
	ec2Version = "2016-11-15"
	stsVersion = "2011-06-15"
	maxBody    = 1 << 20
)

// action reads its parameters and returns what to do. The two are apart because whatever is wrong with the parameters,
// and every parameter that nobody read, must be found before anything changes.
type action struct {
	parse func(p *params) func(c *call) error
	read  bool // changes nothing: counts against the bucket for reads
	sts   bool
}

// call is one request while it is being carried out, with the lock held.
type call struct {
	f      *Fake
	region *region
	now    time.Time
	id     identity
	out    *doc
}

// apiError is an answer in EC2's error form.
type apiError struct {
	status     int
	code       string
	message    string
	retryAfter string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func fail(code, format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

func failStatus(status int, code, format string, args ...any) error {
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
	a, err := t.f.handle(r.Context(), r)
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

func (a *answer) header(h http.Header) {
	h.Set("Content-Type", "text/xml;charset=UTF-8")
	if a.html {
		h.Set("Content-Type", "text/html")
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	h.Set("Date", a.at.UTC().Format(http.TimeFormat))
	h.Set("X-Amzn-Requestid", a.requestID)
	if a.retryAfter != "" {
		h.Set("Retry-After", a.retryAfter)
	}
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
	form, err := url.ParseQuery(string(body))
	if r.Method == http.MethodGet {
		form, err = r.URL.Query(), nil
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.opt.Now()
	f.requests++
	a := &answer{status: http.StatusOK, requestID: requestID(f.opt.Seed, f.requests), at: now}
	name := form.Get("Action")
	act, known := f.actions[name]
	regionName := scopeRegion(r)
	f.counts[name]++
	var fault *Fault
	if f.fault != nil {
		fault = f.fault(name, f.counts[name])
	}
	if fault != nil && !fault.After {
		a.cut = fault.Cut
		a.spoil(fault, act.sts)
		if fault.Code != "" {
			f.failed[fault.Code]++
		}
		f.told(name, regionName, fault.Code)
		return a, nil
	}
	switch {
	case err != nil:
		err = fail("MalformedQueryString", "the form cannot be read")
	case name == "":
		err = fail("MissingAction", "the request names no action")
	case !known:
		err = fail("InvalidAction", "The action %s is not valid for this web service.", name)
	default:
		a.body, err = f.run(r, body, name, regionName, act, form, now, a.requestID)
	}
	if err != nil {
		var e *apiError
		if !errors.As(err, &e) {
			e = &apiError{status: http.StatusInternalServerError, code: "InternalError", message: err.Error()}
		}
		a.status, a.retryAfter = e.status, e.retryAfter
		a.body = errorBody(act.sts, e.code, e.message, a.requestID)
		f.failed[e.code]++
		f.told(name, regionName, e.code)
	} else {
		f.told(name, regionName, "")
	}
	if fault != nil { // it took effect, and then …
		a.cut = fault.Cut || fault.Code == "" && fault.Body == ""
		a.spoil(fault, act.sts)
	}
	return a, nil
}

func (f *Fake) told(name, region, code string) {
	if f.opt.Log != nil {
		f.opt.Log(name, region, code)
	}
}

// spoil makes the answer the fault's.
func (a *answer) spoil(fault *Fault, sts bool) {
	switch {
	case fault.Body != "":
		a.status, a.body, a.html = http.StatusOK, []byte(fault.Body), true
	case fault.Code != "":
		a.status = http.StatusBadRequest
		message := fault.Message
		if message == "" {
			message = "as the fault hook asked"
		}
		a.body = errorBody(sts, fault.Code, message, a.requestID)
	}
	if fault.HTTPStatus != 0 {
		a.status = fault.HTTPStatus
	}
	a.retryAfter = fault.RetryAfter
}

// run carries out one action whose name is known.
func (f *Fake) run(r *http.Request, body []byte, name, regionName string, act action, form url.Values, now time.Time, requestID string) ([]byte, error) {
	id, err := f.authenticate(r, body, act.sts, now)
	if err != nil {
		return nil, err
	}
	want := ec2Version
	if act.sts {
		want = stsVersion
	}
	if v := form.Get("Version"); v != want {
		return nil, fail("InvalidParameterValue", "Version %q is not known; it is %s", v, want)
	}
	reg := f.state.Regions[regionName]
	if reg == nil && !act.sts {
		return nil, failStatus(http.StatusUnauthorized, "AuthFailure", "the region %q of the credential is not one of this account", regionName)
	}
	if t := f.opt.Throttle; t != nil {
		b := t.Write
		if act.read {
			b = t.Read
		}
		if !f.take(regionName+"/"+name, b, 1, now) {
			return nil, throttled()
		}
	}
	p := newParams(form)
	p.get("Action")
	p.get("Version")
	dry := !act.sts && p.bool("DryRun")
	do := act.parse(p)
	if err := p.check(); err != nil {
		return nil, err
	}
	if f.denied[name] {
		return nil, failStatus(http.StatusForbidden, "UnauthorizedOperation", "You are not authorized to perform this operation. User: %s is not authorized to perform: ec2:%s", id.arn, name)
	}
	if reg != nil {
		reg.settle(now)
	}
	if err := f.authorize(id, reg, name, act.sts, p); err != nil {
		return nil, err
	}
	if dry {
		return nil, failStatus(http.StatusPreconditionFailed, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	c := &call{f: f, region: reg, now: now, id: id, out: newDoc(name, act.sts, requestID)}
	if err := do(c); err != nil {
		return nil, err
	}
	if !act.read {
		f.version++
	}
	return c.out.end(name, act.sts, requestID), nil
}

func throttled() error {
	return failStatus(http.StatusServiceUnavailable, "RequestLimitExceeded", "Request limit exceeded.")
}

// takeInstances draws from the bucket that counts instances.
func (c *call) takeInstances(n int) error {
	if t := c.f.opt.Throttle; t != nil && !c.f.take(c.region.Name+"/instances", t.Instances, float64(n), c.now) {
		return throttled()
	}
	return nil
}

func requestID(seed, n uint64) string {
	a, b := mix(seed^n), mix(n+0x5151)
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", uint32(a), uint16(a>>32), (a>>48)&0xfff, b&0xfff, (b>>12)&0xffffffffffff)
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
		"DescribeRegions":           read(describeRegions),
		"DescribeInstances":         read(describeInstances),
		"DescribeVolumes":           read(describeVolumes),
		"DescribeSnapshots":         read(describeSnapshots),
		"DescribeImages":            read(describeImages),
		"DescribeTags":              read(describeTags),
		"RunInstances":              write(runInstances),
		"StartInstances":            write(startInstances),
		"StopInstances":             write(stopInstances),
		"TerminateInstances":        write(terminateInstances),
		"CreateVolume":              write(createVolume),
		"DeleteVolume":              write(deleteVolume),
		"AttachVolume":              write(attachVolume),
		"CreateSnapshot":            write(createSnapshot),
		"CreateSnapshots":           write(createSnapshots),
		"DeleteSnapshot":            write(deleteSnapshot),
		"CopySnapshot":              write(copySnapshot),
		"CreateImage":               write(createImage),
		"RegisterImage":             write(registerImage),
		"CopyImage":                 write(copyImage),
		"DeregisterImage":           write(deregisterImage),
		"ModifyImageAttribute":      write(modifyImageAttribute),
		"DescribeImageAttribute":    read(describeImageAttribute),
		"DescribeImageReferences":   read(describeImageReferences),
		"ModifySnapshotAttribute":   write(modifySnapshotAttribute),
		"DescribeSnapshotAttribute": read(describeSnapshotAttribute),
		"CreateTags":                write(createTags),
		"DeleteTags":                write(deleteTags),
		"GetCallerIdentity":         {parse: getCallerIdentity, read: true, sts: true},
		"AssumeRole":                {parse: assumeRole, sts: true},
	}
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
