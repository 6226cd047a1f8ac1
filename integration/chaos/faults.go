package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace/integration/harness"
)

// happening is something that has gone wrong.
type happening struct {
	// over tells whether what was hit is back; until then the cluster may seem in order because nobody has noticed yet.
	over func() (ok bool, missing string)
	// after is done once everything is in order again; nil for nothing.
	after func()
	// met is whom it has met, beside what was planned, and what was said of it.
	met []string
}

// happen lets something go wrong.
func (s *soak) happen(ctx context.Context, m misfortune) (happening, error) {
	switch m.Kind {
	case kafkaKilled:
		return s.another(m.Broker, harness.Kafka, func() { s.m.KillKafka(s.arn, m.Broker) }), nil
	case kafkaHeld:
		return s.hold(m.Broker), nil
	case hostLost:
		return s.lose(m.Broker)
	case agentKilled:
		return s.another(m.Broker, harness.Agent, func() { s.m.KillAgent(s.arn, m.Broker) }), nil
	case controllerKilled, controllerLost:
		return s.hitController(ctx, m.Kind)
	case controlPlaneKilled:
		s.m.Kill()
		wait(ctx, m.Lasts)
		if ctx.Err() == nil {
			s.m.Up()
		}
		return happening{over: func() (bool, string) { return true, "" }}, nil
	case diskFull:
		return s.fill(ctx, m)
	default:
		return happening{}, fmt.Errorf("nobody knows how that goes: %s", m.Kind)
	}
}

// another hits the process of a node, in whose place another has to come.
func (s *soak) another(node int32, kind harness.Kind, hit func()) happening {
	before := s.m.ProcessesOf(s.arn, node, kind)
	hit()
	return happening{over: func() (bool, string) {
		now := s.m.ProcessesOf(s.arn, node, kind)
		for _, p := range now {
			if !slices.ContainsFunc(before, func(b harness.Process) bool { return b.PID == p.PID }) {
				return true, ""
			}
		}
		return false, fmt.Sprintf("no other %s of node %d runs: %v", kind, node, now)
	}}
}

// hold stops a Kafka without ending it. When all is in order again it may go on, if it is still there.
func (s *soak) hold(broker int32) happening {
	var held []harness.Process
	h := s.another(broker, harness.Kafka, func() { held = s.m.Hold(s.arn, broker, harness.Kafka) })
	h.after = func() { s.m.LetGo(held) }
	return h
}

// lose ends a host as a power cut does. Another one has to serve the node, with the volume of the first.
func (s *soak) lose(node int32) (happening, error) {
	before := s.m.Serving(s.arn, node)
	if before.Host == "" {
		return happening{}, fmt.Errorf("node %d has no host to lose", node)
	}
	s.m.LoseHosts(s.arn, node)
	s.lost[before.Host] = true
	return happening{met: []string{before.Host}, over: func() (bool, string) {
		switch now := s.m.Serving(s.arn, node); {
		case now.Host == "" || now.Host == before.Host:
			return false, fmt.Sprintf("host %s of node %d has not been replaced", before.Host, node)
		case now.Volume != before.Volume:
			return false, fmt.Sprintf("node %d had %s and has %s", node, before.Volume, now.Volume)
		}
		return true, ""
	}}, nil
}

func (s *soak) hitController(ctx context.Context, k kind) (happening, error) {
	active, missing := s.observer.quorum(ctx)
	if missing != "" {
		return happening{}, fmt.Errorf("find the active controller: %s", missing)
	}
	if k == controllerLost {
		h, err := s.lose(active)
		h.met = append([]string{fmt.Sprintf("controller %d", active)}, h.met...)
		return h, err
	}
	h := s.another(active, harness.Kafka, func() { s.m.KillKafka(s.arn, active) })
	h.met = []string{fmt.Sprintf("controller %d", active)}
	return h, nil
}

// fill leaves a broker without a byte of room for a while.
func (s *soak) fill(ctx context.Context, m misfortune) (happening, error) {
	volumes, err := filepath.Glob(s.volume(m.Broker))
	if err != nil || len(volumes) != 1 {
		return happening{}, fmt.Errorf("volumes of broker %d: %v, %w", m.Broker, volumes, err)
	}
	before := s.m.ProcessesOf(s.arn, m.Broker, harness.Kafka)
	if err := fillDisk(volumes[0]); err != nil {
		return happening{}, err
	}
	wait(ctx, m.Lasts)
	told := "nothing is said of it"
	if h, err := s.health(); err == nil {
		for _, n := range h.Nodes {
			if n.ID == m.Broker && n.Health != nil {
				told = "which is said to be: " + n.Health.Condition
				s.t.Logf("a full disk is told as %+v", *n.Health)
			}
		}
	}
	s.t.Logf("Kafka of broker %d: %v before its disk was full, %v now", m.Broker, before, s.m.ProcessesOf(s.arn, m.Broker, harness.Kafka))
	return happening{met: []string{told}, over: func() (bool, string) { return true, "" }}, freeDisk(volumes[0])
}
