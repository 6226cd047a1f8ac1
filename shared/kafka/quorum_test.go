package kafka_test

import (
	"encoding/binary"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/shared/kafka"
)

// quorum is a cluster whose answers get lost, whose brokers lag behind and are cut off, when they are told to: real ones can't be
// caught at it. It knows topics, how many partitions they have, and what is set on them.
type quorum struct {
	t *testing.T

	mu      sync.Mutex
	topics  map[string]topic
	before  map[string]topic // as it was before the last change
	members []*member
}

type topic struct {
	partitions, replicas int
	configs              map[string]string
	id                   byte // tells it from others of its name
}

// member is a broker of it.
type member struct {
	*quorum
	id       int32
	listener net.Listener

	alive  []int32          // whom it counts as up; nil is everybody
	cutOff map[string]topic // what it knows for ever, since it is cut off; nil while it is not
	lag    int              // how many more answers show what was before the last change
	silent bool             // it takes requests, and never answers
	lose   []loss
	asked  map[int16]int // how often, by request
	conns  map[net.Conn]struct{}
}

// loss is of the answer to a request. It is carried out or not.
type loss struct {
	key        int16
	carriedOut bool
	also       func(*quorum) // what happens meanwhile
	// again says that the broker itself has lost the controller's answer, and tells what it hears when it has asked a new one.
	again bool
}

// election is how long it takes until there is a new controller.
const election = 400 * time.Millisecond

// Keys of requests.
const (
	metadata, createTopics, deleteTopics, describeConfigs, growTopics, alterConfigs, describeCluster = 3, 19, 20, 32, 37, 44, 60
)

func newQuorum(t *testing.T, brokers int) *quorum {
	t.Helper()
	q := &quorum{t: t, topics: map[string]topic{}}
	for id := range brokers {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		m := &member{quorum: q, id: int32(id + 1), listener: listener, asked: map[int16]int{}, conns: map[net.Conn]struct{}{}}
		q.members = append(q.members, m)
		go m.serve()
		t.Cleanup(func() {
			listener.Close()
			m.hangUp()
		})
	}
	return q
}

func (q *quorum) access() kafka.Access {
	var a kafka.Access
	for _, m := range q.members {
		a.Brokers = append(a.Brokers, m.listener.Addr().String())
	}
	return a
}

// has puts a topic into the cluster.
func (q *quorum) has(name string, is topic) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.change(func() { q.topics[name] = is })
}

func (q *quorum) change(do func()) {
	q.before = maps.Clone(q.topics)
	do()
}

func (q *quorum) get(name string) (topic, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	is, ok := q.topics[name]
	return is, ok
}

// with changes how a broker behaves.
func (m *member) with(set func(*member)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	set(m)
}

func (m *member) loses(key int16, carriedOut bool) {
	m.with(func(m *member) { m.lose = append(m.lose, loss{key: key, carriedOut: carriedOut}) })
}

func (m *member) askedFor(key int16) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked[key]
}

// connections counts those that it has.
func (m *member) connections() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.conns)
}

// hangUp ends all connections, as a restart does.
func (m *member) hangUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for conn := range m.conns {
		conn.Close()
	}
}

func (m *member) serve() {
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			return
		}
		m.with(func(m *member) { m.conns[conn] = struct{}{} })
		go func() {
			defer m.with(func(m *member) { delete(m.conns, conn) })
			defer conn.Close()
			for m.answer(conn) == nil {
			}
		}()
	}
}

