package healthsweep

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/health"
)

// restful is how old the record of a cluster may become in which nothing changes. A machine at rest should not write all the
// time, and whoever reads the record, or looks next, wants to know that somebody looks.
const restful = 50 * time.Second

// record keeps a verdict, and tells what is new in it.
func (s SweepHealth) record(ctx context.Context, l health.Look, h cluster.Health) error {
	same, err := isSame(l.Before, h)
	if err != nil {
		return err
	}
	if same && h.LookedAt.Sub(l.Before.LookedAt) < restful {
		return nil
	}
	if err := s.Records.PutHealth(ctx, h); err != nil {
		return err
	}
	tell(ctx, l, h)
	return nil
}

// isSame tells whether two looks found the same.
func isSame(before, now cluster.Health) (bool, error) {
	before.LookedAt, now.LookedAt = time.Time{}, time.Time{}
	one, err := json.Marshal(before)
	if err != nil {
		return false, err
	}
	other, err := json.Marshal(now)
	return bytes.Equal(one, other), err
}

// tell logs the verdicts that have changed.
func tell(ctx context.Context, l health.Look, h cluster.Health) {
	if h.Breaker != l.Before.Breaker {
		log := slog.With("cluster", l.Cluster.ID)
		if h.Breaker != "" {
			log.WarnContext(ctx, "the circuit breaker is open", "reason", h.Breaker)
		} else {
			log.InfoContext(ctx, "the circuit breaker is closed")
		}
	}
	for _, f := range h.Findings {
		before, _ := l.Before.Of(f.NodeID)
		isNews := before.Condition != f.Condition || before.Remedy != f.Remedy || before.Waits != f.Waits || before.Host != f.Host
		wasNothing := before.Condition == "" && f.Condition == cluster.Well
		if !isNews || wasNothing {
			continue
		}
		log := slog.With("cluster", l.Cluster.ID, "node", f.NodeID, "host", f.Host, "condition", f.Condition, "since", f.Since,
			"reason", f.Reason, "remedy", f.Remedy, "waits", f.Waits)
		if f.Sick() {
			log.WarnContext(ctx, "a node is sick")
		} else {
			log.InfoContext(ctx, "judged a node")
		}
	}
}
