package local_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/platform/platformtest"
)

// openWithAgents opens a platform whose hosts run the agent of these tests.
func openWithAgents(t *testing.T) *local.Platform {
	t.Helper()
	agent, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	p, err := local.Open(local.Config{
		Layout: local.Layout{Dir: dir}, Region: "us-east-1", Agent: agent, Software: filepath.Join(dir, "software"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.Hosts.PowerOff(), p.Close()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func conforming(t *testing.T) platformtest.Platform {
	p := openWithAgents(t)
	return platformtest.Platform{
		Hosts: p.Hosts, Volumes: p.Volumes, Addresses: p.Addresses, Secrets: p.Secrets, Zones: p.Zones,
		Subnets: []string{"subnet-c", "subnet-a", "subnet-b"},
	}
}

func TestHosts_Conform(t *testing.T)     { platformtest.HostsSuite(t, conforming) }
func TestVolumes_Conform(t *testing.T)   { platformtest.VolumesSuite(t, conforming) }
func TestAddresses_Conform(t *testing.T) { platformtest.AddressesSuite(t, conforming) }
func TestSecrets_Conform(t *testing.T)   { platformtest.SecretsSuite(t, conforming) }
func TestZones_Conform(t *testing.T)     { platformtest.ZonesSuite(t, conforming) }

func requestFor(node int32, attempt int) cluster.HostRequest {
	return cluster.HostRequest{
		Token: cluster.Token{ClusterID: "c", NodeID: node, Attempt: attempt}, ClusterName: "orders", Role: cluster.Broker,
	}
}

func launch(t *testing.T, p *local.Platform, request cluster.HostRequest) (cluster.Host, string) {
	t.Helper()
	h, err := p.Hosts.LaunchHost(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	return h, hostDir(p, h.ID)
}

func hostDir(p *local.Platform, id string) string { return filepath.Join(p.Layout.Dir, "hosts", id) }

func TestHosts_ManyLaunchesStartOneAgent(t *testing.T) {
	p := openWithAgents(t)
	tokens := make([]string, 8)
	var launches sync.WaitGroup
	for i := range tokens {
		launches.Go(func() {
			h, err := p.Hosts.LaunchHost(t.Context(), requestFor(1, 1))
			if err != nil {
				t.Error(err)
				return
			}
			if tokens[i], err = p.Hosts.Token(t.Context(), h.ID); err != nil {
				t.Error(err)
			}
		})
	}
	launches.Wait()
	h, dir := launch(t, p, requestFor(1, 1))
	if pids := started(t, dir, 2); len(pids) != 2 { // the agent and its Kafka
		t.Errorf("%d processes were started", len(pids))
	}
	token, err := p.Hosts.Token(t.Context(), h.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, seen := range tokens {
		if seen != token {
			t.Error("the token of the host's mailbox has changed under its agent")
		}
	}
}

func TestHosts_NoProcessOfARetiredHostLives(t *testing.T) {
	p := openWithAgents(t)
	h, dir := launch(t, p, requestFor(1, 1))
	pids := started(t, dir, 2)
	if err := p.Hosts.RetireHost(t.Context(), h.ID); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if lives(pid, dir) {
			t.Errorf("process %d of the host lives", pid)
		}
	}
	if _, err := p.Hosts.Token(t.Context(), h.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("its mailbox is open: %v", err)
	}
}

func TestHosts_PowerOnStartsWhatHasDiedAndNothingThatWasRetired(t *testing.T) {
	p := openWithAgents(t)
	h, dir := launch(t, p, requestFor(1, 1))
	for _, pid := range started(t, dir, 2) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for lives(pid, dir) {
			continue // the kernel is at it
		}
	}
	if host, err := p.Hosts.Host(t.Context(), h.ID); err != nil || host.State != cluster.HostStopped {
		t.Errorf("%+v, %v", host, err)
	}
	if err := p.Hosts.PowerOn(); err != nil {
		t.Fatal(err)
	}
	started(t, dir, 4)
	if err := p.Hosts.RetireHost(t.Context(), h.ID); err != nil {
		t.Fatal(err)
	}
	if err := p.Hosts.PowerOn(); err != nil {
		t.Fatal(err)
	}
	if host, err := p.Hosts.Host(t.Context(), h.ID); err != nil || host.State != cluster.HostTerminated {
		t.Errorf("after it was retired: %+v, %v", host, err)
	}
}

// The control plane looks for hosts without an agent all the time, also while it deletes a cluster.
func TestHosts_AreNotStartedAgainWhileTheyAreRetired(t *testing.T) {
	p := openWithAgents(t)
	done := make(chan struct{})
	var keeper sync.WaitGroup
	for range 2 {
		keeper.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					if err := p.Hosts.PowerOn(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for node := range int32(8) {
		h, _ := launch(t, p, requestFor(node, 1))
		if err := p.Hosts.RetireHost(t.Context(), h.ID); err != nil {
			t.Error(err)
		}
		if host, err := p.Hosts.Host(t.Context(), h.ID); err != nil || host.State != cluster.HostTerminated {
			t.Errorf("a host that was retired: %+v, %v", host, err)
		}
		if err := p.Hosts.ForgetHost(t.Context(), h.ID); err != nil {
			t.Error(err)
		}
	}
	close(done)
	keeper.Wait()
	if n, err := p.Hosts.Running(t.Context()); err != nil || n != 0 {
		t.Errorf("%d hosts run, %v", n, err)
	}
}

// A control plane that was killed in the middle of a launch has left a directory in which nothing can run yet.
func TestHosts_AHalfMadeHostIsFoundAndForgotten(t *testing.T) {
	p := openWithAgents(t)
	h, dir := launch(t, p, requestFor(1, 1))
	started(t, dir, 2)
	if err := p.Hosts.RetireHost(t.Context(), h.ID); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"host.json", "terminated"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}

	found, err := p.Hosts.FindHost(t.Context(), requestFor(1, 1).Token)
	if err != nil || found.ID != h.ID || found.State == cluster.HostRunning {
		t.Fatalf("%+v, %v", found, err)
	}
	if err := errors.Join(p.Hosts.RetireHost(t.Context(), h.ID), p.Hosts.ForgetHost(t.Context(), h.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory is still there (%v)", err)
	}
}

func TestHosts_InheritNoCredentials(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
	p := openWithAgents(t)
	_, dir := launch(t, p, requestFor(1, 1))
	environment, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(started(t, dir, 1)[0]), "environ"))
	if err != nil || strings.Contains(string(environment), "AWS_") {
		t.Errorf("the agent's environment is %q (%v)", environment, err)
	}
}

func TestVolumes_KeepTheirDataWhenTheHostEnds(t *testing.T) {
	p := openWithAgents(t)
	v, err := p.Volumes.EnsureVolume(t.Context(), cluster.VolumeRequest{Token: cluster.Token{ClusterID: "c", NodeID: 1}})
	if err != nil {
		t.Fatal(err)
	}
	first, dir := launch(t, p, requestFor(1, 1))
	if err := p.Volumes.AttachVolume(t.Context(), v.ID, first.ID); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "volume", "meta.properties"), []byte("node.id=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Hosts.RetireHost(t.Context(), first.ID), p.Hosts.ForgetHost(t.Context(), first.ID)); err != nil {
		t.Fatal(err)
	}
	second, dir := launch(t, p, requestFor(1, 2))
	if err := p.Volumes.AttachVolume(t.Context(), v.ID, second.ID); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(filepath.Join(dir, "volume", "meta.properties")); err != nil || string(content) != "node.id=1\n" {
		t.Errorf("%q, %v", content, err)
	}
}

func TestVolumes_OfManyHostsOneGetsIt(t *testing.T) {
	p := openWithAgents(t)
	v, err := p.Volumes.EnsureVolume(t.Context(), cluster.VolumeRequest{Token: cluster.Token{ClusterID: "c", NodeID: 1}})
	if err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 4)
	var attaches sync.WaitGroup
	for i := range errs {
		h, _ := launch(t, p, requestFor(int32(i+1), 1))
		attaches.Go(func() { errs[i] = p.Volumes.AttachVolume(t.Context(), v.ID, h.ID) })
	}
	attaches.Wait()
	attached := 0
	for _, err := range errs {
		switch {
		case err == nil:
			attached++
		case !fault.Is(err, fault.Conflict):
			t.Error(err)
		}
	}
	if attached != 1 {
		t.Errorf("the volume is attached to %d hosts", attached)
	}
}

func TestAddresses_SkipWhatSomebodyListensOn(t *testing.T) {
	request := cluster.AddressRequest{Token: cluster.Token{ClusterID: "c", NodeID: 1}, Ports: []int{9094, 9095}}
	first, err := openWithAgents(t).Addresses.EnsureAddress(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	occupy(t, net.JoinHostPort(first.IP, "9094"))
	second, err := openWithAgents(t).Addresses.EnsureAddress(t.Context(), request)
	if err != nil || second.IP == first.IP {
		t.Errorf("%+v, %v: somebody else listens there", second, err)
	}
}

// A Kafka or a container that listens on 0.0.0.0 is in the way of those only who need the same port.
func TestAddresses_NameThePortThatAProgramTookEverywhere(t *testing.T) {
	everywhere := occupy(t, "0.0.0.0:0")
	request := cluster.AddressRequest{Token: cluster.Token{ClusterID: "c", NodeID: 1}, Ports: []int{everywhere}}
	addresses := openWithAgents(t).Addresses
	_, err := addresses.EnsureAddress(t.Context(), request)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), fmt.Sprintf("port %d", everywhere)) {
		t.Errorf("a taken port: %v", err)
	}
	request.Ports = []int{9095}
	if _, err := addresses.EnsureAddress(t.Context(), request); err != nil {
		t.Errorf("another port: %v", err)
	}
}

// occupy listens at an address until the test has ended.
func occupy(t *testing.T, address string) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().(*net.TCPAddr).Port
}

func TestSecrets_AreReadableByTheirOwnerOnly(t *testing.T) {
	p := openWithAgents(t)
	if _, err := p.Secrets.PutSecret(t.Context(), "c/authority", "secret"); err != nil {
		t.Fatal(err)
	}
	err := filepath.Walk(filepath.Join(p.Layout.Dir, "secrets"), func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
