package brokerconfig_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/millrace/millrace/shared/authority"
	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/kafkadist/kafkatest"
	"github.com/millrace/millrace/shared/kafkaformat"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/nodespec"
)

// Three brokers and a controller become a cluster on the rendered properties, each listener knows all three brokers, and
// a topic without wishes of its own gets MSK's replication. The oldest, the default and the newest release stand for all.
func TestProperties_StartACluster(t *testing.T) {
	for _, release := range []string{"3.9.1", "4.3.1", "4.4.0"} {
		for _, shape := range []struct {
			name         string
			clientBroker string
			inCluster    bool
		}{
			{"TLS", cluster.TLS, true},
			{"PLAINTEXT without encryption in the cluster", cluster.Plaintext, false},
			{"TLS_PLAINTEXT", cluster.TLSPlaintext, true},
		} {
			t.Run(release+" "+shape.name, func(t *testing.T) {
				startsACluster(t, brokerconfig.Cluster{
					Release: release,
					Brokers: 3, Zones: 3,
					ClientBroker: shape.clientBroker, InCluster: shape.inCluster, InternalPassword: newID(),
					Configuration: map[string]string{"num.partitions": "2"},
					Lean:          true,
				})
			})
		}
	}
}

func startsACluster(t *testing.T, c brokerconfig.Cluster) {
	installation := kafkatest.Installed(t, c.Release)
	keys := newKeys(t)
	address := kafkatest.Address()
	c.Controllers = []brokerconfig.Controller{{ID: 1001, Host: address}}
	plan := []brokerconfig.Node{{ID: 1001, Role: nodespec.Controller, Address: address, Host: address}}
	for id, zone := range []string{"use1-az1", "use1-az2", "use1-az3"} {
		address := kafkatest.Address()
		plan = append(plan, brokerconfig.Node{ID: int32(id + 1), Role: nodespec.Broker, Rack: zone, Address: address, Host: address})
	}

	begin := time.Now()
	id := newID()
	var nodes []*kafkatest.Node
	for _, n := range plan {
		nodes = append(nodes, start(t, installation, c, n, id, keys))
	}
	for i, n := range plan[1:] {
		for name, options := range listeners(c, n.Address, keys) {
			nodes[i+1].WaitUntil(name+" of broker "+n.Rack+" lists all brokers", func() bool {
				return slices.Equal(brokers(t.Context(), options), []int32{1, 2, 3})
			})
		}
	}
	wall := time.Since(begin)

	var cpu time.Duration
	var memory []int
	for _, n := range nodes {
		cpu += n.CPU()
		memory = append(memory, n.MemoryMiB())
	}
	t.Logf("from nothing until every listener lists all: %.1f s, %.1f CPU-s; MiB of controller and brokers: %v", wall.Seconds(), cpu.Seconds(), memory)

	for name, options := range listeners(c, plan[1].Address, keys) {
		topicsGetMSKsReplication(t, name, options)
	}
}

func topicsGetMSKsReplication(t *testing.T, listener string, options []kgo.Opt) {
	t.Helper()
	client := connect(t, options)
	topic := "made-through-" + strings.ToLower(listener)
	create := kmsg.NewPtrCreateTopicsRequest()
	wish := kmsg.NewCreateTopicsRequestTopic()
	wish.Topic, wish.NumPartitions, wish.ReplicationFactor = topic, -1, -1
	create.Topics = append(create.Topics, wish)
	created, err := create.RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	if got := created.Topics[0]; got.ErrorCode != 0 || got.ReplicationFactor != 3 || got.NumPartitions != 2 {
		t.Errorf("topic through %s: error %d, %d replicas, %d partitions; want 3 replicas and the 2 partitions of the configuration",
			listener, got.ErrorCode, got.ReplicationFactor, got.NumPartitions)
	}
	for _, config := range created.Topics[0].Configs {
		if config.Name == "min.insync.replicas" && *config.Value != "2" {
			t.Errorf("topic through %s: min.insync.replicas is %s, want 2", listener, *config.Value)
		}
	}
	record := kgo.StringRecord("through " + listener)
	record.Topic = topic
	if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Errorf("produce through %s: %v", listener, err)
	}
}

