package iam_test

import (
	"encoding/json"
	"testing"

	"github.com/millrace/millrace/integration/aws/iam"
)

func TestAllows_JudgesAsAWSDoes(t *testing.T) {
	const table = "arn:aws:dynamodb:us-east-1:123456789012:table/millrace"
	get := iam.Check{Action: "dynamodb:GetItem", Resource: table, Keys: map[string][]string{"dynamodb:leadingkeys": {"spec#AROA1:i-1"}}}
	run := iam.Check{Action: "ec2:CreateVolume", Resource: "arn:aws:ec2:us-east-1:123456789012:volume/*", Keys: map[string][]string{
		"aws:RequestTag/millrace:deployment": {"blue"}, "aws:tagkeys": {"millrace:deployment", "Name"},
	}}
	for _, tt := range []struct {
		name      string
		check     iam.Check
		statement string
		want      bool
	}{
		{"nothing is allowed without a word", get, `[]`, false},
		{"an action by name", get, `{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"` + table + `"}`, true},
		{"an action by pattern, in any case", get, `{"Effect":"Allow","Action":["DynamoDB:Get*"],"Resource":["*"]}`, true},
		{"another table", get, `{"Effect":"Allow","Action":"dynamodb:*","Resource":"` + table + `-other"}`, false},
		{
			"a deny wins", get,
			`[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"dynamodb:Get*","Resource":"*"}]`, false,
		},
		{
			"the caller's own partition", get,
			`{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*","Condition":{"ForAllValues:StringEquals":{"dynamodb:LeadingKeys":"spec#${aws:userid}"}}}`, true,
		},
		{
			"somebody else's partition", get,
			`{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*","Condition":{"ForAllValues:StringEquals":{"dynamodb:LeadingKeys":["beat#${aws:userid}"]}}}`, false,
		},
		{
			"a tag in the request", run,
			`{"Effect":"Allow","Action":"ec2:CreateVolume","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/millrace:deployment":"blue"}}}`, true,
		},
		{
			"a tag that is not there", run,
			`{"Effect":"Allow","Action":"ec2:CreateVolume","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/owner":"me"}}}`, false,
		},
		{
			"a tag that is not there, if it were", run,
			`{"Effect":"Allow","Action":"ec2:CreateVolume","Resource":"*","Condition":{"StringEqualsIfExists":{"aws:RequestTag/owner":"me"}}}`, true,
		},
		{
			"a tag that has to be there", run,
			`{"Effect":"Allow","Action":"ec2:CreateVolume","Resource":"*","Condition":{"Null":{"aws:RequestTag/millrace:deployment":"false"}}}`, true,
		},
		{
			"only tags of ours", run,
			`{"Effect":"Allow","Action":"ec2:CreateVolume","Resource":"*","Condition":{"ForAllValues:StringLike":{"aws:TagKeys":["millrace:*"]}}}`, false,
		},
		{
			"some tag of ours", run,
			`{"Effect":"Allow","Action":"ec2:CreateVolume","Resource":"*","Condition":{"ForAnyValue:StringLike":{"aws:TagKeys":["millrace:*"]}}}`, true,
		},
		{
			"a value that must not be", run,
			`{"Effect":"Allow","Action":"ec2:CreateVolume","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestTag/millrace:deployment":"blue"}}}`, false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := principal(t, tt.statement).Allows(tt.check)
			if got != tt.want || err != nil {
				t.Errorf("allowed: %v (%v), want %v", got, err, tt.want)
			}
		})
	}
}

func TestAllows_AConditionThatCannotBeJudgedIsAnError(t *testing.T) {
	for _, condition := range []string{
		`{"StringEquals":{"aws:SourceVpce":"vpce-1"}}`, `{"DateLessThan":{"aws:userid":"2030-01-01"}}`,
	} {
		p := principal(t, `{"Effect":"Allow","Action":"*","Resource":"*","Condition":`+condition+`}`)
		if allowed, err := p.Allows(iam.Check{Action: "ec2:RunInstances", Resource: "*"}); err == nil {
			t.Errorf("%s: allowed: %v", condition, allowed)
		}
	}
}

// principal is a host's session under a policy.
func principal(t *testing.T, statement string) iam.Principal {
	t.Helper()
	policy, err := iam.ParsePolicy(json.RawMessage(`{"Version":"2012-10-17","Statement":` + statement + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return iam.Principal{Name: "host", UserID: "AROA1:i-1", Policies: []iam.Policy{policy}}
}
