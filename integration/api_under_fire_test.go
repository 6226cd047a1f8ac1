package integration

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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/integration/harness"
)

// withoutKafka starts a control plane whose hosts find no Java, for tests that care for the API alone.
func withoutKafka(t *testing.T) *harness.Millrace {
	t.Helper()
	return harness.StartMillrace(t, noJava(t))
}

// noJava lets every start of Kafka fail at once.
func noJava(t *testing.T) harness.Option {
	t.Helper()
	return harness.Env("JAVA_HOME", javaHome(t, "exit 1\n"))
}

func TestAPI_FiftyCreatesOfOneNameMakeOneClusterAnd49Conflicts(t *testing.T) {
	m := withoutKafka(t)
	client := m.KafkaClient(t)
	errs := make([]error, 50)
	var calls sync.WaitGroup
	for i := range errs {
		calls.Go(func() {
			_, errs[i] = client.CreateCluster(t.Context(), harness.NewRequest("contested"), once)
		})
	}
	calls.Wait()

	won := 0
	for _, err := range errs {
		var conflict *types.ConflictException
		switch {
		case err == nil:
			won++
		case !errors.As(err, &conflict) || aws.ToString(conflict.InvalidParameter) != "clusterName":
			t.Errorf("a loser heard: %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d of 50 calls made a cluster", won)
	}
	arn := onlyCluster(t, m)
	m.WaitUntilFailed(t, arn)
	m.DeleteCluster(t, arn)
	m.WaitUntilGone(t, arn)
	nothingIsLeft(t, m, nil)
	m.CreateCluster(t, "contested") // the name is free again
}

// caller sends requests as they are written, which no SDK would.
type caller struct {
	t           *testing.T
	endpoint    string
	credentials aws.Credentials
	region      string
	now         time.Time
	unsigned    bool
}

func newCaller(t *testing.T, m *harness.Millrace) caller {
	e := m.Environment()
	return caller{
		t: t, endpoint: e["AWS_ENDPOINT_URL_KAFKA"], region: e["AWS_REGION"], now: time.Now(),
		credentials: aws.Credentials{AccessKeyID: e["AWS_ACCESS_KEY_ID"], SecretAccessKey: e["AWS_SECRET_ACCESS_KEY"]},
	}
}

// answer is what came back: the kind of the error is empty when there was none.
type answer struct {
	Status  int
	Kind    string
	Message string
}

// send asks for a path as it is written.
func (c caller) send(method, path, body string) answer {
	c.t.Helper()
	a, err := c.try(method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s was not answered: %v", method, path, err)
	}
	return a
}

// try is send for what may not be answered.
func (c caller) try(method, path, body string) (answer, error) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.endpoint+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if !c.unsigned {
		c.sign(request, body)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	a := answer{Status: response.StatusCode, Kind: response.Header.Get("x-amzn-ErrorType")}
	if len(bytes.TrimSpace(content)) > 0 && json.Unmarshal(content, &a) != nil {
		c.t.Errorf("%s %s was answered with %q", method, path, content)
	}
	return a, nil
}

func (c caller) sign(request *http.Request, body string) {
	c.t.Helper()
	hash := sha256.Sum256([]byte(body))
	err := v4.NewSigner().SignHTTP(context.Background(), c.credentials, request, hex.EncodeToString(hash[:]), "kafka", c.region, c.now)
	if err != nil {
		c.t.Fatal(err)
	}
}

func TestAPI_OnlySignedRequestsOfTheRightKeyAndTimeAreServed(t *testing.T) {
	m := withoutKafka(t)
	for _, tt := range []struct {
		name   string
		change func(*caller)
		status int
		kind   string
	}{
		{"as millrace env says", func(*caller) {}, 200, ""},
		{"a clock that is 4 minutes slow", func(c *caller) { c.now = c.now.Add(-4 * time.Minute) }, 200, ""},
		{"a clock that is 6 minutes slow", func(c *caller) { c.now = c.now.Add(-6 * time.Minute) }, 403, "ForbiddenException"},
		{"a clock that is 6 minutes fast", func(c *caller) { c.now = c.now.Add(6 * time.Minute) }, 403, "ForbiddenException"},
		{"a wrong secret", func(c *caller) { c.credentials.SecretAccessKey += "x" }, 403, "ForbiddenException"},
		{"an unknown key", func(c *caller) { c.credentials.AccessKeyID = "AKIAIOSFODNN7EXAMPLE" }, 401, "UnauthorizedException"},
		{"another region", func(c *caller) { c.region = "eu-south-2" }, 403, "ForbiddenException"},
		{"no signature", func(c *caller) { c.unsigned = true }, 401, "UnauthorizedException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCaller(t, m)
			tt.change(&c)
			if a := c.send("GET", "/v1/clusters", ""); a.Status != tt.status || a.Kind != tt.kind {
				t.Errorf("the answer is %+v", a)
			}
		})
	}
	t.Run("the aws command line without signature", func(t *testing.T) {
		_, err := m.TryAWS(t, "kafka", "list-clusters", "--no-sign-request")
		if err == nil || !strings.Contains(err.Error(), "(UnauthorizedException)") {
			t.Errorf("it says %v", err)
		}
	})
}

