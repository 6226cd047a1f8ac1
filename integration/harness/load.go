package harness

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/load"
)

// Load is a producer and a consumer under whose load a cluster is, until the test is over.
type Load struct {
	*load.Load
	t testing.TB
}

// UsualLoad is fifty records a second to each of three partitions: enough to miss nothing, and leaves the machine to the brokers.
func UsualLoad(topic string) load.Options {
	return load.Options{Topic: topic, Partitions: 3, Pause: 20 * time.Millisecond, Size: 200}
}

// StartLoad makes a topic and puts the cluster under load, and waits until that flows.
func (c Client) StartLoad(o load.Options) *Load {
	c.t.Helper()
	l, err := load.Start(c.t.Context(), c.target(), o)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(l.Close)
	loaded := &Load{l, c.t}
	loaded.WaitUntilItFlows(time.Now())
	return loaded
}

// target is how the load's clients reach the cluster.
func (c Client) target() load.Target {
	t := load.Target{Bootstrap: c.bootstrap, TLS: c.tls}
	if c.dial != nil {
		t.Dial = func(_ context.Context, network, address string) (net.Conn, error) { return c.dial(network, address) }
	}
	return t
}

// WaitUntilItFlows waits until every partition has acknowledged a record that was sent after a time.
func (l *Load) WaitUntilItFlows(since time.Time) {
	l.t.Helper()
	Until(l.t, "every partition acknowledges records again", 3*time.Minute, func() (bool, string) {
		ok, missing := l.FlowsSince(since)
		return ok, fmt.Sprintf("%s; failures: %v", missing, l.Failures())
	})
}

// WaitUntilOutOfSync waits until Kafka has noticed that a replica is missing.
func (l *Load) WaitUntilOutOfSync() {
	l.t.Helper()
	Until(l.t, "a replica is out of sync", time.Minute, func() (bool, string) {
		return l.OutOfSync(l.t.Context()), ""
	})
}

// WaitUntilInSync waits until every partition of the cluster has a leader and all its replicas in sync, as all brokers see it.
func (l *Load) WaitUntilInSync() {
	l.t.Helper()
	Until(l.t, "all replicas are in sync", 3*time.Minute, func() (bool, string) { return l.InSync(l.t.Context()) })
}

// Verify stops the load and fails the test unless every record that was acknowledged is in the log, once, in order and where
// it was said to be, and the consumer has got all of them so.
func (l *Load) Verify() load.Report {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 3*time.Minute)
	defer cancel()
	report, err := l.Stop(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := report.Err(); err != nil {
		l.t.Error(err)
	}
	l.t.Logf("%d records acknowledged; the longest write gap was %.2f s", report.Acknowledged, report.LongestGap.Seconds())
	return report
}

// Topics are made one after the other, until they are verified or the test is over.
type Topics struct {
	*load.Topics
	t testing.TB
}

// StartMakingTopics begins to make topics of three partitions with three replicas.
func (c Client) StartMakingTopics(prefix string) *Topics {
	c.t.Helper()
	topics, err := load.MakeTopics(c.t.Context(), c.target(), prefix, 3, 3)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(topics.Close)
	return &Topics{topics, c.t}
}

// Verify fails the test unless every topic that was said to be made is there, and every one that is there is whole.
func (m *Topics) Verify() load.Made {
	m.t.Helper()
	made, err := m.Stop(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	for _, wrong := range made.Wrong {
		m.t.Error(wrong)
	}
	return made
}

// KillActiveController ends the controller that leads the quorum as kill -9 does, once there is one.
func (l *Load) KillActiveController(m *Millrace, arn string) (id int32) {
	l.t.Helper()
	Until(l.t, "there is an active controller", time.Minute, func() (bool, string) {
		active, err := l.ActiveController(l.t.Context())
		if err != nil {
			return false, err.Error()
		}
		// What brokers say may be of a moment ago.
		id = active
		return id > 0 && len(m.ProcessesOf(arn, id, Kafka)) > 0, fmt.Sprintf("node %d", id)
	})
	m.KillKafka(arn, id)
	return id
}
