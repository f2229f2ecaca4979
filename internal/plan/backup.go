package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/policy"
)

// maxTries is how often one slot's backup is begun anew after the cloud's own failure.
const maxTries = 3

// clockSlack is how far the cloud's clock may be ahead of ours before that is a finding.
const clockSlack = 10 * time.Minute

// pauseAfter is how long something that failed rests before it is planned again.
func pauseAfter(attempts int) time.Duration {
	return min(15*time.Minute<<min(max(attempts-1, 0), 4), 2*time.Hour)
}

// rests says until when what was tried rests, and whether it still does. What was not begun, since it was outdated, is
// decided anew almost at once: where two processes go by two policies, they do not wear each other out.
func (m *maker) rests(past Past) (until time.Time, yes bool) {
	pause := pauseAfter(past.Attempts)
	if past.Outdated {
		pause = time.Minute
	}
	until = past.At.Add(pause)
	anew := past.At.Before(m.in.RetryBefore) || past.Outdated && !m.in.RetryBefore.IsZero()
	return until, m.in.Now.Before(until) && !anew
}

// backup plans one backup policy: what to take, then what to let go.
func (m *maker) backup(pol policy.Policy) {
	b := pol.Backup
	if pol.Disabled {
		m.left(Left{Policy: pol.Name, Kind: LeftOut, Why: "the policy is disabled: it neither creates nor deletes"})
		return
	}
	if next, ok := b.When.Next(m.in.Now); ok && (m.plan.Next.IsZero() || next.Before(m.plan.Next)) {
		m.plan.Next = next
	}
	w := m.covers(pol)
	bySource := map[sourceKey][]*inventory.Backup{}
	var order []sourceKey
	pending := 0
	list := m.byPolicy[pol.Name] // sorted by place and source: those of one source stand together
	for from := 0; from < len(list); {
		key, to := sourceKey{list[from].Source, list[from].Place}, from
		for ; to < len(list) && list[to].Source == key.source && list[to].Place == key.place; to++ {
			if list[to].Standing == inventory.Pending && !list[to].Copied {
				pending++
			}
			if list[to].Begun().After(m.in.Now.Add(clockSlack)) {
				m.finding(Finding{Key: "clock", Grave: true, Text: fmt.Sprintf(
					"the clock here says %s, and the cloud's said %s when backup %s was made: set the clock right, as slots go by it",
					SlotText(m.in.Now), SlotText(list[to].Begun()), list[to].ID)})
			}
		}
		order = append(order, key)
		bySource[key] = list[from:to:to]
		from = to
	}
	m.copies(pol, w, bySource, order)
	going := m.expire(pol, w, bySource, order)
	m.adopt(pol, w)
	m.create(pol, w, bySource, pending, going)
}

type sourceKey struct {
	source string
	place  cloud.Place
}

// create plans the newest due slot's backup of each selected instance that has none. going are the ids of the backups
// that go already.
func (m *maker) create(pol policy.Policy, w covered, bySource map[sourceKey][]*inventory.Backup, pending int, going map[Spot]bool) {
	b := pol.Backup
	slot, due := b.When.Newest(m.in.Now, b.CatchUp)
	if due {
		m.plan.Actions = slices.Grow(m.plan.Actions, len(w.selected))
	}
	room := b.Limits.AtOnce - pending
	taken := map[cloud.Place]int{}
	for _, inst := range w.selected {
		by := b.Select.By(inst.Tags)
		m.counts(pol, inst)
		if !due {
			continue
		}
		if inst.CreatedAt.After(slot) {
			m.left(Left{Policy: pol.Name, Ref: inst.Ref, Kind: LeftOut, Why: "it was created after the slot " + SlotText(slot)})
			continue
		}
		if !m.able(pol, inst) {
			continue
		}
		id := BackupID(pol.Name, inst.Ref, SlotText(slot))
		var have *inventory.Backup
		for _, bk := range bySource[sourceKey{inst.Ref.Source(), inst.Ref.Place()}] {
			if bk.ID == id {
				have = bk
			}
		}
		if have != nil && have.Standing != inventory.Failed {
			continue // complete or pending; damaged was whole once, and a person broke it
		}
		if have == nil && m.clockWasAhead(bySource[sourceKey{inst.Ref.Source(), inst.Ref.Place()}], slot) {
			m.left(Left{Policy: pol.Name, Backup: id, Ref: inst.Ref, Kind: LeftOut, Why: "since the slot " + SlotText(slot) + " a backup was made, when the clock was ahead"})
			continue
		}
		actions := m.takes(pol, inst, by, slot, id, have)
		if len(actions) > 0 && b.Limits.AtOnce > 0 {
			if room <= 0 {
				m.left(Left{Policy: pol.Name, Backup: id, Ref: inst.Ref, Kind: LeftPending, Why: fmt.Sprintf("waits: %d at once is the policy's limit", b.Limits.AtOnce)})
				continue
			}
			room--
		}
		for _, a := range actions {
			m.act(a)
		}
		if len(actions) > 0 {
			taken[inst.Ref.Place()]++
			m.foresee(pol, inst, slot, bySource[sourceKey{inst.Ref.Source(), inst.Ref.Place()}], going)
		}
	}
	for _, c := range b.Copies {
		n := 0
		for place, taken := range taken {
			if place != c.To {
				n += taken
			}
		}
		if n > 0 && w.places[c.To] {
			m.plan.Follow = append(m.plan.Follow, FollowUp{
				Policy: pol.Name, Text: fmt.Sprintf("once complete, %s for %s is copied to %s, which keeps %s", ofBackups(n), SlotText(slot), c.To, c.Keep),
			})
		}
	}
}

