package kafka

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// Types of groups, as Kafka names them.
const (
	classicGroup  = "classic"  // members share out the partitions among themselves
	consumerGroup = "consumer" // the coordinator does (KIP-848)
	shareGroup    = "share"    // members share the records of a partition (KIP-932)
	streamsGroup  = "streams"  // instances of a Kafka Streams application (KIP-1071)
)

// offsetsTopic is where coordinators keep groups: who leads a partition of it looks after the groups in it.
const offsetsTopic = "__consumer_offsets"

// Versions of requests about groups that every release of Kafka from 3.9 on knows.
const (
	listGroupsVersion     = 5 // with types
	describeGroupsVersion = 5
	fetchOffsetsVersion   = 8 // of many groups
)

// groupsPerRequest keeps answers about many groups at a few megabytes.
const groupsPerRequest = 100

// Groups lists all groups of a cluster, by id, with their lag. Behind is left out of those that would take more looks into
// partitions than a list is worth: Group has it.
//
// It is Unavailable while groups have no coordinator, because a list without them would say that they do not exist.
func (p *Pool) Groups(ctx context.Context, a Access) ([]cluster.GroupSummary, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	c, err := p.of(a)
	if err != nil {
		return nil, err
	}
	k := coordinators{c}
	all, at, err := k.list(ctx)
	if err != nil {
		return nil, err
	}
	described, err := k.describe(ctx, at, all)
	if err != nil {
		return nil, err
	}
	committed, err := k.committed(ctx, at, all)
	if err != nil {
		return nil, err
	}
	if at, err = k.look(ctx, topicsOf(committed)...); err != nil {
		return nil, err
	}
	offsets := map[string][]cluster.GroupOffset{}
	for id, of := range committed {
		offsets[id] = unread(of, nil)
	}
	k.measure(ctx, at, offsets, looksOfList)

	summaries := make([]cluster.GroupSummary, 0, len(all))
	for _, g := range all {
		summary := cluster.GroupSummary{ID: g.id, Type: g.kind, State: g.state, Coordinator: g.coordinator}
		if d, ok := described[g.id]; ok {
			count := len(d.members)
			summary.Members = &count
		}
		// One that has committed nothing may have everything still to read, or nothing to do with topics.
		if group := (cluster.Group{Offsets: offsets[g.id]}); len(group.Offsets) > 0 {
			if lag, known := group.Lag(); known {
				summary.Lag = &lag
			}
			summary.Behind = group.Behind()
		}
		summaries = append(summaries, summary)
	}
	return summaries, nil
}

// group finds a group, and who looks after it.
func (p *Pool) group(ctx context.Context, a Access, id string) (coordinators, listed, layout, error) {
	c, err := p.of(a)
	if err != nil {
		return coordinators{}, listed{}, layout{}, err
	}
	k := coordinators{c}
	g, at, err := k.find(ctx, id)
	return k, g, at, err
}

// Group describes one group: its members, what it has committed of which partitions, and how far behind it is in each.
func (p *Pool) Group(ctx context.Context, a Access, id string) (cluster.Group, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	k, g, at, err := p.group(ctx, a, id)
	if err != nil {
		return cluster.Group{}, err
	}
	described, err := k.describe(ctx, at, []listed{g})
	if err != nil {
		return cluster.Group{}, err
	}
	committed, err := k.committed(ctx, at, []listed{g})
	if err != nil {
		return cluster.Group{}, err
	}
	d := described[id]
	group := cluster.Group{
		ID: id, Type: g.kind, State: cmp.Or(d.state, g.state), Protocol: d.protocol, Coordinator: g.coordinator, Members: d.members,
		Offsets: unread(committed[id], d.members),
	}
	if at, err = k.look(ctx, topicsIn(group.Offsets)...); err != nil {
		return cluster.Group{}, err
	}
	k.measure(ctx, at, map[string][]cluster.GroupOffset{id: group.Offsets}, looksOfDescription)
	return group, nil
}

// coordinators asks the brokers of a cluster about groups.
type coordinators struct{ *connections }

// layout is which broker to ask about what.
type layout struct {
	addresses map[int32]string           // of the brokers that are up
	leaders   map[string]map[int32]int32 // by topic and partition; -1 for none. A topic that does not exist is not in it
}

