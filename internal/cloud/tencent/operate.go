package tencent

import (
	"context"
	"errors"
	"slices"

	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	cvm "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/cvm/v20170312"

	"github.com/stint-cloud/stint/internal/cloud"
)

// unlessIn makes no error of one that says that the instance is in one of the states already.
func unlessIn(err error, states ...string) error {
	if ce, ok := errors.AsType[*cloud.Error](err); ok {
		for _, s := range states {
			if ce.Code == "UnsupportedOperation.InstanceState"+s {
				return nil
			}
		}
	}
	return err
}

// StartInstance starts one that is stopped.
func (p *Provider) StartInstance(ctx context.Context, ref cloud.Ref) error {
	if !formed("ins", ref.ID) {
		return missing("instance.start", ref, notFound[cloud.KindInstance])
	}
	return unlessIn(p.call(ctx, "instance.start", ref, ref.Region, func(ctx context.Context, c clients) error {
		in := cvm.NewStartInstancesRequest()
		in.InstanceIds = []*string{&ref.ID}
		_, err := c.cvm.StartInstancesWithContext(ctx, in)
		return err
	}), "Running", "Starting", "Pending", "Rebooting")
}

// StopInstance shuts one down, without being charged for its computing from then on where its kind allows that.
func (p *Provider) StopInstance(ctx context.Context, ref cloud.Ref) error {
	if !formed("ins", ref.ID) {
		return missing("instance.stop", ref, notFound[cloud.KindInstance])
	}
	return unlessIn(p.call(ctx, "instance.stop", ref, ref.Region, func(ctx context.Context, c clients) error {
		in := cvm.NewStopInstancesRequest()
		in.InstanceIds, in.StopType, in.StoppedMode = []*string{&ref.ID}, common.StringPtr("SOFT"), common.StringPtr("STOP_CHARGING")
		_, err := c.cvm.StopInstancesWithContext(ctx, in)
		return err
	}), "Stopped", "Stopping")
}

// DeleteInstance ends one, after a look: what was paid in advance goes to the recycle bin when it is terminated, and is
// destroyed when it is terminated there once more, which must never come of asking twice.
func (p *Provider) DeleteInstance(ctx context.Context, ref cloud.Ref) error {
	const op = "instance.delete"
	if !formed("ins", ref.ID) {
		return missing(op, ref, notFound[cloud.KindInstance])
	}
	var gone bool
	err := p.call(ctx, op, ref, ref.Region, func(ctx context.Context, c clients) error {
		look := cvm.NewDescribeInstancesRequest()
		look.InstanceIds, look.Limit = []*string{&ref.ID}, common.Int64Ptr(1)
		got, err := c.cvm.DescribeInstancesWithContext(ctx, look)
		if err != nil {
			return err
		}
		list := value(got.Response).InstanceSet
		i := slices.IndexFunc(list, func(v *cvm.Instance) bool { return v != nil && text(v.InstanceId) == ref.ID })
		if gone = i < 0; gone || ending(list[i]) {
			return nil
		}
		in := cvm.NewTerminateInstancesRequest()
		in.InstanceIds = []*string{&ref.ID}
		_, err = c.cvm.TerminateInstancesWithContext(ctx, in)
		return err
	})
	if err == nil && gone {
		err = missing(op, ref, notFound[cloud.KindInstance])
	}
	return unlessIn(err, "Terminating", "Terminated", "Shutdown")
}

// ending says whether an instance was terminated before: it ends, or waits in the recycle bin, or is about to.
func ending(v *cvm.Instance) bool {
	switch text(v.InstanceState) {
	case "TERMINATING", "SHUTDOWN":
		return true
	}
	return text(v.LatestOperation) == "TerminateInstances" && text(v.LatestOperationState) != "FAILED"
}
