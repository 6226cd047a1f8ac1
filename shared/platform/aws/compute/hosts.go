package compute

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/watch"
)

// LaunchHost starts a host, or gives the one that the token has started before, in whatever state it is. One that nobody
// can see any more is terminated; it may have no id then. What AWS has no room for is Unavailable.
func (h Hosts) LaunchHost(ctx context.Context, r cluster.HostRequest) (cluster.Host, error) {
	found, err := h.byToken(ctx, r.Token)
	if err != nil {
		return cluster.Host{}, fmt.Errorf("look for host %s: %w", r.Token, err)
	}
	if found != nil {
		return hostOf(*found), nil
	}
	out, err := h.ec2.RunInstances(ctx, h.launch(r))
	switch {
	case is(err, instanceTerminated):
		return cluster.Host{State: cluster.HostTerminated}, nil
	case is(err, otherParameters):
		return h.launchedOtherwise(ctx, r.Token)
	case is(err, interfaceInUse):
		return cluster.Host{}, h.interfaceHeld(ctx, r.AddressID, err)
	case err != nil:
		return cluster.Host{}, fmt.Errorf("launch host %s: %w", r.Token, failure(err, h.described(ctx, r)))
	}
	return h.seen(ctx, out.Instances[0])
}

// launch is the same call each time for the same request. What a host is comes from the launch template.
func (h Hosts) launch(r cluster.HostRequest) *ec2.RunInstancesInput {
	return &ec2.RunInstancesInput{
		ClientToken: aws.String(r.Token.String()),
		MinCount:    aws.Int32(1), MaxCount: aws.Int32(1),
		// Not $Default: a deployment adds a version, and CloudFormation can't make it the default one.
		LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: &h.LaunchTemplate, Version: aws.String("$Latest")},
		InstanceType:   types.InstanceType(hostType(r.InstanceType, r.Role)),
		NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{
			DeviceIndex: aws.Int32(0), NetworkInterfaceId: &r.AddressID,
			DeleteOnTermination: aws.Bool(false), // an address outlives its hosts
		}},
		TagSpecifications: []types.TagSpecification{
			h.tags(types.ResourceTypeInstance, r.Token, r.ClusterName, r.Role),
			h.tags(types.ResourceTypeVolume, r.Token, r.ClusterName, r.Role), // the root volume
		},
	}
}

// seen waits until everybody can see an instance that a launch was answered with, so that whoever does not see it later
// knows that it has ended.
func (h Hosts) seen(ctx context.Context, launched types.Instance) (cluster.Host, error) {
	host, id := cluster.Host{}, aws.ToString(launched.InstanceId)
	visible, err := h.settled(ctx, func() (bool, error) {
		i, err := h.describe(ctx, id)
		if i != nil {
			host = hostOf(*i)
		}
		return i != nil, err
	})
	switch {
	case err != nil:
		return cluster.Host{}, fmt.Errorf("look at host %s: %w", id, err)
	case visible:
		return host, nil
	case time.Since(aws.ToTime(launched.LaunchTime)) < muchLater:
		return cluster.Host{}, fault.New(fault.Unavailable, "host %s was launched and can't be seen yet", id)
	}
	return cluster.Host{ID: id, State: cluster.HostTerminated}, nil // launched long ago, ended, and forgotten
}

// muchLater is when EC2 has certainly settled.
const muchLater = 5 * time.Minute

// launchedOtherwise gives the host that a token has started with other parameters, as before a new deployment.
func (h Hosts) launchedOtherwise(ctx context.Context, token cluster.Token) (cluster.Host, error) {
	host, err := h.FindHost(ctx, token)
	if fault.Is(err, fault.NotFound) {
		return cluster.Host{State: cluster.HostTerminated}, nil
	}
	return host, err
}

// described says what was asked for, and in which zone.
func (h Hosts) described(ctx context.Context, r cluster.HostRequest) string {
	where := r.Subnet
	if zones, err := Zones(h).Zones(ctx, []string{r.Subnet}); err == nil {
		where = zones[0]
	}
	return hostType(r.InstanceType, r.Role) + " in " + where
}

// FindHost gives the host that a token has started, or a NotFound error when it never did.
func (h Hosts) FindHost(ctx context.Context, token cluster.Token) (cluster.Host, error) {
	var found *types.Instance
	_, err := h.settled(ctx, func() (_ bool, err error) {
		found, err = h.byToken(ctx, token)
		return found != nil, err
	})
	if err != nil {
		return cluster.Host{}, fmt.Errorf("look for host %s: %w", token, err)
	}
	if found == nil {
		return cluster.Host{}, fault.New(fault.NotFound, "token %s has started no host", token)
	}
	return hostOf(*found), nil
}

