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
	wanted, err := ReadPage(op, maxResults, nextToken)
	if err != nil {
		return nil, nil, err
	}
	page := make([]T, 0, len(items))
	for _, item := range items {
		if nextToken == nil || key(item) > wanted.After {
			page = append(page, item)
		}
	}
	slices.SortFunc(page, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	if len(page) <= wanted.Size {
		return page, nil, nil
	}
	return page[:wanted.Size], wanted.Next(key(page[wanted.Size-1])), nil
}

// Page is which part of a list a request asks for: so many items, of those whose keys come after one. Where that is empty, it
// begins with the first.
type Page struct {
	Size  int
	After string
	op    Operation
}

// ReadPage reads what a request says about a page, for a list that somebody else cuts; see [Paginate].
func ReadPage(op Operation, maxResults *int32, nextToken *string) (Page, error) {
	p := Page{Size: defaultPageSize, op: op}
	if maxResults != nil {
		p.Size = int(*maxResults)
	}
	if p.Size < 1 || p.Size > defaultPageSize {
		return p, BadRequest("maxResults", "The member maxResults has to be between 1 and %d.", defaultPageSize)
	}
	var err error
	p.After, err = readToken(op, nextToken)
	return p, err
}

// Next is the token of the page after the one that ends with a key.
func (p Page) Next(lastKey string) *string {
	token := writeToken(p.op, lastKey)
	return &token
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
