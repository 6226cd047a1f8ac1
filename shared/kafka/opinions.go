package kafka

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

const (
	// opinionsHold is how long what the brokers think of each other counts as known.
	opinionsHold = 2 * time.Second
	// restWithin is what a minority of the brokers gets to say what they think once the others have, and so do those that did not
	// answer the last time.
	restWithin = 50 * time.Millisecond
)

// read asks one broker that is up to date, and another one when that does not answer: what only asks may be asked again.
func read[Answer any](ctx context.Context, c *connections, request func(*sarama.Broker) (Answer, error)) (Answer, error) {
	var none Answer
	var faults []error
	for range 2 {
		addresses, err := c.upToDate(ctx)
		if err != nil {
			return none, err
		}
		for _, address := range addresses {
			answer, err := ask(ctx, c, address, answerWithin, true, request)
			if err == nil {
				return answer, nil
			}
			if ctx.Err() != nil {
				return none, err
			}
			faults = append(faults, err)
			c.doubt()
		}
	}
	return none, noneAnswers(faults)
}

// opinions are what brokers say about who is up.
type opinions struct {
	at     time.Time
	views  []view
	silent map[string]bool  // the addresses of those that did not answer
	byID   map[int32]string // the addresses of the brokers that are up
}

// upToDate gives the addresses of the brokers that the others count as up: one that is cut off answers too, with what was true
// once.
func (c *connections) upToDate(ctx context.Context) ([]string, error) {
	known, err := c.opinionsNow(ctx)
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, v := range current(known.views) {
		addresses = append(addresses, v.address)
	}
	slices.SortStableFunc(addresses, func(a, b string) int {
		return cmp.Compare(slices.Index(c.seeds, a), slices.Index(c.seeds, b))
	})
	return addresses, nil
}

// live gives the addresses of the brokers that are up, by id, as those see it that are up to date.
func (c *connections) live(ctx context.Context) (map[int32]string, error) {
	known, err := c.opinionsNow(ctx)
	return known.byID, err
}

// doubt has the brokers asked again about each other.
func (c *connections) doubt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opinions.at = time.Time{}
}

func (c *connections) opinionsNow(ctx context.Context) (opinions, error) {
	select {
	case c.looking <- struct{}{}:
		defer func() { <-c.looking }()
	case <-ctx.Done():
		return opinions{}, timedOut(ctx, "nobody answers")
	}
	c.mu.Lock()
	known := c.opinions
	c.mu.Unlock()
	if age := now().Sub(known.at); age >= 0 && age < opinionsHold {
		return known, nil
	}
	known, err := c.askOpinions(ctx, known.silent)
	if err != nil {
		return opinions{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opinions = known
	return known, nil
}

// askOpinions asks all brokers at once. It does not wait long for those that are not needed: once most have answered, nobody's
// opinion changes whom the others count as up.
func (c *connections) askOpinions(ctx context.Context, silent map[string]bool) (opinions, error) {
	type answer struct {
		address string
		view    view
		err     error
	}
	answers := make(chan answer, len(c.seeds)) // has room for those that come when nobody waits any more
	for _, address := range c.seeds {
		go func() {
			v, err := ask(ctx, c, address, othersWithin, true, viewOfBrokers)
			v.address = address
			answers <- answer{address, v, err}
		}()
	}
	known := opinions{silent: map[string]bool{}}
	pending := map[string]bool{}
	for _, address := range c.seeds {
		pending[address] = true
	}
	var faults []error
	var enough <-chan time.Time
	for len(pending) > 0 {
		select {
		case got := <-answers:
			delete(pending, got.address)
			if got.err != nil {
				known.silent[got.address] = true
				faults = append(faults, got.err)
			} else {
				known.views = append(known.views, got.view)
			}
			onlySilent := !slices.ContainsFunc(c.seeds, func(address string) bool { return pending[address] && !silent[address] })
			if enough == nil && (2*len(known.views) > len(c.seeds) || len(known.views) > 0 && onlySilent) {
				enough = time.After(restWithin)
			}
			continue
		case <-enough:
		}
		break
	}
	for address := range pending {
		known.silent[address] = true
	}
	if len(known.views) == 0 {
		if ctx.Err() != nil {
			return opinions{}, timedOut(ctx, "no broker answers: %w", errors.Join(faults...))
		}
		return opinions{}, noneAnswers(faults)
	}
	known.at, known.byID = now(), map[int32]string{}
	for _, v := range current(known.views) {
		for id, address := range v.byID {
			known.byID[id] = address
		}
	}
	return known, nil
}

// viewOfBrokers asks which brokers are up.
func viewOfBrokers(b *sarama.Broker) (view, error) {
	answer, err := b.DescribeCluster(&sarama.DescribeClusterRequest{Version: 1, EndpointType: sarama.DescribeClusterEndpointTypeBrokers})
	if err != nil {
		return view{}, err
	}
	if answer.Err != sarama.ErrNoError {
		return view{}, answer.Err
	}
	v := view{byID: map[int32]string{}}
	for _, other := range answer.Brokers {
		address := net.JoinHostPort(other.Host, strconv.Itoa(int(other.Port)))
		v.alive = append(v.alive, address)
		v.byID[other.BrokerID] = address
	}
	return v, nil
}
