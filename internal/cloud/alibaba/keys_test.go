package alibaba

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/alibaba/fakealibaba"
)

const (
	role      = "acs:ram::5555666677778888:role/stint"
	onlyASpan = 2 * time.Hour
)

// machine is what the chain finds around it.
func machine(env map[string]string, files map[string]string) Config {
	return Config{
		Env: func(name string) string { return env[name] },
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, os.ErrNotExist
		},
	}
}

// seenBy gives the access key and the token that requests of ECS come with.
func seenBy(t *testing.T, c Config, rt http.RoundTripper) (key, token string, err error) {
	t.Helper()
	p := openWith(t, c, transport(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "ecs.example.com" {
			return rt.RoundTrip(r)
		}
		get := func(name string) string {
			if v := r.Header[name]; len(v) == 1 {
				return v[0]
			}
			return r.Header.Get(name)
		}
		switch get("x-acs-action") {
		case "AssumeRole", "AssumeRoleWithOIDC":
			body, _ := io.ReadAll(r.Body)
			form, _ := url.ParseQuery(string(body))
			with := get("Authorization")
			if _, after, ok := strings.Cut(with, "Credential="); ok {
				with, _, _ = strings.Cut(after, ",")
			}
			lent := strings.Trim(with+"+"+form.Get("RoleArn")+"+"+form.Get("ExternalId")+"+"+form.Get("OIDCToken"), "+")
			ends := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
			return respond(r, 200, fmt.Sprintf(`{"RequestId":"R","Credentials":{"AccessKeyId":%q,"AccessKeySecret":"x","SecurityToken":"lent","Expiration":%q}}`, lent, ends)), nil
		}
		_, after, _ := strings.Cut(get("Authorization"), "Credential=")
		key, _, _ = strings.Cut(after, ",")
		token = get("x-acs-security-token")
		return respond(r, 200, `{"RequestId":"R","Regions":{"Region":[]}}`), nil
	}))
	_, err = p.Regions(t.Context())
	return key, token, err
}

