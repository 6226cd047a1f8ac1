package mskapi

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

func TestOperations_CoverTheWholeClient(t *testing.T) {
	var want []string
	contextType := reflect.TypeFor[context.Context]()
	for m := range reflect.TypeFor[*kafka.Client]().Methods() {
		if m.Type.NumIn() == 4 && m.Type.In(1) == contextType && m.Type.NumOut() == 2 {
			want = append(want, m.Name)
		}
	}
	var got []string
	for _, op := range Operations() {
		got = append(got, op.Name)
		if op.Method == "" || op.URI == "" {
			t.Errorf("%s has no route", op.Name)
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("operations are\n%v\nthe SDK has\n%v", got, want)
	}
}

func TestOperations_ASchemaBelongsToItsMethod(t *testing.T) {
	for _, op := range Operations() {
		input := reflect.TypeOf(op.NewInput()).Elem()
		if input.Name() != op.Name+"Input" || op.input.ID().Name != op.Name+"Request" {
			t.Errorf("%s reads %s by the schema %s", op.Name, input.Name(), op.input.ID().Name)
		}
		if output := reflect.TypeOf(op.NewOutput()).Elem(); output.Name() != op.Name+"Output" {
			t.Errorf("%s writes %s", op.Name, output.Name())
		}
		for _, m := range members(input) {
			if op.input.Member(m.field) == nil {
				t.Errorf("%s: the schema lacks %s", op.Name, m.field)
			}
		}
	}
}

func TestOperations_OnlyTagCallsAnswer204(t *testing.T) {
	for _, op := range Operations() {
		want := 200
		if op.Name == "TagResource" || op.Name == "UntagResource" {
			want = 204
		}
		if op.SuccessStatus != want {
			t.Errorf("%s answers %d, want %d", op.Name, op.SuccessStatus, want)
		}
	}
}

func TestOperations_WithoutModelledNotFound(t *testing.T) {
	var got []string
	for _, op := range Operations() {
		if !op.ModelsNotFound && len(newRoute(op).labels) > 0 {
			got = append(got, op.Name)
		}
	}
	want := []string{
		"CreateTopic", "GetBootstrapBrokers", "ListClientVpcConnections", "ListClusterOperations", "ListTopics",
		"PutClusterPolicy", "RejectClientVpcConnection", "UpdateBrokerCount", "UpdateBrokerStorage", "UpdateMonitoring",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWireName_IsTheModelsNameOfEveryMember(t *testing.T) {
	seen := map[*smithy.Schema]bool{}
	var check func(path string, s *smithy.Schema)
	check = func(path string, s *smithy.Schema) {
		if seen[s] {
			return
		}
		seen[s] = true
		for name, member := range s.Members() {
			at := path + "." + name
			if name == "member" || name == "key" || name == "value" { // of a list or a map
				check(at, member)
				continue
			}
			if !unicode.IsUpper(rune(name[0])) {
				t.Errorf("%s: a field of the SDK cannot start in lower case", at)
			}
			if json, ok := smithy.SchemaTrait[*traits.JSONName](member); ok && json.Name != wireName(name) {
				t.Errorf("%s travels as %s, not as %s", at, json.Name, wireName(name))
			}
			if query, ok := smithy.SchemaTrait[*traits.HTTPQuery](member); ok && query.Name != wireName(name) {
				t.Errorf("%s travels as %s, not as %s", at, query.Name, wireName(name))
			}
			check(at, member)
		}
	}
	for _, op := range Operations() {
		check(op.Name, op.input)
	}
	if len(seen) < 300 {
		t.Errorf("only %d schemas were seen", len(seen))
	}
}
