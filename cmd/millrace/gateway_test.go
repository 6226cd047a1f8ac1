package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/functions/api"
	"github.com/millrace/millrace/functions/topicadmin"
	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/kafka/kafkatest"
	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/platform/local/localtest"
	"github.com/millrace/millrace/shared/records"
)

const (
	remoteRegion = "eu-west-1"
	remoteHost   = "a1b2c3d4e5.execute-api." + remoteRegion + ".amazonaws.com"
	remoteStage  = "v1"
	remoteURL    = "https://" + remoteHost + "/" + remoteStage
)

// identity is somebody whom IAM knows.
type identity struct{ id, secret, arn string }

var (
	ada  = identity{"AKIAADAISANADMIN0000", "adas-secret", "arn:aws:iam::123456789012:user/ada"}
	rhea = identity{"AKIARHEAONLYREADS000", "rheas-secret", "arn:aws:iam::123456789012:user/rhea"} // may invoke GET alone
)

// deployment is a control plane in an account: the real API behind what does API Gateway's part, at API Gateway's own name.
// It checks signatures for execute-api and IAM's rules on /iam/{proxy+}, and hands over events as a REST API does.
type deployment struct {
	t       *testing.T
	records records.Records
	kafka   *kafkatest.Pool
	desk    *api.API
	tunnel  string // URL of an HTTP proxy that finds the deployment by its name
	trusted string // file of the certificate it shows

	mu   sync.Mutex
	came []string // resource, method and path of each event
	ails []int    // the status of each of the next answers to somebody who looks, which API Gateway gives by itself
}

func deploy(t *testing.T) *deployment {
	t.Helper()
	seal, err := local.Layout{Dir: t.TempDir()}.EnsureSeal()
	if err != nil {
		t.Fatal(err)
	}
	d := &deployment{t: t, records: records.Records{Table: localtest.NewTable(t)}, kafka: &kafkatest.Pool{}}
	functions := local.Functions{errand.Function: topicadmin.Steps(topicadmin.Deps{Records: d.records, Kafka: d.kafka, Now: time.Now})}
	d.desk = api.New(api.Deps{
		Records: d.records, Workflows: nothingStarts{}, Functions: functions, Zones: local.Zones{Region: remoteRegion}, Seal: seal,
		Now: time.Now, Random: rand.Reader,
		Region: remoteRegion, Account: "123456789012", Controllers: 3, SecurityGroup: "sg-clients", VolumeKey: "key",
		HostArchitecture: api.ARM64,
	})
	server := httptest.NewUnstartedServer(http.HandlerFunc(d.gateway))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{d.certificate()}}
	server.StartTLS()
	t.Cleanup(server.Close)
	tunnel := httptest.NewServer(tunnelTo(server.Listener.Addr().String()))
	t.Cleanup(tunnel.Close)
	d.tunnel = tunnel.URL
	return d
}

// nothingStarts leaves every operation as it was recorded.
type nothingStarts struct{}

func (nothingStarts) Start(context.Context, string, string, any) error { return nil }

// tunnelTo is an HTTP proxy by which every name is at one address.
func tunnelTo(address string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != remoteHost+":443" {
			http.Error(w, "there is nothing but "+remoteHost, http.StatusBadGateway)
			return
		}
		server, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		caller, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			server.Close()
			return
		}
		go func() {
			defer server.Close()
			_, _ = io.Copy(server, buffered)
		}()
		go func() {
			defer caller.Close()
			_, _ = io.Copy(caller, server)
		}()
	})
}

// certificate makes the deployment's certificate and leaves it where clients are told to trust it.
func (d *deployment) certificate() tls.Certificate {
	d.t.Helper()
	certificate, key := newCertificate(d.t, remoteHost)
	d.trusted = filepath.Join(d.t.TempDir(), "trusted.crt")
	if err := os.WriteFile(d.trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: key}
}

