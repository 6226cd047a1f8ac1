package platformtest

import (
	"context"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// Platform is what a platform has for nodes: the suites need the parts together, because a volume is attached to a host
// and a host has an address.
type Platform struct {
	Hosts
	Volumes
	Addresses
	Secrets
	Zones
	// Subnets are three subnets that hosts can be launched in, of three zones.
	Subnets []string
}

// Hosts are a platform's hosts.
type Hosts interface {
	LaunchHost(ctx context.Context, request cluster.HostRequest) (cluster.Host, error)
	FindHost(ctx context.Context, token cluster.Token) (cluster.Host, error)
	Host(ctx context.Context, id string) (cluster.Host, error)
	HostStates(ctx context.Context, ids []string) (map[string]cluster.Host, error)
	WatchHosts() (changed <-chan struct{}, stop func())
	RetireHost(ctx context.Context, id string) error
	ForgetHost(ctx context.Context, id string) error
}

// Volumes are a platform's log volumes.
type Volumes interface {
	EnsureVolume(ctx context.Context, request cluster.VolumeRequest) (cluster.Volume, error)
	AttachVolume(ctx context.Context, volumeID, hostID string) error
	DetachVolume(ctx context.Context, volumeID, hostID string) error
	GrowVolume(ctx context.Context, volumeID string, want cluster.VolumeShape) error
	VolumeGrown(ctx context.Context, volumeID string, want cluster.VolumeShape) (bool, error)
	DeleteVolume(ctx context.Context, token cluster.Token) error
}

// Addresses are a platform's fixed addresses.
type Addresses interface {
	EnsureAddress(ctx context.Context, request cluster.AddressRequest) (cluster.Address, error)
	ReleaseAddress(ctx context.Context, token cluster.Token) error
	NameKnown(ctx context.Context, address cluster.Address) (bool, error)
}

// Secrets are a platform's secrets.
type Secrets interface {
	PutSecret(ctx context.Context, name, value string) (kept string, err error)
	Secret(ctx context.Context, name string) (string, error)
	DeleteSecrets(ctx context.Context, prefix string) error
}

// Zones tell where subnets lie.
type Zones interface {
	Zones(ctx context.Context, subnets []string) ([]string, error)
}

// patience is how long a suite waits for a host. A cloud takes its time; one machine does not.
const patience = time.Minute

// node is the token of what is made once for a node of the suites' cluster.
func node(id int32) cluster.Token {
	return cluster.Token{ClusterID: "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9-7", NodeID: id}
}

// attempt is the token of one launch for a node.
func attempt(id int32, n int) cluster.Token {
	t := node(id)
	t.Attempt = n
	return t
}

func (p Platform) address(t *testing.T, token cluster.Token) cluster.Address {
	t.Helper()
	a, err := p.EnsureAddress(t.Context(), cluster.AddressRequest{
		Token: token, ClusterName: "orders", Role: cluster.Broker, Subnet: p.Subnets[0],
	})
	if err != nil {
		t.Fatalf("address for node %d: %v", token.NodeID, err)
	}
	return a
}

func (p Platform) volume(t *testing.T, token cluster.Token) cluster.Volume {
	t.Helper()
	v, err := p.EnsureVolume(t.Context(), p.volumeRequest(t, token))
	if err != nil {
		t.Fatalf("volume for node %d: %v", token.NodeID, err)
	}
	return v
}

// volumeRequest asks for a volume of 10 GiB.
func (p Platform) volumeRequest(t *testing.T, token cluster.Token) cluster.VolumeRequest {
	t.Helper()
	zones, err := p.Zones.Zones(t.Context(), p.Subnets)
	if err != nil {
		t.Fatalf("zones: %v", err)
	}
	return cluster.VolumeRequest{Token: token, ClusterName: "orders", Role: cluster.Broker, Rack: zones[0], SizeGiB: 10}
}

// request asks for a host of a node, at the node's address.
func (p Platform) request(t *testing.T, token cluster.Token) cluster.HostRequest {
	t.Helper()
	return cluster.HostRequest{
		Token: token, ClusterName: "orders", Role: cluster.Broker, Subnet: p.Subnets[0],
		InstanceType: "kafka.m7g.large", AddressID: p.address(t, node(token.NodeID)).ID,
	}
}

// launch launches a host, which ends with the test.
func (p Platform) launch(t *testing.T, token cluster.Token) cluster.Host {
	t.Helper()
	h, err := p.LaunchHost(t.Context(), p.request(t, token))
	if err != nil {
		t.Fatalf("launch %s: %v", token, err)
	}
	p.endWithTest(t, h.ID)
	return h
}

func (p Platform) endWithTest(t *testing.T, hostID string) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := p.RetireHost(ctx, hostID); err != nil {
			t.Errorf("end host %s: %v", hostID, err)
		}
	})
}

// launchRunning launches a host and waits until it runs.
func (p Platform) launchRunning(t *testing.T, token cluster.Token) cluster.Host {
	t.Helper()
	return p.waitFor(t, p.launch(t, token).ID, cluster.HostRunning)
}

// retire ends a host and waits until it has ended.
func (p Platform) retire(t *testing.T, hostID string) {
	t.Helper()
	if err := p.RetireHost(t.Context(), hostID); err != nil {
		t.Fatalf("retire %s: %v", hostID, err)
	}
	p.waitFor(t, hostID, cluster.HostTerminated)
}

func (p Platform) waitFor(t *testing.T, hostID string, state cluster.HostState) cluster.Host {
	t.Helper()
	changed, stop := p.WatchHosts()
	defer stop()
	late := time.After(patience)
	for {
		h, err := p.Host(t.Context(), hostID)
		if err != nil {
			t.Fatalf("look at host %s: %v", hostID, err)
		}
		if h.State == state {
			return h
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("host %s is still %s after %s, not %s", hostID, h.State, patience, state)
		}
	}
}

// suite runs checks, each on a platform of its own.
func suite(t *testing.T, open func(t *testing.T) Platform, checks map[string]func(*testing.T, Platform)) {
	t.Helper()
	for name, check := range checks {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
}

// wantState checks what a call told of a host.
func wantState(t *testing.T, what string, h cluster.Host, err error, id string, state cluster.HostState) {
	t.Helper()
	if err != nil || h.ID != id || h.State != state {
		t.Errorf("%s: %+v, %v; want %s %s", what, h, err, id, state)
	}
}

func wantInvalid(t *testing.T, what string, err error) {
	t.Helper()
	wantCode(t, what, err, fault.Invalid)
}
