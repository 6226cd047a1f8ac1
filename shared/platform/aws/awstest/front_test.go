package awstest_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/shared/platform/aws/awstest"
)

func TestTransactions_HappenOnceForEachToken(t *testing.T) {
	a := awstest.Start(t)
	table := a.NewTable(t)
	client := dynamodb.NewFromConfig(a.Config)
	put := func(token, item string) error {
		_, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{
			ClientRequestToken: &token,
			TransactItems: []types.TransactWriteItem{{Put: &types.Put{
				TableName:           &table,
				ConditionExpression: aws.String("attribute_not_exists(pk)"),
				Item: map[string]types.AttributeValue{
					"pk": &types.AttributeValueMemberS{Value: item}, "sk": &types.AttributeValueMemberS{Value: "only"},
				},
			}}},
		})
		return err
	}
	if err := put("token-1", "apple"); err != nil {
		t.Fatal(err)
	}
	if err := put("token-1", "apple"); err != nil {
		t.Errorf("the same once more: %v", err)
	}
	var mismatch *types.IdempotentParameterMismatchException
	if err := put("token-1", "pear"); !errors.As(err, &mismatch) {
		t.Errorf("another one under its token: %v", err)
	}
	var cancelled *types.TransactionCanceledException
	for range 2 { // one that did not happen is tried anew
		if err := put("token-2", "apple"); !errors.As(err, &cancelled) || aws.ToString(cancelled.CancellationReasons[0].Code) != "ConditionalCheckFailed" {
			t.Errorf("the same under another token: %v", err)
		}
	}
}
