package brokerconfig_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

var update = flag.Bool("update", false, "write the golden files again")

// threeZones is what MSK's own example would be: three brokers in three zones with the request's defaults.
var threeZones = brokerconfig.Cluster{
	Release: "4.3.1",
	Controllers: []brokerconfig.Controller{
		{ID: 1001, Host: "10.0.1.11"}, {ID: 1002, Host: "10.0.2.11"}, {ID: 1003, Host: "10.0.3.11"},
	},
	Brokers: 3, Zones: 3,
	ClientBroker: cluster.TLS, InCluster: true,
}

var (
	broker     = brokerconfig.Node{ID: 2, Role: nodespec.Broker, Rack: "use1-az2", Address: "10.0.2.20", Host: "b-2.orders.kafka.internal"}
	controller = brokerconfig.Node{ID: 1002, Role: nodespec.Controller, Rack: "use1-az2", Address: "10.0.2.11", Host: "10.0.2.11"}
)

func TestProperties_Golden(t *testing.T) {
	for _, tt := range []struct {
		file    string
		cluster brokerconfig.Cluster
		node    brokerconfig.Node
	}{
		{"broker-default", threeZones, broker},
		{"controller-default", threeZones, controller},
		{"broker-plaintext", plaintext(threeZones), broker},
		{"controller-plaintext", plaintext(threeZones), controller},
		{"broker-tls-plaintext-lean-3.9.1", leanOldest(threeZones), broker},
	} {
		t.Run(tt.file, func(t *testing.T) {
			got := text(properties(t, tt.cluster, tt.node))
			path := filepath.Join("testdata", tt.file+".properties")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("differs from %s (rewrite it by -update and read the diff):\n%s", path, got)
			}
		})
	}
}

func plaintext(c brokerconfig.Cluster) brokerconfig.Cluster {
	c.ClientBroker, c.InCluster, c.InternalPassword = cluster.Plaintext, false, "s3cret"
	return c
}

func leanOldest(c brokerconfig.Cluster) brokerconfig.Cluster {
	c.ClientBroker, c.Lean, c.Release = cluster.TLSPlaintext, true, "3.9.1"
	return c
}

func TestProperties_SetByTheCustomer(t *testing.T) {
	for _, tt := range []struct {
		name, key, value string
		release          string
		want             string // empty: not rendered
	}{
		{"go over MSK's defaults", "num.partitions", "6", "4.3.1", "6"},
		{"go over the tuning of a lean node", "num.io.threads", "16", "4.3.1", "16"},
		{"open or close the cluster", "allow.everyone.if.no.acl.found", "false", "4.3.1", "false"},
		{"are taken as they are, even if there are too few brokers", "default.replication.factor", "5", "4.3.1", "5"},
		{"about ZooKeeper mean nothing", "zookeeper.session.timeout.ms", "6000", "3.9.1", ""},
		{"of Kafka 3 are left out in Kafka 4", "log.message.timestamp.difference.max.ms", "1000", "4.0.0", ""},
		{"of Kafka 3 hold in Kafka 3", "log.message.timestamp.difference.max.ms", "1000", "3.9.1", "1000"},
		{"do not move the volume", "log.dirs", "/tmp", "4.3.1", nodespec.VolumePath},
		{"do not make a super user", "super.users", "User:mallory", "4.3.1", "User:kafka-internal"},
		{"do not open a listener", "listeners", "X://:1", "4.3.1", "CLIENT_SECURE://10.0.2.20:9094,REPLICATION_SECURE://10.0.2.20:9095"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := threeZones
			c.Release, c.Lean, c.Configuration = tt.release, true, map[string]string{tt.key: tt.value}
			if got := properties(t, c, broker)[tt.key]; got != tt.want {
				t.Errorf("%s = %q, want %q", tt.key, got, tt.want)
			}
		})
	}
}

