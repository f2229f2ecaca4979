package faketencent

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	cbs "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cbs/v20170312"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	sdkerrors "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/errors"
	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/profile"
	cvm "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cvm/v20170312"
	sts "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/sts/v20180813"
)

const (
	here  = "ap-guangzhou"
	there = "ap-shanghai"
	other = "200000000002"
)

var s = common.StringPtr

// rig is a fake with the SDK's clients of its first account.
type rig struct {
	*Fake
	cvm *cvm.Client
	cbs *cbs.Client
	any *common.Client
	sts *sts.Client
	at  time.Time
}

func newRig(t *testing.T, opt Options) *rig {
	t.Helper()
	r := &rig{at: time.Now().UTC().Truncate(time.Second)}
	opt.Now = func() time.Time { return r.at }
	r.Fake = New(opt)
	r.as(SecretID, SecretKey, "", here)
	return r
}

// as makes the clients anew.
func (r *rig) as(id, secret, token, region string) {
	p := profile.NewClientProfile()
	p.HttpProfile.Scheme, p.HttpProfile.Endpoint = "http", "tencent.example.com"
	cred := &common.Credential{SecretId: id, SecretKey: secret, Token: token}
	r.cvm, r.cbs, r.any, r.sts = &cvm.Client{}, &cbs.Client{}, &common.Client{}, &sts.Client{}
	for _, c := range []*common.Client{&r.cvm.Client, &r.cbs.Client, r.any, &r.sts.Client} {
		c.Init(region).WithProfile(p).WithCredential(cred).WithHttpTransport(r.RoundTripper())
	}
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*sdkerrors.TencentCloudSDKError](err); ok {
		return e.Code
	}
	return err.Error()
}

func wantCode(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := codeOf(err); got != want {
		t.Errorf("%s: got %q (%v), want %q", what, got, err, want)
	}
}

func must[T any](t *testing.T, what string) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: got %v, want no error", what, err)
		}
		return v
	}
}

// raw sends an action with parameters that the typed clients do not have.
func (r *rig) raw(service, version, action string, params map[string]any) error {
	req := tchttp.NewCommonRequest(service, version, action)
	if err := req.SetActionParameters(params); err != nil {
		return err
	}
	return r.any.Send(req, tchttp.NewCommonResponse())
}