// answer takes one request and answers it.
func (m *member) answer(conn net.Conn) error {
	size := make([]byte, 4)
	if _, err := io.ReadFull(conn, size); err != nil {
		return err
	}
	raw := make([]byte, binary.BigEndian.Uint32(size))
	if _, err := io.ReadFull(conn, raw); err != nil {
		return err
	}
	header := kbin.Reader{Src: raw}
	key, version, correlation := header.Int16(), header.Int16(), header.Int32()
	header.NullableString()
	request := kmsg.RequestForKey(key)
	if request.SetVersion(version); request.IsFlexible() {
		kmsg.SkipTags(&header)
	}
	if err := request.ReadFrom(header.Src); err != nil {
		m.t.Errorf("request %d: %v", key, err)
		return err
	}
	response, lost := m.carryOut(key, request)
	if lost {
		return io.EOF
	}
	if response == nil { // it is silent until somebody hangs up
		_, err := io.Copy(io.Discard, conn)
		return err
	}
	response.SetVersion(version)
	out := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(correlation))
	if response.IsFlexible() && key != int16(kmsg.ApiVersions) {
		out = append(out, 0)
	}
	out = response.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	_, err := conn.Write(out)
	return err
}

func (m *member) carryOut(key int16, request kmsg.Request) (response kmsg.Response, lost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asked[key]++; m.silent {
		return nil, false
	}
	for i, l := range m.lose {
		if l.key != key {
			continue
		}
		m.lose = slices.Delete(m.lose, i, i+1)
		if l.carriedOut {
			m.do(request)
		}
		if l.also != nil {
			l.also(m.quorum)
		}
		if l.again {
			m.mu.Unlock()
			time.Sleep(election)
			m.mu.Lock()
			return m.do(request), false
		}
		return nil, true
	}
	return m.do(request), false
}

// sees gives the topics as the broker knows them.
func (m *member) sees() map[string]topic {
	switch {
	case m.cutOff != nil:
		return m.cutOff
	case m.lag > 0:
		m.lag--
		return m.before
	}
	return m.topics
}

func (m *member) up() []*member {
	if m.alive == nil {
		return m.members
	}
	return slices.DeleteFunc(slices.Clone(m.members), func(other *member) bool { return !slices.Contains(m.alive, other.id) })
}

