package brokeragent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/shared/nodespec"
)

// node keeps one Kafka process as the latest spec says. Everything in it belongs to the one goroutine of run.
type node struct {
	log       *slog.Logger
	home      home
	keys      keyPair
	volume    VolumeFinder
	software  Software
	specs     *specFollower
	report    *reporter
	processes processes
	newProbe  func(nodespec.Spec, keyPair) (probe, error)
	// saysStarted reads from Kafka's log whether it has started; nil where there is no real Kafka.
	saysStarted func(evidence) bool

	process process   // nil when none runs
	lock    *os.File  // of the volume; nil until it is ours, and while an adopted Kafka holds it
	written evidence  // where the process's own words begin in its logs
	started bool      // the process has said that it started; of an adopted one that is taken for granted
	joined  time.Time // when the process was first seen as a member of its cluster; zero when it never was
	hasRun  bool      // Kafka was a member of its cluster once in this agent's life
	strikes int       // crashes and failed starts that are not made up for, for the pause after the next one
}

// holdError says why the node stays as it is until there is a newer spec.
type holdError struct {
	state  nodespec.State
	reason string
}

func (e holdError) Error() string { return e.reason }

// stopf is for what would put data at risk, or a volume that is not ours.
func stopf(format string, args ...any) error {
	return holdError{nodespec.Stopped, fmt.Sprintf(format, args...)}
}

// crashError says how a Kafka ended that should have run on.
type crashError struct {
	reason string
	// everRan and served say for how long it had been a member of its cluster, if ever.
	everRan bool
	served  time.Duration
	// noRoom says that it was ended because it had filled its volume.
	noRoom bool
	// killed says that somebody else ended it while it was a member: that is no crash loop, however often it happens.
	killed bool
}

func (e crashError) Error() string { return e.reason }

// run keeps the node until ctx ends, then stops Kafka.
func (n *node) run(ctx context.Context) {
	n.adopt()
	for ctx.Err() == nil {
		spec, newer := n.specs.latest()
		current, end := contextUntil(ctx, newer)
		n.follow(current, spec)
		end()
	}
	n.stop()
	if n.lock != nil {
		n.lock.Close()
	}
	n.report.say(nodespec.Stopped, "the agent was told to end")
}

// follow keeps the node as one spec says, until ctx ends because there is a newer one.
func (n *node) follow(ctx context.Context, spec nodespec.Spec) {
	if spec.Generation == 0 {
		<-ctx.Done()
		return
	}
	// State and generation change in one heartbeat: Running under a new generation must never mean the old process. A process
	// that is what the new generation wants stays Running, so that nobody takes it for one that has just joined.
	kept := n.runsAs(spec)
	n.report.update(func(b *nodespec.Heartbeat) {
		if !kept {
			b.State, b.Reason = nodespec.Preparing, ""
			b.SilentSince, b.Replication, b.Quorum = nil, nil, nil // until somebody asks again
		}
		b.Generation, b.FailedStarts = spec.Generation, 0
		b.Cluster, b.NodeID, b.Role, b.CertificateEnds = spec.Cluster, spec.NodeID, spec.Role, endOf(spec.Certificate)
	})
	n.strikes = 0
	n.nameVolume(spec)
	for ctx.Err() == nil {
		err := n.keep(ctx, spec)
		if ctx.Err() == nil {
			n.recover(ctx, err)
		}
	}
}

// nameVolume leaves for whoever brings the volume which one it is.
func (n *node) nameVolume(spec nodespec.Spec) {
	id := []byte(spec.Volume.ID)
	if old, err := os.ReadFile(n.home.first()); len(id) == 0 || err == nil && bytes.Equal(old, id) {
		return
	}
	if err := writePrivately(n.home.first(), id); err != nil {
		n.log.Error("cannot say which volume is this node's", "volume", spec.Volume.ID, "error", err)
	}
}

// keep makes one attempt at the node, and returns when it has ended.
//
//  1. The volume appears; its lock is ours, or Kafka runs already and has it.
//  2. A Kafka that was started with other files is stopped, once its successor's software is there.
//  3. Room on the volume. Software, which may take minutes. Then the volume is still there, and this node's, or empty and called new.
//  4. Files, start.
//  5. Watch, until Kafka ends or ctx does.
func (n *node) keep(ctx context.Context, spec nodespec.Spec) error {
	if err := checkSpec(spec, n.keys); err != nil {
		return err
	}
	probe, err := n.newProbe(spec, n.keys)
	if err != nil {
		return holdError{nodespec.Failing, fmt.Sprintf("generation %d can't be run: %v", spec.Generation, err)}
	}
	defer probe.close()
	volume, err := n.awaitVolume(ctx)
	if err != nil {
		return err
	}
	if err := n.holdVolume(ctx, volume); err != nil {
		return err
	}

	wanted, m := n.render(spec, volume)
	if n.process != nil && n.process.mark() != m {
		// Software first: to fetch it may take minutes, and the old Kafka can serve meanwhile.
		if _, err := n.command(ctx, spec); err != nil {
			return err
		}
		n.report.say(nodespec.Preparing, fmt.Sprintf("stopping Kafka, to start it again as generation %d says", spec.Generation))
		n.stop()
		if err := n.holdVolume(ctx, volume); err != nil {
			return err
		}
	}
	if n.process == nil {
		if err := n.awaitRoom(ctx); err != nil {
			return err
		}
		if err := n.start(ctx, spec, volume, wanted, m); err != nil {
			return err
		}
	}
	return n.watch(ctx, probe)
}

