package awstest

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// TableName is what the account's table of records is called.
const TableName = "millrace"

// NewTable makes the account's table of records, without anything in it.
func (a AWS) NewTable(t testing.TB) (name string) {
	t.Helper()
	_, err := dynamodb.NewFromConfig(a.Config).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:   aws.String(TableName),
		BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
		},
		StreamSpecification: &types.StreamSpecification{
			StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages,
		},
	})
	if err != nil {
		t.Fatalf("make a table: %v", err)
	}
	return TableName
}

// NewKey makes a KMS key and gives its ARN.
func (a AWS) NewKey(t testing.TB) (arn string) {
	t.Helper()
	made, err := kms.NewFromConfig(a.Config).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	return *made.KeyMetadata.Arn
}
