package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
	"github.com/millrace/millrace/shared/platform/aws/dynamo"
	"github.com/millrace/millrace/shared/records"
)

// deployed gives an account with a deployment's table in it.
func deployed(t *testing.T, deployment string) (awstest.AWS, string) {
	a := awstest.Start(t)
	table := a.NewTable(t)
	client := dynamodb.NewFromConfig(a.Config)
	described, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.TagResource(t.Context(), &dynamodb.TagResourceInput{
		ResourceArn: described.Table.TableArn,
		Tags:        []types.Tag{{Key: aws.String("millrace:deployment"), Value: &deployment}},
	}); err != nil {
		t.Fatal(err)
	}
	return a, table
}

func TestDestroy_IsRefusedWhileClustersExist(t *testing.T) {
	a, table := deployed(t, "millrace")
	r := records.Records{Table: dynamo.New(a.Config, table)}
	c := cluster.Cluster{ID: "c1", Name: "orders"}
	if err := r.CreateCluster(t.Context(), c, cluster.Operation{ID: "o1", ClusterID: "c1"}); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	err := run(t.Context(), a.Config, nil, &said)
	if err == nil || !strings.Contains(err.Error(), `deployment "millrace" has clusters, with records on their volumes: orders (FAILED); delete them`) {
		t.Errorf("it says %v and %q", err, said.String())
	}
}

func TestDestroy_TellsWhatStaysAndHowItIsDeleted(t *testing.T) {
	a, table := deployed(t, "kafka")
	var said strings.Builder
	if err := run(t.Context(), a.Config, []string{"deployment=kafka", "vpc=vpc-01234567"}, &said); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "Table "+table+" stays") || !strings.Contains(said.String(), "delete-table --table-name "+table) {
		t.Errorf("it says %q", said.String())
	}
}

func TestDestroy_IsRefusedWhereNoTableTellsOfClusters(t *testing.T) {
	a, _ := deployed(t, "kafka")
	err := run(t.Context(), a.Config, nil, &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), `there is no table of deployment "millrace" in `+awstest.Region) {
		t.Errorf("it says %v", err)
	}
}

func TestDestroy_LooksWhereDeployPutsItIfNobodySaysWhere(t *testing.T) {
	a, _ := deployed(t, "kafka")
	a.Config.Region = ""
	err := run(t.Context(), a.Config, nil, &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), `there is no table of deployment "millrace" in us-east-1`) {
		t.Errorf("it says %v", err)
	}
}

func TestDestroy_SaysThatThereAreNoCredentials(t *testing.T) {
	nobody := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no EC2 IMDS role found")
	})
	err := run(t.Context(), aws.Config{Credentials: nobody}, nil, &strings.Builder{})
	if err == nil || err.Error() != "find AWS credentials: no EC2 IMDS role found; check with: aws sts get-caller-identity" {
		t.Errorf("it says %v", err)
	}
}
