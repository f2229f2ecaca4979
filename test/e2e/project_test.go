package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
)

// project is a project of its own in a real OpenStack, made by the administrator and removed when the test ends.
type project struct {
	t       *testing.T
	clouds  string // a clouds.yaml whose cloud "rig" is this project's user
	flavor  string
	image   string
	compute *gophercloud.ServiceClient
	volume  *gophercloud.ServiceClient
	images  *gophercloud.ServiceClient
	cli     string
}

// rigFile is what is read of the rig's clouds.yaml.
type rigFile struct {
	Clouds map[string]struct {
		Auth struct {
			URL      string `yaml:"auth_url"`
			Username string `yaml:"username"`
			Password string `yaml:"password"`
			Project  string `yaml:"project_name"`
		} `yaml:"auth"`
		Region string `yaml:"region_name"`
	} `yaml:"clouds"`
}

// ask makes one request with the credentials of a service client. It may be made when the test's own context has ended.
func ask(c *gophercloud.ServiceClient, method string, body, out any, path ...string) error {
	opt := &gophercloud.RequestOpts{JSONBody: body, JSONResponse: out, OkCodes: []int{200, 201, 202, 203, 204}}
	if c.Microversion != "" {
		opt.MoreHeaders = map[string]string{"X-OpenStack-Nova-API-Version": c.Microversion}
	}
	r, err := c.Request(context.Background(), method, c.ServiceURL(path...), opt)
	if r != nil && out == nil {
		r.Body.Close()
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, strings.Join(path, "/"), err)
	}
	return nil
}

func gone(err error) bool { return gophercloud.ResponseCodeIs(err, http.StatusNotFound) }

func signIn(t *testing.T, auth gophercloud.AuthOptions) *gophercloud.ProviderClient {
	t.Helper()
	auth.AllowReauth = true
	c, err := openstack.AuthenticatedClient(t.Context(), auth)
	if err != nil {
		t.Fatalf("signing in at %s as %s: %v", auth.IdentityEndpoint, auth.Username, err)
	}
	return c
}

func newProject(t *testing.T) *project {
	t.Helper()
	p := &project{t: t, cli: program(t, "openstack", "python3-openstackclient")}
	raw, err := os.ReadFile(openstackClouds(t))
	if err != nil {
		t.Fatal(err)
	}
	var file rigFile
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatalf("the rig's clouds.yaml: %v", err)
	}
	root, ok := file.Clouds["admin"]
	if !ok {
		t.Fatal("the rig's clouds.yaml has no cloud called admin")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	admin := signIn(t, gophercloud.AuthOptions{
		IdentityEndpoint: root.Auth.URL, Username: root.Auth.Username, Password: root.Auth.Password, TenantName: root.Auth.Project, DomainName: "Default",
	})
	where := gophercloud.EndpointOpts{Region: root.Region}
	keystone, err := openstack.NewIdentityV3(admin, where)
	must(err)
	type id struct{ ID string }
	var made struct{ Project, User id }
	var roles struct {
		Roles []struct{ ID, Name string }
	}
	name := "stint-" + unique()
	must(ask(keystone, "POST", map[string]any{"project": map[string]any{"name": name}}, &made, "projects"))
	t.Cleanup(func() { p.check(ask(keystone, "DELETE", nil, nil, "projects", made.Project.ID)) })
	must(ask(keystone, "POST", map[string]any{"user": map[string]any{"name": name, "password": name}}, &made, "users"))
	t.Cleanup(func() { p.check(ask(keystone, "DELETE", nil, nil, "users", made.User.ID)) })
	must(ask(keystone, "GET", nil, &roles, "roles"))
	for _, r := range roles.Roles {
		if r.Name == "member" {
			must(ask(keystone, "PUT", nil, nil, "projects", made.Project.ID, "users", made.User.ID, "roles", r.ID))
		}
	}
	p.clouds = filepath.Join(t.TempDir(), "clouds.yaml")
	must(os.WriteFile(p.clouds, fmt.Appendf(nil,
		"clouds:\n  rig:\n    region_name: %s\n    identity_api_version: 3\n    auth:\n      auth_url: %s\n      username: %s\n      password: %s\n      project_id: %s\n      user_domain_name: Default\n",
		root.Region, root.Auth.URL, name, name, made.Project.ID), 0o600))
	user := signIn(t, gophercloud.AuthOptions{IdentityEndpoint: root.Auth.URL, Username: name, Password: name, TenantID: made.Project.ID, DomainName: "Default"})
	p.compute, err = openstack.NewComputeV2(user, where)
	must(err)
	p.compute.Microversion = "2.67"
	p.volume, err = openstack.NewBlockStorageV3(user, where)
	must(err)
	p.images, err = openstack.NewImageV2(user, where)
	must(err)
	t.Cleanup(p.empty)

	var flavors struct {
		Flavors []struct{ ID, Name string }
	}
	must(ask(p.compute, "GET", nil, &flavors, "flavors"))
	for _, f := range flavors.Flavors {
		if f.Name == "m1.tiny" {
			p.flavor = f.ID
		}
	}
	var images struct {
		Images []struct{ ID, Name string }
	}
	must(ask(p.images, "GET", nil, &images, "images"))
	for _, i := range images.Images {
		if i.Name == "debian-12" {
			p.image = i.ID
		}
	}
	if p.flavor == "" || p.image == "" {
		t.Fatal("the cloud has no flavor m1.tiny or no image debian-12: run the rig's seed")
	}
	return p
}