// clockWasAhead says whether a backup of a slot that is still to come was made since this slot: the slot's own backup may
// have been made and let go meanwhile, and what was remembered of it pruned.
func (m *maker) clockWasAhead(list []*inventory.Backup, slot time.Time) bool {
	return slices.ContainsFunc(list, func(b *inventory.Backup) bool {
		return b.Standing == inventory.Complete && b.Slot > SlotText(m.in.Now) && b.Time.After(slot) && !b.Time.After(m.in.Now)
	})
}

// counts makes findings of tags that are to say how many backups stay, here or in another place, and say no number.
func (m *maker) counts(pol policy.Policy, inst *cloud.Instance) {
	keeps := []policy.Keep{pol.Backup.Keep}
	for _, c := range pol.Backup.Copies {
		keeps = append(keeps, c.Keep)
	}
	for _, k := range keeps {
		_, problems := k.RetainRule(inst.Tags, pol.Backup.Zone)
		for _, text := range problems {
			m.finding(Finding{
				Key: "count/" + pol.Name + "/" + inst.Ref.String(), Policy: pol.Name, Ref: inst.Ref,
				Text: label(inst) + ": " + text,
			})
		}
	}
}

// able says whether the instance's account and shape let it be backed up as the policy wants, and what is not covered.
func (m *maker) able(pol policy.Policy, inst *cloud.Instance) bool {
	b := pol.Backup
	acc := m.in.World.Accounts[inst.Ref.Account]
	need := cloud.Snapshots
	if b.Method == policy.MethodImage {
		need = cloud.ImageMaking
	}
	if !acc.Can(need) {
		m.finding(Finding{
			Key: "cannot/" + pol.Name + "/" + inst.Ref.Account, Policy: pol.Name, Grave: true,
			Text: fmt.Sprintf("the account %s (%s) cannot make %s: use another method, or an account that may", inst.Ref.Account, acc.Traits.Cloud, need),
		})
		return false
	}
	partly := "partly/" + pol.Name + "/" + inst.Ref.String()
	switch {
	case b.Method == policy.MethodSnapshots && len(inst.Disks) == 0:
		m.finding(Finding{
			Key: partly, Policy: pol.Name, Ref: inst.Ref, Grave: true,
			Text: label(inst) + " has no disk that could be snapshotted, so it is not protected: use method: image",
		})
		return false
	case b.Method == policy.MethodSnapshots && inst.LocalRoot:
		m.finding(Finding{
			Key: partly, Policy: pol.Name, Ref: inst.Ref,
			Text: label(inst) + " has its root disk on the host, which snapshots do not cover: add a policy with method: image",
		})
	case b.Method == policy.MethodImage && inst.LocalRoot && len(inst.Disks) > 0 && !acc.Traits.ImageHasDisks:
		m.finding(Finding{
			Key: partly, Policy: pol.Name, Ref: inst.Ref,
			Text: fmt.Sprintf("%s has %s that its image does not cover: add a policy with method: snapshots", label(inst), count(len(inst.Disks), "volume")),
		})
	}
	if b.Method == policy.MethodSnapshots && len(inst.Disks) > 1 && !consistent(acc) {
		m.finding(Finding{
			Key: "not-consistent/" + pol.Name + "/" + inst.Ref.Account, Policy: pol.Name,
			Text: fmt.Sprintf("on %s (%s) the disks of an instance are snapshotted one after the other: the set is not crash-consistent", inst.Ref.Account, acc.Traits.Cloud),
		})
	}
	return true
}

