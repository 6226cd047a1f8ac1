package brokeragent

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
)

// specFollower has the latest spec: from the mailbox, and after a restart of the agent from the disk until the mailbox
// answers. A mailbox that does not answer, or does not know this host any more, never stops Kafka: whoever wants a host
// gone ends it.
type specFollower struct {
	mailbox nodespec.Mailbox
	log     *slog.Logger
	cache   string // path of the last spec

	mu    sync.Mutex
	spec  nodespec.Spec
	newer chan struct{} // closed when spec is replaced
}

func newSpecFollower(mailbox nodespec.Mailbox, log *slog.Logger, cache string) *specFollower {
	f := &specFollower{mailbox: mailbox, log: log, cache: cache, newer: make(chan struct{})}
	spec, err := readSpec(cache)
	switch {
	case err == nil:
		f.spec = spec
		log.Info("took up the last spec", "generation", spec.Generation, "cluster", spec.Cluster, "node", spec.NodeID)
	case !errors.Is(err, fs.ErrNotExist):
		log.Warn("cannot read the last spec; waiting for the control plane's", "error", err)
	}
	return f
}

func readSpec(path string) (spec nodespec.Spec, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return spec, err
	}
	return spec, json.Unmarshal(content, &spec)
}

// latest gives the latest spec, of generation 0 when there is none yet, and a channel that closes when a newer one is
// there.
func (f *specFollower) latest() (nodespec.Spec, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.spec, f.newer
}

// run follows the mailbox until ctx ends.
func (f *specFollower) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		have, _ := f.latest()
		asked := time.Now()
		spec, ok, err := f.mailbox.Spec(ctx, have.Generation)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			f.logFailure(err, failures)
			pause(ctx, doubling(linkPause, longestLinkPause, failures))
			failures++
		case ok && spec.Generation > have.Generation:
			failures = 0
			f.take(spec)
		default:
			failures = 0
			// A mailbox waits as long as it sees fit, which may be not at all.
			pause(ctx, linkPause-time.Since(asked))
		}
	}
}

// logFailure writes one line per silence, not one per attempt.
func (f *specFollower) logFailure(err error, failures int) {
	switch {
	case failures > 0:
	case fault.Is(err, fault.NotFound):
		f.log.Warn("the control plane does not know this host; keeping its node as it is", "error", err)
	default:
		f.log.Warn("the control plane does not answer; keeping the node as it is", "error", err)
	}
}

// take makes a spec the latest one. It is on disk before anything acts on it, so a new agent never goes back behind it.
func (f *specFollower) take(spec nodespec.Spec) {
	content, err := json.Marshal(spec)
	if err == nil {
		err = writePrivately(f.cache, content)
	}
	if err != nil {
		f.log.Error("cannot keep the spec on disk; a new agent would have to wait for the control plane", "error", err)
	}
	f.log.Info("new spec", "generation", spec.Generation, "cluster", spec.Cluster, "node", spec.NodeID, "release", spec.Release)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spec = spec
	close(f.newer)
	f.newer = make(chan struct{})
}
