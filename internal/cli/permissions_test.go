package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/clouds"
)

// run is one command; it gives the exit code and all that was said.
func (g *guarded) run(args ...string) (int, string) {
	var out bytes.Buffer
	args = append(args, "-f", filepath.Join(g.dir, "stint.yaml"), "--database", filepath.Join(g.dir, "memory.db"))
	code := Main(g.t.Context(), args, IO{In: strings.NewReader(""), Out: &out, Err: &out, Env: g.getenv, Open: g.open})
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
		place := "web/" + g.region
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

// without is the policy less one action of one statement; ok is false when there is no such. Clouds differ in whether the
// words begin with a capital.
func without(t *testing.T, document []byte, statement, action int) (rest []byte, gone string, ok bool) {
	t.Helper()
	var p map[string]any
	if err := json.Unmarshal(document, &p); err != nil {
		t.Fatalf("the document is not JSON: %v\n%s", err, document)
	}
	statements, actions := "Statement", "Action"
	if p[statements] == nil {
		statements, actions = "statement", "action"
	}
	list, _ := p[statements].([]any)
	if statement >= len(list) {
		return nil, "", false
	}
	line, _ := list[statement].(map[string]any)
	all, many := line[actions].([]any)
	if !many {
		all = []any{line[actions]}
	}
	if action >= len(all) {
		return nil, "", false
	}
	gone, _ = all[action].(string)
	if line[actions] = slices.Delete(all, action, action+1); len(all) == 1 {
		p[statements] = slices.Delete(list, statement, statement+1)
	}
	rest, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return rest, gone, true
}

// stages are the clouds whose documents are tried, each with two regions named.
func stages() map[string]struct {
	open    func(t *testing.T, regions string) *guarded
	regions string
} {
	return map[string]struct {
		open    func(t *testing.T, regions string) *guarded
		regions string
	}{
		"alibaba": {guardedAlibaba, "regions: [cn-hangzhou, cn-shanghai]"},
		"aws":     {guardedAWS, "regions: [us-east-1, eu-west-1]"},
		"tencent": {guardedTencent, "regions: [ap-guangzhou, ap-shanghai]"},
	}
}

// TestPermissionsAreEnough: with exactly the document that is printed everything goes through, expiry, copies and restores
// too, whether the account names its regions or not; and nothing is deleted that does not carry our tag.
func TestPermissionsAreEnough(t *testing.T) {
	for name, stage := range stages() {
		for _, regions := range []string{stage.regions, ""} {
			t.Run(name+" "+regions, func(t *testing.T) {
				t.Parallel()
				g := stage.open(t, regions)
				if err := g.fake.Enforce(g.document("--restore")); err != nil {
					t.Fatal(err)
				}
				if wrong := g.story(); wrong != "" {
					t.Fatalf("with the document that is printed: %s", wrong)
				}
				if n := g.fake.Failures(); len(n) > 0 {
					t.Errorf("calls were refused: %v, want none", n)
				}
				for _, action := range g.calls {
					if g.fake.Count(action) == 0 {
						t.Errorf("%s was not called: the story is not whole", action)
					}
				}
				g.outOfReach()
			})
		}
	}
}

// outOfReach wants a snapshot and an image without our tag to stay.
func (g *guarded) outOfReach() {
	g.t.Helper()
	p, err := g.open(g.account)
	if err != nil {
		g.t.Fatal(err)
	}
	c := cloud.NewClient("web", p)
	snapshot := cloud.Ref{Account: "web", Region: g.region, Kind: cloud.KindSnapshot}
	image := cloud.Ref{Account: "web", Region: g.region, Kind: cloud.KindImage}
	snapshot.ID, image.ID = g.strange()
	for what, err := range map[string]error{
		"deleting a snapshot": c.DeleteSnapshot(g.t.Context(), snapshot),
		"deleting an image":   c.DeleteImage(g.t.Context(), image),
		"untagging an image":  c.RemoveTags(g.t.Context(), image, []string{"backup"}),
	} {
		if what == "untagging an image" && g.account.Cloud == "tencent" {
			continue // which CAM cannot narrow, as the document says
		}
		if !errors.Is(err, cloud.ErrDenied) {
			g.t.Errorf("%s of somebody else's: got %v, want it denied", what, err)
		}
	}
}

// TestEachPermissionIsNeeded: without any one action of any one statement something fails, and what is said names it.
func TestEachPermissionIsNeeded(t *testing.T) {
	for name, stage := range stages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := stage.open(t, stage.regions).document("--restore")
			table, _ := clouds.Permissions(name)
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
					g := stage.open(t, stage.regions)
					if err := g.fake.Enforce(rest); err != nil {
						t.Fatal(err)
					}
					stories.Go(func() {
						wrong := g.story()
						if table.Spared(gone) && wrong == "" && len(g.fake.Failures()) > 0 {
							return
						}
						if !strings.Contains(wrong, g.refusal) || !strings.Contains(wrong, gone) {
							t.Errorf("without %s of statement %d: got %q, want a refusal that names it", gone, statement+1, wrong)
						}
					})
				}
			}
			stories.Wait()
			if n < 12 {
				t.Errorf("the document allows %d actions, want at least 12", n)
			}
		})
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
