package topicadmin

import (
	"context"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/topicplan"
)

// declarations are what topics were declared as.
type declarations interface {
	Declaration(ctx context.Context, clusterID, id string) (cluster.Declaration, error)
}

// protectedBy refuses to delete a topic that is declared as protected, by a Conflict that says how it can be deleted all the same.
func protectedBy(ctx context.Context, on declarations, c cluster.Cluster, topic string) error {
	protected, owner, err := isProtected(ctx, on, c, topic)
	if err != nil || !protected {
		return err
	}
	return fault.New(fault.Conflict,
		"topic %s is declared as protected from deletion%s: apply a declaration that does not protect it first", topic, owner)
}

// keptBy refuses to throw away records of a topic that is declared as protected, by a Conflict that says how it can be done all the
// same.
func keptBy(ctx context.Context, on declarations, c cluster.Cluster, topic string, lost []string) error {
	if len(lost) == 0 {
		return nil
	}
	protected, owner, err := isProtected(ctx, on, c, topic)
	if err != nil || !protected {
		return err
	}
	return fault.New(fault.Conflict,
		"topic %s is declared as protected%s, and this %s: declare it so, and apply that with leave to discard records of %s",
		topic, owner, topicplan.MayDiscard(lost), topic)
}

// isProtected tells whether a topic is declared as protected, and whose it is in words.
func isProtected(ctx context.Context, on declarations, c cluster.Cluster, topic string) (protected bool, owner string, err error) {
	if c.Declaration == "" {
		return false, "", nil
	}
	d, err := on.Declaration(ctx, c.ID, c.Declaration)
	if err != nil {
		return false, "", err
	}
	t, declared := d.Topic(topic)
	if t.Owner != "" {
		owner = " (its owner is " + t.Owner + ")"
	}
	return declared && t.Protected, owner, nil
}
