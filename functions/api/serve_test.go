package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
)

// answer is an answer as it came over the wire.
type answer struct {
	Status  int
	Type    string // of the error
	Request string // id
	Body    map[string]any
}

// send sends a signed request with the path as it is written here.
func (d *frontDesk) send(t *testing.T, method, path string, body []byte) answer {
	t.Helper()
	return d.sendAs(t, accessKey, secretKey, method, path, body)
}

// sendAs sends a request that is signed with a key.
func (d *frontDesk) sendAs(t *testing.T, id, secret, method, path string, body []byte) answer {
	t.Helper()
	rq, err := http.NewRequestWithContext(t.Context(), method, d.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	escaped, query, _ := strings.Cut(path, "?")
	rq.URL.RawQuery = query
	rq.URL.Opaque = "//" + rq.URL.Host + escaped
	sum := sha256.Sum256(body)
	key := aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}
	if err := v4.NewSigner().SignHTTP(t.Context(), key, rq, hex.EncodeToString(sum[:]), "kafka", region, time.Now()); err != nil {
		t.Fatal(err)
	}
	return receive(t, rq)
}

func receive(t *testing.T, rq *http.Request) answer {
	t.Helper()
	rs, err := http.DefaultClient.Do(rq)
	if err != nil {
		t.Fatal(err)
	}
	defer rs.Body.Close()
	text, err := io.ReadAll(rs.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Status: rs.StatusCode, Type: rs.Header.Get("x-amzn-ErrorType"), Request: rs.Header.Get("x-amzn-RequestId")}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &a.Body); err != nil {
			t.Fatalf("%s is not JSON: %v", text, err)
		}
	}
	return a
}

func TestServe_RefusesWhatItCannotReadWithModelledErrors(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	foreign := strings.Replace(c.ARN, account, "123456789012", 1)
	for _, tt := range []struct {
		name, method, path string
		body               string
		want               string // a telling part of the message
	}{
		{"no JSON", "POST", "/v1/clusters", "{", "not valid JSON"},
		{"JSON that is no object", "POST", "/v1/clusters", "[1]", "JSON object"},
		{"two objects", "POST", "/v1/clusters", "{}{}", "after its JSON object"},
		{"no body", "POST", "/v1/clusters", "", "is required"},
		{"a member nobody knows", "POST", "/v1/clusters", `{"turbo": true}`, "turbo"},
		{"a number as a name", "POST", "/v1/clusters", `{"clusterName": 7}`, "clusterName has to be a string"},
		{"a body of two megabytes", "POST", "/v1/clusters", `{"clusterName": "` + strings.Repeat("a", 2<<20) + `"}`, "larger than"},
		{"a path nobody knows", "GET", "/v1/nonsense", "", "not an operation"},
		{"a method nobody knows", "DELETE", "/v1/clusters", "", "not an operation"},
		{"a malformed ARN", "GET", "/v1/clusters/orders", "", "not the ARN of a cluster"},
		{"an ARN of another kind", "GET", "/v1/clusters/" + url.PathEscape(strings.Replace(c.ARN, ":cluster/", ":configuration/", 1)), "", "not the ARN of a cluster"},
		{"an ARN of another account", "GET", "/v1/clusters/" + url.PathEscape(foreign), "", "another partition, region or account"},
		{"a query parameter nobody knows", "GET", "/v1/clusters?turbo=1", "", "no query parameter turbo"},
		{"an extension nobody knows", "GET", "/millrace/v1/nonsense", "", "not an operation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := desk.send(t, tt.method, tt.path, []byte(tt.body))
			message, _ := a.Body["message"].(string)
			if a.Status != 400 || a.Type != "BadRequestException" || !strings.Contains(message, tt.want) || a.Request == "" {
				t.Errorf("got %+v, want a BadRequestException with %q", a, tt.want)
			}
		})
	}
}

func TestServe_TakesARNsEncodedAndDecoded(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	for _, path := range []string{
		"/v1/clusters/" + url.PathEscape(c.ARN),
		"/v1/clusters/" + strings.NewReplacer(":", "%3A", "/", "%2F").Replace(c.ARN),
		"/v1/clusters/" + c.ARN,
		"/v1/clusters/" + c.ARN + "/nodes",
		"/v1/clusters/" + url.PathEscape(c.ARN) + "/bootstrap-brokers",
		"/api/v2/clusters/" + c.ARN,
		"/millrace/v1/clusters/" + c.ARN,
		"/millrace/v1/clusters/" + url.PathEscape(c.ARN),
	} {
		if a := desk.send(t, "GET", path, nil); a.Status != 200 {
			t.Errorf("%s: %+v", path, a)
		}
	}
}

