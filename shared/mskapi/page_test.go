package mskapi_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/millrace/millrace/shared/mskapi"
)

func self(s string) string { return s }

// walk reads a list to its end, page by page; between calls it may change the list.
func walk(t *testing.T, items []string, size int32, between func([]string) []string) (pages [][]string) {
	t.Helper()
	op, _ := mskapi.Lookup("ListClusters")
	var token *string
	for range 100 {
		page, next, err := mskapi.Paginate(op, items, self, &size, token)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
		if next == nil {
			return pages
		}
		token = next
		items = between(items)
	}
	t.Fatal("the list has no end")
	return nil
}

func unchanged(items []string) []string { return items }

func TestPaginate_GivesEveryItemOnceInOrder(t *testing.T) {
	items := []string{"d", "b", "e", "a", "c", "ü\n/"}
	for size := int32(1); size <= 7; size++ {
		pages := walk(t, items, size, unchanged)
		if got := slices.Concat(pages...); strings.Join(got, "") != "abcdeü\n/" {
			t.Errorf("pages of %d gave %v", size, pages)
		}
		for _, page := range pages[:len(pages)-1] {
			if len(page) != int(size) {
				t.Errorf("a page of %d has %d items", size, len(page))
			}
		}
	}
	if items[0] != "d" {
		t.Error("the caller's list was sorted under its feet")
	}
}

func TestPaginate_AFullLastPageHasNoToken(t *testing.T) {
	if pages := walk(t, []string{"a", "b"}, 2, unchanged); len(pages) != 1 {
		t.Errorf("got %v", pages)
	}
	if pages := walk(t, nil, 2, unchanged); len(pages) != 1 || pages[0] == nil {
		t.Errorf("an empty list gave %#v, want one empty page that is not nil", pages)
	}
}

func TestPaginate_SurvivesAListThatChanges(t *testing.T) {
	removeRead := func(items []string) []string { return items[1:] }
	if pages := walk(t, []string{"a", "b", "c", "d"}, 1, removeRead); len(slices.Concat(pages...)) != 4 {
		t.Errorf("got %v", pages)
	}
}

func TestPaginate_RefusesWhatIsNoPage(t *testing.T) {
	list, _ := mskapi.Lookup("ListClusters")
	other, _ := mskapi.Lookup("ListClustersV2")
	_, foreign, err := mskapi.Paginate(other, []string{"a", "b"}, self, aws.Int32(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		size  *int32
		token *string
		param string
	}{
		{"no results", aws.Int32(0), nil, "maxResults"},
		{"fewer than none", aws.Int32(-1), nil, "maxResults"},
		{"more than a hundred", aws.Int32(101), nil, "maxResults"},
		{"another operation's token", nil, foreign, "nextToken"},
		{"an empty token", nil, aws.String(""), "nextToken"},
		{"nonsense", nil, aws.String("a+/=b"), "nextToken"},
		{"base64 of nonsense", nil, aws.String(base64.RawURLEncoding.EncodeToString([]byte("hello"))), "nextToken"},
	} {
		_, _, err := mskapi.Paginate(list, []string{"a"}, self, tt.size, tt.token)
		wantCode(t, tt.name, err, mskapi.CodeBadRequest, tt.param)
	}
}

func TestNewestFirst_SortsLaterTimesFirst(t *testing.T) {
	early, late := time.UnixMilli(1), time.UnixMilli(2)
	keys := []string{mskapi.NewestFirst(early, "b"), mskapi.NewestFirst(late, "z"), mskapi.NewestFirst(early, "a")}
	slices.Sort(keys)
	want := []string{mskapi.NewestFirst(late, "z"), mskapi.NewestFirst(early, "a"), mskapi.NewestFirst(early, "b")}
	if !slices.Equal(keys, want) {
		t.Errorf("got %v, want %v", keys, want)
	}
}
