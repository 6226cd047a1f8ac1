package kafka_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/authority"
	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
	kafkanode "github.com/millrace/millrace/shared/kafkadist/kafkatest"
	"github.com/millrace/millrace/shared/kafkaformat"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/nodespec"
)

// A broker's replication listener tells the control plane what it asks for, by certificate and by password, and nobody else.
// The oldest and the newest release stand for all.
func TestPartitions_OfARealBroker(t *testing.T) {
	for _, tt := range []struct {
		name, release string
		inCluster     bool
	}{
		{"by certificate", "4.4.0", true},
		{"by password", "3.9.1", false},
	} {
		t.Run(tt.release+" "+tt.name, func(t *testing.T) {
			access, clients := startABroker(t, tt.release, tt.inCluster)
			for topic, entries := range map[string]map[string]*string{
				"audit": {"min.insync.replicas": new("2")}, "orders": nil,
			} {
				makeTopic(t, clients, topic, entries)
			}
			want := []cluster.Partition{
				{Topic: "audit", ID: 0, Leader: 1, Replicas: []int32{1}, InSync: []int32{1}, MinInSync: 2},
				{Topic: "orders", ID: 0, Leader: 1, Replicas: []int32{1}, InSync: []int32{1}, MinInSync: 1}, // what holds for all
			}
			if got, err := (kafka.Admin{}).Partitions(t.Context(), access); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, %v\nwant %+v", got, err, want)
			}

			stranger := access
			stranger.Password = "another"
			if tt.inCluster {
				stranger = access
				_, signer := newAuthority(t)
				stranger.Certificate, stranger.Key = issue(t, signer)
			}
			if got, err := (kafka.Admin{}).Partitions(t.Context(), stranger); !fault.Is(err, fault.Internal) {
				t.Errorf("a stranger got %v, %v", got, err)
			}
		})
	}
}

// startABroker runs a broker and its controller, and gives access to the broker once it works, and where it serves clients.
func startABroker(t *testing.T, release string, inCluster bool) (access kafka.Access, clients string) {
	t.Helper()
	access, clients, _ = startBrokers(t, release, inCluster, 1)
	return access, clients
}

// startBrokers runs a controller and brokers with the ids from 1 on, and gives access to them once they all know each other, and
// where the first one serves clients.
func startBrokers(t *testing.T, release string, inCluster bool, count int) (access kafka.Access, clients string, brokers []*kafkanode.Node) {
	t.Helper()
	installation := kafkanode.Installed(t, release)
	controller := kafkanode.Address()
	shape := brokerconfig.Cluster{
		Release: release, Brokers: count, Zones: min(count, 3), ClientBroker: cluster.Plaintext, InCluster: inCluster, InternalPassword: rand.Text(),
		Controllers: []brokerconfig.Controller{{ID: 1001, Host: controller}}, Lean: true,
	}
	certificate, signer := newAuthority(t)
	access = kafka.Access{User: brokerconfig.InternalUser, Password: shape.InternalPassword}
	port := ":9093"
	if inCluster {
		access, port = kafka.Access{Authority: certificate}, ":9095"
		access.Certificate, access.Key = issue(t, signer)
	}
	id := newID()
	kafkanode.Start(t, installation, files(t, shape, brokerconfig.Node{
		ID: 1001, Role: nodespec.Controller, Address: controller, Host: controller,
	}, id, certificate, signer))
	address := controller // the first one shares it
	for n := range count {
		brokers = append(brokers, kafkanode.Start(t, installation, files(t, shape, brokerconfig.Node{
			ID: int32(n + 1), Role: nodespec.Broker, Rack: fmt.Sprintf("use1-az%d", n%3+1), Address: address, Host: address,
		}, id, certificate, signer)))
		access.Brokers = append(access.Brokers, address+port)
		address = kafkanode.Address()
	}
	clients = controller + ":9092"
	for n, broker := range brokers {
		broker.WaitUntil("it serves clients, and knows the other brokers", func() bool {
			client, err := sarama.NewClient([]string{strings.TrimSuffix(access.Brokers[n], port) + ":9092"}, nil)
			if err != nil {
				return false
			}
			defer client.Close()
			return len(client.Brokers()) == count
		})
	}
	return access, clients, brokers
}

// files formats a node's volume, writes what its host would write, and gives its properties.
func files(t *testing.T, shape brokerconfig.Cluster, n brokerconfig.Node, clusterID, certificate string, signer authority.Authority) map[string]string {
	t.Helper()
	volume, etc := t.TempDir(), t.TempDir()
	version, _ := kafkaversion.OfRelease(shape.Release)
	err := kafkaformat.Format(volume, kafkaformat.Node{
		Identity: kafkaformat.Identity{ClusterID: clusterID, NodeID: n.ID, DirectoryID: newID()}, Role: n.Role, Features: version.Features,
	})
	if err != nil {
		t.Fatal(err)
	}
	chain, key := issue(t, signer, n.Address)
	keystore, truststore := filepath.Join(etc, "keystore.pem"), filepath.Join(etc, "truststore.pem")
	for path, content := range map[string]string{keystore: key + chain, truststore: certificate} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	properties, err := brokerconfig.Properties(shape, n)
	if err != nil {
		t.Fatal(err)
	}
	paths := strings.NewReplacer(nodespec.VolumePath, volume, nodespec.KeystorePath, keystore, nodespec.TruststorePath, truststore)
	for name, value := range properties {
		properties[name] = paths.Replace(value)
	}
	return properties
}

func makeTopic(t *testing.T, clients, name string, entries map[string]*string) {
	t.Helper()
	admin, err := sarama.NewClusterAdmin([]string{clients}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	err = admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: entries}, false)
	if err != nil {
		t.Fatal(err)
	}
	// The controller has made it, and the broker may not have heard yet.
	until(t, "the broker knows of "+name, func() bool {
		found, err := admin.DescribeTopics([]string{name})
		return err == nil && len(found) == 1 && len(found[0].Partitions) == 1 && found[0].Partitions[0].Leader >= 0
	})
}

func newAuthority(t *testing.T) (certificate string, signer authority.Authority) {
	t.Helper()
	certificate, key, err := authority.New("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if signer, err = authority.Load(certificate + key); err != nil {
		t.Fatal(err)
	}
	return certificate, signer
}

// issue makes a certificate of the control plane's, or of a node where addresses are named.
func issue(t *testing.T, signer authority.Authority, addresses ...string) (chain, key string) {
	t.Helper()
	chain, key, err := signer.Issue(authority.Subject{CommonName: brokerconfig.InternalUser, Names: addresses}, 24*time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return chain, key
}

func newID() string {
	raw := make([]byte, 16)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}
