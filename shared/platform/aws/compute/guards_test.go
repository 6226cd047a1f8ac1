package compute_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/millrace/millrace/integration/awsrules"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

var (
	node   = cluster.Token{ClusterID: "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9-7", NodeID: 1}
	launch = cluster.Token{ClusterID: node.ClusterID, NodeID: node.NodeID, Attempt: 1}
)

// tries is how often the SDK makes a call before it gives up.
const tries = 3

func (c cloud) volume(t *testing.T) cluster.Volume {
	t.Helper()
	v, err := c.Volumes.EnsureVolume(t.Context(), c.volumeRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (c cloud) volumeRequest(t *testing.T) cluster.VolumeRequest {
	t.Helper()
	zones, err := c.Zones.Zones(t.Context(), c.deployment.Subnets[:1])
	if err != nil {
		t.Fatal(err)
	}
	return cluster.VolumeRequest{Token: node, ClusterName: "orders", Role: cluster.Broker, Rack: zones[0], SizeGiB: 10}
}

func (c cloud) addressRequest() cluster.AddressRequest {
	return cluster.AddressRequest{Token: node, ClusterName: "Orders", Role: cluster.Broker, Subnet: c.deployment.Subnets[0]}
}

func (c cloud) address(t *testing.T) cluster.Address {
	t.Helper()
	a, err := c.Addresses.EnsureAddress(t.Context(), c.addressRequest())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (c cloud) hostRequest(t *testing.T, token cluster.Token) cluster.HostRequest {
	t.Helper()
	return cluster.HostRequest{
		Token: token, ClusterName: "orders", Role: cluster.Broker, Subnet: c.deployment.Subnets[0],
		InstanceType: "kafka.m7g.large", AddressID: c.address(t).ID,
	}
}

// host launches a host and waits until it runs.
func (c cloud) host(t *testing.T, token cluster.Token) cluster.Host {
	t.Helper()
	h, err := c.Hosts.LaunchHost(t.Context(), c.hostRequest(t, token))
	if err != nil {
		t.Fatal(err)
	}
	c.wait(t, h.ID, cluster.HostRunning)
	return h
}

func (c cloud) wait(t *testing.T, id string, state cluster.HostState) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	changed, stop := c.Hosts.WatchHosts()
	defer stop()
	for {
		h, err := c.Hosts.Host(ctx, id)
		if err != nil {
			t.Fatalf("host %s does not become %s: %v", id, state, err)
		}
		if h.State == state {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("host %s is still %s, not %s", id, h.State, state)
		}
	}
}

func (c cloud) retire(t *testing.T, id string) {
	t.Helper()
	if err := c.Hosts.RetireHost(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	c.wait(t, id, cluster.HostTerminated)
}

func wantCode(t *testing.T, what string, err error, want fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != want {
		t.Errorf("%s: %q (%v), want %q", what, got, err, want)
	}
}

// made counts what is in the account, as "vol-": the root volume of each host is one, too.
func (c cloud) made(t *testing.T, prefix string) int {
	t.Helper()
	n := 0
	for _, id := range c.deployment.Left(t, c.account.Config) {
		if strings.HasPrefix(id, prefix) {
			n++
		}
	}
	return n
}

// long is for ever in a test.
const long = time.Hour

// What a call has made is there also when nobody was told of it and nobody can see it yet: asking again gives the same.
func TestEnsure_GivesWhatALostAnswerWasAbout(t *testing.T) {
	c := open(t, awsrules.Config{UnseenFor: 3})
	for _, tt := range []struct {
		call, prefix string
		ensure       func() error
	}{
		{"ec2:CreateVolume", "vol-", func() error {
			_, err := c.Volumes.EnsureVolume(t.Context(), c.volumeRequest(t))
			return err
		}},
		{"ec2:CreateNetworkInterface", "eni-", func() error {
			_, err := c.Addresses.EnsureAddress(t.Context(), c.addressRequest())
			return err
		}},
		{"ec2:RunInstances", "i-", func() error {
			_, err := c.Hosts.LaunchHost(t.Context(), c.hostRequest(t, launch))
			return err
		}},
	} {
		c.rules.Fail(tt.call, awsrules.LostAnswer, tries)
		wantCode(t, tt.call+" without an answer", tt.ensure(), fault.Unavailable)
		wantCode(t, tt.call+" again", tt.ensure(), "")
		if n := c.made(t, tt.prefix); n != 1 {
			t.Errorf("%s has made %d of %s…", tt.call, n, tt.prefix)
		}
	}
}

// What was made for a request that has changed since is given, also when nobody can see it yet.
func TestEnsure_MakesNothingMoreForARequestThatHasChanged(t *testing.T) {
	c := open(t, awsrules.Config{UnseenFor: 3})
	volume, address := c.volumeRequest(t), c.addressRequest()
	host := c.hostRequest(t, launch)
	for _, name := range []string{"ec2:CreateVolume", "ec2:RunInstances"} {
		c.rules.Fail(name, awsrules.LostAnswer, tries)
	}
	_, err := c.Volumes.EnsureVolume(t.Context(), volume)
	wantCode(t, "volume", err, fault.Unavailable)
	volume.ClusterName = "renamed"
	v, err := c.Volumes.EnsureVolume(t.Context(), volume)
	if err != nil || v.SizeGiB != 10 || c.made(t, "vol-") != 1 {
		t.Errorf("the volume %+v, %v; there are %d", v, err, c.made(t, "vol-"))
	}
	_, err = c.Hosts.LaunchHost(t.Context(), host)
	wantCode(t, "host", err, fault.Unavailable)
	host.InstanceType = "kafka.m7g.xlarge"
	h, err := c.Hosts.LaunchHost(t.Context(), host)
	if err != nil || !slices.Equal(c.rules.Alive(), []string{h.ID}) {
		t.Errorf("the host %+v, %v; alive are %v", h, err, c.rules.Alive())
	}
	address.Token.NodeID = 2
	c.rules.Fail("ec2:CreateNetworkInterface", awsrules.LostAnswer, tries)
	_, err = c.Addresses.EnsureAddress(t.Context(), address)
	wantCode(t, "address", err, fault.Unavailable)
	address.SecurityGroups = []string{"sg-0123456789abcdef0"}
	if a, err := c.Addresses.EnsureAddress(t.Context(), address); err != nil || a.Name == "" || c.made(t, "eni-") != 2 {
		t.Errorf("the address %+v, %v; there are %d", a, err, c.made(t, "eni-"))
	}
}

// What was made is looked for before it is made again: a client token lives a day at most.
func TestEnsure_LooksBeforeItMakes(t *testing.T) {
	c := open(t, awsrules.Config{})
	volume, host := c.volume(t), c.host(t, launch)
	again := c.volumeRequest(t)
	again.ClusterName = "orders, of another day"
	if v, err := c.Volumes.EnsureVolume(t.Context(), again); err != nil || !reflect.DeepEqual(v, volume) {
		t.Errorf("the volume %+v, %v; want %+v", v, err, volume)
	}
	request := c.hostRequest(t, launch)
	request.InstanceType = "kafka.m7g.xlarge"
	if h, err := c.Hosts.LaunchHost(t.Context(), request); err != nil || h.ID != host.ID {
		t.Errorf("the host %+v, %v; want %s", h, err, host.ID)
	}
	for _, name := range []string{"ec2:CreateVolume", "ec2:CreateNetworkInterface", "ec2:RunInstances"} {
		if n := c.rules.Count(name); n != 1 {
			t.Errorf("%s was called %d times", name, n)
		}
	}
}

// Something that nobody can see yet is not taken for absent: its hosts and volumes would be left for ever.
func TestRemovals_FindWhatCannotBeSeenYet(t *testing.T) {
	c := open(t, awsrules.Config{UnseenFor: 3})
	request := c.hostRequest(t, launch)
	for _, name := range []string{"ec2:RunInstances", "ec2:CreateVolume"} {
		c.rules.Fail(name, awsrules.LostAnswer, tries)
	}
	_, err := c.Hosts.LaunchHost(t.Context(), request)
	wantCode(t, "launch", err, fault.Unavailable)
	found, err := c.Hosts.FindHost(t.Context(), launch)
	if err != nil || !slices.Equal(c.rules.Alive(), []string{found.ID}) {
		t.Errorf("found %+v, %v; alive are %v", found, err, c.rules.Alive())
	}
	_, err = c.Volumes.EnsureVolume(t.Context(), c.volumeRequest(t))
	wantCode(t, "volume", err, fault.Unavailable)
	wantCode(t, "delete volume", c.Volumes.DeleteVolume(t.Context(), node), "")
	if n := c.made(t, "vol-"); n != 1 { // the root volume
		t.Errorf("there are %d volumes", n)
	}
	c.retire(t, found.ID)
	wantCode(t, "release", c.Addresses.ReleaseAddress(t.Context(), node), "")
	c.rules.Fail("ec2:CreateNetworkInterface", awsrules.LostAnswer, tries)
	_, err = c.Addresses.EnsureAddress(t.Context(), c.addressRequest())
	wantCode(t, "address", err, fault.Unavailable)
	wantCode(t, "release what was lost", c.Addresses.ReleaseAddress(t.Context(), node), "")
	if n := c.made(t, "eni-"); n != 0 {
		t.Errorf("there are %d network interfaces", n)
	}
}

func TestHosts_ThatCannotBeSeenYetHaveNotEnded(t *testing.T) {
	c := open(t, awsrules.Config{UnseenFor: 3})
	c.rules.Fail("ec2:RunInstances", awsrules.LostAnswer, tries)
	_, err := c.Hosts.LaunchHost(t.Context(), c.hostRequest(t, launch))
	wantCode(t, "launch", err, fault.Unavailable)
	id := c.rules.Alive()[0]
	if h, err := c.Hosts.Host(t.Context(), id); err != nil || h.State != cluster.HostRunning {
		t.Errorf("the host is %+v, %v", h, err)
	}
}

func TestRetireHost_EndsAHostThatCannotBeSeenYet(t *testing.T) {
	c := open(t, awsrules.Config{UnseenFor: 3})
	c.rules.Fail("ec2:RunInstances", awsrules.LostAnswer, tries)
	_, err := c.Hosts.LaunchHost(t.Context(), c.hostRequest(t, launch))
	wantCode(t, "launch", err, fault.Unavailable)
	wantCode(t, "retire", c.Hosts.RetireHost(t.Context(), c.rules.Alive()[0]), "")
	if alive := c.rules.Alive(); len(alive) > 0 {
		t.Errorf("alive are %v", alive)
	}
}

// EC2 may be later than anybody would think. A host that was launched a moment ago has not ended for that.
func TestLaunchHost_DoesNotTakeALateHostForOneThatHasEnded(t *testing.T) {
	c := open(t, awsrules.Config{})
	request := c.hostRequest(t, launch)
	c.rules.Overlook(1000)
	h, err := c.Hosts.LaunchHost(t.Context(), request)
	wantCode(t, "a launch that nobody can see", err, fault.Unavailable)
	if h.State == cluster.HostTerminated {
		t.Errorf("the host is %+v", h)
	}
}

func TestLaunchHost_StartsNothingForATokenWhoseHostIsForgotten(t *testing.T) {
	c := open(t, awsrules.Config{})
	h := c.host(t, launch)
	c.retire(t, h.ID)
	c.rules.Forget(h.ID)
	again, err := c.Hosts.LaunchHost(t.Context(), c.hostRequest(t, launch))
	if err != nil || again.State != cluster.HostTerminated || len(c.rules.Alive()) > 0 {
		t.Errorf("the host is %+v, %v; alive are %v", again, err, c.rules.Alive())
	}
}

// Nothing of a host is free before it is terminated.
func TestHosts_ThatShutDownHoldWhatTheyHave(t *testing.T) {
	c := open(t, awsrules.Config{ShuttingDownFor: long})
	volume, host := c.volume(t), c.host(t, launch)
	wantCode(t, "attach", c.Volumes.AttachVolume(t.Context(), volume.ID, host.ID), "")
	wantCode(t, "retire", c.Hosts.RetireHost(t.Context(), host.ID), "")
	if h, err := c.Hosts.Host(t.Context(), host.ID); err != nil || h.State != cluster.HostShuttingDown {
		t.Errorf("the host is %+v, %v", h, err)
	}
	c.wantHeld(t, fault.Conflict, host.ID)
	wantCode(t, "forget", c.Hosts.ForgetHost(t.Context(), host.ID), fault.Conflict)
}

// wantHeld checks that nobody gets a volume or an address, and that who has it is named.
func (c cloud) wantHeld(t *testing.T, code fault.Code, hostID string) {
	t.Helper()
	volume := c.volume(t)
	records := c.deployment.Records(t, c.account.Config)
	_, launched := c.Hosts.LaunchHost(t.Context(), c.hostRequest(t, cluster.Token{ClusterID: node.ClusterID, NodeID: 1, Attempt: 2}))
	for what, err := range map[string]error{
		"delete volume":     c.Volumes.DeleteVolume(t.Context(), node),
		"attach elsewhere":  c.Volumes.AttachVolume(t.Context(), volume.ID, "i-0123456789abcdef0"),
		"release address":   c.Addresses.ReleaseAddress(t.Context(), node),
		"launch a new host": launched,
	} {
		wantCode(t, what, err, code)
		if err != nil && !strings.Contains(err.Error(), hostID) {
			t.Errorf("%s: %v; want host %s named", what, err, hostID)
		}
	}
	if now := c.deployment.Records(t, c.account.Config); !slices.Equal(now, records) || len(now) != 1 {
		t.Errorf("the records became %v, from %v", now, records)
	}
}

// EC2 lets go of volumes and interfaces a moment after their host has ended: that passes by itself.
func TestWhatAnEndedHostStillHas_IsFreeLater(t *testing.T) {
	c := open(t, awsrules.Config{LetsGoAfter: long})
	volume, host := c.volume(t), c.host(t, launch)
	wantCode(t, "attach", c.Volumes.AttachVolume(t.Context(), volume.ID, host.ID), "")
	c.retire(t, host.ID)
	c.wantHeld(t, fault.Unavailable, host.ID)
}

func TestRetireHost_AsksNoOperatingSystem(t *testing.T) {
	c := open(t, awsrules.Config{GracefulFor: long})
	c.retire(t, c.host(t, launch).ID)
}

func TestRetireHost_ForcesAHostThatDoesNotEndWithinAMinute(t *testing.T) {
	c := open(t, awsrules.Config{})
	h := c.host(t, launch)
	c.rules.Stick(h.ID, 0)
	for range 2 {
		wantCode(t, "retire", c.Hosts.RetireHost(t.Context(), h.ID), "")
	}
	if n := c.rules.Count("ec2:TerminateInstances"); n != 1 {
		t.Errorf("a host on its way out was asked %d times to end", n)
	}
	c.rules.Stick(h.ID, 2*time.Minute)
	c.retire(t, h.ID)
}

func TestAddresses_OutliveTheirHosts(t *testing.T) {
	c := open(t, awsrules.Config{})
	before := c.address(t)
	c.retire(t, c.host(t, launch).ID)
	if after := c.address(t); after != before {
		t.Errorf("the address became %+v, from %+v", after, before)
	}
}

func TestAttachVolume_ToTheSameHostAgainIsSuccessAlsoWhenTheAnswerWasLost(t *testing.T) {
	c := open(t, awsrules.Config{})
	volume, host := c.volume(t), c.host(t, launch)
	c.rules.Fail("ec2:AttachVolume", awsrules.LostAnswer, 1)
	wantCode(t, "attach", c.Volumes.AttachVolume(t.Context(), volume.ID, host.ID), "")
	wantCode(t, "attach again", c.Volumes.AttachVolume(t.Context(), volume.ID, host.ID), "")
	if n := c.rules.Count("ec2:AttachVolume"); n != 2 {
		t.Errorf("AttachVolume was called %d times", n)
	}
}

func TestAttachVolume_OfAnotherZoneIsInvalid(t *testing.T) {
	c := open(t, awsrules.Config{})
	host := c.host(t, launch)
	request := c.volumeRequest(t)
	zones, err := c.Zones.Zones(t.Context(), c.deployment.Subnets)
	if err != nil {
		t.Fatal(err)
	}
	request.Rack = zones[1]
	volume, err := c.Volumes.EnsureVolume(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "attach", c.Volumes.AttachVolume(t.Context(), volume.ID, host.ID), fault.Invalid)
}

func TestAttachVolume_ToAHostThatIsForgottenIsAConflict(t *testing.T) {
	c := open(t, awsrules.Config{})
	wantCode(t, "attach", c.Volumes.AttachVolume(t.Context(), c.volume(t).ID, "i-0123456789abcdef0"), fault.Conflict)
}

func TestAttachVolume_ToAHostThatNotAllOfEC2KnowsYetMayBeTriedAgain(t *testing.T) {
	c := open(t, awsrules.Config{})
	volume := c.volume(t)
	c.rules.Overlook(2)
	launched, err := ec2.NewFromConfig(c.rules.Config).RunInstances(t.Context(), &ec2.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		LaunchTemplate:    &types.LaunchTemplateSpecification{LaunchTemplateId: &c.deployment.LaunchTemplate},
		NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{DeviceIndex: aws.Int32(0), NetworkInterfaceId: aws.String(c.address(t).ID)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	id := aws.ToString(launched.Instances[0].InstanceId)
	wantCode(t, "attach", c.Volumes.AttachVolume(t.Context(), volume.ID, id), fault.Unavailable)
	c.wait(t, id, cluster.HostRunning)
	wantCode(t, "attach again", c.Volumes.AttachVolume(t.Context(), volume.ID, id), "")
}

func TestRemovals_SucceedWhenTheAnswerWasLost(t *testing.T) {
	c := open(t, awsrules.Config{})
	c.volume(t)
	c.address(t)
	for _, name := range []string{"ec2:DeleteVolume", "ec2:DeleteNetworkInterface", "route53:ChangeResourceRecordSets"} {
		c.rules.Fail(name, awsrules.LostAnswer, 1)
	}
	wantCode(t, "delete", c.Volumes.DeleteVolume(t.Context(), node), "")
	wantCode(t, "release", c.Addresses.ReleaseAddress(t.Context(), node), "")
	if left := c.deployment.Left(t, c.account.Config); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

// EC2 may have been so late that a second one was made. All that has the token goes.
func TestRemovals_RemoveEverythingOfTheToken(t *testing.T) {
	c := open(t, awsrules.Config{})
	c.volume(t)
	c.address(t)
	client := ec2.NewFromConfig(c.account.Config)
	tags := func(kind types.ResourceType, deployment string) []types.TagSpecification {
		return []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{
			{Key: aws.String("millrace:token"), Value: aws.String(node.String())},
			{Key: aws.String("millrace:deployment"), Value: &deployment},
		}}}
	}
	for _, deployment := range []string{"millrace", "another"} {
		_, err := client.CreateVolume(t.Context(), &ec2.CreateVolumeInput{
			AvailabilityZone: aws.String("eu-west-1a"), Size: aws.Int32(10), TagSpecifications: tags(types.ResourceTypeVolume, deployment),
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{
			SubnetId: &c.deployment.Subnets[0], TagSpecifications: tags(types.ResourceTypeNetworkInterface, deployment),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, "delete", c.Volumes.DeleteVolume(t.Context(), node), "")
	wantCode(t, "release", c.Addresses.ReleaseAddress(t.Context(), node), "")
	if left := c.deployment.Left(t, c.account.Config); len(left) != 2 { // those of the other deployment
		t.Errorf("left are %v", left)
	}
}

func TestAddresses_HaveNamesAsLongAsTheyAreThere(t *testing.T) {
	c := open(t, awsrules.Config{})
	a := c.address(t)
	if want := "b-1.orders-0f1e2d.kafka.internal"; a.Name != want {
		t.Errorf("the name is %s, want %s", a.Name, want)
	}
	controller := c.addressRequest()
	controller.Token.NodeID, controller.Role = 1002, cluster.Controller
	controller.ClusterName = strings.Repeat("a", 55) + "-" + strings.Repeat("b", 8)
	other, err := c.Addresses.EnsureAddress(t.Context(), controller)
	if want := "c-2." + strings.Repeat("a", 55) + "-0f1e2d.kafka.internal"; err != nil || other.Name != want {
		t.Errorf("the name is %s, %v; want %s", other.Name, err, want)
	}
	want := []string{a.Name + ". " + a.IP, other.Name + ". " + other.IP}
	if got := c.deployment.Records(t, c.account.Config); !slices.Equal(got, want) {
		t.Errorf("the records are %v, want %v", got, want)
	}
	// Somebody has changed one record, and deleted the other.
	c.changeRecord(t, route53types.ChangeActionUpsert, a, 300)
	c.changeRecord(t, route53types.ChangeActionDelete, other, 60)
	wantCode(t, "release", c.Addresses.ReleaseAddress(t.Context(), node), "")
	wantCode(t, "release", c.Addresses.ReleaseAddress(t.Context(), controller.Token), "")
	if left := c.deployment.Left(t, c.account.Config); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

func (c cloud) changeRecord(t *testing.T, action route53types.ChangeAction, a cluster.Address, ttl int64) {
	t.Helper()
	_, err := route53.NewFromConfig(c.account.Config).ChangeResourceRecordSets(t.Context(), &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: &c.deployment.ZoneID,
		ChangeBatch: &route53types.ChangeBatch{Changes: []route53types.Change{{Action: action, ResourceRecordSet: &route53types.ResourceRecordSet{
			Name: &a.Name, Type: route53types.RRTypeA, TTL: &ttl, ResourceRecords: []route53types.ResourceRecord{{Value: &a.IP}},
		}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// One address is one call of Route 53, which takes five a second from all of an account.
func TestAddresses_AskRoute53Seldom(t *testing.T) {
	c := open(t, awsrules.Config{})
	c.address(t)
	wantCode(t, "release", c.Addresses.ReleaseAddress(t.Context(), node), "")
	calls := c.rules.Count("route53:ChangeResourceRecordSets") + c.rules.Count("route53:ListResourceRecordSets")
	if calls != 2 {
		t.Errorf("%d calls to make a name and to take it away", calls)
	}
}

func TestZones_OfOtherNetworksAreInvalid(t *testing.T) {
	c := open(t, awsrules.Config{})
	for subnet, want := range map[string]string{
		c.deployment.StrangeSubnet: "the VPC that Millrace was deployed with",
		"subnet-0123456789abcdef0": "there is no subnet",
	} {
		_, err := c.Zones.Zones(t.Context(), []string{c.deployment.Subnets[0], subnet})
		var refused *fault.Error
		if !errors.As(err, &refused) || refused.Code != fault.Invalid || refused.Parameter != "clientSubnets" ||
			!strings.Contains(refused.Message, want) {
			t.Errorf("subnet %s: %v; want it to be Invalid for %q", subnet, err, want)
		}
	}
}

func TestLaunchHost_SaysWhatThereIsNoRoomFor(t *testing.T) {
	c := open(t, awsrules.Config{})
	request := c.hostRequest(t, launch)
	c.rules.Fail("ec2:RunInstances", awsrules.Capacity, tries)
	_, err := c.Hosts.LaunchHost(t.Context(), request)
	wantCode(t, "launch", err, fault.Unavailable)
	if err == nil || !strings.Contains(err.Error(), "AWS has no m7g.large in euw1-az") {
		t.Errorf("the reason is %v", err)
	}
}

func TestVolumes_AreEncryptedWithTheDeploymentsKey(t *testing.T) {
	c := open(t, awsrules.Config{})
	v := c.volume(t)
	out, err := ec2.NewFromConfig(c.account.Config).DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{v.ID}})
	if err != nil {
		t.Fatal(err)
	}
	got := out.Volumes[0]
	if !aws.ToBool(got.Encrypted) || aws.ToString(got.KmsKeyId) != c.deployment.VolumeKey || got.VolumeType != types.VolumeTypeGp3 {
		t.Errorf("the volume is %+v", got)
	}
}

func TestAddresses_AreGuardedByOurGroupAndTheClusters(t *testing.T) {
	for name, tt := range map[string]struct {
		own, want func(d awsrules.Deployment) []string
	}{
		"named groups": {
			func(awsrules.Deployment) []string { return []string{"sg-0123456789abcdef0"} },
			func(d awsrules.Deployment) []string { return []string{d.HostSecurityGroup, "sg-0123456789abcdef0"} },
		},
		"none": {
			func(awsrules.Deployment) []string { return nil },
			func(d awsrules.Deployment) []string { return []string{d.HostSecurityGroup, d.ClientSecurityGroup} },
		},
		"ours by name": {
			func(d awsrules.Deployment) []string { return []string{d.HostSecurityGroup} },
			func(d awsrules.Deployment) []string { return []string{d.HostSecurityGroup} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, awsrules.Config{})
			request := c.addressRequest()
			request.SecurityGroups = tt.own(c.deployment)
			a, err := c.Addresses.EnsureAddress(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			out, err := ec2.NewFromConfig(c.account.Config).DescribeNetworkInterfaces(t.Context(),
				&ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{a.ID}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range out.NetworkInterfaces[0].Groups {
				got = append(got, aws.ToString(g.GroupId))
			}
			if want := tt.want(c.deployment); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
				t.Errorf("the groups are %v, want %v", got, want)
			}
		})
	}
}

// A host lets go of a volume in its own time. It is asked until it does, and the volume is nobody else's before.
func TestDetachVolume_EndsOnceTheHostHasLetGo(t *testing.T) {
	c := open(t, awsrules.Config{DetachingFor: 500 * time.Millisecond})
	c.volume(t)
	request := c.volumeRequest(t)
	request.Token.Volume, request.WholeGiB = 1, 20
	v, err := c.Volumes.EnsureVolume(t.Context(), request)
	wantCode(t, "make a further volume", err, "")
	h := c.host(t, launch)
	wantCode(t, "attach", c.Volumes.AttachVolume(t.Context(), v.ID, h.ID), "")
	c.rules.Fail("ec2:DetachVolume", awsrules.LostAnswer, tries)
	wantCode(t, "detach without an answer", c.Volumes.DetachVolume(t.Context(), v.ID, h.ID), fault.Unavailable)
	wantCode(t, "attach meanwhile", c.Volumes.AttachVolume(t.Context(), v.ID, h.ID), fault.Unavailable)
	wantCode(t, "delete meanwhile", c.Volumes.DeleteVolume(t.Context(), request.Token), fault.Conflict)
	for err = fault.New(fault.Unavailable, "not yet"); fault.Is(err, fault.Unavailable); {
		err = c.Volumes.DetachVolume(t.Context(), v.ID, h.ID)
	}
	wantCode(t, "detach", err, "")
	wantCode(t, "delete", c.Volumes.DeleteVolume(t.Context(), request.Token), "")
	if n := c.rules.Count("ec2:DetachVolume"); n != tries { // those without an answer
		t.Errorf("DetachVolume was called %d times", n)
	}
}
