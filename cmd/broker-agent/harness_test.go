package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/brokeragent"
	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/nodespec/httpmailbox"
)

const (
	controllerID = 101
	brokerID     = 1
	release      = "4.1.2"
)

// patience is how long anything may take on a machine that has much else to do.
const patience = 3 * time.Minute

// agentBinary is the real program, built once and as it is shipped.
var agentBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "broker-agent")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "broker-agent")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the agent: %w\n%s", err, output)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := agentBinary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// testCluster is one broker and one controller with in-cluster TLS, a certificate authority and a control plane that
// does nothing but hand out specs.
type testCluster struct {
	t                  *testing.T
	dir                string
	endpoint           string // file that names the control plane's address
	server             *httptest.Server
	post               *post
	authority          authority
	shape              brokerconfig.Cluster
	id                 string
	Broker, Controller *host   // the first controller
	Controllers        []*host // all of them
}

// host is one agent's machine.
type host struct {
	cluster       *testCluster
	t             *testing.T
	id, dir       string
	volume        string
	address       string
	nodeID        int32
	role          nodespec.Role
	agent         *exec.Cmd
	agentEnded    chan struct{}
	logFile       string
	generation    int64
	more          map[string]string // properties over those of the plan
	clusterID     string
	volumeIsNew   bool
	javaHeapInMiB int
	restarts      int64
}

func newCluster(t *testing.T) *testCluster { return newClusterOf(t, 1) }

// newClusterOf is a cluster of one broker and as many controllers.
func newClusterOf(t *testing.T, controllers int) *testCluster {
	t.Helper()
	if testing.Short() {
		t.Skip("runs real Kafka")
	}
	if _, err := agentBinary(); err != nil {
		t.Fatal(err)
	}
	c := &testCluster{t: t, dir: t.TempDir(), id: newID(t), authority: newAuthority(t)}
	c.post = &post{specs: map[string]nodespec.Spec{}, beats: map[string]nodespec.Heartbeat{}, changed: make(chan struct{})}
	c.endpoint = filepath.Join(c.dir, "endpoint")
	c.StartControlPlane()
	t.Cleanup(func() { c.StopControlPlane() })

	// Addresses of 127/8 that no other test of this run or of another process is likely to have.
	network := fmt.Sprintf("127.%d.%d.", 1+mathrand.IntN(250), mathrand.IntN(250))
	var voters []brokerconfig.Controller
	for i := range int32(controllers) {
		id := controllerID + i
		h := c.newHost(fmt.Sprintf("i-controller-%d", id), id, nodespec.Controller, network+fmt.Sprint(id))
		c.Controllers = append(c.Controllers, h)
		voters = append(voters, brokerconfig.Controller{ID: id, Host: h.address})
	}
	c.Controller = c.Controllers[0]
	c.Broker = c.newHost("i-broker", brokerID, nodespec.Broker, network+"1")
	c.shape = brokerconfig.Cluster{
		Release:      release,
		Controllers:  voters,
		Brokers:      1,
		Zones:        1,
		ClientBroker: "TLS",
		InCluster:    true,
		Lean:         true,
	}
	return c
}

func (c *testCluster) StartControlPlane() {
	c.server = httptest.NewServer(httpmailbox.Handler{Tokens: c.post, Specs: c.post, Beats: c.post})
	write(c.t, c.endpoint, c.server.URL)
}

func (c *testCluster) StopControlPlane() {
	if c.server != nil {
		c.server.CloseClientConnections()
		c.server.Close()
		c.server = nil
	}
}

func (c *testCluster) newHost(id string, nodeID int32, role nodespec.Role, address string) *host {
	t := c.t
	h := &host{
		cluster: c, t: t, id: id, dir: filepath.Join(c.dir, id), volume: filepath.Join(c.dir, id+"-volume"),
		address: address, nodeID: nodeID, role: role, clusterID: c.id, volumeIsNew: true, javaHeapInMiB: 256,
	}
	for _, dir := range []string{h.dir, h.volume} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	token := filepath.Join(h.dir, "token")
	write(t, token, "token of "+id)
	kafka, err := kafkadist.UserStore()
	if err != nil {
		t.Fatal(err)
	}
	err = brokeragent.Host{HostID: id, Volume: h.volume, EndpointFile: c.endpoint, TokenFile: token, Kafka: kafka.Dir}.Write(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.cleanUp)
	return h
}

