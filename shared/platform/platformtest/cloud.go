package platformtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/watch"
)

// Cloud is a platform in memory: what is made is in its maps. It takes as long as a cloud does, remembers what it has
// made, and can fail the next call of a kind. It passes the suites of this package. Set its fields before the first call.
type Cloud struct {
	// BootsWithin and EndsWithin are how long a host takes to start and to end.
	BootsWithin, EndsWithin time.Duration
	// Boot runs on every host from its start until its context ends.
	Boot func(ctx context.Context, hostID string, nodeID int32)
	// Stillborn, where there is one, says which launches give a host that ends at once.
	Stillborn func(token cluster.Token) bool
	// NeverBoots and NeverEnds keep hosts as they are, NeverGrows volumes.
	NeverBoots, NeverEnds, NeverGrows bool
	// GrowsWithin is how long a volume takes to get larger.
	GrowsWithin time.Duration
	// Growing, where it is there, gives each change of a volume its own time instead.
	Growing func(id string) time.Duration
	// ChangesAgainAfter is how long a volume takes no other change after one.
	ChangesAgainAfter time.Duration
	// Takes, where there is one, is called at the start of every call by its name, and may take the call's time.
	Takes func(ctx context.Context, call string)
	// Booting and Ending, where they are there, give each host its own time to start and to end.
	Booting, Ending func(token cluster.Token) time.Duration
	// Named, where there is one, says whether an address's name is known by now.
	Named func(address cluster.Address) bool
	// Polled is for a cloud that tells nobody of its changes: WatchHosts signals so often instead, as a reminder to look.
	Polled time.Duration

	mu        sync.Mutex
	addresses map[cluster.Token]cluster.Address
	volumes   map[cluster.Token]*volume
	hosts     map[string]*host
	secrets   map[string]string
	taken     int                   // addresses so far: no two are the same
	launched  map[cluster.Token]int // hosts so far, by node
	troubles  map[string]*Trouble   // by the name of the call
	watchers  map[chan struct{}]bool
	harm      []string // that was done to data
}

type volume struct {
	cluster.Volume
	host   string    // that it is attached to
	grown  time.Time // when it has its size
	before int       // the size until then
	// changesAgain is when the volume takes another change.
	changesAgain time.Time
	// whole is what the log volume has with this further one, 0 for a first one; joined and left are what the host has made of it.
	whole        int
	joined, left bool
}

type host struct {
	cluster.Host
	token  cluster.Token
	off    func()        // ends what runs on it
	silent chan struct{} // closed when nothing runs on it any more
}

// Trouble is what is wrong with a kind of call.
type Trouble struct {
	Times int  // so many calls fail; below zero: all do
	Lost  bool // what was asked for happens, and only the answer is lost
	Err   error
}

// Strike tells whether this call fails.
func (t *Trouble) Strike() bool {
	if t == nil || t.Times == 0 {
		return false
	}
	t.Times--
	return true
}

// NewCloud gives a cloud without anything in it, as slow as one is.
func NewCloud() *Cloud {
	return &Cloud{
		BootsWithin: 5 * time.Second,
		EndsWithin:  3 * time.Second,
		GrowsWithin: 4 * time.Second,
		Boot:        func(context.Context, string, int32) {},

		addresses: map[cluster.Token]cluster.Address{},
		volumes:   map[cluster.Token]*volume{},
		hosts:     map[string]*host{},
		secrets:   map[string]string{},
		launched:  map[cluster.Token]int{},
		troubles:  map[string]*Trouble{},
		watchers:  map[chan struct{}]bool{},
	}
}

// Trouble makes calls of one method fail from now on; nil ends it.
func (c *Cloud) Trouble(method string, t *Trouble) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.troubles[method] = t
}

