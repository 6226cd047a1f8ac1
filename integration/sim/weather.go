package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/shared/fault"
)

// weather is how well AWS works at the moment. It is guarded by the world's lock.
type weather struct {
	w     *World
	spell []spell
	clear bool // from now on nothing fails any more
}

// spell is a time in which one kind of thing goes wrong with one kind of call.
type spell struct {
	kind   trouble
	target string // a call of the platform, "table", "functions"; empty for all of them
	oneIn  int    // how many of the calls it meets
	until  time.Time
	slow   time.Duration
}

type trouble string

const (
	throttled  trouble = "throttled"   // refused before anything happens
	answerLost trouble = "answer lost" // done, and nobody hears of it
	slowed     trouble = "slow"
	noCapacity trouble = "no capacity"
	stillborn  trouble = "stillborn" // hosts end before they run
	busGone    trouble = "bus gone"  // events are lost
)

// meets tells whether trouble meets a call now. Only the control plane's calls are met.
func (x *weather) meets(a *actor, kind trouble, target string) (spell, bool) {
	if a.plane == nil {
		return spell{}, false
	}
	x.w.mu.Lock()
	defer x.w.mu.Unlock()
	now := time.Now()
	for _, s := range x.spell {
		if s.kind == kind && now.Before(s.until) && (s.target == "" || s.target == target) && odds(a.rng, s.oneIn) {
			return s, true
		}
	}
	return spell{}, false
}

// takes is how long a call takes that would take d in good weather.
func (x *weather) takes(a *actor, target string, d time.Duration) time.Duration {
	if s, met := x.meets(a, slowed, target); met {
		return d + between(a.rng, s.slow/10, s.slow)
	}
	return d
}

func (x *weather) strike(a *actor, target string) error {
	if _, met := x.meets(a, throttled, target); met {
		return fault.New(fault.Unavailable, "%s: rate exceeded", target)
	}
	return nil
}

func (x *weather) lose(a *actor, target string) error {
	if _, met := x.meets(a, answerLost, target); met {
		x.w.note(a.name, "the answer of "+target+" is lost")
		return fault.New(fault.Unavailable, "%s: %w", target, errReset)
	}
	return nil
}

var errReset = errors.New("connection reset by peer")

func (x *weather) locked(kind trouble) bool {
	now := time.Now()
	for _, s := range x.spell {
		if s.kind == kind && now.Before(s.until) && odds(x.w.cloud.rng, s.oneIn) {
			return true
		}
	}
	return false
}

func (x *weather) capacityLocked() error {
	if x.locked(noCapacity) {
		return fault.New(fault.Unavailable, "AWS has no m7g.large left at the moment")
	}
	return nil
}

func (x *weather) stillbornLocked() bool { return x.locked(stillborn) }

// begin lets a spell begin.
func (x *weather) beginLocked(s spell) {
	if x.clear {
		return
	}
	x.spell = append(x.spell, s)
}

// clearUp ends all trouble, for good.
func (x *weather) clearUpLocked() { x.spell, x.clear = nil, true }

func (s spell) String() string {
	target := s.target
	if target == "" {
		target = "everything"
	}
	return fmt.Sprintf("%s: %s, one in %d, for %s", target, s.kind, s.oneIn, time.Until(s.until).Round(time.Second))
}
