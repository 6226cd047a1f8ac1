// Package brokerconfig says with which properties a node of a cluster runs.
//
// It is pure: a cluster's shape in, the content of server.properties out, with the placeholders of package nodespec where
// only the host knows a path. Which properties a customer may set, and in which range, is decided before.
package brokerconfig

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/millrace/millrace/shared/nodespec"
)

// InternalUser is who brokers, controllers and the control plane are to each other: the cluster's super user.
const InternalUser = "kafka-internal"

// Cluster is what all nodes of a cluster have in common.
type Cluster struct {
	// Release is the exact Apache Kafka release, such as 4.1.2.
	Release string
	// Controllers are the voters of the quorum, all of them.
	Controllers []Controller
	// Brokers and Zones are counts; they bound how many replicas can be asked for.
	Brokers, Zones int

	// ClientBroker is TLS, TLS_PLAINTEXT or PLAINTEXT: what clients may speak.
	ClientBroker string
	// InCluster: nodes speak TLS among themselves, each side with a certificate. Otherwise they identify themselves by
	// InternalPassword (letters, digits, - and _) over plain connections.
	InCluster        bool
	InternalPassword string

	// Configuration are the customer's own properties; they go over the defaults.
	Configuration map[string]string
	// Lean is for brokers that share one machine: few threads, small buffers, and a dead broker is noticed within two
	// seconds, because no network lies in between.
	Lean bool
}

// Controller is one voter of the quorum.
type Controller struct {
	ID   int32
	Host string // the address that every node can connect to
}

// Node is what differs from node to node.
type Node struct {
	ID   int32
	Role nodespec.Role
	// Rack is the zone's id.
	Rack string
	// Address is the IP address to listen on, and at which other nodes find this one; Host is the name or address that
	// clients connect to. The certificate names both.
	Address, Host string
}

// Properties are the server.properties of a node. Later layers go over earlier ones:
//
//  1. Kafka's defaults, which are not written down.
//  2. MSK's defaults, where they differ, bounded by the size of the cluster.
//  3. What suits a small machine, when the cluster is lean.
//  4. The customer's configuration, without what the release does not know.
//  5. Who the node is, where it listens and whom it trusts: not for anyone to change.
//
// Controllers get the same layers as brokers: they are the ones to apply min.insync.replicas, the defaults of new topics
// and the rules of leader election.
//
// An error means a shape that no validated request has.
func Properties(c Cluster, n Node) (map[string]string, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	listeners, err := c.listeners(n)
	if err != nil {
		return nil, err
	}
	p := map[string]string{}
	maps.Copy(p, mskDefaults(c))
	if c.Lean {
		maps.Copy(p, leanDefaults)
	}
	maps.Copy(p, known(c.Configuration, c.Release))
	maps.Copy(p, identity(c, n))
	maps.Copy(p, listeners)
	maps.Copy(p, authorization)
	return p, nil
}

func (c Cluster) check() error {
	if len(c.Controllers) == 0 {
		return errors.New("a cluster without controllers")
	}
	if !c.InCluster && !safePassword.MatchString(c.InternalPassword) {
		return errors.New("the internal password is empty or has characters that mean something in a JAAS line")
	}
	return nil
}

var safePassword = regexp.MustCompile(`^[0-9A-Za-z_-]+$`)

func identity(c Cluster, n Node) map[string]string {
	voters := make([]string, len(c.Controllers))
	for i, voter := range c.Controllers {
		voters[i] = fmt.Sprintf("%d@%s", voter.ID, endpoint(voter.Host, ControllerPort))
	}
	p := map[string]string{
		"process.roles":            string(n.Role),
		"node.id":                  strconv.Itoa(int(n.ID)),
		"log.dirs":                 nodespec.VolumePath,
		"controller.quorum.voters": strings.Join(voters, ","),
	}
	if n.Role == nodespec.Broker && n.Rack != "" {
		p["broker.rack"] = n.Rack
	}
	return p
}

// authorization holds for all nodes: the internal user may do everything, which is how nodes reach each other at all.
var authorization = map[string]string{
	"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
	"super.users":           "User:" + InternalUser,
}

func endpoint(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
