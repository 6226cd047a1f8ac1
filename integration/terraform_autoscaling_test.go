package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/integration/harness"
)

// autoscalingTF is storage that scales by itself as a user of Terraform writes it, for a cluster that is there.
const autoscalingTF = `
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "5.100.0" }
  }
}

provider "aws" {
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

resource "aws_appautoscaling_target" "storage" {
  service_namespace  = "kafka"
  scalable_dimension = "kafka:broker-storage:VolumeSize"
  resource_id        = %q
  min_capacity       = 1
  max_capacity       = %d
  tags               = { team = %q }
}

resource "aws_appautoscaling_policy" "storage" {
  name               = "storage"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.storage.service_namespace
  scalable_dimension = aws_appautoscaling_target.storage.scalable_dimension
  resource_id        = aws_appautoscaling_target.storage.resource_id

  target_tracking_scaling_policy_configuration {
    target_value = %d
    predefined_metric_specification { predefined_metric_type = "KafkaBrokerStorageUtilization" }
  }
}
`

// The cluster needs no broker for that: storage may be told to scale by itself in every state of it.
func TestTerraform_LetsStorageScaleByItselfChangesThatAndTakesItBack(t *testing.T) {
	m := withoutKafka(t)
	tf := newTerraform(t, m)
	made, err := m.KafkaClient(t).CreateCluster(t.Context(), harness.NewRequest("orders"))
	if err != nil {
		t.Fatal(err)
	}
	declare := func(maxGiB int, team string, percent int) {
		t.Helper()
		text := fmt.Sprintf(autoscalingTF, *made.ClusterArn, maxGiB, team, percent)
		if err := os.WriteFile(filepath.Join(tf.dir, "main.tf"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	is := func(want string) {
		t.Helper()
		if got := scalingIs(t, m); got != want {
			t.Errorf("storage scales by %q, want %q", got, want)
		}
	}
	declare(500, "payments", 60)
	tf.run("init", "-input=false", "-no-color")
	tf.run("apply", "-input=false", "-no-color", "-auto-approve")
	is("target 1 to 500 GiB; policy storage at 60 %")
	// -detailed-exitcode makes a plan that holds any change fail.
	tf.run("plan", "-input=false", "-no-color", "-detailed-exitcode")

	declare(700, "orders", 75)
	tf.run("apply", "-input=false", "-no-color", "-auto-approve")
	is("target 1 to 700 GiB; policy storage at 75 %")
	tf.run("plan", "-input=false", "-no-color", "-detailed-exitcode")

	tf.run("destroy", "-input=false", "-no-color", "-auto-approve")
	is("")
}

// scalingIs says what the aws command line shows.
func scalingIs(t *testing.T, m *harness.Millrace) string {
	t.Helper()
	said := ""
	targets := harness.Decode[struct {
		ScalableTargets []struct{ MinCapacity, MaxCapacity int }
	}](t, m.AWS(t, "application-autoscaling", "describe-scalable-targets", "--service-namespace", "kafka"))
	for _, target := range targets.ScalableTargets {
		said += fmt.Sprintf("target %d to %d GiB", target.MinCapacity, target.MaxCapacity)
	}
	policies := harness.Decode[struct {
		ScalingPolicies []struct {
			PolicyName                               string
			TargetTrackingScalingPolicyConfiguration struct{ TargetValue float64 }
		}
	}](t, m.AWS(t, "application-autoscaling", "describe-scaling-policies", "--service-namespace", "kafka"))
	for _, p := range policies.ScalingPolicies {
		said += fmt.Sprintf("; policy %s at %g %%", p.PolicyName, p.TargetTrackingScalingPolicyConfiguration.TargetValue)
	}
	return said
}
