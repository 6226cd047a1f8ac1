package harness

import (
	"encoding/json"
	"testing"
)

func TestMatchesPattern_AsEventBridgeDoes(t *testing.T) {
	const event = `{"source": "aws.states", "resources": ["arn:1", "arn:2"], "detail": {"status": "FAILED", "stateMachineArn": "arn:aws:states:x:1:stateMachine:millrace-create"}}`
	for _, tt := range []struct {
		name, pattern string
		want          bool
	}{
		{"one of several values", `{"detail": {"status": ["ABORTED", "FAILED"]}}`, true},
		{"another value", `{"detail": {"status": ["ABORTED"]}}`, false},
		{"a prefix", `{"detail": {"stateMachineArn": [{"prefix": "arn:aws:states:x:1:stateMachine:millrace-"}]}}`, true},
		{"another prefix", `{"detail": {"stateMachineArn": [{"prefix": "arn:aws:states:x:1:stateMachine:other-"}]}}`, false},
		{"any value at all", `{"detail": {"status": [{"exists": true}]}}`, true},
		{"no value", `{"detail": {"name": [{"exists": true}]}}`, false},
		{"one of the event's values", `{"resources": ["arn:2"]}`, true},
		{"none of the event's values", `{"resources": ["arn:3"]}`, false},
		{"a member that is not there", `{"detail": {"name": ["x"]}}`, false},
		{"all members have to fit", `{"source": ["aws.states"], "detail": {"status": ["SUCCEEDED"]}}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := matchesPattern(decode(t, tt.pattern), decode(t, event))
			if got != tt.want || err != nil {
				t.Errorf("fits: %v (%v), want %v", got, err, tt.want)
			}
		})
	}
	if _, err := matchesPattern(decode(t, `{"source": [{"anything-but": "x"}]}`), decode(t, event)); err == nil {
		t.Error("a comparison that is not understood is taken for one that is")
	}
}

func TestRewritten_PutsInWhatItsPathsFind(t *testing.T) {
	event, _ := decode(t, `{"detail": {"cluster": "orders \"of\" 2026", "nodeId": 2}}`).(map[string]any)
	rewrites := target{rewrite: `{"cluster": <cluster>, "node": <node>}`, paths: map[string]any{"cluster": "$.detail.cluster", "node": "$.detail.nodeId"}}
	if got, want := string(rewrites.rewritten(event)), `{"cluster": "orders \"of\" 2026", "node": 2}`; got != want {
		t.Errorf("it becomes %s, want %s", got, want)
	}
}

func TestHalves_MakeOneRecordOfWhatMotoTellsInTwo(t *testing.T) {
	const keys = `"Keys": {"pk": {"S": "p"}}`
	h := halves{}
	records := []struct {
		record, event string
		whole         bool
	}{
		{`{"eventName": "INSERT", "dynamodb": {` + keys + `, "NewImage": {"pk": {"S": "p"}}}}`, "", false},
		{`{"eventName": "MODIFY", "dynamodb": {` + keys + `, "NewImage": {"pk": {"S": "p"}, "body": {"S": "b"}}, "OldImage": {}}}`, "INSERT", true},
		{`{"eventName": "MODIFY", "dynamodb": {` + keys + `, "NewImage": {"pk": {"S": "p"}, "body": {"S": "c"}}, "OldImage": {}}}`, "MODIFY", true},
	}
	for i, r := range records {
		record, _ := decode(t, r.record).(map[string]any)
		if whole := h.whole(record); whole != r.whole || whole && record["eventName"] != r.event {
			t.Errorf("record %d is whole: %v, and a %v", i, whole, record["eventName"])
		}
	}
}

func decode(t *testing.T, text string) (value any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}
