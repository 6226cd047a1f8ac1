package template_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/millrace/millrace/integration/aws/template"
)

// resolver knows one bucket and a parameter.
func resolver() template.Resolver {
	return template.Resolver{
		Template: template.Template{
			Parameters: map[string]template.Parameter{
				"Zone": {Type: "String", Default: "a"}, "Subnets": {Type: "List<AWS::EC2::Subnet::Id>"}, "Missing": {Type: "String"},
			},
			Mappings:   map[string]map[string]map[string]any{"Images": {"us-east-1": {"arm64": "ami-1"}}},
			Conditions: map[string]any{"InA": map[string]any{"Fn::Equals": []any{map[string]any{"Ref": "Zone"}, "a"}}},
			Resources:  map[string]template.Resource{"Bucket": {Type: "AWS::S3::Bucket"}},
		},
		Parameters: map[string]string{"Subnets": "subnet-1, subnet-2"},
		Pseudo:     map[string]string{"AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"},
		Zones:      []string{"us-east-1a", "us-east-1b"},
		Ref:        func(logical string) (string, error) { return "the-" + logical, nil },
		Attribute: func(logical, attribute string) (any, error) {
			if attribute != "Arn" {
				return nil, errors.New("no such attribute")
			}
			return "arn:aws:s3:::the-" + logical, nil
		},
	}
}

func TestValue_IsWhatCloudFormationWouldGive(t *testing.T) {
	for _, tt := range []struct{ name, expression, want string }{
		{"plain values stay", `{"A": [1, true, "x"]}`, `{"A": [1, true, "x"]}`},
		{"a resource", `{"Ref": "Bucket"}`, `"the-Bucket"`},
		{"a pseudo parameter", `{"Ref": "AWS::Region"}`, `"us-east-1"`},
		{"a parameter's default", `{"Ref": "Zone"}`, `"a"`},
		{"a list parameter", `{"Ref": "Subnets"}`, `["subnet-1", "subnet-2"]`},
		{"an attribute", `{"Fn::GetAtt": ["Bucket", "Arn"]}`, `"arn:aws:s3:::the-Bucket"`},
		{"an attribute in one word", `{"Fn::GetAtt": "Bucket.Arn"}`, `"arn:aws:s3:::the-Bucket"`},
		{"a join", `{"Fn::Join": ["-", ["a", {"Ref": "Zone"}, 1]]}`, `"a-a-1"`},
		{"a substitution", `{"Fn::Sub": "${AWS::Region}/${Bucket}/${Bucket.Arn}/${!stays}"}`, `"us-east-1/the-Bucket/arn:aws:s3:::the-Bucket/${stays}"`},
		{"a substitution with values", `{"Fn::Sub": ["${x}${Zone}", {"x": {"Ref": "Bucket"}}]}`, `"the-Bucketa"`},
		{"a choice from a split", `{"Fn::Select": [1, {"Fn::Split": [":", "a:b:c"]}]}`, `"b"`},
		{"a zone", `{"Fn::Select": ["1", {"Fn::GetAZs": ""}]}`, `"us-east-1b"`},
		{"a condition", `{"Fn::If": ["InA", 1, 2]}`, `1`},
		{"no value is left out", `{"A": {"Ref": "AWS::NoValue"}, "B": [{"Fn::If": ["InA", {"Ref": "AWS::NoValue"}, 2]}, 3]}`, `{"B": [3]}`},
		{"a mapping", `{"Fn::FindInMap": ["Images", {"Ref": "AWS::Region"}, "arm64"]}`, `"ami-1"`},
		{"base64", `{"Fn::Base64": "hello"}`, `"aGVsbG8="`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := resolver().Value(decode(t, tt.expression))
			if want := decode(t, tt.want); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %v (%v), want %v", got, err, want)
			}
		})
	}
}

func TestValue_WhatIsNotUnderstoodIsAnError(t *testing.T) {
	for _, expression := range []string{
		`{"Ref": "Nobody"}`, `{"Ref": "Missing"}`, `{"Ref": "AWS::Unknown"}`, `{"Fn::GetAtt": ["Bucket", "Color"]}`,
		`{"Fn::Transform": "x"}`, `{"Fn::Select": [2, ["a"]]}`, `{"Fn::If": ["Nowhere", 1, 2]}`, `{"Fn::Sub": "${Nobody}"}`,
	} {
		if got, err := resolver().Value(decode(t, expression)); err == nil {
			t.Errorf("%s gave %v", expression, got)
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
