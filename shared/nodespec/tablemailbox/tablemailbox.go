// Package tablemailbox is a host's mailbox in the control plane's table: how hosts on AWS, which reach nothing else, are
// told what to run and say how it fares.
//
// A host's role lets it get its own spec and update its own beats, nothing more; so this package reads single items and
// writes single items without conditions. Nobody can wake the host, so it looks: often while its node is on its way,
// seldom in peace, because every look and every heartbeat is on the bill of an idle cluster.
package tablemailbox

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/records"
)

const (
	// lookOnTheWay and lookInPeace lie between two looks for a newer spec.
	lookOnTheWay = time.Second
	lookInPeace  = 45 * time.Second // shared/bill counts on it
	// patience is how long one call waits for a newer spec.
	patience = 20 * time.Second

	// again is how often what does not change is written all the same: everything that a host has said expires some days
	// after its last write, so that nothing is left of hosts that are gone.
	again = 24 * time.Hour

	// maxLast keeps a heartbeat, with its keys, within the kilobyte that one write unit pays for. News is rare and may tell
	// a reason at length.
	maxLast = 900
	maxNews = 8 << 10
)

// Mailbox is a host's side of its mailbox.
type Mailbox struct {
	hostID  string
	records records.Records

	pace pace

	telling   sync.Mutex // one heartbeat at a time
	told      *nodespec.Heartbeat
	toldAt    time.Time
	requested string
	askedAt   time.Time
}

var _ nodespec.Mailbox = (*Mailbox)(nil)

// New makes the mailbox of one host. Nothing is read or written yet.
func New(hostID string, r records.Records) *Mailbox {
	return &Mailbox{hostID: hostID, records: r, pace: pace{changed: make(chan struct{})}}
}

// Spec implements [nodespec.Mailbox]. It never says NotFound: a host whose spec was removed sees the same as one that has
// not been given any.
func (m *Mailbox) Spec(ctx context.Context, above int64) (spec nodespec.Spec, ok bool, err error) {
	until := time.Now().Add(patience)
	for {
		due, err := m.pace.awaitLook(ctx, until)
		if err != nil || !due {
			return nodespec.Spec{}, false, err
		}
		spec, err := m.records.Spec(ctx, m.hostID)
		switch {
		case fault.Is(err, fault.NotFound):
		case err != nil:
			return nodespec.Spec{}, false, err
		case spec.Generation > above:
			return spec, true, nil
		}
	}
}

// Beat implements [nodespec.Mailbox]. What the control plane waits for is written before what others follow. Only what
// has arrived counts as told, so the next heartbeat makes up for what this one could not.
func (m *Mailbox) Beat(ctx context.Context, beat nodespec.Heartbeat) error {
	if beat.HostID != m.hostID {
		return fault.New(fault.Invalid, "host %s has a heartbeat of %q to send", m.hostID, beat.HostID)
	}
	m.pace.follow(beat.State)
	m.telling.Lock()
	defer m.telling.Unlock()
	if err := m.writeRequest(ctx, beat); err != nil {
		return fmt.Errorf("write signing request of host %s: %w", m.hostID, err)
	}
	beat.SigningRequest = ""
	if err := m.records.PutBeat(ctx, m.hostID, beat.Within(maxLast)); err != nil {
		return fmt.Errorf("write heartbeat of host %s: %w", m.hostID, err)
	}
	if err := m.writeNews(ctx, beat); err != nil {
		return fmt.Errorf("write news of host %s: %w", m.hostID, err)
	}
	return nil
}

func (m *Mailbox) writeRequest(ctx context.Context, beat nodespec.Heartbeat) error {
	if beat.SigningRequest == "" || beat.SigningRequest == m.requested && time.Since(m.askedAt) < again {
		return nil
	}
	if err := m.records.PutSigningRequest(ctx, m.hostID, beat); err != nil {
		return err
	}
	m.requested, m.askedAt = beat.SigningRequest, time.Now()
	return nil
}

func (m *Mailbox) writeNews(ctx context.Context, beat nodespec.Heartbeat) error {
	if !isNews(m.told, beat) && time.Since(m.toldAt) < again {
		return nil
	}
	if err := m.records.PutNews(ctx, m.hostID, beat.Within(maxNews)); err != nil {
		return err
	}
	m.told, m.toldAt = &beat, time.Now()
	return nil
}
