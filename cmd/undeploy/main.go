// Command undeploy says whether a deployment may be taken away, before `make destroy` does it. It asks the deployment's own
// table, refuses while a cluster is recorded there, and otherwise tells what will stay behind. It changes nothing itself.
//
//	undeploy [deployment=NAME] [region=REGION]    other parameters of the deployment are passed over
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	platform "github.com/millrace/millrace/shared/platform/aws"
	"github.com/millrace/millrace/shared/platform/aws/dynamo"
	"github.com/millrace/millrace/shared/records"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	config, err := platform.Load(ctx)
	if err == nil {
		err = run(ctx, config, os.Args[1:], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "undeploy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, config aws.Config, parameters []string, output io.Writer) error {
	deployment := "millrace"
	for _, p := range parameters {
		switch name, value, _ := strings.Cut(p, "="); name {
		case "deployment":
			deployment = value
		case "region":
			config.Region = value
		}
	}
	if config.Region == "" {
		config.Region = "us-east-1" // as infra does: where it deploys, if nobody says where
	}
	if _, err := config.Credentials.Retrieve(ctx); err != nil {
		return fmt.Errorf("find AWS credentials: %w; check with: aws sts get-caller-identity", err)
	}
	client := dynamodb.NewFromConfig(config)
	tables, err := tablesOf(ctx, client, deployment)
	if err != nil {
		return err
	}
	if len(tables) == 0 {
		return fmt.Errorf("there is no table of deployment %q in %s, so whether it has clusters can't be told; "+
			"say where it is by AWS_REGION, or which by PARAMETERS=deployment=…", deployment, config.Region)
	}
	for _, table := range tables {
		clusters, err := records.Records{Table: dynamo.New(config, table)}.AllClusters(ctx)
		if err != nil {
			return fmt.Errorf("look for clusters in %s: %w", table, err)
		}
		if len(clusters) > 0 {
			names := make([]string, len(clusters))
			for i, c := range clusters {
				names[i] = fmt.Sprintf("%s (%s)", c.Name, c.State())
			}
			return fmt.Errorf("deployment %q has clusters, with records on their volumes: %s; delete them through the API first",
				deployment, strings.Join(names, ", "))
		}
	}
	for _, table := range tables {
		if err := sayWhatStays(ctx, client, table, output); err != nil {
			return err
		}
	}
	return nil
}

// tablesOf finds the tables that carry a deployment's tag. There may be several: a table stays when its stack goes.
func tablesOf(ctx context.Context, client *dynamodb.Client, deployment string) ([]string, error) {
	var found []string
	for pages := dynamodb.NewListTablesPaginator(client, &dynamodb.ListTablesInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("look for the deployment's table: %w", err)
		}
		for _, name := range page.TableNames {
			ours, err := belongsTo(ctx, client, name, deployment)
			if err != nil {
				return nil, fmt.Errorf("look whose table %s is: %w", name, err)
			}
			if ours {
				found = append(found, name)
			}
		}
	}
	return found, nil
}

func belongsTo(ctx context.Context, client *dynamodb.Client, table, deployment string) (bool, error) {
	described, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return false, err
	}
	in := &dynamodb.ListTagsOfResourceInput{ResourceArn: described.Table.TableArn}
	for {
		page, err := client.ListTagsOfResource(ctx, in)
		if err != nil {
			return false, err
		}
		for _, tag := range page.Tags {
			if aws.ToString(tag.Key) == platform.DeploymentTag && aws.ToString(tag.Value) == deployment {
				return true, nil
			}
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return false, nil
		}
	}
}

// sayWhatStays names the table and its key, and how they are deleted by someone who means it.
func sayWhatStays(ctx context.Context, client *dynamodb.Client, table string, output io.Writer) error {
	described, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return fmt.Errorf("look at table %s: %w", table, err)
	}
	fmt.Fprintf(output, "No clusters. Table %s stays; to delete it for good:\n"+
		"  aws dynamodb update-table --table-name %[1]s --no-deletion-protection-enabled\n"+
		"  aws dynamodb delete-table --table-name %[1]s\n", table)
	if encryption := described.Table.SSEDescription; encryption != nil && encryption.KMSMasterKeyArn != nil {
		fmt.Fprintf(output, "Its key stays ($1 a month); without it no backup of the table and no snapshot of a volume can be read again:\n"+
			"  aws kms schedule-key-deletion --pending-window-in-days 30 --key-id %s\n", *encryption.KMSMasterKeyArn)
	}
	return nil
}
