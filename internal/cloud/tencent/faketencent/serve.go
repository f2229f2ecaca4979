package faketencent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const maxBody = 10 << 20 // RequestSizeLimitExceeded beyond

// obj is a JSON object.
type obj = map[string]any

// action reads its parameters and returns what to do. The two are apart because whatever is wrong with the parameters, and
// every parameter that nobody knows, must be found before anything changes.
type action struct {
	service, version string
	parse            func(body []byte) (func(*call) (obj, error), error)
	read             bool // changes nothing
	everywhere       bool // needs no region
	unsigned         bool
}

// call is one request while it is being carried out, with the lock held.
type call struct {
	f      *Fake
	acct   *account
	region *region
	now    time.Time
	who    identity
	params string // a hash of the parameters but the token
}

// apiError is an answer in the cloud's error form.
type apiError struct{ code, message string }

func (e *apiError) Error() string { return e.code + ": " + e.message }

func fail(code, format string, args ...any) error {
	return &apiError{code: code, message: fmt.Sprintf(format, args...)}
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
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}, nil
}

func (a *answer) header(h http.Header) {
	h.Set("Content-Type", "application/json")
	if a.html {
		h.Set("Content-Type", "text/html")
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	h.Set("Date", a.at.UTC().Format(http.TimeFormat))
	if a.retryAfter != "" {
		h.Set("Retry-After", a.retryAfter)
	}
}

// respond puts what is answered into the envelope.
func (a *answer) respond(out obj) {
	if out == nil {
		out = obj{}
	}
	out["RequestId"] = a.requestID
	b, err := json.Marshal(obj{"Response": out})
	if err != nil {
		panic("faketencent: " + err.Error()) // everything that is answered can be written
	}
	a.body = b
}

func (a *answer) refuse(code, message string) {
	a.respond(obj{"Error": obj{"Code": code, "Message": message}})
}

// handle reads, checks and carries out one request.
func (f *Fake) handle(ctx context.Context, r *http.Request) (*answer, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1)); err != nil {
			return nil, err
		}
	}
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.opt.Now()
	f.requests++
	a := &answer{status: http.StatusOK, requestID: requestID(f.opt.Seed, f.requests), at: now}
	name, region := r.Header.Get("X-TC-Action"), r.Header.Get("X-TC-Region")
	f.counts[name]++
	var fault *Fault
	if f.fault != nil {
		fault = f.fault(name, f.counts[name])
	}
	if fault != nil && !fault.After {
		a.cut = fault.Cut
		a.respond(nil)
		a.spoil(fault)
		if fault.Code != "" {
			f.failed[fault.Code]++
		}
		f.told(name, region, fault.Code)
		return a, nil
	}
	out, err := f.run(r, body, name, region, now)
	if err != nil {
		var e *apiError
		if !errors.As(err, &e) {
			e = &apiError{code: "InternalError", message: err.Error()}
		}
		a.refuse(e.code, e.message)
		f.failed[e.code]++
		f.told(name, region, e.code)
	} else {
		a.respond(out)
		f.told(name, region, "")
	}
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

// spoil makes the answer the fault's.
func (a *answer) spoil(fault *Fault) {
	switch {
	case fault.Body != "":
		a.body, a.html = []byte(fault.Body), true
	case fault.Code != "":
		message := fault.Message
		if message == "" {
			message = "as the fault hook asked"
		}
		a.refuse(fault.Code, message)
	}
	if fault.HTTPStatus != 0 {
		a.status = fault.HTTPStatus
	}
	a.retryAfter = fault.RetryAfter
}

