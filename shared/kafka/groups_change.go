package kafka

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// OffsetsOf says which offsets of a group are meant: those of some partitions of a topic, of a topic where Partitions is empty, or all
// that the group has committed where Topic is.
type OffsetsOf struct {
	Group      string
	Topic      string
	Partitions []int32
}

// ResetOffsets has a group go on reading elsewhere, and gives each offset before and after. An offset that a partition does not have
// becomes the nearest that it has, and its change says so. A group that has members is refused, by a Conflict that names them: what
// they commit next would undo the change. A dry run changes nothing.
func (p *Pool) ResetOffsets(ctx context.Context, a Access, of OffsetsOf, to cluster.OffsetTarget, dryRun bool) ([]cluster.OffsetChange, error) {
	ctx, cancel := context.WithTimeout(ctx, changeWithin)
	defer cancel()
	k, g, at, err := p.group(ctx, a, of.Group)
	if err != nil {
		return nil, err
	}
	if err := k.mayReset(ctx, at, g); err != nil {
		return nil, err
	}
	committed, err := k.committed(ctx, at, []listed{g})
	if err != nil {
		return nil, err
	}
	partitions, at, err := k.partitionsOf(ctx, of, committed[g.id])
	if err != nil {
		return nil, err
	}
	changes, err := k.aim(ctx, at, partitions, committed[g.id], to)
	if err != nil || dryRun {
		return changes, err
	}
	return changes, k.commit(ctx, at, g, changes)
}

// mayReset refuses groups whose offsets would not stay what they are reset to, or which have none.
func (k coordinators) mayReset(ctx context.Context, at layout, g listed) error {
	if err := hasOffsets(g); err != nil {
		return err
	}
	return k.hasNoMembers(ctx, at, g)
}

// hasOffsets refuses groups that Kafka keeps no offsets for, or for which offsets are half of the truth.
func hasOffsets(g listed) error {
	switch g.kind {
	case shareGroup:
		return fault.New(fault.Invalid, "%s is a share group: its members take single records and commit no offsets; "+
			"kafka-share-groups says and changes where it begins", g.id)
	case streamsGroup:
		return fault.New(fault.Invalid, "%s is the group of a Kafka Streams application: its state and its own topics have to go back "+
			"together with its offsets, which kafka-streams-groups does", g.id)
	}
	return nil
}

// hasNoMembers refuses groups that have some, by name.
func (k coordinators) hasNoMembers(ctx context.Context, at layout, g listed) error {
	described, err := k.describe(ctx, at, []listed{g})
	if err != nil {
		return err
	}
	return nonEmpty(g.id, described[g.id].members)
}

// nonEmpty is the error that says who is still in a group; nil where nobody is.
func nonEmpty(group string, members []cluster.GroupMember) error {
	if len(members) == 0 {
		return nil
	}
	var names []string
	for _, m := range members {
		names = append(names, fmt.Sprintf("%s at %s", cmp.Or(m.InstanceID, m.ClientID, m.ID), m.Host))
	}
	names = slices.Compact(names)
	if more := len(names) - namesInErrors; more > 0 {
		names = append(names[:namesInErrors], fmt.Sprintf("and %d more", more))
	}
	return asKafka(sarama.ErrNonEmptyGroup, "group %s has members, which have to be stopped first: %s",
		group, strings.Join(names, ", "))
}

// namesInErrors keeps an error readable.
const namesInErrors = 10

// partitionsOf gives the partitions that are meant, by name, and where they are. One that does not exist is NotFound.
func (k coordinators) partitionsOf(ctx context.Context, of OffsetsOf, committed offsets) ([]cluster.TopicPartition, layout, error) {
	if of.Topic == "" {
		partitions := slices.SortedFunc(maps.Keys(committed), byName)
		if len(partitions) == 0 {
			return nil, layout{}, fault.New(fault.NotFound, "group %s has committed no offsets; name a topic", of.Group)
		}
		at, err := k.look(ctx, topicsOf(map[string]offsets{of.Group: committed})...)
		return partitions, at, err
	}
	at, err := k.look(ctx, of.Topic)
	if err != nil {
		return nil, at, err
	}
	exist, ok := at.leaders[of.Topic]
	if !ok {
		return nil, at, asKafka(sarama.ErrUnknownTopicOrPartition, "there is no topic %s", of.Topic)
	}
	ids := slices.Clone(of.Partitions)
	if len(ids) == 0 {
		ids = slices.Collect(maps.Keys(exist))
	}
	slices.Sort(ids)
	var partitions []cluster.TopicPartition
	for _, id := range slices.Compact(ids) {
		if _, ok := exist[id]; !ok {
			return nil, at, asKafka(sarama.ErrUnknownTopicOrPartition, "topic %s has no partition %d, only %d of them", of.Topic, id, len(exist))
		}
		partitions = append(partitions, cluster.TopicPartition{Topic: of.Topic, ID: id})
	}
	return partitions, at, nil
}

