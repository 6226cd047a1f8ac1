// Package load puts a cluster under the load of a producer and a consumer, and keeps book: what was acknowledged and when,
// what was delivered, and at the end whether the log holds exactly that, each record once, in order and where it was said to
// be.
//
// The clients behave as Kafka's own ones do by default: idempotent, every record acknowledged by all replicas in sync, tried
// again every 100 ms until it is. Only on an answer they wait less long, so that a broker that is held for ever is given up.
package load

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Target is how clients reach a cluster.
type Target struct {
	Bootstrap []string
	TLS       *tls.Config // nil in plain text
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
}

// Options say how heavy the load is.
type Options struct {
	Topic      string
	Partitions int32
	// Pause lies between two records of a partition; without one, they are sent as fast as the brokers take them.
	Pause time.Duration
	// Size is what a record carries beside its number, in bytes. It takes as much on the wire and in the log.
	Size int
	// Unread leaves the consumer away, so that the brokers have nothing to do but to write.
	Unread bool
}

// Load is a producer and a consumer that run until they are stopped.
type Load struct {
	target  Target
	options Options
	began   time.Time

	producer, consumer *kgo.Client

	stopSending, stopReading context.CancelFunc
	running                  sync.WaitGroup

	mu         sync.Mutex
	partitions []book
	failures   []error // of sends that were given up, and of the consumer
}

// book is what is known of a partition. Records are numbered from 0 in the order in which they were sent.
type book struct {
	sent         []time.Duration // since the load began
	acknowledged []answer
	unanswered   int // records of which it is not known yet
	delivered    []delivered
}

// answer is an acknowledgement of a record.
type answer struct {
	number int
	offset int64
	at     time.Duration
}

// delivered is a record as a consumer got it.
type delivered struct {
	offset int64
	number int
}

// Start makes the topic, with a replica on every broker up to three, and begins.
func Start(ctx context.Context, target Target, o Options) (*Load, error) {
	l := &Load{target: target, options: o, partitions: make([]book, o.Partitions)}
	if err := l.makeTopic(ctx); err != nil {
		return nil, err
	}
	all := map[int32]kgo.Offset{}
	for p := range o.Partitions {
		all[p] = kgo.NewOffset().AtStart()
	}
	var err error
	if l.producer, err = target.client(o.producing()...); err != nil {
		return nil, err
	}
	if l.consumer, err = target.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.Topic: all})); err != nil {
		l.producer.Close()
		return nil, err
	}
	l.began = time.Now()
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	reading, stopReading := context.WithCancel(context.WithoutCancel(ctx))
	l.stopSending, l.stopReading = stopSending, stopReading
	l.running.Go(func() { l.send(sending) })
	if !o.Unread {
		l.running.Go(func() { l.read(reading) })
	}
	return l, nil
}

// producing is how a producer sends. One that pauses never waits for room in its buffer, so that it keeps its pace whatever the
// brokers do; any other keeps no more than what takes them about a second.
func (o Options) producing() []kgo.Opt {
	options := []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedRecords(1_000_000),
	}
	if o.Pause == 0 {
		options = append(options, kgo.MaxBufferedBytes(32<<20))
	}
	return options
}

// Bounds of a client that does not wait for ever for a broker that is there and says nothing.
const (
	answersWithin = 1500 * time.Millisecond
	triesAgain    = 100 * time.Millisecond
)

func (t Target) client(options ...kgo.Opt) (*kgo.Client, error) {
	options = append(options,
		kgo.SeedBrokers(t.Bootstrap...),
		kgo.RetryBackoffFn(func(int) time.Duration { return triesAgain }),
		kgo.MetadataMinAge(triesAgain),
		kgo.AlwaysRetryEOF(), // a broker that stops takes connections until the end, and answers nothing on the last ones
		kgo.RequestTimeoutOverhead(answersWithin),
		kgo.ProduceRequestTimeout(answersWithin),
		kgo.DialTimeout(answersWithin),
		kgo.FetchMaxWait(500*time.Millisecond),
	)
	if t.TLS != nil && t.Dial == nil {
		options = append(options, kgo.DialTLSConfig(t.TLS))
	}
	if t.Dial != nil {
		options = append(options, kgo.Dialer(t.dial))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", t.Bootstrap, err)
	}
	return client, nil
}

