package api_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/millrace/millrace/functions/api"
	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/cluster"
)

const (
	kafkaNamespace = types.ServiceNamespaceKafka
	volumeSize     = types.ScalableDimensionKafkaBrokerStorageVolumeSize
)

// scaling gives a client of Application Auto Scaling, which knows nothing of Millrace but the endpoint.
func (d *frontDesk) scaling(id, secret string) *applicationautoscaling.Client {
	return applicationautoscaling.New(applicationautoscaling.Options{
		Region: region, BaseEndpoint: &d.url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

// target is the smallest request that registers a target.
func target(c cluster.Cluster) *applicationautoscaling.RegisterScalableTargetInput {
	return &applicationautoscaling.RegisterScalableTargetInput{
		ServiceNamespace: kafkaNamespace, ScalableDimension: volumeSize, ResourceId: &c.ARN,
		MinCapacity: aws.Int32(1), MaxCapacity: aws.Int32(500),
	}
}

// policy is the policy that Terraform sends when it is told as little as possible.
func policy(c cluster.Cluster, name string) *applicationautoscaling.PutScalingPolicyInput {
	return &applicationautoscaling.PutScalingPolicyInput{
		ServiceNamespace: kafkaNamespace, ScalableDimension: volumeSize, ResourceId: &c.ARN,
		PolicyName: &name, PolicyType: types.PolicyTypeTargetTrackingScaling,
		TargetTrackingScalingPolicyConfiguration: &types.TargetTrackingScalingPolicyConfiguration{
			PredefinedMetricSpecification: &types.PredefinedMetricSpecification{
				PredefinedMetricType: types.MetricTypeKafkaBrokerStorageUtilization,
			},
			TargetValue: aws.Float64(60), DisableScaleIn: aws.Bool(false), ScaleInCooldown: aws.Int32(0), ScaleOutCooldown: aws.Int32(0),
		},
	}
}

// scale registers a target with a policy on it.
func (d *frontDesk) scale(t *testing.T, c cluster.Cluster, name string) {
	t.Helper()
	client := d.scaling(accessKey, secretKey)
	if _, err := client.RegisterScalableTarget(t.Context(), target(c)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutScalingPolicy(t.Context(), policy(c, name)); err != nil {
		t.Fatal(err)
	}
}

func TestScaling_TargetAndPolicyAreShownAsTheyWereGivenAndGoTogether(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders") // it is CREATING
	client := desk.scaling(accessKey, secretKey)
	ctx := t.Context()

	first := target(c)
	first.Tags = map[string]string{"team": "payments"}
	registered, err := client.RegisterScalableTarget(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	put, err := client.PutScalingPolicy(ctx, policy(c, "grow"))
	if err != nil || !strings.HasSuffix(*put.PolicyARN, ":resource/kafka/"+c.ARN+":policyName/grow") {
		t.Fatalf("put %v, %v", put, err)
	}
	// What is given later is changed, the rest stays, and so do the names.
	again, err := client.RegisterScalableTarget(ctx, &applicationautoscaling.RegisterScalableTargetInput{
		ServiceNamespace: kafkaNamespace, ScalableDimension: volumeSize, ResourceId: &c.ARN, MaxCapacity: aws.Int32(700),
		SuspendedState: &types.SuspendedState{DynamicScalingOutSuspended: aws.Bool(true)},
	})
	if err != nil || *again.ScalableTargetARN != *registered.ScalableTargetARN {
		t.Fatalf("registered again: %v, %v", again, err)
	}
	higher := policy(c, "grow")
	higher.TargetTrackingScalingPolicyConfiguration.TargetValue = aws.Float64(72.5)
	higher.TargetTrackingScalingPolicyConfiguration.ScaleOutCooldown = aws.Int32(300)
	if changed, err := client.PutScalingPolicy(ctx, higher); err != nil || *changed.PolicyARN != *put.PolicyARN {
		t.Fatalf("put again: %v, %v", changed, err)
	}

	targets, err := client.DescribeScalableTargets(ctx, &applicationautoscaling.DescribeScalableTargetsInput{
		ServiceNamespace: kafkaNamespace, ScalableDimension: volumeSize, ResourceIds: []string{c.ARN},
	})
	if err != nil || len(targets.ScalableTargets) != 1 {
		t.Fatalf("targets: %v, %v", targets, err)
	}
	got := targets.ScalableTargets[0]
	if *got.MinCapacity != 1 || *got.MaxCapacity != 700 || *got.ResourceId != c.ARN || *got.ScalableTargetARN != *registered.ScalableTargetARN ||
		got.ScalableDimension != volumeSize || !strings.Contains(*got.RoleARN, "_KafkaCluster") || !*got.SuspendedState.DynamicScalingOutSuspended ||
		*got.SuspendedState.DynamicScalingInSuspended || time.Since(*got.CreationTime).Abs() > time.Minute {
		t.Errorf("the target is %+v", got)
	}
	policies, err := client.DescribeScalingPolicies(ctx, &applicationautoscaling.DescribeScalingPoliciesInput{
		ServiceNamespace: kafkaNamespace, ResourceId: &c.ARN, PolicyNames: []string{"grow"},
	})
	if err != nil || len(policies.ScalingPolicies) != 1 {
		t.Fatalf("policies: %v, %v", policies, err)
	}
	shown := policies.ScalingPolicies[0]
	if *shown.PolicyARN != *put.PolicyARN || shown.PolicyType != types.PolicyTypeTargetTrackingScaling || shown.CreationTime == nil {
		t.Errorf("the policy is %+v", shown)
	}
	if k := shown.TargetTrackingScalingPolicyConfiguration; *k.TargetValue != 72.5 || *k.DisableScaleIn || *k.ScaleInCooldown != 0 ||
		*k.ScaleOutCooldown != 300 || k.PredefinedMetricSpecification.PredefinedMetricType != types.MetricTypeKafkaBrokerStorageUtilization {
		t.Errorf("the configuration is %+v", *k)
	}
	said, err := desk.records.StorageScaling(ctx, c.ID)
	if _, grows := said.Effective(); err != nil || grows {
		t.Errorf("volumes grow although that is suspended: %+v, %v", said, err)
	}

	if _, err := client.DeregisterScalableTarget(ctx, &applicationautoscaling.DeregisterScalableTargetInput{
		ServiceNamespace: kafkaNamespace, ScalableDimension: volumeSize, ResourceId: &c.ARN,
	}); err != nil {
		t.Fatal(err)
	}
	if left, err := desk.records.AllStorageScaling(ctx); err != nil || len(left) > 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}

func TestScaling_RefusesByNameWhatItDoesNotScale(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	desk.scale(t, c, "grow")
	other := desk.create(t, "payments")
	client := desk.scaling(accessKey, secretKey)
	ctx := t.Context()

	for _, tt := range []struct {
		name   string
		change func(*applicationautoscaling.RegisterScalableTargetInput)
		want   string
	}{
		{"another service", func(in *applicationautoscaling.RegisterScalableTargetInput) { in.ServiceNamespace = "ecs" }, `can't be "ecs"`},
		{"another dimension", func(in *applicationautoscaling.RegisterScalableTargetInput) {
			in.ScalableDimension = "ecs:service:DesiredCount"
		}, "kafka:broker-storage:VolumeSize"},
		{"no ARN", func(in *applicationautoscaling.RegisterScalableTargetInput) { in.ResourceId = aws.String("orders") }, "not the ARN of a cluster"},
		{"no such cluster", func(in *applicationautoscaling.RegisterScalableTargetInput) {
			in.ResourceId = aws.String(strings.Replace(other.ARN, "payments", "nobody", 1))
		}, "does not exist"},
		{"no maximum", func(in *applicationautoscaling.RegisterScalableTargetInput) { in.MaxCapacity = nil }, "both MinCapacity and MaxCapacity"},
		{"too much", func(in *applicationautoscaling.RegisterScalableTargetInput) { in.MaxCapacity = aws.Int32(16385) }, "1 to 16384 GiB"},
		{"nothing", func(in *applicationautoscaling.RegisterScalableTargetInput) { in.MinCapacity = aws.Int32(0) }, "1 to 16384 GiB"},
		{"the wrong way round", func(in *applicationautoscaling.RegisterScalableTargetInput) {
			in.MinCapacity, in.MaxCapacity = aws.Int32(90), aws.Int32(80)
		}, "can't be 90 and 80"},
		{"growth at once", func(in *applicationautoscaling.RegisterScalableTargetInput) { in.MinCapacity = aws.Int32(20000) }, "use UpdateBrokerStorage"},
		{"a role that is none", func(in *applicationautoscaling.RegisterScalableTargetInput) {
			in.RoleARN = aws.String(strings.Repeat("x", 500_000))
		}, "RoleARN is the ARN of a role"},
		{"a reserved tag", func(in *applicationautoscaling.RegisterScalableTargetInput) {
			in.Tags = map[string]string{"aws:x": "y"}
		}, "reserved"},
	} {
		t.Run("a target: "+tt.name, func(t *testing.T) {
			in := target(other)
			tt.change(in)
			_, err := client.RegisterScalableTarget(ctx, in)
			refused(t, err, "ValidationException", tt.want)
		})
	}
	for _, tt := range []struct {
		name   string
		change func(*applicationautoscaling.PutScalingPolicyInput)
		want   string
	}{
		{"another type", func(in *applicationautoscaling.PutScalingPolicyInput) { in.PolicyType = types.PolicyTypeStepScaling }, `PolicyType can't be "StepScaling"`},
		{"no type", func(in *applicationautoscaling.PutScalingPolicyInput) { in.PolicyType = "" }, "PolicyType is required"},
		{"steps", func(in *applicationautoscaling.PutScalingPolicyInput) {
			in.StepScalingPolicyConfiguration = &types.StepScalingPolicyConfiguration{}
		}, "StepScalingPolicyConfiguration"},
		{"no configuration", func(in *applicationautoscaling.PutScalingPolicyInput) {
			in.TargetTrackingScalingPolicyConfiguration = nil
		}, "is required"},
		{"another metric", func(in *applicationautoscaling.PutScalingPolicyInput) {
			in.TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification.PredefinedMetricType = types.MetricTypeECSServiceAverageCPUUtilization
		}, "PredefinedMetricType can't be"},
		{"a metric of one's own", func(in *applicationautoscaling.PutScalingPolicyInput) {
			in.TargetTrackingScalingPolicyConfiguration.CustomizedMetricSpecification = &types.CustomizedMetricSpecification{}
		}, "no CustomizedMetricSpecification"},
		{"9 %", func(in *applicationautoscaling.PutScalingPolicyInput) {
			in.TargetTrackingScalingPolicyConfiguration.TargetValue = aws.Float64(9)
		}, "10 to 80"},
		{"81 %", func(in *applicationautoscaling.PutScalingPolicyInput) {
			in.TargetTrackingScalingPolicyConfiguration.TargetValue = aws.Float64(81)
		}, "10 to 80"},
		{"a second one", func(in *applicationautoscaling.PutScalingPolicyInput) { in.PolicyName = aws.String("second") }, `there is one, "grow"`},
	} {
		t.Run("a policy: "+tt.name, func(t *testing.T) {
			in := policy(c, "grow")
			tt.change(in)
			_, err := client.PutScalingPolicy(ctx, in)
			refused(t, err, "ValidationException", tt.want)
		})
	}
	_, err := client.PutScalingPolicy(ctx, policy(other, "grow"))
	refused(t, err, "ObjectNotFoundException", "No scalable target is registered")
	_, err = client.DeleteScalingPolicy(ctx, &applicationautoscaling.DeleteScalingPolicyInput{
		ServiceNamespace: kafkaNamespace, ScalableDimension: volumeSize, ResourceId: &c.ARN, PolicyName: aws.String("shrink"),
	})
	refused(t, err, "ObjectNotFoundException", "shrink")
	_, err = client.DeregisterScalableTarget(ctx, &applicationautoscaling.DeregisterScalableTargetInput{
		ServiceNamespace: kafkaNamespace, ScalableDimension: volumeSize, ResourceId: &other.ARN,
	})
	refused(t, err, "ObjectNotFoundException", other.ARN)
	_, err = client.DescribeScalableTargets(ctx, &applicationautoscaling.DescribeScalableTargetsInput{ServiceNamespace: kafkaNamespace, ScalableDimension: volumeSize})
	refused(t, err, "ValidationException", "together with the resource")
	_, err = client.DescribeScalingActivities(ctx, &applicationautoscaling.DescribeScalingActivitiesInput{
		ServiceNamespace: kafkaNamespace, IncludeNotScaledActivities: aws.Bool(true),
	})
	refused(t, err, "ValidationException", "IncludeNotScaledActivities")
	_, err = client.DescribeScheduledActions(ctx, &applicationautoscaling.DescribeScheduledActionsInput{ServiceNamespace: kafkaNamespace})
	refused(t, err, "ValidationException", "does not support the operation DescribeScheduledActions")
}

func TestScaling_ATargetCarriesTags(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	client := desk.scaling(accessKey, secretKey)
	ctx := t.Context()
	in := target(c)
	in.Tags = map[string]string{"team": "payments", "stage": "test"}
	out, err := client.RegisterScalableTarget(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.TagResource(ctx, &applicationautoscaling.TagResourceInput{ResourceARN: out.ScalableTargetARN, Tags: map[string]string{"stage": "live"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.UntagResource(ctx, &applicationautoscaling.UntagResourceInput{ResourceARN: out.ScalableTargetARN, TagKeys: []string{"team"}}); err != nil {
		t.Fatal(err)
	}
	tags, err := client.ListTagsForResource(ctx, &applicationautoscaling.ListTagsForResourceInput{ResourceARN: out.ScalableTargetARN})
	if err != nil || len(tags.Tags) != 1 || tags.Tags["stage"] != "live" {
		t.Errorf("tags: %v, %v", tags, err)
	}
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprint("key-", i)] = ""
	}
	_, err = client.TagResource(ctx, &applicationautoscaling.TagResourceInput{ResourceARN: out.ScalableTargetARN, Tags: many})
	refused(t, err, "TooManyTagsException", "at most 50")
	_, err = client.ListTagsForResource(ctx, &applicationautoscaling.ListTagsForResourceInput{ResourceARN: aws.String(*out.ScalableTargetARN + "0")})
	refused(t, err, "ResourceNotFoundException", "no scalable target")
}

func TestScaling_ListsGoByPages(t *testing.T) {
	desk := openFrontDesk(t)
	for _, name := range []string{"a", "b", "c"} {
		desk.scale(t, desk.create(t, name), "grow-"+name)
	}
	client := desk.scaling(accessKey, secretKey)
	var names []string
	pages := applicationautoscaling.NewDescribeScalingPoliciesPaginator(client,
		&applicationautoscaling.DescribeScalingPoliciesInput{ServiceNamespace: kafkaNamespace, MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.ScalingPolicies {
			names = append(names, *p.PolicyName)
		}
	}
	if !slices.Equal(names, []string{"grow-a", "grow-b", "grow-c"}) {
		t.Errorf("the policies are %v", names)
	}
	// Who is named twice is shown once, however the pages are cut.
	b, c := desk.recorded(t, "b").ARN, desk.recorded(t, "c").ARN
	var resources []string
	named := applicationautoscaling.NewDescribeScalableTargetsPaginator(client, &applicationautoscaling.DescribeScalableTargetsInput{
		ServiceNamespace: kafkaNamespace, MaxResults: aws.Int32(1), ResourceIds: []string{c, b, c, b, b},
	})
	for named.HasMorePages() {
		page, err := named.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range page.ScalableTargets {
			resources = append(resources, *target.ResourceId)
		}
	}
	if !slices.Equal(resources, []string{b, c}) {
		t.Errorf("the targets of %s and %s are %v", b, c, resources)
	}
	_, err := client.DescribeScalableTargets(t.Context(), &applicationautoscaling.DescribeScalableTargetsInput{
		ServiceNamespace: kafkaNamespace, ResourceIds: slices.Repeat([]string{b}, 51),
	})
	refused(t, err, "ValidationException", "50 resources at most")
	_, err = client.DescribeScalableTargets(t.Context(), &applicationautoscaling.DescribeScalableTargetsInput{
		ServiceNamespace: kafkaNamespace, NextToken: aws.String("nonsense"),
	})
	refused(t, err, "InvalidNextTokenException", "not a token")
	_, err = client.DescribeScalableTargets(t.Context(), &applicationautoscaling.DescribeScalableTargetsInput{
		ServiceNamespace: kafkaNamespace, MaxResults: aws.Int32(51),
	})
	refused(t, err, "ValidationException", "between 1 and 50")
}

func TestScaling_ActivitiesAreTheGrowthsThatNobodyAskedFor(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.end(t, desk.create(t, "orders"), nil)
	desk.scale(t, c, "grow")
	begun := time.Now()
	for i, op := range []cluster.Operation{
		{State: cluster.Complete, EndedAt: begun.Add(time.Minute), Storage: &cluster.StorageChange{Every: cluster.VolumeShape{SizeGiB: 110}, Automatic: true}},
		{State: cluster.Complete, EndedAt: begun.Add(time.Minute), Storage: &cluster.StorageChange{Every: cluster.VolumeShape{SizeGiB: 200}}},
		{State: cluster.Complete, EndedAt: begun.Add(time.Minute), Storage: &cluster.StorageChange{Every: cluster.VolumeShape{SizeGiB: 200}, Automatic: true, Merges: true}},
		{State: cluster.OperationFailed, EndedAt: begun.Add(time.Minute), Failure: &cluster.Failure{Message: "no room"}, Storage: &cluster.StorageChange{Every: cluster.VolumeShape{SizeGiB: 220}, Automatic: true}},
	} {
		op.ClusterID, op.Type, op.CreatedAt = c.ID, cluster.UpdateBrokerStorage, begun.Add(time.Duration(i)*time.Second)
		var err error
		if op.ID, err = cluster.NewOperationID(op.CreatedAt, rand.Reader); err != nil {
			t.Fatal(err)
		}
		if _, err := desk.records.StartOperation(t.Context(), c.ID, op, func(c *cluster.Cluster) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	out, err := desk.scaling(accessKey, secretKey).DescribeScalingActivities(t.Context(), &applicationautoscaling.DescribeScalingActivitiesInput{
		ServiceNamespace: kafkaNamespace, ResourceId: &c.ARN, ScalableDimension: volumeSize,
	})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, a := range out.ScalingActivities {
		told = append(told, fmt.Sprintf("%s %s %s", *a.Description, a.StatusCode, *a.StatusMessage))
	}
	if want := []string{
		"Setting volume size to 220. Failed no room", "Setting volume size to 110. Successful Successfully set volume size to 110.",
	}; !slices.Equal(told, want) {
		t.Errorf("the activities are %q, want %q", told, want)
	}
}

func TestScaling_WarnsOfAMaximumThatLetsNothingGrow(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	log := captureLog(t)
	for _, tt := range []struct {
		most  int32
		warns bool
	}{{101, false}, {100, true}, {50, true}} {
		before := strings.Count(log.String(), "none grows")
		in := target(c)
		in.MaxCapacity = &tt.most
		if _, err := desk.scaling(accessKey, secretKey).RegisterScalableTarget(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(log.String(), "none grows") > before; got != tt.warns {
			t.Errorf("a maximum of %d GiB warns: %v", tt.most, got)
		}
	}
}

func TestScaling_KnowsItsCallers(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	desk.scale(t, c, "grow")
	reader := desk.issue(t, accesskey.ReadOnly)
	looks := &applicationautoscaling.DescribeScalableTargetsInput{ServiceNamespace: kafkaNamespace}
	if _, err := desk.scaling(reader.id, reader.secret).DescribeScalableTargets(t.Context(), looks); err != nil {
		t.Error(err)
	}
	_, err := desk.scaling(reader.id, reader.secret).RegisterScalableTarget(t.Context(), target(c))
	refused(t, err, "AccessDeniedException", "takes the role operator")
	mover := desk.issue(t, accesskey.Operator)
	if _, err := desk.scaling(mover.id, mover.secret).RegisterScalableTarget(t.Context(), target(c)); err != nil {
		t.Error(err)
	}
	_, err = desk.scaling(accessKey, "guessed").DescribeScalableTargets(t.Context(), looks)
	refused(t, err, "AccessDeniedException", "signature")
	_, err = desk.scaling("AKIASTRANGER", secretKey).DescribeScalableTargets(t.Context(), looks)
	refused(t, err, "UnrecognizedClientException", "not known")
}

// scalingRequest is a signed request for targets as it goes over the wire, to the path that is signed.
func scalingRequest(t *testing.T, url, path, service, action string) *http.Request {
	t.Helper()
	body := []byte(`{"ServiceNamespace": "kafka"}`)
	rq, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	rq.Header.Set("X-Amz-Target", "AnyScaleFrontendService."+action)
	sum := sha256.Sum256(body)
	key := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
	if err := v4.NewSigner().SignHTTP(t.Context(), key, rq, hex.EncodeToString(sum[:]), service, region, time.Now()); err != nil {
		t.Fatal(err)
	}
	return rq
}

func TestScaling_TheHeaderThatSaysWhatIsAskedForIsSignedForThisService(t *testing.T) {
	desk := openFrontDesk(t)
	const describe = "DescribeScalableTargets"
	if a := receive(t, scalingRequest(t, desk.url, "/", "application-autoscaling", describe)); a.Status != 200 {
		t.Errorf("got %+v", a)
	}
	if a := receive(t, scalingRequest(t, desk.url, "/", "kafka", describe)); a.Status != 400 || a.Body["__type"] != "AccessDeniedException" {
		t.Errorf("signed for kafka: %+v", a)
	}
	changed := scalingRequest(t, desk.url, "/", "application-autoscaling", describe)
	changed.Header.Set("X-Amz-Target", "AnyScaleFrontendService.DescribeScalingPolicies")
	if a := receive(t, changed); a.Status != 400 || a.Body["__type"] != "AccessDeniedException" {
		t.Errorf("with another header than was signed: %+v", a)
	}
	for path, action := range map[string]string{"/v1/clusters": describe, "/": "Describe"} {
		if a := receive(t, scalingRequest(t, desk.url, path, "application-autoscaling", action)); a.Status != 400 {
			t.Errorf("%s %s: %+v", path, action, a)
		}
	}
	// MSK's operations are not signed for this service.
	rq := scalingRequest(t, desk.url, "/v1/clusters", "application-autoscaling", describe)
	rq.Header.Del("X-Amz-Target")
	if a := receive(t, rq); a.Status != 403 {
		t.Errorf("MSK's operation, signed for this service: %+v", a)
	}
}

func TestScaling_ComesByApiGatewayToo(t *testing.T) {
	desk := openFrontDesk(t)
	// Clients with an endpoint such as https://…/v1 sign its path, with or without a slash at its end.
	for _, path := range []string{"/v1", "/v1/", "/v1/application-autoscaling"} {
		rq := scalingRequest(t, "https://"+gatewayHost, path, "application-autoscaling", "DescribeScalableTargets")
		e := event("/", "POST", "/"+strings.TrimPrefix(strings.TrimPrefix(path, "/v1"), "/"), "")
		e.Body = `{"ServiceNamespace": "kafka"}`
		for name := range rq.Header {
			e.Headers[name] = rq.Header.Get(name)
		}
		if a := desk.arrive(t, e); a.Status != 200 {
			t.Errorf("%s: %+v", path, a)
		}
	}
	e := event(api.IAMResource, "POST", "/iam/application-autoscaling", somebody)
	e.Headers["X-Amz-Target"], e.Body = "AnyScaleFrontendService.DescribeScalableTargets", `{"ServiceNamespace": "kafka"}`
	if a := desk.arrive(t, e); a.Status != 200 {
		t.Errorf("by IAM: %+v", a)
	}
	// Nobody's identity counts at the root, and the header opens no other path of IAM's.
	for _, change := range []struct{ resource, path string }{{"/", "/"}, {api.IAMResource, "/iam/v1/clusters"}} {
		e.Resource, e.Path = change.resource, change.path
		if a := desk.arrive(t, e); a.Status == 200 {
			t.Errorf("%v: %+v", change, a)
		}
	}
}

func TestScaling_NothingRequestedIsDropped(t *testing.T) {
	desk := openFrontDesk(t)
	send := func(action, body string) answer {
		rq, err := http.NewRequestWithContext(t.Context(), http.MethodPost, desk.url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		rq.Header.Set("X-Amz-Target", "AnyScaleFrontendService."+action)
		sum := sha256.Sum256([]byte(body))
		key := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
		if err := v4.NewSigner().SignHTTP(t.Context(), key, rq, hex.EncodeToString(sum[:]), "application-autoscaling", region, time.Now()); err != nil {
			t.Fatal(err)
		}
		return receive(t, rq)
	}
	for _, tt := range []struct{ name, body, want string }{
		{"no JSON", "{", "not valid JSON"},
		{"no object", "[]", "JSON object"},
		{"two objects", `{"ServiceNamespace": "kafka"}{}`, "after its JSON object"},
		{"a member nobody knows", `{"ServiceNamespace": "kafka", "Turbo": true}`, "Turbo is not known"},
		{"a number as a name", `{"ServiceNamespace": 7}`, "ServiceNamespace can't be a number"},
		{"a missing member", `{}`, "ServiceNamespace is required"},
	} {
		a := send("DescribeScalableTargets", tt.body)
		message, _ := a.Body["Message"].(string)
		if a.Status != 400 || a.Type != "ValidationException" || a.Body["__type"] != a.Type || !strings.Contains(message, tt.want) || a.Request == "" {
			t.Errorf("%s: %+v, want %q", tt.name, a, tt.want)
		}
	}
	if a := send("DescribeScalableTargets", `{"ServiceNamespace": "kafka"}`); a.Status != 200 || fmt.Sprint(a.Body) != "map[ScalableTargets:[]]" {
		t.Errorf("an empty list is %+v", a)
	}
}

func TestScaling_ATargetGoesWithItsCluster(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.end(t, desk.create(t, "orders"), nil)
	desk.scale(t, c, "grow")
	if err := desk.records.ForgetCluster(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	client := desk.scaling(accessKey, secretKey)
	out, err := client.DescribeScalableTargets(t.Context(), &applicationautoscaling.DescribeScalableTargetsInput{
		ServiceNamespace: kafkaNamespace, ResourceIds: []string{c.ARN}, ScalableDimension: volumeSize,
	})
	if err != nil || len(out.ScalableTargets) > 0 {
		t.Errorf("left: %v, %v", out, err)
	}
	_, err = client.DeregisterScalableTarget(t.Context(), &applicationautoscaling.DeregisterScalableTargetInput{
		ServiceNamespace: kafkaNamespace, ScalableDimension: volumeSize, ResourceId: &c.ARN,
	})
	refused(t, err, "ObjectNotFoundException", c.ARN) // which Terraform takes for "it is gone"
}

func TestScaling_TimesAreSecondsSince1970(t *testing.T) {
	desk := openFrontDesk(t)
	desk.scale(t, desk.create(t, "orders"), "grow")
	a := receive(t, scalingRequest(t, desk.url, "/", "application-autoscaling", "DescribeScalableTargets"))
	text, _ := json.Marshal(a.Body)
	targets, _ := a.Body["ScalableTargets"].([]any)
	if len(targets) != 1 {
		t.Fatalf("got %s", text)
	}
	seconds, _ := targets[0].(map[string]any)["CreationTime"].(float64)
	if time.Since(time.Unix(int64(seconds), 0)).Abs() > time.Minute {
		t.Errorf("got %s", text)
	}
}
