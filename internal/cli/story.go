package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/store"
)

// scene is something that people, or fate, do at a moment of the demo.
type scene struct {
	at time.Time
	do func()
}

// build makes the four clouds with their machines, and writes the script.
func (d *stage) build(rules policy.Rules, start time.Time) {
	for _, a := range rules.Accounts {
		d.clouds[a.Name] = memcloud.New(memcloud.Options{
			Account: a.Name, Cloud: a.Cloud, Regions: a.Regions, Now: d.engine.Now,
			Delays: memcloud.Delays{Snapshot: 6 * time.Minute, Image: 14 * time.Minute},
		})
	}
	long := start.Add(-90 * 24 * time.Hour)
	add := func(account, name string, tags map[string]string, disks ...int64) cloud.Instance {
		spec := memcloud.InstanceSpec{Name: name, Tags: cloud.TagsOf(tags), CreatedAt: long}
		for _, gib := range disks {
			spec.DiskSizes = append(spec.DiskSizes, gib*memcloud.GiB)
		}
		inst := d.clouds[account].AddInstance(spec)
		d.names[inst.Ref.Source()] = name
		return inst
	}
	nightly := map[string]string{"backup": "nightly"}
	add("shop", "shop-1", nightly, 40)
	add("shop", "shop-2", nightly, 40)
	db := add("shop", "shop-db", nightly, 40, 500)
	add("web", "api-1", map[string]string{"SnapshotDaily": "3"}, 20)
	add("web", "api-2", map[string]string{"SnapshotDaily": "5"}, 20, 100)
	add("web", "old-wiki", map[string]string{"owner": "ann"}, 20)
	add("games", "match-1", map[string]string{"role": "match"}, 50)
	add("games", "match-2", map[string]string{"role": "match"}, 50)
	add("games", "tryout", map[string]string{"role": "scratch"}, 50)
	add("lab", "gitlab", map[string]string{"keep": "yes"}, 80)

	noon := start.Truncate(24 * time.Hour).Add(12 * time.Hour)
	day := func(n int, hour time.Duration) time.Time {
		return noon.Add(time.Duration(n)*24*time.Hour + hour*time.Hour - 12*time.Hour)
	}
	d.denied = func(now time.Time) bool { return now.After(day(3, 12)) && now.Before(day(4, 16)) }
	all := []scene{
		{day(2, 12), func() {
			d.clouds["shop"].NextFate(db.Ref.ID, memcloud.FateFail)
			d.note("Tonight the cloud will fail to make one image: shop-db's.")
		}},
		{day(3, 12), func() { d.note("Somebody narrows the role of the account games: it may look, and change nothing.") }},
		{day(3, 14), d.hold},
		{day(4, 16), func() { d.note("The role is put right again.") }},
	}
	for _, sc := range all {
		if sc.at.After(start) {
			d.script = append(d.script, sc)
		}
	}
}

// hold is a person's deed in the cloud's own console: a tag is taken off the newest image of shop-1.
func (d *stage) hold() {
	shop := d.clouds["shop"]
	images := shop.Truth().Images
	slices.SortFunc(images, func(a, b cloud.Image) int { return b.CreatedAt.Compare(a.CreatedAt) })
	for _, img := range images {
		if d.names[img.Tags.Value(cloud.TagSource)] == "shop-1" {
			shop.Retag(img.Ref, img.Tags.Without("backup"))
			d.note("A person takes the tag backup off an image of shop-1, in the cloud's console: from now on it is held.")
			return
		}
	}
}

func (d *stage) prologue(days int) {
	p := d.out
	p.line("%s", p.bold(fmt.Sprintf("Stint demo: %s of four accounts at four clouds, in memory", count(days, "day", "days"))))
	p.line("%s", p.dim("These are the policies (times below are "+d.engine.Now().In(p.zone).Format("MST")+"):"))
	p.line("")
	for l := range strings.SplitSeq(strings.TrimSpace(string(demoPolicies)), "\n") {
		text, comment, found := strings.Cut(l, "#")
		if found {
			comment = p.dim("#" + comment)
		}
		p.line("  %s", strings.TrimRight(text+comment, " "))
	}
	p.line("")
}

// at writes a line of the story under its virtual time.
func (d *stage) at(mark, who, format string, args ...any) {
	if d.quiet {
		return
	}
	d.unclock()
	p := d.out
	now := d.engine.Now().In(p.zone)
	if day := now.Format("Monday 2006-01-02"); day != d.day {
		d.day = day
		p.line("")
		p.line("%s", p.bold(day))
	}
	head, indent := fmt.Sprintf("%s %s ", p.dim(now.Format("15:04")), mark), 8
	if who != "" {
		head, indent = head+p.bold(fmt.Sprintf("%-16s", who)), indent+16
	}
	p.wrap(head, strings.Repeat(" ", indent), fmt.Sprintf(format, args...))
}

// note writes what people and fate do.
func (d *stage) note(text string) { d.at(d.out.cyan("»"), "", "%s", d.out.cyan(text)) }

// clock shows the time on the last line of a terminal.
func (d *stage) clock(at time.Time) {
	if d.out.live && !d.quiet {
		fmt.Fprintf(d.out, "\r\x1b[K%s", d.out.dim(at.In(d.out.zone).Format("15:04")+" …"))
	}
}

func (d *stage) unclock() {
	if d.out.live && !d.quiet {
		fmt.Fprint(d.out, "\r\x1b[K")
	}
}

