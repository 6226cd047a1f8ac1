package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// Admin looks at clusters. It keeps no connection: whoever looks seldom should not hold one.
type Admin struct{}

// Partitions gives every partition of a cluster, by topic and id, as all brokers see it that answer: a replica counts as in
// sync when nobody says otherwise. A partition has the leader of its latest election, and its topic's min.insync.replicas
// wherever that is set.
//
// It ends within eight seconds, and is Unavailable when no broker answers.
func (Admin) Partitions(ctx context.Context, a Access) ([]cluster.Partition, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	views, err := a.views(ctx)
	if err != nil {
		return nil, err
	}
	return agree(current(views)), nil
}

// view is what one broker says of all topics.
type view struct {
	address   string
	alive     []string // the addresses of the brokers that it knows to be up
	topics    []*sarama.TopicMetadata
	byID      map[int32]string
	minInSync map[string]int // by topic
}

// views asks all brokers at once. Those that do not answer are left out, unless none does.
func (a Access) views(ctx context.Context) ([]view, error) {
	config, err := a.config()
	if err != nil {
		return nil, err
	}
	if len(a.Brokers) == 0 {
		return nil, fault.New(fault.Unavailable, "there is no broker to ask")
	}
	type answer struct {
		view view
		err  error
	}
	answers := make(chan answer, len(a.Brokers)) // has room for those that come when nobody waits any more
	for _, address := range a.Brokers {
		go func() {
			v, err := look(address, config)
			answers <- answer{v, err}
		}()
	}
	var views []view
	var faults []error
	var enough <-chan time.Time
	for waiting := len(a.Brokers); waiting > 0; waiting-- {
		select {
		case got := <-answers:
			if got.err != nil {
				faults = append(faults, got.err)
				continue
			}
			if views = append(views, got.view); enough == nil {
				enough = time.After(othersWithin)
			}
		case <-enough:
			return views, nil
		case <-ctx.Done():
			return nil, noneAnswers(append(faults, ctx.Err()))
		}
	}
	if len(views) == 0 {
		return nil, noneAnswers(faults)
	}
	return views, nil
}

// noneAnswers is Unavailable, unless a broker has answered in a way that no second try will change.
func noneAnswers(faults []error) error {
	for _, err := range faults {
		if code := fault.CodeOf(err); code != fault.Unavailable {
			return fault.Refused(code, fault.ReasonOf(err), "no broker answers: %w", errors.Join(faults...))
		}
	}
	return unreachable(fmt.Errorf("no broker answers: %w", errors.Join(faults...)))
}

// Versions of requests that every release of Kafka from 3.9 on knows.
const (
	metadataVersion        = 9 // with the epochs of leaders
	describeConfigsVersion = 4
)

// look asks one broker.
func look(address string, config *sarama.Config) (view, error) {
	broker := sarama.NewBroker(address)
	one := &connection{broker: broker, wire: newWire()}
	defer one.cut()
	// No bound of the connection's own ends a handshake of TLS with a broker that hangs.
	defer time.AfterFunc(askWithin, one.wire.cut).Stop()
	if err := one.open(config); err != nil {
		return view{}, coded(fmt.Errorf("connect to %s: %w", address, err))
	}
	metadata, err := broker.GetMetadata(&sarama.MetadataRequest{Version: metadataVersion})
	if err != nil {
		return view{}, coded(fmt.Errorf("ask %s for its topics: %w", address, err))
	}
	v := view{address: address, topics: metadata.Topics}
	for _, b := range metadata.Brokers {
		v.alive = append(v.alive, b.Addr())
	}
	v.minInSync, err = askMinInSync(broker, metadata.Topics)
	return v, err
}

const minInSyncReplicas = "min.insync.replicas"

