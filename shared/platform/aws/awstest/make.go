package awstest

import (
	"context"
	"errors"
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
	if err := a.MakeTable(t.Context()); err != nil {
		t.Fatalf("make a table: %v", err)
	}
	return TableName
}

// MakeTable makes the table that is called TableName.
func (a AWS) MakeTable(ctx context.Context) error {
	_, err := dynamodb.NewFromConfig(a.Config).CreateTable(ctx, &dynamodb.CreateTableInput{
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
	var there *types.ResourceInUseException
	if errors.As(err, &there) { // the SDK had to ask twice
		return nil
	}
	return err
}

// NewKey makes a KMS key and gives its ARN.
func (a AWS) NewKey(t testing.TB) (arn string) {
	t.Helper()
	arn, err := a.MakeKey(t.Context())
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	return arn
}

// MakeKey makes a KMS key as NewKey does.
func (a AWS) MakeKey(ctx context.Context) (arn string, err error) {
	made, err := kms.NewFromConfig(a.Config).CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		return "", err
	}
	return *made.KeyMetadata.Arn, nil
}
