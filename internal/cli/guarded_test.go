package cli

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/alibaba"
	"github.com/stint-cloud/stint/internal/cloud/alibaba/fakealibaba"
	"github.com/stint-cloud/stint/internal/cloud/aws"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
	"github.com/stint-cloud/stint/internal/cloud/tencent"
	"github.com/stint-cloud/stint/internal/cloud/tencent/faketencent"
	"github.com/stint-cloud/stint/internal/clouds"
	"github.com/stint-cloud/stint/internal/config"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/policy"
)

// permissionsPolicies are both methods, and copies; what the account says of itself is filled in.
const permissionsPolicies = `
accounts:
  web:
    %s
    credentials: { access-key: env:KEY, secret-key: env:SECRET }
policies:
  disks:
    backup:
      select:   { accounts: [web], regions: [%s], tags: { backup: disks } }
      schedule: { every: 1d, catch-up: 1d }
      method:   snapshots
      keep:     { last: 1 }
      copies:   [{ to: web/%s, keep: { last: 1 } }]
  images:
    backup:
      select:   { accounts: [web], regions: [%[2]s], tags: { backup: images } }
      schedule: { every: 1d, catch-up: 1d }
      method:   image
      keep:     { last: 1 }
`

// guarded is an account that allows what a document allows, with policies, a past, and a command line of its own.
type guarded struct {
	t       *testing.T
	fake    enforcer
	region  string
	dir     string
	env     map[string]string
	account policy.Account // to reach it by hand
	quick   func(cloud.Provider) cloud.Provider
	strange func() (snapshot, image string) // somebody else's, newly made
	refusal string                          // how it says no
	calls   []string                        // that a whole story makes
}

type enforcer interface {
	Enforce(documents ...[]byte) error
	Failures() map[string]int
	Count(action string) int
}