// start formats a node's volume, writes what its host would write, and runs it.
func start(t *testing.T, i kafkadist.Installation, c brokerconfig.Cluster, n brokerconfig.Node, clusterID string, keys keys) *kafkatest.Node {
	t.Helper()
	volume, etc := t.TempDir(), t.TempDir()
	version, _ := kafkaversion.OfRelease(c.Release)
	err := kafkaformat.Format(volume, kafkaformat.Node{
		Identity: kafkaformat.Identity{ClusterID: clusterID, NodeID: n.ID, DirectoryID: newID()},
		Role:     n.Role,
		Features: version.Features,
	})
	if err != nil {
		t.Fatal(err)
	}
	keystore, truststore := filepath.Join(etc, "keystore.pem"), filepath.Join(etc, "truststore.pem")
	key, chain := keys.issue(t, n.Address)
	write(t, keystore, key+chain)
	write(t, truststore, keys.certificate)

	p := properties(t, c, n)
	paths := strings.NewReplacer(nodespec.VolumePath, volume, nodespec.KeystorePath, keystore, nodespec.TruststorePath, truststore)
	for name, value := range p {
		p[name] = paths.Replace(value)
	}
	return kafkatest.Start(t, i, p)
}

// listeners says how to connect to each listener that a broker should have.
func listeners(c brokerconfig.Cluster, address string, keys keys) map[string][]kgo.Opt {
	l := map[string][]kgo.Opt{}
	if c.ClientBroker != cluster.TLS {
		l["CLIENT"] = []kgo.Opt{kgo.SeedBrokers(address + ":9092")}
	}
	if c.ClientBroker != cluster.Plaintext {
		l["CLIENT_SECURE"] = []kgo.Opt{kgo.SeedBrokers(address + ":9094"), kgo.DialTLSConfig(&tls.Config{RootCAs: keys.pool})}
	}
	if c.InCluster {
		l["REPLICATION_SECURE"] = []kgo.Opt{
			kgo.SeedBrokers(address + ":9095"),
			kgo.DialTLSConfig(&tls.Config{RootCAs: keys.pool, Certificates: []tls.Certificate{keys.internal}}),
		}
	} else {
		l["REPLICATION"] = []kgo.Opt{
			kgo.SeedBrokers(address + ":9093"),
			kgo.SASL(plain.Auth{User: brokerconfig.InternalUser, Pass: c.InternalPassword}.AsMechanism()),
		}
	}
	return l
}

// brokers are the ids that one broker lists, in order; nil while it does not answer.
func brokers(ctx context.Context, options []kgo.Opt) []int32 {
	client, err := kgo.NewClient(append(options, kgo.RequestRetries(0))...)
	if err != nil {
		return nil
	}
	defer client.Close()
	answer, err := client.SeedBrokers()[0].Request(ctx, kmsg.NewPtrMetadataRequest())
	if err != nil {
		return nil
	}
	var ids []int32
	for _, b := range answer.(*kmsg.MetadataResponse).Brokers {
		ids = append(ids, b.NodeID)
	}
	slices.Sort(ids)
	return ids
}

func connect(t *testing.T, options []kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// keys are a cluster's authority and the control plane's own certificate.
type keys struct {
	authority   authority.Authority
	certificate string
	pool        *x509.CertPool
	internal    tls.Certificate
}

func newKeys(t *testing.T) keys {
	t.Helper()
	certificate, key, err := authority.New("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	k := keys{certificate: certificate, pool: x509.NewCertPool()}
	if k.authority, err = authority.Load(certificate + key); err != nil {
		t.Fatal(err)
	}
	k.pool.AppendCertsFromPEM([]byte(certificate))
	own, chain := k.issue(t, "127.0.0.1")
	if k.internal, err = tls.X509KeyPair([]byte(chain), []byte(own)); err != nil {
		t.Fatal(err)
	}
	return k
}

// issue makes a key and a certificate for an address, as a host and the control plane do together.
func (k keys) issue(t *testing.T, address string) (key, chain string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private)
	if err != nil {
		t.Fatal(err)
	}
	chain, err = k.authority.Sign(encode("CERTIFICATE REQUEST", request), authority.Subject{
		CommonName: brokerconfig.InternalUser, Names: []string{address},
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return encode("PRIVATE KEY", pkcs8), chain
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newID() string {
	raw := make([]byte, 16)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}