// look asks where brokers and topics are. A topic that is asked for is not made by that.
func (k coordinators) look(ctx context.Context, topics ...string) (layout, error) {
	request := &sarama.MetadataRequest{Version: metadataVersion, Topics: append([]string{offsetsTopic}, topics...)}
	answer, err := read(ctx, k.connections, func(b *sarama.Broker) (*sarama.MetadataResponse, error) { return b.GetMetadata(request) })
	if err != nil {
		return layout{}, fmt.Errorf("ask where partitions are: %w", err)
	}
	l := layout{addresses: map[int32]string{}, leaders: map[string]map[int32]int32{}}
	for _, b := range answer.Brokers {
		l.addresses[b.ID()] = b.Addr()
	}
	for _, t := range answer.Topics {
		if t.Err != sarama.ErrNoError {
			continue
		}
		l.leaders[t.Name] = map[int32]int32{}
		for _, p := range t.Partitions {
			l.leaders[t.Name][p.ID] = p.Leader
		}
	}
	return l, nil
}

// leader gives the address of a partition's leader.
func (l layout) leader(p cluster.TopicPartition) (address string, ok bool) {
	id, ok := l.leaders[p.Topic][p.ID]
	if !ok {
		return "", false
	}
	address, ok = l.addresses[id]
	return address, ok
}

// listed is a group as its coordinator lists it.
type listed struct {
	id, kind, state string
	coordinator     int32
}

// list asks every broker which groups it coordinates, again and again while coordinators change: a broker that has just died, or has
// just come to coordinate groups, is soon passed over or done with reading them.
func (k coordinators) list(ctx context.Context) ([]listed, layout, error) {
	patience, cancel := context.WithTimeout(ctx, coordinatorsChangeWithin)
	defer cancel()
	for {
		all, at, err := k.listOnce(ctx)
		if !fault.Is(err, fault.Unavailable) {
			return all, at, err
		}
		select {
		case <-time.After(listAgainAfter):
		case <-patience.Done():
			return nil, at, err
		}
	}
}

const (
	coordinatorsChangeWithin = 4 * time.Second
	listAgainAfter           = 100 * time.Millisecond
)

func (k coordinators) listOnce(ctx context.Context) ([]listed, layout, error) {
	at, err := k.look(ctx)
	if err != nil {
		return nil, at, err
	}
	for id, leader := range at.leaders[offsetsTopic] {
		if _, up := at.addresses[leader]; !up {
			return nil, at, asKafka(sarama.ErrConsumerCoordinatorNotAvailable,
				"partition %d of %s has no leader, so its groups have no coordinator", id, offsetsTopic)
		}
	}
	answers, err := together(slices.Sorted(maps.Keys(at.addresses)), func(broker int32) (*sarama.ListGroupsResponse, error) {
		answer, err := ask(ctx, k.connections, at.addresses[broker], answerWithin, true, func(b *sarama.Broker) (*sarama.ListGroupsResponse, error) {
			return b.ListGroups(&sarama.ListGroupsRequest{Version: listGroupsVersion})
		})
		if err != nil {
			return nil, fmt.Errorf("list the groups of broker %d: %w", broker, err)
		}
		return answer, noOf(answer.Err, nil, "list the groups of broker %d", broker)
	})
	if err != nil {
		return nil, at, err
	}
	var all []listed
	for broker, answer := range answers {
		for id, g := range answer.GroupsData {
			all = append(all, listed{id, strings.ToLower(g.GroupType), g.GroupState, broker})
		}
	}
	slices.SortFunc(all, func(a, b listed) int { return cmp.Compare(a.id, b.id) })
	// A group that has changed its coordinator meanwhile is listed by both.
	return slices.CompactFunc(all, func(a, b listed) bool { return a.id == b.id }), at, nil
}

// find gives a group, and NotFound where there is none. Kafka itself has no question for that: it says that a group which does not
// exist is dead.
func (k coordinators) find(ctx context.Context, id string) (listed, layout, error) {
	all, at, err := k.list(ctx)
	if err != nil {
		return listed{}, at, err
	}
	i, found := slices.BinarySearchFunc(all, id, func(g listed, id string) int { return cmp.Compare(g.id, id) })
	if !found {
		return listed{}, at, asKafka(sarama.ErrGroupIDNotFound, "there is no group %s", id)
	}
	return all[i], at, nil
}

// description is what a coordinator knows of the members of a group.
type description struct {
	state, protocol string
	members         []cluster.GroupMember
	subscribed      map[string]bool // topics, by name
}

