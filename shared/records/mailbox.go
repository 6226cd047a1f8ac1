package records

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
)

// Specs and heartbeats have a partition per host, because on AWS a host may touch exactly the partitions that carry its
// own identity.
const (
	specPrefix = "spec#"
	beatPrefix = "beat#"
	only       = "only"
)

func specKey(hostID string) Key { return Key{specPrefix + hostID, only} }
func beatKey(hostID string) Key { return Key{beatPrefix + hostID, only} }

// Spec gives the node spec of a host, or a NotFound error while there is none.
func (r Records) Spec(ctx context.Context, hostID string) (nodespec.Spec, error) {
	spec, _, err := get[nodespec.Spec](ctx, r.Table, specKey(hostID))
	if err != nil {
		return spec, fmt.Errorf("spec of host %s: %w", hostID, err)
	}
	return spec, nil
}

// PutSpec writes the node spec of a host, unless one of the same or a higher generation is there.
func (r Records) PutSpec(ctx context.Context, hostID string, spec nodespec.Spec) error {
	return retryContended(ctx, "spec of host "+hostID, func() error {
		condition := IfAbsent()
		old, revision, err := get[nodespec.Spec](ctx, r.Table, specKey(hostID))
		switch {
		case err == nil && old.Generation >= spec.Generation:
			return nil
		case err == nil:
			condition = IfRevision(revision)
		case !fault.Is(err, fault.NotFound):
			return err
		}
		w, err := put(specKey(hostID), spec, condition)
		if err != nil {
			return err
		}
		return r.Table.Write(ctx, w)
	})
}

// Beat gives the last heartbeat of a host; ok is false when it has not sent one.
func (r Records) Beat(ctx context.Context, hostID string) (beat nodespec.Heartbeat, ok bool, err error) {
	beat, _, err = get[nodespec.Heartbeat](ctx, r.Table, beatKey(hostID))
	if fault.Is(err, fault.NotFound) {
		return beat, false, nil
	}
	return beat, err == nil, err
}

// PutBeat writes the heartbeat of a host.
func (r Records) PutBeat(ctx context.Context, hostID string, beat nodespec.Heartbeat) error {
	w, err := put(beatKey(hostID), beat, Always())
	if err != nil {
		return err
	}
	return r.Table.Write(ctx, w)
}

// ForgetHost removes the spec and the heartbeat of a host that is gone.
func (r Records) ForgetHost(ctx context.Context, hostID string) error {
	return r.Table.Write(ctx,
		Write{Key: specKey(hostID), Delete: true},
		Write{Key: beatKey(hostID), Delete: true})
}

// WatchBeats signals after heartbeats.
func (r Records) WatchBeats() (changed <-chan struct{}, stop func()) {
	return r.Table.Watch(beatPrefix)
}

// WatchSpec signals after changes of a host's spec.
func (r Records) WatchSpec(hostID string) (changed <-chan struct{}, stop func()) {
	return r.Table.Watch(specPrefix + hostID)
}

func ignoreConflict(err error) error {
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}
