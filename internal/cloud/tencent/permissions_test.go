package tencent

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/tencent/faketencent"
	"github.com/stint-cloud/stint/internal/permit"
)

// scene is a fake with one of everything, and each operation that the provider has, in each way that asks for something else.
type scene struct {
	fake  *faketencent.Fake
	ops   []string // in the order in which they are made
	calls map[string][]func() error
}

// call makes an operation in each of its ways, until one fails.
func (s scene) call(op string) error {
	for _, f := range s.calls[op] {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func newScene(t *testing.T) scene {
	t.Helper()
	f := faketencent.New(faketencent.Options{Accounts: lender("")})
	p := open(t, f)
	id := f.AddInstance(region, faketencent.NewInstance{Disks: make([]faketencent.NewDisk, 2)})
	c := cloud.NewClient(account, p)
	ctx, q := t.Context(), cloud.Query{Region: region}
	tags := cloud.TagsOf(map[string]string{cloud.TagPolicy: "nightly", cloud.TagBackup: "b", "owner": "ann"})
	place := cloud.Ref{Account: account, Region: region}
	of := func(kind cloud.Kind, id string) cloud.Ref {
		r := place
		r.Kind, r.ID = kind, id
		return r
	}
	var snapshot, image, run cloud.Ref
	s := scene{fake: f, calls: map[string][]func() error{}}
	op := func(name string, call func() error) {
		if s.calls[name] == nil {
			s.ops = append(s.ops, name)
		}
		s.calls[name] = append(s.calls[name], call)
	}
	op("region.list", func() error { _, err := c.Regions(ctx); return err })
	op("instance.list", func() error { return drain(c.Instances(ctx, q)) })
	op("disk.list", func() error { return drain(c.Disks(ctx, q)) })
	op("snapshot.list", func() error { return drain(c.Snapshots(ctx, q)) })
	op("image.list", func() error { return drain(c.Images(ctx, q)) })
	op("snapshot.create", func() error {
		got, err := c.CreateSnapshot(ctx, cloud.NewSnapshot{Region: region, Disk: f.Disks(region)[0].ID, Name: "one", Tags: tags})
		snapshot = got.Ref
		return err
	})
	op("image.create", func() error {
		got, err := c.CreateImage(ctx, cloud.NewImage{Region: region, Instance: id, Name: "image", Tags: tags})
		image = got.Ref
		return err
	})
	for _, kind := range []cloud.Kind{cloud.KindInstance, cloud.KindDisk, cloud.KindSnapshot, cloud.KindImage} {
		what := func() cloud.Ref {
			switch kind {
			case cloud.KindInstance:
				return of(kind, id)
			case cloud.KindDisk:
				return of(kind, f.Disks(region)[0].ID)
			case cloud.KindSnapshot:
				return snapshot
			}
			return image
		}
		op("tag.set", func() error { return c.SetTags(ctx, what(), cloud.TagsOf(map[string]string{cloud.TagHold: "ann"})) })
		op("tag.remove", func() error {
			f.Tag(region, what().ID, map[string]string{cloud.TagHold: "ann"}) // what has none is left alone
			return c.RemoveTags(ctx, what(), []string{cloud.TagHold})
		})
	}
	copied := func(from cloud.Ref) cloud.NewCopy {
		return cloud.NewCopy{From: from, Region: "ap-guangzhou", Name: "copy", Tags: tags}
	}
	op("snapshot.copy", func() error { _, err := c.CopySnapshot(ctx, copied(snapshot)); return err })
	op("image.copy", func() error { _, err := c.CopyImage(ctx, copied(image)); return err })
	op("disk.create", func() error {
		_, err := c.CreateDisk(ctx, cloud.NewDisk{Region: region, Zone: region + "-1", Snapshot: snapshot.ID, Name: "disk", Tags: tags})
		return err
	})
	op("instance.run", func() error {
		got, err := c.RunInstance(ctx, cloud.NewInstance{Region: region, Image: image.ID, Name: "back", Type: "S5.MEDIUM4", Zone: region + "-1", Network: "vpc-1a2b3c4d/subnet-1a2b3c4d", Tags: tags})
		run = got.Ref
		return err
	})
	op("image.share", func() error { return c.Share(ctx, image, partner, true) })
	op("image.shares", func() error { _, err := c.SharedWith(ctx, image); return err })
	op("image.unshare", func() error { return c.Share(ctx, image, partner, false) })
	op("account.identity", func() error { _, err := c.Identity(ctx); return err })
	op("instance.stop", func() error { return c.StopInstance(ctx, run) })
	op("instance.start", func() error { return c.StartInstance(ctx, run) })
	op("instance.delete", func() error { return c.DeleteInstance(ctx, of(cloud.KindInstance, run.ID)) })
	op("image.delete", func() error { return c.DeleteImage(ctx, image) })
	op("snapshot.delete", func() error {
		return c.DeleteSnapshot(ctx, of(cloud.KindSnapshot, f.AddSnapshot(region, faketencent.Snapshot{})))
	})
	return s
}

func drain[T any](seq func(func(T, error) bool)) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

// called are the actions that the fake has counted since it was asked last.
func (s scene) called() []string {
	var out []string
	for action := range s.fake.Counts() {
		service := "cvm:"
		switch {
		case action == "GetCallerIdentity":
			service = "sts:"
		case strings.HasSuffix(action, "TagResources"):
			service = "tag:"
		case strings.Contains(action, "Snapshot") || strings.Contains(action, "Disks"):
			service = "cbs:"
		}
		out = append(out, service+action)
	}
	s.fake.ResetCounts()
	slices.Sort(out)
	return out
}

// TestPermissionsAreWhatIsCalled holds the table to what goes over the wire: for each operation the actions that it names
// are called, and no others; and it names every operation.
func TestPermissionsAreWhatIsCalled(t *testing.T) {
	table, s := Permissions(), newScene(t)
	for _, op := range s.ops {
		if err := s.call(op); err != nil {
			t.Fatalf("%s: got %v, want no error", op, err)
		}
		// What is tagged at its making takes a permission, and no call of its own.
		var want []string
		for _, ask := range table.Ops[op] {
			if ask.While == "" {
				want = append(want, ask.Action)
			}
		}
		slices.Sort(want)
		if got, want := s.called(), slices.Compact(want); !slices.Equal(got, want) {
			t.Errorf("%s calls %v, and the table names %v", op, got, want)
		}
	}
	for op := range table.Ops {
		if s.calls[op] == nil {
			t.Errorf("the table names the operation %s, which nobody makes here", op)
		}
	}
}

// statement allows one action, everywhere.
func statement(action string) string {
	return `{ "effect": "allow", "action": ["` + action + `"], "resource": ["*"] }`
}

// TestPermissionsAreEnough: each operation is refused without any one line of its part of the table, which the refusal
// names, and passes with all.
func TestPermissionsAreEnough(t *testing.T) {
	table, s := Permissions(), newScene(t)
	enforce := func(lines []string) {
		t.Helper()
		if err := s.fake.Enforce([]byte(`{ "version": "2.0", "statement": [` + strings.Join(append(lines, statement("none:None")), ",") + `] }`)); err != nil {
			t.Fatal(err)
		}
	}
	for _, op := range s.ops {
		var lines, actions []string
		for _, ask := range table.Ops[op] {
			if line := statement(ask.Action); !slices.Contains(lines, line) {
				lines, actions = append(lines, line), append(actions, ask.Action)
			}
		}
		for i := range lines {
			if slices.ContainsFunc(table.Ops[op], func(a permit.Ask) bool { return a.Spared && a.Action == actions[i] }) {
				enforce(slices.Delete(slices.Clone(lines), i, i+1))
				if err := s.call(op); err != nil {
					t.Errorf("%s without %s, which is to be spared: got %v, want no error", op, actions[i], err)
				}
				continue
			}
			if op == "account.identity" {
				break // nobody is refused to know himself
			}
			enforce(slices.Delete(slices.Clone(lines), i, i+1))
			if err := s.call(op); !errors.Is(err, cloud.ErrDenied) || !strings.Contains(err.Error(), actions[i]) {
				t.Errorf("%s without %s: got %v, want it denied, and the action named", op, lines[i], err)
			}
		}
		enforce(lines)
		if err := s.call(op); err != nil {
			t.Fatalf("%s with the actions of the table alone: got %v, want no error", op, err)
		}
	}
}
