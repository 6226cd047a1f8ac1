package awsrules_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/integration/awsrules"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
)

// region is an account with a deployment, and EC2 behind the rules.
type region struct {
	*ec2.Client
	rules      *awsrules.Rules
	deployment awsrules.Deployment
}

func open(t *testing.T, c awsrules.Config) region {
	t.Helper()
	account := awstest.Start(t)
	rules := awsrules.Start(t, account, c)
	rules.Config.Retryer = impatient
	return region{ec2.NewFromConfig(rules.Config), rules, awsrules.Deploy(t, account.Config)}
}

func code(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func wantError(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func (r region) network(t *testing.T, token string, subnet int) (string, error) {
	t.Helper()
	out, err := r.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{
		SubnetId: &r.deployment.Subnets[subnet], ClientToken: &token,
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.NetworkInterface.NetworkInterfaceId), nil
}

func (r region) volume(t *testing.T, token string, size int32, zone string) (string, error) {
	t.Helper()
	out, err := r.CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: &zone, Size: &size, ClientToken: &token})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.VolumeId), nil
}

func (r region) instance(t *testing.T, token, network string) (types.Instance, error) {
	t.Helper()
	out, err := r.RunInstances(t.Context(), &ec2.RunInstancesInput{
		ClientToken: &token, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: &r.deployment.LaunchTemplate},
		NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{
			DeviceIndex: aws.Int32(0), NetworkInterfaceId: &network, DeleteOnTermination: aws.Bool(false),
		}},
	})
	if err != nil {
		return types.Instance{}, err
	}
	return out.Instances[0], nil
}

func (r region) terminate(t *testing.T, id string) {
	t.Helper()
	_, err := r.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}, SkipOsShutdown: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
}

func (r region) attach(t *testing.T, volume, instance string) error {
	t.Helper()
	_, err := r.AttachVolume(t.Context(), &ec2.AttachVolumeInput{VolumeId: &volume, InstanceId: &instance, Device: aws.String("/dev/sdf")})
	return err
}

func (r region) zone(t *testing.T, subnet int) string {
	t.Helper()
	out, err := r.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: r.deployment.Subnets[subnet : subnet+1]})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.Subnets[0].AvailabilityZone)
}

func TestRules_AClientTokenIsUsedOnce(t *testing.T) {
	r := open(t, awsrules.Config{})
	network, err := r.network(t, "token", 0)
	wantError(t, "an interface", err, "")
	again, err := r.network(t, "token", 0)
	if err != nil || again != network {
		t.Errorf("the interfaces %s and %s, %v", network, again, err)
	}
	_, err = r.network(t, "token", 1)
	wantError(t, "another interface", err, "IdempotentParameterMismatch")
	_, err = r.DeleteNetworkInterface(t.Context(), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &network})
	wantError(t, "delete", err, "")
	if dead, err := r.network(t, "token", 0); err != nil || dead != network {
		t.Errorf("after its end the interface %s, %v; want %s", dead, err, network)
	}

	volume, err := r.volume(t, "token", 10, r.zone(t, 0))
	wantError(t, "a volume", err, "")
	if again, err := r.volume(t, "token", 10, r.zone(t, 0)); err != nil || again != volume {
		t.Errorf("the volumes %s and %s, %v", volume, again, err)
	}
	_, err = r.volume(t, "token", 20, r.zone(t, 0))
	wantError(t, "another volume", err, "IdempotentParameterMismatch")

	network, err = r.network(t, "another token", 0)
	wantError(t, "a new interface", err, "")
	instance, err := r.instance(t, "token", network)
	wantError(t, "an instance", err, "")
	r.terminate(t, *instance.InstanceId)
	again2, err := r.instance(t, "token", network)
	if err != nil || *again2.InstanceId != *instance.InstanceId || again2.State.Name != types.InstanceStateNameTerminated {
		t.Errorf("after its end the instance %+v, %v", again2, err)
	}
	r.rules.Forget(*instance.InstanceId)
	_, err = r.instance(t, "token", network)
	wantError(t, "long after its end", err, "IdempotentInstanceTerminated")
}

func TestRules_WhatAnInstanceHasIsFreeOnceItIsTerminated(t *testing.T) {
	r := open(t, awsrules.Config{ShuttingDownFor: time.Hour})
	network, err := r.network(t, "n", 0)
	wantError(t, "an interface", err, "")
	instance, err := r.instance(t, "i", network)
	wantError(t, "an instance", err, "")
	volume, err := r.volume(t, "v", 10, r.zone(t, 0))
	wantError(t, "a volume", err, "")
	elsewhere, err := r.volume(t, "e", 10, r.zone(t, 1))
	wantError(t, "a volume elsewhere", err, "")
	wantError(t, "attach what is elsewhere", r.attach(t, elsewhere, *instance.InstanceId), "InvalidVolume.ZoneMismatch")
	wantError(t, "attach", r.attach(t, volume, *instance.InstanceId), "")
	held := func(when string) {
		t.Helper()
		_, err := r.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: &volume})
		wantError(t, "delete the volume "+when, err, "VolumeInUse")
		_, err = r.DeleteNetworkInterface(t.Context(), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &network})
		wantError(t, "delete the interface "+when, err, "InvalidParameterValue")
		_, err = r.instance(t, "i2", network)
		wantError(t, "another instance "+when, err, "InvalidNetworkInterface.InUse")
		out, err := r.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{volume}})
		if err != nil || out.Volumes[0].State != types.VolumeStateInUse || *out.Volumes[0].Attachments[0].InstanceId != *instance.InstanceId {
			t.Errorf("%s the volume is %+v, %v", when, out, err)
		}
	}
	held("while it runs")
	wantError(t, "attach again", r.attach(t, volume, *instance.InstanceId), "VolumeInUse")
	r.terminate(t, *instance.InstanceId)
	if state := r.rules.State(*instance.InstanceId); state != "shutting-down" {
		t.Errorf("the instance is %s", state)
	}
	held("while it ends")
	wantError(t, "attach to what ends", r.attach(t, volume, *instance.InstanceId), "IncorrectState")
	r.rules.End(*instance.InstanceId)
	out, err := r.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{network}})
	if err != nil || out.NetworkInterfaces[0].Status != types.NetworkInterfaceStatusAvailable || out.NetworkInterfaces[0].Attachment != nil {
		t.Errorf("after its end the interface is %+v, %v", out, err)
	}
	_, err = r.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: &volume})
	wantError(t, "delete the volume after its end", err, "")
	_, err = r.DeleteNetworkInterface(t.Context(), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &network})
	wantError(t, "delete the interface after its end", err, "")
}

