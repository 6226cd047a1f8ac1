package sim

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec/tablemailbox"
)

// cloud is as much of EC2 as there is to a cluster. A volume and an address are free only once their host is terminated, a
// launch token that was used gives the host of that first time, and a host that ended an hour ago was never heard of.
type cloud struct {
	w *World
	// rng are the random numbers of whatever happens by itself, a tick after the other. It is guarded by the world's lock.
	rng *rand.Rand

	// All of it is guarded by the world's lock.
	addresses map[cluster.Token]cluster.Address
	volumes   map[cluster.Token]*volume
	hosts     []*host // in the order of their launch
	secrets   map[string]string
	watchers  map[chan struct{}]bool
	taken     int
	// lax is EC2 without the rules that protect volumes and addresses, for bugs that are planted above it: nobody else then
	// keeps a second writer away.
	lax bool
}

// volume is an EBS volume with what is on it.
type volume struct {
	id      string
	token   cluster.Token
	sizeGiB int
	host    *host // that it is attached to

	throughputMiB int
	target        cluster.VolumeShape // of the last change
	settled       time.Time           // when that is over
	changesAgain  time.Time           // when EBS takes another
	gaveUp        bool                // EBS has not made the change
	detaching     bool

	formattedFor  string // the Kafka cluster; empty while nothing is on the volume
	node          int32
	everFormatted bool
	logs          map[*partition][]record
	metadata      int // how many changes of the cluster's metadata a voter knows

	joined           // what a log volume is made of
	holdsGiB float64 // what is on the log volume that begins on it
}

func newCloud(w *World) *cloud {
	return &cloud{
		w: w, rng: w.random("cloud"),
		addresses: map[cluster.Token]cluster.Address{}, volumes: map[cluster.Token]*volume{}, secrets: map[string]string{},
		watchers: map[chan struct{}]bool{},
	}
}

// call is one call of the platform: it takes its time, and may fail before it does anything or lose its answer after.
func call[T any](ctx context.Context, c *cloud, name, about string, do func() (T, error)) (T, error) {
	var none T
	a := actorOf(ctx)
	c.w.pass(a, c.w.weather.takes(a, name, between(a.rng, 20*time.Millisecond, 400*time.Millisecond)))
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if err := c.w.weather.strike(a, name); err != nil {
		c.w.note(a.name, name+" "+about+": refused")
		return none, err
	}
	c.w.mu.Lock()
	got, err := do()
	c.w.noteLocked(a.name, name+" "+about+": "+outcome(err))
	c.w.mu.Unlock()
	if err != nil {
		return none, err
	}
	if err := c.w.weather.lose(a, name); err != nil {
		return none, err
	}
	return got, nil
}

func outcome(err error) string {
	if err == nil {
		return "done"
	}
	return string(fault.CodeOf(err))
}

type nothing = struct{}

// Zones gives the zones of subnets.
func (c *cloud) Zones(ctx context.Context, subnets []string) ([]string, error) {
	return call(ctx, c, "Zones", "", func() ([]string, error) {
		zones := make([]string, len(subnets))
		for i, subnet := range subnets {
			if !strings.HasPrefix(subnet, "subnet-") {
				return nil, fault.InvalidParameter("clientSubnets", "%q is no subnet", subnet)
			}
			zones[i] = "zone-" + strings.TrimPrefix(subnet, "subnet-")
		}
		return zones, nil
	})
}

// EnsureAddress makes an address once for each token.
func (c *cloud) EnsureAddress(ctx context.Context, r cluster.AddressRequest) (cluster.Address, error) {
	return call(ctx, c, "EnsureAddress", r.Token.String(), func() (cluster.Address, error) {
		if _, there := c.addresses[r.Token]; !there {
			c.taken++
			ip := fmt.Sprintf("10.0.%d.%d", c.taken/250, 1+c.taken%250)
			c.addresses[r.Token] = cluster.Address{ID: "eni-" + r.Token.String(), IP: ip, Name: ip}
		}
		return c.addresses[r.Token], nil
	})
}

// NameKnown is always so here.
func (c *cloud) NameKnown(ctx context.Context, a cluster.Address) (bool, error) {
	return call(ctx, c, "NameKnown", a.ID, func() (bool, error) { return true, nil })
}