func consistent(a inventory.Account) bool {
	return a.Can(cloud.SnapshotSets) && a.Traits.ConsistentSets
}

// takes makes the actions of one backup: one for an image or a set, one for each disk otherwise. have is what earlier
// tries of the same backup have left.
func (m *maker) takes(pol policy.Policy, inst *cloud.Instance, by cloud.Tags, slot time.Time, id string, have *inventory.Backup) []Action {
	acc := m.in.World.Accounts[inst.Ref.Account]
	b := pol.Backup
	base := Action{
		Policy: pol.Name, Place: inst.Ref.Place(), Source: inst.Ref, Slot: SlotText(slot), Backup: id, Label: inst.Name,
		Target: inst.Ref, Guard: Guard{Exists: true}, Until: slot.Add(b.CatchUp),
		Reason: fmt.Sprintf("slot %s of %s has no backup yet", SlotText(slot), pol.Name),
	}
	texts := map[string]string{
		cloud.TagPolicy: pol.Name, cloud.TagSource: inst.Ref.Source(), cloud.TagSlot: SlotText(slot), cloud.TagBackup: id,
	}
	if b.Method == policy.MethodSnapshots {
		texts[cloud.TagParts] = strconv.Itoa(len(inst.Disks))
	}
	ours := cloud.TagsOf(texts)
	tags, _, dropped := backupTags(acc.Traits, inst, by, ours)
	if len(dropped) > 0 {
		m.finding(Finding{
			Key: "tags/" + pol.Name + "/" + inst.Ref.String(), Policy: pol.Name, Ref: inst.Ref,
			Text: fmt.Sprintf("%s: the tags %s do not fit on its backups and are left out", label(inst), strings.Join(dropped, ", ")),
		})
	}
	describe := fmt.Sprintf("Stint backup of %s by %s, slot %s", inst.Ref.ID, pol.Name, SlotText(slot))
	var out []Action
	switch {
	case b.Method == policy.MethodImage:
		a := base
		a.Verb = TakeImage
		if m.try(&a, failedImages(have)) {
			a.Image = &cloud.NewImage{Region: inst.Ref.Region, Instance: inst.Ref.ID, Name: backupName(inst, slot, id, a.Try), Description: describe, Reboot: b.Reboot}
			a.Image.Tags, a.Image.Token = tags.With(cloud.TagAction, a.ID), a.ID
			out = append(out, a)
		}
	case acc.Can(cloud.SnapshotSets):
		a := base
		a.Verb = TakeSnapshotSet
		disks := make([]string, len(inst.Disks))
		failures := 0
		for i, d := range inst.Disks {
			disks[i] = d.Disk
			failures = max(failures, failedSnapshots(have, d.Disk))
		}
		if m.try(&a, failures) {
			a.Set = &cloud.NewSnapshotSet{Region: inst.Ref.Region, Instance: inst.Ref.ID, Disks: disks, Name: backupName(inst, slot, id, a.Try), Description: describe}
			a.Set.Tags, a.Set.Token = tags.With(cloud.TagAction, a.ID), a.ID
			out = append(out, a)
		}
	default:
		for i, d := range inst.Disks {
			if have != nil && hasGood(have, d.Disk) {
				continue
			}
			a := base
			a.Verb = TakeSnapshot
			a.Target = cloud.Ref{Account: inst.Ref.Account, Region: inst.Ref.Region, Kind: cloud.KindDisk, ID: d.Disk}
			if m.try(&a, failedSnapshots(have, d.Disk)) {
				name := backupName(inst, slot, id, a.Try)
				if len(inst.Disks) > 1 {
					name += "-d" + strconv.Itoa(i)
				}
				a.Snapshot = &cloud.NewSnapshot{Region: inst.Ref.Region, Disk: d.Disk, Name: name, Description: describe}
				a.Snapshot.Tags, a.Snapshot.Token = tags.With(cloud.TagAction, a.ID), a.ID
				out = append(out, a)
			}
		}
	}
	return out
}

