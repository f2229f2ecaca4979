package fakealibaba

import (
	"bytes"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSignatures: the vendor's client is believed, and nobody who signs otherwise.
func TestSignatures(t *testing.T) {
	f := New(Options{})
	u := as(t, f)
	if got := list(u.must("DescribeRegions", nil), "Regions", "Region"); len(got) != 3 {
		t.Errorf("DescribeRegions: got %v, want three", got)
	}
	for want, change := range map[string]func(*user){
		"InvalidAccessKeyId.NotFound":                func(u *user) { u.key = "LTAIOTHER" },
		"SignatureDoesNotMatch":                      func(u *user) { u.secret = "wrong" },
		"InvalidSecurityToken.MismatchWithAccessKey": func(u *user) { u.token = "stray" },
		"InvalidVersion":                             func(u *user) { u.version = "2013-01-10" },
	} {
		other := u
		change(&other)
		other.refuse(want, "DescribeRegions", nil)
	}
	for _, off := range []time.Duration{maxSkew + time.Minute, -maxSkew - time.Minute} {
		late := as(t, New(Options{Now: func() time.Time { return time.Now().Add(off) }}))
		late.refuse("InvalidTimeStamp.Expired", "DescribeRegions", nil)
	}
	almost := as(t, New(Options{Now: func() time.Time { return time.Now().Add(maxSkew - time.Minute) }}))
	almost.must("DescribeRegions", nil)

	// The same request twice, and with anything changed on the way.
	var kept *http.Request
	var body []byte
	spy := u
	spy.rt = roundTrip(func(r *http.Request) (*http.Response, error) {
		kept, body = r.Clone(t.Context()), nil
		b := new(bytes.Buffer)
		_, _ = b.ReadFrom(r.Body)
		body = b.Bytes()
		r.Body = readCloser(body)
		return f.RoundTripper().RoundTrip(r)
	})
	spy.must("DescribeRegions", args{"RegionId": here})
	for want, change := range map[string]func(r *http.Request, body *[]byte){
		"SignatureNonceUsed":         func(*http.Request, *[]byte) {},
		"SignatureDoesNotMatch/body": func(_ *http.Request, b *[]byte) { *b = append(*b, "&X=1"...) },
		"SignatureDoesNotMatch/head": func(r *http.Request, _ *[]byte) { r.Header["x-acs-action"] = []string{"DescribeDisks"} },
		"SignatureDoesNotMatch/host": func(r *http.Request, _ *[]byte) { r.Host = "elsewhere.example.com" },
		"SignatureDoesNotMatch/line": func(r *http.Request, _ *[]byte) { r.URL.RawQuery = "RegionId=" + there },
		"IncompleteSignature":        func(r *http.Request, _ *[]byte) { r.Header.Del("Authorization"); delete(r.Header, "Authorization") },
	} {
		r, b := kept.Clone(t.Context()), bytes.Clone(body)
		change(r, &b)
		r.Body = readCloser(b)
		resp, err := f.RoundTripper().RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		text := new(bytes.Buffer)
		_, _ = text.ReadFrom(resp.Body)
		if code, _, _ := strings.Cut(want, "/"); !strings.Contains(text.String(), `"`+code+`"`) {
			t.Errorf("a request changed on the way: got %s, want %s", text, want)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }

func readCloser(b []byte) nopCloser { return nopCloser{bytes.NewReader(b)} }

// TestRefusals: unknown words, and what every action checks.
func TestRefusals(t *testing.T) {
	f := New(Options{Denied: []string{"DescribeDisks"}})
	u := as(t, f)
	u.refuse("InvalidApi.NotFound", "DescribeEverything", nil)
	u.refuse("UnsupportedParameter", "DescribeSnapshots", args{"RegionId": here, "Snapshots": "x"})
	u.refuse("MissingParameter", "DescribeSnapshots", nil)
	u.refuse("InvalidRegionId.NotFound", "DescribeSnapshots", args{"RegionId": "cn-nowhere"})
	u.refuse("Forbidden.RAM", "DescribeDisks", args{"RegionId": here})
	f.Allow("DescribeDisks")
	u.must("DescribeDisks", args{"RegionId": here})
	u.refuse("DryRunOperation", "DescribeDisks", args{"RegionId": here, "DryRun": true})
	u.refuse("InvalidParameter", "DescribeInstances", args{"RegionId": here, "InstanceIds": "i-1"})
	u.refuse("InvalidParameter", "DescribeImages", args{"RegionId": here, "PageSize": 101})
	u.refuse("InvalidParameter", "DescribeSnapshots", args{"RegionId": here, "NextToken": "xyz"})
	if n := f.Count("DescribeDisks"); n != 3 {
		t.Errorf("DescribeDisks was counted %d times, want 3, refusals too", n)
	}
	if n := f.Failures()["Forbidden.RAM"]; n != 1 {
		t.Errorf("Forbidden.RAM was counted %d times, want once", n)
	}
}

// TestPagesByDefault are short, and hide what is not Available.
func TestPagesByDefault(t *testing.T) {
	f := New(Options{})
	u := as(t, f)
	for range 12 {
		f.AddImage(here, Image{})
		f.AddSnapshot(here, Snapshot{})
	}
	bad := f.AddImage(here, Image{End: "CreateFailed", DoneAt: time.Now().Add(-time.Hour)})
	f.AddInstances(here, 120, 5, nil)
	images := u.must("DescribeImages", args{"RegionId": here, "ImageOwnerAlias": "self"})
	if got := list(images, "Images", "Image"); len(got) != 10 || images["TotalCount"] != 12.0 || got[0]["ImageId"] == bad {
		t.Errorf("DescribeImages: got %d of %v, want 10 of 12, all Available", len(got), images["TotalCount"])
	}
	all := u.must("DescribeImages", args{"RegionId": here, "ImageOwnerAlias": "self", "PageSize": 100, "Status": "Available,CreateFailed"})
	if got := list(all, "Images", "Image"); len(got) != 13 || got[0]["ImageId"] != bad {
		t.Errorf("DescribeImages of two states: got %d, want 13, the newest first", len(got))
	}
	if got := list(u.must("DescribeImages", args{"RegionId": here}), "Images", "Image"); len(got) != 10 {
		t.Errorf("DescribeImages of everybody's: got %d, want 10", len(got))
	}
	if got := list(u.must("DescribeSnapshots", args{"RegionId": here}), "Snapshots", "Snapshot"); len(got) != 10 {
		t.Errorf("DescribeSnapshots: got %d, want 10", len(got))
	}
	for _, c := range []struct {
		action, set, item string
		asked, want, of   int
	}{
		{"DescribeInstances", "Instances", "Instance", 1, 10, 120},
		{"DescribeInstances", "Instances", "Instance", 1000, 100, 120},
		{"DescribeDisks", "Disks", "Disk", 1000, 500, 600},
		{"DescribeSnapshots", "Snapshots", "Snapshot", 11, 11, 24},
	} {
		seen, token, pages := 0, "", 0
		for {
			a := args{"RegionId": here, "MaxResults": c.asked}
			if token != "" {
				a["NextToken"] = token
			}
			out := u.must(c.action, a)
			n := len(list(out, c.set, c.item))
			if pages++; pages == 1 && n != c.want {
				t.Errorf("%s with MaxResults %d: %d on the first page, want %d", c.action, c.asked, n, c.want)
			}
			seen += n
			if token, _ = out["NextToken"].(string); token == "" {
				break
			}
		}
		if seen != c.of && c.action != "DescribeSnapshots" {
			t.Errorf("%s: %d in all, want %d", c.action, seen, c.of)
		}
	}
}

// TestTokens: the same request is the same thing; another with the same token is refused.
func TestTokens(t *testing.T) {
	f := New(Options{})
	u := as(t, f)
	instance := f.AddInstance(here, NewInstance{Disks: make([]NewDisk, 2)})
	disks := f.Disks(here)
	image := f.AddImage(here, Image{})
	snap := f.AddSnapshot(here, Snapshot{})
	for action, c := range map[string]struct {
		a, other args
		id       string
		mismatch string
	}{
		"CreateSnapshot":      {args{"DiskId": disks[0].ID}, args{"DiskId": disks[1].ID}, "SnapshotId", "IdempotentParameterMismatch"},
		"CreateSnapshotGroup": {args{"InstanceId": instance}, args{"InstanceId": instance, "Name": "n2"}, "SnapshotGroupId", "IdempotentParameterMismatch"},
		"CreateImage":         {args{"InstanceId": instance}, args{"InstanceId": instance, "ImageName": "n2"}, "ImageId", "IdempotenceParamNotMatch"},
		"CreateDisk":          {args{"ZoneId": here + "-a", "Size": 20}, args{"ZoneId": here + "-a", "Size": 30}, "DiskId", "IdempotentParameterMismatch"},
		"CopyImage":           {args{"ImageId": image, "DestinationRegionId": there}, args{"ImageId": image, "DestinationRegionId": "ap-southeast-1"}, "ImageId", "IdempotentParameterMismatch"},
		"CopySnapshot": {
			args{"SnapshotId": snap, "DestinationRegionId": there, "DestinationSnapshotName": "n1", "DestinationSnapshotDescription": "dd"},
			args{"SnapshotId": snap, "DestinationRegionId": there, "DestinationSnapshotName": "n2", "DestinationSnapshotDescription": "dd"},
			"SnapshotId", "IdempotentParameterMismatch",
		},
	} {
		for _, a := range []args{c.a, c.other} {
			a["RegionId"], a["ClientToken"] = here, "tok"
		}
		first := u.must(action, c.a)[c.id]
		if again := u.must(action, c.a)[c.id]; again != first || first == nil {
			t.Errorf("%s again with its token: got %v, want %v", action, again, first)
		}
		u.refuse(c.mismatch, action, c.other)
		c.a["ClientToken"] = "other"
		if other := u.must(action, c.a)[c.id]; other == first {
			t.Errorf("%s with another token: got %v as before", action, other)
		}
		c.a["ClientToken"] = strings.Repeat("x", 65)
		u.refuse("InvalidParameter", action, c.a)
	}
}

// TestNamesAndTags within the rules.
func TestNamesAndTags(t *testing.T) {
	f := New(Options{})
	u := as(t, f)
	instance := f.AddInstance(here, NewInstance{})
	disk := f.Disks(here)[0].ID
	snapshot := func(more args) args {
		a := args{"RegionId": here, "DiskId": disk}
		for k, v := range more {
			a[k] = v
		}
		return a
	}
	for _, bad := range []string{"auto-1", "AUTO", "x", "1st", "a b", "http://x", strings.Repeat("x", 129)} {
		u.refuse("InvalidSnapshotName.Malformed", "CreateSnapshot", snapshot(args{"SnapshotName": bad}))
	}
	for _, bad := range []string{"aliyun-1", "acs:x", "x"} {
		u.refuse("InvalidImageName.Malformed", "CreateImage", args{"RegionId": here, "InstanceId": instance, "ImageName": bad})
	}
	u.refuse("InvalidDescription.Malformed", "CreateSnapshot", snapshot(args{"Description": "x"}))
	for want, tag := range map[string][2]string{
		"MissingParameter.TagKey": {"", "x"}, "InvalidTagKey.Malformed": {"aliyun-x", ""}, "InvalidTagValue.Malformed": {"a", "see https://example.com"},
	} {
		u.refuse(want, "CreateSnapshot", snapshot(args{"Tag.1.Key": tag[0], "Tag.1.Value": tag[1]}))
	}
	u.refuse("InvalidTagKey.Malformed", "CreateSnapshot", snapshot(args{"Tag.1.Key": "acs:x"}))
	u.refuse("InvalidTagKey.Malformed", "CreateSnapshot", snapshot(args{"Tag.1.Key": strings.Repeat("k", 129)}))
	u.refuse("TagKey.Duplication", "CreateSnapshot", snapshot(args{"Tag.1.Key": "Env", "Tag.2.Key": "env"}))
	many := args{}
	for n := range 21 {
		many[fmt.Sprintf("Tag.%d.Key", n+1)] = fmt.Sprintf("k%d", n)
	}
	u.refuse("QuotaExceed.Tags", "CreateSnapshot", snapshot(many))
	delete(many, "Tag.21.Key")
	made, _ := u.must("CreateSnapshot", snapshot(many))["SnapshotId"].(string)
	on := func(more args) args {
		a := args{"RegionId": here, "ResourceType": "snapshot", "ResourceId.1": made}
		for k, v := range more {
			a[k] = v
		}
		return a
	}
	u.refuse("QuotaExceed.Tags", "TagResources", on(args{"Tag.1.Key": "one-more"}))
	u.refuse("TagKey.Duplication", "TagResources", on(args{"Tag.1.Key": "K1"}))
	u.must("TagResources", on(args{"Tag.1.Key": "k1", "Tag.1.Value": "new"}))
	u.must("UntagResources", on(args{"TagKey.1": "k0", "TagKey.2": "not-there"}))
	if got := list(u.must("ListTagResources", on(nil)), "TagResources", "TagResource"); len(got) != 19 || got[0]["TagKey"] != "k1" || got[0]["TagValue"] != "new" {
		t.Errorf("ListTagResources: got %v, want 19 of which k1 is new", got)
	}
	u.refuse("InvalidResourceId.NotFound", "TagResources", args{"RegionId": here, "ResourceType": "disk", "ResourceId.1": made, "Tag.1.Key": "a"})
	u.refuse("InvalidResourceType.NotFound", "TagResources", args{"RegionId": here, "ResourceType": "thing", "ResourceId.1": made, "Tag.1.Key": "a"})
	u.must("CreateImage", args{"RegionId": here, "InstanceId": instance, "ImageName": "nightly"})
	u.refuse("InvalidImageName.Duplicated", "CreateImage", args{"RegionId": here, "InstanceId": instance, "ImageName": "nightly"})
}

// TestThrottle: what is used up in a minute is back in the next.
func TestThrottle(t *testing.T) {
	clk := newClock()
	u := as(t, byHand(Options{Throttle: &Throttle{Read: 2, Write: 1}}, clk))
	for range 2 {
		u.must("DescribeSnapshots", args{"RegionId": here})
	}
	u.refuse("Throttling.User", "DescribeSnapshots", args{"RegionId": here})
	u.must("DescribeSnapshots", args{"RegionId": there})
	u.must("DescribeDisks", args{"RegionId": here})
	clk.add(59 * time.Second)
	u.refuse("Throttling.User", "DescribeSnapshots", args{"RegionId": here})
	clk.add(time.Second)
	u.must("DescribeSnapshots", args{"RegionId": here})
}

// TestFaults before and after their effect, cut, and as a proxy's page.
func TestFaults(t *testing.T) {
	f := New(Options{})
	u := as(t, f)
	f.AddInstance(here, NewInstance{})
	a := args{"DiskId": f.Disks(here)[0].ID}
	for name, c := range map[string]struct {
		fault Fault
		code  string
		made  int
	}{
		"before": {Fault{Code: "InternalError", HTTPStatus: 500}, "InternalError", 0},
		"after":  {Fault{Code: "InternalError", HTTPStatus: 500, After: true}, "InternalError", 1},
		"cut":    {Fault{Cut: true}, "no answer", 0},
		"lost":   {Fault{After: true}, "no answer", 1},
		"page":   {Fault{Body: "<html>", HTTPStatus: 502}, "no answer", 0},
	} {
		before := len(f.Snapshots(here))
		f.SetFault(func(string, int) *Fault { return &c.fault })
		if _, code, _ := u.try("CreateSnapshot", a); !strings.HasPrefix(code, c.code) {
			t.Errorf("%s: got %q, want %s", name, code, c.code)
		}
		f.SetFault(nil)
		if made := len(f.Snapshots(here)) - before; made != c.made {
			t.Errorf("%s: %d snapshots were made, want %d", name, made, c.made)
		}
	}
}

// TestSaveAndLoad: a fake that was saved goes on where it stood, tokens and lent keys included.
func TestSaveAndLoad(t *testing.T) {
	f := New(Options{})
	u := as(t, f)
	f.AddInstance(here, NewInstance{Name: "web-1", Tags: map[string]string{"a": "b"}})
	a := args{"DiskId": f.Disks(here)[0].ID, "ClientToken": "tok"}
	made := u.must("CreateSnapshot", a)["SnapshotId"]
	lent, _ := u.must("AssumeRole", args{"RoleArn": "acs:ram::1111222233334444:role/x", "RoleSessionName": "me"})["Credentials"].(map[string]any)
	path := filepath.Join(t.TempDir(), "state.json")
	if err := f.SaveFile(path); err != nil {
		t.Fatal(err)
	}
	again := New(Options{})
	if err := again.LoadFile(path); err != nil {
		t.Fatal(err)
	}
	u.rt = again.RoundTripper()
	if got := u.must("CreateSnapshot", a)["SnapshotId"]; got != made {
		t.Errorf("the token after a restart: got %v, want %v", got, made)
	}
	u.key, u.secret, u.token = lent["AccessKeyId"].(string), lent["AccessKeySecret"].(string), lent["SecurityToken"].(string)
	if got := list(u.must("DescribeInstances", args{"RegionId": here}), "Instances", "Instance"); len(got) != 1 || got[0]["InstanceName"] != "web-1" {
		t.Errorf("instances after a restart, asked with lent keys: got %v, want web-1", got)
	}
	for name, text := range map[string]string{
		"nothing": "", "another account": `{"account":"9","regions":{"cn-hangzhou":{"name":"cn-hangzhou","tokens":{}}}}`,
		"no tokens": `{"account":"1111222233334444","regions":{"cn-hangzhou":{"name":"cn-hangzhou"}}}`, "no region": `{"account":"1111222233334444","regions":{"cn-hangzhou":null}}`,
		"an empty row": `{"account":"1111222233334444","regions":{"cn-hangzhou":{"name":"cn-hangzhou","tokens":{},"disks":{"rows":[null]}}}}`,
		"a wrong id":   `{"account":"1111222233334444","regions":{"cn-hangzhou":{"name":"cn-hangzhou","tokens":{},"disks":{"rows":[{"id":"i-1","seq":1}]}}}}`,
	} {
		if err := New(Options{}).Load(strings.NewReader(text)); err == nil {
			t.Errorf("Load of %s: got no error, want one", name)
		}
	}
}

// TestListen answers over a real connection.
func TestListen(t *testing.T) {
	f := New(Options{Latency: time.Millisecond})
	url := f.Start(t)
	u := as(t, f)
	u.rt = roundTrip(func(r *http.Request) (*http.Response, error) {
		host := r.Host
		r.URL.Host = strings.TrimPrefix(url, "http://")
		r.Host = host
		return http.DefaultTransport.RoundTrip(r)
	})
	u.must("DescribeRegions", nil)
	f.SetFault(func(string, int) *Fault { return &Fault{Cut: true} })
	if _, code, _ := u.try("DescribeRegions", nil); !strings.HasPrefix(code, "no answer") {
		t.Errorf("a connection that is cut: got %q, want no answer", code)
	}
}