func (t Target) dial(ctx context.Context, network, address string) (net.Conn, error) {
	connection, err := t.Dial(ctx, network, address)
	if err != nil || t.TLS == nil {
		return connection, err
	}
	config := t.TLS.Clone()
	if config.ServerName == "" {
		if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
			return nil, err
		}
	}
	return tls.Client(connection, config), nil
}

func (l *Load) makeTopic(ctx context.Context) error {
	client, err := l.target.client()
	if err != nil {
		return err
	}
	defer client.Close()
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 30_000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = l.options.Topic, l.options.Partitions, -1
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("create topic %s: %w", l.options.Topic, err)
	}
	if code := response.Topics[0].ErrorCode; code != 0 {
		return fmt.Errorf("create topic %s: error %d", l.options.Topic, code)
	}
	return nil
}

// send sends one record to each partition, again and again.
func (l *Load) send(ctx context.Context) {
	var pause <-chan time.Time
	if l.options.Pause > 0 {
		ticker := time.NewTicker(l.options.Pause)
		defer ticker.Stop()
		pause = ticker.C
	}
	for number := 0; ctx.Err() == nil; number++ {
		if pause != nil {
			select {
			case <-ctx.Done():
				return
			case <-pause:
			}
		}
		for p := range l.options.Partitions {
			l.mu.Lock()
			l.partitions[p].sent = append(l.partitions[p].sent, time.Since(l.began))
			l.partitions[p].unanswered++
			l.mu.Unlock()
			// The context is not ours: a record that was sent has to be acknowledged, or we have not waited long enough.
			l.producer.Produce(context.WithoutCancel(ctx), l.record(p, number), func(r *kgo.Record, err error) {
				l.hear(p, number, r.Offset, err)
			})
		}
	}
}

func (l *Load) record(partition int32, number int) *kgo.Record {
	return &kgo.Record{
		Topic: l.options.Topic, Partition: partition,
		Key: strconv.AppendInt(nil, int64(number), 10), Value: make([]byte, l.options.Size),
	}
}

func (l *Load) hear(partition int32, number int, offset int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := &l.partitions[partition]
	b.unanswered--
	if err != nil {
		l.failures = append(l.failures, fmt.Errorf("record %d of partition %d: %w", number, partition, err))
		return
	}
	b.acknowledged = append(b.acknowledged, answer{number, offset, time.Since(l.began)})
}

// read is the consumer.
func (l *Load) read(ctx context.Context) {
	for ctx.Err() == nil {
		fetched := l.consumer.PollFetches(ctx)
		l.mu.Lock()
		fetched.EachError(func(_ string, partition int32, err error) {
			var lost *kgo.ErrDataLoss
			if errors.As(err, &lost) { // everything else is tried again
				l.failures = append(l.failures, fmt.Errorf("consumer of partition %d: %w", partition, err))
			}
		})
		fetched.EachRecord(func(r *kgo.Record) {
			b := &l.partitions[r.Partition]
			b.delivered = append(b.delivered, of(r))
		})
		l.mu.Unlock()
	}
}

func of(r *kgo.Record) delivered {
	number, err := strconv.Atoi(string(r.Key))
	if err != nil {
		number = -1 // nobody has sent that
	}
	return delivered{r.Offset, number}
}

// Acknowledged counts the records that were acknowledged so far.
func (l *Load) Acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	count := 0
	for _, b := range l.partitions {
		count += len(b.acknowledged)
	}
	return count
}

// Failures are the sends that were given up so far, and what else must not happen to a client.
func (l *Load) Failures() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.failures)
}

// FlowsSince tells whether every partition has acknowledged a record that was sent after a time, and which one has not.
func (l *Load) FlowsSince(when time.Time) (ok bool, missing string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := when.Sub(l.began)
	for p, b := range l.partitions {
		if n := len(b.acknowledged); n == 0 || b.sent[b.acknowledged[n-1].number] < since {
			return false, fmt.Sprintf("partition %d has acknowledged nothing that was sent since", p)
		}
	}
	return true, ""
}

// LongestGap is the longest time without an acknowledgement that any partition has had between two moments: what a writer
// waited for that writes to this partition alone. A gap counts whole that reaches over the end or the beginning.
func (l *Load) LongestGap(from, to time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	begin, end := from.Sub(l.began), to.Sub(l.began)
	var longest time.Duration
	for _, b := range l.partitions {
		var last time.Duration
		for _, a := range b.acknowledged {
			if a.at > begin && last < end {
				longest = max(longest, a.at-last)
			}
			last = a.at
		}
		if now := min(time.Since(l.began), end); last < end && b.unanswered > 0 {
			longest = max(longest, now-last)
		}
	}
	return longest
}

