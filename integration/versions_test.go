package integration

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/integration/harness"
	"github.com/millrace/millrace/shared/kafkaversion"
)

// newestOfEachRelease leaves out names that stand for the same release as another.
func newestOfEachRelease() []kafkaversion.Version {
	var versions []kafkaversion.Version
	for _, v := range kafkaversion.All() {
		if newest, _ := kafkaversion.OfRelease(v.Release); newest.Name == v.Name {
			versions = append(versions, v)
		}
	}
	return versions
}

func TestVersions_EveryOneMakesAClusterThatKeepsRecords(t *testing.T) {
	m := harness.StartMillrace(t)
	for _, version := range newestOfEachRelease() {
		t.Run(version.Name, func(t *testing.T) {
			arn := m.CreateCluster(t, "of-this-version", harness.Version(version.Name))
			m.WaitUntilActive(t, arn)
			writeAndRead(m.TLSClient(t, arn), t)
			m.DeleteCluster(t, arn)
			m.WaitUntilGone(t, arn)
		})
	}
}

// writeAndRead sees some records through a cluster.
func writeAndRead(c harness.Client, t *testing.T) {
	t.Helper()
	const topic = "there-and-back"
	c.CreateTopic(topic, 3)
	c.Produce(topic, "record", 100)
	if got := c.Consume(topic, 100); !slices.Equal(got, harness.Values("record", 100)) {
		t.Errorf("these records came back: %v", got)
	}
}

func TestTransit_PlaintextClustersSpeakPlaintextAlone(t *testing.T) {
	m := harness.StartMillrace(t)
	arn := m.CreateCluster(t, "plain", harness.InTransit(types.ClientBrokerPlaintext, false))
	m.WaitUntilActive(t, arn)
	if tls, _ := m.Bootstrap(t, arn); tls != "" {
		t.Errorf("it has a bootstrap string for TLS: %s", tls)
	}
	writeAndRead(m.PlaintextClient(t, arn), t)
}

func TestTransit_BothBootstrapStringsOfAMixedClusterWork(t *testing.T) {
	m := harness.StartMillrace(t)
	arn := m.CreateCluster(t, "mixed", harness.Small, harness.InTransit(types.ClientBrokerTlsPlaintext, true))
	m.WaitUntilActive(t, arn)
	plain, tls := m.PlaintextClient(t, arn), m.TLSClient(t, arn)
	plain.CreateTopic("shared", 3)
	plain.Produce("shared", "plain", 10)
	tls.Produce("shared", "tls", 10)
	want := append(harness.Values("plain", 10), harness.Values("tls", 10)...)
	for how, client := range map[string]harness.Client{"plain text": plain, "TLS": tls} {
		if got := client.Consume("shared", 20); !slices.Equal(got, want) {
			t.Errorf("over %s came %v", how, got)
		}
	}
}

func TestConfiguration_BrokersRunWithItAndOtherwiseWithTheDefaultsOfMSK(t *testing.T) {
	m := harness.StartMillrace(t)
	configuration, err := m.KafkaClient(t).CreateConfiguration(t.Context(), &kafka.CreateConfigurationInput{
		Name:             aws.String("short-memory"),
		ServerProperties: []byte("# two days\nlog.retention.hours=48\nnum.partitions = 7\nauto.create.topics.enable=true\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	arn := m.CreateCluster(t, "configured", harness.Configured(*configuration.Arn))
	m.WaitUntilActive(t, arn)

	for _, broker := range []string{"1", "2", "3"} {
		properties := m.TLSClient(t, arn).BrokerProperties(broker)
		for name, want := range map[string]string{
			// of the configuration
			"log.retention.hours":       "48",
			"num.partitions":            "7",
			"auto.create.topics.enable": "true",
			// of MSK, where Kafka's own differ
			"min.insync.replicas":        "2",
			"default.replication.factor": "3",
			"num.replica.fetchers":       "2",
			"replica.lag.time.max.ms":    "30000",
			"socket.request.max.bytes":   "104857600",
			// of Millrace, which does not lose acknowledged records as MSK does here
			"unclean.leader.election.enable": "false",
		} {
			if got := properties[name]; got != want {
				t.Errorf("broker %s runs with %s=%s, not %s", broker, name, got, want)
			}
		}
	}

	_, err = m.TryAWS(t, "kafka", "delete-configuration", "--arn", *configuration.Arn)
	if err == nil {
		t.Error("a configuration that a cluster runs on could be deleted")
	}
}
