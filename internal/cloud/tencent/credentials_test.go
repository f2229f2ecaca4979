package tencent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/tencent/faketencent"
)

const roleARN = "qcs::cam::uin/200000000002:roleName/stint"

// lender is a cloud of two accounts; the second lends its role to the first.
func lender(externalID string) []faketencent.Login {
	return []faketencent.Login{
		{UIN: faketencent.UIN, Keys: map[string]string{faketencent.SecretID: faketencent.SecretKey}},
		{UIN: "200000000002", Keys: map[string]string{"AKIDOTHER": "other"}, Roles: map[string]faketencent.Role{
			"stint": {Trusts: []string{faketencent.UIN}, ExternalID: externalID},
			"pod":   {WebToken: "from the cluster"},
		}},
	}
}

func getenv(m map[string]string) func(string) string { return func(k string) string { return m[k] } }

func files(m map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if text, ok := m[name]; ok {
			return []byte(text), nil
		}
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
}

const credentialsFile = "# two\n[default]\nsecret_id = AKIDEXAMPLE\nsecret_key= example-secret-key\n[other]\n secret_id=AKIDOTHER\nsecret_key=other\n"

// TestWhereCredentialsComeFrom: each place alone, and the account that its key is of.
func TestWhereCredentialsComeFrom(t *testing.T) {
	f := faketencent.New(faketencent.Options{Accounts: lender("our word")})
	f.AddInstance(region, faketencent.NewInstance{Name: "first"})
	f.In("200000000002").AddInstance(region, faketencent.NewInstance{Name: "second"})
	home := map[string]string{"/home/u/.tencentcloud/credentials": credentialsFile, "/elsewhere": credentialsFile, "/token": "from the cluster\n"}
	nowhere := closedServer(t)
	for _, c := range []struct {
		name string
		conf Config
		env  map[string]string
		want string
	}{
		{"keys by value", Config{SecretID: "AKIDOTHER", SecretKey: "other"}, map[string]string{"TENCENTCLOUD_SECRET_ID": "x", "TENCENTCLOUD_SECRET_KEY": "y"}, "second"},
		{"environment", Config{}, map[string]string{"TENCENTCLOUD_SECRET_ID": "AKIDOTHER", "TENCENTCLOUD_SECRET_KEY": "other", "HOME": "/home/u"}, "second"},
		{"file", Config{}, map[string]string{"HOME": "/home/u"}, "first"},
		{"named file", Config{}, map[string]string{"TENCENTCLOUD_CREDENTIALS_FILE": "/elsewhere"}, "first"},
		{"profile", Config{Profile: "other"}, map[string]string{"HOME": "/home/u", "TENCENTCLOUD_SECRET_ID": "x", "TENCENTCLOUD_SECRET_KEY": "y"}, "second"},
		{"pod", Config{}, map[string]string{
			"TKE_WEB_IDENTITY_TOKEN_FILE": "/token", "TKE_PROVIDER_ID": "cluster", "TKE_ROLE_ARN": "qcs::cam::uin/200000000002:roleName/pod",
		}, "second"},
		{"role", Config{AssumeRole: roleARN, ExternalID: "our word"}, map[string]string{"HOME": "/home/u"}, "second"},
	} {
		c.conf.Getenv, c.conf.ReadFile, c.conf.Transport, c.conf.metadata = getenv(c.env), files(home), f.RoundTripper(), nowhere
		p := openWith(t, c.conf)
		page, err := p.Instances(t.Context(), cloud.Query{Region: region}, "")
		if err != nil || len(page.Items) != 1 || page.Items[0].Name != c.want {
			t.Errorf("%s: got %v and %v, want the instance of the %s account", c.name, page.Items, err, c.want)
		}
	}
}

// closedServer is an address at which nobody answers.
func closedServer(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return s.URL + "/"
}