func TestAPI_NonsenseIsRefusedWithModelledErrorsAndServiceGoesOn(t *testing.T) {
	m := withoutKafka(t)
	arn := m.CreateCluster(t, "orders")
	foreign := strings.Replace(arn, ":000000000000:", ":123456789012:", 1)
	stale := arn[:strings.LastIndex(arn, "/")+1] + "01234567-89ab-cdef-0123-456789abcdef-7"
	c := newCaller(t, m)
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		kind                     string
	}{
		{"a body of two megabytes", "POST", "/v1/clusters", `{"clusterName":"` + strings.Repeat("x", 2<<20) + `"}`, 400, "BadRequestException"},
		{"two megabytes of nothing", "POST", "/v1/clusters", strings.Repeat(" ", 2<<20), 400, "BadRequestException"},
		{"half a JSON text", "POST", "/v1/clusters", `{"clusterName":`, 400, "BadRequestException"},
		{"no JSON at all", "POST", "/api/v2/clusters", "<cluster/>", 400, "BadRequestException"},
		{"brackets without end", "POST", "/v1/clusters", strings.Repeat("[", 100_000), 400, "BadRequestException"},
		{"bytes that are no text", "POST", "/v1/clusters", "{\"clusterName\":\"\xff\xfe\x00\"}", 400, "BadRequestException"},
		{"numbers for names", "POST", "/v1/clusters", `{"clusterName":7}`, 400, "BadRequestException"},
		{"null for everything", "POST", "/v1/clusters", `null`, 400, "BadRequestException"},
		{"a cluster that is gone", "GET", "/v1/clusters/" + url.PathEscape(stale), "", 404, "NotFoundException"},
		{"somebody else's cluster", "GET", "/v1/clusters/" + url.PathEscape(foreign), "", 400, "BadRequestException"},
		{"no ARN", "GET", "/v1/clusters/orders", "", 400, "BadRequestException"},
		{"half an ARN", "GET", "/v1/clusters/" + url.PathEscape(arn[:30]), "", 400, "BadRequestException"},
		{"a path upwards", "GET", "/v1/clusters/../../../etc/passwd", "", 400, "BadRequestException"},
		{"an operation that is not built", "PUT", "/v1/clusters/" + url.PathEscape(arn) + "/reboot-broker", `{"brokerIds":["1"]}`, 400, "BadRequestException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a := newCaller(t, m).send(tt.method, tt.path, tt.body); a.Status != tt.status || a.Kind != tt.kind || a.Message == "" {
				t.Errorf("the answer is %+v", a)
			}
		})
	}

	for how, path := range map[string]string{
		"encoded":       url.PathEscape(arn),
		"fully encoded": strings.NewReplacer(":", "%3A", "/", "%2F").Replace(arn),
		"as it is":      arn,
	} {
		if a := c.send("GET", "/v1/clusters/"+path, ""); a.Status != 200 {
			t.Errorf("a cluster whose ARN is written %s was answered with %+v", how, a)
		}
		if a := c.send("GET", "/api/v2/clusters/"+path, ""); a.Status != 200 {
			t.Errorf("the same cluster in version 2 of the API was answered with %+v", a)
		}
	}
	m.WaitUntilFailed(t, arn) // and the control plane has survived all of it
}

func TestAPI_ListsByPrefixInPages(t *testing.T) {
	m := withoutKafka(t)
	for _, name := range []string{"abc", "abcd", "abd"} {
		m.CreateCluster(t, name)
	}
	var names []string
	pages := kafka.NewListClustersPaginator(m.KafkaClient(t), &kafka.ListClustersInput{
		ClusterNameFilter: aws.String("abc"), MaxResults: aws.Int32(1),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.ClusterInfoList) > 1 {
			t.Errorf("a page of one holds %d", len(page.ClusterInfoList))
		}
		for _, c := range page.ClusterInfoList {
			names = append(names, *c.ClusterName)
		}
	}
	if fmt.Sprint(names) != "[abc abcd]" {
		t.Errorf("the prefix abc finds %v", names)
	}
}
