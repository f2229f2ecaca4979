package alibaba

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

// StartInstance starts one that is stopped.
func (p *Provider) StartInstance(ctx context.Context, ref cloud.Ref) error {
	q := question{op: "instance.start", ref: ref, action: "StartInstance", params: params{"InstanceId": ref.ID}}
	return p.turn(ctx, q, "Starting", "Running")
}

// StopInstance shuts one down, in the way that ends the cost of its computing where ECS can: an instance that is paid for in
// advance, or whose type cannot, goes on costing.
func (p *Provider) StopInstance(ctx context.Context, ref cloud.Ref) error {
	q := question{op: "instance.stop", ref: ref, action: "StopInstance", params: params{"InstanceId": ref.ID, "StoppedMode": "StopCharging"}}
	return p.turn(ctx, q, "Stopping", "Stopped")
}

// turn asks for a change of state. ECS refuses it to an instance that is there already, or on its way, which is no error.
func (p *Provider) turn(ctx context.Context, q question, there ...string) error {
	err := p.ask(ctx, q, nil)
	e, ok := errors.AsType[*cloud.Error](err)
	if !ok || !strings.HasPrefix(e.Code, "IncorrectInstanceStatus") {
		return err
	}
	var out struct {
		Instances *struct{ Instance []wireInstance }
	}
	look := q
	look.action, look.params = "DescribeInstances", params{"InstanceIds": jsonIDs([]string{q.ref.ID})}
	if failed := p.ask(ctx, look, &out); failed != nil || out.Instances == nil || len(out.Instances.Instance) != 1 {
		return err
	}
	if slices.Contains(there, out.Instances.Instance[0].Status) {
		return nil
	}
	return err
}

// DeleteInstance ends one for good, running or not, with the disks that go with it. ECS refuses it where the instance is
// protected, and where it is paid for in advance and the time is not over.
func (p *Provider) DeleteInstance(ctx context.Context, ref cloud.Ref) error {
	q := question{op: "instance.delete", ref: ref, action: "DeleteInstance", params: params{"InstanceId": ref.ID, "Force": "true"}}
	return p.ask(ctx, q, nil)
}
