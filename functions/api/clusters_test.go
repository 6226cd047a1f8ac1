package api_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
)

const (
	absentCluster   = "arn:aws:kafka:eu-west-1:000000000000:cluster/gone/11111111-1111-1111-1111-111111111111-2"
	absentOperation = "arn:aws:kafka:eu-west-1:000000000000:cluster-operation/gone/11111111-1111-1111-1111-111111111111-2/22222222-2222-7222-8222-222222222222"
)

func (d *frontDesk) describe(t *testing.T, arn string) *types.ClusterInfo {
	t.Helper()
	out, err := d.DescribeCluster(t.Context(), &kafka.DescribeClusterInput{ClusterArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	return out.ClusterInfo
}

func TestDescribeCluster_SaysWhyACreateFailed(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.end(t, desk.create(t, "orders"), &cluster.Failure{Code: "Unavailable", Message: "there is no capacity"})
	info := desk.describe(t, c.ARN)
	if info.State != types.ClusterStateFailed || aws.ToString(info.StateInfo.Message) != "there is no capacity" {
		t.Errorf("%s: %+v", info.State, info.StateInfo)
	}
	if info.ActiveOperationArn != nil {
		t.Errorf("operation %s is shown as active", *info.ActiveOperationArn)
	}
}

func TestListClusters_FiltersByPrefixAndPages(t *testing.T) {
	desk := openFrontDesk(t)
	for _, name := range []string{"payments", "orders-b", "orders", "orders-a"} {
		desk.create(t, name)
	}
	for _, tt := range []struct {
		name   string
		filter *string
		size   int32
		want   []string
		pages  int
	}{
		{"all at once", nil, 100, []string{"orders", "orders-a", "orders-b", "payments"}, 1},
		{"a prefix", aws.String("orders"), 100, []string{"orders", "orders-a", "orders-b"}, 1},
		{"a prefix, two at a time", aws.String("orders"), 2, []string{"orders", "orders-a", "orders-b"}, 2},
		{"a prefix nothing has", aws.String("x"), 2, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v1, v2 []string
			pages := 0
			first := kafka.NewListClustersPaginator(desk, &kafka.ListClustersInput{ClusterNameFilter: tt.filter, MaxResults: &tt.size})
			for ; first.HasMorePages(); pages++ {
				page, err := first.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range page.ClusterInfoList {
					v1 = append(v1, *c.ClusterName)
				}
			}
			second := kafka.NewListClustersV2Paginator(desk, &kafka.ListClustersV2Input{
				ClusterNameFilter: tt.filter, MaxResults: &tt.size, ClusterTypeFilter: aws.String("PROVISIONED"),
			})
			for second.HasMorePages() {
				page, err := second.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range page.ClusterInfoList {
					v2 = append(v2, *c.ClusterName)
				}
			}
			if !slices.Equal(v1, tt.want) || !slices.Equal(v2, tt.want) || pages != tt.pages {
				t.Errorf("got %v and %v on %d pages, want %v on %d", v1, v2, pages, tt.want, tt.pages)
			}
		})
	}
	none, err := desk.ListClustersV2(t.Context(), &kafka.ListClustersV2Input{ClusterTypeFilter: aws.String("SERVERLESS")})
	if err != nil || len(none.ClusterInfoList) != 0 {
		t.Errorf("serverless clusters: %v, %v", none, err)
	}
	_, err = desk.ListClustersV2(t.Context(), &kafka.ListClustersV2Input{ClusterTypeFilter: aws.String("TINY")})
	refused(t, err, "BadRequestException", "PROVISIONED or SERVERLESS")
	_, err = desk.ListClusters(t.Context(), &kafka.ListClustersInput{NextToken: aws.String("nonsense")})
	refused(t, err, "BadRequestException", "nextToken")
	_, err = desk.ListClusters(t.Context(), &kafka.ListClustersInput{MaxResults: aws.Int32(101)})
	refused(t, err, "BadRequestException", "maxResults")
}

func TestGetBootstrapBrokers_NamesOneBrokerPerZoneThroughTheListenersThatAreOn(t *testing.T) {
	plaintext := "b-1.test:9092,b-2.test:9092,b-3.test:9092"
	encrypted := "b-1.test:9094,b-2.test:9094,b-3.test:9094"
	for _, tt := range []struct {
		clientBroker types.ClientBroker
		want         kafka.GetBootstrapBrokersOutput
	}{
		{"", kafka.GetBootstrapBrokersOutput{BootstrapBrokerStringTls: &encrypted}},
		{"TLS", kafka.GetBootstrapBrokersOutput{BootstrapBrokerStringTls: &encrypted}},
		{"PLAINTEXT", kafka.GetBootstrapBrokersOutput{BootstrapBrokerString: &plaintext}},
		{"TLS_PLAINTEXT", kafka.GetBootstrapBrokersOutput{BootstrapBrokerString: &plaintext, BootstrapBrokerStringTls: &encrypted}},
	} {
		t.Run("clientBroker "+string(tt.clientBroker), func(t *testing.T) {
			desk := openFrontDesk(t)
			p := threeBrokers()
			p.NumberOfBrokerNodes = aws.Int32(6)
			p.EncryptionInfo = &types.EncryptionInfo{EncryptionInTransit: &types.EncryptionInTransit{ClientBroker: tt.clientBroker}}
			if _, err := desk.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{ClusterName: aws.String("orders"), Provisioned: &p}); err != nil {
				t.Fatal(err)
			}
			c := desk.recorded(t, "orders")
			desk.addNodes(t, c, 6)
			desk.end(t, c, nil)
			out, err := desk.GetBootstrapBrokers(t.Context(), &kafka.GetBootstrapBrokersInput{ClusterArn: &c.ARN})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := asJSON(t, bootstrapOf(out)), asJSON(t, bootstrapOf(&tt.want)); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// bootstrapOf drops what the client adds to an answer.
func bootstrapOf(out *kafka.GetBootstrapBrokersOutput) kafka.GetBootstrapBrokersOutput {
	plain := *out
	plain.ResultMetadata = kafka.GetBootstrapBrokersOutput{}.ResultMetadata
	return plain
}

func TestGetBootstrapBrokers_IsEmptyWhereThereIsNothingToConnectTo(t *testing.T) {
	desk := openFrontDesk(t)
	ask := func(arn string) (*kafka.GetBootstrapBrokersOutput, error) {
		return desk.GetBootstrapBrokers(t.Context(), &kafka.GetBootstrapBrokersInput{ClusterArn: &arn})
	}
	wantEmpty := func(out *kafka.GetBootstrapBrokersOutput, err error) {
		t.Helper()
		if err != nil || out.BootstrapBrokerString != nil || out.BootstrapBrokerStringTls != nil {
			t.Errorf("got %+v, %v", out, err)
		}
	}
	c := desk.create(t, "orders")
	wantEmpty(ask(c.ARN)) // CREATING, without addresses yet

	// FAILED, with addresses: an error here would keep Terraform from destroying the cluster.
	desk.addNodes(t, c, 3)
	desk.end(t, c, &cluster.Failure{Code: "Unavailable", Message: "no capacity"})
	wantEmpty(ask(c.ARN))

	if _, err := desk.DeleteCluster(t.Context(), &kafka.DeleteClusterInput{ClusterArn: &c.ARN}); err != nil {
		t.Fatal(err)
	}
	_, err := ask(c.ARN)
	refused(t, err, "ConflictException", "DELETING state")
	_, err = ask(absentCluster)
	refused(t, err, "BadRequestException", "does not exist") // this operation models no NotFound
}

func TestListNodes_ListsBrokersByID(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	desk.addNodes(t, c, 12)
	var got []string
	pages := kafka.NewListNodesPaginator(desk, &kafka.ListNodesInput{ClusterArn: &c.ARN, MaxResults: aws.Int32(5)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range page.NodeInfoList {
			b := n.BrokerNodeInfo
			got = append(got, fmt.Sprintf("%g %s %s %s", *b.BrokerId, *b.ClientSubnet, *b.ClientVpcIpAddress, b.Endpoints[0]))
			if n.NodeType != "BROKER" || *b.CurrentBrokerSoftwareInfo.KafkaVersion != "4.1.x.kraft" || *b.AttachedENIId == "" {
				t.Errorf("node %+v", n)
			}
			if _, err := time.Parse(time.RFC3339, *n.AddedToClusterTime); err != nil {
				t.Error(err)
			}
		}
	}
	if len(got) != 12 || got[0] != "1 subnet-a 127.0.1.1 b-1.test" || got[11] != "12 subnet-c 127.0.1.12 b-12.test" {
		t.Errorf("got %q", got)
	}
	_, err := desk.ListNodes(t.Context(), &kafka.ListNodesInput{ClusterArn: aws.String(absentCluster)})
	refused(t, err, "NotFoundException", "does not exist")
}

func TestDeleteCluster_IsVisibleBeforeItReturnsAndMayBeRepeated(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.end(t, desk.create(t, "orders"), nil)
	for range 2 {
		out, err := desk.DeleteCluster(t.Context(), &kafka.DeleteClusterInput{ClusterArn: &c.ARN})
		if err != nil {
			t.Fatal(err)
		}
		if out.State != types.ClusterStateDeleting || *out.ClusterArn != c.ARN {
			t.Errorf("answered %+v", out)
		}
	}
	c = desk.recorded(t, "orders")
	if info := desk.describe(t, c.ARN); info.State != types.ClusterStateDeleting || info.ActiveOperationArn == nil {
		t.Errorf("the cluster is %s, held by %v", info.State, info.ActiveOperationArn)
	}
	want := fmt.Sprintf("delete-cluster %s-1", c.Active.ID)
	if len(desk.workflows.started) != 2 || desk.workflows.started[1] != want {
		t.Errorf("started %v, want one %s", desk.workflows.started, want)
	}
}

func TestDeleteCluster_IsAdmittedByStateAndVersion(t *testing.T) {
	heal := cluster.OperationType("HEAL_BROKER")
	for _, tt := range []struct {
		name    string
		set     func(*cluster.Cluster)
		version string
		want    string // a telling part of the refusal
	}{
		{"ACTIVE", func(*cluster.Cluster) {}, "", ""},
		{"ACTIVE, with its version", func(*cluster.Cluster) {}, "K1", ""},
		{"ACTIVE, with another version", func(*cluster.Cluster) {}, "K2", "The version of the cluster isn't current"},
		{"FAILED", func(c *cluster.Cluster) { c.Ready, c.Failure = false, &cluster.Failure{Code: "Internal"} }, "", ""},
		{"CREATING", func(c *cluster.Cluster) { c.Active = &cluster.ActiveOperation{ID: "1", Type: cluster.CreateCluster} }, "", "You can't delete cluster in CREATING state."},
		{"busy", func(c *cluster.Cluster) { c.Active = &cluster.ActiveOperation{ID: "1", Type: heal} }, "", "You can't delete cluster in "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			desk := openFrontDesk(t)
			c := desk.end(t, desk.create(t, "orders"), nil)
			if _, err := desk.records.ChangeCluster(t.Context(), c.ID, func(c *cluster.Cluster) error {
				c.Version = "K1"
				tt.set(c)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			in := &kafka.DeleteClusterInput{ClusterArn: &c.ARN}
			if tt.version != "" {
				in.CurrentVersion = &tt.version
			}
			_, err := desk.DeleteCluster(t.Context(), in)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			refused(t, err, "BadRequestException", tt.want)
			if len(desk.workflows.started) != 1 {
				t.Errorf("started %v", desk.workflows.started)
			}
		})
	}
	desk := openFrontDesk(t)
	_, err := desk.DeleteCluster(t.Context(), &kafka.DeleteClusterInput{ClusterArn: aws.String(absentCluster)})
	refused(t, err, "NotFoundException", "does not exist")
}

func TestClusterOperations_ShowStepsAndErrorsInBothVersions(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	arn := desk.describe(t, c.ARN).ActiveOperationArn
	if _, _, err := desk.records.ChangeOperation(t.Context(), c.ID, c.Active.ID,
		func(_ *cluster.Cluster, op *cluster.Operation) error {
			op.Steps = []cluster.Step{{Name: "LAUNCH_HOSTS", Status: cluster.StepCompleted}, {Name: "JOIN", Status: cluster.StepFailed}}
			return nil
		}); err != nil {
		t.Fatal(err)
	}
	desk.end(t, c, &cluster.Failure{Code: "Unavailable", Message: "no capacity"})

	v1, err := desk.DescribeClusterOperation(t.Context(), &kafka.DescribeClusterOperationInput{ClusterOperationArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	v2, err := desk.DescribeClusterOperationV2(t.Context(), &kafka.DescribeClusterOperationV2Input{ClusterOperationArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	one, two := v1.ClusterOperationInfo, v2.ClusterOperationInfo
	if *one.OperationState != "UPDATE_FAILED" || *two.OperationState != "UPDATE_FAILED" || *one.OperationType != "CREATE_CLUSTER" {
		t.Errorf("%+v and %+v", one, two)
	}
	if *one.ErrorInfo.ErrorString != "no capacity" || *two.ErrorInfo.ErrorCode != "Unavailable" || one.ClientRequestId == nil {
		t.Errorf("%+v and %+v", one, two)
	}
	if !one.CreationTime.Equal(*two.StartTime) || !one.EndTime.Equal(*two.EndTime) {
		t.Errorf("%+v and %+v", one, two)
	}
	if got := *one.OperationSteps[1].StepInfo.StepStatus; got != "FAILED" || *two.Provisioned.OperationSteps[0].StepName != "LAUNCH_HOSTS" {
		t.Errorf("%+v and %+v", one, two)
	}
	for _, unknown := range []string{absentOperation, *arn + "-not"} {
		_, err = desk.DescribeClusterOperation(t.Context(), &kafka.DescribeClusterOperationInput{ClusterOperationArn: &unknown})
		if err == nil {
			t.Errorf("%s was found", unknown)
		}
	}
	_, err = desk.DescribeClusterOperationV2(t.Context(), &kafka.DescribeClusterOperationV2Input{ClusterOperationArn: aws.String(absentOperation)})
	refused(t, err, "NotFoundException", "does not exist")
}

func TestListClusterOperations_GivesTheNewestFirst(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.end(t, desk.create(t, "orders"), nil)
	if _, err := desk.DeleteCluster(t.Context(), &kafka.DeleteClusterInput{ClusterArn: &c.ARN}); err != nil {
		t.Fatal(err)
	}
	var v1, v2 []string
	pages := kafka.NewListClusterOperationsPaginator(desk, &kafka.ListClusterOperationsInput{ClusterArn: &c.ARN, MaxResults: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range page.ClusterOperationInfoList {
			v1 = append(v1, *op.OperationType)
		}
	}
	all, err := desk.ListClusterOperationsV2(t.Context(), &kafka.ListClusterOperationsV2Input{ClusterArn: &c.ARN})
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range all.ClusterOperationInfoList {
		v2 = append(v2, *op.OperationType)
	}
	if want := []string{"DELETE_CLUSTER", "CREATE_CLUSTER"}; !slices.Equal(v1, want) || !slices.Equal(v2, want) {
		t.Errorf("got %v and %v, want %v", v1, v2, want)
	}
	_, err = desk.ListClusterOperations(t.Context(), &kafka.ListClusterOperationsInput{ClusterArn: aws.String(absentCluster)})
	refused(t, err, "BadRequestException", "does not exist") // the first version models no NotFound
	_, err = desk.ListClusterOperationsV2(t.Context(), &kafka.ListClusterOperationsV2Input{ClusterArn: aws.String(absentCluster)})
	refused(t, err, "NotFoundException", "does not exist")
}

func TestKafkaVersions_AreMSKsNamesAndNeverGoBack(t *testing.T) {
	desk := openFrontDesk(t)
	var names []string
	pages := kafka.NewListKafkaVersionsPaginator(desk, &kafka.ListKafkaVersionsInput{MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.KafkaVersions {
			names = append(names, *v.Version)
		}
	}
	if len(names) < 5 || names[0] != "3.9.x" || !slices.Contains(names, "4.1.x.kraft") {
		t.Errorf("versions %v", names)
	}
	matrix, err := desk.GetCompatibleKafkaVersions(t.Context(), &kafka.GetCompatibleKafkaVersionsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range matrix.CompatibleKafkaVersions {
		if *v.SourceVersion != names[i] {
			t.Errorf("row %d is %s, want %s", i, *v.SourceVersion, names[i])
		}
		for _, target := range v.TargetVersions {
			if slices.Index(names, target) <= i {
				t.Errorf("%s would go back to %s", names[i], target)
			}
		}
	}
	c := desk.create(t, "orders")
	mine, err := desk.GetCompatibleKafkaVersions(t.Context(), &kafka.GetCompatibleKafkaVersionsInput{ClusterArn: &c.ARN})
	if err != nil || len(mine.CompatibleKafkaVersions) != 1 || *mine.CompatibleKafkaVersions[0].SourceVersion != "4.1.x.kraft" {
		t.Errorf("got %+v, %v", mine, err)
	}
}

func TestTags_ChangeInAnyStateAndLeaveTheVersionAlone(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders") // CREATING: Ansible tags at once
	tag := func(tags map[string]string) error {
		_, err := desk.TagResource(t.Context(), &kafka.TagResourceInput{ResourceArn: &c.ARN, Tags: tags})
		return err
	}
	if err := tag(map[string]string{"team": "shop", "stage": "test"}); err != nil {
		t.Fatal(err)
	}
	if err := tag(map[string]string{"team": "stock"}); err != nil {
		t.Fatal(err)
	}
	_, err := desk.UntagResource(t.Context(), &kafka.UntagResourceInput{ResourceArn: &c.ARN, TagKeys: []string{"stage", "never"}})
	if err != nil {
		t.Fatal(err)
	}
	listed, err := desk.ListTagsForResource(t.Context(), &kafka.ListTagsForResourceInput{ResourceArn: &c.ARN})
	if err != nil {
		t.Fatal(err)
	}
	info := desk.describe(t, c.ARN)
	if want := "map[team:stock]"; fmt.Sprint(listed.Tags) != want || fmt.Sprint(info.Tags) != want {
		t.Errorf("listed %v, described %v, want %s", listed.Tags, info.Tags, want)
	}
	if *info.CurrentVersion != c.Version {
		t.Errorf("the version moved from %s to %s", c.Version, *info.CurrentVersion)
	}
	tooMany := map[string]string{}
	for i := range 50 {
		tooMany[fmt.Sprint(i)] = ""
	}
	refused(t, tag(tooMany), "BadRequestException", "at most 50 tags, not 51")
	_, err = desk.ListTagsForResource(t.Context(), &kafka.ListTagsForResourceInput{ResourceArn: aws.String(absentCluster)})
	refused(t, err, "NotFoundException", "does not exist")
}
