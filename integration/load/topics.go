package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ActiveController gives the id of the controller that leads the quorum, as a broker says.
func (l *Load) ActiveController(ctx context.Context) (int32, error) {
	quorum, err := Quorum(ctx, l.consumer)
	return quorum.LeaderID, err
}

// Quorum is what the active controller knows of the quorum that it leads.
func Quorum(ctx context.Context, client *kgo.Client) (kmsg.DescribeQuorumResponseTopicPartition, error) {
	request := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	request.Topics = append(request.Topics, topic)
	none := kmsg.DescribeQuorumResponseTopicPartition{LeaderID: -1}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return none, fmt.Errorf("ask who leads the quorum: %w", err)
	}
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return none, fmt.Errorf("ask who leads the quorum: %w", err)
	}
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return none, errors.New("ask who leads the quorum: nobody says")
	}
	quorum := response.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(quorum.ErrorCode); err != nil {
		return none, fmt.Errorf("ask who leads the quorum: %w", err)
	}
	return quorum, nil
}

// Topics makes one topic after the other until it is stopped, and remembers what it was answered.
type Topics struct {
	client     *kgo.Client
	prefix     string
	partitions int32
	replicas   int16

	stop    context.CancelFunc
	running sync.WaitGroup
	// answers are those to each topic, by its name; nil means that it was made.
	answers map[string]error
}

// topicPause lies between two topics: small brokers should not end up with thousands.
const topicPause = 250 * time.Millisecond

// MakeTopics begins to make topics whose names begin with a prefix.
func MakeTopics(ctx context.Context, target Target, prefix string, partitions int32, replicas int16) (*Topics, error) {
	client, err := target.client()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	m := &Topics{client: client, prefix: prefix, partitions: partitions, replicas: replicas, stop: stop, answers: map[string]error{}}
	m.running.Go(func() {
		ticker := time.NewTicker(topicPause)
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			name := fmt.Sprintf("%s-%d", prefix, n)
			m.answers[name] = m.make(context.WithoutCancel(ctx), name)
		}
	})
	return m, nil
}

// make asks once, and is not asked to be sure: an answer that got lost leaves a topic of which nobody knows.
func (m *Topics) make(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 4*answersWithin)
	defer cancel()
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = int32((2 * answersWithin).Milliseconds())
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, m.partitions, m.replicas
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, m.client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.Topics[0].ErrorCode)
}

// Made is what became of the topics.
type Made struct {
	// Asked counts the topics that were asked for, Answered those that were said to be made, Existing those that are there.
	Asked, Answered, Existing int
	// Wrong says of each topic that was promised and is not there, or is there and not whole, what is the matter.
	Wrong []string
}

// Close ends the making. It may be called again.
func (m *Topics) Close() {
	m.stop()
	m.running.Wait()
	m.client.Close()
}

// Stop ends the making, and looks at every topic until nothing is wrong with any: brokers hear of a new topic a moment after
// it was made. What is wrong after ten seconds is in the answer.
func (m *Topics) Stop(ctx context.Context) (Made, error) {
	defer m.Close()
	m.stop()
	m.running.Wait()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(topicPause) {
		made, err := m.look(ctx)
		if err != nil || len(made.Wrong) == 0 || time.Now().After(deadline) {
			return made, err
		}
	}
}

func (m *Topics) look(ctx context.Context) (Made, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = nil
	response, err := request.RequestWith(ctx, m.client)
	if err != nil {
		return Made{}, fmt.Errorf("look at all topics: %w", err)
	}
	made := Made{Asked: len(m.answers)}
	there := map[string]bool{}
	for _, t := range response.Topics {
		if !strings.HasPrefix(*t.Topic, m.prefix+"-") {
			continue
		}
		made.Existing++
		there[*t.Topic] = true
		if why := m.lacks(t); why != "" {
			made.Wrong = append(made.Wrong, fmt.Sprintf("%s %s (it was answered by: %v)", *t.Topic, why, m.answers[*t.Topic]))
		}
	}
	for name, err := range m.answers {
		if err != nil {
			continue
		}
		made.Answered++
		if !there[name] {
			made.Wrong = append(made.Wrong, name+" was made, and is not there")
		}
	}
	return made, nil
}

// lacks says what a topic has not that it should have.
func (m *Topics) lacks(t kmsg.MetadataResponseTopic) string {
	if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
		return err.Error()
	}
	if len(t.Partitions) != int(m.partitions) {
		return fmt.Sprintf("has %d partitions", len(t.Partitions))
	}
	for _, p := range t.Partitions {
		if p.Leader < 0 || len(p.Replicas) != int(m.replicas) || len(p.ISR) != int(m.replicas) {
			return fmt.Sprintf("has leader %d, replicas %v and in-sync replicas %v for partition %d", p.Leader, p.Replicas, p.ISR, p.Partition)
		}
	}
	return ""
}