// describe asks coordinators for the members of groups. Those of share and streams groups stay unknown: the client has no question
// for them.
func (k coordinators) describe(ctx context.Context, at layout, groups []listed) (map[string]description, error) {
	type batch struct {
		coordinator int32
		kind        string
		ids         []string
	}
	var batches []batch
	for coordinator, of := range byCoordinator(groups) {
		for _, kind := range []string{classicGroup, consumerGroup} {
			for ids := range slices.Chunk(idsOf(of, kind), groupsPerRequest) {
				batches = append(batches, batch{coordinator, kind, ids})
			}
		}
	}
	indices := make([]int, len(batches))
	for i := range batches {
		indices[i] = i
	}
	answers, err := together(indices, func(i int) (map[string]description, error) {
		b := batches[i]
		address := at.addresses[b.coordinator]
		if b.kind == consumerGroup {
			return k.describeConsumers(ctx, address, b.ids)
		}
		return k.describeClassic(ctx, address, b.ids)
	})
	all := map[string]description{}
	for _, some := range answers {
		maps.Copy(all, some)
	}
	return all, err
}

func (k coordinators) describeClassic(ctx context.Context, address string, ids []string) (map[string]description, error) {
	answer, err := ask(ctx, k.connections, address, answerWithin, true, func(b *sarama.Broker) (*sarama.DescribeGroupsResponse, error) {
		return b.DescribeGroups(&sarama.DescribeGroupsRequest{Version: describeGroupsVersion, Groups: ids})
	})
	if err != nil {
		return nil, fmt.Errorf("describe %d groups: %w", len(ids), err)
	}
	all := map[string]description{}
	for _, g := range answer.Groups {
		if err := noOf(g.Err, nil, "describe group %s", g.GroupId); err != nil {
			return nil, err
		}
		d := description{state: g.State, protocol: g.Protocol, subscribed: map[string]bool{}}
		for id, m := range g.Members {
			member := cluster.GroupMember{ID: id, ClientID: m.ClientId, Host: hostOf(m.ClientHost)}
			if m.GroupInstanceId != nil {
				member.InstanceID = *m.GroupInstanceId
			}
			// Members of other protocols than that of consumers, such as Connect's workers, are assigned what only they understand.
			if g.ProtocolType == "consumer" {
				if assigned, err := m.GetMemberAssignment(); err == nil && assigned != nil {
					member.Partitions = partitionsOf(assigned.Topics)
				}
				if wants, err := m.GetMemberMetadata(); err == nil && wants != nil {
					for _, topic := range wants.Topics {
						d.subscribed[topic] = true
					}
				}
			}
			d.members = append(d.members, member)
		}
		all[g.GroupId] = d.sorted()
	}
	return all, nil
}

func (k coordinators) describeConsumers(ctx context.Context, address string, ids []string) (map[string]description, error) {
	request := &sarama.ConsumerGroupDescribeRequest{GroupIDs: ids} // version 0: with all that the next one has but the members' type
	answer, err := ask(ctx, k.connections, address, answerWithin, true, func(b *sarama.Broker) (*sarama.ConsumerGroupDescribeResponse, error) {
		return b.ConsumerGroupDescribe(request)
	})
	if err != nil {
		return nil, fmt.Errorf("describe %d groups: %w", len(ids), err)
	}
	all := map[string]description{}
	for _, g := range answer.Groups {
		if err := noOf(g.ErrorCode, g.ErrorMessage, "describe group %s", g.GroupID); err != nil {
			return nil, err
		}
		d := description{state: g.GroupState, protocol: g.AssignorName, subscribed: map[string]bool{}}
		for _, m := range g.Members {
			member := cluster.GroupMember{ID: m.MemberID, ClientID: m.ClientID, Host: hostOf(m.ClientHost)}
			if m.InstanceID != nil {
				member.InstanceID = *m.InstanceID
			}
			assigned := map[string][]int32{}
			for _, t := range m.Assignment.TopicPartitions {
				assigned[t.TopicName] = t.Partitions
				d.subscribed[t.TopicName] = true // or it matches a regular expression
			}
			member.Partitions = partitionsOf(assigned)
			for _, topic := range m.SubscribedTopicNames {
				d.subscribed[topic] = true
			}
			d.members = append(d.members, member)
		}
		all[g.GroupID] = d.sorted()
	}
	return all, nil
}

