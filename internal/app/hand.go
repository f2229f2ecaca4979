package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/run"
	"github.com/stint-cloud/stint/internal/store"
)

// FindBackup gives the backup whose id, or the beginning of whose id, is as given, in each place where it is or was copied
// to: the original first. A part's id finds it in that part's place alone. place narrows, when it is not zero.
func (a *App) FindBackup(ctx context.Context, id string, place cloud.Place) ([]inventory.Backup, error) {
	list, err := a.Backups(ctx)
	if err != nil {
		return nil, err
	}
	var found []inventory.Backup
	ids := map[string]bool{}
	elsewhere := ""
	for _, b := range list {
		if !strings.HasPrefix(b.ID, id) && !slices.ContainsFunc(b.Refs(), func(r cloud.Ref) bool { return r.ID == id }) {
			continue
		}
		if place != (cloud.Place{}) && b.Place != place {
			elsewhere = b.Place.String()
			continue
		}
		found = append(found, b)
		ids[b.ID] = true
	}
	switch {
	case id != "" && len(found) == 0 && elsewhere != "":
		return nil, fmt.Errorf("backup %q is not in %s; it is in %s", id, place, elsewhere)
	case id == "" || len(found) == 0:
		return nil, fmt.Errorf("no backup %q is known: `stint backups list` shows them; `stint plan` looks again", id)
	case len(ids) > 1:
		return nil, fmt.Errorf("%q is the beginning of %d backups: give more of it", id, len(ids))
	}
	slices.SortFunc(found, originalFirst)
	return found, nil
}

// byHand makes the actions of a person's request unlike those of any other: its slot is the moment.
func byHand(now time.Time, b inventory.Backup, v plan.Verb, target cloud.Ref, label, reason string) plan.Action {
	return plan.Action{
		Verb: v, Place: b.Place, Source: sourceRef(b), Slot: now.UTC().Format(time.RFC3339Nano), Backup: b.ID, Target: target, Label: label, Reason: reason,
	}
}

func sourceRef(b inventory.Backup) cloud.Ref {
	parts := strings.SplitN(b.Source, "/", 3)
	if len(parts) != 3 {
		return cloud.Ref{}
	}
	return cloud.Ref{Account: parts[0], Region: parts[1], Kind: cloud.KindInstance, ID: parts[2]}
}

func numbered(actions []plan.Action) []plan.Action {
	for i := range actions {
		actions[i].ID = plan.ActionID(actions[i])
	}
	return actions
}

// HoldActions put a hold with its reason on every part of a backup.
func HoldActions(now time.Time, b inventory.Backup, who, reason string) []plan.Action {
	var out []plan.Action
	value := clip(strings.TrimSpace(who+": "+cmp.Or(reason, "held by hand")), 120)
	for _, ref := range b.Refs() {
		act := byHand(now, b, plan.SetTags, ref, b.Name(), "a person holds the backup: "+value)
		act.Tags = cloud.Tags{{Key: cloud.TagHold, Value: value}}
		out = append(out, act)
	}
	return numbered(out)
}

// ReleaseActions undo every way of holding a backup: the hold tag goes, and what a person took off or changed of the
// tags that hold it comes back.
func ReleaseActions(now time.Time, b inventory.Backup, policyName string) []plan.Action {
	var out []plan.Action
	for _, part := range parts(b) {
		if part.tags.Has(cloud.TagHold) {
			act := byHand(now, b, plan.RemoveTags, part.ref, b.Name(), "a person releases the backup")
			act.Keys = []string{cloud.TagHold}
			out = append(out, act)
		}
		var back cloud.Tags
		if !part.tags.Has(cloud.TagPolicy) && policyName != "" {
			back = back.With(cloud.TagPolicy, policyName)
		}
		text, ok := part.tags.Find(cloud.TagBy)
		if !ok {
			text = inventory.FormatBy(nil, 0)
			back = back.With(cloud.TagBy, text)
		}
		for _, by := range inventory.ParseBy(text) {
			if v, ok := part.tags.Find(by.Key); (!ok || v != by.Value) && !strings.HasPrefix(by.Key, cloud.TagPrefix) {
				back = back.With(by.Key, by.Value)
			}
		}
		if len(back) > 0 {
			act := byHand(now, b, plan.SetTags, part.ref, b.Name(), "a person releases the backup")
			act.Tags = back
			out = append(out, act)
		}
	}
	return numbered(out)
}

// DeleteActions delete a backup that a person has picked: its images first, then its snapshots.
func DeleteActions(now time.Time, b inventory.Backup) ([]plan.Action, error) {
	if b.Hold != "" {
		return nil, fmt.Errorf("backup %s is not deleted: %s; release it first", b.ID, b.Hold)
	}
	var out []plan.Action
	var after []string // what a snapshot's deletion waits for
	add := func(act plan.Action) string {
		act.ID = plan.ActionID(act)
		out = append(out, act)
		return act.ID
	}
	snapshots := slices.Concat(b.Snapshots, b.Backing)
	for _, img := range b.Images {
		// Snapshots that the cloud did not tag get the image's tags before they go: without them nobody would know whose they
		// are, should their own deletion fail.
		tagged := plan.Adopted(img)
		for _, ref := range untagged(b, img) {
			act := byHand(now, b, plan.SetTags, ref, b.Name(), "the image "+img.Name+" stands on it, and the cloud did not tag it")
			act.Tags = tagged
			after = append(after, add(act))
			snapshots = append(snapshots, &cloud.Snapshot{Ref: ref, Tags: tagged})
		}
		act := byHand(now, b, plan.DeleteImage, img.Ref, b.Name(), "a person deletes the backup")
		act.Guard = plan.Guard{Tags: plan.AsSeen(&b, img.Tags), Lacks: []string{cloud.TagHold}}
		act.Under = img.Snapshots
		after = append(after, add(act))
	}
	for _, s := range snapshots {
		act := byHand(now, b, plan.DeleteSnapshot, s.Ref, b.Name(), "a person deletes the backup")
		act.Guard = plan.Guard{Tags: plan.AsSeen(&b, s.Tags), Lacks: []string{cloud.TagHold}, Unused: true}
		act.After = after
		add(act)
	}
	return out, nil
}

