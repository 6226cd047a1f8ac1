package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	listedTopics   = 1000
	topicPage      = 100
	topicCallers   = 10
	callsOfEach    = 200 // of each caller
	declaredTopics = 500
)

// Figures of topics, those of single calls each followed by which percentile they are.
const (
	pageOfOne      = "topic-page-"
	pageOfTen      = "topic-page-of-ten-"
	createTopicOf  = "topic-create-"
	describeOf     = "topic-describe-"
	planTopicsOf   = "topic-plan"
	applyTopicsOf  = "topic-apply"
	replanTopicsOf = "topic-plan-again"
)

func topicPromises() []promise {
	promises := []promise{}
	for _, p := range []promise{
		{pageOfOne, fmt.Sprintf("page of %d of %d topics", topicPage, listedTopics), "ms", 60, 0},
		{pageOfTen, fmt.Sprintf("the same, %d callers at once", topicCallers), "ms", 0, 0},
		{createTopicOf, "create a topic of 3 partitions, call → every broker knows it", "ms", 0, 0},
		{describeOf, "describe a topic", "ms", 0, 0},
	} {
		promises = append(promises, promise{p.sample + "p50", p.name + ", p50", p.unit, 0, 0}, promise{p.sample + "p99", p.name + ", p99", p.unit, p.limit, 0})
	}
	return append(promises,
		promise{planTopicsOf, fmt.Sprintf("plan %d new topics", declaredTopics), "s", 0, 0},
		promise{applyTopicsOf, "apply them, call → every partition has a leader", "s", 0, 0},
		promise{replanTopicsOf, "plan them again, with nothing to do", "s", 0, 0},
	)
}

// measureTopics asks for topics of a cluster that has many, makes some, and declares others.
func (b *bench) measureTopics(ctx context.Context) error {
	c, arn, err := b.withCluster(ctx, "topics")
	if err != nil {
		return err
	}
	k, err := c.brokersOf(ctx, arn, withTLS)
	if err != nil {
		return err
	}
	if err := k.createMany(ctx, listedTopics); err != nil {
		return err
	}
	t := topicCluster{b, c, arn}
	err = until(ctx, look, "the topics to be known to the brokers", func() (bool, error) {
		listed, err := t.count(ctx)
		return listed == listedTopics, err
	})
	if err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{t.measurePages, t.measureCreates, t.measureDescribes, t.measureDeclaration} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return b.stopQuietly(ctx, c)
}

// createMany makes topics of one partition, a hundred in a request.
func (k brokers) createMany(ctx context.Context, count int) error {
	options, err := k.options(k.addresses...)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("many-%04d", i)
	}
	for some := range slices.Chunk(names, 100) {
		if err := createTopics(ctx, client, 1, some...); err != nil {
			return err
		}
	}
	return nil
}

// topicCluster is a cluster whose topics are asked for.
type topicCluster struct {
	bench *bench
	plane *controlPlane
	arn   string
}

// add keeps the percentiles of what single calls took.
func (t topicCluster) add(figure string, ms []float64) {
	for _, p := range []int{50, 99} {
		t.bench.samples.add(fmt.Sprintf("%sp%d", figure, p), ours, percentile(ms, p))
	}
	progress("%s: p50 %.1f ms, p99 %.1f ms", figure, percentile(ms, 50), percentile(ms, 99))
}

// measurePages goes through all topics page by page, over and over: alone, and with others that do the same.
func (t topicCluster) measurePages(ctx context.Context) error {
	for _, round := range []struct {
		figure  string
		callers int
	}{{pageOfOne, 1}, {pageOfTen, topicCallers}} {
		took := make([][]float64, round.callers)
		errs := make([]error, round.callers)
		var callers sync.WaitGroup
		for i := range round.callers {
			callers.Go(func() { took[i], errs[i] = t.page(ctx) })
		}
		callers.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		t.add(round.figure, slices.Concat(took...))
	}
	return nil
}

// count is how many topics are listed.
func (t topicCluster) count(ctx context.Context) (listed int, err error) {
	pages := kafka.NewListTopicsPaginator(t.plane.client, &kafka.ListTopicsInput{
		ClusterArn: &t.arn, MaxResults: aws.Int32(topicPage), TopicNameFilter: aws.String("many-"),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, fmt.Errorf("list topics: %w", err)
		}
		listed += len(page.Topics)
	}
	return listed, nil
}

