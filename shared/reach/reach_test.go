package reach_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/reach"
	"github.com/millrace/millrace/shared/records"
)

// recorded is the access of the one cluster that has any.
type recorded struct {
	access records.KafkaAccess
	fails  error
}

func (r recorded) KafkaAccess(context.Context, string) (records.KafkaAccess, error) {
	return r.access, r.fails
}

func TestTo_LeadsToTheBrokersThatHaveAnAddress(t *testing.T) {
	nodes := []cluster.Node{
		{ID: 1, Role: cluster.Broker, Address: &cluster.Address{IP: "10.0.0.1"}},
		{ID: 2, Role: cluster.Broker}, // is being made
		{ID: 3, Role: cluster.Broker, Address: &cluster.Address{IP: "fd00::3"}},
		{ID: 1001, Role: cluster.Controller, Address: &cluster.Address{IP: "10.0.0.101"}},
	}
	now := time.Now()
	for _, tt := range []struct {
		name      string
		inCluster bool
		recorded  recorded
		want      []string
		err       error
	}{
		{
			"by certificate", true,
			recorded{access: records.KafkaAccess{Certificate: "certificate", Key: "key", Ends: now.Add(time.Second)}},
			[]string{"10.0.0.1:9095", "[fd00::3]:9095"},
			nil,
		},
		{
			"by password", false,
			recorded{access: records.KafkaAccess{User: "user", Password: "password"}},
			[]string{"10.0.0.1:9093", "[fd00::3]:9093"},
			nil,
		},
		{"by a certificate that has ended", true, recorded{access: records.KafkaAccess{Certificate: "certificate", Ends: now}}, nil, reach.ErrNone},
		{"without any", true, recorded{fails: fault.New(fault.NotFound, "no access")}, nil, reach.ErrNone},
		{"when nobody can tell", true, recorded{fails: errBroken}, nil, errBroken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			way := reach.Way{Records: tt.recorded, Now: func() time.Time { return now }}
			got, err := way.To(t.Context(), cluster.Cluster{ID: "c", Authority: "authority", Spec: cluster.Spec{InCluster: tt.inCluster}}, nodes)
			if !errors.Is(err, tt.err) || !slices.Equal(got.Brokers, tt.want) {
				t.Fatalf("got %v, %v; want %v, %v", got.Brokers, err, tt.want, tt.err)
			}
			a := tt.recorded.access
			if err == nil && (got.Authority != "authority" || got.Certificate != a.Certificate || got.Key != a.Key || got.User != a.User || got.Password != a.Password) {
				t.Error("the access is another one than is recorded")
			}
		})
	}
}

var errBroken = errors.New("the table is broken")
