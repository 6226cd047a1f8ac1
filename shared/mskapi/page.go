package mskapi

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// defaultPageSize is used when a request names none; it is also the most a request may ask for.
const defaultPageSize = 100

// Paginate gives one page of a list, sorted by key, and the token of the next page; the last page has none. Keys have to
// be unique. A token holds the last key that was given out, so that a list which changes between two pages neither
// repeats nor skips what stayed. maxResults outside 1–100, and a token that is not one of this operation, are
// BadRequests.
func Paginate[T any](op Operation, items []T, key func(T) string, maxResults *int32, nextToken *string) ([]T, *string, error) {
	size := defaultPageSize
	if maxResults != nil {
		size = int(*maxResults)
	}
	if size < 1 || size > defaultPageSize {
		return nil, nil, BadRequest("maxResults", "The member maxResults has to be between 1 and %d.", defaultPageSize)
	}
	after, err := readToken(op, nextToken)
	if err != nil {
		return nil, nil, err
	}
	page := make([]T, 0, len(items))
	for _, item := range items {
		if nextToken == nil || key(item) > after {
			page = append(page, item)
		}
	}
	slices.SortFunc(page, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	if len(page) <= size {
		return page, nil, nil
	}
	token := writeToken(op, key(page[size-1]))
	return page[:size], &token, nil
}

// NewestFirst makes a sort key for Paginate: later times come first, ids decide between equal ones.
func NewestFirst(t time.Time, id string) string {
	return fmt.Sprintf("%020d/%s", uint64(math.MaxInt64)-uint64(t.UnixNano()), id)
}

// A token is the operation's name and the last key. It is opaque to clients, not secret.
func writeToken(op Operation, lastKey string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(op.Name + "\n" + lastKey))
}

func readToken(op Operation, token *string) (after string, err error) {
	if token == nil {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(*token)
	name, after, ok := strings.Cut(string(text), "\n")
	if err != nil || !ok || name != op.Name {
		return "", BadRequest("nextToken", "The member nextToken is not a token of %s.", op.Name)
	}
	return after, nil
}
