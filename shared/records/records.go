package records

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Records reads and writes the nouns.
type Records struct {
	Table Table
	// HostRole is the id of the IAM role that all hosts have; empty where hosts have no roles.
	HostRole string
	// Jitter, where it is set, decides how long one that has lost a race for a record waits before it tries again, less than
	// upTo; chance decides otherwise.
	Jitter func(ctx context.Context, upTo time.Duration) time.Duration
}

const pageSize = 200

// get decodes the item at key into a T.
func get[T any](ctx context.Context, t Table, key Key) (value T, revision int64, err error) {
	item, err := t.Get(ctx, key)
	if err != nil {
		return value, 0, err
	}
	if err := json.Unmarshal(item.Body, &value); err != nil {
		return value, 0, fmt.Errorf("decode %s/%s: %w", key.Partition, key.Sort, err)
	}
	return value, item.Revision, nil
}

// page decodes up to limit items of a partition.
func page[T any](ctx context.Context, t Table, partition, prefix, after string, limit int) ([]T, error) {
	items, err := t.Query(ctx, partition, prefix, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", partition, err)
	}
	values := make([]T, len(items))
	for i, item := range items {
		if err := json.Unmarshal(item.Body, &values[i]); err != nil {
			return nil, fmt.Errorf("decode %s/%s: %w", item.Partition, item.Sort, err)
		}
	}
	return values, nil
}

// all decodes every item of a partition.
func all[T any](ctx context.Context, t Table, partition string) ([]T, error) {
	var values []T
	err := visit(ctx, t, partition, func(item Item) error {
		var v T
		if err := json.Unmarshal(item.Body, &v); err != nil {
			return fmt.Errorf("decode %s/%s: %w", item.Partition, item.Sort, err)
		}
		values = append(values, v)
		return nil
	})
	return values, err
}

// removeAll removes every item of a partition.
func removeAll(ctx context.Context, t Table, partition string) error {
	return visit(ctx, t, partition, func(item Item) error {
		if err := t.Write(ctx, Write{Key: item.Key, Delete: true}); err != nil {
			return fmt.Errorf("remove %s/%s: %w", item.Partition, item.Sort, err)
		}
		return nil
	})
}

// visit calls f for every item of a partition, in order.
func visit(ctx context.Context, t Table, partition string, f func(Item) error) error {
	after := ""
	for {
		items, err := t.Query(ctx, partition, "", after, pageSize)
		if err != nil {
			return fmt.Errorf("list %s: %w", partition, err)
		}
		for _, item := range items {
			if err := f(item); err != nil {
				return err
			}
		}
		if len(items) < pageSize {
			return nil
		}
		after = items[len(items)-1].Sort
	}
}

// put makes a write of a value.
func put(key Key, value any, condition Condition) (Write, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return Write{}, fmt.Errorf("encode %s/%s: %w", key.Partition, key.Sort, err)
	}
	return Write{Key: key, If: condition, Body: body}, nil
}
