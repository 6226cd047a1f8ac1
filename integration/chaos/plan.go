package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// kind is a way in which things go wrong.
type kind string

const (
	kafkaKilled        kind = "a broker's Kafka is killed"
	kafkaHeld          kind = "a broker's Kafka is held"
	hostLost           kind = "a broker's host is lost"
	agentKilled        kind = "a broker's agent is killed"
	controllerKilled   kind = "the active controller is killed"
	controllerLost     kind = "the active controller's host is lost"
	controlPlaneKilled kind = "the control plane is killed"
	diskFull           kind = "a broker's disk is full"
)

// fullFor is how long a disk is full at least: Kafka has noticed by then.
const fullFor = 10 * time.Second

// bag is what goes wrong before any of it comes again more often than it is here.
var bag = []kind{
	kafkaKilled, kafkaKilled, kafkaHeld, hostLost, hostLost, agentKilled, controllerKilled, controllerLost,
	controlPlaneKilled, controlPlaneKilled, diskFull,
}

// misfortune is one thing that is to go wrong.
type misfortune struct {
	Kind   kind
	Broker int32 // the one that is met
	// Lasts is how long the control plane stays away, or the disk stays full.
	Lasts time.Duration
}

func (m misfortune) String() string { return m.tell() }

// tell says what goes wrong, whom it meets and what else there is to say of that.
func (m misfortune) tell(more ...string) string {
	var details []string
	switch m.Kind {
	case kafkaKilled, kafkaHeld, hostLost, agentKilled, diskFull:
		details = append(details, fmt.Sprintf("broker %d", m.Broker))
	case controllerKilled, controllerLost, controlPlaneKilled: // whom it meets is known when it happens
	}
	if m.Kind == controlPlaneKilled || m.Kind == diskFull {
		details = append(details, "for "+m.Lasts.String())
	}
	details = append(details, more...)
	if len(details) == 0 {
		return string(m.Kind)
	}
	return fmt.Sprintf("%s (%s)", m.Kind, strings.Join(details, ", "))
}

// plan is what goes wrong, one thing after the other, without end. The same seed gives the same.
type plan struct {
	random  *rand.Rand
	brokers int32
	left    []kind
}

func newPlan(seed uint64, brokers int32) *plan {
	return &plan{random: rand.New(rand.NewPCG(seed, 0)), brokers: brokers}
}

func (p *plan) next() misfortune {
	if len(p.left) == 0 {
		p.left = append(p.left, bag...)
		p.random.Shuffle(len(p.left), func(i, j int) { p.left[i], p.left[j] = p.left[j], p.left[i] })
	}
	m := misfortune{
		Kind:   p.left[0],
		Broker: 1 + p.random.Int32N(p.brokers),
		Lasts:  time.Duration(1+p.random.IntN(30)) * time.Second,
	}
	if m.Kind == diskFull {
		m.Lasts += fullFor
	}
	p.left = p.left[1:]
	return m
}
