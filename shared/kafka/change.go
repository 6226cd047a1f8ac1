package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// Bounds of changes.
const (
	// changeWithin bounds a whole change, and triesWithin the tries to make it.
	changeWithin = 20 * time.Second
	triesWithin  = 14 * time.Second
	// carriedOutWithin is what one try has: a broker passes it on to the active controller, and waits for a new one when that dies.
	carriedOutWithin = 6 * time.Second
	// knownWithin bounds the wait until every broker knows of a change; a broker that takes longer than heardWithin to say what it
	// knows is not waited for.
	knownWithin = 5 * time.Second
	heardWithin = 2 * time.Second
	// briefly is between two looks, or two tries.
	briefly = 20 * time.Millisecond
	// noElectionWithin is less than it takes to find that a controller is dead and to elect another one.
	noElectionWithin = 300 * time.Millisecond
)

// verdict is whether something is so.
type verdict int

const (
	unknown verdict = iota
	yes
	no
)

// change is one thing that is done to one topic.
type change struct {
	what string
	// request asks a broker to make it: a refusal is its answer, and an error is that there is none.
	request func(*sarama.Broker) (refusal, err error)
	// cameTrue tells whether a try whose answer nobody has seen has made the topic what it is now, given what there was before the
	// first one, and what the last one was refused with, if it was.
	cameTrue func(before, after seen, refusal error) verdict
	// known tells whether a broker knows of it.
	known func(ctx context.Context, c *connections, address string) (bool, error)
}

// seen is a topic as it was looked at; a nil one is that there was none of the name.
type seen struct {
	*cluster.Topic
	// id is what Kafka tells it by from an earlier or a later one of the same name.
	id sarama.Uuid
}

// isInPlaceOf tells whether this is another topic than the one that had the name before.
func (s seen) isInPlaceOf(before seen) bool {
	return s.Topic != nil && before.Topic != nil && s.id != before.id
}

// change makes a change, in this order:
//
//  1. Look at what there is. This finds connections that have died meanwhile, too.
//  2. Ask one broker after the other to make it, until one has a final answer. Where an answer was lost, or took so long that the
//     broker itself may have lost one of the controller's, look again: it may have been made.
//  3. Wait until every broker that is up knows of it.
//
// What only asks whether Kafka would is asked until somebody answers.
func (p *Pool) change(ctx context.Context, a Access, topic string, validateOnly bool, ch change) error {
	c, err := p.of(a)
	if err != nil {
		return fmt.Errorf("%s: %w", ch.what, err)
	}
	ctx, cancel := context.WithTimeout(ctx, changeWithin)
	defer cancel()
	if validateOnly {
		return c.try(ctx, ch, func(context.Context, error) verdict { return no })
	}
	// Two callers who make the same thing at the same time could not be told apart.
	unlock, err := p.names.lock(ctx, fmt.Sprintf("%q %q", a.Brokers, topic))
	if err != nil {
		return fmt.Errorf("%s: %w", ch.what, err)
	}
	defer unlock()
	before, err := c.see(ctx, topic)
	if err != nil {
		return fmt.Errorf("%s: %w", ch.what, err)
	}
	err = c.try(ctx, ch, func(ctx context.Context, refusal error) verdict {
		after, err := c.see(ctx, topic)
		if err == nil {
			after, err = c.seeConfigs(ctx, after)
		}
		if err != nil {
			return unknown
		}
		return ch.cameTrue(before, after, refusal)
	})
	if err == nil {
		c.waitUntilKnown(ctx, ch)
	}
	return err
}

// try has a change made, by whichever broker can.
func (c *connections) try(ctx context.Context, ch change, look func(ctx context.Context, refusal error) verdict) error {
	ctx, cancel := context.WithTimeout(ctx, triesWithin)
	defer cancel()
	doubtful := false // a try may have made the change without anybody's telling us
	for i := 0; ; i++ {
		addresses, err := c.upToDate(ctx)
		if err == nil {
			var refusal error
			started := now()
			address := addresses[i%len(addresses)]
			refusal, err = ask(ctx, c, address, carriedOutWithin, false, ch.request)
			if err == nil && refusal == nil {
				return nil
			}
			if isThrottled(refusal) {
				c.forget(address) // a connection that is throttled keeps the next request waiting
			}
			var gone *lost
			doubtful = doubtful || errors.As(err, &gone) || now().Sub(started) > noElectionWithin
			if err == nil && isFinal(refusal) {
				if !doubtful {
					return refusal
				}
				switch inTheEnd(ctx, func(ctx context.Context) verdict { return look(ctx, refusal) }) {
				case yes:
					return nil
				case no:
					return refusal
				case unknown:
					return timedOut(ctx, "%s: the answer was lost, and no broker tells what has become of it", ch.what)
				}
			}
			if doubtful && look(ctx, refusal) == yes {
				return nil
			}
			if err != nil {
				c.doubt()
			} else {
				err = refusal
			}
		}
		err = fmt.Errorf("%s: %w", ch.what, err)
		switch {
		case ctx.Err() != nil && fault.ReasonOf(err) == "":
			return timedOut(ctx, "%w", err)
		case ctx.Err() != nil:
			return err
		case !fault.Is(err, fault.Unavailable):
			return err
		case fault.ReasonOf(err) == reasonUnreachable && !doubtful:
			return err // and nothing has been sent
		}
		pause(ctx, briefly)
	}
}

// isFinal tells whether asking again now would be of no use.
func isFinal(refusal error) bool {
	return !fault.Is(refusal, fault.Unavailable) || isThrottled(refusal)
}

func isThrottled(refusal error) bool {
	return fault.ReasonOf(refusal) == nameOf(sarama.ErrThrottlingQuotaExceeded)
}

// isOtherThan tells whether a refusal says something else than that there is nothing left to be done.
func isOtherThan(refusal error, done sarama.KError) bool {
	return refusal != nil && fault.ReasonOf(refusal) != nameOf(done)
}

// inTheEnd is whether it has come true, as soon as anybody tells: a broker may lag behind the controller, which knows already, for as
// long as it takes the others to elect a new one. It is unknown when nobody has told by the end of ctx.
func inTheEnd(ctx context.Context, look func(context.Context) verdict) verdict {
	for ctx.Err() == nil {
		if v := look(ctx); v != unknown {
			return v
		}
		pause(ctx, briefly)
	}
	return unknown
}

// waitUntilKnown ends when every broker that is up knows of a change, or has had its time.
func (c *connections) waitUntilKnown(ctx context.Context, ch change) {
	ctx, cancel := context.WithTimeout(ctx, knownWithin)
	defer cancel()
	c.doubt()
	brokers, err := c.live(ctx)
	if err != nil {
		return
	}
	var all sync.WaitGroup
	for _, address := range brokers {
		all.Go(func() {
			for ctx.Err() == nil {
				if known, err := ch.known(ctx, c, address); known || err != nil {
					return
				}
				pause(ctx, briefly/4)
			}
		})
	}
	all.Wait()
}

// pause waits, unless the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// locks are mutexes by name, for what has to be done one after the other.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits until nobody else holds the name.
func (l *locks) lock(ctx context.Context, name string) (unlock func(), err error) {
	for {
		l.mu.Lock()
		free := l.held[name]
		if free == nil {
			if l.held == nil {
				l.held = map[string]chan struct{}{}
			}
			mine := make(chan struct{})
			l.held[name] = mine
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				delete(l.held, name)
				close(mine)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return nil, timedOut(ctx, "somebody else is at it")
		}
	}
}
