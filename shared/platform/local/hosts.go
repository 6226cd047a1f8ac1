package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/brokeragent"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/watch"
)

// Hosts are groups of processes on this machine: an agent and the Kafka process it keeps, each group with a directory of
// its own. They outlive the control plane.
type Hosts struct {
	Layout Layout
	// Agent is the path of the broker-agent program.
	Agent string
	// Software is the directory in which all hosts keep Kafka's jars: the image of the hosts, as it were.
	Software string

	changing sync.Mutex // held to look at a host and act on what was seen: nothing may come in between
	off      bool       // all hosts were switched off: none is started, and none dies
}

// hostID follows from the token, so that a launch that is asked for again is the same host.
func hostID(token cluster.Token) string {
	sum := sha256.Sum256([]byte(token.String()))
	return "h-" + hex.EncodeToString(sum[:8])
}

// LaunchHost starts a host, or gives the one that the token has started before, in whatever state it is.
func (h *Hosts) LaunchHost(ctx context.Context, request cluster.HostRequest) (cluster.Host, error) {
	id := hostID(request.Token)
	h.changing.Lock()
	defer h.changing.Unlock()
	if h.hasEnded(id) {
		return h.Host(ctx, id)
	}
	host := cluster.Host{ID: id, State: cluster.HostRunning}
	if err := h.install(id, request); err != nil {
		return host, fmt.Errorf("prepare host %s: %w", id, err)
	}
	if err := h.start(id); err != nil {
		return host, fmt.Errorf("start host %s: %w", id, err)
	}
	return host, nil
}

// hasEnded tells whether a host was retired. Its processes may still be on their way out.
func (h *Hosts) hasEnded(id string) bool {
	_, err := os.Stat(h.Layout.hostEnded(id))
	return err == nil
}

func (h *Hosts) exists(id string) bool {
	_, err := os.Stat(h.Layout.hostFile(id))
	return err == nil
}

// install writes what the agent finds when it starts. The file that says who the host is comes last.
func (h *Hosts) install(id string, request cluster.HostRequest) error {
	if h.exists(id) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(h.Layout.agentLog(id)), 0o700); err != nil {
		return err
	}
	if err := writeFile(h.Layout.hostToken(id), []byte(rand.Text())); err != nil {
		return err
	}
	launch, err := json.MarshalIndent(request, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(h.Layout.hostLaunch(id), launch); err != nil {
		return err
	}
	return brokeragent.Host{
		HostID:       id,
		Volume:       h.Layout.hostVolume(id),
		EndpointFile: h.Layout.mailbox(),
		TokenFile:    h.Layout.hostToken(id),
		Kafka:        h.Software,
	}.Write(h.Layout.host(id))
}

// start starts the agent of a host, unless one is at work. The caller holds changing.
func (h *Hosts) start(id string) error {
	alive, err := h.agentLives(id)
	if err != nil || alive {
		return err
	}
	log, err := OpenLog(h.Layout.agentLog(id))
	if err != nil {
		return err
	}
	defer log.Close()
	agent := exec.Command(h.Agent, "run", brokeragent.HostDirFlag, h.Layout.host(id)) //nolint:noctx // it outlives this process
	agent.Dir = h.Layout.host(id)
	agent.Env = agentEnvironment()
	agent.Stdout, agent.Stderr = log, log
	// A session of its own: neither Ctrl-C nor the end of the control plane reaches the host.
	agent.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := agent.Start(); err != nil {
		return err
	}
	go func() { _ = agent.Wait() }() // collects the process when it ends; how it ended is in its log
	return nil
}

// agentEnvironment is what Java and Maven need of this process's environment, and nothing else: no credentials.
func agentEnvironment() []string {
	var kept []string
	for _, name := range []string{"PATH", "HOME", "JAVA_HOME", "MAVEN_OPTS", "LANG", "TMPDIR", "XDG_CACHE_HOME"} {
		if value, ok := os.LookupEnv(name); ok {
			kept = append(kept, name+"="+value)
		}
	}
	return kept
}

// agentLives tells whether the host has a living agent, which is more than a living Kafka.
func (h *Hosts) agentLives(id string) (bool, error) {
	dir := h.Layout.host(id)
	pids, err := processesOf(dir)
	if err != nil {
		return false, err
	}
	for _, pid := range pids {
		if slices.Contains(commandLine(pid), brokeragent.HostDirFlag) {
			return true, nil
		}
	}
	return false, nil
}

