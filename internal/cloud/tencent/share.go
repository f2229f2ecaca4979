package tencent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	cvm "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cvm/v20170312"
	sts "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/sts/v20180813"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Share lets another account use an image, or no longer, in the image's own region. Snapshots are not shared: whoever
// receives one can make disks of it and cannot copy it.
func (p *Provider) Share(ctx context.Context, ref cloud.Ref, with string, on bool) error {
	op, permission := ref.Kind.String()+".share", "SHARE"
	if !on {
		op, permission = ref.Kind.String()+".unshare", "CANCEL"
	}
	cannot := func(why string) error {
		return &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrUnsupported, Err: errors.New(why)}
	}
	switch {
	case ref.Kind != cloud.KindImage:
		return cannot("only images are shared: a snapshot of another account cannot be copied")
	case with == "" || strings.Trim(with, "0123456789") != "":
		return cannot(fmt.Sprintf("%q is no account's number (UIN)", with))
	case !formed("img", ref.ID):
		return missing(op, ref, notFound[cloud.KindImage])
	}
	err := p.call(ctx, op, ref, ref.Region, func(ctx context.Context, c clients) error {
		in := cvm.NewModifyImageSharePermissionRequest()
		in.ImageId, in.AccountIds, in.Permission = &ref.ID, []*string{&with}, &permission
		_, err := c.cvm.ModifyImageSharePermissionWithContext(ctx, in)
		return err
	})
	ce, ok := errors.AsType[*cloud.Error](err)
	if !ok {
		return err
	}
	switch ce.Code {
	case "FailedOperation.AccountAlreadyExists":
		return nil // it is so already
	case "InvalidAccountId.NotFound", "InvalidAccountIs.YourSelf", "FailedOperation.AccountIsYourSelf", "FailedOperation.NotMasterAccount":
		ce.Class = cloud.ErrUnsupported
	case "UnsupportedOperation.EncryptedImagesNotSupported":
		ce.Class = cloud.ErrDenied
		ce.Err = &said{text: ce.Err.Error(), remedy: "share an image that is not encrypted: no key lets an encrypted one be shared", cause: ce.Err}
	}
	return err
}

// SharedWith lists the accounts that an image is shared with, by number.
func (p *Provider) SharedWith(ctx context.Context, ref cloud.Ref) ([]string, error) {
	op := ref.Kind.String() + ".shares"
	if ref.Kind != cloud.KindImage {
		return nil, &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrUnsupported, Err: errors.New("only images are shared")}
	}
	if !formed("img", ref.ID) {
		return nil, missing(op, ref, notFound[cloud.KindImage])
	}
	var out []string
	err := p.call(ctx, op, ref, ref.Region, func(ctx context.Context, c clients) error {
		in := cvm.NewDescribeImageSharePermissionRequest()
		in.ImageId = &ref.ID
		got, err := c.cvm.DescribeImageSharePermissionWithContext(ctx, in)
		if err != nil {
			return err
		}
		for _, s := range value(got.Response).SharePermissionSet {
			if s != nil && text(s.AccountId) != "" {
				out = append(out, text(s.AccountId))
			}
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}

// Identity is the number of the account that the credentials work in (UIN).
func (p *Provider) Identity(ctx context.Context) (string, error) {
	var id string
	ref := cloud.Ref{Account: p.account, Region: p.region}
	err := p.call(ctx, "account.identity", ref, p.region, func(ctx context.Context, c clients) error {
		s := &sts.Client{Client: *c.any}
		got, err := s.GetCallerIdentityWithContext(ctx, sts.NewGetCallerIdentityRequest())
		if err != nil {
			return err
		}
		if id = text(value(got.Response).AccountId); id == "" {
			return fmt.Errorf("the answer names no account: %w", cloud.ErrTransient)
		}
		return nil
	})
	return id, err
}