func (d description) sorted() description {
	slices.SortFunc(d.members, func(a, b cluster.GroupMember) int {
		return cmp.Or(cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.ID, b.ID))
	})
	return d
}

// hostOf takes the slash away that Java writes before an address without a name.
func hostOf(host string) string { return strings.TrimPrefix(host, "/") }

func partitionsOf(topics map[string][]int32) []cluster.TopicPartition {
	var all []cluster.TopicPartition
	for topic, ids := range topics {
		for _, id := range ids {
			all = append(all, cluster.TopicPartition{Topic: topic, ID: id})
		}
	}
	slices.SortFunc(all, byName)
	return all
}

func byName(a, b cluster.TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
}

// offsets are committed, by partition.
type offsets map[cluster.TopicPartition]int64

// committed asks coordinators for all offsets that groups have committed. Share groups commit none: they acknowledge records.
func (k coordinators) committed(ctx context.Context, at layout, groups []listed) (map[string]offsets, error) {
	type batch struct {
		coordinator int32
		ids         []string
	}
	var batches []batch
	for coordinator, of := range byCoordinator(groups) {
		ids := slices.Concat(idsOf(of, classicGroup), idsOf(of, consumerGroup), idsOf(of, streamsGroup))
		for some := range slices.Chunk(ids, groupsPerRequest) {
			batches = append(batches, batch{coordinator, some})
		}
	}
	indices := make([]int, len(batches))
	for i := range batches {
		indices[i] = i
	}
	answers, err := together(indices, func(i int) (*sarama.OffsetFetchResponse, error) {
		request := &sarama.OffsetFetchRequest{Version: fetchOffsetsVersion}
		for _, id := range batches[i].ids {
			request.Groups = append(request.Groups, sarama.OffsetFetchRequestGroup{GroupId: id})
		}
		answer, err := ask(ctx, k.connections, at.addresses[batches[i].coordinator], answerWithin, true, func(b *sarama.Broker) (*sarama.OffsetFetchResponse, error) {
			return b.FetchOffset(request)
		})
		if err != nil {
			return nil, fmt.Errorf("ask what %d groups have committed: %w", len(batches[i].ids), err)
		}
		return answer, nil
	})
	if err != nil {
		return nil, err
	}
	all := map[string]offsets{}
	for _, answer := range answers {
		for _, g := range answer.Groups {
			if err := noOf(g.Err, nil, "ask what group %s has committed", g.GroupId); err != nil {
				return nil, err
			}
			all[g.GroupId] = offsets{}
			for topic, partitions := range g.Blocks {
				for id, block := range partitions {
					if block.Err == sarama.ErrNoError && block.Offset >= 0 {
						all[g.GroupId][cluster.TopicPartition{Topic: topic, ID: id}] = block.Offset
					}
				}
			}
		}
	}
	return all, nil
}

// unread lists, by name, the partitions that a group has committed an offset of or that a member reads.
func unread(committed offsets, members []cluster.GroupMember) []cluster.GroupOffset {
	all := map[cluster.TopicPartition]cluster.GroupOffset{}
	for p, offset := range committed {
		all[p] = cluster.GroupOffset{TopicPartition: p, Committed: offset, Begin: -1, End: -1}
	}
	for _, m := range members {
		for _, p := range m.Partitions {
			o, ok := all[p]
			if !ok {
				o = cluster.GroupOffset{TopicPartition: p, Committed: -1, Begin: -1, End: -1}
			}
			o.Member = m.ID
			all[p] = o
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b cluster.GroupOffset) int { return byName(a.TopicPartition, b.TopicPartition) })
}

func byCoordinator(groups []listed) map[int32][]listed {
	sorted := map[int32][]listed{}
	for _, g := range groups {
		sorted[g.coordinator] = append(sorted[g.coordinator], g)
	}
	return sorted
}

func idsOf(groups []listed, kind string) []string {
	var ids []string
	for _, g := range groups {
		if g.kind == kind {
			ids = append(ids, g.id)
		}
	}
	return ids
}

func topicsOf(committed map[string]offsets) []string {
	names := map[string]bool{}
	for _, of := range committed {
		for p := range of {
			names[p.Topic] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func topicsIn(offsets []cluster.GroupOffset) []string {
	names := map[string]bool{}
	for _, o := range offsets {
		names[o.Topic] = true
	}
	return slices.Sorted(maps.Keys(names))
}
