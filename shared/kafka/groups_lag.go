package kafka

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/cluster"
)

// Bounds of how many places in partitions are looked at to tell how long a record has been waiting.
const (
	looksOfList        = 5_000
	looksOfDescription = 50_000
)

const (
	fetchVersion       = 11 // the last that names topics as people do, and all that brokers need
	listOffsetsVersion = 6
	newestRecord       = -1 // in the place of a time, when brokers are asked for offsets
	oldestRecord       = -2
)

// measure says of offsets how far they are from the end of their partitions and, within so many looks, for how long the first
// unread record has been waiting. What a broker does not tell stays unknown.
func (k coordinators) measure(ctx context.Context, at layout, groups map[string][]cluster.GroupOffset, looks int) {
	wanted := map[cluster.TopicPartition]bool{}
	for _, offsets := range groups {
		for _, o := range offsets {
			wanted[o.TopicPartition] = true
		}
	}
	partitions := slices.SortedFunc(maps.Keys(wanted), byName)
	begins := k.offsetsAt(ctx, at, partitions, oldestRecord)
	ends := k.offsetsAt(ctx, at, partitions, newestRecord)
	for _, offsets := range groups {
		for i := range offsets {
			count(&offsets[i], begins, ends)
		}
	}
	places := placesOf(groups, looks)
	written := k.written(ctx, at, places)
	now := now()
	for _, offsets := range groups {
		for i := range offsets {
			o := &offsets[i]
			if o.Lag == nil {
				continue
			}
			if waiting := time.Duration(0); *o.Lag == 0 {
				o.Behind = &waiting
			} else if at, ok := written[placeOf(*o)]; ok {
				waiting = max(0, now.Sub(at)) // producers may set times to come
				o.Behind = &waiting
			}
		}
	}
}

// count says how many records are unread. What is not kept any more can't be read, and does not count; nor is there less than
// none, where a topic was made anew.
func count(o *cluster.GroupOffset, begins, ends map[cluster.TopicPartition]offset) {
	begin, known := begins[o.TopicPartition]
	end, also := ends[o.TopicPartition]
	if !known || !also {
		return
	}
	o.Begin, o.End = begin.at, end.at
	if o.Committed >= 0 {
		lag := max(0, end.at-max(o.Committed, begin.at))
		o.Lag = &lag
	}
}

// place is where a record lies.
type place struct {
	cluster.TopicPartition
	offset int64
}

// placeOf is where the first unread record lies.
func placeOf(o cluster.GroupOffset) place { return place{o.TopicPartition, max(o.Committed, o.Begin)} }

// placesOf gives where the first unread records lie: of every group or, where that would be too many, of those with the fewest.
func placesOf(groups map[string][]cluster.GroupOffset, most int) map[place]bool {
	each := map[string][]place{}
	for id, offsets := range groups {
		for _, o := range offsets {
			if o.Lag != nil && *o.Lag > 0 {
				each[id] = append(each[id], placeOf(o))
			}
		}
	}
	all := map[place]bool{}
	for _, id := range slices.SortedFunc(maps.Keys(each), func(a, b string) int { return len(each[a]) - len(each[b]) }) {
		if len(all)+len(each[id]) > most {
			break
		}
		for _, p := range each[id] {
			all[p] = true
		}
	}
	return all
}

// offset is one that a broker was asked for, and the time of its record.
type offset struct {
	at   int64
	time int64 // in milliseconds; -1 where there is no record
}

// offsetsAt asks leaders for the offset of the first record that is as old as a time, or younger: -1 where there is none. Where a
// leader does not tell, the partition is left out.
func (k coordinators) offsetsAt(ctx context.Context, at layout, partitions []cluster.TopicPartition, millis int64) map[cluster.TopicPartition]offset {
	led := at.byLeader(partitions)
	answers, _ := together(slices.Sorted(maps.Keys(led)), func(leader string) (*sarama.OffsetResponse, error) {
		request := &sarama.OffsetRequest{Version: listOffsetsVersion}
		for _, p := range led[leader] {
			request.AddBlock(p.Topic, p.ID, millis, 1)
		}
		answer, err := ask(ctx, k.connections, leader, answerWithin, true, func(b *sarama.Broker) (*sarama.OffsetResponse, error) {
			return b.GetAvailableOffsets(request)
		})
		if err != nil {
			answer = &sarama.OffsetResponse{} // it tells nothing
		}
		return answer, nil
	})
	all := map[cluster.TopicPartition]offset{}
	for _, answer := range answers {
		for topic, blocks := range answer.Blocks {
			for id, b := range blocks {
				if b.Err == sarama.ErrNoError {
					all[cluster.TopicPartition{Topic: topic, ID: id}] = offset{b.Offset, b.Timestamp}
				}
			}
		}
	}
	return all
}