// check notes what went wrong in cleaning up; that something is gone already is no harm.
func (p *project) check(err error) {
	if err != nil && !gone(err) {
		p.t.Errorf("cleaning up: %v", err)
	}
}

// thing is a server, an image, a volume or a snapshot, as far as a story asks.
type thing struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Status   string            `json:"status"`
	Volume   string            `json:"volume_id"`
	Metadata map[string]string `json:"metadata"`
}

func (p *project) list(c *gophercloud.ServiceClient, key string, path ...string) []thing {
	p.t.Helper()
	var raw map[string]json.RawMessage
	if err := ask(c, "GET", nil, &raw, path...); err != nil {
		p.t.Fatal(err)
	}
	var out []thing
	if err := json.Unmarshal(raw[key], &out); err != nil {
		p.t.Fatalf("%s: %v in %s", key, err, raw[key])
	}
	return out
}

func (p *project) servers() []thing   { return p.list(p.compute, "servers", "servers", "detail") }
func (p *project) volumes() []thing   { return p.list(p.volume, "volumes", "volumes", "detail") }
func (p *project) snapshots() []thing { return p.list(p.volume, "snapshots", "snapshots", "detail") }

// backupImages are the images that the project has of its own.
func (p *project) backupImages() []thing {
	p.t.Helper()
	all := p.list(p.images, "images", "images?visibility=private&limit=100")
	return all
}

// empty removes everything that is in the project.
func (p *project) empty() {
	remove := func(c *gophercloud.ServiceClient, list func() []thing, path string) {
		for began := time.Now(); ; {
			left := list()
			if len(left) == 0 {
				return
			}
			if time.Since(began) > 2*time.Minute {
				p.t.Errorf("cleaning up: %s are still there: %v", path, left)
				return
			}
			for _, x := range left {
				if err := ask(c, "DELETE", nil, nil, path, x.ID); err != nil && !gone(err) {
					p.t.Logf("cleaning up, once more: %v", err) // busy: it is asked again
				}
			}
			pause(context.Background(), 500*time.Millisecond)
		}
	}
	remove(p.images, p.backupImages, "images")
	remove(p.compute, p.servers, "servers")
	remove(p.volume, p.snapshots, "snapshots")
	remove(p.volume, p.volumes, "volumes")
}