// ReleaseAddress removes an address that no host uses any more.
func (c *cloud) ReleaseAddress(ctx context.Context, token cluster.Token) error {
	_, err := call(ctx, c, "ReleaseAddress", token.String(), func() (nothing, error) {
		if h := c.at(token); h != nil {
			return nothing{}, fault.New(fault.Conflict, "host %s uses the address", h.id)
		}
		delete(c.addresses, token)
		return nothing{}, nil
	})
	return err
}

// at gives the host that has not ended and is at a node's address; nil when there is none.
func (c *cloud) at(node cluster.Token) *host {
	for _, h := range c.hosts {
		if h.token.ClusterID == node.ClusterID && h.token.NodeID == node.NodeID && !h.gone() {
			return h
		}
	}
	return nil
}

// EnsureVolume makes a volume once for each token.
func (c *cloud) EnsureVolume(ctx context.Context, r cluster.VolumeRequest) (cluster.Volume, error) {
	return call(ctx, c, "EnsureVolume", r.Token.String(), func() (cluster.Volume, error) {
		if c.volumes[r.Token] == nil {
			c.judgeRecordLocked(r)
			c.volumes[r.Token] = &volume{id: "vol-" + r.Token.String(), token: r.Token, sizeGiB: r.SizeGiB, logs: map[*partition][]record{}}
			c.volumes[r.Token].wholeGiB = r.WholeGiB
		}
		v := c.volumes[r.Token]
		return cluster.Volume{ID: v.id, SizeGiB: v.sizeGiB, ThroughputMiB: v.throughputMiB}, nil
	})
}

func (c *cloud) volumeByID(id string) *volume {
	for _, v := range c.volumes {
		if v.id == id {
			return v
		}
	}
	return nil
}

// AttachVolume attaches a volume to a running host, unless another has it.
func (c *cloud) AttachVolume(ctx context.Context, id, hostID string) error {
	_, err := call(ctx, c, "AttachVolume", id+" to "+hostID, func() (nothing, error) {
		h, v := c.host(hostID), c.volumeByID(id)
		switch {
		case h == nil || h.state != cluster.HostRunning:
			return nothing{}, fault.New(fault.Conflict, "host %s does not run", hostID)
		case v == nil:
			return nothing{}, fault.New(fault.NotFound, "there is no volume %s", id)
		case v.host != nil && v.host != h && !v.host.gone() && !c.lax:
			return nothing{}, fault.New(fault.Conflict, "volume %s is attached to %s", id, v.host.id)
		}
		v.host = h
		switch {
		case v.token.Volume == 0:
			h.volume = v
		case !slices.Contains(h.further, v):
			h.further = append(h.further, v)
		}
		return nothing{}, nil
	})
	return err
}

// DetachVolume takes a volume from a host, which lets go of it in its own time.
func (c *cloud) DetachVolume(ctx context.Context, id, hostID string) error {
	_, err := call(ctx, c, "DetachVolume", id+" from "+hostID, func() (nothing, error) {
		v, h := c.volumeByID(id), c.host(hostID)
		if v == nil || h == nil || v.host != h || h.gone() {
			return nothing{}, nil
		}
		if v.of != nil {
			c.w.violateLocked("volume %s is taken from host %s with %d GiB of the log volume on it", id, hostID, v.extents)
		}
		if !v.detaching {
			v.detaching = true
			c.w.laterLocked("detachment of "+id, between(c.rng, time.Second, 8*time.Second), func(context.Context, *actor) {
				c.w.mu.Lock()
				defer c.w.mu.Unlock()
				if v.detaching = false; v.host == h {
					v.host = nil
					h.further = slices.DeleteFunc(slices.Clone(h.further), func(m *volume) bool { return m == v })
					c.w.noteLocked("cloud", v.id+" is detached")
				}
			})
		}
		return nothing{}, fault.New(fault.Unavailable, "volume %s is on its way from host %s", id, hostID)
	})
	return err
}

