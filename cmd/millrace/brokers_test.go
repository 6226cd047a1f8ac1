package main

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/kafkadist/kafkatest"
	"github.com/millrace/millrace/shared/kafkaversion"
)

func TestBrokers_OutliveTheControlPlaneAndEndWithDown(t *testing.T) {
	kafkatest.Installed(t, kafkaversion.Default().Release)
	m := newMachine(t)
	f := m.upInForeground()
	createCluster(t, m.controlPlane())
	m.waitUntil("the cluster is ACTIVE", func() bool {
		s := m.status()
		return len(s.Clusters) == 1 && s.Clusters[0].State == cluster.Active
	})
	const hosts = 4 // three brokers and a controller
	m.followTopics()
	m.administerTopics()
	m.followStorage()

	f.end(unix.SIGINT)
	if said := f.said(); !strings.Contains(said, "go on running on 4 hosts") || !strings.Contains(said, "millrace down") {
		t.Errorf("interrupted, it said:\n%s", said)
	}
	if s := m.status(); s.ControlPlane != nil || s.Hosts != hosts {
		t.Errorf("status is %+v, want %d hosts and no control plane", s, hosts)
	}

	m.upInForeground().end(unix.SIGKILL)
	if s := m.status(); s.Hosts != hosts {
		t.Errorf("after a crash %d hosts run, want %d", s.Hosts, hosts)
	}
	began := time.Now()
	m.succeeds("down")
	t.Logf("down took %s", time.Since(began).Round(time.Millisecond))
	if left := m.processes(); len(left) > 0 {
		t.Errorf("down left processes: %v", left)
	}

	m.up()
	// What a host has said before it was stopped stands there until it says something else.
	m.waitUntil("the brokers answer again", func() bool { return m.millrace("topics", "list", "demo").code == 0 })
	m.waitUntil("all nodes run again", func() bool {
		s := m.status()
		running := 0
		for _, n := range s.Clusters[0].Nodes {
			if n.State == "running" {
				running++
			}
		}
		return s.Hosts == hosts && running == hosts
	})
	if topics := m.topics(); len(topics.Topics) != 2 || topics.Topics[0].Name != "orders" || !topics.Topics[0].Protected {
		t.Errorf("the topics are %+v", topics)
	}
	if pem := m.succeeds("ca", "demo"); !strings.HasPrefix(pem, "-----BEGIN CERTIFICATE-----") {
		t.Errorf("ca printed %q", pem)
	}
	m.succeeds("reset", "--yes")
	if left := m.processes(); len(left) > 0 {
		t.Errorf("reset left processes: %v", left)
	}
}

func createCluster(t *testing.T, c controlPlane) {
	t.Helper()
	msk := kafka.New(kafka.Options{
		Region:       c.Region,
		BaseEndpoint: aws.String(c.endpoint()),
		Credentials:  credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, ""),
	})
	_, err := msk.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{
		ClusterName: aws.String("demo"),
		Provisioned: &types.ProvisionedRequest{
			BrokerNodeGroupInfo: &types.BrokerNodeGroupInfo{
				ClientSubnets: []string{"subnet-a", "subnet-b", "subnet-c"},
				InstanceType:  aws.String("kafka.m7g.large"),
			},
			KafkaVersion:        aws.String(kafkaversion.Default().Name),
			NumberOfBrokerNodes: aws.Int32(3),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}