// page asks for one page after the other, and gives the milliseconds of each.
func (t topicCluster) page(ctx context.Context) (took []float64, err error) {
	var token *string
	listed := 0
	for range callsOfEach {
		began := time.Now()
		answer, err := t.plane.client.ListTopics(ctx, &kafka.ListTopicsInput{
			ClusterArn: &t.arn, MaxResults: aws.Int32(topicPage), NextToken: token, TopicNameFilter: aws.String("many-"),
		})
		if err != nil {
			return nil, fmt.Errorf("list topics: %w", err)
		}
		took = append(took, sinceMS(began))
		listed += len(answer.Topics)
		if token = answer.NextToken; token == nil {
			if listed != listedTopics {
				return nil, fmt.Errorf("%d topics are listed instead of %d", listed, listedTopics)
			}
			listed = 0
		}
	}
	return took, nil
}

func sinceMS(began time.Time) float64 { return float64(time.Since(began)) / float64(time.Millisecond) }

// measureCreates makes topics one after the other.
func (t topicCluster) measureCreates(ctx context.Context) error {
	var took []float64
	for i := range callsOfEach {
		name, began := fmt.Sprintf("created-%03d", i), time.Now()
		_, err := t.plane.client.CreateTopic(ctx, &kafka.CreateTopicInput{
			ClusterArn: &t.arn, TopicName: &name, PartitionCount: aws.Int32(3), ReplicationFactor: aws.Int32(brokerCount),
		})
		if err != nil {
			return fmt.Errorf("create topic %s: %w", name, err)
		}
		took = append(took, sinceMS(began))
	}
	t.add(createTopicOf, took)
	return nil
}

func (t topicCluster) measureDescribes(ctx context.Context) error {
	var took []float64
	for i := range callsOfEach {
		name, began := fmt.Sprintf("created-%03d", i), time.Now()
		if _, err := t.plane.client.DescribeTopic(ctx, &kafka.DescribeTopicInput{ClusterArn: &t.arn, TopicName: &name}); err != nil {
			return fmt.Errorf("describe topic %s: %w", name, err)
		}
		took = append(took, sinceMS(began))
	}
	t.add(describeOf, took)
	return nil
}

// measureDeclaration plans topics and applies them.
func (t topicCluster) measureDeclaration(ctx context.Context) error {
	var declared []map[string]any
	for i := range declaredTopics {
		declared = append(declared, map[string]any{
			"name": fmt.Sprintf("declared-%03d", i), "partitions": 1, "replicationFactor": brokerCount,
			"configs": map[string]string{"retention.ms": "86400000"},
		})
	}
	document := map[string]any{"topics": declared}
	timed := func(figure string, do func() error) error {
		began := time.Now()
		if err := do(); err != nil {
			return fmt.Errorf("%s: %w", figure, err)
		}
		took := time.Since(began)
		t.bench.samples.add(figure, ours, took.Seconds())
		progress("%s: %.2f s", figure, took.Seconds())
		return nil
	}
	plan := func() error { return t.post(ctx, "topic-plan", document, nil) }
	return errors.Join(
		timed(planTopicsOf, plan),
		timed(applyTopicsOf, func() error { return t.apply(ctx, document) }),
		timed(replanTopicsOf, plan),
	)
}

// apply has topics made as they are declared, and waits until that has been done.
func (t topicCluster) apply(ctx context.Context, document any) error {
	var started struct{ Operation struct{ Arn string } }
	if err := t.post(ctx, "topic-apply", document, &started); err != nil {
		return err
	}
	return until(ctx, look, "the application to end", func() (bool, error) {
		answer, err := t.plane.client.DescribeClusterOperationV2(ctx, &kafka.DescribeClusterOperationV2Input{
			ClusterOperationArn: &started.Operation.Arn,
		})
		if err != nil {
			return false, err
		}
		switch info := answer.ClusterOperationInfo; aws.ToString(info.OperationState) {
		case "UPDATE_COMPLETE":
			return true, nil
		case "UPDATE_FAILED":
			return false, fmt.Errorf("it failed: %s", aws.ToString(info.ErrorInfo.ErrorString))
		default:
			return false, nil
		}
	})
}

// post sends a request of the API that MSK's does not have.
func (t topicCluster) post(ctx context.Context, what string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	key, err := t.plane.layout.Credentials()
	if err != nil {
		return err
	}
	endpoint := *t.plane.client.Options().BaseEndpoint
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		endpoint+"/millrace/v1/clusters/"+url.PathEscape(t.arn)+"/"+what, bytes.NewReader(body))
	if err != nil {
		return err
	}
	hash := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, hex.EncodeToString(hash[:]), "kafka", region, time.Now()); err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