// sameVolume refuses a volume that is no more what it was when it was locked: meanwhile it may have been taken away, and the
// directory that it was mounted over, or another volume, be in its place.
func (n *node) sameVolume(volume string) error {
	dir, attached, err := n.findVolume()
	if err != nil {
		return fmt.Errorf("look for the volume: %w", err)
	}
	if !attached || dir != volume || !n.holdsLockOf(volume) {
		return errors.New("the volume was taken away before Kafka was started")
	}
	return nil
}

// render gives the files that a spec means on a volume, and the mark of the process that runs with them.
func (n *node) render(spec nodespec.Spec, volume string) (files, mark) {
	wanted := renderFiles(spec, n.home, n.keys, volume)
	return wanted, mark{hostDir: n.home.dir, release: spec.Release, digest: wanted.digest(spec)}
}

// runsAs tells whether the process that runs is the one that a spec wants.
func (n *node) runsAs(spec nodespec.Spec) bool {
	if n.process == nil {
		return false
	}
	volume, attached, err := n.findVolume()
	if err != nil || !attached {
		return false
	}
	_, wanted := n.render(spec, volume)
	return n.process.mark() == wanted
}

// checkSpec refuses what can't be run as written, before anything is touched.
func checkSpec(spec nodespec.Spec, keys keyPair) error {
	bad := func(format string, args ...any) error {
		return holdError{nodespec.Failing, fmt.Sprintf("generation %d can't be run: ", spec.Generation) + fmt.Sprintf(format, args...)}
	}
	switch p := spec.Properties; {
	case spec.Role != nodespec.Broker && spec.Role != nodespec.Controller:
		return bad("its role is %q", spec.Role)
	case p["log.dirs"] != nodespec.VolumePath:
		// Anything else would put data outside of the volume that is locked and checked.
		return bad("log.dirs has to be %s, not %q", nodespec.VolumePath, p["log.dirs"])
	case p["log.dir"] != "" || p["metadata.log.dir"] != "":
		return bad("log.dirs is the one place for data; log.dir is %q, metadata.log.dir is %q", p["log.dir"], p["metadata.log.dir"])
	case p["node.id"] != fmt.Sprint(spec.NodeID):
		return bad("node.id is %q for node %d", p["node.id"], spec.NodeID)
	case p["process.roles"] != string(spec.Role):
		return bad("process.roles is %q for a %s", p["process.roles"], spec.Role)
	case !usesKeystore(p):
		return nil
	}
	if spec.Certificate == "" {
		return holdError{nodespec.Preparing, "waiting for a certificate"}
	}
	ours, err := keys.certifiedBy(spec.Certificate)
	if err != nil {
		return bad("%v", err)
	}
	if !ours {
		return holdError{nodespec.Preparing, "waiting for a certificate of this host's key; the one in the spec is for another"}
	}
	return nil
}

func usesKeystore(properties map[string]string) bool {
	for _, value := range properties {
		if strings.Contains(value, nodespec.KeystorePath) {
			return true
		}
	}
	return false
}

// adopt takes up the Kafka that an earlier agent of this host left running.
func (n *node) adopt() {
	found, err := n.processes.find(n.home.dir)
	if err != nil {
		n.log.Error("cannot look for a running Kafka", "error", err)
		return
	}
	if found == nil {
		return
	}
	n.log.Info("took up a running Kafka", "pid", found.pid(), "release", found.mark().release, "startedAt", found.startedAt())
	n.setProcess(found)
	n.written, n.started = evidenceOf(n.home), true // where its own words begin is not known
	if n.remembers(found) {
		n.joined, n.hasRun = found.startedAt(), true
	}
}

// remember keeps for the next agent that the process was a member of its cluster. Of one that was, silence means trouble; one
// that never was may still be reading its log. There is one such file, of the last process that was started here, so its
// number is enough to tell it by.
func (n *node) remember() {
	n.joined, n.hasRun = time.Now(), true
	if err := os.WriteFile(n.home.member(), []byte(strconv.Itoa(n.process.pid())), 0o600); err != nil {
		n.log.Warn("cannot keep that Kafka was a member of its cluster", "error", err)
	}
}