// Host tells how far a host is; an unknown host is terminated.
func (h Hosts) Host(ctx context.Context, id string) (cluster.Host, error) {
	host := cluster.Host{ID: id, State: cluster.HostTerminated}
	_, err := h.settled(ctx, func() (bool, error) {
		i, err := h.describe(ctx, id)
		if i != nil {
			host = hostOf(*i)
		}
		return i != nil, err
	})
	if err != nil {
		return cluster.Host{}, fmt.Errorf("look at host %s: %w", id, err)
	}
	return host, nil
}

// WatchHosts signals once a second: EC2 tells nobody.
func (h Hosts) WatchHosts() (<-chan struct{}, func()) { return watch.Every(h.Look) }

// RetireHost begins to end a host, without a word to its operating system. A host that is gone is success. One that has been
// on its way out for a minute is ended by force.
func (h Hosts) RetireHost(ctx context.Context, id string) error {
	var found *types.Instance
	_, err := h.settled(ctx, func() (_ bool, err error) {
		found, err = h.describe(ctx, id)
		return found != nil, err
	})
	if err != nil {
		return fmt.Errorf("look at host %s: %w", id, err)
	}
	if found == nil {
		return nil
	}
	force := false
	switch hostOf(*found).State {
	case cluster.HostTerminated:
		return nil
	case cluster.HostShuttingDown:
		if force = time.Since(asked(*found)) > patience; !force {
			return nil
		}
	case cluster.HostPending, cluster.HostRunning, cluster.HostStopped:
	}
	_, err = h.ec2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{
		InstanceIds: []string{id}, SkipOsShutdown: aws.Bool(true), Force: aws.Bool(force),
	})
	if err != nil {
		return fmt.Errorf("end host %s: %w", id, failure(err, "host "+id))
	}
	return nil
}

// patience is how long a host may take to end before it is ended by force.
const patience = time.Minute

// transition is how EC2 tells since when an instance is in its state: "User initiated (2026-03-01 10:00:00 GMT)".
var transition = regexp.MustCompile(`\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)`)

// asked is when an instance was asked to end; long ago when EC2 does not say.
func asked(i types.Instance) time.Time {
	m := transition.FindStringSubmatch(aws.ToString(i.StateTransitionReason))
	if m == nil {
		return time.Time{}
	}
	at, err := time.ParseInLocation(time.DateTime, m[1], time.UTC)
	if err != nil {
		return time.Time{}
	}
	return at
}

// ForgetHost has nothing to do: EC2 forgets what has ended by itself. A host that lives is a Conflict.
func (h Hosts) ForgetHost(ctx context.Context, id string) error {
	host, err := h.Host(ctx, id)
	if err != nil {
		return err
	}
	if host.State != cluster.HostTerminated {
		return fault.New(fault.Conflict, "host %s is %s", id, host.State)
	}
	return nil
}

// byToken gives the instance that was launched for a token; nil when nobody can see one.
func (r region) byToken(ctx context.Context, token cluster.Token) (*types.Instance, error) {
	return r.instance(ctx, &ec2.DescribeInstancesInput{Filters: r.ofToken(token)})
}

// describe gives an instance; nil when nobody can see it.
func (r region) describe(ctx context.Context, id string) (*types.Instance, error) {
	return r.instance(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
}

func (r region) instance(ctx context.Context, which *ec2.DescribeInstancesInput) (*types.Instance, error) {
	for pages := ec2.NewDescribeInstancesPaginator(r.ec2, which); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if is(err, noInstance, malformedInstance) {
			return nil, nil
		}
		if err != nil {
			return nil, failure(err, "the look at instances")
		}
		for _, reservation := range page.Reservations {
			for _, i := range reservation.Instances {
				return &i, nil
			}
		}
	}
	return nil, nil
}

// hostOf gives an instance in our words. Whatever EC2 does not call terminated may still write.
func hostOf(i types.Instance) cluster.Host {
	host := cluster.Host{ID: aws.ToString(i.InstanceId), State: cluster.HostPending}
	if i.State == nil {
		return host
	}
	switch i.State.Name {
	case types.InstanceStateNamePending:
	case types.InstanceStateNameRunning:
		host.State = cluster.HostRunning
	case types.InstanceStateNameStopping, types.InstanceStateNameStopped:
		host.State = cluster.HostStopped
	case types.InstanceStateNameShuttingDown:
		host.State = cluster.HostShuttingDown
	case types.InstanceStateNameTerminated:
		host.State = cluster.HostTerminated
	}
	return host
}

// held says why something that a host has is not free: the host lives, which is a Conflict, or it has ended and EC2 is only
// late to let go, which is Unavailable.
func (r region) held(ctx context.Context, what, hostID string) error {
	host, err := (Hosts{r}).Host(ctx, hostID)
	if err != nil {
		return err
	}
	if host.State == cluster.HostTerminated {
		return fault.New(fault.Unavailable, "%s has not yet been let go by host %s, which has ended", what, hostID)
	}
	return fault.New(fault.Conflict, "%s is attached to host %s, which is %s", what, hostID, host.State)
}