// TestMachineRole: the role that is bound to a machine.
func TestMachineRole(t *testing.T) {
	f := faketencent.New(faketencent.Options{Accounts: lender("")})
	f.In("200000000002").AddInstance(region, faketencent.NewInstance{Name: "second"})
	var lent struct {
		TmpSecretId, TmpSecretKey, Token string
	}
	borrower := openWith(t, Config{SecretID: faketencent.SecretID, SecretKey: faketencent.SecretKey, AssumeRole: roleARN, Transport: f.RoundTripper()})
	k, err := borrower.keys.get(t.Context())
	if err != nil {
		t.Fatalf("taking the role on: got %v, want no error", err)
	}
	lent.TmpSecretId, lent.TmpSecretKey, lent.Token = k.id, k.secret, k.token
	code := "Success"
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/security-credentials/") {
			fmt.Fprint(w, "worker\n")
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{ // the client may be gone
			"Code": code, "TmpSecretId": lent.TmpSecretId, "TmpSecretKey": lent.TmpSecretKey, "Token": lent.Token, "ExpiredTime": k.until.Unix(),
		})
	}))
	defer machine.Close()
	p := openWith(t, Config{metadata: machine.URL + "/", Transport: f.RoundTripper()})
	page, err := p.Instances(t.Context(), cloud.Query{Region: region}, "")
	if err != nil || len(page.Items) != 1 {
		t.Errorf("Instances by the machine's role: got %v and %v, want one", page.Items, err)
	}
	code = "Failed"
	_, err = openWith(t, Config{metadata: machine.URL + "/", Transport: f.RoundTripper()}).Regions(t.Context())
	if cloud.ClassOf(err) != cloud.ErrDenied || !strings.Contains(err.Error(), `the role "worker"`) {
		t.Errorf("a machine's role without a key: got %v, want ErrDenied that names it", err)
	}
}

// TestTokenOfTheEnvironment: a lent key in the environment is nothing without its token, which has two names.
func TestTokenOfTheEnvironment(t *testing.T) {
	f := faketencent.New(faketencent.Options{Accounts: lender("")})
	lent, err := openWith(t, Config{SecretID: faketencent.SecretID, SecretKey: faketencent.SecretKey, AssumeRole: roleARN, Transport: f.RoundTripper()}).keys.get(t.Context())
	if err != nil {
		t.Fatalf("taking the role on: got %v, want no error", err)
	}
	for name, want := range map[string]error{"TENCENTCLOUD_SECURITY_TOKEN": nil, "TENCENTCLOUD_TOKEN": nil, "SOME_OTHER_TOKEN": cloud.ErrDenied} {
		env := map[string]string{"TENCENTCLOUD_SECRET_ID": lent.id, "TENCENTCLOUD_SECRET_KEY": lent.secret, name: lent.token}
		p := openWith(t, Config{Getenv: getenv(env), Transport: f.RoundTripper()})
		if id, err := p.Identity(t.Context()); cloud.ClassOf(err) != want || want == nil && id != partner {
			t.Errorf("Identity with %s: got %q and %v, want %s or %v", name, id, err, partner, want)
		}
	}
}

// TestRoleIsRenewedInTime: shortly before its end, and a renewal that fails is an error and no old key.
func TestRoleIsRenewedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faketencent.New(faketencent.Options{Accounts: lender("")})
		p := openWith(t, Config{SecretID: faketencent.SecretID, SecretKey: faketencent.SecretKey, AssumeRole: roleARN, Transport: f.RoundTripper()})
		look := func() error { _, err := p.Regions(t.Context()); return err }
		for step, want := range []struct {
			after time.Duration
			roles int
		}{{0, 1}, {time.Hour, 1}, {54 * time.Minute, 1}, {2 * time.Minute, 2}, {time.Hour, 2}} {
			time.Sleep(want.after)
			if err := look(); err != nil || f.Count("AssumeRole") != want.roles {
				t.Errorf("step %d: got %v and the role taken on %d times, want %d", step, err, f.Count("AssumeRole"), want.roles)
			}
		}
		f.SetFault(func(action string, _ int) *faketencent.Fault {
			if action == "AssumeRole" {
				return &faketencent.Fault{Code: "InternalError.SystemError"}
			}
			return nil
		})
		time.Sleep(56 * time.Minute)
		before := f.Count("DescribeRegions")
		err := look()
		if cloud.ClassOf(err) != cloud.ErrTransient || !strings.Contains(err.Error(), "signing in by STS") || f.Count("DescribeRegions") != before {
			t.Errorf("a renewal that fails: got %v and %d requests with the old key, want a transient error about STS and none", err, f.Count("DescribeRegions")-before)
		}
		f.SetFault(nil)
		if err := look(); err != nil {
			t.Errorf("once STS is well again: got %v, want no error", err)
		}
	})
}

// TestRevokedSession: a lent key that is taken back is not gone on with until its time is over.
func TestRevokedSession(t *testing.T) {
	f := faketencent.New(faketencent.Options{Accounts: lender("")})
	p := openWith(t, Config{SecretID: faketencent.SecretID, SecretKey: faketencent.SecretKey, AssumeRole: roleARN, Transport: f.RoundTripper()})
	if _, err := p.Regions(t.Context()); err != nil {
		t.Fatalf("Regions: got %v, want no error", err)
	}
	f.EndSessions()
	if _, err := p.Regions(t.Context()); cloud.ClassOf(err) != cloud.ErrDenied {
		t.Errorf("Regions with a key that was taken back: got %v, want ErrDenied", err)
	}
	if _, err := p.Regions(t.Context()); err != nil || f.Count("AssumeRole") != 2 {
		t.Errorf("Regions after that: got %v and the role taken on %d times, want no error and a new key", err, f.Count("AssumeRole"))
	}
}

