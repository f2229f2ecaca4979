package alibaba

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/stint-cloud/stint/internal/cloud"
)

// copied fills in what copies of both kinds have in common. ECS is asked in the region of the source.
func (p *Provider) copied(ctx context.Context, req cloud.NewCopy, action, id, prefix string) (question, error) {
	q := question{op: req.From.Kind.String() + ".copy", ref: req.From, action: action}
	if err := ctx.Err(); err != nil {
		return q, fmt.Errorf("%s %s: %w", q.op, q.ref.Place(), err)
	}
	if req.From.Account != p.account && req.From.Region != req.Region {
		return q, &cloud.Error{
			Op: q.op, Ref: q.ref, Class: cloud.ErrUnsupported, Code: "RegionNotSupportCopy",
			Err: fmt.Errorf("what another account shares is copied inside its region, and the copy from there on"),
		}
	}
	q.params = params{id: req.From.ID}.set("DestinationRegionId", req.Region).set(prefix+"Name", nameFor(req.Name)).
		set(prefix+"Description", descriptionFor(req.Description)).set("ClientToken", req.Token).tags(req.Tags)
	if req.Key != "" {
		q.params["Encrypted"], q.params["KMSKeyId"] = "true", req.Key
	}
	return q, nil
}

// CopyImage starts a copy, or has it wait for its turn: ECS makes five at a time into one region. The same token gives the
// same copy. Its snapshots are ECS's to make, and carry no tags.
func (p *Provider) CopyImage(ctx context.Context, req cloud.NewCopy) (cloud.Image, error) {
	q, err := p.copied(ctx, req, "CopyImage", "ImageId", "DestinationImage")
	if err != nil {
		return cloud.Image{}, err
	}
	if text, ok := q.params["DestinationImageDescription"]; ok { // which is named otherwise than with snapshots
		delete(q.params, "DestinationImageDescription")
		q.params["DestinationDescription"] = text
	}
	var out struct{ ImageID string }
	if err := p.create(ctx, q, "image", func() string { return out.ImageID }, &out); err != nil {
		return cloud.Image{}, err
	}
	return cloud.Image{
		Ref: p.ref(req.Region, cloud.KindImage, out.ImageID), Name: nameFor(req.Name), State: cloud.StateWorking, Detail: "Creating", Tags: req.Tags,
	}, nil
}

// CopySnapshot starts a copy; the same token gives the same copy.
func (p *Provider) CopySnapshot(ctx context.Context, req cloud.NewCopy) (cloud.Snapshot, error) {
	q, err := p.copied(ctx, req, "CopySnapshot", "SnapshotId", "DestinationSnapshot")
	if err != nil {
		return cloud.Snapshot{}, err
	}
	const description = "DestinationSnapshotDescription" // without which ECS makes none
	q.params[description] = cmp.Or(q.params[description], "Copied by Stint")
	var out struct{ SnapshotID string }
	if err := p.create(ctx, q, "snapshot", func() string { return out.SnapshotID }, &out); err != nil {
		return cloud.Snapshot{}, err
	}
	return cloud.Snapshot{
		Ref: p.ref(req.Region, cloud.KindSnapshot, out.SnapshotID), Name: nameFor(req.Name), State: cloud.StateWorking, Detail: "progressing",
		Encrypted: req.Key != "", Tags: req.Tags,
	}, nil
}

// accountForm is the number of an account.
var accountForm = regexp.MustCompile(`^\d{6,20}$`)

// sharing is a call about an image: ECS shares no snapshots.
func (p *Provider) sharing(op string, ref cloud.Ref, action string) (question, error) {
	q := question{op: ref.Kind.String() + "." + op, ref: ref, action: action, params: params{"ImageId": ref.ID}}
	if ref.Kind != cloud.KindImage {
		return q, &cloud.Error{Op: q.op, Ref: ref, Class: cloud.ErrUnsupported, Err: fmt.Errorf("ECS shares images, and no snapshots")}
	}
	return q, nil
}

// Share lets an account use an image, or no longer.
func (p *Provider) Share(ctx context.Context, ref cloud.Ref, with string, on bool) error {
	op, list := "share", "AddAccount"
	if !on {
		op, list = "unshare", "RemoveAccount"
	}
	q, err := p.sharing(op, ref, "ModifyImageSharePermission")
	if err != nil {
		return err
	}
	if !accountForm.MatchString(with) {
		return &cloud.Error{Op: q.op, Ref: ref, Class: cloud.ErrUnsupported, Err: fmt.Errorf("%q is no account's number", with)}
	}
	q.params.list(list, []string{with})
	return p.ask(ctx, q, nil)
}

// SharedWith lists the accounts that an image is shared with.
func (p *Provider) SharedWith(ctx context.Context, ref cloud.Ref) ([]string, error) {
	q, err := p.sharing("shares", ref, "DescribeImageSharePermission")
	if err != nil {
		return nil, err
	}
	var all []string
	for page := 1; ; page++ {
		var out struct {
			Accounts   *struct{ Account []struct{ AliyunID string } }
			TotalCount int
		}
		q.params["PageNumber"], q.params["PageSize"] = strconv.Itoa(page), strconv.Itoa(pageSize)
		if err := p.ask(ctx, q, &out); err != nil {
			return nil, err
		}
		if out.Accounts == nil {
			return nil, p.unclear(q, "accounts")
		}
		for _, a := range out.Accounts.Account {
			all = append(all, a.AliyunID)
		}
		if len(all) >= out.TotalCount || len(out.Accounts.Account) == 0 {
			slices.Sort(all)
			return slices.Compact(all), nil
		}
	}
}

// Identity is the account's number, of whoever owns the role that the calls are made with.
func (p *Provider) Identity(ctx context.Context) (string, error) {
	q := question{op: "account.identity", ref: cloud.Ref{Account: p.account}, action: "GetCallerIdentity", sts: true}
	var out struct{ AccountID string }
	if err := p.create(ctx, q, "account", func() string { return out.AccountID }, &out); err != nil {
		return "", err
	}
	return out.AccountID, nil
}
