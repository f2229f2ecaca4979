package storetest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/store"
)

// bodies makes resources of cloud nouns.
func bodies[T any](t interface {
	Helper()
	Fatalf(string, ...any)
}, list []T, ref func(T) cloud.Ref,
) []store.Resource {
	t.Helper()
	var out []store.Resource
	for _, v := range list {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("json.Marshal(%+v): got error %v, want none", v, err)
		}
		out = append(out, store.Resource{ID: ref(v).ID, Body: b})
	}
	return out
}

func ref(scope cloud.Scope, id string) cloud.Ref {
	return cloud.Ref{Account: scope.Account, Region: scope.Region, Kind: scope.Kind, ID: id}
}

func testWorld(t *testing.T, s store.Store) {
	ctx := t.Context()
	created := start().Add(789 * time.Nanosecond) // a cloud's time is in the body and is not ours to round
	tags := cloud.TagsOf(map[string]string{"Name": "db 🦀", "stint:policy": "nightly", "empty": ""})
	in, di, sn, im := scopeOf("web", "r", cloud.KindInstance), scopeOf("web", "r", cloud.KindDisk), scopeOf("web", "r", cloud.KindSnapshot), scopeOf("web", "r", cloud.KindImage)
	want := inventory.World{
		Accounts: map[string]inventory.Account{"web": {Name: "web", Traits: cloud.Traits{Cloud: "aws", MaxTags: 50, ReservedTags: []string{"aws:"}}, Capabilities: []cloud.Capability{cloud.Snapshots}}},
		Looks:    map[cloud.Scope]inventory.Look{},
		Instances: []cloud.Instance{
			{Ref: ref(in, "B"), Power: cloud.PowerStopped, CreatedAt: created},
			{
				Ref: ref(in, "a"), Name: "n", Zone: "z", Type: "t", Power: cloud.PowerRunning, Image: "i", LocalRoot: true, Network: "net", User: "u", Project: "p", Tags: tags,
				Disks: []cloud.Attachment{{Disk: "d", Device: "/dev/sda", Root: true}}, CreatedAt: created,
			},
		},
		Disks: []cloud.Disk{{Ref: ref(di, "d"), Name: "n", Zone: "z", Type: "t", Size: 1 << 40, State: cloud.StateReady, Instance: "a", Encrypted: true, User: "u", Project: "p", Tags: tags, CreatedAt: created}},
		Snapshots: []cloud.Snapshot{
			{Ref: ref(sn, "s1"), Name: "n", Disk: "d", Size: 1, State: cloud.StateWorking, Detail: "pending", Progress: 7, Locked: true, Managed: "dlm", Encrypted: true, User: "u", Project: "p", Tags: tags, CreatedAt: created},
			{Ref: ref(sn, "s2"), State: cloud.StateUnknown, Tags: tags, CreatedAt: created},
			{Ref: ref(sn, "s3"), State: cloud.StateUnknown, CreatedAt: created},
		},
		Images: []cloud.Image{{Ref: ref(im, "i"), Name: "n", Size: 5, State: cloud.StateFailed, Detail: "x", Snapshots: []string{"s2", "s1"}, Locked: true, Managed: "m", User: "u", Project: "p", Tags: tags, CreatedAt: created}},
	}
	ok(t, "SaveAccount", s.SaveAccount(ctx, inventory.Account{Name: "web"}))
	ok(t, "SaveAccount again", s.SaveAccount(ctx, want.Accounts["web"]))
	save := func(scope cloud.Scope, items []store.Resource) {
		t.Helper()
		row := store.Survey{Scope: scope, Look: inventory.Look{SeenAt: start(), LookedAt: start()}}
		want.Looks[scope] = row.Look
		_, _, err := s.SaveSurvey(ctx, row, &store.Seen{Scope: scope, At: start(), Whole: true, Items: items})
		ok(t, "SaveSurvey of "+scope.String(), err)
	}
	save(im, bodies(t, want.Images, func(v cloud.Image) cloud.Ref { return v.Ref }))
	save(sn, bodies(t, want.Snapshots, func(v cloud.Snapshot) cloud.Ref { return v.Ref }))
	save(di, bodies(t, want.Disks, func(v cloud.Disk) cloud.Ref { return v.Ref }))
	save(in, bodies(t, want.Instances, func(v cloud.Instance) cloud.Ref { return v.Ref }))
	got, err := s.World(ctx, nil)
	ok(t, "World", err)
	same(t, "World", got, want)
	if !got.Whole(sn) {
		t.Fatalf("World.Whole(%s): got false, want true", sn)
	}
}

