package api

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/mskapi"
)

// maxGroup is how long a group's id may be, which goes into Kafka's records as a string of that length at most.
const maxGroup = math.MaxInt16

// groupSummaryView is a group in a list.
type groupSummaryView struct {
	Id          string
	Type        string // classic, consumer (KIP-848), share or streams
	State       string // Kafka's, such as Stable or Empty
	Coordinator int32
	Members     *int // left out where nobody can tell
	// Lag counts the records that are still to be read, BehindSeconds is how long the oldest of them has been waiting; left out
	// where they are unknown.
	Lag           *int64
	BehindSeconds *float64
}

type groupsView struct{ Groups []groupSummaryView }

// groupView is a group, with all that is known of it.
type groupView struct {
	Id            string
	Type          string
	State         string
	Protocol      string // by which members share out partitions, such as range
	Coordinator   int32
	Lag           *int64
	BehindSeconds *float64
	Members       []groupMemberView
	Offsets       []groupOffsetView // by topic and partition
}

type groupMemberView struct {
	Id         string
	InstanceId string // of a static member
	ClientId   string
	Host       string
	Partitions []topicPartitionView
}

type topicPartitionView struct {
	Topic     string
	Partition int32
}

// groupOffsetView is how far a group has read a partition. What is unknown is left out, and so is what was never committed.
type groupOffsetView struct {
	Topic         string
	Partition     int32
	Committed     *int64 // the offset of the next record to be read
	Begin         *int64 // that of the oldest record that is kept
	End           *int64 // that of the next record to be written
	Lag           *int64
	BehindSeconds *float64
	Member        string // the id of who reads it now
}

// viewGroups lists all groups of a cluster, by id.
func (a *API) viewGroups(ctx context.Context, arn string) (any, error) {
	c, err := a.clusterWithTopics(ctx, arn)
	if err != nil {
		return nil, err
	}
	found, err := ask[errand.Groups](ctx, a, "ListGroups", errand.ListGroups{ClusterID: c.ID})
	if err != nil {
		return nil, err
	}
	view := groupsView{Groups: []groupSummaryView{}}
	for _, g := range found.Groups {
		view.Groups = append(view.Groups, groupSummaryView{
			Id: g.ID, Type: g.Type, State: g.State, Coordinator: g.Coordinator, Members: g.Members,
			Lag: g.Lag, BehindSeconds: inSeconds(g.Behind),
		})
	}
	return view, nil
}

// viewGroup describes one group.
func (a *API) viewGroup(ctx context.Context, arn, id string) (any, error) {
	c, err := a.clusterWithTopics(ctx, arn)
	if err != nil {
		return nil, err
	}
	g, err := ask[cluster.Group](ctx, a, "DescribeGroup", errand.DescribeGroup{ClusterID: c.ID, Group: id})
	if err != nil {
		return nil, err
	}
	view := groupView{
		Id: g.ID, Type: g.Type, State: g.State, Protocol: g.Protocol, Coordinator: g.Coordinator,
		BehindSeconds: inSeconds(g.Behind()), Members: []groupMemberView{}, Offsets: []groupOffsetView{},
	}
	if lag, known := g.Lag(); known {
		view.Lag = &lag
	}
	for _, m := range g.Members {
		member := groupMemberView{Id: m.ID, InstanceId: m.InstanceID, ClientId: m.ClientID, Host: m.Host, Partitions: []topicPartitionView{}}
		for _, p := range m.Partitions {
			member.Partitions = append(member.Partitions, topicPartitionView{p.Topic, p.ID})
		}
		view.Members = append(view.Members, member)
	}
	for _, o := range g.Offsets {
		view.Offsets = append(view.Offsets, groupOffsetView{
			Topic: o.Topic, Partition: o.ID, Committed: ifAny(o.Committed), Begin: ifAny(o.Begin), End: ifAny(o.End),
			Lag: o.Lag, BehindSeconds: inSeconds(o.Behind), Member: o.Member,
		})
	}
	return view, nil
}

// ifAny leaves out an offset that there is not.
func ifAny(offset int64) *int64 {
	if offset < 0 {
		return nil
	}
	return &offset
}

// inSeconds writes a time in seconds, to the millisecond.
func inSeconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	seconds := d.Round(time.Millisecond).Seconds()
	return &seconds
}

// deletedGroupView says what is gone.
type deletedGroupView struct{ Id string }

// deleteGroup deletes a group with all that it has committed. One that has members is refused.
func (a *API) deleteGroup(ctx context.Context, arn, id string) (any, error) {
	c, err := a.clusterWithTopics(ctx, arn)
	if err != nil {
		return nil, err
	}
	if _, err := ask[errand.Done](ctx, a, "DeleteGroup", errand.DeleteGroup{ClusterID: c.ID, Group: id}); err != nil {
		return nil, err
	}
	slog.InfoContext(ctx, "deleted group", "cluster", c.ID, "group", id, "by", callOf(ctx).caller.name)
	return deletedGroupView{Id: id}, nil
}

