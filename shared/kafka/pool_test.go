package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
)

func newPool(t *testing.T) *kafka.Pool {
	t.Helper()
	pool := kafka.NewPool()
	t.Cleanup(func() { pool.Close() })
	return pool
}

// refusedAs fails the test unless Kafka's name of an error is as it should be.
func refusedAs(t *testing.T, err error, code fault.Code, name string) {
	t.Helper()
	if !fault.Is(err, code) || fault.ReasonOf(err) != name {
		t.Errorf("%v is %s %s, want %s %s", err, fault.CodeOf(err), fault.ReasonOf(err), code, name)
	}
}

func until(t *testing.T, what string, isTrue func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !isTrue(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestPool_KeepsItsConnectionsFromCallToCall(t *testing.T) {
	q, pool := newQuorum(t, 3), newPool(t)
	q.has("orders", topic{partitions: 2, replicas: 3})
	for range 20 {
		if topics, err := pool.Topics(t.Context(), q.access()); err != nil || len(topics) != 1 || len(topics[0].Partitions) != 2 {
			t.Fatalf("%+v, %v", topics, err)
		}
	}
	for _, m := range q.members {
		if n := m.connections(); n > 2 {
			t.Errorf("broker %d has %d connections", m.id, n)
		}
	}
}

// What a function that was frozen wakes up with.
func TestPool_RenewsConnectionsThatHaveEndedMeanwhile(t *testing.T) {
	q, pool := newQuorum(t, 3), newPool(t)
	if _, err := pool.Topics(t.Context(), q.access()); err != nil {
		t.Fatal(err)
	}
	for _, m := range q.members {
		m.hangUp()
	}
	if _, err := pool.Topics(t.Context(), q.access()); err != nil {
		t.Error(err)
	}
	for _, m := range q.members {
		m.hangUp()
	}
	if err := pool.CreateTopic(t.Context(), q.access(), spec("orders", 3, 1), false); err != nil {
		t.Error(err)
	}
	if n := q.members[0].askedFor(createTopics); n != 1 {
		t.Errorf("it was asked for %d times", n)
	}
}

func TestPool_IsForManyAtOnce(t *testing.T) {
	q, pool := newQuorum(t, 3), newPool(t)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			name := fmt.Sprintf("t%d", i)
			if err := pool.CreateTopic(t.Context(), q.access(), spec(name, 1, 1), false); err != nil {
				t.Error(err)
			}
			if _, err := pool.Topic(t.Context(), q.access(), name); err != nil {
				t.Error(err)
			}
			if err := pool.DeleteTopic(t.Context(), q.access(), name); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, m := range q.members {
		if n := m.connections(); n > 4 {
			t.Errorf("broker %d has %d connections", m.id, n)
		}
	}
}

// Whoever comes second is told so, also when both ask for the same.
func TestPool_OneOfTwoWhoMakeATopicHasMadeIt(t *testing.T) {
	q, pool := newQuorum(t, 3), newPool(t)
	faults := make(chan error, 8)
	for range cap(faults) {
		go func() { faults <- pool.CreateTopic(t.Context(), q.access(), spec("orders", 1, 1), false) }()
	}
	made := 0
	for range cap(faults) {
		err := <-faults
		if err == nil {
			made++
			continue
		}
		refusedAs(t, err, fault.Conflict, "TOPIC_ALREADY_EXISTS")
	}
	if made != 1 {
		t.Errorf("%d have made it", made)
	}
}

func TestPool_ClosesEveryConnection(t *testing.T) {
	q, pool := newQuorum(t, 3), kafka.NewPool()
	none := func() bool {
		return q.members[0].connections()+q.members[1].connections()+q.members[2].connections() == 0
	}
	if err := pool.CreateTopic(t.Context(), q.access(), spec("orders", 1, 1), false); err != nil {
		t.Fatal(err)
	}
	if none() {
		t.Error("it keeps no connection")
	}
	q.members[0].with(func(m *member) { m.silent = true })
	waiting := make(chan error, 1)
	go func() {
		_, err := pool.Topics(t.Context(), kafka.Access{Brokers: q.access().Brokers[:1], User: "alice", Password: "secret"})
		waiting <- err
	}()
	until(t, "somebody waits", func() bool { return q.members[0].askedFor(17)+q.members[0].askedFor(18) > 1 })
	pool.Close()
	if err := <-waiting; !fault.Is(err, fault.Unavailable) {
		t.Errorf("who waited for an answer got %v", err)
	}
	until(t, "no connection is left", none)
	_, err := pool.Topics(t.Context(), q.access())
	refusedAs(t, err, fault.Unavailable, "BROKER_NOT_AVAILABLE")
}

// Secrets are renewed every day: what was made with the old ones goes.
func TestPool_ClosesWhatOldSecretsHaveOpened(t *testing.T) {
	q, pool := newQuorum(t, 1), newPool(t)
	if _, err := pool.Topics(t.Context(), q.access()); err != nil {
		t.Fatal(err)
	}
	renewed := q.access()
	renewed.User, renewed.Password = "alice", "secret"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pool.Topics(ctx, renewed)
	until(t, "the old connections are closed", func() bool { return q.members[0].connections() == 0 })
}

func TestPool_DoesNotHearABrokerThatTheOthersHaveGivenUp(t *testing.T) {
	q, pool := newQuorum(t, 3), newPool(t)
	q.members[0].with(func(m *member) {
		m.cutOff, m.alive = map[string]topic{"past": {partitions: 1, replicas: 1}}, []int32{1, 2, 3}
	})
	q.members[1].with(func(m *member) { m.alive = []int32{2, 3} })
	q.members[2].with(func(m *member) { m.alive = []int32{2, 3} })
	q.has("orders", topic{partitions: 1, replicas: 1})
	topics, err := pool.Topics(t.Context(), q.access())
	if err != nil || len(topics) != 1 || topics[0].Name != "orders" {
		t.Errorf("%+v, %v", topics, err)
	}
	if err := pool.CreateTopic(t.Context(), q.access(), spec("audit", 1, 1), false); err != nil {
		t.Error(err)
	}
	if n := q.members[0].askedFor(createTopics) + q.members[0].askedFor(metadata); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
}

func TestPool_DoesWithoutABrokerThatIsSilent(t *testing.T) {
	q, pool := newQuorum(t, 3), newPool(t)
	q.has("orders", topic{partitions: 1, replicas: 1})
	q.members[0].with(func(m *member) { m.silent = true })
	for range 3 {
		if topics, err := pool.Topics(t.Context(), q.access()); err != nil || len(topics) != 1 {
			t.Errorf("%+v, %v", topics, err)
		}
	}
	if err := pool.GrowTopic(t.Context(), q.access(), "orders", 2, false); err != nil {
		t.Error(err)
	}
	// It becomes silent while it is being used.
	q.members[0].with(func(m *member) { m.silent = false })
	q.members[0].hangUp()
	until(t, "it is asked again", func() bool {
		before := q.members[0].askedFor(metadata)
		_, err := pool.Topics(t.Context(), q.access())
		return err == nil && q.members[0].askedFor(metadata) > before
	})
	q.members[0].with(func(m *member) { m.silent = true })
	if topics, err := pool.Topics(t.Context(), q.access()); err != nil || len(topics) != 1 {
		t.Errorf("%+v, %v", topics, err)
	}
}

func TestPool_SaysWhenNobodyCanBeReached(t *testing.T) {
	pool := newPool(t)
	nobody := kafka.Access{Brokers: []string{closedPort(t), closedPort(t)}}
	_, err := pool.Topics(t.Context(), nobody)
	refusedAs(t, err, fault.Unavailable, "BROKER_NOT_AVAILABLE")
	_, err = pool.Topics(t.Context(), kafka.Access{})
	refusedAs(t, err, fault.Unavailable, "BROKER_NOT_AVAILABLE")
	refusedAs(t, pool.CreateTopic(t.Context(), nobody, spec("orders", 1, 1), false), fault.Unavailable, "BROKER_NOT_AVAILABLE")
	refusedAs(t, pool.DeleteTopic(t.Context(), nobody, "orders"), fault.Unavailable, "BROKER_NOT_AVAILABLE")
}

func TestPool_EndsWithItsContext(t *testing.T) {
	q, pool := newQuorum(t, 1), newPool(t)
	if _, err := pool.Topics(t.Context(), q.access()); err != nil {
		t.Fatal(err)
	}
	q.members[0].with(func(m *member) { m.silent = true })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := pool.Topics(ctx, q.access())
	refusedAs(t, err, fault.Unavailable, "REQUEST_TIMED_OUT")
	refusedAs(t, pool.CreateTopic(ctx, q.access(), spec("orders", 1, 1), false), fault.Unavailable, "REQUEST_TIMED_OUT")
}

// Each change ends when every broker knows of it.
func TestPool_WaitsForBrokersThatLagBehind(t *testing.T) {
	q, pool := newQuorum(t, 3), newPool(t)
	week := "604800000"
	for _, change := range []struct {
		name string
		make func() error
	}{
		{"create", func() error { return pool.CreateTopic(t.Context(), q.access(), spec("orders", 1, 1), false) }},
		{"grow", func() error { return pool.GrowTopic(t.Context(), q.access(), "orders", 3, false) }},
		{"set", func() error {
			return pool.ConfigureTopic(t.Context(), q.access(), "orders", []cluster.ConfigChange{{Name: "retention.ms", To: &week}}, false)
		}},
		{"clear", func() error {
			return pool.ConfigureTopic(t.Context(), q.access(), "orders", []cluster.ConfigChange{{Name: "retention.ms"}}, false)
		}},
		{"delete", func() error { return pool.DeleteTopic(t.Context(), q.access(), "orders") }},
	} {
		for _, m := range q.members[1:] {
			m.with(func(m *member) { m.lag = 20 })
		}
		if err := change.make(); err != nil {
			t.Fatalf("%s: %v", change.name, err)
		}
		for _, m := range q.members {
			m.with(func(m *member) {
				if m.lag > 0 {
					t.Errorf("%s: broker %d does not know of it yet", change.name, m.id)
				}
			})
		}
	}
}

func TestPool_FindsWhatItHasMadeWhenTheAnswerIsLost(t *testing.T) {
	week := "604800000"
	for _, change := range []struct {
		name    string
		key     int16
		make    func(*kafka.Pool, kafka.Access) error
		came    func(topic, bool) bool
		repeats bool // doing it twice is like doing it once: nobody looks in between
	}{
		{"create", createTopics, func(p *kafka.Pool, a kafka.Access) error {
			return p.CreateTopic(t.Context(), a, spec("audit", 2, 1, "retention.ms", week), false)
		}, nil, false},
		{"grow", growTopics, func(p *kafka.Pool, a kafka.Access) error {
			return p.GrowTopic(t.Context(), a, "orders", 5, false)
		}, func(is topic, _ bool) bool { return is.partitions == 5 }, false},
		{"configure", alterConfigs, func(p *kafka.Pool, a kafka.Access) error {
			return p.ConfigureTopic(t.Context(), a, "orders", to("retention.ms", week), false)
		}, func(is topic, _ bool) bool { return is.configs["retention.ms"] == week }, true},
		{"delete", deleteTopics, func(p *kafka.Pool, a kafka.Access) error {
			return p.DeleteTopic(t.Context(), a, "orders")
		}, func(_ topic, there bool) bool { return !there }, false},
	} {
		for _, carriedOut := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, carried out %t", change.name, carriedOut), func(t *testing.T) {
				q, pool := newQuorum(t, 3), newPool(t)
				q.has("orders", topic{partitions: 1, replicas: 1})
				for _, m := range q.members {
					m.loses(change.key, carriedOut)
				}
				// The brokers that are looked at next may not know of it yet.
				q.members[0].lose[0].also = func(q *quorum) {
					for _, m := range q.members {
						m.lag = 2
					}
				}
				if err := change.make(pool, q.access()); err != nil {
					t.Fatal(err)
				}
				if is, there := q.get("orders"); change.came != nil && !change.came(is, there) {
					t.Errorf("it is %+v, %t", is, there)
				}
				if is, there := q.get("audit"); change.came == nil && (!there || is.partitions != 2 || is.configs["retention.ms"] != week) {
					t.Errorf("it is %+v, %t", is, there)
				}
			})
		}
	}
}

