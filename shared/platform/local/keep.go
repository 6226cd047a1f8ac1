package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/brokeragent"
	"github.com/millrace/millrace/shared/cluster"
)

const (
	// lookEvery is how often hosts are looked at: a host's death is known after two looks that found nothing of it.
	lookEvery = 500 * time.Millisecond
	// startEvery is the least time between two starts of one agent, so that one that can't run does not keep a machine busy.
	startEvery = 2 * time.Second
)

// Keep looks after all hosts until the context ends, as an init system and a machine room do.
//
// A host without an agent gets one. A host of which nothing is left, neither agent nor Kafka, although Keep has seen its
// Kafka run, has died: it is terminated for good, and died is told of it. What ended while nobody looked on (the machine was
// switched off, by a power cut or by [Hosts.PowerOff], or no control plane ran) was only stopped, and is started again; so is
// a host that has lost its agent before it ever had a Kafka.
func (h *Hosts) Keep(ctx context.Context, died func(hostID string, launched cluster.HostRequest)) {
	if err := h.PowerOn(); err != nil {
		slog.ErrorContext(ctx, "hosts could not be started", "error", err)
	}
	k := newKeeper(h, died)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if err := k.round(ctx); err != nil {
			slog.ErrorContext(ctx, "hosts could not be looked after", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// keeper remembers what it has seen of each host.
type keeper struct {
	hosts     *Hosts
	died      func(hostID string, launched cluster.HostRequest)
	hostsSeen map[string]*sight
}

func newKeeper(h *Hosts, died func(hostID string, launched cluster.HostRequest)) *keeper {
	return &keeper{hosts: h, died: died, hostsSeen: map[string]*sight{}}
}

// sight is what a keeper has seen of a host.
type sight struct {
	group
	kafkaRan bool      // a Kafka of it was seen
	gone     bool      // the last look found nothing of it, and the one before did
	started  time.Time // when the keeper last started its agent
}

// round looks at every host once, and does what follows.
func (k *keeper) round(ctx context.Context) error {
	ids, err := k.hosts.ids()
	if err != nil {
		return err
	}
	for id := range k.hostsSeen {
		if !slices.Contains(ids, id) {
			delete(k.hostsSeen, id)
		}
	}
	if err := k.look(ids); err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if err := k.follow(ctx, id, k.hostsSeen[id]); err != nil {
			errs = append(errs, fmt.Errorf("host %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// look finds the processes of hosts. As long as all that it knows still run, it looks at those only: the whole process table
// is read when one is missing.
func (k *keeper) look(ids []string) error {
	if !slices.ContainsFunc(ids, func(id string) bool { return !k.isWhole(id) }) {
		return nil
	}
	found, err := k.hosts.groups()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if k.hostsSeen[id] == nil {
			k.hostsSeen[id] = &sight{}
		}
		k.hostsSeen[id].group = found[k.hosts.Layout.host(id)]
	}
	return nil
}

func (k *keeper) isWhole(id string) bool {
	s, dir := k.hostsSeen[id], k.hosts.Layout.host(id)
	return s != nil && s.agent != 0 && s.kafka != 0 && names(s.agent, dir) && names(s.kafka, dir)
}

// follow does what follows from a look at a host.
func (k *keeper) follow(ctx context.Context, id string, s *sight) error {
	wasGone := s.gone
	s.kafkaRan = s.kafkaRan || s.kafka != 0
	s.gone = s.kafkaRan && s.agent == 0 && s.kafka == 0
	switch {
	case s.agent != 0:
		return nil
	case s.gone && !wasGone:
		return nil // the table changes while it is read: one look that found nothing is not enough
	case s.gone:
		return k.bury(ctx, id)
	case time.Since(s.started) < startEvery:
		return nil
	default:
		s.started = time.Now()
		return k.hosts.startAgain(id)
	}
}

func (k *keeper) bury(ctx context.Context, id string) error {
	launched, dead, err := k.hosts.bury(ctx, id)
	if dead {
		slog.WarnContext(ctx, "a host has died", "host", id, "cluster", launched.ClusterName, "node", launched.Token.NodeID)
		k.died(id, launched)
	}
	return err
}

// bury ends a host for good of which nothing runs any more. It looks once more: the host may have been launched, retired or
// switched off since, and a control plane that ends is no witness.
func (h *Hosts) bury(ctx context.Context, id string) (launched cluster.HostRequest, dead bool, err error) {
	h.changing.Lock()
	defer h.changing.Unlock()
	if ctx.Err() != nil || h.off || h.hasEnded(id) || !h.exists(id) {
		return launched, false, nil
	}
	pids, err := processesOf(h.Layout.host(id))
	if err != nil || len(pids) > 0 {
		return launched, false, err
	}
	launched, err = h.launchOf(id)
	if err != nil {
		return launched, false, err
	}
	err = writeFile(h.Layout.hostEnded(id), []byte("its agent and its Kafka have both ended\n"))
	return launched, err == nil, err
}

// launchOf tells what a host was launched for.
func (h *Hosts) launchOf(id string) (launched cluster.HostRequest, err error) {
	content, err := os.ReadFile(h.Layout.hostLaunch(id))
	if err != nil {
		return launched, err
	}
	return launched, json.Unmarshal(content, &launched)
}

// group is what runs of a host: process numbers, 0 for what does not run.
type group struct{ agent, kafka int }

// groups finds what runs of all hosts, by their directories, in one look at the process table.
func (h *Hosts) groups() (map[string]group, error) {
	pids, err := processesOf(h.Layout.hosts())
	if err != nil {
		return nil, err
	}
	groups := map[string]group{}
	for _, pid := range pids {
		line := commandLine(pid)
		dir, ok := brokeragent.HostDirOf(line)
		if !ok {
			continue // it has ended since
		}
		g := groups[dir]
		if slices.Contains(line, brokeragent.HostDirFlag) {
			g.agent = pid
		} else {
			g.kafka = pid
		}
		groups[dir] = g
	}
	return groups, nil
}
