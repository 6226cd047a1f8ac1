package kafka

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// Pool asks clusters and changes them over connections that it keeps from one call to the next. Its zero value is ready for use,
// by any number of callers at once. A call ends within ten seconds if it only asks, and within twenty if it changes something.
//
// Connections belong to the access they were made with: once a cluster is asked with other secrets, those made with the old ones
// are closed. Those that nobody has used for a minute or two are closed too.
//
// What talks to a cluster from within this package goes through four functions: read asks any broker that is up to date, ask asks
// one that is named by its address, live gives the addresses by id, and change makes a change once.
type Pool struct {
	mu       sync.Mutex
	closed   bool
	clusters map[string]*connections // by the brokers' addresses
	sweeper  *time.Timer
	names    locks
}

// NewPool gives a pool without connections.
func NewPool() *Pool { return &Pool{} }

// Bounds of a pool.
const (
	// connectionsPerBroker bounds how many requests one broker is asked at a time: Kafka answers those of one connection one by
	// one, and who can't have a connection waits for it.
	connectionsPerBroker = 4
	// keepIdle is shorter than anything between us and a broker forgets about a silent connection.
	keepIdle = time.Minute
	// readWithin bounds a call that only asks.
	readWithin = 10 * time.Second
)

// Close closes every connection. Calls that are under way end with Unavailable, and so does every later one.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.sweeper != nil {
		p.sweeper.Stop()
	}
	for _, c := range p.clusters {
		c.close()
	}
	p.clusters = nil
	return nil
}

// of gives the connections to a cluster, which a cluster has without having any.
func (p *Pool) of(a Access) (*connections, error) {
	if len(a.Brokers) == 0 {
		return nil, unreachable(errors.New("there is no broker to ask"))
	}
	key, secrets := fmt.Sprintf("%q", a.Brokers), fingerprint(a)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, unreachable(errors.New("the pool is closed"))
	}
	c := p.clusters[key]
	if c != nil && c.secrets == secrets {
		return c, nil
	}
	config, err := a.config()
	if err != nil {
		return nil, err
	}
	if c != nil {
		c.close()
	}
	// A connection has one request at a time, and whoever makes it knows how long it may take.
	config.Net.ReadTimeout, config.Net.WriteTimeout = time.Minute, time.Minute
	c = &connections{seeds: slices.Clone(a.Brokers), secrets: secrets, config: config, looking: make(chan struct{}, 1)}
	if p.clusters == nil {
		p.clusters = map[string]*connections{}
	}
	p.clusters[key] = c
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(keepIdle, p.sweep)
	}
	return c, nil
}

// sweep closes what nobody uses, and comes again while there is anything.
func (p *Pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	for key, c := range p.clusters {
		if c.closeIdle() {
			delete(p.clusters, key)
		}
	}
	if p.sweeper = nil; len(p.clusters) > 0 {
		p.sweeper = time.AfterFunc(keepIdle, p.sweep)
	}
}

// fingerprint tells accesses apart without keeping what is secret of them.
func fingerprint(a Access) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q", []string{a.Authority, a.Certificate, a.Key, a.User, a.Password}))
}

// connections are those to the brokers of one cluster, made with one access.
type connections struct {
	seeds   []string
	secrets [sha256.Size]byte
	config  *sarama.Config
	looking chan struct{} // held by whoever asks the brokers about each other
	lists   rounds[[]cluster.Topic]

	mu       sync.Mutex
	closed   bool
	used     time.Time
	brokers  map[string]*brokerConnections
	opinions opinions
}

// brokerConnections are those to one broker: slots bounds how many there are, and idle are those without a request, the last used
// one last.
type brokerConnections struct {
	slots chan struct{}
	idle  []*connection
	busy  map[*connection]struct{}
}

// connection is used by one request at a time.
type connection struct {
	broker *sarama.Broker
	wire   *wire
	since  time.Time // when it became idle, by the clock on the wall: the one of a frozen process may stand still
	reused bool
}

// close ends everything: also requests that are under way.
func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, b := range c.brokers {
		for _, one := range b.idle {
			one.cut()
		}
		for one := range b.busy {
			one.cut()
		}
		b.idle = nil
	}
}

// closeIdle closes the connections that have been idle for too long, and tells whether there is none left.
func (c *connections) closeIdle() (empty bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	empty = now().Sub(c.used) > keepIdle
	for _, b := range c.brokers {
		b.idle = slices.DeleteFunc(b.idle, func(one *connection) bool {
			old := now().Sub(one.since) > keepIdle
			if old {
				one.cut()
			}
			return old
		})
		empty = empty && len(b.idle) == 0 && len(b.busy) == 0
	}
	return empty
}

func (c *connections) to(address string) *brokerConnections {
	if c.brokers == nil {
		c.brokers = map[string]*brokerConnections{}
	}
	b := c.brokers[address]
	if b == nil {
		b = &brokerConnections{slots: make(chan struct{}, connectionsPerBroker), busy: map[*connection]struct{}{}}
		c.brokers[address] = b
	}
	return b
}

