package events_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/functions/api"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

func TestAPIRequest_OfEachSampleIsAnsweredByTheAPI(t *testing.T) {
	// What the samples ask about, and when the first was signed with which key.
	c := cluster.Cluster{
		ID: "0f1e2d3c-4b5a-4697-8877-665544332211-7", Name: "orders", Ready: true,
		ARN:       "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/0f1e2d3c-4b5a-4697-8877-665544332211-7",
		Requested: []byte(`{"brokerNodeGroupInfo": {}}`),
	}
	a := api.New(api.Deps{
		Records: recordsWith(t, c),
		RootKey: sampleKey{},
		Now:     func() time.Time { return time.Date(2026, 9, 20, 12, 0, 1, 0, time.UTC) },
		Random:  rand.Reader,
		Region:  "eu-west-1",
		Account: "123456789012",
	})
	for _, tt := range []struct{ sample, answer string }{
		{"api_request", `{"clusterInfo":{`},          // signed with a key of ours
		{"api_request_iam", `{"clusterInfoList":[{`}, // by an IAM identity, which API Gateway has checked
	} {
		t.Run(tt.sample, func(t *testing.T) {
			text, err := os.ReadFile("samples/" + tt.sample + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var request events.APIRequest
			if err := json.Unmarshal(text, &request); err != nil {
				t.Fatal(err)
			}
			response, err := a.ServeGateway(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != 200 || !strings.HasPrefix(response.Body, tt.answer) ||
				!strings.Contains(response.Body, `"clusterName":"orders"`) {
				t.Errorf("answered %d %s", response.StatusCode, response.Body)
			}
			if got := response.MultiValueHeaders["X-Amzn-Requestid"]; len(got) != 1 || got[0] != request.RequestContext.RequestID {
				t.Errorf("answered as request %v", got)
			}
		})
	}
}

type sampleKey struct{}

func (sampleKey) Secret(_ context.Context, id string) (string, bool, error) {
	return "the secret key of the sample", id == "AKIAMILLRACESAMPLE", nil
}

func recordsWith(t *testing.T, c cluster.Cluster) records.Records {
	t.Helper()
	table := localtest.NewTable(t)
	r := records.Records{Table: table}
	if err := r.CreateCluster(t.Context(), c, cluster.Operation{ID: "1", ClusterID: c.ID}); err != nil {
		t.Fatal(err)
	}
	return r
}
