package openstack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

// StartInstance starts a server that is shut off. One that is paused, suspended or shelved is for a person to wake: that is
// a conflict. See cloud.Operator.
func (p *Provider) StartInstance(ctx context.Context, ref cloud.Ref) error {
	return p.turn(ctx, "instance.start", ref, "os-start", cloud.PowerRunning, cloud.PowerStarting)
}

// StopInstance shuts a server down. It goes on counting against the project's quotas and keeps its host: shelving, which
// would not, may leave it without one when it is needed. See cloud.Operator.
func (p *Provider) StopInstance(ctx context.Context, ref cloud.Ref) error {
	return p.turn(ctx, "instance.stop", ref, "os-stop", cloud.PowerStopped, cloud.PowerStopping)
}

// turn asks for an action, and looks when nova refuses it: it does so as well when the server is there already, or on its way.
func (p *Provider) turn(ctx context.Context, op string, ref cloud.Ref, action string, to, way cloud.Power) error {
	r, err := p.in(ctx, op, ref)
	if err != nil {
		return err
	}
	if !possible.MatchString(ref.ID) {
		return &cloud.Error{Op: op, Ref: ref, Class: cloud.ErrNotFound, Err: errors.New("nothing has such an id")}
	}
	_, err = p.send(ctx, request{
		op: op, ref: ref, to: r.compute, method: http.MethodPost, path: []string{"servers", ref.ID, "action"}, body: map[string]any{action: nil},
	}, nil)
	e := (*cloud.Error)(nil)
	if !errors.As(err, &e) || !strings.HasPrefix(e.Code, "409") || e.Class != cloud.ErrConflict && e.Class != cloud.ErrInUse {
		return err
	}
	if held(e) {
		return locked(e)
	}
	s, looked := p.server(ctx, op, r, ref.ID)
	switch power := powerOf(s.Status, s.Task); {
	case looked != nil:
		return about(looked, op, ref)
	case power == to || power == way:
		return nil
	}
	own := *e
	own.Class = cloud.ErrConflict // busy with a task or in another state: it is all the same to who asks
	return &own
}

// held says whether somebody locked the server, which is a stop and no state that passes.
func held(e *cloud.Error) bool {
	return strings.HasPrefix(e.Code, "409") && e.Err != nil && strings.Contains(strings.ToLower(e.Err.Error()), "is locked")
}

func locked(e *cloud.Error) error {
	own := *e
	own.Class, own.Err = cloud.ErrDenied, fmt.Errorf("%w; whoever locked it can unlock it", e.Err)
	return &own
}

// DeleteInstance deletes a server, with those volumes whose attachment says so. Nova does no more when it is asked again,
// also where deletions are deferred. See cloud.Operator.
func (p *Provider) DeleteInstance(ctx context.Context, ref cloud.Ref) error {
	err := p.remove(ctx, "instance.delete", ref, "servers", func(r *region) *service { return r.compute })
	if e, ok := errors.AsType[*cloud.Error](err); ok && held(e) {
		return locked(e)
	}
	return err
}

// goingWith is the disks of a server that is made of a volume-backed image and leaves nothing behind. Whether a volume goes
// with its server stands in the image, and only a request that names the snapshots itself can say otherwise. Nil for any
// other image, whose disk lives on the host.
func (p *Provider) goingWith(ctx context.Context, op string, ref cloud.Ref, r *region, id string) ([]map[string]any, error) {
	i, err := p.image(ctx, op, r, id)
	if err != nil {
		return nil, about(err, op, ref)
	}
	var out []map[string]any
	for n, d := range devicesOf(i) {
		index := -1
		if n == 0 {
			index = 0
		}
		out = append(out, map[string]any{
			"source_type": "snapshot", "uuid": d.Snapshot, "destination_type": "volume", "boot_index": index, "delete_on_termination": true,
		})
	}
	return out, nil
}