// A broker asks a new controller when the old one dies before it has answered, and hears that there is such a topic, or none.
func TestPool_FindsWhatItHasMadeWhenABrokerLosesTheAnswer(t *testing.T) {
	q, pool := newQuorum(t, 1), newPool(t)
	for _, key := range []int16{createTopics, growTopics, deleteTopics} {
		q.members[0].with(func(m *member) { m.lose = append(m.lose, loss{key: key, carriedOut: true, again: true}) })
	}
	if err := pool.CreateTopic(t.Context(), q.access(), spec("orders", 1, 1), false); err != nil {
		t.Error(err)
	}
	if err := pool.GrowTopic(t.Context(), q.access(), "orders", 3, false); err != nil {
		t.Error(err)
	}
	if err := pool.DeleteTopic(t.Context(), q.access(), "orders"); err != nil {
		t.Error(err)
	}
}

// The controller that has made the topic dies, and while the next one is elected the brokers hear nothing of it.
func TestPool_FindsWhatItHasMadeHoweverLateTheBrokersHear(t *testing.T) {
	q, pool := newQuorum(t, 1), newPool(t)
	late := loss{key: createTopics, carriedOut: true, again: true, also: func(q *quorum) { q.members[0].lag = 150 }}
	q.members[0].with(func(m *member) { m.lose = append(m.lose, late) })
	if err := pool.CreateTopic(t.Context(), q.access(), spec("orders", 1, 1), false); err != nil {
		t.Error(err)
	}
}

