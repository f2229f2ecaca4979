package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
)

const (
	scriptRegion = "us-east-1"
	awayRegion   = "eu-west-1" // where copies go
)

// cast is the accounts that a script plays with: their names are commands in it.
type cast map[string]*actor

type castKey struct{}

// actor is one account: a fake, and an offset by which its past is made.
type actor struct {
	name string
	fake *fakeaws.Fake
	past atomic.Int64
	fate atomic.Pointer[fakeaws.Fate] // of what is made; nil: it completes
	ids  map[string]string            // instances by name
	url  string
	stop func()
}

func newActor(name string) (*actor, error) {
	a := &actor{name: name, ids: map[string]string{}}
	a.fake = fakeaws.New(fakeaws.Options{
		Account: map[string]string{"web": "111122223333", "other": "444455556666"}[name], Regions: []string{scriptRegion, awayRegion},
		SnapshotTime: 200 * time.Millisecond, ImageTime: 200 * time.Millisecond, VolumeTime: 100 * time.Millisecond, InstanceTime: 100 * time.Millisecond,
		Fate: func(string, string) fakeaws.Fate {
			if f := a.fate.Load(); f != nil {
				return *f
			}
			return fakeaws.Completes
		},
		Now: func() time.Time { return time.Now().Add(-time.Duration(a.past.Load())) },
	})
	var err error
	a.url, a.stop, err = a.fake.Listen("127.0.0.1:0")
	return a, err
}

// long ago lets f happen before every slot that a script's policies know.
func (a *actor) longAgo(f func()) {
	a.past.Store(int64(800 * 24 * time.Hour))
	defer a.past.Store(0)
	f()
}

// add puts an instance there that has been there for long.
func (a *actor) add(name string, tags map[string]string, disks int) {
	tags["Name"] = name
	a.longAgo(func() {
		a.ids[name] = a.fake.AddInstance(scriptRegion, fakeaws.NewInstance{Tags: tags, Disks: make([]fakeaws.NewDisk, disks)})
	})
}

// old puts a complete backup of an instance there that was made so many days ago.
func (a *actor) old(policyName, instance string, days int) error {
	id := a.ids[instance]
	source := cloud.Ref{Account: a.name, Region: scriptRegion, Kind: cloud.KindInstance, ID: id}
	at := time.Now().Add(-time.Duration(days) * 24 * time.Hour).UTC().Truncate(time.Second)
	slot := at.Format(time.RFC3339)
	for _, in := range a.fake.Instances(scriptRegion) {
		if in.ID != id {
			continue
		}
		for _, v := range a.fake.Volumes(scriptRegion) {
			if v.Instance != id {
				continue
			}
			by := cloud.Tags{{Key: "backup", Value: in.Tags["backup"]}}
			a.fake.AddSnapshot(scriptRegion, fakeaws.Snapshot{
				Meta: fakeaws.Meta{Created: at, Tags: map[string]string{
					cloud.TagPolicy: policyName, cloud.TagSource: source.Source(), cloud.TagSlot: slot, cloud.TagBy: inventory.FormatBy(by, 256),
					cloud.TagBackup: plan.BackupID(policyName, source, slot), cloud.TagParts: "1", "backup": in.Tags["backup"], "Name": instance + "-old-" + strconv.Itoa(days),
				}}, VolumeID: v.ID, GiB: v.GiB, DoneAt: at, End: "completed",
			})
		}
		return nil
	}
	return fmt.Errorf("no instance %q", instance)
}

// ours are the snapshots that carry a backup's id.
func (a *actor) ours() []fakeaws.Snapshot { return a.oursIn(scriptRegion) }

func (a *actor) oursIn(region string) []fakeaws.Snapshot {
	var out []fakeaws.Snapshot
	for _, s := range a.fake.Snapshots(region) {
		if s.Tags[cloud.TagBackup] != "" {
			out = append(out, s)
		}
	}
	return out
}