// askMinInSync gives min.insync.replicas by topic: the topic's own, or what holds for all. A topic that is gone meanwhile is
// left out.
func askMinInSync(broker *sarama.Broker, topics []*sarama.TopicMetadata) (map[string]int, error) {
	values := map[string]int{}
	if len(topics) == 0 {
		return values, nil
	}
	request := &sarama.DescribeConfigsRequest{Version: describeConfigsVersion}
	for _, t := range topics {
		request.Resources = append(request.Resources, &sarama.ConfigResource{
			Type: sarama.TopicResource, Name: t.Name, ConfigNames: []string{minInSyncReplicas},
		})
	}
	answer, err := broker.DescribeConfigs(request)
	if err != nil {
		return nil, coded(fmt.Errorf("ask %s for %s: %w", broker.Addr(), minInSyncReplicas, err))
	}
	for _, topic := range answer.Resources {
		value, err := minInSyncOf(topic)
		switch {
		case fault.Is(err, fault.NotFound):
			continue
		case err != nil:
			return nil, err
		}
		values[topic.Name] = value
	}
	return values, nil
}

func minInSyncOf(topic *sarama.ResourceResponse) (int, error) {
	if topic.ErrorCode != 0 {
		return 0, coded(fmt.Errorf("%s of topic %s: %w", minInSyncReplicas, topic.Name, sarama.KError(topic.ErrorCode)))
	}
	for _, config := range topic.Configs {
		if config.Name != minInSyncReplicas {
			continue
		}
		value, err := strconv.Atoi(config.Value)
		if err != nil {
			return 0, fault.New(fault.Internal, "%s of topic %s is %q", minInSyncReplicas, topic.Name, config.Value)
		}
		return value, nil
	}
	return 0, fault.New(fault.Internal, "Kafka does not say what %s of topic %s is", minInSyncReplicas, topic.Name)
}

// current leaves out the views of brokers that most of the others do not count as up: such a broker is cut off from the quorum,
// and tells what was true when it was not. Where nobody is left over, all views count.
func current(views []view) []view {
	kept := slices.DeleteFunc(slices.Clone(views), func(v view) bool {
		missed := 0
		for _, other := range views {
			if other.address != v.address && !slices.Contains(other.alive, v.address) {
				missed++
			}
		}
		return 2*missed > len(views)-1
	})
	if len(kept) == 0 {
		return views
	}
	return kept
}

// agree merges what brokers say. Of two elections the later one counts: everything that was seen before it is past. Of what
// was seen after the same election, a replica that anybody misses is not in sync, and the larger minimum holds.
func agree(views []view) []cluster.Partition {
	type name struct {
		topic string
		id    int32
	}
	elections := map[name]int32{}
	merged := map[name]cluster.Partition{}
	for _, v := range views {
		for _, t := range v.topics {
			minInSync, exists := v.minInSync[t.Name]
			if !exists {
				continue
			}
			for _, p := range t.Partitions {
				at := name{t.Name, p.ID}
				seen := cluster.Partition{
					Topic: t.Name, ID: p.ID, Leader: p.Leader, Replicas: p.Replicas, InSync: p.Isr, MinInSync: minInSync,
				}
				known, again := merged[at]
				switch {
				case again && p.LeaderEpoch < elections[at]:
					continue
				case again && p.LeaderEpoch == elections[at]:
					seen = both(known, seen)
				}
				elections[at], merged[at] = p.LeaderEpoch, seen
			}
		}
	}
	partitions := make([]cluster.Partition, 0, len(merged))
	for _, p := range merged {
		partitions = append(partitions, p)
	}
	slices.SortFunc(partitions, func(a, b cluster.Partition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	return partitions
}

// both is what two views of a partition have in common.
func both(a, b cluster.Partition) cluster.Partition {
	a.Leader = max(a.Leader, b.Leader) // one of them may not have heard yet that the leader is up
	a.MinInSync = max(a.MinInSync, b.MinInSync)
	a.InSync = slices.DeleteFunc(slices.Clone(a.InSync), func(id int32) bool { return !slices.Contains(b.InSync, id) })
	return a
}