func testWorldOfScopes(t *testing.T, s store.Store) {
	ctx := t.Context()
	other := scopeOf("shop", "cn", cloud.KindSnapshot)
	for _, scope := range []cloud.Scope{web(), other} {
		ok(t, "SaveAccount", s.SaveAccount(ctx, inventory.Account{Name: scope.Account}))
		look(t, s, store.Seen{Scope: scope, At: start(), Whole: true, Items: bodies(t, []cloud.Snapshot{{Ref: ref(scope, "x"), State: cloud.StateReady}}, func(v cloud.Snapshot) cloud.Ref { return v.Ref })}, store.Diff{Added: 1})
	}
	w, err := s.World(ctx, []cloud.Scope{web(), scopeOf("nobody", "r", cloud.KindDisk)})
	ok(t, "World", err)
	if len(w.Snapshots) != 1 || w.Snapshots[0].Ref.Account != "web" || len(w.Looks) != 1 || len(w.Accounts) != 1 {
		t.Fatalf("World of %s: got %+v, want what is of that scope alone", web(), w)
	}
	w, err = s.World(ctx, []cloud.Scope{})
	ok(t, "World", err)
	if len(w.Snapshots)+len(w.Looks)+len(w.Accounts) > 0 {
		t.Fatalf("World of no scope: got %+v, want nothing", w)
	}
}

func testAccounts(t *testing.T, s store.Store) {
	for _, name := range []string{"a", "b", "a"} {
		ok(t, "SaveAccount", s.SaveAccount(t.Context(), inventory.Account{Name: name, Traits: cloud.Traits{Cloud: name + name}}))
	}
	w, err := s.World(t.Context(), nil)
	ok(t, "World", err)
	if len(w.Accounts) != 2 || w.Accounts["a"].Traits.Cloud != "aa" || w.Accounts["b"].Traits.Cloud != "bb" {
		t.Fatalf("World: got accounts %+v, want a and b", w.Accounts)
	}
}

// testWorldRapid saves looks in any order over a simple model: a map.
func testWorldRapid(t *testing.T, s store.Store) {
	ctx := t.Context()
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++ // every round has an account of its own, since the store stays
		account := fmt.Sprintf("account-%d", round)
		scopes := []cloud.Scope{scopeOf(account, "A", cloud.KindSnapshot), scopeOf(account, "a", cloud.KindSnapshot), scopeOf(account, "b", cloud.KindSnapshot)}
		model := map[cloud.Ref]cloud.Snapshot{}
		rows := map[cloud.Scope]store.Survey{}
		for range rapid.IntRange(1, 8).Draw(r, "looks") {
			scope := rapid.SampledFrom(scopes).Draw(r, "scope")
			ids := rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Za-z0-9._:-]{1,4}`), 0, 12, rapid.ID[string]).Draw(r, "ids")
			whole := rapid.Bool().Draw(r, "whole")
			var list []cloud.Snapshot
			for _, id := range ids {
				v := cloud.Snapshot{Ref: ref(scope, id), State: cloud.StateReady, Name: rapid.StringOf(rapid.RuneFrom([]rune("ab'\"\\🦀中"))).Draw(r, "name")}
				if rapid.Bool().Draw(r, "tagged") {
					v.Tags = cloud.TagsOf(rapid.MapOfN(rapid.SampledFrom([]string{"k", "l", "m"}), rapid.SampledFrom([]string{"", "v", "w"}), 1, 3).Draw(r, "tags"))
				}
				list = append(list, v)
			}
			if whole {
				for known := range model {
					if known.Region == scope.Region {
						delete(model, known)
					}
				}
			}
			for _, v := range list {
				model[v.Ref] = v
			}
			row, there := rows[scope]
			if !there {
				row = store.Survey{Scope: scope}
			}
			saved, _, err := s.SaveSurvey(ctx, row, &store.Seen{Scope: scope, At: start(), Whole: whole, Items: bodies(r, list, func(v cloud.Snapshot) cloud.Ref { return v.Ref })})
			if err != nil {
				r.Fatalf("SaveSurvey: got error %v, want none", err)
			}
			rows[scope] = saved
		}
		w, err := s.World(ctx, scopes)
		if err != nil {
			r.Fatalf("World: got error %v, want none", err)
		}
		if len(w.Snapshots) != len(model) {
			r.Fatalf("World: got %d snapshots, want %d", len(w.Snapshots), len(model))
		}
		for i, v := range w.Snapshots {
			want := model[v.Ref]
			if v.Ref != want.Ref || v.Name != want.Name || !v.Tags.Equal(want.Tags) {
				r.Fatalf("World: got %+v, want %+v", v, want)
			}
			if i > 0 && w.Snapshots[i-1].Ref.Compare(v.Ref) >= 0 {
				r.Fatalf("World: got %s before %s, want them in order", w.Snapshots[i-1].Ref, v.Ref)
			}
		}
	})
}
