package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/jsii-runtime-go"

	"github.com/millrace/millrace/statemachines"
)

// alarm is a row of the table of alarms. Its playbook is playbooks/<name>.md.
type alarm struct {
	name, what string
	metric     awscloudwatch.IMetric
	above      float64 // it sounds when the metric is above this …
	periods    int     // … for so many periods
	of         int     // of the last so many; of as many where it is 0
	below      bool    // or rather below
	absent     awscloudwatch.TreatMissingData
}

// healthAlarms are about what each look at health counts, in the whole deployment. Beside telling people, they start another
// look: what sounds here may be what was missed there.
var healthAlarms = []struct {
	name, what, metric string
	minutes            int
}{
	{"HostsSilent", "hosts have not been heard of for minutes", "SilentHosts", 3},
	{"HostsImpaired", "hosts fail EC2's own checks", "ImpairedHosts", 3},
	{"PartitionsOffline", "partitions have no leader", "OfflinePartitions", 2},
	{"PartitionsUnderReplicated", "partitions have lacked a replica for a quarter of an hour", "UnderReplicatedPartitions", 15},
	{"DisksNearlyFull", "log volumes are more than 85 % full", "NearlyFullDisks", 3},
	{"DisksFull", "log volumes are full", "FullDisks", 1},
	{"CertificatesNearTheirEnd", "certificates of brokers end in less than 30 days", "EndingCertificates", 3},
	{"HealingHeldBack", "too many nodes are sick at once, so healing waits for a person", "OpenBreakers", 1},
	{"NodesLeftAlone", "nodes are sick and nothing that is done by itself helps", "NodesLeftAlone", 1},
}

// topicsNamespace is where functions/topicadmin counts.
const topicsNamespace = "Millrace/Topics"

// healthNamespace is where functions/healthsweep counts.
const healthNamespace = "Millrace/Health"

// storageNamespace is where functions/storageautoscaling counts.
const storageNamespace = "Millrace/Storage"

// diskAlarms are those about health that may be about storage that could grow.
var diskAlarms = []string{"DisksNearlyFull", "DisksFull"}

// alarmARNs are those of alarms, by name: the rules that hear of them are made before they are.
func (d *deployment) alarmARNs(names []string) []string {
	var arns []string
	for _, name := range names {
		arns = append(arns, d.arn("cloudwatch", "alarm:"+d.Deployment+"-"+name))
	}
	return arns
}

