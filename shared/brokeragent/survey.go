package brokeragent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/shared/nodespec"
)

// survey is what a node's Kafka knows of others: a broker of the partitions that it leads, the active controller of the
// other voters.
type survey struct {
	replication *nodespec.Replication
	quorum      *nodespec.Quorum
}

// survey asks a member what it knows of others, when it is time to.
func (n *node) survey(ctx context.Context, w *watched, kafka probe) {
	began := time.Now()
	if !w.running || w.misses > 0 || began.Before(w.nextSurvey) {
		return
	}
	s, err := kafka.survey(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil && !w.surveyFails {
		n.log.Warn("Kafka works, and does not say what it knows of others", "error", err)
	}
	w.surveyFails = err != nil
	w.nextSurvey = began.Add(s.pause(time.Since(began), n.report.peace))
	n.report.update(func(b *nodespec.Heartbeat) { b.Replication, b.Quorum = s.replication, s.quorum })
}

// surveyShare bounds what surveys cost: after one that took half a second, Kafka is left alone for ten. A broker tells of all
// partitions of its cluster at once, and there may be tens of thousands.
const surveyShare = 20

// pause is how long lies between the beginnings of two surveys: little while something is not in order, otherwise what lies
// between two heartbeats. The quorum is small, and its other members have nobody else to miss them.
func (s survey) pause(took, peace time.Duration) time.Duration {
	pause := peacePoll
	if r := s.replication; r != nil && r.UnderReplicated == 0 && r.Offline == 0 {
		pause = peace
	}
	// The polls that surveys follow come at about the time.
	return max(pause-peacePoll/2, surveyShare*took)
}

func (p *kafkaProbe) survey(ctx context.Context) (s survey, err error) {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	switch {
	case p.role == nodespec.Broker:
		s.replication, err = p.askReplication(ctx)
	case !p.leads.IsZero() && time.Since(p.leads) >= behindAfter: // before, it can't have heard of everybody
		s.quorum, err = p.askQuorum(ctx)
	}
	return s, err
}

func (p *kafkaProbe) askReplication(ctx context.Context) (*nodespec.Replication, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = nil // all
	answer, err := p.insider.SeedBrokers()[0].Request(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("ask for all partitions: %w", err)
	}
	return replicationOf(p.nodeID, answer.(*kmsg.MetadataResponse)), nil
}

// replicationOf counts what a broker says of all partitions.
func replicationOf(broker int32, answer *kmsg.MetadataResponse) *nodespec.Replication {
	var r nodespec.Replication
	missing := map[int32]int{}
	for _, topic := range answer.Topics {
		for _, p := range topic.Partitions {
			switch {
			case p.Leader < 0:
				r.Offline++
			case p.Leader == broker:
				r.Leads++
				if len(p.ISR) < len(p.Replicas) {
					r.UnderReplicated++
				}
				for _, replica := range p.Replicas {
					if !slices.Contains(p.ISR, replica) {
						missing[replica]++
					}
				}
			}
		}
	}
	if len(missing) > 0 {
		r.OutOfSync = missing
	}
	return &r
}

// behindAfter is how long a voter may not have caught up with the active controller: a follower catches up with each fetch,
// of which it makes two a second when nothing happens.
const behindAfter = 5 * time.Second

// metadataTopic is the quorum's own log.
const metadataTopic = "__cluster_metadata"

func (p *kafkaProbe) askQuorum(ctx context.Context) (*nodespec.Quorum, error) {
	request := kmsg.NewPtrDescribeQuorumRequest()
	request.Topics = []kmsg.DescribeQuorumRequestTopic{{
		Topic: metadataTopic, Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{Partition: 0}},
	}}
	answer, err := p.insider.SeedBrokers()[0].Request(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("describe the quorum: %w", err)
	}
	description := answer.(*kmsg.DescribeQuorumResponse)
	if err := kerr.ErrorForCode(description.ErrorCode); err != nil {
		return nil, fmt.Errorf("describe the quorum: %w", err)
	}
	if len(description.Topics) != 1 || len(description.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("describe the quorum: it answers for %d topics", len(description.Topics))
	}
	partition := description.Topics[0].Partitions[0]
	if partition.ErrorCode == kerr.NotLeaderForPartition.Code {
		return nil, nil // no more
	}
	if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
		return nil, fmt.Errorf("describe the quorum: %w", err)
	}
	return quorumOf(p.nodeID, partition), nil
}

// quorumOf tells the voters that follow a leader closely from those that do not; nil when the leader is another.
func quorumOf(leader int32, p kmsg.DescribeQuorumResponseTopicPartition) *nodespec.Quorum {
	own := slices.IndexFunc(p.CurrentVoters, func(v kmsg.DescribeQuorumResponseTopicPartitionReplicaState) bool {
		return v.ReplicaID == leader
	})
	if p.LeaderID != leader || own < 0 {
		return nil
	}
	// The leader says of itself that it has caught up now, so that its own clock is the only one that counts.
	now := p.CurrentVoters[own].LastCaughtUpTimestamp
	q := &nodespec.Quorum{}
	for _, v := range p.CurrentVoters {
		if v.ReplicaID == leader || v.LastCaughtUpTimestamp > now-behindAfter.Milliseconds() {
			q.CaughtUp = append(q.CaughtUp, v.ReplicaID)
		} else {
			q.Behind = append(q.Behind, v.ReplicaID)
		}
	}
	slices.Sort(q.CaughtUp)
	slices.Sort(q.Behind)
	return q
}
