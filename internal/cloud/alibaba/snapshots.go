package alibaba

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

// A listing of snapshots does not tell which are locked. The first page of a long one asks for the locks of the region;
// mostly there are none, and its cursor says so. Otherwise each page asks for those of its snapshots.
const (
	noLocks   = "free "
	someLocks = "locks "
)

// Snapshots lists one page, those of snapshot policies too.
func (p *Provider) Snapshots(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Snapshot], error) {
	ask, some, err := p.listed(ctx, cloud.KindSnapshot, q)
	if err != nil || !some {
		return cloud.Page[cloud.Snapshot]{}, err
	}
	ask.params.set("SnapshotIds", jsonIDs(q.IDs))
	if narrow(q.Tags) {
		ask.params.tags(q.Tags)
	}
	token, free := strings.CutPrefix(cursor, noLocks)
	token, later := strings.CutPrefix(token, someLocks)
	if cursor != "" && !free && !later {
		return cloud.Page[cloud.Snapshot]{}, &cloud.Error{Op: ask.op, Ref: ask.ref, Err: errors.New("the cursor is not one of ours")}
	}
	snapshots, next, err := p.snapshotPage(ctx, ask, token)
	if err != nil {
		return cloud.Page[cloud.Snapshot]{}, err
	}
	var locked map[string]bool
	whole := cursor == "" && next != "" // of a long listing, the first page asks about the region
	if !free && (whole || len(snapshots) > 0) {
		var ids []string
		for i := range snapshots {
			ids = append(ids, snapshots[i].SnapshotID)
		}
		if whole {
			ids = nil
		}
		if locked, err = p.locked(ctx, ask, ids); err != nil {
			return cloud.Page[cloud.Snapshot]{}, err
		}
	}
	out := cloud.Page[cloud.Snapshot]{}
	for i := range snapshots {
		s := p.snapshot(q.Region, &snapshots[i])
		s.Locked = locked[s.Ref.ID]
		if s.Tags.Contains(q.Tags) {
			out.Items = append(out.Items, s)
		}
	}
	switch {
	case next == "":
	case free || whole && len(locked) == 0:
		out.Next = noLocks + next
	default:
		out.Next = someLocks + next
	}
	return out, nil
}

// locked says which of the snapshots are locked, of the whole region without ids. Who may not ask, or where nobody can, is
// told of none: ECS refuses to delete what is locked all the same.
func (p *Provider) locked(ctx context.Context, ask question, ids []string) (map[string]bool, error) {
	found := map[string]bool{}
	for token := ""; ; {
		var out struct {
			LockedSnapshotsInfo []struct{ SnapshotID, LockStatus string }
			NextToken           string
		}
		ask.action = "DescribeLockedSnapshots"
		ask.params = params{"MaxResults": strconv.Itoa(pageSize)}.list("SnapshotIds", ids).set("NextToken", token)
		err := p.ask(ctx, ask, &out)
		if class := cloud.ClassOf(err); class == cloud.ErrDenied || class == cloud.ErrUnsupported {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		for _, l := range out.LockedSnapshotsInfo {
			if l.LockStatus != "expired" {
				found[l.SnapshotID] = true
			}
		}
		if out.NextToken == "" || out.NextToken == token {
			return found, nil
		}
		token = out.NextToken
	}
}

// snapshotsByID reads all of a few, over as many pages as they come on.
func (p *Provider) snapshotsByID(ctx context.Context, ask question, ids []string) ([]wireSnapshot, error) {
	var all []wireSnapshot
	for token := ""; ; {
		ask.params = params{"SnapshotIds": jsonIDs(ids)}
		snapshots, next, err := p.snapshotPage(ctx, ask, token)
		if err != nil {
			return nil, err
		}
		all = append(all, snapshots...)
		if next == "" || next == token {
			return all, nil
		}
		token = next
	}
}

func (p *Provider) snapshotPage(ctx context.Context, ask question, cursor string) ([]wireSnapshot, string, error) {
	var out struct {
		Snapshots *struct{ Snapshot []wireSnapshot }
		NextToken string
	}
	ask.action = "DescribeSnapshots"
	ask.params.set("NextToken", cursor)["MaxResults"] = strconv.Itoa(pageSize)
	if err := p.ask(ctx, ask, &out); err != nil {
		return nil, "", err
	}
	if out.Snapshots == nil {
		return nil, "", p.unclear(ask, "snapshots")
	}
	return out.Snapshots.Snapshot, out.NextToken, nil
}
