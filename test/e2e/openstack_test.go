package e2e

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// labPolicies are the policies of the story: both methods, the newest one stays, slots at one minute of the hour.
func labPolicies(at time.Time) string {
	return fmt.Sprintf(`
accounts:
  lab: { cloud: openstack, credentials: { clouds-yaml: rig } }
policies:
  disks:
    backup:
      select: { accounts: [lab], tags: { backup: "yes" } }
      schedule: { cron: "%[1]d * * * *", catch-up: 10m }
      method: snapshots
      keep: { last: 1 }
  images:
    backup:
      select: { accounts: [lab], tags: { backup: "yes" } }
      schedule: { cron: "%[1]d * * * *", catch-up: 10m }
      method: image
      keep: { last: 1 }
`, at.UTC().Minute())
}

// nextMinute is the next one for which there is time to get ready: younger servers have no slot at an earlier one.
func nextMinute() time.Time {
	return time.Now().UTC().Add(5 * time.Second).Truncate(time.Minute).Add(time.Minute)
}

// complete counts the complete backups of the slot.
func complete(list []backup, slot string) (n int) {
	for _, b := range list {
		if b.Slot == slot && b.Standing == "complete" {
			n++
		}
	}
	return n
}

// of gives those of one policy, of one server, of one slot.
func of(list []part, policy, server, slot string) (out []part) {
	for _, x := range list {
		if x.tag("stint:policy") == policy && strings.HasSuffix(x.tag("stint:source"), "/"+server) && x.tag("stint:slot") == slot {
			out = append(out, x)
		}
	}
	return out
}

// TestOpenStack serves two slots on a real OpenStack, with a kill -9 in each while something is being made, and has
// OpenStack's own command line judge what there is in the end.
func TestOpenStack(t *testing.T) {
	demand(t)
	p := newProject(t)
	tagged := map[string]string{"backup": "yes", "team": "shop"}
	app := p.launch("app", false, true, tagged)
	db := p.launch("db", true, true, tagged)
	scratch := p.launch("scratch", false, false, map[string]string{"team": "shop"})

	// The first slot. The daemon dies while an image is being made.
	first := nextMinute()
	h := newHome(t, labPolicies(first), p.env()...)
	slot := func(at time.Time) string { return at.Format(time.RFC3339) }
	serving := h.serve("serve")
	var seen []thing
	until(t, 2*time.Minute, 50*time.Millisecond, "an image is being made", func() (bool, string) {
		seen = p.backupImages()
		return len(seen) > 0, "no image"
	})
	serving.kill()
	t.Logf("killed with the images %+v", seen)
	serving = h.serve("serve again")
	whole := func(at time.Time) {
		t.Helper()
		until(t, 3*time.Minute, time.Second, "the slot "+slot(at)+" is complete", func() (bool, string) {
			list := h.backups()
			return complete(list, slot(at)) == 4, fmt.Sprintf("%+v", list)
		})
	}
	whole(first)
	snapshots, images := p.judged()
	for _, c := range []struct {
		what string
		list []part
		want int
	}{
		{"snapshots of app", of(snapshots, "disks", app, slot(first)), 1},
		{"snapshots of db", of(snapshots, "disks", db, slot(first)), 2},
		{"images of app", of(images, "images", app, slot(first)), 1},
		{"images of db", of(images, "images", db, slot(first)), 1},
		{"all images", images, 2},
	} {
		if len(c.list) != c.want {
			t.Errorf("after a kill in the first slot, %s: got %d, want %d: %+v", c.what, len(c.list), c.want, c.list)
		}
	}
	if t.Failed() {
		return
	}

	// A person takes the tag off one snapshot: it is held from now on.
	held := of(snapshots, "disks", app, slot(first))[0]
	if err := ask(p.volume, "DELETE", nil, nil, "snapshots", held.ID, "metadata", "backup"); err != nil {
		t.Fatal(err)
	}
	before := map[string]bool{}
	for _, s := range p.snapshots() {
		before[s.ID] = true
	}

	// The second slot: the policies are read again. The daemon dies as soon as a new snapshot is seen.
	second := nextMinute()
	h.write(labPolicies(second))
	serving.signal(syscall.SIGHUP)
	serving.until(time.Minute, "the policies are read again")
	until(t, 3*time.Minute, 50*time.Millisecond, "a snapshot of the second slot is made", func() (bool, string) {
		now := p.snapshots()
		return slices.ContainsFunc(now, func(s thing) bool { return !before[s.ID] }), fmt.Sprintf("%d snapshots", len(now))
	})
	serving.kill()
	serving = h.serve("serve once more")
	whole(second)
	until(t, 3*time.Minute, time.Second, "what expired is gone, and what is there is tagged", func() (bool, string) {
		snaps, imgs := p.snapshots(), p.backupImages()
		bare := slices.ContainsFunc(snaps, func(s thing) bool { return s.Metadata["stint:policy"] == "" })
		return len(snaps) == 6 && len(imgs) == 2 && !bare, fmt.Sprintf("%d snapshots and %d images: %+v %+v", len(snaps), len(imgs), snaps, imgs)
	})
	serving.stop()

	snapshots, images = p.judged()
	var backing []part
	for _, s := range snapshots {
		if s.Status != "available" {
			t.Errorf("snapshot %s: got status %s, want available", s.ID, s.Status)
		}
		if s.tag("stint:policy") == "images" {
			backing = append(backing, s)
		}
		if s.tag("stint:policy") == "" {
			t.Errorf("snapshot %s (%s) is nobody's: it has the properties %v", s.ID, s.Name, s.Properties)
		}
		if strings.HasSuffix(s.tag("stint:source"), "/"+scratch) {
			t.Errorf("snapshot %s is of scratch, which no policy selects", s.ID)
		}
	}
	for _, i := range images {
		if i.Status != "active" || i.tag("team") != "shop" {
			t.Errorf("image %s: got status %s and team %q, want active, with the server's tags", i.ID, i.Status, i.tag("team"))
		}
	}
	kept := of(snapshots, "disks", app, slot(first))
	if len(kept) != 1 || kept[0].ID != held.ID {
		t.Errorf("the snapshot whose tag was taken off: got %+v, want %s still there", kept, held.ID)
	}
	backed := of(images, "images", db, slot(second))
	for _, c := range []struct {
		what string
		list []part
		want int
	}{
		{"snapshots of app", of(snapshots, "disks", app, slot(second)), 1},
		{"snapshots of db", of(snapshots, "disks", db, slot(second)), 2},
		{"images of app", of(images, "images", app, slot(second)), 1},
		{"images of db", backed, 1},
		{"snapshots under images", backing, 2},
		{"all snapshots", snapshots, 6},
		{"all images", images, 2},
	} {
		if len(c.list) != c.want {
			t.Errorf("in the end, %s: got %d, want %d: %+v", c.what, len(c.list), c.want, c.list)
		}
	}
	for _, s := range backing {
		if len(backed) == 1 && s.tag("stint:backup") != backed[0].tag("stint:backup") {
			t.Errorf("the snapshot %s stands under backup %s, want the image's %s", s.ID, s.tag("stint:backup"), backed[0].tag("stint:backup"))
		}
	}
	h.run("status").want(0, "app", "db", "No incident is open")
	h.run("apply", "--yes").want(0, "Nothing to do")
}