// StartAgent starts the agent in a process group of its own, as the platform does.
func (h *host) StartAgent() {
	h.t.Helper()
	binary, err := agentBinary()
	if err != nil {
		h.t.Fatal(err)
	}
	h.logFile = filepath.Join(h.dir, "agent.log")
	log, err := os.OpenFile(h.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close()
	h.agent = exec.Command(binary, "run", "--host-dir", h.dir)
	h.agent.Stderr = log
	h.agent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := h.agent.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.agentEnded = make(chan struct{})
	go func() {
		defer close(h.agentEnded)
		_ = h.agent.Wait()
	}()
}

// EndAgent signals the agent alone and waits for its end.
func (h *host) EndAgent(signal syscall.Signal) {
	h.t.Helper()
	if err := h.agent.Process.Signal(signal); err != nil {
		h.t.Fatal(err)
	}
	select {
	case <-h.agentEnded:
	case <-time.After(patience):
		h.t.Fatal("the agent does not end")
	}
}

// cleanUp leaves no process behind, and shows what happened when the test failed.
func (h *host) cleanUp() {
	if h.agent != nil {
		_ = h.agent.Process.Kill()
		<-h.agentEnded
	}
	for kafka, found, err := brokeragent.KafkaOf(h.dir); found && err == nil; kafka, found, err = brokeragent.KafkaOf(h.dir) {
		_ = syscall.Kill(kafka.PID, syscall.SIGKILL)
		time.Sleep(10 * time.Millisecond)
	}
	if h.t.Failed() {
		for _, path := range []string{h.logFile, filepath.Join(h.dir, "logs/kafka.log"), filepath.Join(h.dir, "logs/kafka.out")} {
			content, _ := os.ReadFile(path)
			h.t.Logf("--- %s\n%s", path, content[max(0, len(content)-6000):])
		}
	}
}

// makeVolumeSmall puts a file system of a certain size in the place of the volume, until the test ends.
func (h *host) makeVolumeSmall(size string) {
	h.t.Helper()
	if err := syscall.Mount("tmpfs", h.volume, "tmpfs", 0, "size="+size); err != nil {
		h.t.Skipf("needs to mount a small file system: %v", err)
	}
	h.t.Cleanup(func() {
		h.cleanUp() // before its own turn: a volume in use can't be unmounted, nor one whose last user is just ending
		waitUntil(h.t, "nobody uses "+h.volume, func() bool {
			err := syscall.Unmount(h.volume, 0)
			if err != nil && !errors.Is(err, syscall.EBUSY) {
				h.t.Error(err)
			}
			return !errors.Is(err, syscall.EBUSY)
		})
	})
}

// Assign writes the host's next spec, with a certificate for the key whose request the agent sent.
func (h *host) Assign() int64 {
	h.t.Helper()
	beat := h.Await("a signing request", func(b nodespec.Heartbeat) bool { return b.SigningRequest != "" })
	properties, err := brokerconfig.Properties(h.cluster.shape,
		brokerconfig.Node{ID: h.nodeID, Role: h.role, Rack: "use1-az1", Address: h.address, Host: h.address})
	if err != nil {
		h.t.Fatal(err)
	}
	for key, value := range h.more {
		properties[key] = value
	}
	h.generation++
	h.cluster.post.put(h.id, nodespec.Spec{
		Generation: h.generation,
		Restarts:   h.restarts,
		Cluster:    "orders",
		ClusterID:  h.clusterID,
		NodeID:     h.nodeID,
		Role:       h.role,
		Release:    release,
		Volume:     nodespec.Volume{New: h.volumeIsNew, DirectoryID: newID(h.t)},
		Properties: properties,
		JVM:        nodespec.JVM{HeapMiB: h.javaHeapInMiB, Lean: true},

		Certificate: h.cluster.authority.sign(h.t, beat.SigningRequest, h.address),
		Authority:   h.cluster.authority.pem,
	})
	return h.generation
}

// Await gives the first heartbeat, the present one included, that is as wished.
func (h *host) Await(what string, isIt func(nodespec.Heartbeat) bool) nodespec.Heartbeat {
	h.t.Helper()
	deadline := time.After(patience)
	for {
		beat, changed := h.cluster.post.beat(h.id)
		if beat.HostID != "" && isIt(beat) {
			return beat
		}
		select {
		case <-changed:
		case <-deadline:
			h.t.Fatalf("%s: no heartbeat with %s; the last one is %+v", h.id, what, beat)
		}
	}
}

func (h *host) AwaitRunning() nodespec.Heartbeat {
	h.t.Helper()
	return h.Await("a running node", func(b nodespec.Heartbeat) bool {
		return b.State == nodespec.Running && b.Generation == h.generation
	})
}

func (h *host) AwaitState(state nodespec.State) nodespec.Heartbeat {
	h.t.Helper()
	return h.Await("state "+string(state), func(b nodespec.Heartbeat) bool { return b.State == state })
}

// Start runs all agents until all nodes work.
func (c *testCluster) Start() {
	c.t.Helper()
	hosts := append(slices.Clone(c.Controllers), c.Broker)
	for _, h := range hosts {
		h.StartAgent()
	}
	for _, h := range hosts {
		h.Assign()
	}
	for _, h := range hosts {
		h.AwaitRunning()
	}
}

// Signal signals the host's Kafka, past its agent.
func (h *host) Signal(signal syscall.Signal) int {
	h.t.Helper()
	kafka, found, err := brokeragent.KafkaOf(h.dir)
	if err != nil || !found {
		h.t.Fatalf("%s has no Kafka to signal: %v", h.id, err)
	}
	if err := syscall.Kill(kafka.PID, signal); err != nil {
		h.t.Fatal(err)
	}
	return kafka.PID
}

// post is the control plane's memory: the mailboxes of both hosts.
type post struct {
	mu      sync.Mutex
	specs   map[string]nodespec.Spec
	beats   map[string]nodespec.Heartbeat
	changed chan struct{} // closed at every change
}

func (p *post) Token(_ context.Context, hostID string) (string, error) {
	return "token of " + hostID, nil
}

func (p *post) Spec(ctx context.Context, hostID string, above int64) (nodespec.Spec, bool, error) {
	timeout := time.After(20 * time.Second)
	for {
		p.mu.Lock()
		spec, changed := p.specs[hostID], p.changed
		p.mu.Unlock()
		if spec.Generation > above {
			return spec, true, nil
		}
		select {
		case <-changed:
		case <-timeout:
			return nodespec.Spec{}, false, nil
		case <-ctx.Done():
			return nodespec.Spec{}, false, fault.New(fault.Unavailable, "%w", ctx.Err())
		}
	}
}

func (p *post) PutBeat(_ context.Context, hostID string, beat nodespec.Heartbeat) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beats[hostID] = beat
	p.announce()
	return nil
}

