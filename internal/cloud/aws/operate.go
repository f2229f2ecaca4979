package aws

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/stint-cloud/stint/internal/cloud"
)

// StartInstance starts one that is stopped; one that runs or starts is left as it is, by EC2 itself.
func (p *Provider) StartInstance(ctx context.Context, ref cloud.Ref) error {
	_, err := p.client(ref.Region).StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: []string{ref.ID}})
	return p.problem(ctx, "instance.start", ref, err)
}

// StopInstance shuts one down, after which only its disks and addresses cost. Its host may be another afterwards: what is
// on instance store is lost, and an address that is not elastic changes.
func (p *Provider) StopInstance(ctx context.Context, ref cloud.Ref) error {
	_, err := p.client(ref.Region).StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{ref.ID}})
	return p.problem(ctx, "instance.stop", ref, err)
}

// DeleteInstance terminates one; asked again, EC2 does nothing more. Those disks go with it whose attachment says so.
func (p *Provider) DeleteInstance(ctx context.Context, ref cloud.Ref) error {
	_, err := p.client(ref.Region).TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{ref.ID}})
	return p.problem(ctx, "instance.delete", ref, err)
}