// run carries out one request.
func (f *Fake) run(r *http.Request, body []byte, name, regionName string, now time.Time) (obj, error) {
	if len(body) > maxBody {
		return nil, fail("RequestSizeLimitExceeded", "The request size exceeds the upper limit.")
	}
	if r.Method != http.MethodPost {
		return nil, fail("UnsupportedProtocol", "Unsupported protocol: only POST is answered here.")
	}
	if name == "" {
		return nil, fail("MissingParameter", "The request is missing a required parameter: Action.")
	}
	act, known := f.actions[name]
	who, service, err := f.authenticate(r, body, known && act.unsigned, now)
	if err != nil {
		return nil, err
	}
	if !known || act.service != service && !act.unsigned {
		return nil, fail("InvalidAction", "The specified action %q is invalid or does not exist.", name)
	}
	if v := r.Header.Get("X-TC-Version"); v != act.version {
		return nil, fail("NoSuchVersion", "The specified API version %q does not exist.", v)
	}
	acct := f.state.Accounts[who.uin]
	var reg *region
	if acct != nil {
		reg = acct.Regions[regionName]
	}
	if reg == nil && !act.everywhere {
		if regionName == "" {
			return nil, fail("MissingParameter", "The request is missing a required parameter: Region.")
		}
		return nil, fail("UnsupportedRegion", "The specified region %q is not supported.", regionName)
	}
	if !f.take(who.uin+"/"+regionName+"/"+name, name, now) {
		return nil, fail("RequestLimitExceeded", "Your current request times equals to the limit of action %s, please reduce the frequency of calls.", name)
	}
	do, err := act.parse(body)
	if err != nil {
		return nil, err
	}
	if f.denied[name] {
		return nil, fail("UnauthorizedOperation", "you are not authorized to perform operation (%s:%s)\nresource (qcs::%s:%s:uin/%s:*) has no permission", service, name, service, regionName, who.uin)
	}
	for _, a := range f.state.Accounts { // a copy may end in another region, and something shared in another account
		for _, r := range a.Regions {
			r.settle(now)
		}
	}
	if err := f.authorize(name, act, regionName, who.uin, reg, body); err != nil {
		return nil, err
	}
	c := &call{f: f, acct: acct, region: reg, now: now, who: who, params: hashOf(body)}
	out, err := do(c)
	if err != nil {
		return nil, err
	}
	if !act.read {
		f.version++
	}
	return out, nil
}

// on makes an action of a function of its parameters.
func on[T any](do func(c *call, in T) (obj, error)) func([]byte) (func(*call) (obj, error), error) {
	return func(body []byte) (func(*call) (obj, error), error) {
		in, err := decode[T](body)
		if err != nil {
			return nil, err
		}
		return func(c *call) (obj, error) { return do(c, in) }, nil
	}
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
	const cvm, cbs, sts, tag = "2017-03-12", "2017-03-12", "2018-08-13", "2018-08-13"
	return map[string]action{
		"DescribeRegions":              {service: "cvm", version: cvm, read: true, everywhere: true, parse: on(describeRegions)},
		"DescribeInstances":            {service: "cvm", version: cvm, read: true, parse: on(describeInstances)},
		"RunInstances":                 {service: "cvm", version: cvm, parse: on(runInstances)},
		"StartInstances":               {service: "cvm", version: cvm, parse: on(startInstances)},
		"StopInstances":                {service: "cvm", version: cvm, parse: on(stopInstances)},
		"TerminateInstances":           {service: "cvm", version: cvm, parse: on(terminateInstances)},
		"DescribeImages":               {service: "cvm", version: cvm, read: true, parse: on(describeImages)},
		"CreateImage":                  {service: "cvm", version: cvm, parse: on(createImage)},
		"DeleteImages":                 {service: "cvm", version: cvm, parse: on(deleteImages)},
		"ModifyImageAttribute":         {service: "cvm", version: cvm, parse: on(modifyImageAttribute)},
		"SyncImages":                   {service: "cvm", version: cvm, parse: on(syncImages)},
		"ModifyImageSharePermission":   {service: "cvm", version: cvm, parse: on(modifyImageShare)},
		"DescribeImageSharePermission": {service: "cvm", version: cvm, read: true, parse: on(describeImageShare)},
		"DescribeImageQuota":           {service: "cvm", version: cvm, read: true, parse: on(describeImageQuota)},
		"DescribeDisks":                {service: "cbs", version: cbs, read: true, parse: on(describeDisks)},
		"CreateDisks":                  {service: "cbs", version: cbs, parse: on(createDisks)},
		"TerminateDisks":               {service: "cbs", version: cbs, parse: on(terminateDisks)},
		"DescribeSnapshots":            {service: "cbs", version: cbs, read: true, parse: on(describeSnapshots)},
		"CreateSnapshot":               {service: "cbs", version: cbs, parse: on(createSnapshot)},
		"DeleteSnapshots":              {service: "cbs", version: cbs, parse: on(deleteSnapshots)},
		"ModifySnapshotAttribute":      {service: "cbs", version: cbs, parse: on(modifySnapshotAttribute)},
		"CopySnapshotCrossRegions":     {service: "cbs", version: cbs, parse: on(copySnapshot)},
		"TagResources":                 {service: "tag", version: tag, everywhere: true, parse: on(tagResources)},
		"UnTagResources":               {service: "tag", version: tag, everywhere: true, parse: on(untagResources)},
		"GetCallerIdentity":            {service: "sts", version: sts, read: true, everywhere: true, parse: on(getCallerIdentity)},
		"AssumeRole":                   {service: "sts", version: sts, everywhere: true, parse: on(assumeRole)},
		"AssumeRoleWithWebIdentity":    {service: "sts", version: sts, everywhere: true, unsigned: true, parse: on(assumeRoleWithWebIdentity)},
	}
}

func asAPI(err error) (*apiError, bool) { return errors.AsType[*apiError](err) }
