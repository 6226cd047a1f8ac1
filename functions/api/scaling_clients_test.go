package api_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/mskapi/mskapitest"
)

// outside runs a client of AWS's with nothing set but an endpoint, a region and a key of ours.
func (d *frontDesk) outside(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	var environment []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AWS_") {
			environment = append(environment, e)
		}
	}
	c := exec.CommandContext(t.Context(), program, args...)
	c.Env = append(environment, "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING="+d.url, "AWS_DEFAULT_REGION="+region,
		"AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_PAGER=", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_EC2_METADATA_DISABLED=true")
	out, err := c.CombinedOutput()
	return string(out), err
}

// The commands are the ones that MSK's own guide has for storage that scales by itself.
func TestScaling_TheAwsCommandLineWorksWithTheEndpointAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts the aws command line")
	}
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	cli := mskapitest.CommandLine(t)
	aws := func(args ...string) (string, error) {
		return desk.outside(t, cli, append([]string{"application-autoscaling"}, args...)...)
	}
	of := []string{"--service-namespace", "kafka", "--scalable-dimension", "kafka:broker-storage:VolumeSize", "--resource-id", c.ARN}
	for _, command := range [][]string{
		append([]string{"register-scalable-target", "--min-capacity", "1", "--max-capacity", "500"}, of...),
		append([]string{
			"put-scaling-policy", "--policy-name", "grow", "--policy-type", "TargetTrackingScaling", "--target-tracking-scaling-policy-configuration",
			`{"PredefinedMetricSpecification": {"PredefinedMetricType": "KafkaBrokerStorageUtilization"}, "TargetValue": 60.0, "DisableScaleIn": true}`,
		}, of...),
	} {
		if out, err := aws(command...); err != nil || !strings.Contains(out, "ARN") {
			t.Fatalf("%s: %v\n%s", command[0], err, out)
		}
	}
	out, err := aws("describe-scaling-policies", "--service-namespace", "kafka", "--resource-id", c.ARN)
	var shown struct {
		ScalingPolicies []struct {
			PolicyName                               string
			CreationTime                             any
			TargetTrackingScalingPolicyConfiguration struct {
				TargetValue    float64
				DisableScaleIn bool
			}
		}
	}
	if err == nil {
		err = json.Unmarshal([]byte(out), &shown)
	}
	if err != nil || len(shown.ScalingPolicies) != 1 || shown.ScalingPolicies[0].PolicyName != "grow" || shown.ScalingPolicies[0].CreationTime == nil ||
		shown.ScalingPolicies[0].TargetTrackingScalingPolicyConfiguration.TargetValue != 60 || !shown.ScalingPolicies[0].TargetTrackingScalingPolicyConfiguration.DisableScaleIn {
		t.Errorf("describe-scaling-policies: %v\n%s", err, out)
	}
	if out, err := aws(append([]string{"delete-scaling-policy", "--policy-name", "shrink"}, of...)...); err == nil || !strings.Contains(out, "(ObjectNotFoundException)") ||
		!strings.Contains(out, "shrink") {
		t.Errorf("a policy that is not there: %v\n%s", err, out)
	}
}

// botoScript goes through the lists by boto3's paginators, and tells what it saw of exceptions.
const botoScript = `
import boto3, json, sys
k = boto3.client("application-autoscaling")
of = dict(ServiceNamespace="kafka", ScalableDimension="kafka:broker-storage:VolumeSize")
for i, arn in enumerate(sys.argv[1:]):
    k.register_scalable_target(ResourceId=arn, MinCapacity=1, MaxCapacity=500 + i, Tags={"n": str(i)}, **of)
    k.put_scaling_policy(ResourceId=arn, PolicyName="grow", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration={
        "PredefinedMetricSpecification": {"PredefinedMetricType": "KafkaBrokerStorageUtilization"}, "TargetValue": 60}, **of)
def pages(name, member, **kw):
    return [len(p[member]) for p in k.get_paginator(name).paginate(ServiceNamespace="kafka", PaginationConfig={"PageSize": 2}, **kw)]
told = []
for ask in [lambda: k.put_scaling_policy(ResourceId=sys.argv[1], PolicyName="steps", PolicyType="StepScaling", **of),
            lambda: k.describe_scheduled_actions(ServiceNamespace="kafka"),
            lambda: k.list_tags_for_resource(ResourceARN="arn:aws:application-autoscaling:eu-west-1:000000000000:scalable-target/x")]:
    try:
        ask()
    except k.exceptions.ClientError as e:
        told.append([type(e).__name__, e.response["Error"]["Code"]])
targets = k.describe_scalable_targets(ServiceNamespace="kafka", ResourceIds=sys.argv[2:3])["ScalableTargets"]
print(json.dumps({
    "targets": pages("describe_scalable_targets", "ScalableTargets"),
    "policies": pages("describe_scaling_policies", "ScalingPolicies"),
    "activities": pages("describe_scaling_activities", "ScalingActivities"),
    "max": [t["MaxCapacity"] for t in targets], "year": targets[0]["CreationTime"].year > 2000,
    "tags": k.list_tags_for_resource(ResourceARN=targets[0]["ScalableTargetARN"])["Tags"], "told": told}, sort_keys=True))
`

func TestScaling_Boto3GoesThroughItsPages(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts Python")
	}
	desk := openFrontDesk(t)
	var arns []string
	for _, name := range []string{"a", "b", "c"} {
		arns = append(arns, desk.create(t, name).ARN)
	}
	out, err := desk.outside(t, mskapitest.Python(t), append([]string{"-c", botoScript}, arns...)...)
	want := `{"activities": [0], "max": [501], "policies": [2, 1], "tags": {"n": "1"}, "targets": [2, 1], "told": [["ValidationException", "ValidationException"], ` +
		`["ValidationException", "ValidationException"], ["ResourceNotFoundException", "ResourceNotFoundException"]], "year": true}`
	if err != nil || strings.TrimSpace(out) != want {
		t.Errorf("boto3: %v\n%s\nwant\n%s", err, out, want)
	}
}
