// Package dynamo keeps records in one DynamoDB table.
//
// An item has the partition key pk, the sort key sk, its revision rev, the document body (text where it is UTF-8, so that
// people can read it in the console, or else binary) and, where it may go some day, the time of that in expires. The table
// itself is made by the deployment, and DynamoDB removes what has expired.
package dynamo

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/watch"
)

// Table keeps records in a DynamoDB table.
type Table struct {
	client *dynamodb.Client
	name   string
	// mayLag says that what is read may be a moment old.
	mayLag bool
}

var _ records.Table = (*Table)(nil)

// New gives the table of a name.
func New(config aws.Config, name string) *Table {
	return &Table{client: dynamodb.NewFromConfig(config), name: name}
}

// Lagging gives the same table for whoever looks again and again: what it reads may be a moment old, at half the price. Writes
// with a condition are as safe as ever.
func (t *Table) Lagging() *Table {
	lagging := *t
	lagging.mayLag = true
	return &lagging
}

// Get implements [records.Table]: one GetItem, which is all that a host's role may do to read.
func (t *Table) Get(ctx context.Context, key records.Key) (records.Item, error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.name, Key: encodeKey(key), ConsistentRead: aws.Bool(!t.mayLag),
	})
	if err != nil {
		return records.Item{}, codes.Fault(err)
	}
	if len(out.Item) == 0 {
		return records.Item{}, fault.New(fault.NotFound, "%s/%s does not exist", key.Partition, key.Sort)
	}
	return decodeItem(out.Item)
}

// Query implements [records.Table].
func (t *Table) Query(ctx context.Context, partition, prefix, after string, limit int) ([]records.Item, error) {
	in := &dynamodb.QueryInput{
		TableName:                 &t.name,
		ConsistentRead:            aws.Bool(!t.mayLag),
		KeyConditionExpression:    aws.String("pk = :partition"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":partition": text(partition)},
	}
	// DynamoDB takes one condition on the sort key. Behind the last item with the prefix lies the end of the search.
	switch {
	case after >= prefix && after != "":
		*in.KeyConditionExpression += " AND sk > :after"
		in.ExpressionAttributeValues[":after"] = text(after)
	case prefix != "":
		*in.KeyConditionExpression += " AND begins_with(sk, :prefix)"
		in.ExpressionAttributeValues[":prefix"] = text(prefix)
	}
	var items []records.Item
	for len(items) < limit {
		in.Limit = aws.Int32(int32(min(limit-len(items), maxPage)))
		out, err := t.client.Query(ctx, in)
		if err != nil {
			return nil, codes.Fault(err)
		}
		for _, found := range out.Items {
			item, err := decodeItem(found)
			if err != nil {
				return nil, err
			}
			if !strings.HasPrefix(item.Sort, prefix) {
				return items, nil
			}
			items = append(items, item)
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			break
		}
	}
	return items, nil
}

// maxPage is more than DynamoDB gives at once: it stops at 1 MB.
const maxPage = 10_000

// Write implements [records.Table]. One write without a condition is one UpdateItem or DeleteItem, which a host's role may
// do and which can be repeated. Everything else is a transaction under a token, by which DynamoDB knows a request that is
// sent again because its answer was lost: without it, the second one would meet the change of the first and be a Conflict.
func (t *Table) Write(ctx context.Context, writes ...records.Write) error {
	if err := records.CheckWrites(writes); err != nil {
		return err
	}
	if len(writes) == 0 {
		return ctx.Err()
	}
	if len(writes) == 1 && writes[0].If == records.Always() {
		return codes.Fault(contend(ctx, func() error { return t.writeOne(ctx, writes[0]) }))
	}
	in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String(uuid.NewString())}
	for _, w := range writes {
		in.TransactItems = append(in.TransactItems, t.transactItem(w))
	}
	err := contend(ctx, func() error {
		_, err := t.client.TransactWriteItems(ctx, in)
		return err
	})
	for i, reason := range reasons(err) {
		key := writes[i].Key
		switch reason {
		case conditionFailed:
			return conflict(writes[i])
		case invalid:
			return fault.New(fault.Invalid, "%s/%s can't be written: %w", key.Partition, key.Sort, err)
		}
	}
	return codes.Fault(err)
}