// What is refused for a reason that has nothing to do with a try before needs no look at what that may have done.
func TestPool_TellsARefusalAlsoWhereAnAnswerWasLost(t *testing.T) {
	q, pool := newQuorum(t, 1), newPool(t)
	q.has("orders", topic{partitions: 1, replicas: 1})
	q.members[0].with(func(m *member) {
		m.lose = append(m.lose, loss{key: createTopics, again: true}, loss{key: growTopics, again: true, also: func(q *quorum) {
			q.change(func() { q.topics["orders"] = topic{partitions: 9, replicas: 1} })
		}})
	})
	wrong := spec("audit", 1, 1)
	wrong.Configs = map[string]string{"no.such.property": "1"}
	refusedAs(t, pool.CreateTopic(t.Context(), q.access(), wrong, false), fault.Invalid, "INVALID_CONFIG")
	refusedAs(t, pool.GrowTopic(t.Context(), q.access(), "orders", 3, false), fault.Invalid, "INVALID_PARTITIONS")
}

// Somebody else makes one of the same name while the answer to ours is lost.
func TestPool_DoesNotTakeWhatOthersHaveMadeForItsOwn(t *testing.T) {
	q, pool := newQuorum(t, 1), newPool(t)
	q.members[0].with(func(m *member) {
		m.lose = append(m.lose, loss{key: createTopics, also: func(q *quorum) { q.topics["orders"] = topic{partitions: 7, replicas: 1} }})
	})
	refusedAs(t, pool.CreateTopic(t.Context(), q.access(), spec("orders", 1, 1), false), fault.Conflict, "TOPIC_ALREADY_EXISTS")

	// It was there before: the same, and our own try can't have made it.
	q.has("audit", topic{partitions: 1, replicas: 1})
	q.members[0].loses(createTopics, false)
	refusedAs(t, pool.CreateTopic(t.Context(), q.access(), spec("audit", 1, 1), false), fault.Conflict, "TOPIC_ALREADY_EXISTS")
	refusedAs(t, pool.CreateTopic(t.Context(), q.access(), spec("audit", 1, 1), true), fault.Conflict, "TOPIC_ALREADY_EXISTS")

	refusedAs(t, pool.DeleteTopic(t.Context(), q.access(), "nobody"), fault.NotFound, "UNKNOWN_TOPIC_OR_PARTITION")
	q.members[0].loses(deleteTopics, false)
	refusedAs(t, pool.DeleteTopic(t.Context(), q.access(), "nobody"), fault.NotFound, "UNKNOWN_TOPIC_OR_PARTITION")
}