func (n *node) remembers(p process) bool {
	content, err := os.ReadFile(n.home.member())
	return err == nil && string(content) == strconv.Itoa(p.pid())
}

// forget comes before a new process.
func (n *node) forget() { _ = os.Remove(n.home.member()) }

func (n *node) setProcess(p process) {
	n.process, n.joined = p, time.Time{}
	n.report.update(func(b *nodespec.Heartbeat) {
		b.Process, b.Brokers, b.SilentSince, b.Replication, b.Quorum = nil, nil, nil, nil, nil
		if p != nil {
			b.Process = describe(p)
		}
	})
	n.report.meter.use(p)
	if p != nil {
		go n.report.watchHeld(p)
	}
}

// findVolume gives the directory of the volume itself, not a link to it: what is locked and checked is what Kafka opens, even
// when the link leads to another volume a moment later.
func (n *node) findVolume() (dir string, attached bool, err error) {
	link, attached, err := n.volume.Volume()
	if err != nil || !attached {
		return "", false, err
	}
	dir, err = filepath.EvalSymlinks(link)
	if errors.Is(err, os.ErrNotExist) { // it went in between
		return "", false, nil
	}
	return dir, err == nil, err
}

func (n *node) awaitVolume(ctx context.Context) (string, error) {
	for {
		dir, attached, err := n.findVolume()
		var incomplete VolumeIncomplete
		if err != nil && !errors.As(err, &incomplete) {
			return "", fmt.Errorf("look for the volume: %w", err)
		}
		if attached {
			n.report.meter.watch(dir)
			return dir, nil
		}
		reason := "waiting for the volume to be attached"
		if incomplete != "" {
			reason = "waiting for the volume: " + string(incomplete)
		}
		n.report.say(nodespec.Preparing, reason)
		if !pause(ctx, fastPoll) {
			return "", ctx.Err()
		}
	}
}

// holdVolume returns once the volume's lock is ours, or a Kafka of this host that has it is adopted.
//
// A lock that is taken while the process table shows no Kafka belongs to another host's node, or to a Kafka between its
// fork and its exec; so both are looked at again and again.
func (n *node) holdVolume(ctx context.Context, volume string) error {
	for n.process == nil {
		err := n.lockVolume(volume)
		if !errors.Is(err, errLocked) {
			return err
		}
		if n.adopt(); n.process != nil {
			return nil
		}
		n.report.say(nodespec.Preparing, "waiting for the lock of the volume; another process has it")
		if !pause(ctx, fastPoll) {
			return ctx.Err()
		}
	}
	return nil
}

// lockVolume takes the lock, unless it is held already. A volume may have been attached anew at the same path meanwhile,
// and then the lock held is another directory's.
func (n *node) lockVolume(volume string) error {
	if n.holdsLockOf(volume) {
		return nil
	}
	if n.lock != nil {
		n.lock.Close()
	}
	lock, err := lockDirectory(volume)
	n.lock = lock
	return err
}

func (n *node) holdsLockOf(volume string) bool {
	if n.lock == nil {
		return false
	}
	held, err := n.lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(volume)
	return err == nil && os.SameFile(held, there)
}

// awaitRoom returns once a volume whose size the agent enforces has room for Kafka. Where the file system does that, Kafka finds
// out by itself.
func (n *node) awaitRoom(ctx context.Context) error {
	for waited := false; ; waited = true {
		found := n.report.meter.look(true)
		if found == nil || found.letsStart() {
			if waited {
				n.log.Info("the volume has room again")
			}
			return nil
		}
		n.report.say(nodespec.Failing, found.noRoom())
		if !pause(ctx, nearPoll) {
			return ctx.Err()
		}
	}
}

// start starts Kafka on a volume whose lock is held.
func (n *node) start(ctx context.Context, spec nodespec.Spec, volume string, wanted files, m mark) error {
	command, err := n.command(ctx, spec)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err // the agent was told to end, or something newer, while the Kafka before was stopping
	}
	if err := n.sameVolume(volume); err != nil {
		return err
	}
	if err := admitVolume(volume, spec); err != nil {
		return err
	}
	if err := wanted.write(n.home); err != nil {
		return err
	}
	output, err := openOutput(n.home.output())
	if err != nil {
		return err
	}
	defer output.Close()
	command.Dir, command.Stdout, command.Stderr = n.home.logs(), output, output
	n.written, n.started = evidenceOf(n.home).fromHere(), false
	n.forget()

	started, err := n.processes.start(command, m, n.lock)
	if err != nil {
		return err
	}
	n.log.Info("started Kafka", "pid", started.pid(), "release", spec.Release, "node", spec.NodeID, "cluster", spec.Cluster)
	n.setProcess(started)
	if n.hasRun {
		n.report.update(func(b *nodespec.Heartbeat) { b.Restarts++ })
	}
	return nil
}

