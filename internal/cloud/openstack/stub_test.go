package openstack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

const (
	stubProject  = "0123456789abcdef0123456789abcdef"
	stubPassword = "correct-horse-battery"
)

// stub stands for all services of a small cloud: it logs people in, tells its versions, and answers the rest by the
// handlers that a test gives it, keyed by method and path such as "GET /compute/v2.1/servers/detail".
type stub struct {
	*httptest.Server
	t        *testing.T
	handlers map[string]http.HandlerFunc
	compute  string // its newest microversion; 2.93 when empty
	volume   string // its newest microversion; 3.70 when empty
	refuse   bool   // every login
	unscoped bool   // the token is of no project

	mu    sync.Mutex
	log   []string // method, path and query of all requests but logins and versions
	login int
}

func newStub(t *testing.T, handlers map[string]http.HandlerFunc) *stub {
	t.Helper()
	s := &stub{t: t, handlers: handlers, compute: "2.93", volume: "3.70"}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP answers.
func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Openstack-Request-Id", "req-stub")
	switch r.Method + " " + r.URL.Path {
	case "POST /v3/auth/tokens":
		s.token(w, r)
		return
	case "GET /compute/v2.1/":
		fmt.Fprintf(w, `{"version": {"id": "v2.1", "version": %q, "min_version": "2.1"}}`, s.compute)
		return
	case "GET /volume/v3/":
		fmt.Fprintf(w, `{"versions": [{"id": "v3.0", "version": %q, "min_version": "3.0"}]}`, s.volume)
		return
	}
	entry := r.Method + " " + r.URL.Path
	if r.URL.RawQuery != "" {
		entry += "?" + r.URL.RawQuery
	}
	s.mu.Lock()
	s.log = append(s.log, entry)
	s.mu.Unlock()
	if h := s.handlers[r.Method+" "+r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	s.t.Errorf("unexpected request %s", entry)
	http.Error(w, "unexpected", http.StatusTeapot)
}

func (s *stub) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.login++
	n := s.login
	s.mu.Unlock()
	var body any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || s.refuse || !strings.Contains(fmt.Sprint(body), stubPassword) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}}`)
		return
	}
	endpoint := func(kind, region, path string) string {
		return fmt.Sprintf(`{"type": %q, "name": %q, "endpoints": [{"interface": "public", "region": %q, "region_id": %q, "url": %q}, {"interface": "internal", "region": "inside", "region_id": "inside", "url": "http://internal.example.com"}]}`,
			kind, kind, region, region, s.URL+path)
	}
	w.Header().Set("X-Subject-Token", fmt.Sprintf("token-%d", n))
	w.WriteHeader(http.StatusCreated)
	if s.unscoped {
		fmt.Fprint(w, `{"token": {"expires_at": "2099-01-01T00:00:00.000000Z", "user": {"id": "u1", "name": "alice"}}}`)
		return
	}
	fmt.Fprintf(w, `{"token": {"expires_at": "2099-01-01T00:00:00.000000Z", "project": {"id": %q, "name": "web"}, "user": {"id": "u1", "name": "alice"}, "catalog": [%s]}}`,
		stubProject, strings.Join([]string{
			endpoint("compute", "north", "/compute/v2.1"), endpoint("volumev3", "north", "/volume/v3/"+stubProject),
			endpoint("image", "north", "/image"), endpoint("compute", "east", "/compute/v2.1"),
			endpoint("object-store", "attic", "/swift"),
		}, ","))
}

// requests are those since the last time.
func (s *stub) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.log
	s.log = nil
	return out
}

func (s *stub) logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.login
}

// cloudsYAML writes a file with an entry called lab.
func cloudsYAML(t *testing.T, url, password, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clouds.yaml")
	text := fmt.Sprintf("clouds:\n  lab:\n%s    auth: {auth_url: %q, username: alice, password: %q, project_name: web, user_domain_name: Default, project_domain_name: Default}\n",
		more, url+"/v3", password)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *stub) open(t *testing.T, change func(*Config)) *Provider {
	t.Helper()
	cfg := Config{Account: "lab", Cloud: "lab", CloudsYAML: cloudsYAML(t, s.URL, stubPassword, ""), PageSize: 2}
	if change != nil {
		change(&cfg)
	}
	p, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open(%+v): got %v, want no error", cfg, err)
	}
	t.Cleanup(p.Close)
	return p
}

func says(status int, header map[string]string, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

const (
	serversPath   = "/compute/v2.1/servers"
	volumePath    = "/volume/v3/" + stubProject
	snapshotsPath = volumePath + "/snapshots"
	imagesPath    = "/image/v2/images"
)

var north = cloud.Query{Region: "north"}

// things is a listing that pages by marker, as all services do it: it refuses a marker that is not there.
type things struct {
	mu    sync.Mutex
	kind  string // servers, snapshots, images …
	gone  int    // the status for a marker that is not there
	items []map[string]any
	fetch func(r *http.Request, item map[string]any) bool // which of them the query asks for; all when nil
}

// ServeHTTP gives a page.
func (l *things) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := r.URL.Query()
	start := 0
	if m := q.Get("marker"); m != "" {
		start = -1
		for i, item := range l.items {
			if item["id"] == m {
				start = i + 1
			}
		}
		if start < 0 {
			w.WriteHeader(l.gone)
			fmt.Fprintf(w, `{"itemNotFound": {"code": %d, "message": "marker [%s] not found"}}`, l.gone, m)
			return
		}
	}
	page, rest := []map[string]any{}, false
	for _, item := range l.items[start:] {
		if l.fetch != nil && !l.fetch(r, item) {
			continue
		}
		if fmt.Sprint(len(page)) == q.Get("limit") {
			rest = true
			break
		}
		page = append(page, item)
	}
	answer := map[string]any{l.kind: page}
	if rest {
		answer[l.kind+"_links"] = []map[string]string{{"rel": "next", "href": "http://example.com/next"}}
		answer["next"] = "/v2/images?marker=x"
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (l *things) remove(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, item := range l.items {
		if item["id"] == id {
			l.items = append(l.items[:i:i], l.items[i+1:]...)
			return
		}
	}
}

func serverJSON(id string, more map[string]any) map[string]any {
	return merge(map[string]any{"id": id, "name": id, "status": "ACTIVE", "tenant_id": stubProject, "created": "2026-01-02T03:04:05Z"}, more)
}

func snapshotJSON(id string, more map[string]any) map[string]any {
	return merge(map[string]any{
		"id": id, "name": id, "status": "available", "size": 3, "volume_id": "v1", "created_at": "2026-01-02T03:04:05.000000",
		"os-extended-snapshot-attributes:project_id": stubProject, "os-extended-snapshot-attributes:progress": "100%",
	}, more)
}

func imageJSON(id string, more map[string]any) map[string]any {
	return merge(map[string]any{"id": id, "name": id, "status": "active", "owner": stubProject, "size": 7, "created_at": "2026-01-02T03:04:05Z"}, more)
}

func merge(a, b map[string]any) map[string]any {
	for k, v := range b {
		a[k] = v
	}
	return a
}

// allPages reads a listing to its end, calling between after each page but the last.
func allPages[T any](t *testing.T, list func(string) (cloud.Page[T], error), ref func(T) cloud.Ref, between func(page int)) []string {
	t.Helper()
	var out []string
	cursor := ""
	for n := 1; n < 50; n++ {
		page, err := list(cursor)
		if err != nil {
			t.Fatalf("page %d (cursor %q): got %v, want no error", n, cursor, err)
		}
		for _, item := range page.Items {
			out = append(out, ref(item).ID)
		}
		if cursor = page.Next; cursor == "" {
			return out
		}
		if between != nil {
			between(n)
		}
	}
	t.Fatal("the listing does not end")
	return nil
}

var when = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