func (p *post) put(hostID string, spec nodespec.Spec) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.specs[hostID] = spec
	p.announce()
}

func (p *post) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *post) beat(hostID string) (nodespec.Heartbeat, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.beats[hostID], p.changed
}

// forget drops the last heartbeat, so that only a new one counts.
func (p *post) forget(hostID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.beats, hostID)
}

// authority is a cluster's certificate authority.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{certificate, key, certificatePEM(der)}
}

func (a authority) sign(t *testing.T, request, address string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(request))
	if block == nil {
		t.Fatalf("not a signing request: %q", request)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		t.Fatal(err)
	}
	serial := big.NewInt(mathrand.Int64())
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: brokerconfig.InternalUser},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(address)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.certificate, csr.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return certificatePEM(der)
}

func certificatePEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func newID(t *testing.T) string {
	t.Helper()
	id, err := cluster.NewKafkaID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// residentMiB reads how much memory a process holds.
func residentMiB(t *testing.T, pid int) float64 {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(content), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib / 1024
		}
	}
	t.Fatalf("process %d does not tell its memory", pid)
	return 0
}

// kafkasOf lists the processes whose command line names a host directory: never more than one may.
func kafkasOf(t *testing.T, dir string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if err == nil && slices.Contains(strings.Split(string(line), "\x00"), "-Dmillrace.host="+dir) {
			found = append(found, pid)
		}
	}
	return found
}

// contents reads every file under a directory, to see that nothing was touched.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		content, err := io.ReadAll(file)
		all[path] = string(content)
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}
