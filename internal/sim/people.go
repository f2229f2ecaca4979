package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
)

const (
	failing  = memcloud.FateFail
	stalling = memcloud.FateStall
)

// somebodyActs lets a person do something in a cloud's console, or on the command line.
func (s *Sim) somebodyActs() {
	if s.calm {
		return
	}
	s.model.see(s.now(), "time", false)
	acts := []func() string{
		s.actHold, s.actHold, s.actRelease, s.actTakeTag, s.actRetagBackup, s.actDeletePart, s.actDeleteBackup, s.actDeleteImage, s.actLock, s.actCopy,
		s.actNewInstance, s.actTerminate, s.actTagInstance, s.actTagInstance, s.actRole, s.actDisk, s.actCommand, s.actCommand, s.actCommand, s.actUnstall,
	}
	what := acts[s.luck.people.IntN(len(acts))]()
	if what == "" {
		return
	}
	s.counts["acts"]++
	s.note("people", what, "")
	s.model.see(s.now(), "people", false)
}

// somebodyMinds lets a person who has seen what is to be deleted do something about it before it is.
func (s *Sim) somebodyMinds(actions []plan.Action) {
	r := s.luck.people
	gone := slices.DeleteFunc(slices.Clone(actions), func(a plan.Action) bool { return !a.Verb.Deletes() })
	if s.spec.Faults.people == 0 || s.calm || len(gone) == 0 || r.IntN(6) > 0 {
		return
	}
	a, way := pick(r, gone...), r.IntN(3)
	s.at(s.now().Add(time.Duration(r.Int64N(int64(2*time.Minute)))), "people", func() {
		t := s.model.there[a.Target]
		if t == nil || s.calm {
			return
		}
		s.model.see(s.now(), "time", false)
		switch way {
		case 0:
			s.cloudOf(t).Retag(t.ref, t.tags.With(cloud.TagHold, "bob"))
		case 1:
			s.cloudOf(t).Retag(t.ref, t.tags.Without(cloud.TagPolicy))
		default:
			s.cloudOf(t).Retag(t.ref, t.tags.With("keep-"+a.Policy, "forever"))
		}
		s.counts["acts"]++
		s.note("people", []string{"put a hold on ", "take stint:policy off ", "change the tag that selected "}[way]+t.ref.String(), "which is to be deleted")
		s.model.see(s.now(), "people", false)
	})
}

