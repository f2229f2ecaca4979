package cloud

import (
	"context"
	"fmt"
)

// CopyImage starts a copy of an image in a region of this account; see ImageCopier. The call is about the source.
func (c *Client) CopyImage(ctx context.Context, req NewCopy) (Image, error) {
	call, err := c.copying(req, KindImage, c.imageCopier != nil)
	if err != nil {
		return Image{}, err
	}
	return create(ctx, c, call, req, c.imageCopier.CopyImage)
}

// CopySnapshot starts a copy of a snapshot in a region of this account; see SnapshotCopier. The call is about the source.
func (c *Client) CopySnapshot(ctx context.Context, req NewCopy) (Snapshot, error) {
	call, err := c.copying(req, KindSnapshot, c.snapshotCopier != nil)
	if err != nil {
		return Snapshot{}, err
	}
	return create(ctx, c, call, req, c.snapshotCopier.CopySnapshot)
}

// copying is the call that makes the copy, in the region where the copy will be.
func (c *Client) copying(req NewCopy, kind Kind, can bool) (Call, error) {
	call := Call{
		Op: kind.String() + ".copy", Class: Write, Region: req.Region, Ref: req.From, Token: req.Token,
		Repeatable: c.Traits().Copies(kind).Tokens && req.Token != "",
	}
	switch {
	case !can:
		return call, c.unsupported(call.Op, call.Ref)
	case req.From.Kind != kind:
		return call, &Error{Op: call.Op, Ref: call.Ref, Class: ErrUnsupported, Err: fmt.Errorf("the source is no %s", kind)}
	}
	return call, nil
}

// Share lets another account use an image or a snapshot, or no longer; see Sharer.
func (c *Client) Share(ctx context.Context, ref Ref, with string, on bool) error {
	op := ref.Kind.String() + ".share"
	if !on {
		op = ref.Kind.String() + ".unshare"
	}
	if err := c.shareable(op, ref); err != nil {
		return err
	}
	call := Call{Op: op, Class: Write, Region: ref.Region, Ref: ref, With: with, Repeatable: true}
	return c.do(ctx, call, func(ctx context.Context) error { return c.sharer.Share(ctx, ref, with, on) })
}

// SharedWith lists the cloud ids of the accounts that an image or a snapshot is shared with; see Sharer.
func (c *Client) SharedWith(ctx context.Context, ref Ref) ([]string, error) {
	op := ref.Kind.String() + ".shares"
	if err := c.shareable(op, ref); err != nil {
		return nil, err
	}
	return create(ctx, c, Call{Op: op, Class: Read, Region: ref.Region, Ref: ref}, ref, c.sharer.SharedWith)
}

func (c *Client) shareable(op string, ref Ref) error {
	switch {
	case c.sharer == nil:
		return c.unsupported(op, ref)
	case ref.Kind != KindImage && ref.Kind != KindSnapshot:
		return &Error{Op: op, Ref: ref, Class: ErrUnsupported, Err: fmt.Errorf("only images and snapshots are shared")}
	}
	return nil
}

// Identity is the account's own id at the cloud; see Identifier.
func (c *Client) Identity(ctx context.Context) (string, error) {
	ref := Ref{Account: c.account}
	if c.identifier == nil {
		return "", c.unsupported("account.identity", ref)
	}
	call := Call{Op: "account.identity", Class: Read, Ref: ref}
	return create(ctx, c, call, ref, func(ctx context.Context, _ Ref) (string, error) { return c.identifier.Identity(ctx) })
}

// StartInstance starts an instance; see Operator.
func (c *Client) StartInstance(ctx context.Context, ref Ref) error {
	if c.operator == nil {
		return c.unsupported("instance.start", ref)
	}
	return c.write(ctx, "instance.start", ref, func(ctx context.Context) error { return c.operator.StartInstance(ctx, ref) })
}

// StopInstance stops an instance; see Operator.
func (c *Client) StopInstance(ctx context.Context, ref Ref) error {
	if c.operator == nil {
		return c.unsupported("instance.stop", ref)
	}
	return c.write(ctx, "instance.stop", ref, func(ctx context.Context) error { return c.operator.StopInstance(ctx, ref) })
}

// DeleteInstance ends an instance for good; see Operator.
func (c *Client) DeleteInstance(ctx context.Context, ref Ref) error {
	if c.operator == nil {
		return c.unsupported("instance.delete", ref)
	}
	return c.write(ctx, "instance.delete", ref, func(ctx context.Context) error { return c.operator.DeleteInstance(ctx, ref) })
}
