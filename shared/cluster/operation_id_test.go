package cluster_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/millrace/millrace/shared/cluster"
)

func TestOperationIDs_SortByTime(t *testing.T) {
	at := time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)
	before := ""
	for range 100 {
		id, err := cluster.NewOperationID(at, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := uuid.Parse(id)
		if err != nil || parsed.Version() != 7 || parsed.Variant() != uuid.RFC4122 || id <= before {
			t.Fatalf("%s after %s: %v", id, before, err)
		}
		if sec, nsec := parsed.Time().UnixTime(); !time.Unix(sec, nsec).Equal(at) {
			t.Fatalf("%s is of %s, not of %s", id, time.Unix(sec, nsec), at)
		}
		before, at = id, at.Add(time.Millisecond)
	}
}