// TestRefusals: what is wrong with a request is told by the cloud's own code, and changes nothing.
func TestRefusals(t *testing.T) {
	r := newRig(t, Options{})
	disk := r.AddDisk(here, NewDisk{})
	before := r.Version()
	many := make([]any, 101)
	for i := range many {
		many[i] = "snap-00000000"
	}
	for _, c := range []struct {
		service, version, action string
		params                   map[string]any
		want                     string
	}{
		{"cvm", "2017-03-12", "DescribeNothing", nil, "InvalidAction"},
		{"cbs", "2017-03-12", "DescribeInstances", nil, "InvalidAction"},
		{"cvm", "2016-01-01", "DescribeInstances", nil, "NoSuchVersion"},
		{"cvm", "2017-03-12", "DescribeInstances", map[string]any{"InstanceId": "ins-00000000"}, "UnknownParameter"},
		{"cvm", "2017-03-12", "DescribeInstances", map[string]any{"instanceIds": []any{"ins-00000000"}}, "UnknownParameter"},
		{"cvm", "2017-03-12", "DescribeInstances", map[string]any{"Filters": []any{map[string]any{"Name": "zone", "Value": []any{"x"}}}}, "UnknownParameter"},
		{"cvm", "2017-03-12", "DescribeInstances", map[string]any{"InstanceIds": "ins-00000000"}, "InvalidParameter"},
		{"cvm", "2017-03-12", "DescribeInstances", map[string]any{"InstanceIds": []any{"i-0123"}}, "InvalidInstanceId.Malformed"},
		{"cvm", "2017-03-12", "DescribeInstances", map[string]any{"Limit": 101}, "InvalidParameterValue.LimitExceeded"},
		{"cvm", "2017-03-12", "DescribeInstances", map[string]any{"Filters": []any{map[string]any{"Name": "colour", "Values": []any{"red"}}}}, ""}, // there is nothing to filter
		{"cvm", "2017-03-12", "DescribeImages", map[string]any{"Filters": []any{map[string]any{"Name": "colour", "Values": []any{"red"}}}}, "InvalidFilter"},
		{"cvm", "2017-03-12", "DescribeImages", map[string]any{"Filters": []any{map[string]any{"Name": "image-id", "Values": []any{"a", "b", "c", "d", "e", "f"}}}}, "InvalidFilterValue.LimitExceeded"},
		{"cvm", "2017-03-12", "DescribeImages", map[string]any{"ImageIds": []any{}, "Filters": []any{}}, "InvalidParameter.InvalidParameterCoexistImageIdsFilters"},
		{"cvm", "2017-03-12", "CreateImage", map[string]any{"ImageName": "n"}, "InvalidParameter.SpecifyOneParameter"},
		{"cvm", "2017-03-12", "CreateImage", map[string]any{"ImageName": "n", "InstanceId": "ins-00000000"}, "InvalidInstanceId.NotFound"},
		{"cvm", "2017-03-12", "SyncImages", map[string]any{"ImageIds": []any{"a", "b"}, "DestinationRegions": []any{there}}, "InvalidParameterValue.LimitExceeded"},
		{"cvm", "2017-03-12", "RunInstances", map[string]any{"ImageId": BaseImage}, "MissingParameter"},
		{"cbs", "2017-03-12", "DescribeSnapshots", map[string]any{"SnapshotIds": many}, "InvalidParameterValue"},
		{"cbs", "2017-03-12", "DescribeSnapshots", map[string]any{"Filters": []any{map[string]any{"Name": "tag:a", "Values": []any{"b"}}}}, "InvalidFilter"},
		{"cbs", "2017-03-12", "DescribeSnapshots", map[string]any{"Order": "UP"}, "InvalidParameterValue"},
		{"cbs", "2017-03-12", "CreateSnapshot", nil, "MissingParameter"},
		{"cbs", "2017-03-12", "CreateSnapshot", map[string]any{"DiskId": "disk-00000000"}, "InvalidDiskId.NotFound"},
		{"cbs", "2017-03-12", "CreateSnapshot", map[string]any{"DiskId": disk, "SnapshotName": strings.Repeat("名", 61)}, "InvalidParameterValue"},
		{"cbs", "2017-03-12", "CreateSnapshot", map[string]any{"DiskId": disk, "Deadline": "2020-01-01T00:00:00+00:00"}, "InvalidParameterValue"},
		{"cbs", "2017-03-12", "CreateSnapshot", map[string]any{"DiskId": disk, "Tags": []any{map[string]any{"Key": "qcloud:x", "Value": "y"}}}, "InvalidParameterValue"},
		{"cbs", "2017-03-12", "CreateSnapshot", map[string]any{"DiskId": disk, "Tags": []any{map[string]any{"Key": "a"}, map[string]any{"Key": "a"}}}, "InvalidParameterValue"},
		{"cbs", "2017-03-12", "CreateDisks", map[string]any{"DiskType": "CLOUD_SSD"}, "MissingParameter"},
		{"cbs", "2017-03-12", "DeleteSnapshots", map[string]any{"SnapshotIds": []any{"snap-00000000"}}, "InvalidSnapshotId.NotFound"},
		{"tag", "2018-08-13", "TagResources", map[string]any{"ResourceList": []any{"x"}, "Tags": []any{map[string]any{"TagKey": "project-x", "TagValue": "y"}}}, "InvalidParameter.ReservedTagKey"},
		{"tag", "2018-08-13", "TagResources", map[string]any{"ResourceList": []any{"x"}, "Tags": []any{map[string]any{"TagKey": strings.Repeat("k", 128), "TagValue": "y"}}}, "InvalidParameterValue.TagKeyLengthExceeded"},
		{"tag", "2018-08-13", "TagResources", map[string]any{"ResourceList": []any{"x"}, "Tags": many[:11]}, "InvalidParameter"},
		{"tag", "2018-08-13", "UnTagResources", map[string]any{"ResourceList": []any{"x"}}, "MissingParameter"},
		{"sts", "2018-08-13", "AssumeRole", map[string]any{"RoleArn": "stint", "RoleSessionName": "x"}, "InvalidParameter.ParamError"},
	} {
		if c.params == nil {
			c.params = map[string]any{}
		}
		wantCode(t, c.action, r.raw(c.service, c.version, c.action, c.params), c.want)
	}
	if got := r.Version(); got != before {
		t.Errorf("refused requests changed something: version %d, want %d", got, before)
	}
}

// TestSignatures: wrong key, wrong time, wrong token and a body that was changed are told apart.
func TestSignatures(t *testing.T) {
	r := newRig(t, Options{})
	look := func() error {
		_, err := r.cvm.DescribeRegions(cvm.NewDescribeRegionsRequest())
		return err
	}
	wantCode(t, "right", look(), "")
	r.as(SecretID, "wrong", "", here)
	wantCode(t, "wrong secret", look(), "AuthFailure.SignatureFailure")
	r.as("AKIDWRONG", SecretKey, "", here)
	wantCode(t, "wrong id", look(), "AuthFailure.SecretIdNotFound")
	r.as(SecretID, SecretKey, "token", here)
	wantCode(t, "a token of nothing", look(), "AuthFailure.TokenFailure")
	r.as(SecretID, SecretKey, "", here)
	for _, off := range []time.Duration{-6 * time.Minute, 6 * time.Minute} {
		r.at = time.Now().Add(off)
		wantCode(t, "a clock that is off", look(), "AuthFailure.SignatureExpire")
	}
	r.at = time.Now().Add(4 * time.Minute)
	wantCode(t, "a clock that is a little off", look(), "")
	r.as(SecretID, SecretKey, "", "us-east-1")
	_, err := r.cvm.DescribeInstances(cvm.NewDescribeInstancesRequest())
	wantCode(t, "a region of another cloud", err, "UnsupportedRegion")
	r.cvm.WithHttpTransport(changed{r.RoundTripper()})
	wantCode(t, "a body that was changed", look(), "AuthFailure.SignatureFailure")
}