// Host tells how far a host is; an unknown host is terminated.
func (h *Hosts) Host(_ context.Context, id string) (cluster.Host, error) {
	pids, err := processesOf(h.Layout.host(id))
	if err != nil {
		return cluster.Host{}, fmt.Errorf("look for the processes of host %s: %w", id, err)
	}
	return h.stateOf(id, len(pids) > 0), nil
}

// HostStates tells how far hosts are, in one look; one that is not known is missing.
func (h *Hosts) HostStates(_ context.Context, ids []string) (map[string]cluster.Host, error) {
	running, err := h.groups()
	if err != nil {
		return nil, fmt.Errorf("look for the processes of hosts: %w", err)
	}
	states := map[string]cluster.Host{}
	for _, id := range ids {
		_, runs := running[h.Layout.host(id)]
		if runs || h.exists(id) || h.hasEnded(id) {
			states[id] = h.stateOf(id, runs)
		}
	}
	return states, nil
}

func (h *Hosts) stateOf(id string, runs bool) cluster.Host {
	host := cluster.Host{ID: id}
	switch {
	case runs:
		host.State = cluster.HostRunning // also while its last process ends: nothing of it is free before
	case h.hasEnded(id) || !h.exists(id):
		host.State = cluster.HostTerminated
	default:
		host.State = cluster.HostStopped
	}
	return host
}

// FindHost gives the host that a token has started, or a NotFound error when it never did. One whose launch was cut short
// by a crash counts: it has a directory that has to go.
func (h *Hosts) FindHost(ctx context.Context, token cluster.Token) (cluster.Host, error) {
	id := hostID(token)
	if _, err := os.Stat(h.Layout.host(id)); errors.Is(err, fs.ErrNotExist) {
		return cluster.Host{}, fault.New(fault.NotFound, "token %s has started no host", token)
	}
	return h.Host(ctx, id)
}

// RetireHost ends a host: every process of it, at once. It stays ended, also across a restart of the control plane.
func (h *Hosts) RetireHost(_ context.Context, id string) error {
	if err := h.markEnded(id); err != nil { // first, so that nobody starts it again
		return fmt.Errorf("mark host %s as ended: %w", id, err)
	}
	return kill(h.Layout.host(id))
}

func (h *Hosts) markEnded(id string) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	if _, err := os.Stat(h.Layout.host(id)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return writeFile(h.Layout.hostEnded(id), nil)
}

// kill ends every process that names dir. A process may start another while it is being ended, so it looks again.
func kill(dir string) error {
	for range 20 {
		if err := signalAll(dir, unix.SIGKILL); err != nil {
			return fmt.Errorf("end the processes of %s: %w", dir, err)
		}
		if gone, err := waitUntilGone(dir, 250*time.Millisecond); gone || err != nil {
			return err
		}
	}
	return fault.New(fault.Unavailable, "the processes of %s do not end", dir)
}

// ForgetHost removes the directory of a host that has ended.
func (h *Hosts) ForgetHost(ctx context.Context, id string) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	host, err := h.Host(ctx, id)
	if err != nil {
		return err
	}
	if host.State != cluster.HostTerminated {
		return fault.New(fault.Conflict, "host %s is %s", id, host.State)
	}
	return os.RemoveAll(h.Layout.host(id))
}

// Token gives the token by which a host's mailbox knows it; NotFound for a host that is not known or has ended.
func (h *Hosts) Token(_ context.Context, id string) (string, error) {
	if id != filepath.Base(id) || !strings.HasPrefix(id, "h-") {
		return "", fault.New(fault.NotFound, "there is no host %q", id)
	}
	if h.hasEnded(id) {
		return "", fault.New(fault.NotFound, "host %s has ended", id)
	}
	token, err := os.ReadFile(h.Layout.hostToken(id))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fault.New(fault.NotFound, "there is no host %s", id)
	}
	return string(token), err
}

// WatchHosts signals ten times a second: processes end without telling anybody.
func (h *Hosts) WatchHosts() (<-chan struct{}, func()) { return watch.Every(100 * time.Millisecond) }

// ids lists the hosts that have a directory and have not ended.
func (h *Hosts) ids() ([]string, error) {
	entries, err := os.ReadDir(h.Layout.hosts())
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if !h.hasEnded(e.Name()) && h.exists(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// PowerOn starts every host that has no living agent and has not ended.
func (h *Hosts) PowerOn() error {
	h.switchTo(on)
	ids, err := h.ids()
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if err := h.startAgain(id); err != nil {
			errs = append(errs, fmt.Errorf("start host %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// startAgain looks once more before it starts: the host may have been retired or switched off since it was listed.
func (h *Hosts) startAgain(id string) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	if h.off || h.hasEnded(id) || !h.exists(id) {
		return nil
	}
	return h.start(id)
}