// command makes sure of the software and gives the process to start.
func (n *node) command(ctx context.Context, spec nodespec.Spec) (*exec.Cmd, error) {
	say := func(format string, args ...any) {
		n.report.say(nodespec.Preparing, fmt.Sprintf(format, args...))
	}
	settings := ProcessSettings{Properties: n.home.properties(), LogFile: n.home.kafkaLog(), JVM: spec.JVM}
	command, err := n.software.Command(ctx, spec.Release, settings, say)
	if err != nil {
		return nil, fmt.Errorf("prepare Kafka %s: %w", spec.Release, err)
	}
	return command, nil
}

// recover says why an attempt ended, and waits until it is time for the next one.
func (n *node) recover(ctx context.Context, err error) {
	var hold holdError
	if errors.As(err, &hold) {
		n.report.say(hold.state, hold.reason)
		n.idle(ctx)
		return
	}

	var crash crashError
	errors.As(err, &crash)
	if crash.noRoom {
		n.log.Warn("Kafka was ended; it is started again once its volume has room", "reason", crash.reason)
		n.report.update(func(b *nodespec.Heartbeat) {
			b.State, b.Reason = nodespec.Failing, crash.reason
			if !crash.everRan {
				b.FailedStarts++
			}
		})
		return
	}
	n.strikes = max(0, n.strikes-int(crash.served/forgives))
	if crash.killed {
		n.strikes = 0
	}
	wait := doubling(firstPause, longestPause, n.strikes)
	if !crash.killed {
		n.strikes++
	}
	n.report.meter.look(true)
	disk := n.report.meter.disk()
	reason, full := blameDisk(disk, err.Error())
	n.report.update(func(b *nodespec.Heartbeat) {
		b.State, b.Reason = nodespec.Failing, reason
		if !crash.everRan {
			b.FailedStarts++
		}
	})
	n.log.Warn("trying again after a pause", "pause", wait, "reason", reason)
	if full {
		n.pauseUntilRoom(ctx, wait, disk.FreeBytes())
		return
	}
	pause(ctx, wait)
}

// pauseUntilRoom waits as long, or until there is more room on the disk than when Kafka failed for want of it.
func (n *node) pauseUntilRoom(ctx context.Context, longest time.Duration, then int64) {
	for until := time.Now().Add(longest); pause(ctx, min(slowPoll, time.Until(until))) && time.Now().Before(until); {
		if disk := n.report.meter.disk(); disk != nil && disk.FreeBytes() >= then+asGoodAsFull {
			n.log.Info("there is room on the disk again", "free", disk.FreeBytes())
			return
		}
	}
}

// idle waits for a newer spec, or for the end of a Kafka that still runs by an older one.
func (n *node) idle(ctx context.Context) {
	var ended <-chan struct{}
	if n.process != nil {
		ended = n.process.done()
	}
	select {
	case <-ctx.Done():
	case <-ended:
		n.log.Warn("Kafka ended, and the spec does not allow to start it", "exit", n.process.exit())
		n.setProcess(nil)
	}
}

// stop ends Kafka: it may hand over its partitions first, but not for ever, and not at all while somebody holds it: a held
// process takes no signal but the one that needs nothing of it.
func (n *node) stop() {
	if n.process == nil {
		return
	}
	began := time.Now()
	if n.process.held() || !n.end(syscall.SIGTERM, stopPatience) {
		n.log.Warn("Kafka can't stop by itself; killing it", "pid", n.process.pid(), "held", n.process.held(), "after", time.Since(began))
		n.end(syscall.SIGKILL, 0)
	}
	n.log.Info("stopped Kafka", "pid", n.process.pid(), "exit", n.process.exit(), "ms", time.Since(began).Milliseconds())
	n.setProcess(nil)
}

// end signals Kafka and tells whether it ended in time, which one that is held meanwhile will not; a patience of 0 waits for
// as long as it takes.
func (n *node) end(s syscall.Signal, patience time.Duration) bool {
	if err := n.process.signal(s); err != nil {
		n.log.Error("cannot signal Kafka", "pid", n.process.pid(), "signal", s, "error", err)
	}
	for began := time.Now(); ; {
		select {
		case <-n.process.done():
			return true
		case <-time.After(heldPoll):
			if patience > 0 && (time.Since(began) >= patience || n.process.held()) {
				return false
			}
		}
	}
}

// contextUntil gives a context that ends with ctx or when the channel closes.
func contextUntil(ctx context.Context, closed <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
