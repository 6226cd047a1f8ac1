package integration

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/harness"
)

// The shapes of what the aws command line prints, as far as tests look at them.
type (
	clusterOutput struct {
		ClusterArn, ClusterName, State string
	}
	nodesOutput struct {
		NodeInfoList []struct {
			NodeType, NodeARN, InstanceType string
			BrokerNodeInfo                  struct {
				BrokerId           float64
				ClientSubnet       string
				ClientVpcIpAddress string
				Endpoints          []string
			}
		}
	}
	operationsOutput struct {
		ClusterOperationInfoList []struct {
			OperationArn, OperationType, OperationState string
			OperationSteps                              []struct {
				StepName string
				StepInfo struct{ StepStatus string }
			}
		}
	}
)

func TestMainPath_AStockClientCreatesUsesAndDeletesARealCluster(t *testing.T) {
	m := harness.StartMillrace(t)

	created := harness.Decode[clusterOutput](t, m.AWS(t, "kafka", "create-cluster",
		"--cluster-name", "orders", "--kafka-version", "4.3.x.kraft", "--number-of-broker-nodes", "3",
		"--broker-node-group-info", "InstanceType=kafka.m7g.large,ClientSubnets=subnet-a,subnet-b,subnet-c"))
	if created.ClusterName != "orders" || created.State != "CREATING" {
		t.Errorf("create-cluster answered %+v", created)
	}
	arn := created.ClusterArn
	m.WaitUntilActive(t, arn)

	bootstrap := harness.Decode[struct{ BootstrapBrokerString, BootstrapBrokerStringTls string }](t,
		m.AWS(t, "kafka", "get-bootstrap-brokers", "--cluster-arn", arn))
	if bootstrap.BootstrapBrokerString != "" || len(strings.Split(bootstrap.BootstrapBrokerStringTls, ",")) != 3 {
		t.Errorf("a cluster with defaults is reached by TLS alone, through one broker of each zone: %+v", bootstrap)
	}

	client := m.TLSClient(t, arn)
	client.CreateTopic("payments", 6)
	client.Produce("payments", "payment", 1000)
	if got := client.Consume("payments", 1000); !slices.Equal(got, harness.Values("payment", 1000)) {
		t.Error("other records came out than went in")
	}

	nodes := harness.Decode[nodesOutput](t, m.AWS(t, "kafka", "list-nodes", "--cluster-arn", arn))
	var addresses, subnets []string
	for _, n := range nodes.NodeInfoList {
		if n.NodeType == "BROKER" {
			addresses = append(addresses, n.BrokerNodeInfo.ClientVpcIpAddress)
			subnets = append(subnets, n.BrokerNodeInfo.ClientSubnet)
		}
	}
	slices.Sort(subnets)
	if !slices.Equal(subnets, []string{"subnet-a", "subnet-b", "subnet-c"}) {
		t.Errorf("the brokers are in the subnets %v", subnets)
	}
	for _, address := range addresses {
		if !strings.Contains(bootstrap.BootstrapBrokerStringTls, address+":9094") {
			t.Errorf("the broker at %s is not in %s", address, bootstrap.BootstrapBrokerStringTls)
		}
	}

	operations := harness.Decode[operationsOutput](t, m.AWS(t, "kafka", "list-cluster-operations", "--cluster-arn", arn))
	if len(operations.ClusterOperationInfoList) != 1 {
		t.Fatalf("one operation was carried out, these are listed: %+v", operations)
	}
	operation := operations.ClusterOperationInfoList[0]
	if operation.OperationType != "CREATE_CLUSTER" || operation.OperationState != "UPDATE_COMPLETE" || len(operation.OperationSteps) < 3 {
		t.Errorf("the operation is %+v", operation)
	}
	for _, step := range operation.OperationSteps {
		if step.StepInfo.StepStatus != "COMPLETED" {
			t.Errorf("step %s of a complete operation is %s", step.StepName, step.StepInfo.StepStatus)
		}
	}

	deleted := harness.Decode[clusterOutput](t, m.AWS(t, "kafka", "delete-cluster", "--cluster-arn", arn))
	if deleted.State != "DELETING" {
		t.Errorf("delete-cluster answered %+v", deleted)
	}
	m.WaitUntilGone(t, arn)
	nothingIsLeft(t, m, addresses)
}

// nothingIsLeft looks for what a cluster that was deleted may have left: processes, files, listening ports.
func nothingIsLeft(t *testing.T, m *harness.Millrace, addresses []string) {
	t.Helper()
	for _, p := range m.Processes() {
		if p.Kind != harness.ControlPlane {
			t.Errorf("left behind: %s", p)
		}
	}
	for _, dir := range []string{"hosts", "volumes", "addresses", "secrets"} {
		entries, err := os.ReadDir(filepath.Join(m.Data, dir))
		if err != nil {
			t.Error(err)
		}
		for _, e := range entries {
			t.Errorf("left behind: %s", filepath.Join(dir, e.Name()))
		}
	}
	for _, address := range addresses {
		for _, port := range []string{"9092", "9094", "9095"} {
			if c, err := net.DialTimeout("tcp", net.JoinHostPort(address, port), time.Second); err == nil {
				c.Close()
				t.Errorf("left behind: somebody listens at %s:%s", address, port)
			}
		}
	}
}

func TestEnvironment_SpeaksToEveryAWSClient(t *testing.T) {
	m := harness.StartMillrace(t)
	environment := m.Environment()
	for _, name := range []string{
		"AWS_ENDPOINT_URL_KAFKA", "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		"AWS_REGION",         // the SDKs read this one
		"AWS_DEFAULT_REGION", // the aws command line and botocore read this one
	} {
		if environment[name] == "" {
			t.Errorf("millrace env does not set %s", name)
		}
	}
	if environment["AWS_REGION"] != environment["AWS_DEFAULT_REGION"] {
		t.Errorf("millrace env sets two different regions: %v", environment)
	}

	m.Down()
	if out, err := m.Try("env"); err == nil {
		t.Errorf("millrace env succeeds although nothing runs, and prints %q", out)
	}
}
