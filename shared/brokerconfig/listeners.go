package brokerconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/nodespec"
)

// MSK's ports.
const (
	ClientPort            = 9092
	ReplicationPort       = 9093
	ClientSecurePort      = 9094
	ReplicationSecurePort = 9095
	ControllerPort        = 9097
)

// listener is one way to connect to a node, under MSK's name for it. Between nodes, and for the control plane, there are
// REPLICATION or REPLICATION_SECURE on brokers and CONTROLLER on controllers.
type listener struct {
	name     string
	port     int
	protocol string
	security map[string]string // without the prefix that limits it to this listener
}

// listeners gives a node's properties about connections, those it makes included.
func (c Cluster) listeners(n Node) (map[string]string, error) {
	clients, err := c.clientListeners()
	if err != nil {
		return nil, err
	}
	replication, controller := c.internalListeners()

	var own, all []listener
	switch n.Role {
	case nodespec.Broker:
		own = slices.Concat(clients, []listener{replication})
		all = append(own, controller)
	case nodespec.Controller:
		own = []listener{controller}
		all = own
	default:
		return nil, fmt.Errorf("node %d has role %q, neither broker nor controller", n.ID, n.Role)
	}

	p := map[string]string{
		"controller.listener.names":      controller.name,
		"listeners":                      endpoints(own, n.Address),
		"listener.security.protocol.map": protocols(all),
	}
	if n.Role == nodespec.Broker {
		// Nodes know each other by their addresses, which are theirs for life: the names of new ones may not be answered yet
		// when they start, and a resolver that was asked too early goes on saying so for minutes.
		p["advertised.listeners"] = endpoints(clients, n.Host) + "," + endpoints([]listener{replication}, n.Address)
		p["inter.broker.listener.name"] = replication.name
	}
	if !c.InCluster {
		p["sasl.mechanism.controller.protocol"] = "PLAIN"
		if n.Role == nodespec.Broker {
			p["sasl.mechanism.inter.broker.protocol"] = "PLAIN"
		}
	}
	for _, l := range all {
		for key, value := range l.security {
			p["listener.name."+strings.ToLower(l.name)+"."+key] = value
		}
	}
	return p, nil
}

// Ports are those that a node of the cluster listens on.
func (c Cluster) Ports(role nodespec.Role) ([]int, error) {
	replication, controller := c.internalListeners()
	if role == nodespec.Controller {
		return []int{controller.port}, nil
	}
	clients, err := c.clientListeners()
	if err != nil {
		return nil, err
	}
	ports := []int{replication.port}
	for _, l := range clients {
		ports = append(ports, l.port)
	}
	return ports, nil
}

func (c Cluster) clientListeners() ([]listener, error) {
	plaintext := listener{name: "CLIENT", port: ClientPort, protocol: "PLAINTEXT"}
	secure := listener{name: "CLIENT_SECURE", port: ClientSecurePort, protocol: "SSL", security: ownCertificate}
	switch c.ClientBroker {
	case cluster.Plaintext:
		return []listener{plaintext}, nil
	case cluster.TLS:
		return []listener{secure}, nil
	case cluster.TLSPlaintext:
		return []listener{plaintext, secure}, nil
	default:
		return nil, fmt.Errorf("encryption between clients and brokers is %q, none of TLS, TLS_PLAINTEXT, PLAINTEXT", c.ClientBroker)
	}
}

func (c Cluster) internalListeners() (replication, controller listener) {
	if c.InCluster {
		return listener{"REPLICATION_SECURE", ReplicationSecurePort, "SSL", mutualTLS},
			listener{"CONTROLLER", ControllerPort, "SSL", mutualTLS}
	}
	password := passwordOnly(c.InternalPassword)
	return listener{"REPLICATION", ReplicationPort, "SASL_PLAINTEXT", password},
		listener{"CONTROLLER", ControllerPort, "SASL_PLAINTEXT", password}
}

// ownCertificate lets clients know whom they talk to.
var ownCertificate = map[string]string{
	"ssl.keystore.type":     "PEM",
	"ssl.keystore.location": nodespec.KeystorePath,
}

// mutualTLS lets both sides know whom they talk to. Only internal listeners turn a certificate's name into the internal
// user: on a client's listener, another authority might have given that name to anyone.
var mutualTLS = with(ownCertificate, map[string]string{
	"ssl.truststore.type":         "PEM",
	"ssl.truststore.location":     nodespec.TruststorePath,
	"ssl.client.auth":             "required",
	"ssl.principal.mapping.rules": "RULE:^CN=(" + InternalUser + ")$/$1/,DEFAULT",
})

// passwordOnly identifies the internal user without encryption. The same entry serves both directions: what this node
// presents, and what it accepts.
func passwordOnly(password string) map[string]string {
	return map[string]string{
		"sasl.enabled.mechanisms": "PLAIN",
		"plain.sasl.jaas.config": fmt.Sprintf("org.apache.kafka.common.security.plain.PlainLoginModule required "+
			`username="%[1]s" password="%[2]s" user_%[1]s="%[2]s";`, InternalUser, password),
	}
}

func endpoints(listeners []listener, host string) string {
	var parts []string
	for _, l := range listeners {
		parts = append(parts, l.name+"://"+endpoint(host, l.port))
	}
	return strings.Join(parts, ",")
}

func protocols(listeners []listener) string {
	var parts []string
	for _, l := range listeners {
		parts = append(parts, l.name+":"+l.protocol)
	}
	return strings.Join(parts, ",")
}

func with(base, more map[string]string) map[string]string {
	merged := maps.Clone(base)
	maps.Copy(merged, more)
	return merged
}
