package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// commandLine is the stock aws command line.
type commandLine struct {
	binary      string
	environment []string
}

// awsBinary is the one of this checkout's virtual environment, unless another is named.
func awsBinary() string { return cmp.Or(os.Getenv("MILLRACE_AWS_CLI"), ".venv/bin/aws") }

// kafka runs `aws kafka …` and decodes its answer.
func (c commandLine) kafka(ctx context.Context, answer any, args ...string) error {
	args = append([]string{"kafka"}, args...)
	say("  $ aws %s", strings.Join(args, " "))
	text, err := output(ctx, c.environment, c.binary, append(args, "--output", "json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("read the answer of aws %s: %w", args[1], err)
	}
	return nil
}

func (c commandLine) createCluster(ctx context.Context) (arn string, err error) {
	say("Creating a cluster of three brokers through the MSK API:")
	var answer struct{ ClusterArn string }
	err = c.kafka(ctx, &answer, "create-cluster",
		"--cluster-name", clusterName,
		"--kafka-version", kafkaVersion,
		"--number-of-broker-nodes", "3",
		"--broker-node-group-info", "InstanceType=kafka.m7g.large,ClientSubnets=subnet-a,subnet-b,subnet-c")
	return answer.ClusterArn, err
}

func (c commandLine) bootstrap(ctx context.Context, arn string) (string, error) {
	var answer struct{ BootstrapBrokerStringTls string }
	if err := c.kafka(ctx, &answer, "get-bootstrap-brokers", "--cluster-arn", arn); err != nil {
		return "", err
	}
	return answer.BootstrapBrokerStringTls, nil
}
