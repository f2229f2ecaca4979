package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/aws"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
	"github.com/stint-cloud/stint/internal/clouds"
	"github.com/stint-cloud/stint/internal/config"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/policy"
)

// permissionsPolicies are both methods, and copies; what the account says of its regions and its address is filled in.
const permissionsPolicies = `
accounts:
  web:
    cloud: aws
    %s
    endpoint: %q
    credentials: { access-key: env:KEY, secret-key: env:SECRET }
policies:
  disks:
    backup:
      select:   { accounts: [web], regions: [us-east-1], tags: { backup: disks } }
      schedule: { every: 1d, catch-up: 1d }
      method:   snapshots
      keep:     { last: 1 }
      copies:   [{ to: web/eu-west-1, keep: { last: 1 } }]
  images:
    backup:
      select:   { accounts: [web], regions: [us-east-1], tags: { backup: images } }
      schedule: { every: 1d, catch-up: 1d }
      method:   image
      keep:     { last: 1 }
`

// guarded is an account that allows what a document allows, with policies, a past, and a command line of its own.
type guarded struct {
	t     *testing.T
	actor *actor
	dir   string
}

func newGuarded(t *testing.T, regions string) *guarded {
	t.Helper()
	a, err := newActor("web")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.stop)
	g := &guarded{t: t, actor: a, dir: t.TempDir()}
	text := fmt.Sprintf(permissionsPolicies, regions, a.url)
	if err := os.WriteFile(filepath.Join(g.dir, "stint.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"disks", "images"} {
		a.add(kind+"-1", map[string]string{"backup": kind}, 1)
	}
	if err := a.old("disks", "disks-1", 3); err != nil {
		t.Fatal(err)
	}
	g.oldImage(3)
	return g
}

// oldImage is to images what actor.old is to snapshots.
func (g *guarded) oldImage(days int) {
	source := cloud.Ref{Account: "web", Region: scriptRegion, Kind: cloud.KindInstance, ID: g.actor.ids["images-1"]}
	at := time.Now().Add(-time.Duration(days) * 24 * time.Hour).UTC().Truncate(time.Second)
	slot := at.Format(time.RFC3339)
	tags := map[string]string{
		cloud.TagPolicy: "images", cloud.TagSource: source.Source(), cloud.TagSlot: slot, cloud.TagBackup: plan.BackupID("images", source, slot),
		cloud.TagBy: inventory.FormatBy(cloud.Tags{{Key: "backup", Value: "images"}}, 256), "backup": "images",
	}
	under := g.actor.fake.AddSnapshot(scriptRegion, fakeaws.Snapshot{Meta: fakeaws.Meta{Created: at, Tags: tags}})
	g.actor.fake.AddImage(scriptRegion, fakeaws.Image{
		Meta: fakeaws.Meta{Created: at, Tags: tags}, Name: "old-" + inventory.NameMark(tags[cloud.TagBackup]), SourceInstance: source.ID, End: "available", DoneAt: at,
		RootDevice: "/dev/xvda", Mappings: []fakeaws.Mapping{{Device: "/dev/xvda", SnapshotID: under, GiB: 8, Type: "gp3"}},
	})
}

func (g *guarded) env(name string) string {
	return map[string]string{"KEY": fakeaws.AccessKey, "SECRET": fakeaws.SecretKey, "USER": "ann"}[name]
}

func (g *guarded) open(a policy.Account) (cloud.Provider, error) {
	p, err := clouds.Opener(g.t.Context(), config.System{Env: g.env, ReadFile: os.ReadFile})(a)
	if err != nil {
		return nil, err
	}
	return quick{p.(*aws.Provider)}, nil
}

// run is one command; it gives the exit code and all that was said.
func (g *guarded) run(args ...string) (int, string) {
	var out bytes.Buffer
	args = append(args, "-f", filepath.Join(g.dir, "stint.yaml"), "--database", filepath.Join(g.dir, "memory.db"))
	code := Main(g.t.Context(), args, IO{In: strings.NewReader(""), Out: &out, Err: &out, Env: g.env, Open: g.open})
	return code, out.String()
}

// document is the one that permissions prints.
func (g *guarded) document(args ...string) []byte {
	g.t.Helper()
	code, out := g.run(append([]string{"permissions", "--role", "all", "--quiet"}, args...)...)
	if code != exitDone {
		g.t.Fatalf("permissions: got exit code %d, want 0\n%s", code, out)
	}
	return []byte(out)
}

