// Package brokeragent runs on a broker's or controller's host: it keeps one Kafka process as its node spec says and
// reports what it sees.
//
// The agent decides nothing about the cluster. It never stops Kafka because the control plane is away, never formats a
// volume that holds anything, and never starts a second Kafka on a volume: the volume's lock is inherited by Kafka, so it
// stays taken while Kafka lives, whatever happens to the agent. Where specs, software and the volume come from is the
// business of whoever builds the [Agent].
package brokeragent

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/millrace/millrace/shared/nodespec"
)

// Agent keeps one node. All fields but Limit and Parts are required.
type Agent struct {
	HostID string
	// Dir belongs to this agent alone: keys, rendered files, Kafka's logs, the last spec. It has to outlive the agent for
	// a new one to find the Kafka that an old one left running.
	Dir     string
	Mailbox nodespec.Mailbox
	Volume  VolumeFinder
	// Limit is nil where a log volume is a file system of its own, which lets nobody have more than its size.
	Limit VolumeLimit
	// Parts is nil where nobody says what a log volume is made of.
	Parts    VolumeParts
	Software Software
	// HeartbeatInterval lies between the heartbeats of a running node: what they cost is the platform's to weigh.
	HeartbeatInterval time.Duration
	Log               *slog.Logger

	// What tests replace; nil means the real thing.
	processes processes
	newProbe  func(nodespec.Spec, keyPair) (probe, error)
	write     func(dir string) error // see diskMeter
}

// VolumeFinder knows where the log volume appears once it is attached to this host.
type VolumeFinder interface {
	// Volume gives the directory of the volume; attached is false while it has not appeared. A [VolumeIncomplete] says what else
	// than time is missing for that.
	Volume() (dir string, attached bool, err error)
}

// VolumeIncomplete says why a volume has not appeared although something of it is there. It will, as soon as the rest comes.
type VolumeIncomplete string

func (e VolumeIncomplete) Error() string { return string(e) }

// Software has Kafka's releases.
type Software interface {
	// Command gives the process of one node, not yet started, and fetches before what is missing for it. It tells say,
	// in sentences for people, what takes long.
	Command(ctx context.Context, release string, settings ProcessSettings, say func(format string, args ...any)) (*exec.Cmd, error)
}

// ProcessSettings are what differs from one Kafka process to the next.
type ProcessSettings struct {
	Properties string // path of server.properties
	LogFile    string // path of Kafka's log, bounded by Kafka's own rotation
	JVM        nodespec.JVM
}

// Run keeps the node until ctx ends, then stops Kafka in an orderly way and returns nil. It returns an error when the
// agent can't work at all: its directory is unusable, another agent has it, or it was not told how often to report.
//
// Three loops run side by side: one follows the spec, one reports, and one keeps Kafka as the latest spec says. What may hang
// with a disk is measured beside them.
func (a *Agent) Run(ctx context.Context) error {
	if a.HeartbeatInterval <= 0 { // the mailbox would be beaten without a pause
		return fmt.Errorf("heartbeats every %s: they need an interval", a.HeartbeatInterval)
	}
	dir, err := filepath.Abs(a.Dir)
	if err != nil {
		return fmt.Errorf("host directory: %w", err)
	}
	home := home{dir}
	if err := home.create(); err != nil {
		return err
	}
	unlock, err := home.claim()
	if err != nil {
		return err
	}
	defer unlock()
	keys, err := ensureKeys(home, a.HostID)
	if err != nil {
		return err
	}

	report := newReporter(a.Mailbox, a.Log, a.HeartbeatInterval, nodespec.Heartbeat{
		HostID:         a.HostID,
		State:          nodespec.Waiting,
		Reason:         "waiting for a spec",
		SigningRequest: keys.signingRequest,
	})
	specs := newSpecFollower(a.Mailbox, a.Log, home.spec())
	n := &node{
		log: a.Log, home: home, keys: keys, volume: a.Volume, software: a.Software,
		specs: specs, report: report,
		processes: a.processes, newProbe: a.newProbe,
	}
	if n.processes == nil {
		n.processes = processTable{}
	}
	if n.newProbe == nil {
		n.newProbe, n.saysStarted = newKafkaProbe, evidence.saysStarted
	}

	report.meter.limit, report.meter.parts = a.Limit, a.Parts
	if a.write != nil {
		report.meter.write = a.write
	}

	links, cut := context.WithCancel(context.WithoutCancel(ctx))
	var wait sync.WaitGroup
	wait.Go(func() { specs.run(links) })
	wait.Go(func() { report.run(links) })
	go report.meter.watchRoom(links)
	go report.meter.run(links) // nobody waits for it: a disk that hangs must not keep the agent from ending
	n.run(ctx)
	// Kafka has ended. The reporter goes last, so that the control plane hears of it.
	cut()
	wait.Wait()
	report.farewell()
	return nil
}
