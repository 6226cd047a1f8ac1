package harness

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/millrace/millrace/integration/aws/iam"
)

// HostRole are the credentials of one instance, in the hands of somebody who has taken over its host.
type HostRole struct {
	d               *Deployment
	instance        string
	identity, table string
	config          aws.Config
}

// HostRole gives the credentials that an instance would have.
func (d *Deployment) HostRole(instance string) HostRole {
	d.t.Helper()
	_, role, roleID, err := d.launchData()
	if err != nil {
		d.t.Fatal(err)
	}
	table, err := d.one("AWS::DynamoDB::GlobalTable")
	if err != nil {
		d.t.Fatal(err)
	}
	h := HostRole{d: d, instance: instance, identity: roleID + ":" + instance, table: table.ref}
	key := d.issueRoleKey(iam.Principal{Name: h.Name(), Role: role, UserID: h.identity, Policies: d.resources.policies[role]})
	h.config = aws.Config{
		Region: d.resources.region, BaseEndpoint: aws.String(d.endpoint), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key, "secret", "session"),
	}
	return h
}

// Name is how refusals call the host.
func (h HostRole) Name() string { return "host " + h.instance }

// Identity is the host's aws:userid.
func (h HostRole) Identity() string { return h.identity }

func (h HostRole) dynamodb() *dynamodb.Client { return dynamodb.NewFromConfig(h.config) }

func key(partition, sort string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: partition}, "sk": &types.AttributeValueMemberS{Value: sort},
	}
}

// Get reads an item.
func (h HostRole) Get(partition, sort string) error {
	_, err := h.dynamodb().GetItem(h.d.ctx, &dynamodb.GetItemInput{TableName: &h.table, Key: key(partition, sort)})
	return err
}

// Update writes an item that ends by itself.
func (h HostRole) Update(partition, sort string) error {
	_, err := h.dynamodb().UpdateItem(h.d.ctx, &dynamodb.UpdateItemInput{
		TableName: &h.table, Key: key(partition, sort),
		UpdateExpression:          aws.String("SET expires = :e"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":e": &types.AttributeValueMemberN{Value: "4102444800"}},
	})
	return err
}

// Transact writes items of several partitions at once.
func (h HostRole) Transact(partitions ...string) error {
	in := &dynamodb.TransactWriteItemsInput{}
	for _, p := range partitions {
		in.TransactItems = append(in.TransactItems, types.TransactWriteItem{Put: &types.Put{TableName: &h.table, Item: key(p, "only")}})
	}
	_, err := h.dynamodb().TransactWriteItems(h.d.ctx, in)
	return err
}

// Scan reads the table from end to end.
func (h HostRole) Scan() error {
	_, err := h.dynamodb().Scan(h.d.ctx, &dynamodb.ScanInput{TableName: &h.table})
	return err
}

// DescribeInstances asks which instances there are.
func (h HostRole) DescribeInstances() error {
	_, err := ec2.NewFromConfig(h.config).DescribeInstances(h.d.ctx, nil)
	return err
}

// ReadSecret asks for a secret of the deployment.
func (h HostRole) ReadSecret() error {
	_, err := secretsmanager.NewFromConfig(h.config).GetSecretValue(h.d.ctx, &secretsmanager.GetSecretValueInput{
		SecretId: aws.String(deploymentName + "/cluster/authority"),
	})
	return err
}