// changed changes the body on the way.
type changed struct{ next http.RoundTripper }

func (c changed) RoundTrip(req *http.Request) (*http.Response, error) {
	req.Body = http.NoBody
	return c.next.RoundTrip(req)
}

// TestRolesAcrossAccounts: lent by whom the role trusts, with the word that it demands, and only for its time.
func TestRolesAcrossAccounts(t *testing.T) {
	r := newRig(t, Options{Accounts: []Login{
		{UIN: UIN, Keys: map[string]string{SecretID: SecretKey}},
		{UIN: other, Keys: map[string]string{"AKIDOTHER": "other"}, Roles: map[string]Role{"stint": {Trusts: []string{UIN}, ExternalID: "word"}, "own": {}}},
	}})
	r.In(other).AddInstance(here, NewInstance{Name: "theirs"})
	assume := func(role, word string) (*sts.AssumeRoleResponse, error) {
		req := sts.NewAssumeRoleRequest()
		req.RoleArn, req.RoleSessionName, req.ExternalId = s("qcs::cam::uin/"+other+":roleName/"+role), s("test"), s(word)
		return r.sts.AssumeRole(req)
	}
	_, err := assume("stint", "guess")
	wantCode(t, "a wrong word", err, "UnauthorizedOperation")
	_, err = assume("own", "")
	wantCode(t, "a role that trusts its own account alone", err, "UnauthorizedOperation")
	_, err = assume("nobody", "")
	wantCode(t, "no such role", err, "ResourceNotFound.RoleNotFound")
	got := must[*sts.AssumeRoleResponse](t, "AssumeRole")(assume("stint", "word")).Response
	r.as(*got.Credentials.TmpSecretId, *got.Credentials.TmpSecretKey, *got.Credentials.Token, here)
	seen := must[*cvm.DescribeInstancesResponse](t, "DescribeInstances")(r.cvm.DescribeInstances(cvm.NewDescribeInstancesRequest()))
	if len(seen.Response.InstanceSet) != 1 || *seen.Response.InstanceSet[0].InstanceName != "theirs" {
		t.Errorf("with the role: got %d instances, want that of the other account", len(seen.Response.InstanceSet))
	}
	_, err = assume("own", "")
	wantCode(t, "a role taken on by a role", err, "UnauthorizedOperation")
	r.sts.WithHttpTransport(later{r, 2 * time.Hour})
	who := sts.NewGetCallerIdentityRequest()
	_, err = r.sts.GetCallerIdentity(who)
	wantCode(t, "after its time", err, "AuthFailure.SignatureExpire") // the request itself is two hours old by then
}

// later lets time pass before a request arrives.
type later struct {
	r  *rig
	by time.Duration
}

func (l later) RoundTrip(req *http.Request) (*http.Response, error) {
	l.r.at = l.r.at.Add(l.by)
	return l.r.RoundTripper().RoundTrip(req)
}

// TestListing: twenty unless more are asked for, newest first, and the count of all.
func TestListing(t *testing.T) {
	r := newRig(t, Options{})
	for range 45 {
		r.AddInstance(here, NewInstance{Tags: map[string]string{"a": "b"}})
	}
	req := cvm.NewDescribeInstancesRequest()
	got := must[*cvm.DescribeInstancesResponse](t, "DescribeInstances")(r.cvm.DescribeInstances(req)).Response
	all := r.Instances(here)
	if len(got.InstanceSet) != 20 || *got.TotalCount != 45 || *got.InstanceSet[0].InstanceId != all[44].ID {
		t.Errorf("a listing: got %d of %d from %s, want 20 of 45 from %s, the newest", len(got.InstanceSet), *got.TotalCount, *got.InstanceSet[0].InstanceId, all[44].ID)
	}
	req.Offset, req.Limit = common.Int64Ptr(40), common.Int64Ptr(100)
	got = must[*cvm.DescribeInstancesResponse](t, "DescribeInstances")(r.cvm.DescribeInstances(req)).Response
	if len(got.InstanceSet) != 5 || *got.InstanceSet[4].InstanceId != all[0].ID {
		t.Errorf("the last page: got %d, want the 5 oldest", len(got.InstanceSet))
	}
	filter := cvm.NewDescribeInstancesRequest()
	filter.Filters = []*cvm.Filter{{Name: s("tag:a"), Values: []*string{s("c"), s("b")}}, {Name: s("instance-id"), Values: []*string{s(all[3].ID)}}}
	got = must[*cvm.DescribeInstancesResponse](t, "DescribeInstances")(r.cvm.DescribeInstances(filter)).Response
	if len(got.InstanceSet) != 1 || *got.InstanceSet[0].InstanceId != all[3].ID {
		t.Errorf("filtered: got %d, want the one", len(got.InstanceSet))
	}
}
