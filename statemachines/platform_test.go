package statemachines_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// platform is a cloud in memory: what is made is in its maps. It takes as long as a cloud does (in the bubble's time),
// remembers what it was asked, and can fail the next call of a kind.
type platform struct {
	mu        sync.Mutex
	addresses map[cluster.Token]cluster.Address
	volumes   map[cluster.Token]*volume
	hosts     map[string]*host
	secrets   map[string]string
	released  int // addresses so far: no two are the same
	launched  map[cluster.Token]int
	troubles  map[string]*trouble // by the name of the call
	watchers  map[chan struct{}]bool

	// boot runs on every host, until it ends.
	boot func(ctx context.Context, hostID string, nodeID int32)
	// stillborn says which launches give a host that ends at once.
	stillborn func(token cluster.Token) bool
	// neverBoots and neverEnds keep hosts as they are.
	neverBoots, neverEnds bool
}

type volume struct {
	cluster.Volume
	host string // that it is attached to
}

type host struct {
	cluster.Host
	token  cluster.Token
	off    func()        // ends what runs on it
	silent chan struct{} // closed when nothing runs on it any more
}

// trouble is what is wrong with a kind of call.
type trouble struct {
	times int  // so many calls fail; below zero: all do
	lost  bool // what was asked for happens, and only the answer is lost
	err   error
}

// strike tells whether this call fails.
func (t *trouble) strike() bool {
	if t == nil || t.times == 0 {
		return false
	}
	t.times--
	return true
}

func newPlatform() *platform {
	return &platform{
		addresses: map[cluster.Token]cluster.Address{},
		volumes:   map[cluster.Token]*volume{},
		hosts:     map[string]*host{},
		secrets:   map[string]string{},
		launched:  map[cluster.Token]int{},
		troubles:  map[string]*trouble{},
		watchers:  map[chan struct{}]bool{},
	}
}

// call carries out one call under the lock, unless trouble comes in between.
func call[T any](p *platform, name string, do func() (T, error)) (T, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.troubles[name]
	if !t.strike() {
		return do()
	}
	var none T
	if t.lost {
		if _, err := do(); err != nil {
			return none, err
		}
	}
	return none, t.err
}

type nothing = struct{}

func (p *platform) Zones(_ context.Context, subnets []string) ([]string, error) {
	return call(p, "Zones", func() ([]string, error) {
		zones := make([]string, len(subnets))
		for i, subnet := range subnets {
			zones[i] = "zone-" + strings.TrimPrefix(subnet, "subnet-")
		}
		return zones, nil
	})
}

func (p *platform) EnsureAddress(_ context.Context, r cluster.AddressRequest) (cluster.Address, error) {
	return call(p, "EnsureAddress", func() (cluster.Address, error) {
		if _, there := p.addresses[r.Token]; !there {
			p.released++
			ip := fmt.Sprintf("10.0.0.%d", p.released)
			p.addresses[r.Token] = cluster.Address{ID: "eni-" + r.Token.String(), IP: ip, Name: ip}
		}
		return p.addresses[r.Token], nil
	})
}

func (p *platform) ReleaseAddress(_ context.Context, token cluster.Token) error {
	_, err := call(p, "ReleaseAddress", func() (nothing, error) {
		for _, h := range p.hosts {
			if h.token.NodeID == token.NodeID && h.State != cluster.HostTerminated {
				return nothing{}, fault.New(fault.Conflict, "host %s uses the address", h.ID)
			}
		}
		delete(p.addresses, token)
		return nothing{}, nil
	})
	return err
}

func (p *platform) EnsureVolume(_ context.Context, r cluster.VolumeRequest) (cluster.Volume, error) {
	return call(p, "EnsureVolume", func() (cluster.Volume, error) {
		if p.volumes[r.Token] == nil {
			p.volumes[r.Token] = &volume{Volume: cluster.Volume{ID: "vol-" + r.Token.String(), SizeGiB: r.SizeGiB}}
		}
		return p.volumes[r.Token].Volume, nil
	})
}

func (p *platform) AttachVolume(_ context.Context, id, hostID string) error {
	_, err := call(p, "AttachVolume", func() (nothing, error) {
		h := p.hosts[hostID]
		if h == nil || h.State != cluster.HostRunning {
			return nothing{}, fault.New(fault.Conflict, "host %s does not run", hostID)
		}
		for _, v := range p.volumes {
			if v.ID != id {
				continue
			}
			if v.host != "" && v.host != hostID && p.hosts[v.host].State != cluster.HostTerminated {
				return nothing{}, fault.New(fault.Conflict, "volume %s is attached to %s", id, v.host)
			}
			v.host = hostID
			return nothing{}, nil
		}
		return nothing{}, fault.New(fault.NotFound, "there is no volume %s", id)
	})
	return err
}

func (p *platform) DeleteVolume(_ context.Context, token cluster.Token) error {
	_, err := call(p, "DeleteVolume", func() (nothing, error) {
		v := p.volumes[token]
		if v == nil {
			return nothing{}, nil
		}
		if h := p.hosts[v.host]; h != nil && h.State != cluster.HostTerminated {
			return nothing{}, fault.New(fault.Conflict, "volume %s is attached to %s", v.ID, h.ID)
		}
		delete(p.volumes, token)
		return nothing{}, nil
	})
	return err
}