func (m *member) do(request kmsg.Request) kmsg.Response {
	response := request.ResponseKind()
	switch request := request.(type) {
	case *kmsg.ApiVersionsRequest:
		for _, key := range []int16{metadata, createTopics, deleteTopics, describeConfigs, growTopics, alterConfigs, describeCluster} {
			known := kmsg.NewApiVersionsResponseApiKey()
			known.ApiKey, known.MaxVersion = key, kmsg.RequestForKey(key).MaxVersion()
			response.(*kmsg.ApiVersionsResponse).ApiKeys = append(response.(*kmsg.ApiVersionsResponse).ApiKeys, known)
		}
	case *kmsg.DescribeClusterRequest:
		for _, other := range m.up() {
			b := kmsg.NewDescribeClusterResponseBroker()
			host, port, _ := net.SplitHostPort(other.listener.Addr().String())
			number, _ := strconv.Atoi(port)
			b.NodeID, b.Host, b.Port = other.id, host, int32(number)
			response.(*kmsg.DescribeClusterResponse).Brokers = append(response.(*kmsg.DescribeClusterResponse).Brokers, b)
		}
	case *kmsg.MetadataRequest:
		m.describe(request, response.(*kmsg.MetadataResponse))
	case *kmsg.DescribeConfigsRequest:
		topics := m.sees()
		for _, r := range request.Resources {
			of := kmsg.NewDescribeConfigsResponseResource()
			of.ResourceType, of.ResourceName = r.ResourceType, r.ResourceName
			if r.ResourceType == kmsg.ConfigResourceTypeTopic {
				is, ok := topics[r.ResourceName]
				if !ok {
					of.ErrorCode = kerr.UnknownTopicOrPartition.Code
				}
				for name, value := range is.configs {
					entry := kmsg.NewDescribeConfigsResponseResourceConfig()
					entry.Name, entry.Value, entry.Source = name, &value, kmsg.ConfigSourceDynamicTopicConfig
					of.Configs = append(of.Configs, entry)
				}
			}
			response.(*kmsg.DescribeConfigsResponse).Resources = append(response.(*kmsg.DescribeConfigsResponse).Resources, of)
		}
	case *kmsg.CreateTopicsRequest:
		for _, want := range request.Topics {
			of := kmsg.NewCreateTopicsResponseTopic()
			of.Topic = want.Topic
			_, exists := m.topics[want.Topic]
			unknown := slices.ContainsFunc(want.Configs, func(c kmsg.CreateTopicsRequestTopicConfig) bool { return c.Name == "no.such.property" })
			if exists {
				of.ErrorCode = kerr.TopicAlreadyExists.Code
			} else if unknown {
				of.ErrorCode = kerr.InvalidConfig.Code
			} else if !request.ValidateOnly {
				made := topic{partitions: int(want.NumPartitions), replicas: int(want.ReplicationFactor), configs: map[string]string{}}
				for _, c := range want.Configs {
					made.configs[c.Name] = *c.Value
				}
				m.change(func() { m.topics[want.Topic] = made })
			}
			response.(*kmsg.CreateTopicsResponse).Topics = append(response.(*kmsg.CreateTopicsResponse).Topics, of)
		}
	case *kmsg.CreatePartitionsRequest:
		for _, want := range request.Topics {
			of := kmsg.NewCreatePartitionsResponseTopic()
			of.Topic = want.Topic
			switch is, exists := m.topics[want.Topic]; {
			case !exists:
				of.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case int(want.Count) <= is.partitions:
				of.ErrorCode = kerr.InvalidPartitions.Code
			case !request.ValidateOnly:
				is.partitions = int(want.Count)
				m.change(func() { m.topics[want.Topic] = is })
			}
			response.(*kmsg.CreatePartitionsResponse).Topics = append(response.(*kmsg.CreatePartitionsResponse).Topics, of)
		}
	case *kmsg.DeleteTopicsRequest:
		for _, want := range request.Topics {
			of := kmsg.NewDeleteTopicsResponseTopic()
			of.Topic = want.Topic
			if _, exists := m.topics[*want.Topic]; !exists {
				of.ErrorCode = kerr.UnknownTopicOrPartition.Code
			}
			m.change(func() { delete(m.topics, *want.Topic) })
			response.(*kmsg.DeleteTopicsResponse).Topics = append(response.(*kmsg.DeleteTopicsResponse).Topics, of)
		}
	case *kmsg.IncrementalAlterConfigsRequest:
		for _, want := range request.Resources {
			of := kmsg.NewIncrementalAlterConfigsResponseResource()
			of.ResourceType, of.ResourceName = want.ResourceType, want.ResourceName
			if is, exists := m.topics[want.ResourceName]; !exists {
				of.ErrorCode = kerr.UnknownTopicOrPartition.Code
			} else if !request.ValidateOnly {
				configs := map[string]string{}
				maps.Copy(configs, is.configs)
				is.configs = configs
				for _, c := range want.Configs {
					if delete(is.configs, c.Name); c.Op == kmsg.IncrementalAlterConfigOpSet {
						is.configs[c.Name] = *c.Value
					}
				}
				m.change(func() { m.topics[want.ResourceName] = is })
			}
			response.(*kmsg.IncrementalAlterConfigsResponse).Resources = append(response.(*kmsg.IncrementalAlterConfigsResponse).Resources, of)
		}
	default:
		m.t.Errorf("nobody has told me how to answer request %d", request.Key())
	}
	return response
}

func (m *member) describe(request *kmsg.MetadataRequest, response *kmsg.MetadataResponse) {
	topics := m.sees()
	var names []string
	for _, want := range request.Topics {
		names = append(names, *want.Topic)
	}
	if request.Topics == nil {
		names = slices.Sorted(maps.Keys(topics))
	}
	for _, name := range names {
		of := kmsg.NewMetadataResponseTopic()
		of.Topic = &name
		is, ok := topics[name]
		if !ok {
			of.ErrorCode = kerr.UnknownTopicOrPartition.Code
		}
		of.TopicID[0] = is.id
		for id := range is.partitions {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader = int32(id), 1
			for replica := range is.replicas {
				p.Replicas = append(p.Replicas, int32(replica+1))
			}
			p.ISR = p.Replicas
			of.Partitions = append(of.Partitions, p)
		}
		response.Topics = append(response.Topics, of)
	}
}