// gateway does what API Gateway does before and after the function.
func (d *deployment) gateway(w http.ResponseWriter, h *http.Request) {
	path, ofStage := strings.CutPrefix(h.URL.EscapedPath(), "/"+remoteStage)
	if !ofStage {
		deny(w, "ForbiddenException", "Forbidden")
		return
	}
	r, err := mskapi.FromHTTP(h)
	if err != nil {
		d.t.Error(err)
	}
	resource := "/{proxy+}"
	if path == "" || path == "/" {
		resource, path = "/", "/"
	}
	e := events.APIRequest{
		Resource: resource, Path: path, HTTPMethod: h.Method, Body: string(r.Body),
		MultiValueHeaders:               h.Header.Clone(),
		MultiValueQueryStringParameters: h.URL.Query(),
	}
	delete(e.MultiValueHeaders, "Content-Length")
	e.MultiValueHeaders["Host"] = []string{h.Host}
	e.RequestContext.RequestID, e.RequestContext.Stage, e.RequestContext.DomainName = r.RequestID, remoteStage, h.Host
	if strings.HasPrefix(path, "/iam/") {
		e.Resource = api.IAMResource
		who, err := d.authorise(h.Context(), r)
		if err != nil {
			deny(w, "AccessDeniedException", err.Error())
			return
		}
		e.RequestContext.Identity.UserArn = who.arn
	}
	d.mu.Lock()
	d.came = append(d.came, e.Resource+" "+h.Method+" "+path)
	ails := 0
	if len(d.ails) > 0 && h.Method == http.MethodGet {
		ails, d.ails = d.ails[0], d.ails[1:]
	}
	d.mu.Unlock()
	if ails > 0 {
		w.WriteHeader(ails)
		fmt.Fprintf(w, `{"message": %q}`, http.StatusText(ails))
		return
	}
	answer, err := d.desk.ServeGateway(h.Context(), e)
	if err != nil {
		d.t.Error(err)
	}
	for name, values := range answer.MultiValueHeaders {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.WriteString(w, answer.Body)
}

func deny(w http.ResponseWriter, kind, message string) {
	w.Header().Set("X-Amzn-Errortype", kind)
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintf(w, `{"Message": %q}`, message)
}

// authorise is IAM's part: whose signature it is, for execute-api and the path with its stage, and what they may invoke.
func (d *deployment) authorise(ctx context.Context, r mskapi.Request) (identity, error) {
	known := identities{ada, rhea}
	id, err := mskapi.Verifier{Secrets: known, Region: remoteRegion, Services: []string{"execute-api"}, Now: time.Now}.Verify(ctx, r)
	if err != nil {
		return identity{}, err
	}
	who := known[slices.IndexFunc(known, func(i identity) bool { return i.id == id })]
	if who == rhea && r.Method != http.MethodGet {
		return who, fmt.Errorf("User: %s is not authorized to perform: execute-api:Invoke on resource: %s%s", who.arn, r.Method, r.Path)
	}
	return who, nil
}

type identities []identity

func (known identities) Secret(_ context.Context, id string) (secret string, found bool, err error) {
	for _, i := range known {
		if i.id == id {
			return i.secret, true, nil
		}
	}
	return "", false, nil
}

// saw tells whether an event came whose resource, method and path are as given.
func (d *deployment) saw(event string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.came, event)
}

// environ is that of a user of the deployment who has these AWS credentials, and nothing else of AWS.
func (d *deployment) environ(id, secret string) []string {
	environ := slices.DeleteFunc(withoutAWS(os.Environ()), func(e string) bool {
		name, _, _ := strings.Cut(strings.ToUpper(e), "=")
		return strings.HasSuffix(name, "_PROXY") || strings.HasPrefix(name, "MILLRACE_")
	})
	return append(environ,
		"AWS_ACCESS_KEY_ID="+id, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"HTTPS_PROXY="+d.tunnel, "SSL_CERT_FILE="+d.trusted, "AWS_CA_BUNDLE="+d.trusted, "MILLRACE_DATA="+filepath.Join(d.t.TempDir(), "none"))
}

// millrace runs the program as a user with these credentials.
func (d *deployment) millrace(id, secret string, args ...string) result {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, filepath.Join(programs, "millrace"), args...)
	c.Env, c.Stdout, c.Stderr = d.environ(id, secret), &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.t.Fatalf("millrace %s: %v", strings.Join(args, " "), err)
	}
	return result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

// succeeds runs the program at the deployment's endpoint.
func (d *deployment) succeeds(who identity, args ...string) string {
	d.t.Helper()
	r := d.millrace(who.id, who.secret, append(args, "--endpoint", remoteURL)...)
	if r.code != 0 {
		d.t.Fatalf("millrace %s: %s", strings.Join(args, " "), r)
	}
	return r.stdout
}

// fails runs the program at the deployment's endpoint and gives the one sentence that it says.
func (d *deployment) fails(who identity, args ...string) string {
	d.t.Helper()
	r := d.millrace(who.id, who.secret, append(args, "--endpoint", remoteURL)...)
	if r.code != exitFailure || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
		d.t.Errorf("millrace %s: %s\nwant exit code %d and one sentence", strings.Join(args, " "), r, exitFailure)
	}
	return r.stderr
}

// aws runs the aws command line against the deployment, as somebody who has an access key of it would.
func (d *deployment) aws(key identity, endpoint string) func(args ...string) (string, error) {
	d.t.Helper()
	return awsCLI(d.t, append(d.environ(key.id, key.secret), "NO_PROXY=127.0.0.1", "AWS_ENDPOINT_URL_KAFKA="+endpoint,
		"AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING="+endpoint, "AWS_DEFAULT_REGION="+remoteRegion)...)
}

// newCertificate makes a certificate that vouches for itself.
func newCertificate(t *testing.T, host string) (der []byte, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}
