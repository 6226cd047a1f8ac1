package mskapi_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/smithy-go/middleware"

	"github.com/millrace/millrace/shared/mskapi"
)

func TestRoundTrip_EveryOperationKeepsEveryMember(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var gotOp string
	var gotInput, output any
	server := serve(t, func(op mskapi.Operation, input any) (any, error) {
		gotOp, gotInput = op.Name, input
		return output, nil
	})
	c := reflect.ValueOf(client(server.URL))

	for _, op := range mskapi.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			for range 20 {
				input := op.NewInput()
				fill(random, reflect.ValueOf(input).Elem())
				output = op.NewOutput()
				fill(random, reflect.ValueOf(output).Elem())

				results := c.MethodByName(op.Name).Call([]reflect.Value{
					reflect.ValueOf(context.Background()), reflect.ValueOf(input),
				})
				if err, failed := results[1].Interface().(error); failed {
					t.Fatal(err)
				}
				results[0].Elem().FieldByName("ResultMetadata").Set(reflect.ValueOf(middleware.Metadata{}))

				if gotOp != op.Name {
					t.Fatalf("the server saw %s", gotOp)
				}
				sameMembers(t, "input", gotInput, input)
				sameMembers(t, "output", results[0].Interface(), output)
			}
		})
	}
}

// sameMembers compares what travelled with what was sent, and shows both on the wire when they differ.
func sameMembers(t *testing.T, what string, got, want any) {
	t.Helper()
	if reflect.DeepEqual(normal(got), normal(want)) {
		return
	}
	g, _ := mskapi.Marshal(got)
	w, _ := mskapi.Marshal(want)
	t.Fatalf("%s arrived as\n%s\nand was sent as\n%s", what, g, w)
}

// normal forgets the order of tagKeys: the SDK sorts a query when it signs it.
func normal(v any) any {
	if untag, ok := v.(*kafka.UntagResourceInput); ok {
		slices.Sort(untag.TagKeys)
	}
	return v
}

func TestRoundTrip_UnsetMembersStayUnset(t *testing.T) {
	output := any(nil)
	server := serve(t, func(mskapi.Operation, any) (any, error) { return output, nil })
	c := reflect.ValueOf(client(server.URL))
	random := rand.New(rand.NewPCG(3, 4))

	for _, op := range mskapi.Operations() {
		input := op.NewInput()
		fill(random, reflect.ValueOf(input).Elem())
		output = op.NewOutput()
		results := c.MethodByName(op.Name).Call([]reflect.Value{
			reflect.ValueOf(context.Background()), reflect.ValueOf(input),
		})
		if err, failed := results[1].Interface().(error); failed {
			t.Fatalf("%s: %v", op.Name, err)
		}
		results[0].Elem().FieldByName("ResultMetadata").Set(reflect.ValueOf(middleware.Metadata{}))
		if !reflect.DeepEqual(results[0].Interface(), output) {
			t.Errorf("%s: an empty answer arrived as %+v", op.Name, results[0].Elem())
		}
	}
}

func TestRoundTrip_KeepsEveryTopicName(t *testing.T) {
	var got string
	handle := func(op mskapi.Operation, input any) (any, error) {
		got = op.Name + " " + *reflect.ValueOf(input).Elem().FieldByName("TopicName").Interface().(*string)
		return op.NewOutput(), nil
	}
	behindGateway := gateway{t: t, stage: "prod", handle: handle}
	for front, c := range map[string]*kafka.Client{
		"a listener": client(serve(t, handle).URL),
		"a gateway": client("https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod",
			func(o *kafka.Options) { o.HTTPClient = &http.Client{Transport: behindGateway} }),
	} {
		for _, name := range []string{
			"orders", "orders.v1", "a..b", "_", "topics", "partitions", strings.Repeat("a", 249),
			// What no topic can be called arrives as it was meant, too.
			".", "..", "%2e%2e", "../..", "a/b", "//", "a/partitions", "über", "漢字", "a b", "a+b&c=d?e#f", clusterARN,
		} {
			arn := aws.String(clusterARN)
			_, err := c.DescribeTopic(t.Context(), &kafka.DescribeTopicInput{ClusterArn: arn, TopicName: &name})
			if want := "DescribeTopic " + name; err != nil || got != want {
				t.Errorf("%s: got %s, %v; want %s", front, got, err, want)
			}
			_, err = c.DescribeTopicPartitions(t.Context(), &kafka.DescribeTopicPartitionsInput{ClusterArn: arn, TopicName: &name})
			if want := "DescribeTopicPartitions " + name; err != nil || got != want {
				t.Errorf("%s: got %s, %v; want %s", front, got, err, want)
			}
		}
	}
}