// story is all that a person and the rules have Stint do, until something goes wrong. It gives what was said then.
func (g *guarded) story() (wrong string) {
	ids := func() map[string]string {
		_, out := g.run("backups", "list", "-o", "json")
		byPolicy := map[string]string{}
		var list []struct{ ID, Policy, Standing string }
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			g.t.Errorf("backups list: %v\n%s", err, out)
		}
		for _, b := range list {
			if b.Standing == "complete" {
				byPolicy[b.Policy] = b.ID
			}
		}
		return byPolicy
	}
	steps := []func() []string{
		func() []string { return []string{"check"} },
		func() []string { return []string{"apply", "--yes"} },
		func() []string { return []string{"apply", "--yes"} },
	}
	for _, kind := range []string{"disks", "images"} {
		place := "web/" + scriptRegion
		steps = append(
			steps,
			func() []string { return []string{"backups", "hold", ids()[kind], "--reason", "the auditor"} },
			func() []string { return []string{"backups", "release", ids()[kind]} },
			func() []string { return []string{"backups", "restore", ids()[kind], "--place", place, "--yes"} },
		)
	}
	for _, step := range steps {
		args := step()
		if code, out := g.run(args...); code != exitDone {
			return "stint " + strings.Join(args, " ") + ": " + out
		}
	}
	return ""
}

// iamPolicy is a policy as a test takes it apart.
type iamPolicy struct {
	Version   string
	Statement []map[string]any
}

// without is the policy less one action of one statement; ok is false when there is no such.
func without(t *testing.T, document []byte, statement, action int) (rest []byte, gone string, ok bool) {
	t.Helper()
	var p iamPolicy
	if err := json.Unmarshal(document, &p); err != nil {
		t.Fatalf("the document is not JSON: %v\n%s", err, document)
	}
	if statement >= len(p.Statement) {
		return nil, "", false
	}
	var actions []any
	switch v := p.Statement[statement]["Action"].(type) {
	case string:
		actions = []any{v}
	case []any:
		actions = v
	}
	if action >= len(actions) {
		return nil, "", false
	}
	gone, _ = actions[action].(string)
	if actions = slices.Delete(actions, action, action+1); len(actions) > 0 {
		p.Statement[statement]["Action"] = actions
	} else {
		p.Statement = slices.Delete(p.Statement, statement, statement+1)
	}
	rest, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return rest, gone, true
}

const bothRegions = "regions: [us-east-1, eu-west-1]"

// TestPermissionsAreEnough: with exactly the document that is printed everything goes through, expiry, copies and restores
// too, whether the account names its regions or not; and nothing is deleted that does not carry our tag.
func TestPermissionsAreEnough(t *testing.T) {
	for name, regions := range map[string]string{"regions": bothRegions, "every region": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGuarded(t, regions)
			if err := g.actor.fake.Enforce(g.document("--restore")); err != nil {
				t.Fatal(err)
			}
			if wrong := g.story(); wrong != "" {
				t.Fatalf("with the document that is printed: %s", wrong)
			}
			f := g.actor.fake
			if n := f.Failures(); len(n) > 0 {
				t.Errorf("calls were refused: %v, want none", n)
			}
			for _, action := range []string{"CreateSnapshots", "CopySnapshot", "CreateImage", "DeregisterImage", "DeleteSnapshot", "DeleteTags", "CreateVolume", "RunInstances"} {
				if f.Count(action) == 0 {
					t.Errorf("%s was not called: the story is not whole", action)
				}
			}
			g.strange()
		})
	}
}

