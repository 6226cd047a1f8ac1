package kafkaformat_test

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"maps"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/millrace/millrace/shared/kafkadist/kafkatest"
	"github.com/millrace/millrace/shared/kafkaformat"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/nodespec"
)

// Every release takes a formatted controller and a formatted broker as its own, has the features it was given, and knows
// the user from the first second: the broker's listener admits nobody else.
func TestFormat_IsWhatEveryReleaseExpects(t *testing.T) {
	tested := map[string]bool{}
	for _, version := range kafkaversion.All() {
		if tested[version.Release] {
			continue
		}
		tested[version.Release] = true
		t.Run(version.Release, func(t *testing.T) { startsOnFormattedDirectories(t, version) })
	}
}

func startsOnFormattedDirectories(t *testing.T, version kafkaversion.Version) {
	installation := kafkatest.Installed(t, version.Release)
	cluster := newID()
	controllerDir, brokerDir := t.TempDir(), t.TempDir()
	format(t, controllerDir, kafkaformat.Node{
		Identity: kafkaformat.Identity{ClusterID: cluster, NodeID: 1001, DirectoryID: newID()},
		Role:     nodespec.Controller,
		Features: version.Features,
		Users:    []nodespec.ScramUser{user(t, "alice", "in wonderland")},
	})
	format(t, brokerDir, kafkaformat.Node{
		Identity: kafkaformat.Identity{ClusterID: cluster, NodeID: 1, DirectoryID: newID()},
		Role:     nodespec.Broker,
	})

	controller, broker := kafkatest.Address()+":9097", kafkatest.Address()
	common := map[string]string{
		"controller.quorum.voters":       "1001@" + controller,
		"controller.listener.names":      "CONTROLLER",
		"listener.security.protocol.map": "CONTROLLER:PLAINTEXT,REPLICATION:PLAINTEXT,CLIENT_SASL_SCRAM:SASL_PLAINTEXT",
		"log.cleaner.dedupe.buffer.size": "2097152",
	}
	kafkatest.Start(t, installation, merge(common, map[string]string{
		"process.roles": "controller",
		"node.id":       "1001",
		"log.dirs":      controllerDir,
		"listeners":     "CONTROLLER://" + controller,
	}))
	node := kafkatest.Start(t, installation, merge(common, map[string]string{
		"process.roles":              "broker",
		"node.id":                    "1",
		"log.dirs":                   brokerDir,
		"listeners":                  "REPLICATION://" + broker + ":9093,CLIENT_SASL_SCRAM://" + broker + ":9096",
		"inter.broker.listener.name": "REPLICATION",
		"sasl.enabled.mechanisms":    "SCRAM-SHA-512",
		"listener.name.client_sasl_scram.scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
	}))

	client, err := kgo.NewClient(kgo.SeedBrokers(broker+":9096"),
		kgo.SASL(scram.Auth{User: "alice", Pass: "in wonderland"}.AsSha512Mechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	finalized := map[string]int16{}
	node.WaitUntil("the user is admitted and told the features", func() bool {
		answer, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), client)
		if err != nil || client.Ping(t.Context()) != nil {
			return false
		}
		for _, f := range answer.FinalizedFeatures {
			finalized[f.Name] = f.MaxVersionLevel
		}
		return len(finalized) > 0
	})
	for _, want := range version.Features {
		if got := finalized[want.Name]; got != want.Level {
			t.Errorf("%s is at level %d, want %d", want.Name, got, want.Level)
		}
	}

	id, ok, err := kafkaformat.Read(brokerDir)
	if err != nil || !ok || id.ClusterID != cluster || id.NodeID != 1 {
		t.Errorf("after Kafka used it, the broker's directory reads %v, %v, %v", id, ok, err)
	}

	stranger, err := kgo.NewClient(kgo.SeedBrokers(broker+":9096"), kgo.RequestRetries(0),
		kgo.SASL(scram.Auth{User: "alice", Pass: "guessed"}.AsSha512Mechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if stranger.Ping(context.Background()) == nil {
		t.Error("a wrong password was admitted")
	}
}

func format(t *testing.T, dir string, n kafkaformat.Node) {
	t.Helper()
	if err := kafkaformat.Format(dir, n); err != nil {
		t.Fatal(err)
	}
}

// user salts a password as RFC 5802 says.
func user(t *testing.T, name, password string) nodespec.ScramUser {
	t.Helper()
	u := nodespec.ScramUser{Name: name, Salt: make([]byte, 16), Iterations: 4096}
	rand.Read(u.Salt)
	salted, err := pbkdf2.Key(sha512.New, password, u.Salt, int(u.Iterations), sha512.Size)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(text string) []byte {
		mac := hmac.New(sha512.New, salted)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	stored := sha512.Sum512(sign("Client Key"))
	u.StoredKey, u.ServerKey = stored[:], sign("Server Key")
	return u
}

func newID() string {
	raw := make([]byte, 16)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func merge(a, b map[string]string) map[string]string {
	merged := maps.Clone(a)
	maps.Copy(merged, b)
	return merged
}