// TestChain: where keys come from, and which place wins.
func TestChain(t *testing.T) {
	const cli, ini = "/home/a/.aliyun/config.json", "/home/a/.alibabacloud/credentials"
	files := map[string]string{
		cli: `{"current":"main","profiles":[
			{"name":"main","mode":"AK","access_key_id":"CLIMAIN","access_key_secret":"x"},
			{"name":"sts","mode":"StsToken","access_key_id":"CLISTS","access_key_secret":"x","sts_token":"T"},
			{"name":"role","mode":"RamRoleArn","access_key_id":"CLIROLE","access_key_secret":"x","ram_role_arn":"R1"},
			{"name":"chained","mode":"ChainableRamRoleArn","source_profile":"role","ram_role_arn":"R2"},
			{"name":"loop","mode":"ChainableRamRoleArn","source_profile":"loop","ram_role_arn":"R2"},
			{"name":"lost","mode":"ChainableRamRoleArn","source_profile":"nowhere","ram_role_arn":"R2"},
			{"name":"half","mode":"AK","access_key_id":"CLIHALF"},
			{"name":"odd","mode":"CloudSSO"}]}`,
		ini: "# mine\n[default]\ntype = access_key\naccess_key_id = INIDEFAULT\naccess_key_secret = x\n\n" +
			"[other]\ntype=sts\naccess_key_id=INIOTHER\naccess_key_secret=x\nsecurity_token=T\n[off]\nenable=false\n",
		"/token": "oidc-token\n",
	}
	home := map[string]string{"HOME": "/home/a", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
	with := func(more ...string) map[string]string {
		out := map[string]string{}
		for k, v := range home {
			out[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	for name, c := range map[string]struct {
		env        map[string]string
		files      map[string]string
		profile    string
		key, token string
		says       string
	}{
		"environment":            {with("ALIBABA_CLOUD_ACCESS_KEY_ID", "ENV", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "x", "ALIBABA_CLOUD_SECURITY_TOKEN", "T"), files, "", "ENV", "T", ""},
		"half the environment":   {with("ALIBABA_CLOUD_ACCESS_KEY_ID", "ENV"), files, "", "", "", "only one of"},
		"OIDC before files":      {with("ALIBABA_CLOUD_ROLE_ARN", "R", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "P", "ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/token"), files, "", "R++oidc-token", "lent", ""},
		"OIDC without its token": {with("ALIBABA_CLOUD_ROLE_ARN", "R", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "P", "ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/gone"), files, "", "", "", "OIDC token"},
		"the CLI's current":      {home, files, "", "CLIMAIN", "", ""},
		"the CLI's by variable":  {with("ALIBABA_CLOUD_PROFILE", "sts"), files, "", "CLISTS", "T", ""},
		"a profile":              {with("ALIBABA_CLOUD_ACCESS_KEY_ID", "ENV", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "x"), files, "sts", "CLISTS", "T", ""},
		"a profile with a role":  {home, files, "role", "CLIROLE+R1", "lent", ""},
		"one on another":         {home, files, "chained", "CLIROLE+R1+R2", "lent", ""},
		"one on itself":          {home, files, "loop", "", "", "stands on itself"},
		"one on nothing":         {home, files, "lost", "", "", `no profile "nowhere"`},
		"a profile in halves":    {home, files, "half", "", "", "not whole"},
		"a mode of tomorrow":     {home, files, "odd", "", "", `mode "CloudSSO"`},
		"a profile of the file":  {home, files, "other", "INIOTHER", "T", ""},
		"no such profile":        {home, files, "nobody", "", "", `no profile "nobody"`},
		"the file alone":         {home, map[string]string{ini: files[ini]}, "", "INIDEFAULT", "", ""},
		"the file elsewhere":     {with("ALIBABA_CLOUD_CREDENTIALS_FILE", "/etc/keys"), map[string]string{"/etc/keys": files[ini]}, "", "INIDEFAULT", "", ""},
		"a broken file":          {home, map[string]string{cli: "{"}, "", "", "", "not the JSON"},
		"nothing at all":         {home, nil, "", "", "", "ALIBABA_CLOUD_ACCESS_KEY_ID"},
	} {
		conf := machine(c.env, c.files)
		conf.Profile = c.profile
		key, token, err := seenBy(t, conf, nil)
		switch {
		case c.says == "" && (err != nil || key != c.key || token != c.token):
			t.Errorf("%s: requests come with %q and token %q (%v), want %q and %q", name, key, token, err, c.key, c.token)
		case c.says != "" && (!errors.Is(err, cloud.ErrDenied) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: got %v, want one line of ErrDenied with %q", name, err, c.says)
		}
	}
}

// TestInstanceRole and the credentials URI: asked for as the vendor's tools do.
func TestInstanceRole(t *testing.T) {
	keys := fmt.Sprintf(`{"Code":"Success","AccessKeyId":"ROLE","AccessKeySecret":"x","SecurityToken":"T","Expiration":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	meta := transport(func(r *http.Request) (*http.Response, error) {
		path := r.Method + " " + r.URL.String()
		if r.Method == http.MethodGet && strings.HasPrefix(r.URL.String(), metadata) && r.Header.Get("X-Aliyun-Ecs-Metadata-Token") != "TOKEN" {
			return respond(r, 403, ""), nil
		}
		switch path {
		case "PUT " + metadata + "api/token":
			return respond(r, 200, "TOKEN"), nil
		case "GET " + metadata + "meta-data/ram/security-credentials/":
			return respond(r, 200, "my-role\n"), nil
		case "GET " + metadata + "meta-data/ram/security-credentials/my-role", "GET http://keys.example.com/":
			return respond(r, 200, keys), nil
		case "GET " + metadata + "meta-data/ram/security-credentials/other":
			return respond(r, 404, ""), nil
		}
		return nil, errors.New("no route")
	})
	for name, c := range map[string]struct {
		env  map[string]string
		rt   http.RoundTripper
		says string
	}{
		"the role of the instance": {nil, meta, ""},
		"a role by name":           {map[string]string{"ALIBABA_CLOUD_ECS_METADATA": "my-role"}, meta, ""},
		"a role that it has not":   {map[string]string{"ALIBABA_CLOUD_ECS_METADATA": "other"}, meta, "role other"},
		"a URI":                    {map[string]string{"ALIBABA_CLOUD_CREDENTIALS_URI": "http://keys.example.com/"}, meta, ""},
		"a URI that says nothing":  {map[string]string{"ALIBABA_CLOUD_CREDENTIALS_URI": "http://keys.example.com/no"}, meta, "ALIBABA_CLOUD_CREDENTIALS_URI"},
		"not on an instance":       {nil, transport(func(*http.Request) (*http.Response, error) { return nil, context.DeadlineExceeded }), "none are configured"},
	} {
		key, token, err := seenBy(t, machine(c.env, nil), c.rt)
		if c.says == "" && (err != nil || key != "ROLE" || token != "T") {
			t.Errorf("%s: requests come with %q and %q (%v), want the role's keys", name, key, token, err)
		}
		if c.says != "" && (!errors.Is(err, cloud.ErrDenied) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: got %v, want ErrDenied with %q", name, err, c.says)
		}
	}
}

// accounts are two at one address, of which the second has a role that the first may assume.
func accounts(o fakealibaba.Options) (ours, theirs *fakealibaba.Fake, rt http.RoundTripper) {
	ours = fakealibaba.New(o)
	o.Account, o.Seed, o.Keys, o.Roles = partner, 1, map[string]string{"LTAIPARTNER": "s"}, map[string]string{role: "from-us"}
	theirs = fakealibaba.New(o)
	return ours, theirs, fakealibaba.Transport(ours, theirs)
}

// TestAssumeRoleAcrossAccounts: what is seen is the other account's; a wrong external id says so.
func TestAssumeRoleAcrossAccounts(t *testing.T) {
	ours, theirs, rt := accounts(fakealibaba.Options{})
	ours.AddInstance(region, fakealibaba.NewInstance{})
	want := theirs.AddInstance(region, fakealibaba.NewInstance{})
	conf := Config{AccessKey: fakealibaba.AccessKey, SecretKey: fakealibaba.SecretKey, AssumeRole: role, ExternalID: "from-us"}
	p := openWith(t, conf, rt)
	got := every(t, cloud.NewClient(account, p).Instances(t.Context(), cloud.Query{Region: region}))
	if len(got) != 1 || got[0].Ref.ID != want {
		t.Errorf("as a role of the other account: got %v, want %s alone", got, want)
	}
	if id, err := p.Identity(t.Context()); err != nil || id != partner {
		t.Errorf("Identity as a role of the other account: got %q, %v; want %s", id, err, partner)
	}
	if n := ours.Count("AssumeRole"); n != 1 {
		t.Errorf("the role was assumed %d times, want once", n)
	}
	conf.ExternalID = "wrong"
	_, err := openWith(t, conf, rt).Regions(t.Context())
	e, ok := errors.AsType[*cloud.Error](err)
	if !ok || e.Class != cloud.ErrDenied || e.Code != "NoPermission" || !strings.Contains(err.Error(), "assuming the role") || e.Op != "region.list" {
		t.Errorf("with a wrong external id: got %v, want ErrDenied of NoPermission about the role", err)
	}
	conf.AssumeRole = "acs:ram::9999000099990000:role/nobody"
	if _, err := openWith(t, conf, rt).Regions(t.Context()); !errors.Is(err, cloud.ErrDenied) || !strings.Contains(err.Error(), "assume-role") {
		t.Errorf("a role that is not there: got %v, want ErrDenied that names assume-role", err)
	}
}

// TestKeysAreRenewedInTime, and what cannot be renewed is an error though the old keys would do a little longer.
func TestKeysAreRenewedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, _, rt := accounts(fakealibaba.Options{})
		p := openWith(t, Config{AccessKey: fakealibaba.AccessKey, SecretKey: fakealibaba.SecretKey, AssumeRole: role, ExternalID: "from-us"}, rt)
		ask := func() error { _, err := p.Regions(t.Context()); return err }
		began := time.Now()
		for time.Since(began) < onlyASpan {
			if err := ask(); err != nil {
				t.Fatalf("after %v: got %v, want keys that are renewed in time", time.Since(began), err)
			}
			time.Sleep(3 * time.Minute)
		}
		if n := ours.Count("AssumeRole"); n != 3 {
			t.Errorf("in %v the role was assumed %d times, want 3", onlyASpan, n)
		}
		time.Sleep(time.Hour) // so that the keys are new
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		ours.SetFault(func(action string, _ int) *fakealibaba.Fault {
			if action == "AssumeRole" {
				return &fakealibaba.Fault{Code: "ServiceUnavailable", HTTPStatus: 503}
			}
			return nil
		})
		time.Sleep(time.Hour - renewBefore + time.Second) // they are good for five minutes still
		if err := ask(); !errors.Is(err, cloud.ErrTransient) || !strings.Contains(err.Error(), "assuming the role") {
			t.Errorf("with keys that cannot be renewed: got %v, want ErrTransient about the role", err)
		}
		ours.SetFault(nil)
		if err := ask(); err != nil {
			t.Errorf("once STS answers again: got %v, want no error", err)
		}
	})
}

// TestKeysAreAskedForOnce by many at a time, and who goes away while another asks goes at once.
func TestKeysAreAskedForOnce(t *testing.T) {
	var asked atomic.Int32
	release := make(chan struct{})
	k := keep(sourceFunc(func(context.Context) (keys, error) {
		asked.Add(1)
		<-release
		return keys{id: "a", ends: time.Now().Add(time.Hour)}, nil
	}))
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if got, err := k.keys(t.Context()); err != nil || got.id != "a" {
				t.Errorf("keys: got %+v, %v; want those", got, err)
			}
		})
	}
	for asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.keys(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("keys under a cancelled context while another asks: got %v, want context.Canceled", err)
	}
	close(release)
	wg.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("the source was asked %d times, want once", n)
	}
}

type sourceFunc func(context.Context) (keys, error)

func (f sourceFunc) keys(ctx context.Context) (keys, error) { return f(ctx) }

// TestSignInTrouble is said in one line with what to do, and without a secret.
func TestSignInTrouble(t *testing.T) {
	late := func() time.Time { return time.Now().Add(20 * time.Minute) }
	early := func() time.Time { return time.Now().Add(-20 * time.Minute) }
	for name, c := range map[string]struct {
		key, secret string
		o           fakealibaba.Options
		code, says  string
	}{
		"unknown key":  {"LTAIUNKNOWN", "hush-hush", fakealibaba.Options{}, "InvalidAccessKeyId.NotFound", "access key"},
		"wrong secret": {fakealibaba.AccessKey, "hush-hush", fakealibaba.Options{}, "SignatureDoesNotMatch", "secret key"},
		"clock behind": {fakealibaba.AccessKey, fakealibaba.SecretKey, fakealibaba.Options{Now: late}, "InvalidTimeStamp.Expired", "clock"},
		"clock ahead":  {fakealibaba.AccessKey, fakealibaba.SecretKey, fakealibaba.Options{Now: early}, "InvalidTimeStamp.Expired", "clock"},
	} {
		p := openWith(t, Config{AccessKey: c.key, SecretKey: c.secret}, fakealibaba.New(c.o).RoundTripper())
		_, err := p.Snapshots(t.Context(), cloud.Query{Region: region}, "")
		e, ok := errors.AsType[*cloud.Error](err)
		if !ok || e.Class != cloud.ErrDenied || e.Code != c.code {
			t.Errorf("%s: got %v, want ErrDenied with code %q", name, err, c.code)
			continue
		}
		if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, c.says) || strings.Contains(text, "hush") || strings.Contains(text, fakealibaba.SecretKey) {
			t.Errorf("%s: text is %q, want one line that speaks of %q and holds no secret", name, text, c.says)
		}
	}
	if _, err := Open(t.Context(), Config{Account: account, AccessKey: "a"}); err == nil {
		t.Error("Open with half a key: got no error, want one")
	}
}

// TestManyAtOnce: thirty goroutines use one client; the race detector watches.
func TestManyAtOnce(t *testing.T) {
	ours, theirs, rt := accounts(fakealibaba.Options{MaxUnfinished: 1000})
	_ = ours
	theirs.AddInstances(region, 30, 2, nil)
	disks := theirs.Disks(region)
	p := openWith(t, Config{AccessKey: fakealibaba.AccessKey, SecretKey: fakealibaba.SecretKey, AssumeRole: role, ExternalID: "from-us"}, rt)
	client := cloud.NewClient(account, p)
	var wg sync.WaitGroup
	for n := range 30 {
		wg.Go(func() {
			req := cloud.NewSnapshot{Region: region, Disk: disks[n].ID, Name: fmt.Sprintf("many-%d", n), Token: fmt.Sprint(n), Tags: cloud.Tags{{Key: "n", Value: fmt.Sprint(n)}}}
			made, err := client.CreateSnapshot(t.Context(), req)
			if err != nil || made.Disk != disks[n].ID || made.Tags.Value("n") != fmt.Sprint(n) {
				t.Errorf("CreateSnapshot %d at once with others: got %+v, %v; want its own", n, made, err)
			}
			seen := 0
			for _, err := range client.Instances(t.Context(), cloud.Query{Region: region}) {
				if err != nil {
					t.Errorf("Instances at once with others: %v", err)
				}
				seen++
			}
			if seen != 30 {
				t.Errorf("Instances at once with others: got %d, want 30", seen)
			}
		})
	}
	wg.Wait()
}
