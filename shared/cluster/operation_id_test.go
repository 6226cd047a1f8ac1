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

func TestBeforeOperations_LiesBetweenTheIDsOfAMomentAndThoseBefore(t *testing.T) {
	at := time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)
	for range 100 {
		earlier, err := cluster.NewOperationID(at.Add(-2*time.Millisecond), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		id, err := cluster.NewOperationID(at, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if before := cluster.BeforeOperations(at); earlier >= before || before >= id {
			t.Fatalf("%s is not between %s and %s", before, earlier, id)
		}
		if before := cluster.BeforeOperations(time.Time{}); before >= earlier {
			t.Fatalf("%s is not before all, such as %s", before, earlier)
		}
	}
}

func TestOperationARN_NamesTheClusterToo(t *testing.T) {
	c := cluster.Cluster{ARN: "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/0f1e-7"}
	if got, want := c.OperationARN("op-1"), "arn:aws:kafka:eu-west-1:123456789012:cluster-operation/orders/0f1e-7/op-1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
