package kafkatest

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
)

// SetGroup says what a group looks like from now on. Groups are those of every cluster.
func (p *Pool) SetGroup(g cluster.Group) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.groups == nil {
		p.groups = map[string]cluster.Group{}
	}
	p.groups[g.ID] = g
}

// Groups answers as kafka.Pool does.
func (p *Pool) Groups(_ context.Context, a kafka.Access) ([]cluster.GroupSummary, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.begin(Call{Method: "Groups", Access: a}); f.err != nil {
		return nil, f.err
	}
	summaries := []cluster.GroupSummary{}
	for _, id := range slices.Sorted(maps.Keys(p.groups)) {
		g := p.groups[id]
		members := len(g.Members)
		s := cluster.GroupSummary{ID: id, Type: g.Type, State: g.State, Coordinator: g.Coordinator, Members: &members}
		if len(g.Offsets) > 0 {
			s.Behind = g.Behind()
			if lag, known := g.Lag(); known {
				s.Lag = &lag
			}
		}
		summaries = append(summaries, s)
	}
	return summaries, nil
}

// Group answers as kafka.Pool does.
func (p *Pool) Group(_ context.Context, a kafka.Access, id string) (cluster.Group, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.begin(Call{Method: "Group", Access: a}); f.err != nil {
		return cluster.Group{}, f.err
	}
	return p.group(id)
}

func (p *Pool) group(id string) (cluster.Group, error) {
	g, ok := p.groups[id]
	if !ok {
		return g, fault.Refused(fault.NotFound, "GROUP_ID_NOT_FOUND", "there is no group %s", id)
	}
	g.Offsets = slices.Clone(g.Offsets)
	return g, nil
}

// empty gives a group without members, or refuses one that has some.
func (p *Pool) empty(id string) (cluster.Group, error) {
	g, err := p.group(id)
	if err == nil && len(g.Members) > 0 {
		err = fault.Refused(fault.Conflict, "NON_EMPTY_GROUP", "group %s has members", id)
	}
	return g, err
}

// ResetOffsets answers as kafka.Pool does, except that a time is past the end.
func (p *Pool) ResetOffsets(_ context.Context, a kafka.Access, of kafka.OffsetsOf, to cluster.OffsetTarget, dryRun bool) ([]cluster.OffsetChange, error) {
	return p.changeOffsets("ResetOffsets", a, of, dryRun, func(o cluster.GroupOffset) int64 {
		switch {
		case to.Earliest:
			return o.Begin
		case to.Offset != nil:
			return min(max(o.Begin, *to.Offset), o.End)
		case to.By != nil:
			return min(max(o.Begin, o.Committed+*to.By), o.End)
		}
		return o.End
	})
}

// DeleteOffsets answers as kafka.Pool does.
func (p *Pool) DeleteOffsets(_ context.Context, a kafka.Access, of kafka.OffsetsOf, dryRun bool) ([]cluster.OffsetChange, error) {
	return p.changeOffsets("DeleteOffsets", a, of, dryRun, func(cluster.GroupOffset) int64 { return -1 })
}

func (p *Pool) changeOffsets(method string, a kafka.Access, of kafka.OffsetsOf, dryRun bool, to func(cluster.GroupOffset) int64) ([]cluster.OffsetChange, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.begin(Call{Method: method, Access: a, Topic: of.Topic, ValidateOnly: dryRun})
	if f.err != nil && !f.late {
		return nil, f.err
	}
	g, err := p.empty(of.Group)
	if err != nil {
		return nil, err
	}
	var changes []cluster.OffsetChange
	for i := range g.Offsets {
		o := &g.Offsets[i]
		if of.Topic != "" && o.Topic != of.Topic || len(of.Partitions) > 0 && !slices.Contains(of.Partitions, o.ID) {
			continue
		}
		changes = append(changes, cluster.OffsetChange{TopicPartition: o.TopicPartition, From: o.Committed, To: to(*o)})
		o.Committed = changes[len(changes)-1].To
		lag := o.End - o.Committed
		o.Lag = &lag
		if o.Committed < 0 {
			o.Lag = nil
		}
	}
	slices.SortFunc(changes, func(a, b cluster.OffsetChange) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	if !dryRun {
		p.groups[of.Group] = g
	}
	return changes, f.err
}

// DeleteGroup answers as kafka.Pool does.
func (p *Pool) DeleteGroup(_ context.Context, a kafka.Access, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.begin(Call{Method: "DeleteGroup", Access: a})
	if f.err != nil && !f.late {
		return f.err
	}
	if _, err := p.empty(id); err != nil {
		return err
	}
	delete(p.groups, id)
	return f.err
}
