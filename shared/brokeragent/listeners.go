package brokeragent

import (
	"fmt"
	"net"
	"regexp"
	"strings"

	"github.com/millrace/millrace/shared/nodespec"
)

// endpoint is how the agent talks to its own Kafka.
type endpoint struct {
	address    string // where it listens
	serverName string // what its certificate is checked for
	tls        bool
	sasl       *credential
}

// credential is a user that the node's own properties hold, because it uses it to talk to its peers.
type credential struct {
	mechanism      string
	user, password string
}

// ownEndpoint picks the listener through which the agent can ask its own Kafka. Everything needed to get in is in the
// spec: a plaintext listener asks for nothing, a TLS listener takes the node's own certificate, and the listeners
// between nodes take the user that the nodes share. The cheapest one wins; a TLS listener between the nodes goes before
// one of clients, because clients' certificates may come from another authority.
func ownEndpoint(spec nodespec.Spec) (endpoint, error) {
	e, ok := cheapestEndpoint(spec, func(string) bool { return true })
	if !ok {
		return endpoint{}, fmt.Errorf("no listener of node %d lets its own agent in: %q", spec.NodeID, spec.Properties["listeners"])
	}
	return e, nil
}

// insideEndpoint is the listener between the nodes. Who comes in there is a super user, and sees the topics that access
// control lists keep from others.
func insideEndpoint(spec nodespec.Spec) (e endpoint, ok bool) {
	own := ownListener(spec)
	return cheapestEndpoint(spec, func(name string) bool { return name == own })
}

// ownListener is the name of the listener that nodes of the same role talk to each other through.
func ownListener(spec nodespec.Spec) string {
	if spec.Role == nodespec.Controller {
		return spec.Properties["controller.listener.names"]
	}
	return spec.Properties["inter.broker.listener.name"]
}

func cheapestEndpoint(spec nodespec.Spec, eligible func(name string) bool) (best endpoint, ok bool) {
	p := spec.Properties
	protocols := listenerMap(p["listener.security.protocol.map"], ":")
	addresses := listenerMap(p["listeners"], "://")
	advertised := listenerMap(p["advertised.listeners"], "://")
	own, bestRank := ownListener(spec), len(ranks)
	for name, address := range addresses {
		if !eligible(name) {
			continue
		}
		e := endpoint{address: dialAddress(address), serverName: hostOf(address)}
		if host := hostOf(advertised[name]); host != "" {
			e.serverName = host
		}
		protocol := protocols[name]
		if protocol == "" {
			protocol = name // Kafka's own default map
		}
		e.tls = strings.HasSuffix(protocol, "SSL")
		if e.tls && spec.Authority == "" {
			continue
		}
		if strings.HasPrefix(protocol, "SASL_") {
			if e.sasl = credentialOf(p, name); e.sasl == nil {
				continue
			}
		}
		rank := rankOf(protocol, name == own)
		if rank < bestRank || rank == bestRank && e.address < best.address {
			best, bestRank = e, rank
		}
	}
	return best, bestRank < len(ranks)
}

var ranks = []string{"PLAINTEXT", "own SSL", "SSL", "own SASL_PLAINTEXT", "SASL_PLAINTEXT", "own SASL_SSL", "SASL_SSL"}

func rankOf(protocol string, own bool) int {
	if own && protocol != "PLAINTEXT" {
		protocol = "own " + protocol
	}
	for i, r := range ranks {
		if r == protocol {
			return i
		}
	}
	return len(ranks)
}

// listenerMap reads Kafka's lists of the form NAME<separator>value,NAME<separator>value.
func listenerMap(list, separator string) map[string]string {
	entries := map[string]string{}
	for entry := range strings.SplitSeq(list, ",") {
		if name, value, ok := strings.Cut(strings.TrimSpace(entry), separator); ok {
			entries[name] = value
		}
	}
	return entries
}

// dialAddress is where a listener is reached from its own host: one that is bound to every address has no other name.
func dialAddress(listener string) string {
	host, port, err := net.SplitHostPort(listener)
	if err != nil {
		return listener
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func hostOf(listener string) string {
	host, _, err := net.SplitHostPort(listener)
	if err != nil {
		return ""
	}
	return host
}

var (
	jaasUser     = regexp.MustCompile(`\busername="([^"]*)"`)
	jaasPassword = regexp.MustCompile(`\bpassword="([^"]*)"`)
)

// credentialOf finds the user with which this node itself logs in at a listener; nil when it has none there.
func credentialOf(p map[string]string, listener string) *credential {
	prefix := "listener.name." + strings.ToLower(listener) + "."
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-512", "SCRAM-SHA-256"} {
		jaas := p[prefix+strings.ToLower(mechanism)+".sasl.jaas.config"]
		user, password := jaasUser.FindStringSubmatch(jaas), jaasPassword.FindStringSubmatch(jaas)
		if user != nil && password != nil {
			return &credential{mechanism: mechanism, user: user[1], password: password[1]}
		}
	}
	return nil
}