// offsetsInput says which offsets of a group are meant: of some partitions of a topic, of all of them, or all of the group's.
type offsetsInput struct {
	Group      string
	Topic      string
	Partitions []int32
	DryRun     bool // only tells what would be done
}

type resetOffsetsInput struct {
	Group      string
	Topic      string
	Partitions []int32
	DryRun     bool
	To         *cluster.OffsetTarget
}

type offsetChangesView struct {
	Group   string
	DryRun  bool
	Changes []offsetChangeView
}

// offsetChangeView is a committed offset before and after; one that there is not is left out.
type offsetChangeView struct {
	Topic     string
	Partition int32
	From      *int64
	To        *int64
	Note      string
}

// resetOffsets has a group go on reading elsewhere.
func (a *API) resetOffsets(ctx context.Context, arn string, in resetOffsetsInput) (any, error) {
	to, err := readTarget(in.To)
	if err != nil {
		return nil, err
	}
	return a.changeOffsets(ctx, arn, "ResetOffsets", offsetsInput{in.Group, in.Topic, in.Partitions, in.DryRun}, func(of errand.OffsetsOf) any {
		return errand.ResetOffsets{OffsetsOf: of, To: to}
	})
}

// deleteOffsets makes a group forget how far it has read.
func (a *API) deleteOffsets(ctx context.Context, arn string, in offsetsInput) (any, error) {
	return a.changeOffsets(ctx, arn, "DeleteOffsets", in, func(of errand.OffsetsOf) any { return errand.DeleteOffsets{OffsetsOf: of} })
}

// changeOffsets moves or deletes offsets. To be told what it would do, a caller has to be nobody special.
func (a *API) changeOffsets(ctx context.Context, arn, how string, in offsetsInput, errandOf func(errand.OffsetsOf) any) (any, error) {
	if !in.DryRun {
		if err := callOf(ctx).caller.may("Millrace"+how+" that is no dry run", operator); err != nil {
			return nil, err
		}
	}
	if err := in.isValid(); err != nil {
		return nil, err
	}
	c, err := a.clusterWithTopics(ctx, arn)
	if err != nil {
		return nil, err
	}
	done, err := ask[errand.OffsetChanges](ctx, a, how, errandOf(errand.OffsetsOf{
		ClusterID: c.ID, Group: in.Group, Topic: in.Topic, Partitions: in.Partitions, DryRun: in.DryRun,
	}))
	if err != nil {
		return nil, ofTopic(err)
	}
	if !in.DryRun {
		slog.InfoContext(ctx, "changed offsets", "cluster", c.ID, "group", in.Group, "how", how, "topic", in.Topic,
			"partitions", len(done.Changes), "by", callOf(ctx).caller.name)
	}
	view := offsetChangesView{Group: in.Group, DryRun: in.DryRun, Changes: []offsetChangeView{}}
	for _, change := range done.Changes {
		view.Changes = append(view.Changes, offsetChangeView{
			Topic: change.Topic, Partition: change.ID, From: ifAny(change.From), To: ifAny(change.To), Note: change.Note,
		})
	}
	return view, nil
}

// ofTopic has an error blame the member by which these requests name a topic: MSK's own name it otherwise.
func ofTopic(err error) error {
	var said *mskapi.Error
	if errors.As(err, &said) && said.InvalidParameter == "topicName" {
		said.InvalidParameter = "topic"
	}
	return err
}

func (in offsetsInput) isValid() error {
	switch {
	case in.Group == "":
		return mskapi.BadRequest("group", "The group is missing whose offsets are meant.")
	case len(in.Group) > maxGroup:
		return mskapi.BadRequest("group", "A group's id has %d bytes at most.", maxGroup)
	case in.Topic == "" && len(in.Partitions) > 0:
		return mskapi.BadRequest("topic", "The topic is missing whose partitions are meant.")
	case slices.ContainsFunc(in.Partitions, func(id int32) bool { return id < 0 }):
		return mskapi.BadRequest("partitions", "Partitions are numbered from 0.")
	}
	return nil
}

// readTarget refuses where no group can go on.
func readTarget(in *cluster.OffsetTarget) (to cluster.OffsetTarget, err error) {
	if in == nil {
		return to, mskapi.BadRequest("to", "%s", whereTo)
	}
	said := 0
	for _, set := range []bool{in.Earliest, in.Latest, in.Offset != nil, in.By != nil, in.At != nil} {
		if set {
			said++
		}
	}
	switch {
	case said != 1:
		return to, mskapi.BadRequest("to", "%s", whereTo)
	case in.Offset != nil && *in.Offset < 0:
		return to, mskapi.BadRequest("to.offset", "Offsets are counted from 0.")
	case in.At != nil && in.At.UnixMilli() < 0:
		return to, mskapi.BadRequest("to.at", "No record is older than 1970.")
	}
	return *in, nil
}

const whereTo = `Say in one way where the group goes on: "to" is {"earliest": true}, {"latest": true}, {"offset": 1200}, {"by": -100} or {"at": "2026-09-20T12:00:00Z"}.`
