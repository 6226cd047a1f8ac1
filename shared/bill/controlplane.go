package bill

import (
	"fmt"

	"github.com/millrace/millrace/shared/awsfacts"
)

// How the control plane uses AWS while nobody asks anything of it. Two sweeps come every minute, one of operations and one of
// health, and one of topics every ten; functions have as much memory as they are deployed with. Neither sweeps nor functions log
// what went well.
const (
	sweeps          = minutes // of operations, and as many of health
	topicSweeps     = minutes / 10
	callSeconds     = 0.1  // of a function or a machine, mostly one read
	callMemoryGB    = 0.25 // of a function
	machineMemoryGB = 0.0625
	batches         = minutes // of heartbeats, of all clusters together
	batchMemoryGB   = 0.125
	imageGB         = 3 // of a host's root volume that hold something
	allSweeps       = 2*sweeps + topicSweeps
	connections     = 3 // to the table that never rest: one of each sweep, and one for what comes between
	gigabyte        = float64(1 << 30)
)

// What a look at health takes.
const (
	lookMemoryGB     = 0.125
	lookReads        = 2    // the lists of clusters, of recorded health, of what is under way, and the number of the last heal, each half a unit
	lookReadsPerHost = 0.5  // its heartbeat
	lookReadsMore    = 2    // of a cluster: itself, its nodes, what was recorded before
	lookSeconds      = 0.25 // when there are hosts to ask EC2 about, longer than without
)

// What a sweep of topics takes where it has nothing to do: the function that sweeps operations tells which clusters there are, and
// of each whether its access to the brokers lasts and whether topics are declared.
const (
	topicReads           = 0.5 // the list of clusters
	topicReadsPerCluster = 1   // its access
	renewals             = 2   // of an access, a day
	renewalSecrets       = 2   // the authority, and what it was made with
	renewalWrites        = 4   // of the access, which holds a key and a chain of certificates
	days                 = Hours / 24.0
)

// ControlPlane is a deployment without a cluster. What only watches it is a sheet of its own: see [Watching].
func ControlPlane() Sheet {
	return Sheet{"Control plane at rest", []Line{
		line("KMS key", "kms.key", 1, "one key for the table, secrets and volumes"),
		line("KMS requests", "kms.request", keyRequests(connections), "DynamoDB's, for each connection every 5 minutes"),
		line("Route 53 private zone", "route53.zone", 1, "the brokers' names"),
		line("Broker image", "ebs.snapshot", imageGB, "its snapshot"),
		line("Schedules", "scheduler.invocation", allSweeps, "a sweep of operations and a look at health each minute, a sweep of topics every ten"),
		line("Sweeps: Step Functions requests", "states.express-request", allSweeps, ""),
		line("Sweeps: Step Functions time", "states.express-gb-second", allSweeps*callSeconds*machineMemoryGB, ""),
		line("Sweeps: Lambda requests", "lambda.request", allSweeps, ""),
		line("Sweeps: Lambda time", "lambda.gb-second", callSeconds*(sweeps*(callMemoryGB+lookMemoryGB)+topicSweeps*callMemoryGB), ""),
		line("Sweeps: DynamoDB reads", "dynamodb.read", sweeps*(1+lookReads)+topicSweeps*topicReads,
			"the operations that have not ended; what there is to look at"),
		line("Heartbeats: Lambda requests", "lambda.request", batches, "a batch each minute, of all clusters; none without a cluster"),
		line("Heartbeats: Lambda time", "lambda.gb-second", batches*callSeconds*batchMemoryGB, ""),
		line("Table", "dynamodb.storage", 0.001, "a megabyte"),
		line("Table: backups", "dynamodb.backup", 0.001, "point-in-time recovery"),
	}}
}

// The alarms' metrics: as many as infra deploys. Nine of them are those that a look at health counts, for the whole deployment, and
// one is about storage, which is published only while somebody has to look at storage that grows by itself.
const (
	AlarmMetrics     = 27
	healthMetrics    = 9
	topicMetrics     = 1
	healthMetricSize = 800 // bytes of the line
	dashboards       = 1
)

// Watching is what observes the control plane: alarms, traces of the sweeps, the dashboard.
func Watching() Sheet {
	return Sheet{"Watching the control plane", []Line{
		line("Alarms", "cloudwatch.alarm", AlarmMetrics, "metrics that they look at"),
		line("Metrics about health", "cloudwatch.metric", healthMetrics, "of all clusters together; none without a cluster"),
		line("Metrics about declared topics", "cloudwatch.metric", topicMetrics, "of all clusters together; none without such topics"),
		line("Publishing them: logs", "cloudwatch.logs", sweeps*healthMetricSize/gigabyte, "a line each minute"),
		line("Dashboard", "cloudwatch.dashboard", dashboards, ""),
		line("X-Ray", "xray.trace", 2*sweeps+batches, "a trace of each sweep, and of each batch of heartbeats"),
	}}
}

// What hosts do in peace: shared/nodespec/tablemailbox keeps to it.
const (
	beatSeconds    = 30
	specSeconds    = 45 // between two looks for a newer spec
	beatBytes      = 1024
	queriesPerHost = 2000 // of names: connections stay
)

// How long the specs of a cluster with the defaults are, with their keys.
const (
	BrokerSpecBytes     = 4600
	ControllerSpecBytes = 3800
)

