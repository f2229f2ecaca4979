package fakealibaba

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	sdk "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/darabonba-openapi/v2/models"
	"github.com/alibabacloud-go/tea/dara"
)

const (
	here  = "cn-hangzhou"
	there = "cn-shanghai"
)

// user asks through the vendor's own client.
type user struct {
	t                  *testing.T
	rt                 http.RoundTripper
	key, secret, token string
	version            string
}

func as(t *testing.T, f *Fake) user {
	return user{t: t, rt: f.RoundTripper(), key: AccessKey, secret: SecretKey}
}

// Call lets the vendor's client send over the transport.
func (u user) Call(r *http.Request, _ *http.Transport) (*http.Response, error) {
	return (&http.Client{Transport: u.rt}).Do(r)
}

type args map[string]any

// try makes a request and gives the answer, or the code and the status of the refusal.
func (u user) try(action string, a args) (out map[string]any, code string, status int) {
	u.t.Helper()
	conf := &sdk.Config{
		Endpoint: dara.String("ecs.example.com"), Protocol: dara.String("HTTP"), HttpClient: u,
		AccessKeyId: dara.String(u.key), AccessKeySecret: dara.String(u.secret),
	}
	if u.token != "" {
		conf.SecurityToken = dara.String(u.token)
	}
	client, err := sdk.NewClient(conf)
	if err != nil {
		u.t.Fatal(err)
	}
	client.DisableSDKError = dara.Bool(true)
	version, auth := ecsVersion, "AK"
	switch action {
	case "AssumeRole", "GetCallerIdentity":
		version = stsVersion
	case "AssumeRoleWithOIDC":
		version, auth = stsVersion, "Anonymous"
	}
	if u.version != "" {
		version = u.version
	}
	params := &models.Params{
		Action: dara.String(action), Version: dara.String(version), Protocol: dara.String("HTTP"), Pathname: dara.String("/"), Method: dara.String("POST"),
		AuthType: dara.String(auth), Style: dara.String("RPC"), ReqBodyType: dara.String("formData"), BodyType: dara.String("json"),
	}
	res, err := client.CallApiWithCtx(u.t.Context(), params, &models.OpenApiRequest{Body: map[string]any(a)}, &dara.RuntimeOptions{})
	if err != nil {
		var refused interface {
			GetCode() *string
			GetStatusCode() *int
		}
		switch e := err.(type) {
		case *sdk.ClientError:
			refused = e
		case *sdk.ServerError:
			refused = e
		case *sdk.ThrottlingError:
			refused = e
		default:
			return nil, "no answer: " + err.Error(), 0
		}
		return nil, dara.StringValue(refused.GetCode()), dara.IntValue(refused.GetStatusCode())
	}
	b, err := json.Marshal(res["body"])
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil || out["RequestId"] == "" {
		u.t.Fatalf("%s: the answer is %v (%v), want one with a request id", action, res["body"], err)
	}
	return out, "", 200
}

// must makes a request that has to go well.
func (u user) must(action string, a args) map[string]any {
	u.t.Helper()
	out, code, _ := u.try(action, a)
	if code != "" {
		u.t.Fatalf("%s(%v): got %s, want no error", action, a, code)
	}
	return out
}

// refuse makes a request that has to be refused with the code.
func (u user) refuse(want, action string, a args) {
	u.t.Helper()
	if _, code, _ := u.try(action, a); code != want {
		u.t.Errorf("%s(%v): got %q, want %s", action, a, code, want)
	}
}

// list gives what stands under two words of an answer.
func list(out map[string]any, set, item string) []map[string]any {
	var all []map[string]any
	if s, ok := out[set].(map[string]any); ok {
		rows, _ := s[item].([]any)
		for _, r := range rows {
			m, _ := r.(map[string]any)
			all = append(all, m)
		}
	}
	return all
}

// clock is a time that a test moves on.
type clock struct{ now time.Time }

func newClock() *clock               { return &clock{time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)} }
func (c *clock) Now() time.Time      { return c.now }
func (c *clock) add(d time.Duration) { c.now = c.now.Add(d) }

// byHand signs nothing and lets any key in, so that a clock of its own does no harm.
func byHand(o Options, c *clock) *Fake {
	o.Now, o.AnyKey = c.Now, true
	return New(o)
}
