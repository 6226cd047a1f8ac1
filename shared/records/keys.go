package records

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/accesskey"
)

const accessKeys = "access-keys" // by access key id

func accessKey(id string) Key { return Key{accessKeys, id} }

// AddAccessKey records a new key. It returns a Conflict when the id is taken.
func (r Records) AddAccessKey(ctx context.Context, k accesskey.Key) error {
	write, err := put(accessKey(k.ID), k, IfAbsent())
	if err != nil {
		return err
	}
	if err := r.Table.Write(ctx, write); err != nil {
		return fmt.Errorf("record access key %s: %w", k.ID, err)
	}
	return nil
}

// AccessKey gives a key, or a NotFound error.
func (r Records) AccessKey(ctx context.Context, id string) (accesskey.Key, error) {
	k, _, err := get[accesskey.Key](ctx, r.Table, accessKey(id))
	if err != nil {
		return k, fmt.Errorf("access key %s: %w", id, err)
	}
	return k, nil
}

// AccessKeys gives all keys, by id.
func (r Records) AccessKeys(ctx context.Context) ([]accesskey.Key, error) {
	return all[accesskey.Key](ctx, r.Table, accessKeys)
}

// ReplaceAccessKey records the key that takes the place of another, in one write with the other's end: replace gets the
// other as it is, changes it, and makes the new one. An error of replace ends it with nothing written.
func (r Records) ReplaceAccessKey(
	ctx context.Context, id string, replace func(old *accesskey.Key) (accesskey.Key, error),
) (old, replacement accesskey.Key, err error) {
	err = r.retryContended(ctx, "access key "+id, func() error {
		var revision int64
		var err error
		if old, revision, err = get[accesskey.Key](ctx, r.Table, accessKey(id)); err != nil {
			return fmt.Errorf("access key %s: %w", id, err)
		}
		if replacement, err = replace(&old); err != nil {
			return final{err}
		}
		writes, err := collect(
			with(put(accessKey(id), old, IfRevision(revision))),
			with(put(accessKey(replacement.ID), replacement, IfAbsent())),
		)
		if err != nil {
			return err
		}
		return r.Table.Write(ctx, writes...)
	})
	return old, replacement, unwrapFinal(err)
}

// RemoveAccessKey removes a key. From then on it is no key any more, for nobody.
func (r Records) RemoveAccessKey(ctx context.Context, id string) error {
	if err := r.Table.Write(ctx, Write{Key: accessKey(id), Delete: true}); err != nil {
		return fmt.Errorf("remove access key %s: %w", id, err)
	}
	return nil
}