// try gives the action the identity of the try that is due, and says whether one is. failures counts the tries that the
// world shows to have ended in failure.
func (m *maker) try(a *Action, failures int) bool {
	leave := func(kind LeftKind, why string) bool {
		m.left(Left{Policy: a.Policy, Backup: a.Backup, Ref: a.Source, Kind: kind, Why: why})
		return false
	}
	for a.Try = failures; a.Try < maxTries; a.Try++ {
		a.ID = ActionID(*a)
		past, known := m.in.Memory.Actions[a.ID]
		switch {
		case !known:
			if a.Try > 0 {
				a.Reason += fmt.Sprintf("; try %d of %d, the one before failed in the cloud", a.Try+1, maxTries)
			}
			return true
		case past.Open:
			return leave(LeftAtWork, "it is under way")
		case past.Done:
			// It took effect. Either no listing shows it yet, or a person removed it: one slot, one backup.
			return leave(LeftOut, "it was made, and is not listed (any more): a slot's backup is made once")
		case past.Stopped:
			return leave(LeftOut, "a person cancelled it")
		default:
			if again, rests := m.rests(past); rests {
				m.againAt(again)
				return leave(LeftOut, "it failed, and is tried again after "+SlotText(again)+": "+past.Problem)
			}
			return true
		}
	}
	m.finding(Finding{
		Key: "gave-up/" + a.Backup, Policy: a.Policy, Ref: a.Source, Grave: true,
		Text: fmt.Sprintf("%s: %s ended in failure in the cloud, so this slot has no backup; the next slot tries again", a.Label, count(maxTries, "try")),
	})
	return false
}

func failedImages(have *inventory.Backup) int {
	if have == nil {
		return 0
	}
	return len(have.Images)
}

func failedSnapshots(have *inventory.Backup, disk string) int {
	n := 0
	if have != nil {
		for _, s := range have.Snapshots {
			if s.Disk == disk && s.State == cloud.StateFailed {
				n++
			}
		}
	}
	return n
}

func hasGood(have *inventory.Backup, disk string) bool {
	for _, s := range have.Snapshots {
		if s.Disk == disk && (s.State == cloud.StateReady || s.State == cloud.StateWorking) {
			return true
		}
	}
	return false
}

// adopt plans our tags onto the snapshots that an image of ours stands on, where the cloud's create could not tag them,
// so that the cloud remembers whose they are when the image is gone.
func (m *maker) adopt(pol policy.Policy, w covered) {
	for _, bk := range m.byPolicy[pol.Name] {
		if bk.Standing != inventory.Complete || !w.places[bk.Place] || !m.in.World.Accounts[bk.Place.Account].Can(cloud.Tagging) {
			continue
		}
		for _, img := range bk.Images {
			for _, s := range m.adoptable(img) {
				a := Action{
					Verb: SetTags, Policy: pol.Name, Place: bk.Place, Source: refOfSource(bk.Source), Slot: bk.Slot, Backup: bk.ID, Target: s.Ref,
					Label: s.Name, Tags: Adopted(img), Guard: Guard{Exists: true},
					Reason: "the image " + img.Name + " stands on it, and the cloud did not tag it",
				}
				m.again(a)
			}
		}
	}
}

// adoptable are the snapshots that a finished image stands on alone, and that carry no backup's tags.
func (m *maker) adoptable(img *cloud.Image) []*cloud.Snapshot {
	var out []*cloud.Snapshot
	for _, id := range img.Snapshots {
		ref := cloud.Ref{Account: img.Ref.Account, Region: img.Ref.Region, Kind: cloud.KindSnapshot, ID: id}
		s, ok := m.in.World.Snapshot(ref)
		if ok && img.State == cloud.StateReady && !s.Tags.Has(cloud.TagBackup) && len(m.used[ref]) <= 1 {
			out = append(out, s)
		}
	}
	return out
}

// Adopted are the tags that a snapshot gets which the image stands on, and which the cloud did not tag.
func Adopted(img *cloud.Image) cloud.Tags { return img.Tags.Without(cloud.TagHold, cloud.TagAction) }

func label(i *cloud.Instance) string {
	if i.Name == "" {
		return i.Ref.String()
	}
	return i.Name + " (" + i.Ref.String() + ")"
}

// refOfSource reads a TagSource back; what cannot be read is a zero Ref.
func refOfSource(source string) cloud.Ref {
	parts := strings.SplitN(source, "/", 3)
	if len(parts) != 3 {
		return cloud.Ref{}
	}
	return cloud.Ref{Account: parts[0], Region: parts[1], Kind: cloud.KindInstance, ID: parts[2]}
}