// newGuarded writes the policies; the fake is the caller's to fill.
func newGuarded(t *testing.T, account, here, there string) *guarded {
	t.Helper()
	g := &guarded{t: t, region: here, dir: t.TempDir(), env: map[string]string{"USER": "ann"}}
	text := fmt.Sprintf(permissionsPolicies, account, here, there)
	if err := os.WriteFile(filepath.Join(g.dir, "stint.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rules, complaints := policy.Parse([]policy.File{{Name: "stint.yaml", Data: []byte(text)}})
	if policy.Refused(complaints) {
		t.Fatalf("the policies are refused: %v", complaints)
	}
	g.account, _ = rules.FindAccount("web")
	return g
}

// past are the tags of a backup that was made so many days ago, of whose source the id is given; the name tells whose it is.
func (g *guarded) past(policyName, source string, days int) (tags map[string]string, name string, at time.Time) {
	ref := cloud.Ref{Account: "web", Region: g.region, Kind: cloud.KindInstance, ID: source}
	at = time.Now().Add(-time.Duration(days) * 24 * time.Hour).UTC().Truncate(time.Second)
	slot := at.Format(time.RFC3339)
	id := plan.BackupID(policyName, ref, slot)
	tags = map[string]string{
		cloud.TagPolicy: policyName, cloud.TagSource: ref.Source(), cloud.TagSlot: slot, cloud.TagBackup: id, "backup": policyName,
		cloud.TagBy: inventory.FormatBy(cloud.Tags{{Key: "backup", Value: policyName}}, 128),
	}
	return tags, "old-" + inventory.NameMark(id), at
}

// with is the tags and one more.
func with(tags map[string]string, key, value string) map[string]string {
	out := maps.Clone(tags)
	out[key] = value
	return out
}

// guardedAWS is an account of AWS, with or without its regions named.
func guardedAWS(t *testing.T, regions string) *guarded {
	t.Helper()
	a, err := newActor("web")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.stop)
	g := newGuarded(t, fmt.Sprintf("cloud: aws\n    %s\n    endpoint: %q", regions, a.url), scriptRegion, awayRegion)
	g.fake, g.refusal = a.fake, "not permitted (UnauthorizedOperation)"
	g.env["KEY"], g.env["SECRET"] = fakeaws.AccessKey, fakeaws.SecretKey
	g.quick = func(p cloud.Provider) cloud.Provider { return quick{p.(*aws.Provider)} }
	g.calls = []string{"CreateSnapshots", "CopySnapshot", "CreateImage", "DeregisterImage", "DeleteSnapshot", "DeleteTags", "CreateVolume", "RunInstances"}
	for _, kind := range []string{"disks", "images"} {
		a.add(kind+"-1", map[string]string{"backup": kind}, 1)
	}
	if err := a.old("disks", "disks-1", 3); err != nil {
		t.Fatal(err)
	}
	tags, name, at := g.past("images", a.ids["images-1"], 3)
	under := a.fake.AddSnapshot(scriptRegion, fakeaws.Snapshot{Meta: fakeaws.Meta{Created: at, Tags: tags}})
	a.fake.AddImage(scriptRegion, fakeaws.Image{
		Meta: fakeaws.Meta{Created: at, Tags: tags}, Name: name, SourceInstance: a.ids["images-1"], End: "available", DoneAt: at,
		RootDevice: "/dev/xvda", Mappings: []fakeaws.Mapping{{Device: "/dev/xvda", SnapshotID: under, GiB: 8, Type: "gp3"}},
	})
	g.strange = func() (snapshot, image string) {
		mine := map[string]string{"Name": "mine", "backup": "disks"}
		return a.fake.AddSnapshot(scriptRegion, fakeaws.Snapshot{Meta: fakeaws.Meta{Tags: mine}}),
			a.fake.AddImage(scriptRegion, fakeaws.Image{Meta: fakeaws.Meta{Tags: mine}, Name: "mine"})
	}
	return g
}

// quickShop is Alibaba Cloud without the time that its listings may lag: the fake's do not.
type quickShop struct{ *alibaba.Provider }

func (q quickShop) Traits() cloud.Traits {
	t := q.Provider.Traits()
	t.Lag = 500 * time.Millisecond
	return t
}

// guardedAlibaba is an account of Alibaba Cloud, with or without its regions named.
func guardedAlibaba(t *testing.T, regions string) *guarded {
	t.Helper()
	const here, there = "cn-hangzhou", "cn-shanghai"
	soon := 200 * time.Millisecond
	f := fakealibaba.New(fakealibaba.Options{
		Regions: []string{here, there}, SnapshotTime: soon, ImageTime: soon, DiskTime: soon, InstanceTime: soon,
	})
	g := newGuarded(t, fmt.Sprintf("cloud: alibaba\n    %s\n    endpoint: %q", regions, f.Start(t)), here, there)
	g.fake, g.refusal = f, "not permitted (Forbidden.RAM)"
	g.env["KEY"], g.env["SECRET"] = fakealibaba.AccessKey, fakealibaba.SecretKey
	g.quick = func(p cloud.Provider) cloud.Provider { return quickShop{p.(*alibaba.Provider)} }
	g.calls = []string{
		"CreateSnapshot", "CreateSnapshotGroup", "CopySnapshot", "CreateImage", "DeleteImage", "DeleteSnapshot", "TagResources", "UntagResources",
		"CreateDisk", "RunInstances",
	}
	ids := map[string]string{}
	for name, disks := range map[string]int{"disks": 1, "sets": 2, "images": 1} {
		kind := strings.Replace(name, "sets", "disks", 1)
		id := f.AddInstance(here, fakealibaba.NewInstance{Name: name + "-1", Tags: map[string]string{"backup": kind}, Disks: make([]fakealibaba.NewDisk, disks)})
		f.EditInstance(here, id, func(i *fakealibaba.Instance) { i.Created = time.Now().AddDate(-2, 0, 0) })
		ids[name] = id
	}
	tags, name, at := g.past("disks", ids["disks"], 3)
	for _, d := range f.Disks(here) {
		if d.Instance == ids["disks"] {
			f.AddSnapshot(here, fakealibaba.Snapshot{Meta: fakealibaba.Meta{Created: at, Name: name, Tags: with(tags, cloud.TagParts, "1")}, DiskID: d.ID})
		}
	}
	tags, name, at = g.past("images", ids["images"], 3)
	under := f.AddSnapshot(here, fakealibaba.Snapshot{Meta: fakealibaba.Meta{Created: at, Tags: tags}})
	f.AddImage(here, fakealibaba.Image{
		Meta:     fakealibaba.Meta{Created: at, Name: name, Tags: tags},
		Mappings: []fakealibaba.Mapping{{Device: "/dev/xvda", Type: "system", SnapshotID: under, GiB: 40}},
	})
	g.strange = func() (snapshot, image string) {
		mine := map[string]string{"backup": "disks"}
		return f.AddSnapshot(here, fakealibaba.Snapshot{Meta: fakealibaba.Meta{Tags: mine}}),
			f.AddImage(here, fakealibaba.Image{Meta: fakealibaba.Meta{Tags: mine, Name: "mine"}})
	}
	return g
}

// quickGames is Tencent Cloud without the time that its listings may lag: the fake's do not.
type quickGames struct{ *tencent.Provider }

func (q quickGames) Traits() cloud.Traits {
	t := q.Provider.Traits()
	t.Lag = 500 * time.Millisecond
	return t
}

// guardedTencent is an account of Tencent Cloud, with or without its regions named.
func guardedTencent(t *testing.T, regions string) *guarded {
	t.Helper()
	const here, there = "ap-guangzhou", "ap-shanghai"
	soon := 200 * time.Millisecond
	f := faketencent.New(faketencent.Options{
		Regions: []string{here, there}, SnapshotTime: soon, ImageTime: soon, DiskTime: soon, InstanceTime: soon,
	})
	g := newGuarded(t, fmt.Sprintf("cloud: tencent\n    %s\n    endpoint: %q", regions, f.Start(t)), here, there)
	g.fake, g.refusal = f, "not permitted (UnauthorizedOperation)"
	g.env["KEY"], g.env["SECRET"] = faketencent.SecretID, faketencent.SecretKey
	g.quick = func(p cloud.Provider) cloud.Provider { return quickGames{p.(*tencent.Provider)} }
	g.calls = []string{
		"CreateSnapshot", "CopySnapshotCrossRegions", "CreateImage", "DeleteImages", "DeleteSnapshots", "TagResources", "UnTagResources", "CreateDisks",
		"RunInstances",
	}
	ids := map[string]string{}
	for _, kind := range []string{"disks", "images"} {
		ids[kind] = f.AddInstance(here, faketencent.NewInstance{Name: kind + "-1", Tags: map[string]string{"backup": kind}})
		f.EditInstance(here, ids[kind], func(i *faketencent.Instance) { i.Created = time.Now().AddDate(-2, 0, 0) })
	}
	tags, name, at := g.past("disks", ids["disks"], 3)
	for _, d := range f.Disks(here) {
		if d.Instance == ids["disks"] {
			f.AddSnapshot(here, faketencent.Snapshot{Meta: faketencent.Meta{Created: at, Tags: with(tags, cloud.TagParts, "1")}, Name: name, DiskID: d.ID})
		}
	}
	tags, name, at = g.past("images", ids["images"], 3)
	under := f.AddSnapshot(here, faketencent.Snapshot{Meta: faketencent.Meta{Created: at, Tags: tags}, Name: name})
	f.AddImage(here, faketencent.Image{
		Meta: faketencent.Meta{Created: at, Tags: tags}, Name: name, Snapshots: []faketencent.ImageDisk{{SnapshotID: under, Usage: "SYSTEM_DISK"}},
	})
	g.strange = func() (snapshot, image string) {
		mine := map[string]string{"backup": "disks"}
		return f.AddSnapshot(here, faketencent.Snapshot{Meta: faketencent.Meta{Tags: mine}}),
			f.AddImage(here, faketencent.Image{Meta: faketencent.Meta{Tags: mine}, Name: "mine"})
	}
	return g
}

func (g *guarded) open(a policy.Account) (cloud.Provider, error) {
	p, err := clouds.Opener(g.t.Context(), config.System{Env: g.getenv, ReadFile: os.ReadFile})(a)
	if err != nil {
		return nil, err
	}
	return g.quick(p), nil
}

func (g *guarded) getenv(name string) string { return g.env[name] }
