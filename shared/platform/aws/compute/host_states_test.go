package compute_test

import (
	"maps"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/millrace/millrace/integration/awsrules"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// launches starts a host for each of so many nodes.
func (c cloud) launches(t *testing.T, nodes int32) []string {
	t.Helper()
	var ids []string
	for id := int32(1); id <= nodes; id++ {
		address := c.addressRequest()
		address.Token.NodeID = id
		a, err := c.Addresses.EnsureAddress(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		h, err := c.Hosts.LaunchHost(t.Context(), cluster.HostRequest{
			Token: cluster.Token{ClusterID: node.ClusterID, NodeID: id, Attempt: 1}, ClusterName: "orders", Role: cluster.Broker,
			Subnet: c.deployment.Subnets[0], InstanceType: "kafka.m7g.large", AddressID: a.ID,
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, h.ID)
	}
	return ids
}

// byHand is EC2 for somebody who uses it past Millrace.
func (c cloud) byHand() *ec2.Client { return ec2.NewFromConfig(c.rules.Config) }

func TestHostStates_TellEveryEndOfAHostAndWhichChecksFail(t *testing.T) {
	c := open(t, awsrules.Config{ShuttingDownFor: long})
	ids := c.launches(t, 5)
	running, impaired, stopping, ending, forgotten := ids[0], ids[1], ids[2], ids[3], ids[4]
	c.rules.Impair(impaired)
	if _, err := c.byHand().StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{stopping}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.byHand().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{ending}}); err != nil {
		t.Fatal(err)
	}
	c.rules.Forget(forgotten)
	states, err := c.Hosts.HostStates(t.Context(), append(ids, "i-0123456789abcdef0", "nonsense"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]cluster.Host{
		running:  {ID: running, State: cluster.HostRunning},
		impaired: {ID: impaired, State: cluster.HostRunning, Impaired: true},
		stopping: {ID: stopping, State: cluster.HostStopped},
		ending:   {ID: ending, State: cluster.HostShuttingDown},
	}
	if !maps.Equal(states, want) {
		t.Errorf("the hosts are %v, want %v", states, want)
	}
	c.rules.End(ending)
	if states, err = c.Hosts.HostStates(t.Context(), []string{ending}); err != nil || states[ending].State != cluster.HostTerminated {
		t.Errorf("an ended host is %v, %v", states, err)
	}
}

// A look at many hosts takes few calls, and one that EC2 does not show yet does not hide the others.
func TestHostStates_AskForManyHostsAtOnceAndLeaveOutWhatIsNotShown(t *testing.T) {
	c := open(t, awsrules.Config{})
	ids := c.launches(t, 2)
	c.rules.Overlook(1)
	launched, err := c.byHand().RunInstances(t.Context(), &ec2.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: &c.deployment.LaunchTemplate},
	})
	if err != nil {
		t.Fatal(err)
	}
	ids = append(ids, *launched.Instances[0].InstanceId)
	before := len(c.rules.Calls())
	states, err := c.Hosts.HostStates(t.Context(), ids)
	if err != nil || len(states) != 2 {
		t.Errorf("the hosts are %v, %v; want two of three", states, err)
	}
	if calls := len(c.rules.Calls()) - before; calls != 2 {
		t.Errorf("a look at three hosts took %d calls", calls)
	}
	before = len(c.rules.Calls())
	if states, err = c.Hosts.HostStates(t.Context(), nil); err != nil || len(states) > 0 || len(c.rules.Calls()) > before {
		t.Errorf("a look at no hosts: %v, %v, %d calls", states, err, len(c.rules.Calls())-before)
	}
}

// Nobody is taken for dead because EC2 did not answer.
func TestHostStates_AreUnknownWhileEC2DoesNotAnswer(t *testing.T) {
	c := open(t, awsrules.Config{})
	ids := c.launches(t, 1)
	for _, name := range []string{"ec2:DescribeInstances", "ec2:DescribeInstanceStatus"} {
		for _, kind := range []awsrules.Kind{awsrules.Throttle, awsrules.ServerError, awsrules.LostAnswer} {
			c.rules.Fail(name, kind, tries)
			states, err := c.Hosts.HostStates(t.Context(), ids)
			wantCode(t, name+", "+string(kind), err, fault.Unavailable)
			if states != nil {
				t.Errorf("%s, %s: %v", name, kind, states)
			}
		}
	}
}

// Between the two calls an instance may end, and EC2 forget it.
func TestHostStates_AreToldWithoutTheChecksWhereEC2DoesNotKnowTheHostThere(t *testing.T) {
	c := open(t, awsrules.Config{})
	ids := c.launches(t, 1)
	c.rules.Observe(func(call awsrules.Call) {
		if call.Name() == "ec2:DescribeInstanceStatus" {
			c.rules.Forget(ids[0])
		}
	})
	states, err := c.Hosts.HostStates(t.Context(), ids)
	if err != nil || states[ids[0]].State != cluster.HostRunning || states[ids[0]].Impaired {
		t.Errorf("the hosts are %v, %v", states, err)
	}
}

func TestRetireHost_EndsWhatIsStoppedStoppingOrImpaired(t *testing.T) {
	c := open(t, awsrules.Config{ShuttingDownFor: 100 * time.Millisecond})
	ids := c.launches(t, 3)
	stopped, stopping, impaired := ids[0], ids[1], ids[2]
	stop := func(id string) {
		t.Helper()
		if _, err := c.byHand().StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{id}}); err != nil {
			t.Fatal(err)
		}
	}
	stop(stopped)
	c.wait(t, stopped, cluster.HostStopped)
	stop(stopping)
	c.rules.Impair(impaired)
	for _, id := range ids {
		c.retire(t, id)
	}
	if alive := c.rules.Alive(); len(alive) > 0 {
		t.Errorf("alive are %v", alive)
	}
}
