package statemachines_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	access "github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/kafka/kafkatest"
)

// topics are the topics of the one cluster of a world, which people make beside those that healing is about. They are there for as
// long as a broker is.
type topics struct {
	*kafkatest.Pool
	k *kafka

	mu      sync.Mutex
	takes   time.Duration              // how long a change takes
	before  func(method, topic string) // when it is set, is told of every change that is about to be made
	refuses map[string]error           // by topic: changes that are refused when they are made, and not when they are asked about
	offline map[string]bool            // topics whose partitions have no leader
}

func newTopics(k *kafka) *topics {
	return &topics{Pool: &kafkatest.Pool{}, k: k, offline: map[string]bool{}, refuses: map[string]error{}}
}

// reach is asked by every call first.
func (s *topics) reach(a access.Access) error {
	switch {
	case a.Authority == "" || a.Certificate == "" || a.Key == "":
		return fault.New(fault.Internal, "nobody knows a client without a certificate")
	case len(s.k.alive()) == 0:
		return fault.Refused(fault.Unavailable, "BROKER_NOT_AVAILABLE", "no broker answers")
	}
	return nil
}

// change is asked before every change.
func (s *topics) change(ctx context.Context, a access.Access, method, topic string, validateOnly bool) error {
	if err := s.reach(a); err != nil || validateOnly {
		return err
	}
	s.mu.Lock()
	before, takes, refused := s.before, s.takes, s.refuses[topic]
	s.mu.Unlock()
	if refused != nil {
		return refused
	}
	if before != nil {
		before(method, topic)
	}
	if !pause(ctx, takes) {
		return ctx.Err()
	}
	return s.reach(a)
}

func (s *topics) Topics(ctx context.Context, a access.Access) ([]cluster.Topic, error) {
	if err := s.reach(a); err != nil {
		return nil, err
	}
	all, err := s.Pool.Topics(ctx, a)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range all {
		for i := range t.Partitions {
			if s.offline[t.Name] {
				t.Partitions[i].Leader = -1
			}
		}
	}
	return all, err
}

func (s *topics) DescribeTopics(ctx context.Context, a access.Access, names []string) ([]cluster.Topic, error) {
	if err := s.reach(a); err != nil {
		return nil, err
	}
	return s.Pool.DescribeTopics(ctx, a, names)
}

func (s *topics) CreateTopic(ctx context.Context, a access.Access, t cluster.TopicSpec, validateOnly bool) error {
	if err := s.change(ctx, a, "CreateTopic", t.Name, validateOnly); err != nil {
		return err
	}
	return s.Pool.CreateTopic(ctx, a, t, validateOnly)
}

func (s *topics) GrowTopic(ctx context.Context, a access.Access, name string, partitions int, validateOnly bool) error {
	if err := s.change(ctx, a, "GrowTopic", name, validateOnly); err != nil {
		return err
	}
	return s.Pool.GrowTopic(ctx, a, name, partitions, validateOnly)
}

func (s *topics) ConfigureTopic(ctx context.Context, a access.Access, name string, changes []cluster.ConfigChange, validateOnly bool) error {
	if err := s.change(ctx, a, "ConfigureTopic", name, validateOnly); err != nil {
		return err
	}
	return s.Pool.ConfigureTopic(ctx, a, name, changes, validateOnly)
}

func (s *topics) DeleteTopic(ctx context.Context, a access.Access, name string) error {
	if err := s.change(ctx, a, "DeleteTopic", name, false); err != nil {
		return err
	}
	return s.Pool.DeleteTopic(ctx, a, name)
}

// slowly changes how long a change takes.
func (s *topics) slowly(takes time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takes = takes
}