func TestProperties_NeverAskForMoreReplicasThanBrokers(t *testing.T) {
	for _, tt := range []struct {
		name           string
		brokers, zones int
		replicas, isr  string // of a new topic
		offsets        string // replicas of the consumers' offsets
		transactionISR string
	}{
		{"three zones", 3, 3, "3", "2", "3", "2"},
		{"two zones", 4, 2, "2", "1", "3", "2"},
		{"two brokers", 2, 2, "2", "1", "2", "2"},
		{"one broker", 1, 1, "1", "1", "1", "1"},
		{"many brokers", 30, 3, "3", "2", "3", "2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := threeZones
			c.Brokers, c.Zones = tt.brokers, tt.zones
			p := properties(t, c, broker)
			for key, want := range map[string]string{
				"default.replication.factor":               tt.replicas,
				"min.insync.replicas":                      tt.isr,
				"offsets.topic.replication.factor":         tt.offsets,
				"transaction.state.log.replication.factor": tt.offsets,
				"transaction.state.log.min.isr":            tt.transactionISR,
			} {
				if p[key] != want {
					t.Errorf("%s = %s, want %s", key, p[key], want)
				}
			}
		})
	}
}

// Controllers choose leaders and create topics, so what brokers are told about it has to reach them too.
func TestProperties_OfTopicsAreTheSameOnControllers(t *testing.T) {
	c := threeZones
	c.Configuration = map[string]string{"unclean.leader.election.enable": "true", "num.partitions": "6"}
	b, q := properties(t, c, broker), properties(t, c, controller)
	for _, key := range []string{
		"min.insync.replicas", "default.replication.factor", "num.partitions", "unclean.leader.election.enable",
		"allow.everyone.if.no.acl.found", "authorizer.class.name", "super.users",
	} {
		if b[key] == "" || b[key] != q[key] {
			t.Errorf("%s is %q on brokers and %q on controllers", key, b[key], q[key])
		}
	}
}

func TestProperties_PasswordOnlyWhereTheClusterIsNotEncrypted(t *testing.T) {
	c := threeZones
	c.InternalPassword = "s3cret"
	for _, n := range []brokerconfig.Node{broker, controller} {
		if got := string(text(properties(t, c, n))); strings.Contains(got, "s3cret") {
			t.Errorf("node %d was told the password without need:\n%s", n.ID, got)
		}
	}
}

func TestProperties_NeverElectAReplicaThatLacksAcknowledgedRecords(t *testing.T) {
	for _, n := range []brokerconfig.Node{broker, controller} {
		if got := properties(t, threeZones, n)["unclean.leader.election.enable"]; got != "false" {
			t.Errorf("node %d: unclean.leader.election.enable is %q", n.ID, got)
		}
	}
}

// A customer's authority may sign any name, so a client's certificate must never make the internal user.
func TestProperties_NoClientListenerMakesTheInternalUser(t *testing.T) {
	for key := range properties(t, threeZones, broker) {
		if strings.HasSuffix(key, "principal.mapping.rules") && !strings.HasPrefix(key, "listener.name.replication_secure.") &&
			!strings.HasPrefix(key, "listener.name.controller.") {
			t.Errorf("%s reaches clients", key)
		}
	}
}

func TestProperties_RefuseAShapeThatIsNone(t *testing.T) {
	for name, change := range map[string]func(*brokerconfig.Cluster, *brokerconfig.Node){
		"no role":                   func(_ *brokerconfig.Cluster, n *brokerconfig.Node) { n.Role = "" },
		"unknown encryption":        func(c *brokerconfig.Cluster, _ *brokerconfig.Node) { c.ClientBroker = "" },
		"no controllers":            func(c *brokerconfig.Cluster, _ *brokerconfig.Node) { c.Controllers = nil },
		"no password and no TLS":    func(c *brokerconfig.Cluster, _ *brokerconfig.Node) { c.InCluster = false },
		"a password that ends JAAS": func(c *brokerconfig.Cluster, _ *brokerconfig.Node) { c.InCluster, c.InternalPassword = false, `a"b` },
	} {
		t.Run(name, func(t *testing.T) {
			c, n := threeZones, broker
			change(&c, &n)
			if p, err := brokerconfig.Properties(c, n); err == nil {
				t.Errorf("it was rendered: %s", text(p))
			}
		})
	}
}

func properties(t *testing.T, c brokerconfig.Cluster, n brokerconfig.Node) map[string]string {
	t.Helper()
	p, err := brokerconfig.Properties(c, n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func text(p map[string]string) []byte {
	var b bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s=%s\n", key, p[key])
	}
	return b.Bytes()
}