// some picks one of our snapshots or images that is there.
func (s *Sim) some(want func(*thing) bool) *thing {
	var out []*thing
	for _, t := range s.model.list() {
		if t.ours && (t.ref.Kind == cloud.KindSnapshot || t.ref.Kind == cloud.KindImage) && want(t) {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out[s.luck.people.IntN(len(out))]
}

func any1(*thing) bool { return true }

func (s *Sim) cloudOf(t *thing) *memcloud.Cloud { return s.clouds[t.ref.Account] }

func (s *Sim) actHold() string {
	t := s.some(any1)
	if t == nil {
		return ""
	}
	s.cloudOf(t).Retag(t.ref, t.tags.With(cloud.TagHold, "ann"))
	return "put a hold on " + t.ref.String()
}

func (s *Sim) actRelease() string {
	t := s.some(func(t *thing) bool { return !t.held.IsZero() })
	if t == nil {
		return ""
	}
	s.cloudOf(t).Unlock(t.ref)
	s.cloudOf(t).Retag(t.ref, t.born)
	return "release " + t.ref.String()
}

func (s *Sim) actTakeTag() string {
	t := s.some(func(t *thing) bool { return t.tags.Has(cloud.TagPolicy) })
	if t == nil {
		return ""
	}
	s.cloudOf(t).Retag(t.ref, t.tags.Without(cloud.TagPolicy))
	return "take stint:policy off " + t.ref.String()
}

func (s *Sim) actRetagBackup() string {
	t := s.some(func(t *thing) bool { return t.tags.Has(cloud.TagBy) && t.tags.Has(cloud.TagPolicy) })
	if t == nil {
		return ""
	}
	key := "keep-" + t.tags.Value(cloud.TagPolicy)
	if s.luck.people.IntN(2) == 0 {
		s.cloudOf(t).Retag(t.ref, t.tags.Without(key))
		return "take " + key + " off " + t.ref.String()
	}
	s.cloudOf(t).Retag(t.ref, t.tags.With(key, "forever"))
	return "change " + key + " of " + t.ref.String()
}

func (s *Sim) actDeletePart() string {
	t := s.some(func(t *thing) bool { return t.ref.Kind == cloud.KindSnapshot && t.image == nil })
	if t == nil {
		return ""
	}
	s.cloudOf(t).Remove(t.ref)
	return "delete " + t.ref.String()
}

func (s *Sim) actDeleteBackup() string {
	t := s.some(any1)
	if t == nil {
		return ""
	}
	b := s.model.backupOf(t)
	if b == nil {
		return ""
	}
	for _, part := range b.parts {
		if part.goneAt.IsZero() {
			s.cloudOf(t).Remove(part.ref)
		}
	}
	return "delete all of the backup " + b.source + " " + b.slot
}

func (s *Sim) actDeleteImage() string {
	t := s.some(func(t *thing) bool { return t.ref.Kind == cloud.KindImage })
	if t == nil {
		return ""
	}
	s.cloudOf(t).Remove(t.ref)
	return "delete the image " + t.ref.String()
}

func (s *Sim) actLock() string {
	t := s.some(any1)
	if t == nil {
		return ""
	}
	s.cloudOf(t).Lock(t.ref)
	return "lock " + t.ref.String()
}

// actCopy makes a copy of a backup of ours with all of its tags, as consoles offer.
func (s *Sim) actCopy() string {
	t := s.some(func(t *thing) bool { return t.ref.Kind == cloud.KindSnapshot && t.tags.Has(cloud.TagBackup) })
	if t == nil {
		return ""
	}
	c := s.cloudOf(t)
	copied := cloud.Snapshot{Name: "copy of a snapshot", Disk: pick(s.luck.people, t.disk, ""), Tags: t.tags, Size: memcloud.GiB}
	if c.Provider().Traits().NameTag != "" { // where the name is a tag it goes along, and a copy is of no disk
		copied.Name, copied.Disk = t.name, ""
	}
	snap := c.AddSnapshot(t.ref.Region, copied)
	s.model.see(s.now(), "people", false)
	s.model.strange[snap.Ref] = snap.Tags
	return fmt.Sprintf("copy %s with its tags to %s", t.ref, snap.Ref)
}

func (s *Sim) actNewInstance() string {
	a := pick(s.luck.people, s.spec.Accounts...)
	inst := s.addInstance(s.clouds[a.name], pick(s.luck.people, a.regions...))
	return fmt.Sprintf("make the instance %s with tags %s", inst.Ref, inst.Tags)
}

// instance picks one that the policies may select.
func (s *Sim) instance() *thing {
	var out []*thing
	for _, t := range s.model.list() {
		if t.ref.Kind == cloud.KindInstance && t.tags.Has("owner") && t.power != cloud.PowerGone {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out[s.luck.people.IntN(len(out))]
}

func (s *Sim) actTerminate() string {
	t := s.instance()
	if t == nil {
		return ""
	}
	s.cloudOf(t).Remove(t.ref)
	return "terminate " + t.ref.String()
}

func (s *Sim) actTagInstance() string {
	t := s.instance()
	if t == nil {
		return ""
	}
	key := pick(s.luck.people, s.spec.Policies...).tag
	if t.tags.Has(key) && s.luck.people.IntN(2) == 0 {
		s.cloudOf(t).Retag(t.ref, t.tags.Without(key))
		return fmt.Sprintf("take %s off %s", key, t.ref)
	}
	value := pick(s.luck.people, "1", "2", "3", "5", "many")
	s.cloudOf(t).Retag(t.ref, t.tags.With(key, value))
	return fmt.Sprintf("set %s=%s on %s", key, value, t.ref)
}

func (s *Sim) actRole() string {
	t := s.instance()
	if t == nil {
		return ""
	}
	if t.tags.Has(cloud.TagRole) {
		s.cloudOf(t).Retag(t.ref, t.tags.Without(cloud.TagRole))
		return "take stint:role off " + t.ref.String()
	}
	s.cloudOf(t).Retag(t.ref, t.tags.With(cloud.TagRole, "drill"))
	return "set stint:role on " + t.ref.String()
}

func (s *Sim) actDisk() string {
	t := s.instance()
	if t == nil {
		return ""
	}
	c := s.cloudOf(t)
	if len(t.disks) > 1 && s.luck.people.IntN(2) == 0 {
		disk := t.disks[len(t.disks)-1]
		c.Detach(cloud.Ref{Account: t.ref.Account, Region: t.ref.Region, Kind: cloud.KindDisk, ID: disk})
		return fmt.Sprintf("detach %s from %s", disk, t.ref)
	}
	d := c.AddDisk(t.ref.Region, cloud.Disk{Name: "data", Instance: t.ref.ID, Size: memcloud.GiB})
	return fmt.Sprintf("attach %s to %s", d.Ref, t.ref)
}

// actUnstall lets something end that seemed never to end.
func (s *Sim) actUnstall() string {
	t := s.some((*thing).stalled)
	if t == nil {
		return ""
	}
	f := pick(s.luck.people, memcloud.FateReady, memcloud.FateFail)
	s.cloudOf(t).SetFate(t.ref, f)
	return "help with " + t.ref.String()
}

// actCommand is `stint backups hold|release|delete|restore` in a process that serves.
func (s *Sim) actCommand() string {
	p := s.alive()
	if p == nil {
		return ""
	}
	verb := pick(s.luck.people, "hold", "release", "delete", "restore", "restore")
	luck := s.luck.people.Uint64()
	s.errand(p, "backups "+verb, func(ctx context.Context) error {
		list, err := p.app.Backups(ctx)
		if err != nil || len(list) == 0 {
			return err
		}
		b := list[luck%uint64(len(list))]
		actions, err := s.command(ctx, p, verb, b)
		if err != nil {
			s.note("people", "stint backups "+verb+" "+b.ID, "refused: "+err.Error())
			return nil
		}
		s.note("people", "stint backups "+verb+" "+b.ID, b.Source+" "+b.Slot)
		if _, err = p.app.Do(ctx, p.clock(), verb, actions); err != nil {
			return err
		}
		if own := s.model.backups[b.ID+" "+b.Place.String()]; own != nil && verb == "restore" {
			own.readUntil = s.now().Add(reading)
		}
		return nil
	})
	return "run a command in " + p.name()
}

func (s *Sim) command(ctx context.Context, p *process, verb string, b inventory.Backup) ([]plan.Action, error) {
	switch verb {
	case "hold":
		return app.HoldActions(p.clock(), b, "ann", "audit"), nil
	case "release":
		return app.ReleaseActions(p.clock(), b, b.Policy), nil
	case "delete":
		return app.DeleteActions(p.clock(), b)
	}
	source, err := p.app.Source(ctx, b)
	if err != nil {
		return nil, err
	}
	return app.RestoreActions(p.clock(), b, source, app.RestoreOptions{Type: "small"})
}