// take gives a connection of the caller's own, an idle one or a new one that has still to be made.
func (c *connections) take(ctx context.Context, address string) (*connection, error) {
	c.mu.Lock()
	slots := c.to(address).slots
	c.mu.Unlock()
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return nil, timedOut(ctx, "all connections to %s are in use", address)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		<-slots
		return nil, unreachable(fmt.Errorf("the connections to %s are closed", address))
	}
	b := c.to(address)
	c.used = now()
	for len(b.idle) > 0 {
		one := b.idle[len(b.idle)-1]
		b.idle = b.idle[:len(b.idle)-1]
		if now().Sub(one.since) > keepIdle {
			one.cut()
			continue
		}
		one.reused = true
		b.busy[one] = struct{}{}
		return one, nil
	}
	one := &connection{broker: sarama.NewBroker(address), wire: newWire()}
	b.busy[one] = struct{}{}
	return one, nil
}

// put takes a connection back. One that has failed is not used again, and nor are those that were idle meanwhile: what has ended
// one of them, such as a restart of the broker or a long sleep of ours, has mostly ended all.
func (c *connections) put(address string, one *connection, failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.to(address)
	delete(b.busy, one)
	switch {
	case failed:
		one.cut()
		for _, other := range b.idle {
			other.cut()
		}
		b.idle = nil
	case c.closed:
		one.cut()
	default:
		one.since = now()
		b.idle = append(b.idle, one)
	}
	<-b.slots
}

// forget closes the idle connections to a broker.
func (c *connections) forget(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.to(address)
	for _, one := range b.idle {
		one.cut()
	}
	b.idle = nil
}

// open makes the connection, unless it is made already.
func (one *connection) open(config *sarama.Config) error {
	if one.reused {
		return nil
	}
	own := *config
	own.Net.Proxy.Enable, own.Net.Proxy.Dialer = true, one.wire
	if err := one.broker.Open(&own); err != nil {
		return err
	}
	switch up, err := one.broker.Connected(); {
	case err != nil:
		return err
	case !up:
		return sarama.ErrNotConnected
	}
	return nil
}

// cut ends the connection at once, whatever it is doing. What sarama keeps beside it goes when the last request has noticed.
func (one *connection) cut() {
	one.wire.cut()
	go one.broker.Close() //nolint:errcheck // it waits for a request that is under way, and has nothing to say that anybody needs
}

// wire is what a connection runs over. sarama's own way to close a connection waits for the answer that may never come.
type wire struct {
	ctx context.Context // what cut ends
	cut context.CancelFunc
}

func newWire() *wire {
	ctx, cut := context.WithCancel(context.Background())
	return &wire{ctx, cut}
}

// Dial is sarama's way to ask for one.
func (w *wire) Dial(network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: connectWithin}
	conn, err := dialer.DialContext(w.ctx, network, address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(w.ctx, func() { conn.Close() })
	return conn, nil
}

// lost says that nobody knows whether a request was carried out: it may have been sent, and there is no answer.
type lost struct{ cause error }

func (l *lost) Error() string { return l.cause.Error() }
func (l *lost) Unwrap() error { return l.cause }

// ask has one request made of one broker, and waits for the answer at most as long as within. The request is made once, unless
// the connection turns out to have been dead before; where again is false, it is not even then, since nobody can tell which of the
// two it was. An error that says the request may have been carried out all the same is a *lost.
//
// What the broker says in its answer is no business of ask: only the way there and back is.
func ask[Answer any](ctx context.Context, c *connections, address string, within time.Duration, again bool, request func(*sarama.Broker) (Answer, error)) (Answer, error) {
	for {
		answer, reused, err := askOnce(ctx, c, address, within, request)
		if err == nil || !again || !reused || ctx.Err() != nil || fault.ReasonOf(err) == reasonTimedOut {
			return answer, err
		}
	}
}

func askOnce[Answer any](ctx context.Context, c *connections, address string, within time.Duration, request func(*sarama.Broker) (Answer, error)) (_ Answer, reused bool, _ error) {
	var none Answer
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	one, err := c.take(ctx, address)
	if err != nil {
		return none, false, err
	}
	reused = one.reused
	type result struct {
		answer Answer
		sent   bool
		err    error
	}
	results := make(chan result, 1) // has room for one that nobody waits for any more
	go func() {
		if err := one.open(c.config); err != nil {
			results <- result{err: fmt.Errorf("connect to %s: %w", address, err)}
			return
		}
		answer, err := request(one.broker)
		if err != nil {
			err = fmt.Errorf("ask %s: %w", address, err)
		}
		results <- result{answer, true, err}
	}()
	select {
	case got := <-results:
		c.put(address, one, got.err != nil)
		if got.err != nil && got.sent {
			return none, reused, &lost{coded(got.err)}
		}
		return got.answer, reused, coded(got.err)
	case <-ctx.Done():
		c.put(address, one, true)
		return none, reused, &lost{timedOut(ctx, "%s does not answer", address)}
	}
}

// now is the time on the wall: that of a process that was frozen stands still.
func now() time.Time { return time.Now().Round(0) }
