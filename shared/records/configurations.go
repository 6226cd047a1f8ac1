package records

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

const (
	configurations     = "configurations"      // by name
	configurationNames = "configuration-names" // by id
)

func configurationKey(name string) Key   { return Key{configurations, name} }
func configurationNameKey(id string) Key { return Key{configurationNames, id} }
func revisionsOf(id string) string       { return "revisions#" + id }
func revisionKey(id string, n int64) Key { return Key{revisionsOf(id), fmt.Sprintf("%010d", n)} }

// CreateConfiguration records a configuration with its first revision.
// It returns a Conflict that wraps ErrNameTaken when the name is taken.
func (r Records) CreateConfiguration(ctx context.Context, c cluster.Configuration, first cluster.Revision) error {
	writes, err := collect(
		with(put(configurationKey(c.Name), c, IfAbsent())),
		with(put(configurationNameKey(c.ID), clusterName{c.Name}, IfAbsent())),
		with(put(revisionKey(c.ID, first.Number), first, IfAbsent())),
	)
	if err != nil {
		return err
	}
	if err := r.Table.Write(ctx, writes...); err != nil {
		if fault.Is(err, fault.Conflict) {
			return fault.New(fault.Conflict, "configuration %s: %w", c.Name, ErrNameTaken)
		}
		return fmt.Errorf("record configuration %s: %w", c.Name, err)
	}
	return nil
}

// Configuration gives a configuration by its id, or a NotFound error.
func (r Records) Configuration(ctx context.Context, id string) (cluster.Configuration, error) {
	c, _, err := r.configuration(ctx, id)
	return c, err
}

func (r Records) configuration(ctx context.Context, id string) (cluster.Configuration, int64, error) {
	name, _, err := get[clusterName](ctx, r.Table, configurationNameKey(id))
	if err != nil {
		return cluster.Configuration{}, 0, fmt.Errorf("configuration %s: %w", id, err)
	}
	c, revision, err := get[cluster.Configuration](ctx, r.Table, configurationKey(name.Name))
	if err != nil {
		return cluster.Configuration{}, 0, fmt.Errorf("configuration %s: %w", id, err)
	}
	return c, revision, nil
}

// Configurations gives up to limit configurations whose names sort after the one given, by name.
func (r Records) Configurations(ctx context.Context, after string, limit int) ([]cluster.Configuration, error) {
	return page[cluster.Configuration](ctx, r.Table, configurations, "", after, limit)
}

// Revision gives one revision of a configuration, or a NotFound error.
func (r Records) Revision(ctx context.Context, id string, number int64) (cluster.Revision, error) {
	revision, _, err := get[cluster.Revision](ctx, r.Table, revisionKey(id, number))
	if err != nil {
		return revision, fmt.Errorf("revision %d of configuration %s: %w", number, id, err)
	}
	return revision, nil
}

// Revisions gives up to limit revisions whose numbers are above the one given, in order.
func (r Records) Revisions(ctx context.Context, id string, above int64, limit int) ([]cluster.Revision, error) {
	return page[cluster.Revision](ctx, r.Table, revisionsOf(id), "", fmt.Sprintf("%010d", above), limit)
}

// AppendRevision makes the next revision of a configuration: next gets the configuration as it is and fills in a revision
// whose number is set already. An error of next ends it with nothing written.
func (r Records) AppendRevision(
	ctx context.Context, id string, next func(cluster.Configuration, *cluster.Revision) error,
) (cluster.Configuration, error) {
	var c cluster.Configuration
	err := r.retryContended(ctx, "configuration "+id, func() error {
		var revision int64
		var err error
		if c, revision, err = r.configuration(ctx, id); err != nil {
			return err
		}
		added := cluster.Revision{Number: c.Latest.Number + 1}
		if err := next(c, &added); err != nil {
			return final{err}
		}
		c.Latest = added
		c.Latest.ServerProperties = nil
		writes, err := collect(
			with(put(configurationKey(c.Name), c, IfRevision(revision))),
			with(put(revisionKey(id, added.Number), added, IfAbsent())),
		)
		if err != nil {
			return err
		}
		return r.Table.Write(ctx, writes...)
	})
	return c, unwrapFinal(err)
}

// ForgetConfiguration removes a configuration with its revisions, unless allowed objects. What allowed sees of the clusters
// holds until the configuration is gone: whoever attaches it in between (see CreateCluster) makes this start over.
func (r Records) ForgetConfiguration(ctx context.Context, id string, allowed func(cluster.Configuration) error) error {
	err := r.retryContended(ctx, "configuration "+id, func() error {
		c, revision, err := r.configuration(ctx, id)
		if err != nil {
			return err
		}
		if err := allowed(c); err != nil {
			return final{err}
		}
		// The name goes first: without it nobody can attach the configuration while its revisions are removed.
		return r.Table.Write(ctx,
			Write{Key: configurationKey(c.Name), If: IfRevision(revision), Delete: true},
			Write{Key: configurationNameKey(id), Delete: true})
	})
	if err != nil {
		return fmt.Errorf("remove configuration %s: %w", id, unwrapFinal(err))
	}
	return removeAll(ctx, r.Table, revisionsOf(id))
}

// attach makes the write that goes with attaching a configuration to a cluster: it changes nothing but the item's
// revision, so that of attaching and forgetting at the same moment only one succeeds.
func (r Records) attach(ctx context.Context, ref cluster.ConfigurationRef) (Write, error) {
	c, revision, err := r.configuration(ctx, ref.ID())
	if err != nil {
		return Write{}, err
	}
	return put(configurationKey(c.Name), c, IfRevision(revision))
}