// EmptySlots counts the slots of a length, from the beginning to now, in which no partition has acknowledged anything. One
// that is not over yet does not count.
func (l *Load) EmptySlots(length time.Duration) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	over := time.Since(l.began) / length
	filled := map[time.Duration]bool{}
	for _, b := range l.partitions {
		for _, a := range b.acknowledged {
			if slot := a.at / length; slot < over {
				filled[slot] = true
			}
		}
	}
	return int(over) - len(filled)
}

// InSync tells whether every partition of the cluster has a leader and all its replicas in sync, and which one has not.
//
// All brokers that have a replica have to say so: one that is down says nothing, and one that lags behind still says what was
// true before another one went down.
func (l *Load) InSync(ctx context.Context) (ok bool, missing string) {
	seen, err := allTopics().RequestWith(ctx, l.consumer)
	if err != nil {
		return false, err.Error()
	}
	for _, id := range holders(seen) {
		said, err := allTopics().RequestWith(ctx, l.consumer.Broker(int(id)))
		if err != nil {
			return false, fmt.Sprintf("broker %d does not answer: %s", id, err)
		}
		if missing := lacking(said); missing != "" {
			return false, fmt.Sprintf("broker %d says of %s", id, missing)
		}
	}
	return true, ""
}

// OutOfSync tells whether one of the brokers has heard already that a partition of the cluster is not whole.
func (l *Load) OutOfSync(ctx context.Context) bool {
	said, err := allTopics().RequestWith(ctx, l.consumer)
	return err == nil && lacking(said) != ""
}

func allTopics() *kmsg.MetadataRequest {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = nil
	return request
}

// holders are the brokers that have a replica of something.
func holders(m *kmsg.MetadataResponse) []int32 {
	ids := map[int32]bool{}
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			for _, id := range p.Replicas {
				ids[id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// lacking names a partition that is without leader, or not whole, and says what it lacks; it is empty when there is none.
func lacking(m *kmsg.MetadataResponse) string {
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			if p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
				return fmt.Sprintf("%s-%d: leader %d, %v of %v are in sync", *t.Topic, p.Partition, p.Leader, p.ISR, p.Replicas)
			}
		}
	}
	return ""
}

// Stop ends the producer once every record is acknowledged, and the consumer once it has got them all. Then it reads the log
// from its beginning and compares. The error is about what could not be done; what was found wrong is in the report.
func (l *Load) Stop(ctx context.Context) (Report, error) {
	defer l.producer.Close()
	defer l.consumer.Close()
	defer l.running.Wait()
	defer l.stopReading()
	l.stopSending()
	gap := l.LongestGap(l.began, time.Now())
	slots := l.EmptySlots(5 * time.Second)
	if err := l.producer.Flush(ctx); err != nil {
		return Report{}, fmt.Errorf("wait until every record is acknowledged: %w", err)
	}
	ends, err := l.ends(ctx)
	if err != nil {
		return Report{}, err
	}
	log, err := l.readAll(ctx, ends)
	if err != nil {
		return Report{}, err
	}
	if !l.options.Unread {
		if err := l.awaitConsumer(ctx, ends); err != nil {
			return Report{}, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := Report{LongestGap: gap, EmptySlots: slots, Failures: slices.Clone(l.failures)}
	for p, b := range l.partitions {
		if l.options.Unread {
			b.delivered = log[p] // by the consumer that has read it just now
		}
		r.compare(p, b, log[p])
	}
	return r, nil
}

// Close ends everything at once. It may be called after Stop.
func (l *Load) Close() {
	l.stopSending()
	l.stopReading()
	l.producer.Close()
	l.consumer.Close()
	l.running.Wait()
}

// ends gives the offset after the last record of each partition.
func (l *Load) ends(ctx context.Context) (map[int32]int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = l.options.Topic
	for p := range l.options.Partitions {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp = p, -1
		topic.Partitions = append(topic.Partitions, partition)
	}
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, l.consumer)
	if err != nil {
		return nil, fmt.Errorf("ask where the log ends: %w", err)
	}
	ends := map[int32]int64{}
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return nil, fmt.Errorf("ask where partition %d ends: error %d", p.Partition, p.ErrorCode)
			}
			ends[p.Partition] = p.Offset
		}
	}
	return ends, nil
}

