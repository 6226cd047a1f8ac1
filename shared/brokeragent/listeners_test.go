package brokeragent

import (
	"reflect"
	"testing"

	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/nodespec"
)

// The properties are the ones that real nodes get.
func TestOwnEndpoint_FindsAWayIntoEveryNode(t *testing.T) {
	internal := &credential{mechanism: "PLAIN", user: "kafka-internal", password: "secret"}
	for _, tt := range []struct {
		name      string
		role      nodespec.Role
		clients   string
		inCluster bool
		want      endpoint
	}{
		{
			"a broker with a plaintext listener asks for nothing", nodespec.Broker, "TLS_PLAINTEXT", true,
			endpoint{address: "127.0.10.1:9092", serverName: "b-1.orders"},
		},
		{
			"TLS everywhere: between nodes it takes the node's own certificate", nodespec.Broker, "TLS", true,
			endpoint{address: "127.0.10.1:9095", serverName: "127.0.10.1", tls: true},
		},
		{
			"TLS for clients only", nodespec.Broker, "TLS", false,
			endpoint{address: "127.0.10.1:9094", serverName: "b-1.orders", tls: true},
		},
		{
			"a controller with TLS", nodespec.Controller, "TLS", true,
			endpoint{address: "127.0.10.1:9097", serverName: "127.0.10.1", tls: true},
		},
		{
			"a controller without TLS knows the internal user", nodespec.Controller, "PLAINTEXT", false,
			endpoint{address: "127.0.10.1:9097", serverName: "127.0.10.1", sasl: internal},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shape := brokerconfig.Cluster{
				Release: "4.1.2", Brokers: 3, Zones: 3, ClientBroker: tt.clients, InCluster: tt.inCluster,
				InternalPassword: "secret",
				Controllers:      []brokerconfig.Controller{{ID: 101, Host: "127.0.10.2"}},
			}
			properties, err := brokerconfig.Properties(shape,
				brokerconfig.Node{ID: 1, Role: tt.role, Address: "127.0.10.1", Host: "b-1.orders"})
			if err != nil {
				t.Fatal(err)
			}
			got, err := ownEndpoint(nodespec.Spec{Role: tt.role, Properties: properties, Authority: "a certificate"})
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
}

func TestOwnEndpoint_ReachesAWildcardListenerFromItsOwnHost(t *testing.T) {
	for listener, want := range map[string]string{
		"CLIENT://0.0.0.0:9092":     "127.0.0.1:9092",
		"CLIENT://:9092":            "127.0.0.1:9092",
		"CLIENT://[::]:9092":        "127.0.0.1:9092",
		"PLAINTEXT://10.0.0.7:9092": "10.0.0.7:9092",
	} {
		got, err := ownEndpoint(nodespec.Spec{Role: nodespec.Broker, Properties: map[string]string{
			"listeners": listener, "listener.security.protocol.map": "CLIENT:PLAINTEXT",
		}})
		if err != nil || got.address != want {
			t.Errorf("%s: %s, %v; want %s", listener, got.address, err, want)
		}
	}
}

func TestOwnEndpoint_SaysWhenThereIsNoWayIn(t *testing.T) {
	_, err := ownEndpoint(nodespec.Spec{Role: nodespec.Broker, NodeID: 1, Properties: map[string]string{
		"listeners":                      "CLIENT_IAM://10.0.0.7:9098",
		"listener.security.protocol.map": "CLIENT_IAM:SASL_SSL",
	}})
	if err == nil {
		t.Error("no error")
	}
}