// aim says for each partition where the group would go on. A partition whose leader does not tell its offsets makes it Unavailable:
// nothing is reset by half.
func (k coordinators) aim(ctx context.Context, at layout, partitions []cluster.TopicPartition, committed offsets, to cluster.OffsetTarget) ([]cluster.OffsetChange, error) {
	begins := k.offsetsAt(ctx, at, partitions, oldestRecord)
	ends := k.offsetsAt(ctx, at, partitions, newestRecord)
	var since map[cluster.TopicPartition]offset
	if to.At != nil {
		since = k.offsetsAt(ctx, at, partitions, to.At.UnixMilli())
	}
	var changes []cluster.OffsetChange
	for _, p := range partitions {
		begin, known := begins[p]
		end, also := ends[p]
		first, asWell := since[p]
		if !known || !also || to.At != nil && !asWell {
			return nil, asKafka(sarama.ErrLeaderNotAvailable, "partition %d of topic %s has no leader that answers", p.ID, p.Topic)
		}
		from, ok := committed[p]
		if !ok {
			from = -1
		}
		change := cluster.OffsetChange{TopicPartition: p, From: from}
		change.To, change.Note = goal(to, from, begin.at, end.at, first.at)
		changes = append(changes, change)
	}
	return changes, nil
}

// goal is where a group goes on, and what people may not expect of it. since is the offset of the first record that is as old as the
// time asked for, or younger; -1 for none.
func goal(to cluster.OffsetTarget, from, begin, end, since int64) (offset int64, note string) {
	switch {
	case to.Earliest:
		return begin, ""
	case to.Latest:
		return end, ""
	case to.At != nil && since < 0:
		return end, "no record is as young as that: the end"
	case to.At != nil:
		return since, ""
	case to.By != nil && from < 0:
		return from, "nothing is committed that could be moved: it stays so"
	case to.By != nil:
		offset = from + min(*to.By, math.MaxInt64-from)
	case to.Offset != nil:
		offset = *to.Offset
	}
	switch {
	case offset < begin:
		return begin, fmt.Sprintf("%d is not kept any more: the oldest record", offset)
	case offset > end:
		return end, fmt.Sprintf("%d is past the end: the end", offset)
	}
	return offset, ""
}

// commit makes changes. What is committed already is left alone.
func (k coordinators) commit(ctx context.Context, at layout, g listed, changes []cluster.OffsetChange) error {
	request := &sarama.OffsetCommitRequest{
		Version: commitVersion, ConsumerGroup: g.id, ConsumerGroupGeneration: sarama.GroupGenerationUndefined,
	}
	some := false
	for _, c := range changes {
		if c.From == c.To {
			continue
		}
		some = true
		// Without an epoch: a consumer that finds a wrong one takes the log for truncated.
		request.AddBlockWithLeaderEpoch(c.Topic, c.ID, c.To, -1, 0, "")
	}
	if !some {
		return nil
	}
	answer, err := ask(ctx, k.connections, at.addresses[g.coordinator], commitWithin, true, func(b *sarama.Broker) (*sarama.OffsetCommitResponse, error) {
		return b.CommitOffset(request)
	})
	if err != nil {
		return fmt.Errorf("commit offsets of group %s: %w", g.id, err)
	}
	return k.refusedFor(ctx, at, g, "reset", answer.Errors)
}

const (
	commitVersion = 8
	// commitWithin is longer than brokers wait for each other to have it, offsets.commit.timeout.ms.
	commitWithin = 7 * time.Second
)

// refusedFor makes an error of what a coordinator said of partitions; nil where it refused none.
func (k coordinators) refusedFor(ctx context.Context, at layout, g listed, done string, said map[string]map[int32]sarama.KError) error {
	var failed []cluster.TopicPartition
	for topic, partitions := range said {
		for id, code := range partitions {
			if code != sarama.ErrNoError {
				failed = append(failed, cluster.TopicPartition{Topic: topic, ID: id})
			}
		}
	}
	if len(failed) == 0 {
		return nil
	}
	slices.SortFunc(failed, byName)
	first := failed[0]
	code := said[first.Topic][first.ID]
	if joined(code) {
		return k.hasMember(ctx, at, g)
	}
	return refused(code, nil, "offsets of group %s were not %s for %d partitions, the first of them %s-%d",
		g.id, done, len(failed), first.Topic, first.ID)
}

// hasMember says who has joined a group of which Kafka says that somebody has.
func (k coordinators) hasMember(ctx context.Context, at layout, g listed) error {
	if err := k.hasNoMembers(ctx, at, g); err != nil {
		return err
	}
	return asKafka(sarama.ErrNonEmptyGroup, "group %s had a member just now; stop its consumers and try again", g.id)
}

