package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/jsii-runtime-go"
)

const stageName = "v1"

// api is the front door.
type api struct {
	rest     awsapigateway.RestApi
	url      string
	stageARN string
}

// addAPI puts API Gateway before functions/api, by two ways. Clients of MSK sign for the service kafka, which API Gateway
// can't check: their way is open here, and the function verifies them. Under /iam, API Gateway checks an IAM identity.
func (d *deployment) addAPI() api {
	logs := d.addLogs("AccessLogs", "/aws/apigateway/"+d.Deployment)
	rest := awsapigateway.NewRestApi(d.stack, jsii.String("RestApi"), &awsapigateway.RestApiProps{
		RestApiName: &d.Deployment,
		Description: jsii.String("The MSK API of Millrace"),
		EndpointConfiguration: &awsapigateway.EndpointConfiguration{
			Types: &[]awsapigateway.EndpointType{awsapigateway.EndpointType_REGIONAL},
		},
		// API Gateway writes logs by a role that the account has once; CDK makes it, and leaves it behind for other APIs.
		CloudWatchRole:              jsii.Bool(true),
		CloudWatchRoleRemovalPolicy: awscdk.RemovalPolicy_RETAIN,
		DeployOptions: &awsapigateway.StageOptions{
			StageName:            jsii.String(stageName),
			ThrottlingRateLimit:  jsii.Number(d.ThrottleRate),
			ThrottlingBurstLimit: jsii.Number(d.ThrottleBurst),
			TracingEnabled:       jsii.Bool(true),
			MetricsEnabled:       jsii.Bool(true),
			AccessLogDestination: awsapigateway.NewLogGroupLogDestination(logs),
			AccessLogFormat:      awsapigateway.AccessLogFormat_Custom(jsii.String(accessLog())),
			// Requests hold secrets, so neither they nor answers are logged.
			LoggingLevel:     awsapigateway.MethodLoggingLevel_ERROR,
			DataTraceEnabled: jsii.Bool(false),
		},
	})
	function := awsapigateway.NewLambdaIntegration(d.functions["api"], &awsapigateway.LambdaIntegrationOptions{
		Proxy: jsii.Bool(true), AllowTestInvoke: jsii.Bool(false),
	})
	way := func(from awsapigateway.IResource, authorization awsapigateway.AuthorizationType) {
		from.AddResource(jsii.String("{proxy+}"), nil).AddMethod(jsii.String("ANY"), function, &awsapigateway.MethodOptions{
			AuthorizationType: authorization,
		})
	}
	way(rest.Root(), awsapigateway.AuthorizationType_NONE)
	// Clients of Application Auto Scaling send everything to the root, which {proxy+} leaves out, and sign for another service than
	// API Gateway can check. Under /iam their requests have a path of their own.
	rest.Root().AddMethod(jsii.String("POST"), function, &awsapigateway.MethodOptions{AuthorizationType: awsapigateway.AuthorizationType_NONE})
	way(rest.Root().AddResource(jsii.String("iam"), nil), awsapigateway.AuthorizationType_IAM)

	stage := rest.DeploymentStage()
	return api{
		rest:     rest,
		url:      strings.TrimSuffix(*stage.UrlForPath(jsii.String("/")), "/"),
		stageARN: *stage.StageArn(),
	}
}

// accessLog is one line of JSON for each request: who, what, how long, how it ended. Never a header: they hold signatures.
func accessLog() string {
	fields := []string{
		"requestId", "xrayTraceId", "requestTime", "identity.sourceIp", "identity.userArn", "identity.userAgent", "httpMethod",
		"resourcePath", "path", "status", "responseLatency", "responseLength", "integrationErrorMessage",
	}
	for i, field := range fields {
		name := field[strings.LastIndex(field, ".")+1:]
		fields[i] = `"` + name + `":"$context.` + field + `"`
	}
	return "{" + strings.Join(fields, ",") + "}"
}