// whenChanged has a test told of every change that is about to be made.
func (s *topics) whenChanged(before func(method, topic string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

// refuse has a change of a topic refused, though Kafka has said that it would make it; nil is no longer.
func (s *topics) refuse(topic string, no error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses[topic] = no
}

// loseLeaders says which topics have partitions without leaders from now on.
func (s *topics) loseLeaders(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.offline)
	for _, name := range names {
		s.offline[name] = true
	}
}

// spec is a topic of three replicas. Configs are given as "name=value".
func spec(name string, partitions int, configs ...string) cluster.TopicSpec {
	t := cluster.TopicSpec{Name: name, Partitions: partitions, ReplicationFactor: 3, Configs: map[string]string{}}
	for _, c := range configs {
		name, value, _ := strings.Cut(c, "=")
		t.Configs[name] = value
	}
	return t
}

// wanted is a declaration of the topics of a test: one of each thing that may have to be done.
func wanted() []cluster.TopicSpec {
	return []cluster.TopicSpec{
		spec("billing", 6), spec("clicks", 12, "retention.ms=86400000"), spec("orders", 6, "min.insync.replicas=2"), spec("payments", 3),
	}
}

// found makes the topics that there are before the declaration of a test is applied for the first time: one that is as wanted, one
// that has too few partitions, one with other configurations, and one that was declared before and is not wanted any more.
func (w *world) found() {
	w.t.Helper()
	w.topics.Make(access.Access{}, spec("billing", 6), spec("clicks", 4, "retention.ms=86400000"), spec("orders", 6), spec("refunds", 3))
	op := w.recordApplication(spec("refunds", 3))
	_, _, err := w.records.ChangeOperation(w.t.Context(), clusterID, op.ID, func(c *cluster.Cluster, op *cluster.Operation) error {
		op.Succeed(c, "", time.Now())
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// apply records an application of a declaration as the API does, and starts its machine. Topics that were declared before and are no
// longer may be deleted.
func (w *world) apply(specs ...cluster.TopicSpec) cluster.Operation {
	w.t.Helper()
	op := w.recordApplication(specs...)
	w.start(op)
	return op
}

func (w *world) recordApplication(specs ...cluster.TopicSpec) cluster.Operation {
	w.t.Helper()
	w.mu.Lock()
	w.applications++
	id := fmt.Sprintf("apply-%03d", w.applications)
	w.mu.Unlock()
	before, err := w.records.DeclaredSoFar(w.t.Context(), w.cluster())
	if err != nil {
		w.t.Fatal(err)
	}
	d := cluster.Declaration{ID: id, At: time.Now()}
	for _, s := range specs {
		d.Topics = append(d.Topics, cluster.DeclaredTopic{TopicSpec: s})
	}
	op := cluster.Operation{
		ID: id, ClusterID: clusterID, Type: cluster.ApplyTopics, State: cluster.Pending, Attempt: 1, CreatedAt: time.Now(),
		Topics: &cluster.TopicsApplication{},
	}
	d = d.After(before)
	for _, t := range d.Former {
		op.Topics.Permits.Delete = append(op.Topics.Permits.Delete, t.Name)
	}
	_, err = w.records.StartApplication(w.t.Context(), clusterID, op, d, func(c *cluster.Cluster) error {
		if c.Applying != nil || !c.Serves() {
			return fmt.Errorf("topics of a cluster that is %s can't be applied beside %+v", c.State(), c.Applying)
		}
		op.Claim(c)
		c.Declaration = op.ID
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return op
}

// describe gives the topics as they are, in words: name, partitions, and what is set.
func (w *world) describe() []string {
	w.t.Helper()
	all, err := w.topics.Pool.Topics(w.t.Context(), access.Access{})
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, t := range all {
		names = append(names, t.Name)
	}
	described, err := w.topics.Pool.DescribeTopics(w.t.Context(), access.Access{}, names)
	if err != nil {
		w.t.Fatal(err)
	}
	var words []string
	for _, t := range described {
		words = append(words, fmt.Sprint(t.Name, " ", len(t.Partitions), " ", t.Configs))
	}
	return words
}

// wantApplied checks that topics are as declared, that the operation has ended well, and that it left the cluster as it was.
func (w *world) wantApplied(op cluster.Operation) {
	w.t.Helper()
	op = w.operation(op)
	if op.State != cluster.Complete || op.Percent() != 100 || op.Failure != nil {
		w.t.Errorf("the operation is %+v", op)
	}
	if got := w.describe(); !slices.Equal(got, describedAs(wanted())) {
		w.t.Errorf("the topics are\n  %v, want\n  %v", got, describedAs(wanted()))
	}
	w.wantLetGo()
}

func describedAs(specs []cluster.TopicSpec) []string {
	var words []string
	for _, s := range specs {
		words = append(words, fmt.Sprint(s.Name, " ", s.Partitions, " ", s.Configs))
	}
	return words
}

// wantLetGo checks that nobody holds the topics of the cluster.
func (w *world) wantLetGo() {
	w.t.Helper()
	if c := w.cluster(); c.Applying != nil {
		w.t.Errorf("topics are still held by %+v", c.Applying)
	}
	unfinished, err := w.records.UnfinishedOperations(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, op := range unfinished {
		if op.Type == cluster.ApplyTopics {
			w.t.Errorf("still to be finished: %+v", op)
		}
	}
}
