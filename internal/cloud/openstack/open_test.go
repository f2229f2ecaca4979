package openstack

import (
	"context"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func TestOpenAsksNothingOfTheNetwork(t *testing.T) {
	s := newStub(t, nil)
	s.open(t, nil)
	if n := s.logins(); n != 0 {
		t.Errorf("Open: got %d logins, want none before the first call", n)
	}
}

func TestOpenComplains(t *testing.T) {
	t.Setenv("OS_CLOUD", "")
	t.Setenv("OS_AUTH_URL", "")
	good := cloudsYAML(t, "http://example.com", stubPassword, "")
	broken := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(broken, []byte("clouds:\n  lab: very-secret-thing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	noDomain := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(noDomain, []byte("clouds: {lab: {auth: {auth_url: 'http://example.com/v3', username: alice, password: very-secret-thing, project_name: web}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		cfg  Config
		want string
	}{
		{"a cloud that is not in the file", Config{Account: "shop", Cloud: "absent", CloudsYAML: good}, `"absent"`},
		{"a file that is not there", Config{Account: "shop", Cloud: "lab", CloudsYAML: good + ".nope"}, "no such file"},
		{"nothing at all", Config{Account: "shop"}, "clouds-yaml"},
		{"a file that is not right", Config{Account: "shop", Cloud: "lab", CloudsYAML: broken}, "`…`"},
		{"a user without domain", Config{Account: "shop", Cloud: "lab", CloudsYAML: noDomain}, "Domain"},
	} {
		_, err := Open(t.Context(), c.cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "shop") {
			t.Errorf("Open of %s: got %v, want an error with the account and %q", c.what, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "very-secret") {
			t.Errorf("Open of %s: got %v, want the secret left out", c.what, err)
		}
	}
}

// An openrc file names the domains of user and project apart, which gophercloud's own reader does not know.
func TestOpenFromEnvironment(t *testing.T) {
	s := newStub(t, nil)
	for k, v := range map[string]string{
		"OS_CLOUD": "", "OS_AUTH_URL": s.URL + "/v3", "OS_USERNAME": "alice", "OS_PASSWORD": stubPassword, "OS_PROJECT_NAME": "web",
		"OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default", "OS_REGION_NAME": "north", "OS_INTERFACE": "public",
	} {
		t.Setenv(k, v)
	}
	p, err := Open(t.Context(), Config{Account: "lab"})
	if err != nil {
		t.Fatalf("Open from the environment: got %v, want no error", err)
	}
	t.Cleanup(p.Close)
	if got, err := p.Regions(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("Regions(): got %v and %v, want two", got, err)
	}
	t.Setenv("OS_PROJECT_NAME", "")
	if _, err := Open(t.Context(), Config{Account: "lab"}); err == nil || !strings.Contains(err.Error(), "OS_PROJECT_NAME") {
		t.Errorf("Open without a project: got %v, want a complaint that names OS_PROJECT_NAME", err)
	}
}

// The file's own region counts, not that of the shell which happens to be set up for another cloud.
func TestOpenIgnoresTheShellForNamedClouds(t *testing.T) {
	s := newStub(t, nil)
	t.Setenv("OS_REGION_NAME", "elsewhere")
	t.Setenv("OS_INTERFACE", "internal")
	p := s.open(t, func(c *Config) {
		c.CloudsYAML = cloudsYAML(t, s.URL, stubPassword, "    region_name: north\n")
	})
	if r, err := p.in(t.Context(), "test", cloud.Ref{}); err != nil || r.id != "north" {
		t.Errorf("default region: got %v and %v, want north of clouds.yaml", r, err)
	}
}

func TestOpenHonoursTLSSettings(t *testing.T) {
	inner := newStub(t, nil)
	s := httptest.NewTLSServer(inner)
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for more, want := range map[string]error{"": cloud.ErrTransient, "    cacert: " + ca + "\n": nil, "    verify: false\n": nil} {
		p, err := Open(t.Context(), Config{Account: "lab", Cloud: "lab", CloudsYAML: cloudsYAML(t, s.URL, stubPassword, more)})
		if err != nil {
			t.Fatalf("Open with %q: got %v, want no error", more, err)
		}
		if _, err = p.Regions(t.Context()); cloud.ClassOf(err) != want {
			t.Errorf("Regions() with %q in clouds.yaml: got %v, want class %v", more, err, want)
		}
		p.Close()
	}
}

func TestRegionsAreThoseOfTheCatalogForOurInterface(t *testing.T) {
	s := newStub(t, nil)
	got, err := s.open(t, nil).Regions(t.Context())
	if err != nil || !slices.Equal(got, []cloud.Region{{ID: "east"}, {ID: "north"}}) {
		t.Errorf("Regions(): got %v and %v, want east and north", got, err)
	}
}

func TestRegionThatIsNotThereIsNeverNotFound(t *testing.T) {
	s := newStub(t, nil)
	p := s.open(t, nil)
	err := p.DeleteImage(t.Context(), cloud.Ref{Account: "lab", Region: "nort", Kind: cloud.KindImage, ID: "i1"})
	if !errors.Is(err, cloud.ErrUnsupported) || !strings.Contains(err.Error(), "east, north") {
		t.Errorf("DeleteImage in a region that is not there: got %v, want ErrUnsupported that names the regions: ErrNotFound would read as deleted", err)
	}
	if _, err := p.Disks(t.Context(), cloud.Query{Region: "east"}, ""); !errors.Is(err, cloud.ErrUnsupported) {
		t.Errorf("Disks in a region without volumes: got %v, want ErrUnsupported", err)
	}
}

func TestLoginRefused(t *testing.T) {
	s := newStub(t, nil)
	wrong := "wrong-horse-battery"
	p := s.open(t, func(c *Config) { c.CloudsYAML = cloudsYAML(t, s.URL, wrong, "") })
	_, err := p.Instances(t.Context(), north, "")
	var e *cloud.Error
	if !errors.As(err, &e) || e.Class != cloud.ErrDenied || e.Op != "instance.list" || e.Code != "401" {
		t.Fatalf("Instances with a wrong password: got %#v, want ErrDenied, 401, of instance.list", err)
	}
	for _, want := range []string{"alice", "check", "expired"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Instances with a wrong password: got %q, want %q in it", err, want)
		}
	}
	if strings.Contains(err.Error(), wrong) {
		t.Errorf("Instances with a wrong password: got %q, want the password left out", err)
	}
	if n := s.logins(); n != 1 {
		t.Errorf("logins: got %d, want one attempt", n)
	}
}

func TestLoginOfNoProject(t *testing.T) {
	s := newStub(t, nil)
	s.unscoped = true
	if _, err := s.open(t, nil).Regions(t.Context()); !errors.Is(err, cloud.ErrDenied) || !strings.Contains(err.Error(), "project_name") {
		t.Errorf("Regions() with credentials of no project: got %v, want ErrDenied with what to do", err)
	}
}

func TestLoginUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	_ = l.Close()
	p, err := Open(t.Context(), Config{Account: "lab", Cloud: "lab", CloudsYAML: cloudsYAML(t, address, stubPassword, "")})
	if err != nil {
		t.Fatalf("Open: got %v, want no error: nothing is asked of the network", err)
	}
	if _, err := p.Regions(t.Context()); !errors.Is(err, cloud.ErrTransient) || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("Regions() of a cloud that is away: got %v, want ErrTransient", err)
	}
}

func TestLoginAtTheWrongAddress(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	p, err := Open(t.Context(), Config{Account: "lab", Cloud: "lab", CloudsYAML: cloudsYAML(t, s.URL, stubPassword, "")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Regions(t.Context()); cloud.ClassOf(err) != nil || err == nil || !strings.Contains(err.Error(), "/v3") {
		t.Errorf("Regions() at an address without identity service: got %v, want no class and a hint at /v3", err)
	}
}

// Many callers, one login; and the one who makes it may give up without taking the others with him.
func TestLoginIsShared(t *testing.T) {
	s := newStub(t, map[string]http.HandlerFunc{"GET " + serversPath + "/detail": says(200, nil, `{"servers": []}`)})
	first := make(chan struct{})
	var held atomic.Bool
	gate := roundTripper(func(req *http.Request) (*http.Response, error) {
		if held.CompareAndSwap(false, true) { // the very first request of all, which is the login
			close(first)
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
		return http.DefaultTransport.RoundTrip(req)
	})
	p := s.open(t, func(c *Config) { c.HTTPClient = &http.Client{Transport: gate} })
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() {
		_, err := p.Instances(ctx, north, "")
		gaveUp <- err
	}()
	<-first
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		w := &waiting{Context: t.Context(), begun: make(chan struct{})}
		wg.Go(func() { _, errs[i] = p.Instances(w, north, "") })
		<-w.begun
	}
	cancel()
	wg.Wait()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller who gave up: got %v, want context.Canceled", err)
	}
	for i, err := range errs {
		if err != nil {
			t.Errorf("caller %d: got %v, want no error", i, err)
		}
	}
	if n := s.logins(); n != 1 {
		t.Errorf("logins that reached the cloud: got %d, want 1", n)
	}
}

// What the cloud says to the one who logs in holds for all who wait: twenty wrong passwords would lock the user out.
func TestLoginFailsForAllAtOnce(t *testing.T) {
	s := newStub(t, nil)
	s.refuse = true
	leads := make(chan int, 1)
	release := make(chan struct{})
	gate := roundTripper(func(req *http.Request) (*http.Response, error) {
		select {
		case leads <- req.Context().Value(callerKey{}).(int):
		default:
		}
		<-release
		return http.DefaultTransport.RoundTrip(req)
	})
	p := s.open(t, func(c *Config) { c.HTTPClient = &http.Client{Transport: gate} })
	var wg sync.WaitGroup
	errs, waits := make([]error, 20), make([]*waiting, 20)
	for i := range errs {
		waits[i] = &waiting{Context: context.WithValue(t.Context(), callerKey{}, i), begun: make(chan struct{})}
		wg.Go(func() { _, errs[i] = p.Regions(waits[i]) })
	}
	leader := <-leads
	for i, w := range waits {
		if i != leader {
			<-w.begun
		}
	}
	close(release)
	wg.Wait()
	for i, err := range errs {
		if !errors.Is(err, cloud.ErrDenied) {
			t.Errorf("caller %d: got %v, want ErrDenied", i, err)
		}
	}
	if n := s.logins(); n != 1 {
		t.Errorf("logins with a wrong password: got %d, want 1", n)
	}
}

type callerKey struct{}

// waiting is a context that tells when somebody begins to wait for its end.
type waiting struct {
	context.Context
	once  sync.Once
	begun chan struct{}
}

// Done tells.
func (w *waiting) Done() <-chan struct{} {
	w.once.Do(func() { close(w.begun) })
	return w.Context.Done()
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A token that has expired is renewed once, without the caller noticing; one that is refused anew is an error.
func TestLoginAgain(t *testing.T) {
	for _, c := range []struct {
		what   string
		accept string
		refuse bool
		want   error
		logins int
	}{
		{"the second token is good", "token-2", false, nil, 2},
		{"no token is good", "none", false, cloud.ErrDenied, 2},
		{"the password has been changed", "none", true, cloud.ErrDenied, 2},
	} {
		s := newStub(t, nil)
		s.handlers = map[string]http.HandlerFunc{"GET " + serversPath + "/detail": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Auth-Token") != c.accept {
				says(401, nil, `{"error": {"message": "token expired"}}`)(w, r)
				return
			}
			says(200, nil, `{"servers": []}`)(w, r)
		}}
		p := s.open(t, nil)
		if _, err := p.Regions(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.refuse = c.refuse
		_, err := p.Instances(t.Context(), north, "")
		if cloud.ClassOf(err) != c.want || s.logins() != c.logins {
			t.Errorf("%s: got %v after %d logins, want class %v after %d", c.what, err, s.logins(), c.want, c.logins)
		}
	}
}
