package aws_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/aws"
)

// setEnvironment makes an environment like a function's, of a region and credentials.
func setEnvironment(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "", "AWS_ENDPOINT_URL": "",
	} {
		t.Setenv(name, value)
	}
}

func load(t *testing.T) sdk.Config {
	t.Helper()
	loaded, err := aws.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestLoad_TakesRegionAndEndpointsFromTheEnvironment(t *testing.T) {
	setEnvironment(t)
	var all, keys atomic.Int32
	count := func(n *atomic.Int32) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n.Add(1)
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			_, _ = w.Write([]byte("{}"))
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	t.Setenv("AWS_ENDPOINT_URL", count(&all))
	if _, err := kms.NewFromConfig(load(t)).ListKeys(t.Context(), nil); err != nil || all.Load() != 1 {
		t.Errorf("%d calls at the endpoint of all services, %v", all.Load(), err)
	}
	t.Setenv("AWS_ENDPOINT_URL_KMS", count(&keys))
	loaded := load(t)
	if _, err := kms.NewFromConfig(loaded).ListKeys(t.Context(), nil); err != nil || keys.Load() != 1 {
		t.Errorf("%d calls at the endpoint of KMS, %v", keys.Load(), err)
	}
	if loaded.Region != "eu-west-1" || loaded.RetryMode != sdk.RetryModeStandard {
		t.Errorf("region %s, retries %s", loaded.Region, loaded.RetryMode)
	}
}

// silence answers nothing until nobody waits any more.
type silence struct{ attempts atomic.Int32 }

func (s *silence) RoundTrip(r *http.Request) (*http.Response, error) {
	s.attempts.Add(1)
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestLoad_BoundsEveryAttemptAndEveryCall(t *testing.T) {
	setEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		loaded := load(t)
		client, ok := loaded.HTTPClient.(interface {
			GetTimeout() time.Duration
		})
		if !ok || client.GetTimeout() != 8*time.Second {
			t.Fatalf("attempts are made by a %T", loaded.HTTPClient)
		}
		// The time of the client and its attempts, over a network on which nothing moves.
		network := &silence{}
		loaded.HTTPClient = &http.Client{Transport: network, Timeout: client.GetTimeout()}
		began := time.Now()
		_, err := kms.NewFromConfig(loaded).ListKeys(t.Context(), nil)
		if took := time.Since(began); took < 24*time.Second || took > 25*time.Second || network.attempts.Load() != 3 {
			t.Errorf("it took %s and %d attempts", took, network.attempts.Load())
		}
		if err := (aws.Codes{}).Fault(err); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v is not Unavailable", err)
		}
	})
}
