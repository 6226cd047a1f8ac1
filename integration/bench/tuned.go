package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/authority"
	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/kafkaformat"
	"github.com/millrace/millrace/shared/nodespec"
)

// tunedCluster is what somebody has prepared who starts a cluster by hand with all that Millrace knows: the same release,
// class archive, JVM flags and properties, 3 brokers and 1 controller. Certificates are made beforehand.
type tunedCluster struct {
	byHand
	kafka kafkadist.Installation
	nodes []tunedNode
	brokers
}

type tunedNode struct {
	kafkaformat.Node
	volume, properties, log string
}

// encryption is what differs between the two clusters that are measured.
type encryption struct {
	figure       string
	clientBroker string
	inCluster    bool
}

var (
	withTLS   = encryption{createTLS, cluster.TLS, true}
	plaintext = encryption{createPlaintext, cluster.Plaintext, false}
)

const (
	controllerID = 1001
	brokerCount  = 3
)

// prepareTuned writes the files of all nodes.
func (b *bench) prepareTuned(e encryption) (*tunedCluster, error) {
	dir, err := os.MkdirTemp(b.dir, "tuned-")
	if err != nil {
		return nil, err
	}
	t := &tunedCluster{byHand: byHand{dir: dir}, kafka: b.kafka}
	b.onClose(t.end)
	block := loopbackBlock()
	addressOf := func(id int32) string { return block + strconv.Itoa(int(id%200)) }
	shape := brokerconfig.Cluster{
		Release:     b.version.Release,
		Controllers: []brokerconfig.Controller{{ID: controllerID, Host: addressOf(controllerID)}},
		Brokers:     brokerCount, Zones: brokerCount,
		ClientBroker: e.clientBroker, InCluster: e.inCluster, InternalPassword: rand.Text(),
		Lean: true,
	}
	certificate, key, err := authority.New("bench", time.Now())
	if err != nil {
		return nil, err
	}
	signer, err := authority.Load(certificate + key)
	if err != nil {
		return nil, err
	}
	port := brokerconfig.ClientPort
	if e.clientBroker == cluster.TLS {
		port, t.authority = brokerconfig.ClientSecurePort, certificate
	}

	clusterID := randomID()
	for _, id := range []int32{controllerID, 1, 2, 3} {
		role := nodespec.Broker
		if id == controllerID {
			role = nodespec.Controller
		} else {
			t.addresses = append(t.addresses, fmt.Sprintf("%s:%d", addressOf(id), port))
		}
		properties, err := brokerconfig.Properties(shape, brokerconfig.Node{
			ID: id, Role: role, Rack: fmt.Sprintf("zone-%d", id), Address: addressOf(id), Host: addressOf(id),
		})
		if err != nil {
			return nil, err
		}
		keystore, err := keystore(signer, addressOf(id))
		if err != nil {
			return nil, err
		}
		node := kafkaformat.Node{
			Identity: kafkaformat.Identity{ClusterID: clusterID, NodeID: id, DirectoryID: randomID()},
			Role:     role, Features: b.version.Features,
		}
		if err := t.write(node, properties, keystore, certificate); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *tunedCluster) write(node kafkaformat.Node, properties map[string]string, keystore []byte, authority string) error {
	dir := filepath.Join(t.dir, strconv.Itoa(int(node.NodeID)))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	n := tunedNode{
		Node: node, volume: filepath.Join(dir, "volume"), properties: filepath.Join(dir, "server.properties"),
		log: filepath.Join(t.dir, fmt.Sprintf("log-%d", len(t.nodes))),
	}
	t.nodes = append(t.nodes, n)
	paths := strings.NewReplacer(
		nodespec.VolumePath, n.volume,
		nodespec.KeystorePath, filepath.Join(dir, "keystore.pem"),
		nodespec.TruststorePath, filepath.Join(dir, "truststore.pem"),
	)
	var text bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&text, "%s=%s\n", key, paths.Replace(properties[key]))
	}
	for name, content := range map[string][]byte{
		"server.properties": text.Bytes(), "keystore.pem": keystore, "truststore.pem": []byte(authority),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// run formats and starts everything at once, and gives the time until the first record.
func (t *tunedCluster) run(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	var commands []*exec.Cmd
	for _, n := range t.nodes {
		if err := os.Mkdir(n.volume, 0o700); err != nil {
			return 0, err
		}
		if err := kafkaformat.Format(n.volume, n.Node); err != nil {
			return 0, err
		}
		commands = append(commands, t.kafka.Command(kafkadist.ProcessSettings{
			Properties: n.properties, LogFile: n.log, JVM: nodespec.JVM{HeapMiB: 256, Lean: true},
		}))
	}
	if err := t.start(commands); err != nil {
		return 0, err
	}
	err := t.byHand.firstRecord(ctx, t.brokers)
	return time.Since(began), err
}

// brokerPIDs are the processes of the brokers.
func (t *tunedCluster) brokerPIDs() []int {
	var pids []int
	for i, n := range t.nodes {
		if n.Role == nodespec.Broker {
			pids = append(pids, t.processes[i].Process.Pid)
		}
	}
	return pids
}

// keystore is a new key with a certificate for a node's address: what Kafka reads as a keystore of type PEM.
func keystore(signer authority.Authority, address string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	chain, err := signer.Sign(
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request})),
		authority.Subject{CommonName: brokerconfig.InternalUser, Names: []string{address}}, time.Now())
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), chain...), nil
}

// randomID is an id as Kafka makes them. It never begins with a hyphen, which Kafka's tools take for an option.
func randomID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	id[0] &= 0x7f
	return base64.RawURLEncoding.EncodeToString(id)
}
