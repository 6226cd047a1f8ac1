package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// stream is one event source of the template: records of the table's stream that pass a filter go to a function.
type stream struct {
	d        *Deployment
	logical  string
	arn      string
	function string
	filters  []any
	size     int
	window   time.Duration
	retries  int
}

// addStreams reads the table's stream for every event source of the template, until the deployment ends. The reading is
// done, as by Lambda, with the rights of the function's role.
func (d *Deployment) addStreams() error {
	mapped := map[string]bool{}
	for _, logical := range d.resources.resolver.Template.Names("AWS::Lambda::EventSourceMapping") {
		p, err := d.resources.resolver.Properties(logical)
		if err != nil {
			return err
		}
		s := stream{d: d, logical: logical, arn: properties(p).text("EventSourceArn"), function: properties(p).text("FunctionName"), size: 100}
		pair := s.arn + " and " + s.function
		if mapped[pair] { // Lambda's words
			return fmt.Errorf("%s: the event source and function provided mapping already exists: %s", logical, pair)
		}
		mapped[pair] = true
		if size, is := p["BatchSize"].(float64); is {
			s.size = int(size)
		}
		if seconds, is := p["MaximumBatchingWindowInSeconds"].(float64); is {
			s.window = min(time.Duration(seconds)*time.Second, longestWindow)
		}
		if retries, is := p["MaximumRetryAttempts"].(float64); is {
			s.retries = int(retries)
		}
		criteria, _ := p["FilterCriteria"].(map[string]any)
		filters, _ := criteria["Filters"].([]any)
		for _, f := range filters {
			filter, _ := f.(map[string]any)
			var pattern any
			if err := json.Unmarshal([]byte(properties(filter).text("Pattern")), &pattern); err != nil {
				return fmt.Errorf("filter of %s: %w", logical, err)
			}
			s.filters = append(s.filters, pattern)
		}
		d.background.Go(s.run)
	}
	return nil
}

// longestWindow shortens the time for which records are collected, so that a test sees what comes of them.
const longestWindow = 5 * time.Second

// run hands over batches in the order of the stream. A record that its function does not take is passed over in the end, and
// fails the test.
//
// It asks for a new iterator each time: moto puts a copy of a table in its place when a transaction fails, and older iterators
// then lead to the stream of a table that is no more.
func (s stream) run() {
	shards, err := s.shards()
	if err != nil {
		s.d.complain("event source %s: %v", s.logical, err)
		return
	}
	seen := map[string]string{} // by shard: the sequence number of the last record
	begun := halves{}
	var batch []any
	last := time.Now()
	for s.d.pause(200 * time.Millisecond) {
		for _, shard := range shards {
			records, err := s.recordsAfter(shard, seen[shard])
			if err != nil {
				s.d.complain("event source %s: %v", s.logical, err)
				return
			}
			for _, r := range records {
				change, _ := r["dynamodb"].(map[string]any)
				seen[shard] = properties(change).text("SequenceNumber")
				if begun.whole(r) && s.passes(r) {
					batch = append(batch, s.event(r))
				}
			}
		}
		if len(batch) == 0 {
			last = time.Now()
			continue
		}
		if len(batch) < s.size && time.Since(last) < s.window {
			continue
		}
		for len(batch) > 0 {
			n := min(len(batch), s.size)
			s.hand(batch[:n])
			batch = batch[n:]
		}
		last = time.Now()
	}
}

// halves are new items of which moto has told the key alone so far: an update that makes an item is two records to it, and one
// to DynamoDB.
type halves map[string]bool

// whole tells whether a record is one of DynamoDB's, and makes it one where moto has told it in two.
func (h halves) whole(record map[string]any) bool {
	change, _ := record["dynamodb"].(map[string]any)
	keys, _ := change["Keys"].(map[string]any)
	image, _ := change["NewImage"].(map[string]any)
	item := fmt.Sprint(keys)
	switch {
	case record["eventName"] == "INSERT" && len(image) == len(keys):
		h[item] = true
		return false
	case record["eventName"] == "MODIFY" && h[item]:
		record["eventName"] = "INSERT"
		delete(change, "OldImage")
	}
	delete(h, item)
	return true
}

// hand gives a batch to the function. Halving a batch that fails is Lambda's business; a function that fails is ours.
func (s stream) hand(batch []any) {
	payload, err := json.Marshal(map[string]any{"Records": batch})
	for try := 0; err == nil && try <= s.retries; try++ {
		if _, err = s.d.invokeInTurn(s.function, payload); err == nil || s.d.ctx.Err() != nil {
			return
		}
		s.d.note("event source %s: %v", s.logical, err)
		err = nil
	}
	s.d.complain("event source %s: %s does not take %s", s.logical, s.function, payload)
}

func (s stream) passes(record map[string]any) bool {
	for _, f := range s.filters {
		fits, err := matchesPattern(f, record)
		if err != nil {
			s.d.complain("filter of %s: %v", s.logical, err)
		}
		if fits {
			return true
		}
	}
	return len(s.filters) == 0
}

// event is a record as Lambda hands it over.
func (s stream) event(record map[string]any) map[string]any {
	record["eventSourceARN"] = s.arn
	record["eventSource"] = "aws:dynamodb"
	return record
}

func (s stream) shards() ([]string, error) {
	var out struct {
		StreamDescription struct {
			Shards []struct{ ShardID string }
		}
	}
	err := s.call("DescribeStream", map[string]any{"StreamArn": s.arn}, &out)
	var ids []string
	for _, shard := range out.StreamDescription.Shards {
		ids = append(ids, shard.ShardID)
	}
	return ids, err
}

// recordsAfter gives the records of a shard after one, or all.
func (s stream) recordsAfter(shard, sequence string) ([]map[string]any, error) {
	from := map[string]any{"StreamArn": s.arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
	if sequence != "" {
		from["ShardIteratorType"], from["SequenceNumber"] = "AFTER_SEQUENCE_NUMBER", sequence
	}
	var at struct{ ShardIterator string }
	if err := s.call("GetShardIterator", from, &at); err != nil || at.ShardIterator == "" {
		return nil, err
	}
	var out struct{ Records []map[string]any }
	err := s.call("GetRecords", map[string]any{"ShardIterator": at.ShardIterator}, &out)
	return out.Records, err
}

// call is a call of DynamoDB Streams. It is not signed for good, since neither gate nor moto look at more than the key.
func (s stream) call(action string, in, out any) error {
	content, err := json.Marshal(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.d.ctx, 30*time.Second)
	defer cancel()
	h, err := http.NewRequestWithContext(ctx, http.MethodPost, s.d.endpoint, bytes.NewReader(content))
	if err != nil {
		return err
	}
	h.Header.Set("Content-Type", "application/x-amz-json-1.0")
	h.Header.Set("X-Amz-Target", "DynamoDBStreams_20120810."+action)
	h.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20260101/%s/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
		s.d.keyOf(s.function), s.d.resources.region))
	answer, err := http.DefaultClient.Do(h)
	if err != nil {
		if s.d.ctx.Err() != nil {
			return nil // the deployment is over
		}
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", action, answer.Status, body)
	}
	return json.Unmarshal(body, out)
}