// tell writes what the app does, as it does it.
func (d *stage) tell(ctx context.Context, e app.Event) {
	switch {
	case e.What == "ended":
		rows, err := d.store.Actions(ctx, store.ActionFilter{Run: e.Run})
		if err == nil {
			d.tellRun(e.Policy, rows)
		}
	case e.What == "surveyed" && e.Err == nil && e.Diff.Changed > 0:
		d.tellReady(ctx, e.Scope)
	}
}

// tellRun writes a run, one line for each kind of thing that came of it.
func (d *stage) tellRun(name string, rows []store.ActionRow) {
	type kind struct {
		verb    plan.Verb
		state   store.ActionState
		problem string
		reason  string
	}
	withImages := slices.ContainsFunc(rows, func(r store.ActionRow) bool { return r.Verb == plan.DeleteImage })
	groups := map[kind][]store.ActionRow{}
	var order []kind
	for _, r := range rows {
		k := kind{verb: r.Verb, state: r.State, problem: r.Class + r.Code}
		if r.Verb.Deletes() {
			k.reason = r.Reason
		}
		if r.Verb == plan.DeleteSnapshot && r.State == store.ActionDone && withImages {
			continue // told with the image that stood on it
		}
		if _, ok := groups[k]; !ok {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
		for _, ref := range r.Made {
			d.making[ref] = r.Policy
		}
	}
	p := d.out
	for _, k := range order {
		list := groups[k]
		first := list[0]
		var of []string
		for _, r := range list {
			of = append(of, cmp.Or(d.names[r.Source.Source()], r.Label))
		}
		slices.Sort(of)
		whom := strings.Join(slices.Compact(of), ", ")
		switch {
		case k.state == store.ActionFailed:
			if d.refused[name]++; d.refused[name] > 1 {
				continue // it is tried again every few minutes: told once
			}
			_, why, _ := strings.Cut(first.Problem, ": ")
			d.at(p.red("✗"), name, "%s", p.red(fmt.Sprintf("%s %s is refused: %s", deed(k.verb), whom, why)))
			d.at(" ", "", "%s", p.dim("an incident is open; it is tried again until it works; the other accounts go on"))
		case k.state != store.ActionDone:
			d.at(p.yellow("·"), name, "%s %s: %s %s", deed(k.verb), whom, k.state, first.Problem)
		case k.verb.Deletes():
			with := ""
			if withImages {
				with = " with " + word(len(list), "its", "their") + " snapshots"
			}
			d.at(p.red("-"), name, "%s of %s %s let go%s: %s", plural(k.verb, len(list)), whom, word(len(list), "is", "are"), with, p.dim(first.Reason))
		case k.verb.Creates():
			again := ""
			if n := d.refused[name]; n > 0 {
				again = p.green(fmt.Sprintf(": it works again, after %s", count(n, "refused try", "refused tries")))
				delete(d.refused, name)
			}
			if first.Try > 0 {
				again = p.yellow(", once more: the one before failed")
			}
			d.at(p.green("+"), name, "%s of %s begun%s", kindMade(k.verb), whom, again)
		}
	}
}

func kindMade(v plan.Verb) string {
	switch v {
	case plan.TakeImage:
		return "images"
	case plan.CopyImage, plan.CopySnapshot:
		return "copies"
	}
	return "snapshots of all disks"
}

// tellReady writes what has become complete, or has failed, since it was begun.
func (d *stage) tellReady(ctx context.Context, scope cloud.Scope) {
	world, err := d.store.World(ctx, []cloud.Scope{scope})
	if err != nil {
		return
	}
	good := map[string]int{}
	look := func(ref cloud.Ref, state cloud.State, detail string, tags cloud.Tags) {
		name, ok := d.making[ref]
		if !ok || state == cloud.StateWorking {
			return
		}
		delete(d.making, ref)
		if state == cloud.StateReady {
			good[name]++
			return
		}
		d.at(d.out.red("✗"), name, "%s", d.out.red(fmt.Sprintf("the %s of %s has failed in the cloud: it does not count, and is made again", ref.Kind, d.names[tags.Value(cloud.TagSource)])))
	}
	for _, x := range world.Images {
		look(x.Ref, x.State, x.Detail, x.Tags)
	}
	for _, x := range world.Snapshots {
		look(x.Ref, x.State, x.Detail, x.Tags)
	}
	for _, name := range slices.Sorted(maps.Keys(good)) {
		d.at(d.out.green("✓"), name, "%s complete", count(good[name], scope.Kind.String()+" is", scope.Kind.String()+"s are"))
	}
}

// epilogue ends with the status, and what to try next.
func (d *stage) epilogue(ctx context.Context, path string) error {
	end := d.engine.Now()
	st, err := d.Status(ctx, end)
	if err != nil {
		return err
	}
	if d.quiet {
		return d.shell.printJSON(viewStatus(st, statusOK(st)))
	}
	p := d.out
	p.now = end
	p.line("")
	p.line("%s", p.bold("How it stands now"))
	p.showStatus(st, false)
	p.line("")
	p.line("%s", p.bold("Look at what happened"))
	flag := " --database " + path
	runs, err := d.store.Runs(ctx, "", 200)
	if err != nil {
		return err
	}
	id := "last"
	for _, r := range runs {
		if r.State == store.RunFailed {
			id = r.ID // the one with something to see
		}
	}
	for _, c := range []string{"status --wide" + flag, "backups list --held" + flag, "backups list --instance shop-db" + flag, "runs list" + flag, "runs show " + id + flag} {
		p.line("  stint %s", c)
	}
	p.line("%s", p.bold("Begin for real"))
	p.wrap("  ", "  ", "write stint.yaml (see the examples folder), then: stint check, stint plan, stint apply, stint serve")
	return p.Flush()
}