// command is what a script may do to an account.
func (a *actor) command(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: %s add|old|snapshots|copies|images|deny|allow|cut|mend|tag|untag|called …", a.name)
	}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		ts.Check(err)
		return n
	}
	want := func(what string, got int, want string) {
		if got != number(want) {
			ts.Fatalf("%s has %d %s, want %s", a.name, got, what, want)
		}
	}
	switch verb, rest := args[0], args[1:]; verb {
	case "add": // NAME KEY=VALUE…
		tags := map[string]string{}
		for _, kv := range rest[1:] {
			k, v, _ := strings.Cut(kv, "=")
			tags[k] = v
		}
		a.add(rest[0], tags, 1)
		ts.Setenv(strings.ToUpper(strings.ReplaceAll(rest[0], "-", "_")), a.ids[rest[0]])
	case "old": // POLICY NAME DAYS…
		for _, d := range rest[2:] {
			ts.Check(a.old(rest[0], rest[1], number(d)))
		}
	case "snapshots": // N
		want("snapshots of ours", len(a.ours()), rest[0])
	case "copies": // N
		want("copies of ours", len(a.oursIn(awayRegion)), rest[0])
	case "images": // N
		want("images", len(a.fake.Images(scriptRegion)), rest[0])
	case "volumes": // N
		want("volumes", len(a.fake.Volumes(scriptRegion)), rest[0])
	case "instances": // N
		want("instances", len(a.fake.Instances(scriptRegion)), rest[0])
	case "deny":
		a.fake.Deny(rest...)
	case "allow":
		a.fake.Allow(rest...)
	case "cut": // ACTION: its answers are refused from now on, as by a server in trouble
		a.fake.SetFault(func(action string, _ int) *fakeaws.Fault {
			if action == rest[0] {
				return &fakeaws.Fault{Code: "InternalError", Message: "An internal error has occurred", HTTPStatus: 500}
			}
			return nil
		})
	case "mend":
		a.fake.SetFault(nil)
	case "untag": // KEY: off every snapshot of ours
		for _, s := range a.ours() {
			a.fake.Untag(scriptRegion, s.ID, rest[0])
		}
	case "called": // ACTION N
		want("calls of "+rest[0], a.fake.Count(rest[0]), rest[1])
	default:
		ts.Fatalf("%s %s: no such verb", a.name, verb)
	}
}

func TestScript(t *testing.T) {
	play := func(name string) func(*testscript.TestScript, bool, []string) {
		return func(ts *testscript.TestScript, neg bool, args []string) {
			c, _ := ts.Value(castKey{}).(cast)
			c[name].command(ts, neg, args)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			c := cast{}
			for _, name := range []string{"web", "other"} {
				a, err := newActor(name)
				if err != nil {
					return err
				}
				env.Defer(a.stop)
				c[name] = a
			}
			env.Values[castKey{}] = c
			env.Setenv("AWS_ACCESS_KEY_ID", fakeaws.AccessKey)
			env.Setenv("AWS_SECRET_ACCESS_KEY", fakeaws.SecretKey)
			env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_STATE_HOME", "")
			env.Setenv("STINT_DATABASE", "memory.db")
			env.Setenv("USER", "ann")
			env.Setenv("TZ", "UTC")
			return fillIn(env.WorkDir, map[string]string{"http://web": c["web"].url, "http://other": c["other"].url})
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"web": play("web"), "other": play("other"),
			"code": codeCommand, "capture": capture, "edit": edit,
		},
	})
}

// fillIn puts the accounts' addresses into the policy files.
func fillIn(dir string, with map[string]string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		for from, to := range with {
			b = bytes.ReplaceAll(b, []byte(from), []byte(to))
		}
		if err := os.WriteFile(f, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// codeCommand runs a command and wants an exit code: code 4 stint plan.
func codeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command …")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		e, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = e.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s exits with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// capture sets a variable to the nth word of the nth line of the last output: capture ID 2 1.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: capture VAR LINE WORD")
	}
	line, err := strconv.Atoi(args[1])
	ts.Check(err)
	nth, err := strconv.Atoi(args[2])
	ts.Check(err)
	lines := strings.Split(ts.ReadFile("stdout"), "\n")
	if line > len(lines) || nth > len(strings.Fields(lines[line-1])) {
		ts.Fatalf("the output has no word %d in line %d", nth, line)
	}
	ts.Setenv(args[0], strings.Fields(lines[line-1])[nth-1])
}

// edit replaces a text in a file: edit FILE OLD NEW.
func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o600))
}
