package compute

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/millrace/millrace/shared/cluster"
)

// hostsAtOnce is how many instances one call may name.
const hostsAtOnce = 100

// HostStates tells what EC2 says of hosts at this moment, with the outcome of its own checks of those that run. A host that
// EC2 does not show is missing: it has ended long ago, or EC2 is late to know of it, and one look can't tell which.
func (h Hosts) HostStates(ctx context.Context, ids []string) (map[string]cluster.Host, error) {
	states := map[string]cluster.Host{}
	for some := range slices.Chunk(ids, hostsAtOnce) {
		running, err := h.addStates(ctx, some, states)
		if err != nil {
			return nil, fmt.Errorf("look at %d hosts: %w", len(some), err)
		}
		impaired, err := h.impaired(ctx, running)
		if err != nil {
			return nil, fmt.Errorf("look at the checks of %d hosts: %w", len(running), err)
		}
		for _, id := range impaired {
			host := states[id]
			host.Impaired = true
			states[id] = host
		}
	}
	return states, nil
}

// addStates adds the states of hosts, and gives those that run. It filters by their ids: a call that names them fails as a
// whole when EC2 knows one of them no more.
func (h Hosts) addStates(ctx context.Context, ids []string, states map[string]cluster.Host) (running []string, err error) {
	which := &ec2.DescribeInstancesInput{Filters: []types.Filter{{Name: aws.String("instance-id"), Values: ids}}}
	for pages := ec2.NewDescribeInstancesPaginator(h.ec2, which); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failure(err, "the look at instances")
		}
		for _, reservation := range page.Reservations {
			for _, i := range reservation.Instances {
				host := hostOf(i)
				states[host.ID] = host
				if host.State == cluster.HostRunning {
					running = append(running, host.ID)
				}
			}
		}
	}
	return running, nil
}

// impaired gives those of the running hosts that fail a check of EC2's: of the machine beneath, of the instance itself, or of
// its way to its volumes. Where EC2 does not know one of them (any more, or yet), the next look tells.
func (h Hosts) impaired(ctx context.Context, running []string) (ids []string, err error) {
	if len(running) == 0 { // a call without ids asks for all of the account
		return nil, nil
	}
	out, err := h.ec2.DescribeInstanceStatus(ctx, &ec2.DescribeInstanceStatusInput{InstanceIds: running})
	if is(err, noInstance) {
		return nil, nil
	}
	if err != nil {
		return nil, failure(err, "the look at the checks of instances")
	}
	for _, s := range out.InstanceStatuses {
		if fails(s) {
			ids = append(ids, aws.ToString(s.InstanceId))
		}
	}
	return ids, nil
}

func fails(s types.InstanceStatus) bool {
	for _, check := range []*types.InstanceStatusSummary{s.SystemStatus, s.InstanceStatus} {
		if check != nil && check.Status == types.SummaryStatusImpaired {
			return true
		}
	}
	return s.AttachedEbsStatus != nil && s.AttachedEbsStatus.Status == types.SummaryStatusImpaired
}
