package eventbus_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
	"github.com/millrace/millrace/shared/platform/aws/eventbus"
)

func someEvents(n int) (events []cluster.HostEvent) {
	for i := range n {
		events = append(events, cluster.HostEvent{
			Type: cluster.BrokerJoined, At: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC),
			Deployment: "millrace", Cluster: "orders", Node: int32(i + 1), Role: cluster.Broker, Host: fmt.Sprintf("i-%d", i+1),
		})
	}
	return events
}

func TestPut_ABusTakesMoreEventsThanOneCallMayHold(t *testing.T) {
	account := awstest.Start(t)
	_, err := eventbridge.NewFromConfig(account.Config).CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: sdk.String("millrace")})
	if err != nil {
		t.Fatal(err)
	}
	errs := eventbus.New(account.Config, "millrace").Put(t.Context(), someEvents(23)...)
	if len(errs) != 23 {
		t.Fatalf("%d answers for 23 events", len(errs))
	}
	for i, err := range errs {
		if err != nil {
			t.Errorf("event %d: %v", i, err)
		}
	}
}

// moto takes every event, so a server stands in for a bus that does not.
func answering(t *testing.T, status int, body string) (bus *eventbus.Bus, calls *[]string) {
	t.Helper()
	calls = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, _ := io.ReadAll(r.Body)
		*calls = append(*calls, string(call))
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return eventbus.New(sdk.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", ""),
		RetryMaxAttempts: 1,
	}, "millrace"), calls
}

func TestPut_TellsWhichEventsWereNotTaken(t *testing.T) {
	bus, calls := answering(t, http.StatusOK, `{"FailedEntryCount": 2, "Entries": [{"EventId": "1"},
		{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}, {"ErrorCode": "MalformedDetail", "ErrorMessage": "no JSON"}]}`)
	errs := bus.Put(t.Context(), someEvents(3)...)
	if len(errs) != 3 || errs[0] != nil || !fault.Is(errs[1], fault.Unavailable) || !fault.Is(errs[2], fault.Internal) {
		t.Errorf("%v", errs)
	}
	if len(*calls) != 1 || !strings.Contains((*calls)[0], `"DetailType":"Broker Joined"`) || !strings.Contains((*calls)[0], `"Source":"millrace"`) ||
		!strings.Contains((*calls)[0], `"EventBusName":"millrace"`) {
		t.Errorf("calls: %s", *calls)
	}
}

func TestPut_ACallThatFailsFailsAllItsEvents(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   fault.Code
	}{
		{"no such bus", http.StatusBadRequest, `{"__type": "ResourceNotFoundException", "message": "no bus"}`, fault.NotFound},
		{"a fault of the service", http.StatusInternalServerError, `{"__type": "InternalException", "message": "oops"}`, fault.Unavailable},
		{"no permission", http.StatusBadRequest, `{"__type": "AccessDeniedException", "message": "no"}`, fault.Internal},
		{"an answer for fewer events", http.StatusOK, `{"FailedEntryCount": 0, "Entries": []}`, fault.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bus, _ := answering(t, tt.status, tt.body)
			errs := bus.Put(t.Context(), someEvents(2)...)
			if len(errs) != 2 || !fault.Is(errs[0], tt.want) || !fault.Is(errs[1], tt.want) {
				t.Errorf("%v, want %s", errs, tt.want)
			}
		})
	}
}
