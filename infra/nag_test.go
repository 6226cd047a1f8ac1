package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// accepted are the findings of cdk-nag's AwsSolutions rules that stay, each with the reason. One that no longer comes up is
// an error too.
var accepted = []struct {
	rule   string
	paths  []string
	reason string
}{
	{"APIG2", []string{"RestApi/Resource"}, "functions/api checks every request by MSK's own rules, which a schema of API Gateway's can't express"},
	{"APIG3", []string{"RestApi/DeploymentStage.v1/Resource"}, "a web ACL costs $5 a month; WebAclAssociationArn is where to attach one"},
	{"APIG4", []string{"RestApi/Default/{proxy+}/ANY/Resource", "RestApi/Default/POST/Resource"}, "clients of MSK sign for the services kafka and application-autoscaling, which API Gateway can't check: functions/api does"},
	{"COG4", []string{"RestApi/Default/{proxy+}/ANY/Resource", "RestApi/Default/POST/Resource", "RestApi/Default/iam/{proxy+}/ANY/Resource"}, "callers are programs with keys or IAM identities, not users of a pool"},
	{"IAM4", []string{"RestApi/CloudWatchRole/Resource"}, "the role belongs to the account rather than to this stack, and this is the policy that API Gateway asks it to have"},
	{"IAM4", []string{"ImageRole/Resource"}, "Image Builder documents these two policies as what its machines need, and extends them"},
	{
		"IAM5",
		[]string{
			"ApiRole/Resource", "OperationsRole/Resource", "ProvisioningRole/Resource", "HosteventsRole/Resource", "HostmetricsRole/Resource",
			"HealthsweepRole/Resource", "BrokerreplacementRole/Resource", "TopicadminRole/Resource", "CreateClusterRole/Resource", "DeleteClusterRole/Resource",
			"ReplaceBrokerRole/Resource", "RestartBrokerRole/Resource", "GrowVolumeRole/Resource", "OperationsSweepRole/Resource",
			"HealthSweepRole/Resource", "TopicAdministrationRole/Resource", "TopicsSweepRole/Resource",
			"StorageautoscalingRole/Resource", "StorageAutoscalingRole/Resource", "UpdateBrokerStorageRole/Resource",
		},
		"wildcards stand for names of this deployment, for what its tag or VPC bounds, and for calls without resources: see TestPermissions_NeverAllowEverything",
	},
	{"SF1", []string{"OperationsSweep/Resource", "HealthSweep/Resource", "TopicsSweep/Resource", "StorageAutoscaling/Resource"}, "sweeps run all the time and log what goes wrong; that one went well is in a metric"},
	{"SQS3", []string{"Undelivered/Resource"}, "this is the dead-letter queue"},
	{"VPC7", []string{"Vpc/Resource"}, "the VPC has no way in or out, and flow logs of brokers' traffic would cost more than the control plane"},
	{"VPC7", []string{"ImageVpc/Resource"}, "one machine, for a quarter of an hour, into which nobody gets"},
}

func TestNag_FindsNothingThatIsNotExplained(t *testing.T) {
	expected := map[string]bool{}
	_, dir := synthesise(t, nil, func(app awscdk.App, d *deployment) {
		awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Verbose: jsii.Bool(true)}), nil)
		for _, a := range accepted {
			rule := "AwsSolutions-" + a.rule
			for _, path := range a.paths {
				cdknag.NagSuppressions_AddResourceSuppressionsByPath(d.stack, "/millrace/"+path, &[]*cdknag.NagPackSuppression{
					{Id: &rule, Reason: jsii.String(a.reason)},
				}, nil)
				expected[rule+" millrace/"+path] = true
			}
		}
	})
	files, err := filepath.Glob(filepath.Join(dir, "AwsSolutions-*-NagReport.csv"))
	if err != nil || len(files) != 1 {
		t.Fatalf("reports: %v, %v", files, err)
	}
	file, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil || len(rows) < 50 {
		t.Fatalf("the report has %d rows: %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		switch rule, path, compliance := row[0], row[1], row[2]; compliance {
		case "Compliant":
		case "Suppressed":
			delete(expected, rule+" "+path)
		default:
			t.Errorf("%s at %s is %s: %s", rule, path, compliance, strings.TrimSpace(row[5]))
		}
	}
	for finding := range expected {
		t.Errorf("%s is explained and is not found any more", finding)
	}
}