func conflict(w records.Write) error {
	if w.If.Absent() {
		return fault.New(fault.Conflict, "%s/%s exists already", w.Key.Partition, w.Key.Sort)
	}
	return fault.New(fault.Conflict, "%s/%s was changed in between", w.Key.Partition, w.Key.Sort)
}

func (t *Table) writeOne(ctx context.Context, w records.Write) error {
	if w.Delete {
		_, err := t.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &t.name, Key: encodeKey(w.Key)})
		return err
	}
	update, values := encodeUpdate(w)
	_, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: encodeKey(w.Key), UpdateExpression: &update, ExpressionAttributeValues: values,
	})
	return err
}

func (t *Table) transactItem(w records.Write) types.TransactWriteItem {
	condition, values := encodeCondition(w.If)
	if w.Delete {
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: &t.name, Key: encodeKey(w.Key),
			ConditionExpression: condition, ExpressionAttributeValues: values,
		}}
	}
	update, values := encodeUpdate(w)
	if revision, ok := w.If.Revision(); ok {
		values[":revision"] = number(revision)
	}
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &t.name, Key: encodeKey(w.Key), UpdateExpression: &update,
		ConditionExpression: condition, ExpressionAttributeValues: values,
	}}
}

const (
	// tries is how often a write is tried that meets others, in about three seconds: transactions hold their items for
	// milliseconds.
	tries        = 12
	firstPause   = 10 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// contend does a write until it does not meet others. The pause is random, so that those who met do not meet again.
func contend(ctx context.Context, write func() error) error {
	upTo := firstPause
	for try := 1; ; try++ {
		err := write()
		if err == nil || try == tries || !isPassing(err) {
			return err
		}
		select {
		case <-time.After(rand.N(upTo)): //nolint:gosec // no secret
		case <-ctx.Done():
			return err
		}
		upTo = min(2*upTo, longestPause)
	}
}

// watchInterval is how long a change may go unseen. The table has no way to wake a function that waits.
const watchInterval = time.Second

// Watch implements [records.Table]: it signals every second, change or not.
func (t *Table) Watch(string) (<-chan struct{}, func()) { return watch.Every(watchInterval) }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func encodeKey(k records.Key) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": text(k.Partition), "sk": text(k.Sort)}
}

func encodeBody(body []byte) types.AttributeValue {
	if utf8.Valid(body) {
		return text(string(body))
	}
	return &types.AttributeValueMemberB{Value: body}
}

func encodeUpdate(w records.Write) (expression string, values map[string]types.AttributeValue) {
	values = map[string]types.AttributeValue{":body": encodeBody(w.Body), ":one": number(1)}
	if w.Expires.IsZero() {
		return "SET body = :body REMOVE expires ADD rev :one", values
	}
	values[":expires"] = number(w.Expires.Unix())
	return "SET body = :body, expires = :expires ADD rev :one", values
}

func encodeCondition(c records.Condition) (expression *string, values map[string]types.AttributeValue) {
	if c.Absent() {
		return aws.String("attribute_not_exists(pk)"), nil
	}
	if revision, ok := c.Revision(); ok {
		return aws.String("rev = :revision"), map[string]types.AttributeValue{":revision": number(revision)}
	}
	return nil, nil
}

func decodeItem(found map[string]types.AttributeValue) (records.Item, error) {
	item := records.Item{Key: records.Key{Partition: string(content(found["pk"])), Sort: string(content(found["sk"]))}}
	revision, err := strconv.ParseInt(string(content(found["rev"])), 10, 64)
	if err != nil {
		return item, fault.New(fault.Internal, "the revision of %s/%s: %w", item.Partition, item.Sort, err)
	}
	item.Revision, item.Body = revision, content(found["body"])
	return item, nil
}

// content gives what an attribute holds, whatever its type.
func content(value types.AttributeValue) []byte {
	switch value := value.(type) {
	case *types.AttributeValueMemberS:
		return []byte(value.Value)
	case *types.AttributeValueMemberB:
		return value.Value
	case *types.AttributeValueMemberN:
		return []byte(value.Value)
	default:
		return nil
	}
}
