package plan

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/policy"
)

var update = flag.Bool("update", false, "write the wanted plans anew; read the diff")

// TestGolden reads cases as prose: a policy, a world, a time, what is remembered, and the plan that is wanted with its
// reasons. A new case needs no Go.
func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) < 20 {
		t.Fatalf("Glob: got %d cases (%v), want at least 20", len(cases), err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			in, want := readCase(t, ar)
			p := Make(in)
			again := Make(in)
			a, _ := json.Marshal(p)
			b, _ := json.Marshal(again)
			if !bytes.Equal(a, b) {
				t.Errorf("Make twice: got two plans\n%s\n%s", a, b)
			}
			ids := map[string]bool{}
			for _, a := range p.Actions {
				if ids[a.ID] {
					t.Errorf("Make: two actions have the id %s: %s %s", a.ID, a.Verb, a.Target)
				}
				ids[a.ID] = true
			}
			got := render(p, in)
			if got == want {
				return
			}
			if !*update {
				t.Fatalf("Make: got\n%s\nwant\n%s", got, want)
			}
			for i := range ar.Files {
				if ar.Files[i].Name == "plan" {
					ar.Files[i].Data = []byte(got)
				}
			}
			if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func readCase(t *testing.T, ar *txtar.Archive) (Input, string) {
	t.Helper()
	in := Input{World: &inventory.World{Accounts: map[string]inventory.Account{}, Looks: map[cloud.Scope]inventory.Look{}}, Memory: Memory{Actions: map[string]Past{}, Busy: map[Spot]string{}, Unmade: map[Spot][]string{}}}
	var want string
	var memory []byte
	for _, f := range ar.Files {
		switch f.Name {
		case "policy.yaml":
			rules, complaints := policy.Parse([]policy.File{{Name: f.Name, Data: f.Data}})
			for _, c := range complaints {
				if !c.Warning {
					t.Fatalf("policy: %s", c)
				}
			}
			in.Rules = rules
		case "now":
			in.Now = instant(t, strings.TrimSpace(string(f.Data)))
		case "world":
			readWorld(t, in.World, string(f.Data))
		case "memory":
			memory = f.Data
		case "plan":
			want = string(f.Data)
		default:
			t.Fatalf("unknown part %q", f.Name)
		}
	}
	in.World.Sort()
	readMemory(t, &in, string(memory))
	return in, want
}

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// readWorld reads lines of
//
//	account NAME CLOUD [sets] [max-tags=N] [copies[=AT-ONCE] [bare-copies]]
//	unseen ACCOUNT/REGION/KIND why
//	instance ACCOUNT/REGION/ID key=value… (name, created, disks=a,b, power, local-root, tag:KEY=VALUE)
//	snapshots ACCOUNT/REGION policy= source= slot= by= DISK:STATE… [made=TIME] [tag:KEY=VALUE] [-KEY]
//	image ACCOUNT/REGION policy= source= slot= by= ID:STATE [on=snap-1,snap-2] [bare[=WHO-HOLDS]] …
//
// A copy says from=ACCOUNT/REGION, where its source is, and copy[=ACCOUNT/REGION], for which place it was made if not for
// that where it is; untagged, that the cloud made it without tags.
// An account's regions are those that its things name; every scope of them was seen whole unless it is unseen.
func readWorld(t *testing.T, w *inventory.World, text string) {
	t.Helper()
	unseen := map[cloud.Scope]string{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || strings.HasPrefix(f[0], "#") {
			continue
		}
		opts := options(f[2:])
		switch f[0] {
		case "account":
			acc := inventory.Account{Name: f[1], Capabilities: []cloud.Capability{cloud.Snapshots, cloud.ImageMaking, cloud.DiskMaking, cloud.Launching, cloud.Tagging}}
			acc.Traits = cloud.Traits{Cloud: f[2], MaxTags: 50, MaxTagKey: 128, MaxTagValue: 256, ReservedTags: []string{"aws:"}}
			if _, ok := opts["sets"]; ok {
				acc.Capabilities = append(acc.Capabilities, cloud.SnapshotSets)
				acc.Traits.ConsistentSets, acc.Traits.ImageHasDisks = true, true
			}
			if n, err := strconv.Atoi(opts["max-tags"]); err == nil {
				acc.Traits.MaxTags = n
			}
			if most, ok := opts["copies"]; ok {
				_, bare := opts["bare-copies"]
				acc.Capabilities = append(acc.Capabilities, cloud.ImageCopies, cloud.SnapshotCopies)
				acc.Traits.ImageCopies.Tags = !bare
				acc.Traits.ImageCopies.Max, _ = strconv.Atoi(most)
				acc.Traits.SnapshotCopies = acc.Traits.ImageCopies
			}
			w.Accounts[f[1]] = acc
		case "region":
			place(w, f[1])
		case "unseen":
			scope, err := cloud.ParseScope(f[1])
			if err != nil {
				t.Fatal(err)
			}
			unseen[scope] = strings.Join(f[2:], " ")
		case "instance":
			p, id := splitRef(t, f[1])
			place(w, p.String())
			inst := cloud.Instance{Ref: cloud.Ref{Account: p.Account, Region: p.Region, Kind: cloud.KindInstance, ID: id}, Name: opts["name"], Power: cloud.PowerRunning, Tags: tagsIn(opts)}
			inst.CreatedAt = instant(t, or(opts["created"], "2026-01-01T00:00:00Z"))
			_, inst.LocalRoot = opts["local-root"]
			if opts["power"] == "gone" {
				inst.Power = cloud.PowerGone
			}
			for i, d := range strings.Split(opts["disks"], ",") {
				if d != "" {
					inst.Disks = append(inst.Disks, cloud.Attachment{Disk: d, Root: i == 0 && !inst.LocalRoot})
				}
			}
			w.Instances = append(w.Instances, inst)
		case "snapshots", "image":
			readBackup(t, w, f, opts)
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	for scope, why := range unseen {
		w.Looks[scope] = inventory.Look{Problem: why}
	}
}

func readBackup(t *testing.T, w *inventory.World, f []string, opts map[string]string) {
	t.Helper()
	place(w, f[1])
	account, region, _ := strings.Cut(f[1], "/")
	source := cloud.Ref{Account: account, Region: region, Kind: cloud.KindInstance, ID: opts["source"]}
	if from := opts["from"]; from != "" {
		source.Account, source.Region, _ = strings.Cut(from, "/")
	}
	id := BackupID(opts["policy"], source, opts["slot"])
	by := strings.ReplaceAll(opts["by"], "+", " ")
	tags := cloud.TagsOf(map[string]string{
		cloud.TagPolicy: opts["policy"], cloud.TagSource: source.Source(), cloud.TagSlot: opts["slot"], cloud.TagBackup: id, cloud.TagBy: or(by, "-"),
	})
	for _, b := range inventory.ParseBy(by) {
		tags = tags.With(b.Key, b.Value)
	}
	tags = tags.Merge(tagsIn(opts))
	parts := 0
	var states []string
	for _, word := range f[2:] {
		if strings.HasPrefix(word, "-") {
			tags = tags.Without(word[1:])
		} else if strings.Contains(word, ":") && !strings.Contains(word, "=") {
			parts++
			states = append(states, word)
		}
	}
	made := instant(t, or(opts["made"], opts["slot"])).Add(time.Minute)
	var to *cloud.Place
	if text, ok := opts["copy"]; ok {
		at := cloud.Place{Account: account, Region: region}
		if text != "" {
			at.Account, at.Region, _ = strings.Cut(text, "/")
		}
		to = &at
		tags = tags.With(cloud.TagCopy, inventory.CopyMark(at, ""))
	}
	_, untagged := opts["untagged"]
	if untagged {
		tags = nil
	}
	for i, word := range states {
		name, state, _ := strings.Cut(word, ":")
		var s cloud.State
		if err := s.UnmarshalText([]byte(state)); err != nil {
			t.Fatal(err)
		}
		if f[0] == "image" {
			img := cloud.Image{Ref: cloud.Ref{Account: account, Region: region, Kind: cloud.KindImage, ID: name}, Name: or(opts["name"], "web-1-"+id[:8]), State: s, Tags: tags, CreatedAt: made}
			for _, on := range strings.Split(opts["on"], ",") {
				if on == "" {
					continue
				}
				img.Snapshots = append(img.Snapshots, on)
				snap := cloud.Snapshot{Ref: cloud.Ref{Account: account, Region: region, Kind: cloud.KindSnapshot, ID: on}, Name: on, State: s, Tags: tags, CreatedAt: made}
				if _, bare := opts["bare"]; bare {
					snap.Tags = nil
					if who := opts["bare"]; who != "" { // bare=WHO: who holds what the image stands on
						snap.Tags = snap.Tags.With(cloud.TagHold, who)
					}
				}
				if _, shared := opts["shared"]; !shared {
					w.Snapshots = append(w.Snapshots, snap)
				}
			}
			if _, foreign := opts["foreign"]; foreign {
				img.Tags = nil
			}
			if _, gone := opts["gone"]; !gone {
				w.Images = append(w.Images, img)
			}
			continue
		}
		n := or(opts["parts"], strconv.Itoa(parts))
		disk := name
		if to != nil {
			tags, disk = tags.With(cloud.TagCopy, inventory.CopyMark(*to, name)), "vol-ffffffff"
		}
		tags := tags
		if !untagged {
			tags = tags.With(cloud.TagParts, n)
		}
		w.Snapshots = append(w.Snapshots, cloud.Snapshot{
			Ref:  cloud.Ref{Account: account, Region: region, Kind: cloud.KindSnapshot, ID: fmt.Sprintf("snap-%s-%s-%d%s", name, made.Format("0102T15"), i, opts["suffix"])},
			Name: or(opts["name"], "web-1-"+id[:8]), Disk: disk, State: s, Detail: opts["detail"], Tags: tags, CreatedAt: made,
		})
	}
}

// readMemory reads lines of "STATE VERB POLICY SOURCE SLOT TARGET [at=TIME] [attempts=N] [try=N] [problem=word] [to=PLACE]" with
// STATE one of open, done, failed, stopped, or "busy POLICY SOURCE SLOT".
func readMemory(t *testing.T, in *Input, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if f[0] == "busy" {
			in.Memory.Busy[Spot{BackupID(f[1], refOfSource(f[2]), f[3]), refOfSource(f[2]).Place()}] = "it is being restored from"
			continue
		}
		opts := options(f[6:])
		a := Action{Policy: f[2], Source: refOfSource(f[3]), Slot: f[4]}
		if err := a.Verb.UnmarshalText([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
		a.Backup = BackupID(a.Policy, a.Source, a.Slot)
		target, err := cloud.ParseRef(f[5])
		if err != nil {
			t.Fatal(err)
		}
		a.Target = target
		a.Try, _ = strconv.Atoi(opts["try"])
		if a.Verb.Copies() {
			a.Place.Account, a.Place.Region, _ = strings.Cut(opts["to"], "/")
			a.Copy = &cloud.NewCopy{Key: opts["key"]}
		}
		past := Past{Problem: opts["problem"], At: in.Now}
		if opts["at"] != "" {
			past.At = instant(t, opts["at"])
		}
		past.Attempts, _ = strconv.Atoi(or(opts["attempts"], "1"))
		switch f[0] {
		case "open":
			past.Open = true
			if a.Verb.Copies() {
				in.Memory.Busy[Spot{a.Backup, a.Place}] = "the action that makes it is not settled yet"
				in.Memory.Busy[Spot{a.Backup, a.Target.Place()}] = "it is being copied to " + a.Place.String()
			}
		case "done":
			past.Done = true
			if a.Verb == DeleteImage {
				in.Memory.Unmade[Spot{a.Backup, a.Target.Place()}] = strings.Split(opts["under"], ",")
			}
		case "stopped":
			past.Stopped = true
		case "failed":
		default:
			t.Fatalf("unknown line %q", line)
		}
		in.Memory.Actions[ActionID(a)] = past
	}
}

func render(p Plan, in Input) string {
	var b strings.Builder
	names := map[string]string{} // backup id → what a person calls it
	for _, bk := range in.World.Backups() {
		names[bk.ID] = bk.Policy + " " + bk.Source + " " + bk.Slot
	}
	ids := map[string]string{}
	for _, a := range p.Actions {
		ids[a.ID] = a.Verb.String() + " " + a.Target.ID
	}
	for _, a := range p.Actions {
		fmt.Fprintf(&b, "%s %s: %s\n", a.Verb, a.Target, a.Reason)
		var after []string
		for _, id := range a.After {
			after = append(after, ids[id])
		}
		if len(after) > 0 {
			fmt.Fprintf(&b, "    after %s\n", strings.Join(after, ", "))
		}
		switch {
		case a.Set != nil:
			fmt.Fprintf(&b, "    name %s, disks %s\n    tags %s\n", a.Set.Name, strings.Join(a.Set.Disks, " "), visible(a.Set.Tags))
		case a.Snapshot != nil:
			fmt.Fprintf(&b, "    name %s\n    tags %s\n", a.Snapshot.Name, visible(a.Snapshot.Tags))
		case a.Image != nil:
			fmt.Fprintf(&b, "    name %s, reboot %v\n    tags %s\n", a.Image.Name, a.Image.Reboot, visible(a.Image.Tags))
		case a.Copy != nil:
			fmt.Fprintf(&b, "    to %s, name %s\n    tags %s\n", a.Place, a.Copy.Name, visible(a.Copy.Tags))
			if a.Copy.Key != "" {
				fmt.Fprintf(&b, "    key %s\n", a.Copy.Key)
			}
		case a.Verb == SetTags:
			fmt.Fprintf(&b, "    tags %s\n", visible(a.Tags))
		}
		if a.Verb.Deletes() {
			var keep []string
			for _, k := range a.Guard.Keepers {
				keep = append(keep, k.ID)
			}
			fmt.Fprintf(&b, "    only while %s, lacks %s, keeps %s\n", visible(a.Guard.Tags), strings.Join(a.Guard.Lacks, " "), strings.Join(keep, " "))
		}
	}
	for _, f := range p.Follow {
		fmt.Fprintf(&b, "follow-up: %s\n", f.Text)
	}
	var left []string
	for _, l := range p.Left {
		what := or(names[l.Backup], strings.TrimSuffix(l.Ref.String(), "/"))
		if l.Place != nil {
			what += " in " + l.Place.String()
		}
		left = append(left, fmt.Sprintf("left %s %s: %s\n", l.Kind, what, l.Why))
	}
	slices.Sort(left)
	b.WriteString(strings.Join(left, ""))
	for _, f := range p.Findings {
		word := "finding"
		if f.Grave {
			word = "GRAVE"
		}
		fmt.Fprintf(&b, "%s: %s\n", word, f.Text)
	}
	return b.String()
}

// visible is the tags without the ids, which only a hash decides.
func visible(tags cloud.Tags) string {
	return tags.Without(cloud.TagBackup, cloud.TagAction).String()
}

func options(words []string) map[string]string {
	out := map[string]string{}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		out[k] = v
	}
	return out
}

func tagsIn(opts map[string]string) cloud.Tags {
	m := map[string]string{}
	for k, v := range opts {
		if key, ok := strings.CutPrefix(k, "tag:"); ok {
			m[key] = strings.ReplaceAll(v, "_", " ")
		}
	}
	return cloud.TagsOf(m)
}

func place(w *inventory.World, text string) {
	account, region, _ := strings.Cut(text, "/")
	for _, k := range []cloud.Kind{cloud.KindInstance, cloud.KindSnapshot, cloud.KindImage} {
		scope := cloud.Scope{Account: account, Region: region, Kind: k}
		if _, ok := w.Looks[scope]; !ok {
			w.Looks[scope] = inventory.Look{SeenAt: time.Unix(1, 0)}
		}
	}
}

func splitRef(t *testing.T, s string) (cloud.Place, string) {
	t.Helper()
	f := strings.SplitN(s, "/", 3)
	if len(f) != 3 {
		t.Fatalf("%q is not account/region/id", s)
	}
	return cloud.Place{Account: f[0], Region: f[1]}, f[2]
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}