func TestServe_KnowsItsCallers(t *testing.T) {
	desk := openFrontDesk(t)
	call := func(key, secret, region string) error {
		options := desk.Options()
		options.Credentials = credentials.NewStaticCredentialsProvider(key, secret, "")
		options.Region = region
		_, err := kafka.New(options).ListClusters(t.Context(), &kafka.ListClustersInput{})
		return err
	}
	if err := call(accessKey, secretKey, region); err != nil {
		t.Fatal(err)
	}
	refused(t, call("AKIASTRANGER", secretKey, region), "UnauthorizedException", "not known")
	refused(t, call(accessKey, "guessed", region), "ForbiddenException", "signature")
	refused(t, call(accessKey, secretKey, "us-east-1"), "ForbiddenException", "region")
	for _, path := range []string{"/v1/clusters", "/millrace/v1/clusters", "/nonsense"} {
		rq, err := http.NewRequestWithContext(t.Context(), http.MethodGet, desk.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := receive(t, rq); a.Status != 401 || a.Type != "UnauthorizedException" {
			t.Errorf("unsigned %s: %+v", path, a)
		}
	}
}

func TestServe_RefusesByNameWhatIsNotBuilt(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.create(t, "orders")
	_, err := desk.RebootBroker(t.Context(), &kafka.RebootBrokerInput{ClusterArn: &c.ARN, BrokerIds: []string{"1"}})
	refused(t, err, "BadRequestException", "does not support the operation RebootBroker yet")
	_, err = desk.ListReplicators(t.Context(), &kafka.ListReplicatorsInput{})
	refused(t, err, "BadRequestException", "does not support the operation ListReplicators yet")
}

func TestServe_AnswersAFaultOfItsOwnWithoutTellingItAndLogsIt(t *testing.T) {
	text := captureLog(t)
	desk := openFrontDesk(t)
	options := desk.Options()
	options.Credentials = credentials.NewStaticCredentialsProvider("AKIABROKENSTORE", secretKey, "")
	_, err := kafka.New(options).ListClusters(t.Context(), &kafka.ListClustersInput{})
	refused(t, err, "InternalServerErrorException", "log")
	if strings.Contains(err.Error(), "secret detail") || !strings.Contains(text.String(), "secret detail") {
		t.Errorf("told %v, logged %s", err, text)
	}
}

// panickingZones stands for any bug of ours.
type panickingZones struct{}

func (panickingZones) Zones(context.Context, []string) ([]string, error) { panic("no zones here") }

func TestServe_SurvivesAPanic(t *testing.T) {
	text := captureLog(t)
	desk := openFrontDesk(t)
	desk.deps.Zones = panickingZones{}
	desk.listen(t)

	p := threeBrokers()
	_, err := desk.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{ClusterName: aws.String("orders"), Provisioned: &p})
	refused(t, err, "InternalServerErrorException", "log")
	if log := text.String(); !strings.Contains(log, "no zones here") || !strings.Contains(log, "serve_test.go") {
		t.Errorf("the log does not say where it was: %s", log)
	}
	if _, err := desk.ListClusters(t.Context(), &kafka.ListClustersInput{}); err != nil {
		t.Errorf("the next request: %v", err)
	}
}

func TestServe_LogsOneLineWithoutBodyOrHeaders(t *testing.T) {
	text := captureLog(t)
	desk := openFrontDesk(t)
	p := threeBrokers()
	_, err := desk.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{
		ClusterName: aws.String("orders"), Provisioned: &p, Tags: map[string]string{"team": "tell-nobody"},
	})
	if err != nil {
		t.Fatal(err)
	}
	log := text.String()
	for _, want := range []string{"operation=CreateClusterV2", "status=200", "request=", "ms=", "caller=" + accessKey} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in %s", want, log)
		}
	}
	if strings.Count(log, "\n") != 1 || strings.Contains(log, "tell-nobody") || strings.Contains(log, "AWS4-HMAC") {
		t.Errorf("logged %s", log)
	}
}
