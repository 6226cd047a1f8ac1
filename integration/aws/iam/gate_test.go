package iam_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secretstypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/integration/aws/iam"
)

// world has one of everything, under one customer key.
type world struct{}

const key = "arn:aws:kms:us-east-1:123456789012:key/k"

func (world) Tags(id string) map[string]string {
	return map[string]string{"millrace:deployment": "blue of " + id}
}

func (world) NetworkInterface(string) (subnet string, groups []string) {
	return "subnet-1", []string{"sg-1"}
}

func (world) VPC(string) string { return "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1" }

func (world) LaunchTemplate(string) (image, role string) {
	return "ami-1", "arn:aws:iam::123456789012:role/host"
}
func (world) KeyOf(string) string { return key }

// calls are one call to each service, by the SDK, and what AWS asks for it.
var calls = []struct {
	name string
	do   func(context.Context, aws.Config) error
	want []string
}{
	{"a launch", func(ctx context.Context, c aws.Config) error {
		_, err := ec2.NewFromConfig(c).RunInstances(ctx, &ec2.RunInstancesInput{
			MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
			LaunchTemplate:    &ec2types.LaunchTemplateSpecification{LaunchTemplateId: aws.String("lt-1")},
			NetworkInterfaces: []ec2types.InstanceNetworkInterfaceSpecification{{DeviceIndex: aws.Int32(0), NetworkInterfaceId: aws.String("eni-1")}},
			TagSpecifications: []ec2types.TagSpecification{{
				ResourceType: ec2types.ResourceTypeInstance, Tags: []ec2types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
			}},
		})
		return err
	}, []string{
		"ec2:RunInstances on arn:aws:ec2:us-east-1:123456789012:instance/*",
		"ec2:RunInstances on arn:aws:ec2:us-east-1:123456789012:volume/*",
		"ec2:RunInstances on arn:aws:ec2:us-east-1::image/ami-1",
		"ec2:RunInstances on arn:aws:ec2:us-east-1:123456789012:launch-template/lt-1",
		"ec2:RunInstances on arn:aws:ec2:us-east-1:123456789012:network-interface/eni-1",
		"ec2:RunInstances on arn:aws:ec2:us-east-1:123456789012:subnet/subnet-1",
		"ec2:RunInstances on arn:aws:ec2:us-east-1:123456789012:security-group/sg-1",
		"ec2:CreateTags on arn:aws:ec2:us-east-1:123456789012:instance/*",
		"iam:PassRole on arn:aws:iam::123456789012:role/host",
	}},
	{"a volume's attachment", func(ctx context.Context, c aws.Config) error {
		_, err := ec2.NewFromConfig(c).AttachVolume(ctx, &ec2.AttachVolumeInput{
			Device: aws.String("/dev/sdf"), InstanceId: aws.String("i-1"), VolumeId: aws.String("vol-1"),
		})
		return err
	}, []string{
		"ec2:AttachVolume on arn:aws:ec2:us-east-1:123456789012:volume/vol-1",
		"ec2:AttachVolume on arn:aws:ec2:us-east-1:123456789012:instance/i-1",
		"kms:CreateGrant on " + key, "kms:Decrypt on " + key,
	}},
	{"a transaction", func(ctx context.Context, c aws.Config) error {
		_, err := dynamodb.NewFromConfig(c).TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
			TransactItems: []dynamodbtypes.TransactWriteItem{{Put: &dynamodbtypes.Put{
				TableName: aws.String("t"),
				Item:      map[string]dynamodbtypes.AttributeValue{"pk": &dynamodbtypes.AttributeValueMemberS{Value: "p"}},
			}}},
		})
		return err
	}, []string{"dynamodb:PutItem on arn:aws:dynamodb:us-east-1:123456789012:table/t", "kms:Decrypt on " + key}},
	{"a secret", func(ctx context.Context, c aws.Config) error {
		_, err := secretsmanager.NewFromConfig(c).CreateSecret(ctx, &secretsmanager.CreateSecretInput{
			Name: aws.String("d/c/n"), KmsKeyId: aws.String(key), SecretString: aws.String("s"),
			Tags: []secretstypes.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
		})
		return err
	}, []string{
		"secretsmanager:CreateSecret on arn:aws:secretsmanager:us-east-1:123456789012:secret:d/c/n-AbCdEf",
		"kms:GenerateDataKey on " + key, "kms:Decrypt on " + key,
		"secretsmanager:TagResource on arn:aws:secretsmanager:us-east-1:123456789012:secret:d/c/n-AbCdEf",
	}},
	{"a key", func(ctx context.Context, c aws.Config) error {
		_, err := kms.NewFromConfig(c).Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String(key), Plaintext: []byte("p")})
		return err
	}, []string{"kms:Encrypt on " + key}},
	{"a name", func(ctx context.Context, c aws.Config) error {
		_, err := route53.NewFromConfig(c).ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
			HostedZoneId: aws.String("Z1"),
			ChangeBatch: &route53types.ChangeBatch{Changes: []route53types.Change{{
				Action:            route53types.ChangeActionUpsert,
				ResourceRecordSet: &route53types.ResourceRecordSet{Name: aws.String("b-1.x"), Type: route53types.RRTypeA},
			}}},
		})
		return err
	}, []string{"route53:ChangeResourceRecordSets on arn:aws:route53:::hostedzone/Z1"}},
	{"an execution", func(ctx context.Context, c aws.Config) error {
		_, err := sfn.NewFromConfig(c).StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: aws.String("arn:m")})
		return err
	}, []string{"states:StartExecution on arn:m"}},
	{"an invocation", func(ctx context.Context, c aws.Config) error {
		_, err := lambda.NewFromConfig(c).Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("millrace-topicadmin"), Payload: []byte(`{}`)})
		return err
	}, []string{"lambda:InvokeFunction on arn:aws:lambda:us-east-1:123456789012:function:millrace-topicadmin"}},
	{"an event", func(ctx context.Context, c aws.Config) error {
		_, err := eventbridge.NewFromConfig(c).PutEvents(ctx, &eventbridge.PutEventsInput{
			Entries: []eventbridgetypes.PutEventsRequestEntry{{EventBusName: aws.String("bus")}},
		})
		return err
	}, []string{"events:PutEvents on arn:aws:events:us-east-1:123456789012:event-bus/bus"}},
	{"a metric", func(ctx context.Context, c aws.Config) error {
		_, err := cloudwatch.NewFromConfig(c).PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
			Namespace: aws.String("Millrace/Kafka"), MetricData: []cloudwatchtypes.MetricDatum{{MetricName: aws.String("m")}},
		})
		return err
	}, []string{"cloudwatch:PutMetricData on *"}},
}