// call carries out one call under the lock, unless trouble comes in between.
func call[T any](ctx context.Context, c *Cloud, name string, do func() (T, error)) (T, error) {
	if c.Takes != nil {
		c.Takes(ctx, name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.troubles[name]
	if !t.Strike() {
		return do()
	}
	var none T
	if t.Lost {
		if _, err := do(); err != nil {
			return none, err
		}
	}
	return none, t.Err
}

type nothing = struct{}

func (c *Cloud) Zones(ctx context.Context, subnets []string) ([]string, error) {
	return call(ctx, c, "Zones", func() ([]string, error) {
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

func (c *Cloud) EnsureAddress(ctx context.Context, r cluster.AddressRequest) (cluster.Address, error) {
	return call(ctx, c, "EnsureAddress", func() (cluster.Address, error) {
		if _, there := c.addresses[r.Token]; !there {
			c.taken++
			ip := fmt.Sprintf("10.0.0.%d", c.taken)
			c.addresses[r.Token] = cluster.Address{ID: "eni-" + r.Token.String(), IP: ip, Name: ip}
		}
		return c.addresses[r.Token], nil
	})
}

func (c *Cloud) NameKnown(ctx context.Context, a cluster.Address) (bool, error) {
	return call(ctx, c, "NameKnown", func() (bool, error) { return c.Named == nil || c.Named(a), nil })
}

func (c *Cloud) ReleaseAddress(ctx context.Context, token cluster.Token) error {
	_, err := call(ctx, c, "ReleaseAddress", func() (nothing, error) {
		for _, h := range c.hosts {
			if h.token.NodeID == token.NodeID && h.State != cluster.HostTerminated {
				return nothing{}, fault.New(fault.Conflict, "host %s uses the address", h.ID)
			}
		}
		delete(c.addresses, token)
		return nothing{}, nil
	})
	return err
}

func (c *Cloud) EnsureVolume(ctx context.Context, r cluster.VolumeRequest) (cluster.Volume, error) {
	return call(ctx, c, "EnsureVolume", func() (cluster.Volume, error) {
		if c.volumes[r.Token] == nil {
			c.volumes[r.Token] = &volume{Volume: cluster.Volume{
				ID: "vol-" + r.Token.String(), SizeGiB: r.SizeGiB, ThroughputMiB: r.ThroughputMiB,
			}, whole: r.WholeGiB}
		}
		return c.volumes[r.Token].Volume, nil
	})
}

func (c *Cloud) AttachVolume(ctx context.Context, id, hostID string) error {
	_, err := call(ctx, c, "AttachVolume", func() (nothing, error) {
		h := c.hosts[hostID]
		if h == nil || h.State != cluster.HostRunning {
			return nothing{}, fault.New(fault.Conflict, "host %s does not run", hostID)
		}
		v, err := c.volume(id)
		if err != nil {
			return nothing{}, err
		}
		if holder := c.hosts[v.host]; holder != nil && holder != h && holder.State != cluster.HostTerminated {
			return nothing{}, fault.New(fault.Conflict, "volume %s is attached to %s", id, v.host)
		}
		v.host = hostID
		return nothing{}, nil
	})
	return err
}

func (c *Cloud) DetachVolume(ctx context.Context, id, hostID string) error {
	_, err := call(ctx, c, "DetachVolume", func() (nothing, error) {
		if v, err := c.volume(id); err == nil && v.host == hostID {
			if v.joined {
				c.harm = append(c.harm, fmt.Sprintf("volume %s was taken from %s with data on it", id, hostID))
			}
			v.host = ""
		}
		return nothing{}, nil
	})
	return err
}

func (c *Cloud) GrowVolume(ctx context.Context, id string, want cluster.VolumeShape) error {
	_, err := call(ctx, c, "GrowVolume", func() (nothing, error) {
		v, err := c.volume(id)
		if err != nil || v.Shape().Meets(want) || c.NeverGrows {
			return nothing{}, err
		}
		if now := time.Now(); now.Before(v.changesAgain) {
			return nothing{}, fault.Refused(fault.Conflict, cluster.VolumeRests,
				"volume %s takes no other change before %s", id, v.changesAgain.UTC().Format(time.RFC3339))
		}
		if !time.Now().Before(v.grown) {
			v.before = v.SizeGiB
		}
		v.Reshape(want)
		takes := c.GrowsWithin
		if c.Growing != nil {
			takes = c.Growing(id)
		}
		v.grown, v.changesAgain = time.Now().Add(takes), time.Now().Add(c.ChangesAgainAfter)
		return nothing{}, nil
	})
	return err
}

func (c *Cloud) VolumeGrown(ctx context.Context, id string, want cluster.VolumeShape) (bool, error) {
	return call(ctx, c, "VolumeGrown", func() (bool, error) {
		v, err := c.volume(id)
		return err == nil && v.Shape().Meets(want) && !time.Now().Before(v.grown), err
	})
}

func (c *Cloud) VolumeSize(ctx context.Context, id string) (int, error) {
	return call(ctx, c, "VolumeSize", func() (int, error) {
		v, err := c.volume(id)
		if err != nil {
			return 0, err
		}
		return v.SizeGiB, nil
	})
}

func (c *Cloud) volume(id string) (*volume, error) {
	for _, v := range c.volumes {
		if v.ID == id {
			return v, nil
		}
	}
	return nil, fault.New(fault.NotFound, "there is no volume %s", id)
}

func (c *Cloud) DeleteVolume(ctx context.Context, token cluster.Token) error {
	_, err := call(ctx, c, "DeleteVolume", func() (nothing, error) {
		v := c.volumes[token]
		if v == nil {
			return nothing{}, nil
		}
		if h := c.hosts[v.host]; h != nil && h.State != cluster.HostTerminated {
			return nothing{}, fault.New(fault.Conflict, "volume %s is attached to %s", v.ID, h.ID)
		}
		if v.joined && c.volumes[cluster.Token{ClusterID: token.ClusterID, NodeID: token.NodeID}] != nil {
			c.harm = append(c.harm, fmt.Sprintf("volume %s was deleted with data on it", v.ID))
		}
		delete(c.volumes, token)
		return nothing{}, nil
	})
	return err
}

func (c *Cloud) LaunchHost(ctx context.Context, r cluster.HostRequest) (cluster.Host, error) {
	return call(ctx, c, "LaunchHost", func() (cluster.Host, error) {
		id := c.HostIDOf(r.Token)
		if h := c.hosts[id]; h != nil {
			return h.Host, nil
		}
		life, off := context.WithCancel(context.Background())
		h := &host{Host: cluster.Host{ID: id, State: cluster.HostPending}, token: r.Token, off: off, silent: make(chan struct{})}
		c.hosts[id] = h
		c.launched[cluster.Token{ClusterID: r.Token.ClusterID, NodeID: r.Token.NodeID}]++
		if c.Stillborn != nil && c.Stillborn(r.Token) {
			h.State = cluster.HostTerminated
			off()
			close(h.silent)
			return h.Host, nil
		}
		boots := c.BootsWithin
		if c.Booting != nil {
			boots = c.Booting(r.Token)
		}
		go func() {
			defer close(h.silent)
			if pause(life, boots) && !c.NeverBoots && c.turn(h, cluster.HostRunning) {
				c.Boot(life, id, r.Token.NodeID)
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

// turn brings a host to another state. There is no way back from its end.
func (c *Cloud) turn(h *host, state cluster.HostState) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.State == cluster.HostTerminated || h.State == cluster.HostShuttingDown && state != cluster.HostTerminated {
		return false
	}
	h.State = state
	for w := range c.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
	return true
}

func (c *Cloud) FindHost(ctx context.Context, token cluster.Token) (cluster.Host, error) {
	return call(ctx, c, "FindHost", func() (cluster.Host, error) {
		if h := c.hosts[c.HostIDOf(token)]; h != nil {
			return h.Host, nil
		}
		return cluster.Host{}, fault.New(fault.NotFound, "no host has the token %s", token)
	})
}

func (c *Cloud) Host(ctx context.Context, id string) (cluster.Host, error) {
	return call(ctx, c, "Host", func() (cluster.Host, error) {
		if h := c.hosts[id]; h != nil {
			return h.Host, nil
		}
		return cluster.Host{ID: id, State: cluster.HostTerminated}, nil
	})
}

func (c *Cloud) HostStates(ctx context.Context, ids []string) (map[string]cluster.Host, error) {
	return call(ctx, c, "HostStates", func() (map[string]cluster.Host, error) {
		states := map[string]cluster.Host{}
		for _, id := range ids {
			if h := c.hosts[id]; h != nil {
				states[id] = h.Host
			}
		}
		return states, nil
	})
}

func (c *Cloud) WatchHosts() (<-chan struct{}, func()) {
	if c.Polled > 0 {
		return watch.Every(c.Polled)
	}
	w := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers[w] = true
	return w, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers, w)
	}
}

// RetireHost begins to end a host. It takes a while, as a cloud does.
func (c *Cloud) RetireHost(ctx context.Context, id string) error {
	_, err := call(ctx, c, "RetireHost", func() (nothing, error) {
		h := c.hosts[id]
		if h != nil && h.State != cluster.HostTerminated && h.State != cluster.HostShuttingDown && !c.NeverEnds {
			h.State = cluster.HostShuttingDown
			ends := c.EndsWithin
			if c.Ending != nil {
				ends = c.Ending(h.token)
			}
			go func() {
				h.off()
				<-h.silent
				time.Sleep(ends)
				c.turn(h, cluster.HostTerminated)
			}()
		}
		return nothing{}, nil
	})
	return err
}

func (c *Cloud) ForgetHost(ctx context.Context, id string) error {
	_, err := call(ctx, c, "ForgetHost", func() (nothing, error) {
		if h := c.hosts[id]; h != nil && h.State != cluster.HostTerminated {
			return nothing{}, fault.New(fault.Conflict, "host %s is %s", id, h.State)
		}
		delete(c.hosts, id)
		return nothing{}, nil
	})
	return err
}

func (c *Cloud) PutSecret(ctx context.Context, name, value string) (string, error) {
	return call(ctx, c, "PutSecret", func() (string, error) {
		if _, there := c.secrets[name]; !there {
			c.secrets[name] = value
		}
		return c.secrets[name], nil
	})
}

func (c *Cloud) Secret(ctx context.Context, name string) (string, error) {
	return call(ctx, c, "Secret", func() (string, error) {
		value, there := c.secrets[name]
		if !there {
			return "", fault.New(fault.NotFound, "there is no secret %s", name)
		}
		return value, nil
	})
}

func (c *Cloud) DeleteSecrets(ctx context.Context, prefix string) error {
	_, err := call(ctx, c, "DeleteSecrets", func() (nothing, error) {
		name, ok := strings.CutSuffix(prefix, "/")
		if !ok || path.Clean("/"+name) != "/"+name || name == "" {
			return nothing{}, fault.New(fault.Invalid, "%q is no prefix to delete secrets by", prefix)
		}
		for name := range c.secrets {
			if strings.HasPrefix(name, prefix) {
				delete(c.secrets, name)
			}
		}
		return nothing{}, nil
	})
	return err
}

// Alive are the ids of the hosts that have not ended.
func (c *Cloud) Alive() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for id, h := range c.hosts {
		if h.State != cluster.HostTerminated {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Left names everything that there is: addresses, volumes, hosts (also ended ones that are still known) and secrets.
func (c *Cloud) Left() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, a := range c.addresses {
		names = append(names, a.ID)
	}
	for _, v := range c.volumes {
		names = append(names, v.ID)
	}
	names = slices.AppendSeq(names, maps.Keys(c.hosts))
	names = slices.AppendSeq(names, maps.Keys(c.secrets))
	slices.Sort(names)
	return names
}

// Launched is how many hosts were ever launched for each node.
func (c *Cloud) Launched() map[cluster.Token]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.launched)
}

// VolumesOf are the volumes that are attached to a host, those of a node in the order of their numbers: the first one first.
func (c *Cloud) VolumesOf(hostID string) []cluster.Volume {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []cluster.Volume
	for _, token := range c.tokens() {
		if v := c.volumes[token]; v.host == hostID {
			found = append(found, v.Volume)
		}
	}
	return found
}

func (c *Cloud) tokens() []cluster.Token {
	return slices.SortedFunc(maps.Keys(c.volumes), func(a, b cluster.Token) int {
		return cmp.Or(cmp.Compare(a.NodeID, b.NodeID), cmp.Compare(a.Volume, b.Volume))
	})
}

// LogVolume is what a host makes of the volumes of its node that it has by now: it joins a further one that is blank, and leaves one
// as soon as the first has room for it. complete is false where it has not all that the log volume is made of, and can't use any.
func (c *Cloud) LogVolume(node cluster.Token, hostID string) (volumes, left []string, gib int, complete bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.volumes[node]
	if first == nil || first.host != hostID {
		return nil, nil, 0, false
	}
	volumes, gib = []string{first.ID}, first.usable()
	for _, token := range c.tokens() {
		v := c.volumes[token]
		switch {
		case token.NodeID != node.NodeID || token.Volume == 0:
			continue
		case v.host != hostID && v.joined:
			return nil, nil, 0, false
		case v.host != hostID:
			continue
		case !v.left && first.usable() >= v.whole:
			v.left, v.joined = true, false
		case !v.left:
			v.joined = true
		}
		if v.left {
			left = append(left, v.ID)
			continue
		}
		volumes, gib = append(volumes, v.ID), gib+v.usable()
	}
	return volumes, left, gib, true
}

// Rest lets every volume take no change for ChangesAgainAfter, as one that was changed a moment ago.
func (c *Cloud) Rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.volumes {
		v.changesAgain = time.Now().Add(c.ChangesAgainAfter)
	}
}

// Harm is what was done to the data on volumes.
func (c *Cloud) Harm() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.harm)
}

// AttachedTo gives the host that a volume is attached to, by its token; empty when there is none, or no volume.
func (c *Cloud) AttachedTo(node cluster.Token) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.volumes[node]; v != nil {
		return v.host
	}
	return ""
}

// SizeOf is how large a volume is, by its token, in GiB, as far as its host can use it; 0 when there is none.
func (c *Cloud) SizeOf(node cluster.Token) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.volumes[node]; v != nil {
		return v.usable()
	}
	return 0
}

func (v *volume) usable() int {
	if time.Now().Before(v.grown) {
		return v.before
	}
	return v.SizeGiB
}

// HostIDOf is the id that a launch's host has or would have.
func (c *Cloud) HostIDOf(token cluster.Token) string { return "i-" + token.String() }

// Kill ends a host as a cloud's hardware does: without asking. A host that is not known has ended.
func (c *Cloud) Kill(id string) {
	c.mu.Lock()
	h := c.hosts[id]
	c.mu.Unlock()
	if h == nil {
		return
	}
	h.off()
	<-h.silent
	c.turn(h, cluster.HostTerminated)
}

// PowerOff stops a host as somebody does by hand: it could be started again.
func (c *Cloud) PowerOff(id string) {
	c.mu.Lock()
	h := c.hosts[id]
	c.mu.Unlock()
	h.off()
	<-h.silent
	c.turn(h, cluster.HostStopped)
}

// ShutDown ends everything and waits until nothing runs any more.
func (c *Cloud) ShutDown() {
	for _, id := range c.Alive() {
		c.Kill(id)
	}
	time.Sleep(c.EndsWithin) // those who wait for the end of a host see it
}
