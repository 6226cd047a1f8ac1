package compute_test

import (
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/millrace/millrace/integration/awsrules"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
	"github.com/millrace/millrace/shared/platform/aws/compute"
	"github.com/millrace/millrace/shared/platform/platformtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// cloud is an account with a deployment, behind rules as strict as AWS.
type cloud struct {
	compute.Platform
	account    awstest.AWS
	rules      *awsrules.Rules
	deployment awsrules.Deployment
}

// asAWS is slow as AWS is, on a scale of its own: new things are overlooked twice, hosts take a while to start and to end.
var asAWS = awsrules.Config{
	PendingFor: 100 * time.Millisecond, ShuttingDownFor: 100 * time.Millisecond, GracefulFor: time.Hour, UnseenFor: 2,
}

func open(t *testing.T, c awsrules.Config) cloud {
	t.Helper()
	account := awstest.Start(t)
	rules := awsrules.Start(t, account, c)
	rules.Config.Retryer = impatient
	deployment := awsrules.Deploy(t, account.Config)
	return cloud{compute.New(rules.Config, deployment.Config), account, rules, deployment}
}

// impatient tries as often as the SDK does, and waits less in between.
func impatient() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = 5 * time.Millisecond })
}

func platform(t *testing.T) platformtest.Platform {
	c := open(t, asAWS)
	return platformtest.Platform{
		Hosts: c.Hosts, Volumes: c.Volumes, Addresses: c.Addresses, Zones: c.Zones, Subnets: c.deployment.Subnets,
	}
}

func TestCompute_HasConformingHosts(t *testing.T)     { platformtest.HostsSuite(t, platform) }
func TestCompute_HasConformingVolumes(t *testing.T)   { platformtest.VolumesSuite(t, platform) }
func TestCompute_HasConformingAddresses(t *testing.T) { platformtest.AddressesSuite(t, platform) }
func TestCompute_HasConformingZones(t *testing.T)     { platformtest.ZonesSuite(t, platform) }

func TestZones_TakeSecurityGroupsOfTheDeploymentsVPCOnly(t *testing.T) {
	c := open(t, asAWS)
	ours := c.deployment.HostSecurityGroup
	if err := c.Zones.CheckSecurityGroups(t.Context(), []string{ours}); err != nil {
		t.Errorf("a group of ours: %v", err)
	}
	all, err := ec2.NewFromConfig(c.account.Config).DescribeSecurityGroups(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign := ""
	for _, g := range all.SecurityGroups {
		if aws.ToString(g.VpcId) != c.deployment.VPC {
			foreign = aws.ToString(g.GroupId)
		}
	}
	for _, strange := range []string{foreign, "sg-0123456789abcdef0"} {
		if err := c.Zones.CheckSecurityGroups(t.Context(), []string{ours, strange}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), strange) {
			t.Errorf("the group %q: %v", strange, err)
		}
	}
}

func TestAddresses_AreKnownByNameOnlyOnceRoute53IsInSync(t *testing.T) {
	p := platform(t)
	a, err := p.EnsureAddress(t.Context(), cluster.AddressRequest{
		Token: cluster.Token{ClusterID: "0f1e2d3c-7", NodeID: 1}, ClusterName: "orders", Role: cluster.Broker, Subnet: p.Subnets[0],
	})
	if err != nil {
		t.Fatal(err)
	}
	var answers []bool
	for range asAWS.UnseenFor + 1 {
		known, err := p.NameKnown(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, known)
	}
	if want := []bool{false, false, true}; !slices.Equal(answers, want) {
		t.Errorf("known: %v, want %v", answers, want)
	}
}