// DeleteVolume deletes a volume that no host has any more.
func (c *cloud) DeleteVolume(ctx context.Context, token cluster.Token) error {
	_, err := call(ctx, c, "DeleteVolume", token.String(), func() (nothing, error) {
		v := c.volumes[token]
		if v == nil {
			return nothing{}, nil
		}
		if v.host != nil && !v.host.gone() {
			return nothing{}, fault.New(fault.Conflict, "volume %s is attached to %s", v.id, v.host.id)
		}
		if k := c.w.kafka.ofCluster(token.ClusterID); k != nil && !k.deleting && v.formattedFor != "" {
			c.w.violateLocked("volume %s of %s is deleted, which nobody has asked for", v.id, k.name)
		} else if k != nil && !k.deleting && v.of != nil {
			c.w.violateLocked("further volume %s of %s is deleted with %d GiB of its log volume on it", v.id, k.name, v.extents)
		}
		delete(c.volumes, token)
		return nothing{}, nil
	})
	return err
}

// hostID is the id of a launch's host.
func hostID(token cluster.Token) string { return "i-" + token.String() }

// host gives a host that was ever launched; nil for any other id.
func (c *cloud) host(id string) *host {
	for _, h := range c.hosts {
		if h.id == id {
			return h
		}
	}
	return nil
}

func (h *host) told() cluster.Host {
	return cluster.Host{ID: h.id, State: h.state, Impaired: h.impaired && h.on()}
}

// LaunchHost launches a host once for each token.
func (c *cloud) LaunchHost(ctx context.Context, r cluster.HostRequest) (cluster.Host, error) {
	return call(ctx, c, "LaunchHost", r.Token.String(), func() (cluster.Host, error) {
		if h := c.host(hostID(r.Token)); h != nil {
			if h.forgotten {
				return cluster.Host{State: cluster.HostTerminated}, nil
			}
			return h.told(), nil
		}
		if h := c.at(r.Token); h != nil && !c.lax {
			return cluster.Host{}, fault.New(fault.Conflict, "address %s is used by host %s", r.AddressID, h.id)
		}
		if err := c.w.weather.capacityLocked(); err != nil {
			return cluster.Host{}, err
		}
		h := &host{w: c.w, id: hostID(r.Token), token: r.Token, role: r.Role, state: cluster.HostPending, launched: time.Now()}
		c.hosts = append(c.hosts, h)
		boots := between(c.rng, 8*time.Second, 40*time.Second)
		stillborn := c.w.weather.stillbornLocked()
		c.w.laterLocked("boot of "+h.id, boots, func(context.Context, *actor) {
			c.w.mu.Lock()
			defer c.w.mu.Unlock()
			switch {
			case h.state != cluster.HostPending:
			case stillborn:
				c.endLocked(h, "it did not start")
			default:
				c.turnLocked(h, cluster.HostRunning)
				h.agent = newAgent(h)
			}
		})
		return h.told(), nil
	})
}

func newAgent(h *host) *agent {
	return &agent{h: h, mailbox: tablemailbox.New(h.id, h.w.records())}
}

// turnLocked brings a host to another state, and tells those who watch.
func (c *cloud) turnLocked(h *host, state cluster.HostState) {
	h.state = state
	c.w.noteLocked("cloud", h.id+" is "+string(state))
	for watching := range c.watchers {
		select {
		case watching <- struct{}{}:
		default:
		}
	}
	c.w.hostChangedLocked(h)
}

// endLocked terminates a host: nothing runs on it any more, and its volume and address are free.
func (c *cloud) endLocked(h *host, why string) {
	if h.gone() {
		return
	}
	if h.kafka != nil {
		h.kafka.end(why)
	}
	if h.agent != nil {
		h.agent.gone = true
		h.agent = nil
	}
	if v := h.volume; v != nil && v.host == h {
		v.host = nil
	}
	for _, v := range h.further {
		if v.host == h {
			v.host = nil
		}
	}
	h.volume, h.further = nil, nil
	c.turnLocked(h, cluster.HostTerminated)
	c.w.laterLocked("memory of "+h.id, time.Hour, func(context.Context, *actor) {
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
		h.forgotten = true
	})
}

// FindHost finds the host that a token has launched.
func (c *cloud) FindHost(ctx context.Context, token cluster.Token) (cluster.Host, error) {
	return call(ctx, c, "FindHost", token.String(), func() (cluster.Host, error) {
		if h := c.host(hostID(token)); h != nil && !h.forgotten {
			return h.told(), nil
		}
		return cluster.Host{}, fault.New(fault.NotFound, "no host has the token %s", token)
	})
}

