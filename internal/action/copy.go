package action

import (
	"context"
	"slices"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

// findCopy looks for what an earlier call of a copy may have made: by its tag, or where the cloud makes copies without
// tags by its name, which is of this copy alone.
func findCopy(ctx context.Context, client *cloud.Client, row store.ActionRow, q cloud.Query) ([]item, error) {
	name := ""
	if !client.Traits().Copies(row.Target.Kind).Tags && row.Copy != nil {
		name, q.Tags = row.Copy.Name, nil
	}
	mine := func(called string, tags cloud.Tags) bool {
		if name == "" || tags.Value(cloud.TagAction) == row.ID {
			return true
		}
		return called == name && !slices.ContainsFunc(tags, func(t cloud.Tag) bool { return strings.HasPrefix(t.Key, cloud.TagPrefix) })
	}
	if row.Verb == plan.CopyImage {
		return collect(client.Images(ctx, q), func(i cloud.Image) (cloud.Ref, bool) { return i.Ref, mine(i.Name, i.Tags) })
	}
	return collect(client.Snapshots(ctx, q), func(s cloud.Snapshot) (cloud.Ref, bool) { return s.Ref, mine(s.Name, s.Tags) })
}

// copied says whether a deletion may go on as far as copies are concerned: nothing that is being read for a copy goes, nor
// what a copy that is not settled may have made. The target of the copy is in another region, where no guard looks.
func (e *Executor) copied(ctx context.Context, row store.ActionRow) (bool, string, error) {
	if !row.Verb.Deletes() || row.Backup == "" {
		return true, "", nil
	}
	open, err := e.actions.Actions(ctx, store.ActionFilter{
		Backups: []string{row.Backup}, States: []store.ActionState{store.ActionPlanned, store.ActionCalling, store.ActionUnclear},
	})
	if err != nil {
		return false, "", err
	}
	for _, o := range open {
		if o.Verb.Copies() && (o.Target.Place() == row.Place || o.Place == row.Place) {
			return false, "the backup is being copied to " + o.Place.String(), nil
		}
	}
	return true, "", nil
}
