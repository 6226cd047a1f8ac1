package tablemailbox

import (
	"context"
	"sync"
	"time"

	"github.com/millrace/millrace/shared/nodespec"
)

// pace says when to look for a newer spec. It follows what the heartbeats say; before the first, the node is on its way.
type pace struct {
	mu      sync.Mutex
	inPeace bool
	looked  time.Time
	changed chan struct{} // closed when inPeace changes
}

// follow takes the pace from the state of a heartbeat.
func (p *pace) follow(state nodespec.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	inPeace := state == nodespec.Running
	if inPeace == p.inPeace {
		return
	}
	p.inPeace = inPeace
	close(p.changed)
	p.changed = make(chan struct{})
}

// awaitLook waits for the time of the next look, and counts it as made. due is false when that time lies after until, and
// then it returns at until.
func (p *pace) awaitLook(ctx context.Context, until time.Time) (due bool, err error) {
	for {
		wait, changed := p.next()
		left := time.Until(until)
		switch {
		case wait <= 0:
			return true, ctx.Err()
		case left <= 0:
			return false, ctx.Err()
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-changed:
		case <-time.After(min(wait, left)):
		}
	}
}

// next is how long to wait for the next look, which counts as made when that is no time at all.
func (p *pace) next() (wait time.Duration, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	interval := lookOnTheWay
	if p.inPeace {
		interval = lookInPeace
	}
	wait = time.Until(p.looked.Add(interval))
	if wait <= 0 {
		p.looked = time.Now()
	}
	return wait, p.changed
}