// A producer makes the topic anew while nobody knows yet whether it is deleted.
func TestPool_DoesNotDeleteATopicThatWasMadeAnew(t *testing.T) {
	q, pool := newQuorum(t, 1), newPool(t)
	q.has("orders", topic{partitions: 1, replicas: 1, id: 1})
	anew := loss{key: deleteTopics, carriedOut: true, also: func(q *quorum) {
		q.change(func() { q.topics["orders"] = topic{partitions: 1, replicas: 1, id: 2} })
	}}
	q.members[0].with(func(m *member) { m.lose = append(m.lose, anew) })
	if err := pool.DeleteTopic(t.Context(), q.access(), "orders"); err != nil {
		t.Error(err)
	}
	if is, there := q.get("orders"); !there || is.id != 2 {
		t.Errorf("it is %+v, %t", is, there)
	}
}

func TestPool_SaysInPlainWordsThatThereIsNoTopic(t *testing.T) {
	q, pool := newQuorum(t, 1), newPool(t)
	_, described := pool.Topic(t.Context(), q.access(), "orders")
	for what, err := range map[string]error{
		"describe":  described,
		"grow":      pool.GrowTopic(t.Context(), q.access(), "orders", 2, false),
		"configure": pool.ConfigureTopic(t.Context(), q.access(), "orders", to("retention.ms", "1"), false),
		"delete":    pool.DeleteTopic(t.Context(), q.access(), "orders"),
	} {
		refusedAs(t, err, fault.NotFound, "UNKNOWN_TOPIC_OR_PARTITION")
		if !strings.HasSuffix(err.Error(), "there is no topic orders") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPool_ShowsNoSecret(t *testing.T) {
	pool := newPool(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = pool.Topics(ctx, kafka.Access{Brokers: []string{silent.Addr().String()}, User: "alice", Password: "hidden"})
	if err == nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if text := fmt.Sprintf("%v %+v %#v", err, pool, pool); strings.Contains(text, "hidden") {
		t.Error(text)
	}
}