// readAll reads the log with a client of its own.
func (l *Load) readAll(ctx context.Context, ends map[int32]int64) (map[int][]delivered, error) {
	from := map[int32]kgo.Offset{}
	for p, end := range ends {
		if end > 0 {
			from[p] = kgo.NewOffset().AtStart()
		}
	}
	client, err := l.target.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{l.options.Topic: from}))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	log := map[int][]delivered{}
	for missing := len(from); missing > 0; {
		fetched := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			log[int(r.Partition)] = append(log[int(r.Partition)], of(r))
			if r.Offset == ends[r.Partition]-1 {
				missing--
			}
		})
	}
	return log, nil
}

// awaitConsumer waits until the consumer has come to the end too.
func (l *Load) awaitConsumer(ctx context.Context, ends map[int32]int64) error {
	for {
		behind := ""
		l.mu.Lock()
		for p, end := range ends {
			if got := l.partitions[p].delivered; end > 0 && (len(got) == 0 || got[len(got)-1].offset < end-1) {
				behind = fmt.Sprintf("it has got %d records of partition %d, which ends at offset %d", len(got), p, end)
			}
		}
		l.mu.Unlock()
		if behind == "" {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for the consumer: %w; %s", ctx.Err(), behind)
		}
	}
}

// Report is what a load has seen.
type Report struct {
	Acknowledged int
	// Lost counts acknowledged records that are not in the log, or not where it was said that they are; Duplicated those that
	// are there again, Reordered those that come after a later one.
	Lost, Duplicated, Reordered int
	// Misdelivered counts records that the consumer got otherwise than they lie in the log, or did not get.
	Misdelivered int
	// Failures are the sends that were given up, and whatever else must not happen to a client.
	Failures []error
	// LongestGap is the longest time without an acknowledgement in any partition, EmptySlots the number of slots of five
	// seconds in which there was none in all of them.
	LongestGap time.Duration
	EmptySlots int
	// Examples name the first records that something is wrong with.
	Examples []string
}

// compare checks what is known of a partition against its log.
func (r *Report) compare(partition int, b book, log []delivered) {
	at := map[int64]int{}
	seen := map[int]int64{}
	highest := -1
	for _, d := range log {
		at[d.offset] = d.number
		switch first, again := seen[d.number]; {
		case again:
			r.Duplicated++
			r.example("record %d of partition %d is at offsets %d and %d", d.number, partition, first, d.offset)
		case d.number < highest:
			r.Reordered++
			r.example("record %d of partition %d comes after record %d, at offset %d", d.number, partition, highest, d.offset)
		}
		seen[d.number] = d.offset
		highest = max(highest, d.number)
	}
	for _, a := range b.acknowledged {
		r.Acknowledged++
		if number, there := at[a.offset]; !there || number != a.number {
			r.Lost++
			r.example("record %d of partition %d was acknowledged at offset %d after %s, and there is record %d (found: %t)",
				a.number, partition, a.offset, a.at.Round(time.Millisecond), number, there)
		}
	}
	got := slices.SortedFunc(slices.Values(b.delivered), func(a, b delivered) int { return cmp.Compare(a.offset, b.offset) })
	for i := range max(len(got), len(log), len(b.delivered)) {
		if i >= len(got) || i >= len(log) || got[i] != log[i] || b.delivered[i] != got[i] {
			r.Misdelivered++
			r.example("what the consumer got of partition %d as number %d is not what lies there", partition, i)
			break // all that follow are shifted
		}
	}
}

func (r *Report) example(format string, args ...any) {
	if len(r.Examples) < 10 {
		r.Examples = append(r.Examples, fmt.Sprintf(format, args...))
	}
}

// Err says what of a client's trust was broken; nil when nothing was.
func (r Report) Err() error {
	if r.Lost+r.Duplicated+r.Reordered+r.Misdelivered+len(r.Failures) == 0 {
		return nil
	}
	first := r.Examples
	for _, err := range r.Failures[:min(3, len(r.Failures))] {
		first = append(first, err.Error())
	}
	return fmt.Errorf("of %d acknowledged records %d are lost, %d duplicated, %d reordered, %d delivered wrongly; %d failures: %q",
		r.Acknowledged, r.Lost, r.Duplicated, r.Reordered, r.Misdelivered, len(r.Failures), first)
}
