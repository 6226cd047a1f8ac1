package topicadmin_test

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/millrace/millrace/functions/topicadmin"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka/kafkatest"
	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// town is a cluster of three brokers over real records, whose topics are what a test says they are.
type town struct {
	records records.Records
	kafka   *kafkatest.Pool
	caller  errand.Caller
}

func build(t *testing.T) *town {
	t.Helper()
	w := &town{records: records.Records{Table: localtest.NewTable(t)}, kafka: &kafkatest.Pool{}}
	w.caller = local.Functions{errand.Function: topicadmin.Steps(topicadmin.Deps{Records: w.records, Kafka: w.kafka, Now: time.Now})}
	c := cluster.Cluster{
		ID: "c", Name: "orders", ARN: "arn:aws:kafka:eu-west-1:000000000000:cluster/orders/c", Ready: true, Authority: "authority",
		Spec: cluster.Spec{Brokers: 3, Controllers: 1, InstanceType: "kafka.m7g.large", InCluster: true},
	}
	op := cluster.Operation{ID: "op", ClusterID: "c", Type: cluster.CreateCluster, State: cluster.Complete, CreatedAt: time.Now()}
	if err := w.records.CreateCluster(t.Context(), c, op); err != nil {
		t.Fatal(err)
	}
	var nodes []cluster.Node
	for id := int32(1); id <= 3; id++ {
		nodes = append(nodes, cluster.Node{
			ClusterID: "c", ID: id, Role: cluster.Broker, Address: &cluster.Address{IP: fmt.Sprintf("10.0.0.%d", id)},
		})
	}
	if err := w.records.AddNodes(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
	w.admit(t, time.Now().Add(time.Hour))
	return w
}

// admit gives the control plane access to the brokers until some time.
func (w *town) admit(t *testing.T, ends time.Time) {
	t.Helper()
	access := records.KafkaAccess{Certificate: "certificate", Key: "key", Ends: ends}
	if err := w.records.PutKafkaAccess(t.Context(), "c", access); err != nil {
		t.Fatal(err)
	}
}

// wantNo wants an error of a code and a reason.
func wantNo(t *testing.T, err error, code fault.Code, reason string) {
	t.Helper()
	if fault.CodeOf(err) != code || fault.ReasonOf(err) != reason {
		t.Errorf("got %s %s: %v, want %s %s", fault.CodeOf(err), fault.ReasonOf(err), err, code, reason)
	}
}

func TestStayConnected_TakesNothingAndDoesNothing(t *testing.T) {
	answer, err := build(t).caller.Call(t.Context(), errand.Function, []byte(`{"step":"StayConnected"}`))
	if err != nil || string(answer) != "{}" {
		t.Errorf("answered %s, %v", answer, err)
	}
}