// until waits until something of the project has a status.
func (p *project) until(status, what string, c *gophercloud.ServiceClient, key string, path ...string) {
	p.t.Helper()
	until(p.t, 3*time.Minute, 200*time.Millisecond, what+" is "+status, func() (bool, string) {
		var got map[string]thing
		if err := ask(c, "GET", nil, &got, path...); err != nil {
			p.t.Fatal(err)
		}
		if strings.EqualFold(got[key].Status, "error") {
			p.t.Fatalf("%s has failed: %+v", what, got)
		}
		return strings.EqualFold(got[key].Status, status), got[key].Status
	})
}

func (p *project) newVolume(name string, more map[string]any) string {
	p.t.Helper()
	body := map[string]any{"name": name, "size": 1}
	for k, v := range more {
		body[k] = v
	}
	var made struct{ Volume thing }
	if err := ask(p.volume, "POST", map[string]any{"volume": body}, &made, "volumes"); err != nil {
		p.t.Fatal(err)
	}
	p.until("available", "volume "+name, p.volume, "volume", "volumes", made.Volume.ID)
	return made.Volume.ID
}

// launch starts a server with one data volume, on a volume of its own or on the host, and gives its id.
func (p *project) launch(name string, onVolume, data bool, metadata map[string]string) string {
	p.t.Helper()
	body := map[string]any{"name": name, "flavorRef": p.flavor, "networks": "none", "metadata": metadata}
	if onVolume {
		root := p.newVolume(name+"-root", map[string]any{"imageRef": p.image})
		body["block_device_mapping_v2"] = []any{map[string]any{"boot_index": 0, "uuid": root, "source_type": "volume", "destination_type": "volume"}}
	} else {
		body["imageRef"] = p.image
	}
	var made struct{ Server thing }
	if err := ask(p.compute, "POST", map[string]any{"server": body}, &made, "servers"); err != nil {
		p.t.Fatal(err)
	}
	id := made.Server.ID
	p.until("active", "server "+name, p.compute, "server", "servers", id)
	if data {
		v := p.newVolume(name+"-data", nil)
		if err := ask(p.compute, "POST", map[string]any{"volumeAttachment": map[string]any{"volumeId": v}}, nil, "servers", id, "os-volume_attachments"); err != nil {
			p.t.Fatal(err)
		}
		p.until("in-use", "volume "+name+"-data", p.volume, "volume", "volumes", v)
	}
	return id
}

// env is how stint, or OpenStack's own command line, reaches the project.
func (p *project) env() []string { return []string{"OS_CLIENT_CONFIG_FILE=" + p.clouds} }

// judge asks OpenStack's own command line.
func (p *project) judge(into any, args ...string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), p.cli, append(args, "--os-cloud", "rig", "-f", "json")...)
	cmd.Env = append(cmd.Environ(), p.env()...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("openstack %s: %v\n%s", strings.Join(args, " "), err, &errs)
	}
	if err := json.Unmarshal(out, into); err != nil {
		p.t.Fatalf("openstack %s: %v in\n%s", strings.Join(args, " "), err, out)
	}
}

// part is a volume's snapshot or an image as OpenStack's own command line shows it.
type part struct {
	ID         string
	Name       string
	Status     string
	Volume     string
	Properties map[string]any
}

func (x part) tag(key string) string {
	v, _ := x.Properties[key].(string)
	return v
}

// judged are all snapshots and images of the project.
func (p *project) judged() (snapshots, images []part) {
	p.t.Helper()
	p.judge(&snapshots, "volume", "snapshot", "list", "--long")
	var list []part
	p.judge(&list, "image", "list", "--private")
	for _, i := range list {
		var one struct {
			ID         string         `json:"id"`
			Name       string         `json:"name"`
			Status     string         `json:"status"`
			Properties map[string]any `json:"properties"`
		}
		p.judge(&one, "image", "show", i.ID)
		images = append(images, part{ID: one.ID, Name: one.Name, Status: one.Status, Properties: one.Properties})
	}
	return snapshots, images
}