// IdleCluster is what a cluster adds to the control plane's bill while nobody uses it, besides its hosts and volumes.
func IdleCluster(c Cluster) Sheet {
	hosts := float64(c.Brokers + c.Controllers)
	writeUnit := float64(awsfacts.LimitOf("dynamodb.write-unit-bytes").Count())
	secrets, why := 1, "the cluster's authority"
	if c.PlainInside {
		secrets, why = 2, "the cluster's authority, and a password for connections inside"
	}
	return Sheet{"An idle cluster adds", []Line{
		line("Heartbeats", "dynamodb.write", hosts*seconds/beatSeconds*units(beatBytes, writeUnit),
			fmt.Sprintf("each host, every %d s", beatSeconds)),
		line("Looks for a newer spec", "dynamodb.read", looks(c), fmt.Sprintf("each host, every %d s", specSeconds)),
		line("Looks at health: DynamoDB reads", "dynamodb.read", sweeps*(lookReadsMore+hosts*lookReadsPerHost), "each minute"),
		line("Looks at health: DynamoDB writes", "dynamodb.write", sweeps*units(healthBytes(hosts), writeUnit), "what was seen, each minute"),
		line("Looks at health: Lambda time", "lambda.gb-second", sweeps*(lookSeconds-callSeconds)*lookMemoryGB, "EC2's answers, for all clusters"),
		line("Looks at health: Step Functions time", "states.express-gb-second", sweeps*(lookSeconds-callSeconds)*machineMemoryGB, ""),
		line("Looks at topics: DynamoDB reads", "dynamodb.read", topicSweeps*topicReadsPerCluster, "every ten minutes"),
		line("Access to the brokers", "secretsmanager.request", renewals*days*renewalSecrets, "a certificate of a day, renewed by half of it"),
		line("Access to the brokers: DynamoDB writes", "dynamodb.write", renewals*days*renewalWrites, ""),
		line("Secrets", "secretsmanager.secret", float64(secrets), why),
		line("KMS requests", "kms.request", keyRequests(hosts), "DynamoDB's, for each host every 5 minutes"),
		line("Names", "route53.query", hosts*queriesPerHost, ""),
	}}
}

// What a look at declared topics takes, by the function inside the VPC.
const (
	driftMemoryGB = 0.5
	driftSeconds  = 0.5
	driftReads    = 6 // the cluster, its nodes, its access, a declaration of a hundred topics, what was found before
	driftWrites   = 1 // what was found
)

// DeclaredTopics is what a cluster adds beyond [IdleCluster] whose topics are declared.
func DeclaredTopics() Sheet {
	return Sheet{"Declared topics of a cluster add", []Line{
		line("Looks at topics: Lambda requests", "lambda.request", topicSweeps, "every ten minutes"),
		line("Looks at topics: Lambda time", "lambda.gb-second", topicSweeps*driftSeconds*driftMemoryGB, ""),
		line("Looks at topics: Step Functions time", "states.express-gb-second", topicSweeps*driftSeconds*machineMemoryGB, ""),
		line("Looks at topics: DynamoDB reads", "dynamodb.read", topicSweeps*driftReads, ""),
		line("Looks at topics: DynamoDB writes", "dynamodb.write", topicSweeps*driftWrites, "what was found"),
		line("KMS requests", "kms.request", topicSweeps, "DynamoDB's, for each look"),
	}}
}

// looks are the read units of looking for specs.
func looks(c Cluster) float64 {
	readUnit := float64(awsfacts.LimitOf("dynamodb.read-unit-bytes").Count())
	all := float64(c.Brokers)*units(BrokerSpecBytes, readUnit) + float64(c.Controllers)*units(ControllerSpecBytes, readUnit)
	return all / 2 * seconds / specSeconds // what may be a moment old costs half
}

// healthBytes is how long the record of a look at a cluster is in which all nodes are well.
func healthBytes(hosts float64) float64 { return 200 + 130*hosts }

// keyRequests are those that DynamoDB makes of KMS for so many connections to a table under a key of the customer: it asks
// again every 5 minutes for each that is used (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html).
func keyRequests(connections float64) float64 { return connections * minutes / 5 }

// units are how many units an item takes.
func units(bytes, unit float64) float64 {
	whole := float64(int(bytes / unit))
	if bytes > whole*unit {
		whole++
	}
	return whole
}

// What functions/hostevents makes of heartbeats, in the namespace Millrace/Kafka: of each broker its disk and its partitions
// that are not in sync, of each cluster its brokers and its partitions without a leader, as lines of its log that CloudWatch reads.
const (
	metricsPerBroker  = 2
	metricsPerCluster = 2
	metricBytes       = 540 // a line
)

// Metrics are what a cluster's own metrics in CloudWatch cost.
func Metrics(c Cluster) Sheet {
	metrics := float64(c.Brokers*metricsPerBroker + metricsPerCluster)
	lines := float64(c.Brokers + c.Controllers)
	return Sheet{"Metrics of a cluster", []Line{
		line("CloudWatch metrics", "cloudwatch.metric", metrics, fmt.Sprintf("%d a broker, %d a cluster", metricsPerBroker, metricsPerCluster)),
		line("Publishing them: logs", "cloudwatch.logs", lines*minutes*metricBytes/gigabyte, "a line for each host and minute"),
	}}
}