// TestOpenStackByHand takes one backup from plan to restore, one command at a time.
func TestOpenStackByHand(t *testing.T) {
	demand(t)
	p := newProject(t)
	app := p.launch("app", false, true, map[string]string{"backup": "yes"})
	slot := nextMinute()
	h := newHome(t, labPolicies(slot), p.env()...)
	h.run("check").want(0)
	h.run("plan").want(0, "Nothing to do", "The next slot is")
	pause(t.Context(), time.Until(slot.Add(time.Second)))
	h.run("plan", "--out", "plan.json").want(4, "2 to make")
	if n := len(p.snapshots()) + len(p.backupImages()); n != 0 {
		t.Errorf("after plan: got %d snapshots and images, want nothing changed", n)
	}
	h.run("apply", "plan.json").want(0, "2 made")
	h.run("apply", "plan.json").want(0, "Nothing of the plan file was left to do")
	h.run("plan").want(0, "Nothing to do")
	h.run("status").want(0, "No incident is open")

	snapshots, images := p.judged()
	if len(snapshots) != 1 || len(images) != 1 || !strings.HasSuffix(images[0].tag("stint:source"), "/"+app) {
		t.Fatalf("after apply: got %+v and %+v, want one snapshot and one image of app", snapshots, images)
	}
	id := map[string]string{}
	for _, b := range h.backups() {
		id[b.Policy] = b.ID
	}
	disks, image := id["disks"], id["images"]

	h.run("backups", "hold", disks, "--reason", "audit").want(0, "is held")
	if got := p.snapshots()[0].Metadata["stint:hold"]; !strings.Contains(got, "audit") {
		t.Errorf("the hold on the snapshot: got %q, want the reason", got)
	}
	h.run("backups", "delete", disks, "--yes", "--newest-too").want(1, "release it first")
	h.run("backups", "release", disks).want(0, "the rules decide again")
	if got, ok := p.snapshots()[0].Metadata["stint:hold"]; ok {
		t.Errorf("the hold on the snapshot after release: got %q, want none", got)
	}

	h.run("backups", "restore", image, "--yes", "--name", "back", "--network", "none").want(0, "can be used")
	h.run("backups", "restore", disks, "--yes", "--name", "back").want(0, "can be used")
	var servers []part
	p.judge(&servers, "server", "list")
	if !slices.ContainsFunc(servers, func(s part) bool { return s.Name == "back" && s.Status == "ACTIVE" }) {
		t.Errorf("after the image was restored: got the servers %+v, want back, ACTIVE", servers)
	}
	var volumes []part
	p.judge(&volumes, "volume", "list")
	if !slices.ContainsFunc(volumes, func(v part) bool { return v.Name == "back" && v.Status == "available" }) {
		t.Errorf("after the snapshots were restored: got the volumes %+v, want back, available", volumes)
	}
	h.run("plan").want(0, "Nothing to do") // what was restored is protected by nobody until somebody says so

	h.run("backups", "delete", image, "--yes").want(0, "is deleted") // the snapshots are as new as the image
	h.run("backups", "delete", disks, "--yes").want(2, "--newest-too")
	h.run("backups", "delete", disks, "--yes", "--newest-too").want(0, "is deleted")
	until(t, time.Minute, 200*time.Millisecond, "both backups are gone", func() (bool, string) { // deleting takes its time
		images, snapshots := p.backupImages(), p.snapshots()
		return len(images)+len(snapshots) == 0, fmt.Sprintf("%+v %+v", images, snapshots)
	})
}