// strange wants a snapshot and an image without our tag to be out of reach.
func (g *guarded) strange() {
	g.t.Helper()
	p, err := g.open(policy.Account{
		Name: "web", Cloud: "aws", Regions: []string{scriptRegion}, Endpoint: g.actor.url,
		Credentials: policy.Credentials{AccessKey: "env:KEY", SecretKey: "env:SECRET"},
	})
	if err != nil {
		g.t.Fatal(err)
	}
	c := cloud.NewClient("web", p)
	mine := map[string]string{"Name": "mine", "backup": "disks"}
	snapshot := cloud.Ref{Account: "web", Region: scriptRegion, Kind: cloud.KindSnapshot}
	snapshot.ID = g.actor.fake.AddSnapshot(scriptRegion, fakeaws.Snapshot{Meta: fakeaws.Meta{Tags: mine}})
	image := cloud.Ref{Account: "web", Region: scriptRegion, Kind: cloud.KindImage}
	image.ID = g.actor.fake.AddImage(scriptRegion, fakeaws.Image{Meta: fakeaws.Meta{Tags: mine}, Name: "mine"})
	for what, err := range map[string]error{
		"deleting a snapshot": c.DeleteSnapshot(g.t.Context(), snapshot),
		"deleting an image":   c.DeleteImage(g.t.Context(), image),
		"tagging a snapshot":  c.SetTags(g.t.Context(), snapshot, cloud.TagsOf(map[string]string{cloud.TagPolicy: "disks"})),
		"untagging an image":  c.RemoveTags(g.t.Context(), image, []string{"Name"}),
	} {
		if !errors.Is(err, cloud.ErrDenied) {
			g.t.Errorf("%s of somebody else's: got %v, want it denied", what, err)
		}
	}
}

// TestEachPermissionIsNeeded: without any one action of any one statement something fails, and what is said names it.
func TestEachPermissionIsNeeded(t *testing.T) {
	document := newGuarded(t, bothRegions).document("--restore")
	n := 0
	var stories sync.WaitGroup // mostly they wait, for what is being made
	for statement := 0; ; statement++ {
		if _, _, ok := without(t, document, statement, 0); !ok {
			break
		}
		for action := 0; ; action++ {
			rest, gone, ok := without(t, document, statement, action)
			if !ok {
				break
			}
			n++
			g := newGuarded(t, bothRegions)
			if err := g.actor.fake.Enforce(rest); err != nil {
				t.Fatal(err)
			}
			stories.Go(func() {
				if wrong := g.story(); !strings.Contains(wrong, "not permitted (UnauthorizedOperation)") || !strings.Contains(wrong, gone) {
					t.Errorf("without %s of statement %d: got %q, want a refusal that names it", gone, statement+1, wrong)
				}
			})
		}
	}
	stories.Wait()
	if n < 15 {
		t.Errorf("the document allows %d actions, want at least 15", n)
	}
}

// TestPermissionsAreNarrow: a policy of snapshots allows nothing about images but to look, no copies without any, and no
// restore unless it is asked for.
func TestPermissionsAreNarrow(t *testing.T) {
	run := func(policies string, args ...string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "stint.yaml")
		if err := os.WriteFile(path, []byte(policies), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		code := Main(t.Context(), append([]string{"permissions", "-f", path}, args...), IO{Out: &out, Err: &errs, Env: func(string) string { return t.TempDir() }})
		if code != exitDone {
			t.Fatalf("permissions %v: got exit code %d, want 0\n%s", args, code, &errs)
		}
		return out.String()
	}
	const policies = `
accounts:
  web:   { cloud: aws, regions: [us-east-1], credentials: { assume-role: "arn:aws:iam::111122223333:role/stint" } }
  other: { cloud: aws }
policies:
  disks:
    backup:
      select:   { accounts: [web], tags: { backup: disks } }
      schedule: { every: 1d }
      method:   snapshots
      keep:     { last: 1 }
`
	all := run(policies)
	for _, action := range []string{"CreateImage", "DeregisterImage", "Copy", "CreateVolume", "RunInstances", "DescribeVolumes", "DescribeRegions", "image/*", "eu-west-1", "kms:", ":111122223333:snapshot"} {
		if strings.Contains(all, action) {
			t.Errorf("permissions of a policy of snapshots hold %s, want them without:\n%s", action, all)
		}
	}
	for _, want := range []string{"arn:aws:ec2:us-east-1:111122223333:volume/*", "aws:ResourceTag/stint:policy", "no policy reaches this account", "sts:AssumeRole"} {
		if !strings.Contains(all, want) {
			t.Errorf("permissions lack %q:\n%s", want, all)
		}
	}
	if look := run(policies, "--role", "look", "-q"); strings.Contains(look, "Create") || strings.Contains(look, "Delete") || strings.Contains(look, "#") {
		t.Errorf("the role look alone: got\n%s\nwant nothing but Describe actions", look)
	}
	if again := run(policies); again != all {
		t.Errorf("permissions twice differ:\n%s\n%s", all, again)
	}
	if got := run(policies, "--restore"); !strings.Contains(got, "ec2:CreateVolume") || strings.Contains(got, "RunInstances") {
		t.Errorf("with --restore: got\n%s\nwant what makes disks of snapshots", got)
	}
}
