package cli

import (
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

// sign marks what an action does: + makes, - deletes, ~ changes.
func (t terminal) sign(v plan.Verb) string {
	switch {
	case v.Creates():
		return t.green("+")
	case v.Deletes():
		return t.red("-")
	}
	return t.yellow("~")
}

// deed is a verb in words, for what is to be done.
func deed(v plan.Verb) string {
	switch v {
	case plan.TakeSnapshot:
		return "snapshot"
	case plan.TakeSnapshotSet:
		return "snapshot all disks of"
	case plan.TakeImage:
		return "make an image of"
	case plan.DeleteSnapshot:
		return "delete snapshot"
	case plan.DeleteImage:
		return "delete image"
	case plan.SetTags:
		return "tag"
	case plan.RemoveTags:
		return "take tags off"
	case plan.RunInstance:
		return "start an instance from"
	case plan.MakeDisk:
		return "make a disk from"
	case plan.CopyImage:
		return "copy image"
	case plan.CopySnapshot:
		return "copy snapshot"
	}
	return v.String()
}

// deeds is deed before a number of things.
func deeds(v plan.Verb) string {
	switch v {
	case plan.TakeImage:
		return "make images of"
	case plan.DeleteSnapshot, plan.DeleteImage:
		return "delete"
	case plan.RunInstance:
		return "start instances from"
	case plan.MakeDisk:
		return "make disks from"
	case plan.CopyImage, plan.CopySnapshot:
		return "copy"
	}
	return deed(v)
}

// done is a verb in words, for what was done.
func done(v plan.Verb) string {
	switch v {
	case plan.TakeSnapshot, plan.TakeSnapshotSet:
		return "snapshotted"
	case plan.TakeImage:
		return "imaged"
	case plan.DeleteSnapshot, plan.DeleteImage:
		return "deleted"
	case plan.SetTags, plan.RemoveTags:
		return "tagged"
	case plan.RunInstance:
		return "started"
	case plan.MakeDisk:
		return "made disk"
	case plan.CopyImage, plan.CopySnapshot:
		return "copied"
	}
	return v.String()
}

// stateWord paints the state of an action.
func (t terminal) stateWord(s store.ActionState) string {
	switch s {
	case store.ActionDone:
		return t.green(string(s))
	case store.ActionFailed:
		return t.red(string(s))
	case store.ActionSkipped, store.ActionCancelled, store.ActionUnclear:
		return t.yellow(string(s))
	}
	return t.cyan(string(s))
}

// runWord paints the state of a run.
func (t terminal) runWord(s store.RunState) string {
	switch s {
	case store.RunDone:
		return t.green(string(s))
	case store.RunFailed:
		return t.red(string(s))
	case store.RunPartly, store.RunCancelled:
		return t.yellow(string(s))
	}
	return t.cyan(string(s))
}

// subject names what an action is about: the name that people gave it, and its id.
func subject(a plan.Action) string {
	id := a.Target.ID
	if a.Label == "" || a.Label == id {
		return id
	}
	return a.Label + " (" + id + ")"
}

// remedy says what a person can do about an error's class; empty when the class says it all.
func remedy(class string) string {
	switch class {
	case cloud.ClassName(cloud.ErrDenied):
		return "allow the call in the cloud's access rules, then apply again"
	case cloud.ClassName(cloud.ErrQuota):
		return "ask the cloud for a higher limit, or keep fewer backups"
	case cloud.ClassName(cloud.ErrThrottled):
		return "the cloud was asked too often: set a lower pace for the account, then apply again"
	case cloud.ClassName(cloud.ErrTransient):
		return "the cloud's own trouble: apply again later"
	case cloud.ClassName(cloud.ErrConflict), cloud.ClassName(cloud.ErrInUse):
		return "something changed or uses it: the next plan decides anew"
	case cloud.ClassName(cloud.ErrUnsupported):
		return "this cloud cannot do it: use another method"
	case cloud.ClassName(cloud.ErrNotFound):
		return "it is gone: the next plan decides anew"
	}
	return "see `stint runs show`, then apply again"
}
