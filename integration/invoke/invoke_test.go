package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/integration/lambdaruntime"
)

func TestInvoke_PrintsTheAnswerAndTheLog(t *testing.T) {
	if testing.Short() {
		t.Skip("moto takes seconds to start")
	}
	step := func(payload string) string {
		file := filepath.Join(t.TempDir(), "step.json")
		if err := os.WriteFile(file, []byte(payload), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	seal := step(`{"step":"SealVolumes","clusterId":"c-1","operationId":"op-1"}`)
	look := step(`{"step":"SweepHealth"}`)
	for _, tt := range []struct{ function, event, answer, log string }{
		{"operations", "execution_ended", `"started": 0`, ""},
		{"hostevents", "heartbeat_last", `"batchItemFailures"`, "KafkaDataLogsDiskUsed"},
		{"api", "api_request_iam", `"statusCode": 200`, ""},
		{"api", "api_request", `"statusCode": 403`, `"message":"answered"`},
		{"provisioning", seal, "{}", `"message":"sealed volumes"`},
		{"healthsweep", look, `"started": []`, ""},
		{"storageautoscaling", step(`{"step":"ScaleStorage"}`), `"started": []`, ""},
		{"brokerreplacement", "stay_connected", "{}", ""},
		{"topicadmin", step(`{"step":"ListTopics","clusterId":"c-1"}`), `"code": "NotFound"`, ""},
	} {
		t.Run(tt.function+"/"+filepath.Base(tt.event), func(t *testing.T) {
			var out, logs bytes.Buffer
			if err := run(t.Context(), []string{tt.function, tt.event}, &out, &logs); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), tt.answer) || !strings.Contains(logs.String(), tt.log) {
				t.Errorf("answered %s\nlogged %s", out.String(), logs.String())
			}
		})
	}
}

func TestInvoke_SaysWhatAFunctionTakesThatWasGivenAnothersEvent(t *testing.T) {
	if testing.Short() {
		t.Skip("moto takes seconds to start")
	}
	root, err := lambdaruntime.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	functions, err := lambdaruntime.Functions(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range functions {
		if takes[f] == "" {
			t.Errorf("nobody says what functions/%s takes", f)
		}
	}
	var out, logs bytes.Buffer
	err = run(t.Context(), []string{"operations", "schedule"}, &out, &logs)
	if want := "functions/operations takes execution_ended, or the payload of a step"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestInvoke_SaysWhatThereIs(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing is given", []string{"", ""}, "a function and an event are needed"},
		{"an unknown function", []string{"rebalancing", "schedule"}, `there is no function "rebalancing"; there is api, `},
		{"an unknown event", []string{"operations", "sunrise"}, "EVENT is alarm, alarm_disk_use, api_request, api_request_iam, execution_ended, "},
		{"an event that is not JSON", []string{"operations", bad}, "bad.json is not JSON"},
		{"too little", []string{"operations"}, "make invoke FUNCTION=api|"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, logs bytes.Buffer
			if err := run(t.Context(), tt.args, &out, &logs); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}
