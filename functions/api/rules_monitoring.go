package api

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/mskapi"
)

func loggingHasDestination(p types.ProvisionedRequest) error {
	for _, logs := range requestedLogs(p) {
		if logs.to.CloudWatchLogs == nil && logs.to.Firehose == nil && logs.to.S3 == nil {
			return mskapi.BadRequest(logs.of+"Logs",
				"You must define one or more of the %s log types cloudWatchLogs, firehose and s3.", logs.of)
		}
	}
	return nil
}

// loggingDestinationsHaveNames asks for a name only where logs are to go: a disabled destination needs none.
func loggingDestinationsHaveNames(p types.ProvisionedRequest) error {
	missing := func(enabled *bool, name *string) bool { return aws.ToBool(enabled) && aws.ToString(name) == "" }
	for _, logs := range requestedLogs(p) {
		to := logs.to
		switch {
		case to.CloudWatchLogs != nil && missing(to.CloudWatchLogs.Enabled, to.CloudWatchLogs.LogGroup):
			return mskapi.BadRequest("logGroup", "To deliver logs to CloudWatch Logs, you must specify a log group.")
		case to.Firehose != nil && missing(to.Firehose.Enabled, to.Firehose.DeliveryStream):
			return mskapi.BadRequest("deliveryStream", "To deliver logs to Firehose, you must specify a delivery stream.")
		case to.S3 != nil && missing(to.S3.Enabled, to.S3.Bucket):
			return mskapi.BadRequest("bucket", "To deliver logs to Amazon S3, you must specify an S3 bucket.")
		}
	}
	return nil
}

// delivery is one kind of log and where it is to go.
type delivery struct {
	of string // broker or authorizer
	to types.BrokerLogs
}

// requestedLogs gives what a request says of logs. The two kinds have the same destinations.
func requestedLogs(p types.ProvisionedRequest) []delivery {
	if p.LoggingInfo == nil {
		return nil
	}
	var all []delivery
	if logs := p.LoggingInfo.BrokerLogs; logs != nil {
		all = append(all, delivery{"broker", *logs})
	}
	if logs := p.LoggingInfo.AuthorizerLogs; logs != nil {
		all = append(all, delivery{"authorizer", types.BrokerLogs(*logs)})
	}
	return all
}

func monitoringHasExporter(p types.ProvisionedRequest) error {
	if p.OpenMonitoring == nil || p.OpenMonitoring.Prometheus == nil {
		return nil
	}
	if p.OpenMonitoring.Prometheus.JmxExporter == nil && p.OpenMonitoring.Prometheus.NodeExporter == nil {
		return mskapi.BadRequest("openMonitoring",
			"You must specify at least one type of exporter, jmxExporter or nodeExporter.")
	}
	return nil
}