// How long a cloud takes.
const (
	bootsWithin = 5 * time.Second
	endsWithin  = 3 * time.Second
)

func (p *platform) LaunchHost(_ context.Context, r cluster.HostRequest) (cluster.Host, error) {
	return call(p, "LaunchHost", func() (cluster.Host, error) {
		id := "i-" + r.Token.String()
		if h := p.hosts[id]; h != nil {
			return h.Host, nil
		}
		ctx, off := context.WithCancel(context.Background())
		h := &host{Host: cluster.Host{ID: id, State: cluster.HostPending}, token: r.Token, off: off, silent: make(chan struct{})}
		p.hosts[id] = h
		p.launched[cluster.Token{ClusterID: r.Token.ClusterID, NodeID: r.Token.NodeID}]++
		if p.stillborn != nil && p.stillborn(r.Token) {
			h.State = cluster.HostTerminated
			off()
			close(h.silent)
			return h.Host, nil
		}
		go func() {
			defer close(h.silent)
			if pause(ctx, bootsWithin) && !p.neverBoots && p.turn(h, cluster.HostRunning) {
				p.boot(ctx, id, r.Token.NodeID)
			}
		}()
		return h.Host, nil
	})
}

// pause waits; false when the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// turn brings a host to another state, which it never leaves when it is terminated.
func (p *platform) turn(h *host, state cluster.HostState) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.State == cluster.HostTerminated {
		return false
	}
	h.State = state
	for w := range p.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
	return true
}

func (p *platform) FindHost(_ context.Context, token cluster.Token) (cluster.Host, error) {
	return call(p, "FindHost", func() (cluster.Host, error) {
		if h := p.hosts["i-"+token.String()]; h != nil {
			return h.Host, nil
		}
		return cluster.Host{}, fault.New(fault.NotFound, "no host has the token %s", token)
	})
}

func (p *platform) Host(_ context.Context, id string) (cluster.Host, error) {
	return call(p, "Host", func() (cluster.Host, error) {
		if h := p.hosts[id]; h != nil {
			return h.Host, nil
		}
		return cluster.Host{ID: id, State: cluster.HostTerminated}, nil
	})
}

func (p *platform) WatchHosts() (<-chan struct{}, func()) {
	w := make(chan struct{}, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers[w] = true
	return w, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.watchers, w)
	}
}

// RetireHost begins to end a host. It takes a while, as a cloud does.
func (p *platform) RetireHost(_ context.Context, id string) error {
	_, err := call(p, "RetireHost", func() (nothing, error) {
		if h := p.hosts[id]; h != nil && h.State != cluster.HostTerminated && !p.neverEnds {
			go func() {
				h.off()
				<-h.silent
				time.Sleep(endsWithin)
				p.turn(h, cluster.HostTerminated)
			}()
		}
		return nothing{}, nil
	})
	return err
}

func (p *platform) ForgetHost(_ context.Context, id string) error {
	_, err := call(p, "ForgetHost", func() (nothing, error) {
		if h := p.hosts[id]; h != nil && h.State != cluster.HostTerminated {
			return nothing{}, fault.New(fault.Conflict, "host %s is %s", id, h.State)
		}
		delete(p.hosts, id)
		return nothing{}, nil
	})
	return err
}

func (p *platform) PutSecret(_ context.Context, name, value string) (string, error) {
	return call(p, "PutSecret", func() (string, error) {
		if _, there := p.secrets[name]; !there {
			p.secrets[name] = value
		}
		return p.secrets[name], nil
	})
}

func (p *platform) Secret(_ context.Context, name string) (string, error) {
	return call(p, "Secret", func() (string, error) {
		value, there := p.secrets[name]
		if !there {
			return "", fault.New(fault.NotFound, "there is no secret %s", name)
		}
		return value, nil
	})
}

func (p *platform) DeleteSecrets(_ context.Context, prefix string) error {
	_, err := call(p, "DeleteSecrets", func() (nothing, error) {
		for name := range p.secrets {
			if strings.HasPrefix(name, prefix) {
				delete(p.secrets, name)
			}
		}
		return nothing{}, nil
	})
	return err
}

// alive are the ids of the hosts that have not ended.
func (p *platform) alive() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []string
	for id, h := range p.hosts {
		if h.State != cluster.HostTerminated {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// left names everything that there is.
func (p *platform) left() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, a := range p.addresses {
		names = append(names, a.ID)
	}
	for _, v := range p.volumes {
		names = append(names, v.ID)
	}
	for id := range p.hosts {
		names = append(names, id)
	}
	for name := range p.secrets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// kill ends a host as a cloud's hardware does: without asking.
func (p *platform) kill(id string) {
	p.mu.Lock()
	h := p.hosts[id]
	p.mu.Unlock()
	h.off()
	<-h.silent
	p.turn(h, cluster.HostTerminated)
}

// shutDown ends everything, so that nothing runs on after the test.
func (p *platform) shutDown() {
	for _, id := range p.alive() {
		p.kill(id)
	}
	time.Sleep(2 * endsWithin) // hosts that were about to end do
}