// untagged are the snapshots under an image of the backup that do not carry the backup's tags.
func untagged(b inventory.Backup, img *cloud.Image) []cloud.Ref {
	var out []cloud.Ref
	for _, id := range img.Snapshots {
		ref := cloud.Ref{Account: img.Ref.Account, Region: img.Ref.Region, Kind: cloud.KindSnapshot, ID: id}
		if !slices.ContainsFunc(b.Backing, func(s *cloud.Snapshot) bool { return s.Ref == ref }) {
			out = append(out, ref)
		}
	}
	return out
}

// RestoreOptions say what a restored instance or disk is to be like; what is empty is taken from the source.
type RestoreOptions struct {
	Name    string
	Type    string // of the instance, or of the disks
	Zone    string
	Network string
	KeyName string
}

// RestoreActions bring a backup back beside what is there: an image to a new instance, snapshots to new disks.
// source is the instance that the backup is of, nil when it is gone.
func RestoreActions(now time.Time, b inventory.Backup, source *cloud.Instance, opt RestoreOptions) ([]plan.Action, error) {
	if b.Standing != inventory.Complete {
		return nil, fmt.Errorf("backup %s cannot be restored: it is %s %s", b.ID, b.Standing, b.Detail)
	}
	name := opt.Name
	if name == "" {
		name = b.Name()
		if source != nil && source.Name != "" {
			name = source.Name
		}
		name += "-restored"
	}
	here := source != nil && source.Ref.Place() == b.Place // elsewhere there is neither its zone nor its network
	if here {
		opt.Zone = cmp.Or(opt.Zone, source.Zone)
	}
	tags := cloud.TagsOf(map[string]string{cloud.TagRestored: b.ID})
	var out []plan.Action
	if len(b.Images) > 0 {
		if source != nil {
			opt.Type = cmp.Or(opt.Type, source.Type)
		}
		if here {
			opt.Network = cmp.Or(opt.Network, source.Network)
		}
		if opt.Type == "" {
			return nil, errors.New("the source is gone, so the instance type is not known: give it with --type")
		}
		act := byHand(now, b, plan.RunInstance, b.Ready()[0], name, "a person restores the backup")
		act.ID = plan.ActionID(act)
		act.Instance = &cloud.NewInstance{
			Region: b.Place.Region, Zone: opt.Zone, Image: b.Ready()[0].ID, Name: name, Type: opt.Type, Network: opt.Network, KeyName: opt.KeyName,
			Tags: tags.With(cloud.TagAction, act.ID), Token: act.ID,
		}
		return append(out, act), nil
	}
	ready := b.Ready()
	for i, ref := range ready {
		diskName := name
		if len(ready) > 1 {
			diskName = fmt.Sprintf("%s-%d", name, i)
		}
		act := byHand(now, b, plan.MakeDisk, ref, diskName, "a person restores the backup")
		act.ID = plan.ActionID(act)
		act.Disk = &cloud.NewDisk{Region: b.Place.Region, Zone: opt.Zone, Snapshot: ref.ID, Name: diskName, Type: opt.Type, Tags: tags.With(cloud.TagAction, act.ID), Token: act.ID}
		out = append(out, act)
	}
	return out, nil
}

// Source finds the instance that a backup is of, in what the store knows.
func (a *App) Source(ctx context.Context, b inventory.Backup) (*cloud.Instance, error) {
	ref := sourceRef(b)
	world, err := a.opt.Store.World(ctx, []cloud.Scope{{Account: ref.Account, Region: ref.Region, Kind: cloud.KindInstance}})
	if err != nil {
		return nil, err
	}
	if inst, ok := world.Instance(ref); ok && inst.Power != cloud.PowerGone {
		return inst, nil
	}
	return nil, nil
}

// Do starts a run of a person's actions.
func (a *App) Do(ctx context.Context, now time.Time, trigger string, actions []plan.Action) (store.Run, error) {
	p := plan.Plan{Actions: actions}
	return a.Start(ctx, now, p, run.Request{Trigger: trigger, By: a.opt.By, Actions: actions, Hash: p.Hash()})
}

type part struct {
	ref  cloud.Ref
	tags cloud.Tags
}

func parts(b inventory.Backup) []part {
	var out []part
	for _, i := range b.Images {
		out = append(out, part{i.Ref, i.Tags})
	}
	for _, s := range append(slices.Clone(b.Snapshots), b.Backing...) {
		out = append(out, part{s.Ref, s.Tags})
	}
	return out
}

func clip(s string, n int) string {
	r := []rune(s)
	if len(r) > n {
		return string(r[:n])
	}
	return s
}