// stand is a gate whose caller has one policy, and a configuration of the SDK that speaks to it.
func stand(t *testing.T, statement string) (*iam.Gate, aws.Config) {
	t.Helper()
	gate := &iam.Gate{
		Reader: iam.Reader{Region: "us-east-1", Account: "123456789012", World: world{}},
		Caller: func(id string) (iam.Principal, bool) { return principal(t, statement), id == "AKIAHOST" },
		Next:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
	}
	server := httptest.NewServer(gate)
	t.Cleanup(server.Close)
	return gate, aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHOST", "secret", ""),
	}
}

func TestGate_AsksForWhatAWSAsksFor(t *testing.T) {
	reader := iam.Reader{Region: "us-east-1", Account: "123456789012", World: world{}}
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
			var got []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, h *http.Request) {
				checks, err := reader.ChecksOf(h)
				if err != nil {
					t.Error(err)
				}
				for _, c := range checks {
					got = append(got, c.String())
				}
				w.WriteHeader(http.StatusTeapot)
			}))
			defer server.Close()
			_ = call.do(t.Context(), aws.Config{
				Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
				Credentials: credentials.NewStaticCredentialsProvider("AKIAHOST", "secret", ""),
			})
			if !slices.Equal(got, call.want) {
				t.Errorf("asked for\n%q\nwant\n%q", got, call.want)
			}
		})
	}
}

func TestGate_RefusesInTheWordsOfEveryService(t *testing.T) {
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
			gate, config := stand(t, `[]`)
			err := call.do(t.Context(), config)
			var refused smithy.APIError
			if !errors.As(err, &refused) {
				t.Fatalf("the SDK does not understand the refusal: %v", err)
			}
			if code := refused.ErrorCode(); !slices.Contains([]string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}, code) {
				t.Errorf("the code is %s", code)
			}
			if len(gate.Refusals()) != 1 {
				t.Errorf("the gate remembers %v", gate.Refusals())
			}
		})
	}
}

func TestGate_LetsThroughWhatIsAllowed(t *testing.T) {
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
			gate, config := stand(t, `{"Effect":"Allow","Action":"*","Resource":"*"}`)
			if err := call.do(t.Context(), config); err == nil {
				t.Error("a teapot is no answer")
			}
			if refused := gate.Refusals(); len(refused) != 0 {
				t.Errorf("refused: %v", refused)
			}
		})
	}
}