// joined tells whether Kafka says that only a member may do this, as it does once there is one.
func joined(code sarama.KError) bool {
	return slices.Contains([]sarama.KError{
		sarama.ErrUnknownMemberId, sarama.ErrIllegalGeneration, sarama.ErrRebalanceInProgress, sarama.ErrNonEmptyGroup,
	}, code)
}

// DeleteOffsets makes a group forget how far it has read, and gives what it forgets. Those of a topic that a member has subscribed to
// are refused by a Conflict. A dry run changes nothing.
func (p *Pool) DeleteOffsets(ctx context.Context, a Access, of OffsetsOf, dryRun bool) ([]cluster.OffsetChange, error) {
	ctx, cancel := context.WithTimeout(ctx, changeWithin)
	defer cancel()
	k, g, at, err := p.group(ctx, a, of.Group)
	if err != nil {
		return nil, err
	}
	if err := hasOffsets(g); err != nil {
		return nil, err
	}
	committed, err := k.committed(ctx, at, []listed{g})
	if err != nil {
		return nil, err
	}
	changes, err := forgotten(of, committed[g.id])
	if err != nil {
		return nil, err
	}
	described, err := k.describe(ctx, at, []listed{g})
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		if described[g.id].subscribed[c.Topic] {
			return nil, subscribed(g.id, c.Topic)
		}
	}
	if dryRun || len(changes) == 0 {
		return changes, nil
	}
	request := &sarama.DeleteOffsetsRequest{Group: g.id}
	for _, c := range changes {
		request.AddPartition(c.Topic, c.ID)
	}
	answer, err := ask(ctx, k.connections, at.addresses[g.coordinator], commitWithin, true, func(b *sarama.Broker) (*sarama.DeleteOffsetsResponse, error) {
		return b.DeleteOffsets(request)
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("delete offsets of group %s: %w", g.id, err)
	case joined(answer.ErrorCode):
		return nil, k.hasMember(ctx, at, g)
	case answer.ErrorCode != sarama.ErrNoError:
		return nil, refused(answer.ErrorCode, nil, "delete offsets of group %s", g.id)
	}
	return changes, k.refusedFor(ctx, at, g, "deleted", answer.Errors)
}

// forgotten are the offsets that are meant, of those that are committed. The topic may be gone.
func forgotten(of OffsetsOf, committed offsets) ([]cluster.OffsetChange, error) {
	var changes []cluster.OffsetChange
	for _, p := range slices.SortedFunc(maps.Keys(committed), byName) {
		if of.Topic == "" || p.Topic == of.Topic && (len(of.Partitions) == 0 || slices.Contains(of.Partitions, p.ID)) {
			changes = append(changes, cluster.OffsetChange{TopicPartition: p, From: committed[p], To: -1})
		}
	}
	if len(changes) > 0 {
		return changes, nil
	}
	where := ""
	if of.Topic != "" {
		where = " of topic " + of.Topic
	}
	return nil, fault.New(fault.NotFound, "group %s has committed no offsets%s", of.Group, where)
}

func subscribed(group, topic string) error {
	return asKafka(sarama.ErrGroupSubscribedToTopic, "group %s reads topic %s at the moment; its members have to be stopped first",
		group, topic)
}

// DeleteGroup deletes a group with all that it has committed. One that has members is refused by a Conflict that names them.
func (p *Pool) DeleteGroup(ctx context.Context, a Access, id string) error {
	ctx, cancel := context.WithTimeout(ctx, changeWithin)
	defer cancel()
	k, g, at, err := p.group(ctx, a, id)
	if err != nil {
		return err
	}
	if err := k.hasNoMembers(ctx, at, g); err != nil {
		return err
	}
	answer, err := ask(ctx, k.connections, at.addresses[g.coordinator], commitWithin, false, func(b *sarama.Broker) (*sarama.DeleteGroupsResponse, error) {
		return b.DeleteGroups(&sarama.DeleteGroupsRequest{Version: deleteGroupsVersion, Groups: []string{id}})
	})
	if err != nil {
		if _, _, gone := k.find(ctx, id); fault.Is(gone, fault.NotFound) {
			return nil // the answer was lost, and not the request
		}
		return fmt.Errorf("delete group %s: %w", id, err)
	}
	switch code := answer.GroupErrorCodes[id]; {
	case code == sarama.ErrNoError, code == sarama.ErrGroupIDNotFound: // gone since it was found
		return nil
	case joined(code):
		return k.hasMember(ctx, at, g)
	default:
		return refused(code, nil, "delete group %s", id)
	}
}

const deleteGroupsVersion = 2
