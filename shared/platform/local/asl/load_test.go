package asl

import (
	"strings"
	"testing"
)

func TestLoadRefusesWhatItDoesNotRun(t *testing.T) {
	pass := `"P":{"Type":"Pass","End":true}`
	only := func(state string) string { return `{"StartAt":"S","States":{"S":` + state + `}}` }
	task := func(more string) string {
		return only(`{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"End":true,` + more + `}`)
	}
	for _, tt := range []struct{ name, definition, want string }{
		{"an unknown field of a machine", `{"StartAt":"P","Stats":{},"States":{` + pass + `}}`, "m: Stats: is not supported here"},
		{"an unknown field of a state", only(`{"Type":"Pass","Reslt":1,"End":true}`), "m: state S: Reslt: is not supported here"},
		{"a field of another type of state", only(`{"Type":"Pass","Retry":[],"End":true}`), "m: state S: Retry: is not supported here"},
		{"JSONata for the machine", `{"QueryLanguage":"JSONata","StartAt":"P","States":{` + pass + `}}`, "m: QueryLanguage: JSONata is not supported: use JSONPath"},
		{"JSONata for a state", only(`{"Type":"Pass","QueryLanguage":"JSONata","End":true}`), "m: state S: QueryLanguage: JSONata is not supported"},
		{"a field that only JSONata has", only(`{"Type":"Pass","Output":{},"End":true}`), "m: state S: Output: is not supported here"},
		{"an unknown type", only(`{"Type":"Pas","End":true}`), `m: state S: Type: "Pas" is not a type of state`},
		{"a start at nothing", `{"StartAt":"X","States":{` + pass + `}}`, `m: StartAt: there is no state "X"`},
		{"no states", `{"StartAt":"X","States":{}}`, "m: States: has to be an object with at least one state"},
		{"a dangling Next", only(`{"Type":"Pass","Next":"X"}`), `m: state S: Next: there is no state "X" here`},
		{"a dangling Default", only(`{"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true,"Next":"S"}],"Default":"X"}`), `m: state S: Default: there is no state "X" here`},
		{"a dangling Catch", task(`"Catch":[{"ErrorEquals":["A"],"Next":"X"}]`), `m: state S: Catch: there is no state "X" here`},
		{"a state that nothing leads to", `{"StartAt":"S","States":{"S":{"Type":"Succeed"},` + pass + `}}`, "m: state P: no transition leads here"},
		{"neither Next nor End", only(`{"Type":"Pass"}`), "m: state S: Next: either Next or End: true is needed"},
		{"a malformed path", only(`{"Type":"Pass","InputPath":"$.a[","End":true}`), `m: state S: InputPath: "$.a[" is not a path`},
		{"a malformed path in a template", only(`{"Type":"Pass","Parameters":{"a":[{"b.$":"x"}]},"End":true}`), `m: state S: Parameters: field "b.$": "x" is not a path`},
		{"an unknown intrinsic function", only(`{"Type":"Pass","Parameters":{"a.$":"States.Foo()"},"End":true}`), `"States.Foo" is not an intrinsic function`},
		{"too few arguments", only(`{"Type":"Pass","Parameters":{"a.$":"States.MathAdd(1)"},"End":true}`), "States.MathAdd does not take 1 arguments"},
		{"a ResultPath to many places", only(`{"Type":"Pass","ResultPath":"$.a[*]","End":true}`), `m: state S: ResultPath: "$.a[*]" does not name one place`},
		{"a resource of another service", only(`{"Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage","End":true}`), "m: state S: Resource: arn:aws:states:::sqs:sendMessage is not supported"},
		{"a task token", only(`{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","End":true}`), "lambda:invoke.waitForTaskToken is not supported"},
		{"a parameter that is not supported", only(`{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Qualifier":"1"},"End":true}`), "m: state S: Parameters: Qualifier is not supported"},
		{"a parameter that is missing", only(`{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{},"End":true}`), "m: state S: Parameters: lack FunctionName"},
		{"a distributed map", only(`{"Type":"Map","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED"},"StartAt":"P","States":{` + pass + `}},"End":true}`), "Mode: DISTRIBUTED is not supported: use INLINE"},
		{"an item reader", only(`{"Type":"Map","ItemReader":{},"ItemProcessor":{"StartAt":"P","States":{` + pass + `}},"End":true}`), "m: state S: ItemReader: is not supported here"},
		{"an error inside a branch", only(`{"Type":"Parallel","Branches":[{"StartAt":"P","States":{"P":{"Type":"Pass","Nxt":"P","End":true}}}],"End":true}`), "m: state S: Branches[0]: state P: Nxt: is not supported here"},
		{"a name used twice", only(`{"Type":"Parallel","Branches":[{"StartAt":"S","States":{"S":{"Type":"Succeed"}}}],"End":true}`), "m: state S: another state has the same name"},
		{"a variable of an outer scope set inside", only(`{"Type":"Parallel","Assign":{"v":1},"Branches":[{"StartAt":"P","States":{"P":{"Type":"Pass","Assign":{"v":2},"End":true}}}],"End":true}`), `m: state P: Assign: the variable "v" is set around it too`},
		{"a variable with a bad name", only(`{"Type":"Pass","Assign":{"a-b":1},"End":true}`), `Assign: "a-b" can't be the name of a variable`},
		{"States.ALL that is not the last", task(`"Retry":[{"ErrorEquals":["States.ALL"]},{"ErrorEquals":["A"]}]`), "m: state S: Retry: States.ALL has to stand alone in the last entry"},
		{"a Retry without names", task(`"Retry":[{}]`), "m: state S: Retry[0]: ErrorEquals: needs at least one name"},
		{"a shrinking backoff", task(`"Retry":[{"ErrorEquals":["A"],"BackoffRate":0.5}]`), "BackoffRate: has to be a number of at least 1"},
		{"an unknown jitter", task(`"Retry":[{"ErrorEquals":["A"],"JitterStrategy":"SOME"}]`), "JitterStrategy: has to be FULL or NONE"},
		{"a heartbeat as long as the timeout", task(`"TimeoutSeconds":5,"HeartbeatSeconds":5`), "HeartbeatSeconds: has to be below TimeoutSeconds"},
		{"two forms of Wait", only(`{"Type":"Wait","Seconds":1,"SecondsPath":"$.s","End":true}`), "exactly one of Seconds, SecondsPath"},
		{"a timestamp without offset", only(`{"Type":"Wait","Timestamp":"2025-01-01T00:00:00","End":true}`), "Timestamp: is not an RFC 3339 timestamp"},
		{"a comparison with another type", only(`{"Type":"Choice","Choices":[{"Variable":"$.a","NumericEquals":"1","Next":"S"}]}`), `Choices[0]: NumericEquals: does not take "1"`},
		{"an unknown comparison", only(`{"Type":"Choice","Choices":[{"Variable":"$.a","NumericIs":1,"Next":"S"}]}`), "Choices[0]: NumericIs: is not supported here"},
		{"two comparisons in a rule", only(`{"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true,"IsString":true,"Next":"S"}]}`), "needs exactly one comparison, has 2"},
		{"an error inside And", only(`{"Type":"Choice","Choices":[{"And":[{"Variable":"a","IsNull":true}],"Next":"S"}]}`), `Choices[0]: And[0]: Variable: "a" is not a path`},
		{"what is no JSON", `{`, "m: unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load("m", []byte(tt.definition))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestLoadReportsAllErrorsTogether(t *testing.T) {
	_, err := Load("m", []byte(`{"StartAt":"A","States":{"A":{"Type":"Pass","X":1,"End":true},"B":{"Type":"Wait","Y":1,"End":true}}}`))
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want the errors of A (X) and of B (Y, no form of Wait)", err)
	}
}

func TestSubstituteFillsEveryPlaceholder(t *testing.T) {
	for _, tt := range []struct {
		name, definition string
		values           map[string]string
		want             string // or the error
	}{
		{"a value", `{"F":"${F}"}`, map[string]string{"F": "f-1"}, `{"F":"f-1"}`},
		{"a value twice", `["${F}","a ${F}"]`, map[string]string{"F": "f"}, `["f","a f"]`},
		{"a value with quotes stays inside its string", `"${F}"`, map[string]string{"F": `"`}, `"\""`},
		{"a placeholder without a value", `"${F}"`, nil, "no value for ${F}"},
		{"a value without a placeholder", `""`, map[string]string{"F": "f"}, "the definition has no ${F}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Substitute([]byte(tt.definition), tt.values)
			if err != nil {
				got = []byte(err.Error())
			}
			if string(got) != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
