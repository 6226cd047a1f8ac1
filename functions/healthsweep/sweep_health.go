package healthsweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/health"
)

// SweepHealth looks at clusters, records how they are, and begins at most one healing operation for each.
type SweepHealth struct{ Deps }

// SweepHealthInput names the cluster to look at; without a name all are. StartedAt is when the machine that asks was
// started.
type SweepHealthInput struct {
	Cluster   string     `json:"cluster,omitempty"`
	StartedAt *time.Time `json:"startedAt,omitempty"`
}

// SweepHealthOutput tells what was begun, and whether and when to look again.
type SweepHealthOutput struct {
	LookAgain        bool     `json:"lookAgain"`
	LookAgainSeconds int      `json:"lookAgainSeconds"`
	Started          []string `json:"started"` // ids of operations
	// StorageDue says that a broker is as full as the rule lets it become by which its cluster's volumes grow by themselves, or that
	// volumes that are made of several can be merged. Only a look at all clusters says so.
	StorageDue bool `json:"storageDue"`
}

const (
	// looksFor is how long after its start a machine is told to look again; later the next sweep is near.
	looksFor = 150 * time.Second
	// shortestPause between two looks is the shortest wait of a state machine that is worth its price.
	shortestPause = 5 * time.Second
	// overtaken is how often a look is taken anew because another sweep has begun a heal meanwhile.
	overtaken = 3
)

// Run may be called at any time, and by many at once: whoever is first begins a heal, and the others see it.
//
//  1. Look at the cluster that is named, or at all.
//  2. Have them judged. Where one is to be healed, all are looked at before: what is sick in many places may be an outage.
//  3. Record the verdicts that are news.
//  4. Begin the heals. When another sweep has begun one meanwhile, this look was overtaken: take another.
//  5. Say when to look again, and whether somebody should look at storage.
func (s SweepHealth) Run(ctx context.Context, in SweepHealthInput) (SweepHealthOutput, error) {
	out := SweepHealthOutput{Started: []string{}}
	var next time.Time
	var err error
	for range overtaken {
		next, err = s.sweep(ctx, in.Cluster, &out)
		if !errors.Is(err, errOvertaken) {
			break
		}
	}
	if errors.Is(err, errOvertaken) {
		next, err = s.Now(), nil // they are many, and so are those who look
	}
	out.lookAgain(next, s.Now(), in.StartedAt)
	return out, err
}

func (s SweepHealth) sweep(ctx context.Context, name string, out *SweepHealthOutput) (next time.Time, err error) {
	seen, problems := s.look(ctx, name)
	if seen == nil {
		return time.Time{}, problems
	}
	verdicts, err := s.judge(ctx, seen)
	if err == nil && name != "" && anyHeal(verdicts) {
		if seen, problems = s.look(ctx, ""); seen == nil {
			return time.Time{}, problems
		}
		verdicts, err = s.judge(ctx, seen)
	}
	if err != nil {
		return time.Time{}, errors.Join(problems, err)
	}
	if name == "" {
		problems = errors.Join(problems, s.writeMetrics(*seen, verdicts))
		out.StorageDue = storageDue(seen.Looks, s.Now())
	}
	for i, v := range verdicts {
		if err := s.record(ctx, seen.Looks[i], v.Health); err != nil {
			problems = errors.Join(problems, err)
		}
		if !v.LookAgain.IsZero() && (next.IsZero() || v.LookAgain.Before(next)) {
			next = v.LookAgain
		}
	}
	for i, v := range verdicts {
		if v.Heal == nil {
			continue
		}
		id, err := s.begin(ctx, &seen.turn, seen.Looks[i].Cluster, *v.Heal)
		switch {
		case errors.Is(err, errOvertaken):
			return next, errors.Join(problems, err)
		case err != nil:
			problems = errors.Join(problems, err)
		case id != "":
			out.Started = append(out.Started, id)
		}
	}
	return next, problems
}

func anyHeal(verdicts []health.Verdict) bool {
	for _, v := range verdicts {
		if v.Heal != nil {
			return true
		}
	}
	return false
}

// lookAgain says when the machine that was started at a time is to look next.
func (out *SweepHealthOutput) lookAgain(next, now time.Time, started *time.Time) {
	if next.IsZero() {
		return
	}
	pause := max(next.Sub(now), shortestPause)
	if started != nil && !started.IsZero() && now.Add(pause).Sub(*started) > looksFor {
		return
	}
	out.LookAgain = true
	out.LookAgainSeconds = int((pause + time.Second - 1) / time.Second)
}

// cleanUp forgets what is recorded of clusters that are gone: a look may be recorded while its cluster is forgotten.
func (s SweepHealth) cleanUp(ctx context.Context, clusterID string) error {
	_, err := s.Records.Cluster(ctx, clusterID)
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	slog.InfoContext(ctx, "forgot the health of a cluster that is gone", "cluster", clusterID)
	if err := s.Records.ForgetHealth(ctx, clusterID); err != nil {
		return fmt.Errorf("forget the health of cluster %s: %w", clusterID, err)
	}
	return nil
}