// Host tells of a host; one that is not known is terminated.
func (c *cloud) Host(ctx context.Context, id string) (cluster.Host, error) {
	return call(ctx, c, "Host", id, func() (cluster.Host, error) {
		if h := c.host(id); h != nil && !h.forgotten {
			return h.told(), nil
		}
		return cluster.Host{ID: id, State: cluster.HostTerminated}, nil
	})
}

// HostStates tells of many hosts at once. One that is not known is missing.
func (c *cloud) HostStates(ctx context.Context, ids []string) (map[string]cluster.Host, error) {
	return call(ctx, c, "HostStates", "", func() (map[string]cluster.Host, error) {
		known := map[string]cluster.Host{}
		for _, id := range ids {
			if h := c.host(id); h != nil && !h.forgotten {
				known[id] = h.told()
			}
		}
		return known, nil
	})
}

// WatchHosts signals when a host has changed its state.
func (c *cloud) WatchHosts() (<-chan struct{}, func()) {
	watching := make(chan struct{}, 1)
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.watchers[watching] = true
	return watching, func() {
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
		delete(c.watchers, watching)
	}
}

// RetireHost begins to end a host. What runs on it goes on for a moment; asking again ends it sooner.
func (c *cloud) RetireHost(ctx context.Context, id string) error {
	_, err := call(ctx, c, "RetireHost", id, func() (nothing, error) {
		h := c.host(id)
		if h == nil || h.gone() {
			return nothing{}, nil
		}
		ends := between(c.rng, 2*time.Second, 15*time.Second)
		if h.state != cluster.HostShuttingDown {
			c.w.judgeStopLocked(h, "its host is retired")
			if odds(c.rng, 3) {
				ends = between(c.rng, 15*time.Second, 3*time.Minute)
			}
			c.turnLocked(h, cluster.HostShuttingDown)
		}
		c.w.laterLocked("end of "+h.id, ends, func(context.Context, *actor) {
			c.w.mu.Lock()
			defer c.w.mu.Unlock()
			c.endLocked(h, "its host is terminated")
		})
		return nothing{}, nil
	})
	return err
}

// ForgetHost has nothing to forget: EC2 does so by itself.
func (c *cloud) ForgetHost(ctx context.Context, id string) error {
	_, err := call(ctx, c, "ForgetHost", id, func() (nothing, error) {
		if h := c.host(id); h != nil && !h.gone() && !c.lax {
			return nothing{}, fault.New(fault.Conflict, "host %s is %s", id, h.state)
		}
		return nothing{}, nil
	})
	return err
}

// PutSecret keeps the first secret of a name.
func (c *cloud) PutSecret(ctx context.Context, name, value string) (string, error) {
	return call(ctx, c, "PutSecret", name, func() (string, error) {
		if _, there := c.secrets[name]; !there {
			c.secrets[name] = value
		}
		return c.secrets[name], nil
	})
}

// Secret gives a secret.
func (c *cloud) Secret(ctx context.Context, name string) (string, error) {
	return call(ctx, c, "Secret", name, func() (string, error) {
		value, there := c.secrets[name]
		if !there {
			return "", fault.New(fault.NotFound, "there is no secret %s", name)
		}
		return value, nil
	})
}

// DeleteSecrets removes all secrets below a prefix.
func (c *cloud) DeleteSecrets(ctx context.Context, prefix string) error {
	_, err := call(ctx, c, "DeleteSecrets", prefix, func() (nothing, error) {
		maps.DeleteFunc(c.secrets, func(name, _ string) bool { return strings.HasPrefix(name, prefix) })
		return nothing{}, nil
	})
	return err
}

// left names everything that is there: addresses, volumes, secrets, and hosts that have not ended.
func (c *cloud) left() []string {
	var names []string
	for _, a := range c.addresses {
		names = append(names, a.ID)
	}
	for _, v := range c.volumes {
		names = append(names, v.id)
	}
	for _, h := range c.hosts {
		if !h.gone() {
			names = append(names, h.id)
		}
	}
	names = slices.AppendSeq(names, maps.Keys(c.secrets))
	slices.Sort(names)
	return names
}

// signingRequest is what every agent asks for a certificate with: keys take long to make.
var signingRequest = sync.OnceValue(func() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.CreateCertificateRequest(cryptorand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
})
