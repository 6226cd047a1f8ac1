package topicadmin

import (
	"context"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// protectedBy refuses to delete a topic that is declared as protected, by a Conflict that says how it can be deleted all the same.
func protectedBy(ctx context.Context, declarations interface {
	Declaration(ctx context.Context, clusterID, id string) (cluster.Declaration, error)
}, c cluster.Cluster, topic string,
) error {
	if c.Declaration == "" {
		return nil
	}
	d, err := declarations.Declaration(ctx, c.ID, c.Declaration)
	if err != nil {
		return err
	}
	t, declared := d.Topic(topic)
	if !declared || !t.Protected {
		return nil
	}
	owner := ""
	if t.Owner != "" {
		owner = " (its owner is " + t.Owner + ")"
	}
	return fault.New(fault.Conflict,
		"topic %s is declared as protected from deletion%s: apply a declaration that does not protect it first", topic, owner)
}