// addAlarms tells people of what the control plane can't mend itself. Each metric that is watched is on the bill, see shared/bill.
func (d *deployment) addAlarms(t triggers) {
	minutes := func(n int) awscdk.Duration { return awscdk.Duration_Minutes(jsii.Number(n)) }
	sum := &awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: minutes(5)}
	quiet := awscloudwatch.TreatMissingData_NOT_BREACHING

	// Errors of hostevents show as events that are late or undelivered.
	errors := map[string]awscloudwatch.IMetric{}
	for _, folder := range []string{"api", "operations", "provisioning", "healthsweep", "brokerreplacement", "topicadmin", "storageautoscaling"} {
		errors[folder] = d.functions[folder].MetricErrors(sum)
	}
	stage := &map[string]*string{"ApiName": &d.Deployment, "Stage": jsii.String(stageName)}
	ofAPI := func(name, statistic string) awscloudwatch.IMetric {
		return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String("AWS/ApiGateway"), MetricName: &name, DimensionsMap: stage, Statistic: &statistic, Period: minutes(5),
		})
	}

	alarms := []alarm{
		{
			name: "OperationFailed", what: "an operation's execution failed, timed out or was aborted", absent: quiet, periods: 1,
			metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
				Namespace: jsii.String("AWS/Events"), MetricName: jsii.String("TriggeredRules"),
				DimensionsMap: &map[string]*string{"RuleName": t.ended.RuleName()}, Statistic: jsii.String("Sum"), Period: minutes(5),
			}),
		},
		{
			name: "SweepMissing", what: "no sweep of operations has succeeded for ten minutes", absent: awscloudwatch.TreatMissingData_BREACHING,
			metric: d.machines["operations-sweep"].MetricSucceeded(sum), above: 1, below: true, periods: 2,
		},
		{
			name: "HealthSweepMissing", what: "nobody has looked at the health of clusters for ten minutes", absent: awscloudwatch.TreatMissingData_BREACHING,
			metric: d.machines["health-sweep"].MetricSucceeded(sum), above: 1, below: true, periods: 2,
		},
		{
			name: "TopicsSweepMissing", what: "nobody has looked at topics for an hour", absent: awscloudwatch.TreatMissingData_BREACHING,
			metric: d.machines["topics-sweep"].MetricSucceeded(&awscloudwatch.MetricOptions{
				Statistic: jsii.String("Sum"), Period: minutes(30),
			}), above: 1, below: true, periods: 2,
		},
		{
			name: "DeclaredTopicsDrift", what: "topics have not been as declared for half an hour", absent: quiet, periods: 2,
			metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
				Namespace: jsii.String(topicsNamespace), MetricName: jsii.String("DriftedTopics"),
				DimensionsMap: &map[string]*string{"Deployment": &d.Deployment}, Statistic: jsii.String("Maximum"), Period: minutes(15),
			}),
		},
		{
			// It is counted each minute while there is such a cluster, and not at all while there is nothing to look at.
			name: "StorageFullAtMaximum", what: "storage that grows by itself is at its target, and as large as it may get", absent: quiet, periods: 1,
			metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
				Namespace: jsii.String(storageNamespace), MetricName: jsii.String("ClustersAtMaximum"),
				DimensionsMap: &map[string]*string{"Deployment": &d.Deployment}, Statistic: jsii.String("Maximum"), Period: minutes(5),
			}),
		},
		{
			// What the sweep of topics fails in comes in every second period.
			name: "FunctionErrors", what: "functions end in errors, not just in refusals", absent: quiet, periods: 3, of: 6,
			metric: awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
				// A plain + would give nothing at all while one of the functions is not called.
				Expression: jsii.String("SUM(METRICS())"), UsingMetrics: &errors, Period: minutes(5), Label: jsii.String("errors of functions"),
			}),
		},
		{
			// Concurrency is shared by the whole account, so whoever used it up, this is where it shows.
			name: "FunctionsThrottled", what: "Lambda has no execution free in this account and region", absent: quiet, periods: 2,
			metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
				Namespace: jsii.String("AWS/Lambda"), MetricName: jsii.String("Throttles"), Statistic: jsii.String("Sum"), Period: minutes(5),
			}),
		},
		{name: "ApiErrors", what: "the API answers 5xx", absent: quiet, periods: 2, metric: ofAPI("5XXError", "Sum")},
		{name: "ApiSlow", what: "one call of a hundred takes longer than 3 s", absent: quiet, periods: 3, above: 3000, metric: ofAPI("Latency", "p99")},
		{
			name: "HostEventsLate", what: "news of hosts is handled more than three minutes after it was written", absent: quiet, periods: 2, above: 180_000,
			metric: d.functions["hostevents"].Metric(jsii.String("IteratorAge"), &awscloudwatch.MetricOptions{
				Statistic: jsii.String("Maximum"), Period: minutes(5),
			}),
		},
		{
			name: "HostEventsUndelivered", what: "heartbeats could not be handled and were passed over", absent: quiet, periods: 1,
			metric: d.bus.undelivered.MetricApproximateNumberOfMessagesVisible(&awscloudwatch.MetricOptions{
				Statistic: jsii.String("Maximum"), Period: minutes(5),
			}),
		},
	}
	for _, h := range healthAlarms {
		alarms = append(alarms, alarm{name: h.name, what: h.what, absent: quiet, periods: h.minutes, metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String(healthNamespace), MetricName: &h.metric, DimensionsMap: &map[string]*string{"Deployment": &d.Deployment},
			Statistic: jsii.String("Maximum"), Period: minutes(1),
		})})
	}
	action := awscloudwatchactions.NewSnsAction(d.data.topic)
	for _, a := range alarms {
		comparison := awscloudwatch.ComparisonOperator_GREATER_THAN_THRESHOLD
		if a.below {
			comparison = awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD
		}
		sounds := awscloudwatch.NewAlarm(d.stack, &a.name, &awscloudwatch.AlarmProps{
			AlarmName:          jsii.String(d.Deployment + "-" + a.name),
			AlarmDescription:   jsii.String(fmt.Sprintf("Millrace: %s. Playbook: infra/playbooks/%s.md", a.what, a.name)),
			Metric:             a.metric,
			Threshold:          jsii.Number(a.above),
			EvaluationPeriods:  jsii.Number(max(a.of, a.periods)),
			DatapointsToAlarm:  jsii.Number(a.periods),
			ComparisonOperator: comparison,
			TreatMissingData:   a.absent,
		})
		sounds.AddAlarmAction(action)
		sounds.AddOkAction(action)
	}
	for _, name := range slices.Sorted(maps.Keys(hostNotices)) {
		d.tell(name, hostNotices[name])
	}
	d.addDashboard(alarms)
}

// addDashboard shows what the alarms watch, and how many operations are under way.
func (d *deployment) addDashboard(alarms []alarm) {
	var widgets []awscloudwatch.IWidget
	for _, a := range alarms {
		widgets = append(widgets, awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
			Title: jsii.String(a.name + ": " + a.what), Left: &[]awscloudwatch.IMetric{a.metric}, Width: jsii.Number(8), Height: jsii.Number(6),
		}))
	}
	var started []awscloudwatch.IMetric
	for _, name := range slices.Sorted(maps.Keys(d.machines)) {
		if !statemachines.IsSweep(name) {
			started = append(started, d.machines[name].MetricStarted(nil), d.machines[name].MetricSucceeded(nil))
		}
	}
	widgets = append(widgets, awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
		Title: jsii.String("Operations: started and succeeded"), Left: &started, Width: jsii.Number(8), Height: jsii.Number(6),
	}))
	var rows [][]awscloudwatch.IWidget
	for row := range slices.Chunk(widgets, 3) {
		rows = append(rows, row)
	}
	layout := make([]*[]awscloudwatch.IWidget, len(rows))
	for i := range rows {
		layout[i] = &rows[i]
	}
	awscloudwatch.NewDashboard(d.stack, jsii.String("Dashboard"), &awscloudwatch.DashboardProps{
		DashboardName: &d.Deployment, Widgets: &layout,
	})
}