// TestSignInProblems: one clear line that names the remedy for each.
func TestSignInProblems(t *testing.T) {
	f := faketencent.New(faketencent.Options{Accounts: lender("secret word")})
	nowhere := closedServer(t)
	keys := Config{SecretID: faketencent.SecretID, SecretKey: faketencent.SecretKey}
	role := func(arn, external string) Config {
		c := keys
		c.AssumeRole, c.ExternalID = arn, external
		return c
	}
	for _, c := range []struct {
		name  string
		conf  Config
		env   map[string]string
		class error
		want  string
	}{
		{"none", Config{}, nil, cloud.ErrDenied, "no credentials: neither the environment, the credentials file, the pod nor the machine has any; set keys, a profile or a role"},
		{"half", Config{}, map[string]string{"TENCENTCLOUD_SECRET_ID": "x"}, cloud.ErrDenied, "TENCENTCLOUD_SECRET_ID needs TENCENTCLOUD_SECRET_KEY"},
		{"no such profile", Config{Profile: "nobody"}, map[string]string{"HOME": "/home/u"}, cloud.ErrDenied, "the section [nobody]"},
		{"no such file", Config{Profile: "nobody"}, map[string]string{"HOME": "/nowhere"}, cloud.ErrDenied, "profile nobody: open /nowhere"},
		{"wrong id", Config{SecretID: "AKIDWRONG", SecretKey: "x"}, nil, cloud.ErrDenied, "(AuthFailure.SecretIdNotFound)"},
		{"wrong key", Config{SecretID: faketencent.SecretID, SecretKey: "x"}, nil, cloud.ErrDenied, "check the account's secret key"},
		{"token of nothing", Config{SecretID: faketencent.SecretID, SecretKey: faketencent.SecretKey, Token: "x"}, nil, cloud.ErrDenied, "renew the temporary credentials"},
		{"wrong external id", role(roleARN, "guess"), nil, cloud.ErrDenied, "signing in by STS: "},
		{"wrong external id", role(roleARN, "guess"), nil, cloud.ErrDenied, "check assume-role, whom the role trusts, and its external id"},
		{"no such role", role("qcs::cam::uin/200000000002:roleName/nobody", ""), nil, cloud.ErrDenied, "(ResourceNotFound.RoleNotFound)"},
	} {
		c.conf.Getenv, c.conf.Transport, c.conf.metadata = getenv(c.env), f.RoundTripper(), nowhere
		c.conf.ReadFile = files(map[string]string{"/home/u/.tencentcloud/credentials": credentialsFile})
		_, err := openWith(t, c.conf).Regions(t.Context())
		if cloud.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %v in one line with %q", c.name, err, c.class, c.want)
		}
		if ce, ok := errors.AsType[*cloud.Error](err); !ok || ce.Code == "" {
			t.Errorf("%s: got %#v, want a *cloud.Error with a code", c.name, err)
		}
	}
}

// TestClockThatIsOff: the cloud's own code, and what to do.
func TestClockThatIsOff(t *testing.T) {
	f := faketencent.New(faketencent.Options{Now: func() time.Time { return time.Now().Add(6 * time.Minute) }})
	_, err := open(t, f).Regions(t.Context())
	if cloud.ClassOf(err) != cloud.ErrDenied || !strings.Contains(err.Error(), "AuthFailure.SignatureExpire") || !strings.Contains(err.Error(), "set this machine's clock") {
		t.Errorf("a clock six minutes off: got %v, want ErrDenied with the code and the remedy", err)
	}
}

// TestOpenRefuses: what cannot be right is said before anything is called, and no verb prints a key.
func TestOpenRefuses(t *testing.T) {
	for _, c := range []Config{
		{SecretID: "a"}, {SecretKey: "b"}, {Endpoint: "cvm.example.com"}, {Endpoint: "ftp://x"}, {Endpoint: "https://u:p@x"}, {Endpoint: "https://x?y=z"},
	} {
		if _, err := Open(t.Context(), c); err == nil {
			t.Errorf("Open(%+v): got no error, want one", c)
		}
	}
	c := Config{Account: "games", SecretID: "AKIDSECRET", SecretKey: "very-secret", Token: "token-secret"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, c); strings.Contains(got, "SECRET") || strings.Contains(got, "secret-") || strings.Contains(got, "very-") || strings.Contains(got, "token-") {
			t.Errorf("%s of a Config: got %q, want no key in it", verb, got)
		}
	}
}
