package topicadmin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/emf"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/topicplan"
)

// FindTopicDrift asks how a cluster's topics differ from what is declared. It changes none of them.
type FindTopicDrift struct {
	planner
	Records interface {
		Declaration(ctx context.Context, clusterID, id string) (cluster.Declaration, error)
		TopicDrift(ctx context.Context, clusterID string) (cluster.TopicDrift, error)
		PutTopicDrift(ctx context.Context, clusterID string, d cluster.TopicDrift) error
	}
	Deployment string
	Metrics    io.Writer
}

// FindTopicDriftInput names the cluster.
type FindTopicDriftInput struct {
	ClusterID string `json:"clusterId"`
}

// FindTopicDriftOutput says how many topics differ; Reason says why nobody has looked.
type FindTopicDriftOutput struct {
	Looked  bool   `json:"looked"`
	Drifted int    `json:"drifted"`
	Reason  string `json:"reason,omitempty"`
}

// Run leaves topics alone that nobody has declared, or that are being made as declared at the moment. That no broker answers is told
// by others: here, it is no error.
func (s FindTopicDrift) Run(ctx context.Context, in FindTopicDriftInput) (FindTopicDriftOutput, error) {
	// The look is as old as its beginning: what has been applied since was not seen.
	began := s.Now().UTC()
	c, access, err := s.to(ctx, in.ClusterID)
	switch {
	case fault.Is(err, fault.NotFound):
		return FindTopicDriftOutput{Reason: "the cluster is gone"}, nil
	case c.ID == "" && err != nil:
		return FindTopicDriftOutput{}, err
	case !c.Serves(), c.Declaration == "":
		return FindTopicDriftOutput{Reason: "there is nothing to hold the topics against"}, nil
	case c.Applying != nil:
		return FindTopicDriftOutput{Reason: "topics are being applied"}, nil
	}
	var plan cluster.TopicPlan
	if err == nil {
		var d cluster.Declaration
		if d, err = s.Records.Declaration(ctx, c.ID, c.Declaration); err == nil {
			plan, err = s.plan(ctx, c, access, wish{Declared: d.Topics, Previous: d.Topics})
		}
	}
	if fault.Is(err, fault.Unavailable) {
		slog.InfoContext(ctx, "could not hold topics against what is declared", "cluster", c.ID, "reason", err)
		return FindTopicDriftOutput{Reason: err.Error()}, nil
	}
	if err != nil {
		return FindTopicDriftOutput{}, err
	}
	drift := driftOf(plan, c.Declaration, began)
	if err := s.record(ctx, c, drift); err != nil {
		return FindTopicDriftOutput{}, err
	}
	return FindTopicDriftOutput{Looked: true, Drifted: drift.Count}, s.writeMetrics(drift)
}

// shownDrift is how many topics that differ are named.
const shownDrift = 100

func driftOf(plan cluster.TopicPlan, declaration string, now time.Time) cluster.TopicDrift {
	drifted := topicplan.Drift(plan)
	d := cluster.TopicDrift{Declaration: declaration, At: now, Count: len(drifted), Topics: drifted[:min(shownDrift, len(drifted))]}
	if d.Count > 0 {
		d.Since = now
	}
	return d
}

// restful is how old the record of a cluster may become in which nothing changes: a machine at rest should not write all the time.
const restful = 5 * time.Minute

// record keeps what was found, and tells what is new in it.
func (s FindTopicDrift) record(ctx context.Context, c cluster.Cluster, d cluster.TopicDrift) error {
	before, err := s.Records.TopicDrift(ctx, c.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if before.Declaration == d.Declaration && d.Count > 0 && before.Count > 0 {
		d.Since = before.Since
	}
	if before.At.After(d.At) {
		return nil // somebody has looked later
	}
	same := before.Declaration == d.Declaration && before.Count == d.Count && slices.Equal(before.Topics, d.Topics)
	if same && d.At.Sub(before.At) < restful {
		return nil
	}
	if err := s.Records.PutTopicDrift(ctx, c.ID, d); err != nil {
		return err
	}
	if same {
		return nil
	}
	log := slog.With("cluster", c.ID, "declaration", d.Declaration, "topics", d.Count)
	switch {
	case d.Count > 0:
		log.WarnContext(ctx, "topics are not as declared", "first", d.Topics[0].Topic, "reason", d.Topics[0].Reason, "since", d.Since)
	case before.Count > 0:
		log.InfoContext(ctx, "topics are as declared again")
	}
	return nil
}

// Metrics go to CloudWatch through the function's own log, a line for each cluster whose topics are declared: which one it is, and
// which of its topics, is what `millrace topics list` shows.
const (
	namespace = "Millrace/Topics"
	dimension = "Deployment"
	drifted   = "DriftedTopics"
)

func (s FindTopicDrift) writeMetrics(d cluster.TopicDrift) error {
	if s.Metrics == nil {
		return nil
	}
	line := emf.NewLine(namespace, map[string]string{dimension: s.Deployment})
	line.Add(drifted, "Count", d.Count, dimension)
	if err := line.Write(s.Metrics, d.At); err != nil {
		return fmt.Errorf("tell how many topics drift: %w", err)
	}
	return nil
}
