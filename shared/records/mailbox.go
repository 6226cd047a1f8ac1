package records

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
)

// Specs and heartbeats have a partition per host, because on AWS a host may touch exactly the partitions that carry its
// own identity. What a host says lies in three items, for what each of them costs and wakes: the last heartbeat is small
// and often, the signing request is large and rare, and news is what is worth telling others at once.
const (
	specPrefix = "spec#"
	beatPrefix = "beat#"

	only    = "only"
	request = "request"
)

// Sort keys of what a host says, for whoever follows the table's changes.
const (
	LastBeat = "last" // the last heartbeat
	NewsBeat = "news" // the last heartbeat that told something new
)

// HostOfBeat gives the host whose beat partition this is; ok is false for every other partition.
func HostOfBeat(partition string) (hostID string, ok bool) {
	identity, ok := strings.CutPrefix(partition, beatPrefix)
	if !ok {
		return "", false
	}
	return identity[strings.LastIndexByte(identity, ':')+1:], true
}

// identity is how a host is known to the table: on AWS by its aws:userid, role id and instance id, which IAM compares
// with the partition that a host wants to touch; on one machine by its host id.
func (r Records) identity(hostID string) string {
	if r.HostRole == "" {
		return hostID
	}
	return r.HostRole + ":" + hostID
}

func (r Records) specKey(hostID string) Key { return Key{specPrefix + r.identity(hostID), only} }

func (r Records) beatKey(hostID, item string) Key { return Key{beatPrefix + r.identity(hostID), item} }

// beatLife is how long what a host said is kept after its last write. Hosts that end without being forgotten, as when the
// whole control plane is gone meanwhile, leave nothing behind for ever.
const beatLife = 7 * 24 * time.Hour

func (r Records) putBeat(hostID, item string, beat nodespec.Heartbeat, value any) (Write, error) {
	w, err := put(r.beatKey(hostID, item), value, Always())
	if !beat.At.IsZero() {
		w.Expires = beat.At.Add(beatLife)
	}
	return w, err
}

// signingRequest is the body of a host's item of that name.
type signingRequest struct {
	SigningRequest string `json:"signingRequest"`
}

// Spec gives the node spec of a host, or a NotFound error while there is none.
func (r Records) Spec(ctx context.Context, hostID string) (nodespec.Spec, error) {
	spec, _, err := get[nodespec.Spec](ctx, r.Table, r.specKey(hostID))
	if err != nil {
		return spec, fmt.Errorf("spec of host %s: %w", hostID, err)
	}
	return spec, nil
}

// PutSpec writes the node spec of a host, unless one of the same or a higher generation is there.
func (r Records) PutSpec(ctx context.Context, hostID string, spec nodespec.Spec) error {
	return r.retryContended(ctx, "spec of host "+hostID, func() error {
		condition := IfAbsent()
		old, revision, err := get[nodespec.Spec](ctx, r.Table, r.specKey(hostID))
		switch {
		case err == nil && old.Generation >= spec.Generation:
			return nil
		case err == nil:
			condition = IfRevision(revision)
		case !fault.Is(err, fault.NotFound):
			return err
		}
		w, err := put(r.specKey(hostID), spec, condition)
		if err != nil {
			return err
		}
		return r.Table.Write(ctx, w)
	})
}

// Beat gives the last heartbeat of a host, with its signing request; ok is false when it has not sent one.
func (r Records) Beat(ctx context.Context, hostID string) (beat nodespec.Heartbeat, ok bool, err error) {
	beat, ok, err = r.LastBeat(ctx, hostID)
	if err != nil || !ok {
		return beat, false, err
	}
	asked, _, err := get[signingRequest](ctx, r.Table, r.beatKey(hostID, request))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return beat, false, err
	}
	beat.SigningRequest = asked.SigningRequest
	return beat, true, nil
}

// LastBeat gives the last heartbeat of a host, without its signing request; ok is false when it has not sent one.
func (r Records) LastBeat(ctx context.Context, hostID string) (beat nodespec.Heartbeat, ok bool, err error) {
	beat, _, err = get[nodespec.Heartbeat](ctx, r.Table, r.beatKey(hostID, LastBeat))
	if fault.Is(err, fault.NotFound) {
		return nodespec.Heartbeat{}, false, nil
	}
	return beat, err == nil, err
}

// PutBeat writes the heartbeat of a host. A signing request in it is written beside it, in the same transaction; without
// one the last request stays, and the write is a single one, as hosts on AWS may make.
func (r Records) PutBeat(ctx context.Context, hostID string, beat nodespec.Heartbeat) error {
	asked := signingRequest{beat.SigningRequest}
	beat.SigningRequest = ""
	w, err := r.putBeat(hostID, LastBeat, beat, beat)
	if err != nil {
		return err
	}
	if asked.SigningRequest == "" {
		return r.Table.Write(ctx, w)
	}
	beside, err := r.putBeat(hostID, request, beat, asked)
	if err != nil {
		return err
	}
	return r.Table.Write(ctx, beside, w)
}

// PutSigningRequest writes only the signing request of a heartbeat; the next ones go with it.
func (r Records) PutSigningRequest(ctx context.Context, hostID string, beat nodespec.Heartbeat) error {
	w, err := r.putBeat(hostID, request, beat, signingRequest{beat.SigningRequest})
	if err != nil {
		return err
	}
	return r.Table.Write(ctx, w)
}

// PutNews writes a heartbeat that tells something new, for whoever follows the table's changes. Nobody reads it here.
func (r Records) PutNews(ctx context.Context, hostID string, beat nodespec.Heartbeat) error {
	beat.SigningRequest = ""
	w, err := r.putBeat(hostID, NewsBeat, beat, beat)
	if err != nil {
		return err
	}
	return r.Table.Write(ctx, w)
}

// ForgetHost removes the spec and everything that a host has said, once it is gone.
func (r Records) ForgetHost(ctx context.Context, hostID string) error {
	return r.Table.Write(ctx,
		Write{Key: r.specKey(hostID), Delete: true},
		Write{Key: r.beatKey(hostID, request), Delete: true},
		Write{Key: r.beatKey(hostID, LastBeat), Delete: true},
		Write{Key: r.beatKey(hostID, NewsBeat), Delete: true})
}

// WatchBeats signals after heartbeats.
func (r Records) WatchBeats() (changed <-chan struct{}, stop func()) {
	return r.Table.Watch(beatPrefix)
}

// WatchSpec signals after changes of a host's spec.
func (r Records) WatchSpec(hostID string) (changed <-chan struct{}, stop func()) {
	return r.Table.Watch(specPrefix + r.identity(hostID))
}

func ignoreConflict(err error) error {
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}