func TestRules_AnInstanceTakesTimeToStart(t *testing.T) {
	r := open(t, awsrules.Config{PendingFor: time.Hour})
	network, err := r.network(t, "n", 0)
	wantError(t, "an interface", err, "")
	instance, err := r.instance(t, "i", network)
	wantError(t, "an instance", err, "")
	out, err := r.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{*instance.InstanceId}})
	if err != nil || out.Reservations[0].Instances[0].State.Name != types.InstanceStateNamePending {
		t.Errorf("the instance is %+v, %v", out, err)
	}
	volume, err := r.volume(t, "v", 10, r.zone(t, 0))
	wantError(t, "a volume", err, "")
	wantError(t, "attach", r.attach(t, volume, *instance.InstanceId), "IncorrectState")
}

func TestRules_NewThingsAreOverlookedForAWhile(t *testing.T) {
	r := open(t, awsrules.Config{UnseenFor: 2})
	network, err := r.network(t, "n", 0)
	wantError(t, "an interface", err, "")
	_, err = r.instance(t, "i", network)
	wantError(t, "an instance with it", err, "InvalidNetworkInterfaceID.NotFound")
	look := func() error {
		_, err := r.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{network}})
		return err
	}
	wantError(t, "the first look", look(), "InvalidNetworkInterfaceID.NotFound")
	out, err := r.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{})
	if err != nil || len(out.NetworkInterfaces) != 0 {
		t.Errorf("the second look: %+v, %v", out, err)
	}
	wantError(t, "the third look", look(), "")
}

// Every service has words of its own for each trouble, and the SDK has to understand them as AWS's.
func TestRules_EveryServiceFailsInItsOwnWords(t *testing.T) {
	r := open(t, awsrules.Config{})
	c := r.rules.Config
	for name, call := range map[string]func() error{
		"ec2:DescribeSubnets": func() error {
			_, err := r.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
			return err
		},
		"dynamodb:ListTables": func() error {
			_, err := dynamodb.NewFromConfig(c).ListTables(t.Context(), &dynamodb.ListTablesInput{})
			return err
		},
		"secretsmanager:ListSecrets": func() error {
			_, err := secretsmanager.NewFromConfig(c).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
			return err
		},
		"kms:ListKeys": func() error {
			_, err := kms.NewFromConfig(c).ListKeys(t.Context(), &kms.ListKeysInput{})
			return err
		},
		"states:ListStateMachines": func() error {
			_, err := sfn.NewFromConfig(c).ListStateMachines(t.Context(), &sfn.ListStateMachinesInput{})
			return err
		},
		"monitoring:ListMetrics": func() error {
			_, err := cloudwatch.NewFromConfig(c).ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{})
			return err
		},
		"route53:ListResourceRecordSets": func() error {
			_, err := route53.NewFromConfig(c).ListResourceRecordSets(t.Context(), &route53.ListResourceRecordSetsInput{HostedZoneId: &r.deployment.ZoneID})
			return err
		},
	} {
		for kind, words := range map[awsrules.Kind][]string{
			awsrules.Throttle:     {"RequestLimitExceeded", "ThrottlingException", "Throttling"},
			awsrules.AccessDenied: {"UnauthorizedOperation", "AccessDeniedException", "AccessDenied"},
			awsrules.ServerError:  {"InternalError", "InternalServerError", "InternalFailure"},
		} {
			r.rules.Fail(name, kind, 3)
			if got := code(call()); !slices.Contains(words, got) {
				t.Errorf("%s, %s: %q, want one of %v", name, kind, got, words)
			}
			r.rules.Heal()
		}
		if name == "monitoring:ListMetrics" {
			continue // moto does not speak the protocol of CloudWatch's newer clients
		}
		r.rules.Fail(name, awsrules.LostAnswer, 1)
		wantError(t, name+" after one lost answer", call(), "") // the SDK asks again
	}
}

func TestRules_TellWhoCalledWhat(t *testing.T) {
	r := open(t, awsrules.Config{})
	var heard []awsrules.Call
	r.rules.Observe(func(c awsrules.Call) { heard = append(heard, c) })
	_, err := r.network(t, "token", 0)
	wantError(t, "an interface", err, "")
	credentials, err := r.rules.Config.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(heard) != 1 || heard[0].Name() != "ec2:CreateNetworkInterface" || heard[0].AccessKeyID != credentials.AccessKeyID ||
		heard[0].Parameters["SubnetId"] != r.deployment.Subnets[0] {
		t.Errorf("heard %+v", heard)
	}
	_, err = dynamodb.NewFromConfig(r.rules.Config).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("absent")})
	if err == nil || !strings.Contains(err.Error(), "ResourceNotFoundException") || heard[1].Parameters["TableName"] != "absent" {
		t.Errorf("heard %+v, %v", heard[1:], err)
	}
}