func (l layout) byLeader(partitions []cluster.TopicPartition) map[string][]cluster.TopicPartition {
	led := map[string][]cluster.TopicPartition{}
	for _, p := range partitions {
		if leader, ok := l.leader(p); ok {
			led[leader] = append(led[leader], p)
		}
	}
	return led
}

// readings are how partitions are read, until the batch that lies at a place has come: a broker leaves out one that has more bytes
// than are asked for, unless it is the first of its answer.
var readings = []struct {
	partitions int   // of one request
	bytes      int32 // of one partition
}{
	{500, 16 << 10},
	{50, 256 << 10},
	{1, 1 << 20},
}

// bytesPerFetch bounds one answer.
const bytesPerFetch = 16 << 20

// written tells when the records at places were written. What leaders do not tell is left out.
func (k coordinators) written(ctx context.Context, at layout, places map[place]bool) map[place]time.Time {
	led := map[string][]place{}
	for p := range places {
		if leader, ok := at.leader(p.TopicPartition); ok {
			led[leader] = append(led[leader], p)
		}
	}
	answers, _ := together(slices.Sorted(maps.Keys(led)), func(leader string) (map[place]time.Time, error) {
		found := map[place]time.Time{}
		left := led[leader]
		for _, r := range readings {
			for _, some := range requestsFor(left, r.partitions) {
				answer, err := ask(ctx, k.connections, leader, answerWithin, true, func(b *sarama.Broker) (*sarama.FetchResponse, error) {
					return b.Fetch(fetchOf(some, r.bytes))
				})
				if err != nil {
					return found, nil
				}
				for _, p := range some {
					if at, ok := timeAt(answer.GetBlock(p.Topic, p.ID), p.offset); ok {
						found[p] = at
					}
				}
			}
			left = slices.DeleteFunc(left, func(p place) bool { _, ok := found[p]; return ok })
		}
		return found, nil
	})
	all := map[place]time.Time{}
	for _, some := range answers {
		maps.Copy(all, some)
	}
	return all
}

// requestsFor shares places out among requests, each of which can name a partition once.
func requestsFor(places []place, most int) [][]place {
	var requests [][]place
	next := map[cluster.TopicPartition]int{} // the first request that does not name the partition yet
	for _, p := range places {
		i := next[p.TopicPartition]
		for i < len(requests) && len(requests[i]) >= most {
			i++
		}
		if i == len(requests) {
			requests = append(requests, nil)
		}
		requests[i] = append(requests[i], p)
		next[p.TopicPartition] = i + 1
	}
	return requests
}

func fetchOf(places []place, bytes int32) *sarama.FetchRequest {
	request := &sarama.FetchRequest{Version: fetchVersion, MaxBytes: bytesPerFetch, SessionEpoch: -1} // without a session
	for _, p := range places {
		request.AddBlock(p.Topic, p.ID, p.offset, bytes, -1)
	}
	return request
}

// timeAt reads when the first record was written that lies at an offset, or after it. ok is false where the answer does not hold it.
func timeAt(block *sarama.FetchResponseBlock, offset int64) (_ time.Time, ok bool) {
	if block == nil || block.Err != sarama.ErrNoError {
		return time.Time{}, false
	}
	for _, records := range block.RecordsSet {
		batch := records.RecordBatch
		if batch == nil {
			continue
		}
		for _, r := range batch.Records {
			if batch.FirstOffset+r.OffsetDelta < offset {
				continue
			}
			at := batch.FirstTimestamp.Add(r.TimestampDelta)
			if batch.LogAppendTime {
				at = batch.MaxTimestamp
			}
			return at, at.UnixMilli() > 0 // a producer may say none
		}
	}
	return time.Time{}, false
}

// together does something for all keys at the same time, and gives what came of it; of errors, that of the first key that has one.
func together[Key comparable, Value any](keys []Key, do func(Key) (Value, error)) (map[Key]Value, error) {
	values, faults := make([]Value, len(keys)), make([]error, len(keys))
	var all sync.WaitGroup
	for i, key := range keys {
		all.Go(func() { values[i], faults[i] = do(key) })
	}
	all.Wait()
	found := map[Key]Value{}
	for i, key := range keys {
		if faults[i] != nil {
			return nil, faults[i]
		}
		found[key] = values[i]
	}
	return found, nil
}
